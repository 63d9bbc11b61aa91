//! What the ledger knows of a record when it is handed in or asked for: one row over several tables.

use wargate_core::id::{LogId, RecordId};
use wargate_core::key::{KeyId, PublicKey};

use super::{Columns, bytes};
use crate::db::{Row, Statement, Value};
use crate::error::Error;

/// What is known of a record and its log.
#[derive(Debug, Clone, Default)]
pub(crate) struct StandingRow {
    /// Whether its log has begun.
    pub(crate) log_begun: bool,
    /// Its index, if it is committed.
    pub(crate) index: Option<u64>,
    /// Why it was refused, if it was.
    pub(crate) refusal: Option<String>,
    /// The key that was asked for, if the log knows it.
    pub(crate) signer: Option<PublicKey>,
}

/// One statement, since every publish asks all of it: [`one`].
pub(crate) fn select(log: &LogId, record: &RecordId, signer: Option<&KeyId>) -> Statement {
    Statement::new(
        "select l.first_idx, r.idx, j.reason, k.public \
         from (select 1 as one) o \
         left join logs l on l.log_id = $1 \
         left join records r on r.log = l.first_idx and r.record_id = $2 \
         left join rejected j on j.log_id = $1 and j.record_id = $2 \
         left join log_keys k on k.log = l.first_idx and k.key_id = $3",
        vec![
            bytes(log.as_bytes()),
            bytes(record.as_bytes()),
            signer.map_or(Value::Null, |key| bytes(key.as_bytes())),
        ],
    )
}

pub(crate) fn one(rows: Vec<Row>) -> Result<StandingRow, Error> {
    let Some(row) = rows.into_iter().next() else { return Ok(StandingRow::default()) };
    let mut columns = Columns::of(row);
    Ok(StandingRow {
        log_begun: columns.optional_unsigned("index")?.is_some(),
        index: columns.optional_unsigned("index")?,
        refusal: columns.optional_text("reason")?,
        signer: columns.optional_parse("public key")?,
    })
}
