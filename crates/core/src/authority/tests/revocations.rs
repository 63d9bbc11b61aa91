//! Keys leave roles, roles die with what hangs under them, and releases lose their trust.

use super::world::*;
use super::*;
use crate::record::PackageEntry;

/// `lead` (65 and 66, both must agree) over `mid` (67) over `leaf` (68 and 69), all of which may release.
fn nested() -> World {
    let mut world = World::released();
    let under = |name: &str, seeds: &[u8], parent: &str, depth| {
        let powers = [Power::Release, Power::Yank];
        vec![Step::Grant(Grant { parent: parent.to_owned(), depth, ..grant(name, seeds, &powers) })]
    };
    let [Step::Grant(lead)] = &under("lead", &[65, 66], OWNER, 2)[..] else { unreachable!() };
    let lead = Grant { threshold: 2, ..lead.clone() };
    world.run(&hello(), vec![Step::Grant(lead)], &[ALICE]).unwrap();
    world.run(&hello(), under("mid", &[67], "lead", 1), &[65, 66]).unwrap();
    world.run(&hello(), under("leaf", &[68, 69], "mid", 0), &[67]).unwrap();
    world
}

#[test]
fn a_role_is_revoked_by_what_it_hangs_under_and_a_key_leaves_by_itself() {
    let rows: Vec<Try<'_>> = vec![
        (vec![revoke("leaf", &[])], &[67], ""),
        (vec![revoke("leaf", &[])], &[65, 66], ""),
        (vec![revoke("leaf", &[])], &[ALICE], ""),
        (vec![revoke("leaf", &[68])], &[67], ""),
        (vec![revoke("leaf", &[68])], &[ALICE], ""),
        (vec![revoke("leaf", &[68])], &[68], ""),
        (vec![revoke("leaf", &[68, 69])], &[68, 69], ""),
        (vec![revoke("lead", &[65])], &[65], ""),
        (vec![revoke("lead", &[65, 66])], &[ALICE], ""),
        // Fewer than must agree, a peer, a stranger, itself as a whole, what hangs beside or below.
        (vec![revoke("leaf", &[])], &[65], "needs the agreement of 1 keys of the role `mid`, it has 0"),
        (vec![revoke("leaf", &[])], &[68, 69], "of the role `mid`, it has 0"),
        (vec![revoke("leaf", &[])], &[CI, PUBLISHING, 62, 63], "of the role `mid`, it has 0"),
        (vec![revoke("leaf", &[])], &[50, 51, STARTER, 1, 2, COMMIT], "of the role `mid`, it has 0"),
        (vec![revoke("leaf", &[68])], &[69], "of the role `mid`, it has 0"),
        (vec![revoke("leaf", &[68, 69])], &[69], "of the role `mid`, it has 0"),
        (vec![revoke("mid", &[67])], &[68, 69], "of the role `lead`, it has 0"),
        (vec![revoke("lead", &[65])], &[67], "of the role `owner`, it has 0"),
        (vec![revoke("lead", &[])], &[65, 66], "of the role `owner`, it has 0"),
        (vec![revoke("leaf", &[67])], &[ALICE], "is not in role `leaf`"),
        (vec![revoke("leaf", &[68, 99])], &[ALICE], "is not in role `leaf`"),
        (vec![revoke("nobody", &[])], &[ALICE], "there is no live role `nobody`"),
    ];
    tries(&nested(), &hello(), rows);
}

#[test]
fn what_hangs_under_a_revoked_role_acts_no_more() {
    for (role, gone) in
        [("lead", &["lead", "mid", "leaf"][..]), ("mid", &["mid", "leaf"]), ("leaf", &["leaf"])]
    {
        let mut world = nested();
        let before = world.states[&hello()].clone();
        let act = world.act(&hello(), vec![revoke(role, &[])]).encode();
        let carried = world.try_carry(&hello(), &act, &endorsed(&act, &[ALICE])).unwrap();
        let made = |name: &&str| ((*name).to_owned(), before.role(name).unwrap().made);
        assert_eq!(carried.changes.dead, gone.iter().map(made).collect::<Vec<_>>());
        world.run(&hello(), vec![revoke(role, &[])], &[ALICE]).unwrap();
        let left: Vec<&str> = before.roles().map(|role| role.name.as_str()).collect();
        let left: Vec<&str> = left.into_iter().filter(|name| !gone.contains(name)).collect();
        assert_eq!(world.live(&hello()), left);
        for (name, seeds) in [("lead", &[65, 66][..]), ("mid", &[67]), ("leaf", &[68])] {
            let result = world.clone().run(&hello(), vec![release("5.0.0")], seeds);
            assert_eq!(result.is_err(), gone.contains(&name), "{name} after {role}");
        }
    }
}

