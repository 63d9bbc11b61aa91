//! What the records add up to: each is judged by `wargate-core` on the records before it, and on nothing else
//! (`spec/warg.md`, "Package log rules"; `spec/delegation.md`, rules 1 to 7).
//!
//! The facts of a part of the logs are held at a time. The operator log and the namespaces' logs are held in every
//! part, since the others are judged by them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use semver::Version;
use wargate_core::authority::{self, Context};
use wargate_core::envelope::Envelope;
use wargate_core::id::{LogId, RecordId};
use wargate_core::name::{LogName, Namespace};
use wargate_core::record::{PackageRecord, first_extension_field};
use wargate_core::time::Time;
use wargate_core::v1::package::{self, SignatureCheck};

use super::rows::{LOG_FACTS, LOG_KEYS, LOG_STATES, LOGS, RELEASES, Table};
use crate::db::Row;
use crate::tables::{bytes, facts, int, logs, releases, text, time};

/// A log, as its records so far make it.
pub(super) struct LogFacts {
    pub(super) name: LogName,
    pub(super) log_id: LogId,
    head: u64,
    /// How many records.
    length: u64,
    /// The index at which each version was released.
    released: BTreeMap<Version, u64>,
    state: Facts,
    /// A record of it is damaged or was refused: nothing can be said of the later ones.
    broken: bool,
}

enum Facts {
    V1(package::State),
    Delegated(Box<Delegated>),
}

struct Delegated {
    state: authority::State,
    /// The state as of the last record that changed more of it than its head: what the ledger keeps.
    kept: authority::State,
    facts: authority::Facts,
    /// What else it says, as rows.
    rows: BTreeMap<String, Vec<u8>>,
}

/// All logs of a part.
#[derive(Default)]
pub(super) struct Replay {
    /// By number, the index of the first record.
    pub(super) logs: BTreeMap<u64, LogFacts>,
    namespaces: BTreeMap<Namespace, u64>,
    /// How many facts are held.
    pub(super) facts: usize,
    /// Indexes that may begin a log of which nothing is known.
    unknown: BTreeSet<u64>,
    /// The latest time of any delegated record, whether its log is held or not.
    pub(super) delegated_time: Option<Time>,
}

impl Replay {
    /// The operator log.
    pub(super) fn operator(&self) -> Option<&authority::State> {
        match &self.logs.get(&0)?.state {
            Facts::Delegated(log) => Some(&log.state),
            Facts::V1(_) => None,
        }
    }

    fn namespace(&self, name: &Namespace) -> Option<&LogFacts> {
        self.logs.get(self.namespaces.get(name)?)
    }

    /// Whether records of a log are for its namespace's people only, as of now.
    pub(super) fn is_private(&self, log: &LogName) -> bool {
        let LogName::Package(name) = log else { return false };
        match self.namespace(&name.namespace()) {
            Some(LogFacts { state: Facts::Delegated(log), .. }) => log.state.policy().private,
            _ => false,
        }
    }

    /// A record of the log cannot be read: nothing can be said of the later ones.
    pub(super) fn break_off(&mut self, number: u64) {
        if let Some(log) = self.logs.get_mut(&number) {
            log.broken = true;
        }
    }

    /// A record is lost and nobody knows of which log: nothing can be said of any later one.
    pub(super) fn doubt(&mut self) {
        self.logs.values_mut().for_each(|log| log.broken = true);
    }

    /// The record that was refused may hold after all.
    pub(super) fn mend(&mut self, number: u64) {
        if let Some(log) = self.logs.get_mut(&number) {
            log.broken = false;
        }
    }

    /// Begins a log with its first record, at the index that is its number; why not, if it may not begin.
    pub(super) fn begin(&mut self, number: u64, name: &LogName, envelope: &Envelope) -> Result<(), String> {
        let delegated = match name {
            LogName::Operator | LogName::Namespace(_) => true,
            LogName::Package(_) => {
                first_extension_field(&envelope.contents).map_err(|error| error.to_string())?.is_some()
            }
        };
        if let (LogName::Package(package), false) = (name, delegated)
            && let Some(LogFacts { state: Facts::Delegated(log), broken: false, .. }) =
                self.namespace(&package.namespace())
            && !log.facts.admits(package.name(), &envelope.key_id)
        {
            return Err(format!("its namespace has owners and did not admit key {}", envelope.key_id));
        }
        if let LogName::Namespace(namespace) = name {
            self.namespaces.insert(namespace.clone(), number);
        }
        let state = if delegated {
            let state = authority::State::empty(name.clone());
            let facts = authority::Facts::default();
            let kept = state.clone();
            Facts::Delegated(Box::new(Delegated { state, kept, facts, rows: BTreeMap::new() }))
        } else {
            Facts::V1(package::State::default())
        };
        let (name, log_id) = (name.clone(), name.log_id());
        let (head, length, released) = (number, 0, BTreeMap::new());
        let log = LogFacts { name, log_id, head, length, released, state, broken: false };
        self.logs.insert(number, log);
        self.facts += 1;
        Ok(())
    }

    /// Judges the next record of a log that is held; why not, if it is refused.
    pub(super) fn judge(&mut self, number: u64, index: u64, envelope: &Envelope) -> Result<(), String> {
        let Some(mut log) = self.logs.remove(&number) else { return Ok(()) };
        let judged = if log.broken { Ok(()) } else { self.judge_one(&mut log, index, envelope) };
        log.broken |= judged.is_err();
        self.logs.insert(number, log);
        judged
    }

