//! The doors' limits, each below, at and above, and their time limits (`DESIGN.md`, "Limits").
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test ends where something fails, and waits for real"
)]

#[allow(unreachable_pub, reason = "it is written for the registry's own tests")]
#[path = "../../registry/tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use bytes::Bytes;
use futures::StreamExt as _;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use support::{Author, TestClock, open};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;
use wargate_core::id::LogId;
use wargate_registry::Registry;
use wargate_registry::limits::{RECORDS_PER_REPLY_MAX, UPLOAD_SESSIONS_MAX};
use wargate_server::limits::{
    ACT_BODY_BYTES_MAX, BODY_IDLE_TIMEOUT, HEAD_BYTES_MAX, HEADER_TIMEOUT, JSON_BODY_BYTES_MAX,
    LOGS_PER_FETCH_MAX, PACE_BEHIND_MAX, PACE_BYTES_PER_SECOND, RECORDS_PER_LOG_MAX, WHOLE_BODY_TIMEOUT,
};
use wargate_server::{Options, router};
use wargate_wire::oci::manifest::MANIFEST_BYTES_MAX;

struct Site {
    _dir: tempfile::TempDir,
    clock: std::sync::Arc<TestClock>,
    registry: Registry,
    router: Router,
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    bytes: Vec<u8>,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }
}

impl Site {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = TestClock::new();
        let registry = open(dir.path(), &clock).await;
        let options = Options { public_url: Some("https://registry.test".to_owned()) };
        let router = router(registry.clone(), options);
        Self { _dir: dir, clock, registry, router }
    }

    async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        Reply { status: parts.status, headers: parts.headers, bytes }
    }

    async fn post(&self, path: &str, body: impl Into<Body>) -> Reply {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(body.into()).unwrap()).await
    }

    async fn fetch(&self, packages: Value, limit: u64) -> Reply {
        let size = self.registry.snapshot().checkpoint().size();
        let body = json!({ "logLength": size, "limit": limit, "operator": null, "packages": packages });
        self.post("/v1/fetch/logs", body.to_string()).await
    }
}

