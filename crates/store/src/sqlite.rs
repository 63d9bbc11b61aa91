//! The ledger in one SQLite file: one writer thread that shares syncs, a few reader threads.
//!
//! All batches that wait while the disk is busy ride in the next transaction, a savepoint each, and are answered
//! after its one sync; a batch that waits alone is committed at once. No timers. Works under any executor: the
//! threads are the ledger's own. Not here: running statements (`run`) and the tables' meaning (`wargate_registry`).

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OpenFlags, ToSql};
use tokio::sync::{mpsc, oneshot};
use wargate_registry::db::{Batch, Db, DbError, DbKind, Row, Statement};

use crate::migrations::{MigrationError, migrate};

mod run;
#[cfg(test)]
mod tests;

pub use run::{READ_BYTES_MAX, READ_ROWS_MAX, Together, read_together, write_together};

/// Batches that share one sync at most: bounds how long the first of them waits, and the transaction's size.
pub const BATCHES_PER_SYNC_MAX: usize = 512;
/// Batches that wait for the writer at most; further callers wait to hand theirs in.
pub const BATCHES_WAITING_MAX: usize = 1024;
/// Reads that wait for a reader at most; further callers wait to hand theirs in.
pub const READS_WAITING_MAX: usize = 1024;
/// Reader threads, each with its own connection.
pub const READERS_MAX: usize = 64;
/// How long a connection waits for a lock of another process (a backup tool, say), in milliseconds.
const BUSY_TIMEOUT_MS: u64 = 5_000;
/// Prepared statements kept per connection; above the number of texts in the registry's tables.
const STATEMENTS_CACHED_MAX: usize = 256;
/// Page cache of the writer, KiB.
const WRITER_CACHE_KIB: i64 = 32 * 1024;
/// Page cache of each reader, KiB.
const READER_CACHE_KIB: i64 = 8 * 1024;
/// WAL pages (4 KiB) after which a commit also copies them into the file: two more syncs each time.
const CHECKPOINT_PAGES: i64 = 4_000;
/// The WAL file is cut down to this when it is empty again, bytes.
const WAL_BYTES_KEPT: i64 = 64 * 1024 * 1024;

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

struct Write {
    batch: Batch,
    answer: oneshot::Sender<Result<(), DbError>>,
}

struct Read {
    statements: Vec<Statement>,
    answer: oneshot::Sender<Result<Vec<Vec<Row>>, DbError>>,
}

/// The ledger in one SQLite file; the engine behind [`Db`] by default.
///
/// Dropping it commits what was handed in, then closes the file; the drop waits for that.
#[derive(Debug)]
pub struct SqliteLedger {
    /// `None` only while dropping.
    writes: Option<mpsc::Sender<Write>>,
    reads: Option<mpsc::Sender<Read>>,
    syncs: Arc<AtomicU64>,
    writer: Option<JoinHandle<()>>,
    readers: Vec<JoinHandle<()>>,
}

impl SqliteLedger {
    /// Opens the file, creating it if absent, brings its tables up to date, and starts one writer thread and
    /// `readers` (1 to [`READERS_MAX`]) reader threads.
    ///
    /// # Errors
    /// [`OpenError`]; a ledger of a newer program is refused unchanged.
    pub fn open(path: impl AsRef<Path>, readers: usize) -> Result<Self, OpenError> {
        let path = path.as_ref();
        if readers == 0 || readers > READERS_MAX {
            return Err(OpenError::Readers { readers });
        }
        let connection = open_writer(path)?;
        let mut connections = Vec::with_capacity(readers);
        for _ in 0..readers {
            connections.push(open_reader(path)?);
        }
        let (writes, waiting_writes) = mpsc::channel(BATCHES_WAITING_MAX);
        let (reads, waiting_reads) = mpsc::channel(READS_WAITING_MAX);
        let syncs = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&syncs);
        // Built before its threads, so that a thread that fails to start leaves a value whose drop ends the others.
        let mut ledger =
            Self { writes: Some(writes), reads: Some(reads), syncs, writer: None, readers: Vec::new() };
        ledger.writer = Some(start("wargate-ledger".to_owned(), move || {
            write_until_closed(connection, waiting_writes, &count);
        })?);
        let waiting_reads = Arc::new(Mutex::new(waiting_reads));
        for (number, connection) in connections.into_iter().enumerate() {
            let waiting = Arc::clone(&waiting_reads);
            ledger.readers.push(start(format!("wargate-reads-{number}"), move || {
                read_until_closed(&connection, &waiting);
            })?);
        }
        Ok(ledger)
    }
}

