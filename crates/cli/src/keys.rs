//! The registry's key files: one key a file, readable by its owner only, durable before it is used.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use wargate_core::key::{Algorithm, PublicKey, SecretKey};

use crate::error::CommandError;
use crate::origin;

/// The registry's log has begun once its origin is kept or its ledger is there, in this order. Then a missing key was
/// moved away or lost, and another one in its place would be nobody's.
pub(crate) fn has_begun(data: &Path) -> bool {
    origin::is_kept(data) || data.join("ledger.sqlite").exists()
}

/// The keys of a registry, as far as they are here. Only the commit key is needed once the log has begun.
pub(crate) struct RegistryKeys {
    /// Owns the operator log.
    pub(crate) root: Option<SecretKey>,
    /// Signs checkpoints.
    pub(crate) commit: SecretKey,
    /// Takes its place when it is lost.
    pub(crate) commit_spare: Option<SecretKey>,
    /// Takes its place once its owners let it in.
    pub(crate) commit_next: Option<SecretKey>,
    /// Had its place before.
    pub(crate) commit_former: Vec<SecretKey>,
    /// Endorses what users push.
    pub(crate) publishing: Option<SecretKey>,
}

/// Which keys are made where they are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Make {
    /// None: the log has begun.
    Nothing,
    /// Those that are used every day; the root keys are their owners'.
    Online,
    /// All of them: who has the folder is the registry.
    All,
}

/// Random bytes from the machine.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], CommandError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| CommandError::internal(format!("the machine has no randomness: {error}")))?;
    Ok(bytes)
}

impl RegistryKeys {
    /// Reads the keys in a folder, and makes those that are wanted. The commit key may be another file.
    pub(crate) fn load(folder: &Path, commit: Option<&Path>, make: Make) -> Result<Self, CommandError> {
        let key = |name: &str, make: bool| {
            let path = file(folder, name);
            if is_there(&path) {
                return load(&path).map(Some);
            }
            if make { make_key(&path).map(Some) } else { Ok(None) }
        };
        let online = make != Make::Nothing;
        // First of all, so that online keys without one are those of a registry whose root keys are elsewhere.
        let root = key(ROOT, make == Make::All)?;
        let (commit, commit_next) = match commit {
            Some(path) => (load(path)?, None),
            None => match (key(COMMIT, online)?, key(COMMIT_NEXT, false)?) {
                (Some(commit), next) => (commit, next),
                // A change of keys was cut off in its middle.
                (None, Some(next)) => (next, None),
                (None, None) => return Err(no_commit_key(folder)),
            },
        };
        let (commit_spare, publishing) = (key(COMMIT_SPARE, online)?, key(PUBLISHING, online)?);
        let commit_former = former(folder)?;
        Ok(Self { root, commit, commit_spare, commit_next, commit_former, publishing })
    }
}

fn no_commit_key(folder: &Path) -> CommandError {
    CommandError::config(format!("the commit key `{}` is missing", file(folder, COMMIT).display()))
        .hint("put it back, or name the file that holds it as `commit_key` in the configuration")
}

/// The keys that were commit keys before, by name.
fn former(folder: &Path) -> Result<Vec<SecretKey>, CommandError> {
    let failed = |error: std::io::Error| CommandError::config(format!("`{}`: {error}", folder.display()));
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(COMMIT_FORMER) && name.ends_with(".key") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().map(|path| load(path)).collect()
}

/// Makes the key that is to take the commit key's place, unless it is there.
pub(crate) fn make_next(folder: &Path) -> Result<SecretKey, CommandError> {
    let path = file(folder, COMMIT_NEXT);
    if is_there(&path) { load(&path) } else { make_key(&path) }
}

/// Gives the files their names again after the next commit key took over: the one before stays as a former one.
pub(crate) fn settle(folder: &Path, in_force: &PublicKey) -> Result<(), CommandError> {
    let (commit, next) = (file(folder, COMMIT), file(folder, COMMIT_NEXT));
    if !is_there(&next) || load(&next)?.public() != in_force {
        return Ok(());
    }
    let failed = |error: std::io::Error| {
        CommandError::internal(format!("couldn't rename a key in `{}`: {error}", folder.display()))
    };
    if is_there(&commit) {
        let id = load(&commit)?.public().id().to_string();
        let id = id.trim_start_matches("sha256:").chars().take(FORMER_ID_LETTERS).collect::<String>();
        std::fs::rename(&commit, file(folder, &format!("{COMMIT_FORMER}{id}"))).map_err(failed)?;
    }
    std::fs::rename(&next, &commit).and_then(|()| File::open(folder)?.sync_all()).map_err(failed)?;
    tracing::info!(key = %in_force.id(), "the next commit key took over; the one before stays as a former one");
    Ok(())
}

const ROOT: &str = "root";
const COMMIT: &str = "commit";
const COMMIT_SPARE: &str = "commit-spare";
const COMMIT_NEXT: &str = "commit-next";
/// With the beginning of its id behind it.
const COMMIT_FORMER: &str = "commit-former-";
const PUBLISHING: &str = "publishing";

/// Hexadecimal digits of a key's id in the name of its file.
const FORMER_ID_LETTERS: usize = 16;

fn file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.key"))
}

/// Looked at as an entry: a link that leads nowhere is a key that cannot be read, not an absent one.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Where a root key lies in a folder of keys, if one does.
pub(crate) fn root_key(folder: &Path) -> Option<PathBuf> {
    Some(file(folder, ROOT)).filter(|path| is_there(path))
}

/// Whether the keys of a registry that has not begun were made for owners who begin it (`wargate operator keys`).
pub(crate) fn wait_for_owners(folder: &Path) -> bool {
    root_key(folder).is_none() && is_there(&file(folder, COMMIT))
}

/// Reads a key file.
pub(crate) fn load(path: &Path) -> Result<SecretKey, CommandError> {
    let failed =
        |cause: String| CommandError::config(format!("couldn't read the key `{}`: {cause}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    text.trim_end().parse().map_err(|error: wargate_core::key::KeyError| failed(error.to_string()))
}

fn make_key(path: &Path) -> Result<SecretKey, CommandError> {
    let key = crate::secret::make(Algorithm::EcdsaP256)?;
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
