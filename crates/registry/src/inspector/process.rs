//! One child process as its parent has it: started, greeted, asked, ended.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::BufReader;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::child::{Answer, greeting};
use super::frame::{self, ANSWER_BYTES_MAX};
use super::{Excess, InspectError};

/// Answers up to this many bytes are read where they come in; longer ones would hold up others.
const READ_INLINE_BYTES_MAX: usize = 64 << 10;

/// The program that inspects, `wargate inspect` for one: it runs [`serve_child`](super::serve_child) on its
/// standard input and output, after it has bounded its own memory.
#[derive(Debug, Clone)]
pub struct Program {
    /// Where it is. Absolute, since a child has no `PATH`.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

impl Program {
    /// A program with its arguments.
    pub fn new<A: Into<OsString>>(path: impl Into<PathBuf>, args: impl IntoIterator<Item = A>) -> Self {
        Self { path: path.into(), args: args.into_iter().map(Into::into).collect() }
    }

    /// Starts it. It gets nothing from the registry but two pipes: no environment, no descriptors, and no signals
    /// of the registry's terminal, which would make a file in work seem too costly.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command
            .args(&self.args)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        command
    }
}

/// A running child. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    inspections: u32,
}

impl Process {
    /// Starts a child and waits until it says that it is one.
    pub(super) async fn start(program: &Program, time_max: Duration) -> Result<Self, InspectError> {
        let named = program.path.display();
        let mut child = program
            .command()
            .spawn()
            .map_err(|error| InspectError::failed("start an inspector", format!("{named}: {error}")))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(InspectError::failed("start an inspector", "it has no pipes"));
        };
        let mut output = BufReader::new(output);
        let expected = greeting();
        let bytes_max = u32::try_from(expected.len() * 2).unwrap_or(u32::MAX);
        let failed = |what: &str| InspectError::failed("start an inspector", format!("`{named}` {what}"));
        match timeout(time_max, frame::receive(&mut output, bytes_max)).await {
            Ok(Ok(said)) if said == expected.as_bytes() => {}
            Ok(Ok(_)) => return Err(failed("is of another release")),
            Ok(Err(_)) => return Err(failed("is no inspector, or ended at once")),
            Err(_) => return Err(failed("says nothing")),
        }
        if !output.buffer().is_empty() {
            return Err(failed("says more than it was asked"));
        }
        Ok(Self { child, input, output, inspections: 0 })
    }

    /// Whether it still runs, as far as can be told without asking it.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// How many files it has inspected.
    pub(super) fn inspections(&self) -> u32 {
        self.inspections
    }

    /// Has it inspect one file. After an error, and if the future is dropped, it is of no more use.
    pub(super) async fn ask(&mut self, content: &[u8], time_max: Duration) -> Result<Answer, Excess> {
        self.inspections += 1;
        let asking = async {
            frame::send(&mut self.input, content).await?;
            frame::receive(&mut self.output, ANSWER_BYTES_MAX).await
        };
        let max_ms = u64::try_from(time_max.as_millis()).unwrap_or(u64::MAX);
        let answered = timeout(time_max, asking).await.map_err(|_| Excess::Time { max_ms })?;
        let answer = answered.map_err(|error| broken(&error))?;
        // What it said too much would be taken for its next answer. A child of ours never does.
        if !self.output.buffer().is_empty() {
            return Err(Excess::Ended);
        }
        if answer.len() <= READ_INLINE_BYTES_MAX {
            return serde_json::from_slice(&answer).map_err(|error| broken(&error));
        }
        let read = spawn_blocking(move || serde_json::from_slice(&answer)).await;
        read.map_err(|error| broken(&error))?.map_err(|error| broken(&error))
    }

    /// Kills it and waits until it is gone, with the memory it had.
    pub(super) async fn end(mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::warn!(%error, "couldn't end an inspector");
        }
    }
}

fn broken(error: &dyn std::error::Error) -> Excess {
    tracing::warn!(error = %error, "an inspector ended, or did not answer as one");
    Excess::Ended
}
