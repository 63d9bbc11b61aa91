//! The one owner of the log's order: gathers what waits, decides, commits in one transaction, goes on.
//!
//! It is clocked by its own commits: idle, it takes a record at once; while a commit runs, the next batch
//! gathers. There is no timer between acceptance and commit. The transaction in [`Sequencer::commit`] is *the*
//! commit point; when its outcome is not a clear success, everything held in memory is dropped and reloaded.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use wargate_core::checkpoint::{Checkpoint, SignedCheckpoint};
use wargate_core::digest::Digest;
use wargate_core::envelope::Envelope;
use wargate_core::id::{LogId, RecordId, entry};
use wargate_core::map::segment;
use wargate_core::plan::{self, Accepted, Contents, Draft, Facts, Submission, Tree, Verdict};

use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Batch, Db, DbError};
use crate::error::Error;
use crate::facts::{self, LogNumbers};
use crate::hashes::Hashes;
use crate::in_flight::VerdictSender;
use crate::limits::{
    BATCH_RECORDS_MAX, CHECKPOINT_AGE_MAX, GATHER_TURNS_MAX, RELOAD_DELAY_MAX, RELOAD_DELAY_MIN,
    STAGED_BUNDLES_MAX,
};
use crate::recovery;
use crate::shared::Shared;
use crate::state::{Committed, Staged, StagedRecord, State};
use crate::tables::{checkpoints, logs, pending, records};

/// A record on its way to its verdict.
pub(crate) struct Queued {
    /// Its number in order of arrival, also in `pending` if it has a row there.
    pub(crate) seq: u64,
    pub(crate) log: LogId,
    pub(crate) record: RecordId,
    pub(crate) submission: Submission,
    /// Who waits for the verdict, if anybody still does.
    pub(crate) ticket: Option<VerdictSender>,
}

pub(crate) struct Sequencer {
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Queued>,
    /// Pending records that were found in the ledger at a reload, in order.
    backlog: VecDeque<Queued>,
    /// Their sequence numbers: the queue may bring the same ones again.
    recovered: HashSet<u64>,
}

impl Sequencer {
    pub(crate) fn new(shared: Arc<Shared>, queue: mpsc::Receiver<Queued>, backlog: Vec<Queued>) -> Self {
        let mut sequencer = Self { shared, queue, backlog: VecDeque::new(), recovered: HashSet::new() };
        sequencer.take_up(backlog);
        sequencer
    }

    fn take_up(&mut self, backlog: Vec<Queued>) {
        self.recovered.extend(backlog.iter().map(|queued| queued.seq));
        self.backlog = backlog.into();
    }

    /// Works until the registry closes and nothing waits any more.
    pub(crate) async fn run(mut self) {
        while let Some(batch) = self.next_batch().await {
            self.wait_for_room().await;
            let taken = batch.len();
            if let Err(error) = commit(&self.shared, batch).await {
                tracing::error!(%error, "couldn't commit a batch; reloading from the ledger");
                if !self.reload().await {
                    return;
                }
            } else {
                self.shared.waiting.fetch_sub(taken, Ordering::Relaxed);
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
                if !self.recovered.remove(&queued.seq) {
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
                    Some(queued) if self.recovered.remove(&queued.seq) => {}
                    Some(queued) => return Wake::Work(Box::new(queued)),
                    None => return Wake::Closed,
                },
                () = self.shared.closed.notified() => {}
                () = clock.sleep(age) => return Wake::Age,
            }
        }
    }

    fn until_checkpoint_is_old(&self) -> Duration {
        let signed_ms = self.shared.state.load().committed.signed.checkpoint.time.saturating_mul(1000);
        let age = self.shared.clock.now_ms().saturating_sub(signed_ms);
        // Never zero: a clock that jumps must not make a loop of it.
        CHECKPOINT_AGE_MAX.saturating_sub(Duration::from_millis(age)).max(Duration::from_secs(1))
    }

    /// Waits while too many commits are not laid down yet.
    async fn wait_for_room(&self) {
        loop {
            let laid_down = self.shared.laid_down.notified();
            if self.shared.state.load().staged.len() < STAGED_BUNDLES_MAX {
                return;
            }
            laid_down.await;
        }
    }

    /// Drops what is held in memory and loads what is committed, until that succeeds; false on closing.
    async fn reload(&mut self) -> bool {
        self.shared.ready.store(false, Ordering::Release);
        let mut delay = RELOAD_DELAY_MIN;
        loop {
            self.shared.clock.sleep(delay).await;
            while self.queue.try_recv().is_ok() {
                // Who waits sees the ticket dropped and looks into the ledger.
            }
            self.shared.in_flight.clear();
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
            delay = (delay * 2).min(RELOAD_DELAY_MAX);
        }
    }

