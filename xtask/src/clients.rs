//! The programs that people push and pull with, for the tests in `interop/tests/clients`.
//!
//! Each program is named to the tests by a variable; the tests of one that this machine cannot have are left out, and
//! that is said. Not here: what they check.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::run;
use crate::tools::newer::{Lack, NewerProgram, Suites};
use crate::tools::{DebianProgram, absent_of_debian};

/// A client of the OCI door.
struct Client {
    /// The module of its tests.
    tests: &'static str,
    /// The variable that tells them where it is.
    variable: &'static str,
    origin: Origin,
}

enum Origin {
    Debian(DebianProgram),
    /// One that keeps images, which only root can do anywhere.
    AsRoot(DebianProgram),
    Newer(NewerProgram),
}

const CLIENTS: &[Client] = &[
    Client {
        tests: "skopeo",
        variable: "SKOPEO_CLI",
        origin: Origin::Debian(DebianProgram { path: "/usr/bin/skopeo", package: "skopeo" }),
    },
    Client {
        tests: "buildah",
        variable: "BUILDAH_CLI",
        origin: Origin::AsRoot(DebianProgram { path: "/usr/bin/buildah", package: "buildah" }),
    },
    Client {
        tests: "podman",
        variable: "PODMAN_CLI",
        origin: Origin::AsRoot(DebianProgram { path: "/usr/bin/podman", package: "podman" }),
    },
    newer("oras", "ORAS_CLI", "forky", "oras", "1.3."),
    newer("crane", "CRANE_CLI", "forky", "crane", "0.20."),
    // Before 3 signatures are tags, since 3 they are referrers.
    newer("cosign_tags", "COSIGN_2_CLI", "trixie", "cosign", "2.5."),
    newer("cosign_referrers", "COSIGN_3_CLI", "forky", "cosign", "3.1."),
    newer("notation", "NOTATION_CLI", "forky", "notation", "1.3."),
];

const fn newer(
    tests: &'static str,
    variable: &'static str,
    suite: &'static str,
    package: &'static str,
    version_start: &'static str,
) -> Client {
    let program = NewerProgram { suite, package, version_start };
    Client { tests, variable, origin: Origin::Newer(program) }
}

/// Fetches what is missing.
pub(crate) fn fetch() -> Result<()> {
    find().map(drop)
}

/// Gives the tests of interoperation the programs that are there, and leaves out the tests of those that are not.
pub(crate) fn hand_to(tests: &mut Command) -> Result<()> {
    give(tests, &find()?);
    Ok(())
}

fn give(tests: &mut Command, found: &[Option<PathBuf>]) {
    // What follows `--` is the test runner's.
    tests.arg("--");
    for (client, program) in CLIENTS.iter().zip(found) {
        match program {
            Some(program) => tests.env(client.variable, program),
            None => tests.args(["--skip", &format!("{}::", client.tests)]),
        };
    }
}

/// Where each client is, fetched if need be; those that cannot be had are told of.
fn find() -> Result<Vec<Option<PathBuf>>> {
    let debian: Vec<_> = CLIENTS.iter().filter_map(Client::debian).collect();
    if let Err(error) = absent_of_debian(&debian) {
        // What is absent for that is told of below.
        println!("{error:#}");
    }
    let mut suites = Suites::default();
    CLIENTS.iter().map(|client| client.find(&mut suites)).collect()
}

impl Client {
    fn debian(&self) -> Option<&DebianProgram> {
        match &self.origin {
            Origin::Debian(program) | Origin::AsRoot(program) => Some(program),
            Origin::Newer(_) => None,
        }
    }

    fn find(&self, suites: &mut Suites) -> Result<Option<PathBuf>> {
        let what = format!("the client {} NOT run", self.tests);
        match &self.origin {
            Origin::Debian(program) | Origin::AsRoot(program) if program.is_absent() => {
                run::not_done(&what, &format!("root can install Debian's {}", program.package))?;
            }
            Origin::AsRoot(_) if !run::is_root()? => run::not_done(&what, "only root can run it anywhere")?,
            Origin::Debian(program) | Origin::AsRoot(program) => return Ok(Some(program.path.into())),
            Origin::Newer(program) => match program.path(suites)? {
                Ok(path) => return Ok(Some(path)),
                Err(Lack::Pin(why)) => run::not_done(&what, &why)?,
                // Not a failure even in CI: no change of the checkout could help this machine.
                Err(Lack::Machine(why)) => run::shout(&format!("{what}: {why}")),
            },
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_has_tests_of_its_own() {
        let main = crate::checkout::root().join("interop/tests/clients/main.rs");
        let main = std::fs::read_to_string(main).expect("the tests of the clients");
        for client in CLIENTS {
            let module = format!("\nmod {};", client.tests);
            assert!(main.contains(&module), "no `{module}` in {main}");
        }
        let mut variables: Vec<_> = CLIENTS.iter().map(|client| client.variable).collect();
        variables.sort_unstable();
        variables.dedup();
        assert_eq!(variables.len(), CLIENTS.len());
    }

    #[test]
    fn only_tests_of_absent_clients_are_left_out() {
        let mut tests = Command::new("cargo");
        let mut found: Vec<_> = CLIENTS.iter().map(|client| Some(PathBuf::from(client.variable))).collect();
        found[0] = None;
        give(&mut tests, &found);
        let words: Vec<_> = tests.get_args().map(|word| word.to_string_lossy()).collect();
        assert_eq!(words, ["--", "--skip", &format!("{}::", CLIENTS[0].tests)]);
        assert_eq!(tests.get_envs().count(), CLIENTS.len() - 1);
    }

    #[test]
    fn a_pinned_version_ends_where_a_part_of_it_ends() {
        for client in CLIENTS {
            if let Origin::Newer(program) = &client.origin {
                assert!(program.version_start.ends_with('.'), "{}", program.package);
            }
        }
    }
}
