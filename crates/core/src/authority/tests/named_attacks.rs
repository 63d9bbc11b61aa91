//! The attacks that `spec/delegation.md`, "What must be shown by test", names, in its order, one test each. Most have
//! relatives in the tables beside this file.

use super::world::*;
use super::*;
use crate::checkpoint::Checkpoint;
use crate::record::{PackageEntry, PackagePermission, PackageRecord};
use crate::v1::package::RECORD_VERSION;
use crate::verify::{Failure, GivenRecord, check_checkpoint, judge_layers};

const WHOM: &str = "account https://registry.example 42";

#[track_caller]
fn fails(world: &mut World, step: Step, signers: &[u8], words: &str) {
    refuses(world.run(&hello(), vec![step], signers), words);
}

#[test]
fn a_ci_key_grants_itself_more() {
    let mut world = World::released();
    let wider = Grant { scope: versions(&[">=1.0.0 <3.0.0"]), ..more("ci", &[]) };
    let mightier = Grant { powers: vec![Power::Release, Power::Yank], ..more("ci", &[]) };
    let longer = Grant { not_after: Some(START.plus_seconds(DAY)), ..more("ci", &[]) };
    for raised in [wider, mightier, longer] {
        fails(&mut world, Step::Grant(raised.clone()), &[CI], "of the role `owner`, it has 0");
        // Nor under its own role.
        let under = Grant { parent: "ci".to_owned(), threshold: 1, ..raised };
        let under = Grant { role: "more".to_owned(), keys: publics(&[65]), ..under };
        fails(&mut world, Step::Grant(under), &[CI], "depth must be below its parent's, 0");
    }
    let owner = more(OWNER, &[65]);
    fails(&mut world, Step::Grant(owner), &[CI], "of the role `owner`, it has 0");
}

#[test]
fn a_ci_key_grants_a_friend() {
    let mut world = World::released();
    let under = Grant { parent: "ci".to_owned(), ..grant("friend", &[65], &[]) };
    fails(&mut world, Step::Grant(more("ci", &[65])), &[CI], "of the role `owner`, it has 0");
    fails(&mut world, Step::Grant(under), &[CI], "depth must be below its parent's, 0");
    fails(&mut world, Step::Grant(grant("friend", &[65], &[])), &[CI], "of the role `owner`, it has 0");
}

#[test]
fn a_ci_key_revokes_the_owner() {
    let mut world = World::released();
    fails(&mut world, revoke(OWNER, &[ALICE]), &[CI], "of the role `owner`, it has 0");
    fails(&mut world, revoke(OWNER, &[]), &[CI], "role `owner` stays");
    fails(&mut world, recover(&[CI], 1), &[CI], "of the role `starters`, it has 0");
}

#[test]
fn a_ci_key_grants_the_owners_key_into_its_own_role() {
    let mut world = World::released();
    fails(&mut world, Step::Grant(more("ci", &[ALICE])), &[CI], "in the live role `owner` already");
}

#[test]
fn a_ci_key_releases_outside_its_versions() {
    let mut world = World::released();
    for version in ["0.9.9", "2.0.0", "11.0.0"] {
        fails(&mut world, release(version), &[CI], "needs the agreement of");
    }
}

#[test]
fn a_prerelease_through_a_bound() {
    let mut world = World::released();
    // Above the upper bound by name, below it by precedence; and within, though A is no prerelease.
    for version in ["2.0.0-rc.1", "2.0.0-0", "1.0.0-rc.1", "1.5.0-rc.1"] {
        fails(&mut world, release(version), &[CI], "of the role `owner`, it has 0");
    }
}

#[test]
fn a_release_after_expiry() {
    let mut world = World::released();
    let guest = Grant { not_after: Some(world.time), ..grant("guest", &[65], &[Power::Release]) };
    world.run(&hello(), vec![Step::Grant(guest)], &[ALICE]).unwrap();
    let act = world.act(&hello(), vec![release("5.0.0")]).encode();
    let in_time = world.try_carry(&hello(), &act, &endorsed(&act, &[65])).unwrap();
    world.wait(1);
    fails(&mut world, release("5.0.0"), &[65], "of the role `owner`, it has 0");
    // Nor back-dated, once the log went on.
    world.run(&hello(), vec![release("6.0.0")], &[ALICE]).unwrap();
    let mut message = proto::PackageRecord::decode(in_time.contents.as_slice()).unwrap();
    message.prev = world.states[&hello()].head().map(|head| head.to_string());
    refuses(world.judge(&hello(), message.encode_to_vec(), COMMIT), "before its predecessor's");
}

