//! The single write path: admit, ingest, validate, enqueue. Every door's records end here.
//!
//! A record's content is durable before the record is judged, and the record is durable before anyone is told
//! that it was taken. The verdict is the sequencer's.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use wargate_component::Inspection;
use wargate_core::digest::Digest;
use wargate_core::envelope::{ENVELOPE_BYTES_MAX, Envelope};
use wargate_core::id::{Layer, LogId, RecordId};
use wargate_core::key::PublicKey;
use wargate_core::name::{LogName, Namespace, PackageName};
use wargate_core::plan::{Submission, Verdict};
use wargate_core::record::{PackageEntry, PackageRecord, first_extension_field};
use wargate_core::v1::package::SignatureCheck;

use crate::admission::Candidate;
use crate::content::sources::{self, ContentSource};
use crate::content::{inspected, leases};
use crate::custody;
use crate::db::{Batch, DbError};
use crate::error::Error;
use crate::in_flight::{Heard, InFlight, VerdictReceiver, hear};
use crate::limits::{
    BUSY_RETRY_AFTER, PENDING_PER_LOG_MAX, PENDING_RECORDS_MAX, RECORD_ENTRIES_MAX, STAGED_BUNDLES_MAX,
};
use crate::sequencer::Queued;
use crate::shared::Shared;
use crate::status::{self, Standing};
use crate::tables::content::{Presence, WithInspection};
use crate::tables::pending::{PendingRow, PendingState};
use crate::tables::{content, logs, pending, standing};

/// A signed package record, and where its content is to be had if not here.
#[derive(Debug, Clone)]
pub struct SignedRecord {
    /// The package.
    pub name: PackageName,
    /// The bytes that were signed.
    pub envelope: Envelope,
    /// Places outside that have the content that the record names.
    pub sources: Vec<(Digest, Vec<ContentSource>)>,
}

/// Where a record stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordStatus {
    /// Content that it names must still be uploaded.
    Sourcing {
        /// The record.
        record: RecordId,
        /// What is missing.
        missing: Vec<Digest>,
    },
    /// It waits for its verdict.
    Processing {
        /// The record.
        record: RecordId,
    },
    /// The rules forbid it.
    Rejected {
        /// The record.
        record: RecordId,
        /// Which rule.
        reason: String,
    },
    /// It is committed, and provable.
    Published {
        /// The record.
        record: RecordId,
        /// Its index in the log.
        index: u64,
    },
}

/// A record that passed the checks that need nothing but itself.
struct Admitted {
    log: LogId,
    id: RecordId,
    name: PackageName,
    envelope: Envelope,
    /// The envelope as the ledger and the bundles hold it.
    encoded: Bytes,
    record: PackageRecord,
    /// What its releases name.
    contents: Vec<Digest>,
}

impl Admitted {
    /// Refuses versions that the operator keeps back.
    fn check_given(&self, shared: &Shared) -> Result<(), Error> {
        self.record.entries.iter().try_for_each(|entry| match entry {
            PackageEntry::Release { version, .. } => shared.check_given(&self.name, version),
            _ => Ok(()),
        })
    }
}

