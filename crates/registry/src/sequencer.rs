//! The one owner of the log's order: gathers what waits, decides, commits in one transaction, goes on.
//!
//! It is clocked by its own commits: idle, it takes a record at once; while a commit runs, the next batch
//! gathers. There is no timer between acceptance and commit. The transaction in [`Sequencer::commit`] is *the*
//! commit point; when its outcome is not a clear success, everything held in memory is dropped and reloaded.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use wargate_core::id::{LogId, RecordId};
use wargate_core::plan::Submission;

use crate::commit::Step;
use crate::commit_key;
use crate::error::Error;
use crate::in_flight::VerdictSender;
use crate::limits::{
    BATCH_RECORDS_MAX, CHECKPOINT_AGE_MAX, GATHER_TURNS_MAX, RELOAD_DELAY_MAX, RELOAD_DELAY_MIN,
    STAGED_BUNDLES_MAX,
};
use crate::recovery;
use crate::shared::{Shared, Waits};

/// A record on its way to its verdict.
pub(crate) struct Queued {
    /// Its number in order of arrival, also in `pending` if it has a row there.
    pub(crate) seq: u64,
    pub(crate) log: LogId,
    pub(crate) record: RecordId,
    pub(crate) submission: Submission,
    /// Who waits for the verdict, if anybody still does.
    pub(crate) ticket: Option<VerdictSender>,
    /// It is counted among those that wait.
    pub(crate) waits: Option<Waits>,
}

pub(crate) struct Sequencer {
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Queued>,
    /// Pending records that were found in the ledger at a reload, in order.
    backlog: VecDeque<Queued>,
    /// Which ones: the queue may bring the same ones again. Their numbers alone would not do: another registry on the
    /// same ledger gives its own.
    recovered: HashSet<(u64, LogId, RecordId)>,
    /// How long it waits before it reloads; longer each time until a commit succeeds.
    delay: Duration,
}

impl Sequencer {
    pub(crate) fn new(shared: Arc<Shared>, queue: mpsc::Receiver<Queued>, backlog: Vec<Queued>) -> Self {
        let mut sequencer = Self {
            shared,
            queue,
            backlog: VecDeque::new(),
            recovered: HashSet::new(),
            delay: RELOAD_DELAY_MIN,
        };
        sequencer.take_up(backlog);
        sequencer
    }

    fn take_up(&mut self, mut backlog: Vec<Queued>) {
        for queued in &mut backlog {
            queued.waits = Some(self.shared.wait());
        }
        self.recovered.extend(backlog.iter().map(|queued| (queued.seq, queued.log, queued.record)));
        self.backlog = backlog.into();
    }

    /// Whether the backlog brought it already. Who waits for it looks into the ledger.
    fn was_recovered(&mut self, queued: &Queued) -> bool {
        let recovered = self.recovered.remove(&(queued.seq, queued.log, queued.record));
        if recovered {
            self.shared.in_flight.end(&queued.log, &queued.record);
        }
        recovered
    }

    /// Works until the registry closes and nothing waits any more, or what waits cannot be committed: then it is
    /// pending, or was never promised.
    pub(crate) async fn run(mut self) {
        // After a long rest nobody shall have to ask twice for a fresh word.
        let mut first = self.until_checkpoint_is_old().is_zero().then(Vec::new);
        while let Some(batch) = match first.take() {
            Some(nothing) => Some(nothing),
            None => self.next_batch().await,
        } {
            if !self.wait_for_room().await {
                tracing::warn!("closing with records that wait: the objects take no commits");
                return;
            }
            if let Err(error) = commit(&self.shared, batch).await {
                tracing::error!(%error, "couldn't commit a batch; reloading from the ledger");
                if self.shared.is_closing() || !self.reload().await {
                    return;
                }
            } else {
                self.delay = RELOAD_DELAY_MIN;
            }
        }
    }

    /// The next batch; an empty one when the checkpoint has grown old; `None` when all is done and closed.
    async fn next_batch(&mut self) -> Option<Vec<Queued>> {
        let mut batch: Vec<Queued> = Vec::new();
        let from_backlog = self.backlog.len().min(BATCH_RECORDS_MAX);
        batch.extend(self.backlog.drain(..from_backlog));
        if batch.is_empty() {
            match self.wait_for_one().await {
                Wake::Work(queued) => batch.push(*queued),
                Wake::Age => return Some(Vec::new()),
                Wake::Closed => return None,
            }
        }
        self.gather(&mut batch).await;
        Some(batch)
    }

    /// Adds what waits, and what is being taken in at this moment: those requests are here already, and a commit that
    /// they share costs less than one more. Bounded by turns, not by time; alone, a record goes at once.
    async fn gather(&mut self, batch: &mut Vec<Queued>) {
        for turn in 0..GATHER_TURNS_MAX {
            if turn > 0 {
                tokio::task::yield_now().await;
            }
            while batch.len() < BATCH_RECORDS_MAX
                && let Ok(queued) = self.queue.try_recv()
            {
                if !self.was_recovered(&queued) {
                    batch.push(queued);
                }
            }
            if batch.len() == BATCH_RECORDS_MAX || self.shared.arriving.load(Ordering::Relaxed) == 0 {
                return;
            }
        }
    }

    async fn wait_for_one(&mut self) -> Wake {
        loop {
            let age = self.until_checkpoint_is_old();
            let clock = self.shared.clock.clone();
            if self.shared.is_closing() && self.queue.is_empty() {
                return Wake::Closed;
            }
            tokio::select! {
                biased;
                queued = self.queue.recv() => match queued {
                    Some(queued) if self.was_recovered(&queued) => {}
                    Some(queued) => return Wake::Work(Box::new(queued)),
                    None => return Wake::Closed,
                },
                () = self.shared.closed.notified() => {}
                // Never zero: a clock that jumps must not make a loop of it.
                () = clock.sleep(age.max(Duration::from_secs(1))) => return Wake::Age,
            }
        }
    }

