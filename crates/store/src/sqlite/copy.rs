//! A copy of the ledger as of one moment, taken while another process may write to it.
//!
//! Not here: what the copy is for, and where it is kept.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::open::{OpenError, open_reader};

/// Pages that are copied before the caller hears of it: 4 MiB with pages of 4 KiB.
const PAGES_PER_STEP: i32 = 1024;

/// Why a ledger could not be copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The ledger could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// SQLite gave up.
    #[error("the ledger `{}` could not be copied to `{}`: {source}", .from.display(), .to.display())]
    Engine {
        /// The ledger.
        from: PathBuf,
        /// The copy.
        to: PathBuf,
        /// What the engine says.
        source: rusqlite::Error,
    },
    /// The file system refused.
    #[error("could not {action} `{}`: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// Copies the ledger `from` as it is at this moment into the new file `to`, durable when it returns; a file of that
/// name is replaced. Commits of another process go on meanwhile and are not in the copy. `progress` hears of pages
/// copied and pages in all.
///
/// The copy is one file that is whole by itself: no write-ahead log belongs to it.
///
/// # Errors
/// [`CopyError`]; what is left at `to` is then worth nothing.
pub fn copy_ledger(from: &Path, to: &Path, mut progress: impl FnMut(u64, u64)) -> Result<(), CopyError> {
    remove(to)?;
    let failed = |source| CopyError::Engine { from: from.to_owned(), to: to.to_owned(), source };
    let source = open_reader(from)?;
    let mut copy = Connection::open(to).map_err(failed)?;
    // The file is worth something only once all of it is synced below.
    copy.execute_batch("pragma journal_mode = off; pragma synchronous = off").map_err(failed)?;
    // One read transaction over all steps: else SQLite starts over whenever a commit comes between two of them.
    source.execute_batch("begin; select count(*) from sqlite_schema").map_err(failed)?;
    copy_pages(&source, &mut copy, &mut progress).map_err(failed)?;
    // The ledger's header says that it has a write-ahead log; the copy has none.
    let mode: String =
        copy.query_row("pragma journal_mode = delete", [], |row| row.get(0)).map_err(failed)?;
    tracing::debug!(mode, "copied the ledger");
    drop(copy);
    drop(source);
    sync(to)
}

fn copy_pages(
    source: &Connection,
    copy: &mut Connection,
    progress: &mut impl FnMut(u64, u64),
) -> Result<(), rusqlite::Error> {
    let backup = Backup::new(source, copy)?;
    loop {
        let step = backup.step(PAGES_PER_STEP)?;
        let pages = backup.progress();
        let of = |pages: std::ffi::c_int| u64::try_from(pages).unwrap_or(0);
        progress(of(pages.pagecount - pages.remaining), of(pages.pagecount));
        match step {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            // Nobody else has the copy, and readers of a write-ahead log wait for nobody.
            _ => {
                return Err(rusqlite::Error::SqliteFailure(
                    rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
                    None,
                ));
            }
        }
    }
}

/// Removes a copy that was broken off, with what SQLite may have put beside it.
fn remove(to: &Path) -> Result<(), CopyError> {
    for suffix in ["", "-journal", "-wal", "-shm"] {
        let mut name = to.as_os_str().to_owned();
        name.push(suffix);
        let path = PathBuf::from(name);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(CopyError::Io { action: "remove", path, source });
            }
            _ => {}
        }
    }
    Ok(())
}

fn sync(path: &Path) -> Result<(), CopyError> {
    let failed = |source| CopyError::Io { action: "sync", path: path.to_owned(), source };
    File::open(path).and_then(|file| file.sync_all()).map_err(failed)?;
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}
