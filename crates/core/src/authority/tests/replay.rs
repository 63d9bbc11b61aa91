//! However a log is replayed, it adds up to the same state (`spec/delegation.md`, "What must be shown by test", d).

use proptest::prelude::*;

use super::world::*;
use super::*;
use crate::verify::{Failure, GivenRecord, Layers, PackageLog, judge_layers, parts_of_layers};

/// Something that somebody tries to do; much of it is refused.
#[derive(Debug, Clone)]
struct Attempt {
    wait_seconds: i64,
    what: usize,
    which: u8,
    /// Who endorses it, if not those who may.
    signers: Option<Vec<u8>>,
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let crowds: Vec<Vec<u8>> = vec![
        vec![1, 2],
        vec![2, 3, PUBLISHING],
        vec![50, 51],
        vec![STARTER],
        vec![ALICE],
        vec![CI],
        vec![PUBLISHING],
        TEAM.to_vec(),
        vec![62],
        vec![ALICE, CI, PUBLISHING, 62, 63],
        (1..100).collect(),
    ];
    let signers = prop::option::weighted(0.4, prop::sample::select(crowds));
    (0..40_i64, 0..9_usize, 0..12_u8, signers).prop_map(|(wait_seconds, what, which, signers)| Attempt {
        wait_seconds,
        what,
        which,
        signers,
    })
}

/// Those who may do what an attempt does, as far as it can be done at all.
fn entitled(log: &LogName, what: usize) -> Vec<u8> {
    match (log, what) {
        (LogName::Operator, _) => vec![1, 2],
        (LogName::Namespace(_), _) => ACME.to_vec(),
        (LogName::Package(_), 5) => vec![PUBLISHING],
        (LogName::Package(_), _) => vec![ALICE],
    }
}

/// The log that an attempt is for, and its steps.
fn steps(world: &World, attempt: &Attempt) -> (LogName, Vec<Step>) {
    let which = attempt.which;
    let end = Some(world.time.plus_seconds(60 * i64::from(which)));
    let version = format!("{}.{}.0", 1 + which % 2, which / 2);
    let name = ["hello", "http-a", "other"][usize::from(which % 3)].to_owned();
    let seed = 100 + which;
    let whom = "oidc https://ci.example repo:acme/hello";
    match attempt.what {
        0 => (LogName::Operator, vec![Step::Grant(more("commit", &[seed]))]),
        1 => (
            LogName::Operator,
            vec![Step::Grant(Grant { not_after: end, ..grant("late", &[seed], &[Power::Publish]) })],
        ),
        2 => (acme(), vec![Step::Admit { name, key: key(seed).public().clone() }]),
        3 => (acme(), vec![Step::Grant(Grant { not_after: end, ..grant("guest", &[seed], &[Power::Init]) })]),
        4 => (hello(), vec![Step::Grant(Grant { not_after: end, ..grant("guest", &[seed], &[]) })]),
        5 => (hello(), vec![release_for(&version, whom)]),
        6 => (hello(), vec![yank(&version)]),
        _ => (hello(), vec![release(&version)]),
    }
}

fn log_of(attempts: &[Attempt]) -> World {
    let mut world = World::released();
    for attempt in attempts {
        world.time = world.time.plus_seconds(attempt.wait_seconds);
        let (log, steps) = steps(&world, attempt);
        let signers = attempt.signers.clone().unwrap_or_else(|| entitled(&log, attempt.what));
        _ = world.run(&log, steps, &signers);
    }
    world
}

fn in_one_go(world: &World) -> Layers {
    let LogName::Package(name) = hello() else { unreachable!() };
    let [operator, namespace, package] = given(world);
    judge_layers(&name, &operator, &namespace, &package).unwrap()
}

/// The records of the three logs.
fn given(world: &World) -> [Vec<GivenRecord>; 3] {
    [LogName::Operator, acme(), hello()].map(|log| {
        world.given.iter().filter(|(of, _)| *of == log).map(|(_, record)| record.clone()).collect()
    })
}

