//! What a log's records add up to beyond its state (`spec/delegation.md`, "What must be shown": judging a record costs
//! its size and the depth of its roles, not the log).
//!
//! A fact is found by what a record names: a version, a role that is dead, an earlier record. So a state stays small
//! whatever was released or revoked before, and a ledger keeps facts as rows.

use std::collections::{BTreeMap, BTreeSet};

use super::annotate::Annotation;
use super::judge::Changes;
use super::release::Releases;
use super::role::RoleId;
use super::start::Admission;
use crate::act::{Act, AnnotationKind, Step};
use crate::id::RecordId;
use crate::key::KeyId;
use crate::name::Namespace;

/// What is known of the things that a record names, or of more; what is missing here never was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Of a package: its releases.
    pub releases: Releases,
    /// Roles that died, by name: the last of each.
    pub dead: BTreeMap<String, RoleId>,
    /// Of a namespace: the keys that it let in to begin v1 logs.
    pub admitted: BTreeSet<Admission>,
    /// Where earlier records stand in this log; 0 is the first.
    pub places: BTreeMap<RecordId, u64>,
    /// Of the operator log: namespaces whose log had begun at the judged record's index.
    pub claimed: BTreeSet<Namespace>,
    /// What was said last of a kind about a subject. No record is judged by it.
    pub said: BTreeMap<(AnnotationKind, String), Annotation>,
}

impl Facts {
    /// What was said last of a kind about a subject, unless it was withdrawn.
    #[must_use]
    pub fn said(&self, kind: AnnotationKind, subject: &str) -> Option<&str> {
        let annotation = self.said.get(&(kind, subject.to_owned()))?;
        Some(annotation.value.as_str()).filter(|value| !value.is_empty())
    }

    /// Rule 7: whether a namespace let in a key to begin the v1 log of this name.
    #[must_use]
    pub fn admits(&self, name: &str, key: &KeyId) -> bool {
        self.admitted.contains(&Admission { name: name.to_owned(), key: *key })
    }

    /// How many things are known.
    #[must_use]
    pub fn len(&self) -> usize {
        let Self { releases, dead, admitted, places, claimed, said } = self;
        let beside = admitted.len() + places.len() + claimed.len() + said.len();
        releases.len() + dead.len() + beside
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Of these facts those about what is named: what a ledger fetches.
    #[must_use]
    pub fn about(&self, named: &Named) -> Self {
        fn of<K: Ord + Clone, V: Clone>(all: &BTreeMap<K, V>, named: &BTreeSet<K>) -> BTreeMap<K, V> {
            named.iter().filter_map(|key| Some((key.clone(), all.get(key)?.clone()))).collect()
        }
        Self {
            releases: if named.all_releases {
                self.releases.clone()
            } else {
                of(&self.releases, &named.versions)
            },
            dead: of(&self.dead, &named.roles),
            admitted: self.admitted.intersection(&named.admissions).cloned().collect(),
            places: of(&self.places, &named.records),
            claimed: self.claimed.intersection(&named.namespaces).cloned().collect(),
            said: BTreeMap::new(),
        }
    }

    /// The facts after a record.
    pub fn follow(&mut self, changes: &Changes) {
        self.releases.extend(changes.releases.iter().map(|one| (one.version.clone(), one.clone())));
        self.dead.extend(changes.dead.iter().map(|(name, role)| (name.clone(), *role)));
        self.admitted.extend(changes.admitted.iter().cloned());
        for one in &changes.annotations {
            self.said.insert((one.kind, one.subject.clone()), one.clone());
        }
        if let Some((record, place)) = changes.state.head_place() {
            self.places.insert(record, place);
        }
    }
}

/// What a record names, of which the facts must be known to judge it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// Versions.
    pub versions: BTreeSet<semver::Version>,
    /// Roles that may be dead.
    pub roles: BTreeSet<String>,
    /// Keys that may have been let in.
    pub admissions: BTreeSet<Admission>,
    /// Earlier records.
    pub records: BTreeSet<RecordId>,
    /// Namespaces.
    pub namespaces: BTreeSet<Namespace>,
    /// Every release of the package: some lose their trust, and v1 clients must be told.
    pub all_releases: bool,
}

impl Named {
    /// Adds what an act names.
    pub fn extend(&mut self, act: &Act) {
        for step in &act.steps {
            match step {
                Step::Release(release) => _ = self.versions.insert(release.version.clone()),
                Step::Yank { version, .. } => _ = self.versions.insert(version.clone()),
                Step::Annotate { subject, .. } => self.versions.extend(subject.parse().ok()),
                Step::Revoke(revoke) => {
                    if let Some(since) = revoke.since {
                        self.records.insert(since);
                        self.roles.insert(revoke.role.clone());
                        self.all_releases = true;
                    }
                }
                Step::Import { namespace, .. } => _ = self.namespaces.insert(namespace.clone()),
                Step::Init { .. }
                | Step::Grant(_)
                | Step::Admit { .. }
                | Step::Recover { .. }
                | Step::Takedown { .. } => {}
            }
        }
    }
}