    fn until_checkpoint_is_old(&self) -> Duration {
        let signed_ms = self.shared.state.load().committed.signed.checkpoint.time.saturating_mul(1000);
        let age = self.shared.clock.now_ms().saturating_sub(signed_ms);
        CHECKPOINT_AGE_MAX.saturating_sub(Duration::from_millis(age))
    }

    /// Waits while too many commits are not laid down yet; false if the registry closes meanwhile.
    async fn wait_for_room(&self) -> bool {
        loop {
            let laid_down = self.shared.laid_down.notified();
            if self.shared.state.load().staged.len() < STAGED_BUNDLES_MAX {
                return true;
            }
            if self.shared.is_closing() {
                return false;
            }
            tokio::select! {
                biased;
                () = laid_down => {}
                () = self.shared.closed.notified() => {}
            }
        }
    }

    /// Drops what is held in memory and loads what is committed, until that succeeds; false on closing.
    async fn reload(&mut self) -> bool {
        self.shared.ready.store(false, Ordering::Release);
        loop {
            self.shared.clock.sleep(self.delay).await;
            self.delay = (self.delay * 2).min(RELOAD_DELAY_MAX);
            while self.queue.try_recv().is_ok() {
                // Who waits sees the ticket dropped and looks into the ledger.
            }
            self.shared.in_flight.clear();
            self.shared.states.clear();
            match self.try_reload().await {
                Ok(()) => {
                    self.shared.ready.store(true, Ordering::Release);
                    return true;
                }
                Err(error) => tracing::error!(%error, "couldn't reload from the ledger; trying again"),
            }
            if self.shared.is_closing() {
                return false;
            }
        }
    }

    async fn try_reload(&mut self) -> Result<(), Error> {
        let shared = &self.shared;
        let seen = shared.state.load_full();
        // Before the ledger, which then holds it, whoever else commits meanwhile.
        let issued = recovery::issued(&shared.objects).await?;
        let state = recovery::load(&*shared.db, &shared.objects, &shared.config.origin).await?;
        let state = state.ok_or_else(|| Error::internal("reload", "the ledger is empty"))?;
        recovery::check_extends(&shared.hashes, &state, &seen.committed.signed.checkpoint).await?;
        if let Some((_, issued)) = &issued {
            recovery::check_extends(&shared.hashes, &state, issued).await?;
        }
        let backlog = recovery::backlog(&*shared.db).await?;
        shared.logs.begin_anew(|| shared.state.store(Arc::new(state)));
        shared.committed.notify_one();
        self.take_up(backlog);
        Ok(())
    }
}

enum Wake {
    Work(Box<Queued>),
    Age,
    Closed,
}

/// Leaves of a batch what may be signed: once the commit key has ended, only the operator's acts, one of which may let
/// it in again. Of the others, what is pending stays so until the next start; who waits is told to come back.
fn may_be_signed(shared: &Shared, mut batch: Vec<Queued>) -> Option<Vec<Queued>> {
    if !shared.commit_end.is_over(shared.log_time()) {
        return Some(batch);
    }
    batch.retain(|queued| {
        let operators = queued.log == LogId::operator();
        if !operators {
            shared.in_flight.end(&queued.log, &queued.record);
        }
        operators
    });
    (!batch.is_empty()).then_some(batch)
}

/// Judges a batch and commits it; an empty batch signs the present state anew.
async fn commit(shared: &Shared, batch: Vec<Queued>) -> Result<(), Error> {
    let Some(batch) = may_be_signed(shared, batch) else { return Ok(()) };
    let state = shared.state.load_full();
    let previous = &state.committed.signed.checkpoint;
    if batch.is_empty() && u64::try_from(shared.clock.now().seconds()).unwrap_or(0) <= previous.time {
        // The clock went back: there is no younger time to sign yet, and this one is signed.
        return Ok(());
    }
    let mut tickets = Vec::with_capacity(batch.len());
    let mut origins = Vec::with_capacity(batch.len());
    let mut submissions = Vec::with_capacity(batch.len());
    let mut waits = Vec::with_capacity(batch.len());
    for queued in batch {
        waits.push(queued.waits);
        tickets.push(queued.ticket);
        origins.push((queued.log, queued.record));
        submissions.push(queued.submission);
    }
    let step = Step {
        config: &shared.config,
        db: &shared.db,
        states: &shared.states,
        clock: &shared.clock,
        previous: Some(previous),
        tree: &state.tree,
        laid_down: state.laid_down,
    };
    let committed = step.take(Some((&shared.hashes, &state)), &submissions, &origins).await?;
    if let Some(done) = committed.done {
        let pages = done.staged.iter().flat_map(|staged| staged.pages.iter());
        shared.hashes.follow(pages, &done.replaced_pages);
        for (log, state) in &done.logs {
            state.iter().for_each(|state| shared.states.keep(log, state));
        }
        shared.logs.follow(done.logs.keys(), || {
            shared.state.rcu(|now| now.with(done.committed.clone(), done.tree.clone(), done.staged.clone()));
        });
        shared.committed.notify_one();
        if done.logs.contains_key(&LogId::operator()) {
            commit_key::follow(shared).await;
        }
    }
    drop(waits);
    for ((ticket, verdict), (log, record)) in tickets.into_iter().zip(committed.verdicts).zip(&origins) {
        if let Some(ticket) = ticket {
            // Nobody may be waiting any more.
            let _ = ticket.send(verdict);
            shared.in_flight.end(log, record);
        }
    }
    Ok(())
}
