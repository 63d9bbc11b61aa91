//! Somebody who owns packages with keys of their own, and acts with `wargate`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Somebody with a home folder and a key without a passphrase.
#[derive(Debug)]
pub struct Owner {
    home: TempDir,
    registry: String,
    /// The key's file.
    pub key: PathBuf,
}

impl Owner {
    /// A new owner at a registry, who trusts it on first use.
    pub fn new(registry: &str) -> Self {
        let home = TempDir::new().expect("a temporary folder");
        let key = home.path().join("own.key");
        let owner = Self { home, registry: registry.to_owned(), key };
        owner.make_key(&owner.key);
        owner
    }

    /// Makes a key in a file.
    pub fn make_key(&self, file: &Path) {
        self.does(&["key", "new", "--no-passphrase", "-o", file.to_str().expect("a path in UTF-8")]);
    }

    /// A line of `wargate key show`: the `public key` or the `key id`.
    pub fn shown(&self, file: &Path, what: &str) -> String {
        let said = self.does(&["key", "show", "--key", file.to_str().expect("a path in UTF-8")]);
        let line = said.lines().find_map(|line| line.strip_prefix(what));
        line.unwrap_or_else(|| panic!("no `{what}` in: {said}")).trim().to_owned()
    }

    /// Runs `wargate` with these arguments; what it said.
    ///
    /// # Panics
    /// If it is refused.
    #[track_caller]
    pub fn does(&self, args: &[&str]) -> String {
        let mut command = Command::new(super::program("WARGATE_BIN"));
        command.args(args).env("HOME", self.home.path()).env("WARGATE_STATE", self.home.path().join("state"));
        command.env("WARGATE_REGISTRY", &self.registry).stdin(Stdio::null());
        let output = command.output().expect("wargate runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{args:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    /// The same as the holder of a key.
    #[track_caller]
    pub fn does_with(&self, key: &Path, args: &[&str]) -> String {
        self.does(&[args, &["--key", key.to_str().expect("a path in UTF-8")]].concat())
    }
}
