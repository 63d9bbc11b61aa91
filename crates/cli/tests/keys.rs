//! Keys of people: made, taken from other programs, encrypted, or kept where only a command reaches them.
#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod support;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
use serde_json::Value;
use support::author::module;
use support::ceremony::part;
use support::scene::{Scene, on};
use support::{assert_refused, text};
use tempfile::tempdir;
use wargate_core::key::{Algorithm, SecretKey};

/// `wargate` in this folder, with a passphrase for whoever needs one.
fn run(folder: &std::path::Path, args: &[&str]) -> Output {
    on(folder, args).env("WARGATE_KEY_PASSPHRASE", "correct horse").output().unwrap()
}

#[track_caller]
fn ok(folder: &std::path::Path, args: &[&str]) -> String {
    let output = run(folder, args);
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// A key's text as we write it, of the bytes that another program shows.
fn public_text(pair: &KeyPair) -> String {
    let raw = pair.public_key_raw();
    match raw.len() {
        32 => format!("ed25519:{}", BASE64.encode(raw)),
        65 => {
            let sign = 2 | (raw[64] & 1);
            format!("ecdsa-p256:{}", BASE64.encode([&[sign], &raw[1..33]].concat()))
        }
        bytes => panic!("a key of {bytes} bytes"),
    }
}

#[test]
fn keys_of_other_programs_are_taken_in() {
    let folder = tempdir().unwrap();
    let p256 = KeyPair::generate().unwrap();
    let ed25519 = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let own = SecretKey::from_bytes(Algorithm::EcdsaP256, [7; 32]).unwrap();
    // RFC 5915, without the public half.
    let sec1 = [
        &[0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20][..],
        &[7; 32],
        &[0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
    ]
    .concat();
    let sec1 =
        format!("-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----\n", BASE64.encode(sec1));
    let rows = [
        ("p256", p256.serialize_pem(), public_text(&p256)),
        ("ed25519", ed25519.serialize_pem(), public_text(&ed25519)),
        ("sec1", sec1, own.public().to_string()),
        ("text", own.to_secret_text() + "\n", own.public().to_string()),
    ];
    for (name, given, public) in rows {
        std::fs::write(folder.path().join("given"), &given).unwrap();
        let told = ok(folder.path(), &["key", "import", "given", "-o", name, "--json"]);
        assert_eq!(part(&told, "publicKey"), public, "{name}");
        assert_eq!(part(&ok(folder.path(), &["key", "show", "--key", name, "--json"]), "publicKey"), public);
        let kept = std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(kept.starts_with("-----BEGIN AGE ENCRYPTED FILE-----"), "{kept}");

        let plain = format!("{name}.key");
        let args = ["key", "import", "-", "--no-passphrase", "-o", &plain];
        let mut child =
            on(folder.path(), &args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(given.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && text(&output.stdout).contains(&public), "{name}");
    }
}

#[test]
fn what_is_no_key_is_refused_and_not_repeated() {
    let folder = tempdir().unwrap();
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap().serialize_pem();
    let secret = SecretKey::from_bytes(Algorithm::EcdsaP256, [7; 32]).unwrap().to_secret_text();
    let rows = [
        (p384.as_str(), "neither a P-256 nor an Ed25519 key"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "neither a P-256"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no private key in PEM"),
        (&secret[..secret.len() - 3], "is not a private key"),
        ("", "is not a private key"),
    ];
    for (given, said) in rows {
        std::fs::write(folder.path().join("given"), given).unwrap();
        let refused = run(folder.path(), &["key", "import", "given", "-o", "own.age"]);
        assert_refused(&refused, 1, &["error[config]", said]);
        assert!(!text(&refused.stderr).contains("BwcHBwcH"), "the secret is repeated");
        assert!(!folder.path().join("own.age").exists());
    }
    assert_refused(&run(folder.path(), &["key", "import", "absent"]), 1, &["couldn't read the key `absent`"]);
}

#[test]
fn a_plain_file_gets_a_passphrase_and_the_list_tells() {
    let home = tempdir().unwrap();
    assert!(ok(home.path(), &["key", "list"]).contains("no key files in"));
    let folder = home.path().join(".config/wargate");
    let plain = folder.join("ci.key");
    ok(home.path(), &["key", "new"]);
    let ci = ok(home.path(), &["key", "new", "--no-passphrase", "-o", plain.to_str().unwrap(), "--json"]);
    std::fs::write(folder.join("config.toml"), "no key").unwrap();
    std::fs::write(folder.join("odd.key"), "no key").unwrap();
    let public = part(&ci, "publicKey");

    let told = ok(home.path(), &["key", "list"]);
    let lines: Vec<&str> = told.lines().collect();
    let expected =
        [format!("ci.key  plain  {public}"), "key.age  encrypted".into(), "odd.key  no key".into()];
    assert_eq!(lines.len(), expected.len(), "{told}");
    assert!(lines.iter().zip(&expected).all(|(line, end)| line.ends_with(end.as_str())), "{told}");

    let changed = ok(home.path(), &["key", "encrypt", plain.to_str().unwrap(), "--json"]);
    assert_eq!(part(&changed, "publicKey"), public);
    assert!(!std::fs::read_to_string(&plain).unwrap().contains("ecdsa-p256:"));
    let show = ["key", "show", "--json", "--key", plain.to_str().unwrap()];
    assert_eq!(part(&ok(home.path(), &show), "publicKey"), public);
    let wrong = on(home.path(), &show).env("WARGATE_KEY_PASSPHRASE", "horse").output().unwrap();
    assert_refused(&wrong, 1, &["the passphrase is wrong"]);
    assert_refused(&run(home.path(), &["key", "encrypt", plain.to_str().unwrap()]), 1, &["already"]);
    let told: Value = serde_json::from_str(&ok(home.path(), &["key", "list", "--json"])).unwrap();
    let encrypted = told["keys"].as_array().unwrap().iter().filter(|key| key["encrypted"] == true).count();
    assert_eq!(encrypted, 2, "{told}");
    let entries = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(entries, 4, "nothing is left beside");
}

#[test]
fn an_ed25519_key_owns_and_releases() {
    let scene = Scene::new();
    let ok = |args: &[&str]| {
        let output = scene.wargate(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    let made = ok(&["key", "new", "--ed25519", "--no-passphrase", "-o", "own.key", "--json"]);
    let public = part(&made, "publicKey");
    assert!(public.starts_with("ed25519:"));
    std::fs::write(scene.path("hello.wasm"), module(b"hello")).unwrap();
    ok(&["claim", "acme", "--to", &public, "--key", "own.key"]);
    ok(&["publish", "hello.wasm", "acme:hello@1.0.0", "--key", "own.key"]);
    let told = ok(&["verify", "acme:hello@1.0.0", "--json"]);
    assert!(told.contains(&part(&made, "keyId")), "{told}");
}

#[test]
fn a_command_signs_with_a_key_that_is_kept_elsewhere() {
    let scene = Scene::new();
    let pair = KeyPair::generate().unwrap();
    std::fs::write(scene.path("kept.pem"), pair.serialize_pem()).unwrap();
    std::fs::write(scene.path("hello.wasm"), module(b"hello")).unwrap();
    // As docs/keys.md has it.
    let sign = "echo ecdsa-p256:$(openssl dgst -sha256 -sign kept.pem | base64 -w0)";
    let publish = |command: &str, public: &str| {
        let args =
            ["publish", "hello.wasm", "acme:hello@1.0.0", "--sign-with", command, "--public-key", public];
        scene.wargate(&args).output().unwrap()
    };
    let other = public_text(&KeyPair::generate().unwrap());
    let public = public_text(&pair);
    for (command, public, said) in [
        (sign, &other, "signed by another key than"),
        ("echo hello | openssl dgst -sha256 -sign kept.pem", &public, "gave no signature"),
        ("echo ecdsa-p256:AAAA", &public, "signed by another key than"),
        ("false", &public, "failed: exit status: 1"),
        ("nonexistent-command", &public, "failed: exit status: 127"),
    ] {
        assert_refused(&publish(command, public), 1, &["error[config]", said]);
    }
    // It may look whether it is asked for the key that it has.
    let asked = format!("test \"$WARGATE_PUBLIC_KEY\" = '{public}' && {sign}");
    let output = publish(&asked, &public);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_refused(
        &scene.wargate(&["yank", "acme:hello@1.0.0", "--sign-with", sign]).output().unwrap(),
        2,
        &["--public-key"],
    );
    let yank = ["yank", "acme:hello@1.0.0", "--sign-with", sign, "--public-key", &public];
    assert!(scene.wargate(&yank).output().unwrap().status.success());
}

#[test]
fn a_file_names_the_command_that_signs() {
    let scene = Scene::new();
    let home = scene.home.path();
    let pair = KeyPair::generate().unwrap();
    let public = public_text(&pair);
    std::fs::write(scene.path("kept.pem"), pair.serialize_pem()).unwrap();
    std::fs::write(scene.path("hello.wasm"), module(b"hello")).unwrap();
    let sign = "echo ecdsa-p256:$(openssl dgst -sha256 -sign kept.pem | base64 -w0)";
    let import = ["key", "import", "--sign-with", sign, "--public-key", &public];
    let told = ok(home, &[&import[..], &["--json"]].concat());
    assert_eq!((part(&told, "publicKey"), part(&told, "signWith")), (public.clone(), sign.to_owned()));
    let stub = scene.path(".config/wargate/key.stub");
    let kept = std::fs::read_to_string(&stub).unwrap();
    assert_eq!(kept, format!("version = 1\npublic_key = \"{public}\"\nsign_with = \"{sign}\"\n"));
    assert_refused(&run(home, &import), 1, &["key.stub` is there already"]);

    let wargate = |args: &[&str]| scene.wargate(args).output().unwrap();
    let list = text(&wargate(&["key", "list"]).stdout);
    assert!(list.ends_with(&format!("key.stub  command  {public}  {sign}\n")), "{list}");
    let list: Value = serde_json::from_slice(&wargate(&["key", "list", "--json"]).stdout).unwrap();
    assert_eq!(list["keys"][0]["kept"], "command", "{list}");
    let show = text(&wargate(&["key", "show"]).stdout);
    assert!(show.contains(&public) && show.contains(sign), "{show}");
    // As the key that is at hand, and by its name.
    let publish = wargate(&["publish", "hello.wasm", "acme:hello@1.0.0"]);
    assert!(publish.status.success(), "{}", text(&publish.stderr));
    let named = stub.to_str().unwrap();
    let yank = wargate(&["yank", "acme:hello@1.0.0", "--key", named]);
    assert!(yank.status.success(), "{}", text(&yank.stderr));

    assert_refused(&run(home, &["key", "encrypt", named]), 1, &["nothing to encrypt", "openssl"]);
    let copy = ["key", "import", named, "--output", "copy.age"];
    assert_refused(&run(home, &copy), 1, &["only the command that it names has the key"]);
    let key = home.join(".config/wargate/key.age");
    std::fs::write(&key, "").unwrap();
    assert_refused(&wargate(&["key", "show"]), 1, &["both", "key.age", "key.stub", "--key"]);
    std::fs::remove_file(key).unwrap();
}

#[test]
fn a_file_that_others_may_write_runs_nothing() {
    let scene = Scene::new();
    std::fs::write(scene.path("hello.wasm"), module(b"hello")).unwrap();
    let public = public_text(&KeyPair::generate().unwrap());
    let import = ["key", "import", "--sign-with", "touch ran", "--public-key", &public];
    ok(scene.home.path(), &import);
    let stub = scene.path(".config/wargate/key.stub");
    let publish = || scene.wargate(&["publish", "hello.wasm", "acme:hello@1.0.0"]).output().unwrap();
    std::fs::set_permissions(&stub, std::fs::Permissions::from_mode(0o664)).unwrap();
    let said = ["error[config]", "others may write it (mode 664)", "chmod go-w"];
    assert_refused(&publish(), 1, &said);
    assert!(!scene.path("ran").exists());
    let list = scene.wargate(&["key", "list"]).output().unwrap();
    assert!(list.status.success() && text(&list.stdout).contains("refused"), "{}", text(&list.stdout));

    std::fs::set_permissions(&stub, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_refused(&publish(), 1, &["gave no signature"]);
    assert!(scene.path("ran").exists(), "the command can be seen to run");
}

#[test]
fn a_key_file_that_is_too_large_is_refused_whole() {
    let folder = tempdir().unwrap();
    let key = SecretKey::from_bytes(Algorithm::EcdsaP256, [7; 32]).unwrap().to_secret_text();
    for (spaces, is_taken) in [(64 * 1024 - key.len(), true), (64 * 1024 - key.len() + 1, false)] {
        std::fs::write(folder.path().join("own.key"), format!("{key}{}", " ".repeat(spaces))).unwrap();
        let shown = run(folder.path(), &["key", "show", "--key", "own.key"]);
        assert_eq!(shown.status.success(), is_taken, "{}", text(&shown.stderr));
    }
}
