//! What went wrong, for programs and for people.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An answer that is not the one that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The HTTP status.
    #[schema(example = 404)]
    pub status: u16,
    /// A word that stays the same, for programs.
    #[schema(example = "package-unknown")]
    pub code: String,
    /// What happened and why.
    #[schema(example = "there is no package `acme:hello`")]
    pub message: String,
    /// What to do next; null where there is nothing to advise.
    pub hint: Option<String>,
}
