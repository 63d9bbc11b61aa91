//! Every route by every kind of caller: what is private is nobody's but its people's, at each door.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test ends where something fails, and waits for real"
)]

#[allow(unreachable_pub, reason = "it is written for the registry's own tests")]
#[path = "../../../registry/tests/support/mod.rs"]
mod support;

mod flow;
mod site;

use std::collections::BTreeSet;

use axum::http::{StatusCode, header};
use serde_json::{Value, json};
use site::{Asked, MANIFEST, Reply, Site, ask};
use support::{Author, WAIT, module, release};
use wargate_core::act::{AnnotationKind, Step};
use wargate_core::digest::Digest;
use wargate_core::id::{Layer, LogId};
use wargate_core::name::LogName;
use wargate_registry::{HandedIn, SignedAct};
use wargate_wire::api::{ActBody, EndorsementBody, SignedActBody};
use wargate_wire::text::Base64;
use wargate_wire::warg::EnvelopeBody;

/// Who asks, in the order in which they do: those who may not come first.
const CALLERS: [&str; 9] =
    ["none", "wrong", "expired", "revoked", "neighbour", "session", "reader", "holder", "operator"];

/// Those whose word is not good.
const BAD: [&str; 3] = ["wrong", "expired", "revoked"];

/// What a route is about, and so who gets what of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The same for everybody, whatever they say of themselves.
    Static,
    /// The same for everybody whose word is good.
    Public,
    /// Names what is private, to read it.
    Read,
    /// The same, and changes it.
    Write,
    /// Names it by a digest.
    Digest,
    /// Lists everything that may be seen.
    List,
    /// For the operator.
    Figures,
}

/// What a caller must be told.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Done,
    /// 401.
    LogIn,
    /// 403.
    No,
    /// 404.
    NotThere,
    /// 200, and nothing private in it.
    WithoutPrivate,
}

fn expected(kind: Kind, caller: &str) -> Told {
    let bad = BAD.contains(&caller);
    let sees = ["reader", "holder", "operator"].contains(&caller);
    match kind {
        Kind::Static => Told::Done,
        _ if bad => Told::LogIn,
        Kind::Public => Told::Done,
        Kind::Figures if caller == "operator" => Told::Done,
        Kind::Figures => Told::LogIn,
        Kind::List if sees => Told::Done,
        Kind::List => Told::WithoutPrivate,
        Kind::Write if ["holder", "operator"].contains(&caller) => Told::Done,
        Kind::Read | Kind::Digest if sees => Told::Done,
        Kind::Digest => Told::NotThere,
        Kind::Read | Kind::Write if caller == "none" => Told::LogIn,
        Kind::Write => Told::No,
        Kind::Read => Told::NotThere,
    }
}

impl Site {
    /// Everything that can be asked, about what is private where it is about something, by one caller: whoever writes
    /// writes something of their own.
    async fn everything(&self, caller: &str, world: &World) -> Vec<Asked> {
        let mut all = public(world);
        all.extend(read(world));
        all.extend(self.write(caller).await);
        all.extend(self.proposals(caller).await);
        all
    }

    /// An act that releases a version of `secret:NAME`, with its content, as its owner sends it.
    fn act(&self, name: &str) -> Asked {
        let content = module(name.as_bytes());
        let owner = support::key(32);
        let release = wargate_core::act::Release {
            version: "1.0.0".parse().unwrap(),
            content: Digest::of(&content),
            manifest: None,
            variants: Vec::new(),
            dependencies: Vec::new(),
            on_behalf_of: None,
            breaking: false,
        };
        let init = Step::Init { keys: vec![owner.public().clone()], threshold: 1 };
        let act = wargate_core::act::Act {
            root: self.registry.snapshot().root().copied(),
            log: LogId::package(&format!("secret:{name}").parse().unwrap()),
            steps: vec![init, Step::Release(release)],
            not_before: self.now().plus_seconds(-60),
            not_after: self.now().plus_seconds(600),
            nonce: [1; 16],
        };
        let act = act.encode();
        let endorsements = vec![EndorsementBody::from(&wargate_core::act::endorse(&act, &owner).unwrap())];
        let signed = serde_json::to_vec(&SignedActBody { act: Base64(act), endorsements }).unwrap();
        let mut form = Vec::new();
        for (field, value) in [("act", &signed), ("content", &content)] {
            form.extend_from_slice(
                format!("--cut\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n").as_bytes(),
            );
            form.extend_from_slice(value);
            form.extend_from_slice(b"\r\n");
        }
        form.extend_from_slice(b"--cut--\r\n");
        let path = format!("/api/packages/secret/{name}/releases");
        ask("/api/packages/{namespace}/{name}/releases", Kind::Write, "POST", path)
            .bytes("multipart/form-data; boundary=cut", &form)
    }

