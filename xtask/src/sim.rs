//! `cargo xtask sim`: the long forms of the simulation, and the proof that it finds bugs.
//!
//! Not here: the simulation itself (`crates/registry/tests/sim`).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::{checkout, run};

/// Where the planted bugs are: each a change of the engine that must be found.
const PLANTED: &str = "crates/registry/tests/sim/planted";

/// Seeds of one round of a run for a time.
const SEEDS_A_ROUND: u64 = 5_000;

/// The random runs of `cargo xtask test`, which a planted bug must not survive.
const SEEDS_OF_A_TEST_RUN: u64 = 2_000;

/// Runs `seeds` random stories from `first`; a failure says its seed.
pub(crate) fn random(seeds: &str, first: &str) -> Result<()> {
    for (name, number) in [("--seeds", seeds), ("--first", first)] {
        number.parse::<u64>().with_context(|| format!("{name} `{number}` is no number"))?;
    }
    // Optimized, a story takes a fifth of the time.
    let mut test = run::cargo(&[
        "test",
        "--release",
        "--locked",
        "--package",
        "wargate-registry",
        "--test",
        "sim",
        "--",
    ]);
    test.args(["--exact", "random_faults_are_survived", "--nocapture"]);
    test.env("SIM_SEEDS", seeds).env("SIM_FIRST", first).env("RUST_BACKTRACE", "0");
    run::must(&mut test)
}

/// Runs random stories for a time, from a seed on.
pub(crate) fn minutes(minutes: &str, first: &str) -> Result<()> {
    let minutes: u64 = minutes.parse().with_context(|| format!("--minutes `{minutes}` is no number"))?;
    let mut first: u64 = first.parse().with_context(|| format!("--first `{first}` is no number"))?;
    let (begin, time) = (Instant::now(), Duration::from_secs(60 * minutes));
    let from = first;
    while begin.elapsed() < time {
        random(&SEEDS_A_ROUND.to_string(), &first.to_string())?;
        first += SEEDS_A_ROUND;
    }
    println!("{} seeds from {from}, none failed", first - from);
    Ok(())
}

/// Plants each bug in a copy of the source and has the simulation look for it.
pub(crate) fn planted() -> Result<()> {
    let root = checkout::root();
    let mut patches: Vec<PathBuf> =
        std::fs::read_dir(root.join(PLANTED))?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    patches.retain(|path| path.extension().is_some_and(|extension| extension == "patch"));
    patches.sort();
    let copy = checkout::cache()?.join("planted");
    let mut missed = Vec::new();
    for patch in &patches {
        let name = patch.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        fresh_copy(root, &copy)?;
        run::must(Command::new("git").arg("apply").arg(patch).current_dir(&copy))
            .with_context(|| format!("`{name}` no longer applies: make it anew"))?;
        match look_for(&copy)? {
            Some((how, time)) => println!("{name}: found in {:.0} s, {how}", time.as_secs_f64()),
            None => {
                println!("{name}: NOT found");
                missed.push(name);
            }
        }
    }
    println!("{} planted, {} found", patches.len(), patches.len() - missed.len());
    if missed.is_empty() { Ok(()) } else { bail!("not found: {}", missed.join(", ")) }
}

/// The tracked files as they are now, in a repository of their own: a patch is applied below no other one.
fn fresh_copy(root: &Path, copy: &Path) -> Result<()> {
    if copy.exists() {
        std::fs::remove_dir_all(copy)?;
    }
    std::fs::create_dir_all(copy)?;
    run::must(Command::new("git").args(["init", "--quiet"]).current_dir(copy))?;
    let files = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output()?;
    for name in String::from_utf8(files.stdout)?.split_terminator('\0') {
        let to = copy.join(name);
        std::fs::create_dir_all(to.parent().context("a file without a folder")?)?;
        std::fs::copy(root.join(name), to).with_context(|| format!("copy {name}"))?;
    }
    Ok(())
}

/// Runs the simulation on the copy; what it said of the bug, and how long that took, building left out.
fn look_for(copy: &Path) -> Result<Option<(String, Duration)>> {
    let cargo = |arguments: &[&str]| {
        let mut cargo = Command::new("cargo");
        cargo.args(["test", "--locked", "--package", "wargate-registry", "--test", "sim"]).args(arguments);
        cargo.current_dir(copy).env("CARGO_TARGET_DIR", checkout::target().join("planted"));
        cargo
            .env("RUST_BACKTRACE", "0")
            .env("SIM_SEEDS", SEEDS_OF_A_TEST_RUN.to_string())
            .stdin(Stdio::null());
        cargo
    };
    run::must(&mut cargo(&["--no-run"]))?;
    let begin = Instant::now();
    let output = cargo(&[]).output()?;
    let time = begin.elapsed();
    if output.status.success() {
        return Ok(None);
    }
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = said.lines().skip_while(|line| !line.starts_with("SIM_SEED="));
    let seed = lines.next().context("the simulation failed without a word of a seed")?;
    Ok(Some((format!("{seed}: {}", lines.next().unwrap_or_default().trim()), time)))
}
