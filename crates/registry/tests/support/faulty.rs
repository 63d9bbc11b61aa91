//! Engines that fail, dawdle or are full while a test says so.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};
use wargate_registry::Room;
use wargate_registry::db::{Batch, Db, DbError, DbKind, Row, Statement};

/// What the disk does now.
#[derive(Debug, Default)]
pub struct Faults {
    /// Writes fail: the disk is full.
    pub full: AtomicBool,
    /// Writes fail: the disk is read-only.
    pub read_only: AtomicBool,
    /// So many writes of the ledger are done, and nobody is told.
    pub unanswered: AtomicUsize,
    /// So many parts of an upload fail.
    pub failing_parts: AtomicUsize,
    /// Each write takes so long, in ms.
    pub slow_ms: AtomicU64,
    /// Writes wait as long as this is set.
    pub held: AtomicBool,
    /// Writes under way now, and at most.
    pub under_way: AtomicUsize,
    pub under_way_max: AtomicUsize,
}

impl Faults {
    pub fn set(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    fn kind(&self) -> Option<io::ErrorKind> {
        if self.full.load(Ordering::SeqCst) {
            return Some(io::ErrorKind::StorageFull);
        }
        self.read_only.load(Ordering::SeqCst).then_some(io::ErrorKind::ReadOnlyFilesystem)
    }

    /// Takes one of a number of faults, if there is one left.
    fn take(left: &AtomicUsize) -> bool {
        left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }

    async fn dawdle(&self) {
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.under_way_max.fetch_max(now, Ordering::SeqCst);
        let slow = self.slow_ms.load(Ordering::SeqCst);
        if slow > 0 {
            tokio::time::sleep(Duration::from_millis(slow)).await;
        }
        while self.held.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.under_way.fetch_sub(1, Ordering::SeqCst);
    }

    async fn write(&self) -> Result<()> {
        self.dawdle().await;
        self.kind().map_or(Ok(()), |kind| Err(failed(kind)))
    }
}

fn failed(kind: io::ErrorKind) -> object_store::Error {
    object_store::Error::Generic { store: "Faulty", source: Box::new(io::Error::from(kind)) }
}

/// A ledger whose writes have these faults.
pub struct FaultyDb(pub Arc<dyn Db>, pub Arc<Faults>);

#[async_trait]
impl Db for FaultyDb {
    async fn read(&self, statements: Vec<Statement>) -> std::result::Result<Vec<Vec<Row>>, DbError> {
        self.0.read(statements).await
    }

    async fn write(&self, batch: Batch) -> std::result::Result<(), DbError> {
        self.1.dawdle().await;
        match self.1.kind() {
            Some(io::ErrorKind::StorageFull) => {
                Err(DbError::NoRoom { reason: "database or disk is full".to_owned() })
            }
            Some(kind) => Err(DbError::Unwritable { reason: kind.to_string() }),
            None => {
                self.0.write(batch).await?;
                if Faults::take(&self.1.unanswered) {
                    return Err(DbError::Unknown { reason: "it broke off".to_owned() });
                }
                Ok(())
            }
        }
    }

    async fn check(&self) -> Result<Vec<String>, DbError> {
        self.0.check().await
    }

    fn syncs(&self) -> u64 {
        self.0.syncs()
    }

    fn kind(&self) -> DbKind {
        self.0.kind()
    }
}

/// Objects whose writes have these faults.
#[derive(Debug)]
pub struct FaultyObjects(pub Arc<dyn ObjectStore>, pub Arc<Faults>);

impl std::fmt::Display for FaultyObjects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "faulty {}", self.0)
    }
}

#[async_trait]
impl ObjectStore for FaultyObjects {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.1.write().await?;
        self.0.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.1.write().await?;
        let upload = self.0.put_multipart_opts(path, options).await?;
        Ok(Box::new(FaultyUpload(upload, self.1.clone())))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(path, options).await
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<bytes::Bytes>> {
        self.0.get_ranges(path, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.1.write().await?;
        self.0.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.1.write().await?;
        self.0.rename_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct FaultyUpload(Box<dyn MultipartUpload>, Arc<Faults>);

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let part = self.0.put_part(data);
        let faults = self.1.clone();
        Box::pin(async move {
            faults.write().await?;
            if Faults::take(&faults.failing_parts) {
                return Err(failed(io::ErrorKind::StorageFull));
            }
            part.await
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.1.write().await?;
        self.0.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.0.abort().await
    }
}

/// A disk with as much room as a test says.
pub struct TestRoom {
    pub free: AtomicU64,
    pub read_only: AtomicBool,
    pub looks: AtomicUsize,
}

impl TestRoom {
    pub fn new(free: u64) -> Arc<Self> {
        Arc::new(Self {
            free: AtomicU64::new(free),
            read_only: AtomicBool::new(false),
            looks: AtomicUsize::new(0),
        })
    }

    pub fn set(&self, free: u64) {
        self.free.store(free, Ordering::SeqCst);
    }
}

impl Room for TestRoom {
    fn free_bytes(&self) -> io::Result<u64> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        if self.read_only.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        Ok(self.free.load(Ordering::SeqCst))
    }
}
