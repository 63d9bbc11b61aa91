//! The programs that the tests need and that are no part of the product, each pinned to one version.
//!
//! They are built by `cargo install` into the cache outside the checkout, and only when the pinned version is
//! not there yet. Programs of Debian's are installed by apt, those of its newer suites are in `newer`.

pub(crate) mod newer;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{checkout, run};

/// A program from crates.io.
pub(crate) struct Tool {
    /// Name of the crate.
    package: &'static str,
    version: &'static str,
    /// Name of the program in it.
    program: &'static str,
}

/// The unmodified Warg client: what people have installed, and so the judge of our Warg door.
pub(crate) const WARG: Tool = Tool { package: "warg-cli", version: "0.10.0", program: "warg" };

/// The client that most authors of components have: the judge of our OCI door.
pub(crate) const WKG: Tool = Tool { package: "wkg", version: "0.16.1", program: "wkg" };

/// Licences, bans and sources of the dependency graph.
pub(crate) const CARGO_DENY: Tool = Tool { package: "cargo-deny", version: "0.20.2", program: "cargo-deny" };

/// What puts small faults into our code, each of which a test must catch.
pub(crate) const CARGO_MUTANTS: Tool =
    Tool { package: "cargo-mutants", version: "27.1.0", program: "cargo-mutants" };

/// The reference registry, which the benchmarks measure against.
pub(crate) const WARG_SERVER: Tool =
    Tool { package: "warg-server", version: "0.10.0", program: "warg-server" };

/// A registry that the OCI door is measured against.
pub(crate) const FERRO: Tool =
    Tool { package: "ferro-oci-server", version: "1.0.0", program: "ferro-oci-server" };

/// A program of Debian's, which root can have installed.
pub(crate) struct DebianProgram {
    pub(crate) path: &'static str,
    pub(crate) package: &'static str,
}

/// The recorder of the tests that cut the power.
pub(crate) const STRACE: DebianProgram = DebianProgram { path: "/usr/bin/strace", package: "strace" };

/// A system's keyring, the bus on which it is asked, and a program of others' that looks into it.
const KEYRING: [DebianProgram; 3] = [
    DebianProgram { path: "/usr/bin/dbus-run-session", package: "dbus-daemon" },
    DebianProgram { path: "/usr/bin/gnome-keyring-daemon", package: "gnome-keyring" },
    DebianProgram { path: "/usr/bin/secret-tool", package: "libsecret-tools" },
];

impl DebianProgram {
    pub(crate) fn is_absent(&self) -> bool {
        !Path::new(self.path).is_file()
    }
}

/// Those that are absent once everything was installed that can be.
pub(crate) fn absent_of_debian<'a>(programs: &[&'a DebianProgram]) -> Result<Vec<&'a DebianProgram>> {
    let mut absent: Vec<_> = programs.iter().copied().filter(|program| program.is_absent()).collect();
    if !absent.is_empty() && run::is_root()? {
        let apt = |args: &[&str]| {
            run::must(run::command("apt-get").args(args).env("DEBIAN_FRONTEND", "noninteractive"))
        };
        apt(&["update", "-qq"])?;
        // One by one, in order: a later one may have come with an earlier one, and would stand against it.
        for program in absent.iter().filter(|program| program.is_absent()) {
            apt(&["install", "-y", "-qq", "--no-install-recommends", program.package])?;
        }
        absent.retain(|program| program.is_absent());
    }
    Ok(absent)
}

/// Installs the recorder of power cuts, if that can be done; the tests themselves say that they cannot record.
pub(crate) fn install_recorder() -> Result<()> {
    match absent_of_debian(&[&STRACE])?.first() {
        Some(program) => {
            run::not_done("power cuts NOT tested", &format!("root can install Debian's {}", program.package))
        }
        None => Ok(()),
    }
}

