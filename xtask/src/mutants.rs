//! `cargo xtask mutants`: small faults put into the judge of acts, one after another; a test of it must fail at each.
//!
//! cargo-mutants makes them in a copy of the checkout. Only the core's own tests of acts are run, with fewer random logs
//! than usual, so that one takes some ten seconds. A mutant that makes a test run out of time or memory is caught by
//! that. What was built and said lies in `target/mutants`.

use std::fmt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::command;
use crate::{checkout, tools};

/// What is mutated: the judge of acts, and the powers and scopes that it compares.
const FILES: [&str; 4] = [
    "crates/core/src/authority.rs",
    "crates/core/src/authority/*.rs",
    "crates/core/src/act/power.rs",
    "crates/core/src/act/scope.rs",
];

/// The tests that judge it, as words of their names.
const TESTS: [&str; 2] = ["authority", "act::"];

/// Mutants that no test can catch, since they change nothing that could be seen: the file, the name, and why.
const EQUIVALENT: &[(&str, &str, &str)] = &[];

/// How long the tests and the build of a mutant may take, in seconds; the first build makes the dependencies too.
const TEST_SECONDS_MAX: u64 = 90;
const BUILD_SECONDS_MAX: u64 = 1_200;

/// Memory of each process, in KiB of address space: a mutant may grow for ever.
const ADDRESS_KIB_MAX: u64 = 12 << 20;

/// Mutants at a time: building one keeps little more than one processor busy.
const JOBS: usize = 2;

/// Random logs of a run of the two judges, and cases of a property.
const LOGS: &str = "60";
const CASES: &str = "40";

/// The statuses with which cargo-mutants ends a whole run: all caught, some missed, some out of time.
const WHOLE: [i32; 3] = [0, 2, 3];

/// How many mutants ended how.
#[derive(Debug, PartialEq, Eq)]
struct Figures {
    caught: usize,
    missed: usize,
    unviable: usize,
    timed_out: usize,
}

impl Figures {
    /// Reads the lists that cargo-mutants keeps, a mutant a line.
    fn read(folder: &Path) -> Result<Self> {
        let count = |name: &str| {
            let path = folder.join(name);
            let list =
                std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            anyhow::Ok(list.lines().count())
        };
        Ok(Self {
            caught: count("caught.txt")?,
            missed: count("missed.txt")?,
            unviable: count("unviable.txt")?,
            timed_out: count("timeout.txt")?,
        })
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { caught, missed, unviable, timed_out } = self;
        write!(f, "{caught} caught, {missed} missed, {unviable} unviable, {timed_out} timed out")
    }
}

/// Mutates: all, or those whose name holds one of the patterns. A missed one is an error.
pub(crate) fn run(patterns: &[&str]) -> Result<()> {
    let program = tools::CARGO_MUTANTS.installed()?;
    let names = names(&program)?;
    if let Some(unknown) = patterns.iter().find(|pattern| !names.iter().any(|name| name.contains(**pattern)))
    {
        bail!("no mutant has `{unknown}` in its name");
    }
    for (file, name, _) in EQUIVALENT {
        match names.iter().filter(|of| is_of(of, file, name)).count() {
            1 => {}
            found => {
                bail!("`{name}` of {file} is left out as equivalent, and {found} mutants have that name")
            }
        }
    }
    let work = checkout::target().join("mutants");
    std::fs::create_dir_all(&work).with_context(|| format!("making {}", work.display()))?;
    let status = mutate(&program, &work, patterns)
        .status()
        .with_context(|| format!("could not start {}", program.display()))?;
    if !status.code().is_some_and(|code| WHOLE.contains(&code)) {
        bail!("cargo-mutants ended with {status}");
    }
    let figures = Figures::read(&work.join("mutants.out"))?;
    println!("{figures}; {} are left out as equivalent", EQUIVALENT.len());
    if figures.missed > 0 { bail!("{} mutants are caught by no test", figures.missed) } else { Ok(()) }
}

/// The name of every mutant, as `FILE:LINE:COLUMN: WHAT`.
fn names(program: &Path) -> Result<Vec<String>> {
    let listed = cargo_mutants(program).arg("--list").output().context("could not list the mutants")?;
    if !listed.status.success() {
        bail!("the mutants could not be listed: {}", String::from_utf8_lossy(&listed.stderr));
    }
    Ok(String::from_utf8(listed.stdout)?.lines().map(str::to_owned).collect())
}

