//! The record that carries an act: its bytes, and the v1 entries that stand for the act
//! (`spec/delegation.md`, "Acts and records", "Projection").

use bytes::Bytes;
use prost::Message as _;

use super::{Refusal, step_refused};
use crate::act::Endorsement;
use crate::id::RecordId;
use crate::key::PublicKey;
use crate::proto;
use crate::record::{OperatorEntry, OperatorPermission, OperatorRecord, RecordError};
use crate::time::Time;
use crate::v1::package::RECORD_VERSION;

/// A delegated record, taken apart.
pub(super) struct Opened {
    pub(super) prev: Option<RecordId>,
    pub(super) time: Time,
    pub(super) entries: Vec<OperatorEntry>,
    pub(super) act: Bytes,
    pub(super) endorsements: Vec<Endorsement>,
}

/// The bytes of the record that carries an act: the inverse of [`open`].
pub(super) fn contents(opened: &Opened) -> Vec<u8> {
    let record = OperatorRecord {
        prev: opened.prev,
        version: RECORD_VERSION,
        time: opened.time,
        entries: opened.entries.clone(),
    };
    let mut message = record.to_message();
    message.act = opened.act.clone();
    message.endorsements = opened.endorsements.iter().map(Endorsement::to_message).collect();
    message.encode_to_vec()
}

/// Takes a delegated record apart; only its canonical encoding is one.
pub(super) fn open(contents: &[u8], first: bool) -> Result<Opened, Refusal> {
    let message = proto::OperatorRecord::decode(contents)
        .map_err(|error| RecordError::Decode { reason: error.to_string() })?;
    if message.encode_to_vec() != contents {
        return Err(Refusal::Carrier { reason: "it is not canonically encoded" });
    }
    if message.act.is_empty() {
        return Err(match first {
            true => Refusal::Carrier { reason: "it has no act, and an operator log begins with one" },
            false => Refusal::NotYet { what: "a carrier record, without an act,".to_owned() },
        });
    }
    let act = message.act.clone();
    let endorsements =
        message.endorsements.iter().map(Endorsement::from_message).collect::<Result<Vec<_>, _>>()?;
    let record = OperatorRecord::from_message(message)?;
    if record.version != RECORD_VERSION {
        return Err(Refusal::Carrier { reason: "its protocol version is not 0" });
    }
    Ok(Opened { prev: record.prev, time: record.time, entries: record.entries, act, endorsements })
}

/// The v1 entries that stand for an act of the operator log: the keys that it gives `commit`, nothing else.
pub(super) fn projection(committers: &[PublicKey], first: bool) -> Result<Vec<OperatorEntry>, Refusal> {
    if first && committers.is_empty() {
        return Err(step_refused(
            "Init",
            "the same act must give `commit` to a key, or nothing could be signed",
        ));
    }
    let entry = |(at, key): (usize, &PublicKey)| match (first, at) {
        (true, 0) => OperatorEntry::Init { key: key.clone() },
        _ => OperatorEntry::GrantFlat { key: key.clone(), permissions: OperatorPermission::ALL.to_vec() },
    };
    Ok(committers.iter().enumerate().map(entry).collect())
}
