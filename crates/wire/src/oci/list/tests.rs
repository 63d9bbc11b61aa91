use super::*;
use serde_json::{Value, json};
use wargate_core::digest::Digest;

fn referrer(seed: u32, annotation_bytes: usize) -> Referrer {
    let annotations = [("a".to_owned(), "x".repeat(annotation_bytes))];
    Referrer {
        media_type: ManifestType::OciManifest,
        size: 7,
        digest: Digest::of(&seed.to_le_bytes()).into(),
        artifact_type: Some("x/y".to_owned()),
        annotations: if annotation_bytes == 0 { BTreeMap::new() } else { annotations.into() },
    }
}

fn bytes(index: &ReferrersIndex) -> usize {
    serde_json::to_vec(index).unwrap().len()
}

#[test]
fn empty_lists_are_written_as_lists() {
    let tags = TagList { name: &"p/a".parse().unwrap(), tags: &[] };
    assert_eq!(serde_json::to_string(&tags).unwrap(), r#"{"name":"p/a","tags":[]}"#);
    let catalog = Catalog { repositories: Vec::new() };
    assert_eq!(serde_json::to_string(&catalog).unwrap(), r#"{"repositories":[]}"#);
    let referrers = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [],
    });
    assert_eq!(serde_json::to_value(ReferrersIndex::default()).unwrap(), referrers);
}

#[test]
fn lists_hold_names_and_tags_as_text() {
    let tags = ["1.0.0", "b"].map(|tag| tag.parse().unwrap());
    let tags = TagList { name: &"a".parse().unwrap(), tags: &tags };
    assert_eq!(serde_json::to_value(tags).unwrap(), json!({ "name": "a", "tags": ["1.0.0", "b"] }));
    let catalog = Catalog { repositories: vec!["a/b".parse().unwrap()] };
    assert_eq!(serde_json::to_value(catalog).unwrap(), json!({ "repositories": ["a/b"] }));
}

#[test]
fn a_page_is_asked_for_by_n_and_last() {
    for (query, n, last) in [
        ("", None, None),
        ("n=&last=", None, None),
        ("n=0", Some(0), None),
        ("n=5&last=1.0.0", Some(5), Some("1.0.0")),
        ("last=p%2Fa", None, Some("p/a")),
        ("n=1000", Some(1000), None),
        ("n=1001", Some(1000), None),
        ("n=99999999999999999999999999", Some(1000), None),
        ("ns=example.com&n=1", Some(1), None),
    ] {
        let page = Page::of(&Query::new(query)).unwrap();
        assert_eq!((page.n, page.last.as_deref()), (n, last), "{query}");
    }
    for query in
        ["n=-1", "n=+1", "n=%2B1", "n=a", "n=1.0", "n=%201", "n=0x1", "n=٣", "n=%ff", "last=%", "n=1&last=%"]
    {
        assert!(Page::of(&Query::new(query)).is_err(), "{query}");
    }
}

