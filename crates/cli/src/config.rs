//! Configuration of `serve`: a TOML file, environment variables, flags; the later win.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use wargate_core::name::Namespace;
use wargate_registry::access::{Access, Action, Actions, Names, ScopeError};
use wargate_registry::gc::Retention;

use crate::error::CommandError;

/// The data folder where nobody names another.
pub(crate) const DATA_DEFAULT: &str = "wargate-data";

/// What the file may say. `listen`, `data`, `public_url`, `tls_cert`, `tls_key` and `trusted_proxies` are flags and
/// environment variables too, `plain_http` a flag.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ServeConfig {
    /// Where to listen: `HOST:PORT`.
    pub(crate) listen: Option<String>,
    /// The data folder.
    pub(crate) data: Option<PathBuf>,
    /// The URL under which clients reach the registry.
    pub(crate) public_url: Option<String>,
    /// The chain of certificates for TLS, a PEM file with the server's own first.
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key, a PEM file.
    pub(crate) tls_key: Option<PathBuf>,
    /// Addresses and networks of the proxies that may say who the client is.
    pub(crate) trusted_proxies: Vec<String>,
    /// The header that they say it in: `x-forwarded-for`, unless this says `forwarded`.
    pub(crate) forwarded_header: Option<String>,
    /// Nothing encrypts what goes to and from the registry, and that is meant.
    pub(crate) plain_http: bool,
    /// The log's origin, `HOST/log`; never changed once the log has begun.
    pub(crate) origin: Option<String>,
    /// The commit key's file, if it is not in the data folder.
    pub(crate) commit_key: Option<PathBuf>,
    /// Files of commit keys of before, with which `warg` clients are told of the present one.
    pub(crate) former_commit_keys: Vec<PathBuf>,
    /// Largest content, in bytes.
    pub(crate) content_bytes_max: Option<u64>,
    /// Free bytes of the disk below which nothing more is taken in.
    pub(crate) free_bytes_floor: Option<u64>,
    /// Hosts that publishers may link content at.
    pub(crate) link_hosts: Vec<String>,
    /// Who may do what without a token.
    pub(crate) access: Option<AccessConfig>,
    /// Namespaces of other registries, with their domains.
    pub(crate) imports: BTreeMap<String, String>,
    /// How long the map of a checkpoint stays provable once there is a newer one, in hours.
    pub(crate) map_retention_hours: Option<u32>,
    /// How long content stays that nothing links, in hours.
    pub(crate) content_lease_hours: Option<u32>,
    /// How long a manifest stays that no tag, index, release or subject holds, and nobody asks for, in days.
    pub(crate) untagged_days: Option<u32>,
    /// Log lines as JSON.
    pub(crate) log_json: bool,
}

/// The section `access`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AccessConfig {
    /// What everybody may do with what is not private: `pull`, `push`, `delete`.
    pub(crate) anonymous: Vec<String>,
    /// What only those see who hold a token for it: `acme/*`, `acme/hello`, `*`.
    pub(crate) private: Vec<String>,
}

impl AccessConfig {
    /// The same, checked.
    fn access(&self) -> Result<Access, CommandError> {
        let failed =
            |error: ScopeError| CommandError::config(format!("`access` in the configuration: {error}"));
        let anonymous = self.anonymous.iter().map(|action| action.parse::<Actions>());
        let anonymous = anonymous.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let private = self.private.iter().map(|names| names.parse::<Names>()).collect::<Result<Vec<_>, _>>();
        let anonymous = anonymous.into_iter().flat_map(Actions::iter).collect();
        let private = private.map_err(failed)?;
        match private.iter().find(|names| matches!(names, Names::Exactly(_))) {
            Some(one) => Err(CommandError::config(format!(
                "`access.private` in the configuration names `{one}`: whole namespaces are private, as `acme/*`"
            ))),
            None => Ok(Access { anonymous, private }),
        }
    }
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

    /// The data folder: the one that is named, else the file's, else the default.
    pub(crate) fn data_folder(&self, named: Option<&Path>) -> PathBuf {
        named.or(self.data.as_deref()).unwrap_or(Path::new(DATA_DEFAULT)).to_owned()
    }

    /// Who may do what without a token. Unless the file says: where only this machine can come, or where the operator
    /// says so, everything; else reading.
    pub(crate) fn access(&self, open: bool) -> Result<Access, CommandError> {
        match &self.access {
            Some(access) => access.access(),
            None if open => Ok(Access::OPEN),
            None => Ok(Access { anonymous: [Action::Pull].into_iter().collect(), private: Vec::new() }),
        }
    }

    /// How long is kept what nothing needs any more.
    pub(crate) fn retention(&self) -> Retention {
        let hours = |hours: u32| Duration::from_secs(u64::from(hours) * 60 * 60);
        let default = Retention::default();
        Retention {
            map: self.map_retention_hours.map_or(default.map, hours),
            lease: self.content_lease_hours.map_or(default.lease, hours),
            untagged: self.untagged_days.map_or(default.untagged, |days| 24 * hours(days)),
        }
    }

    /// The imported namespaces, checked.
    pub(crate) fn imports(&self) -> Result<BTreeMap<Namespace, String>, CommandError> {
        let import = |(name, domain): (&String, &String)| {
            let namespace = name.parse().map_err(|error| {
                CommandError::config(format!("`imports` names a namespace that is none: {error}"))
            })?;
            let domain = self::domain(domain)
                .map_err(|error| CommandError::config(format!("`imports.{name}`: {error}")))?;
            Ok((namespace, domain))
        };
        self.imports.iter().map(import).collect()
    }
}

/// Reads a registry's domain.
pub(crate) fn domain(text: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".:-".contains(&b);
    if text.is_empty() || !text.bytes().all(plain) {
        return Err(format!("`{text}` is no domain"));
    }
    Ok(text.to_owned())
}