    async fn try_reload(&mut self) -> Result<(), Error> {
        let shared = &self.shared;
        let seen = shared.state.load_full();
        let state = recovery::load(&*shared.db, &shared.objects, &shared.config.origin).await?;
        let state = state.ok_or_else(|| Error::internal("reload", "the ledger is empty"))?;
        recovery::check_extends(&shared.hashes, &state, &seen.committed.signed.checkpoint).await?;
        let backlog = recovery::backlog(&*shared.db).await?;
        shared.logs.begin_anew(|| shared.state.store(Arc::new(state)));
        shared.waiting.store(backlog.len(), Ordering::Relaxed);
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

/// Judges a batch and commits it; an empty batch signs the present state anew.
async fn commit(shared: &Shared, batch: Vec<Queued>) -> Result<(), Error> {
    let state = shared.state.load_full();
    let previous = &state.committed.signed.checkpoint;
    let mut tickets = Vec::with_capacity(batch.len());
    let mut origins = Vec::with_capacity(batch.len());
    let mut submissions = Vec::with_capacity(batch.len());
    for queued in batch {
        tickets.push(queued.ticket);
        origins.push((queued.log, queued.record));
        submissions.push(queued.submission);
    }
    let step = Step {
        config: &shared.config,
        db: &shared.db,
        clock: &shared.clock,
        previous: Some(previous),
        tree: &state.tree,
        laid_down: state.laid_down,
    };
    let committed = step.take(Some((&shared.hashes, &state)), &submissions, &origins).await?;
    if let Some(done) = committed.done {
        shared.hashes.keep_pages(done.staged.iter().flat_map(|staged| staged.pages.iter()));
        shared.logs.follow(origins.iter().map(|(log, _)| log), || {
            shared.state.rcu(|now| now.with(done.committed.clone(), done.tree.clone(), done.staged.clone()));
        });
        shared.committed.notify_one();
    }
    for ((ticket, verdict), (log, record)) in tickets.into_iter().zip(committed.verdicts).zip(&origins) {
        if let Some(ticket) = ticket {
            // Nobody may be waiting any more.
            let _ = ticket.send(Some(verdict));
            shared.in_flight.end(log, record);
        }
    }
    Ok(())
}

/// One commit on top of a tree.
pub(crate) struct Step<'a> {
    pub(crate) config: &'a Config,
    pub(crate) db: &'a Arc<dyn Db>,
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) previous: Option<&'a Checkpoint>,
    pub(crate) tree: &'a Tree,
    /// Staged bundles up to this tree size are laid down and can be dropped in the same transaction.
    pub(crate) laid_down: u64,
}

/// What a commit made.
pub(crate) struct Done {
    pub(crate) committed: Committed,
    pub(crate) tree: Tree,
    pub(crate) staged: Option<Arc<Staged>>,
}

pub(crate) struct Outcome {
    pub(crate) verdicts: Vec<Verdict>,
    /// `None` if nothing was accepted.
    pub(crate) done: Option<Done>,
}

