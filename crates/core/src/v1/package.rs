//! The rules of a v1 package log (`spec/warg.md`, "Package log rules", in that order).
//!
//! A [`State`] may be partial: a server loads the head and only those keys and versions that a record touches,
//! a client holds them all, and both judge by the same code.

use std::collections::BTreeMap;

use semver::{Version, VersionReq};

use crate::digest::Digest;
use crate::envelope::Envelope;
use crate::id::{Layer, RecordId};
use crate::key::{KeyId, PublicKey};
use crate::record::{PackageEntry, PackagePermission, PackageRecord};
use crate::time::Time;

/// The protocol version that records carry.
pub const RECORD_VERSION: u32 = 0;

/// The last record of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its id.
    pub record: RecordId,
    /// Its time.
    pub time: Time,
}

/// A set of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PermissionSet(u8);

impl PermissionSet {
    /// Every package permission.
    #[must_use]
    pub fn all() -> Self {
        PackagePermission::ALL.into_iter().fold(Self::default(), Self::with)
    }

    /// A set from its bits, one for each permission's number.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether the permission is in it.
    #[must_use]
    pub const fn holds(self, permission: PackagePermission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// The set with one more.
    #[must_use]
    pub const fn with(self, permission: PackagePermission) -> Self {
        Self(self.0 | permission.bit())
    }

    /// The set with one less.
    #[must_use]
    pub const fn without(self, permission: PackagePermission) -> Self {
        Self(self.0 & !permission.bit())
    }
}

/// A key that the log knows; a revoked one stays known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyState {
    /// The key.
    pub key: PublicKey,
    /// What it may do now.
    pub permissions: PermissionSet,
}

/// A version that was released, once and for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The record that released it.
    pub record: RecordId,
    /// The version.
    pub version: Version,
    /// The key that released it.
    pub by: KeyId,
    /// When, by that record.
    pub time: Time,
    /// Whether it still stands.
    pub state: ReleaseState,
}

/// Whether a release still stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseState {
    /// It does.
    Released {
        /// Its content.
        content: Digest,
    },
    /// It was yanked.
    Yanked {
        /// Its content, for those who locked it.
        content: Digest,
        /// The key that yanked it.
        by: KeyId,
        /// When, by the record that yanked it.
        time: Time,
    },
}

impl Release {
    /// The content, yanked or not.
    #[must_use]
    pub fn content(&self) -> &Digest {
        match &self.state {
            ReleaseState::Released { content } | ReleaseState::Yanked { content, .. } => content,
        }
    }

    /// Whether it was yanked.
    #[must_use]
    pub fn is_yanked(&self) -> bool {
        matches!(self.state, ReleaseState::Yanked { .. })
    }
}

/// Why a record is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Rule 1: the first record has no previous one.
    #[error("the record names a previous record (prev), but the log has none yet")]
    PrevOnFirst,
    /// Rule 1: every later record names the head.
    #[error("the record names no previous record (prev), but the log has begun: fetch it and publish again")]
    NoPrev,
    /// Rule 1: every later record names the head.
    #[error("the record's prev is {found}, the log's latest record is {head}: fetch it and publish again")]
    WrongPrev {
        /// The log's head.
        head: RecordId,
        /// What the record names.
        found: RecordId,
    },
    /// Rule 2.
    #[error("protocol version {version} is not allowed, only {RECORD_VERSION}")]
    Version {
        /// The record's.
        version: u32,
    },
    /// Rule 3.
    #[error("the record's time {time} is before its predecessor's {head}: check your clock")]
    TimeRunsBack {
        /// The head's time.
        head: Time,
        /// The record's time.
        time: Time,
    },
    /// Rule 4: `init` comes first.
    #[error("the log's first entry is not `init`")]
    NotBegun,
    /// Rule 4: `init` comes once.
    #[error("`init` stands where the log has begun already")]
    BegunTwice,
    /// Rule 4: the key of `init` signs it.
    #[error("`init` names another key than {key_id}, which signs the record")]
    InitByOther {
        /// The signer.
        key_id: KeyId,
    },
    /// Rule 4: the signer holds what it does and what it hands on.
    #[error("key {key_id} does not have the permission {permission}")]
    NoPermission {
        /// The signer.
        key_id: KeyId,
        /// What it lacks.
        permission: PackagePermission,
    },
    /// Rule 4: only what is held is revoked.
    #[error("key {key_id} does not have the permission {permission} that the record revokes")]
    NothingToRevoke {
        /// The key.
        key_id: KeyId,
        /// What it lacks.
        permission: PackagePermission,
    },
    /// Rule 4: a version is released once ever.
    #[error("version {version} is already released: choose another version")]
    ReleasedTwice {
        /// The version.
        version: Version,
    },
    /// Rule 4: only a release is yanked.
    #[error("version {version} cannot be yanked: it was never released")]
    YankOfNothing {
        /// The version.
        version: Version,
    },
    /// Rule 4: once.
    #[error("version {version} is already yanked")]
    YankedTwice {
        /// The version.
        version: Version,
    },
    /// Rule 5.
    #[error("key {key_id} is not known to this log")]
    UnknownKey {
        /// The signer.
        key_id: KeyId,
    },
    /// Rule 6.
    #[error("the record's signature does not verify")]
    Signature,
}

