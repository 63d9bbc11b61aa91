//! Releases and yanks: who may make them, once each, and in whose name; and attacks on the records that carry them.

use super::world::*;
use super::*;
use crate::act::{Dependency, Release as Released, Variant, VariantKind};
use crate::record::PackageEntry;

const WHOM: &str = "account https://registry.example 42";

#[track_caller]
fn each(start: &World, rows: Vec<(Step, &[u8], &str)>) {
    tries(
        start,
        &hello(),
        rows.into_iter().map(|(step, signers, words)| (vec![step], signers, words)).collect(),
    );
}

#[test]
fn a_release_lies_within_the_versions_of_a_role_that_agreed() {
    each(
        &World::released(),
        vec![
            (release("1.2.0"), &[CI], ""),
            (release("1.2.0"), &[ALICE], ""),
            // Outside its versions, and a prerelease through a bound.
            (release("2.0.0"), &[CI], "needs the agreement of"),
            (release("0.9.0"), &[CI], "of the role `owner`, it has 0"),
            (release("2.0.0-rc.1"), &[CI], "of the role `owner`, it has 0"),
            (release("1.5.0-rc.1"), &[CI], "of the role `owner`, it has 0"),
            (release("2.0.0"), &TEAM, ""),
            (release("2.0.0"), &[62], "of 2 keys of the role `team`, it has 1"),
            (release("2.0.0"), &[62, 62], "of 2 keys of the role `team`, it has 1"),
            (release("2.0.0"), &[62, CI], "needs the agreement of"),
            (release("3.0.0-rc.1"), &TEAM, "of the role `owner`, it has 0"),
            // The commit key has no say in a package, nor have the layers above.
            (release("1.2.0"), &[COMMIT], "needs the agreement of"),
            (release("1.2.0"), &[1, 2, 3, 50, 51, STARTER], "needs the agreement of"),
            // Build metadata makes no other version.
            (release("1.2.0+build.1"), &[ALICE], "build metadata"),
        ],
    );
}

#[test]
fn a_version_is_released_once_and_yanked_once() {
    let mut world = World::released();
    let both = vec![release("2.0.0"), release("2.1.0-rc.1")];
    refuses(world.run(&hello(), both, &TEAM), "of the role `owner`, it has 0");
    assert!(world.releases().is_empty(), "all or none");
    world.run(&hello(), vec![release("2.0.0"), release("2.1.0")], &TEAM).unwrap();
    refuses(world.run(&hello(), vec![release("2.0.0")], &TEAM), "version 2.0.0 is already released");
    let twice = {
        let Step::Release(first) = release("2.2.0") else { unreachable!() };
        vec![release("2.2.0"), Step::Release(Released { breaking: true, ..first })]
    };
    refuses(world.run(&hello(), twice, &TEAM), "version 2.2.0 is already released");
    refuses(world.run(&hello(), vec![yank("2.2.0")], &TEAM), "version 2.2.0 was never released");
    refuses(world.run(&hello(), vec![yank("2.0.0+x")], &TEAM), "version 2.0.0+x was never released");
    refuses(world.run(&hello(), vec![yank("2.0.0")], &[CI]), "needs the agreement of");
    // Who may release need not be one who may yank.
    world.run(&hello(), vec![release("1.0.0")], &[CI]).unwrap();
    refuses(world.run(&hello(), vec![yank("1.0.0")], &[CI]), "of the role `owner`, it has 0");
    let yanked = world.run(&hello(), vec![yank("2.0.0")], &TEAM).unwrap();
    assert_eq!(yanked, [PackageEntry::Yank { version: "2.0.0".parse().unwrap() }]);
    refuses(world.run(&hello(), vec![yank("2.0.0")], &[ALICE]), "version 2.0.0 is already yanked");
    refuses(world.run(&hello(), vec![release("2.0.0")], &TEAM), "version 2.0.0 is already released");
    // In one act, in the order of its steps.
    let steps = vec![release("2.3.0"), yank("2.3.0"), release("2.4.0")];
    let entries = world.run(&hello(), steps, &TEAM).unwrap();
    let kind = |entry: &PackageEntry| matches!(entry, PackageEntry::Yank { .. });
    assert_eq!(entries.iter().map(kind).collect::<Vec<_>>(), [false, true, false]);
    let facts = &world.releases();
    assert!(facts[&"2.3.0".parse().unwrap()].yanked.is_some());
    assert!(facts[&"2.4.0".parse().unwrap()].yanked.is_none());
    let [team, owner] = ["team", OWNER].map(|name| world.states[&hello()].role(name).unwrap().made);
    assert_eq!(facts[&"2.4.0".parse().unwrap()].allowed_by, [vec![team, owner]].into());
}

