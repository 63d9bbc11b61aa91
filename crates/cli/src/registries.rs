//! Which registry has a package, by `wkg`'s own configuration: nothing to set up twice.
//!
//! Read are `default_registry`, `[namespace_registries]` and `[package_registry_overrides]`; what else stands there is
//! `wkg`'s business.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::Deserialize;
use wargate_core::name::{LogName, Namespace};

use crate::error::CommandError;
use crate::secret::config_folder;

/// The registry of a machine that says nothing.
pub(crate) const LOCAL: &str = "http://127.0.0.1:8090";

/// The part of `wkg`'s configuration that says where packages are.
#[derive(Debug, Default, Deserialize)]
struct WkgConfig {
    default_registry: Option<String>,
    #[serde(default)]
    namespace_registries: BTreeMap<String, Mapping>,
    #[serde(default)]
    package_registry_overrides: BTreeMap<String, Mapping>,
}

/// A host, or a table that names one beside the metadata that `wkg` would fetch from it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Mapping {
    Host(String),
    Custom { registry: String },
}

impl WkgConfig {
    fn host(&self, log: &LogName) -> Option<&str> {
        let of = |namespace: &Namespace| self.namespace_registries.get(namespace.as_str());
        let mapping = match log {
            LogName::Operator => None,
            LogName::Namespace(namespace) => of(namespace),
            LogName::Package(name) => {
                self.package_registry_overrides.get(name.as_str()).or_else(|| of(&name.namespace()))
            }
        };
        match mapping {
            Some(Mapping::Host(host) | Mapping::Custom { registry: host }) => Some(host),
            None => self.default_registry.as_deref(),
        }
    }
}

/// The URL of the registry that has a log: as the configuration says, else [`LOCAL`].
pub(crate) fn url(log: &LogName) -> Result<String, CommandError> {
    let config = read()?;
    Ok(config.host(log).map_or_else(|| LOCAL.to_owned(), of_host))
}

fn read() -> Result<WkgConfig, CommandError> {
    let given = std::env::var_os("WKG_CONFIG_FILE").filter(|value| !value.is_empty()).map(PathBuf::from);
    let usual = || config_folder().map(|folder| folder.join("wasm-pkg/config.toml"));
    let is_given = given.is_some();
    let Some(path) = given.or_else(usual) else { return Ok(WkgConfig::default()) };
    let failed = |cause: String| {
        CommandError::config(format!("wkg's configuration `{}`: {cause}", path.display()))
            .hint("--registry or WARGATE_REGISTRY names a registry without it")
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => toml::from_str(&text).map_err(|error| failed(error.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !is_given => Ok(WkgConfig::default()),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// `wkg` names hosts. Plain HTTP is for this machine alone.
fn of_host(authority: &str) -> String {
    let scheme = if is_loopback(authority) { "http" } else { "https" };
    format!("{scheme}://{authority}")
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_exact_mapping_counts() {
        let config: WkgConfig = toml::from_str(
            r#"
            default_registry = "default.example"
            unknown = 1
            [namespace_registries]
            acme = "acme.example"
            local = { registry = "localhost:8090", metadata = { preferredProtocol = "oci" } }
            [package_registry_overrides]
            "acme:special" = "[::1]:1"
            [registry."acme.example"]
            type = "oci"
            "#,
        )
        .unwrap();
        for (name, url) in [
            ("acme:special", "http://[::1]:1"),
            ("acme:hello", "https://acme.example"),
            ("local:hello", "http://localhost:8090"),
            ("other:hello", "https://default.example"),
        ] {
            assert_eq!(config.host(&name.parse().unwrap()).map(of_host).as_deref(), Some(url), "{name}");
        }
        assert_eq!(WkgConfig::default().host(&"acme:hello".parse().unwrap()), None);
    }

    #[test]
    fn only_this_machine_is_asked_without_tls() {
        for (host, local) in [
            ("localhost", true),
            ("localhost:80", true),
            ("127.0.0.1:8090", true),
            ("127.1.2.3", true),
            ("[::1]:8090", true),
            ("localhost.example", false),
            ("127.0.0.1.example:80", false),
            ("10.0.0.1", false),
            ("[::2]", false),
            ("", false),
        ] {
            assert_eq!(is_loopback(host), local, "{host}");
        }
    }
}
