//! The removal of what nothing needs any more (`spec/transparency.md`, "Tiles", and "Ours", "Cost per checkpoint").
//!
//! What may go is found from facts of the ledger, never by walking the bucket: every tree size that was committed is
//! a row there, and a row for each kind of file tells up to where it was swept. An object goes first, the row that
//! told of it afterwards; so a crash between the two only makes the next round look once more. Content alone goes the
//! other way, row first: who finds a row must find its bytes. Steps are small, and between two of them commits go on.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};

use crate::clock::{Clock, millis};
use crate::content::incoming::OpenUploads;
use crate::content::places::Places;
use crate::db::Db;
use crate::error::Error;
use crate::limits::{CONTENT_LEASE, GARBAGE_INTERVAL, MAP_RETENTION, REPLACED_PARTIAL_STAYS, UNTAGGED_KEPT};
use crate::repository::sessions::Sessions;
use crate::shared::Shared;
use crate::tables::{checkpoints, garbage};

mod expired;
mod leave;
mod map;
mod partials;
mod sweep;

pub use leave::Leave;

/// How long is kept what nothing needs any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The map of a checkpoint, from when there is a newer one.
    pub map: Duration,
    /// Content that nothing links, and links that no manifest needs, from when they came in or somebody was told that
    /// they are here.
    pub lease: Duration,
    /// Manifests that nothing names, from when they were pushed or asked for by digest; never shorter than a lease.
    pub untagged: Duration,
}

impl Default for Retention {
    /// [`MAP_RETENTION`], [`CONTENT_LEASE`], [`UNTAGGED_KEPT`].
    fn default() -> Self {
        Self { map: MAP_RETENTION, lease: CONTENT_LEASE, untagged: UNTAGGED_KEPT }
    }
}

impl Retention {
    /// How long a manifest is kept that nothing names.
    pub(crate) fn untagged(&self) -> Duration {
        self.untagged.max(self.lease)
    }
}

/// What is removed, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Garbage {
    /// Partial tiles whose full tile is laid down.
    Tiles,
    /// Partial bundles of entries whose full bundle is laid down.
    Entries,
    /// Partial bundles of names, the same.
    Names,
    /// Partial bundles of records that a larger one replaced.
    Records,
    /// Map segments without a page that a kept checkpoint reaches.
    MapSegments,
    /// Map pages that were taken out of segments.
    MapPages,
    /// Objects of uploads that broke off.
    Uploads,
    /// Upload sessions that were open for too long.
    Sessions,
    /// Records whose content did not come.
    Pending,
    /// Refusals that were told for long enough.
    Refusals,
    /// Proposals whose time is over.
    Proposals,
    /// Manifests that nothing names.
    Manifests,
    /// Blobs' links that no manifest needs.
    Links,
    /// Content that nothing links.
    Contents,
}

impl Garbage {
    /// All kinds, in the order in which they are told.
    pub const ALL: [Self; 14] = [
        Self::Tiles,
        Self::Entries,
        Self::Names,
        Self::Records,
        Self::MapSegments,
        Self::MapPages,
        Self::Uploads,
        Self::Sessions,
        Self::Pending,
        Self::Refusals,
        Self::Proposals,
        Self::Manifests,
        Self::Links,
        Self::Contents,
    ];

    /// A short name, for metrics and scripts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tiles => "tiles",
            Self::Entries => "entries",
            Self::Names => "names",
            Self::Records => "records",
            Self::MapSegments => "map-segments",
            Self::MapPages => "map-pages",
            Self::Uploads => "uploads",
            Self::Sessions => "sessions",
            Self::Pending => "pending",
            Self::Refusals => "refusals",
            Self::Proposals => "proposals",
            Self::Manifests => "manifests",
            Self::Links => "links",
            Self::Contents => "contents",
        }
    }
}

impl fmt::Display for Garbage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How many of a kind, and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// How many.
    pub count: u64,
    /// Their bytes, without what the disk rounds up.
    pub bytes: u64,
}

/// What a round removed, or would have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Removed(BTreeMap<Garbage, Count>);

impl Removed {
    /// What was removed of one kind.
    #[must_use]
    pub fn of(&self, kind: Garbage) -> Count {
        self.0.get(&kind).copied().unwrap_or_default()
    }

    /// Whether there was nothing to remove.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what another round removed.
    pub fn extend(&mut self, round: &Self) {
        for (kind, Count { count, bytes }) in &round.0 {
            self.add(*kind, *count, *bytes);
        }
    }

