//! Lays staged commits down in the objects, and issues the static checkpoint once everything below it is there.
//!
//! Recovery after a crash is this same function: it runs on what the ledger still has staged. Writing an
//! object twice is harmless, since both times it has the same bytes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectStore;
use object_store::path::Path;
use wargate_core::digest::Digest;
use wargate_core::log::tile::{
    BundleKind, BundlePath, TILE_WIDTH, TileId, TilePath, encode_entries, encode_names, encode_records,
};

use crate::error::Error;
use crate::limits::{LAY_DOWN_BUNDLES, LAY_DOWN_INTERVAL, RELOAD_DELAY_MAX, RELOAD_DELAY_MIN};
use crate::objects;
use crate::recovery;
use crate::shared::Shared;
use crate::state::{Committed, Staged, StagedRecord, State};

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
}

impl Applier {
    /// Takes up where the objects stand: `partial` are the records of the last bundle below `laid_down`.
    pub(crate) fn new(
        objects: Arc<dyn ObjectStore>,
        laid_down: u64,
        partial: Vec<Arc<StagedRecord>>,
        issued: Option<Arc<str>>,
    ) -> Self {
        Self { objects, laid_down, partial, issued }
    }

    /// Lays down what is committed, until the registry closes and all is laid down.
    pub(crate) async fn run(mut self, shared: Arc<Shared>) {
        let mut delay = RELOAD_DELAY_MIN;
        loop {
            let started_ms = shared.clock.now_ms();
            let state = shared.state.load_full();
            match self.follow(&shared, &state).await {
                Ok(()) => {
                    delay = RELOAD_DELAY_MIN;
                    shared.state.rcu(|now| now.laid_down_to(self.laid_down()));
                    shared.laid_down.notify_waiters();
                    shared.laid_down.notify_one();
                    let up_to_date = Arc::ptr_eq(&shared.state.load().committed.note, &state.committed.note);
                    if up_to_date && !shared.sequencing.load(Ordering::Acquire) {
                        return;
                    }
                    if up_to_date {
                        shared.committed.notified().await;
                    }
                    rest(&shared, started_ms).await;
                }
                Err(error) => {
                    tracing::error!(%error, "couldn't lay down a commit; publishing goes on, trying again");
                    metrics::counter!("wargate_lay_down_failures_total").increment(1);
                    if shared.is_closing() {
                        return;
                    }
                    shared.clock.sleep(delay).await;
                    delay = (delay * 2).min(RELOAD_DELAY_MAX);
                }
            }
        }
    }

    /// Lays down what is staged, unless another registry on the same ledger and objects is ahead of this state; this
    /// one finds out at its next commit.
    ///
    /// # Errors
    /// [`Error::Internal`]; also if what was issued meanwhile is not of this log.
    pub(crate) async fn follow(&mut self, shared: &Shared, state: &State) -> Result<(), Error> {
        let issued = recovery::issued(&self.objects).await?;
        if let Some((note, checkpoint)) = &issued
            && self.issued.as_ref() != Some(note)
        {
            let own = &state.committed.signed.checkpoint;
            if (checkpoint.size, checkpoint.time) > (own.size, own.time) {
                tracing::debug!(size = checkpoint.size, "another registry issued more than is known here");
                return Ok(());
            }
            recovery::check_extends(&shared.hashes, state, checkpoint).await?;
        }
        self.issued = issued.map(|(note, _)| note);
        if state.laid_down > self.laid_down {
            // Another registry laid that down, and its ledger rows are gone.
            self.partial = recovery::load_partial(&*shared.db, state.laid_down).await?;
            self.laid_down = state.laid_down;
        }
        self.apply(&state.staged, &state.committed).await
    }

    /// Lays down these commits together, then issues `committed`, which must be the last one's.
    pub(crate) async fn apply(&mut self, staged: &[Arc<Staged>], committed: &Committed) -> Result<(), Error> {
        let fresh: Vec<_> = staged.iter().filter(|staged| staged.size > self.laid_down).collect();
        let base = fresh.first().map(|first| first.size - first.records.len() as u64);
        if base.is_some_and(|base| base != self.laid_down) {
            let gap = format!("they go on from tree size {base:?}, the objects end at {}", self.laid_down);
            return Err(Error::internal("lay down commits", gap));
        }
        let mut files = tiles_of(&fresh);
        files.extend(fresh.iter().map(|staged| (objects::segment_path(staged.size), staged.segment.clone())));
        let before = self.partial.len();
        let mut records = self.partial.clone();
        records.extend(fresh.iter().flat_map(|staged| staged.records.iter().cloned()));
        let first_bundle = (self.laid_down - before as u64) / u64::from(TILE_WIDTH);
        files.extend(bundles_of(first_bundle, &records)?);
        self.write(files).await?;
        if let Some(last) = fresh.last() {
            let rest = records.len() % usize::from(TILE_WIDTH);
            self.partial = records.split_off(records.len() - rest);
            self.laid_down = last.size;
        }
        self.issue(committed).await
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
}

/// Lets several commits gather, if the last round is recent.
async fn rest(shared: &Shared, started_ms: u64) {
    let since = Duration::from_millis(shared.clock.now_ms().saturating_sub(started_ms));
    let mut left = LAY_DOWN_INTERVAL.saturating_sub(since);
    while !left.is_zero() && !shared.is_closing() && shared.state.load().staged.len() < LAY_DOWN_BUNDLES {
        let step = left.min(LAY_DOWN_INTERVAL / 10);
        shared.clock.sleep(step).await;
        left = left.saturating_sub(step);
    }
}

/// The tile files of several commits together: of each tile only the last content.
fn tiles_of(staged: &[&Arc<Staged>]) -> Vec<(Path, Bytes)> {
    let last: BTreeMap<TileId, &Arc<[Digest]>> =
        staged.iter().flat_map(|staged| staged.tiles.iter().map(|(id, tile)| (*id, tile))).collect();
    last.into_iter().map(|(id, tile)| tile_file(id, tile)).collect()
}

/// The file of a tile.
pub(crate) fn tile_file(id: TileId, tile: &[Digest]) -> (Path, Bytes) {
    let width = u16::try_from(tile.len()).unwrap_or(TILE_WIDTH);
    let bytes: Vec<u8> = tile.iter().flat_map(|hash| *hash.as_bytes()).collect();
    (objects::tile_path(&TilePath { id, width }), bytes.into())
}

/// The bundle files of `records`, whose first one begins bundle `first`.
pub(crate) fn bundles_of(first: u64, records: &[Arc<StagedRecord>]) -> Result<Vec<(Path, Bytes)>, Error> {
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
