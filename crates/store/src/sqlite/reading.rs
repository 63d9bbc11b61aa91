//! A ledger that is only read: a copy, or a ledger that another process writes. Its tables are taken as they are.
//!
//! Not here: bringing tables up to date, which is writing.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rusqlite::Connection;
use wargate_registry::db::{Batch, Db, DbError, DbKind, Row, Statement};

use super::check;
use super::open::{OpenError, open_reader};
use super::run::read_together;
use crate::migrations::{SCHEMA_VERSION, schema_version};

/// Why a ledger cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its tables are of another version than this program reads.
    #[error(
        "the ledger `{}` has schema {found}, this program reads schema {SCHEMA_VERSION}: use the program that \
         runs the registry, or run `wargate serve` of this version once",
        .path.display()
    )]
    Schema {
        /// The file.
        path: PathBuf,
        /// Its schema; 0 if it has none.
        found: i64,
    },
}

/// A ledger behind [`Db`] that answers reads and refuses writes. The file is left as it is.
#[derive(Debug, Clone)]
pub struct ReadOnlyLedger {
    connection: Arc<Mutex<Connection>>,
}

impl ReadOnlyLedger {
    /// Opens the file, which must be there and have this program's schema.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let connection = open_reader(path)?;
        let found = schema_version(&connection)
            .map_err(|source| OpenError::Engine { path: path.to_owned(), source })?;
        if found != SCHEMA_VERSION {
            return Err(ReadError::Schema { path: path.to_owned(), found });
        }
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }
}

#[async_trait]
impl Db for ReadOnlyLedger {
    async fn read(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, DbError> {
        let connection = self.connection.clone();
        let read = move || {
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            read_together(&connection, &statements)
        };
        let failed = |error: tokio::task::JoinError| DbError::Failed { reason: error.to_string() };
        tokio::task::spawn_blocking(read).await.map_err(failed)?
    }

    async fn write(&self, _: Batch) -> Result<(), DbError> {
        Err(DbError::Failed { reason: "this ledger was opened for reading only".to_owned() })
    }

    async fn check(&self) -> Result<Vec<String>, DbError> {
        check::check(self).await
    }

    fn syncs(&self) -> u64 {
        0
    }

    fn kind(&self) -> DbKind {
        DbKind::Sqlite
    }
}