/// Whether a record's signature must still be verified, or was already, by the key that its key id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureCheck {
    /// It must be.
    Needed,
    /// It was.
    Done,
}

/// What a log's records add up to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The last record.
    pub head: Option<Head>,
    /// Keys by id.
    pub keys: BTreeMap<KeyId, KeyState>,
    /// Releases by version.
    pub releases: BTreeMap<Version, Release>,
}

/// What one record changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The new head.
    pub head: Head,
    /// Keys as they are after it.
    pub keys: BTreeMap<KeyId, KeyState>,
    /// Releases as they are after it.
    pub releases: Vec<Release>,
}

impl State {
    /// Judges the next record; the state is not changed.
    ///
    /// # Errors
    /// [`Refusal`]: the first rule that it breaks.
    pub fn judge(
        &self,
        envelope: &Envelope,
        record: &PackageRecord,
        signature: SignatureCheck,
    ) -> Result<Changes, Refusal> {
        self.check_place(record)?;
        let mut work = Work {
            state: self,
            signer: envelope.key_id,
            record: envelope.record_id(Layer::Package),
            time: record.time,
            begun: self.head.is_some(),
            keys: BTreeMap::new(),
            releases: BTreeMap::new(),
        };
        for entry in &record.entries {
            work.entry(entry)?;
        }
        if !work.begun {
            return Err(Refusal::NotBegun);
        }
        let signer = work.key(&envelope.key_id).ok_or(Refusal::UnknownKey { key_id: envelope.key_id })?;
        if signature == SignatureCheck::Needed {
            envelope.verify(Layer::Package, &signer.key).map_err(|_| Refusal::Signature)?;
        }
        Ok(Changes {
            head: Head { record: work.record, time: record.time },
            keys: work.keys,
            releases: work.releases.into_values().collect(),
        })
    }

    /// Takes in what a judged record changes.
    pub fn apply(&mut self, changes: Changes) {
        self.head = Some(changes.head);
        self.keys.extend(changes.keys);
        self.releases.extend(changes.releases.into_iter().map(|release| (release.version.clone(), release)));
    }

    /// Rules 1 to 3.
    fn check_place(&self, record: &PackageRecord) -> Result<(), Refusal> {
        match (&self.head, record.prev) {
            (None, None) => {}
            (None, Some(_)) => return Err(Refusal::PrevOnFirst),
            (Some(_), None) => return Err(Refusal::NoPrev),
            (Some(head), Some(found)) if head.record != found => {
                return Err(Refusal::WrongPrev { head: head.record, found });
            }
            (Some(_), Some(_)) => {}
        }
        if record.version != RECORD_VERSION {
            return Err(Refusal::Version { version: record.version });
        }
        match &self.head {
            Some(head) if record.time < head.time => {
                Err(Refusal::TimeRunsBack { head: head.time, time: record.time })
            }
            _ => Ok(()),
        }
    }

    /// The highest live version that a requirement matches.
    #[must_use]
    pub fn latest(&self, requirement: &VersionReq) -> Option<&Release> {
        self.releases
            .values()
            .rev()
            .find(|release| !release.is_yanked() && requirement.matches(&release.version))
    }
}

