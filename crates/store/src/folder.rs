//! The folder that holds a registry on one machine: its layout, its format, and the lock that keeps a second
//! process out.
//!
//! Not here: what is inside the files. Layout: `format`, `lock`, `copying`, `ledger.sqlite`, `objects/`, `uploads/`,
//! `keys/`.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::restored;

/// What the file `format` says, byte for byte.
pub const FORMAT: &str = "wargate data folder, format 2\n";
/// Bytes read of `format` and `lock` at most: a foreign file of that name may be large.
const MARKER_BYTES_MAX: u64 = 256;

/// Why a data folder could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// There is no such folder, or it is not a registry's; nothing was made.
    #[error("`{}` is no data folder: it has no file `format`", .path.display())]
    Absent {
        /// The folder.
        path: PathBuf,
    },
    /// Another process has it.
    #[error("the data folder `{}` is in use by {holder}; stop it or choose another --data", .path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// `process N`, or `another process` if it did not say.
        holder: String,
    },
    /// It is of a newer or unknown format; nothing was changed.
    #[error(
        "the data folder `{}` says it is `{found}`, this program knows `{}`: run the program that made it",
        .path.display(), FORMAT.trim_end()
    )]
    Format {
        /// The folder.
        path: PathBuf,
        /// What its `format` says, cut short.
        found: String,
    },
    /// It holds other things; nothing was changed.
    #[error("`{}` has no file `format` but holds `{found}`: choose an empty or absent folder", .path.display())]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// One of the things.
        found: String,
    },
    /// Others than the owner may enter the folder of the keys.
    #[error("`{}` can be entered by others (mode {mode:o}): run `chmod 700` on it", .path.display())]
    KeysOpen {
        /// The folder of the keys.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file system refused.
    #[error("could not {action} `{}`: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A data folder, locked as long as this value lives, unless it was opened to look into only.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// Closing it releases the lock; the system does so too when the process dies.
    _lock: Option<File>,
}

impl DataFolder {
    /// Opens the folder, creating it if absent, and locks it. What it creates is durable when it returns.
    ///
    /// # Errors
    /// [`FolderError`]; a folder of a newer format, in use or holding other things is left as it was.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, FolderError> {
        let path = dir.as_ref().to_owned();
        create_folder(&path, 0o777)?;
        check_ours(&path)?;
        let lock = lock(&path)?;
        let format = path.join("format");
        // Written before the rest, so that a folder with anything else in it has a format.
        if !exists(&format)? {
            write_format(&path, &format)?;
        }
        let folder = Self { path, _lock: Some(lock) };
        create_folder(&folder.objects(), 0o777)?;
        create_folder(&folder.uploads(), 0o777)?;
        create_folder(&folder.keys(), 0o700)?;
        check_private(&folder.keys())?;
        sync_folder(&folder.path)?;
        Ok(folder)
    }

    /// Opens and locks a folder that is a registry's already; makes nothing in any other.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn open_existing(dir: impl AsRef<Path>) -> Result<Self, FolderError> {
        let mut folder = Self::look_into(dir)?;
        folder._lock = Some(lock(&folder.path)?);
        Ok(folder)
    }

    /// The same without the lock: to read beside the process that has it.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn look_into(dir: impl AsRef<Path>) -> Result<Self, FolderError> {
        let path = dir.as_ref().to_owned();
        if !exists(&path.join("format"))? {
            return Err(FolderError::Absent { path });
        }
        check_ours(&path)?;
        Ok(Self { path, _lock: None })
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The ledger's file.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.path.join("ledger.sqlite")
    }

    /// The folder of the objects.
    #[must_use]
    pub fn objects(&self) -> PathBuf {
        self.path.join("objects")
    }

    /// The folder of uploads under way.
    #[must_use]
    pub fn uploads(&self) -> PathBuf {
        self.path.join("uploads")
    }

    /// The folder of private keys; only the owner may enter it.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.path.join("keys")
    }
}

