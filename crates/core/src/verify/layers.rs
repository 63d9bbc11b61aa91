//! Step 6 for a package and the layers above it: their logs are judged together, in the order of the one log, so that
//! each record meets the other logs as they stood at its index (`spec/delegation.md`, rules 1 and 7).

use std::collections::BTreeSet;

use super::{Failure, GivenRecord, judge_v1_record};
use crate::authority::{Admission, Changes, Context, Facts, State, Takedowns};
use crate::id::RecordId;
use crate::name::{LogName, Namespace, PackageName};
use crate::record::first_extension_field;
use crate::time::Time;
use crate::v1::package::{self, SignatureCheck};

/// Fewer signatures than these are no work to share out.
const PART_RECORDS_MIN: usize = 256;

/// What a package's log and the logs above it add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layers {
    /// The operator log.
    pub operator: State,
    /// What the operator keeps back.
    pub takedowns: Takedowns,
    /// The namespace's log; it has no head if it has not begun.
    pub namespace: State,
    /// The keys that the namespace let in to begin v1 logs.
    pub admitted: BTreeSet<Admission>,
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
    let logs = logs_of(name, operator, namespace, package);
    Judging::of(&name.namespace()).follow_all(in_order(&logs)?)
}

/// The same in parts that may be judged beside each other: the log is valid if each part is, and the last one gives what it
/// adds up to. `None` if some rule is broken, which [`judge_layers`] names, or if there is too little to share out.
///
/// Verifying a signature takes many times longer than judging its record; so where each part begins is found first, as if
/// every signature were valid.
#[must_use]
pub fn parts_of_layers<'a>(
    name: &PackageName,
    operator: &'a [GivenRecord],
    namespace: &'a [GivenRecord],
    package: &'a [GivenRecord],
    parts_max: usize,
) -> Option<Parts<'a>> {
    let logs = logs_of(name, operator, namespace, package);
    let given = in_order(&logs).ok()?;
    let signed = given.iter().filter(|(record, _)| !record.checked).count();
    let each = signed.div_ceil(parts_max.max(1)).max(PART_RECORDS_MIN);
    if signed <= each {
        return None;
    }
    let mut judging = Judging::of(&name.namespace());
    let mut before = Vec::new();
    let mut last = Part { judging: judging.clone(), records: Vec::new() };
    let mut unverified = 0;
    for (record, log) in given {
        if unverified == each {
            unverified = 0;
            let next = Part { judging: judging.clone(), records: Vec::new() };
            before.push(std::mem::replace(&mut last, next));
        }
        unverified += usize::from(!record.checked);
        judging.follow(record, log, SignatureCheck::Done).ok()?;
        last.records.push((record, log.clone()));
    }
    Some(Parts { before, last })
}

/// The records of a package and the layers above, shared out.
#[derive(Debug)]
pub struct Parts<'a> {
    /// All parts but the last, in order.
    pub before: Vec<Part<'a>>,
    /// What it gives is what all logs add up to.
    pub last: Part<'a>,
}

/// A part of the records of a package and the layers above, with what those before it add up to.
#[derive(Debug)]
pub struct Part<'a> {
    judging: Judging,
    records: Vec<(&'a GivenRecord, LogName)>,
}

impl Part<'_> {
    /// Judges it: what the logs add up to with it, if all before it is valid.
    ///
    /// # Errors
    /// As [`judge_layers`].
    pub fn judge(self) -> Result<Layers, Failure> {
        self.judging.follow_all(self.records.iter().map(|(record, log)| (*record, log)))
    }
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
    let logs = [(LogName::Operator, operator), (log, records)];
    Judging::of(namespace).follow_all(in_order(&logs)?)
}

/// A log and its records.
type Log<'a> = (LogName, &'a [GivenRecord]);

fn logs_of<'a>(
    name: &PackageName,
    operator: &'a [GivenRecord],
    namespace: &'a [GivenRecord],
    package: &'a [GivenRecord],
) -> [Log<'a>; 3] {
    let above = LogName::Namespace(name.namespace());
    [(LogName::Operator, operator), (above, namespace), (LogName::Package(name.clone()), package)]
}

