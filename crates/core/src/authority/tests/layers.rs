//! How namespace and package logs begin, and who has a say in that.

use super::world::*;
use super::*;
use crate::record::{PackageEntry, PackagePermission};

fn all() -> Vec<PackagePermission> {
    PackagePermission::ALL.to_vec()
}

#[test]
fn a_namespace_begins_by_its_owners_and_by_define() {
    let start = World::new();
    let rows: &[(&[u8], &str)] = &[
        (&[50, 51, PUBLISHING], ""),
        (&[50, 51, 1, 2], ""),
        (&[50, 51], "of the role `registry`, it has 0"),
        (&[50, 51, 1], "needs the agreement of"),
        (&[50, PUBLISHING], "needs the agreement of 2 keys of the role `owner`, it has 1"),
        (&[PUBLISHING], "of the role `owner`, it has 0"),
        (&[50, 51, COMMIT], "needs the agreement of"),
    ];
    for (signers, words) in rows {
        let mut world = start.clone();
        let result = world.run(&acme(), vec![init(&ACME, 2)], signers);
        if !words.is_empty() {
            refuses(result, words);
            continue;
        }
        let spare = PackageEntry::GrantFlat { key: key(5).public().clone(), permissions: all() };
        assert_eq!(result.unwrap(), [PackageEntry::Init { key: key(COMMIT).public().clone() }, spare]);
        let owner = world.states[&acme()].role(OWNER).unwrap().clone();
        assert_eq!(owner.powers, [Power::Init, Power::Recover, Power::Annotate].into());
        // Nowhere else, and not again.
        refuses(world.run(&acme(), vec![init(&[9], 1)], signers), "nowhere else");
    }
    let mut world = start.clone();
    let admit = Step::Admit { name: "hello".to_owned(), key: key(9).public().clone() };
    refuses(world.run(&acme(), vec![admit], &[50, 51, PUBLISHING]), "the log begins with Init");
    refuses(world.run(&acme(), vec![init(&ACME, 3)], &[50, 51, PUBLISHING]), "threshold");
}

#[test]
fn define_counts_only_over_its_names() {
    let mut world = World::new();
    let definer = Grant { scope: names(&["acme-*"]), ..grant("definer", &[30], &[Power::Define]) };
    world.run(&LogName::Operator, vec![Step::Grant(definer)], &[1, 2]).unwrap();
    // `registry` comes closest among those that cover `acme`; `definer` does not.
    refuses(world.clone().run(&acme(), vec![init(&ACME, 2)], &[50, 51, 30]), "of the role `registry`");
    let tools: LogName = "acme-tools".parse().unwrap();
    world.run(&tools, vec![init(&ACME, 2)], &[50, 51, 30]).unwrap();
}

#[test]
fn define_counts_until_its_end() {
    let mut world = World::new();
    let end = Some(START.plus_seconds(10));
    let definer = Grant { not_after: end, ..grant("definer", &[30], &[Power::Define]) };
    world.run(&LogName::Operator, vec![Step::Grant(definer)], &[1, 2]).unwrap();
    let act = world.act(&acme(), vec![init(&ACME, 2)]).encode();
    let signers = endorsed(&act, &[50, 51, 30]);
    world.time = START.plus_seconds(10);
    let in_time = world.try_carry(&acme(), &act, &signers).unwrap();
    world.time = START.plus_seconds(11);
    // Its key has no say any more, so its endorsement is left out.
    refuses(world.try_carry(&acme(), &act, &signers), "of the role `registry`, it has 0");
    // A record that was made in time is too late once the operator log went on.
    world.run(&LogName::Operator, vec![Step::Grant(grant("ops", &[31], &[Power::Import]))], &[1, 2]).unwrap();
    refuses(world.judge(&acme(), in_time.contents, COMMIT), "time is before that of the layers above");
}

#[test]
fn a_package_begins_only_in_a_claimed_namespace_by_init_over_its_name() {
    let mut unclaimed = World::new();
    let refused = unclaimed.run(&hello(), vec![init(&[ALICE], 1)], &[ALICE, PUBLISHING]);
    assert_eq!(refused.unwrap_err(), Refusal::Unclaimed { namespace: "acme".parse().unwrap() });
    let rows: &[(&str, &[u8], &str)] = &[
        ("acme:hello", &[ALICE, STARTER], ""),
        ("acme:hello", &[ALICE, 50, 51], ""),
        ("acme:http-types", &[ALICE, STARTER], ""),
        // The pattern ends with a hyphen.
        ("acme:https", &[ALICE, STARTER], "of the role `owner`, it has 0"),
        ("acme:http", &[ALICE, STARTER], "of the role `owner`, it has 0"),
        ("acme:hello", &[ALICE, 50], "needs the agreement of"),
        ("acme:hello", &[ALICE], "of the role `starters`, it has 0"),
        ("acme:hello", &[STARTER], "of the role `owner`, it has 0"),
        // The operator has no say in a namespace.
        ("acme:hello", &[ALICE, PUBLISHING, 1, 2, 3], "of the role `starters`, it has 0"),
    ];
    for (name, signers, words) in rows {
        let mut world = World::claimed();
        let result = world.run(&name.parse().unwrap(), vec![init(&[ALICE], 1)], signers);
        if words.is_empty() { _ = result.unwrap() } else { refuses(result, words) }
    }
}

