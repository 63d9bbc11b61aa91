//! What repositories do beyond pushing and pulling (`spec/oci.md`): deletes, referrers, digests of both kinds, mounts,
//! tags and conditions.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test ends where something fails, and waits for real"
)]

mod deletes;
mod digests;
mod lifecycle;
mod mounts;
mod reads;
mod referrers;
#[path = "../support/mod.rs"]
mod support;
mod sweep;
mod tags;
mod takedowns;
mod upgrade;
mod world;
