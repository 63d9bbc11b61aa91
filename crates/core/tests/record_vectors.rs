//! Names, keys, ids, records and package state: every value that the reference computed; and the delegated log of
//! an independent implementation, as far as its steps are built.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test ends where something fails")]

mod vectors;

use bytes::Bytes;
use serde_json::Value;
use vectors::{bytes, list, load, text};
use wargate_core::act::{Act, Endorsement};
use wargate_core::authority::{Context, JudgeContext, Refusal, State as Authority};
use wargate_core::envelope::Envelope;
use wargate_core::id::{Layer, LogId};
use wargate_core::key::{PublicKey, SecretKey};
use wargate_core::name::{LogName, PackageName};
use wargate_core::record::{OperatorRecord, PackagePermission, PackageRecord, first_extension_field};
use wargate_core::v1::operator;
use wargate_core::v1::package::{ReleaseState, SignatureCheck, State};

fn envelope(value: &Value) -> Envelope {
    Envelope::decode(&Bytes::from(bytes(&value["envelope"]))).unwrap()
}

#[test]
fn names_are_valid_as_the_reference_says() {
    let vectors = load("warg");
    for case in list(&vectors["packageNames"]) {
        let valid = text(&case["name"]).parse::<PackageName>().is_ok();
        assert_eq!(Value::from(valid), case["valid"], "{}", case["name"]);
    }
}

#[test]
fn keys_and_log_ids() {
    let vectors = load("warg");
    for case in list(&vectors["keys"]) {
        let secret: SecretKey = text(&case["private"]).parse().unwrap();
        assert_eq!(secret.public().to_string(), text(&case["public"]));
        assert_eq!(secret.public().id().to_string(), text(&case["keyId"]));
    }
    assert_eq!(LogId::operator().to_string(), text(&vectors["operatorLogId"]));
    for case in list(&vectors["packageLogIds"]) {
        let name: PackageName = text(&case["name"]).parse().unwrap();
        assert_eq!(LogId::package(&name).to_string(), text(&case["logId"]));
    }
}

#[test]
fn the_operator_record_is_judged_and_encoded_as_the_reference_does() {
    let vectors = load("warg");
    let case = &vectors["operatorRecord"];
    let envelope = envelope(case);
    assert_eq!(envelope.contents, bytes(&case["contentBytes"]));
    assert_eq!(envelope.record_id(Layer::Operator).to_string(), text(&case["recordId"]));
    assert_eq!(envelope.signature.to_string(), text(&case["signature"]));
    let record = OperatorRecord::decode(&envelope.contents).unwrap();
    assert_eq!(record.encode(), envelope.contents);
    let state = operator::State::default().judge(&envelope, &record).unwrap();
    let names: Vec<&str> = state.namespaces.keys().map(wargate_core::name::Namespace::as_str).collect();
    assert_eq!(names, ["acme", "wasi"]);
}

#[test]
fn the_package_log_adds_up_to_the_same_state() {
    let vectors = load("warg");
    let log = &vectors["packageLog"];
    let mut state = State::default();
    for case in list(&log["records"]) {
        let envelope = envelope(case);
        assert_eq!(envelope.encode(), bytes(&case["envelope"]));
        assert_eq!(envelope.record_id(Layer::Package).to_string(), text(&case["recordId"]));
        let record = PackageRecord::decode(&envelope.contents).unwrap();
        assert_eq!(record.encode(), envelope.contents);
        let changes = state.judge(&envelope, &record, SignatureCheck::Needed).unwrap();
        state.apply(changes);
    }
    let expected = &log["state"];
    let head = state.head.as_ref().unwrap();
    assert_eq!(head.record.to_string(), text(&expected["head"]["digest"]));
    assert_eq!(head.time.to_string(), text(&expected["head"]["timestamp"]));
    for (id, permissions) in expected["permissions"].as_object().unwrap() {
        let key = &state.keys[&id.parse().unwrap()];
        let held: Vec<String> = PackagePermission::ALL
            .into_iter()
            .filter(|permission| key.permissions.holds(*permission))
            .map(|permission| permission.to_string())
            .collect();
        assert_eq!(held, list(permissions).iter().map(text).collect::<Vec<_>>());
        assert_eq!(key.key.to_string(), text(&expected["keys"][id]));
    }
    assert_eq!(state.keys.len(), expected["keys"].as_object().unwrap().len());
    assert_eq!(state.releases.len(), expected["releases"].as_object().unwrap().len());
    for (version, expected) in expected["releases"].as_object().unwrap() {
        let release = &state.releases[&version.parse().unwrap()];
        assert_eq!(release.record.to_string(), text(&expected["recordId"]));
        assert_eq!(release.by.to_string(), text(&expected["by"]));
        assert_eq!(release.time.to_string(), text(&expected["timestamp"]));
        match &release.state {
            ReleaseState::Released { content } => {
                assert_eq!(expected["state"]["status"], "released");
                assert_eq!(content.to_string(), text(&expected["state"]["content"]));
            }
            ReleaseState::Yanked { by, time, .. } => {
                assert_eq!(expected["state"]["status"], "yanked");
                assert_eq!(by.to_string(), text(&expected["state"]["by"]));
                assert_eq!(time.to_string(), text(&expected["state"]["timestamp"]));
            }
        }
    }
}