/// Installs the keyring of the tests of keys, if that can be done.
fn install_keyring() -> Result<()> {
    let absent = absent_of_debian(&KEYRING.each_ref())?;
    match absent.first() {
        Some(program) => {
            run::not_done("the keyring NOT tested", &format!("root can install Debian's {}", program.package))
        }
        None => Ok(()),
    }
}

/// Those that `test` needs.
const ALL: &[Tool] = &[WARG, WKG, CARGO_DENY];

impl Tool {
    /// Where the program is once it is installed.
    pub(crate) fn path(&self) -> Result<PathBuf> {
        Ok(install_root()?.join("bin").join(self.program))
    }

    /// Installs one that only a long form needs, if it is missing; where it is.
    pub(crate) fn installed(&self) -> Result<PathBuf> {
        self.install()?;
        self.path()
    }

    /// Installs a peer for the benchmarks, built as for production; where the program is. No test needs one.
    pub(crate) fn install_peer(&self, features: &str) -> Result<PathBuf> {
        let install_root = checkout::cache()?.join("peers");
        std::fs::create_dir_all(&install_root)?;
        if !self.is_installed(&install_root) {
            let mut cargo = run::cargo(&["install", "--locked", "--force", self.package]);
            cargo.args(["--version", &format!("={}", self.version), "--features", features, "--root"]);
            cargo.arg(&install_root).current_dir(&install_root);
            cargo.env("CARGO_TARGET_DIR", install_root.with_file_name("target-peers"));
            run::must(&mut cargo)?;
        }
        Ok(install_root.join("bin").join(self.program))
    }

    fn is_installed(&self, install_root: &Path) -> bool {
        // cargo's own list of what it installed here; a program without an entry is not to be trusted.
        let list = std::fs::read_to_string(install_root.join(".crates.toml")).unwrap_or_default();
        lists(&list, self.package, self.version) && install_root.join("bin").join(self.program).is_file()
    }

    fn install(&self) -> Result<()> {
        let install_root = install_root()?;
        std::fs::create_dir_all(&install_root)
            .with_context(|| format!("could not create the cache {}", install_root.display()))?;
        if self.is_installed(&install_root) {
            println!("{} {} is present", self.package, self.version);
            return Ok(());
        }
        println!("{} {} is being built, once, into {}", self.package, self.version, install_root.display());
        let mut cargo = run::cargo(&["install", "--locked", "--debug", "--force", self.package]);
        cargo.args(["--version", &format!("={}", self.version)]).arg("--root").arg(&install_root);
        // Outside the checkout, so that its own cargo configuration does not reach in.
        cargo.current_dir(&install_root);
        cargo.env("CARGO_TARGET_DIR", install_root.with_file_name("target-clients"));
        cargo.env("CARGO_PROFILE_DEV_DEBUG", "0");
        run::must(&mut cargo)?;
        if !self.is_installed(&install_root) {
            bail!("cargo installed {} {}, but not where it should be", self.package, self.version);
        }
        Ok(())
    }
}

/// Installs what is missing.
pub(crate) fn install_all() -> Result<()> {
    ALL.iter().try_for_each(Tool::install)?;
    install_recorder()?;
    install_keyring()
}

fn install_root() -> Result<PathBuf> {
    Ok(checkout::cache()?.join("clients"))
}

/// Whether cargo's list of installed crates (`.crates.toml`) has this version of the package.
fn lists(list: &str, package: &str, version: &str) -> bool {
    let start = format!("\"{package} {version} (");
    list.lines().any(|line| line.starts_with(&start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_pinned_version_counts_as_installed() {
        let list = "[v1]\n\"warg-cli 0.10.0 (registry+https://example.org/index)\" = [\"warg\"]\n";
        assert!(lists(list, "warg-cli", "0.10.0"));
        for (package, version) in
            [("warg-cli", "0.10.1"), ("warg-cli", "0.10"), ("cli", "0.10.0"), ("warg", "0")]
        {
            assert!(!lists(list, package, version), "{package} {version}");
        }
    }
}
