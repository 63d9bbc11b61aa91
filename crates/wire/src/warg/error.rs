//! Warg's error bodies: `{status, …}`, the status being that of the reply.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What was not found or stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EntityType {
    /// A log.
    Log,
    /// A record.
    Record,
    /// A namespace.
    Namespace,
    /// A namespace that is another registry's.
    NamespaceImport,
    /// A package's name.
    Name,
    /// A tree size.
    LogLength,
    /// A record to go on after.
    FetchToken,
    /// Content.
    ContentDigest,
    /// A record's index.
    Leaf,
}

/// An error body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WargError {
    /// Something named is not there, or stands in the way.
    Entity {
        /// The HTTP status.
        status: u16,
        /// What it is.
        kind: EntityType,
        /// Its id: a text or a number.
        id: Value,
    },
    /// The status says it all.
    Plain {
        /// The HTTP status.
        status: u16,
    },
    /// A message for people.
    Message {
        /// The HTTP status.
        status: u16,
        /// The message.
        message: String,
    },
}

impl WargError {
    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Entity { status, .. } | Self::Plain { status } | Self::Message { status, .. } => *status,
        }
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> Value {
        match self {
            Self::Entity { status, kind, id } => json!({ "status": status, "type": kind, "id": id }),
            Self::Plain { status } => json!({ "status": status }),
            Self::Message { status, message } => json!({ "status": status, "message": message }),
        }
    }
}
