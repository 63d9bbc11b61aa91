//! How much room the file systems have that a registry writes to.

use std::io;
use std::path::PathBuf;

use rustix::fs::{StatVfsMountFlags, statvfs};
use wargate_registry::Room;

/// Files that must still be possible; with fewer there is no room, whatever bytes are free.
pub const FREE_FILES_MIN: u64 = 1_000;

/// The room of the file systems that these folders are on: the least counts.
#[derive(Debug, Clone)]
pub struct FolderRoom(Vec<PathBuf>);

impl FolderRoom {
    /// Watches these folders.
    #[must_use]
    pub fn new(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        Self(folders.into_iter().collect())
    }
}

impl Room for FolderRoom {
    fn free_bytes(&self) -> io::Result<u64> {
        let mut least = u64::MAX;
        for folder in &self.0 {
            let found = statvfs(folder)?;
            if found.f_flag.contains(StatVfsMountFlags::RDONLY) {
                return Err(io::ErrorKind::ReadOnlyFilesystem.into());
            }
            // Some file systems have no number of files that they could run out of, and say 0.
            let no_files = found.f_files > 0 && found.f_favail < FREE_FILES_MIN;
            least = least.min(if no_files { 0 } else { found.f_bavail.saturating_mul(found.f_frsize) });
        }
        Ok(least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::unwrap_used, reason = "a test ends where something fails")]
    fn the_room_of_a_folder_is_told_and_an_absent_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let room = FolderRoom::new([folder.path().to_owned()]);
        assert!(room.free_bytes().unwrap() > 0);
        let both = FolderRoom::new([folder.path().to_owned(), folder.path().join("absent")]);
        assert_eq!(both.free_bytes().unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
