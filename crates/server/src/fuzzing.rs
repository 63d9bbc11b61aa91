//! Doors for the fuzz targets to parsers that nobody else calls from outside. No part of the public interface.

use std::ops::Range;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use bytes::Bytes;
use futures::stream;
use tokio::runtime::{Builder, Runtime};

use crate::http::form::{Form, FormError};
use crate::http::range::Piece;

thread_local! {
    /// For the timeouts of bodies; nothing here waits for one.
    static RUNTIME: Option<Runtime> = Builder::new_current_thread().enable_time().build().ok();
}

/// The fields of a form that arrives in pieces of so many bytes.
///
/// # Errors
/// Why it is none.
pub fn read_form(
    content_type: &str,
    body: &[u8],
    piece_bytes: usize,
) -> Result<Vec<(String, Vec<u8>)>, String> {
    let headers = one(header::CONTENT_TYPE, content_type).ok_or("the content type is no header value")?;
    let pieces = body.chunks(piece_bytes).map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece)));
    let pieces: Vec<_> = pieces.collect();
    let form = Form::new(&headers, Body::from_stream(stream::iter(pieces)));
    let fields = read_fields(form.map_err(|error| error.to_string())?, body.len());
    let fields = RUNTIME.with(|runtime| runtime.as_ref().map(|runtime| runtime.block_on(fields)));
    fields.ok_or("there is no runtime")?.map_err(|error| error.to_string())
}

async fn read_fields(mut form: Form, bytes_max: usize) -> Result<Vec<(String, Vec<u8>)>, FormError> {
    let mut fields = Vec::new();
    while let Some(name) = form.next_field().await? {
        fields.push((name, form.whole_field(bytes_max).await?.to_vec()));
    }
    Ok(fields)
}

/// The piece of a resource of `size` bytes that a `Range` header asks for; `None` if there is none.
#[must_use]
pub fn range(header: &str, size: u64) -> Option<Range<u64>> {
    Piece::asked(&one(header::RANGE, header)?, size).map(|piece| piece.range)
}

fn one(name: header::HeaderName, value: &str) -> Option<HeaderMap> {
    let value = HeaderValue::from_str(value).ok()?;
    Some(HeaderMap::from_iter([(name, value)]))
}
