//! The forms in which a blob comes in, and mounts.

use hyper::{Method, StatusCode};
use wargate_core::digest::Digest;
use wargate_wire::oci::reference::{Algorithm, ContentDigest};

use crate::site::Site;

const UPLOADS: &str = "/v2/loose/things/blobs/uploads/";

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_comes_by_one_post_or_post_and_put_or_a_stream_or_chunks() {
    let site = Site::new().await;
    for size in [0, 1, 70_000, 6_000_000] {
        let body = |kind: &str| [kind.as_bytes(), &vec![b'x'; size]].concat();
        // One POST, as crane may.
        let (bytes, digest) = named(body("post"));
        let done = site.post(&format!("{UPLOADS}?digest={digest}"), &bytes).await;
        site.is_created_blob(&done, "loose/things", &digest).await;
        // POST, then PUT: containerd, oras.
        site.push_blob("loose/things", &body("put")).await;
        // POST, one PATCH without a range, an empty PUT: skopeo, docker.
        let (bytes, digest) = named(body("stream"));
        let place = site.session("loose/things").await;
        let sent = site.send(Method::PATCH, &place, &[("content-type", "x/y")], &bytes).await;
        assert_eq!(sent.is(StatusCode::ACCEPTED).header("location"), place);
        assert_eq!(sent.header("range"), format!("0-{}", bytes.len() - 1));
        assert_eq!(sent.header("docker-upload-uuid"), place.rsplit('/').next().unwrap());
        let done = site.send(Method::PUT, &format!("{place}?digest={digest}"), &[], b"").await;
        site.is_created_blob(&done, "loose/things", &digest).await;
        // POST, PATCHes with ranges, the last chunk with the PUT: oci-client.
        let (bytes, digest) = named(body("chunks"));
        let place = site.session("loose/things").await;
        let cut = bytes.len() / 2;
        let range = format!("0-{}", cut - 1);
        let sent = site.send(Method::PATCH, &place, &[("content-range", &range)], &bytes[..cut]).await;
        assert_eq!(sent.is(StatusCode::ACCEPTED).header("range"), range);
        let range = format!("bytes {cut}-{}/*", bytes.len() - 1);
        let path = format!("{place}?digest={digest}&ns=example.com");
        let done = site.send(Method::PUT, &path, &[("content-range", &range)], &bytes[cut..]).await;
        site.is_created_blob(&done, "loose/things", &digest).await;
        assert_eq!(site.get(done.header("location")).await.bytes, bytes);
    }
}

