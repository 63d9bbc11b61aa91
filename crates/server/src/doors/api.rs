//! Wargate's own JSON: `/api/…`.
//!
//! Every error here has one shape: `{"code", "message", "hint"}`.

use axum::Router;
use axum::routing::post;

use crate::router::Door;
use error::Failed;

mod error;
mod submit;

/// All routes of this door.
pub(crate) fn routes() -> Router<Door> {
    Router::new().route("/api/packages/{namespace}/{name}/releases", post(submit::release))
}

/// A part of a path.
fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Failed> {
    text.parse().map_err(|error: T::Err| Failed::bad_request(error.to_string()))
}
