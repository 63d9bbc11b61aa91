//! Pushing a manifest: kept with exactly its bytes, and a release where it is a Wasm artifact under a version
//! (`spec/oci.md`, "Manifests" and "The Wasm artifact").

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use semver::Version;
use wargate_core::act::OnBehalfOf;
use wargate_core::digest::Digest;
use wargate_core::id::LogId;
use wargate_core::name::PackageName;
use wargate_wire::oci::manifest::Manifest;
use wargate_wire::oci::reference::{Algorithm, ContentDigest, Reference, Tag};

use super::{Repository, sha512_name};
use crate::access::Action;
use crate::admission::Candidate;
use crate::content::{self, Arrived, inspected};
use crate::custody::{self, CustodialRelease, Released};
use crate::db::{Batch, DbError, Statement};
use crate::error::Error;
use crate::limits::BUSY_RETRY_AFTER;
use crate::tables::repositories::{NewManifest, NewTag};
use crate::tables::{logs, references, repositories};

/// Who pushes, and how long they wait for a release's verdict.
#[derive(Debug, Clone)]
pub struct Pusher {
    /// For whom the registry endorses what becomes a release.
    pub on_behalf_of: OnBehalfOf,
    /// The longest wait.
    pub wait: Duration,
}

/// A manifest that is pushed.
#[derive(Debug, Clone)]
pub struct ManifestPush<'a> {
    /// The tag or the digest that the request names.
    pub reference: &'a Reference,
    /// Tags that it shall have besides.
    pub tags: Vec<Tag>,
    /// Where the tag must point now, if the client said so.
    pub condition: Option<TagCondition>,
    /// What the bytes say.
    pub manifest: &'a Manifest,
    /// Its exact bytes.
    pub bytes: Bytes,
}

impl<'a> ManifestPush<'a> {
    /// Under this reference alone, wherever a tag points now.
    #[must_use]
    pub fn new(reference: &'a Reference, manifest: &'a Manifest, bytes: Bytes) -> Self {
        Self { reference, tags: Vec::new(), condition: None, manifest, bytes }
    }
}

