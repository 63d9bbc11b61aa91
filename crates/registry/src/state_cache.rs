//! States of delegated logs in memory, so that a hot log costs no decoding. Bounded in bytes.
//!
//! The sequencer alone keeps what it reads and commits. A state follows from its log's records, and each names the one
//! before: it is the log's for certain while the ledger says the same head.

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use wargate_core::authority::State;
use wargate_core::id::LogId;

use crate::limits::STATE_CACHE_BYTES;

/// About what a cached state costs beside itself, in bytes.
const ENTRY_OVERHEAD_BYTES: u64 = 128;

#[derive(Clone)]
struct ByBytes;

impl Weighter<LogId, State> for ByBytes {
    fn weight(&self, _: &LogId, state: &State) -> u64 {
        ENTRY_OVERHEAD_BYTES + state.about_bytes() as u64
    }
}

/// States as of what this registry committed last.
pub(crate) struct StateCache(Cache<LogId, State, ByBytes>);

impl StateCache {
    pub(crate) fn new() -> Self {
        let expected = usize::try_from(STATE_CACHE_BYTES / 1024).unwrap_or(usize::MAX);
        Self(Cache::with_weighter(expected, STATE_CACHE_BYTES, ByBytes))
    }

    /// Bytes that it holds, by its own reckoning.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.weight()
    }

    /// A log's state. Whether its head is the log's is for the ledger to say.
    pub(crate) fn get(&self, log: &LogId) -> Option<State> {
        self.0.get(log)
    }

    /// Keeps a state that was read or committed; only for the sequencer, so that no older one takes its place.
    pub(crate) fn keep(&self, log: &LogId, state: &State) {
        self.0.insert(*log, state.clone());
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.0.clear();
    }
}
