//! What the log says against using a release, told to OCI tools, which know neither yanks nor takedowns: referrers in the
//! form that scanners of images read (`DESIGN.md`, "Lifecycle"). They tell in annotations of our own what happened, why and
//! which record says so, and the day of its end, unless the release goes on and something else is only better.
//!
//! Each is made from the logs alone, byte for byte the same wherever it is made, and kept when somebody first asks what
//! refers to the release. What the logs do not say any more is not listed any more, whoever keeps it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wargate_core::act::AnnotationKind;
use wargate_core::authority::Takedown;
use wargate_core::digest::Digest;
use wargate_core::id::{LogId, RecordId};
use wargate_core::text::plain;
use wargate_core::time::Time;
use wargate_wire::oci::list::Referrer;
use wargate_wire::oci::manifest::ManifestType;
use wargate_wire::oci::reference::{ContentDigest, Reference};

use super::Repository;
use crate::content::Arrived;
use crate::db::Batch;
use crate::error::Error;
use crate::remarks::{Remark, Remarks};
use crate::tables::releases::{self, ReleaseRow};
use crate::tables::repositories::{ManifestRow, NewManifest};
use crate::tables::{references, repositories};
use crate::takedowns::KeptBack;

/// The artifact type that such tools look for.
const LIFECYCLE_TYPE: &str = "application/vnd.microsoft.artifact.lifecycle";

/// The annotation with the day.
const END_OF_LIFE: &str = "vnd.microsoft.artifact.lifecycle.end-of-life.date";

/// What happened: `yanked`, `quarantined`, `taken-down`, or [`DEPRECATED`].
const STATE: &str = "vnd.wargate.lifecycle.state";
/// Why, in the words of who did it.
const REASON: &str = "vnd.wargate.lifecycle.reason";
/// When it ends by itself.
const UNTIL: &str = "vnd.wargate.lifecycle.until";
/// The record that says so, and the log that it is in.
const RECORD: &str = "vnd.wargate.lifecycle.record";
const LOG: &str = "vnd.wargate.lifecycle.log";

/// The state that is no end.
const DEPRECATED: &str = "deprecated";

/// Of a reason that is longer, the rest is in the record.
const REASON_CHARS_MAX: usize = 4096;

/// An artifact without content has this config and this layer.
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
const EMPTY: &[u8] = b"{}";

/// Manifests that tell of one release, by digest.
pub(super) type Told = BTreeMap<Digest, Vec<u8>>;

/// Something that a log says against using a release.
struct Word {
    state: &'static str,
    time: Time,
    reason: String,
    until: Option<Time>,
    /// Of a v1 log nobody remembers it.
    record: Option<RecordId>,
    log: LogId,
}

impl Repository {
    /// What tells now of the release whose manifest `subject` is; nothing if it is none.
    pub(super) async fn lifecycle(&self, subject: &ContentDigest) -> Result<Told, Error> {
        let Some(package) = self.package() else { return Ok(Told::new()) };
        let Some(manifest) = self.known_manifest(subject).await? else { return Ok(Told::new()) };
        let log = LogId::package(&package);
        let statement = releases::select_of_manifest(&log, &self.name, &manifest.digest);
        let rows = self.shared.db.read(vec![statement]).await?.pop();
        let (kept_back, mut told) = (self.kept_back(), Told::new());
        for release in releases::rows(rows.unwrap_or_default())? {
            let select = Remarks::select(&package, AnnotationKind::Deprecate, Some(&release.version));
            let mut answers = self.shared.db.read(select.to_vec()).await?.into_iter();
            let mut remarks = Remarks::read(&package, &mut answers)?;
            let deprecated = remarks.take(&release.version).or(remarks.wider.into_iter().next());
            let takedown =
                kept_back.as_ref().and_then(|kept_back: &KeptBack| kept_back.version(&release.version));
            let words = [Word::yank(log, &release)?, deprecated.map(Word::from), takedown.map(Word::from)];
            told.extend(words.into_iter().flatten().map(|word| {
                let bytes = word.document(&manifest);
                (Digest::of(&bytes), bytes)
            }));
        }
        Ok(told)
    }

    /// Whoever lists needs no disk that takes writes, as who asks for a manifest does that was not made yet.
    async fn known_manifest(&self, digest: &ContentDigest) -> Result<Option<ManifestRow>, Error> {
        match self.manifest_by_digest(digest).await {
            Err(Error::NoRoom { .. } | Error::Unwritable { .. }) => Ok(None),
            found => found,
        }
    }

