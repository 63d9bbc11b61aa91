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
use wargate_core::authority::{Context, Facts, Level, Release, State};
use wargate_core::envelope::Envelope;
use wargate_core::id::{LogId, RecordId, entry};
use wargate_core::key::{KeyId, PublicKey, Signature};
use wargate_core::name::LogName;
use wargate_core::proto;
use wargate_core::record::{PackageRecord, first_extension_field};
use wargate_core::time::Time;
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

/// Judges every delegated record in the order of the registry, as a mirror does.
#[derive(Default)]
struct Walk {
    states: BTreeMap<LogName, State>,
    facts: BTreeMap<LogName, Facts>,
}

impl Walk {
    fn state(&self, log: &LogName) -> State {
        self.states.get(log).cloned().unwrap_or_else(|| State::empty(log.clone()))
    }

    fn context(&self, log: &LogName) -> Context<'_> {
        let namespace = match log {
            LogName::Package(name) => Some(LogName::Namespace(name.namespace())),
            _ => None,
        };
        Context {
            operator: self.states.get(&LogName::Operator).filter(|_| *log != LogName::Operator),
            namespace: namespace.and_then(|log| self.states.get(&log)),
            facts: self.facts.get(log),
        }
    }

    fn take(&mut self, given: &Given) {
        let changes = self.state(&given.log).judge(&self.context(&given.log), &given.envelope);
        let changes = changes.unwrap_or_else(|refusal| panic!("index {}: {refusal}", given.index));
        let stored = State::decode(&changes.state.encode()).unwrap();
        assert_eq!(stored, changes.state);
        for release in &changes.releases {
            assert_eq!(Release::decode(&release.encode()).unwrap(), *release);
        }
        self.facts.entry(given.log.clone()).or_default().follow(&changes);
        self.states.insert(given.log.clone(), stored);
        let namespaces = self.states.keys().filter_map(|log| match log {
            LogName::Namespace(namespace) => Some(namespace.clone()),
            _ => None,
        });
        self.facts.get_mut(&LogName::Operator).unwrap().claimed = namespaces.collect();
    }
}

fn is_delegated(given: &Given) -> bool {
    !["acme:legacy", "free:thing"].contains(&given.log.as_str())
}

fn time_of(given: &Given) -> Time {
    let contents = given.envelope.contents.clone();
    let message = match given.log {
        LogName::Operator => proto::OperatorRecord::decode(contents).unwrap().time,
        _ => proto::PackageRecord::decode(contents).unwrap().time,
    };
    Time::from_seconds(message.unwrap().seconds)
}

#[test]
fn every_record_is_carried_byte_for_byte_and_judged_valid() {
    let vectors = Vectors::load();
    let mut walk = Walk::default();
    for given in vectors.records.iter().filter(|given| is_delegated(given)) {
        let (state, context) = (walk.state(&given.log), walk.context(&given.log));
        let (time, signer) = (time_of(given), &given.envelope.key_id);
        let carried = match act_of(given) {
            Some((act, mut endorsements)) => {
                endorsements.reverse();
                state.carry(&context, time, &act, &endorsements, signer).unwrap()
            }
            // Without an act it tells v1 clients of a new commit key, or of what lost its trust.
            None => state.carry_news(&context, time, signer).unwrap().unwrap(),
        };
        assert_eq!(carried.contents, given.envelope.contents, "{}", given.index);
        walk.take(given);
        assert_eq!(walk.states[&given.log], carried.changes.state, "{}", given.index);
    }
    let (tool, facts) = ("acme:tool".parse().unwrap(), &walk.facts[&"acme:tool".parse().unwrap()]);
    let release = |version: &str| &facts.releases[&version.parse().unwrap()];
    let state: &State = &walk.states[&tool];
    assert!(state.distrusts(release("1.3.0")) && release("1.3.0").carried_yank.is_some());
    assert!(!state.distrusts(release("1.2.0")) && release("1.2.0").yanked.is_some());
    assert_eq!(release("1.2.1").level(), Level::PublisherKey, "ci lifted it");
    assert_eq!(state.owners().count(), 2);
    assert_eq!(state.role("ci"), None);
    let operator = &walk.states[&LogName::Operator];
    assert_eq!(operator.imported_from(&"wasi".parse().unwrap()), Some("wasi.dev"));
    assert_eq!(operator.vkeys().count(), 1);
    let ids = |state: &State| state.v1_keys().copied().collect::<Vec<_>>();
    assert_eq!(ids(operator), [vectors.keys["commit2"].id()]);
    assert_eq!(
        walk.states[&"acme:hello".parse().unwrap()].owners().collect::<Vec<_>>(),
        [&vectors.keys["alice"].id()]
    );
}

#[test]
fn the_layers_of_a_package_are_judged_together() {
    let vectors = Vectors::load();
    let records = |log: &str| -> Vec<GivenRecord> {
        let of_it = vectors.records.iter().filter(|given| given.log.as_str() == log);
        of_it
            .map(|given| GivenRecord { index: given.index, envelope: given.envelope.clone(), checked: false })
            .collect()
    };
    let judge =
        |name: &str| judge_layers(&name.parse().unwrap(), &records(""), &records("acme"), &records(name));
    for name in ["acme:hello", "acme:tool", "acme:late", "acme:http-types"] {
        let layers = judge(name).unwrap();
        let mut walk = Walk::default();
        let of_it = |given: &&Given| [name, "acme", ""].contains(&given.log.as_str());
        vectors.records.iter().filter(of_it).for_each(|given| walk.take(given));
        let log: LogName = name.parse().unwrap();
        let (state, facts) = (walk.states[&log].clone(), walk.facts[&log].clone());
        assert_eq!(layers.package, Some(PackageLog::Delegated { state, facts: Box::new(facts) }));
        assert_eq!(layers.operator, walk.states[&LogName::Operator]);
    }
    // The key of this v1 log was admitted before it began.
    let legacy = judge("acme:legacy").unwrap();
    assert!(matches!(legacy.package, Some(PackageLog::V1(state)) if state.releases.len() == 1));
    // Without the Admit it would be a downgrade.
    let mut namespace = records("acme");
    namespace.retain(|record| record.index == 2);
    let (name, own) = ("acme:legacy".parse().unwrap(), records("acme:legacy"));
    let refused = judge_layers(&name, &records(""), &namespace, &own);
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
