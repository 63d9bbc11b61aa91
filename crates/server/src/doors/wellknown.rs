//! `registry.json`: tells clients where the doors are (`spec/oci.md`, "registry.json").

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::json;

use crate::doors::warg::base_url;
use crate::http;
use crate::router::Door;

/// Every top-level value but `preferredProtocol` is an object: a string makes `wkg` drop the whole file. The OCI
/// door is not announced before it is there.
pub(crate) async fn registry_json(State(door): State<Door>, headers: HeaderMap) -> Response {
    http::json(StatusCode::OK, &json!({ "warg": { "url": base_url(&door, &headers) } }))
}
