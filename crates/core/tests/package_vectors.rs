//! v1 package logs: every value of the vectors, a record against every rule, and random logs judged with only what
//! a record touches.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test ends where something fails")]

mod vectors;

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;
use vectors::{bytes, list, load, reference_time, text};
use wargate_core::digest::Digest;
use wargate_core::envelope::Envelope;
use wargate_core::id::{Layer, LogId, RecordId};
use wargate_core::key::{Algorithm, PublicKey, SecretKey};
use wargate_core::name::PackageName;
use wargate_core::record::{
    OperatorRecord, PackageEntry, PackagePermission, PackageRecord, first_extension_field,
};
use wargate_core::time::Time;
use wargate_core::v1::package::{PermissionSet, Refusal, ReleaseState, SignatureCheck, State};

const LAYER: Layer = Layer::Package;

fn envelope(record: &Value) -> Envelope {
    Envelope::decode(&Bytes::from(bytes(&record["envelope"]))).unwrap()
}

fn given() -> Vec<Envelope> {
    list(&load("warg")["packageLog"]["records"]).iter().map(envelope).collect()
}

#[track_caller]
fn judge(state: &State, envelope: &Envelope) -> Result<State, Refusal> {
    let record = PackageRecord::decode(&envelope.contents).unwrap();
    let before = state.clone();
    let verdict = state.judge(envelope, &record, SignatureCheck::Needed);
    assert_eq!(*state, before);
    let mut next = before;
    next.apply(verdict?);
    Ok(next)
}

#[test]
fn names_have_the_vectors_verdict_and_log_id() {
    let all = load("warg");
    for name in list(&all["packageNames"]) {
        let valid = text(&name["name"]).parse::<PackageName>().is_ok();
        assert_eq!(valid, name["valid"].as_bool().unwrap(), "{name}");
    }
    for log in list(&all["packageLogIds"]) {
        let name: PackageName = text(&log["name"]).parse().unwrap();
        assert_eq!(LogId::package(&name).to_string(), text(&log["logId"]));
    }
}

#[test]
fn keys_have_the_vectors_public_half_and_id() {
    for key in list(&load("warg")["keys"]) {
        let secret: SecretKey = text(&key["private"]).parse().unwrap();
        assert_eq!(secret.to_secret_text(), text(&key["private"]));
        assert_eq!(secret.public().to_string(), text(&key["public"]));
        assert_eq!(secret.public().id().to_string(), text(&key["keyId"]));
    }
}

#[test]
fn records_are_read_written_back_and_have_their_ids() {
    let all = load("warg");
    for record in list(&all["packageLog"]["records"]) {
        let envelope = envelope(record);
        assert_eq!(envelope.encode(), bytes(&record["envelope"]));
        assert_eq!(envelope.contents, bytes(&record["contentBytes"]));
        assert_eq!(envelope.key_id.to_string(), text(&record["keyId"]));
        assert_eq!(envelope.signature.to_string(), text(&record["signature"]));
        assert_eq!(envelope.record_id(LAYER).to_string(), text(&record["recordId"]));
        let decoded = PackageRecord::decode(&envelope.contents).unwrap();
        assert_eq!(decoded.encode(), envelope.contents);
        assert_eq!(first_extension_field(&envelope.contents), Ok(None));
    }
}

