//! What the records of a log did to its keys and roles.
//!
//! Read back from its latest record, so many records at a time: a log may hold a hundred thousand releases between two
//! grants.

use wargate_core::act::{AnnotationKind, Step};
use wargate_core::authority;
use wargate_core::id::Layer;
use wargate_core::key::KeyId;
use wargate_core::name::LogName;
use wargate_core::record::{PackageEntry, PackagePermission, PackageRecord};

use super::RecordedAt;
use crate::error::Error;
use crate::limits::{KEY_CHANGES_PER_PAGE, KEY_HISTORY_LOOKS_MAX, KEY_HISTORY_RECORDS_PER_LOOK};
use crate::snapshot::Snapshot;
use crate::tables::logs::LogKind;
use crate::tables::records::{self, RecordRow};

/// What one record did to keys and roles.
#[derive(Debug, Clone)]
pub struct KeyChange {
    /// The record.
    pub at: RecordedAt,
    /// What it did, each thing in words.
    pub did: Vec<String>,
    /// The keys that agreed to it.
    pub by: Vec<KeyId>,
}

impl Snapshot {
    /// The changes below an index, the latest first, and where to go on.
    pub(super) async fn key_history(
        &self,
        log: &LogName,
        kind: LogKind,
        first_index: u64,
        before: Option<u64>,
    ) -> Result<(Vec<KeyChange>, Option<u64>), Error> {
        let (id, size) = (log.log_id(), self.checkpoint().size());
        let mut below = before.unwrap_or(size).min(size);
        let mut changes = Vec::new();
        for _ in 0..KEY_HISTORY_LOOKS_MAX {
            let statement = records::select_log_back(&id, below, KEY_HISTORY_RECORDS_PER_LOOK);
            let rows = records::rows(self.read(vec![statement]).await?.pop().unwrap_or_default())?;
            for row in rows {
                below = row.index;
                changes.extend(match kind {
                    LogKind::V1 => v1_change(&row)?,
                    LogKind::Delegated => change(&row, log.layer(), row.index == first_index)?,
                });
                if changes.len() == KEY_CHANGES_PER_PAGE {
                    break;
                }
            }
            if below <= first_index {
                return Ok((changes, None));
            }
            if changes.len() == KEY_CHANGES_PER_PAGE {
                break;
            }
        }
        Ok((changes, Some(below)))
    }
}

fn change(row: &RecordRow, layer: Layer, first: bool) -> Result<Option<KeyChange>, Error> {
    let told = authority::told(&row.envelope.contents, layer, first)
        .map_err(|error| Error::internal("read a record of a log's history", error))?;
    let at = RecordedAt { record: row.record, index: row.index, time: told.time };
    let steps = told.act.map(|act| act.steps).unwrap_or_default();
    let did: Vec<String> = steps.iter().filter(|step| is_about_keys(step)).map(ToString::to_string).collect();
    Ok((!did.is_empty()).then_some(KeyChange { at, did, by: told.endorsers }))
}

/// Whether a step changes who may do what, or what is demanded of them.
fn is_about_keys(step: &Step) -> bool {
    match step {
        Step::Init { .. } | Step::Grant(_) | Step::Revoke(_) | Step::Recover { .. } => true,
        Step::Annotate { kind, .. } => *kind == AnnotationKind::Policy,
        Step::Release(_) | Step::Yank { .. } | Step::Admit { .. } | Step::Import { .. } => false,
        Step::Takedown { .. } => false,
    }
}

fn v1_change(row: &RecordRow) -> Result<Option<KeyChange>, Error> {
    let record = PackageRecord::decode(&row.envelope.contents)
        .map_err(|error| Error::internal("read a record of a log's history", error))?;
    let at = RecordedAt { record: row.record, index: row.index, time: record.time };
    let did: Vec<String> = record.entries.iter().filter_map(v1_words).collect();
    Ok((!did.is_empty()).then(|| KeyChange { at, did, by: vec![row.envelope.key_id] }))
}

fn v1_words(entry: &PackageEntry) -> Option<String> {
    let listed = |permissions: &[PackagePermission]| {
        permissions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
    };
    match entry {
        PackageEntry::Init { key } => Some(format!("begins the log with key {}", key.id())),
        PackageEntry::GrantFlat { key, permissions } => {
            Some(format!("lets key {} {}", key.id(), listed(permissions)))
        }
        PackageEntry::RevokeFlat { key_id, permissions } => {
            Some(format!("lets key {key_id} no longer {}", listed(permissions)))
        }
        PackageEntry::Release { .. } | PackageEntry::Yank { .. } => None,
    }
}