impl Step<'_> {
    /// needs, facts, decide, sign, commit. `origins` are the rows of `pending` that the submissions came from.
    pub(crate) async fn take(
        &self,
        base: Option<(&Hashes, &State)>,
        submissions: &[Submission],
        origins: &[(LogId, RecordId)],
    ) -> Result<Outcome, Error> {
        let (facts, numbers) = self.facts(base, submissions).await?;
        let now = self.clock.now();
        let key = self.config.commit_key.public().id();
        let mut draft = plan::decide(self.tree, facts, submissions, &key, now)
            .map_err(|error| Error::internal("decide a batch", error))?;
        self.recognize_committed(&mut draft.verdicts, origins).await?;
        let mut batch = self.verdict_rows(submissions, &draft.verdicts, origins);
        if !submissions.is_empty() && draft.records.is_empty() {
            self.db.write(batch).await?;
            return Ok(Outcome { verdicts: draft.verdicts, done: None });
        }
        let done = self.draft_rows(&draft, numbers, &mut batch)?;
        match self.db.write(batch).await {
            Ok(()) => {
                metrics::counter!("wargate_records_committed_total").increment(draft.records.len() as u64);
                Ok(Outcome { verdicts: draft.verdicts, done: Some(done) })
            }
            Err(error @ DbError::Conflict { .. }) => Err(Error::internal("swap the checkpoint", error)),
            Err(error) => Err(Error::internal("commit", error)),
        }
    }

    /// Everything that the batch must be judged by, and the numbers of the logs that have begun.
    async fn facts(
        &self,
        base: Option<(&Hashes, &State)>,
        submissions: &[Submission],
    ) -> Result<(Facts, LogNumbers), Error> {
        let (mut facts, numbers) = facts::fetch(&**self.db, &plan::needs(submissions)).await?;
        if let Some((hashes, state)) = base
            && !submissions.is_empty()
        {
            // The logs above are read, not written.
            let written: BTreeSet<LogId> = submissions.iter().map(|one| one.log().log_id()).collect();
            let keys: Vec<Digest> = written.iter().map(LogId::map_key).collect();
            facts.pages = hashes.pages(state, self.tree.map_root, &keys).await?;
        }
        Ok((facts, numbers))
    }

    /// A record that is handed in again at the moment of its commit is refused as its own successor: its verdict is
    /// the one that it has.
    async fn recognize_committed(
        &self,
        verdicts: &mut [Verdict],
        origins: &[(LogId, RecordId)],
    ) -> Result<(), Error> {
        let refused = |verdict: &Verdict| matches!(verdict, Verdict::Refused { .. });
        let again: Vec<_> =
            verdicts.iter_mut().zip(origins).filter(|(verdict, _)| refused(verdict)).collect();
        if again.is_empty() {
            return Ok(());
        }
        let statements = again.iter().map(|(_, (log, record))| records::select_index(log, record)).collect();
        for ((verdict, (_, record)), rows) in again.into_iter().zip(self.db.read(statements).await?) {
            if let Some(index) = records::index(rows)? {
                *verdict = Verdict::Accepted { index, record: *record };
            }
        }
        Ok(())
    }

    /// Verdicts end the pending rows; a refusal is kept for the client that polls. Acts have neither.
    fn verdict_rows(
        &self,
        submissions: &[Submission],
        verdicts: &[Verdict],
        origins: &[(LogId, RecordId)],
    ) -> Batch {
        let mut batch = Batch::new();
        for ((submission, verdict), (log, record)) in submissions.iter().zip(verdicts).zip(origins) {
            if let Verdict::Refused { reason } = verdict {
                tracing::info!(log = %submission.log(), reason, "refused a record");
            }
            if matches!(submission, Submission::Act { .. }) {
                continue;
            }
            batch.push(pending::delete(log, record));
            if let Verdict::Refused { reason } = verdict {
                batch.push(records::insert_refusal(log, record, reason, self.clock.now_ms()));
            }
        }
        batch
    }

    /// Signs the draft and writes it out as rows.
    fn draft_rows(&self, draft: &Draft, mut numbers: LogNumbers, batch: &mut Batch) -> Result<Done, Error> {
        let mut staged_records = Vec::with_capacity(draft.records.len());
        for accepted in &draft.records {
            let envelope = self.sign(accepted)?;
            let envelope: bytes::Bytes = envelope.encode().into();
            let log = *numbers.entry(accepted.log_id).or_insert(accepted.index);
            batch.push(records::insert(accepted.index, log, &accepted.record, envelope.clone()));
            batch.extend(logs::follow(log, accepted));
            staged_records.push(Arc::new(StagedRecord {
                entry: entry(&accepted.log_id, &accepted.record),
                name: accepted.first.then(|| accepted.log.clone()),
                envelope,
            }));
        }
        let checkpoint = match (&draft.checkpoint, self.previous) {
            (Some(checkpoint), _) => checkpoint.clone(),
            (None, Some(previous)) => Checkpoint {
                time: previous.time.max(u64::try_from(self.clock.now().seconds()).unwrap_or(0)),
                ..previous.clone()
            },
            (None, None) => return Err(Error::internal("begin the log", "the first record was refused")),
        };
        let key = &self.config.commit_key;
        let signed = SignedCheckpoint::sign(checkpoint, &self.config.origin, key)
            .map_err(|error| Error::internal("sign a checkpoint", error))?;
        batch.extend(checkpoints::swap(self.previous, &signed, draft.tree.delegated_time));
        batch.push(checkpoints::delete_staged(self.laid_down));
        let size = signed.checkpoint.size;
        let mut tree = draft.tree.clone();
        tree.time = signed.checkpoint.time;
        let staged = if draft.records.is_empty() {
            None
        } else {
            let segment: bytes::Bytes = segment::encode(&draft.pages).into();
            let base = self.tree.edge.size();
            batch.push(checkpoints::insert_staged(base, size, segment.clone()));
            Some(Arc::new(Staged {
                size,
                records: staged_records,
                tiles: draft.tiles.iter().map(|(id, tile)| (*id, tile.as_slice().into())).collect(),
                pages: draft.pages.iter().map(|(id, page)| (*id, Arc::new(page.clone()))).collect(),
                segment,
            }))
        };
        let committed = Committed::new(signed, &self.config.origin, key.public())?;
        Ok(Done { committed, tree, staged })
    }

    fn sign(&self, accepted: &Accepted) -> Result<Envelope, Error> {
        match &accepted.contents {
            Contents::Signed(envelope) => Ok(envelope.clone()),
            Contents::ToSign(contents) => {
                Envelope::sign(accepted.log.layer(), contents.clone(), &self.config.commit_key)
                    .map_err(|error| Error::internal("sign a record", error))
            }
        }
    }
}
