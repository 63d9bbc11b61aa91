//! `wargate publish` and `wargate key` as a person uses them, against a real `wargate serve`.
#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod support;

use std::process::Output;

use serde_json::Value;
use support::author::module;
use support::scene::{Scene, on};
use support::{assert_refused, text};

const PASSPHRASE: &str = "correct horse";

impl Scene {
    fn file(&self, name: &str, content: &[u8]) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A key without a passphrase, and its id.
    fn plain_key(&self, name: &str) -> (String, String) {
        let path = self.path(name).to_str().unwrap().to_owned();
        let made =
            json(&self.wargate(&["key", "new", "--no-passphrase", "--json", "-o", &path]).output().unwrap());
        (path, made["keyId"].as_str().unwrap().to_owned())
    }
}

#[track_caller]
fn accepted(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[track_caller]
fn json(output: &Output) -> Value {
    serde_json::from_str(&accepted(output)).unwrap()
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

#[test]
fn a_key_is_made_encrypted_and_a_release_by_it_is_proven() {
    let scene = Scene::new();
    let with_passphrase = |args: &[&str], passphrase: &str| {
        let mut command = scene.wargate(args);
        command.env("WARGATE_KEY_PASSPHRASE", passphrase).output().unwrap()
    };
    let made = json(&with_passphrase(&["key", "new", "--json"], PASSPHRASE));
    let key_id = made["keyId"].as_str().unwrap();
    let file = scene.path(".config/wargate/key.age");
    assert_eq!(made["file"], file.to_str().unwrap());
    let stored = std::fs::read_to_string(&file).unwrap();
    assert!(stored.starts_with("-----BEGIN AGE ENCRYPTED FILE-----") && !stored.contains("ecdsa-p256"));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert_refused(&with_passphrase(&["key", "new"], PASSPHRASE), 1, &["is there already"]);
    says(&accepted(&with_passphrase(&["key", "show"], PASSPHRASE)), &[key_id, "ecdsa-p256:"]);

    let wasm = scene.file("hello.wasm", &module(b"hello"));
    let publish = ["publish", &wasm, "acme:hello@1.0.0"];
    assert_refused(&with_passphrase(&publish, "wrong"), 1, &["error[config]", "the passphrase is wrong"]);
    let planned = accepted(&with_passphrase(&[&publish[..], &["--dry-run"]].concat(), PASSPHRASE));
    says(&planned, &["starts        the namespace `acme`", "owned by your key", key_id, "nothing was sent"]);
    let missing = scene.wargate(&["info", "acme:hello"]).output().unwrap();
    assert_refused(&missing, 1, &["there is no package"]);

    let told = accepted(&with_passphrase(&publish, PASSPHRASE));
    let check = format!("wargate verify acme:hello@1.0.0 --registry {}", scene.server.url);
    says(&told, &["publisher's key, proven", key_id, "at index 2", &check]);
    let verified = accepted(&scene.wargate(&["verify", "acme:hello@1.0.0"]).output().unwrap());
    says(&verified, &["publisher's key, proven", key_id]);
    says(
        &accepted(&scene.wargate(&["info", "acme:hello"]).output().unwrap()),
        &["delegated log", "owner (1 of 1)"],
    );
    accepted(&scene.wargate(&["pull", "acme:hello"]).output().unwrap());
    assert_eq!(std::fs::read(scene.path("hello.wasm")).unwrap(), module(b"hello"));
}

#[test]
fn the_next_release_the_same_again_and_what_is_refused() {
    let scene = Scene::new();
    let (alice, alice_id) = scene.plain_key("alice.key");
    let (mallory, mallory_id) = scene.plain_key("mallory.key");
    let (one, two) = (scene.file("one.wasm", &module(b"one")), scene.file("two.wasm", &module(b"two")));
    let publish = |file: &str, release: &str, key: &str| {
        scene.wargate(&["publish", file, release, "--key", key, "--json"]).output().unwrap()
    };
    let first = json(&publish(&one, "acme:hello@1.0.0", &alice));
    assert_eq!((&first["registryIndex"], &first["before"]), (&2.into(), &false.into()));
    assert_eq!(first["publishedBy"]["level"], "publisher's key");
    assert!(first["manifest"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(json(&publish(&two, "acme:hello@1.1.0", &alice))["registryIndex"], 3);
    let again = json(&publish(&one, "acme:hello@1.0.0", &alice));
    assert_eq!((&again["before"], &again["digest"]), (&true.into(), &first["digest"]));

    let refused = |output: &Output, words: &[&str]| {
        assert_refused(output, 1, &[&["error[denied]"], words].concat());
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&told["ok"], &told["code"]), (&false.into(), &"denied".into()));
    };
    refused(&publish(&two, "acme:hello@1.0.0", &alice), &["released already", "another version"]);
    refused(&publish(&two, "acme:hello@1.2.0", &mallory), &[&mallory_id, &alice_id, "may not"]);
    refused(&publish(&two, "acme:hello@1.2.0+b", &alice), &["build metadata"]);
    let text = scene.file("text.wasm", b"no wasm");
    refused(&publish(&text, "acme:hello@1.2.0", &alice), &["cannot be released"]);
    assert_refused(&publish(&one, "acme:hello", &alice), 2, &["which version"]);
    // In a namespace of the registry's own everybody may begin packages.
    let mut others = scene.wargate(&["publish", &two, "acme:other@0.1.0", "--json"]);
    let secret = std::fs::read_to_string(&mallory).unwrap();
    let others = json(&others.env("WARGATE_KEY", secret).output().unwrap());
    assert_eq!(others["publishedBy"]["keyIds"][0], mallory_id);
}

#[test]
fn the_registry_of_a_namespace_is_the_one_that_wkg_asks() {
    let scene = Scene::new();
    let (key, _) = scene.plain_key("alice.key");
    let file = scene.file("one.wasm", &module(b"one"));
    let host = scene.server.url.strip_prefix("http://").unwrap();
    let config = scene.path("wkg.toml");
    std::fs::write(&config, format!("[namespace_registries]\nacme = \"{host}\"\nother = \"127.0.0.1:1\"\n"))
        .unwrap();
    let run = |args: &[&str]| on(scene.home.path(), args).env("WKG_CONFIG_FILE", &config).output().unwrap();
    accepted(&run(&["publish", &file, "acme:hello@1.0.0", "--key", &key]));
    for command in ["verify", "info", "pull"] {
        accepted(&run(&[command, "acme:hello"]));
        assert_refused(&run(&[command, "other:hello"]), 1, &["http://127.0.0.1:1"]);
    }
    // What is said on the command line comes first.
    let given = run(&["info", "other:hello", "--registry", &scene.server.url]);
    assert_refused(&given, 1, &["there is no package `other:hello`"]);
    std::fs::write(&config, "default_registry = 1").unwrap();
    assert_refused(&run(&["info", "acme:hello"]), 1, &["error[config]", "wkg.toml"]);
}

#[test]
fn without_a_key_it_says_how_to_get_one() {
    let scene = Scene::new();
    let file = scene.file("one.wasm", &module(b"one"));
    let output = scene.wargate(&["publish", &file, "acme:hello@1.0.0"]).output().unwrap();
    assert_refused(&output, 1, &["error[config]", "there is no key", "wargate key new"]);
    let mut command = scene.wargate(&["publish", &file, "acme:hello@1.0.0"]);
    let output = command.env("WARGATE_KEY", "ecdsa-p256:secret").output().unwrap();
    assert_refused(&output, 1, &["error[config]", "WARGATE_KEY"]);
    assert!(!text(&output.stderr).contains("ecdsa-p256:secret"), "what may be secret is not repeated");
}
