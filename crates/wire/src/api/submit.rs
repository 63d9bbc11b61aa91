//! Acts handed in, and what became of them (`spec/delegation.md`, "Acts and records").

use semver::Version;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wargate_core::act::Endorsement;
use wargate_core::digest::Digest;
use wargate_core::id::RecordId;
use wargate_core::key::{KeyId, Signature};
use wargate_core::name::PackageName;

use crate::text::{Base64, Text};

/// The form field that holds a [`SignedActBody`].
pub const ACT_FIELD: &str = "act";

/// The form field that holds the content that the act releases.
pub const CONTENT_FIELD: &str = "content";

/// An act and who agreed to it: the field `act` of `POST /api/packages/{ns}/{name}/releases`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedActBody {
    /// The exact bytes that the endorsers signed.
    pub act: Base64,
    /// Who agreed.
    pub endorsements: Vec<EndorsementBody>,
}

/// An act on any log, and who agreed to it: the body of `POST /api/acts`. What it releases must be stored here already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActBody {
    /// Whose log: a package's or namespace's name; empty for the operator's.
    pub log: String,
    /// The exact bytes that the endorsers signed.
    pub act: Base64,
    /// Who agreed.
    pub endorsements: Vec<EndorsementBody>,
}

/// What became of an act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CarriedBody {
    /// The record that carries it.
    pub record_id: Text<RecordId>,
    /// Its index in the registry's log.
    pub registry_index: u64,
    /// Whether that was before: it was carried already, or all that it releases was released with the same content.
    pub before: bool,
}

/// An act that waits for more to agree: the answer 202 to an act that was handed in, and an element of
/// [`ProposalList`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProposalBody {
    /// The act's digest, by which it is known.
    #[schema(value_type = String)]
    pub proposal: Text<Digest>,
    /// Whose log: a package's or namespace's name; empty for the operator's.
    pub log: String,
    /// What it does, step by step, for people.
    pub says: Vec<String>,
    /// What it lacks, in words; null once it was turned down.
    pub lacks: Option<String>,
    /// The account that handed it in; null if it did not say who it is.
    pub handed_in_by: Option<String>,
    /// When it was handed in.
    #[schema(format = DateTime)]
    pub handed_in: String,
    /// Until when others can agree.
    #[schema(format = DateTime)]
    pub not_after: String,
    /// Why it was turned down; null while it waits.
    pub rejected: Option<String>,
    /// The exact bytes that its endorsers sign.
    #[schema(value_type = String)]
    pub act: Base64,
    /// Who agreed so far.
    #[schema(value_type = Vec<Object>)]
    pub endorsements: Vec<EndorsementBody>,
}

/// The answer to an act that was handed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum HandedInBody<T> {
    /// It is done.
    Done(T),
    /// It waits for more to agree.
    Proposed(Box<ProposalBody>),
}

/// What waits for more to agree in one log, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProposalList {
    /// The proposals.
    pub proposals: Vec<ProposalBody>,
}

/// Turns a proposal down: the body of `POST /api/proposals/{id}/reject`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RejectBody {
    /// Whose log it is for; empty for the operator's.
    pub log: String,
    /// Why, for whoever proposed it.
    pub reason: String,
}

/// Somebody's agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EndorsementBody {
    /// Whose.
    pub key_id: Text<KeyId>,
    /// Their signature.
    pub signature: Text<Signature>,
}

impl From<EndorsementBody> for Endorsement {
    fn from(body: EndorsementBody) -> Self {
        Self { key_id: body.key_id.0, signature: body.signature.0 }
    }
}

impl From<&Endorsement> for EndorsementBody {
    fn from(endorsement: &Endorsement) -> Self {
        Self { key_id: Text(endorsement.key_id), signature: Text(endorsement.signature.clone()) }
    }
}

/// What became of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleasedBody {
    /// The package.
    pub package: Text<PackageName>,
    /// The version.
    pub version: Text<Version>,
    /// The content.
    pub digest: Text<Digest>,
    /// The manifest by which the OCI door serves it, if its record names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Text<Digest>>,
    /// The record that released it.
    pub record_id: Text<RecordId>,
    /// Its index in the log.
    pub registry_index: u64,
    /// Whether that was before: the same release was asked for again.
    pub before: bool,
}
