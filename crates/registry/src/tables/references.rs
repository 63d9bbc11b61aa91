//! `manifest_parts`, `sha512_names`, and what refers to what in a repository: its manifests, subjects and names.

use semver::Version;
use wargate_core::digest::Digest;
use wargate_core::id::LogId;
use wargate_wire::oci::reference::{ContentDigest, RepositoryName, Tag};

use super::content::ContentRow;
use super::repositories::{self, NewTag};
use super::{Columns, bytes, int, text};
use crate::db::{Row, Statement, Value};
use crate::error::Error;
use crate::limits::MOUNT_LOOKS_MAX;

/// Keeps that a manifest names a blob or a manifest.
pub(crate) fn insert_part(repository: &RepositoryName, manifest: &Digest, part: &Digest) -> Statement {
    Statement::new(
        "insert into manifest_parts (repository, manifest, part) values ($1, $2, $3) \
         on conflict (repository, manifest, part) do nothing",
        vec![text(repository), bytes(manifest.as_bytes()), bytes(part.as_bytes())],
    )
}

/// The same of what must be linked here, as a blob or as a manifest: else it fails the batch.
pub(crate) fn insert_kept_part(
    repository: &RepositoryName,
    manifest: &Digest,
    part: &Digest,
    is_blob: bool,
) -> Statement {
    let sql = if is_blob {
        "insert into manifest_parts (repository, manifest, part) \
         select repository, $2, digest from blob_links where repository = $1 and digest = $3 \
         on conflict (repository, manifest, part) do update set part = excluded.part"
    } else {
        "insert into manifest_parts (repository, manifest, part) \
         select repository, $2, digest from manifests where repository = $1 and digest = $3 \
         on conflict (repository, manifest, part) do update set part = excluded.part"
    };
    Statement::new(sql, vec![text(repository), bytes(manifest.as_bytes()), bytes(part.as_bytes())])
        .must_affect(1)
}

/// Forgets that it does.
pub(crate) fn delete_part(repository: &RepositoryName, manifest: &Digest, part: &Digest) -> Statement {
    Statement::new(
        "delete from manifest_parts where repository = $1 and manifest = $2 and part = $3",
        vec![text(repository), bytes(manifest.as_bytes()), bytes(part.as_bytes())],
    )
}

/// What a manifest names.
pub(crate) fn select_parts(repository: &RepositoryName, manifest: &Digest) -> Statement {
    Statement::new(
        "select part from manifest_parts where repository = $1 and manifest = $2",
        vec![text(repository), bytes(manifest.as_bytes())],
    )
}

/// A manifest whose parts nobody has read yet.
pub(crate) struct UnreadRow {
    pub(crate) repository: RepositoryName,
    pub(crate) digest: Digest,
    /// Its media type and its content, if they are there.
    pub(crate) manifest: Option<(String, ContentRow)>,
}

/// Those after one of them: [`unread`].
pub(crate) fn select_unread(after: Option<&UnreadRow>, limit: usize) -> Statement {
    let first = || (Value::Text(String::new()), Value::Bytes(bytes::Bytes::new()));
    let (repository, digest) =
        after.map_or_else(first, |row| (text(&row.repository), bytes(row.digest.as_bytes())));
    Statement::new(
        "select u.repository, u.digest, m.media_type, c.size, c.bytes from unread_manifests u \
         left join manifests m on m.repository = u.repository and m.digest = u.digest \
         left join content c on c.digest = m.digest where (u.repository, u.digest) > ($1, $2) \
         order by u.repository, u.digest limit $3",
        vec![repository, digest, int(limit as u64)],
    )
}

pub(crate) fn unread(rows: Vec<Row>) -> Result<Vec<UnreadRow>, Error> {
    let row = |row| {
        let mut columns = Columns::of(row);
        let (repository, digest) = (columns.parse("repository")?, columns.digest("manifest digest")?);
        let media_type = columns.optional_text("media type")?;
        let size = columns.optional_unsigned("size")?;
        let inline = columns.optional_bytes("content")?;
        let content = size.map(|size| ContentRow { size, inline });
        Ok(UnreadRow { repository, digest, manifest: media_type.zip(content) })
    };
    rows.into_iter().map(row).collect()
}

/// The manifest's parts were read.
pub(crate) fn delete_unread(row: &UnreadRow) -> Statement {
    Statement::new(
        "delete from unread_manifests where repository = $1 and digest = $2",
        vec![text(&row.repository), bytes(row.digest.as_bytes())],
    )
}

