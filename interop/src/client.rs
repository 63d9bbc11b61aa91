//! A person with one of the clients of OCI: an own home, an own login, nothing shared with others.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::answer::{Answer, COMMAND_SECONDS_MAX};
use crate::registry::{Login, Registry};

/// Where nobody listens: whatever a client wants from elsewhere fails at once. The clients, all written in Go, never
/// ask a proxy for what is on the loopback address.
const NOWHERE: &str = "http://127.0.0.1:9";

/// Where tools of the containers family keep their logins; they refuse to start without it.
const LOGINS: &str = "auth.json";

/// Somebody with a client.
#[derive(Debug)]
pub struct Client {
    home: TempDir,
    /// The variable that names the program.
    variable: &'static str,
    /// What every command begins with.
    start: Vec<String>,
    host: String,
    environment: Vec<(&'static str, String)>,
}

impl Client {
    /// A person who has never used the program that `variable` names. Nobody is logged in.
    ///
    /// # Panics
    /// If the person's home cannot be made.
    pub fn new(variable: &'static str, registry: &Registry) -> Self {
        let home = TempDir::new().expect("a home for the person");
        let host = registry.host().to_owned();
        let client = Self { home, variable, start: Vec::new(), host, environment: Vec::new() };
        client.write(LOGINS, "{}");
        client
    }

    /// The same with a variable in the environment of every command.
    #[must_use]
    pub fn with(mut self, variable: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((variable, value.into()));
        self
    }

    /// The same with words that every command begins with.
    #[must_use]
    pub fn beginning(mut self, words: &[&str]) -> Self {
        self.start.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// Logs in by the client's own command, which takes `--username` and `--password-stdin`; nothing where all is open.
    #[track_caller]
    pub fn log_in(&self, login: &Login, command: &[&str]) {
        if let Login::Basic { user, password } = login {
            let words = [command, &["--username", user, "--password-stdin", &self.host]].concat();
            self.run_reading(password, &words).accepted();
        }
    }

    /// Runs a command to its end.
    pub fn run(&self, words: &[&str]) -> Answer {
        self.run_reading("", words)
    }

    /// Runs a command to its end, in the person's home and with nothing of the environment but PATH.
    ///
    /// # Panics
    /// If the program cannot be started.
    pub fn run_reading(&self, input: &str, words: &[&str]) -> Answer {
        let mut command = Command::new("timeout");
        command.arg(COMMAND_SECONDS_MAX).arg(super::program(self.variable)).args(&self.start).args(words);
        command.env_clear().env("HOME", self.home.path()).current_dir(self.home.path());
        for variable in ["HTTP_PROXY", "HTTPS_PROXY"] {
            command.env(variable, NOWHERE);
        }
        command.env("REGISTRY_AUTH_FILE", self.path(LOGINS));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("`timeout` starts");
        let mut stdin = child.stdin.take().expect("its stdin is piped");
        // A program that reads nothing may have ended already.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        child.wait_with_output().expect("`timeout` ends").into()
    }

    /// Where a file of that name is in the person's home.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes a file in the person's home, where every command runs.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap_or(&path)).expect("a folder in the person's home");
        std::fs::write(&path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self
    }

    /// Copies a file into the person's home.
    ///
    /// # Panics
    /// If it cannot be copied.
    pub fn take(&self, name: &str, file: &Path) -> &Self {
        let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.write(name, bytes)
    }

    /// Reads a file in the person's home.
    ///
    /// # Panics
    /// If it is not there.
    #[track_caller]
    pub fn read(&self, name: &str) -> Vec<u8> {
        let path = self.path(name);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}
