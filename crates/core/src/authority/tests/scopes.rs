//! On what a role may use its powers: names or versions, and never more of them than its parent.

use super::world::*;
use super::*;

#[test]
fn a_scope_is_of_versions_in_a_package_and_of_names_elsewhere() {
    let (of_names, of_versions) = (names(&["a*"]), versions(&[">=1.0.0 <2.0.0"]));
    let of_each = |power, seeds: &'static [u8], words: [&'static str; 2]| {
        let role =
            |scope: &Scope| vec![Step::Grant(Grant { scope: scope.clone(), ..grant("x", &[90], &[power]) })];
        vec![(role(&of_names), seeds, words[0]), (role(&of_versions), seeds, words[1])]
    };
    let world = World::released();
    let elsewhere = ["", "its scope is of versions, here it is of names"];
    tries(&world, &LogName::Operator, of_each(Power::Define, &[1, 2], elsewhere));
    tries(&world, &acme(), of_each(Power::Init, &ACME, elsewhere));
    tries(
        &world,
        &hello(),
        of_each(Power::Release, &[ALICE], ["its scope is of names, here it is of versions", ""]),
    );
}

#[test]
fn the_versions_of_a_role_lie_within_those_of_its_parent() {
    let mut world = World::released();
    let lead = versions(&[">=4.0.0 <6.0.0", ">=7.0.0-rc.1 <8.0.0"]);
    let lead = Grant { scope: lead, depth: 1, ..grant("lead", &[90], &[Power::Release]) };
    world.run(&hello(), vec![Step::Grant(lead)], &[ALICE]).unwrap();
    let under = |texts: &[&str]| {
        let child = grant("child", &[91], &[Power::Release]);
        vec![Step::Grant(Grant { parent: "lead".to_owned(), scope: versions(texts), ..child })]
    };
    let wider = "its scope is wider than that of role `lead`";
    for (texts, words) in [
        (&[][..], ""),
        (&[">=4.0.0 <6.0.0"], ""),
        (&[">=4.1.0 <5.9.0"], ""),
        (&[">=7.0.0-rc.2 <8.0.0", ">=4.0.0 <5.0.0"], ""),
        (&[">=7.0.0 <8.0.0"], ""),
        (&[">=3.9.9 <6.0.0"], wider),
        (&[">=4.0.0 <6.0.1"], wider),
        (&[">=3.0.0 <9.0.0"], wider),
        // Prereleases are more than what lies around them.
        (&[">=4.1.0-rc.1 <6.0.0"], wider),
        (&[">=7.0.0-beta <8.0.0"], wider),
        // One that is wider is enough, and two of the parent's are not one that spans them.
        (&[">=4.0.0 <5.0.0", ">=1.0.0 <2.0.0"], wider),
        (&[">=4.0.0 <8.0.0"], wider),
    ] {
        tries(&world, &hello(), vec![(under(texts), &[90], words)]);
    }
    world.run(&hello(), under(&[]), &[90]).unwrap();
    let state = &world.states[&hello()];
    assert_eq!(state.role("child").unwrap().scope, state.role("lead").unwrap().scope, "copied");
}
