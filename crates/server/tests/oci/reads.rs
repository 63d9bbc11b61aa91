//! Reading blobs and manifests: headers, ranges, conditions, HEAD.

use hyper::{Method, StatusCode};
use serde_json::json;
use wargate_core::digest::Digest;
use wargate_wire::oci::reference::{Algorithm, ContentDigest};

use crate::site::{Reply, Site};
use crate::support::oci::MANIFEST;

const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// That a HEAD tells all that a GET does, and has no body.
async fn alike(site: &Site, path: &str, headers: &[(&str, &str)]) -> Reply {
    let get = site.send(Method::GET, path, headers, b"").await;
    let head = site.send(Method::HEAD, path, headers, b"").await;
    assert_eq!((head.status, head.bytes.len()), (get.status, 0), "{path}");
    let names = [
        "content-length",
        "content-type",
        "docker-content-digest",
        "etag",
        "accept-ranges",
        "content-range",
        "cache-control",
        "link",
        "warning",
        "location",
        "range",
    ];
    for name in names {
        // The server's own library gives a HEAD that is answered with 304 a length.
        if (get.status, name) == (304, "content-length") {
            continue;
        }
        assert_eq!(head.all(name), get.all(name), "{path} {name}");
    }
    if get.status != 304 {
        assert_eq!(get.header("content-length"), get.bytes.len().to_string(), "{path}");
    }
    get
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_get_without_a_body_everywhere() {
    let site = Site::new().await;
    let digest = site.push_blob("loose/things", b"blob").await;
    let large = site.push_blob("loose/things", &vec![b'x'; 300_000]).await;
    let manifest = site.push_plain("loose/things", "tag", json!({})).await;
    let absent = Digest::of(b"absent");
    let subject = json!({"subject": {"mediaType": MANIFEST, "digest": absent.to_string(), "size": 1}});
    site.push_plain("loose/things", "", subject).await;
    for (path, status) in [
        ("/v2/".to_owned(), 200),
        ("/v2".to_owned(), 200),
        (format!("/v2/loose/things/blobs/{digest}"), 200),
        (format!("/v2/loose/things/blobs/{large}"), 200),
        (format!("/v2/loose/things/blobs/{absent}"), 404),
        (format!("/v2/loose/things/manifests/{manifest}"), 200),
        ("/v2/loose/things/manifests/tag".to_owned(), 200),
        ("/v2/loose/things/manifests/none".to_owned(), 404),
        (format!("/v2/loose/things/manifests/{absent}"), 404),
        ("/v2/loose/nothing/manifests/tag".to_owned(), 404),
        ("/v2/loose/things/manifests/sha256:bad".to_owned(), 400),
        ("/v2/loose/things/tags/list".to_owned(), 200),
        ("/v2/loose/nothing/tags/list".to_owned(), 404),
        (format!("/v2/loose/things/referrers/{absent}"), 200),
        (format!("/v2/loose/nothing/referrers/{absent}"), 200),
        ("/v2/_catalog".to_owned(), 200),
    ] {
        assert_eq!(alike(&site, &path, &[]).await.status, status, "{path}");
    }
    let blob = format!("/v2/loose/things/blobs/{large}");
    assert_eq!(alike(&site, &blob, &[("range", "bytes=1-3")]).await.status, 206);
    assert_eq!(alike(&site, &blob, &[("range", "bytes=300000-")]).await.status, 416);
    assert_eq!(alike(&site, &blob, &[("if-none-match", &format!("\"{large}\""))]).await.status, 304);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_given_with_what_caches_and_browsers_need_to_know() {
    let site = Site::new().await;
    let digest = site.push_blob("loose/things", b"<html>").await;
    let path = format!("/v2/loose/things/blobs/{digest}");
    let found = site.get(&path).await;
    assert_eq!(found.is(StatusCode::OK).bytes, b"<html>");
    for (name, value) in [
        ("content-type", "application/octet-stream"),
        ("content-length", "6"),
        ("docker-content-digest", digest.to_string().as_str()),
        ("etag", &format!("\"{digest}\"")),
        ("accept-ranges", "bytes"),
        ("cache-control", IMMUTABLE),
        ("x-content-type-options", "nosniff"),
        ("content-disposition", "attachment"),
        ("content-security-policy", "sandbox; default-src 'none'"),
    ] {
        assert_eq!(found.header(name), value, "{name}");
    }
    // Manifest types are asked for here too, by oci-client.
    let accept = [("accept", MANIFEST), ("accept", "text/html;q=0.1")];
    assert_eq!(site.send(Method::GET, &path, &accept, b"").await.status, 200);
    for (known, status) in
        [(format!("\"{digest}\""), 304), (format!("W/\"{digest}\", \"x\""), 304), ("\"x\"".to_owned(), 200)]
    {
        let reply = site.send(Method::GET, &path, &[("if-none-match", &known)], b"").await;
        assert_eq!(
            (reply.status, reply.header("etag")),
            (status, format!("\"{digest}\"").as_str()),
            "{known}"
        );
        assert_eq!(reply.header("docker-content-digest"), digest.to_string());
        assert_eq!(reply.bytes.is_empty(), status == 304);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_range_of_a_blob_is_given_and_more_are_the_whole() {
    let site = Site::new().await;
    // One that is a row and one that is an object.
    for size in [1_000usize, 300_000] {
        let bytes: Vec<u8> = (0..size).map(|n| n as u8).collect();
        let digest = site.push_blob("loose/things", &bytes).await;
        let path = format!("/v2/loose/things/blobs/{digest}");
        let ask = async |range: &str| site.send(Method::GET, &path, &[("range", range)], b"").await;
        for (range, from, to) in [
            ("bytes=0-0".to_owned(), 0, 1),
            ("bytes=10-19".to_owned(), 10, 20),
            (format!("bytes={}-", size - 7), size - 7, size),
            ("bytes=-5".to_owned(), size - 5, size),
            ("bytes=-9999999".to_owned(), 0, size),
            ("bytes=3-9999999".to_owned(), 3, size),
        ] {
            let piece = ask(&range).await;
            assert_eq!((piece.status, &piece.bytes[..]), (206, &bytes[from..to]), "{range}");
            assert_eq!(piece.header("content-range"), format!("bytes {from}-{}/{size}", to - 1));
            assert_eq!(piece.header("content-length"), (to - from).to_string());
            assert_eq!(piece.header("docker-content-digest"), digest.to_string());
        }
        for range in [format!("bytes={size}-"), "bytes=500-0".to_owned(), "bytes=-0".to_owned()] {
            let beside = ask(&range).await;
            beside.is_refused(416, "BLOB_UPLOAD_INVALID");
            assert_eq!(beside.header("content-range"), format!("bytes */{size}"), "{range}");
            assert_eq!(beside.header("content-length"), beside.bytes.len().to_string());
        }
        for range in ["bytes=0-1,4-5", "lines=0-1", "bytes=x-y", "bytes"] {
            let whole = ask(range).await;
            assert_eq!((whole.status, whole.bytes.len()), (200, size), "{range}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_is_given_as_it_was_pushed_whatever_is_accepted() {
    let site = Site::new().await;
    let manifest = site.plain("loose/things", json!({"unknown": [1.50, {"field": null}]})).await;
    // Odd spacing is a part of it.
    let manifest = [b" \n", &manifest[..], b"\t "].concat();
    let digest = Digest::of(&manifest);
    let with_parameter = format!("{MANIFEST}; charset=utf-8");
    let path = "/v2/loose/things/manifests/tag";
    let pushed = site.send(Method::PUT, path, &[("content-type", &with_parameter)], &manifest).await;
    assert_eq!(pushed.is(StatusCode::CREATED).header("docker-content-digest"), digest.to_string());
    assert_eq!(pushed.header("location"), format!("/v2/loose/things/manifests/{digest}"));
    let by_digest = format!("/v2/loose/things/manifests/{digest}");
    for accept in [&[][..], &[MANIFEST], &["*/*"], &["text/html"], &["application/json, */*", "x/y"]] {
        let headers: Vec<_> = accept.iter().map(|accept| ("accept", *accept)).collect();
        for (path, caching) in [(path, "no-cache"), (by_digest.as_str(), IMMUTABLE)] {
            let found = site.send(Method::GET, path, &headers, b"").await;
            assert_eq!((found.status, &found.bytes), (200, &manifest), "{accept:?}");
            assert_eq!((found.header("content-type"), found.header("cache-control")), (MANIFEST, caching));
            assert_eq!(found.header("docker-content-digest"), digest.to_string());
            assert_eq!(found.header("x-content-type-options"), "nosniff");
        }
    }
    let known = format!("\"{digest}\"");
    for path in [path, &by_digest] {
        let same = site.send(Method::GET, path, &[("if-none-match", &known)], b"").await;
        assert_eq!((same.status, same.bytes.len(), same.header("etag")), (304, 0, known.as_str()));
        let other = site.send(Method::GET, path, &[("if-none-match", "\"sha256:x\"")], b"").await;
        assert_eq!(other.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_pushed_by_sha512_is_told_by_it_and_by_its_sha256() {
    let site = Site::new().await;
    let manifest = site.plain("loose/things", json!({})).await;
    let sha512 = ContentDigest::of(Algorithm::Sha512, &manifest);
    let path = format!("/v2/loose/things/manifests/{sha512}");
    let pushed = site.put(&format!("{path}?tag=named"), &manifest).await;
    assert_eq!(pushed.is(StatusCode::CREATED).header("docker-content-digest"), sha512.to_string());
    assert_eq!(pushed.header("location"), path);
    let tagged = site.get("/v2/loose/things/manifests/named").await;
    assert_eq!(
        (tagged.status, tagged.header("docker-content-digest")),
        (200.try_into().unwrap(), sha512.to_string().as_str())
    );
    for digest in [sha512, Digest::of(&manifest).into()] {
        let found = site.get(&format!("/v2/loose/things/manifests/{digest}")).await;
        assert_eq!((found.status, &found.bytes), (200, &manifest));
        assert_eq!(found.header("docker-content-digest"), digest.to_string());
        assert_eq!(found.header("etag"), format!("\"{digest}\""));
    }
    let deleted = site.delete(&path).await;
    deleted.is(StatusCode::ACCEPTED);
    site.get(&path).await.is_refused(404, "MANIFEST_UNKNOWN");
}

#[tokio::test(flavor = "multi_thread")]
async fn encoded_paths_mean_what_they_say() {
    let site = Site::new().await;
    let digest = site.push_blob("blobs/uploads/manifests/tags", b"odd").await;
    let encoded = digest.to_string().replace(':', "%3a");
    let path = format!("/v2/blobs/uploads%2Fmanifests/tags/blobs/{encoded}");
    site.get(&path).await.is_refused(400, "NAME_INVALID");
    let path = format!("/v2/bl%6Fbs/uploads/manifests/tags/blobs/{encoded}");
    assert_eq!(site.get(&path).await.bytes, b"odd");
    let manifest = site.push_plain("blobs/uploads/manifests/tags", "list", json!({})).await;
    let found = site.get("/v2/blobs/uploads/manifests/tags/manifests/list").await;
    assert_eq!(found.header("docker-content-digest"), manifest.to_string());
    assert_eq!(site.get("/v2/blobs/uploads/manifests/tags/tags/list").await.json()["tags"], json!(["list"]));
}