#[test]
fn the_layer_above_has_a_say_in_the_first_step_alone() {
    let mut world = World::claimed();
    // A starter starts, but releases only what the package's owners release.
    let steps = vec![init(&[ALICE], 1), release("1.0.0")];
    let entries = world.run(&hello(), steps, &[ALICE, STARTER]).unwrap();
    assert!(matches!(entries.last(), Some(PackageEntry::Release { .. })));
    assert_eq!(entries.len(), 3, "init, grant to the spare, release");
    refuses(world.run(&hello(), vec![release("1.1.0")], &[STARTER]), "of the role `owner`, it has 0");
    // Nor may the starter's key stand in a later record.
    let act = world.act(&hello(), vec![release("1.1.0")]).encode();
    let carried = world.try_carry(&hello(), &act, &endorsed(&act, &[ALICE])).unwrap();
    let mut message = proto::PackageRecord::decode(carried.contents.as_slice()).unwrap();
    message.endorsements.push(endorse(&act, &key(STARTER)).unwrap().to_message());
    message.endorsements.sort_by(|a, b| a.key_id.cmp(&b.key_id));
    refuses(world.judge(&hello(), message.encode_to_vec(), COMMIT), "by a key in no live role");
    // Two of whom one is only a starter are not two owners.
    let mut world = World::claimed();
    let steps = vec![init(&[ALICE, 64], 1), Step::Grant(Grant { threshold: 2, ..more(OWNER, &[]) })];
    world.run(&hello(), steps, &[ALICE, STARTER]).unwrap();
    refuses(world.run(&hello(), vec![release("1.0.0")], &[ALICE, STARTER]), "of 2 keys of the role `owner`");
}

#[test]
fn v1_sees_the_signing_commit_key_and_then_the_others_as_they_were_granted() {
    let mut world = World::new();
    let commit = [Power::Commit];
    // 21 comes later than 20, though it joins the elder role.
    world.run(&LogName::Operator, vec![Step::Grant(grant("spare", &[20], &commit))], &[1, 2]).unwrap();
    world.run(&LogName::Operator, vec![Step::Grant(more("commit", &[21]))], &[1, 2]).unwrap();
    for (signer, others) in [(COMMIT, [5, 20, 21]), (5, [COMMIT, 20, 21]), (20, [COMMIT, 5, 21])] {
        let mut world = world.clone();
        world.commit = signer;
        let entries = world.run(&acme(), vec![init(&ACME, 2)], &[50, 51, PUBLISHING]).unwrap();
        let keys = publics(&others);
        let grants = keys.into_iter().map(|key| PackageEntry::GrantFlat { key, permissions: all() });
        let begins = PackageEntry::Init { key: key(signer).public().clone() };
        assert_eq!(entries, std::iter::once(begins).chain(grants).collect::<Vec<_>>());
    }
    for signer in [PUBLISHING, 1, 99] {
        let mut world = world.clone();
        world.commit = signer;
        let refused = world.run(&acme(), vec![init(&ACME, 2)], &[50, 51, PUBLISHING]);
        refuses(refused, "a live commit key must sign the first record");
    }
}

#[test]
fn v1_sees_no_dead_commit_key_and_one_that_is_granted_again_as_the_last() {
    let mut world = World::new();
    let end = Some(START.plus_seconds(5));
    let brief = Grant { not_after: end, ..grant("brief", &[20], &[Power::Commit]) };
    world.run(&LogName::Operator, vec![Step::Grant(brief.clone())], &[1, 2]).unwrap();
    world.run(&LogName::Operator, vec![Step::Grant(more("commit", &[21]))], &[1, 2]).unwrap();
    let named = |world: &World| -> Vec<KeyId> {
        let entries = world.clone().run(&acme(), vec![init(&ACME, 2)], &[50, 51, PUBLISHING]).unwrap();
        let key = |entry: &PackageEntry| match entry {
            PackageEntry::Init { key } | PackageEntry::GrantFlat { key, .. } => key.id(),
            other => panic!("{other:?}"),
        };
        entries.iter().map(key).collect()
    };
    let ids = |seeds: &[u8]| publics(seeds).iter().map(PublicKey::id).collect::<Vec<_>>();
    assert_eq!(named(&world), ids(&[COMMIT, 5, 20, 21]));
    world.time = START.plus_seconds(6);
    assert_eq!(named(&world), ids(&[COMMIT, 5, 21]));
    let again = Grant { not_after: None, ..brief };
    world.run(&LogName::Operator, vec![Step::Grant(again)], &[1, 2]).unwrap();
    assert_eq!(named(&world), ids(&[COMMIT, 5, 21, 20]));
}

