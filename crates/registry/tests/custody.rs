//! Releases that the registry endorses for those who cannot sign, and how v1 logs live beside them.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test ends where something fails, and waits for real"
)]

#[path = "support/faulty.rs"]
#[allow(dead_code, reason = "each test file uses its own part")]
mod faulty;
mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use faulty::{Faults, FaultyDb};

use support::{Author, TestClock, WAIT, config, engines, genesis, module, open, rejected};
use wargate_core::act::{Act, Identity, OnBehalfOf, Step};
use wargate_core::authority::told;
use wargate_core::digest::Digest;
use wargate_core::id::LogId;
use wargate_core::name::{LogName, PackageName};
use wargate_core::verify::{GivenRecord, Layers, PackageLog, judge_layers};
use wargate_registry::clock::Clock as _;
use wargate_registry::{CustodialRelease, Error, Registry, Released};

fn release(name: &str, version: &str, content: &[u8]) -> CustodialRelease {
    CustodialRelease {
        name: name.parse().unwrap(),
        version: version.parse().unwrap(),
        content: Digest::of(content),
        manifest: Digest::of(&[content, b"manifest"].concat()),
        on_behalf_of: OnBehalfOf {
            identity: Identity::Account,
            issuer: "registry.test".to_owned(),
            subject: "anonymous".to_owned(),
        },
    }
}

async fn registry() -> (tempfile::TempDir, Arc<TestClock>, Registry) {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let registry = open(dir.path(), &clock).await;
    (dir, clock, registry)
}

