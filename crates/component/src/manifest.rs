//! The OCI manifest and config that follow from a release, byte for byte the same wherever they are made.
//!
//! Frozen: the manifest's digest is logged beside the content's (`spec/oci.md`, "The Wasm artifact"). Keys are
//! in the order of the structs, which is the alphabet's; there is no whitespace.

use std::collections::BTreeMap;

use serde::Serialize;
use wargate_core::digest::Digest;

use crate::inspection::Inspection;
use crate::kind::Kind;

/// Media type of the manifest.
pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of the config.
pub const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";
/// Media type of the one layer, the WebAssembly itself.
pub const LAYER_TYPE: &str = "application/wasm";
/// When every config claims to be made: the time is in the log, and bytes must not depend on it.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// The content that the manifest speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// SHA-256 of the content.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// Config and manifest of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// The config's bytes.
    pub config: Vec<u8>,
    /// The manifest's bytes.
    pub manifest: Vec<u8>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    architecture: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<Names>,
    created: &'static str,
    layer_digests: [&'a str; 1],
    os: &'static str,
}

#[derive(Serialize)]
struct Names {
    exports: Vec<String>,
    imports: Vec<String>,
}

type Annotations<'a> = BTreeMap<&'static str, &'a str>;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor<'a> {
    #[serde(skip_serializing_if = "Annotations::is_empty")]
    annotations: Annotations<'a>,
    digest: &'a str,
    media_type: &'static str,
    size: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    annotations: Annotations<'a>,
    config: Descriptor<'a>,
    layers: [Descriptor<'a>; 1],
    media_type: &'static str,
    schema_version: u8,
}

/// Makes config and manifest of a release: its content, what that is, and its name (without namespace) and
/// version.
///
/// # Panics
/// Never: texts and numbers always have a JSON form.
#[must_use]
pub fn artifact(layer: Layer, inspection: &Inspection, name: &str, version: &semver::Version) -> Artifact {
    let layer_digest = layer.digest.to_string();
    let config = json(&Config {
        architecture: "wasm",
        component: names(inspection),
        created: CREATED,
        layer_digests: [&layer_digest],
        os: if inspection.kind == Kind::Module { "wasip1" } else { "wasip2" },
    });
    let config_digest = Digest::of(&config).to_string();
    let title = format!("{name}.wasm");
    let version = version.to_string();
    let manifest = json(&Manifest {
        annotations: annotations(inspection, &version),
        config: Descriptor {
            annotations: Annotations::new(),
            digest: &config_digest,
            media_type: CONFIG_TYPE,
            size: config.len() as u64,
        },
        layers: [Descriptor {
            annotations: Annotations::from([("org.opencontainers.image.title", &*title)]),
            digest: &layer_digest,
            media_type: LAYER_TYPE,
            size: layer.size,
        }],
        media_type: MANIFEST_TYPE,
        schema_version: 2,
    });
    Artifact { config, manifest }
}

fn annotations<'a>(inspection: &'a Inspection, version: &'a str) -> Annotations<'a> {
    let metadata = &inspection.metadata;
    let mut annotations = Annotations::from([("org.opencontainers.image.version", version)]);
    for (key, text) in [
        ("org.opencontainers.image.authors", &metadata.authors),
        ("org.opencontainers.image.description", &metadata.description),
        ("org.opencontainers.image.licenses", &metadata.licenses),
        ("org.opencontainers.image.source", &metadata.source),
        ("org.opencontainers.image.url", &metadata.homepage),
    ] {
        if let Some(text) = text {
            annotations.insert(key, text);
        }
    }
    annotations
}

/// Imports and exports, sorted bytewise. A WIT package exports its interfaces and worlds by their full names
/// and imports nothing; a core module says nothing.
fn names(inspection: &Inspection) -> Option<Names> {
    let (mut exports, mut imports): (Vec<_>, Vec<_>) = match (inspection.kind, &inspection.wit) {
        (Kind::Module, _) => return None,
        (Kind::Wit, Some(wit)) => {
            let interfaces = wit.interfaces.iter().map(|interface| interface.name.clone());
            (interfaces.chain(wit.worlds.iter().map(|world| world.name.clone())).collect(), Vec::new())
        }
        _ => (
            inspection.exports.iter().map(|export| export.name.clone()).collect(),
            inspection.imports.iter().map(|import| import.name.clone()).collect(),
        ),
    };
    exports.sort();
    imports.sort();
    Some(Names { exports, imports })
}

#[expect(clippy::expect_used, reason = "texts and numbers always have a JSON form")]
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts and numbers always have a JSON form")
}