#[test]
fn a_role_below_its_threshold_dies_at_that_step() {
    let two = |seeds: &[u8]| Step::Grant(Grant { threshold: 2, ..more("lead", seeds) });
    let start = nested();
    let mut world = start.clone();
    world.run(&hello(), vec![revoke("lead", &[65])], &[65]).unwrap();
    assert_eq!(world.live(&hello()), [OWNER, "ci", "registry", "team"]);
    // Rotated by grant, then revoke, it lives, and so do those under it.
    let mut world = start.clone();
    world.run(&hello(), vec![two(&[80]), revoke("lead", &[65])], &[ALICE]).unwrap();
    assert_eq!(world.live(&hello()).len(), 7);
    world.run(&hello(), vec![release("5.0.0")], &[66, 80]).unwrap();
    refuses(world.run(&hello(), vec![release("5.1.0")], &[65, 66]), "needs the agreement of 2 keys");
    // The other way round a new role is made under the dead one's name, with none of its children.
    let mut world = start.clone();
    let again = Grant { threshold: 2, ..grant("lead", &[66, 80], &[]) };
    world.run(&hello(), vec![revoke("lead", &[65]), Step::Grant(again)], &[ALICE]).unwrap();
    assert_eq!(world.live(&hello()), [OWNER, "ci", "registry", "team", "lead"]);
    // A role may lose keys and stay if it has enough.
    let mut world = start;
    world.run(&hello(), vec![revoke("leaf", &[68])], &[67]).unwrap();
    world.run(&hello(), vec![release("5.0.0")], &[69]).unwrap();
    refuses(world.run(&hello(), vec![release("5.1.0")], &[68]), "needs the agreement of");
}

#[test]
fn a_key_moves_between_roles_by_a_revoke_and_a_grant_in_one_act() {
    let moved = Grant { parent: "mid".to_owned(), ..grant("other", &[68], &[Power::Release]) };
    let taken = vec![Step::Grant(moved.clone())];
    let mut world = nested();
    refuses(world.run(&hello(), taken, &[67]), "in the live role `leaf` already");
    world.run(&hello(), vec![revoke("leaf", &[68]), Step::Grant(moved)], &[67]).unwrap();
    assert_eq!(world.states[&hello()].role("other").unwrap().keys.len(), 1);
}

#[test]
fn owners_leave_by_the_agreement_of_owners_alone() {
    let mut start = World::claimed();
    let keys = vec![init(&[70, 71, 72], 2), Step::Grant(grant("ci", &[CI], &[Power::Release]))];
    start.run(&hello(), keys, &[70, 71, STARTER]).unwrap();
    let add = |threshold, seeds: &[u8]| Step::Grant(Grant { threshold, ..more(OWNER, seeds) });
    let rows: Vec<Try<'_>> = vec![
        (vec![revoke(OWNER, &[72])], &[70, 71], ""),
        (vec![revoke(OWNER, &[72])], &[71, 72], ""),
        (vec![revoke(OWNER, &[72])], &[72], "needs the agreement of 2 keys of the role `owner`, it has 1"),
        (vec![revoke(OWNER, &[72])], &[70, CI], "of the role `owner`, it has 1"),
        (vec![revoke(OWNER, &[71, 72])], &[71, 72], "fewer owners than must agree"),
        (vec![revoke(OWNER, &[])], &[70, 71, 72], "role `owner` stays"),
        (vec![revoke(OWNER, &[73])], &[70, 71], "is not in role `owner`"),
        (vec![revoke(OWNER, &[72]), add(0, &[73])], &[70, 71], ""),
        (vec![add(1, &[]), revoke(OWNER, &[71, 72])], &[70, 71], ""),
        (vec![revoke(OWNER, &[71, 72]), add(1, &[])], &[70, 71], "fewer owners than must agree"),
        // They are counted as they were before the act.
        (vec![add(1, &[]), revoke(OWNER, &[72])], &[70], "of the role `owner`, it has 1"),
        (vec![add(0, &[73]), revoke(OWNER, &[72])], &[70, 73], "of the role `owner`, it has 1"),
        (vec![revoke(OWNER, &[72]), add(3, &[73])], &[71, 72], ""),
    ];
    tries(&start, &hello(), rows);
}

