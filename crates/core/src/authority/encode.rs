//! The one encoding of a log's state and of a release, by which a ledger holds them as rows instead of replaying
//! the log. Not part of any record: a ledger that cannot read a row replays.
//!
//! Strict: decoding takes only what encoding makes, and only if it hangs together.

use std::sync::Arc;

use prost::Message;

use super::release::{Release, Yanked};
use super::role::{Power, Role, RoleId, RolePath, Scope};
use super::{OWNER, State};
use crate::act::{OnBehalfOf, VariantKind};
use crate::digest::Digest;
use crate::id::RecordId;
use crate::key::{KeyId, PublicKey};
use crate::name::Namespace;
use crate::proto::Timestamp;
use crate::record::{parse_time, time_message};
use crate::time::Time;

/// The number of this encoding; it changes when the shapes do.
pub(super) const FORMAT: u32 = 3;

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
    #[prost(string, tag = "8")]
    policy: String,
    #[prost(bytes = "vec", tag = "9")]
    first: Vec<u8>,
    #[prost(uint64, tag = "10")]
    length: u64,
    #[prost(message, repeated, tag = "11")]
    imports: Vec<PairMessage>,
    #[prost(message, repeated, tag = "12")]
    vkeys: Vec<PairMessage>,
    #[prost(message, repeated, tag = "13")]
    distrusted: Vec<DistrustMessage>,
    #[prost(bytes = "vec", repeated, tag = "14")]
    v1_keys: Vec<Vec<u8>>,
}

