//! Registries that ask who you are: a proxy in front of a real one demands Basic or Bearer, and the real `wargate`
//! finds what Docker keeps. What each door was sent is written down, so that a secret at the wrong one is seen.
#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use support::author::{Author, module, publish};
use support::{Server, text, wargate};

const USER: &str = "alice";
const PASSWORD: &str = "s3cret:with-colon";

/// What the proxy does before it passes anything on.
#[derive(Clone)]
enum Door {
    Basic,
    /// A token, of the server at this path of the same proxy.
    Bearer,
    /// Sends everybody who may come in to another registry.
    Redirect(String),
    /// Asks nobody.
    Open,
    Other,
}

#[derive(Clone)]
struct Proxy {
    to: String,
    url: String,
    http: reqwest::Client,
    door: Arc<Mutex<Door>>,
    /// Every `Authorization` that came, with its path.
    sent: Arc<Mutex<Vec<(String, String)>>>,
}

fn asking(challenge: &str) -> Response {
    Response::builder().status(401).header("www-authenticate", challenge).body(Body::empty()).unwrap()
}

async fn pass(State(proxy): State<Proxy>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let (parts, body) = request.into_parts();
    let sent = parts.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    if let Some(sent) = &sent {
        proxy.sent.lock().unwrap().push((path.clone(), sent.clone()));
    }
    let basic = format!("Basic {}", BASE64.encode(format!("{USER}:{PASSWORD}")));
    let door = proxy.door.lock().unwrap().clone();
    match door {
        Door::Basic | Door::Redirect(_) if sent.as_ref() != Some(&basic) => {
            return asking("Negotiate, Basic realm=\"x, y\"");
        }
        Door::Bearer if path == "/token" => {
            let asked = parts.uri.query() == Some("service=it&scope=repository%3Aacme%2Fhello%3Apull");
            let token = if asked && sent == Some(basic) { "{\"token\":\"good\"}" } else { "{}" };
            return Response::new(Body::from(token));
        }
        Door::Bearer if sent.as_deref() != Some("Bearer good") => {
            return asking(&format!(
                "Bearer realm=\"{}/token\",service=\"it\",scope=\"repository:acme/hello:pull\"",
                proxy.url
            ));
        }
        Door::Redirect(to) => {
            let to = format!("{to}{path}");
            return Response::builder().status(307).header("location", to).body(Body::empty()).unwrap();
        }
        Door::Other => return asking("Negotiate"),
        Door::Basic | Door::Bearer | Door::Open => {}
    }
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let mut onward = proxy.http.request(parts.method, format!("{}{path}", proxy.to)).body(body);
    for name in ["host", "content-type"] {
        if let Some(value) = parts.headers.get(name) {
            onward = onward.header(name, value);
        }
    }
    let answer = onward.send().await.unwrap();
    Response::builder().status(answer.status()).body(Body::from(answer.bytes().await.unwrap())).unwrap()
}

impl Proxy {
    async fn start(to: &str, door: Door) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let proxy = Self {
            to: to.to_owned(),
            url,
            http: reqwest::Client::new(),
            door: Arc::new(Mutex::new(door)),
            sent: Arc::default(),
        };
        let router = Router::new().fallback(pass).with_state(proxy.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        proxy
    }

