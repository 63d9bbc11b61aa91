//! The log door: immutable static files and one checkpoint (`spec/transparency.md`, "Tiles" and "Ours").

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use wargate_registry::{Error, StaticFile, StaticPath};

use crate::http;
use crate::router::Door;

/// How long a checkpoint may be kept: a few seconds at most.
const CHECKPOINT_CACHING: HeaderValue = HeaderValue::from_static("public, max-age=2");

/// Serves a file.
pub(crate) async fn file(door: Door, Path(path): Path<String>, headers: HeaderMap) -> Response {
    let Ok(parsed) = path.parse::<StaticPath>() else { return not_found() };
    // An immutable file needs no look at the disk to tell that it is the same.
    let etag = format!("\"{path}\"");
    if parsed != StaticPath::Checkpoint && http::not_modified(&headers, &etag) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response();
    }
    match door.registry.snapshot().static_file(&parsed).await {
        Ok(file) => respond(file, &etag),
        Err(Error::NoSuchFile { .. }) => not_found(),
        Err(error) => {
            tracing::error!(%error, path, "couldn't read a file of the log");
            (StatusCode::INTERNAL_SERVER_ERROR, "the registry failed\n").into_response()
        }
    }
}

fn respond(file: StaticFile, etag: &str) -> Response {
    let mut response = file.bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.content_type));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if file.immutable {
        headers.insert(header::CACHE_CONTROL, http::IMMUTABLE);
        if let Ok(etag) = HeaderValue::from_str(etag) {
            headers.insert(header::ETAG, etag);
        }
    } else {
        headers.insert(header::CACHE_CONTROL, CHECKPOINT_CACHING);
    }
    response
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "the log has no such file\n").into_response()
}
