//! Which pages of other sites may read here: all of them, what anybody may read with GET (the Fetch standard, "CORS
//! protocol").
//!
//! Reading alone, and never with the credentials that a browser keeps by itself: `*` rules those out. A page that has
//! a token may send it. Nothing that writes is answered for another site, and no page of ours is.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use wargate_wire::oci::path::{self, Route};

use crate::limits::PREFLIGHT_LIFE;

/// What scripts may read of an answer, beside what they may always.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Docker-Content-Digest, Docker-Distribution-Api-Version, Link, Location, OCI-Filters-Applied, OCI-Subject, \
     OCI-Tag, ETag, Warning, Accept-Ranges, Content-Length, Content-Range, Retry-After, WWW-Authenticate",
);

/// What they may send. `*` would leave out `Authorization`.
const ALLOWED: HeaderValue =
    HeaderValue::from_static("Authorization, Accept, Content-Type, If-None-Match, Range");

const ANYBODY: HeaderValue = HeaderValue::from_static("*");

/// Paths of Warg v1 that are read with POST: the question is in the body.
const READ_BY_POST: [&str; 5] = [
    "/v1/fetch/logs",
    "/v1/fetch/names",
    "/v1/proof/consistency",
    "/v1/proof/inclusion",
    "/v1/verify/checkpoint",
];

/// Answers preflights, and lets other sites read the answers of the doors that are for reading.
pub(crate) async fn share(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let preflight = (request.method() == Method::OPTIONS)
        .then(|| request.headers().get(header::ACCESS_CONTROL_REQUEST_METHOD))
        .flatten()
        .filter(|_| request.headers().contains_key(header::ORIGIN));
    let method = match preflight {
        Some(wanted) => Method::from_bytes(wanted.as_bytes()).ok(),
        None => Some(request.method().clone()),
    };
    let Some(reads) = method.and_then(|method| reading(&method, path)) else {
        return next.run(request).await;
    };
    if preflight.is_some() {
        return allow(reads);
    }
    let mut response = next.run(request).await;
    expose(response.headers_mut());
    response
}

/// The methods that read at this path, if `method` is one of them.
fn reading(method: &Method, path: &str) -> Option<&'static str> {
    if READ_BY_POST.contains(&path) {
        return (*method == Method::POST).then_some("POST");
    }
    let below =
        |door: &str| path.strip_prefix(door).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let door = ["/v1", "/log", "/api"].into_iter().any(below)
        || path == "/.well-known/wasm-pkg/registry.json"
        // An upload is writing, also where it is asked how far it came.
        || (below("/v2") && !is_upload(path));
    ([Method::GET, Method::HEAD].contains(method) && door).then_some("GET, HEAD")
}

/// Whether a path below `/v2` is an upload's; most paths need not be parsed for that.
fn is_upload(path: &str) -> bool {
    let may_be = path.contains("uploads") || path.contains('%');
    may_be && matches!(path::parse(path), Ok(Route::Uploads { .. } | Route::Upload { .. }))
}

fn allow(methods: &'static str) -> Response {
    let headers: [(HeaderName, HeaderValue); 4] = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, ANYBODY),
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods)),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED),
        (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(PREFLIGHT_LIFE.as_secs())),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

fn expose(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANYBODY);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
}
