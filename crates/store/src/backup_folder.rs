//! The folder that holds a registry's backup: its layout, and the one file whose renaming makes a backup take the
//! place of the former one.
//!
//! Layout: `backup.json`, `ledger-a.sqlite` or `ledger-b.sqlite`, `objects/`, `keys/` if it was asked for, `lock`. Of
//! the two ledgers the one that `backup.json` names is the backup's; a new copy is the other. Objects never change, so
//! those of a broken-off backup harm nothing. The registry's small files are kept in `backup.json` itself.
//! Not here: which objects there must be (`wargate_registry::backup`).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wargate_core::checkpoint::Checkpoint;
use wargate_core::digest::{Digest, Hasher};
use wargate_registry::backup::BackedUp;

use crate::copying::COPYING;
use crate::folder::{self, FolderError, create_folder, failed, sync_folder, write_whole};
use crate::restored;

/// What `format` in `backup.json` says.
pub const BACKUP_FORMAT: &str = "wargate backup, format 1";
const RECORD: &str = "backup.json";
const RECORD_NEW: &str = "backup.json.new";
const LEDGERS: [&str; 2] = ["ledger-a.sqlite", "ledger-b.sqlite"];
/// Bytes read of `backup.json` at most.
const RECORD_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// A small file of a data folder has at most so many bytes.
const SMALL_FILE_BYTES_MAX: u64 = 64 * 1024;
/// Bytes of a file that are read at once.
const READ_BYTES: usize = 1024 * 1024;

/// Why a backup's folder could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupFolderError {
    /// Another backup or restore works on it.
    #[error("the backup `{}` is in use by {holder}", .path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// `process N`, or `another process` if it did not say.
        holder: String,
    },
    /// It holds other things; nothing was changed.
    #[error("`{}` is no backup, it holds `{found}`: choose an empty or absent folder", .path.display())]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// One of the things.
        found: String,
    },
    /// There is no finished backup.
    #[error("`{}` holds no finished backup: there is no `backup.json`, which is written last", .path.display())]
    Unfinished {
        /// The folder.
        path: PathBuf,
    },
    /// What `backup.json` says cannot be read, or is not so.
    #[error("the backup `{}` is damaged: {reason}", .path.display())]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The file system refused.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// What `backup.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupRecord {
    /// [`BACKUP_FORMAT`].
    pub format: String,
    /// When it was made, RFC 3339.
    pub made: String,
    /// The log's origin.
    pub origin: String,
    /// The tree size that it ends with.
    pub size: u64,
    /// The log's root.
    pub root: String,
    /// The map's root.
    pub map_root: String,
    /// The checkpoint's time, seconds.
    pub time: u64,
    /// The tree size up to which its objects go.
    pub laid_down: u64,
    /// The ledger's file.
    pub ledger: LedgerCopy,
    /// How many objects belong to it.
    pub objects: u64,
    /// The registry's small files, by name.
    pub files: BTreeMap<String, String>,
    /// Whether `keys/` holds its keys.
    pub keys: bool,
}

/// The ledger of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerCopy {
    /// Its file's name.
    pub file: String,
    /// Its size, bytes.
    pub bytes: u64,
    /// Its digest.
    pub digest: String,
}

impl BackupRecord {
    /// What is to be said of a backup without small files and keys.
    #[must_use]
    pub fn new(done: &BackedUp, origin: String, made: String, ledger: LedgerCopy, objects: u64) -> Self {
        let checkpoint = &done.checkpoint;
        Self {
            format: BACKUP_FORMAT.to_owned(),
            made,
            origin,
            size: checkpoint.size,
            root: checkpoint.root.to_string(),
            map_root: checkpoint.map_root.to_string(),
            time: checkpoint.time,
            laid_down: done.laid_down,
            ledger,
            objects,
            files: BTreeMap::new(),
            keys: false,
        }
    }

    /// The checkpoint that it ends with, and how far its objects go; `None` if a digest is none.
    #[must_use]
    pub fn backed_up(&self) -> Option<BackedUp> {
        let (root, map_root) = (self.root.parse().ok()?, self.map_root.parse().ok()?);
        let checkpoint = Checkpoint { size: self.size, root, map_root, time: self.time };
        Some(BackedUp { checkpoint, laid_down: self.laid_down })
    }
}

/// A backup's folder, locked as long as this value lives.
#[derive(Debug)]
pub struct BackupFolder {
    path: PathBuf,
    /// None where nothing can be written, and so nobody else writes.
    _lock: Option<File>,
}

impl BackupFolder {
    /// Opens the folder for a backup, creating it if absent.
    ///
    /// # Errors
    /// [`BackupFolderError`]; a folder that holds other things is left as it was.
    pub fn create(dir: &Path) -> Result<Self, BackupFolderError> {
        create_folder(dir, 0o777)?;
        for entry in fs::read_dir(dir).map_err(failed("list", dir))? {
            let name = entry.map_err(failed("list", dir))?.file_name().to_string_lossy().into_owned();
            let ours = [RECORD, RECORD_NEW, "objects", "keys", "lock"].contains(&name.as_str());
            if !ours && !LEDGERS.iter().any(|ledger| name.starts_with(ledger)) {
                return Err(BackupFolderError::NotOurs { path: dir.to_owned(), found: name });
            }
        }
        let folder = Self::lock(dir)?;
        create_folder(&folder.objects(), 0o777)?;
        Ok(folder)
    }

