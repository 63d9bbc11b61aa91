//! What a record's bytes may and may not say.

use super::*;
use crate::id::Layer;
use crate::key::SecretKey;
use crate::proto::{PackageRecord as Proto, Timestamp, package_entry::Contents};

fn public(seed: u8) -> PublicKey {
    SecretKey::from_bytes(Algorithm::EcdsaP256, [seed; 32]).unwrap().public().clone()
}

/// A record with an entry of every kind.
fn record() -> PackageRecord {
    let (version, permissions) = (Version::new(1, 0, 0), vec![PackagePermission::Release]);
    PackageRecord {
        prev: Some(Layer::Package.record_id(b"x")),
        version: 0,
        time: Time::from_seconds(1_700_000_000),
        entries: vec![
            PackageEntry::Init { key: public(1) },
            PackageEntry::GrantFlat { key: public(2), permissions: permissions.clone() },
            PackageEntry::RevokeFlat { key_id: public(2).id(), permissions },
            PackageEntry::Release { version: version.clone(), content: Digest::of(b"content") },
            PackageEntry::Yank { version },
        ],
    }
}

fn message() -> Proto {
    Proto::decode(record().encode().as_slice()).unwrap()
}

fn decode(message: &Proto) -> Result<PackageRecord, RecordError> {
    PackageRecord::decode(&message.encode_to_vec())
}

/// Sets what the entries of [`record`] say, those of one kind at a time.
fn set(message: &mut Proto, change: fn(&mut Contents)) {
    message.entries.iter_mut().filter_map(|entry| entry.contents.as_mut()).for_each(change);
}

fn hash_algorithm(contents: &mut Contents, text: &str) {
    if let Contents::Init(init) = contents {
        text.clone_into(&mut init.hash_algorithm);
    }
}

fn key(contents: &mut Contents, text: &str) {
    if let Contents::GrantFlat(grant) = contents {
        text.clone_into(&mut grant.key);
    }
}

fn granted(contents: &mut Contents, permission: i32) {
    if let Contents::GrantFlat(grant) = contents {
        grant.permissions.push(permission);
    }
}

fn revoked(contents: &mut Contents, key_id: &str, permission: i32) {
    if let Contents::RevokeFlat(revoke) = contents {
        key_id.clone_into(&mut revoke.key_id);
        revoke.permissions.push(permission);
    }
}

fn released(contents: &mut Contents, version: &str, content: &str) {
    if let Contents::Release(release) = contents {
        (release.version, release.content_hash) = (version.to_owned(), content.to_owned());
    }
}

fn yanked(contents: &mut Contents, text: &str) {
    if let Contents::Yank(yank) = contents {
        text.clone_into(&mut yank.version);
    }
}

const SHA: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const ED25519: &str = "ed25519:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

#[test]
fn values_are_read_strictly() {
    type Change = fn(&mut Proto);
    let rows: &[(Change, &str)] = &[
        (|m| m.prev = Some(String::new()), "previous record"),
        (|m| m.prev = m.prev.take().map(|prev| prev.to_uppercase()), "previous record"),
        (|m| m.time = None, "time"),
        (|m| m.time = Some(Timestamp { seconds: i64::MAX, nanos: i32::MAX }), "time"),
        (|m| m.entries[3].contents = None, "entry"),
        (|m| set(m, |c| hash_algorithm(c, "sha512")), "hash algorithm"),
        (|m| set(m, |c| hash_algorithm(c, "")), "hash algorithm"),
        (|m| set(m, |c| key(c, ED25519)), "key"),
        (|m| set(m, |c| key(c, "ecdsa-p256:AA==")), "key"),
        (|m| set(m, |c| granted(c, 0)), "permission"),
        (|m| set(m, |c| granted(c, 3)), "permission"),
        (|m| set(m, |c| revoked(c, SHA, -1)), "permission"),
        (|m| set(m, |c| revoked(c, "sha256:", 1)), "key id"),
        (|m| set(m, |c| released(c, "1.0", SHA)), "version"),
        (|m| set(m, |c| released(c, "1.0.0", &SHA[1..])), "content hash"),
        (|m| set(m, |c| yanked(c, "")), "version"),
    ];
    for (change, expected) in rows {
        let mut changed = message();
        change(&mut changed);
        match decode(&changed) {
            Err(RecordError::Field { field, .. }) => assert_eq!(field, *expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
    let mut changed = message();
    set(&mut changed, |c| released(c, "2.0.0", SHA));
    set(&mut changed, |c| revoked(c, SHA, 1));
    decode(&changed).unwrap();
    // The Ed25519 key is a key, only not in v1's fields.
    ED25519.parse::<PublicKey>().unwrap();
}

#[test]
fn a_time_is_brought_into_its_normal_form() {
    for (seconds, nanos, expected) in [
        (10, 1_500_000_000, (11, 500_000_000)),
        (10, 1_000_000_000, (11, 0)),
        (10, -1, (9, 999_999_999)),
        (0, -2_000_000_000, (-2, 0)),
        (i64::MAX, 999_999_999, (i64::MAX, 999_999_999)),
    ] {
        let time = Some(Timestamp { seconds, nanos });
        let decoded = decode(&Proto { time, ..message() }).unwrap();
        assert_eq!((decoded.time.seconds(), decoded.time.nanos()), expected);
    }
}

#[test]
fn what_the_entries_name_is_told() {
    let record = record();
    assert_eq!(decode(&message()), Ok(record.clone()));
    let keys: Vec<KeyId> = record.key_ids().collect();
    assert_eq!(keys, [public(1).id(), public(2).id(), public(2).id()]);
    assert_eq!(record.versions().map(ToString::to_string).collect::<Vec<_>>(), ["1.0.0", "1.0.0"]);
    assert_eq!(record.contents().collect::<Vec<_>>(), [Digest::of(b"content")]);
}

#[test]
fn fields_of_delegated_logs_are_seen() {
    let plain = record().encode();
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
