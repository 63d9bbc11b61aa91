//! The judgement of one delegated record (`spec/delegation.md`, "Acts and records", "Roles").

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use semver::Version;

use super::annotate::Annotation;
use super::carry::{self, Entries, Opened};
use super::endorsers::{Endorsers, Signatures};
use super::release::Release;
use super::role::{Role, RoleId};
use super::start::Admission;
use super::takedown::Takedown;
use super::{Context, LIVE_KEYS_MAX, LIVE_ROLES_MAX, Refusal, State, USED_ACTS_MAX, step_refused};
use crate::act::{Act, Step};
use crate::digest::Digest;
use crate::envelope::Envelope;
use crate::id::{Layer, RecordId};
use crate::key::{KeyId, PublicKey};
use crate::name::{LogName, Namespace};
use crate::record::{OperatorEntry, PackageEntry};
use crate::time::Time;

/// What a record changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The log's state after it.
    pub state: State,
    /// Whether the state is the one before it, but for where the head stands.
    pub moves_only: bool,
    /// A package's releases that it made or changed, as they are after it.
    pub releases: Vec<Release>,
    /// Roles that died with it or before it, by name.
    pub dead: Vec<(String, RoleId)>,
    /// Keys that it let in to begin v1 logs.
    pub admitted: Vec<Admission>,
    /// What it said.
    pub annotations: Vec<Annotation>,
    /// What it removed, put aside, or brought back.
    pub takedowns: Vec<Takedown>,
    /// Whether it gave the log to new owners, by the word of the layer above.
    pub recovered: bool,
}

impl Changes {
    /// A record that changes nothing beside the state.
    pub(super) fn of(before: &State, state: State) -> Self {
        Self {
            moves_only: state.is_moved(before),
            state,
            releases: Vec::new(),
            dead: Vec::new(),
            admitted: Vec::new(),
            annotations: Vec::new(),
            takedowns: Vec::new(),
            recovered: false,
        }
    }
}

/// An act being done: what its steps need to know, and what they leave behind.
pub(super) struct Doing<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) record: RecordId,
    /// Where the record stands in its log.
    pub(super) place: u64,
    pub(super) time: Time,
    pub(super) signers: &'a BTreeSet<KeyId>,
    /// The key that signs the record's envelope.
    pub(super) envelope_key: KeyId,
    /// The owners as they were before the act (rule 6); in the first record those that its Init names.
    pub(super) owners: Option<Cow<'a, Role>>,
    /// Keys that got `commit`, in step and key order.
    pub(super) got_commit: Vec<PublicKey>,
    /// Keys that lost `commit`, in step and key order.
    pub(super) lost_commit: Vec<KeyId>,
    /// Namespaces that it imports, in step order.
    pub(super) imports: Vec<(Namespace, String)>,
    /// The projection of a namespace's or package's act.
    pub(super) entries: Vec<PackageEntry>,
    /// Releases that it made or changed.
    pub(super) releases: BTreeMap<Version, Release>,
    dead: Vec<(String, RoleId)>,
    pub(super) admitted: Vec<Admission>,
    pub(super) annotations: Vec<Annotation>,
    pub(super) takedowns: Vec<Takedown>,
}

impl Doing<'_> {
    /// Rule 1: at least the threshold of a role's keys endorsed the act.
    pub(super) fn need(&self, step: &'static str, role: &Role) -> Result<(), Refusal> {
        let found = role.count(self.signers);
        if found >= role.threshold {
            return Ok(());
        }
        Err(Refusal::Threshold { step, role: role.name.clone(), needed: role.threshold, found })
    }

    /// Rule 6: what changes the owners needs those from before the act.
    pub(super) fn need_owners(&self, step: &'static str) -> Result<(), Refusal> {
        match &self.owners {
            Some(owners) => self.need(step, owners),
            None => Err(step_refused(step, "the log has no owners")),
        }
    }

    /// A release as the steps so far left it.
    pub(super) fn release_of(&self, version: &Version) -> Option<&Release> {
        self.releases.get(version).or_else(|| self.context.release(version))
    }

    /// A role lives no longer.
    pub(super) fn died(&mut self, role: &Role) {
        self.dead.push((role.name.clone(), role.made));
    }

    /// The last dead role of this name.
    pub(super) fn dead_role(&self, name: &str) -> Option<RoleId> {
        let lately = self.dead.iter().rev().find(|(dead, _)| dead == name).map(|(_, role)| *role);
        lately.or_else(|| self.context.facts?.dead.get(name).copied())
    }
}

