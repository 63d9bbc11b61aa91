//! `registry.json`: tells clients where the doors are (`spec/oci.md`, "The Wasm artifact").

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use wargate_wire::wellknown::{OciDoor, Protocol, RegistryJson, WargDoor};

use crate::doors::warg::{base_url, host_of};
use crate::http;
use crate::router::Door;

pub(crate) async fn registry_json(door: Door, headers: HeaderMap) -> Response {
    let url = base_url(&door, &headers);
    let host = host_of(&url).to_owned();
    let file = RegistryJson {
        preferred_protocol: Some(Protocol::Oci),
        oci: Some(OciDoor::new(host, None)),
        warg: Some(WargDoor { url }),
    };
    http::json(StatusCode::OK, &file)
}
