//! Who keeps backups: makes them while all others go on, into the same place again and again, and tries them out. At the
//! end of a story the last one must give back everything that was promised before it began.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload};
use wargate_core::checkpoint::{Checkpoint, peek_note};
use wargate_registry::backup::{BackedUp, BackupError, BrokenOff, CopyCounts, put_back, take};
use wargate_registry::clock::Clock as _;
use wargate_store::{BackupFolder, BackupRecord, Restored};

use crate::book::Book;
use crate::checker::check;
use crate::objects::CHECKPOINT;
use crate::rng::Rng;
use crate::support::ORIGIN;
use crate::vault::{NoFile, SimBackup, SimRestore, Site, Vault};
use crate::world::{Life, World};

/// How long the keeper waits before doing something: now with the others, now with the sweeper.
const PAUSES: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(150), Duration::from_secs(25), Duration::from_secs(50)];

/// After two backups comes a restore, to try them out.
const ROUND: u64 = 3;
const TRY_OUT: u64 = 2;

/// Time for a restored registry's garbage to be garbage.
const AGE: Duration = Duration::from_secs(90);

pub struct Keeper {
    world: Arc<World>,
    vault: Vault,
    turn: u64,
    /// What was promised before the backup that comes next.
    promised: Option<Book>,
    /// The last backup that was heard to be finished, and what was promised before it began.
    kept: Option<(BackedUp, Book)>,
    /// Where a restore goes on, or broke off.
    site: Option<Site>,
}

impl Keeper {
    pub fn new(world: Arc<World>) -> Self {
        let vault = Vault::new(world.faults.clone());
        Self { world, vault, turn: 0, promised: None, kept: None, site: None }
    }

    pub async fn pause(&self, rng: &mut Rng) {
        self.world.clock.sleep(rng.pick(&PAUSES)).await;
    }

    /// Remembers what is promised before a backup begins. `calm`: nobody is about something meanwhile.
    pub fn remember(&mut self, book: &Book, calm: bool) {
        let mut promised = book.clone();
        // While others push, it may point at something newer by the time of the backup.
        promised.tags.retain(|(_, tag), _| calm || tag != "edge");
        promised.words.is_old = !calm;
        self.promised = Some(promised);
    }

    pub async fn act(&mut self, page: &mut Book) -> bool {
        let faults = self.world.faults.clone();
        let injected = faults.injected();
        // A backup that breaks off, also because the process dies, leaves the former one: that is tried out.
        let turn = std::mem::replace(&mut self.turn, TRY_OUT);
        let tries_out = turn % ROUND == TRY_OUT && self.kept.is_some();
        let done = if tries_out { self.try_out().await } else { self.back_up().await };
        let Err(error) = done else {
            self.turn = turn + 1;
            return true;
        };
        if injected == faults.injected() {
            faults.violated(format!("the keeper met no fault and failed: {error}"));
        }
        page.troubled(&"the keeper", &error)
    }

    async fn back_up(&mut self) -> Result<(), BrokenOff<NoFile>> {
        let promised = self.promised.clone().unwrap_or_else(|| Book::new(self.world.faults.clone()));
        let _copies = self.world.copying.clone().write_owned().await;
        let backup = SimBackup::new(&self.vault, &self.world);
        let done = take(&backup, &backup.source, ORIGIN, &CopyCounts::default()).await;
        let done = self.judged("a backup", done)?;
        self.vault.offered.lock().unwrap().clear();
        self.kept = Some((done, promised));
        Ok(())
    }

    /// No fault explains that something is damaged.
    fn judged<T>(&self, what: &str, done: Result<T, BrokenOff<NoFile>>) -> Result<T, BrokenOff<NoFile>> {
        if let Err(BrokenOff::Backup(error)) = &done
            && !matches!(error, BackupError::Registry(_) | BackupError::Missing { .. })
        {
            self.world.faults.violated(format!("{what} was refused: {error}"));
        }
        done
    }

    /// Restores what lies there, to see that it can be done. Whatever comes of it is looked at and thrown away.
    async fn try_out(&mut self) -> Result<(), BrokenOff<NoFile>> {
        if let Some(broken_off) = self.site.take() {
            self.look_at(broken_off).await;
        }
        self.site = Some(Site::new(&self.world.faults));
        let restored = self.restore().await;
        if let Some(site) = self.site.take() {
            self.world
                .faults
                .must(restored.is_err() || site.is_whole(), "a restore ended and is not marked so");
            self.look_at(site).await;
        }
        self.judged("a restore", restored)
    }

    /// Restores what lies there into the site, which is empty.
    async fn restore(&self) -> Result<(), BrokenOff<NoFile>> {
        let (Some(site), Ok((backup, record))) = (&self.site, BackupFolder::open(self.vault.path())) else {
            self.world.faults.violated("a finished backup is gone".to_owned());
            return Ok(());
        };
        let (faults, record) = (&self.world.faults, &record);
        let place = SimRestore { faults, backup: &backup, record, site };
        let from: Arc<dyn ObjectStore> = self.vault.objects.clone();
        let expected = record.backed_up().unwrap();
        let committed = put_back(&place, &from, &record.origin, &expected, &CopyCounts::default()).await?;
        let found = &committed.signed.checkpoint;
        faults.must(*found == expected.checkpoint, "a restore ended with another checkpoint");
        Ok(())
    }

    /// What a restore left says that it is not whole, or is.
    async fn look_at(&self, site: Site) {
        let faults = &self.world.faults;
        match site.mark() {
            Some(Restored::Unfinished) => {}
            None => faults.must(!site.holds_anything().await, "half a registry would open"),
            Some(Restored::ForkRisk { .. }) => drop(self.whole(site).await),
        }
    }

