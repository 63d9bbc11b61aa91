//! A registry under load, and what its readers may rely on.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use object_store::ObjectStore;
use wargate_core::checkpoint::Checkpoint;
use wargate_core::id::{LogId, RecordId};
use wargate_core::map::page::PageRef;
use wargate_registry::clock::Clock as _;
use wargate_registry::db::Db;
use wargate_registry::gc::{Leave, Removed, Retention};
use wargate_registry::limits::MAP_RETENTION;
use wargate_registry::{Error, Registry, gc};

use super::reader::Reader;
use super::support::{Author, TestClock, config, engines, eventually, genesis};

/// Longer than a replaced partial stays.
pub const SETTLE: Duration = Duration::from_secs(61);

/// Numbers that are the same in every run.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// A checkpoint that was current, and the latest record of each log under it.
pub struct Seen {
    pub checkpoint: Checkpoint,
    pub latest: HashMap<LogId, RecordId>,
}

pub struct World {
    pub dir: tempfile::TempDir,
    pub clock: Arc<TestClock>,
    pub registry: Registry,
    pub authors: Vec<Author>,
    pub seen: Vec<Seen>,
    pub copied: Arc<Copied>,
    retention: Duration,
}

/// Whether somebody copies the registry.
pub struct Copied(pub AtomicBool);

impl Leave for Copied {
    fn take(&self) -> std::io::Result<Option<Box<dyn std::any::Any + Send>>> {
        Ok((!self.0.load(Ordering::SeqCst)).then(|| Box::new(()) as _))
    }
}

async fn open_with(
    dir: &Path,
    clock: &Arc<TestClock>,
    retention: Duration,
    copied: &Arc<Copied>,
) -> Registry {
    let (db, objects) = engines(dir);
    let mut config = config();
    config.retention.map = retention;
    config.leave = Some(copied.clone());
    Registry::open(config, db, objects, clock.clone(), Some(genesis(clock.now()))).await.unwrap()
}

/// A name for a number.
pub fn name(number: usize) -> String {
    let letters = |number: usize| char::from(b'a' + (number % 26) as u8);
    format!("acme:p{}{}{}", letters(number / 676), letters(number / 26), letters(number))
}

impl World {
    /// A registry with so many packages that have begun, in few commits.
    pub async fn new(packages: usize) -> Self {
        Self::with(packages, MAP_RETENTION).await
    }

    pub async fn with(packages: usize, retention: Duration) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = TestClock::new();
        let copied = Arc::new(Copied(AtomicBool::new(false)));
        let registry = open_with(dir.path(), &clock, retention, &copied).await;
        let mut authors: Vec<_> = (0..packages).map(|n| Author::new(9, &name(n), &clock)).collect();
        let begin = authors.iter_mut().map(|author| {
            let init = author.init();
            author.publish(&registry, vec![init])
        });
        join_all(begin).await;
        let mut world = Self { dir, clock, registry, authors, seen: Vec::new(), copied, retention };
        world.see();
        world
    }

    /// Stops and starts.
    pub async fn reopen(&mut self) {
        self.registry.close().await;
        self.registry = open_with(self.dir.path(), &self.clock, self.retention, &self.copied).await;
    }

    /// Remembers the current checkpoint.
    pub fn see(&mut self) {
        let checkpoint = self.registry.snapshot().checkpoint().signed.checkpoint.clone();
        let latest = self.authors.iter().map(|author| (author.log(), author.head.unwrap())).collect();
        self.seen.push(Seen { checkpoint, latest });
    }

    /// Every author whom `of` names publishes once, all at the same time.
    pub async fn publish(&mut self, of: impl Fn(usize) -> bool) {
        let chosen = self.authors.iter_mut().enumerate().filter(|(at, _)| of(*at));
        join_all(chosen.map(|(_, author)| author.publish(&self.registry, vec![]))).await;
        self.see();
    }

    pub fn reader(&self) -> Reader {
        Reader(engines(self.dir.path()).1)
    }

    /// Waits until everything is laid down and issued, and the registry knows: what an earlier process issued is there
    /// before this one has found it.
    pub async fn wait_issued(&self) {
        let reader = self.reader();
        let current = self.registry.snapshot().checkpoint().signed.checkpoint.clone();
        eventually("the issued checkpoint", async || {
            reader.issued().await.filter(|issued| *issued == current)
        })
        .await;
        eventually("all of it laid down", async || (self.registry.laid_down() == current.size).then_some(()))
            .await;
    }

    /// Tells first what would go, then removes it.
    pub async fn collect(&self) -> Removed {
        let reader = self.reader();
        let before = reader.list("log").await;
        let told = self.registry.collect_garbage(true).await.unwrap();
        assert_eq!(reader.list("log").await, before, "a dry run removes nothing");
        let removed = self.registry.collect_garbage(false).await.unwrap();
        assert_eq!(told, removed, "a dry run tells the same");
        removed
    }

    /// Lets what is laid down settle, and removes what it replaced.
    pub async fn settle_and_collect(&self) -> Removed {
        self.wait_issued().await;
        self.registry.collect_garbage(false).await.unwrap();
        self.clock.advance(SETTLE);
        self.collect().await
    }

    /// Every checkpoint that is kept is provable for every log; an older one is too, or is no longer kept.
    pub async fn check(&self) {
        let kept = self.clock.now_ms() - self.retention.as_millis() as u64;
        for (at, seen) in self.seen.iter().enumerate() {
            let is_last = at + 1 == self.seen.len();
            self.check_one(seen, is_last || seen.checkpoint.time * 1000 >= kept).await;
        }
    }

    async fn check_one(&self, seen: &Seen, must: bool) {
        let Seen { checkpoint, latest } = seen;
        if must {
            // What is in memory must not hide what is gone.
            let root = PageRef { hash: checkpoint.map_root, segment: checkpoint.size };
            self.reader().reach(root, &mut BTreeSet::new()).await;
        }
        let logs: Vec<LogId> = latest.keys().copied().chain([LogId::operator()]).collect();
        match self.registry.snapshot().prove_map(checkpoint.size, &logs).await {
            Ok(bundle) => {
                for (log, proof) in logs.iter().zip(bundle.proofs).filter(|(log, _)| latest.contains_key(log))
                {
                    proof.verify(&checkpoint.map_root, log, latest.get(log)).unwrap();
                }
            }
            Err(Error::NoLongerKept { size }) => {
                assert!(!must, "the map of tree size {size} must be kept");
                assert_eq!(size, checkpoint.size);
            }
            Err(error) => panic!("tree size {}: {error}", checkpoint.size),
        }
        let snapshot = self.registry.snapshot();
        let now = &snapshot.checkpoint().signed.checkpoint;
        let proof = snapshot.prove_consistency(checkpoint.size, now.size).await.unwrap();
        proof.verify_consistency(checkpoint.size, &checkpoint.root, &now.root).unwrap();
    }
}

/// A round on a folder that no registry runs on.
pub async fn collect_at(
    db: &Arc<dyn Db>,
    objects: &Arc<dyn ObjectStore>,
    clock: &TestClock,
    dry_run: bool,
) -> Result<Removed, Error> {
    gc::collect(&**db, objects, clock, Retention::default(), dry_run).await
}

/// Copies a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
