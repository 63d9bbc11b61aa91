//! The engine's limits, each below, at and above, and what happens beyond its capacity: those who come too many are
//! told when to come back, and what was accepted is kept (`DESIGN.md`, "Limits").
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
use std::time::{Duration, Instant};

use bytes::Bytes;
use faulty::{Faults, FaultyDb};
use support::{
    Author, TestClock, WAIT, config, engines, eventually, genesis, module, open, published, rejected, release,
};
use tokio::task::JoinSet;
use wargate_core::digest::Digest;
use wargate_core::envelope::{ENVELOPE_BYTES_MAX, Envelope};
use wargate_core::id::{Layer, RecordId};
use wargate_core::note::{NOTE_BYTES_MAX, Note};
use wargate_core::record::{PackageEntry, PackagePermission};
use wargate_registry::access::tokens::{self, NewToken};
use wargate_registry::clock::Clock as _;
use wargate_registry::limits::{
    PENDING_PER_LOG_MAX, PENDING_RECORDS_MAX, PROOF_LEAVES_MAX, RECORD_ENTRIES_MAX, UPLOAD_BEGINNING_BYTES,
    UPLOAD_SESSION_EMPTY_LIFE, UPLOAD_SESSION_LIFE, UPLOAD_SESSIONS_MAX, UPLOADS_AT_ONCE_MAX,
};
use wargate_registry::random::SystemRandom;
use wargate_registry::{Config, Error, RecordStatus, Registry, SignedRecord};

#[track_caller]
fn busy<T>(answer: Result<T, Error>) {
    match answer {
        Err(Error::Busy { retry_after }) => assert!(retry_after >= Duration::from_secs(1)),
        Err(other) => panic!("expected busy, got {other}"),
        Ok(_) => panic!("expected busy, and it was taken"),
    }
}

fn letters(number: usize) -> String {
    number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect()
}

fn id(record: &SignedRecord) -> RecordId {
    record.envelope.record_id(Layer::Package)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_has_at_most_its_number_of_entries() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let registry = open(dir.path(), &clock).await;
    for (name, entries) in
        [("a", RECORD_ENTRIES_MAX - 1), ("b", RECORD_ENTRIES_MAX), ("c", RECORD_ENTRIES_MAX + 1)]
    {
        let author = Author::new(10, &format!("acme:{name}"), &clock);
        // Releases without content to wait for would need it: yanks of nothing are refused, so names are granted.
        let mut all = vec![author.init()];
        for seed in 1..entries {
            let secret = wargate_core::key::SecretKey::from_bytes(
                wargate_core::key::Algorithm::EcdsaP256,
                [(seed % 250 + 1) as u8; 32],
            );
            let key = secret.unwrap().public().clone();
            all.push(PackageEntry::GrantFlat { key, permissions: vec![PackagePermission::Release] });
        }
        let answer = registry.publish(author.record(all), WAIT).await;
        if entries > RECORD_ENTRIES_MAX {
            assert!(rejected(answer).contains("more than 256 entries"));
        } else {
            assert!(!format!("{answer:?}").contains("more than 256 entries"), "{entries}: {answer:?}");
        }
    }
}

