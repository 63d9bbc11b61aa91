//! The vectors that the reference and an independent implementation computed.

#![allow(dead_code, reason = "each test file uses its own part")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use wargate_core::digest::Digest;

pub(crate) fn load(name: &str) -> Value {
    let path = format!("{}/../../../shared/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap()
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    BASE64.decode(text(value)).unwrap()
}

pub(crate) fn digest(value: &Value) -> Digest {
    text(value).parse().unwrap()
}

/// A time as the reference prints it: seconds, and nanoseconds as a fraction.
pub(crate) fn reference_time(time: wargate_core::time::Time) -> String {
    format!("{}.{:09}", time.seconds(), time.nanos())
}
