//! A registry, and what people do in it.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;
use wargate_core::act::power::Power;
use wargate_core::act::scope::Scope;
use wargate_core::act::{self, Act, AnnotationKind, Grant, Release, Revoke, Step};
use wargate_core::digest::Digest;
use wargate_core::key::PublicKey;
use wargate_core::name::LogName;
use wargate_registry::clock::Clock as _;
use wargate_registry::{Registry, SignedAct};
use wargate_server::{Options, router};

use crate::support::{self, TestClock, WAIT, key, module, open};

pub const DAY: i64 = 24 * 60 * 60;
/// The registry's publishing key, which may start namespaces.
pub const PUBLISHING: u8 = 4;
/// The namespace's owners; both must agree.
pub const ACME: [u8; 2] = [50, 51];
pub const ALICE: u8 = 60;

pub struct Site {
    _dir: tempfile::TempDir,
    pub clock: Arc<TestClock>,
    pub registry: Registry,
    router: Router,
    acts: u8,
}

impl Site {
    pub async fn new() -> Self {
        let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
        let registry = open(dir.path(), &clock).await;
        let router = router(registry.clone(), Options::default());
        Self { _dir: dir, clock, registry, router, acts: 0 }
    }

    /// Does an act on a log; the record's id.
    pub async fn run(&mut self, log: &str, steps: Vec<Step>, by: &[u8]) -> String {
        self.acts += 1;
        let (log, now) = (log.parse::<LogName>().unwrap(), self.clock.now());
        let act = Act {
            root: self.registry.snapshot().root().copied(),
            log: log.log_id(),
            steps,
            not_before: now.plus_seconds(-60),
            not_after: now.plus_seconds(600),
            nonce: [self.acts; 16],
        };
        let bytes = Bytes::from(act.encode());
        let endorsements = by.iter().map(|seed| act::endorse(&bytes, &key(*seed)).unwrap()).collect();
        let signed = SignedAct { log, act: bytes, endorsements };
        for step in &act.steps {
            let Step::Release(release) = step else { continue };
            let mut arriving = self.registry.begin_act_content(&signed, None).await.unwrap();
            arriving.write(module(release.version.to_string().as_bytes()).into()).await.unwrap();
            arriving.finish().await.unwrap();
        }
        support::carried(self.registry.submit(signed, WAIT).await.unwrap()).record.to_string()
    }

    pub async fn get(&self, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).header(header::HOST, "localhost").body(Body::empty()).unwrap();
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        (parts.status, String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    pub async fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// A package with roles under roles, one of which ended and lost its trust.
    pub async fn story(&mut self) {
        let init = Step::Init { keys: publics(&ACME), threshold: 2 };
        let starters = Grant { scope: scope(&["hello", "http-*"]), ..grant("starters", &[52], &[]) };
        self.run("acme", vec![init, Step::Grant(starters)], &[ACME[0], ACME[1], PUBLISHING]).await;
        let release = [Power::Release];
        let end = |days: i64| Some(self.clock.now().plus_seconds(days * DAY));
        let ci =
            Grant { scope: scope(&[">=1.0.0 <2.0.0"]), not_after: end(20), ..grant("ci", &[61], &release) };
        let both = [Power::Release, Power::Yank];
        let lead = Grant { threshold: 2, depth: 2, not_after: end(300), ..grant("lead", &[65, 66], &both) };
        let night = Grant { parent: "lead".to_owned(), ..grant("night-shift", &[67], &release) };
        let mut steps = vec![Step::Init { keys: publics(&[ALICE]), threshold: 1 }];
        steps.extend([ci, lead, night, grant("helper", &[70], &release)].map(Step::Grant));
        self.run("acme:hello", steps, &[52, ALICE, 65, 66]).await;
        self.run("acme:hello", vec![released("1.0.0")], &[61]).await;
        let since = self.run("acme:hello", vec![released("2.0.0")], &[70]).await;
        let since = Some(since.parse().unwrap());
        let theft = Step::Revoke(Revoke { role: "helper".to_owned(), key_ids: Vec::new(), since });
        self.run("acme:hello", vec![theft], &[ALICE]).await;
    }
}

pub fn publics(seeds: &[u8]) -> Vec<PublicKey> {
    seeds.iter().map(|seed| key(*seed).public().clone()).collect()
}

pub fn id(seed: u8) -> String {
    key(seed).public().id().to_string()
}

pub fn scope(texts: &[&str]) -> Scope {
    Scope::parse(&texts.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
}

pub fn grant(role: &str, seeds: &[u8], powers: &[Power]) -> Grant {
    Grant {
        role: role.to_owned(),
        keys: publics(seeds),
        threshold: 1,
        powers: powers.to_vec(),
        scope: Scope::Unlimited,
        not_after: None,
        depth: 0,
        parent: String::new(),
    }
}

pub fn released(version: &str) -> Step {
    Step::Release(Release {
        version: version.parse().unwrap(),
        content: Digest::of(&module(version.as_bytes())),
        manifest: None,
        variants: Vec::new(),
        dependencies: Vec::new(),
        on_behalf_of: None,
        breaking: false,
    })
}

pub fn says(kind: AnnotationKind, subject: &str, value: &str) -> Step {
    Step::Annotate { kind, subject: subject.to_owned(), value: value.to_owned() }
}

/// Of each object of a list these fields.
pub fn fields(list: &Value, names: &[&str]) -> Value {
    let of = |one: &Value| names.iter().map(|name| one[*name].clone()).collect::<Value>();
    list.as_array().unwrap().iter().map(of).collect()
}
