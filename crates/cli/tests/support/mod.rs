//! The binary as its own process, as a person or a script would start it.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a failure here is the test's failure")]

pub(crate) mod author;
pub(crate) mod ceremony;
pub(crate) mod corpus;
pub(crate) mod load;
pub(crate) mod mounts;
pub(crate) mod oci;
pub(crate) mod scene;
pub(crate) mod seen;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

/// How long `serve` may take to start, on a machine that builds something else at the same time.
const START_MAX: Duration = Duration::from_secs(60);

/// `wargate` with nothing of the environment that could change what it does.
pub(crate) fn wargate(args: &[&str]) -> Command {
    wargate_under(&[], args)
}

/// The same as the last arguments of another program.
pub(crate) fn wargate_under(outer: &[&str], args: &[&str]) -> Command {
    let words = [outer, &[env!("CARGO_BIN_EXE_wargate")]].concat();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("WARGATE_") {
            command.env_remove(name);
        }
    }
    command
        .args(args)
        .env_remove("RUST_LOG")
        .env_remove("NO_COLOR")
        .env_remove("WKG_CONFIG_FILE")
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("XDG_RUNTIME_DIR")
        .env_remove("DOCKER_CONFIG")
        .env_remove("REGISTRY_AUTH_FILE")
        .env("HOME", "/nonexistent")
        .env("COLUMNS", "100")
        .stdin(Stdio::null());
    command
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Asserts that the command failed with this exit code and said these words on standard error.
#[track_caller]
pub(crate) fn assert_refused(output: &Output, code: i32, words: &[&str]) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "`{word}` is not in: {said}");
    }
}

/// `serve` on this folder, for when it should refuse; it is killed if it starts all the same.
pub(crate) fn serve_refused(data: &Path, args: &[&str]) -> Output {
    let mut command = wargate(&["serve", "--data", data.to_str().unwrap()]);
    let mut child = command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut first).unwrap();
    if !first.is_empty() {
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert!(first.is_empty(), "it started: {first}");
    output
}

/// A running `serve` on a free port; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    /// What it prints after the first line.
    lines: Option<std::sync::mpsc::Receiver<String>>,
}

impl Server {
    pub(crate) fn start(data: &Path, args: &[&str]) -> Self {
        Self::start_unread(data, args).told_where()
    }

    /// Under another program that leaves it its process.
    pub(crate) fn start_under(outer: &[&str], data: &Path) -> Self {
        let mut command =
            wargate_under(outer, &["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        Self { child: command.spawn().unwrap(), url: String::new(), lines: None }.told_where()
    }

    fn told_where(mut self) -> Self {
        self.read_lines();
        self
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Learns its URL from the first line, and keeps the others.
    fn read_lines(&mut self) {
        let out = self.child.stdout.take().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        let first = told.recv_timeout(START_MAX).expect("it says where it listens");
        self.url = first.strip_prefix("listening on ").expect("the first line").to_owned();
        self.lines = Some(told);
    }

    /// Its standard output is nobody's yet, and its URL unknown.
    pub(crate) fn start_unread(data: &Path, args: &[&str]) -> Self {
        let mut command = wargate(&["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
        command.args(args).stdout(Stdio::piped()).stderr(Stdio::null());
        Self { child: command.spawn().unwrap(), url: String::new(), lines: None }
    }

    /// Reads the first line only and closes the pipe, as `head -1` does.
    pub(crate) fn close_stdout_after_first_line(&mut self) {
        let mut line = String::new();
        BufReader::new(self.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.url = line.trim_end().strip_prefix("listening on ").expect("the first line").to_owned();
    }

    /// Starts it with at most so many open descriptors, its log in a file.
    pub(crate) fn start_logged(data: &Path, log: &Path, descriptors: Option<u32>, args: &[&str]) -> Self {
        let serve = wargate(&["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
        let mut command = match descriptors {
            None => serve,
            Some(most) => {
                let mut limited = Command::new("prlimit");
                limited
                    .arg(format!("--nofile={most}:{most}"))
                    .arg(serve.get_program())
                    .args(serve.get_args());
                for (name, value) in serve.get_envs() {
                    match value {
                        Some(value) => limited.env(name, value),
                        None => limited.env_remove(name),
                    };
                }
                limited
            }
        };
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut server = Self { child: command.spawn().unwrap(), url: String::new(), lines: None };
        server.read_lines();
        server
    }

    /// Sends a signal, by name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Whether it ended by now, and how.
    pub(crate) fn try_wait(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Ends it by SIGTERM; what it printed after the first line.
    #[track_caller]
    pub(crate) fn end(mut self) -> String {
        self.signal("TERM");
        assert_eq!(self.wait().code(), Some(0));
        self.lines.take().unwrap().iter().collect::<Vec<_>>().join("\n")
    }

    /// What it printed after the first line so far, up to the line that pins it.
    pub(crate) fn greeting(&self) -> String {
        let mut greeting = String::new();
        while !greeting.contains("wargate trust add") {
            let line = self.lines.as_ref().unwrap().recv_timeout(START_MAX).expect("a greeting");
            greeting.push_str(&line);
            greeting.push('\n');
        }
        greeting
    }

    /// The status line of a GET.
    pub(crate) fn get(&self, path: &str) -> String {
        use std::io::Write as _;
        let address = self.url.strip_prefix("http://").unwrap();
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It fails only where the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The root that the printed `wargate trust add` line names.
#[track_caller]
pub(crate) fn root_of(greeting: &str, url: &str) -> String {
    let start = format!("wargate trust add {url} --root ");
    let line = greeting.lines().find_map(|line| line.trim().strip_prefix(&start));
    line.unwrap_or_else(|| panic!("no `{start}` in: {greeting}")).to_owned()
}
