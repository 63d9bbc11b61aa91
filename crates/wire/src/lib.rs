//! The JSON that other people's programs expect of a registry: shapes only, no rules and no HTTP.
//!
//! Server and client share it, so that both speak one language. Source: `spec/warg.md`, "HTTP API"; the
//! well-known file: `spec/oci.md`.

pub mod text;
pub mod warg;
