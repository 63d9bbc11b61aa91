//! The commit key's life: it ends, its owners let it in again, or another one takes its place.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test ends where something fails, and waits for real"
)]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use support::{Author, TestClock, WAIT, config, engines, key};
use wargate_core::act::power::Power;
use wargate_core::act::scope::{NameScope, Scope};
use wargate_core::act::{self, Act, Grant, Revoke, Step};
use wargate_core::authority::Beginning;
use wargate_core::id::LogId;
use wargate_core::key::PublicKey;
use wargate_core::name::LogName;
use wargate_core::time::Time;
use wargate_registry::clock::Clock as _;
use wargate_registry::{Error, Genesis, Readiness, Registry, SignedAct};

const DAY: u64 = 24 * 60 * 60;

fn public(seed: u8) -> PublicKey {
    key(seed).public().clone()
}

/// Root 1, commit 2 until the given time, publishing 4.
fn genesis(clock: &TestClock, commit_until: Time) -> Genesis {
    let (owners, commit_keys, publishing_key) = ([public(1)], [public(2)], public(4));
    let beginning = Beginning {
        owners: &owners,
        threshold: 1,
        commit_keys: &commit_keys,
        commit_until: Some(commit_until),
        publishing_key: &publishing_key,
        first_use: vec![NameScope::all()],
    };
    let signed = signed(clock, None, beginning.steps(), 0);
    Genesis { act: signed.act, endorsements: signed.endorsements }
}

/// An act of the operator's owner.
fn signed(clock: &TestClock, registry: Option<&Registry>, steps: Vec<Step>, nonce: u8) -> SignedAct {
    let now = clock.now();
    let root = registry.and_then(|registry| registry.snapshot().root().copied());
    let (not_before, not_after) = (now.plus_seconds(-60), now.plus_seconds(600));
    let act = Act { root, log: LogId::operator(), steps, not_before, not_after, nonce: [nonce; 16] };
    let act = bytes::Bytes::from(act.encode());
    let endorsements = vec![act::endorse(&act, &key(1)).unwrap()];
    SignedAct { log: LogName::Operator, act, endorsements }
}

fn grant(role: &str, keys: &[u8], power: Power, not_after: Option<Time>) -> Step {
    Step::Grant(Grant {
        role: role.to_owned(),
        keys: keys.iter().map(|seed| public(*seed)).collect(),
        threshold: 1,
        powers: vec![power],
        scope: Scope::Unlimited,
        not_after,
        depth: 0,
        parent: String::new(),
    })
}

async fn open(dir: &Path, clock: &Arc<TestClock>, genesis: Option<Genesis>) -> Registry {
    let (db, objects) = engines(dir);
    Registry::open(config(), db, objects, clock.clone(), genesis).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_key_that_ended_signs_nothing_before_its_owners_let_it_in_again() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let end = clock.now().plus_seconds(2 * DAY as i64);
    let registry = open(dir.path(), &clock, Some(genesis(&clock, end))).await;
    let mut alice = Author::new(10, "acme:hello", &clock);
    alice.publish(&registry, vec![alice.init()]).await;
    assert_eq!(registry.readiness(), Readiness::Ready);
    clock.advance(Duration::from_secs(3 * DAY));

    // Neither while it runs nor after a start, which also would sign an old checkpoint anew.
    let mut registry = registry;
    for _ in 0..2 {
        let before = registry.snapshot().checkpoint().signed.checkpoint.clone();
        let record = alice.record(vec![]);
        let refused = registry.publish(record, Duration::from_millis(200)).await;
        assert!(matches!(refused, Err(Error::Busy { .. })), "{refused:?}");
        let Readiness::ReadsOnly { reason } = registry.readiness() else { panic!("it is ready") };
        assert!(reason.contains("the commit key has ended"), "{reason}");
        // An act of its owners that does not help is refused with words.
        let useless = grant("helpers", &[9], Power::Takedown, None);
        let refused = registry.submit(signed(&clock, Some(&registry), vec![useless], 1), WAIT).await;
        let said = format!("{refused:?}");
        assert!(refused.is_err() && said.contains("would not hold `commit`"), "{said}");
        assert_eq!(registry.snapshot().checkpoint().signed.checkpoint, before);
        assert!(i64::try_from(before.time).unwrap() <= end.seconds());
        registry.close().await;
        drop(registry);
        registry = open(dir.path(), &clock, None).await;
    }

    let again = grant("commit", &[2], Power::Commit, Some(clock.now().plus_seconds(DAY as i64)));
    registry.submit(signed(&clock, Some(&registry), vec![again], 2), WAIT).await.unwrap();
    assert_eq!(registry.readiness(), Readiness::Ready);
    alice.publish(&registry, vec![]).await;
    registry.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_that_signs_is_not_taken_out_before_another_one_took_its_place() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let registry =
        open(dir.path(), &clock, Some(genesis(&clock, clock.now().plus_seconds(DAY as i64)))).await;
    let revoke = || {
        let key_ids = vec![public(2).id()];
        Step::Revoke(Revoke { role: "commit".to_owned(), key_ids, since: None })
    };
    let steps = vec![grant("next", &[7], Power::Commit, None), revoke()];
    let refused = registry.submit(signed(&clock, Some(&registry), steps, 1), WAIT).await;
    let said = format!("{refused:?}");
    assert!(refused.is_err() && said.contains("let in the key that takes its place"), "{said}");
    registry
        .submit(signed(&clock, Some(&registry), vec![grant("next", &[7], Power::Commit, None)], 2), WAIT)
        .await
        .unwrap();
    registry.close().await;
    drop(registry);

    let (db, objects) = engines(dir.path());
    let mut config = config();
    config.next_commit_key = Some(Arc::new(key(7)));
    let registry = Registry::open(config, db, objects, clock.clone(), None).await.unwrap();
    assert_eq!(registry.commit_key(), &public(7));
    registry.submit(signed(&clock, Some(&registry), vec![revoke()], 3), WAIT).await.unwrap();
    assert_eq!(registry.snapshot().checkpoint().signed.key_id, public(7).id());
    registry.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_commit_key_waits_until_it_is_let_in() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let end = clock.now().plus_seconds(DAY as i64);
    for begun in [None, Some(())] {
        let (db, objects) = engines(dir.path());
        let mut config = config();
        config.next_commit_key = Some(Arc::new(key(7)));
        let genesis = begun.is_none().then(|| genesis(&clock, end));
        let registry = Registry::open(config, db, objects, clock.clone(), genesis).await.unwrap();
        assert_eq!(registry.commit_key(), &public(2));
        registry.close().await;
    }
}
