//! Blobs: whole or one range of them.

use axum::body::Body;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use wargate_registry::Repository;
use wargate_wire::oci::error::{Code, OciError};
use wargate_wire::oci::reference::ContentDigest;

use super::Known;
use super::error::{self, Failed};
use crate::http::range::Piece;
use crate::http::{self, IMMUTABLE};

pub(super) async fn get(
    repository: &Repository,
    digest: &ContentDigest,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Failed> {
    let is_head = method == Method::HEAD;
    // Who asks whether it is here may push a manifest that names it.
    let blob = if is_head { repository.leased_blob(digest).await } else { repository.blob(digest).await };
    let blob = blob.map_err(error::of)?;
    let known = Known::by(digest);
    if http::not_modified(headers, known.etag()) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        known.tell(&mut response);
        return Ok(response);
    }
    let Some(piece) = Piece::asked(headers, blob.size) else {
        let message = format!("the blob has {} bytes: no byte of it is in that range", blob.size);
        let failed = Failed::from(OciError::new(Code::BlobUploadInvalid, message).with_status(416));
        return Err(failed.with_header(header::CONTENT_RANGE, format!("bytes */{}", blob.size)));
    };
    let body = match is_head {
        true => Body::empty(),
        false => Body::from_stream(blob.open(piece.range.clone()).await.map_err(error::of)?),
    };
    let mut response = piece.reply("application/octet-stream", body);
    http::untrusted(response.headers_mut());
    response.headers_mut().insert(header::CACHE_CONTROL, IMMUTABLE);
    known.tell(&mut response);
    Ok(response)
}
