//! Delegated logs: whose word counts, and how far (`spec/delegation.md`).
//!
//! Verifiers judge acts; a record's v1 entries are only the act's projection. Built now: the operator log's
//! `Init` and `Grant`. Every other step, carrier records and the other layers are refused as *not yet*.

use std::collections::{BTreeMap, BTreeSet};

use crate::act::ActError;
use crate::digest::Digest;
use crate::id::RecordId;
use crate::key::{KeyId, PublicKey};
use crate::name::{LogName, Namespace};
use crate::record::RecordError;
use crate::time::Time;

mod carry;
mod genesis;
mod grant;
mod judge;
pub mod role;
#[cfg(test)]
mod tests;

pub use genesis::genesis_act;
pub use judge::Carried;
use role::{Power, Role, RoleId};

/// Most live keys of a log.
pub const LIVE_KEYS_MAX: usize = 128;

/// Most live roles of a log, `owner` included.
pub const LIVE_ROLES_MAX: usize = 64;

/// Deepest delegation: the owner's depth.
pub const DEPTH_MAX: u32 = 8;

/// The role that Init makes.
pub const OWNER: &str = "owner";

/// Why a delegated record is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The act's form.
    #[error(transparent)]
    Act(#[from] ActError),
    /// The record's form.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A rule of the specification that is not built.
    #[error("{what} is not possible yet in this version")]
    NotYet {
        /// Which step or layer.
        what: String,
    },
    /// It does not follow the log's head, or is not encoded in the one way.
    #[error("the record is not the one that carries this act: {reason}")]
    Carrier {
        /// What differs.
        reason: &'static str,
    },
    /// The act is for another log or registry.
    #[error("the act is for another {what}")]
    Elsewhere {
        /// Log or registry.
        what: &'static str,
    },
    /// The record's time is not in the act's window.
    #[error("the act may be done from {not_before} to {not_after}, the record's time is {time}")]
    OutsideWindow {
        /// The first moment.
        not_before: Time,
        /// The last moment.
        not_after: Time,
        /// The record's time.
        time: Time,
    },
    /// The act was done already.
    #[error("the act was done in this log already")]
    Replayed,
    /// An endorsement is invalid, repeated, out of order, or by nobody who has a say.
    #[error("an endorsement by key {key_id} {reason}")]
    Endorsement {
        /// The endorser.
        key_id: KeyId,
        /// What is wrong.
        reason: &'static str,
    },
    /// Too few who may do it agreed.
    #[error("{step} needs the agreement of {needed} keys of the role `{role}`, it has {found}")]
    Threshold {
        /// The step.
        step: &'static str,
        /// The role.
        role: String,
        /// Its threshold.
        needed: u32,
        /// How many of its keys endorsed.
        found: u32,
    },
    /// A step breaks a rule.
    #[error("{step}: {reason}")]
    Step {
        /// The step.
        step: &'static str,
        /// Which rule.
        reason: String,
    },
}

fn step_refused(step: &'static str, reason: impl Into<String>) -> Refusal {
    Refusal::Step { step, reason: reason.into() }
}

/// What the registry knows when it is to carry an act.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// The operator log's first record; `None` while it is being made.
    pub root: Option<RecordId>,
    /// The record's index in the log.
    pub index: u64,
    /// The record's time.
    pub time: Time,
}

/// What a verifier knows when it judges a record; the time is the record's own.
#[derive(Debug, Clone, Copy)]
pub struct JudgeContext {
    /// The operator log's first record; `None` when it is the one that is judged.
    pub root: Option<RecordId>,
    /// The record's index in the log.
    pub index: u64,
}

/// What a delegated log's records add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    log: LogName,
    head: Option<(RecordId, Time)>,
    /// Every role ever made, in that order; a dead one stays dead.
    roles: Vec<Role>,
    /// Acts that were done, until their window ends.
    used: BTreeMap<Digest, Time>,
    /// Every key that ever held `commit`.
    commit_ever: BTreeMap<KeyId, PublicKey>,
    /// Every key that ever held `publish`.
    publish_ever: BTreeMap<KeyId, PublicKey>,
}

