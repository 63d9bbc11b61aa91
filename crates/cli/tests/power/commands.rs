//! Commands that run to their end, or are killed, one after another on one folder, under the recorder.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::facts::{Facts, now};
use super::model::Model;
use super::record::{EXITED, KILLED, Recording, read, recorder};
use super::support::{text, wargate_under};
use super::trace::{Act, Micros};

/// How often the recorder's file is looked at for the moment of a kill, and for how long.
const LOOK: Duration = Duration::from_millis(2);
const KILL_MAX: Duration = Duration::from_secs(60);

/// The folder that the commands work on, and what they did to it.
pub(crate) struct Commands<'a> {
    scratch: &'a Path,
    folder: PathBuf,
    before: PathBuf,
    model: Model,
    acts: Vec<(Micros, Act)>,
    runs: usize,
}

/// A command that ran.
#[derive(Debug, Clone)]
pub(crate) struct Ran {
    pub(crate) began: Micros,
    /// When somebody knew that it had done its work; never if it was killed.
    pub(crate) ended: Option<Micros>,
    pub(crate) printed: String,
}

/// When a command is killed: its syncs are slow, and a file of this folder has just got its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kill {
    pub(crate) folder: &'static str,
}

impl Kill {
    fn is_due(self, trace: &Path) -> bool {
        // The recorder writes all text as numbers.
        let hex: String = self.folder.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
        let text = std::fs::read_to_string(trace).unwrap_or_default();
        text.lines().any(|line| line.contains("rename(") && line.contains(&hex) && line.ends_with(" = 0"))
    }
}

impl<'a> Commands<'a> {
    /// Commands on a new folder of this name.
    pub(crate) fn on(scratch: &'a Path, name: &str) -> Self {
        let (folder, before) = (scratch.join(name), scratch.join(format!("{name}.before")));
        std::fs::create_dir(&folder).unwrap();
        std::fs::create_dir(&before).unwrap();
        Self { scratch, folder, before, model: Model::empty(), acts: Vec::new(), runs: 0 }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs a command, which may be killed; it must leave `spared` as it is.
    pub(crate) fn run(&mut self, args: &[&str], kill: Option<Kill>, spared: &Path) -> Result<Ran, String> {
        self.runs += 1;
        let name = self.folder.file_name().unwrap().to_str().unwrap();
        let trace = self.scratch.join(format!("{name}-{}.trace", self.runs));
        // Nearly all of its time is then spent in syncs, and it is killed in some.
        let inject = kill.map(|_| "fsync,fdatasync:delay_enter=60000");
        let words = recorder(&trace, inject);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let began = now();
        let mut command = wargate_under(&words, args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let process = child.id();
        if let Some(kill) = kill {
            let start = Instant::now();
            while !kill.is_due(&trace) && start.elapsed() < KILL_MAX {
                std::thread::sleep(LOOK);
            }
            child.kill().unwrap();
        }
        let output = child.wait_with_output().unwrap();
        let ended = output.status.success().then(now);
        if ended.is_none() == kill.is_none() {
            return Err(format!(
                "`wargate {}` ended with {}: {}",
                args[0],
                output.status,
                text(&output.stderr)
            ));
        }
        let end = if kill.is_some() { KILLED } else { EXITED };
        self.acts.extend(read(&trace, &self.folder, process, end)?);
        is_spared(&read(&trace, spared, process, end)?)?;
        Ok(Ran { began, ended, printed: text(&output.stdout) })
    }

    /// What all of them did.
    pub(crate) fn into_recording(self) -> Result<Recording, String> {
        Recording::of(self.before, self.model, &self.folder, self.acts, Facts::default())
    }
}

/// Whether acts on a folder leave it as it is. SQLite's readers meet in the `-shm` file, and open a `-wal` file that is
/// there as if to make it.
fn is_spared(acts: &[(Micros, Act)]) -> Result<(), String> {
    let changes = |act: &Act| match act {
        Act::Open { path, create, truncate, .. } => {
            let is_wal = path.to_string_lossy().ends_with("-wal");
            *truncate || (*create && !is_wal && !is_noise(path))
        }
        Act::Write { path, .. } | Act::Resize { path, .. } | Act::MapShared { path } => !is_noise(path),
        Act::Seek { .. } | Act::SyncBegins { .. } | Act::SyncEnds { .. } | Act::SyncSwallowed { .. } => false,
        Act::MakeFolder { .. } | Act::Rename { .. } | Act::Link { .. } | Act::Remove { .. } => true,
    };
    match acts.iter().find(|(_, act)| changes(act)) {
        None => Ok(()),
        Some((_, act)) => Err(format!("a folder that is only read is changed: {act:?}")),
    }
}

/// The lock of who copies is a file without anything in it.
fn is_noise(path: &Path) -> bool {
    Model::is_noise(&path.to_string_lossy()) || path == Path::new("copying")
}

/// Removes what was written to look at an image.
pub(crate) fn forget(folder: &Path) {
    std::fs::remove_dir_all(folder).unwrap();
    let _ = std::fs::remove_file(folder.with_extension("log"));
}
