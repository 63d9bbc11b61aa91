//! The SQLite ledger from outside: what is answered is durable, alone and together.

#![expect(clippy::unwrap_used, reason = "also outside the test functions a failure is the test's")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tempfile::TempDir;
use wargate_registry::db::{Batch, Db, DbError, Statement, Value};
use wargate_store::SqliteLedger;

const PUT: &str = "insert into content (digest, size, bytes, stored_ms) values ($1, $2, $3, 0)";
const SIZE: &str = "select size from content where digest = $1";

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("ledger.sqlite")
    }

    fn open(&self) -> Arc<SqliteLedger> {
        Arc::new(SqliteLedger::open(self.file(), 2).unwrap())
    }
}

fn key(number: i64) -> Value {
    Value::Bytes(Bytes::copy_from_slice(&number.to_be_bytes()))
}

fn put(number: i64) -> Statement {
    Statement::new(PUT, vec![key(number), Value::Int(number), Value::Null])
}

fn set_size(number: i64, from: i64, to: i64) -> Statement {
    let sql = "update content set size = $3 where digest = $1 and size = $2";
    Statement::new(sql, vec![key(number), Value::Int(from), Value::Int(to)])
}

async fn size(ledger: &SqliteLedger, number: i64) -> Option<i64> {
    let mut found = ledger.read(vec![Statement::new(SIZE, vec![key(number)])]).await.unwrap();
    assert_eq!(found.len(), 1);
    match found.remove(0).as_slice() {
        [] => None,
        [row] => match row.as_slice() {
            [Value::Int(size)] => Some(*size),
            other => panic!("{other:?}"),
        },
        more => panic!("{} rows", more.len()),
    }
}

