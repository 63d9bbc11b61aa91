//! What only an operator's log does: namespaces that are another registry's, and content that is removed or put aside
//! (`spec/delegation.md`, rule 7, "Acts and records").

use std::sync::Arc;

use semver::Version;

use super::judge::Doing;
use super::role::Power;
use super::{Refusal, State, Subject, step_refused};
use crate::id::RecordId;
use crate::name::{Namespace, PackageName};
use crate::time::Time;

/// What was said last about content that an operator removes or puts aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Takedown {
    /// The package.
    pub package: PackageName,
    /// Its version; `None` means all.
    pub version: Option<Version>,
    /// Why, for people.
    pub reason: String,
    /// Whether an earlier one ended.
    pub lifted: bool,
    /// When it ends by itself: a quarantine.
    pub not_after: Option<Time>,
    /// The record that said it.
    pub record: RecordId,
    /// When, by that record.
    pub time: Time,
}

impl Takedown {
    /// Whether its content is kept back at a time.
    #[must_use]
    pub fn holds_at(&self, time: Time) -> bool {
        !self.lifted && self.not_after.is_none_or(|end| time <= end)
    }
}

impl State {
    /// The registry whose namespace it is, if it is another's.
    #[must_use]
    pub fn imported_from(&self, namespace: &Namespace) -> Option<&str> {
        self.imports.get(namespace).map(String::as_str)
    }

    /// Every namespace that is another registry's, with that registry's domain.
    pub fn imports(&self) -> impl Iterator<Item = (&Namespace, &str)> {
        self.imports.iter().map(|(namespace, registry)| (namespace, registry.as_str()))
    }

    pub(super) fn import(
        &mut self,
        namespace: &Namespace,
        registry: &str,
        doing: &mut Doing<'_>,
    ) -> Result<(), Refusal> {
        let refused =
            |reason: &str| Err(step_refused("Import", format!("the namespace `{namespace}` {reason}")));
        if self.imports.contains_key(namespace) {
            return refused("is imported already");
        }
        if doing.context.facts.is_some_and(|facts| facts.claimed.contains(namespace)) {
            return refused("has owners here");
        }
        let name = Subject::Name(namespace.as_str());
        self.authorize("Import", Power::Import, name, doing.signers, doing.time)?;
        Arc::make_mut(&mut self.imports).insert(namespace.clone(), registry.to_owned());
        doing.imports.push((namespace.clone(), registry.to_owned()));
        Ok(())
    }

    pub(super) fn takedown(&self, takedown: Takedown, doing: &mut Doing<'_>) -> Result<(), Refusal> {
        let namespace = takedown.package.namespace();
        let name = Subject::Name(namespace.as_str());
        self.authorize("Takedown", Power::Takedown, name, doing.signers, doing.time)?;
        doing.takedowns.push(takedown);
        Ok(())
    }
}
