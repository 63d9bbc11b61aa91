//! Failures that other registries had, each with the right answer (`spec/oci.md`, "Known failures of registries").

use hyper::{Method, StatusCode};
use serde_json::json;
use wargate_core::digest::Digest;

use crate::site::Site;
use crate::support::module;
use crate::support::oci::{INDEX, MANIFEST};

/// Quay, CVE-2026-32589: tried with all methods in `sessions.rs`; here to its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_finished_in_its_own_repository_only() {
    let site = Site::new().await;
    let place = site.session("alice/things").await;
    site.send(Method::PATCH, &place, &[], b"secret").await.is(StatusCode::ACCEPTED);
    let digest = Digest::of(b"secret");
    let stolen = format!("{}?digest={digest}", place.replace("alice", "mallory"));
    site.send(Method::PUT, &stolen, &[], b"").await.is_refused(404, "BLOB_UPLOAD_UNKNOWN");
    site.get(&format!("/v2/mallory/things/blobs/{digest}")).await.is_refused(404, "BLOB_UNKNOWN");
    site.send(Method::PUT, &format!("{place}?digest={digest}"), &[], b"").await.is(StatusCode::CREATED);
}

/// zot CVE-2024-39897, Distribution CVE-2026-35172: the link is the only right to read.
#[tokio::test(flavor = "multi_thread")]
async fn a_blob_without_a_link_is_as_one_that_is_not_there() {
    let site = Site::new().await;
    let stored = site.push_blob("alice/things", b"secret").await;
    site.push_blob("mallory/things", b"own").await;
    let absent = Digest::of(b"absent");
    let ask = async |digest: Digest| {
        let reply = site.get(&format!("/v2/mallory/things/blobs/{digest}")).await;
        reply.is_refused(404, "BLOB_UNKNOWN");
        String::from_utf8(reply.bytes).unwrap().replace(&digest.to_string(), "DIGEST")
    };
    assert_eq!(ask(stored).await, ask(absent).await);
    // Deleted here, and stored still: gone here.
    let mount = format!("/v2/mallory/things/blobs/uploads/?mount={stored}&from=alice/things");
    site.post(&mount, b"").await.is(StatusCode::CREATED);
    site.delete(&format!("/v2/mallory/things/blobs/{stored}")).await.is(StatusCode::ACCEPTED);
    assert_eq!(ask(stored).await, ask(absent).await);
    site.get(&format!("/v2/alice/things/blobs/{stored}")).await.is(StatusCode::OK);
    // Nor does a manifest make a link.
    let part = json!({"mediaType": "x/y", "digest": stored.to_string(), "size": 6});
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": part, "layers": []});
    let put = site.put("/v2/mallory/things/manifests/tag", manifest.to_string().as_bytes()).await;
    put.is_refused(400, "MANIFEST_BLOB_UNKNOWN");
}

/// zot CVE-2026-31801: whether a tag is made or moved is decided where it is swapped.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_make_a_tag_one_makes_it() {
    let site = Site::new().await;
    let bodies: Vec<String> = (0..12)
        .map(|n| json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "annotations": {"n": n.to_string()}}).to_string())
        .collect();
    let puts = bodies.iter().map(|body| {
        let headers = [("if-none-match", "*")];
        let site = &site;
        async move {
            site.send(Method::PUT, "/v2/loose/things/manifests/new", &headers, body.as_bytes()).await.status
        }
    });
    let statuses = futures::future::join_all(puts).await;
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
}

/// One version, pushed by many at the same moment with different content: one release, the others are told of it.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_push_a_version_one_releases_it() {
    let site = Site::new().await;
    let wasms: Vec<Vec<u8>> = (0..6u8).map(|n| module(&[n; 30])).collect();
    let pushes = wasms.iter().map(|wasm| site.push("acme/hello", "1.0.0", wasm));
    let replies = futures::future::join_all(pushes).await;
    let made: Vec<_> = replies.iter().filter(|(_, reply)| reply.status == 201).collect();
    assert_eq!(made.len(), 1);
    for (_, reply) in replies.iter().filter(|(_, reply)| reply.status != 201) {
        assert!([403, 409].contains(&reply.status), "{}", reply.json());
        assert_eq!(reply.codes(), ["DENIED"]);
    }
    assert_eq!(site.get("/v2/acme/hello/manifests/1.0.0").await.bytes, made[0].0);
}

/// CVE-2023-2253 and CVE-2017-11468: nothing is allocated because a client says a number.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_in_a_request_reserves_nothing() {
    let site = Site::new().await;
    site.push_plain("loose/things", "tag", json!({})).await;
    for n in [u64::MAX.to_string(), "9".repeat(200)] {
        site.get(&format!("/v2/_catalog?n={n}")).await.is(StatusCode::OK);
        site.get(&format!("/v2/loose/things/tags/list?n={n}")).await.is(StatusCode::OK);
    }
    let range = format!("0-{}", u64::MAX - 1);
    let place = site.session("loose/things").await;
    let refused = site.send(Method::PATCH, &place, &[("content-range", &range)], b"x").await;
    refused.is_refused(400, "SIZE_INVALID");
}

/// CVE-2021-41190: what is a manifest to one reader and an index to another is neither here.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_of_two_kinds_is_refused() {
    let site = Site::new().await;
    let plain: serde_json::Value =
        serde_json::from_slice(&site.plain("loose/things", json!({})).await).unwrap();
    for (kind, more) in [
        (MANIFEST, json!({"manifests": []})),
        (MANIFEST, json!({"manifests": null})),
        (INDEX, json!({"manifests": []})),
        (INDEX, json!({})),
    ] {
        let mut both = plain.clone();
        both["mediaType"] = json!(kind);
        both.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let put = site.put("/v2/loose/things/manifests/tag", both.to_string().as_bytes()).await;
        put.is_refused(400, "MANIFEST_INVALID");
    }
}

/// containers/image CVE-2024-3727: a digest that is a path is no digest, and 400, not 500.
#[tokio::test(flavor = "multi_thread")]
async fn a_digest_never_becomes_a_path() {
    let site = Site::new().await;
    for digest in ["sha256:..%2F..%2Fledger.sqlite", "sha256:bad", "sha256:%2E%2E", "..:sha256"] {
        for kind in ["blobs", "manifests", "referrers"] {
            site.get(&format!("/v2/loose/things/{kind}/{digest}")).await.is_refused(400, "DIGEST_INVALID");
        }
    }
    let descriptor = json!({"mediaType": "x/y", "digest": "sha256:../../ledger.sqlite", "size": 1});
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor, "layers": []});
    let put = site.put("/v2/loose/things/manifests/tag", manifest.to_string().as_bytes()).await;
    put.is_refused(400, "DIGEST_INVALID");
}

/// A forged host cannot lead a client elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_location_never_names_a_host() {
    let site = Site::new().await;
    let forged = [
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "gopher"),
        ("forwarded", "host=evil.example"),
    ];
    let begun = site.send(Method::POST, "/v2/loose/things/blobs/uploads/", &forged, b"").await;
    assert!(begun.header("location").starts_with("/v2/loose/things/"), "{}", begun.header("location"));
    let manifest = site.plain("loose/things", json!({})).await;
    let put = site.send(Method::PUT, "/v2/loose/things/manifests/tag", &forged, &manifest).await;
    assert!(put.header("location").starts_with("/v2/loose/things/"), "{}", put.header("location"));
}