/// Takes a record in and waits up to `wait` for its verdict.
pub(crate) async fn publish(
    shared: &Shared,
    signed: SignedRecord,
    wait: Duration,
) -> Result<RecordStatus, Error> {
    let arriving = shared.arrive();
    let sources = signed.sources;
    let admitted = admit(shared, signed.name, signed.envelope)?;
    let links = sources::check(&shared.config, &admitted.contents, &sources)?;
    let (log, id) = (admitted.log, admitted.id);
    let known = Known::read(shared, &admitted).await?;
    match known.status {
        // Asked anew: its content may have come by another way, or nobody judges it.
        Some(RecordStatus::Processing { .. }) => return status::of(shared, &log, &id).await,
        Some(status) => return Ok(status),
        None => {}
    }
    admitted.check_given(shared)?;
    let signature = known.check_signature(&admitted)?;
    known.check_contents(shared, &admitted).await?;
    let missing: Vec<Digest> = known
        .missing
        .into_iter()
        .filter(|digest| !links.iter().any(|(linked, ..)| linked == digest))
        .collect();
    for (linked, ..) in &links {
        check_releases(shared, &admitted.name, &admitted.record, linked, None)?;
    }
    let links: Batch = links
        .iter()
        .map(|(digest, source)| content::insert_source(digest, &source.url, source.size))
        .collect();
    if !known.claimed && admitted.record.prev.is_none() {
        if !shared.config.names_on_first_use {
            return Err(custody::unclaimed(&admitted.name));
        }
        custody::keep_private(shared, &admitted.name).await?;
    }
    let row = PendingRow {
        seq: shared.next_seq(),
        log,
        record: id,
        name: admitted.name.clone(),
        envelope: admitted.encoded,
        state: if missing.is_empty() { PendingState::Ready } else { PendingState::Sourcing },
    };
    if !missing.is_empty() {
        drop(arriving);
        return wait_for_content(shared, &row, links, missing).await;
    }
    if !links.is_empty() {
        shared.db.write(links).await?;
    }
    let submission = Submission::V1 {
        name: admitted.name,
        envelope: admitted.envelope,
        record: admitted.record,
        signature,
    };
    // Its commit is the first durable moment of a record that lacks nothing; only one that has to be answered
    // before its verdict becomes pending.
    let verdict = hand_in(shared, row.seq, log, id, submission).await?;
    drop(arriving);
    match wait_for_verdict(shared, &log, &id, verdict, wait).await? {
        RecordStatus::Processing { .. } => keep_pending(shared, &row).await,
        status => Ok(status),
    }
}

/// Makes a record pending until its content is here.
async fn wait_for_content(
    shared: &Shared,
    row: &PendingRow,
    mut batch: Batch,
    missing: Vec<Digest>,
) -> Result<RecordStatus, Error> {
    batch.push(pending::insert(row, shared.clock.now_ms()));
    match shared.db.write(batch).await {
        Ok(()) => Ok(RecordStatus::Sourcing { record: row.record, missing }),
        // Somebody handed in the same record at the same moment: then it is pending all the same.
        Err(DbError::Conflict { .. }) => status::of(shared, &row.log, &row.record).await,
        Err(error) => Err(error.into()),
    }
}

/// Makes a record durable whose verdict takes long, so that `processing` can be promised.
async fn keep_pending(shared: &Shared, row: &PendingRow) -> Result<RecordStatus, Error> {
    match shared.db.write(vec![pending::insert(row, shared.clock.now_ms())]).await {
        // Somebody who handed in the same record lost patience first, or the verdict came.
        Ok(()) | Err(DbError::Conflict { .. }) => status::of(shared, &row.log, &row.record).await,
        Err(error) => Err(error.into()),
    }
}

/// Whether the registry takes records of this namespace now.
pub(crate) fn check_open(shared: &Shared, namespace: &Namespace) -> Result<(), Error> {
    check_own(shared, namespace)?;
    check_ready(shared)
}

/// Whether logs may begin in this namespace here.
fn check_own(shared: &Shared, namespace: &Namespace) -> Result<(), Error> {
    match shared.imported(namespace) {
        Some(registry) => Err(Error::NamespaceImported { namespace: namespace.clone(), registry }),
        None => Ok(()),
    }
}

/// Whether the registry takes records now.
fn check_ready(shared: &Shared) -> Result<(), Error> {
    if shared.is_closing()
        || shared.waiting.load(Ordering::Relaxed) >= PENDING_RECORDS_MAX
        || shared.state.load().staged.len() >= STAGED_BUNDLES_MAX
    {
        return Err(Error::Busy { retry_after: BUSY_RETRY_AFTER });
    }
    shared.room.check(0)
}

