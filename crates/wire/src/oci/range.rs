//! The ranges of chunked uploads (`spec/oci.md`, "Upload sessions"). Not here: ranges of blob reads.

use std::fmt;
use std::str::FromStr;

use crate::text::shorten;

/// The `Content-Range` of a chunk: `A-B` or `bytes A-B/*`, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    start: u64,
    last: u64,
}

/// A chunk that cannot be appended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RangeError {
    /// The header breaks its grammar, or ends before it starts.
    #[error("`{text}` is not the range of a chunk: expected `START-LAST`")]
    Malformed {
        /// The refused text, shortened.
        text: String,
    },
    /// The chunk does not begin where the session ends. The session stays usable.
    #[error("the chunk begins at byte {start}, but the next byte is {expected}")]
    NotNext {
        /// Where the session ends.
        expected: u64,
        /// Where the chunk begins.
        start: u64,
    },
    /// The body has not as many bytes as the range.
    #[error("the range has {expected} bytes, but the body has {bytes}")]
    BodyBytes {
        /// How many bytes the range has.
        expected: u64,
        /// How many the body has.
        bytes: u64,
    },
}

impl ContentRange {
    /// The first byte.
    #[must_use]
    pub const fn start(&self) -> u64 {
        self.start
    }

    /// How many bytes the range has: one at least.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no range is empty")]
    pub const fn len(&self) -> u64 {
        self.last - self.start + 1
    }

    /// Checks that the chunk goes on where a session of `session_bytes` ends.
    ///
    /// # Errors
    /// If it does not.
    pub const fn check_next(&self, session_bytes: u64) -> Result<(), RangeError> {
        if self.start == session_bytes {
            Ok(())
        } else {
            Err(RangeError::NotNext { expected: session_bytes, start: self.start })
        }
    }

    /// Checks that a body of `body_bytes` fills the range.
    ///
    /// # Errors
    /// If it does not.
    pub const fn check_body(&self, body_bytes: u64) -> Result<(), RangeError> {
        if self.len() == body_bytes {
            Ok(())
        } else {
            Err(RangeError::BodyBytes { expected: self.len(), bytes: body_bytes })
        }
    }
}

/// A number in its one decimal spelling.
fn number(text: &str) -> Option<u64> {
    let canonical = text == "0" || text.starts_with(|c: char| matches!(c, '1'..='9'));
    canonical.then(|| text.parse().ok()).flatten()
}

impl FromStr for ContentRange {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let refuse = || RangeError::Malformed { text: shorten(text) };
        let bare = match text.strip_prefix("bytes ") {
            Some(range) => range.strip_suffix("/*").ok_or_else(refuse)?,
            None => text,
        };
        let (start, last) = bare.split_once('-').ok_or_else(refuse)?;
        let (start, last) = number(start).zip(number(last)).ok_or_else(refuse)?;
        // The length of `0-u64::MAX` is no u64.
        let countable = last.checked_sub(start).is_some_and(|less_one| less_one < u64::MAX);
        if countable { Ok(Self { start, last }) } else { Err(refuse()) }
    }
}

impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.start, self.last)
    }
}

/// The `Range` header of a session that has `session_bytes`. That of an empty one is `0-0` too: Docker fails on
/// `0--1`.
#[must_use]
pub fn session_range(session_bytes: u64) -> String {
    format!("0-{}", session_bytes.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn two_forms_are_ranges() {
        for (text, start, len) in [
            ("0-0", 0, 1),
            ("0-9", 0, 10),
            ("10-19", 10, 10),
            ("bytes 0-9/*", 0, 10),
            ("0-18446744073709551614", 0, u64::MAX),
            ("18446744073709551615-18446744073709551615", u64::MAX, 1),
        ] {
            let range: ContentRange = text.parse().unwrap();
            assert_eq!((range.start(), range.len()), (start, len), "{text}");
        }
    }

    #[test]
    fn everything_else_is_malformed() {
        for bad in [
            "",
            "-",
            "0",
            "0-",
            "-0",
            "1-0",
            "0--1",
            "-1-0",
            "0-1-2",
            " 0-1",
            "0-1 ",
            "0 -1",
            "+0-1",
            "0-+1",
            "00-1",
            "0-01",
            "0x0-1",
            "a-b",
            "0-1,2-3",
            "bytes",
            "bytes ",
            "bytes 0-1",
            "bytes 0-1/2",
            "bytes */2",
            "0-1/*",
            "bytes=0-1",
            "bytes=0-1/*",
            "Bytes 0-1/*",
            "bytes  0-1/*",
            "bytes 0-1/**",
            "0-18446744073709551615",
            "0-18446744073709551616",
            "0-99999999999999999999999",
            "٠-١",
            "0\u{2013}1",
            "0-1\0",
        ] {
            assert!(matches!(bad.parse::<ContentRange>(), Err(RangeError::Malformed { .. })), "{bad:?}");
        }
    }

    #[test]
    fn a_chunk_begins_where_the_session_ends_and_fills_its_range() {
        let range: ContentRange = "4-7".parse().unwrap();
        assert_eq!(range.check_next(4), Ok(()));
        assert_eq!(range.check_next(0), Err(RangeError::NotNext { expected: 0, start: 4 }));
        assert_eq!(range.check_next(5), Err(RangeError::NotNext { expected: 5, start: 4 }));
        assert_eq!(range.check_body(4), Ok(()));
        assert_eq!(range.check_body(0), Err(RangeError::BodyBytes { expected: 4, bytes: 0 }));
        assert_eq!(range.check_body(5), Err(RangeError::BodyBytes { expected: 4, bytes: 5 }));
    }

    #[test]
    fn an_empty_session_has_the_range_of_one_byte() {
        for (bytes, text) in [(0, "0-0"), (1, "0-0"), (2, "0-1"), (u64::MAX, "0-18446744073709551614")] {
            assert_eq!(session_range(bytes), text);
        }
    }

    proptest! {
        #[test]
        fn every_range_parses_to_itself(start: u64, more in 0..u64::MAX) {
            let last = start.saturating_add(more);
            prop_assume!(last - start < u64::MAX);
            let range = ContentRange { start, last };
            prop_assert_eq!(range.to_string().parse(), Ok(range));
            prop_assert_eq!(format!("bytes {range}/*").parse(), Ok(range));
        }

        #[test]
        fn no_text_panics(text in "(bytes )?[0-9+-]{0,45}(/\\*)?|\\PC{0,30}") {
            if let Ok(range) = text.parse::<ContentRange>() {
                prop_assert!(range.len() > 0);
                prop_assert!(text.contains(&range.to_string()));
            }
        }
    }
}
