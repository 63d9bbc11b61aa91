//! What is known of a package once everything about it was checked.

use std::collections::BTreeMap;

use semver::Version;
use wargate_core::act::{AnnotationKind, OnBehalfOf};
use wargate_core::authority::role::{RoleId, RolePath};
use wargate_core::authority::{self, Level, Takedown, endorsers};
use wargate_core::checkpoint::Checkpoint;
use wargate_core::digest::Digest;
use wargate_core::id::{Layer, RecordId};
use wargate_core::key::KeyId;
use wargate_core::name::PackageName;
use wargate_core::time::Time;
use wargate_core::v1::package;
use wargate_core::verify::{Failure, GivenRecord, Layers, PackageLog};

use crate::error::Error;

/// What a package was checked against, and by whose word.
#[derive(Debug, Clone)]
pub struct Proven {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The key that signed the checkpoint.
    pub checkpoint_key: KeyId,
    /// The registry: the id of its first record.
    pub root: RecordId,
    /// Whether the registry was trusted on this first use.
    pub first_use: bool,
    /// Whether a person gave the root.
    pub root_given: bool,
}

/// A package whose log, and those above it, were checked in full.
#[derive(Debug, Clone)]
pub struct VerifiedPackage {
    /// Its name.
    pub name: PackageName,
    /// What it was checked against.
    pub proven: Proven,
    /// The logs of its layers.
    pub layers: Layers,
    /// Records in its log.
    pub records: usize,
    releases: BTreeMap<Version, VerifiedRelease>,
}

/// A release of a checked package.
#[derive(Debug, Clone)]
pub struct VerifiedRelease {
    /// The version.
    pub version: Version,
    /// Its content.
    pub content: Digest,
    /// The manifest that the OCI door serves it by, if its record names one.
    pub manifest: Option<Digest>,
    /// Whose word it is.
    pub signed_by: SignedBy,
    /// When, in seconds: by its publisher's clock in a v1 log, by the registry's in a delegated one.
    pub released_seconds: i64,
    /// Whether it was yanked.
    pub yanked: bool,
    /// Why it was yanked, if somebody said.
    pub yank_reason: Option<String>,
    /// What to use instead, if it or the whole package is deprecated.
    pub deprecated: Option<String>,
    /// The fewest keys that must agree to release such a version, as the log stands; `None` where nobody can.
    pub guard: Option<u32>,
    /// From which record of the log on whoever released it could, by its place there.
    pub(crate) allowed_from: usize,
    /// Whether its owners trust it no longer: the key that released it was stolen by then.
    pub distrusted: bool,
    /// Why the registry's operator keeps its bytes back, by the operator's log.
    pub taken_down: Option<Takedown>,
}

/// Whose word a release is.
#[derive(Debug, Clone)]
pub struct SignedBy {
    /// The publisher's own, or the registry's.
    pub level: Level,
    /// The keys that signed.
    pub keys: Vec<KeyId>,
    /// For whom the registry signed.
    pub on_behalf_of: Option<OnBehalfOf>,
}

impl VerifiedPackage {
    /// What these records, judged before, say of the package at a time.
    pub(crate) fn of(
        name: &PackageName,
        proven: Proven,
        layers: Layers,
        records: &[GivenRecord],
        now: Time,
    ) -> Result<Self, Error> {
        let all = match &layers.package {
            Some(PackageLog::V1(state)) => state.releases.values().map(of_v1).collect(),
            Some(PackageLog::Delegated { state, facts }) => {
                delegated(name, &layers.operator, state, facts, records)?
            }
            None => Vec::new(),
        };
        let guard = |version: &Version| match &layers.package {
            Some(PackageLog::Delegated { state, .. }) => state.release_guard(version, now),
            Some(PackageLog::V1(_)) => Some(1),
            None => None,
        };
        let known = |release: VerifiedRelease| {
            let taken_down = layers.takedowns.of(name, &release.version, now).cloned();
            let guard = guard(&release.version);
            (release.version.clone(), VerifiedRelease { taken_down, guard, ..release })
        };
        let releases = all.into_iter().map(known).collect();
        Ok(Self { name: name.clone(), proven, layers, records: records.len(), releases })
    }

