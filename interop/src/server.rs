//! A Wargate server as its own process, as an operator would start it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What `serve` prints before the address once it accepts connections.
const READY: &str = "listening on ";

/// How long `serve` may take until it accepts connections.
const START_MAX: Duration = Duration::from_secs(60);

/// A running server; it is killed when dropped.
#[derive(Debug)]
pub struct Server {
    process: Child,
    url: String,
}

impl Server {
    /// Starts `$WARGATE_BIN serve` on the data folder, on a free port of the loopback address.
    pub fn start(data: &Path) -> Self {
        Self::start_at(data, "127.0.0.1:0")
    }

    /// The same where nobody may do anything without a token.
    pub fn start_closed(data: &Path) -> Self {
        let config = data.join("closed.toml");
        std::fs::write(&config, "[access]\nanonymous = []\n").expect("the configuration is written");
        let config = config.to_str().expect("a path in UTF-8");
        Self::start_with(&data.join("data"), "127.0.0.1:0", &["--config", config])
    }

    /// A token for everything in the registry that was started so.
    pub fn token(data: &Path, account: &str) -> String {
        let mut command = Command::new(super::program("WARGATE_BIN"));
        command
            .args(["token", "create", account, "--allow", "*:*", "--json", "--data"])
            .arg(data.join("data"));
        let output = command.stdin(Stdio::null()).output().expect("wargate runs");
        let said = String::from_utf8_lossy(&output.stdout);
        let token = said.split('"').find(|word| word.starts_with("wgt_"));
        token.unwrap_or_else(|| panic!("no token in: {said}")).to_owned()
    }

    /// Kills the server as a power cut would (SIGKILL) and starts it again on the same data and port.
    pub fn crash_and_restart(self, data: &Path) -> Self {
        self.crash_and_restart_with(data, &[])
    }

    /// The same with more arguments.
    pub fn crash_and_restart_with(self, data: &Path, args: &[&str]) -> Self {
        let address = self.url.strip_prefix("http://").expect("an http URL").to_owned();
        drop(self);
        Self::start_with(data, &address, args)
    }

    /// `http://HOST:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs `wargate verify` on a release, keeping trust in `state`; panics unless everything holds.
    pub fn verifies(&self, state: &Path, release: &str) {
        let mut command = Command::new(super::program("WARGATE_BIN"));
        command.args(["verify", release, "--registry", &self.url]).env("WARGATE_STATE", state);
        let output = command.stdin(Stdio::null()).output().expect("wargate runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{release} does not verify: {said}");
    }

    fn start_at(data: &Path, address: &str) -> Self {
        Self::start_with(data, address, &[])
    }

    fn start_with(data: &Path, address: &str, args: &[&str]) -> Self {
        let mut command = Command::new(super::program("WARGATE_BIN"));
        command.args(["serve", "--listen", address, "--data"]).arg(data).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the server starts");
        let output = BufReader::new(process.stdout.take().expect("its stdout is piped"));
        let (tell, told) = std::sync::mpsc::channel();
        // Reads to the end, so that the server never waits for someone to read what it prints.
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some(url) = line.trim().strip_prefix(READY) {
                    // Nobody listens after the first.
                    let _ = tell.send(url.to_owned());
                }
            }
        });
        let told = told.recv_timeout(START_MAX);
        // Made first, so that the process is killed also where the address is missing.
        let server = Self { process, url: told.clone().unwrap_or_default() };
        assert!(told.is_ok(), "the server did not say `{READY}…` within {START_MAX:?}, or ended before");
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGKILL; it fails only where the process has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