#[test]
fn the_log_adds_up_to_the_vectors_state() {
    let expected = &load("warg")["packageLog"]["state"];
    let mut state = State::default();
    for envelope in given() {
        state = judge(&state, &envelope).unwrap();
    }
    let head = state.head.clone().unwrap();
    assert_eq!(head.record.to_string(), text(&expected["head"]["digest"]));
    assert_eq!(reference_time(head.time), text(&expected["head"]["timestamp"]));

    let object = |value: &Value| value.as_object().unwrap().clone();
    let keys = state.keys.iter().map(|(id, key)| (id.to_string(), Value::from(key.key.to_string())));
    assert_eq!(keys.collect::<serde_json::Map<_, _>>(), object(&expected["keys"]));
    let permissions = state.keys.iter().map(|(id, key)| {
        let held = PackagePermission::ALL.into_iter().filter(|permission| key.permissions.holds(*permission));
        let words: Vec<_> = held.map(|permission| format!("{permission:?}").to_lowercase()).collect();
        (id.to_string(), Value::from(words))
    });
    assert_eq!(permissions.collect::<serde_json::Map<_, _>>(), object(&expected["permissions"]));
    let releases = state.releases.iter().map(|(version, release)| {
        let state = match &release.state {
            ReleaseState::Released { content } => {
                serde_json::json!({"status": "released", "content": content.to_string()})
            }
            ReleaseState::Yanked { by, time, .. } => serde_json::json!({
                "status": "yanked", "by": by.to_string(), "timestamp": reference_time(*time),
            }),
        };
        let release = serde_json::json!({
            "recordId": release.record.to_string(),
            "version": release.version.to_string(),
            "by": release.by.to_string(),
            "timestamp": reference_time(release.time),
            "state": state,
        });
        (version.to_string(), release)
    });
    assert_eq!(releases.collect::<serde_json::Map<_, _>>(), object(&expected["releases"]));

    let latest = |requirement: &str| {
        let found = state.latest(&requirement.parse().unwrap());
        found.map(|release| release.version.to_string())
    };
    assert_eq!(latest("*"), None, "1.0.0 is yanked, the other is a prerelease");
    assert_eq!(latest(">=1.1.0-rc").as_deref(), Some("1.1.0-rc.1+build.5"));
}

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_bytes(Algorithm::EcdsaP256, [seed; 32]).unwrap()
}

fn public(seed: u8) -> PublicKey {
    secret(seed).public().clone()
}

fn content() -> Digest {
    Digest::of(b"content")
}

fn release(version: &str) -> PackageEntry {
    PackageEntry::Release { version: version.parse().unwrap(), content: content() }
}

fn yank(version: &str) -> PackageEntry {
    PackageEntry::Yank { version: version.parse().unwrap() }
}

fn grant(seed: u8, permissions: &[PackagePermission]) -> PackageEntry {
    PackageEntry::GrantFlat { key: public(seed), permissions: permissions.to_vec() }
}

fn revoke(seed: u8, permissions: &[PackagePermission]) -> PackageEntry {
    PackageEntry::RevokeFlat { key_id: public(seed).id(), permissions: permissions.to_vec() }
}

fn init(seed: u8) -> PackageEntry {
    PackageEntry::Init { key: public(seed) }
}

fn next(state: &State, entries: Vec<PackageEntry>) -> PackageRecord {
    PackageRecord {
        prev: state.head.as_ref().map(|head| head.record),
        version: 0,
        time: state.head.as_ref().map_or(Time::from_seconds(1_700_000_000), |head| head.time),
        entries,
    }
}

fn sign(record: &PackageRecord, seed: u8) -> Envelope {
    Envelope::sign(LAYER, record.encode().into(), &secret(seed)).unwrap()
}

fn attempt(state: &State, signer: u8, entries: Vec<PackageEntry>) -> Result<State, Refusal> {
    judge(state, &sign(&next(state, entries), signer))
}

use PackagePermission::{Release as R, Yank as Y};

/// Key 1 began it, key 2 may release, key 3 was revoked and stays known; 1.0.0 stands, 0.9.0 is yanked.
fn begun() -> State {
    let entries = vec![
        init(1),
        grant(2, &[R]),
        grant(3, &[R, Y]),
        revoke(3, &[Y, R]),
        release("1.0.0"),
        release("0.9.0"),
        yank("0.9.0"),
    ];
    attempt(&State::default(), 1, entries).unwrap()
}

