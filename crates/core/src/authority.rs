//! Delegated logs: whose word counts, and how far (`spec/delegation.md`).
//!
//! Verifiers judge acts; a record's v1 entries are only the act's projection. Built now: the operator log's
//! `Init` and `Grant`. Every other step, carrier records and the other layers are refused as *not yet*.

use std::collections::{BTreeMap, BTreeSet};

use crate::act::{Act, ActError, Endorsement, Grant, Step};
use crate::digest::Digest;
use crate::envelope::Envelope;
use crate::id::{LogId, RecordId};
use crate::key::{Algorithm, KeyId, PublicKey};
use crate::name::LogName;
use crate::record::RecordError;
use crate::time::Time;

mod carry;
mod grant;
pub mod role;
mod scope;

use role::{Power, Role};

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

/// A record that carries an act, and the state after it.
#[derive(Debug, Clone)]
pub struct Carried {
    /// The record's bytes, to be signed by a commit key.
    pub contents: Vec<u8>,
    /// The log's state after the record.
    pub state: State,
}

/// What a delegated log's records add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    log: LogName,
    head: Option<(RecordId, Time)>,
    /// Live roles by name; `owner` among them once the log has begun.
    roles: BTreeMap<String, Role>,
    /// Acts that were done, until their window ends.
    used: BTreeMap<Digest, Time>,
    /// Every key that ever held `commit`.
    commit_ever: BTreeMap<KeyId, PublicKey>,
    /// Every key that ever held `publish`.
    publish_ever: BTreeSet<KeyId>,
}

impl State {
    /// The state of a log that has not begun.
    #[must_use]
    pub fn empty(log: LogName) -> Self {
        Self {
            log,
            head: None,
            roles: BTreeMap::new(),
            used: BTreeMap::new(),
            commit_ever: BTreeMap::new(),
            publish_ever: BTreeSet::new(),
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

    /// Live roles by name.
    pub fn roles(&self) -> impl Iterator<Item = &Role> {
        self.roles.values()
    }

    /// Roles that are live at a time: a role is, while its parent is and its expiry is not past.
    fn live_at(&self, time: Time) -> impl Iterator<Item = &Role> {
        self.roles.values().filter(move |role| self.is_live(role, time))
    }

    fn is_live(&self, role: &Role, time: Time) -> bool {
        let mut role = role;
        loop {
            if role.not_after.is_some_and(|end| end < time) {
                return false;
            }
            match role.parent.as_ref().map(|parent| self.roles.get(parent)) {
                None => return true,
                Some(None) => return false,
                Some(Some(parent)) => role = parent,
            }
        }
    }

    /// Whether a key holds `commit` at a time: may sign checkpoints.
    #[must_use]
    pub fn holds_commit(&self, key: &KeyId, time: Time) -> bool {
        self.commit_keys(time).any(|held| held.id() == *key)
    }

    /// The keys that hold `commit` at a time.
    pub fn commit_keys(&self, time: Time) -> impl Iterator<Item = &PublicKey> {
        self.live_at(time)
            .filter(|role| role.powers.contains(&Power::Commit))
            .flat_map(|role| role.keys.values())
    }

    /// A key that ever held `commit`, by its id.
    #[must_use]
    pub fn key(&self, id: &KeyId) -> Option<&PublicKey> {
        self.commit_ever.get(id)
    }

    /// Whether a key ever held `publish`: is one of the registry's publishing keys.
    #[must_use]
    pub fn is_publishing_key(&self, id: &KeyId) -> bool {
        self.publish_ever.contains(id)
    }

    /// Makes the record that carries an act, with its v1 projection, and judges it.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn carry(
        &self,
        context: &Context,
        act: &[u8],
        endorsements: &[Endorsement],
        commit_key: &KeyId,
    ) -> Result<Carried, Refusal> {
        let contents = carry::contents(self, context, act, endorsements, commit_key)?;
        let record = self.log.layer().record_id(&contents);
        let judged = JudgeContext { root: context.root, index: context.index };
        let state = self.judge_contents(&judged, &contents, record)?;
        Ok(Carried { contents, state })
    }

    /// Judges the next record; the state after it.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn judge(&self, context: &JudgeContext, envelope: &Envelope) -> Result<Self, Refusal> {
        let record = envelope.record_id(self.log.layer());
        let next = self.judge_contents(context, &envelope.contents, record)?;
        // The envelope is for v1 clients: signed by a key that held `commit` at or before this index.
        let refused = |reason| Refusal::Endorsement { key_id: envelope.key_id, reason };
        let key = next.commit_ever.get(&envelope.key_id);
        let key = key.ok_or_else(|| refused("signs the record and never held `commit`"))?;
        envelope
            .verify(self.log.layer(), key)
            .map_err(|_| refused("signs the record, and the signature does not verify"))?;
        Ok(next)
    }

