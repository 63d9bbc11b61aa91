//! Random delegated logs with real signatures: the v1 view of everything that our judge accepts is accepted by the
//! published crate, and shows v1 clients what we know (`spec/delegation.md`, "What must be shown by test", c and f).

use interop::chance::Chance;
use interop::delegated::{Tally, World};
use wargate_core::key::{Algorithm, SecretKey};

/// How many registries of three logs each are tried.
const WORLDS: u64 = 2_000;

/// Most attempts in a world.
const ATTEMPTS: usize = 60;

/// What must have been done, at least once in so many registries: every kind of step, what tells v1 clients of it, and
/// the exception.
const DONE: &[(&str, u64)] = &[
    ("Init", 1),
    ("Grant", 1),
    ("Grant commit", 1),
    ("Revoke", 4),
    ("Revoke keys", 1),
    ("Revoke since", 4),
    ("Release", 1),
    ("Release on behalf", 10),
    ("Yank", 4),
    ("Annotate deprecate", 1),
    ("Annotate note", 1),
    ("Annotate policy", 1),
    ("Annotate variant", 10),
    ("Annotate endorse", 100),
    ("Annotate vkey", 4),
    ("Admit", 1),
    ("Recover", 4),
    ("Import", 4),
    ("Takedown", 1),
    ("told key", 1),
    ("told yank", 10),
    ("stopped", 10),
];

fn people() -> Vec<SecretKey> {
    let mut chance = Chance::new(3000);
    let algorithms = [Algorithm::EcdsaP256, Algorithm::Ed25519].into_iter().cycle();
    algorithms.take(32).map(|algorithm| SecretKey::from_bytes(algorithm, chance.bytes32()).unwrap()).collect()
}

fn play(seed: u64, keys: &[SecretKey]) -> Tally {
    let mut chance = Chance::new(seed);
    let mut world = World::new(keys);
    let mut outcome = world.begin(&mut chance);
    for _ in 0..20 + chance.below(ATTEMPTS - 20) {
        outcome = outcome.and_then(|()| world.attempt(&mut chance));
    }
    if let Err(reason) = outcome {
        panic!("seed {seed}: {reason}\nafter\n{}", world.story.join("\n"));
    }
    world.tally
}

#[test]
fn v1_clients_follow_every_accepted_delegated_log() {
    let keys = people();
    let mut tally = Tally::new();
    for seed in 0..WORLDS {
        for (what, count) in play(4000 + seed, &keys) {
            *tally.entry(what).or_default() += count;
        }
    }
    for (what, worlds_each) in DONE {
        let (done, least) = (tally.get(*what).copied().unwrap_or_default(), WORLDS / worlds_each);
        assert!(done >= least, "`{what}` was done {done} times: the test says little: {tally:#?}");
    }
}
