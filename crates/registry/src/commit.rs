//! One commit: what a batch needs is fetched, the core decides, the registry signs, and one transaction writes it.
//!
//! The transaction in [`Step::take`] is *the* commit point; when its outcome is not a clear success, the caller drops
//! what it holds in memory and reloads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wargate_core::authority;
use wargate_core::checkpoint::{Checkpoint, SignedCheckpoint};
use wargate_core::digest::Digest;
use wargate_core::envelope::Envelope;
use wargate_core::id::{LogId, RecordId, entry};
use wargate_core::map::page::PageRef;
use wargate_core::map::segment;
use wargate_core::plan::{
    self, Accepted, Contents, Draft, Facts, LogFacts, OwnKeys, Submission, Tree, Verdict,
};

use crate::clock::Clock;
use crate::config::Config;
use crate::custody;
use crate::db::{Batch, Db, DbError};
use crate::error::Error;
use crate::facts::{self, LogNumbers};
use crate::hashes::Hashes;
use crate::state::{Committed, Staged, StagedRecord, State};
use crate::state_cache::StateCache;
use crate::tables::{checkpoints, logs, pending, records};

/// One commit on top of a tree.
pub(crate) struct Step<'a> {
    pub(crate) config: &'a Config,
    pub(crate) db: &'a Arc<dyn Db>,
    pub(crate) states: &'a StateCache,
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
    /// The map's pages that no later state has.
    pub(crate) replaced_pages: Vec<PageRef>,
    /// The logs that it wrote to, and the states of those that are delegated.
    pub(crate) logs: BTreeMap<LogId, Option<authority::State>>,
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
        let (mut draft, numbers) = self.decide(base, submissions).await?;
        self.recognize_committed(&mut draft.verdicts, origins).await?;
        let mut batch = self.verdict_rows(submissions, &draft.verdicts, origins);
        if !submissions.is_empty() && draft.records.is_empty() {
            // Judged on this tree: if another one is committed by now, the refusals may be wrong.
            batch.extend(self.previous.map(checkpoints::stays));
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
            Err(error) => Err(error.into()),
        }
    }

    /// The draft of the batch, and the numbers of the logs that had begun before. First records of v1 logs that lack no
    /// more than the registry's word get it: then the batch is judged once more, with that before them.
    async fn decide(
        &self,
        base: Option<(&Hashes, &State)>,
        submissions: &[Submission],
    ) -> Result<(Draft, LogNumbers), Error> {
        let now = self.clock.now();
        let own = OwnKeys {
            commit: self.config.commit_key.public().id(),
            former: self.config.former_commit_keys.iter().map(|key| key.public().id()).collect(),
            publishing: custody::admitter(self.config).map(|key| key.public().id()),
        };
        let decide = async |batch: &[Submission]| {
            let (facts, numbers) = self.facts(base, batch).await?;
            let draft = plan::decide(self.tree, facts, batch, &own, now)
                .map_err(|error| Error::internal("decide a batch", error))?;
            Ok::<_, Error>((draft, numbers))
        };
        let decided = decide(submissions).await?;
        if decided.0.unadmitted.is_empty() {
            return Ok(decided);
        }
        let mut batch = Vec::with_capacity(submissions.len() + decided.0.unadmitted.len());
        // Which verdicts somebody waits for.
        let mut places = Vec::with_capacity(submissions.len());
        for (place, submission) in submissions.iter().enumerate() {
            if decided.0.unadmitted.contains(&place) {
                batch.extend(custody::admission(self.config, self.tree, now, submission)?);
            }
            places.push(batch.len());
            batch.push(submission.clone());
        }
        let (mut draft, numbers) = decide(&batch).await?;
        let verdicts = std::mem::take(&mut draft.verdicts);
        let waited_for =
            verdicts.into_iter().enumerate().filter(|(place, _)| places.binary_search(place).is_ok());
        draft.verdicts = waited_for.map(|(_, verdict)| verdict).collect();
        Ok((draft, numbers))
    }

    /// Everything that the batch must be judged by, and the numbers of the logs that have begun.
    async fn facts(
        &self,
        base: Option<(&Hashes, &State)>,
        submissions: &[Submission],
    ) -> Result<(Facts, LogNumbers), Error> {
        let (mut facts, numbers) = facts::fetch(&**self.db, self.states, &plan::needs(submissions)).await?;
        if let Some((hashes, state)) = base
            && !submissions.is_empty()
        {
            // The logs above are read, not written.
            let written: BTreeSet<LogId> = submissions.iter().map(|one| one.log().log_id()).collect();
            let keys: Vec<Digest> = written.iter().map(LogId::map_key).collect();
            facts.pages = hashes.pages(state, self.tree.map_root, &keys).await?;
            // What is written is kept once it is committed.
            for (log, known) in facts.logs.iter().filter(|(log, _)| !written.contains(log)) {
                if let LogFacts::Delegated { state, .. } = known {
                    self.states.keep(log, state);
                }
            }
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
            let private = accepted.private;
            batch.push(records::insert(accepted.index, log, &accepted.record, envelope.clone(), private));
            batch.extend(logs::follow(log, accepted));
            let name = accepted.first.then(|| accepted.log.clone());
            let entry = entry(&accepted.log_id, &accepted.record);
            staged_records.push(Arc::new(StagedRecord::new(entry, name, envelope, private)));
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
        let segment = (!draft.records.is_empty()).then(|| bytes::Bytes::from(segment::encode(&draft.pages)));
        let digest = segment.as_ref().map(|segment| Digest::of(segment));
        let delegated = draft.tree.delegated_time;
        batch.extend(checkpoints::swap(self.previous, &signed, delegated, digest.as_ref()));
        batch.push(checkpoints::delete_staged(self.laid_down));
        let size = signed.checkpoint.size;
        let mut tree = draft.tree.clone();
        tree.time = signed.checkpoint.time;
        let staged = segment.map(|segment| {
            let base = self.tree.edge.size();
            batch.push(checkpoints::insert_staged(base, size, segment.clone()));
            Arc::new(Staged {
                size,
                records: staged_records,
                tiles: draft.tiles.iter().map(|(id, tile)| (*id, tile.as_slice().into())).collect(),
                pages: draft.pages.iter().map(|(id, page)| (*id, Arc::new(page.clone()))).collect(),
                segment,
            })
        });
        let committed = Committed::new(signed, &self.config.origin, key.public())?;
        let logs =
            draft.records.iter().map(|accepted| (accepted.log_id, accepted.state().cloned())).collect();
        let replaced_pages = draft.replaced_pages.clone();
        Ok(Done { committed, tree, staged, replaced_pages, logs })
    }

    fn sign(&self, accepted: &Accepted) -> Result<Envelope, Error> {
        match &accepted.contents {
            Contents::Signed(envelope) => Ok(envelope.clone()),
            Contents::ToSign { contents, signer } => {
                let keys = std::iter::once(&self.config.commit_key).chain(&self.config.former_commit_keys);
                let key = keys.into_iter().find(|key| key.public().id() == *signer);
                let key =
                    key.ok_or_else(|| Error::internal("sign a record", format!("no key {signer} is here")))?;
                Envelope::sign(accepted.log.layer(), contents.clone(), key)
                    .map_err(|error| Error::internal("sign a record", error))
            }
        }
    }
}