#[test]
fn a_publishing_keys_release_says_on_whose_behalf_and_no_other_does() {
    let mut start = World::released();
    each(
        &start,
        vec![
            (release_for("1.2.0", WHOM), &[PUBLISHING], ""),
            (release_for("1.2.0", "oidc https://ci.example repo:acme/x ref"), &[PUBLISHING], ""),
            (release("1.2.0"), &[PUBLISHING], "must say on whose behalf"),
            (release_for("1.2.0", WHOM), &[CI], "on nobody's behalf"),
            (release_for("1.2.0", WHOM), &[CI, PUBLISHING], "on nobody's behalf"),
            (release("1.2.0"), &[CI, PUBLISHING], ""),
            (release_for("2.0.0", WHOM), &[PUBLISHING], "needs the agreement of"),
        ],
    );
    // A mixed pair reaches its threshold only with the publishing key.
    let mixed = Grant { threshold: 2, parent: String::new(), ..grant("mixed", &[66, 67], &[Power::Release]) };
    let operator = Grant { not_after: Some(START), ..grant("old", &[67], &[Power::Publish]) };
    start.run(&LogName::Operator, vec![Step::Grant(operator)], &[1, 2]).unwrap();
    start.run(&hello(), vec![Step::Grant(mixed)], &[ALICE]).unwrap();
    // That key's role is dead by now; it ever held `publish`, and that counts.
    start.time = START.plus_seconds(1);
    each(
        &start,
        vec![
            (release("7.0.0"), &[66, 67], "must say on whose behalf"),
            (release_for("7.0.0", WHOM), &[66, 67], ""),
            (release("7.0.0"), &[66, 67, ALICE], ""),
        ],
    );
}

#[test]
fn a_release_says_what_it_needs_and_how_else_it_is_made() {
    let mut world = World::released();
    let Step::Release(plain) = release("1.2.0") else { unreachable!() };
    let variant = |kind, content: &[u8]| Variant { kind, content: Digest::of(content), manifest: None };
    let locked = variant(VariantKind::Locked, b"x");
    let dependency = Dependency {
        name: "acme:other".parse().unwrap(),
        requirement: "^1".to_owned(),
        version: None,
        content: None,
    };
    let twice = vec![locked.clone(), variant(VariantKind::Locked, b"y")];
    let refused = Released { variants: twice, ..plain.clone() };
    refuses(world.run(&hello(), vec![Step::Release(refused)], &[CI]), "has two variants of a kind");
    let full = Released { variants: vec![locked], dependencies: vec![dependency], ..plain };
    world.run(&hello(), vec![Step::Release(full)], &[CI]).unwrap();
    assert_eq!(world.releases()[&"1.2.0".parse().unwrap()].variants, [VariantKind::Locked].into());
    // One that is made later is announced, once.
    let announce = |subject: &str, value: String| Step::Annotate {
        kind: AnnotationKind::Variant,
        subject: subject.to_owned(),
        value,
    };
    let digest = Digest::of(b"z");
    for (subject, value, signer, words) in [
        ("1.2.0", format!("locked {digest}"), CI, "has a locked variant already"),
        ("1.2.0", format!("bundled {digest} "), CI, "a variant is"),
        ("1.2.0", format!("bundled  {digest}"), CI, "a variant is"),
        ("1.2.0", "bundled".to_owned(), CI, "a variant is"),
        ("1.2.1", format!("bundled {digest}"), CI, "was never released"),
        ("1.2", format!("bundled {digest}"), CI, "is no version"),
        ("1.2.0", format!("bundled {digest}"), TEAM[0], "needs the agreement"),
        ("1.2.0", format!("bundled {digest} {digest}"), CI, ""),
        ("1.2.0", format!("bundled {digest}"), CI, "has a bundled variant already"),
    ] {
        let result = world.run(&hello(), vec![announce(subject, value)], &[signer]);
        if words.is_empty() { _ = result.unwrap() } else { refuses(result, words) }
    }
}

