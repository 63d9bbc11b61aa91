//! How a rule comes out.

use std::fmt;

use crate::rule::Rule;

/// The longest text of a failure's part, in characters: a failure is one line.
const TEXT_CHARS_MAX: usize = 300;

/// A rule that a server does not keep: at which request, what was expected, what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The request, or the step.
    pub at: String,
    /// What the rule wants.
    pub expected: String,
    /// What the server did.
    pub seen: String,
}

impl Failure {
    pub(crate) fn new(at: impl AsRef<str>, expected: impl AsRef<str>, seen: impl AsRef<str>) -> Self {
        Self {
            at: one_line(at.as_ref()),
            expected: one_line(expected.as_ref()),
            seen: one_line(seen.as_ref()),
        }
    }

    pub(crate) fn io(at: &str, error: &std::io::Error) -> Self {
        Self::new(at, "a reply", format!("the connection failed: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, saw {}", self.at, self.expected, self.seen)
    }
}

/// A text on one line, and cut where it is long.
fn one_line(text: &str) -> String {
    let mut line: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TEXT_CHARS_MAX).collect();
    if text.chars().nth(TEXT_CHARS_MAX).is_some() {
        line.push('…');
    }
    line
}

/// How a rule came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server keeps it.
    Kept,
    /// The server does not.
    Broken(Failure),
    /// It could not be tried, and why.
    Skipped(&'static str),
}

/// A rule and how it came out.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The rule.
    pub rule: &'static Rule,
    /// How it came out.
    pub outcome: Outcome,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Outcome::Kept => write!(f, "ok    {}", self.rule.id),
            Outcome::Broken(failure) => write!(f, "FAIL  {}  {failure}", self.rule.id),
            Outcome::Skipped(why) => write!(f, "skip  {}  {why}", self.rule.id),
        }
    }
}

/// All verdicts of a run.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// One a rule, in the order of the table.
    pub verdicts: Vec<Verdict>,
}

impl Summary {
    /// How many rules are kept.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.count(|outcome| *outcome == Outcome::Kept)
    }

    /// How many are not.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Broken(_)))
    }

    /// How many could not be tried.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Skipped(_)))
    }

    /// The ids of the rules that are not kept, in the order of the table.
    #[must_use]
    pub fn failing(&self) -> Vec<&'static str> {
        let broken = |verdict: &&Verdict| matches!(verdict.outcome, Outcome::Broken(_));
        self.verdicts.iter().filter(broken).map(|verdict| verdict.rule.id).collect()
    }

    fn count(&self, which: impl Fn(&Outcome) -> bool) -> usize {
        self.verdicts.iter().filter(|verdict| which(&verdict.outcome)).count()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rules, passed, failed) = (self.verdicts.len(), self.passed(), self.failed());
        write!(f, "{rules} rules, {passed} passed, {failed} failed, {} skipped", self.skipped())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_short_line() {
        let failure = Failure::new("GET /", "a\r\nb", "x".repeat(1000)).to_string();
        assert!(failure.starts_with("GET /: expected a  b, saw xxx"), "{failure}");
        assert_eq!(failure.chars().count(), "GET /: expected a  b, saw ".len() + TEXT_CHARS_MAX + 1);
    }
}
