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

/// Where content is, for who wants to release it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Missing,
    /// Only where publishers say that it is.
    Elsewhere,
    /// Stored here, and nobody looked yet what it is.
    Uninspected,
    Inspected,
}

/// Where content is: [`presence`].
pub(crate) fn select_presence(digest: &Digest) -> Statement {
    Statement::new(
        "select (select stored_ms from content where digest = $1), \
         (select leased_ms from content_leases where digest = $1), \
         case when exists (select 1 from inspections where digest = $1) then 1 else 0 end, \
         case when exists (select 1 from content_sources where digest = $1) then 1 else 0 end",
        vec![bytes(digest.as_bytes())],
    )
}

/// Where it is, and of what is stored, since when it is leased, in ms.
pub(crate) fn presence(rows: &[Row]) -> Result<(Presence, Option<u64>), Error> {
    let Some(row) = rows.first() else { return Ok((Presence::Missing, None)) };
    let mut columns = Columns::of(row.clone());
    let stored_ms = columns.optional_unsigned("time")?;
    let leased_ms = stored_ms.max(columns.optional_unsigned("time")?);
    let (inspected, elsewhere) = (columns.int("presence")?, columns.int("presence")?);
    Ok(match (stored_ms, inspected, elsewhere) {
        (Some(_), 1, _) => (Presence::Inspected, leased_ms),
        (Some(_), ..) => (Presence::Uninspected, leased_ms),
        (None, _, 1) => (Presence::Elsewhere, None),
        _ => (Presence::Missing, None),
    })
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

/// Stored content that is an object, by digest after one of them, at most `limit`: [`objects`].
pub(crate) fn select_objects(after: Option<&Digest>, limit: usize) -> Statement {
    Statement::new(
        "select digest, size from content where digest > $1 and bytes is null order by digest limit $2",
        vec![bytes(after.map_or(&[], |digest| digest.as_bytes().as_slice())), int(limit as u64)],
    )
}

/// `(digest, size)` of each.
pub(crate) fn objects(rows: Vec<Row>) -> Result<Vec<(Digest, u64)>, Error> {
    rows.into_iter()
        .map(|row| {
            let mut columns = Columns::of(row);
            Ok((columns.digest("digest")?, columns.unsigned("size")?))
        })
        .collect()
}
