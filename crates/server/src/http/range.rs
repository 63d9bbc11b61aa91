//! One byte range of a resource (`Range: bytes=a-b`, `a-`, `-n`). More than one is answered in full.

use std::ops::Range;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// What of a resource a reply holds.
#[derive(Debug)]
pub(crate) struct Piece {
    /// Its bytes.
    pub(crate) range: Range<u64>,
    /// The whole resource's size, in bytes.
    size: u64,
    status: StatusCode,
}

impl Piece {
    /// What a request asks of a resource of `size` bytes; `None` if there is no such piece.
    pub(crate) fn asked(request: &HeaderMap, size: u64) -> Option<Self> {
        let range = request.get(header::RANGE).and_then(|range| range.to_str().ok());
        match parse(range, size) {
            Asked::Whole => Some(Self { range: 0..size, size, status: StatusCode::OK }),
            Asked::Piece(range) => Some(Self { range, size, status: StatusCode::PARTIAL_CONTENT }),
            Asked::Unsatisfiable => None,
        }
    }

    /// The reply with this piece's bytes.
    pub(crate) fn reply(&self, content_type: &'static str, body: Body) -> Response {
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(self.range.end - self.range.start));
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if self.status == StatusCode::PARTIAL_CONTENT {
            let piece = format!("bytes {}-{}/{}", self.range.start, self.range.end - 1, self.size);
            if let Ok(piece) = HeaderValue::from_str(&piece) {
                headers.insert(header::CONTENT_RANGE, piece);
            }
        }
        response
    }
}

/// The reply to who asked for a piece that is not there.
pub(crate) fn unsatisfiable(size: u64) -> Response {
    let whole = format!("bytes */{size}");
    (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, whole)]).into_response()
}

/// What a `Range` header asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    /// Everything.
    Whole,
    /// This piece.
    Piece(Range<u64>),
    /// Nothing that there is.
    Unsatisfiable,
}

/// Reads a `Range` header for a resource of `size` bytes.
fn parse(header: Option<&str>, size: u64) -> Asked {
    let Some(spec) = header.and_then(|header| header.strip_prefix("bytes=")) else { return Asked::Whole };
    let Some((first, last)) = spec.split_once('-') else { return Asked::Whole };
    if spec.contains(',') {
        return Asked::Whole;
    }
    match (first.trim(), last.trim()) {
        ("", suffix) => match suffix.parse::<u64>() {
            Ok(0) => Asked::Unsatisfiable,
            Ok(_) if size == 0 => Asked::Unsatisfiable,
            Ok(length) => Asked::Piece(size.saturating_sub(length)..size),
            Err(_) => Asked::Whole,
        },
        (first, last) => {
            let last = if last.is_empty() { Ok(u64::MAX) } else { last.parse::<u64>() };
            match (first.parse::<u64>(), last) {
                (Ok(first), Ok(last)) if first <= last && first < size => {
                    Asked::Piece(first..last.saturating_add(1).min(size))
                }
                // Past the end, or backwards: RFC 9110, §14.2 lets it be refused.
                (Ok(_), Ok(_)) => Asked::Unsatisfiable,
                // Not a range at all: RFC 9110 has it ignored.
                _ => Asked::Whole,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (header, asked) in [
            ("bytes=0-0", Asked::Piece(0..1)),
            ("bytes=2-", Asked::Piece(2..10)),
            ("bytes=2-99", Asked::Piece(2..10)),
            ("bytes=-3", Asked::Piece(7..10)),
            ("bytes=-99", Asked::Piece(0..10)),
            ("bytes=10-", Asked::Unsatisfiable),
            ("bytes=5-2", Asked::Unsatisfiable),
            ("bytes=500-0", Asked::Unsatisfiable),
            ("bytes=-0", Asked::Unsatisfiable),
            ("bytes=0-1,3-4", Asked::Whole),
            ("bytes=x-1", Asked::Whole),
            ("lines=0-1", Asked::Whole),
            ("bytes=0-18446744073709551615", Asked::Piece(0..10)),
        ] {
            assert_eq!(parse(Some(header), 10), asked, "{header}");
        }
        assert_eq!(parse(None, 10), Asked::Whole);
        assert_eq!(parse(Some("bytes=0-"), 0), Asked::Unsatisfiable);
    }
}
