//! `cargo xtask test`: everything that must hold, step by step, stopping at the first step that fails.
//!
//! Not here: what the tests check. A step that cannot be done on this machine says so loudly, there and at the end, and
//! fails in CI.

use std::time::Instant;

use anyhow::Result;

use crate::run::{self, Tally, cargo, command, must, must_test, shout};
use crate::{checkout, clients, pages, tools, tutorial};

/// Builds one crate for wasm32 where the machine's own toolchain has no such target.
const WASM32_BUILDER: &str = "../shared/tools/debian-newer.sh";

const INTEROP_MANIFEST: &str = "interop/Cargo.toml";

/// The fuzzer around the targets; the targets themselves are of the main workspace.
const FUZZ_MANIFEST: &str = "fuzz/Cargo.toml";

type Step = fn(&mut Tally) -> Result<()>;

const STEPS: &[(&str, Step)] = &[
    ("pinned programs", |_| tools::install_all()),
    ("format", |_| format()),
    ("clippy", |_| clippy()),
    ("licences, bans, sources", |_| deny()),
    ("tests of the workspace", workspace_tests),
    ("agreement with the published crates and clients", interop_tests),
    ("the ceremony, as its page says it", tutorial::test),
    ("pages in a browser", pages::test),
    ("core for wasm32", |_| core_for_wasm32()),
];

/// Runs all steps; the closing lines say how many tests ran and what failed.
pub(crate) fn run() -> Result<()> {
    let mut tally = Tally::default();
    let begin = Instant::now();
    for (index, (name, step)) in STEPS.iter().enumerate() {
        println!("\n=== {}/{} {name}", index + 1, STEPS.len());
        let begin = Instant::now();
        let outcome = step(&mut tally);
        println!("=== {name}: {:.1} s", begin.elapsed().as_secs_f64());
        if let Err(error) = outcome {
            // Without a failed test the counts would look like a success: the step's own words are all there is.
            if tally.failed > 0 {
                print_total(tally);
            }
            return Err(error.context(format!("step `{name}`")));
        }
    }
    println!("\nall {} steps in {:.1} s", STEPS.len(), begin.elapsed().as_secs_f64());
    print_total(tally);
    Ok(())
}

fn print_total(Tally { passed, failed }: Tally) {
    run::shout_again();
    println!("{passed} passed, {failed} failed");
}

fn format() -> Result<()> {
    must(&mut cargo(&["fmt", "--all", "--check"]))?;
    must(&mut cargo(&["fmt", "--all", "--check", "--manifest-path", INTEROP_MANIFEST]))?;
    must(&mut cargo(&["fmt", "--check", "--manifest-path", FUZZ_MANIFEST]))
}

fn clippy() -> Result<()> {
    for manifest in ["Cargo.toml", INTEROP_MANIFEST] {
        let mut clippy =
            cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--manifest-path", manifest]);
        must(clippy.args(["--", "-D", "warnings"]))?;
    }
    Ok(())
}

fn deny() -> Result<()> {
    let deny = || -> Result<_> {
        let mut deny = command(tools::CARGO_DENY.path()?);
        deny.args(["--workspace", "--all-features", "--locked"]);
        Ok(deny)
    };
    must(deny()?.args(["check", "bans", "licenses", "sources"]))?;
    if must(deny()?.args(["fetch", "db"])).is_ok() {
        must(deny()?.args(["check", "--disable-fetch", "advisories"]))
    } else {
        // Not a failure even in CI: a machine without the way to the database cannot be helped by the change under test.
        shout("advisories NOT checked: the RustSec database could not be fetched");
        Ok(())
    }
}

fn workspace_tests(tally: &mut Tally) -> Result<()> {
    must_test(&mut cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]), tally)
}

fn interop_tests(tally: &mut Tally) -> Result<()> {
    let mut tests = cargo(&["test", "--locked", "--no-fail-fast", "--manifest-path", INTEROP_MANIFEST]);
    tests
        .env("WARGATE_BIN", run::wargate()?)
        .env("WARG_CLI", tools::WARG.path()?)
        .env("WKG_CLI", tools::WKG.path()?);
    clients::hand_to(&mut tests)?;
    must_test(&mut tests, tally)
}

fn core_for_wasm32() -> Result<()> {
    let builder = checkout::root().join(WASM32_BUILDER);
    let missing = if !builder.is_file() {
        format!("{WASM32_BUILDER} is not beside the checkout")
    } else if !run::is_root()? {
        format!("{WASM32_BUILDER} needs root")
    } else {
        return must(
            command(builder).arg("wasm32").arg(checkout::root()).args(["--package", "wargate-core"]),
        );
    };
    run::not_done("core NOT built for wasm32", &missing)
}
