//! `wargate restore`: makes a data folder from a backup, and lets a registry go on from one.
//!
//! A restored folder is marked, and nothing is signed in a marked one: if the registry went on after its backup, a
//! log that goes on from the backup forks it (`spec/transparency.md`, "Never fork"). Only its owner can know.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use clap::Args;
use object_store::ObjectStore;
use wargate_registry::backup::{self, BackupError, BrokenOff, CopyCounts, RestorePlace};
use wargate_registry::db::Db;
use wargate_store::backup_folder::{copy_keys, put_small_files};
use wargate_store::{
    BackupFolder, BackupFolderError, BackupRecord, DataFolder, FolderError, Restored, SqliteLedger,
    open_files,
};

use super::backup::{shown, unusable};
use crate::error::{CommandError, Kind};
use crate::ui;

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The backup's folder; without it, a folder that was restored before is meant
    #[arg(long, value_name = "DIR", required_unless_present = "accept_fork_risk")]
    from: Option<PathBuf>,
    /// The data folder to make: absent or empty
    #[arg(long, value_name = "DIR", env = "WARGATE_DATA")]
    data: PathBuf,
    /// Let the registry go on from here: nothing newer than the backup was seen by anybody
    ///
    /// If the registry published anything after the backup, and somebody saw it, then going on from the backup makes a
    /// second log that contradicts the first. Everybody who saw the first will refuse this registry for ever.
    #[arg(long)]
    accept_fork_risk: bool,
}

impl Restore {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let Some(from) = &self.from else { return self.accept() };
        check_empty(&self.data)?;
        let (backup, record) = BackupFolder::open(from).map_err(|error| unusable(&error))?;
        let counts = CopyCounts::default();
        self.copy(&backup, &record, &counts).await?;
        ui::line(&format!(
            "restored tree size {}, root {}, as it was backed up at {}: {} objects ({} bytes), each verified",
            record.size,
            record.root,
            record.made,
            counts.copied(),
            counts.bytes()
        ));
        let keys = if record.keys {
            "Its keys were in the backup".to_owned()
        } else {
            format!("Its keys were not in the backup: put them into {}", shown(&self.data.join("keys")))
        };
        let check = format!("{keys}. Check it: wargate fsck --data {}", shown(&self.data));
        if self.accept_fork_risk {
            ui::line(&format!("{check}\nIt may go on: wargate serve --data {}", shown(&self.data)));
        } else {
            ui::line(&format!(
                "{check}\nIt signs nothing yet. If the registry published anything after the backup, and anybody saw \
                 it, then going on\nfrom here forks its log, and whoever saw it refuses this registry for ever. If you \
                 are sure that nobody did:\n  wargate restore --data {} --accept-fork-risk",
                shown(&self.data)
            ));
        }
        Ok(())
    }

    /// Lets a folder that was restored before go on.
    fn accept(&self) -> Result<(), CommandError> {
        match Restored::read(&self.data).map_err(|error| refused(&error))? {
            Some(Restored::ForkRisk { backup }) => {
                let _folder = DataFolder::open(&self.data).map_err(|error| refused(&error))?;
                Restored::clear(&self.data).map_err(|error| refused(&error))?;
                ui::line(&format!(
                    "`{}` goes on from {backup}. Start it: wargate serve --data {}",
                    self.data.display(),
                    shown(&self.data)
                ));
                Ok(())
            }
            Some(Restored::Unfinished) => Err(unfinished(&self.data)),
            None => Err(CommandError::config(format!("`{}` waits for no such word", self.data.display()))
                .hint("to restore a backup into it, name the backup with --from")),
        }
    }

    async fn copy(
        &self,
        backup: &BackupFolder,
        record: &BackupRecord,
        counts: &CopyCounts,
    ) -> Result<(), CommandError> {
        let from = open_files(&backup.objects()).map_err(|error| damaged(&error.to_string()))?;
        let expected = record.backed_up().ok_or_else(|| damaged("it names no checkpoint"))?;
        let place = Place { command: self, backup, record, folder: OnceLock::new() };
        let restoring = backup::put_back(&place, &from, &record.origin, &expected, counts);
        ui::watch(counts, restoring).await.map(drop).map_err(|error| match error {
            BrokenOff::Place(error) => error,
            BrokenOff::Backup(BackupError::Registry(error)) => CommandError::internal(error.to_string()),
            BrokenOff::Backup(error) => damaged(&error.to_string()),
        })
    }
}

