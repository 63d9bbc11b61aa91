//! `wargate fsck` from outside: what it says, how it ends, and what it leaves alone.
#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod support;

use std::path::Path;
use std::process::Output;

use support::author::{Author, module, publish};
use support::{Server, assert_refused, text, wargate};
use tempfile::tempdir;

fn fsck(data: &Path, args: &[&str]) -> Output {
    wargate(&["fsck", "--data", data.to_str().unwrap()]).args(args).output().unwrap()
}

#[track_caller]
fn assert_clean(output: &Output) {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    assert_eq!(out, "clean\n", "{err}");
    assert!(!err.contains('\u{1b}') && !err.contains('\r'), "no progress where nobody looks: {err}");
}

/// A registry with a few releases, as long as it runs.
async fn registry(data: &Path) -> Server {
    let server = Server::start(data, &[]);
    let client = reqwest::Client::new();
    for (name, content) in [("acme:one", module(b"one")), ("acme:two", module(&[7; 100_000]))] {
        let signed = Author::new(name).release("1.0.0", &content);
        assert!(publish(&client, &server.url, &signed, &content).await.unwrap());
    }
    server
}

fn blob(folder: &Path) -> std::path::PathBuf {
    let mut path = folder.join("objects/blobs/sha256");
    while path.is_dir() {
        path = std::fs::read_dir(&path).unwrap().next().unwrap().unwrap().path();
    }
    path
}

#[tokio::test]
async fn a_folder_is_clean_beside_its_server_and_after_it() {
    let folder = tempdir().unwrap();
    let server = registry(folder.path()).await;
    let beside = fsck(folder.path(), &[]);
    assert_clean(&beside);
    assert!(text(&beside.stderr).contains("in use"));
    assert_refused(&fsck(folder.path(), &["--repair"]), 1, &["error[config]", "in use by process", "beside"]);
    assert_refused(&fsck(folder.path(), &["--rebuild"]), 1, &["error[config]", "in use by process"]);
    assert!(server.get("/readyz").contains(" 200 "));
    server.end();
    for args in [&[][..], &["--sample", "30"], &["--repair"], &["--rebuild"], &["--repair", "--rebuild"]] {
        assert_clean(&fsck(folder.path(), args));
    }
    Server::start(folder.path(), &[]).end();
    assert_clean(&fsck(folder.path(), &[]));
}

#[tokio::test]
async fn damage_is_a_line_each_and_exit_1_until_it_is_repaired() {
    let folder = tempdir().unwrap();
    registry(folder.path()).await.end();
    let tile = std::fs::read_dir(folder.path().join("objects/log/tile/0/000.p")).unwrap();
    let tile =
        tile.map(|entry| entry.unwrap().path()).max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let mut bytes = std::fs::read(&tile).unwrap();
    bytes[5] ^= 1;
    std::fs::write(&tile, bytes).unwrap();
    let found = fsck(folder.path(), &[]);
    assert_refused(&found, 1, &["error[verification]", "one thing is damaged"]);
    let out = text(&found.stdout);
    assert!(out.starts_with("log/tile/0/000.p/") && out.lines().count() == 1, "{out}");
    assert!(out.contains("run `wargate fsck --repair`"), "{out}");

    let found = fsck(folder.path(), &["--json"]);
    assert_eq!(found.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(json["ok"], false);
    assert_eq!(json["damage"].as_array().unwrap().len(), 1, "{json}");

    let repaired = fsck(folder.path(), &["--repair"]);
    assert_eq!(repaired.status.code(), Some(0));
    assert!(text(&repaired.stdout).contains("; repaired"));
    assert_clean(&fsck(folder.path(), &[]));

    std::fs::remove_file(blob(folder.path())).unwrap();
    let lost = fsck(folder.path(), &["--repair"]);
    assert_refused(&lost, 1, &["one thing is damaged"]);
    let out = text(&lost.stdout);
    assert!(out.starts_with("blobs/sha256/") && out.contains("restore it from a backup"), "{out}");
}

#[test]
fn nothing_is_made_in_a_folder_that_is_not_ours() {
    let folder = tempdir().unwrap();
    let absent = folder.path().join("absent");
    for args in [&[][..], &["--repair"], &["--rebuild"]] {
        assert_refused(&fsck(&absent, args), 1, &["error[config]", "no data folder"]);
        assert!(!absent.exists());
        assert_refused(&fsck(folder.path(), args), 1, &["error[config]", "no data folder"]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_wrong_call_ends_with_2() {
    let folder = tempdir().unwrap();
    for args in [&["--sample", "0"][..], &["--sample", "101"], &["--sample", "5", "--repair"], &["--mend"]] {
        assert_refused(&fsck(folder.path(), args), 2, &["error"]);
    }
}
