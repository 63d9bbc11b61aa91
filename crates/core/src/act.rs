//! Acts: what people sign. The registry carries an act in a record, and the act decides what the record may do.
//!
//! One encoding is accepted: fields ascending, each once, defaults absent, nothing unknown
//! (`spec/delegation.md`, "Acts and records"). Steps of every kind are read; which of them may be done, and by
//! whom, is decided where logs are judged.

use std::collections::BTreeSet;

use prost::Message as _;

mod message;
pub mod power;
pub mod scope;
mod step;
#[cfg(test)]
mod tests;
mod words;

pub use step::{
    AnnotationKind, Dependency, Grant, Identity, OnBehalfOf, Release, Revoke, Step, Variant, VariantKind,
};

use crate::digest::Digest;
use crate::envelope::ENVELOPE_BYTES_MAX;
use crate::id::{LogId, RecordId};
use crate::key::{KeyError, KeyId, PublicKey, Signature, Signer};
use crate::name::Namespace;
use crate::proto;
use crate::record::{RecordError, parse_time, time_message};
use crate::time::Time;

/// Longest window of an act, in seconds: 30 days.
pub const ACT_WINDOW_SECONDS_MAX: i64 = 30 * 24 * 60 * 60;

/// Longest name of a role, in bytes.
pub const ROLE_NAME_BYTES_MAX: usize = 64;

/// What an endorsement's signed bytes begin with.
const SIGNATURE_TAG: &[u8] = b"WARGATE-ACT-SIGNATURE-V0:";

/// What its endorsers agree to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// The operator log's first record: which registry. `None` only in that record itself.
    pub root: Option<RecordId>,
    /// The log that it is for.
    pub log: LogId,
    /// Done in order, all or none; at least one.
    pub steps: Vec<Step>,
    /// The first moment at which it may be done.
    pub not_before: Time,
    /// The last one.
    pub not_after: Time,
    /// Makes two acts that do the same distinct.
    pub nonce: [u8; 16],
}

/// An act that is refused for its form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ActError {
    /// Larger than any record may be.
    #[error("the act has {bytes} bytes, at most {ENVELOPE_BYTES_MAX} are allowed")]
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
    },
    /// No protobuf of this shape.
    #[error("the act cannot be decoded: {reason}")]
    Decode {
        /// What the decoder says.
        reason: String,
    },
    /// Another encoding of the same fields, or unknown fields.
    #[error("the act is not canonically encoded")]
    NotCanonical,
    /// A field is absent or its value is not allowed.
    #[error("the act's {field} is missing or malformed")]
    Field {
        /// Which field.
        field: &'static str,
    },
    /// The window is empty or longer than [`ACT_WINDOW_SECONDS_MAX`].
    #[error("the act's window is empty or longer than 30 days")]
    Window,
    /// A list holds a value twice.
    #[error("the act's {field} hold a value twice")]
    Twice {
        /// Which list.
        field: &'static str,
    },
}

impl From<RecordError> for ActError {
    fn from(_: RecordError) -> Self {
        Self::Field { field: "time" }
    }
}

/// Somebody's agreement to an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endorsement {
    /// Whose.
    pub key_id: KeyId,
    /// Over the tag and the act's exact bytes.
    pub signature: Signature,
}

fn signed_bytes(act: &[u8]) -> Vec<u8> {
    [SIGNATURE_TAG, act].concat()
}

/// Agrees to an act.
///
/// # Errors
/// As [`Signer::sign`].
pub fn endorse<S: Signer>(act: &[u8], key: &S) -> Result<Endorsement, S::Error> {
    Ok(Endorsement { key_id: key.public().id(), signature: key.sign(&signed_bytes(act))? })
}

impl Endorsement {
    /// Whether `key` agreed to these bytes.
    ///
    /// # Errors
    /// [`KeyError::Signature`].
    pub fn verify(&self, act: &[u8], key: &PublicKey) -> Result<(), KeyError> {
        if key.id() != self.key_id {
            return Err(KeyError::Signature);
        }
        key.verify(&signed_bytes(act), &self.signature)
    }

