//! The load on the OCI door: small Wasm artifacts, pushed and pulled as clients do.

mod artifact;
pub mod files;
pub mod push;
pub mod read;
