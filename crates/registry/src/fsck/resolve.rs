//! Which record stands at an index: what its row says, what the bundles say, and what the tile says.
//!
//! Two of three agree where one is damaged; that they agree with a signed checkpoint is checked by `tree`.

use std::collections::BTreeMap;

use bytes::Bytes;
use wargate_core::digest::Digest;
use wargate_core::envelope::Envelope;
use wargate_core::id::{Layer, LogId, RecordId, entry, leaf_hash};
use wargate_core::name::LogName;

use super::files::Window;
use super::{Check, Damage, Remedy};
use crate::db::{Row, Statement, Value};
use crate::error::Error;
use crate::tables::{Columns, int};

/// Records that are read at once.
pub(super) const WINDOW_RECORDS: u64 = 256;

/// What one place says of a record.
#[derive(Debug, Clone)]
pub(super) struct Said {
    /// The log's number, as far as this place knows it.
    pub(super) number: Option<u64>,
    /// Whether `logs` says that this number is this log's.
    pub(super) is_in_logs: bool,
    pub(super) log: LogId,
    pub(super) record: RecordId,
    pub(super) envelope: Option<Envelope>,
    /// The log's name, if this place gives one that has the log's id.
    pub(super) name: Option<LogName>,
    /// Whether it is for its namespace's people only, if this place says.
    pub(super) private: Option<bool>,
}

impl Said {
    pub(super) fn entry(&self) -> Vec<u8> {
        entry(&self.log, &self.record)
    }

    pub(super) fn leaf(&self) -> Digest {
        leaf_hash(&self.entry())
    }

    /// Whether the envelope is the record's, by its id.
    fn fits(&self) -> bool {
        let Some(envelope) = &self.envelope else { return false };
        let layers = [Layer::Operator, Layer::Namespace, Layer::Package];
        match &self.name {
            Some(name) => envelope.record_id(name.layer()) == self.record,
            None => layers.iter().any(|layer| envelope.record_id(*layer) == self.record),
        }
    }
}

/// Everything that is said of one index.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) index: u64,
    /// The row; why not, if it is none.
    pub(super) row: Result<Said, String>,
    /// The bundles, if it is laid down and they can be read.
    pub(super) bundles: Option<Said>,
    /// The leaf's hash in the tile.
    pub(super) tile: Option<Digest>,
}

impl Heard {
    pub(super) fn new(index: u64, row: Result<Said, String>, window: &Window) -> Self {
        let at = usize::try_from(index % WINDOW_RECORDS).unwrap_or_default();
        let (bundles, tile) = window.said(index, at);
        Self { index, row, bundles, tile }
    }

    /// The leaf that most places agree on; `None` if nobody says anything.
    pub(super) fn leaf(&self) -> Option<Digest> {
        let row = self.row.as_ref().ok().map(Said::leaf);
        let bundles = self.bundles.as_ref().map(Said::leaf);
        if bundles.is_some() && bundles == self.tile { bundles } else { row.or(self.tile).or(bundles) }
    }

    /// What stands there, if it has this leaf.
    pub(super) fn with_leaf(&self, leaf: &Digest) -> Option<&Said> {
        let row = self.row.as_ref().ok().filter(|said| said.leaf() == *leaf && said.fits());
        row.or(self.bundles.as_ref().filter(|said| said.leaf() == *leaf && said.fits()))
    }

    /// The entry's ids, from wherever they have this leaf.
    pub(super) fn entry_of(&self, leaf: &Digest) -> Option<&Said> {
        self.row.as_ref().ok().into_iter().chain(&self.bundles).find(|said| said.leaf() == *leaf)
    }
}

/// The rows of a window.
pub(super) type Rows = BTreeMap<u64, Result<Said, String>>;

const SELECT: &str = "select r.idx, r.log, r.record_id, r.envelope, l.log_id, l.name, r.private \
     from records r left join logs l on l.first_idx = r.log \
     where r.idx >= $1 and r.idx < $2 order by r.idx";

