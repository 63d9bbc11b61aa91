//! Copies the WAL into the ledger's file beside the writer: in its thread, a whole transaction of callers would wait
//! for thousands of pages and two syncs.
//!
//! SQLite calls that a checkpoint, a word that means something else here. The WAL begins anew only where all of it is
//! copied when a transaction starts, so the writer copies the few pages that came meanwhile. And SQLite syncs the file
//! only then: what lies in the system's memory until then is synced here, or the writer would wait for all of it.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use super::open::{OpenError, WAL_PAGES, open_backfill};
use super::start;

/// WAL pages that come while the thread copies, before the writer waits for it.
const PAGES_BESIDE_MAX: u32 = 3 * WAL_PAGES;
/// WAL pages, but for those of one transaction and those that readers of an old state keep.
#[cfg(test)]
pub(super) const WAL_PAGES_MAX: u32 = WAL_PAGES + PAGES_BESIDE_MAX;
/// Passes beside the writer: the second copies what came during the first, and leaves almost nothing.
const PASSES: usize = 2;
/// Commits after which the writer gives up to copy the rest: somebody reads an old state for long, and the WAL cannot
/// begin anew before they end.
const RESTS_MAX: u32 = 8;

/// Where the WAL stands between two of its beginnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It grows since it had this many pages.
    Grows { from: u32 },
    /// The thread copies since it had this many.
    Beside { since: u32 },
    /// The writer copied what the thread had left, so many times.
    Rest { times: u32 },
}

/// What the writer holds of the thread that copies.
#[derive(Debug)]
pub(super) struct Backfill {
    /// Pages in the WAL after the last commit, as SQLite tells.
    pages: Arc<AtomicU32>,
    seen: u32,
    stage: Stage,
    /// `None` only while dropping.
    wake: Option<SyncSender<()>>,
    /// One word each time that the thread was woken and has copied.
    copied: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Backfill {
    /// Takes the copying over from the connection that writes. `file` is the ledger's: to close it ends the locks that
    /// this process has on it (POSIX), so whoever gives it keeps it open for longer than any connection.
    pub(super) fn beside(writer: &mut Connection, path: &Path, file: Arc<File>) -> Result<Self, OpenError> {
        let connection = open_backfill(path)?;
        let pages = Arc::new(AtomicU32::new(0));
        let told = Arc::clone(&pages);
        let hook = move |_: &mut Wal, pages: i32| {
            told.store(pages.unsigned_abs(), Ordering::Relaxed);
            Ok(())
        };
        let failed = |source| OpenError::Engine { path: path.to_owned(), source };
        writer.wal_hook(Some(hook)).map_err(failed)?;
        let (wake, woken) = mpsc::sync_channel(1);
        let (done, copied) = mpsc::sync_channel(1);
        let body = move || copy_until_closed(&connection, &file, &woken, &done);
        let thread = Some(start("wargate-backfill".to_owned(), body)?);
        Ok(Self { pages, seen: 0, stage: Stage::Grows { from: 0 }, wake: Some(wake), copied, thread })
    }

    /// To be called by the writer between two transactions.
    pub(super) fn after_commit(&mut self, writer: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        let began_anew = pages < self.seen;
        self.seen = pages;
        self.stage = match self.stage {
            Stage::Beside { since } if self.is_done(pages.saturating_sub(since)) => copy_rest(writer, 0),
            busy @ Stage::Beside { .. } => busy,
            _ if began_anew => Stage::Grows { from: 0 },
            Stage::Grows { from } if pages.saturating_sub(from) < WAL_PAGES => Stage::Grows { from },
            // Refused only if the thread has ended: the writer then goes on without it.
            Stage::Grows { .. } => match self.wake.as_ref().map(|wake| wake.try_send(())) {
                Some(Ok(())) => Stage::Beside { since: pages },
                _ => copy_rest(writer, 0),
            },
            Stage::Rest { times } if times < RESTS_MAX => copy_rest(writer, times),
            Stage::Rest { .. } => Stage::Grows { from: pages },
        };
    }

    #[cfg(test)]
    pub(super) fn pages(&self) -> u32 {
        self.pages.load(Ordering::Relaxed)
    }

    /// Whether the thread is done; once it is, where too many pages came beside it.
    fn is_done(&self, pages: u32) -> bool {
        if pages >= PAGES_BESIDE_MAX {
            // An error says that the thread has ended, and will not copy more.
            let _ = self.copied.recv();
            return true;
        }
        !matches!(self.copied.try_recv(), Err(TryRecvError::Empty))
    }
}

fn copy_rest(writer: &Connection, times: u32) -> Stage {
    copy(writer);
    Stage::Rest { times: times + 1 }
}

fn copy_until_closed(connection: &Connection, file: &File, woken: &Receiver<()>, copied: &SyncSender<()>) {
    while woken.recv().is_ok() {
        for _ in 0..PASSES {
            copy(connection);
            // Not what durability rests on: SQLite syncs it again before the WAL begins anew, and fails if that fails.
            if let Err(error) = file.sync_data() {
                tracing::warn!(%error, "the ledger's file could not be synced beside its writer");
            }
        }
        if copied.send(()).is_err() {
            return;
        }
    }
}

/// Copies what no reader of an older state needs left out. Waits for nobody, and loses nothing if it fails: the pages
/// stay in the WAL.
fn copy(connection: &Connection) {
    let passive = connection.prepare_cached("pragma wal_checkpoint(passive)");
    if let Err(error) = passive.and_then(|mut passive| passive.query_row([], |_| Ok(()))) {
        tracing::warn!(%error, "the ledger's WAL could not be copied into its file: it grows until that succeeds");
    }
}

impl Drop for Backfill {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that copies the ledger's WAL had panicked");
        }
    }
}
