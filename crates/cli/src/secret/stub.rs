//! A key file without the key: which key it is, and who keeps it (`docs/keys.md`, "A file that names a key").
//!
//! A stub may name a command that is run for each signature. So whoever can write it can have programs run, and one that
//! others than its reader can write is refused, as `ssh` refuses its configuration.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

use serde::{Deserialize, Serialize};
use wargate_core::key::PublicKey;

use super::command::SigningCommand;
use super::{OwnKey, keyring};
use crate::error::CommandError;

/// The only version of the format.
const VERSION: u32 = 1;

/// What the first line of a stub that is no comment begins with; no key's text does.
const START: &str = "version";

/// The bits of a file's mode that let its group or everybody write it.
const OTHERS_MAY_WRITE: u32 = 0o022;

/// The user who can write every file anyway.
const ROOT: u32 = 0;

/// The file as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    version: u32,
    public_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sign_with: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_in: Option<Store>,
}

/// A place that Wargate itself takes keys from.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Store {
    Keyring,
}

/// Who keeps a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Keeper {
    /// The system's keyring.
    Keyring,
    /// Whoever this command line asks.
    Command(String),
}

/// A key and who keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stub {
    pub(crate) public: PublicKey,
    pub(crate) keeper: Keeper,
}

impl Stub {
    /// Whether bytes are a stub, be it a wrong one. Nothing else may be parsed as one: errors could repeat a key.
    pub(crate) fn is_meant(bytes: &[u8]) -> bool {
        let text = String::from_utf8_lossy(bytes);
        let mut lines =
            text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.next().is_some_and(|line| line.starts_with(START))
    }

    /// Reads the text of a file with this owner and mode.
    ///
    /// # Errors
    /// Why it is refused.
    pub(crate) fn decode(bytes: &[u8], metadata: &Metadata) -> Result<Self, String> {
        only_its_reader_writes(metadata.uid(), metadata.mode(), rustix::process::geteuid().as_raw())?;
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
        let text: Text = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        if text.version != VERSION {
            return Err(format!("its version is {}, and only {VERSION} is known", text.version));
        }
        let public =
            text.public_key.parse().map_err(|error: wargate_core::key::KeyError| error.to_string())?;
        let keeper = match (text.sign_with, text.kept_in) {
            (Some(line), None) => Keeper::Command(command_line(line)?),
            (None, Some(Store::Keyring)) => Keeper::Keyring,
            _ => return Err("it must have either `sign_with` or `kept_in`".to_owned()),
        };
        Ok(Self { public, keeper })
    }

    /// The file's text.
    pub(crate) fn encode(&self) -> Result<String, String> {
        let (sign_with, kept_in) = match &self.keeper {
            Keeper::Keyring => (None, Some(Store::Keyring)),
            Keeper::Command(line) => (Some(command_line(line.clone())?), None),
        };
        let text = Text { version: VERSION, public_key: self.public.to_string(), sign_with, kept_in };
        toml::to_string(&text).map_err(|error| error.to_string())
    }

    /// The key, for whoever may use it.
    pub(crate) fn open(self) -> Result<OwnKey, CommandError> {
        match &self.keeper {
            Keeper::Keyring => keyring::fetch(&self.public).map(OwnKey::Here),
            Keeper::Command(line) => Ok(OwnKey::Elsewhere(SigningCommand::new(line, self.public))),
        }
    }
}

/// A command line that is one line: it is shown to people, whose terminals obey control characters.
fn command_line(line: String) -> Result<String, String> {
    match line.trim().is_empty() || line.contains(char::is_control) {
        true => Err("`sign_with` must be one line, without control characters".to_owned()),
        false => Ok(line),
    }
}

/// Refuses a file of this owner and mode that others than its reader, and root, can write.
fn only_its_reader_writes(owner: u32, mode: u32, reader: u32) -> Result<(), String> {
    const WHY: &str = "and such a file can make wargate run a program";
    if owner != reader && owner != ROOT {
        return Err(format!("it belongs to another user ({owner}), {WHY}"));
    }
    match mode & OTHERS_MAY_WRITE {
        0 => Ok(()),
        _ => Err(format!("others may write it (mode {:03o}), {WHY}: `chmod go-w` it", mode & 0o777)),
    }
}

#[cfg(test)]
mod tests;
