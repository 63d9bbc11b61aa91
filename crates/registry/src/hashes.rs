//! The hashes behind a state: log tiles and map pages, from the staged tail, the right edge, a bounded cache,
//! or the objects below.
//!
//! A hash in a tile never changes once it is there, so any later version of a tile will do for any tree size.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use futures::future::try_join_all;
use object_store::ObjectStore;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use wargate_core::digest::Digest;
use wargate_core::log::tile::{TILE_HEIGHT, TILE_WIDTH, TileId, TilePath};
use wargate_core::log::tree::{NodeId, node_hash};
use wargate_core::map::page::{MapError, Page, PageRef, Pages, Slot, missing};
use wargate_core::map::segment::SegmentIndex;

use crate::error::Error;
use crate::limits::{PAGE_CACHE_BYTES, TILE_CACHE_BYTES};
use crate::objects::{self, Piece};
use crate::state::State;

#[cfg(test)]
mod tests;

/// Bytes of a map segment that are read at first: its index and, in a small one, all its pages.
const SEGMENT_HEAD_BYTES: u64 = 32 * 1024;

/// How often a segment is read from its begin before it is given up: each time but the first it was written anew
/// meanwhile, or has a long index.
const SEGMENT_READS_MAX: usize = 5;

/// About what a cached entry costs beside its payload, in bytes.
const ENTRY_OVERHEAD_BYTES: u64 = 128;

/// About what an encoded page costs in memory, in bytes.
const PAGE_BYTES: u64 = 256;

#[derive(Clone)]
pub(crate) struct ByBytes;

impl Weighter<TileId, Arc<TileRows>> for ByBytes {
    fn weight(&self, _: &TileId, _: &Arc<TileRows>) -> u64 {
        ENTRY_OVERHEAD_BYTES + TILE_ROWS_BYTES
    }
}

impl Weighter<PageRef, Bytes> for ByBytes {
    fn weight(&self, _: &PageRef, page: &Bytes) -> u64 {
        ENTRY_OVERHEAD_BYTES + page.len() as u64
    }
}

/// Bytes of a full tile with the hashes above it.
const TILE_ROWS_BYTES: u64 = 2 * 32 * TILE_WIDTH as u64;

/// A tile with every hash above its own, so that a proof looks them up instead of computing them again.
#[derive(Debug)]
pub(crate) struct TileRows {
    /// By height above the tile's own hashes.
    rows: Vec<Vec<Digest>>,
}

impl TileRows {
    pub(crate) fn new(hashes: Vec<Digest>) -> Self {
        let mut rows = vec![hashes];
        while let Some(row) = rows.last().filter(|row| row.len() > 1) {
            let above =
                row.chunks(2).filter_map(|pair| Some(node_hash(pair.first()?, pair.get(1)?))).collect();
            rows.push(above);
        }
        Self { rows }
    }

    /// The tile's own hashes.
    pub(crate) fn hashes(&self) -> &[Digest] {
        self.rows.first().map_or(&[], Vec::as_slice)
    }

    /// What they combine to, if they are one or more, and as many as a power of two.
    fn root(&self) -> Option<Digest> {
        self.rows.last().and_then(|row| row.first()).copied()
    }

    fn node(&self, node: NodeId) -> Option<Digest> {
        let (_, range) = node.tile();
        let above = usize::from(node.height % TILE_HEIGHT);
        self.rows.get(above)?.get(range.start >> above).copied()
    }
}

/// Immutable hashes kept in memory, bounded in bytes.
pub(crate) struct Hashes {
    objects: Arc<dyn ObjectStore>,
    tiles: Cache<TileId, Arc<TileRows>, ByBytes>,
    /// Encoded: most pages hold few keys, and decoding costs less than the room.
    pages: Cache<PageRef, Bytes, ByBytes>,
}

impl Hashes {
    pub(crate) fn new(objects: Arc<dyn ObjectStore>) -> Self {
        let tiles_count = TILE_CACHE_BYTES / (ENTRY_OVERHEAD_BYTES + TILE_ROWS_BYTES);
        let pages_count = PAGE_CACHE_BYTES / (ENTRY_OVERHEAD_BYTES + PAGE_BYTES);
        Self {
            objects,
            tiles: Cache::with_weighter(capacity(tiles_count), TILE_CACHE_BYTES, ByBytes),
            pages: Cache::with_weighter(capacity(pages_count), PAGE_CACHE_BYTES, ByBytes),
        }
    }

