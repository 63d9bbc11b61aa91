//! Pages: four levels of the map's tree, with the slots below them.
//!
//! A key that is alone in its slot is held there; where two meet, pages go down to where they part. So the
//! shape follows from the keys alone, and two maps with the same content have the same pages.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use crate::digest::{DIGEST_BYTES, Digest};
use crate::id::{RecordId, map_leaf_hash};
use crate::log::tree::node_hash;

/// Height of the map's tree.
pub const MAP_HEIGHT: usize = 256;

/// Tree levels in a page.
pub const PAGE_LEVELS: usize = 4;

/// Slots below a page.
pub const PAGE_SLOTS: usize = 1 << PAGE_LEVELS;

/// Pages from the root to a leaf, at most.
pub const PAGE_DEPTH_MAX: usize = MAP_HEIGHT / PAGE_LEVELS;

/// Where a page is found: its hash, and the segment that holds it (the tree size of the commit that made it).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageRef {
    /// The Merkle hash of the subtree below the page.
    pub hash: Digest,
    /// The segment.
    pub segment: u64,
}

/// What stands below a page in one of its sixteen places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Slot {
    /// No key.
    #[default]
    Empty,
    /// One key.
    Leaf {
        /// The key: the path in the tree.
        key: Digest,
        /// The latest record.
        record: RecordId,
        /// The hash of the subtree with this one key, at the slot's height.
        hash: Digest,
    },
    /// Several keys.
    Page(PageRef),
}

/// Four levels of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// By the next four bits of the key.
    pub slots: [Slot; PAGE_SLOTS],
}

/// A map operation that cannot be done, or a page that is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// A page on the way to a key is not among those loaded.
    #[error("map page {} of segment {} is missing", .page.hash, .page.segment)]
    MissingPage {
        /// The page.
        page: PageRef,
    },
    /// Bytes that are not the encoding of a page.
    #[error("the map page is malformed: {reason}")]
    Malformed {
        /// What is wrong.
        reason: &'static str,
    },
    /// A page that is not what its parent says.
    #[error("the map page is not the one that it should be: {reason}")]
    Wrong {
        /// What differs.
        reason: &'static str,
    },
    /// The tree is deeper than keys are long: two equal keys, or damaged pages.
    #[error("the map is deeper than its keys are long")]
    TooDeep,
}

/// The hashes of empty subtrees by height.
static EMPTY: LazyLock<[Digest; MAP_HEIGHT + 1]> = LazyLock::new(|| {
    let mut hashes = [Digest::of(&[0]); MAP_HEIGHT + 1];
    for height in 1..=MAP_HEIGHT {
        hashes[height] = node_hash(&hashes[height - 1], &hashes[height - 1]);
    }
    hashes
});

/// The hash of the subtree of this height without keys.
pub(crate) fn empty_hash(height: usize) -> &'static Digest {
    EMPTY.get(height).unwrap_or(&EMPTY[MAP_HEIGHT])
}

/// The root of the map without keys.
#[must_use]
pub fn empty_root() -> Digest {
    *empty_hash(MAP_HEIGHT)
}

/// Bit `depth` of a key, from the most significant; 0 is left.
pub(crate) fn bit(key: &Digest, depth: usize) -> u8 {
    key.as_bytes().get(depth / 8).map_or(0, |byte| byte >> (7 - depth % 8) & 1)
}

/// The slot of a page at `page_depth` (0 for the root page) that a key falls in.
pub(crate) fn slot_of(key: &Digest, page_depth: usize) -> usize {
    let byte = key.as_bytes().get(page_depth / 2).copied().unwrap_or(0);
    usize::from(if page_depth.is_multiple_of(2) { byte >> 4 } else { byte & 15 })
}

/// The height of the subtrees in the slots of a page at `page_depth`.
pub(crate) fn slot_height(page_depth: usize) -> usize {
    MAP_HEIGHT - PAGE_LEVELS * (page_depth + 1)
}

/// The hash of the subtree of `height` with this one key.
#[must_use]
pub fn lone_leaf_hash(key: &Digest, record: &RecordId, height: usize) -> Digest {
    let mut hash = map_leaf_hash(record);
    for below in 0..height {
        let empty = empty_hash(below);
        let right = bit(key, MAP_HEIGHT - 1 - below) == 1;
        hash = if right { node_hash(empty, &hash) } else { node_hash(&hash, empty) };
    }
    hash
}

