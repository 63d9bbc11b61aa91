//! What a client checks of what a registry tells it, step by step, each failure under the name of the attack that
//! it would have been (`DESIGN.md`, "Client rules", in that order).
//!
//! Pure: the client fetches and calls these; a mirror or a browser page can do the same.

use crate::authority::{self, Changes, Context, Refusal};
use crate::checkpoint::Checkpoint;
use crate::digest::Digest;
use crate::envelope::Envelope;
use crate::id::{Layer, LogId, RecordId, entry, leaf_hash};
use crate::key::{KeyId, Signature};
use crate::log::proof::LogProofBundle;
use crate::map::page::{Page, PageRef, Slot, slot_of};
use crate::map::proof::MapProof;
use crate::name::LogName;
use crate::record::{PackageRecord, first_extension_field};
use crate::time::Time;
use crate::v1::package::{self, SignatureCheck};

mod layers;

pub use layers::{Layers, PackageLog, Part, Parts, Recovery, judge_layers, judge_namespace, parts_of_layers};

/// How far a checkpoint's time may lie after the client's clock, in seconds.
pub const CHECKPOINT_AHEAD_SECONDS_MAX: u64 = 5 * 60;

/// What does not hold, and which attack it would have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Step 1.
    #[error(
        "wrong registry: its log begins with {found}, the pinned root is {pinned}; another registry answers, or somebody in between does"
    )]
    WrongRoot {
        /// What was pinned.
        pinned: RecordId,
        /// What it begins with.
        found: RecordId,
    },
    /// Step 1 and 6.
    #[error("forged operator log: {reason}")]
    ForgedOperatorLog {
        /// What is wrong with it.
        reason: String,
    },
    /// Step 2.
    #[error("forged checkpoint: {reason}")]
    ForgedCheckpoint {
        /// What is wrong with it.
        reason: String,
    },
    /// Step 3.
    #[error(
        "freeze: the checkpoint is {age_seconds} s old, at most {max_seconds} s are allowed; newer releases and yanks may be hidden"
    )]
    Freeze {
        /// Its age in seconds.
        age_seconds: u64,
        /// The greatest age allowed, in seconds.
        max_seconds: u64,
    },
    /// Step 4.
    #[error(
        "rollback: the checkpoint has tree size {found}, one of size {seen} was seen before; what came in between is hidden"
    )]
    Rollback {
        /// The size seen before.
        seen: u64,
        /// The size now.
        found: u64,
    },
    /// Step 4.
    #[error("split view: the log is not the one that was seen before, at tree size {seen}: {reason}")]
    SplitView {
        /// The size seen before.
        seen: u64,
        /// How the proof fails.
        reason: String,
    },
    /// Step 6.
    #[error("forged record: the record at index {index} of {log}: {reason}")]
    ForgedRecord {
        /// Its index.
        index: u64,
        /// Whose log.
        log: String,
        /// Which rule it breaks.
        reason: String,
    },
    /// Step 7.
    #[error(
        "hidden record: the record at index {index} of {log} is not in the log that the checkpoint commits to: {reason}"
    )]
    NotInLog {
        /// Its index.
        index: u64,
        /// Whose log.
        log: String,
        /// How the proof fails.
        reason: String,
    },
    /// Step 7.
    #[error(
        "withheld record: the map does not have {head} as the latest record of {log}; records after it are kept back, or it is made up: {reason}"
    )]
    Withheld {
        /// The last record that was given.
        head: String,
        /// Whose log.
        log: String,
        /// How the proof fails.
        reason: String,
    },
    /// Step 6: a v1 log stands only where its namespace has no log of its own.
    #[error("downgrade: {log} is a v1 log in a namespace that has owners: {reason}")]
    Downgrade {
        /// Whose log.
        log: String,
        /// How the proof fails.
        reason: String,
    },
    /// Step 6: whether a namespace has owners is asked of the map.
    #[error(
        "forged map: whether {log} has begun cannot be told from the map that the checkpoint commits to: {reason}"
    )]
    ForgedMap {
        /// Whose log.
        log: String,
        /// What is wrong with the map's page.
        reason: String,
    },
    /// Step 9.
    #[error("arbitrary content: the bytes have digest {found}, the release is {expected}")]
    Content {
        /// What was released.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// Step 10.
    #[error("endless data: more than {bytes_max} bytes came")]
    EndlessData {
        /// The limit in bytes.
        bytes_max: u64,
    },
}

