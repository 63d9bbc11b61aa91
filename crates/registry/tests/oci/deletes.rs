//! Deleting unlinks at once; what is released stays.

use std::time::Duration;

use wargate_core::digest::Digest;
use wargate_registry::Error;
use wargate_wire::oci::manifest::Manifest;
use wargate_wire::oci::reference::{Algorithm, ContentDigest};

use crate::support::oci::{INDEX, MANIFEST, part, plain, push_blob, push_wasm, push_wasm_parts, put, tags};
use crate::support::{Author, module};
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_tag_takes_nothing_with_it() {
    let world = World::new().await;
    let repository = world.repository("loose/things");
    let manifest = plain(&repository, "").await;
    let digest = put(&repository, "one", &manifest).await.unwrap().digest;
    put(&repository, "two", &manifest).await.unwrap();
    repository.delete_manifest(&"one".parse().unwrap()).await.unwrap();
    let gone = repository.manifest(&"one".parse().unwrap()).await;
    assert!(matches!(gone, Err(Error::UnknownManifest { .. })), "{gone:?}");
    assert_eq!(tags(&repository.tags().await.unwrap()), ["two"]);
    assert!(repository.manifest(&digest.to_string().parse().unwrap()).await.is_ok());
    let again = repository.delete_manifest(&"one".parse().unwrap()).await;
    assert!(matches!(again, Err(Error::UnknownManifest { .. })), "{again:?}");
    let nowhere = world.repository("loose/nothing").delete_manifest(&"one".parse().unwrap()).await;
    assert!(matches!(nowhere, Err(Error::UnknownRepository { .. })), "{nowhere:?}");
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_manifest_goes_with_all_its_tags_and_leaves_the_list_of_referrers() {
    let world = World::new().await;
    let repository = world.repository("loose/things");
    let subject = Digest::of(b"whatever");
    let subject_part = part(MANIFEST, subject, 8);
    let manifest = plain(&repository, &format!(r#","subject":{subject_part}"#)).await;
    let other = plain(&repository, r#","annotations":{"a":"b"}"#).await;
    let digest = put(&repository, "one", &manifest).await.unwrap().digest;
    put(&repository, "two", &manifest).await.unwrap();
    put(&repository, "kept", &other).await.unwrap();
    let named = digest.to_string().parse().unwrap();
    repository.delete_manifest(&named).await.unwrap();
    assert_eq!(tags(&repository.tags().await.unwrap()), ["kept"]);
    assert!(matches!(repository.manifest(&named).await, Err(Error::UnknownManifest { .. })));
    let (left, _) = repository.referrers(&subject.into(), None, None).await.unwrap();
    assert!(left.manifests().is_empty());
    let again = repository.delete_manifest(&named).await;
    assert!(matches!(again, Err(Error::UnknownManifest { .. })), "{again:?}");
    // Its blobs are links of their own; and it can be pushed again.
    assert!(repository.blob(&Digest::of(b"{}").into()).await.is_ok());
    put(&repository, "one", &manifest).await.unwrap();
    let (back, _) = repository.referrers(&subject.into(), None, None).await.unwrap();
    assert_eq!(back.manifests().len(), 1);
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_blob_is_gone_here_alone_and_its_manifest_cannot_be_pushed_again() {
    let world = World::new().await;
    let (one, two) = (world.repository("loose/one"), world.repository("loose/two"));
    let manifest = plain(&one, "").await;
    put(&one, "tag", &manifest).await.unwrap();
    let empty = ContentDigest::from(Digest::of(b"{}"));
    two.mount(&empty, Some(one.name())).await.unwrap();
    one.delete_blob(&empty).await.unwrap();
    assert!(matches!(one.blob(&empty).await, Err(Error::UnknownBlob { .. })));
    assert!(two.blob(&empty).await.is_ok(), "a link is one repository's");
    assert!(matches!(one.delete_blob(&empty).await, Err(Error::UnknownBlob { .. })));
    // The manifest stays, as it was pushed, but not a second time.
    assert!(one.manifest(&"tag".parse().unwrap()).await.is_ok());
    let again = put(&one, "other", &manifest).await;
    assert!(matches!(again, Err(Error::MissingParts { .. })), "{again:?}");
    // Nor does a link come back by being asked for from where it is no more.
    let mount = world.repository("loose/three").mount(&empty, Some(one.name())).await;
    assert!(matches!(mount, Err(Error::UnknownBlob { .. })), "{mount:?}");
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_child_leaves_its_index() {
    let world = World::new().await;
    let repository = world.repository("loose/things");
    let child = plain(&repository, "").await;
    let child_digest = put(&repository, "child", &child).await.unwrap().digest;
    let children = part(MANIFEST, child_digest, child.len());
    let index = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{children}]}}"#);
    put(&repository, "index", index.as_bytes()).await.unwrap();
    repository.delete_manifest(&child_digest.to_string().parse().unwrap()).await.unwrap();
    assert_eq!(tags(&repository.tags().await.unwrap()), ["index"]);
    let again = put(&repository, "index", index.as_bytes()).await;
    assert!(matches!(again, Err(Error::MissingParts { .. })), "{again:?}");
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_release_needs_can_be_deleted() {
    let world = World::new().await;
    let wasm = module(b"one");
    let pushed = push_wasm(&world.hello, "1.0.0", &wasm, "").await.unwrap();
    let released = |done: Result<(), Error>| {
        assert!(
            matches!(&done, Err(error @ Error::Released { .. }) if error.to_string().contains("yank")),
            "{done:?}"
        );
    };
    released(world.hello.delete_manifest(&"1.0.0".parse().unwrap()).await);
    released(world.hello.delete_manifest(&pushed.digest.to_string().parse().unwrap()).await);
    let stored = world.hello.manifest(&"1.0.0".parse().unwrap()).await.unwrap();
    let parsed = Manifest::parse(None, &stored.bytes).unwrap();
    for blob in parsed.required_blobs() {
        released(world.hello.delete_blob(&blob.digest).await);
    }
    released(world.hello.delete_manifest(&"latest".parse().unwrap()).await);
    let never = world.hello.delete_manifest(&"9.0.0".parse().unwrap()).await;
    assert!(matches!(never, Err(Error::UnknownManifest { .. })), "{never:?}");
    // By its other name neither.
    let sha512 = ContentDigest::of(Algorithm::Sha512, &stored.bytes);
    put(&world.hello, &sha512.to_string(), &stored.bytes).await.unwrap();
    released(world.hello.delete_manifest(&sha512.to_string().parse().unwrap()).await);
    // The same content in another repository is nobody's release.
    push_wasm(&world.repository("loose/things"), "v1", &wasm, "").await.unwrap();
    world.repository("loose/things").delete_blob(&Digest::of(&wasm).into()).await.unwrap();
    // What is beside the releases goes.
    let loose = push_blob(&world.hello, b"nobody needs it").await;
    world.hello.delete_blob(&loose.into()).await.unwrap();
    push_wasm(&world.hello, "nightly", &module(b"nightly"), "").await.unwrap();
    world.hello.delete_manifest(&"nightly".parse().unwrap()).await.unwrap();
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_warg_published_and_was_derived_cannot_be_deleted_either() {
    let world = World::new().await;
    let mut alice = Author::new(10, "acme:mine", &world.clock);
    let wasm = module(b"hers");
    alice.release(&world.registry, "1.0.0", &wasm).await;
    let mine = world.repository("acme/mine");
    let manifest = mine.manifest(&"1.0.0".parse().unwrap()).await.unwrap();
    let done = mine.delete_manifest(&manifest.digest.to_string().parse().unwrap()).await;
    assert!(matches!(done, Err(Error::Released { .. })), "{done:?}");
    let parsed = Manifest::parse(None, &manifest.bytes).unwrap();
    for blob in parsed.required_blobs() {
        let done = mine.delete_blob(&blob.digest).await;
        assert!(matches!(done, Err(Error::Released { .. })), "{done:?}");
    }
    world.end_sound().await;
}

/// A push that is answered is whole, whatever somebody deletes meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_delete_beside_a_push_leaves_a_whole_release_or_none() {
    let world = World::new().await;
    let (mut released, mut deleted) = (0, 0);
    for round in 0..150 {
        let wasm = module(format!("release {round}").as_bytes());
        let tag = format!("1.0.{round}");
        let manifest = push_wasm_parts(&world.hello, &wasm, &tag).await;
        let (layer, named) = (Digest::of(&wasm), Digest::of(&manifest).to_string().parse().unwrap());
        let deletes = async {
            let mut done = false;
            // At once, or at every moment of the push.
            if round % 3 > 0 {
                tokio::time::sleep(Duration::from_micros(50 * (round % 60))).await;
            }
            while !done {
                // Until one of them is refused, since the release is there, or took something away.
                let blob = world.hello.delete_blob(&layer.into()).await;
                let manifest = world.hello.delete_manifest(&named).await;
                done = blob.is_ok() || manifest.is_ok() || matches!(blob, Err(Error::Released { .. }));
                deleted += usize::from(blob.is_ok() || manifest.is_ok());
            }
        };
        let (pushed, ()) = tokio::join!(put(&world.hello, &tag, &manifest), deletes);
        match pushed {
            Ok(_) => released += 1,
            Err(Error::MissingParts { .. }) => continue,
            Err(error) => panic!("{error}"),
        }
        assert_eq!(world.hello.manifest(&tag.parse().unwrap()).await.unwrap().bytes, manifest);
        let blob = world.hello.blob(&layer.into()).await.expect("its layer");
        assert_eq!(blob.bytes().await.unwrap(), wasm);
    }
    assert!(released > 5 && deleted > 5, "{released} releases, {deleted} deletes: they hardly met");
    world.end_sound().await;
}
