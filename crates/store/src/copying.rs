//! Who copies a data folder keeps what it copies from being removed meanwhile: a lock beside that of the process that
//! runs there. The system releases it when its holder dies.

use std::any::Any;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use wargate_registry::gc::Leave;

use crate::folder::{DataFolder, FolderError, failed};

/// Its file's name.
pub(crate) const COPYING: &str = "copying";

/// As long as this value lives, no map page is removed from the folder.
#[derive(Debug)]
pub struct Copying {
    _lock: Option<File>,
}

/// Leave to remove map pages from a data folder.
#[derive(Debug)]
pub struct FolderLeave(PathBuf);

impl DataFolder {
    /// Waits until nothing is being removed, a moment, and holds it off from then on.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn copying(&self) -> Result<Copying, FolderError> {
        let path = self.path().join(COPYING);
        let file = match open(&path) {
            Ok(file) => file,
            // Nobody removes anything there.
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                return Ok(Copying { _lock: None });
            }
            Err(error) => return Err(failed("open", &path)(error)),
        };
        file.lock_shared().map_err(failed("lock", &path))?;
        Ok(Copying { _lock: Some(file) })
    }

    /// What the registry in this folder asks before it removes map pages.
    #[must_use]
    pub fn leave(&self) -> FolderLeave {
        FolderLeave(self.path().join(COPYING))
    }
}

impl Leave for FolderLeave {
    fn take(&self) -> io::Result<Option<Box<dyn Any + Send>>> {
        let file = open(&self.0)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Whoever comes first makes it. One who may only read may lock it too.
fn open(path: &Path) -> io::Result<File> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
        }
        opened => opened,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

    use super::*;

    #[test]
    fn there_is_no_leave_while_somebody_copies() {
        let dir = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(dir.path()).unwrap();
        let leave = folder.leave();
        assert!(leave.take().unwrap().is_some());
        let (one, other) = (folder.copying().unwrap(), folder.copying().unwrap());
        assert!(leave.take().unwrap().is_none());
        drop(one);
        assert!(leave.take().unwrap().is_none(), "another one still copies");
        drop(other);
        let taken = leave.take().unwrap().unwrap();
        let waits = std::thread::spawn(move || folder.copying().map(drop));
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(!waits.is_finished(), "a copy begins when the step is done");
        drop(taken);
        waits.join().unwrap().unwrap();
        std::fs::remove_file(dir.path().join(COPYING)).unwrap();
        assert!(leave.take().unwrap().is_some(), "the file is made where it is not there");
    }
}
