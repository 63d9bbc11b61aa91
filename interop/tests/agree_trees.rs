//! Random logs and maps: the same roots, the same bytes of proofs, each accepted by the other side.

use std::collections::BTreeMap;
use std::sync::Arc;

use interop::chance::Chance;
use interop::trees::{TheirLog, TheirMap};
use wargate_core::digest::Digest;
use wargate_core::id::{LogId, RecordId, entry, leaf_hash};
use wargate_core::log::proof::LogProofBundle;
use wargate_core::log::tile::{Edge, TileId, node_in_tile};
use wargate_core::log::tree::NodeId;
use wargate_core::map::page::{PageRef, Pages, update};
use wargate_core::map::proof::{MapProofBundle, prove};

const RECORDS: usize = 700;

fn ids(chance: &mut Chance, logs: usize) -> Vec<(LogId, RecordId)> {
    let known: Vec<LogId> =
        (0..logs).map(|_| LogId::from_digest(Digest::from_bytes(chance.bytes32()))).collect();
    (0..RECORDS)
        .map(|_| (*chance.pick(&known), RecordId::from_digest(Digest::from_bytes(chance.bytes32()))))
        .collect()
}

#[test]
fn logs_have_the_same_roots_and_proofs() {
    let mut chance = Chance::new(31);
    let (mut theirs, mut edge) = (TheirLog::default(), Edge::empty());
    let (mut tiles, mut leaves, mut roots) = (BTreeMap::<TileId, Vec<Digest>>::new(), Vec::new(), Vec::new());
    for (log, record) in ids(&mut chance, 50) {
        theirs.push(&log, &record);
        let leaf = leaf_hash(&entry(&log, &record));
        tiles.extend(edge.append(&[leaf]));
        leaves.push(leaf);
        roots.push(edge.root());
        assert_eq!(*edge.root().as_bytes(), theirs.root(leaves.len()));
    }
    let hash = |node: NodeId| node_in_tile(node, tiles.get(&node.tile().0)?);
    for _ in 0..300 {
        let size = 1 + chance.below(RECORDS);
        let picked: Vec<usize> = (0..1 + chance.below(4)).map(|_| chance.below(size)).collect();
        let included = picked.iter().map(|index| *index as u64).collect();
        let ours = LogProofBundle::build(size as u64, vec![], included, hash).unwrap().encode().unwrap();
        assert_eq!(ours, theirs.prove_inclusion(size, &picked), "{picked:?} in {size}");
        assert!(theirs.accepts_inclusion(&ours, size, &picked));
        let bundle = LogProofBundle::decode(&theirs.prove_inclusion(size, &picked)).unwrap();
        for index in &picked {
            bundle.verify_inclusion(*index as u64, &leaves[*index], &roots[size - 1]).unwrap();
        }
        let from = 1 + chance.below(size);
        let ours =
            LogProofBundle::build(size as u64, vec![from as u64], vec![], hash).unwrap().encode().unwrap();
        assert_eq!(ours, theirs.prove_consistency(from, size), "{from} to {size}");
        assert!(theirs.accepts_consistency(&ours, from, size));
        let bundle = LogProofBundle::decode(&theirs.prove_consistency(from, size)).unwrap();
        bundle.verify_consistency(from as u64, &roots[from - 1], &roots[size - 1]).unwrap();
    }
}

#[test]
fn maps_have_the_same_roots_and_proofs() {
    let mut chance = Chance::new(32);
    let (mut theirs, mut root, mut pages) = (TheirMap::default(), None::<PageRef>, Pages::default());
    let mut heads = BTreeMap::new();
    for (size, (log, record)) in ids(&mut chance, 120).into_iter().enumerate() {
        theirs.insert(&log, &record);
        let made = update(root, &pages, &[(log.map_key(), record)], size as u64).unwrap();
        root = Some(made.root);
        for (page_ref, page) in made.pages {
            pages.insert(page_ref, Arc::new(page));
        }
        heads.insert(log, record);
        assert_eq!(*made.root.hash.as_bytes(), theirs.root());
        if size % 20 != 0 {
            continue;
        }
        let logs: Vec<LogId> = heads.keys().copied().collect();
        let proofs = logs.iter().map(|log| prove(root, &pages, &log.map_key()).unwrap()).collect();
        let ours = MapProofBundle { proofs }.encode();
        assert_eq!(ours, theirs.prove(&logs), "at {size}");
        let all: Vec<(LogId, RecordId)> = heads.iter().map(|(log, record)| (*log, *record)).collect();
        assert!(theirs.accepts(&ours, &all));
        for (proof, (log, record)) in
            MapProofBundle::decode(&theirs.prove(&logs)).unwrap().proofs.iter().zip(&all)
        {
            proof.verify(&made.root.hash, log, Some(record)).unwrap();
        }
    }
}
