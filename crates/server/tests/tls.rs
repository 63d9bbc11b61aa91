//! TLS with real clients: who is served, what a renewal changes, what is said of broken files and wrong ports.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test ends where something fails, and waits for real"
)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wargate_server::limits::{HANDSHAKE_TIMEOUT, PEM_FILE_BYTES_MAX};
use wargate_server::{Tls, Transport, serve_over};

/// A server whose certificate an authority of this test's gave.
struct Site {
    folder: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
    address: SocketAddr,
    tls: Tls,
    end: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A new certificate for `localhost`, and its key, as PEM.
fn renewal(authority: &CertifiedIssuer<'static, KeyPair>) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    (params.signed_by(&key, authority).unwrap().pem(), key.serialize_pem())
}

fn files(folder: &Path) -> (PathBuf, PathBuf) {
    (folder.join("chain.pem"), folder.join("key.pem"))
}

impl Site {
    async fn new() -> Self {
        let (folder, authority) = (tempfile::tempdir().unwrap(), authority());
        let (chain, key) = files(folder.path());
        let (certificate, private) = renewal(&authority);
        std::fs::write(&chain, certificate).unwrap();
        std::fs::write(&key, private).unwrap();
        let tls = Tls::read(&chain, &key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let transport = Transport { tls: Some(tls.clone()), ..Transport::default() };
        let router = Router::new().route("/", get(async || "here"));
        let (end, ended) = oneshot::channel::<()>();
        let served = tokio::spawn(serve_over(listener, transport, router, async { drop(ended.await) }));
        Self { folder, authority, address, tls, end, served }
    }

    fn write(&self, chain: &str, key: &str) {
        let (chain_file, key_file) = files(self.folder.path());
        std::fs::write(chain_file, chain).unwrap();
        std::fs::write(key_file, key).unwrap();
    }

    /// A client that trusts the authority; it resumes sessions where it can.
    fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }

    async fn connect(&self, client: &Arc<ClientConfig>) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(client.clone()).connect(name, stream).await.unwrap()
    }
}

