//! `cargo xtask fuzz`: the targets of `fuzz/targets` under libFuzzer, one after another.
//!
//! The stable compiler instruments with the passes of its LLVM; address sanitizing needs the nightly one and is left
//! out, as there is no unsafe code of ours to find with it. What is found lies in `target/fuzz/finds`, what the engine
//! learned in `target/fuzz/learned`; `--keep` takes a part of that into the kept corpus.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::checkout;
use crate::run::{cargo, command, must};

/// Time for each target unless said otherwise, in seconds.
const SECONDS: u64 = 60;

/// Memory of a run, in bytes of address space and in MiB of what is really used.
const ADDRESS_KIB_MAX: u64 = 8 << 20;
const MEMORY_MIB_MAX: u64 = 2048;

/// How long one input may take, in seconds.
const INPUT_SECONDS_MAX: u64 = 10;

/// Up to how many files `--keep` fills a target's corpus (its test allows 30, so that there is room for finds), and the
/// largest of what it takes over, in bytes.
const KEPT_FILES_MAX: usize = 24;
const KEPT_BYTES_MAX: u64 = 1_000;

/// What makes the compiler count edges and show comparisons to the engine.
const INSTRUMENTS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// With an explicit target, build scripts and macros are not instrumented.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// What to do: which targets, how long, and whether to keep what was learned.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    targets: Vec<String>,
    seconds: u64,
    keep: bool,
}

impl Plan {
    /// Reads the words after `fuzz`.
    pub(crate) fn parse(words: &[&str]) -> Option<Self> {
        let mut plan = Self { targets: Vec::new(), seconds: SECONDS, keep: false };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--keep" => plan.keep = true,
                "--seconds" => plan.seconds = words.next()?.parse().ok()?,
                name if name.starts_with('-') => return None,
                name => plan.targets.push(name.to_owned()),
            }
        }
        Some(plan)
    }
}

/// Runs the plan; an error names every target with a find.
pub(crate) fn run(mut plan: Plan) -> Result<()> {
    let kept = checkout::root().join("fuzz/corpus");
    let known = names(&kept)?;
    if plan.targets.is_empty() {
        plan.targets.clone_from(&known);
    }
    if let Some(unknown) = plan.targets.iter().find(|target| !known.contains(target)) {
        bail!("there is no target `{unknown}`: expected one of {}", known.join(", "));
    }
    let program = build()?;
    let mut found = Vec::new();
    for target in &plan.targets {
        let run = Run { program: &program, target, kept: kept.join(target), work: work() };
        if !run.drive(plan.seconds)? {
            found.push(target.as_str());
        } else if plan.keep {
            run.keep()?;
        }
    }
    if !found.is_empty() {
        bail!("finds in {}: the inputs are in {}", found.join(", "), work().join("finds").display());
    }
    Ok(())
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn work() -> PathBuf {
    checkout::target().join("fuzz")
}

fn build() -> Result<PathBuf> {
    let mut build = cargo(&[
        "build",
        "--release",
        "--locked",
        "--manifest-path",
        "fuzz/Cargo.toml",
        "--target",
        PLATFORM,
    ]);
    must(build.env("RUSTFLAGS", INSTRUMENTS).env("CARGO_TARGET_DIR", work()))?;
    Ok(work().join(PLATFORM).join("release/target"))
}

struct Run<'a> {
    program: &'a Path,
    target: &'a str,
    kept: PathBuf,
    work: PathBuf,
}

