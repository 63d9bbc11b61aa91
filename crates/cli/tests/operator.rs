//! The ceremony by which a registry begins: online keys on the server, owners' keys elsewhere, and a request between
//! them (`spec/delegation.md`, "Offline signing").
#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod support;

use std::path::Path;

use serde_json::Value;
use support::author::module;
use support::ceremony::{Ceremony, ORIGIN, OWNERS, part};
use support::{Server, assert_refused, serve_refused, text};
use wargate_core::act::{Act, endorse};
use wargate_core::key::SecretKey;

const BEGIN: [&str; 5] = ["operator", "begin", "operator.json", "--data", "data"];

fn listed(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn get(url: &str) -> String {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { reqwest::get(url).await.unwrap().text().await.unwrap() })
}

impl Ceremony {
    #[track_caller]
    fn refused(&self, machine: &str, args: &[&str], words: &[&str]) {
        assert_refused(&self.run(machine, args), 1, words);
    }

    /// Changes the request that lies on the server.
    fn change(&self, change: impl FnOnce(&mut Value)) {
        let path = self.at("server").join("operator.json");
        let mut file: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        change(&mut file);
        std::fs::write(&path, file.to_string()).unwrap();
    }
}

#[test]
fn two_of_three_owners_begin_a_registry_that_never_held_their_keys() {
    let ceremony = Ceremony::new();
    let request = ceremony.propose(&["--define", "*"]);
    let keys = ["commit-spare.key", "commit.key", "publishing.key"];
    assert_eq!(listed(&ceremony.data().join("keys")), keys);

    let shown = ceremony.ok("server", &["sign", &request, "--dry-run"]);
    for words in [ORIGIN, "a new one", "begins the log, owned by", "grants the role `commit`", "it has 0"] {
        assert!(shown.contains(words), "`{words}` is not in: {shown}");
    }
    ceremony.refused("server", &["submit", &request], &["one begins with it", "wargate operator begin"]);
    ceremony.refused("server", &BEGIN, &["error[denied]", "needs the agreement of 2", "it has 0"]);
    ceremony.sign(OWNERS[2], &request);
    ceremony.refused("server", &BEGIN, &["needs the agreement of 2", "it has 1", "wargate sign"]);
    assert!(!ceremony.data().join("origin").exists(), "nothing began");
    ceremony.sign(OWNERS[0], &request);
    let root = part(&ceremony.ok("server", &[&BEGIN[..], &["--json"]].concat()), "root");
    // Whoever does not know whether it went well does it again.
    assert_eq!(part(&ceremony.ok("server", &[&BEGIN[..], &["--json"]].concat()), "root"), root);
    assert_eq!(listed(&ceremony.data().join("keys")), keys);

    let server = Server::start(&ceremony.data(), &[]);
    let url = server.url.clone();
    let wasm = ceremony.at(OWNERS[1]).join("hello.wasm");
    std::fs::write(wasm, module(b"hello")).unwrap();
    ceremony.ok(OWNERS[1], &["trust", "add", &url, "--root", &root]);
    let publish = ["publish", "hello.wasm", "acme:hello@1.0.0", "--key", "own.key", "--registry", &url];
    ceremony.ok(OWNERS[1], &publish);
    ceremony.ok(OWNERS[1], &["verify", "acme:hello@1.0.0", "--registry", &url]);
    let greeting = server.end();
    assert!(greeting.contains(&root) && !greeting.contains("keys were made"), "{greeting}");
}

