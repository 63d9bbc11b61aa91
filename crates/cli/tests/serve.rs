//! `wargate serve` from outside: what it makes, says, keeps and refuses.

#![expect(clippy::unwrap_used, reason = "a failure here is the test's failure")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use support::ceremony::Ceremony;
use support::{Server, assert_refused, root_of, serve_refused};
use tempfile::tempdir;

const KEYS: [&str; 4] = ["commit-spare.key", "commit.key", "publishing.key", "root.key"];

/// All files of a folder, by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

fn config(folder: &Path, text: &str) -> String {
    let path = folder.join("wargate.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_first_start_makes_keys_that_only_their_owner_reads() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    let greeting = Server::start(&data, &[]).end();
    let keys = files(&data.join("keys"));
    assert_eq!(keys.keys().collect::<Vec<_>>(), KEYS);
    for name in KEYS {
        let mode = fs::metadata(data.join("keys").join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{name}");
        assert!(keys[name].starts_with(b"ecdsa-p256:") && keys[name].ends_with(b"\n"), "{name}");
    }
    let distinct: std::collections::BTreeSet<_> = keys.values().collect();
    assert_eq!(distinct.len(), KEYS.len(), "each key is another");
    assert!(greeting.contains("A new registry."), "{greeting}");
    assert!(greeting.contains(data.join("keys").to_str().unwrap()), "{greeting}");
}

#[test]
fn a_restart_is_the_same_registry_with_the_same_origin() {
    let folder = tempdir().unwrap();
    let first = Server::start(folder.path(), &[]);
    let origin = format!("{}/log\n", first.url.strip_prefix("http://").unwrap());
    assert!(first.get("/readyz").contains(" 200 "));
    let url = first.url.clone();
    let root = root_of(&first.end(), &url);
    assert_eq!(fs::read_to_string(folder.path().join("origin")).unwrap(), origin);
    let keys = files(&folder.path().join("keys"));

    let again = Server::start(folder.path(), &[]);
    let url = again.url.clone();
    assert_eq!(root_of(&again.end(), &url), root);
    assert_eq!(fs::read_to_string(folder.path().join("origin")).unwrap(), origin);
    assert_eq!(files(&folder.path().join("keys")), keys);
}

#[test]
fn a_start_cut_off_after_its_keys_goes_on_with_them() {
    let folder = tempdir().unwrap();
    Server::start(folder.path(), &[]).end();
    let keys = files(&folder.path().join("keys"));
    // As it was before the log began, with the last key not made yet and the one before half written.
    let cut = tempdir().unwrap();
    let data = cut.path().join("data");
    fs::create_dir_all(data.join("keys")).unwrap();
    fs::set_permissions(data.join("keys"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::copy(folder.path().join("format"), data.join("format")).unwrap();
    for name in ["root.key", "commit.key"] {
        fs::write(data.join("keys").join(name), &keys[name]).unwrap();
    }
    fs::write(data.join("keys/commit-spare.key.new"), "ecdsa-p2").unwrap();
    let server = Server::start(&data, &[]);
    assert!(server.get("/readyz").contains(" 200 "));
    server.end();
    let after = files(&data.join("keys"));
    assert_eq!(after.keys().collect::<Vec<_>>(), KEYS, "the half key is gone");
    for name in ["root.key", "commit.key"] {
        assert_eq!(after[name], keys[name], "{name} is the one that was there");
    }
}

#[test]
fn a_key_that_was_moved_away_is_not_made_anew() {
    let folder = tempdir().unwrap();
    Server::start(folder.path(), &[]).end();
    let key = |name: &str| folder.path().join("keys").join(name);
    fs::remove_file(key("root.key")).unwrap();
    Server::start(folder.path(), &[]).end();
    assert!(!key("root.key").exists(), "a root key that owns nothing");

    fs::rename(key("commit.key"), folder.path().join("away.key")).unwrap();
    let refused = serve_refused(folder.path(), &["--listen", "127.0.0.1:0"]);
    assert_refused(&refused, 1, &["error[config]", "commit.key", "is missing", "commit_key"]);
    assert!(!key("commit.key").exists());

    let text = format!("commit_key = '{}'\n", folder.path().join("away.key").display());
    let config = config(folder.path(), &text);
    Server::start(folder.path(), &["--config", &config]).end();
}

#[test]
fn a_registry_can_begin_with_a_commit_key_from_elsewhere() {
    let (elsewhere, folder) = (tempdir().unwrap(), tempdir().unwrap());
    Server::start(elsewhere.path(), &[]).end();
    let text = format!("commit_key = '{}'\n", elsewhere.path().join("keys/commit.key").display());
    let config = config(elsewhere.path(), &text);
    let server = Server::start(folder.path(), &["--config", &config]);
    assert!(server.get("/readyz").contains(" 200 "));
    server.end();
    assert!(!folder.path().join("keys/commit.key").exists(), "no second commit key");
}

#[test]
fn the_origin_never_changes() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    let first = config(folder.path(), "origin = 'a.example/log'\n");
    Server::start(&data, &["--config", &first]).end();
    // Without a word about it, it stays.
    Server::start(&data, &[]).end();
    let other = config(folder.path(), "origin = 'b.example/log'\n");
    let refused = serve_refused(&data, &["--listen", "127.0.0.1:0", "--config", &other]);
    assert_refused(&refused, 1, &["error[config]", "b.example/log", "a.example/log", "for ever"]);
    assert_eq!(fs::read_to_string(data.join("origin")).unwrap(), "a.example/log\n");
    // Lost, it is not replaced by the address of the day.
    fs::remove_file(data.join("origin")).unwrap();
    let refused = serve_refused(&data, &["--listen", "127.0.0.1:0"]);
    assert_refused(&refused, 1, &["error[config]", "is missing, but the log has begun"]);
}

#[test]
fn an_origin_that_cannot_sign_is_refused_before_it_is_kept() {
    for origin in ["", "two words/log", "a+b.example/log", "a.example/log\nb"] {
        let folder = tempdir().unwrap();
        let data = folder.path().join("data");
        let bad = config(folder.path(), &format!("origin = {origin:?}\n"));
        let refused = serve_refused(&data, &["--listen", "127.0.0.1:0", "--config", &bad]);
        assert_refused(&refused, 1, &["error[config]", "cannot be a log's origin"]);
        assert!(!data.join("origin").exists(), "{origin:?}");
        let good = config(folder.path(), "origin = 'a.example/log'\n");
        Server::start(&data, &["--config", &good]).end();
    }
}

#[test]
fn a_second_process_is_kept_out() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let refused = serve_refused(folder.path(), &["--listen", "127.0.0.1:0"]);
    assert_refused(&refused, 1, &["error[config]", "is in use by process"]);
    assert!(server.get("/healthz").contains(" 200 "), "the first one goes on");
    server.end();
}

#[test]
fn an_address_that_others_reach_needs_a_word() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    let refused = serve_refused(&data, &["--listen", "0.0.0.0:0"]);
    assert_refused(&refused, 1, &["error[config]", "anybody could publish", "--open"]);
    assert!(!data.exists(), "nothing was made");
    let told = ["--open", "--public-url", "http://a.example", "--plain-http"];
    for (words, asked) in [(1, "public_url"), (3, "--plain-http")] {
        let refused = serve_refused(&data, &[&["--listen", "0.0.0.0:0"], &told[..words]].concat());
        assert_refused(&refused, 1, &["error[config]", asked]);
        assert!(!data.exists(), "nothing was made");
    }
    let everything = [&["--listen", "0.0.0.0:0"], &told[..]].concat();
    let refused = serve_refused(&data, &everything);
    assert_refused(&refused, 1, &["error[config]", "has not begun", "wargate operator keys"]);
    assert!(!data.exists(), "nothing was made");

    let begun = Ceremony::done();
    assert!(first_line(&begun.data(), &everything).starts_with("listening on http://0.0.0.0:"));
}

/// What `serve` says first; it is killed then.
fn first_line(data: &Path, args: &[&str]) -> String {
    let mut command = support::wargate(&["serve", "--data", data.to_str().unwrap()]);
    let mut child = command.args(args).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line)
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    line
}

