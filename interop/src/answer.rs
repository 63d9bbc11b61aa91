//! How a client's command ended.

use std::process::Output;

/// The longest that a command may take, in seconds.
pub(crate) const COMMAND_SECONDS_MAX: &str = "120";

/// How a command ended and what it said, on both outputs.
#[derive(Debug)]
#[must_use]
pub struct Answer {
    succeeded: bool,
    words: String,
    /// What of it is on standard output.
    printed: String,
}

impl Answer {
    /// What a command said that must succeed.
    #[track_caller]
    pub fn accepted(self) -> String {
        assert!(self.succeeded, "refused: {}", self.words);
        self.words
    }

    /// What a command that must succeed wrote to standard output.
    #[track_caller]
    pub fn printed(self) -> String {
        assert!(self.succeeded, "refused: {}", self.words);
        self.printed
    }

    /// What a command said that must be refused, in words that contain `reason`.
    #[track_caller]
    pub fn refused(self, reason: &str) {
        assert!(!self.succeeded, "was not refused: {}", self.words);
        assert!(self.words.contains(reason), "refused, but not for `{reason}`: {}", self.words);
    }
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let words = printed.clone() + &String::from_utf8_lossy(&output.stderr);
        Self { succeeded: output.status.success(), words, printed }
    }
}
