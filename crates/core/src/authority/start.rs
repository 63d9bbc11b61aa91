//! How logs begin: `Init` by a log's own owners and the layer above, `Admit` for v1 logs
//! (`spec/delegation.md`, rules 6 and 7).

use std::borrow::Cow;
use std::sync::Arc;

use super::judge::Doing;
use super::role::{Power, Role, RoleId};
use super::{Refusal, State, Subject, carry, step_refused};
use crate::key::{KeyId, PublicKey};
use crate::name::LogName;

/// A key that a namespace let in to begin the v1 log of a package (rule 7).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Admission {
    /// The package's name, without its namespace.
    pub name: String,
    /// The key.
    pub key: KeyId,
}

impl State {
    /// Rule 6: the owners that it names agree at their threshold, and so does a live role of the layer above that
    /// has `define` over the namespace, or `init` over the package's name.
    pub(super) fn init(
        &mut self,
        keys: &[PublicKey],
        threshold: u32,
        id: RoleId,
        doing: &mut Doing<'_>,
    ) -> Result<(), Refusal> {
        if threshold == 0 || threshold as usize > keys.len() {
            return Err(step_refused("Init", "the threshold is from 1 to the number of owners"));
        }
        let owner = Role::owner(self.log.layer(), keys, threshold, id);
        doing.need("Init", &owner)?;
        self.check_persons(&owner, "Init", doing)?;
        let context = doing.context;
        let (above, power, name) = match &self.log {
            LogName::Operator => (None, Power::Define, ""),
            LogName::Namespace(namespace) => {
                let operator = context.operator()?;
                if let Some(registry) = operator.imported_from(namespace) {
                    return Err(step_refused("Init", format!("`{namespace}` is imported from {registry}")));
                }
                (Some(operator), Power::Define, namespace.as_str())
            }
            LogName::Package(package) => (Some(context.namespace_of(package)?), Power::Init, package.name()),
        };
        if let Some(above) = above {
            above.authorize("Init", power, Subject::Name(name), doing.signers, doing.time)?;
            let operator = context.operator()?;
            let signer = operator.commit_keys(doing.time).find(|key| key.id() == doing.envelope_key);
            let signer =
                signer.ok_or(Refusal::Carrier { reason: "a live commit key must sign the first record" })?;
            self.v1_keys = Arc::new(operator.commit_keys(doing.time).map(PublicKey::id).collect());
            doing.entries = carry::init_entries(signer, operator.commit_keys(doing.time));
        }
        doing.owners = Some(Cow::Owned(owner.clone()));
        self.roles = Arc::new(vec![owner]);
        Ok(())
    }

    /// A key may start the v1 log of this name, from now on.
    pub(super) fn admit(&self, name: &str, key: &PublicKey, doing: &mut Doing<'_>) -> Result<(), Refusal> {
        if self.policy.delegated_only {
            return Err(step_refused("Admit", "the namespace's policy takes no v1 logs"));
        }
        self.authorize("Admit", Power::Init, Subject::Name(name), doing.signers, doing.time)?;
        doing.admitted.push(Admission { name: name.to_owned(), key: key.id() });
        Ok(())
    }
}
