//! What manifests name, against their bytes; and what content is called by its SHA-512 (`spec/oci.md`, "Manifests").
//!
//! A blob or a child may be unlinked while a manifest still names it: then the manifest cannot be pushed again. Of a
//! release it may not.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::StreamExt as _;
use wargate_core::digest::Digest;
use wargate_core::id::LogId;
use wargate_core::name::PackageName;
use wargate_wire::oci::manifest::Manifest;
use wargate_wire::oci::reference::{ContentDigest, RepositoryName, Sha512Hasher};

use super::rows::shown;
use super::{Check, Damage, Remedy};
use crate::content::HostedContent;
use crate::db::{Batch, Row, Statement, Value};
use crate::error::Error;
use crate::repository::parts::{known_as, parts};
use crate::tables::content::ContentRow;
use crate::tables::{Columns, bytes, int, references, repositories, text};

/// Names that are read at once.
const PAGE_ROWS: u64 = 64;

/// Holds the rows of a manifest's parts against its bytes, and a release's links against its parts.
pub(super) async fn check(
    check: &mut Check<'_>,
    repository: &RepositoryName,
    digest: &Digest,
    manifest: &Manifest,
) -> Result<(), Error> {
    let (mut required, mut allowed) = (BTreeSet::new(), BTreeSet::new());
    let (mut blobs, mut all_known) = (BTreeSet::new(), true);
    for part in parts(manifest) {
        match known_as(check.db, &part.descriptor.digest).await? {
            None => all_known = false,
            Some(known) => {
                allowed.insert(known);
                if part.is_required {
                    required.insert(known);
                    blobs.extend(part.is_blob.then_some(known));
                }
            }
        }
    }
    let Some(kept) = kept(check, repository, digest).await? else { return Ok(()) };
    for part in required.difference(&kept) {
        let wrong = "it is missing, and the manifest names it";
        let repair = references::insert_part(repository, digest, part);
        found(check, repository, digest, part, wrong, repair).await?;
    }
    // What is called by a SHA-512 that nobody knows any more may be any of them.
    for part in kept.difference(&allowed).filter(|_| all_known) {
        let repair = references::delete_part(repository, digest, part);
        found(check, repository, digest, part, "the manifest does not name it", repair).await?;
    }
    for blob in &blobs {
        linked(check, repository, blob, digest).await?;
    }
    Ok(())
}

/// The rows of its parts; `None` if the manifest is gone meanwhile, or nobody read it yet: a start will.
async fn kept(
    check: &Check<'_>,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Option<BTreeSet<Digest>>, Error> {
    let unread = Statement::new(
        "select 1 from unread_manifests where repository = $1 and digest = $2",
        vec![text(repository), bytes(digest.as_bytes())],
    );
    let statements = vec![
        references::select_parts(repository, digest),
        repositories::select_manifest_size(repository, digest),
        unread,
    ];
    let mut answers = check.db.read(statements).await?.into_iter();
    let mut next = || answers.next().unwrap_or_default();
    let (parts, there, unread) = (next(), next(), next());
    if there.is_empty() || !unread.is_empty() {
        return Ok(None);
    }
    parts.into_iter().map(|row| Columns::of(row).digest("part")).collect::<Result<_, _>>().map(Some)
}

/// A row of `manifest_parts` that is wrong: it follows from the manifest's bytes, so a rebuild mends it too.
async fn found(
    check: &mut Check<'_>,
    repository: &RepositoryName,
    manifest: &Digest,
    part: &Digest,
    wrong: &str,
    repair: Statement,
) -> Result<(), Error> {
    let damage =
        Damage::row("manifest_parts", format!("{repository} {manifest} {part}"), wrong, Remedy::Repair);
    if check.options.rebuild && !check.options.repair {
        check.db.write(vec![repair]).await?;
        check.found(damage.mended());
        return Ok(());
    }
    check.found_row(damage, Some(vec![repair])).await
}

/// A blob that a release's manifest names is linked in its repository.
async fn linked(
    check: &mut Check<'_>,
    repository: &RepositoryName,
    blob: &Digest,
    manifest: &Digest,
) -> Result<(), Error> {
    let link = Statement::new(
        "select 1 from blob_links where repository = $1 and digest = $2",
        vec![text(repository), bytes(blob.as_bytes())],
    );
    if !check.read(link).await?.is_empty() || !is_released(check, repository, manifest).await? {
        return Ok(());
    }
    let wrong = format!("it is missing, and the manifest {manifest} of a release names it");
    let damage = Damage::row("blob_links", format!("{repository} {blob}"), wrong, Remedy::Repair);
    check.found_row(damage, Some(vec![repositories::link(repository, blob, 0)])).await
}

async fn is_released(
    check: &Check<'_>,
    repository: &RepositoryName,
    manifest: &Digest,
) -> Result<bool, Error> {
    let Ok(name) = repository.as_str().replacen('/', ":", 1).parse::<PackageName>() else {
        return Ok(false);
    };
    let statement = references::select_released(&LogId::package(&name), repository, manifest);
    Ok(!check.read(statement).await?.is_empty())
}

/// Content is what its SHA-512 says.
pub(super) async fn names(check: &mut Check<'_>) -> Result<(), Error> {
    let mut after = Value::Bytes(Bytes::new());
    loop {
        let statement = Statement::new(
            "select s.sha512, s.digest, c.size, c.bytes from sha512_names s join content c on c.digest = s.digest \
             where s.sha512 > $1 order by s.sha512 limit $2",
            vec![after, int(PAGE_ROWS)],
        );
        let rows = match check.read(statement).await {
            Ok(rows) => rows,
            Err(error) => {
                check.found(Damage::row("sha512_names", "", error, Remedy::Restore));
                return Ok(());
            }
        };
        let Some(last) = rows.last().and_then(|row| row.first()).cloned() else { return Ok(()) };
        after = last;
        for row in rows {
            name(check, row).await?;
        }
    }
}

async fn name(check: &mut Check<'_>, row: Row) -> Result<(), Error> {
    let key = row.first().cloned().unwrap_or(Value::Null);
    let shown = shown(&key);
    let named = match &key {
        Value::Bytes(bytes) => ContentDigest::from_sha512(bytes),
        _ => None,
    };
    if !check.picks("sha512_names", shown.as_bytes()) {
        return Ok(());
    }
    check.count("sha512_names", 1);
    let mut columns = Columns::of(row);
    columns.value()?;
    let digest = columns.digest("digest")?;
    let (size, inline) = (columns.unsigned("size")?, columns.optional_bytes("content")?);
    let content = HostedContent::new(digest, ContentRow { size, inline }, check.objects.clone());
    // That its bytes are damaged or missing was told of the content.
    let Some(right) = sha512(&content).await else { return Ok(()) };
    if named == Some(right) {
        return Ok(());
    }
    let delete = Statement::new("delete from sha512_names where sha512 = $1", vec![key]);
    let repair: Batch = vec![delete, references::insert_sha512(&right, &digest)];
    let wrong = format!("the content {digest} has another SHA-512");
    check.found_row(Damage::row("sha512_names", shown, wrong, Remedy::Repair), Some(repair)).await
}

async fn sha512(content: &HostedContent) -> Option<ContentDigest> {
    let mut body = content.open(0..content.size).await.ok()?;
    let mut hasher = Sha512Hasher::default();
    while let Some(piece) = body.next().await {
        hasher.update(&piece.ok()?);
    }
    Some(hasher.finish())
}
