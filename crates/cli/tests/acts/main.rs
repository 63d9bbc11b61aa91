//! Acts as people make them, against a real `wargate serve`: claims, grants, requests that several sign, a theft and a
//! loss, and what those see of it who only read.
#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod custody;
mod memory;
mod proposals;
#[path = "../support/mod.rs"]
mod support;

use std::process::Output;

use serde_json::Value;
use support::author::module;
use support::scene::Scene;
use support::{Server, assert_refused, text};

/// A key: its file, its public half and its id.
struct Key {
    file: String,
    public: String,
    id: String,
}

impl Scene {
    fn run(&self, args: &[&str]) -> Output {
        self.wargate(args).output().unwrap()
    }

    #[track_caller]
    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[args, &["--json"]].concat())).unwrap()
    }

    #[track_caller]
    fn refused(&self, args: &[&str], words: &[&str]) {
        assert_refused(&self.run(args), 1, words);
    }

    fn key(&self, name: &str) -> Key {
        let file = self.path(&format!("{name}.key")).to_str().unwrap().to_owned();
        let made = self.json(&["key", "new", "--no-passphrase", "-o", &file]);
        let part = |name: &str| made[name].as_str().unwrap().to_owned();
        Key { file, public: part("publicKey"), id: part("keyId") }
    }

    fn wasm(&self, payload: &str) -> String {
        let path = self.path(&format!("{payload}.wasm"));
        std::fs::write(&path, module(payload.as_bytes())).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Releases a version with a key; the record.
    #[track_caller]
    fn publish(&self, release: &str, key: &Key) -> String {
        let wasm = self.wasm(&release.replace([':', '@'], "-"));
        let told = self.json(&["publish", &wasm, release, "--key", &key.file]);
        told["recordId"].as_str().unwrap().to_owned()
    }

    /// The tags that the OCI door lists.
    fn tags(&self, repository: &str) -> Vec<String> {
        let url = format!("{}/v2/{repository}/tags/list", self.server.url);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let body = runtime.block_on(async { reqwest::get(url).await.unwrap().text().await.unwrap() });
        let told: Value = serde_json::from_str(&body).unwrap();
        told["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn two_people_claim_a_namespace_through_a_request() {
    let scene = Scene::new();
    let [one, two, stranger] = ["one", "two", "stranger"].map(|name| scene.key(name));
    let claim = ["claim", "acme", "--to", &one.public, "--to", &two.public, "--threshold", "2"];
    // Who is none of them is told what is missing, before anything is sent.
    scene.refused(
        &[&claim[..], &["--key", &stranger.file]].concat(),
        &["needs the agreement of 2", "--propose"],
    );
    let request = scene.path("claim.json").to_str().unwrap().to_owned();
    let told = scene.ok(&[&claim[..], &["--propose", &request]].concat());
    assert!(told.contains("begins the log, owned by") && told.contains("it has 0"), "{told}");
    scene.refused(&[&claim[..], &["--propose", &request]].concat(), &["couldn't write"]);

    scene.refused(&["sign", &request, "--key", &stranger.file], &["has no say in this act"]);
    let lacks = scene.json(&["sign", &request, "--key", &one.file]);
    assert!(lacks["lacks"].as_str().unwrap().contains("it has 1"), "{lacks}");
    scene.refused(&["sign", &request, "--key", &one.file], &["has signed it already"]);
    assert!(scene.ok(&["submit", &request]).contains("it waits at the registry until"));
    let whole = scene.json(&["sign", &request, "--key", &two.file]);
    assert_eq!((&whole["lacks"], whole["signedBy"].as_array().unwrap().len()), (&Value::Null, 2));
    assert_eq!(scene.json(&["submit", &request])["registryIndex"], 1);
    let again = scene.json(&["submit", &request]);
    assert_eq!((&again["registryIndex"], &again["before"]), (&1.into(), &true.into()));

    // Both must agree from now on, and to each package that begins.
    let grant = ["grant", "acme", "starters", "--to", &stranger.public, "--may", "init", "--over", "h*"];
    scene.refused(
        &[&grant[..], &["--key", &stranger.file]].concat(),
        &["2 keys of the role `owner`, it has 0", &one.id],
    );
    let wasm = scene.wasm("hello");
    scene.refused(&["publish", &wasm, "acme:hello@1.0.0", "--key", &one.file], &["error[denied]"]);
    let request = scene.path("grant.json").to_str().unwrap().to_owned();
    scene.ok(&[&grant[..], &["--propose", &request]].concat());
    for key in [&one, &two] {
        scene.ok(&["sign", &request, "--key", &key.file]);
    }
    scene.ok(&["submit", &request]);
    scene.publish("acme:hello@1.0.0", &stranger);
    scene.refused(&["publish", &wasm, "acme:other@1.0.0", "--key", &stranger.file], &["error[denied]"]);
}

#[test]
fn a_request_that_was_changed_is_refused() {
    let scene = Scene::new();
    let (alice, bob) = (scene.key("alice"), scene.key("bob"));
    scene.publish("acme:hello@1.0.0", &alice);
    let request = scene.path("request.json").to_str().unwrap().to_owned();
    scene.ok(&["grant", "acme:hello", "bob", "--to", &bob.public, "--may", "yank", "--propose", &request]);
    let original = std::fs::read_to_string(&request).unwrap();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut file: Value = serde_json::from_str(&original).unwrap();
        change(&mut file);
        std::fs::write(&request, file.to_string()).unwrap();
    };
    let sign = ["sign", &request, "--key", &alice.file];
    changed(&|file| file["log"] = "acme:other".into());
    scene.refused(&sign, &["its parts do not belong together"]);
    changed(&|file| file["standsOn"]["root"] = format!("sha256:{}", "0".repeat(64)).into());
    scene.refused(&sign, &["its parts do not belong together"]);
    changed(&|file| file["format"] = "wargate-request-2".into());
    scene.refused(&sign, &["`wargate-request-2`", "this version knows `wargate-request-1`"]);
    changed(&|file| file["act"] = "AAAA".into());
    scene.refused(&sign, &["cannot be decoded"]);
    changed(&|file| file["more"] = 1.into());
    scene.refused(&sign, &["it is no request file"]);
    // What is said beside the act binds nobody: what is shown is the act.
    changed(&|file| file["says"] = serde_json::json!(["nothing of importance"]));
    let shown = scene.ok(&["sign", &request, "--dry-run"]);
    assert!(shown.contains("grants the role `bob`") && !shown.contains("importance"), "{shown}");
    // A registry that is pinned is the one that the act must name.
    let other = Scene::new();
    std::fs::write(&request, original.replace(&scene.server.url, &other.server.url)).unwrap();
    let root = support::root_of(&other.server.greeting(), &other.server.url);
    scene.ok(&["trust", "add", &other.server.url, "--root", &root]);
    scene.refused(&sign, &["is pinned as", &root]);
}

#[test]
fn a_stolen_ci_key_is_contained_and_what_it_released_is_distrusted_everywhere() {
    let scene = Scene::new();
    let [alice, ci] = ["alice", "ci"].map(|name| scene.key(name));
    scene.publish("acme:hello@0.9.0", &alice);
    let over = ">=1.0.0 <2.0.0";
    let grant = ["grant", "acme:hello", "ci", "--to", &ci.public, "--may", "release", "--over", over];
    scene.ok(&[&grant[..], &["--until", "90d", "--key", &alice.file]].concat());
    scene.publish("acme:hello@1.0.0", &ci);
    let (wasm, own) = (scene.wasm("evil"), ["--key", ci.file.as_str()]);
    scene.refused(&[&["publish", &wasm, "acme:hello@2.0.0"][..], &own].concat(), &["error[denied]"]);
    scene.refused(&[&["publish", &wasm, "acme:hello@1.1.0-rc.1"][..], &own].concat(), &["error[denied]"]);
    scene.refused(&[&["yank", "acme:hello@0.9.0"][..], &own].concat(), &["needs the agreement"]);
    scene.refused(&[&grant[..], &["--depth", "1"], &own].concat(), &["error[denied]"]);

    // From here on it is a thief's.
    let since = scene.publish("acme:hello@1.1.0", &ci);
    scene.publish("acme:hello@1.2.0", &ci);
    let revoke = ["revoke", "acme:hello", "ci", "--since", &since];
    scene.refused(&[&revoke[..], &own].concat(), &["error[denied]"]);
    let words = scene.ok(&[&revoke[..], &["--key", &alice.file]].concat());
    assert!(words.contains("ends the role `ci`") && words.contains("is trusted no more"), "{words}");
    scene.refused(&[&["publish", &wasm, "acme:hello@1.3.0"][..], &own].concat(), &["error[denied]"]);

    for version in ["1.1.0", "1.2.0"] {
        let release = format!("acme:hello@{version}");
        scene.refused(&["pull", &release, "--yanked"], &["is distrusted by the owners"]);
    }
    scene.ok(&["pull", "acme:hello@1.0.0", "-o", scene.path("out.wasm").to_str().unwrap()]);
    let told = scene.json(&["info", "acme:hello"]);
    let distrusted: Vec<&str> = told["releases"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|release| release["distrusted"] == true)
        .map(|release| release["version"].as_str().unwrap())
        .collect();
    assert_eq!(distrusted, ["1.1.0", "1.2.0"]);
    // Clients that know nothing of that see a yank, in a record of its own.
    assert_eq!(scene.tags("acme/hello"), ["0.9.0", "1.0.0"]);
    assert_eq!(told["records"], 7);
    // Their versions stay used up.
    scene.refused(&["publish", &wasm, "acme:hello@1.1.0", "--key", &alice.file], &["released already"]);
    scene.refused(&["yank", "acme:hello@1.1.0", "--key", &alice.file], &["is distrusted"]);
}

#[test]
fn lost_owners_are_replaced_by_the_layer_above_and_by_nobody_else() {
    let scene = Scene::new();
    let [boss, lost, fresh] = ["boss", "lost", "fresh"].map(|name| scene.key(name));
    scene.ok(&["claim", "acme", "--to", &boss.public, "--key", &boss.file]);
    let request = scene.path("init.json").to_str().unwrap().to_owned();
    scene.ok(&["grant", "acme", "starters", "--to", &lost.public, "--may", "init", "--key", &boss.file]);
    scene.publish("acme:hello@1.0.0", &lost);
    let recover = ["recover", "acme:hello", "--to", &fresh.public];
    scene.refused(&[&recover[..], &["--key", &fresh.file]].concat(), &["Recover needs the agreement"]);
    scene.refused(&[&recover[..], &["--key", &lost.file]].concat(), &["Recover needs the agreement"]);
    let told = scene.ok(&[&recover[..], &["--propose", &request]].concat());
    assert!(told.contains("gives the log to new owners") && told.contains(&fresh.id), "{told}");
    scene.ok(&["sign", &request, "--key", &boss.file]);
    scene.ok(&["submit", &request]);
    let wasm = scene.wasm("after");
    scene.refused(&["publish", &wasm, "acme:hello@1.1.0", "--key", &lost.file], &["error[denied]"]);
    scene.publish("acme:hello@1.1.0", &fresh);
    scene.ok(&["deprecate", "acme:hello@1.0.0", "use 1.1.0", "--key", &fresh.file]);
    assert!(scene.ok(&["info", "acme:hello"]).contains("deprecated: use 1.1.0"));
    let told = scene.json(&["verify", "acme:hello@1.0.0"]);
    assert_eq!(told["deprecated"], "use 1.1.0");
    scene.ok(&["deprecate", "acme:hello", "use acme:other", "--key", &fresh.file]);
    assert_eq!(scene.json(&["verify", "acme:hello@1.1.0"])["deprecated"], "use acme:other");
    scene.ok(&["deprecate", "acme:hello", "", "--key", &fresh.file]);
    assert_eq!(scene.json(&["verify", "acme:hello@1.1.0"])["deprecated"], Value::Null);
    // What strangers write is no order to a terminal.
    let reason = "it leaks\n  published by  you \u{1b}[2J";
    let told = scene.ok(&["yank", "acme:hello@1.0.0", "--reason", reason, "--key", &fresh.file]);
    let words = r"it leaks\n  published by  you \u{1b}[2J";
    assert!(told.contains(words), "{told}");
    assert!(scene.ok(&["info", "acme:hello@1.0.0"]).contains(&format!("yanked for    {words}")));
}

#[test]
fn a_policy_of_two_persons_holds_for_the_packages_of_a_namespace() {
    let scene = Scene::new();
    let [boss, one, two] = ["boss", "one", "two"].map(|name| scene.key(name));
    scene.ok(&["claim", "acme", "--to", &boss.public, "--key", &boss.file]);
    scene.publish("acme:hello@1.0.0", &boss);
    scene.ok(&["policy", "acme", "two-persons", "--key", &boss.file]);
    assert_refused(
        &scene.run(&["policy", "acme", "three-persons", "--key", &boss.file]),
        2,
        &["a policy is of the words"],
    );
    let release =
        ["grant", "acme:hello", "team", "--to", &one.public, "--to", &two.public, "--may", "release"];
    let by_boss = ["--key", boss.file.as_str()];
    scene.refused(&[&release[..], &by_boss].concat(), &["two persons are demanded"]);
    scene.ok(&[&release[..], &["--threshold", "2"], &by_boss].concat());
    let wasm = scene.wasm("alone");
    let told = scene.ok(&["publish", &wasm, "acme:hello@1.1.0", "--key", &one.file]);
    assert!(told.contains("2 keys of the role `team`, it has 1"), "{told}");
    scene
        .refused(&["publish", &wasm, "acme:other@1.0.0", "--key", &boss.file], &["two persons are demanded"]);
}

#[test]
fn a_rotation_of_the_commit_key_reaches_every_log() {
    let mut scene = Scene::new();
    let folder = scene.data();
    let [alice, fresh] = ["alice", "fresh"].map(|name| scene.key(name));
    scene.publish("acme:hello@1.0.0", &alice);
    let root = folder.join("keys/root.key").to_str().unwrap().to_owned();
    let old = folder.join("keys/commit.key").to_str().unwrap().to_owned();
    let old_id = scene.json(&["key", "show", "--key", &old])["keyId"].as_str().unwrap().to_owned();
    // A key that the operator's owners did not let in signs nothing.
    let config = scene.path("serve.toml");
    std::fs::write(&config, format!("commit_key = '{}'\nformer_commit_keys = ['{old}']\n", fresh.file))
        .unwrap();
    let with_fresh = ["--config", config.to_str().unwrap()];
    scene.refused(
        &["grant", "operator", "commit", "--to", &fresh.public, "--key", &alice.file],
        &["error[denied]"],
    );
    scene.ok(&["grant", "operator", "commit", "--to", &fresh.public, "--key", &root]);
    scene.server.signal("TERM");
    scene.server.wait();
    scene.server = Server::start(&folder, &with_fresh);

    // The package's log is told by a key that its v1 clients know.
    let before = scene.json(&["info", "acme:hello"])["records"].as_u64().unwrap();
    scene.publish("acme:hello@1.1.0", &alice);
    let told = scene.json(&["info", "acme:hello"]);
    assert_eq!(told["records"], before + 2, "a carrier record and the release");
    scene.ok(&["revoke", "operator", "commit", "--take", &old_id, "--key", &root]);
    scene.publish("acme:hello@1.2.0", &alice);
    assert_eq!(scene.json(&["info", "acme:hello"])["records"], before + 3, "it is told once");
    scene.publish("acme:other@1.0.0", &alice);
}

#[test]
fn what_the_operator_takes_down_is_installed_by_nobody_until_it_is_lifted() {
    let scene = Scene::new();
    let alice = scene.key("alice");
    let root = scene.data().join("keys/root.key").to_str().unwrap().to_owned();
    scene.publish("acme:hello@1.0.0", &alice);
    scene.publish("acme:hello@1.1.0", &alice);
    let takedown = ["takedown", "acme:hello@1.1.0", "--reason", "it steals keys"];
    assert_refused(&scene.run(&["takedown", "acme:hello@1.1.0", "--key", &root]), 2, &["--reason"]);
    scene.refused(&[&takedown[..], &["--key", &alice.file]].concat(), &["Takedown needs the agreement"]);
    let told = scene.ok(&[&takedown[..], &["--key", &root]].concat());
    assert!(told.contains("takes down acme:hello@1.1.0: it steals keys"), "{told}");

    // The client knows it from the log, before anybody refuses it any bytes.
    let words = ["`acme:hello@1.1.0` was taken down: it steals keys (record sha256:"];
    for command in ["pull", "verify", "info"] {
        let output = scene.run(&[command, "acme:hello@1.1.0"]);
        assert_refused(&output, 1, &words);
        assert!(!text(&output.stderr).contains("silent takedown"), "{}", text(&output.stderr));
    }
    assert_eq!(scene.json(&["pull", "acme:hello"])["version"], "1.0.0");
    let info = scene.ok(&["info", "acme:hello"]);
    assert!(info.contains("TAKEN DOWN") && info.contains(words[0]), "{info}");
    let told = scene.json(&["info", "acme:hello"]);
    assert_eq!(told["releases"][1]["takenDown"]["reason"], "it steals keys");
    assert_eq!(told["releases"][0]["takenDown"], Value::Null);
    assert_eq!(scene.tags("acme/hello"), ["1.0.0"]);

    scene.ok(&["takedown", "acme:hello@1.1.0", "--lift", "--key", &root]);
    assert_eq!(scene.json(&["pull", "acme:hello"])["version"], "1.1.0");
    let quarantine = ["quarantine", "acme:hello", "--until", "14d", "--reason", "we look into it"];
    scene.ok(&[&quarantine[..], &["--key", &root]].concat());
    scene.refused(&["pull", "acme:hello"], &["`acme:hello` is in quarantine until ", "we look into it"]);
    assert!(scene.ok(&["info", "acme:hello"]).contains("IN QUARANTINE"));
    let wasm = scene.wasm("next");
    scene.refused(
        &["publish", &wasm, "acme:hello@1.2.0", "--key", &alice.file],
        &["`acme:hello` is in quarantine until "],
    );
    scene.ok(&["takedown", "acme:hello", "--lift", "--reason", "it was nothing", "--key", &root]);
    assert_eq!(scene.json(&["verify", "acme:hello@1.1.0"])["takenDown"], Value::Null);
}

#[test]
fn a_namespace_that_the_operator_imports_begins_nowhere_here() {
    let scene = Scene::new();
    let alice = scene.key("alice");
    let root = scene.data().join("keys/root.key").to_str().unwrap().to_owned();
    assert_refused(&scene.run(&["import", "wasi", "no domain", "--key", &root]), 2, &["is no domain"]);
    let request = scene.path("import.json").to_str().unwrap().to_owned();
    scene.ok(&["import", "wasi", "wasi.dev", "--propose", &request]);
    scene.ok(&["sign", &request, "--key", &root]);
    scene.ok(&["submit", &request]);
    let wasm = scene.wasm("http");
    scene.refused(&["publish", &wasm, "wasi:http@1.0.0", "--key", &alice.file], &["wasi.dev"]);
    scene.publish("acme:hello@1.0.0", &alice);
}
