//! `wargate gc` on a real data folder.
#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod support;

use std::path::Path;

use serde_json::Value;
use support::author::{Author, module, publish};
use support::{Server, assert_refused, text, wargate};

fn gc(data: &Path, args: &[&str]) -> std::process::Output {
    wargate(&["gc", "--data", data.to_str().unwrap()]).args(args).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_needs_the_folder_for_itself_and_tells_what_it_would_do_before_it_does_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    assert_refused(&gc(&data, &[]), 1, &["error[config]", "is no data folder", "--data"]);
    assert!(!data.exists(), "it makes none");
    let server = Server::start(&data, &[]);
    let http = reqwest::Client::new();
    let mut author = Author::new("acme:hello");
    for patch in 0..4 {
        let content = module(format!("{patch}").as_bytes());
        let signed = author.release(&format!("1.0.{patch}"), &content);
        author.head = Some(signed.id);
        assert!(publish(&http, &server.url, &signed, &content).await.unwrap());
    }
    assert_refused(&gc(&data, &[]), 1, &["error[config]", "is in use by process"]);
    server.end();
    let uploads = data.join("objects/uploads");
    std::fs::create_dir_all(&uploads).unwrap();
    std::fs::write(uploads.join("0123#1"), "half").unwrap();
    let would = text(&gc(&data, &["--dry-run"]).stdout);
    assert!(would.contains("would remove 1 uploads that broke off (4 bytes)"), "{would}");
    assert!(uploads.join("0123#1").exists());
    let done: Value = serde_json::from_slice(&gc(&data, &["--json"]).stdout).unwrap();
    assert_eq!((&done["ok"], &done["removed"]["uploads"]["count"]), (&true.into(), &1.into()));
    assert!(done["ledgerBytes"].as_u64().unwrap() > 10_000, "{done}");
    assert!(!uploads.join("0123#1").exists());
    let nothing = text(&gc(&data, &[]).stdout);
    assert!(nothing.contains("nothing to remove"), "{nothing}");
    let server = Server::start(&data, &[]);
    assert!(server.get("/readyz").contains(" 200 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_sweeps_what_nothing_needs_with_the_times_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data, &[]);
    let http = reqwest::Client::new();
    let (config, layer) = (b"{}".to_vec(), vec![b'l'; 100_000]);
    let of = |bytes: &[u8]| wargate_core::digest::Digest::of(bytes);
    for blob in [&config, &layer] {
        let url = format!("{}/v2/loose/things/blobs/uploads/?digest={}", server.url, of(blob));
        assert_eq!(http.post(url).body(blob.clone()).send().await.unwrap().status(), 201);
    }
    let part = |bytes: &[u8]| serde_json::json!({ "mediaType": "application/x", "digest": of(bytes).to_string(), "size": bytes.len() });
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": part(&config), "layers": [part(&layer)],
    });
    let manifest = manifest.to_string().into_bytes();
    let url = format!("{}/v2/loose/things/manifests/{}", server.url, of(&manifest));
    let put = http.put(url).header("content-type", "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(put.body(manifest.clone()).send().await.unwrap().status(), 201);
    server.end();
    let hex = of(&layer).to_hex();
    let object = data.join("objects/blobs/sha256").join(&hex[..2]).join(&hex);
    assert!(object.exists());
    assert!(text(&gc(&data, &[]).stdout).contains("nothing to remove"));
    let times = folder.path().join("times.toml");
    std::fs::write(&times, "content_lease_hours = 0\nuntagged_days = 0\n").unwrap();
    let args = ["--config", times.to_str().unwrap()];
    let would = text(&gc(&data, &[&args[..], &["--dry-run"]].concat()).stdout);
    assert!(would.contains("would remove 1 manifests that nothing names"), "{would}");
    assert!(object.exists());
    let done = text(&gc(&data, &args).stdout);
    for line in [
        "removed 1 manifests that nothing names (0 bytes)".to_owned(),
        "removed 2 links that no manifest needs (0 bytes)".to_owned(),
        format!("removed 3 contents that nothing links ({} bytes)", 100_002 + manifest.len()),
    ] {
        assert!(done.contains(&line), "{done}");
    }
    assert!(!object.exists());
    let fsck = wargate(&["fsck", "--data", data.to_str().unwrap()]).output().unwrap();
    assert!(fsck.status.success(), "{}", text(&fsck.stdout));
}
