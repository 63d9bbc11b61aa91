//! The write path from outside: what is accepted, what is refused, what is provable at once.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test ends where something fails, and waits for real"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use support::{
    Author, TestClock, WAIT, key, module, open, published, rejected, release, upload, wait_published,
};
use wargate_core::digest::Digest;
use wargate_core::envelope::Envelope;
use wargate_core::id::{Layer, LogId, entry, leaf_hash};
use wargate_core::record::{PackageEntry, PackageRecord};
use wargate_core::time::Time;
use wargate_registry::limits::{CONTENT_BYTES_MAX, INLINE_CONTENT_BYTES_MAX};
use wargate_registry::{Error, RecordStatus, Registry, SignedRecord};

async fn registry() -> (tempfile::TempDir, Arc<TestClock>, Registry) {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let registry = open(dir.path(), &clock).await;
    (dir, clock, registry)
}

/// Everything that a client would check of a record against the pinned checkpoint.
async fn assert_provable(registry: &Registry, log: &LogId, index: u64) {
    let snapshot = registry.snapshot();
    let checkpoint = snapshot.checkpoint().signed.checkpoint.clone();
    let (in_log, in_map) = snapshot.prove_inclusion(checkpoint.size, &[index]).await.unwrap();
    let page = snapshot.log_page(log, None, checkpoint.size, 1000).await.unwrap();
    let record = page.records.iter().find(|record| record.index == index).unwrap();
    let leaf = leaf_hash(&entry(log, &record.record));
    in_log.verify_inclusion(index, &leaf, &checkpoint.root).unwrap();
    let head = page.records.last().unwrap();
    in_map.proofs[0].verify(&checkpoint.map_root, log, Some(&head.record)).unwrap();
    snapshot.checkpoint().signed.verify_warg(registry.commit_key()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_record_is_provable_at_once() {
    let (_dir, clock, registry) = registry().await;
    let mut alice = Author::new(10, "acme:hello", &clock);
    let index = alice.publish(&registry, vec![alice.init()]).await;
    assert_eq!(index, 1, "index 0 is the operator's first record");
    assert_provable(&registry, &alice.log(), index).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn content_is_stored_small_and_large() {
    let (_dir, clock, registry) = registry().await;
    let mut alice = Author::new(10, "acme:hello", &clock);
    for (version, size) in [
        ("1.0.0", 12),
        ("1.0.1", INLINE_CONTENT_BYTES_MAX),
        ("1.0.2", INLINE_CONTENT_BYTES_MAX + 1),
        ("1.0.3", 11_000_000),
    ] {
        let payload: Vec<u8> = (0..size).map(|i| (i * 7 + i / 251) as u8).collect();
        // What stands around the payload grows with its length.
        let cut = |around: usize| module(payload.get(around..).unwrap_or_default());
        let content = (12..17).map(cut).find(|content| content.len() as u64 <= size).unwrap();
        assert_eq!(content.len() as u64, size);
        let index = alice.release(&registry, version, &content).await;
        assert_provable(&registry, &alice.log(), index).await;
        let found = registry.snapshot().content(&Digest::of(&content)).await.unwrap();
        let hosted = found.hosted.unwrap();
        assert_eq!(hosted.size, size);
        let body: Vec<bytes::Bytes> =
            futures::TryStreamExt::try_collect(hosted.open(0..size).await.unwrap()).await.unwrap();
        assert_eq!(Digest::of(&body.concat()), Digest::of(&content));
        if size > 10 {
            let piece: Vec<bytes::Bytes> =
                futures::TryStreamExt::try_collect(hosted.open(3..9).await.unwrap()).await.unwrap();
            assert_eq!(piece.concat(), content[3..9]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_record_again_is_the_same_answer() {
    let (_dir, clock, registry) = registry().await;
    let alice = Author::new(10, "acme:hello", &clock);
    let record = alice.record(vec![alice.init()]);
    let first = registry.publish(record.clone(), WAIT).await.unwrap();
    assert_eq!(registry.publish(record, WAIT).await.unwrap(), first);
    assert_eq!(registry.snapshot().checkpoint().size(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_break_a_rule_are_refused_with_words_and_stay_refused() {
    let (_dir, clock, registry) = registry().await;
    let mut alice = Author::new(10, "acme:hello", &clock);
    alice.release(&registry, "1.0.0", &module(b"one")).await;
    let size = registry.snapshot().checkpoint().size();
    let mallory = Author { key: key(66), head: alice.head, ..Author::new(66, "acme:hello", &clock) };
    let one = Digest::of(&module(b"one"));
    let mut cases: Vec<(&str, SignedRecord, &str)> = vec![
        ("unknown key", mallory.record(vec![release("2.0.0", one)]), "permission"),
        ("version twice", alice.record(vec![release("1.0.0", one)]), "already released"),
        ("init again", alice.record(vec![alice.init()]), "init"),
        (
            "yank of nothing",
            alice.record(vec![PackageEntry::Yank { version: "9.9.9".parse().unwrap() }]),
            "9.9.9",
        ),
    ];
    let wrong_prev = Author { head: None, ..Author::new(10, "acme:hello", &clock) };
    cases.push(("wrong prev", wrong_prev.record(vec![release("2.0.0", one)]), "prev"));
    let back = PackageRecord {
        prev: alice.head,
        version: 0,
        time: clock_now(&clock).plus_seconds(-60),
        entries: vec![release("2.0.0", one)],
    };
    cases.push(("time running back", sign(&alice, &back), "time"));
    for offset in [-3600, 3600] {
        let far = PackageRecord { time: clock_now(&clock).plus_seconds(offset), ..back.clone() };
        cases.push(("a clock that is far off", sign(&alice, &far), "clock"));
    }
    for (what, record, words) in cases {
        let reason = rejected(registry.publish(record.clone(), WAIT).await);
        assert!(reason.contains(words), "{what}: {reason}");
        let again = rejected(registry.publish(record, WAIT).await);
        assert_eq!(again, reason, "{what}: refused stays refused");
    }
    assert_eq!(registry.snapshot().checkpoint().size(), size, "nothing half done");
}

fn clock_now(clock: &Arc<TestClock>) -> Time {
    wargate_registry::clock::Clock::now(&**clock)
}

fn sign(author: &Author, record: &PackageRecord) -> SignedRecord {
    let envelope = Envelope::sign(Layer::Package, record.encode().into(), &author.key).unwrap();
    SignedRecord { name: author.name.clone(), envelope, sources: Vec::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_signature_is_refused_before_it_is_stored() {
    let (_dir, clock, registry) = registry().await;
    let alice = Author::new(10, "acme:hello", &clock);
    let mut record = alice.record(vec![alice.init()]);
    let other = alice.record(vec![]);
    record.envelope.signature = other.envelope.signature;
    let reason = rejected(registry.publish(record.clone(), WAIT).await);
    assert!(reason.contains("signature"), "{reason}");
    let id = record.envelope.record_id(Layer::Package);
    assert!(matches!(registry.record_status(&alice.log(), &id).await, Err(Error::UnknownLog { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_acts_are_refused_in_a_v1_log() {
    let (_dir, clock, registry) = registry().await;
    let alice = Author::new(10, "acme:hello", &clock);
    let mut contents =
        PackageRecord { prev: None, version: 0, time: clock_now(&clock), entries: vec![alice.init()] }
            .encode();
    contents.extend([0x82, 0x01, 0x00]);
    let envelope = Envelope::sign(Layer::Package, contents.into(), &alice.key).unwrap();
    let record = SignedRecord { name: alice.name.clone(), envelope, sources: Vec::new() };
    let reason = rejected(registry.publish(record, WAIT).await);
    assert!(reason.contains("field 16"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_fields_are_kept_and_served_as_they_were_signed() {
    let (_dir, clock, registry) = registry().await;
    let alice = Author::new(10, "acme:hello", &clock);
    let mut contents =
        PackageRecord { prev: None, version: 0, time: clock_now(&clock), entries: vec![alice.init()] }
            .encode();
    contents.extend([0x78, 0x2a]); // field 15, varint 42
    let envelope = Envelope::sign(Layer::Package, contents.clone().into(), &alice.key).unwrap();
    let record = SignedRecord { name: alice.name.clone(), envelope, sources: Vec::new() };
    published(registry.publish(record, WAIT).await);
    let page = registry.snapshot().log_page(&alice.log(), None, u64::MAX, 10).await.unwrap();
    assert_eq!(page.records[0].envelope.contents, contents);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_with_another_digest_keeps_nothing_and_can_be_repeated() {
    let (_dir, clock, registry) = registry().await;
    for (version, wanted) in [("1.0.0", module(&[1; 100])), ("1.1.0", module(&[2; 300_000]))] {
        let mut author = Author {
            head: None,
            ..Author::new(10, &format!("acme:p{}", version.len() + wanted.len()), &clock)
        };
        let digest = Digest::of(&wanted);
        let record = author.record(vec![author.init(), release(version, digest)]);
        let id = record.envelope.record_id(Layer::Package);
        author.head = Some(id);
        registry.publish(record, WAIT).await.unwrap();
        let mut wrong = registry.begin_upload(&author.log(), &id, &digest, None).await.unwrap();
        wrong.write(vec![9u8; wanted.len()].into()).await.unwrap();
        assert!(matches!(wrong.finish().await, Err(Error::DigestMismatch { .. })));
        assert!(registry.snapshot().content(&digest).await.is_err());
        // Broken off in the middle.
        let mut short =
            registry.begin_upload(&author.log(), &id, &digest, Some(wanted.len() as u64)).await.unwrap();
        short.write(wanted[..50].to_vec().into()).await.unwrap();
        drop(short);
        upload(&registry, &author.log(), &id, &wanted).await.unwrap();
        wait_published(&registry, &author.log(), &id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_bounded_and_only_for_records_that_wait() {
    let (_dir, clock, registry) = registry().await;
    let alice = Author::new(10, "acme:hello", &clock);
    let digest = Digest::of(&module(b"content"));
    let record = alice.record(vec![alice.init(), release("1.0.0", digest)]);
    let id = record.envelope.record_id(Layer::Package);
    let begin = |digest: Digest, declared| {
        let (registry, log) = (registry.clone(), alice.log());
        async move { registry.begin_upload(&log, &id, &digest, declared).await.map(drop) }
    };
    assert!(matches!(begin(digest, None).await, Err(Error::UnknownLog { .. })));
    registry.publish(record, WAIT).await.unwrap();
    assert!(matches!(begin(digest, Some(CONTENT_BYTES_MAX + 1)).await, Err(Error::TooLarge { .. })));
    assert!(matches!(begin(Digest::of(&module(b"other")), None).await, Err(Error::NotSourcing { .. })));
    upload(&registry, &alice.log(), &id, &module(b"content")).await.unwrap();
    wait_published(&registry, &alice.log(), &id).await;
    assert!(matches!(begin(digest, None).await, Err(Error::NotSourcing { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_records_that_wait_for_content_the_first_complete_one_wins() {
    let (_dir, clock, registry) = registry().await;
    let alice = Author::new(10, "acme:hello", &clock);
    let first = alice.record(vec![alice.init(), release("1.0.0", Digest::of(&module(b"first")))]);
    let second = alice.record(vec![alice.init(), release("1.0.0", Digest::of(&module(b"second")))]);
    let ids = [&first, &second].map(|record| record.envelope.record_id(Layer::Package));
    registry.publish(first, WAIT).await.unwrap();
    registry.publish(second, WAIT).await.unwrap();
    upload(&registry, &alice.log(), &ids[1], &module(b"second")).await.unwrap();
    wait_published(&registry, &alice.log(), &ids[1]).await;
    upload(&registry, &alice.log(), &ids[0], &module(b"first")).await.unwrap();
    for _ in 0..1000 {
        match registry.record_status(&alice.log(), &ids[0]).await.unwrap() {
            RecordStatus::Processing { .. } => tokio::time::sleep(Duration::from_millis(2)).await,
            RecordStatus::Rejected { reason, .. } => return assert!(reason.contains("prev"), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    panic!("no verdict");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_publish_waits_for_at_most_three_syncs() {
    let (_dir, clock, registry) = registry().await;
    let mut alice = Author::new(10, "acme:hello", &clock);
    alice.release(&registry, "1.0.0", &module(b"content")).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    // Content that is here already: the commit is all there is.
    let before = registry.syncs();
    alice.publish(&registry, vec![release("1.0.1", Digest::of(&module(b"content")))]).await;
    assert_eq!(registry.syncs() - before, 1);
    // New content: the record, the content, then the commit.
    let before = registry.syncs();
    alice.release(&registry, "1.0.2", &module(b"new content")).await;
    assert_eq!(registry.syncs() - before, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_publish_at_once_and_share_commits() {
    let (_dir, clock, registry) = registry().await;
    let before = registry.syncs();
    let tasks: Vec<_> = (0..300u32)
        .map(|i| {
            let (registry, clock) = (registry.clone(), clock.clone());
            tokio::spawn(async move {
                let letters: String = i.to_string().bytes().map(|b| (b - b'0' + b'a') as char).collect();
                let mut author = Author::new(10, &format!("load:p{letters}"), &clock);
                let index = author.publish(&registry, vec![author.init()]).await;
                (author.log(), index)
            })
        })
        .collect();
    let mut seen = std::collections::BTreeSet::new();
    for task in tasks {
        let (log, index) = task.await.unwrap();
        assert!(seen.insert(index));
        assert_provable(&registry, &log, index).await;
    }
    assert_eq!(registry.snapshot().checkpoint().size(), 301);
    assert!(registry.syncs() - before < 300, "commits are shared: {}", registry.syncs() - before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_handed_in_twice_without_patience_gets_one_verdict() {
    let (_dir, clock, registry) = registry().await;
    for i in 0..40u8 {
        let name = format!("acme:twice-{}{}", char::from(b'a' + i / 26), char::from(b'a' + i % 26));
        let author = Author::new(10, &name, &clock);
        let record = author.record(vec![author.init()]);
        let id = record.envelope.record_id(Layer::Package);
        let tries: Vec<_> = (0..4)
            .map(|_| {
                let (registry, record) = (registry.clone(), record.clone());
                tokio::spawn(async move { registry.publish(record, Duration::ZERO).await })
            })
            .collect();
        for attempt in tries {
            let status = attempt.await.unwrap().unwrap();
            assert!(
                matches!(status, RecordStatus::Processing { .. } | RecordStatus::Published { .. }),
                "{status:?}"
            );
        }
        wait_published(&registry, &author.log(), &id).await;
    }
    assert_eq!(registry.snapshot().checkpoint().size(), 41);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_read_while_it_grows_is_whole_as_of_its_snapshot() {
    let (_dir, clock, registry) = registry().await;
    let mut alice = Author::new(10, "acme:grows", &clock);
    alice.publish(&registry, vec![alice.init()]).await;
    let (log, read) = (alice.log(), registry.clone());
    let reader = tokio::spawn(async move {
        loop {
            let snapshot = read.snapshot();
            let size = snapshot.checkpoint().size();
            let page = snapshot.log_page(&log, None, size, 1000).await.unwrap();
            // All records but the operator's first are hers.
            assert_eq!(page.records.len() as u64, size - 1);
            if size == 201 {
                return;
            }
            tokio::task::yield_now().await;
        }
    });
    for _ in 1..200 {
        alice.publish(&registry, vec![]).await;
    }
    reader.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_with_build_metadata_is_refused() {
    let (_dir, clock, registry) = registry().await;
    let alice = Author::new(10, "acme:hello", &clock);
    let record = alice.record(vec![alice.init(), release("1.0.0+b1", Digest::of(&module(b"one")))]);
    let reason = rejected(registry.publish(record, WAIT).await);
    assert!(reason.contains("1.0.0+b1") && reason.contains("build metadata"), "{reason}");
}
