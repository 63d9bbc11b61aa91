//! Content that is arriving: hashed while it is written, never trusted before its digest is known.
//!
//! Small content is gathered in memory and becomes a row; anything larger is streamed into an object of its own
//! and moved to its place when it is whole. A dropped upload leaves nothing that is ever served.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, WriteMultipart};
use wargate_core::digest::{Digest, Hasher};
use wargate_core::id::{LogId, RecordId};

use super::{Placement, placement};
use crate::db::Batch;
use crate::error::Error;
use crate::objects;
use crate::publish;
use crate::shared::Shared;
use crate::tables::content;
use crate::tables::pending::{self, PendingRow, PendingState};

/// Bytes in a part of an object that is being written: the least that buckets take.
const PART_BYTES: usize = 5 * 1024 * 1024;

/// Parts that may be on their way to the objects at once.
const PARTS_AT_ONCE: usize = 2;

/// Content of a record that is arriving.
pub struct Upload {
    shared: Arc<Shared>,
    row: PendingRow,
    digest: Digest,
    hasher: Hasher,
    received: u64,
    sink: Sink,
}

/// Where the bytes go.
enum Sink {
    /// Still small.
    Memory(BytesMut),
    /// Streamed into an object.
    Object { path: Path, writer: WriteMultipart },
    /// The content is here already: bytes are checked and dropped.
    Present,
}

/// Starts to receive content for a record that waits for it.
pub(crate) async fn begin(
    shared: Arc<Shared>,
    log: &LogId,
    record: &RecordId,
    digest: &Digest,
    declared: Option<u64>,
) -> Result<Upload, Error> {
    let bytes_max = shared.config.content_bytes_max;
    if declared.is_some_and(|size| size > bytes_max) {
        return Err(Error::TooLarge { bytes_max });
    }
    let rows = shared.db.read(vec![pending::select_one(log, record)]).await?.pop().unwrap_or_default();
    let Some(row) = pending::rows(rows)?.into_iter().next() else {
        // Unknown, or judged already: the status says which.
        publish::status(&shared, log, record).await?;
        return Err(Error::NotSourcing { record: *record });
    };
    if row.state != PendingState::Sourcing {
        return Err(Error::NotSourcing { record: *record });
    }
    let sink = if publish::missing_of(&shared, &row).await?.contains(digest) {
        Sink::Memory(BytesMut::new())
    } else if publish::names_content(&row, digest)? {
        Sink::Present
    } else {
        return Err(Error::NotSourcing { record: *record });
    };
    Ok(Upload { shared, row, digest: *digest, hasher: Hasher::new(), received: 0, sink })
}

impl Upload {
    /// Takes in more bytes.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond the limit; [`Error::Internal`] if they cannot be written.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        let bytes_max = self.shared.config.content_bytes_max;
        self.received += bytes.len() as u64;
        if self.received > bytes_max {
            return Err(Error::TooLarge { bytes_max });
        }
        self.hasher.update(&bytes);
        if let Sink::Memory(gathered) = &mut self.sink {
            gathered.extend_from_slice(&bytes);
            if placement(gathered.len() as u64) == Placement::Object {
                let gathered = std::mem::take(gathered).freeze();
                self.sink = open_object(&self.shared.objects, gathered).await?;
            }
            return Ok(());
        }
        if let Sink::Object { writer, .. } = &mut self.sink {
            put(writer, bytes).await?;
        }
        Ok(())
    }

    /// Ends the upload: the content is durable when this is `Ok`, and the record goes on.
    ///
    /// # Errors
    /// [`Error::DigestMismatch`] if other bytes came than were announced; then nothing is kept.
    pub async fn finish(mut self) -> Result<(), Error> {
        let found = std::mem::take(&mut self.hasher).finish();
        if found != self.digest {
            return Err(Error::DigestMismatch { expected: self.digest, found });
        }
        let inline = match std::mem::replace(&mut self.sink, Sink::Present) {
            Sink::Memory(gathered) => Some(gathered.freeze()),
            Sink::Object { path, writer } => {
                let objects = &self.shared.objects;
                writer.finish().await.map_err(|error| Error::internal("store content", error))?;
                objects
                    .rename(&path, &objects::blob_path(&self.digest))
                    .await
                    .map_err(|error| Error::internal("move content to its place", error))?;
                None
            }
            Sink::Present => return go_on(&self.shared, &self.row, &self.digest, Batch::new()).await,
        };
        let stored = content::insert(&self.digest, self.received, inline, self.shared.clock.now_ms());
        go_on(&self.shared, &self.row, &self.digest, vec![stored]).await
    }
}

/// Writes the content's row, and lets the record be judged if this was all that it waited for.
async fn go_on(shared: &Shared, row: &PendingRow, digest: &Digest, batch: Batch) -> Result<(), Error> {
    let missing = publish::missing_of(shared, row).await?;
    if missing.iter().all(|other| other == digest) {
        publish::go_on(shared, row, batch, Duration::ZERO).await.map(drop)
    } else {
        Ok(shared.db.write(batch).await?)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Sink::Object { writer, .. } = std::mem::replace(&mut self.sink, Sink::Present) {
            tokio::spawn(async move {
                if let Err(error) = writer.abort().await {
                    tracing::warn!(%error, "couldn't remove a broken-off upload");
                }
            });
        }
    }
}

async fn open_object(objects: &Arc<dyn ObjectStore>, first: Bytes) -> Result<Sink, Error> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| Error::internal("name an upload", error))?;
    let name: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let path = objects::upload_path(&name);
    let upload =
        objects.put_multipart(&path).await.map_err(|error| Error::internal("begin an upload", error))?;
    let mut writer = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
    put(&mut writer, first).await?;
    Ok(Sink::Object { path, writer })
}

async fn put(writer: &mut WriteMultipart, bytes: Bytes) -> Result<(), Error> {
    writer.wait_for_capacity(PARTS_AT_ONCE).await.map_err(|error| Error::internal("store content", error))?;
    writer.put(bytes);
    Ok(())
}
