//! Content that is too large to be a row of the ledger, streamed from one store to another.

use std::sync::Arc;

use futures::{Stream, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, WriteMultipart};
use wargate_core::digest::{Digest, Hasher};

use super::{BackupError, CopyCounts};
use crate::db::Db;
use crate::error::Error;
use crate::limits::{BUCKET_PART_BYTES, COPY_ROWS};
use crate::objects::{self, Body};
use crate::tables::content;

/// Parts of one blob that may be on their way at once.
const PARTS_AT_ONCE: usize = 1;

/// A blob that the ledger says is stored.
pub(super) struct Blob {
    pub(super) digest: Digest,
    pub(super) size: u64,
}

/// All content that is an object, by digest.
pub(super) fn needed(ledger: &dyn Db) -> impl Stream<Item = Result<Blob, BackupError>> {
    let windows = futures::stream::try_unfold(None, move |after: Option<Digest>| async move {
        let statement = content::select_objects(after.as_ref(), COPY_ROWS);
        let rows = ledger.read(vec![statement]).await.map_err(Error::from)?;
        let blobs = content::objects(rows.into_iter().next().unwrap_or_default())?;
        let last = blobs.last().map(|(digest, _)| *digest);
        Ok::<_, BackupError>(last.map(|last| (blobs, Some(last))))
    });
    let blob = |(digest, size)| Ok(Blob { digest, size });
    windows.map_ok(move |blobs| futures::stream::iter(blobs.into_iter().map(blob))).try_flatten()
}

impl Blob {
    pub(super) fn path(&self) -> Path {
        objects::blob_path(&self.digest)
    }

    /// Copies it, if it is what its name says.
    pub(super) async fn copy(
        &self,
        from: &Arc<dyn ObjectStore>,
        to: &Arc<dyn ObjectStore>,
        counts: &CopyCounts,
    ) -> Result<(), BackupError> {
        let path = self.path();
        let found = super::size_of(from, &path).await?;
        let found = found.ok_or_else(|| BackupError::Missing { path: path.clone() })?;
        if found != self.size {
            let reason = format!("it has {found} bytes, the ledger says {}", self.size);
            return Err(BackupError::damaged(&path, reason));
        }
        let body = objects::stream(from, &path, 0..self.size).await?;
        let body = body.ok_or_else(|| BackupError::Missing { path: path.clone() })?;
        let failed = |error: object_store::Error| Error::internal(&format!("write the object {path}"), error);
        let upload = to.put_multipart(&path).await.map_err(failed)?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, BUCKET_PART_BYTES);
        // It appears under its name only once it is whole and was found to be right.
        match self.write(body, &mut writer).await {
            Ok(()) => writer.finish().await.map_err(failed)?,
            Err(error) => {
                if let Err(error) = writer.abort().await {
                    tracing::warn!(%path, %error, "couldn't remove a broken-off copy");
                }
                return Err(error);
            }
        };
        counts.add(self.size);
        Ok(())
    }

    async fn write(&self, mut body: Body, writer: &mut WriteMultipart) -> Result<(), BackupError> {
        let mut hasher = Hasher::new();
        while let Some(piece) = body.next().await {
            let piece = piece?;
            hasher.update(&piece);
            let room = writer.wait_for_capacity(PARTS_AT_ONCE).await;
            room.map_err(|error| Error::internal(&format!("write the object {}", self.path()), error))?;
            writer.put(piece);
        }
        let found = hasher.finish();
        if found != self.digest {
            return Err(BackupError::damaged(&self.path(), format!("its bytes have the digest {found}")));
        }
        Ok(())
    }
}
