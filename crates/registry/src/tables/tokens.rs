//! `tokens`: what the operator let whom do; of each secret only a hash.

use wargate_core::digest::Digest;

use super::{Columns, bytes, int, text};
use crate::db::{Row, Statement, Value};
use crate::error::Error;

/// A token.
#[derive(Debug, Clone)]
pub(crate) struct TokenRow {
    pub(crate) id: String,
    /// Of the secret.
    pub(crate) hash: Digest,
    pub(crate) account: String,
    /// In text, with spaces between them.
    pub(crate) scopes: String,
    pub(crate) operator: bool,
    pub(crate) created_ms: u64,
    pub(crate) expires_ms: Option<u64>,
    pub(crate) revoked_ms: Option<u64>,
    pub(crate) used_ms: Option<u64>,
}

pub(crate) fn insert(row: &TokenRow) -> Statement {
    Statement::new(
        "insert into tokens (id, hash, account, scopes, operator, created_ms, expires_ms) \
         values ($1, $2, $3, $4, $5, $6, $7)",
        vec![
            text(&row.id),
            bytes(row.hash.as_bytes()),
            text(&row.account),
            text(&row.scopes),
            int(row.operator.into()),
            int(row.created_ms),
            row.expires_ms.map_or(Value::Null, int),
        ],
    )
}

/// One token: [`rows`].
pub(crate) fn select(id: &str) -> Statement {
    Statement::new(
        "select id, hash, account, scopes, operator, created_ms, expires_ms, revoked_ms, used_ms from tokens \
         where id = $1",
        vec![text(id)],
    )
}

/// All of them, the oldest first: [`rows`].
pub(crate) fn select_all() -> Statement {
    Statement::new(
        "select id, hash, account, scopes, operator, created_ms, expires_ms, revoked_ms, used_ms from tokens \
         order by created_ms, id",
        vec![],
    )
}

pub(crate) fn rows(rows: Vec<Row>) -> Result<Vec<TokenRow>, Error> {
    rows.into_iter()
        .map(|row| {
            let mut columns = Columns::of(row);
            Ok(TokenRow {
                id: columns.text("token id")?,
                hash: columns.digest("token hash")?,
                account: columns.text("account")?,
                scopes: columns.text("scopes")?,
                operator: columns.int("operator")? != 0,
                created_ms: columns.unsigned("time")?,
                expires_ms: columns.optional_unsigned("time")?,
                revoked_ms: columns.optional_unsigned("time")?,
                used_ms: columns.optional_unsigned("time")?,
            })
        })
        .collect()
}

/// Fails the batch if there is no such token that is not revoked yet.
pub(crate) fn revoke(id: &str, at_ms: u64) -> Statement {
    Statement::new(
        "update tokens set revoked_ms = $2 where id = $1 and revoked_ms is null",
        vec![text(id), int(at_ms)],
    )
    .must_affect(1)
}

pub(crate) fn note_use(id: &str, at_ms: u64) -> Statement {
    Statement::new("update tokens set used_ms = $2 where id = $1", vec![text(id), int(at_ms)])
}
