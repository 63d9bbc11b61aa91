//! What the owners of a namespace demand.

use super::world::*;
use super::*;

fn policy(value: &str) -> Step {
    annotate(AnnotationKind::Policy, "", value)
}

#[test]
fn owners_alone_make_a_namespace_private_and_public_again() {
    let mut world = World::claimed();
    assert!(!world.states[&acme()].policy().private);
    refuses(world.clone().run(&acme(), vec![policy("private")], &[STARTER]), "of the role `owner`");
    refuses(world.clone().run(&acme(), vec![policy("private")], &[50]), "needs the agreement of 2 keys");
    assert_eq!(world.run(&acme(), vec![policy("private")], &[50, 51]).unwrap(), [], "v1 sees nothing of it");
    let state = &world.states[&acme()];
    assert!(state.policy().private);
    assert_eq!(State::decode(&state.encode()).unwrap(), *state, "a row keeps it");
    world.run(&acme(), vec![policy("")], &[50, 51]).unwrap();
    assert!(!world.states[&acme()].policy().private);
}

/// A rule that nobody enforces must not look as if somebody did.
#[test]
fn what_no_policy_says_is_refused() {
    let world = World::claimed();
    for value in
        ["public", "private ", " private", "private private", "Private", "private=yes", "two-persons private"]
    {
        refuses(world.clone().run(&acme(), vec![policy(value)], &[50, 51]), "a policy is of the words");
    }
    let on_a_name = annotate(AnnotationKind::Policy, "hello", "");
    refuses(world.clone().run(&acme(), vec![on_a_name], &[50, 51]), "its subject is empty");
}

#[test]
fn two_persons_are_demanded_of_every_role_that_publishes() {
    let mut world = World::released();
    world.run(&acme(), vec![policy("two-persons")], &[50, 51]).unwrap();
    let release = |role: &str, seeds: &[u8], threshold| {
        let grant = Grant { threshold, ..grant(role, seeds, &[Power::Release]) };
        vec![Step::Grant(grant)]
    };
    let words = "two persons are demanded here";
    refuses(world.run(&hello(), release("solo", &[70], 1), &[ALICE]), words);
    refuses(world.run(&hello(), vec![Step::Grant(more("ci", &[71]))], &[ALICE]), words);
    world.run(&hello(), release("pair", &[72, 73], 2), &[ALICE]).unwrap();
    let lower = Grant { threshold: 1, ..more("pair", &[]) };
    refuses(world.run(&hello(), vec![Step::Grant(lower)], &[ALICE]), words);
    // Roles that publish nothing may be one person's, and what is there goes on.
    world.run(&hello(), vec![Step::Grant(grant("yanker", &[74], &[Power::Yank]))], &[ALICE]).unwrap();
    world.run(&hello(), vec![super::world::release("1.5.0")], &[CI]).unwrap();
    refuses(world.run(&acme(), vec![Step::Grant(more("starters", &[75]))], &[50, 51]), words);
    let other: LogName = "acme:http-b".parse().unwrap();
    refuses(world.run(&other, vec![init(&[76], 1)], &[76, STARTER]), words);
    world.run(&other, vec![init(&[76, 77], 2)], &[76, 77, STARTER]).unwrap();
}

#[test]
fn a_namespace_may_take_no_v1_logs() {
    let mut world = World::claimed();
    let admit = || vec![Step::Admit { name: "hello".to_owned(), key: key(9).public().clone() }];
    world.run(&acme(), admit(), &[STARTER]).unwrap();
    world.run(&acme(), vec![policy("delegated-only private")], &[50, 51]).unwrap();
    refuses(world.run(&acme(), admit(), &[STARTER]), "takes no v1 logs");
    let policy = world.states[&acme()].policy();
    assert!(policy.private && policy.delegated_only && !policy.two_persons);
}
