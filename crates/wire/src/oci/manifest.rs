//! Manifests and indexes (`spec/oci.md`, "Manifests"): what a registry must know of them before it keeps them.
//!
//! The bytes are read, never written again: their digest is their name. Not here: whether what a manifest names is
//! there, and whether the bytes have the digest under which they were sent.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::oci::reference::{ContentDigest, ContentDigestError};
use crate::text::shorten;

mod strict;
mod wasm;

pub use wasm::{WASM_CONFIG_TYPE, WASM_LAYER_TYPE, WasmArtifact, WasmProblem};

/// Largest manifest in bytes.
pub const MANIFEST_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Deepest nesting of objects and arrays, the root included.
pub const JSON_DEPTH_MAX: usize = 32;

/// The only schema version.
pub const SCHEMA_VERSION: u64 = 2;

/// What layers begin with that nobody may pass on, so that no registry needs to have them.
const NONDISTRIBUTABLE_PREFIXES: [&str; 2] =
    ["application/vnd.oci.image.layer.nondistributable.", "application/vnd.docker.image.rootfs.foreign."];

/// The media type of something that is kept as a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ManifestType {
    /// An OCI image manifest.
    OciManifest,
    /// An OCI image index.
    OciIndex,
    /// A Docker manifest, schema 2.
    DockerManifest,
    /// A Docker manifest list.
    DockerList,
}

/// A media type that is not kept as a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{media_type}` is not the type of a manifest: expected those of OCI and Docker schema 2")]
pub struct ManifestTypeError {
    /// The refused type, shortened.
    pub media_type: String,
}

impl ManifestType {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::OciManifest, Self::OciIndex, Self::DockerManifest, Self::DockerList];

    /// The media type.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OciManifest => "application/vnd.oci.image.manifest.v1+json",
            Self::OciIndex => "application/vnd.oci.image.index.v1+json",
            Self::DockerManifest => "application/vnd.docker.distribution.manifest.v2+json",
            Self::DockerList => "application/vnd.docker.distribution.manifest.list.v2+json",
        }
    }

    /// Whether it lists manifests, not layers.
    #[must_use]
    pub const fn is_index(self) -> bool {
        matches!(self, Self::OciIndex | Self::DockerList)
    }
}

impl FromStr for ManifestType {
    type Err = ManifestTypeError;

    fn from_str(text: &str) -> Result<Self, ManifestTypeError> {
        let found = Self::ALL.into_iter().find(|known| known.as_str() == text);
        found.ok_or_else(|| ManifestTypeError { media_type: shorten(text) })
    }
}

impl fmt::Display for ManifestType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for ManifestType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A pointer to content. Its `urls` are not kept, so that nothing can ever fetch them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// The content's media type, whatever it is.
    pub media_type: String,
    /// The content.
    pub digest: ContentDigest,
    /// The content's size in bytes, as the manifest says.
    pub size: u64,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// Whether it is a layer that registries need not have.
    #[must_use]
    pub fn is_nondistributable(&self) -> bool {
        NONDISTRIBUTABLE_PREFIXES.iter().any(|prefix| self.media_type.starts_with(prefix))
    }
}

/// A manifest or an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its type.
    pub media_type: ManifestType,
    /// Whether the body itself says its type. Without that, the Content-Type did.
    pub says_type: bool,
    /// The config: there is one if this is no index.
    pub config: Option<Descriptor>,
    /// The layers; none in an index.
    pub layers: Vec<Descriptor>,
    /// The children of an index.
    pub manifests: Vec<Descriptor>,
    /// What it refers to; it need not exist.
    pub subject: Option<Descriptor>,
    /// What it is, in its own words.
    pub artifact_type: Option<String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// Bytes that are no acceptable manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// More than [`MANIFEST_BYTES_MAX`].
    #[error("the manifest has {bytes} bytes, at most {MANIFEST_BYTES_MAX} are allowed")]
    TooLarge {
        /// How many.
        bytes: usize,
    },
    /// No JSON, or a field of another type than it must have.
    #[error("the manifest cannot be read: {reason}")]
    Json {
        /// What is wrong and where, shortened.
        reason: String,
    },
    /// JSON, but no object.
    #[error("the manifest is not a JSON object")]
    NotAnObject,
    /// Nested deeper than [`JSON_DEPTH_MAX`].
    #[error("the manifest is nested deeper than {JSON_DEPTH_MAX} levels")]
    TooDeep,
    /// A key twice in one object: readers would differ in which one they believe.
    #[error("the key `{key}` is twice in one object of the manifest")]
    DuplicateKey {
        /// The key, shortened.
        key: String,
    },
    /// Neither the Content-Type nor the body says what it is.
    #[error("neither the Content-Type nor `mediaType` says what the manifest is")]
    NoType,
    /// A type that is not kept as a manifest.
    #[error(transparent)]
    Type(#[from] ManifestTypeError),
    /// Content-Type and body disagree.
    #[error("the Content-Type is `{content_type}`, but `mediaType` is `{media_type}`")]
    TypesDiffer {
        /// The Content-Type, shortened.
        content_type: String,
        /// What the body says, shortened.
        media_type: String,
    },
    /// It has fields of both kinds, or those of the kind that it is not (CVE-2021-41190).
    #[error("`{field}` has no place in a manifest of type `{media_type}`, or beside its other fields")]
    Confused {
        /// The field.
        field: &'static str,
        /// The manifest's type.
        media_type: ManifestType,
    },
    /// `schemaVersion` is not [`SCHEMA_VERSION`].
    #[error("`schemaVersion` is not {SCHEMA_VERSION}")]
    SchemaVersion,
    /// A manifest without config.
    #[error("the manifest has no `config`")]
    NoConfig,
    /// A descriptor's digest is none.
    #[error("the digest of `{place}` in the manifest is not acceptable: {source}")]
    Digest {
        /// Which descriptor.
        place: String,
        /// Why not.
        source: ContentDigestError,
    },
}