#[test]
fn a_duplicate_endorsement_fills_a_threshold() {
    let mut world = World::released();
    let twice = [TEAM[0], TEAM[0]];
    fails(&mut world, release("2.0.0"), &twice, "of 2 keys of the role `team`, it has 1");
    // Nor in a record that the registry made otherwise.
    let act = world.act(&hello(), vec![release("2.0.0")]).encode();
    let carried = world.try_carry(&hello(), &act, &endorsed(&act, &TEAM)).unwrap();
    let mut message = proto::PackageRecord::decode(carried.contents.as_slice()).unwrap();
    message.endorsements[1] = message.endorsements[0].clone();
    refuses(world.judge(&hello(), message.encode_to_vec(), COMMIT), "stands twice or out of order");
}

/// `lead` (65) made `child` (66), and then died.
fn orphaned(by: Step) -> World {
    let mut world = World::released();
    let lead = Grant { depth: 1, ..grant("lead", &[65], &[Power::Release]) };
    let child = Grant { parent: "lead".to_owned(), ..grant("child", &[66], &[]) };
    world.run(&hello(), vec![Step::Grant(lead)], &[ALICE]).unwrap();
    world.run(&hello(), vec![Step::Grant(child)], &[65]).unwrap();
    world.clone().run(&hello(), vec![release("5.0.0")], &[66]).unwrap();
    world.run(&hello(), vec![by], &[ALICE]).unwrap();
    world.wait(1);
    world
}

#[test]
fn a_dead_roles_child_releases() {
    let ends = Grant { not_after: Some(START), ..more("lead", &[]) };
    for by in [revoke("lead", &[]), revoke("lead", &[65]), Step::Grant(ends)] {
        let mut world = orphaned(by);
        fails(&mut world, release("5.0.0"), &[66], "of the role `owner`, it has 0");
    }
}

#[test]
fn a_dead_roles_name_taken_again() {
    let mut world = orphaned(revoke("lead", &[]));
    let again = Grant { depth: 1, ..grant("lead", &[65], &[Power::Release]) };
    world.run(&hello(), vec![Step::Grant(again)], &[ALICE]).unwrap();
    world.clone().run(&hello(), vec![release("5.0.0")], &[65]).unwrap();
    fails(&mut world, release("5.0.0"), &[66], "needs the agreement of");
    assert_eq!(world.live(&hello()), [OWNER, "ci", "registry", "team", "lead"]);
}

#[test]
fn http_with_a_hyphen_starts_https() {
    let mut world = World::claimed();
    let https: LogName = "acme:https".parse().unwrap();
    let refused = world.run(&https, vec![init(&[ALICE], 1)], &[ALICE, STARTER]);
    refuses(refused, "of the role `owner`, it has 0");
}

#[test]
fn an_endorsement_over_other_bytes() {
    let mut world = World::released();
    let asked = world.act(&hello(), vec![release("1.2.0")]).encode();
    let done = world.act(&hello(), vec![release("1.3.0")]).encode();
    refuses(world.try_carry(&hello(), &done, &endorsed(&asked, &[CI])), "does not verify");
    let carried = world.try_carry(&hello(), &done, &endorsed(&done, &[CI])).unwrap();
    let mut message = proto::PackageRecord::decode(carried.contents.as_slice()).unwrap();
    message.endorsements = endorsed(&asked, &[CI]).iter().map(Endorsement::to_message).collect();
    refuses(world.judge(&hello(), message.encode_to_vec(), COMMIT), "does not verify");
}

/// A granted friend, to be done again elsewhere.
fn friend(world: &mut World) -> Act {
    let friend = Grant { scope: versions(&[">=1.0.0 <2.0.0"]), ..grant("friend", &[65], &[Power::Release]) };
    world.act(&hello(), vec![Step::Grant(friend)])
}

fn carry(world: &World, log: &LogName, act: &[u8]) -> Result<Carried, Refusal> {
    world.try_carry(log, act, &endorsed(act, &[ALICE]))
}

