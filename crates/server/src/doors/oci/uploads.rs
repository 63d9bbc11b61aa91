//! Blobs on their way in: at once, as a stream, or in chunks (`spec/oci.md`, "Upload sessions").

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use wargate_core::digest::Digest;
use wargate_registry::{BlobUpload, Repository};
use wargate_wire::oci::error::{Code, OciError};
use wargate_wire::oci::path::{Route, SessionId};
use wargate_wire::oci::query::Query;
use wargate_wire::oci::range::{ContentRange, session_range};
use wargate_wire::oci::reference::{Algorithm, ContentDigest, RepositoryName};

use super::error::{self, Failed};
use super::{blob_route, created, insert, no_such_method};
use crate::http::body::Pieces;
use crate::http::content_length;

/// The session's id, for clients that look for it here.
const UPLOAD_ID: &str = "docker-upload-uuid";

/// `POST …/uploads/`: a mount, a whole blob, or the start of a session.
pub(super) async fn begin(repository: &Repository, request: Request) -> Result<Response, Failed> {
    let (parts, body) = request.into_parts();
    let query = Query::new(parts.uri.query().unwrap_or_default());
    if let Some(digest) = mounted(repository, &query).await {
        return Ok(created(&blob_route(repository, &digest), &digest));
    }
    let digest = query.first("digest")?.map(|digest| digest.parse::<ContentDigest>()).transpose()?;
    // A hint at most: the digest that ends the upload says which hash it is by.
    query.first("digest-algorithm")?.map(|name| name.parse::<Algorithm>()).transpose()?;
    let session = repository.begin_upload().map_err(error::of)?;
    let Some(digest) = digest else { return Ok(accepted(repository, session, 0)) };
    let mut untold = Untold(Some(repository.upload(session).map_err(error::of)?));
    if let Some(upload) = &mut untold.0 {
        take_in(upload, body, None).await?;
    }
    let Some(upload) = untold.0.take() else { return Ok(accepted(repository, session, 0)) };
    // Some clients begin a session with the digest already in the query, and an empty body.
    if upload.received() == 0 && digest != ContentDigest::from(Digest::of(b"")) {
        return Ok(accepted(repository, session, 0));
    }
    upload.finish(&digest).await.map_err(error::of)?;
    Ok(created(&blob_route(repository, &digest), &digest))
}

/// A session that its client does not know of yet: whatever ends the request before it is told, ends it too.
struct Untold(Option<BlobUpload>);

impl Drop for Untold {
    fn drop(&mut self) {
        if let Some(upload) = self.0.take() {
            upload.cancel();
        }
    }
}

/// The blob that was mounted. Whatever cannot be mounted, malformed names too, is uploaded instead.
async fn mounted(repository: &Repository, query: &Query<'_>) -> Option<ContentDigest> {
    let digest: ContentDigest = query.first("mount").ok()??.parse().ok()?;
    let from = query.first("from").ok()?.map(|from| from.parse::<RepositoryName>()).transpose().ok()?;
    repository.mount(&digest, from.as_ref()).await.ok()?;
    Some(digest)
}

/// A request to an open session.
pub(super) async fn go_on(
    repository: &Repository,
    session: SessionId,
    method: &Method,
    request: Request,
) -> Result<Response, Failed> {
    let route = Route::Upload { name: repository.name().clone(), session };
    if ![Method::PATCH, Method::PUT, Method::GET, Method::DELETE].contains(method) {
        return Err(no_such_method(&route, method));
    }
    let mut upload = repository.upload(session).map_err(error::of)?;
    let (parts, body) = request.into_parts();
    match *method {
        Method::GET => {
            let mut response = accepted(repository, session, upload.received());
            *response.status_mut() = StatusCode::NO_CONTENT;
            Ok(response)
        }
        Method::DELETE => {
            upload.cancel();
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        Method::PATCH => {
            chunk(&mut upload, &route, &parts.headers, body).await?;
            Ok(accepted(repository, session, upload.received()))
        }
        _ => {
            let query = Query::new(parts.uri.query().unwrap_or_default());
            let missing = || OciError::new(Code::DigestInvalid, "the query names no `digest`");
            let digest: ContentDigest = query.first("digest")?.ok_or_else(missing)?.parse()?;
            chunk(&mut upload, &route, &parts.headers, body).await?;
            upload.finish(&digest).await.map_err(error::of)?;
            Ok(created(&blob_route(repository, &digest), &digest))
        }
    }
}

/// Takes in a chunk, which must begin where the session ends if it says where it begins.
async fn chunk(
    upload: &mut BlobUpload,
    route: &Route,
    headers: &HeaderMap,
    body: Body,
) -> Result<(), Failed> {
    let range = headers.get(header::CONTENT_RANGE).map(|value| value.to_str().unwrap_or_default());
    let range = range.map(str::parse::<ContentRange>).transpose()?;
    if let Some(range) = &range {
        range.check_next(upload.received()).map_err(|error| {
            Failed::from(error)
                .with_header(header::LOCATION, route.to_string())
                .with_header(HeaderName::from_static("range"), session_range(upload.received()))
        })?;
        if let Some(length) = content_length(headers) {
            range.check_body(length)?;
        }
    }
    take_in(upload, body, range).await
}

/// Takes in a body, which has as many bytes as `range`, if there is one: none beyond it is kept.
async fn take_in(upload: &mut BlobUpload, body: Body, range: Option<ContentRange>) -> Result<(), Failed> {
    let before = upload.received();
    let mut pieces = Pieces::new(body);
    while let Some(piece) = pieces.next().await.map_err(|error| error::of_body(&error))? {
        let bytes = upload.received() - before + piece.len() as u64;
        if let Some(range) = range.filter(|range| bytes > range.len()) {
            range.check_body(bytes)?;
        }
        upload.write(piece).await.map_err(error::of)?;
    }
    match range {
        Some(range) => Ok(range.check_body(upload.received() - before)?),
        None => Ok(()),
    }
}

/// `202 Accepted`: the session is open and holds so many bytes.
fn accepted(repository: &Repository, session: SessionId, received: u64) -> Response {
    let mut response = StatusCode::ACCEPTED.into_response();
    let route = Route::Upload { name: repository.name().clone(), session };
    insert(&mut response, header::LOCATION, &route.to_string());
    insert(&mut response, header::RANGE, &session_range(received));
    insert(&mut response, UPLOAD_ID, &session.to_string());
    response
}
