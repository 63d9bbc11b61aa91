//! What a client reads that other people wrote.

use wargate_client::Request;

/// Request files: what is read is written back as what is read again.
pub fn request(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(request) = Request::parse(text) else { return };
    let written = request.to_text().expect("its act was read");
    let again = Request::parse(&written).expect("what was written is a request");
    assert_eq!(again.act, request.act);
    assert_eq!(again.to_text().expect("its act was read"), written);
}