    /// Opens the folder of a finished backup.
    ///
    /// # Errors
    /// [`BackupFolderError`].
    pub fn open(dir: &Path) -> Result<(Self, BackupRecord), BackupFolderError> {
        let unfinished = || BackupFolderError::Unfinished { path: dir.to_owned() };
        if !dir.join(RECORD).is_file() {
            return Err(unfinished());
        }
        let folder = match Self::lock(dir) {
            // A backup on a medium that is only read is as good as any.
            Err(BackupFolderError::Folder(FolderError::Io { source, .. }))
                if matches!(
                    source.kind(),
                    io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
                ) =>
            {
                Self { path: dir.to_owned(), _lock: None }
            }
            locked => locked?,
        };
        let record = folder.record()?.ok_or_else(unfinished)?;
        Ok((folder, record))
    }

    fn lock(dir: &Path) -> Result<Self, BackupFolderError> {
        match folder::lock(dir) {
            Ok(lock) => Ok(Self { path: dir.to_owned(), _lock: Some(lock) }),
            Err(FolderError::InUse { path, holder }) => Err(BackupFolderError::InUse { path, holder }),
            Err(error) => Err(error.into()),
        }
    }

    /// The finished backup that the folder holds, if any.
    ///
    /// # Errors
    /// [`BackupFolderError::Damaged`] if its record cannot be read.
    pub fn record(&self) -> Result<Option<BackupRecord>, BackupFolderError> {
        let path = self.path.join(RECORD);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("open", &path)(error).into()),
        };
        let mut bytes = Vec::new();
        file.take(RECORD_BYTES_MAX).read_to_end(&mut bytes).map_err(failed("read", &path))?;
        let record: BackupRecord = serde_json::from_slice(&bytes)
            .map_err(|error| self.damaged(format!("`{RECORD}` cannot be read: {error}")))?;
        if record.format != BACKUP_FORMAT {
            let found: String = record.format.chars().take(80).collect();
            return Err(
                self.damaged(format!("it says it is `{found}`, this program knows `{BACKUP_FORMAT}`"))
            );
        }
        if record.backed_up().is_none() || !LEDGERS.contains(&record.ledger.file.as_str()) {
            return Err(self.damaged(format!("`{RECORD}` names no checkpoint or no ledger")));
        }
        Ok(Some(record))
    }

    fn damaged(&self, reason: String) -> BackupFolderError {
        BackupFolderError::Damaged { path: self.path.clone(), reason }
    }

    /// The name for a new copy of the ledger: not the one that a finished backup has.
    #[must_use]
    pub fn next_ledger(&self, former: Option<&BackupRecord>) -> &'static str {
        let [first, second] = LEDGERS;
        if former.is_some_and(|former| former.ledger.file == first) { second } else { first }
    }

    /// What is to be said of the ledger of this name.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn about_ledger(&self, name: &str) -> Result<LedgerCopy, FolderError> {
        let (bytes, digest) = digest_file(&self.file(name), None)?;
        Ok(LedgerCopy { file: name.to_owned(), bytes, digest: digest.to_string() })
    }

    /// Copies the backup's ledger to a data folder, durably, if it is the one that its record names byte for byte.
    ///
    /// # Errors
    /// [`BackupFolderError::Damaged`] if it is not; what is at `to` is then worth nothing.
    pub fn put_ledger(&self, record: &BackupRecord, to: &Path) -> Result<(), BackupFolderError> {
        let said = &record.ledger;
        let from = self.file(&said.file);
        if !from.is_file() {
            return Err(self.damaged(format!("its ledger `{}` is missing", said.file)));
        }
        let (bytes, digest) = digest_file(&from, Some(to))?;
        let digest = digest.to_string();
        if (bytes, &digest) == (said.bytes, &said.digest) {
            return Ok(());
        }
        Err(self.damaged(format!(
            "its ledger `{}` has {bytes} bytes and digest {digest}, not the {} bytes and digest {} that it had",
            said.file, said.bytes, said.digest
        )))
    }

    /// A file of the folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The folder of the objects.
    #[must_use]
    pub fn objects(&self) -> PathBuf {
        self.path.join("objects")
    }

    /// The folder of the keys; only the owner may enter it.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.path.join("keys")
    }

    /// Makes the backup that the record describes the folder's, in place of the former one; durable when it returns.
    ///
    /// # Errors
    /// [`BackupFolderError::Folder`]; the former backup is then the folder's still, or this one is.
    pub fn finish(&self, record: &BackupRecord) -> Result<(), BackupFolderError> {
        let text = serde_json::to_vec_pretty(record).map_err(|error| self.damaged(error.to_string()))?;
        // Objects that were there already are counted on too, and who put them there may have been killed before it had
        // synced their names.
        sync_folders(&self.objects())?;
        sync_folder(&self.path)?;
        write_whole(&self.file(RECORD_NEW), &self.file(RECORD), &text, 0o666)?;
        sync_folder(&self.path)?;
        for name in LEDGERS.into_iter().filter(|name| *name != record.ledger.file) {
            // At worst a file too many.
            let _ = fs::remove_file(self.file(name));
        }
        Ok(())
    }
}