/// The same in parts, one after the other; `None` where nothing was shared out.
fn in_parts(logs: &[Vec<GivenRecord>; 3], parts_max: usize) -> Option<Result<Layers, Failure>> {
    let LogName::Package(name) = hello() else { unreachable!() };
    let parts = parts_of_layers(&name, &logs[0], &logs[1], &logs[2], parts_max)?;
    assert!(parts.before.len() < parts_max);
    let before = parts.before.into_iter().try_for_each(|part| part.judge().map(drop));
    Some(before.and_then(|()| parts.last.judge()))
}

#[test]
fn a_log_that_is_judged_in_parts_adds_up_to_the_same_or_fails_the_same() {
    let LogName::Package(name) = hello() else { unreachable!() };
    let mut world = World::released();
    for minor in 0..700_usize {
        world.wait(1);
        if minor % 100 == 50 {
            let admit = Step::Admit {
                name: format!("other-{}", "x".repeat(minor / 100 + 1)),
                key: key(70).public().clone(),
            };
            world.run(&acme(), vec![admit], &ACME).unwrap();
        }
        world.run(&hello(), vec![release(&format!("1.{minor}.0"))], &[ALICE]).unwrap();
    }
    let logs = given(&world);
    let whole = in_one_go(&world);
    assert_eq!(in_parts(&logs, 1), None, "one processor shares nothing out");
    for parts_max in [2, 3, 16] {
        assert_eq!(in_parts(&logs, parts_max).unwrap().unwrap(), whole);
    }
    // Signatures that do not fit, wherever: the first record that has one is named.
    for damaged in [vec![0], vec![1], vec![5, 600], vec![699], vec![350, 351]] {
        let mut logs = logs.clone();
        for at in damaged {
            logs[2][at].envelope.signature = logs[1][0].envelope.signature.clone();
        }
        let failure = judge_layers(&name, &logs[0], &logs[1], &logs[2]).unwrap_err();
        assert_eq!(in_parts(&logs, 2).unwrap().unwrap_err(), failure);
    }
    // A broken rule: judged whole, so that what comes first is named.
    let mut gap = logs.clone();
    gap[2].remove(300);
    assert_eq!(in_parts(&gap, 2), None);
    // What was checked before needs no processor.
    let mut known = logs;
    known[2].iter_mut().take(600).for_each(|record| record.checked = true);
    assert_eq!(in_parts(&known, 2), None);
}

/// As a ledger does it: every state and every fact is a row, and a record is judged on those that it names.
fn from_rows(world: &World, rows_every: usize) -> World {
    let mut replayed = World::new();
    replayed.states.clear();
    replayed.given.clear();
    replayed.facts.clear();
    let mut kept: BTreeMap<LogName, Facts> = BTreeMap::new();
    let mut states: BTreeMap<LogName, Vec<u8>> = BTreeMap::new();
    for (at, (log, given)) in world.given.iter().enumerate() {
        let message = proto::PackageRecord::decode(given.envelope.contents.clone());
        let act = message.map(|message| message.act).unwrap_or_default();
        let mut named = Named::default();
        if let Ok(act) = Act::decode(&act) {
            named.extend(&act);
        }
        replayed.facts = kept.iter().map(|(log, facts)| (log.clone(), rows(facts, &named))).collect();
        let changes = replayed.state(log).judge(&replayed.context(log), &given.envelope).unwrap();
        if !changes.moves_only {
            states.insert(log.clone(), changes.state.encode());
        }
        replayed.facts = std::mem::take(&mut kept);
        replayed.follow(log, changes);
        kept = std::mem::take(&mut replayed.facts);
        if at % rows_every == 0 {
            for (log, state) in &mut replayed.states {
                let (head, time, length) = (state.head(), state.head_time(), state.length());
                let row = State::decode(&states[log]).unwrap();
                *state = row.moved_to(head.unwrap(), time.unwrap(), length);
            }
        }
    }
    replayed.facts = kept;
    replayed
}

