//! Annotations: what is said of a version, a name, or a whole log (`spec/delegation.md`, rule 1, "Fine print").

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;

use semver::Version;

use super::judge::Doing;
use super::policy::PolicyError;
use super::role::Power;
use super::{Refusal, State, Subject, VKEYS_MAX, step_refused};
use crate::act::{AnnotationKind, VariantKind, is_kebab};
use crate::digest::Digest;
use crate::id::{Layer, RecordId};
use crate::key::KeyId;
use crate::time::Time;

/// What was said last of a kind about a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// What kind of thing.
    pub kind: AnnotationKind,
    /// A version (package), a name (namespace), an origin (`vkey`), or empty for the whole log.
    pub subject: String,
    /// What was said; empty withdraws it.
    pub value: String,
    /// The record that said it.
    pub record: RecordId,
    /// When, by that record.
    pub time: Time,
}

/// A variant that was announced after its release: `KIND CONTENT`, or `KIND CONTENT MANIFEST`, one space between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariantValue {
    /// In which way it was made.
    pub kind: VariantKind,
    /// Its content.
    pub content: Digest,
    /// The manifest that the OCI door serves it by.
    pub manifest: Option<Digest>,
}

/// A text that announces no variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a variant is `locked` or `bundled`, its content's digest, and if there is one its manifest's")]
pub struct VariantError;

impl FromStr for VariantValue {
    type Err = VariantError;

    fn from_str(text: &str) -> Result<Self, VariantError> {
        let (kind, rest) = text.split_once(' ').ok_or(VariantError)?;
        let (content, manifest) = match rest.split_once(' ') {
            Some((content, manifest)) => (content, Some(manifest)),
            None => (rest, None),
        };
        let digest = |text: &str| text.parse::<Digest>().map_err(|_| VariantError);
        Ok(Self {
            kind: VariantKind::parse(kind).ok_or(VariantError)?,
            content: digest(content)?,
            manifest: manifest.map(digest).transpose()?,
        })
    }
}

fn refused(reason: impl Into<String>) -> Refusal {
    step_refused("Annotate", reason)
}

impl State {
    pub(super) fn annotate(
        &mut self,
        kind: AnnotationKind,
        subject: &str,
        value: &str,
        doing: &mut Doing<'_>,
    ) -> Result<(), Refusal> {
        let layer = self.log.layer();
        let known = match kind {
            AnnotationKind::Policy => true,
            AnnotationKind::Vkey => layer == Layer::Operator,
            AnnotationKind::Deprecate | AnnotationKind::Note => layer != Layer::Operator,
            AnnotationKind::Variant | AnnotationKind::Endorse => layer == Layer::Package,
        };
        if !known {
            return Err(refused(format!("`{kind}` is no annotation of a log such as {}", self.log)));
        }
        match kind {
            AnnotationKind::Policy => self.set_policy(subject, value, doing)?,
            AnnotationKind::Vkey => self.announce_vkey(subject, value, doing)?,
            AnnotationKind::Deprecate | AnnotationKind::Note => self.remark(subject, doing)?,
            AnnotationKind::Variant => self.add_variant(&version(subject)?, value, doing)?,
            AnnotationKind::Endorse => self.lift(&version(subject)?, value, doing)?,
        }
        let (record, time) = (doing.record, doing.time);
        let (subject, value) = (subject.to_owned(), value.to_owned());
        doing.annotations.push(Annotation { kind, subject, value, record, time });
        Ok(())
    }

    fn need_owner(&self, doing: &Doing<'_>) -> Result<(), Refusal> {
        let owner = self.roles.first().ok_or_else(|| refused("the log has no owners"))?;
        doing.need("Annotate", owner)
    }

    fn set_policy(&mut self, subject: &str, value: &str, doing: &Doing<'_>) -> Result<(), Refusal> {
        if !subject.is_empty() {
            return Err(refused("a policy is of the whole log, its subject is empty"));
        }
        self.need_owner(doing)?;
        self.policy = value.parse().map_err(|error: PolicyError| refused(error.to_string()))?;
        Ok(())
    }

    fn announce_vkey(&mut self, origin: &str, vkey: &str, doing: &Doing<'_>) -> Result<(), Refusal> {
        self.need_owner(doing)?;
        if origin.is_empty() {
            return Err(refused("the subject of a vkey is its origin"));
        }
        let vkeys = Arc::make_mut(&mut self.vkeys);
        if vkey.is_empty() {
            vkeys.remove(origin);
        } else {
            vkeys.insert(origin.to_owned(), vkey.to_owned());
        }
        if vkeys.len() > VKEYS_MAX {
            return Err(refused(format!("at most {VKEYS_MAX} origins are announced")));
        }
        Ok(())
    }

    fn remark(&self, subject: &str, doing: &Doing<'_>) -> Result<(), Refusal> {
        let authorize = |subject: Subject<'_>| {
            self.authorize("Annotate", Power::Annotate, subject, doing.signers, doing.time)
        };
        match (subject, self.log.layer()) {
            ("", _) => authorize(Subject::Log)?,
            (_, Layer::Package) => authorize(Subject::Version(&version(subject)?))?,
            _ if is_kebab(subject) => authorize(Subject::Name(subject))?,
            _ => return Err(refused(format!("`{subject}` is no name"))),
        };
        Ok(())
    }

    /// A kind of variant is announced once, as a version is released once.
    fn add_variant(&self, version: &Version, value: &str, doing: &mut Doing<'_>) -> Result<(), Refusal> {
        let variant: VariantValue =
            value.parse().map_err(|error: VariantError| refused(error.to_string()))?;
        let release = doing.release_of(version).cloned();
        let mut release = release.ok_or_else(|| refused(format!("version {version} was never released")))?;
        if release.variants.contains(&variant.kind) {
            return Err(refused(format!("version {version} has a {} variant already", variant.kind)));
        }
        self.authorize("Annotate", Power::Release, Subject::Version(version), doing.signers, doing.time)?;
        release.variants.insert(variant.kind);
        doing.releases.insert(version.clone(), release);
        Ok(())
    }

    /// Lifts a release that the registry signed for somebody to its publishers' own.
    fn lift(&self, version: &Version, value: &str, doing: &mut Doing<'_>) -> Result<(), Refusal> {
        let refused = |reason: &str| refused(format!("version {version} {reason}"));
        let mut release = doing.release_of(version).cloned().ok_or_else(|| refused("was never released"))?;
        if release.on_behalf_of.is_none() {
            return Err(refused("is its publishers' own already"));
        }
        if value.parse() != Ok(release.content) {
            return Err(refused("has another content than the endorsement says"));
        }
        if self.distrusts(&release) {
            return Err(refused("is distrusted"));
        }
        let own = doing.own_signers()?;
        self.authorize("Annotate", Power::Release, Subject::Version(version), &own, doing.time)?;
        release.endorsed.get_or_insert(doing.record);
        doing.releases.insert(version.clone(), release);
        Ok(())
    }
}

fn version(subject: &str) -> Result<Version, Refusal> {
    let version: Version = subject.parse().map_err(|_| refused(format!("`{subject}` is no version")))?;
    // The one spelling of it.
    if version.to_string() == subject {
        Ok(version)
    } else {
        Err(refused(format!("`{subject}` is no version")))
    }
}

impl Doing<'_> {
    /// Those who endorsed, without the registry's publishing keys.
    pub(super) fn own_signers(&self) -> Result<BTreeSet<KeyId>, Refusal> {
        let operator = self.context.operator()?;
        Ok(self.signers.iter().copied().filter(|key| !operator.is_publishing_key(key)).collect())
    }
}