#[test]
fn without_names_on_first_use_the_owners_start_each_namespace() {
    let ceremony = Ceremony::new();
    let request = ceremony.propose(&[]);
    for owner in &OWNERS[1..] {
        ceremony.sign(owner, &request);
    }
    ceremony.ok("server", &BEGIN);
    let server = Server::start(&ceremony.data(), &[]);
    let (registry, ben) = (["--registry", server.url.as_str()], OWNERS[1]);
    std::fs::write(ceremony.at(ben).join("hello.wasm"), module(b"hello")).unwrap();
    let publish = ["publish", "hello.wasm", "acme:hello@1.0.0", "--key", "own.key"];
    let publish = [&publish[..], &registry].concat();
    ceremony.refused(ben, &publish, &["`acme` is not claimed, and this registry starts none by itself"]);
    // Ben alone is not two of the owners: his claim waits. With another one he starts his namespace.
    let public = part(&ceremony.ok(ben, &["key", "show", "--key", "own.key", "--json"]), "publicKey");
    let claim = [&["claim", "acme", "--to", &public][..], &registry].concat();
    let waits = ceremony.ok(ben, &[&claim[..], &["--key", "own.key"]].concat());
    assert!(
        waits.contains("it waits at the registry") && waits.contains("needs the agreement of 2"),
        "{waits}"
    );
    ceremony.ok(ben, &[&claim[..], &["--propose", "claim.json"]].concat());
    std::fs::rename(ceremony.at(ben).join("claim.json"), ceremony.at("server").join("claim.json")).unwrap();
    for owner in &OWNERS[..2] {
        ceremony.sign(owner, "claim.json");
    }
    ceremony.ok("server", &["submit", "claim.json"]);
    ceremony.ok(ben, &publish);
}

#[test]
fn what_does_not_fit_the_server_begins_nothing() {
    let ceremony = Ceremony::new();
    let request = ceremony.propose(&[]);
    // The server waits for its owners, on whatever address.
    for listen in ["127.0.0.1:0", "0.0.0.0:0"] {
        let open = ["--listen", listen, "--open", "--public-url", "http://a.example", "--plain-http"];
        let refused = serve_refused(&ceremony.data(), &open);
        assert_refused(&refused, 1, &["error[config]", "has not begun", "wargate operator begin"]);
    }
    for owner in OWNERS {
        ceremony.sign(owner, &request);
    }
    // Another server's keys.
    ceremony.ok("server", &["operator", "keys", "--data", "other"]);
    let begin = |data: &'static str| ["operator", "begin", "operator.json", "--data", data];
    ceremony.refused(
        "server",
        &begin("other"),
        &["the commit key in the act is", "the one of this folder is"],
    );
    let key = |data: &str, name: &str| ceremony.at("server").join(data).join("keys").join(name);
    std::fs::copy(key("data", "commit.key"), key("other", "commit.key")).unwrap();
    ceremony.refused("server", &begin("other"), &["the publishing key in the act is"]);
    ceremony.refused("server", &begin("absent"), &["`absent` is no data folder", "wargate operator keys"]);
    assert!(!ceremony.at("server").join("absent").exists());
    // Another origin than the one that the owners were shown.
    std::fs::write(ceremony.at("server").join("serve.toml"), "origin = 'b.example/log'\n").unwrap();
    let configured = [&BEGIN[..], &["--config", "serve.toml"]].concat();
    ceremony.refused("server", &configured, &["b.example/log", ORIGIN, "for ever"]);
    assert!(!ceremony.data().join("ledger.sqlite").exists(), "nothing began");

    ceremony.ok("server", &BEGIN);
    // The same owners and keys, but another act.
    std::fs::remove_file(ceremony.at("server").join(&request)).unwrap();
    let request = ceremony.propose(&[]);
    for owner in OWNERS {
        ceremony.sign(owner, &request);
    }
    ceremony.refused("server", &BEGIN, &["error[config]", "began with another act", "wargate submit"]);
    // A folder that `serve` began has its own owner.
    Server::start(&ceremony.at("server").join("own"), &[]).end();
    ceremony.refused("server", &begin("own"), &["root.key", "owns this folder's registry"]);
}

#[test]
fn signatures_over_another_act_or_too_late_begin_nothing() {
    let ceremony = Ceremony::new();
    let request = ceremony.propose(&[]);
    for owner in OWNERS {
        ceremony.sign(owner, &request);
    }
    let path = ceremony.at("server").join(&request);
    let original = std::fs::read(&path).unwrap();
    let late = |act: &mut Act| {
        let day = 24 * 60 * 60;
        act.not_before = act.not_before.plus_seconds(-8 * day);
        act.not_after = act.not_before.plus_seconds(7 * day);
    };
    let keys = OWNERS.map(|owner| {
        let text = std::fs::read_to_string(ceremony.key(owner)).unwrap();
        text.trim().parse::<SecretKey>().unwrap()
    });
    ceremony.change(|file| change_act(file, late, Some(&keys)));
    ceremony.refused("server", &BEGIN, &["error[denied]", "the act may be done from", "operator init"]);
    // Another threshold than the one that was signed.
    let alone = |act: &mut Act| {
        if let wargate_core::act::Step::Init { threshold, .. } = &mut act.steps[0] {
            *threshold = 1;
        }
    };
    std::fs::write(&path, &original).unwrap();
    ceremony.change(|file| change_act(file, alone, None));
    ceremony.refused("server", &BEGIN, &["error[denied]", "an endorsement by key"]);
    assert!(!ceremony.data().join("origin").exists(), "nothing began");
    std::fs::write(&path, &original).unwrap();
    ceremony.ok("server", &BEGIN);
}

