//! The records of logs: those that were checked before are kept beside the registry's pin, and only what came since is
//! fetched, verified and proven.
//!
//! What is kept is a copy, and nothing is believed for its sake: the map's proof of a log's head binds the content of every
//! record before it. A copy that does not fit fails the check, which is then done without.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wargate_core::id::LogId;
use wargate_core::name::LogName;
use wargate_core::verify::{Failure, GivenRecord};
use wargate_wire::text::Text;
use wargate_wire::warg::{EnvelopeBody, FetchLogsRequest, FetchLogsResponse, PublishedRecord};

use crate::error::Error;
use crate::fetch::Registry;
use crate::pins::PinStore;

/// Records of a log that are fetched at once.
const RECORDS_PER_FETCH: u16 = 1000;

/// Records of one log that a client takes.
const RECORDS_MAX: usize = 1_000_000;

/// A record that was checked, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KnownRecord {
    #[serde(flatten)]
    envelope: EnvelopeBody,
    registry_index: u64,
}

/// Where the records of a registry's logs come from.
pub(crate) struct Logs<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) pins: &'a PinStore,
    are_known: bool,
}

impl<'a> Logs<'a> {
    /// From what is kept, and from the registry what came since.
    pub(crate) fn known(registry: &'a Registry, pins: &'a PinStore) -> Self {
        Self { registry, pins, are_known: true }
    }

    /// All from the registry.
    pub(crate) fn unknown(registry: &'a Registry, pins: &'a PinStore) -> Self {
        Self { registry, pins, are_known: false }
    }

    /// A log below a tree size, whole; empty if the registry knows none.
    pub(crate) async fn fetch(&self, log: &LogName, size: u64) -> Result<Vec<GivenRecord>, Error> {
        let mut records = if self.are_known { self.recall(log, size) } else { Vec::new() };
        let id = Text(log.log_id());
        let is_operator = *log == LogName::Operator;
        loop {
            let token = records.last().map(|last| last.envelope.record_id(log.layer()).to_string());
            let others = if is_operator { BTreeMap::new() } else { BTreeMap::from([(id, token.clone())]) };
            let request = FetchLogsRequest {
                log_length: size,
                limit: Some(RECORDS_PER_FETCH),
                operator: token.filter(|_| is_operator),
                packages: others,
            };
            let page: Result<FetchLogsResponse, Error> = self.registry.post("/v1/fetch/logs", &request).await;
            let mut page = match page {
                Err(error) if is_missing(&error, &id.0) => return Ok(records),
                page => page?,
            };
            let page_of =
                if is_operator { page.operator } else { page.packages.remove(&id).unwrap_or_default() };
            let before = records.len();
            let new = |record: PublishedRecord| given(record.registry_index, record.envelope, false);
            records.extend(page_of.into_iter().map(new));
            if records.len() > RECORDS_MAX {
                return Err(Failure::EndlessData { bytes_max: RECORDS_MAX as u64 }.into());
            }
            if !page.more || records.len() == before {
                return Ok(records);
            }
        }
    }

    fn recall(&self, log: &LogName, size: u64) -> Vec<GivenRecord> {
        let known = self.pins.recall_log(self.registry.url(), &log.log_id());
        let below = known.into_iter().take_while(|record| record.registry_index < size);
        below.map(|record| given(record.registry_index, record.envelope, true)).collect()
    }

    /// Keeps a log that was checked whole. A copy that cannot be kept costs time, and nothing else.
    pub(crate) fn keep(&self, log: &LogName, records: &[GivenRecord]) {
        if records.iter().all(|record| record.checked) {
            return;
        }
        let known = |record: &GivenRecord| KnownRecord {
            envelope: EnvelopeBody::from(&record.envelope),
            registry_index: record.index,
        };
        let known: Vec<KnownRecord> = records.iter().map(known).collect();
        let _ = self.pins.keep_log(self.registry.url(), &log.log_id(), &known);
    }
}

/// Whether the registry says that it has no such log.
fn is_missing(error: &Error, log: &LogId) -> bool {
    let Error::Refused { status: 404, message, .. } = error else { return false };
    let body: Value = serde_json::from_str(message).unwrap_or_default();
    body["type"] == "log" && body["id"] == log.to_string()
}

fn given(index: u64, envelope: EnvelopeBody, checked: bool) -> GivenRecord {
    GivenRecord { index, envelope: envelope.into(), checked }
}
