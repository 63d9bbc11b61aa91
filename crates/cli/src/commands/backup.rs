//! `wargate backup`: copies a registry's data, also while `wargate serve` runs on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use clap::Args;
use object_store::ObjectStore;
use wargate_registry::backup::{self, BackedUp, BackupError, BackupPlace, BrokenOff, CopyCounts};
use wargate_registry::db::Db;
use wargate_store::backup_folder::{copy_keys, small_files};
use wargate_store::sqlite::{ReadOnlyLedger, copy_ledger};
use wargate_store::{
    BackupFolder, BackupFolderError, BackupRecord, DataFolder, FolderError, Restored, open_files,
};

use crate::error::{CommandError, Kind};
use crate::ui;

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The data folder of the registry
    #[arg(long, value_name = "DIR", env = "WARGATE_DATA")]
    data: PathBuf,
    /// The backup's folder: absent, empty, or with an earlier backup, of which only what is new is copied
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Copy the private keys too: who has the backup is then the registry
    #[arg(long)]
    with_keys: bool,
}

impl Backup {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let started = Instant::now();
        let data = DataFolder::look_into(&self.data).map_err(|error| refused(&error))?;
        if Restored::read(&self.data).map_err(|error| refused(&error))? == Some(Restored::Unfinished) {
            return Err(CommandError::config(format!(
                "`{}` was not restored to the end",
                self.data.display()
            )));
        }
        if !data.ledger().is_file() {
            return Err(CommandError::config(format!("`{}` holds no ledger yet", self.data.display())));
        }
        let place = self.place(&data)?;
        // From before the ledger is copied until all that it names is.
        let copying = data.copying().map_err(|error| refused(&error))?;
        let from = open_files(&data.objects()).map_err(|error| internal(&error))?;
        let counts = CopyCounts::default();
        let taking = backup::take(&place, &from, &place.origin, &counts);
        ui::watch(&counts, taking).await.map_err(|error| match error {
            BrokenOff::Place(error) => error,
            BrokenOff::Backup(error) => self.failed(&error),
        })?;
        drop(copying);
        let record = place.folder.record().map_err(|error| unusable(&error))?;
        let record = record.ok_or_else(|| CommandError::internal("the backup's record is gone"))?;
        self.say(&record, &counts, started);
        Ok(())
    }

    /// Where the backup goes, locked.
    fn place<'a>(&'a self, data: &'a DataFolder) -> Result<Place<'a>, CommandError> {
        let folder = BackupFolder::create(&self.to).map_err(|error| unusable(&error))?;
        let former = folder.record().map_err(|error| unusable(&error))?;
        let (files, others) = small_files(&self.data).map_err(|error| refused(&error))?;
        for name in others {
            ui::note(&format!("`{name}` is none of the registry's files: it is not in the backup"));
        }
        let origin = files.get("origin").map(|text| text.trim_end().to_owned()).ok_or_else(|| {
            CommandError::config(format!("`{}` is missing", self.data.join("origin").display()))
        })?;
        let objects = open_files(&folder.objects()).map_err(|error| internal(&error))?;
        Ok(Place {
            data,
            ledger: folder.next_ledger(former.as_ref()),
            folder,
            former,
            origin,
            files,
            objects,
            with_keys: self.with_keys,
        })
    }

    fn failed(&self, error: &BackupError) -> CommandError {
        let kept = "the former backup, if there was one, is as it was";
        match error {
            BackupError::Missing { .. } | BackupError::Damaged { .. } => {
                CommandError::new(Kind::Verification, format!("`{}`: {error}", self.data.display()))
                    .hint("look at the whole registry with `wargate fsck --data DIR`")
            }
            BackupError::NotExtended { .. } => CommandError::new(Kind::Verification, error.to_string()).hint(
                "the data folder is an old copy, or the backup is another registry's: name another folder with --to",
            ),
            BackupError::Empty => CommandError::config(error.to_string()),
            _ => CommandError::internal(error.to_string()),
        }
        .hint(kept)
    }

    fn say(&self, record: &BackupRecord, counts: &CopyCounts, started: Instant) {
        if !record.keys {
            ui::note(&format!(
                "THE KEYS ARE NOT IN THE BACKUP. Without them the registry cannot go on after a loss. Keep a copy of \
                 `{}` elsewhere, or say --with-keys.",
                self.data.join("keys").display()
            ));
        } else if !self.with_keys {
            ui::note("the keys in the backup are those that an earlier backup put there");
        }
        ui::line(&format!(
            "backed up tree size {}, root {}: {} objects copied ({} bytes), {} already there, in {:.1} s",
            record.size,
            record.root,
            counts.copied(),
            counts.bytes(),
            counts.present(),
            started.elapsed().as_secs_f64()
        ));
    }
}

