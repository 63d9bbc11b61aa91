//! `/.well-known/wasm-pkg/registry.json`: where `wkg` finds the doors (`spec/oci.md`, "The Wasm artifact").

use serde::Serialize;

use crate::oci::reference::RepositoryName;

/// The file. Every value but the preferred protocol must be an object: a string among them makes `wkg` drop the
/// whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryJson {
    /// The protocol to use when there is a choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_protocol: Option<Protocol>,
    /// The OCI door, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oci: Option<OciDoor>,
    /// The Warg door, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warg: Option<WargDoor>,
}

/// A protocol's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// OCI Distribution.
    Oci,
    /// Warg.
    Warg,
}

/// Where the OCI door is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OciDoor {
    /// `HOST` or `HOST:PORT`.
    pub registry: String,
    /// What stands before `ns/name` in a package's repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace_prefix: Option<String>,
}

impl OciDoor {
    /// A door at `registry` whose packages lie below `prefix`. Clients glue the prefix on as it is, so it ends
    /// with a slash.
    #[must_use]
    pub fn new(registry: String, prefix: Option<&RepositoryName>) -> Self {
        Self { registry, namespace_prefix: prefix.map(|prefix| format!("{prefix}/")) }
    }
}

/// Where the Warg door is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WargDoor {
    /// Its base address.
    pub url: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn file(prefix: Option<&str>) -> RegistryJson {
        let prefix = prefix.map(|text| text.parse().unwrap());
        let oci = OciDoor::new("127.0.0.1:8090".to_owned(), prefix.as_ref());
        RegistryJson { preferred_protocol: Some(Protocol::Oci), oci: Some(oci), warg: None }
    }

    #[test]
    fn the_oci_door_is_announced_as_wkg_reads_it() {
        let text = serde_json::to_string(&file(Some("p"))).unwrap();
        let expected =
            r#"{"preferredProtocol":"oci","oci":{"registry":"127.0.0.1:8090","namespacePrefix":"p/"}}"#;
        assert_eq!(text, expected);
        let bare = serde_json::to_value(file(None)).unwrap();
        assert_eq!(bare, json!({ "preferredProtocol": "oci", "oci": { "registry": "127.0.0.1:8090" } }));
    }

    #[test]
    fn every_value_but_the_preferred_protocol_is_an_object() {
        let warg = Some(WargDoor { url: "https://example.com".to_owned() });
        let value = serde_json::to_value(RegistryJson { warg, ..file(Some("p/q")) }).unwrap();
        for (key, value) in value.as_object().unwrap() {
            assert!(value.is_object() || key == "preferredProtocol", "{key}: {value}");
        }
        assert_eq!(value["warg"], json!({ "url": "https://example.com" }));
        assert_eq!(value["oci"]["namespacePrefix"], "p/q/");
    }
}
