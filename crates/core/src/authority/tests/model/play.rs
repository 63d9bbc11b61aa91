//! A registry in play: what is tried is judged twice, and what is accepted must have the properties.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::form::{carrier, endorsers, v1_entries};
use super::moves::{Attempt, Twist};
use super::past::{Log, Past, Said, V1};
use super::place::{KEYS, Place, fit, log, pick, signers};
use super::rules::Proposed;
use crate::act::{Act, Endorsement, Grant, Step};
use crate::authority::role::{Power, Role, RoleId, Scope};
use crate::authority::{Carried, Changes, Context, Facts, Named, Refusal, Release, State};
use crate::digest::Digest;
use crate::envelope::Envelope;
use crate::id::RecordId;
use crate::key::{Algorithm, KeyId, PublicKey, Signature};
use crate::name::LogName;
use crate::time::Time;
use crate::v1::package as v1;

const START: Time = Time::from_seconds(1_800_000_000);

pub(super) type Outcome = Result<(), TestCaseError>;

/// Nobody verifies it.
fn no_signature() -> Signature {
    Signature::from_bytes(Algorithm::Ed25519, &[0; 64]).unwrap()
}

/// The logs as the judge knows them.
#[derive(Default)]
pub(super) struct Stands {
    pub(super) states: BTreeMap<LogName, State>,
    pub(super) facts: BTreeMap<LogName, Facts>,
}

impl Stands {
    pub(super) fn state(&self, log: &LogName) -> State {
        self.states.get(log).cloned().unwrap_or_else(|| State::empty(log.clone()))
    }

    pub(super) fn context(&self, log: &LogName) -> Context<'_> {
        let namespace = match log {
            LogName::Package(package) => Some(LogName::Namespace(package.namespace())),
            _ => None,
        };
        Context {
            operator: self.states.get(&LogName::Operator).filter(|_| *log != LogName::Operator),
            namespace: namespace.and_then(|log| self.states.get(&log)),
            facts: self.facts.get(log),
        }
    }

    fn follow(&mut self, log: &LogName, changes: Changes) {
        self.facts.entry(log.clone()).or_default().follow(&changes);
        if let LogName::Namespace(namespace) = log {
            self.facts.entry(LogName::Operator).or_default().claimed.insert(namespace.clone());
        }
        self.states.insert(log.clone(), changes.state);
    }
}

pub(super) struct Play {
    pub(super) stands: Stands,
    pub(super) past: Past,
    records: Vec<(LogName, Envelope, Option<Act>)>,
    acts: Vec<(LogName, Act, BTreeSet<KeyId>)>,
    pub(super) time: Time,
    nonce: u64,
    pub(super) dead: BTreeSet<RoleId>,
    /// Every role that ever was, as it was last.
    pub(super) roles: BTreeMap<RoleId, Role>,
    /// The packages' logs as v1 clients see them; `None` where they had to stop.
    pub(super) v1: BTreeMap<LogName, Option<v1::State>>,
}

fn one(role: &str, keys: &[usize], powers: &[Power], depth: u32) -> Step {
    Step::Grant(Grant {
        role: role.to_owned(),
        keys: keys.iter().map(|at| KEYS[*at].clone()).collect(),
        threshold: 1,
        powers: powers.to_vec(),
        scope: Scope::Unlimited,
        not_after: None,
        depth,
        parent: String::new(),
    })
}

fn init(keys: &[usize], threshold: u32) -> Step {
    Step::Init { keys: keys.iter().map(|at| KEYS[*at].clone()).collect(), threshold }
}

fn ids(keys: &[usize]) -> BTreeSet<KeyId> {
    keys.iter().map(|at| KEYS[*at].id()).collect()
}

