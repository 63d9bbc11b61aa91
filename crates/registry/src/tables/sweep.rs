//! What no repository and no release needs: links, manifests and content, and `content_leases`, `swept_content`.
//!
//! Each removal holds, in its own batch, the conditions under which it was found: whoever links, tags or leases
//! meanwhile makes it a conflict, and nothing of it is done.

use bytes::Bytes;
use wargate_core::digest::Digest;
use wargate_wire::oci::reference::RepositoryName;

use super::{Columns, bytes, int, references, text};
use crate::db::{Batch, Row, Statement, Value};
use crate::error::Error;

/// A link is needed that was leased since `$3`, or which a manifest names; where parts of manifests are not known yet,
/// all are.
macro_rules! link_is_needed {
    () => {
        "(blob_links.linked_ms > $3 \
         or exists (select 1 from manifest_parts p \
                    where p.repository = blob_links.repository and p.part = blob_links.digest) \
         or exists (select 1 from unread_manifests u where u.repository = blob_links.repository))"
    };
}

/// A manifest is needed that was pushed or asked for since `$3`, that a tag, an index or a release names.
macro_rules! manifest_is_needed {
    () => {
        "(manifests.pushed_ms > $3 \
         or exists (select 1 from tags t where t.repository = manifests.repository and t.digest = manifests.digest) \
         or exists (select 1 from manifest_parts p \
                    where p.repository = manifests.repository and p.part = manifests.digest) \
         or exists (select 1 from manifest_parts p join releases r on r.content = p.part \
                    join logs l on l.first_idx = r.log \
                    left join derived_manifests d on d.log = r.log and d.version = r.version \
                    where p.repository = manifests.repository and p.manifest = manifests.digest \
                    and replace(l.name, ':', '/') = manifests.repository \
                    and coalesce(r.manifest, d.manifest, manifests.digest) = manifests.digest) \
         or exists (select 1 from proposal_content w where w.digest = manifests.digest) \
         or exists (select 1 from unread_manifests u where u.repository = manifests.repository))"
    };
}

/// Content is needed that a repository links or keeps as a manifest, and what was released. This reads indexes alone: the
/// rows themselves, with small content in them, would push out of memory what others read.
macro_rules! content_is_named {
    () => {
        "(exists (select 1 from blob_links b where b.digest = content.digest) \
         or exists (select 1 from manifests m where m.digest = content.digest) \
         or exists (select 1 from proposal_content w where w.digest = content.digest) \
         or exists (select 1 from releases r where r.content = content.digest))"
    };
}

/// And what was stored or leased since `$2`.
macro_rules! content_is_leased {
    () => {
        "(content.stored_ms > $2 \
         or exists (select 1 from content_leases l where l.digest = content.digest and l.leased_ms > $2))"
    };
}

/// Where a walk stands: a repository's name, empty for content, and a digest.
pub(crate) type Place = (String, Bytes);

/// What a walk looked at.
#[derive(Debug, Clone)]
pub(crate) struct WalkedRow {
    pub(crate) repository: String,
    pub(crate) digest: Digest,
    /// As far as one look tells.
    pub(crate) is_needed: bool,
    /// The digest that a manifest refers to, in text.
    pub(crate) subject: Option<String>,
}

impl WalkedRow {
    /// Where the next page begins.
    pub(crate) fn place(&self) -> Place {
        (self.repository.clone(), Bytes::copy_from_slice(self.digest.as_bytes()))
    }

    /// The repository, of a link or a manifest.
    pub(crate) fn repository(&self) -> Result<RepositoryName, Error> {
        self.repository.parse().map_err(|error| Error::internal("read a repository's name", error))
    }
}

pub(crate) fn walked(rows: Vec<Row>) -> Result<Vec<WalkedRow>, Error> {
    let row = |row| {
        let mut columns = Columns::of(row);
        Ok(WalkedRow {
            repository: columns.text("repository")?,
            digest: columns.digest("digest")?,
            is_needed: columns.int("need")? == 1,
            subject: columns.optional_text("subject")?,
        })
    };
    rows.into_iter().map(row).collect()
}

fn walk(sql: &'static str, after: &Place, before_ms: u64, limit: usize) -> Statement {
    let (repository, digest) = after;
    Statement::new(
        sql,
        vec![text(repository), Value::Bytes(digest.clone()), int(before_ms), int(limit as u64)],
    )
}

/// Links after a place: [`walked`].
pub(crate) fn select_links(after: &Place, before_ms: u64, limit: usize) -> Statement {
    let sql = concat!(
        "select repository, digest, case when ",
        link_is_needed!(),
        " then 1 else 0 end, null from blob_links where (repository, digest) > ($1, $2) \
         order by repository, digest limit $4"
    );
    walk(sql, after, before_ms, limit)
}

/// Removes a link that nothing needs.
pub(crate) fn delete_link(repository: &RepositoryName, digest: &Digest, before_ms: u64) -> Batch {
    let sql =
        concat!("delete from blob_links where repository = $1 and digest = $2 and not ", link_is_needed!());
    vec![Statement::new(sql, vec![text(repository), bytes(digest.as_bytes()), int(before_ms)]).must_affect(1)]
}

/// Manifests after a place. One that refers to another is needed if that is here, which is asked apart: [`walked`].
pub(crate) fn select_manifests(after: &Place, before_ms: u64, limit: usize) -> Statement {
    let sql = concat!(
        "select repository, digest, case when ",
        manifest_is_needed!(),
        " then 1 else 0 end, subject from manifests where (repository, digest) > ($1, $2) \
         order by repository, digest limit $4"
    );
    walk(sql, after, before_ms, limit)
}

