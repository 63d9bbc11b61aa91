//! Delegated logs: whose word counts, and how far (`spec/delegation.md`).
//!
//! Verifiers judge acts; a record's v1 entries are only the act's projection. One judge serves all three layers:
//! a record is judged by its log's [`State`], by the logs of the layers above as they stand at its index, and, in a
//! package log, by the releases that it names ([`Context`]). Built now: `Init` and `Grant` everywhere, `Admit` of
//! namespaces, `Release` and `Yank` of packages. Every other step and carrier records are refused as *not yet*.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;

use crate::act::ActError;
use crate::digest::Digest;
use crate::id::RecordId;
use crate::key::{KeyId, PublicKey};
use crate::name::{LogName, Namespace, PackageName};
use crate::record::RecordError;
use crate::time::Time;

mod carry;
mod encode;
mod genesis;
mod grant;
mod judge;
mod policy;
mod release;
pub mod role;
mod start;
#[cfg(test)]
mod tests;

pub use carry::endorsers;
pub use encode::StateError;
pub use genesis::genesis_act;
pub use judge::{Carried, Changes};
pub use policy::{Policy, PolicyError};
pub use release::{Level, Release, Releases, Yanked};
use role::{Power, Role, RoleId, Scope};

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
    /// A package log begins only in a namespace that has a log.
    #[error("the namespace `{namespace}` has no log yet: it must be started first")]
    Unclaimed {
        /// The namespace.
        namespace: Namespace,
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

/// What a record is judged by besides its own log's state: the layers above *as they stand at the record's registry
/// index*, and what it names of its package.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context<'a> {
    /// The operator log; `None` when it is the one that is judged.
    pub operator: Option<&'a State>,
    /// The namespace's log, for a package's record; `None` if it has not begun.
    pub namespace: Option<&'a State>,
    /// For a package's record: what is known of the versions that it names, or of more. One that is missing here was
    /// never released.
    pub releases: Option<&'a Releases>,
}

impl<'a> Context<'a> {
    fn operator(&self) -> Result<&'a State, Refusal> {
        let begun = self.operator.filter(|state| state.log == LogName::Operator && state.head.is_some());
        begun.ok_or(Refusal::Carrier { reason: "the registry's operator log has not begun" })
    }

    fn namespace_of(&self, package: &PackageName) -> Result<&'a State, Refusal> {
        let namespace = package.namespace();
        let log = LogName::Namespace(namespace.clone());
        let begun = self.namespace.filter(|state| state.log == log && state.head.is_some());
        begun.ok_or(Refusal::Unclaimed { namespace })
    }

    fn release(&self, version: &Version) -> Option<&'a Release> {
        self.releases?.get(version)
    }
}

/// What a delegated log's records add up to, but for a package's releases: those are facts of their own
/// ([`Releases`]), so that a state stays small. [`State::encode`] makes it one row of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    log: LogName,
    head: Option<(RecordId, Time)>,
    /// Every role ever made, in that order; a dead one stays dead.
    roles: Vec<Role>,
    /// Acts that were done, until their window ends; not those that release, whose versions are taken for ever.
    used: BTreeMap<Digest, Time>,
    /// Every key that ever held `commit`, in the order in which they (last) got it.
    commit_ever: Vec<PublicKey>,
    /// Every key that ever held `publish`.
    publish_ever: BTreeSet<KeyId>,
    /// Names of packages whose v1 log the key may start.
    admitted: BTreeSet<(String, KeyId)>,
    /// What the owners demand.
    policy: Policy,
}

