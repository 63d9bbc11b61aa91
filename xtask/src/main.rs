//! The chores of the workspace, run as `cargo xtask NAME`.
//!
//! One module a chore. Not here: anything that the product itself needs at run time.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this program talks to a person at a terminal"
)]

mod bench;
mod checkout;
mod clients;
mod conformance;
mod fuzz;
mod mutants;
mod pages;
mod power;
mod run;
mod sim;
mod soak;
mod test;
mod tools;
mod tutorial;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask CHORE

  test    everything that must hold before a change goes in: format, clippy, cargo-deny, all tests,
          the real clients, the pages in a browser, core for wasm32
  pages   only the pages in a browser; with SNAPSHOTS=update in the environment, what is told of them is
          written anew to browser/snapshots
  power [--points N]
          power cuts of the real process at every sync of one publish, upload, push, start, backup and restore,
          and at every sync of two recordings under load, or at N of each; minutes to hours
          (WARGATE_POWER_SEED, WARGATE_POWER_ROUNDS and WARGATE_POWER_IMAGES in the environment say more)
  sim --seeds N [--first SEED]
  sim --minutes M [--first SEED]
          random stories of the simulated registry, so many or for a time; a failure prints its seed
  sim --planted
          plants bugs in copies of the engine, each of which the simulation must find
  bench publish
          publishing and reading against the reference registry, in one run
  bench oci [--long]
          the OCI door against docker-registry, ferro-oci-server and nginx, in one run: pushes, pulls, lists, large
          blobs of 64 MiB, and whether pushes slow down up to 10,000 artifacts (some ten minutes); --long: blobs of
          1 GiB, and up to 100,000 artifacts (an hour, 60 GiB of disk)
  bench inspect
          inspecting small files on one core, against the validator and the decoder alone
  soak [--minutes N]
          a release build under load, backed up and killed at random moments and started again (60 minutes);
          at the end all is looked for, checked, and looked for again in what the last backup gives
  conformance [--update]
          the rules of conformance/ against our server, which must keep all, and against docker-registry, which must
          break those that it is known to break; --update writes anew which those are
  fuzz [TARGET...] [--seconds N] [--keep]
          the fuzz targets, all or some, for N seconds each (60); --keep takes a part of what was learned into
          fuzz/corpus
  mutants [PATTERN...]
          small faults put into the judge of acts, each of which a test must catch: all (an hour), or those whose
          name, as `FILE:LINE:COLUMN: WHAT`, holds one of the texts, such as `judge.rs` or `in State::carry`
  tutorial ceremony
          the commands of docs/ceremony.md, as they stand there, with a fresh server, `wkg` and `warg`
  tools   only fetch and build the pinned programs that `test` needs
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match *words.as_slice() {
        ["test"] => test::run(),
        ["pages"] => pages::test(&mut run::Tally::default()),
        ["power"] => power::run(None),
        ["power", "--points", points] => power::run(Some(points)),
        ["sim", "--planted"] => sim::planted(),
        ["sim", "--seeds", seeds] => sim::random(seeds, "0"),
        ["sim", "--seeds", seeds, "--first", first] => sim::random(seeds, first),
        ["sim", "--minutes", minutes] => sim::minutes(minutes, "0"),
        ["sim", "--minutes", minutes, "--first", first] => sim::minutes(minutes, first),
        ["tools"] => tools::install_all().and_then(|()| clients::fetch()),
        ["fuzz", ref rest @ ..] if fuzz::Plan::parse(rest).is_some() => {
            fuzz::Plan::parse(rest).map_or(Ok(()), fuzz::run)
        }
        ["mutants", ref patterns @ ..] if !patterns.iter().any(|word| word.starts_with('-')) => {
            mutants::run(patterns)
        }
        ["bench", "publish"] => bench::publish(),
        ["bench", "inspect"] => bench::inspect(),
        ["bench", "oci"] => bench::oci(bench::Form::Short),
        ["bench", "oci", "--long"] => bench::oci(bench::Form::Long),
        ["conformance"] => conformance::conformance(false),
        ["conformance", "--update"] => conformance::conformance(true),
        ["soak"] => soak::soak(soak::MINUTES_DEFAULT),
        ["soak", "--minutes", minutes] if minutes.parse::<u64>().is_ok() => {
            soak::soak(minutes.parse().unwrap_or(soak::MINUTES_DEFAULT))
        }
        ["tutorial", "ceremony"] => tutorial::ceremony(),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {}: FAILED: {error:#}", words.join(" "));
            ExitCode::FAILURE
        }
    }
}
