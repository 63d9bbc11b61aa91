//! A person with the unmodified `wkg` 0.16, who needs no key and no set-up but where the registry is.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::answer::{Answer, COMMAND_SECONDS_MAX};
use crate::registry::Login;

/// Somebody with `wkg`.
#[derive(Debug)]
pub struct Wkg {
    home: TempDir,
    /// `HOST:PORT`.
    host: String,
    login: Login,
}

impl Wkg {
    /// A person who has never used any registry and is told of this one.
    ///
    /// # Panics
    /// If the person's files cannot be written.
    pub fn new(url: &str) -> Self {
        Self::with_login(url, &Login::Open)
    }

    /// The same with a login in the person's configuration.
    ///
    /// # Panics
    /// If the person's files cannot be written.
    pub fn with_login(url: &str, login: &Login) -> Self {
        let host = url.strip_prefix("http://").expect("an http URL").to_owned();
        let home = TempDir::new().expect("a home for the person");
        let mut config =
            format!("default_registry = \"{host}\"\n[registry.\"{host}\".oci]\nprotocol = \"http\"\n");
        if let Login::Basic { user, password } = login {
            config += &format!("auth = {{ username = \"{user}\", password = \"{password}\" }}\n");
        }
        std::fs::write(home.path().join("config.toml"), config).expect("the configuration is written");
        Self { home, host, login: login.clone() }
    }

    /// `wkg publish` of a WIT package under the name and version that it says.
    pub fn publish(&self, file: &Path) -> Answer {
        // Its own check refuses good releases of WASI: what counts is what the registry says.
        self.wkg(&["publish", "--skip-semver-check", path(file)])
    }

    /// `wkg oci push` of any file of Wasm as a version of a package.
    pub fn push(&self, package: &str, version: &str, file: &Path) -> Answer {
        let reference = format!("{}/{}:{version}", self.host, package.replace(':', "/"));
        self.wkg(&["oci", "push", "--insecure", &self.host, &reference, path(file)])
    }

    /// `wkg get` of this version, which must succeed and give the bytes of `file`.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn gets_the_bytes_of(&self, package: &str, version: &str, file: &Path) {
        let output = self.home.path().join("got.wasm");
        // What an earlier one left must not be mistaken for this one's.
        let _ = std::fs::remove_file(&output);
        let spec = format!("{package}@{version}");
        // As Wasm, whatever it is: without that a WIT package is printed as text.
        self.wkg(&["get", &spec, "--format", "wasm", "--output", path(&output)]).accepted();
        let got = std::fs::read(&output).expect("`wkg get` wrote a file");
        let original = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(got == original, "{spec}: other bytes than those of {}", file.display());
    }

    /// `wkg wit build` of a folder of WIT text; where the package is.
    pub fn builds_wit(&self, folder: &Path) -> PathBuf {
        let output = self.home.path().join("built.wasm");
        self.wkg(&["wit", "build", "--wit-dir", path(folder), "--output", path(&output)]).accepted();
        output
    }

    /// Any `wkg` command, in this person's home and with nothing of the environment but PATH, for a bounded time.
    pub fn wkg(&self, args: &[&str]) -> Answer {
        let mut command = Command::new("timeout");
        command.arg(COMMAND_SECONDS_MAX).arg(super::program("WKG_CLI")).args(args).stdin(Stdio::null());
        command.env_clear().env("HOME", self.home.path()).current_dir(self.home.path());
        command.env("WKG_CONFIG_FILE", self.home.path().join("config.toml"));
        match &self.login {
            Login::Open => {}
            Login::Basic { user, password } => {
                // `wkg oci` does not look into the configuration.
                command.env("WKG_OCI_USERNAME", user).env("WKG_OCI_PASSWORD", password);
            }
            Login::Bearer(token) => {
                let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
                let host: String = self.host.chars().map(plain).collect();
                command.env(format!("WKG_REGISTRY_{host}_AUTH_BEARER"), token);
            }
        }
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command.output().expect("`timeout` starts").into()
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
