//! Every table, its rows changed, cut, swapped and deleted.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use wargate_registry::db::{Batch, Db, Row, Statement, Value};
use wargate_registry::fsck::{Damage, FsckOptions};

use crate::support::engines;
use crate::world::{check, copy, lines, options};

/// What becomes of the damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// `--repair` makes it whole.
    Repaired,
    /// `--rebuild` does.
    Rebuilt,
    /// Only a backup does.
    Lost,
}

/// A column of a row, as it is damaged.
struct Case {
    table: &'static str,
    columns: &'static [&'static str],
    /// Which row.
    row: &'static str,
    /// What is named; `{}` stands for the row's key.
    end: End,
}

const RECORD: &str = "idx = 100";
/// A record whose log's number, with its last bit changed, is another log's; and one where it is none.
const OF_A_NEIGHBOUR: &str = "idx = (select min(r.idx) from records r join logs l on l.first_idx = r.log + 1 \
     where r.log % 2 = 0 and r.idx > r.log + 1 and r.idx < (select max(o.idx) from records o where o.log = r.log))";
const OF_NO_LOG: &str = "idx = (select min(r.idx) from records r left join logs l \
     on l.first_idx = r.log + 1 - 2 * (r.log % 2) where l.first_idx is null and r.idx > r.log + 1 \
     and r.idx < (select max(o.idx) from records o where o.log = r.log))";
const STAGED: &str = "size = (select max(size) from staged)";
const LOG: &str = "name = 'many:pkg5'";
const OF_LOG: &str = "log = (select first_idx from logs where name = 'many:pkg5')";
const RELEASE: &str = "version = '0.1.0' and log = (select first_idx from logs where name = 'many:pkg5')";
const CONTENT: &str = "digest = (select content from releases where version = '0.1.0' \
     and log = (select first_idx from logs where name = 'many:pkg5'))";
const MANIFEST: &str = "digest = (select min(digest) from manifests where repository = 'acme/hello')";
const INSPECTED: &str = "digest = (select min(digest) from inspections)";
const CUSTODIAL: &str = "log = (select first_idx from logs where name = 'acme:hello')";

const CASES: &[Case] = &[
    Case { table: "records", columns: &["log", "record_id", "envelope"], row: RECORD, end: End::Repaired },
    Case { table: "records", columns: &["log"], row: OF_A_NEIGHBOUR, end: End::Repaired },
    Case { table: "records", columns: &["log"], row: OF_NO_LOG, end: End::Repaired },
    Case { table: "records", columns: &["envelope"], row: "idx = 0", end: End::Repaired },
    Case {
        table: "checkpoints",
        columns: &["root", "map_root", "key_id", "warg_signature", "note_signature"],
        row: "size = (select max(size) from checkpoints where size < 200)",
        end: End::Lost,
    },
    Case {
        table: "checkpoints",
        columns: &["segment"],
        row: "size = (select max(size) from checkpoints where size < 200)",
        end: End::Repaired,
    },
    Case {
        table: "current_checkpoint",
        columns: &["size", "seconds", "delegated_seconds"],
        row: "one = 1",
        end: End::Repaired,
    },
    Case { table: "staged", columns: &["body"], row: STAGED, end: End::Repaired },
    Case {
        table: "logs",
        columns: &[
            "log_id",
            "name",
            "kind",
            "head_idx",
            "head_record",
            "head_seconds",
            "head_nanos",
            "length",
        ],
        row: LOG,
        end: End::Rebuilt,
    },
    Case { table: "logs", columns: &["name", "log_id"], row: "first_idx = 0", end: End::Rebuilt },
    Case { table: "log_keys", columns: &["key_id", "public", "permissions"], row: OF_LOG, end: End::Rebuilt },
    Case { table: "log_states", columns: &["state"], row: "log = 0", end: End::Rebuilt },
    Case {
        table: "releases",
        columns: &[
            "content",
            "idx",
            "record_id",
            "seconds",
            "nanos",
            "yanked_seconds",
            "by_key",
            "yanked_by",
        ],
        row: RELEASE,
        end: End::Rebuilt,
    },
    Case { table: "releases", columns: &["manifest", "fact", "version"], row: CUSTODIAL, end: End::Rebuilt },
    Case { table: "log_facts", columns: &["about", "fact"], row: CUSTODIAL, end: End::Rebuilt },
    // What the operator took down.
    Case { table: "log_facts", columns: &["about", "fact"], row: "log = 0", end: End::Rebuilt },
    Case { table: "content", columns: &["size", "bytes", "digest"], row: CONTENT, end: End::Lost },
    Case { table: "manifests", columns: &["media_type", "digest"], row: MANIFEST, end: End::Lost },
    Case { table: "tags", columns: &["digest"], row: "tag = 'edge'", end: End::Lost },
    Case {
        table: "derived_manifests",
        columns: &["manifest", "log", "version"],
        row: "version = '0.2.0'",
        end: End::Repaired,
    },
    Case {
        table: "inspections",
        columns: &["kind", "validator", "claims", "body"],
        row: INSPECTED,
        end: End::Rebuilt,
    },
    Case {
        table: "manifest_parts",
        columns: &["part", "manifest"],
        row: "repository = 'loose/things' and part = \
              (select min(part) from manifest_parts where repository = 'loose/things')",
        end: End::Repaired,
    },
    Case {
        table: "sha512_names",
        columns: &["sha512", "digest"],
        row: "sha512 = (select min(sha512) from sha512_names)",
        end: End::Repaired,
    },
    Case { table: "pending", columns: &["body", "name", "kind"], row: "true", end: End::Lost },
];

