//! Disks that are full, read-only, slow or failing: writers are told, reading goes on, nothing is done by half, and
//! it comes back by itself.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test ends where something fails, and waits for real"
)]

#[path = "support/faulty.rs"]
mod faulty;
mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use faulty::{Faults, FaultyDb, FaultyObjects, TestRoom};
use object_store::ObjectStore;
use support::{
    Author, TestClock, WAIT, config, engines, eventually, genesis, module, open, published, release, upload,
};
use wargate_core::checkpoint::peek_note;
use wargate_core::digest::Digest;
use wargate_core::id::Layer;
use wargate_registry::clock::Clock as _;
use wargate_registry::limits::{FREE_BYTES_AGE_MAX, PROOF_LEAVES_MAX, STAGED_BUNDLES_MAX, UNWRITABLE_REST};
use wargate_registry::{Config, Error, Readiness, RecordStatus, Registry};
use wargate_wire::oci::reference::ContentDigest;

const MIB: u64 = 1024 * 1024;
const FLOOR: u64 = 100 * MIB;

/// A registry on engines that fail while the test says so.
struct Scene {
    dir: tempfile::TempDir,
    clock: Arc<TestClock>,
    ledger: Arc<Faults>,
    objects: Arc<Faults>,
    room: Arc<TestRoom>,
    registry: Registry,
}

impl Scene {
    async fn new() -> Self {
        let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
        // Begun on a good disk.
        open(dir.path(), &clock).await.close().await;
        let (ledger, objects) = (Arc::new(Faults::default()), Arc::new(Faults::default()));
        let room = TestRoom::new(u64::MAX);
        let (db, store) = engines(dir.path());
        let db = Arc::new(FaultyDb(db, ledger.clone()));
        let store: Arc<dyn ObjectStore> = Arc::new(FaultyObjects(store, objects.clone()));
        let config = Config { room: Some(room.clone()), free_bytes_floor: FLOOR, ..config() };
        let registry =
            Registry::open(config, db, store, clock.clone(), Some(genesis(clock.now()))).await.unwrap();
        Self { dir, clock, ledger, objects, room, registry }
    }

    fn author(&self, name: &str) -> Author {
        Author::new(10, name, &self.clock)
    }

    /// Begins a package with a record that names no content.
    async fn begin(&self, name: &str) -> Result<RecordStatus, Error> {
        let author = self.author(name);
        self.registry.publish(author.record(vec![author.init()]), WAIT).await
    }

    /// Pushes a blob in one piece.
    async fn push(&self, content: &[u8]) -> Result<(), Error> {
        let repository = self.registry.repository("acme/files".parse().unwrap());
        let mut upload = repository.upload(repository.begin_upload()?)?;
        upload.write(Bytes::copy_from_slice(content)).await?;
        upload.finish(&digest(content)).await
    }

    /// Everything committed can be proven, and read.
    async fn check_reads(&self) {
        let snapshot = self.registry.snapshot();
        let size = snapshot.checkpoint().size();
        let indices: Vec<u64> = (0..size).collect();
        for some in indices.chunks(PROOF_LEAVES_MAX) {
            snapshot.prove_inclusion(size, some).await.unwrap();
        }
        assert_eq!(snapshot.ids(0, size).await.unwrap().len() as u64, size);
    }

    /// The tree size of the static checkpoint.
    fn issued(&self) -> u64 {
        let note = std::fs::read_to_string(self.dir.path().join("objects/log/checkpoint")).unwrap();
        peek_note(&note).unwrap().1.size
    }

    /// Files below the objects' folder that are no objects: of uploads and of puts that broke off.
    fn left_over(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.dir.path().join("objects")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let text = path.to_str().unwrap().to_owned();
                if path.is_dir() {
                    folders.push(path);
                } else if text.contains('#') || text.contains("/uploads/") {
                    found.push(text);
                }
            }
        }
        found
    }

    async fn nothing_left_over(&self) {
        eventually("no file of a broken upload", async || self.left_over().is_empty().then_some(())).await;
    }
}