/// Changes the act in a request, and signs it anew with these keys.
fn change_act(file: &mut Value, change: impl FnOnce(&mut Act), keys: Option<&[SecretKey]>) {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;
    let mut act = Act::decode(&BASE64.decode(file["act"].as_str().unwrap()).unwrap()).unwrap();
    change(&mut act);
    let bytes = act.encode();
    file["act"] = BASE64.encode(&bytes).into();
    if let Some(keys) = keys {
        let signed = keys.iter().map(|key| endorse(&bytes, key).unwrap());
        let signed = signed.map(|one| {
            serde_json::json!({ "keyId": one.key_id.to_string(), "signature": one.signature.to_string() })
        });
        file["endorsements"] = signed.collect();
    }
}

#[test]
fn a_request_that_could_begin_nothing_is_not_written() {
    let ceremony = Ceremony::new();
    let init = ceremony.init();
    let made = ceremony.ok(OWNERS[0], &["key", "new", "--ed25519", "--no-passphrase", "-o", "ed", "--json"]);
    let ed25519 = part(&made, "publicKey");
    let swap = |option: &str, value: &str| {
        let mut words = init.clone();
        let at = words.iter().position(|word| word == option).unwrap() + 1;
        words[at] = value.to_owned();
        words
    };
    let add =
        |more: &[&str]| init.iter().cloned().chain(more.iter().map(|word| (*word).to_owned())).collect();
    let owner = init[init.iter().position(|word| word == "--owner").unwrap() + 1].clone();
    let commit = init[3].clone();
    let rows: [(Vec<String>, i32, &str); 9] = [
        (swap("--threshold", "0"), 1, "the threshold is from 1"),
        (swap("--threshold", "4"), 1, "the threshold is from 1"),
        (swap("--commit", &owner), 1, "is in the live role `owner` already"),
        (swap("--publishing", &commit), 1, "is in the live role `commit` already"),
        (swap("--commit", &ed25519), 1, "P-256 keys"),
        (swap("--origin", "two words/log"), 1, "cannot be a log's origin"),
        (add(&["--owner", &owner]), 1, "twice"),
        (add(&["--commit-until", "181d"]), 2, "at most 180 days"),
        (add(&["--define", "No-Name"]), 2, "pattern"),
    ];
    for (words, code, said) in rows {
        let words: Vec<&str> = words.iter().map(String::as_str).chain(["--propose", "x.json"]).collect();
        assert_refused(&ceremony.run(OWNERS[0], &words), code, &[said]);
        assert!(!ceremony.at(OWNERS[0]).join("x.json").exists(), "{said}");
    }
    // Owners are never seen by `warg`, so that their keys may be of either kind.
    let words = swap("--owner", &ed25519);
    let words: Vec<&str> = words.iter().map(String::as_str).chain(["--propose", "x.json"]).collect();
    ceremony.ok(OWNERS[0], &words);
    ceremony.ok(OWNERS[0], &["sign", "x.json", "--key", "ed"]);
}

#[test]
fn a_commit_key_that_ends_soon_is_told_in_the_log_and_in_the_metrics() {
    for (until, soon) in [("20d", true), ("180d", false)] {
        let ceremony = Ceremony::new();
        let request = ceremony.propose(&["--commit-until", until]);
        for owner in &OWNERS[..2] {
            ceremony.sign(owner, &request);
        }
        ceremony.ok("server", &BEGIN);
        let log = ceremony.at("server").join("log");
        let server = Server::start_logged(&ceremony.data(), &log, None, &[]);
        let metrics = get(&format!("{}/metrics", server.url));
        let left = metrics.lines().find_map(|line| line.strip_prefix("wargate_commit_key_seconds_left "));
        let days = left.unwrap_or_else(|| panic!("{metrics}")).parse::<f64>().unwrap() / 86_400.0;
        let most = until.trim_end_matches('d').parse::<f64>().unwrap();
        assert!(days > most - 1.0 && days <= most, "{days} of {until}");
        server.end();
        let said = std::fs::read_to_string(&log).unwrap();
        assert_eq!(said.contains("the commit key ends soon"), soon, "{said}");
    }
}

