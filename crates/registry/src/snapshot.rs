//! The single read path: one committed checkpoint, pinned, and everything below it.
//!
//! Every door and page answers a request from one snapshot, so no answer mixes two trees.

use std::collections::BTreeSet;
use std::sync::Arc;

use semver::Version;
use wargate_core::checkpoint::Checkpoint;
use wargate_core::digest::Digest;
use wargate_core::envelope::Envelope;
use wargate_core::id::{LogId, RecordId};
use wargate_core::log::proof::LogProofBundle;
use wargate_core::map::page::PageRef;
use wargate_core::map::proof::{MapProofBundle, prove};
use wargate_core::name::{LogName, Namespace, PackageName};

use wargate_wire::oci::reference::RepositoryName;

use crate::access::{Action, Caller};
use crate::content::{self, Content};
use crate::db::{Row, Statement};
use crate::error::Error;
use crate::files::{self, StaticFile, StaticPath};
use crate::limits::{CACHED_LOG_RECORDS_MAX, PROOF_LEAVES_MAX, RECORDS_PER_REPLY_MAX};
use crate::recovery;
use crate::repository::kept_back;
use crate::shared::Shared;
use crate::state::{Committed, State};
use crate::tables::{checkpoints, garbage, logs, records, releases};
use crate::takedowns::KeptBack;

/// The registry as of one committed checkpoint.
#[derive(Clone)]
pub struct Snapshot {
    shared: Arc<Shared>,
    state: Arc<State>,
    caller: Caller,
}

/// A committed record.
#[derive(Debug, Clone)]
pub struct PublishedRecord {
    /// Its place in the log.
    pub index: u64,
    /// Its id.
    pub record: RecordId,
    /// Its bytes as they were signed.
    pub envelope: Envelope,
}

/// Records of one log.
#[derive(Debug, Clone)]
pub struct LogPage {
    /// In order.
    pub records: Vec<PublishedRecord>,
    /// Whether the log goes on after them.
    pub more: bool,
}

/// The records of a whole log below tree size `to`, after the record `after`, at most `limit`.
fn page_of(
    records: &[PublishedRecord],
    log: &LogId,
    after: Option<&RecordId>,
    to: u64,
    limit: usize,
) -> Result<LogPage, Error> {
    let below = records.partition_point(|record| record.index < to);
    let records = records.get(..below).unwrap_or_default();
    if records.is_empty() {
        return Err(Error::UnknownLog { log: *log });
    }
    let from = match after {
        None => 0,
        Some(token) => {
            let at = records.iter().position(|record| record.record == *token);
            at.ok_or(Error::UnknownFetchToken { record: *token })? + 1
        }
    };
    let records = records.get(from..).unwrap_or_default();
    let page = records.get(..limit.min(records.len())).unwrap_or_default();
    Ok(LogPage { records: page.to_vec(), more: page.len() < records.len() })
}

impl Snapshot {
    pub(crate) fn of(shared: &Arc<Shared>, caller: &Caller) -> Self {
        Self { shared: shared.clone(), state: shared.state.load_full(), caller: caller.clone() }
    }

    /// Whether nothing is hidden from whoever reads.
    fn sees_all(&self) -> bool {
        self.caller.may_all(&self.shared.rules(), Action::Pull)
    }

    /// Whether whoever reads may see this package.
    pub(crate) fn sees(&self, name: &PackageName) -> bool {
        self.check(name).is_ok()
    }

    /// Whether a list names it to whoever reads.
    pub(crate) fn lists(&self, name: &PackageName) -> bool {
        self.caller.may_list(&self.shared.rules(), RepositoryName::from(name).as_str())
    }

    /// The same where a refusal is answered.
    pub(crate) fn check(&self, name: &PackageName) -> Result<(), Error> {
        self.check_repository(&name.into())
    }

