//! What became of a release since it was made.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A release taken back: still there for those who locked it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Yank {
    /// The time of the record that did it.
    #[schema(format = DateTime)]
    pub time: String,
    /// Why, in the words of who did it; null if they said nothing, as in a v1 log, where nothing can be said.
    pub reason: Option<String>,
    /// The ids of the keys that did it, as far as they were looked up.
    pub key_ids: Vec<String>,
}

/// What is said against using something by those who may say so. It is not taken back: everybody still gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deprecation {
    /// Of how much it is said.
    pub extent: Extent,
    /// What is said: mostly what to use instead.
    pub message: String,
    /// The time of the record that said it.
    #[schema(format = DateTime)]
    pub time: String,
}

/// Something that is said for people by those who may say so, and that changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// Of how much it is said.
    pub extent: Extent,
    /// What is said.
    pub message: String,
    /// The time of the record that said it.
    #[schema(format = DateTime)]
    pub time: String,
}

/// Of how much something is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Extent {
    /// One version.
    Release,
    /// All of a package.
    Package,
    /// All packages of a namespace.
    Namespace,
}

/// Content that the operator took down or put into quarantine: its bytes are not given out, its record stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TakenDown {
    /// Why, in the operator's words; may be empty.
    pub reason: String,
    /// When a quarantine ends by itself; null if it stays until it is lifted.
    #[schema(format = DateTime)]
    pub until: Option<String>,
    /// The time of the record that says so.
    #[schema(format = DateTime)]
    pub time: String,
    /// That record's id, in the operator's log.
    pub record_id: String,
}

/// Something that waits for more people to agree: `/api/proposals` has what they sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// By which it is approved or rejected.
    pub proposal: String,
    /// What it does, step by step.
    pub says: Vec<String>,
    /// What it lacks.
    pub lacks: String,
    /// The account that handed it in; null if it did not say who it is.
    pub handed_in_by: Option<String>,
    /// Until when others can agree.
    #[schema(format = DateTime)]
    pub not_after: String,
}
