//! Opens the folder of a backup as an operator would after a power cut: it is restored, or refused with words.

use std::path::{Path, PathBuf};

use serde_json::Value;
use wargate_core::checkpoint::{Checkpoint, peek_note};

use super::check::{check, fsck, run};
use super::commands::{Ran, forget};
use super::facts::Facts;
use super::trace::Micros;

/// Backups of one registry into one folder, one after the other.
#[derive(Debug)]
pub(crate) struct Backups {
    /// The registry's folder, as it was in the end.
    pub(crate) data: PathBuf,
    /// What clients were told, before, between and during the backups.
    pub(crate) facts: Facts,
    pub(crate) runs: Vec<Ran>,
}

impl Ran {
    /// Whether a backup said that it ends with this checkpoint.
    fn told(&self, checkpoint: &Checkpoint) -> bool {
        self.printed.starts_with(&said(checkpoint))
    }
}

fn said(checkpoint: &Checkpoint) -> String {
    format!("backed up tree size {}, root {}:", checkpoint.size, checkpoint.root)
}

impl Backups {
    /// Checks an image; how many things were looked for.
    pub(crate) async fn check(&self, image: &Path, until: Micros) -> Result<usize, String> {
        let acknowledged = self.runs.iter().rposition(|run| run.ended.is_some_and(|at| at <= until));
        let place = image.with_extension("restored");
        let checked = match (restore(image, &place).await?, acknowledged) {
            (Ok(_), _) => self.check_restored(image, &place, acknowledged, until).await?,
            (Err(_), None) => 0,
            (Err(why), Some(_)) => {
                return Err(format!("a backup had been acknowledged, and is refused: {why}"));
            }
        };
        if place.exists() {
            forget(&place);
        }
        self.goes_on(image, &place).await?;
        Ok(checked)
    }

    /// What came back is whole, is what the backup's record says, and holds all that was told before it began.
    async fn check_restored(
        &self,
        image: &Path,
        place: &Path,
        acknowledged: Option<usize>,
        until: Micros,
    ) -> Result<usize, String> {
        fsck(place).await?;
        let checkpoint = checkpoint_of(place)?;
        is_of_backup(image, &checkpoint)?;
        let begun: Vec<&Ran> = self.runs.iter().filter(|run| run.began <= until).collect();
        let told = begun.iter().rposition(|run| run.told(&checkpoint));
        // One that was killed said nothing.
        let number = told.or_else(|| begun.iter().rposition(|run| run.ended.is_none()));
        let Some(run) = number.filter(|_| number >= acknowledged).map(|number| begun[number]) else {
            return Err(format!("backup {acknowledged:?} had been acknowledged, this is {number:?}"));
        };
        has_keys(&self.data, place)?;
        Ok(1 + check(place, &self.facts, run.began).await?)
    }

    /// The next backup, for which nobody asks to have the keys in it, is made into the image and restored.
    async fn goes_on(&self, image: &Path, place: &Path) -> Result<(), String> {
        let next = ["backup", "--data", self.data.to_str().unwrap(), "--to"];
        let next = run(&[&next[..], &[image.to_str().unwrap()]].concat()).await?;
        next.map_err(|why| format!("the next backup is refused: {why}"))?;
        restore(image, place).await?.map_err(|why| format!("the next backup cannot be restored: {why}"))?;
        fsck(place).await?;
        if checkpoint_of(place)? != checkpoint_of(&self.data)? {
            return Err("the next backup is of another checkpoint".to_owned());
        }
        forget(place);
        Ok(())
    }
}

/// Restores a backup, whose owner takes the risk; what was printed, or the words of a refusal.
async fn restore(from: &Path, to: &Path) -> Result<Result<String, String>, String> {
    let (from, to) = (from.to_str().unwrap(), to.to_str().unwrap());
    run(&["restore", "--accept-fork-risk", "--from", from, "--data", to]).await
}

/// The issued checkpoint of a data folder.
pub(crate) fn checkpoint_of(data: &Path) -> Result<Checkpoint, String> {
    let note = std::fs::read_to_string(data.join("objects/log/checkpoint"));
    let note = note.map_err(|error| format!("the checkpoint: {error}"))?;
    Ok(peek_note(&note).map_err(|error| error.to_string())?.1)
}

/// Whether a checkpoint is the one that a backup's record names.
pub(crate) fn is_of_backup(backup: &Path, checkpoint: &Checkpoint) -> Result<(), String> {
    let record = std::fs::read_to_string(backup.join("backup.json")).map_err(|error| error.to_string())?;
    let record: Value = serde_json::from_str(&record).map_err(|error| error.to_string())?;
    let named = (record["size"].as_u64(), record["root"].as_str(), record["mapRoot"].as_str());
    let (root, map_root) = (checkpoint.root.to_string(), checkpoint.map_root.to_string());
    if named == (Some(checkpoint.size), Some(root.as_str()), Some(map_root.as_str())) {
        return Ok(());
    }
    Err(format!("the backup's record names {named:?}, what came back has {checkpoint:?}"))
}

/// Whether a folder has a registry's keys.
pub(crate) fn has_keys(data: &Path, place: &Path) -> Result<(), String> {
    for key in std::fs::read_dir(data.join("keys")).unwrap().map(Result::unwrap) {
        let found = std::fs::read(place.join("keys").join(key.file_name())).ok();
        if found != std::fs::read(key.path()).ok() {
            return Err(format!("the key {} did not come back", key.file_name().display()));
        }
    }
    Ok(())
}
