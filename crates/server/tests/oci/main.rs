//! The OCI door over real HTTP: the requests of real clients, each line of `spec/oci.md`, "Endpoints", and what bad
//! requests are told.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test ends where something fails, and waits for real"
)]

mod bad;
mod deletes;
mod failures;
mod lists;
mod manifests;
mod reads;
mod releases;
mod sessions;
mod site;
#[allow(unreachable_pub, reason = "it is written for the registry's own tests")]
#[path = "../../../registry/tests/support/mod.rs"]
mod support;
mod tags;
mod takedowns;
mod uploads;
