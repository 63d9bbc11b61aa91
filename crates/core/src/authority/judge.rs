//! The judgement of one delegated record (`spec/delegation.md`, "Acts and records", "Roles").

use std::collections::{BTreeMap, BTreeSet};

use super::carry::{self, Opened};
use super::role::{Role, RoleId};
use super::{Context, JudgeContext, LIVE_KEYS_MAX, LIVE_ROLES_MAX, OWNER, Refusal, State, step_refused};
use crate::act::{Act, Endorsement, Step};
use crate::envelope::Envelope;
use crate::id::RecordId;
use crate::key::{KeyId, PublicKey};
use crate::name::LogName;
use crate::record::OperatorEntry;
use crate::time::Time;

/// A record that carries an act, and the state after it.
#[derive(Debug, Clone)]
pub struct Carried {
    /// The record's bytes, to be signed by a commit key.
    pub contents: Vec<u8>,
    /// The log's state after the record.
    pub state: State,
}

/// An act being done: what its steps need to know, and what they leave for the projection.
pub(super) struct Doing<'a> {
    pub(super) time: Time,
    signers: &'a BTreeSet<KeyId>,
    /// The owners as they were before the act (rule 6); in the first record those that its Init names.
    owners: Option<Role>,
    /// Keys that got `commit`, in step and key order.
    pub(super) committers: Vec<PublicKey>,
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
}