    pub(crate) fn from_message(message: &proto::Endorsement) -> Result<Self, ActError> {
        Ok(Self {
            key_id: message.key_id.parse().map_err(|_| ActError::Field { field: "endorsement" })?,
            signature: message.signature.parse().map_err(|_| ActError::Field { field: "endorsement" })?,
        })
    }

    pub(crate) fn to_message(&self) -> proto::Endorsement {
        proto::Endorsement { key_id: self.key_id.to_string(), signature: self.signature.to_string() }
    }
}

impl Act {
    /// Reads an act.
    ///
    /// # Errors
    /// [`ActError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ActError> {
        if bytes.len() > ENVELOPE_BYTES_MAX {
            return Err(ActError::TooLarge { bytes: bytes.len() });
        }
        let message =
            proto::Act::decode(bytes).map_err(|error| ActError::Decode { reason: error.to_string() })?;
        if message.encode_to_vec() != bytes {
            return Err(ActError::NotCanonical);
        }
        check_unique_messages("steps", &message.steps)?;
        let field = |field| move |_| ActError::Field { field };
        let root = match message.root.as_str() {
            "" => None,
            root => Some(root.parse().map_err(field("root"))?),
        };
        let act = Self {
            root,
            log: message.log_id.parse().map_err(field("log id"))?,
            not_before: parse_time(message.not_before.as_ref())?,
            not_after: parse_time(message.not_after.as_ref())?,
            nonce: message.nonce.try_into().map_err(|_| ActError::Field { field: "nonce" })?,
            steps: message.steps.into_iter().map(Step::from_message).collect::<Result<_, _>>()?,
        };
        if act.steps.is_empty() {
            return Err(ActError::Field { field: "list of steps" });
        }
        if act.not_after < act.not_before
            || act.not_after > act.not_before.plus_seconds(ACT_WINDOW_SECONDS_MAX)
        {
            return Err(ActError::Window);
        }
        Ok(act)
    }

    /// The act's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        proto::Act {
            root: self.root.map(|root| root.to_string()).unwrap_or_default(),
            log_id: self.log.to_string(),
            steps: self.steps.iter().map(Step::to_message).collect(),
            not_before: Some(time_message(self.not_before)),
            not_after: Some(time_message(self.not_after)),
            nonce: self.nonce.to_vec(),
        }
        .encode_to_vec()
    }

    /// The digest by which a log remembers that it was used.
    #[must_use]
    pub fn digest(bytes: &[u8]) -> Digest {
        Digest::of(bytes)
    }

    /// The first key that it gives a power: of those with `commit`, the one that carries an operator log's first record.
    #[must_use]
    pub fn first_key_with(&self, power: power::Power) -> Option<&PublicKey> {
        self.steps.iter().find_map(|step| match step {
            Step::Grant(grant) if grant.powers.contains(&power) => grant.keys.first(),
            _ => None,
        })
    }
}

/// Refuses a list that holds a value twice. Never quadratic: a stranger may have filled the list.
fn check_unique<T: Ord>(field: &'static str, values: impl IntoIterator<Item = T>) -> Result<(), ActError> {
    let mut seen = BTreeSet::new();
    let once = values.into_iter().all(|value| seen.insert(value));
    if once { Ok(()) } else { Err(ActError::Twice { field }) }
}

/// As [`check_unique`], of messages. Most lists hold one or none, which need no comparison.
fn check_unique_messages(field: &'static str, messages: &[impl prost::Message]) -> Result<(), ActError> {
    if messages.len() < 2 {
        return Ok(());
    }
    check_unique(field, messages.iter().map(prost::Message::encode_to_vec))
}

/// Words as names have them: the one rule for names of roles, packages and namespaces.
pub(crate) fn is_kebab(text: &str) -> bool {
    text.parse::<Namespace>().is_ok()
}
