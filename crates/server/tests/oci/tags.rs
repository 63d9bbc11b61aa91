//! Tags of a push: `?tag=`, `OCI-Tag`, and conditions.

use hyper::{Method, StatusCode};
use serde_json::json;
use wargate_core::digest::Digest;

use crate::site::{Reply, Site};
use crate::support::module;
use crate::support::oci::INDEX;

fn listed(reply: &Reply) -> Vec<String> {
    let tags = reply.json()["tags"].as_array().unwrap().clone();
    tags.iter().map(|tag| tag.as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_by_digest_makes_the_tags_of_its_query_and_tells_each() {
    let site = Site::new().await;
    let manifest = site.plain("loose/things", json!({})).await;
    let path = format!("/v2/loose/things/manifests/{}", Digest::of(&manifest));
    let two = site.put(&format!("{path}?tag=b&ns=example.com&tag=%61"), &manifest).await;
    two.is(StatusCode::CREATED);
    assert_eq!(two.all("oci-tag"), ["b", "a"]);
    assert_eq!(two.header("location"), path);
    assert_eq!(listed(&site.get("/v2/loose/things/tags/list").await), ["a", "b"]);
    assert_eq!(site.get("/v2/loose/things/manifests/a").await.bytes, manifest);
    let many = |count: usize| {
        let tags: Vec<String> = (0..count).map(|n| format!("tag=t{n}")).collect();
        format!("{path}?{}", tags.join("&"))
    };
    assert_eq!(site.put(&many(50), &manifest).await.is(StatusCode::CREATED).all("oci-tag").len(), 50);
    site.put(&many(51), &manifest).await.is_refused(414, "UNSUPPORTED");
    for query in ["?tag=-x", "?tag=", "?tag=a/b", "?tag=ok&tag=%20", "?tag=%ff"] {
        site.put(&format!("{path}{query}"), &manifest).await.is_refused(400, "MANIFEST_INVALID");
    }
    let long = "t".repeat(129);
    site.put(&format!("{path}?tag={long}"), &manifest).await.is_refused(400, "MANIFEST_INVALID");
    let on_a_tag = site.put("/v2/loose/things/manifests/c?tag=d", &manifest).await;
    on_a_tag.is_refused(400, "MANIFEST_INVALID");
    assert_eq!(
        listed(&site.get("/v2/loose/things/tags/list").await).len(),
        52,
        "nothing of what was refused"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_of_the_query_obeys_the_rules_of_tags() {
    let site = Site::new().await;
    let (first, pushed) = site.push("acme/hello", "1.0.0", &module(b"one")).await;
    pushed.is(StatusCode::CREATED);
    let (other, _) = site.push("acme/hello", "edge", &module(b"two")).await;
    let path = format!("/v2/acme/hello/manifests/{}", Digest::of(&other));
    let again = site.put(&format!("{path}?tag=2.0.0&tag=1.0.0&tag=stable"), &other).await;
    again.is_refused(409, "DENIED");
    site.put(&format!("{path}?tag=stable&tag=latest"), &other).await.is_refused(405, "UNSUPPORTED");
    assert_eq!(listed(&site.get("/v2/acme/hello/tags/list").await), ["1.0.0", "edge"]);
    let released = site.put(&format!("{path}?tag=2.0.0&tag=stable"), &other).await;
    assert_eq!(released.is(StatusCode::CREATED).all("oci-tag"), ["2.0.0", "stable"]);
    assert_eq!(site.get("/v2/acme/hello/manifests/latest").await.bytes, other);
    assert_eq!(site.get("/v2/acme/hello/manifests/1.0.0").await.bytes, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conditional_push_moves_a_tag_only_from_where_the_client_saw_it() {
    let site = Site::new().await;
    let path = "/v2/loose/things/manifests/tag";
    let index = |note: &str| {
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "annotations": {"n": note}})
            .to_string()
    };
    let put = async |name: &str, value: &str, body: &str| {
        site.send(Method::PUT, path, &[(name, value)], body.as_bytes()).await
    };
    let (one, two) = (index("one"), index("two"));
    let etag = format!("\"{}\"", Digest::of(one.as_bytes()));
    put("if-match", &etag, &one).await.is_refused(412, "DENIED");
    put("if-none-match", "*", &one).await.is(StatusCode::CREATED);
    put("if-none-match", "*", &two).await.is_refused(412, "DENIED");
    assert_eq!(site.get(path).await.header("etag"), etag);
    put("if-match", &etag, &two).await.is(StatusCode::CREATED);
    put("if-match", &etag, &one).await.is_refused(412, "DENIED");
    assert_eq!(site.get(path).await.bytes, two.as_bytes());
    put("if-match", "nonsense", &one).await.is_refused(400, "DIGEST_INVALID");
    put("if-none-match", "\"x\"", &one).await.is_refused(400, "UNSUPPORTED");
    // Twenty writers who all saw the same: one wins.
    let seen = format!("\"{}\"", Digest::of(two.as_bytes()));
    let writers = (0..20).map(|n| {
        let (put, body, seen) = (&put, index(&format!("writer {n}")), &seen);
        async move { put("if-match", seen, &body).await.status }
    });
    let statuses = futures::future::join_all(writers).await;
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [201, 412].contains(status)), "{statuses:?}");
}