impl Play {
    /// Owners 0, 1 and 2 (two must agree), commit keys 3 and 4, publishing key 5; `acme` of 6 and 7 (both must agree)
    /// with `starters` 8; `acme:hello` of 9 with `ci` 10 and the publishing key's `registry`.
    pub(super) fn begun() -> Self {
        let mut play = Self {
            stands: Stands::default(),
            past: Past::default(),
            records: Vec::new(),
            acts: Vec::new(),
            time: START,
            nonce: 0,
            dead: BTreeSet::new(),
            roles: BTreeMap::new(),
            v1: BTreeMap::new(),
        };
        let commit = KEYS[3].id();
        let registry = one("registry", &[5], &[Power::Define, Power::Publish], 1);
        let steps = vec![init(&[0, 1, 2], 2), one("commit", &[3, 4], &[Power::Commit], 0), registry];
        play.begin(&LogName::Operator, steps, &[0, 1], commit);
        let steps = vec![init(&[6, 7], 2), one("starters", &[8], &[Power::Init], 1)];
        play.begin(&"acme".parse().unwrap(), steps, &[6, 7, 5], commit);
        let ci = one("ci", &[10], &[Power::Release], 2);
        let steps = vec![init(&[9], 1), ci, one("registry", &[5], &[Power::Release], 0)];
        play.begin(&"acme:hello".parse().unwrap(), steps, &[8, 9], commit);
        play
    }

    fn begin(&mut self, log: &LogName, steps: Vec<Step>, signers: &[usize], commit: KeyId) {
        let act = self.act(log, steps, Twist::None);
        self.do_act(log, &act, &ids(signers), commit).unwrap();
        assert!(self.stands.states.contains_key(log), "it begins");
    }

