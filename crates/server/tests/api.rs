//! Wargate's own JSON over a real registry: an act and its content in one round trip, and what bad ones are told.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test ends where something fails, and waits for real"
)]

#[allow(unreachable_pub, reason = "it is written for the registry's own tests")]
#[path = "../../registry/tests/support/mod.rs"]
mod support;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use support::{TestClock, key, module, open};
use tower::ServiceExt as _;
use wargate_core::act::{self, Act, Release, Step};
use wargate_core::digest::Digest;
use wargate_core::id::{LogId, RecordId};
use wargate_core::name::LogName;
use wargate_registry::clock::Clock as _;
use wargate_server::{Options, router};
use wargate_wire::api::{EndorsementBody, SignedActBody};
use wargate_wire::text::Base64;

const PATH: &str = "/api/packages/acme/hello/releases";

struct Site {
    _dir: tempfile::TempDir,
    clock: Arc<TestClock>,
    router: Router,
    root: RecordId,
}

impl Site {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = TestClock::new();
        let registry = open(dir.path(), &clock).await;
        let snapshot = registry.snapshot();
        let operator = snapshot.log_page(&LogId::operator(), None, 1, 1).await.unwrap();
        let root = operator.records[0].envelope.record_id(LogName::Operator.layer());
        let options = Options { public_url: Some("https://registry.test".to_owned()) };
        Self { _dir: dir, clock, router: router(registry, options), root }
    }

    /// The field `act`: a release of `acme:hello` that key `by` endorsed.
    fn act(&self, by: u8, version: &str, content: &[u8], first: bool) -> Value {
        let release = release(version, content);
        let init = Step::Init { keys: vec![key(by).public().clone()], threshold: 1 };
        self.signed(by, if first { vec![init, release] } else { vec![release] })
    }

    fn signed(&self, by: u8, steps: Vec<Step>) -> Value {
        let act = Act {
            root: Some(self.root),
            log: LogId::package(&"acme:hello".parse().unwrap()),
            steps,
            not_before: self.clock.now().plus_seconds(-60),
            not_after: self.clock.now().plus_seconds(600),
            nonce: [by; 16],
        };
        let act = act.encode();
        let endorsements = vec![EndorsementBody::from(&act::endorse(&act, &key(by)).unwrap())];
        serde_json::to_value(SignedActBody { act: Base64(act), endorsements }).unwrap()
    }

    async fn send(&self, path: &str, fields: &[(&str, &[u8])]) -> (StatusCode, Value) {
        let mut body = Vec::new();
        for (name, value) in fields {
            body.extend_from_slice(b"--cut\r\nContent-Disposition: form-data; name=\"");
            body.extend_from_slice(name.as_bytes());
            body.extend_from_slice(b"\"\r\n\r\n");
            body.extend_from_slice(value);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--cut--\r\n");
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "multipart/form-data; boundary=cut")
            .body(Body::from(body))
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        assert_eq!(parts.headers[header::CONTENT_TYPE], "application/json");
        let bytes = body.collect().await.unwrap().to_bytes();
        (parts.status, serde_json::from_slice(&bytes).unwrap())
    }

    /// Asks with JSON.
    async fn ask(&self, method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(body.to_string())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (parts.status, serde_json::from_slice(&bytes).unwrap())
    }

    async fn release(&self, act: &Value, content: Option<&[u8]>) -> (StatusCode, Value) {
        let act = act.to_string();
        let mut fields = vec![("act", act.as_bytes())];
        fields.extend(content.map(|content| ("content", content)));
        self.send(PATH, &fields).await
    }
}

fn release(version: &str, content: &[u8]) -> Step {
    Step::Release(Release {
        version: version.parse().unwrap(),
        content: Digest::of(content),
        manifest: None,
        variants: Vec::new(),
        dependencies: Vec::new(),
        on_behalf_of: None,
        breaking: false,
    })
}

