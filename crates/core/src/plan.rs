//! What a batch of submissions does to the registry: decided here, purely, before anything is written.
//!
//! [`needs`] says which facts the batch touches; the engine fetches exactly those. [`decide`] judges the batch
//! in sequence order on them and drafts everything that the commit will hold: verdicts, records, entries,
//! tiles, map pages and the next checkpoint's content. Signing and writing are the engine's.
//! A package is known by *facts about what a record touches*, never as a whole: the 100,000th release costs
//! what the second did. Rules: `spec/warg.md`, `spec/delegation.md`; times: `spec/transparency.md`, "Times".

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::act::Endorsement;
use crate::authority;
use crate::checkpoint::Checkpoint;
use crate::digest::Digest;
use crate::envelope::Envelope;
use crate::id::{LogId, RecordId, entry, leaf_hash};
use crate::key::KeyId;
use crate::log::tile::{Edge, TileId};
use crate::map::page::{MapError, Page, PageRef, Pages};
use crate::name::{LogName, PackageName};
use crate::record::PackageRecord;
use crate::time::Time;
use crate::v1::package::{self, SignatureCheck};

mod needs;

pub use needs::{LogNeeds, needs};

/// How far a v1 record's time may lie before the registry's clock when it is sequenced, in seconds.
pub const V1_TIME_PAST_SECONDS_MAX: i64 = 10 * 60;

/// How far a v1 record's time may lie after the registry's clock when it is sequenced, in seconds.
pub const V1_TIME_FUTURE_SECONDS_MAX: i64 = 5 * 60;

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
        /// Of a package: the releases of the versions that were needed.
        releases: authority::Releases,
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
        }
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
    /// Made by the registry, which must sign it with a commit key.
    ToSign(Bytes),
}

/// What a record changes in its log's facts.
#[derive(Debug, Clone)]
pub enum Effect {
    /// In a v1 log.
    V1(package::Changes),
    /// In a delegated log: its new state, and releases as they are after it.
    Delegated(authority::Changes),
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
}

/// Everything that one commit will hold, unsigned.
#[derive(Debug)]
pub struct Draft {
    /// One verdict for each submission, in order.
    pub verdicts: Vec<Verdict>,
    /// The accepted records, by index.
    pub records: Vec<Accepted>,
    /// The log's tiles that change, each with its whole content.
    pub tiles: Vec<(TileId, Vec<Digest>)>,
    /// The map's new pages, its root first.
    pub pages: Vec<(PageRef, Page)>,
    /// The tree after the commit.
    pub tree: Tree,
    /// The next checkpoint; `None` if no record was accepted.
    pub checkpoint: Option<Checkpoint>,
}

/// Judges a batch in sequence order and drafts its commit.
///
/// `commit_key` signs what the registry carries and the checkpoint; `now` is the registry's clock.
///
/// # Errors
/// [`MapError`] if a map page that the batch touches is not among the facts.
pub fn decide(
    tree: &Tree,
    mut facts: Facts,
    batch: &[Submission],
    commit_key: &KeyId,
    now: Time,
) -> Result<Draft, MapError> {
    let mut next = tree.clone();
    let mut verdicts = Vec::with_capacity(batch.len());
    let mut records: Vec<Accepted> = Vec::with_capacity(batch.len());
    for submission in batch {
        let index = tree.edge.size() + records.len() as u64;
        let verdict = match judge(&next, &mut facts.logs, submission, index, commit_key, now) {
            Ok(accepted) => {
                let verdict = Verdict::Accepted { index, record: accepted.record };
                settle(&mut next, &accepted);
                records.push(accepted);
                verdict
            }
            Err(reason) => Verdict::Refused { reason },
        };
        verdicts.push(verdict);
    }
    let mut draft =
        Draft { verdicts, records, tiles: Vec::new(), pages: Vec::new(), tree: next, checkpoint: None };
    if !draft.records.is_empty() {
        grow(tree, &facts.pages, &mut draft, now)?;
    }
    Ok(draft)
}

/// Takes an accepted record into the tree's own facts.
fn settle(tree: &mut Tree, accepted: &Accepted) {
    if matches!(accepted.effect, Effect::Delegated(_)) {
        tree.delegated_time = tree.delegated_time.max(accepted.time);
    }
    if accepted.index == 0 {
        tree.root = Some(accepted.record);
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
    draft.checkpoint = Some(Checkpoint {
        size,
        root: draft.tree.edge.root(),
        map_root: update.root.hash,
        time: draft.tree.time,
    });
    Ok(())
}

/// Judges one submission on the facts, and on success lets the facts follow.
fn judge(
    tree: &Tree,
    logs: &mut BTreeMap<LogId, LogFacts>,
    submission: &Submission,
    index: u64,
    commit_key: &KeyId,
    now: Time,
) -> Result<Accepted, String> {
    let log = submission.log();
    let id = log.log_id();
    let mut facts = logs.remove(&id).unwrap_or(LogFacts::Absent);
    let absent = matches!(facts, LogFacts::Absent);
    let verdict = match submission {
        Submission::V1 { name, envelope, record, signature } => {
            let above = state_of(logs, &LogName::Namespace(name.namespace()));
            check_v1_start(name, absent, above, envelope)
                .and_then(|()| judge_v1(log, &mut facts, envelope, record, *signature, index, now))
        }
        Submission::Act { act, endorsements, .. } => {
            let carry = Carry { act, endorsements, commit_key, time: now.max(tree.delegated_time) };
            judge_act(&log, &mut facts, logs, &carry, index)
        }
    };
    if absent && verdict.is_err() {
        // A refused first record decides nothing about the kind of log.
        facts = LogFacts::Absent;
    }
    logs.insert(id, facts);
    verdict
}

/// The state of a delegated log.
fn state_of<'a>(logs: &'a BTreeMap<LogId, LogFacts>, log: &LogName) -> Option<&'a authority::State> {
    match logs.get(&log.log_id()) {
        Some(LogFacts::Delegated { state, .. }) => Some(state),
        _ => None,
    }
}

