//! `wargate serve` with TLS of its own: by flags, environment and configuration; a renewal by SIGHUP.
#![allow(clippy::unwrap_used, reason = "a failure here is the test's failure")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::Client;
use reqwest::tls::TlsInfo;
use support::{Server, assert_refused, serve_refused};

/// How long a reload may take on a machine that does something else at the same time.
const RELOADED_WITHIN: Duration = Duration::from_secs(20);

struct Site {
    folder: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Site {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let site = Self { folder: tempfile::tempdir().unwrap(), authority };
        site.renew();
        site
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn renew(&self) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        fs::write(self.file("chain.pem"), certificate.pem()).unwrap();
        fs::write(self.file("key.pem"), key.serialize_pem()).unwrap();
    }

    /// A client whose every request comes on a connection of its own.
    fn client(&self) -> Client {
        let root = reqwest::Certificate::from_pem(self.authority.pem().as_bytes()).unwrap();
        let client = Client::builder().tls_certs_only([root]).tls_info(true).pool_max_idle_per_host(0);
        client.build().unwrap()
    }
}

/// The certificate that a new connection sees.
async fn seen(client: &Client, url: &str) -> Vec<u8> {
    let reply = client.get(format!("{url}/healthz")).send().await.unwrap();
    assert_eq!(reply.status(), 200);
    reply.extensions().get::<TlsInfo>().unwrap().peer_certificate().unwrap().to_vec()
}

fn said(log: &Path, words: &str) -> bool {
    fs::read_to_string(log).unwrap().contains(words)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_signal_brings_the_renewed_certificate() {
    let site = Site::new();
    let (log, config) = (site.file("log"), site.file("wargate.toml"));
    let text = format!("tls_cert = {:?}\ntls_key = {:?}\n", site.file("chain.pem"), site.file("key.pem"));
    fs::write(&config, text).unwrap();
    let args = ["--config", config.to_str().unwrap()];
    let server = Server::start_logged(&site.file("data"), &log, None, &args);
    let (client, url) = (site.client(), server.url.clone());
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let first = seen(&client, &url).await;
    site.renew();
    assert_eq!(seen(&client, &url).await, first, "nobody told it");
    let reload = async |words: &str| {
        server.signal("HUP");
        let start = Instant::now();
        while !said(&log, words) {
            assert!(start.elapsed() < RELOADED_WITHIN, "{}", fs::read_to_string(&log).unwrap());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    reload("read anew").await;
    let second = seen(&client, &url).await;
    assert_ne!(second, first);
    fs::write(site.file("key.pem"), "nothing").unwrap();
    reload("holds no private key").await;
    assert_eq!(seen(&client, &url).await, second, "the one from before is kept");
    // What it tells of itself is by TLS too.
    let told = client.get(format!("{url}/.well-known/wasm-pkg/registry.json")).send().await.unwrap();
    assert!(told.text().await.unwrap().contains(&url));
    let greeting = server.end();
    assert!(greeting.contains(&format!("trust add {url}")) && !greeting.contains("--insecure"), "{greeting}");
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_at_the_start_by_name() {
    let site = Site::new();
    let (chain, key) = (site.file("chain.pem"), site.file("key.pem"));
    let (chain, key) = (chain.to_str().unwrap(), key.to_str().unwrap());
    let data = site.file("data");
    for (args, words) in [
        (&["--tls-cert", chain][..], ["`tls_cert`", "`tls_key`"]),
        (&["--tls-cert", key, "--tls-key", key], ["key.pem", "holds no certificate"]),
        (&["--tls-cert", chain, "--tls-key", chain], ["chain.pem", "holds no private key"]),
        (&["--tls-cert", chain, "--tls-key", "/nonexistent"], ["couldn't read", "/nonexistent"]),
        (
            &["--tls-cert", chain, "--tls-key", key, "--public-url", "http://localhost"],
            ["speaks TLS", "https://"],
        ),
    ] {
        let refused = serve_refused(&data, &[&["--listen", "127.0.0.1:0"], args].concat());
        assert_refused(&refused, 1, &[&["error[config]"], &words[..]].concat());
        assert!(!data.exists(), "nothing was made");
    }
}
