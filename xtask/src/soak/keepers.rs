//! The commands that keep a folder whose server is stopped, and what they did: `gc`, `fsck`, `restore`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

/// One `fsck` in so many looks at everything, the others at a part.
const WHOLE_EVERY: u64 = 4;

/// The part, in percent.
const SAMPLE_PERCENT: &str = "10";

/// The program, and what its commands did so far.
pub(super) struct Keepers {
    wargate: PathBuf,
    /// The configuration that the server runs with: it says what is garbage.
    config: PathBuf,
    gc_rounds: u64,
    removed: Removed,
    sampled: u64,
    whole: u64,
    /// How long the last whole one took, and all together.
    whole_took: Duration,
    fsck_took: Duration,
}

impl Keepers {
    pub(super) fn new(wargate: PathBuf, config: PathBuf) -> Self {
        Self {
            wargate,
            config,
            gc_rounds: 0,
            removed: Removed::default(),
            sampled: 0,
            whole: 0,
            whole_took: Duration::ZERO,
            fsck_took: Duration::ZERO,
        }
    }

    /// Removes garbage.
    pub(super) fn gc(&mut self, data: &Path) -> Result<()> {
        let said = self.must(&["gc".as_ref(), "--config".as_ref(), self.config.as_ref()], data)?;
        let removed = Removed::read(&said).with_context(|| format!("`wargate gc` said `{said}`"))?;
        self.gc_rounds += 1;
        self.removed.count += removed.count;
        self.removed.bytes += removed.bytes;
        Ok(())
    }

    /// Looks whether a part is whole, and every few times everything.
    pub(super) fn fsck(&mut self, data: &Path) -> Result<()> {
        if (self.whole + self.sampled).is_multiple_of(WHOLE_EVERY) {
            return self.fsck_whole(data);
        }
        let start = Instant::now();
        let said = self.must(&["fsck", "--sample", SAMPLE_PERCENT].map(OsStr::new), data)?;
        self.fsck_took += start.elapsed();
        ensure!(is_clean(&said), "`wargate fsck` ended well, but said `{said}`");
        self.sampled += 1;
        Ok(())
    }

    /// Looks whether everything is whole.
    pub(super) fn fsck_whole(&mut self, data: &Path) -> Result<()> {
        let start = Instant::now();
        let said = self.must(&["fsck".as_ref()], data)?;
        ensure!(is_clean(&said), "`wargate fsck` ended well, but said `{said}`");
        self.whole += 1;
        self.whole_took = start.elapsed();
        self.fsck_took += self.whole_took;
        Ok(())
    }

    /// How long `fsck` took so far.
    pub(super) fn fsck_took(&self) -> Duration {
        self.fsck_took
    }

    /// Makes `data` from a backup, with the keys that its owner kept elsewhere. Nothing is served from it yet.
    pub(super) fn restore(&self, backup: &Path, keys: &Path, data: &Path) -> Result<()> {
        self.must(&["restore".as_ref(), "--from".as_ref(), backup.as_ref()], data)?;
        let keys_of_data = data.join("keys");
        std::fs::create_dir_all(&keys_of_data)?;
        for key in std::fs::read_dir(keys)? {
            let key = key?;
            std::fs::copy(key.path(), keys_of_data.join(key.file_name()))?;
        }
        Ok(())
    }

    /// Says that nobody saw anything newer than the backup that `data` was made from.
    pub(super) fn accept_fork_risk(&self, data: &Path) -> Result<()> {
        self.must(&["restore", "--accept-fork-risk"].map(OsStr::new), data).map(drop)
    }

    /// What was done, for a person.
    pub(super) fn told(&self) -> String {
        format!(
            "{} rounds of gc by command removed {} things ({} KiB); fsck looked at everything {} times (the last took \
             {:.1} s) and at {SAMPLE_PERCENT} percent {} times, always clean",
            self.gc_rounds,
            self.removed.count,
            self.removed.bytes / 1024,
            self.whole,
            self.whole_took.as_secs_f64(),
            self.sampled,
        )
    }

    /// Runs a command on a folder; what it said if it ended well.
    fn must(&self, words: &[&OsStr], data: &Path) -> Result<String> {
        let name = words.first().map(|word| word.to_string_lossy()).unwrap_or_default();
        let mut command = Command::new(&self.wargate);
        command.args(words).arg("--data").arg(data).stdin(Stdio::null());
        let output = command.output().with_context(|| format!("start `wargate {name}`"))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success(),
            "`wargate {name}` on {} ended with {}:\n{said}{}",
            data.display(),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(said)
    }
}

/// What was removed, and its bytes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Removed {
    count: u64,
    bytes: u64,
}

impl Removed {
    /// Reads `all together 5 (4096 bytes); …`.
    fn read(said: &str) -> Option<Self> {
        let rest = said.lines().find_map(|line| line.strip_prefix("all together "))?;
        let (count, rest) = rest.split_once(" (")?;
        let (bytes, _) = rest.split_once(" bytes)")?;
        Some(Self { count: count.parse().ok()?, bytes: bytes.parse().ok()? })
    }
}

/// Whether `fsck` found nothing; a note may stand beside.
fn is_clean(said: &str) -> bool {
    said.lines().eq(["clean"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_commands_say_is_read() {
        let said = "removed 2 map segments (10 bytes)\nall together 12 (345 bytes); the ledger has 6 bytes\n";
        assert_eq!(Removed::read(said), Some(Removed { count: 12, bytes: 345 }));
        assert_eq!(Removed::read("nothing to remove\n"), None);
        for (said, clean) in
            [("clean\n", true), ("", false), ("row 5 is damaged\n", false), ("not clean\n", false)]
        {
            assert_eq!(is_clean(said), clean, "{said}");
        }
    }
}
