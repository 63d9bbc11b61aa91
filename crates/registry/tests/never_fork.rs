//! One log for ever, whatever is restored, lost, run twice, or told by a clock (`spec/transparency.md`, "Never fork").
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test ends where something fails, and waits for real"
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use object_store::{ObjectStore, ObjectStoreExt as _};
use support::{Author, TestClock, WAIT, config, engines, eventually, genesis, key, open};
use wargate_core::checkpoint::{Checkpoint, SignedCheckpoint, peek_note};
use wargate_core::id::{Layer, LogId, RecordId};
use wargate_core::record::PackageEntry;
use wargate_registry::clock::Clock as _;
use wargate_registry::db::{Batch, Db, DbError, DbKind, Row, Statement};
use wargate_registry::{Error, RecordStatus, Registry};

/// Opens the registry of a folder, which may refuse.
async fn try_open(dir: &Path, clock: &Arc<TestClock>) -> Result<Registry, Error> {
    let (db, objects) = engines(dir);
    Registry::open(config(), db, objects, clock.clone(), Some(genesis(clock.now()))).await
}

#[track_caller]
fn assert_refused(opened: Result<Registry, Error>, words: &[&str]) {
    let error = opened.err().expect("it signs on").to_string();
    for word in words {
        assert!(error.contains(word), "`{word}` is not in: {error}");
    }
}

fn now(registry: &Registry) -> Checkpoint {
    registry.snapshot().checkpoint().signed.checkpoint.clone()
}

async fn note(objects: &Arc<dyn ObjectStore>) -> String {
    let bytes = objects.get(&"log/checkpoint".into()).await.unwrap().bytes().await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn issued(objects: &Arc<dyn ObjectStore>) -> Checkpoint {
    peek_note(&note(objects).await).unwrap().1
}

/// Whatever a registry said of the log, now and before, is of one log.
async fn assert_one_log(registry: &Registry, seen: &[Checkpoint]) {
    let snapshot = registry.snapshot();
    let new = snapshot.checkpoint().signed.checkpoint.clone();
    for old in seen {
        assert!(old.size <= new.size, "{} after {}", new.size, old.size);
        if old.size == new.size {
            assert_eq!((old.root, old.map_root), (new.root, new.map_root));
            continue;
        }
        let proof = snapshot.prove_consistency(old.size, new.size).await.unwrap();
        proof.verify_consistency(old.size, &old.root, &new.root).unwrap();
    }
}

/// The ledger's files of a folder, as a copy that is put back later.
fn ledger_of(dir: &Path) -> Vec<(String, Vec<u8>)> {
    ["ledger.sqlite", "ledger.sqlite-wal"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), std::fs::read(dir.join(name)).ok()?)))
        .collect()
}

fn put_ledger(dir: &Path, ledger: &[(String, Vec<u8>)]) {
    for name in ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"] {
        let _ = std::fs::remove_file(dir.join(name));
    }
    for (name, bytes) in ledger {
        std::fs::write(dir.join(name), bytes).unwrap();
    }
}

