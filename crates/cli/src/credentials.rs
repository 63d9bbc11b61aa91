//! Credentials from where Docker, podman, oras and wkg keep them: nothing to set up twice.
//!
//! Files are read and programs run only when a registry asks. A store that does not answer is passed over for the
//! next place; if none has credentials, that is told.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use wargate_client::{CredentialSource, Credentials};
use wargate_wire::docker::{DockerConfig, Kept, Secret, helper_answer};

use crate::secret::config_folder;

/// Largest file that is read, and largest answer of a helper, in bytes.
const KEPT_BYTES_MAX: u64 = 1024 * 1024;

/// How long a helper may take: a person may have to unlock something.
const HELPER_TIMEOUT: Duration = Duration::from_secs(60);

/// How helpers say that they know nothing; no other failure is passed over in silence.
const NOT_FOUND: &[u8] = b"credentials not found";

/// Where credentials may be kept.
#[derive(Debug)]
pub(crate) struct Docker {
    files: Vec<PathBuf>,
    helper_timeout: Duration,
}

impl Docker {
    /// Docker's file, then podman's.
    pub(crate) fn of_environment() -> Self {
        let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let docker = of("DOCKER_CONFIG").or_else(|| of("HOME").map(|home| home.join(".docker")));
        let files = [
            docker.map(|folder| folder.join("config.json")),
            of("REGISTRY_AUTH_FILE"),
            of("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json")),
            config_folder().map(|folder| folder.join("containers/auth.json")),
        ];
        Self { files: files.into_iter().flatten().collect(), helper_timeout: HELPER_TIMEOUT }
    }

    /// Where it looks, for people.
    pub(crate) fn looked(&self) -> String {
        let files: Vec<String> = self.files.iter().map(|path| path.display().to_string()).collect();
        match files.is_empty() {
            true => "there was nowhere to look for credentials: set HOME or DOCKER_CONFIG".to_owned(),
            false => format!("credentials were looked for in {}", files.join(", ")),
        }
    }

    /// The first secret in one file, and what stood in the way of others.
    fn in_file(&self, path: &Path, host: &str, failures: &mut Vec<String>) -> Option<Credentials> {
        let mut failed =
            |what: String, why: &str| failures.push(format!("{what}`{}`: {why}", path.display()));
        let bytes = match read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => {
                failed(String::new(), &error.to_string());
                return None;
            }
        };
        let kept = DockerConfig::decode(&bytes).and_then(|config| config.find(host));
        let kept = match kept {
            Ok(kept) => kept,
            Err(error) => {
                failed(String::new(), &error.to_string());
                return None;
            }
        };
        for kept in kept {
            let name = match kept {
                Kept::Secret(secret) => {
                    return Some(Credentials { secret, from: format!("`{}`", path.display()) });
                }
                Kept::Helper(name) => name,
            };
            match ask_helper(&name, host, self.helper_timeout) {
                Ok(Some(secret)) => {
                    let from = format!("`docker-credential-{name}`, which `{}` names", path.display());
                    return Some(Credentials { secret, from });
                }
                Ok(None) => {}
                Err(why) => failed(format!("`docker-credential-{name}` of "), &why),
            }
        }
        None
    }
}

impl CredentialSource for Docker {
    fn find(&self, host: &str) -> Result<Option<Credentials>, String> {
        let mut failures = Vec::new();
        let found = self.files.iter().find_map(|path| self.in_file(path, host, &mut failures));
        match found {
            None if !failures.is_empty() => Err(failures.join("; ")),
            found => Ok(found),
        }
    }
}

/// One byte more than is taken, so that what is too large is seen to be.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(KEPT_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Runs `docker-credential-NAME get`. Nothing that it says is repeated: it may be a secret.
fn ask_helper(name: &str, host: &str, timeout: Duration) -> Result<Option<Secret>, String> {
    let program = format!("docker-credential-{name}");
    let mut command = Command::new(&program);
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such program on the PATH".to_owned(),
        _ => format!("it couldn't be run: {error}"),
    })?;
    verdict(child, host, timeout)
}

/// What a helper that runs has to say; it ends here.
fn verdict(mut child: Child, host: &str, timeout: Duration) -> Result<Option<Secret>, String> {
    let answer = converse(&mut child, host, timeout);
    if answer.is_err() {
        // It fails only where the process has ended already.
        let _ = child.kill();
    }
    // Its output is closed, or it was killed; either way it is waited for.
    let status = child.wait().map_err(|error| format!("it couldn't be waited for: {error}"))?;
    let answer = answer?;
    if status.success() {
        return helper_answer(&answer).map(Some).map_err(|error| format!("its answer is none: {error}"));
    }
    match answer.windows(NOT_FOUND.len()).any(|part| part.eq_ignore_ascii_case(NOT_FOUND)) {
        true => Ok(None),
        false => Err(format!("it failed ({status})")),
    }
}

