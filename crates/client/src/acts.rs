//! Acts on any log: made on what is proven, judged before anybody is asked to sign, handed in when enough have
//! (`spec/delegation.md`, "Acts and records", "Offline signing").

use std::collections::BTreeSet;

use semver::Version;
use wargate_core::act::power::Power;
use wargate_core::act::{Act, Endorsement, Step};
use wargate_core::authority::{self, Context, Facts, OWNER, Refusal, State, Weighed};
use wargate_core::id::RecordId;
use wargate_core::key::{KeyId, PublicKey};
use wargate_core::name::{LogName, PackageName};
use wargate_core::time::Time;
use wargate_core::verify::{Layers, PackageLog};
use wargate_wire::api::{ActBody, CarriedBody, EndorsementBody, HandedInBody};
use wargate_wire::text::{Base64, Text};

use crate::error::Error;
use crate::fetch::Registry;
use crate::package::Proven;
use crate::pins::PinStore;
use crate::proposals::Proposal;
use crate::verify::{Limits, look, look_namespace, look_operator};

/// How far before now the window of an act begins, in seconds: clocks differ.
pub const WINDOW_BEFORE_SECONDS: i64 = 60;

/// How long after now an act may be done that is handed in at once, in seconds.
pub const WINDOW_AFTER_SECONDS: i64 = 10 * 60;

/// How long after now others may agree to an act that waits for them, in seconds: 7 days.
pub const PROPOSAL_WINDOW_SECONDS: i64 = 7 * 24 * 60 * 60;

/// A log and those above it: what an act on it is judged by.
#[derive(Debug, Clone)]
pub struct Bench {
    /// Whose log.
    pub log: LogName,
    /// Which registry: the operator log's first record; `None` where the act is to begin one.
    pub root: Option<RecordId>,
    pub(crate) operator: State,
    pub(crate) namespace: Option<State>,
    pub(crate) own: Option<(State, Facts)>,
}

/// Looks at a log and those above it, checked; the log need not have begun.
///
/// # Errors
/// As [`crate::verify_package`]; [`Error::CannotRelease`] for a v1 log, which holds no acts.
pub async fn bench(
    registry: &Registry,
    pins: &PinStore,
    log: &LogName,
    limits: &Limits,
) -> Result<(Bench, Proven), Error> {
    let (operator, own, proven, pin) = match log {
        LogName::Operator => {
            let (proven, operator, pin) = look_operator(registry, pins, limits).await?;
            let own = Some((operator.clone(), Facts::default()));
            (operator, own, proven, pin)
        }
        LogName::Namespace(name) => {
            let looked = look_namespace(registry, pins, name, limits).await?;
            let Layers { operator, namespace, .. } = looked.layers;
            let own = namespace.head().is_some().then(|| (namespace, Facts::default()));
            (operator, own, looked.proven, looked.pin)
        }
        LogName::Package(name) => {
            let looked = look(registry, pins, name, limits).await?;
            pins.keep(&looked.pin)?;
            return Ok((Bench::of_package(name, &looked.proven, looked.layers)?, looked.proven));
        }
    };
    pins.keep(&pin)?;
    Ok((Bench { log: log.clone(), root: Some(proven.root), operator, namespace: None, own }, proven))
}

fn v1(name: &PackageName) -> Error {
    let reason = format!("`{name}` is published with `warg` by keys of its own: its log holds no acts");
    Error::CannotRelease { reason }
}

impl Bench {
    /// What the act is judged by that begins a registry: nothing yet.
    #[must_use]
    pub fn of_no_registry() -> Self {
        let operator = State::empty(LogName::Operator);
        Self { log: LogName::Operator, root: None, operator, namespace: None, own: None }
    }

    /// What an act on a package is judged by.
    pub(crate) fn of_package(name: &PackageName, proven: &Proven, layers: Layers) -> Result<Self, Error> {
        let Layers { operator, namespace, package, .. } = layers;
        let own = match package {
            Some(PackageLog::Delegated { state, facts }) => Some((state, *facts)),
            Some(PackageLog::V1(_)) => return Err(v1(name)),
            None => None,
        };
        let log = LogName::Package(name.clone());
        Ok(Self { log, root: Some(proven.root), operator, namespace: Some(namespace), own })
    }

