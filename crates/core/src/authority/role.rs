//! Roles: named sets of keys with a threshold, powers, a scope, an end, and a place in the tree under `owner`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::scope::NameScope;
use super::{DEPTH_MAX, OWNER};
use crate::id::RecordId;
use crate::key::{KeyId, PublicKey};
use crate::time::Time;

/// What a role of the operator log may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Power {
    /// Sign checkpoints.
    Commit,
    /// Start namespaces.
    Define,
    /// Replace a namespace's owners.
    Recover,
    /// Marks the registry's publishing keys.
    Publish,
    /// Say that a namespace is another registry's.
    Import,
    /// Remove content.
    Takedown,
}

impl Power {
    const ALL: [Self; 6] =
        [Self::Commit, Self::Define, Self::Recover, Self::Publish, Self::Import, Self::Takedown];

    fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Define => "define",
            Self::Recover => "recover",
            Self::Publish => "publish",
            Self::Import => "import",
            Self::Takedown => "takedown",
        }
    }

    /// The power with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|power| power.as_str() == text)
    }

    /// Whether it is held only by roles directly under `owner` whose grant names it, and never copied.
    #[must_use]
    pub fn is_named_only(self) -> bool {
        matches!(self, Self::Commit | Self::Publish)
    }

    /// What `owner` may do and hand on: everything but the powers that only a named role holds.
    pub(super) fn of_owner() -> BTreeSet<Self> {
        Self::ALL.into_iter().filter(|power| !power.is_named_only()).collect()
    }
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// The record and step that made it: a new role under a dead one's name is another role.
    pub made: (RecordId, usize),
    /// Its keys.
    pub keys: BTreeMap<KeyId, PublicKey>,
    /// How many of them must agree.
    pub threshold: u32,
    /// What it may do.
    pub powers: BTreeSet<Power>,
    /// On which names; empty means on all.
    pub scope: Vec<NameScope>,
    /// When it ends.
    pub not_after: Option<Time>,
    /// How deep it may delegate.
    pub depth: u32,
    /// The role that it hangs under; `None` for `owner`.
    pub parent: Option<String>,
}

impl Role {
    pub(super) fn owner(keys: &[PublicKey], threshold: u32, record: RecordId) -> Self {
        Self {
            name: OWNER.to_owned(),
            made: (record, 0),
            keys: keys.iter().map(|key| (key.id(), key.clone())).collect(),
            threshold,
            powers: Power::of_owner(),
            scope: vec![NameScope::all()],
            not_after: None,
            depth: DEPTH_MAX,
            parent: None,
        }
    }

    /// Whether its scope covers a name.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        self.scope.iter().any(|scope| scope.covers(name))
    }
}