/// The data folder that is made.
struct Place<'a> {
    command: &'a Restore,
    backup: &'a BackupFolder,
    record: &'a BackupRecord,
    /// Locked from its mark on.
    folder: OnceLock<DataFolder>,
}

impl Place<'_> {
    fn folder(&self) -> Result<&DataFolder, CommandError> {
        self.folder.get().ok_or_else(|| CommandError::internal("the data folder is not open"))
    }
}

#[async_trait]
impl RestorePlace for Place<'_> {
    type Error = CommandError;

    async fn begin(&self) -> Result<Arc<dyn ObjectStore>, CommandError> {
        Restored::Unfinished.mark(&self.command.data).map_err(|error| refused(&error))?;
        let folder = DataFolder::open(&self.command.data).map_err(|error| refused(&error))?;
        put_small_files(&self.record.files, folder.path()).map_err(|error| refused(&error))?;
        let objects =
            open_files(&folder.objects()).map_err(|error| CommandError::internal(error.to_string()))?;
        let _ = self.folder.set(folder);
        Ok(objects)
    }

    async fn put_ledger(&self) -> Result<Box<dyn Db>, CommandError> {
        let to = self.folder()?.ledger();
        self.backup.put_ledger(self.record, &to).map_err(|error| match error {
            BackupFolderError::Damaged { reason, .. } => damaged(&reason),
            error => unusable(&error),
        })?;
        Ok(Box::new(SqliteLedger::open(to, 1).map_err(|error| damaged(&error.to_string()))?))
    }

    async fn finish(&self) -> Result<(), CommandError> {
        let (folder, record) = (self.folder()?, self.record);
        if record.keys
            && copy_keys(&self.backup.keys(), &folder.keys()).map_err(|error| refused(&error))? == 0
        {
            return Err(damaged("its keys are missing"));
        }
        if self.command.accept_fork_risk {
            return Restored::clear(folder.path()).map_err(|error| refused(&error));
        }
        let backup = format!("the backup of {}, tree size {}", record.made, record.size);
        Restored::ForkRisk { backup }.mark(folder.path()).map_err(|error| refused(&error))
    }
}

/// Refuses to start a registry in a folder that was restored, before its owner took the risk.
pub(super) fn check_may_sign(folder: &Path) -> Result<(), CommandError> {
    match Restored::read(folder).map_err(|error| refused(&error))? {
        None => Ok(()),
        Some(Restored::Unfinished) => Err(unfinished(folder)),
        Some(Restored::ForkRisk { backup }) => Err(CommandError::config(format!(
            "`{}` was restored from {backup}: if the registry went on after it, signing here would fork its log",
            folder.display()
        ))
        .hint(format!(
            "if you are sure that nobody saw anything newer: wargate restore --data {} --accept-fork-risk",
            shown(folder)
        ))),
    }
}

fn unfinished(folder: &Path) -> CommandError {
    CommandError::config(format!("`{}` was not restored to the end", folder.display()))
        .hint("delete it and restore the backup again")
}

fn check_empty(data: &Path) -> Result<(), CommandError> {
    let failed = |error: std::io::Error| {
        CommandError::config(format!("couldn't look into `{}`: {error}", data.display()))
    };
    let mut entries = match std::fs::read_dir(data) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let Some(entry) = entries.next() else { return Ok(()) };
    let name = entry.map_err(failed)?.file_name();
    Err(CommandError::config(format!(
        "`{}` is not empty, it holds `{}`: a backup is restored into an absent or empty folder",
        data.display(),
        name.to_string_lossy()
    )))
}

fn damaged(reason: &str) -> CommandError {
    CommandError::new(Kind::Verification, format!("the backup cannot be restored: {reason}"))
        .hint("use another backup; what was begun in the data folder is marked and can be deleted")
}

fn refused(error: &FolderError) -> CommandError {
    CommandError::config(error.to_string())
}
