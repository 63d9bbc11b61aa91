//! `cargo xtask soak`: a release build under load for a long time, killed at random moments.
//!
//! It publishes through both doors, reads back, makes backups, and kills or stops the server at random, also while a
//! backup runs; after each start a part of what was acknowledged is looked for and a release is verified as a stranger
//! would; on the stopped folder run `fsck` and, sometimes, `gc`. At the end all that was ever acknowledged must be
//! there, what had been acknowledged before the last backup must be in what is restored from it, and memory must be flat.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{checkout, run};

mod backups;
mod chance;
mod keepers;
mod last;
mod memory;

use backups::Backups;
use chance::Chance;
use keepers::Keepers;
use last::{Stranger, releases};
use memory::Memory;

/// How long it takes unless the command says.
pub(crate) const MINUTES_DEFAULT: u64 = 60;

/// Records, pushes and reads a second: enough to be work, few enough for an hour's disk.
const PER_SECOND: &str = "150";

/// How long a life of the server lasts, in seconds.
const LIFE_SECONDS: std::ops::Range<u64> = 15..75;

/// One life in so many is long: the server itself removes garbage, its caches fill, and memory shows its trend.
const LONG_EVERY: u64 = 20;
const LONG_LIFE_SECONDS: std::ops::Range<u64> = 900..1000;

/// One life in so many ends in order and not by `kill -9`.
const ORDERLY_EVERY: u64 = 3;

/// In one life of so many a backup runs when the server ends, for up to so many ms already.
const ENDS_IN_BACKUP_EVERY: u64 = 2;
const INTO_BACKUP_MS_MAX: u64 = 1500;

/// After one life in so many garbage is removed by command.
const GC_EVERY: u64 = 6;

/// What was replaced stays this long for readers of an older checkpoint, and a little longer: `gc` finds nothing before.
const SETTLES: Duration = Duration::from_secs(62);

/// `fsck` takes longer as the log grows. After a life it is left out while it had more than this share of the time.
const FSCK_SHARE_MAX: f64 = 0.25;

/// What the registry is told: an old map is garbage at once, as if the registry ran for longer than a day.
const CONFIG: &str = "map_retention_hours = 0\n";

/// Lines of the list that are looked for after each start: of the last ones, which the kill may have hit.
const CHECKED_AFTER_START: usize = 500;

/// How long a start, and an end in order, may take.
const START_MAX: Duration = Duration::from_secs(60);
const END_MAX: Duration = Duration::from_secs(60);

/// How long the load may go on after its server is gone.
const LOAD_END_MAX: Duration = Duration::from_secs(30);

/// Runs for so many minutes.
pub(crate) fn soak(minutes: u64) -> Result<()> {
    run::must(&mut run::cargo(&[
        "build",
        "--release",
        "--locked",
        "-p",
        "wargate-cli",
        "-p",
        "wargate-load",
    ]))?;
    let mut soak = Soak::new(minutes)?;
    println!("{minutes} minutes, seed {}, in {}", std::process::id(), soak.folder.display());
    while Instant::now() < soak.end {
        soak.live()?;
    }
    let memory = if soak.last_checks()? { "is flat" } else { "was NOT judged" };
    std::fs::remove_dir_all(&soak.folder).context("could not remove the soak's folder")?;
    println!("soak: all is there, all is whole, and memory {memory}");
    Ok(())
}

/// The whole run. Its folder stays where something failed.
struct Soak {
    wargate: PathBuf,
    load: PathBuf,
    folder: PathBuf,
    port: u16,
    start: Instant,
    end: Instant,
    chance: Chance,
    lives: u64,
    kills: u64,
    reads: u64,
    memory: Memory,
    backups: Backups,
    keepers: Keepers,
    /// Minutes and records that the last line told.
    told: (u64, usize),
}

