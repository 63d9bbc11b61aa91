//! The objects in the simulation: in memory, behind faults, and watched: what is written once never changes.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use wargate_core::digest::Digest;
use wargate_core::map::segment;

use crate::faults::{Fate, Faults};

/// The one object that is replaced.
pub const CHECKPOINT: &str = "log/checkpoint";

/// Other readers may see what was before a write for so many calls.
const STALE_CALLS: u64 = 24;

pub struct SimObjects {
    pub inner: InMemory,
    faults: Arc<Faults>,
    /// Whose they are, or who asks, in the names of calls.
    whose: &'static str,
    seen: Arc<Mutex<HashMap<Path, Seen>>>,
}

/// Whether a map segment was written anew without some of its pages, as the removal of garbage does.
fn is_less_of(path: &Path, before: &[u8], after: &[u8]) -> bool {
    let size = path.as_ref().strip_prefix("log/map/").and_then(|size| size.parse::<u64>().ok());
    let Some(size) = size else { return false };
    let (Ok(before), Ok(after)) = (segment::decode(before, size), segment::decode(after, size)) else {
        return false;
    };
    after.iter().all(|page| before.contains(page))
}

/// The last write of an object.
struct Seen {
    digest: Digest,
    at_call: u64,
    before: Option<Bytes>,
}

impl SimObjects {
    pub fn new(faults: Arc<Faults>, whose: &'static str) -> Self {
        Self { inner: InMemory::new(), faults, whose, seen: Arc::default() }
    }

    /// The same objects, for somebody whose calls have a name of their own.
    pub fn seen_by(&self, whose: &'static str) -> Self {
        Self { inner: self.inner.clone(), faults: self.faults.clone(), whose, seen: self.seen.clone() }
    }

    fn call(&self, verb: &str, path: &Path) -> String {
        format!("{verb} {}{path}", self.whose)
    }

    /// Watches a write: whatever lay under a name once, also before it was deleted, is all that may ever lie there.
    async fn written(&self, path: &Path, bytes: Bytes) {
        let before = self.bytes(path).await;
        let digest = Digest::of(&bytes);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = seen.get(path)
            && known.digest != digest
            && path.as_ref() != CHECKPOINT
            && !before.as_ref().is_some_and(|before| self.may_follow(path, before, &bytes))
        {
            self.faults.violated(format!("`{path}` is written once and was written with other bytes"));
        }
        seen.insert(path.clone(), Seen { digest, at_call: self.faults.calls(), before });
    }

    /// A segment loses pages. A copy of it may get back some of them: who copies may read what was before.
    fn may_follow(&self, path: &Path, before: &[u8], after: &[u8]) -> bool {
        is_less_of(path, before, after) || (!self.whose.is_empty() && is_less_of(path, after, before))
    }

    pub async fn bytes(&self, path: &Path) -> Option<Bytes> {
        self.inner.get(path).await.ok()?.bytes().await.ok()
    }

    /// What a reader sees that is behind the last write of `path`, if that is recent.
    fn before(&self, path: &Path) -> Option<Option<Bytes>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen.get(path)?;
        (self.faults.calls() - known.at_call <= STALE_CALLS).then(|| known.before.clone())
    }

    async fn stale(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        match self.before(path) {
            None => self.inner.get_opts(path, options).await,
            Some(None) => Err(Error::NotFound { path: path.to_string(), source: "not seen yet".into() }),
            Some(Some(bytes)) => {
                let past = InMemory::new();
                past.put(path, PutPayload::from_bytes(bytes)).await?;
                past.get_opts(path, options).await
            }
        }
    }
}

impl fmt::Display for SimObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("simulated objects")
    }
}

impl fmt::Debug for SimObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimObjects")
    }
}

fn failed() -> Error {
    Error::Generic { store: "simulated objects", source: "the call failed".into() }
}

/// What is left to do with a call of this fate.
async fn settle<T>(faults: &Faults, fate: Fate, done: impl Future<Output = Result<T>>) -> Result<T> {
    match fate {
        Fate::Failed | Fate::Lost => Err(failed()),
        Fate::DoneUnheard => done.await.and(Err(failed())),
        Fate::DiesAfter => {
            let outcome = done.await;
            faults.die().await;
            outcome
        }
        Fate::Done | Fate::Slow | Fate::Stale | Fate::DiesBefore => done.await,
    }
}

#[async_trait]
impl ObjectStore for SimObjects {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let fate = self.faults.meet(self.call("put", path)).await;
        let done = async {
            self.written(path, payload.clone().into()).await;
            self.inner.put_opts(path, payload, options).await
        };
        settle(&self.faults, fate, done).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let fate = self.faults.meet(self.call("begin upload", path)).await;
        let upload = settle(&self.faults, fate, self.inner.put_multipart_opts(path, options)).await?;
        Ok(Box::new(SimUpload { inner: upload, faults: self.faults.clone(), path: self.call("", path) }))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let fate = self.faults.meet(self.call("get", path)).await;
        if fate == Fate::Stale {
            return self.stale(path, options).await;
        }
        settle(&self.faults, fate, self.inner.get_opts(path, options)).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (faults, inner, whose) = (self.faults.clone(), self.inner.clone(), self.whose);
        paths
            .then(move |path| {
                let (faults, inner) = (faults.clone(), inner.clone());
                async move {
                    let path = path?;
                    let fate = faults.meet(format!("delete {whose}{path}")).await;
                    settle(&faults, fate, inner.delete(&path)).await.map(|()| path)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let fate = self.faults.meet(format!("{} {to}", self.call("copy", from))).await;
        let done = async {
            if let Some(bytes) = self.bytes(from).await {
                self.written(to, bytes).await;
            }
            self.inner.copy_opts(from, to, options).await
        };
        settle(&self.faults, fate, done).await
    }
}

/// An upload in parts.
#[derive(Debug)]
struct SimUpload {
    inner: Box<dyn MultipartUpload>,
    faults: Arc<Faults>,
    /// Whose, and its path.
    path: String,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faults")
    }
}

#[async_trait]
impl MultipartUpload for SimUpload {
    fn put_part(&mut self, payload: PutPayload) -> UploadPart {
        let (part, faults) = (self.inner.put_part(payload), self.faults.clone());
        let what = format!("part{}", self.path);
        Box::pin(async move {
            let fate = faults.meet(what).await;
            settle(&faults, fate, part).await
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let fate = self.faults.meet(format!("complete{}", self.path)).await;
        settle(&self.faults, fate, self.inner.complete()).await
    }

    async fn abort(&mut self) -> Result<()> {
        let fate = self.faults.meet(format!("abort{}", self.path)).await;
        settle(&self.faults, fate, self.inner.abort()).await
    }
}