fn named(bytes: Vec<u8>) -> (Vec<u8>, ContentDigest) {
    let digest = Digest::of(&bytes).into();
    (bytes, digest)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_of_no_bytes_is_a_blob() {
    let site = Site::new().await;
    let empty: ContentDigest = Digest::of(b"").into();
    let done = site.post(&format!("{UPLOADS}?digest={empty}"), b"").await;
    site.is_created_blob(&done, "loose/things", &empty).await;
    let place = site.session("loose/more").await;
    let done = site.send(Method::PUT, &format!("{place}?digest={empty}"), &[], b"").await;
    site.is_created_blob(&done, "loose/more", &empty).await;
    let found = site.get(&format!("/v2/loose/more/blobs/{empty}")).await;
    assert_eq!((found.status, found.header("content-length"), found.bytes.len()), (200, "0", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_with_a_digest_and_no_body_begins_a_session() {
    let site = Site::new().await;
    let digest = Digest::of(b"later");
    let begun = site.post(&format!("{UPLOADS}?digest={digest}"), b"").await;
    begun.is(StatusCode::ACCEPTED);
    let done =
        site.send(Method::PUT, &format!("{}?digest={digest}", begun.header("location")), &[], b"later").await;
    site.is_created_blob(&done, "loose/things", &digest.into()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sha512_needs_no_hint_and_takes_one() {
    let site = Site::new().await;
    for bytes in [b"small".to_vec(), vec![b'x'; 200_000]] {
        let digest = site.push_blob_as("loose/things", Algorithm::Sha512, &bytes).await;
        let found = site.get(&format!("/v2/loose/things/blobs/{digest}")).await;
        assert_eq!((found.status, &found.bytes), (200, &bytes));
        assert_eq!(found.header("docker-content-digest"), digest.to_string());
        assert_eq!(found.header("etag"), format!("\"{digest}\""));
        let whole = site.post(&format!("/v2/loose/post/blobs/uploads/?digest={digest}"), &bytes).await;
        site.is_created_blob(&whole, "loose/post", &digest).await;
        let wrong = site.post(&format!("{UPLOADS}?digest={digest}"), b"other bytes").await;
        wrong.is_refused(400, "DIGEST_INVALID");
    }
    let hinted = site.post(&format!("{UPLOADS}?digest-algorithm=sha512"), b"").await;
    let place = hinted.is(StatusCode::ACCEPTED).header("location").to_owned();
    site.send(Method::PATCH, &place, &[], b"hin").await.is(StatusCode::ACCEPTED);
    let digest = ContentDigest::of(Algorithm::Sha512, b"hinted");
    let done = site.send(Method::PUT, &format!("{place}?digest={digest}"), &[], b"ted").await;
    site.is_created_blob(&done, "loose/things", &digest).await;
    site.post(&format!("{UPLOADS}?digest-algorithm=md5"), b"").await.is_refused(400, "DIGEST_INVALID");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_digest_drops_the_session_and_one_that_is_none_does_not() {
    let site = Site::new().await;
    let place = site.session("loose/things").await;
    let put = async |query: &str| site.send(Method::PUT, &format!("{place}{query}"), &[], b"").await;
    site.send(Method::PATCH, &place, &[], b"abc").await.is(StatusCode::ACCEPTED);
    for query in ["", "?digest=", "?digest=sha256:bad", "?digest=md5:abcd", "?digest=%ff"] {
        put(query).await.is_refused(400, "DIGEST_INVALID");
    }
    assert_eq!(site.get(&place).await.is(StatusCode::NO_CONTENT).header("range"), "0-2");
    put(&format!("?digest={}", Digest::of(b"abd"))).await.is_refused(400, "DIGEST_INVALID");
    put(&format!("?digest={}", Digest::of(b"abc"))).await.is_refused(404, "BLOB_UPLOAD_UNKNOWN");
    let blob = format!("/v2/loose/things/blobs/{}", Digest::of(b"abc"));
    site.get(&blob).await.is_refused(404, "BLOB_UNKNOWN");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_makes_a_link_or_begins_a_session_whatever_is_wrong() {
    let site = Site::new().await;
    let digest: ContentDigest = site.push_blob("loose/from", b"shared").await.into();
    let absent = Digest::of(b"absent");
    for (number, query) in [
        format!("mount={digest}&from=loose/nothing"),
        format!("mount={digest}&from=%00"),
        format!("mount={digest}&from=UPPER"),
        format!("mount={digest}&from="),
        format!("mount={absent}&from=loose/from"),
        format!("mount={absent}"),
        "mount=sha256:bad&from=loose/from".to_owned(),
        "mount=".to_owned(),
        "mount=%ff&from=loose/from".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        let into = format!("loose/into{number}");
        let begun = site.post(&format!("/v2/{into}/blobs/uploads/?{query}"), b"").await;
        let place = begun.is(StatusCode::ACCEPTED).header("location").to_owned();
        assert_eq!(begun.header("range"), "0-0", "{query}");
        let sent = site.send(Method::PUT, &format!("{place}?digest={digest}"), &[], b"shared").await;
        site.is_created_blob(&sent, &into, &digest).await;
    }
    for (into, query) in [
        ("loose/one", format!("mount={digest}&from=loose/from")),
        ("loose/two", format!("mount={digest}")),
        ("loose/three", format!("from=loose%2Ffrom&mount={}", digest.to_string().replace(':', "%3A"))),
        ("loose/from", format!("mount={digest}&from=loose/from")),
    ] {
        let mounted = site.post(&format!("/v2/{into}/blobs/uploads/?{query}"), b"").await;
        site.is_created_blob(&mounted, into, &digest).await;
        assert_eq!(site.get(mounted.header("location")).await.bytes, b"shared");
    }
}
