//! The OCI door over a real registry: the requests of real clients, and what bad ones are told.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test ends where something fails, and waits for real"
)]

#[allow(unreachable_pub, reason = "it is written for the registry's own tests")]
#[path = "../../registry/tests/support/mod.rs"]
mod support;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use support::{Author, TestClock, module, open};
use tower::ServiceExt as _;
use wargate_core::digest::Digest;
use wargate_server::{Options, router};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

struct Site {
    _dir: tempfile::TempDir,
    clock: std::sync::Arc<TestClock>,
    registry: wargate_registry::Registry,
    router: Router,
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    bytes: Vec<u8>,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The codes of an error body in OCI's shape.
    fn codes(&self) -> Vec<String> {
        assert_eq!(self.header("content-type"), "application/json");
        let body: Value = serde_json::from_slice(&self.bytes).unwrap();
        body["errors"].as_array().unwrap().iter().map(|e| e["code"].as_str().unwrap().to_owned()).collect()
    }
}

impl Site {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = TestClock::new();
        let registry = open(dir.path(), &clock).await;
        let router = router(registry.clone(), Options::default());
        Self { _dir: dir, clock, registry, router }
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_vec())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        assert_eq!(parts.headers["docker-distribution-api-version"], "registry/2.0", "{path}");
        Reply { status: parts.status, headers: parts.headers, bytes }
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], b"").await
    }

    /// As containerd and oras do: POST, then PUT of everything.
    async fn push_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let begun = self.send(Method::POST, &format!("/v2/{repository}/blobs/uploads/"), &[], b"").await;
        assert_eq!((begun.status, begun.header("range")), (StatusCode::ACCEPTED, "0-0"));
        let digest = Digest::of(bytes);
        let place = format!("{}?digest={digest}", begun.header("location"));
        let done = self.send(Method::PUT, &place, &[], bytes).await;
        assert_eq!(done.status, StatusCode::CREATED);
        assert_eq!(done.header("location"), format!("/v2/{repository}/blobs/{digest}"));
        assert_eq!(done.header("docker-content-digest"), digest.to_string());
        digest
    }

    /// Pushes a Wasm artifact; its manifest's bytes and the answer.
    async fn push(&self, repository: &str, tag: &str, wasm: &[u8]) -> (Vec<u8>, Reply) {
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
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_goes_in_and_comes_out_with_exact_bytes() {
    let site = Site::new().await;
    assert_eq!(
        (site.get("/v2/").await.status, site.get("/v2").await.status),
        (StatusCode::OK, StatusCode::OK)
    );
    let wasm = module(b"one");
    let (manifest, pushed) = site.push("acme/hello", "1.0.0", &wasm).await;
    let digest = Digest::of(&manifest).to_string();
    assert_eq!(pushed.status, StatusCode::CREATED);
    assert_eq!(pushed.header("location"), format!("/v2/acme/hello/manifests/{digest}"));
    for reference in ["1.0.0", "latest", &digest, &digest.replace(':', "%3A")] {
        let path = format!("/v2/acme/hello/manifests/{reference}");
        let found = site.get(&path).await;
        assert_eq!((found.status, &found.bytes), (StatusCode::OK, &manifest), "{reference}");
        assert_eq!(found.header("content-type"), MANIFEST);
        assert_eq!(found.header("docker-content-digest"), digest);
        assert_eq!(found.header("etag"), format!("\"{digest}\""));
        let head = site.send(Method::HEAD, &path, &[("accept", "text/html")], b"").await;
        assert_eq!((head.status, head.header("docker-content-digest")), (StatusCode::OK, digest.as_str()));
        let known = format!("\"{digest}\"");
        let unchanged = site.send(Method::GET, &path, &[("if-none-match", &known)], b"").await;
        assert_eq!(unchanged.status, StatusCode::NOT_MODIFIED);
    }
    let blob = format!("/v2/acme/hello/blobs/{}", Digest::of(&wasm));
    let whole = site.get(&blob).await;
    assert_eq!((whole.status, &whole.bytes), (StatusCode::OK, &wasm));
    assert_eq!(whole.header("x-content-type-options"), "nosniff");
    let piece = site.send(Method::GET, &blob, &[("range", "bytes=0-3")], b"").await;
    assert_eq!((piece.status, &piece.bytes[..]), (StatusCode::PARTIAL_CONTENT, &wasm[..4]));
    let beyond = site.send(Method::GET, &blob, &[("range", "bytes=500-")], b"").await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(beyond.header("content-range"), format!("bytes */{}", wasm.len()));
    assert_eq!(beyond.codes(), ["BLOB_UPLOAD_INVALID"]);
    let (_, again) = site.push("acme/hello", "1.0.0", &wasm).await;
    assert_eq!(again.status, StatusCode::CREATED);
    let (_, other) = site.push("acme/hello", "1.0.0", &module(b"other")).await;
    assert_eq!((other.status, other.codes()), (StatusCode::CONFLICT, vec!["DENIED".to_owned()]));
    assert!(String::from_utf8_lossy(&other.bytes).contains(&Digest::of(&wasm).to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_listed_whole_and_in_pages() {
    let site = Site::new().await;
    for tag in ["1.0.0", "1.10.0", "1.9.0"] {
        site.push("acme/hello", tag, &module(tag.as_bytes())).await;
    }
    let tags =
        |reply: &Reply| -> Value { serde_json::from_slice::<Value>(&reply.bytes).unwrap()["tags"].clone() };
    let all = site.get("/v2/acme/hello/tags/list").await;
    assert_eq!((tags(&all), all.header("link")), (json!(["1.0.0", "1.10.0", "1.9.0"]), ""));
    let page = site.get("/v2/acme/hello/tags/list?n=2").await;
    assert_eq!(tags(&page), json!(["1.0.0", "1.10.0"]));
    assert_eq!(page.header("link"), "</v2/acme/hello/tags/list?n=2&last=1.10.0>; rel=\"next\"");
    let rest = site.get("/v2/acme/hello/tags/list?n=2&last=1.10.0").await;
    assert_eq!((tags(&rest), rest.header("link")), (json!(["1.9.0"]), ""));
    assert_eq!(tags(&site.get("/v2/acme/hello/tags/list?n=0").await), json!([]));
    assert_eq!(site.get("/v2/acme/nothing/tags/list").await.codes(), ["NAME_UNKNOWN"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_arrives_in_chunks_that_follow_each_other() {
    let site = Site::new().await;
    let begun = site.send(Method::POST, "/v2/acme/hello/blobs/uploads", &[], b"").await;
    let place = begun.header("location").to_owned();
    let first = site.send(Method::PATCH, &place, &[("content-range", "0-2")], b"abc").await;
    assert_eq!((first.status, first.header("range")), (StatusCode::ACCEPTED, "0-2"));
    let gap = site.send(Method::PATCH, &place, &[("content-range", "5-6")], b"xy").await;
    assert_eq!((gap.status, gap.header("range")), (StatusCode::RANGE_NOT_SATISFIABLE, "0-2"));
    assert_eq!(gap.header("location"), place);
    let lies = [("content-range", "3-9"), ("content-length", "2")];
    assert_eq!(site.send(Method::PATCH, &place, &lies, b"xy").await.codes(), ["SIZE_INVALID"]);
    let status = site.get(&place).await;
    assert_eq!((status.status, status.header("range")), (StatusCode::NO_CONTENT, "0-2"));
    assert_eq!(site.get(&place.replace("acme/hello", "acme/other")).await.codes(), ["BLOB_UPLOAD_UNKNOWN"]);
    site.send(Method::PATCH, &place, &[], b"def").await;
    let done = format!("{place}?digest={}", Digest::of(b"abcdefgh"));
    assert_eq!(site.send(Method::PUT, &done, &[], b"gh").await.status, StatusCode::CREATED);
    let blob = format!("/v2/acme/hello/blobs/{}", Digest::of(b"abcdefgh"));
    assert_eq!(site.get(&blob).await.bytes, b"abcdefgh");
    assert_eq!(site.get(&place).await.codes(), ["BLOB_UPLOAD_UNKNOWN"]);
    // Another repository mounts it, or gets a session where that cannot be.
    let digest = Digest::of(b"abcdefgh");
    let mount = |from: &str| format!("/v2/acme/other/blobs/uploads/?mount={digest}&from={from}");
    assert_eq!(site.send(Method::POST, &mount("acme/nothing"), &[], b"").await.status, StatusCode::ACCEPTED);
    assert_eq!(site.send(Method::POST, &mount("%00"), &[], b"").await.status, StatusCode::ACCEPTED);
    assert_eq!(site.send(Method::POST, &mount("acme/hello"), &[], b"").await.status, StatusCode::CREATED);
    let at_once = format!("/v2/acme/hello/blobs/uploads/?digest={}", Digest::of(b"whole"));
    assert_eq!(site.send(Method::POST, &at_once, &[], b"whole").await.status, StatusCode::CREATED);
    assert_eq!(site.send(Method::POST, &at_once, &[], b"wrong").await.codes(), ["DIGEST_INVALID"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_warg_published_is_pulled_here_and_a_yank_warns() {
    let site = Site::new().await;
    let mut alice = Author::new(10, "acme:mine", &site.clock);
    let wasm = module(b"hers");
    alice.release(&site.registry, "1.0.0", &wasm).await;
    let manifest = site.get("/v2/acme/mine/manifests/1.0.0").await;
    assert_eq!((manifest.status, manifest.header("warning")), (StatusCode::OK, ""));
    let parsed: Value = serde_json::from_slice(&manifest.bytes).unwrap();
    let layer = parsed["layers"][0]["digest"].as_str().unwrap();
    assert_eq!(site.get(&format!("/v2/acme/mine/blobs/{layer}")).await.bytes, wasm);
    let config = parsed["config"]["digest"].as_str().unwrap();
    assert_eq!(site.get(&format!("/v2/acme/mine/blobs/{config}")).await.status, StatusCode::OK);
    let (_, denied) = site.push("acme/mine", "2.0.0", &module(b"his")).await;
    assert_eq!((denied.status, denied.codes()), (StatusCode::FORBIDDEN, vec!["DENIED".to_owned()]));
    let yank = wargate_core::record::PackageEntry::Yank { version: "1.0.0".parse().unwrap() };
    alice.publish(&site.registry, vec![yank]).await;
    let yanked = site.get("/v2/acme/mine/manifests/1.0.0").await;
    assert!(yanked.header("warning").contains("yanked"), "{}", yanked.header("warning"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_told_in_the_shape_that_clients_read() {
    let site = Site::new().await;
    site.push("acme/hello", "1.0.0", &module(b"one")).await;
    let absent = Digest::of(b"absent");
    for (method, path, status, code) in [
        (Method::GET, "/v2/Acme/hello/tags/list".to_owned(), 400, "NAME_INVALID"),
        (Method::GET, "/v2/acme/%2e%2e/tags/list".to_owned(), 400, "NAME_INVALID"),
        (Method::GET, "/v2/acme/hello/manifests/sha256:bad".to_owned(), 400, "DIGEST_INVALID"),
        (Method::GET, "/v2/acme/hello/manifests/-x".to_owned(), 400, "MANIFEST_INVALID"),
        (Method::GET, "/v2/acme/hello/manifests/9.9.9".to_owned(), 404, "MANIFEST_UNKNOWN"),
        (Method::GET, format!("/v2/acme/hello/manifests/{absent}"), 404, "MANIFEST_UNKNOWN"),
        (Method::GET, "/v2/acme/nothing/manifests/1.0.0".to_owned(), 404, "NAME_UNKNOWN"),
        (Method::GET, format!("/v2/acme/hello/blobs/{absent}"), 404, "BLOB_UNKNOWN"),
        (Method::GET, "/v2/acme/hello/tags/list?n=x".to_owned(), 400, "UNSUPPORTED"),
        (Method::PUT, "/v2/acme/hello/tags/list".to_owned(), 405, "UNSUPPORTED"),
        (Method::PUT, "/v2/acme/hello/manifests/latest".to_owned(), 400, "MANIFEST_INVALID"),
        (Method::GET, "/v2/nothing-here".to_owned(), 404, "NAME_UNKNOWN"),
    ] {
        let reply = site.send(method, &path, &[("content-type", MANIFEST)], b"").await;
        assert_eq!((reply.status.as_u16(), reply.codes()), (status, vec![code.to_owned()]), "{path}");
    }
    let put = async |path: &str, body: Value| {
        let body = body.to_string();
        site.send(Method::PUT, path, &[("content-type", MANIFEST)], body.as_bytes()).await
    };
    let part = json!({"mediaType": "x/y", "digest": absent.to_string(), "size": 1});
    let two = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": part, "layers": [part]});
    let missing = put("/v2/acme/hello/manifests/tag", two).await;
    assert_eq!((missing.status.as_u16(), missing.codes().len()), (400, 2), "one error for each part");
    let large =
        site.send(Method::PUT, "/v2/acme/hello/manifests/tag", &[], &vec![b' '; 4 * 1024 * 1024 + 1]).await;
    assert_eq!(
        (large.status.as_u16(), large.header(header::CONTENT_TYPE.as_str())),
        (413, "application/json")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_takes_a_wasm_artifact_only_and_other_names_are_plain_content() {
    let site = Site::new().await;
    let wasm = module(b"one");
    let layer = site.push_blob("acme/hello", &wasm).await.to_string();
    let config = site.push_blob("acme/hello", b"{}").await.to_string();
    let one = json!({"mediaType": "application/wasm", "digest": layer, "size": wasm.len()});
    let tar =
        json!({"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": wasm.len()});
    let manifest = |layers: Value| {
        let config = json!({"mediaType": "application/vnd.wasm.config.v0+json", "digest": config, "size": 2});
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}).to_string()
    };
    let wrong_size = json!({"mediaType": "application/wasm", "digest": layer, "size": 1});
    for layers in [json!([one, one]), json!([tar]), json!([]), json!([wrong_size])] {
        let body = manifest(layers);
        let put = site.send(Method::PUT, "/v2/acme/hello/manifests/1.0.0", &[], body.as_bytes()).await;
        assert_eq!((put.status.as_u16(), put.codes()), (400, vec!["MANIFEST_INVALID".to_owned()]), "{body}");
    }
    let size = site.registry.snapshot().checkpoint().size();
    // A config that lies is kept and never believed; a name that `warg` could not say is no package's.
    let body = manifest(json!([one]));
    for repository in ["acme/v-2", "Acme-less/one/more/part".to_ascii_lowercase().as_str(), "acme.io/hello"] {
        site.push_blob(repository, &wasm).await;
        site.push_blob(repository, b"{}").await;
        let path = format!("/v2/{repository}/manifests/1.0.0");
        assert_eq!(site.send(Method::PUT, &path, &[], body.as_bytes()).await.status, StatusCode::CREATED);
        assert_eq!(site.get(&path).await.bytes, body.as_bytes());
    }
    assert_eq!(site.registry.snapshot().checkpoint().size(), size, "nothing of it is in the log");
    let sealed = [&wasm[..], &[0, 0x92, 0x80, 0x80, 0x80, 0, 12], b"wargate-seal", b"proof"].concat();
    let (_, put) = site.push("acme/sealed", "1.0.0", &sealed).await;
    assert!(put.status == 400 && String::from_utf8_lossy(&put.bytes).contains("seal"), "{:?}", put.bytes);
}
