//! Tags, referrers and repositories, and their pages.

use std::collections::BTreeSet;

use hyper::StatusCode;
use serde_json::{Value, json};
use wargate_core::digest::Digest;

use crate::site::{Reply, Site};
use crate::support::oci::{INDEX, MANIFEST};
use crate::support::{Author, module};

/// Where a Link leads.
fn next(reply: &Reply) -> Option<String> {
    let link = reply.headers.get("link")?.to_str().unwrap();
    Some(link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_listed_whole_and_in_pages() {
    let site = Site::new().await;
    for tag in ["b", "_a", "B", "1.0", "a-1", "a.1"] {
        site.push_plain("loose/things", tag, json!({})).await;
    }
    let list = "/v2/loose/things/tags/list";
    let all = json!(["1.0", "B", "_a", "a-1", "a.1", "b"]);
    let whole = site.get(list).await;
    assert_eq!(whole.json(), json!({"name": "loose/things", "tags": all}), "in the order of bytes");
    assert_eq!((whole.header("link"), whole.header("content-type")), ("", "application/json"));
    for (query, tags, link) in [
        ("?n=2", json!(["1.0", "B"]), Some("?n=2&last=B")),
        ("?n=2&last=B", json!(["_a", "a-1"]), Some("?n=2&last=a-1")),
        ("?last=a-1&n=2", json!(["a.1", "b"]), None),
        ("?n=6", all.clone(), None),
        ("?n=5", json!(["1.0", "B", "_a", "a-1", "a.1"]), Some("?n=5&last=a.1")),
        ("?n=0", json!([]), None),
        ("?n=", all.clone(), None),
        ("?n=99999999999999999999999", all.clone(), None),
        ("?last=a", json!(["a-1", "a.1", "b"]), None),
        ("?last=C", json!(["_a", "a-1", "a.1", "b"]), None),
        ("?last=zz", json!([]), None),
        ("?last=%5Fa&n=1&unknown=x", json!(["a-1"]), Some("?n=1&last=a-1")),
    ] {
        let page = site.get(&format!("{list}{query}")).await;
        assert_eq!((page.status, &page.json()["tags"]), (200, &tags), "{query}");
        assert_eq!(next(&page), link.map(|link| format!("{list}{link}")), "{query}");
    }
    for query in ["?n=x", "?n=-1", "?n=1.5", "?n=%ff", "?last=%ff"] {
        site.get(&format!("{list}{query}")).await.is_refused(400, "UNSUPPORTED");
    }
    // A repository without tags has an empty list, and one that never began has none.
    site.push_blob("loose/blobs", b"x").await;
    assert_eq!(site.get("/v2/loose/blobs/tags/list").await.json()["tags"], json!([]));
    site.get("/v2/loose/nothing/tags/list").await.is_refused(404, "NAME_UNKNOWN");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_n_all_tags_are_given_and_above_the_cap_the_cap() {
    let site = Site::new().await;
    let manifest = site.plain("loose/things", json!({})).await;
    let digest = Digest::of(&manifest);
    for first in (0..1_050).step_by(50) {
        let tags: Vec<String> = (first..first + 50).map(|n| format!("tag=t{n:04}")).collect();
        let path = format!("/v2/loose/things/manifests/{digest}?{}", tags.join("&"));
        site.put(&path, &manifest).await.is(StatusCode::CREATED);
    }
    let count = |reply: &Reply| reply.json()["tags"].as_array().unwrap().len();
    let whole = site.get("/v2/loose/things/tags/list").await;
    assert_eq!((count(&whole), next(&whole)), (1_050, None));
    let capped = site.get("/v2/loose/things/tags/list?n=1040").await;
    assert_eq!(count(&capped), 1_000);
    let rest = site.get(&next(&capped).unwrap()).await;
    assert_eq!((count(&rest), next(&rest)), (50, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packages_list_is_its_live_versions_without_latest() {
    let site = Site::new().await;
    let mut alice = Author::new(10, "acme:mine", &site.clock);
    for version in ["1.0.0", "1.1.0", "1.10.0"] {
        alice.release(&site.registry, version, &module(version.as_bytes())).await;
    }
    let list = async || site.get("/v2/acme/mine/tags/list").await.json()["tags"].clone();
    assert_eq!(list().await, json!(["1.0.0", "1.1.0", "1.10.0"]));
    let latest = async || site.get("/v2/acme/mine/manifests/latest").await.bytes;
    let newest = site.get("/v2/acme/mine/manifests/1.10.0").await;
    assert_eq!(newest.header("warning"), "");
    assert_eq!(latest().await, newest.bytes);
    let yank = wargate_core::record::PackageEntry::Yank { version: "1.10.0".parse().unwrap() };
    alice.publish(&site.registry, vec![yank]).await;
    assert_eq!(list().await, json!(["1.0.0", "1.1.0"]));
    let yanked = site.get("/v2/acme/mine/manifests/1.10.0").await;
    let warning = yanked.is(StatusCode::OK).header("warning");
    assert!(
        warning.starts_with("299 - \"") && warning.contains("1.10.0") && warning.len() <= 4096,
        "{warning}"
    );
    assert_eq!(latest().await, site.get("/v2/acme/mine/manifests/1.1.0").await.bytes);
    let by_digest = format!("/v2/acme/mine/manifests/{}", yanked.header("docker-content-digest"));
    assert_eq!(site.get(&by_digest).await.bytes, yanked.bytes);
}

fn referrers(subject: &str) -> String {
    format!("/v2/loose/things/referrers/{subject}")
}

#[tokio::test(flavor = "multi_thread")]
async fn referrers_are_an_index_and_never_missing() {
    let site = Site::new().await;
    let subject = Digest::of(b"subject").to_string();
    let empty = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []});
    let zero = format!("sha256:{}", "0".repeat(64));
    let sha512 = format!("sha512:{}", "0".repeat(128));
    for path in
        [referrers(&subject), referrers(&zero), referrers(&sha512), format!("/v2/no/where/referrers/{zero}")]
    {
        let none = site.get(&path).await;
        assert_eq!((none.status, none.json()), (200, empty.clone()), "{path}");
        assert_eq!(none.header("content-type"), INDEX, "to the letter: oras compares it");
        assert_eq!((none.header("oci-filters-applied"), none.header("link")), ("", ""));
    }
    for bad in ["sha256:bad", "tag", "md5:00", "sha256:", &zero.to_uppercase()] {
        site.get(&referrers(bad)).await.is_refused(400, "DIGEST_INVALID");
    }
    let descriptor = json!({"mediaType": MANIFEST, "digest": subject, "size": 7});
    let annotated =
        json!({"subject": descriptor, "artifactType": "application/vnd.a+json", "annotations": {"k": "v"}});
    let one = site.push_plain("loose/things", "", annotated).await;
    let two = site.push_plain("loose/things", "", json!({"subject": descriptor})).await;
    let listed = site.get(&referrers(&subject)).await.json();
    let entry = |digest: Digest| {
        let entries = listed["manifests"].as_array().unwrap();
        entries.iter().find(|entry| entry["digest"] == digest.to_string()).cloned().unwrap()
    };
    let size = site.get(&format!("/v2/loose/things/manifests/{one}")).await.bytes.len();
    assert_eq!(
        entry(one),
        json!({"mediaType": MANIFEST, "digest": one.to_string(), "size": size,
            "artifactType": "application/vnd.a+json", "annotations": {"k": "v"}})
    );
    assert_eq!(entry(two)["artifactType"], "application/vnd.oci.empty.v1+json", "else its config's type");
    let filtered = async |query: &str| {
        let reply = site.get(&format!("{}{query}", referrers(&subject))).await;
        assert_eq!(reply.header("oci-filters-applied"), "artifactType", "{query}");
        reply.json()["manifests"].as_array().unwrap().clone()
    };
    for query in ["?artifactType=application/vnd.a+json", "?artifactType=application%2Fvnd.a%2Bjson"] {
        assert_eq!(filtered(query).await, [entry(one)], "{query}");
    }
    assert_eq!(filtered("?artifactType=application/none").await, Vec::<Value>::new());
    let without = site.get(&format!("{}?artifactType=", referrers(&subject))).await;
    assert_eq!(without.header("oci-filters-applied"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn referrers_come_in_pages_of_at_most_four_mib_and_the_filter_stays() {
    let site = Site::new().await;
    let subject = Digest::of(b"subject").to_string();
    let descriptor = json!({"mediaType": MANIFEST, "digest": subject, "size": 7});
    let mut pushed = BTreeSet::new();
    for number in 0..6 {
        let kind = if number == 5 { "application/vnd.other" } else { "application/vnd.a+json" };
        let long = format!("{number}{}", "x".repeat(1_500_000));
        let fields = json!({"subject": descriptor, "artifactType": kind, "annotations": {"long": long}});
        let digest = site.push_plain("loose/things", "", fields).await;
        if number < 5 {
            pushed.insert(digest.to_string());
        }
    }
    let (mut seen, mut pages) = (BTreeSet::new(), 0);
    let mut path = Some(format!("{}?artifactType=application/vnd.a%2Bjson", referrers(&subject)));
    while let Some(at) = path {
        let page = site.get(&at).await;
        assert!(page.is(StatusCode::OK).bytes.len() <= 4 * 1024 * 1024);
        assert_eq!(
            (page.header("content-type"), page.header("oci-filters-applied")),
            (INDEX, "artifactType")
        );
        for entry in page.json()["manifests"].as_array().unwrap() {
            assert!(entry["annotations"]["long"].is_string());
            assert!(seen.insert(entry["digest"].as_str().unwrap().to_owned()), "twice");
        }
        pages += 1;
        path = next(&page);
        assert!(path.as_ref().is_none_or(|path| path.contains("artifactType=")), "{path:?}");
    }
    assert_eq!(seen, pushed);
    assert!((3..=5).contains(&pages), "{pages}");
    site.get(&format!("{}?last=nonsense", referrers(&subject))).await.is_refused(400, "DIGEST_INVALID");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_holds_what_was_pushed_and_what_was_released() {
    let site = Site::new().await;
    let empty = site.get("/v2/_catalog").await;
    assert_eq!((empty.status, empty.json()), (200, json!({"repositories": []})));
    let mut alice = Author::new(10, "acme:mine", &site.clock);
    alice.release(&site.registry, "1.0.0", &module(b"hers")).await;
    for name in ["zoo/a/b", "acme/hello", "acme", "loose/things"] {
        site.push_blob(name, b"x").await;
    }
    // A session alone begins nothing.
    site.session("only/session").await;
    let all = json!(["acme", "acme/hello", "acme/mine", "loose/things", "zoo/a/b"]);
    let whole = site.get("/v2/_catalog").await;
    assert_eq!((&whole.json()["repositories"], whole.header("link")), (&all, ""));
    let page = site.get("/v2/_catalog?n=2").await;
    assert_eq!(page.json()["repositories"], json!(["acme", "acme/hello"]));
    assert_eq!(next(&page).as_deref(), Some("/v2/_catalog?n=2&last=acme/hello"));
    let (mut seen, mut path) = (Vec::new(), Some("/v2/_catalog?n=2".to_owned()));
    while let Some(at) = path {
        let page = site.get(&at).await;
        seen.extend(page.json()["repositories"].as_array().unwrap().clone());
        path = next(&page);
    }
    assert_eq!(json!(seen), all);
    let rest = site.get("/v2/_catalog?last=acme/zzz").await;
    assert_eq!(rest.json()["repositories"], json!(["loose/things", "zoo/a/b"]));
    assert_eq!(site.get("/v2/_catalog?n=0").await.json()["repositories"], json!([]));
    assert_eq!(site.get("/v2/_catalog?n=18446744073709551616").await.json()["repositories"], all);
    site.get("/v2/_catalog?n=x").await.is_refused(400, "UNSUPPORTED");
}
