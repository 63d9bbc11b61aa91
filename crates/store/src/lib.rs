//! Engines behind the registry's two seams, and the folder that holds them on one machine.
//!
//! [`SqliteLedger`] is the ledger in one file, [`open_files`] the objects as files, [`DataFolder`] the place of
//! both with its lock. Not here: what the tables mean (`wargate_registry`); this crate knows the SQL of their
//! shape only.

pub mod backup_folder;
pub mod copying;
pub mod folder;
pub mod migrations;
pub mod objects;
pub mod restored;
pub mod room;
pub mod sqlite;

pub use backup_folder::{BackupFolder, BackupFolderError, BackupRecord, LedgerCopy};
pub use copying::{Copying, FolderLeave};
pub use folder::{BrokenOff, DataFolder, FolderError};
pub use objects::{ObjectsError, open_files};
pub use restored::Restored;
pub use room::FolderRoom;
pub use sqlite::{OpenError, SqliteLedger};
