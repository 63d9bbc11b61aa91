//! What all doors share: reading bodies within limits, ranges, caching headers, and one line of log a request.

use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wargate_wire::warg::WargError;

use crate::limits::JSON_BODY_BYTES_MAX;
use crate::listen::ClientAddress;
use crate::metrics::note_request;

pub(crate) mod body;
pub(crate) mod cors;
pub(crate) mod form;
pub(crate) mod pace;
pub(crate) mod range;
mod unread;

use body::BodyError;

/// A JSON reply, with the content type that Warg's client demands to the letter.
pub(crate) fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => (status, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => {
            tracing::error!(%error, "couldn't write a reply");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// An error in Warg's shape.
pub(crate) fn warg_error(error: &WargError) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    json(status, &error.body())
}

pub(crate) fn message(status: StatusCode, message: impl Into<String>) -> WargError {
    WargError::Message { status: status.as_u16(), message: message.into() }
}

pub(crate) async fn no_such_route(request: Request) -> Response {
    no_such_path(request.uri().path())
}

pub(crate) fn no_such_path(path: &str) -> Response {
    warg_error(&message(StatusCode::NOT_FOUND, format!("there is nothing at `{path}`")))
}

pub(crate) async fn no_such_method(request: Request) -> Response {
    let text = format!("`{}` does not take {}", request.uri().path(), request.method());
    warg_error(&message(StatusCode::METHOD_NOT_ALLOWED, text))
}

impl From<BodyError> for WargError {
    fn from(error: BodyError) -> Self {
        Self::Message { status: error.status(), message: error.to_string() }
    }
}

/// Reads a JSON body within its limit.
pub(crate) async fn read_json<T: DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<T, WargError> {
    let whole = body::read_whole(headers, body, JSON_BODY_BYTES_MAX).await?;
    serde_json::from_slice(&whole)
        .map_err(|error| message(StatusCode::BAD_REQUEST, format!("the request is malformed: {error}")))
}

pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether the client has this version already.
pub(crate) fn not_modified(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    // A proxy that compresses weakens the tag; for bytes that never change that is the same.
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|tag| tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// Headers of bytes that somebody else made: never to be taken for a page of this site.
pub(crate) fn untrusted(headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
}

/// Caching of what never changes under its address.
pub(crate) const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// What surrounds every request: it is shared with other sites ([`cors::share`]), measured and logged, and a panic becomes
/// an answer. Nothing that a client sends becomes a label. One layer, since each costs a request two allocations.
pub(crate) async fn surround(request: Request, next: Next) -> Response {
    let start = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = request.method().clone();
    let client = request.extensions().get::<ClientAddress>().map(|client| client.0);
    let client = client.map(tracing::field::display);
    let (request, rest) = unread::watch(request);
    let response = std::panic::AssertUnwindSafe(cors::share(request, next)).catch_unwind().await;
    let mut response = response.unwrap_or_else(|_| {
        tracing::error!("a request ended in a panic; this is a bug in Wargate");
        warg_error(&message(StatusCode::INTERNAL_SERVER_ERROR, "the registry failed"))
    });
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let status = response.status().as_u16();
    let elapsed = start.elapsed();
    note_request(route, status, elapsed.as_secs_f64());
    let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    if status >= 500 {
        tracing::warn!(client, %method, route, status, micros, "answered with a failure");
    } else {
        tracing::debug!(client, %method, route, status, micros, "answered");
    }
    if let Some(rest) = rest {
        rest.settle(&mut response).await;
    }
    response
}