    /// A restored registry before it was opened: all of the backup is there and laid down.
    async fn whole(&self, site: Site) -> World {
        let restored = site.into_world(&self.world);
        let faults = &self.world.faults;
        if let Some((_, promised)) = &self.kept {
            check(&restored, promised, true);
        }
        let expected = self.expected().map(|backup| backup.checkpoint);
        faults.must(issued(&restored).await == expected, "what was restored issues another checkpoint");
        restored
    }

    /// What lies there, which must be the last that was heard of or one that was finished after it.
    fn expected(&self) -> Option<BackedUp> {
        let lies = self.vault.record().as_ref().and_then(BackupRecord::backed_up);
        let mut may = self.vault.offered.lock().unwrap().clone();
        may.extend(self.kept.iter().map(|(kept, _)| kept.clone()));
        let known = lies.as_ref().is_some_and(|lies| may.contains(lies));
        self.world.faults.must(known, "the backup that lies there is none that was made last");
        lies
    }

    /// All is calm: what lies there becomes a registry that keeps every promise from before. Two seeds of four try that
    /// registry, the other two harm the backup.
    pub fn end(&mut self, seed: u64, rng: &mut Rng, with_fsck: bool) {
        let world = self.world.clone();
        let Some((_, promised)) = self.kept.clone() else { return };
        if let Some(broken_off) = self.site.take() {
            world.process(async || {
                self.look_at(broken_off).await;
                Life::Ended(())
            });
        }
        self.site = Some(Site::new(&world.faults));
        let done = world.process(async || Life::Ended(self.restore().await));
        match done {
            Life::Ended(Ok(())) => {}
            Life::Ended(Err(error)) => {
                return world.faults.violated(format!("the last backup cannot be restored: {error}"));
            }
            _ => return,
        }
        let Some(site) = self.site.take() else { return };
        world.faults.must(site.is_whole(), "what was restored is not marked whole");
        let Life::Ended(restored) = world.process(async || Life::Ended(self.whole(site).await)) else {
            return;
        };
        if with_fsck {
            said(&restored, "what was restored");
        }
        if (seed / 2).is_multiple_of(2) {
            serve(&restored, promised);
            if with_fsck {
                said(&restored, "what was restored and went on");
            }
        } else {
            self.damage(rng);
        }
    }

    /// A backup that is damaged is not restored, unless the damage is to what it does not need.
    fn damage(&mut self, rng: &mut Rng) {
        let world = self.world.clone();
        let Some(what) = block_on(&world, async || self.harm(rng).await) else { return };
        self.site = Some(Site::new(&world.faults));
        let restored = block_on(&world, async || self.restore().await);
        let (Some(Ok(())), Some(site)) = (restored, self.site.take()) else { return };
        let restored = site.into_world(&world);
        for damage in restored.fsck().damage {
            world.faults.violated(format!("a backup was restored though {what}: {damage}"));
        }
    }

    /// Does harm to one object of the backup or its ledger; what was done.
    async fn harm(&self, rng: &mut Rng) -> String {
        let all = self.vault.objects.inner.list(None).map_ok(|object| object.location);
        let mut paths: Vec<Path> = all.try_collect().await.unwrap();
        paths.sort();
        let at = rng.below(paths.len() as u64 + 1) as usize;
        let (kind, place) = (rng.below(3), rng.next());
        let Some(path) = paths.get(at) else {
            let ledger = self.ledger_file();
            let changed = harmed(std::fs::read(&ledger).unwrap(), kind.min(1), place);
            std::fs::write(&ledger, changed).unwrap();
            return "its ledger was damaged".to_owned();
        };
        let inner = &self.vault.objects.inner;
        if kind == 2 {
            inner.delete(path).await.unwrap();
            return format!("`{path}` was gone");
        }
        let bytes = self.vault.objects.bytes(path).await.unwrap().to_vec();
        inner.put(path, PutPayload::from(harmed(bytes, kind, place))).await.unwrap();
        format!("`{path}` was damaged")
    }

    fn ledger_file(&self) -> PathBuf {
        self.vault.path().join(self.vault.record().unwrap().ledger.file)
    }
}

/// The same with another bit, or without its end.
fn harmed(mut bytes: Vec<u8>, kind: u64, place: u64) -> Vec<u8> {
    let at = (place % bytes.len() as u64) as usize;
    if kind == 0 {
        bytes[at] ^= 1 << (place % 8);
    } else {
        bytes.truncate(at);
    }
    bytes
}

/// A process that nothing kills.
fn block_on<T>(world: &World, body: impl AsyncFnOnce() -> T) -> Option<T> {
    match world.process(async || Life::Ended(body().await)) {
        Life::Ended(done) => Some(done),
        _ => None,
    }
}

async fn issued(world: &World) -> Option<Checkpoint> {
    let note = world.objects.bytes(&Path::from(CHECKPOINT)).await?;
    Some(peek_note(std::str::from_utf8(&note).ok()?).ok()?.1)
}

fn said(world: &World, what: &str) {
    for damage in world.fsck().damage {
        world.faults.violated(format!("fsck of {what}: {damage}"));
    }
}

/// A restored registry answers as the first one would have, and can go on.
fn serve(restored: &World, mut promised: Book) {
    let life = restored.life(async |registry| {
        promised.ask(registry, restored.clock.now_ms()).await;
        for _ in 0..2 {
            restored.clock.sleep(AGE).await;
            if let Err(error) = registry.collect_garbage(false).await {
                restored.faults.violated(format!("garbage of a restored registry: {error}"));
            }
        }
        registry.close().await;
    });
    if let Life::Refused(error) = life {
        restored.faults.violated(format!("a restored registry does not start: {error}"));
    }
    check(restored, &promised, true);
}
