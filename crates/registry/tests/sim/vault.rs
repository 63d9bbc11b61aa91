//! The keeper's folders in the simulation: that of the backup, and those that a registry is restored into. The files
//! are real, the objects simulated; every call meets its fate.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use object_store::ObjectStore;
use tempfile::TempDir;
use wargate_registry::backup::{BackedUp, BackupPlace, CopyCounts, RestorePlace};
use wargate_registry::db::Db;
use wargate_store::sqlite::{copy_ledger, open_reader, open_writer};
use wargate_store::{BackupFolder, BackupRecord, Restored};

use crate::db::SimDb;
use crate::faults::{Fate, Faults};
use crate::objects::SimObjects;
use crate::support::ORIGIN;
use crate::world::{LEDGER, World, folder};

/// How calls on a backup are told from others.
pub const BACKUP: &str = "backup: ";
/// The same for the registry's objects, where a backup reads them.
const SOURCE: &str = "source: ";
/// The same for what is restored.
const RESTORED: &str = "restored: ";

/// What a calm world never says of a file.
#[derive(Debug)]
pub struct NoFile(String);

impl fmt::Display for NoFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One thing that is done with files; `half` is what is left of it where it breaks off.
async fn files<T>(
    faults: &Faults,
    what: &str,
    half: impl FnOnce(),
    done: impl FnOnce() -> Result<T, NoFile>,
) -> Result<T, NoFile> {
    let failed = || Err(NoFile(format!("couldn't {what}")));
    match faults.meet(format!("file {what}")).await {
        Fate::Failed => failed(),
        Fate::Lost => {
            half();
            failed()
        }
        Fate::DoneUnheard => done().and_then(|_| failed()),
        Fate::DiesAfter => {
            // A connection that is open dies too.
            drop(done());
            faults.die().await;
            failed()
        }
        Fate::Done | Fate::Slow | Fate::Stale | Fate::DiesBefore => done(),
    }
}

fn nothing() {}

/// Where the backups lie.
pub struct Vault {
    folder: TempDir,
    pub objects: Arc<SimObjects>,
    faults: Arc<Faults>,
    /// Backups that may lie there, though nobody heard so.
    pub offered: Mutex<Vec<BackedUp>>,
}

impl Vault {
    pub fn new(faults: Arc<Faults>) -> Self {
        let objects = Arc::new(SimObjects::new(faults.clone(), BACKUP));
        Self { folder: folder(), objects, faults, offered: Mutex::default() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The backup that lies there.
    pub fn record(&self) -> Option<BackupRecord> {
        BackupFolder::open(self.path()).ok().map(|(_, record)| record)
    }
}

/// A backup on its way.
pub struct SimBackup<'a> {
    vault: &'a Vault,
    ledger: PathBuf,
    folder: BackupFolder,
    former: Option<BackupRecord>,
    pub source: Arc<dyn ObjectStore>,
    objects: Arc<dyn ObjectStore>,
}

impl<'a> SimBackup<'a> {
    pub fn new(vault: &'a Vault, world: &World) -> Self {
        let folder = BackupFolder::create(vault.path()).unwrap();
        Self {
            vault,
            ledger: world.ledger_path(),
            former: folder.record().unwrap(),
            folder,
            source: Arc::new(world.objects.seen_by(SOURCE)),
            objects: vault.objects.clone(),
        }
    }

    fn name(&self) -> &'static str {
        self.folder.next_ledger(self.former.as_ref())
    }
}

/// A connection of its own to a file, behind faults.
fn reading(path: &Path, faults: &Arc<Faults>, whose: &'static str) -> Result<Box<dyn Db>, NoFile> {
    let connection = open_reader(path).map_err(|error| NoFile(error.to_string()))?;
    Ok(Box::new(SimDb::new(Arc::new(Mutex::new(connection)), faults.clone(), whose)))
}

