//! Reading `multipart/form-data` (RFC 7578) as it arrives: never more in memory than one piece of the body and the
//! head of one field.
//!
//! Not here: preambles, nested forms, and other encodings than bytes as they are; no client of ours sends them.

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};

use super::body::{BodyError, Pieces};
use crate::limits::FORM_HEAD_BYTES_MAX;

/// Longest boundary, in bytes (RFC 2046, 5.1.1).
const BOUNDARY_BYTES_MAX: usize = 70;

/// A form that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FormError {
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("the form is malformed: {reason}")]
    Malformed { reason: &'static str },
}

fn malformed(reason: &'static str) -> FormError {
    FormError::Malformed { reason }
}

/// A form that is arriving, field by field.
pub(crate) struct Form {
    pieces: Pieces,
    buffer: BytesMut,
    /// What ends a field: a line break, two dashes and the boundary.
    delimiter: Vec<u8>,
    in_field: bool,
}

impl Form {
    /// The form that a request's body is.
    pub(crate) fn new(headers: &HeaderMap, body: Body) -> Result<Self, FormError> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let boundary = boundary(kind).ok_or_else(|| {
            malformed("its content type is not `multipart/form-data; boundary=…` with a good boundary")
        })?;
        Ok(Self {
            pieces: Pieces::new(body),
            // So the first field begins like every other.
            buffer: BytesMut::from(&b"\r\n"[..]),
            delimiter: [b"\r\n--", boundary.as_bytes()].concat(),
            in_field: false,
        })
    }

    /// The name of the next field; what is left of the one before is dropped. `None` at the end.
    pub(crate) async fn next_field(&mut self) -> Result<Option<String>, FormError> {
        while self.in_field {
            self.next_piece().await?;
        }
        self.fill_to(self.delimiter.len() + 2).await?;
        if !self.buffer.starts_with(&self.delimiter) {
            return Err(malformed("a field does not begin with the boundary"));
        }
        let after = self.buffer.split_to(self.delimiter.len() + 2).split_off(self.delimiter.len());
        match &after[..] {
            b"--" => return Ok(None),
            b"\r\n" => {}
            _ => return Err(malformed("a boundary is followed by something else than a line break")),
        }
        let head = self.read_head().await?;
        self.in_field = true;
        name_of(&head).map(Some).ok_or_else(|| malformed("a field has no name"))
    }

    async fn read_head(&mut self) -> Result<Bytes, FormError> {
        const END: &[u8] = b"\r\n\r\n";
        loop {
            if let Some(at) = find(&self.buffer, END) {
                let head = self.buffer.split_to(at + END.len()).freeze();
                return Ok(head.slice(..at));
            }
            if self.buffer.len() > FORM_HEAD_BYTES_MAX {
                return Err(malformed("the head of a field is too long"));
            }
            self.fill_more().await?;
        }
    }

    /// The next bytes of the field; `None` at its end.
    pub(crate) async fn next_piece(&mut self) -> Result<Option<Bytes>, FormError> {
        while self.in_field {
            if let Some(at) = find(&self.buffer, &self.delimiter) {
                self.in_field = false;
                let rest = self.buffer.split_to(at).freeze();
                return Ok(Some(rest).filter(|rest| !rest.is_empty()));
            }
            // The last bytes may be the start of a delimiter.
            let sure = self.buffer.len().saturating_sub(self.delimiter.len() - 1);
            if sure > 0 {
                return Ok(Some(self.buffer.split_to(sure).freeze()));
            }
            self.fill_more().await?;
        }
        Ok(None)
    }

    /// The whole field, of at most `bytes_max`.
    pub(crate) async fn whole_field(&mut self, bytes_max: usize) -> Result<Bytes, FormError> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.next_piece().await? {
            if whole.len() + piece.len() > bytes_max {
                return Err(BodyError::TooLarge { bytes_max }.into());
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    /// Drops what still comes, up to `bytes_max`: a client that is sending hears an answer only when it is done.
    pub(crate) async fn drain(&mut self, bytes_max: usize) {
        let mut dropped = 0;
        while dropped <= bytes_max
            && let Ok(Some(piece)) = self.pieces.next().await
        {
            dropped += piece.len();
        }
    }

    async fn fill_to(&mut self, bytes: usize) -> Result<(), FormError> {
        while self.buffer.len() < bytes {
            self.fill_more().await?;
        }
        Ok(())
    }

    async fn fill_more(&mut self) -> Result<(), FormError> {
        match self.pieces.next().await? {
            Some(piece) => self.buffer.extend_from_slice(&piece),
            None => return Err(malformed("it ends before its last boundary")),
        }
        Ok(())
    }
}

fn boundary(kind: &str) -> Option<&str> {
    let mut parts = kind.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let (_, boundary) = parts
        .filter_map(|part| part.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))?;
    let boundary = boundary.trim().trim_matches('"');
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&b);
    let good = (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len()) && boundary.bytes().all(plain);
    good.then_some(boundary)
}