#[test]
fn an_act_replayed_in_the_same_log() {
    let mut world = World::released();
    let act = friend(&mut world).encode();
    let carried = carry(&world, &hello(), &act).unwrap();
    world.settle(&hello(), carried);
    // Not even once what it gave was taken back, and the state went through a row.
    world.run(&hello(), vec![revoke("friend", &[])], &[ALICE]).unwrap();
    let stored = State::decode(&world.states[&hello()].encode()).unwrap();
    world.states.insert(hello(), stored);
    refuses(carry(&world, &hello(), &act), "done in this log already");
    // One that releases cannot be done again at any time.
    let act = world.act(&hello(), vec![release("1.0.0")]).encode();
    let carried = carry(&world, &hello(), &act).unwrap();
    world.settle(&hello(), carried);
    refuses(carry(&world, &hello(), &act), "version 1.0.0 is already released");
}

#[test]
fn an_act_replayed_in_another_log() {
    let mut world = World::released();
    let other: LogName = "acme:http-types".parse().unwrap();
    world.run(&other, vec![init(&[ALICE], 1)], &[ALICE, STARTER]).unwrap();
    let act = friend(&mut world).encode();
    refuses(carry(&world, &other, &act), "the act is for another log");
    refuses(carry(&world, &acme(), &act), "the act is for another log");
}

#[test]
fn an_act_replayed_in_another_registry() {
    let mut world = World::released();
    let act = friend(&mut world);
    for root in [None, Some(Layer::Operator.record_id(b"another registry's"))] {
        let elsewhere = Act { root, ..act.clone() }.encode();
        refuses(carry(&world, &hello(), &elsewhere), "the act is for another registry");
    }
}

#[test]
fn an_act_replayed_after_its_window() {
    let mut world = World::released();
    let act = friend(&mut world).encode();
    let carried = carry(&world, &hello(), &act).unwrap();
    world.settle(&hello(), carried);
    world.wait(61);
    // Forgotten by then.
    world.run(&hello(), vec![revoke("friend", &[])], &[ALICE]).unwrap();
    refuses(carry(&world, &hello(), &act), "the act may be done from");
}

/// A change to the entries of a record that releases 2.0.0 and 2.1.0.
type Forgery = fn(&mut Vec<proto::PackageEntry>);

#[test]
fn a_projection_with_one_entry_more_less_or_changed() {
    let mut world = World::released();
    let act = world.act(&hello(), vec![release("2.0.0"), release("2.1.0")]).encode();
    let carried = world.try_carry(&hello(), &act, &endorsed(&act, &TEAM)).unwrap();
    world.judge(&hello(), carried.contents.clone(), COMMIT).unwrap();
    let forgeries: [Forgery; 6] = [
        |entries| entries.push(entries[0].clone()),
        |entries| {
            let grant = proto::GrantFlat {
                key: key(99).public().to_string(),
                permissions: PackagePermission::ALL.map(|permission| permission as i32).to_vec(),
            };
            entries.push(proto::PackageEntry {
                contents: Some(proto::package_entry::Contents::GrantFlat(grant)),
            });
        },
        |entries| _ = entries.pop(),
        |entries| entries.clear(),
        |entries| entries.swap(0, 1),
        |entries| match entries[0].contents.as_mut() {
            Some(proto::package_entry::Contents::Release(release)) => {
                release.content_hash = Digest::of(b"other").to_string();
            }
            other => panic!("{other:?}"),
        },
    ];
    for forge in forgeries {
        let mut message = proto::PackageRecord::decode(carried.contents.as_slice()).unwrap();
        forge(&mut message.entries);
        let forged = world.judge(&hello(), message.encode_to_vec(), COMMIT);
        refuses(forged, "not those that stand for its act");
    }
}

#[test]
fn a_carrier_record_that_releases() {
    let world = World::released();
    let entries =
        vec![PackageEntry::Release { version: "1.0.0".parse().unwrap(), content: Digest::of(b"x") }];
    let prev = world.states[&hello()].head();
    let record = PackageRecord { prev, version: RECORD_VERSION, time: world.time, entries }.encode();
    refuses(world.judge(&hello(), record, COMMIT), "its entries do more than a carrier record's");
}

