//! Policies: what the owners of a log demand of everybody in it (`spec/delegation.md`, rule 1: `policy` → owner).
//!
//! In text: its words, each once, ascending, one space between them; no word at all is the policy of a log that has
//! none. Words that nobody knows are refused: a rule that is not enforced must not look as if it were.

use std::fmt;
use std::str::FromStr;

use super::judge::Doing;
use super::role::{Power, Role};
use super::{Refusal, State, step_refused};
use crate::id::Layer;

/// Fewest who must agree where two persons are demanded.
pub const TWO_PERSONS: u32 = 2;

/// What the owners of a log demand. A namespace's holds in its packages too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// Namespace: its packages begin with an act; nobody is admitted to start a v1 log.
    pub delegated_only: bool,
    /// Namespace: its packages are for its people: their records stand in no file that everybody reads
    /// (`spec/transparency.md`, "Ours").
    pub private: bool,
    /// No role that may release or start packages comes into being, or changes, with a threshold of one.
    pub two_persons: bool,
}

const DELEGATED_ONLY: &str = "delegated-only";
const PRIVATE: &str = "private";
const PERSONS: &str = "two-persons";

/// A text that is no policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a policy is of the words `{DELEGATED_ONLY}`, `{PRIVATE}`, `{PERSONS}`, ascending, each once, or nothing"
)]
pub struct PolicyError;

impl FromStr for Policy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let mut policy = Self::default();
        for word in text.split(' ').filter(|_| !text.is_empty()) {
            match word {
                DELEGATED_ONLY => policy.delegated_only = true,
                PRIVATE => policy.private = true,
                PERSONS => policy.two_persons = true,
                _ => return Err(PolicyError),
            }
        }
        // Only the one spelling.
        if policy.to_string() == text { Ok(policy) } else { Err(PolicyError) }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words =
            [(self.delegated_only, DELEGATED_ONLY), (self.private, PRIVATE), (self.two_persons, PERSONS)];
        let said: Vec<&str> = words.into_iter().filter(|(holds, _)| *holds).map(|(_, word)| word).collect();
        f.write_str(&said.join(" "))
    }
}

impl State {
    /// What the log's owners demand.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// Where two persons are demanded, by this log or by its namespace's, no role that publishes is one person's.
    pub(super) fn check_persons(
        &self,
        role: &Role,
        step: &'static str,
        doing: &Doing<'_>,
    ) -> Result<(), Refusal> {
        let above = doing.context.namespace.is_some_and(|namespace| namespace.policy.two_persons);
        let publishes = match self.log.layer() {
            Layer::Operator => false,
            Layer::Namespace => role.powers.contains(&Power::Init),
            Layer::Package => role.powers.contains(&Power::Release),
        };
        if publishes && (above || self.policy.two_persons) && role.threshold < TWO_PERSONS {
            let name = &role.name;
            return Err(step_refused(
                step,
                format!("two persons are demanded here, role `{name}` would be one's"),
            ));
        }
        Ok(())
    }
}
