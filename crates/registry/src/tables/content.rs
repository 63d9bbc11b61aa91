//! `content`: what is stored here, by digest; small content is the row itself. `content_sources`: where else.

use bytes::Bytes;
use wargate_component::Inspection;
use wargate_core::digest::Digest;

use super::{Columns, bytes, inspections, int, text};
use crate::db::{Row, Statement, Value};
use crate::error::Error;
use crate::limits::INSPECTIONS_AT_ONCE_MAX;

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

impl Presence {
    /// Whether its bytes are stored here.
    pub(crate) fn is_here(self) -> bool {
        matches!(self, Self::Uninspected | Self::Inspected)
    }
}

/// What is known of content that somebody wants to release.
pub(crate) struct Standing {
    pub(crate) presence: Presence,
    /// Of what is stored, in bytes.
    pub(crate) size: u64,
    /// Of what is stored, since when it is leased, in ms.
    pub(crate) leased_ms: Option<u64>,
    /// What it is, if it comes along.
    pub(crate) inspection: Option<Inspection>,
}

/// With which content its inspection comes along, which says what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WithInspection {
    Never,
    /// What says a name or a version of its own.
    IfItClaims,
    Always,
}

impl WithInspection {
    /// Of a record that releases so many contents: of all or of what claims something; of none where they are too many to
    /// be held at once.
    pub(crate) fn of(contents: usize, all: bool) -> Self {
        match (contents > INSPECTIONS_AT_ONCE_MAX, all) {
            (true, _) => Self::Never,
            (false, true) => Self::Always,
            (false, false) => Self::IfItClaims,
        }
    }
}

/// One statement, since every release asks all of it: [`standing`].
pub(crate) fn select_standing(digest: &Digest, with: WithInspection) -> Statement {
    Statement::new(
        "select c.stored_ms, c.size, l.leased_ms, case when i.digest is null then 0 else 1 end, \
         case when exists (select 1 from content_sources where digest = $1) then 1 else 0 end, \
         case when $2 = 2 or ($2 = 1 and i.claims = 1) then i.body end \
         from (select 1 as one) o \
         left join content c on c.digest = $1 \
         left join content_leases l on l.digest = $1 \
         left join inspections i on i.digest = $1",
        vec![bytes(digest.as_bytes()), int(with as u64)],
    )
}

pub(crate) fn standing(rows: Vec<Row>) -> Result<Standing, Error> {
    let row = rows.into_iter().next().ok_or_else(|| Error::internal("look for content", "no answer"))?;
    let mut columns = Columns::of(row);
    let stored_ms = columns.optional_unsigned("time")?;
    let size = columns.optional_unsigned("size")?.unwrap_or(0);
    let leased_ms = stored_ms.max(columns.optional_unsigned("time")?);
    let presence = match (stored_ms, columns.int("presence")?, columns.int("presence")?) {
        (Some(_), 1, _) => Presence::Inspected,
        (Some(_), ..) => Presence::Uninspected,
        (None, _, 1) => Presence::Elsewhere,
        _ => Presence::Missing,
    };
    let inspection = columns.optional_text("inspection")?;
    Ok(Standing {
        presence,
        size,
        leased_ms: leased_ms.filter(|_| stored_ms.is_some()),
        inspection: inspection.as_deref().map(inspections::parse).transpose()?,
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