    fn judge_contents(
        &self,
        context: &JudgeContext,
        contents: &[u8],
        record: RecordId,
    ) -> Result<Self, Refusal> {
        let carried = carry::open(&self.log, contents)?;
        if carried.prev != self.head() {
            return Err(Refusal::Carrier { reason: "its prev is not the log's latest record" });
        }
        if self.head_time().is_some_and(|head| carried.time < head) {
            return Err(Refusal::Carrier { reason: "its time is before its predecessor's" });
        }
        let act = Act::decode(&carried.act)?;
        self.check_act(context, &act, &carried.act, carried.time)?;
        let mut next = self.clone();
        let signers = Signers::verify(&carried, self, &act)?;
        for (at, step) in act.steps.iter().enumerate() {
            next.step(step, at, record, carried.time, &signers)?;
        }
        signers.check_all_have_a_say(self, &next)?;
        next.check_limits(carried.time)?;
        carry::check_projection(&act, &carried)?;
        next.used.retain(|_, until| *until >= carried.time);
        next.used.insert(Act::digest(&carried.act), act.not_after);
        next.head = Some((record, carried.time));
        Ok(next)
    }

    /// The act is for this log of this registry, now, and for the first time.
    fn check_act(&self, context: &JudgeContext, act: &Act, bytes: &[u8], time: Time) -> Result<(), Refusal> {
        if act.log != self.log.log_id() {
            return Err(Refusal::Elsewhere { what: "log" });
        }
        let begins_registry = self.log == LogName::Operator && self.head.is_none();
        let root = if begins_registry { None } else { context.root };
        if act.root != root {
            return Err(Refusal::Elsewhere { what: "registry" });
        }
        if time < act.not_before || time > act.not_after {
            let (not_before, not_after) = (act.not_before, act.not_after);
            return Err(Refusal::OutsideWindow { not_before, not_after, time });
        }
        if self.used.contains_key(&Act::digest(bytes)) {
            return Err(Refusal::Replayed);
        }
        Ok(())
    }

    fn step(
        &mut self,
        step: &Step,
        at: usize,
        record: RecordId,
        time: Time,
        signers: &Signers,
    ) -> Result<(), Refusal> {
        if self.log != LogName::Operator {
            return Err(Refusal::NotYet { what: format!("an act in the log of `{}`", self.log) });
        }
        match step {
            Step::Init { keys, threshold } => {
                if self.head.is_some() || at > 0 {
                    return Err(step_refused(
                        "Init",
                        "it stands first in the log's first record and nowhere else",
                    ));
                }
                self.init(keys, *threshold, record, signers)
            }
            _ if self.roles.is_empty() => Err(step_refused(step.name(), "the log begins with Init")),
            Step::Grant(grant) => self.grant(grant, at, record, time, signers),
            Step::NotYet { .. } => Err(Refusal::NotYet { what: format!("the step {}", step.name()) }),
        }
    }

    /// Rule 6: the owners, who must themselves agree at their threshold.
    fn init(
        &mut self,
        keys: &[PublicKey],
        threshold: u32,
        record: RecordId,
        signers: &Signers,
    ) -> Result<(), Refusal> {
        if threshold == 0 || threshold as usize > keys.len() {
            return Err(step_refused("Init", "the threshold is from 1 to the number of owners"));
        }
        let owner = Role::owner(keys, threshold, record);
        signers.need("Init", &owner)?;
        self.roles.insert(OWNER.to_owned(), owner);
        Ok(())
    }

    fn check_limits(&self, time: Time) -> Result<(), Refusal> {
        let live: Vec<&Role> = self.live_at(time).collect();
        let keys: usize = live.iter().map(|role| role.keys.len()).sum();
        if live.len() > LIVE_ROLES_MAX || keys > LIVE_KEYS_MAX {
            return Err(step_refused(
                "act",
                format!("a log has at most {LIVE_ROLES_MAX} live roles and {LIVE_KEYS_MAX} live keys"),
            ));
        }
        match live.iter().find(|role| (role.keys.len() as u64) < u64::from(role.threshold)) {
            Some(role) => {
                Err(step_refused("act", format!("role `{}` has fewer keys than its threshold", role.name)))
            }
            None => Ok(()),
        }
    }
}

