//! Tokens, made beside a running registry: who has one may do what it is for, at once and no longer than it is good.
#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod support;

use std::path::Path;

use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::Value;
use support::author::module;
use support::oci::Push;
use support::{Server, assert_refused, serve_refused, text, wargate};

/// `wargate token …` on this folder.
fn token(data: &Path, args: &[&str]) -> std::process::Output {
    wargate(&[&["token"], args, &["--data", data.to_str().unwrap()]].concat()).output().unwrap()
}

/// A token's text, and its id.
fn create(data: &Path, account: &str, args: &[&str]) -> (String, String) {
    let output = token(data, &[&["create", account, "--json"], args].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    (told["token"].as_str().unwrap().to_owned(), told["id"].as_str().unwrap().to_owned())
}

fn restricted(dir: &Path) -> std::path::PathBuf {
    let path = dir.join("wargate.toml");
    std::fs::write(&path, "[access]\nanonymous = [\"pull\"]\nprivate = [\"secret/*\"]\n").unwrap();
    path
}

async fn status(request: RequestBuilder) -> StatusCode {
    request.send().await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_made_beside_a_running_registry_is_good_at_once_and_until_it_is_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let (data, config) = (dir.path().join("data"), restricted(dir.path()));
    let server = Server::start(&data, &["--config", config.to_str().unwrap()]);
    let http = Client::new();
    let upload = || http.post(format!("{}/v2/acme/app/blobs/uploads/", server.url));
    assert_eq!(status(upload()).await, StatusCode::UNAUTHORIZED);
    let (secret, id) = create(&data, "alice", &["--allow", "acme/*:pull,push"]);
    assert_eq!(status(upload().bearer_auth(&secret)).await, StatusCode::ACCEPTED);
    assert_eq!(status(upload().basic_auth("whoever", Some(&secret))).await, StatusCode::ACCEPTED);
    let listed = text(&token(&data, &["list"]).stdout);
    assert!(
        listed.contains(&id) && listed.contains("alice  acme/*:pull,push") && listed.contains("last used 2")
    );
    assert!(!listed.contains(&secret));
    assert!(token(&data, &["revoke", &id]).status.success());
    assert_eq!(status(upload().bearer_auth(&secret)).await, StatusCode::UNAUTHORIZED);
    assert_refused(&token(&data, &["revoke", &id]), 2, &["there is no token", "token list"]);
    let ledger = std::fs::read(data.join("ledger.sqlite")).unwrap();
    let kept = secret.rsplit('_').next().unwrap().as_bytes();
    assert!(!ledger.windows(kept.len()).any(|bytes| bytes == kept), "the secret is nowhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_private_is_pushed_and_pulled_by_its_people() {
    let dir = tempfile::tempdir().unwrap();
    let (data, config) = (dir.path().join("data"), restricted(dir.path()));
    let server = Server::start(&data, &["--config", config.to_str().unwrap()]);
    let (secret, _) = create(&data, "bob", &["--allow", "secret/*:*", "--expires", "1h"]);
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert("authorization", format!("Bearer {secret}").parse().unwrap());
    let (bob, nobody) = (Client::builder().default_headers(headers).build().unwrap(), Client::new());
    let push = |repository: &str| Push {
        repository: repository.to_owned(),
        version: "1.0.0".to_owned(),
        layer: module(b"x"),
    };
    push("secret/app").send(&bob, &server.url).await.unwrap();
    assert!(push("secret/app").is_there(&bob, &server.url).await);
    assert!(!push("secret/app").is_there(&nobody, &server.url).await);
    let refused = push("acme/app").send(&bob, &server.url).await.unwrap_err().unwrap();
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.body.contains("`bob` may not push `acme/app`"), "{}", refused.body);
    let page = nobody.get(format!("{}/secret/app", server.url)).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::UNAUTHORIZED);
    assert!(
        page.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic"),
        "a browser asks for it"
    );
    assert_eq!(status(bob.get(format!("{}/secret/app", server.url))).await, StatusCode::OK);
}

#[test]
fn wrong_calls_say_what_would_be_right() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    assert_refused(&token(&data, &["list"]), 1, &["--data"]);
    drop(Server::start(&data, &[]));
    for (args, words) in [
        (&["create", "alice"][..], &["--allow"][..]),
        (&["create", "alice", "--allow", "acme"], &["NAMES:ACTIONS", "acme/*:pull,push"]),
        (&["create", "alice", "--allow", "acme/*:read"], &["`read` is none of `pull`"]),
        (&["create", "alice", "--allow", "*:*", "--expires", "1y"], &["`never`"]),
        (&["create", "a:b", "--allow", "*:*"], &["account", "colon"]),
        (&["create", "", "--allow", "*:*"], &["account"]),
    ] {
        assert_refused(&token(&data, args), 2, words);
    }
    assert_eq!(text(&token(&data, &["list"]).stderr).trim(), "no tokens were made yet");
    let config = dir.path().join("bad.toml");
    for (file, word) in [
        ("[access]\nanonymous = [\"look\"]\n", "`look` is none of"),
        ("[access]\nprivate = [\"Acme/*\"]\n", "`Acme/*` is neither"),
        ("[access]\nprivate = [\"acme/app\"]\n", "whole namespaces are private"),
        ("[access]\neverybody = true\n", "everybody"),
    ] {
        std::fs::write(&config, file).unwrap();
        assert_refused(&serve_refused(&data, &["--config", config.to_str().unwrap()]), 1, &[word]);
    }
}
