//! Bad requests are told in the shape that clients read, with a status and a code of the specification.

use hyper::{Method, StatusCode};
use serde_json::json;
use wargate_core::digest::Digest;

use crate::site::Site;
use crate::support::module;
use crate::support::oci::MANIFEST;

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_none_are_refused_on_every_route() {
    let site = Site::new().await;
    let digest = Digest::of(b"x");
    let long = "n".repeat(256);
    let names = [
        "Upper",
        "a//b",
        "a/",
        "-a",
        "a-",
        "a/.b",
        "a..b",
        "a/%2e%2e/b",
        "a%2Fb",
        "a%00b",
        "a%20b",
        "a___b",
        "_a",
        "%ff",
        &long,
    ];
    for name in names {
        for (method, rest) in [
            (Method::GET, "tags/list".to_owned()),
            (Method::GET, "manifests/tag".to_owned()),
            (Method::PUT, "manifests/tag".to_owned()),
            (Method::DELETE, "manifests/tag".to_owned()),
            (Method::GET, format!("blobs/{digest}")),
            (Method::DELETE, format!("blobs/{digest}")),
            (Method::POST, "blobs/uploads/".to_owned()),
            (Method::PATCH, "blobs/uploads/00000000000000000000000000000000".to_owned()),
            (Method::GET, format!("referrers/{digest}")),
        ] {
            let path = format!("/v2/{name}/{rest}");
            let reply = site.send(method, &path, &[], b"").await;
            assert_eq!((reply.status, reply.codes()), (400, vec!["NAME_INVALID".to_owned()]), "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_and_digests_that_are_none_are_refused_on_every_route() {
    let site = Site::new().await;
    let digest = Digest::of(b"x");
    let long = "t".repeat(129);
    for tag in ["-x", ".x", "a%20b", "a%2Fb", "a+b", "1.0.0+build", "%00", &long] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let path = format!("/v2/loose/things/manifests/{tag}");
            site.send(method, &path, &[], b"").await.is_refused(400, "MANIFEST_INVALID");
        }
    }
    let hex = &digest.to_string()["sha256:".len()..];
    for bad in [
        "sha256:bad".to_owned(),
        "sha256:".to_owned(),
        ":".to_owned(),
        format!("sha256:{}", hex.to_uppercase()),
        format!("SHA256:{hex}"),
        format!("sha256:{hex}0"),
        format!("sha512:{hex}"),
        format!("md5:{}", &hex[..32]),
        format!("blake3:{hex}"),
        format!("sha256:{}g", &hex[1..]),
        format!("sha256%253A{hex}"),
    ] {
        for (method, kind) in [
            (Method::GET, "manifests"),
            (Method::PUT, "manifests"),
            (Method::DELETE, "manifests"),
            (Method::GET, "blobs"),
            (Method::DELETE, "blobs"),
            (Method::GET, "referrers"),
        ] {
            let path = format!("/v2/loose/things/{kind}/{bad}");
            let reply = site.send(method, &path, &[], b"").await;
            assert_eq!(reply.status, 400, "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_and_what_is_not_done_is_told_apart() {
    let site = Site::new().await;
    site.push("acme/hello", "1.0.0", &module(b"one")).await;
    let absent = Digest::of(b"absent");
    for (method, path, status, code) in [
        (Method::GET, "/v2/acme/hello/manifests/9.9.9".to_owned(), 404, "MANIFEST_UNKNOWN"),
        (Method::GET, format!("/v2/acme/hello/manifests/{absent}"), 404, "MANIFEST_UNKNOWN"),
        (Method::GET, "/v2/acme/nothing/manifests/1.0.0".to_owned(), 404, "NAME_UNKNOWN"),
        (Method::GET, format!("/v2/acme/nothing/manifests/{absent}"), 404, "NAME_UNKNOWN"),
        (Method::GET, "/v2/acme/nothing/tags/list".to_owned(), 404, "NAME_UNKNOWN"),
        (Method::GET, format!("/v2/acme/hello/blobs/{absent}"), 404, "BLOB_UNKNOWN"),
        (Method::GET, format!("/v2/acme/nothing/blobs/{absent}"), 404, "BLOB_UNKNOWN"),
        (Method::GET, "/v2/nothing-here".to_owned(), 404, "NAME_UNKNOWN"),
        (Method::GET, "/v2/acme/hello/what/ever".to_owned(), 404, "NAME_UNKNOWN"),
        (Method::POST, "/v2/".to_owned(), 405, "UNSUPPORTED"),
        (Method::DELETE, "/v2/_catalog".to_owned(), 405, "UNSUPPORTED"),
        (Method::PUT, "/v2/acme/hello/tags/list".to_owned(), 405, "UNSUPPORTED"),
        (Method::POST, "/v2/acme/hello/manifests/1.0.0".to_owned(), 405, "UNSUPPORTED"),
        (Method::PATCH, format!("/v2/acme/hello/blobs/{absent}"), 405, "UNSUPPORTED"),
        (Method::GET, "/v2/acme/hello/blobs/uploads/".to_owned(), 405, "UNSUPPORTED"),
        (Method::POST, format!("/v2/acme/hello/referrers/{absent}"), 405, "UNSUPPORTED"),
    ] {
        let reply = site.send(method, &path, &[], b"").await;
        assert_eq!((reply.status, reply.codes()), (status, vec![code.to_owned()]), "{path}");
    }
    let base = site.get("/v2/").await;
    assert_eq!((base.status, base.bytes, base.headers.get("www-authenticate")), (200, b"{}".to_vec(), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn latest_and_foreign_versions_of_a_package_are_refused() {
    let site = Site::new().await;
    let before = site.push_plain("acme/hello", "3.0.0", json!({})).await;
    site.get("/v2/acme/hello/manifests/3.0.0").await.is(StatusCode::OK);
    site.push("acme/hello", "1.0.0", &module(b"one")).await;
    // Hidden since the log began; still there by digest.
    site.get("/v2/acme/hello/manifests/3.0.0").await.is_refused(404, "MANIFEST_UNKNOWN");
    site.get(&format!("/v2/acme/hello/manifests/{before}")).await.is(StatusCode::OK);
    assert_eq!(site.get("/v2/acme/hello/tags/list").await.json()["tags"], json!(["1.0.0"]));
    let foreign = site.plain("acme/hello", json!({})).await;
    let index =
        json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []});
    for manifest in [foreign, index.to_string().into_bytes()] {
        for tag in ["1.0.0", "2.0.0", "2.0.0-rc.1"] {
            let path = format!("/v2/acme/hello/manifests/{tag}");
            site.put(&path, &manifest).await.is_refused(400, "MANIFEST_INVALID");
        }
        site.put("/v2/acme/hello/manifests/latest", &manifest).await.is_refused(405, "UNSUPPORTED");
        site.put("/v2/acme/hello/manifests/v2.0.0", &manifest).await.is(StatusCode::CREATED);
    }
    let (_, latest) = site.push("acme/hello", "latest", &module(b"two")).await;
    latest.is_refused(405, "UNSUPPORTED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_refused_before_its_body_leaves_the_connection_whole() {
    let site = Site::new().await;
    let body = vec![b'x'; 100_000];
    let headers = [("content-type", MANIFEST)];
    for path in ["/v2/Upper/manifests/tag", "/v2/loose/things/manifests/-x"] {
        assert_eq!(site.send(Method::PUT, path, &headers, &body).await.status, 400);
    }
    site.send(Method::PUT, "/v2/loose/things/tags/list", &headers, &body)
        .await
        .is_refused(405, "UNSUPPORTED");
}