/// The records of logs in the order of the one log.
fn in_order<'a, 'b>(logs: &'b [Log<'a>]) -> Result<Vec<(&'a GivenRecord, &'b LogName)>, Failure> {
    let mut given = Vec::with_capacity(logs.iter().map(|(_, records)| records.len()).sum());
    for (log, records) in logs {
        if let Some(pair) = records.windows(2).find(|pair| pair[0].index >= pair[1].index) {
            return Err(forged(log, pair[1].index, "it stands out of order".to_owned()));
        }
        given.extend(records.iter().map(|record| (record, log)));
    }
    given.sort_by_key(|(record, _)| record.index);
    Ok(given)
}

/// The judgement of logs together, as far as it came.
#[derive(Debug, Clone)]
struct Judging {
    namespace: Namespace,
    layers: Layers,
    /// The index of the last record.
    last: Option<u64>,
}

impl Judging {
    fn of(namespace: &Namespace) -> Self {
        let layers = Layers {
            operator: State::empty(LogName::Operator),
            takedowns: Takedowns::default(),
            namespace: State::empty(LogName::Namespace(namespace.clone())),
            admitted: BTreeSet::new(),
            package: None,
            recoveries: Vec::new(),
        };
        Self { namespace: namespace.clone(), layers, last: None }
    }

    fn follow_all<'a>(
        mut self,
        records: impl IntoIterator<Item = (&'a GivenRecord, &'a LogName)>,
    ) -> Result<Layers, Failure> {
        for (record, log) in records {
            self.follow(record, log, record.signatures())?;
        }
        Ok(self.layers)
    }

    fn follow(
        &mut self,
        record: &GivenRecord,
        log: &LogName,
        signatures: SignatureCheck,
    ) -> Result<(), Failure> {
        if self.last == Some(record.index) {
            return Err(forged(log, record.index, "another record has this index".to_owned()));
        }
        self.last = Some(record.index);
        self.layers.judge(&self.namespace, log, record, signatures)
    }
}

impl Layers {
    fn judge(
        &mut self,
        namespace: &Namespace,
        log: &LogName,
        record: &GivenRecord,
        signatures: SignatureCheck,
    ) -> Result<(), Failure> {
        let failed = |reason: String| forged(log, record.index, reason);
        let refused = |refusal: crate::authority::Refusal| failed(refusal.to_string());
        let context = Context { operator: Some(&self.operator), ..Context::default() };
        match log {
            LogName::Operator => {
                let claimed = self.namespace.head().map(|_| namespace.clone());
                let facts = Facts { claimed: claimed.into_iter().collect(), ..Facts::default() };
                let context = Context { facts: Some(&facts), ..Context::default() };
                let changes = record.judge(&self.operator, &context, signatures).map_err(refused)?;
                changes.takedowns.iter().for_each(|said| self.takedowns.follow(said));
                self.operator = changes.state;
            }
            LogName::Namespace(_) => {
                let changes = record.judge(&self.namespace, &context, signatures).map_err(refused)?;
                self.recoveries.extend(recovery(&changes));
                self.admitted.extend(changes.admitted);
                self.namespace = changes.state;
            }
            LogName::Package(name) => {
                let begun = match self.package.take() {
                    Some(begun) => begun,
                    None => self.begin_package(name, record)?,
                };
                self.package = Some(match begun {
                    PackageLog::V1(mut state) => {
                        judge_v1_record(&mut state, &record.envelope, signatures).map_err(failed)?;
                        PackageLog::V1(state)
                    }
                    PackageLog::Delegated { state, mut facts } => {
                        let namespace = Some(&self.namespace);
                        let context = Context { namespace, facts: Some(&facts), ..context };
                        let changes = record.judge(&state, &context, signatures).map_err(refused)?;
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
        let admission = Admission { name: name.name().to_owned(), key: record.envelope.key_id };
        if claimed && !self.admitted.contains(&admission) {
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