#[async_trait]
impl BackupPlace for SimBackup<'_> {
    type Error = NoFile;

    async fn held(&self) -> Result<Option<BackedUp>, NoFile> {
        let held = || Ok(self.former.as_ref().and_then(BackupRecord::backed_up));
        files(&self.vault.faults, "backup: read the record", nothing, held).await
    }

    async fn copy_ledger(&self) -> Result<Box<dyn Db>, NoFile> {
        let path = self.folder.file(self.name());
        let half = || std::fs::write(&path, "SQLite format 3\0 and no more").unwrap();
        let copy = || {
            copy_ledger(&self.ledger, &path, |_, _| {}).map_err(|error| NoFile(error.to_string()))?;
            reading(&path, &self.vault.faults, BACKUP)
        };
        files(&self.vault.faults, "backup: copy the ledger", half, copy).await
    }

    fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.objects
    }

    async fn finish(&self, done: &BackedUp, counts: &CopyCounts) -> Result<(), NoFile> {
        let finish = || {
            self.vault.offered.lock().unwrap().push(done.clone());
            let ledger = self.folder.about_ledger(self.name()).map_err(|error| NoFile(error.to_string()))?;
            let count = counts.copied() + counts.present();
            let record = BackupRecord::new(done, ORIGIN.to_owned(), "now".to_owned(), ledger, count);
            self.folder.finish(&record).map_err(|error| NoFile(error.to_string()))
        };
        let half = || std::fs::write(self.folder.file("backup.json.new"), "{").unwrap();
        files(&self.vault.faults, "backup: write the record", half, finish).await
    }
}

/// A folder that a registry is restored into.
pub struct Site {
    folder: TempDir,
    pub objects: Arc<SimObjects>,
}

impl Site {
    pub fn new(faults: &Arc<Faults>) -> Self {
        Self { folder: folder(), objects: Arc::new(SimObjects::new(faults.clone(), RESTORED)) }
    }

    fn ledger(&self) -> PathBuf {
        self.folder.path().join(LEDGER)
    }

    pub fn mark(&self) -> Option<Restored> {
        Restored::read(self.folder.path()).unwrap()
    }

    pub fn is_whole(&self) -> bool {
        matches!(self.mark(), Some(Restored::ForkRisk { .. }))
    }

    /// Whether a registry would find something here.
    pub async fn holds_anything(&self) -> bool {
        let objects = self.objects.inner.list_with_delimiter(None).await.unwrap();
        self.ledger().exists() || !objects.common_prefixes.is_empty()
    }

    /// What was restored, to be looked at.
    pub fn into_world(self, world: &World) -> World {
        world.with(self.folder, Arc::new(self.objects.seen_by("")))
    }
}

/// A restore on its way.
pub struct SimRestore<'a> {
    pub faults: &'a Arc<Faults>,
    pub backup: &'a BackupFolder,
    pub record: &'a BackupRecord,
    pub site: &'a Site,
}

impl SimRestore<'_> {
    fn mark(&self, mark: &Restored) -> Result<(), NoFile> {
        mark.mark(self.site.folder.path()).map_err(|error| NoFile(error.to_string()))
    }
}

#[async_trait]
impl RestorePlace for SimRestore<'_> {
    type Error = NoFile;

    async fn begin(&self) -> Result<Arc<dyn ObjectStore>, NoFile> {
        let begin = || {
            self.mark(&Restored::Unfinished)?;
            Ok::<Arc<dyn ObjectStore>, _>(self.site.objects.clone())
        };
        files(self.faults, "restored: mark it as begun", nothing, begin).await
    }

    async fn put_ledger(&self) -> Result<Box<dyn Db>, NoFile> {
        let path = self.site.ledger();
        let half = || std::fs::write(&path, "SQLite format 3\0 and no more").unwrap();
        let put = || {
            self.backup.put_ledger(self.record, &path).map_err(|error| NoFile(error.to_string()))?;
            let connection = open_writer(&path).map_err(|error| NoFile(error.to_string()))?;
            let ledger = Arc::new(Mutex::new(connection));
            Ok::<Box<dyn Db>, _>(Box::new(SimDb::new(ledger, self.faults.clone(), RESTORED)))
        };
        files(self.faults, "restored: put the ledger", half, put).await
    }

    async fn finish(&self) -> Result<(), NoFile> {
        let mark = || self.mark(&Restored::ForkRisk { backup: "the last one".to_owned() });
        files(self.faults, "restored: mark it as whole", nothing, mark).await
    }
}
