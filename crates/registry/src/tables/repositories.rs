//! `repositories`, `blob_links`, `manifests`, `tags`: which repository shows which content, and under which names.

use wargate_core::digest::Digest;
use wargate_wire::oci::reference::{ContentDigest, RepositoryName, Tag};

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

/// Links a blob, or renews the link; fails the batch if its content is not stored.
pub(crate) fn link(repository: &RepositoryName, digest: &Digest, now_ms: u64) -> Statement {
    Statement::new(
        "insert into blob_links (repository, digest, linked_ms) select $1, digest, $3 from content where digest = $2 \
         on conflict (repository, digest) do update set linked_ms = excluded.linked_ms",
        vec![text(repository), bytes(digest.as_bytes()), int(now_ms)],
    )
    .must_affect(1)
}

/// A blob that the repository links: [`linked`].
pub(crate) fn select_linked(repository: &RepositoryName, digest: &Digest) -> Statement {
    Statement::new(
        "select c.size, b.linked_ms from blob_links b join content c on c.digest = b.digest \
         where b.repository = $1 and b.digest = $2",
        vec![text(repository), bytes(digest.as_bytes())],
    )
}

/// A blob as a repository links it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LinkedRow {
    /// In bytes.
    pub(crate) size: u64,
    /// When it was linked, or its lease renewed, in ms.
    pub(crate) linked_ms: u64,
}

pub(crate) fn linked(rows: Vec<Row>) -> Result<Option<LinkedRow>, Error> {
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let mut columns = Columns::of(row);
    Ok(Some(LinkedRow { size: columns.unsigned("size")?, linked_ms: columns.unsigned("time")? }))
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
    pub(crate) size: u64,
    /// When it was pushed, or its lease renewed, in ms.
    pub(crate) pushed_ms: u64,
    /// The digest by which it is known there: SHA-512 under a tag that was made with it.
    pub(crate) named: ContentDigest,
}

/// A manifest to keep.
pub(crate) struct NewManifest<'a> {
    pub(crate) repository: &'a RepositoryName,
    pub(crate) digest: &'a Digest,
    pub(crate) media_type: &'a str,
    pub(crate) artifact_type: Option<&'a str>,
    pub(crate) subject: Option<String>,
    /// The SHA-512 by which it is pushed.
    pub(crate) sha512: Option<ContentDigest>,
}

pub(crate) fn insert_manifest(manifest: &NewManifest<'_>, now_ms: u64) -> Statement {
    let optional = |text: Option<&str>| text.map_or(Value::Null, |text| Value::Text(text.to_owned()));
    Statement::new(
        "insert into manifests (repository, digest, media_type, artifact_type, subject, pushed_ms, sha512) \
         values ($1, $2, $3, $4, $5, $6, $7) \
         on conflict (repository, digest) do update set media_type = excluded.media_type, \
         pushed_ms = excluded.pushed_ms, sha512 = coalesce(excluded.sha512, manifests.sha512)",
        vec![
            text(manifest.repository),
            bytes(manifest.digest.as_bytes()),
            text(manifest.media_type),
            optional(manifest.artifact_type),
            optional(manifest.subject.as_deref()),
            int(now_ms),
            manifest.sha512.map_or(Value::Null, |digest| bytes(digest.as_bytes())),
        ],
    )
}

/// A manifest by its digest: [`manifest`].
pub(crate) fn select_manifest(repository: &RepositoryName, digest: &Digest) -> Statement {
    Statement::new(
        "select m.digest, m.media_type, c.size, m.pushed_ms, null from manifests m join content c on c.digest = m.digest \
         where m.repository = $1 and m.digest = $2",
        vec![text(repository), bytes(digest.as_bytes())],
    )
}

/// A manifest by a tag that was pushed: [`manifest`].
pub(crate) fn select_tagged(repository: &RepositoryName, tag: &Tag) -> Statement {
    Statement::new(
        "select m.digest, m.media_type, c.size, m.pushed_ms, case when t.by_sha512 = 1 then m.sha512 end from tags t \
         join manifests m on m.repository = t.repository and m.digest = t.digest \
         join content c on c.digest = m.digest where t.repository = $1 and t.tag = $2",
        vec![text(repository), text(tag)],
    )
}

pub(crate) fn manifest(rows: Vec<Row>) -> Result<Option<ManifestRow>, Error> {
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let mut columns = Columns::of(row);
    let digest = columns.digest("manifest digest")?;
    Ok(Some(ManifestRow {
        digest,
        media_type: columns.text("media type")?,
        size: columns.unsigned("size")?,
        pushed_ms: columns.unsigned("time")?,
        named: named(&digest, columns.optional_bytes("SHA-512")?),
    }))
}

/// The digest by which a manifest was pushed.
pub(crate) fn named(digest: &Digest, sha512: Option<bytes::Bytes>) -> ContentDigest {
    sha512.and_then(|bytes| ContentDigest::from_sha512(&bytes)).unwrap_or((*digest).into())
}

/// The size of a manifest that the repository holds: [`size`].
pub(crate) fn select_manifest_size(repository: &RepositoryName, digest: &Digest) -> Statement {
    Statement::new(
        "select c.size from manifests m join content c on c.digest = m.digest \
         where m.repository = $1 and m.digest = $2",
        vec![text(repository), bytes(digest.as_bytes())],
    )
}

/// Where a tag shall point.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewTag<'a> {
    pub(crate) repository: &'a RepositoryName,
    pub(crate) tag: &'a Tag,
    pub(crate) digest: &'a Digest,
    /// Whether it is made by a push under a SHA-512 digest, by which it then tells its manifest.
    pub(crate) by_sha512: bool,
}

impl NewTag<'_> {
    pub(crate) fn values(&self, now_ms: u64) -> Vec<Value> {
        let by_sha512 = int(u64::from(self.by_sha512));
        vec![text(self.repository), text(self.tag), bytes(self.digest.as_bytes()), int(now_ms), by_sha512]
    }
}

/// Points a tag at a manifest.
pub(crate) fn move_tag(tag: &NewTag<'_>, now_ms: u64) -> Statement {
    Statement::new(
        "insert into tags (repository, tag, digest, moved_ms, by_sha512) values ($1, $2, $3, $4, $5) \
         on conflict (repository, tag) do update set digest = excluded.digest, moved_ms = excluded.moved_ms, \
         by_sha512 = excluded.by_sha512",
        tag.values(now_ms),
    )
}
