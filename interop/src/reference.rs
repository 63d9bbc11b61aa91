//! The published crates' judgement of package and operator logs, put so that it can be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use warg_protocol::ProtoEnvelope;
use warg_protocol::operator::{self, NamespaceState, OperatorRecord};
use warg_protocol::package::{self, PackageRecord, ReleaseState};

/// What holds in a log after its latest record, in text forms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Id of the latest record.
    pub head: String,
    /// Its time, as seconds and nanoseconds since the Unix epoch.
    pub time: (u64, u32),
    /// What is known of each key that was asked for: by key id, the permissions that it has now.
    pub keys: BTreeMap<String, BTreeSet<String>>,
    /// Released versions.
    pub releases: BTreeMap<String, Release>,
    /// Namespaces of the operator log: imported ones with their registry.
    pub namespaces: BTreeMap<String, Option<String>>,
}

/// A released version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Id of the record that released it.
    pub record: String,
    /// Key id of who released it.
    pub by: String,
    /// The content's digest; none once yanked.
    pub content: Option<String>,
}

/// A package log as `warg-protocol` sees it.
#[derive(Debug, Default)]
pub struct PackageLog(package::LogState);

impl PackageLog {
    /// Takes the record of this encoded envelope, or says why not and stays as it was.
    pub fn take(&mut self, envelope: &[u8]) -> Result<(), String> {
        let record =
            ProtoEnvelope::<PackageRecord>::from_protobuf(envelope).map_err(|error| format!("{error:?}"))?;
        self.0 = self.0.clone().validate(&record).map_err(|error| format!("{error:?}"))?;
        Ok(())
    }

    /// The log's facts, with those of the keys and namespaces asked for.
    pub fn facts(&self, key_ids: &[String]) -> Facts {
        let head = self.0.head().as_ref();
        let permissions = |id: &String| {
            let held = self.0.key_permissions(&id.clone().into())?;
            Some((id.clone(), held.iter().map(ToString::to_string).collect()))
        };
        let releases = self.0.releases().map(|release| {
            let content = match &release.state {
                ReleaseState::Released { content } => Some(content.to_string()),
                ReleaseState::Yanked { .. } => None,
            };
            let (record, by) = (release.record_id.to_string(), release.by.to_string());
            (release.version.to_string(), Release { record, by, content })
        });
        Facts {
            head: head.map(|head| head.digest.to_string()).unwrap_or_default(),
            time: head.map(|head| parts(head.timestamp)).unwrap_or_default(),
            keys: key_ids.iter().filter_map(permissions).collect(),
            releases: releases.collect(),
            namespaces: BTreeMap::new(),
        }
    }
}

/// An operator log as `warg-protocol` sees it.
#[derive(Debug, Default)]
pub struct OperatorLog(operator::LogState);

impl OperatorLog {
    /// Takes the record of this encoded envelope, or says why not and stays as it was.
    pub fn take(&mut self, envelope: &[u8]) -> Result<(), String> {
        let record =
            ProtoEnvelope::<OperatorRecord>::from_protobuf(envelope).map_err(|error| format!("{error:?}"))?;
        self.0 = self.0.clone().validate(&record).map_err(|error| format!("{error:?}"))?;
        Ok(())
    }

    /// The log's facts, with those of the keys and namespaces asked for. Of a key's permissions the published
    /// crate tells only `commit`.
    pub fn facts(&self, key_ids: &[String], namespaces: &[&str]) -> Facts {
        let head = self.0.head().as_ref();
        let permissions = |id: &String| {
            let their_id = id.clone().into();
            self.0.public_key(&their_id)?;
            let commits = self.0.key_has_permission_to_sign_checkpoints(&their_id);
            Some((id.clone(), commits.then(|| "commit".to_owned()).into_iter().collect()))
        };
        let namespace = |name: &&str| {
            let registry = match self.0.namespace_state(name)? {
                NamespaceState::Defined => None,
                NamespaceState::Imported { registry } => Some(registry.clone()),
            };
            Some(((*name).to_owned(), registry))
        };
        Facts {
            head: head.map(|head| head.digest.to_string()).unwrap_or_default(),
            time: head.map(|head| parts(head.timestamp)).unwrap_or_default(),
            keys: key_ids.iter().filter_map(permissions).collect(),
            releases: BTreeMap::new(),
            namespaces: namespaces.iter().filter_map(namespace).collect(),
        }
    }
}

fn parts(time: SystemTime) -> (u64, u32) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs(), since.subsec_nanos())
}