/// JSON of exactly so many bytes: spaces mean nothing in it.
fn padded(json: &Value, bytes: usize) -> String {
    let mut text = json.to_string();
    text.push_str(&" ".repeat(bytes - text.len()));
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_json_body_has_at_most_its_number_of_bytes() {
    let site = Site::new().await;
    for (bytes, expected) in [
        (JSON_BODY_BYTES_MAX - 1, StatusCode::OK),
        (JSON_BODY_BYTES_MAX, StatusCode::OK),
        (JSON_BODY_BYTES_MAX + 1, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let body = padded(&json!({ "logLength": 1, "packages": {} }), bytes);
        assert_eq!(site.post("/v1/fetch/logs", body.clone()).await.status, expected, "{bytes}");
        // The same where the length is not told in advance.
        let pieces: Vec<_> = body.into_bytes().chunks(100_000).map(Bytes::copy_from_slice).collect();
        let stream = futures::stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
        assert_eq!(site.post("/v1/fetch/logs", Body::from_stream(stream)).await.status, expected, "{bytes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_has_at_most_its_number_of_bytes() {
    let site = Site::new().await;
    for (bytes, too_large) in
        [(ACT_BODY_BYTES_MAX - 1, false), (ACT_BODY_BYTES_MAX, false), (ACT_BODY_BYTES_MAX + 1, true)]
    {
        let head = "--x\r\ncontent-disposition: form-data; name=\"act\"\r\n\r\n";
        let form = format!("{head}{}\r\n--x--\r\n", padded(&json!({}), bytes));
        let request = Request::post("/api/packages/acme/hello/releases")
            .header(header::CONTENT_TYPE, "multipart/form-data; boundary=x");
        let reply = site.send(request.body(form.into()).unwrap()).await;
        assert!(reply.status.is_client_error() && reply.status != StatusCode::NOT_FOUND, "{}", reply.status);
        assert_eq!(reply.status == StatusCode::PAYLOAD_TOO_LARGE, too_large, "{bytes}: {}", reply.status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_has_at_most_its_number_of_bytes() {
    let site = Site::new().await;
    for (bytes, expected) in [
        (MANIFEST_BYTES_MAX - 1, StatusCode::CREATED),
        (MANIFEST_BYTES_MAX, StatusCode::CREATED),
        (MANIFEST_BYTES_MAX + 1, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let media_type = "application/vnd.oci.image.index.v1+json";
        let index = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": [] });
        let request = Request::put("/v2/acme/files/manifests/tag").header(header::CONTENT_TYPE, media_type);
        let reply = site.send(request.body(padded(&index, bytes).into()).unwrap()).await;
        assert_eq!(reply.status, expected, "{bytes}: {}", String::from_utf8_lossy(&reply.bytes));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_gives_at_most_its_number_of_records_a_reply() {
    let site = Site::new().await;
    for (limit, expected) in [
        (0, StatusCode::BAD_REQUEST),
        (1, StatusCode::OK),
        (u64::from(RECORDS_PER_LOG_MAX), StatusCode::OK),
        (u64::from(RECORDS_PER_LOG_MAX) + 1, StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(site.fetch(json!({}), limit).await.status, expected, "{limit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_has_at_most_its_number_of_logs_and_the_next_has_the_rest() {
    let site = Site::new().await;
    let mut packages = serde_json::Map::new();
    for number in 0..=LOGS_PER_FETCH_MAX {
        let letters: String = number.to_string().bytes().map(|b| char::from(b - b'0' + b'a')).collect();
        let mut author = Author::new(10, &format!("acme:p{letters}"), &site.clock);
        author.publish(&site.registry, vec![author.init()]).await;
        packages.insert(author.log().to_string(), Value::Null);
        if packages.len() < LOGS_PER_FETCH_MAX - 1 {
            continue;
        }
        let reply = site.fetch(packages.clone().into(), 100).await.json();
        let found = reply["packages"].as_object().unwrap().clone();
        assert_eq!(found.len(), packages.len().min(LOGS_PER_FETCH_MAX));
        assert_eq!(reply["more"] == true, packages.len() > LOGS_PER_FETCH_MAX, "{}", packages.len());
        // A client goes on with what it has.
        if packages.len() > LOGS_PER_FETCH_MAX {
            let mut rest = packages.clone();
            for (log, records) in found {
                rest.insert(log, records[0]["fetchToken"].clone());
            }
            let reply = site.fetch(rest.into(), 100).await.json();
            let fresh = reply["packages"].as_object().unwrap().values();
            assert_eq!(
                fresh.filter(|records| records.as_array().is_some_and(|all| !all.is_empty())).count(),
                1
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_has_at_most_its_number_of_records() {
    let site = Site::new().await;
    // With the operator's one record the reply is full.
    let lengths = [RECORDS_PER_REPLY_MAX / 2, RECORDS_PER_REPLY_MAX / 2 - 1];
    let mut authors =
        [10, 11].map(|seed| Author::new(seed, if seed == 10 { "acme:a" } else { "acme:b" }, &site.clock));
    let [first, second] = &mut authors;
    let publish = async |author: &mut Author, records: usize| {
        author.publish(&site.registry, vec![author.init()]).await;
        for _ in 1..records {
            author.publish(&site.registry, vec![]).await;
        }
    };
    tokio::join!(publish(first, lengths[0]), publish(second, lengths[1] - 1));
    let logs: Vec<LogId> = authors.iter().map(Author::log).collect();
    for (more_records, left_out) in [(0, 0), (1, 0), (1, 1)] {
        for _ in 0..more_records {
            let author = &mut authors[1];
            author.publish(&site.registry, vec![]).await;
        }
        let packages = json!({ logs[0].to_string(): null, logs[1].to_string(): null });
        let reply = site.fetch(packages, 1000).await.json();
        let records = |log: &LogId| reply["packages"][log.to_string()].as_array().map_or(0, Vec::len);
        let total = records(&logs[0]) + records(&logs[1]) + reply["operator"].as_array().unwrap().len();
        let size = usize::try_from(site.registry.snapshot().checkpoint().size()).unwrap();
        assert_eq!(total, size - left_out);
        assert!(total <= RECORDS_PER_REPLY_MAX);
        assert_eq!(reply["more"] == true, left_out > 0, "{total}");
    }
}

/// A body whose pieces come so long after one another; endless.
fn dripping(every: Duration) -> Body {
    Body::from_stream(futures::stream::unfold((), move |()| async move {
        tokio::time::sleep(every).await;
        Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), ()))
    }))
}

#[tokio::test]
async fn bodies_that_stop_or_drip_are_given_up_in_time() {
    let site = Site::new().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    tokio::time::pause();
    let second = Duration::from_secs(1);
    for (every, words, within) in [
        (BODY_IDLE_TIMEOUT + second, "stopped arriving", BODY_IDLE_TIMEOUT),
        (second, "took too long", WHOLE_BODY_TIMEOUT),
    ] {
        let start = tokio::time::Instant::now();
        let reply = site.post("/v1/fetch/logs", dripping(every)).await;
        let took = start.elapsed();
        assert_eq!(reply.status, StatusCode::REQUEST_TIMEOUT, "{every:?}");
        let said = String::from_utf8_lossy(&reply.bytes).into_owned();
        assert!(said.contains(words) || said.contains("took too long"), "{said}");
        assert!(took >= within && took < within + Duration::from_secs(10), "{every:?} took {took:?}");
    }
    // A large upload may take longer than that as long as enough comes.
    let pace = usize::try_from(PACE_BYTES_PER_SECOND * BODY_IDLE_TIMEOUT.as_secs()).unwrap();
    let opened = Request::post("/v2/acme/files/blobs/uploads/").body(Body::empty()).unwrap();
    let at = site.send(opened).await.headers[header::LOCATION].to_str().unwrap().to_owned();
    let steady = futures::stream::iter(0..4).then(move |_| async move {
        tokio::time::sleep(BODY_IDLE_TIMEOUT - second).await;
        Ok::<_, std::io::Error>(Bytes::from(vec![7; pace]))
    });
    let request = Request::patch(&at).body(Body::from_stream(steady)).unwrap();
    assert_eq!(site.send(request).await.status, StatusCode::ACCEPTED);
    for (every, words) in [(BODY_IDLE_TIMEOUT + second, "stopped arriving"), (second, "took too long")] {
        let start = tokio::time::Instant::now();
        let reply = site.send(Request::patch(&at).body(dripping(every)).unwrap()).await;
        assert_eq!(reply.status, StatusCode::REQUEST_TIMEOUT);
        assert!(String::from_utf8_lossy(&reply.bytes).contains(words), "{every:?}");
        assert!(start.elapsed() < PACE_BEHIND_MAX + Duration::from_secs(10), "{:?}", start.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_do_not_come_and_idle_connections_are_closed_in_time() {
    let site = Site::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(wargate_server::serve(listener, site.router.clone(), std::future::pending()));
    let ends = ["", "GET /healthz HT", "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"].map(|sent| async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, sent.as_bytes()).await.unwrap();
        let start = Instant::now();
        let mut said = Vec::new();
        let late = HEADER_TIMEOUT + Duration::from_secs(20);
        let ended = tokio::time::timeout(late, stream.read_to_end(&mut said)).await;
        assert!(ended.is_ok(), "after {sent:?} the connection stays open");
        assert!(start.elapsed() + Duration::from_secs(1) >= HEADER_TIMEOUT, "{sent:?} ended at once");
    });
    futures::future::join_all(ends).await;
    // A head that is too large is refused, however fast it comes.
    for (bytes, status) in [(HEAD_BYTES_MAX / 2, "200"), (2 * HEAD_BYTES_MAX, "431")] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "GET /healthz HTTP/1.1\r\nhost: x\r\nx: {}\r\nconnection: close\r\n\r\n",
            "y".repeat(bytes)
        );
        // It may be refused before all of it is sent.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(std::str::from_utf8(&answer[9..]).unwrap(), status, "{bytes}");
    }
    served.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_too_many_is_told_when_to_come_back_at_both_doors() {
    let site = Site::new().await;
    let told = |reply: Reply| {
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
        let seconds: u64 = reply.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds));
        assert!(String::from_utf8_lossy(&reply.bytes).contains("busy"));
    };
    let begin = || Request::post("/v2/acme/files/blobs/uploads/").body(Body::empty()).unwrap();
    for _ in 0..UPLOAD_SESSIONS_MAX {
        assert_eq!(site.send(begin()).await.status, StatusCode::ACCEPTED);
    }
    told(site.send(begin()).await);
    // A registry that closes takes nothing, as one where too much waits.
    site.registry.close().await;
    let author = Author::new(10, "acme:late", &site.clock);
    let record = author.record(vec![author.init()]);
    let envelope = wargate_wire::warg::EnvelopeBody::from(&record.envelope);
    let body = json!({ "packageName": "acme:late", "record": envelope });
    told(site.post(&format!("/v1/package/{}/record", author.log()), body.to_string()).await);
}
