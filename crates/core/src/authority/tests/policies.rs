//! What the owners of a namespace demand.

use super::world::*;
use super::*;

fn policy(value: &str) -> Step {
    Step::Annotate { kind: AnnotationKind::Policy, subject: String::new(), value: value.to_owned() }
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
    for value in ["public", "private ", " private", "private private", "Private", "private=yes"] {
        refuses(
            world.clone().run(&acme(), vec![policy(value)], &[50, 51]),
            "a policy is `private` or nothing",
        );
    }
    let annotate =
        |kind, subject: &str| Step::Annotate { kind, subject: subject.to_owned(), value: "x".to_owned() };
    for step in [
        annotate(AnnotationKind::Note, ""),
        annotate(AnnotationKind::Deprecate, "hello"),
        annotate(AnnotationKind::Policy, "hello"),
    ] {
        refuses(world.clone().run(&acme(), vec![step], &[50, 51]), "not possible yet");
    }
    refuses(world.clone().run(&LogName::Operator, vec![policy("private")], &[1, 2]), "not possible yet");
}
