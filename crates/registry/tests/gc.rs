//! What is garbage goes, and nothing that is needed: log, map and what expires, across crashes and beside publishing.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test ends where something fails, and waits for real"
)]

#[path = "gc/copies.rs"]
mod copies;
#[path = "gc/crash.rs"]
mod crash;
#[path = "gc/disk.rs"]
mod disk;
#[path = "gc/reader.rs"]
mod reader;
mod support;
#[path = "gc/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use support::{Author, TestClock, WAIT, engines, module, open, release, upload};
use wargate_core::digest::Digest;
use wargate_core::id::Layer;
use wargate_core::map::page::PageRef;
use wargate_registry::gc::Garbage;
use wargate_registry::limits::{MAP_RETENTION, REFUSALS_KEPT, SOURCING_LIFE, UPLOAD_SESSION_LIFE};
use wargate_registry::{Error, RecordStatus, Registry};
use world::{Numbers, SETTLE, World, collect_at, copy};

const HOUR: Duration = Duration::from_secs(60 * 60);

#[tokio::test(flavor = "multi_thread")]
async fn partials_go_once_what_replaced_them_is_settled() {
    let mut world = World::new(3).await;
    let reader = world.reader();
    for at in 0..560 {
        world.publish(|author| author == at % 3).await;
    }
    world.wait_issued().await;
    let size = reader.checkpoint().await.size;
    assert_eq!(size / 256, 2, "two bundles are full");
    world.registry.collect_garbage(false).await.unwrap();
    world.clock.advance(SETTLE - Duration::from_secs(2));
    let early = world.collect().await;
    assert_eq!(early.of(Garbage::Records).count, 0, "readers of an older checkpoint may still ask for them");
    world.clock.advance(Duration::from_secs(3));
    let removed = world.collect().await;
    for kind in [Garbage::Tiles, Garbage::Entries, Garbage::Names, Garbage::Records] {
        assert!(removed.of(kind).count > 2 && removed.of(kind).bytes > 0, "{kind}: {removed:?}");
    }
    let partials = |folder: &str| format!("log/{folder}");
    for folder in ["tile/0", "tile/entries", "names", "records"] {
        let files = reader.list(&partials(folder)).await;
        for full in ["000", "001"] {
            assert!(files.contains_key(&format!("log/{folder}/{full}")), "{folder}/{full} is full");
            let stale = files.keys().filter(|path| path.contains(&format!("/{full}.p/"))).count();
            assert_eq!(stale, 0, "{folder}/{full}.p");
        }
    }
    let newest: Vec<_> = reader.list("log/records/002.p").await.into_keys().collect();
    assert_eq!(newest, [format!("log/records/002.p/{}", size % 256)]);
    assert!(reader.list("log/tile/0/002.p").await.len() > 1, "a tile's partials stay until it is full");
    assert_eq!(reader.read_all().await.0.size, size);
    assert!(world.collect().await.is_empty(), "all of it went at once");
    world.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_where_it_was() {
    let mut world = World::new(2).await;
    for at in 0..300 {
        world.publish(|author| author == at % 2).await;
    }
    // The last commits are still staged: what they replaced goes once they are known to be laid down.
    world.reopen().await;
    world.settle_and_collect().await;
    world.publish(|_| true).await;
    world.wait_issued().await;
    let reader = world.reader();
    for folder in ["tile/0", "tile/entries", "names", "records"] {
        assert_eq!(reader.list(&format!("log/{folder}/000.p")).await.len(), 0, "{folder}");
    }
    reader.read_all().await;
    world.check().await;
}

/// No segment is left that no page of a kept tree lies in.
async fn nothing_dead_is_left(world: &World) {
    let kept_from = world.registry.snapshot().checkpoint().signed.checkpoint.clone();
    let reader = world.reader();
    let mut reached = BTreeSet::new();
    reader.reach(PageRef { hash: kept_from.map_root, segment: kept_from.size }, &mut reached).await;
    let lived: BTreeSet<u64> = reached.iter().map(|page| page.segment).collect();
    let segments = reader.list("log/map").await;
    let there: BTreeSet<u64> =
        segments.keys().map(|path| path.rsplit_once('/').unwrap().1.parse().unwrap()).collect();
    assert_eq!(there, lived);
    let bytes: u64 = segments.values().sum();
    let mut pages = 0;
    for size in &there {
        pages += reader.segment(*size).await.unwrap().len();
    }
    assert!(
        pages <= 3 * reached.len() + there.len() * 8,
        "{pages} pages, {} live, {bytes} bytes",
        reached.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn map_pages_of_kept_checkpoints_stay_and_others_go() {
    let (mut segments, mut rewritten) = (0, 0);
    for seed in 1..=2 {
        let mut world = World::new(300).await;
        let mut numbers = Numbers(seed);
        for _ in 0..30 {
            world.clock.advance(Duration::from_secs(numbers.next(5 * 60 * 60)));
            match numbers.next(6) {
                0 => world.publish(|_| true).await,
                1..=4 => {
                    let (first, step) = (numbers.next(300) as usize, 1 + numbers.next(40) as usize);
                    world.publish(|author| author % step == first % step).await;
                }
                _ => {
                    let removed = world.settle_and_collect().await;
                    segments += removed.of(Garbage::MapSegments).count;
                    rewritten += removed.of(Garbage::MapPages).count;
                    world.check().await;
                }
            }
        }
        world.clock.advance(MAP_RETENTION);
        let removed = world.settle_and_collect().await;
        segments += removed.of(Garbage::MapSegments).count;
        rewritten += removed.of(Garbage::MapPages).count;
        nothing_dead_is_left(&world).await;
        // Without what is in memory.
        world.reopen().await;
        world.check().await;
        let old = &world.seen[0];
        let proof = world.registry.snapshot().prove_map(old.checkpoint.size, &[world.authors[0].log()]).await;
        let error = proof.unwrap_err();
        assert!(error.to_string().contains("no longer kept"), "seed {seed}: {error}");
        let found = world.registry.snapshot().checkpoint_at(old.checkpoint.size).await.unwrap();
        assert_eq!(found, old.checkpoint, "a checkpoint itself is known for ever");
        world.publish(|_| true).await;
        world.wait_issued().await;
        world.reader().read_all().await;
    }
    assert!(segments > 5 && rewritten > 20, "{segments} segments, {rewritten} pages");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_was_pinned_before_gets_a_proof_or_an_error_that_says_why() {
    let mut world = World::new(60).await;
    world.reopen().await;
    let pinned = world.registry.snapshot();
    let root = pinned.checkpoint().signed.checkpoint.map_root;
    let (size, latest) = (pinned.checkpoint().size(), world.seen[0].latest.clone());
    for _ in 0..30 {
        world.clock.advance(HOUR);
        world.publish(|author| author < 55).await;
        world.settle_and_collect().await;
        for author in &world.authors {
            match pinned.prove_map(size, &[author.log()]).await {
                Ok(bundle) => {
                    bundle.proofs[0].verify(&root, &author.log(), latest.get(&author.log())).unwrap();
                }
                Err(Error::NoLongerKept { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
    let segment = world.reader().find(&format!("log/map/{size}")).await;
    assert!(segment.is_none_or(|bytes| bytes.len() < 20_000), "most of it went");
}

#[tokio::test(flavor = "multi_thread")]
async fn removal_goes_on_beside_publishing() {
    let mut world = World::with(120, Duration::from_secs(5 * 60)).await;
    let registry = world.registry.clone();
    let done = Arc::new(AtomicBool::new(false));
    let is_done = done.clone();
    let collector = tokio::spawn(async move {
        let mut removed = 0;
        while !is_done.load(Ordering::SeqCst) {
            let round = registry.collect_garbage(false).await.unwrap();
            removed += Garbage::ALL.iter().map(|kind| round.of(*kind).count).sum::<u64>();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        removed
    });
    let mut numbers = Numbers(77);
    for _ in 0..100 {
        let (first, step) = (numbers.next(120) as usize, 1 + numbers.next(20) as usize);
        // Here, and not beside it: a record that is on its way for minutes is too old.
        world.clock.advance(Duration::from_secs(30));
        world.publish(|author| author % step == first % step).await;
    }
    done.store(true, Ordering::SeqCst);
    assert!(collector.await.unwrap() > 100);
    world.wait_issued().await;
    world.check().await;
    world.reopen().await;
    world.publish(|_| true).await;
    world.wait_issued().await;
    world.check().await;
    let (_, latest) = world.reader().read_all().await;
    for author in &world.authors {
        assert_eq!(latest.get(&author.log()), author.head.as_ref());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_step_leaves_work_for_the_next_round_and_nothing_else() {
    let mut world = World::new(280).await;
    for at in 0..6 {
        world.clock.advance(7 * HOUR);
        world.publish(|author| author % 2 == at % 2 || author % 7 == at).await;
        world.wait_issued().await;
    }
    world.clock.advance(2 * MAP_RETENTION);
    world.registry.close().await;
    // Signs anew, and so forgets what is staged.
    world.registry = open(world.dir.path(), &world.clock).await;
    world.publish(|author| author == 0).await;
    world.registry.close().await;
    world.clock.advance(SETTLE);
    let expected = tempfile::tempdir().unwrap();
    copy(world.dir.path(), expected.path());
    let (db, objects) = engines(expected.path());
    let steps = crash::Steps::never();
    let (db, objects) = (crash::ledger(db, &steps), crash::objects(objects, &steps));
    let removed = collect_at(&db, &objects, &world.clock, false).await.unwrap();
    assert!(
        removed.of(Garbage::MapSegments).count > 1 && removed.of(Garbage::MapPages).count > 1,
        "{removed:?}"
    );
    let left = reader::Reader(objects).list("").await;
    let changes = steps.taken();
    assert!(changes > 12, "{changes} changes");
    for at in (0..changes).step_by(usize::max(1, changes / 15)) {
        for after in [false, true] {
            let crashed = tempfile::tempdir().unwrap();
            copy(world.dir.path(), crashed.path());
            let steps = crash::Steps::crash_at(at, after);
            let (db, objects) = engines(crashed.path());
            let (db, objects) = (crash::ledger(db, &steps), crash::objects(objects, &steps));
            steps.drop_at_crash(collect_at(&db, &objects, &world.clock, false)).await;
            drop((db, objects));
            let (db, objects) = engines(crashed.path());
            collect_at(&db, &objects, &world.clock, false).await.unwrap();
            assert!(collect_at(&db, &objects, &world.clock, true).await.unwrap().is_empty());
            let reader = reader::Reader(objects);
            assert_eq!(reader.list("").await, left, "crashed at change {at}, done: {after}");
            reader.read_all().await;
        }
    }
}

async fn status(registry: &Registry, author: &Author) -> Result<RecordStatus, Error> {
    registry.record_status(&author.log(), &author.head.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn records_whose_content_does_not_come_are_refused_and_refusals_are_told_for_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let registry = open(dir.path(), &clock).await;
    let mut waiting = Author::new(10, "acme:waiting", &clock);
    let record = waiting.record(vec![waiting.init(), release("1.0.0", Digest::of(b"never"))]);
    waiting.head = Some(record.envelope.record_id(Layer::Package));
    let told = registry.publish(record.clone(), WAIT).await.unwrap();
    assert!(matches!(told, RecordStatus::Sourcing { .. }));
    clock.advance(SOURCING_LIFE - HOUR);
    assert!(registry.collect_garbage(false).await.unwrap().of(Garbage::Pending).count == 0);
    clock.advance(2 * HOUR);
    assert_eq!(registry.collect_garbage(true).await.unwrap().of(Garbage::Pending).count, 1);
    assert!(matches!(status(&registry, &waiting).await, Ok(RecordStatus::Sourcing { .. })));
    assert_eq!(registry.collect_garbage(false).await.unwrap().of(Garbage::Pending).count, 1);
    let Ok(RecordStatus::Rejected { reason, .. }) = status(&registry, &waiting).await else {
        panic!("it waits no more")
    };
    assert!(reason.contains("its content did not come within 7 days"), "{reason}");
    let late = upload(&registry, &waiting.log(), &waiting.head.unwrap(), b"never").await;
    assert!(matches!(late, Err(Error::NotSourcing { .. })), "{late:?}");

    clock.advance(REFUSALS_KEPT - HOUR);
    assert_eq!(registry.collect_garbage(false).await.unwrap().of(Garbage::Refusals).count, 0);
    clock.advance(2 * HOUR);
    assert_eq!(registry.collect_garbage(true).await.unwrap().of(Garbage::Refusals).count, 1);
    assert_eq!(registry.collect_garbage(false).await.unwrap().of(Garbage::Refusals).count, 1);
    assert!(matches!(status(&registry, &waiting).await, Err(Error::UnknownLog { .. })));
    // Forgotten, it still does not pass.
    let again = registry.publish(record, WAIT).await.unwrap();
    assert!(matches!(again, RecordStatus::Sourcing { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_off_uploads_go_and_open_ones_stay() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let registry = open(dir.path(), &clock).await;
    let (_, objects) = engines(dir.path());
    objects.put(&Path::from("uploads/left"), b"by a crash"[..].into()).await.unwrap();
    let content = module(&vec![b'x'; 200_000]);
    let repository = registry.repository("acme/open".parse().unwrap());
    let session = repository.begin_upload().unwrap();
    let mut open_one = repository.upload(session).unwrap();
    open_one.write(content.clone().into()).await.unwrap();
    // The files' times are the machine's; the test's clock is far ahead of it.
    let removed = registry.collect_garbage(false).await.unwrap();
    assert_eq!((removed.of(Garbage::Uploads).count, removed.of(Garbage::Uploads).bytes), (1, 10));
    assert_eq!(removed.of(Garbage::Sessions).count, 0);
    let digest = Digest::of(&content);
    open_one.finish(&digest.into()).await.unwrap();
    let blob = repository.blob(&digest.into()).await.unwrap();
    assert_eq!(blob.bytes().await.unwrap(), content);
    repository.begin_upload().unwrap();
    clock.advance(UPLOAD_SESSION_LIFE + HOUR);
    assert_eq!(registry.collect_garbage(true).await.unwrap().of(Garbage::Sessions).count, 1);
    assert_eq!(registry.collect_garbage(false).await.unwrap().of(Garbage::Sessions).count, 1);
    assert_eq!(registry.collect_garbage(false).await.unwrap().of(Garbage::Sessions).count, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shorter_retention_keeps_less_and_what_went_does_not_come_back() {
    let mut world = World::with(1, Duration::ZERO).await;
    for _ in 0..10 {
        world.clock.advance(SETTLE);
        world.publish(|_| true).await;
        world.settle_and_collect().await;
        world.reader().read_all().await;
    }
    // Laid down, settled, and staged by no commit since.
    world.publish(|_| true).await;
    world.publish(|_| true).await;
    world.settle_and_collect().await;
    let left = world.reader().list("log").await;
    assert!(left.keys().filter(|path| path.starts_with("log/map")).count() <= 2, "{left:?}");
    world.reopen().await;
    world.wait_issued().await;
    assert_eq!(world.reader().list("log").await, left);
    world.reader().read_all().await;
}
