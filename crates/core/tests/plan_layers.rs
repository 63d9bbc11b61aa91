//! Batches that touch several layers: which facts they need, and what the registry decides on them.
#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::sync::Arc;

use semver::Version;
use wargate_core::act::{Act, Grant, Release, Step, endorse};
use wargate_core::authority::{self, Releases, State, genesis_act};
use wargate_core::digest::Digest;
use wargate_core::envelope::Envelope;
use wargate_core::id::{Layer, LogId, RecordId};
use wargate_core::key::{Algorithm, PublicKey, SecretKey};
use wargate_core::map::page::Pages;
use wargate_core::name::LogName;
use wargate_core::plan::{
    Accepted, Contents, Effect, Facts, LogFacts, OwnKeys, Submission, Tree, Verdict, decide, needs,
};
use wargate_core::record::{PackageEntry, PackageRecord};
use wargate_core::time::Time;
use wargate_core::v1::package::{self, SignatureCheck};
use wargate_core::verify::{GivenRecord, PackageLog, judge_layers};

const NOW: Time = Time::from_seconds(1_800_000_000);

/// Root 1, commit key 2, publishing key 4; owner of `acme` 10; owner of packages 20; a `warg` user 30.
fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(Algorithm::EcdsaP256, [seed; 32]).unwrap()
}

fn public(seed: u8) -> PublicKey {
    key(seed).public().clone()
}

/// Keeps facts as an engine does: rows by log, read as far as a batch needs them.
struct Engine {
    tree: Tree,
    pages: Pages,
    rows: std::collections::BTreeMap<LogId, LogFacts>,
    given: Vec<(LogName, GivenRecord)>,
    acts: u8,
}

impl Engine {
    fn begun() -> Self {
        let mut engine = Self {
            tree: Tree::empty(),
            pages: Pages::default(),
            rows: std::collections::BTreeMap::new(),
            given: Vec::new(),
            acts: 0,
        };
        let act = genesis_act(&[public(1)], 1, &[public(2)], &public(4), NOW, [0; 16]);
        assert_eq!(engine.commit(&[submit(LogName::Operator, &act, &[1])]), [Ok(0)]);
        engine
    }

    fn act(&mut self, log: &str, steps: Vec<Step>, signers: &[u8]) -> Submission {
        self.acts += 1;
        let log: LogName = log.parse().unwrap();
        let act = Act {
            root: self.tree.root,
            log: log.log_id(),
            steps,
            not_before: NOW,
            not_after: NOW.plus_seconds(60),
            nonce: [self.acts; 16],
        };
        submit(log, &act, signers)
    }

    /// What the rows hold of what is needed: no more.
    fn facts(&self, batch: &[Submission]) -> Facts {
        let mut facts = Facts { pages: self.pages.clone(), ..Facts::default() };
        for (id, needs) in needs(batch) {
            let known = match self.rows.get(&id) {
                Some(LogFacts::Delegated { state, facts }) => LogFacts::Delegated {
                    state: State::decode(&state.encode()).unwrap(),
                    facts: Box::new(facts.about(&needs.named)),
                },
                Some(known) => known.clone(),
                None => continue,
            };
            facts.logs.insert(id, known);
        }
        facts
    }

    /// Decides and commits a batch; each record's index, or why it was refused.
    fn commit(&mut self, batch: &[Submission]) -> Vec<Result<u64, String>> {
        let own = OwnKeys { commit: public(2).id(), former: Vec::new(), publishing: None };
        let draft = decide(&self.tree, self.facts(batch), batch, &own, NOW).unwrap();
        for accepted in &draft.records {
            self.follow(accepted);
        }
        for (id, page) in draft.pages {
            self.pages.insert(id, Arc::new(page));
        }
        self.tree = draft.tree;
        let verdict = |verdict| match verdict {
            Verdict::Accepted { index, .. } => Ok(index),
            Verdict::Refused { reason } => Err(reason),
        };
        draft.verdicts.into_iter().map(verdict).collect()
    }

