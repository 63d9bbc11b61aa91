//! A registry with something private in it, and callers of every kind.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use wargate_core::digest::Digest;
use wargate_core::time::Time;
use wargate_registry::access::tokens::{self, NewToken};
use wargate_registry::access::{Access, Action};
use wargate_registry::clock::Clock as _;
use wargate_registry::db::Db;
use wargate_registry::random::SystemRandom;
use wargate_registry::{Config, Registry};
use wargate_server::{Options, router};

use crate::Kind;
use crate::support::{TestClock, config, engines, genesis};

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const HOUR: Duration = Duration::from_secs(3600);

/// One request: a route of the router, and how it is asked.
pub struct Asked {
    pub route: &'static str,
    pub kind: Kind,
    pub method: &'static str,
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

pub fn ask(route: &'static str, kind: Kind, method: &'static str, path: impl Into<String>) -> Asked {
    Asked { route, kind, method, path: path.into(), headers: Vec::new(), body: Vec::new() }
}

impl Asked {
    pub fn json(mut self, body: &Value) -> Self {
        self.headers.push(("content-type", "application/json".to_owned()));
        self.body = body.to_string().into_bytes();
        self
    }

    pub fn bytes(mut self, content_type: &str, body: &[u8]) -> Self {
        self.headers.push(("content-type", content_type.to_owned()));
        self.body = body.to_vec();
        self
    }
}

pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// A registry that everybody reads but for `secret`, with something in it, and callers of every kind.
pub struct Site {
    _dir: tempfile::TempDir,
    pub clock: Arc<TestClock>,
    pub db: Arc<dyn Db>,
    pub registry: Registry,
    pub router: Router,
    pub tokens: BTreeMap<&'static str, String>,
}

pub async fn token(db: &dyn Db, clock: &TestClock, account: &str, scopes: &[&str]) -> (String, String) {
    let new = NewToken {
        account: account.to_owned(),
        scopes: scopes.iter().map(|scope| scope.parse().unwrap()).collect(),
        operator: scopes.is_empty(),
        life: Some(HOUR),
    };
    let (secret, token) = tokens::create(db, &SystemRandom, clock.now_ms(), &new).await.unwrap();
    (secret, token.id)
}

impl Site {
    pub async fn new() -> Self {
        let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
        let (db, objects) = engines(dir.path());
        let access = Access {
            anonymous: [Action::Pull].into_iter().collect(),
            private: vec!["secret/*".parse().unwrap()],
        };
        let config = Config { access, ..config() };
        let first = Some(genesis(clock.now()));
        let registry = Registry::open(config, db.clone(), objects, clock.clone(), first).await.unwrap();
        let router = router(registry.clone(), Options::default());
        let mut tokens = BTreeMap::new();
        tokens.insert("wrong", "wgt_0123456789ab_nobody".to_owned());
        tokens.insert("expired", token(&*db, &clock, "old", &["secret/*:*"]).await.0);
        clock.advance(HOUR);
        let (revoked, id) = token(&*db, &clock, "gone", &["secret/*:*"]).await;
        assert!(tokens::revoke(&*db, &id, clock.now_ms()).await.unwrap());
        assert!(!tokens::revoke(&*db, &id, clock.now_ms()).await.unwrap(), "once");
        tokens.insert("revoked", revoked);
        tokens.insert("neighbour", token(&*db, &clock, "neighbour", &["acme/*:*", "secret2/*:*"]).await.0);
        tokens.insert("reader", token(&*db, &clock, "reader", &["secret/*:pull"]).await.0);
        tokens.insert("holder", token(&*db, &clock, "holder", &["secret/*:*"]).await.0);
        tokens.insert("operator", token(&*db, &clock, "ops", &[]).await.0);
        let mut site = Self { _dir: dir, clock, db, registry, router, tokens };
        let session =
            site.session("neighbour", "repository:acme/app:pull,push repository:secret/app:pull,push").await;
        site.tokens.insert("session", session);
        site
    }

    pub fn now(&self) -> Time {
        self.clock.now()
    }

    pub async fn send(&self, asked: &Asked, token: Option<&str>) -> Reply {
        let mut request = Request::builder().method(asked.method).uri(&asked.path);
        for (name, value) in &asked.headers {
            request = request.header(*name, value);
        }
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Body::from(asked.body.clone())).unwrap();
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        Reply { status: parts.status, headers: parts.headers, bytes }
    }

    pub async fn send_as(&self, asked: &Asked, caller: &str) -> Reply {
        self.send(asked, self.tokens.get(caller).map(String::as_str)).await
    }

    /// A token of the token flow.
    pub async fn session(&self, caller: &str, scope: &str) -> String {
        let path = format!("/v2/token?service=x&scope={}", scope.replace(' ', "%20"));
        let reply = self.send_as(&ask("/v2/token", Kind::Public, "GET", path), caller).await;
        let body: Value = serde_json::from_slice(&reply.bytes).unwrap();
        assert_eq!(body["token"], body["access_token"]);
        assert_eq!(body["expires_in"], 300);
        body["token"].as_str().unwrap().to_owned()
    }

    /// A blob of a repository, as its holder pushes it.
    pub async fn push_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        let asked = ask("", Kind::Write, "POST", path).bytes("application/octet-stream", bytes);
        assert_eq!(self.send_as(&asked, "operator").await.status, StatusCode::CREATED);
        digest
    }

    pub async fn artifact(&self, repository: &str, wasm: &[u8]) -> Vec<u8> {
        let layer = self.push_blob(repository, wasm).await;
        let config = self.push_blob(repository, b"{}").await;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.wasm.config.v0+json", "digest": config.to_string(), "size": 2},
            "layers": [{"mediaType": "application/wasm", "digest": layer.to_string(), "size": wasm.len()}],
        });
        serde_json::to_vec(&manifest).unwrap()
    }
}
