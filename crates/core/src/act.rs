//! Acts: what people sign. The registry carries an act in a record, and the act decides what the record may do.
//!
//! One encoding is accepted: fields ascending, each once, defaults absent, nothing unknown
//! (`spec/delegation.md`, "Acts and records"). Steps that are not built yet are known by name and refused.

use prost::Message as _;

use crate::digest::Digest;
use crate::id::{LogId, RecordId};
use crate::key::{KeyError, KeyId, PublicKey, SecretKey, Signature};
use crate::proto::{self, step};
use crate::record::{RecordError, parse_time, time_message};
use crate::time::Time;

/// Longest window of an act, in seconds: 30 days.
pub const ACT_WINDOW_SECONDS_MAX: i64 = 30 * 24 * 60 * 60;

/// Most endorsements of an act.
pub const ENDORSEMENTS_MAX: usize = 64;

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

/// One thing that an act does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Names the log's owners; the first step of its first record.
    Init {
        /// Their keys.
        keys: Vec<PublicKey>,
        /// How many of them must agree.
        threshold: u32,
    },
    /// Makes a role, or adds to a live one.
    Grant(Grant),
    /// A step that this version knows by name only.
    NotYet {
        /// The step's message, exactly.
        message: step::Step,
    },
}

/// What a grant says; what is absent is copied from the parent, or unchanged in a live role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The role's name.
    pub role: String,
    /// The keys that get it.
    pub keys: Vec<PublicKey>,
    /// How many of its keys must agree; 0 if absent.
    pub threshold: u32,
    /// Its powers.
    pub powers: Vec<String>,
    /// What it may use them on.
    pub scope: Vec<String>,
    /// When it ends.
    pub not_after: Option<Time>,
    /// How deep it may delegate.
    pub depth: u32,
    /// The role that it hangs under; `owner` if absent.
    pub parent: String,
}

/// An act that is refused for its form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ActError {
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
/// As [`SecretKey::sign`].
pub fn endorse(act: &[u8], key: &SecretKey) -> Result<Endorsement, KeyError> {
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
        let message =
            proto::Act::decode(bytes).map_err(|error| ActError::Decode { reason: error.to_string() })?;
        if message.encode_to_vec() != bytes {
            return Err(ActError::NotCanonical);
        }
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
}

fn unique<T: PartialEq>(field: &'static str, values: &[T]) -> Result<(), ActError> {
    let twice = values.iter().enumerate().any(|(at, value)| values.iter().take(at).any(|v| v == value));
    if twice { Err(ActError::Twice { field }) } else { Ok(()) }
}

fn parse_keys(texts: &[String]) -> Result<Vec<PublicKey>, ActError> {
    unique("keys", texts)?;
    texts.iter().map(|text| text.parse().map_err(|_| ActError::Field { field: "key" })).collect()
}

impl Step {
    fn from_message(message: proto::Step) -> Result<Self, ActError> {
        Ok(match message.step.ok_or(ActError::Field { field: "step" })? {
            step::Step::Init(init) => Self::Init { keys: parse_keys(&init.keys)?, threshold: init.threshold },
            step::Step::Grant(grant) => {
                unique("powers", &grant.powers)?;
                unique("scope", &grant.scope)?;
                Self::Grant(Grant {
                    keys: parse_keys(&grant.keys)?,
                    role: grant.role,
                    threshold: grant.threshold,
                    powers: grant.powers,
                    scope: grant.scope,
                    not_after: grant.not_after.as_ref().map(|time| parse_time(Some(time))).transpose()?,
                    depth: grant.depth,
                    parent: grant.parent,
                })
            }
            message => Self::NotYet { message },
        })
    }

    fn to_message(&self) -> proto::Step {
        let texts = |keys: &[PublicKey]| keys.iter().map(ToString::to_string).collect();
        let step = match self {
            Self::Init { keys, threshold } => {
                step::Step::Init(proto::Init { keys: texts(keys), threshold: *threshold })
            }
            Self::Grant(grant) => step::Step::Grant(proto::Grant {
                role: grant.role.clone(),
                keys: texts(&grant.keys),
                threshold: grant.threshold,
                powers: grant.powers.clone(),
                scope: grant.scope.clone(),
                not_after: grant.not_after.map(time_message),
                depth: grant.depth,
                parent: grant.parent.clone(),
            }),
            Self::NotYet { message } => message.clone(),
        };
        proto::Step { step: Some(step) }
    }

    /// The step's name, for messages.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Init { .. } => "Init",
            Self::Grant(_) => "Grant",
            Self::NotYet { message } => match message {
                step::Step::Init(_) => "Init",
                step::Step::Grant(_) => "Grant",
                step::Step::Revoke(_) => "Revoke",
                step::Step::Release(_) => "Release",
                step::Step::Yank(_) => "Yank",
                step::Step::Annotate(_) => "Annotate",
                step::Step::Admit(_) => "Admit",
                step::Step::Recover(_) => "Recover",
                step::Step::Import(_) => "Import",
                step::Step::Takedown(_) => "Takedown",
            },
        }
    }
}
