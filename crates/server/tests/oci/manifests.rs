//! What a pushed manifest must be, and what is told of it.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wargate_core::digest::Digest;
use wargate_wire::oci::manifest::{JSON_DEPTH_MAX, MANIFEST_BYTES_MAX};

use crate::site::{Reply, Site};
use crate::support::oci::{INDEX, MANIFEST};

const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const TAG: &str = "/v2/loose/things/manifests/tag";

impl Site {
    async fn put_typed(&self, content_type: &str, manifest: &[u8]) -> Reply {
        self.send(Method::PUT, TAG, &[("content-type", content_type)], manifest).await
    }
}

/// A manifest of exactly so many bytes.
fn padded(manifest: &[u8], bytes: usize) -> Vec<u8> {
    [manifest, &vec![b' '; bytes - manifest.len()]].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_has_at_most_four_mib() {
    let site = Site::new().await;
    let manifest = site.plain("loose/things", json!({})).await;
    for bytes in [MANIFEST_BYTES_MAX - 1, MANIFEST_BYTES_MAX] {
        let manifest = padded(&manifest, bytes);
        site.put(TAG, &manifest).await.is(StatusCode::CREATED);
        assert!(site.get(TAG).await.bytes == manifest);
    }
    site.put(TAG, &padded(&manifest, MANIFEST_BYTES_MAX + 1)).await.is_refused(413, "SIZE_INVALID");
    assert_eq!(site.get(TAG).await.bytes.len(), MANIFEST_BYTES_MAX);
    // As the conformance suite does: 390 annotations of 10 kB.
    let annotations: serde_json::Map<_, _> =
        (0..390).map(|n| (format!("k{n}"), Value::from("v".repeat(10_000)))).collect();
    site.push_plain("loose/things", "large", json!({ "annotations": annotations })).await;
}

/// Sends a manifest in chunks, without a length.
async fn put_chunked(site: &Site, manifest: &[u8]) -> String {
    let mut stream = tokio::net::TcpStream::connect(site.address).await.unwrap();
    let head =
        format!("PUT {TAG} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    for piece in manifest.chunks(60_000) {
        let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
        // Whoever refuses may stop reading.
        if stream.write_all(&chunk).await.is_err() {
            break;
        }
    }
    let _ = stream.write_all(b"0\r\n\r\n").await;
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_may_come_in_chunks_within_the_same_limit() {
    let site = Site::new().await;
    let manifest = site.plain("loose/things", json!({})).await;
    let large = padded(&manifest, MANIFEST_BYTES_MAX);
    assert_eq!(put_chunked(&site, &large).await, "HTTP/1.1 201");
    assert!(site.get(TAG).await.bytes == large);
    let too_large = padded(&manifest, MANIFEST_BYTES_MAX + 1);
    assert_eq!(put_chunked(&site, &too_large).await, "HTTP/1.1 413");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_type_is_what_header_and_body_agree_on() {
    let site = Site::new().await;
    let with = site.plain("loose/things", json!({})).await;
    let mut without: Value = serde_json::from_slice(&with).unwrap();
    without.as_object_mut().unwrap().remove("mediaType");
    let without = without.to_string().into_bytes();
    for (content_type, manifest, said) in
        [(MANIFEST, &with, MANIFEST), (MANIFEST, &without, MANIFEST), (DOCKER, &without, DOCKER)]
    {
        for text in [content_type.to_owned(), format!("{content_type} ;charset=utf-8")] {
            site.put_typed(&text, manifest).await.is(StatusCode::CREATED);
            assert_eq!(site.get(TAG).await.header("content-type"), said, "{text}");
        }
    }
    site.put(TAG, &with).await.is(StatusCode::CREATED);
    site.put(TAG, &without).await.is_refused(400, "MANIFEST_INVALID");
    for content_type in [DOCKER, INDEX, "application/json", "text/html", "nonsense"] {
        site.put_typed(content_type, &with).await.is_refused(400, "MANIFEST_INVALID");
    }
    site.put_typed("application/json", &without).await.is_refused(400, "MANIFEST_INVALID");
    site.put_typed(INDEX, &without).await.is_refused(400, "MANIFEST_INVALID");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_manifests_are_refused() {
    let site = Site::new().await;
    let whole = String::from_utf8(site.plain("loose/things", json!({})).await).unwrap();
    let open = whole.strip_suffix('}').unwrap();
    // The root is depth 1.
    let deep =
        |depth: usize| format!("{open},\"deep\":{}1{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    site.put(TAG, deep(JSON_DEPTH_MAX).as_bytes()).await.is(StatusCode::CREATED);
    let descriptor = json!({"mediaType": MANIFEST, "digest": Digest::of(b"x").to_string(), "size": 1});
    for (what, body) in [
        ("depth 33", deep(JSON_DEPTH_MAX + 1)),
        ("far too deep", deep(100_000)),
        ("a key twice", format!("{open},\"layers\":[]}}")),
        ("a key twice below", format!("{open},\"x\":{{\"a\":1,\"a\":1}}}}")),
        ("a key twice by escapes", format!("{open},\"x\":{{\"a\":1,\"\\u0061\":1}}}}")),
        ("nothing", String::new()),
        ("no object", format!("[{whole}]")),
        ("a text", "\"manifest\"".to_owned()),
        ("cut", open.to_owned()),
        ("something behind", format!("{whole}{{}}")),
        ("no JSON", "hello".to_owned()),
        ("schema 1", whole.replace("\"schemaVersion\":2", "\"schemaVersion\":1")),
        ("manifests beside layers", format!("{open},\"manifests\":[{descriptor}]}}")),
        ("no config", whole.replace("\"config\"", "\"konfig\"")),
        ("wrong kind of field", whole.replace("\"layers\":[]", "\"layers\":{}")),
        ("negative size", whole.replace("\"size\":2", "\"size\":-2")),
        ("another size", whole.replace("\"size\":2", "\"size\":3")),
    ] {
        let refused = site.put(TAG, body.as_bytes()).await;
        assert_eq!((refused.status, refused.codes()), (400, vec!["MANIFEST_INVALID".to_owned()]), "{what}");
    }
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "layers": []}).to_string();
    site.put(TAG, index.as_bytes()).await.is_refused(400, "MANIFEST_INVALID");
    let odd = whole.replace("sha256:", "md5:");
    site.put(TAG, odd.as_bytes()).await.is_refused(400, "DIGEST_INVALID");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_in_the_path_is_held_against_the_bytes() {
    let site = Site::new().await;
    let manifest = site.plain("loose/things", json!({})).await;
    let digest = Digest::of(&manifest);
    let path = format!("/v2/loose/things/manifests/{digest}");
    let spaced = [&manifest[..], b"  "].concat();
    site.put(&path, &spaced).await.is_refused(400, "DIGEST_INVALID");
    site.get(&path).await.is_refused(404, "MANIFEST_UNKNOWN");
    site.put(&path, &manifest).await.is(StatusCode::CREATED);
    site.put(&path, &manifest).await.is(StatusCode::CREATED);
    assert_eq!(site.get("/v2/loose/things/tags/list").await.json()["tags"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_missing_part_is_told_and_a_subject_or_a_foreign_layer_is_none() {
    let site = Site::new().await;
    site.push_blob("loose/other", b"elsewhere").await;
    let blob = |bytes: &[u8]| json!({"mediaType": "x/y", "digest": Digest::of(bytes).to_string(), "size": bytes.len()});
    let body = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": blob(b"elsewhere"), "layers": [blob(b"a"), blob(b"b")]});
    let missing = site.put(TAG, body.to_string().as_bytes()).await;
    assert_eq!((missing.status, missing.codes()), (400, vec!["MANIFEST_BLOB_UNKNOWN".to_owned(); 3]));
    let told: Vec<_> =
        missing.json()["errors"].as_array().unwrap().iter().map(|e| e["detail"]["digest"].clone()).collect();
    for bytes in [&b"elsewhere"[..], b"a", b"b"] {
        assert!(told.contains(&json!(Digest::of(bytes).to_string())), "{told:?}");
    }
    site.get(TAG).await.is_refused(404, "NAME_UNKNOWN");
    let foreign: Vec<Value> = [
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ]
    .iter()
    .map(|kind| {
        json!({"mediaType": kind, "digest": Digest::of(b"far").to_string(), "size": 3, "urls": ["http://127.0.0.1:1/never"]})
    })
    .collect();
    let subject = json!({"mediaType": MANIFEST, "digest": Digest::of(b"absent").to_string(), "size": 6});
    site.push_plain("loose/things", "tag", json!({"layers": foreign, "subject": subject})).await;
    // A child of an index is a manifest, not a blob; and of this repository.
    let child = site.push_plain("loose/other", "child", json!({})).await;
    let config = site.push_blob("loose/things", b"{}").await;
    for digest in [child, config] {
        let entry = json!({"mediaType": MANIFEST, "digest": digest.to_string(), "size": 2});
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]});
        let refused = site.put(TAG, index.to_string().as_bytes()).await;
        refused.is_refused(400, "MANIFEST_BLOB_UNKNOWN");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_and_docker_types_are_kept_as_what_they_are() {
    let site = Site::new().await;
    let child = site.plain("loose/things", json!({})).await;
    let child_digest = Digest::of(&child);
    site.put(TAG, &child).await.is(StatusCode::CREATED);
    let entry = json!({"mediaType": MANIFEST, "digest": child_digest.to_string(), "size": child.len(),
        "platform": {"architecture": "wasm", "os": "wasip2"}, "data": "e30="});
    let list = |kind: &str, manifests: Value| {
        json!({"schemaVersion": 2, "mediaType": kind, "manifests": manifests}).to_string()
    };
    for kind in [INDEX, DOCKER_LIST] {
        for manifests in [json!([]), json!([entry])] {
            let body = list(kind, manifests);
            site.put_typed(kind, body.as_bytes()).await.is(StatusCode::CREATED);
            let found = site.get(TAG).await;
            assert_eq!((found.header("content-type"), &found.bytes[..]), (kind, body.as_bytes()));
        }
    }
    // An index of an index.
    let inner = list(INDEX, json!([entry]));
    site.put("/v2/loose/things/manifests/inner", inner.as_bytes()).await.is(StatusCode::CREATED);
    let outer = json!([{"mediaType": INDEX, "digest": Digest::of(inner.as_bytes()).to_string(), "size": inner.len()}]);
    site.put(TAG, list(INDEX, outer).as_bytes()).await.is(StatusCode::CREATED);
    site.push_plain("loose/things", "docker", json!({"mediaType": DOCKER})).await;
    assert_eq!(site.get("/v2/loose/things/manifests/docker").await.header("content-type"), DOCKER);
    // An artifact that is nothing but its type.
    site.push_plain("loose/things", "artifact", json!({"artifactType": "application/vnd.x"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_is_told_back() {
    let site = Site::new().await;
    let subject = Digest::of(b"subject").to_string();
    let descriptor = json!({"subject": {"mediaType": MANIFEST, "digest": subject, "size": 7}});
    let with = site.plain("loose/things", descriptor).await;
    assert_eq!(site.put(TAG, &with).await.is(StatusCode::CREATED).header("oci-subject"), subject);
    let by_digest = format!("/v2/loose/things/manifests/{}", Digest::of(&with));
    assert_eq!(site.put(&by_digest, &with).await.header("oci-subject"), subject);
    let without = site.plain("loose/things", json!({})).await;
    assert!(!site.put(TAG, &without).await.is(StatusCode::CREATED).headers.contains_key("oci-subject"));
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [],
        "subject": {"mediaType": MANIFEST, "digest": subject, "size": 7}});
    assert_eq!(site.put(TAG, index.to_string().as_bytes()).await.header("oci-subject"), subject);
    let broken = index.to_string().replace(&subject, "sha256:bad");
    site.put(TAG, broken.as_bytes()).await.is_refused(400, "DIGEST_INVALID");
}
