//! `wargate trust` from outside.

#![expect(clippy::unwrap_used, reason = "a failure here is the test's failure")]

mod support;

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use support::{Server, assert_refused, root_of, text, wargate};
use tempfile::tempdir;

const URL: &str = "http://a.example:8090";

fn root(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

fn trust(state: &Path, args: &[&str]) -> Output {
    wargate(&["trust"]).args(args).env("WARGATE_STATE", state).output().unwrap()
}

#[track_caller]
fn accepted(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[track_caller]
fn as_json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_pin_is_added_listed_and_removed() {
    let state = tempdir().unwrap();
    assert_eq!(accepted(&trust(state.path(), &["list"])), "");
    let added = accepted(&trust(state.path(), &["add", URL, "--root", &root('a')]));
    assert_eq!(added, format!("{URL} is pinned to {}\n", root('a')));
    // Once more changes nothing.
    accepted(&trust(state.path(), &["add", &format!("{URL}/"), "--root", &root('a')]));
    assert_eq!(accepted(&trust(state.path(), &["list"])), format!("{URL}  {} (given)\n", root('a')));
    assert!(accepted(&trust(state.path(), &["remove", URL])).contains("is forgotten"));
    assert_eq!(accepted(&trust(state.path(), &["list"])), "");
    assert_refused(&trust(state.path(), &["remove", URL]), 1, &["error[config]", "is not known"]);
}

#[test]
fn another_root_is_refused_and_the_first_kept() {
    let state = tempdir().unwrap();
    accepted(&trust(state.path(), &["add", URL, "--root", &root('a')]));
    let refused = trust(state.path(), &["add", URL, "--root", &root('b')]);
    assert_refused(&refused, 1, &["error[config]", "never changes its root", "trust remove"]);
    assert!(accepted(&trust(state.path(), &["list"])).contains(&root('a')));
}

#[test]
fn json_is_for_scripts_also_when_it_fails() {
    let state = tempdir().unwrap();
    let added = trust(state.path(), &["add", URL, "--root", &root('a'), "--json"]);
    assert_eq!(as_json(&added), serde_json::json!({ "ok": true, "registry": URL, "root": root('a') }));
    let pin = serde_json::json!({ "registry": URL, "root": root('a'), "given": true });
    let listed = trust(state.path(), &["list", "--json"]);
    assert_eq!(as_json(&listed), serde_json::json!({ "ok": true, "registries": [pin] }));
    let refused = trust(state.path(), &["add", URL, "--root", &root('b'), "--json"]);
    assert_refused(&refused, 1, &["error[config]"]);
    let said = as_json(&refused);
    assert_eq!((&said["ok"], &said["code"]), (&Value::Bool(false), &Value::from("config")));
    assert!(said["hints"][0].as_str().unwrap().contains("trust remove"), "{said}");
    let removed = trust(state.path(), &["--json", "remove", URL]);
    assert_eq!(as_json(&removed), serde_json::json!({ "ok": true, "registry": URL }));
}

#[test]
fn what_is_no_root_or_no_url_is_a_wrong_call() {
    let state = tempdir().unwrap();
    let short = &root('a')[..70];
    for bad in ["", "sha256:", short, &root('g'), &root('a').to_uppercase(), &format!("{}0", root('a'))] {
        assert_refused(&trust(state.path(), &["add", URL, "--root", bad]), 2, &["error[usage]", "--root"]);
    }
    for bad in ["", "a.example", "ftp://a.example"] {
        assert_refused(&trust(state.path(), &["add", bad, "--root", &root('a')]), 2, &["error[usage]"]);
    }
    assert_refused(&trust(state.path(), &["add", URL]), 2, &["--root"]);
    assert_eq!(accepted(&trust(state.path(), &["list"])), "");
}

#[test]
fn a_damaged_pin_is_not_an_absent_one() {
    let state = tempdir().unwrap();
    accepted(&trust(state.path(), &["add", URL, "--root", &root('a')]));
    let pins: Vec<_> = std::fs::read_dir(state.path().join("trust")).unwrap().map(Result::unwrap).collect();
    assert_eq!(pins.len(), 1, "nothing temporary is left: {pins:?}");
    std::fs::write(pins[0].path(), "{").unwrap();
    for args in [&["list"][..], &["add", URL, "--root", &root('b')]] {
        assert_refused(&trust(state.path(), args), 1, &["error[config]", "it is damaged"]);
    }
}

#[test]
fn the_state_folder_is_where_the_environment_says() {
    let home = tempdir().unwrap();
    let cases = [
        ("WARGATE_STATE", "trust"),
        ("XDG_STATE_HOME", "wargate/trust"),
        ("HOME", ".local/state/wargate/trust"),
    ];
    for (name, pins) in cases {
        let folder = home.path().join(name);
        let mut command = wargate(&["trust", "add", URL, "--root", &root('a')]);
        command.env_remove("XDG_STATE_HOME").env_remove("HOME").env(name, &folder);
        accepted(&command.output().unwrap());
        assert_eq!(std::fs::read_dir(folder.join(pins)).unwrap().count(), 1, "{name}");
    }
    let mut command = wargate(&["trust", "list"]);
    command.env_remove("XDG_STATE_HOME").env_remove("HOME");
    assert_refused(&command.output().unwrap(), 1, &["error[config]", "WARGATE_STATE"]);
}

#[test]
fn the_line_that_serve_prints_works() {
    let (data, state) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Server::start(data.path(), &[]);
    let url = server.url.clone();
    let greeting = server.end();
    let root = root_of(&greeting, &url);
    let line = greeting.lines().map(str::trim).find(|line| line.starts_with("wargate trust")).unwrap();
    let args: Vec<_> = line.split(' ').skip(2).collect();
    assert_eq!(accepted(&trust(state.path(), &args)), format!("{url} is pinned to {root}\n"));
}
