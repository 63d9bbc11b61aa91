//! What manifests name: which of it must be here, and by which digests it is kept (`spec/oci.md`, "Manifests").

use std::sync::Arc;

use object_store::ObjectStore;
use wargate_core::digest::Digest;
use wargate_wire::oci::manifest::{Descriptor, Manifest};
use wargate_wire::oci::reference::{ContentDigest, RepositoryName};

use super::Repository;
use crate::content::HostedContent;
use crate::content_cache;
use crate::db::{Batch, Db};
use crate::error::Error;
use crate::shared::Shared;
use crate::tables::references::{self, UnreadRow};
use crate::tables::repositories;

/// Manifests whose parts are read at once.
const UNREAD_AT_ONCE: usize = 32;

/// Something that a manifest names.
pub(crate) struct Part<'m> {
    pub(crate) descriptor: &'m Descriptor,
    /// Whether it is a blob, and not a manifest.
    pub(crate) is_blob: bool,
    /// Whether the manifest cannot be kept without it.
    pub(crate) is_required: bool,
}

/// Config and layers, which are blobs, and the children of an index. A subject is no part.
pub(crate) fn parts(manifest: &Manifest) -> impl Iterator<Item = Part<'_>> {
    let config = manifest.config.iter();
    let blobs = config.chain(&manifest.layers).map(|descriptor| Part {
        descriptor,
        is_blob: true,
        is_required: !descriptor.is_nondistributable(),
    });
    let children = manifest.manifests.iter();
    blobs.chain(children.map(|descriptor| Part { descriptor, is_blob: false, is_required: true }))
}

/// Whether a manifest was pushed to a repository that is a Wasm artifact with this content.
pub(crate) async fn is_artifact_of(
    shared: &Shared,
    repository: &RepositoryName,
    manifest: &Digest,
    content: &Digest,
) -> Result<bool, Error> {
    let rows = shared.db.read(vec![repositories::select_manifest(repository, manifest)]).await?.pop();
    let Some(row) = repositories::manifest(rows.unwrap_or_default())? else { return Ok(false) };
    let Some(hosted) = content_cache::hosted(shared, &row.digest, row.size).await? else { return Ok(false) };
    let parsed = Manifest::parse(Some(&row.media_type), &hosted.bytes().await?);
    Ok(parsed.is_ok_and(|parsed| parsed.wasm().is_some_and(|artifact| artifact.content_hash == *content)))
}

impl Repository {
    /// By which digests the parts of a manifest are kept here, and whether each is a blob. A layer that registries need not have is one if it was
    /// pushed all the same.
    ///
    /// # Errors
    /// [`Error::MissingParts`] with all that are not linked here, [`Error::Invalid`] for one of another size.
    pub(super) async fn check_parts(&self, manifest: &Manifest) -> Result<Vec<(Digest, bool)>, Error> {
        let (mut statements, mut known, mut missing) = (Batch::new(), Vec::new(), Vec::new());
        for part in parts(manifest) {
            match known_as(&*self.shared.db, &part.descriptor.digest).await? {
                None if part.is_required => missing.push(part.descriptor.digest),
                None => {}
                Some(digest) => {
                    statements.push(match part.is_blob {
                        true => repositories::select_blob_size(&self.name, &digest),
                        false => repositories::select_manifest_size(&self.name, &digest),
                    });
                    known.push((part, digest));
                }
            }
        }
        let mut kept = Vec::new();
        let answers = self.shared.db.read(statements).await?;
        for ((part, digest), rows) in known.into_iter().zip(answers) {
            let said = part.descriptor;
            match repositories::size(&rows)? {
                None if part.is_required => missing.push(said.digest),
                None => {}
                Some(size) if size != said.size && part.is_required => {
                    let reason = format!(
                        "the manifest says that `{}` has {} bytes, it has {size}",
                        said.digest, said.size
                    );
                    return Err(Error::Invalid { reason });
                }
                Some(_) => kept.push((digest, part.is_blob)),
            }
        }
        if missing.is_empty() { Ok(kept) } else { Err(Error::MissingParts { digests: missing }) }
    }
}

/// The SHA-256 by which content is kept; `None` if nothing is known by this SHA-512.
pub(crate) async fn known_as(db: &dyn Db, digest: &ContentDigest) -> Result<Option<Digest>, Error> {
    match digest.sha256() {
        Some(digest) => Ok(Some(digest)),
        None => {
            let rows = db.read(vec![references::select_sha512(digest)]).await?.pop();
            references::digest(rows.unwrap_or_default())
        }
    }
}

/// Reads the parts of manifests that an older program kept, once.
pub(crate) async fn read_unread(db: &dyn Db, objects: &Arc<dyn ObjectStore>) -> Result<(), Error> {
    let mut after: Option<UnreadRow> = None;
    loop {
        let statement = references::select_unread(after.as_ref(), UNREAD_AT_ONCE);
        let rows = references::unread(db.read(vec![statement]).await?.pop().unwrap_or_default())?;
        let mut batch = Batch::new();
        for row in &rows {
            match named_by(db, objects, row).await {
                Ok(parts) => {
                    batch.extend(
                        parts.iter().map(|part| references::insert_part(&row.repository, &row.digest, part)),
                    );
                    batch.push(references::delete_unread(row));
                }
                Err(error) => {
                    tracing::warn!(%error, repository = %row.repository, manifest = %row.digest,
                        "couldn't read what a manifest names: run `wargate fsck`");
                }
            }
        }
        if !batch.is_empty() {
            db.write(batch).await?;
        }
        after = rows.into_iter().next_back();
        if after.is_none() {
            return Ok(());
        }
    }
}

async fn named_by(
    db: &dyn Db,
    objects: &Arc<dyn ObjectStore>,
    row: &UnreadRow,
) -> Result<Vec<Digest>, Error> {
    // A row of a manifest that is not there any more.
    let Some((media_type, content)) = &row.manifest else { return Ok(Vec::new()) };
    let bytes = HostedContent::new(row.digest, content.clone(), objects.clone()).bytes().await?;
    let manifest = Manifest::parse(Some(media_type), &bytes)
        .map_err(|error| Error::internal("read a manifest", error))?;
    let mut named = Vec::new();
    for part in parts(&manifest) {
        named.extend(known_as(db, &part.descriptor.digest).await?);
    }
    Ok(named)
}
