//! The load on the OCI door: Wasm artifacts, large blobs and lists, pushed and read as clients do.

pub mod artifact;
pub mod files;
pub mod large;
pub mod lists;
pub mod push;
pub mod read;
