//! The log against a model that follows RFC 6962 word by word and keeps every leaf.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use wargate_core::digest::{Digest, Hasher};
use wargate_core::log::proof::{
    LogProofBundle, ProofError, consistency_path, inclusion_path, verify_consistency_path,
    verify_inclusion_path,
};
use wargate_core::log::tile::{
    BundleKind, BundlePath, Edge, TileId, TilePath, decode_entries, decode_names, decode_records,
    encode_entries, encode_names, encode_records, node_in_tile, tiles_of,
};
use wargate_core::log::tree::{NodeId, balanced_roots, empty_root, node_hash, root_from};

fn leaves(count: u64) -> Vec<Digest> {
    (0..count).map(|leaf| Digest::of(&leaf.to_be_bytes())).collect()
}

/// The largest power of two smaller than `n`.
fn split(n: usize) -> usize {
    let mut k = 1;
    while k * 2 < n {
        k *= 2;
    }
    k
}

/// RFC 6962, section 2.1: MTH.
fn mth(d: &[Digest]) -> Digest {
    match d {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = d.split_at(split(d.len()));
            node_hash(&mth(left), &mth(right))
        }
    }
}

/// RFC 6962, section 2.1.1: PATH.
fn path(m: usize, d: &[Digest]) -> Vec<Digest> {
    if d.len() <= 1 {
        return Vec::new();
    }
    let k = split(d.len());
    let (mut nodes, last) =
        if m < k { (path(m, &d[..k]), mth(&d[k..])) } else { (path(m - k, &d[k..]), mth(&d[..k])) };
    nodes.push(last);
    nodes
}

/// RFC 6962, section 2.1.2: SUBPROOF.
fn subproof(m: usize, d: &[Digest], whole: bool) -> Vec<Digest> {
    if m == d.len() {
        return if whole { Vec::new() } else { vec![mth(d)] };
    }
    let k = split(d.len());
    let (mut nodes, last) = if m <= k {
        (subproof(m, &d[..k], whole), mth(&d[k..]))
    } else {
        (subproof(m - k, &d[k..], false), mth(&d[..k]))
    };
    nodes.push(last);
    nodes
}

fn range(d: &[Digest], node: NodeId) -> Option<&[Digest]> {
    let start = (node.index << node.height) as usize;
    d.get(start..start + (1 << node.height))
}

fn hashes(d: &[Digest]) -> impl Fn(NodeId) -> Option<Digest> {
    |node| range(d, node).map(mth)
}

/// What stands in a tile by its definition (`spec/transparency.md`, "Tiles").
fn tile(d: &[Digest], id: TileId) -> Vec<Digest> {
    let height = 8 * id.level;
    (0..256).map_while(|i| range(d, NodeId { height, index: id.index * 256 + i }).map(mth)).collect()
}