/// Tells the host and takes the answer. A thread does it, because what a helper started may hold its pipes open.
fn converse(child: &mut Child, host: &str, timeout: Duration) -> Result<Vec<u8>, String> {
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("it has no pipes".to_owned());
    };
    let (tell, told) = mpsc::channel();
    let host = host.to_owned();
    std::thread::spawn(move || {
        // A helper that does not read may answer all the same.
        let _ = input.write_all(host.as_bytes());
        drop(input);
        let mut answer = Vec::new();
        let read = output.take(KEPT_BYTES_MAX + 1).read_to_end(&mut answer);
        // Nobody waits for it any more once the time is over.
        let _ = tell.send(read.map(|_| answer));
    });
    match told.recv_timeout(timeout) {
        Ok(Ok(answer)) if answer.len() as u64 > KEPT_BYTES_MAX => Err("its answer is too large".to_owned()),
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(format!("its answer couldn't be read: {error}")),
        Err(RecvTimeoutError::Timeout) => Err(format!("no answer within {} s", timeout.as_secs())),
        Err(RecvTimeoutError::Disconnected) => Err("its answer couldn't be read".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const HOST: &str = "registry.example";

    /// A folder with files and programs.
    struct Machine {
        folder: tempfile::TempDir,
    }

    impl Machine {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap() }
        }

        fn file(&self, name: &str, text: &str) -> PathBuf {
            let path = self.folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        }

        fn find(&self, files: Vec<PathBuf>) -> Result<Option<Credentials>, String> {
            Docker { files, helper_timeout: Duration::from_secs(2) }.find(HOST)
        }
    }

    fn of_auth(text: &str) -> String {
        format!(r#"{{"auths": {{"{HOST}": {{"auth": "{text}"}}}}}}"#)
    }

    #[test]
    fn the_first_file_with_credentials_counts_and_trouble_is_told_when_none_has() {
        let machine = Machine::new();
        let good = machine.file("good", &of_auth("dTpw"));
        let other = machine.file("other", &of_auth("dTpv"));
        let bad = machine.file("bad", "{");
        let empty = machine.file("empty", "");
        let huge = machine.file("huge", &" ".repeat(KEPT_BYTES_MAX as usize + 1));
        let gone = machine.folder.path().join("gone");
        let folder = machine.folder.path().to_owned();
        let helper = machine.file("helper", r#"{"credsStore": "wargate-test-that-is-missing"}"#);
        let found =
            machine.find(vec![gone.clone(), empty.clone(), bad.clone(), good.clone(), other]).unwrap();
        let found = found.unwrap();
        assert_eq!(found.from, format!("`{}`", good.display()));
        assert_eq!(found.secret, Secret::Password { user: "u".to_owned(), password: "p".to_owned() });
        assert_eq!(machine.find(vec![helper.clone(), good]).unwrap(), Some(found), "a helper that is gone");
        assert_eq!(machine.find(vec![gone, empty]), Ok(None));
        for (file, words) in [
            (bad, "malformed at line 1"),
            (huge, "larger than"),
            (folder, "directory"),
            (helper, "docker-credential-wargate-test-that-is-missing"),
        ] {
            let failure = machine.find(vec![file]).unwrap_err();
            assert!(failure.contains(words), "`{words}` is not in: {failure}");
        }
    }

    /// What comes of a helper with this script. The PATH of a test is not changed, so it is run by its path.
    fn ask(machine: &Machine, script: &str) -> Result<Option<Secret>, String> {
        let path = machine.file("docker-credential-x", &format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        let mut command = Command::new("sh");
        command.arg(path).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        verdict(command.spawn().unwrap(), HOST, Duration::from_secs(2))
    }

    #[test]
    fn a_helper_is_bounded_and_not_repeated() {
        let machine = Machine::new();
        let secret = ask(&machine, r#"read host; echo "{\"Username\":\"u\",\"Secret\":\"$host\"}""#);
        let expected = Secret::Password { user: "u".to_owned(), password: HOST.to_owned() };
        assert_eq!(secret, Ok(Some(expected)));
        assert_eq!(ask(&machine, "echo credentials not found in native keychain; exit 1"), Ok(None));
        for (script, words) in [
            ("echo hunter2", "malformed"),
            ("echo hunter2; exit 3", "it failed (exit status: 3)"),
            ("exit 0", "malformed"),
            ("kill -9 $$", "it failed (signal: 9"),
            ("sleep 30", "no answer within 2 s"),
            ("echo hunter2; sleep 30 & exit 0", "no answer within 2 s"),
            ("cat /dev/zero", "too large"),
        ] {
            let failure = ask(&machine, script).unwrap_err();
            assert!(failure.contains(words), "`{words}` is not in: {failure}");
            assert!(!failure.contains("hunter2"), "{failure}");
        }
    }
}
