//! What is damaged is never served, and is looked for while a registry runs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::TryStreamExt as _;
use wargate_core::digest::Digest;
use wargate_core::id::LogId;
use wargate_registry::clock::Clock;
use wargate_registry::db::{Db, DbError, DbKind, Row, Statement, Value};
use wargate_registry::{Error, Registry};

use crate::support::{TestClock, config, engines, eventually};
use crate::world::{copy, large, small};

async fn open(dir: &Path) -> Registry {
    let (db, objects) = engines(dir);
    let mut config = config();
    config.scrub = false;
    Registry::open(config, db, objects, TestClock::new(), None).await.unwrap()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

fn blob(dir: &Path, content: &[u8]) -> std::path::PathBuf {
    let hex = Digest::of(content).to_hex();
    dir.join("objects/blobs/sha256").join(&hex[..2]).join(&hex)
}

/// All bytes that come before an error, and the error.
async fn streamed(registry: &Registry, digest: &Digest) -> (usize, Option<Error>) {
    let hosted = registry.snapshot().content(digest).await.unwrap().hosted.unwrap();
    let mut body = match hosted.open(0..hosted.size).await {
        Ok(body) => body,
        Err(error) => return (0, Some(error)),
    };
    let mut bytes = 0;
    loop {
        match body.try_next().await {
            Ok(Some(piece)) => bytes += piece.len(),
            Ok(None) => return (bytes, None),
            Err(error) => return (bytes, Some(error)),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_blob_breaks_off_before_its_last_piece() {
    let dir = copy().await;
    let content = large(90);
    let digest = Digest::of(&content);
    let registry = open(dir.path()).await;
    assert!(matches!(streamed(&registry, &digest).await, (length, None) if length == content.len()));
    let path = blob(dir.path(), &content);
    for at in [0, 50_000, content.len() - 1] {
        flip(&path, at);
        let (length, error) = streamed(&registry, &digest).await;
        assert!(length < content.len() && matches!(error, Some(Error::Internal { .. })), "{at}: {error:?}");
        let hosted = registry.snapshot().content(&digest).await.unwrap().hosted.unwrap();
        assert!(hosted.bytes().await.is_err());
        flip(&path, at);
    }
    for cut in [&content[..content.len() - 1], &[&content[..], b"more"].concat()[..], b""] {
        std::fs::write(&path, cut).unwrap();
        let (length, error) = streamed(&registry, &digest).await;
        assert!(length < content.len() && error.is_some(), "{} bytes", cut.len());
    }
    std::fs::remove_file(&path).unwrap();
    assert!(streamed(&registry, &digest).await.1.is_some());
    registry.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_inline_row_is_not_served_by_any_door() {
    let dir = copy().await;
    let (db, _) = engines(dir.path());
    let digest = Digest::of(&small(3));
    let key = || Value::Bytes(digest.as_bytes().to_vec().into());
    let mut wrong = small(3);
    wrong[20] ^= 1;
    let update = "update content set bytes = $2 where digest = $1";
    db.write(vec![Statement::new(update, vec![key(), Value::Bytes(wrong.into())])]).await.unwrap();
    let manifest = "update content set bytes = x'7b7d', size = 2 where digest = \
        (select digest from manifests where repository = 'loose/things')";
    db.write(vec![Statement::new(manifest, vec![])]).await.unwrap();
    drop(db);
    let registry = open(dir.path()).await;
    assert!(matches!(streamed(&registry, &digest).await, (0, Some(Error::Internal { .. }))));
    let hosted = registry.snapshot().content(&digest).await.unwrap().hosted.unwrap();
    assert!(hosted.open(3..7).await.is_err(), "a part is checked as the whole");
    let repository = registry.repository("loose/things".parse().unwrap());
    assert!(matches!(repository.manifest(&"v1".parse().unwrap()).await, Err(Error::Internal { .. })));
    registry.close().await;
}

/// All static files of a folder that a reader may ask for.
fn files(dir: &Path, under: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir.join("objects/log").join(under)).unwrap().map(Result::unwrap) {
        let path = format!("{under}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            files(dir, &format!("{path}/"), found);
        } else if path != "checkpoint" {
            found.push(path);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_static_file_is_not_served() {
    let dir = copy().await;
    let mut paths = Vec::new();
    files(dir.path(), "", &mut paths);
    paths.sort();
    let registry = open(dir.path()).await;
    let static_file = async |path: &str| registry.snapshot().static_file(&path.parse().unwrap()).await;
    for path in &paths {
        assert!(static_file(path).await.is_ok(), "{path}");
    }
    registry.close().await;
    for path in paths {
        let file = dir.path().join("objects/log").join(&path);
        let sound = std::fs::read(&file).unwrap();
        flip(&file, place(&path, &sound));
        // What a registry cannot start from is not served either.
        let (db, objects) = engines(dir.path());
        let mut quiet = config();
        quiet.scrub = false;
        if let Ok(registry) = Registry::open(quiet, db, objects, TestClock::new(), None).await {
            let served = registry.snapshot().static_file(&path.parse().unwrap()).await;
            registry.close().await;
            // A start lays what is staged down again, and makes it right by that.
            let is_sound = served.as_ref().is_ok_and(|served| served.bytes == sound);
            assert!(is_sound || matches!(served, Err(Error::Internal { .. })), "{path} was served");
        }
        std::fs::write(&file, sound).unwrap();
    }
}

/// A byte that a hash covers: of a map segment one of its root page's first slot (numbers of segments have none), of a
/// bundle of records one of a record (signatures have none). The others are found by the scrub and by `fsck`.
fn place(path: &str, bytes: &[u8]) -> usize {
    if path.starts_with("records") {
        return 60;
    }
    if !path.starts_with("map") {
        return bytes.len() / 3;
    }
    let pages = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
    4 + 40 * pages + 4 + 5
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_tile_or_page_gives_no_proof() {
    for kind in ["tile/0/000", "map"] {
        let dir = copy().await;
        let log = dir.path().join("objects/log");
        let sizes = std::fs::read_dir(log.join("map")).unwrap();
        let sizes = sizes.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse::<u64>().unwrap());
        let size = sizes.filter(|size| *size < 200).max().unwrap();
        let path = if kind == "map" { format!("map/{size}") } else { kind.to_owned() };
        let bytes = std::fs::read(log.join(&path)).unwrap();
        flip(&log.join(&path), place(&path, &bytes));
        let registry = open(dir.path()).await;
        let snapshot = registry.snapshot();
        let proof = snapshot.prove_inclusion(size, &[3]).await;
        assert!(matches!(proof, Err(Error::Internal { .. })), "{path}: {proof:?}");
        if kind == "map" {
            let map = snapshot.prove_map(size, &[LogId::operator()]).await;
            assert!(matches!(map, Err(Error::Internal { .. })), "{path}: {map:?}");
        }
        registry.close().await;
    }
}

/// A clock on which nobody waits long.
struct Hurried(Arc<TestClock>);

#[async_trait]
impl Clock for Hurried {
    fn now_ms(&self) -> u64 {
        self.0.now_ms()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration.min(Duration::from_millis(2))).await;
    }
}

/// A ledger that remembers up to which content it was asked.
struct Asked(Arc<dyn Db>, std::sync::atomic::AtomicU64);

#[async_trait]
impl Db for Asked {
    async fn read(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, DbError> {
        let is_segment = |one: &Statement| one.sql.starts_with("select size from checkpoints where size >");
        if statements.iter().any(is_segment) {
            self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
        self.0.read(statements).await
    }

    async fn write(&self, batch: Vec<Statement>) -> Result<(), DbError> {
        self.0.write(batch).await
    }

    async fn check(&self) -> Result<Vec<String>, DbError> {
        self.0.check().await
    }

    fn syncs(&self) -> u64 {
        self.0.syncs()
    }

    fn kind(&self) -> DbKind {
        self.0.kind()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scrub_goes_through_everything_and_ends_with_the_registry() {
    let dir = copy().await;
    let (db, objects) = engines(dir.path());
    let asked = Arc::new(Asked(db, 0.into()));
    let clock = Arc::new(Hurried(TestClock::new()));
    let registry = Registry::open(config(), asked.clone(), objects, clock, None).await.unwrap();
    let seen = || asked.1.load(std::sync::atomic::Ordering::SeqCst);
    // Content and windows come first, the segments of the map last.
    eventually("the scrub reaches the map", async || (seen() > 10).then_some(())).await;
    registry.close().await;
    let then = seen();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(seen(), then, "it has ended");
}
