//! What only an operator's log does: namespaces that are another registry's, and content that is removed or put aside
//! (`spec/delegation.md`, rule 7, "Acts and records").

use std::collections::BTreeMap;
use std::sync::Arc;

use super::judge::Doing;
use super::role::Power;
use super::takedown::Takedown;
use super::{Refusal, State, Subject, step_refused};
use crate::name::Namespace;

impl State {
    /// The registry whose namespace it is, if it is another's.
    #[must_use]
    pub fn imported_from(&self, namespace: &Namespace) -> Option<&str> {
        self.imports.get(namespace).map(String::as_str)
    }

    /// Every namespace that is another registry's, with that registry's domain; shared with whoever keeps it.
    #[must_use]
    pub fn imports(&self) -> &Arc<BTreeMap<Namespace, String>> {
        &self.imports
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
