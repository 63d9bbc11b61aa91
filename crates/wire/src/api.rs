//! Our own JSON: what the pages show, for programs (`DESIGN.md`, "Doors").
//!
//! Shapes only, filled by the server. Stable: fields are added, never renamed, never given another meaning; an
//! absent value is `null` and an empty list is `[]`, so every key is always there. Digests, ids and keys are in
//! their text forms (`sha256:…`), times are RFC 3339 in UTC. Source: `spec/delegation.md` for who signed,
//! `spec/components.md` for what the bytes say.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

mod beginning;
mod inspection;
mod keys;
mod lifecycle;
mod openapi;
mod problem;
mod signed;
mod submit;

pub use beginning::{Beginning, Ground};
pub use inspection::{
    CoreExtern, CustomSection, Extern, Inspection, InterfaceName, Metadata, Nested, Producer, Wit,
};
pub use keys::{DeadRole, ENDS_SOON_SECONDS, Guard, Key, KeyChange, Keys, Layer, RecordedAt, Role, V1Key};
pub use lifecycle::{Deprecation, Extent, Note, TakenDown, Waiting, Yank};
pub use openapi::openapi;
pub use problem::Problem;
pub use signed::{Level, OnBehalfOf, SignedBy, Subject};
pub use submit::{
    ACT_FIELD, ActBody, CONTENT_FIELD, CarriedBody, EndorsementBody, HandedInBody, ProposalBody,
    ProposalList, RejectBody, ReleasedBody, SignedActBody,
};

/// A page of packages, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PackageList {
    /// The packages, sorted by name.
    pub packages: Vec<PackageSummary>,
    /// Give it back as `after` to get the next page; null on the last one.
    pub next: Option<String>,
    /// The text that was searched for in names; null for all packages.
    pub query: Option<String>,
    /// The tree that the answer is from.
    pub checkpoint: Checkpoint,
}

/// A package in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PackageSummary {
    /// `NAMESPACE:NAME`.
    #[schema(example = "acme:hello")]
    pub name: String,
    /// The highest version that is neither yanked, nor taken down, nor a pre-release; null if there is none.
    #[schema(example = "1.2.0")]
    pub latest: Option<String>,
    /// What that version is.
    pub kind: Option<Kind>,
    /// What its publisher says that it is for.
    pub description: Option<String>,
    /// How many versions were released, yanked ones included.
    pub releases: u64,
    /// The time of its log's last record.
    #[schema(format = DateTime)]
    pub updated: String,
}

/// A package with all its releases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Package {
    /// `NAMESPACE:NAME`.
    #[schema(example = "acme:hello")]
    pub name: String,
    /// The part before the colon.
    #[schema(example = "acme")]
    pub namespace: String,
    /// What the publisher of the latest version says that it is for.
    pub description: Option<String>,
    /// The highest version that is neither yanked, nor taken down, nor a pre-release; null if there is none.
    pub latest: Option<String>,
    /// The id of its log.
    #[schema(example = "sha256:cf1c6dfe0c3d5ae5ffa7b5b1a4ee0c2b8f7b3ad2b1c8b8b6d4c0a0d1c0ffee00")]
    pub log_id: String,
    /// Whose rules its log follows.
    pub log_kind: LogKind,
    /// The ids of the keys that own it, all thresholds aside.
    pub owners: Vec<String>,
    /// The fewest keys that must agree to release something; null where nobody can.
    pub guarded_by: Option<u32>,
    /// How its log began, of a v1 log; null for a delegated one, whose records say it.
    pub began: Option<Beginning>,
    /// The domain of the registry that its namespace is imported from: nothing new begins in it here. Null if it is not.
    #[schema(example = "wasi.dev")]
    pub imported_from: Option<String>,
    /// What is said against using it, or any package of its namespace; null if nothing is.
    pub deprecated: Option<Deprecation>,
    /// What else is said of it, and of all packages of its namespace.
    pub notes: Vec<Note>,
    /// Every release, the highest version first.
    pub releases: Vec<ReleaseSummary>,
    /// What waits for more of its people to agree, the oldest first; empty for those who may not push to it.
    pub waiting: Vec<Waiting>,
    /// The tree that the answer is from.
    pub checkpoint: Checkpoint,
}

