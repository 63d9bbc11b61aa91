//! Acts that wait at a registry for more to agree (`spec/delegation.md`, "Everyday shapes").
//!
//! What the registry says of one is for people; what binds is the act, which is read here, and judged on what is proven
//! before anybody signs.

use wargate_core::act::{Act, Endorsement, Step};
use wargate_core::digest::Digest;
use wargate_core::name::LogName;
use wargate_wire::api::{ProposalBody, ProposalList, RejectBody};
use wargate_wire::text::Text;

use crate::error::Error;
use crate::fetch::Registry;

/// An act that waits for more to agree.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// The act's digest, by which it is known.
    pub id: Digest,
    /// Whose log it is for.
    pub log: LogName,
    /// What it does.
    pub act: Act,
    /// Its exact bytes.
    pub bytes: Vec<u8>,
    /// Who agreed so far.
    pub endorsements: Vec<Endorsement>,
    /// What it lacks, in the registry's words.
    pub lacks: Option<String>,
    /// The account that handed it in.
    pub handed_in_by: Option<String>,
    /// Why it was turned down.
    pub rejected: Option<String>,
}

impl Proposal {
    pub(crate) fn of(registry: &Registry, log: &LogName, told: ProposalBody) -> Result<Self, Error> {
        let malformed = |reason: &str| Error::Malformed {
            url: format!("{}/api/proposals", registry.url()),
            reason: reason.to_owned(),
        };
        let ProposalBody { proposal: Text(id), act: bytes, lacks, handed_in_by, rejected, .. } = told;
        let bytes = bytes.0;
        if Act::digest(&bytes) != id || told.log != log.as_str() {
            return Err(malformed("it tells of another proposal"));
        }
        let act = Act::decode(&bytes).map_err(|error| malformed(&error.to_string()))?;
        let endorsements = told.endorsements.into_iter().map(Into::into).collect();
        Ok(Self { id, log: log.clone(), act, bytes, endorsements, lacks, handed_in_by, rejected })
    }

    /// Whether it releases this version.
    #[must_use]
    pub fn releases(&self, version: &semver::Version) -> bool {
        let is = |step: &Step| matches!(step, Step::Release(release) if release.version == *version);
        self.act.steps.iter().any(is)
    }
}

/// What waits in a log, the oldest first.
///
/// # Errors
/// [`Error::Malformed`]; network errors.
pub async fn proposals(registry: &Registry, log: &LogName) -> Result<Vec<Proposal>, Error> {
    let list: ProposalList = registry.get(&format!("/api/proposals?log={}", log.as_str())).await?;
    list.proposals.into_iter().map(|told| Proposal::of(registry, log, told)).collect()
}

/// Turns a proposal down.
///
/// # Errors
/// [`Error::NotPublished`] with the registry's words; network errors.
pub async fn reject(registry: &Registry, log: &LogName, id: &Digest, reason: &str) -> Result<(), Error> {
    let body = RejectBody { log: log.as_str().to_owned(), reason: reason.to_owned() };
    let told: ProposalBody = registry.post_act(&format!("/api/proposals/{id}/reject"), &body).await?;
    Proposal::of(registry, log, told).map(drop)
}
