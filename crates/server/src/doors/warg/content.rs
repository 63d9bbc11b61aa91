//! `/v1/content/…`: where content is to be had, and the content that is here.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use wargate_core::digest::Digest;
use wargate_registry::Error;
use wargate_wire::text::Text;
use wargate_wire::warg::{ContentSource, ContentSourcesResponse};

use super::error::Failed;
use super::{base_url, parse};
use crate::http::range::{self, Piece};
use crate::http::{self, IMMUTABLE};
use crate::router::Door;

/// Every place that has the content.
pub(crate) async fn sources(
    door: Door,
    Path(digest): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let digest: Digest = parse(&digest)?;
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
    door: Door,
    Path(digest): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let digest: Digest = parse(&digest)?;
    let content = door.registry.snapshot().content(&digest).await?;
    let hosted = content.hosted.ok_or(Error::UnknownContent { digest })?;
    let etag = format!("\"{digest}\"");
    if http::not_modified(&headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let Some(piece) = Piece::asked(&headers, hosted.size) else {
        return Ok(range::unsatisfiable(hosted.size));
    };
    let body = Body::from_stream(hosted.open(piece.range.clone()).await?);
    let mut response = piece.reply("application/octet-stream", body);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, IMMUTABLE);
    http::untrusted(headers);
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    Ok(response)
}