fn sql(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

async fn read(db: &Arc<dyn Db>, text: String) -> Vec<Row> {
    db.read(vec![Statement::new(sql(text), vec![])]).await.unwrap().pop().unwrap()
}

/// The value with one bit, digit or letter changed.
fn changed(value: &Value) -> Value {
    match value {
        Value::Int(number) => Value::Int(number ^ 1),
        Value::Bytes(bytes) => {
            let mut bytes = bytes.to_vec();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 16;
            Value::Bytes(bytes.into())
        }
        Value::Text(text) if text.is_empty() => Value::Text("x".to_owned()),
        Value::Text(text) => {
            let mut text = text.clone().into_bytes();
            let last = text.len() - 2;
            text[last] = if text[last] == b'1' { b'2' } else { b'1' };
            Value::Text(String::from_utf8(text).unwrap())
        }
        Value::Null => Value::Int(1),
    }
}

/// Changes one column of one row.
async fn change(dir: &Path, case: &Case, column: &str) {
    let (db, _) = engines(dir);
    let (table, row) = (case.table, case.row);
    let found =
        read(&db, format!("select {column} from {table} where {row} order by {column} limit 1")).await;
    let value = found.into_iter().next().unwrap().pop().unwrap();
    let update = format!("update {table} set {column} = $1 where {row} and {column} = $2");
    let statement = match value {
        Value::Null => Statement::new(
            sql(format!("update {table} set {column} = $1 where {row}")),
            vec![changed(&value)],
        ),
        _ => Statement::new(sql(update), vec![changed(&value), value]),
    };
    db.write(vec![statement]).await.unwrap();
}

fn names(damage: &[Damage], table: &str) -> bool {
    damage.iter().any(|damage| damage.what().starts_with(table))
}

fn with(repair: bool, rebuild: bool) -> FsckOptions {
    FsckOptions { repair, rebuild, ..options() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_column_of_every_table_is_named_and_ends_as_it_should() {
    for case in CASES {
        for column in case.columns {
            let dir = copy().await;
            change(dir.path(), case, column).await;
            let what = format!("{} {column}", case.table);
            let report = check(dir.path(), &options()).await;
            assert!(names(&report.damage, case.table), "{what}: {:?}", lines(&report));
            // A content row that is called otherwise is lost, as everything that names it.
            let cascades = ["content digest", "manifests digest"].contains(&what.as_str());
            assert!(cascades || report.damage.len() <= 2, "{what}: {:?}", lines(&report));
            let repaired = match case.end {
                End::Rebuilt => check(dir.path(), &with(true, true)).await,
                _ => check(dir.path(), &with(true, false)).await,
            };
            let after = check(dir.path(), &options()).await;
            let sound = case.end != End::Lost || what == "content size";
            assert_eq!(repaired.is_clean(), sound, "{what}: {:?}", lines(&repaired));
            assert_eq!(after.damage.is_empty(), sound, "{what}: {:?}", lines(&after));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_row_is_named_where_something_needs_it() {
    let cases = [
        ("records", RECORD, End::Repaired),
        ("records", "idx = 0", End::Repaired),
        ("records", "idx = (select first_idx from logs where name = 'many:pkg5')", End::Repaired),
        ("checkpoints", "size = (select max(size) from checkpoints where size < 200)", End::Lost),
        ("checkpoints", "size = (select max(size) from checkpoints)", End::Lost),
        ("current_checkpoint", "one = 1", End::Repaired),
        ("staged", STAGED, End::Repaired),
        ("logs", LOG, End::Rebuilt),
        ("logs", "first_idx = 0", End::Rebuilt),
        ("log_keys", OF_LOG, End::Rebuilt),
        ("log_states", "log = 0", End::Rebuilt),
        ("log_states", CUSTODIAL, End::Rebuilt),
        ("releases", OF_LOG, End::Rebuilt),
        ("releases", CUSTODIAL, End::Rebuilt),
        ("log_facts", "about = 'dead ci'", End::Rebuilt),
        ("log_facts", "about like 'admitted %'", End::Rebuilt),
        ("log_facts", "about = 'deprecate 1.0.0'", End::Rebuilt),
        ("content", "bytes is null", End::Repaired),
        ("content", "bytes is not null", End::Lost),
        ("manifests", "repository = 'loose/things'", End::Lost),
        ("blob_links", "repository = 'acme/hello'", End::Repaired),
        ("repositories", "name = 'acme/hello'", End::Repaired),
        ("manifest_parts", "repository = 'acme/hello'", End::Repaired),
        ("manifest_parts", "true", End::Rebuilt),
        ("inspections", "true", End::Rebuilt),
    ];
    for (table, row, end) in cases {
        let dir = copy().await;
        let (db, _) = engines(dir.path());
        db.write(vec![Statement::new(sql(format!("delete from {table} where {row}")), vec![])])
            .await
            .unwrap();
        drop(db);
        let report = check(dir.path(), &options()).await;
        let named = if table == "manifests" { "tags" } else { table };
        assert!(names(&report.damage, named), "{table} {row}: {:?}", lines(&report));
        let repaired = check(dir.path(), &with(true, end == End::Rebuilt)).await;
        assert_eq!(repaired.is_clean(), end != End::Lost, "{table} {row}: {:?}", lines(&repaired));
        let after = check(dir.path(), &options()).await;
        assert_eq!(after.damage.is_empty(), end != End::Lost, "{table} {row}: {:?}", lines(&after));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_no_record_gives_is_named_and_taken_out() {
    let extra = [
        ("logs", "insert into logs select 99999, x'00', 'ghost:log', 0, 5, x'00', 0, 0, 1"),
        ("log_keys", "insert into log_keys select log, x'0011', public, 7 from log_keys limit 1"),
        ("log_states", "insert into log_states select 77, x'00', 0"),
        ("log_facts", "insert into log_facts select log, 'note x', fact from log_facts limit 1"),
        (
            "releases",
            "insert into releases select log, '99.0.0', content, manifest, idx, record_id, seconds, nanos, \
          yanked_seconds, yanked_nanos, by_key, yanked_by, fact from releases limit 1",
        ),
    ];
    for (table, insert) in extra {
        let dir = copy().await;
        let (db, _) = engines(dir.path());
        db.write(vec![Statement::new(insert, vec![])]).await.unwrap();
        drop(db);
        let report = check(dir.path(), &options()).await;
        assert!(names(&report.damage, table), "{table}: {:?}", lines(&report));
        assert!(check(dir.path(), &with(false, true)).await.is_clean());
        assert_eq!(lines(&check(dir.path(), &options()).await), Vec::<String>::new(), "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_records_that_were_swapped_are_both_named_and_put_back() {
    let dir = copy().await;
    let (db, _) = engines(dir.path());
    let batch: Batch = vec![
        Statement::new("update records set idx = -1 where idx = 101", vec![]),
        Statement::new("update records set idx = 101 where idx = 102", vec![]),
        Statement::new("update records set idx = 102 where idx = -1", vec![]),
    ];
    db.write(batch).await.unwrap();
    drop(db);
    let report = check(dir.path(), &options()).await;
    assert_eq!(report.damage.iter().map(Damage::what).collect::<Vec<_>>(), ["records 101", "records 102"]);
    let repaired = check(dir.path(), &with(true, false)).await;
    assert!(repaired.is_clean(), "{:?}", lines(&repaired));
    assert_eq!(lines(&check(dir.path(), &options()).await), Vec::<String>::new());
}

/// The tables that follow from log and content.
const INDEX_TABLES: [&str; 8] = [
    "logs",
    "log_keys",
    "log_states",
    "log_facts",
    "releases",
    "derived_manifests",
    "inspections",
    "manifest_parts",
];

/// All of their rows.
async fn index_rows(dir: &Path) -> Vec<Vec<Row>> {
    let (db, _) = engines(dir);
    let mut all = Vec::new();
    for table in INDEX_TABLES {
        all.push(read(&db, format!("select * from {table} order by 1, 2")).await);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_gives_the_same_rows_whatever_was_there() {
    let dir = copy().await;
    let before = index_rows(dir.path()).await;
    assert!(before.iter().all(|rows| !rows.is_empty()));
    let report = check(dir.path(), &with(false, true)).await;
    assert_eq!(lines(&report), Vec::<String>::new());
    assert_eq!(index_rows(dir.path()).await, before, "of a sound registry");
    for table in INDEX_TABLES {
        let (db, _) = engines(dir.path());
        db.write(vec![Statement::new(sql(format!("delete from {table}")), vec![])]).await.unwrap();
        drop(db);
        let report = check(dir.path(), &with(false, true)).await;
        assert!(report.is_clean() && !report.damage.is_empty(), "{table}: {:?}", lines(&report));
        assert_eq!(index_rows(dir.path()).await, before, "without {table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn little_memory_means_more_walks_and_the_same_findings() {
    let dir = copy().await;
    let frugal = |rebuild| FsckOptions { facts_max: Some(20), rebuild, ..options() };
    let report = check(dir.path(), &frugal(false)).await;
    assert_eq!(lines(&report), Vec::<String>::new());
    assert_eq!(report.checked, check(dir.path(), &options()).await.checked);
    let before = index_rows(dir.path()).await;
    let (db, _) = engines(dir.path());
    db.write(vec![Statement::new("delete from logs where name = 'many:pkg17'", vec![])]).await.unwrap();
    db.write(vec![Statement::new("update releases set idx = idx + 1 where version = '0.3.0'", vec![])])
        .await
        .unwrap();
    drop(db);
    // In another order: a part of the logs after the other.
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    let all = sorted(lines(&check(dir.path(), &options()).await));
    assert_eq!(all.len(), 25);
    assert_eq!(sorted(lines(&check(dir.path(), &frugal(false)).await)), all);
    assert!(check(dir.path(), &frugal(true)).await.is_clean());
    assert_eq!(index_rows(dir.path()).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn small_content_that_also_lies_as_an_object_is_repaired_from_there() {
    let dir = copy().await;
    let (db, _) = engines(dir.path());
    let row = read(&db, "select digest, bytes from content where bytes is not null limit 1".to_owned()).await;
    let [Value::Bytes(digest), Value::Bytes(body)] = &row[0][..] else { panic!() };
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = dir.path().join("objects/blobs/sha256").join(&hex[..2]);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(&hex), body).unwrap();
    let cut = Value::Bytes(Bytes::copy_from_slice(&body[1..]));
    let update = "update content set bytes = $2 where digest = $1";
    db.write(vec![Statement::new(update, vec![Value::Bytes(digest.clone()), cut])]).await.unwrap();
    drop(db);
    assert_eq!(check(dir.path(), &options()).await.damage.len(), 1);
    assert!(check(dir.path(), &with(true, false)).await.is_clean());
    assert_eq!(lines(&check(dir.path(), &options()).await), Vec::<String>::new());
}
