//! The map against a model that folds all 256 levels by recursion and knows nothing of pages.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use wargate_core::digest::{Digest, Hasher};
use wargate_core::id::{LogId, RecordId, map_leaf_hash};
use wargate_core::log::tree::node_hash;
use wargate_core::map::page::{
    MapError, PAGE_DEPTH_MAX, Page, PageRef, Pages, Slot, empty_root, get, lone_leaf_hash, missing, update,
};
use wargate_core::map::proof::{MapProof, MapProofBundle, prove};
use wargate_core::map::segment::{self, SegmentIndex};

type Content = BTreeMap<Digest, RecordId>;

/// Hashes of empty subtrees, by height.
static EMPTY: LazyLock<Vec<Digest>> = LazyLock::new(|| {
    let mut hashes = vec![Digest::of(&[0])];
    for height in 0..256 {
        hashes.push(node_hash(&hashes[height], &hashes[height]));
    }
    hashes
});

fn bit(key: &Digest, depth: usize) -> bool {
    key.as_bytes()[depth / 8] >> (7 - depth % 8) & 1 == 1
}

fn flipped(key: &Digest, depth: usize) -> Digest {
    let mut bytes = *key.as_bytes();
    bytes[depth / 8] ^= 1 << (7 - depth % 8);
    Digest::from_bytes(bytes)
}

/// The subtree's hash, by definition: `keys` are sorted and share their first `depth` bits.
fn model(keys: &[(Digest, RecordId)], depth: usize) -> Digest {
    match keys {
        [] => EMPTY[256 - depth],
        [(_, record), ..] if depth == 256 => map_leaf_hash(record),
        _ => {
            let (left, right) = keys.split_at(keys.partition_point(|(key, _)| !bit(key, depth)));
            node_hash(&model(left, depth + 1), &model(right, depth + 1))
        }
    }
}

fn model_root(content: &Content) -> Digest {
    model(&content.iter().map(|(k, r)| (*k, *r)).collect::<Vec<_>>(), 0)
}

/// The reference's proof of a key that is there: siblings from the bottom up, beginning beside the subtree in
/// which the key is alone; a lone key of the map begins below the root.
fn model_proof(content: &Content, key: &Digest) -> Vec<Option<Digest>> {
    let mut keys: Vec<(Digest, RecordId)> = content.iter().map(|(k, r)| (*k, *r)).collect();
    let (mut peers, mut depth) = (Vec::new(), 0);
    while depth == 0 || keys.len() > 1 {
        let right = keys.split_off(keys.partition_point(|(key, _)| !bit(key, depth)));
        let (on, off) = if bit(key, depth) { (right, keys) } else { (keys, right) };
        keys = on;
        depth += 1;
        peers.push(Some(model(&off, depth)));
    }
    peers.reverse();
    peers
}

/// A map with all pages that were ever made, and its content as the model knows it.
#[derive(Default)]
struct Map {
    root: Option<PageRef>,
    pages: Pages,
    content: Content,
    commits: u64,
}

impl Map {
    fn hash(&self) -> Digest {
        self.root.map_or_else(empty_root, |root| root.hash)
    }

    /// The pages on the way to these keys only, found as the engine finds them.
    fn loaded(&self, keys: &[Digest]) -> Pages {
        let mut pages = Pages::default();
        loop {
            let wanted = missing(self.root, &pages, keys);
            if wanted.is_empty() {
                return pages;
            }
            for page in wanted {
                assert!(pages.get(&page).is_none(), "asked for a page that is at hand");
                pages.insert(page, self.pages.get(&page).unwrap().clone());
            }
        }
    }

    fn commit(&mut self, changes: &[(Digest, RecordId)]) -> Vec<(PageRef, Page)> {
        self.commits += 1;
        let keys: Vec<Digest> = changes.iter().map(|(key, _)| *key).collect();
        let held = self.held();
        let update = update(self.root, &self.loaded(&keys), changes, self.commits).unwrap();
        assert_eq!(update.pages[0].0, update.root);
        let made: HashSet<PageRef> = update.pages.iter().map(|(page_ref, _)| *page_ref).collect();
        assert_eq!(made.len(), update.pages.len(), "a page was made twice");
        for (page_ref, page) in &update.pages {
            assert_eq!(page_ref.segment, self.commits);
            assert!(self.pages.get(page_ref).is_none());
            for slot in &page.slots {
                if let Slot::Page(below) = slot {
                    assert!(made.contains(below) || self.pages.get(below).is_some());
                }
            }
            self.pages.insert(*page_ref, Arc::new(page.clone()));
        }
        self.root = Some(update.root);
        self.content.extend(changes.iter().copied());
        let (replaced, left) = (HashSet::from_iter(update.replaced.iter().copied()), self.held());
        assert_eq!(replaced.len(), update.replaced.len(), "a page was replaced twice");
        assert_eq!(held.difference(&left).copied().collect::<HashSet<_>>(), replaced, "what the map lost");
        update.pages
    }

