//! The delegated log that an independent implementation made: acts, endorsements, the operator's first record, and
//! the v1 logs among it.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test ends where something fails")]

mod vectors;

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message as _;
use serde_json::Value;
use vectors::{bytes, list, load, number, text};
use wargate_core::act::{Act, Endorsement, Step};
use wargate_core::authority::{Context, Refusal, Release, Releases, State};
use wargate_core::envelope::Envelope;
use wargate_core::id::{LogId, RecordId, entry};
use wargate_core::key::{KeyId, PublicKey, Signature};
use wargate_core::name::LogName;
use wargate_core::proto;
use wargate_core::record::{PackageRecord, first_extension_field};
use wargate_core::v1::package::{self, SignatureCheck};
use wargate_core::verify::{Failure, GivenRecord, PackageLog, judge_layers};

struct Given {
    index: u64,
    log: LogName,
    log_id: LogId,
    id: RecordId,
    envelope: Envelope,
    entry: Vec<u8>,
}

struct Vectors {
    root: RecordId,
    keys: BTreeMap<String, PublicKey>,
    records: Vec<Given>,
}

impl Vectors {
    fn load() -> Self {
        let all = load("delegated");
        let key = |(name, key): (&String, &Value)| (name.clone(), text(&key["public"]).parse().unwrap());
        let record = |record: &Value| Given {
            index: number(&record["index"]),
            log: match text(&record["log"]) {
                "operator" => LogName::Operator,
                name => name.parse().unwrap(),
            },
            log_id: text(&record["logId"]).parse().unwrap(),
            id: text(&record["recordId"]).parse().unwrap(),
            envelope: Envelope::decode(&Bytes::from(bytes(&record["envelope"]))).unwrap(),
            entry: bytes(&record["entry"]),
        };
        let records: Vec<_> = list(&all["records"]).iter().map(record).collect();
        assert_eq!(records.len(), 34);
        Self {
            root: text(&all["root"]).parse().unwrap(),
            keys: all["keys"].as_object().unwrap().iter().map(key).collect(),
            records,
        }
    }

    fn key(&self, id: &KeyId) -> &PublicKey {
        self.keys.values().find(|key| key.id() == *id).unwrap()
    }

    fn operator(&self, index: usize) -> &Given {
        let record = &self.records[index];
        assert_eq!(record.log, LogName::Operator);
        record
    }
}

/// The act and endorsements of a record; a namespace's and a package's record have the operator's fields here.
fn act_of(record: &Given) -> Option<(Bytes, Vec<Endorsement>)> {
    let message = proto::PackageRecord::decode(record.envelope.contents.clone());
    let (act, endorsements) = match record.log {
        LogName::Operator => {
            let message = proto::OperatorRecord::decode(record.envelope.contents.clone()).unwrap();
            assert_eq!(message.encode_to_vec(), record.envelope.contents);
            (message.act, message.endorsements)
        }
        _ => {
            let message = message.unwrap();
            assert_eq!(message.encode_to_vec(), record.envelope.contents);
            (message.act, message.endorsements)
        }
    };
    let endorsement = |message: &proto::Endorsement| Endorsement {
        key_id: message.key_id.parse().unwrap(),
        signature: message.signature.parse::<Signature>().unwrap(),
    };
    (!act.is_empty()).then(|| (act, endorsements.iter().map(endorsement).collect()))
}

#[test]
fn every_record_has_its_ids_its_entry_and_its_signature() {
    let vectors = Vectors::load();
    for record in &vectors.records {
        assert_eq!(record.log.log_id(), record.log_id, "{}", record.index);
        assert_eq!(record.envelope.record_id(record.log.layer()), record.id, "{}", record.index);
        assert_eq!(entry(&record.log_id, &record.id), record.entry, "{}", record.index);
        record.envelope.verify(record.log.layer(), vectors.key(&record.envelope.key_id)).unwrap();
    }
    assert_eq!(vectors.records[0].id, vectors.root);
}

#[test]
fn every_act_is_read_written_back_and_endorsed() {
    let vectors = Vectors::load();
    let (mut acts, mut kinds) = (0, Vec::new());
    for record in &vectors.records {
        let Some((bytes, endorsements)) = act_of(record) else {
            continue;
        };
        acts += 1;
        let act = Act::decode(&bytes).unwrap();
        assert_eq!(act.encode(), bytes, "{}", record.index);
        assert_eq!(act.log, record.log_id, "{}", record.index);
        assert_eq!(act.root, (record.index > 0).then_some(vectors.root), "{}", record.index);
        kinds.extend(act.steps.iter().map(Step::name));
        assert!(!endorsements.is_empty());
        assert!(endorsements.is_sorted_by(|a, b| a.key_id < b.key_id), "{}", record.index);
        for endorsement in &endorsements {
            let key = vectors.key(&endorsement.key_id);
            endorsement.verify(&bytes, key).unwrap();
            endorsement.verify(&bytes[1..], key).unwrap_err();
        }
    }
    kinds.sort_unstable();
    kinds.dedup();
    let all =
        ["Admit", "Annotate", "Grant", "Import", "Init", "Recover", "Release", "Revoke", "Takedown", "Yank"];
    assert_eq!((acts, kinds), (24, all.to_vec()));
}

