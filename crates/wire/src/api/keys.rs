//! Who may do what in a log, and how it came to be so (`spec/delegation.md`, "Roles").

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Checkpoint, LogKind};

/// How soon before its end a role is said to end soon, in seconds: 30 days.
pub const ENDS_SOON_SECONDS: i64 = 30 * 24 * 60 * 60;

/// The keys of a log: what they may do as of the checkpoint, and what its records did to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Keys {
    /// Whose log: `NAMESPACE:NAME`, `NAMESPACE`, or empty for the registry's own.
    #[schema(example = "acme:hello")]
    pub log: String,
    /// Which layer it is of.
    pub layer: Layer,
    /// Its id.
    pub log_id: String,
    /// Whose rules it follows.
    pub log_kind: LogKind,
    /// What its owners demand of everybody, a word each; of a namespace, in its packages too.
    #[schema(example = json!(["two-persons"]))]
    pub policy: Vec<String>,
    /// What guards each action; empty for a v1 log.
    pub guards: Vec<Guard>,
    /// The live roles: `owner` first, below each role those that hang under it; empty for a v1 log.
    pub roles: Vec<Role>,
    /// The last dead role of each name.
    pub dead_roles: Vec<DeadRole>,
    /// Of a v1 log: every key that it ever let in; else empty.
    pub v1_keys: Vec<V1Key>,
    /// What its records did to keys and roles, the latest first.
    pub history: Vec<KeyChange>,
    /// Give it back as `before` to get what happened earlier; null where that is all.
    pub next: Option<u64>,
    /// The tree that the answer is from.
    pub checkpoint: Checkpoint,
}

/// A layer of logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Layer {
    /// The registry's own log: which keys sign for it, who starts namespaces.
    Operator,
    /// A namespace's: who starts packages.
    Namespace,
    /// A package's: who releases versions.
    Package,
}

/// What guards an action: the least threshold among the live roles that cover it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Guard {
    /// The power that it takes, or `owner` for what only the owners do.
    #[schema(example = "release")]
    pub action: String,
    /// The same in words.
    #[schema(example = "release versions")]
    pub words: String,
    /// The fewest keys that must agree to it, on anything that it can be done to; null where nobody can.
    pub keys: Option<u32>,
    /// The names of the live roles that may.
    pub roles: Vec<String>,
}

/// A live role: keys, how many of them must agree, and what they may then do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    /// Its name, unique among the live roles of its log.
    #[schema(example = "ci")]
    pub name: String,
    /// The role that it hangs under: with that it ends. Null for `owner`.
    pub parent: Option<String>,
    /// Under how many roles it hangs; 0 for `owner`.
    pub level: u32,
    /// Its keys.
    pub keys: Vec<Key>,
    /// How many of them must agree.
    pub threshold: u32,
    /// What it may do.
    #[schema(example = json!(["release"]))]
    pub powers: Vec<String>,
    /// On what, as the grant has it: any of these; empty for no limit.
    #[schema(example = json!([">=1.0.0 <2.0.0"]))]
    pub scope: Vec<String>,
    /// The same in words.
    #[schema(example = "versions >=1.0.0 <2.0.0")]
    pub over: String,
    /// The last moment of its life, its own or that of a role above it; null if it has none.
    #[schema(format = DateTime)]
    pub not_after: Option<String>,
    /// Whether that comes within 30 days of the checkpoint.
    pub ends_soon: bool,
    /// How deep it may hand on what it may do.
    pub depth: u32,
    /// The record that made it; later ones may have added keys or changed threshold and end.
    pub given: Option<RecordedAt>,
}

/// A key of a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// Its id.
    pub id: String,
    /// The public key.
    #[schema(example = "ecdsa-p256:A1OfZz5Y9Ny7VKPVwroCTQPAr9tmlI4U/UTYHZHA87AF")]
    pub key: String,
    /// Whether it is the registry's own: one that publishes for its users or commits.
    pub of_registry: bool,
}

/// A role that is no longer live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadRole {
    /// Its name, which a later role may have taken.
    pub name: String,
    /// The record that made it.
    pub given: Option<RecordedAt>,
    /// What that record did, in words.
    pub was: Option<String>,
    /// When it ended by itself, if no record has buried it since; the history tells of other ends.
    #[schema(format = DateTime)]
    pub expired: Option<String>,
}

/// A key of a v1 log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct V1Key {
    /// Its id.
    pub id: String,
    /// The public key.
    pub key: String,
    /// What it may do, alone; empty if it was revoked.
    #[schema(example = json!(["release", "yank"]))]
    pub permissions: Vec<String>,
}

/// What one record did to keys and roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyChange {
    /// The record.
    pub at: RecordedAt,
    /// What it did, each thing in words.
    pub did: Vec<String>,
    /// The ids of the keys that agreed to it.
    pub key_ids: Vec<String>,
}

/// Where and when something was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordedAt {
    /// The record's index in the registry's log.
    pub log_index: u64,
    /// The record's id.
    pub record_id: String,
    /// The record's time.
    #[schema(format = DateTime)]
    pub time: String,
}
