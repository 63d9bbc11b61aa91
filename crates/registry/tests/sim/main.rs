//! The registry in a simulated world: one seed decides who does what, which call of which seam fails, and in which order
//! everything happens. A failure prints its seed, and the seed repeats it.
//!
//! `cargo test -p wargate-registry --test sim` runs the short forms; `SIM_FIRST` and `SIM_SEEDS` choose the random ones.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    unreachable_pub,
    dead_code,
    reason = "a test ends where something fails; its time is simulated"
)]

mod book;
mod checker;
mod db;
mod faults;
mod keeper;
mod objects;
mod operator;
mod people;
mod pusher;
mod rng;
mod story;
#[path = "../support/mod.rs"]
mod support;
mod vault;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};

use faults::{Fate, Plan, faults_of};
use story::{Told, run};

/// Everybody, for the random runs.
const ALL: [&str; 9] = [
    "author acme:hello",
    "author acme:other",
    "pusher team/app",
    "owner mine:tool",
    "pair mine:both",
    "pusher acme/pushed",
    "sweeper",
    "keeper",
    "operator",
];

/// The stories whose calls fail one by one: what the first one's fault leaves the next process must get over, what the
/// second one's leaves the same process.
const SINGLE_SEEDS: [u64; 2] = [4, 5];

/// After so many failures nothing more is learned.
const FAILURES_ENOUGH: u64 = 3;

/// Random runs of a test run.
const SEEDS: u64 = 2_000;

/// Calls of a thousand that fail, in a random run: from hardly any to nearly one in five.
const PER_MILLE: [u64; 5] = [2, 10, 30, 80, 180];

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Runs all of them on every processor; the failures, and what was done.
fn run_all(stories: &[(u64, Plan)], people: &'static [&'static str]) -> (Vec<String>, u64, u64) {
    let (next, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let worker = || {
        let (mut failures, mut calls, mut injected) = (Vec::new(), 0, 0);
        while failed.load(Ordering::Relaxed) < FAILURES_ENOUGH
            && let Some((seed, plan)) = stories.get(next.fetch_add(1, Ordering::Relaxed) as usize)
        {
            match run(*seed, *plan, people) {
                Ok(told) => {
                    calls += told.calls;
                    injected += told.injected;
                }
                Err(failure) => {
                    failed.fetch_add(1, Ordering::Relaxed);
                    failures.push(failure);
                }
            }
        }
        (failures, calls, injected)
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).fold(
            (Vec::new(), 0, 0),
            |(mut failures, calls, injected), (more, c, i)| {
                failures.extend(more);
                (failures, calls + c, injected + i)
            },
        )
    })
}

fn must_hold(failures: &[String]) {
    let shown: Vec<&str> = failures.iter().take(3).map(String::as_str).collect();
    assert!(failures.is_empty(), "{} runs failed, the first ones:\n{}", failures.len(), shown.join("\n\n"));
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in 0..12 {
        let plan = Plan::Storm { per_mille: 30 };
        let told: Vec<Result<Told, String>> = (0..3).map(|_| run(seed, plan, &ALL)).collect();
        assert!(told[0].is_ok(), "{}", told[0].clone().unwrap_err());
        assert_eq!(told[0], told[1]);
        assert_eq!(told[0], told[2]);
    }
}

#[test]
fn every_single_fault_is_survived() {
    const PEOPLE: [&str; 5] =
        ["author acme:hello", "pusher team/app", "pair mine:both", "sweeper", "operator"];
    for seed in SINGLE_SEEDS {
        let calls = run(seed, Plan::Calm, &PEOPLE).unwrap().troubled;
        let mut stories = Vec::new();
        for (call, what) in calls.iter().enumerate() {
            let once = |fate: &_| (seed, Plan::Once { call: call as u64, fate: *fate });
            stories.extend(faults_of(what).iter().map(once));
        }
        let runs = stories.len();
        let (failures, ..) = run_all(&stories, &PEOPLE);
        println!("single faults of {seed}: {} calls, {runs} runs", calls.len());
        must_hold(&failures);
    }
}

#[test]
fn every_single_fault_of_backup_and_restore_is_survived() {
    const PEOPLE: [&str; 3] = ["author acme:hello", "pusher team/app", "keeper"];
    for seed in SINGLE_SEEDS {
        let calls = run(seed, Plan::Calm, &PEOPLE).unwrap().troubled;
        let mut stories = Vec::new();
        // The registry's own calls fail in the other test.
        for (call, what) in calls.iter().enumerate().filter(|(_, what)| what.contains(": ")) {
            // Nobody waits for these calls: only when the ledger is copied makes a difference.
            let counts = |fate: &&Fate| **fate != Fate::Slow || what.starts_with("file");
            let once = |fate: &_| (seed, Plan::Once { call: call as u64, fate: *fate });
            stories.extend(faults_of(what).iter().filter(counts).map(once));
        }
        let runs = stories.len();
        let (failures, ..) = run_all(&stories, &PEOPLE);
        println!("single faults of {seed}, backup and restore: {} calls, {runs} runs", calls.len());
        must_hold(&failures);
    }
}

#[test]
fn random_faults_are_survived() {
    let (first, seeds) = (number("SIM_FIRST", 0), number("SIM_SEEDS", SEEDS));
    let plan = |seed: u64| Plan::Storm { per_mille: PER_MILLE[(seed % PER_MILLE.len() as u64) as usize] };
    let stories: Vec<(u64, Plan)> = (first..first + seeds).map(|seed| (seed, plan(seed))).collect();
    let (failures, calls, injected) = run_all(&stories, &ALL);
    println!("random faults: {seeds} seeds from {first}, {calls} calls, {injected} faults");
    must_hold(&failures);
}