/// A record as a registry gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenRecord {
    /// Its index, as the registry says.
    pub index: u64,
    /// Its bytes.
    pub envelope: Envelope,
    /// Whether its signatures and its place in the log were checked before: only the rules are judged anew.
    pub checked: bool,
}

impl GivenRecord {
    /// The log's next record is valid: what it changes.
    fn judge(
        &self,
        state: &authority::State,
        context: &Context<'_>,
        signatures: SignatureCheck,
    ) -> Result<Changes, Refusal> {
        match signatures {
            SignatureCheck::Needed => state.judge(context, &self.envelope),
            SignatureCheck::Done => state.judge_verified(context, &self.envelope),
        }
    }

    /// Whether its signatures are still to be verified.
    fn signatures(&self) -> SignatureCheck {
        if self.checked { SignatureCheck::Done } else { SignatureCheck::Needed }
    }

    fn id(&self, layer: Layer) -> RecordId {
        self.envelope.record_id(layer)
    }
}

/// Step 1: the registry is the pinned one; which one it is.
///
/// # Errors
/// [`Failure::WrongRoot`], [`Failure::ForgedOperatorLog`].
pub fn check_root(operator: &[GivenRecord], pinned: Option<&RecordId>) -> Result<RecordId, Failure> {
    let first = operator
        .first()
        .filter(|record| record.index == 0)
        .ok_or_else(|| Failure::ForgedOperatorLog { reason: "it does not begin at index 0".to_owned() })?;
    let found = first.id(Layer::Operator);
    match pinned {
        Some(pinned) if *pinned != found => Err(Failure::WrongRoot { pinned: *pinned, found }),
        _ => Ok(found),
    }
}

/// Step 6, for the operator log, done early since the next step needs its keys: it is valid in full.
///
/// # Errors
/// [`Failure::ForgedOperatorLog`].
pub fn judge_operator(operator: &[GivenRecord]) -> Result<authority::State, Failure> {
    let forged = |index: u64, reason: String| Failure::ForgedOperatorLog {
        reason: format!("the record at index {index}: {reason}"),
    };
    let mut state = authority::State::empty(LogName::Operator);
    let mut last = None;
    for record in operator {
        if last >= Some(record.index) {
            return Err(forged(record.index, "it stands out of order".to_owned()));
        }
        last = Some(record.index);
        let judged = record.judge(&state, &Context::default(), record.signatures());
        state = judged.map_err(|error| forged(record.index, error.to_string()))?.state;
    }
    Ok(state)
}

/// Step 2: the checkpoint is signed by a key that its own operator log gives `commit`.
///
/// # Errors
/// [`Failure::ForgedCheckpoint`].
pub fn check_checkpoint(
    checkpoint: &Checkpoint,
    key_id: &KeyId,
    signature: &Signature,
    operator: &authority::State,
) -> Result<(), Failure> {
    let forged = |reason: &str| Failure::ForgedCheckpoint { reason: reason.to_owned() };
    let time = Time::from_seconds(i64::try_from(checkpoint.time).unwrap_or(i64::MAX));
    if !operator.holds_commit(key_id, time) {
        return Err(forged("it is signed by a key that does not hold `commit`"));
    }
    let key = operator.key(key_id).ok_or_else(|| forged("its key is unknown"))?;
    key.verify(&checkpoint.warg_signed_bytes(), signature)
        .map_err(|_| forged("its signature does not verify"))
}

/// Step 3: the checkpoint is not older than allowed.
///
/// # Errors
/// [`Failure::Freeze`], [`Failure::ForgedCheckpoint`] if it is from the future.
pub fn check_age(checkpoint: &Checkpoint, now_seconds: u64, max_seconds: u64) -> Result<(), Failure> {
    if checkpoint.time > now_seconds.saturating_add(CHECKPOINT_AHEAD_SECONDS_MAX) {
        let reason = "it is from the future, or this machine's clock is behind".to_owned();
        return Err(Failure::ForgedCheckpoint { reason });
    }
    let age_seconds = now_seconds.saturating_sub(checkpoint.time);
    if age_seconds > max_seconds { Err(Failure::Freeze { age_seconds, max_seconds }) } else { Ok(()) }
}

