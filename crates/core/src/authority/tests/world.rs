//! A registry with a namespace and a package, each log growing by acts that are judged as they were carried.

use super::*;
use crate::record::{PackageEntry, PackageRecord};
use crate::v1::operator as v1_operator;
use crate::v1::package::{self as v1, SignatureCheck};
use crate::verify::GivenRecord;

/// The namespace's owners; both must agree.
pub(super) const ACME: [u8; 2] = [50, 51];
/// Holds `init` over `hello` and `http-*`.
pub(super) const STARTER: u8 = 52;
/// The package's owner.
pub(super) const ALICE: u8 = 60;
/// Holds `release` over `>=1.0.0 <2.0.0`.
pub(super) const CI: u8 = 61;
/// Hold `release` and `yank` over `>=2.0.0 <3.0.0`; both must agree.
pub(super) const TEAM: [u8; 2] = [62, 63];

pub(super) fn acme() -> LogName {
    "acme".parse().unwrap()
}

pub(super) fn hello() -> LogName {
    "acme:hello".parse().unwrap()
}

#[derive(Clone)]
pub(super) struct World {
    pub(super) states: BTreeMap<LogName, State>,
    pub(super) facts: BTreeMap<LogName, Facts>,
    /// Every role that ever was, as it was last.
    pub(super) roles: BTreeMap<RoleId, Role>,
    pub(super) time: Time,
    /// The key that signs envelopes.
    pub(super) commit: u8,
    pub(super) given: Vec<(LogName, GivenRecord)>,
    /// The operator's log and the package's as v1 clients see them.
    v1_operator: v1_operator::State,
    v1: v1::State,
    acts: u16,
}

impl World {
    /// Only the operator log has begun.
    pub(super) fn new() -> Self {
        let mut world = Self {
            states: BTreeMap::new(),
            facts: BTreeMap::new(),
            roles: BTreeMap::new(),
            time: START,
            commit: COMMIT,
            given: Vec::new(),
            v1_operator: v1_operator::State::default(),
            v1: v1::State::default(),
            acts: 0,
        };
        let genesis = genesis().encode();
        let carried = world.try_carry(&LogName::Operator, &genesis, &endorsed(&genesis, &[1, 2])).unwrap();
        world.settle(&LogName::Operator, carried);
        world
    }

    /// The namespace has begun, with the role `starters`.
    pub(super) fn claimed() -> Self {
        let mut world = Self::new();
        let init = Step::Init { keys: publics(&ACME), threshold: 2 };
        let starters = Grant { scope: names(&["hello", "http-*"]), ..grant("starters", &[STARTER], &[]) };
        let signers = [ACME[0], ACME[1], PUBLISHING];
        world.run(&acme(), vec![init, Step::Grant(starters)], &signers).unwrap();
        world
    }

    /// The package has begun too: `ci`, `registry` with the publishing key, `team`.
    pub(super) fn released() -> Self {
        let mut world = Self::claimed();
        let ones = versions(&[">=1.0.0 <2.0.0"]);
        let twos = versions(&[">=2.0.0 <3.0.0"]);
        let release = [Power::Release];
        let steps = vec![
            Step::Init { keys: publics(&[ALICE]), threshold: 1 },
            Step::Grant(Grant { scope: ones.clone(), ..grant("ci", &[CI], &release) }),
            Step::Grant(Grant { scope: ones, ..grant("registry", &[PUBLISHING], &release) }),
            Step::Grant(Grant {
                scope: twos,
                threshold: 2,
                ..grant("team", &TEAM, &[Power::Release, Power::Yank])
            }),
        ];
        world.run(&hello(), steps, &[ALICE, STARTER]).unwrap();
        world
    }

    pub(super) fn state(&self, log: &LogName) -> State {
        self.states.get(log).cloned().unwrap_or_else(|| State::empty(log.clone()))
    }

