//! OCI Distribution (`spec/oci.md`).
//!
//! Names hold slashes and may hold the words of the endpoints, so routes are told apart here, from the right end of the
//! path, and not by the router.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use wargate_registry::Repository;
use wargate_wire::oci::error::{Code, OciError};
use wargate_wire::oci::path::{self, Route};
use wargate_wire::oci::reference::{ContentDigest, RepositoryName};

use crate::http;
use crate::router::Door;

mod blobs;
mod error;
mod lists;
mod manifests;
mod uploads;

use error::Failed;

/// Says to old clients which protocol this is.
const API_VERSION: &str = "docker-distribution-api-version";

/// The digest of what a reply is about.
const CONTENT_DIGEST: &str = "docker-content-digest";

/// One request to `/v2/…`.
pub(crate) async fn door(State(door): State<Door>, request: Request) -> Response {
    let outcome = match path::parse(request.uri().path()) {
        Ok(route) => answer(&door, &route, request).await,
        Err(error) => Err(OciError::from(error).into()),
    };
    let mut response = outcome.unwrap_or_else(IntoResponse::into_response);
    response.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    response
}

async fn answer(door: &Door, route: &Route, request: Request) -> Result<Response, Failed> {
    let repository = |name: &RepositoryName| door.registry.repository(name.clone());
    let method = request.method().clone();
    let reads = method == Method::GET || method == Method::HEAD;
    match route {
        Route::Base if reads => Ok(http::json(StatusCode::OK, &serde_json::json!({}))),
        Route::Blob { name, digest } if reads => {
            blobs::get(&repository(name), digest, request.headers()).await
        }
        Route::Manifest { name, reference } if reads => {
            manifests::get(&repository(name), reference, request.headers()).await
        }
        Route::Manifest { name, reference } if method == Method::PUT => {
            manifests::put(door, &repository(name), reference, request).await
        }
        Route::Uploads { name } if method == Method::POST => uploads::begin(&repository(name), request).await,
        Route::Upload { name, session } => {
            uploads::go_on(&repository(name), *session, &method, request).await
        }
        Route::Tags { name } if reads => lists::tags(&repository(name), route, request.uri().query()).await,
        _ => Err(no_such_method(route, &method)),
    }
}

fn no_such_method(route: &Route, method: &Method) -> Failed {
    OciError::new(Code::Unsupported, format!("`{route}` does not take {method}")).into()
}

/// `201 Created` at a place of this repository.
fn created(route: &Route, digest: &ContentDigest) -> Response {
    let mut response = StatusCode::CREATED.into_response();
    insert(&mut response, header::LOCATION, &route.to_string());
    insert(&mut response, CONTENT_DIGEST, &digest.to_string());
    response
}

/// Sets a header whose text is made of parsed names and numbers.
fn insert(response: &mut Response, name: impl header::IntoHeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// Where a blob of a repository is.
fn blob_route(repository: &Repository, digest: &ContentDigest) -> Route {
    Route::Blob { name: repository.name().clone(), digest: *digest }
}