#[test]
fn a_root_key_is_not_served_to_others() {
    let folder = tempdir().unwrap();
    Server::start(folder.path(), &[]).end();
    let reached = ["--listen", "0.0.0.0:0", "--open", "--public-url", "http://a.example", "--plain-http"];
    let refused = serve_refused(folder.path(), &reached);
    assert_refused(&refused, 1, &["error[config]", "keys/root.key", "can do everything", "move it"]);
    // On loopback behind a proxy it is said, each time.
    let (log, begun) = (folder.path().join("log"), ["--public-url", "https://a.example"]);
    Server::start_logged(folder.path(), &log, None, &begun).end();
    assert!(fs::read_to_string(&log).unwrap().contains("a root key lies here"));
    // Moved away it is where it belongs, and the same registry goes on.
    let away = tempdir().unwrap();
    fs::rename(folder.path().join("keys/root.key"), away.path().join("root.key")).unwrap();
    assert!(first_line(folder.path(), &reached).starts_with("listening on http://0.0.0.0:"));
    fs::remove_file(&log).unwrap();
    Server::start_logged(folder.path(), &log, None, &begun).end();
    assert!(!fs::read_to_string(&log).unwrap().contains("a root key lies here"));
}

#[test]
fn a_wrong_configuration_is_refused_by_name() {
    let cases = [
        ("listne = 'x'\n", "listne"),
        ("[imports]\nacme = 'not a domain'\n", "imports.acme"),
        ("[imports]\n'No_Namespace' = 'a.example'\n", "imports"),
        ("content_bytes_max = -1\n", "content_bytes_max"),
        ("listen = [\n", "wargate.toml"),
    ];
    for (text, word) in cases {
        let folder = tempdir().unwrap();
        let path = config(folder.path(), text);
        let data = folder.path().join("data");
        let refused = serve_refused(&data, &["--listen", "127.0.0.1:0", "--config", &path]);
        assert_refused(&refused, 1, &["error[config]", word]);
        assert!(!data.join("origin").exists(), "nothing began: {text}");
    }
    let folder = tempdir().unwrap();
    let absent = folder.path().join("absent.toml");
    let refused = serve_refused(folder.path(), &["--config", absent.to_str().unwrap()]);
    assert_refused(&refused, 1, &["error[config]", "absent.toml"]);
}

#[test]
fn clients_are_told_the_public_url() {
    let folder = tempdir().unwrap();
    let greeting = Server::start(folder.path(), &["--public-url", "https://a.example/"]).end();
    root_of(&greeting, "https://a.example");
    assert!(greeting.contains("warg config --registry https://a.example --keyring"), "{greeting}");
}

#[test]
fn a_signal_right_after_the_first_line_ends_it_in_order() {
    let folder = tempdir().unwrap();
    for name in ["TERM", "INT", "TERM", "INT", "TERM", "INT"] {
        let mut server = Server::start(folder.path(), &[]);
        server.signal(name);
        assert_eq!(server.wait().code(), Some(0), "SIG{name}");
    }
}

#[test]
fn it_goes_on_when_nobody_reads_what_it_prints() {
    let folder = tempdir().unwrap();
    let mut server = Server::start_unread(folder.path(), &[]);
    server.close_stdout_after_first_line();
    for _ in 0..10 {
        assert!(server.get("/healthz").contains(" 200 "));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}
