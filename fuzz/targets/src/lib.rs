//! Fuzz targets: what every parser must hold for any bytes, one plain function a parser.
//!
//! A target panics when something does not hold. `cargo test` runs all over the kept corpus in `fuzz/corpus/TARGET`;
//! `cargo xtask fuzz` drives them with libFuzzer, from the workspace in `fuzz/`. Not here: engines, files.

pub mod client;
pub mod component;
pub mod core;
pub mod server;
pub mod wire;

/// One parser's target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of its corpus folder.
    pub name: &'static str,
    /// Panics where something does not hold.
    pub run: fn(&[u8]),
    /// Longest input worth trying, in bytes.
    pub bytes_max: usize,
}

const fn target(name: &'static str, run: fn(&[u8]), bytes_max: usize) -> Target {
    Target { name, run, bytes_max }
}

/// All targets.
pub const TARGETS: &[Target] = &[
    target("act", core::act, 4_096),
    target("act_texts", core::act_texts, 512),
    target("bundle", core::bundle, 4_096),
    target("checkpoint_note", core::checkpoint_note, 2_048),
    target("component", component::component, 16_384),
    target("component_name", component::name, 120),
    target("docker_config", wire::docker_config, 4_096),
    target("envelope", core::envelope, 4_096),
    target("form", server::form, 2_048),
    target("http_range", server::http_range, 128),
    target("inspection", component::inspection, 8_192),
    target("json_api", wire::json_api, 4_096),
    target("json_warg", wire::json_warg, 4_096),
    target("ledger_state", core::ledger_state, 4_096),
    target("map_page", core::map_page, 2_048),
    target("map_segment", core::map_segment, 4_096),
    target("metadata", component::metadata, 4_096),
    target("names", core::names, 256),
    target("oci_challenge", wire::oci_challenge, 1_024),
    target("oci_manifest", wire::oci_manifest, 4_096),
    target("oci_path", wire::oci_path, 512),
    target("oci_query", wire::oci_query, 512),
    target("oci_range", wire::oci_range, 64),
    target("oci_reference", wire::oci_reference, 300),
    target("proofs", core::proofs, 4_096),
    target("record", core::record, 4_096),
    target("request", client::request, 8_192),
    target("text_forms", core::text_forms, 256),
    target("tile_path", core::tile_path, 128),
];

/// The target of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// The bytes as text, if they are some.
fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// A text that has one form: what is accepted, displays as it came.
#[track_caller]
fn one_form<T: std::str::FromStr + std::fmt::Display>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string(), text);
    }
}

/// A choice by the first byte, and the rest.
fn choice(bytes: &[u8]) -> Option<(usize, &[u8])> {
    bytes.split_first().map(|(first, rest)| (usize::from(*first), rest))
}