    /// The same of a repository, or of a namespace by its name.
    pub(crate) fn check_repository(&self, name: &RepositoryName) -> Result<(), Error> {
        self.caller.check(&self.shared.rules(), Action::Pull, name)
    }

    /// A log tells no name before somebody looks it up; those of the layers above are everybody's.
    async fn check_log(&self, log: &LogId) -> Result<(), Error> {
        if self.sees_all() {
            return Ok(());
        }
        match self.log_name(log).await? {
            Some(LogName::Package(name)) => self.check(&name).map_err(|error| match error {
                Error::UnknownRepository { .. } => Error::UnknownLog { log: *log },
                error => error,
            }),
            _ => Ok(()),
        }
    }

    /// Asks the ledger.
    pub(crate) async fn read(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, Error> {
        Ok(self.shared.db.read(statements).await?)
    }

    /// The registry that a namespace is imported from, if it is.
    pub(crate) fn imported(&self, namespace: &Namespace) -> Option<String> {
        self.shared.imported(namespace)
    }

    /// The pinned checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> &Committed {
        &self.state.committed
    }

    /// Which registry this is: the id of the operator log's first record.
    #[must_use]
    pub fn root(&self) -> Option<&RecordId> {
        self.state.tree.root.as_ref()
    }

    /// The committed checkpoint of an earlier tree size, or this one.
    ///
    /// # Errors
    /// [`Error::UnknownSize`] if none of that size was ever committed.
    pub async fn checkpoint_at(&self, size: u64) -> Result<Checkpoint, Error> {
        let pinned = &self.state.committed.signed.checkpoint;
        if size == pinned.size {
            return Ok(pinned.clone());
        }
        if size > pinned.size {
            return Err(Error::UnknownSize { size });
        }
        let rows = self.shared.db.read(vec![checkpoints::select_size(size)]).await?.pop();
        let found = checkpoints::one(rows.unwrap_or_default())?;
        found.map(|signed| signed.checkpoint).ok_or(Error::UnknownSize { size })
    }

    /// The records of a log below tree size `size`, after the record `after`, at most `limit`.
    ///
    /// # Errors
    /// [`Error::UnknownLog`], [`Error::UnknownFetchToken`].
    pub async fn log_page(
        &self,
        log: &LogId,
        after: Option<&RecordId>,
        size: u64,
        limit: usize,
    ) -> Result<LogPage, Error> {
        self.check_log(log).await?;
        let to = size.min(self.state.committed.size());
        let limit = limit.clamp(1, RECORDS_PER_REPLY_MAX);
        if let Some(records) = self.shared.logs.get(log) {
            return page_of(&records, log, after, to, limit);
        }
        let read = Self::of(&self.shared, &self.caller);
        let whole = read.read_log(log, 0, read.state.committed.size(), CACHED_LOG_RECORDS_MAX + 1).await?;
        if whole.len() <= CACHED_LOG_RECORDS_MAX && !whole.is_empty() {
            let records = Arc::new(whole);
            let is_current = || self.shared.state.load().committed.size() == read.state.committed.size();
            self.shared.logs.keep(log, &records, is_current);
            return page_of(&records, log, after, to, limit);
        }
        self.long_log_page(log, after, to, limit).await
    }

    /// A page of a log that is too long to be kept in memory.
    async fn long_log_page(
        &self,
        log: &LogId,
        after: Option<&RecordId>,
        to: u64,
        limit: usize,
    ) -> Result<LogPage, Error> {
        let from = match after {
            None => 0,
            Some(record) => {
                let rows = self.shared.db.read(vec![records::select_index(log, record)]).await?.pop();
                records::index(rows.unwrap_or_default())?
                    .map(|index| index + 1)
                    .ok_or(Error::UnknownFetchToken { record: *record })?
            }
        };
        let mut records = self.read_log(log, from, to, limit + 1).await?;
        if records.is_empty() && from == 0 {
            return Err(Error::UnknownLog { log: *log });
        }
        let more = records.len() > limit;
        records.truncate(limit);
        Ok(LogPage { records, more })
    }