/// Step 4: the log goes on from the checkpoint seen last. `proof` is needed where the size differs.
///
/// # Errors
/// [`Failure::Rollback`], [`Failure::SplitView`].
pub fn check_consistent(
    seen: &Checkpoint,
    checkpoint: &Checkpoint,
    proof: Option<&LogProofBundle>,
) -> Result<(), Failure> {
    if checkpoint.size < seen.size || (checkpoint.size == seen.size && checkpoint.time < seen.time) {
        return Err(Failure::Rollback { seen: seen.size, found: checkpoint.size });
    }
    let split = |reason: String| Failure::SplitView { seen: seen.size, reason };
    if checkpoint.size == seen.size {
        let same = (seen.root, seen.map_root) == (checkpoint.root, checkpoint.map_root);
        return if same { Ok(()) } else { Err(split("the same size has other roots".to_owned())) };
    }
    let proof = proof.ok_or_else(|| split("no proof was given".to_owned()))?;
    if proof.size != checkpoint.size {
        return Err(split(format!("the proof is of size {}", proof.size)));
    }
    proof
        .verify_consistency(seen.size, &seen.root, &checkpoint.root)
        .map_err(|error| split(error.to_string()))
}

/// The next record of a v1 package log is valid; why not, if it isn't.
fn judge_v1_record(
    state: &mut package::State,
    envelope: &Envelope,
    signatures: SignatureCheck,
) -> Result<(), String> {
    match first_extension_field(&envelope.contents) {
        Ok(None) => {}
        Ok(Some(field)) => return Err(format!("a v1 log holds no field {field}")),
        Err(error) => return Err(error.to_string()),
    }
    let record = PackageRecord::decode(&envelope.contents).map_err(|error| error.to_string())?;
    let changes = state.judge(envelope, &record, signatures);
    state.apply(changes.map_err(|refusal| refusal.to_string())?);
    Ok(())
}

/// Step 7: every record is in the log at its index. `bundle` must cover them all.
///
/// # Errors
/// [`Failure::NotInLog`].
pub fn check_in_log(
    log: &LogName,
    records: &[GivenRecord],
    checkpoint: &Checkpoint,
    bundle: &LogProofBundle,
) -> Result<(), Failure> {
    for record in records {
        let failed = |reason: String| Failure::NotInLog { index: record.index, log: log.to_string(), reason };
        if bundle.size != checkpoint.size {
            return Err(failed(format!("the proof is of size {}", bundle.size)));
        }
        let leaf = leaf_hash(&entry(&log.log_id(), &record.id(log.layer())));
        bundle
            .verify_inclusion(record.index, &leaf, &checkpoint.root)
            .map_err(|error| failed(error.to_string()))?;
    }
    Ok(())
}

/// Step 7: the last record that was given is the log's latest, by the map.
///
/// # Errors
/// [`Failure::Withheld`].
pub fn check_latest(
    log: &LogName,
    records: &[GivenRecord],
    checkpoint: &Checkpoint,
    proof: &MapProof,
) -> Result<(), Failure> {
    let head = records.last().map(|record| record.id(log.layer()));
    let log_id: LogId = log.log_id();
    proof.verify(&checkpoint.map_root, &log_id, head.as_ref()).map_err(|error| Failure::Withheld {
        head: head.map_or_else(|| "nothing".to_owned(), |head| head.to_string()),
        log: log.to_string(),
        reason: error.to_string(),
    })
}

/// Where a walk through the map's pages stands: which page is needed next, and what was found at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MapWalk {
    /// This page, at this depth, must be fetched and given to [`step_map`].
    Page {
        /// The page.
        page: PageRef,
        /// How many pages are above it.
        depth: usize,
    },
    /// The map holds this record under the key, or nothing.
    Found(Option<RecordId>),
}

/// Begins a walk from a checkpoint's map root to a log's key.
#[must_use]
pub fn begin_map(checkpoint: &Checkpoint) -> MapWalk {
    let page = PageRef { hash: checkpoint.map_root, segment: checkpoint.size };
    MapWalk::Page { page, depth: 0 }
}

/// Checks a fetched page and goes on.
///
/// # Errors
/// [`crate::map::page::MapError`] if the page is not the one that the walk needs.
pub fn step_map(
    page: PageRef,
    depth: usize,
    bytes: &[u8],
    log: &LogId,
) -> Result<MapWalk, crate::map::page::MapError> {
    let key = log.map_key();
    let found = Page::decode(bytes)?;
    found.verify(depth, &key, &page.hash)?;
    Ok(match found.slots.get(slot_of(&key, depth)) {
        Some(Slot::Page(below)) => MapWalk::Page { page: *below, depth: depth + 1 },
        Some(Slot::Leaf { key: held, record, .. }) if *held == key => MapWalk::Found(Some(*record)),
        _ => MapWalk::Found(None),
    })
}
