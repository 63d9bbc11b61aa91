//! Opens a folder into which a backup was being restored: it is whole, or nothing starts in it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::backups::{checkpoint_of, has_keys, is_of_backup};
use super::check::{check, fsck, run, serve_refuses};
use super::commands::Ran;
use super::facts::Facts;
use super::trace::Micros;

/// A backup that is restored, and its owner's word that it may go on, if that is said later.
#[derive(Debug)]
pub(crate) struct Restoring {
    pub(crate) backup: PathBuf,
    /// The registry's folder.
    pub(crate) data: PathBuf,
    /// What clients had been told before the backup began.
    pub(crate) facts: Facts,
    pub(crate) restore: Ran,
    pub(crate) accept: Option<Ran>,
    /// A backup is restored by one process at a time.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

impl Restoring {
    /// Checks an image; how many things were looked for.
    pub(crate) async fn check(&self, image: &Path, until: Micros) -> Result<usize, String> {
        let done = |ran: &Ran| ran.ended.is_some_and(|at| at <= until);
        let mark = std::fs::read_to_string(image.join("restored")).ok();
        let is_begun = ["format", "ledger.sqlite", "objects", "keys", "origin"]
            .iter()
            .any(|name| image.join(name).exists());
        match mark.as_deref() {
            Some(mark) if mark.starts_with("fork risk\n") => {
                if self.accept.as_ref().is_some_and(done) {
                    return Err("its owner's word is forgotten".to_owned());
                }
                refuses(image, &["was restored from the backup of", "--accept-fork-risk"]).await?;
                let accept = ["restore", "--accept-fork-risk", "--data", image.to_str().unwrap()];
                run(&accept).await?.map_err(|why| format!("it cannot go on: {why}"))?;
                self.check_whole(image).await
            }
            Some(_) if done(&self.restore) => {
                Err("a restore that had been acknowledged is undone".to_owned())
            }
            Some(_) => {
                refuses(image, &["was not restored to the end", "delete it"]).await?;
                Ok(1)
            }
            None if is_begun => self.check_whole(image).await,
            None if done(&self.restore) => Err("a restore that had been acknowledged is gone".to_owned()),
            None => self.begins_again(image).await,
        }
    }

    /// Nothing was begun: the same restore does it, and no registry starts where its mark was on its way.
    async fn begins_again(&self, image: &Path) -> Result<usize, String> {
        let left: BTreeSet<_> =
            std::fs::read_dir(image).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        if !left.is_empty() {
            refuses(image, &["was not restored to the end", "delete it"]).await?;
            std::fs::remove_dir_all(image).unwrap();
        }
        let (from, to) = (self.backup.to_str().unwrap(), image.to_str().unwrap());
        let turn = self.turn.lock().await;
        let restore = run(&["restore", "--accept-fork-risk", "--from", from, "--data", to]).await?;
        drop(turn);
        restore.map_err(|why| format!("it cannot be restored anew: {why}"))?;
        self.check_whole(image).await
    }

    async fn check_whole(&self, image: &Path) -> Result<usize, String> {
        fsck(image).await?;
        is_of_backup(&self.backup, &checkpoint_of(image)?)?;
        has_keys(&self.data, image)?;
        Ok(1 + check(image, &self.facts, Micros::MAX).await?)
    }
}

/// Whether `wargate serve` refuses a folder in these words.
async fn refuses(image: &Path, words: &[&str]) -> Result<(), String> {
    let said = serve_refuses(image).await?;
    match words.iter().find(|word| !said.contains(**word)) {
        None => Ok(()),
        Some(word) => Err(format!("`{word}` is not in: {said}")),
    }
}
