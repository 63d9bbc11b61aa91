//! How a package that the registry began for somebody becomes theirs.

use super::world::*;
use super::*;

/// The new owners; both must agree from then on.
const NEW: [u8; 2] = [80, 81];

fn claim(registry_releases: bool) -> Claim {
    Claim { owners: publics(&NEW), threshold: 2, registry_releases }
}

fn custodian() -> PublicKey {
    key(PUBLISHING).public().clone()
}

/// A package that the registry began for somebody.
fn custodial() -> World {
    let mut world = World::claimed();
    let steps = vec![init(&[PUBLISHING], 1), release_for("1.0.0", "account https://registry.example 42")];
    world.run(&hello(), steps, &[PUBLISHING, STARTER]).unwrap();
    world
}

#[test]
fn a_claim_gives_the_package_to_its_owners_and_to_the_registry_at_most_releases() {
    for (registry_releases, roles) in [(false, &[OWNER][..]), (true, &[OWNER, "registry"])] {
        let mut world = custodial();
        world.run(&hello(), claim(registry_releases).steps(&custodian()), &[PUBLISHING, 80, 81]).unwrap();
        let state = &world.states[&hello()];
        let new: BTreeSet<KeyId> = publics(&NEW).iter().map(PublicKey::id).collect();
        assert_eq!(state.owners().copied().collect::<BTreeSet<_>>(), new);
        assert_eq!(state.role(OWNER).unwrap().threshold, 2);
        assert_eq!(world.live(&hello()), roles);
        if let Some(role) = state.role("registry") {
            assert_eq!((role.powers.clone(), role.depth), ([Power::Release].into(), 0));
            assert!(role.keys.keys().eq([&custodian().id()]));
        }
        let again = release_for("1.1.0", "account https://registry.example 42");
        assert_eq!(world.run(&hello(), vec![again], &[PUBLISHING]).is_ok(), registry_releases);
        world.run(&hello(), vec![release("1.2.0")], &NEW).unwrap();
    }
}

#[test]
fn an_act_is_a_claim_if_it_does_that_and_nothing_else() {
    for claim in [claim(false), claim(true)] {
        assert_eq!(Claim::of(&claim.steps(&custodian()), &custodian()), Some(claim.clone()));
        assert_eq!(Claim::of(&claim.steps(&custodian()), key(COMMIT).public()), None, "of another registry");
    }
    let changes: &[fn(&mut Vec<Step>)] = &[
        Vec::clear,
        |steps| steps.truncate(1),
        |steps| _ = steps.remove(0),
        |steps| steps.swap(0, 1),
        |steps| steps[0] = Step::Grant(grant("friends", &NEW, &[])),
        |steps| steps[0] = Step::Grant(grant(OWNER, &NEW, &[Power::Release])),
        |steps| steps[1] = revoke(OWNER, &[]),
        |steps| steps.push(yank("1.0.0")),
        |steps| steps.push(Step::Grant(grant("registry", &[PUBLISHING], &[Power::Release, Power::Yank]))),
        |steps| steps.push(Step::Grant(grant("registry", &[99], &[Power::Release]))),
    ];
    for (at, change) in changes.iter().enumerate() {
        let mut steps = claim(false).steps(&custodian());
        change(&mut steps);
        assert_eq!(Claim::of(&steps, &custodian()), None, "change {at}");
    }
    let mut steps = claim(true).steps(&custodian());
    steps.push(release("1.1.0"));
    assert_eq!(Claim::of(&steps, &custodian()), None);
}

#[test]
fn a_claim_is_agreed_to_by_as_many_new_owners_as_must_agree_from_then_on() {
    let rows: &[(u32, &[u8], bool)] = &[
        (2, &[80, 81], true),
        (2, &[99, 81, 80], true),
        (2, &[80], false),
        (2, &[80, 80], false),
        (2, &[80, PUBLISHING], false),
        (1, &[81], true),
        (1, &[], false),
        // One that nobody need agree to is none.
        (0, &[], false),
        (0, &[80, 81], false),
        (3, &[80, 81], false),
    ];
    for (threshold, seeds, agreed) in rows {
        let signers: Vec<KeyId> = publics(seeds).iter().map(PublicKey::id).collect();
        let claim = Claim { threshold: *threshold, ..claim(false) };
        assert_eq!(claim.is_agreed(&signers), *agreed, "{threshold} of {seeds:?}");
    }
}
