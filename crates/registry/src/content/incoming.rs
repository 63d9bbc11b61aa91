//! Bytes that are arriving: hashed while they are written, never trusted before their digest is known.
//!
//! Small content is gathered in memory and becomes a row; anything larger is streamed into an object of its own
//! and moved to its place when it is whole. What is dropped leaves nothing that is ever served.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload, WriteMultipart};
use wargate_core::digest::{Digest, Hasher};
use wargate_wire::oci::path::SessionId;
use wargate_wire::oci::reference::{Algorithm, ContentDigest, Sha512Hasher};

use super::places::{Places, Placing};
use super::{HostedContent, Placement, leases, placement};
use crate::db::Statement;
use crate::error::Error;
use crate::limits::UNWRITABLE_RETRY_AFTER;
use crate::objects;
use crate::random;
use crate::room::RoomWatch;
use crate::shared::Shared;
use crate::tables::content::{self, ContentRow};
use crate::tables::sweep;

/// Parts that may be on their way to the objects at once.
const PARTS_AT_ONCE: usize = 2;

/// The objects that content is arriving in: those are not garbage.
#[derive(Debug, Default)]
pub(crate) struct OpenUploads(Mutex<HashSet<Path>>);

impl OpenUploads {
    fn paths(&self) -> MutexGuard<'_, HashSet<Path>> {
        // A panic elsewhere left the set whole: every change of it is one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn holds(&self, path: &Path) -> bool {
        self.paths().contains(path)
    }

    fn open(self: &Arc<Self>, path: Path) -> OpenUpload {
        self.paths().insert(path.clone());
        OpenUpload { path, all: self.clone() }
    }
}

/// An object that content is arriving in, until this is dropped.
struct OpenUpload {
    path: Path,
    all: Arc<OpenUploads>,
}

impl Drop for OpenUpload {
    fn drop(&mut self) {
        self.all.paths().remove(&self.path);
    }
}

/// Content that is arriving.
pub(crate) struct Incoming {
    hasher: Hasher,
    received: u64,
    bytes_max: u64,
    sink: Sink,
    staging: Staging,
}

/// Where the bytes lie until their digest is known, if they become many.
struct Staging {
    objects: Arc<dyn ObjectStore>,
    uploads: Arc<OpenUploads>,
    room: Arc<RoomWatch>,
    places: Arc<Places>,
    path: Path,
    part_bytes: usize,
}

/// Where the bytes go.
enum Sink {
    /// Still small.
    Memory(BytesMut),
    /// Streamed into an object.
    Object { upload: OpenUpload, writer: WriteMultipart },
    /// Nowhere: the content is here already, or was taken out.
    Nowhere,
    /// A piece was lost on its way here: what was hashed is no longer what is kept.
    Broken,
}

/// Content that arrived whole and is where it belongs, but for the rows that tell so: whoever has it keeps it until they
/// are durable.
pub(crate) struct Arrived {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// The bytes, if the row is their place.
    pub(crate) inline: Option<Bytes>,
    /// Keeps the sweep from their object.
    placing: Option<Placing>,
}

impl Arrived {
    /// Bytes that are here whole.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self { digest: Digest::of(&bytes), size: bytes.len() as u64, inline: Some(bytes), placing: None }
    }

    /// Puts bytes that are here whole where content of their size belongs.
    pub(crate) async fn place(mut self, shared: &Shared) -> Result<Self, Error> {
        if placement(self.size) == Placement::Object
            && let Some(bytes) = self.inline.take()
        {
            self.placing = Some(shared.places.place(self.digest).await);
            let path = objects::blob_path(&self.digest);
            let put = shared.objects.put(&path, PutPayload::from_bytes(bytes)).await;
            put.map_err(|error| shared.room.storing("store content", &error))?;
        }
        Ok(self)
    }

    /// The content as it lies.
    pub(crate) fn hosted(&self, objects: Arc<dyn ObjectStore>) -> HostedContent {
        HostedContent::new(self.digest, ContentRow { size: self.size, inline: self.inline.clone() }, objects)
    }

    /// The rows that make it stored, and leased if it was stored before.
    pub(crate) fn rows(&self, shared: &Shared) -> [Statement; 2] {
        let now_ms = shared.clock.now_ms();
        let older_ms = now_ms.saturating_sub(leases::renewed_after_ms(shared.config.retention.lease));
        [
            content::insert(&self.digest, self.size, self.inline.clone(), now_ms),
            sweep::lease_older(&self.digest, older_ms, now_ms),
        ]
    }
}

impl Incoming {
    /// Nothing has arrived yet; `declared` is what the sender says that will, in bytes.
    pub(crate) fn begin(shared: &Shared, declared: Option<u64>) -> Result<Self, Error> {
        let bytes_max = shared.config.content_bytes_max;
        if declared.is_some_and(|size| size > bytes_max) {
            return Err(Error::TooLarge { bytes_max });
        }
        shared.room.check(declared.unwrap_or(0))?;
        let (hasher, sink) = (Hasher::new(), Sink::Memory(BytesMut::new()));
        let staging = Staging {
            objects: shared.objects.clone(),
            uploads: shared.uploads.clone(),
            room: shared.room.clone(),
            places: shared.places.clone(),
            path: objects::upload_path(&SessionId::from_bytes(random::bits(&*shared.config.random)?)),
            part_bytes: shared.config.upload_part_bytes,
        };
        Ok(Self { hasher, received: 0, bytes_max, sink, staging })
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
        if !matches!(self.sink, Sink::Nowhere) {
            self.staging.room.take(bytes.len() as u64)?;
        }
        // Broken until it is done: a caller that gave up in between, or an error, must not leave a piece out.
        let sink = std::mem::replace(&mut self.sink, Sink::Broken);
        self.sink = sink.take_in(&self.staging, bytes.clone()).await?;
        self.hasher.update(&bytes);
        self.received = received;
        Ok(())
    }