#[test]
fn the_first_record_is_judged_valid() {
    let vectors = Vectors::load();
    let first = vectors.operator(0);
    let state = State::empty(LogName::Operator).judge(&Context::default(), &first.envelope).unwrap().state;
    assert_eq!(state.head(), Some(vectors.root));
    let time = state.head_time().unwrap();
    let ids = |keys: Vec<&PublicKey>| keys.iter().map(|key| key.id()).collect::<Vec<_>>();
    assert_eq!(ids(state.commit_keys(time).collect()), [vectors.keys["commit1"].id()]);
    assert_eq!(ids(state.publishing_keys(time).collect()), [vectors.keys["pub"].id()]);
    assert_eq!(state.role("owner").unwrap().keys.len(), 3);
    // The commit key's role ends, and the key with it.
    let end = state.role("commit").unwrap().not_after.unwrap();
    let commit = first.envelope.key_id;
    assert!(state.holds_commit(&commit, end));
    assert!(!state.holds_commit(&commit, end.plus_seconds(1)));
    let acme = "acme".parse().unwrap();
    assert!(state.define_covers(&acme, &[vectors.keys["pub"].id()].into(), time));
    assert!(!state.define_covers(&acme, &[vectors.keys["ops"].id()].into(), time));
}

#[test]
fn the_first_record_is_carried_byte_for_byte() {
    let vectors = Vectors::load();
    let first = vectors.operator(0);
    let (act, mut endorsements) = act_of(first).unwrap();
    endorsements.reverse();
    let message = proto::OperatorRecord::decode(first.envelope.contents.clone()).unwrap();
    let time = wargate_core::time::Time::from_seconds(message.time.unwrap().seconds);
    let carried = State::empty(LogName::Operator)
        .carry(&Context::default(), time, &act, &endorsements, &first.envelope.key_id)
        .unwrap();
    assert_eq!(carried.contents, first.envelope.contents);
    let judged = State::empty(LogName::Operator).judge(&Context::default(), &first.envelope).unwrap();
    assert_eq!(carried.changes, judged);
}

/// Judges records in order until the first step that is not built, per log; the states, and what stopped them.
#[derive(Default)]
struct Walk {
    states: BTreeMap<LogName, State>,
    releases: Releases,
    judged: Vec<u64>,
    stopped: BTreeMap<LogName, (u64, Refusal)>,
}

impl Walk {
    fn take(&mut self, given: &Given) {
        let empty = |log: &LogName| State::empty(log.clone());
        let namespace = match &given.log {
            LogName::Package(name) => Some(LogName::Namespace(name.namespace())),
            _ => None,
        };
        let context = Context {
            operator: self.states.get(&LogName::Operator).filter(|_| given.log != LogName::Operator),
            namespace: namespace.and_then(|log| self.states.get(&log)),
            releases: Some(&self.releases),
        };
        let state = self.states.get(&given.log).cloned().unwrap_or_else(|| empty(&given.log));
        match state.judge(&context, &given.envelope) {
            Ok(changes) => {
                let stored = State::decode(&changes.state.encode()).unwrap();
                assert_eq!(stored, changes.state);
                self.states.insert(given.log.clone(), stored);
                self.judged.push(given.index);
                for release in changes.releases {
                    assert_eq!(Release::decode(&release.encode()).unwrap(), release);
                    self.releases.insert(release.version.clone(), release);
                }
            }
            Err(refusal) => _ = self.stopped.insert(given.log.clone(), (given.index, refusal)),
        }
    }
}

fn not_yet(what: &str) -> Refusal {
    Refusal::NotYet { what: what.to_owned() }
}

#[test]
fn every_record_is_judged_up_to_the_first_step_that_is_not_built() {
    let vectors = Vectors::load();
    let mut judged = Vec::new();
    let mut stopped = BTreeMap::new();
    for package in ["acme:hello", "acme:tool", "acme:late", "acme:http-types"] {
        let mut walk = Walk::default();
        for given in &vectors.records {
            let of_it = given.log.as_str() == package || !given.log.as_str().contains(':');
            if of_it && !walk.stopped.contains_key(&given.log) {
                walk.take(given);
            }
        }
        judged.extend(walk.judged);
        stopped.extend(walk.stopped.into_iter().map(|(log, why)| (log.as_str().to_owned(), why)));
    }
    judged.sort_unstable();
    judged.dedup();
    assert_eq!(judged, [0, 2, 3, 4, 5, 6, 7]);
    let carrier = not_yet("a carrier record, without an act,");
    assert_eq!(stopped[""], (1, not_yet("the step Annotate")));
    assert_eq!(stopped["acme"], (18, carrier));
    assert_eq!(stopped["acme:hello"], (30, not_yet("the step Recover")));
    assert_eq!(stopped["acme:tool"], (8, not_yet("the step Annotate")));
    // The operator log stopped before the grant of the second commit key, so what names or follows it is unknown.
    let projection = Refusal::Carrier { reason: "its v1 entries are not those that stand for its act" };
    assert_eq!(stopped["acme:late"], (19, projection));
    // The namespace's log stopped before the role that starts this package was granted.
    let (step, role) = ("Init", "owner".to_owned());
    let threshold = Refusal::Threshold { step, role, needed: 1, found: 0 };
    assert_eq!(stopped["acme:http-types"], (29, threshold));
}