    fn act(&mut self, log: &LogName, steps: Vec<Step>, twist: Twist) -> Act {
        self.nonce += 1;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.nonce.to_be_bytes());
        let mut act = Act {
            root: self.past.said.first().map(|said| said.record),
            log: log.log_id(),
            steps,
            not_before: self.time,
            not_after: self.time.plus_seconds(20),
            nonce,
        };
        match twist {
            Twist::None => {}
            Twist::OtherLog => act.log = LogName::Namespace("other".parse().unwrap()).log_id(),
            Twist::OtherRegistry => act.root = Some(RecordId::from_digest(Digest::of(b"other"))),
            Twist::NoRegistry => act.root = None,
            Twist::Early => act.not_before = self.time.plus_seconds(1),
            Twist::Late => {
                (act.not_before, act.not_after) = (self.time.plus_seconds(-9), self.time.plus_seconds(-1));
            }
        }
        act
    }

    pub(super) fn attempt(&mut self, attempt: &Attempt) -> Outcome {
        let (Attempt::Act { wait, .. }
        | Attempt::Again { wait, .. }
        | Attempt::Carrier { wait, .. }
        | Attempt::News { wait, .. }) = attempt;
        // A clock that goes back does so for one attempt.
        let clock = self.time;
        self.time = clock.plus_seconds(*wait);
        let outcome = match attempt {
            Attempt::Act { log: at, moves, who, envelope, twist, .. } => {
                let log = self.begun_or(log(at));
                let of_log = self.past.log(&log);
                let place = Place { log: &of_log, now: self.time };
                let mut steps: Vec<Step> = moves.iter().map(|a_move| place.step(a_move)).collect();
                if of_log.records.is_empty() && *envelope < 230 {
                    steps.insert(0, init(&[11, 12], 1));
                }
                let signers = signers(who, &self.crowds(&log, &of_log, &steps));
                fit(&mut steps, &of_log, &signers, self.time);
                let act = self.act(&log, steps, *twist);
                self.do_act(&log, &act, &signers, self.envelope(*envelope))
            }
            Attempt::Again { which, log: at, .. } => {
                let (of, act, signers) = pick(&self.acts, *which);
                self.do_act(&at.map_or(of, log), &act, &signers, self.envelope(0))
            }
            Attempt::Carrier { log: at, words, envelope, .. } => {
                let log = log(at);
                let of_log = self.past.log(&log);
                let place = Place { log: &of_log, now: self.time };
                let words: Vec<V1> = words.iter().map(|(what, which)| place.word(*what, *which)).collect();
                self.do_carrier(&log, &words, self.envelope(*envelope))
            }
            Attempt::News { log: at, envelope, .. } => self.do_news(&log(at), self.envelope(*envelope)),
        };
        self.time = clock.max(self.time);
        outcome
    }

    /// A package of a namespace that has not begun gives way to one that can.
    fn begun_or(&self, log: LogName) -> LogName {
        match &log {
            LogName::Package(package) => {
                let namespace = LogName::Namespace(package.namespace());
                if self.stands.states.contains_key(&namespace) { log } else { "acme:hello".parse().unwrap() }
            }
            _ => log,
        }
    }

    /// Mostly a live commit key.
    fn envelope(&self, which: u8) -> KeyId {
        let live: Vec<&PublicKey> = self.stands.states[&LogName::Operator].commit_keys(self.time).collect();
        match which {
            0..200 if !live.is_empty() => pick(&live, which).id(),
            _ => pick(&KEYS[..10], which).id(),
        }
    }

    /// Roles of the log, of the log above it, and the keys that steps name.
    fn crowds(&self, log: &LogName, of_log: &Log, steps: &[Step]) -> Vec<(Vec<KeyId>, u32)> {
        let above = match log {
            LogName::Operator => None,
            LogName::Namespace(_) => Some(LogName::Operator),
            LogName::Package(package) => Some(LogName::Namespace(package.namespace())),
        };
        let above = above.map(|above| self.past.log(&above));
        let mut crowds = Vec::new();
        for log in std::iter::once(of_log).chain(&above) {
            let roles = log.live(self.time).into_iter().map(|role| &log.roles[role]);
            crowds.extend(roles.map(|role| (role.keys.keys().copied().collect(), role.threshold)));
        }
        for step in steps {
            if let Step::Init { keys, threshold } | Step::Recover { keys, threshold } = step {
                crowds.push((keys.iter().map(PublicKey::id).collect(), *threshold));
            }
            if let Step::Grant(grant) = step {
                crowds.push((grant.keys.iter().map(PublicKey::id).collect(), grant.threshold.max(1)));
            }
        }
        // A log above that has not begun has no roles.
        crowds.push((vec![KEYS[0].id()], 1));
        crowds
    }

    fn do_act(&mut self, log: &LogName, act: &Act, signers: &BTreeSet<KeyId>, envelope: KeyId) -> Outcome {
        let (bytes, time) = (act.encode(), self.time);
        let digest = Digest::of(&bytes);
        let proposed = Proposed { log, time, act, digest, signers: signers.clone(), envelope };
        let expected = self.past.judge(&proposed);
        let carried = self.carry(log, &bytes, signers, &envelope);
        let (entries, counted, carried) = match (expected, carried) {
            (None, Err(_)) => return Ok(()),
            (Some((entries, counted)), Ok(carried)) => (entries, counted, carried),
            (expected, carried) => {
                let carried = carried.map(|_| ());
                return Err(TestCaseError::fail(format!(
                    "the model says {expected:?}, the judge {carried:?} of {log} at {time}: {act:#?} by {signers:?}"
                )));
            }
        };
        self.check_guard(log, act, &counted, &envelope)?;
        let endorsers = endorsers(log.layer(), &carried.contents);
        prop_assert_eq!(&endorsers, &counted, "who counts");
        prop_assert_eq!(&v1_entries(log.layer(), &carried.contents), &entries, "the projection");
        let said = Said {
            log: log.clone(),
            time,
            record: log.layer().record_id(&carried.contents),
            act: Some(digest),
            steps: act.steps.clone(),
            signers: counted,
            entries,
        };
        self.acts.push((log.clone(), act.clone(), signers.clone()));
        self.settle(log, (carried.contents, envelope), carried.changes, said, Some(act))
    }

    pub(super) fn carry(
        &self,
        log: &LogName,
        act: &[u8],
        signers: &BTreeSet<KeyId>,
        envelope: &KeyId,
    ) -> Result<Carried, Refusal> {
        let endorsement = |key_id: &KeyId| Endorsement { key_id: *key_id, signature: no_signature() };
        let endorsements: Vec<Endorsement> = signers.iter().map(endorsement).collect();
        self.stands.state(log).carry_verified(
            &self.stands.context(log),
            self.time,
            act,
            &endorsements,
            envelope,
        )
    }

    fn do_carrier(&mut self, log: &LogName, words: &[V1], envelope: KeyId) -> Outcome {
        let Some(state) = self.stands.states.get(log) else { return Ok(()) };
        let Some(contents) = carrier(state, self.time, words) else { return Ok(()) };
        let allowed = self.past.judge_carrier(log, self.time, words, envelope);
        let sealed =
            Envelope { contents: contents.clone().into(), key_id: envelope, signature: no_signature() };
        let judged = state.judge_verified(&self.stands.context(log), &sealed);
        prop_assert_eq!(
            allowed.is_some(),
            judged.is_ok(),
            "{:?} in {} by {}: {:?}",
            words,
            log,
            envelope,
            judged
        );
        match judged {
            Ok(changes) => self.settle_carrier(log, contents, changes, envelope),
            Err(_) => Ok(()),
        }
    }

    fn do_news(&mut self, log: &LogName, envelope: KeyId) -> Outcome {
        let Some(state) = self.stands.states.get(log) else { return Ok(()) };
        let expected = self.past.news(log, self.time);
        let allowed = self.past.judge_carrier(log, self.time, &expected, envelope).is_some();
        match state.carry_news(&self.stands.context(log), self.time, &envelope) {
            Ok(None) => prop_assert_eq!(expected, []),
            Err(refusal) => prop_assert!(!allowed && !expected.is_empty(), "no news: {}", refusal),
            Ok(Some(carried)) => {
                prop_assert_eq!(&v1_entries(log.layer(), &carried.contents), &expected);
                return self.settle_carrier(log, carried.contents, carried.changes, envelope);
            }
        }
        Ok(())
    }

    fn settle_carrier(
        &mut self,
        log: &LogName,
        contents: Vec<u8>,
        changes: Changes,
        envelope: KeyId,
    ) -> Outcome {
        let entries = v1_entries(log.layer(), &contents);
        let allowed = self.past.judge_carrier(log, self.time, &entries, envelope);
        prop_assert!(allowed.is_some(), "news that are no carrier record: {:?}", entries);
        let said = Said {
            log: log.clone(),
            time: self.time,
            record: log.layer().record_id(&contents),
            act: None,
            steps: Vec::new(),
            signers: BTreeSet::new(),
            entries,
        };
        self.settle(log, (contents, envelope), changes, said, None)
    }

    fn settle(
        &mut self,
        log: &LogName,
        (contents, key_id): (Vec<u8>, KeyId),
        changes: Changes,
        said: Said,
        act: Option<&Act>,
    ) -> Outcome {
        let sealed = Envelope { contents: contents.into(), key_id, signature: no_signature() };
        let judged = self.stands.state(log).judge_verified(&self.stands.context(log), &sealed);
        prop_assert_eq!(judged.as_ref(), Ok(&changes), "what is carried is judged valid");
        self.check_v1(log, &sealed)?;
        self.past.said.push(said);
        self.records.push((log.clone(), sealed, act.cloned()));
        self.check_lives(&changes)?;
        self.stands.follow(log, changes);
        self.check_same(log)
    }

    /// "What must be shown", d: one record after the other, on rows, and on no facts but those of what it names.
    pub(super) fn replay(&self, rows_every: usize) -> Outcome {
        let mut again = Stands::default();
        for (at, (log, sealed, act)) in self.records.iter().enumerate() {
            let mut named = Named::default();
            act.iter().for_each(|act| named.extend(act));
            if act.is_none() {
                let yanked = self.past.said[at].entries.iter().filter_map(|entry| match entry {
                    V1::Yank(version) => Some(version.clone()),
                    _ => None,
                });
                named.versions.extend(yanked);
            }
            let facts = again.facts.get(log).map(|facts| facts.about(&named)).unwrap_or_default();
            let context = Context { facts: Some(&facts), ..again.context(log) };
            let changes = again.state(log).judge_verified(&context, sealed);
            let changes = changes.map_err(|refusal| TestCaseError::fail(format!("{at}: {refusal}")))?;
            again.follow(log, changes);
            if at % rows_every == 0 {
                again.states.values_mut().for_each(|state| *state = State::decode(&state.encode()).unwrap());
                for release in again.facts.values_mut().flat_map(|facts| facts.releases.values_mut()) {
                    *release = Release::decode(&release.encode()).unwrap();
                }
            }
        }
        prop_assert_eq!(&again.states, &self.stands.states);
        prop_assert_eq!(&again.facts, &self.stands.facts);
        Ok(())
    }
}
