//! What of a registry's objects belongs into its backup, and how it comes back out of one.
//!
//! A backup is a copy of the ledger and the objects that this copy needs: log files up to what is laid down, map
//! segments, and content that is too large to be a row. Which these are follows from the copied ledger's rows alone,
//! in windows; the store is never listed. Tiles and bundles are made from the ledger's records, so that a partial one
//! that is replaced meanwhile is no matter. What the copy has staged is laid down at [`restore`], by the function that
//! does so in a running registry, and the checkpoint issued is then the ledger's own: never a newer one.
//!
//! The order of it all is [`take`]'s and [`put_back`]'s. Not here: how a ledger is copied, and where a backup lies
//! (`wargate-store`). Rules: `spec/transparency.md`, "Never
//! fork".

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use wargate_core::checkpoint::{Checkpoint, open_note};

use crate::apply::Applier;
use crate::db::Db;
use crate::error::Error;
use crate::fsck;
use crate::limits::{BLOB_COPIES_AT_ONCE, COPIES_AT_ONCE};
use crate::objects;
use crate::recovery;
use crate::state::{Committed, State};
use crate::tables::checkpoints;

mod blobs;
mod log_files;
mod place;

pub use place::{BackupPlace, BrokenOff, RestorePlace, put_back, take};

/// Why a backup could not be made or restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The ledger needs an object that is not there.
    #[error("the object `{path}` is missing")]
    Missing {
        /// Where it should lie.
        path: Path,
    },
    /// An object is not what the ledger says it is.
    #[error("the object `{path}` is damaged: {reason}")]
    Damaged {
        /// Where it lies.
        path: Path,
        /// What is wrong with it.
        reason: String,
    },
    /// The ledger does not hold a checkpoint that it must go on from.
    #[error("the ledger does not hold {seen} of tree size {size}: it is older, or of another log")]
    NotExtended {
        /// Which checkpoint, in words.
        seen: &'static str,
        /// Its tree size.
        size: u64,
    },
    /// The ledger never began a log.
    #[error("the ledger is empty: no registry ever began here")]
    Empty,
    /// The ledger's checkpoint is another one than the backup was made of.
    #[error(
        "the ledger ends with another checkpoint, of tree size {found}, than the backup's, of tree size {expected}"
    )]
    OtherCheckpoint {
        /// The backup's tree size.
        expected: u64,
        /// The ledger's.
        found: u64,
    },
    /// The ledger or the objects failed.
    #[error(transparent)]
    Registry(#[from] Error),
}

impl BackupError {
    fn damaged(path: &Path, reason: impl std::fmt::Display) -> Self {
        Self::Damaged { path: path.clone(), reason: reason.to_string() }
    }
}

/// What was copied so far; read while a backup or a restore runs.
#[derive(Debug, Default)]
pub struct CopyCounts {
    copied: AtomicU64,
    present: AtomicU64,
    bytes: AtomicU64,
}

impl CopyCounts {
    /// Objects that were copied.
    #[must_use]
    pub fn copied(&self) -> u64 {
        self.copied.load(Ordering::Relaxed)
    }

    /// Objects that were there already.
    #[must_use]
    pub fn present(&self) -> u64 {
        self.present.load(Ordering::Relaxed)
    }

