//! A world in which registries live and die: what is durable outlives them, time goes on, chance is a seed.

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use object_store::ObjectStore;
use tempfile::TempDir;
use tokio::sync::RwLock;
use tokio::time::Instant;
use wargate_registry::clock::Clock;
use wargate_registry::fsck::{self, FsckOptions, Report};
use wargate_registry::gc::{Leave, Retention};
use wargate_registry::{Error, Registry};
use wargate_store::sqlite::open_writer;

use crate::db::{Ledger, SimDb};
use crate::faults::{Faults, Plan};
use crate::objects::SimObjects;
use crate::rng::{Rng, SeededRandom};
use crate::support;

/// Where a folder costs no disk, if the machine has such a place.
const MEMORY_FOLDER: &str = "/dev/shm";

/// The ledger's name in its folder, as in a data folder.
pub const LEDGER: &str = "ledger.sqlite";

/// Checkpoints grow old within a story.
const MAP_RETENTION: Duration = Duration::from_secs(20);

/// How long content stays here that nothing links: two sweeps.
pub const LEASE: Duration = Duration::from_secs(40);

/// The same of manifests.
const UNTAGGED_KEPT: Duration = Duration::from_secs(60);

pub struct World {
    pub faults: Arc<Faults>,
    pub clock: Arc<SimClock>,
    pub ledger: Ledger,
    pub objects: Arc<SimObjects>,
    /// Held by whoever copies what is durable.
    pub copying: Arc<RwLock<()>>,
    random: Arc<SeededRandom>,
    folder: TempDir,
}

/// Withheld from the removal of garbage while somebody copies, as by the lock beside a real folder.
struct CopyLeave(Arc<RwLock<()>>);

impl Leave for CopyLeave {
    fn take(&self) -> std::io::Result<Option<Box<dyn Any + Send>>> {
        Ok(self.0.clone().try_read_owned().ok().map(|held| Box::new(held) as _))
    }
}

/// A folder in memory, if the machine has such a place.
pub fn folder() -> TempDir {
    if Path::new(MEMORY_FOLDER).is_dir() {
        return TempDir::new_in(MEMORY_FOLDER).unwrap();
    }
    TempDir::new().unwrap()
}

/// How a process ended.
pub enum Life<T> {
    Ended(T),
    Died,
    /// It could not start.
    Refused(Error),
}

impl World {
    pub fn new(rng: &mut Rng, plan: Plan) -> Self {
        let folder = folder();
        let faults = Arc::new(Faults::new(rng.fork(), plan));
        Self {
            clock: Arc::new(SimClock::default()),
            ledger: Arc::new(Mutex::new(open_writer(&folder.path().join(LEDGER)).unwrap())),
            objects: Arc::new(SimObjects::new(faults.clone(), "")),
            copying: Arc::default(),
            random: Arc::new(SeededRandom::new(rng.fork())),
            faults,
            folder,
        }
    }

    /// Another place in the same world, where a registry stands that was restored.
    pub fn with(&self, folder: TempDir, objects: Arc<SimObjects>) -> Self {
        Self {
            clock: self.clock.clone(),
            ledger: Arc::new(Mutex::new(open_writer(&folder.path().join(LEDGER)).unwrap())),
            objects,
            copying: Arc::default(),
            random: self.random.clone(),
            faults: self.faults.clone(),
            folder,
        }
    }

    /// The ledger's file.
    pub fn ledger_path(&self) -> PathBuf {
        self.folder.path().join(LEDGER)
    }

    /// One process: opens the registry and lives until `body` ends or a fault kills it.
    pub fn life<T>(&self, body: impl AsyncFnOnce(&Registry) -> T) -> Life<T> {
        self.process(async || match self.open().await {
            Ok(registry) => Life::Ended(body(&registry).await),
            Err(error) => Life::Refused(error),
        })
    }

    /// One process that does whatever it is, until a fault kills it.
    pub fn process<T>(&self, body: impl AsyncFnOnce() -> Life<T>) -> Life<T> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        self.faults.revive();
        let life = runtime.block_on(async {
            self.clock.begin();
            let life = tokio::select! {
                biased;
                () = self.faults.died() => Life::Died,
                life = body() => life,
            };
            self.clock.end();
            life
        });
        // Whatever still ran is gone now, wherever it stood.
        drop(runtime);
        life
    }

    fn db(&self) -> SimDb {
        SimDb::new(self.ledger.clone(), self.faults.clone(), "")
    }

    /// Has everything that is durable checked as an operator does.
    pub fn fsck(&self) -> Report {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let options = FsckOptions { origin: Some(support::ORIGIN.to_owned()), ..FsckOptions::default() };
        let objects: Arc<dyn ObjectStore> = self.objects.clone();
        runtime.block_on(async { fsck::check(&self.db(), &objects, &options).await.unwrap() })
    }

    async fn open(&self) -> Result<Registry, Error> {
        let mut config = support::config();
        config.random = self.random.clone();
        // Its pauses are longer than any life here.
        config.scrub = false;
        config.retention = Retention { map: MAP_RETENTION, lease: LEASE, untagged: UNTAGGED_KEPT };
        config.leave = Some(Arc::new(CopyLeave(self.copying.clone())));
        let db = Arc::new(self.db());
        let genesis = support::genesis(self.clock.now());
        Registry::open(config, db, self.objects.clone(), self.clock.clone(), Some(genesis)).await
    }
}

/// The world's time: it runs with the runtime's, which jumps over every wait, and goes on from life to life.
pub struct SimClock {
    before_ms: AtomicU64,
    begun: Mutex<Option<Instant>>,
}

impl Default for SimClock {
    fn default() -> Self {
        Self { before_ms: AtomicU64::new(1_800_000_000_000), begun: Mutex::new(None) }
    }
}

impl SimClock {
    fn begin(&self) {
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn end(&self) {
        let now_ms = self.now_ms();
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = None;
        // A new process takes a moment to start.
        self.before_ms.store(now_ms + 1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for SimClock {
    fn now_ms(&self) -> u64 {
        let begun = *self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let life = begun.map_or(Duration::ZERO, |begun| begun.elapsed());
        self.before_ms.load(Ordering::SeqCst) + life.as_millis() as u64
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
