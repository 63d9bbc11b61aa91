//! What the ledger's threads do with a connection, as plain functions: a simulation calls them inline.
//!
//! No threads, channels or clocks here.

use bytes::Bytes;
use rusqlite::ffi;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, TransactionBehavior};
use wargate_registry::db::{Batch, DbError, Row, Statement, Value};

/// Rows that one read may answer with, all its statements together.
pub const READ_ROWS_MAX: usize = 100_000;
/// Bytes of text and blobs that one read may answer with.
pub const READ_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Rows of a read on the caller's own thread; above it the cost of waking a thread no longer matters.
const BRIEF_ROWS_MAX: usize = 64;
/// Bytes of a read on the caller's own thread.
const BRIEF_BYTES_MAX: usize = 256 * 1024;

/// The outcome of [`write_together`].
#[derive(Debug)]
pub struct Together {
    /// One per batch, in their order.
    pub answers: Vec<Result<(), DbError>>,
    /// Whether a transaction that changed something was committed, which is one sync.
    pub synced: bool,
}

/// Why the work on a batch stopped.
#[derive(Clone)]
enum Stop {
    /// Its own condition: others of the transaction are untouched.
    Conflict(String),
    /// The disk is full.
    NoRoom(String),
    /// The disk takes no writes.
    Unwritable(String),
    /// Its own mistake, or the engine.
    Engine(String),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error().map(|error| error.extended_code);
        let primary = code.map(|code| code & 0xff);
        match code {
            _ if primary == Some(ffi::SQLITE_FULL) => Self::NoRoom(error.to_string()),
            _ if matches!(primary, Some(ffi::SQLITE_IOERR | ffi::SQLITE_READONLY | ffi::SQLITE_CANTOPEN)) => {
                Self::Unwritable(error.to_string())
            }
            Some(ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => {
                Self::Conflict(error.to_string())
            }
            _ => Self::Engine(error.to_string()),
        }
    }
}

impl Stop {
    /// A read says nothing about what may be written.
    fn of_read(self) -> Self {
        match self {
            Self::Conflict(reason)
            | Self::NoRoom(reason)
            | Self::Unwritable(reason)
            | Self::Engine(reason) => Self::Engine(reason),
        }
    }
}

impl From<Stop> for DbError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Conflict(reason) => Self::Conflict { reason },
            Stop::NoRoom(reason) => Self::NoRoom { reason },
            Stop::Unwritable(reason) => Self::Unwritable { reason },
            Stop::Engine(reason) => Self::Failed { reason },
        }
    }
}

/// Does the batches in their order in one transaction; each takes effect whole or not at all, whatever the others
/// do. A later batch sees what an earlier one did. Durable when it returns.
///
/// One answer per batch, and at most one sync.
pub fn write_together(connection: &mut Connection, batches: &[Batch]) -> Together {
    // Batches hardly ever fail, and savepoints cost a copy of every page that is touched twice: so all are done
    // without first, and one by one only when one of them fails.
    match attempt_plain(connection, batches) {
        Ok(None) => {}
        Ok(Some(rows)) => {
            return Together { answers: batches.iter().map(|_| Ok(())).collect(), synced: rows > 0 };
        }
        Err(error) => {
            return Together {
                answers: batches.iter().map(|_| Err(error.repeat())).collect(),
                synced: false,
            };
        }
    }
    let mut rows = 0;
    let mut answers = Vec::with_capacity(batches.len());
    if let Err(error) = attempt(connection, batches, &mut answers, &mut rows) {
        // Whatever was answered so far is void: it did not happen, or (Unknown) nobody knows.
        let answers =
            batches.iter().zip(answers.into_iter().map(Some).chain(std::iter::repeat_with(|| None)));
        let answers = answers.map(|(_, answer)| match answer {
            Some(Err(own)) => Err(own),
            _ => Err(error.repeat()),
        });
        return Together { answers: answers.collect(), synced: false };
    }
    Together { answers, synced: rows > 0 }
}