    /// The hashes of these nodes of the log.
    pub(crate) async fn nodes(
        &self,
        state: &State,
        nodes: &BTreeSet<NodeId>,
    ) -> Result<BTreeMap<NodeId, Digest>, Error> {
        let mut tiles: BTreeMap<TileId, Arc<TileRows>> = BTreeMap::new();
        let mut found = BTreeMap::new();
        for node in nodes {
            let (id, _) = node.tile();
            if let Entry::Vacant(tile) = tiles.entry(id) {
                tile.insert(self.tile(state, id).await?);
            }
            let hash = tiles.get(&id).and_then(|tile| tile.node(*node));
            let hash =
                hash.ok_or_else(|| Error::internal("find a log hash", format!("tile {id:?} is too short")))?;
            found.insert(*node, hash);
        }
        Ok(found)
    }

    /// A tile as long as the state's tree has it; one that is read must combine to the hash that stands above it.
    pub(crate) async fn tile(&self, state: &State, id: TileId) -> Result<Arc<TileRows>, Error> {
        if let Some(tile) = state.edge_tile(id) {
            return Ok(tile);
        }
        if let Some(tile) = self.tiles.get(&id) {
            return Ok(tile);
        }
        let staged = state.staged.iter().rev().find_map(|staged| staged.tiles.get(&id));
        let tile = match staged {
            Some(tile) => TileRows::new(tile.to_vec()),
            None => self.read_checked(state, id).await?,
        };
        let tile = Arc::new(tile);
        self.tiles.insert(id, tile.clone());
        Ok(tile)
    }

    /// A full tile from its object; its root is one of the hashes of the tile above, and that of the highest one is
    /// in the right edge, which was checked when it was loaded.
    async fn read_checked(&self, state: &State, id: TileId) -> Result<TileRows, Error> {
        let path = TilePath { id, width: TILE_WIDTH };
        let object = objects::tile_path(&path);
        let hashes = read_tile(&self.objects, &path).await?;
        let tile = TileRows::new(hashes.ok_or_else(|| objects::damaged(&object, "it is missing"))?);
        let width = u64::from(TILE_WIDTH);
        let above = TileId { level: id.level + 1, index: id.index / width };
        let above = Box::pin(self.tile(state, above)).await?;
        let known = usize::try_from(id.index % width).ok().and_then(|at| above.hashes().get(at).copied());
        if known.is_some() && tile.root() == known {
            Ok(tile)
        } else {
            Err(objects::damaged(&object, "its hashes do not combine to the one above"))
        }
    }

    /// All pages on the way to these keys under `root`.
    pub(crate) async fn pages(
        &self,
        state: &State,
        root: Option<PageRef>,
        keys: &[Digest],
    ) -> Result<Pages, Error> {
        let mut pages = Pages::default();
        // All ways begin at the root, so that what is missing lies a level deeper each time.
        for depth in 0.. {
            let wanted = missing(root, &pages, keys);
            if wanted.is_empty() {
                break;
            }
            let loaded = wanted.iter().map(|page_ref| self.page(state, page_ref, depth));
            for (page_ref, page) in wanted.iter().zip(try_join_all(loaded).await?) {
                pages.insert(*page_ref, page);
            }
        }
        Ok(pages)
    }

    async fn page(&self, state: &State, page_ref: &PageRef, depth: usize) -> Result<Arc<Page>, Error> {
        if let Some(page) = state.staged.iter().rev().find_map(|staged| staged.pages.get(page_ref)) {
            return Ok(page.clone());
        }
        let decode = |bytes: &[u8]| Page::decode(bytes).map_err(|error| damaged(page_ref, error));
        if let Some(bytes) = self.pages.get(page_ref) {
            return Ok(Arc::new(decode(&bytes)?));
        }
        let bytes = self.page_bytes(page_ref).await?;
        // A copy of its own, that does not hold the whole piece that was read.
        let bytes = Bytes::copy_from_slice(&bytes.ok_or_else(|| damaged(page_ref, "it is missing"))?);
        let page = decode(&bytes)?;
        check_page(&page, &page_ref.hash, depth..=depth).map_err(|error| damaged(page_ref, error))?;
        self.pages.insert(*page_ref, bytes);
        Ok(Arc::new(page))
    }