    /// The log's state; `None` if it has not begun.
    #[must_use]
    pub fn state(&self) -> Option<&State> {
        self.own.as_ref().map(|(state, _)| state)
    }

    /// The log above: of a package its namespace's, of a namespace the operator's.
    #[must_use]
    pub fn above(&self) -> Option<&State> {
        match self.log {
            LogName::Operator => None,
            LogName::Namespace(_) => Some(&self.operator),
            LogName::Package(_) => self.namespace.as_ref(),
        }
    }

    /// The registry's key, if that alone owns the log: it was begun for somebody who had none.
    #[must_use]
    pub fn custodian(&self) -> Option<&PublicKey> {
        let mut owners = self.state()?.role(OWNER)?.keys.values();
        match (owners.next(), owners.next()) {
            (Some(only), None) => Some(only).filter(|only| self.operator.is_publishing_key(&only.id())),
            _ => None,
        }
    }

    /// A release of the log, if it is a package's.
    #[must_use]
    pub fn release(&self, version: &Version) -> Option<&authority::Release> {
        self.own.as_ref().and_then(|(_, facts)| facts.releases.get(version))
    }

    /// The earliest time that the record may have: no record is dated before those that it builds on, the heads of its log
    /// and of those above. They are dated in milliseconds, by another clock.
    pub(crate) fn earliest(&self) -> Time {
        let logs = [Some(&self.operator), self.namespace.as_ref(), self.state()];
        logs.into_iter().flatten().filter_map(State::head_time).max().unwrap_or(Time::from_seconds(0))
    }

    /// An act of these steps that may be done from `not_before` to `not_after`.
    #[must_use]
    pub fn act(&self, steps: Vec<Step>, not_before: Time, not_after: Time, nonce: [u8; 16]) -> Act {
        Act { root: self.root, log: self.log.log_id(), steps, not_before, not_after, nonce }
    }

    /// Judges an act as the registry will, if it is done at `time`: what it lacks, if more must agree. Where the log begins,
    /// the registry may add its publishing key's word to that of the owners named.
    ///
    /// # Errors
    /// The first rule that it breaks, whoever else agreed.
    pub fn judge(
        &self,
        act: &[u8],
        endorsements: &[Endorsement],
        time: Time,
    ) -> Result<Option<Refusal>, Refusal> {
        let Some(lacks) = self.weigh(act, endorsements, time)? else { return Ok(None) };
        let owners = if self.own.is_none() { lacking_owners(act, endorsements)? } else { None };
        match (owners, &lacks) {
            (Some(lacks), _) => Ok(Some(lacks)),
            (None, Refusal::Threshold { step: "Init", .. }) if self.registry_may_start(time) => Ok(None),
            (None, _) => Ok(Some(lacks)),
        }
    }

    /// The same by the endorsements alone, whatever the registry may add.
    pub(crate) fn weigh(
        &self,
        act: &[u8],
        endorsements: &[Endorsement],
        time: Time,
    ) -> Result<Option<Refusal>, Refusal> {
        let empty = (State::empty(self.log.clone()), Facts::default());
        let (state, facts) = self.own.as_ref().unwrap_or(&empty);
        let operator = Some(&self.operator).filter(|_| self.log != LogName::Operator);
        let namespace = self.namespace.as_ref().filter(|namespace| namespace.head().is_some());
        let context = Context { operator, namespace, facts: Some(facts) };
        let commit_key = self.commit_key(act, time)?;
        Ok(match state.weigh(&context, time.max(self.earliest()), act, endorsements, &commit_key)? {
            Weighed::Agreed(_) => None,
            Weighed::Proposed(authority::Proposal { lacks, .. }) => Some(lacks),
        })
    }

