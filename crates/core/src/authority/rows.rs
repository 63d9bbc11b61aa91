//! Facts as rows: what a ledger keeps of a delegated log beside its state and its releases, each found by what it is
//! about. Strict, as the encodings of states and releases are.

use std::collections::BTreeMap;

use prost::Message;

use super::annotate::Annotation;
use super::encode::FORMAT;
use super::encode::{
    PlaceMessage, RoleIdMessage, StateError, field, key_id, parse, place_message, read, read_place, time,
};
use super::judge::Changes;
use super::role::RoleId;
use super::start::Admission;
use super::takedown::Takedown;
use crate::act::AnnotationKind;
use crate::proto::Timestamp;
use crate::record::time_message;

#[derive(Clone, PartialEq, Message)]
struct DeadMessage {
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(message, optional, tag = "2")]
    role: Option<RoleIdMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct AdmissionMessage {
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(bytes = "vec", tag = "3")]
    key: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct AnnotationMessage {
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(string, tag = "2")]
    kind: String,
    #[prost(string, tag = "3")]
    subject: String,
    #[prost(string, tag = "4")]
    value: String,
    #[prost(message, optional, tag = "5")]
    said: Option<PlaceMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct TakedownMessage {
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(string, tag = "2")]
    package: String,
    #[prost(string, tag = "3")]
    version: String,
    #[prost(string, tag = "4")]
    reason: String,
    #[prost(bool, tag = "5")]
    lifted: bool,
    #[prost(message, optional, tag = "6")]
    not_after: Option<Timestamp>,
    #[prost(message, optional, tag = "7")]
    said: Option<PlaceMessage>,
}

/// What a row about the last dead role of a name is found by.
#[must_use]
pub fn dead_role_key(name: &str) -> String {
    format!("dead {name}")
}

/// What the keys of rows about takedowns lie between, in byte order: from the first, and before the second.
pub const TAKEDOWN_KEYS: [&str; 2] = ["takedown ", "takedown!"];

impl Changes {
    /// The rows that a record makes or replaces, by what they are about.
    #[must_use]
    pub fn fact_rows(&self) -> BTreeMap<String, Vec<u8>> {
        let dead = self.dead.iter().map(|(name, role)| (dead_role_key(name), role.encode()));
        let admitted = self.admitted.iter().map(|one| (one.row_key(), one.encode()));
        let said = self.annotations.iter().map(|said| (said.key(), said.encode()));
        let takedowns = self.takedowns.iter().map(|said| (said.key(), said.encode()));
        dead.chain(admitted).chain(said).chain(takedowns).collect()
    }
}

impl RoleId {
    /// The bytes of a row about a dead role.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        DeadMessage { format: FORMAT, role: Some((*self).into()) }.encode_to_vec()
    }

    /// Reads what [`RoleId::encode`] made, and nothing else.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let message: DeadMessage = read(bytes, |message: &DeadMessage| message.format)?;
        let role = field("dead role", message.role)?.read()?;
        if role.encode() == bytes { Ok(role) } else { Err(StateError::NotCanonical) }
    }
}

impl Admission {
    /// What its row is found by.
    #[must_use]
    pub fn row_key(&self) -> String {
        format!("admitted {} {}", self.name, self.key)
    }

    /// Its row.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        AdmissionMessage { format: FORMAT, name: self.name.clone(), key: self.key.as_bytes().to_vec() }
            .encode_to_vec()
    }

    /// Reads what [`Admission::encode`] made, and nothing else.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let message: AdmissionMessage = read(bytes, |message: &AdmissionMessage| message.format)?;
        let admission = Self { key: key_id(&message.key)?, name: message.name };
        if admission.encode() == bytes { Ok(admission) } else { Err(StateError::NotCanonical) }
    }
}

impl Annotation {
    /// What its row is found by.
    #[must_use]
    pub fn key(&self) -> String {
        Self::key_of(self.kind, &self.subject)
    }

    /// What the row of a kind about a subject is found by.
    #[must_use]
    pub fn key_of(kind: AnnotationKind, subject: &str) -> String {
        format!("{kind} {subject}")
    }

    /// Its row.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        AnnotationMessage {
            format: FORMAT,
            kind: self.kind.to_string(),
            subject: self.subject.clone(),
            value: self.value.clone(),
            said: Some(place_message(self.record, self.time)),
        }
        .encode_to_vec()
    }

    /// Reads what [`Annotation::encode`] made, and nothing else.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let message: AnnotationMessage = read(bytes, |message: &AnnotationMessage| message.format)?;
        let (record, time) = read_place(&field("record", message.said)?)?;
        let kind = field("annotation's kind", AnnotationKind::parse(&message.kind))?;
        let annotation = Self { kind, subject: message.subject, value: message.value, record, time };
        if annotation.encode() == bytes { Ok(annotation) } else { Err(StateError::NotCanonical) }
    }
}

impl Takedown {
    /// What its row is found by.
    #[must_use]
    pub fn key(&self) -> String {
        match &self.version {
            Some(version) => format!("{}{}@{version}", TAKEDOWN_KEYS[0], self.package),
            None => format!("{}{}", TAKEDOWN_KEYS[0], self.package),
        }
    }

    /// Its row.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        TakedownMessage {
            format: FORMAT,
            package: self.package.to_string(),
            version: self.version.as_ref().map(ToString::to_string).unwrap_or_default(),
            reason: self.reason.clone(),
            lifted: self.lifted,
            not_after: self.not_after.map(time_message),
            said: Some(place_message(self.record, self.time)),
        }
        .encode_to_vec()
    }

    /// Reads what [`Takedown::encode`] made, and nothing else.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let message: TakedownMessage = read(bytes, |message: &TakedownMessage| message.format)?;
        let (record, at) = read_place(&field("record", message.said)?)?;
        let version = (!message.version.is_empty()).then(|| parse("version", &message.version));
        let takedown = Self {
            package: parse("package", &message.package)?,
            version: version.transpose()?,
            reason: message.reason,
            lifted: message.lifted,
            not_after: message.not_after.as_ref().map(|end| time(Some(end))).transpose()?,
            record,
            time: at,
        };
        if takedown.encode() == bytes { Ok(takedown) } else { Err(StateError::NotCanonical) }
    }
}
