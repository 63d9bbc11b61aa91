//! The registry's key files: one key a file, readable by its owner only, durable before it is used.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use wargate_core::key::SecretKey;

use crate::error::CommandError;

/// The keys of a registry, as far as they are here. Only the commit key is needed once the log has begun.
pub(crate) struct RegistryKeys {
    /// Owns the operator log.
    pub(crate) root: Option<SecretKey>,
    /// Signs checkpoints.
    pub(crate) commit: SecretKey,
    /// Takes its place when it is lost.
    pub(crate) commit_spare: Option<SecretKey>,
    /// Endorses what users push.
    pub(crate) publishing: Option<SecretKey>,
}

/// Random bytes from the machine.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], CommandError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| CommandError::internal(format!("the machine has no randomness: {error}")))?;
    Ok(bytes)
}

impl RegistryKeys {
    /// Reads the keys in a folder; `make` makes those that are not there. The commit key may be another file.
    pub(crate) fn load(folder: &Path, commit: Option<&Path>, make: bool) -> Result<Self, CommandError> {
        let key = |name: &str| {
            let path = folder.join(format!("{name}.key"));
            // Looked at as an entry: a link that leads nowhere is a key that cannot be read, not an absent one.
            if path.symlink_metadata().is_ok() {
                return load(&path).map(Some);
            }
            if make { make_key(&path).map(Some) } else { Ok(None) }
        };
        let root = key("root")?;
        let commit = match commit {
            Some(path) => load(path)?,
            None => key("commit")?.ok_or_else(|| {
                let path = folder.join("commit.key");
                CommandError::config(format!("the commit key `{}` is missing", path.display()))
                    .hint("put it back, or name the file that holds it as `commit_key` in the configuration")
            })?,
        };
        Ok(Self { root, commit, commit_spare: key("commit-spare")?, publishing: key("publishing")? })
    }
}

/// Reads a key file.
pub(crate) fn load(path: &Path) -> Result<SecretKey, CommandError> {
    let failed =
        |cause: String| CommandError::config(format!("couldn't read the key `{}`: {cause}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    text.trim_end().parse().map_err(|error: wargate_core::key::KeyError| failed(error.to_string()))
}

fn make_key(path: &Path) -> Result<SecretKey, CommandError> {
    let key = crate::secret::make()?;
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
