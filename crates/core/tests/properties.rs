//! Properties of the core over random inputs, each against a naive model.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test ends where something fails")]

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use wargate_core::digest::Digest;
use wargate_core::id::{RecordId, map_leaf_hash};
use wargate_core::log::proof::{LogProofBundle, inclusion_path, verify_inclusion_path};
use wargate_core::log::tile::{Edge, TILE_WIDTH, TileId, TilePath, node_in_tile, tiles_of};
use wargate_core::log::tree::{NodeId, empty_root, node_hash};
use wargate_core::map::page::{self, MapError, Page, PageRef, Pages, get, missing, update};
use wargate_core::map::proof::{MapProofBundle, prove};
use wargate_core::map::segment::{self, SegmentIndex};

fn leaf(number: u64) -> Digest {
    Digest::of(&number.to_be_bytes())
}

/// RFC 6962, read aloud.
fn naive_root(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        leaves => {
            let mut split = 1;
            while split * 2 < leaves.len() {
                split *= 2;
            }
            node_hash(&naive_root(&leaves[..split]), &naive_root(&leaves[split..]))
        }
    }
}

/// A log with all its tiles.
struct Log {
    edge: Edge,
    leaves: Vec<Digest>,
    tiles: BTreeMap<TileId, Vec<Digest>>,
}

impl Log {
    fn grown(batches: &[usize]) -> Self {
        let mut log = Self { edge: Edge::empty(), leaves: Vec::new(), tiles: BTreeMap::new() };
        for batch in batches {
            let fresh: Vec<Digest> = (0..*batch).map(|i| leaf((log.leaves.len() + i) as u64)).collect();
            log.leaves.extend(&fresh);
            for (id, tile) in log.edge.append(&fresh) {
                assert!(!tile.is_empty() && tile.len() <= usize::from(TILE_WIDTH));
                // A tile only ever grows: what stood in it stays.
                let before = log.tiles.insert(id, tile.clone()).unwrap_or_default();
                assert_eq!(tile[..before.len()], before);
            }
        }
        log
    }

    fn hash(&self, node: NodeId) -> Option<Digest> {
        node_in_tile(node, self.tiles.get(&node.tile().0)?)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_edge_and_its_tiles_are_the_tree(batches in prop::collection::vec(0usize..400, 1..8)) {
        let log = Log::grown(&batches);
        let size = log.leaves.len() as u64;
        prop_assert_eq!(log.edge.size(), size);
        prop_assert_eq!(log.edge.root(), naive_root(&log.leaves));
        // The partial tiles are exactly those of the size, and the edge comes back from them.
        let partials: Vec<_> = tiles_of(size).into_iter().map(|path| {
            let tile = log.tiles[&path.id].clone();
            assert_eq!(tile.len(), usize::from(path.width));
            (path.id, tile)
        }).collect();
        prop_assert_eq!(Edge::from_partial_tiles(size, partials), Some(log.edge.clone()));
    }

    #[test]
    fn proofs_from_tiles_hold_and_nothing_else_does(
        batches in prop::collection::vec(1usize..500, 1..5),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 3),
    ) {
        let log = Log::grown(&batches);
        let size = log.leaves.len() as u64;
        let root = log.edge.root();
        let at: Vec<u64> = picks.iter().map(|pick| pick.index(log.leaves.len()) as u64).collect();
        let bundle = LogProofBundle::build(size, vec![at[0] + 1], at.clone(), |node| log.hash(node)).unwrap();
        let bundle = LogProofBundle::decode(&bundle.encode().unwrap()).unwrap();
        for index in &at {
            let hash = log.leaves[*index as usize];
            bundle.verify_inclusion(*index, &hash, &root).unwrap();
            prop_assert!(bundle.verify_inclusion(*index, &leaf(u64::MAX), &root).is_err());
            let path = inclusion_path(*index, size, |node| log.hash(node)).unwrap();
            verify_inclusion_path(*index, size, &hash, &path, &root).unwrap();
            prop_assert!(verify_inclusion_path(*index, size, &leaf(u64::MAX), &path, &root).is_err());
        }
        let from = at[0] + 1;
        let from_root = naive_root(&log.leaves[..from as usize]);
        bundle.verify_consistency(from, &from_root, &root).unwrap();
        prop_assert!(bundle.verify_consistency(from, &leaf(u64::MAX), &root).is_err());
        // Every single changed hash breaks what needs it.
        for node in bundle.hashes.keys().copied().collect::<Vec<_>>() {
            let mut changed = bundle.clone();
            changed.hashes.insert(node, leaf(u64::MAX));
            let holds = at.iter().all(|i| changed.verify_inclusion(*i, &log.leaves[*i as usize], &root).is_ok())
                && changed.verify_consistency(from, &from_root, &root).is_ok();
            prop_assert!(!holds, "{:?}", node);
        }
    }

