//! A registry on a data folder, as its configuration wants it.

use std::sync::Arc;

use wargate_registry::clock::SystemClock;
use wargate_registry::inspector::{Inspectors, Program};
use wargate_registry::limits::FILE_PART_BYTES;
use wargate_registry::{Access, Config, Genesis, Registry};
use wargate_store::{DataFolder, FolderRoom, SqliteLedger, open_files};

use super::LEDGER_READERS;
use crate::config::ServeConfig;
use crate::error::{CommandError, Kind};
use crate::keys::{self, RegistryKeys};

/// What a registry is opened with.
pub(in crate::commands) struct Opening<'a> {
    /// Locked by this process.
    pub(in crate::commands) folder: &'a DataFolder,
    pub(in crate::commands) config: &'a ServeConfig,
    pub(in crate::commands) keys: RegistryKeys,
    /// The log's origin.
    pub(in crate::commands) origin: String,
    pub(in crate::commands) access: Access,
}

impl Opening<'_> {
    /// Opens the registry that the folder holds, or begins it.
    pub(in crate::commands) async fn open(self, genesis: Option<Genesis>) -> Result<Registry, CommandError> {
        let folder = self.folder;
        let broken = |error: &dyn std::fmt::Display| CommandError::internal(error.to_string());
        let registry = self.registry()?;
        folder.remove_broken_uploads(false).map_err(|error| broken(&error))?;
        let db = SqliteLedger::open(folder.ledger(), LEDGER_READERS).map_err(|error| broken(&error))?;
        let objects = open_files(&folder.objects()).map_err(|error| broken(&error))?;
        let opened = Registry::open(registry, Arc::new(db), objects, Arc::new(SystemClock), genesis).await;
        let registry = opened.map_err(|error| {
            let kind = match error {
                wargate_registry::Error::Invalid { .. } => Kind::Config,
                _ => Kind::Internal,
            };
            CommandError::new(kind, error.to_string())
                .hint(format!("the data folder is `{}`", folder.path().display()))
        })?;
        keys::settle(&folder.keys(), registry.commit_key())?;
        Ok(registry)
    }

    /// The registry's choices.
    fn registry(self) -> Result<Config, CommandError> {
        let Self { folder, config, keys, origin, access } = self;
        let mut registry = Config::new(origin, keys.commit);
        registry.publishing_key = keys.publishing.map(Arc::new);
        registry.next_commit_key = keys.commit_next.map(Arc::new);
        registry.former_commit_keys.extend(keys.commit_former.into_iter().map(Arc::new));
        for path in &config.former_commit_keys {
            registry.former_commit_keys.push(Arc::new(keys::load(path)?));
        }
        // Untrusted files are parsed by this same program, elsewhere; also when its file was replaced meanwhile.
        registry.inspector = Arc::new(Inspectors::new(Program::new("/proc/self/exe", ["inspect"])));
        registry.imports = config.imports()?;
        registry.access = access;
        registry.link_hosts.clone_from(&config.link_hosts);
        if let Some(bytes) = config.content_bytes_max {
            registry.content_bytes_max = bytes;
        }
        registry.retention = config.retention();
        registry.leave = Some(Arc::new(folder.leave()));
        registry.room = Some(Arc::new(FolderRoom::new([folder.path().to_owned(), folder.objects()])));
        if let Some(bytes) = config.free_bytes_floor {
            registry.free_bytes_floor = bytes;
        }
        registry.upload_part_bytes = FILE_PART_BYTES;
        Ok(registry)
    }
}
