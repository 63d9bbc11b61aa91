//! Files whose folders are durable before anything is put into them.
//!
//! `object_store` syncs the names of the folders that a put itself has made, after making them. Another put finds them
//! there, counts on them, and may be done first; and a process that was killed in between leaves folders that nobody
//! syncs any more. A power cut then takes the folder with all that was acknowledged in it. Here whoever puts into a
//! folder has seen its name, and those above it, synced since this process began.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

/// Folders that are remembered as durable; beyond it all are forgotten, and synced once more when they are used.
const FOLDERS_KNOWN_MAX: usize = 16 * 1024;

/// The files of one folder, with durable folders between.
#[derive(Debug)]
pub(super) struct FilesInFolders {
    files: LocalFileSystem,
    /// Folders whose names, and the names above them, were synced by this process.
    durable: Arc<Mutex<HashSet<Path>>>,
}

impl FilesInFolders {
    pub(super) fn new(files: LocalFileSystem) -> Self {
        Self { files, durable: Arc::default() }
    }

    /// Makes the folders of an object, and their names durable.
    async fn make_folders(&self, object: &Path) -> Result<()> {
        let mut folders: Vec<Path> = Vec::new();
        let mut parts: Vec<_> = object.parts().collect();
        while parts.pop().is_some() && !parts.is_empty() {
            folders.push(parts.iter().cloned().collect());
        }
        // All or nothing is known of a folder: with the lowest one those above it are durable.
        let known = |folder| self.durable.lock().unwrap_or_else(PoisonError::into_inner).contains(folder);
        if folders.first().is_none_or(known) {
            return Ok(());
        }
        let paths: Vec<_> = folders
            .iter()
            .rev()
            .filter(|folder| !known(folder))
            .map(|folder| self.files.path_to_filesystem(folder))
            .collect::<Result<_>>()?;
        let made = tokio::task::spawn_blocking(move || paths.iter().try_for_each(|path| make_folder(path)));
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| object_store::Error::Generic {
            store: "files in folders",
            source,
        };
        made.await.map_err(|error| failed(error.into()))?.map_err(|error| failed(error.into()))?;
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        if durable.len() + folders.len() > FOLDERS_KNOWN_MAX {
            durable.clear();
        }
        durable.extend(folders);
        Ok(())
    }
}

/// Makes a folder below one that is there, unless somebody else did, and its name durable in either case.
fn make_folder(path: &FilePath) -> io::Result<()> {
    let told =
        |error: io::Error| io::Error::new(error.kind(), format!("the folder `{}`: {error}", path.display()));
    match std::fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(told(error)),
        _ => {}
    }
    let Some(parent) = path.parent() else { return Ok(()) };
    sync_folder(parent).map_err(told)
}

#[cfg(unix)]
fn sync_folder(path: &FilePath) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Where folders cannot be opened, they cannot be synced either.
#[cfg(not(unix))]
fn sync_folder(_: &FilePath) -> io::Result<()> {
    Ok(())
}

impl fmt::Display for FilesInFolders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.fmt(f)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for FilesInFolders {
    async fn put_opts(&self, at: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.make_folders(at).await?;
        self.files.put_opts(at, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.make_folders(at).await?;
        self.files.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        self.files.get_opts(at, options).await
    }

    async fn get_ranges(&self, at: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.files.get_ranges(at, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.files.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.make_folders(to).await?;
        self.files.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.make_folders(to).await?;
        self.files.rename_opts(from, to, options).await
    }
}
