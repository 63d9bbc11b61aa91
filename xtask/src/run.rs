//! Runs other programs, shows what they print, and counts the tests among it.

use std::io::{BufRead, BufReader, Write};
use std::ops::AddAssign;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};

use crate::checkout;

/// How many tests ran, as the test runner itself reports them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// A command in the checkout's root, reading nothing.
pub(crate) fn command(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    command.current_dir(checkout::root()).stdin(Stdio::null());
    command
}

/// `cargo` with these arguments, in the checkout's root.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut cargo = command(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    cargo.args(args);
    cargo
}

/// Runs the command to its end; anything but success is an error that names it.
pub(crate) fn must(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("could not start {}", shown(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", shown(command));
    }
    Ok(())
}

/// Builds our own program as one does while working on it; where it is.
pub(crate) fn wargate() -> Result<PathBuf> {
    must(&mut cargo(&["build", "--locked", "--package", "wargate-cli"]))?;
    let wargate = checkout::target().join("debug/wargate");
    wargate.canonicalize().with_context(|| format!("no program at {}", wargate.display()))
}

pub(crate) fn is_root() -> Result<bool> {
    let answer = command("id").arg("-u").output().context("could not run `id -u`")?;
    Ok(answer.stdout.trim_ascii() == b"0")
}

/// Says that something could not be done on this machine, and why; in CI that is an error.
pub(crate) fn not_done(what: &str, why: &str) -> Result<()> {
    if checkout::in_ci() {
        bail!("{what}: {why}");
    }
    shout(&format!("{what}: {why}"));
    Ok(())
}

/// What was shouted, in order and each once.
static SHOUTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Says what nobody may overlook; `shout_again` repeats it.
pub(crate) fn shout(what: &str) {
    println!("\n!!! {what}\n");
    let mut shouted = SHOUTED.lock().unwrap_or_else(PoisonError::into_inner);
    if !shouted.iter().any(|earlier| earlier == what) {
        shouted.push(what.to_owned());
    }
}

/// Repeats at the end of a long run what was shouted on the way.
pub(crate) fn shout_again() {
    for what in SHOUTED.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        println!("!!! {what}");
    }
}

/// Runs tests by cargo or by Node, passes their output through, and adds the results among it to `tally`, also
/// when some fail.
pub(crate) fn must_test(command: &mut Command, tally: &mut Tally) -> Result<()> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not start {}", shown(command)))?;
    let output = child.stdout.take().context("the child has no stdout")?;
    pass_through(BufReader::new(output), std::io::stdout().lock(), tally)
        .context("reading the tests' output")?;
    let status = child.wait()?;
    if !status.success() {
        bail!("{} ended with {status}", shown(command));
    }
    Ok(())
}

/// Copies line by line, at once, and adds the results among the lines to `tally`.
fn pass_through(mut from: impl BufRead, mut to: impl Write, tally: &mut Tally) -> std::io::Result<()> {
    // Bytes, not text: a test may print anything.
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        to.flush()?;
        let text = String::from_utf8_lossy(&line);
        if let Some(result) = parse_result(&text).or_else(|| parse_node_result(&text)) {
            *tally += result;
        }
        line.clear();
    }
    Ok(())
}

/// Reads libtest's closing line, `test result: ok. 3 passed; 0 failed; …`.
fn parse_result(line: &str) -> Option<Tally> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let mut counts = counts.split("; ");
    let passed = counts.next()?.strip_suffix(" passed")?.parse().ok()?;
    let failed = counts.next()?.strip_suffix(" failed")?.parse().ok()?;
    Some(Tally { passed, failed })
}

/// Reads one of the closing lines of Node's `spec` reporter, `ℹ pass 3`. A cancelled test is one that did not pass.
fn parse_node_result(line: &str) -> Option<Tally> {
    let (what, count) = line.trim_end().strip_prefix("ℹ ")?.split_once(' ')?;
    let count = count.parse().ok()?;
    match what {
        "pass" => Some(Tally { passed: count, failed: 0 }),
        "fail" | "cancelled" => Some(Tally { passed: 0, failed: count }),
        _ => None,
    }
}

/// The command as one would type it.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    format!("`{}`", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_counted_and_nothing_else() {
        let ok = "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.02s\n";
        assert_eq!(parse_result(ok), Some(Tally { passed: 12, failed: 0 }));
        let bad = "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s\n";
        assert_eq!(parse_result(bad), Some(Tally { passed: 3, failed: 2 }));
        for other in
            ["test a ... ok\n", "running 3 tests\n", "test result: ok.\n", "12 passed; 0 failed\n", ""]
        {
            assert_eq!(parse_result(other), None, "{other:?}");
        }
    }

    #[test]
    fn results_of_node_are_counted_and_nothing_else() {
        for (line, passed, failed) in
            [("ℹ pass 12\n", 12, 0), ("ℹ fail 2\n", 0, 2), ("ℹ cancelled 1\n", 0, 1)]
        {
            assert_eq!(parse_node_result(line), Some(Tally { passed, failed }), "{line:?}");
        }
        for other in ["ℹ tests 12\n", "ℹ skipped 1\n", "pass 12\n", "ℹ pass\n", "✔ pass 12\n", "ℹ pass 1.5\n"]
        {
            assert_eq!(parse_node_result(other), None, "{other:?}");
        }
    }

    #[test]
    fn results_are_added_up_and_all_bytes_passed_on() {
        let output = b"running 3 tests\n\xff\xfe\ntest result: ok. 3 passed; 0 failed; 0 ignored\n\
            test result: FAILED. 1 passed; 2 failed; 0 ignored\nno newline at the end";
        let (mut shown, mut tally) = (Vec::new(), Tally { passed: 1, failed: 0 });
        pass_through(output.as_slice(), &mut shown, &mut tally).unwrap();
        assert_eq!(shown, output);
        assert_eq!(tally, Tally { passed: 5, failed: 2 });
    }

    #[test]
    fn what_is_shouted_twice_is_repeated_once() {
        let what = "a test shouts";
        shout(what);
        shout(what);
        let shouted = SHOUTED.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(shouted.iter().filter(|other| *other == what).count(), 1);
    }

    #[test]
    fn a_command_that_fails_is_an_error_naming_it() {
        let error = must_test(command("sh").args(["-c", "exit 101"]), &mut Tally::default()).unwrap_err();
        assert!(error.to_string().contains("`sh -c exit 101`"), "{error}");
    }
}
