//! A thousand clients that send or read one byte a second, while others work as if those were not there.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test ends where something fails, and waits for real"
)]

#[path = "../../registry/tests/support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use support::{Author, TestClock, WAIT, module, open, release};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;
use wargate_core::digest::Digest;
use wargate_core::id::Layer;
use wargate_registry::limits::{UPLOAD_SESSIONS_MAX, UPLOADS_AT_ONCE_MAX};
use wargate_registry::{RecordStatus, Registry};
use wargate_server::limits::{HEADER_TIMEOUT, PACE_BEHIND_MAX, REFUSED_BODY_TIMEOUT};
use wargate_server::{Options, raise_descriptor_limit, router, serve};

/// How the clients are slow, and how many in each way; more uploads than may arrive at once.
const SLOW: [(Way, usize); 5] = [
    (Way::Head, 200),
    (Way::Json, 150),
    (Way::Blob, 150),
    (Way::Content, UPLOADS_AT_ONCE_MAX + 44),
    (Way::Reader, 200),
];

/// What the readers read: far more than lies in the buffers between.
const LARGE_BYTES: usize = 16 * 1024 * 1024;

/// How late a limit may strike on a machine that does something else at the same time.
const LATE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Sends a head that never ends.
    Head,
    /// Sends a body that is read whole.
    Json,
    /// Sends a blob.
    Blob,
    /// Sends content that a record waits for.
    Content,
    /// Reads a blob.
    Reader,
}

struct Site {
    _dir: tempfile::TempDir,
    clock: std::sync::Arc<TestClock>,
    registry: Registry,
    address: SocketAddr,
    http: Client,
}

impl Site {
    async fn new() -> Self {
        raise_descriptor_limit().unwrap();
        let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
        let registry = open(dir.path(), &clock).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = router(registry.clone(), Options::default());
        tokio::spawn(serve(listener, router, std::future::pending()));
        // Each request comes on a connection of its own.
        let http = Client::builder().pool_max_idle_per_host(0).build().unwrap();
        Self { _dir: dir, clock, registry, address, http }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn push(&self, bytes: Vec<u8>) -> String {
        let digest = Digest::of(&bytes);
        let at = self.url(&format!("/v2/acme/files/blobs/uploads/?digest={digest}"));
        let reply = self.http.post(at).body(bytes).send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::CREATED);
        format!("/v2/acme/files/blobs/{digest}")
    }

    /// Where content may be sent that a new record waits for.
    async fn awaited(&self, seed: u8, name: &str, content: &[u8]) -> String {
        let author = Author::new(seed, name, &self.clock);
        let digest = Digest::of(content);
        let record = author.record(vec![author.init(), release("1.0.0", digest)]);
        let id = record.envelope.record_id(Layer::Package);
        let status = self.registry.publish(record, WAIT).await.unwrap();
        assert!(matches!(status, RecordStatus::Sourcing { .. }));
        format!("/v1/package/{}/record/{id}/content/{digest}", author.log())
    }

    /// One round of somebody who works here: a push, a pull, a look at the log, a release with its content.
    async fn work(&self, round: usize) -> Duration {
        let start = Instant::now();
        let bytes = round.to_le_bytes().repeat(10_000);
        let at = self.push(bytes.clone()).await;
        let pulled = self.http.get(self.url(&at)).send().await.unwrap().bytes().await.unwrap();
        assert_eq!(pulled, bytes);
        let body = r#"{"logLength":1,"packages":{}}"#;
        let reply = self.http.post(self.url("/v1/fetch/logs")).body(body).send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::OK);
        let content = module(&bytes);
        let letters: String = round.to_string().bytes().map(|b| char::from(b - b'0' + b'a')).collect();
        let at = self.awaited(20, &format!("acme:w{letters}"), &content).await;
        let reply = self.http.post(self.url(&at)).body(content).send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::CREATED, "{}", reply.text().await.unwrap());
        start.elapsed()
    }
}

/// Sends the beginning and then a byte a second, or reads one; how long that went on until it was ended.
async fn slow(address: SocketAddr, way: Way, beginning: String) -> (Way, Duration) {
    let socket = TcpSocket::new_v4().unwrap();
    // So that little lies between the two.
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let start = Instant::now();
    stream.write_all(beginning.as_bytes()).await.unwrap();
    let mut byte = [0];
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if way == Way::Reader {
            // What it has already can be read for hours: that the connection was reset shows beside it.
            if !matches!(stream.read(&mut byte).await, Ok(1)) || stream.take_error().unwrap().is_some() {
                break;
            }
            continue;
        }
        let ended = tokio::time::timeout(Duration::from_millis(1), stream.read(&mut byte)).await;
        // Whatever it was told, it was told that this is the end.
        if ended.is_ok() || stream.write_all(b"x").await.is_err() {
            break;
        }
    }
    (way, start.elapsed())
}

fn beginning(way: Way, blob: &str, content: &str) -> String {
    let post = |path: &str| format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 90000\r\n\r\n");
    match way {
        Way::Head => "GET /healthz HTTP/1.1\r\nhost: x\r\nx: ".to_owned(),
        Way::Json => post("/v1/fetch/logs"),
        Way::Blob => post(&format!("/v2/acme/slow/blobs/uploads/?digest={}", Digest::of(b"never"))),
        Way::Content => post(content),
        Way::Reader => format!("GET {blob} HTTP/1.1\r\nhost: x\r\n\r\n"),
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_slow_clients_stop_nobody_and_are_cut_off_in_time() {
    let site = Site::new().await;
    let blob = site.push(vec![7; LARGE_BYTES]).await;
    let content = site.awaited(10, "acme:slow", &module(&[1; 90_000])).await;
    let mut alone = Vec::new();
    for round in 0..20 {
        alone.push(site.work(round).await);
    }
    let mut clients = JoinSet::new();
    for (way, count) in SLOW {
        for _ in 0..count {
            clients.spawn(slow(site.address, way, beginning(way, &blob, &content)));
        }
    }
    assert!(clients.len() >= 1000);
    // All of them are at it.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut beside = Vec::new();
    for round in 20..40 {
        beside.push(site.work(round).await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let (alone, beside) = (median(alone), median(beside));
    assert!(beside < 3 * alone + Duration::from_millis(100), "{alone:?} alone, {beside:?} beside them");
    assert_eq!(clients.try_join_next().map(|ended| ended.unwrap()), None, "one was ended too early");
    let all = PACE_BEHIND_MAX + REFUSED_BODY_TIMEOUT + LATE;
    while let Some(ended) =
        tokio::time::timeout(all, clients.join_next()).await.expect("none goes on for ever")
    {
        let (way, lasted) = ended.unwrap();
        let within = if way == Way::Head { HEADER_TIMEOUT } else { PACE_BEHIND_MAX + REFUSED_BODY_TIMEOUT };
        let least = if way == Way::Head { HEADER_TIMEOUT } else { PACE_BEHIND_MAX };
        assert!(lasted + Duration::from_secs(2) > least, "{way:?} was ended after {lasted:?}");
        assert!(lasted < within + LATE, "{way:?} went on for {lasted:?}");
    }
    // Nothing of them is left that others could lack.
    let repository = site.registry.repository("acme/files".parse().unwrap());
    for _ in 0..UPLOAD_SESSIONS_MAX {
        repository.begin_upload().unwrap();
    }
}
