//! What refers to a manifest: its entries, the filter, and pages by bytes.

use std::collections::BTreeSet;

use wargate_core::digest::Digest;
use wargate_registry::Repository;
use wargate_wire::oci::list::{REFERRERS_PAGE_BYTES_MAX, Referrer};
use wargate_wire::oci::reference::{ContentDigest, Reference};

use crate::support::oci::{INDEX, MANIFEST, part, plain, put};
use crate::world::World;

fn subject() -> ContentDigest {
    Digest::of(b"subject").into()
}

/// Pushes a manifest that refers to the subject; its digest.
async fn refer(repository: &Repository, more: &str) -> ContentDigest {
    let subject = part(MANIFEST, subject(), 7);
    let manifest = plain(repository, &format!(r#","subject":{subject}{more}"#)).await;
    let named = Digest::of(&manifest);
    put(repository, &named.to_string(), &manifest).await.unwrap().digest
}

/// All entries, page by page; and how many pages.
async fn all(repository: &Repository, artifact_type: Option<&str>) -> (Vec<Referrer>, usize) {
    let (mut entries, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let (page, next) = repository.referrers(&subject(), artifact_type, after).await.unwrap();
        assert!(serde_json::to_vec(&page).unwrap().len() <= REFERRERS_PAGE_BYTES_MAX);
        entries.extend(page.manifests().to_vec());
        pages += 1;
        match next {
            Some(_) => after = next,
            None => return (entries, pages),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_tells_of_its_manifest_what_clients_choose_by() {
    let world = World::new().await;
    let repository = world.repository("loose/things");
    // The subject need not exist, nor the repository.
    assert_eq!(all(&repository, None).await.0, []);
    let own = refer(&repository, r#","artifactType":"application/vnd.own","annotations":{"k":"v"}"#).await;
    let by_config = refer(&repository, "").await;
    let subject_part = part(MANIFEST, subject(), 7);
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[],"subject":{subject_part},"annotations":{{"i":"x"}}}}"#
    );
    let index_digest = put(&repository, "index", index.as_bytes()).await.unwrap().digest;
    let (entries, _) = all(&repository, None).await;
    let find = |digest: ContentDigest| entries.iter().find(|entry| entry.digest == digest).unwrap();
    assert_eq!(entries.len(), 3);
    assert_eq!(find(own).artifact_type.as_deref(), Some("application/vnd.own"));
    assert_eq!(find(own).annotations["k"], "v");
    assert_eq!(find(by_config).artifact_type.as_deref(), Some("application/vnd.oci.empty.v1+json"));
    assert_eq!(find(index_digest).artifact_type, None, "an index has no config to name");
    assert_eq!(find(index_digest).media_type.as_str(), INDEX);
    for entry in &entries {
        let stored = repository.manifest(&Reference::Digest(entry.digest)).await.unwrap();
        assert_eq!(entry.size, stored.bytes.len() as u64);
    }
    // The same subject elsewhere is another's.
    assert_eq!(all(&world.repository("loose/other"), None).await.0, []);
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filter_takes_one_type_across_many_pages_of_rows() {
    let world = World::new().await;
    let repository = world.repository("loose/things");
    let mut wanted = BTreeSet::new();
    for number in 0..100 {
        let kind = if number % 3 == 0 { "application/vnd.a" } else { "application/vnd.b" };
        let digest =
            refer(&repository, &format!(r#","artifactType":"{kind}","annotations":{{"n":"{number}"}}"#))
                .await;
        if number % 3 == 0 {
            wanted.insert(digest);
        }
    }
    let digests = |entries: Vec<Referrer>| entries.iter().map(|entry| entry.digest).collect::<BTreeSet<_>>();
    let (entries, pages) = all(&repository, None).await;
    assert_eq!((digests(entries).len(), pages), (100, 1));
    assert_eq!(digests(all(&repository, Some("application/vnd.a")).await.0), wanted);
    assert_eq!(all(&repository, Some("application/vnd.c")).await.0, []);
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_end_by_bytes_and_together_hold_each_entry_once() {
    let world = World::new().await;
    let repository = world.repository("loose/things");
    let mut pushed = BTreeSet::new();
    // Annotations of 1.5 MB each: two fit into a page.
    for number in 0..5 {
        let value = format!("{number}{}", "x".repeat(1_500_000));
        pushed.insert(refer(&repository, &format!(r#","annotations":{{"long":"{value}"}}"#)).await);
    }
    // And small ones between.
    for number in 0..40 {
        pushed.insert(refer(&repository, &format!(r#","annotations":{{"short":"{number}"}}"#)).await);
    }
    let (entries, pages) = all(&repository, None).await;
    assert!((3..=6).contains(&pages), "{pages}");
    assert_eq!(entries.len(), pushed.len());
    assert_eq!(entries.iter().map(|entry| entry.digest).collect::<BTreeSet<_>>(), pushed);
    let long = entries.iter().filter(|entry| entry.annotations.contains_key("long")).count();
    assert_eq!(long, 5, "no entry lost its annotations");
    world.end_sound().await;
}
