//! The one encoding of a log's state and of a release, by which a ledger holds them as rows instead of replaying
//! the log. Not part of any record: a ledger that cannot read a row replays.
//!
//! Strict: decoding takes only what encoding makes, and only if it hangs together.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;

use super::release::{Release, Yanked};
use super::role::{Power, Role, RoleId, Scope};
use super::{OWNER, State};
use crate::act::OnBehalfOf;
use crate::digest::Digest;
use crate::id::RecordId;
use crate::key::{KeyId, PublicKey};
use crate::proto::Timestamp;
use crate::record::{parse_time, time_message};
use crate::time::Time;

/// The number of this encoding; it changes when the shapes do.
const FORMAT: u32 = 1;

/// Bytes that are not the encoding of a state or a release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// No protobuf of this shape.
    #[error("it cannot be decoded: {reason}")]
    Decode {
        /// What the decoder says.
        reason: String,
    },
    /// Written by another version.
    #[error("its encoding has the number {found}, this version knows {FORMAT}")]
    Format {
        /// The number that stands there.
        found: u32,
    },
    /// A field is absent or its value is not allowed.
    #[error("its {field} is missing or malformed")]
    Field {
        /// Which field.
        field: &'static str,
    },
    /// Another encoding of the same fields, or unknown fields.
    #[error("it is not canonically encoded")]
    NotCanonical,
}

#[derive(Clone, PartialEq, Message)]
struct StateMessage {
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(string, tag = "2")]
    log: String,
    #[prost(message, optional, tag = "3")]
    head: Option<PlaceMessage>,
    #[prost(message, repeated, tag = "4")]
    roles: Vec<RoleMessage>,
    #[prost(message, repeated, tag = "5")]
    used: Vec<UsedMessage>,
    #[prost(string, repeated, tag = "6")]
    commit_ever: Vec<String>,
    #[prost(bytes = "vec", repeated, tag = "7")]
    publish_ever: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "8")]
    admitted: Vec<AdmittedMessage>,
    #[prost(string, tag = "9")]
    policy: String,
}

/// A record and its time.
#[derive(Clone, PartialEq, Message)]
struct PlaceMessage {
    #[prost(bytes = "vec", tag = "1")]
    record: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    time: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Message)]
struct RoleIdMessage {
    #[prost(bytes = "vec", tag = "1")]
    record: Vec<u8>,
    #[prost(uint64, tag = "2")]
    step: u64,
}

#[derive(Clone, PartialEq, Message)]
struct RoleMessage {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    made: Option<RoleIdMessage>,
    #[prost(string, repeated, tag = "3")]
    keys: Vec<String>,
    #[prost(uint32, tag = "4")]
    threshold: u32,
    #[prost(string, repeated, tag = "5")]
    powers: Vec<String>,
    #[prost(string, repeated, tag = "6")]
    scope: Vec<String>,
    #[prost(message, optional, tag = "7")]
    not_after: Option<Timestamp>,
    #[prost(uint32, tag = "8")]
    depth: u32,
    #[prost(message, optional, tag = "9")]
    parent: Option<RoleIdMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct UsedMessage {
    #[prost(bytes = "vec", tag = "1")]
    act: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    until: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Message)]
struct AdmittedMessage {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", tag = "2")]
    key: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct ReleaseMessage {
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(string, tag = "2")]
    version: String,
    #[prost(message, optional, tag = "3")]
    released: Option<PlaceMessage>,
    #[prost(bytes = "vec", tag = "4")]
    content: Vec<u8>,
    #[prost(bytes = "vec", optional, tag = "5")]
    manifest: Option<Vec<u8>>,
    #[prost(string, tag = "6")]
    on_behalf_of: String,
    #[prost(message, repeated, tag = "7")]
    allowed_by: Vec<RoleIdMessage>,
    #[prost(message, optional, tag = "8")]
    yanked: Option<PlaceMessage>,
}

fn field<T>(field: &'static str, value: Option<T>) -> Result<T, StateError> {
    value.ok_or(StateError::Field { field })
}

fn parse<T: std::str::FromStr>(name: &'static str, text: &str) -> Result<T, StateError> {
    field(name, text.parse().ok())
}

fn time(message: Option<&Timestamp>) -> Result<Time, StateError> {
    field("time", parse_time(message).ok())
}

fn read<M: Message + Default>(bytes: &[u8], format: fn(&M) -> u32) -> Result<M, StateError> {
    let message = M::decode(bytes).map_err(|error| StateError::Decode { reason: error.to_string() })?;
    match format(&message) {
        FORMAT => Ok(message),
        found => Err(StateError::Format { found }),
    }
}

fn place_message(record: RecordId, time: Time) -> PlaceMessage {
    PlaceMessage { record: record.as_bytes().to_vec(), time: Some(time_message(time)) }
}

fn read_place(message: &PlaceMessage) -> Result<(RecordId, Time), StateError> {
    Ok((field("record", RecordId::from_slice(&message.record))?, time(message.time.as_ref())?))
}

impl From<RoleId> for RoleIdMessage {
    fn from(id: RoleId) -> Self {
        Self { record: id.record.as_bytes().to_vec(), step: id.step as u64 }
    }
}

impl RoleIdMessage {
    fn read(&self) -> Result<RoleId, StateError> {
        let record = field("role's record", RecordId::from_slice(&self.record))?;
        Ok(RoleId { record, step: field("role's step", usize::try_from(self.step).ok())? })
    }
}

impl RoleMessage {
    fn of(role: &Role) -> Self {
        Self {
            name: role.name.clone(),
            made: Some(role.made.into()),
            keys: role.keys.values().map(ToString::to_string).collect(),
            threshold: role.threshold,
            powers: role.powers.iter().map(ToString::to_string).collect(),
            scope: role.scope.to_texts(),
            not_after: role.not_after.map(time_message),
            depth: role.depth,
            parent: role.parent.map(RoleIdMessage::from),
        }
    }