/// Asks over an open connection, and leaves it open.
async fn ask(stream: &mut TlsStream<TcpStream>) {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"here") {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "it ended: {answer:?}");
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"));
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_trusts_the_authority_is_served_by_http_1() {
    let site = Site::new().await;
    let url = format!("https://localhost:{}/", site.address.port());
    let root = reqwest::Certificate::from_pem(site.authority.pem().as_bytes()).unwrap();
    for version in [reqwest::tls::Version::TLS_1_2, reqwest::tls::Version::TLS_1_3] {
        let client = reqwest::Client::builder().tls_certs_only([root.clone()]).tls_version_max(version);
        let reply = client.build().unwrap().get(&url).send().await.unwrap();
        assert_eq!(reply.version(), reqwest::Version::HTTP_11);
        assert_eq!(reply.text().await.unwrap(), "here", "{version:?}");
    }
    let stranger = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
    assert!(stranger.get(&url).send().await.is_err(), "nobody vouches for it");
    let mut stream = site.connect(&site.client()).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    ask(&mut stream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_for_new_connections_and_open_ones_go_on() {
    let site = Site::new().await;
    let client = site.client();
    let mut open = site.connect(&client).await;
    ask(&mut open).await;
    for round in 0..3 {
        let (chain, key) = renewal(&site.authority);
        site.write(&chain, &key);
        // Nothing changes before it is told.
        assert_eq!(shown(&site.connect(&client).await), shown(&open), "round {round}");
        site.tls.reload().unwrap();
        // Also for a client that could resume a session of before.
        let mut fresh = site.connect(&client).await;
        ask(&mut fresh).await;
        assert_ne!(shown(&fresh), shown(&open), "round {round}");
        ask(&mut open).await;
        open = fresh;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_is_named_and_the_certificate_from_before_is_kept() {
    let site = Site::new().await;
    let client = site.client();
    let before = shown(&site.connect(&client).await);
    let (chain, key) = renewal(&site.authority);
    let (other, _) = renewal(&site.authority);
    let cut = &chain[..chain.len() / 2];
    let noise = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let locked = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let large = "x".repeat(usize::try_from(PEM_FILE_BYTES_MAX).unwrap() + 1);
    let behind = format!("{other}{chain}");
    for (chain, key, file, words) in [
        ("", &*key, "chain.pem", "holds no certificate"),
        (&*key, &*key, "chain.pem", "BEGIN CERTIFICATE"),
        (cut, &key, "chain.pem", "a block has a beginning and no end"),
        (noise, &key, "chain.pem", "certificate 1"),
        (&format!("{chain}{noise}"), &key, "chain.pem", "certificate 2"),
        (&large, &key, "chain.pem", "no file of certificates"),
        (&chain, "", "key.pem", "holds no private key"),
        (&chain, &chain, "key.pem", "holds no private key"),
        (&chain, &locked, "key.pem", "has a passphrase"),
        (&chain, no_key, "key.pem", "cannot be used"),
        (&other, &key, "key.pem", "is not that of the first certificate"),
        (&behind, &key, "chain.pem", "must come first"),
    ] {
        site.write(chain, key);
        let error = site.tls.reload().unwrap_err().to_string();
        assert!(error.contains(file) && error.contains(words), "{words}: {error}");
        assert!(!error.contains(key.lines().nth(1).unwrap_or("none")), "no part of a key is told: {error}");
        assert_eq!(shown(&site.connect(&client).await), before, "{words}");
    }
    std::fs::remove_file(files(site.folder.path()).1).unwrap();
    let error = site.tls.reload().unwrap_err().to_string();
    assert!(error.contains("couldn't read") && error.contains("key.pem"), "{error}");
    site.write(&chain, &key);
    site.tls.reload().unwrap();
    let mut fresh = site.connect(&client).await;
    ask(&mut fresh).await;
    assert_ne!(shown(&fresh), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_plain_http_to_it_is_told_so_at_once() {
    let site = Site::new().await;
    let start = Instant::now();
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    stream
        .write_all(b"PUT /v2/a/b HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\n\r\nabc")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("speaks https"), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
    // Noise is no handshake either.
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    stream.write_all(&[0; 100]).await.unwrap();
    let mut said = Vec::new();
    // What it says is an alert, or nothing and a reset.
    let _ = stream.read_to_end(&mut said).await;
    assert!(start.elapsed() < HANDSHAKE_TIMEOUT / 2, "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_handshakes_stop_nobody_and_end_in_time() {
    let site = Site::new().await;
    let client = site.client();
    let mut slow = Vec::new();
    for number in 0..400 {
        let mut stream = TcpStream::connect(site.address).await.unwrap();
        // The beginning of a record that never becomes whole.
        stream.write_all(&[0x16, 3, 1, 1, 0, 1][..number % 7]).await.unwrap();
        slow.push(stream);
    }
    let start = Instant::now();
    for _ in 0..20 {
        ask(&mut site.connect(&client).await).await;
    }
    assert!(start.elapsed() < HANDSHAKE_TIMEOUT / 2, "others waited: {:?}", start.elapsed());
    for mut stream in slow {
        let mut said = Vec::new();
        let end = tokio::time::timeout(2 * HANDSHAKE_TIMEOUT, stream.read_to_end(&mut said));
        assert!(end.await.is_ok(), "it stays open");
    }
    assert!(start.elapsed() + Duration::from_secs(1) > HANDSHAKE_TIMEOUT, "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_waits_for_no_handshake() {
    let site = Site::new().await;
    let mut half = TcpStream::connect(site.address).await.unwrap();
    half.write_all(&[0x16, 3, 1]).await.unwrap();
    ask(&mut site.connect(&site.client()).await).await;
    let start = Instant::now();
    site.end.send(()).unwrap();
    site.served.await.unwrap().unwrap();
    assert!(start.elapsed() < HANDSHAKE_TIMEOUT / 2, "{:?}", start.elapsed());
}
