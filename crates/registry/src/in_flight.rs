//! Records whose verdict is on its way: each once, whoever hands it in.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::Shared;
use tokio::sync::oneshot;
use wargate_core::id::{LogId, RecordId};
use wargate_core::plan::Verdict;

use crate::clock::Clock;
use crate::repository::releasing::Hold;

/// Tells the verdict, once.
pub(crate) type VerdictSender = oneshot::Sender<Verdict>;

/// Waits for the verdict. It is closed without one when the sequencer dropped the record. Who waits is woken in the
/// order in which they came: a simulation can replay it.
pub(crate) type VerdictReceiver = Shared<oneshot::Receiver<Verdict>>;

/// How waiting for a verdict ended.
pub(crate) enum Heard {
    Verdict(Verdict),
    /// It takes longer than anybody was ready to wait.
    Late,
    /// The sequencer reloads: what is in the ledger counts, and what isn't was never promised.
    Dropped,
}

/// Waits up to `wait` for a verdict.
pub(crate) async fn hear(clock: &dyn Clock, verdict: VerdictReceiver, wait: Duration) -> Heard {
    tokio::select! {
        biased;
        heard = verdict => heard.map_or(Heard::Dropped, Heard::Verdict),
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

/// A record in flight.
struct Flight {
    verdict: VerdictReceiver,
    /// What must not be deleted before.
    holds: Vec<Hold>,
}

/// The records in flight.
#[derive(Default)]
pub(crate) struct RecordsInFlight(Mutex<BTreeMap<Key, Flight>>);

impl RecordsInFlight {
    fn records(&self) -> MutexGuard<'_, BTreeMap<Key, Flight>> {
        // A panic elsewhere left the map whole: every change of it is one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(&self, log: LogId, record: RecordId) -> InFlight {
        let mut records = self.records();
        if let Some(flight) = records.get(&(log, record)) {
            return InFlight::Same(flight.verdict.clone());
        }
        let (sender, receiver) = oneshot::channel();
        let receiver = receiver.shared();
        records.insert((log, record), Flight { verdict: receiver.clone(), holds: Vec::new() });
        InFlight::First(sender, receiver)
    }

    pub(crate) fn holds(&self, log: &LogId, record: &RecordId) -> bool {
        self.records().contains_key(&(*log, *record))
    }

    /// Holds something until the verdict, whoever stops waiting for it.
    pub(crate) fn hold(&self, log: LogId, record: RecordId, hold: Hold) {
        if let Some(flight) = self.records().get_mut(&(log, record)) {
            flight.holds.push(hold);
        }
    }

    pub(crate) fn end(&self, log: &LogId, record: &RecordId) {
        self.records().remove(&(*log, *record));
    }

    /// Everything that was in flight is dropped.
    pub(crate) fn clear(&self) {
        self.records().clear();
    }
}
