//! Engines that end everything at one of the changes that are made through them.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::Notify;
use wargate_registry::db::{Batch, Db, DbError, DbKind, Row, Statement};

/// Counts changes, and stops at one of them, before or after it is made.
#[derive(Debug)]
pub struct Steps {
    taken: AtomicUsize,
    crash_at: usize,
    after: bool,
    crashed: Notify,
}

impl Steps {
    pub fn never() -> Arc<Self> {
        Self::crash_at(usize::MAX, false)
    }

    pub fn crash_at(crash_at: usize, after: bool) -> Arc<Self> {
        Arc::new(Self { taken: AtomicUsize::new(0), crash_at, after, crashed: Notify::new() })
    }

    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    /// Makes a change, or never returns.
    async fn take<T>(&self, change: impl Future<Output = T>) -> T {
        let at = self.taken.fetch_add(1, Ordering::SeqCst);
        if at < self.crash_at {
            return change.await;
        }
        if at == self.crash_at {
            if self.after {
                change.await;
            }
            self.crashed.notify_one();
        }
        std::future::pending().await
    }

    /// Runs until the crash, and drops what was under way.
    pub async fn drop_at_crash<T: std::fmt::Debug>(&self, work: impl Future<Output = T>) {
        tokio::select! {
            done = work => panic!("it came to its end: {done:?}"),
            () = self.crashed.notified() => {}
        }
    }
}

pub fn ledger(db: Arc<dyn Db>, steps: &Arc<Steps>) -> Arc<dyn Db> {
    Arc::new(Ledger(db, steps.clone()))
}

pub fn objects(objects: Arc<dyn ObjectStore>, steps: &Arc<Steps>) -> Arc<dyn ObjectStore> {
    Arc::new(Objects(objects, steps.clone()))
}

struct Ledger(Arc<dyn Db>, Arc<Steps>);

#[async_trait]
impl Db for Ledger {
    async fn read(&self, statements: Vec<Statement>) -> std::result::Result<Vec<Vec<Row>>, DbError> {
        self.0.read(statements).await
    }

    async fn write(&self, batch: Batch) -> std::result::Result<(), DbError> {
        self.1.take(self.0.write(batch)).await
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

#[derive(Debug)]
struct Objects(Arc<dyn ObjectStore>, Arc<Steps>);

impl std::fmt::Display for Objects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("objects that crash")
    }
}

#[async_trait]
impl ObjectStore for Objects {
    async fn put_opts(&self, at: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.1.take(self.0.put_opts(at, payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        o: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(at, o).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(at, options).await
    }

    async fn get_ranges(&self, at: &Path, ranges: &[Range<u64>]) -> Result<Vec<bytes::Bytes>> {
        self.0.get_ranges(at, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (inner, steps) = (self.0.clone(), self.1.clone());
        let one = move |path: Result<Path>| {
            let (inner, steps) = (inner.clone(), steps.clone());
            async move {
                let mut deleted = inner.delete_stream(futures::stream::iter([path]).boxed());
                steps.take(deleted.next()).await.unwrap()
            }
        };
        paths.then(one).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}