    /// An act on the private namespace itself.
    fn namespace_act(&self, value: &str) -> (LogName, Vec<u8>) {
        let log = LogName::Namespace("secret".parse().unwrap());
        let value = value.to_owned();
        let note = Step::Annotate { kind: AnnotationKind::Note, subject: String::new(), value };
        let act = wargate_core::act::Act {
            root: self.registry.snapshot().root().copied(),
            log: log.log_id(),
            steps: vec![note],
            not_before: self.now().plus_seconds(-60),
            not_after: self.now().plus_seconds(600),
            nonce: [2; 16],
        };
        (log, act.encode())
    }

    /// The same, by the key that owns it.
    fn act_on_namespace(&self, caller: &str) -> Asked {
        let owner = support::key(4);
        let (log, act) = self.namespace_act(&format!("{caller} was here"));
        let endorsements = vec![EndorsementBody::from(&wargate_core::act::endorse(&act, &owner).unwrap())];
        let body = ActBody { log: log.as_str().to_owned(), act: Base64(act), endorsements };
        ask("/api/acts", Kind::Write, "POST", "/api/acts").json(&serde_json::to_value(body).unwrap())
    }

    /// What waits there for its owner to agree.
    async fn proposals(&self, caller: &str) -> Vec<Asked> {
        let (log, act) = self.namespace_act(&format!("{caller} waits here"));
        let signed = SignedAct { log, act: act.into(), endorsements: Vec::new() };
        let handed_in = self.registry.submit(signed, WAIT).await.unwrap();
        let HandedIn::Proposed(proposal) = handed_in else { panic!("{handed_in:?}") };
        let one = format!("/api/proposals/{}", proposal.id);
        let rejection = json!({ "log": "secret", "reason": "no" });
        vec![
            ask("/api/proposals", Kind::Write, "GET", "/api/proposals?log=secret"),
            ask("/api/proposals/{id}", Kind::Write, "GET", format!("{one}?log=secret")),
            ask("/api/proposals/{id}/reject", Kind::Write, "POST", format!("{one}/reject")).json(&rejection),
        ]
    }

    async fn write(&self, caller: &str) -> Vec<Asked> {
        use Kind::Write;
        let mine = format!("secret/app-{caller}");
        let wasm = module(caller.as_bytes());
        let manifest = self.artifact(&mine, &wasm).await;
        let author = Author::new(30, &format!("secret:v-{caller}"), &self.clock);
        let record = author.record(vec![author.init()]);
        let body =
            json!({ "packageName": author.name.to_string(), "record": EnvelopeBody::from(&record.envelope) });
        let waiting = Author::new(31, &format!("secret:w-{caller}"), &self.clock);
        let content = module(format!("waits {caller}").as_bytes());
        let waits = waiting.record(vec![waiting.init(), release("1.0.0", Digest::of(&content))]);
        let id = waits.envelope.record_id(Layer::Package);
        self.registry.publish(waits, WAIT).await.unwrap();
        let place = format!("/v1/package/{}/record/{id}/content/{}", waiting.log(), Digest::of(&content));
        let oci = "/v2/{*path}";
        let blob = format!("/v2/{mine}/blobs/uploads/?digest={}", Digest::of(b"blob"));
        let mount = format!("/v2/{mine}/blobs/uploads/?mount={}&from=secret/app", Digest::of(&wasm));
        vec![
            ask("/v1/package/{log}/record", Write, "POST", format!("/v1/package/{}/record", author.log()))
                .json(&body),
            ask("/v1/package/{log}/record/{record}/content/{digest}", Write, "POST", place)
                .bytes("application/octet-stream", &content),
            ask(oci, Write, "POST", format!("/v2/{mine}/blobs/uploads/")),
            ask(oci, Write, "POST", blob).bytes("application/octet-stream", b"blob"),
            ask(oci, Write, "POST", mount),
            ask(oci, Write, "PUT", format!("/v2/{mine}/manifests/1.0.0")).bytes(MANIFEST, &manifest),
            ask(oci, Write, "PUT", format!("/v2/{mine}/manifests/stable")).bytes(MANIFEST, &manifest),
            self.act(&format!("act-{caller}")),
            self.act_on_namespace(caller),
        ]
    }
}

/// What is in the registry.
struct World {
    wasm: Digest,
    manifest: Digest,
    v1: LogId,
    record: String,
    size: u64,
    checkpoint: Value,
    asset: String,
}