impl Check<'_> {
    /// What the rows of `from..to` say. `known` gives the id of a log by its number, once its first record was seen;
    /// `window` are the files of the same records.
    pub(super) async fn record_rows(
        &mut self,
        from: u64,
        to: u64,
        known: impl Fn(u64) -> Option<LogId>,
        window: &Window,
    ) -> Rows {
        let rows = match self.read(Statement::new(SELECT, vec![int(from), int(to)])).await {
            Ok(rows) => rows,
            Err(error) => {
                let place = format!("{from}..{to}");
                self.found(Damage::row("records", place, error, Remedy::Restore));
                return Rows::new();
            }
        };
        let said = |row: Row| {
            let mut columns = Columns::of(row);
            let index = columns.unsigned("index").ok()?;
            let at = usize::try_from(index - from).ok()?;
            Some((index, said_by(index, columns, &known, window.ids(at))))
        };
        rows.into_iter().filter_map(said).collect()
    }
}

fn said_by(
    index: u64,
    columns: Columns,
    known: impl Fn(u64) -> Option<LogId>,
    entry: Option<(LogId, RecordId)>,
) -> Result<Said, String> {
    let (said, decoded) = take_apart(index, columns, known, entry).map_err(|error| match error {
        Error::Internal { reason } => reason,
        other => other.to_string(),
    })?;
    decoded?;
    if said.fits() { Ok(said) } else { Err("its envelope is another record's than its id says".to_owned()) }
}

fn take_apart(
    index: u64,
    mut columns: Columns,
    known: impl Fn(u64) -> Option<LogId>,
    entry: Option<(LogId, RecordId)>,
) -> Result<(Said, Result<(), String>), Error> {
    let number = columns.unsigned("log number")?;
    let record = columns.record_id()?;
    let bytes = columns.bytes("envelope")?;
    let row_log = match columns.value()? {
        Value::Bytes(bytes) => LogId::from_slice(&bytes),
        _ => None,
    };
    let row_name = match columns.value()? {
        Value::Text(text) => text.parse::<LogName>().ok(),
        _ => None,
    };
    let private = columns.int("privacy")? != 0;
    // The name makes the id, so that of the two a damaged one gives itself away.
    let of_name = row_name.as_ref().map(LogName::log_id);
    let no_log = || Error::Internal { reason: format!("its log {number} is in no row of `logs`") };
    let of_entry = entry.filter(|(_, of)| *of == record).map(|(log, _)| log);
    let sure = known(number).or(row_log.filter(|log| of_name == Some(*log)));
    let log = sure.or(of_entry).or(of_name).or(row_log);
    let log = log.ok_or_else(no_log)?;
    let name = row_name.filter(|name| name.log_id() == log);
    let mut said = Said {
        number: Some(number),
        is_in_logs: row_log == Some(log),
        log,
        record,
        envelope: None,
        name,
        private: Some(private),
    };
    if number > index {
        return Ok((said, Err("its log begins after it".to_owned())));
    }
    let decoded = match Envelope::decode(&bytes) {
        Ok(envelope) => {
            said.envelope = Some(envelope);
            Ok(())
        }
        Err(error) => Err(error.to_string()),
    };
    Ok((said, decoded))
}

/// What the items of the bundles say at one index.
pub(super) fn said_in_bundles(
    index: u64,
    ids: Option<(LogId, RecordId)>,
    envelope: Option<&Bytes>,
    name: Option<&str>,
) -> Option<Said> {
    let (log, record) = ids?;
    let envelope = envelope.and_then(|bytes| Envelope::decode(bytes).ok());
    // The operator log's name is empty, and only the first record is without a name and begins a log.
    let name = name.filter(|name| !name.is_empty() || index == 0);
    let name = name.and_then(|name| name.parse::<LogName>().ok()).filter(|name| name.log_id() == log);
    let number = name.is_some().then_some(index);
    Some(Said { number, is_in_logs: false, log, record, envelope, name, private: None })
}
