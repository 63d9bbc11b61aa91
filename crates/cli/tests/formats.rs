//! Data folders of every released format: they open, what they hold verifies, and they go on. A folder that a newer
//! program wrote is refused and stays as it is.
//!
//! A folder is kept as `tests/formats/NAME.tar.gz`: `root`, the id of its registry, and `data`, the folder. To keep one
//! of the present format: `WARGATE_FORMAT=NAME cargo test -p wargate-cli --test formats`, and name it in [`KEPT`].
#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use support::author::{Author, module, publish};
use support::{Server, assert_refused, root_of, serve_refused, text, wargate};
use wargate_core::digest::Digest;

/// The kept folders, oldest first.
const KEPT: [&str; 1] = ["format-2-schema-2"];

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A kept folder is small enough to lie in the checkout, in bytes.
const KEPT_BYTES_MAX: u64 = 200_000;

/// Versions of each of the two packages in a kept folder.
const VERSIONS: u32 = 6;

/// Where a kept folder lies.
fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/formats/{name}.tar.gz"))
}

#[track_caller]
fn tar(args: &[&str]) {
    assert!(Command::new("tar").args(args).status().unwrap().success(), "tar {args:?}");
}

/// The content of a version; the last one is too large for the ledger.
fn content(package: &str, version: u32) -> Vec<u8> {
    let bytes = if version + 1 == VERSIONS { 70_000 } else { 40 };
    module(format!("{package} {version} {}", "x".repeat(bytes)).as_bytes())
}

/// Pushes a release as an OCI client does.
async fn push(http: &reqwest::Client, url: &str, repository: &str, version: &str, wasm: &[u8]) -> u16 {
    for blob in [wasm, b"{}"] {
        let digest = Digest::of(blob);
        let to = format!("{url}/v2/{repository}/blobs/uploads/?digest={digest}");
        let sent = http.post(to).body(blob.to_vec()).send().await.unwrap();
        assert_eq!(sent.status(), 201);
    }
    let part = |kind: &str, bytes: &[u8]| json!({ "mediaType": kind, "digest": Digest::of(bytes).to_string(), "size": bytes.len() });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": part("application/vnd.wasm.config.v0+json", b"{}"),
        "layers": [part("application/wasm", wasm)],
    });
    let to = format!("{url}/v2/{repository}/manifests/{version}");
    let put = http.put(to).header("content-type", MANIFEST).body(manifest.to_string());
    put.send().await.unwrap().status().as_u16()
}

/// Makes a folder of the present format as it is kept.
async fn keep(file: &Path) {
    let scene = tempfile::tempdir().unwrap();
    let data = scene.path().join("data");
    let server = Server::start(&data, &[]);
    let (http, url) = (reqwest::Client::new(), server.url.clone());
    let mut author = Author::new("kept:signed");
    for version in 0..VERSIONS {
        let bytes = content("signed", version);
        let signed = author.release(&format!("1.{version}.0"), &bytes);
        author.head = Some(signed.id);
        assert!(publish(&http, &url, &signed, &bytes).await.unwrap());
        let bytes = content("pushed", version);
        assert_eq!(push(&http, &url, "kept/pushed", &format!("1.{version}.0"), &bytes).await, 201);
    }
    let root = root_of(&server.end(), &url);
    std::fs::write(scene.path().join("root"), root).unwrap();
    tar(&["-czf", file.to_str().unwrap(), "-C", scene.path().to_str().unwrap(), "root", "data"]);
}

/// A kept folder, unpacked.
fn unpack(file: &Path) -> (tempfile::TempDir, PathBuf, String) {
    let scene = tempfile::tempdir().unwrap();
    tar(&["-xzf", file.to_str().unwrap(), "-C", scene.path().to_str().unwrap()]);
    let root = std::fs::read_to_string(scene.path().join("root")).unwrap();
    let data = scene.path().join("data");
    (scene, data, root)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kept_folder_opens_verifies_and_goes_on() {
    for name in KEPT {
        go_on(&kept(name)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_the_present_format_can_be_kept() {
    let scene = tempfile::tempdir().unwrap();
    let file = match std::env::var("WARGATE_FORMAT") {
        Ok(name) => kept(&name),
        Err(_) => scene.path().join("present.tar.gz"),
    };
    keep(&file).await;
    assert!(std::fs::metadata(&file).unwrap().len() < KEPT_BYTES_MAX);
    go_on(&file).await;
}

/// Opens a kept folder, verifies what it holds, publishes one more, removes garbage, and opens it again.
async fn go_on(file: &Path) {
    let name = file.display();
    let (scene, data, root) = unpack(file);
    let server = Server::start(&data, &[]);
    let url = server.url.clone();
    let wargate = |args: &[&str]| {
        let output = wargate(args).env("WARGATE_STATE", scene.path().join("state")).output().unwrap();
        assert!(output.status.success(), "{name}: {}{}", text(&output.stdout), text(&output.stderr));
    };
    wargate(&["trust", "add", &url, "--root", &root]);
    for version in 0..VERSIONS {
        for package in ["signed", "pushed"] {
            wargate(&["verify", &format!("kept:{package}@1.{version}.0"), "--registry", &url]);
        }
    }
    let http = reqwest::Client::new();
    assert_eq!(push(&http, &url, "kept/pushed", "2.0.0", &module(b"more")).await, 201);
    wargate(&["verify", "kept:pushed@2.0.0", "--registry", &url]);
    assert_eq!(root_of(&server.end(), &url), root, "{name}");
    wargate(&["gc", "--data", data.to_str().unwrap()]);
    let server = Server::start(&data, &[]);
    wargate(&["trust", "add", &server.url, "--root", &root]);
    for release in ["kept:pushed@2.0.0", "kept:pushed@1.0.0", "kept:signed@1.5.0"] {
        wargate(&["verify", release, "--registry", &server.url]);
    }
}

/// All files below a folder with their bytes, but for the lock, which is written at each start.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if !path.ends_with("lock") {
            let bytes = std::fs::read(&path).unwrap();
            found.push((path, bytes));
        }
    }
    found.sort();
    found
}

#[test]
fn a_folder_of_a_newer_format_is_refused_and_stays_as_it_is() {
    let (_scene, data, _) = unpack(&kept(KEPT[0]));
    std::fs::write(data.join("format"), "wargate data folder, format 3\n").unwrap();
    let before = files(&data);
    let refused = serve_refused(&data, &["--listen", "127.0.0.1:0"]);
    assert_refused(&refused, 1, &["error[config]", "format 3", "format 2", "run the program that made it"]);
    assert!(files(&data) == before);
}

#[test]
fn a_folder_whose_ledger_is_newer_is_refused_and_stays_as_it_is() {
    let (_scene, data, _) = unpack(&kept(KEPT[0]));
    let ledger = rusqlite::Connection::open(data.join("ledger.sqlite")).unwrap();
    ledger.execute("insert into schema_version values (999)", []).unwrap();
    drop(ledger);
    let before = files(&data);
    let refused = serve_refused(&data, &["--listen", "127.0.0.1:0"]);
    assert_refused(&refused, 1, &["schema 999", "run the newer program", "restore a backup"]);
    assert!(files(&data) == before);
}
