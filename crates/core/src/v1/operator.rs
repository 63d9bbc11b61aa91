//! The rules of a v1 operator log: the same skeleton as a package log's, with other permissions
//! (`spec/warg.md`, "Package log rules" and "Differences that matter").
//!
//! Wargate's own operator log is a delegated one; these rules tell what v1 clients make of it.

use std::collections::BTreeMap;

use super::package::{Head, RECORD_VERSION};
use crate::envelope::Envelope;
use crate::id::{Layer, RecordId};
use crate::key::{KeyId, PublicKey};
use crate::name::Namespace;
use crate::record::{OperatorEntry, OperatorPermission, OperatorRecord};
use crate::time::Time;

/// A key and its permissions, one bit for each permission's number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyState {
    /// The key.
    pub key: PublicKey,
    /// The bits of what it may do, see [`OperatorPermission::bit`].
    pub permissions: u8,
}

/// Whose a namespace is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamespaceState {
    /// This registry's.
    Defined,
    /// Another registry's.
    Imported {
        /// Its domain.
        registry: String,
    },
}

/// Why a record is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It does not follow the head.
    #[error("the record's prev is {found:?}, the log's latest record is {head:?}")]
    Prev {
        /// The log's head.
        head: Option<RecordId>,
        /// What the record names.
        found: Option<RecordId>,
    },
    /// Another protocol version.
    #[error("protocol version {version} is not allowed, only {RECORD_VERSION}")]
    Version {
        /// The record's.
        version: u32,
    },
    /// Its time is before its predecessor's.
    #[error("the record's time {time} is before its predecessor's {head}")]
    TimeRunsBack {
        /// The head's time.
        head: Time,
        /// The record's time.
        time: Time,
    },
    /// The first entry is not `init`.
    #[error("the log's first entry is not `init`")]
    NotBegun,
    /// A second `init`.
    #[error("`init` stands where the log has begun already")]
    BegunTwice,
    /// The signer lacks what it does or hands on.
    #[error("key {key_id} does not have the permission {permission}")]
    NoPermission {
        /// The signer.
        key_id: KeyId,
        /// What it lacks.
        permission: OperatorPermission,
    },
    /// What is revoked is not held.
    #[error("key {key_id} does not have the permission {permission} that the record revokes")]
    NothingToRevoke {
        /// The key.
        key_id: KeyId,
        /// What it lacks.
        permission: OperatorPermission,
    },
    /// A namespace is set once.
    #[error("namespace {namespace} is already defined or imported")]
    NamespaceTwice {
        /// The namespace.
        namespace: Namespace,
    },
    /// The signer is unknown.
    #[error("key {key_id} is not known to this log")]
    UnknownKey {
        /// The signer.
        key_id: KeyId,
    },
    /// The signature does not verify.
    #[error("the record's signature does not verify")]
    Signature,
}

/// What an operator log's records add up to for v1 clients.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The last record.
    pub head: Option<Head>,
    /// Every key that the log ever named.
    pub keys: BTreeMap<KeyId, KeyState>,
    /// Namespaces that were set.
    pub namespaces: BTreeMap<Namespace, NamespaceState>,
}

impl State {
    /// Judges the next record; the state after it.
    ///
    /// # Errors
    /// [`Refusal`]: the first rule that it breaks.
    pub fn judge(&self, envelope: &Envelope, record: &OperatorRecord) -> Result<Self, Refusal> {
        let head = self.head.as_ref();
        if head.map(|head| head.record) != record.prev {
            return Err(Refusal::Prev { head: head.map(|head| head.record), found: record.prev });
        }
        if record.version != RECORD_VERSION {
            return Err(Refusal::Version { version: record.version });
        }
        if let Some(head) = head
            && record.time < head.time
        {
            return Err(Refusal::TimeRunsBack { head: head.time, time: record.time });
        }
        let mut next = self.clone();
        let mut begun = head.is_some();
        for entry in &record.entries {
            next.entry(&mut begun, &envelope.key_id, entry)?;
        }
        if !begun {
            return Err(Refusal::NotBegun);
        }
        let signer =
            next.keys.get(&envelope.key_id).ok_or(Refusal::UnknownKey { key_id: envelope.key_id })?;
        envelope.verify(Layer::Operator, &signer.key).map_err(|_| Refusal::Signature)?;
        next.head = Some(Head { record: envelope.record_id(Layer::Operator), time: record.time });
        Ok(next)
    }

    fn entry(&mut self, begun: &mut bool, signer: &KeyId, entry: &OperatorEntry) -> Result<(), Refusal> {
        let needed = match entry {
            OperatorEntry::Init { key } => {
                if std::mem::replace(begun, true) {
                    return Err(Refusal::BegunTwice);
                }
                let permissions = OperatorPermission::ALL.into_iter().fold(0, |bits, p| bits | p.bit());
                self.keys.insert(key.id(), KeyState { key: key.clone(), permissions });
                return Ok(());
            }
            OperatorEntry::GrantFlat { .. } | OperatorEntry::RevokeFlat { .. } => OperatorPermission::Commit,
            OperatorEntry::DefineNamespace { .. } => OperatorPermission::DefineNamespace,
            OperatorEntry::ImportNamespace { .. } => OperatorPermission::ImportNamespace,
        };
        self.need(signer, &[needed])?;
        if !*begun {
            return Err(Refusal::NotBegun);
        }
        match entry {
            OperatorEntry::Init { .. } => Err(Refusal::BegunTwice),
            OperatorEntry::GrantFlat { key, permissions } => self.grant(signer, key, permissions),
            OperatorEntry::RevokeFlat { key_id, permissions } => self.revoke(signer, key_id, permissions),
            OperatorEntry::DefineNamespace { namespace } => self.set(namespace, NamespaceState::Defined),
            OperatorEntry::ImportNamespace { namespace, registry } => {
                self.set(namespace, NamespaceState::Imported { registry: registry.clone() })
            }
        }
    }

    fn need(&self, signer: &KeyId, permissions: &[OperatorPermission]) -> Result<(), Refusal> {
        let held = self.keys.get(signer).map_or(0, |state| state.permissions);
        match permissions.iter().find(|permission| held & permission.bit() == 0) {
            None => Ok(()),
            Some(permission) => Err(Refusal::NoPermission { key_id: *signer, permission: *permission }),
        }
    }

    fn grant(
        &mut self,
        signer: &KeyId,
        key: &PublicKey,
        permissions: &[OperatorPermission],
    ) -> Result<(), Refusal> {
        self.need(signer, permissions)?;
        let fresh = || KeyState { key: key.clone(), permissions: 0 };
        let state = self.keys.entry(key.id()).or_insert_with(fresh);
        state.permissions = permissions.iter().fold(state.permissions, |bits, p| bits | p.bit());
        Ok(())
    }

    fn revoke(
        &mut self,
        signer: &KeyId,
        key_id: &KeyId,
        permissions: &[OperatorPermission],
    ) -> Result<(), Refusal> {
        self.need(signer, permissions)?;
        for permission in permissions {
            match self.keys.get_mut(key_id) {
                Some(state) if state.permissions & permission.bit() != 0 => {
                    state.permissions &= !permission.bit();
                }
                _ => return Err(Refusal::NothingToRevoke { key_id: *key_id, permission: *permission }),
            }
        }
        Ok(())
    }

    fn set(&mut self, namespace: &Namespace, state: NamespaceState) -> Result<(), Refusal> {
        if self.namespaces.contains_key(namespace) {
            return Err(Refusal::NamespaceTwice { namespace: namespace.clone() });
        }
        self.namespaces.insert(namespace.clone(), state);
        Ok(())
    }
}
