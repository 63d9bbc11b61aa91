//! New owners by the word of the layer above.

use super::world::*;
use super::*;

/// The namespace has a role `rescuers` (80 and 81, both must agree) with `recover` over `hello` and `http-*`; the
/// operator one with `recover` over `acme*` (82), and one with `define` alone (83). Whose powers were copied, as those of
/// the namespace's `starters`, may recover too.
fn start() -> World {
    let mut world = World::released();
    let power = [Power::Recover];
    let rescuers =
        Grant { threshold: 2, scope: names(&["hello", "http-*"]), ..grant("rescuers", &[80, 81], &power) };
    let initer = grant("initer", &[86], &[Power::Init]);
    world.run(&acme(), vec![Step::Grant(rescuers), Step::Grant(initer)], &[50, 51]).unwrap();
    let rescuer = Grant { scope: names(&["acme*"]), ..grant("rescuer", &[82], &power) };
    let definer = grant("definer", &[83], &[Power::Define]);
    world.run(&LogName::Operator, vec![Step::Grant(rescuer), Step::Grant(definer)], &[1, 2]).unwrap();
    world
}

#[test]
fn a_package_is_recovered_by_its_namespace() {
    let steps = || vec![recover(&[90], 1)];
    let rows: Vec<Try<'_>> = vec![
        (steps(), &[80, 81], ""),
        (steps(), &[50, 51], ""),
        (steps(), &[80], "needs the agreement of 2 keys of the role `rescuers`, it has 1"),
        (steps(), &[80, 50], "needs the agreement of 2 keys"),
        (steps(), &[STARTER], ""),
        // Not by its own owners, by who may only start packages, or by the operator.
        (steps(), &[ALICE, CI, 62, 63], "of the role `starters`, it has 0"),
        (steps(), &[90], "of the role `starters`, it has 0"),
        (steps(), &[86], "of the role `starters`, it has 0"),
        (steps(), &[1, 2, 3, PUBLISHING, COMMIT, 82, 83], "of the role `starters`, it has 0"),
        (vec![recover(&[90], 0)], &[50, 51], "threshold is from 1"),
        (vec![recover(&[90], 2)], &[50, 51], "threshold is from 1"),
        (vec![recover(&[], 0)], &[50, 51], "threshold is from 1"),
        (vec![recover(&[90, 91], 2)], &[50, 51], ""),
        // The old owners may be the new ones.
        (vec![recover(&[ALICE], 1)], &[50, 51], ""),
        // What follows is the new owners' to decide; their keys have a say from that step on.
        (
            vec![recover(&[90], 1), release("1.0.0")],
            &[50, 51],
            "Release needs the agreement of 1 keys of the role `owner`",
        ),
        (vec![recover(&[90], 1), release("1.0.0")], &[50, 51, 90], ""),
        (vec![recover(&[90], 1), Step::Grant(grant("ci", &[CI], &[]))], &[50, 51, 90], ""),
        (vec![release("1.0.0"), recover(&[90], 1)], &[50, 51, ALICE], ""),
        // Who owned it before the act changes its owners.
        (vec![recover(&[90], 1), Step::Grant(more(OWNER, &[91]))], &[50, 51, 90], "it has 0"),
        (vec![recover(&[90], 1), Step::Grant(more(OWNER, &[91]))], &[50, 51, ALICE], ""),
    ];
    tries(&start(), &hello(), rows);
    let mut other = start();
    let elsewhere: LogName = "acme:other".parse().unwrap();
    other.run(&elsewhere, vec![init(&[ALICE], 1)], &[ALICE, 50, 51]).unwrap();
    refuses(other.run(&elsewhere, steps(), &[80, 81]), "of the role `owner`, it has 0");
}

#[test]
fn a_namespace_is_recovered_by_the_operator() {
    let steps = || vec![recover(&[90, 91], 2)];
    let rows: Vec<Try<'_>> = vec![
        (steps(), &[82], ""),
        (steps(), &[1, 3], ""),
        (steps(), &[1], "needs the agreement of"),
        (steps(), &[50, 51], "needs the agreement of 1 keys of the role `rescuer`, it has 0"),
        (steps(), &[80, 81], "of the role `rescuer`, it has 0"),
        (steps(), &[83], "of the role `rescuer`, it has 0"),
        (steps(), &[PUBLISHING, COMMIT], "of the role `rescuer`, it has 0"),
    ];
    tries(&start(), &acme(), rows);
    refuses(start().run(&LogName::Operator, steps(), &[1, 2, 3]), "it is no step of a log such as");
}

