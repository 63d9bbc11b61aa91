//! What an act is judged by in advance: the states of its log and those above, and the registry's clock.

use wargate_core::act::Endorsement;
use wargate_core::authority::{Context, Facts, Refusal, State, Weighed};
use wargate_core::key::KeyId;
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
    /// Whose endorsements the record would hold that carries an act, or what it lacks.
    pub(super) fn weigh(
        &self,
        state: &State,
        facts: &Facts,
        act: &[u8],
        endorsements: &[Endorsement],
    ) -> Result<Weighed, Refusal> {
        state.weigh(&self.context(state, facts), self.time, act, endorsements, &self.commit_key())
    }

    /// The state of a log that begins with an act of the registry's own.
    pub(super) fn begin(&self, start: &custody::Endorsed) -> Result<State, Error> {
        let (empty, facts) = (State::empty(start.log.clone()), Facts::default());
        let context = self.context(&empty, &facts);
        let carried = empty.carry(&context, self.time, &start.act, &start.endorsements, &self.commit_key());
        carried.map(|carried| carried.changes.state).map_err(|refusal| refused(&refusal, None))
    }

    fn context<'b>(&'b self, state: &State, facts: &'b Facts) -> Context<'b> {
        let operator = Some(self.operator).filter(|_| *state.log() != LogName::Operator);
        Context { operator, namespace: self.namespace, facts: Some(facts) }
    }

    fn commit_key(&self) -> KeyId {
        self.shared.config.commit_key.public().id()
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