/// Makes all names in a folder and in those below it durable.
fn sync_folders(path: &Path) -> Result<(), FolderError> {
    for entry in fs::read_dir(path).map_err(failed("list", path))? {
        let entry = entry.map_err(failed("list", path))?;
        if entry.file_type().map_err(failed("look at", &entry.path()))?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    sync_folder(path)
}

/// The size and the digest of a file, and a copy of it if `to` is given, durable when it returns.
///
/// # Errors
/// [`FolderError::Io`].
pub fn digest_file(from: &Path, to: Option<&Path>) -> Result<(u64, Digest), FolderError> {
    let mut source = File::open(from).map_err(failed("open", from))?;
    let mut copy =
        to.map(|to| File::create(to).map_err(failed("create", to)).map(|file| (file, to))).transpose()?;
    let (mut hasher, mut bytes, mut buffer) = (Hasher::new(), 0, vec![0; READ_BYTES]);
    loop {
        let read = source.read(&mut buffer).map_err(failed("read", from))?;
        let piece = buffer.get(..read).unwrap_or_default();
        if piece.is_empty() {
            break;
        }
        hasher.update(piece);
        bytes += piece.len() as u64;
        if let Some((file, to)) = &mut copy {
            io::Write::write_all(file, piece).map_err(failed("write", to))?;
        }
    }
    if let Some((file, to)) = copy {
        file.sync_all().map_err(failed("sync", to))?;
    }
    Ok((bytes, hasher.finish()))
}

/// Copies the key files of one folder into another, which only the owner may enter; how many. Durable when it returns.
///
/// # Errors
/// [`FolderError::Io`].
pub fn copy_keys(from: &Path, to: &Path) -> Result<usize, FolderError> {
    let mut copied = 0;
    if !from.is_dir() {
        return Ok(copied);
    }
    create_folder(to, 0o700)?;
    for entry in fs::read_dir(from).map_err(failed("list", from))? {
        let path = entry.map_err(failed("list", from))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !name.ends_with(".key") {
            continue;
        }
        let bytes = fs::read(&path).map_err(failed("read", &path))?;
        write_whole(&to.join(format!("{name}.new")), &to.join(&name), &bytes, 0o600)?;
        copied += 1;
    }
    sync_folder(to)?;
    Ok(copied)
}

/// The small text files that lie in a data folder itself, and the names of what else is there and is in no backup.
///
/// # Errors
/// [`FolderError::Io`].
pub fn small_files(dir: &Path) -> Result<(BTreeMap<String, String>, Vec<String>), FolderError> {
    let (mut files, mut others) = (BTreeMap::new(), Vec::new());
    for entry in fs::read_dir(dir).map_err(failed("list", dir))? {
        let entry = entry.map_err(failed("list", dir))?;
        let (path, name) = (entry.path(), entry.file_name());
        let text = name.to_string_lossy().into_owned();
        let held = ["lock", COPYING, "objects", "uploads", "keys"].contains(&text.as_str())
            || text.starts_with("ledger.sqlite")
            || text.ends_with(".new")
            || restored::is_mark(&name);
        if held {
            continue;
        }
        let about = entry.metadata().map_err(failed("look at", &path))?;
        let content = if about.is_file() && about.len() <= SMALL_FILE_BYTES_MAX {
            String::from_utf8(fs::read(&path).map_err(failed("read", &path))?).ok()
        } else {
            None
        };
        match content {
            Some(content) => drop(files.insert(text, content)),
            None => others.push(text),
        }
    }
    Ok((files, others))
}

/// Puts a backup's small files into a data folder; durable when it returns. `format` is the folder's own.
///
/// # Errors
/// [`FolderError`]; [`FolderError::Format`] if the backup is of a data folder of another format.
pub fn put_small_files(files: &BTreeMap<String, String>, dir: &Path) -> Result<(), FolderError> {
    for (name, content) in files {
        if name == "format" {
            if content != folder::FORMAT {
                let found = content.chars().take(80).collect::<String>().trim_end().to_owned();
                return Err(FolderError::Format { path: dir.to_owned(), found });
            }
            continue;
        }
        let path = dir.join(name);
        // A name that comes from a file is no way out of the folder.
        if path.file_name() != Some(std::ffi::OsStr::new(name)) {
            return Err(failed("create", &path)(io::ErrorKind::InvalidInput.into()));
        }
        write_whole(&dir.join(format!("{name}.new")), &path, content.as_bytes(), 0o666)?;
    }
    sync_folder(dir)
}