/// `spec/delegation.md`, rule 7: where the namespace is claimed, a v1 log begins only with a key that was admitted
/// there before. One that began earlier goes on.
fn check_v1_start(
    name: &PackageName,
    first: bool,
    namespace: Option<&authority::State>,
    envelope: &Envelope,
) -> Result<(), String> {
    match namespace {
        Some(state) if first && !state.admits(name.name(), &envelope.key_id) => Err(format!(
            "the namespace `{}` has owners, and they did not admit key {} for `{name}`: ask them to, or publish \
             with `wargate publish`",
            name.namespace(),
            envelope.key_id
        )),
        _ => Ok(()),
    }
}

fn judge_v1(
    log: LogName,
    facts: &mut LogFacts,
    envelope: &Envelope,
    record: &PackageRecord,
    signature: SignatureCheck,
    index: u64,
    now: Time,
) -> Result<Accepted, String> {
    let first = matches!(facts, LogFacts::Absent);
    if first {
        *facts = LogFacts::V1(package::State::default());
    }
    let LogFacts::V1(state) = facts else {
        return Err(format!(
            "`{log}` is a delegated log: `warg` cannot write to it; publish with `wargate publish`"
        ));
    };
    check_v1_time(record.time, now)?;
    let changes = state.judge(envelope, record, signature).map_err(|refusal| refusal.to_string())?;
    state.apply(changes.clone());
    Ok(Accepted {
        index,
        log_id: log.log_id(),
        record: envelope.record_id(log.layer()),
        contents: Contents::Signed(envelope.clone()),
        time: record.time,
        effect: Effect::V1(changes),
        first,
        log,
    })
}

/// v1 records carry their client's clock: it may differ from the registry's, but not by much.
fn check_v1_time(time: Time, now: Time) -> Result<(), String> {
    if time < now.plus_seconds(-V1_TIME_PAST_SECONDS_MAX) {
        return Err(format!(
            "the record's time {time} is more than {V1_TIME_PAST_SECONDS_MAX} s before the registry's {now}: \
             check your clock and publish again"
        ));
    }
    if time > now.plus_seconds(V1_TIME_FUTURE_SECONDS_MAX) {
        return Err(format!(
            "the record's time {time} is more than {V1_TIME_FUTURE_SECONDS_MAX} s after the registry's {now}: \
             check your clock and publish again"
        ));
    }
    Ok(())
}

/// An act that the registry is to carry.
struct Carry<'a> {
    act: &'a Bytes,
    endorsements: &'a [Endorsement],
    commit_key: &'a KeyId,
    /// The registry's clock, never before any earlier delegated record of the whole log.
    time: Time,
}

fn judge_act(
    log: &LogName,
    facts: &mut LogFacts,
    others: &BTreeMap<LogId, LogFacts>,
    carry: &Carry<'_>,
    index: u64,
) -> Result<Accepted, String> {
    let first = matches!(facts, LogFacts::Absent);
    if first {
        let state = authority::State::empty(log.clone());
        *facts = LogFacts::Delegated { state, releases: authority::Releases::new() };
    }
    let LogFacts::Delegated { state, releases } = facts else {
        return Err(format!("`{log}` is a v1 log: it holds no acts; publish with `warg`"));
    };
    let namespace = match log {
        LogName::Package(name) => state_of(others, &LogName::Namespace(name.namespace())),
        _ => None,
    };
    let operator = state_of(others, &LogName::Operator);
    let context = authority::Context { operator, namespace, releases: Some(releases) };
    let carried = state
        .carry(&context, carry.time, carry.act, carry.endorsements, carry.commit_key)
        .map_err(|refusal| refusal.to_string())?;
    let changes = carried.changes;
    *state = changes.state.clone();
    releases.extend(changes.releases.iter().map(|release| (release.version.clone(), release.clone())));
    Ok(Accepted {
        index,
        log: log.clone(),
        log_id: log.log_id(),
        record: log.layer().record_id(&carried.contents),
        contents: Contents::ToSign(carried.contents.into()),
        time: carry.time,
        effect: Effect::Delegated(changes),
        first,
    })
}
