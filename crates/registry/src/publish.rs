//! The single write path: admit, ingest, validate, enqueue. Every door's records end here.
//!
//! A record's content is durable before the record is judged, and the record is durable before anyone is told
//! that it was taken. The verdict is the sequencer's.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use wargate_component::Inspection;
use wargate_core::authority;
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
use crate::custody;
use crate::db::{Batch, DbError};
use crate::error::Error;
use crate::in_flight::{Heard, InFlight, VerdictReceiver, hear};
use crate::limits::{
    BUSY_RETRY_AFTER, PENDING_PER_LOG_MAX, PENDING_RECORDS_MAX, RECORD_ENTRIES_MAX, STAGED_BUNDLES_MAX,
};
use crate::sequencer::Queued;
use crate::shared::Shared;
use crate::tables::pending::{PendingRow, PendingState};
use crate::tables::{content, inspections, logs, pending, records, standing};

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
    if let Some(status) = known.status {
        return Ok(status);
    }
    let signature = known.check_signature(&admitted)?;
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
    if let Some(key) = admitted.first_key() {
        custody::admit(shared, known.namespace.as_ref(), &admitted.name, key).await?;
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
        Err(DbError::Conflict { .. }) => status(shared, &row.log, &row.record).await,
        Err(error) => Err(error.into()),
    }
}

