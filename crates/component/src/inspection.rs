//! What an inspection found: plain values that travel as JSON and fill the index (`spec/components.md`, "What
//! to index").

use serde::{Deserialize, Serialize};

use crate::kind::Kind;

/// What a file is. Every text is the publisher's, made safe to show by [`crate::inspect`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// Whose verdict this is, with its version: acceptance changes between releases of the validator.
    pub validator: String,
    /// What it is.
    pub kind: Kind,
    /// Its size in bytes.
    pub size: u64,
    /// Features beyond the validator's default set are needed; policy decides about such files.
    pub experimental: bool,
    /// Those features by name, as far as they were told apart.
    pub features: Vec<String>,
    /// A component's or WIT package's imports, in the file's order.
    pub imports: Vec<Extern>,
    /// A component's or WIT package's exports, in the file's order.
    pub exports: Vec<Extern>,
    /// A core module's imports and exports.
    pub core: Option<CoreExterns>,
    /// Core modules within, at any depth.
    pub core_modules: u64,
    /// Components within, at depth 1.
    pub nested: Vec<Nested>,
    /// What the publisher wrote into the file about it.
    pub metadata: Metadata,
    /// The view as WIT, where there is one.
    pub wit: Option<WitView>,
    /// The id of a WIT package.
    pub package: Option<PackageId>,
    /// Worlds that a core module was built for, by full name.
    pub targets: Vec<String>,
    /// What is odd about the file without being a reason to refuse it.
    pub warnings: Vec<String>,
}

/// What sort of thing an import or export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words of the component model")]
pub enum Sort {
    Func,
    Value,
    Type,
    Instance,
    Component,
    Module,
    Table,
    Memory,
    Global,
    Tag,
}

/// An import or export of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extern {
    /// Its name, version suffix included.
    pub name: String,
    /// What it is.
    pub sort: Sort,
    /// The interface that a plainly named instance implements, version suffix included.
    pub implements: Option<String>,
    /// The suffix that completes a canonical version.
    pub version_suffix: Option<String>,
    /// Whatever host and tools agree on; ours is a requirement on another package.
    pub external_id: Option<String>,
    /// The name, or the implemented interface, taken apart.
    pub interface: Option<Interface>,
}

/// An interface's name, taken apart (`spec/components.md`, "Import and export names").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// The namespace, `wasi`.
    pub namespace: String,
    /// The package, `http`.
    pub package: String,
    /// The interface, `types`.
    pub interface: String,
    /// The full version, `0.2.3`.
    pub version: Option<String>,
    /// The canonical version, `0.2`: compatible versions share it.
    pub track: Option<String>,
}

/// Imports and exports of a core module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoreExterns {
    /// Imports, in the file's order.
    pub imports: Vec<CoreImport>,
    /// Exports, in the file's order.
    pub exports: Vec<CoreExport>,
    /// Imports and exports that are there but not listed.
    pub left_out: u64,
}

/// An import of a core module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoreImport {
    /// The module it comes from.
    pub module: String,
    /// Its name there.
    pub name: String,
    /// What it is.
    pub sort: Sort,
}

/// An export of a core module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoreExport {
    /// Its name.
    pub name: String,
    /// What it is.
    pub sort: Sort,
}

/// A component within a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nested {
    /// The digest of its bytes, which may be a release's.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
}

/// What the publisher says in custom sections (`spec/components.md`, "Metadata and sections").
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The debug name of the module or component.
    pub name: Option<String>,
    /// Who wrote it.
    pub authors: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Its licence.
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
    /// Who and what made it.
    pub producers: Vec<Producer>,
    /// The section of the old registry tools, if it is there.
    pub registry_metadata: Option<String>,
    /// Size in bytes of the compressed list of its source's dependencies, which we do not open.
    pub dep_v0_bytes: Option<u64>,
    /// Every custom section, in the file's order.
    pub sections: Vec<CustomSection>,
}

/// One line of a `producers` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Producer {
    /// `language`, `sdk` or `processed-by`.
    pub field: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A custom section by name and size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomSection {
    /// Its name.
    pub name: String,
    /// Its content's size in bytes.
    pub size: u64,
}

/// The id of a WIT package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageId {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The version.
    pub version: Option<String>,
}

/// What a component or WIT package says in WIT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitView {
    /// The text, unless it is too large.
    pub text: Option<String>,
    /// The package's interfaces.
    pub interfaces: Vec<WitInterface>,
    /// The package's worlds; a component has the one that it fits, `root`.
    pub worlds: Vec<WitWorld>,
    /// Other packages that it speaks of, as `ns:name@version`.
    pub foreign: Vec<String>,
}

/// An interface of a WIT package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitInterface {
    /// Its full name.
    pub name: String,
    /// What it is for.
    pub docs: Option<String>,
    /// Its functions.
    pub functions: Vec<String>,
    /// Its types.
    pub types: Vec<String>,
}

/// A world of a WIT package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitWorld {
    /// Its full name.
    pub name: String,
    /// What it is for.
    pub docs: Option<String>,
    /// What it imports, by name.
    pub imports: Vec<String>,
    /// What it exports, by name.
    pub exports: Vec<String>,
}