    /// Ends it: the bytes are where they belong, durable but for a row.
    ///
    /// # Errors
    /// [`Error::DigestMismatch`] if other bytes came than `expected`; then nothing is kept.
    pub(crate) async fn finish(mut self, expected: &ContentDigest) -> Result<Arrived, Error> {
        let digest = std::mem::take(&mut self.hasher).finish();
        if expected.algorithm() == Algorithm::Sha256 {
            check(expected, digest.into())?;
        }
        let mut placing = None;
        let inline = match std::mem::replace(&mut self.sink, Sink::Nowhere) {
            Sink::Memory(gathered) => {
                let bytes = gathered.freeze();
                if expected.algorithm() == Algorithm::Sha512 {
                    check(expected, ContentDigest::of(Algorithm::Sha512, &bytes))?;
                }
                Some(bytes)
            }
            Sink::Object { upload, writer } => {
                let (staging, path) = (&self.staging, &upload.path);
                writer.finish().await.map_err(|error| staging.room.storing("store content", &error))?;
                let placed = staging.place(path, self.received, expected, &digest).await;
                if placed.is_err()
                    && let Err(error) = staging.objects.delete(path).await
                {
                    tracing::warn!(%error, %path, "couldn't remove content that could not be placed");
                }
                placing = Some(placed?);
                None
            }
            Sink::Nowhere => None,
            Sink::Broken => return Err(broken()),
        };
        Ok(Arrived { digest, size: self.received, inline, placing })
    }
}

/// Whether the bytes are those that were announced.
pub(crate) fn check(expected: &ContentDigest, found: ContentDigest) -> Result<(), Error> {
    if found == *expected {
        return Ok(());
    }
    Err(Error::DigestMismatch { expected: Box::new(*expected), found: Box::new(found) })
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Sink::Object { writer, upload } = std::mem::replace(&mut self.sink, Sink::Nowhere) {
            tokio::spawn(async move {
                let _open = upload;
                abort(writer).await;
            });
        }
    }
}

impl Sink {
    /// The same with more bytes.
    async fn take_in(self, staging: &Staging, bytes: Bytes) -> Result<Self, Error> {
        match self {
            Self::Memory(mut gathered) => {
                gathered.extend_from_slice(&bytes);
                match placement(gathered.len() as u64) {
                    Placement::Ledger => Ok(Self::Memory(gathered)),
                    Placement::Object => staging.open(gathered.freeze()).await,
                }
            }
            Self::Object { upload, writer } => staging.put(upload, writer, bytes).await,
            Self::Nowhere => Ok(Self::Nowhere),
            Self::Broken => Err(broken()),
        }
    }
}

/// Whoever sends more to what broke off must begin again.
fn broken() -> Error {
    Error::Unwritable { retry_after: UNWRITABLE_RETRY_AFTER }
}

impl Staging {
    /// Begins the object with these bytes.
    async fn open(&self, first: Bytes) -> Result<Sink, Error> {
        let upload = self.uploads.open(self.path.clone());
        let begun = self.objects.put_multipart(&upload.path).await;
        let parts = begun.map_err(|error| self.room.storing("begin an upload", &error))?;
        self.put(upload, WriteMultipart::new_with_chunk_size(parts, self.part_bytes), first).await
    }

    /// Hands bytes to the object; when an earlier part failed, nothing of it stays.
    async fn put(&self, upload: OpenUpload, mut writer: WriteMultipart, bytes: Bytes) -> Result<Sink, Error> {
        if let Err(error) = writer.wait_for_capacity(PARTS_AT_ONCE).await {
            abort(writer).await;
            return Err(self.room.storing("store content", &error));
        }
        writer.put(bytes);
        Ok(Sink::Object { upload, writer })
    }

    /// Moves what was staged to its place, if it has the digest that was announced.
    async fn place(
        &self,
        path: &Path,
        size: u64,
        expected: &ContentDigest,
        digest: &Digest,
    ) -> Result<Placing, Error> {
        if expected.algorithm() == Algorithm::Sha512 {
            // Read once more: nobody said before that its SHA-512 would be asked for.
            let gone = || Error::internal("read a staged upload", format!("`{path}` is missing"));
            let mut body = objects::stream(&self.objects, path, 0..size).await?.ok_or_else(gone)?;
            let mut hasher = Sha512Hasher::default();
            while let Some(piece) = body.next().await {
                hasher.update(&piece?);
            }
            check(expected, hasher.finish())?;
        }
        let placing = self.places.place(*digest).await;
        let placed = self.objects.rename(path, &objects::blob_path(digest)).await;
        placed.map_err(|error| self.room.storing("move content to its place", &error))?;
        Ok(placing)
    }
}

async fn abort(writer: WriteMultipart) {
    if let Err(error) = writer.abort().await {
        tracing::warn!(%error, "couldn't remove a broken-off upload");
    }
}