/// A backup's folder, and what goes into its record.
struct Place<'a> {
    data: &'a DataFolder,
    folder: BackupFolder,
    former: Option<BackupRecord>,
    /// The new copy of the ledger.
    ledger: &'static str,
    origin: String,
    files: BTreeMap<String, String>,
    objects: Arc<dyn ObjectStore>,
    with_keys: bool,
}

#[async_trait]
impl BackupPlace for Place<'_> {
    type Error = CommandError;

    async fn held(&self) -> Result<Option<BackedUp>, CommandError> {
        Ok(self.former.as_ref().and_then(BackupRecord::backed_up))
    }

    async fn copy_ledger(&self) -> Result<Box<dyn Db>, CommandError> {
        let path = self.folder.file(self.ledger);
        copy_in_background(self.data.ledger(), path.clone()).await?;
        let ledger = ReadOnlyLedger::open(&path).map_err(|error| CommandError::config(error.to_string()))?;
        Ok(Box::new(ledger))
    }

    fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.objects
    }

    async fn finish(&self, done: &BackedUp, counts: &CopyCounts) -> Result<(), CommandError> {
        let ledger = self.folder.about_ledger(self.ledger).map_err(|error| refused(&error))?;
        let made = jiff::Timestamp::now().to_string();
        let objects = counts.copied() + counts.present();
        let mut record = BackupRecord::new(done, self.origin.clone(), made, ledger, objects);
        record.files = self.files.clone();
        let keys = (self.data.keys(), self.folder.keys());
        if self.with_keys && copy_keys(&keys.0, &keys.1).map_err(|error| refused(&error))? == 0 {
            return Err(CommandError::config(format!("there are no keys in `{}`", keys.0.display())));
        }
        // Keys that a broken-off backup left there are nobody's: some may be missing.
        let has_former = self.former.as_ref().is_some_and(|former| former.keys) && keys.1.is_dir();
        record.keys = self.with_keys || has_former;
        self.folder.finish(&record).map_err(|error| unusable(&error))
    }
}

async fn copy_in_background(from: PathBuf, to: PathBuf) -> Result<(), CommandError> {
    let shown = Arc::new(ui::pages());
    let copy = move || {
        let copied = copy_ledger(&from, &to, |done, all| {
            shown.set_length(all);
            shown.set_position(done);
        });
        shown.finish_and_clear();
        copied
    };
    let copied = tokio::task::spawn_blocking(copy).await;
    let copied = copied.map_err(|error| CommandError::internal(error.to_string()))?;
    copied.map_err(|error| CommandError::internal(error.to_string()))
}

fn internal(error: &dyn std::fmt::Display) -> CommandError {
    CommandError::internal(error.to_string())
}

fn refused(error: &FolderError) -> CommandError {
    CommandError::config(error.to_string())
}

/// What to do about a backup's folder that cannot be used.
pub(super) fn unusable(error: &BackupFolderError) -> CommandError {
    let kind =
        if matches!(error, BackupFolderError::Damaged { .. }) { Kind::Verification } else { Kind::Config };
    CommandError::new(kind, error.to_string())
}

/// The name of a folder, for a command that is printed.
pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}
