//! Reading a repository: manifests by tag and digest.
//!
//! In the repository of a logged package versions and `latest` follow from the log alone; a stored tag of that form
//! never shadows a release (`spec/oci.md`, "The Wasm artifact").

use bytes::Bytes;
use semver::Version;
use wargate_component::manifest::{Layer, artifact};
use wargate_core::digest::Digest;
use wargate_core::id::LogId;
use wargate_core::name::PackageName;
use wargate_wire::oci::manifest::ManifestType;
use wargate_wire::oci::reference::{ContentDigest, Reference, Tag};

use super::Repository;
use crate::access::Action;
use crate::content::{Arrived, leases};
use crate::content_cache;
use crate::db::Batch;
use crate::error::Error;
use crate::limits::DERIVED_AT_ONCE_MAX;
use crate::tables::releases::ReleaseRow;
use crate::tables::repositories::{ManifestRow, NewManifest};
use crate::tables::tagged::{self, Released};
use crate::tables::{content, inspections, logs, references, releases, repositories, sweep};
use crate::takedowns::KeptBack;

/// A manifest as it was pushed, or as a release's bytes give it.
#[derive(Debug, Clone)]
pub struct StoredManifest {
    /// Its digest.
    pub digest: Digest,
    /// The digest by which it is known: the one by which it was pushed, of a release the one that its record names.
    pub named: ContentDigest,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Bytes,
    /// Whether the release that the tag names is yanked.
    pub yanked: bool,
}

/// A package's log, as its repository looks at it.
struct Logged {
    name: PackageName,
    log: LogId,
    /// The log's number in the ledger.
    number: u64,
}

impl Repository {
    /// A manifest by tag or digest.
    ///
    /// # Errors
    /// [`Error::UnknownManifest`], [`Error::UnknownRepository`], [`Error::TakenDown`].
    pub async fn manifest(&self, reference: &Reference) -> Result<StoredManifest, Error> {
        self.check(Action::Pull)?;
        let kept_back = self.kept_back();
        let whole = kept_back.as_ref().and_then(KeptBack::whole);
        if let Some(takedown) = whole
            && !Box::pin(self.explains(reference)).await?
        {
            return Err(takedown.into());
        }
        let ask = async || {
            Ok(match reference {
                Reference::Digest(digest) => self.manifest_by_digest(digest).await?.map(|row| (row, false)),
                Reference::Tag(tag) => self.manifest_by_tag(tag, kept_back.as_ref()).await?,
            })
        };
        let question = (self.name.clone(), reference.clone());
        let found = match &kept_back {
            // What `latest` is depends on the time.
            Some(_) => Box::pin(ask()).await?,
            None => self.shared.answers.manifests.get(&*self.shared.db, question, ask).await?,
        };
        let Some((row, yanked)) = found else { return Err(Box::pin(self.unknown(reference)).await?) };
        if whole.is_none() {
            self.check_manifest_given(kept_back.as_ref(), reference, &row).await?;
        }
        if matches!(reference, Reference::Digest(_)) {
            self.keep_leased(&row).await;
        }
        let hosted = content_cache::hosted(&self.shared, &row.digest, row.size).await?;
        // Removed between two looks.
        let Some(hosted) = hosted else { return Err(Box::pin(self.unknown(reference)).await?) };
        let bytes = hosted.bytes().await?;
        Ok(StoredManifest { digest: row.digest, named: row.named, media_type: row.media_type, bytes, yanked })
    }

    /// Refuses a manifest that is kept back: a version's by its tag, whatever else has it.
    async fn check_manifest_given(
        &self,
        kept_back: Option<&KeptBack>,
        reference: &Reference,
        row: &ManifestRow,
    ) -> Result<(), Error> {
        if let (Some(kept_back), Reference::Tag(tag)) = (kept_back, reference)
            && let Some(takedown) = tag.version().and_then(|version| kept_back.version(&version))
        {
            return Err(takedown.into());
        }
        self.check_given(kept_back, &row.digest).await
    }

    /// The error of a manifest that is not here.
    pub(super) async fn unknown(&self, reference: &Reference) -> Result<Error, Error> {
        let (repository, reference) = (self.name.clone(), reference.to_string());
        self.unknown_in(Error::UnknownManifest { repository, reference }).await
    }