#[test]
fn everything_else_of_the_log_dies() {
    let mut world = start();
    world.run(&hello(), vec![release("1.0.0")], &[CI]).unwrap();
    let (old, owner) = (world.states[&hello()].clone(), world.states[&hello()].role(OWNER).unwrap().clone());
    let act = world.act(&hello(), vec![recover(&[90], 1)]).encode();
    let changes = world.try_carry(&hello(), &act, &endorsed(&act, &[50, 51])).unwrap().changes;
    let others = old.roles().skip(1).map(|role| (role.name.clone(), role.made));
    assert_eq!(changes.dead, others.collect::<Vec<_>>());
    assert_eq!(world.run(&hello(), vec![recover(&[90], 1)], &[50, 51]).unwrap(), [], "v1 sees nothing of it");
    assert_eq!(world.live(&hello()), [OWNER]);
    let now = world.states[&hello()].role(OWNER).unwrap().clone();
    assert_eq!(now.keys.keys().copied().collect::<Vec<_>>(), [key(90).public().id()]);
    assert_eq!(Role { keys: owner.keys.clone(), ..now }, owner, "it is the role that it was");
    let rows: Vec<Try<'_>> = vec![
        (vec![release("1.1.0")], &[CI], "of the role `owner`, it has 0"),
        (vec![release("2.0.0")], &TEAM, "of the role `owner`, it has 0"),
        (vec![yank("1.0.0")], &[ALICE], "of the role `owner`, it has 0"),
        (vec![yank("1.0.0")], &[90], ""),
        (vec![release("1.0.0")], &[90], "is already released"),
    ];
    tries(&world, &hello(), rows);
}

/// Whoever stole the owners' key may have released by it.
#[test]
fn what_the_old_owners_released_can_lose_its_trust() {
    let mut world = start();
    world.run(&hello(), vec![release("1.0.0")], &[ALICE]).unwrap();
    world.run(&hello(), vec![release("1.1.0")], &[ALICE]).unwrap();
    world.run(&hello(), vec![recover(&[90], 1)], &[50, 51]).unwrap();
    let since = Some(world.released_as("1.1.0").record);
    let steps = vec![Step::Grant(more(OWNER, &[91])), revoke_since(OWNER, &[91], since)];
    world.run(&hello(), steps, &[90]).unwrap();
    world.run(&hello(), vec![release("1.2.0")], &[90]).unwrap();
    assert_eq!(["1.0.0", "1.1.0", "1.2.0"].map(|version| world.distrusts(version)), [false, true, false]);
    // And so may its delegates, which died by it.
    let mut world = start();
    world.run(&hello(), vec![release("1.0.0")], &[CI]).unwrap();
    world.run(&hello(), vec![recover(&[90], 1)], &[50, 51]).unwrap();
    let since = Some(world.released_as("1.0.0").record);
    world.run(&hello(), vec![revoke_since("ci", &[], since)], &[90]).unwrap();
    assert!(world.distrusts("1.0.0"));
}

#[test]
fn a_publishing_key_recovers_nothing() {
    // The namespace is custodial: the publishing key owns it, alone or as one of two.
    for (owners, threshold) in [(&[PUBLISHING][..], 1), (&[PUBLISHING, 84], 2)] {
        let mut world = World::new();
        let signers = [owners, &[PUBLISHING]].concat();
        world.run(&acme(), vec![init(owners, threshold)], &signers[..owners.len()]).unwrap();
        world.run(&hello(), vec![init(&[ALICE], 1)], &[owners, &[ALICE]].concat()).unwrap();
        let words =
            format!("needs the agreement of {threshold} keys of the role `owner`, it has {}", threshold - 1);
        refuses(world.run(&hello(), vec![recover(&[90], 1)], owners), &words);
    }
    // Nor one that held `publish` once and holds `recover` now.
    let mut world = start();
    let retired = Grant { not_after: Some(world.time), ..grant("retired", &[85], &[Power::Publish]) };
    world.run(&LogName::Operator, vec![Step::Grant(retired)], &[1, 2]).unwrap();
    world.wait(1);
    let rescuer = Step::Grant(grant("late", &[85], &[Power::Recover]));
    world.run(&acme(), vec![rescuer], &[50, 51]).unwrap();
    refuses(world.run(&hello(), vec![recover(&[90], 1)], &[85]), "needs the agreement of");
    world
        .run(&LogName::Operator, vec![Step::Grant(grant("late", &[85], &[Power::Recover]))], &[1, 2])
        .unwrap();
    refuses(world.run(&acme(), vec![recover(&[90], 1)], &[85]), "needs the agreement of");
}

#[test]
fn an_expired_or_revoked_rescuer_recovers_nothing() {
    let mut world = start();
    let end = Grant { not_after: Some(world.time), ..more("rescuer", &[]) };
    world.run(&LogName::Operator, vec![Step::Grant(end)], &[1, 2]).unwrap();
    world.clone().run(&acme(), vec![recover(&[90], 1)], &[82]).unwrap();
    world.wait(1);
    refuses(world.run(&acme(), vec![recover(&[90], 1)], &[82]), "of the role `owner`, it has 0");
    world.run(&acme(), vec![revoke("rescuers", &[80])], &[80]).unwrap();
    refuses(world.run(&hello(), vec![recover(&[90], 1)], &[80, 81]), "of the role `starters`, it has 0");
}

#[test]
fn two_persons_are_demanded_of_new_owners_too() {
    let mut world = start();
    let two = annotate(AnnotationKind::Policy, "", "two-persons");
    world.run(&acme(), vec![two], &[50, 51]).unwrap();
    refuses(world.run(&hello(), vec![recover(&[90], 1)], &[50, 51]), "two persons are demanded here");
    world.run(&hello(), vec![recover(&[90, 91], 2)], &[50, 51]).unwrap();
    refuses(world.run(&acme(), vec![recover(&[90], 1)], &[82]), "two persons are demanded here");
}
