//! The threads' functions called inline, with faults that only a connection of one's own can have.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::Connection;
use tempfile::TempDir;
use wargate_registry::db::{Batch, DbError, Statement, Value};

use super::backfill::{Backfill, WAL_PAGES_MAX};
use super::open::{WAL_PAGES, open_backfill, open_brief};
use super::run::{Budget, read_together, read_within};
use super::{OpenError, READERS_MAX, SqliteLedger, Together, open_reader, open_writer, write_together};
use crate::migrations::{MigrationError, SCHEMA_VERSION, migrate};

fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.sqlite");
    (dir, path)
}

fn put(number: u8, bytes: usize) -> Statement {
    let sql = "insert into content (digest, size, bytes, stored_ms) values ($1, $2, $3, 0)";
    let body = Value::Bytes(vec![number; bytes].into());
    Statement::new(sql, vec![Value::Bytes(vec![number].into()), Value::Int(0), body])
}

fn present(connection: &Connection) -> Vec<u8> {
    let mut select = connection.prepare("select digest from content order by digest").unwrap();
    let digests = select.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    digests.map(|digest| digest.unwrap()[0]).collect()
}

/// `o` done, `c` conflict, `f` failed, `n` no room, `u` unknown.
fn letters(together: &Together) -> String {
    let letter = |answer: &Result<(), DbError>| match answer {
        Ok(()) => 'o',
        Err(DbError::Conflict { .. }) => 'c',
        Err(DbError::Failed { .. }) => 'f',
        Err(DbError::NoRoom { .. }) => 'n',
        Err(_) => 'u',
    };
    together.answers.iter().map(letter).collect()
}

#[test]
fn each_batch_stands_or_falls_alone() {
    let (_dir, path) = place();
    let mut connection = open_writer(&path).unwrap();
    let grow =
        |to: i64| Statement::new("update content set size = size + 1 where size = $1", vec![Value::Int(to)]);
    let batches: Vec<Batch> = vec![
        vec![put(1, 0)],
        vec![put(2, 0), put(1, 0)],
        vec![grow(0).must_affect(1)], // sees the first, not the second
        vec![put(3, 0), Statement::new("nonsense", vec![])],
        vec![grow(0).must_affect(1)],
        vec![],
        vec![grow(1).must_affect(1), put(4, 0)],
    ];
    let together = write_together(&mut connection, &batches);
    assert_eq!(letters(&together), "ocofcoo");
    assert!(together.synced);
    assert_eq!(present(&connection), [1, 4]);
    assert!(connection.is_autocommit());

    let together = write_together(&mut connection, &batches[1..2]);
    assert_eq!((letters(&together).as_str(), together.synced), ("c", false));
    assert_eq!(letters(&write_together(&mut connection, &[])), "");
    assert_eq!(present(&connection), [1, 4]);
}

#[test]
fn what_rolls_back_the_transaction_fails_all_of_it() {
    let (_dir, path) = place();
    let mut connection = open_writer(&path).unwrap();
    let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    connection.pragma_update_and_check(None, "max_page_count", pages + 8, |_| Ok(())).unwrap();
    let batches = vec![vec![put(1, 0)], vec![put(1, 0)], vec![put(2, 1 << 20)], vec![put(3, 0)]];
    let together = write_together(&mut connection, &batches);
    // SQLite itself undoes all of it; the unmet condition of the second is still its own.
    assert_eq!(letters(&together), "ncnn");
    assert!(!together.synced && connection.is_autocommit() && present(&connection).is_empty());
    // The disk has room again.
    connection.pragma_update_and_check(None, "max_page_count", 1 << 20, |_| Ok(())).unwrap();
    assert_eq!(letters(&write_together(&mut connection, &[vec![put(9, 1 << 20)]])), "o");
}

#[test]
fn a_commit_that_is_refused_is_certainly_undone() {
    let (_dir, path) = place();
    let mut connection = open_writer(&path).unwrap();
    let table = "create table child (digest bytea references content (digest) deferrable initially deferred)";
    connection.execute_batch(table).unwrap();
    let orphan =
        Statement::new("insert into child values ($1)", vec![Value::Bytes(Bytes::from_static(b"?"))]);
    for batches in [vec![vec![orphan.clone()]], vec![vec![put(1, 0)], vec![orphan]]] {
        let together = write_together(&mut connection, &batches);
        assert_eq!(letters(&together), "f".repeat(batches.len()));
        assert!(!together.synced && connection.is_autocommit());
        assert!(present(&connection).is_empty());
    }
    assert_eq!(letters(&write_together(&mut connection, &[vec![put(1, 0)]])), "o");
}

#[test]
fn a_lock_held_elsewhere_fails_whole_and_undone() {
    let (_dir, path) = place();
    let mut connection = open_writer(&path).unwrap();
    connection.busy_timeout(std::time::Duration::ZERO).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("begin immediate").unwrap();
    assert_eq!(letters(&write_together(&mut connection, &[vec![put(1, 0)], vec![put(2, 0)]])), "ff");
    other.execute_batch("rollback").unwrap();
    assert_eq!(letters(&write_together(&mut connection, &[vec![put(1, 0)]])), "o");
}

/// Writes 2 MiB each time, as the writer's thread does; the most pages that its WAL had.
fn write_much(writer: &mut Connection, backfill: &mut Backfill, numbers: std::ops::Range<u8>) -> u32 {
    let mut most = 0;
    for number in numbers {
        assert_eq!(letters(&write_together(writer, &[vec![put(number, 2 << 20)]])), "o");
        backfill.after_commit(writer);
        most = most.max(backfill.pages());
    }
    most
}