impl State {
    /// Judges the next record.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn judge(&self, context: &Context<'_>, envelope: &Envelope) -> Result<Changes, Refusal> {
        self.judge_with(context, envelope, Signatures::Verify)
    }

    /// Judges the next record, of which the caller has verified the envelope's signature and every endorsement.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn judge_verified(&self, context: &Context<'_>, envelope: &Envelope) -> Result<Changes, Refusal> {
        self.judge_with(context, envelope, Signatures::Verified)
    }

    fn judge_with(
        &self,
        context: &Context<'_>,
        envelope: &Envelope,
        signatures: Signatures,
    ) -> Result<Changes, Refusal> {
        let layer = self.log.layer();
        let opened = carry::open(&envelope.contents, layer, self.head.is_none())?;
        self.check_place(&opened)?;
        self.check_time(context, opened.time)?;
        let record = envelope.record_id(layer);
        let changes = if opened.act.is_empty() {
            self.follow_carrier(context, &opened, record, &envelope.key_id)?
        } else {
            self.follow_act(context, &opened, record, &envelope.key_id, signatures)?
        };
        let operator = changes.state.operator_of(context)?;
        let key = operator.key(&envelope.key_id).ok_or_else(|| no_commit_key(envelope.key_id))?;
        if signatures == Signatures::Verify {
            envelope.verify(layer, key).map_err(|_| Refusal::Endorsement {
                key_id: envelope.key_id,
                reason: "signs the record, and the signature does not verify",
            })?;
        }
        Ok(changes)
    }

    fn follow_act(
        &self,
        context: &Context<'_>,
        opened: &Opened,
        record: RecordId,
        signer: &KeyId,
        signatures: Signatures,
    ) -> Result<Changes, Refusal> {
        let act = Act::decode(&opened.act)?;
        self.check_act(context, &act, opened)?;
        let endorsers = Endorsers { state: self, context, act: &act, time: opened.time };
        let signers = endorsers.check(opened, signatures)?;
        let doing = self.doing(context, opened, record, &signers, signer);
        let (changes, projection) = self.perform(&act, opened, doing)?;
        if opened.entries != projection {
            return Err(Refusal::Carrier { reason: "its v1 entries are not those that stand for its act" });
        }
        check_first_signer(&projection, signer)?;
        Ok(changes)
    }

    /// Who knows the commit keys: the operator log itself, those of the judged record included, or the one above.
    pub(super) fn operator_of<'a>(&'a self, context: &Context<'a>) -> Result<&'a Self, Refusal> {
        if self.log == LogName::Operator { Ok(self) } else { context.operator() }
    }

    fn check_place(&self, opened: &Opened) -> Result<(), Refusal> {
        if opened.prev == self.head() {
            return Ok(());
        }
        Err(Refusal::Carrier { reason: "its prev is not the log's latest record" })
    }

    /// A record is never dated before an earlier one of its log or the layers above: what has expired stays expired.
    pub(super) fn check_time(&self, context: &Context<'_>, time: Time) -> Result<(), Refusal> {
        if self.head_time().is_some_and(|head| time < head) {
            return Err(Refusal::Carrier { reason: "its time is before its predecessor's" });
        }
        let above = [context.operator, context.namespace].into_iter().flatten().filter_map(Self::head_time);
        if above.max().is_some_and(|head| time < head) {
            return Err(Refusal::Carrier { reason: "its time is before that of the layers above" });
        }
        Ok(())
    }

    /// The act is for this log of this registry, now, and for the first time.
    pub(super) fn check_act(&self, context: &Context<'_>, act: &Act, opened: &Opened) -> Result<(), Refusal> {
        if act.log != self.log.log_id() {
            return Err(Refusal::Elsewhere { what: "log" });
        }
        // Only the registry's very first record may name no registry.
        let root = match &self.log {
            LogName::Operator => self.first_record(),
            _ => Some(context.operator()?.first_record().ok_or(Refusal::Elsewhere { what: "registry" })?),
        };
        if act.root != root {
            return Err(Refusal::Elsewhere { what: "registry" });
        }
        if let (LogName::Package(package), None) = (&self.log, &self.head) {
            context.namespace_of(package)?;
        }
        if opened.time < act.not_before || opened.time > act.not_after {
            let (not_before, not_after) = (act.not_before, act.not_after);
            return Err(Refusal::OutsideWindow { not_before, not_after, time: opened.time });
        }
        if !self.used.is_empty() && self.remembers(&Act::digest(&opened.act)) {
            return Err(Refusal::Replayed);
        }
        act.steps.iter().try_for_each(|step| check_kind(step, &self.log))
    }

    pub(super) fn doing<'a>(
        &'a self,
        context: &'a Context<'a>,
        opened: &Opened,
        record: RecordId,
        signers: &'a BTreeSet<KeyId>,
        envelope_key: &KeyId,
    ) -> Doing<'a> {
        Doing {
            context,
            record,
            place: self.length,
            time: opened.time,
            signers,
            envelope_key: *envelope_key,
            owners: self.roles.first().map(Cow::Borrowed),
            got_commit: Vec::new(),
            lost_commit: Vec::new(),
            imports: Vec::new(),
            entries: Vec::new(),
            releases: BTreeMap::new(),
            dead: Vec::new(),
            admitted: Vec::new(),
            annotations: Vec::new(),
            takedowns: Vec::new(),
        }
    }

    /// Does an act: what it changes, and the v1 entries that stand for it.
    pub(super) fn perform(
        &self,
        act: &Act,
        opened: &Opened,
        mut doing: Doing<'_>,
    ) -> Result<(Changes, Entries), Refusal> {
        let mut next = self.clone();
        next.bury(&mut doing);
        for (at, step) in act.steps.iter().enumerate() {
            next.step(step, RoleId { record: doing.record, step: at }, &mut doing)?;
        }
        next.check_limits()?;
        // One that releases cannot be done again: its versions are taken for ever. Remembered, each would make the next
        // release dearer.
        let releases = act.steps.iter().any(|step| matches!(step, Step::Release(_)));
        let used = (!releases).then(|| Act::digest(&opened.act));
        next.remember(used, act.not_after, doing.time)?;
        next.advance(doing.record, doing.time);
        let entries = match self.log.layer() {
            Layer::Operator => {
                let mut v1_keys = (*next.v1_keys).clone();
                let holds_commit = |key: &KeyId| next.holds_commit(key, doing.time);
                let first = self.head.is_none();
                let entries = carry::operator_entries(&doing, first, holds_commit, &mut v1_keys)?;
                next.v1_keys = Arc::new(v1_keys);
                Entries::Operator(entries)
            }
            Layer::Namespace | Layer::Package => Entries::Package(doing.entries),
        };
        let changes = Changes {
            moves_only: next.is_moved(self),
            state: next,
            releases: doing.releases.into_values().collect(),
            dead: doing.dead,
            admitted: doing.admitted,
            annotations: doing.annotations,
            takedowns: doing.takedowns,
            recovered: act.steps.iter().any(|step| matches!(step, Step::Recover { .. })),
        };
        Ok((changes, entries))
    }

    /// An act is used once: its digest is remembered until its window ends.
    fn remember(&mut self, act: Option<Digest>, until: Time, time: Time) -> Result<(), Refusal> {
        let is_open = |until: &Time| *until >= time;
        if !self.used.values().all(is_open) {
            Arc::make_mut(&mut self.used).retain(|_, until| is_open(until));
        }
        if let Some(act) = act {
            Arc::make_mut(&mut self.used).insert(act, until);
        }
        if self.used.len() > USED_ACTS_MAX {
            let reason = format!("a log remembers at most {USED_ACTS_MAX} acts whose windows are open");
            return Err(step_refused("act", reason));
        }
        Ok(())
    }

    /// The log is one record longer.
    pub(super) fn advance(&mut self, record: RecordId, time: Time) {
        self.first.get_or_insert(record);
        self.head = Some((record, time));
        self.length += 1;
    }

    fn step(&mut self, step: &Step, id: RoleId, doing: &mut Doing<'_>) -> Result<(), Refusal> {
        let begins = self.head.is_none() && id.step == 0;
        match step {
            Step::Init { keys, threshold } if begins => self.init(keys, *threshold, id, doing),
            Step::Init { .. } => {
                Err(step_refused("Init", "it stands first in the log's first record and nowhere else"))
            }
            _ if begins => Err(step_refused(step.name(), "the log begins with Init")),
            Step::Grant(grant) => self.grant(grant, id, doing),
            Step::Revoke(revoke) => self.revoke(revoke, doing),
            Step::Release(release) => self.release(release, doing),
            Step::Yank { version, reason } => self.yank(version, reason, doing),
            Step::Annotate { kind, subject, value } => self.annotate(*kind, subject, value, doing),
            Step::Admit { name, key } => self.admit(name, key, doing),
            Step::Recover { keys, threshold } => self.recover(keys, *threshold, doing),
            Step::Import { namespace, registry } => self.import(namespace, registry, doing),
            Step::Takedown { package, version, reason, lifted, not_after } => {
                let (record, time) = (doing.record, doing.time);
                let (package, version, reason) = (package.clone(), version.clone(), reason.clone());
                let (lifted, not_after) = (*lifted, *not_after);
                let said = Takedown { package, version, reason, lifted, not_after, record, time };
                self.takedown(said, doing)
            }
        }
    }

    fn check_limits(&self) -> Result<(), Refusal> {
        let live = &self.roles;
        let keys: usize = live.iter().map(|role| role.keys.len()).sum();
        if live.len() > LIVE_ROLES_MAX || keys > LIVE_KEYS_MAX {
            return Err(step_refused(
                "act",
                format!("a log has at most {LIVE_ROLES_MAX} live roles and {LIVE_KEYS_MAX} live keys"),
            ));
        }
        match live.iter().find(|role| role.keys.len() < role.threshold as usize) {
            Some(role) => {
                Err(step_refused("act", format!("role `{}` has fewer keys than its threshold", role.name)))
            }
            None => Ok(()),
        }
    }
}