/// What a power is used on.
#[derive(Clone, Copy)]
enum Subject<'a> {
    Name(&'a str),
    Version(&'a Version),
}

impl Subject<'_> {
    fn is_in(self, scope: &Scope) -> bool {
        match self {
            Self::Name(name) => scope.covers_name(name),
            Self::Version(version) => scope.covers_version(version),
        }
    }
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
            commit_ever: Vec::new(),
            publish_ever: BTreeSet::new(),
            admitted: BTreeSet::new(),
            policy: Policy::default(),
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

    /// The log's first record. Of the operator log: which registry it is.
    #[must_use]
    pub fn first_record(&self) -> Option<RecordId> {
        self.roles.first().map(|owner| owner.made.record)
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

    /// The ids of the log's owners; none before it has begun.
    pub fn owners(&self) -> impl Iterator<Item = &KeyId> {
        self.role(OWNER).into_iter().flat_map(|role| role.keys.keys())
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

    /// The keys that hold `commit` at a time, in the order in which they were granted.
    pub fn commit_keys(&self, time: Time) -> impl Iterator<Item = &PublicKey> {
        self.commit_ever.iter().filter(move |key| self.holds_commit(&key.id(), time))
    }

    /// The registry's publishing keys that are live at a time.
    pub fn publishing_keys(&self, time: Time) -> impl Iterator<Item = &PublicKey> {
        self.holders(Power::Publish, time).map(|(_, key)| key)
    }

    fn holders(&self, power: Power, time: Time) -> impl Iterator<Item = (&KeyId, &PublicKey)> {
        self.live_at(time).filter(move |role| role.powers.contains(&power)).flat_map(|role| role.keys.iter())
    }

    /// Rule 1: the live roles that hold a power, cover what it is used on, and agreed; at least one.
    fn authorize(
        &self,
        step: &'static str,
        power: Power,
        subject: Subject<'_>,
        signers: &BTreeSet<KeyId>,
        time: Time,
    ) -> Result<BTreeSet<RoleId>, Refusal> {
        let holds = |role: &&Role| role.powers.contains(&power) && subject.is_in(&role.scope);
        let holders: Vec<&Role> = self.live_at(time).filter(holds).collect();
        let agreed = |role: &&&Role| role.count(signers) >= role.threshold;
        let allowing: BTreeSet<RoleId> = holders.iter().filter(agreed).map(|role| role.made).collect();
        if !allowing.is_empty() {
            return Ok(allowing);
        }
        // The role that came closest tells most.
        let lacking = |role: &&&Role| {
            let found = role.count(signers);
            (role.threshold - found, std::cmp::Reverse(found))
        };
        match holders.iter().min_by_key(lacking) {
            Some(role) => Err(Refusal::Threshold {
                step,
                role: role.name.clone(),
                needed: role.threshold,
                found: role.count(signers),
            }),
            None => Err(step_refused(step, format!("no live role of {} holds `{power}` over it", self.log))),
        }
    }

    /// Whether these endorsers may start the log of a namespace: a live role with `define` covers it, and enough
    /// of its keys are among them.
    #[must_use]
    pub fn define_covers(&self, namespace: &Namespace, endorsers: &BTreeSet<KeyId>, time: Time) -> bool {
        self.authorize("Init", Power::Define, Subject::Name(namespace.as_str()), endorsers, time).is_ok()
    }

    /// Whether these endorsers may start a package of this name in a namespace's log.
    #[must_use]
    pub fn init_covers(&self, name: &str, endorsers: &BTreeSet<KeyId>, time: Time) -> bool {
        self.authorize("Init", Power::Init, Subject::Name(name), endorsers, time).is_ok()
    }

    /// Whether these endorsers may release a version in a package's log.
    #[must_use]
    pub fn release_covers(&self, version: &Version, endorsers: &BTreeSet<KeyId>, time: Time) -> bool {
        self.authorize("Release", Power::Release, Subject::Version(version), endorsers, time).is_ok()
    }

    /// A key that ever held `commit`, by its id.
    #[must_use]
    pub fn key(&self, id: &KeyId) -> Option<&PublicKey> {
        self.commit_ever.iter().find(|key| key.id() == *id)
    }

    /// Whether a key ever held `publish`: is one of the registry's publishing keys.
    #[must_use]
    pub fn is_publishing_key(&self, id: &KeyId) -> bool {
        self.publish_ever.contains(id)
    }

    /// Rule 7: whether a v1 log of this name may begin here with this key.
    #[must_use]
    pub fn admits(&self, name: &str, key: &KeyId) -> bool {
        self.admitted.contains(&(name.to_owned(), *key))
    }
}