#[test]
fn since_takes_trust_from_the_releases_between_two_records() {
    let mut world = World::released();
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        world.run(&hello(), vec![release(version)], &[CI]).unwrap();
    }
    let since = |version: &str| Some(world.released_as(version).record);
    let from = since("1.1.0");
    let nowhere = Some(Layer::Package.record_id(b"nowhere"));
    let in_another_log = world.states[&acme()].head();
    let rows: Vec<Try<'_>> = vec![
        (vec![revoke_since("ci", &[], from)], &[ALICE], ""),
        (vec![revoke_since("ci", &[CI], from)], &[ALICE], ""),
        // A key leaves by itself, but takes nobody's trust.
        (vec![revoke_since("ci", &[CI], from)], &[CI], "of the role `owner`, it has 0"),
        (vec![revoke_since("ci", &[], nowhere)], &[ALICE], "is no earlier record of this log"),
        (vec![revoke_since("ci", &[], in_another_log)], &[ALICE], "is no earlier record of this log"),
        (vec![revoke_since("nobody", &[], from)], &[ALICE], "there is no live role `nobody`"),
    ];
    tries(&world, &hello(), rows);
    let of_names = revoke_since("starters", &[], world.states[&acme()].head());
    refuses(world.run(&acme(), vec![of_names], &[50, 51]), "`since` is about releases");

    // The role lives on without the stolen key: what it releases later is trusted.
    let grow = Step::Grant(more("ci", &[80]));
    world.run(&hello(), vec![grow, revoke_since("ci", &[CI], from)], &[ALICE]).unwrap();
    world.run(&hello(), vec![release("1.3.0")], &[80]).unwrap();
    let distrusted =
        |world: &World| ["1.0.0", "1.1.0", "1.2.0", "1.3.0"].map(|version| world.distrusts(version));
    assert_eq!(distrusted(&world), [false, true, true, false]);
    // Used up, neither yanked nor released again.
    refuses(world.run(&hello(), vec![release("1.1.0")], &[80]), "version 1.1.0 is already released");
    refuses(world.run(&hello(), vec![yank("1.1.0")], &[ALICE]), "version 1.1.0 is distrusted");
    // Later it turns out that the key was stolen earlier; the role is dead by then.
    let earlier = Some(world.released_as("1.0.0").record);
    world.run(&hello(), vec![revoke("ci", &[])], &[ALICE]).unwrap();
    let rows: Vec<Try<'_>> = vec![
        (vec![revoke_since("ci", &[], earlier)], &[PUBLISHING, 62, 63], "of the role `owner`, it has 0"),
        (vec![revoke("ci", &[])], &[ALICE], "role `ci` is dead already"),
        (vec![revoke_since("ci", &[80], earlier)], &[ALICE], "there is no live role `ci`"),
    ];
    tries(&world, &hello(), rows);
    world.run(&hello(), vec![revoke_since("ci", &[], earlier)], &[ALICE]).unwrap();
    assert_eq!(distrusted(&world), [true, true, true, true]);
}

#[test]
fn since_needs_the_owners_threshold() {
    let mut world = World::claimed();
    let steps = vec![init(&[70, 71], 2), Step::Grant(grant("ci", &[CI], &[Power::Release]))];
    world.run(&hello(), steps, &[70, 71, STARTER]).unwrap();
    let lead = Grant { depth: 1, ..grant("lead", &[65], &[Power::Release]) };
    let under = Grant { parent: "lead".to_owned(), ..grant("under", &[66], &[]) };
    world.run(&hello(), vec![Step::Grant(lead), Step::Grant(under)], &[65, 70, 71]).unwrap();
    world.run(&hello(), vec![release("1.0.0")], &[66]).unwrap();
    let from = Some(world.head());
    let rows: Vec<Try<'_>> = vec![
        (vec![revoke("under", &[])], &[65], ""),
        // What may revoke it may not take its trust.
        (vec![revoke_since("under", &[], from)], &[65], "needs the agreement of 2 keys of the role `owner`"),
        (vec![revoke_since("under", &[], from)], &[65, 70], "of the role `owner`, it has 1"),
        (vec![revoke_since("under", &[], from)], &[70, 71], ""),
    ];
    tries(&world, &hello(), rows);
    // A role that hangs under it releases in its name.
    world.run(&hello(), vec![revoke_since("lead", &[], from)], &[70, 71]).unwrap();
    assert!(world.distrusts("1.0.0"));
}

