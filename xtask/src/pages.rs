//! The registry's pages in a real browser: the tests in `browser/`.
//!
//! Not here: what they check. They need programs of Debian's, which root can have installed.

use anyhow::{Context, Result, bail};

use crate::run::{Tally, command, must, must_test};
use crate::tools::{DebianProgram, absent_of_debian};
use crate::{checkout, run};

const PROGRAMS: &[&DebianProgram] = &[
    &DebianProgram { path: "/usr/bin/chromium", package: "chromium" },
    &DebianProgram { path: "/usr/bin/node", package: "nodejs" },
    // Some builds of nodejs bring it.
    &DebianProgram { path: "/usr/bin/npm", package: "npm" },
];

/// The oldest Node whose test runner is the one that the tests are written for.
const NODE_MAJOR_MIN: u32 = 20;

/// Runs the tests; in CI it is an error if that cannot be done.
pub(crate) fn test(tally: &mut Tally) -> Result<()> {
    if let Some(missing) = missing()? {
        return run::not_done("pages NOT tested in a browser", &missing);
    }
    let folder = checkout::root().join("browser");
    let mut install = command("/usr/bin/npm");
    install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--cache"]);
    must(install.arg(checkout::cache()?.join("npm")).current_dir(&folder))?;
    let mut tests = command("/usr/bin/node");
    tests.arg("run.js").current_dir(&folder).env("WARGATE_BIN", run::wargate()?);
    // With colours the results could not be counted.
    tests.env("NO_COLOR", "1").env_remove("FORCE_COLOR");
    let before = tally.passed;
    must_test(&mut tests, tally)?;
    if tally.passed == before {
        bail!("no test of the pages ran");
    }
    Ok(())
}

/// What the tests need and cannot have, once everything was installed that can be.
fn missing() -> Result<Option<String>> {
    let absent = absent_of_debian(PROGRAMS)?;
    if !absent.is_empty() {
        let packages: Vec<_> = absent.iter().map(|program| program.package).collect();
        return Ok(Some(format!("root can install Debian's {}", packages.join(", "))));
    }
    let version = command("/usr/bin/node").arg("--version").output().context("could not run node")?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    let is_old = major(&version).is_none_or(|major| major < NODE_MAJOR_MIN);
    Ok(is_old.then(|| format!("node is {version}, and must be v{NODE_MAJOR_MIN} or newer")))
}

/// `v20.1.2` -> 20.
fn major(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_node_is_told_by_its_first_number() {
        for (version, expected) in
            [("v20.20.2", Some(20)), ("v8.0.0", Some(8)), ("20.1.0", None), ("", None), ("vx.1", None)]
        {
            assert_eq!(major(version), expected, "{version:?}");
        }
    }
}