#[test]
fn non_canonical_and_unknown_bytes() {
    let mut world = World::released();
    let act = world.act(&hello(), vec![release("1.0.0")]).encode();
    let carried = world.try_carry(&hello(), &act, &endorsed(&act, &[CI])).unwrap();
    let unknown_field = [0xa2, 0x06, 0x00];
    let default_present = [0x10, 0x00];
    for more in [&unknown_field[..], &default_present] {
        let record = [&carried.contents, more].concat();
        refuses(world.judge(&hello(), record, COMMIT), "not canonically encoded");
    }
    // Within the act, endorsed as it is: unknown, present though default, a field out of order.
    let unknown_step = [&act[..], &[0x1a, 0x03, 0xaa, 0x06, 0x00]].concat();
    for bytes in [[&act[..], &unknown_field].concat(), [&act[..], &[0x32, 0x00]].concat(), unknown_step] {
        refuses(world.try_carry(&hello(), &bytes, &endorsed(&bytes, &[CI])), "not canonically encoded");
    }
    let unknown_kind = proto::step::Step::Annotate(proto::Annotate {
        kind: "praise".to_owned(),
        subject: String::new(),
        value: String::new(),
    });
    let mut message = proto::Act::decode(act.as_slice()).unwrap();
    message.steps.push(proto::Step { step: Some(unknown_kind) });
    let bytes = message.encode_to_vec();
    refuses(world.try_carry(&hello(), &bytes, &endorsed(&bytes, &[ALICE])), "missing or malformed");
}

/// A delegate's children are as many as a log's live keys may be, and go with it.
#[test]
fn three_hundred_keys_under_a_delegate_then_its_revocation() {
    let mut world = World::released();
    let lead = Grant { depth: 2, ..grant("lead", &[65], &[Power::Release]) };
    world.run(&hello(), vec![Step::Grant(lead)], &[ALICE]).unwrap();
    let secret = |at: u16| [&[2; 30][..], &at.to_be_bytes()].concat().try_into().unwrap();
    let keys = |range: std::ops::Range<u16>| -> Vec<PublicKey> {
        let key = |at| SecretKey::from_bytes(Algorithm::Ed25519, secret(at)).unwrap().public().clone();
        range.map(key).collect()
    };
    let under = |name: &str, keys| Grant { parent: "lead".to_owned(), keys, ..grant(name, &[], &[]) };
    let all_at_once = Step::Grant(under("crowd", keys(0..300)));
    fails(&mut world, all_at_once, &[65], "at most 64 live roles and 128 live keys");
    // Six are there before.
    world.run(&hello(), vec![Step::Grant(under("crowd-a", keys(0..61)))], &[65]).unwrap();
    world.run(&hello(), vec![Step::Grant(under("crowd-b", keys(61..122)))], &[65]).unwrap();
    fails(&mut world, Step::Grant(under("crowd-c", keys(122..123))), &[65], "at most");
    let act = world.act(&hello(), vec![release("5.0.0")]).encode();
    let one = SecretKey::from_bytes(Algorithm::Ed25519, secret(7)).unwrap();
    let endorsement = [endorse(&act, &one).unwrap()];
    world.try_carry(&hello(), &act, &endorsement).unwrap();
    world.run(&hello(), vec![revoke("lead", &[])], &[ALICE]).unwrap();
    refuses(world.try_carry(&hello(), &act, &endorsement), "of the role `owner`, it has 0");
    assert_eq!(world.live(&hello()), [OWNER, "ci", "registry", "team"]);
    // The keys are free again: the rest finds its place, as often as its owners like.
    for (name, range) in [("crowd-a", 0..122), ("crowd-b", 122..244), ("crowd-c", 178..300)] {
        let crowd = Grant { keys: keys(range), ..grant(name, &[], &[]) };
        world.run(&hello(), vec![Step::Grant(crowd), revoke(name, &[])], &[ALICE]).unwrap();
    }
}

#[test]
fn a_v1_log_started_in_a_claimed_namespace() {
    let mut world = World::claimed();
    let LogName::Package(name) = hello() else { unreachable!() };
    let entries = vec![PackageEntry::Init { key: key(70).public().clone() }];
    let record = PackageRecord { prev: None, version: RECORD_VERSION, time: world.time, entries };
    let envelope = Envelope::sign(Layer::Package, record.encode().into(), &key(70)).unwrap();
    let judge = |world: &World, index: u64| {
        let of = |log: &LogName| -> Vec<GivenRecord> {
            world.given.iter().filter(|(of, _)| of == log).map(|(_, record)| record.clone()).collect()
        };
        let own = [GivenRecord { index, envelope: envelope.clone(), checked: false }];
        judge_layers(&name, &of(&LogName::Operator), &of(&acme()), &own)
    };
    assert!(matches!(judge(&world, 10).unwrap_err(), Failure::Downgrade { .. }));
    // It is no delegated record either.
    refuses(world.judge(&hello(), record.encode(), COMMIT), "a delegated log begins with one");
    let admit = Step::Admit { name: "hello".to_owned(), key: key(70).public().clone() };
    world.run(&acme(), vec![admit], &[STARTER]).unwrap();
    judge(&world, 10).unwrap();
}

