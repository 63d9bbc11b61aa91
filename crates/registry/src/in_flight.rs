//! Records whose verdict is on its way: each once, whoever hands it in.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use wargate_core::id::{LogId, RecordId};
use wargate_core::plan::Verdict;

use crate::clock::Clock;

/// Tells the verdict, once.
pub(crate) type VerdictSender = watch::Sender<Option<Verdict>>;

/// Waits for the verdict. It is closed without one when the sequencer dropped the record.
pub(crate) type VerdictReceiver = watch::Receiver<Option<Verdict>>;

/// How waiting for a verdict ended.
pub(crate) enum Heard {
    Verdict(Verdict),
    /// It takes longer than anybody was ready to wait.
    Late,
    /// The sequencer reloads: what is in the ledger counts, and what isn't was never promised.
    Dropped,
}

/// Waits up to `wait` for a verdict.
pub(crate) async fn hear(clock: &dyn Clock, mut verdict: VerdictReceiver, wait: Duration) -> Heard {
    tokio::select! {
        biased;
        heard = verdict.wait_for(Option::is_some) => match heard.map(|verdict| verdict.clone()) {
            Ok(Some(verdict)) => Heard::Verdict(verdict),
            Ok(None) | Err(_) => Heard::Dropped,
        },
        () = clock.sleep(wait) => Heard::Late,
    }
}

/// Whether a record is handed in for the first time.
pub(crate) enum InFlight {
    First(VerdictSender, VerdictReceiver),
    Same(VerdictReceiver),
}

/// A record's id tells its contents only: two logs may hold the same.
type Key = (LogId, RecordId);

/// The records in flight.
#[derive(Default)]
pub(crate) struct RecordsInFlight(Mutex<HashMap<Key, VerdictReceiver>>);

impl RecordsInFlight {
    fn records(&self) -> MutexGuard<'_, HashMap<Key, VerdictReceiver>> {
        // A panic elsewhere left the map whole: every change of it is one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(&self, log: LogId, record: RecordId) -> InFlight {
        let mut records = self.records();
        if let Some(verdict) = records.get(&(log, record)) {
            return InFlight::Same(verdict.clone());
        }
        let (sender, receiver) = watch::channel(None);
        records.insert((log, record), receiver.clone());
        InFlight::First(sender, receiver)
    }

    pub(crate) fn holds(&self, log: &LogId, record: &RecordId) -> bool {
        self.records().contains_key(&(*log, *record))
    }

    pub(crate) fn end(&self, log: &LogId, record: &RecordId) {
        self.records().remove(&(*log, *record));
    }

    /// Everything that was in flight is dropped.
    pub(crate) fn clear(&self) {
        self.records().clear();
    }
}