/// Removes a manifest that nothing needs; `subject` is what it refers to, if that is known.
pub(crate) fn delete_manifest(
    repository: &RepositoryName,
    digest: &Digest,
    subject: Option<&Digest>,
    before_ms: u64,
) -> Batch {
    // Fails the batch if somebody needs it meanwhile.
    let sql = concat!(
        "update manifests set pushed_ms = pushed_ms where repository = $1 and digest = $2 and not ",
        manifest_is_needed!(),
        " and not exists (select 1 from manifests s where s.repository = $1 and s.digest = $4)"
    );
    let subject = subject.map_or(Value::Null, |subject| bytes(subject.as_bytes()));
    let values = vec![text(repository), bytes(digest.as_bytes()), int(before_ms), subject];
    let mut batch = vec![Statement::new(sql, values).must_affect(1)];
    batch.extend(references::delete_manifest(repository, digest));
    batch
}

/// Content after a place; what is not named may be leased still: [`walked`].
pub(crate) fn select_contents(after: &Place, before_ms: u64, limit: usize) -> Statement {
    let sql = concat!(
        "select '', digest, case when ",
        content_is_named!(),
        " then 1 else 0 end, null from content \
         where $1 = '' and digest > $2 and $3 >= 0 order by digest limit $4"
    );
    walk(sql, after, before_ms, limit)
}

/// Content that nothing needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnneededContent {
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) is_object: bool,
}

/// Content, if nothing names it and no lease is younger than `before_ms`: [`unneeded`]. Records that wait for their
/// verdict are asked apart.
pub(crate) fn select_unneeded(digest: &Digest, before_ms: u64) -> Statement {
    let sql = concat!(
        "select size, case when bytes is null then 1 else 0 end from content where digest = $1 and not ",
        content_is_leased!(),
        " and not ",
        content_is_named!()
    );
    Statement::new(sql, vec![bytes(digest.as_bytes()), int(before_ms)])
}

pub(crate) fn unneeded(rows: Vec<Row>) -> Result<Option<UnneededContent>, Error> {
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let mut columns = Columns::of(row);
    Ok(Some(UnneededContent { size: columns.unsigned("size")?, is_object: columns.int("place")? == 1 }))
}

/// Removes content that nothing needs, with what is said of it; an object is noted as swept.
pub(crate) fn delete_content(digest: &Digest, is_object: bool, before_ms: u64, now_ms: u64) -> Batch {
    let sql = concat!(
        "delete from content where digest = $1 and not ",
        content_is_leased!(),
        " and not ",
        content_is_named!()
    );
    let digest = || bytes(digest.as_bytes());
    let mut batch = vec![
        Statement::new(sql, vec![digest(), int(before_ms)]).must_affect(1),
        Statement::new("delete from content_leases where digest = $1", vec![digest()]),
        Statement::new("delete from inspections where digest = $1", vec![digest()]),
        Statement::new("delete from sha512_names where digest = $1", vec![digest()]),
    ];
    if is_object {
        batch.push(Statement::new(
            "insert into swept_content (digest, swept_ms) values ($1, $2) \
             on conflict (digest) do update set swept_ms = excluded.swept_ms",
            vec![digest(), int(now_ms)],
        ));
    }
    batch
}

/// Swept content whose object may go, since `before_ms` or longer: [`swept`].
pub(crate) fn select_swept(before_ms: u64, limit: usize) -> Statement {
    Statement::new(
        "select digest from swept_content where swept_ms <= $1 order by digest limit $2",
        vec![int(before_ms), int(limit as u64)],
    )
}

pub(crate) fn swept(rows: Vec<Row>) -> Result<Vec<Digest>, Error> {
    rows.into_iter().map(|row| Columns::of(row).digest("digest")).collect()
}

/// The object of swept content went, or is content again.
pub(crate) fn delete_swept(digest: &Digest) -> Statement {
    Statement::new("delete from swept_content where digest = $1", vec![bytes(digest.as_bytes())])
}

/// Leases content, which must be stored.
pub(crate) fn lease(digest: &Digest, now_ms: u64) -> Statement {
    Statement::new(
        "insert into content_leases (digest, leased_ms) select digest, $2 from content where digest = $1 \
         on conflict (digest) do update set leased_ms = excluded.leased_ms",
        vec![bytes(digest.as_bytes()), int(now_ms)],
    )
    .must_affect(1)
}

/// Leases content that was stored before `before_ms`, and is stored once more.
pub(crate) fn lease_older(digest: &Digest, before_ms: u64, now_ms: u64) -> Statement {
    Statement::new(
        "insert into content_leases (digest, leased_ms) \
         select digest, $3 from content where digest = $1 and stored_ms <= $2 \
         on conflict (digest) do update set leased_ms = excluded.leased_ms",
        vec![bytes(digest.as_bytes()), int(before_ms), int(now_ms)],
    )
}

/// Renews the lease of a link, which must be there.
pub(crate) fn lease_link(repository: &RepositoryName, digest: &Digest, now_ms: u64) -> Statement {
    Statement::new(
        "update blob_links set linked_ms = $3 where repository = $1 and digest = $2",
        vec![text(repository), bytes(digest.as_bytes()), int(now_ms)],
    )
    .must_affect(1)
}

/// Renews the lease of a manifest, which must be there.
pub(crate) fn lease_manifest(repository: &RepositoryName, digest: &Digest, now_ms: u64) -> Statement {
    Statement::new(
        "update manifests set pushed_ms = $3 where repository = $1 and digest = $2",
        vec![text(repository), bytes(digest.as_bytes()), int(now_ms)],
    )
    .must_affect(1)
}
