//! What a client was told, when, and what it tried.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use wargate_core::checkpoint::Checkpoint;
use wargate_core::digest::Digest;
use wargate_core::id::{LogId, RecordId};

use super::trace::Micros;

/// Something that the registry said.
#[derive(Debug, Clone)]
pub(crate) enum Fact {
    /// Its first record.
    Root(String),
    Checkpoint(Checkpoint),
    /// The record was taken; its verdict is still to come.
    Taken {
        log: LogId,
        record: RecordId,
    },
    /// Content of the record came; if it was all, the record needs nothing more from its author.
    Uploaded {
        log: LogId,
        record: RecordId,
        content: Digest,
        all: bool,
    },
    Published {
        log: LogId,
        record: RecordId,
        content: Digest,
    },
    Blob {
        repository: String,
        digest: Digest,
    },
    Manifest {
        repository: String,
        digest: Digest,
    },
    /// The tag's manifest number so and so, of those that were tried for it.
    Tag {
        repository: String,
        tag: String,
        number: usize,
    },
}

/// A fact, and when a client knew it.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledged {
    pub(crate) at: Micros,
    pub(crate) fact: Fact,
}

/// All that clients tried and were told.
#[derive(Debug, Default, Clone)]
pub(crate) struct Facts {
    pub(crate) acknowledged: Vec<Acknowledged>,
    /// The records that were handed in for a log, in order.
    pub(crate) records: HashMap<LogId, Vec<RecordId>>,
    /// The manifests that were put under a tag, in order.
    pub(crate) tags: HashMap<(String, String), Vec<Digest>>,
}

/// The time of the recorder's clock.
pub(crate) fn now() -> Micros {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as Micros
}

/// The facts of all clients of one run.
#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<Facts>);

impl Notes {
    pub(crate) fn of(facts: Facts) -> Self {
        Self(Mutex::new(facts))
    }

    /// Notes what was just told.
    pub(crate) fn told(&self, fact: Fact) {
        self.0.lock().unwrap().acknowledged.push(Acknowledged { at: now(), fact });
    }

    /// Notes a record before it is handed in.
    pub(crate) fn tries_record(&self, log: LogId, record: RecordId) {
        self.0.lock().unwrap().records.entry(log).or_default().push(record);
    }

    /// Notes a tag before it is put; its number.
    pub(crate) fn tries_tag(&self, repository: &str, tag: &str, digest: Digest) -> usize {
        let key = (repository.to_owned(), tag.to_owned());
        let mut facts = self.0.lock().unwrap();
        let tried = facts.tags.entry(key).or_default();
        tried.push(digest);
        tried.len() - 1
    }

    pub(crate) fn into_facts(self) -> Facts {
        self.0.into_inner().unwrap()
    }
}

impl Facts {
    /// What was told until then.
    pub(crate) fn until(&self, time: Micros) -> impl Iterator<Item = &Fact> {
        self.acknowledged.iter().filter(move |told| told.at <= time).map(|told| &told.fact)
    }

    /// The same facts with only those that were told until then.
    pub(crate) fn before(&self, time: Micros) -> Self {
        let mut facts = self.clone();
        facts.acknowledged.retain(|told| told.at <= time);
        facts
    }
}

/// A checkpoint as the Warg door says it.
pub(crate) fn checkpoint(body: &Value) -> Option<Checkpoint> {
    let contents = &body["contents"];
    Some(Checkpoint {
        size: contents["logLength"].as_u64()?,
        root: contents["logRoot"].as_str()?.parse().ok()?,
        map_root: contents["mapRoot"].as_str()?.parse().ok()?,
        time: contents["timestamp"].as_u64()?,
    })
}
