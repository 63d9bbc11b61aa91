//! What nothing needs goes when its time is over, and nothing else does.

use std::time::Duration;

use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use wargate_core::digest::Digest;
use wargate_registry::gc::{Garbage, Removed};
use wargate_registry::limits::{CONTENT_LEASE, LEASE_RENEWALS, REPLACED_PARTIAL_STAYS, UNTAGGED_KEPT};
use wargate_registry::{Error, RecordStatus};
use wargate_wire::oci::reference::Algorithm;

use crate::support::oci::{INDEX, MANIFEST, part, plain, push_blob, push_blob_as, push_wasm, put};
use crate::support::{self, Author, WAIT, module, release, upload};
use crate::world::World;

/// A little more or less than a lease.
const MOMENT: Duration = Duration::from_secs(1);

impl World {
    async fn sweep(&self) -> Removed {
        let told = self.registry.collect_garbage(true).await.unwrap();
        let removed = self.registry.collect_garbage(false).await.unwrap();
        let of = |removed: &Removed| {
            [Garbage::Manifests, Garbage::Links, Garbage::Contents].map(|kind| removed.of(kind))
        };
        assert_eq!(of(&told), of(&removed), "a dry run tells the same");
        removed
    }

    /// Sweeps until nothing more goes: how many manifests, links and contents went.
    async fn sweep_all(&self) -> [u64; 3] {
        let mut sum = [0; 3];
        loop {
            let removed = self.sweep().await;
            let round =
                [Garbage::Manifests, Garbage::Links, Garbage::Contents].map(|kind| removed.of(kind).count);
            if round == [0; 3] {
                return sum;
            }
            (0..3).for_each(|at| sum[at] += round[at]);
        }
    }

    async fn has_object(&self, digest: &Digest) -> bool {
        let hex = digest.to_string().replace("sha256:", "");
        let (_, objects) = support::engines(self.dir.path());
        let path = Path::from(format!("blobs/sha256/{}/{hex}", &hex[..2]));
        objects.head(&path).await.is_ok()
    }
}

