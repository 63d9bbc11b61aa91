//! How a v1 log began (`spec/delegation.md`, rule 7).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// By which key a v1 log was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Beginning {
    /// The id of the key that signed its first record.
    pub key_id: String,
    /// On what ground it could.
    pub ground: Ground,
}

/// On what ground a key could begin a v1 log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Ground {
    /// Its namespace has no owners.
    Unclaimed,
    /// Its namespace had no owners yet: the log goes on under its own keys.
    BeforeClaim,
    /// Its namespace's owners let the key begin it.
    Admitted,
}
