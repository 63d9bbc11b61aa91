//! The registry's key files: one key a file, readable by its owner only, durable before it is used.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use wargate_core::key::{Algorithm, SecretKey};

use crate::error::CommandError;

/// The keys of a registry that makes them itself.
pub(crate) struct RegistryKeys {
    /// Owns the operator log.
    pub(crate) root: SecretKey,
    /// Signs checkpoints.
    pub(crate) commit: SecretKey,
    /// Takes its place when it is lost.
    pub(crate) commit_spare: SecretKey,
    /// Endorses what users push.
    pub(crate) publishing: SecretKey,
}

/// 32 bytes from the machine.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], CommandError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| CommandError::internal(format!("the machine has no randomness: {error}")))?;
    Ok(bytes)
}

impl RegistryKeys {
    /// Reads the keys in a folder, making those that are not there yet.
    pub(crate) fn load_or_make(folder: &Path) -> Result<Self, CommandError> {
        let key = |name: &str| load_or_make(&folder.join(format!("{name}.key")));
        Ok(Self {
            root: key("root")?,
            commit: key("commit")?,
            commit_spare: key("commit-spare")?,
            publishing: key("publishing")?,
        })
    }
}

/// Reads a key file.
pub(crate) fn load(path: &Path) -> Result<SecretKey, CommandError> {
    let failed =
        |cause: String| CommandError::config(format!("couldn't read the key `{}`: {cause}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    text.trim_end().parse().map_err(|error: wargate_core::key::KeyError| failed(error.to_string()))
}

fn load_or_make(path: &Path) -> Result<SecretKey, CommandError> {
    if path.exists() {
        return load(path);
    }
    let key = loop {
        // A P-256 scalar is out of range about once in 2^32.
        if let Ok(key) = SecretKey::from_bytes(Algorithm::EcdsaP256, random()?) {
            break key;
        }
    };
    write(path, &key).map_err(|error| {
        CommandError::internal(format!("couldn't write the key `{}`: {error}", path.display()))
    })?;
    Ok(key)
}

/// Writes under another name first, so that a crash leaves no half a key.
fn write(path: &Path, key: &SecretKey) -> std::io::Result<()> {
    let temporary = path.with_extension("key.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    writeln!(file, "{}", key.to_secret_text())?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