    /// The pages that the map holds now.
    fn held(&self) -> HashSet<PageRef> {
        let (mut held, mut next) = (HashSet::new(), Vec::from_iter(self.root));
        while let Some(page_ref) = next.pop() {
            held.insert(page_ref);
            let slots = self.pages.get(&page_ref).unwrap().slots.iter();
            next.extend(slots.filter_map(|slot| match slot {
                Slot::Page(below) => Some(*below),
                Slot::Empty | Slot::Leaf { .. } => None,
            }));
        }
        held
    }

    /// Walks the whole map as a stranger would; how many pages it has, and their hashes and shapes.
    fn audit(&self) -> Vec<(usize, Digest)> {
        let mut found = Vec::new();
        let mut next: Vec<(usize, PageRef, Digest)> =
            self.root.map(|root| (0, root, EMPTY[0])).into_iter().collect();
        let mut keys = Content::new();
        while let Some((depth, page_ref, path)) = next.pop() {
            let page = self.pages.get(&page_ref).unwrap();
            page.verify(depth, &path, &page_ref.hash).unwrap();
            assert_eq!(Page::decode(&page.encode()).as_ref(), Ok(page.as_ref()));
            found.push((depth, page_ref.hash));
            for (nibble, slot) in (0u8..).zip(&page.slots) {
                match slot {
                    Slot::Empty => {}
                    Slot::Leaf { key, record, .. } => assert_eq!(keys.insert(*key, *record), None),
                    Slot::Page(below) => {
                        let mut bytes = *path.as_bytes();
                        let shift = if depth % 2 == 0 { 4 } else { 0 };
                        bytes[depth / 2] = bytes[depth / 2] & !(15 << shift) | nibble << shift;
                        next.push((depth + 1, *below, Digest::from_bytes(bytes)));
                    }
                }
            }
        }
        assert_eq!(keys, self.content);
        found.sort_unstable();
        found
    }
}

fn record(number: u64) -> RecordId {
    RecordId::from_digest(Digest::of(&number.to_be_bytes()))
}

/// Keys, many of which share long prefixes: each is random, or an earlier one with a bit flipped and all
/// after it kept or made anew.
fn keys() -> impl Strategy<Value = Vec<Digest>> {
    let near = (any::<prop::sample::Index>(), 0usize..256, any::<bool>());
    prop::collection::vec((any::<[u8; 32]>(), prop::option::of(near)), 1..24).prop_map(|picks| {
        let mut keys: Vec<Digest> = Vec::new();
        for (bytes, near) in picks {
            let fresh = Digest::from_bytes(bytes);
            keys.push(match near {
                Some((of, depth, keep)) if !keys.is_empty() => {
                    let near = flipped(&keys[of.index(keys.len())], depth);
                    if keep {
                        near
                    } else {
                        (depth + 1..256).fold(near, |k, d| if bit(&fresh, d) { flipped(&k, d) } else { k })
                    }
                }
                _ => fresh,
            });
        }
        keys
    })
}

