//! What the tags of a repository mean, each in one look: those that follow from a package's log, and those that were
//! pushed.

use semver::Version;
use wargate_core::id::LogId;
use wargate_wire::oci::reference::RepositoryName;

use super::repositories::ManifestRow;
use super::{Columns, bytes, int, text};
use crate::db::{Row, Statement, Value};
use crate::error::Error;

/// What a version says in the repository of a logged package.
#[derive(Debug)]
pub(crate) enum Released {
    /// There is no such release.
    Never,
    /// There is, and this is its manifest, if the repository holds it already.
    As { manifest: Option<ManifestRow>, yanked: bool },
}

/// A version in a package's repository: [`released`].
pub(crate) fn select_released(log: &LogId, repository: &RepositoryName, version: &Version) -> Statement {
    Statement::new(
        "select case when r.version is null then 0 else 1 end, \
         case when r.yanked_seconds is null then 0 else 1 end, m.digest, m.media_type, c.size, m.pushed_ms \
         from logs l left join releases r on r.log = l.first_idx and r.version = $3 \
         left join derived_manifests d on d.log = r.log and d.version = r.version \
         left join manifests m on m.repository = $2 and m.digest = coalesce(r.manifest, d.manifest) \
         left join content c on c.digest = m.digest where l.log_id = $1",
        vec![bytes(log.as_bytes()), text(repository), text(version)],
    )
}

/// `None` if the package's log has not begun.
pub(crate) fn released(rows: Vec<Row>) -> Result<Option<Released>, Error> {
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let mut columns = Columns::of(row);
    if columns.int("release")? == 0 {
        return Ok(Some(Released::Never));
    }
    let yanked = columns.int("release")? != 0;
    let (digest, media_type) =
        (columns.optional_digest("manifest digest")?, columns.optional_text("media type")?);
    let (size, pushed_ms) = (columns.optional_unsigned("size")?, columns.optional_unsigned("time")?);
    let manifest = digest.zip(media_type).zip(size.zip(pushed_ms));
    let manifest = manifest.map(|((digest, media_type), (size, pushed_ms))| ManifestRow {
        digest,
        media_type,
        size,
        pushed_ms,
        named: digest.into(),
    });
    Ok(Some(Released::As { manifest, yanked }))
}

/// How a repository stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    /// Something was pushed to it.
    pub(crate) begun: bool,
    /// The log of its package has begun.
    pub(crate) logged: bool,
}

/// How a repository stands, whose package's log would be this one: [`standing`].
pub(crate) fn select_standing(repository: &RepositoryName, log: Option<&LogId>) -> Statement {
    Statement::new(
        "select case when exists (select 1 from repositories where name = $1) then 1 else 0 end, \
         case when exists (select 1 from logs where log_id = $2) then 1 else 0 end",
        vec![text(repository), log_or_none(log)],
    )
}

pub(crate) fn standing(rows: Vec<Row>) -> Result<Standing, Error> {
    let mut columns = Columns::of(rows.into_iter().next().unwrap_or_default());
    Ok(Standing { begun: columns.int("standing")? != 0, logged: columns.int("standing")? != 0 })
}

/// Tags that were pushed, after one of them, in byte order: [`texts`].
pub(crate) fn select_pushed(repository: &RepositoryName, after: &str, limit: usize) -> Statement {
    Statement::new(
        "select tag from tags where repository = $1 and tag > $2 order by tag limit $3",
        vec![text(repository), text(after), int(limit as u64)],
    )
}

/// Versions that are not yanked, the same way.
pub(crate) fn select_live(log: Option<&LogId>, after: &str, limit: usize) -> Statement {
    Statement::new(
        "select r.version from logs l join releases r on r.log = l.first_idx \
         where l.log_id = $1 and r.version > $2 and r.yanked_seconds is null order by r.version limit $3",
        vec![log_or_none(log), text(after), int(limit as u64)],
    )
}

/// Texts that may be tags: a version with build metadata, or a very long one, is none.
pub(crate) fn texts(rows: Vec<Row>) -> Result<Vec<String>, Error> {
    rows.into_iter().map(|row| Columns::of(row).text("tag")).collect()
}

fn log_or_none(log: Option<&LogId>) -> Value {
    log.map_or(Value::Null, |log| bytes(log.as_bytes()))
}
