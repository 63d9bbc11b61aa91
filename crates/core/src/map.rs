//! The verifiable map: which record of each log is the latest.
//!
//! A sparse Merkle tree of height 256 (`spec/warg.md`, "Transparency"), kept in pages of four levels that are
//! written copy on write: a checkpoint costs what changed, not what there is.

pub mod page;
pub mod proof;
pub mod segment;
