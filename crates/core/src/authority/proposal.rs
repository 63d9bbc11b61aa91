//! Acts that wait for more to agree (`spec/delegation.md`, "Everyday shapes", "Two-person and staged release").
//!
//! A proposal changes nothing. What no agreement could make valid is none, so that nobody is asked in vain.

use std::collections::BTreeSet;

use super::endorsers::{Endorsers, Signatures};
use super::judge::check_first_signer;
use super::{Context, Refusal, State};
use crate::act::{Act, Endorsement};
use crate::id::RecordId;
use crate::key::KeyId;
use crate::time::Time;

/// An act that lacks nothing but more agreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Those who agreed and have a say, by key id.
    pub endorsements: Vec<Endorsement>,
    /// What it lacks first: a [`Refusal::Threshold`].
    pub lacks: Refusal,
}

/// How an act stands.
#[derive(Debug, Clone)]
pub enum Weighed {
    /// Enough agree: these endorsements are in the record that carries it.
    Agreed(Vec<Endorsement>),
    /// More must agree.
    Proposed(Proposal),
}

impl State {
    /// Judges an act as [`State::carry`], where too few may agree yet.
    ///
    /// # Errors
    /// [`Refusal`], if more agreement would not help.
    pub fn weigh(
        &self,
        context: &Context<'_>,
        time: Time,
        act: &[u8],
        endorsements: &[Endorsement],
        commit_key: &KeyId,
    ) -> Result<Weighed, Refusal> {
        let parsed = Act::decode(act)?;
        let endorsers = Endorsers { state: self, context, act: &parsed, time };
        let lacks = match self.carrying(&endorsers, act, endorsements, commit_key, Signatures::Verify) {
            Ok(carrying) => return Ok(Weighed::Agreed(carrying.opened.endorsements)),
            Err(lacks @ Refusal::Threshold { .. }) => lacks,
            Err(refusal) => return Err(refusal),
        };
        self.would_hold(&endorsers, act, commit_key)?;
        Ok(Weighed::Proposed(Proposal { endorsements: endorsers.counted(endorsements), lacks }))
    }

    /// Judges an act as if all who have a say had agreed. Where that makes a release its publishers' own, and it is
    /// for somebody, as if all of a role had agreed in which the registry is.
    fn would_hold(&self, endorsers: &Endorsers<'_>, act: &[u8], commit_key: &KeyId) -> Result<(), Refusal> {
        let Endorsers { context, time, .. } = *endorsers;
        let opened = self.opening(act, Vec::new(), time);
        let unnamed = RecordId::from_digest(Act::digest(act));
        let holds = |signers: &BTreeSet<KeyId>| {
            let doing = self.doing(context, &opened, unnamed, signers, commit_key);
            let (_, projection) = self.perform(endorsers.act, &opened, doing)?;
            check_first_signer(&projection, commit_key)
        };
        let Err(refusal) = holds(&endorsers.everybody()) else { return Ok(()) };
        let with_registry = self.live_at(time).map(|role| role.keys.keys().copied().collect::<BTreeSet<_>>());
        let is_publishing = |key: &KeyId| context.operator.is_some_and(|state| state.is_publishing_key(key));
        let with_registry = with_registry.filter(|keys| keys.iter().any(is_publishing));
        if with_registry.into_iter().any(|keys| holds(&keys).is_ok()) { Ok(()) } else { Err(refusal) }
    }
}