/// Appends a batch and checks every tile that it says it touched, and the edge that it leaves.
fn append_checked(edge: &mut Edge, all: &[Digest], batch: usize, store: &mut BTreeMap<TileId, Vec<Digest>>) {
    let before = edge.size() as usize;
    let touched = edge.append(&all[before..before + batch]);
    let now = &all[..before + batch];
    let ids: Vec<TileId> = touched.iter().map(|(id, _)| *id).collect();
    assert!(ids.is_sorted() && ids.iter().collect::<BTreeSet<_>>().len() == ids.len());
    for (id, content) in touched {
        assert_eq!(content, tile(now, id), "{id:?}");
        assert_ne!(store.insert(id, content.clone()), Some(content), "{id:?} did not change");
    }
    assert_eq!((edge.size() as usize, edge.root()), (now.len(), mth(now)));
    let partials: Vec<(TileId, Vec<Digest>)> = tiles_of(edge.size())
        .into_iter()
        .map(|path| {
            assert_eq!(store[&path.id].len(), usize::from(path.width), "{path}");
            assert_eq!(edge.partial_tile(path.id), Some(&store[&path.id][..]));
            (path.id, store[&path.id].clone())
        })
        .collect();
    assert_eq!(Edge::from_partial_tiles(edge.size(), partials.clone()).as_ref(), Some(&*edge));
    for at in 0..partials.len() {
        let mut short = partials.clone();
        short[at].1.pop();
        assert_eq!(Edge::from_partial_tiles(edge.size(), short), None);
        let mut fewer = partials.clone();
        fewer.remove(at);
        assert_eq!(Edge::from_partial_tiles(edge.size(), fewer), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn an_edge_grows_as_the_model(batches in prop::collection::vec(prop_oneof![0usize..5, 0usize..700], 1..8)) {
        let all = leaves(batches.iter().sum::<usize>() as u64);
        let (mut edge, mut store) = (Edge::empty(), BTreeMap::new());
        for batch in batches {
            append_checked(&mut edge, &all, batch, &mut store);
        }
        // Nothing is missing: every node that the tree has can be computed from the tiles that were written.
        for height in 0..64 - edge.size().leading_zeros() {
            for index in [0, 1, 2, 100, (edge.size() >> height).saturating_sub(1)] {
                let node = NodeId { height: height as u8, index };
                let Some(expected) = range(&all, node).map(mth) else { continue };
                let (id, _) = node.tile();
                prop_assert_eq!(node_in_tile(node, &store[&id]), Some(expected));
            }
        }
    }

    #[test]
    fn bundles_prove_what_they_name_and_nothing_else(
        size in 1u64..400,
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        changed in any::<prop::sample::Index>(),
    ) {
        let all = leaves(size);
        let root = mth(&all);
        let included: Vec<u64> = picks.iter().map(|pick| pick.index(size as usize) as u64).collect();
        let consistent: Vec<u64> = included.iter().map(|index| index + 1).collect();
        let bundle = LogProofBundle::build(size, consistent.clone(), included.clone(), hashes(&all)).unwrap();
        prop_assert_eq!(&LogProofBundle::decode(&bundle.encode().unwrap()).unwrap(), &bundle);
        let holds = |bundle: &LogProofBundle| {
            let leaf = |i: &u64| bundle.verify_inclusion(*i, &all[*i as usize], &root).is_ok();
            let old = |n: &u64| bundle.verify_consistency(*n, &mth(&all[..*n as usize]), &root).is_ok();
            included.iter().all(leaf) && consistent.iter().all(old)
        };
        prop_assert!(holds(&bundle));
        let of_other_size = ProofError::Size { expected: size + 1, found: size };
        prop_assert_eq!(bundle.of_size(size + 1).unwrap_err(), of_other_size);
        bundle.of_size(size).unwrap();
        for index in 0..size {
            let wrong = Digest::of(b"another");
            prop_assert!(bundle.verify_inclusion(index, &wrong, &root).is_err());
            prop_assert_eq!(
                bundle.verify_inclusion(index, &all[index as usize], &root).is_ok(),
                included.contains(&index)
            );
        }
        // Each hash is needed, and none can be another.
        if !bundle.hashes.is_empty() {
            let node = *bundle.hashes.keys().nth(changed.index(bundle.hashes.len())).unwrap();
            let mut other = bundle.clone();
            other.hashes.insert(node, Digest::of(b"another"));
            prop_assert!(!holds(&other));
            other.hashes.remove(&node);
            prop_assert!(!holds(&other));
        }
    }

    #[test]
    fn numbers_and_nodes_are_one_to_one(number in any::<u64>(), a in 0u64..5000, b in 0u64..5000) {
        prop_assert_eq!(NodeId::from_in_order(number).in_order(), u128::from(number));
        let (a, b) = (NodeId::from_in_order(a), NodeId::from_in_order(b));
        prop_assert_eq!(a.cmp(&b), a.in_order().cmp(&b.in_order()));
        prop_assert_eq!(a.sibling().parent(), a.parent());
        let middle = u128::midpoint(a.in_order(), a.sibling().in_order());
        prop_assert_eq!(a.parent().in_order(), middle);
    }

    #[test]
    fn paths_have_one_spelling(level in 0u8..64, index in any::<u64>(), short in 0u64..2_000_000, width in 1u16..=256) {
        for index in [index, short] {
            let path = TilePath { id: TileId { level, index }, width };
            prop_assert_eq!(path.to_string().parse(), Ok(path));
            for kind in [BundleKind::Entries, BundleKind::Records, BundleKind::Names] {
                let path = BundlePath { kind, index, width };
                prop_assert_eq!(path.to_string().parse(), Ok(path));
                prop_assert!(path.to_string().parse::<TilePath>().is_err());
            }
        }
    }

    #[test]
    fn any_text_is_a_path_only_in_its_one_spelling(text in "(tile/|records/|names/|)(entries/|[0-9]{1,2}/|)[x0-9/]{0,12}(\\.p/[0-9]{1,3})?") {
        if let Ok(path) = text.parse::<TilePath>() {
            prop_assert_eq!(path.to_string(), text.clone());
        }
        if let Ok(path) = text.parse::<BundlePath>() {
            prop_assert_eq!(path.to_string(), text);
        }
    }
}

#[test]
fn the_tiles_of_70000_leaves() {
    // The example of the specification (tlog-tiles): 273 full level-0 tiles, and so on.
    let all = leaves(70_000);
    let mut edge = Edge::empty();
    let tiles = edge.append(&all);
    assert!(tiles.is_sorted_by_key(|(id, _)| *id));
    let widths = |level| tiles.iter().filter(move |(id, _)| id.level == level).map(|(_, tile)| tile.len());
    assert_eq!(widths(0).filter(|width| *width == 256).count(), 273);
    assert_eq!(widths(0).next_back(), Some(112));
    assert_eq!(widths(1).collect::<Vec<_>>(), [256, 17]);
    assert_eq!(widths(2).collect::<Vec<_>>(), [1]);
    let partials: Vec<String> = tiles_of(70_000).iter().map(ToString::to_string).collect();
    assert_eq!(partials, ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
    assert_eq!(edge.root(), mth(&all));
}

#[test]
fn trees_as_large_as_numbers_go() {
    for size in [1u64 << 56, (1 << 63) + 5, u64::MAX] {
        let tiles: Vec<(TileId, Vec<Digest>)> =
            tiles_of(size).iter().map(|path| (path.id, leaves(path.width.into()))).collect();
        let edge = Edge::from_partial_tiles(size, tiles.clone()).unwrap();
        let of_tiles = |node: NodeId| {
            let (id, _) = node.tile();
            node_in_tile(node, &tiles.iter().find(|(tile, _)| *tile == id)?.1)
        };
        assert_eq!(root_from(size, of_tiles), Some(edge.root()));
        for (id, tile) in &tiles {
            assert_eq!(edge.partial_tile(*id), Some(&tile[..]));
            assert_eq!(edge.partial_tile(TileId { index: id.index ^ 1, ..*id }), None);
        }
        let last = balanced_roots(size).into_iter().map(|root| (root.index + 1) << root.height).max();
        assert_eq!(last.unwrap(), size);
        assert_eq!(
            LogProofBundle::build(size, vec![size], vec![], |_| Some(empty_root())).unwrap().encode(),
            Err(ProofError::TooLarge)
        );
    }
}

#[test]
fn list_proofs_are_the_model_s_for_every_small_tree() {
    let all = leaves(40);
    for to in 1..=all.len() {
        let (d, root) = (&all[..to], mth(&all[..to]));
        let size = to as u64;
        for m in 0..to {
            let proof = inclusion_path(m as u64, size, hashes(d)).unwrap();
            assert_eq!(proof, path(m, d), "{m} in {to}");
            check_list(&proof, |proof| verify_inclusion_path(m as u64, size, &d[m], proof, &root));
            for other in (0..to).filter(|other| *other != m) {
                verify_inclusion_path(other as u64, size, &d[m], &proof, &root).unwrap_err();
            }
        }
        for from in 0..=to {
            let old = mth(&d[..from]);
            let proof = consistency_path(from as u64, size, hashes(d)).unwrap();
            assert_eq!(proof, if from == 0 { vec![] } else { subproof(from, d, true) }, "{from} to {to}");
            check_list(&proof, |proof| verify_consistency_path(from as u64, size, &old, &root, proof));
            let other = Digest::of(b"another");
            verify_consistency_path(from as u64, size, &other, &root, &proof).unwrap_err();
            if from > 0 {
                verify_consistency_path(from as u64, size, &old, &other, &proof).unwrap_err();
            }
        }
        consistency_path(size + 1, size, hashes(d)).unwrap_err();
        inclusion_path(size, size, hashes(d)).unwrap_err();
        verify_inclusion_path(size, size, &root, &[], &root).unwrap_err();
        verify_consistency_path(size + 1, size, &root, &root, &[]).unwrap_err();
    }
    assert!(matches!(consistency_path(3, 7, |_| None), Err(ProofError::Missing { .. })));
}

/// A list holds as it is, and not when a hash is another, gone, or too many.
fn check_list(proof: &[Digest], verify: impl Fn(&[Digest]) -> Result<(), ProofError>) {
    verify(proof).unwrap();
    for at in 0..proof.len() {
        let mut other = proof.to_vec();
        other[at] = Digest::of(b"another");
        verify(&other).unwrap_err();
        other.remove(at);
        verify(&other).unwrap_err();
    }
    verify(&[proof, &[empty_root()]].concat()).unwrap_err();
}

#[test]
fn numbers_no_list_can_reach_do_not_panic() {
    let hash = empty_root();
    for (from, to) in [(1, u64::MAX), (u64::MAX - 1, u64::MAX), (1 << 63, u64::MAX), (u64::MAX, u64::MAX)] {
        for length in [0, 1, 63, 64, 65, 200] {
            let path = vec![hash; length];
            let _ = verify_consistency_path(from, to, &hash, &hash, &path);
            verify_inclusion_path(from - 1, to, &hash, &path, &hash).unwrap_err();
        }
        consistency_path(from, to, |_| Some(hash)).unwrap();
        inclusion_path(from - 1, to, |_| Some(hash)).unwrap();
    }
}

#[test]
fn paths_that_are_refused() {
    for bad in [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/1234",
        "tile/0/000/",
        "/tile/0/000",
        "tile/00/000",
        "tile/64/000",
        "tile/+1/000",
        "tile/-1/000",
        "tile/0/x000",
        "tile/0/x000/000",
        "tile/0/001/234",
        "tile/0/x001/x234",
        "tile/0/xx01/234",
        "tile/0/X001/234",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/257",
        "tile/0/000.p/01",
        "tile/0/000.p/+1",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/000.p/1/",
        "tile/0/000.p/1.p/1",
        "tile/0/ 00",
        "tile/0/٠٠٠",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "tile/entries/000",
        "entries/000",
    ] {
        assert!(bad.parse::<TilePath>().is_err(), "{bad:?}");
    }
    for bad in
        ["tile/entries/", "records/0", "names/000.p/256", "names/x000/000", "tile/records/000", "tile/0/000"]
    {
        assert!(bad.parse::<BundlePath>().is_err(), "{bad:?}");
    }
    let good: TilePath = "tile/0/x001/x234/067.p/9".parse().unwrap();
    assert_eq!(good, TilePath { id: TileId { level: 0, index: 1_234_067 }, width: 9 });
    assert!("tile/0/x018/x446/x744/x073/x709/x551/615".parse::<TilePath>().is_ok());
}

/// Every change of one byte either is refused or is another bundle's one encoding.
fn check_mutations(bundle: &[u8], again: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    assert_eq!(again(bundle).as_deref(), Some(bundle));
    for at in 0..bundle.len() {
        assert_eq!(again(&bundle[..at]), None, "cut at {at}");
        for mask in [1u8, 0x80, 0xff] {
            let mut other = bundle.to_vec();
            other[at] ^= mask;
            assert!(again(&other).is_none_or(|encoded| encoded == other), "byte {at} xor {mask}");
        }
    }
    assert_eq!(again(&[bundle, &[0]].concat()), None);
}

#[test]
fn bundles_have_one_encoding() {
    let entries = [[7u8; 160], [8; 160]];
    check_mutations(&encode_entries(entries.iter().map(|e| &e[..])).unwrap(), |bytes| {
        encode_entries(decode_entries(bytes, 2).ok()?.into_iter()).ok()
    });
    let records = [&b"an envelope"[..], b"", b"another"];
    check_mutations(&encode_records(records.into_iter()).unwrap(), |bytes| {
        encode_records(decode_records(bytes, 3).ok()?.into_iter()).ok()
    });
    let names = ["", "acme", "acme:hello"];
    check_mutations(&encode_names(names.into_iter()).unwrap(), |bytes| {
        encode_names(decode_names(bytes, 3).ok()?.into_iter()).ok()
    });
    assert!(encode_names(["n".repeat(256).as_str()].into_iter()).is_err());
    assert!(encode_entries([&[0; 65_536][..]].into_iter()).is_err());
    // A length that promises more than there is costs nothing.
    assert!(decode_records(&[0xff; 8], u16::MAX).is_err());
    for bundle in [&b""[..], b"\0", b"\xff\xff\xff\xff"] {
        assert!(decode_records(bundle, 1).is_err());
    }
}

#[test]
fn log_bundles_that_are_refused() {
    let all = leaves(9);
    let bundle = LogProofBundle::build(9, vec![4], vec![2, 8], hashes(&all)).unwrap();
    let bytes = bundle.encode().unwrap();
    for cut in 1..bytes.len() {
        // A cut between fields is a smaller bundle; it then lacks a hash.
        if let Ok(short) = LogProofBundle::decode(&bytes[..cut]) {
            assert!(short.hashes.len() < bundle.hashes.len());
        }
    }
    // A hash of the wrong length, the same node twice, an inner node as a leaf, and one byte too many.
    let twice = [&bytes[..], &bytes[bytes.len() - 38..]].concat();
    for bad in [&[0x22, 5, 8, 0, 0x12, 1, 9][..], &twice, &[0x1a, 1, 1], &vec![0; 4 * 1024 * 1024 + 1]] {
        assert!(matches!(LogProofBundle::decode(bad), Err(ProofError::Decode { .. })));
    }
    for (consistent, included) in [(vec![0], vec![]), (vec![10], vec![]), (vec![], vec![9])] {
        let refused = LogProofBundle::build(9, consistent, included, hashes(&all));
        assert!(matches!(refused, Err(ProofError::OutOfRange { .. })));
    }
    let unknown = LogProofBundle::build(9, vec![], vec![0], |_| None);
    assert!(matches!(unknown, Err(ProofError::Missing { .. })));
}

/// All roots of a log that grows by uneven steps, as one digest: a change anywhere in the tree shows.
#[test]
fn accumulated_roots_have_not_changed() {
    let all = leaves(5000);
    let (mut edge, mut fast, mut slow) = (Edge::empty(), Hasher::new(), Hasher::new());
    let mut step = 1;
    while edge.size() + step <= 5000 {
        let from = edge.size() as usize;
        edge.append(&all[from..from + step as usize]);
        fast.update(edge.root().as_bytes());
        slow.update(mth(&all[..from + step as usize]).as_bytes());
        step = step * 31 % 97 + 1;
    }
    let expected = "sha256:0f86e1a8a25d9aec3574f773232665b64918e5b98b9946012d0265c92a799792";
    assert_eq!(slow.finish().to_string(), expected);
    assert_eq!(fast.finish().to_string(), expected);
}