#[test]
fn the_independent_registry_begins_as_ours_does() {
    let vectors = load("delegated");
    let records = list(&vectors["records"]);
    let first = envelope(&records[0]);
    let root = first.record_id(Layer::Operator);
    assert_eq!(root.to_string(), text(&vectors["root"]));
    let empty = Authority::empty(LogName::Operator);
    let state = empty.judge(&JudgeContext { root: None, index: 0 }, &first).unwrap();
    let time = state.head_time().unwrap();
    let key = |name: &str| -> PublicKey { text(&vectors["keys"][name]["public"]).parse().unwrap() };
    assert!(state.holds_commit(&key("commit1").id(), time));
    assert!(!state.holds_commit(&key("root1").id(), time), "owners do not sign checkpoints");
    assert!(state.is_publishing_key(&key("pub").id()));
    // The same act carried by us gives the same bytes, projection included.
    let message =
        <wargate_core::proto::OperatorRecord as prost::Message>::decode(&first.contents[..]).unwrap();
    let endorsements: Vec<Endorsement> = message
        .endorsements
        .iter()
        .map(|e| Endorsement { key_id: e.key_id.parse().unwrap(), signature: e.signature.parse().unwrap() })
        .collect();
    let context = Context { root: None, index: 0, time };
    let carried = empty.carry(&context, &message.act, &endorsements, &key("commit1").id()).unwrap();
    assert_eq!(carried.contents, first.contents);
    assert_eq!(carried.state, state);
    // What is not built is refused by name, never passed over.
    let next = state.judge(&JudgeContext { root: Some(root), index: 1 }, &envelope(&records[1]));
    assert!(matches!(next, Err(Refusal::NotYet { what }) if what.contains("Annotate")));
}

#[test]
fn acts_of_the_independent_log_decode_in_their_one_encoding_and_its_v1_logs_are_valid() {
    let vectors = load("delegated");
    let (mut acts, mut v1) = (0, std::collections::BTreeMap::<String, State>::new());
    for case in list(&vectors["records"]) {
        let envelope = envelope(case);
        let name = text(&case["log"]);
        if first_extension_field(&envelope.contents).unwrap() == Some(16) {
            let act = if name == "operator" {
                <wargate_core::proto::OperatorRecord as prost::Message>::decode(&envelope.contents[..])
                    .unwrap()
                    .act
            } else {
                <wargate_core::proto::PackageRecord as prost::Message>::decode(&envelope.contents[..])
                    .unwrap()
                    .act
            };
            assert_eq!(Act::decode(&act).unwrap().encode(), act);
            acts += 1;
        } else if name == "free:thing" || name == "acme:legacy" {
            let state = v1.entry(name.to_owned()).or_default();
            let record = PackageRecord::decode(&envelope.contents).unwrap();
            let changes = state.judge(&envelope, &record, SignatureCheck::Needed).unwrap();
            state.apply(changes);
        }
    }
    assert!(acts > 15, "{acts}");
    assert_eq!(v1.len(), 2);
}

#[test]
fn a_changed_act_is_never_the_same_act() {
    let vectors = load("delegated");
    let first = envelope(&list(&vectors["records"])[0]);
    let message =
        <wargate_core::proto::OperatorRecord as prost::Message>::decode(&first.contents[..]).unwrap();
    let act = Act::decode(&message.act).unwrap();
    for at in 0..message.act.len() {
        for bit in 0..8 {
            let mut changed = message.act.to_vec();
            changed[at] ^= 1 << bit;
            if let Ok(other) = Act::decode(&changed) {
                assert_ne!(other, act, "byte {at} bit {bit}");
                assert_eq!(other.encode(), changed);
            }
        }
    }
}
