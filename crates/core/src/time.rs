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
    /// As RFC 3339 in UTC, with a fraction if there is one: `2026-11-29T18:29:16Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.seconds.div_euclid(DAY_SECONDS), self.seconds.rem_euclid(DAY_SECONDS));
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if self.nanos > 0 {
            let fraction = format!("{:09}", self.nanos);
            write!(f, ".{}", fraction.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// Year, month and day of the Gregorian calendar, of days since the Unix epoch. Years begin in March here, so that the
/// leap day is their last, and lie in eras of 400 years, which all have as many days.
fn civil(days: i64) -> (i64, i64, i64) {
    const ERA_DAYS: i64 = 146_097;
    /// From the first of March of the year 0.
    const EPOCH: i64 = 719_468;
    let days = days.saturating_add(EPOCH);
    let (era, of_era) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_the_calendar_has_them() {
        for (seconds, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (-1, 0, "1969-12-31T23:59:59Z"),
            (951_782_400, 0, "2000-02-29T00:00:00Z"),
            (951_868_800, 0, "2000-03-01T00:00:00Z"),
            (4_107_542_399, 0, "2100-02-28T23:59:59Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00Z"),
            (1_798_761_599, 0, "2026-12-31T23:59:59Z"),
            (1_798_761_600, 500_000_000, "2027-01-01T00:00:00.5Z"),
            (1_798_761_600, 1, "2027-01-01T00:00:00.000000001Z"),
            (-62_167_219_200, 0, "0000-01-01T00:00:00Z"),
        ] {
            assert_eq!(Time::new(seconds, nanos).unwrap().to_string(), text);
        }
        // Nothing that a record may say is too far.
        for seconds in [i64::MIN, i64::MAX] {
            assert!(Time::from_seconds(seconds).to_string().ends_with('Z'));
        }
    }
}
