//! A server that lies is caught, and the message names the attack: a proxy in front of a real registry changes one
//! thing at a time, and the real `wargate` looks.
#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod support;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use support::author::{Author, module, publish};
use support::{Server, root_of, text, wargate};
use wargate_core::log::proof::LogProofBundle;
use wargate_core::map::proof::MapProofBundle;

/// What the proxy changes: the answer of a path, before it goes out.
type Lie = Arc<dyn Fn(&str, Vec<u8>) -> Vec<u8> + Send + Sync>;

/// In the place of a body: there is none.
const GONE: &[u8] = b"{}";

#[derive(Clone)]
struct Proxy {
    to: String,
    http: reqwest::Client,
    lie: Arc<Mutex<Lie>>,
}

fn truth() -> Lie {
    Arc::new(|_, body| body)
}

async fn pass(State(proxy): State<Proxy>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let mut onward = proxy.http.request(parts.method, format!("{}{path}", proxy.to)).body(body);
    if let Some(host) = parts.headers.get("host") {
        onward = onward.header("host", host);
    }
    let answer = onward.send().await.unwrap();
    let status = answer.status();
    let body = answer.bytes().await.unwrap().to_vec();
    let lie = proxy.lie.lock().unwrap().clone();
    let body = lie(&path, body);
    let status = if body == GONE { axum::http::StatusCode::NOT_FOUND } else { status };
    Response::builder().status(status).body(Body::from(body)).unwrap()
}

/// Changes the JSON of one path's answer.
fn json(path: &'static str, change: impl Fn(&mut Value) + Send + Sync + 'static) -> Lie {
    Arc::new(move |at, body| {
        if !at.starts_with(path) {
            return body;
        }
        let mut value: Value = serde_json::from_slice(&body).unwrap();
        change(&mut value);
        serde_json::to_vec(&value).unwrap()
    })
}

struct Scene {
    _real: Server,
    url: String,
    root: String,
    proxy: Proxy,
    state: tempfile::TempDir,
    _data: tempfile::TempDir,
    old_checkpoint: Vec<u8>,
    author: Author,
}