#[test]
fn each_rule_of_the_entries_has_its_refusal() {
    let state = begun();
    let id = |seed: u8| public(seed).id();
    let v = |text: &str| text.parse().unwrap();
    let lacks = |seed, permission| Refusal::NoPermission { key_id: id(seed), permission };
    let nothing = |seed, permission| Refusal::NothingToRevoke { key_id: id(seed), permission };
    let rows: Vec<(u8, Vec<PackageEntry>, Refusal)> = vec![
        (1, vec![init(1)], Refusal::BegunTwice),
        (1, vec![release("1.1.0"), init(1)], Refusal::BegunTwice),
        (2, vec![yank("1.0.0")], lacks(2, Y)),
        (3, vec![release("1.1.0")], lacks(3, R)),
        (9, vec![release("1.1.0")], lacks(9, R)),
        (2, vec![grant(4, &[R, Y])], lacks(2, Y)),
        (2, vec![revoke(1, &[Y])], lacks(2, Y)),
        (1, vec![revoke(2, &[Y])], nothing(2, Y)),
        (1, vec![revoke(2, &[R]), revoke(2, &[R])], nothing(2, R)),
        (1, vec![revoke(2, &[R, R])], nothing(2, R)),
        (1, vec![revoke(3, &[R])], nothing(3, R)),
        (1, vec![revoke(9, &[R])], nothing(9, R)),
        (1, vec![revoke(1, &[R]), release("1.1.0")], lacks(1, R)),
        (2, vec![revoke(2, &[R]), release("1.1.0")], lacks(2, R)),
        (1, vec![release("1.0.0")], Refusal::ReleasedTwice { version: v("1.0.0") }),
        (1, vec![release("0.9.0")], Refusal::ReleasedTwice { version: v("0.9.0") }),
        (1, vec![release("2.0.0"), release("2.0.0")], Refusal::ReleasedTwice { version: v("2.0.0") }),
        (1, vec![yank("2.0.0")], Refusal::YankOfNothing { version: v("2.0.0") }),
        (1, vec![yank("1.0.0+b")], Refusal::YankOfNothing { version: v("1.0.0+b") }),
        (1, vec![yank("0.9.0")], Refusal::YankedTwice { version: v("0.9.0") }),
        (1, vec![yank("1.0.0"), yank("1.0.0")], Refusal::YankedTwice { version: v("1.0.0") }),
        (9, vec![], Refusal::UnknownKey { key_id: id(9) }),
        (9, vec![grant(4, &[])], Refusal::UnknownKey { key_id: id(9) }),
    ];
    for (signer, entries, refusal) in rows {
        assert_eq!(attempt(&state, signer, entries.clone()).unwrap_err(), refusal, "{signer} {entries:?}");
    }
    let fresh = State::default();
    for (entries, refusal) in [
        (vec![], Refusal::NotBegun),
        (vec![grant(2, &[])], Refusal::NotBegun),
        (vec![release("1.0.0"), init(1)], lacks(1, R)),
        (vec![init(2)], Refusal::InitByOther { key_id: id(1) }),
        (vec![init(1), init(1)], Refusal::BegunTwice),
    ] {
        assert_eq!(attempt(&fresh, 1, entries.clone()).unwrap_err(), refusal, "{entries:?}");
    }
}

#[test]
fn what_v1_allows_stays_allowed() {
    let state = begun();
    for (signer, entries) in [
        (1, vec![]),
        (3, vec![]),
        (1, vec![grant(2, &[R])]),
        (1, vec![grant(3, &[R, Y, R])]),
        (1, vec![grant(9, &[])]),
        (2, vec![grant(9, &[]), grant(9, &[R])]),
        (9, vec![grant(9, &[])]),
        (2, vec![revoke(1, &[R])]),
        (1, vec![revoke(9, &[])]),
        (1, vec![release("1.0.0+b"), yank("1.0.0+b")]),
    ] {
        attempt(&state, signer, entries.clone()).unwrap_or_else(|refusal| panic!("{entries:?}: {refusal}"));
    }
    // Unknown fields are skipped whatever they hold, and their bytes are signed and hashed.
    for unknown in [&[0x80, 0x01, 0x07][..], &[0x8a, 0x01, 0x01, 0xff], &[0x7d, 1, 2, 3, 4], &[0x42, 0x00]] {
        let contents = [&next(&state, vec![release("3.0.0")]).encode(), unknown].concat();
        let envelope = Envelope::sign(LAYER, contents.into(), &secret(1)).unwrap();
        let after = judge(&state, &envelope).unwrap();
        assert_eq!(after.head.unwrap().record, envelope.record_id(LAYER));
    }
}