/// What is read of the body; all other fields are legal and not looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    schema_version: Option<u64>,
    media_type: Option<String>,
    // Outer `None`: the key is not there. A key with `null` is there, and counts when kinds are told apart.
    #[serde(default, deserialize_with = "present")]
    config: Option<Option<RawDescriptor>>,
    #[serde(default, deserialize_with = "present")]
    layers: Option<Option<Vec<RawDescriptor>>>,
    #[serde(default, deserialize_with = "present")]
    manifests: Option<Option<Vec<RawDescriptor>>>,
    subject: Option<RawDescriptor>,
    artifact_type: Option<String>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    media_type: String,
    digest: String,
    size: u64,
    annotations: Option<BTreeMap<String, String>>,
}

fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(field: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(field).map(Some)
}

impl RawDescriptor {
    fn checked(self, place: impl FnOnce() -> String) -> Result<Descriptor, ManifestError> {
        let digest =
            self.digest.parse().map_err(|source| ManifestError::Digest { place: place(), source })?;
        let annotations = self.annotations.unwrap_or_default();
        Ok(Descriptor { media_type: self.media_type, digest, size: self.size, annotations })
    }
}

fn checked_list(
    field: &str,
    list: Option<Option<Vec<RawDescriptor>>>,
) -> Result<Vec<Descriptor>, ManifestError> {
    let list = list.flatten().unwrap_or_default();
    list.into_iter().enumerate().map(|(at, raw)| raw.checked(|| format!("{field}[{at}]"))).collect()
}

impl ManifestError {
    /// Messages of the parser hold what a stranger wrote, at any length.
    fn json(source: &serde_json::Error) -> Self {
        Self::Json { reason: shorten(&source.to_string()) }
    }
}

impl Body {
    /// The type, from the Content-Type without its parameters and from the body.
    fn media_type(&self, content_type: Option<&str>) -> Result<ManifestType, ManifestError> {
        let sent = content_type.map(|text| text.split(';').next().unwrap_or_default().trim());
        let sent = sent.filter(|text| !text.is_empty());
        match (sent, self.media_type.as_deref()) {
            (None, None) => Err(ManifestError::NoType),
            (Some(one), None) | (None, Some(one)) => Ok(one.parse()?),
            (Some(sent), Some(said)) if sent == said => Ok(said.parse()?),
            (Some(sent), Some(said)) => {
                Err(ManifestError::TypesDiffer { content_type: shorten(sent), media_type: shorten(said) })
            }
        }
    }

    /// An index has no config and no layers, a manifest has no children.
    fn check_kind(&self, media_type: ManifestType) -> Result<(), ManifestError> {
        let misplaced = if media_type.is_index() {
            [("config", self.config.is_some()), ("layers", self.layers.is_some())]
        } else {
            [("manifests", self.manifests.is_some()), ("", false)]
        };
        match misplaced.into_iter().find(|(_, is_there)| *is_there) {
            Some((field, _)) => Err(ManifestError::Confused { field, media_type }),
            None => Ok(()),
        }
    }
}

impl Manifest {
    /// Reads a manifest that came with this Content-Type.
    ///
    /// # Errors
    /// If the bytes break a rule of `spec/oci.md`, "Manifests".
    pub fn parse(content_type: Option<&str>, bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(ManifestError::TooLarge { bytes: bytes.len() });
        }
        strict::check(bytes)?;
        let body: Body = serde_json::from_slice(bytes).map_err(|source| ManifestError::json(&source))?;
        let media_type = body.media_type(content_type)?;
        body.check_kind(media_type)?;
        if body.schema_version != Some(SCHEMA_VERSION) {
            return Err(ManifestError::SchemaVersion);
        }
        let config = body.config.flatten().map(|raw| raw.checked(|| "config".to_owned())).transpose()?;
        if config.is_none() && !media_type.is_index() {
            return Err(ManifestError::NoConfig);
        }
        Ok(Self {
            media_type,
            says_type: body.media_type.is_some(),
            config,
            layers: checked_list("layers", body.layers)?,
            manifests: checked_list("manifests", body.manifests)?,
            subject: body.subject.map(|raw| raw.checked(|| "subject".to_owned())).transpose()?,
            artifact_type: body.artifact_type.filter(|text| !text.is_empty()),
            annotations: body.annotations.unwrap_or_default(),
        })
    }

    /// The blobs that must be in the manifest's repository: its config, and its layers but those that registries
    /// need not have.
    pub fn required_blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.config.iter().chain(self.layers.iter().filter(|layer| !layer.is_nondistributable()))
    }

    /// The artifact type by which a referrer is listed: its own, else that of its config.
    #[must_use]
    pub fn listed_artifact_type(&self) -> Option<&str> {
        let config = self.config.as_ref().map(|config| config.media_type.as_str());
        self.artifact_type.as_deref().or(config.filter(|media_type| !media_type.is_empty()))
    }
}

#[cfg(test)]
mod tests;