#[test]
fn a_release_that_another_role_allowed_too_keeps_its_trust() {
    let mut world = World::released();
    let first = world.head();
    world.run(&hello(), vec![release("1.0.0")], &[CI]).unwrap();
    world.run(&hello(), vec![release("1.1.0")], &[CI, ALICE]).unwrap();
    world.run(&hello(), vec![release("1.2.0")], &[ALICE]).unwrap();
    world.run(&hello(), vec![revoke_since("ci", &[], Some(first))], &[ALICE]).unwrap();
    assert_eq!(["1.0.0", "1.1.0", "1.2.0"].map(|version| world.distrusts(version)), [true, false, false]);
    // All that was ever allowed hangs under `owner`.
    let temporary = vec![
        Step::Grant(more(OWNER, &[80])),
        revoke_since(OWNER, &[80], Some(world.released_as("1.1.0").record)),
    ];
    world.run(&hello(), temporary, &[ALICE]).unwrap();
    assert_eq!(["1.0.0", "1.1.0", "1.2.0"].map(|version| world.distrusts(version)), [true, true, true]);
}

#[test]
fn since_names_the_last_dead_role_of_a_name() {
    let mut world = World::released();
    let ci = |seed| Step::Grant(grant("ci", &[seed], &[Power::Release]));
    let first = world.head();
    world.run(&hello(), vec![release("1.0.0")], &[CI]).unwrap();
    world.run(&hello(), vec![revoke("ci", &[]), ci(80)], &[ALICE]).unwrap();
    world.run(&hello(), vec![release("1.1.0")], &[80]).unwrap();
    // The live one.
    let mut live = world.clone();
    live.run(&hello(), vec![revoke_since("ci", &[], Some(first))], &[ALICE]).unwrap();
    assert_eq!(["1.0.0", "1.1.0"].map(|version| live.distrusts(version)), [false, true]);
    // Dead by an earlier step, or by its end, or long ago: the second is the last of that name all the same.
    let in_one_act = vec![revoke("ci", &[]), revoke_since("ci", &[], Some(first))];
    let mut twice = world.clone();
    twice.run(&hello(), in_one_act, &[ALICE]).unwrap();
    assert_eq!(["1.0.0", "1.1.0"].map(|version| twice.distrusts(version)), [false, true]);
    let end = Grant { not_after: Some(world.time), ..more("ci", &[]) };
    world.run(&hello(), vec![Step::Grant(end)], &[ALICE]).unwrap();
    world.wait(1);
    world.run(&hello(), vec![revoke_since("ci", &[], Some(first))], &[ALICE]).unwrap();
    assert_eq!(["1.0.0", "1.1.0"].map(|version| world.distrusts(version)), [false, true]);
    assert_eq!(world.live(&hello()), [OWNER, "registry", "team"]);
}

