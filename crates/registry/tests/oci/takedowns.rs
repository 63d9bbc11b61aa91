//! What the operator takes down or puts into quarantine, at every place where bytes are given out.

use std::time::Duration;

use wargate_core::digest::Digest;
use wargate_core::id::LogId;
use wargate_registry::clock::Clock as _;
use wargate_registry::{Error, Repository};
use wargate_wire::oci::reference::Reference;

use crate::support::oci::{plain, push_blob, push_wasm, put, tags};
use crate::support::{Author, lift, module, open, operate, takedown};
use crate::world::World;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How something that was asked for is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Given,
    TakenDown,
    Unknown,
}
use Answer::{Given, TakenDown, Unknown};

#[track_caller]
fn answer<T>(outcome: Result<T, Error>) -> Answer {
    match outcome {
        Ok(_) => Given,
        Err(error @ Error::TakenDown { .. }) => {
            let words = error.to_string();
            assert!(words.contains("it steals keys") && words.contains("record sha256:"), "{words}");
            TakenDown
        }
        Err(Error::UnknownBlob { .. } | Error::UnknownManifest { .. } | Error::UnknownContent { .. }) => {
            Unknown
        }
        Err(error) => panic!("{error}"),
    }
}

async fn manifest(repository: &Repository, reference: impl ToString) -> Answer {
    answer(repository.manifest(&reference.to_string().parse().unwrap()).await)
}

async fn blob(repository: &Repository, digest: &Digest) -> Answer {
    answer(repository.blob(&(*digest).into()).await)
}

impl World {
    async fn content(&self, digest: &Digest) -> Answer {
        answer(self.registry.snapshot().content(digest).await)
    }

    async fn digest(&self, repository: &Repository, tag: &str) -> Digest {
        repository.manifest(&tag.parse().unwrap()).await.unwrap().digest
    }