/// Commits of these keys in batches; records are never used twice, so that equal subtrees mean equal keys.
fn grown(keys: &[Digest], batch: usize) -> Map {
    let mut map = Map::default();
    for (number, batch) in keys.chunks(batch).enumerate() {
        let changes: Vec<(Digest, RecordId)> =
            (0u64..).zip(batch).map(|(i, key)| (*key, record(number as u64 * 1000 + i))).collect();
        map.commit(&changes);
    }
    map
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_map_is_the_model_s_after_every_batch(keys in keys(), batch in 1usize..9, again in any::<prop::sample::Index>()) {
        let mut map = Map::default();
        let mut number = 0;
        for batch in keys.chunks(batch) {
            let mut changes: Vec<(Digest, RecordId)> = Vec::new();
            // A key of the past is set anew, and one key twice: the last time counts.
            for key in batch.iter().chain([&keys[again.index(keys.len())], &batch[0]]) {
                number += 1;
                changes.push((*key, record(number)));
            }
            map.commit(&changes);
            prop_assert_eq!(map.hash(), model_root(&map.content));
            for (key, record) in &map.content {
                prop_assert_eq!(get(map.root, &map.pages, key), Ok(Some(*record)));
                let other = flipped(key, (number as usize * 7) % 256);
                prop_assert_eq!(get(map.root, &map.pages, &other), Ok(map.content.get(&other).copied()));
            }
        }
        map.audit();
        // The same content at once has the same pages: the shape does not tell the history.
        let mut at_once = Map::default();
        let all: Vec<(Digest, RecordId)> = map.content.iter().rev().map(|(k, r)| (*k, *r)).collect();
        at_once.commit(&all);
        prop_assert_eq!(at_once.audit(), map.audit());
    }

    #[test]
    fn proofs_are_the_model_s_and_hold_only_for_the_truth(keys in keys(), depth in 0usize..256, change in any::<prop::sample::Index>()) {
        let map = grown(&keys, 5);
        let root = map.hash();
        for (key, truth) in &map.content {
            let proof = prove(map.root, &map.loaded(&[*key]), key).unwrap();
            prop_assert_eq!(&proof.peers, &model_proof(&map.content, key));
            check_proof(&proof, key, Some(truth), &root, change);
            // Absence beside a key: at a random depth, and where it is hardest.
            for absent in [flipped(key, depth), flipped(key, 255), flipped(key, 0)] {
                if !map.content.contains_key(&absent) {
                    let proof = prove(map.root, &map.loaded(&[absent]), &absent).unwrap();
                    check_proof(&proof, &absent, None, &root, change);
                }
            }
        }
        let bundle = MapProofBundle {
            proofs: keys.iter().map(|key| prove(map.root, &map.pages, key).unwrap()).collect(),
        };
        prop_assert_eq!(MapProofBundle::decode(&bundle.encode()).unwrap(), bundle);
    }

    #[test]
    fn a_page_that_is_not_at_hand_is_asked_for(keys in keys(), pick in any::<prop::sample::Index>()) {
        let map = grown(&keys, 4);
        let key = keys[pick.index(keys.len())];
        let whole = map.loaded(&[key]);
        let mut way = vec![map.root.unwrap()];
        while let Some(page) = missing(map.root, &collect(&map, &way), &[key]).first() {
            way.push(*page);
        }
        for held in 0..way.len() {
            let part = collect(&map, &way[..held]);
            let expected = MapError::MissingPage { page: way[held] };
            prop_assert_eq!(missing(map.root, &part, &[key, key]), vec![way[held]]);
            prop_assert_eq!(get(map.root, &part, &key), Err(expected.clone()));
            prop_assert_eq!(prove(map.root, &part, &key), Err(expected.clone()));
            prop_assert_eq!(update(map.root, &part, &[(key, record(9))], 99).unwrap_err(), expected);
        }
        prop_assert!(update(map.root, &whole, &[(key, record(9))], 99).is_ok());
    }
}

fn collect(map: &Map, refs: &[PageRef]) -> Pages {
    let mut pages = Pages::default();
    for page in refs {
        pages.insert(*page, map.pages.get(page).unwrap().clone());
    }
    pages
}

fn check_proof(
    proof: &MapProof,
    key: &Digest,
    truth: Option<&RecordId>,
    root: &Digest,
    change: prop::sample::Index,
) {
    let leads =
        |proof: &MapProof, key: &Digest, record: Option<&RecordId>| proof.root(key, record) == Ok(*root);
    assert!(proof.peers.len() <= 256);
    assert!(leads(proof, key, truth));
    assert!(!leads(proof, key, Some(&record(u64::MAX))));
    assert!(truth.is_none() || !leads(proof, key, None));
    assert!(!leads(proof, &flipped(key, 0), truth));
    if proof.peers.is_empty() {
        return;
    }
    let at = change.index(proof.peers.len());
    let mut other = proof.clone();
    other.peers[at] = Some(Digest::of(b"another"));
    assert!(!leads(&other, key, truth));
    // An empty subtree may be said in two ways, with its hash or without, or at the bottom not at all; a full one
    // must be said.
    let is_empty = |at: usize| {
        let hash = proof.peers[at];
        hash.is_none_or(|hash| hash == EMPTY[256 - proof.peers.len() + at])
    };
    other.peers[at] = None;
    assert_eq!(leads(&other, key, truth), is_empty(at));
    other.peers.remove(at);
    assert_eq!(leads(&other, key, truth), (0..=at).all(is_empty));
}