impl State {
    /// The state of a log that has not begun.
    #[must_use]
    pub fn empty(log: LogName) -> Self {
        Self {
            log,
            head: None,
            roles: Vec::new(),
            used: BTreeMap::new(),
            commit_ever: BTreeMap::new(),
            publish_ever: BTreeMap::new(),
        }
    }

    /// Whose log it is.
    #[must_use]
    pub fn log(&self) -> &LogName {
        &self.log
    }

    /// The last record.
    #[must_use]
    pub fn head(&self) -> Option<RecordId> {
        self.head.map(|(record, _)| record)
    }

    /// The last record's time.
    #[must_use]
    pub fn head_time(&self) -> Option<Time> {
        self.head.map(|(_, time)| time)
    }

    /// Every role ever made, dead ones included, in that order.
    pub fn roles(&self) -> impl Iterator<Item = &Role> {
        self.roles.iter()
    }

    /// The last role of this name, dead or live.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<&Role> {
        self.roles.iter().rev().find(|role| role.name == name)
    }

    fn made_by(&self, id: RoleId) -> Option<&Role> {
        self.roles.iter().find(|role| role.made == id)
    }

    /// Roles that are live at a time, which is not before the last record's.
    pub fn live_at(&self, time: Time) -> impl Iterator<Item = &Role> {
        self.roles.iter().filter(move |role| self.is_live(role, time))
    }

    /// Rule 3: a role is live while its parent is and its expiry is not before the time.
    fn is_live(&self, role: &Role, time: Time) -> bool {
        let mut role = role;
        loop {
            if role.not_after.is_some_and(|end| end < time) {
                return false;
            }
            match role.parent.map(|parent| self.made_by(parent)) {
                None => return true,
                Some(None) => return false,
                Some(Some(parent)) => role = parent,
            }
        }
    }

    /// Whether a key holds `commit` at a time: may sign checkpoints.
    #[must_use]
    pub fn holds_commit(&self, key: &KeyId, time: Time) -> bool {
        self.holders(Power::Commit, time).any(|(id, _)| id == key)
    }

    /// The keys that hold `commit` at a time.
    pub fn commit_keys(&self, time: Time) -> impl Iterator<Item = &PublicKey> {
        self.holders(Power::Commit, time).map(|(_, key)| key)
    }

    /// The registry's publishing keys that are live at a time.
    pub fn publishing_keys(&self, time: Time) -> impl Iterator<Item = &PublicKey> {
        self.holders(Power::Publish, time).map(|(_, key)| key)
    }

    fn holders(&self, power: Power, time: Time) -> impl Iterator<Item = (&KeyId, &PublicKey)> {
        self.live_at(time).filter(move |role| role.powers.contains(&power)).flat_map(|role| role.keys.iter())
    }

    /// Whether these endorsers may start the log of a namespace: a live role with `define` covers it, and enough
    /// of its keys are among them.
    #[must_use]
    pub fn define_covers(&self, namespace: &Namespace, endorsers: &BTreeSet<KeyId>, time: Time) -> bool {
        self.live_at(time).any(|role| {
            role.powers.contains(&Power::Define)
                && role.scope.covers_name(namespace.as_str())
                && role.count(endorsers) >= role.threshold
        })
    }

    /// A key that ever held `commit`, by its id.
    #[must_use]
    pub fn key(&self, id: &KeyId) -> Option<&PublicKey> {
        self.commit_ever.get(id)
    }

    /// Whether a key ever held `publish`: is one of the registry's publishing keys.
    #[must_use]
    pub fn is_publishing_key(&self, id: &KeyId) -> bool {
        self.publish_ever.contains_key(id)
    }
}