/// A change to the message of a valid record by two endorsers, and the words of the refusal.
type Forgery = (fn(&mut proto::PackageRecord), &'static str);

fn released(message: &mut proto::PackageRecord) -> &mut proto::PackageRelease {
    match message.entries[0].contents.as_mut() {
        Some(proto::package_entry::Contents::Release(release)) => release,
        other => panic!("{other:?}"),
    }
}

const FORGERIES: &[Forgery] = &[
    (|_| {}, ""),
    // One entry more, less, changed, or in another place.
    (|m| m.entries.push(m.entries[1].clone()), "not those that stand for its act"),
    (|m| _ = m.entries.pop(), "not those that stand for its act"),
    (|m| m.entries.clear(), "not those that stand for its act"),
    (|m| released(m).version = "2.0.1".to_owned(), "not those that stand for its act"),
    (|m| released(m).content_hash = Digest::of(b"other").to_string(), "not those that stand for its act"),
    (|m| m.entries.swap(0, 1), "not those that stand for its act"),
    (|m| m.endorsements.insert(0, m.endorsements[0].clone()), "twice"),
    (|m| m.endorsements.reverse(), "out of order"),
    (|m| _ = m.endorsements.pop(), "of 2 keys of the role `team`, it has 1"),
    (|m| m.endorsements[0].signature = m.endorsements[1].signature.clone(), "does not verify"),
    (
        |m| {
            let act = m.act.clone();
            m.endorsements.push(endorse(&act, &key(COMMIT)).unwrap().to_message());
            m.endorsements.sort_by(|a, b| a.key_id.cmp(&b.key_id));
        },
        "by a key in no live role",
    ),
    (|m| m.act.clear(), "it has endorsements, and no act"),
    (|m| m.act = [&m.act[..], &[0xa2, 0x01, 0x00]].concat().into(), "not canonically encoded"),
    (|m| m.prev = None, "prev is not the log's latest record"),
    (|m| m.version = 1, "protocol version is not 0"),
    (|m| m.time = Some(proto::Timestamp { seconds: START.seconds() - 1, nanos: 0 }), "time is before"),
];

#[test]
fn a_record_that_is_not_the_acts_own_is_invalid_in_a_package_too() {
    let mut world = World::released();
    let act = world.act(&hello(), vec![release("2.0.0"), release("2.1.0")]).encode();
    let carried = world.try_carry(&hello(), &act, &endorsed(&act, &TEAM)).unwrap();
    for (change, words) in FORGERIES {
        let mut message = proto::PackageRecord::decode(carried.contents.as_slice()).unwrap();
        change(&mut message);
        let result = world.judge(&hello(), message.encode_to_vec(), COMMIT);
        if words.is_empty() { _ = result.unwrap() } else { refuses(result, words) }
    }
    let unknown_field = [&carried.contents[..], &[0x90, 0x01, 0x01]].concat();
    refuses(world.judge(&hello(), unknown_field, COMMIT), "not canonically encoded");
    let default_present = [&carried.contents[..], &[0x10, 0x00]].concat();
    refuses(world.judge(&hello(), default_present, COMMIT), "not canonically encoded");
    // The envelope is for v1: any commit key signs it, and nobody else.
    world.judge(&hello(), carried.contents.clone(), 5).unwrap();
    refuses(world.judge(&hello(), carried.contents.clone(), PUBLISHING), "never held `commit`");
    refuses(world.judge(&hello(), carried.contents, ALICE), "never held `commit`");
}

#[test]
fn the_projection_of_a_first_record_is_its_signers() {
    let mut world = World::claimed();
    let act = world.act(&hello(), vec![Step::Init { keys: publics(&[ALICE]), threshold: 1 }]).encode();
    let carried = world.try_carry(&hello(), &act, &endorsed(&act, &[ALICE, STARTER])).unwrap();
    world.judge(&hello(), carried.contents.clone(), COMMIT).unwrap();
    // Signed by the spare it would be another projection.
    refuses(world.judge(&hello(), carried.contents.clone(), 5), "not those that stand for its act");
    let mut message = proto::PackageRecord::decode(carried.contents.as_slice()).unwrap();
    message.entries.pop();
    refuses(world.judge(&hello(), message.encode_to_vec(), COMMIT), "not those that stand for its act");
    message.act.clear();
    refuses(world.judge(&hello(), message.encode_to_vec(), COMMIT), "a delegated log begins with one");
}

#[test]
fn only_a_commit_key_is_named_to_sign_what_is_carried() {
    let mut world = World::released();
    for signer in [PUBLISHING, ALICE, CI] {
        world.commit = signer;
        let key_id = key(signer).public().id();
        let reason = "signs the record and never held `commit`";
        let refused = world.run(&hello(), vec![release("1.0.0")], &[CI]);
        assert_eq!(refused.unwrap_err(), Refusal::Endorsement { key_id, reason });
    }
}

#[test]
fn an_act_is_carried_as_long_as_its_record_leaves_room_for_the_envelope() {
    const ROOM: usize = 256;
    let max = crate::envelope::ENVELOPE_BYTES_MAX;
    let mut world = World::released();
    world.run(&hello(), vec![release("1.2.0")], &[CI]).unwrap();
    let mut carry = |reason_bytes: usize| {
        let step = Step::Yank { version: "1.2.0".parse().unwrap(), reason: "x".repeat(reason_bytes) };
        let act = world.act(&hello(), vec![step]).encode();
        world.try_carry(&hello(), &act, &endorsed(&act, &[ALICE]))
    };
    let with_short_reason = max - 2_000;
    let rest = carry(with_short_reason).unwrap().contents.len() - with_short_reason;
    let fits = carry(max - ROOM - rest).unwrap();
    assert_eq!(fits.contents.len(), max - ROOM);
    let envelope = Envelope::sign(Layer::Package, fits.contents.into(), &key(COMMIT)).unwrap();
    assert!(envelope.encode().len() <= max);
    for reason_bytes in [max - ROOM - rest + 1, max - 500] {
        refuses(carry(reason_bytes), "at most 65536 are allowed");
    }
}
