//! Releases of a package, and the steps that make and yank them (`spec/delegation.md`, rule 1, "Everyday shapes",
//! "Fine print").
//!
//! A release is a *fact about what a record names*: a package's [`State`] holds none, so the 100,000th release is
//! judged as quickly as the second.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;

use super::judge::Doing;
use super::role::{Power, RolePath};
use super::{Refusal, State, Subject, step_refused};
use crate::act::{self, Identity, OnBehalfOf, VariantKind};
use crate::digest::Digest;
use crate::id::RecordId;
use crate::key::KeyId;
use crate::record::PackageEntry;
use crate::time::Time;

/// Releases by version: all of a package's, or those that a record names.
pub type Releases = BTreeMap<Version, Release>;

/// A version that was released in a delegated log, once and for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The version.
    pub version: Version,
    /// The record that released it.
    pub record: RecordId,
    /// When, by that record.
    pub time: Time,
    /// Where that record stands in its log; 0 is the first.
    pub place: u64,
    /// Its content.
    pub content: Digest,
    /// The manifest that the OCI door serves it by.
    pub manifest: Option<Digest>,
    /// For whom a publishing key endorsed it; `None`: it is its publishers' own.
    pub on_behalf_of: Option<OnBehalfOf>,
    /// Every role that allowed it, with all that it hung under: what a later `since` is held against.
    pub allowed_by: BTreeSet<RolePath>,
    /// The record by which its publishers made it their own, if the registry had signed it for somebody.
    pub endorsed: Option<RecordId>,
    /// The kinds of its variants.
    pub variants: BTreeSet<VariantKind>,
    /// Whether and how it was yanked.
    pub yanked: Option<Yanked>,
    /// How a carrier record yanked it for v1 clients, after it had lost its trust.
    pub carried_yank: Option<Yanked>,
}

/// Whose word a release is (`spec/delegation.md`, "Everyday shapes"): named wherever one is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The registry's, for somebody whom it knows by an account.
    RegistryForAccount,
    /// The registry's, for a CI identity that it verified.
    RegistryForCi,
    /// The publisher's own.
    PublisherKey,
}

impl Level {
    /// The words for it that every page and command uses.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::PublisherKey => "publisher's key",
            Self::RegistryForCi => "registry, for a verified CI identity",
            Self::RegistryForAccount => "registry, for an account",
        }
    }

    /// The level of a release when it was made: on behalf of somebody, or of nobody.
    #[must_use]
    pub fn of(on_behalf_of: Option<&OnBehalfOf>) -> Self {
        match on_behalf_of.map(|somebody| somebody.identity) {
            None => Self::PublisherKey,
            Some(Identity::Oidc) => Self::RegistryForCi,
            Some(Identity::Account) => Self::RegistryForAccount,
        }
    }
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.words())
    }
}

impl Release {
    /// Whose word it is now.
    #[must_use]
    pub fn level(&self) -> Level {
        if self.endorsed.is_some() { Level::PublisherKey } else { Level::of(self.on_behalf_of.as_ref()) }
    }

    /// How it was yanked: by an act, else by a carrier record.
    #[must_use]
    pub fn yank(&self) -> Option<&Yanked> {
        self.yanked.as_ref().or(self.carried_yank.as_ref())
    }
}

/// How a release was yanked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Yanked {
    /// The record that did it.
    pub record: RecordId,
    /// When, by that record.
    pub time: Time,
    /// Why, for people.
    pub reason: String,
}

impl State {
    pub(super) fn release(&self, release: &act::Release, doing: &mut Doing<'_>) -> Result<(), Refusal> {
        let version = &release.version;
        let refused = |reason: &str| step_refused("Release", format!("version {version} {reason}"));
        // So no two versions of a log are of equal precedence.
        if !version.build.is_empty() {
            return Err(refused("has build metadata, which no order of versions knows"));
        }
        if doing.release_of(version).is_some() {
            return Err(refused("is already released"));
        }
        let variants: BTreeSet<VariantKind> = release.variants.iter().map(|variant| variant.kind).collect();
        if variants.len() < release.variants.len() {
            return Err(refused("has two variants of a kind"));
        }
        let authorize = |signers: &BTreeSet<KeyId>| {
            self.authorize("Release", Power::Release, Subject::Version(version), signers, doing.time)
        };
        let allowed_by = authorize(doing.signers)?;
        let own = doing.own_signers()?;
        // Mostly nobody is left out, and the answer is known.
        let is_own = own.len() == doing.signers.len() || authorize(&own).is_ok();
        match (is_own, &release.on_behalf_of) {
            (true, None) | (false, Some(_)) => {}
            (true, Some(_)) => {
                return Err(refused("is its publishers' own, it is released on nobody's behalf"));
            }
            (false, None) => {
                return Err(refused(
                    "needs a publishing key's word: it must say on whose behalf (on_behalf_of)",
                ));
            }
        }
        doing.entries.push(PackageEntry::Release { version: version.clone(), content: release.content });
        let fact = Release {
            version: version.clone(),
            record: doing.record,
            time: doing.time,
            place: doing.place,
            content: release.content,
            manifest: release.manifest,
            on_behalf_of: release.on_behalf_of.clone(),
            allowed_by: allowed_by.iter().map(|role| self.path_of(role)).collect(),
            endorsed: None,
            variants,
            yanked: None,
            carried_yank: None,
        };
        doing.releases.insert(version.clone(), fact);
        Ok(())
    }

    pub(super) fn yank(&self, version: &Version, reason: &str, doing: &mut Doing<'_>) -> Result<(), Refusal> {
        let refused = |reason: &str| step_refused("Yank", format!("version {version} {reason}"));
        let release = doing.release_of(version).ok_or_else(|| refused("was never released"))?;
        if release.yanked.is_some() {
            return Err(refused("is already yanked"));
        }
        if self.distrusts(release) {
            return Err(refused("is distrusted, which is more than yanked"));
        }
        let yanked = Some(Yanked { record: doing.record, time: doing.time, reason: reason.to_owned() });
        let release = Release { yanked, ..release.clone() };
        self.authorize("Yank", Power::Yank, Subject::Version(version), doing.signers, doing.time)?;
        doing.entries.push(PackageEntry::Yank { version: version.clone() });
        doing.releases.insert(version.clone(), release);
        Ok(())
    }
}