    /// Bytes of the objects that were copied.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: u64) {
        self.copied.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn skip(&self) {
        self.present.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackedUp {
    /// The checkpoint that it ends with.
    pub checkpoint: Checkpoint,
    /// The tree size up to which its objects go; the rest is staged in its ledger.
    pub laid_down: u64,
}

/// The checkpoint that was issued last, as far as its text goes. To be read before the ledger is copied: the copy
/// must then hold it.
///
/// # Errors
/// [`Error::Internal`] if the objects cannot be read.
pub async fn issued(objects: &Arc<dyn ObjectStore>) -> Result<Option<Checkpoint>, Error> {
    Ok(recovery::issued(objects).await?.map(|(_, checkpoint)| checkpoint))
}

/// What a backup is made of.
pub struct Source<'a> {
    /// The copy of the registry's ledger that goes into the backup.
    pub ledger: &'a dyn Db,
    /// The registry's objects.
    pub objects: &'a Arc<dyn ObjectStore>,
    /// The registry's origin.
    pub origin: &'a str,
    /// What was [`issued`] before the ledger was copied.
    pub issued: Option<Checkpoint>,
}

/// Copies the objects that the ledger needs into `to`, those that are not there yet; `former` is what the backup at
/// `to` held before. Whole and durable when it returns.
///
/// # Errors
/// [`BackupError`]; whatever was held before is still there, unchanged.
pub async fn back_up(
    source: &Source<'_>,
    to: &Arc<dyn ObjectStore>,
    former: Option<&BackedUp>,
    counts: &CopyCounts,
) -> Result<BackedUp, BackupError> {
    let laid_down = laid_down(source.ledger).await?;
    if let Some(issued) = &source.issued {
        check_holds(source.ledger, issued, "the registry's issued checkpoint").await?;
    }
    // Log files have names that say nothing of their content: only those of a log that goes on are known to be right.
    let mut trusted = 0;
    if let Some(former) = former {
        check_holds(source.ledger, &former.checkpoint, "the former backup's checkpoint").await?;
        trusted = former.laid_down;
    }
    log_files::below(source.ledger, laid_down)
        .try_for_each_concurrent(COPIES_AT_ONCE, async |file: log_files::LogFile| {
            let size = file.bytes.len() as u64;
            if file.to <= trusted && size_of(to, &file.path).await? == Some(size) {
                counts.skip();
                return Ok(());
            }
            objects::put(to, &file.path, file.bytes).await?;
            counts.add(size);
            Ok(())
        })
        .await?;
    log_files::segments(source.ledger, laid_down)
        .try_for_each_concurrent(COPIES_AT_ONCE, async |segment: log_files::Segment| {
            let path = segment.path();
            let there = size_of(source.objects, &path).await?;
            let there = there.ok_or_else(|| BackupError::Missing { path: path.clone() })?;
            if segment.size <= trusted && size_of(to, &path).await? == Some(there) {
                counts.skip();
                return Ok(());
            }
            copy_segment(source.objects, to, &segment, counts).await
        })
        .await?;
    blobs::needed(source.ledger)
        .try_for_each_concurrent(BLOB_COPIES_AT_ONCE, async |blob: blobs::Blob| {
            if size_of(to, &blob.path()).await? == Some(blob.size) {
                counts.skip();
                return Ok(());
            }
            blob.copy(source.objects, to, counts).await
        })
        .await?;
    let state = load(source.ledger, to, source.origin).await?;
    Ok(BackedUp { checkpoint: state.committed.signed.checkpoint.clone(), laid_down })
}

/// Removes the partial log files of a former backup that the new one replaced. A failure leaves a file too many.
pub async fn drop_replaced(to: &Arc<dyn ObjectStore>, former: &BackedUp, now: &BackedUp) {
    let still: Vec<Path> = log_files::partials(now.laid_down);
    for path in log_files::partials(former.laid_down).into_iter().filter(|path| !still.contains(path)) {
        match to.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => tracing::warn!(%path, %error, "couldn't delete a replaced partial file"),
        }
    }
}

/// Puts a backup's objects where a registry is to stand, comparing each with what the ledger says of it; then lays
/// down what the ledger has staged and issues its checkpoint. `ledger` is the new registry's, `expected` what the
/// backup says that it holds, `to` holds nothing yet.
///
/// # Errors
/// [`BackupError`]; what is at `to` is then worth nothing.
pub async fn restore(
    ledger: &dyn Db,
    from: &Arc<dyn ObjectStore>,
    to: &Arc<dyn ObjectStore>,
    origin: &str,
    expected: &BackedUp,
    counts: &CopyCounts,
) -> Result<Committed, BackupError> {
    let laid_down = laid_down(ledger).await?;
    check_current(ledger, &expected.checkpoint).await?;
    log_files::below(ledger, laid_down)
        .try_for_each_concurrent(COPIES_AT_ONCE, async |file: log_files::LogFile| {
            let found = objects::get(from, &file.path).await?;
            let found = found.ok_or_else(|| BackupError::Missing { path: file.path.clone() })?;
            if found != file.bytes {
                return Err(BackupError::damaged(&file.path, "it does not hold the ledger's records"));
            }
            objects::put(to, &file.path, found).await?;
            counts.add(file.bytes.len() as u64);
            Ok(())
        })
        .await?;
    log_files::segments(ledger, laid_down)
        .try_for_each_concurrent(COPIES_AT_ONCE, async |segment: log_files::Segment| {
            copy_segment(from, to, &segment, counts).await
        })
        .await?;
    blobs::needed(ledger)
        .try_for_each_concurrent(BLOB_COPIES_AT_ONCE, async |blob: blobs::Blob| {
            blob.copy(from, to, counts).await
        })
        .await?;
    let state = load(ledger, to, origin).await?;
    lay_down(ledger, to, &state).await?;
    Ok(state.committed)
}

