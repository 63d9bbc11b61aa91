//! Random logs: every record gets the same verdict from the published crates and from ours, and both end in the
//! same state; also where ours knows only what the record touches.

use std::collections::BTreeMap;

use interop::chance::Chance;
use interop::records::{Author, encoded, keys, namespaces};
use interop::reference::{Facts, OperatorLog, PackageLog, Release};
use wargate_core::id::Layer;
use wargate_core::key::SecretKey;
use wargate_core::name::Namespace;
use wargate_core::record::{OperatorPermission, OperatorRecord, PackagePermission, PackageRecord};
use wargate_core::v1::operator;
use wargate_core::v1::package::{ReleaseState, SignatureCheck, State};

const LOGS: u64 = 40;
const RECORDS: usize = 60;

/// The part of a state that a server would load for this record.
fn partial(state: &State, envelope: &wargate_core::envelope::Envelope, record: &PackageRecord) -> State {
    let mut keys: Vec<_> = record.key_ids().collect();
    keys.push(envelope.key_id);
    let versions: Vec<_> = record.versions().cloned().collect();
    State {
        head: state.head.clone(),
        keys: state.keys.iter().filter(|(id, _)| keys.contains(id)).map(|(i, k)| (*i, k.clone())).collect(),
        releases: state
            .releases
            .iter()
            .filter(|(version, _)| versions.contains(version))
            .map(|(v, r)| (v.clone(), r.clone()))
            .collect(),
    }
}

fn our_facts(state: &State, people: &[SecretKey]) -> Facts {
    let head = state.head.as_ref();
    let permissions = |key: &SecretKey| {
        let id = key.public().id();
        let held = state.keys.get(&id)?.permissions;
        let names = PackagePermission::ALL.into_iter().filter(|p| held.holds(*p)).map(|p| p.to_string());
        Some((id.to_string(), names.collect()))
    };
    let release = |release: &wargate_core::v1::package::Release| {
        let content = match &release.state {
            ReleaseState::Released { content } => Some(content.to_string()),
            ReleaseState::Yanked { .. } => None,
        };
        let facts = Release { record: release.record.to_string(), by: release.by.to_string(), content };
        (release.version.to_string(), facts)
    };
    Facts {
        head: head.map(|head| head.record.to_string()).unwrap_or_default(),
        time: head.map(|head| (head.time.seconds() as u64, head.time.nanos())).unwrap_or_default(),
        keys: people.iter().filter_map(permissions).collect(),
        releases: state.releases.values().map(release).collect(),
        namespaces: BTreeMap::new(),
    }
}

fn our_operator_facts(state: &operator::State, people: &[SecretKey]) -> Facts {
    let head = state.head.as_ref();
    let permissions = |key: &SecretKey| {
        let id = key.public().id();
        let held = state.keys.get(&id)?.permissions;
        let commits = held & OperatorPermission::Commit.bit() != 0;
        Some((id.to_string(), commits.then(|| "commit".to_owned()).into_iter().collect()))
    };
    let namespace = |(name, state): (&Namespace, &operator::NamespaceState)| {
        let registry = match state {
            operator::NamespaceState::Defined => None,
            operator::NamespaceState::Imported { registry } => Some(registry.clone()),
        };
        (name.to_string(), registry)
    };
    Facts {
        head: head.map(|head| head.record.to_string()).unwrap_or_default(),
        time: head.map(|head| (head.time.seconds() as u64, head.time.nanos())).unwrap_or_default(),
        keys: people.iter().filter_map(permissions).collect(),
        releases: BTreeMap::new(),
        namespaces: state.namespaces.iter().map(namespace).collect(),
    }
}

#[test]
fn package_logs_get_the_same_verdicts_and_state() {
    let (mut taken, mut refused) = (0, 0);
    for seed in 0..LOGS {
        let mut chance = Chance::new(1000 + seed);
        let people = keys(&mut chance, 4);
        let ids: Vec<String> = people.iter().map(|key| key.public().id().to_string()).collect();
        let mut author = Author::new(Layer::Package, &people);
        let (mut theirs, mut ours) = (PackageLog::default(), State::default());
        for _ in 0..RECORDS {
            let envelope = author.write(&mut chance);
            let their_verdict = theirs.take(&encoded(&envelope));
            let our_verdict = PackageRecord::decode(&envelope.contents)
                .map_err(|error| error.to_string())
                .and_then(|record| {
                    let judged = ours.judge(&envelope, &record, SignatureCheck::Needed);
                    let part = partial(&ours, &envelope, &record);
                    assert_eq!(part.judge(&envelope, &record, SignatureCheck::Needed), judged, "seed {seed}");
                    judged.map_err(|refusal| refusal.to_string())
                });
            assert_eq!(
                our_verdict.is_ok(),
                their_verdict.is_ok(),
                "seed {seed}: ours {our_verdict:?}, theirs {their_verdict:?}"
            );
            match our_verdict {
                Ok(changes) => {
                    ours.apply(changes);
                    author.took(&envelope);
                    taken += 1;
                }
                Err(_) => refused += 1,
            }
            assert_eq!(our_facts(&ours, &people), theirs.facts(&ids), "seed {seed}");
        }
    }
    assert!(taken > 200 && refused > 200, "{taken} taken, {refused} refused: the test says little");
}

#[test]
fn operator_logs_get_the_same_verdicts() {
    let (mut taken, mut refused) = (0, 0);
    for seed in 0..LOGS {
        let mut chance = Chance::new(2000 + seed);
        let people = keys(&mut chance, 4);
        let ids: Vec<String> = people.iter().map(|key| key.public().id().to_string()).collect();
        let mut author = Author::new(Layer::Operator, &people);
        let (mut theirs, mut ours) = (OperatorLog::default(), operator::State::default());
        for _ in 0..RECORDS {
            let envelope = author.write(&mut chance);
            let their_verdict = theirs.take(&encoded(&envelope));
            let our_verdict = OperatorRecord::decode(&envelope.contents)
                .map_err(|error| error.to_string())
                .and_then(|record| ours.judge(&envelope, &record).map_err(|refusal| refusal.to_string()));
            assert_eq!(
                our_verdict.is_ok(),
                their_verdict.is_ok(),
                "seed {seed}: ours {our_verdict:?}, theirs {their_verdict:?}"
            );
            match our_verdict {
                Ok(state) => {
                    ours = state;
                    author.took(&envelope);
                    taken += 1;
                }
                Err(_) => refused += 1,
            }
            assert_eq!(our_operator_facts(&ours, &people), theirs.facts(&ids, namespaces()), "seed {seed}");
        }
    }
    assert!(taken > 150 && refused > 200, "{taken} taken, {refused} refused: the test says little");
}