/// A record of exactly so many bytes with its envelope, by a yank of a version with a long name.
fn record_of(author: &Author, bytes: usize) -> SignedRecord {
    let of = |length: usize| {
        let version = format!("1.0.0-{}", "a".repeat(length));
        author.record(vec![author.init(), PackageEntry::Yank { version: version.parse().unwrap() }])
    };
    let mut length = bytes - 1_000;
    loop {
        let record = of(length);
        let size = record.envelope.encode().len();
        // A signature's length differs from one time to the next.
        if size == bytes {
            return record;
        }
        length = if size < bytes { length + (bytes - size).div_ceil(2) } else { length - (size - bytes) };
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_with_its_envelope_has_at_most_its_number_of_bytes() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let registry = open(dir.path(), &clock).await;
    for bytes in [ENVELOPE_BYTES_MAX - 1, ENVELOPE_BYTES_MAX, ENVELOPE_BYTES_MAX + 1] {
        let author = Author::new(10, "acme:hello", &clock);
        let reason = rejected(registry.publish(record_of(&author, bytes), WAIT).await);
        let too_large = reason.contains("more than 65536 bytes");
        // Below, it is refused for what it says: it yanks what is not there.
        assert_eq!(too_large, bytes > ENVELOPE_BYTES_MAX, "{bytes}: {reason}");
    }
}

#[test]
fn a_note_has_at_most_its_number_of_bytes() {
    let key = support::key(1);
    let verifier = wargate_core::note::Verifier::new("a.example", key.public().clone());
    assert!(verifier.is_ok());
    let base64 = "AAAAAAAA";
    let line = format!("\u{2014} a.example {base64}\n");
    for (bytes, taken) in [(NOTE_BYTES_MAX - 1, true), (NOTE_BYTES_MAX, true), (NOTE_BYTES_MAX + 1, false)] {
        let text = format!("{}\n", "x".repeat(bytes - line.len() - 2));
        let note = format!("{text}\n{line}");
        assert_eq!(note.len(), bytes);
        assert_eq!(Note::parse(&note).is_ok(), taken, "{bytes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_for_at_most_its_number_of_leaves() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let registry = open(dir.path(), &clock).await;
    for (leaves, taken) in
        [(PROOF_LEAVES_MAX - 1, true), (PROOF_LEAVES_MAX, true), (PROOF_LEAVES_MAX + 1, false)]
    {
        let answer = registry.snapshot().prove_inclusion(1, &vec![0; leaves]).await;
        assert_eq!(answer.is_ok(), taken, "{leaves}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn content_has_at_most_its_configured_number_of_bytes() {
    const BYTES_MAX: usize = 100_000;
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let (db, objects) = engines(dir.path());
    let config = Config { content_bytes_max: BYTES_MAX as u64, ..config() };
    let registry =
        Registry::open(config, db, objects, clock.clone(), Some(genesis(clock.now()))).await.unwrap();
    let repository = registry.repository("acme/files".parse().unwrap());
    for (bytes, taken) in [(BYTES_MAX - 1, true), (BYTES_MAX, true), (BYTES_MAX + 1, false)] {
        let mut upload = repository.upload(repository.begin_upload().unwrap()).unwrap();
        let content = vec![b'x'; bytes];
        let mut answer = Ok(());
        for piece in content.chunks(30_000) {
            answer = upload.write(Bytes::copy_from_slice(piece)).await;
        }
        let answer = match answer {
            Ok(()) => upload.finish(&Digest::of(&content).into()).await,
            Err(error) => Err(error),
        };
        let too_large = matches!(answer, Err(Error::TooLarge { bytes_max }) if bytes_max == BYTES_MAX as u64);
        assert_eq!((answer.is_ok(), too_large), (taken, !taken), "{bytes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_upload_sessions_are_open_and_each_for_a_day() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let registry = open(dir.path(), &clock).await;
    let repository = registry.repository("acme/files".parse().unwrap());
    let first = repository.begin_upload().unwrap();
    let second = repository.begin_upload().unwrap();
    for _ in 2..UPLOAD_SESSIONS_MAX {
        let session = repository.begin_upload().unwrap();
        repository.upload(session).unwrap().write(Bytes::from_static(b"x")).await.unwrap();
    }
    repository.upload(first).unwrap().write(Bytes::from_static(b"x")).await.unwrap();
    busy(repository.begin_upload());
    repository.upload(second).unwrap().cancel();
    let empty = repository.begin_upload().unwrap();
    busy(repository.begin_upload());
    // Whoever brought nothing for a while gives way.
    clock.advance(UPLOAD_SESSION_EMPTY_LIFE - Duration::from_millis(1));
    busy(repository.begin_upload());
    clock.advance(Duration::from_millis(1));
    let session = repository.begin_upload().unwrap();
    assert!(matches!(repository.upload(empty), Err(Error::UnknownUpload { .. })));
    repository.upload(session).unwrap().write(Bytes::from_static(b"x")).await.unwrap();
    busy(repository.begin_upload());
    // What was accepted is kept.
    clock.advance(UPLOAD_SESSION_LIFE - UPLOAD_SESSION_EMPTY_LIFE - Duration::from_millis(1));
    repository.upload(first).unwrap().write(Bytes::from_static(b"y")).await.unwrap();
    busy(repository.begin_upload());
    clock.advance(Duration::from_millis(1));
    assert!(matches!(repository.upload(first), Err(Error::UnknownUpload { .. })), "a day is over");
    repository.begin_upload().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_opens_most_sessions_for_nothing_gives_way_to_others() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let registry = open(dir.path(), &clock).await;
    let (db, _) = engines(dir.path());
    let new = NewToken {
        account: "other".to_owned(),
        scopes: vec!["*:push".parse().unwrap()],
        operator: false,
        life: None,
    };
    let (token, _) = tokens::create(&*db, &SystemRandom, clock.now_ms(), &new).await.unwrap();
    let caller = registry.caller_of(&token).await.unwrap();
    let (greedy, other) = (registry.clone(), registry.seen_by(caller));
    let [greedy, other] = [greedy, other].map(|registry| registry.repository("acme/files".parse().unwrap()));
    let first = greedy.begin_upload().unwrap();
    clock.advance(Duration::from_secs(1));
    for _ in 1..UPLOAD_SESSIONS_MAX {
        greedy.begin_upload().unwrap();
    }
    busy(greedy.begin_upload());
    let others = other.begin_upload().unwrap();
    assert!(matches!(greedy.upload(first), Err(Error::UnknownUpload { .. })), "the oldest gave way");
    busy(greedy.begin_upload());
    other.upload(others).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_uploads_arrive_at_once() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let registry = open(dir.path(), &clock).await;
    let (author, content) = (Author::new(10, "acme:hello", &clock), module(&[7; 20_000]));
    let digest = Digest::of(&content);
    let record = author.record(vec![author.init(), release("1.0.0", digest)]);
    let (log, id) = (author.log(), id(&record));
    assert!(matches!(registry.publish(record, WAIT).await, Ok(RecordStatus::Sourcing { .. })));
    let begin = async || registry.begin_upload(&log, &id, &digest, None).await.unwrap();
    let content = Bytes::from(content);
    // Who has brought next to nothing holds up nobody.
    let enough = usize::try_from(UPLOAD_BEGINNING_BYTES).unwrap();
    let mut slow = Vec::new();
    for _ in 0..2 * UPLOADS_AT_ONCE_MAX {
        let mut upload = begin().await;
        upload.write(content.slice(..enough)).await.unwrap();
        slow.push(upload);
    }
    let mut uploads = Vec::new();
    for _ in 0..UPLOADS_AT_ONCE_MAX {
        let mut upload = begin().await;
        upload.write(content.slice(..=enough)).await.unwrap();
        uploads.push(upload);
    }
    busy(begin().await.write(content.slice(..=enough)).await);
    busy(slow.pop().unwrap().write(content.slice(enough..=enough)).await);
    let mut last = uploads.pop().unwrap();
    last.write(content.slice(enough + 1..)).await.unwrap();
    last.finish().await.unwrap();
    support::wait_published(&registry, &log, &id).await;
    drop((uploads, slow));
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_records_of_a_log_are_pending() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let registry = open(dir.path(), &clock).await;
    let author = Author::new(10, "acme:hello", &clock);
    let record = |number: usize| {
        let content = Digest::of(&module(&number.to_le_bytes()));
        author.record(vec![author.init(), release("1.0.0", content)])
    };
    let mut taken = Vec::new();
    for number in 0..PENDING_PER_LOG_MAX {
        let record = record(number);
        taken.push(id(&record));
        assert!(
            matches!(registry.publish(record, WAIT).await, Ok(RecordStatus::Sourcing { .. })),
            "{number}"
        );
    }
    busy(registry.publish(record(PENDING_PER_LOG_MAX), WAIT).await);
    // Other logs go on, and what was taken stays.
    let mut other = Author::new(11, "acme:other", &clock);
    other.publish(&registry, vec![other.init()]).await;
    for id in taken {
        let status = registry.record_status(&author.log(), &id).await;
        assert!(matches!(status, Ok(RecordStatus::Sourcing { .. })), "{status:?}");
    }
}

/// How much more than the limit may be taken by those who come in the same moment.
const OVERSHOOT_MAX: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_beyond_what_may_wait_is_told_at_once_and_what_was_taken_is_committed() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    open(dir.path(), &clock).await.close().await;
    let faults = Arc::new(Faults::default());
    let (db, objects) = engines(dir.path());
    let db = Arc::new(FaultyDb(db, faults.clone()));
    let registry = Registry::open(config(), db, objects, clock.clone(), None).await.unwrap();
    // One signature serves all: a record is not bound to its package's name.
    let author = Author::new(10, "acme:hello", &clock);
    let envelope: Envelope = author.record(vec![author.init()]).envelope;
    let flood = |from: usize, to: usize| {
        let mut tasks = JoinSet::new();
        for number in from..to {
            let name = format!("flood:p{}", letters(number)).parse().unwrap();
            let record = SignedRecord { name, envelope: envelope.clone(), sources: Vec::new() };
            let registry = registry.clone();
            tasks.spawn(async move { registry.publish(record, Duration::from_secs(600)).await });
        }
        tasks
    };
    faults.held.store(true, Ordering::SeqCst);
    let mut waiting = flood(0, PENDING_RECORDS_MAX);
    // Nobody of these is answered, since nothing is committed: the next one is refused once all have come in.
    let probe = Author::new(11, "acme:probe", &clock);
    let refused = eventually("too many", async || {
        let answer = registry.publish(probe.record(vec![probe.init()]), Duration::ZERO);
        tokio::time::timeout(Duration::from_millis(100), answer).await.ok().and_then(Result::err)
    })
    .await;
    busy::<()>(Err(refused));
    let start = Instant::now();
    let mut more = flood(PENDING_RECORDS_MAX, PENDING_RECORDS_MAX + 2_000);
    while let Some(answer) = more.join_next().await {
        busy(answer.unwrap());
    }
    assert!(start.elapsed() < Duration::from_secs(10), "they waited to be refused");
    faults.held.store(false, Ordering::SeqCst);
    let (mut taken, mut refused) = (0, 0);
    while let Some(answer) = waiting.join_next().await {
        match answer.unwrap() {
            Err(Error::Busy { .. }) => refused += 1,
            answer => {
                published(answer);
                taken += 1;
            }
        }
    }
    assert!(taken + OVERSHOOT_MAX >= PENDING_RECORDS_MAX, "{taken} were taken, {refused} refused");
    let size = registry.snapshot().checkpoint().size();
    assert!(size > taken as u64, "{size} records for {taken} that were taken");
    let mut again = Author::new(12, "acme:again", &clock);
    again.publish(&registry, vec![again.init()]).await;
}
