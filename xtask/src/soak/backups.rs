//! Backups while the server serves: into one folder, again and again, some of them killed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::Ended;
use super::chance::Chance;

/// How long after the end of a backup the next one begins, in seconds.
const REST_SECONDS: std::ops::Range<u64> = 5..40;

/// One backup in so many is killed.
const KILLED_EVERY: u64 = 4;

/// So is one in so many of those that run when the server ends.
const KILLED_WITH_SERVER_EVERY: u64 = 2;

/// How long a backup may take.
const BACKUP_MAX: Duration = Duration::from_secs(10 * 60);

/// The backup's folder, what runs, and what ran.
pub(super) struct Backups {
    wargate: PathBuf,
    data: PathBuf,
    folder: PathBuf,
    log: PathBuf,
    running: Option<Running>,
    next: Instant,
    pub(super) done: u64,
    killed: u64,
    /// Backups that ran while the server was killed.
    outlived: u64,
    /// Of the last whole one: how many lines had been acknowledged before it began, and how long it took.
    last: Option<(usize, Duration)>,
}

struct Running {
    child: Ended,
    acknowledged: usize,
    since: Instant,
    killed_at: Option<Instant>,
}

impl Backups {
    pub(super) fn new(wargate: PathBuf, data: PathBuf, folder: &Path) -> Self {
        Self {
            wargate,
            data,
            folder: folder.join("backup"),
            log: folder.join("backup.log"),
            running: None,
            next: Instant::now() + Duration::from_secs(REST_SECONDS.start),
            done: 0,
            killed: 0,
            outlived: 0,
            last: None,
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// How many had been acknowledged before the last whole backup began.
    pub(super) fn held(&self) -> Option<usize> {
        self.last.map(|(acknowledged, _)| acknowledged)
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Looks after the one that runs, or begins the next when it is time. `acknowledged` counts what must be in it.
    pub(super) fn tick(
        &mut self,
        chance: &mut Chance,
        acknowledged: impl Fn() -> Result<usize>,
    ) -> Result<()> {
        if self.running.is_some() {
            self.look(chance)
        } else if Instant::now() >= self.next {
            self.begin(chance, acknowledged()?)
        } else {
            Ok(())
        }
    }

    /// Begins one.
    pub(super) fn begin(&mut self, chance: &mut Chance, acknowledged: usize) -> Result<()> {
        let log = std::fs::File::options().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(&self.wargate);
        command.arg("backup").arg("--data").arg(&self.data).arg("--to").arg(&self.folder);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = Ended(command.spawn().context("start `wargate backup`")?);
        // Somewhere within the time that the last one took.
        let took = self.last.map_or(Duration::from_secs(1), |(_, took)| took);
        let killed_at = (chance.below(KILLED_EVERY) == 0)
            .then(|| Instant::now() + took.mul_f64(chance.below(1000) as f64 / 1000.0));
        self.running = Some(Running { child, acknowledged, since: Instant::now(), killed_at });
        Ok(())
    }

    /// Looks after the one that runs: whether it came to its end, or is to be killed.
    pub(super) fn look(&mut self, chance: &mut Chance) -> Result<()> {
        let Some(running) = &mut self.running else { return Ok(()) };
        if let Some(status) = running.child.try_wait()? {
            ensure!(status.success(), "`wargate backup` ended with {status}: see {}", self.log.display());
            self.done += 1;
            self.last = Some((running.acknowledged, running.since.elapsed()));
        } else if running.killed_at.is_some_and(|at| at <= Instant::now()) {
            return self.kill(chance);
        } else {
            ensure!(running.since.elapsed() < BACKUP_MAX, "a backup takes longer than {BACKUP_MAX:?}");
            return Ok(());
        }
        self.rest(chance);
        Ok(())
    }

    /// The server ended while one ran: it is killed too, or must come to its end alone.
    pub(super) fn server_ended(&mut self, is_orderly: bool, chance: &mut Chance) -> Result<()> {
        self.outlived += u64::from(!is_orderly);
        if chance.below(KILLED_WITH_SERVER_EVERY) == 0 { self.kill(chance) } else { Ok(()) }
    }

    /// Kills the one that runs.
    pub(super) fn kill(&mut self, chance: &mut Chance) -> Result<()> {
        if let Some(mut running) = self.running.take() {
            running.child.0.kill()?;
            running.child.0.wait()?;
            self.killed += 1;
        }
        self.rest(chance);
        Ok(())
    }

    /// Lets the one that runs come to its end.
    pub(super) fn wait(&mut self, chance: &mut Chance) -> Result<()> {
        while self.running.is_some() {
            self.look(chance)?;
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn rest(&mut self, chance: &mut Chance) {
        self.running = None;
        self.next = Instant::now() + Duration::from_secs(chance.within(&REST_SECONDS));
    }

    /// What was done, for a person.
    pub(super) fn told(&self) -> String {
        format!(
            "{} backups, {} of them killed, {} ran while the server was killed; the last whole one took {:.1} s",
            self.done + self.killed,
            self.killed,
            self.outlived,
            self.last.map_or(0.0, |(_, took)| took.as_secs_f64())
        )
    }
}