/// Does all batches in one transaction, if every one of them succeeds; the rows changed. `None`: one did not, and
/// all were rolled back.
fn attempt_plain(connection: &mut Connection, batches: &[Batch]) -> Result<Option<u64>, Whole> {
    if batches.len() == 1 {
        return Ok(None);
    }
    let Ok(transaction) = connection.transaction_with_behavior(TransactionBehavior::Immediate) else {
        return Ok(None);
    };
    let mut rows = 0;
    for batch in batches {
        match run_batch(&transaction, batch) {
            Ok(changed) => rows += changed,
            Err(_) => return Ok(None),
        }
    }
    match commit(transaction) {
        Ok(()) => Ok(Some(rows)),
        Err(Whole::RolledBack(_)) => Ok(None),
        Err(unknown @ Whole::Unknown(_)) => Err(unknown),
    }
}

/// Commits, or says whether nothing of it can have happened.
fn commit(transaction: rusqlite::Transaction<'_>) -> Result<(), Whole> {
    // Not `Transaction::commit`, which would roll back on its drop before the state can be looked at.
    let Err(error) = run_cached(&transaction, "commit") else { return Ok(()) };
    // Still open: SQLite refused before it wrote (a deferred constraint, a lock). Else the sync itself broke off,
    // and the frames may or may not be on the disk. This process no longer sees them, a start after a crash might,
    // until the next commit overwrites them: who reloads must be content with either.
    let refused = !transaction.is_autocommit();
    let stop = Stop::from(error);
    if refused && transaction.rollback().is_ok() {
        return Err(Whole::RolledBack(stop));
    }
    // A full disk refused one of the frames, of which the last alone makes them count: nothing was done.
    if matches!(stop, Stop::NoRoom(_)) {
        return Err(Whole::RolledBack(stop));
    }
    let error = DbError::from(stop);
    Err(Whole::Unknown(error.to_string()))
}

/// A failure of the whole transaction.
enum Whole {
    /// It was certainly rolled back.
    RolledBack(Stop),
    /// The commit broke off.
    Unknown(String),
}

impl Whole {
    fn repeat(&self) -> DbError {
        match self {
            Self::RolledBack(stop) => stop.clone().into(),
            Self::Unknown(reason) => DbError::Unknown { reason: reason.clone() },
        }
    }
}

/// Fills `answers` as far as it gets and counts the `rows` changed by batches that stand.
fn attempt(
    connection: &mut Connection,
    batches: &[Batch],
    answers: &mut Vec<Result<(), DbError>>,
    rows: &mut u64,
) -> Result<(), Whole> {
    let broken = |error: rusqlite::Error| Whole::RolledBack(error.into());
    // Dropped without commit, a transaction is rolled back; not committed, nothing of it can be durable.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(broken)?;
    // A lone batch needs no savepoint: rolling it back is rolling back the transaction.
    let alone = batches.len() == 1;
    for batch in batches {
        if !alone {
            run_cached(&transaction, "savepoint batch").map_err(broken)?;
        }
        let done = run_batch(&transaction, batch);
        // Some errors (disk full, I/O) make SQLite roll back the transaction by itself, the others' work with it.
        if transaction.is_autocommit() {
            let stop =
                done.err().unwrap_or_else(|| Stop::Engine("the transaction was rolled back".to_owned()));
            return Err(Whole::RolledBack(stop));
        }
        if !alone {
            if done.is_err() {
                run_cached(&transaction, "rollback to batch").map_err(broken)?;
            }
            run_cached(&transaction, "release batch").map_err(broken)?;
        }
        answers.push(match done {
            Ok(changed) => {
                *rows += changed;
                Ok(())
            }
            Err(stop) => Err(stop.into()),
        });
    }
    if answers.iter().all(Result::is_err) {
        return transaction.rollback().map_err(broken);
    }
    commit(transaction)
}

fn run_cached(connection: &Connection, sql: &str) -> Result<(), rusqlite::Error> {
    connection.prepare_cached(sql)?.raw_execute().map(|_| ())
}

/// How many rows the batch changed.
fn run_batch(connection: &Connection, batch: &Batch) -> Result<u64, Stop> {
    let mut rows = 0;
    for statement in batch {
        let mut prepared = connection.prepare_cached(statement.sql)?;
        bind(&mut prepared, statement)?;
        let changed = prepared.raw_execute()? as u64;
        if let Some(expected) = statement.must_affect
            && expected != changed
        {
            let sql = statement.sql;
            return Err(Stop::Conflict(format!("{changed} rows instead of {expected} changed by `{sql}`")));
        }
        rows += changed;
    }
    Ok(rows)
}

