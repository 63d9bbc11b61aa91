//! What a batch of submissions does to the registry: decided here, purely, before anything is written.
//!
//! [`needs`] says which facts the batch touches; the engine fetches exactly those. [`decide`] judges the batch
//! in sequence order on them and drafts everything that the commit will hold: verdicts, records, entries,
//! tiles, map pages and the next checkpoint's content. Signing and writing are the engine's.
//! A package is known by *facts about what a record touches*, never as a whole: the 100,000th release costs
//! what the second did. Rules: `spec/warg.md`, `spec/delegation.md`; times: `spec/transparency.md`, "Times".

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use crate::act::Endorsement;
use crate::authority::{self, Takedowns};
use crate::checkpoint::Checkpoint;
use crate::digest::Digest;
use crate::envelope::Envelope;
use crate::id::{LogId, RecordId, entry, leaf_hash};
use crate::key::KeyId;
use crate::log::tile::{Edge, TileId};
use crate::map::page::{MapError, Page, PageRef, Pages};
use crate::name::{LogName, Namespace, PackageName};
use crate::record::PackageRecord;
use crate::time::Time;
use crate::v1::package::{self, SignatureCheck};

mod judge;
mod needs;

pub use judge::{V1_TIME_FUTURE_SECONDS_MAX, V1_TIME_PAST_SECONDS_MAX};
pub use needs::{LogNeeds, needs, needs_of_act};

use judge::{Judged, Refused, judge};

/// Something handed in to become a record.
#[derive(Debug, Clone)]
pub enum Submission {
    /// A package record as a v1 client signed it.
    V1 {
        /// The package.
        name: PackageName,
        /// The signed bytes.
        envelope: Envelope,
        /// The same, decoded.
        record: PackageRecord,
        /// Whether the signature was verified already, by the key that the envelope's key id names.
        signature: SignatureCheck,
    },
    /// An act with its endorsements, which the registry is to carry.
    Act {
        /// The log it is for.
        log: LogName,
        /// The exact bytes that the endorsers signed.
        act: Bytes,
        /// Who agreed.
        endorsements: Vec<Endorsement>,
        /// Whether each endorsement was verified, by the key that its key id names.
        signatures: SignatureCheck,
    },
}

impl Submission {
    /// The log that the record is for.
    #[must_use]
    pub fn log(&self) -> LogName {
        match self {
            Self::V1 { name, .. } => LogName::Package(name.clone()),
            Self::Act { log, .. } => log.clone(),
        }
    }
}

/// What is known of one log.
#[derive(Debug, Clone)]
pub enum LogFacts {
    /// It has no record yet.
    Absent,
    /// A v1 log: its head, and the keys and versions that were needed.
    V1(package::State),
    /// A delegated log.
    Delegated {
        /// Its state.
        state: authority::State,
        /// What is known of that which was needed.
        facts: Box<authority::Facts>,
    },
}

/// What the engine fetched for a batch.
#[derive(Debug, Default)]
pub struct Facts {
    /// The logs of [`needs`]; one that is missing here is taken as absent.
    pub logs: BTreeMap<LogId, LogFacts>,
    /// The map pages on the way to each log's key.
    pub pages: Pages,
}

/// The committed tree that a batch is added to.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The log's right edge.
    pub edge: Edge,
    /// The map's root page; `None` before the first record.
    pub map_root: Option<PageRef>,
    /// Seconds of the last checkpoint; 0 before the first.
    pub time: u64,
    /// The operator log's first record: which registry this is.
    pub root: Option<RecordId>,
    /// The latest time of any delegated or carrier record.
    pub delegated_time: Time,
    /// The namespaces that are private (`spec/transparency.md`, "Ours").
    pub private: Arc<BTreeSet<Namespace>>,
    /// The namespaces of other registries, with their domains.
    pub imports: Arc<BTreeMap<Namespace, String>>,
    /// What the operator keeps back.
    pub takedowns: Arc<Takedowns>,
}

