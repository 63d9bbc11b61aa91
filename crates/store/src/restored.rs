//! The mark on a data folder that came out of a backup: nothing may be signed in it before its owner says that the
//! log will not be forked by that.
//!
//! A backup ends with a checkpoint. If the registry went on after it, others may hold newer checkpoints, and a second
//! log that goes on from the backup's is a fork (`spec/transparency.md`, "Never fork"). Reading the folder is safe.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use crate::folder::{FolderError, create_folder, exists, failed, sync_folder, write_whole};

/// The mark's file.
const NAME: &str = "restored";
/// The same while it is written.
const NAME_NEW: &str = "restored.new";
/// Bytes read of it at most.
const MARK_BYTES_MAX: u64 = 4096;
const UNFINISHED: &str = "unfinished";
const FORK_RISK: &str = "fork risk";

/// What the mark says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restored {
    /// The restore broke off, or goes on at this moment: the folder is not whole.
    Unfinished,
    /// It is whole, and ends with a backup's checkpoint.
    ForkRisk {
        /// Which backup, in words for the owner.
        backup: String,
    },
}

impl Restored {
    /// The mark of a data folder, if it has one.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn read(folder: &Path) -> Result<Option<Self>, FolderError> {
        let path = folder.join(NAME);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // A restore that a power cut ended before its mark was there.
                return Ok(exists(&folder.join(NAME_NEW))?.then_some(Self::Unfinished));
            }
            Err(error) => return Err(failed("open", &path)(error)),
        };
        let mut bytes = Vec::new();
        file.take(MARK_BYTES_MAX).read_to_end(&mut bytes).map_err(failed("read", &path))?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        // Whatever else it says, it is a mark.
        Ok(Some(match text.split_once('\n') {
            Some((FORK_RISK, backup)) => Self::ForkRisk { backup: backup.trim_end().to_owned() },
            _ => Self::Unfinished,
        }))
    }

    /// Marks a folder, which is made if it is absent; durable when it returns, as is what was done in it before.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn mark(&self, folder: &Path) -> Result<(), FolderError> {
        let text = match self {
            Self::Unfinished => format!("{UNFINISHED}\n"),
            Self::ForkRisk { backup } => format!("{FORK_RISK}\n{backup}\n"),
        };
        create_folder(folder, 0o777)?;
        // A new mark must not be there while what it says of the folder is not.
        sync_folder(folder)?;
        write_whole(&folder.join(NAME_NEW), &folder.join(NAME), text.as_bytes(), 0o666)?;
        sync_folder(folder)
    }

    /// Takes the mark away; durable when it returns, as is what was done in the folder before.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn clear(folder: &Path) -> Result<(), FolderError> {
        let path = folder.join(NAME);
        // Else the mark could be gone and the ledger's journal, which is gone too, be there again.
        sync_folder(folder)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", &path)(error)),
            _ => sync_folder(folder),
        }
    }
}

/// Whether a file of a data folder is the mark.
pub(crate) fn is_mark(name: &OsStr) -> bool {
    name == NAME || name == NAME_NEW
}