/// Binds `$N` to the N-th parameter.
///
/// By name: to SQLite `$2` is a name like any other, numbered by its first appearance in the text, so binding by
/// position would swap the values of `… $2 … $1`. As in PostgreSQL, each parameter must be used.
fn bind(prepared: &mut rusqlite::Statement<'_>, statement: &Statement) -> Result<(), Stop> {
    let count = prepared.parameter_count();
    let given = statement.parameters.len();
    if count != given {
        let sql = statement.sql;
        return Err(Stop::Engine(format!("{given} parameters given, {count} used by `{sql}`")));
    }
    for index in 1..=count {
        let value = prepared
            .parameter_name(index)
            .and_then(|name| name.strip_prefix('$'))
            .and_then(|number| number.parse::<usize>().ok())
            .and_then(|number| statement.parameters.get(number.checked_sub(1)?));
        let Some(value) = value else {
            return Err(Stop::Engine(format!(
                "placeholders other than $1 to ${given} in `{}`",
                statement.sql
            )));
        };
        let value = match value {
            Value::Null => ValueRef::Null,
            Value::Int(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        };
        prepared.raw_bind_parameter(index, ToSqlOutput::Borrowed(value))?;
    }
    Ok(())
}

/// Runs the statements on one state of the ledger; one list of rows each.
///
/// # Errors
/// [`DbError::Failed`], also when the answer exceeds [`READ_ROWS_MAX`] or [`READ_BYTES_MAX`].
pub fn read_together(connection: &Connection, statements: &[Statement]) -> Result<Vec<Vec<Row>>, DbError> {
    read_within(connection, statements, Budget { rows: READ_ROWS_MAX, bytes: READ_BYTES_MAX })
}

/// The same within other bounds.
pub(super) fn read_within(
    connection: &Connection,
    statements: &[Statement],
    mut budget: Budget,
) -> Result<Vec<Vec<Row>>, DbError> {
    let failed = |error: rusqlite::Error| DbError::Failed { reason: error.to_string() };
    // A lone statement is a transaction by itself.
    let transaction = match statements {
        [_] => None,
        _ => Some(connection.unchecked_transaction().map_err(failed)?),
    };
    let mut answers = Vec::with_capacity(statements.len());
    for statement in statements {
        answers.push(run_query(connection, statement, &mut budget).map_err(Stop::of_read)?);
    }
    if let Some(transaction) = transaction {
        transaction.commit().map_err(failed)?;
    }
    Ok(answers)
}

/// What is left of a read's bounds.
pub(super) struct Budget {
    rows: usize,
    bytes: usize,
}

impl Budget {
    /// What may be answered on the caller's own thread.
    pub(super) fn brief() -> Self {
        Self { rows: BRIEF_ROWS_MAX, bytes: BRIEF_BYTES_MAX }
    }

    fn take(&mut self, row: &Row) -> Result<(), Stop> {
        let bytes: usize = row.iter().map(weight).sum();
        let left = (self.rows.checked_sub(1), self.bytes.checked_sub(bytes));
        let (Some(rows), Some(bytes)) = left else {
            return Err(Stop::Engine(format!(
                "a read answers with more than {READ_ROWS_MAX} rows or {READ_BYTES_MAX} bytes: ask in pieces"
            )));
        };
        *self = Self { rows, bytes };
        Ok(())
    }
}

/// Bytes of text or blob in a value.
fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Int(_) => 0,
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
    }
}

fn run_query(connection: &Connection, statement: &Statement, budget: &mut Budget) -> Result<Vec<Row>, Stop> {
    let mut prepared = connection.prepare_cached(statement.sql)?;
    bind(&mut prepared, statement)?;
    let columns = prepared.column_count();
    let mut found = prepared.raw_query();
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let row = (0..columns).map(|column| value(row.get_ref(column)?)).collect::<Result<Row, Stop>>()?;
        budget.take(&row)?;
        rows.push(row);
    }
    Ok(rows)
}

fn value(found: ValueRef<'_>) -> Result<Value, Stop> {
    match found {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(number) => Ok(Value::Int(number)),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Ok(Value::Text(text.to_owned())),
            Err(_) => Err(Stop::Engine("a text in the ledger is not UTF-8".to_owned())),
        },
        ValueRef::Blob(bytes) => Ok(Value::Bytes(Bytes::copy_from_slice(bytes))),
        ValueRef::Real(_) => Err(Stop::Engine("the ledger has no floating point numbers".to_owned())),
    }
}