    fn follow(&mut self, accepted: &Accepted) {
        let row = match (&accepted.effect, self.rows.remove(&accepted.log_id)) {
            (Effect::V1(changes), row) => {
                let mut state = match row {
                    Some(LogFacts::V1(state)) => state,
                    _ => package::State::default(),
                };
                state.apply(changes.clone());
                LogFacts::V1(state)
            }
            (Effect::Delegated(changes), row) => {
                let mut facts = match row {
                    Some(LogFacts::Delegated { facts, .. }) => facts,
                    _ => Box::default(),
                };
                facts.follow(changes);
                LogFacts::Delegated { state: changes.state.clone(), facts }
            }
        };
        self.rows.insert(accepted.log_id, row);
        let envelope = match &accepted.contents {
            Contents::Signed(envelope) => envelope.clone(),
            Contents::ToSign { contents, .. } => {
                Envelope::sign(accepted.log.layer(), contents.clone(), &key(2)).unwrap()
            }
        };
        self.given
            .push((accepted.log.clone(), GivenRecord { index: accepted.index, envelope, checked: false }));
    }

    fn releases(&self, log: &str) -> &Releases {
        match &self.rows[&log.parse::<LogName>().unwrap().log_id()] {
            LogFacts::Delegated { facts, .. } => &facts.releases,
            other => panic!("{other:?}"),
        }
    }
}

fn submit(log: LogName, act: &Act, signers: &[u8]) -> Submission {
    let act = act.encode();
    let endorsements = signers.iter().map(|seed| endorse(&act, &key(*seed)).unwrap()).collect();
    Submission::Act { log, act: act.into(), endorsements, signatures: SignatureCheck::Needed }
}

fn init(seed: u8) -> Step {
    Step::Init { keys: vec![public(seed)], threshold: 1 }
}

fn release(version: &str) -> Step {
    Step::Release(Release {
        version: version.parse().unwrap(),
        content: Digest::of(version.as_bytes()),
        manifest: None,
        variants: Vec::new(),
        dependencies: Vec::new(),
        on_behalf_of: None,
        breaking: false,
    })
}

fn admit(name: &str, seed: u8) -> Step {
    Step::Admit { name: name.to_owned(), key: public(seed) }
}

fn v1(name: &str, prev: Option<RecordId>, entries: Vec<PackageEntry>, seed: u8) -> Submission {
    let record = PackageRecord { prev, version: 0, time: NOW, entries };
    let envelope = Envelope::sign(Layer::Package, record.encode().into(), &key(seed)).unwrap();
    Submission::V1 { name: name.parse().unwrap(), envelope, record, signature: SignatureCheck::Needed }
}

fn v1_init(name: &str, seed: u8) -> Submission {
    v1(name, None, vec![PackageEntry::Init { key: public(seed) }], seed)
}

#[track_caller]
fn refused(verdict: &Result<u64, String>, words: &str) {
    let reason = verdict.as_ref().unwrap_err();
    assert!(reason.contains(words), "{reason:?} does not say {words:?}");
}

#[test]
fn needs_name_the_layers_above_and_the_versions_of_acts() {
    let mut engine = Engine::begun();
    let named = |submission: Submission| -> Vec<(String, Vec<String>)> {
        let needs = needs(&[submission]);
        let mut named: Vec<_> = needs
            .into_values()
            .map(|log| {
                (log.name.as_str().to_owned(), log.named.versions.iter().map(Version::to_string).collect())
            })
            .collect();
        named.sort();
        named
    };
    let none = |log: &str| (log.to_owned(), Vec::new());
    assert_eq!(named(engine.act("", vec![init(1)], &[])), [none("")]);
    assert_eq!(named(engine.act("acme", vec![init(1)], &[])), [none(""), none("acme")]);
    let yank = Step::Yank { version: "0.9.0".parse().unwrap(), reason: String::new() };
    let steps = vec![release("1.0.0"), yank];
    let package = ("acme:hello".to_owned(), vec!["0.9.0".to_owned(), "1.0.0".to_owned()]);
    assert_eq!(named(engine.act("acme:hello", steps, &[])), [none(""), none("acme"), package]);
    let log: LogName = "acme:hello".parse().unwrap();
    let (act, signatures) = (vec![1, 2, 3].into(), SignatureCheck::Needed);
    let junk = Submission::Act { log, act, endorsements: Vec::new(), signatures };
    assert_eq!(named(junk), [none(""), none("acme"), none("acme:hello")]);
    // A v1 log asks its namespace only when it begins.
    assert_eq!(named(v1_init("acme:old", 30)), [none("acme"), none("acme:old")]);
    let prev = Some(Layer::Package.record_id(b"x"));
    assert_eq!(named(v1("acme:old", prev, Vec::new(), 30)), [none("acme:old")]);
}