/// Content of a size that makes it an object.
fn large(seed: u8) -> Vec<u8> {
    vec![seed; 100_000]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_no_manifest_named_goes_after_its_lease_and_its_object_a_moment_later() {
    let world = World::new().await;
    let repository = world.repository("loose/things");
    let (small, object) = (push_blob(&repository, b"small").await, push_blob(&repository, &large(1)).await);
    world.clock.advance(CONTENT_LEASE - MOMENT);
    assert_eq!(world.sweep_all().await, [0; 3]);
    world.clock.advance(2 * MOMENT);
    assert_eq!(world.sweep_all().await, [0, 2, 2]);
    for digest in [small, object] {
        let gone = repository.blob(&digest.into()).await;
        assert!(matches!(gone, Err(Error::UnknownBlob { .. })), "{gone:?}");
    }
    // Whoever found its row a moment ago still reads it.
    assert!(world.has_object(&object).await);
    world.clock.advance(REPLACED_PARTIAL_STAYS + MOMENT);
    world.sweep_all().await;
    assert!(!world.has_object(&object).await);
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_in_again_before_its_object_goes_stays() {
    let world = World::new().await;
    let repository = world.repository("loose/things");
    let object = push_blob(&repository, &large(1)).await;
    repository.delete_blob(&object.into()).await.unwrap();
    world.clock.advance(CONTENT_LEASE + MOMENT);
    assert_eq!(world.sweep_all().await, [0, 0, 1]);
    push_blob(&repository, &large(1)).await;
    world.clock.advance(REPLACED_PARTIAL_STAYS + MOMENT);
    assert_eq!(world.sweep_all().await, [0; 3]);
    let bytes = repository.blob(&object.into()).await.unwrap().bytes().await.unwrap();
    assert_eq!(bytes, large(1));
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_whose_row_went_goes_in_the_next_process_too() {
    let mut world = World::new().await;
    let object = push_blob(&world.repository("loose/things"), &large(1)).await;
    world.clock.advance(CONTENT_LEASE + MOMENT);
    assert_eq!(world.sweep_all().await, [0, 1, 1]);
    world.registry.close().await;
    world.registry = support::open(world.dir.path(), &world.clock).await;
    assert!(world.has_object(&object).await);
    world.clock.advance(REPLACED_PARTIAL_STAYS + MOMENT);
    world.sweep_all().await;
    assert!(!world.has_object(&object).await);
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_told_that_a_blob_is_here_has_the_time_to_name_it() {
    let world = World::new().await;
    let repository = world.repository("loose/things");
    let manifest = plain(&repository, "").await;
    let config = Digest::of(b"{}").into();
    let other = push_blob(&repository, b"read and not asked for").await;
    world.clock.advance(CONTENT_LEASE - MOMENT);
    repository.leased_blob(&config).await.unwrap();
    repository.blob(&other.into()).await.unwrap();
    world.clock.advance(CONTENT_LEASE * (LEASE_RENEWALS - 1) / LEASE_RENEWALS);
    assert_eq!(world.sweep_all().await, [0, 1, 1]);
    put(&repository, "tag", &manifest).await.unwrap();
    world.clock.advance(10 * UNTAGGED_KEPT);
    assert_eq!(world.sweep_all().await, [0; 3]);
    assert!(repository.blob(&config).await.is_ok());
    // A mount is such a word too.
    let two = world.repository("loose/two");
    two.mount(&config, None).await.unwrap();
    world.clock.advance(CONTENT_LEASE - MOMENT);
    assert_eq!(world.sweep_all().await, [0; 3]);
    world.clock.advance(2 * MOMENT);
    assert_eq!(world.sweep_all().await, [0, 1, 0]);
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_nothing_names_goes_when_nobody_asked_for_it() {
    let world = World::new().await;
    let repository = world.repository("loose/things");
    let mut digests = Vec::new();
    for note in ["tagged", "moved", "asked", "pushed"] {
        let manifest = plain(&repository, &format!(r#","annotations":{{"note":"{note}"}}"#)).await;
        let by_digest = ["asked", "pushed"].contains(&note);
        let tag = if by_digest { Digest::of(&manifest).to_string() } else { "latest".to_owned() };
        digests.push(put(&repository, &tag, &manifest).await.unwrap().digest);
    }
    let [first, last, asked, pushed] = digests[..] else { panic!("four were pushed") };
    world.clock.advance(UNTAGGED_KEPT - MOMENT);
    assert_eq!(world.sweep_all().await, [0; 3]);
    repository.manifest(&asked.to_string().parse().unwrap()).await.unwrap();
    world.clock.advance(2 * MOMENT);
    assert_eq!(world.sweep_all().await, [2, 0, 2], "their bytes go, the config is another's too");
    for (digest, stays) in [(first, false), (last, true), (asked, true), (pushed, false)] {
        let found = repository.manifest(&digest.to_string().parse().unwrap()).await;
        assert_eq!(found.is_ok(), stays, "{found:?}");
    }
    // Whatever is left goes with the tag, after its time.
    repository.delete_manifest(&last.to_string().parse().unwrap()).await.unwrap();
    world.clock.advance(UNTAGGED_KEPT + MOMENT);
    assert_eq!(world.sweep_all().await, [1, 1, 3]);
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn children_and_referrers_live_as_long_as_what_they_belong_to() {
    let world = World::new().await;
    let repository = world.repository("loose/things");
    let child = plain(&repository, r#","annotations":{"note":"child"}"#).await;
    let child_digest = put(&repository, &Digest::of(&child).to_string(), &child).await.unwrap().digest;
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{}]}}"#,
        part(MANIFEST, child_digest, child.len())
    );
    let index_digest = put(&repository, "index", index.as_bytes()).await.unwrap().digest;
    let mut signatures = Vec::new();
    for subject in [child_digest.to_string(), Digest::of(b"nowhere").to_string()] {
        let subject = part(MANIFEST, subject, child.len());
        let signature = plain(&repository, &format!(r#","subject":{subject}"#)).await;
        let reference = Digest::of(&signature).to_string();
        signatures.push(put(&repository, &reference, &signature).await.unwrap().digest);
    }
    world.clock.advance(UNTAGGED_KEPT + MOMENT);
    assert_eq!(world.sweep_all().await, [1, 0, 1], "what refers to nothing here");
    for (digest, stays) in
        [(index_digest, true), (child_digest, true), (signatures[0], true), (signatures[1], false)]
    {
        let found = repository.manifest(&digest.to_string().parse().unwrap()).await;
        assert_eq!(found.is_ok(), stays, "{found:?}");
    }
    repository.delete_manifest(&"index".parse().unwrap()).await.unwrap();
    world.clock.advance(UNTAGGED_KEPT + MOMENT);
    // The index first, then its child, then the child's signature, then what they shared.
    assert_eq!(world.sweep_all().await, [3, 1, 4]);
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_release_goes() {
    let world = World::new().await;
    let (pushed, signed) = (module(b"pushed"), module(&large(7)));
    push_wasm(&world.hello, "1.0.0", &pushed, "").await.unwrap();
    let mut author = Author::new(9, "other:signed", &world.clock);
    author.release(&world.registry, "1.0.0", &signed).await;
    let derived = world.repository("other/signed");
    let version = "1.0.0".parse().unwrap();
    world.clock.advance(10 * UNTAGGED_KEPT);
    assert_eq!(world.sweep_all().await, [0; 3]);
    let before = derived.manifest(&version).await.unwrap();
    world.clock.advance(10 * UNTAGGED_KEPT);
    assert_eq!(world.sweep_all().await, [0; 3]);
    assert_eq!(derived.manifest(&version).await.unwrap().digest, before.digest);
    assert!(world.hello.manifest(&version).await.is_ok());
    for (repository, content) in [(&world.hello, &pushed), (&derived, &signed)] {
        let blob = repository.blob(&Digest::of(content).into()).await.unwrap();
        assert_eq!(blob.bytes().await.unwrap(), *content);
    }
    // The same version pushed again under another manifest: that one is nobody's.
    push_wasm(&world.hello, "1.0.0", &pushed, "again").await.unwrap();
    world.clock.advance(UNTAGGED_KEPT + MOMENT);
    assert_eq!(world.sweep_all().await, [1, 0, 1]);
    assert!(world.hello.manifest(&version).await.is_ok());
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn content_of_a_record_that_waits_stays_and_that_of_a_refused_one_goes() {
    let world = World::new().await;
    let author = Author::new(9, "acme:waits", &world.clock);
    let (first, second) = (module(b"first"), module(b"second"));
    let (one, two) = (Digest::of(&first), Digest::of(&second));
    let entries = vec![author.init(), release("1.0.0", one), release("2.0.0", two)];
    let record = author.record(entries);
    let id = record.envelope.record_id(wargate_core::id::Layer::Package);
    let status = world.registry.publish(record, WAIT).await.unwrap();
    assert!(matches!(status, RecordStatus::Sourcing { .. }), "{status:?}");
    upload(&world.registry, &author.log(), &id, &first).await.unwrap();
    world.clock.advance(3 * CONTENT_LEASE);
    assert_eq!(world.sweep_all().await, [0; 3]);
    assert!(world.registry.snapshot().content(&one).await.is_ok());
    // By now it is too old to be published: all that it waited for is for nothing.
    upload(&world.registry, &author.log(), &id, &second).await.unwrap();
    support::eventually("the verdict", async || {
        let status = world.registry.record_status(&author.log(), &id).await.unwrap();
        matches!(status, RecordStatus::Rejected { .. }).then_some(())
    })
    .await;
    world.clock.advance(CONTENT_LEASE - MOMENT);
    assert_eq!(world.sweep_all().await, [0, 0, 1], "the first one's lease ended long ago");
    world.clock.advance(2 * MOMENT);
    assert_eq!(world.sweep_all().await, [0, 0, 1]);
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_content_that_is_being_published_is_leased_first() {
    let world = World::new().await;
    let wasm = module(b"came in long ago");
    let digest = push_blob(&world.repository("loose/things"), &wasm).await;
    world.repository("loose/things").delete_blob(&digest.into()).await.unwrap();
    world.clock.advance(CONTENT_LEASE + MOMENT);
    // Nobody swept yet: the record finds its content here, and a sweep in that moment must leave it.
    let mut author = Author::new(9, "acme:late", &world.clock);
    let entries = vec![author.init(), release("1.0.0", digest)];
    let publish = author.publish(&world.registry, entries);
    let (_, _) = tokio::join!(publish, async {
        for _ in 0..20 {
            world.registry.collect_garbage(false).await.unwrap();
        }
    });
    let (_, found, _) = world
        .registry
        .snapshot()
        .release(&"acme:late".parse().unwrap(), &"1.0.0".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(found.content, digest);
    let content = world.registry.snapshot().content(&digest).await.unwrap();
    assert_eq!(content.hosted.unwrap().bytes().await.unwrap(), wasm);
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_by_sha512_go_with_their_content() {
    let world = World::new().await;
    let repository = world.repository("loose/things");
    let named = push_blob_as(&repository, Algorithm::Sha512, b"by another name").await;
    assert!(repository.blob(&named).await.is_ok());
    world.clock.advance(CONTENT_LEASE + MOMENT);
    assert_eq!(world.sweep_all().await, [0, 1, 1]);
    let gone = repository.blob(&named).await;
    assert!(matches!(gone, Err(Error::UnknownBlob { .. })), "{gone:?}");
    push_blob_as(&repository, Algorithm::Sha512, b"by another name").await;
    assert!(repository.blob(&named).await.is_ok());
    world.end_sound().await;
}