async fn world(site: &Site) -> World {
    let wasm = module(b"private");
    for repository in ["secret/app", "acme/app"] {
        let manifest = site.artifact(repository, &module(repository.as_bytes())).await;
        let put = ask("", Kind::Write, "PUT", format!("/v2/{repository}/manifests/1.0.0"))
            .bytes(MANIFEST, &manifest);
        assert_eq!(site.send_as(&put, "operator").await.status, StatusCode::CREATED);
    }
    let mut author = Author::new(10, "secret:mine", &site.clock);
    author.release(&site.registry, "1.0.0", &wasm).await;
    let manifest = site.artifact("secret/app", &module(b"secret/app")).await;
    let checkpoint = site.send_as(&ask("", Kind::Public, "GET", "/v1/fetch/checkpoint"), "none").await;
    let page = site.send_as(&ask("", Kind::List, "GET", "/"), "none").await.text();
    let asset = page.split('"').find(|part| part.contains("assets/")).unwrap().to_owned();
    let snapshot = site.registry.snapshot();
    let signed = &snapshot.checkpoint().signed.checkpoint;
    World {
        wasm: Digest::of(&wasm),
        manifest: Digest::of(&manifest),
        v1: author.log(),
        record: author.head.unwrap().to_string(),
        size: signed.size,
        checkpoint: serde_json::from_slice(&checkpoint.bytes).unwrap(),
        asset,
    }
}

fn public(world: &World) -> Vec<Asked> {
    use Kind::{Figures, List, Public, Static};
    let names = json!({ "packages": [world.v1.to_string()] });
    let consistency = json!({ "from": world.size, "to": world.size });
    let inclusion = json!({ "logLength": world.size, "leafs": [0] });
    vec![
        ask("/healthz", Public, "GET", "/healthz"),
        ask("/readyz", Public, "GET", "/readyz"),
        ask("/metrics", Figures, "GET", "/metrics"),
        ask("/.well-known/wasm-pkg/registry.json", Static, "GET", "/.well-known/wasm-pkg/registry.json"),
        ask("/log/{*path}", Static, "GET", "/log/checkpoint"),
        ask("/v1/fetch/checkpoint", Public, "GET", "/v1/fetch/checkpoint"),
        ask("/v1/fetch/names", List, "POST", "/v1/fetch/names").json(&names),
        ask("/v1/proof/consistency", Public, "POST", "/v1/proof/consistency").json(&consistency),
        ask("/v1/proof/inclusion", Public, "POST", "/v1/proof/inclusion").json(&inclusion),
        ask("/v1/verify/checkpoint", Public, "POST", "/v1/verify/checkpoint").json(&world.checkpoint),
        ask("/v1/ledger", Public, "GET", "/v1/ledger"),
        ask("/v1/ledger/records", Public, "GET", "/v1/ledger/records"),
        ask("/v2/token", Public, "GET", "/v2/token?scope=repository:secret/app:pull"),
        ask("/api/packages", List, "GET", "/api/packages"),
        ask("/api/openapi.json", Public, "GET", "/api/openapi.json"),
        ask("/api/operator/keys", Public, "GET", "/api/operator/keys"),
        ask("/-/keys", Public, "GET", "/-/keys"),
        ask("/-/keys.json", Public, "GET", "/-/keys.json"),
        ask("/", List, "GET", "/"),
        ask("/index.json", List, "GET", "/index.json?q=sec"),
        ask("/assets/{name}", Public, "GET", world.asset.clone()),
    ]
}

