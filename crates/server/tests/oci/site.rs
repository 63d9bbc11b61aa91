//! A registry behind a real socket, and a client that sends exactly what a test says.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use wargate_core::digest::Digest;
use wargate_registry::Registry;
use wargate_server::{Options, router, serve};
use wargate_wire::oci::reference::{Algorithm, ContentDigest};

use crate::support::oci::MANIFEST;
use crate::support::{TestClock, open};

pub struct Site {
    _dir: tempfile::TempDir,
    pub clock: Arc<TestClock>,
    pub registry: Registry,
    pub address: SocketAddr,
}

pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Reply {
    /// A header's value; empty if it is not there, which no header here is otherwise.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// All values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    /// The codes of an error body, which has OCI's shape and nothing else.
    pub fn codes(&self) -> Vec<String> {
        assert_eq!(self.header("content-type"), "application/json");
        let body = self.json();
        let errors = body["errors"].as_array().unwrap();
        assert!(body.as_object().unwrap().len() == 1 && !errors.is_empty(), "{body}");
        let code = |error: &Value| {
            assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
            error["code"].as_str().unwrap().to_owned()
        };
        errors.iter().map(code).collect()
    }

    /// That it is this refusal, with one error.
    #[track_caller]
    pub fn is_refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.codes()), (status, vec![code.to_owned()]), "{}", self.json());
    }

    /// That it is a success with no words in it.
    #[track_caller]
    pub fn is(&self, status: StatusCode) -> &Self {
        assert_eq!(self.status, status.as_u16(), "{}", String::from_utf8_lossy(&self.bytes));
        self
    }
}

impl Site {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = TestClock::new();
        let registry = open(dir.path(), &clock).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = router(registry.clone(), Options::default());
        tokio::spawn(serve(listener, router, std::future::pending()));
        Self { _dir: dir, clock, registry, address }
    }

    /// One request on a connection of its own.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut request =
            Request::builder().method(method).uri(path).header("host", self.address.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body))).unwrap();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        connection.abort();
        assert_eq!(parts.headers["docker-distribution-api-version"], "registry/2.0", "{path}");
        Reply { status: parts.status.as_u16(), headers: parts.headers, bytes }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], b"").await
    }

    pub async fn head(&self, path: &str) -> Reply {
        self.send(Method::HEAD, path, &[], b"").await
    }

    pub async fn post(&self, path: &str, body: &[u8]) -> Reply {
        self.send(Method::POST, path, &[], body).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, &[], b"").await
    }

    /// Puts a manifest without a Content-Type: its body says what it is.
    pub async fn put(&self, path: &str, manifest: &[u8]) -> Reply {
        self.send(Method::PUT, path, &[], manifest).await
    }

    /// Opens a session; where it is.
    pub async fn session(&self, repository: &str) -> String {
        let begun = self.post(&format!("/v2/{repository}/blobs/uploads/"), b"").await;
        begun.is(StatusCode::ACCEPTED);
        assert_eq!(begun.header("range"), "0-0");
        assert_eq!(begun.header("oci-chunk-min-length"), "", "chunks may have any size");
        let place = begun.header("location").to_owned();
        assert_eq!(place, format!("/v2/{repository}/blobs/uploads/{}", begun.header("docker-upload-uuid")));
        place
    }

    /// As containerd and oras do: POST, then PUT of everything.
    pub async fn push_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        self.push_blob_as(repository, Algorithm::Sha256, bytes).await.sha256().unwrap()
    }

    pub async fn push_blob_as(&self, repository: &str, algorithm: Algorithm, bytes: &[u8]) -> ContentDigest {
        let digest = ContentDigest::of(algorithm, bytes);
        let place = format!("{}?digest={digest}", self.session(repository).await);
        let done = self.send(Method::PUT, &place, &[], bytes).await;
        self.is_created_blob(&done, repository, &digest).await;
        digest
    }

    /// That a reply says where the blob is, and that it is there at once.
    pub async fn is_created_blob(&self, reply: &Reply, repository: &str, digest: &ContentDigest) {
        reply.is(StatusCode::CREATED);
        let place = format!("/v2/{repository}/blobs/{digest}");
        assert_eq!(reply.header("location"), place);
        assert_eq!(reply.header("docker-content-digest"), digest.to_string());
        assert!(reply.bytes.is_empty());
        self.head(&place).await.is(StatusCode::OK);
    }

    /// Pushes a Wasm artifact; its manifest's bytes and the answer.
    pub async fn push(&self, repository: &str, tag: &str, wasm: &[u8]) -> (Vec<u8>, Reply) {
        let layer = self.push_blob(repository, wasm).await;
        let config = self.push_blob(repository, b"{}").await;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.wasm.config.v0+json", "digest": config.to_string(), "size": 2},
            "layers": [{"mediaType": "application/wasm", "digest": layer.to_string(), "size": wasm.len()}],
        });
        let manifest = serde_json::to_vec_pretty(&manifest).unwrap();
        let path = format!("/v2/{repository}/manifests/{tag}");
        let reply = self.send(Method::PUT, &path, &[("content-type", MANIFEST)], &manifest).await;
        (manifest, reply)
    }

    /// A manifest of nothing but the empty config, with other fields besides; its config is pushed.
    pub async fn plain(&self, repository: &str, fields: Value) -> Vec<u8> {
        let empty = self.push_blob(repository, b"{}").await;
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty.to_string(), "size": 2},
            "layers": [],
        });
        manifest.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::to_vec(&manifest).unwrap()
    }

    /// The same, pushed under a tag or a digest; its digest.
    pub async fn push_plain(&self, repository: &str, tag: &str, fields: Value) -> Digest {
        let manifest = self.plain(repository, fields).await;
        let reference = if tag.is_empty() { Digest::of(&manifest).to_string() } else { tag.to_owned() };
        self.put(&format!("/v2/{repository}/manifests/{reference}"), &manifest).await.is(StatusCode::CREATED);
        Digest::of(&manifest)
    }
}
