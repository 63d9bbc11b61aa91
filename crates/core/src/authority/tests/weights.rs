//! About how much memory a state takes, for whoever keeps many.

use super::world::*;
use super::*;
use AnnotationKind::{Note, Vkey};

/// What one of the small things in a state, and one of the large ones, counts for.
const SMALL: i64 = 96;
const LARGE: i64 = 256;

/// How much heavier an act makes a log's state; that it is remembered is not counted.
#[track_caller]
fn adds(world: &mut World, log: &LogName, steps: Vec<Step>, signers: &[u8]) -> i64 {
    let weight = |world: &World| i64::try_from(world.state(log).about_bytes()).unwrap();
    let before = weight(world);
    world.run(log, steps, signers).unwrap();
    weight(world) - before - SMALL
}

#[test]
fn each_thing_that_a_state_holds_has_its_weight() {
    assert_eq!(i64::try_from(State::empty(hello()).about_bytes()).unwrap(), 2 * LARGE);
    let mut world = World::released();
    assert_eq!(adds(&mut world, &hello(), vec![annotate(Note, "", "a")], &[ALICE]), 0);
    let admit = Step::Admit { name: "hello".to_owned(), key: key(70).public().clone() };
    assert_eq!(adds(&mut world, &acme(), vec![admit], &ACME), 0);

    let role = |keys: i64, patterns: i64| LARGE + keys * LARGE + patterns * SMALL;
    let scope = versions(&[">=1.0.0 <2.0.0", ">=2.0.0 <3.0.0"]);
    let two = Step::Grant(Grant { scope, ..grant("two", &[80, 81], &[Power::Release]) });
    assert_eq!(adds(&mut world, &hello(), vec![two], &[ALICE]), role(2, 2));
    let everywhere = Step::Grant(grant("all", &[82], &[Power::Release]));
    assert_eq!(adds(&mut world, &hello(), vec![everywhere], &[ALICE]), role(1, 0));
    let scope = names(&["fmt", "hello", "http-*"]);
    let starters = Step::Grant(Grant { scope, ..grant("more", &[83], &[Power::Init]) });
    assert_eq!(adds(&mut world, &acme(), vec![starters], &ACME), role(1, 3));
    let (lost, since) = (-role(1, 1), world.given.iter().find(|(log, _)| *log == hello()).unwrap());
    let since = since.1.envelope.record_id(Layer::Package);
    let revoke = revoke_since("ci", &[], Some(since));
    assert_eq!(adds(&mut world, &hello(), vec![revoke], &[ALICE]), lost + SMALL);

    let operator = LogName::Operator;
    let import = Step::Import { namespace: "wasi".parse().unwrap(), registry: "wasi.dev".to_owned() };
    assert_eq!(adds(&mut world, &operator, vec![import], &[1, 2]), LARGE);
    assert_eq!(adds(&mut world, &operator, vec![annotate(Vkey, "a/log", "1")], &[1, 2]), LARGE);
    let commit = Step::Grant(more("commit", &[20]));
    assert_eq!(
        adds(&mut world, &operator, vec![commit], &[1, 2]),
        2 * LARGE + SMALL,
        "v1 clients know it too"
    );
    let publish = Step::Grant(grant("publish", &[21], &[Power::Publish]));
    assert_eq!(adds(&mut world, &operator, vec![publish], &[1, 2]), role(1, 0) + SMALL);
}
