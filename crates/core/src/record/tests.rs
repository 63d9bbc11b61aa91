//! What a record's bytes may and may not say.

use super::*;
use crate::id::Layer;
use crate::key::SecretKey;
use crate::proto::{PackageRecord as Proto, Timestamp, package_entry::Contents};

fn public(seed: u8) -> PublicKey {
    SecretKey::from_bytes(Algorithm::EcdsaP256, [seed; 32]).unwrap().public().clone()
}

fn every_entry() -> Vec<PackageEntry> {
    let (version, permissions) = (Version::new(1, 0, 0), vec![PackagePermission::Release]);
    vec![
        PackageEntry::Init { key: public(1) },
        PackageEntry::GrantFlat { key: public(2), permissions: permissions.clone() },
        PackageEntry::RevokeFlat { key_id: public(2).id(), permissions },
        PackageEntry::Release { version: version.clone(), content: Digest::of(b"content") },
        PackageEntry::Yank { version },
    ]
}

#[test]
fn values_of_records_are_read_strictly() {
    let record = PackageRecord {
        prev: Some(Layer::Package.record_id(b"x")),
        version: 0,
        time: Time::from_seconds(1_700_000_000),
        entries: every_entry(),
    };
    let decode = |message: &Proto| PackageRecord::decode(&message.encode_to_vec());
    let message = Proto::decode(record.encode().as_slice()).unwrap();
    assert_eq!(decode(&message), Ok(record.clone()));
    type Change = fn(&mut Proto);
    fn at(message: &mut Proto, index: usize) -> &mut Contents {
        message.entries[index].contents.as_mut().unwrap()
    }
    fn key_of(message: &mut Proto, text: &str) {
        if let Contents::GrantFlat(grant) = at(message, 1) {
            text.clone_into(&mut grant.key);
        }
    }
    let rows: &[(Change, &str)] = &[
        (|m| m.prev = Some(String::new()), "previous record"),
        (|m| m.prev = m.prev.take().map(|prev| prev.to_uppercase()), "previous record"),
        (|m| m.time = None, "time"),
        (|m| m.time = Some(Timestamp { seconds: i64::MAX, nanos: i32::MAX }), "time"),
        (|m| m.entries[3].contents = None, "entry"),
        (
            |m| {
                if let Contents::Init(i) = at(m, 0) {
                    i.hash_algorithm = "sha512".to_owned()
                }
            },
            "hash algorithm",
        ),
        (
            |m| {
                if let Contents::Init(i) = at(m, 0) {
                    i.hash_algorithm.clear()
                }
            },
            "hash algorithm",
        ),
        (|m| key_of(m, "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), "key"),
        (|m| key_of(m, "ecdsa-p256:AA=="), "key"),
        (
            |m| {
                if let Contents::GrantFlat(g) = at(m, 1) {
                    g.permissions = vec![0]
                }
            },
            "permission",
        ),
        (
            |m| {
                if let Contents::GrantFlat(g) = at(m, 1) {
                    g.permissions = vec![3]
                }
            },
            "permission",
        ),
        (
            |m| {
                if let Contents::RevokeFlat(r) = at(m, 2) {
                    r.permissions = vec![-1]
                }
            },
            "permission",
        ),
        (
            |m| {
                if let Contents::Release(r) = at(m, 3) {
                    r.version = "1.0".to_owned()
                }
            },
            "version",
        ),
        (
            |m| {
                if let Contents::Release(r) = at(m, 3) {
                    r.content_hash.pop();
                }
            },
            "content hash",
        ),
        (
            |m| {
                if let Contents::Yank(y) = at(m, 4) {
                    y.version.clear()
                }
            },
            "version",
        ),
    ];
    for (change, expected) in rows {
        let mut changed = message.clone();
        change(&mut changed);
        match decode(&changed) {
            Err(RecordError::Field { field, .. }) => assert_eq!(field, *expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
    // The reference brings a time into its normal form.
    for (seconds, nanos, expected) in [(10, 1_500_000_000, (11, 500_000_000)), (10, -1, (9, 999_999_999))] {
        let time = Some(Timestamp { seconds, nanos });
        let decoded = decode(&Proto { time, ..message.clone() }).unwrap();
        assert_eq!((decoded.time.seconds(), decoded.time.nanos()), expected);
    }
    let keys: Vec<KeyId> = record.key_ids().collect();
    assert_eq!(keys, [public(1).id(), public(2).id(), public(2).id()]);
    assert_eq!(record.versions().map(ToString::to_string).collect::<Vec<_>>(), ["1.0.0", "1.0.0"]);
    assert_eq!(record.contents().collect::<Vec<_>>(), [Digest::of(b"content")]);
}

#[test]
fn fields_of_delegated_logs_are_seen() {
    let time = Time::from_seconds(1_700_000_000);
    let plain = PackageRecord { prev: None, version: 0, time, entries: every_entry() }.encode();
    for (suffix, found) in [
        (&[][..], Ok(None)),
        (&[0x7a, 0x01, 0x00], Ok(None)),
        (&[0x82, 0x01, 0x00], Ok(Some(16))),
        (&[0x7a, 0x00, 0x90, 0x01, 0x01, 0x82, 0x01, 0x00], Ok(Some(18))),
    ] {
        let contents = [&plain, suffix].concat();
        assert_eq!(first_extension_field(&contents), found);
    }
    for bad in [&[0x00, 0x00][..], &[0x7a, 0x05, 0x00], &[0x0f], &[0x80]] {
        assert!(first_extension_field(bad).is_err(), "{bad:?}");
    }
}