    /// A role; what it hangs under was made before it, so that the roles are a tree.
    fn read(self, earlier: &[Role]) -> Result<Role, StateError> {
        let made = field("role's record", self.made)?.read()?;
        let parent = self.parent.map(|parent| parent.read()).transpose()?;
        let hangs = match parent {
            None => earlier.is_empty() && self.name == OWNER,
            Some(parent) => earlier.iter().any(|role| role.made == parent),
        };
        field("role's parent", (hangs && earlier.iter().all(|role| role.made != made)).then_some(()))?;
        let keys = self.keys.iter().map(|text| parse::<PublicKey>("role's key", text));
        let powers = self.powers.iter().map(|text| field("role's power", Power::parse(text)));
        Ok(Role {
            name: self.name,
            made,
            keys: keys.map(|key| key.map(|key| (key.id(), key))).collect::<Result<_, _>>()?,
            threshold: self.threshold,
            powers: powers.collect::<Result<_, _>>()?,
            scope: field("role's scope", Scope::parse(&self.scope))?,
            not_after: self.not_after.map(|end| time(Some(&end))).transpose()?,
            depth: self.depth,
            parent,
        })
    }
}

impl State {
    /// The state's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let used = |(act, until): (&Digest, &Time)| UsedMessage {
            act: act.as_bytes().to_vec(),
            until: Some(time_message(*until)),
        };
        let admitted = |(name, key): &(String, KeyId)| AdmittedMessage {
            name: name.clone(),
            key: key.as_bytes().to_vec(),
        };
        StateMessage {
            format: FORMAT,
            log: self.log.as_str().to_owned(),
            head: self.head.map(|(record, time)| place_message(record, time)),
            roles: self.roles.iter().map(RoleMessage::of).collect(),
            used: self.used.iter().map(used).collect(),
            commit_ever: self.commit_ever.iter().map(ToString::to_string).collect(),
            publish_ever: self.publish_ever.iter().map(|key| key.as_bytes().to_vec()).collect(),
            admitted: self.admitted.iter().map(admitted).collect(),
            policy: self.policy.to_string(),
        }
        .encode_to_vec()
    }

    /// Reads what [`State::encode`] made, and nothing else.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let message: StateMessage = read(bytes, |message: &StateMessage| message.format)?;
        let mut roles = Vec::with_capacity(message.roles.len());
        for role in message.roles {
            roles.push(role.read(&roles)?);
        }
        let used = |used: UsedMessage| {
            Ok((field("act", Digest::from_slice(&used.act))?, time(used.until.as_ref())?))
        };
        let key_id = |bytes: &[u8]| field("key id", KeyId::from_slice(bytes));
        let admitted = |admitted: AdmittedMessage| Ok((admitted.name, key_id(&admitted.key)?));
        let state = Self {
            log: parse("log", &message.log)?,
            head: message.head.as_ref().map(read_place).transpose()?,
            roles,
            used: message.used.into_iter().map(used).collect::<Result<BTreeMap<_, _>, _>>()?,
            commit_ever: message
                .commit_ever
                .iter()
                .map(|text| parse("commit key", text))
                .collect::<Result<_, _>>()?,
            publish_ever: message
                .publish_ever
                .iter()
                .map(|bytes| key_id(bytes))
                .collect::<Result<BTreeSet<_>, _>>()?,
            admitted: message
                .admitted
                .into_iter()
                .map(admitted)
                .collect::<Result<BTreeSet<_>, StateError>>()?,
            policy: parse("policy", &message.policy)?,
        };
        field("head", (state.head.is_some() != state.roles.is_empty()).then_some(()))?;
        if state.encode() == bytes { Ok(state) } else { Err(StateError::NotCanonical) }
    }
}

impl Release {
    /// The release's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        ReleaseMessage {
            format: FORMAT,
            version: self.version.to_string(),
            released: Some(place_message(self.record, self.time)),
            content: self.content.as_bytes().to_vec(),
            manifest: self.manifest.map(|manifest| manifest.as_bytes().to_vec()),
            on_behalf_of: self.on_behalf_of.as_ref().map(ToString::to_string).unwrap_or_default(),
            allowed_by: self.allowed_by.iter().map(|role| RoleIdMessage::from(*role)).collect(),
            yanked: self.yanked.as_ref().map(|yanked| place_message(yanked.record, yanked.time)),
        }
        .encode_to_vec()
    }

    /// Reads what [`Release::encode`] made, and nothing else.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let message: ReleaseMessage = read(bytes, |message: &ReleaseMessage| message.format)?;
        let (record, time) = read_place(&field("record", message.released)?)?;
        let manifest = message.manifest.as_deref().map(|bytes| field("manifest", Digest::from_slice(bytes)));
        let yanked = message.yanked.as_ref().map(read_place).transpose()?;
        let on_behalf_of = match message.on_behalf_of.as_str() {
            "" => None,
            text => Some(field("on_behalf_of", OnBehalfOf::parse(text))?),
        };
        let release = Self {
            version: parse("version", &message.version)?,
            record,
            time,
            content: field("content", Digest::from_slice(&message.content))?,
            manifest: manifest.transpose()?,
            on_behalf_of,
            allowed_by: message.allowed_by.iter().map(RoleIdMessage::read).collect::<Result<_, _>>()?,
            yanked: yanked.map(|(record, time)| Yanked { record, time }),
        };
        if release.encode() == bytes { Ok(release) } else { Err(StateError::NotCanonical) }
    }
}