#[test]
fn the_link_to_the_next_page_is_a_path_with_encoded_values() {
    let name: RepositoryName = "p/acme/hello".parse().unwrap();
    let digest: ContentDigest = Digest::of(b"").into();
    let tags = link_next(&Route::Tags { name: name.clone() }, &[("n", "2"), ("last", "1.0.0-rc.1")]);
    assert_eq!(tags, r#"</v2/p/acme/hello/tags/list?n=2&last=1.0.0-rc.1>; rel="next""#);
    let catalog = link_next(&Route::Catalog, &[("n", "2"), ("last", name.as_str())]);
    assert_eq!(catalog, r#"</v2/_catalog?n=2&last=p/acme/hello>; rel="next""#);
    let hostile = "a/b+json>; rel=\"prev\"\r\nX: y&z=\u{e9}";
    let referrers = link_next(
        &Route::Referrers { name, digest },
        &[("artifactType", hostile), ("last", &digest.to_string())],
    );
    let query = referrers.split_once('?').unwrap().1.strip_suffix(">; rel=\"next\"").unwrap();
    assert!(query.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"+;".contains(&byte)), "{query}");
    assert_eq!(Query::new(query).first("artifactType").unwrap().unwrap(), hostile);
    assert_eq!(Query::new(query).first("last").unwrap().unwrap(), digest.to_string());
}

#[test]
fn a_referrer_is_listed_with_type_and_annotations() {
    let (digest, config) = (Digest::of(b"m"), Digest::of(b"{}"));
    let mut body = json!({
        "schemaVersion": 2,
        "mediaType": ManifestType::OciManifest.as_str(),
        "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": config.to_string(), "size": 2 },
        "layers": [],
        "annotations": { "k": "v" },
        "artifactType": "x/y",
    });
    let listed = |body: &Value| {
        let manifest = Manifest::parse(None, body.to_string().as_bytes()).unwrap();
        serde_json::to_value(Referrer::of(&manifest, digest.into(), 7)).unwrap()
    };
    let mut expected = json!({
        "mediaType": ManifestType::OciManifest.as_str(),
        "digest": digest.to_string(),
        "size": 7,
        "artifactType": "x/y",
        "annotations": { "k": "v" },
    });
    assert_eq!(listed(&body), expected);
    body["artifactType"] = "".into();
    expected["artifactType"] = "application/vnd.oci.empty.v1+json".into();
    assert_eq!(listed(&body), expected);
    let index = json!({ "schemaVersion": 2, "mediaType": ManifestType::OciIndex.as_str(), "manifests": [] });
    let bare =
        json!({ "mediaType": ManifestType::OciIndex.as_str(), "digest": digest.to_string(), "size": 7 });
    assert_eq!(listed(&index), bare);
}

#[test]
fn a_page_of_referrers_ends_before_it_is_too_large() {
    let entries: Vec<Referrer> = (0..9).map(|seed| referrer(seed, 1_000_000)).collect();
    let mut left = entries.as_slice();
    let mut seen = Vec::new();
    while !left.is_empty() {
        let (index, more) = ReferrersIndex::page(left.iter().cloned());
        assert!(bytes(&index) <= REFERRERS_PAGE_BYTES_MAX);
        left = &left[index.manifests().len()..];
        assert_eq!(more, !left.is_empty());
        seen.extend_from_slice(index.manifests());
    }
    assert_eq!(seen, entries);
    assert_eq!(ReferrersIndex::page([]), (ReferrersIndex::default(), false));
}

#[test]
fn a_page_is_filled_to_the_last_byte() {
    let (one, _) = ReferrersIndex::page([referrer(0, 1)]);
    let fits = REFERRERS_PAGE_BYTES_MAX - bytes(&one);
    // One comma is counted that the last entry does not need.
    let (full, _) = ReferrersIndex::page([referrer(0, fits)]);
    assert_eq!(bytes(&full), REFERRERS_PAGE_BYTES_MAX - 1);
    let (next, more) = ReferrersIndex::page([referrer(0, fits), referrer(1, 0)]);
    assert_eq!((next, more), (full, true));
}

#[test]
fn an_entry_too_large_for_any_page_hides_nobody() {
    let large = referrer(0, REFERRERS_PAGE_BYTES_MAX);
    let larger = Referrer { artifact_type: Some("x".repeat(REFERRERS_PAGE_BYTES_MAX)), ..large.clone() };
    let (index, more) = ReferrersIndex::page([large, referrer(1, 10), larger]);
    assert!(!more && bytes(&index) < 2000);
    let [first, second, third] = index.manifests() else { panic!("{} entries", index.manifests().len()) };
    assert!(first.annotations.is_empty() && third.annotations.is_empty());
    assert_eq!((first.artifact_type.as_deref(), third.artifact_type.as_deref()), (Some("x/y"), None));
    assert_eq!(*second, referrer(1, 10));
}
