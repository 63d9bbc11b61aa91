//! The transparency log: an RFC 6962 tree, its tiles, and proofs about it.
//!
//! One tree serves Warg and the C2SP tile readers alike (`spec/transparency.md`, "Ours").

pub mod proof;
pub mod tile;
pub mod tree;