/// Who hold `commit` may change in one act: grants first, revokes last, in the order of the steps and of their keys.
#[test]
fn v1_sees_commit_keys_come_and_go() {
    let grant_flat = |seed: u8| {
        let permissions = OperatorPermission::ALL.to_vec();
        OperatorEntry::GrantFlat { key: key(seed).public().clone(), permissions }
    };
    let revoke_flat = |seed: u8| {
        let permissions = OperatorPermission::ALL.to_vec();
        OperatorEntry::RevokeFlat { key_id: key(seed).public().id(), permissions }
    };
    let grow = |seeds: &[u8]| Step::Grant(more("commit", seeds));
    let again = |seeds: &[u8]| Step::Grant(grant("commit", seeds, &[Power::Commit]));
    let (low, high) = if key(20).public().id() < key(5).public().id() { (20, 5) } else { (5, 20) };
    let rows: Vec<(Vec<Step>, Vec<OperatorEntry>)> = vec![
        (vec![revoke("commit", &[COMMIT])], vec![revoke_flat(COMMIT)]),
        (vec![revoke("commit", &[5, COMMIT])], vec![revoke_flat(5), revoke_flat(COMMIT)]),
        // Who signs goes last.
        (vec![revoke("commit", &[COMMIT, 5])], vec![revoke_flat(5), revoke_flat(COMMIT)]),
        (
            vec![grow(&[20]), revoke("commit", &[])],
            vec![grant_flat(20), revoke_flat(low), revoke_flat(high), revoke_flat(COMMIT)],
        ),
        (
            vec![grow(&[20]), revoke("commit", &[high, COMMIT, low])],
            vec![grant_flat(20), revoke_flat(high), revoke_flat(low), revoke_flat(COMMIT)],
        ),
        (vec![revoke("commit", &[5]), grow(&[20])], vec![grant_flat(20), revoke_flat(5)]),
        (
            vec![grow(&[21, 20]), revoke("commit", &[5, 21])],
            vec![grant_flat(21), grant_flat(20), revoke_flat(5), revoke_flat(21)],
        ),
        // Lost and got again: v1 need not hear of it.
        (vec![revoke("commit", &[5]), grow(&[5])], vec![]),
        (vec![revoke("commit", &[]), again(&[5])], vec![revoke_flat(COMMIT)]),
        (vec![revoke("registry", &[])], vec![]),
    ];
    for (steps, entries) in rows {
        let mut log = Log::begun();
        let act = log.act(steps.clone()).encode();
        assert_eq!(log.carry(&act, &[1, 2]).unwrap(), entries, "{steps:?}");
        let known: BTreeSet<KeyId> = log.state.v1_keys().copied().collect();
        let held: BTreeSet<KeyId> = log.state.commit_keys(START).map(PublicKey::id).collect();
        assert_eq!(known, held);
    }
    // One whose end has come is known to v1 still; revoked by name, it is gone there too.
    let mut log = Log::begun();
    let end = Some(START.plus_seconds(5));
    log.grant(Grant { not_after: end, ..grant("brief", &[20], &[Power::Commit]) }, &[1, 2]).unwrap();
    log.time = START.plus_seconds(6);
    let ended = log.act(vec![revoke("brief", &[20])]).encode();
    refuses(log.carry(&ended, &[1, 2]), "there is no live role `brief`");
    assert_eq!(log.grant(more("commit", &[20]), &[1, 2]).unwrap(), [], "v1 never lost it");
    assert_eq!(log.state.v1_keys().count(), 3);
}

#[test]
fn v1_sees_nothing_of_a_packages_revokes() {
    let mut world = nested();
    assert_eq!(world.run(&hello(), vec![revoke("lead", &[])], &[ALICE]).unwrap(), []);
    let steps = vec![release("5.0.0"), revoke("ci", &[])];
    let entries = world.run(&hello(), steps, &[ALICE]).unwrap();
    assert!(matches!(&entries[..], [PackageEntry::Release { .. }]));
}

/// What a log remembers is limited, or who owns it could make its state as large as they like.
#[test]
fn a_log_remembers_so_many_lost_roles_and_open_acts() {
    let mut world = World::released();
    let first = world.head();
    let lose = || vec![revoke_since("ci", &[], Some(first))];
    let with = |world: &World, change: &dyn Fn(&mut State)| {
        let mut world = world.clone();
        change(world.states.get_mut(&hello()).unwrap());
        world
    };
    let lost = |count: usize| {
        move |state: &mut State| {
            let roles = (0..count).map(|step| (RoleId { record: first, step: 1000 + step }, (0, 0)));
            Arc::make_mut(&mut state.distrusted).extend(roles);
        }
    };
    with(&world, &lost(DISTRUSTS_MAX - 1)).run(&hello(), lose(), &[ALICE]).unwrap();
    refuses(with(&world, &lost(DISTRUSTS_MAX)).run(&hello(), lose(), &[ALICE]), "at most 1024 roles");

    let note = || vec![annotate(AnnotationKind::Note, "", "x")];
    let end = world.time.plus_seconds(5);
    let open = |count: usize| {
        move |state: &mut State| {
            let acts = (0..count).map(|act| (Digest::of(&act.to_be_bytes()), end));
            *Arc::make_mut(&mut state.used) = acts.collect();
        }
    };
    with(&world, &open(USED_ACTS_MAX - 1)).run(&hello(), note(), &[ALICE]).unwrap();
    refuses(with(&world, &open(USED_ACTS_MAX)).run(&hello(), note(), &[ALICE]), "at most 4096 acts");
    // One that releases is not remembered, and those whose windows have ended are forgotten.
    with(&world, &open(USED_ACTS_MAX)).run(&hello(), vec![release("1.0.0")], &[ALICE]).unwrap();
    world.wait(5);
    refuses(with(&world, &open(USED_ACTS_MAX)).run(&hello(), note(), &[ALICE]), "at most 4096 acts");
    world.wait(1);
    with(&world, &open(USED_ACTS_MAX)).run(&hello(), note(), &[ALICE]).unwrap();
}