#[test]
fn admit_is_remembered_by_name_and_key() {
    let admit = |name: &str| Step::Admit { name: name.to_owned(), key: key(70).public().clone() };
    let mut world = World::claimed();
    let id = key(70).public().id();
    assert_eq!(world.run(&acme(), vec![admit("hello")], &[STARTER]).unwrap(), [], "v1 sees nothing of it");
    assert!(world.facts[&acme()].admits("hello", &id));
    assert!(!world.facts[&acme()].admits("http-types", &id));
    assert!(!world.facts[&acme()].admits("hello", &key(71).public().id()));
    world.run(&acme(), vec![admit("http-types"), admit("http-x")], &[STARTER]).unwrap();
    world.run(&acme(), vec![admit("other")], &[50, 51]).unwrap();
    refuses(world.run(&acme(), vec![admit("https")], &[STARTER]), "of the role `owner`, it has 0");
    refuses(world.run(&acme(), vec![admit("x"), admit("y")], &[50]), "of the role `owner`, it has 1");
    refuses(world.run(&acme(), vec![admit("x")], &[PUBLISHING]), "of the role `owner`, it has 0");
    refuses(world.run(&acme(), vec![release("1.0.0")], &[50, 51]), "it is no step of a log such as acme");
}

#[test]
fn a_namespaces_state_does_not_grow_with_what_it_admits() {
    let mut world = World::claimed();
    let mut bytes = |name: String| {
        // What was done before is forgotten.
        world.wait(61);
        let admit = Step::Admit { name, key: key(70).public().clone() };
        world.run(&acme(), vec![admit], &ACME).unwrap();
        world.states[&acme()].encode().len()
    };
    let first = bytes("a".to_owned());
    assert!((0..50).all(|number| bytes(format!("a-{}", "x".repeat(number + 1))) == first));
}

/// Who judges may hand over the wrong logs, or ones that have not begun.
#[test]
fn only_the_logs_above_have_a_say_and_only_once_they_have_begun() {
    let mut world = World::claimed();
    let tools: LogName = "tools".parse().unwrap();
    world.run(&tools, vec![init(&[90], 1)], &[90, PUBLISHING]).unwrap();
    let of = |log: &LogName| world.states[log].clone();
    let (operator, namespace, other) = (of(&LogName::Operator), of(&acme()), of(&tools));
    let (no_operator, no_namespace) = (State::empty(LogName::Operator), State::empty(acme()));
    let act = world.act(&hello(), vec![init(&[ALICE], 1)]).encode();
    let carry = |operator, namespace| {
        let context = Context { operator, namespace, facts: None };
        let signers = endorsed(&act, &[ALICE, STARTER]);
        State::empty(hello()).carry(&context, world.time, &act, &signers, &key(COMMIT).public().id())
    };
    carry(Some(&operator), Some(&namespace)).unwrap();
    for wrong in [None, Some(&no_operator), Some(&namespace)] {
        refuses(carry(wrong, Some(&namespace)), "the registry's operator log has not begun");
    }
    for wrong in [None, Some(&no_namespace), Some(&other), Some(&operator)] {
        refuses(carry(Some(&operator), wrong), "the namespace `acme` has no log yet");
    }
}

#[test]
fn who_may_start_or_release_is_told_beforehand() {
    let mut world = World::released();
    let ids = |seeds: &[u8]| publics(seeds).iter().map(PublicKey::id).collect::<BTreeSet<_>>();
    let (names, package) = (&world.states[&acme()], &world.states[&hello()]);
    for (name, seeds, covers) in [
        ("hello", &[STARTER][..], true),
        ("http-a", &[STARTER], true),
        ("https", &[STARTER], false),
        ("https", &ACME, true),
        ("https", &ACME[..1], false),
        ("hello", &[PUBLISHING], false),
    ] {
        assert_eq!(names.init_covers(name, &ids(seeds), world.time), covers, "{name} by {seeds:?}");
    }
    for (version, seeds, covers) in [
        ("1.0.0", &[CI][..], true),
        ("1.0.0", &[PUBLISHING], true),
        ("2.0.0", &[CI], false),
        ("2.0.0", &TEAM, true),
        ("2.0.0", &TEAM[..1], false),
        ("2.0.0", &[ALICE], true),
    ] {
        let version = version.parse().unwrap();
        assert_eq!(
            package.release_covers(&version, &ids(seeds), world.time),
            covers,
            "{version} by {seeds:?}"
        );
    }
    let end = Grant { not_after: Some(world.time), ..more("ci", &[]) };
    world.run(&hello(), vec![Step::Grant(end)], &[ALICE]).unwrap();
    let covers = |seconds| {
        let time = world.time.plus_seconds(seconds);
        world.states[&hello()].release_covers(&Version::new(1, 0, 0), &ids(&[CI]), time)
    };
    assert_eq!([covers(0), covers(1)], [true, false]);
}