/// Makes a record durable whose verdict takes long, so that `processing` can be promised.
async fn keep_pending(shared: &Shared, row: &PendingRow) -> Result<RecordStatus, Error> {
    match shared.db.write(vec![pending::insert(row, shared.clock.now_ms())]).await {
        // Pending already: somebody who handed in the same record lost patience first.
        Ok(()) | Err(DbError::Conflict { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    // Asked in this order: a verdict that ended the flight is what the look-up then finds.
    let in_flight = shared.in_flight.holds(&row.log, &row.record);
    let standing = look_up(shared, &row.log, &row.record).await?;
    if let Standing::Known(status @ (RecordStatus::Published { .. } | RecordStatus::Rejected { .. })) =
        standing
    {
        // The verdict came first, and left nothing to end this row.
        shared.db.write(vec![pending::delete(&row.log, &row.record)]).await?;
        return Ok(status);
    }
    if !in_flight {
        // A reload dropped it, maybe before the row was there to be taken up.
        let queued = crate::recovery::queued(row)?;
        hand_in(shared, row.seq, row.log, row.record, queued.submission).await?;
    }
    Ok(RecordStatus::Processing { record: row.record })
}

/// Whether the registry takes records of this namespace now.
pub(crate) fn check_open(shared: &Shared, namespace: &Namespace) -> Result<(), Error> {
    if let Some(registry) = shared.config.imports.get(namespace) {
        return Err(Error::NamespaceImported { namespace: namespace.clone(), registry: registry.clone() });
    }
    if shared.is_closing()
        || shared.waiting.load(Ordering::Relaxed) >= PENDING_RECORDS_MAX
        || shared.state.load().staged.len() >= STAGED_BUNDLES_MAX
    {
        return Err(Error::Busy { retry_after: BUSY_RETRY_AFTER });
    }
    Ok(())
}

/// admit: who, may they, within limits, and well-formed.
fn admit(shared: &Shared, name: PackageName, envelope: Envelope) -> Result<Admitted, Error> {
    check_open(shared, &name.namespace())?;
    let invalid = |reason: String| Error::Invalid { reason };
    let encoded: Bytes = envelope.encode().into();
    if encoded.len() > ENVELOPE_BYTES_MAX {
        return Err(invalid(format!("the record has more than {ENVELOPE_BYTES_MAX} bytes")));
    }
    let record = PackageRecord::decode(&envelope.contents).map_err(|error| invalid(error.to_string()))?;
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

impl Admitted {
    /// The key that begins the log, if this record does and is signed by it.
    fn first_key(&self) -> Option<&PublicKey> {
        self.record.entries.iter().find_map(|entry| match entry {
            PackageEntry::Init { key } if key.id() == self.envelope.key_id => Some(key),
            _ => None,
        })
    }
}

/// What the ledger knows of a record and its log.
struct Known {
    /// Where it stands, if it was handed in before.
    status: Option<RecordStatus>,
    /// Content that it names and nobody is known to have.
    missing: Vec<Digest>,
    /// The signer's key, if the log knows it.
    signer: Option<PublicKey>,
    /// Of a record that begins its log: what the namespace's log adds up to, if it has begun.
    namespace: Option<authority::State>,
}

impl Known {
    async fn read(shared: &Shared, admitted: &Admitted) -> Result<Self, Error> {
        let (log, id) = (&admitted.log, &admitted.id);
        let mut statements = vec![
            standing::select(log, id, Some(&admitted.envelope.key_id)),
            pending::select_log(log, PENDING_PER_LOG_MAX),
        ];
        statements.extend(admitted.contents.iter().map(content::select_exists));
        // Without an embedder's say only those bytes matter that say something of themselves.
        let inspected = match shared.config.admission {
            Some(_) => inspections::select,
            None => inspections::select_claims,
        };
        statements.extend(admitted.contents.iter().map(inspected));
        if admitted.record.prev.is_none() {
            let namespace = LogName::Namespace(admitted.name.namespace());
            statements.push(logs::select_state(&namespace.log_id()));
        }
        let mut answers = shared.db.read(statements).await?.into_iter();
        let mut next = || answers.next().unwrap_or_default();
        let row = standing::one(next())?;
        let waiting = pending::rows(next())?;
        let missing: Vec<Digest> =
            admitted.contents.iter().filter(|_| !content::exists(&next())).copied().collect();
        for digest in &admitted.contents {
            let inspection = inspections::one(next())?;
            // What is still to come is checked when it is here.
            if !missing.contains(digest) {
                check_releases(shared, &admitted.name, &admitted.record, digest, inspection.as_ref())?;
            }
        }
        let namespace = logs::state(next())?;
        let record = *id;
        let same = waiting.iter().find(|row| row.record == record);
        let status = match (row.index, row.refusal, same) {
            (Some(index), ..) => Some(committed(shared, record, index)),
            (None, Some(reason), _) => Some(RecordStatus::Rejected { record, reason }),
            (None, None, Some(row)) if row.state == PendingState::Ready => {
                Some(RecordStatus::Processing { record })
            }
            (None, None, Some(_)) => Some(RecordStatus::Sourcing { record, missing: missing.clone() }),
            (None, None, None) => None,
        };
        if status.is_none() {
            check_conflict(&waiting, &admitted.record)?;
        }
        Ok(Self { status, missing, signer: row.signer, namespace })
    }

    /// validate, as far as it can be done before the verdict: a signature that no order of events could mend.
    fn check_signature(&self, admitted: &Admitted) -> Result<SignatureCheck, Error> {
        let Some(key) = self.signer.as_ref().or(admitted.first_key()) else {
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
    let (ticket, verdict) = match shared.in_flight.begin(log, record) {
        InFlight::First(ticket, verdict) => (ticket, verdict),
        InFlight::Same(verdict) => return Ok(verdict),
    };
    shared.waiting.fetch_add(1, Ordering::Relaxed);
    let queued = Queued { seq, log, record, submission, ticket: Some(ticket) };
    if shared.queue.send(queued).await.is_err() {
        shared.in_flight.end(&log, &record);
        return Err(Error::Busy { retry_after: BUSY_RETRY_AFTER });
    }
    Ok(verdict)
}

async fn wait_for_verdict(
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
        Heard::Dropped => match look_up(shared, log, &record).await {
            Ok(Standing::Known(status)) => Ok(status),
            Ok(Standing::Waits(_)) => Ok(RecordStatus::Processing { record }),
            Err(Error::UnknownLog { .. } | Error::UnknownRecord { .. }) => {
                Err(Error::Busy { retry_after: BUSY_RETRY_AFTER })
            }
            Err(error) => Err(error),
        },
    }
}

/// Where a record stands. A record whose content came by another way goes on from here.
pub(crate) async fn status(shared: &Shared, log: &LogId, record: &RecordId) -> Result<RecordStatus, Error> {
    let row = match look_up(shared, log, record).await? {
        Standing::Known(status) => return Ok(status),
        Standing::Waits(row) => row,
    };
    let missing = missing_of(shared, &row).await?;
    if missing.is_empty() {
        return go_on(shared, &row, Batch::new(), Duration::ZERO).await;
    }
    Ok(RecordStatus::Sourcing { record: *record, missing })
}

/// The ledger knows a commit a moment before snapshots do: published is what can be proven.
fn committed(shared: &Shared, record: RecordId, index: u64) -> RecordStatus {
    if index < shared.state.load().committed.size() {
        RecordStatus::Published { record, index }
    } else {
        RecordStatus::Processing { record }
    }
}

/// What the ledger says of a record.
enum Standing {
    Known(RecordStatus),
    /// It waits for content.
    Waits(PendingRow),
}

async fn look_up(shared: &Shared, log: &LogId, record: &RecordId) -> Result<Standing, Error> {
    let statements = vec![standing::select(log, record, None), pending::select_one(log, record)];
    let mut answers = shared.db.read(statements).await?.into_iter();
    let mut next = || answers.next().unwrap_or_default();
    let record = *record;
    let row = standing::one(next())?;
    if let Some(index) = row.index {
        return Ok(Standing::Known(committed(shared, record, index)));
    }
    if let Some(reason) = row.refusal {
        return Ok(Standing::Known(RecordStatus::Rejected { record, reason }));
    }
    match pending::rows(next())?.into_iter().next() {
        Some(row) if row.state == PendingState::Ready => {
            Ok(Standing::Known(RecordStatus::Processing { record }))
        }
        Some(row) => Ok(Standing::Waits(row)),
        None if shared.in_flight.holds(log, &record) => {
            Ok(Standing::Known(RecordStatus::Processing { record }))
        }
        None if row.log_begun => Err(Error::UnknownRecord { record }),
        None => Err(Error::UnknownLog { log: *log }),
    }
}

/// Ends a pending record whose content may not be released.
pub(crate) async fn reject(shared: &Shared, row: &PendingRow, reason: &str) -> Result<(), Error> {
    let refusal = records::insert_refusal(&row.log, &row.record, reason, shared.clock.now_ms());
    Ok(shared.db.write(vec![pending::delete(&row.log, &row.record), refusal]).await?)
}

/// The content that a pending record still waits for.
pub(crate) async fn missing_of(shared: &Shared, row: &PendingRow) -> Result<Vec<Digest>, Error> {
    let contents: Vec<Digest> = row.record()?.contents().collect();
    let answers = shared.db.read(contents.iter().map(content::select_exists).collect()).await?;
    Ok(contents.into_iter().zip(answers).filter(|(_, rows)| !content::exists(rows)).map(|(d, _)| d).collect())
}

/// Lets a sourcing record be judged, in one transaction with what made that possible.
pub(crate) async fn go_on(
    shared: &Shared,
    row: &PendingRow,
    mut batch: Batch,
    wait: Duration,
) -> Result<RecordStatus, Error> {
    let record = row.record;
    batch.push(pending::make_ready(&row.log, &record));
    match shared.db.write(batch).await {
        Ok(()) => {
            let queued = crate::recovery::queued(row)?;
            let verdict = hand_in(shared, row.seq, row.log, record, queued.submission).await?;
            wait_for_verdict(shared, &row.log, &record, verdict, wait).await
        }
        // Somebody else let it go on at the same moment.
        Err(DbError::Conflict { .. }) => Ok(RecordStatus::Processing { record }),
        Err(error) => Err(error.into()),
    }
}
