//! What an act is judged by in advance: the states of its log and those above, and the registry's clock.

use wargate_core::act::Endorsement;
use wargate_core::authority::{Context, Facts, Proposal, Refusal, State, Weighed};
use wargate_core::name::LogName;
use wargate_core::time::Time;

use crate::custody;
use crate::error::Error;
use crate::shared::Shared;

/// What an act is judged by in advance.
#[derive(Clone, Copy)]
pub(super) struct Bench<'a> {
    pub(super) shared: &'a Shared,
    pub(super) operator: &'a State,
    pub(super) namespace: Option<&'a State>,
    pub(super) time: Time,
}

impl Bench<'_> {
    /// The record that carries an act, or what it lacks.
    pub(super) fn weigh(
        &self,
        state: &State,
        facts: &Facts,
        act: &[u8],
        endorsements: &[Endorsement],
    ) -> Result<Weighed, Refusal> {
        let operator = Some(self.operator).filter(|_| *state.log() != LogName::Operator);
        let context = Context { operator, namespace: self.namespace, facts: Some(facts) };
        let commit_key = self.shared.config.commit_key.public().id();
        state.weigh(&context, self.time, act, endorsements, &commit_key)
    }

    /// The state of a log that begins with an act of the registry's own.
    pub(super) fn begin(&self, start: &custody::Endorsed) -> Result<State, Error> {
        let empty = State::empty(start.log.clone());
        match self.weigh(&empty, &Facts::default(), &start.act, &start.endorsements) {
            Ok(Weighed::Carried(carried)) => Ok(carried.changes.state),
            Ok(Weighed::Proposed(Proposal { lacks, .. })) => Err(refused(&lacks, None)),
            Err(refusal) => Err(refused(&refusal, None)),
        }
    }
}

/// A refusal in words for the one who signed; `asked` is the log whose owners could help.
pub(super) fn refused(refusal: &Refusal, asked: Option<(&str, &State)>) -> Error {
    let reason = refusal.to_string();
    match (refusal, asked) {
        (Refusal::Threshold { .. } | Refusal::Step { .. }, Some((name, state))) => Error::Denied {
            reason: format!("{reason}; the owners of `{name}` are {}", custody::owners(state)),
        },
        (Refusal::Endorsement { .. }, _) => Error::Unauthorized { reason },
        (Refusal::Threshold { .. }, None) => Error::Denied { reason },
        _ => Error::Invalid { reason },
    }
}
