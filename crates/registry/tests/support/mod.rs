//! A real registry on a temporary folder, with people who sign records.

#![allow(dead_code, reason = "each test file uses its own part")]

pub mod oci;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use wargate_component::Inspection;
use wargate_core::act::{Act, Step, endorse};
use wargate_core::authority;
use wargate_core::digest::Digest;
use wargate_core::envelope::Envelope;
use wargate_core::id::{Layer, LogId, RecordId};
use wargate_core::key::{Algorithm, SecretKey};
use wargate_core::name::{LogName, PackageName};
use wargate_core::record::{PackageEntry, PackageRecord};
use wargate_core::time::Time;
use wargate_registry::clock::Clock;
use wargate_registry::db::Db;
use wargate_registry::inspector::{InspectError, Inspector};
use wargate_registry::limits::GARBAGE_INTERVAL;
use wargate_registry::{
    Config, Error, Genesis, HandedIn, RecordStatus, Registry, SignedAct, SignedRecord, Submitted,
};
use wargate_store::{SqliteLedger, open_files};

pub const ORIGIN: &str = "registry.test/log";

/// Long enough that a test which waits for a verdict gets it.
pub const WAIT: Duration = Duration::from_secs(20);

/// A key that is the same in every run.
pub fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(Algorithm::EcdsaP256, [seed; 32]).unwrap()
}

/// A clock that a test moves; waiting takes real time.
pub struct TestClock(AtomicU64);

