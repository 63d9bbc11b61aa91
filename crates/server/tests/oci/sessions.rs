//! Upload sessions: their range, resuming, cancelling, one writer, their repository and their end.

use std::time::Duration;

use hyper::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wargate_core::digest::Digest;
use wargate_registry::limits::UPLOAD_SESSION_LIFE;

use crate::site::{Reply, Site};
use crate::support::eventually;

impl Site {
    async fn patch(&self, place: &str, range: &str, body: &[u8]) -> Reply {
        self.send(Method::PATCH, place, &[("content-range", range)], body).await
    }

    /// Begins a PATCH of `length` bytes and sends a part of it; the connection stays open.
    async fn half_a_patch(&self, place: &str, length: usize, sent: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!("PATCH {place} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(sent).await.unwrap();
        stream.flush().await.unwrap();
        stream
    }

    /// Waits until nobody writes to a session and it has so many bytes.
    async fn holds(&self, place: &str, range: &str) {
        eventually("the session's range", async || {
            let told = self.get(place).await;
            (told.status == 204 && told.header("range") == range).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_tells_where_it_is_and_how_far() {
    let site = Site::new().await;
    let place = site.session("loose/things").await;
    let id = place.rsplit('/').next().unwrap();
    assert!(id.len() == 32 && id.bytes().all(|c| c.is_ascii_hexdigit()), "128 bits: {id}");
    for (sent, range) in [(&b""[..], "0-0"), (b"a", "0-0"), (b"bc", "0-2")] {
        site.send(Method::PATCH, &place, &[], sent).await.is(StatusCode::ACCEPTED);
        let told = site.get(&place).await;
        told.is(StatusCode::NO_CONTENT);
        assert_eq!((told.header("location"), told.header("range")), (place.as_str(), range));
    }
    assert_ne!(site.session("loose/things").await, place);
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_follow_each_other_and_one_that_does_not_is_told_where_to_go_on() {
    let site = Site::new().await;
    let place = site.session("loose/things").await;
    let beside = |reply: &Reply, range: &str| {
        reply.is_refused(416, "BLOB_UPLOAD_INVALID");
        assert_eq!((reply.header("location"), reply.header("range")), (place.as_str(), range));
    };
    beside(&site.patch(&place, "1-3", b"abc").await, "0-0");
    site.patch(&place, "0-2", b"abc").await.is(StatusCode::ACCEPTED);
    beside(&site.patch(&place, "5-6", b"xy").await, "0-2");
    beside(&site.patch(&place, "0-2", b"abc").await, "0-2");
    let put = format!("{place}?digest={}", Digest::of(b"abcdef"));
    beside(&site.send(Method::PUT, &put, &[("content-range", "4-6")], b"def").await, "0-2");
    for range in ["", "abc", "2-1", "3", "-5", "3-", "bytes 3-5/9", "03-5", "3-18446744073709551616"] {
        site.patch(&place, range, b"def").await.is_refused(400, "BLOB_UPLOAD_INVALID");
    }
    site.patch(&place, "3-9", b"def").await.is_refused(400, "SIZE_INVALID");
    site.patch(&place, "3-4", b"def").await.is_refused(400, "SIZE_INVALID");
    assert_eq!(site.get(&place).await.header("range"), "0-2", "none of it was taken");
    let done = site.send(Method::PUT, &put, &[("content-range", "3-5")], b"def").await;
    site.is_created_blob(&done, "loose/things", &Digest::of(b"abcdef").into()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_is_longer_than_its_range_leaves_nothing_behind_the_range() {
    let site = Site::new().await;
    let place = site.session("loose/things").await;
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let head = format!(
        "PATCH {place} HTTP/1.1\r\nhost: x\r\ncontent-range: 0-2\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(b"3\r\nabc\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    stream.write_all(b"3\r\ndef\r\n0\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
    site.holds(&place, "0-2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_that_stops_in_the_middle_is_gone_on_with() {
    let site = Site::new().await;
    let place = site.session("loose/things").await;
    let bytes: Vec<u8> = (0..300_000u32).map(|n| n as u8).collect();
    drop(site.half_a_patch(&place, bytes.len(), &bytes[..100_000]).await);
    // What arrived before the end of the connection is kept, however much that was.
    let mut received = 0;
    eventually("the end of the first writer", async || {
        let told = site.get(&place).await;
        received = told.header("range").strip_prefix("0-").and_then(|last| last.parse().ok()).unwrap_or(0);
        (told.status == 204 && received > 0).then_some(())
    })
    .await;
    let from: usize = received + 1;
    assert!(from <= 100_000, "{from}");
    let range = format!("{from}-{}", bytes.len() - 1);
    site.patch(&place, &range, &bytes[from..]).await.is(StatusCode::ACCEPTED);
    let digest = Digest::of(&bytes);
    let done = site.send(Method::PUT, &format!("{place}?digest={digest}"), &[], b"").await;
    site.is_created_blob(&done, "loose/things", &digest.into()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writers_do_not_mix() {
    let site = Site::new().await;
    let place = site.session("loose/things").await;
    let mut first = site.half_a_patch(&place, 6, b"abc").await;
    let busy = async || {
        let reply = site.send(Method::PATCH, &place, &[], b"xyz").await;
        (reply.status == 409).then_some(reply)
    };
    // The first may not have begun yet: then this one is alone, which the digest below would tell.
    tokio::time::sleep(Duration::from_millis(200)).await;
    busy().await.unwrap().is_refused(409, "BLOB_UPLOAD_INVALID");
    let put = format!("{place}?digest={}", Digest::of(b"abcdef"));
    site.send(Method::PUT, &put, &[], b"").await.is_refused(409, "BLOB_UPLOAD_INVALID");
    first.write_all(b"def").await.unwrap();
    let mut answer = [0; 12];
    first.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 202");
    site.holds(&place, "0-5").await;
    site.send(Method::PUT, &put, &[], b"").await.is(StatusCode::CREATED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_cancelled_ended_or_never_was_is_unknown() {
    let site = Site::new().await;
    let unknown = async |place: &str| {
        let digest = Digest::of(b"abc");
        let put = format!("{place}?digest={digest}");
        for (method, path) in [
            (Method::GET, place),
            (Method::PATCH, place),
            (Method::PUT, put.as_str()),
            (Method::DELETE, place),
        ] {
            site.send(method, path, &[], b"").await.is_refused(404, "BLOB_UPLOAD_UNKNOWN");
        }
    };
    let place = site.session("loose/things").await;
    site.delete(&place).await.is(StatusCode::NO_CONTENT);
    unknown(&place).await;
    let place = site.session("loose/things").await;
    let put = format!("{place}?digest={}", Digest::of(b"abc"));
    site.send(Method::PUT, &put, &[], b"abc").await.is(StatusCode::CREATED);
    unknown(&place).await;
    unknown("/v2/loose/things/blobs/uploads/00000000000000000000000000000000").await;
    unknown("/v2/loose/things/blobs/uploads/no-session").await;
    let place = site.session("loose/things").await;
    site.clock.advance(UPLOAD_SESSION_LIFE - Duration::from_secs(1));
    site.get(&place).await.is(StatusCode::NO_CONTENT);
    site.clock.advance(Duration::from_secs(1));
    unknown(&place).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_cannot_be_used_through_another_repository() {
    let site = Site::new().await;
    let place = site.session("loose/things").await;
    site.push_blob("loose/other", b"it exists").await;
    let other = place.replace("loose/things", "loose/other");
    let put = format!("{other}?digest={}", Digest::of(b"abc"));
    for (method, path) in
        [(Method::GET, &other), (Method::PATCH, &other), (Method::PUT, &put), (Method::DELETE, &other)]
    {
        site.send(method, path, &[], b"abc").await.is_refused(404, "BLOB_UPLOAD_UNKNOWN");
    }
    assert_eq!(site.get(&place).await.is(StatusCode::NO_CONTENT).header("range"), "0-0");
    site.get(&format!("/v2/loose/other/blobs/{}", Digest::of(b"abc"))).await.is_refused(404, "BLOB_UNKNOWN");
}
