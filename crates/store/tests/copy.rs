//! Copies of a ledger that is being written.
#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wargate_registry::db::{Db, Row, Statement, Value};
use wargate_store::SqliteLedger;
use wargate_store::sqlite::{ReadOnlyLedger, copy_ledger};

/// One batch makes two rows that belong together.
fn pair(number: i64) -> Vec<Statement> {
    let row = |side: u8| {
        let digest = Value::Bytes([&[side], number.to_be_bytes().as_slice()].concat().into());
        let body = Value::Bytes(vec![side; 4096].into());
        Statement::new(
            "insert into content (digest, size, bytes, stored_ms) values ($1, $2, $3, 0)",
            vec![digest, Value::Int(number), body],
        )
    };
    vec![row(0), row(1)]
}

async fn rows(db: &dyn Db, sql: &'static str) -> Vec<Row> {
    db.read(vec![Statement::new(sql, vec![])]).await.unwrap().pop().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_one_moment_of_a_ledger_that_is_written_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let (path, to) = (dir.path().join("ledger.sqlite"), dir.path().join("copy.sqlite"));
    let ledger = Arc::new(SqliteLedger::open(&path, 1).unwrap());
    for number in 0..2_000 {
        ledger.write(pair(number)).await.unwrap();
    }
    let end = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (ledger, end) = (ledger.clone(), end.clone());
        async move {
            let mut number = 2_000;
            while !end.load(Ordering::Relaxed) {
                ledger.write(pair(number)).await.unwrap();
                number += 1;
            }
            number
        }
    });
    let mut steps = 0;
    for _ in 0..3 {
        let (from, to) = (path.clone(), to.clone());
        steps = tokio::task::spawn_blocking(move || {
            let mut steps = Vec::new();
            copy_ledger(&from, &to, |done, all| steps.push((done, all))).unwrap();
            // Commits in between do not make it start over, and the end does not run away.
            assert!(
                steps.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 == pair[1].1),
                "{steps:?}"
            );
            steps.len()
        })
        .await
        .unwrap();
    }
    assert!(steps > 2, "several steps, so that commits come in between");
    end.store(true, Ordering::Relaxed);
    let written = writer.await.unwrap();
    let copy = ReadOnlyLedger::open(&to).unwrap();
    let odd = rows(&copy, "select size from content group by size having count(*) <> 2").await;
    assert!(odd.is_empty(), "half a batch: {odd:?}");
    let count = rows(&copy, "select count(*) from content").await;
    let Value::Int(count) = count[0][0] else { panic!("{count:?}") };
    assert!((4_000..=2 * written).contains(&count), "{count} of {written} pairs");
    assert_eq!(rows(&copy, "pragma integrity_check").await, [[Value::Text("ok".to_owned())]]);
    assert!(copy.write(pair(0)).await.is_err(), "it is only read");
}

#[tokio::test]
async fn a_copy_is_one_file_and_takes_the_place_of_a_broken_off_one() {
    let dir = tempfile::tempdir().unwrap();
    let (path, to) = (dir.path().join("ledger.sqlite"), dir.path().join("copies"));
    std::fs::create_dir(&to).unwrap();
    let ledger = SqliteLedger::open(&path, 1).unwrap();
    ledger.write(pair(7)).await.unwrap();
    let copy = to.join("copy.sqlite");
    for name in ["copy.sqlite", "copy.sqlite-journal", "copy.sqlite-wal"] {
        std::fs::write(to.join(name), "half of something").unwrap();
    }
    copy_ledger(&path, &copy, |_, _| {}).unwrap();
    let reading = ReadOnlyLedger::open(&copy).unwrap();
    assert_eq!(rows(&reading, "select distinct size from content").await, [[Value::Int(7)]]);
    let names: Vec<_> = std::fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["copy.sqlite"]);
    // What it is opened as by a registry again.
    drop(reading);
    let again = SqliteLedger::open(&copy, 1).unwrap();
    again.write(pair(8)).await.unwrap();
    assert_eq!(rows(&again, "select count(*) from content").await, [[Value::Int(4)]]);
}

#[test]
fn what_is_no_ledger_is_refused_with_words() {
    let dir = tempfile::tempdir().unwrap();
    let (absent, to) = (dir.path().join("absent.sqlite"), dir.path().join("copy.sqlite"));
    let error = copy_ledger(&absent, &to, |_, _| {}).unwrap_err().to_string();
    assert!(error.contains("absent.sqlite"), "{error}");
    assert!(!absent.exists(), "it is not made");
    let empty = dir.path().join("empty.sqlite");
    std::fs::write(&empty, "").unwrap();
    let error = ReadOnlyLedger::open(&empty).unwrap_err().to_string();
    assert!(error.contains("schema 0"), "{error}");
}