impl Slot {
    /// The hash of the subtree in the slot.
    #[must_use]
    pub fn hash(&self, height: usize) -> Digest {
        match self {
            Self::Empty => *empty_hash(height),
            Self::Leaf { hash, .. } => *hash,
            Self::Page(page) => page.hash,
        }
    }
}

impl Page {
    /// Whether a page right below this one lies in that segment.
    #[must_use]
    pub fn leads_to(&self, segment: u64) -> bool {
        self.slots.iter().any(|slot| matches!(slot, Slot::Page(below) if below.segment == segment))
    }

    /// All hashes of a page at `page_depth`: of its slots, then of each level above, the root last.
    pub(crate) fn levels(&self, page_depth: usize) -> Vec<Vec<Digest>> {
        let height = slot_height(page_depth);
        let mut levels = vec![self.slots.iter().map(|slot| slot.hash(height)).collect::<Vec<_>>()];
        for _ in 0..PAGE_LEVELS {
            let below = levels.last().map_or(&[][..], Vec::as_slice);
            let above = below.chunks(2).filter_map(|p| Some(node_hash(p.first()?, p.get(1)?))).collect();
            levels.push(above);
        }
        levels
    }

    /// The hash of the subtree below a page at `page_depth` (0 for the root page), from its slots' hashes.
    #[must_use]
    pub fn hash(&self, page_depth: usize) -> Digest {
        self.levels(page_depth).pop().and_then(|mut top| top.pop()).unwrap_or_else(empty_root)
    }

    /// Checks a page that came from somebody else: its hash, the hashes of its lone keys, that they belong
    /// here, and that the page is needed at all. `path` is any key below the page.
    ///
    /// # Errors
    /// [`MapError::Wrong`].
    pub fn verify(&self, page_depth: usize, path: &Digest, hash: &Digest) -> Result<(), MapError> {
        let wrong = |reason| Err(MapError::Wrong { reason });
        if page_depth >= PAGE_DEPTH_MAX {
            return Err(MapError::TooDeep);
        }
        // Hashes cannot tell a lone key in a page of its own from one that is held above: one shape is right.
        let held = self.slots.iter().filter(|slot| **slot != Slot::Empty).count();
        let goes_on = self.slots.iter().any(|slot| matches!(slot, Slot::Page(_)));
        if page_depth > 0 && held < 2 && !goes_on {
            return wrong("it holds fewer than two keys, so its parent would hold them");
        }
        for (index, slot) in self.slots.iter().enumerate() {
            let Slot::Leaf { key, record, hash } = slot else { continue };
            let on_path = (0..page_depth).all(|depth| slot_of(key, depth) == slot_of(path, depth));
            if !on_path || slot_of(key, page_depth) != index {
                return wrong("a key stands where it does not belong");
            }
            if *hash != lone_leaf_hash(key, record, slot_height(page_depth)) {
                return wrong("the hash of a key's subtree is another one");
            }
        }
        if self.hash(page_depth) == *hash { Ok(()) } else { wrong("its hash is another one") }
    }

    /// The page's bytes: a bit for each slot that holds a key, a bit for each that holds a page (both big-endian
    /// u16, the first slot's bit lowest), then the slots in order: key, record and hash, or hash and segment.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (mut leaves, mut pages, mut body) = (0u16, 0u16, Vec::new());
        for (index, slot) in self.slots.iter().enumerate() {
            match slot {
                Slot::Empty => {}
                Slot::Leaf { key, record, hash } => {
                    leaves |= 1 << index;
                    for part in [key.as_bytes(), record.as_bytes(), hash.as_bytes()] {
                        body.extend_from_slice(part);
                    }
                }
                Slot::Page(page) => {
                    pages |= 1 << index;
                    body.extend_from_slice(page.hash.as_bytes());
                    body.extend_from_slice(&page.segment.to_be_bytes());
                }
            }
        }
        [&leaves.to_be_bytes()[..], &pages.to_be_bytes(), &body].concat()
    }

    /// Decodes what [`Page::encode`] made, and nothing else.
    ///
    /// # Errors
    /// [`MapError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, MapError> {
        let mut reader = Reader(bytes);
        let leaves = u16::from_be_bytes(reader.take()?);
        let pages = u16::from_be_bytes(reader.take()?);
        if leaves & pages != 0 {
            return Err(MapError::Malformed { reason: "a slot is both a key and a page" });
        }
        let mut page = Self::default();
        for (index, slot) in page.slots.iter_mut().enumerate() {
            if leaves >> index & 1 == 1 {
                *slot = Slot::Leaf {
                    key: reader.digest()?,
                    record: RecordId::from_digest(reader.digest()?),
                    hash: reader.digest()?,
                };
            } else if pages >> index & 1 == 1 {
                let hash = reader.digest()?;
                *slot = Slot::Page(PageRef { hash, segment: u64::from_be_bytes(reader.take()?) });
            }
        }
        if reader.0.is_empty() {
            Ok(page)
        } else {
            Err(MapError::Malformed { reason: "bytes are left over" })
        }
    }
}