/// Keeps that content is known by its SHA-512 too.
pub(crate) fn insert_sha512(sha512: &ContentDigest, digest: &Digest) -> Statement {
    Statement::new(
        "insert into sha512_names (sha512, digest) values ($1, $2) on conflict (sha512) do nothing",
        vec![bytes(sha512.as_bytes()), bytes(digest.as_bytes())],
    )
}

/// The SHA-256 of what has this SHA-512: [`digest`].
pub(crate) fn select_sha512(sha512: &ContentDigest) -> Statement {
    Statement::new("select digest from sha512_names where sha512 = $1", vec![bytes(sha512.as_bytes())])
}

pub(crate) fn digest(rows: Vec<Row>) -> Result<Option<Digest>, Error> {
    rows.into_iter().next().map(|row| Columns::of(row).digest("digest")).transpose()
}

/// The repositories that link a blob, at most so many that one is found which may be read: [`names`]. Only `from`, if it
/// is named.
pub(crate) fn select_linking(digest: &Digest, from: Option<&RepositoryName>) -> Statement {
    Statement::new(
        "select repository from blob_links where digest = $1 and ($2 is null or repository = $2) limit $3",
        vec![bytes(digest.as_bytes()), from.map_or(Value::Null, text), int(MOUNT_LOOKS_MAX as u64)],
    )
}

/// The repositories that have a blob or a manifest, at most so many that one is found which gives it out: [`names`].
pub(crate) fn select_having(digest: &Digest) -> Statement {
    Statement::new(
        "select repository from blob_links where digest = $1 \
         union select repository from manifests where digest = $1 limit $2",
        vec![bytes(digest.as_bytes()), int(MOUNT_LOOKS_MAX as u64)],
    )
}

/// Whether a package's releases need a blob or a manifest of its repository: any row says yes.
pub(crate) fn select_released(log: &LogId, repository: &RepositoryName, digest: &Digest) -> Statement {
    Statement::new(
        "with released as (\
           select r.content, coalesce(r.manifest, d.manifest) as manifest \
           from logs l join releases r on r.log = l.first_idx \
           left join derived_manifests d on d.log = r.log and d.version = r.version where l.log_id = $1) \
         select 1 where exists (select 1 from released where content = $3 or manifest = $3) \
         or exists (select 1 from manifest_parts p join released on released.manifest = p.manifest \
                    where p.repository = $2 and p.part = $3)",
        vec![bytes(log.as_bytes()), text(repository), bytes(digest.as_bytes())],
    )
}

/// What has this in a package's repository: [`holders`].
pub(crate) fn select_holders(log: &LogId, repository: &RepositoryName, digest: &Digest) -> Statement {
    Statement::new(
        "with released as (\
           select r.version, r.content, coalesce(r.manifest, d.manifest) as manifest \
           from logs l join releases r on r.log = l.first_idx \
           left join derived_manifests d on d.log = r.log and d.version = r.version where l.log_id = $1) \
         select version, 1 from released where content = $3 or manifest = $3 \
         union all select released.version, 0 from manifest_parts p \
         left join released on released.manifest = p.manifest where p.repository = $2 and p.part = $3",
        vec![bytes(log.as_bytes()), text(repository), bytes(digest.as_bytes())],
    )
}

/// What has some content or manifest.
#[derive(Debug)]
pub(crate) struct Holder {
    /// The release; `None` for a manifest that is no release's.
    pub(crate) version: Option<Version>,
    /// Whether it is what was released, or its manifest; else the manifest only names it.
    pub(crate) is_its_own: bool,
}

pub(crate) fn holders(rows: Vec<Row>) -> Result<Vec<Holder>, Error> {
    let holder = |row| {
        let mut columns = Columns::of(row);
        let version = columns.optional_parse("version")?;
        Ok(Holder { version, is_its_own: columns.int("holder")? != 0 })
    };
    rows.into_iter().map(holder).collect()
}

/// Removes a tag, which must be there.
pub(crate) fn delete_tag(repository: &RepositoryName, tag: &Tag) -> Statement {
    Statement::new("delete from tags where repository = $1 and tag = $2", vec![text(repository), text(tag)])
        .must_affect(1)
}

/// Removes a blob's link, which must be there.
pub(crate) fn delete_link(repository: &RepositoryName, digest: &Digest) -> Statement {
    Statement::new(
        "delete from blob_links where repository = $1 and digest = $2",
        vec![text(repository), bytes(digest.as_bytes())],
    )
    .must_affect(1)
}

/// Removes a manifest, which must be there, and everything that is said of it.
pub(crate) fn delete_manifest(repository: &RepositoryName, digest: &Digest) -> [Statement; 4] {
    let values = || vec![text(repository), bytes(digest.as_bytes())];
    [
        Statement::new("delete from manifests where repository = $1 and digest = $2", values())
            .must_affect(1),
        Statement::new("delete from tags where repository = $1 and digest = $2", values()),
        Statement::new("delete from manifest_parts where repository = $1 and manifest = $2", values()),
        Statement::new("delete from unread_manifests where repository = $1 and digest = $2", values()),
    ]
}