/// What broke off and was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BrokenOff {
    /// Files.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl DataFolder {
    /// Removes the files of uploads that a process before this one did not end: the objects' own listing does not tell
    /// them. Who has the folder is the only process, so before it opens the objects nobody writes to them. With
    /// `dry_run` they are only counted.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn remove_broken_uploads(&self, dry_run: bool) -> Result<BrokenOff, FolderError> {
        let uploads = self.objects().join("uploads");
        let mut removed = BrokenOff::default();
        if !exists(&uploads)? {
            return Ok(removed);
        }
        for entry in fs::read_dir(&uploads).map_err(failed("list", &uploads))? {
            let entry = entry.map_err(failed("list", &uploads))?;
            let name = entry.file_name();
            let is_part = name.to_string_lossy().rsplit_once('#').is_some_and(|(_, number)| {
                !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
            });
            if !is_part {
                continue;
            }
            let path = entry.path();
            let bytes = entry.metadata().map_err(failed("look at", &path))?.len();
            if !dry_run {
                fs::remove_file(&path).map_err(failed("remove", &path))?;
                tracing::info!(path = %path.display(), bytes, reason = "its upload broke off", "removed a file");
            }
            removed.count += 1;
            removed.bytes += bytes;
        }
        Ok(removed)
    }
}

pub(crate) fn failed<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> FolderError + 'a {
    move |source| FolderError::Io { action, path: path.to_owned(), source }
}

pub(crate) fn exists(path: &Path) -> Result<bool, FolderError> {
    path.try_exists().map_err(failed("look for", path))
}

/// Refuses folders of another format and folders of other people's things.
pub(crate) fn check_ours(path: &Path) -> Result<(), FolderError> {
    let mut foreign = None;
    for entry in fs::read_dir(path).map_err(failed("list", path))? {
        let name = entry.map_err(failed("list", path))?.file_name();
        // Left by a start that was cut off before the format was there, or by a restore.
        if name != "lock" && name != "format.new" && !restored::is_mark(&name) {
            foreign = Some(name.to_string_lossy().into_owned());
        }
    }
    // After the listing: a first start at the same time writes its format before anything else.
    let format = path.join("format");
    if exists(&format)? {
        let found = read_marker(&format)?;
        if found != FORMAT {
            let found = found.chars().take(80).collect::<String>().trim_end().to_owned();
            return Err(FolderError::Format { path: path.to_owned(), found });
        }
    } else if let Some(found) = foreign {
        return Err(FolderError::NotOurs { path: path.to_owned(), found });
    }
    Ok(())
}

fn read_marker(path: &Path) -> Result<String, FolderError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed("open", path))?;
    file.take(MARKER_BYTES_MAX).read_to_end(&mut bytes).map_err(failed("read", path))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

pub(crate) fn lock(folder: &Path) -> Result<File, FolderError> {
    let path = folder.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(failed("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            // The holder may not have written its number yet.
            let holder = read_marker(&path).ok().and_then(|text| text.trim().parse::<u32>().ok());
            let holder =
                holder.map_or_else(|| "another process".to_owned(), |number| format!("process {number}"));
            return Err(FolderError::InUse { path: folder.to_owned(), holder });
        }
        Err(TryLockError::Error(source)) => return Err(failed("lock", &path)(source)),
    }
    file.set_len(0).map_err(failed("write", &path))?;
    writeln!(file, "{}", std::process::id()).map_err(failed("write", &path))?;
    Ok(file)
}

/// Whole or not at all, also across a power cut.
fn write_format(folder: &Path, path: &Path) -> Result<(), FolderError> {
    write_whole(&folder.join("format.new"), path, FORMAT.as_bytes(), 0o666)?;
    sync_folder(folder)
}

/// Writes a file under the name `new`, syncs it and moves it to `path`; the folder is the caller's to sync.
pub(crate) fn write_whole(new: &Path, path: &Path, bytes: &[u8], mode: u32) -> Result<(), FolderError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let mut file = options.open(new).map_err(failed("create", new))?;
    file.write_all(bytes).map_err(failed("write", new))?;
    file.sync_all().map_err(failed("sync", new))?;
    fs::rename(new, path).map_err(failed("create", path))
}

/// Creates the folder and those above it, if absent; durable.
pub(crate) fn create_folder(path: &Path, mode: u32) -> Result<(), FolderError> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Err(failed("create", path)(io::ErrorKind::NotFound.into())),
    };
    create_folder(parent, 0o777)?;
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, mode);
    match builder.create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        created => created.map_err(failed("create", path))?,
    }
    sync_folder(parent)
}

pub(crate) fn sync_folder(path: &Path) -> Result<(), FolderError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(failed("sync", path))
}

#[cfg(unix)]
fn check_private(path: &Path) -> Result<(), FolderError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path).map_err(failed("look at", path))?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(FolderError::KeysOpen { path: path.to_owned(), mode });
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_private(_: &Path) -> Result<(), FolderError> {
    Ok(())
}
