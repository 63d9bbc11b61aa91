//! Whole short logs in memory, so that a hot log costs neither SQL nor decoding. Bounded in bytes.

use std::sync::{Arc, Mutex, PoisonError};

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

/// Logs as they are now: a commit removes what it touches before anyone can pin it.
pub(crate) struct LogCache {
    logs: Cache<LogId, Arc<Vec<PublishedRecord>>, ByBytes>,
    /// Held while logs go in and while the state changes, so that no log goes in that a new state already outdated.
    changing: Mutex<()>,
}

impl LogCache {
    pub(crate) fn new() -> Self {
        let expected = usize::try_from(LOG_CACHE_BYTES / 1024).unwrap_or(usize::MAX);
        Self { logs: Cache::with_weighter(expected, LOG_CACHE_BYTES, ByBytes), changing: Mutex::new(()) }
    }

    /// Bytes that it holds, by its own reckoning.
    pub(crate) fn bytes(&self) -> u64 {
        self.logs.weight()
    }

    /// All records of a log, if they are at hand; those of a snapshot are the ones below its size.
    pub(crate) fn get(&self, log: &LogId) -> Option<Arc<Vec<PublishedRecord>>> {
        self.logs.get(log)
    }

    /// Keeps a whole log that was read, if nothing was committed since the read began.
    pub(crate) fn keep(
        &self,
        log: &LogId,
        records: &Arc<Vec<PublishedRecord>>,
        is_current: impl FnOnce() -> bool,
    ) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if records.len() <= CACHED_LOG_RECORDS_MAX && is_current() {
            self.logs.insert(*log, records.clone());
        }
    }

    /// Forgets the logs that a commit touched, and lets its state be seen.
    pub(crate) fn follow<'a>(&self, touched: impl Iterator<Item = &'a LogId>, show: impl FnOnce()) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        for log in touched {
            self.logs.remove(log);
        }
        show();
    }

    /// Forgets everything, and lets a state be seen that was loaded anew.
    pub(crate) fn begin_anew(&self, show: impl FnOnce()) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.logs.clear();
        show();
    }
}