/// Moves a tag that must point at `from`.
pub(crate) fn move_tag_from(tag: &NewTag<'_>, from: &Digest, now_ms: u64) -> Statement {
    let mut values = tag.values(now_ms);
    values.push(bytes(from.as_bytes()));
    Statement::new(
        "update tags set digest = $3, moved_ms = $4, by_sha512 = $5 \
         where repository = $1 and tag = $2 and digest = $6",
        values,
    )
    .must_affect(1)
}

/// Makes a tag that must not be there.
pub(crate) fn insert_tag(tag: &NewTag<'_>, now_ms: u64) -> Statement {
    Statement::new(
        "insert into tags (repository, tag, digest, moved_ms, by_sha512) values ($1, $2, $3, $4, $5) \
         on conflict (repository, tag) do nothing",
        tag.values(now_ms),
    )
    .must_affect(1)
}

/// A manifest that refers to another.
pub(crate) struct ReferrerRow {
    pub(crate) digest: Digest,
    pub(crate) media_type: String,
    /// The digest by which its author knows it.
    pub(crate) named: ContentDigest,
    pub(crate) content: ContentRow,
}

/// Manifests whose subject is named so, by digest after one of them: [`referrers`].
pub(crate) fn select_referrers(
    repository: &RepositoryName,
    subject: &ContentDigest,
    artifact_type: Option<&str>,
    after: Option<&Digest>,
    limit: usize,
) -> Statement {
    let mut parameters = vec![
        text(repository),
        text(subject),
        after.map_or(Value::Bytes(bytes::Bytes::new()), |digest| bytes(digest.as_bytes())),
        int(limit as u64),
    ];
    // Two texts, for an index each: a page must not cost what it leaves out. The digests are found by themselves, since
    // those the index holds: else the planner takes all manifests of the repository for the cheaper way.
    let sql = match artifact_type {
        None => {
            "select m.digest, m.media_type, m.sha512, c.size, c.bytes from (select digest from manifests \
             where repository = $1 and subject = $2 and digest > $3 order by digest limit $4) f \
             join manifests m on m.repository = $1 and m.digest = f.digest \
             join content c on c.digest = m.digest order by m.digest"
        }
        Some(artifact_type) => {
            parameters.push(text(artifact_type));
            "select m.digest, m.media_type, m.sha512, c.size, c.bytes from (select digest from manifests \
             where repository = $1 and subject = $2 and artifact_type = $5 and digest > $3 \
             order by digest limit $4) f join manifests m on m.repository = $1 and m.digest = f.digest \
             join content c on c.digest = m.digest order by m.digest"
        }
    };
    Statement::new(sql, parameters)
}

/// What a manifest of a type refers to, if it is here and refers to anything: [`subject`].
pub(crate) fn select_subject(repository: &RepositoryName, digest: &Digest, artifact_type: &str) -> Statement {
    Statement::new(
        "select subject from manifests where repository = $1 and digest = $2 and artifact_type = $3 \
         and subject is not null",
        vec![text(repository), bytes(digest.as_bytes()), text(artifact_type)],
    )
}

pub(crate) fn subject(rows: Vec<Row>) -> Result<Option<ContentDigest>, Error> {
    rows.into_iter().next().map(|row| Columns::of(row).parse("subject")).transpose()
}

pub(crate) fn referrers(rows: Vec<Row>) -> Result<Vec<ReferrerRow>, Error> {
    let row = |row| {
        let mut columns = Columns::of(row);
        let digest = columns.digest("manifest digest")?;
        let media_type = columns.text("media type")?;
        let named = repositories::named(&digest, columns.optional_bytes("SHA-512")?);
        Ok(ReferrerRow {
            digest,
            media_type,
            named,
            content: ContentRow {
                size: columns.unsigned("size")?,
                inline: columns.optional_bytes("content")?,
            },
        })
    };
    rows.into_iter().map(row).collect()
}

/// Names of repositories after one of them: [`names`].
pub(crate) fn select_names(after: &str, limit: usize) -> Statement {
    Statement::new(
        "select name from repositories where name > $1 order by name limit $2",
        vec![text(after), int(limit as u64)],
    )
}

pub(crate) fn names(rows: Vec<Row>) -> Result<Vec<RepositoryName>, Error> {
    rows.into_iter().map(|row| Columns::of(row).parse("repository name")).collect()
}