impl Tree {
    /// The tree of a registry that is about to begin.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            edge: Edge::empty(),
            map_root: None,
            time: 0,
            root: None,
            delegated_time: Time::from_seconds(0),
            private: Arc::default(),
            imports: Arc::default(),
            takedowns: Arc::default(),
        }
    }

    /// The time of a delegated record that is made when the clock says `now`: not before an earlier one, nor before
    /// an earlier checkpoint (`spec/transparency.md`, "Times"). A clock that goes back does not take it along.
    #[must_use]
    pub fn time_at(&self, now: Time) -> Time {
        let checkpoint = Time::from_seconds(i64::try_from(self.time).unwrap_or(i64::MAX));
        now.max(self.delegated_time).max(checkpoint)
    }
}

/// The verdict on one submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is the record at this index.
    Accepted {
        /// Its place in the log.
        index: u64,
        /// Its id.
        record: RecordId,
    },
    /// The rules forbid it.
    Refused {
        /// Which rule, in words for the one who sent it.
        reason: String,
    },
}

/// A record's envelope, or what its envelope is to be signed over.
#[derive(Debug, Clone)]
pub enum Contents {
    /// As its author signed it.
    Signed(Envelope),
    /// Made by the registry, which must sign it.
    ToSign {
        /// The record's bytes.
        contents: Bytes,
        /// With which of its commit keys.
        signer: KeyId,
    },
}

/// What a record changes in its log's facts.
#[derive(Debug, Clone)]
pub enum Effect {
    /// In a v1 log.
    V1(package::Changes),
    /// In a delegated log: its new state, and releases as they are after it.
    Delegated(Box<authority::Changes>),
}

/// An accepted record.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// Its place in the log.
    pub index: u64,
    /// Its log.
    pub log: LogName,
    /// Its log's id.
    pub log_id: LogId,
    /// Its id.
    pub record: RecordId,
    /// Its bytes.
    pub contents: Contents,
    /// Its time.
    pub time: Time,
    /// What it changes.
    pub effect: Effect,
    /// Whether it begins its log.
    pub first: bool,
    /// Whether it is for its namespace's people only (`spec/transparency.md`, "Ours").
    pub private: bool,
}

impl Accepted {
    /// The state of its log after it, if that is delegated.
    #[must_use]
    pub fn state(&self) -> Option<&authority::State> {
        match &self.effect {
            Effect::V1(_) => None,
            Effect::Delegated(changes) => Some(&changes.state),
        }
    }
}

/// The keys that the registry itself holds.
#[derive(Debug, Clone)]
pub struct OwnKeys {
    /// Signs what the registry carries, and checkpoints.
    pub commit: KeyId,
    /// Commit keys of before, with which logs are told of the present one whose v1 clients do not know it.
    pub former: Vec<KeyId>,
    /// May admit first keys of v1 logs, where names come into being on first use.
    pub publishing: Option<KeyId>,
}

/// Everything that one commit will hold, unsigned.
#[derive(Debug)]
pub struct Draft {
    /// One verdict for each submission, in order.
    pub verdicts: Vec<Verdict>,
    /// Places in the batch of records that lack nothing but an `Admit` which the registry may give: carried just
    /// before them, it lets them begin their logs (`spec/delegation.md`, rule 7).
    pub unadmitted: Vec<usize>,
    /// The accepted records, by index.
    pub records: Vec<Accepted>,
    /// The log's tiles that change, each with its whole content.
    pub tiles: Vec<(TileId, Vec<Digest>)>,
    /// The map's new pages, its root first.
    pub pages: Vec<(PageRef, Page)>,
    /// The map's pages in whose place they stand.
    pub replaced_pages: Vec<PageRef>,
    /// The tree after the commit.
    pub tree: Tree,
    /// The next checkpoint; `None` if no record was accepted.
    pub checkpoint: Option<Checkpoint>,
}

