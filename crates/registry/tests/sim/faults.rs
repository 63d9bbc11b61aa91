//! Which call of a seam fails, and how. A call is counted, yields as often as the seed says, and then meets its fate.

use std::future::pending;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::rng::Rng;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Done,
    /// An error, and nothing was done.
    Failed,
    /// Nobody knows whether it was done; it was not.
    Lost,
    /// Nobody knows whether it was done; it was.
    DoneUnheard,
    /// The process dies before it.
    DiesBefore,
    /// It is done, and the process dies.
    DiesAfter,
    /// It takes long.
    Slow,
    /// A read that sees what was there before the last write.
    Stale,
}

/// The faults that make a difference to a call, by what it does.
pub fn faults_of(what: &str) -> &'static [Fate] {
    use Fate::{DiesAfter, DiesBefore, DoneUnheard, Failed, Lost, Slow, Stale};
    match what.split(' ').next() {
        Some("read") => &[Failed, DiesBefore, Slow],
        Some("get") => &[Failed, DiesBefore, Slow, Stale],
        Some("write" | "file") => &[Failed, Lost, DoneUnheard, DiesBefore, DiesAfter, Slow],
        _ => &[Failed, DoneUnheard, DiesBefore, DiesAfter, Slow],
    }
}

/// Every fate that is a fault.
pub const FAULTS: [Fate; 7] =
    [Fate::Failed, Fate::Lost, Fate::DoneUnheard, Fate::DiesBefore, Fate::DiesAfter, Fate::Slow, Fate::Stale];

/// Which calls meet a fault.
#[derive(Debug, Clone, Copy)]
pub enum Plan {
    /// None.
    Calm,
    /// Just this one.
    Once { call: u64, fate: Fate },
    /// So many of a thousand, any of them.
    Storm { per_mille: u64 },
}

/// A slow call takes so long.
const SLOW: Duration = Duration::from_secs(3);

/// Calls that a failure shows.
const TAIL: usize = 40;

/// No story needs so many.
const CALLS_MAX: u64 = 40_000;

/// Most times that a call yields before it is done.
const YIELDS_MAX: u64 = 4;

pub struct Faults {
    inner: Mutex<Inner>,
    died: Notify,
}

struct Inner {
    rng: Rng,
    plan: Plan,
    calls: u64,
    injected: u64,
    trace: DefaultHasher,
    tail: Vec<String>,
    /// Every call, while there may be faults.
    troubled: Vec<String>,
    dead: bool,
    /// There are no faults any more.
    is_over: bool,
    violations: Vec<String>,
}

impl Faults {
    pub fn new(rng: Rng, plan: Plan) -> Self {
        let inner = Inner {
            rng,
            plan,
            calls: 0,
            injected: 0,
            trace: DefaultHasher::new(),
            tail: Vec::new(),
            troubled: Vec::new(),
            dead: false,
            is_over: false,
            violations: Vec::new(),
        };
        Self { inner: Mutex::new(inner), died: Notify::new() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call and lets it wait its turn; its fate.
    pub async fn meet(&self, what: String) -> Fate {
        let (yields, fate) = {
            let mut inner = self.inner();
            if inner.dead { (0, Fate::DiesBefore) } else { inner.draw(&what) }
        };
        for _ in 0..yields {
            tokio::task::yield_now().await;
        }
        match fate {
            Fate::Slow => tokio::time::sleep(SLOW).await,
            Fate::DiesBefore => self.die().await,
            _ => {}
        }
        fate
    }

    /// The process is gone: nothing of it goes on.
    pub async fn die(&self) {
        self.inner().dead = true;
        self.died.notify_one();
        pending::<()>().await;
    }

    /// Returns when the process dies.
    pub async fn died(&self) {
        self.died.notified().await;
    }

    /// A new process.
    pub fn revive(&self) {
        self.inner().dead = false;
    }

    /// The faults end.
    pub fn end(&self) {
        let mut inner = self.inner();
        inner.plan = Plan::Calm;
        inner.is_over = true;
    }

    /// The calls that could meet a fault.
    pub fn troubled(&self) -> Vec<String> {
        self.inner().troubled.clone()
    }

    pub fn calls(&self) -> u64 {
        self.inner().calls
    }

    pub fn injected(&self) -> u64 {
        self.inner().injected
    }

    /// What was called in which order, as one number.
    pub fn trace_hash(&self) -> u64 {
        self.inner().trace.finish()
    }

    /// The last calls, for whoever looks for the cause.
    pub fn tail(&self) -> String {
        self.inner().tail.join("\n    ")
    }

    /// Something that must never happen did.
    pub fn violated(&self, what: String) {
        self.inner().violations.push(what);
    }

    pub fn must(&self, holds: bool, otherwise: &str) {
        if !holds {
            self.violated(otherwise.to_owned());
        }
    }

    pub fn violations(&self) -> Vec<String> {
        self.inner().violations.clone()
    }
}

impl Inner {
    fn draw(&mut self, what: &str) -> (u64, Fate) {
        let call = self.calls;
        self.calls += 1;
        if call == CALLS_MAX {
            self.violations.push("it goes on and on: so many calls are a loop".to_owned());
        }
        if call >= CALLS_MAX {
            return (0, Fate::DiesBefore);
        }
        what.hash(&mut self.trace);
        if !self.is_over {
            self.troubled.push(what.to_owned());
        }
        let fate = match self.plan {
            Plan::Calm => Fate::Done,
            Plan::Once { call: chosen, fate } if chosen == call => fate,
            Plan::Once { .. } => Fate::Done,
            Plan::Storm { per_mille } if self.rng.below(1000) < per_mille => self.rng.pick(&FAULTS),
            Plan::Storm { .. } => Fate::Done,
        };
        if fate != Fate::Done {
            self.injected += 1;
            format!("{fate:?}").hash(&mut self.trace);
        }
        self.tail.push(format!("{call} {what}: {fate:?}"));
        if self.tail.len() > TAIL {
            self.tail.remove(0);
        }
        (self.rng.below(YIELDS_MAX), fate)
    }
}