/// Whether a checkpoint by this key is that of the registry.
fn checks(world: &World, signer: u8) -> Result<(), Failure> {
    let checkpoint = Checkpoint {
        size: 2,
        root: Digest::of(b"log"),
        map_root: Digest::of(b"map"),
        time: u64::try_from(world.time.seconds()).unwrap(),
    };
    let signature = key(signer).sign(&checkpoint.warg_signed_bytes()).unwrap();
    let operator = &world.states[&LogName::Operator];
    check_checkpoint(&checkpoint, &key(signer).public().id(), &signature, operator)
}

#[test]
fn the_publishing_key_signs_a_checkpoint() {
    let world = World::claimed();
    checks(&world, COMMIT).unwrap();
    assert!(matches!(checks(&world, PUBLISHING).unwrap_err(), Failure::ForgedCheckpoint { .. }));
}

#[test]
fn the_commit_key_endorses_a_release() {
    let mut world = World::released();
    fails(&mut world, release("1.0.0"), &[COMMIT, 5], "needs the agreement of");
    // Its endorsement is left out; in a record it is invalid.
    let act = world.act(&hello(), vec![release("1.0.0")]).encode();
    let carried = world.try_carry(&hello(), &act, &endorsed(&act, &[CI, COMMIT])).unwrap();
    let mut message = proto::PackageRecord::decode(carried.contents.as_slice()).unwrap();
    assert_eq!(message.endorsements.len(), 1);
    message.endorsements = endorsed(&act, &[COMMIT]).iter().map(Endorsement::to_message).collect();
    refuses(world.judge(&hello(), message.encode_to_vec(), COMMIT), "by a key in no live role");
}

#[test]
fn an_expired_define_reopens_nothing() {
    let mut world = World::new();
    let definer = Grant { not_after: Some(world.time), ..grant("definer", &[30], &[Power::Define]) };
    world.run(&LogName::Operator, vec![Step::Grant(definer)], &[1, 2]).unwrap();
    world.run(&acme(), vec![init(&ACME, 2)], &[50, 51, 30]).unwrap();
    world.wait(1);
    // What it began stays as it is, and it begins nothing more, nor anything again.
    refuses(world.run(&acme(), vec![init(&[90], 1)], &[90, 30]), "nowhere else");
    let other: LogName = "other".parse().unwrap();
    refuses(world.run(&other, vec![init(&[90], 1)], &[90, 30]), "of the role `registry`, it has 0");
    world.run(&hello(), vec![init(&[ALICE], 1)], &[ALICE, 50, 51]).unwrap();
}

#[test]
fn one_root_key_signs_a_checkpoint() {
    let world = World::claimed();
    for root in OWNERS {
        assert!(matches!(checks(&world, root).unwrap_err(), Failure::ForgedCheckpoint { .. }));
    }
}

#[test]
fn define_used_to_recover() {
    let mut world = World::claimed();
    let definer = Step::Grant(grant("definer", &[30], &[Power::Define]));
    world.run(&LogName::Operator, vec![definer], &[1, 2]).unwrap();
    refuses(world.run(&acme(), vec![recover(&[90], 1)], &[30, PUBLISHING]), "of the role `owner`, it has 0");
}

#[test]
fn the_publishing_keys_release_without_on_behalf_of() {
    let mut world = World::released();
    fails(&mut world, release("1.0.0"), &[PUBLISHING], "must say on whose behalf");
    world.run(&hello(), vec![release_for("1.0.0", WHOM)], &[PUBLISHING]).unwrap();
    fails(&mut world, release_for("1.1.0", WHOM), &[CI], "on nobody's behalf");
}

#[test]
fn the_publishing_keys_endorse() {
    let mut world = World::released();
    world.run(&hello(), vec![release_for("1.0.0", WHOM)], &[PUBLISHING]).unwrap();
    let lift = annotate(AnnotationKind::Endorse, "1.0.0", &Digest::of(b"1.0.0").to_string());
    fails(&mut world, lift.clone(), &[PUBLISHING], "it has 0");
    assert_eq!(world.released_as("1.0.0").level(), Level::RegistryForAccount);
    world.run(&hello(), vec![lift], &[CI, PUBLISHING]).unwrap();
    assert_eq!(world.released_as("1.0.0").level(), Level::PublisherKey);
}
