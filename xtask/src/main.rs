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
mod pages;
mod run;
mod test;
mod tools;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask CHORE

  test    everything that must hold before a change goes in: format, clippy, cargo-deny, all tests,
          the real clients, the pages in a browser, core for wasm32
  pages   only the pages in a browser; with SNAPSHOTS=update in the environment, what is told of them is
          written anew to browser/snapshots
  bench publish
          publishing and reading against the reference registry, in one run
  bench oci [ARTIFACTS]
          pushing and pulling small artifacts against docker-registry and nginx, in one run
  tools   only fetch and build the pinned programs that `test` needs
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match *words.as_slice() {
        ["test"] => test::run(),
        ["pages"] => pages::test(&mut run::Tally::default()),
        ["tools"] => tools::install_all(),
        ["bench", "publish"] => bench::publish(),
        ["bench", "oci"] => bench::oci(None),
        ["bench", "oci", artifacts] => bench::oci(Some(artifacts)),
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