impl Scene {
    /// A registry with two releases of `acme:hello`, and a proxy that tells the truth so far.
    async fn set() -> Self {
        let data = tempfile::tempdir().unwrap();
        let real = Server::start(&data.path().join("data"), &[]);
        let http = reqwest::Client::new();
        let mut author = Author::new("acme:hello");
        let mut old_checkpoint = Vec::new();
        for (version, content) in [("1.0.0", module(b"one")), ("1.1.0", module(b"two"))] {
            let signed = author.release(version, &content);
            assert!(publish(&http, &real.url, &signed, &content).await.unwrap());
            author.head = Some(signed.id);
            if old_checkpoint.is_empty() {
                let answer = http.get(format!("{}/v1/fetch/checkpoint", real.url)).send().await.unwrap();
                old_checkpoint = answer.bytes().await.unwrap().to_vec();
            }
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let proxy = Proxy { to: real.url.clone(), http, lie: Arc::new(Mutex::new(truth())) };
        let router = Router::new().fallback(pass).with_state(proxy.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let root = root_of(&real.greeting(), &real.url);
        let state = tempfile::tempdir().unwrap();
        Self { _real: real, url, root, proxy, state, _data: data, old_checkpoint, author }
    }

    /// One release more.
    async fn release(&mut self, version: &str) {
        let content = module(version.as_bytes());
        let signed = self.author.release(version, &content);
        assert!(publish(&self.proxy.http, &self.proxy.to, &signed, &content).await.unwrap());
        self.author.head = Some(signed.id);
    }

    fn lie(&self, lie: Lie) {
        *self.proxy.lie.lock().unwrap() = lie;
    }

    async fn run(&self, args: &[&str]) -> (i32, String) {
        let mut command = wargate(args);
        command.env("WARGATE_STATE", self.state.path());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
    }

    async fn verify(&self) -> (i32, String) {
        self.run(&["verify", "acme:hello@1.0.0", "--registry", &self.url]).await
    }

    /// Where the records lie that were checked before.
    fn kept(&self) -> PathBuf {
        self.state.path().join("trust/logs")
    }

    /// Tells a lie to somebody who has no copy of the logs and expects it to be caught under this name; then the truth
    /// holds again.
    async fn caught(&self, what: &str, attack: &str, lie: Lie) {
        std::fs::remove_dir_all(self.kept()).unwrap();
        self.caught_here(what, attack, lie).await;
    }

    /// The same with what was kept.
    async fn caught_here(&self, what: &str, attack: &str, lie: Lie) {
        self.lie(lie);
        let (code, said) = self.verify().await;
        assert_eq!(code, 1, "{what}: {said}");
        assert!(said.contains(attack), "{what}: expected `{attack}` in: {said}");
        self.lie(truth());
        let (code, said) = self.verify().await;
        assert_eq!(code, 0, "after {what}: {said}");
    }
}

fn change_log_proof(proof: &mut Value) {
    let mut bundle = LogProofBundle::decode(&BASE64.decode(proof.as_str().unwrap()).unwrap()).unwrap();
    if let Some(hash) = bundle.hashes.values_mut().next() {
        *hash = wargate_core::digest::Digest::of(b"another");
    }
    *proof = BASE64.encode(bundle.encode().unwrap()).into();
}

fn change_map_proof(proof: &mut Value) {
    let mut bundle = MapProofBundle::decode(&BASE64.decode(proof.as_str().unwrap()).unwrap()).unwrap();
    for proof in &mut bundle.proofs {
        proof.peers[0] = Some(wargate_core::digest::Digest::of(b"another"));
    }
    *proof = BASE64.encode(bundle.encode()).into();
}

/// A lie about the records of a package's log; each log is asked for by itself.
fn records_of_packages(change: impl Fn(&mut Vec<Value>) + Send + Sync + 'static) -> Lie {
    json("/v1/fetch/logs", move |body| {
        let packages = body["packages"].as_object_mut();
        if let Some(records) = packages.and_then(|logs| logs.values_mut().next()?.as_array_mut()) {
            change(records);
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lying_server_is_caught_and_the_attack_named() {
    let scene = Scene::set().await;
    let (code, said) = scene.run(&["trust", "add", &scene.url, "--root", &scene.root]).await;
    assert_eq!(code, 0, "{said}");
    let (code, said) = scene.verify().await;
    assert_eq!(code, 0, "{said}");
    for words in ["published by", "proven by its signature", "as of checkpoint 3", "pinned"] {
        assert!(said.contains(words), "`{words}` is not in: {said}");
    }

    let content: Lie = Arc::new(|path, body| if path.ends_with("/bytes") { b"bad".to_vec() } else { body });
    scene.caught("other content", "arbitrary content", content).await;
    let bytes = |path: &str| path.starts_with("/v1/content/") || path.starts_with("/v2/");
    let gone: Lie = Arc::new(move |path, body| if bytes(path) { GONE.to_vec() } else { body });
    scene.caught("no content, and no word of why", "silent takedown", gone).await;
    let old = scene.old_checkpoint.clone();
    let rollback: Lie =
        Arc::new(move |path, body| if path == "/v1/fetch/checkpoint" { old.clone() } else { body });
    scene.caught("an old checkpoint", "rollback", rollback).await;
    let forged = json("/v1/fetch/checkpoint", |body| body["contents"]["timestamp"] = 1.into());
    scene.caught("a checkpoint that nobody signed", "forged checkpoint", forged).await;
    let dropped = records_of_packages(|records| drop(records.pop()));
    scene.caught("the last record dropped", "withheld record", dropped).await;
    let cut = records_of_packages(|records| drop(records.remove(0)));
    scene.caught("the first record dropped", "forged record", cut).await;
    let moved = records_of_packages(|records| records[1]["registryIndex"] = 0.into());
    scene.caught("a record at another index", "forged record", moved).await;
    let signature = records_of_packages(|records| records[0]["signature"] = records[1]["signature"].clone());
    scene.caught("another signature", "forged record", signature).await;
    let operator = json("/v1/fetch/logs", |body| body["operator"] = Value::Array(Vec::new()));
    scene.caught("no operator log", "forged operator log", operator).await;
    scene
        .caught(
            "one hash of a log proof",
            "hidden record",
            json("/v1/proof/inclusion", |b| change_log_proof(&mut b["log"])),
        )
        .await;
    scene
        .caught(
            "one hash of a map proof",
            "withheld record",
            json("/v1/proof/inclusion", |b| change_map_proof(&mut b["map"])),
        )
        .await;
    let page: Lie = Arc::new(|path, mut body| {
        if path.starts_with("/log/map/") {
            let last = body.len() - 1;
            body[last] ^= 1;
        }
        body
    });
    scene.caught("one byte of a map page", "forged map", page).await;
    let endless: Lie = Arc::new(|path, body| match path {
        "/v1/fetch/checkpoint" => vec![b' '; (64 << 20) + 1],
        _ => body,
    });
    scene.caught("an answer without end", "endless data", endless).await;

    // A registry that stands still: the newest that it tells is too old.
    tokio::time::sleep(std::time::Duration::from_millis(2_100)).await;
    let old = ["verify", "acme:hello@1.0.0", "--registry", &scene.url, "--max-age", "1"];
    let (code, said) = scene.run(&old).await;
    assert!(code == 1 && said.contains("freeze"), "{said}");
}

/// The truth, and how many records of packages it was.
fn counted(records: &Arc<AtomicUsize>) -> Lie {
    let records = Arc::clone(records);
    Arc::new(move |path, body| {
        if path == "/v1/fetch/logs" {
            let told: Value = serde_json::from_slice(&body).unwrap();
            let packages = told["packages"].as_object().into_iter().flat_map(|logs| logs.values());
            let told = packages.map(|log| log.as_array().unwrap().len()).sum();
            records.fetch_add(told, Ordering::Relaxed);
        }
        body
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_checked_before_is_not_asked_for_again_and_what_comes_since_is_checked() {
    let mut scene = Scene::set().await;
    let records = Arc::new(AtomicUsize::new(0));
    for (told, published) in [(2, None), (0, None), (1, Some("1.2.0")), (0, None)] {
        if let Some(version) = published {
            scene.release(version).await;
        }
        scene.lie(counted(&records));
        let (code, said) = scene.verify().await;
        assert_eq!(code, 0, "{said}");
        assert_eq!(records.swap(0, Ordering::Relaxed), told, "{said}");
    }
    scene.release("1.3.0").await;
    let dropped = records_of_packages(Vec::clear);
    scene.caught_here("the new record dropped", "withheld record", dropped).await;
    scene.release("1.4.0").await;
    let nobody = format!("sha256:{}", "0".repeat(64));
    let forged = records_of_packages(move |new| new[0]["keyId"] = nobody.clone().into());
    scene.caught_here("the new record's key", "forged record", forged).await;

    // A copy is a copy: one that is damaged is made anew.
    for damage in [|_: &mut Value| (), swap_records, wrong_index] {
        let logs = std::fs::read_dir(scene.kept()).unwrap().next().unwrap().unwrap().path();
        for log in std::fs::read_dir(logs).unwrap().map(|log| log.unwrap().path()) {
            let mut kept: Value = serde_json::from_slice(&std::fs::read(&log).unwrap()).unwrap();
            damage(&mut kept);
            std::fs::write(&log, serde_json::to_vec(&kept).unwrap()).unwrap();
        }
        for _ in 0..2 {
            let (code, said) = scene.run(&["verify", "acme:hello@1.4.0", "--registry", &scene.url]).await;
            assert_eq!(code, 0, "{said}");
        }
        assert_eq!(scene.run(&["info", "acme:hello", "--registry", &scene.url]).await.0, 0);
    }
    let (code, said) = scene.run(&["trust", "remove", &scene.url]).await;
    assert_eq!((code, std::fs::read_dir(scene.kept()).unwrap().count()), (0, 0), "{said}");
}

fn swap_records(kept: &mut Value) {
    kept.as_array_mut().unwrap().reverse();
}

fn wrong_index(kept: &mut Value) {
    kept[0]["registryIndex"] = 77.into();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_registry_in_its_place_is_refused() {
    let scene = Scene::set().await;
    let (code, said) = scene.verify().await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("trusting") && said.contains("first use"), "{said}");
    let (_, said) = scene.verify().await;
    assert!(!said.contains("trusting"), "said once: {said}");

    let other = Scene::set().await;
    let to = other.proxy.to.clone();
    let http = reqwest::Client::new();
    // The whole other registry, in the place of the first.
    let listener = Proxy { to, http, lie: Arc::new(Mutex::new(truth())) };
    *scene.proxy.lie.lock().unwrap() = swap_to(listener);
    let (code, said) = scene.verify().await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("wrong registry") || said.contains("rollback"), "{said}");
}

/// Answers from another registry to what has no request body worth passing.
fn swap_to(other: Proxy) -> Lie {
    Arc::new(move |path, body| {
        let (url, http) = (format!("{}{path}", other.to), other.http.clone());
        if path == "/v1/fetch/checkpoint" {
            return fetch(http.get(url));
        }
        if path == "/v1/fetch/logs" {
            let log = wargate_core::id::LogId::package(&"acme:hello".parse().unwrap());
            let request = serde_json::json!({ "logLength": 3, "packages": { log.to_string(): null } });
            return fetch(http.post(url).json(&request));
        }
        body
    })
}

fn fetch(request: reqwest::RequestBuilder) -> Vec<u8> {
    tokio::task::block_in_place(|| {
        tokio::runtime::Handle::current()
            .block_on(async { request.send().await.unwrap().bytes().await.unwrap().to_vec() })
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_writes_the_file_only_when_all_holds() {
    let scene = Scene::set().await;
    let out = scene.state.path().join("hello.wasm");
    let file = out.to_str().unwrap();
    scene.lie(Arc::new(|path, body| if path.ends_with("/bytes") { b"bad".to_vec() } else { body }));
    let (code, said) = scene.run(&["pull", "acme:hello", "--registry", &scene.url, "-o", file]).await;
    assert_eq!(code, 1, "{said}");
    let left = |folder: &Path| std::fs::read_dir(folder).unwrap().filter_map(Result::ok).count();
    assert!(!out.exists());
    assert_eq!(left(scene.state.path()), 1, "nothing but the trust folder is left");
    scene.lie(truth());
    let (code, said) =
        scene.run(&["pull", "acme:hello", "--registry", &scene.url, "-o", file, "--json"]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(std::fs::read(&out).unwrap(), module(b"two"), "the highest version");
    let told: Value = serde_json::from_str(said.split("trusting").next().unwrap()).unwrap();
    assert_eq!((&told["ok"], &told["version"]), (&true.into(), &"1.1.0".into()));
    // Where the Warg door tells of no place that has the content, the OCI door has it.
    scene.lie(Arc::new(|path, body| if path.starts_with("/v1/content/") { Vec::new() } else { body }));
    let (code, said) = scene.run(&["pull", "acme:hello", "--registry", &scene.url, "-o", file]).await;
    assert_eq!(code, 0, "{said}");
    scene.lie(Arc::new(|path, body| match path {
        _ if path.starts_with("/v1/content/") => Vec::new(),
        _ if path.contains("/blobs/") => b"bad".to_vec(),
        _ => body,
    }));
    let (code, said) = scene.run(&["pull", "acme:hello", "--registry", &scene.url, "-o", file]).await;
    assert!(code == 1 && said.contains("arbitrary content"), "{said}");
    scene.lie(truth());
    // Words for what is not there, and the exit codes.
    let (code, said) = scene.run(&["verify", "acme:hello@9.9.9", "--registry", &scene.url]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("has no release 9.9.9"), "{said}");
    let (code, said) = scene.run(&["verify", "acme:nothing@1.0.0", "--registry", &scene.url]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("no package `acme:nothing`"), "{said}");
    let (code, _) = scene.run(&["verify", "not a name", "--registry", &scene.url]).await;
    assert_eq!(code, 2);
    let (code, said) = scene.run(&["info", "acme:hello", "--registry", &scene.url]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("1.1.0") && said.contains("release, yank"), "{said}");
}
