//! `wargate key list`: which key files there are.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wargate_core::key::{PublicKey, Signer as _};

use crate::error::CommandError;
use crate::secret::{self, Keeper, KeyFile, Stub};
use crate::ui;

/// How the files of keys are called.
const EXTENSIONS: [&str; 3] = ["age", "key", "stub"];

/// What can be told of a file without asking anybody for a passphrase, or a keyring for a key.
enum Entry {
    Encrypted,
    Plain(PublicKey),
    Elsewhere(Stub),
    NoKey,
    Refused(CommandError),
}

pub(super) fn run(folder: Option<PathBuf>, as_json: bool) -> Result<(), CommandError> {
    let folder = folder.map_or_else(secret::default_folder, Ok)?;
    let paths = key_files(&folder)
        .map_err(|error| CommandError::config(format!("couldn't list `{}`: {error}", folder.display())))?;
    let entries = paths.iter().map(|path| (path.as_path(), Entry::of(path)));
    if as_json {
        let keys: Vec<Value> = entries.map(|(path, entry)| entry.to_json(path)).collect();
        ui::json(&json!({ "ok": true, "keys": keys }));
        return Ok(());
    }
    entries.for_each(|(path, entry)| ui::line(&entry.to_line(path)));
    if paths.is_empty() {
        ui::line(&format!("no key files in {}", folder.display()));
    }
    Ok(())
}

fn key_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.retain(|path| EXTENSIONS.iter().any(|extension| path.extension().is_some_and(|e| e == *extension)));
    paths.sort();
    Ok(paths)
}

impl Entry {
    fn of(path: &Path) -> Self {
        let read = || {
            let file = KeyFile::read(path)?;
            Ok(match file.stub()? {
                Some(stub) => Self::Elsewhere(stub),
                None if file.is_encrypted() => Self::Encrypted,
                None => file.open().map_or(Self::NoKey, |key| Self::Plain(key.public().clone())),
            })
        };
        read().unwrap_or_else(Self::Refused)
    }

    fn public(&self) -> Option<&PublicKey> {
        match self {
            Self::Plain(public) | Self::Elsewhere(Stub { public, .. }) => Some(public),
            Self::Encrypted | Self::NoKey | Self::Refused(_) => None,
        }
    }

    fn to_line(&self, path: &Path) -> String {
        let path = path.display();
        match self {
            Self::Encrypted => format!("{path}  encrypted"),
            Self::Plain(public) => format!("{path}  plain  {public}"),
            Self::Elsewhere(Stub { public, keeper: Keeper::Keyring }) => format!("{path}  keyring  {public}"),
            Self::Elsewhere(Stub { public, keeper: Keeper::Command(line) }) => {
                format!("{path}  command  {public}  {line}")
            }
            Self::NoKey => format!("{path}  no key"),
            Self::Refused(error) => format!("{path}  refused  {}", error.message()),
        }
    }

    fn to_json(&self, path: &Path) -> Value {
        let public = self.public();
        let mut told = json!({
            "file": path.display().to_string(),
            "encrypted": matches!(self, Self::Encrypted),
            "publicKey": public.map(PublicKey::to_string),
            "keyId": public.map(|key| key.id().to_string()),
        });
        match self {
            Self::Elsewhere(stub) => super::tell_keeper(&stub.keeper, &mut told),
            Self::Refused(error) => told["refused"] = error.message().into(),
            Self::Encrypted | Self::Plain(_) | Self::NoKey => {}
        }
        told
    }
}