fn start(name: String, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    thread::Builder::new().name(name.clone()).spawn(body).map_err(|source| OpenError::Thread { name, source })
}

fn write_until_closed(mut connection: Connection, mut waiting: mpsc::Receiver<Write>, syncs: &AtomicU64) {
    while let Some(first) = waiting.blocking_recv() {
        let mut batches = vec![first.batch];
        let mut callers = vec![first.answer];
        while batches.len() < BATCHES_PER_SYNC_MAX
            && let Ok(next) = waiting.try_recv()
        {
            batches.push(next.batch);
            callers.push(next.answer);
        }
        let together = write_together(&mut connection, &batches);
        if together.synced {
            syncs.fetch_add(1, Ordering::Relaxed);
        }
        for (caller, answer) in callers.into_iter().zip(together.answers) {
            // A caller that went away does not undo what it asked for.
            let _ = caller.send(answer);
        }
    }
}

fn read_until_closed(connection: &Connection, waiting: &Mutex<mpsc::Receiver<Read>>) {
    loop {
        // One idle reader waits in the channel, the others for the lock; it is held while waiting only.
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(read) = next else { return };
        // The caller may have given up while this waited.
        if !read.answer.is_closed() {
            let _ = read.answer.send(read_together(connection, &read.statements));
        }
    }
}

#[async_trait]
impl Db for SqliteLedger {
    async fn read(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, DbError> {
        let closed = || DbError::Failed { reason: "the ledger's readers have ended".to_owned() };
        let (answer, answered) = oneshot::channel();
        let reads = self.reads.as_ref().ok_or_else(closed)?;
        reads.send(Read { statements, answer }).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    async fn write(&self, batch: Batch) -> Result<(), DbError> {
        let closed = || DbError::Failed { reason: "the ledger's writer has ended".to_owned() };
        let (answer, answered) = oneshot::channel();
        let writes = self.writes.as_ref().ok_or_else(closed)?;
        writes.send(Write { batch, answer }).await.map_err(|_| closed())?;
        // From here the batch may have been done.
        answered.await.map_err(|_| DbError::Unknown {
            reason: "the ledger's writer ended before it answered".to_owned(),
        })?
    }

    fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    fn kind(&self) -> DbKind {
        DbKind::Sqlite
    }
}

impl Drop for SqliteLedger {
    fn drop(&mut self) {
        // A closed channel still hands out what is in it. The readers go first: the last connection to close
        // moves the WAL into the file, which only the writer may.
        self.reads = None;
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        self.writes = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the ledger's writer had panicked");
        }
    }
}

/// The connection that writes, with its tables up to date; public for callers of [`write_together`].
///
/// # Errors
/// [`OpenError`].
pub fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = open_with(path, flags)?;
    set(&connection, path, "journal_mode", "wal")?;
    // NORMAL would let a power cut undo commits already answered. FULL reads back as 2.
    set(&connection, path, "synchronous", 2)?;
    set(&connection, path, "foreign_keys", 1)?;
    set(&connection, path, "cache_size", -WRITER_CACHE_KIB)?;
    set(&connection, path, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    set(&connection, path, "journal_size_limit", WAL_BYTES_KEPT)?;
    migrate(&mut connection).map_err(|source| OpenError::Migration { path: path.to_owned(), source })?;
    Ok(connection)
}

/// A connection that reads; public for callers of [`read_together`].
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
