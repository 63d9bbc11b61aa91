//! Programs that the machine's Debian lacks, or has too old, from newer suites of it.
//!
//! They are unpacked into the cache outside the checkout: apt works on lists and archives of its own there, and
//! nothing is installed, so the system stays as it is and no root is needed. Only for programs that bring all that
//! they need but a C library, as those written in Go do.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{checkout, run};

/// What a suite's release must be signed by. Debian signs each suite with the keys of the one before, too.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Where a Debian machine says which archive it uses, in either of apt's two formats.
const SOURCES: &[&str] = &["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"];

/// How long apt waits for an archive that does not answer, in seconds.
const NETWORK_SECONDS_MAX: u32 = 20;

/// A program of one suite of Debian's, pinned to what its version begins with.
pub(crate) struct NewerProgram {
    pub(crate) suite: &'static str,
    /// Name of the package, and of the program in its `/usr/bin`.
    pub(crate) package: &'static str,
    /// Ends where a version part ends.
    pub(crate) version_start: &'static str,
}

/// Why a program is not there.
#[derive(Debug)]
pub(crate) enum Lack {
    /// This machine cannot have it, whatever the checkout says.
    Machine(String),
    /// The suite went on to another version: the pin must be raised.
    Pin(String),
}

/// The suites that were asked so far: a list is fetched once, and a network that is not there is waited for once.
#[derive(Default)]
pub(crate) struct Suites(BTreeMap<&'static str, Result<Apt, String>>);

impl Suites {
    fn apt(&mut self, suite: &'static str, folder: &Path) -> Result<&Result<Apt, String>> {
        Ok(match self.0.entry(suite) {
            Entry::Occupied(asked) => asked.into_mut(),
            Entry::Vacant(new) => new.insert(Apt::of(suite, folder)?),
        })
    }
}

impl NewerProgram {
    /// Where the program is, unpacked now if it was not there.
    pub(crate) fn path(&self, suites: &mut Suites) -> Result<Result<PathBuf, Lack>> {
        let folder = checkout::cache()?.join("debian").join(self.suite);
        if let Some(program) = self.unpacked(&folder)? {
            return Ok(Ok(program));
        }
        println!("{} {}* of Debian's {} is fetched", self.package, self.version_start, self.suite);
        let apt = match suites.apt(self.suite, &folder)? {
            Ok(apt) => apt,
            Err(why) => return Ok(Err(Lack::Machine(why.clone()))),
        };
        let downloads = folder.join("downloads").join(self.package);
        let Some(archive) = apt.download(self.package, &downloads)? else {
            let why = format!("apt could not fetch {} of Debian's {}", self.package, self.suite);
            return Ok(Err(Lack::Machine(why)));
        };
        let version = version_of(&archive)?;
        if !version.starts_with(self.version_start) {
            let why = format!(
                "Debian's {} has {} {version} by now, and {}… is pinned in xtask/src/clients.rs: raise it there, \
                 and see whether the tests hold",
                self.suite, self.package, self.version_start
            );
            return Ok(Err(Lack::Pin(why)));
        }
        unpack(&archive, &folder.join(unpacked_name(self.package, &version)))?;
        std::fs::remove_dir_all(&downloads).context("removing what was unpacked")?;
        let program = self.unpacked(&folder)?;
        program.map(Ok).with_context(|| format!("{} {version} has no program /usr/bin/{0}", self.package))
    }

    fn unpacked(&self, folder: &Path) -> Result<Option<PathBuf>> {
        if !folder.is_dir() {
            return Ok(None);
        }
        let start = unpacked_name(self.package, self.version_start);
        for entry in folder.read_dir().with_context(|| format!("reading {}", folder.display()))? {
            let entry = entry?;
            let program = entry.path().join("usr/bin").join(self.package);
            if entry.file_name().to_string_lossy().starts_with(&start) && program.is_file() {
                return Ok(Some(program));
            }
        }
        Ok(None)
    }
}

/// The folder of an unpacked package. Neither names nor versions have a `_`.
fn unpacked_name(package: &str, version: &str) -> String {
    format!("{package}_{version}")
}

/// apt with its lists and archives in a folder of ours, and one suite in them.
struct Apt {
    options: Vec<String>,
}

impl Apt {
    /// With fresh lists; or why that cannot be had on this machine.
    fn of(suite: &str, folder: &Path) -> Result<Result<Self, String>> {
        let mut texts = SOURCES.iter().filter_map(|path| std::fs::read_to_string(path).ok());
        let Some(archive) = texts.find_map(|text| archive_in(&text).map(str::to_owned)) else {
            return Ok(Err("this machine is no Debian that names its archive".to_owned()));
        };
        if !Path::new(KEYRING).is_file() {
            return Ok(Err(format!("this machine has no {KEYRING}")));
        }
        let own = folder.join("apt");
        for part in ["lists/partial", "archives/partial"] {
            std::fs::create_dir_all(own.join(part)).with_context(|| format!("making {}", own.display()))?;
        }
        let sources = own.join("sources.list");
        std::fs::write(&sources, format!("deb [signed-by={KEYRING}] {archive} {suite} main\n"))
            .with_context(|| format!("writing {}", sources.display()))?;
        let options = [
            format!("Dir::Etc::SourceList={}", sources.display()),
            "Dir::Etc::SourceParts=/dev/null".to_owned(),
            format!("Dir::State::Lists={}", own.join("lists").display()),
            format!("Dir::Cache={}", own.display()),
            // Its own user could not write into a home.
            "APT::Sandbox::User=root".to_owned(),
            // A list that could not be fetched is otherwise only warned of.
            "APT::Update::Error-Mode=any".to_owned(),
            format!("Acquire::http::Timeout={NETWORK_SECONDS_MAX}"),
            // The machine's own hooks are for its own packages.
            "APT::Update::Post-Invoke-Success=".to_owned(),
        ];
        let apt = Self { options: options.into() };
        Ok(match run::must(&mut apt.get(&["update", "-qq"])) {
            Ok(()) => Ok(apt),
            // apt itself has said why.
            Err(_) => Err(format!("apt could not fetch the list of Debian's {suite}")),
        })
    }

    fn get(&self, args: &[&str]) -> Command {
        let mut apt = run::command("apt-get");
        for option in &self.options {
            apt.arg("-o").arg(option);
        }
        apt.args(args);
        apt
    }

    /// Fetches a package into an empty folder; where it is.
    fn download(&self, package: &str, folder: &Path) -> Result<Option<PathBuf>> {
        if folder.exists() {
            std::fs::remove_dir_all(folder).context("removing an earlier download")?;
        }
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        if run::must(self.get(&["download", "-qq", package]).current_dir(folder)).is_err() {
            return Ok(None);
        }
        let first = folder.read_dir()?.next().transpose()?;
        Ok(first.map(|entry| entry.path()))
    }
}

/// The version that a package says it is.
fn version_of(archive: &Path) -> Result<String> {
    let mut ask = run::command("dpkg-deb");
    let answer = ask.arg("--field").arg(archive).arg("Version").output().context("could not run dpkg-deb")?;
    if !answer.status.success() {
        bail!("dpkg-deb could not read {}", archive.display());
    }
    Ok(String::from_utf8_lossy(&answer.stdout).trim().to_owned())
}

/// Unpacks a package; its folder has its name only once it is whole.
fn unpack(archive: &Path, folder: &Path) -> Result<()> {
    let parts = folder.with_file_name("unpacking");
    if parts.exists() {
        std::fs::remove_dir_all(&parts).context("removing what was unpacked in part")?;
    }
    run::must(run::command("dpkg-deb").arg("--extract").arg(archive).arg(&parts))?;
    std::fs::rename(&parts, folder).with_context(|| format!("naming {}", folder.display()))
}

/// The first archive that apt's sources name.
fn archive_in(sources: &str) -> Option<&str> {
    let lines = sources.lines().filter(|line| line.starts_with("URIs:") || line.starts_with("deb "));
    lines.flat_map(str::split_whitespace).find(|word| word.contains("://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_found_in_both_formats_of_sources() {
        let deb822 =
            "Types: deb\n# http://old.example/debian\nURIs: http://one.example/debian\nSuites: stable\n";
        assert_eq!(archive_in(deb822), Some("http://one.example/debian"));
        for line in
            ["deb http://two.example/d stable main", "deb [arch=amd64 x=y] http://two.example/d stable"]
        {
            let list = format!("# deb http://no.example/d stable main\n{line}\n");
            assert_eq!(archive_in(&list), Some("http://two.example/d"), "{line}");
        }
        for none in ["", "deb-src http://three.example/d stable main\n", "Types: deb\nSuites: stable\n"] {
            assert_eq!(archive_in(none), None, "{none:?}");
        }
    }

    #[test]
    fn only_what_begins_with_the_pinned_version_counts_as_unpacked() {
        let folder = std::env::temp_dir().join(format!("wargate-newer-{}", std::process::id()));
        let make = |name: &str| {
            let bin = folder.join(name).join("usr/bin");
            std::fs::create_dir_all(&bin).expect("a folder");
            std::fs::write(bin.join("oras"), "").expect("a program");
        };
        let oras = NewerProgram { suite: "forky", package: "oras", version_start: "1.3." };
        assert!(oras.unpacked(&folder).expect("no folder at all").is_none());
        for other in ["oras_1.30.1-1", "oras_1.2.0-1", "unpacking", "orasx_1.3.0-1", "apt"] {
            make(other);
        }
        std::fs::create_dir_all(folder.join("oras_1.3.1-1")).expect("a folder without a program");
        assert!(oras.unpacked(&folder).expect("a folder").is_none());
        make("oras_1.3.3-1");
        let found = oras.unpacked(&folder).expect("a folder").expect("the program");
        std::fs::remove_dir_all(&folder).expect("removed");
        assert_eq!(found, folder.join("oras_1.3.3-1/usr/bin/oras"));
    }
}
