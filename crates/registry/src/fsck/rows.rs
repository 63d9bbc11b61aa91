//! The tables that follow from the log: their rows as they should be, against the rows as they are.

use std::cmp::Ordering;

use super::{Damage, Remedy};
use crate::db::{Row, Statement, Value};
use crate::tables::int;

/// Rows of such a table that are read at once.
pub(super) const PAGE_ROWS: u64 = 2_048;

/// A table that follows from the log; its first column is a log's number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [&'static str],
    /// How many of the columns are the key: one, or two.
    pub(super) keys: usize,
    /// Rows of the logs `$1 <= log < $2`; of tables with a key of two columns those after the key `$3, $4`.
    select: &'static str,
    pub(super) insert: &'static str,
    /// Those of the logs `$1 <= log < $2`.
    pub(super) delete: &'static str,
    /// The row with this key.
    delete_one: &'static str,
}

pub(super) const LOGS: Table = Table {
    name: "logs",
    columns: &[
        "first_idx",
        "log_id",
        "name",
        "kind",
        "head_idx",
        "head_record",
        "head_seconds",
        "head_nanos",
        "length",
    ],
    keys: 1,
    select: "select first_idx, log_id, name, kind, head_idx, head_record, head_seconds, head_nanos, length \
             from logs where first_idx >= $1 and first_idx < $2 order by first_idx",
    insert: "insert into logs \
             (first_idx, log_id, name, kind, head_idx, head_record, head_seconds, head_nanos, length) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    delete: "delete from logs where first_idx >= $1 and first_idx < $2",
    delete_one: "delete from logs where first_idx = $1",
};

pub(super) const LOG_STATES: Table = Table {
    name: "log_states",
    columns: &["log", "state", "private"],
    keys: 1,
    select: "select log, state, private from log_states where log >= $1 and log < $2 order by log",
    insert: "insert into log_states (log, state, private) values ($1, $2, $3)",
    delete: "delete from log_states where log >= $1 and log < $2",
    delete_one: "delete from log_states where log = $1",
};

pub(super) const LOG_KEYS: Table = Table {
    name: "log_keys",
    columns: &["log", "key_id", "public", "permissions"],
    keys: 2,
    select: "select log, key_id, public, permissions from log_keys \
             where log >= $1 and log < $2 and (log, key_id) > ($3, $4) order by log, key_id limit $5",
    insert: "insert into log_keys (log, key_id, public, permissions) values ($1, $2, $3, $4)",
    delete: "delete from log_keys where log >= $1 and log < $2",
    delete_one: "delete from log_keys where log = $1 and key_id = $2",
};

pub(super) const RELEASES: Table = Table {
    name: "releases",
    columns: &[
        "log",
        "version",
        "content",
        "manifest",
        "idx",
        "record_id",
        "seconds",
        "nanos",
        "yanked_seconds",
        "yanked_nanos",
        "by_key",
        "yanked_by",
        "fact",
    ],
    keys: 2,
    select: "select log, version, content, manifest, idx, record_id, seconds, nanos, yanked_seconds, yanked_nanos, \
             by_key, yanked_by, fact from releases \
             where log >= $1 and log < $2 and (log, version) > ($3, $4) order by log, version limit $5",
    insert: "insert into releases (log, version, content, manifest, idx, record_id, seconds, nanos, \
             yanked_seconds, yanked_nanos, by_key, yanked_by, fact) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    delete: "delete from releases where log >= $1 and log < $2",
    delete_one: "delete from releases where log = $1 and version = $2",
};

pub(super) const LOG_FACTS: Table = Table {
    name: "log_facts",
    columns: &["log", "about", "fact"],
    keys: 2,
    select: "select log, about, fact from log_facts \
             where log >= $1 and log < $2 and (log, about) > ($3, $4) order by log, about limit $5",
    insert: "insert into log_facts (log, about, fact) values ($1, $2, $3)",
    delete: "delete from log_facts where log >= $1 and log < $2",
    delete_one: "delete from log_facts where log = $1 and about = $2",
};