async fn write(ledger: &SqliteLedger, batch: Batch) -> Result<(), DbError> {
    ledger.write(batch).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_batches_share_syncs_and_fail_alone() {
    let place = Place::new();
    let ledger = place.open();
    write(&ledger, vec![put(1_000)]).await.unwrap();
    let before = ledger.syncs();
    // The writer stands still until all have handed in, however fast the disk is.
    let other = rusqlite::Connection::open(place.file()).unwrap();
    other.execute_batch("begin immediate").unwrap();
    let tasks: Vec<_> = (0..100)
        .map(|number| {
            let ledger = Arc::clone(&ledger);
            // The 50th puts a row, then asks for what does not hold.
            let batch = if number == 50 {
                vec![put(number), set_size(1_000, 1, 2).must_affect(1)]
            } else {
                vec![put(number)]
            };
            tokio::spawn(async move { ledger.write(batch).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    other.execute_batch("rollback").unwrap();
    for (number, task) in tasks.into_iter().enumerate() {
        let answer = task.await.unwrap();
        if number == 50 {
            assert!(matches!(answer, Err(DbError::Conflict { .. })), "{answer:?}");
        } else {
            answer.unwrap();
        }
    }
    let syncs = ledger.syncs() - before;
    assert!((1..10).contains(&syncs), "{syncs} syncs for 100 batches");
    drop(ledger);
    let ledger = place.open();
    for number in 0..100 {
        assert_eq!(size(&ledger, number).await, (number != 50).then_some(number));
    }
}

#[tokio::test]
async fn a_lone_batch_is_one_sync_and_a_refused_or_idle_one_none() {
    let place = Place::new();
    let ledger = place.open();
    assert_eq!(ledger.syncs(), 0);
    write(&ledger, vec![put(1)]).await.unwrap();
    assert_eq!(ledger.syncs(), 1);
    // A unique index.
    let answer = write(&ledger, vec![put(2), put(1)]).await;
    assert!(matches!(answer, Err(DbError::Conflict { .. })), "{answer:?}");
    assert_eq!(size(&ledger, 2).await, None, "nothing of a refused batch is done");
    // An update that affects nothing, unconditionally.
    write(&ledger, vec![set_size(7, 1, 1)]).await.unwrap();
    write(&ledger, vec![]).await.unwrap();
    assert_eq!(ledger.syncs(), 1);
}

#[tokio::test]
async fn must_affect_is_exact() {
    let place = Place::new();
    let ledger = place.open();
    write(&ledger, vec![put(1), put(2)]).await.unwrap();
    let all = || Statement::new("update content set size = 9", vec![]);
    for (rows, holds) in [(0, false), (1, false), (2, true), (3, false)] {
        let answer = write(&ledger, vec![all().must_affect(rows)]).await;
        assert_eq!(answer.is_ok(), holds, "{rows}: {answer:?}");
    }
    let ignored = "insert into content (digest, size, bytes, stored_ms) values ($1, 0, null, 0) \
                   on conflict do nothing";
    let ignored = Statement::new(ignored, vec![key(1)]);
    write(&ledger, vec![ignored.clone().must_affect(0)]).await.unwrap();
    assert!(write(&ledger, vec![ignored.must_affect(1)]).await.is_err());
}

#[tokio::test]
async fn a_fault_is_not_a_conflict() {
    let place = Place::new();
    let ledger = place.open();
    for batch in [
        vec![Statement::new("insert into nowhere values (1)", vec![])],
        vec![Statement::new(PUT, vec![key(1), Value::Null, Value::Null])], // not null
        vec![Statement::new(PUT, vec![key(1), Value::Int(1)])],            // a parameter is missing
        vec![Statement::new("delete from content", vec![key(1)])],         // one too many
        vec![Statement::new("delete from content where size = ?", vec![Value::Int(1)])],
        vec![Statement::new("delete from content where size = $2", vec![Value::Int(1)])],
        vec![Statement::new("select 1", vec![])],
    ] {
        let answer = write(&ledger, batch.clone()).await;
        assert!(matches!(answer, Err(DbError::Failed { .. })), "{batch:?}: {answer:?}");
    }
    // A reader does not write.
    let answer = ledger.read(vec![put(1)]).await;
    assert!(matches!(answer, Err(DbError::Failed { .. })), "{answer:?}");
    // And all goes on.
    write(&ledger, vec![put(1)]).await.unwrap();
    assert_eq!(size(&ledger, 1).await, Some(1));
}

#[tokio::test]
async fn placeholders_bind_by_number() {
    let place = Place::new();
    let ledger = place.open();
    // Out of order and reused: by position, $3 would be 1, $1 would be 2.
    let sql = "select $3, $1, $2, $1 || '!', $4, $5, $6, $7, $8, $9, $10";
    let values: Vec<Value> = (1..=10).map(|number| Value::Text(format!("v{number}"))).collect();
    let found = ledger.read(vec![Statement::new(sql, values)]).await.unwrap();
    let expected = ["v3", "v1", "v2", "v1!", "v4", "v5", "v6", "v7", "v8", "v9", "v10"];
    let expected: Vec<Value> = expected.iter().map(|text| Value::Text((*text).to_owned())).collect();
    assert_eq!(found, [[expected]]);
}

#[tokio::test]
async fn values_come_back_as_they_went_in() {
    let place = Place::new();
    let ledger = place.open();
    let blob = Value::Bytes(Bytes::from_static(b"\x00\xff12"));
    let digits = Value::Bytes(Bytes::from_static(b"12"));
    for (number, bytes) in [(i64::MIN, blob), (i64::MAX, digits), (0, Value::Bytes(Bytes::new()))] {
        let row = vec![key(number), Value::Int(number), bytes.clone()];
        write(&ledger, vec![Statement::new(PUT, row)]).await.unwrap();
        let select = Statement::new("select size, bytes from content where digest = $1", vec![key(number)]);
        assert_eq!(ledger.read(vec![select]).await.unwrap(), [[vec![Value::Int(number), bytes]]]);
    }
    let floating = ledger.read(vec![Statement::new("select 0.5", vec![])]).await;
    assert!(matches!(floating, Err(DbError::Failed { .. })));
    assert!(ledger.read(vec![]).await.unwrap().is_empty());
}

#[tokio::test]
async fn effects_follow_the_order_of_handing_in() {
    let place = Place::new();
    let ledger = place.open();
    write(&ledger, vec![put(0)]).await.unwrap();
    // join! polls, and so hands in, from left to right; each depends on the one before.
    let (a, b, c) = tokio::join!(
        ledger.write(vec![set_size(0, 0, 1).must_affect(1)]),
        ledger.write(vec![set_size(0, 1, 2).must_affect(1)]),
        ledger.write(vec![set_size(0, 2, 3).must_affect(1)]),
    );
    a.and(b).and(c).unwrap();
    assert_eq!(size(&ledger, 0).await, Some(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_read_sees_one_state_and_every_answered_write() {
    let place = Place::new();
    let ledger = place.open();
    write(&ledger, vec![put(1), put(2), set_size(1, 1, 0), set_size(2, 2, 0)]).await.unwrap();
    let both = "select size from content where digest = $1";
    let reader = Arc::clone(&ledger);
    let torn = tokio::spawn(async move {
        for _ in 0..300 {
            let pair = vec![Statement::new(both, vec![key(1)]), Statement::new(both, vec![key(2)])];
            let found = reader.read(pair).await.unwrap();
            assert_eq!(found[0], found[1]);
        }
    });
    for turn in 0..100 {
        write(&ledger, vec![set_size(1, turn, turn + 1), set_size(2, turn, turn + 1)]).await.unwrap();
        assert_eq!(size(&ledger, 1).await, Some(turn + 1), "read your write");
    }
    torn.await.unwrap();
}

#[tokio::test]
async fn dropping_commits_what_was_handed_in() {
    let place = Place::new();
    let ledger = place.open();
    for number in 0..20 {
        let mut write = std::pin::pin!(ledger.write(vec![put(number)]));
        // Handed in by the first poll; the caller then goes away.
        let _ = poll_once(write.as_mut()).await;
    }
    drop(ledger);
    let ledger = place.open();
    for number in 0..20 {
        assert_eq!(size(&ledger, number).await, Some(number));
    }
}

async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> bool {
    std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context).is_ready())).await
}

#[tokio::test]
async fn large_reads_are_bounded() {
    let place = Place::new();
    let ledger = place.open();
    write(&ledger, (0..10_000).map(put).collect()).await.unwrap();
    let start = Instant::now();
    let all = || Statement::new("select digest, size from content order by size", vec![]);
    let found = ledger.read(vec![all()]).await.unwrap();
    assert_eq!(found[0].len(), 10_000);
    assert_eq!(found[0].last(), Some(&vec![key(9_999), Value::Int(9_999)]));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    // 10 × 10 000 rows is the bound; one more is refused.
    assert_eq!(ledger.read((0..10).map(|_| all()).collect()).await.unwrap().len(), 10);
    let beyond = (0..10).map(|_| all()).chain([Statement::new("select 1", vec![])]).collect();
    let answer = ledger.read(beyond).await;
    assert!(matches!(answer, Err(DbError::Failed { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_short_reads_all_get_their_answer() {
    let place = Place::new();
    let ledger = place.open();
    write(&ledger, (0..8).map(put).collect()).await.unwrap();
    // Enough for every way an answer is found: on the caller's thread, broken off there, no connection free.
    let tasks: Vec<_> = (0..8)
        .map(|number| {
            let ledger = Arc::clone(&ledger);
            tokio::spawn(async move {
                for _ in 0..1_000 {
                    assert_eq!(size(&ledger, number).await, Some(number));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let long = "with recursive n (i) as (select 1 union all select i + 1 from n where i < 100000) \
                select count(*) from n";
    let found = ledger.read(vec![Statement::new(long, vec![])]).await.unwrap();
    assert_eq!(found, [[vec![Value::Int(100_000)]]]);
}