#[test]
fn all_layers_begin_in_one_batch_and_verify() {
    let mut engine = Engine::begun();
    let batch = vec![
        engine.act("acme", vec![init(10)], &[10, 4]),
        engine.act("acme:hello", vec![init(20), release("1.0.0")], &[20, 10]),
        engine.act("acme:hello", vec![release("1.1.0")], &[20]),
        engine.act("acme:hello", vec![release("1.1.0")], &[20]),
        engine.act("acme", vec![init(10)], &[10, 4]),
    ];
    let verdicts = engine.commit(&batch);
    assert_eq!(verdicts[..3], [Ok(1), Ok(2), Ok(3)]);
    refused(&verdicts[3], "version 1.1.0 is already released");
    refused(&verdicts[4], "first record and nowhere else");
    // Later batches know only the releases that they name.
    let yank = |version: &str| Step::Yank { version: version.parse().unwrap(), reason: String::new() };
    let batch = vec![
        engine.act("acme:hello", vec![release("1.0.0")], &[20]),
        engine.act("acme:hello", vec![yank("1.0.0")], &[20]),
        engine.act("acme:hello", vec![yank("1.0.0")], &[20]),
        engine.act("acme:hello", vec![yank("3.0.0")], &[20]),
    ];
    let verdicts = engine.commit(&batch);
    assert_eq!(verdicts[1], Ok(4));
    refused(&verdicts[0], "version 1.0.0 is already released");
    refused(&verdicts[2], "version 1.0.0 is already yanked");
    refused(&verdicts[3], "version 3.0.0 was never released");
    let of = |log: &str| -> Vec<GivenRecord> {
        let of_it = engine.given.iter().filter(|(of, _)| of.as_str() == log);
        of_it.map(|(_, record)| record.clone()).collect()
    };
    let name = "acme:hello".parse().unwrap();
    let layers = judge_layers(&name, &of(""), &of("acme"), &of("acme:hello")).unwrap();
    let Some(PackageLog::Delegated { facts, .. }) = layers.package else { panic!("a delegated log") };
    assert_eq!(facts.releases, *engine.releases("acme:hello"));
    assert_eq!(facts.releases.len(), 2);
    let unclaimed = judge_layers(&name, &of(""), &[], &of("acme:hello")).unwrap_err().to_string();
    assert!(unclaimed.contains("the namespace `acme` has no log yet"), "{unclaimed}");
    // Given in another order, or with a record twice, they are refused.
    let mut doubled = of("acme:hello");
    doubled[0].index = 1;
    assert!(judge_layers(&name, &of(""), &of("acme"), &doubled).is_err());
    let early = GivenRecord { index: 1, ..of("acme:hello")[0].clone() };
    let late = GivenRecord { index: 2, ..of("acme")[0].clone() };
    assert!(judge_layers(&name, &of(""), &[late], &[early]).is_err());
}

