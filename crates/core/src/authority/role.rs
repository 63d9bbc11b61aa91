//! Roles: named sets of keys with a threshold, powers, a scope, an end, and a place in the tree under `owner`.

use std::collections::{BTreeMap, BTreeSet};

use super::{DEPTH_MAX, OWNER};
pub use crate::act::power::Power;
pub use crate::act::scope::{NameScope, Scope, VersionScope};
use crate::id::{Layer, RecordId};
use crate::key::{KeyId, PublicKey};
use crate::time::Time;

/// The record and the step in it that made a role: what a role is known by. A name may be taken again once its
/// role is dead, and the new role has none of the old one's children.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoleId {
    /// The record.
    pub record: RecordId,
    /// The step's place in its act, from 0.
    pub step: usize,
}

/// A role and all that it hangs under, from it up to `owner`.
pub type RolePath = Vec<RoleId>;

/// A role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// What made it.
    pub made: RoleId,
    /// Its keys.
    pub keys: BTreeMap<KeyId, PublicKey>,
    /// How many of them must agree.
    pub threshold: u32,
    /// What it may do.
    pub powers: BTreeSet<Power>,
    /// On what; `commit` and `publish` have nothing to do with it.
    pub scope: Scope,
    /// The last moment of its life; `None` if it has none of its own.
    pub not_after: Option<Time>,
    /// How deep it may delegate.
    pub depth: u32,
    /// The role that it hangs under; `None` for `owner`.
    pub parent: Option<RoleId>,
}

impl Role {
    /// What Init makes: everything, for ever, but the powers that only a grant by name gives.
    pub(super) fn owner(layer: Layer, keys: &[PublicKey], threshold: u32, made: RoleId) -> Self {
        let powers = Power::ALL.into_iter().filter(|power| power.is_of(layer) && !power.is_named_only());
        Self {
            name: OWNER.to_owned(),
            made,
            keys: keys.iter().map(|key| (key.id(), key.clone())).collect(),
            threshold,
            powers: powers.collect(),
            scope: Scope::Unlimited,
            not_after: None,
            depth: DEPTH_MAX,
            parent: None,
        }
    }

    /// Whether it is the role `owner`.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.parent.is_none()
    }

    /// How many of its keys are among these.
    pub(super) fn count(&self, signers: &BTreeSet<KeyId>) -> u32 {
        let found = self.keys.keys().filter(|key| signers.contains(key)).count();
        u32::try_from(found).unwrap_or(u32::MAX)
    }
}
