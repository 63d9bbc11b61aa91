//! Step 6 for a package and the layers above it: their logs are judged together, in the order of the one log, so that
//! each record meets the other logs as they stood at its index (`spec/delegation.md`, rules 1 and 7).

use super::{Failure, GivenRecord, judge_v1_record};
use crate::authority::{Changes, Context, Facts, State, Takedowns};
use crate::id::RecordId;
use crate::name::{LogName, Namespace, PackageName};
use crate::record::first_extension_field;
use crate::time::Time;
use crate::v1::package;

/// What a package's log and the logs above it add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layers {
    /// The operator log.
    pub operator: State,
    /// What the operator keeps back.
    pub takedowns: Takedowns,
    /// The namespace's log; it has no head if it has not begun.
    pub namespace: State,
    /// The package's log; `None` if it has not begun.
    pub package: Option<PackageLog>,
    /// Where the package or its namespace got new owners from above, in order.
    pub recoveries: Vec<Recovery>,
}

/// That a log got new owners, by the word of the layer above and not of the old ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// Whose log.
    pub log: LogName,
    /// The record.
    pub record: RecordId,
    /// When, by that record.
    pub time: Time,
}

/// A package's log; its first record decided of which kind it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PackageLog {
    /// A v1 log.
    V1(package::State),
    /// A delegated log.
    Delegated {
        /// Its state.
        state: State,
        /// What else its records add up to: its releases, all of them.
        facts: Box<Facts>,
    },
}

/// Step 6: operator, namespace and package log are valid in full. A v1 log must have been admitted where its
/// namespace was claimed before it.
///
/// # Errors
/// [`Failure::ForgedOperatorLog`], [`Failure::ForgedRecord`], [`Failure::Downgrade`].
pub fn judge_layers(
    name: &PackageName,
    operator: &[GivenRecord],
    namespace: &[GivenRecord],
    package: &[GivenRecord],
) -> Result<Layers, Failure> {
    let log = LogName::Package(name.clone());
    let above = LogName::Namespace(name.namespace());
    judge_in_order(&name.namespace(), &[(LogName::Operator, operator), (above, namespace), (log, package)])
}

/// The same for a namespace alone.
///
/// # Errors
/// [`Failure::ForgedOperatorLog`], [`Failure::ForgedRecord`].
pub fn judge_namespace(
    namespace: &Namespace,
    operator: &[GivenRecord],
    records: &[GivenRecord],
) -> Result<Layers, Failure> {
    let log = LogName::Namespace(namespace.clone());
    judge_in_order(namespace, &[(LogName::Operator, operator), (log, records)])
}

fn judge_in_order(namespace: &Namespace, logs: &[(LogName, &[GivenRecord])]) -> Result<Layers, Failure> {
    let mut given = Vec::with_capacity(logs.iter().map(|(_, records)| records.len()).sum());
    for (log, records) in logs {
        if let Some(pair) = records.windows(2).find(|pair| pair[0].index >= pair[1].index) {
            return Err(forged(log, pair[1].index, "it stands out of order".to_owned()));
        }
        given.extend(records.iter().map(|record| (record, log)));
    }
    given.sort_by_key(|(record, _)| record.index);
    let mut layers = Layers {
        operator: State::empty(LogName::Operator),
        takedowns: Takedowns::default(),
        namespace: State::empty(LogName::Namespace(namespace.clone())),
        package: None,
        recoveries: Vec::new(),
    };
    let mut last = None;
    for (record, log) in given {
        if last == Some(record.index) {
            return Err(forged(log, record.index, "another record has this index".to_owned()));
        }
        last = Some(record.index);
        layers.judge(namespace, log, record)?;
    }
    Ok(layers)
}

impl Layers {
    fn judge(&mut self, namespace: &Namespace, log: &LogName, record: &GivenRecord) -> Result<(), Failure> {
        let failed = |reason: String| forged(log, record.index, reason);
        let refused = |refusal: crate::authority::Refusal| failed(refusal.to_string());
        let context = Context { operator: Some(&self.operator), ..Context::default() };
        match log {
            LogName::Operator => {
                let claimed = self.namespace.head().map(|_| namespace.clone());
                let facts = Facts { claimed: claimed.into_iter().collect(), ..Facts::default() };
                let context = Context { facts: Some(&facts), ..Context::default() };
                let changes = record.judge(&self.operator, &context).map_err(refused)?;
                changes.takedowns.iter().for_each(|said| self.takedowns.follow(said));
                self.operator = changes.state;
            }
            LogName::Namespace(_) => {
                let changes = record.judge(&self.namespace, &context).map_err(refused)?;
                self.recoveries.extend(recovery(&changes));
                self.namespace = changes.state;
            }
            LogName::Package(name) => {
                let begun = match self.package.take() {
                    Some(begun) => begun,
                    None => self.begin_package(name, record)?,
                };
                self.package = Some(match begun {
                    PackageLog::V1(mut state) => {
                        judge_v1_record(&mut state, record).map_err(failed)?;
                        PackageLog::V1(state)
                    }
                    PackageLog::Delegated { state, mut facts } => {
                        let namespace = Some(&self.namespace);
                        let context = Context { namespace, facts: Some(&facts), ..context };
                        let changes = record.judge(&state, &context).map_err(refused)?;
                        facts.follow(&changes);
                        self.recoveries.extend(recovery(&changes));
                        PackageLog::Delegated { state: changes.state, facts }
                    }
                });
            }
        }
        Ok(())
    }

    /// The kind of log that a first record begins, and whether a v1 log may begin there.
    fn begin_package(&self, name: &PackageName, record: &GivenRecord) -> Result<PackageLog, Failure> {
        let log = LogName::Package(name.clone());
        let field = first_extension_field(&record.envelope.contents);
        if field.map_err(|error| forged(&log, record.index, error.to_string()))?.is_some() {
            return Ok(PackageLog::Delegated { state: State::empty(log), facts: Box::default() });
        }
        let claimed = self.namespace.head().is_some();
        if claimed && !self.namespace.admits(name.name(), &record.envelope.key_id) {
            let reason = format!("key {} was not admitted there before", record.envelope.key_id);
            return Err(Failure::Downgrade { log: name.to_string(), reason });
        }
        Ok(PackageLog::V1(package::State::default()))
    }
}

/// Whether a record gave its log to new owners.
fn recovery(changes: &Changes) -> Option<Recovery> {
    let (record, time) = (changes.state.head()?, changes.state.head_time()?);
    changes.recovered.then(|| Recovery { log: changes.state.log().clone(), record, time })
}

fn forged(log: &LogName, index: u64, reason: String) -> Failure {
    match log {
        LogName::Operator => {
            Failure::ForgedOperatorLog { reason: format!("the record at index {index}: {reason}") }
        }
        _ => Failure::ForgedRecord { index, log: log.to_string(), reason },
    }
}