/// Everything below this tree size is in the objects, as far as the ledger knows.
async fn laid_down(ledger: &dyn Db) -> Result<u64, BackupError> {
    let statements = vec![checkpoints::select_current(), checkpoints::select_staged()];
    let mut answers = ledger.read(statements).await.map_err(Error::from)?.into_iter();
    let current = checkpoints::one(answers.next().unwrap_or_default())?.ok_or(BackupError::Empty)?;
    let staged = checkpoints::staged(answers.next().unwrap_or_default())?;
    Ok(staged.first().map_or(current.checkpoint.size, |(base, _, _)| *base))
}

/// Refuses a ledger that does not go on from a checkpoint: it would have the very same one.
async fn check_holds(ledger: &dyn Db, seen: &Checkpoint, words: &'static str) -> Result<(), BackupError> {
    let rows = ledger.read(vec![checkpoints::select_size(seen.size)]).await.map_err(Error::from)?;
    let held = checkpoints::one(rows.into_iter().next().unwrap_or_default())?;
    match held {
        Some(held) if same_tree(&held.checkpoint, seen) => Ok(()),
        _ => Err(BackupError::NotExtended { seen: words, size: seen.size }),
    }
}

fn same_tree(one: &Checkpoint, other: &Checkpoint) -> bool {
    (one.size, one.root, one.map_root) == (other.size, other.root, other.map_root)
}

async fn check_current(ledger: &dyn Db, expected: &Checkpoint) -> Result<(), BackupError> {
    let rows = ledger.read(vec![checkpoints::select_current()]).await.map_err(Error::from)?;
    let current = checkpoints::one(rows.into_iter().next().unwrap_or_default())?.ok_or(BackupError::Empty)?;
    if current.checkpoint == *expected {
        return Ok(());
    }
    Err(BackupError::OtherCheckpoint { expected: expected.size, found: current.checkpoint.size })
}

/// The registry as the ledger and the copied objects give it, with the log's root and the signatures verified.
async fn load(ledger: &dyn Db, objects: &Arc<dyn ObjectStore>, origin: &str) -> Result<State, BackupError> {
    fsck::remake(ledger, objects).await?;
    let state = recovery::load(ledger, objects, origin).await?.ok_or(BackupError::Empty)?;
    let operator = recovery::operator(ledger).await?;
    let key = operator.key(&state.committed.signed.key_id).cloned();
    let key =
        key.ok_or_else(|| Error::internal("verify the checkpoint", "its key is not in the operator log"))?;
    let unsigned = |error: &dyn std::fmt::Display| Error::internal("verify the checkpoint", error);
    state.committed.signed.verify_warg(&key).map_err(|error| unsigned(&error))?;
    open_note(&state.committed.note, origin, &[key]).map_err(|error| unsigned(&error))?;
    Ok(state)
}

async fn lay_down(ledger: &dyn Db, objects: &Arc<dyn ObjectStore>, state: &State) -> Result<(), BackupError> {
    let to = state.laid_down;
    let partial = recovery::load_partial(ledger, to).await?;
    let mut applier = Applier::new(objects.clone(), to, partial, None);
    Ok(applier.apply(&state.staged, &state.committed).await?)
}

/// Copies a map segment, which must be whole.
async fn copy_segment(
    from: &Arc<dyn ObjectStore>,
    to: &Arc<dyn ObjectStore>,
    segment: &log_files::Segment,
    counts: &CopyCounts,
) -> Result<(), BackupError> {
    let path = segment.path();
    let bytes: Bytes =
        objects::get(from, &path).await?.ok_or_else(|| BackupError::Missing { path: path.clone() })?;
    segment.check(&bytes)?;
    counts.add(bytes.len() as u64);
    Ok(objects::put(to, &path, bytes).await?)
}

/// An object's size, if it is there.
async fn size_of(objects: &Arc<dyn ObjectStore>, path: &Path) -> Result<Option<u64>, BackupError> {
    match objects.head(path).await {
        Ok(found) => Ok(Some(found.size)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(Error::internal(&format!("look for the object {path}"), error).into()),
    }
}