/// A namespace and the registry that it is imported from, or an origin and its vkey.
#[derive(Clone, PartialEq, Message)]
struct PairMessage {
    #[prost(string, tag = "1")]
    of: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct DistrustMessage {
    #[prost(message, optional, tag = "1")]
    role: Option<RoleIdMessage>,
    #[prost(uint64, tag = "2")]
    from: u64,
    #[prost(uint64, tag = "3")]
    to: u64,
}

/// A role and what it hangs under.
#[derive(Clone, PartialEq, Message)]
struct PathMessage {
    #[prost(message, repeated, tag = "1")]
    roles: Vec<RoleIdMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct YankedMessage {
    #[prost(message, optional, tag = "1")]
    place: Option<PlaceMessage>,
    #[prost(string, tag = "2")]
    reason: String,
}

/// A record and its time.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PlaceMessage {
    #[prost(bytes = "vec", tag = "1")]
    record: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    time: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RoleIdMessage {
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
    allowed_by: Vec<PathMessage>,
    #[prost(message, optional, tag = "8")]
    yanked: Option<YankedMessage>,
    #[prost(uint64, tag = "9")]
    place: u64,
    #[prost(bytes = "vec", optional, tag = "10")]
    endorsed: Option<Vec<u8>>,
    #[prost(string, repeated, tag = "11")]
    variants: Vec<String>,
    #[prost(message, optional, tag = "12")]
    carried_yank: Option<YankedMessage>,
}

pub(super) fn field<T>(field: &'static str, value: Option<T>) -> Result<T, StateError> {
    value.ok_or(StateError::Field { field })
}

pub(super) fn parse<T: std::str::FromStr>(name: &'static str, text: &str) -> Result<T, StateError> {
    field(name, text.parse().ok())
}

pub(super) fn time(message: Option<&Timestamp>) -> Result<Time, StateError> {
    field("time", parse_time(message).ok())
}

pub(super) fn read<M: Message + Default>(bytes: &[u8], format: fn(&M) -> u32) -> Result<M, StateError> {
    let message = M::decode(bytes).map_err(|error| StateError::Decode { reason: error.to_string() })?;
    match format(&message) {
        FORMAT => Ok(message),
        found => Err(StateError::Format { found }),
    }
}

pub(super) fn key_id(bytes: &[u8]) -> Result<KeyId, StateError> {
    field("key id", KeyId::from_slice(bytes))
}

fn record_id(bytes: &[u8]) -> Result<RecordId, StateError> {
    field("record", RecordId::from_slice(bytes))
}

fn gather<T, C: FromIterator<T>>(
    values: impl Iterator<Item = Result<T, StateError>>,
) -> Result<Arc<C>, StateError> {
    values.collect::<Result<C, _>>().map(Arc::new)
}

pub(super) fn place_message(record: RecordId, time: Time) -> PlaceMessage {
    PlaceMessage { record: record.as_bytes().to_vec(), time: Some(time_message(time)) }
}

pub(super) fn read_place(message: &PlaceMessage) -> Result<(RecordId, Time), StateError> {
    Ok((record_id(&message.record)?, time(message.time.as_ref())?))
}

impl From<RoleId> for RoleIdMessage {
    fn from(id: RoleId) -> Self {
        Self { record: id.record.as_bytes().to_vec(), step: id.step as u64 }
    }
}

impl RoleIdMessage {
    pub(super) fn read(&self) -> Result<RoleId, StateError> {
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
        let import =
            |(of, value): (&Namespace, &String)| PairMessage { of: of.to_string(), value: value.clone() };
        let vkey = |(of, value): (&String, &String)| PairMessage { of: of.clone(), value: value.clone() };
        let distrust = |(role, (from, to)): (&RoleId, &(u64, u64))| DistrustMessage {
            role: Some((*role).into()),
            from: *from,
            to: *to,
        };
        StateMessage {
            format: FORMAT,
            log: self.log.as_str().to_owned(),
            head: self.head.map(|(record, time)| place_message(record, time)),
            roles: self.roles.iter().map(RoleMessage::of).collect(),
            used: self.used.iter().map(used).collect(),
            commit_ever: self.commit_ever.iter().map(ToString::to_string).collect(),
            publish_ever: self.publish_ever.iter().map(|key| key.as_bytes().to_vec()).collect(),
            policy: self.policy.to_string(),
            first: self.first.map(|first| first.as_bytes().to_vec()).unwrap_or_default(),
            length: self.length,
            imports: self.imports.iter().map(import).collect(),
            vkeys: self.vkeys.iter().map(vkey).collect(),
            distrusted: self.distrusted.iter().map(distrust).collect(),
            v1_keys: self.v1_keys.iter().map(|key| key.as_bytes().to_vec()).collect(),
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
        let imports = message.imports.into_iter().map(|pair| Ok((parse("import", &pair.of)?, pair.value)));
        let distrusted = message.distrusted.iter().map(|one| {
            let role = field("distrusted role", one.role.as_ref())?.read()?;
            Ok((role, (one.from, one.to)))
        });
        let first =
            (!message.first.is_empty()).then(|| field("first record", RecordId::from_slice(&message.first)));
        let commit_ever = message.commit_ever.iter().map(|text| parse("commit key", text));
        let state = Self {
            log: parse("log", &message.log)?,
            first: first.transpose()?,
            head: message.head.as_ref().map(read_place).transpose()?,
            length: message.length,
            roles: Arc::new(roles),
            used: gather(message.used.into_iter().map(used))?,
            commit_ever: gather(commit_ever)?,
            publish_ever: gather(message.publish_ever.iter().map(|bytes| key_id(bytes)))?,
            imports: gather(imports)?,
            vkeys: Arc::new(message.vkeys.into_iter().map(|pair| (pair.of, pair.value)).collect()),
            distrusted: gather(distrusted)?,
            v1_keys: gather(message.v1_keys.iter().map(|bytes| key_id(bytes)))?,
            policy: parse("policy", &message.policy)?,
        };
        let begun = [!state.roles.is_empty(), state.first.is_some(), state.length > 0];
        field("head", begun.iter().all(|has| *has == state.head.is_some()).then_some(()))?;
        if state.encode() == bytes { Ok(state) } else { Err(StateError::NotCanonical) }
    }

    /// The same state as of a later record that changed nothing else of it: where the log's head stands is told beside
    /// it ([`Changes::moves_only`]).
    #[must_use]
    pub fn moved_to(self, head: RecordId, time: Time, length: u64) -> Self {
        Self { head: Some((head, time)), length, ..self }
    }

    /// Whether it is an earlier state of the log but for where its head stands.
    pub(super) fn is_moved(&self, before: &Self) -> bool {
        self.but_head() == before.but_head()
    }

    fn but_head(&self) -> impl PartialEq + '_ {
        let Self {
            log,
            first,
            head: _,
            length: _,
            roles,
            used,
            commit_ever,
            publish_ever,
            imports,
            vkeys,
            distrusted,
            v1_keys,
            policy,
        } = self;
        (log, first, roles, used, commit_ever, publish_ever, imports, vkeys, distrusted, v1_keys, policy)
    }
}

impl Release {
    /// The release's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let path = |path: &RolePath| PathMessage { roles: path.iter().copied().map(Into::into).collect() };
        let yanked = |yanked: &Yanked| YankedMessage {
            place: Some(place_message(yanked.record, yanked.time)),
            reason: yanked.reason.clone(),
        };
        ReleaseMessage {
            format: FORMAT,
            version: self.version.to_string(),
            released: Some(place_message(self.record, self.time)),
            content: self.content.as_bytes().to_vec(),
            manifest: self.manifest.map(|manifest| manifest.as_bytes().to_vec()),
            on_behalf_of: self.on_behalf_of.as_ref().map(ToString::to_string).unwrap_or_default(),
            allowed_by: self.allowed_by.iter().map(path).collect(),
            yanked: self.yanked.as_ref().map(yanked),
            place: self.place,
            endorsed: self.endorsed.map(|record| record.as_bytes().to_vec()),
            variants: self.variants.iter().map(ToString::to_string).collect(),
            carried_yank: self.carried_yank.as_ref().map(yanked),
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
        let yanked = |yanked: YankedMessage| {
            let (record, time) = read_place(&field("yank", yanked.place)?)?;
            Ok(Yanked { record, time, reason: yanked.reason })
        };
        let path =
            |path: &PathMessage| path.roles.iter().map(RoleIdMessage::read).collect::<Result<RolePath, _>>();
        let variant = |text: &String| field("variant", VariantKind::parse(text));
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
            place: message.place,
            allowed_by: message.allowed_by.iter().map(path).collect::<Result<_, _>>()?,
            endorsed: message.endorsed.as_deref().map(record_id).transpose()?,
            variants: message.variants.iter().map(variant).collect::<Result<_, _>>()?,
            yanked: message.yanked.map(yanked).transpose()?,
            carried_yank: message.carried_yank.map(yanked).transpose()?,
        };
        if release.encode() == bytes { Ok(release) } else { Err(StateError::NotCanonical) }
    }
}
