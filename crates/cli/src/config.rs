//! Configuration of `serve`: a TOML file, environment variables, flags; the later win.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use wargate_core::name::Namespace;

use crate::error::CommandError;

/// What the file may say. `listen`, `data` and `public_url` are flags and environment variables too.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ServeConfig {
    /// Where to listen: `HOST:PORT`.
    pub(crate) listen: Option<String>,
    /// The data folder.
    pub(crate) data: Option<PathBuf>,
    /// The URL under which clients reach the registry.
    pub(crate) public_url: Option<String>,
    /// The log's origin, `HOST/log`; never changed once the log has begun.
    pub(crate) origin: Option<String>,
    /// The commit key's file, if it is not in the data folder.
    pub(crate) commit_key: Option<PathBuf>,
    /// Largest content, in bytes.
    pub(crate) content_bytes_max: Option<u64>,
    /// Hosts that publishers may link content at.
    pub(crate) link_hosts: Vec<String>,
    /// Namespaces of other registries, with their domains.
    pub(crate) imports: BTreeMap<String, String>,
    /// Log lines as JSON.
    pub(crate) log_json: bool,
}

impl ServeConfig {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, CommandError> {
        let failed = |cause: String| {
            CommandError::config(format!("couldn't read the configuration `{}`: {cause}", path.display()))
        };
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        toml::from_str(&text).map_err(|error| failed(error.to_string()))
    }

    /// The imported namespaces, checked.
    pub(crate) fn imports(&self) -> Result<BTreeMap<Namespace, String>, CommandError> {
        let import = |(name, domain): (&String, &String)| {
            let namespace = name.parse().map_err(|error| {
                CommandError::config(format!("`imports` names a namespace that is none: {error}"))
            })?;
            let plain = |b: u8| b.is_ascii_alphanumeric() || b".:-".contains(&b);
            if domain.is_empty() || !domain.bytes().all(plain) {
                return Err(CommandError::config(format!("`imports.{name}`: `{domain}` is no domain")));
            }
            Ok((namespace, domain.clone()))
        };
        self.imports.iter().map(import).collect()
    }
}
