//! OCI Distribution 1.1: what clients of `/v2/` send and what they must be given.
//!
//! Everything here is a pure function of text or bytes. Not here: HTTP types, authorisation, and which package a
//! repository is. Source: `spec/oci.md`.

pub mod challenge;
pub mod error;
pub mod list;
pub mod manifest;
pub mod path;
mod percent;
pub mod query;
pub mod range;
pub mod reference;
pub mod scope;
