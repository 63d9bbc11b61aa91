//! What is looked for when the time is over: everything that was acknowledged, and the same in the last backup.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::{INTO_BACKUP_MS_MAX, SETTLES, Soak};
use crate::run;

/// Releases that are verified as a stranger would, of a registry that was restored.
const VERIFIED_AT_THE_END: u64 = 20;

impl Soak {
    /// Everything is looked for, also in what the last backup gives. Whether memory was judged: a short run cannot.
    pub(super) fn last_checks(&mut self) -> Result<bool> {
        self.backups.wait(&mut self.chance)?;
        let (server, root) = self.start(&self.data())?;
        let lines = self.lines()?.len();
        println!("{lines} acknowledged records and pushes over {} kills are looked for", self.kills);
        ensure!(lines > 0, "nothing was acknowledged: the load was no load");
        self.check(&server, &self.list())?;
        self.verify_one(&root)?;
        self.end(server, true)?;
        let data = self.data();
        let stopped = Instant::now();
        self.keepers.fsck_whole(&data)?;
        std::thread::sleep(SETTLES.saturating_sub(stopped.elapsed()));
        self.keepers.gc(&data)?;
        self.keepers.fsck_whole(&data)?;
        self.tell_disk()?;
        self.check_restored()?;
        println!(
            "{} lives, {} ended by kill -9; {lines} acknowledged, {} reads",
            self.lives, self.kills, self.reads
        );
        println!("{}", self.backups.told());
        println!("{}", self.keepers.told());
        self.memory.judge()
    }

    /// What the folder takes for a record, beside the layers that were pushed.
    fn tell_disk(&self) -> Result<()> {
        let lines = self.lines()?;
        let layers: u64 = lines
            .iter()
            .filter_map(|line| line.strip_prefix("oci ")?.split(' ').nth(2))
            .filter_map(|bytes| bytes.parse::<u64>().ok())
            .sum();
        let ledger = self.data().join("ledger.sqlite").metadata()?.len();
        let output = Command::new("du").args(["-sk"]).arg(self.data()).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let kib: u64 = text.split_whitespace().next().context("du says nothing")?.parse()?;
        let each = (kib * 1024).saturating_sub(layers) / lines.len().max(1) as u64;
        println!(
            "disk: {} MiB, of that the ledger {} MiB and pushed layers {} MiB; without layers {each} bytes a record",
            kib / 1024,
            ledger >> 20,
            layers >> 20
        );
        Ok(())
    }

    /// Restores the last whole backup after another one was killed, and looks for what had been acknowledged before.
    fn check_restored(&mut self) -> Result<()> {
        self.backups.begin(&mut self.chance, 0)?;
        std::thread::sleep(Duration::from_millis(self.chance.below(INTO_BACKUP_MS_MAX)));
        self.backups.kill(&mut self.chance)?;
        let held = self.backups.held().context("no backup came to its end: soak for longer")?;
        let lines = self.lines()?;
        let list = self.folder.join("backed-up");
        std::fs::write(&list, lines[..held].join("\n"))?;
        let data = self.folder.join("restored");
        println!("{held} of them were acknowledged before the last whole backup and are looked for in it");
        self.keepers.restore(self.backups.folder(), &self.data().join("keys"), &data)?;
        self.keepers.fsck_whole(&data)?;
        self.keepers.accept_fork_risk(&data)?;
        let (server, root) = self.start(&data)?;
        self.check(&server, &list)?;
        let releases = releases(&lines[..held]);
        let picked: Vec<usize> = (0..VERIFIED_AT_THE_END)
            .map(|_| Ok(usize::try_from(self.chance.below(releases.len().max(1) as u64))?))
            .collect::<Result<_>>()?;
        let stranger = Stranger { soak: &*self, home: self.folder.join("stranger") };
        stranger.pin(&root)?;
        for release in picked.into_iter().filter_map(|at| releases.get(at)) {
            stranger.verify(release)?;
        }
        self.end(server, true)?;
        self.keepers.fsck_whole(&data)
    }
}

/// Somebody with a memory of their own, who trusts what they pinned.
pub(super) struct Stranger<'a> {
    pub(super) soak: &'a Soak,
    pub(super) home: PathBuf,
}

impl Stranger<'_> {
    pub(super) fn pin(&self, root: &str) -> Result<()> {
        self.run(&["trust", "add", &self.url(), "--root", root])
    }

    pub(super) fn verify(&self, release: &str) -> Result<()> {
        self.run(&["verify", release, "--registry", &self.url()])
    }

    fn url(&self) -> String {
        format!("http://{}", self.soak.address())
    }

    fn run(&self, words: &[&str]) -> Result<()> {
        let mut command = Command::new(&self.soak.wargate);
        command.env("HOME", &self.home).env("WARGATE_STATE", self.home.join("state"));
        run::must(command.args(words).stdout(Stdio::null()))
    }
}

/// The releases among the lines of a list.
pub(super) fn releases(lines: &[String]) -> Vec<String> {
    let release = |line: &String| Some(format!("{}@1.0.0", line.strip_prefix("warg ")?.split(' ').nth(2)?));
    lines.iter().filter_map(release).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_releases_of_the_list_are_verified() {
        let lines = ["warg log record load:a-b", "oci b 12 16384"].map(str::to_owned);
        assert_eq!(releases(&lines), ["load:a-b@1.0.0"]);
    }
}
