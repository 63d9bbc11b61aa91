//! Records in the model's words.

use std::collections::BTreeSet;

use prost::Message as _;

use super::past::V1;
use super::place::KEYS;
use crate::authority::State;
use crate::digest::Digest;
use crate::id::Layer;
use crate::key::{KeyId, PublicKey};
use crate::proto;
use crate::record::{
    OperatorEntry, OperatorPermission, OperatorRecord, PackageEntry, PackagePermission, PackageRecord,
};
use crate::time::Time;
use crate::v1::package::RECORD_VERSION;

/// Those who endorsed a record's act.
pub(super) fn endorsers(layer: Layer, contents: &[u8]) -> BTreeSet<KeyId> {
    let endorsements = match layer {
        Layer::Operator => proto::OperatorRecord::decode(contents).unwrap().endorsements,
        Layer::Namespace | Layer::Package => proto::PackageRecord::decode(contents).unwrap().endorsements,
    };
    endorsements.iter().map(|endorsement| endorsement.key_id.parse().unwrap()).collect()
}

/// A record's v1 entries; grants and revokes are of all permissions.
pub(super) fn v1_entries(layer: Layer, contents: &[u8]) -> Vec<V1> {
    let of_operator = |entry: &OperatorEntry| match entry {
        OperatorEntry::Init { key } => V1::Init(key.id()),
        OperatorEntry::GrantFlat { key, permissions } => {
            assert_eq!(permissions, &OperatorPermission::ALL);
            V1::Grant(key.id())
        }
        OperatorEntry::RevokeFlat { key_id, permissions } => {
            assert_eq!(permissions, &OperatorPermission::ALL);
            V1::Revoke(*key_id)
        }
        OperatorEntry::ImportNamespace { namespace, .. } => V1::Import(namespace.to_string()),
        other @ OperatorEntry::DefineNamespace { .. } => panic!("{other:?}"),
    };
    let of_package = |entry: &PackageEntry| match entry {
        PackageEntry::Init { key } => V1::Init(key.id()),
        PackageEntry::GrantFlat { key, permissions } => {
            assert_eq!(permissions, &PackagePermission::ALL);
            V1::Grant(key.id())
        }
        PackageEntry::RevokeFlat { key_id, permissions } => {
            assert_eq!(permissions, &PackagePermission::ALL);
            V1::Revoke(*key_id)
        }
        PackageEntry::Release { version, content } => {
            assert_eq!(*content, Digest::of(version.to_string().as_bytes()));
            V1::Release(version.clone())
        }
        PackageEntry::Yank { version } => V1::Yank(version.clone()),
    };
    match layer {
        Layer::Operator => {
            OperatorRecord::decode(contents).unwrap().entries.iter().map(of_operator).collect()
        }
        _ => PackageRecord::decode(contents).unwrap().entries.iter().map(of_package).collect(),
    }
}

fn known(id: &KeyId) -> PublicKey {
    KEYS.iter().find(|key| key.id() == *id).unwrap().clone()
}

/// A record without an act; `None` if such records cannot say it in that log.
pub(super) fn carrier(state: &State, time: Time, words: &[V1]) -> Option<Vec<u8>> {
    let (prev, version) = (state.head(), RECORD_VERSION);
    let of_operator = |word: &V1| match word {
        V1::Grant(key) => {
            Some(OperatorEntry::GrantFlat { key: known(key), permissions: OperatorPermission::ALL.to_vec() })
        }
        V1::Revoke(key_id) => {
            Some(OperatorEntry::RevokeFlat { key_id: *key_id, permissions: OperatorPermission::ALL.to_vec() })
        }
        _ => None,
    };
    let of_package = |word: &V1| match word {
        V1::Grant(key) => {
            Some(PackageEntry::GrantFlat { key: known(key), permissions: PackagePermission::ALL.to_vec() })
        }
        V1::Revoke(key_id) => {
            Some(PackageEntry::RevokeFlat { key_id: *key_id, permissions: PackagePermission::ALL.to_vec() })
        }
        V1::Yank(version) => Some(PackageEntry::Yank { version: version.clone() }),
        V1::Release(version) => {
            let content = Digest::of(version.to_string().as_bytes());
            Some(PackageEntry::Release { version: version.clone(), content })
        }
        V1::Init(_) | V1::Import(_) => None,
    };
    match state.log().layer() {
        Layer::Operator => {
            let entries = words.iter().map(of_operator).collect::<Option<_>>()?;
            Some(OperatorRecord { prev, version, time, entries }.encode())
        }
        _ => {
            let entries = words.iter().map(of_package).collect::<Option<_>>()?;
            Some(PackageRecord { prev, version, time, entries }.encode())
        }
    }
}
