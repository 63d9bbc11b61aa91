//! The Warg and log doors over a real registry: the whole path of a release, and what bad requests are told.
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
use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use support::{Author, TestClock, lift, module, open, operate, release, takedown};
use tower::ServiceExt as _;
use wargate_core::act::Step;
use wargate_core::digest::Digest;
use wargate_core::id::{Layer, LogId};
use wargate_registry::Registry;
use wargate_registry::clock::Clock as _;
use wargate_server::{Options, router};
use wargate_wire::warg::EnvelopeBody;

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
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/json", "the client compares it whole");
        serde_json::from_slice(&self.bytes).unwrap()
    }
}

impl Site {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = TestClock::new();
        let registry = open(dir.path(), &clock).await;
        let options = Options { public_url: Some("https://registry.test".to_owned()) };
        Self { _dir: dir, clock, router: router(registry.clone(), options), registry }
    }

    async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        Reply { status: parts.status, headers: parts.headers, bytes }
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, body: impl ToString) -> Reply {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_goes_in_and_comes_out_with_proofs() {
    let site = Site::new().await;
    let alice = Author::new(10, "acme:hello", &site.clock);
    let content = &module(b"and so on");
    let digest = Digest::of(content);
    let signed = alice.record(vec![alice.init(), release("1.0.0", digest)]);
    let id = signed.envelope.record_id(Layer::Package);
    let log = alice.log();
    let body = json!({"packageName": "acme:hello", "record": EnvelopeBody::from(&signed.envelope)});

    let sourcing = site.post(&format!("/v1/package/{log}/record"), &body).await;
    assert_eq!(sourcing.status, StatusCode::ACCEPTED);
    let upload = format!("v1/package/{log}/record/{id}/content/{digest}");
    assert_eq!(
        sourcing.json(),
        json!({"recordId": id.to_string(), "state": "sourcing", "missingContent": {digest.to_string():
            {"upload": [{"type": "http", "method": "POST", "url": upload}]}}})
    );

    let wrong = site.post(&format!("/{upload}"), "other bytes").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    let put = Request::put(format!("/{upload}")).body(Body::from(content.to_vec())).unwrap();
    assert_eq!(site.send(put).await.status, StatusCode::CREATED);

    let published = loop {
        let state = site.get(&format!("/v1/package/{log}/record/{id}")).await.json();
        match state["state"].as_str() {
            Some("published") => break state,
            Some("processing") => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            _ => panic!("{state}"),
        }
    };
    let index = published["registryIndex"].as_u64().unwrap();
    let again = site.post(&format!("/{upload}"), "x").await;
    assert_eq!((again.status, again.json()), (StatusCode::METHOD_NOT_ALLOWED, json!({"status": 405})));

    let checkpoint = site.get("/v1/fetch/checkpoint").await.json();
    let size = checkpoint["contents"]["logLength"].as_u64().unwrap();
    let asked = json!({"logLength": size, "packages": {log.to_string(): null}});
    let logs = site.post("/v1/fetch/logs", asked).await.json();
    assert_eq!(logs["packages"][log.to_string()][0]["fetchToken"], id.to_string());
    assert_eq!(logs["packages"][log.to_string()][0]["registryIndex"], index);
    let proof = site.post("/v1/proof/inclusion", json!({"logLength": size, "leafs": [index]})).await;
    assert_eq!(proof.status, StatusCode::OK);
    let verdict = site.post("/v1/verify/checkpoint", &checkpoint).await.json();
    assert_eq!(verdict, json!({"checkpoint": "verified", "signature": "verified"}));

    let sources = site.get(&format!("/v1/content/{digest}")).await.json();
    let url = sources["contentSources"][digest.to_string()][0]["url"].as_str().unwrap();
    let path = url.strip_prefix("https://registry.test").unwrap();
    assert_eq!(site.get(path).await.bytes, *content);
    let range = Request::get(path).header(header::RANGE, "bytes=1-3").body(Body::empty()).unwrap();
    let piece = site.send(range).await;
    assert_eq!((piece.status, &piece.bytes[..]), (StatusCode::PARTIAL_CONTENT, &b"asm"[..]));
    assert_eq!(piece.headers[header::CONTENT_RANGE], format!("bytes 1-3/{}", content.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_is_taken_down_is_refused_and_its_page_says_why() {
    let site = Site::new().await;
    let mut alice = Author::new(10, "acme:hello", &site.clock);
    let wasm = module(b"evil");
    alice.release(&site.registry, "1.0.0", &wasm).await;
    let content = format!("/v1/content/{}", Digest::of(&wasm));
    let paths = [content.clone(), format!("{content}/bytes")];
    for path in &paths {
        assert_eq!(site.get(path).await.status, StatusCode::OK);
    }
    assert_eq!(site.get("/api/packages/acme/hello/1.0.0").await.json()["takenDown"], Value::Null);
    let until = site.clock.now().plus_seconds(86_400);
    operate(&site.registry, &site.clock, 1, takedown("acme:hello@1.0.0", Some(until))).await;
    for path in &paths {
        let refused = site.get(path).await;
        assert_eq!(refused.status.as_u16(), 451);
        let body = refused.json();
        let words = body["message"].as_str().unwrap();
        let begins = format!("`acme:hello@1.0.0` is in quarantine until {until}: it steals keys (record ");
        assert!(words.starts_with(&begins) && body["status"] == 451, "{words}");
    }
    // The record is proven to whoever asks, and said wherever the release is.
    let log = json!({"logLength": 2, "packages": {alice.log().to_string(): null}});
    assert_eq!(site.post("/v1/fetch/logs", log).await.status, StatusCode::OK);
    let release = site.get("/api/packages/acme/hello/1.0.0").await.json();
    assert_eq!(release["takenDown"]["reason"], "it steals keys");
    assert_eq!(release["takenDown"]["until"], until.to_string());
    assert!(release["inspection"].is_null() && release["takenDown"]["recordId"].is_string());
    let package = site.get("/acme/hello.json").await.json();
    assert_eq!((&package["latest"], package["releases"][0]["takenDown"].is_object()), (&Value::Null, true));
    for path in ["/acme/hello/1.0.0", "/acme/hello"] {
        let page = String::from_utf8(site.get(path).await.bytes).unwrap();
        assert!(page.to_lowercase().contains("quarantine"), "{path}");
    }
    operate(&site.registry, &site.clock, 2, lift("acme:hello@1.0.0")).await;
    for path in &paths {
        assert_eq!(site.get(path).await.status, StatusCode::OK);
    }
    assert_eq!(site.get("/acme/hello.json").await.json()["latest"], "1.0.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_the_operator_imports_is_hinted_at() {
    let site = Site::new().await;
    let import = Step::Import { namespace: "wasi".parse().unwrap(), registry: "wasi.dev".to_owned() };
    operate(&site.registry, &site.clock, 1, import).await;
    let alice = Author::new(10, "wasi:http", &site.clock);
    let record = alice.record(vec![alice.init()]);
    let body = json!({"packageName": "wasi:http", "record": EnvelopeBody::from(&record.envelope)});
    let refused = site.post(&format!("/v1/package/{}/record", alice.log()), body).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert_eq!(refused.json()["type"], "namespaceImport");
    assert_eq!(refused.headers[wargate_wire::warg::REGISTRY_HINT_HEADER], "wasi=wasi.dev");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_told_what_is_wrong() {
    let site = Site::new().await;
    let log = LogId::package(&"acme:hello".parse().unwrap());
    let deep = "[".repeat(100_000);
    for (path, body, status) in [
        ("/v1/fetch/logs", "", 400),
        ("/v1/fetch/logs", "{", 400),
        ("/v1/fetch/logs", deep.as_str(), 400),
        ("/v1/fetch/logs", r#"{"logLength":1,"unknown":1}"#, 400),
        ("/v1/fetch/logs", r#"{"logLength":1,"limit":0}"#, 400),
        ("/v1/fetch/logs", r#"{"logLength":1,"limit":1001}"#, 400),
        ("/v1/package/sha256:AB/record", "{}", 400),
        ("/v1/nothing", "{}", 404),
        ("/v1/fetch/checkpoint", "{}", 405),
    ] {
        let reply = site.post(path, body).await;
        let shown = body.get(..40).unwrap_or(body);
        assert_eq!(reply.status.as_u16(), status, "{path} {shown}");
        assert_eq!(reply.json()["status"], status, "{path} {shown}");
        assert!(reply.json()["message"].is_string(), "{path} {shown}");
    }
    let many: serde_json::Map<_, _> =
        (0..10_001_u32).map(|i| (Digest::of(&i.to_be_bytes()).to_string(), Value::Null)).collect();
    for (path, body, expected) in [
        ("/v1/fetch/logs", json!({"logLength": 99}), json!({"status": 404, "type": "logLength", "id": 99})),
        (
            "/v1/fetch/logs",
            json!({"logLength": 1, "operator": "x"}),
            json!({"status": 404, "type": "fetchToken", "id": "x"}),
        ),
        (
            "/v1/fetch/logs",
            json!({"logLength": 1, "packages": {log.to_string(): null}}),
            json!({"status": 404, "type": "log", "id": log.to_string()}),
        ),
        (
            "/v1/proof/inclusion",
            json!({"logLength": 1, "leafs": [7]}),
            json!({"status": 404, "type": "leaf", "id": 7}),
        ),
        (
            "/v1/proof/consistency",
            json!({"from": 1, "to": 9}),
            json!({"status": 404, "type": "logLength", "id": 9}),
        ),
    ] {
        assert_eq!(site.post(path, &body).await.json(), expected, "{path} {body}");
    }
    let reply = site.post("/v1/fetch/logs", json!({"logLength": 1, "packages": many})).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_door_serves_files_and_nothing_else() {
    let site = Site::new().await;
    let checkpoint = loop {
        let reply = site.get("/log/checkpoint").await;
        if reply.status == StatusCode::OK {
            break reply;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    assert_eq!(checkpoint.headers[header::CONTENT_TYPE], "text/plain; charset=utf-8");
    let entries = site.get("/log/tile/entries/000.p/1").await;
    assert_eq!((entries.status, entries.bytes.len()), (StatusCode::OK, 162));
    let etag = entries.headers[header::ETAG].clone();
    let known = Request::get("/log/tile/entries/000.p/1").header(header::IF_NONE_MATCH, etag);
    assert_eq!(site.send(known.body(Body::empty()).unwrap()).await.status, StatusCode::NOT_MODIFIED);
    for path in
        ["/log/", "/log/tile/0/0", "/log/../ledger.sqlite", "/log/%2e%2e/ledger.sqlite", "/log/tile/0/001"]
    {
        assert_eq!(site.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}
