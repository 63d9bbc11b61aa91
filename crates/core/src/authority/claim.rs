//! The act by which a package that the registry began for somebody becomes theirs (`spec/delegation.md`, "Everyday
//! shapes", "Custodial package").

use super::OWNER;
use super::role::{Power, Scope};
use crate::act::{Grant, Revoke, Step};
use crate::key::{KeyId, PublicKey};

/// The role in which a registry may go on releasing for others.
const REGISTRY: &str = "registry";

/// What a claim asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The new owners.
    pub owners: Vec<PublicKey>,
    /// How many of them must agree from then on.
    pub threshold: u32,
    /// Whether the registry may go on releasing for others, as any other role.
    pub registry_releases: bool,
}

impl Claim {
    /// Its steps: the owners come, the registry's key goes, and maybe gets a role of its own.
    #[must_use]
    pub fn steps(&self, custodian: &PublicKey) -> Vec<Step> {
        let grant = |role: &str, keys: &[PublicKey], threshold, powers: &[Power]| {
            Step::Grant(Grant {
                role: role.to_owned(),
                keys: keys.to_vec(),
                threshold,
                powers: powers.to_vec(),
                scope: Scope::Unlimited,
                not_after: None,
                depth: 0,
                parent: String::new(),
            })
        };
        let key_ids = vec![custodian.id()];
        let mut steps = vec![
            grant(OWNER, &self.owners, self.threshold, &[]),
            Step::Revoke(Revoke { role: OWNER.to_owned(), key_ids, since: None }),
        ];
        if self.registry_releases {
            steps.push(grant(REGISTRY, std::slice::from_ref(custodian), 1, &[Power::Release]));
        }
        steps
    }

    /// What an act claims, if it does that and nothing else.
    #[must_use]
    pub fn of(steps: &[Step], custodian: &PublicKey) -> Option<Self> {
        let Some(Step::Grant(Grant { keys, threshold, .. })) = steps.first() else { return None };
        let registry_releases = steps.len() > 2;
        let claim = Self { owners: keys.clone(), threshold: *threshold, registry_releases };
        (claim.steps(custodian) == steps).then_some(claim)
    }

    /// Whether so many of the new owners are among these as must agree from then on.
    #[must_use]
    pub fn is_agreed(&self, signers: &[KeyId]) -> bool {
        let agreed = self.owners.iter().filter(|owner| signers.contains(&owner.id())).count();
        self.threshold > 0 && agreed >= self.threshold as usize
    }
}