#[test]
fn a_wal_begins_anew_while_the_writer_writes_on() {
    let (_dir, path) = place();
    let mut writer = open_writer(&path).unwrap();
    let file = Arc::new(File::open(&path).unwrap());
    let mut backfill = Backfill::beside(&mut writer, &path, Arc::clone(&file)).unwrap();
    let most = write_much(&mut writer, &mut backfill, 0..100);
    // 200 MiB were written; a transaction is 520 pages or so.
    assert!((WAL_PAGES..WAL_PAGES_MAX + 600).contains(&most), "{most} pages");
    assert_eq!(present(&writer).len(), 100);
    drop(backfill);
    drop(writer);
    assert_eq!(present(&open_reader(&path).unwrap()).len(), 100);
}

#[test]
fn who_reads_an_old_state_reads_on_and_the_wal_begins_anew_after_them() {
    let (_dir, path) = place();
    let mut writer = open_writer(&path).unwrap();
    let file = Arc::new(File::open(&path).unwrap());
    let mut backfill = Backfill::beside(&mut writer, &path, Arc::clone(&file)).unwrap();
    write_much(&mut writer, &mut backfill, 0..1);
    let reader = open_reader(&path).unwrap();
    let old = reader.unchecked_transaction().unwrap();
    assert_eq!(present(&reader), [0]);
    let most = write_much(&mut writer, &mut backfill, 1..80);
    assert!(most > WAL_PAGES_MAX, "{most} pages");
    assert_eq!(present(&reader), [0]);
    drop(old);
    assert_eq!(present(&reader).len(), 80);
    write_much(&mut writer, &mut backfill, 80..160);
    assert!(backfill.pages() < WAL_PAGES_MAX, "{} pages", backfill.pages());
}

#[test]
fn settings_hold() {
    let (_dir, path) = place();
    let writer = open_writer(&path).unwrap();
    let reader = open_reader(&path).unwrap();
    let number = |connection: &Connection, setting: &str| -> i64 {
        connection.pragma_query_value(None, setting, |row| row.get(0)).unwrap()
    };
    let mode: String = writer.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    assert_eq!(number(&open_backfill(&path).unwrap(), "synchronous"), 2);
    for (setting, value) in
        [("synchronous", 2), ("foreign_keys", 1), ("mmap_size", 0), ("busy_timeout", 5_000)]
    {
        assert_eq!(number(&writer, setting), value, "{setting}");
    }
    assert_eq!(number(&reader, "query_only"), 1);
    assert_eq!(number(&reader, "mmap_size"), 0);
    // A ledger that cannot have what durability needs is refused.
    let refused = open_writer(std::path::Path::new(":memory:"));
    assert!(matches!(refused, Err(OpenError::Setting { .. })), "{refused:?}");
}

#[test]
fn a_brief_read_breaks_off_where_a_reader_goes_on() {
    let (_dir, path) = place();
    let mut writer = open_writer(&path).unwrap();
    write_together(&mut writer, &[(0..65).map(|number| put(number, 0)).collect()]);
    let brief = open_brief(&path).unwrap();
    let reader = open_reader(&path).unwrap();
    let count = "with recursive n (i) as (select 1 union all select i + 1 from n where i < 100000) \
                 select count(*) from n";
    for (sql, rows) in [(count, 1), ("select digest from content", 65)] {
        let read = [Statement::new(sql, vec![])];
        assert!(read_within(&brief, &read, Budget::brief()).is_err(), "{sql}");
        assert_eq!(read_together(&reader, &read).unwrap()[0].len(), rows, "{sql}");
    }
    // In a transaction of several, which must not stay open.
    let two = ["select 1", count].map(|sql| Statement::new(sql, vec![]));
    assert!(read_within(&brief, &two, Budget::brief()).is_err());
    assert!(brief.is_autocommit());
    let read = [Statement::new("select digest from content limit 64", vec![])];
    assert_eq!(read_within(&brief, &read, Budget::brief()).unwrap()[0].len(), 64);
}

#[test]
fn steps_run_once_and_a_newer_ledger_is_refused_unchanged() {
    let (_dir, path) = place();
    let mut connection = Connection::open(&path).unwrap();
    assert_eq!(migrate(&mut connection).unwrap() as i64, SCHEMA_VERSION);
    assert_eq!(migrate(&mut connection).unwrap(), 0);
    drop(connection);
    drop(SqliteLedger::open(&path, 1).unwrap());

    let connection = Connection::open(&path).unwrap();
    connection.execute("insert into schema_version values (?1)", [SCHEMA_VERSION + 1]).unwrap();
    drop(connection);
    let error = SqliteLedger::open(&path, 1).unwrap_err();
    let OpenError::Migration { source: MigrationError::Newer { found, known }, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!((*found, *known), (SCHEMA_VERSION + 1, SCHEMA_VERSION));
    assert!(error.to_string().contains("run the newer program"), "{error}");
}

#[test]
fn bad_openings_are_refused_with_words() {
    let (dir, path) = place();
    for readers in [0, READERS_MAX + 1] {
        assert!(matches!(SqliteLedger::open(&path, readers), Err(OpenError::Readers { .. })));
    }
    assert!(!path.exists());
    std::fs::write(&path, "not a database, but long enough to be looked at").unwrap();
    let absent = dir.path().join("absent/ledger.sqlite");
    for path in [path, absent] {
        let error = SqliteLedger::open(&path, 1).unwrap_err();
        assert!(matches!(error, OpenError::Engine { .. }), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}
