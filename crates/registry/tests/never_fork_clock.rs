//! A clock that goes wrong by a year: times in the log never go back, and publishing goes on or says why not
//! (`spec/transparency.md`, "Times").
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test ends where something fails, and waits for real"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use support::{Author, TestClock, WAIT, config, engines, eventually, genesis, open, rejected};
use wargate_core::act::{Identity, OnBehalfOf};
use wargate_core::checkpoint::Checkpoint;
use wargate_core::digest::Digest;
use wargate_core::id::LogId;
use wargate_core::name::{LogName, PackageName};
use wargate_core::record::PackageRecord;
use wargate_core::time::Time;
use wargate_core::verify::{GivenRecord, judge_layers};
use wargate_registry::clock::Clock;
use wargate_registry::limits::GARBAGE_INTERVAL;
use wargate_registry::{CustodialRelease, Error, Registry, Released};

const YEAR: i64 = 365 * 24 * 60 * 60;

fn release(name: &str, version: &str) -> CustodialRelease {
    CustodialRelease {
        name: name.parse().unwrap(),
        version: version.parse().unwrap(),
        content: Digest::of(version.as_bytes()),
        manifest: Digest::of(b"manifest"),
        on_behalf_of: OnBehalfOf {
            identity: Identity::Account,
            issuer: "registry.test".to_owned(),
            subject: "anonymous".to_owned(),
        },
    }
}

fn now(registry: &Registry) -> Checkpoint {
    registry.snapshot().checkpoint().signed.checkpoint.clone()
}

async fn records(registry: &Registry, log: LogId) -> Vec<GivenRecord> {
    let snapshot = registry.snapshot();
    let page = snapshot.log_page(&log, None, snapshot.checkpoint().size(), 1000).await;
    let given = |record: wargate_registry::PublishedRecord| GivenRecord {
        index: record.index,
        envelope: record.envelope,
        checked: false,
    };
    page.map(|page| page.records.into_iter().map(given).collect()).unwrap_or_default()
}

