//! Content by repository: what is pushed, what becomes a release, and what appears by itself.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test ends where something fails, and waits for real"
)]

mod support;

use std::sync::Arc;

use bytes::Bytes;
use support::oci::{push_blob, push_wasm, put, tags};
use support::{Author, TestClock, WAIT, module, open, release};
use wargate_component::{Layer, artifact, inspect};
use wargate_core::digest::Digest;
use wargate_core::record::PackageEntry;
use wargate_registry::{Error, RecordStatus, Registry, Released};
use wargate_wire::oci::reference::{ContentDigest, Reference};

async fn registry() -> (tempfile::TempDir, Arc<TestClock>, Registry) {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let registry = open(dir.path(), &clock).await;
    (dir, clock, registry)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wasm_artifact_under_a_version_is_a_release() {
    let (_dir, _clock, registry) = registry().await;
    let repository = registry.repository("acme/hello".parse().unwrap());
    let wasm = module(b"one");
    let pushed = push_wasm(&repository, "1.0.0", &wasm, "").await.unwrap();
    assert!(matches!(pushed.release, Some(Released::Now { .. })));
    let found = repository.manifest(&"1.0.0".parse().unwrap()).await.unwrap();
    assert_eq!(ContentDigest::from(found.digest), pushed.digest);
    assert_eq!(Digest::of(&found.bytes), found.digest);
    let blob = repository.blob(&Digest::of(&wasm).into()).await.unwrap();
    assert_eq!(blob.bytes().await.unwrap(), wasm);
    push_wasm(&repository, "1.2.0-rc.1", &module(b"pre"), "").await.unwrap();
    push_wasm(&repository, "1.1.0", &module(b"two"), "").await.unwrap();
    assert_eq!(tags(&repository.tags().await.unwrap()), ["1.0.0", "1.1.0", "1.2.0-rc.1"]);
    let latest = repository.manifest(&"latest".parse().unwrap()).await.unwrap();
    assert_eq!(latest.digest, repository.manifest(&"1.1.0".parse().unwrap()).await.unwrap().digest);
    // The same content again, as `wkg` makes a new manifest each run; then another content.
    let again = push_wasm(&repository, "1.0.0", &wasm, "again").await.unwrap();
    assert_eq!((again.digest, again.release.is_some()), (pushed.digest, true));
    let other = push_wasm(&repository, "1.0.0", &module(b"other"), "").await.unwrap_err();
    assert!(matches!(other, Error::AlreadyReleased { content, .. } if content == Digest::of(&wasm)));
    assert!(matches!(push_wasm(&repository, "latest", &wasm, "").await, Err(Error::LatestFollows { .. })));
    // What is no version of the package is plain content.
    push_wasm(&repository, "nightly", &module(b"nightly"), "").await.unwrap();
    assert!(tags(&repository.tags().await.unwrap()).contains(&"nightly"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_warg_published_appears_with_the_manifest_that_its_bytes_give() {
    let (dir, clock, registry) = registry().await;
    let mut alice = Author::new(10, "acme:mine", &clock);
    let wasm = module(b"hers");
    alice.release(&registry, "1.0.0", &wasm).await;
    alice.release(&registry, "1.1.0", &module(b"hers too")).await;
    let repository = registry.repository("acme/mine".parse().unwrap());
    assert_eq!(tags(&repository.tags().await.unwrap()), ["1.0.0", "1.1.0"]);
    let layer = Layer { digest: Digest::of(&wasm), size: wasm.len() as u64 };
    let expected = artifact(layer, &inspect(&wasm).unwrap(), "mine", &"1.0.0".parse().unwrap());
    // Whoever computed the digest elsewhere finds it by that alone.
    let digest = Digest::of(&expected.manifest);
    let by_digest = repository.manifest(&Reference::Digest(digest.into())).await.unwrap();
    assert_eq!(by_digest.bytes, expected.manifest);
    let by_tag = repository.manifest(&"1.0.0".parse().unwrap()).await.unwrap();
    assert_eq!((by_tag.digest, by_tag.bytes), (digest, by_digest.bytes));
    assert_eq!(repository.blob(&Digest::of(&wasm).into()).await.unwrap().bytes().await.unwrap(), wasm);
    assert!(repository.blob(&Digest::of(&expected.config).into()).await.is_ok());
    // Content of one repository is nobody else's.
    let other = registry.repository("acme/other".parse().unwrap());
    assert!(matches!(other.blob(&Digest::of(&wasm).into()).await, Err(Error::UnknownBlob { .. })));
    alice.publish(&registry, vec![PackageEntry::Yank { version: "1.1.0".parse().unwrap() }]).await;
    assert_eq!(tags(&repository.tags().await.unwrap()), ["1.0.0"]);
    assert!(repository.manifest(&"1.1.0".parse().unwrap()).await.unwrap().yanked);

    registry.close().await;
    drop(registry);
    let registry = open(dir.path(), &clock).await;
    let repository = registry.repository("acme/mine".parse().unwrap());
    assert_eq!(repository.manifest(&"latest".parse().unwrap()).await.unwrap().digest, digest);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_tag_never_shadows_a_release() {
    let (_dir, _clock, registry) = registry().await;
    let repository = registry.repository("acme/hello".parse().unwrap());
    let foreign = |config: &str| {
        format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{config}","size":2}},"layers":[]}}"#
        )
    };
    let empty = push_blob(&repository, b"{}").await;
    put(&repository, "2.0.0", foreign(&empty.to_string()).as_bytes()).await.unwrap();
    put(&repository, "latest", foreign(&empty.to_string()).as_bytes()).await.unwrap();
    assert_eq!(tags(&repository.tags().await.unwrap()), ["2.0.0", "latest"]);
    push_wasm(&repository, "1.0.0", &module(b"one"), "").await.unwrap();
    assert_eq!(tags(&repository.tags().await.unwrap()), ["1.0.0"]);
    assert!(matches!(
        repository.manifest(&"2.0.0".parse().unwrap()).await,
        Err(Error::UnknownManifest { .. })
    ));
    let error = put(&repository, "2.0.0", foreign(&empty.to_string()).as_bytes()).await.unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_release_are_refused_by_both_ways_in() {
    let (_dir, clock, registry) = registry().await;
    let repository = registry.repository("acme/hello".parse().unwrap());
    let error = push_wasm(&repository, "1.0.0", b"\0asm\x02\0\0\0", "").await.unwrap_err();
    assert!(matches!(error, Error::ContentRefused { .. }), "{error}");
    assert!(matches!(repository.tags().await, Ok(tags) if tags.is_empty()));
    // A section `version` that says another one: in the bytes and through warg.
    let mut claims = b"\0asm\x01\0\0\0\0\x0d\x07version9.9.9".to_vec();
    let error = push_wasm(&repository, "1.0.0", &claims, "").await.unwrap_err();
    assert!(error.to_string().contains("9.9.9"), "{error}");
    let mut alice = Author::new(10, "acme:mine", &clock);
    alice.publish(&registry, vec![alice.init()]).await;
    claims[8 + 2 + 8] = b'8';
    let record = alice.record(vec![release("1.0.0", Digest::of(&claims))]);
    let id = record.envelope.record_id(wargate_core::id::Layer::Package);
    registry.publish(record, WAIT).await.unwrap();
    let refused = support::upload(&registry, &alice.log(), &id, &claims).await;
    assert!(
        matches!(&refused, Err(Error::ContentRefused { reason }) if reason.contains("8.9.9")),
        "{refused:?}"
    );
    let status = registry.record_status(&alice.log(), &id).await.unwrap();
    assert!(matches!(status, wargate_registry::RecordStatus::Rejected { .. }), "{status:?}");
    // Where the bytes are here already, the record is refused at once.
    alice.release(&registry, "8.9.9", &claims).await;
    let record = alice.record(vec![release("2.0.0", Digest::of(&claims))]);
    assert!(matches!(registry.publish(record, WAIT).await, Err(Error::ContentRefused { .. })));
    // Of several contents too, which are looked at one after the other.
    let plain: Vec<Vec<u8>> = (0..3).map(|seed| module(&[seed])).collect();
    for (minor, plain) in (0..).zip(&plain) {
        alice.release(&registry, &format!("1.{minor}.0"), plain).await;
    }
    let several = |claimed: &str| {
        let others = ["2.0.0", "2.1.0", "2.2.0"].into_iter().zip(plain.iter().map(|plain| Digest::of(plain)));
        let all = others.chain([(claimed, Digest::of(&claims))]);
        all.map(|(version, content)| release(version, content)).collect::<Vec<_>>()
    };
    assert!(several("2.3.0").len() > wargate_registry::limits::INSPECTIONS_AT_ONCE_MAX);
    let refused = registry.publish(alice.record(several("2.3.0")), WAIT).await;
    assert!(
        matches!(&refused, Err(Error::ContentRefused { reason }) if reason.contains("8.9.9")),
        "{refused:?}"
    );
    alice.publish(&registry, several("8.9.9")[..3].to_vec()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_needs_its_parts_and_a_session_its_repository() {
    let (_dir, _clock, registry) = registry().await;
    let (one, two) =
        (registry.repository("acme/one".parse().unwrap()), registry.repository("acme/two".parse().unwrap()));
    let session = one.begin_upload().unwrap();
    assert!(matches!(two.upload(session), Err(Error::UnknownUpload { .. })));
    let writer = one.upload(session).unwrap();
    assert!(matches!(one.upload(session), Err(Error::UploadInUse)));
    drop(writer);
    let mut upload = one.upload(session).unwrap();
    upload.write(Bytes::from_static(b"abc")).await.unwrap();
    assert!(matches!(upload.finish(&Digest::of(b"abd").into()).await, Err(Error::DigestMismatch { .. })));
    assert!(matches!(one.upload(session), Err(Error::UnknownUpload { .. })), "a wrong digest ends it");
    assert!(matches!(one.tags().await, Err(Error::UnknownRepository { .. })), "nothing began");
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"x/y","digest":"{}","size":2}},"layers":[]}}"#,
        Digest::of(b"{}")
    );
    let missing = put(&one, "t", manifest.as_bytes()).await.unwrap_err();
    assert!(matches!(&missing, Error::MissingParts { digests } if digests.len() == 1), "{missing}");
    push_blob(&two, b"{}").await;
    assert!(put(&one, "t", manifest.as_bytes()).await.is_err(), "another repository's blob is not its own");
    one.mount(&Digest::of(b"{}").into(), Some(two.name())).await.unwrap();
    put(&one, "t", manifest.as_bytes()).await.unwrap();
    let large = vec![7u8; 300_000];
    let digest = push_blob(&one, &large).await;
    assert_eq!(one.blob(&digest.into()).await.unwrap().bytes().await.unwrap(), large);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_nobody_looked_at_is_looked_at_before_a_record_releases_it() {
    let (_dir, clock, registry) = registry().await;
    let blobs = registry.repository("acme/blobs".parse().unwrap());
    let no_wasm = b"no file of Wasm";
    push_blob(&blobs, no_wasm).await;
    let author = Author::new(10, "acme:first", &clock);
    let record = author.record(vec![author.init(), release("1.0.0", Digest::of(no_wasm))]);
    let refused = registry.publish(record, WAIT).await;
    assert!(matches!(refused, Err(Error::ContentRefused { .. })), "{refused:?}");

    // The same for a record that waits: what it waits for comes by another door.
    let (late, good) = (b"no file of Wasm either", module(b"good"));
    let author = Author::new(11, "acme:second", &clock);
    let releases = [release("1.0.0", Digest::of(late)), release("1.0.1", Digest::of(&good))];
    let record = author.record([vec![author.init()], releases.to_vec()].concat());
    let id = record.envelope.record_id(wargate_core::id::Layer::Package);
    let told = registry.publish(record, WAIT).await.unwrap();
    assert!(matches!(&told, RecordStatus::Sourcing { missing, .. } if missing.len() == 2), "{told:?}");
    push_blob(&blobs, late).await;
    support::upload(&registry, &author.log(), &id, &good).await.unwrap();
    let told = registry.record_status(&author.log(), &id).await.unwrap();
    assert!(matches!(told, RecordStatus::Rejected { .. }), "{told:?}");
    let kept = registry.snapshot().content(&Digest::of(&good)).await.unwrap().hosted.unwrap();
    assert_eq!(
        kept.bytes().await.unwrap(),
        good,
        "an upload that was answered is kept, whatever became of the record"
    );
}