fn digest(content: &[u8]) -> ContentDigest {
    Digest::of(content).into()
}

#[track_caller]
fn no_room<T: std::fmt::Debug>(answer: &Result<T, Error>) {
    match answer {
        Err(Error::NoRoom { retry_after }) => assert!(*retry_after >= Duration::from_secs(1)),
        other => panic!("expected no room, got {other:?}"),
    }
}

#[track_caller]
fn unwritable<T: std::fmt::Debug>(answer: &Result<T, Error>) {
    assert!(matches!(answer, Err(Error::Unwritable { .. })), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn below_the_floor_nothing_is_taken_and_above_it_all_is() {
    let scene = Scene::new().await;
    published(scene.begin("acme:first").await);
    let cases = [("a", FLOOR + MIB), ("b", FLOOR), ("c", FLOOR - 1), ("d", 0), ("e", FLOOR)];
    for (letter, free) in cases {
        scene.room.set(free);
        scene.clock.advance(FREE_BYTES_AGE_MAX);
        let (name, taken) = (format!("acme:p{letter}"), free >= FLOOR);
        let ready = scene.registry.readiness();
        if taken {
            published(scene.begin(&name).await);
            assert_eq!(ready, Readiness::Ready, "{free}");
        } else {
            no_room(&scene.begin(&name).await);
            no_room(&scene.push(&[1; 100]).await);
            let Readiness::ReadsOnly { reason } = ready else { panic!("{ready:?}") };
            assert!(reason.contains(&free.to_string()) && reason.contains("free_bytes_floor"), "{reason}");
        }
        scene.check_reads().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_is_looked_at_once_a_second_however_many_write() {
    let scene = Scene::new().await;
    let before = scene.room.looks.load(Ordering::SeqCst);
    for i in 0..20 {
        scene.push(&[i; 10]).await.unwrap();
    }
    assert!(scene.room.looks.load(Ordering::SeqCst) <= before + 1);
    scene.clock.advance(FREE_BYTES_AGE_MAX);
    scene.push(&[99; 10]).await.unwrap();
    assert_eq!(scene.room.looks.load(Ordering::SeqCst), before.max(1) + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_in_since_the_last_look_counts() {
    let scene = Scene::new().await;
    scene.room.set(FLOOR + 10 * MIB);
    scene.clock.advance(FREE_BYTES_AGE_MAX);
    // Declared larger than what is free: refused before a byte of it is sent; smaller ones go on.
    let (author, content) = (scene.author("acme:large"), module(&[1; 100]));
    let record = author.record(vec![author.init(), release("1.0.0", Digest::of(&content))]);
    let id = record.envelope.record_id(Layer::Package);
    assert!(matches!(scene.registry.publish(record, WAIT).await, Ok(RecordStatus::Sourcing { .. })));
    let (log, digest) = (author.log(), Digest::of(&content));
    for (declared, taken) in [(10 * MIB + 1, false), (10 * MIB, true)] {
        let begun = scene.registry.begin_upload(&log, &id, &digest, Some(declared)).await;
        assert!(matches!((&begun, taken), (Ok(_), true) | (Err(Error::NoRoom { .. }), false)), "{declared}");
    }
    // Undeclared, it is cut off where the room ends, without another look.
    let repository = scene.registry.repository("acme/files".parse().unwrap());
    let mut large = repository.upload(repository.begin_upload().unwrap()).unwrap();
    let mut sent = 0;
    let refused = loop {
        match large.write(vec![7; MIB as usize].into()).await {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, Error::NoRoom { .. }) && sent == 10, "{sent} MiB were taken: {refused}");
    drop(large);
    scene.nothing_left_over().await;
    scene.clock.advance(FREE_BYTES_AGE_MAX);
    scene.push(&vec![8; MIB as usize]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_ledger_takes_nothing_says_so_and_comes_back() {
    let scene = Scene::new().await;
    published(scene.begin("acme:first").await);
    let mut size = scene.registry.snapshot().checkpoint().size();
    for read_only in [false, true] {
        let fault = if read_only { &scene.ledger.read_only } else { &scene.ledger.full };
        fault.store(true, Ordering::SeqCst);
        let check = if read_only { unwritable } else { no_room };
        check(&scene.begin("acme:second").await);
        // For a moment nobody else tries.
        check(&scene.begin("acme:fifth").await);
        assert!(!matches!(scene.registry.readiness(), Readiness::Ready));
        scene.check_reads().await;
        assert_eq!(scene.registry.snapshot().checkpoint().size(), size, "nothing is done by half");
        fault.store(false, Ordering::SeqCst);
        scene.clock.advance(UNWRITABLE_REST);
        let name = if read_only { "acme:fourth" } else { "acme:third" };
        // Whoever comes while it reloads is told to come again, or that the record is taken and has its verdict soon.
        size = eventually("taken again", async || match scene.begin(name).await {
            Err(Error::Busy { .. }) | Ok(RecordStatus::Processing { .. }) => None,
            answer => Some(published(Ok(answer.unwrap())) + 1),
        })
        .await;
    }
    published(scene.begin("acme:second").await);
    scene.check_reads().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_the_system_calls_read_only_is_told_before_anything_is_tried() {
    let scene = Scene::new().await;
    scene.room.read_only.store(true, Ordering::SeqCst);
    scene.clock.advance(FREE_BYTES_AGE_MAX);
    unwritable(&scene.begin("acme:first").await);
    scene.room.read_only.store(false, Ordering::SeqCst);
    scene.clock.advance(FREE_BYTES_AGE_MAX);
    published(scene.begin("acme:first").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_objects_stop_publishing_only_at_the_most_staged_commits() {
    let scene = Scene::new().await;
    let mut author = scene.author("acme:first");
    author.publish(&scene.registry, vec![author.init()]).await;
    let size = scene.registry.snapshot().checkpoint().size();
    eventually("all is laid down", async || (scene.issued() == size).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    scene.objects.set(true);
    let refused = loop {
        let record = author.record(vec![]);
        let id = record.envelope.record_id(Layer::Package);
        match scene.registry.publish(record, WAIT).await {
            Ok(_) => author.head = Some(id),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, Error::Busy { .. }), "{refused}");
    let issued = scene.issued();
    // Each was a commit of its own.
    assert_eq!(scene.registry.snapshot().checkpoint().size() - issued, STAGED_BUNDLES_MAX as u64);
    let Readiness::ReadsOnly { reason } = scene.registry.readiness() else { panic!("it takes records") };
    assert!(reason.contains("64 commits"), "{reason}");
    scene.check_reads().await;
    no_room(&scene.push(&vec![1; 100_000]).await);
    scene.objects.set(false);
    scene.clock.advance(UNWRITABLE_REST);
    eventually("room for commits", async || (scene.registry.readiness() == Readiness::Ready).then_some(()))
        .await;
    author.publish(&scene.registry, vec![]).await;
    scene.push(&vec![1; 100_000]).await.unwrap();
    scene.check_reads().await;
    scene.nothing_left_over().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_cannot_write_closes_all_the_same() {
    for ledger_fails in [false, true] {
        let scene = Scene::new().await;
        scene.objects.set(true);
        let mut author = scene.author("acme:first");
        author.publish(&scene.registry, vec![author.init()]).await;
        // Taken and not waited for, until no more are taken: the last one has no room to be committed.
        let mut taken = Vec::new();
        for letter in 'a'..='z' {
            for second in 'a'..='z' {
                let other = scene.author(&format!("acme:p{letter}{second}"));
                let record = other.record(vec![other.init()]);
                let id = record.envelope.record_id(Layer::Package);
                let answer = scene.registry.publish(record, Duration::from_millis(20)).await;
                taken.extend(answer.is_ok().then(|| (other.log(), id)));
            }
        }
        if ledger_fails {
            scene.ledger.set(true);
            scene.objects.set(false);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        let closing = tokio::time::timeout(Duration::from_secs(20), scene.registry.close()).await;
        closing.expect("it closes");
        let Scene { dir, clock, registry, .. } = scene;
        drop(registry);
        let registry = open(dir.path(), &clock).await;
        for (log, id) in taken {
            support::wait_published(&registry, &log, &id).await;
        }
        registry.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_gives_up_in_a_full_queue_can_come_again() {
    let scene = Scene::new().await;
    scene.ledger.held.store(true, Ordering::SeqCst);
    // More than the queue holds.
    let authors: Vec<Author> = (0..1_500)
        .map(|number: usize| {
            let letters: String = number.to_string().bytes().map(|b| char::from(b - b'0' + b'a')).collect();
            scene.author(&format!("acme:q{letters}"))
        })
        .collect();
    let records: Vec<_> = authors.iter().map(|author| author.record(vec![author.init()])).collect();
    let patience = Duration::from_millis(500);
    let all = records
        .iter()
        .map(|record| tokio::time::timeout(patience, scene.registry.publish(record.clone(), WAIT)));
    assert!(futures::future::join_all(all).await.iter().all(Result::is_err), "nobody was answered");
    scene.ledger.held.store(false, Ordering::SeqCst);
    for record in records {
        support::publish_when_free(&scene.registry, &record).await;
    }
    scene.check_reads().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_lost_a_part_cannot_be_ended_as_if_it_had_not() {
    let scene = Scene::new().await;
    let repository = scene.registry.repository("acme/files".parse().unwrap());
    let content = vec![5; 20 * MIB as usize];
    scene.objects.failing_parts.store(1, Ordering::SeqCst);
    let session = repository.begin_upload().unwrap();
    let mut failed = false;
    for piece in content.chunks(MIB as usize) {
        // A client that does not give up: it asks how far it came, and goes on from there.
        let Ok(mut upload) = repository.upload(session) else { break };
        failed |= upload.write(Bytes::copy_from_slice(piece)).await.is_err();
        assert!(!failed || repository.upload(session).is_err(), "the session is over");
    }
    let ended = match repository.upload(session) {
        Ok(upload) => upload.finish(&digest(&content)).await,
        Err(error) => Err(error),
    };
    assert!(ended.is_err(), "a file with a hole passes for the whole");
    assert!(repository.blob(&digest(&content)).await.is_err());
    scene.nothing_left_over().await;
    // For a moment nobody else tries.
    no_room(&scene.push(&content).await);
    scene.clock.advance(UNWRITABLE_REST);
    scene.push(&content).await.unwrap();
    let stored = repository.blob(&digest(&content)).await.unwrap().bytes().await.unwrap();
    assert_eq!(Digest::of(&stored), Digest::of(&content));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_object_cannot_begin_is_over() {
    let scene = Scene::new().await;
    let repository = scene.registry.repository("acme/files".parse().unwrap());
    let (first, second) = (vec![1; 70_000], vec![2; 10]);
    let session = repository.begin_upload().unwrap();
    scene.objects.set(true);
    no_room(&repository.upload(session).unwrap().write(first.clone().into()).await);
    scene.objects.set(false);
    assert!(matches!(repository.upload(session), Err(Error::UnknownUpload { .. })));
    scene.clock.advance(UNWRITABLE_REST);
    scene.push(&[first, second].concat()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_gives_up_in_between_leaves_no_upload_with_a_hole() {
    let scene = Scene::new().await;
    let repository = scene.registry.repository("acme/files".parse().unwrap());
    let (first, second) = (vec![1; 60_000], vec![2; 10_000]);
    let session = repository.begin_upload().unwrap();
    repository.upload(session).unwrap().write(first.clone().into()).await.unwrap();
    // The second piece makes it an object; the client goes away while that begins.
    scene.objects.slow_ms.store(500, Ordering::SeqCst);
    let mut upload = repository.upload(session).unwrap();
    assert!(
        tokio::time::timeout(Duration::from_millis(50), upload.write(second.clone().into())).await.is_err()
    );
    drop(upload);
    scene.objects.slow_ms.store(0, Ordering::SeqCst);
    let whole = [first, second.clone()].concat();
    if let Ok(mut upload) = repository.upload(session) {
        let _ = upload.write(second.into()).await;
        if let Ok(upload) = repository.upload(session) {
            assert!(upload.finish(&digest(&whole)).await.is_err());
        }
    }
    assert!(repository.blob(&digest(&whole)).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_disk_makes_writers_wait_or_go_and_nothing_piles_up() {
    let scene = Scene::new().await;
    scene.ledger.slow_ms.store(300, Ordering::SeqCst);
    scene.objects.slow_ms.store(100, Ordering::SeqCst);
    let writers = (0..200u32).map(|number| {
        let letters: String = number.to_string().bytes().map(|b| char::from(b - b'0' + b'a')).collect();
        let author = scene.author(&format!("acme:slow-{letters}"));
        let registry = scene.registry.clone();
        tokio::spawn(async move {
            let record = author.record(vec![author.init()]);
            registry.publish(record, Duration::from_secs(1)).await.is_ok()
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        // Not one hangs for longer than its wait and the writes that it needs.
        tokio::time::timeout(Duration::from_secs(10), writer).await.unwrap().unwrap();
    }
    assert!(
        scene.objects.under_way_max.load(Ordering::SeqCst) <= 8,
        "more objects at once than the applier may"
    );
    scene.check_reads().await;
    scene.ledger.slow_ms.store(0, Ordering::SeqCst);
    scene.objects.slow_ms.store(0, Ordering::SeqCst);
    eventually("all are committed", async || {
        (scene.registry.snapshot().checkpoint().size() >= 201).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_was_uploaded_while_the_ledger_was_full_is_sent_again() {
    let scene = Scene::new().await;
    let (author, content) = (scene.author("acme:content"), module(&[3; 100_000]));
    let record = author.record(vec![author.init(), release("1.0.0", Digest::of(&content))]);
    let id = record.envelope.record_id(Layer::Package);
    assert!(matches!(scene.registry.publish(record, WAIT).await, Ok(RecordStatus::Sourcing { .. })));
    scene.ledger.set(true);
    no_room(&upload(&scene.registry, &author.log(), &id, &content).await);
    let status = scene.registry.record_status(&author.log(), &id).await;
    assert!(matches!(status, Ok(RecordStatus::Sourcing { .. })), "{status:?}");
    scene.ledger.set(false);
    scene.clock.advance(UNWRITABLE_REST);
    upload(&scene.registry, &author.log(), &id, &content).await.unwrap();
    support::wait_published(&scene.registry, &author.log(), &id).await;
}

/// Whoever asks for it has it judged: a commit that nobody was told of would leave it ready for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_whose_last_content_came_without_an_answer_is_judged_all_the_same() {
    let scene = Scene::new().await;
    for (name, again) in [("acme:asked", false), ("acme:again", true)] {
        let content = module(name.as_bytes());
        let author = scene.author(name);
        let record = author.record(vec![author.init(), release("1.0.0", Digest::of(&content))]);
        let id = record.envelope.record_id(Layer::Package);
        scene.registry.publish(record.clone(), WAIT).await.unwrap();
        let declared = Some(content.len() as u64);
        let begun = scene.registry.begin_upload(&author.log(), &id, &Digest::of(&content), declared).await;
        let Ok(mut arriving) = begun else { panic!("it waits for its content: {name}") };
        arriving.write(Bytes::from(content.clone())).await.unwrap();
        scene.ledger.unanswered.store(1, Ordering::SeqCst);
        let told = arriving.finish().await;
        assert!(told.is_err(), "nobody is told: {told:?}");
        if again {
            scene.registry.publish(record, WAIT).await.unwrap();
        }
        support::wait_published(&scene.registry, &author.log(), &id).await;
    }
}