    fn host(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    fn sent(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }
}

/// A registry with one release, a proxy before it, and a person's home.
struct Scene {
    real: Server,
    proxy: Proxy,
    home: tempfile::TempDir,
    _data: tempfile::TempDir,
}

impl Scene {
    async fn set(door: Door) -> Self {
        let data = tempfile::tempdir().unwrap();
        let real = Server::start(&data.path().join("data"), &[]);
        let signed = Author::new("acme:hello").release("1.0.0", &module(b"hello"));
        assert!(publish(&reqwest::Client::new(), &real.url, &signed, &module(b"hello")).await.unwrap());
        let proxy = Proxy::start(&real.url, door).await;
        let scene = Self { real, proxy, home: tempfile::tempdir().unwrap(), _data: data };
        // The registry is named as wkg's users name it, so nothing is told on the command line.
        let mapping = format!("[namespace_registries]\nacme = \"{}\"\nours = \"{0}\"\n", scene.proxy.host());
        scene.file(".config/wasm-pkg/config.toml", &mapping);
        scene
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn docker(&self, host: &str, password: &str) {
        let auth = BASE64.encode(format!("{USER}:{password}"));
        self.file(".docker/config.json", &format!(r#"{{"auths":{{"{host}":{{"auth":"{auth}"}}}}}}"#));
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = wargate(args);
        let home = self.home.path();
        command.env("HOME", home).env("WARGATE_STATE", home.join("state")).current_dir(home);
        // A proxy that would see what is for this machine alone, if it were asked.
        command.env("RUST_LOG", "trace").env("http_proxy", "http://127.0.0.1:1");
        command
    }

    async fn run(&self, args: &[&str]) -> (i32, String) {
        let command = self.command(args);
        finish(command).await
    }

    #[track_caller]
    fn pulled(&self, (code, said): (i32, String)) {
        assert_eq!(code, 0, "{said}");
        let file = self.home.path().join("hello.wasm");
        assert_eq!(std::fs::read(&file).unwrap(), module(b"hello"));
        std::fs::remove_file(file).unwrap();
    }
}

/// Runs to the end; no secret is ever said.
async fn finish(mut command: Command) -> (i32, String) {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    let encoded = BASE64.encode(format!("{USER}:{PASSWORD}"));
    for secret in [PASSWORD, USER, &encoded, "wrong-one", "Bearer good"] {
        assert!(!said.contains(secret), "it said a secret: {said}");
    }
    (output.status.code().unwrap(), said)
}

#[track_caller]
fn refused((code, said): &(i32, String), words: &[&str]) {
    assert_eq!(*code, 1, "{said}");
    for word in words {
        assert!(said.contains(word), "`{word}` is not in: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_demands_basic_gets_what_docker_keeps() {
    let scene = Scene::set(Door::Basic).await;
    let host = scene.proxy.host().to_owned();
    let login = format!("`docker login {host}`");
    let none = scene.run(&["pull", "acme:hello"]).await;
    refused(&none, &["error[denied]", "no credentials for it", &login, ".docker/config.json"]);
    assert!(scene.proxy.sent().is_empty());

    scene.docker(&host, "wrong-one");
    let wrong = scene.run(&["pull", "acme:hello"]).await;
    refused(&wrong, &["error[denied]", "refuses the credentials that are in `", &login]);
    assert_eq!(scene.proxy.sent().len(), 1, "they are tried once");
    scene.docker("another.example", PASSWORD);
    refused(&scene.run(&["pull", "acme:hello"]).await, &["no credentials for it"]);
    assert!(scene.proxy.sent().is_empty(), "another host's are not sent");
    scene.file(".docker/config.json", "{\"auths\": 1}");
    refused(&scene.run(&["info", "acme:hello"]).await, &["couldn't be read", "malformed at line 1"]);

    scene.docker(&host, PASSWORD);
    scene.pulled(scene.run(&["pull", "acme:hello"]).await);
    let (code, said) = scene.run(&["info", "acme:hello"]).await;
    assert_eq!(code, 0, "{said}");
    scene.proxy.sent();
    // A key of one's own, a release with it: the form goes through the same door.
    let key = scene.home.path().join("key");
    let key = key.to_str().unwrap();
    assert_eq!(scene.run(&["key", "new", "--no-passphrase", "-o", key]).await.0, 0);
    scene.file("mine.wasm", std::str::from_utf8(&module(b"mine")).unwrap());
    let (code, said) = scene.run(&["publish", "mine.wasm", "ours:mine@1.0.0", "--key", key]).await;
    assert_eq!(code, 0, "{said}");
    assert!(scene.proxy.sent().iter().any(|(path, _)| path == "/api/packages/ours/mine/releases"));
    // Where podman keeps them, and a program that Docker's file names.
    std::fs::rename(scene.home.path().join(".docker/config.json"), scene.home.path().join("auth.json"))
        .unwrap();
    let mut podman = scene.command(&["pull", "acme:hello"]);
    podman.env("REGISTRY_AUTH_FILE", scene.home.path().join("auth.json"));
    scene.pulled(finish(podman).await);
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = get ] && [ \"$(cat)\" = {host} ] && \
         echo '{{\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}'\n"
    );
    let program = scene.file("bin/docker-credential-test", &script);
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o700)).unwrap();
    scene.file(".docker/config.json", "{\"credsStore\": \"test\"}");
    refused(&scene.run(&["pull", "acme:hello"]).await, &["docker-credential-test", "no such program"]);
    let mut helped = scene.command(&["pull", "acme:hello"]);
    helped.env("PATH", format!("{}:/usr/bin:/bin", scene.home.path().join("bin").display()));
    scene.pulled(finish(helped).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_demands_bearer_gets_the_token_of_its_token_server() {
    let scene = Scene::set(Door::Bearer).await;
    let host = scene.proxy.host().to_owned();
    refused(&scene.run(&["pull", "acme:hello"]).await, &["gave no token", "its answer has no token"]);
    scene.proxy.sent();
    scene.docker(&host, PASSWORD);
    scene.pulled(scene.run(&["pull", "acme:hello"]).await);
    let sent = scene.proxy.sent();
    let basic: Vec<_> = sent.iter().filter(|(_, sent)| sent.starts_with("Basic")).collect();
    assert_eq!(basic.len(), 1, "the password goes to the token server, once: {sent:?}");
    assert_eq!(basic[0].0, "/token");
    // A token that the file holds is sent as it is.
    scene.file(".docker/config.json", &format!(r#"{{"auths":{{"{host}":{{"registrytoken":"good"}}}}}}"#));
    scene.pulled(scene.run(&["pull", "acme:hello"]).await);
    *scene.proxy.door.lock().unwrap() = Door::Other;
    refused(&scene.run(&["pull", "acme:hello"]).await, &["in a way (Negotiate)", "cannot answer"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_another_host_gets_no_credentials() {
    let scene = Scene::set(Door::Basic).await;
    let other = Proxy::start(&scene.real.url, Door::Basic).await;
    let host = scene.proxy.host().to_owned();
    scene.docker(&host, PASSWORD);
    scene.pulled(scene.run(&["pull", "acme:hello"]).await);
    *scene.proxy.door.lock().unwrap() = Door::Redirect(other.url.clone());
    // The person has credentials for the other host as well.
    let auth = BASE64.encode(format!("{USER}:{PASSWORD}"));
    let both =
        format!(r#"{{"auths":{{"{host}":{{"auth":"{auth}"}},"{}":{{"auth":"{auth}"}}}}}}"#, other.host());
    scene.file(".docker/config.json", &both);
    let said = scene.run(&["pull", "acme:hello"]).await;
    refused(&said, &[&format!("`{}` asks", other.host()), &format!("credentials go to `{host}` alone")]);
    *other.door.lock().unwrap() = Door::Open;
    scene.pulled(scene.run(&["pull", "acme:hello"]).await);
    assert!(other.sent().is_empty(), "nothing is sent to where it redirects");
    // A password in a URL would be shown and kept.
    let url = format!("http://{USER}:{PASSWORD}@{host}");
    let (code, said) = scene.run(&["pull", "acme:hello", "--registry", &url]).await;
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("has no place in a registry's URL"), "{said}");
}