/// Takes fixed pieces from bytes.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl Reader<'_> {
    pub(crate) fn take<const N: usize>(&mut self) -> Result<[u8; N], MapError> {
        let (piece, rest) =
            self.0.split_first_chunk::<N>().ok_or(MapError::Malformed { reason: "it is too short" })?;
        self.0 = rest;
        Ok(*piece)
    }

    pub(crate) fn digest(&mut self) -> Result<Digest, MapError> {
        self.take::<DIGEST_BYTES>().map(Digest::from_bytes)
    }
}

/// Pages that are at hand.
#[derive(Debug, Clone, Default)]
pub struct Pages(HashMap<PageRef, Arc<Page>>);

impl Pages {
    /// Adds a page.
    pub fn insert(&mut self, page_ref: PageRef, page: Arc<Page>) {
        self.0.insert(page_ref, page);
    }

    /// A page, if it is at hand.
    #[must_use]
    pub fn get(&self, page_ref: &PageRef) -> Option<&Arc<Page>> {
        self.0.get(page_ref)
    }

    fn need(&self, page: &PageRef) -> Result<&Arc<Page>, MapError> {
        self.0.get(page).ok_or(MapError::MissingPage { page: *page })
    }
}

/// The pages on the way to a key, from the root page down, as far as they are at hand; and the next one that
/// is not.
fn walk<'a>(root: Option<PageRef>, pages: &'a Pages, key: &Digest) -> (Vec<&'a Page>, Option<PageRef>) {
    let (mut way, mut next) = (Vec::new(), root);
    while let Some(page_ref) = next {
        let Some(page) = pages.0.get(&page_ref) else { return (way, Some(page_ref)) };
        let slot = page.slots.get(slot_of(key, way.len()));
        way.push(page.as_ref());
        next = match slot {
            Some(Slot::Page(below)) if way.len() < PAGE_DEPTH_MAX => Some(*below),
            _ => None,
        };
    }
    (way, None)
}

/// The pages that must be loaded next to find these keys; none when all are found.
#[must_use]
pub fn missing(root: Option<PageRef>, pages: &Pages, keys: &[Digest]) -> Vec<PageRef> {
    let mut missing: Vec<PageRef> = keys.iter().filter_map(|key| walk(root, pages, key).1).collect();
    missing.sort_unstable();
    missing.dedup();
    missing
}

/// The way to a key, whole.
pub(crate) fn way<'a>(
    root: Option<PageRef>,
    pages: &'a Pages,
    key: &Digest,
) -> Result<Vec<&'a Page>, MapError> {
    match walk(root, pages, key) {
        (way, None) => Ok(way),
        (_, Some(page)) => Err(MapError::MissingPage { page }),
    }
}

/// The latest record under a key.
///
/// # Errors
/// [`MapError::MissingPage`].
pub fn get(root: Option<PageRef>, pages: &Pages, key: &Digest) -> Result<Option<RecordId>, MapError> {
    let way = way(root, pages, key)?;
    let Some(last) = way.last() else { return Ok(None) };
    Ok(match last.slots.get(slot_of(key, way.len() - 1)) {
        Some(Slot::Leaf { key: found, record, .. }) if found == key => Some(*record),
        _ => None,
    })
}

