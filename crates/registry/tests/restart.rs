//! What survives: a clean stop, a stop in the middle, and what refuses to start.
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

use faulty::{Faults, FaultyObjects};
use object_store::ObjectStoreExt as _;
use support::{Author, TestClock, config, engines, eventually, genesis, key, module, open};
use wargate_registry::clock::Clock as _;
use wargate_registry::{Config, Error, Registry};

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let registry = open(dir.path(), &clock).await;
    let mut alice = Author::new(10, "acme:hello", &clock);
    for i in 0..20 {
        alice.release(&registry, &format!("1.0.{i}"), &module(format!("content {i}").as_bytes())).await;
    }
    let before = registry.snapshot().checkpoint().signed.checkpoint.clone();
    registry.close().await;
    drop(registry);
    let registry = open(dir.path(), &clock).await;
    assert_eq!(registry.snapshot().checkpoint().signed.checkpoint, before);
    alice.release(&registry, "2.0.0", &module(b"more")).await;
    let proof = registry.snapshot().prove_consistency(before.size, before.size + 1).await.unwrap();
    let after = registry.snapshot().checkpoint().signed.checkpoint.clone();
    proof.verify_consistency(before.size, &before.root, &after.root).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_crosses_tiles_and_every_size_stays_provable() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let mut registry = open(dir.path(), &clock).await;
    let mut alice = Author::new(10, "acme:hello", &clock);
    alice.publish(&registry, vec![alice.init()]).await;
    let mut checkpoints = Vec::new();
    for i in 0..600 {
        alice.publish(&registry, vec![]).await;
        checkpoints.push(registry.snapshot().checkpoint().signed.checkpoint.clone());
        if i % 200 == 199 {
            registry.close().await;
            registry = open(dir.path(), &clock).await;
        }
    }
    let last = checkpoints.last().unwrap().clone();
    for old in checkpoints.iter().step_by(7) {
        let snapshot = registry.snapshot();
        let proof = snapshot.prove_consistency(old.size, last.size).await.unwrap();
        proof.verify_consistency(old.size, &old.root, &last.root).unwrap();
        let (_, map) = snapshot.prove_inclusion(old.size, &[old.size - 1]).await.unwrap();
        let ids = snapshot.ids(old.size - 1, old.size).await.unwrap();
        map.proofs[0].verify(&old.map_root, &ids[0].0, Some(&ids[0].1)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_but_not_laid_down_is_recovered() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let registry = open(dir.path(), &clock).await;
    let mut alice = Author::new(10, "acme:hello", &clock);
    alice.publish(&registry, vec![alice.init()]).await;
    registry.close().await;
    drop(registry);

    // A registry whose objects take no writes: commits go on, nothing is laid down.
    let (db, objects) = engines(dir.path());
    let faults = Arc::new(Faults::default());
    faults.read_only.store(true, Ordering::SeqCst);
    let broken = Arc::new(FaultyObjects(objects, faults));
    let registry = Registry::open(config(), db, broken, clock.clone(), None).await.unwrap();
    for _ in 0..5 {
        alice.publish(&registry, vec![]).await;
    }
    let committed = registry.snapshot().checkpoint().signed.checkpoint.clone();
    let proof = registry.snapshot().prove_consistency(2, committed.size).await;
    assert!(proof.is_ok(), "committed is provable, laid down or not");
    registry.close().await;
    drop(registry);

    let registry = open(dir.path(), &clock).await;
    assert_eq!(registry.snapshot().checkpoint().signed.checkpoint, committed);
    let (_, objects) = engines(dir.path());
    eventually("the issued checkpoint", async || {
        let note = objects.get(&"log/checkpoint".into()).await.unwrap().bytes().await.unwrap();
        (*note == *registry.snapshot().checkpoint().note.as_bytes()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_registry_signs_its_state_anew() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let registry = open(dir.path(), &clock).await;
    let before = registry.snapshot().checkpoint().signed.checkpoint.clone();
    registry.close().await;
    drop(registry);
    clock.advance(Duration::from_secs(2 * 60 * 60));
    let registry = open(dir.path(), &clock).await;
    let now = eventually("a younger checkpoint", async || {
        let now = registry.snapshot().checkpoint().signed.checkpoint.clone();
        (now.time > before.time).then_some(now)
    })
    .await;
    assert_eq!((now.size, now.root, now.map_root), (before.size, before.root, before.map_root));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_does_not_hold_commit_cannot_sign() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    open(dir.path(), &clock).await.close().await;
    let (db, objects) = engines(dir.path());
    let config = Config::new(support::ORIGIN, key(4));
    let error = Registry::open(config, db, objects, clock.clone(), None).await.err().unwrap();
    assert!(error.to_string().contains("does not hold `commit`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_ledger_than_what_was_issued_refuses_to_sign() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let registry = open(dir.path(), &clock).await;
    let mut alice = Author::new(10, "acme:hello", &clock);
    alice.publish(&registry, vec![alice.init()]).await;
    registry.close().await;
    drop(registry);
    let backup = tempfile::tempdir().unwrap();
    std::fs::copy(dir.path().join("ledger.sqlite"), backup.path().join("ledger.sqlite")).unwrap();
    let registry = open(dir.path(), &clock).await;
    alice.publish(&registry, vec![]).await;
    registry.close().await;
    drop(registry);
    for file in ["ledger.sqlite-wal", "ledger.sqlite-shm"] {
        let _ = std::fs::remove_file(dir.path().join(file));
    }
    std::fs::copy(backup.path().join("ledger.sqlite"), dir.path().join("ledger.sqlite")).unwrap();
    let (db, objects) = engines(dir.path());
    let error =
        Registry::open(config(), db, objects, clock.clone(), Some(genesis(clock.now()))).await.err().unwrap();
    assert!(matches!(&error, Error::Internal { reason } if reason.contains("fork")), "{error}");
}
