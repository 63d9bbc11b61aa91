//! What the tests of agreement share: people with the real `warg` client, a server to talk to, seeded chance.
//!
//! Everything here may panic: a test that cannot be set up has failed. Not here: anything of the product.

pub mod acts;
pub mod answer;
pub mod chance;
pub mod client;
pub mod corpus;
pub mod delegated;
pub mod layout;
pub mod owner;
pub mod person;
pub mod records;
pub mod reference;
pub mod registry;
pub mod server;
pub mod trees;
pub mod views;
pub mod wkg;

use std::ffi::OsString;

/// The program that the variable names; `cargo xtask test` sets them.
///
/// # Panics
/// If it is not set: skipping would look like success.
fn program(variable: &str) -> OsString {
    std::env::var_os(variable)
        .unwrap_or_else(|| panic!("{variable} must name a program: run these tests by `cargo xtask test`"))
}
