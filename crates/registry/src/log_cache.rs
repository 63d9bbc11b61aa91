//! Whole short logs in memory, so that a hot log costs neither SQL nor decoding. Bounded in bytes.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use wargate_core::id::LogId;

use crate::limits::{CACHED_LOG_RECORDS_MAX, LOG_CACHE_BYTES};
use crate::snapshot::PublishedRecord;

/// About what a record costs beside its contents, in bytes.
const RECORD_OVERHEAD_BYTES: u64 = 256;

/// About what a cached log costs beside its records, in bytes.
const LOG_OVERHEAD_BYTES: u64 = 256;

#[derive(Clone)]
struct ByBytes;

impl Weighter<LogId, Arc<Vec<PublishedRecord>>> for ByBytes {
    fn weight(&self, _: &LogId, records: &Arc<Vec<PublishedRecord>>) -> u64 {
        let contents: usize = records.iter().map(|record| record.envelope.contents.len()).sum();
        LOG_OVERHEAD_BYTES + RECORD_OVERHEAD_BYTES * records.len() as u64 + contents as u64
    }
}

/// Logs as they are now: a commit removes what it touches.
pub(crate) struct LogCache(Cache<LogId, Arc<Vec<PublishedRecord>>, ByBytes>);

impl LogCache {
    pub(crate) fn new() -> Self {
        let expected = usize::try_from(LOG_CACHE_BYTES / 1024).unwrap_or(usize::MAX);
        Self(Cache::with_weighter(expected, LOG_CACHE_BYTES, ByBytes))
    }

    /// All records of a log, if they are at hand; those of a snapshot are the ones below its size.
    pub(crate) fn get(&self, log: &LogId) -> Option<Arc<Vec<PublishedRecord>>> {
        self.0.get(log)
    }

    /// Keeps a whole log that was read. `is_current` must tell whether nothing was committed since the read began:
    /// asked after the log is in, so that either it sees a commit or that commit's removal sees the log.
    pub(crate) fn keep(
        &self,
        log: &LogId,
        records: &Arc<Vec<PublishedRecord>>,
        is_current: impl FnOnce() -> bool,
    ) {
        if records.len() > CACHED_LOG_RECORDS_MAX {
            return;
        }
        self.0.insert(*log, records.clone());
        if !is_current() {
            self.0.remove(log);
        }
    }

    /// A commit touched the log, and its state is already what new snapshots pin.
    pub(crate) fn remove(&self, log: &LogId) {
        self.0.remove(log);
    }
}