    fn add(&mut self, kind: Garbage, count: u64, bytes: u64) {
        let sum = self.0.entry(kind).or_default();
        sum.count += count;
        sum.bytes += bytes;
    }
}

/// What is remembered between two rounds of one process; all of it is found again after a restart.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    /// Tree sizes that were seen laid down, and when, in ms.
    seen: VecDeque<(u64, u64)>,
    /// Where the sweep goes on.
    walks: sweep::Walks,
}

impl Collector {
    /// Everything below this tree size is laid down for so long that no reader of an older checkpoint still needs
    /// what it replaced. `laid_down` is what this process laid down, `forgotten` what the ledger staged no more when it
    /// committed at `committed_ms`.
    fn settled(&mut self, laid_down: u64, forgotten: u64, committed_ms: u64, now_ms: u64) -> u64 {
        if self.seen.back().is_none_or(|(size, _)| *size < laid_down) {
            self.seen.push_back((laid_down, now_ms));
        }
        let is_settled = |at_ms: u64| at_ms.saturating_add(millis(REPLACED_PARTIAL_STAYS)) <= now_ms;
        while self.seen.get(1).is_some_and(|(_, at_ms)| is_settled(*at_ms)) {
            self.seen.pop_front();
        }
        let seen = self.seen.front().filter(|(_, at_ms)| is_settled(*at_ms)).map_or(0, |(size, _)| *size);
        if is_settled(committed_ms) { seen.max(forgotten) } else { seen }
    }
}

/// Where garbage is removed.
pub(crate) struct Ground<'a> {
    pub(crate) db: &'a dyn Db,
    pub(crate) objects: &'a Arc<dyn ObjectStore>,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) retention: Retention,
    /// Withheld while somebody copies; without it nobody does.
    pub(crate) leave: Option<&'a dyn Leave>,
    /// Of a running registry: what is laid down, and what is open.
    pub(crate) running: Option<Running<'a>>,
}

/// What only a running registry knows.
pub(crate) struct Running<'a> {
    pub(crate) laid_down: u64,
    pub(crate) sessions: &'a Sessions,
    pub(crate) uploads: &'a OpenUploads,
    pub(crate) places: &'a Places,
    pub(crate) is_closing: &'a (dyn Fn() -> bool + Send + Sync),
}

/// One round.
struct Round<'a> {
    ground: Ground<'a>,
    now_ms: u64,
    settled: u64,
    dry_run: bool,
    removed: Removed,
}

impl Round<'_> {
    /// Whether another step may be taken: a registry that closes does not wait for a long round.
    fn goes_on(&self) -> bool {
        self.ground.running.as_ref().is_none_or(|running| !(running.is_closing)())
    }

    /// Leave for one step that removes what a backup may copy; what came is held until the step is done.
    fn leave(&self) -> Result<Option<Box<dyn Any + Send>>, Error> {
        match self.ground.leave {
            // A dry run removes nothing.
            Some(leave) if !self.dry_run => {
                let taken =
                    leave.take().map_err(|error| Error::internal("take leave to remove objects", error))?;
                if taken.is_none() {
                    tracing::info!("what a backup copies stays while it runs");
                }
                Ok(taken)
            }
            _ => Ok(Some(Box::new(()))),
        }
    }

    /// One answer of the ledger.
    async fn ask(&self, statement: crate::db::Statement) -> Result<Vec<crate::db::Row>, Error> {
        Ok(self.ground.db.read(vec![statement]).await?.pop().unwrap_or_default())
    }

    fn count(&mut self, kind: Garbage, count: u64, bytes: u64) {
        if count == 0 {
            return;
        }
        self.removed.add(kind, count, bytes);
        if !self.dry_run {
            metrics::counter!("wargate_gc_removed_total", "kind" => kind.name()).increment(count);
            metrics::counter!("wargate_gc_removed_bytes_total", "kind" => kind.name()).increment(bytes);
        }
    }

    /// Removes an object that may be gone already; its bytes if it was there.
    async fn remove(&self, path: &Path, reason: &str) -> Result<Option<u64>, Error> {
        let bytes = match self.ground.objects.head(path).await {
            Ok(meta) => meta.size,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(Error::internal(&format!("look at the object {path}"), error)),
        };
        if self.dry_run {
            return Ok(Some(bytes));
        }
        match self.ground.objects.delete(path).await {
            Ok(()) => tracing::debug!(%path, bytes, reason, "removed an object"),
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(Error::internal(&format!("remove the object {path}"), error)),
        }
        Ok(Some(bytes))
    }

    /// What is laid down and settled is staged no more: laying it down again could bring back what was removed.
    async fn forget_staged(&self) -> Result<(), Error> {
        let staged = garbage::numbers(self.ask(garbage::select_staged_below(self.settled)).await?)?;
        if !staged.is_empty() && !self.dry_run {
            self.ground.db.write(vec![checkpoints::delete_staged(self.settled)]).await?;
        }
        Ok(())
    }
}