#[test]
fn keys_that_part_at_every_depth() {
    let key = Digest::of(b"a key");
    for depth in [0, 1, 3, 4, 5, 7, 8, 127, 128, 251, 252, 253, 254, 255] {
        let map = grown(&[key, flipped(&key, depth)], 1);
        assert_eq!(map.hash(), model_root(&map.content), "{depth}");
        // One page for each four levels down to where they part.
        assert_eq!(map.audit().len(), depth / 4 + 1, "{depth}");
        let proof = prove(map.root, &map.pages, &key).unwrap();
        assert_eq!(proof.peers.len(), depth + 1);
    }
}

#[test]
fn an_empty_map_proves_absence() {
    let log = LogId::operator();
    let proof = prove(None, &Pages::default(), &log.map_key()).unwrap();
    proof.verify(&empty_root(), &log, None).unwrap();
    proof.verify(&empty_root(), &log, Some(&record(1))).unwrap_err();
    assert_eq!(get(None, &Pages::default(), &log.map_key()), Ok(None));
    assert_eq!(missing(None, &Pages::default(), &[log.map_key()]), []);
}

#[test]
fn map_bundles_that_are_refused() {
    let too_many = MapProofBundle { proofs: vec![MapProof { peers: vec![None; 257] }] };
    assert!(MapProofBundle::decode(&too_many.encode()).is_err());
    assert!(too_many.proofs[0].root(&EMPTY[0], None).is_err());
    let most = MapProofBundle { proofs: vec![MapProof { peers: vec![None; 256] }] };
    assert_eq!(MapProofBundle::decode(&most.encode()), Ok(most));
    for bad in [&[0x0a, 4, 0x0a, 3, 0x0a, 1, 9][..], &[0x0a, 1], &vec![0; 10 * 1024 * 1024 + 1]] {
        assert!(MapProofBundle::decode(bad).is_err());
    }
}

/// Some pages, one of each kind of slot among them.
fn some_pages() -> Vec<(PageRef, Page)> {
    let key = Digest::of(b"a key");
    let mut map = grown(&[key, flipped(&key, 9), flipped(&key, 1)], 3);
    map.commit(&[(flipped(&key, 10), record(1 << 40)), (flipped(&key, 2), record(1 << 41))])
}

