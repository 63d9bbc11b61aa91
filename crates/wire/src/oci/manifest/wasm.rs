//! The one shape of a manifest that is a release (`spec/oci.md`, "The Wasm artifact").

use wargate_core::digest::Digest;

use super::{Descriptor, Manifest, ManifestType};

/// The media type of a Wasm artifact's config.
pub const WASM_CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";

/// The media type of a Wasm artifact's only layer.
pub const WASM_LAYER_TYPE: &str = "application/wasm";

/// A Wasm artifact's parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WasmArtifact<'m> {
    /// The config. It is never believed.
    pub config: &'m Descriptor,
    /// The component, module or WIT package.
    pub layer: &'m Descriptor,
    /// The layer's digest: what a release is.
    pub content_hash: Digest,
}

/// Why a manifest that tries to be a Wasm artifact is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WasmProblem {
    /// Another type of manifest.
    #[error("a Wasm artifact is a manifest of type `{}`", ManifestType::OciManifest)]
    ManifestType,
    /// The body does not say its type.
    #[error("the manifest of a Wasm artifact says its `mediaType`")]
    NoMediaType,
    /// It has an artifact type.
    #[error("the manifest of a Wasm artifact has no `artifactType`")]
    ArtifactType,
    /// Another type of config.
    #[error("the config of a Wasm artifact has the type `{WASM_CONFIG_TYPE}`")]
    ConfigType,
    /// Not exactly one layer.
    #[error("a Wasm artifact has exactly one layer, this manifest has {layers}")]
    LayerCount {
        /// How many it has.
        layers: usize,
    },
    /// Another type of layer.
    #[error("the layer of a Wasm artifact has the type `{WASM_LAYER_TYPE}`")]
    LayerType,
    /// A layer that no client could pull.
    #[error("the layer of a Wasm artifact is named by a `sha256` digest")]
    LayerDigest,
}

impl Manifest {
    /// The Wasm artifact, if it is one.
    #[must_use]
    pub fn wasm(&self) -> Option<WasmArtifact<'_>> {
        self.wasm_shape().ok()
    }

    /// What is wrong with a manifest that has the config or a layer of a Wasm artifact and yet is none. `None` if
    /// it is one, or is something else altogether.
    #[must_use]
    pub fn wasm_problem(&self) -> Option<WasmProblem> {
        let has_config = self.config.as_ref().is_some_and(|config| config.media_type == WASM_CONFIG_TYPE);
        let has_layer = self.layers.iter().any(|layer| layer.media_type == WASM_LAYER_TYPE);
        if has_config || has_layer { self.wasm_shape().err() } else { None }
    }

    /// The artifact, or the first rule that is broken.
    ///
    /// # Errors
    /// If it is no Wasm artifact.
    pub fn wasm_shape(&self) -> Result<WasmArtifact<'_>, WasmProblem> {
        let config = match &self.config {
            Some(config) if self.media_type == ManifestType::OciManifest => config,
            _ => return Err(WasmProblem::ManifestType),
        };
        if !self.says_type {
            return Err(WasmProblem::NoMediaType);
        }
        if self.artifact_type.is_some() {
            return Err(WasmProblem::ArtifactType);
        }
        if config.media_type != WASM_CONFIG_TYPE {
            return Err(WasmProblem::ConfigType);
        }
        let [layer] = self.layers.as_slice() else {
            return Err(WasmProblem::LayerCount { layers: self.layers.len() });
        };
        if layer.media_type != WASM_LAYER_TYPE {
            return Err(WasmProblem::LayerType);
        }
        let content_hash = layer.digest.sha256().ok_or(WasmProblem::LayerDigest)?;
        Ok(WasmArtifact { config, layer, content_hash })
    }
}
