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
use wargate_core::map::page::{Page, PageRef, Pages, missing};
use wargate_core::map::segment::SegmentIndex;

use crate::error::Error;
use crate::limits::{PAGE_CACHE_BYTES, TILE_CACHE_BYTES};
use crate::objects;
use crate::state::State;

/// Bytes of a map segment that are read at first: its index and, in a small one, all its pages.
const SEGMENT_HEAD_BYTES: u64 = 32 * 1024;

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

    async fn tile(&self, state: &State, id: TileId) -> Result<Arc<TileRows>, Error> {
        if let Some(tile) = state.edge_tile(id) {
            return Ok(tile);
        }
        if let Some(tile) = self.tiles.get(&id) {
            return Ok(tile);
        }
        let staged = state.staged.iter().rev().find_map(|staged| staged.tiles.get(&id));
        let hashes = match staged {
            Some(tile) => tile.to_vec(),
            None => {
                let path = TilePath { id, width: TILE_WIDTH };
                read_tile(&self.objects, &path)
                    .await?
                    .ok_or_else(|| Error::internal("find a log tile", format!("`{path}` is missing")))?
            }
        };
        let tile = Arc::new(TileRows::new(hashes));
        self.tiles.insert(id, tile.clone());
        Ok(tile)
    }

    /// All pages on the way to these keys under `root`.
    pub(crate) async fn pages(
        &self,
        state: &State,
        root: Option<PageRef>,
        keys: &[Digest],
    ) -> Result<Pages, Error> {
        let mut pages = Pages::default();
        loop {
            let wanted = missing(root, &pages, keys);
            if wanted.is_empty() {
                return Ok(pages);
            }
            let loaded = wanted.iter().map(|page_ref| self.page(state, page_ref));
            for (page_ref, page) in wanted.iter().zip(try_join_all(loaded).await?) {
                pages.insert(*page_ref, page);
            }
        }
    }

    async fn page(&self, state: &State, page_ref: &PageRef) -> Result<Arc<Page>, Error> {
        if let Some(page) = state.staged.iter().rev().find_map(|staged| staged.pages.get(page_ref)) {
            return Ok(page.clone());
        }
        let bytes = match self.pages.get(page_ref) {
            Some(bytes) => bytes,
            None => {
                let bytes = self.page_bytes(page_ref).await?;
                // A copy of its own, that does not hold the whole piece that was read.
                let bytes = Bytes::copy_from_slice(&bytes.ok_or_else(|| damaged(page_ref, "it is missing"))?);
                self.pages.insert(*page_ref, bytes.clone());
                bytes
            }
        };
        Ok(Arc::new(Page::decode(&bytes).map_err(|error| damaged(page_ref, error))?))
    }

    /// A page's bytes from its segment object; `None` if there is no such segment or page.
    pub(crate) async fn page_bytes(&self, page_ref: &PageRef) -> Result<Option<Bytes>, Error> {
        let path = objects::segment_path(page_ref.segment);
        let Some(head) = objects::get_range(&self.objects, &path, 0..SEGMENT_HEAD_BYTES).await? else {
            return Ok(None);
        };
        let index_end = SegmentIndex::bytes_needed(&head).map_err(|error| damaged(page_ref, error))?;
        let head = if index_end > head.len() as u64 {
            objects::get_range(&self.objects, &path, 0..index_end).await?.unwrap_or(head)
        } else {
            head
        };
        let index = SegmentIndex::decode(&head).map_err(|error| damaged(page_ref, error))?;
        let Some(range) = index.find(&page_ref.hash) else { return Ok(None) };
        if range.end <= head.len() as u64 {
            let (start, end) = (range.start as usize, range.end as usize);
            return Ok(Some(head.slice(start..end)));
        }
        objects::get_range(&self.objects, &path, range).await
    }

    /// Keeps what a commit just made, since the next one will touch it again.
    pub(crate) fn keep_pages<'a>(&self, pages: impl Iterator<Item = (&'a PageRef, &'a Arc<Page>)>) {
        for (page_ref, page) in pages {
            self.pages.insert(*page_ref, page.encode().into());
        }
    }
}

fn capacity(entries: u64) -> usize {
    usize::try_from(entries).unwrap_or(usize::MAX)
}

fn damaged(page_ref: &PageRef, cause: impl std::fmt::Display) -> Error {
    Error::internal(&format!("read map page {} of segment {}", page_ref.hash, page_ref.segment), cause)
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
        Err(Error::internal("read a log tile", format!("`{path}` has {} bytes", bytes.len())))
    }
}
