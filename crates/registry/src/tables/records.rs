//! `records`: the log's records in order, and what a refused one was refused for.

use bytes::Bytes;
use wargate_core::envelope::Envelope;
use wargate_core::id::{LogId, RecordId};

use super::{Columns, bytes, int, text};
use crate::db::{Row, Statement, Value};
use crate::error::Error;

/// A committed record.
#[derive(Debug, Clone)]
pub(crate) struct RecordRow {
    pub(crate) index: u64,
    pub(crate) log: LogId,
    pub(crate) record: RecordId,
    pub(crate) envelope: Envelope,
    /// Whether it is for its namespace's people only.
    pub(crate) private: bool,
}

/// `log` is the log's number: the index of its first record.
pub(crate) fn insert(index: u64, log: u64, record: &RecordId, envelope: Bytes, private: bool) -> Statement {
    Statement::new(
        "insert into records (idx, log, record_id, envelope, private) values ($1, $2, $3, $4, $5)",
        vec![int(index), int(log), bytes(record.as_bytes()), Value::Bytes(envelope), int(private.into())],
    )
}

/// The index of one record: [`index`].
pub(crate) fn select_index(log: &LogId, record: &RecordId) -> Statement {
    Statement::new(
        "select r.idx from logs l join records r on r.log = l.first_idx where l.log_id = $1 and r.record_id = $2",
        vec![bytes(log.as_bytes()), bytes(record.as_bytes())],
    )
}

pub(crate) fn index(rows: Vec<Row>) -> Result<Option<u64>, Error> {
    rows.into_iter().next().map(|row| Columns::of(row).unsigned("index")).transpose()
}

/// Records of one log with `from <= index < to`, at most `limit`: [`rows`].
pub(crate) fn select_log(log: &LogId, from: u64, to: u64, limit: usize) -> Statement {
    Statement::new(
        "select r.idx, l.log_id, r.record_id, r.envelope, r.private from logs l join records r on r.log = l.first_idx \
         where l.log_id = $1 and r.idx >= $2 and r.idx < $3 order by r.idx limit $4",
        vec![bytes(log.as_bytes()), int(from), int(to), int(limit as u64)],
    )
}

/// Records of one log with `index < below`, the latest first, at most `limit`: [`rows`].
pub(crate) fn select_log_back(log: &LogId, below: u64, limit: usize) -> Statement {
    Statement::new(
        "select r.idx, l.log_id, r.record_id, r.envelope, r.private from logs l join records r on r.log = l.first_idx \
         where l.log_id = $1 and r.idx < $2 order by r.idx desc limit $3",
        vec![bytes(log.as_bytes()), int(below), int(limit as u64)],
    )
}

/// One record of a log: [`rows`].
pub(crate) fn select_one(log: &LogId, record: &RecordId) -> Statement {
    Statement::new(
        "select r.idx, l.log_id, r.record_id, r.envelope, r.private from logs l join records r on r.log = l.first_idx \
         where l.log_id = $1 and r.record_id = $2",
        vec![bytes(log.as_bytes()), bytes(record.as_bytes())],
    )
}

/// All records with `from <= index < to`: [`rows`].
pub(crate) fn select_range(from: u64, to: u64) -> Statement {
    Statement::new(
        "select r.idx, l.log_id, r.record_id, r.envelope, r.private from records r join logs l on l.first_idx = r.log \
         where r.idx >= $1 and r.idx < $2 order by r.idx",
        vec![int(from), int(to)],
    )
}

pub(crate) fn rows(rows: Vec<Row>) -> Result<Vec<RecordRow>, Error> {
    rows.into_iter()
        .map(|row| {
            let mut columns = Columns::of(row);
            let index = columns.unsigned("index")?;
            let (log, record) = (columns.log_id()?, columns.record_id()?);
            let envelope = Envelope::decode(&columns.bytes("envelope")?)
                .map_err(|error| Error::internal(&format!("read the record at index {index}"), error))?;
            let private = columns.int("privacy")? != 0;
            Ok(RecordRow { index, log, record, envelope, private })
        })
        .collect()
}

/// The ids of all records with `from <= index < to`: [`ids`].
pub(crate) fn select_ids(from: u64, to: u64) -> Statement {
    Statement::new(
        "select l.log_id, r.record_id from records r join logs l on l.first_idx = r.log \
         where r.idx >= $1 and r.idx < $2 order by r.idx",
        vec![int(from), int(to)],
    )
}

pub(crate) fn ids(rows: Vec<Row>) -> Result<Vec<(LogId, RecordId)>, Error> {
    rows.into_iter()
        .map(|row| {
            let mut columns = Columns::of(row);
            Ok((columns.log_id()?, columns.record_id()?))
        })
        .collect()
}

/// Keeps why a record was refused, so that a client that polls learns it. Refused stays refused.
pub(crate) fn insert_refusal(log: &LogId, record: &RecordId, reason: &str, at_ms: u64) -> Statement {
    Statement::new(
        "insert into rejected (log_id, record_id, reason, at_ms) values ($1, $2, $3, $4) \
         on conflict (log_id, record_id) do nothing",
        vec![bytes(log.as_bytes()), bytes(record.as_bytes()), text(reason), int(at_ms)],
    )
}
