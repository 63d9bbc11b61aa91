//! The ledger's seam: what the registry asks of a SQL database.
//!
//! One SQL text serves every engine: `$1` placeholders, `bigint`, `bytea`, `ON CONFLICT`. Transactions are not
//! interactive: a [`Batch`] says in advance what it does and what must hold, so that an engine may share one
//! synced transaction among all batches that wait (SQLite) or send it in one round trip (PostgreSQL).

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

/// A value in a row or a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// `bigint`.
    Int(i64),
    /// `text`.
    Text(String),
    /// `bytea`.
    Bytes(Bytes),
}

/// One row of an answer, in the order of the selected columns.
pub type Row = Vec<Value>;

/// One SQL statement with its parameters.
#[derive(Debug, Clone)]
pub struct Statement {
    /// The text; static, so that engines can keep it prepared.
    pub sql: &'static str,
    /// `$1`, `$2`, …
    pub parameters: Vec<Value>,
    /// How many rows it must affect, if that is a condition of the batch: a compare-and-swap is an UPDATE
    /// that must affect one row.
    pub must_affect: Option<u64>,
}

impl Statement {
    /// A statement without a condition.
    #[must_use]
    pub fn new(sql: &'static str, parameters: Vec<Value>) -> Self {
        Self { sql, parameters, must_affect: None }
    }

    /// The same, under the condition that it affects `rows` rows.
    #[must_use]
    pub fn must_affect(mut self, rows: u64) -> Self {
        self.must_affect = Some(rows);
        self
    }
}

/// Statements that take effect together or not at all.
pub type Batch = Vec<Statement>;

/// Why the ledger did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DbError {
    /// A condition of the batch ([`Statement::must_affect`], a unique index) did not hold: nothing of it was done.
    #[error("a condition did not hold: {reason}")]
    Conflict {
        /// What the engine says.
        reason: String,
    },
    /// The engine failed, and nothing of the batch was done.
    #[error("the ledger failed: {reason}")]
    Failed {
        /// What the engine says.
        reason: String,
    },
    /// The disk is full, and nothing of the batch was done.
    #[error("the ledger has no room: {reason}")]
    NoRoom {
        /// What the engine says.
        reason: String,
    },
    /// The disk takes no writes, and nothing of the batch was done.
    #[error("the ledger takes no writes: {reason}")]
    Unwritable {
        /// What the engine says.
        reason: String,
    },
    /// The outcome is unknown: the batch may be durable. The caller must reload what it holds.
    #[error("the ledger broke off, the outcome is unknown: {reason}")]
    Unknown {
        /// What the engine says.
        reason: String,
    },
}

/// Which engine it is, for messages and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DbKind {
    /// One file.
    Sqlite,
}

impl fmt::Display for DbKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite => f.write_str("SQLite"),
        }
    }
}

/// The ledger's engine.
#[async_trait]
pub trait Db: Send + Sync + 'static {
    /// Runs the statements, reading only, all on one state of the ledger; one list of rows each.
    ///
    /// # Errors
    /// [`DbError::Failed`].
    async fn read(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, DbError>;

    /// Does all of a batch or nothing; durable (synced) when it returns `Ok`. Batches handed in before another
    /// returns take effect in the order in which they were handed in.
    ///
    /// # Errors
    /// [`DbError`]; only [`DbError::Unknown`] leaves open whether it was done.
    async fn write(&self, batch: Batch) -> Result<(), DbError>;

    /// What the engine finds wrong with its own file, in words; nothing if it is sound. Takes as long as reading it.
    ///
    /// # Errors
    /// [`DbError::Failed`].
    async fn check(&self) -> Result<Vec<String>, DbError>;

    /// How many synced transactions were committed so far, for the count of waits in tests and metrics.
    fn syncs(&self) -> u64;

    /// A number that changes with each commit, so that what was read may be kept while it stands. `None` while a commit
    /// is under way, and always if the engine cannot tell: one that others may write to as well never can.
    fn generation(&self) -> Option<u64> {
        None
    }

    /// The bytes that the ledger takes on disk, if it is files of this machine.
    fn file_bytes(&self) -> Option<u64> {
        None
    }

    /// Which engine it is.
    fn kind(&self) -> DbKind;
}