    /// What is not in this repository, or the repository itself, if there is no such: then that is all that is told,
    /// as of one that may not be seen.
    pub(super) async fn unknown_in(&self, unknown: Error) -> Result<Error, Error> {
        let known = self.shared.db.read(vec![repositories::select(&self.name)]).await?.pop();
        if known.is_some_and(|rows| !rows.is_empty()) || self.logged().await?.is_some() {
            return Ok(unknown);
        }
        Ok(Error::UnknownRepository { repository: self.name.clone() })
    }

    /// The log behind this repository, if its name is a package's that has begun.
    async fn logged(&self) -> Result<Option<Logged>, Error> {
        let Some(name) = self.package() else { return Ok(None) };
        let log = LogId::package(&name);
        let rows = self.shared.db.read(vec![logs::select(&log)]).await?.pop().unwrap_or_default();
        Ok(logs::one(rows)?.map(|row| Logged { name, log, number: row.first_index }))
    }

    /// A manifest that somebody asks for by its digest stays, though no tag names it.
    async fn keep_leased(&self, row: &ManifestRow) {
        if leases::is_due(&self.shared, row.pushed_ms, self.shared.config.retention.untagged()) {
            let now_ms = self.shared.clock.now_ms();
            let renewal = vec![sweep::lease_manifest(&self.name, &row.digest, now_ms)];
            leases::try_renew(&self.shared, renewal).await;
        }
    }

    pub(super) async fn manifest_by_digest(
        &self,
        digest: &ContentDigest,
    ) -> Result<Option<ManifestRow>, Error> {
        let Some(digest) = self.known_as(digest).await? else { return Ok(None) };
        if let Some(row) = self.manifest_row(&digest).await? {
            return Ok(Some(row));
        }
        if self.derive_all().await? == 0 { Ok(None) } else { self.manifest_row(&digest).await }
    }

    async fn manifest_row(&self, digest: &Digest) -> Result<Option<ManifestRow>, Error> {
        let rows = self.shared.db.read(vec![repositories::select_manifest(&self.name, digest)]).await?.pop();
        repositories::manifest(rows.unwrap_or_default())
    }

    /// The manifest, and whether it is of a yanked release.
    async fn manifest_by_tag(
        &self,
        tag: &Tag,
        kept_back: Option<&KeptBack>,
    ) -> Result<Option<(ManifestRow, bool)>, Error> {
        if let Some(version) = tag.version()
            && let Some(name) = self.package()
        {
            let statement = tagged::select_released(&LogId::package(&name), &self.name, &version);
            let rows = self.shared.db.read(vec![statement]).await?.pop();
            match tagged::released(rows.unwrap_or_default())? {
                Some(Released::Never) => return Ok(None),
                Some(Released::As { manifest: Some(row), yanked }) => return Ok(Some((row, yanked))),
                Some(Released::As { manifest: None, .. }) => return self.manifest_of_version(&version).await,
                None => {}
            }
        }
        if tag.is_latest()
            && let Some(logged) = self.logged().await?
        {
            let mut releases = self.releases(&logged).await?;
            releases
                .retain(|row| kept_back.is_none_or(|kept_back| kept_back.version(&row.version).is_none()));
            let Some(release) = latest(releases) else { return Ok(None) };
            return Ok(self.manifest_of(&logged, &release).await?.map(|row| (row, false)));
        }
        let rows = self.shared.db.read(vec![repositories::select_tagged(&self.name, tag)]).await?.pop();
        Ok(repositories::manifest(rows.unwrap_or_default())?.map(|row| (row, false)))
    }

    /// The same of a version whose manifest is not here yet.
    async fn manifest_of_version(&self, version: &Version) -> Result<Option<(ManifestRow, bool)>, Error> {
        let Some(logged) = self.logged().await? else { return Ok(None) };
        let Some(release) = self.released(&logged, version).await? else { return Ok(None) };
        let row = self.manifest_of(&logged, &release).await?;
        Ok(row.map(|row| (row, release.yanked.is_some())))
    }

