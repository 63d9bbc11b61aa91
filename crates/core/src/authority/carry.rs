//! The record that carries an act: its bytes, and the v1 entries that stand for the act
//! (`spec/delegation.md`, "Acts and records", "Projection").

use std::collections::BTreeSet;
use std::mem::take;

use bytes::Bytes;
use prost::Message;

use super::judge::Doing;
use super::{Refusal, step_refused};
use crate::act::{Act, Endorsement};
use crate::id::{Layer, RecordId};
use crate::key::{KeyId, PublicKey};
use crate::name::Namespace;
use crate::proto;
use crate::record::{
    OperatorEntry, OperatorPermission, OperatorRecord, PackageEntry, PackagePermission, PackageRecord,
    RecordError,
};
use crate::time::Time;
use crate::v1::package::RECORD_VERSION;

/// The v1 entries of a delegated record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entries {
    Operator(Vec<OperatorEntry>),
    /// A namespace's record has a package record's shape.
    Package(Vec<PackageEntry>),
}

/// Lets a commit key into an operator log's v1 view.
pub(super) fn operator_grant(key: PublicKey) -> OperatorEntry {
    OperatorEntry::GrantFlat { key, permissions: OperatorPermission::ALL.to_vec() }
}

/// Lets a commit key into a namespace's or package's v1 view.
pub(super) fn package_grant(key: PublicKey) -> PackageEntry {
    PackageEntry::GrantFlat { key, permissions: PackagePermission::ALL.to_vec() }
}

impl Entries {
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Operator(entries) => entries.is_empty(),
            Self::Package(entries) => entries.is_empty(),
        }
    }

    pub(super) fn none(layer: Layer) -> Self {
        match layer {
            Layer::Operator => Self::Operator(Vec::new()),
            Layer::Namespace | Layer::Package => Self::Package(Vec::new()),
        }
    }
}

/// A delegated record, taken apart.
pub(super) struct Opened {
    pub(super) prev: Option<RecordId>,
    pub(super) time: Time,
    pub(super) entries: Entries,
    pub(super) act: Bytes,
    pub(super) endorsements: Vec<Endorsement>,
}

/// The bytes of the record that carries an act: the inverse of [`open`].
pub(super) fn contents(opened: &Opened) -> Vec<u8> {
    let (prev, version, time) = (opened.prev, RECORD_VERSION, opened.time);
    let act = opened.act.clone();
    let endorsements = opened.endorsements.iter().map(Endorsement::to_message).collect();
    match opened.entries.clone() {
        Entries::Operator(entries) => {
            let v1 = OperatorRecord { prev, version, time, entries }.to_message();
            proto::OperatorRecord { act, endorsements, ..v1 }.encode_to_vec()
        }
        Entries::Package(entries) => {
            let v1 = PackageRecord { prev, version, time, entries }.to_message();
            proto::PackageRecord { act, endorsements, ..v1 }.encode_to_vec()
        }
    }
}

/// Whose endorsements a package's delegated record carries; that they verify is what judging it shows.
///
/// # Errors
/// [`Refusal`] if it is no such record.
pub fn endorsers(contents: &[u8], first: bool) -> Result<Vec<KeyId>, Refusal> {
    let opened = open(&Bytes::copy_from_slice(contents), Layer::Package, first)?;
    Ok(opened.endorsements.iter().map(|endorsement| endorsement.key_id).collect())
}

/// The exact bytes of the act that an operator log's first record carries.
///
/// # Errors
/// [`Refusal`] if it is no such record.
pub fn first_act(contents: &Bytes) -> Result<Bytes, Refusal> {
    Ok(open(contents, Layer::Operator, true)?.act)
}

/// What a delegated record says, for people to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its time.
    pub time: Time,
    /// The act that it carries; a carrier record has none.
    pub act: Option<Act>,
    /// Whose endorsements it carries.
    pub endorsers: Vec<KeyId>,
}

/// Reads what a delegated record of a log of this layer says; that it is valid is what judging it shows.
///
/// # Errors
/// [`Refusal`] if it is no such record.
pub fn told(contents: &Bytes, layer: Layer, first: bool) -> Result<Told, Refusal> {
    let opened = open(contents, layer, first)?;
    let act = (!opened.act.is_empty()).then(|| Act::decode(&opened.act)).transpose()?;
    let endorsers = opened.endorsements.iter().map(|endorsement| endorsement.key_id).collect();
    Ok(Told { time: opened.time, act, endorsers })
}