    async fn read_log(
        &self,
        log: &LogId,
        from: u64,
        to: u64,
        limit: usize,
    ) -> Result<Vec<PublishedRecord>, Error> {
        let rows = self.shared.db.read(vec![records::select_log(log, from, to, limit)]).await?.pop();
        let published = |row: records::RecordRow| PublishedRecord {
            index: row.index,
            record: row.record,
            envelope: row.envelope,
        };
        Ok(records::rows(rows.unwrap_or_default())?.into_iter().map(published).collect())
    }

    /// The name of a log, if it has begun and may be known.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub async fn name(&self, log: &LogId) -> Result<Option<LogName>, Error> {
        let name = self.log_name(log).await?;
        Ok(name.filter(|name| !matches!(name, LogName::Package(name) if !self.sees(name))))
    }

    async fn log_name(&self, log: &LogId) -> Result<Option<LogName>, Error> {
        let rows = self.shared.db.read(vec![logs::select(log)]).await?.pop().unwrap_or_default();
        Ok(logs::one(rows)?.filter(|row| row.first_index < self.state.committed.size()).map(|row| row.name))
    }

    /// The ids of the records `from..to`.
    ///
    /// # Errors
    /// [`Error::UnknownLeaf`] if they are not all below this tree size.
    pub async fn ids(&self, from: u64, to: u64) -> Result<Vec<(LogId, RecordId)>, Error> {
        if to > self.state.committed.size() {
            return Err(Error::UnknownLeaf { index: to - 1 });
        }
        records::ids(
            self.shared.db.read(vec![records::select_ids(from, to)]).await?.pop().unwrap_or_default(),
        )
    }

    /// Proves that the log of size `to` begins with the log of size `from`.
    ///
    /// # Errors
    /// [`Error::UnknownSize`], [`Error::Invalid`] if `from` is larger than `to`.
    pub async fn prove_consistency(&self, from: u64, to: u64) -> Result<LogProofBundle, Error> {
        if to == 0 || to > self.state.committed.size() {
            return Err(Error::UnknownSize { size: to });
        }
        if from == 0 || from > to {
            return Err(Error::UnknownSize { size: from });
        }
        self.log_proof(to, vec![from], Vec::new()).await
    }

    /// Proves that the log of size `size` holds the records at `indices`, and that the map of that size holds
    /// the latest record of each of their logs.
    ///
    /// # Errors
    /// [`Error::UnknownSize`], [`Error::UnknownLeaf`], [`Error::NoLongerKept`].
    pub async fn prove_inclusion(
        &self,
        size: u64,
        indices: &[u64],
    ) -> Result<(LogProofBundle, MapProofBundle), Error> {
        if indices.is_empty() || indices.len() > PROOF_LEAVES_MAX {
            return Err(Error::Invalid {
                reason: format!("a proof is of 1 to {PROOF_LEAVES_MAX} records, not {}", indices.len()),
            });
        }
        let checkpoint = self.checkpoint_at(size).await?;
        if let Some(index) = indices.iter().find(|index| **index >= size) {
            return Err(Error::UnknownLeaf { index: *index });
        }
        let log = self.log_proof(size, Vec::new(), indices.to_vec()).await?;
        let logs = recovery::logs_at(&*self.shared.db, indices).await?;
        let mut keys = Vec::with_capacity(indices.len());
        for (log, index) in logs.into_iter().zip(indices) {
            keys.push(log.ok_or(Error::UnknownLeaf { index: *index })?.map_key());
        }
        let map = self.map_proof(&checkpoint, &keys).await?;
        Ok((log, map))
    }

    /// Proves what the map of an earlier checkpoint, or of this one, holds for these logs: presence or absence.
    ///
    /// # Errors
    /// [`Error::UnknownSize`], [`Error::NoLongerKept`].
    pub async fn prove_map(&self, size: u64, logs: &[LogId]) -> Result<MapProofBundle, Error> {
        let checkpoint = self.checkpoint_at(size).await?;
        let keys: Vec<Digest> = logs.iter().map(LogId::map_key).collect();
        self.map_proof(&checkpoint, &keys).await
    }

    async fn log_proof(
        &self,
        size: u64,
        consistent: Vec<u64>,
        included: Vec<u64>,
    ) -> Result<LogProofBundle, Error> {
        let failed = |error| Error::internal("make a log proof", error);
        let nodes: BTreeSet<_> =
            LogProofBundle::nodes_needed(size, &consistent, &included).map_err(failed)?;
        let hashes = self.shared.hashes.nodes(&self.state, &nodes).await?;
        LogProofBundle::build(size, consistent, included, |node| hashes.get(&node).copied()).map_err(failed)
    }

    async fn map_proof(&self, checkpoint: &Checkpoint, keys: &[Digest]) -> Result<MapProofBundle, Error> {
        let root = Some(PageRef { hash: checkpoint.map_root, segment: checkpoint.size });
        let pages = match self.shared.hashes.pages(&self.state, root, keys).await {
            Ok(pages) => pages,
            // Asked afterwards: the mark is moved before the first page goes.
            Err(_) if self.is_swept(checkpoint.size).await? => {
                return Err(Error::NoLongerKept { size: checkpoint.size });
            }
            Err(error) => return Err(error),
        };
        let proofs = keys.iter().map(|key| prove(root, &pages, key)).collect::<Result<Vec<_>, _>>();
        Ok(MapProofBundle { proofs: proofs.map_err(|error| Error::internal("make a map proof", error))? })
    }

    /// Whether the map of this tree size may lack pages.
    async fn is_swept(&self, size: u64) -> Result<bool, Error> {
        let rows = self.shared.db.read(vec![garbage::select_swept(garbage::MAP)]).await?.pop();
        Ok(size < garbage::number(rows.unwrap_or_default())?)
    }

    /// Finds content by digest: here and elsewhere. By a digest alone it is seen by those who see a package that released
    /// it, and given while a release of it that they see is not kept back.
    ///
    /// # Errors
    /// [`Error::UnknownContent`], [`Error::TakenDown`].
    pub async fn content(&self, digest: &Digest) -> Result<Content, Error> {
        let sees_all = self.sees_all();
        if !sees_all || !self.state.tree.takedowns.is_empty() {
            let rows = self.read(vec![releases::select_names(digest)]).await?.pop().unwrap_or_default();
            let mut seen = releases::names(rows)?;
            seen.retain(|(name, _)| self.sees(name));
            if !sees_all && seen.is_empty() {
                return Err(Error::UnknownContent { digest: *digest });
            }
            match seen.as_slice() {
                [] => kept_back::check_unreleased(&self.shared, &self.caller, digest).await?,
                seen => self.check_any_given(seen)?,
            }
        }
        content::find(&self.shared, digest).await
    }

    /// Refuses what all of these releases have, if they are all kept back.
    fn check_any_given(&self, releases: &[(PackageName, Version)]) -> Result<(), Error> {
        let (takedowns, now) = (&self.state.tree.takedowns, self.shared.clock.now());
        let mut refused = None;
        for (name, version) in releases {
            match takedowns.of(name, version, now) {
                Some(takedown) => refused = Some(takedown.into()),
                None => return Ok(()),
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// What of a package is kept back now, if anything is.
    pub(crate) fn kept_back(&self, name: &PackageName) -> Option<KeptBack> {
        KeptBack::of(&self.state, name, self.shared.clock.now())
    }

    /// A file of the log door.
    ///
    /// # Errors
    /// [`Error::NoSuchFile`].
    pub async fn static_file(&self, path: &StaticPath) -> Result<StaticFile, Error> {
        files::read(&self.shared, path).await
    }
}