async fn closed(registry: Registry) {
    registry.close().await;
    drop(registry);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_ledger_beside_newer_objects_refuses_to_sign() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let registry = open(dir.path(), &clock).await;
    let mut alice = Author::new(10, "acme:hello", &clock);
    alice.publish(&registry, vec![alice.init()]).await;
    closed(registry).await;
    let old = ledger_of(dir.path());
    let registry = open(dir.path(), &clock).await;
    for _ in 0..3 {
        alice.publish(&registry, vec![]).await;
    }
    let newest = now(&registry);
    closed(registry).await;
    let new = ledger_of(dir.path());
    put_ledger(dir.path(), &old);
    let (_, objects) = engines(dir.path());
    let before = note(&objects).await;
    assert_refused(try_open(dir.path(), &clock).await, &["old backup", "fork"]);
    assert_eq!(note(&objects).await, before, "nothing was issued");
    // With the ledger that belongs to them all is well.
    put_ledger(dir.path(), &new);
    let registry = open(dir.path(), &clock).await;
    assert_eq!(now(&registry), newest);
    alice.publish(&registry, vec![]).await;
    assert_one_log(&registry, &[newest]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_ledger_is_no_new_registry() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let registry = open(dir.path(), &clock).await;
    let first = now(&registry);
    closed(registry).await;
    let ledger = ledger_of(dir.path());
    put_ledger(dir.path(), &[]);
    assert_refused(try_open(dir.path(), &clock).await, &["ledger is empty", "fork", "backup"]);
    // Neither if the issued checkpoint is lost too, and anything else of a log is there.
    std::fs::remove_file(dir.path().join("objects/log/checkpoint")).unwrap();
    put_ledger(dir.path(), &[]);
    assert_refused(try_open(dir.path(), &clock).await, &["ledger is empty", "log/"]);
    put_ledger(dir.path(), &ledger);
    let registry = open(dir.path(), &clock).await;
    assert_eq!(now(&registry), first);
    let (_, objects) = engines(dir.path());
    eventually("the issued checkpoint", async || objects.head(&"log/checkpoint".into()).await.ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issued_checkpoint_of_another_root_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let registry = open(dir.path(), &clock).await;
    let mut alice = Author::new(10, "acme:hello", &clock);
    alice.publish(&registry, vec![alice.init()]).await;
    let own = now(&registry);
    closed(registry).await;
    let (_, objects) = engines(dir.path());
    let good = note(&objects).await;
    let other = wargate_core::digest::Digest::of(b"another tree");
    for (size, root, words) in [
        (own.size, other, "another log"),
        (1, other, "another log"),
        (own.size + 1, own.root, "fork"),
        (u64::MAX / 2, other, "fork"),
    ] {
        let checkpoint = Checkpoint { size, root, ..own.clone() };
        let signed = SignedCheckpoint::sign(checkpoint, support::ORIGIN, &key(2)).unwrap();
        let note = signed.note(support::ORIGIN, key(2).public()).unwrap();
        objects.put(&"log/checkpoint".into(), note.into()).await.unwrap();
        assert_refused(try_open(dir.path(), &clock).await, &[words]);
    }
    objects.put(&"log/checkpoint".into(), "not a note".into()).await.unwrap();
    assert_refused(try_open(dir.path(), &clock).await, &["issued checkpoint"]);
    objects.put(&"log/checkpoint".into(), good.into()).await.unwrap();
    assert_eq!(now(&open(dir.path(), &clock).await), own);
}

/// What one writer was told.
struct Told {
    log: LogId,
    acknowledged: Vec<(RecordId, u64)>,
    seen: Vec<Checkpoint>,
}

/// Publishes as a client does: the same record again until there is a verdict.
async fn insist(registry: &Registry, author: &mut Author, entries: Vec<PackageEntry>) -> (RecordId, u64) {
    let record = author.record(entries);
    let id = record.envelope.record_id(Layer::Package);
    let index = eventually("a verdict", async || match registry.publish(record.clone(), WAIT).await {
        Ok(RecordStatus::Published { index, .. }) => Some(index),
        Ok(RecordStatus::Rejected { reason, .. }) => panic!("{reason}"),
        Ok(_) | Err(Error::Busy { .. } | Error::Conflict { .. }) => None,
        Err(error) => panic!("{error}"),
    })
    .await;
    author.head = Some(id);
    (id, index)
}

async fn write_thirty(registry: &Registry, clock: &Arc<TestClock>, number: u8) -> Told {
    let mut author = Author::new(10 + number, &format!("acme:w{}", char::from(b'a' + number)), clock);
    let mut told = Told { log: author.log(), acknowledged: Vec::new(), seen: Vec::new() };
    for n in 0..30 {
        let entries = if n == 0 { vec![author.init()] } else { vec![] };
        told.acknowledged.push(insist(registry, &mut author, entries).await);
        told.seen.push(now(registry));
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn two_registries_on_one_ledger_write_one_log() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let pair = [open(dir.path(), &clock).await, open(dir.path(), &clock).await];
    let writers = (0..6u8).map(|number| write_thirty(&pair[usize::from(number % 2)], &clock, number));
    let told = futures::future::join_all(writers).await;
    let mut all: BTreeMap<u64, (LogId, RecordId)> = BTreeMap::new();
    let mut seen = Vec::new();
    for Told { log, acknowledged, seen: checkpoints } in told {
        seen.extend(checkpoints);
        for (id, index) in acknowledged {
            assert_eq!(all.insert(index, (log, id)), None, "two records at {index}");
        }
    }
    for registry in pair {
        closed(registry).await;
    }
    let (_, objects) = engines(dir.path());
    seen.push(issued(&objects).await);
    let registry = open(dir.path(), &clock).await;
    assert_one_log(&registry, &seen).await;
    for (index, record) in &all {
        assert_eq!(registry.snapshot().ids(*index, index + 1).await.unwrap(), [*record]);
    }
    assert_all_laid_down(&registry, &objects).await;
}

/// Every file of the log says what the ledger says: a backup of it is verified byte for byte when it is restored.
async fn assert_all_laid_down(registry: &Registry, objects: &Arc<dyn ObjectStore>) {
    let size = now(registry).size;
    eventually("the issued checkpoint", async || (issued(objects).await.size == size).then_some(())).await;
    for from in (0..size).step_by(256) {
        let (to, index) = (size.min(from + 256), from / 256);
        let width = if to - from == 256 { String::new() } else { format!(".p/{}", to - from) };
        let ids = registry.snapshot().ids(from, to).await.unwrap();
        let path = format!("log/tile/entries/{index:03}{width}");
        let bytes = objects.get(&path.as_str().into()).await.unwrap().bytes().await.unwrap();
        let entries = wargate_core::log::tile::decode_entries(&bytes, (to - from) as u16).unwrap();
        for (entry, (log, record)) in entries.iter().zip(&ids) {
            assert_eq!(*entry, wargate_core::id::entry(log, record));
        }
        for kind in ["records", "names"] {
            let path = format!("log/{kind}/{index:03}{width}");
            objects.head(&path.as_str().into()).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_fell_behind_takes_up_what_another_did() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let first = open(dir.path(), &clock).await;
    let mut alice = Author::new(10, "acme:hello", &clock);
    alice.publish(&first, vec![alice.init()]).await;
    let second = open(dir.path(), &clock).await;
    // More commits than may wait to be laid down, so that their ledger rows are gone.
    for _ in 0..300 {
        alice.publish(&second, vec![]).await;
    }
    let (_, objects) = engines(dir.path());
    eventually("the issued checkpoint", async || (issued(&objects).await.size == 302).then_some(())).await;
    let behind = now(&first);
    assert_eq!(behind.size, 2);
    let mut bob = Author::new(11, "acme:other", &clock);
    let init = vec![bob.init()];
    assert_eq!(insist(&first, &mut bob, init).await.1, 302);
    assert_one_log(&first, &[behind, now(&second)]).await;
    bob.publish(&first, vec![]).await;
    // The one that is behind now never takes the issued checkpoint back.
    closed(second).await;
    assert_all_laid_down(&first, &objects).await;
    closed(first).await;
    assert_eq!(issued(&objects).await.size, 304);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_ahead_of_the_ledger_stop_a_running_registry() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let first = open(dir.path(), &clock).await;
    let mut alice = Author::new(10, "acme:hello", &clock);
    alice.publish(&first, vec![alice.init()]).await;
    closed(first).await;
    // A copy of the ledger, run on the same objects: what a cloned machine would be.
    let clone = tempfile::tempdir().unwrap();
    put_ledger(clone.path(), &ledger_of(dir.path()));
    let original = open(dir.path(), &clock).await;
    let (_, objects) = engines(dir.path());
    let (db, _) = engines(clone.path());
    let copy = Registry::open(config(), db, objects.clone(), clock.clone(), None).await.unwrap();
    for _ in 0..3 {
        alice.publish(&original, vec![]).await;
    }
    eventually("the issued checkpoint", async || (issued(&objects).await.size == 5).then_some(())).await;
    let issued_note = note(&objects).await;
    // The copy's ledger knows nothing of them: what it commits is never issued, and overwrites nothing.
    let mut bob = Author::new(11, "acme:other", &clock);
    bob.publish(&copy, vec![bob.init()]).await;
    closed(copy).await;
    assert_eq!(note(&objects).await, issued_note);
    let (db, _) = engines(clone.path());
    let again = Registry::open(config(), db, objects.clone(), clock.clone(), None).await;
    assert_refused(again, &["fork"]);
    assert_all_laid_down(&original, &objects).await;
}

/// A ledger that can be exchanged for another while it is in use, and whose next write may break off.
struct Exchanged {
    db: Mutex<Arc<dyn Db>>,
    breaks_off: AtomicBool,
}

impl Exchanged {
    fn new(db: Arc<dyn Db>) -> Arc<Self> {
        Arc::new(Self { db: Mutex::new(db), breaks_off: AtomicBool::new(false) })
    }

    fn db(&self) -> Arc<dyn Db> {
        self.db.lock().unwrap().clone()
    }

    fn exchange(&self, db: &Arc<dyn Db>) {
        *self.db.lock().unwrap() = db.clone();
    }
}

#[async_trait]
impl Db for Exchanged {
    async fn read(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, DbError> {
        self.db().read(statements).await
    }

    async fn write(&self, batch: Batch) -> Result<(), DbError> {
        if self.breaks_off.swap(false, Ordering::SeqCst) {
            return Err(DbError::Unknown { reason: "the test says so".to_owned() });
        }
        self.db().write(batch).await
    }

    async fn check(&self) -> Result<Vec<String>, DbError> {
        self.db().check().await
    }

    fn syncs(&self) -> u64 {
        self.db().syncs()
    }

    fn kind(&self) -> DbKind {
        self.db().kind()
    }
}

/// Hands a record in without insisting; whatever is answered, it is not published.
async fn assert_not_published(registry: &Registry, author: &Author) {
    let answer = registry.publish(author.record(vec![]), Duration::from_millis(300)).await;
    assert!(!matches!(answer, Ok(RecordStatus::Published { .. })), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_went_back_during_a_life_is_not_gone_on_from() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let registry = open(dir.path(), &clock).await;
    let mut alice = Author::new(10, "acme:hello", &clock);
    alice.publish(&registry, vec![alice.init()]).await;
    closed(registry).await;
    let old = tempfile::tempdir().unwrap();
    put_ledger(old.path(), &ledger_of(dir.path()));
    let ((db, objects), (old, _)) = (engines(dir.path()), engines(old.path()));
    let ledger = Exchanged::new(db.clone());
    let registry =
        Registry::open(config(), ledger.clone(), objects.clone(), clock.clone(), None).await.unwrap();
    alice.publish(&registry, vec![]).await;
    let newest = now(&registry);
    // As after a failover that lost a commit.
    ledger.exchange(&old);
    assert_not_published(&registry, &alice).await;
    eventually("the refusal", async || (!registry.is_ready()).then_some(())).await;
    assert_eq!(now(&registry), newest, "what was seen is still told");
    ledger.exchange(&db);
    eventually("ready again", async || registry.is_ready().then_some(())).await;
    insist(&registry, &mut alice, vec![]).await;
    assert_one_log(&registry, &[newest]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_ahead_of_the_ledger_are_seen_at_a_reload() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let registry = open(dir.path(), &clock).await;
    let mut alice = Author::new(10, "acme:hello", &clock);
    alice.publish(&registry, vec![alice.init()]).await;
    closed(registry).await;
    let clone = tempfile::tempdir().unwrap();
    put_ledger(clone.path(), &ledger_of(dir.path()));
    let original = open(dir.path(), &clock).await;
    let ((_, objects), (db, _)) = (engines(dir.path()), engines(clone.path()));
    let ledger = Exchanged::new(db);
    let copy = Registry::open(config(), ledger.clone(), objects.clone(), clock.clone(), None).await.unwrap();
    alice.publish(&original, vec![]).await;
    eventually("the issued checkpoint", async || (issued(&objects).await.size == 3).then_some(())).await;
    ledger.breaks_off.store(true, Ordering::SeqCst);
    let bob = Author::new(11, "acme:other", &clock);
    let answer = copy.publish(bob.record(vec![bob.init()]), Duration::from_millis(300)).await;
    assert!(!matches!(answer, Ok(RecordStatus::Published { .. })), "{answer:?}");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!copy.is_ready(), "its ledger lacks what was issued");
    assert_eq!(now(&copy).size, 2);
}