#[test]
fn a_v1_log_in_a_claimed_namespace_begins_only_when_it_was_admitted() {
    let mut engine = Engine::begun();
    // One that began before the namespace was claimed goes on.
    let first = v1_init("acme:early", 30);
    let Submission::V1 { envelope, .. } = &first else { unreachable!() };
    let prev = envelope.record_id(Layer::Package);
    let claim = engine.act("acme", vec![init(10)], &[10, 4]);
    assert_eq!(engine.commit(&[first, claim]), [Ok(1), Ok(2)]);
    let content = Digest::of(b"x");
    let next = PackageEntry::Release { version: Version::new(1, 0, 0), content };
    // Even where the batch looks at the namespace for another record.
    let batch = [v1("acme:early", Some(prev), vec![next], 30), v1_init("acme:old", 30)];
    let verdicts = engine.commit(&batch);
    assert_eq!(verdicts[0], Ok(3));
    refused(&verdicts[1], "did not admit key");

    let batch = vec![
        v1_init("acme:old", 30),
        engine.act("acme", vec![admit("old", 30)], &[10]),
        v1_init("acme:other", 30),
        v1_init("acme:old", 31),
        v1_init("acme:old", 30),
    ];
    let verdicts = engine.commit(&batch);
    refused(&verdicts[0], "did not admit key");
    assert_eq!(verdicts[1], Ok(4));
    refused(&verdicts[2], "did not admit key");
    refused(&verdicts[3], "did not admit key");
    assert_eq!(verdicts[4], Ok(5));
    // Elsewhere it is first come, first served.
    assert_eq!(engine.commit(&[v1_init("free:thing", 30)]), [Ok(6)]);
    // Neither kind of log becomes the other.
    let act = engine.act("acme:old", vec![init(20)], &[20, 10]);
    refused(&engine.commit(&[act])[0], "is a v1 log");
    let act = engine.act("acme:new", vec![init(20)], &[20, 10]);
    let batch = [act, engine.act("acme", vec![admit("new", 30)], &[10]), v1_init("acme:new", 30)];
    let verdicts = engine.commit(&batch);
    assert_eq!(verdicts[..2], [Ok(7), Ok(8)]);
    refused(&verdicts[2], "is a delegated log");
}

#[test]
fn a_refused_start_decides_nothing() {
    let mut engine = Engine::begun();
    let claim = engine.act("acme", vec![init(10)], &[10, 4]);
    let batch = [
        engine.act("acme:hello", vec![init(20)], &[20, 10]),
        claim,
        engine.act("acme:hello", vec![init(20)], &[20]),
        engine.act("acme:hello", vec![init(20), release("1.0.0+x")], &[20, 10]),
        engine.act("acme", vec![admit("hello", 30)], &[10]),
        v1_init("acme:hello", 30),
    ];
    let verdicts = engine.commit(&batch);
    refused(&verdicts[0], "the namespace `acme` has no log yet");
    assert_eq!(verdicts[1], Ok(1));
    refused(&verdicts[2], "needs the agreement");
    refused(&verdicts[3], "build metadata");
    assert_eq!(verdicts[4..], [Ok(2), Ok(3)]);
    assert!(matches!(engine.rows[&LogId::package(&"acme:hello".parse().unwrap())], LogFacts::V1(_)));
}

#[test]
fn a_role_granted_in_a_batch_counts_in_the_same_batch() {
    let mut engine = Engine::begun();
    let starters = Grant {
        role: "starters".to_owned(),
        keys: vec![public(11)],
        threshold: 1,
        powers: vec![authority::role::Power::Init],
        scope: authority::role::Scope::parse(&["http-*".to_owned()]).unwrap(),
        not_after: None,
        depth: 0,
        parent: String::new(),
    };
    let batch = [
        engine.act("acme", vec![init(10)], &[10, 4]),
        engine.act("acme:http-types", vec![init(20)], &[20, 11]),
        engine.act("acme", vec![Step::Grant(starters)], &[10]),
        engine.act("acme:http-types", vec![init(20)], &[20, 11]),
        engine.act("acme:https", vec![init(20)], &[20, 11]),
    ];
    let verdicts = engine.commit(&batch);
    refused(&verdicts[1], "of the role `owner`, it has 0");
    assert_eq!((&verdicts[0], &verdicts[2], &verdicts[3]), (&Ok(1), &Ok(2), &Ok(3)));
    refused(&verdicts[4], "of the role `owner`, it has 0");
}
