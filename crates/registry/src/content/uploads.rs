//! Content that a pending record waits for, as it arrives.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use wargate_component::Inspection;
use wargate_core::digest::Digest;
use wargate_core::id::{LogId, RecordId};

use super::incoming::{Arrived, Incoming};
use crate::db::Batch;
use crate::error::Error;
use crate::publish;
use crate::shared::Shared;
use crate::status;
use crate::tables::inspections;
use crate::tables::pending::{self, PendingRow, PendingState};

/// Content of a record that is arriving.
pub struct Upload {
    shared: Arc<Shared>,
    row: PendingRow,
    digest: Digest,
    incoming: Incoming,
    /// Somebody else brought it meanwhile: its bytes are checked, nothing is kept.
    present: bool,
    turn: Option<OwnedSemaphorePermit>,
}

/// Starts to receive content for a record that waits for it.
pub(crate) async fn begin(
    shared: Arc<Shared>,
    log: &LogId,
    record: &RecordId,
    digest: &Digest,
    declared: Option<u64>,
) -> Result<Upload, Error> {
    let mut incoming = Incoming::begin(&shared, declared)?;
    let rows = shared.db.read(vec![pending::select_one(log, record)]).await?.pop().unwrap_or_default();
    let Some(row) = pending::rows(rows)?.into_iter().next() else {
        // Unknown, or judged already: the status says which.
        status::of(&shared, log, record).await?;
        return Err(Error::NotSourcing { record: *record });
    };
    if row.state != PendingState::Sourcing {
        return Err(Error::NotSourcing { record: *record });
    }
    let present = !status::contents_of(&shared, &row).await?.missing.contains(digest);
    if present {
        if !row.record()?.contents().any(|named| named == *digest) {
            return Err(Error::NotSourcing { record: *record });
        }
        incoming.check_only();
    }
    Ok(Upload { shared, row, digest: *digest, incoming, present, turn: None })
}

impl Upload {
    /// Takes in more bytes.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond the limit; [`Error::Busy`] while so many others bring theirs; [`Error::Internal`] if
    /// they cannot be written.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.shared.take_turn(&mut self.turn, self.incoming.received() + bytes.len() as u64)?;
        self.incoming.write(bytes).await
    }

    /// Ends the upload: the content is durable when this is `Ok`, and the record goes on.
    ///
    /// # Errors
    /// [`Error::DigestMismatch`] if other bytes came than were announced; then nothing is kept.
    /// [`Error::ContentRefused`] if they may not be released; then the record is rejected.
    pub async fn finish(self) -> Result<(), Error> {
        let Self { shared, row, digest, incoming, present, turn: _turn } = self;
        let arrived = incoming.finish(&digest.into()).await?;
        if present {
            return go_on(&shared, &row, &digest, Batch::new()).await;
        }
        let inspection = match inspect(&shared, &row, &arrived).await {
            Ok(inspection) => inspection,
            Err(Error::ContentRefused { reason }) => {
                status::reject(&shared, &row, &reason).await?;
                return Err(Error::ContentRefused { reason });
            }
            Err(error) => return Err(error),
        };
        let mut batch = Batch::from(arrived.rows(&shared));
        batch.push(inspections::insert(&digest, &inspection)?);
        go_on(&shared, &row, &digest, batch).await
    }
}

/// Says what the bytes are, and whether the record may release them.
async fn inspect(shared: &Shared, row: &PendingRow, arrived: &Arrived) -> Result<Inspection, Error> {
    let inspection = shared.inspect(&arrived.hosted(shared.objects.clone())).await?;
    publish::check_releases(shared, &row.name, &row.record()?, &arrived.digest, Some(&inspection))?;
    Ok(inspection)
}

/// Writes the content's row, and lets the record be judged if this was all that it waited for.
async fn go_on(shared: &Shared, row: &PendingRow, digest: &Digest, batch: Batch) -> Result<(), Error> {
    let contents = status::contents_of(shared, row).await?;
    if contents.missing.iter().all(|other| other == digest) {
        status::go_on(shared, row, &contents, batch, Duration::ZERO).await.map(drop)
    } else {
        Ok(shared.db.write(batch).await?)
    }
}