impl Soak {
    fn new(minutes: u64) -> Result<Self> {
        let folder = checkout::cache()?.join(format!("soak-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let target = checkout::target().join("release");
        let start = Instant::now();
        // Copies: whoever builds meanwhile changes nothing.
        let (wargate, load) = (folder.join("wargate"), folder.join("wargate-load"));
        std::fs::copy(target.join("wargate"), &wargate).context("no program was built")?;
        std::fs::copy(target.join("wargate-load"), &load).context("no load program was built")?;
        let config = folder.join("config.toml");
        std::fs::write(&config, CONFIG)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        Ok(Self {
            load,
            backups: Backups::new(wargate.clone(), folder.join("data"), &folder),
            keepers: Keepers::new(wargate.clone(), config),
            wargate,
            folder,
            port,
            start,
            end: start + Duration::from_secs(60 * minutes),
            chance: Chance::new(u64::from(std::process::id())),
            lives: 0,
            kills: 0,
            reads: 0,
            memory: Memory::default(),
            told: (0, 0),
        })
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn list(&self) -> PathBuf {
        self.folder.join("acknowledged")
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts the server, checks it, loads it for a random time, ends it, and keeps its folder.
    fn live(&mut self) -> Result<()> {
        self.lives += 1;
        let (mut server, root) = self.start(&self.data())?;
        let born = Instant::now();
        self.check_last(&server)?;
        self.verify_one(&root)?;
        let life = self.life();
        let mut load = self.start_load(life)?;
        while born.elapsed() < life {
            std::thread::sleep(Duration::from_secs(1).min(life.saturating_sub(born.elapsed())));
            ensure!(server.try_wait()?.is_none(), "the server ended by itself: see {}", self.log().display());
            if let Some(status) = load.try_wait()? {
                ensure!(status.success(), "the load found something wrong: {status}");
            }
            self.memory.sample(self.start.elapsed(), born.elapsed(), server.id(), &self.address())?;
            let list = self.list();
            self.backups.tick(&mut self.chance, || acknowledged(&list))?;
            self.tell_minute()?;
        }
        self.memory.end_life();
        self.end_life(server)?;
        wait(&mut load, LOAD_END_MAX, "the load")?;
        self.reads += reads(&mut load)?;
        self.keep()
    }

    /// How long the next life lasts.
    fn life(&mut self) -> Duration {
        let is_long = self.lives % LONG_EVERY == LONG_EVERY / 4;
        let seconds = self.chance.within(if is_long { &LONG_LIFE_SECONDS } else { &LIFE_SECONDS });
        let left = self.end.saturating_duration_since(Instant::now()).as_secs().max(LIFE_SECONDS.start);
        Duration::from_secs(seconds.min(left)) + Duration::from_millis(self.chance.below(1000))
    }

    /// Ends the server, often while a backup runs, which then may be killed too or goes on.
    fn end_life(&mut self, server: Ended) -> Result<()> {
        if !self.backups.is_running() && self.chance.below(ENDS_IN_BACKUP_EVERY) == 0 {
            let acknowledged = acknowledged(&self.list())?;
            self.backups.begin(&mut self.chance, acknowledged)?;
            std::thread::sleep(Duration::from_millis(self.chance.below(INTO_BACKUP_MS_MAX)));
        }
        let is_orderly = self.chance.below(ORDERLY_EVERY) == 0;
        self.backups.look(&mut self.chance)?;
        let in_backup = self.backups.is_running();
        self.end(server, is_orderly)?;
        if in_backup {
            self.backups.server_ended(is_orderly, &mut self.chance)?;
        }
        Ok(())
    }

    /// Runs the commands on the stopped folder. A backup may run beside `fsck`, and on when the server is back.
    fn keep(&mut self) -> Result<()> {
        let (data, stopped) = (self.data(), Instant::now());
        let removes = self.lives % GC_EVERY == 1;
        let spent = self.keepers.fsck_took().as_secs_f64() / self.start.elapsed().as_secs_f64();
        if !removes && spent < FSCK_SHARE_MAX {
            return self.keepers.fsck(&data);
        }
        if removes {
            self.backups.wait(&mut self.chance)?;
            std::thread::sleep(SETTLES.saturating_sub(stopped.elapsed()));
            self.keepers.gc(&data)?;
            self.keepers.fsck(&data)?;
        }
        Ok(())
    }

    fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    /// The server and its root's id, once it listens.
    fn start(&self, data: &Path) -> Result<(Ended, String)> {
        let log = std::fs::File::options().create(true).append(true).open(self.log())?;
        let mut command = Command::new(&self.wargate);
        command.args(["serve", "--listen", &self.address(), "--config"]).arg(self.folder.join("config.toml"));
        command.arg("--data").arg(data);
        command.env("RUST_LOG", "warn").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut server = Ended(command.spawn().context("start the server")?);
        let (tell, told) = std::sync::mpsc::channel();
        let output = server.0.stdout.take().context("its output")?;
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some((_, root)) = line.split_once(" --root ") {
                    // It fails only where nobody waits any more.
                    let _ = tell.send(root.to_owned());
                }
            }
        });
        let root = told
            .recv_timeout(START_MAX)
            .with_context(|| format!("the server does not start: see {}", self.log().display()))?;
        Ok((server, root))
    }

    fn start_load(&self, life: Duration) -> Result<Ended> {
        let mut command = Command::new(&self.load);
        // Longer than the life: the load sees the end.
        let seconds = (life.as_secs() + 600).to_string();
        command.args(["soak", "--server", &self.address(), "--run", &letters(self.lives)]);
        command.args(["--seconds", &seconds, "--per-second", PER_SECOND, "--acknowledged"]).arg(self.list());
        Ok(Ended(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("start the load")?))
    }

    fn end(&mut self, mut server: Ended, is_orderly: bool) -> Result<()> {
        if !is_orderly {
            self.kills += 1;
            server.0.kill()?;
            server.0.wait()?;
            return Ok(());
        }
        run::must(Command::new("kill").arg(server.id().to_string()))?;
        wait(&mut server, END_MAX, "the server, told to end,")
    }

    /// What was acknowledged last before the end is there.
    fn check_last(&self, server: &Ended) -> Result<()> {
        let lines = self.lines()?;
        let sample = self.folder.join("sample");
        std::fs::write(&sample, lines[lines.len().saturating_sub(CHECKED_AFTER_START)..].join("\n"))?;
        self.check(server, &sample)
    }

    fn check(&self, server: &Ended, list: &Path) -> Result<()> {
        let mut command = Command::new(&self.load);
        command.args(["check", "--server", &self.address(), "--pid", &server.id().to_string()]);
        command.args(["--connections", "8", "--acknowledged"]).arg(list).stdout(Stdio::null());
        run::must(&mut command).context("something that was acknowledged is not there")
    }

    fn lines(&self) -> Result<Vec<String>> {
        match std::fs::read_to_string(self.list()) {
            Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error).context("the list"),
        }
    }