/// Removes what nothing needs; with `dry_run` it only tells what would go.
pub(crate) async fn run(
    collector: &mut Collector,
    ground: Ground<'_>,
    dry_run: bool,
) -> Result<Removed, Error> {
    let now_ms = ground.clock.now_ms();
    let statements = vec![checkpoints::select_current(), garbage::select_staged_base()];
    let mut answers = ground.db.read(statements).await?.into_iter();
    let current = checkpoints::one(answers.next().unwrap_or_default())?;
    let Some(current) = current.map(|signed| signed.checkpoint) else { return Ok(Removed::default()) };
    let base = garbage::numbers(answers.next().unwrap_or_default())?.first().copied();
    let forgotten = base.unwrap_or(current.size);
    let laid_down = ground.running.as_ref().map_or(0, |running| running.laid_down);
    // Cut to seconds: it was committed before the next one began.
    let committed_ms = current.time.saturating_add(1).saturating_mul(1000);
    let settled = collector.settled(laid_down, forgotten, committed_ms, now_ms);
    let mut round = Round { ground, now_ms, settled, dry_run, removed: Removed::default() };
    round.forget_staged().await?;
    partials::sweep(&mut round).await?;
    map::collect(&mut round).await?;
    expired::collect(&mut round).await?;
    sweep::collect(&mut round, &mut collector.walks).await?;
    if !round.removed.is_empty() {
        tracing::info!(removed = ?round.removed.0, dry_run, "removed what nothing needs");
    }
    Ok(round.removed)
}

/// Removes what nothing needs of a registry that does not run: whoever calls must be its only process, and nobody may
/// copy it meanwhile ([`Leave`]).
///
/// `retention` as in [`Config::retention`](crate::Config). With `dry_run` nothing is removed, and the same is told. What
/// goes may free other things for the next round.
///
/// # Errors
/// [`Error::Internal`] if ledger or objects fail; what was done until then stays done.
pub async fn collect(
    db: &dyn Db,
    objects: &Arc<dyn ObjectStore>,
    clock: &dyn Clock,
    retention: Retention,
    dry_run: bool,
) -> Result<Removed, Error> {
    let ground = Ground { db, objects, clock, retention, leave: None, running: None };
    run(&mut Collector::default(), ground, dry_run).await
}

/// One round of a running registry; rounds exclude each other.
pub(crate) async fn run_beside(shared: &Shared, dry_run: bool) -> Result<Removed, Error> {
    let mut collector = shared.collector.lock().await;
    let is_closing = || shared.is_closing();
    let running = Running {
        laid_down: shared.state.load().laid_down,
        sessions: &shared.sessions,
        uploads: &shared.uploads,
        places: &shared.places,
        is_closing: &is_closing,
    };
    let ground = Ground {
        db: &*shared.db,
        objects: &shared.objects,
        clock: &*shared.clock,
        retention: shared.config.retention,
        leave: shared.config.leave.as_deref(),
        running: Some(running),
    };
    run(&mut collector, ground, dry_run).await
}

/// A round every [`GARBAGE_INTERVAL`], until the registry closes. The first one waits too: a start is quick.
pub(crate) async fn on_schedule(shared: Arc<Shared>) {
    loop {
        let closing = shared.garbage_closed.notified();
        if shared.is_closing() {
            return;
        }
        tokio::select! {
            biased;
            () = closing => return,
            () = shared.clock.sleep(GARBAGE_INTERVAL) => {}
        }
        if let Some(bytes) = shared.db.file_bytes() {
            metrics::gauge!("wargate_ledger_bytes").set(bytes as f64);
        }
        if let Err(error) = run_beside(&shared, false).await {
            tracing::warn!(%error, "couldn't remove garbage; trying again later");
            metrics::counter!("wargate_gc_failures_total").increment(1);
        }
    }
}