    /// The versions that the package's page calls taken down, and its latest.
    async fn page(&self, name: &str) -> (Vec<String>, Option<String>) {
        let package = self.registry.snapshot().package(&name.parse().unwrap()).await.unwrap();
        let gone = package.releases.iter().filter(|release| release.taken_down.is_some());
        let gone = gone.map(|release| release.version.to_string()).collect();
        (gone, package.latest().map(|release| release.version.to_string()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_down_is_given_out_nowhere_until_it_is_lifted() {
    let world = World::new().await;
    let hello = &world.hello;
    let (old, new) = (module(b"old"), module(&vec![b'n'; 100_000]));
    push_wasm(hello, "1.0.0", &old, "old").await.unwrap();
    push_wasm(hello, "1.1.0", &new, "new").await.unwrap();
    let manifests = [world.digest(hello, "1.0.0").await, world.digest(hello, "1.1.0").await];
    let contents = [Digest::of(&old), Digest::of(&new)];
    let edge = hello.manifest(&"1.1.0".parse().unwrap()).await.unwrap().bytes;
    put(hello, "edge", &edge).await.unwrap();
    let bystander = put(hello, "image", &plain(hello, "").await).await.unwrap().digest;

    // Asked twice each time: answers are kept in memory.
    let ask = async |held: Answer| {
        for _ in 0..2 {
            assert_eq!(manifest(hello, "1.1.0").await, held);
            assert_eq!(manifest(hello, manifests[1]).await, held);
            assert_eq!(manifest(hello, "edge").await, held);
            assert_eq!(blob(hello, &contents[1]).await, held);
            assert_eq!(answer(hello.leased_blob(&contents[1].into()).await), held);
            assert_eq!(world.content(&contents[1]).await, held);
            assert_eq!(world.content(&manifests[1]).await, held);
            assert_eq!(world.content(&manifests[0]).await, Given);
            assert_eq!(manifest(hello, "1.0.0").await, Given);
            assert_eq!(manifest(hello, manifests[0]).await, Given);
            assert_eq!(manifest(hello, bystander).await, Given);
            assert_eq!(blob(hello, &contents[0]).await, Given);
            assert_eq!(world.content(&contents[0]).await, Given);
            let (listed, latest) = match held {
                Given => (vec!["1.0.0", "1.1.0", "edge", "image"], manifests[1]),
                _ => (vec!["1.0.0", "edge", "image"], manifests[0]),
            };
            assert_eq!(tags(&hello.tags().await.unwrap()), listed);
            assert_eq!(tags(&hello.tag_page("1.0.0", 1).await.unwrap().tags), listed[1..2]);
            assert_eq!(world.digest(hello, "latest").await, latest);
        }
        let into = world.repository("loose/into");
        let mounted = into.mount(&contents[1].into(), Some(hello.name())).await;
        assert_eq!(answer(mounted), if held == Given { Given } else { Unknown });
    };
    ask(Given).await;
    assert_eq!(world.page("acme:hello").await, (vec![], Some("1.1.0".to_owned())));
    operate(&world.registry, &world.clock, 1, takedown("acme:hello@1.1.0", None)).await;
    ask(TakenDown).await;
    assert_eq!(world.page("acme:hello").await, (vec!["1.1.0".to_owned()], Some("1.0.0".to_owned())));
    let (_, release, inspection) = world
        .registry
        .snapshot()
        .release(&"acme:hello".parse().unwrap(), &"1.1.0".parse().unwrap())
        .await
        .unwrap();
    assert!(release.content == contents[1] && inspection.is_none(), "the record stays");
    // The version stays used up, and nothing brings the bytes back under it.
    assert_eq!(answer(push_wasm(hello, "1.1.0", &new, "new").await), TakenDown);
    assert_eq!(answer(push_wasm(hello, "1.1.0", &module(b"other"), "").await), TakenDown);
    assert_eq!(manifest(hello, "1.1.0").await, TakenDown);
    operate(&world.registry, &world.clock, 2, lift("acme:hello@1.1.0")).await;
    ask(Given).await;
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_stay_where_a_release_has_them_that_is_not_taken_down() {
    let world = World::new().await;
    let (hello, other) = (&world.hello, world.repository("acme/other"));
    let wasm = module(b"shared");
    let content = Digest::of(&wasm);
    for repository in [hello, &other] {
        push_wasm(repository, "1.0.0", &wasm, "").await.unwrap();
    }
    operate(&world.registry, &world.clock, 1, takedown("acme:hello@1.0.0", None)).await;
    assert_eq!([blob(hello, &content).await, blob(&other, &content).await], [TakenDown, Given]);
    assert_eq!(world.content(&content).await, Given);
    // No other name in the same repository gives them, unless another release does.
    push_blob(hello, &wasm).await;
    push_wasm(hello, "again", &wasm, "another manifest").await.unwrap();
    assert_eq!(blob(hello, &content).await, TakenDown);
    push_wasm(hello, "1.0.1", &wasm, "mended").await.unwrap();
    assert_eq!([blob(hello, &content).await, manifest(hello, "1.0.1").await], [Given, Given]);
    assert_eq!(manifest(hello, "1.0.0").await, TakenDown);
    for (nonce, subject) in [(2, "acme:hello@1.0.1"), (3, "acme:other")] {
        operate(&world.registry, &world.clock, nonce, takedown(subject, None)).await;
    }
    assert_eq!([blob(hello, &content).await, blob(&other, &content).await], [TakenDown, TakenDown]);
    assert_eq!(world.content(&content).await, TakenDown);
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantine_ends_by_itself_whatever_is_remembered() {
    let world = World::new().await;
    let hello = &world.hello;
    let wasm = module(b"odd");
    let content = Digest::of(&wasm);
    push_wasm(hello, "1.0.0", &wasm, "").await.unwrap();
    let ask = async || {
        let mut all = vec![manifest(hello, "1.0.0").await, manifest(hello, "latest").await];
        all.extend([blob(hello, &content).await, world.content(&content).await]);
        (all, hello.tags().await.unwrap().len(), world.page("acme:hello").await.1)
    };
    let given = (vec![Given; 4], 1, Some("1.0.0".to_owned()));
    let held = (vec![TakenDown, Unknown, TakenDown, TakenDown], 0, None);
    assert_eq!([ask().await, ask().await], [given.clone(), given.clone()]);
    let end = world.clock.now().plus_seconds(10 * 86_400);
    operate(&world.registry, &world.clock, 1, takedown("acme:hello@1.0.0", Some(end))).await;
    assert_eq!([ask().await, ask().await], [held.clone(), held.clone()]);
    world.clock.advance(10 * DAY);
    assert_eq!(ask().await, held, "the end is a part of it");
    world.clock.advance(Duration::from_millis(1));
    assert_eq!([ask().await, ask().await], [given.clone(), given.clone()]);
    // One that is taken down for good meanwhile does not come back.
    operate(
        &world.registry,
        &world.clock,
        2,
        takedown("acme:hello@1.0.0", Some(world.clock.now().plus_seconds(5))),
    )
    .await;
    operate(&world.registry, &world.clock, 3, takedown("acme:hello@1.0.0", None)).await;
    world.clock.advance(DAY);
    assert_eq!(ask().await, held);
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_is_taken_down_with_all_that_it_will_release() {
    let world = World::new().await;
    let mut alice = Author::new(10, "many:mine", &world.clock);
    let (wasm, next) = (module(b"hers"), module(b"next"));
    alice.release(&world.registry, "1.0.0", &wasm).await;
    let mine = world.repository("many/mine");
    operate(&world.registry, &world.clock, 1, takedown("many:mine", None)).await;
    // Nobody had asked for its manifest yet.
    for reference in ["1.0.0", "latest", "edge"] {
        assert_eq!(manifest(&mine, reference).await, TakenDown);
    }
    assert_eq!(world.content(&Digest::of(&wasm)).await, TakenDown);
    assert_eq!(tags(&mine.tags().await.unwrap()), Vec::<&str>::new());
    let subject = Digest::of(b"any").into();
    assert!(mine.referrers(&subject, None, None).await.unwrap().0.manifests().is_empty());
    let record = alice.record(vec![crate::support::release("1.1.0", Digest::of(&next))]);
    assert_eq!(answer(world.registry.publish(record, Duration::ZERO).await), TakenDown);
    // What happened stays provable.
    let snapshot = world.registry.snapshot();
    let log = LogId::package(&"many:mine".parse().unwrap());
    assert_eq!(snapshot.log_page(&log, None, u64::MAX, 10).await.unwrap().records.len(), 1);
    assert!(snapshot.prove_map(snapshot.checkpoint().size(), &[log]).await.is_ok());
    // What is said of one version does not lift what is said of all.
    operate(&world.registry, &world.clock, 2, lift("many:mine@1.0.0")).await;
    assert_eq!(manifest(&mine, "1.0.0").await, TakenDown);
    operate(&world.registry, &world.clock, 3, lift("many:mine")).await;
    assert_eq!([manifest(&mine, "1.0.0").await, manifest(&mine, "edge").await], [Given, Unknown]);
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_down_is_known_after_a_start() {
    let world = World::new().await;
    push_wasm(&world.hello, "1.0.0", &module(b"a"), "").await.unwrap();
    push_wasm(&world.hello, "2.0.0", &module(b"b"), "").await.unwrap();
    for (nonce, step) in [
        (1, takedown("acme:hello@1.0.0", None)),
        (2, takedown("acme:hello@2.0.0", None)),
        (3, lift("acme:hello@2.0.0")),
    ] {
        operate(&world.registry, &world.clock, nonce, step).await;
    }
    world.registry.close().await;
    let World { dir, clock, registry, hello } = world;
    drop((registry, hello));
    let registry = open(dir.path(), &clock).await;
    let hello = registry.repository("acme/hello".parse().unwrap());
    assert_eq!([manifest(&hello, "1.0.0").await, manifest(&hello, "2.0.0").await], [TakenDown, Given]);
    let reference: Reference = "latest".parse().unwrap();
    assert!(hello.manifest(&reference).await.is_ok());
    World { dir, clock, registry, hello }.end_sound().await;
}