#[track_caller]
fn refused(answer: &(StatusCode, Value), status: u16, code: &str) {
    let (found, body) = answer;
    assert_eq!((found.as_u16(), &body["code"]), (status, &json!(code)), "{body}");
    let said = body.as_object().unwrap();
    assert!(
        said["message"].is_string()
            && said.keys().all(|key| ["status", "code", "message", "hint"].contains(&&**key))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_and_its_content_are_published_in_one_round_trip() {
    let site = Site::new().await;
    // Larger than a row of the ledger, so it is streamed into an object.
    let content = module(&[7; 100_000]);
    let act = site.act(10, "1.0.0", &content, true);
    let (status, body) = site.release(&act, Some(&content)).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    assert_eq!(body["package"], "acme:hello");
    assert_eq!(body["version"], "1.0.0");
    assert_eq!(body["digest"], Digest::of(&content).to_string());
    assert_eq!((&body["registryIndex"], &body["before"]), (&json!(2), &json!(false)));
    // The same again, with and without its content.
    for content in [Some(&content[..]), None] {
        let (status, again) = site.release(&act, content).await;
        assert_eq!(status, StatusCode::OK, "{again}");
        assert_eq!((&again["recordId"], &again["before"]), (&body["recordId"], &json!(true)));
    }
    // What is stored already need not be sent.
    let (status, body) = site.release(&site.act(10, "1.0.1", &content, false), None).await;
    assert_eq!((status, &body["registryIndex"]), (StatusCode::CREATED, &json!(3)));
    let path = format!("/v1/content/{}/bytes", Digest::of(&content));
    let served = site.router.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(served.into_body().collect().await.unwrap().to_bytes(), content);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_is_refused_with_a_code_and_words() {
    let site = Site::new().await;
    let content = module(b"one");
    let first = site.act(10, "1.0.0", &content, true);
    refused(&site.release(&first, None).await, 404, "content-unknown");
    refused(&site.release(&first, Some(b"other bytes")).await, 400, "digest-mismatch");
    let text = b"this is no wasm";
    refused(&site.release(&site.act(10, "1.0.0", text, true), Some(text)).await, 422, "content-refused");
    let other_path = first.to_string();
    let elsewhere = site.send("/api/packages/acme/other/releases", &[("act", other_path.as_bytes())]).await;
    refused(&elsewhere, 422, "invalid");
    assert_eq!(site.release(&first, Some(&content)).await.0, StatusCode::CREATED);

    let others = site.act(11, "1.1.0", &content, false);
    let answer = site.release(&others, None).await;
    refused(&answer, 403, "denied");
    let owner = key(10).public().id().to_string();
    assert!(answer.1["message"].as_str().unwrap().contains(&owner), "{}", answer.1);
    let changed = module(b"changed");
    refused(
        &site.release(&site.act(10, "1.0.0", &changed, false), Some(&changed)).await,
        409,
        "already-released",
    );
    let mut forged = site.act(10, "1.1.0", &content, false);
    forged["endorsements"] = site.act(10, "1.2.0", &content, false)["endorsements"].take();
    refused(&site.release(&forged, None).await, 401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_such_form_is_refused() {
    let site = Site::new().await;
    let content = module(b"one");
    let act = site.act(10, "1.0.0", &content, true).to_string();
    let act = act.as_bytes();
    let yank = Step::Yank { version: "1.0.0".parse().unwrap(), reason: String::new() };
    let no_release = site.signed(10, vec![yank]).to_string();
    let large = vec![b' '; 200 * 1024];
    let unknown = json!({ "act": "", "endorsements": [], "more": 1 }).to_string();
    for (fields, status, code) in [
        (vec![], 400, "malformed"),
        (vec![("content", &content[..])], 400, "malformed"),
        (vec![("act", act), ("other", &content)], 400, "malformed"),
        (vec![("act", act), ("content", &content), ("more", b"")], 400, "malformed"),
        (vec![("act", b"{}")], 400, "malformed"),
        (vec![("act", unknown.as_bytes())], 400, "malformed"),
        (vec![("act", &large)], 413, "too-large"),
        (vec![("act", br#"{"act": "AAAA", "endorsements": []}"#)], 422, "invalid"),
        (vec![("act", no_release.as_bytes())], 422, "invalid"),
    ] {
        refused(&site.send(PATH, &fields).await, status, code);
    }
    refused(&site.send("/api/packages/UP/hello/releases", &[]).await, 400, "malformed");
    let plain = Request::post(PATH).body(Body::from("act")).unwrap();
    let answer = site.router.clone().oneshot(plain).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    // Nothing of all that stays in the way.
    let (status, body) = site.send(PATH, &[("act", act), ("content", &content)]).await;
    assert_eq!((status, &body["registryIndex"]), (StatusCode::CREATED, &json!(2)), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_to_which_more_must_agree_is_told_as_a_proposal() {
    let site = Site::new().await;
    let content = module(b"one");
    let team: Vec<_> = [10, 11].into_iter().map(|seed| key(seed).public().clone()).collect();
    let init = Step::Init { keys: team, threshold: 2 };
    let mut first = site.signed(10, vec![init, release("1.0.0", &content)]);
    let (status, told) = site.release(&first, Some(&content)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{told}");
    let keys: Vec<&str> = told.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "act",
            "endorsements",
            "handedIn",
            "handedInBy",
            "lacks",
            "log",
            "notAfter",
            "proposal",
            "rejected",
            "says"
        ]
    );
    assert_eq!((&told["act"], &told["endorsements"]), (&first["act"], &first["endorsements"]));
    assert_eq!(told["lacks"], "Init needs the agreement of 2 keys of the role `owner`, it has 1");
    let list = site.ask("GET", "/api/proposals?log=acme:hello", &Value::Null).await;
    assert_eq!(list, (StatusCode::OK, json!({ "proposals": [told] })));
    let id = told["proposal"].as_str().unwrap();
    let one = site.ask("GET", &format!("/api/proposals/{id}?log=acme:hello"), &Value::Null).await;
    assert_eq!(one, (StatusCode::OK, told.clone()));
    for (path, status, code) in [
        (format!("/api/proposals/{id}?log=acme:other"), 404, "proposal-unknown"),
        (format!("/api/proposals/{id}"), 400, "malformed"),
        ("/api/proposals/sha256:1?log=acme:hello".to_owned(), 400, "malformed"),
        ("/api/proposals?log=Acme".to_owned(), 400, "malformed"),
    ] {
        refused(&site.ask("GET", &path, &Value::Null).await, status, code);
    }
    for (body, status, code) in [
        (json!({ "log": "acme:hello", "reason": "" }), 422, "invalid"),
        (json!({ "log": "acme:other", "reason": "no" }), 404, "proposal-unknown"),
        (json!({ "log": "acme:hello" }), 400, "malformed"),
        (json!({ "log": "acme:hello", "reason": "x".repeat(10_000) }), 413, "too-large"),
    ] {
        let answer = site.ask("POST", &format!("/api/proposals/{id}/reject"), &body).await;
        refused(&answer, status, code);
    }
    // The other one agrees by handing in the same act, signed.
    let bytes =
        Act::decode(&serde_json::from_value::<Base64>(first["act"].take()).unwrap().0).unwrap().encode();
    let agreed = EndorsementBody::from(&act::endorse(&bytes, &key(11)).unwrap());
    let body = json!({ "log": "acme:hello", "act": told["act"], "endorsements": [agreed] });
    let (status, done) = site.ask("POST", "/api/acts", &body).await;
    assert_eq!((status, &done["before"]), (StatusCode::CREATED, &json!(false)), "{done}");
    let list = site.ask("GET", "/api/proposals?log=acme:hello", &Value::Null).await;
    assert_eq!(list.1, json!({ "proposals": [] }));
}
