//! The clock's seam: the engine reads time and waits only through it, so that a simulation can own both.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use wargate_core::time::Time;

/// Where the registry's time comes from.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> u64;

    /// Returns after `duration`.
    async fn sleep(&self, duration: Duration);

    /// The present as records carry it.
    fn now(&self) -> Time {
        Time::from_millis(self.now_ms())
    }
}

/// A duration in milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the engine reads the machine's clock")]
    fn now_ms(&self) -> u64 {
        millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    #[expect(clippy::disallowed_methods, reason = "the one place where the engine waits for time to pass")]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