    /// A page's bytes from its segment object; `None` if there is no such segment or page.
    pub(crate) async fn page_bytes(&self, page_ref: &PageRef) -> Result<Option<Bytes>, Error> {
        read_page(&self.objects, page_ref).await
    }

    /// Bytes that the caches of tiles and of pages hold, by their own reckoning.
    pub(crate) fn bytes(&self) -> [u64; 2] {
        [self.tiles.weight(), self.pages.weight()]
    }

    /// Keeps what a commit just made, since the next one will touch it again, and drops what that replaced: only who looks
    /// at an earlier state asks for it, and what the latest one holds needs the room.
    pub(crate) fn follow<'a>(
        &self,
        made: impl Iterator<Item = (&'a PageRef, &'a Arc<Page>)>,
        replaced: &[PageRef],
    ) {
        for (page_ref, page) in made {
            self.pages.insert(*page_ref, page.encode().into());
        }
        for page_ref in replaced {
            self.pages.remove(page_ref);
        }
    }
}

/// A page's bytes from its segment object; `None` if there is no such segment or page.
///
/// A segment may be written anew without its dead pages between the look into its index and at the page: then it is
/// read again from the begin.
pub(crate) async fn read_page(
    objects: &Arc<dyn ObjectStore>,
    page_ref: &PageRef,
) -> Result<Option<Bytes>, Error> {
    let path = objects::segment_path(page_ref.segment);
    let mut head_bytes = SEGMENT_HEAD_BYTES;
    for _ in 0..SEGMENT_READS_MAX {
        let (head, tag) = match objects::get_range(objects, &path, 0..head_bytes, None).await? {
            Piece::Absent => return Ok(None),
            Piece::Changed => continue,
            Piece::Bytes(head, tag) => (head, tag),
        };
        let index_end = SegmentIndex::bytes_needed(&head).map_err(|error| damaged(page_ref, error))?;
        if index_end > head_bytes {
            head_bytes = index_end;
            continue;
        }
        let index = SegmentIndex::decode(&head).map_err(|error| damaged(page_ref, error))?;
        let Some(range) = index.find(&page_ref.hash) else { return Ok(None) };
        if range.end <= head.len() as u64 {
            let (start, end) = (range.start as usize, range.end as usize);
            return Ok(Some(head.slice(start..end)));
        }
        match objects::get_range(objects, &path, range, tag).await? {
            Piece::Absent => return Ok(None),
            Piece::Changed => {}
            Piece::Bytes(page, _) => return Ok(Some(page)),
        }
    }
    Err(damaged(page_ref, "its object changes all the time"))
}

fn capacity(entries: u64) -> usize {
    usize::try_from(entries).unwrap_or(usize::MAX)
}

fn damaged(page_ref: &PageRef, cause: impl std::fmt::Display) -> Error {
    objects::damaged(&format!("map page {} of segment {}", page_ref.hash, page_ref.segment), cause)
}

/// Whether a page is the one with this hash, at one of these depths: which one, only a walk to it tells. Its hash alone
/// does not: without an empty slot a page has the same one at every depth.
pub(crate) fn check_page(
    page: &Page,
    hash: &Digest,
    depths: impl IntoIterator<Item = usize>,
) -> Result<(), MapError> {
    let key = page.slots.iter().find_map(|slot| match slot {
        Slot::Leaf { key, .. } => Some(*key),
        _ => None,
    });
    let below = key.unwrap_or(*hash);
    let is_right = |depth| page.verify(depth, &below, hash).is_ok();
    if depths.into_iter().any(is_right) {
        return Ok(());
    }
    Err(MapError::Wrong { reason: "it is the page of that hash at no depth" })
}

/// Reads a tile object; `None` if there is none.
pub(crate) async fn read_tile(
    objects: &Arc<dyn ObjectStore>,
    path: &TilePath,
) -> Result<Option<Vec<Digest>>, Error> {
    let Some(bytes) = objects::get(objects, &objects::tile_path(path)).await? else { return Ok(None) };
    let hashes: Vec<Digest> = bytes.chunks(32).filter_map(Digest::from_slice).collect();
    if hashes.len() == usize::from(path.width) && bytes.len() == 32 * hashes.len() {
        Ok(Some(hashes))
    } else {
        Err(objects::damaged(path, format!("it has {} bytes", bytes.len())))
    }
}