    async fn released(&self, logged: &Logged, version: &Version) -> Result<Option<ReleaseRow>, Error> {
        let rows = self.shared.db.read(vec![releases::select(&logged.log, version)]).await?.pop();
        Ok(releases::rows(rows.unwrap_or_default())?.pop())
    }

    async fn releases(&self, logged: &Logged) -> Result<Vec<ReleaseRow>, Error> {
        let rows = self.shared.db.read(vec![releases::select_all(&logged.log)]).await?.pop();
        releases::rows(rows.unwrap_or_default())
    }

    /// The manifest of a release: the one that its record names, or the one that its bytes give.
    async fn manifest_of(&self, logged: &Logged, release: &ReleaseRow) -> Result<Option<ManifestRow>, Error> {
        let named = match release.manifest {
            Some(manifest) => Some(manifest),
            None => {
                let statement = inspections::select_derived(&logged.log, &release.version);
                inspections::derived(self.shared.db.read(vec![statement]).await?.pop().unwrap_or_default())?
            }
        };
        if let Some(manifest) = &named
            && let Some(row) = self.manifest_row(manifest).await?
        {
            return Ok(Some(row));
        }
        match self.derive(logged, release).await? {
            Some(derived) if named.is_none_or(|named| named == derived) => self.manifest_row(&derived).await,
            _ => Ok(None),
        }
    }

    /// Makes the manifests of releases that have none yet; how many.
    pub(super) async fn derive_all(&self) -> Result<usize, Error> {
        let Some(logged) = self.logged().await? else { return Ok(0) };
        let statement = inspections::select_underived(&logged.log, &self.name, DERIVED_AT_ONCE_MAX);
        let versions =
            inspections::versions(self.shared.db.read(vec![statement]).await?.pop().unwrap_or_default())?;
        let mut made = 0;
        for version in versions {
            if let Some(release) = self.released(&logged, &version).await? {
                made += usize::from(self.derive(&logged, &release).await?.is_some());
            }
        }
        Ok(made)
    }

    /// Makes the manifest that a release's bytes give, and links it with its parts; `None` if the bytes are not here or
    /// nobody knows what they are.
    async fn derive(&self, logged: &Logged, release: &ReleaseRow) -> Result<Option<Digest>, Error> {
        let statements = vec![inspections::select(&release.content), content::select(&release.content)];
        let mut answers = self.shared.db.read(statements).await?.into_iter();
        let inspection = inspections::one(answers.next().unwrap_or_default())?;
        let stored = content::one(answers.next().unwrap_or_default())?;
        let (Some(inspection), Some(stored)) = (inspection, stored) else { return Ok(None) };
        let layer = Layer { digest: release.content, size: stored.size };
        let artifact = artifact(layer, &inspection, logged.name.name(), &release.version);
        let (config, manifest) =
            (Arrived::whole(artifact.config.into()), Arrived::whole(artifact.manifest.into()));
        let now_ms = self.shared.clock.now_ms();
        let row = NewManifest {
            repository: &self.name,
            digest: &manifest.digest,
            media_type: ManifestType::OciManifest.as_str(),
            artifact_type: None,
            subject: None,
            sha512: None,
        };
        let mut batch = Batch::from(config.rows(&self.shared));
        batch.extend(manifest.rows(&self.shared));
        batch.extend([
            repositories::begin(&self.name, now_ms),
            repositories::link(&self.name, &release.content, now_ms),
            repositories::link(&self.name, &config.digest, now_ms),
            repositories::insert_manifest(&row, now_ms),
            references::insert_part(&self.name, &manifest.digest, &release.content),
            references::insert_part(&self.name, &manifest.digest, &config.digest),
            inspections::insert_derived(logged.number, &release.version, &manifest.digest),
        ]);
        self.shared.db.write(batch).await?;
        Ok(Some(manifest.digest))
    }
}

/// The highest live version that is no pre-release.
fn latest(releases: Vec<ReleaseRow>) -> Option<ReleaseRow> {
    let live = releases.into_iter().filter(|row| row.yanked.is_none() && row.version.pre.is_empty());
    live.max_by(|a, b| a.version.cmp(&b.version))
}
