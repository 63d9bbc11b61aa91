//! New owners by the word of the layer above (`spec/delegation.md`, rule 8).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::judge::Doing;
use super::role::{Power, Role};
use super::{Refusal, State, Subject, step_refused};
use crate::key::{KeyId, PublicKey};
use crate::name::LogName;

impl State {
    /// All other roles die; `owner` stays the role that it was, so that what its old keys released can still lose its
    /// trust. A publishing key's word counts for nothing here: whoever stole one owns nothing by it.
    pub(super) fn recover(
        &mut self,
        keys: &[PublicKey],
        threshold: u32,
        doing: &mut Doing<'_>,
    ) -> Result<(), Refusal> {
        let refused = |reason: &str| Err(step_refused("Recover", reason));
        if threshold == 0 || threshold as usize > keys.len() {
            return refused("the threshold is from 1 to the number of owners");
        }
        let operator = doing.context.operator()?;
        let (above, name) = match &self.log {
            LogName::Operator => return refused("nobody is above the operator"),
            LogName::Namespace(namespace) => (operator, namespace.as_str()),
            LogName::Package(package) => (doing.context.namespace_of(package)?, package.name()),
        };
        let counted = |key: &&KeyId| !operator.is_publishing_key(key);
        let signers: BTreeSet<KeyId> = doing.signers.iter().filter(counted).copied().collect();
        above.authorize("Recover", Power::Recover, Subject::Name(name), &signers, doing.time)?;
        let Some((old, others)) = self.roles.split_first() else {
            return refused("the log has no owners");
        };
        let owner = Role::owner(self.log.layer(), keys, threshold, old.made);
        self.check_persons(&owner, "Recover", doing)?;
        others.iter().for_each(|role| doing.died(role));
        self.roles = Arc::new(vec![owner]);
        Ok(())
    }
}