#[test]
fn pages_have_one_encoding() {
    for (_, page) in some_pages() {
        let bytes = page.encode();
        for at in 0..bytes.len() {
            assert!(Page::decode(&bytes[..at]).is_err());
            for mask in [1u8, 0x10, 0x80, 0xff] {
                let mut other = bytes.clone();
                other[at] ^= mask;
                let again = Page::decode(&other).map(|page| page.encode());
                assert!(again.as_ref().is_ok_and(|again| *again == other) || again.is_err(), "byte {at}");
            }
        }
        assert!(Page::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
    assert_eq!(Page::decode(&Page::default().encode()), Ok(Page::default()));
}

#[test]
fn a_stranger_s_page_is_refused_when_anything_is_another() {
    let key = Digest::of(b"a key");
    let map = grown(&[key, flipped(&key, 9), flipped(&key, 1)], 3);
    let root = map.root.unwrap();
    let page = map.pages.get(&root).unwrap().as_ref().clone();
    page.verify(0, &key, &root.hash).unwrap();
    page.verify(1, &key, &root.hash).unwrap_err();
    page.verify(PAGE_DEPTH_MAX, &key, &root.hash).unwrap_err();
    page.verify(0, &key, &empty_root()).unwrap_err();
    let mut moved = page.clone();
    moved.slots.rotate_left(1);
    moved.verify(0, &key, &moved.hash(0)).unwrap_err();
    let bytes = page.encode();
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 1;
        let Ok(other) = Page::decode(&other) else { continue };
        let only_segment = other.hash(0) == root.hash
            && page.slots.iter().zip(&other.slots).all(|(a, b)| match (a, b) {
                (Slot::Page(a), Slot::Page(b)) => a.hash == b.hash,
                (a, b) => a == b,
            });
        assert_eq!(other.verify(0, &key, &root.hash).is_ok(), only_segment, "byte {at}");
    }
    // The right hash in the wrong shape: a lone key, or nothing, in a page of its own.
    let mut lone = Page::default();
    let slot = usize::from(key.as_bytes()[0] & 15);
    lone.slots[slot] = Slot::Leaf { key, record: record(0), hash: lone_leaf_hash(&key, &record(0), 248) };
    assert_eq!(lone.hash(1), lone_leaf_hash(&key, &record(0), 252));
    lone.verify(1, &key, &lone.hash(1)).unwrap_err();
    Page::default().verify(1, &key, &Page::default().hash(1)).unwrap_err();
    Page::default().verify(0, &key, &empty_root()).unwrap();
}

#[test]
fn segments_have_one_encoding_and_pages_are_found_in_them() {
    let pages = some_pages();
    assert!(pages.len() > 2);
    let bytes = segment::encode(&pages);
    assert_eq!(segment::decode(&bytes, 2).unwrap(), pages);
    let head = SegmentIndex::bytes_needed(&bytes[..4]).unwrap() as usize;
    let index = SegmentIndex::decode(&bytes[..head]).unwrap();
    for (page_ref, page) in &pages {
        let range = index.find(&page_ref.hash).unwrap();
        assert_eq!(&bytes[range.start as usize..range.end as usize], page.encode());
    }
    assert_eq!(index.find(&Digest::of(b"another")), None);
    for at in 0..bytes.len() {
        assert!(segment::decode(&bytes[..at], 2).is_err());
        for mask in [1u8, 0x80, 0xff] {
            let mut other = bytes.clone();
            other[at] ^= mask;
            let again = segment::decode(&other, 2).map(|pages| segment::encode(&pages));
            assert!(again.as_ref().is_ok_and(|again| *again == other) || again.is_err(), "byte {at}");
        }
    }
    assert!(segment::decode(&[&bytes[..], &[0]].concat(), 2).is_err());
    // A gap before the pages, which the index owns up to.
    let mut gap = bytes.clone();
    gap.insert(head, 0);
    for line in 0..pages.len() {
        let offset = 4 + 40 * line + 32..4 + 40 * line + 36;
        let moved = u32::from_be_bytes(gap[offset.clone()].try_into().unwrap()) + 1;
        gap[offset].copy_from_slice(&moved.to_be_bytes());
    }
    assert!(segment::decode(&gap, 2).is_err());
    // A count that promises more than there is costs nothing.
    for head in [[0xff; 4], 16_385u32.to_be_bytes(), 16_384u32.to_be_bytes()] {
        assert!(SegmentIndex::decode(&head).is_err());
    }
}

/// All roots of a map that grows and changes, as one digest: a change anywhere in the map shows.
#[test]
fn accumulated_roots_have_not_changed() {
    let (mut map, mut fast, mut slow) = (Map::default(), Hasher::new(), Hasher::new());
    let mut number = 0u64;
    for batch in 0..40u64 {
        let changes: Vec<(Digest, RecordId)> = (0..batch * 29 % 97 + 1)
            .map(|_| {
                number += 1;
                // Two of three are keys not seen before.
                let log = if number.is_multiple_of(3) { number / 2 } else { number };
                (LogId::from_digest(Digest::of(&log.to_be_bytes())).map_key(), record(number))
            })
            .collect();
        map.commit(&changes);
        fast.update(map.hash().as_bytes());
        // The model takes its time: 256 hashes a key.
        let model = if batch % 8 == 7 { model_root(&map.content) } else { map.hash() };
        slow.update(model.as_bytes());
    }
    assert!(number > 1500 && map.content.len() > 1000, "{number} {}", map.content.len());
    assert_eq!(map.hash(), model_root(&map.content));
    let expected = "sha256:e0fa0a776f76aa9bb15bf1dc61f0db9fb260c7bfce2e1fe4fb798747b5434e25";
    assert_eq!(slow.finish().to_string(), expected);
    assert_eq!(fast.finish().to_string(), expected);
}
