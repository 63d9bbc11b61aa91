//! The ledger in one SQLite file: one writer thread that shares syncs, a few reader threads.
//!
//! All batches that wait while the disk is busy ride in the next transaction, a savepoint each, and are answered
//! after its one sync; a batch that waits alone is committed at once. No timers. Works under any executor: the
//! threads are the ledger's own. What was committed is copied from the WAL into the file beside the writer (`backfill`).
//! A brief read skips them: waking a thread costs ten times what reading a row does.
//! Not here: settings (`open`), running statements (`run`) and the tables' meaning (`wargate_registry`).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use wargate_registry::db::{Batch, Db, DbError, DbKind, Row, Statement};

mod backfill;
mod check;
mod copy;
mod open;
mod reading;
mod run;
#[cfg(test)]
mod tests;

use backfill::Backfill;
pub use copy::{CopyError, copy_ledger};
pub use open::{OpenError, open_reader, open_writer};
pub use reading::{ReadError, ReadOnlyLedger};
pub use run::{READ_BYTES_MAX, READ_ROWS_MAX, Together, read_together, write_together};

/// Batches that share one sync at most: bounds how long the first of them waits, and the transaction's size.
pub const BATCHES_PER_SYNC_MAX: usize = 512;
/// Batches that wait for the writer at most; further callers wait to hand theirs in.
pub const BATCHES_WAITING_MAX: usize = 1024;
/// Reads that wait for a reader at most; further callers wait to hand theirs in.
pub const READS_WAITING_MAX: usize = 1024;
/// Reader threads, each with its own connection.
pub const READERS_MAX: usize = 64;

/// What the writer counts.
#[derive(Debug, Default)]
struct Counts {
    /// Transactions that were synced.
    syncs: AtomicU64,
    /// Odd while a transaction is under way, another even number after each.
    generation: AtomicU64,
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
    /// For reads on the caller's thread.
    brief: Vec<Mutex<Connection>>,
    counts: Arc<Counts>,
    path: PathBuf,
    writer: Option<JoinHandle<()>>,
    readers: Vec<JoinHandle<()>>,
    /// Closed after all connections.
    file: Option<Arc<File>>,
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
        let mut connection = open_writer(path)?;
        let file =
            Arc::new(File::open(path).map_err(|source| OpenError::File { path: path.to_owned(), source })?);
        let backfill = Backfill::beside(&mut connection, path, Arc::clone(&file))?;
        let (writes, waiting_writes) = mpsc::channel(BATCHES_WAITING_MAX);
        let mut ledger = Self::open_readers(path, readers)?;
        ledger.file = Some(file);
        let counts = Arc::clone(&ledger.counts);
        ledger.writes = Some(writes);
        ledger.writer = Some(start("wargate-ledger".to_owned(), move || {
            write_until_closed(connection, backfill, waiting_writes, &counts);
        })?);
        Ok(ledger)
    }

    fn open_readers(path: &Path, readers: usize) -> Result<Self, OpenError> {
        let mut connections = Vec::with_capacity(readers);
        let mut brief = Vec::with_capacity(readers);
        for _ in 0..readers {
            connections.push(open_reader(path)?);
            brief.push(Mutex::new(open::open_brief(path)?));
        }
        let (reads, waiting_reads) = mpsc::channel(READS_WAITING_MAX);
        // Built before its threads, so that a thread that fails to start leaves a value whose drop ends the others.
        let mut ledger = Self {
            writes: None,
            reads: Some(reads),
            brief,
            counts: Arc::default(),
            path: path.to_owned(),
            writer: None,
            readers: Vec::new(),
            file: None,
        };
        let waiting_reads = Arc::new(Mutex::new(waiting_reads));
        for (number, connection) in connections.into_iter().enumerate() {
            let waiting = Arc::clone(&waiting_reads);
            ledger.readers.push(start(format!("wargate-reads-{number}"), move || {
                read_until_closed(&connection, &waiting);
            })?);
        }
        Ok(ledger)
    }

    /// Answers on this thread if a connection is free and the answer is small and soon found. `None` says nothing
    /// about the statements: a reader thread then takes all the time they need, and reports what fails.
    fn read_briefly(&self, statements: &[Statement]) -> Option<Vec<Vec<Row>>> {
        let connection = self.brief.iter().find_map(|connection| connection.try_lock().ok())?;
        run::read_within(&connection, statements, run::Budget::brief()).ok()
    }
}

fn start(name: String, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    thread::Builder::new().name(name.clone()).spawn(body).map_err(|source| OpenError::Thread { name, source })
}

fn write_until_closed(
    mut connection: Connection,
    mut backfill: Backfill,
    mut waiting: mpsc::Receiver<Write>,
    counts: &Counts,
) {
    while let Some(first) = waiting.blocking_recv() {
        let mut batches = vec![first.batch];
        let mut callers = vec![first.answer];
        while batches.len() < BATCHES_PER_SYNC_MAX
            && let Ok(next) = waiting.try_recv()
        {
            batches.push(next.batch);
            callers.push(next.answer);
        }
        // In the one order of all threads: who reads an even number after this sees what it wrote.
        counts.generation.fetch_add(1, Ordering::SeqCst);
        let together = write_together(&mut connection, &batches);
        counts.generation.fetch_add(1, Ordering::SeqCst);
        if together.synced {
            counts.syncs.fetch_add(1, Ordering::Relaxed);
        }
        for (caller, answer) in callers.into_iter().zip(together.answers) {
            // A caller that went away does not undo what it asked for.
            let _ = caller.send(answer);
        }
        backfill.after_commit(&connection);
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
        if let Some(found) = self.read_briefly(&statements) {
            return Ok(found);
        }
        let (answer, answered) = oneshot::channel();
        let reads = self.reads.as_ref().ok_or_else(closed)?;
        reads.send(Read { statements, answer }).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    async fn write(&self, batch: Batch) -> Result<(), DbError> {
        let closed =
            || DbError::Failed { reason: "the ledger has no writer: it is open to read only".to_owned() };
        let (answer, answered) = oneshot::channel();
        let writes = self.writes.as_ref().ok_or_else(closed)?;
        writes.send(Write { batch, answer }).await.map_err(|_| closed())?;
        // From here the batch may have been done.
        answered.await.map_err(|_| DbError::Unknown {
            reason: "the ledger's writer ended before it answered".to_owned(),
        })?
    }

    async fn check(&self) -> Result<Vec<String>, DbError> {
        check::check(self).await
    }

    fn syncs(&self) -> u64 {
        self.counts.syncs.load(Ordering::Relaxed)
    }

    fn generation(&self) -> Option<u64> {
        let generation = self.counts.generation.load(Ordering::SeqCst);
        generation.is_multiple_of(2).then_some(generation)
    }

    fn file_bytes(&self) -> Option<u64> {
        let mut wal = self.path.clone().into_os_string();
        wal.push("-wal");
        let bytes = std::fs::metadata(&self.path).ok()?.len();
        Some(bytes + std::fs::metadata(wal).map_or(0, |wal| wal.len()))
    }

    fn kind(&self) -> DbKind {
        DbKind::Sqlite
    }
}

impl Drop for SqliteLedger {
    fn drop(&mut self) {
        // A closed channel still hands out what is in it. The readers go first: the last connection to close
        // moves the WAL into the file, which only the writer may.
        self.brief.clear();
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
        self.file = None;
    }
}
