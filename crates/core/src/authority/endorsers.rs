//! Whose endorsements count towards an act (`spec/delegation.md`, rule 1, "Acts and records", "Fine print").

use std::collections::BTreeSet;

use super::carry::Opened;
use super::{Context, Refusal, State};
use crate::act::{Act, Endorsement, Step};
use crate::key::{KeyId, PublicKey};
use crate::name::LogName;
use crate::time::Time;

/// Whether signatures are verified, or were before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signatures {
    /// They are verified here.
    Verify,
    /// The caller has verified the envelope's and every endorsement's.
    Verified,
}

/// Who may endorse an act: keys of roles that are live before it or after one of its steps, and, with Init or Recover,
/// those of the layer above.
pub(super) struct Endorsers<'a> {
    pub(super) state: &'a State,
    pub(super) context: &'a Context<'a>,
    pub(super) act: &'a Act,
    pub(super) time: Time,
}

impl<'a> Endorsers<'a> {
    pub(super) fn key(&self, id: &KeyId) -> Option<&'a PublicKey> {
        let live = |state: &'a State| state.live_at(self.time).find_map(|role| role.keys.get(id));
        // A key that a step names is in a live role after it, or the step fails.
        let named = |step: &'a Step| step.lets_in().iter().find(|key| key.id() == *id);
        live(self.state)
            .or_else(|| self.act.steps.iter().find_map(named))
            .or_else(|| self.above().and_then(live))
    }

    /// Those of the endorsements that are by somebody who has a say, as a record holds them.
    pub(super) fn counted(&self, endorsements: &[Endorsement]) -> Vec<Endorsement> {
        let has_a_say = |endorsement: &&Endorsement| self.key(&endorsement.key_id).is_some();
        let mut counted: Vec<Endorsement> = endorsements.iter().filter(has_a_say).cloned().collect();
        counted.sort_by_key(|endorsement| endorsement.key_id);
        counted.dedup_by_key(|endorsement| endorsement.key_id);
        counted
    }

    /// Everybody who has a say.
    pub(super) fn everybody(&self) -> BTreeSet<KeyId> {
        let live = |state: &'a State| state.live_at(self.time).flat_map(|role| role.keys.keys().copied());
        let named = self.act.steps.iter().flat_map(Step::lets_in).map(PublicKey::id);
        live(self.state).chain(self.above().into_iter().flat_map(live)).chain(named).collect()
    }

    /// The layer above, if it has a say.
    fn above(&self) -> Option<&'a State> {
        let by_above = |step: &Step| matches!(step, Step::Init { .. } | Step::Recover { .. });
        match self.state.log {
            _ if !self.act.steps.iter().any(by_above) => None,
            LogName::Operator => None,
            LogName::Namespace(_) => self.context.operator,
            LogName::Package(_) => self.context.namespace,
        }
    }

    /// A record's endorsements: sorted by key id, each once, each by somebody who has a say.
    pub(super) fn check(&self, opened: &Opened, signatures: Signatures) -> Result<BTreeSet<KeyId>, Refusal> {
        let mut signers = BTreeSet::new();
        for endorsement in &opened.endorsements {
            let key_id = endorsement.key_id;
            let refused = |reason| Refusal::Endorsement { key_id, reason };
            if signers.last().is_some_and(|last| *last >= key_id) {
                return Err(refused("stands twice or out of order"));
            }
            let key = self.key(&key_id).ok_or_else(|| refused("is by a key in no live role"))?;
            if signatures == Signatures::Verify {
                endorsement.verify(&opened.act, key).map_err(|_| refused("does not verify"))?;
            }
            signers.insert(key_id);
        }
        Ok(signers)
    }
}