/// admit: who, may they, within limits, and well-formed.
fn admit(shared: &Shared, name: PackageName, envelope: Envelope) -> Result<Admitted, Error> {
    check_ready(shared)?;
    let invalid = |reason: String| Error::Invalid { reason };
    let encoded: Bytes = envelope.encode().into();
    if encoded.len() > ENVELOPE_BYTES_MAX {
        return Err(invalid(format!("the record has more than {ENVELOPE_BYTES_MAX} bytes")));
    }
    let record = PackageRecord::decode(&envelope.contents).map_err(|error| invalid(error.to_string()))?;
    // A log that began before its namespace was imported goes on (`spec/delegation.md`, "Fine print").
    if record.prev.is_none() {
        check_own(shared, &name.namespace())?;
    }
    if record.entries.len() > RECORD_ENTRIES_MAX {
        return Err(invalid(format!("the record has more than {RECORD_ENTRIES_MAX} entries")));
    }
    // `spec/oci.md`, "The Wasm artifact": no tag can hold it, and precedence does not see it.
    if let Some(version) = record.versions().find(|version| !version.build.is_empty()) {
        return Err(invalid(format!("version {version} has build metadata: release it without")));
    }
    // Acts come through other doors: a v1 log holds none (`spec/delegation.md`, "Acts and records").
    match first_extension_field(&envelope.contents) {
        Ok(None) => {}
        Ok(Some(field)) => {
            return Err(invalid(format!("the record has the field {field}, which a Warg record has not")));
        }
        Err(error) => return Err(invalid(error.to_string())),
    }
    Ok(Admitted {
        log: LogId::package(&name),
        id: envelope.record_id(Layer::Package),
        contents: record.contents().collect(),
        name,
        envelope,
        encoded,
        record,
    })
}

/// The key that begins a log, if this record does and is signed by it.
pub(crate) fn first_key<'a>(record: &'a PackageRecord, envelope: &Envelope) -> Option<&'a PublicKey> {
    record.entries.iter().find_map(|entry| match entry {
        PackageEntry::Init { key } if key.id() == envelope.key_id => Some(key),
        _ => None,
    })
}

/// What the ledger knows of a record and its log.
struct Known {
    /// Where it stands, if it was handed in before.
    status: Option<RecordStatus>,
    /// Content that it names and nobody is known to have.
    missing: Vec<Digest>,
    /// Content of which it is still to be asked what it is.
    unread: Vec<Digest>,
    /// Stored content whose lease is to be renewed.
    due: Vec<Digest>,
    /// The signer's key, if the log knows it.
    signer: Option<PublicKey>,
    /// Of a record that begins its log: whether the namespace's log has begun.
    claimed: bool,
}

impl Known {
    async fn read(shared: &Shared, admitted: &Admitted) -> Result<Self, Error> {
        let (log, id) = (&admitted.log, &admitted.id);
        let mut statements = vec![
            standing::select(log, id, Some(&admitted.envelope.key_id)),
            pending::select_log(log, PENDING_PER_LOG_MAX),
        ];
        // Without an embedder's say only those bytes matter that say something of themselves.
        let with = WithInspection::of(admitted.contents.len(), shared.config.admission.is_some());
        statements.extend(admitted.contents.iter().map(|digest| content::select_standing(digest, with)));
        if admitted.record.prev.is_none() {
            let namespace = LogName::Namespace(admitted.name.namespace());
            statements.push(logs::select(&namespace.log_id()));
        }
        let mut answers = shared.db.read(statements).await?.into_iter();
        let mut next = || answers.next().unwrap_or_default();
        let row = standing::one(next())?;
        let waiting = pending::rows(next())?;
        let (mut missing, mut unread, mut due) = (Vec::new(), Vec::new(), Vec::new());
        for digest in &admitted.contents {
            let standing = content::standing(next())?;
            if leases::is_content_due(shared, standing.leased_ms) {
                due.push(*digest);
            }
            match standing.presence {
                // What is still to come is checked when it is here, what nobody looked at when that was done.
                Presence::Missing => missing.push(*digest),
                Presence::Uninspected => unread.push(*digest),
                Presence::Inspected if with == WithInspection::Never => unread.push(*digest),
                Presence::Elsewhere | Presence::Inspected => {
                    let inspection = standing.inspection.as_ref();
                    check_releases(shared, &admitted.name, &admitted.record, digest, inspection)?;
                }
            }
        }
        let claimed = logs::one(next())?.is_some();
        let record = *id;
        let same = waiting.iter().find(|row| row.record == record);
        let status = match (row.index, row.refusal, same) {
            (Some(index), ..) => Some(status::committed(shared, record, index)),
            (None, Some(reason), _) => Some(RecordStatus::Rejected { record, reason }),
            (None, None, Some(_)) => Some(RecordStatus::Processing { record }),
            (None, None, None) => None,
        };
        if status.is_none() {
            check_conflict(&waiting, &admitted.record)?;
        }
        Ok(Self { status, missing, unread, due, signer: row.signer, claimed })
    }

