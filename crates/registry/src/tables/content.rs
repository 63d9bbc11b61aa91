//! `content`: what is stored here, by digest; small content is the row itself. `content_sources`: where else.

use bytes::Bytes;
use wargate_core::digest::Digest;

use super::{Columns, bytes, int, text};
use crate::db::{Row, Statement, Value};
use crate::error::Error;

/// Stored content.
#[derive(Debug, Clone)]
pub(crate) struct ContentRow {
    pub(crate) size: u64,
    /// The bytes, if they are small; else they are an object.
    pub(crate) inline: Option<Bytes>,
}

pub(crate) fn insert(digest: &Digest, size: u64, inline: Option<Bytes>, stored_ms: u64) -> Statement {
    Statement::new(
        "insert into content (digest, size, bytes, stored_ms) values ($1, $2, $3, $4) on conflict (digest) do nothing",
        vec![bytes(digest.as_bytes()), int(size), inline.map_or(Value::Null, Value::Bytes), int(stored_ms)],
    )
}

/// Whether it is stored, or known to be elsewhere: [`exists`].
pub(crate) fn select_exists(digest: &Digest) -> Statement {
    Statement::new(
        "select 1 where exists (select 1 from content where digest = $1) \
         or exists (select 1 from content_sources where digest = $1)",
        vec![bytes(digest.as_bytes())],
    )
}

pub(crate) fn exists(rows: &[Row]) -> bool {
    !rows.is_empty()
}

pub(crate) fn select(digest: &Digest) -> Statement {
    Statement::new("select size, bytes from content where digest = $1", vec![bytes(digest.as_bytes())])
}

pub(crate) fn one(rows: Vec<Row>) -> Result<Option<ContentRow>, Error> {
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let mut columns = Columns::of(row);
    Ok(Some(ContentRow { size: columns.unsigned("size")?, inline: columns.optional_bytes("content")? }))
}

pub(crate) fn insert_source(digest: &Digest, url: &str, size: Option<u64>) -> Statement {
    Statement::new(
        "insert into content_sources (digest, url, size) values ($1, $2, $3) on conflict (digest, url) do nothing",
        vec![bytes(digest.as_bytes()), text(url), size.map_or(Value::Null, int)],
    )
}

/// Other places that have it: [`sources`].
pub(crate) fn select_sources(digest: &Digest) -> Statement {
    Statement::new(
        "select url, size from content_sources where digest = $1 order by url",
        vec![bytes(digest.as_bytes())],
    )
}

/// `(url, size)` of each.
pub(crate) fn sources(rows: Vec<Row>) -> Result<Vec<(String, Option<u64>)>, Error> {
    rows.into_iter()
        .map(|row| {
            let mut columns = Columns::of(row);
            Ok((columns.text("url")?, columns.optional_unsigned("size")?))
        })
        .collect()
}
