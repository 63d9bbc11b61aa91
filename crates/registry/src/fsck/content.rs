//! Content: every row of `content` hashes to its digest, or its object does.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use object_store::ObjectStore;
use wargate_core::digest::{Digest, Hasher};

use super::{Check, Damage, Remedy};
use crate::db::{Batch, Row, Statement, Value};
use crate::error::Error;
use crate::limits::INLINE_CONTENT_BYTES_MAX;
use crate::objects;
use crate::tables::{Columns, bytes, int};

/// Rows of `content` that are read at once, each with up to [`INLINE_CONTENT_BYTES_MAX`].
const PAGE_ROWS: u64 = 64;

/// Small content, or where large content lies.
pub(crate) struct Stored {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) inline: Option<Bytes>,
}

impl Stored {
    /// Rows after a digest's bytes, or the first: [`Stored::of`].
    pub(crate) fn select(after: Option<&[u8]>, rows: u64) -> Statement {
        let after = after.map_or_else(|| bytes(&[]), bytes);
        Statement::new(
            "select digest, size, bytes from content where digest > $1 order by digest limit $2",
            vec![after, int(rows)],
        )
    }

    pub(crate) fn of(row: Row) -> Result<Self, Error> {
        let mut columns = Columns::of(row);
        Ok(Self {
            digest: columns.digest("digest")?,
            size: columns.unsigned("size")?,
            inline: columns.optional_bytes("content")?,
        })
    }

    /// What is wrong with it where it lies; nothing if it is whole.
    pub(crate) async fn wrong(&self, objects: &Arc<dyn ObjectStore>) -> Option<String> {
        match &self.inline {
            Some(inline) => wrong_bytes(&self.digest, self.size, inline),
            None => wrong_blob(objects, &self.digest, self.size).await,
        }
    }
}

fn wrong_bytes(digest: &Digest, size: u64, bytes: &[u8]) -> Option<String> {
    wrong_digest(digest, size, bytes.len() as u64, &Digest::of(bytes))
}

fn wrong_digest(digest: &Digest, size: u64, length: u64, found: &Digest) -> Option<String> {
    if length != size {
        return Some(format!("it has {length} bytes and should have {size}"));
    }
    (found != digest).then(|| format!("its bytes have the digest {found}"))
}

/// What is wrong with a blob's object.
async fn wrong_blob(objects: &Arc<dyn ObjectStore>, digest: &Digest, size: u64) -> Option<String> {
    let mut body = match objects::stream_whole(objects, &objects::blob_path(digest)).await {
        Ok(Some((body, _))) => body,
        Ok(None) => return Some("it is missing".to_owned()),
        Err(error) => return Some(error.to_string()),
    };
    let (mut hasher, mut length) = (Hasher::new(), 0u64);
    while let Some(piece) = body.next().await {
        match piece {
            Ok(piece) => {
                hasher.update(&piece);
                length += piece.len() as u64;
            }
            Err(error) => return Some(error.to_string()),
        }
    }
    wrong_digest(digest, size, length, &hasher.finish())
}

/// Checks all content, or a part of it.
pub(super) async fn check(check: &mut Check<'_>) -> Result<(), Error> {
    let mut after: Option<Vec<u8>> = None;
    let of = check.read(Statement::new("select count(*) from content", vec![])).await;
    let of = of.ok().and_then(|rows| Columns::of(rows.into_iter().next()?).unsigned("count").ok());
    let mut done = 0;
    loop {
        let statement = Stored::select(after.as_deref(), PAGE_ROWS);
        let rows = match check.read(statement).await {
            Ok(rows) => rows,
            Err(error) => {
                check.found(Damage::row("content", "", error, Remedy::Restore));
                return Ok(());
            }
        };
        let Some(Value::Bytes(last)) = rows.last().and_then(|row| row.first()) else { return Ok(()) };
        after = Some(last.to_vec());
        done += rows.len() as u64;
        for row in rows {
            check_row(check, row).await?;
        }
        check.progress("content", done, of);
    }
}

async fn check_row(check: &mut Check<'_>, row: Row) -> Result<(), Error> {
    let key = row.first().map(super::rows::shown).unwrap_or_default();
    let stored = match Stored::of(row) {
        Ok(stored) => stored,
        Err(error) => {
            check.found(Damage::row("content", key, error, Remedy::Restore));
            return Ok(());
        }
    };
    if !check.picks("content", stored.digest.as_bytes()) {
        return Ok(());
    }
    check.count("content", 1);
    let Some(wrong) = stored.wrong(check.objects).await else { return Ok(()) };
    let repair = match &stored.inline {
        Some(inline) if Digest::of(inline) == stored.digest => Some(vec![Statement::new(
            "update content set size = $2 where digest = $1",
            vec![bytes(stored.digest.as_bytes()), int(inline.len() as u64)],
        )]),
        _ => from_object(check, &stored.digest).await,
    };
    let repair = match repair {
        Some(repair) => Some(repair),
        None => made_anew(check, &stored).await?,
    };
    let remedy = if repair.is_some() { Remedy::Repair } else { Remedy::Restore };
    let damage = match stored.inline {
        None => Damage::object(objects::blob_path(&stored.digest), wrong, remedy),
        Some(_) => Damage::row("content", stored.digest, wrong, remedy),
    };
    check.found_row(damage, repair).await
}

/// Makes a row right whose content lies whole as an object.
async fn from_object(check: &Check<'_>, digest: &Digest) -> Option<Batch> {
    let path = objects::blob_path(digest);
    let size = objects::size(check.objects, &path).await.ok()??;
    if wrong_blob(check.objects, digest, size).await.is_some() {
        return None;
    }
    let inline = if size <= INLINE_CONTENT_BYTES_MAX {
        check.look(&path).await.ok().flatten().map_or(Value::Null, Value::Bytes)
    } else {
        Value::Null
    };
    let parameters = vec![bytes(digest.as_bytes()), int(size), inline];
    Some(vec![Statement::new("update content set size = $2, bytes = $3 where digest = $1", parameters)])
}

/// Drops a manifest that is made of a release's bytes, and whatever says that it was made: it is made again when
/// somebody asks for it.
async fn made_anew(check: &Check<'_>, stored: &Stored) -> Result<Option<Batch>, Error> {
    let digest = || bytes(stored.digest.as_bytes());
    let select =
        Statement::new("select 1 from derived_manifests where manifest = $1 limit 1", vec![digest()]);
    if check.read(select).await?.is_empty() {
        return Ok(None);
    }
    let delete = |sql| Statement::new(sql, vec![digest()]);
    Ok(Some(vec![
        delete("delete from derived_manifests where manifest = $1"),
        delete("delete from manifests where digest = $1"),
        delete("delete from manifest_parts where manifest = $1"),
        delete("delete from content where digest = $1"),
    ]))
}