#[test]
fn online_keys_are_made_once_and_shown_again() {
    let ceremony = Ceremony::new();
    let keys = ["operator", "keys", "--data", "data"];
    let first = ceremony.ok("server", &keys);
    assert_eq!(ceremony.ok("server", &keys), first);
    assert!(first.contains("wargate operator init") && first.contains("--publishing ecdsa-p256:"), "{first}");
    // A spare that was moved to where it belongs is not made anew once the registry has begun.
    let request = ceremony.propose(&[]);
    for owner in &OWNERS[..2] {
        ceremony.sign(owner, &request);
    }
    ceremony.ok("server", &BEGIN);
    std::fs::remove_file(ceremony.data().join("keys/commit-spare.key")).unwrap();
    let server = Server::start(&ceremony.data(), &[]);
    let shown = text(&ceremony.run("server", &keys).stdout);
    assert!(shown.contains("signs checkpoints") && !shown.contains("spare"), "{shown}");
    server.end();
    assert_eq!(listed(&ceremony.data().join("keys")), ["commit.key", "publishing.key"]);
}

#[test]
fn owners_elsewhere_replace_the_commit_key() {
    let ceremony = Ceremony::done();
    let start = || Server::start(&ceremony.data(), &[]);
    let (mut server, ben) = (start(), OWNERS[1]);
    let publish = |server: &Server, version: &str| {
        let (file, release) = (format!("{version}.wasm"), format!("acme:hello@{version}"));
        std::fs::write(ceremony.at(ben).join(&file), module(version.as_bytes())).unwrap();
        ceremony.ok(ben, &["publish", &file, &release, "--key", "own.key", "--registry", &server.url]);
        let told = ceremony.ok(ben, &["verify", &release, "--registry", &server.url, "--json"]);
        let told: Value = serde_json::from_str(&told).unwrap();
        told["checkpoint"]["keyId"].as_str().unwrap().to_owned()
    };
    let by_owners = |server: &Server, name: &str, act: &[&str]| {
        let words = [act, &["--propose", name, "--registry", &server.url]].concat();
        ceremony.ok(OWNERS[0], &words);
        std::fs::rename(ceremony.at(OWNERS[0]).join(name), ceremony.at("server").join(name)).unwrap();
        for owner in &OWNERS[1..] {
            ceremony.sign(owner, name);
        }
        ceremony.ok("server", &["submit", name]);
    };
    let first = publish(&server, "1.0.0");
    for turn in ["1", "2"] {
        let keys = ["operator", "keys", "--next", "--data", "data", "--json"];
        let made = ceremony.ok("server", &keys);
        assert_eq!(ceremony.ok("server", &keys), made, "it is made once");
        let (next, present) = (part(&made, "next"), part(&made, "presentKeyId"));
        // Nobody let it in yet.
        server.signal("TERM");
        server.wait();
        server = start();
        assert_eq!(publish(&server, &format!("1.0.{turn}")), present);
        let grant = ["grant", "operator", "commit", "--to", &next, "--until", "150d"];
        by_owners(&server, &format!("next-{turn}.json"), &grant);
        server.signal("TERM");
        server.wait();
        server = start();
        let signed_by = publish(&server, &format!("1.1.{turn}"));
        assert_ne!(signed_by, present);
        let revoke = ["revoke", "operator", "commit", "--take", &present];
        by_owners(&server, &format!("former-{turn}.json"), &revoke);
        assert_eq!(publish(&server, &format!("1.2.{turn}")), signed_by);
    }
    assert_ne!(publish(&server, "2.0.0"), first);
    let keys = listed(&ceremony.data().join("keys"));
    assert_eq!(keys.iter().filter(|name| name.starts_with("commit-former-")).count(), 2, "{keys:?}");
    assert!(!keys.contains(&"commit-next.key".to_owned()), "{keys:?}");
}
