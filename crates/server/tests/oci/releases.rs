//! Releases through this door, and what `warg` released seen from here.

use hyper::Method;
use serde_json::{Value, json};
use wargate_core::digest::Digest;

use crate::site::Site;
use crate::support::oci::MANIFEST;
use crate::support::{Author, module};

#[tokio::test(flavor = "multi_thread")]
async fn a_release_goes_in_and_comes_out_with_exact_bytes() {
    let site = Site::new().await;
    assert_eq!((site.get("/v2/").await.status, site.get("/v2").await.status), (200, 200));
    let wasm = module(b"one");
    let (manifest, pushed) = site.push("acme/hello", "1.0.0", &wasm).await;
    let digest = Digest::of(&manifest).to_string();
    assert_eq!(pushed.status, 201);
    assert_eq!(pushed.header("location"), format!("/v2/acme/hello/manifests/{digest}"));
    for reference in ["1.0.0", "latest", &digest, &digest.replace(':', "%3A")] {
        let path = format!("/v2/acme/hello/manifests/{reference}");
        let found = site.get(&path).await;
        assert_eq!((found.status, &found.bytes), (200, &manifest), "{reference}");
        assert_eq!(found.header("content-type"), MANIFEST);
        assert_eq!(found.header("docker-content-digest"), digest);
        assert_eq!(found.header("etag"), format!("\"{digest}\""));
        let head = site.send(Method::HEAD, &path, &[("accept", "text/html")], b"").await;
        assert_eq!((head.status, head.header("docker-content-digest")), (200, digest.as_str()));
        let known = format!("\"{digest}\"");
        let unchanged = site.send(Method::GET, &path, &[("if-none-match", &known)], b"").await;
        assert_eq!(unchanged.status, 304);
    }
    let blob = format!("/v2/acme/hello/blobs/{}", Digest::of(&wasm));
    let whole = site.get(&blob).await;
    assert_eq!((whole.status, &whole.bytes), (200, &wasm));
    assert_eq!(whole.header("x-content-type-options"), "nosniff");
    let piece = site.send(Method::GET, &blob, &[("range", "bytes=0-3")], b"").await;
    assert_eq!((piece.status, &piece.bytes[..]), (206, &wasm[..4]));
    let beyond = site.send(Method::GET, &blob, &[("range", "bytes=500-")], b"").await;
    assert_eq!(beyond.status, 416);
    assert_eq!(beyond.header("content-range"), format!("bytes */{}", wasm.len()));
    assert_eq!(beyond.codes(), ["BLOB_UPLOAD_INVALID"]);
    let (_, again) = site.push("acme/hello", "1.0.0", &wasm).await;
    assert_eq!(again.status, 201);
    let (_, other) = site.push("acme/hello", "1.0.0", &module(b"other")).await;
    assert_eq!((other.status, other.codes()), (409, vec!["DENIED".to_owned()]));
    assert!(String::from_utf8_lossy(&other.bytes).contains(&Digest::of(&wasm).to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_warg_published_is_pulled_here_and_a_yank_warns() {
    let site = Site::new().await;
    let mut alice = Author::new(10, "acme:mine", &site.clock);
    let wasm = module(b"hers");
    alice.release(&site.registry, "1.0.0", &wasm).await;
    let manifest = site.get("/v2/acme/mine/manifests/1.0.0").await;
    assert_eq!((manifest.status, manifest.header("warning")), (200, ""));
    let parsed: Value = serde_json::from_slice(&manifest.bytes).unwrap();
    let layer = parsed["layers"][0]["digest"].as_str().unwrap();
    assert_eq!(site.get(&format!("/v2/acme/mine/blobs/{layer}")).await.bytes, wasm);
    let config = parsed["config"]["digest"].as_str().unwrap();
    assert_eq!(site.get(&format!("/v2/acme/mine/blobs/{config}")).await.status, 200);
    let (_, denied) = site.push("acme/mine", "2.0.0", &module(b"his")).await;
    assert_eq!((denied.status, denied.codes()), (403, vec!["DENIED".to_owned()]));
    let yank = wargate_core::record::PackageEntry::Yank { version: "1.0.0".parse().unwrap() };
    alice.publish(&site.registry, vec![yank]).await;
    let yanked = site.get("/v2/acme/mine/manifests/1.0.0").await;
    assert!(yanked.header("warning").contains("yanked"), "{}", yanked.header("warning"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_takes_a_wasm_artifact_only_and_other_names_are_plain_content() {
    let site = Site::new().await;
    let wasm = module(b"one");
    let layer = site.push_blob("acme/hello", &wasm).await.to_string();
    let config = site.push_blob("acme/hello", b"{}").await.to_string();
    let one = json!({"mediaType": "application/wasm", "digest": layer, "size": wasm.len()});
    let tar =
        json!({"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": wasm.len()});
    let manifest = |layers: Value| {
        let config = json!({"mediaType": "application/vnd.wasm.config.v0+json", "digest": config, "size": 2});
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}).to_string()
    };
    let wrong_size = json!({"mediaType": "application/wasm", "digest": layer, "size": 1});
    for layers in [json!([one, one]), json!([tar]), json!([]), json!([wrong_size])] {
        let body = manifest(layers);
        let put = site.send(Method::PUT, "/v2/acme/hello/manifests/1.0.0", &[], body.as_bytes()).await;
        assert_eq!((put.status, put.codes()), (400, vec!["MANIFEST_INVALID".to_owned()]), "{body}");
    }
    let size = site.registry.snapshot().checkpoint().size();
    // A config that lies is kept and never believed; a name that `warg` could not say is no package's.
    let body = manifest(json!([one]));
    for repository in ["acme/v-2", "Acme-less/one/more/part".to_ascii_lowercase().as_str(), "acme.io/hello"] {
        site.push_blob(repository, &wasm).await;
        site.push_blob(repository, b"{}").await;
        let path = format!("/v2/{repository}/manifests/1.0.0");
        assert_eq!(site.send(Method::PUT, &path, &[], body.as_bytes()).await.status, 201);
        assert_eq!(site.get(&path).await.bytes, body.as_bytes());
    }
    assert_eq!(site.registry.snapshot().checkpoint().size(), size, "nothing of it is in the log");
    let sealed = [&wasm[..], &[0, 0x92, 0x80, 0x80, 0x80, 0, 12], b"wargate-seal", b"proof"].concat();
    let (_, put) = site.push("acme/sealed", "1.0.0", &sealed).await;
    assert!(put.status == 400 && String::from_utf8_lossy(&put.bytes).contains("seal"), "{:?}", put.bytes);
}