fn read(world: &World) -> Vec<Asked> {
    use Kind::Read;
    let logs = json!({ "logLength": world.size, "packages": { world.v1.to_string(): null } });
    let oci = "/v2/{*path}";
    let manifest = &world.manifest;
    vec![
        ask("/v1/fetch/logs", Read, "POST", "/v1/fetch/logs").json(&logs),
        ask(
            "/v1/package/{log}/record/{record}",
            Read,
            "GET",
            format!("/v1/package/{}/record/{}", world.v1, world.record),
        ),
        ask("/v1/content/{digest}", Kind::Digest, "GET", format!("/v1/content/{}", world.wasm)),
        ask("/v1/content/{digest}/bytes", Kind::Digest, "GET", format!("/v1/content/{}/bytes", world.wasm)),
        ask(oci, Read, "GET", "/v2/secret/app/tags/list"),
        ask(oci, Read, "GET", "/v2/secret/app/manifests/1.0.0"),
        ask(oci, Read, "HEAD", "/v2/secret/app/manifests/1.0.0"),
        ask(oci, Read, "GET", format!("/v2/secret/app/manifests/{manifest}")),
        ask(oci, Read, "GET", format!("/v2/secret/app/blobs/{}", Digest::of(b"{}"))),
        ask(oci, Read, "HEAD", format!("/v2/secret/app/blobs/{}", Digest::of(b"{}"))),
        ask("/api/packages/{namespace}/{name}", Read, "GET", "/api/packages/secret/app"),
        ask("/api/packages/{namespace}/{name}/{version}", Read, "GET", "/api/packages/secret/app/1.0.0"),
        ask("/{namespace}/{name}", Read, "GET", "/secret/app"),
        ask("/{namespace}/{name}", Read, "GET", "/secret/app.json"),
        ask("/{namespace}/{name}/{version}", Read, "GET", "/secret/app/1.0.0"),
        ask("/{namespace}/{name}/{version}", Read, "GET", "/secret/app/1.0.0.json"),
        ask("/api/packages/{namespace}/{name}/keys", Read, "GET", "/api/packages/secret/app/keys"),
        ask("/{namespace}/{name}/keys", Read, "GET", "/secret/app/keys"),
        ask("/{namespace}/{name}/keys.json", Read, "GET", "/secret/app/keys.json"),
        ask("/api/namespaces/{namespace}/keys", Read, "GET", "/api/namespaces/secret/keys"),
        ask("/{namespace}/-/keys", Read, "GET", "/secret/-/keys"),
        ask("/{namespace}/-/keys.json", Read, "GET", "/secret/-/keys.json"),
        // Where no package is named so.
        ask("/{namespace}/{name}", Read, "GET", "/secret/keys"),
        ask("/{namespace}/{name}", Read, "GET", "/secret/keys.json"),
    ]
}

fn told(reply: &Reply, kind: Kind) -> Told {
    match reply.status {
        StatusCode::UNAUTHORIZED => Told::LogIn,
        StatusCode::FORBIDDEN => Told::No,
        StatusCode::NOT_FOUND => Told::NotThere,
        status if status.is_success() && kind == Kind::List && !reply.text().contains("secret") => {
            Told::WithoutPrivate
        }
        status => {
            assert!(status.is_success(), "{status}: {}", reply.text());
            Told::Done
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_tells_every_caller_what_it_may_know() {
    let site = Site::new().await;
    let world = world(&site).await;
    let mut wrong = Vec::new();
    for caller in CALLERS {
        for asked in site.everything(caller, &world).await {
            let reply = site.send_as(&asked, caller).await;
            let (found, must) = (told(&reply, asked.kind), expected(asked.kind, caller));
            if found != must {
                wrong.push(format!("{caller}: {} {} {found:?}, not {must:?}", asked.method, asked.path));
            }
            let challenged = reply.headers.get_all(header::WWW_AUTHENTICATE).iter().count();
            assert_eq!(challenged, usize::from(found == Told::LogIn), "{} {}", asked.path, reply.text());
            let cached = reply.headers.get(header::CACHE_CONTROL).map_or("", |value| value.to_str().unwrap());
            let shared = cached.starts_with("public") && asked.kind != Kind::Static;
            assert!(!shared || caller == "none", "{caller}: {} may be cached for others", asked.path);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whoever adds a route says above what it is about.
#[test]
fn every_route_is_in_the_table() {
    let mut written = BTreeSet::new();
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = std::fs::read_to_string(path).unwrap();
            for after in source.split(".route(").skip(1) {
                let path =
                    after.trim_start().strip_prefix('"').expect("a route's path is written where it is made");
                written.insert(path.split('"').next().unwrap().to_owned());
            }
        }
    }
    let dummy = Digest::of(b"");
    let world = World {
        wasm: dummy,
        manifest: dummy,
        v1: LogId::operator(),
        record: String::new(),
        size: 0,
        checkpoint: Value::Null,
        asset: String::new(),
    };
    let mut asked: BTreeSet<String> =
        public(&world).iter().chain(&read(&world)).map(|one| one.route.to_owned()).collect();
    // Written by `Site::write` and `Site::proposals`, or asked for by name in `flow`.
    for route in [
        "/v1/package/{log}/record",
        "/v1/package/{log}/record/{record}/content/{digest}",
        "/v2",
        "/v2/",
        "/api/packages/{namespace}/{name}/releases",
        "/api/acts",
        "/api/proposals",
        "/api/proposals/{id}",
        "/api/proposals/{id}/reject",
    ] {
        asked.insert(route.to_owned());
    }
    assert_eq!(written, asked);
}
