//! OCI Distribution (`spec/oci.md`).
//!
//! Names hold slashes and may hold the words of the endpoints, so routes are told apart here, from the right end of the
//! path, and not by the router.

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use wargate_registry::{Error, Repository};
use wargate_wire::oci::challenge::Challenge;
use wargate_wire::oci::error::{Code, OciError};
use wargate_wire::oci::path::{self, Route};
use wargate_wire::oci::reference::{ContentDigest, REPOSITORY_NAME_BYTES_MAX, RepositoryName};

use crate::doors::warg::{base_url, host_of};
use crate::http;
use crate::router::Door;

mod blobs;
mod error;
mod lists;
mod manifests;
pub(crate) mod token;
mod uploads;

use error::Failed;

/// Says to old clients which protocol this is.
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// The digest of what a reply is about.
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// One request to `/v2/…`.
pub(crate) async fn door(door: Door, request: Request) -> Response {
    let base = base_url(&door, request.headers());
    let outcome = match path::parse(request.uri().path()) {
        Ok(route) => answer(&door, &base, &route, request).await,
        Err(error) => Err(OciError::from(error).into()),
    };
    let mut response = outcome.unwrap_or_else(|failed| refuse_failed(&base, failed));
    response.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    response
}

/// The registry's refusal in this door's words.
pub(crate) fn refuse(door: &Door, headers: &HeaderMap, error: Error) -> Response {
    refuse_failed(&base_url(door, headers), error::of(error))
}

/// What failed, and, if it takes a token, where to get one: one challenge, on the host that was asked.
fn refuse_failed(base: &str, mut failed: Failed) -> Response {
    let wanted = failed.wanted();
    let mut response = failed.into_response();
    response.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    if response.status() == StatusCode::UNAUTHORIZED {
        let challenge = Challenge::Bearer {
            realm: format!("{base}/v2/token"),
            service: Some(host_of(base).to_owned()),
            scope: wanted.as_ref().map(|wanted| wanted.scope.to_string()),
        };
        let mut text = challenge.to_string();
        if wanted.is_some_and(|wanted| wanted.too_narrow) {
            text.push_str(",error=\"insufficient_scope\"");
        }
        insert(&mut response, header::WWW_AUTHENTICATE, &text);
    }
    response
}

async fn answer(door: &Door, base: &str, route: &Route, request: Request) -> Result<Response, Failed> {
    check_length(base, route)?;
    let repository = |name: &RepositoryName| door.registry.repository(name.clone());
    let method = request.method().clone();
    let reads = method == Method::GET || method == Method::HEAD;
    match route {
        // Some clients send no credentials at all where this one asks for none.
        Route::Base
            if reads && door.registry.caller().is_anonymous() && !door.registry.access().is_open() =>
        {
            Err(OciError::new(Code::Unauthorized, "log in, or ask for a token as nobody").into())
        }
        Route::Base if reads => Ok(http::json(StatusCode::OK, &serde_json::json!({}))),
        Route::Blob { name, digest } if reads => {
            blobs::get(&repository(name), digest, &method, request.headers()).await
        }
        Route::Manifest { name, reference } if reads => {
            manifests::get(&repository(name), reference, request.headers()).await
        }
        Route::Tags { name } if reads => lists::tags(&repository(name), route, request.uri().query()).await,
        // Every request moves its future: what is rarer, and larger, is apart.
        _ => Box::pin(answer_else(door, route, request, method)).await,
    }
}

/// What is asked less often than what stands in [`answer`].
async fn answer_else(
    door: &Door,
    route: &Route,
    request: Request,
    method: Method,
) -> Result<Response, Failed> {
    let repository = |name: &RepositoryName| door.registry.repository(name.clone());
    let reads = method == Method::GET || method == Method::HEAD;
    match route {
        Route::Manifest { name, reference } if method == Method::PUT => {
            manifests::put(door, &repository(name), reference, request).await
        }
        Route::Blob { name, digest } if method == Method::DELETE => {
            repository(name).delete_blob(digest).await.map_err(error::of)?;
            Ok(StatusCode::ACCEPTED.into_response())
        }
        Route::Manifest { name, reference } if method == Method::DELETE => {
            repository(name).delete_manifest(reference).await.map_err(error::of)?;
            Ok(StatusCode::ACCEPTED.into_response())
        }
        Route::Uploads { name } if method == Method::POST => uploads::begin(&repository(name), request).await,
        Route::Upload { name, session } => {
            uploads::go_on(&repository(name), *session, &method, request).await
        }
        Route::Referrers { name, digest } if reads => {
            lists::referrers(&repository(name), digest, route, request.uri().query()).await
        }
        Route::Catalog if reads => lists::catalog(door, route, request.uri().query()).await,
        _ => Err(no_such_method(route, &method)),
    }
}

/// Clients write host, slash and name as one text of at most 255 bytes ("Grammar and routing").
fn check_length(base: &str, route: &Route) -> Result<(), Failed> {
    let (Route::Blob { name, .. }
    | Route::Manifest { name, .. }
    | Route::Uploads { name }
    | Route::Upload { name, .. }
    | Route::Tags { name }
    | Route::Referrers { name, .. }) = route
    else {
        return Ok(());
    };
    let host = host_of(base);
    let bytes = host.len() + 1 + name.as_str().len();
    if bytes <= REPOSITORY_NAME_BYTES_MAX {
        return Ok(());
    }
    let most = REPOSITORY_NAME_BYTES_MAX;
    let message = format!("`{host}/` and the repository name have {bytes} bytes, at most {most} are allowed");
    Err(OciError::new(Code::NameInvalid, message).into())
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

/// What bytes are known by: their digest, and that as an entity tag.
struct Known(Bytes);

impl Known {
    fn by(digest: &ContentDigest) -> Self {
        Self(format!("\"{digest}\"").into())
    }

    fn etag(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Says it in an answer; both headers share the text.
    fn tell(self, response: &mut Response) {
        let digest = self.0.slice(1..self.0.len() - 1);
        for (name, text) in [(header::ETAG, self.0), (CONTENT_DIGEST, digest)] {
            if let Ok(value) = HeaderValue::from_maybe_shared(text) {
                response.headers_mut().insert(name, value);
            }
        }
    }
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