impl State {
    /// Makes the record that carries an act, with its v1 projection, and judges it. Endorsements by keys that
    /// have no say (any more) are left out, the others are sorted.
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
        self.check_layer()?;
        let parsed = Act::decode(act)?;
        let known = self.endorsers(&parsed, context.time);
        let mut endorsements: Vec<Endorsement> = endorsements
            .iter()
            .filter(|endorsement| known.contains_key(&endorsement.key_id))
            .cloned()
            .collect();
        endorsements.sort_by_key(|endorsement| endorsement.key_id);
        endorsements.dedup_by_key(|endorsement| endorsement.key_id);
        let mut opened = Opened {
            prev: self.head(),
            time: context.time,
            entries: Vec::new(),
            act: act.to_vec().into(),
            endorsements,
        };
        let judged = JudgeContext { root: context.root, index: context.index };
        self.check_act(&judged, &parsed, &opened)?;
        let signers = verify_endorsements(&opened, &known)?;
        // Roles are known by the record that made them, and the record's id covers the projection. So the act is
        // done twice: for its projection first, then under its record's name.
        let unnamed = RecordId::from_digest(Act::digest(act));
        opened.entries = self.perform(&parsed, &opened, unnamed, &signers)?.1;
        if let Some(OperatorEntry::Init { key }) = opened.entries.first()
            && key.id() != *commit_key
        {
            return Err(FIRST_SIGNER);
        }
        let contents = carry::contents(&opened);
        let record = self.log.layer().record_id(&contents);
        let (state, _) = self.perform(&parsed, &opened, record, &signers)?;
        Ok(Carried { contents, state })
    }

    /// Judges the next record; the state after it.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn judge(&self, context: &JudgeContext, envelope: &Envelope) -> Result<Self, Refusal> {
        self.check_layer()?;
        let opened = carry::open(&envelope.contents, self.head.is_none())?;
        self.check_place(&opened)?;
        let act = Act::decode(&opened.act)?;
        self.check_act(context, &act, &opened)?;
        let signers = verify_endorsements(&opened, &self.endorsers(&act, opened.time))?;
        let record = envelope.record_id(self.log.layer());
        let (next, projection) = self.perform(&act, &opened, record, &signers)?;
        if opened.entries != projection {
            return Err(Refusal::Carrier { reason: "its v1 entries are not those that stand for its act" });
        }
        next.check_envelope(envelope, &projection)?;
        Ok(next)
    }

    /// The other layers come with their steps.
    fn check_layer(&self) -> Result<(), Refusal> {
        match &self.log {
            LogName::Operator => Ok(()),
            log => Err(Refusal::NotYet { what: format!("a delegated log of `{log}`") }),
        }
    }

    fn check_place(&self, opened: &Opened) -> Result<(), Refusal> {
        if opened.prev != self.head() {
            return Err(Refusal::Carrier { reason: "its prev is not the log's latest record" });
        }
        if self.head_time().is_some_and(|head| opened.time < head) {
            return Err(Refusal::Carrier { reason: "its time is before its predecessor's" });
        }
        Ok(())
    }

    /// The act is for this log of this registry, now, and for the first time.
    fn check_act(&self, context: &JudgeContext, act: &Act, opened: &Opened) -> Result<(), Refusal> {
        if act.log != self.log.log_id() {
            return Err(Refusal::Elsewhere { what: "log" });
        }
        let begins_registry = self.log == LogName::Operator && self.head.is_none();
        // Only the registry's very first record may name no registry.
        if act.root.is_none() != begins_registry || (!begins_registry && act.root != context.root) {
            return Err(Refusal::Elsewhere { what: "registry" });
        }
        if opened.time < act.not_before || opened.time > act.not_after {
            let (not_before, not_after) = (act.not_before, act.not_after);
            return Err(Refusal::OutsideWindow { not_before, not_after, time: opened.time });
        }
        if self.used.contains_key(&Act::digest(&opened.act)) {
            return Err(Refusal::Replayed);
        }
        Ok(())
    }

    /// Who may endorse: keys of roles that are live before the act or after one of its steps.
    fn endorsers(&self, act: &Act, time: Time) -> BTreeMap<KeyId, PublicKey> {
        let before = self.live_at(time).flat_map(|role| role.keys.values());
        // A key that a step names is in a live role after it, or the step fails.
        let named = act.steps.iter().flat_map(|step| match step {
            Step::Init { keys, .. } => keys.as_slice(),
            Step::Grant(grant) => grant.keys.as_slice(),
            _ => &[],
        });
        before.chain(named).map(|key| (key.id(), key.clone())).collect()
    }

    /// Does an act: the state after it, and the v1 entries that stand for it.
    fn perform(
        &self,
        act: &Act,
        opened: &Opened,
        record: RecordId,
        signers: &BTreeSet<KeyId>,
    ) -> Result<(Self, Vec<OperatorEntry>), Refusal> {
        let mut next = self.clone();
        let owners = self.role(OWNER).cloned();
        let mut doing = Doing { time: opened.time, signers, owners, committers: Vec::new() };
        for (at, step) in act.steps.iter().enumerate() {
            next.step(step, RoleId { record, step: at }, &mut doing)?;
        }
        next.check_limits(opened.time)?;
        let projection = carry::projection(&doing.committers, self.head.is_none())?;
        next.used.retain(|_, until| *until >= opened.time);
        next.used.insert(Act::digest(&opened.act), act.not_after);
        next.head = Some((record, opened.time));
        Ok((next, projection))
    }

    fn step(&mut self, step: &Step, id: RoleId, doing: &mut Doing<'_>) -> Result<(), Refusal> {
        let begins = self.head.is_none() && id.step == 0;
        match step {
            Step::Init { keys, threshold } if begins => {
                if *threshold == 0 || *threshold as usize > keys.len() {
                    return Err(step_refused("Init", "the threshold is from 1 to the number of owners"));
                }
                let owner = Role::owner(self.log.layer(), keys, *threshold, id);
                doing.need("Init", &owner)?;
                doing.owners = Some(owner.clone());
                self.roles.push(owner);
                Ok(())
            }
            Step::Init { .. } => {
                Err(step_refused("Init", "it stands first in the log's first record and nowhere else"))
            }
            _ if begins => Err(step_refused(step.name(), "the log begins with Init")),
            Step::Grant(grant) => self.grant(grant, id, doing),
            _ => Err(Refusal::NotYet { what: format!("the step {}", step.name()) }),
        }
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
        match live.iter().find(|role| role.keys.len() < role.threshold as usize) {
            Some(role) => {
                Err(step_refused("act", format!("role `{}` has fewer keys than its threshold", role.name)))
            }
            None => Ok(()),
        }
    }

    /// The envelope is for v1 clients: signed by a key that held `commit` at or before this index, and the first
    /// record by the key of its v1 `init`, or v1 clients would stop at it.
    fn check_envelope(&self, envelope: &Envelope, projection: &[OperatorEntry]) -> Result<(), Refusal> {
        let refused = |reason| Refusal::Endorsement { key_id: envelope.key_id, reason };
        let key = self.key(&envelope.key_id);
        let key = key.ok_or_else(|| refused("signs the record and never held `commit`"))?;
        if let Some(OperatorEntry::Init { key }) = projection.first()
            && key.id() != envelope.key_id
        {
            return Err(FIRST_SIGNER);
        }
        envelope
            .verify(self.log.layer(), key)
            .map_err(|_| refused("signs the record, and the signature does not verify"))
    }
}

const FIRST_SIGNER: Refusal =
    Refusal::Carrier { reason: "the first commit key of the act must sign the first record" };

/// Verifies a record's endorsements: sorted by key id, each once, each by somebody who has a say.
fn verify_endorsements(
    opened: &Opened,
    known: &BTreeMap<KeyId, PublicKey>,
) -> Result<BTreeSet<KeyId>, Refusal> {
    let mut signers = BTreeSet::new();
    for endorsement in &opened.endorsements {
        let key_id = endorsement.key_id;
        let refused = |reason| Refusal::Endorsement { key_id, reason };
        if signers.last().is_some_and(|last| *last >= key_id) {
            return Err(refused("stands twice or out of order"));
        }
        let key = known.get(&key_id).ok_or_else(|| refused("is by a key in no live role"))?;
        endorsement.verify(&opened.act, key).map_err(|_| refused("does not verify"))?;
        signers.insert(key_id);
    }
    Ok(signers)
}
