//! Content by digest: where it is placed, how it comes in, how it goes out, and where else it is.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use object_store::ObjectStore;
use wargate_component::Inspection;
use wargate_core::digest::Digest;

use crate::error::Error;
use crate::limits::INLINE_CONTENT_BYTES_MAX;
use crate::objects::{self, Body};
use crate::seen_whole::SeenWhole;
use crate::shared::Shared;
use crate::tables::content::{self, ContentRow};
use crate::tables::inspections;

pub(crate) mod incoming;
pub(crate) mod leases;
pub(crate) mod places;
pub(crate) mod sources;
pub(crate) mod uploads;

pub(crate) use incoming::{Arrived, check};
pub use sources::ContentSource;

/// Where content of a size belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    /// A row of the ledger, durable with the transaction that it rides in.
    Ledger,
    /// A blob object.
    Object,
}

/// The one place that decides where content goes.
pub(crate) fn placement(size: u64) -> Placement {
    if size <= INLINE_CONTENT_BYTES_MAX { Placement::Ledger } else { Placement::Object }
}

/// Content that somebody is known to have.
#[derive(Clone)]
pub struct Content {
    /// Its digest.
    pub digest: Digest,
    /// The content that is stored here, if it is.
    pub hosted: Option<HostedContent>,
    /// Other places that were named by publishers.
    pub sources: Vec<ContentSource>,
}

/// Content that is stored here.
#[derive(Clone)]
pub struct HostedContent {
    /// Its size in bytes.
    pub size: u64,
    digest: Digest,
    inline: Option<Bytes>,
    /// Whether the bytes of small content are known to have the digest.
    is_checked: bool,
    /// What remembers that the object has it.
    seen_whole: Option<Arc<SeenWhole>>,
    objects: Arc<dyn ObjectStore>,
}

impl HostedContent {
    pub(crate) fn new(digest: Digest, row: ContentRow, objects: Arc<dyn ObjectStore>) -> Self {
        Self { size: row.size, digest, inline: row.inline, is_checked: false, seen_whole: None, objects }
    }

    /// The same, its small bytes having been checked.
    pub(crate) fn already_checked(self) -> Self {
        Self { is_checked: true, ..self }
    }

    /// The same; an object that was seen whole is not hashed again.
    pub(crate) fn remembered_by(self, seen_whole: &Arc<SeenWhole>) -> Self {
        Self { seen_whole: Some(seen_whole.clone()), ..self }
    }

    /// Its digest.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// All bytes; for content that is known to fit into memory.
    ///
    /// # Errors
    /// [`Error::Internal`] if they cannot be read.
    pub async fn bytes(&self) -> Result<Bytes, Error> {
        if let Some(bytes) = self.checked_inline()? {
            return Ok(bytes);
        }
        let path = objects::blob_path(&self.digest);
        let bytes = objects::get(&self.objects, &path).await?;
        let bytes = bytes.ok_or_else(|| objects::damaged(&path, "it is missing"))?;
        if Digest::of(&bytes) == self.digest {
            Ok(bytes)
        } else {
            Err(objects::damaged(&path, "its bytes have another digest"))
        }
    }

    /// The bytes of small content, hashed unless they were.
    pub(crate) fn checked_inline(&self) -> Result<Option<Bytes>, Error> {
        let Some(bytes) = &self.inline else { return Ok(None) };
        if self.is_checked {
            return Ok(Some(bytes.clone()));
        }
        if bytes.len() as u64 == self.size && Digest::of(bytes) == self.digest {
            return Ok(Some(bytes.clone()));
        }
        Err(objects::damaged(&format!("content {}", self.digest), "its bytes have another digest"))
    }

    /// Streams the bytes of `range`, which must lie within the size. Small content is checked before, a whole object
    /// while it streams, unless it was seen whole: one that is damaged breaks off with an error before its last piece. A
    /// part of an object is not checked.
    ///
    /// # Errors
    /// [`Error::Internal`] if the bytes cannot be read, or are damaged.
    pub async fn open(&self, range: Range<u64>) -> Result<Body, Error> {
        let end = range.end.min(self.size);
        let start = range.start.min(end);
        if let Some(bytes) = self.checked_inline()? {
            let cut = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
            let piece = bytes.slice(cut(start)..cut(end));
            return Ok(futures::stream::once(async move { Ok(piece) }).boxed());
        }
        if start == end {
            return Ok(futures::stream::empty().boxed());
        }
        let path = objects::blob_path(&self.digest);
        let missing = || objects::damaged(&path, "it is missing");
        if start > 0 || end < self.size {
            return objects::stream(&self.objects, &path, start..end).await?.ok_or_else(missing);
        }
        let (body, tag) = objects::stream_whole(&self.objects, &path).await?.ok_or_else(missing)?;
        let (digest, seen_whole) = (self.digest, self.seen_whole.clone());
        if seen_whole.as_ref().is_some_and(|seen| seen.has(&digest, tag.as_deref())) {
            return Ok(body);
        }
        let note = move || seen_whole.iter().for_each(|seen| seen.note(digest, tag.clone()));
        Ok(objects::checked(body, digest, self.size, note))
    }
}

impl std::fmt::Debug for HostedContent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostedContent").field("digest", &self.digest).field("size", &self.size).finish()
    }
}

/// Finds content.
pub(crate) async fn find(shared: &Shared, digest: &Digest) -> Result<Content, Error> {
    let statements = vec![content::select(digest), content::select_sources(digest)];
    let mut answers = shared.db.read(statements).await?.into_iter();
    let row = content::one(answers.next().unwrap_or_default())?;
    let sources = content::sources(answers.next().unwrap_or_default())?;
    if row.is_none() && sources.is_empty() {
        return Err(Error::UnknownContent { digest: *digest });
    }
    let hosted = row.map(|row| HostedContent::new(*digest, row, shared.objects.clone()));
    let sources = sources.into_iter().map(|(url, size)| ContentSource { url, size }).collect();
    Ok(Content { digest: *digest, hosted, sources })
}

/// What stored content is, as it was found before, or found now and kept; and its size in bytes.
///
/// # Errors
/// [`Error::UnknownContent`] if it is not stored here, [`Error::ContentRefused`] if it is nothing to release.
pub(crate) async fn inspected(shared: &Shared, digest: &Digest) -> Result<(Inspection, u64), Error> {
    let statements = vec![inspections::select(digest), content::select(digest)];
    let mut answers = shared.db.read(statements).await?.into_iter();
    let known = inspections::one(answers.next().unwrap_or_default())?;
    let row = content::one(answers.next().unwrap_or_default())?;
    let row = row.ok_or(Error::UnknownContent { digest: *digest })?;
    let size = row.size;
    if let Some(known) = known {
        return Ok((known, size));
    }
    let inspection = shared.inspect(&HostedContent::new(*digest, row, shared.objects.clone())).await?;
    shared.db.write(vec![inspections::insert(digest, &inspection)?]).await?;
    Ok((inspection, size))
}
