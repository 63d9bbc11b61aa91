//! Warg v1 (`spec/warg.md`, "HTTP API").

use axum::http::{HeaderMap, header};

use crate::router::Door;
pub(crate) use error::Failed;

pub(crate) mod content;
mod error;
pub(crate) mod fetch;
pub(crate) mod ledger;
pub(crate) mod package;
pub(crate) mod proof;

/// The URL that the client reaches this registry by, without a slash at its end.
pub(crate) fn base_url(door: &Door, headers: &HeaderMap) -> String {
    if let Some(url) = &door.options.public_url {
        return url.clone();
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let plain = |host: &&str| host.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-[]".contains(&b));
    format!("http://{}", host.filter(plain).unwrap_or("localhost"))
}

/// Whose door a URL leads to.
pub(crate) fn host_of(url: &str) -> &str {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    host.split('/').next().unwrap_or_default()
}

/// A part of a path.
fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Failed> {
    text.parse().map_err(|error: T::Err| Failed::bad_request(error.to_string()))
}