    /// The key that will sign the record: one that can now, or one that an act of the operator lets in (again).
    fn commit_key(&self, act: &[u8], time: Time) -> Result<KeyId, Refusal> {
        if let Some(key) = self.operator.commit_keys(time).next() {
            return Ok(key.id());
        }
        let operators = self.log == LogName::Operator;
        let let_in =
            if operators { Act::decode(act)?.first_key_with(Power::Commit).map(PublicKey::id) } else { None };
        let_in.ok_or(Refusal::Carrier { reason: "no key of this registry can sign records now" })
    }

    /// Whether the registry's publishing keys may start this log.
    fn registry_may_start(&self, time: Time) -> bool {
        let keys: BTreeSet<KeyId> = self.operator.publishing_keys(time).map(PublicKey::id).collect();
        match &self.log {
            LogName::Operator => false,
            LogName::Namespace(name) => self.operator.define_covers(name, &keys, time),
            LogName::Package(name) => {
                self.namespace.as_ref().is_some_and(|state| state.init_covers(name.name(), &keys, time))
            }
        }
    }

    /// Whether a key's agreement to an act counts for anything: it is in a live role of this log or the one above, or the
    /// act itself lets it in.
    #[must_use]
    pub fn has_a_say(&self, key: &KeyId, act: &Act, time: Time) -> bool {
        self.signers(time).any(|(signer, _)| signer == key)
            || act.steps.iter().flat_map(Step::lets_in).any(|named| named.id() == *key)
    }

    /// The keys whose agreement may count for an act on this log, with the roles that they are in.
    pub fn signers(&self, time: Time) -> impl Iterator<Item = (&KeyId, &str)> {
        let of = move |state| {
            State::live_at(state, time)
                .flat_map(|role| role.keys.keys().map(move |key| (key, role.name.as_str())))
        };
        self.state().into_iter().chain(self.above()).flat_map(of)
    }
}

/// What is missing of the agreement of the owners that an Init names.
fn lacking_owners(act: &[u8], endorsements: &[Endorsement]) -> Result<Option<Refusal>, Refusal> {
    let act = Act::decode(act)?;
    let Some(Step::Init { keys, threshold }) = act.steps.first() else { return Ok(None) };
    let agreed = |key: &&PublicKey| endorsements.iter().any(|one| one.key_id == key.id());
    let found = u32::try_from(keys.iter().filter(agreed).count()).unwrap_or(u32::MAX);
    let (role, needed) = (OWNER.to_owned(), *threshold);
    Ok((found < needed).then_some(Refusal::Threshold { step: "Init", role, needed, found }))
}

/// An act that the registry says it carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedAct {
    /// The record.
    pub record: RecordId,
    /// Its index in the registry's log.
    pub index: u64,
    /// Whether it did so before, and nothing was done now.
    pub before: bool,
}

/// What became of an act that was handed in, by the registry's word.
#[derive(Debug, Clone)]
pub enum HandedIn {
    /// A record carries it.
    Carried(CarriedAct),
    /// It waits for more to agree.
    Proposed(Box<Proposal>),
}

/// Hands an act in with those who agreed, and waits for the registry's answer.
///
/// # Errors
/// [`Error::NotPublished`] with the registry's words; network errors. After those the same may be handed in again.
pub async fn submit(
    registry: &Registry,
    log: &LogName,
    act: &[u8],
    endorsements: &[Endorsement],
) -> Result<HandedIn, Error> {
    let body = ActBody {
        log: log.as_str().to_owned(),
        act: Base64(act.to_vec()),
        endorsements: endorsements.iter().map(EndorsementBody::from).collect(),
    };
    Ok(match registry.post_act("/api/acts", &body).await? {
        HandedInBody::Done(CarriedBody { record_id: Text(record), registry_index: index, before }) => {
            HandedIn::Carried(CarriedAct { record, index, before })
        }
        HandedInBody::Proposed(told) => HandedIn::Proposed(Box::new(Proposal::of(registry, log, *told)?)),
    })
}