/// Judges a batch in sequence order and drafts its commit.
///
/// `now` is the registry's clock.
///
/// # Errors
/// [`MapError`] if a map page that the batch touches is not among the facts.
pub fn decide(
    tree: &Tree,
    mut facts: Facts,
    batch: &[Submission],
    own: &OwnKeys,
    now: Time,
) -> Result<Draft, MapError> {
    let mut next = tree.clone();
    let mut verdicts = Vec::with_capacity(batch.len());
    let mut records: Vec<Accepted> = Vec::with_capacity(batch.len());
    let mut unadmitted = Vec::new();
    for (place, submission) in batch.iter().enumerate() {
        let index = tree.edge.size() + records.len() as u64;
        let verdict = match judge(&next, &mut facts.logs, submission, index, own, now) {
            Ok(Judged { accepted, asked }) => {
                let (index, record) = (accepted[asked].index, accepted[asked].record);
                for mut accepted in accepted {
                    settle(&mut next, &mut accepted);
                    records.push(accepted);
                }
                Verdict::Accepted { index, record }
            }
            Err(refused) => {
                if matches!(refused, Refused::Unadmitted { custodial: true, .. }) {
                    unadmitted.push(place);
                }
                Verdict::Refused { reason: refused.reason() }
            }
        };
        verdicts.push(verdict);
    }
    let mut draft = Draft {
        verdicts,
        unadmitted,
        records,
        tiles: Vec::new(),
        pages: Vec::new(),
        replaced_pages: Vec::new(),
        tree: next,
        checkpoint: None,
    };
    if !draft.records.is_empty() {
        grow(tree, &facts.pages, &mut draft, now)?;
    }
    Ok(draft)
}

/// Takes an accepted record into the tree's own facts.
fn settle(tree: &mut Tree, accepted: &mut Accepted) {
    if matches!(accepted.effect, Effect::Delegated(_)) {
        tree.delegated_time = tree.delegated_time.max(accepted.time);
    }
    if accepted.index == 0 {
        tree.root = Some(accepted.record);
    }
    match (&accepted.log, &accepted.effect) {
        (LogName::Operator, Effect::Delegated(changes)) => {
            tree.imports = changes.state.imports().clone();
            if !changes.takedowns.is_empty() {
                let all = Arc::make_mut(&mut tree.takedowns);
                changes.takedowns.iter().for_each(|said| all.follow(said));
            }
        }
        (LogName::Package(name), _) => accepted.private = tree.private.contains(&name.namespace()),
        // The record that changes what follows is everybody's itself.
        (LogName::Namespace(namespace), Effect::Delegated(changes)) => {
            let private = changes.state.policy().private;
            if private != tree.private.contains(namespace) {
                let all = Arc::make_mut(&mut tree.private);
                if private {
                    all.insert(namespace.clone())
                } else {
                    all.remove(namespace)
                };
            }
        }
        _ => {}
    }
}

/// Appends the draft's records to the log and puts them into the map.
fn grow(tree: &Tree, pages: &Pages, draft: &mut Draft, now: Time) -> Result<(), MapError> {
    let leaves: Vec<Digest> =
        draft.records.iter().map(|record| leaf_hash(&entry(&record.log_id, &record.record))).collect();
    draft.tiles = draft.tree.edge.append(&leaves);
    // Only the last record of each log stands in the map.
    let latest: BTreeMap<Digest, RecordId> =
        draft.records.iter().map(|record| (record.log_id.map_key(), record.record)).collect();
    let changes: Vec<(Digest, RecordId)> = latest.into_iter().collect();
    let size = draft.tree.edge.size();
    let update = crate::map::page::update(tree.map_root, pages, &changes, size)?;
    draft.tree.map_root = Some(update.root);
    draft.tree.time = tree.time.max(u64::try_from(now.seconds()).unwrap_or(0));
    draft.pages = update.pages;
    draft.replaced_pages = update.replaced;
    draft.checkpoint = Some(Checkpoint {
        size,
        root: draft.tree.edge.root(),
        map_root: update.root.hash,
        time: draft.tree.time,
    });
    Ok(())
}