/// Judges a package and the layers above it as a client does, from nothing but their records.
async fn judged(registry: &Registry, name: &str) -> Layers {
    let name: PackageName = name.parse().unwrap();
    let snapshot = registry.snapshot();
    let size = snapshot.checkpoint().size();
    let records = async |log: LogId| match snapshot.log_page(&log, None, size, 1000).await {
        Ok(page) => page
            .records
            .into_iter()
            .map(|record| GivenRecord { index: record.index, envelope: record.envelope, checked: false })
            .collect(),
        Err(Error::UnknownLog { .. }) => Vec::new(),
        Err(error) => panic!("{error}"),
    };
    let operator = records(LogId::operator()).await;
    let namespace = records(LogName::Namespace(name.namespace()).log_id()).await;
    let package = records(LogId::package(&name)).await;
    judge_layers(&name, &operator, &namespace, &package).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_release_starts_namespace_and_package_and_every_client_can_judge_it() {
    let (dir, clock, registry) = registry().await;
    let first = release("acme:hello", "1.0.0", b"one");
    assert_eq!(registry.release(&first, WAIT).await.unwrap(), Released::Now { index: 2 });
    let second = release("acme:hello", "1.1.0", b"two");
    assert_eq!(registry.release(&second, WAIT).await.unwrap(), Released::Now { index: 3 });
    let other = release("acme:other", "0.1.0", b"three");
    assert_eq!(registry.release(&other, WAIT).await.unwrap(), Released::Now { index: 4 });
    let layers = judged(&registry, "acme:hello").await;
    let Some(PackageLog::Delegated { facts, .. }) = layers.package else { panic!("it is delegated") };
    let releases = facts.releases;
    let found = releases.get(&second.version).unwrap();
    assert_eq!((found.content, found.manifest), (second.content, Some(second.manifest)));
    assert_eq!(found.on_behalf_of.as_ref(), Some(&second.on_behalf_of));

    registry.close().await;
    drop(registry);
    let registry = open(dir.path(), &clock).await;
    let third = release("acme:hello", "2.0.0", b"four");
    assert_eq!(registry.release(&third, WAIT).await.unwrap(), Released::Now { index: 5 });
    judged(&registry, "acme:hello").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_released_once() {
    let (_dir, _clock, registry) = registry().await;
    let first = release("acme:hello", "1.0.0", b"one");
    registry.release(&first, WAIT).await.unwrap();
    let mut again = first.clone();
    again.manifest = Digest::of(b"another manifest of the same content");
    let before = Released::Before { manifest: Some(first.manifest) };
    assert_eq!(registry.release(&again, WAIT).await.unwrap(), before);
    let error = registry.release(&release("acme:hello", "1.0.0", b"other"), WAIT).await.unwrap_err();
    assert!(matches!(&error, Error::AlreadyReleased { content, .. } if *content == first.content), "{error}");
    assert!(error.to_string().contains("1.0.0") && error.to_string().contains(&first.content.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_start_a_namespace_together_and_release_once() {
    let (_dir, _clock, registry) = registry().await;
    let tasks: Vec<_> = (0..24)
        .map(|i| {
            let registry = registry.clone();
            let name = format!("acme:p-{}", char::from(b'a' + i % 4));
            let one = release(&name, "1.0.0", name.as_bytes());
            tokio::spawn(async move { registry.release(&one, WAIT).await })
        })
        .collect();
    let mut now = 0;
    for task in tasks {
        now += usize::from(matches!(task.await.unwrap().unwrap(), Released::Now { .. }));
    }
    assert_eq!(now, 4, "each package once");
    assert_eq!(registry.snapshot().checkpoint().size(), 6, "operator, namespace and four packages");
}

#[tokio::test(flavor = "multi_thread")]
async fn warg_publishes_into_a_namespace_that_a_push_started() {
    let (_dir, clock, registry) = registry().await;
    registry.release(&release("acme:hello", "1.0.0", b"one"), WAIT).await.unwrap();
    let mut alice = Author::new(10, "acme:mine", &clock);
    alice.publish(&registry, vec![alice.init()]).await;
    alice.release(&registry, "1.0.0", &module(b"hers")).await;
    let layers = judged(&registry, "acme:mine").await;
    assert!(matches!(layers.package, Some(PackageLog::V1(_))));
    // And one whose content comes later.
    let mut bob = Author::new(11, "acme:later", &clock);
    bob.release(&registry, "1.0.0", &module(b"not here yet")).await;
    judged(&registry, "acme:later").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_into_a_log_of_somebody_elses_keys_is_denied_with_words() {
    let (_dir, clock, registry) = registry().await;
    let mut alice = Author::new(10, "acme:mine", &clock);
    alice.publish(&registry, vec![alice.init()]).await;
    let error = registry.release(&release("acme:mine", "1.0.0", b"one"), WAIT).await.unwrap_err();
    assert!(matches!(&error, Error::Denied { reason } if reason.contains("warg")), "{error}");
    // A v1 record into a delegated log is refused likewise.
    registry.release(&release("acme:theirs", "1.0.0", b"one"), WAIT).await.unwrap();
    let bob = Author::new(11, "acme:theirs", &clock);
    let reason = rejected(registry.publish(bob.record(vec![bob.init()]), WAIT).await);
    assert!(reason.contains("wargate publish"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_names_on_first_use_a_push_names_the_operator() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let (db, objects) = engines(dir.path());
    let mut config = config();
    config.names_on_first_use = false;
    let genesis = genesis(clock.now());
    let registry = Registry::open(config, db, objects, clock.clone(), Some(genesis)).await.unwrap();
    let error = registry.release(&release("acme:hello", "1.0.0", b"one"), WAIT).await.unwrap_err();
    assert!(matches!(&error, Error::Denied { reason } if reason.contains("operator")), "{error}");
    let alice = Author::new(10, "acme:mine", &clock);
    let refused = registry.publish(alice.record(vec![alice.init()]), WAIT).await;
    assert!(matches!(refused, Err(Error::Denied { .. })), "{refused:?}");
}

/// A registry whose ledger can be held, so that what comes meanwhile is judged in one commit.
async fn held() -> (tempfile::TempDir, Arc<TestClock>, Arc<Faults>, Registry) {
    let (dir, clock, faults) = (tempfile::tempdir().unwrap(), TestClock::new(), Arc::new(Faults::default()));
    let (db, objects) = engines(dir.path());
    let db = Arc::new(FaultyDb(db, faults.clone()));
    let registry =
        Registry::open(config(), db, objects, clock.clone(), Some(genesis(clock.now()))).await.unwrap();
    (dir, clock, faults, registry)
}

const A_MOMENT: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
async fn first_releases_of_a_package_at_once_are_all_made() {
    let (_dir, _clock, faults, registry) = held().await;
    faults.held.store(true, Ordering::SeqCst);
    let releases = ["1.0.0", "1.1.0", "2.0.0"].map(|version| {
        let registry = registry.clone();
        tokio::spawn(async move {
            registry.release(&release("acme:hello", version, version.as_bytes()), WAIT).await
        })
    });
    tokio::time::sleep(A_MOMENT).await;
    faults.held.store(false, Ordering::SeqCst);
    for released in releases {
        let released = released.await.unwrap();
        assert!(matches!(released, Ok(Released::Now { .. })), "{released:?}");
    }
    let Some(PackageLog::Delegated { facts, .. }) = judged(&registry, "acme:hello").await.package else {
        panic!("it is delegated")
    };
    let releases = facts.releases;
    assert_eq!(releases.len(), 3);
}

/// Both were handed in when nobody had the namespace: in one batch it begins, and admits the other's key.
#[tokio::test(flavor = "multi_thread")]
async fn a_v1_log_that_begins_in_the_moment_of_its_namespace_is_admitted() {
    let (_dir, clock, faults, registry) = held().await;
    faults.held.store(true, Ordering::SeqCst);
    // A commit that all others wait for.
    let busy = Author::new(11, "else:where", &clock);
    let (first, takes) = (busy.record(vec![busy.init()]), registry.clone());
    let first = tokio::spawn(async move { takes.publish(first, WAIT).await });
    tokio::time::sleep(A_MOMENT).await;
    let pushes = registry.clone();
    let pushed =
        tokio::spawn(async move { pushes.release(&release("acme:hello", "1.0.0", b"one"), WAIT).await });
    tokio::time::sleep(A_MOMENT).await;
    let author = Author::new(10, "acme:mine", &clock);
    let (record, publishes) = (author.record(vec![author.init()]), registry.clone());
    let published = tokio::spawn(async move { publishes.publish(record, WAIT).await });
    tokio::time::sleep(A_MOMENT).await;
    faults.held.store(false, Ordering::SeqCst);
    support::published(first.await.unwrap());
    pushed.await.unwrap().unwrap();
    support::published(published.await.unwrap());
    let package = judged(&registry, "acme:mine").await.package;
    assert!(matches!(package, Some(PackageLog::V1(_))), "every client can judge it");
}

/// The registry admits nobody for nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_record_that_breaks_another_rule_is_not_admitted() {
    let (_dir, clock, registry) = registry().await;
    registry.release(&release("acme:hello", "1.0.0", b"one"), WAIT).await.unwrap();
    let size = registry.snapshot().checkpoint().size();
    let author = Author::new(10, "acme:mine", &clock);
    let late = author.record_at(vec![author.init()], clock.now().plus_seconds(3600));
    assert!(rejected(registry.publish(late, WAIT).await).contains("check your clock"));
    assert_eq!(registry.snapshot().checkpoint().size(), size);
    support::published(registry.publish(author.record(vec![author.init()]), WAIT).await);
    assert_eq!(registry.snapshot().checkpoint().size(), size + 2);
}

/// However many v1 logs begin, the namespace need not remember who was let in when: each act was for its moment only.
#[tokio::test(flavor = "multi_thread")]
async fn an_admission_is_for_its_moment_and_not_remembered() {
    let (_dir, clock, registry) = registry().await;
    registry.release(&release("acme:hello", "1.0.0", b"one"), WAIT).await.unwrap();
    for (seed, name) in [(10, "acme:a"), (11, "acme:b"), (12, "acme:c")] {
        clock.advance(Duration::from_secs(1));
        let author = Author::new(seed, name, &clock);
        support::published(registry.publish(author.record(vec![author.init()]), WAIT).await);
    }
    let namespace = LogName::Namespace("acme".parse().unwrap());
    let size = registry.snapshot().checkpoint().size();
    let page = registry.snapshot().log_page(&namespace.log_id(), None, size, 1000).await.unwrap();
    let admissions: Vec<Act> = page
        .records
        .iter()
        .filter_map(|record| told(&record.envelope.contents, namespace.layer(), false).unwrap().act)
        .filter(|act| matches!(act.steps[..], [Step::Admit { .. }]))
        .collect();
    let state = judged(&registry, "acme:c").await.namespace;
    let remembered: Vec<bool> =
        admissions.iter().map(|act| state.remembers(&Act::digest(&act.encode()))).collect();
    assert_eq!(remembered, [false, false, true]);
}
