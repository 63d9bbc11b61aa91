//! Pushing a manifest: kept with exactly its bytes, and a release where it is a Wasm artifact under a version
//! (`spec/oci.md`, "Manifests" and "The Wasm artifact").

use std::time::Duration;

use bytes::Bytes;
use semver::Version;
use wargate_core::act::OnBehalfOf;
use wargate_core::id::LogId;
use wargate_core::name::PackageName;
use wargate_wire::oci::manifest::{Descriptor, Manifest, WasmArtifact};
use wargate_wire::oci::reference::{ContentDigest, Reference, Tag};

use super::{Repository, sha256};
use crate::admission::Candidate;
use crate::content::{Arrived, inspected};
use crate::custody::{self, CustodialRelease, Released};
use crate::db::Batch;
use crate::error::Error;
use crate::tables::repositories::NewManifest;
use crate::tables::{logs, repositories};

/// Who pushes, and how long they wait for a release's verdict.
#[derive(Debug, Clone)]
pub struct Pusher {
    /// For whom the registry endorses what becomes a release.
    pub on_behalf_of: OnBehalfOf,
    /// The longest wait.
    pub wait: Duration,
}

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The manifest by which it is found from now on: of a version that was released before, the one that its record
    /// names.
    pub digest: ContentDigest,
    /// What became of the release, if the push is one.
    pub release: Option<Released>,
}

impl Repository {
    /// Keeps a manifest under a tag or its digest.
    ///
    /// # Errors
    /// [`Error::DigestMismatch`], [`Error::MissingParts`], [`Error::Invalid`]; of a release those of
    /// [`crate::Registry::release`] and [`Error::ContentRefused`].
    pub async fn put_manifest(
        &self,
        reference: &Reference,
        manifest: &Manifest,
        bytes: Bytes,
        pusher: &Pusher,
    ) -> Result<Pushed, Error> {
        let whole = Arrived::whole(bytes);
        if let Reference::Digest(digest) = reference
            && sha256(digest)? != whole.digest
        {
            return Err(Error::DigestMismatch { expected: sha256(digest)?, found: whole.digest });
        }
        self.check_parts(manifest).await?;
        let mut batch = self.manifest_rows(manifest, &whole);
        let digest = ContentDigest::from(whole.digest);
        let Reference::Tag(tag) = reference else {
            self.write_manifest(whole, batch).await?;
            return Ok(Pushed { digest, release: None });
        };
        if let Some((name, logged)) = self.governed(tag).await? {
            match (tag.version(), manifest.wasm_shape()) {
                (None, _) if logged => return Err(Error::LatestFollows { name }),
                (Some(version), Ok(artifact)) => {
                    return self.release(name, version, &artifact, whole, batch, pusher).await;
                }
                (Some(_), Err(problem)) if logged || manifest.wasm_problem().is_some() => {
                    return Err(Error::Invalid {
                        reason: format!("a version of `{name}` is a Wasm artifact: {problem}"),
                    });
                }
                _ => {}
            }
        }
        batch.push(repositories::move_tag(&self.name, tag, &whole.digest, self.shared.clock.now_ms()));
        self.write_manifest(whole, batch).await?;
        Ok(Pushed { digest, release: None })
    }

    /// The package that governs a tag, and whether its log has begun: versions and `latest` of a package's name.
    async fn governed(&self, tag: &Tag) -> Result<Option<(PackageName, bool)>, Error> {
        let Some(name) = self.package().filter(|_| tag.version().is_some() || tag.is_latest()) else {
            return Ok(None);
        };
        let log = LogId::package(&name);
        let rows = self.shared.db.read(vec![logs::select(&log)]).await?.pop().unwrap_or_default();
        Ok(Some((name, logs::one(rows)?.is_some())))
    }

    /// Everything that a manifest names must be linked here, with the size that it says. A subject need not be.
    async fn check_parts(&self, manifest: &Manifest) -> Result<(), Error> {
        let layers = manifest.layers.iter().filter(|layer| !layer.is_nondistributable());
        let blobs: Vec<&Descriptor> = manifest.config.iter().chain(layers).collect();
        let children: Vec<&Descriptor> = manifest.manifests.iter().collect();
        let mut statements = Batch::with_capacity(blobs.len() + children.len());
        for blob in &blobs {
            statements.push(repositories::select_blob_size(&self.name, &sha256(&blob.digest)?));
        }
        for child in &children {
            statements.push(repositories::select_manifest_size(&self.name, &sha256(&child.digest)?));
        }
        let mut missing = Vec::new();
        let answers = self.shared.db.read(statements).await?;
        for (part, rows) in blobs.into_iter().chain(children).zip(answers) {
            match repositories::size(&rows)? {
                None => missing.push(part.digest),
                Some(size) if size != part.size => {
                    return Err(Error::Invalid {
                        reason: format!(
                            "the manifest says that `{}` has {} bytes, it has {size}",
                            part.digest, part.size
                        ),
                    });
                }
                Some(_) => {}
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(Error::MissingParts { digests: missing }) }
    }

    fn manifest_rows(&self, manifest: &Manifest, whole: &Arrived) -> Batch {
        let now_ms = self.shared.clock.now_ms();
        let config_type = manifest.config.as_ref().map(|config| config.media_type.as_str());
        let row = NewManifest {
            repository: &self.name,
            digest: &whole.digest,
            media_type: manifest.media_type.as_str(),
            artifact_type: manifest.artifact_type.as_deref().or(config_type),
            subject: manifest.subject.as_ref().map(|subject| subject.digest.to_string()),
        };
        vec![repositories::begin(&self.name, now_ms), repositories::insert_manifest(&row, now_ms)]
    }

    /// Writes a manifest's bytes where content of their size belongs, then its rows.
    async fn write_manifest(&self, whole: Arrived, mut batch: Batch) -> Result<(), Error> {
        batch.push(whole.place(&self.shared.objects).await?.row(self.shared.clock.now_ms()));
        Ok(self.shared.db.write(batch).await?)
    }

    /// A Wasm artifact under a version: content and manifest are durable before the record that names them.
    async fn release(
        &self,
        name: PackageName,
        version: Version,
        artifact: &WasmArtifact<'_>,
        whole: Arrived,
        batch: Batch,
        pusher: &Pusher,
    ) -> Result<Pushed, Error> {
        let inspection = inspected(&self.shared, &artifact.content_hash).await?.0;
        let (content, inspection) = (&artifact.content_hash, Some(&inspection));
        self.shared.check_release(&Candidate { name: &name, version: &version, content, inspection })?;
        let manifest = whole.digest;
        self.write_manifest(whole, batch).await?;
        let release = CustodialRelease {
            name,
            version,
            content: artifact.content_hash,
            manifest,
            on_behalf_of: pusher.on_behalf_of.clone(),
        };
        let released = custody::release(&self.shared, &release, pusher.wait).await?;
        let digest = match &released {
            Released::Before { manifest: Some(recorded) } => *recorded,
            _ => manifest,
        };
        Ok(Pushed { digest: digest.into(), release: Some(released) })
    }
}