    fn judge_one(&mut self, log: &mut LogFacts, index: u64, envelope: &Envelope) -> Result<(), String> {
        match &mut log.state {
            Facts::V1(state) => {
                let foreign = first_extension_field(&envelope.contents).map_err(|error| error.to_string())?;
                if let Some(field) = foreign {
                    return Err(format!("a v1 log holds no field {field}"));
                }
                let record = PackageRecord::decode(&envelope.contents).map_err(|error| error.to_string())?;
                let changes = state
                    .judge(envelope, &record, SignatureCheck::Needed)
                    .map_err(|refusal| refusal.to_string())?;
                self.facts += changes.keys.len() + changes.releases.len();
                for release in &changes.releases {
                    log.released.entry(release.version.clone()).or_insert(index);
                }
                state.apply(changes);
            }
            Facts::Delegated(delegated) => {
                let Delegated { state, kept, facts, rows } = &mut **delegated;
                if log.name == LogName::Operator {
                    facts.claimed = self.namespaces.keys().cloned().collect();
                }
                let namespace = match &log.name {
                    LogName::Package(name) => self.namespace(&name.namespace()),
                    _ => None,
                };
                let namespace = match namespace.map(|log| &log.state) {
                    Some(Facts::Delegated(log)) => Some(&log.state),
                    _ => None,
                };
                let context = Context { operator: self.operator(), namespace, facts: Some(facts) };
                let changes = state.judge(&context, envelope).map_err(|refusal| refusal.to_string())?;
                let (held, said) = (facts.len() + rows.len(), changes.fact_rows());
                for release in &changes.releases {
                    log.released.entry(release.version.clone()).or_insert(index);
                }
                facts.follow(&changes);
                rows.extend(said);
                self.facts += (facts.len() + rows.len()).saturating_sub(held);
                if !changes.moves_only {
                    kept.clone_from(&changes.state);
                }
                *state = changes.state;
                self.delegated_time = self.delegated_time.max(state.head_time());
            }
        }
        log.head = index;
        log.length += 1;
        Ok(())
    }

    /// Of a record of a package log that is not held, only its time counts. No v1 record has a field of ours.
    pub(super) fn pass(&mut self, envelope: &Envelope) {
        if matches!(first_extension_field(&envelope.contents), Ok(Some(_)))
            && let Ok(record) = PackageRecord::decode(&envelope.contents)
        {
            self.delegated_time = self.delegated_time.max(Some(record.time));
        }
    }

    /// Nothing is known of the log that may begin at this index.
    pub(super) fn miss(&mut self, index: u64) {
        self.unknown.insert(index);
    }

    /// Whether all that there is to know of the logs with these numbers was told by their records.
    pub(super) fn is_sure(&self, logs: &Range<u64>) -> bool {
        self.unknown.range(logs.clone()).next().is_none()
            && self.logs.range(logs.clone()).all(|(_, log)| !log.broken)
    }

    /// Each log that is held, with its latest record.
    pub(super) fn heads(&self) -> impl Iterator<Item = (LogId, RecordId)> {
        let head = |log: &LogFacts| match &log.state {
            Facts::V1(state) => state.head.as_ref().map(|head| head.record),
            Facts::Delegated(log) => log.state.head(),
        };
        self.logs.values().filter(|log| !log.broken).filter_map(move |log| Some((log.log_id, head(log)?)))
    }

    /// The rows that a log's records give.
    pub(super) fn rows(&self, table: &Table, number: u64) -> Vec<Row> {
        let Some(log) = self.logs.get(&number).filter(|log| !log.broken) else { return Vec::new() };
        match (table.name, &log.state) {
            (name, _) if name == LOGS.name => log.row(number).into_iter().collect(),
            (name, Facts::Delegated(log)) if name == LOG_STATES.name => {
                vec![logs::state_row(number, &log.kept)]
            }
            (name, Facts::V1(state)) if name == LOG_KEYS.name => {
                let row = |(id, key): (&wargate_core::key::KeyId, &package::KeyState)| {
                    vec![
                        int(number),
                        bytes(id.as_bytes()),
                        text(&key.key),
                        int(u64::from(key.permissions.bits())),
                    ]
                };
                state.keys.iter().map(row).collect()
            }
            (name, Facts::V1(state)) if name == RELEASES.name => {
                let at = |version| log.released.get(version).copied().unwrap_or_default();
                let row = |(version, release)| releases::upsert_v1(number, at(version), release).parameters;
                state.releases.iter().map(row).collect()
            }
            (name, Facts::Delegated(delegated)) if name == RELEASES.name => {
                let at = |version| log.released.get(version).copied().unwrap_or_default();
                let row = |(version, release)| releases::upsert(number, at(version), release).parameters;
                delegated.facts.releases.iter().map(row).collect()
            }
            (name, Facts::Delegated(log)) if name == LOG_FACTS.name => {
                log.rows.iter().map(|(about, fact)| facts::row(number, about, fact.clone())).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl LogFacts {
    /// The row of `logs`.
    fn row(&self, number: u64) -> Option<Row> {
        let (kind, record, at) = match &self.state {
            Facts::V1(state) => {
                let head = state.head.as_ref()?;
                (0, head.record, head.time)
            }
            Facts::Delegated(log) => (1, log.state.head()?, log.state.head_time()?),
        };
        let [seconds, nanos] = time(at);
        Some(vec![
            int(number),
            bytes(self.log_id.as_bytes()),
            text(self.name.as_str()),
            int(kind),
            int(self.head),
            bytes(record.as_bytes()),
            seconds,
            nanos,
            int(self.length),
        ])
    }
}