    pub(super) fn context(&self, log: &LogName) -> Context<'_> {
        Context {
            operator: self.states.get(&LogName::Operator).filter(|_| *log != LogName::Operator),
            namespace: self.states.get(&acme()).filter(|_| matches!(log, LogName::Package(_))),
            facts: self.facts.get(log),
        }
    }

    pub(super) fn act(&mut self, log: &LogName, steps: Vec<Step>) -> Act {
        self.acts += 1;
        let mut nonce = [0; 16];
        nonce[..2].copy_from_slice(&self.acts.to_be_bytes());
        Act {
            root: self.state(&LogName::Operator).first_record(),
            log: log.log_id(),
            steps,
            not_before: self.time,
            not_after: self.time.plus_seconds(60),
            nonce,
        }
    }

    pub(super) fn try_carry(
        &self,
        log: &LogName,
        act: &[u8],
        endorsements: &[Endorsement],
    ) -> Result<Carried, Refusal> {
        let commit = key(self.commit).public().id();
        self.state(log).carry(&self.context(log), self.time, act, endorsements, &commit)
    }

    pub(super) fn judge(&self, log: &LogName, contents: Vec<u8>, signer: u8) -> Result<Changes, Refusal> {
        let envelope = Envelope::sign(log.layer(), contents.into(), &key(signer)).unwrap();
        self.state(log).judge(&self.context(log), &envelope)
    }

    /// Takes a carried record in, judged anew; its v1 entries unless it is the operator's.
    pub(super) fn settle(&mut self, log: &LogName, carried: Carried) -> Vec<PackageEntry> {
        let contents = Bytes::from(carried.contents);
        let envelope = Envelope::sign(log.layer(), contents.clone(), &key(self.commit)).unwrap();
        let judged = self.state(log).judge(&self.context(log), &envelope).unwrap();
        assert_eq!(judged, carried.changes, "what is carried is judged valid");
        let mut entries = Vec::new();
        if *log == LogName::Operator {
            let record = OperatorRecord::decode(&contents).unwrap();
            let judged = self.v1_operator.judge(&envelope, &record);
            self.v1_operator = judged.expect("v1 clients accept it");
        } else {
            let record = PackageRecord::decode(&contents).unwrap();
            entries.clone_from(&record.entries);
            if *log == hello() {
                let changes = self.v1.judge(&envelope, &record, SignatureCheck::Needed);
                self.v1.apply(changes.expect("v1 clients accept it"));
            }
        }
        let index = self.given.len() as u64;
        self.given.push((log.clone(), GivenRecord { index, envelope, checked: false }));
        self.follow(log, judged);
        entries
    }

    pub(super) fn follow(&mut self, log: &LogName, changes: Changes) {
        self.facts.entry(log.clone()).or_default().follow(&changes);
        if let LogName::Namespace(namespace) = log {
            self.facts.entry(LogName::Operator).or_default().claimed.insert(namespace.clone());
        }
        self.roles.extend(changes.state.roles().map(|role| (role.made, role.clone())));
        self.states.insert(log.clone(), changes.state);
    }

    /// Lets time pass.
    pub(super) fn wait(&mut self, seconds: i64) {
        self.time = self.time.plus_seconds(seconds);
    }

    /// The package's latest record.
    pub(super) fn head(&self) -> RecordId {
        self.states[&hello()].head().unwrap()
    }

    /// The release of a version of the package.
    pub(super) fn released_as(&self, version: &str) -> Release {
        self.releases()[&version.parse().unwrap()].clone()
    }

    /// Whether a version of the package lost its trust.
    pub(super) fn distrusts(&self, version: &str) -> bool {
        self.states[&hello()].distrusts(&self.released_as(version))
    }

    /// The names of a log's live roles.
    pub(super) fn live(&self, log: &LogName) -> Vec<&str> {
        self.states[log].live_at(self.time).map(|role| role.name.as_str()).collect()
    }

    /// The package's releases.
    pub(super) fn releases(&self) -> Releases {
        self.facts.get(&hello()).map(|facts| facts.releases.clone()).unwrap_or_default()
    }

    /// Does an act; the v1 entries of its record.
    pub(super) fn run(
        &mut self,
        log: &LogName,
        steps: Vec<Step>,
        signers: &[u8],
    ) -> Result<Vec<PackageEntry>, Refusal> {
        let act = self.act(log, steps).encode();
        let carried = self.try_carry(log, &act, &endorsed(&act, signers))?;
        Ok(self.settle(log, carried))
    }
}

pub(super) fn versions(texts: &[&str]) -> Scope {
    names(texts)
}

pub(super) fn release(version: &str) -> Step {
    Step::Release(crate::act::Release {
        version: version.parse().unwrap(),
        content: Digest::of(version.as_bytes()),
        manifest: None,
        variants: Vec::new(),
        dependencies: Vec::new(),
        on_behalf_of: None,
        breaking: false,
    })
}

/// The same, on behalf of a user.
pub(super) fn release_for(version: &str, whom: &str) -> Step {
    let Step::Release(release) = release(version) else { unreachable!() };
    Step::Release(crate::act::Release { on_behalf_of: crate::act::OnBehalfOf::parse(whom), ..release })
}

/// Takes keys from a role, or ends it.
pub(super) fn revoke(role: &str, seeds: &[u8]) -> Step {
    revoke_since(role, seeds, None)
}

pub(super) fn revoke_since(role: &str, seeds: &[u8], since: Option<RecordId>) -> Step {
    let key_ids = publics(seeds).iter().map(PublicKey::id).collect();
    Step::Revoke(crate::act::Revoke { role: role.to_owned(), key_ids, since })
}

pub(super) fn annotate(kind: AnnotationKind, subject: &str, value: &str) -> Step {
    Step::Annotate { kind, subject: subject.to_owned(), value: value.to_owned() }
}

pub(super) fn recover(seeds: &[u8], threshold: u32) -> Step {
    Step::Recover { keys: publics(seeds), threshold }
}

pub(super) fn init(seeds: &[u8], threshold: u32) -> Step {
    Step::Init { keys: publics(seeds), threshold }
}

/// Steps, who endorses them, and the words of the refusal; none if they are allowed.
pub(super) type Try<'a> = (Vec<Step>, &'a [u8], &'a str);

/// Tries each row on the world as it was at the start.
#[track_caller]
pub(super) fn tries(start: &World, log: &LogName, rows: Vec<Try<'_>>) {
    for (steps, signers, words) in rows {
        let result = start.clone().run(log, steps.clone(), signers);
        if !words.is_empty() {
            let refusal = result.err().map(|refusal| refusal.to_string());
            let said = refusal.as_ref().is_some_and(|refusal| refusal.contains(words));
            assert!(said, "{steps:?} by {signers:?}: {refusal:?} does not say {words:?}");
        } else if let Err(refusal) = result {
            panic!("{steps:?} by {signers:?}: {refusal}");
        }
    }
}

pub(super) fn yank(version: &str) -> Step {
    Step::Yank { version: version.parse().unwrap(), reason: "broken".to_owned() }
}
