//! Small content in memory, by its digest, so that hot content costs neither SQL nor hashing. Bounded in bytes.
//!
//! What has a digest never changes, so nothing here is ever outdated. Whether it is linked, and for whom, is asked of
//! the ledger each time.

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use wargate_core::digest::Digest;

use crate::content::{HostedContent, Placement, placement};
use crate::error::Error;
use crate::limits::CONTENT_CACHE_BYTES;
use crate::shared::Shared;
use crate::tables::content::{self, ContentRow};

/// About what cached content costs beside its bytes.
const ENTRY_OVERHEAD_BYTES: u64 = 128;

#[derive(Clone)]
struct ByBytes;

impl Weighter<Digest, Bytes> for ByBytes {
    fn weight(&self, _: &Digest, bytes: &Bytes) -> u64 {
        ENTRY_OVERHEAD_BYTES + bytes.len() as u64
    }
}

/// Content whose digest was checked when it came in.
pub(crate) struct ContentCache(Cache<Digest, Bytes, ByBytes>);

impl ContentCache {
    pub(crate) fn new() -> Self {
        let expected = usize::try_from(CONTENT_CACHE_BYTES / 4096).unwrap_or(usize::MAX);
        Self(Cache::with_weighter(expected, CONTENT_CACHE_BYTES, ByBytes))
    }

    /// Bytes that it holds, by its own reckoning.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.weight()
    }
}

/// Stored content of `size` bytes; its bytes, if they are small, from memory or from the ledger. `None` if it is gone.
///
/// # Errors
/// [`Error::Internal`] if small content is damaged.
pub(crate) async fn hosted(
    shared: &Shared,
    digest: &Digest,
    size: u64,
) -> Result<Option<HostedContent>, Error> {
    let of = |inline| HostedContent::new(*digest, ContentRow { size, inline }, shared.objects.clone());
    if placement(size) == Placement::Object {
        return Ok(Some(of(None).remembered_by(&shared.seen_whole)));
    }
    if let Some(bytes) = shared.small.0.get(digest) {
        return Ok(Some(of(Some(bytes)).already_checked()));
    }
    let rows = shared.db.read(vec![content::select(digest)]).await?.pop();
    let Some(row) = content::one(rows.unwrap_or_default())? else { return Ok(None) };
    let read = of(row.inline);
    let Some(bytes) = read.checked_inline()? else { return Ok(Some(read)) };
    shared.small.0.insert(*digest, bytes);
    Ok(Some(read.already_checked()))
}
