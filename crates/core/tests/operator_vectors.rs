//! v1 operator logs: every value of the vectors, and a record against every rule.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test ends where something fails")]

mod vectors;

use bytes::Bytes;
use vectors::{bytes, load, reference_time, text};
use wargate_core::envelope::Envelope;
use wargate_core::id::{Layer, LogId};
use wargate_core::key::{Algorithm, PublicKey, SecretKey};
use wargate_core::record::{OperatorEntry, OperatorPermission, OperatorRecord};
use wargate_core::time::Time;
use wargate_core::v1::operator::{NamespaceState, Refusal, State};

use OperatorPermission::{Commit as C, DefineNamespace as D, ImportNamespace as I};

fn judge(state: &State, envelope: &Envelope) -> Result<State, Refusal> {
    state.judge(envelope, &OperatorRecord::decode(&envelope.contents).unwrap())
}

#[test]
fn the_record_is_read_judged_and_adds_up() {
    let all = load("warg");
    let given = &all["operatorRecord"];
    assert_eq!(LogId::operator().to_string(), text(&all["operatorLogId"]));
    let envelope = Envelope::decode(&Bytes::from(bytes(&given["envelope"]))).unwrap();
    assert_eq!(envelope.contents, bytes(&given["contentBytes"]));
    assert_eq!(envelope.key_id.to_string(), text(&given["keyId"]));
    assert_eq!(envelope.signature.to_string(), text(&given["signature"]));
    assert_eq!(envelope.record_id(Layer::Operator).to_string(), text(&given["recordId"]));
    assert_eq!(OperatorRecord::decode(&envelope.contents).unwrap().encode(), envelope.contents);

    let state = judge(&State::default(), &envelope).unwrap();
    assert_eq!(state.head.as_ref().unwrap().record, envelope.record_id(Layer::Operator));
    assert_eq!(reference_time(state.head.as_ref().unwrap().time), "1700000000.123000000");
    let key: PublicKey = text(&all["keys"][0]["public"]).parse().unwrap();
    assert_eq!(state.keys.len(), 1);
    assert_eq!((&state.keys[&key.id()].key, state.keys[&key.id()].permissions), (&key, 0b1110));
    let imported = NamespaceState::Imported { registry: "wasi.example".to_owned() };
    assert_eq!(
        state.namespaces.into_iter().collect::<Vec<_>>(),
        [("acme".parse().unwrap(), NamespaceState::Defined), ("wasi".parse().unwrap(), imported)]
    );
}

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_bytes(Algorithm::EcdsaP256, [seed; 32]).unwrap()
}

fn public(seed: u8) -> PublicKey {
    secret(seed).public().clone()
}

fn init(seed: u8) -> OperatorEntry {
    OperatorEntry::Init { key: public(seed) }
}

fn grant(seed: u8, permissions: &[OperatorPermission]) -> OperatorEntry {
    OperatorEntry::GrantFlat { key: public(seed), permissions: permissions.to_vec() }
}

fn revoke(seed: u8, permissions: &[OperatorPermission]) -> OperatorEntry {
    OperatorEntry::RevokeFlat { key_id: public(seed).id(), permissions: permissions.to_vec() }
}

fn define(namespace: &str) -> OperatorEntry {
    OperatorEntry::DefineNamespace { namespace: namespace.parse().unwrap() }
}

fn import(namespace: &str) -> OperatorEntry {
    OperatorEntry::ImportNamespace { namespace: namespace.parse().unwrap(), registry: "r.example".to_owned() }
}

fn next(state: &State, entries: Vec<OperatorEntry>) -> OperatorRecord {
    OperatorRecord {
        prev: state.head.as_ref().map(|head| head.record),
        version: 0,
        time: state.head.as_ref().map_or(Time::from_seconds(1_700_000_000), |head| head.time),
        entries,
    }
}

fn sign(record: &OperatorRecord, seed: u8) -> Envelope {
    Envelope::sign(Layer::Operator, record.encode().into(), &secret(seed)).unwrap()
}

fn attempt(state: &State, signer: u8, entries: Vec<OperatorEntry>) -> Result<State, Refusal> {
    judge(state, &sign(&next(state, entries), signer))
}

/// Key 1 began it; 2 may define and import, 3 may commit only, 4 was revoked; `acme` is defined, `wasi` imported.
fn begun() -> State {
    let entries = vec![
        init(1),
        grant(2, &[D, I]),
        grant(3, &[C]),
        grant(4, &[C, D]),
        revoke(4, &[D, C]),
        define("acme"),
        import("wasi"),
    ];
    attempt(&State::default(), 1, entries).unwrap()
}