/// The facts of what is named, as rows.
fn rows(facts: &Facts, named: &Named) -> Facts {
    let mut facts = facts.about(named);
    let row = |release: &Release| Release::decode(&release.encode()).unwrap();
    facts.releases.values_mut().for_each(|release| *release = row(release));
    facts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn replay_in_one_go_in_pieces_and_from_rows_gives_the_same_state(
        attempts in prop::collection::vec(attempt(), 1..40),
        rows_every in 1..6_usize,
    ) {
        let world = log_of(&attempts);
        let layers = in_one_go(&world);
        prop_assert_eq!(&layers.operator, &world.states[&LogName::Operator]);
        prop_assert_eq!(&layers.namespace, &world.states[&acme()]);
        let (state, facts) = (world.states[&hello()].clone(), world.facts[&hello()].clone());
        prop_assert_eq!(layers.package, Some(PackageLog::Delegated { state, facts: Box::new(facts) }));
        let replayed = from_rows(&world, rows_every);
        prop_assert_eq!(&replayed.states, &world.states);
        prop_assert_eq!(&replayed.facts, &world.facts);
    }

    #[test]
    fn no_accepted_release_lies_outside_what_its_roles_cover(
        attempts in prop::collection::vec(attempt(), 1..30),
    ) {
        let world = log_of(&attempts);
        for release in world.releases().values() {
            prop_assert!(!release.allowed_by.is_empty());
            for id in release.allowed_by.iter().flatten() {
                let role = &world.roles[id];
                prop_assert!(role.not_after.is_none_or(|end| end >= release.time));
                prop_assert!(role.powers.contains(&Power::Release));
                prop_assert!(role.scope.covers_version(&release.version));
            }
        }
    }

    #[test]
    fn changed_rows_are_refused_or_are_other_rows(at in any::<prop::sample::Index>(), bits in 1..=255_u8) {
        let mut world = World::released();
        world.run(&hello(), vec![release("1.0.0")], &[CI]).unwrap();
        for state in world.states.values() {
            let mut bytes = state.encode();
            let at = at.index(bytes.len());
            bytes[at] ^= bits;
            prop_assert!(State::decode(&bytes).is_ok_and(|other| other != *state && other.encode() == bytes)
                || State::decode(&bytes).is_err());
        }
        let row = world.releases()[&Version::new(1, 0, 0)].encode();
        let mut bytes = row.clone();
        bytes[at.index(row.len())] ^= bits;
        prop_assert!(Release::decode(&bytes).map_or(true, |other| other.encode() == bytes));
    }
}

#[test]
fn a_row_that_does_not_hang_together_is_refused() {
    let world = World::released();
    let state = &world.states[&hello()];
    let bytes = state.encode();
    assert_eq!(State::decode(&bytes).unwrap(), *state);
    let empty = State::empty(hello());
    assert_eq!(State::decode(&empty.encode()).unwrap(), empty);
    assert_eq!(State::decode(&[]).unwrap_err(), StateError::Format { found: 0 });
    let unknown_field = [&bytes[..], &[0xf8, 0x01, 0x01]].concat();
    assert_eq!(State::decode(&unknown_field).unwrap_err(), StateError::NotCanonical);
    let refuses = |change: &dyn Fn(&mut State), field| {
        let mut changed = state.clone();
        change(&mut changed);
        assert_eq!(State::decode(&changed.encode()).unwrap_err(), StateError::Field { field });
    };
    fn roles(state: &mut State) -> &mut Vec<Role> {
        Arc::make_mut(&mut state.roles)
    }
    // Roles are a tree: no role hangs under itself or a later one, and only the first is the root.
    refuses(&|state| roles(state)[1].parent = Some(state.roles[2].made), "role's parent");
    refuses(&|state| roles(state)[1].parent = Some(state.roles[1].made), "role's parent");
    refuses(&|state| roles(state)[1].parent = None, "role's parent");
    refuses(
        &|state| (roles(state)[1].parent, roles(state)[1].name) = (None, OWNER.to_owned()),
        "role's parent",
    );
    refuses(&|state| roles(state)[0].name = "other".to_owned(), "role's parent");
    refuses(&|state| roles(state)[0].parent = Some(state.roles[1].made), "role's parent");
    refuses(&|state| roles(state)[1].made = state.roles[0].made, "role's parent");
    refuses(&|state| state.head = None, "head");
    refuses(&|state| roles(state).clear(), "head");
}