/// A release in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseSummary {
    /// The version.
    #[schema(example = "1.2.0")]
    pub version: String,
    /// What the bytes are; null while they were not looked at.
    pub kind: Option<Kind>,
    /// The digest of the bytes, as logged.
    pub digest: String,
    /// Their size in bytes; null where nobody has told yet.
    pub size: Option<u64>,
    /// Who signed it.
    pub signed_by: SignedBy,
    /// The time of its record.
    #[schema(format = DateTime)]
    pub time: String,
    /// When and by whom it was yanked; null if it wasn't.
    pub yanked: Option<Yank>,
    /// Why its bytes are not given out now; null if they are.
    pub taken_down: Option<TakenDown>,
    /// Whether its package's owners trust it no more, since whoever released it should not have been able to: it is
    /// installed by nobody, locked or not.
    pub distrusted: bool,
    /// What is said against using this version; null if nothing is.
    pub deprecated: Option<Deprecation>,
}

/// All about one release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Release {
    /// `NAMESPACE:NAME`.
    #[schema(example = "acme:hello")]
    pub name: String,
    /// The part before the colon.
    #[schema(example = "acme")]
    pub namespace: String,
    /// The version.
    #[schema(example = "1.2.0")]
    pub version: String,
    /// The package's highest version that is neither yanked, nor taken down, nor a pre-release; null if there is none.
    pub latest: Option<String>,
    /// What the bytes are; null while they were not looked at.
    pub kind: Option<Kind>,
    /// The digest of the bytes, as logged.
    pub digest: String,
    /// Their size in bytes; null where nobody has told yet.
    pub size: Option<u64>,
    /// The digest of its OCI manifest; null if the record names none.
    pub manifest_digest: Option<String>,
    /// Who signed it.
    pub signed_by: SignedBy,
    /// The time of its record.
    #[schema(format = DateTime)]
    pub time: String,
    /// When and by whom it was yanked; null if it wasn't.
    pub yanked: Option<Yank>,
    /// Why its bytes are not given out now; null if they are.
    pub taken_down: Option<TakenDown>,
    /// Whether its package's owners trust it no more, since whoever released it should not have been able to: it is
    /// installed by nobody, locked or not.
    pub distrusted: bool,
    /// What is said against using it: of this version, else of its package, else of its namespace; null if nothing is.
    pub deprecated: Option<Deprecation>,
    /// What else is said of it, of its package, and of all packages of its namespace.
    pub notes: Vec<Note>,
    /// The fewest keys that must agree to release such a version, as the log stands; null where nobody can.
    pub guarded_by: Option<u32>,
    /// Where its record is.
    pub record: RecordPlace,
    /// What the bytes say; null while they were not looked at.
    pub inspection: Option<Inspection>,
    /// The tree that the answer is from.
    pub checkpoint: Checkpoint,
}

/// What a release is, always derived from its bytes (`spec/components.md`, "Kinds from bytes").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A component.
    Component,
    /// A WIT package, encoded as a component.
    Wit,
    /// A core module.
    Module,
}

impl Kind {
    /// The word for it, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::Wit => "wit",
            Self::Module => "module",
        }
    }
}

/// Whose rules a log follows (`spec/delegation.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum LogKind {
    /// Warg v1's: a log that the `warg` command writes.
    V1,
    /// Ours: roles, thresholds and scopes, endorsed by people's keys.
    Delegated,
}

impl LogKind {
    /// The word for it, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::Delegated => "delegated",
        }
    }
}

/// Where a record is: in its package's log and in the registry's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordPlace {
    /// Its index in the registry's log.
    pub log_index: u64,
    /// Its id.
    pub record_id: String,
    /// The id of its package's log.
    pub log_id: String,
    /// Whose rules that log follows.
    pub log_kind: LogKind,
}

/// The signed tree head that an answer is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// Entries in the tree.
    pub size: u64,
    /// When it was signed.
    #[schema(format = DateTime)]
    pub time: String,
    /// The root of the tree.
    pub root: String,
}
