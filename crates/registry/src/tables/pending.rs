//! `pending`: records that were accepted, durable, and not yet judged.

use bytes::Bytes;
use wargate_core::envelope::Envelope;
use wargate_core::id::{LogId, RecordId};
use wargate_core::name::PackageName;
use wargate_core::record::PackageRecord;

use super::{Columns, bytes, int, text};
use crate::db::{Row, Statement, Value};
use crate::error::Error;

/// Whether a pending record may be judged yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PendingState {
    /// Content that it names is missing.
    Sourcing,
    /// It waits for its verdict.
    Ready,
}

impl PendingState {
    fn code(self) -> u64 {
        match self {
            Self::Sourcing => 0,
            Self::Ready => 1,
        }
    }
}

/// A pending v1 record.
#[derive(Debug, Clone)]
pub(crate) struct PendingRow {
    pub(crate) seq: u64,
    pub(crate) log: LogId,
    pub(crate) record: RecordId,
    pub(crate) name: PackageName,
    pub(crate) envelope: Bytes,
    pub(crate) state: PendingState,
}

impl PendingRow {
    /// The envelope, and the record in it.
    pub(crate) fn decode(&self) -> Result<(Envelope, PackageRecord), Error> {
        let damaged =
            |cause: String| Error::internal(&format!("read the pending record {}", self.record), cause);
        let envelope = Envelope::decode(&self.envelope).map_err(|error| damaged(error.to_string()))?;
        let record = PackageRecord::decode(&envelope.contents).map_err(|error| damaged(error.to_string()))?;
        Ok((envelope, record))
    }

    /// The record.
    pub(crate) fn record(&self) -> Result<PackageRecord, Error> {
        self.decode().map(|(_, record)| record)
    }
}

/// Fails the batch if the record is pending already, or has its verdict: nothing would end the row.
pub(crate) fn insert(row: &PendingRow, received_ms: u64) -> Statement {
    Statement::new(
        "insert into pending (seq, log_id, record_id, kind, name, body, received_ms, state) \
         select $1, $2, $3, 0, $4, $5, $6, $7 \
         where not exists (select 1 from logs l join records r on r.log = l.first_idx \
                           where l.log_id = $2 and r.record_id = $3) \
         and not exists (select 1 from rejected where log_id = $2 and record_id = $3)",
        vec![
            int(row.seq),
            bytes(row.log.as_bytes()),
            bytes(row.record.as_bytes()),
            text(&row.name),
            Value::Bytes(row.envelope.clone()),
            int(received_ms),
            int(row.state.code()),
        ],
    )
    .must_affect(1)
}

pub(crate) fn delete(log: &LogId, record: &RecordId) -> Statement {
    Statement::new(
        "delete from pending where log_id = $1 and record_id = $2",
        vec![bytes(log.as_bytes()), bytes(record.as_bytes())],
    )
}

/// Lets a sourcing record be judged; fails the batch if it no longer waits.
pub(crate) fn make_ready(log: &LogId, record: &RecordId) -> Statement {
    Statement::new(
        "update pending set state = 1 where log_id = $1 and record_id = $2 and state = 0",
        vec![bytes(log.as_bytes()), bytes(record.as_bytes())],
    )
    .must_affect(1)
}

/// One pending record: [`rows`].
pub(crate) fn select_one(log: &LogId, record: &RecordId) -> Statement {
    Statement::new(
        "select seq, log_id, record_id, name, body, state from pending where log_id = $1 and record_id = $2",
        vec![bytes(log.as_bytes()), bytes(record.as_bytes())],
    )
}

/// The pending records of one log, in order: [`rows`].
pub(crate) fn select_log(log: &LogId, limit: usize) -> Statement {
    Statement::new(
        "select seq, log_id, record_id, name, body, state from pending where log_id = $1 order by seq limit $2",
        vec![bytes(log.as_bytes()), int(limit as u64)],
    )
}

/// The records that wait for their verdict, in order: [`rows`].
pub(crate) fn select_ready(limit: usize) -> Statement {
    Statement::new(
        "select seq, log_id, record_id, name, body, state from pending \
                       where state = 1 order by seq limit $1",
        vec![int(limit as u64)],
    )
}

/// Pending records after one of them, in the order of their ids: [`rows`].
pub(crate) fn select_after(after: Option<&PendingRow>, limit: usize) -> Statement {
    let id = |of: fn(&PendingRow) -> &[u8]| after.map_or_else(|| bytes(&[]), |row| bytes(of(row)));
    Statement::new(
        "select seq, log_id, record_id, name, body, state from pending \
         where (log_id, record_id) > ($1, $2) order by log_id, record_id limit $3",
        vec![id(|row| row.log.as_bytes()), id(|row| row.record.as_bytes()), int(limit as u64)],
    )
}

pub(crate) fn rows(rows: Vec<Row>) -> Result<Vec<PendingRow>, Error> {
    rows.into_iter()
        .map(|row| {
            let mut columns = Columns::of(row);
            Ok(PendingRow {
                seq: columns.unsigned("sequence number")?,
                log: columns.log_id()?,
                record: columns.record_id()?,
                name: columns.parse("name")?,
                envelope: columns.bytes("envelope")?,
                state: match columns.int("state")? {
                    0 => PendingState::Sourcing,
                    _ => PendingState::Ready,
                },
            })
        })
        .collect()
}

/// The highest sequence number ever pending that is still there: [`last_seq`].
pub(crate) fn select_last_seq() -> Statement {
    Statement::new("select coalesce(max(seq), 0) from pending", vec![])
}

pub(crate) fn last_seq(rows: Vec<Row>) -> Result<u64, Error> {
    rows.into_iter().next().map_or(Ok(0), |row| Columns::of(row).unsigned("sequence number"))
}
