//! Behind the nginx of `docs/proxies.md`, taken from there as it stands but for host, ports and files: a large push and
//! pull, addresses that lead back through the proxy, and the client's own address in the log.
#![allow(clippy::unwrap_used, reason = "a failure here is the test's failure")]

mod support;

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use reqwest::{Body, Client, Response, StatusCode};
use support::Server;
use support::ceremony::Ceremony;
use wargate_core::digest::Digest;

/// Where Debian has it.
const NGINX: &str = "/usr/sbin/nginx";

/// Bytes of the blob: far more than any buffer in between.
const BLOB_BYTES: usize = 64 * 1024 * 1024;

/// How long nginx may take to start.
const STARTED_WITHIN: Duration = Duration::from_secs(30);

const HOST: &str = "registry.example";

/// A running nginx; its workers end with it.
struct Nginx {
    child: Child,
    port: u16,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Asked first: killed, it would leave its workers. Each step fails only where the process has ended already.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// An example of the documentation: of this language, the first is 0.
fn example(language: &str, number: usize) -> String {
    let text = include_str!("../../../docs/proxies.md");
    let after = text.split(&format!("```{language}\n")).nth(number + 1).unwrap();
    after.split_once("```").unwrap().0.to_owned()
}

/// The same with other words in it; each of them must have been there.
fn with(mut text: String, words: &[(&str, String)]) -> String {
    for (from, to) in words {
        assert!(text.contains(from), "the example has no `{from}`");
        text = text.replace(from, to);
    }
    text
}

fn start_nginx(folder: &Path, upstream: &str) -> Nginx {
    if !Path::new(NGINX).exists() {
        // As the benchmarks do: on Debian, by whoever may.
        let installed = Command::new("apt-get").args(["install", "-y", "-qq", "nginx-light"]).status();
        assert!(
            installed.is_ok_and(|status| status.success()),
            "there is no {NGINX}: install Debian's nginx-light"
        );
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = |name: &str| folder.join(name).display().to_string();
    let live = format!("/etc/letsencrypt/live/{HOST}");
    let servers = with(
        example("nginx", 0),
        &[
            ("127.0.0.1:8090", upstream.to_owned()),
            ("listen 443 ssl", format!("listen 127.0.0.1:{port} ssl")),
            (&format!("{live}/fullchain.pem"), file("chain.pem")),
            (&format!("{live}/privkey.pem"), file("key.pem")),
        ],
    );
    let temps: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {};\n", file(kind)))
        .concat();
    // What Debian's own configuration has around the servers, in a folder of the test's.
    let text = format!(
        "daemon off;\nuser root;\npid {pid};\nerror_log {log} warn;\nevents {{ worker_connections 256; }}\nhttp {{\n\
         access_log off;\n{temps}{servers}}}\n",
        pid = file("pid"),
        log = file("error.log"),
    );
    std::fs::write(file("nginx.conf"), text).unwrap();
    let mut command = Command::new(NGINX);
    command.arg("-p").arg(folder).args(["-c", &file("nginx.conf")]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let log = || std::fs::read_to_string(file("error.log")).unwrap_or_default();
        assert!(child.try_wait().unwrap().is_none(), "nginx ended: {}", log());
        assert!(start.elapsed() < STARTED_WITHIN, "nginx did not start: {}", log());
        std::thread::sleep(Duration::from_millis(20));
    }
    Nginx { child, port }
}

/// A certificate for the host, made here; the files are in the folder.
fn certificate(folder: &Path) -> reqwest::Certificate {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([HOST.to_owned()]).unwrap().self_signed(&key).unwrap().pem();
    std::fs::write(folder.join("chain.pem"), &certificate).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    reqwest::Certificate::from_pem(certificate.as_bytes()).unwrap()
}

/// A registry with nginx in front, and a client that reaches it by its public URL.
struct Site {
    _folder: tempfile::TempDir,
    _registry: Ceremony,
    _nginx: Nginx,
    server: Server,
    log: PathBuf,
    http: Client,
    url: String,
}

impl Site {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = certificate(folder.path());
        let (log, config) = (folder.path().join("log"), folder.path().join("wargate.toml"));
        // What the flag says of the address wins.
        let text = example("toml", 1) + "log_json = true\n";
        assert!(text.contains("trusted_proxies"), "it is the example with a proxy: {text}");
        std::fs::write(&config, text).unwrap();
        let args = ["--config", config.to_str().unwrap()];
        // Begun by its owners, as the documentation has it: of a root key that lies here the log would warn.
        let registry = Ceremony::done();
        let server = Server::start_logged(&registry.data(), &log, None, &args);
        let nginx = start_nginx(folder.path(), server.url.strip_prefix("http://").unwrap());
        let address = ([127, 0, 0, 1], nginx.port).into();
        let client = Client::builder().tls_certs_only([root]).resolve(HOST, address);
        let http = client.timeout(Duration::from_secs(120)).build().unwrap();
        let url = format!("https://{HOST}:{}", nginx.port);
        Self { _folder: folder, _registry: registry, _nginx: nginx, server, log, http, url }
    }

    fn at(&self, path: &str) -> String {
        assert!(path.starts_with('/'), "`{path}` leads somewhere else");
        format!("{}{path}", self.url)
    }
}

/// The path of a `Location` header: it names no host, so no proxy can get it wrong.
fn location(reply: &Response) -> String {
    let location = reply.headers()["location"].to_str().unwrap();
    assert!(location.starts_with('/') && !location.starts_with("//"), "{location}");
    location.to_owned()
}

async fn push(site: &Site, bytes: Vec<u8>, forged: &str) -> String {
    let digest = Digest::of(&bytes);
    let begun = site.http.post(site.at("/v2/acme/files/blobs/uploads/"));
    let begun =
        begun.header("x-forwarded-host", forged).header("x-forwarded-proto", "ftp").send().await.unwrap();
    assert_eq!(begun.status(), StatusCode::ACCEPTED);
    // In pieces of unknown number, as docker sends it.
    let pieces: Vec<_> = bytes.chunks(1 << 20).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
    let body = Body::wrap_stream(futures::stream::iter(pieces));
    let sent = site.http.patch(site.at(&location(&begun))).body(body).send().await.unwrap();
    assert_eq!(sent.status(), StatusCode::ACCEPTED, "{}", sent.text().await.unwrap());
    let end = format!("{}?digest={digest}", location(&sent));
    let pushed = site.http.put(site.at(&end)).send().await.unwrap();
    assert_eq!(pushed.status(), StatusCode::CREATED, "{}", pushed.text().await.unwrap());
    assert_eq!(location(&pushed), format!("/v2/acme/files/blobs/{digest}"));
    location(&pushed)
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_the_nginx_of_the_documentation_all_works_as_without_it() {
    let site = Site::start();
    let bytes: Vec<u8> = (0..BLOB_BYTES).map(|at| (at / 7) as u8).collect();
    let at = push(&site, bytes.clone(), "evil.example").await;
    let pulled = site.http.get(site.at(&at)).send().await.unwrap();
    assert_eq!(pulled.headers()["content-length"].to_str().unwrap(), BLOB_BYTES.to_string());
    assert!(pulled.bytes().await.unwrap() == bytes, "other bytes came back");
    let middle = site.http.get(site.at(&at)).header("range", "bytes=1000000-1000009").send().await.unwrap();
    assert_eq!(middle.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(&middle.bytes().await.unwrap()[..], &bytes[1_000_000..1_000_010]);
    // The URLs that clients are told are the public one's, whatever a request says.
    let told = site.http.get(site.at("/.well-known/wasm-pkg/registry.json"));
    let told = told.header("x-forwarded-host", "evil.example").header("forwarded", "host=evil.example");
    let told = told.send().await.unwrap().text().await.unwrap();
    assert!(told.contains(&format!("\"https://{HOST}\"")) && !told.contains("evil"), "{told}");
    let log = std::fs::read_to_string(&site.log).unwrap();
    assert!(!log.contains("\"level\":\"ERROR\"") && !log.contains("\"level\":\"WARN\""), "{log}");
    site.server.end();
}
