//! What the bytes of a release say (`spec/components.md`, "What to index").
//!
//! Every text here is the publisher's: whoever shows it escapes it, and believes nothing of it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an inspection found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// Whose verdict this is, with its version.
    #[schema(example = "wasmparser 0.263.0")]
    pub validator: String,
    /// Whether features beyond the validator's default set are needed.
    pub experimental: bool,
    /// Those features by name, as far as they were told apart.
    pub features: Vec<String>,
    /// The id of a WIT package, `NAMESPACE:NAME@VERSION`.
    pub package: Option<String>,
    /// Imports of a component or WIT package, in the file's order.
    pub imports: Vec<Extern>,
    /// Exports of a component or WIT package, in the file's order.
    pub exports: Vec<Extern>,
    /// Imports of a core module, in the file's order.
    pub core_imports: Vec<CoreExtern>,
    /// Exports of a core module, in the file's order.
    pub core_exports: Vec<CoreExtern>,
    /// Imports and exports of a core module that are there but not listed.
    pub core_left_out: u64,
    /// Worlds that a core module was built for, by full name.
    pub targets: Vec<String>,
    /// Core modules within, at any depth.
    pub core_modules: u64,
    /// Components within, at depth 1.
    pub nested: Vec<Nested>,
    /// What the publisher wrote into the file about it.
    pub metadata: Metadata,
    /// Who and what made it.
    pub producers: Vec<Producer>,
    /// Every custom section, in the file's order.
    pub sections: Vec<CustomSection>,
    /// The view as WIT, where there is one.
    pub wit: Option<Wit>,
    /// What is odd about the file without being a reason to refuse it.
    pub warnings: Vec<String>,
}

/// An import or export of a component.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Extern {
    /// Its name, version included.
    #[schema(example = "wasi:http/types@0.2.3")]
    pub name: String,
    /// What it is: `func`, `instance`, `component`, …
    #[schema(example = "instance")]
    pub sort: String,
    /// The interface that a plainly named instance implements.
    pub implements: Option<String>,
    /// Whatever host and tools agree on; a requirement on another package.
    pub external_id: Option<String>,
    /// The name, or the implemented interface, taken apart; null for a plain name.
    pub interface: Option<InterfaceName>,
}

/// An interface's name, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InterfaceName {
    /// The namespace.
    #[schema(example = "wasi")]
    pub namespace: String,
    /// The package.
    #[schema(example = "http")]
    pub package: String,
    /// The interface.
    #[schema(example = "types")]
    pub interface: String,
    /// The full version.
    #[schema(example = "0.2.3")]
    pub version: Option<String>,
    /// The canonical version: compatible versions share it.
    #[schema(example = "0.2")]
    pub track: Option<String>,
}

/// An import or export of a core module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CoreExtern {
    /// The module that an import comes from; null for an export.
    pub module: Option<String>,
    /// Its name.
    pub name: String,
    /// What it is: `func`, `memory`, `table`, `global`, `tag`.
    #[schema(example = "func")]
    pub sort: String,
}

/// A component within a component.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Nested {
    /// The digest of its bytes, which may be a release's.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
}

/// What the publisher says in custom sections.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The debug name of the module or component.
    pub name: Option<String>,
    /// Who wrote it.
    pub authors: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Its licence.
    #[schema(example = "Apache-2.0 WITH LLVM-exception")]
    pub licenses: Option<String>,
    /// Whether the licence is an SPDX expression.
    pub licenses_spdx: bool,
    /// Where its source is.
    pub source: Option<String>,
    /// Where to read about it.
    pub homepage: Option<String>,
    /// Which revision of the source it is.
    pub revision: Option<String>,
    /// Its version, if it is a semantic one.
    pub version: Option<String>,
}

/// One line of a `producers` section.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Producer {
    /// `language`, `sdk` or `processed-by`.
    pub field: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A custom section by name and size.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomSection {
    /// Its name.
    pub name: String,
    /// Its content's size in bytes.
    pub size: u64,
}

/// What a component or WIT package says in WIT.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Wit {
    /// The text, unless it is too large.
    pub text: Option<String>,
    /// The full names of its interfaces.
    pub interfaces: Vec<String>,
    /// The full names of its worlds.
    pub worlds: Vec<String>,
    /// Other packages that it speaks of, as `NAMESPACE:NAME@VERSION`.
    pub foreign: Vec<String>,
}
