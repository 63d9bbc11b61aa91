//! A person's machine, beside a registry.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{Server, wargate};

/// A registry on fresh data, and the home folder of somebody who uses it.
pub(crate) struct Scene {
    pub(crate) server: Server,
    pub(crate) home: TempDir,
    data: TempDir,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let server = Server::start(&data.path().join("data"), &[]);
        Self { server, home: tempfile::tempdir().unwrap(), data }
    }

    /// The registry's data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.data.path().join("data")
    }

    /// A path in the home folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// `wargate` at the registry.
    pub(crate) fn wargate(&self, args: &[&str]) -> Command {
        let mut command = on(self.home.path(), args);
        command.env("WARGATE_REGISTRY", &self.server.url);
        command
    }
}

/// `wargate` of somebody whose home is this folder.
pub(crate) fn on(home: &Path, args: &[&str]) -> Command {
    let mut command = wargate(args);
    command.current_dir(home).env("HOME", home).env("WARGATE_STATE", home.join("state"));
    command
}