#[test]
fn each_rule_of_the_entries_has_its_refusal() {
    let state = begun();
    let id = |seed: u8| public(seed).id();
    let lacks = |seed, permission| Refusal::NoPermission { key_id: id(seed), permission };
    let nothing = |seed, permission| Refusal::NothingToRevoke { key_id: id(seed), permission };
    let taken = |namespace: &str| Refusal::NamespaceTwice { namespace: namespace.parse().unwrap() };
    let rows: Vec<(u8, Vec<OperatorEntry>, Refusal)> = vec![
        (1, vec![init(1)], Refusal::BegunTwice),
        (3, vec![define("new")], lacks(3, D)),
        (3, vec![import("new")], lacks(3, I)),
        // COMMIT and every permission named.
        (2, vec![grant(5, &[D])], lacks(2, C)),
        (2, vec![grant(5, &[])], lacks(2, C)),
        (3, vec![grant(5, &[D])], lacks(3, D)),
        (3, vec![grant(5, &[C, D])], lacks(3, D)),
        (2, vec![revoke(2, &[D])], lacks(2, C)),
        (3, vec![revoke(2, &[D])], lacks(3, D)),
        (1, vec![revoke(2, &[C])], nothing(2, C)),
        (1, vec![revoke(4, &[C])], nothing(4, C)),
        (1, vec![revoke(3, &[C, C])], nothing(3, C)),
        (1, vec![revoke(9, &[C])], nothing(9, C)),
        (1, vec![revoke(1, &[C]), grant(5, &[])], lacks(1, C)),
        (1, vec![define("acme")], taken("acme")),
        (1, vec![import("acme")], taken("acme")),
        (1, vec![define("wasi")], taken("wasi")),
        (1, vec![define("new"), import("new")], taken("new")),
        (9, vec![], Refusal::UnknownKey { key_id: id(9) }),
        (9, vec![define("new")], lacks(9, D)),
    ];
    for (signer, entries, refusal) in rows {
        assert_eq!(attempt(&state, signer, entries.clone()).unwrap_err(), refusal, "{signer} {entries:?}");
    }
    let fresh = State::default();
    for (entries, refusal) in [
        (vec![], Refusal::NotBegun),
        (vec![define("acme"), init(1)], lacks(1, D)),
        (vec![init(1), init(1)], Refusal::BegunTwice),
        (vec![init(2)], Refusal::UnknownKey { key_id: id(1) }),
    ] {
        assert_eq!(attempt(&fresh, 1, entries.clone()).unwrap_err(), refusal, "{entries:?}");
    }
    for (signer, entries) in [
        (1, vec![]),
        (4, vec![]),
        (3, vec![grant(5, &[C]), grant(5, &[])]),
        (3, vec![revoke(1, &[C])]),
        (1, vec![grant(4, &[C, D, I, C])]),
        (2, vec![define("new"), import("other")]),
    ] {
        attempt(&state, signer, entries.clone()).unwrap_or_else(|refusal| panic!("{entries:?}: {refusal}"));
    }
}

#[test]
fn each_rule_of_the_place_has_its_refusal_in_order() {
    let state = begun();
    let head = state.head.clone().unwrap();
    let found = Some(Layer::Operator.record_id(b"other"));
    let earlier = head.time.plus_seconds(-1);
    let mut record = OperatorRecord { prev: found, version: 1, time: earlier, entries: vec![define("acme")] };
    let refused = |record: &OperatorRecord| judge(&state, &sign(record, 1)).unwrap_err();
    assert_eq!(refused(&record), Refusal::Prev { head: Some(head.record), found });
    record.prev = None;
    assert_eq!(refused(&record), Refusal::Prev { head: Some(head.record), found: None });
    record.prev = Some(head.record);
    assert_eq!(refused(&record), Refusal::Version { version: 1 });
    record.version = 0;
    assert_eq!(refused(&record), Refusal::TimeRunsBack { head: head.time, time: earlier });
    record.time = head.time;
    assert_eq!(refused(&record), Refusal::NamespaceTwice { namespace: "acme".parse().unwrap() });
    record.entries = vec![];
    let mut envelope = sign(&record, 9);
    let key_id = envelope.key_id;
    assert_eq!(judge(&state, &envelope).unwrap_err(), Refusal::UnknownKey { key_id });
    envelope.key_id = public(2).id();
    assert_eq!(judge(&state, &envelope).unwrap_err(), Refusal::Signature);
    let package = Envelope::sign(Layer::Package, record.encode().into(), &secret(1)).unwrap();
    assert_eq!(judge(&state, &package).unwrap_err(), Refusal::Signature);
}
