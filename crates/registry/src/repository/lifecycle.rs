//! What a yanked release says to OCI tools, which know no yank: a referrer that tells the day of its end, in the form
//! that scanners of images read (`DESIGN.md`, "Lifecycle").
//!
//! Made from the log alone, byte for byte the same wherever it is made, when somebody first asks what refers to the
//! release.

use serde_json::json;
use wargate_core::digest::Digest;
use wargate_core::id::LogId;
use wargate_wire::oci::manifest::ManifestType;
use wargate_wire::oci::reference::ContentDigest;

use super::Repository;
use crate::content::Arrived;
use crate::db::Batch;
use crate::error::Error;
use crate::tables::repositories::NewManifest;
use crate::tables::tagged::{self, YankedManifest};
use crate::tables::{references, repositories};

/// The artifact type that such tools look for.
const LIFECYCLE_TYPE: &str = "application/vnd.microsoft.artifact.lifecycle";

/// The annotation with the day.
const END_OF_LIFE: &str = "vnd.microsoft.artifact.lifecycle.end-of-life.date";

/// An artifact without content has this config and this layer.
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
const EMPTY: &[u8] = b"{}";

impl Repository {
    /// Keeps the referrer that tells of a yank, if `subject` is a yanked release's manifest and has none yet.
    pub(super) async fn tell_lifecycle(&self, subject: &ContentDigest) -> Result<(), Error> {
        let Some(name) = self.package() else { return Ok(()) };
        let Some(manifest) = self.known_as(subject).await? else { return Ok(()) };
        let statement = tagged::select_yanked(&LogId::package(&name), &self.name, &manifest);
        let rows = self.shared.db.read(vec![statement]).await?.pop();
        let Some(yanked) = tagged::yanked(rows.unwrap_or_default())? else { return Ok(()) };
        let told = Arrived::whole(document(&manifest, &yanked).into());
        let there = repositories::select_manifest_size(&self.name, &told.digest);
        if repositories::size(&self.shared.db.read(vec![there]).await?.pop().unwrap_or_default())?.is_some() {
            return Ok(());
        }
        let (empty, now_ms) = (Arrived::whole(EMPTY.into()), self.shared.clock.now_ms());
        let row = NewManifest {
            repository: &self.name,
            digest: &told.digest,
            media_type: ManifestType::OciManifest.as_str(),
            artifact_type: Some(LIFECYCLE_TYPE),
            subject: Some(manifest.to_string()),
            sha512: None,
        };
        let mut batch = Batch::from(empty.rows(&self.shared));
        batch.extend(told.rows(&self.shared));
        batch.extend([
            repositories::begin(&self.name, now_ms),
            repositories::link(&self.name, &empty.digest, now_ms),
            repositories::insert_manifest(&row, now_ms),
            references::insert_part(&self.name, &told.digest, &empty.digest),
        ]);
        // Whoever lists need not wait for a disk that takes no writes: it is told the next time.
        if let Err(error) = self.shared.db.write(batch).await {
            tracing::debug!(%error, "couldn't keep what tells of a yank");
        }
        Ok(())
    }
}

/// The manifest's bytes; keys in the order of the alphabet, no whitespace.
fn document(subject: &Digest, yanked: &YankedManifest) -> Vec<u8> {
    let empty =
        json!({ "digest": Digest::of(EMPTY).to_string(), "mediaType": EMPTY_TYPE, "size": EMPTY.len() });
    let day = jiff::Timestamp::from_second(yanked.seconds)
        .map(|time| jiff::tz::Offset::UTC.to_datetime(time).date().to_string())
        .unwrap_or_default();
    json!({
        "annotations": { END_OF_LIFE: day },
        "artifactType": LIFECYCLE_TYPE,
        "config": empty,
        "layers": [empty],
        "mediaType": ManifestType::OciManifest.as_str(),
        "schemaVersion": 2,
        "subject": {
            "digest": subject.to_string(),
            "mediaType": yanked.media_type,
            "size": yanked.size,
        },
    })
    .to_string()
    .into_bytes()
}
