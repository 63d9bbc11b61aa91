//! Every limit on a file, each with its unit (`spec/components.md`, "Hostile input").

/// Largest file that is parsed at all, in bytes: 256 MiB.
pub const WASM_BYTES_MAX: u64 = 256 << 20;

/// Most sections in one component or module.
pub const SECTIONS_MAX: u64 = 10_000;

/// Most sections in a file, all depths together.
pub const SECTIONS_TOTAL_MAX: u64 = 100_000;

/// Most custom sections at depth 0.
pub const CUSTOM_SECTIONS_MAX: u64 = 256;

/// Deepest nesting of components, modules and the types declared in them; the outermost is depth 1.
pub const NESTING_MAX: u64 = 64;

/// Longest chain of types that export each other.
pub const TYPE_DEPTH_MAX: u64 = 100;

/// Most modules and components in a file, as the validator has it.
pub const MODULES_AND_COMPONENTS_MAX: u64 = 1_000;

/// Largest count that a section may declare, as the validator has it.
pub const DECLARED_COUNT_MAX: u64 = 1_000_000;

/// Most bytes of type, import, export, alias and instance sections in a file, core modules not counted: 4 MiB.
/// Reading them takes up to fifty times as much memory.
pub const DECLARATION_BYTES_MAX: u64 = 4 << 20;

/// Longest name of a component's import or export, at any depth and in types, in bytes.
pub const EXTERN_NAME_BYTES_MAX: u64 = 1_024;

/// Longest `namespace:package` in such a name, in bytes.
pub const PACKAGE_NAME_BYTES_MAX: u64 = 128;

/// Longest external id or other attribute of a name, in bytes.
pub const ATTRIBUTE_BYTES_MAX: u64 = 4 << 10;

/// Most imports and exports of a component.
pub const EXTERNS_MAX: u64 = 10_000;

/// Most imports of a core module that are kept, and most exports; the rest is only counted.
pub const CORE_EXTERNS_KEPT_MAX: usize = 10_000;

/// Longest name of a core module's import or export that is kept whole, in bytes.
pub const CORE_NAME_BYTES_MAX: usize = 1_024;

/// Greatest product of component instantiations and the most exports of one component or type.
pub const INSTANTIATIONS_TIMES_EXPORTS_MAX: u64 = 100_000;

/// Greatest work that a file may ask of the validator, in steps of about a microsecond: types copied,
/// compared or declared, counted by their expanded size. The largest real file has 30,000.
pub const WORK_MAX: u64 = 1_000_000;

/// Largest file that may be inspected in the caller's process, in bytes: 64 KiB.
pub const IN_PROCESS_BYTES_MAX: u64 = 64 << 10;

/// Greatest product of instantiations and exports for which that holds.
pub const IN_PROCESS_PRODUCT_MAX: u64 = 1_000;

/// Greatest work for which that holds, in the steps of [`WORK_MAX`].
pub const IN_PROCESS_WORK_MAX: u64 = 50_000;

/// Largest seal, in bytes: 1 MiB.
pub const SEAL_BYTES_MAX: u64 = 1 << 20;

/// What is kept of one metadata text, in bytes: 4 KiB.
pub const SHOWN_BYTES_MAX: usize = 4 << 10;

/// What is kept of a short text such as a tool's version, in bytes.
pub const WORD_BYTES_MAX: usize = 256;

/// Most tools and languages kept of a `producers` section.
pub const PRODUCERS_MAX: usize = 256;

/// Largest `producers`, `name` or `component-name` section that is read, in bytes: 16 MiB.
pub const READ_SECTION_BYTES_MAX: usize = 16 << 20;

/// Largest `component-type` section that is read, in bytes: 1 MiB.
pub const COMPONENT_TYPE_BYTES_MAX: usize = 1 << 20;

/// Largest WIT text view, in bytes: 1 MiB.
pub const WIT_TEXT_BYTES_MAX: usize = 1 << 20;

/// Most documentation that is kept of one WIT package beside its text, in bytes: 1 MiB.
pub const WIT_DOCS_BYTES_MAX: usize = 1 << 20;

/// Most warnings about one file.
pub const WARNINGS_MAX: usize = 64;

/// Greatest work of a file whose experimental features are told apart, which validates it some twenty times.
pub const FEATURES_WORK_MAX: u64 = 5_000;