#[test]
fn records_of_namespaces_and_packages_are_carried_byte_for_byte() {
    let vectors = Vectors::load();
    let mut walk = Walk::default();
    for given in &vectors.records[..8] {
        if given.index == 1 {
            continue;
        }
        let (act, mut endorsements) = act_of(given).unwrap();
        endorsements.reverse();
        let state = walk.states.get(&given.log).cloned();
        let state = state.unwrap_or_else(|| State::empty(given.log.clone()));
        let operator = walk.states.get(&LogName::Operator).filter(|_| given.index > 0);
        let namespace = walk.states.get(&"acme".parse().unwrap());
        let context = Context { operator, namespace, releases: Some(&walk.releases) };
        let message = proto::PackageRecord::decode(given.envelope.contents.clone());
        let seconds = match given.log {
            LogName::Operator => {
                let message = proto::OperatorRecord::decode(given.envelope.contents.clone()).unwrap();
                message.time.unwrap().seconds
            }
            _ => message.unwrap().time.unwrap().seconds,
        };
        let time = wargate_core::time::Time::from_seconds(seconds);
        let carried = state.carry(&context, time, &act, &endorsements, &given.envelope.key_id).unwrap();
        assert_eq!(carried.contents, given.envelope.contents, "{}", given.index);
        // Versions of the two packages among these do not meet.
        walk.take(given);
        assert_eq!(walk.states[&given.log], carried.changes.state);
    }
}

#[test]
fn the_layers_of_a_package_are_judged_together() {
    let vectors = Vectors::load();
    let records = |log: &str, below: u64| -> Vec<GivenRecord> {
        let of_it = vectors.records.iter().filter(|given| given.log.as_str() == log);
        let given = of_it.filter(|given| given.index < below && given.index != 1);
        given.map(|given| GivenRecord { index: given.index, envelope: given.envelope.clone() }).collect()
    };
    let judge = |name: &str, below: u64| {
        let (operator, namespace) = (records("", below.min(16)), records("acme", below.min(18)));
        judge_layers(&name.parse().unwrap(), &operator, &namespace, &records(name, below))
    };
    let tool = judge("acme:tool", 8).unwrap();
    let Some(PackageLog::Delegated { state, releases }) = tool.package else { panic!("a delegated log") };
    assert_eq!(state.role("ci").unwrap().keys.len(), 1);
    let level = |version: &str| {
        let release: &Release = &releases[&version.parse().unwrap()];
        release.on_behalf_of.as_ref().map(ToString::to_string)
    };
    assert_eq!(level("1.2.0"), None);
    assert_eq!(level("1.2.1").unwrap(), "account https://registry.example 42");
    // The key of this v1 log was admitted before it began.
    let legacy = judge("acme:legacy", 34).unwrap();
    assert!(matches!(legacy.package, Some(PackageLog::V1(state)) if state.releases.len() == 1));
    // Without the Admit it would be a downgrade.
    let mut namespace = records("acme", 18);
    namespace.retain(|record| record.index == 2);
    let refused = judge_layers(
        &"acme:legacy".parse().unwrap(),
        &records("", 16),
        &namespace,
        &records("acme:legacy", 34),
    );
    assert!(matches!(refused.unwrap_err(), Failure::Downgrade { .. }));
}

#[test]
fn v1_logs_among_them_are_judged_valid() {
    let vectors = Vectors::load();
    let mut states: BTreeMap<String, package::State> = BTreeMap::new();
    for record in &vectors.records {
        let delegated = first_extension_field(&record.envelope.contents).unwrap().is_some();
        if !["acme:legacy", "free:thing"].contains(&record.log.as_str()) {
            continue;
        }
        assert!(!delegated, "{}", record.index);
        let state = states.entry(record.log.to_string()).or_default();
        let contents = PackageRecord::decode(&record.envelope.contents).unwrap();
        let changes = state.judge(&record.envelope, &contents, SignatureCheck::Needed).unwrap();
        state.apply(changes);
    }
    let (legacy, free) = (&states["acme:legacy"], &states["free:thing"]);
    assert!(legacy.releases[&"0.1.0".parse().unwrap()].is_yanked());
    assert_eq!(free.latest(&"^1".parse().unwrap()).unwrap().version.to_string(), "1.2.0");
}
