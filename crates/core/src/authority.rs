//! Delegated logs: whose word counts, and how far (`spec/delegation.md`).
//!
//! Verifiers judge acts; a record's v1 entries are only the act's projection. One judge serves all three layers:
//! a record is judged by its log's [`State`], by the logs of the layers above as they stand at its index, and, in a
//! package log, by the facts of what it names ([`Context`], [`Facts`]). A record's judgement costs its own size and
//! the depth of the roles that it meets, whatever the log holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use semver::Version;

use crate::act::ActError;
use crate::digest::Digest;
use crate::id::RecordId;
use crate::key::{KeyId, PublicKey};
use crate::name::{LogName, Namespace, PackageName};
use crate::record::RecordError;
use crate::time::Time;

mod annotate;
mod carrier;
mod carry;
mod claim;
mod enact;
mod encode;
mod endorsers;
mod facts;
mod genesis;
mod grant;
mod guards;
mod judge;
mod operate;
mod policy;
mod proposal;
mod recover;
mod release;
mod revoke;
pub mod role;
mod rows;
mod start;
mod takedown;
#[cfg(test)]
mod tests;

pub use annotate::{Annotation, VariantError, VariantValue};
pub use carry::{Told, endorsers, first_act, told};
pub use claim::Claim;
pub use enact::Carried;
pub use encode::StateError;
pub use facts::{Facts, Named};
pub use genesis::{Beginning, COMMIT_SECONDS_MAX, genesis_act};
pub use judge::Changes;
pub use policy::{Policy, PolicyError, TWO_PERSONS};
pub use proposal::{Proposal, Weighed};
pub use release::{Level, Release, Releases, Yanked};
use role::{Power, Role, RoleId, RolePath, Scope};
pub use rows::{TAKEDOWN_KEYS, dead_role_key};
pub use start::Admission;
pub use takedown::{Takedown, Takedowns};

/// Most live keys of a log.
pub const LIVE_KEYS_MAX: usize = 128;

/// Most live roles of a log, `owner` included.
pub const LIVE_ROLES_MAX: usize = 64;

/// Deepest delegation: the owner's depth.
pub const DEPTH_MAX: u32 = 8;

/// Most acts that a log remembers until their windows end. Not in the notes: without it, who owns a log could make
/// its state, which every record of it writes anew, as large as they like.
pub const USED_ACTS_MAX: usize = 4096;

/// Most roles of a log whose releases lost their trust by `since`; as above.
pub const DISTRUSTS_MAX: usize = 1024;

/// Most origins whose keys an operator announces; as above.
pub const VKEYS_MAX: usize = 64;

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
    /// What is known of the things that the record names.
    pub facts: Option<&'a Facts>,
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
        self.facts?.releases.get(version)
    }
}

/// What a delegated log's records add up to, but for what they name ([`Facts`]), so that a state stays small and is
/// cheap to copy. [`State::encode`] makes it one row of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    log: LogName,
    first: Option<RecordId>,
    head: Option<(RecordId, Time)>,
    /// How many records.
    length: u64,
    /// Roles that are live as of the head, in the order in which they were made: `owner` first, parents before children.
    roles: Arc<Vec<Role>>,
    /// Acts that were done, until their window ends; not those that release, whose versions are taken for ever.
    used: Arc<BTreeMap<Digest, Time>>,
    /// Every key that ever held `commit`, in the order in which they (last) got it.
    commit_ever: Arc<Vec<PublicKey>>,
    /// Every key that ever held `publish`.
    publish_ever: Arc<BTreeSet<KeyId>>,
    /// Namespaces of other registries, with their domains.
    imports: Arc<BTreeMap<Namespace, String>>,
    /// The log origins that sign checkpoints too, with their keys.
    vkeys: Arc<BTreeMap<String, String>>,
    /// Roles whose releases lost their trust, from and to which place in the log, both included.
    distrusted: Arc<BTreeMap<RoleId, (u64, u64)>>,
    /// The keys that v1 clients of this log let sign, all of them keys that held `commit`.
    v1_keys: Arc<BTreeSet<KeyId>>,
    /// What the owners demand.
    policy: Policy,
}

/// What a power is used on.
#[derive(Clone, Copy)]
enum Subject<'a> {
    Name(&'a str),
    Version(&'a Version),
    /// The whole log.
    Log,
}

impl Subject<'_> {
    fn is_in(self, scope: &Scope) -> bool {
        match self {
            Self::Name(name) => scope.covers_name(name),
            Self::Version(version) => scope.covers_version(version),
            Self::Log => scope.is_unlimited(),
        }
    }
}