/// The envelope is for v1 clients, and signed by a key that held `commit` at or before the record's index.
pub(super) fn no_commit_key(key_id: KeyId) -> Refusal {
    Refusal::Endorsement { key_id, reason: "signs the record and never held `commit`" }
}

/// Which steps a layer's logs know.
fn check_kind(step: &Step, log: &LogName) -> Result<(), Refusal> {
    let layer = log.layer();
    let known = match step {
        Step::Init { .. } | Step::Grant(_) | Step::Revoke(_) | Step::Annotate { .. } => true,
        Step::Release(_) | Step::Yank { .. } => layer == Layer::Package,
        Step::Admit { .. } => layer == Layer::Namespace,
        Step::Recover { .. } => layer != Layer::Operator,
        Step::Import { .. } | Step::Takedown { .. } => layer == Layer::Operator,
    };
    if known {
        return Ok(());
    }
    Err(step_refused(step.name(), format!("it is no step of a log such as {log}")))
}

/// The first record is signed by the key of its v1 `init`, or v1 clients would stop at it.
pub(super) fn check_first_signer(entries: &Entries, signer: &KeyId) -> Result<(), Refusal> {
    match entries {
        Entries::Operator(entries) => match entries.first() {
            Some(OperatorEntry::Init { key }) if key.id() != *signer => {
                Err(Refusal::Carrier { reason: "the first commit key of the act must sign the first record" })
            }
            _ => Ok(()),
        },
        // There the key follows from who signs.
        Entries::Package(_) => Ok(()),
    }
}
