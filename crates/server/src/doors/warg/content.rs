//! `/v1/content/…`: where content is to be had, and the content that is here.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use wargate_core::digest::Digest;
use wargate_registry::Error;
use wargate_wire::text::Text;
use wargate_wire::warg::{ContentSource, ContentSourcesResponse};

use super::base_url;
use super::error::Failed;
use crate::http::range::{Asked, parse};
use crate::http::{self, IMMUTABLE};
use crate::router::Door;

fn parse_digest(text: &str) -> Result<Digest, Failed> {
    text.parse().map_err(|error: wargate_core::digest::DigestError| Failed::bad_request(error.to_string()))
}

/// Every place that has the content.
pub(crate) async fn sources(
    State(door): State<Door>,
    Path(digest): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let digest = parse_digest(&digest)?;
    let content = door.registry.snapshot().content(&digest).await?;
    let here = content.hosted.map(|hosted| ContentSource::HttpGet {
        url: format!("{}/v1/content/{digest}/bytes", base_url(&door, &headers)),
        accept_ranges: true,
        size: Some(hosted.size),
    });
    let elsewhere = content.sources.into_iter().map(|source| ContentSource::HttpGet {
        url: source.url,
        accept_ranges: false,
        size: source.size,
    });
    let all = here.into_iter().chain(elsewhere).collect();
    let content_sources = BTreeMap::from([(Text(digest), all)]);
    Ok(http::json(StatusCode::OK, &ContentSourcesResponse { content_sources }))
}

/// The bytes, whole or one range of them.
pub(crate) async fn bytes(
    State(door): State<Door>,
    Path(digest): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let digest = parse_digest(&digest)?;
    let content = door.registry.snapshot().content(&digest).await?;
    let hosted = content.hosted.ok_or(Error::UnknownContent { digest })?;
    let etag = format!("\"{digest}\"");
    if http::not_modified(&headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let (status, range) = match parse(range, hosted.size) {
        Asked::Whole => (StatusCode::OK, 0..hosted.size),
        Asked::Piece(range) => (StatusCode::PARTIAL_CONTENT, range),
        Asked::Unsatisfiable => {
            let whole = format!("bytes */{}", hosted.size);
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, whole)]).into_response());
        }
    };
    let body = hosted.open(range.clone()).await?;
    let mut response = Response::new(Body::from_stream(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, IMMUTABLE);
    http::untrusted(headers);
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    if status == StatusCode::PARTIAL_CONTENT {
        let piece = format!("bytes {}-{}/{}", range.start, range.end - 1, hosted.size);
        if let Ok(piece) = HeaderValue::from_str(&piece) {
            headers.insert(header::CONTENT_RANGE, piece);
        }
    }
    Ok(response)
}
