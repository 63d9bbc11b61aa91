//! What is remembered of each registry: which one it is, and the last checkpoint seen; and of packages that were taken.
//!
//! One small JSON file each, replaced atomically, and beside them copies of the logs that were checked. Without a given root the first use is trusted, and said.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wargate_core::checkpoint::Checkpoint;
use wargate_core::digest::Digest;
use wargate_core::id::{LogId, RecordId};
use wargate_core::name::PackageName;
use wargate_wire::text::Text;
use wargate_wire::warg::CheckpointContents;

use crate::error::Error;
use crate::logs::KnownRecord;
use crate::memory::Memory;

/// What is remembered of a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Pin {
    /// Its URL.
    pub registry: String,
    /// The id of its first record.
    pub root: Text<RecordId>,
    /// Whether a person gave the root; else the first use was trusted.
    pub given: bool,
    /// The last checkpoint seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<CheckpointContents>,
}

impl Pin {
    /// The last checkpoint seen.
    #[must_use]
    pub fn seen(&self) -> Option<Checkpoint> {
        self.seen.as_ref().map(Checkpoint::from)
    }
}

/// The folder of pins.
#[derive(Debug, Clone)]
pub struct PinStore {
    folder: PathBuf,
}

impl PinStore {
    /// The pins in this folder; it is made when the first one is kept.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    fn path(&self, registry: &str) -> PathBuf {
        self.folder.join(format!("{}.json", Digest::of(registry.as_bytes()).to_hex()))
    }

    fn memory_path(&self, root: &RecordId, package: &str) -> PathBuf {
        let which = Digest::of(format!("{root} {package}").as_bytes());
        self.folder.join("packages").join(format!("{}.json", which.to_hex()))
    }

    /// Where the logs of a registry are kept that were checked.
    fn logs_path(&self, registry: &str) -> PathBuf {
        self.folder.join("logs").join(Digest::of(registry.as_bytes()).to_hex())
    }

    /// What is remembered of a registry.
    ///
    /// # Errors
    /// [`Error::Pin`] if the file is there and cannot be read: never taken for a registry that is new.
    pub fn load(&self, registry: &str) -> Result<Option<Pin>, Error> {
        load(&self.path(registry))
    }

    /// What is remembered of a package.
    ///
    /// # Errors
    /// [`Error::Pin`] if the file is there and cannot be read: never taken for a package that is new.
    pub fn recall(&self, root: &RecordId, package: &PackageName) -> Result<Option<Memory>, Error> {
        load(&self.memory_path(root, package.as_str()))
    }

    /// Remembers a package, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Pin`].
    pub fn remember(&self, memory: &Memory) -> Result<(), Error> {
        write(&self.memory_path(&memory.root.0, &memory.package), memory)
    }

    /// A log of a registry as it was when it was checked last; nothing if no copy can be read.
    pub(crate) fn recall_log(&self, registry: &str, log: &LogId) -> Vec<KnownRecord> {
        let bytes = std::fs::read(self.logs_path(registry).join(log_file(log)));
        bytes.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Keeps a log of a registry that was checked whole. A copy: no sync.
    pub(crate) fn keep_log(
        &self,
        registry: &str,
        log: &LogId,
        records: &[KnownRecord],
    ) -> std::io::Result<()> {
        let path = self.logs_path(registry).join(log_file(log));
        replace(&path, &serde_json::to_vec(records)?, false)
    }

    /// Whether a check that failed may have failed by what is kept of the registry's logs.
    pub(crate) fn may_mislead(&self, registry: &str, error: &Error) -> bool {
        matches!(error, Error::Failure(_) | Error::Refused { .. }) && self.logs_path(registry).exists()
    }

    /// All pins, by URL.
    ///
    /// # Errors
    /// [`Error::Pin`].
    pub fn list(&self) -> Result<Vec<Pin>, Error> {
        let failed =
            |error: std::io::Error| Error::Pin { path: self.folder.clone(), reason: error.to_string() };
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut pins: Vec<Pin> = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                pins.push(read(&path, &std::fs::read(&path).map_err(failed)?)?);
            }
        }
        pins.sort_by(|a, b| a.registry.cmp(&b.registry));
        Ok(pins)
    }

    /// Keeps a pin, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Pin`].
    pub fn keep(&self, pin: &Pin) -> Result<(), Error> {
        write(&self.path(&pin.registry), pin)
    }

    /// Forgets a registry, and its logs; whether it was known.
    ///
    /// # Errors
    /// [`Error::Pin`].
    pub fn remove(&self, registry: &str) -> Result<bool, Error> {
        removed(&self.logs_path(registry), |path| std::fs::remove_dir_all(path))?;
        removed(&self.path(registry), |path| std::fs::remove_file(path))
    }
}

fn log_file(log: &LogId) -> String {
    format!("{}.json", Digest::of(log.to_string().as_bytes()).to_hex())
}

fn removed(path: &Path, remove: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<bool, Error> {
    match remove(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::Pin { path: path.to_owned(), reason: error.to_string() }),
    }
}

fn load<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    match std::fs::read(path) {
        Ok(bytes) => read(path, &bytes).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::Pin { path: path.to_owned(), reason: error.to_string() }),
    }
}

fn write(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let write = || replace(path, &serde_json::to_vec_pretty(value)?, true);
    write().map_err(|error| Error::Pin { path: path.to_owned(), reason: error.to_string() })
}

/// Puts bytes in the place of a file, whole or not at all; `durable` if they are to survive a power cut.
fn replace(path: &Path, bytes: &[u8], durable: bool) -> std::io::Result<()> {
    std::fs::create_dir_all(path.parent().unwrap_or(path))?;
    let temporary = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = std::fs::File::create(&temporary)?;
    file.write_all(bytes)?;
    if durable {
        file.sync_all()?;
    }
    std::fs::rename(&temporary, path)
}

fn read<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::Pin {
        path: path.to_owned(),
        reason: format!("it is damaged ({error}); remove it only if you can pin the root anew"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_kept_and_a_damaged_one_is_not_a_new_registry() {
        let folder = tempfile::tempdir().unwrap();
        let pins = PinStore::new(folder.path().join("pins"));
        assert_eq!(pins.load("http://a").unwrap(), None);
        let root = RecordId::from_digest(Digest::of(b"root"));
        let pin = Pin { registry: "http://a".to_owned(), root: Text(root), given: true, seen: None };
        pins.keep(&pin).unwrap();
        assert_eq!(pins.load("http://a").unwrap(), Some(pin.clone()));
        assert_eq!(pins.list().unwrap(), [pin]);
        std::fs::write(pins.path("http://a"), b"{").unwrap();
        assert!(matches!(pins.load("http://a"), Err(Error::Pin { .. })));
        assert!(pins.remove("http://a").unwrap());
        assert!(!pins.remove("http://a").unwrap());
    }
}
