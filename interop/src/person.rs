//! A person with the unmodified `warg` client: an own home, an own key, nothing shared with others.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::answer::{Answer, COMMAND_SECONDS_MAX};

/// Someone with a home folder and a signing key.
#[derive(Debug)]
pub struct Person {
    home: TempDir,
    /// Public key in text form.
    pub public_key: String,
    /// Its fingerprint.
    pub key_id: String,
}

impl Person {
    /// A new person whose client is set up for the registry and has a fresh key.
    pub fn new(registry: &str) -> Self {
        let home = TempDir::new().expect("a temporary folder");
        let mut person = Self { home, public_key: String::new(), key_id: String::new() };
        person.warg(&["config", "--registry", registry, "--keyring-backend", "flat-file"]).accepted();
        let words = person.warg(&["key", "new"]).accepted();
        let field = |name: &str| {
            let line = words.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("`key new` said no `{name}`: {words}")).trim().to_owned()
        };
        person.key_id = field("Key ID:");
        person.public_key = field("Public Key:");
        person
    }

    /// `warg publish init`.
    pub fn init(&self, package: &str) -> Answer {
        self.warg(&["publish", "init", package])
    }

    /// `warg publish release`.
    pub fn release(&self, package: &str, version: &str, file: &Path) -> Answer {
        let file = file.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let file = file.to_str().expect("a path in UTF-8");
        self.warg(&["publish", "release", "--name", package, "--version", version, file])
    }

    /// `warg publish grant` of comma-separated permissions.
    pub fn grant(&self, package: &str, to: &Person, permissions: &str) -> Answer {
        self.warg(&["publish", "grant", "--name", package, "--permission", permissions, &to.public_key])
    }

    /// `warg publish revoke` of comma-separated permissions.
    pub fn revoke(&self, package: &str, from: &Person, permissions: &str) -> Answer {
        self.warg(&["publish", "revoke", "--name", package, "--permission", permissions, &from.key_id])
    }

    /// `warg publish yank`, which asks at a terminal; `script` gives it one, and yes is answered.
    pub fn yank(&self, package: &str, version: &str) -> Answer {
        let line = r#"exec "$WARG" publish yank --name "$PACKAGE" --version "$VERSION""#;
        let mut command = self.command("script");
        command.args(["--quiet", "--return", "--command", line, "/dev/null"]);
        command.env("WARG", super::program("WARG_CLI")).env("PACKAGE", package).env("VERSION", version);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("`script` starts");
        child.stdin.take().expect("its stdin is piped").write_all(b"y").expect("`script` reads");
        child.wait_with_output().expect("`script` ends").into()
    }

    /// `warg download` of exactly this version, after `warg update`: the client doesn't ask the registry about
    /// packages that it knows already.
    pub fn download(&self, package: &str, version: &str) -> Answer {
        let path = self.download_path();
        // What an earlier download left must not be mistaken for this one's.
        let _ = std::fs::remove_file(&path);
        self.warg(&["update"]).accepted();
        self.warg(&[
            "download",
            package,
            "--version",
            version,
            "--output",
            path.to_str().expect("a path in UTF-8"),
        ])
    }

    /// Downloads this version, which must succeed and give the bytes of `file`.
    #[track_caller]
    pub fn downloads_the_bytes_of(&self, package: &str, version: &str, file: &Path) {
        self.download(package, version).accepted();
        let downloaded = std::fs::read(self.download_path()).expect("the download wrote a file");
        let original = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(downloaded == original, "{package} {version}: other bytes than those of {}", file.display());
    }

    /// Any `warg` command, with nothing to read from.
    pub fn warg(&self, args: &[&str]) -> Answer {
        let mut command = self.command(super::program("WARG_CLI"));
        command.args(args).stdin(Stdio::null());
        command.output().expect("`timeout` starts").into()
    }

    fn download_path(&self) -> PathBuf {
        self.home.path().join("download.wasm")
    }

    /// The program, in this person's home and with nothing of the environment but PATH, for a bounded time.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("timeout");
        command.arg(COMMAND_SECONDS_MAX).arg(program);
        command.env_clear().env("HOME", self.home.path()).current_dir(self.home.path());
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
    }
}
