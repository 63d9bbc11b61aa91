//! How logs begin: `Init` by a log's own owners and the layer above, `Admit` for v1 logs
//! (`spec/delegation.md`, rules 6 and 7).

use super::judge::Doing;
use super::role::{Power, Role, RoleId};
use super::{Refusal, State, Subject, carry, step_refused};
use crate::key::PublicKey;
use crate::name::LogName;

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
        let context = doing.context;
        let (above, power, name) = match &self.log {
            LogName::Operator => (None, Power::Define, ""),
            LogName::Namespace(namespace) => (Some(context.operator()?), Power::Define, namespace.as_str()),
            LogName::Package(package) => (Some(context.namespace_of(package)?), Power::Init, package.name()),
        };
        if let Some(above) = above {
            above.authorize("Init", power, Subject::Name(name), doing.signers, doing.time)?;
            doing.entries = first_entries(doing)?;
        }
        doing.owners = Some(owner.clone());
        self.roles.push(owner);
        Ok(())
    }

    /// A key may start the v1 log of this name, from now on.
    pub(super) fn admit(&mut self, name: &str, key: &PublicKey, doing: &Doing<'_>) -> Result<(), Refusal> {
        self.authorize("Admit", Power::Init, Subject::Name(name), doing.signers, doing.time)?;
        self.admitted.insert((name.to_owned(), key.id()));
        Ok(())
    }
}

/// The projection of a namespace's or package's Init.
fn first_entries(doing: &Doing<'_>) -> Result<Vec<crate::record::PackageEntry>, Refusal> {
    let operator = doing.context.operator()?;
    let signer = operator.commit_keys(doing.time).find(|key| key.id() == doing.envelope_key);
    let signer = signer.ok_or(Refusal::Carrier { reason: "a live commit key must sign the first record" })?;
    Ok(carry::init_entries(signer, operator.commit_keys(doing.time)))
}