    #[test]
    fn tile_paths_have_one_spelling(level in 0u8..64, index in any::<u64>(), width in 1u16..=256) {
        let path = TilePath { id: TileId { level, index }, width };
        prop_assert_eq!(path.to_string().parse(), Ok(path));
    }

    #[test]
    fn in_order_numbers_round_trip(height in 0u8..30, index in 0u64..1 << 30) {
        let node = NodeId { height, index };
        let number = u64::try_from(node.in_order()).unwrap();
        prop_assert_eq!(NodeId::from_in_order(number), node);
    }
}

/// The map, read aloud: 256 levels, no shortcut but the empty subtree.
fn naive_map(keys: &[(Digest, RecordId)], depth: usize) -> Digest {
    let empty = |height: usize| (0..height).fold(Digest::of(&[0]), |hash, _| node_hash(&hash, &hash));
    match keys {
        [] => empty(256 - depth),
        [(_, record)] if depth == 256 => map_leaf_hash(record),
        keys => {
            let bit = |key: &Digest| key.as_bytes()[depth / 8] >> (7 - depth % 8) & 1;
            let split = keys.partition_point(|(key, _)| bit(key) == 0);
            node_hash(&naive_map(&keys[..split], depth + 1), &naive_map(&keys[split..], depth + 1))
        }
    }
}

/// Keys that often share long prefixes.
fn key() -> impl Strategy<Value = Digest> {
    (any::<u8>(), 0usize..32, any::<u8>()).prop_map(|(first, at, byte)| {
        let mut bytes = [first & 3; 32];
        bytes[at] = byte;
        Digest::from_bytes(bytes)
    })
}

fn record(number: u8) -> RecordId {
    RecordId::from_digest(Digest::of(&[number]))
}

fn grow(batches: &[Vec<(Digest, u8)>]) -> (Option<PageRef>, Pages, BTreeMap<Digest, RecordId>) {
    let (mut root, mut pages, mut model) = (None, Pages::default(), BTreeMap::new());
    for (segment, batch) in batches.iter().enumerate() {
        let changes: Vec<_> = batch.iter().map(|(key, number)| (*key, record(*number))).collect();
        model.extend(changes.iter().copied());
        let update = update(root, &pages, &changes, segment as u64).unwrap();
        let bytes = segment::encode(&update.pages);
        assert_eq!(segment::decode(&bytes, segment as u64).unwrap(), update.pages);
        let index = SegmentIndex::decode(&bytes).unwrap();
        for (page_ref, page) in update.pages {
            let range = index.find(&page_ref.hash).unwrap();
            let body = &bytes[range.start as usize..range.end as usize];
            assert_eq!(Page::decode(body).unwrap(), page);
            pages.insert(page_ref, Arc::new(page));
        }
        root = Some(update.root);
    }
    (root, pages, model)
}

