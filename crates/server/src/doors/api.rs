//! Wargate's own JSON: `/api/…`.
//!
//! Every error here has one shape: `{"status", "code", "message", "hint"}`.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use wargate_wire::api::openapi;

use super::catalog;
use crate::http;
use crate::router::Mount;
pub(crate) use error::Failed;

mod acts;
pub(super) mod error;
mod proposals;
mod submit;

/// All routes of this door.
pub(crate) fn routes() -> Router<Mount> {
    catalog::api_routes()
        .route("/api/openapi.json", get(async || http::json(StatusCode::OK, &openapi())))
        .route("/api/packages/{namespace}/{name}/releases", post(submit::release))
        .route("/api/acts", post(acts::carry))
        .route("/api/proposals", get(proposals::list))
        .route("/api/proposals/{id}", get(proposals::one))
        .route("/api/proposals/{id}/reject", post(proposals::reject))
}

/// A part of a path.
fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Failed> {
    text.parse().map_err(|error: T::Err| Failed::bad_request(error.to_string()))
}
