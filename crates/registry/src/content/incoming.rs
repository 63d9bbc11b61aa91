//! Bytes that are arriving: hashed while they are written, never trusted before their digest is known.
//!
//! Small content is gathered in memory and becomes a row; anything larger is streamed into an object of its own
//! and moved to its place when it is whole. What is dropped leaves nothing that is ever served.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, WriteMultipart};
use wargate_core::digest::{Digest, Hasher};

use super::{HostedContent, Placement, placement};
use crate::db::Statement;
use crate::error::Error;
use crate::objects;
use crate::random;
use crate::shared::Shared;
use crate::tables::content::{self, ContentRow};

/// Bytes in a part of an object that is being written: the least that buckets take.
const PART_BYTES: usize = 5 * 1024 * 1024;

/// Parts that may be on their way to the objects at once.
const PARTS_AT_ONCE: usize = 2;

/// Content that is arriving.
pub(crate) struct Incoming {
    hasher: Hasher,
    received: u64,
    bytes_max: u64,
    sink: Sink,
    objects: Arc<dyn ObjectStore>,
}

/// Where the bytes go.
enum Sink {
    /// Still small.
    Memory(BytesMut),
    /// Streamed into an object.
    Object { path: Path, writer: WriteMultipart },
    /// Nowhere: the content is here already, or was taken out.
    Nowhere,
}

/// Content that arrived whole and is where it belongs, but for the row that tells so.
pub(crate) struct Arrived {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// The bytes, if the row is their place.
    pub(crate) inline: Option<Bytes>,
}

impl Arrived {
    /// Bytes that are here whole.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self { digest: Digest::of(&bytes), size: bytes.len() as u64, inline: Some(bytes) }
    }

    /// Puts bytes that are here whole where content of their size belongs.
    pub(crate) async fn place(mut self, objects: &Arc<dyn ObjectStore>) -> Result<Self, Error> {
        if placement(self.size) == Placement::Object
            && let Some(bytes) = self.inline.take()
        {
            objects::put(objects, &objects::blob_path(&self.digest), bytes).await?;
        }
        Ok(self)
    }

    /// The content as it lies.
    pub(crate) fn hosted(&self, objects: Arc<dyn ObjectStore>) -> HostedContent {
        HostedContent::new(self.digest, ContentRow { size: self.size, inline: self.inline.clone() }, objects)
    }

    /// The row that makes it stored.
    pub(crate) fn row(&self, now_ms: u64) -> Statement {
        content::insert(&self.digest, self.size, self.inline.clone(), now_ms)
    }
}

impl Incoming {
    /// Nothing has arrived yet; `declared` is what the sender says that will, in bytes.
    pub(crate) fn begin(shared: &Shared, declared: Option<u64>) -> Result<Self, Error> {
        let bytes_max = shared.config.content_bytes_max;
        if declared.is_some_and(|size| size > bytes_max) {
            return Err(Error::TooLarge { bytes_max });
        }
        let (hasher, sink) = (Hasher::new(), Sink::Memory(BytesMut::new()));
        Ok(Self { hasher, received: 0, bytes_max, sink, objects: shared.objects.clone() })
    }

    /// Bytes that arrived so far.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// From here on bytes are checked and dropped: the content is here already.
    pub(crate) fn check_only(&mut self) {
        self.sink = Sink::Nowhere;
    }

    /// Takes in more bytes.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        let received = self.received + bytes.len() as u64;
        if received > self.bytes_max {
            return Err(Error::TooLarge { bytes_max: self.bytes_max });
        }
        match &mut self.sink {
            Sink::Memory(gathered) => {
                gathered.extend_from_slice(&bytes);
                if placement(gathered.len() as u64) == Placement::Object {
                    let gathered = std::mem::take(gathered).freeze();
                    self.sink = open_object(&self.objects, gathered).await?;
                }
            }
            Sink::Object { writer, .. } => put(writer, bytes.clone()).await?,
            Sink::Nowhere => {}
        }
        self.hasher.update(&bytes);
        self.received = received;
        Ok(())
    }

    /// Ends it: the bytes are where they belong, durable but for a row.
    ///
    /// # Errors
    /// [`Error::DigestMismatch`] if other bytes came than `expected`; then nothing is kept.
    pub(crate) async fn finish(mut self, expected: &Digest) -> Result<Arrived, Error> {
        let digest = std::mem::take(&mut self.hasher).finish();
        if digest != *expected {
            return Err(Error::DigestMismatch { expected: *expected, found: digest });
        }
        let inline = match std::mem::replace(&mut self.sink, Sink::Nowhere) {
            Sink::Memory(gathered) => Some(gathered.freeze()),
            Sink::Object { path, writer } => {
                writer.finish().await.map_err(|error| Error::internal("store content", error))?;
                self.objects
                    .rename(&path, &objects::blob_path(&digest))
                    .await
                    .map_err(|error| Error::internal("move content to its place", error))?;
                None
            }
            Sink::Nowhere => None,
        };
        Ok(Arrived { digest, size: self.received, inline })
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Sink::Object { writer, .. } = std::mem::replace(&mut self.sink, Sink::Nowhere) {
            tokio::spawn(async move {
                if let Err(error) = writer.abort().await {
                    tracing::warn!(%error, "couldn't remove a broken-off upload");
                }
            });
        }
    }
}

async fn open_object(objects: &Arc<dyn ObjectStore>, first: Bytes) -> Result<Sink, Error> {
    let path = objects::upload_path(&random::id()?);
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