impl State {
    /// The state of a log that has not begun.
    #[must_use]
    pub fn empty(log: LogName) -> Self {
        Self {
            log,
            first: None,
            head: None,
            length: 0,
            roles: Arc::default(),
            used: Arc::default(),
            commit_ever: Arc::default(),
            publish_ever: Arc::default(),
            imports: Arc::default(),
            vkeys: Arc::default(),
            distrusted: Arc::default(),
            v1_keys: Arc::default(),
            policy: Policy::default(),
        }
    }

    /// About how many bytes of memory it takes, for whoever keeps many.
    #[must_use]
    pub fn about_bytes(&self) -> usize {
        let (small, large) = (96, 256);
        let role = |role: &Role| large + large * role.keys.len() + small * role.scope.patterns();
        let roles: usize = self.roles.iter().map(role).sum();
        let smalls = self.used.len() + self.publish_ever.len() + self.distrusted.len() + self.v1_keys.len();
        let larges = self.commit_ever.len() + self.imports.len() + self.vkeys.len();
        2 * large + roles + small * smalls + large * larges
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

    /// The last record and where it stands; 0 is the first.
    pub(crate) fn head_place(&self) -> Option<(RecordId, u64)> {
        self.head.map(|(record, _)| (record, self.length - 1))
    }

    /// How many records the log has.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The log's first record. Of the operator log: which registry it is.
    #[must_use]
    pub fn first_record(&self) -> Option<RecordId> {
        self.first
    }

    /// Every role that is live as of the last record, parents before children.
    pub fn roles(&self) -> impl Iterator<Item = &Role> {
        self.roles.iter()
    }

    /// The role of this name that is live as of the last record.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.name == name)
    }

    /// Whether an act of this digest was done and its window had not ended with the last record; acts that release are
    /// not remembered.
    #[must_use]
    pub fn remembers(&self, act: &Digest) -> bool {
        self.used.contains_key(act)
    }

    /// The keys that v1 clients of this log let sign its next record.
    pub fn v1_keys(&self) -> impl Iterator<Item = &KeyId> {
        self.v1_keys.iter()
    }

    /// Whether v1 clients of this log let a key sign its next record.
    #[must_use]
    pub fn knows_in_v1(&self, key: &KeyId) -> bool {
        self.v1_keys.contains(key)
    }

    /// The log origins that sign checkpoints too, with their keys.
    pub fn vkeys(&self) -> impl Iterator<Item = (&str, &str)> {
        self.vkeys.iter().map(|(origin, vkey)| (origin.as_str(), vkey.as_str()))
    }

    /// The ids of the log's owners; none before it has begun.
    pub fn owners(&self) -> impl Iterator<Item = &KeyId> {
        self.role(OWNER).into_iter().flat_map(|role| role.keys.keys())
    }

    fn made_by(&self, id: RoleId) -> Option<&Role> {
        self.roles.iter().find(|role| role.made == id)
    }

    /// What a live role hangs under, its parent first, `owner` last.
    pub fn ancestors<'a>(&'a self, role: &Role) -> impl Iterator<Item = &'a Role> {
        let parent = |role: &Role| role.parent.and_then(|parent| self.made_by(parent));
        std::iter::successors(parent(role), move |role| parent(role))
    }

    /// A live role and all that it hangs under.
    fn path_of(&self, id: &RoleId) -> RolePath {
        let above = self.made_by(*id).into_iter().flat_map(|role| self.ancestors(role)).map(|role| role.made);
        std::iter::once(*id).chain(above).collect()
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

    /// The last moment at which a key holds `commit` as things stand; `None` if it does not, or has no end.
    #[must_use]
    pub fn commit_end(&self, key: &KeyId) -> Option<Time> {
        let role = |role: &&Role| role.powers.contains(&Power::Commit) && role.keys.contains_key(key);
        self.end_of(self.roles.iter().find(role)?)
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
    ) -> Result<Vec<RoleId>, Refusal> {
        let holds = |role: &&Role| role.powers.contains(&power) && subject.is_in(&role.scope);
        let agreed = |role: &&Role| role.count(signers) >= role.threshold;
        let holders = || self.live_at(time).filter(holds);
        let allowing: Vec<RoleId> = holders().filter(agreed).map(|role| role.made).collect();
        if !allowing.is_empty() {
            return Ok(allowing);
        }
        // The role that came closest tells most.
        let lacking = |role: &&Role| {
            let found = role.count(signers);
            (role.threshold - found, std::cmp::Reverse(found))
        };
        match holders().min_by_key(lacking) {
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
}