#[test]
fn each_rule_of_the_place_has_its_refusal_in_order() {
    let state = begun();
    let head = state.head.clone().unwrap();
    let good = next(&state, vec![yank("9.9.9")]);
    let other = LAYER.record_id(b"other");
    let earlier = Time::new(head.time.seconds() - 1, 999_999_999).unwrap();
    // Each of these breaks every later rule as well.
    let mut record = PackageRecord { prev: None, version: 1, time: earlier, ..good };
    let refused = |record: &PackageRecord, state: &State| judge(state, &sign(record, 1)).unwrap_err();
    assert_eq!(refused(&record, &state), Refusal::NoPrev);
    record.prev = Some(other);
    assert_eq!(refused(&record, &state), Refusal::WrongPrev { head: head.record, found: other });
    assert_eq!(refused(&record, &State::default()), Refusal::PrevOnFirst);
    record.prev = Some(head.record);
    assert_eq!(refused(&record, &state), Refusal::Version { version: 1 });
    record.version = 0;
    assert_eq!(refused(&record, &state), Refusal::TimeRunsBack { head: head.time, time: earlier });
    record.time = head.time;
    assert_eq!(refused(&record, &state), Refusal::YankOfNothing { version: "9.9.9".parse().unwrap() });
    // Entries come before the signer, the signer before the signature.
    record.entries = vec![];
    let mut envelope = sign(&record, 9);
    let key_id = envelope.key_id;
    envelope.signature = secret(9).sign(b"other").unwrap();
    assert_eq!(judge(&state, &envelope).unwrap_err(), Refusal::UnknownKey { key_id });
    envelope.key_id = public(2).id();
    assert_eq!(judge(&state, &envelope).unwrap_err(), Refusal::Signature);
    let operator = Envelope::sign(Layer::Operator, record.encode().into(), &secret(2)).unwrap();
    assert_eq!(judge(&state, &operator).unwrap_err(), Refusal::Signature);
    state.judge(&operator, &record, SignatureCheck::Done).unwrap();
    let unknown = Envelope { key_id, ..operator };
    let refusal = state.judge(&unknown, &record, SignatureCheck::Done).unwrap_err();
    assert_eq!(refusal, Refusal::UnknownKey { key_id }, "done is done by a known key");
}

/// The part of a state that a server loads for a record: the head, the signer, and what the record names.
fn part(state: &State, envelope: &Envelope, record: &PackageRecord) -> State {
    let ids = record.key_ids().chain([envelope.key_id]);
    State {
        head: state.head.clone(),
        keys: ids.filter_map(|id| Some((id, state.keys.get(&id)?.clone()))).collect(),
        releases: record
            .versions()
            .filter_map(|version| Some((version.clone(), state.releases.get(version)?.clone())))
            .collect(),
    }
}

fn entry() -> impl Strategy<Value = PackageEntry> {
    let permissions = || prop::collection::vec(prop::sample::select(vec![R, Y]), 0..3);
    let version = || prop::sample::select(vec!["0.1.0", "0.2.0", "1.0.0-rc.1", "1.0.0", "1.0.0+b"]);
    prop_oneof![
        1 => (1..4u8).prop_map(init),
        4 => (1..6u8, permissions()).prop_map(|(seed, permissions)| grant(seed, &permissions)),
        3 => (1..6u8, permissions()).prop_map(|(seed, permissions)| revoke(seed, &permissions)),
        6 => version().prop_map(release),
        3 => version().prop_map(yank),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_part_of_the_state_gives_the_verdict_of_the_whole(
        records in prop::collection::vec((1..6u8, prop::collection::vec(entry(), 0..4)), 1..12),
    ) {
        let mut state = attempt(&State::default(), 1, vec![init(1), grant(2, &[R, Y])]).unwrap();
        for (signer, entries) in records {
            let record = next(&state, entries);
            let envelope = sign(&record, signer);
            let whole = state.judge(&envelope, &record, SignatureCheck::Done);
            let partial = part(&state, &envelope, &record).judge(&envelope, &record, SignatureCheck::Done);
            prop_assert_eq!(&partial, &whole);
            let Ok(changes) = whole else { continue };
            prop_assert!(changes.keys.len() <= record.key_ids().count());
            prop_assert!(changes.releases.len() <= record.versions().count());
            state.apply(changes);
        }
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = PackageRecord::decode(&bytes);
        let _ = OperatorRecord::decode(&bytes);
        let _ = first_extension_field(&bytes);
    }

    #[test]
    fn no_changed_record_makes_a_decoder_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut contents = next(&begun(), vec![grant(2, &[R]), release("4.0.0"), yank("4.0.0")]).encode();
        let at = at.index(contents.len());
        contents[at] = byte;
        let _ = first_extension_field(&contents);
        if let Ok(record) = PackageRecord::decode(&contents) {
            // What is written anew is read the same.
            prop_assert_eq!(PackageRecord::decode(&record.encode()), Ok(record));
        }
    }
}

#[test]
fn permission_sets_are_their_bits() {
    assert_eq!(PermissionSet::all().bits(), 0b110);
    assert_eq!(PermissionSet::from_bits(0b100).without(Y), PermissionSet::default());
    let ids: BTreeMap<RecordId, ()> =
        given().iter().map(|envelope| (envelope.record_id(LAYER), ())).collect();
    assert_eq!(ids.len(), 5);
}
