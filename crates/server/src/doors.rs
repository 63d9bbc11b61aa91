//! The doors: each translates one outside language.

pub(crate) mod api;
pub(crate) mod catalog;
pub(crate) mod log;
pub(crate) mod oci;
pub(crate) mod probe;
pub(crate) mod warg;
pub mod web;
pub(crate) mod wellknown;
