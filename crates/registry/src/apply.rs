//! Lays staged commits down in the objects, and issues the static checkpoint once everything below it is there.
//!
//! Recovery after a crash is this same function: it runs on what the ledger still has staged. Writing an
//! object twice is harmless, since both times it has the same bytes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use wargate_core::digest::Digest;
use wargate_core::log::tile::{
    BundleKind, BundlePath, TILE_WIDTH, TileId, TilePath, encode_entries, encode_names, encode_records,
};

use crate::clock::Clock;
use crate::error::Error;
use crate::limits::REPLACED_PARTIAL_STAYS;
use crate::objects;
use crate::state::{Committed, Staged, StagedRecord};

/// Objects written at the same time.
const WRITES_AT_ONCE: usize = 8;

/// Where laying down stands.
pub(crate) struct Applier {
    objects: Arc<dyn ObjectStore>,
    /// Everything below this tree size is in the objects.
    laid_down: u64,
    /// The records of the last bundle that is not full yet: those of `laid_down - len .. laid_down`.
    partial: Vec<Arc<StagedRecord>>,
    /// The note that was issued last.
    issued: Option<Arc<str>>,
    /// Partials that a larger one replaced, and when they may go, in ms.
    replaced: VecDeque<(u64, Path)>,
}

impl Applier {
    /// Takes up where the objects stand: `partial` are the records of the last bundle below `laid_down`.
    pub(crate) fn new(
        objects: Arc<dyn ObjectStore>,
        laid_down: u64,
        partial: Vec<Arc<StagedRecord>>,
        issued: Option<Arc<str>>,
    ) -> Self {
        Self { objects, laid_down, partial, issued, replaced: VecDeque::new() }
    }

    /// Lays down these commits together, then issues `committed`, which must be the last one's.
    pub(crate) async fn apply(
        &mut self,
        staged: &[Arc<Staged>],
        committed: &Committed,
        clock: &dyn Clock,
    ) -> Result<(), Error> {
        let fresh: Vec<_> = staged.iter().filter(|staged| staged.size > self.laid_down).collect();
        let mut files = tiles_of(&fresh);
        files.extend(fresh.iter().map(|staged| (objects::segment_path(staged.size), staged.segment.clone())));
        let before = self.partial.len();
        let mut records = self.partial.clone();
        records.extend(fresh.iter().flat_map(|staged| staged.records.iter().cloned()));
        let first_bundle = (self.laid_down - before as u64) / u64::from(TILE_WIDTH);
        files.extend(bundles_of(first_bundle, &records)?);
        self.write(files).await?;
        if let Some(last) = fresh.last() {
            self.replace(first_bundle, before, records.len(), clock.now_ms());
            let rest = records.len() % usize::from(TILE_WIDTH);
            self.partial = records.split_off(records.len() - rest);
            self.laid_down = last.size;
        }
        self.issue(committed).await?;
        self.sweep(clock.now_ms()).await;
        Ok(())
    }

    /// What is laid down.
    pub(crate) fn laid_down(&self) -> u64 {
        self.laid_down
    }

    async fn write(&self, files: Vec<(Path, Bytes)>) -> Result<(), Error> {
        futures::stream::iter(files)
            .map(|(path, bytes)| async move { objects::put(&self.objects, &path, bytes).await })
            .buffer_unordered(WRITES_AT_ONCE)
            .try_collect()
            .await
    }

    /// Moves the static checkpoint forward, never back, and only to what is laid down.
    async fn issue(&mut self, committed: &Committed) -> Result<(), Error> {
        if committed.size() != self.laid_down || self.issued.as_ref() == Some(&committed.note) {
            return Ok(());
        }
        let note = Bytes::copy_from_slice(committed.note.as_bytes());
        objects::put(&self.objects, &objects::checkpoint_path(), note).await?;
        self.issued = Some(committed.note.clone());
        Ok(())
    }

    /// Remembers the partial bundles that newer ones replaced.
    fn replace(&mut self, bundle: u64, before: usize, after: usize, now_ms: u64) {
        if before == 0 || after == before {
            return;
        }
        let due = now_ms + u64::try_from(REPLACED_PARTIAL_STAYS.as_millis()).unwrap_or(u64::MAX);
        let width = u16::try_from(before).unwrap_or(TILE_WIDTH);
        let path = objects::bundle_path(&BundlePath { kind: BundleKind::Records, index: bundle, width });
        self.replaced.push_back((due, path));
    }

    /// Deletes the replaced partials whose time has come. A failure leaves a file too many, nothing worse.
    async fn sweep(&mut self, now_ms: u64) {
        while let Some((_, path)) = self.replaced.pop_front_if(|(due, _)| *due <= now_ms) {
            match self.objects.delete(&path).await {
                Ok(()) => {
                    tracing::debug!(%path, "deleted a partial record bundle that a larger one replaced");
                }
                Err(error) => tracing::warn!(%path, %error, "couldn't delete a replaced partial bundle"),
            }
        }
    }
}

/// The tile files of several commits together: of each tile only the last content.
fn tiles_of(staged: &[&Arc<Staged>]) -> Vec<(Path, Bytes)> {
    let last: BTreeMap<TileId, &Arc<[Digest]>> =
        staged.iter().flat_map(|staged| staged.tiles.iter().map(|(id, tile)| (*id, tile))).collect();
    last.into_iter()
        .map(|(id, tile)| {
            let width = u16::try_from(tile.len()).unwrap_or(TILE_WIDTH);
            let bytes: Vec<u8> = tile.iter().flat_map(|hash| *hash.as_bytes()).collect();
            (objects::tile_path(&TilePath { id, width }), bytes.into())
        })
        .collect()
}

/// The bundle files of `records`, whose first one begins bundle `first`.
fn bundles_of(first: u64, records: &[Arc<StagedRecord>]) -> Result<Vec<(Path, Bytes)>, Error> {
    let mut files = Vec::new();
    for (index, records) in (first..).zip(records.chunks(usize::from(TILE_WIDTH))) {
        let width = u16::try_from(records.len()).unwrap_or(TILE_WIDTH);
        let mut add = |kind, bytes: Vec<u8>| {
            files.push((objects::bundle_path(&BundlePath { kind, index, width }), Bytes::from(bytes)));
        };
        let failed = |error| Error::internal("encode a bundle", error);
        add(
            BundleKind::Entries,
            encode_entries(records.iter().map(|record| record.entry.as_slice())).map_err(failed)?,
        );
        add(
            BundleKind::Records,
            encode_records(records.iter().map(|record| record.envelope.as_ref())).map_err(failed)?,
        );
        add(
            BundleKind::Names,
            encode_names(records.iter().map(|record| record.name.as_ref().map_or("", |name| name.as_str())))
                .map_err(failed)?,
        );
    }
    Ok(files)
}