/// Where a tag must point, so that two clients do not overwrite each other's push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagCondition {
    /// At this manifest.
    Is(ContentDigest),
    /// Nowhere.
    Absent,
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
    /// Keeps a manifest under tags or its digest; all of what was asked for, or nothing.
    ///
    /// # Errors
    /// [`Error::DigestMismatch`], [`Error::MissingParts`], [`Error::TagMoved`], [`Error::Invalid`]; of a release those
    /// of [`crate::Registry::release`], [`Error::ContentRefused`] and [`Error::TakenDown`].
    pub async fn put_manifest(&self, push: ManifestPush<'_>, pusher: &Pusher) -> Result<Pushed, Error> {
        self.check(Action::Push)?;
        self.shared.room.take(push.bytes.len() as u64)?;
        let whole = Arrived::whole(push.bytes.clone());
        let mut digest = ContentDigest::from(whole.digest);
        let mut tags: BTreeSet<&Tag> = push.tags.iter().collect();
        match push.reference {
            Reference::Tag(tag) => {
                tags.insert(tag);
            }
            Reference::Digest(named) => {
                digest = ContentDigest::of(named.algorithm(), &push.bytes);
                content::check(named, digest)?;
            }
        }
        let parts = self.check_parts(push.manifest).await?;
        let mut rows = self.manifest_rows(push.manifest, &whole, digest, &parts);
        let (mut moves, mut versions) = (Batch::new(), Vec::new());
        for tag in tags {
            match self.governed_version(tag, push.manifest).await? {
                Some(version) => {
                    if let Some(condition) = &push.condition {
                        self.check_condition(tag, condition).await?;
                    }
                    versions.push(version);
                }
                None => {
                    let new = self.new_tag(tag, &whole.digest, &digest);
                    moves.push(self.point_tag(&new, push.condition.as_ref()).await?);
                }
            }
        }
        if versions.is_empty() {
            rows.extend(moves);
            return match self.write_manifest(whole, rows).await {
                Ok(()) => Ok(Pushed { digest, release: None }),
                Err(error) => Err(self.not_kept(error, &push).await),
            };
        }
        let becoming = Becoming { versions, digest, whole, rows, moves };
        match self.release(becoming, push.manifest, pusher).await {
            Ok(pushed) => Ok(pushed),
            Err(error) => Err(self.not_kept(error, &push).await),
        }
    }

    /// The release that a tag would be, if its package's log decides what the tag means.
    async fn governed_version(
        &self,
        tag: &Tag,
        manifest: &Manifest,
    ) -> Result<Option<(PackageName, Version)>, Error> {
        let Some((name, logged)) = self.governed(tag).await? else { return Ok(None) };
        match (tag.version(), manifest.wasm_shape()) {
            (None, _) if logged => Err(Error::LatestFollows { name }),
            (Some(version), Ok(_)) => Ok(Some((name, version))),
            (Some(_), Err(problem)) if logged || manifest.wasm_problem().is_some() => {
                Err(Error::Invalid { reason: format!("a version of `{name}` is a Wasm artifact: {problem}") })
            }
            _ => Ok(None),
        }
    }

    /// A tag of what is pushed under a digest of its kind.
    fn new_tag<'a>(&'a self, tag: &'a Tag, digest: &'a Digest, named: &ContentDigest) -> NewTag<'a> {
        let by_sha512 = named.algorithm() == Algorithm::Sha512;
        NewTag { repository: &self.name, tag, digest, by_sha512 }
    }

    /// Points a stored tag at a manifest, under a condition that the ledger itself checks.
    async fn point_tag(
        &self,
        new: &NewTag<'_>,
        condition: Option<&TagCondition>,
    ) -> Result<Statement, Error> {
        let now_ms = self.shared.clock.now_ms();
        Ok(match condition {
            None => repositories::move_tag(new, now_ms),
            Some(TagCondition::Absent) => references::insert_tag(new, now_ms),
            Some(TagCondition::Is(from)) => match self.known_as(from).await? {
                Some(from) => references::move_tag_from(new, &from, now_ms),
                None => return Err(self.tag_moved(new.tag.as_str(), "is not where it was")),
            },
        })
    }

    /// The same for a tag that follows from the log.
    async fn check_condition(&self, tag: &Tag, condition: &TagCondition) -> Result<(), Error> {
        let present = match self.manifest(&Reference::Tag(tag.clone())).await {
            Ok(found) => Some(found.digest),
            Err(Error::UnknownManifest { .. } | Error::UnknownRepository { .. }) => None,
            Err(error) => return Err(error),
        };
        let wanted = match condition {
            TagCondition::Absent => None,
            TagCondition::Is(digest) => self.known_as(digest).await?,
        };
        if present == wanted && (wanted.is_some() || *condition == TagCondition::Absent) {
            return Ok(());
        }
        let found = if present.is_some() { "points elsewhere" } else { "is not there" };
        Err(self.tag_moved(tag.as_str(), found))
    }

    fn tag_moved(&self, tag: &str, found: &'static str) -> Error {
        Error::TagMoved { repository: self.name.clone(), tag: tag.to_owned(), found }
    }

    /// Why a manifest was not kept. If a condition of its batch did not hold, a part was unlinked since it was checked,
    /// or somebody else moved the tag.
    async fn not_kept(&self, error: PushError, push: &ManifestPush<'_>) -> Error {
        match error {
            PushError::Ledger(DbError::Conflict { .. }) => match self.check_parts(push.manifest).await {
                Err(error) => error,
                Ok(_) if push.condition.is_some() => {
                    self.tag_moved(&push.reference.to_string(), "is not where it was")
                }
                Ok(_) => Error::Busy { retry_after: BUSY_RETRY_AFTER },
            },
            PushError::Ledger(error) => error.into(),
            PushError::Other(error) => error,
        }
    }

    /// The package that governs a tag, and whether its log has begun: versions and `latest` of a package's name.
    pub(super) async fn governed(&self, tag: &Tag) -> Result<Option<(PackageName, bool)>, Error> {
        let Some(name) = self.package().filter(|_| tag.version().is_some() || tag.is_latest()) else {
            return Ok(None);
        };
        let log = LogId::package(&name);
        let rows = self.shared.db.read(vec![logs::select(&log)]).await?.pop().unwrap_or_default();
        Ok(Some((name, logs::one(rows)?.is_some())))
    }

    fn manifest_rows(
        &self,
        manifest: &Manifest,
        whole: &Arrived,
        named: ContentDigest,
        parts: &[(Digest, bool)],
    ) -> Batch {
        let now_ms = self.shared.clock.now_ms();
        let row = NewManifest {
            repository: &self.name,
            digest: &whole.digest,
            media_type: manifest.media_type.as_str(),
            artifact_type: manifest.listed_artifact_type(),
            subject: manifest.subject.as_ref().map(|subject| subject.digest.to_string()),
            sha512: (named.algorithm() == Algorithm::Sha512).then_some(named),
        };
        let mut batch =
            vec![repositories::begin(&self.name, now_ms), repositories::insert_manifest(&row, now_ms)];
        batch.extend(sha512_name(&named, &whole.digest));
        batch.extend(
            parts.iter().map(|(part, is_blob)| {
                references::insert_kept_part(&self.name, &whole.digest, part, *is_blob)
            }),
        );
        batch
    }

    /// Writes a manifest's bytes where content of their size belongs, then its rows.
    async fn write_manifest(&self, whole: Arrived, mut batch: Batch) -> Result<(), PushError> {
        let placed = whole.place(&self.shared).await?;
        batch.extend(placed.rows(&self.shared));
        self.shared.db.write(batch).await.map_err(PushError::Ledger)
    }

    /// A Wasm artifact under versions: content and manifest are durable before the records that name them. Other tags
    /// move last, so that a refusal leaves them where they are.
    async fn release(
        &self,
        becoming: Becoming,
        manifest: &Manifest,
        pusher: &Pusher,
    ) -> Result<Pushed, PushError> {
        let Becoming { versions, digest, whole, rows, moves } = becoming;
        let artifact =
            manifest.wasm_shape().map_err(|problem| Error::Invalid { reason: problem.to_string() })?;
        let (content, manifest) = (artifact.content_hash, whole.digest);
        let inspection = inspected(&self.shared, &content).await?.0;
        let mut releases = Vec::new();
        for (name, version) in versions {
            let candidate = Candidate {
                name: &name,
                version: &version,
                content: &content,
                inspection: Some(&inspection),
            };
            self.shared.check_given(&name, &version)?;
            self.shared.check_release(&candidate)?;
            let on_behalf_of = pusher.on_behalf_of.clone();
            releases.push(CustodialRelease { name, version, content, manifest, on_behalf_of });
        }
        // One refusal refuses all: what can be known before is looked at for all of them first.
        if releases.len() + moves.len() > 1 {
            for release in &releases {
                custody::check(&self.shared, release).await?;
            }
        }
        let hold = self.shared.releasing.release(&self.name).await;
        self.write_manifest(whole, rows).await?;
        let mut pushed = Pushed { digest, release: None };
        for release in &releases {
            let released = custody::release(&self.shared, release, pusher.wait, Some(&hold)).await?;
            match &released {
                Released::Before { manifest: Some(recorded) } if *recorded != manifest => {
                    pushed.digest = (*recorded).into();
                }
                _ => {}
            }
            pushed.release = Some(released);
        }
        if !moves.is_empty() {
            self.shared.db.write(moves).await.map_err(PushError::Ledger)?;
        }
        Ok(pushed)
    }
}

/// A manifest on its way to become releases.
struct Becoming {
    versions: Vec<(PackageName, Version)>,
    /// The digest by which it is pushed.
    digest: ContentDigest,
    whole: Arrived,
    /// What tells that it is kept.
    rows: Batch,
    /// Tags that it has besides.
    moves: Batch,
}

/// Why a manifest was not kept; the ledger's own word is needed to tell a tag that moved.
enum PushError {
    Ledger(DbError),
    Other(Error),
}

impl From<Error> for PushError {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}
