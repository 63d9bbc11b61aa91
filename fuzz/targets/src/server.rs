//! What the server reads from requests by itself.

use wargate_server::fuzzing;

use crate::{choice, text};

/// Largest form that is taken apart byte by byte.
const SLOW_BYTES_MAX: usize = 512;

/// A form reads the same in whatever pieces it arrives.
pub fn form(bytes: &[u8]) {
    let Some((piece, body)) = choice(bytes) else { return };
    let read = |piece| fuzzing::read_form("multipart/form-data; boundary=B", body, piece);
    let whole = read(body.len().max(1));
    assert_eq!(read(piece + 1).ok(), whole.clone().ok());
    if body.len() <= SLOW_BYTES_MAX {
        assert_eq!(read(1).ok(), whole.clone().ok());
    }
    if let Ok(fields) = whole {
        let sizes: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert!(sizes <= body.len(), "nothing is made up");
    }
    if let Some(kind) = text(body) {
        // As a content type: any answer will do.
        let _ = fuzzing::read_form(kind, b"", 1);
    }
}

/// A range lies within the resource. The first byte is the resource's size.
pub fn http_range(bytes: &[u8]) {
    let Some((size, header)) = choice(bytes) else { return };
    let Some(header) = text(header) else { return };
    for size in [size as u64, u64::MAX] {
        if let Some(range) = fuzzing::range(header, size) {
            assert!(range.start <= range.end && range.end <= size, "{range:?} of {size}");
            assert!(size == 0 || range.start < range.end, "an empty piece of {size}");
        }
    }
}