/// Those whose endorsements of an act verified.
struct Signers(BTreeSet<KeyId>);

impl Signers {
    /// Verifies the endorsements of a record, which stand sorted by key id, each once.
    fn verify(carried: &carry::Opened, state: &State, act: &Act) -> Result<Self, Refusal> {
        // Endorsers are keys of live roles, before the act or after one of its steps.
        let mut keys: BTreeMap<KeyId, &PublicKey> = BTreeMap::new();
        keys.extend(
            state.live_at(carried.time).flat_map(|role| role.keys.values()).map(|key| (key.id(), key)),
        );
        for step in &act.steps {
            match step {
                Step::Init { keys: named, .. } => keys.extend(named.iter().map(|key| (key.id(), key))),
                Step::Grant(grant) => keys.extend(grant.keys.iter().map(|key| (key.id(), key))),
                Step::NotYet { .. } => {}
            }
        }
        let mut signers = BTreeSet::new();
        let mut last = None;
        for endorsement in &carried.endorsements {
            let key_id = endorsement.key_id;
            let refused = |reason| Refusal::Endorsement { key_id, reason };
            if last >= Some(key_id) {
                return Err(refused("stands twice or out of order"));
            }
            last = Some(key_id);
            let key = keys.get(&key_id).ok_or_else(|| refused("is by a key in no live role"))?;
            endorsement.verify(&carried.act, key).map_err(|_| refused("does not verify"))?;
            signers.insert(key_id);
        }
        Ok(Self(signers))
    }

    /// Rule 1: at least the threshold of a role's keys endorsed the act.
    fn need(&self, step: &'static str, role: &Role) -> Result<(), Refusal> {
        let found = role.keys.keys().filter(|key| self.0.contains(key)).count() as u32;
        if found >= role.threshold {
            return Ok(());
        }
        Err(Refusal::Threshold { step, role: role.name.clone(), needed: role.threshold, found })
    }

    /// An endorsement by a key that is in no live role, before or after, makes the record invalid.
    fn check_all_have_a_say(&self, before: &State, after: &State) -> Result<(), Refusal> {
        let known = |state: &State, key: &KeyId| state.roles.values().any(|role| role.keys.contains_key(key));
        match self.0.iter().find(|key| !known(before, key) && !known(after, key)) {
            None => Ok(()),
            Some(key_id) => {
                Err(Refusal::Endorsement { key_id: *key_id, reason: "is by a key in no live role" })
            }
        }
    }
}

/// The first act of a new registry: its owners, a commit key with a spare, and the role `registry` by which the
/// publishing key starts namespaces and endorses what users push (`spec/delegation.md`, "Everyday shapes").
#[must_use]
pub fn genesis_act(
    owners: &[PublicKey],
    threshold: u32,
    commit_keys: &[PublicKey],
    publishing_key: &PublicKey,
    now: Time,
    nonce: [u8; 16],
) -> Act {
    const WINDOW_BEFORE_SECONDS: i64 = 60;
    const WINDOW_SECONDS: i64 = 10 * 60;
    let grant = |role: &str, keys: &[PublicKey], powers: &[&str], scope: &[&str]| {
        Step::Grant(Grant {
            role: role.to_owned(),
            keys: keys.to_vec(),
            threshold: 1,
            powers: powers.iter().map(|power| (*power).to_owned()).collect(),
            scope: scope.iter().map(|scope| (*scope).to_owned()).collect(),
            not_after: None,
            depth: 0,
            parent: String::new(),
        })
    };
    Act {
        root: None,
        log: LogId::operator(),
        steps: vec![
            Step::Init { keys: owners.to_vec(), threshold },
            grant("commit", commit_keys, &["commit"], &[]),
            grant("registry", std::slice::from_ref(publishing_key), &["define", "publish"], &["*"]),
        ],
        not_before: now.plus_seconds(-WINDOW_BEFORE_SECONDS),
        not_after: now.plus_seconds(WINDOW_SECONDS),
        nonce,
    }
}

/// Whether a key may hold `commit`: v1 clients must be able to verify by it.
fn can_commit(key: &PublicKey) -> bool {
    key.algorithm() == Algorithm::EcdsaP256
}
