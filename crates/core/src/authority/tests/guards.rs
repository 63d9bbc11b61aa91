//! How many must agree to what, and until when a role lives.

use super::world::*;
use super::*;

/// Two owners must agree; `ci` and `registry` release 1.x alone, `team` 2.x in twos.
fn two_owners() -> World {
    let mut world = World::released();
    let owners = Step::Grant(Grant { threshold: 2, ..more(OWNER, &[70]) });
    world.run(&hello(), vec![owners], &[ALICE]).unwrap();
    world
}

fn guards(world: &World, versions: &[&str]) -> Vec<Option<u32>> {
    let state = &world.states[&hello()];
    let guard = |version: &&str| state.release_guard(&version.parse().unwrap(), world.time);
    versions.iter().map(guard).collect()
}

#[test]
fn an_action_is_guarded_by_the_least_threshold_that_covers_it() {
    let mut world = two_owners();
    let versions = ["0.9.0", "1.5.0", "1.5.0-rc.1", "2.0.0", "3.0.0"];
    assert_eq!(guards(&world, &versions), [Some(2), Some(1), Some(2), Some(2), Some(2)]);
    let guard = |world: &World, power| world.states[&hello()].guard(power, world.time);
    assert_eq!(guard(&world, Power::Release), Some(1));
    assert_eq!(guard(&world, Power::Yank), Some(2));
    assert_eq!(guard(&world, Power::Init), None, "no package starts packages");
    let ends = vec![revoke("ci", &[]), revoke("registry", &[])];
    world.run(&hello(), ends, &[ALICE, 70]).unwrap();
    assert_eq!(guards(&world, &versions), [Some(2); 5]);
}

#[test]
fn a_role_that_has_ended_guards_nothing_and_ends_what_hangs_under_it() {
    let mut world = two_owners();
    let end = |days: i64| Some(START.plus_seconds(days * DAY));
    let lead = Grant { not_after: end(9), depth: 2, ..grant("lead", &[80], &[Power::Release]) };
    let mid = Grant { parent: "lead".to_owned(), not_after: end(5), ..grant("mid", &[81], &[]) };
    world.run(&hello(), vec![Step::Grant(lead), Step::Grant(mid)], &[ALICE, 70, 80]).unwrap();
    let ends = |world: &World| {
        let state = &world.states[&hello()];
        ["lead", "mid", "ci"].map(|name| state.end_of(state.role(name).unwrap()))
    };
    assert_eq!(ends(&world), [end(9), end(5), None]);
    // Whoever ends earlier takes along what hangs there.
    let sooner = Grant { not_after: end(3), ..more("lead", &[82]) };
    world.run(&hello(), vec![Step::Grant(sooner)], &[ALICE, 70]).unwrap();
    assert_eq!(ends(&world), [end(3), end(3), None]);
    assert_eq!(guards(&world, &["7.0.0"]), [Some(1)]);
    world.wait(3 * DAY);
    assert_eq!(guards(&world, &["7.0.0"]), [Some(1)], "its last moment");
    world.wait(1);
    assert_eq!(guards(&world, &["7.0.0"]), [Some(2)]);
}

#[test]
fn a_commit_key_ends_with_its_role_and_no_other_key_does() {
    let mut log = Log::begun();
    let end = |days: i64| Some(START.plus_seconds(days * DAY));
    log.grant(Grant { not_after: end(9), ..grant("brief", &[20], &[Power::Commit]) }, &[1, 2]).unwrap();
    log.grant(Grant { not_after: end(5), ..grant("late", &[21], &[Power::Publish]) }, &[1, 2]).unwrap();
    let ends = |log: &Log| [COMMIT, 20, 21, 99].map(|seed| log.state.commit_end(&key(seed).public().id()));
    assert_eq!(ends(&log), [None, end(9), None, None]);
    log.grant(Grant { not_after: end(3), ..more("brief", &[]) }, &[1, 2]).unwrap();
    assert_eq!(ends(&log), [None, end(3), None, None]);
}
