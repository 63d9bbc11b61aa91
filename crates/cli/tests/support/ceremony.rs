//! How a registry begins whose three owners keep their keys on machines of their own; two of them must agree.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a failure here is the test's failure")]

use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use super::scene::on;
use super::text;

/// The owners, each also the name of a folder.
pub(crate) const OWNERS: [&str; 3] = ["ann", "ben", "cleo"];

/// The origin of the log.
pub(crate) const ORIGIN: &str = "registry.example/log";

/// The machines: a server's, and one of each owner, between which files are carried.
pub(crate) struct Ceremony {
    machines: TempDir,
    publics: Vec<String>,
}

impl Ceremony {
    /// The owners have made their keys, the server has none yet.
    pub(crate) fn new() -> Self {
        let mut ceremony = Self { machines: tempfile::tempdir().unwrap(), publics: Vec::new() };
        std::fs::create_dir(ceremony.at("server")).unwrap();
        for owner in OWNERS {
            std::fs::create_dir(ceremony.at(owner)).unwrap();
            let made = ceremony.ok(owner, &["key", "new", "--no-passphrase", "-o", "own.key", "--json"]);
            ceremony.publics.push(part(&made, "publicKey"));
        }
        ceremony
    }

    /// All of it was done, and names come into being on first use.
    pub(crate) fn done() -> Self {
        let ceremony = Self::new();
        let request = ceremony.propose(&["--define", "*"]);
        for owner in &OWNERS[..2] {
            ceremony.sign(owner, &request);
        }
        ceremony.ok("server", &["operator", "begin", &request, "--data", "data"]);
        ceremony
    }

    /// A machine's folder.
    pub(crate) fn at(&self, machine: &str) -> PathBuf {
        self.machines.path().join(machine)
    }

    /// The server's data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.at("server").join("data")
    }

    /// An owner's key file.
    pub(crate) fn key(&self, owner: &str) -> String {
        self.at(owner).join("own.key").to_str().unwrap().to_owned()
    }

    /// Runs `wargate` on a machine.
    pub(crate) fn run(&self, machine: &str, args: &[&str]) -> Output {
        on(&self.at(machine), args).output().unwrap()
    }

    /// The same where it must go well; what it said.
    #[track_caller]
    pub(crate) fn ok(&self, machine: &str, args: &[&str]) -> String {
        let output = self.run(machine, args);
        assert!(output.status.success(), "{args:?}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    /// The words of `operator init`, with the keys that the server made.
    pub(crate) fn init(&self) -> Vec<String> {
        let online = self.ok("server", &["operator", "keys", "--data", "data", "--json"]);
        let mut words = vec!["operator".to_owned(), "init".to_owned()];
        let keys = [("--commit", "commit"), ("--commit", "commitSpare"), ("--publishing", "publishing")];
        words.extend(keys.iter().flat_map(|(option, key)| [(*option).to_owned(), part(&online, key)]));
        words.extend(self.publics.iter().flat_map(|key| ["--owner".to_owned(), key.clone()]));
        words.extend(["--threshold", "2", "--origin", ORIGIN].map(str::to_owned));
        words
    }

    /// The first owner writes the request; its name, the same on each machine.
    #[track_caller]
    pub(crate) fn propose(&self, more: &[&str]) -> String {
        let name = "operator.json";
        let init = self.init();
        let words: Vec<&str> = init.iter().map(String::as_str).chain(["--propose", name]).collect();
        self.ok(OWNERS[0], &[&words[..], more].concat());
        std::fs::rename(self.at(OWNERS[0]).join(name), self.at("server").join(name)).unwrap();
        name.to_owned()
    }

    /// A request goes to an owner's machine and comes back signed.
    #[track_caller]
    pub(crate) fn sign(&self, owner: &str, request: &str) {
        let (here, there) = (self.at("server").join(request), self.at(owner).join(request));
        std::fs::rename(&here, &there).unwrap();
        self.ok(owner, &["sign", request, "--key", "own.key"]);
        std::fs::rename(there, here).unwrap();
    }
}

/// A text of a JSON object.
pub(crate) fn part(json: &str, name: &str) -> String {
    let json: Value = serde_json::from_str(json).unwrap();
    json[name].as_str().unwrap_or_else(|| panic!("no `{name}` in {json}")).to_owned()
}
