//! The record that carries an act: its bytes, and the v1 entries that stand for the act
//! (`spec/delegation.md`, "Acts and records", "Projection").

use bytes::Bytes;
use prost::Message as _;

use super::{Context, Refusal, State};
use crate::act::{Act, Endorsement, Step};
use crate::id::RecordId;
use crate::key::KeyId;
use crate::name::LogName;
use crate::proto;
use crate::record::{OperatorEntry, OperatorPermission, OperatorRecord};
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

/// Makes the contents of the record that carries an act.
pub(super) fn contents(
    state: &State,
    context: &Context,
    act: &[u8],
    endorsements: &[Endorsement],
    commit_key: &KeyId,
) -> Result<Vec<u8>, Refusal> {
    let parsed = Act::decode(act)?;
    let mut endorsements = endorsements.to_vec();
    endorsements.sort_by_key(|endorsement| endorsement.key_id);
    let mut entries = projection(&parsed, state.head().is_none());
    if let Some(OperatorEntry::Init { key }) = entries.first()
        && key.id() != *commit_key
    {
        return Err(Refusal::Carrier {
            reason: "the first commit key of the act must sign the first record",
        });
    }
    let record = OperatorRecord {
        prev: state.head(),
        version: RECORD_VERSION,
        time: context.time,
        entries: std::mem::take(&mut entries),
    };
    let mut message = record.to_message();
    message.act = Bytes::copy_from_slice(act);
    message.endorsements = endorsements.iter().map(Endorsement::to_message).collect();
    Ok(message.encode_to_vec())
}

/// Takes a delegated record apart; only its canonical encoding is one.
pub(super) fn open(log: &LogName, contents: &[u8]) -> Result<Opened, Refusal> {
    if *log != LogName::Operator {
        return Err(Refusal::NotYet { what: format!("a delegated log of `{log}`") });
    }
    let message = proto::OperatorRecord::decode(contents)
        .map_err(|error| crate::record::RecordError::Decode { reason: error.to_string() })?;
    if message.encode_to_vec() != contents {
        return Err(Refusal::Carrier { reason: "it is not canonically encoded" });
    }
    if message.act.is_empty() {
        return Err(Refusal::NotYet { what: "a record without an act".to_owned() });
    }
    if message.endorsements.len() > crate::act::ENDORSEMENTS_MAX {
        return Err(Refusal::Carrier { reason: "it has too many endorsements" });
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

/// The v1 entries that stand for an act of the operator log: the commit keys, and nothing else.
fn projection(act: &Act, first: bool) -> Vec<OperatorEntry> {
    let grants = act.steps.iter().filter_map(|step| match step {
        Step::Grant(grant) if grant.powers.iter().any(|power| power == "commit") => Some(grant),
        _ => None,
    });
    let keys = grants.flat_map(|grant| grant.keys.iter());
    keys.enumerate()
        .map(|(at, key)| match (first, at) {
            (true, 0) => OperatorEntry::Init { key: key.clone() },
            _ => OperatorEntry::GrantFlat { key: key.clone(), permissions: OperatorPermission::ALL.to_vec() },
        })
        .collect()
}

/// The record's v1 entries are its act's projection, no more and no less.
pub(super) fn check_projection(act: &Act, opened: &Opened) -> Result<(), Refusal> {
    if opened.entries == projection(act, opened.prev.is_none()) {
        Ok(())
    } else {
        Err(Refusal::Carrier { reason: "its v1 entries are not those that stand for its act" })
    }
}
