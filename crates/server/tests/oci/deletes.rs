//! DELETE: of tags, manifests and blobs; and what is refused.

use hyper::StatusCode;
use serde_json::json;
use wargate_core::digest::Digest;

use crate::site::Site;
use crate::support::module;

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_a_manifest_and_a_blob_are_gone_at_once() {
    let site = Site::new().await;
    let digest = site.push_plain("loose/things", "one", json!({})).await;
    site.push_plain("loose/things", "two", json!({})).await;
    site.push_plain("loose/things", "three", json!({})).await;
    let manifest = |reference: &str| format!("/v2/loose/things/manifests/{reference}");
    let tags = async || site.get("/v2/loose/things/tags/list").await.json()["tags"].clone();
    let deleted = site.delete(&manifest("one")).await;
    assert!(deleted.is(StatusCode::ACCEPTED).bytes.is_empty());
    assert_eq!(tags().await, json!(["three", "two"]));
    site.get(&manifest("one")).await.is_refused(404, "MANIFEST_UNKNOWN");
    site.delete(&manifest("one")).await.is_refused(404, "MANIFEST_UNKNOWN");
    site.get(&manifest(&digest.to_string())).await.is(StatusCode::OK);
    site.delete(&manifest(&digest.to_string())).await.is(StatusCode::ACCEPTED);
    assert_eq!(tags().await, json!([]));
    for reference in ["two", "three", &digest.to_string()] {
        site.get(&manifest(reference)).await.is_refused(404, "MANIFEST_UNKNOWN");
        site.delete(&manifest(reference)).await.is_refused(404, "MANIFEST_UNKNOWN");
    }
    let blob = format!("/v2/loose/things/blobs/{}", Digest::of(b"{}"));
    site.delete(&blob).await.is(StatusCode::ACCEPTED);
    site.get(&blob).await.is_refused(404, "BLOB_UNKNOWN");
    site.delete(&blob).await.is_refused(404, "BLOB_UNKNOWN");
    site.delete("/v2/loose/nothing/manifests/tag").await.is_refused(404, "NAME_UNKNOWN");
    site.delete(&format!("/v2/loose/nothing/blobs/{digest}")).await.is_refused(404, "BLOB_UNKNOWN");
    site.delete("/v2/loose/things/manifests/sha256:bad").await.is_refused(400, "DIGEST_INVALID");
    site.delete("/v2/loose/things/tags/list").await.is_refused(405, "UNSUPPORTED");
    // What was deleted can be pushed again.
    assert_eq!(site.push_plain("loose/things", "one", json!({})).await, digest);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_refused_by_tag_digest_and_blob_with_what_to_do() {
    let site = Site::new().await;
    let wasm = module(b"one");
    let (manifest, _) = site.push("acme/hello", "1.0.0", &wasm).await;
    let paths = [
        "/v2/acme/hello/manifests/1.0.0".to_owned(),
        format!("/v2/acme/hello/manifests/{}", Digest::of(&manifest)),
        format!("/v2/acme/hello/blobs/{}", Digest::of(&wasm)),
        format!("/v2/acme/hello/blobs/{}", Digest::of(b"{}")),
    ];
    for path in &paths {
        let refused = site.delete(path).await;
        refused.is_refused(405, "UNSUPPORTED");
        let message = refused.json()["errors"][0]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("yank"), "{message}");
        site.get(path).await.is(StatusCode::OK);
    }
    site.delete("/v2/acme/hello/manifests/latest").await.is_refused(405, "UNSUPPORTED");
    site.delete("/v2/acme/hello/manifests/2.0.0").await.is_refused(404, "MANIFEST_UNKNOWN");
    // What lies beside it goes.
    site.push("acme/hello", "edge", &module(b"two")).await;
    site.delete("/v2/acme/hello/manifests/edge").await.is(StatusCode::ACCEPTED);
    let blob = format!("/v2/acme/hello/blobs/{}", Digest::of(&module(b"two")));
    site.delete(&blob).await.is(StatusCode::ACCEPTED);
}