impl TestClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(1_800_000_000_000)))
    }

    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as u64, Ordering::SeqCst);
    }

    /// Forward or back, by seconds.
    pub fn jump(&self, seconds: i64) {
        self.0.fetch_add((seconds * 1000).cast_unsigned(), Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    async fn sleep(&self, duration: Duration) {
        if duration >= GARBAGE_INTERVAL {
            // No test lives so long: what happens on a schedule happens when a test says so.
            return std::future::pending().await;
        }
        tokio::time::sleep(duration).await;
    }
}

/// The act that begins a test registry: root 1, commit 2 with the spare 3, publishing 4.
pub fn genesis(now: Time) -> Genesis {
    let root = key(1);
    let act = authority::genesis_act(
        &[root.public().clone()],
        1,
        &[key(2).public().clone(), key(3).public().clone()],
        key(4).public(),
        now,
        [7; 16],
    );
    let bytes = act.encode();
    let endorsement = endorse(&bytes, &root).unwrap();
    Genesis { act: bytes.into(), endorsements: vec![endorsement] }
}

/// Does something in the operator's log, by its owner; no two of these may have the same nonce.
pub async fn operate(registry: &Registry, clock: &TestClock, nonce: u8, step: Step) {
    operated(registry, clock, nonce, step).await.unwrap();
}

/// The same, with the registry's answer.
pub async fn operated(
    registry: &Registry,
    clock: &TestClock,
    nonce: u8,
    step: Step,
) -> Result<Submitted, Error> {
    acted(registry, clock, nonce, (LogName::Operator, 1), step).await
}

/// Does something in a log, by a key; no two of these in one log may have the same nonce.
pub async fn acted(
    registry: &Registry,
    clock: &TestClock,
    nonce: u8,
    (log, by): (LogName, u8),
    step: Step,
) -> Result<Submitted, Error> {
    let act = Act {
        root: registry.snapshot().root().copied(),
        log: log.log_id(),
        steps: vec![step],
        not_before: clock.now().plus_seconds(-60),
        not_after: clock.now().plus_seconds(600),
        nonce: [nonce; 16],
    };
    let act: Bytes = act.encode().into();
    let endorsements = vec![endorse(&act, &key(by)).unwrap()];
    registry.submit(SignedAct { log, act, endorsements }, WAIT).await.map(carried)
}

/// What lacks nobody's agreement.
#[track_caller]
pub fn carried(handed_in: HandedIn) -> Submitted {
    match handed_in {
        HandedIn::Carried(submitted) => submitted,
        HandedIn::Proposed(proposal) => panic!("it waits: {proposal:?}"),
    }
}

/// That a release or a package, as `NS:NAME[@VERSION]`, is taken down; until a time it is a quarantine.
pub fn takedown(subject: &str, not_after: Option<Time>) -> Step {
    let (package, version) = subject.split_once('@').unzip();
    Step::Takedown {
        package: package.unwrap_or(subject).parse().unwrap(),
        version: version.map(|version| version.parse().unwrap()),
        reason: "it steals keys".to_owned(),
        lifted: false,
        not_after,
    }
}

/// That it is given out again.
pub fn lift(subject: &str) -> Step {
    match takedown(subject, None) {
        Step::Takedown { package, version, reason, not_after, .. } => {
            Step::Takedown { package, version, reason, lifted: true, not_after }
        }
        other => other,
    }
}

/// A core module that is nothing but a custom section with this payload.
pub fn module(payload: &[u8]) -> Vec<u8> {
    let mut module = b"\0asm\x01\0\0\0\0".to_vec();
    let mut length = payload.len() + 2;
    while length > 0x7f {
        module.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    module.push(length as u8);
    module.extend_from_slice(b"\x01x");
    module.extend_from_slice(payload);
    module
}

/// Inspects in this process whatever its size: the tests' own files are harmless.
pub struct Here;

#[async_trait]
impl Inspector for Here {
    async fn inspect(&self, content: Bytes) -> Result<Inspection, InspectError> {
        Ok(wargate_component::inspect(&content)?)
    }
}

pub fn config() -> Config {
    let mut config = Config::new(ORIGIN, key(2));
    config.inspector = Arc::new(Here);
    config.publishing_key = Some(Arc::new(key(4)));
    config
}

/// The engines of a folder.
pub fn engines(dir: &Path) -> (Arc<dyn Db>, Arc<dyn object_store::ObjectStore>) {
    std::fs::create_dir_all(dir.join("objects")).unwrap();
    let db = SqliteLedger::open(dir.join("ledger.sqlite"), 2).unwrap();
    (Arc::new(db), open_files(&dir.join("objects")).unwrap())
}

pub async fn open(dir: &Path, clock: &Arc<TestClock>) -> Registry {
    let (db, objects) = engines(dir);
    Registry::open(config(), db, objects, clock.clone(), Some(genesis(clock.now()))).await.unwrap()
}

/// Somebody with a key who writes one package's log.
pub struct Author {
    pub key: SecretKey,
    pub name: PackageName,
    pub head: Option<RecordId>,
    pub clock: Arc<TestClock>,
}

impl Author {
    pub fn new(seed: u8, name: &str, clock: &Arc<TestClock>) -> Self {
        Self { key: key(seed), name: name.parse().unwrap(), head: None, clock: clock.clone() }
    }

    pub fn log(&self) -> LogId {
        LogId::package(&self.name)
    }

    pub fn init(&self) -> PackageEntry {
        PackageEntry::Init { key: self.key.public().clone() }
    }

    /// Signs the next record without handing it in.
    pub fn record(&self, entries: Vec<PackageEntry>) -> SignedRecord {
        self.record_at(entries, self.clock.now())
    }

    /// The same as of another time.
    pub fn record_at(&self, entries: Vec<PackageEntry>, time: Time) -> SignedRecord {
        let record = PackageRecord { prev: self.head, version: 0, time, entries };
        let envelope = Envelope::sign(Layer::Package, record.encode().into(), &self.key).unwrap();
        SignedRecord { name: self.name.clone(), envelope, sources: Vec::new() }
    }

    /// Publishes entries that name no missing content; the index of the record.
    pub async fn publish(&mut self, registry: &Registry, entries: Vec<PackageEntry>) -> u64 {
        let record = self.record(entries);
        self.head = Some(record.envelope.record_id(Layer::Package));
        publish_when_free(registry, &record).await
    }

    /// Publishes a release of `content`, a file of Wasm, uploading it if it is missing; the index of the record.
    pub async fn release(&mut self, registry: &Registry, version: &str, content: &[u8]) -> u64 {
        let digest = Digest::of(content);
        let mut entries = Vec::new();
        if self.head.is_none() {
            entries.push(self.init());
        }
        entries.push(release(version, digest));
        let record = self.record(entries);
        let id = record.envelope.record_id(Layer::Package);
        self.head = Some(id);
        match taken(registry, record).await {
            RecordStatus::Sourcing { missing, .. } => {
                assert_eq!(missing, [digest]);
                upload(registry, &self.log(), &id, content).await.unwrap();
                wait_published(registry, &self.log(), &id).await
            }
            other => published(Ok(other)),
        }
    }
}

/// Publishes a record that needs nothing; its index.
pub async fn publish_when_free(registry: &Registry, record: &SignedRecord) -> u64 {
    published(Ok(taken(registry, record.clone()).await))
}

pub fn release(version: &str, content: Digest) -> PackageEntry {
    PackageEntry::Release { version: version.parse().unwrap(), content }
}

pub async fn upload(
    registry: &Registry,
    log: &LogId,
    record: &RecordId,
    content: &[u8],
) -> Result<(), Error> {
    let declared = Some(content.len() as u64);
    let mut upload = registry.begin_upload(log, record, &Digest::of(content), declared).await?;
    for piece in content.chunks(8192) {
        upload.write(Bytes::copy_from_slice(piece)).await?;
    }
    upload.finish().await
}

pub fn published(status: Result<RecordStatus, Error>) -> u64 {
    match status {
        Ok(RecordStatus::Published { index, .. }) => index,
        other => panic!("expected a published record, got {other:?}"),
    }
}

pub fn rejected(status: Result<RecordStatus, Error>) -> String {
    match status {
        Ok(RecordStatus::Rejected { reason, .. })
        | Err(Error::Invalid { reason } | Error::Unauthorized { reason }) => reason,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// Asks until there is an answer, for ten seconds.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..2000 {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what}: it never came");
}

/// Hands a record in until it is taken: a slow machine lays down slower than people publish; then it says so, and they
/// come again.
async fn taken(registry: &Registry, record: SignedRecord) -> RecordStatus {
    for _ in 0..1000 {
        match registry.publish(record.clone(), WAIT).await {
            Err(Error::Busy { .. }) => tokio::time::sleep(Duration::from_millis(10)).await,
            answer => return answer.unwrap(),
        }
    }
    panic!("it stays busy");
}

/// Polls as a client does.
pub async fn wait_published(registry: &Registry, log: &LogId, record: &RecordId) -> u64 {
    eventually("a verdict", async || match registry.record_status(log, record).await.unwrap() {
        RecordStatus::Published { index, .. } => Some(index),
        RecordStatus::Rejected { reason, .. } => panic!("rejected: {reason}"),
        _ => None,
    })
    .await
}
