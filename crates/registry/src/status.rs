//! Where a record stands, and how one that waits for content goes on.

use std::time::Duration;

use wargate_core::digest::Digest;
use wargate_core::id::{LogId, RecordId};
use wargate_core::name::{LogName, PackageName};
use wargate_core::record::PackageRecord;

use crate::content::inspected;
use crate::db::{Batch, DbError, Statement};
use crate::error::Error;
use crate::publish::{self, RecordStatus};
use crate::recovery;
use crate::shared::Shared;
use crate::tables::content::{Presence, WithInspection};
use crate::tables::pending::{PendingRow, PendingState};
use crate::tables::{content, logs, pending, records, standing};

/// Where a record stands. A record whose content came by another way goes on from here.
pub(crate) async fn of(shared: &Shared, log: &LogId, record: &RecordId) -> Result<RecordStatus, Error> {
    let row = match look_up(shared, log, record).await? {
        Standing::Known(status) => return Ok(status),
        Standing::Waits(row) => row,
    };
    let contents = contents_of(shared, &row).await?;
    if contents.missing.is_empty() {
        return go_on(shared, &row, &contents, Batch::new(), Duration::ZERO).await;
    }
    Ok(RecordStatus::Sourcing { record: *record, missing: contents.missing })
}

/// The package that a log is of, begun or not, if the ledger knows the record or its log.
pub(crate) async fn name_of(
    shared: &Shared,
    log: &LogId,
    record: &RecordId,
) -> Result<Option<PackageName>, Error> {
    let statements = vec![logs::select(log), pending::select_one(log, record)];
    let mut answers = shared.db.read(statements).await?.into_iter();
    let mut next = || answers.next().unwrap_or_default();
    if let Some(row) = logs::one(next())?
        && let LogName::Package(name) = row.name
    {
        return Ok(Some(name));
    }
    Ok(pending::rows(next())?.into_iter().next().map(|row| row.name))
}

/// The ledger knows a commit a moment before snapshots do: published is what can be proven.
pub(crate) fn committed(shared: &Shared, record: RecordId, index: u64) -> RecordStatus {
    if index < shared.state.load().committed.size() {
        RecordStatus::Published { record, index }
    } else {
        RecordStatus::Processing { record }
    }
}

/// What the ledger says of a record.
pub(crate) enum Standing {
    Known(RecordStatus),
    /// It waits for content.
    Waits(PendingRow),
}

pub(crate) async fn look_up(shared: &Shared, log: &LogId, record: &RecordId) -> Result<Standing, Error> {
    // Asked in this order: a verdict that ends the flight meanwhile is what the ledger then tells.
    let in_flight = shared.in_flight.holds(log, record);
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
            if !in_flight {
                // Whoever made it ready did not learn that it did, or a reload dropped it before its row was there.
                let queued = recovery::queued(&row)?;
                drop(publish::hand_in(shared, row.seq, row.log, record, queued.submission).await?);
            }
            Ok(Standing::Known(RecordStatus::Processing { record }))
        }
        Some(row) => Ok(Standing::Waits(row)),
        None if in_flight || shared.in_flight.holds(log, &record) => {
            Ok(Standing::Known(RecordStatus::Processing { record }))
        }
        None if row.log_begun => Err(Error::UnknownRecord { record }),
        None => Err(Error::UnknownLog { log: *log }),
    }
}

/// Ends a pending record whose content may not be released.
pub(crate) async fn reject(shared: &Shared, row: &PendingRow, reason: &str) -> Result<(), Error> {
    Ok(shared.db.write(rejection(shared, row, reason).into()).await?)
}

fn rejection(shared: &Shared, row: &PendingRow, reason: &str) -> [Statement; 2] {
    let refusal = records::insert_refusal(&row.log, &row.record, reason, shared.clock.now_ms());
    [pending::delete(&row.log, &row.record), refusal]
}

/// What has yet to be done about the contents of a pending record.
#[derive(Default)]
pub(crate) struct Contents {
    /// What it still waits for.
    pub(crate) missing: Vec<Digest>,
    /// What came in by a door that does not ask what it is.
    uninspected: Vec<Digest>,
}

pub(crate) async fn contents_of(shared: &Shared, row: &PendingRow) -> Result<Contents, Error> {
    let contents: Vec<Digest> = row.record()?.contents().collect();
    let answers = shared
        .db
        .read(contents.iter().map(|digest| content::select_standing(digest, WithInspection::Never)).collect())
        .await?;
    let mut found = Contents::default();
    for (digest, rows) in contents.into_iter().zip(answers) {
        match content::standing(rows)?.presence {
            Presence::Missing => found.missing.push(digest),
            Presence::Uninspected => found.uninspected.push(digest),
            Presence::Elsewhere | Presence::Inspected => {}
        }
    }
    Ok(found)
}

/// Lets a sourcing record be judged, in one transaction with what made that possible, which is kept in any case.
pub(crate) async fn go_on(
    shared: &Shared,
    row: &PendingRow,
    contents: &Contents,
    mut batch: Batch,
    wait: Duration,
) -> Result<RecordStatus, Error> {
    let record = row.record;
    let (_, signed) = row.decode()?;
    if let Err(error) = look_into(shared, row, &signed, &contents.uninspected).await {
        let Error::ContentRefused { reason } = error else { return Err(error) };
        batch.extend(rejection(shared, row, &reason));
        shared.db.write(batch).await?;
        return Ok(RecordStatus::Rejected { record, reason });
    }
    batch.push(pending::make_ready(&row.log, &record));
    match shared.db.write(batch).await {
        Ok(()) => {
            let queued = recovery::queued(row)?;
            let verdict = publish::hand_in(shared, row.seq, row.log, record, queued.submission).await?;
            publish::wait_for_verdict(shared, &row.log, &record, verdict, wait).await
        }
        // Somebody else let it go on at the same moment.
        Err(DbError::Conflict { .. }) => Ok(RecordStatus::Processing { record }),
        Err(error) => Err(error.into()),
    }
}

/// Content that came in by a door that does not ask what it is, is asked now.
async fn look_into(
    shared: &Shared,
    row: &PendingRow,
    record: &PackageRecord,
    uninspected: &[Digest],
) -> Result<(), Error> {
    for digest in uninspected {
        let (inspection, _) = inspected(shared, digest).await?;
        publish::check_releases(shared, &row.name, record, digest, Some(&inspection))?;
    }
    Ok(())
}