/// What an update made.
#[derive(Debug)]
pub struct Update {
    /// The new root page.
    pub root: PageRef,
    /// The new pages, the root first.
    pub pages: Vec<(PageRef, Page)>,
    /// The pages in whose place they stand: no later map holds one of them.
    pub replaced: Vec<PageRef>,
}

/// Sets keys to their latest records, as the commit that writes `segment`: new pages only, each made once.
///
/// # Errors
/// [`MapError::MissingPage`] if a page on the way to a key is not at hand.
pub fn update(
    root: Option<PageRef>,
    pages: &Pages,
    changes: &[(Digest, RecordId)],
    segment: u64,
) -> Result<Update, MapError> {
    // Of a key that is set twice the last one counts.
    let mut sorted: Vec<(Digest, RecordId)> = changes.to_vec();
    sorted.sort_by_key(|(key, _)| *key);
    sorted.reverse();
    sorted.dedup_by_key(|(key, _)| *key);
    sorted.reverse();
    let page = match root {
        Some(root) => pages.need(&root)?.as_ref().clone(),
        None => Page::default(),
    };
    let (mut made, mut replaced) = (Vec::new(), Vec::from_iter(root));
    let root = rewrite(page, pages, &sorted, 0, segment, &mut made, &mut replaced)?;
    made.reverse();
    Ok(Update { root, pages: made, replaced })
}

/// Applies changes, all below this page, and adds the new pages below and then itself to `made`, and those that were below
/// in their place to `replaced`.
fn rewrite(
    mut page: Page,
    pages: &Pages,
    changes: &[(Digest, RecordId)],
    depth: usize,
    segment: u64,
    made: &mut Vec<(PageRef, Page)>,
    replaced: &mut Vec<PageRef>,
) -> Result<PageRef, MapError> {
    if depth >= PAGE_DEPTH_MAX {
        return Err(MapError::TooDeep);
    }
    for group in changes.chunk_by(|(a, _), (b, _)| slot_of(a, depth) == slot_of(b, depth)) {
        let Some((key, record)) = group.first() else { continue };
        let Some(slot) = page.slots.get_mut(slot_of(key, depth)) else { continue };
        let alone = group.len() == 1
            && match slot {
                Slot::Empty => true,
                Slot::Leaf { key: held, .. } => held == key,
                Slot::Page(_) => false,
            };
        if alone {
            let hash = lone_leaf_hash(key, record, slot_height(depth));
            *slot = Slot::Leaf { key: *key, record: *record, hash };
            continue;
        }
        let below = match slot {
            Slot::Page(below) => {
                replaced.push(*below);
                pages.need(below)?.as_ref().clone()
            }
            Slot::Empty => Page::default(),
            Slot::Leaf { key: held, record, .. } => page_with(*held, *record, depth + 1),
        };
        *slot = Slot::Page(rewrite(below, pages, group, depth + 1, segment, made, replaced)?);
    }
    let page_ref = PageRef { hash: page.hash(depth), segment };
    made.push((page_ref, page));
    Ok(page_ref)
}

/// The pages right below `old` that a commit replaced, each with the one that took its place right below `new`;
/// `new` is the page that the commit made in place of `old`.
///
/// # Errors
/// [`MapError::Wrong`] if no commit can have made the one of the other: keys never leave the map.
pub fn replaced_below(old: &Page, new: &Page) -> Result<Vec<(PageRef, PageRef)>, MapError> {
    let mut replaced = Vec::new();
    for (was, is) in old.slots.iter().zip(&new.slots) {
        match (was, is) {
            (Slot::Page(was), Slot::Page(is)) if was != is => replaced.push((*was, *is)),
            (Slot::Page(_), Slot::Page(_)) | (Slot::Empty | Slot::Leaf { .. }, _) => {}
            (Slot::Page(_), Slot::Empty | Slot::Leaf { .. }) => {
                return Err(MapError::Wrong { reason: "keys below it are gone" });
            }
        }
    }
    Ok(replaced)
}

/// A page with one key, moved down from the page above.
fn page_with(key: Digest, record: RecordId, depth: usize) -> Page {
    let mut page = Page::default();
    if depth < PAGE_DEPTH_MAX
        && let Some(slot) = page.slots.get_mut(slot_of(&key, depth))
    {
        let hash = lone_leaf_hash(&key, &record, slot_height(depth));
        *slot = Slot::Leaf { key, record, hash };
    }
    page
}
