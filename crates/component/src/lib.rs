//! What the bytes of a WebAssembly file are: kind, imports, exports, metadata and WIT.
//!
//! Scope: reading hostile bytes and saying what they are, or why they are refused, and the OCI manifest that
//! follows from that. Not here: I/O, clocks, threads, processes; limits on time and memory are the caller's,
//! who asks [`prepass`] first whether a file may be inspected in its own process.
//! Formats: `spec/components.md`; the manifest: `spec/oci.md`, "The Wasm artifact".

pub mod agree;
pub mod inspect;
pub mod inspection;
pub mod kind;
pub mod limits;
pub mod manifest;
pub mod refused;
mod text;

pub use agree::{Disagreement, agree};
pub use inspect::{Cost, inspect, prepass};
pub use inspection::Inspection;
pub use kind::Kind;
pub use manifest::{Artifact, Layer, artifact};
pub use refused::{HeaderFault, MetadataFault, Refused, SealFault};
