//! How slow a client may be: never [`PACE_BEHIND_MAX`] behind one that moves [`PACE_BYTES_PER_SECOND`].
//!
//! Only waiting counts. What the registry itself takes, for its disk or for others, is never held against a client, and
//! being fast for a while earns nothing for later.

use std::time::Duration;

use crate::limits::{PACE_BEHIND_MAX, PACE_BYTES_PER_SECOND};

/// How far behind one direction of a connection, or a body, is.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    behind: Duration,
}

impl Pace {
    /// How long may still be waited for the next byte.
    pub(crate) fn left(&self) -> Duration {
        PACE_BEHIND_MAX.saturating_sub(self.behind)
    }

    /// Notes a wait and what came of it; whether the client is fast enough.
    #[must_use]
    pub(crate) fn note(&mut self, waited: Duration, bytes: usize) -> bool {
        let micros = (bytes as u64).saturating_mul(1_000_000) / PACE_BYTES_PER_SECOND;
        self.behind = (self.behind + waited).saturating_sub(Duration::from_micros(micros));
        self.behind < PACE_BEHIND_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each step is (seconds waited, bytes), and whether that is fast enough.
    fn judged(steps: &[(u64, u64, bool)]) {
        let mut pace = Pace::default();
        for (at, (seconds, bytes, fast)) in steps.iter().enumerate() {
            let bytes = usize::try_from(*bytes).unwrap();
            assert_eq!(pace.note(Duration::from_secs(*seconds), bytes), *fast, "step {at} of {steps:?}");
        }
    }

    #[test]
    fn who_falls_too_far_behind_the_least_pace_is_too_slow() {
        let (most, pace) = (PACE_BEHIND_MAX.as_secs(), PACE_BYTES_PER_SECOND);
        judged(&[(most - 1, 0, true), (1, 0, false)]);
        judged(&[(most - 1, 0, true), (1, pace, true), (1, 0, false)]);
        judged(&[(most - 1, (most - 1) * pace, true), (most - 1, 0, true), (1, 0, false)]);
        // What was fast before does not help for ever.
        judged(&[(1, 1000 * most * pace, true), (most - 1, 0, true), (1, 0, false)]);
        // A byte a second is no pace; the least pace may go on for ever.
        judged(&vec![(1, 1, true); usize::try_from(most).unwrap()]);
        judged(&[vec![(1, 1, true); usize::try_from(most).unwrap()], vec![(1, 1, false)]].concat());
        judged(&vec![(1, pace, true); 10_000]);
        // No waiting, no judgement, however little there was to send.
        judged(&[(0, 1, true), (0, 0, true), (most - 1, 1, true)]);
    }
}
