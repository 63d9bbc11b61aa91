//! `repositories`, `blob_links`, `manifests`, `tags`: which repository shows which content, and under which names.

use wargate_core::digest::Digest;
use wargate_wire::oci::reference::{RepositoryName, Tag};

use super::content::ContentRow;
use super::{Columns, bytes, int, text};
use crate::db::{Row, Statement, Value};
use crate::error::Error;

/// Begins a repository, if it has not begun.
pub(crate) fn begin(repository: &RepositoryName, now_ms: u64) -> Statement {
    Statement::new(
        "insert into repositories (name, begun_ms) values ($1, $2) on conflict (name) do nothing",
        vec![text(repository), int(now_ms)],
    )
}

/// Whether a repository has begun: any row says yes.
pub(crate) fn select(repository: &RepositoryName) -> Statement {
    Statement::new("select 1 from repositories where name = $1", vec![text(repository)])
}

/// Links a blob, or renews the link.
pub(crate) fn link(repository: &RepositoryName, digest: &Digest, now_ms: u64) -> Statement {
    Statement::new(
        "insert into blob_links (repository, digest, linked_ms) values ($1, $2, $3) \
         on conflict (repository, digest) do update set linked_ms = excluded.linked_ms",
        vec![text(repository), bytes(digest.as_bytes()), int(now_ms)],
    )
}

/// A blob that the repository links: [`super::content::one`].
pub(crate) fn select_blob(repository: &RepositoryName, digest: &Digest) -> Statement {
    Statement::new(
        "select c.size, c.bytes from blob_links b join content c on c.digest = b.digest \
         where b.repository = $1 and b.digest = $2",
        vec![text(repository), bytes(digest.as_bytes())],
    )
}

/// The size of a blob that the repository links: [`size`].
pub(crate) fn select_blob_size(repository: &RepositoryName, digest: &Digest) -> Statement {
    Statement::new(
        "select c.size from blob_links b join content c on c.digest = b.digest \
         where b.repository = $1 and b.digest = $2",
        vec![text(repository), bytes(digest.as_bytes())],
    )
}

pub(crate) fn size(rows: &[Row]) -> Result<Option<u64>, Error> {
    rows.first().map(|row| Columns::of(row.clone()).unsigned("size")).transpose()
}

/// A manifest as a repository holds it.
#[derive(Debug, Clone)]
pub(crate) struct ManifestRow {
    pub(crate) digest: Digest,
    pub(crate) media_type: String,
    pub(crate) content: ContentRow,
}

/// A manifest to keep.
pub(crate) struct NewManifest<'a> {
    pub(crate) repository: &'a RepositoryName,
    pub(crate) digest: &'a Digest,
    pub(crate) media_type: &'a str,
    pub(crate) artifact_type: Option<&'a str>,
    pub(crate) subject: Option<String>,
}

pub(crate) fn insert_manifest(manifest: &NewManifest<'_>, now_ms: u64) -> Statement {
    let optional = |text: Option<&str>| text.map_or(Value::Null, |text| Value::Text(text.to_owned()));
    Statement::new(
        "insert into manifests (repository, digest, media_type, artifact_type, subject, pushed_ms) \
         values ($1, $2, $3, $4, $5, $6) \
         on conflict (repository, digest) do update set media_type = excluded.media_type",
        vec![
            text(manifest.repository),
            bytes(manifest.digest.as_bytes()),
            text(manifest.media_type),
            optional(manifest.artifact_type),
            optional(manifest.subject.as_deref()),
            int(now_ms),
        ],
    )
}

/// A manifest by its digest: [`manifest`].
pub(crate) fn select_manifest(repository: &RepositoryName, digest: &Digest) -> Statement {
    Statement::new(
        "select m.digest, m.media_type, c.size, c.bytes from manifests m join content c on c.digest = m.digest \
         where m.repository = $1 and m.digest = $2",
        vec![text(repository), bytes(digest.as_bytes())],
    )
}

/// A manifest by a tag that was pushed: [`manifest`].
pub(crate) fn select_tagged(repository: &RepositoryName, tag: &Tag) -> Statement {
    Statement::new(
        "select m.digest, m.media_type, c.size, c.bytes from tags t \
         join manifests m on m.repository = t.repository and m.digest = t.digest \
         join content c on c.digest = m.digest where t.repository = $1 and t.tag = $2",
        vec![text(repository), text(tag)],
    )
}

pub(crate) fn manifest(rows: Vec<Row>) -> Result<Option<ManifestRow>, Error> {
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let mut columns = Columns::of(row);
    Ok(Some(ManifestRow {
        digest: columns.digest("manifest digest")?,
        media_type: columns.text("media type")?,
        content: ContentRow { size: columns.unsigned("size")?, inline: columns.optional_bytes("content")? },
    }))
}

/// The size of a manifest that the repository holds: [`size`].
pub(crate) fn select_manifest_size(repository: &RepositoryName, digest: &Digest) -> Statement {
    Statement::new(
        "select c.size from manifests m join content c on c.digest = m.digest \
         where m.repository = $1 and m.digest = $2",
        vec![text(repository), bytes(digest.as_bytes())],
    )
}

/// Points a tag at a manifest.
pub(crate) fn move_tag(repository: &RepositoryName, tag: &Tag, digest: &Digest, now_ms: u64) -> Statement {
    Statement::new(
        "insert into tags (repository, tag, digest, moved_ms) values ($1, $2, $3, $4) \
         on conflict (repository, tag) do update set digest = excluded.digest, moved_ms = excluded.moved_ms",
        vec![text(repository), text(tag), bytes(digest.as_bytes()), int(now_ms)],
    )
}

/// All tags that were pushed, in byte order: [`tags`].
pub(crate) fn select_tags(repository: &RepositoryName) -> Statement {
    Statement::new("select tag from tags where repository = $1 order by tag", vec![text(repository)])
}

pub(crate) fn tags(rows: Vec<Row>) -> Result<Vec<Tag>, Error> {
    rows.into_iter().map(|row| Columns::of(row).parse("tag")).collect()
}
