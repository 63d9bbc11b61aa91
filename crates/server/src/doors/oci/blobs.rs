//! Blobs: whole or one range of them.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use wargate_registry::Repository;
use wargate_wire::oci::error::{Code, OciError};
use wargate_wire::oci::reference::ContentDigest;

use super::error::{self, Failed};
use super::{CONTENT_DIGEST, insert};
use crate::http::range::Piece;
use crate::http::{self, IMMUTABLE};

pub(super) async fn get(
    repository: &Repository,
    digest: &ContentDigest,
    headers: &HeaderMap,
) -> Result<Response, Failed> {
    let blob = repository.blob(digest).await.map_err(error::of)?;
    let etag = format!("\"{digest}\"");
    if http::not_modified(headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let Some(piece) = Piece::asked(headers, blob.size) else {
        let message = format!("the blob has {} bytes: no byte of it is in that range", blob.size);
        let failed = Failed::from(OciError::new(Code::BlobUploadInvalid, message).with_status(416));
        return Err(failed.with_header(header::CONTENT_RANGE, format!("bytes */{}", blob.size)));
    };
    let body = blob.open(piece.range.clone()).await.map_err(error::of)?;
    let mut response = piece.reply("application/octet-stream", Body::from_stream(body));
    http::untrusted(response.headers_mut());
    response.headers_mut().insert(header::CACHE_CONTROL, IMMUTABLE);
    insert(&mut response, header::ETAG, &etag);
    insert(&mut response, CONTENT_DIGEST, &digest.to_string());
    Ok(response)
}