/// A record being judged: what it has changed so far, over the state before it.
struct Work<'a> {
    state: &'a State,
    signer: KeyId,
    record: RecordId,
    time: Time,
    begun: bool,
    keys: BTreeMap<KeyId, KeyState>,
    releases: BTreeMap<Version, Release>,
}

impl Work<'_> {
    fn key(&self, id: &KeyId) -> Option<&KeyState> {
        self.keys.get(id).or_else(|| self.state.keys.get(id))
    }

    fn release(&self, version: &Version) -> Option<&Release> {
        self.releases.get(version).or_else(|| self.state.releases.get(version))
    }

    /// Rule 4 for one entry.
    fn entry(&mut self, entry: &PackageEntry) -> Result<(), Refusal> {
        match entry {
            PackageEntry::Release { .. } => self.need(PackagePermission::Release)?,
            PackageEntry::Yank { .. } => self.need(PackagePermission::Yank)?,
            PackageEntry::Init { key } => return self.init(key),
            PackageEntry::GrantFlat { .. } | PackageEntry::RevokeFlat { .. } => {}
        }
        if !self.begun {
            return Err(Refusal::NotBegun);
        }
        match entry {
            PackageEntry::Init { .. } => Err(Refusal::BegunTwice),
            PackageEntry::GrantFlat { key, permissions } => self.grant(key, permissions),
            PackageEntry::RevokeFlat { key_id, permissions } => self.revoke(key_id, permissions),
            PackageEntry::Release { version, content } => self.release_version(version, content),
            PackageEntry::Yank { version } => self.yank(version),
        }
    }

    fn need(&self, permission: PackagePermission) -> Result<(), Refusal> {
        match self.key(&self.signer) {
            Some(key) if key.permissions.holds(permission) => Ok(()),
            _ => Err(Refusal::NoPermission { key_id: self.signer, permission }),
        }
    }

    fn init(&mut self, key: &PublicKey) -> Result<(), Refusal> {
        if self.begun {
            return Err(Refusal::BegunTwice);
        }
        if key.id() != self.signer {
            return Err(Refusal::InitByOther { key_id: self.signer });
        }
        self.begun = true;
        self.keys.insert(key.id(), KeyState { key: key.clone(), permissions: PermissionSet::all() });
        Ok(())
    }

    fn grant(&mut self, key: &PublicKey, permissions: &[PackagePermission]) -> Result<(), Refusal> {
        permissions.iter().try_for_each(|permission| self.need(*permission))?;
        let held = self.key(&key.id()).map_or_else(PermissionSet::default, |state| state.permissions);
        let permissions = permissions.iter().fold(held, |set, permission| set.with(*permission));
        self.keys.insert(key.id(), KeyState { key: key.clone(), permissions });
        Ok(())
    }

    fn revoke(&mut self, key_id: &KeyId, permissions: &[PackagePermission]) -> Result<(), Refusal> {
        permissions.iter().try_for_each(|permission| self.need(*permission))?;
        for permission in permissions {
            match self.key(key_id).cloned() {
                Some(state) if state.permissions.holds(*permission) => {
                    let permissions = state.permissions.without(*permission);
                    self.keys.insert(*key_id, KeyState { permissions, ..state });
                }
                _ => return Err(Refusal::NothingToRevoke { key_id: *key_id, permission: *permission }),
            }
        }
        Ok(())
    }

    fn release_version(&mut self, version: &Version, content: &Digest) -> Result<(), Refusal> {
        if self.release(version).is_some() {
            return Err(Refusal::ReleasedTwice { version: version.clone() });
        }
        let release = Release {
            record: self.record,
            version: version.clone(),
            by: self.signer,
            time: self.time,
            state: ReleaseState::Released { content: *content },
        };
        self.releases.insert(version.clone(), release);
        Ok(())
    }

    fn yank(&mut self, version: &Version) -> Result<(), Refusal> {
        let release =
            self.release(version).ok_or_else(|| Refusal::YankOfNothing { version: version.clone() })?;
        let ReleaseState::Released { content } = release.state else {
            return Err(Refusal::YankedTwice { version: version.clone() });
        };
        let state = ReleaseState::Yanked { content, by: self.signer, time: self.time };
        let release = Release { state, ..release.clone() };
        self.releases.insert(version.clone(), release);
        Ok(())
    }
}
