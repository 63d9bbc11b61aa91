//! The bytes that other people's programs send to a registry and expect of it: shapes and grammars, no HTTP.
//!
//! Server and client share it, so that both speak one language. Source: `spec/warg.md`, "HTTP API"; OCI and the
//! well-known file: `spec/oci.md`. `docker` is where credentials are kept; `api` is our own JSON.

pub mod api;
pub mod docker;
pub mod oci;
pub mod text;
pub mod warg;
pub mod wellknown;
