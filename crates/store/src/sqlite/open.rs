//! Opens connections with the settings that durability and bounded memory depend on.
//!
//! Not here: what is done with them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, ToSql};

use super::READERS_MAX;
use crate::migrations::{MigrationError, migrate};

/// How long a connection waits for a lock of another process (a backup tool, say), in milliseconds.
const BUSY_TIMEOUT_MS: u64 = 5_000;
/// Prepared statements kept per connection; above the number of texts in the registry's tables.
const STATEMENTS_CACHED_MAX: usize = 256;
/// Page cache of the writer, KiB.
const WRITER_CACHE_KIB: i64 = 32 * 1024;
/// Page cache of each reader, KiB.
const READER_CACHE_KIB: i64 = 8 * 1024;
/// WAL pages (4 KiB) after which they are copied into the file, which takes two more syncs.
pub(super) const WAL_PAGES: u32 = 8_000;
/// The WAL file is cut down to this when it is empty again, bytes.
const WAL_BYTES_KEPT: i64 = 64 * 1024 * 1024;
/// Steps of SQLite's virtual machine in a read on the caller's thread, about half a millisecond; a one-row read
/// takes some twenty.
const BRIEF_STEPS_MAX: i32 = 10_000;

/// Why the ledger's file could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// SQLite refused the file.
    #[error("the ledger `{}` could not be opened: {source}", .path.display())]
    Engine {
        /// The file.
        path: PathBuf,
        /// What the engine says.
        source: rusqlite::Error,
    },
    /// The file could not be opened beside SQLite.
    #[error("the ledger `{}` could not be opened: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A setting that durability or memory depends on did not take.
    #[error("the ledger `{}` cannot have {setting} = {wanted}, it stays {found}: choose another file system", .path.display())]
    Setting {
        /// The file.
        path: PathBuf,
        /// The pragma.
        setting: &'static str,
        /// What it must be.
        wanted: String,
        /// What it is.
        found: String,
    },
    /// The tables could not be brought up to date.
    #[error("`{}`: {source}", .path.display())]
    Migration {
        /// The file.
        path: PathBuf,
        /// Why.
        source: MigrationError,
    },
    /// `readers` is not in 1..=[`READERS_MAX`].
    #[error("{readers} reader threads were asked for: expected 1 to {READERS_MAX}")]
    Readers {
        /// What was asked for.
        readers: usize,
    },
    /// A thread could not be started.
    #[error("the ledger's thread `{name}` could not be started: {source}")]
    Thread {
        /// Its name.
        name: String,
        /// What the system says.
        source: std::io::Error,
    },
}

/// The connection that writes, with its tables up to date, and copies the WAL itself; public for callers of
/// [`super::write_together`].
///
/// # Errors
/// [`OpenError`].
pub fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    let mut connection = open_durable(path, OpenFlags::SQLITE_OPEN_CREATE)?;
    set(&connection, path, "foreign_keys", 1)?;
    set(&connection, path, "cache_size", -WRITER_CACHE_KIB)?;
    set(&connection, path, "wal_autocheckpoint", i64::from(WAL_PAGES))?;
    migrate(&mut connection).map_err(|source| OpenError::Migration { path: path.to_owned(), source })?;
    Ok(connection)
}

/// A connection that copies the WAL into the file beside the writer.
pub(super) fn open_backfill(path: &Path) -> Result<Connection, OpenError> {
    open_durable(path, OpenFlags::empty())
}

/// A connection whose syncs are what durability depends on.
fn open_durable(path: &Path, more: OpenFlags) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let connection = open_with(path, flags)?;
    set(&connection, path, "journal_mode", "wal")?;
    // NORMAL would let a power cut undo commits already answered. FULL reads back as 2.
    set(&connection, path, "synchronous", 2)?;
    set(&connection, path, "journal_size_limit", WAL_BYTES_KEPT)?;
    Ok(connection)
}

/// A connection for reads on the caller's own thread: it never waits for a lock, and a statement is broken off after
/// [`BRIEF_STEPS_MAX`] (SQLite counts over a prepared statement's life, so now and then a short one is hit too).
pub(super) fn open_brief(path: &Path) -> Result<Connection, OpenError> {
    let failed = |source| OpenError::Engine { path: path.to_owned(), source };
    let mut connection = open_reader(path)?;
    connection.busy_timeout(Duration::ZERO).map_err(failed)?;
    connection.progress_handler(BRIEF_STEPS_MAX, Some(|| true)).map_err(failed)?;
    Ok(connection)
}

/// A connection that reads; public for callers of [`super::read_together`].
///
/// # Errors
/// [`OpenError`].
pub fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let connection = open_with(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    set(&connection, path, "query_only", 1)?;
    set(&connection, path, "cache_size", -READER_CACHE_KIB)?;
    Ok(connection)
}

fn open_with(path: &Path, flags: OpenFlags) -> Result<Connection, OpenError> {
    let failed = |source| OpenError::Engine { path: path.to_owned(), source };
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(Duration::from_millis(BUSY_TIMEOUT_MS)).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);
    // Else a statement is prepared anew whenever another value is bound, in case that changed its plan.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(failed)?;
    // A disk error under mmap is a signal that kills the process; read() makes it an error.
    set(&connection, path, "mmap_size", 0)?;
    Ok(connection)
}

/// Sets a pragma and reads it back: SQLite answers many refusals with silence.
fn set<V>(connection: &Connection, path: &Path, setting: &'static str, wanted: V) -> Result<(), OpenError>
where
    V: ToSql + ToString + Copy,
{
    let failed = |source| OpenError::Engine { path: path.to_owned(), source };
    connection.pragma_update(None, setting, wanted).map_err(failed)?;
    let found = connection.pragma_query_value(None, setting, |row| row.get::<_, rusqlite::types::Value>(0));
    let found = match found {
        Ok(rusqlite::types::Value::Integer(number)) => number.to_string(),
        Ok(rusqlite::types::Value::Text(text)) => text,
        Ok(other) => format!("{other:?}"),
        Err(rusqlite::Error::QueryReturnedNoRows) => "unset".to_owned(),
        Err(error) => return Err(failed(error)),
    };
    if found == wanted.to_string() {
        return Ok(());
    }
    Err(OpenError::Setting { path: path.to_owned(), setting, wanted: wanted.to_string(), found })
}
