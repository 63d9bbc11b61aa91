//! Manifests: exactly the bytes that were pushed (`spec/oci.md`, "Manifests").

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use wargate_core::act::{Identity, OnBehalfOf};
use wargate_registry::{Pusher, Repository};
use wargate_wire::oci::error::{Code, OciError};
use wargate_wire::oci::manifest::{MANIFEST_BYTES_MAX, Manifest, ManifestError};
use wargate_wire::oci::path::Route;
use wargate_wire::oci::reference::{ContentDigest, Reference};

use super::error::{self, Failed};
use super::{CONTENT_DIGEST, created, insert};
use crate::http::body::read_whole;
use crate::http::{self, IMMUTABLE};
use crate::limits::RELEASE_WAIT;
use crate::router::Door;

/// The digest of what a pushed manifest refers to.
const SUBJECT: &str = "oci-subject";

/// What is stored, whatever `Accept` says.
pub(super) async fn get(
    repository: &Repository,
    reference: &Reference,
    headers: &HeaderMap,
) -> Result<Response, Failed> {
    let found = repository.manifest(reference).await.map_err(error::of)?;
    let digest = match reference {
        Reference::Digest(digest) => *digest,
        Reference::Tag(_) => ContentDigest::from(found.digest),
    };
    let etag = format!("\"{digest}\"");
    let mut response = if http::not_modified(headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Response::new(Body::from(found.bytes));
        insert(&mut response, header::CONTENT_TYPE, &found.media_type);
        http::untrusted(response.headers_mut());
        response
    };
    insert(&mut response, header::ETAG, &etag);
    insert(&mut response, CONTENT_DIGEST, &digest.to_string());
    let caching = match reference {
        Reference::Digest(_) => IMMUTABLE,
        Reference::Tag(_) => HeaderValue::from_static("no-cache"),
    };
    response.headers_mut().insert(header::CACHE_CONTROL, caching);
    if found.yanked {
        warn(&mut response, &format!("version {reference} is yanked: it is kept for those who locked it"));
    }
    Ok(response)
}

/// Keeps a manifest; a Wasm artifact under a version becomes a release.
pub(super) async fn put(
    door: &Door,
    repository: &Repository,
    reference: &Reference,
    request: Request,
) -> Result<Response, Failed> {
    let (parts, body) = request.into_parts();
    let bytes = read_whole(&parts.headers, body, MANIFEST_BYTES_MAX).await;
    let bytes = bytes.map_err(|error| error::of_body(&error))?;
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let manifest = Manifest::parse(content_type, &bytes).map_err(|error| malformed(&error))?;
    let pusher = Pusher { on_behalf_of: pusher(door), wait: RELEASE_WAIT };
    let pushed = repository.put_manifest(reference, &manifest, bytes, &pusher).await.map_err(error::of)?;
    let name = repository.name().clone();
    let place = Route::Manifest { name, reference: Reference::Digest(pushed.digest) };
    let mut response = created(&place, &pushed.digest);
    if let Some(subject) = &manifest.subject {
        insert(&mut response, SUBJECT, &subject.digest.to_string());
    }
    Ok(response)
}

fn malformed(error: &ManifestError) -> Failed {
    let code = match error {
        ManifestError::TooLarge { .. } => Code::SizeInvalid,
        ManifestError::Digest { .. } => Code::DigestInvalid,
        _ => Code::ManifestInvalid,
    };
    let status = if code == Code::SizeInvalid { 413 } else { 400 };
    OciError::new(code, error.to_string()).with_status(status).into()
}

/// Who pushes: an open registry knows nobody by name.
fn pusher(door: &Door) -> OnBehalfOf {
    OnBehalfOf {
        identity: Identity::Account,
        issuer: door.registry.origin().to_owned(),
        subject: "anonymous".to_owned(),
    }
}

/// A warning that clients print.
fn warn(response: &mut Response, text: &str) {
    insert(response, header::WARNING, &format!("299 - \"{text}\""));
}