/// The name in a field's `Content-Disposition: form-data; name="…"`.
fn name_of(head: &[u8]) -> Option<String> {
    let head = std::str::from_utf8(head).ok()?;
    let (_, value) = head
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-disposition"))?;
    let mut parts = value.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("form-data") {
        return None;
    }
    let name = parts.find_map(|part| part.strip_prefix("name="))?;
    Some(name.trim_matches('"').to_owned())
}

/// Where `pattern`, which begins with a carriage return, first stands.
fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|b| *b == b'\r') {
        if bytes[from + at..].starts_with(pattern) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::HeaderMap;
    use futures::stream;

    use super::*;

    async fn read(kind: &str, body: &[u8], piece: usize) -> Result<Vec<(String, Vec<u8>)>, FormError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
        let pieces: Vec<_> =
            body.chunks(piece).map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece))).collect();
        let mut form = Form::new(&headers, Body::from_stream(stream::iter(pieces)))?;
        let mut fields = Vec::new();
        while let Some(name) = form.next_field().await? {
            fields.push((name, form.whole_field(100).await?.to_vec()));
        }
        Ok(fields)
    }

    const KIND: &str = "multipart/form-data; boundary=\"b-1\"";

    fn part(name: &str, value: &str) -> String {
        format!(
            "--b-1\r\nContent-Type: text/plain\r\ncontent-disposition: form-data; name=\"{name}\"; filename=\"f\"\r\n\r\n{value}\r\n"
        )
    }

    #[tokio::test]
    async fn fields_come_whole_however_the_body_is_cut() {
        let tricky = "\r\n--b-2\r\r\n--b-\r\n-";
        let body = format!("{}{}{}--b-1--\r\n", part("act", "{}"), part("content", tricky), part("none", ""));
        for piece in 1..=body.len() {
            let fields = read(KIND, body.as_bytes(), piece).await.unwrap();
            let expected = [("act", "{}"), ("content", tricky), ("none", "")];
            let expected = expected.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
            assert_eq!(fields, expected, "in pieces of {piece}");
        }
    }

    #[tokio::test]
    async fn what_is_no_form_is_refused() {
        let whole = format!("{}--b-1--", part("act", "{}"));
        let long = format!("--b-1\r\nX: {}", "x".repeat(2 * FORM_HEAD_BYTES_MAX));
        let large = format!("{}--b-1--", part("act", &"x".repeat(101)));
        for (kind, body) in [
            ("application/json", whole.as_str()),
            ("multipart/form-data", &whole),
            ("multipart/form-data; boundary=", &whole),
            ("multipart/form-data; boundary=b 1", &whole),
            ("multipart/form-data; boundary=other", &whole),
            (KIND, &whole[..whole.len() - 3]),
            (KIND, "preamble\r\n--b-1--"),
            (KIND, "--b-1\r\n\r\nno name\r\n--b-1--"),
            (KIND, "--b-1x\r\n"),
            (KIND, ""),
            (KIND, &long),
            (KIND, &large),
        ] {
            assert!(read(kind, body.as_bytes(), 7).await.is_err(), "{kind}: {body}");
        }
    }
}
