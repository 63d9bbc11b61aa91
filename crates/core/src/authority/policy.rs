//! Policies: what the owners of a log demand of everybody in it (`spec/delegation.md`, rule 1: `policy` → owner).
//!
//! In text: its words, each once, ascending, one space between them; no word at all is the policy of a log that has
//! none. Words that nobody knows are refused: a rule that is not enforced must not look as if it were.

use std::fmt;
use std::str::FromStr;

use super::judge::Doing;
use super::{OWNER, Refusal, State, step_refused};
use crate::act::AnnotationKind;

/// What the owners of a namespace demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// Its packages are for its people: their records stand in no file that everybody reads
    /// (`spec/transparency.md`, "Ours").
    pub private: bool,
}

const PRIVATE: &str = "private";

/// A text that is no policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a policy is `{PRIVATE}` or nothing")]
pub struct PolicyError;

impl FromStr for Policy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        match text {
            "" => Ok(Self::default()),
            PRIVATE => Ok(Self { private: true }),
            _ => Err(PolicyError),
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.private { PRIVATE } else { "" })
    }
}

impl State {
    /// What the log's owners demand.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// An annotation of the whole log.
    pub(super) fn annotate(
        &mut self,
        kind: AnnotationKind,
        subject: &str,
        value: &str,
        doing: &Doing<'_>,
    ) -> Result<(), Refusal> {
        if kind != AnnotationKind::Policy || !subject.is_empty() {
            return Err(Refusal::NotYet {
                what: format!("to annotate with `{kind}`, but for a policy of the whole log"),
            });
        }
        let owner = self.role(OWNER).ok_or_else(|| step_refused("Annotate", "the log has no owners"))?;
        doing.need("Annotate", owner)?;
        self.policy =
            value.parse().map_err(|error: PolicyError| step_refused("Annotate", error.to_string()))?;
        Ok(())
    }
}