fn without_segments(page: &Page) -> Page {
    let mut page = page.clone();
    for slot in &mut page.slots {
        if let page::Slot::Page(below) = slot {
            below.segment = 0;
        }
    }
    page
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_map_in_pages_is_the_map(
        batches in prop::collection::vec(prop::collection::vec((key(), any::<u8>()), 1..12), 1..5),
        absent in key(),
    ) {
        let (root, pages, model) = grow(&batches);
        let sorted: Vec<_> = model.iter().map(|(key, record)| (*key, *record)).collect();
        prop_assert_eq!(root.unwrap().hash, naive_map(&sorted, 0));
        let wanted = model.get(&absent).copied();
        prop_assert_eq!(get(root, &pages, &absent).unwrap(), wanted);
        for (key, record) in &model {
            prop_assert_eq!(get(root, &pages, key).unwrap(), Some(*record));
            prop_assert!(missing(root, &pages, &[*key]).is_empty());
            prop_assert!(prove(root, &pages, key).is_ok());
        }
        // Pages that are not at hand are asked for, never taken as empty.
        let unloaded = get(root, &Pages::default(), &absent);
        prop_assert!(matches!(unloaded, Err(MapError::MissingPage { page: _ })), "a page was taken as empty");
        prop_assert_eq!(missing(root, &Pages::default(), &[absent]), vec![root.unwrap()]);
    }

    #[test]
    fn a_changed_byte_of_a_page_is_another_page_or_none(
        batch in prop::collection::vec((key(), any::<u8>()), 1..12),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let (root, pages, _) = grow(&[batch]);
        let page = pages.get(&root.unwrap()).unwrap();
        let mut bytes = page.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(other) = Page::decode(&bytes) {
            prop_assert_eq!(other.encode(), bytes);
            // Where a page below lies is a hint, which its hash checks; all else is in this page's hash.
            let held = other.verify(0, &Digest::from_bytes([0; 32]), &root.unwrap().hash).is_ok();
            prop_assert_eq!(held, without_segments(&other) == without_segments(page));
        }
    }

    #[test]
    fn decoders_take_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Page::decode(&bytes);
        let _ = segment::decode(&bytes, 1);
        let _ = LogProofBundle::decode(&bytes);
        let _ = MapProofBundle::decode(&bytes);
        let _ = wargate_core::act::Act::decode(&bytes);
        let _ = wargate_core::record::PackageRecord::decode(&bytes);
        let _ = wargate_core::record::OperatorRecord::decode(&bytes);
        let _ = wargate_core::record::first_extension_field(&bytes);
        let _ = wargate_core::envelope::Envelope::decode(&bytes.clone().into());
        let _ = wargate_core::note::Note::parse(&String::from_utf8_lossy(&bytes));
        let _ = wargate_core::log::tile::decode_entries(&bytes, 3);
        let _ = wargate_core::log::tile::decode_records(&bytes, 3);
        let _ = wargate_core::log::tile::decode_names(&bytes, 3);
    }
}

#[test]
fn map_proofs_of_presence_and_absence_hold_and_no_other() {
    use wargate_core::id::LogId;
    let log = |i: u32| LogId::from_digest(Digest::of(&i.to_be_bytes()));
    let batch: Vec<_> = (0..200).map(|i| (log(i).map_key(), (i % 250) as u8)).collect();
    let (root, pages, _) = grow(&[batch]);
    let hash = root.unwrap().hash;
    for i in 0..400 {
        let proof = prove(root, &pages, &log(i).map_key()).unwrap();
        let held = (i < 200).then(|| record((i % 250) as u8));
        proof.verify(&hash, &log(i), held.as_ref()).unwrap();
        let other = if held.is_some() { None } else { Some(record(1)) };
        assert!(proof.verify(&hash, &log(i), other.as_ref()).is_err(), "{i}");
        assert!(proof.verify(&hash, &log(i), Some(&record(251))).is_err(), "{i}");
        let bundle = MapProofBundle { proofs: vec![proof] };
        assert_eq!(MapProofBundle::decode(&bundle.encode()).unwrap(), bundle);
    }
    assert_eq!(page::empty_root(), naive_map(&[], 0));
}

#[test]
fn ten_thousand_inserts_fold_into_one_hash() {
    let mut edge = Edge::empty();
    let (mut root, mut pages) = (None, Pages::default());
    let mut folded = Digest::of(b"fold");
    for i in 0..10_000u64 {
        edge.append(&[leaf(i)]);
        let key = Digest::of(&(i % 3_000).to_le_bytes());
        let made = update(root, &pages, &[(key, RecordId::from_digest(leaf(i)))], i).unwrap();
        root = Some(made.root);
        for (page_ref, page) in made.pages {
            pages.insert(page_ref, Arc::new(page));
        }
        let step = [folded, edge.root(), made.root.hash];
        folded = Digest::of(&step.iter().flat_map(|hash| *hash.as_bytes()).collect::<Vec<_>>());
    }
    // Kept so that no change of the code changes a root unseen.
    assert_eq!(folded.to_hex(), include_str!("folded.hex").trim());
}