    /// What is stored here must be what the record may release, and stays until the verdict.
    async fn check_contents(&self, shared: &Shared, admitted: &Admitted) -> Result<(), Error> {
        leases::renew(shared, &self.due).await?;
        for digest in &self.unread {
            let (inspection, _) = inspected(shared, digest).await?;
            check_releases(shared, &admitted.name, &admitted.record, digest, Some(&inspection))?;
        }
        Ok(())
    }

    /// validate, as far as it can be done before the verdict: a signature that no order of events could mend.
    fn check_signature(&self, admitted: &Admitted) -> Result<SignatureCheck, Error> {
        let Some(key) = self.signer.as_ref().or(first_key(&admitted.record, &admitted.envelope)) else {
            return Ok(SignatureCheck::Needed);
        };
        admitted
            .envelope
            .verify(Layer::Package, key)
            .map(|()| SignatureCheck::Done)
            .map_err(|_| Error::Unauthorized { reason: "the record's signature does not verify".to_owned() })
    }
}

/// Whether a record may make the releases that it makes of some content.
pub(crate) fn check_releases(
    shared: &Shared,
    name: &PackageName,
    record: &PackageRecord,
    digest: &Digest,
    inspection: Option<&Inspection>,
) -> Result<(), Error> {
    for entry in &record.entries {
        if let PackageEntry::Release { version, content } = entry
            && content == digest
        {
            shared.check_release(&Candidate { name, version, content, inspection })?;
        }
    }
    Ok(())
}

/// A record that is about to be judged decides what must follow: another one has to wait or follow it.
fn check_conflict(waiting: &[PendingRow], record: &PackageRecord) -> Result<(), Error> {
    if waiting.len() >= PENDING_PER_LOG_MAX {
        return Err(Error::Busy { retry_after: BUSY_RETRY_AFTER });
    }
    let last = waiting.iter().rfind(|row| row.state == PendingState::Ready);
    match last {
        Some(row) if record.prev != Some(row.record) => Err(Error::Conflict { record: row.record }),
        _ => Ok(()),
    }
}

/// Hands a record to the sequencer, once: who hands in the same one meanwhile waits for the same verdict.
pub(crate) async fn hand_in(
    shared: &Shared,
    seq: u64,
    log: LogId,
    record: RecordId,
    submission: Submission,
) -> Result<VerdictReceiver, Error> {
    let waits = Some(shared.wait());
    // A place first: from here on nothing is awaited, so whoever gives up leaves nothing half handed in.
    let Ok(place) = shared.queue.reserve().await else {
        return Err(Error::Busy { retry_after: BUSY_RETRY_AFTER });
    };
    match shared.in_flight.begin(log, record) {
        InFlight::First(ticket, verdict) => {
            place.send(Queued { seq, log, record, submission, ticket: Some(ticket), waits });
            Ok(verdict)
        }
        InFlight::Same(verdict) => Ok(verdict),
    }
}

pub(crate) async fn wait_for_verdict(
    shared: &Shared,
    log: &LogId,
    record: &RecordId,
    verdict: VerdictReceiver,
    wait: Duration,
) -> Result<RecordStatus, Error> {
    let record = *record;
    match hear(&*shared.clock, verdict, wait).await {
        Heard::Verdict(Verdict::Accepted { index, record }) => Ok(RecordStatus::Published { record, index }),
        Heard::Verdict(Verdict::Refused { reason }) => Ok(RecordStatus::Rejected { record, reason }),
        Heard::Late => Ok(RecordStatus::Processing { record }),
        Heard::Dropped => match status::look_up(shared, log, &record).await {
            Ok(Standing::Known(status)) => Ok(status),
            Ok(Standing::Waits(_)) => Ok(RecordStatus::Processing { record }),
            Err(Error::UnknownLog { .. } | Error::UnknownRecord { .. }) => Err(shared.room.dropped()),
            Err(error) => Err(error),
        },
    }
}