    /// The release of a version, or the highest that is live and no pre-release.
    ///
    /// # Errors
    /// [`Error::NoSuchRelease`], [`Error::NoLiveRelease`], [`Error::Distrusted`], [`Error::TakenDown`],
    /// [`Error::Yanked`] unless `yanked` is allowed.
    pub fn release(&self, version: Option<&Version>, yanked: bool) -> Result<VerifiedRelease, Error> {
        let name = self.name.clone();
        let found = match version {
            Some(version) => self
                .releases
                .get(version)
                .ok_or_else(|| Error::NoSuchRelease { name: name.clone(), version: version.clone() })?,
            None => self
                .releases()
                .rfind(|release| release.is_live() && release.version.pre.is_empty())
                .ok_or_else(|| self.no_live_release())?,
        };
        if found.distrusted {
            return Err(Error::Distrusted { name, version: found.version.clone() });
        }
        if let Some(takedown) = &found.taken_down {
            return Err(Error::TakenDown { takedown: Box::new(takedown.clone()) });
        }
        if found.yanked && !yanked {
            return Err(Error::Yanked { name, version: found.version.clone() });
        }
        Ok(found.clone())
    }

    /// That none is live, or why the highest that would be is kept back.
    fn no_live_release(&self) -> Error {
        let kept_back = self.releases().rev().filter(|release| !release.yanked && !release.distrusted);
        match kept_back.filter_map(|release| release.taken_down.clone()).next() {
            Some(takedown) => Error::TakenDown { takedown: Box::new(takedown) },
            None => Error::NoLiveRelease { name: self.name.clone() },
        }
    }

    /// All releases, by version.
    pub fn releases(&self) -> impl DoubleEndedIterator<Item = &VerifiedRelease> {
        self.releases.values()
    }
}

impl VerifiedRelease {
    /// Whether it may be chosen by who names no version.
    fn is_live(&self) -> bool {
        !self.yanked && !self.distrusted && self.taken_down.is_none()
    }
}

fn of_v1(release: &package::Release) -> VerifiedRelease {
    VerifiedRelease {
        version: release.version.clone(),
        content: *release.content(),
        manifest: None,
        signed_by: SignedBy { level: Level::PublisherKey, keys: vec![release.by], on_behalf_of: None },
        released_seconds: release.time.seconds(),
        yanked: release.is_yanked(),
        yank_reason: None,
        deprecated: None,
        guard: None,
        allowed_from: 0,
        distrusted: false,
        taken_down: None,
    }
}

fn delegated(
    name: &PackageName,
    operator: &authority::State,
    package: &authority::State,
    facts: &authority::Facts,
    records: &[GivenRecord],
) -> Result<Vec<VerifiedRelease>, Error> {
    let (mut signers, mut places) = (BTreeMap::new(), BTreeMap::new());
    for (place, given) in records.iter().enumerate() {
        let keys = endorsers(&given.envelope.contents, place == 0).map_err(|refusal| {
            Failure::ForgedRecord { index: given.index, log: name.to_string(), reason: refusal.to_string() }
        })?;
        let record = given.envelope.record_id(Layer::Package);
        signers.insert(record, keys);
        places.insert(record, place);
    }
    // Where a publisher's own keys suffice, the registry's stands there for the start of the package alone.
    let counts = |release: &authority::Release, key: &KeyId| {
        release.level() != Level::PublisherKey || !operator.is_publishing_key(key)
    };
    let deprecated = |version: &Version| {
        let said = |subject: &str| facts.said(AnnotationKind::Deprecate, subject).map(str::to_owned);
        said(&version.to_string()).or_else(|| said(""))
    };
    // A role can what it can since it was made, and all that it hangs under.
    let allowed_from = |release: &authority::Release| {
        let made = |role: &RoleId| places.get(&role.record).copied().unwrap_or_default();
        let whole = |path: &RolePath| path.iter().map(made).max().unwrap_or_default();
        release.allowed_by.iter().map(whole).min().unwrap_or_default()
    };
    let release = |release: &authority::Release| VerifiedRelease {
        version: release.version.clone(),
        content: release.content,
        manifest: release.manifest,
        signed_by: SignedBy {
            level: release.level(),
            keys: {
                let said = release.endorsed.unwrap_or(release.record);
                let keys = signers.get(&said).into_iter().flatten();
                keys.filter(|key| counts(release, key)).copied().collect()
            },
            on_behalf_of: release.on_behalf_of.clone(),
        },
        released_seconds: release.time.seconds(),
        yanked: release.yanked.is_some(),
        yank_reason: release
            .yanked
            .as_ref()
            .map(|yanked| yanked.reason.clone())
            .filter(|reason| !reason.is_empty()),
        deprecated: deprecated(&release.version),
        guard: None,
        allowed_from: allowed_from(release),
        distrusted: package.distrusts(release),
        taken_down: None,
    };
    Ok(facts.releases.values().map(release).collect())
}
