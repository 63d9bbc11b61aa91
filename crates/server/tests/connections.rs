//! Real connections: broken-off and endless bodies, an orderly end.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test ends where something fails, and waits for real"
)]

#[path = "../../registry/tests/support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::time::Duration;

use support::{Author, TestClock, WAIT, config, engines, genesis, module, release, upload, wait_published};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use wargate_core::digest::Digest;
use wargate_core::id::{Layer, RecordId};
use wargate_registry::clock::Clock as _;
use wargate_registry::{RecordStatus, Registry};
use wargate_server::{
    ClientAddress, ForwardedHeader, Options, Transport, TrustedProxies, router, serve, serve_over,
};

const CONTENT_BYTES_MAX: u64 = 1_000_000;

struct Site {
    _dir: tempfile::TempDir,
    clock: std::sync::Arc<TestClock>,
    registry: Registry,
    address: SocketAddr,
    end: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
}

impl Site {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = TestClock::new();
        let (db, objects) = engines(dir.path());
        let mut config = config();
        config.content_bytes_max = CONTENT_BYTES_MAX;
        let genesis = Some(genesis(clock.now()));
        let registry = Registry::open(config, db, objects, clock.clone(), genesis).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = oneshot::channel::<()>();
        let router = router(registry.clone(), Options::default());
        let served = tokio::spawn(serve(listener, router, async { drop(ended.await) }));
        Self { _dir: dir, clock, registry, address, end, served }
    }

    /// Sends bytes on a fresh connection and reads the answer's head.
    async fn exchange(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = vec![0; 4096];
        let read =
            tokio::time::timeout(Duration::from_secs(10), stream.read(&mut answer)).await.unwrap().unwrap();
        String::from_utf8_lossy(&answer[..read]).into_owned()
    }

    async fn healthy(&self) {
        let answer = self.exchange(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// A record that waits for `content`.
    async fn sourcing(&self, name: &str, content: &[u8]) -> (Author, RecordId) {
        let author = Author::new(10, name, &self.clock);
        let record = author.record(vec![author.init(), release("1.0.0", Digest::of(content))]);
        let id = record.envelope.record_id(Layer::Package);
        let status = self.registry.publish(record, WAIT).await.unwrap();
        assert!(matches!(status, RecordStatus::Sourcing { .. }));
        (author, id)
    }
}

fn upload_head(author: &Author, id: &RecordId, content: &[u8], length: &str) -> Vec<u8> {
    format!(
        "POST /v1/package/{}/record/{id}/content/{} HTTP/1.1\r\nhost: x\r\n{length}\r\n\r\n",
        author.log(),
        Digest::of(content)
    )
    .into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn four_gib_declared_and_one_byte_sent_does_no_harm() {
    let site = Site::new().await;
    let content = module(&[7; 500_000]);
    let (author, id) = site.sourcing("acme:liar", &content).await;
    // More than is allowed: refused by the declaration alone.
    let head = upload_head(&author, &id, &content, "content-length: 4294967296");
    let answer = site.exchange(&[&head[..], b"x"].concat()).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("at most 1000000 bytes"), "{answer}");
    // Allowed, and broken off after one byte; then after half.
    for sent in [1, 250_000] {
        let mut stream = TcpStream::connect(site.address).await.unwrap();
        let head = upload_head(&author, &id, &content, "content-length: 500000");
        stream.write_all(&head).await.unwrap();
        stream.write_all(&content[..sent]).await.unwrap();
        drop(stream);
    }
    assert!(site.registry.snapshot().content(&Digest::of(&content)).await.is_err());
    upload(&site.registry, &author.log(), &id, &content).await.unwrap();
    wait_published(&site.registry, &author.log(), &id).await;
    site.healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_upload_ends_at_the_limit() {
    let site = Site::new().await;
    let (author, id) = site.sourcing("acme:endless", b"small").await;
    let head = upload_head(&author, &id, b"small", "transfer-encoding: chunked");
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    stream.write_all(&head).await.unwrap();
    let chunk = [&b"10000\r\n"[..], &[b'x'; 0x10000], b"\r\n"].concat();
    let mut sent = 0;
    // The server stops reading soon after the limit; what it says is there to read.
    while sent < 100 && stream.write_all(&chunk).await.is_ok() {
        sent += 1;
        let mut peek = [0; 12];
        if let Ok(Ok(12)) = tokio::time::timeout(Duration::from_millis(1), stream.peek(&mut peek)).await {
            assert_eq!(&peek, b"HTTP/1.1 413");
            break;
        }
    }
    assert!((15..100).contains(&sent), "{sent} chunks of 64 KiB were taken");
    site.healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_lets_requests_in_flight_finish() {
    let site = Site::new().await;
    let content = module(&[3; 100_000]);
    let (author, id) = site.sourcing("acme:slow", &content).await;
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let length = format!("content-length: {}", content.len());
    stream.write_all(&upload_head(&author, &id, &content, &length)).await.unwrap();
    stream.write_all(&content[..1000]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    site.end.send(()).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(TcpStream::connect(site.address).await.is_err(), "nobody new is let in");
    stream.write_all(&content[1000..]).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 201");
    drop(stream);
    site.served.await.unwrap().unwrap();
    wait_published(&site.registry, &author.log(), &id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_has_its_clients_address() {
    let show = async |client: axum::Extension<ClientAddress>| client.0.0.to_string();
    for (trusted, seen) in [(&[][..], "127.0.0.1"), (&["127.0.0.0/8"], "203.0.113.9")] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let trusted_proxies =
            TrustedProxies::new(trusted.iter().copied(), ForwardedHeader::XForwardedFor).unwrap();
        let router = axum::Router::new().route("/", axum::routing::get(show));
        let transport = Transport { trusted_proxies, ..Transport::default() };
        let served = tokio::spawn(serve_over(listener, transport, router, std::future::pending()));
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = "GET / HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 198.51.100.1, 203.0.113.9\r\n";
        stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with(&format!("\r\n\r\n{seen}")), "{answer}");
        served.abort();
    }
}
