//! The rules of a Wargate registry that anyone must be able to check: names, records, logs, proofs.
//!
//! Scope: everything that a server decides by and a client verifies by. Not here: I/O, clocks, randomness,
//! async, HTTP. The same code runs in the server, the client, mirrors and, as wasm32, in browsers.
//! Formats: `spec/warg.md`, `spec/transparency.md`, `spec/delegation.md`.

pub mod act;
pub mod authority;
pub mod checkpoint;
pub mod digest;
pub mod envelope;
pub mod id;
pub mod key;
pub mod log;
pub mod map;
pub mod name;
pub mod note;
pub mod plan;
pub mod prefix;
pub mod proto;
pub mod record;
pub mod text;
pub mod time;
pub mod v1;
pub mod verify;