impl Run<'_> {
    /// The program, with its memory bounded.
    fn command(&self) -> Command {
        let mut limited = command("sh");
        let script = format!("ulimit -v {ADDRESS_KIB_MAX}; exec \"$@\"");
        limited.args(["-c", &script, "sh"]).arg(self.program).env("WARGATE_FUZZ_TARGET", self.target);
        limited
    }

    fn learned(&self) -> PathBuf {
        self.work.join("learned").join(self.target)
    }

    /// Whether nothing was found. What the engine says goes into a file beside what it learned.
    fn drive(&self, seconds: u64) -> Result<bool> {
        let finds = self.work.join("finds");
        for folder in [&finds, &self.learned()] {
            std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        let before = self.finds(&finds)?;
        let log = self.learned().with_extension("log");
        let status = self
            .command()
            .args([
                format!("-max_total_time={seconds}"),
                format!("-timeout={INPUT_SECONDS_MAX}"),
                format!("-rss_limit_mb={MEMORY_MIB_MAX}"),
                format!("-artifact_prefix={}/{}-", finds.display(), self.target),
                "-print_final_stats=1".to_owned(),
                "-use_value_profile=1".to_owned(),
            ])
            .args([&self.learned(), &self.kept])
            .stderr(File::create(&log).with_context(|| format!("making {}", log.display()))?)
            .status()
            .context("could not start the fuzzer")?;
        let told = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
        let told = |name: &str| {
            told.lines().find_map(|line| line.strip_prefix(name)).map_or("?", str::trim).to_owned()
        };
        let [runs, new] = ["stat::number_of_executed_units:", "stat::new_units_added:"].map(told);
        let outcome = if status.success() { "nothing found" } else { "A FIND" };
        println!("{:16} {runs:>10} executions, {new:>5} new inputs: {outcome}", self.target);
        for find in self.finds(&finds)?.iter().filter(|find| !before.contains(find)) {
            println!("--- {find}");
            // Once more, for its words; that it fails is known.
            let _ = self.command().env("WARGATE_FUZZ_PANICS", "1").arg(finds.join(find)).status();
        }
        Ok(status.success())
    }

    fn finds(&self, folder: &Path) -> Result<Vec<String>> {
        let prefix = format!("{}-", self.target);
        Ok(names(folder)?.into_iter().filter(|name| name.starts_with(&prefix)).collect())
    }

    /// Takes over what the engine learned beyond the kept corpus: a spread of the small ones.
    fn keep(&self) -> Result<()> {
        let chosen = self.work.join("chosen").join(self.target);
        if chosen.exists() {
            std::fs::remove_dir_all(&chosen)?;
        }
        std::fs::create_dir_all(&chosen)?;
        let mut merge = self.command();
        merge.args(["-merge=1"]).args([&chosen, &self.kept, &self.learned()]).stderr(Stdio::null());
        must(&mut merge)?;
        let mut small = Vec::new();
        for name in names(&chosen)? {
            let (from, to) = (chosen.join(&name), self.kept.join(&name));
            let bytes = std::fs::metadata(&from)?.len();
            let same = names(&self.kept)?.iter().any(|kept| same(&self.kept.join(kept), &from));
            if bytes <= KEPT_BYTES_MAX && !same {
                small.push((bytes, from, to));
            }
        }
        small.sort();
        let room = KEPT_FILES_MAX.saturating_sub(names(&self.kept)?.len()).min(small.len());
        for index in 0..room {
            let (_, from, to) = &small[index * small.len() / room];
            std::fs::copy(from, to)?;
        }
        println!("{}: {room} of {} are kept", self.target, small.len());
        Ok(())
    }
}

fn same(one: &Path, other: &Path) -> bool {
    matches!((std::fs::read(one), std::fs::read(other)), (Ok(one), Ok(other)) if one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_from_its_words() {
        let plan = |targets: &[&str], seconds, keep| {
            Some(Plan { targets: targets.iter().map(|&name| name.to_owned()).collect(), seconds, keep })
        };
        assert_eq!(Plan::parse(&[]), plan(&[], SECONDS, false));
        assert_eq!(Plan::parse(&["act", "--seconds", "5", "--keep"]), plan(&["act"], 5, true));
        for bad in [&["--seconds"][..], &["--seconds", "x"], &["--other"]] {
            assert_eq!(Plan::parse(bad), None, "{bad:?}");
        }
    }
}