    /// Verifies a release as somebody who pinned the registry when it began.
    fn verify_one(&mut self, root: &str) -> Result<()> {
        let stranger = Stranger { soak: &*self, home: self.folder.clone() };
        if self.lives == 1 {
            stranger.pin(root)?;
        }
        let releases = releases(&self.lines()?);
        if releases.is_empty() {
            return Ok(());
        }
        let at = usize::try_from(self.chance.below(releases.len() as u64))?;
        Stranger { soak: &*self, home: self.folder.clone() }.verify(&releases[at])
    }

    /// Prints a line when another minute is over.
    fn tell_minute(&mut self) -> Result<()> {
        let minute = self.start.elapsed().as_secs() / 60;
        if minute > self.told.0 {
            let records = self.lines()?.len();
            let rate = (records - self.told.1) as f64 / (60 * (minute - self.told.0)) as f64;
            println!(
                "minute {minute}: {records} acknowledged, {rate:.0}/s, RSS {} MiB, {} kills, {} starts, {} backups",
                self.memory.last_mib(),
                self.kills,
                self.lives,
                self.backups.done,
            );
            self.told = (minute, records);
        }
        Ok(())
    }
}

/// How many whole lines a list has: the last one may be in the middle of being written.
fn acknowledged(list: &Path) -> Result<usize> {
    match std::fs::read(list) {
        Ok(text) => Ok(text.iter().filter(|byte| **byte == b'\n').count()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error).context("the list"),
    }
}

/// What the load read back, by its last line.
fn reads(load: &mut Ended) -> Result<u64> {
    let mut said = String::new();
    load.0.stdout.take().context("the load's output")?.read_to_string(&mut said)?;
    number_of(&said, "reads").with_context(|| format!("the load said `{said}`"))
}

/// The number that JSON has under a key.
fn number_of(json: &str, key: &str) -> Option<u64> {
    let (_, rest) = json.split_once(&format!("\"{key}\":"))?;
    rest.trim_start().split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// A child that is killed when dropped, so that a failed run leaves nothing behind.
struct Ended(Child);

impl Ended {
    fn id(&self) -> u32 {
        self.0.id()
    }

    fn try_wait(&mut self) -> Result<Option<std::process::ExitStatus>> {
        Ok(self.0.try_wait()?)
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        // It fails only where the process has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for a child that must end well, and in time.
fn wait(child: &mut Ended, most: Duration, what: &str) -> Result<()> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "{what} ended with {status}");
            return Ok(());
        }
        if start.elapsed() > most {
            bail!("{what} did not end within {most:?}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// 1 -> `b`, 27 -> `ch`: a name without digits.
fn letters(number: u64) -> String {
    number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_load_says_is_read() {
        let said = "{\"acknowledged\":12,\"busy\":0,\"reads\":345}\n";
        for (key, expected) in [("acknowledged", Some(12)), ("reads", Some(345)), ("other", None)] {
            assert_eq!(number_of(said, key), expected, "{key}");
        }
        assert_eq!(letters(107), "bah");
    }
}
