//! The order of a backup and of a restore: what is read, copied and marked before what.
//!
//! An engine copies its own ledger, and where a backup lies its checkpoint is named by something that changes at once;
//! both are a [`BackupPlace`]'s to do. A [`RestorePlace`] is where a registry is to stand again: marked first, so that
//! nobody opens half of one. Rules: `spec/transparency.md`, "Never fork".

use std::sync::Arc;

use async_trait::async_trait;
use object_store::ObjectStore;

use super::{BackedUp, BackupError, CopyCounts, Source, back_up, drop_replaced, issued, restore};
use crate::db::Db;
use crate::error::Error;
use crate::state::Committed;

/// Where a backup lies.
#[async_trait]
pub trait BackupPlace: Send + Sync {
    /// Why the place could not do something.
    type Error: Send;

    /// What the finished backup holds that lies here, if one does.
    async fn held(&self) -> Result<Option<BackedUp>, Self::Error>;

    /// Copies the registry's ledger as it is at one moment after this call, durably, and never over the ledger of the
    /// finished backup; the copy, to be read.
    async fn copy_ledger(&self) -> Result<Box<dyn Db>, Self::Error>;

    /// The backup's objects.
    fn objects(&self) -> &Arc<dyn ObjectStore>;

    /// Makes the ledger that was copied last and the objects the backup that lies here, at once and durably.
    async fn finish(&self, done: &BackedUp, counts: &CopyCounts) -> Result<(), Self::Error>;
}

/// Where a registry is to stand that comes out of a backup.
#[async_trait]
pub trait RestorePlace: Send + Sync {
    /// Why the place could not do something.
    type Error: Send;

    /// Marks, durably, that what will be here is not whole; the objects here, none yet.
    async fn begin(&self) -> Result<Arc<dyn ObjectStore>, Self::Error>;

    /// Puts the backup's ledger here, if it is byte for byte what the backup says of it.
    async fn put_ledger(&self) -> Result<Box<dyn Db>, Self::Error>;

    /// Marks, durably, that what is here is whole.
    async fn finish(&self) -> Result<(), Self::Error>;
}

/// Why a backup or a restore broke off.
#[derive(Debug, thiserror::Error)]
pub enum BrokenOff<E> {
    /// The place failed.
    #[error("{0}")]
    Place(E),
    /// Ledger and objects do not give it.
    #[error(transparent)]
    Backup(#[from] BackupError),
}

impl<E> From<Error> for BrokenOff<E> {
    fn from(error: Error) -> Self {
        Self::Backup(error.into())
    }
}

/// Makes a backup of the registry whose objects these are, also while it runs.
///
/// # Errors
/// [`BrokenOff`]; the backup that lay there before still does, unless [`BackupPlace::finish`] failed: then one of the
/// two does.
pub async fn take<P: BackupPlace>(
    place: &P,
    objects: &Arc<dyn ObjectStore>,
    origin: &str,
    counts: &CopyCounts,
) -> Result<BackedUp, BrokenOff<P::Error>> {
    let former = place.held().await.map_err(BrokenOff::Place)?;
    // Before the ledger, which then holds it.
    let issued = issued(objects).await?;
    let ledger = place.copy_ledger().await.map_err(BrokenOff::Place)?;
    let source = Source { ledger: &*ledger, objects, origin, issued };
    let done = back_up(&source, place.objects(), former.as_ref(), counts).await?;
    drop(ledger);
    place.finish(&done, counts).await.map_err(BrokenOff::Place)?;
    if let Some(former) = &former {
        drop_replaced(place.objects(), former, &done).await;
    }
    Ok(done)
}

/// Restores a backup whose objects are `from` and that says it holds `expected`, into an empty place.
///
/// # Errors
/// [`BrokenOff`]; the place is then worth nothing and marked so, unless [`RestorePlace::finish`] failed: then it is
/// whole all the same if it is marked so.
pub async fn put_back<P: RestorePlace>(
    place: &P,
    from: &Arc<dyn ObjectStore>,
    origin: &str,
    expected: &BackedUp,
    counts: &CopyCounts,
) -> Result<Committed, BrokenOff<P::Error>> {
    // Before anything else is there: nobody opens half a registry.
    let to = place.begin().await.map_err(BrokenOff::Place)?;
    let ledger = place.put_ledger().await.map_err(BrokenOff::Place)?;
    let committed = restore(&*ledger, from, &to, origin, expected, counts).await?;
    // What it wrote is in its file.
    drop(ledger);
    place.finish().await.map_err(BrokenOff::Place)?;
    Ok(committed)
}