/// Releases for somebody who cannot sign, and checks the record's time against all that came before.
async fn release_on(registry: &Registry, version: &str, last: &mut Time) {
    let name: PackageName = "acme:pushed".parse().unwrap();
    let before = now(registry);
    let outcome = registry.release(&release(name.as_str(), version), WAIT).await;
    assert!(matches!(outcome, Ok(Released::Now { .. })), "{outcome:?}");
    let after = now(registry);
    assert!(after.time >= before.time, "a checkpoint went back from {} to {}", before.time, after.time);
    let package = records(registry, LogId::package(&name)).await;
    let time = PackageRecord::decode(&package.last().unwrap().envelope.contents).unwrap().time;
    assert!(time >= *last, "a delegated record went back from {last} to {time}");
    assert!(time.seconds() >= i64::try_from(before.time).unwrap(), "before an earlier checkpoint");
    assert!(time.seconds() <= i64::try_from(after.time).unwrap(), "after its own checkpoint");
    *last = time;
    // As every client judges it.
    let operator = records(registry, LogId::operator()).await;
    let namespace = records(registry, LogName::Namespace(name.namespace()).log_id()).await;
    judge_layers(&name, &operator, &namespace, &package).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_a_year_back_takes_no_time_of_the_log_along() {
    let dir = tempfile::tempdir().unwrap();
    let (clock, right) = (TestClock::new(), TestClock::new());
    let mut registry = open(dir.path(), &clock).await;
    let mut last = Time::from_seconds(0);
    release_on(&registry, "1.0.0", &mut last).await;
    // A later checkpoint than any delegated record.
    clock.jump(100);
    right.jump(100);
    let mut alice = Author::new(10, "acme:hello", &right);
    alice.publish(&registry, vec![alice.init()]).await;
    for (version, between_lives) in [("1.1.0", false), ("1.2.0", true)] {
        clock.jump(-YEAR);
        if between_lives {
            registry.close().await;
            drop(registry);
            registry = open(dir.path(), &clock).await;
        }
        // Whose clock is right is told so, with both times.
        let reason = rejected(registry.publish(alice.record(vec![]), WAIT).await);
        assert!(reason.contains("after the registry's") && reason.contains("check your clock"), "{reason}");
        release_on(&registry, version, &mut last).await;
        // Whose clock goes wrong with the registry's writes the log that it can.
        let mut bob = Author::new(20, &format!("bob:v{}", if between_lives { "two" } else { "one" }), &clock);
        let before = now(&registry).time;
        bob.publish(&registry, vec![bob.init()]).await;
        assert_eq!(now(&registry).time, before, "a v1 record moves no time");
        // The clock comes back, and with it everything; the refused record stays refused.
        clock.jump(YEAR + 1);
        right.jump(1);
        alice.publish(&registry, vec![]).await;
        release_on(&registry, &version.replace(".0", ".1"), &mut last).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_a_year_ahead_leaves_times_that_stand_until_it_is_right() {
    let dir = tempfile::tempdir().unwrap();
    let (clock, right) = (TestClock::new(), TestClock::new());
    let mut registry = open(dir.path(), &clock).await;
    let mut last = Time::from_seconds(0);
    let mut alice = Author::new(10, "acme:hello", &right);
    alice.publish(&registry, vec![alice.init()]).await;
    release_on(&registry, "1.0.0", &mut last).await;
    for (version, between_lives) in [("1.1.0", false), ("1.2.0", true)] {
        clock.jump(YEAR);
        if between_lives {
            registry.close().await;
            drop(registry);
            registry = open(dir.path(), &clock).await;
        }
        let reason = rejected(registry.publish(alice.record(vec![]), WAIT).await);
        assert!(reason.contains("before the registry's") && reason.contains("check your clock"), "{reason}");
        release_on(&registry, version, &mut last).await;
        let ahead = now(&registry);
        // Right again: what v1 clients and the registry itself publish goes on; the log's time stands meanwhile.
        clock.jump(-YEAR + 1);
        right.jump(1);
        if between_lives {
            registry.close().await;
            drop(registry);
            registry = open(dir.path(), &clock).await;
        }
        alice.publish(&registry, vec![]).await;
        release_on(&registry, &version.replace(".0", ".1"), &mut last).await;
        assert_eq!(now(&registry).time, ahead.time);
        let proof = registry.snapshot().prove_consistency(ahead.size, now(&registry).size).await.unwrap();
        proof.verify_consistency(ahead.size, &ahead.root, &now(&registry).root).unwrap();
    }
}

/// A clock whose waits are ten thousand times shorter than asked for: an hour is a third of a second.
struct Hasty {
    now: AtomicU64,
    waits: AtomicU64,
}

#[async_trait]
impl Clock for Hasty {
    fn now_ms(&self) -> u64 {
        self.now.load(Ordering::SeqCst)
    }

    async fn sleep(&self, duration: Duration) {
        // The removal of garbage has its own turn, whatever the clock says.
        if duration != GARBAGE_INTERVAL {
            self.waits.fetch_add(1, Ordering::SeqCst);
        }
        tokio::time::sleep(duration / 10_000).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_registry_whose_clock_went_back_signs_nothing_and_stays_ready() {
    let dir = tempfile::tempdir().unwrap();
    let start = 1_800_000_000_000;
    let clock = Arc::new(Hasty { now: AtomicU64::new(start), waits: AtomicU64::new(0) });
    let (db, objects) = engines(dir.path());
    let registry =
        Registry::open(config(), db, objects, clock.clone(), Some(genesis(clock.now()))).await.unwrap();
    let signed = now(&registry);
    clock.now.store(start - 1000 * YEAR as u64, Ordering::SeqCst);
    let waits = clock.waits.load(Ordering::SeqCst);
    for _ in 0..100 {
        assert!(registry.is_ready(), "nothing failed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let waits = clock.waits.load(Ordering::SeqCst) - waits;
    assert!(waits < 100, "it waited {waits} times in some three hours");
    assert_eq!(now(&registry), signed);
    // A year ahead it signs anew, once.
    clock.now.store(start + 1000 * YEAR as u64, Ordering::SeqCst);
    let younger = eventually("a younger checkpoint", async || {
        let now = now(&registry);
        (now.time > signed.time).then_some(now)
    })
    .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(now(&registry), younger, "once");
    assert_eq!((younger.size, younger.root, younger.map_root), (signed.size, signed.root, signed.map_root));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_before_the_epoch_is_no_reason_to_begin_with_nonsense() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let registry = open(dir.path(), &clock).await;
    let before = now(&registry);
    registry.close().await;
    drop(registry);
    // What a machine without a battery says when it starts.
    clock.jump(-1_800_000_000);
    let registry = open(dir.path(), &clock).await;
    let mut last = Time::from_seconds(0);
    release_on(&registry, "1.0.0", &mut last).await;
    assert_eq!(now(&registry).time, before.time);
    let unknown = registry.release(&release("acme:pushed", "1.0.0"), WAIT).await;
    assert!(matches!(unknown, Ok(Released::Before { .. }) | Err(Error::Busy { .. })), "{unknown:?}");
}