/// Whether a mutant's name says this of a file, at whatever line.
fn is_of(name: &str, file: &str, what: &str) -> bool {
    let rest = name.strip_prefix(file).and_then(|rest| rest.strip_prefix(':'));
    rest.and_then(|rest| rest.split_once(": ")).is_some_and(|(_, said)| said == what)
}

/// The regular expression of a text.
fn escaped(text: &str) -> String {
    let escape = |c: char| if r"\.+*?()|[]{}^$".contains(c) { format!(r"\{c}") } else { c.to_string() };
    text.chars().map(escape).collect()
}

/// cargo-mutants, with what it mutates and its memory bounded.
fn cargo_mutants(program: &Path) -> Command {
    let mut limited = command("sh");
    let script = format!("ulimit -v {ADDRESS_KIB_MAX}; exec \"$@\"");
    limited.args(["-c", &script, "sh"]).arg(program).args(["mutants", "--package", "wargate-core"]);
    limited.args(FILES.iter().flat_map(|file| ["--file", file]));
    limited
}

fn mutate(program: &Path, work: &Path, patterns: &[&str]) -> Command {
    let mut mutate = cargo_mutants(program);
    // Neither holds for those that delete a field (sourcefrog/cargo-mutants, issue 632): they are always run.
    let left_out =
        EQUIVALENT.iter().map(|(file, name, _)| format!(r"^{}:\d+:\d+: {}$", escaped(file), escaped(name)));
    mutate.args(left_out.flat_map(|pattern| ["--exclude-re".to_owned(), pattern]));
    mutate.args(patterns.iter().flat_map(|pattern| ["--re".to_owned(), escaped(pattern)]));
    mutate.args([
        format!("--timeout={TEST_SECONDS_MAX}"),
        format!("--build-timeout={BUILD_SECONDS_MAX}"),
        // Building takes longest, and is quickest without optimization.
        "--cargo-arg=--config=profile.dev.package.wargate-core.opt-level=0".to_owned(),
        "--cargo-arg=--lib".to_owned(),
        format!("--jobs={JOBS}"),
    ]);
    // cargo takes one word for itself, and hands on what follows a second mark.
    let [first, second] = TESTS;
    mutate.arg("--output").arg(work).args(["--", first, "--", second]);
    // Each job builds in a copy of its own.
    mutate.env("TMPDIR", work).env_remove("CARGO_TARGET_DIR").env("CARGO_INCREMENTAL", "1");
    mutate.env("WARGATE_LOGS", LOGS).env("PROPTEST_CASES", CASES).env("RUST_BACKTRACE", "0");
    mutate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mutant_is_known_by_its_file_and_its_whole_name_at_any_line() {
        let (file, what) = ("core/src/a.rs", "replace < with <= in State::f -> Option<()>");
        for name in [format!("{file}:1:20: {what}"), format!("{file}:300:4: {what}")] {
            assert!(is_of(&name, file, what), "{name}");
        }
        for (of, said) in [("b.rs", what), ("core/src/a", what), (file, "replace <")] {
            let name = format!("{of}:1:20: {said}");
            assert!(!is_of(&name, file, what), "{name}");
        }
        assert!(!is_of(&format!("{file}:1:20: and {what}"), file, what));
    }

    #[test]
    fn a_text_is_sought_as_it_stands() {
        assert_eq!(
            escaped("a.rs: <impl F for T>::f -> Vec<[u8; 2]>"),
            r"a\.rs: <impl F for T>::f -> Vec<\[u8; 2\]>"
        );
    }

    #[test]
    fn figures_are_the_lengths_of_the_lists() {
        let folder = std::env::temp_dir().join(format!("wargate-mutants-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (list, mutants) in [
            ("caught.txt", "a\nb\nc\n"),
            ("missed.txt", "d\n"),
            ("unviable.txt", ""),
            ("timeout.txt", "e\nf\n"),
        ] {
            assert!(Figures::read(&folder).is_err(), "without {list}");
            std::fs::write(folder.join(list), mutants).unwrap();
        }
        let figures = Figures::read(&folder).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(figures, Figures { caught: 3, missed: 1, unviable: 0, timed_out: 2 });
        assert_eq!(figures.to_string(), "3 caught, 1 missed, 0 unviable, 2 timed out");
    }
}
