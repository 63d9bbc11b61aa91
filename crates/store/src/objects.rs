//! The objects as files of one folder; bytes by path, written whole.
//!
//! The type is `object_store`'s own trait: no trait of ours. What its files do not do, read in its source, so that
//! no caller counts on it:
//! * Without `with_fsync(true)` a put is not durable; [`open_files`] sets it. A delete is not synced even then: a
//!   deleted object may be back after a power cut.
//! * `PutMode::Update` is not implemented, so a swap must live in the ledger. What is written once is put with
//!   `PutMode::Create`.
//! * `GetResult::into_stream` yields 8 KiB pieces; read large objects from `GetResultPayload::File` in pieces of
//!   256 KiB or more.
//! * No append, and a multipart upload cannot be taken up again after a restart: uploads are staged elsewhere.
//! * A put that broke off may leave `NAME#N` beside the object; listings skip those.
//! * Two first puts into a new folder: the second may return before the first has synced the folder's own entry. So
//!   folders are made by us (`folders`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;

mod folders;

use folders::FilesInFolders;

/// Why the objects could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectsError {
    /// The folder is absent or cannot be entered.
    #[error("the objects' folder `{}` could not be opened: {source}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: object_store::Error,
    },
}

/// The objects in the folder `dir`, which must exist; a put is durable when it returns.
///
/// Emptied folders stay: removing them could race with a put into one. Folders must not be removed by others either
/// while this lives: it remembers which ones are durable.
///
/// # Errors
/// [`ObjectsError::Folder`].
pub fn open_files(dir: &Path) -> Result<Arc<dyn ObjectStore>, ObjectsError> {
    let files = LocalFileSystem::new_with_prefix(dir)
        .map_err(|source| ObjectsError::Folder { path: dir.to_owned(), source })?;
    Ok(Arc::new(FilesInFolders::new(files.with_fsync(true).with_automatic_cleanup(false))))
}
