//! What is committed, as every reader sees it: swapped whole, never changed in place.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use wargate_core::checkpoint::SignedCheckpoint;
use wargate_core::digest::Digest;
use wargate_core::key::PublicKey;
use wargate_core::log::tile::{TileId, TilePath, tiles_of};
use wargate_core::map::page::{Page, PageRef};
use wargate_core::name::LogName;
use wargate_core::plan::Tree;

use crate::error::Error;
use crate::hashes::TileRows;

/// A committed checkpoint in both encodings.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The checkpoint with both signatures.
    pub signed: SignedCheckpoint,
    /// The signed note.
    pub note: Arc<str>,
}

impl Committed {
    /// A signed checkpoint with its note; `key` is the public half of the key that signed.
    pub(crate) fn new(signed: SignedCheckpoint, origin: &str, key: &PublicKey) -> Result<Self, Error> {
        let note =
            signed.note(origin, key).map_err(|error| Error::internal("write a checkpoint's note", error))?;
        Ok(Self { signed, note: note.into() })
    }

    /// The tree size.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.signed.checkpoint.size
    }
}

/// A record on its way into the bundles.
#[derive(Debug)]
pub(crate) struct StagedRecord {
    /// The log entry.
    pub(crate) entry: Vec<u8>,
    /// The log's name, if this record begins it and everybody may know it.
    pub(crate) name: Option<LogName>,
    /// The encoded envelope; empty if not everybody may read it.
    pub(crate) envelope: Bytes,
}

impl StagedRecord {
    /// A record as the bundles hold it: of a private one nothing but its entry (`spec/transparency.md`, "Ours").
    pub(crate) fn new(entry: Vec<u8>, name: Option<LogName>, envelope: Bytes, private: bool) -> Self {
        if private {
            return Self { entry, name: None, envelope: Bytes::new() };
        }
        Self { entry, name, envelope }
    }
}

/// What one commit adds and the objects do not hold yet.
#[derive(Debug)]
pub(crate) struct Staged {
    /// Tree size after.
    pub(crate) size: u64,
    /// The records that it adds, up to `size`.
    pub(crate) records: Vec<Arc<StagedRecord>>,
    /// Every tile that changed, with its whole content.
    pub(crate) tiles: HashMap<TileId, Arc<[Digest]>>,
    /// The new map pages.
    pub(crate) pages: HashMap<PageRef, Arc<Page>>,
    /// The same as a segment object.
    pub(crate) segment: Bytes,
}

/// The committed state.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) committed: Committed,
    pub(crate) tree: Tree,
    /// Commits above what is laid down, oldest first.
    pub(crate) staged: Vec<Arc<Staged>>,
    /// Everything below this tree size is in the objects.
    pub(crate) laid_down: u64,
    /// The partial tiles of the right edge, with the hashes above theirs; made when first asked for.
    edge_tiles: OnceLock<HashMap<TileId, Arc<TileRows>>>,
}

impl State {
    pub(crate) fn new(committed: Committed, tree: Tree, staged: Vec<Arc<Staged>>, laid_down: u64) -> Self {
        Self { committed, tree, staged, laid_down, edge_tiles: OnceLock::new() }
    }

    /// A partial tile of the right edge.
    pub(crate) fn edge_tile(&self, id: TileId) -> Option<Arc<TileRows>> {
        let edge = &self.tree.edge;
        let rows =
            |path: TilePath| Some((path.id, Arc::new(TileRows::new(edge.partial_tile(path.id)?.to_vec()))));
        let tiles =
            self.edge_tiles.get_or_init(|| tiles_of(edge.size()).into_iter().filter_map(rows).collect());
        tiles.get(&id).cloned()
    }

    /// The state after one more commit.
    pub(crate) fn with(&self, committed: Committed, tree: Tree, staged: Option<Arc<Staged>>) -> Self {
        let mut all = self.staged.clone();
        all.extend(staged);
        Self::new(committed, tree, all, self.laid_down)
    }

    /// The state once everything below `size` is in the objects.
    pub(crate) fn laid_down_to(&self, size: u64) -> Self {
        let staged = self.staged.iter().filter(|staged| staged.size > size).cloned().collect();
        Self::new(self.committed.clone(), self.tree.clone(), staged, self.laid_down.max(size))
    }
}
