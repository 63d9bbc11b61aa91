//! `cargo xtask tutorial`: the pages of the documentation that are scripts, run as they stand.
//!
//! What a page's blocks of `sh` say is put together and given to bash in an empty folder, with the programs that people
//! have. Not here: what they say (`docs/`).

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::run::{self, Tally, command, must};
use crate::{checkout, tools};

/// The page of the ceremony.
const CEREMONY: &str = "docs/ceremony.md";

/// How long it may take, in seconds.
const SECONDS_MAX: &str = "300";

/// A registry of several owners, from its first act to a lost key.
pub(crate) fn ceremony() -> Result<()> {
    let page = checkout::root().join(CEREMONY);
    let page = std::fs::read_to_string(&page).with_context(|| format!("couldn't read {CEREMONY}"))?;
    let folder = checkout::target().join("tutorial");
    let (bin, place) = (folder.join("bin"), folder.join("place"));
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    for folder in [&bin, &place] {
        std::fs::create_dir_all(folder)?;
    }
    let programs = [("wargate", run::wargate()?), ("warg", tools::WARG.path()?), ("wkg", tools::WKG.path()?)];
    for (name, program) in programs {
        std::os::unix::fs::symlink(program, bin.join(name))?;
    }
    let script = folder.join("script.sh");
    std::fs::write(&script, script_of(&page)?)?;
    play(&script, &bin, &place)
}

/// The same as a step of the tests.
pub(crate) fn test(tally: &mut Tally) -> Result<()> {
    let played = ceremony();
    match played {
        Ok(()) => tally.passed += 1,
        Err(_) => tally.failed += 1,
    }
    played
}

/// The blocks of `sh`, in order, in a script that ends where one of its commands fails, and ends what it started.
fn script_of(page: &str) -> Result<String> {
    let mut script =
        "set -euo pipefail\ntrap 'kill $(jobs -p) 2> /dev/null || true' EXIT\nset -x\n".to_owned();
    let mut is_on = false;
    for line in page.lines() {
        match line {
            "```sh" => is_on = true,
            "```" => is_on = false,
            _ if is_on => writeln!(script, "{line}")?,
            _ => {}
        }
    }
    ensure!(!is_on, "{CEREMONY}: its last block does not end");
    Ok(script)
}

fn play(script: &Path, bin: &Path, place: &Path) -> Result<()> {
    // Nobody else takes the port between this and the server's start, or the server says so.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut bash = command("timeout");
    bash.arg(SECONDS_MAX).arg("bash").arg(script).current_dir(place).env_clear();
    bash.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()));
    bash.env("HOME", place.join("home")).env("ADDRESS", address.to_string());
    must(&mut bash).with_context(|| format!("{CEREMONY} does not hold any more"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_the_blocks_of_a_page_in_order() {
        let page = "# Words\n```sh\none\n```\nmore words\n```text\nnot this\n```\n```sh\ntwo\nthree\n```\n";
        let script = script_of(page).unwrap();
        assert!(script.ends_with("set -x\none\ntwo\nthree\n"), "{script}");
        assert!(script_of("```sh\none\n").is_err());
    }
}