/// Takes a delegated record apart; only its canonical encoding is one.
pub(super) fn open(contents: &Bytes, layer: Layer, first: bool) -> Result<Opened, Refusal> {
    let (prev, version, time, entries, act, endorsements) = match layer {
        Layer::Operator => {
            let mut message: proto::OperatorRecord = canonical(contents)?;
            let (act, endorsements) = (take(&mut message.act), take(&mut message.endorsements));
            let record = OperatorRecord::from_message(message)?;
            (record.prev, record.version, record.time, Entries::Operator(record.entries), act, endorsements)
        }
        Layer::Namespace | Layer::Package => {
            let mut message: proto::PackageRecord = canonical(contents)?;
            let (act, endorsements) = (take(&mut message.act), take(&mut message.endorsements));
            let record = PackageRecord::from_message(message)?;
            (record.prev, record.version, record.time, Entries::Package(record.entries), act, endorsements)
        }
    };
    if act.is_empty() && first {
        return Err(Refusal::Carrier { reason: "it has no act, and a delegated log begins with one" });
    }
    if act.is_empty() && !endorsements.is_empty() {
        return Err(Refusal::Carrier { reason: "it has endorsements, and no act" });
    }
    if version != RECORD_VERSION {
        return Err(Refusal::Carrier { reason: "its protocol version is not 0" });
    }
    let endorsements = endorsements.iter().map(Endorsement::from_message).collect::<Result<_, _>>()?;
    Ok(Opened { prev, time, entries, act, endorsements })
}

fn canonical<M: Message + Default>(contents: &Bytes) -> Result<M, Refusal> {
    let message =
        M::decode(contents.clone()).map_err(|error| RecordError::Decode { reason: error.to_string() })?;
    if message.encode_to_vec() == *contents {
        Ok(message)
    } else {
        Err(Refusal::Carrier { reason: "it is not canonically encoded" })
    }
}

/// The v1 entries that stand for an act of the operator log: the keys that it gives `commit` and v1 does not hold yet,
/// the namespaces that it imports, the keys that lost `commit` for good and v1 still holds. The key that signs the record
/// loses it last: v1 asks for it at each entry. `v1_keys` follows.
pub(super) fn operator_entries(
    doing: &Doing<'_>,
    first: bool,
    holds_commit: impl Fn(&KeyId) -> bool,
    v1_keys: &mut BTreeSet<KeyId>,
) -> Result<Vec<OperatorEntry>, Refusal> {
    if first && doing.got_commit.is_empty() {
        return Err(step_refused(
            "Init",
            "the same act must give `commit` to a key, or nothing could be signed",
        ));
    }
    let mut entries = Vec::new();
    for key in &doing.got_commit {
        if v1_keys.insert(key.id()) {
            entries.push(if first && entries.is_empty() {
                OperatorEntry::Init { key: key.clone() }
            } else {
                operator_grant(key.clone())
            });
        }
    }
    let import = |(namespace, registry): &(Namespace, String)| OperatorEntry::ImportNamespace {
        namespace: namespace.clone(),
        registry: registry.clone(),
    };
    entries.extend(doing.imports.iter().map(import));
    let (signer, others): (Vec<_>, Vec<_>) =
        doing.lost_commit.iter().partition(|key_id| **key_id == doing.envelope_key);
    for key_id in others.into_iter().chain(signer) {
        if !holds_commit(key_id) && v1_keys.remove(key_id) {
            let permissions = OperatorPermission::ALL.to_vec();
            entries.push(OperatorEntry::RevokeFlat { key_id: *key_id, permissions });
        }
    }
    Ok(entries)
}

/// The v1 entries that stand for the Init of a namespace or package: to v1 the log is its signer's, a commit key,
/// which lets in the other live ones in the order in which they were granted.
pub(super) fn init_entries<'a>(
    signer: &PublicKey,
    live: impl Iterator<Item = &'a PublicKey>,
) -> Vec<PackageEntry> {
    let others = live.filter(|key| *key != signer).cloned().map(package_grant);
    std::iter::once(PackageEntry::Init { key: signer.clone() }).chain(others).collect()
}
