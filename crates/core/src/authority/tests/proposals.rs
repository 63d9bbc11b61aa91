//! Acts to which more must agree: what they lack, and which are none.

use super::world::*;
use super::*;

/// What an act of these steps lacks if these agree, in words; `None` if nothing.
#[track_caller]
fn lacks(
    world: &mut World,
    log: &LogName,
    steps: Vec<Step>,
    signers: &[u8],
) -> Result<Option<String>, Refusal> {
    let act = world.act(log, steps).encode();
    let commit = key(world.commit).public().id();
    let endorsements = endorsed(&act, signers);
    let weighed = world.state(log).weigh(&world.context(log), world.time, &act, &endorsements, &commit)?;
    Ok(match weighed {
        Weighed::Agreed(_) => None,
        Weighed::Proposed(proposal) => {
            let agreed: Vec<KeyId> = proposal.endorsements.iter().map(|one| one.key_id).collect();
            let mut expected: Vec<KeyId> = endorsements.iter().map(|one| one.key_id).collect();
            expected.sort();
            assert_eq!(agreed, expected, "all who have a say are kept, by key id");
            Some(proposal.lacks.to_string())
        }
    })
}

#[test]
fn an_act_waits_for_the_agreement_that_it_lacks() {
    let mut world = World::released();
    let two = || vec![release("2.0.0")];
    let words =
        |found| Some(format!("Release needs the agreement of 2 keys of the role `team`, it has {found}"));
    assert_eq!(lacks(&mut world, &hello(), two(), &TEAM[..1]).unwrap(), words(1));
    assert_eq!(lacks(&mut world, &hello(), two(), &TEAM).unwrap(), None);
    // Nobody has to have agreed, and whoever may alone is named where nobody else came closer.
    let words = "Release needs the agreement of 1 keys of the role `owner`, it has 0".to_owned();
    assert_eq!(lacks(&mut world, &hello(), two(), &[]).unwrap(), Some(words));
    // The layers above, and a log that has not begun.
    let claim = vec![init(&ACME, 2)];
    let mut world = World::new();
    let words = "Init needs the agreement of 2 keys of the role `owner`, it has 1".to_owned();
    assert_eq!(lacks(&mut world, &acme(), claim.clone(), &[ACME[0], PUBLISHING]).unwrap(), Some(words));
    assert_eq!(lacks(&mut world, &acme(), claim, &[ACME[0], ACME[1], PUBLISHING]).unwrap(), None);
}

#[test]
fn a_release_for_somebody_may_wait_for_a_person_beside_the_registry() {
    let mut world = World::released();
    let role = Grant {
        threshold: 2,
        scope: versions(&[">=3.0.0 <4.0.0"]),
        ..grant("desk", &[70], &[Power::Release])
    };
    let steps =
        vec![revoke("registry", &[]), Step::Grant(Grant { keys: publics(&[PUBLISHING, 70]), ..role })];
    world.run(&hello(), steps, &[ALICE]).unwrap();
    let three = || vec![release_for("3.0.0", "account https://registry.example 42")];
    let words = "Release needs the agreement of 2 keys of the role `desk`, it has 1".to_owned();
    assert_eq!(lacks(&mut world, &hello(), three(), &[PUBLISHING]).unwrap(), Some(words));
    assert_eq!(lacks(&mut world, &hello(), three(), &[PUBLISHING, 70]).unwrap(), None);
    let elsewhere = vec![release_for("4.0.0", "account https://registry.example 42")];
    let refused = lacks(&mut world, &hello(), elsewhere, &[PUBLISHING]);
    refuses(refused, "is its publishers' own");
}

#[test]
fn what_no_agreement_makes_valid_is_no_proposal() {
    let mut world = World::released();
    world.run(&hello(), vec![release("1.0.0")], &[CI]).unwrap();
    let rows: Vec<(Vec<Step>, &str)> = vec![
        (vec![release("1.0.0")], "is already released"),
        // The second step is looked at though the first lacks agreement.
        (vec![release("2.0.0"), yank("7.0.0")], "was never released"),
        (vec![release("2.0.0"), Step::Grant(grant("x", &[TEAM[0]], &[Power::Release]))], "already"),
        (vec![Step::Grant(Grant { depth: 8, ..grant("x", &[71], &[Power::Release]) })], "depth"),
        (vec![revoke(OWNER, &[])], "role `owner` stays"),
    ];
    for (steps, words) in rows {
        refuses(lacks(&mut world, &hello(), steps.clone(), &[]), words);
    }
    // Nor one that somebody's name was forged under.
    let act = world.act(&hello(), vec![release("2.0.0")]).encode();
    let other = world.act(&hello(), vec![release("2.0.1")]).encode();
    let commit = key(world.commit).public().id();
    let forged = endorsed(&other, &TEAM[..1]);
    let log = hello();
    let weighed = world.state(&log).weigh(&world.context(&log), world.time, &act, &forged, &commit);
    refuses(weighed, "does not verify");
    // Strangers' agreement is no hindrance, and is not kept.
    let strangers = endorsed(&act, &[90, TEAM[0], 91]);
    let weighed =
        world.state(&log).weigh(&world.context(&log), world.time, &act, &strangers, &commit).unwrap();
    let Weighed::Proposed(proposal) = weighed else { panic!("it lacks one of the team") };
    let agreed: Vec<KeyId> = proposal.endorsements.iter().map(|one| one.key_id).collect();
    assert_eq!(agreed, [key(TEAM[0]).public().id()]);
}
