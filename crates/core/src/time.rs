//! Points in time as records carry them.

use std::fmt;

/// Nanoseconds in a second.
pub const NANOS_PER_SECOND: u32 = 1_000_000_000;

/// A record's time: seconds since the Unix epoch and nanoseconds, as `google.protobuf.Timestamp`.
///
/// The order is the order in time: nanoseconds are always within one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    seconds: i64,
    nanos: u32,
}

impl Time {
    /// A time; `None` if `nanos` is not within one second.
    #[must_use]
    pub fn new(seconds: i64, nanos: i32) -> Option<Self> {
        let nanos = u32::try_from(nanos).ok().filter(|n| *n < NANOS_PER_SECOND)?;
        Some(Self { seconds, nanos })
    }

    /// A time of whole seconds.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self { seconds, nanos: 0 }
    }

    /// A time of whole milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self { seconds: (millis / 1000) as i64, nanos: (millis % 1000) as u32 * 1_000_000 }
    }

    /// Whole seconds since the epoch, cut.
    #[must_use]
    pub const fn seconds(&self) -> i64 {
        self.seconds
    }

    /// Nanoseconds within the second.
    #[must_use]
    pub const fn nanos(&self) -> u32 {
        self.nanos
    }

    /// This time moved by whole seconds.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self { seconds: self.seconds.saturating_add(seconds), nanos: self.nanos }
    }
}

impl fmt::Display for Time {
    /// Seconds and nanoseconds as a decimal fraction; people's forms are made where people are spoken to.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.seconds, self.nanos)
    }
}