    /// Keeps what is told, as far as it is not here yet.
    pub(super) async fn keep_told(&self, subject: &ContentDigest, told: &Told) -> Result<(), Error> {
        if told.is_empty() {
            return Ok(());
        }
        let Some(subject) = self.known_as(subject).await? else { return Ok(()) };
        let there = told.keys().map(|digest| repositories::select_manifest_size(&self.name, digest));
        let answers = self.shared.db.read(there.collect()).await?;
        let (empty, now_ms) = (Arrived::whole(EMPTY.into()), self.shared.clock.now_ms());
        let mut batch = Batch::from(empty.rows(&self.shared));
        batch.push(repositories::begin(&self.name, now_ms));
        batch.push(repositories::link(&self.name, &empty.digest, now_ms));
        let always = batch.len();
        let subject = subject.to_string();
        for ((digest, bytes), _) in told.iter().zip(answers).filter(|(_, there)| there.is_empty()) {
            let row = NewManifest {
                repository: &self.name,
                digest,
                media_type: ManifestType::OciManifest.as_str(),
                artifact_type: Some(LIFECYCLE_TYPE),
                subject: Some(subject.clone()),
                sha512: None,
            };
            batch.extend(Arrived::whole(bytes.clone().into()).rows(&self.shared));
            batch.push(repositories::insert_manifest(&row, now_ms));
            batch.push(references::insert_part(&self.name, digest, &empty.digest));
        }
        if batch.len() == always {
            return Ok(());
        }
        // Whoever lists need not wait for a disk that takes no writes: it is told the next time.
        if let Err(error) = self.shared.db.write(batch).await {
            tracing::debug!(%error, "couldn't keep what tells of a release's end");
        }
        Ok(())
    }

    /// Whether what is asked for tells why a release of this package is not given out: that is given.
    pub(super) async fn explains(&self, reference: &Reference) -> Result<bool, Error> {
        let Reference::Digest(digest) = reference else { return Ok(false) };
        let Some(digest) = self.known_as(digest).await? else { return Ok(false) };
        let statement = references::select_subject(&self.name, &digest, LIFECYCLE_TYPE);
        let rows = self.shared.db.read(vec![statement]).await?.pop();
        match references::subject(rows.unwrap_or_default())? {
            Some(subject) => Ok(self.lifecycle(&subject).await?.contains_key(&digest)),
            None => Ok(false),
        }
    }
}

/// Whether an entry says something in the logs' name: then it is listed only while they say so.
pub(super) fn speaks_for_logs(entry: &Referrer) -> bool {
    entry.annotations.contains_key(STATE)
}

/// Whether this is the content of an artifact without content.
pub(super) fn is_empty(digest: &Digest) -> bool {
    *digest == Digest::of(EMPTY)
}

impl Word {
    /// How a release of a package's log was yanked, if it was.
    fn yank(log: LogId, release: &ReleaseRow) -> Result<Option<Self>, Error> {
        let Some(time) = release.yanked else { return Ok(None) };
        let (record, reason) = release.yank()?.map(|yank| (yank.record, yank.reason)).unzip();
        let reason = reason.unwrap_or_default();
        Ok(Some(Self { state: "yanked", time, reason, until: None, record, log }))
    }

    /// The manifest's bytes; keys in the order of the alphabet, no whitespace.
    fn document(&self, subject: &ManifestRow) -> Vec<u8> {
        let empty =
            json!({ "digest": Digest::of(EMPTY).to_string(), "mediaType": EMPTY_TYPE, "size": EMPTY.len() });
        json!({
            "annotations": self.annotations(),
            "artifactType": LIFECYCLE_TYPE,
            "config": empty,
            "layers": [empty],
            "mediaType": ManifestType::OciManifest.as_str(),
            "schemaVersion": 2,
            "subject": {
                "digest": subject.digest.to_string(),
                "mediaType": subject.media_type,
                "size": subject.size,
            },
        })
        .to_string()
        .into_bytes()
    }

    fn annotations(&self) -> BTreeMap<&'static str, Value> {
        let time = self.time.to_string();
        let day = time.split_once('T').map_or(&*time, |(day, _)| day);
        let mut annotations =
            BTreeMap::from([(STATE, json!(self.state)), (LOG, json!(self.log.to_string()))]);
        if self.state != DEPRECATED {
            annotations.insert(END_OF_LIFE, json!(day));
        }
        let reason = match self.reason.char_indices().nth(REASON_CHARS_MAX) {
            Some((end, _)) => format!("{}…", plain(&self.reason[..end])),
            None => plain(&self.reason),
        };
        if !reason.is_empty() {
            annotations.insert(REASON, json!(reason));
        }
        annotations.extend(self.until.map(|until| (UNTIL, json!(until.to_string()))));
        annotations.extend(self.record.map(|record| (RECORD, json!(record.to_string()))));
        annotations
    }
}

impl From<Remark> for Word {
    fn from(Remark { message, time, record, log, .. }: Remark) -> Self {
        Self { state: DEPRECATED, time, reason: message, until: None, record: Some(record), log }
    }
}

impl From<&Takedown> for Word {
    fn from(takedown: &Takedown) -> Self {
        Self {
            state: if takedown.not_after.is_some() { "quarantined" } else { "taken-down" },
            time: takedown.time,
            reason: takedown.reason.clone(),
            until: takedown.not_after,
            record: Some(takedown.record),
            log: LogId::operator(),
        }
    }
}