/// All of them, in the order in which they are made.
pub(super) const ALL: [Table; 5] = [LOGS, LOG_STATES, LOG_KEYS, RELEASES, LOG_FACTS];

impl Table {
    /// The rows of some logs, after one of them.
    pub(super) fn select(&self, from: u64, until: u64, after: Option<&Row>) -> Statement {
        let mut parameters = vec![int(from), int(until)];
        if self.keys == 2 {
            // Before every key: no log has a negative number.
            let key = |at: usize| after.and_then(|row| row.get(at).cloned());
            parameters.push(key(0).unwrap_or(Value::Int(-1)));
            parameters.push(key(1).unwrap_or(Value::Text(String::new())));
            parameters.push(int(PAGE_ROWS));
        }
        Statement::new(self.select, parameters)
    }

    pub(super) fn insert(&self, row: &Row) -> Statement {
        Statement::new(self.insert, row.clone())
    }

    pub(super) fn delete_range(&self, from: u64, until: u64) -> Statement {
        Statement::new(self.delete, vec![int(from), int(until)])
    }

    pub(super) fn delete_one(&self, row: &Row) -> Statement {
        Statement::new(self.delete_one, row.iter().take(self.keys).cloned().collect())
    }

    /// The key in words.
    fn key(&self, row: &Row) -> String {
        row.iter().take(self.keys).map(shown).collect::<Vec<_>>().join(" ")
    }

    fn order(&self, a: &Row, b: &Row) -> Ordering {
        let pairs = a.iter().zip(b).take(self.keys);
        pairs.map(|(a, b)| order(a, b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// Each row that differs, with what there should be in its place.
    pub(super) fn differences(&self, mut expected: Vec<Row>, mut found: Vec<Row>) -> Vec<Difference> {
        expected.sort_by(|a, b| self.order(a, b));
        found.sort_by(|a, b| self.order(a, b));
        let (mut expected, mut found) = (expected.into_iter().peekable(), found.into_iter().peekable());
        let mut all = Vec::new();
        loop {
            let order = match (expected.peek(), found.peek()) {
                (None, None) => return all,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(expected), Some(found)) => self.order(expected, found),
            };
            let right = if order.is_gt() { None } else { expected.next() };
            let there = if order.is_lt() { None } else { found.next() };
            if right != there {
                all.push(self.difference(right.as_ref(), there.as_ref()));
            }
        }
    }

    fn difference(&self, right: Option<&Row>, there: Option<&Row>) -> Difference {
        let row = right.or(there);
        let log = match row.and_then(|row| row.first()) {
            Some(Value::Int(number)) => u64::try_from(*number).unwrap_or(u64::MAX),
            _ => u64::MAX,
        };
        let wrong = match (right, there) {
            (Some(right), Some(there)) => {
                let differ = self.columns.iter().zip(right.iter().zip(there)).filter(|(_, (a, b))| a != b);
                let names: Vec<&str> = differ.map(|(name, _)| *name).collect();
                format!("the log's records give another {}", names.join(", "))
            }
            (Some(_), None) => "it is missing".to_owned(),
            _ => "the log's records give no such row".to_owned(),
        };
        let key = row.map(|row| self.key(row)).unwrap_or_default();
        let damage = Damage::row(self.name, key, wrong, Remedy::Rebuild);
        let repair = there
            .iter()
            .map(|row| self.delete_one(row))
            .chain(right.iter().map(|row| self.insert(row)))
            .collect();
        Difference { log, damage, repair }
    }
}

/// A row that is not what it should be.
pub(super) struct Difference {
    /// The log's number.
    pub(super) log: u64,
    pub(super) damage: Damage,
    /// Makes it what it should be.
    pub(super) repair: Vec<Statement>,
}

fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        _ => rank(a).cmp(&rank(b)),
    }
}

/// In the order in which SQLite sorts values of different types.
fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Int(_) => 1,
        Value::Text(_) => 2,
        Value::Bytes(_) => 3,
    }
}

/// A value in words: digests in their text form.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Bytes(bytes) => match wargate_core::digest::Digest::from_slice(bytes) {
            Some(digest) => digest.to_string(),
            None => format!("{} bytes", bytes.len()),
        },
    }
}
