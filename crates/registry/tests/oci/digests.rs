//! SHA-256 and SHA-512: bytes lie once, by whichever name they came.

use bytes::Bytes;
use wargate_core::digest::Digest;
use wargate_registry::{Error, Released};
use wargate_wire::oci::reference::{Algorithm, ContentDigest, Reference};

use crate::support::module;
use crate::support::oci::{MANIFEST, part, plain, push_blob_as, push_wasm_parts, put, put_as};
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_read_by_the_digest_that_it_was_pushed_by_and_by_its_sha256() {
    let world = World::new().await;
    let repository = world.repository("loose/things");
    for bytes in [b"small".to_vec(), vec![7u8; 300_000], Vec::new()] {
        let sha512 = push_blob_as(&repository, Algorithm::Sha512, &bytes).await;
        for digest in [sha512, Digest::of(&bytes).into()] {
            let blob = repository.blob(&digest).await.unwrap();
            assert_eq!(blob.bytes().await.unwrap(), bytes, "{digest}");
        }
        let elsewhere = world.repository("loose/nothing").blob(&sha512).await;
        assert!(matches!(elsewhere, Err(Error::UnknownBlob { .. })), "{elsewhere:?}");
        repository.delete_blob(&sha512).await.unwrap();
        assert!(repository.blob(&Digest::of(&bytes).into()).await.is_err());
    }
    // Nobody called it so.
    push_blob_as(&repository, Algorithm::Sha256, b"one name").await;
    let unknown = repository.blob(&ContentDigest::of(Algorithm::Sha512, b"one name")).await;
    assert!(matches!(unknown, Err(Error::UnknownBlob { .. })), "{unknown:?}");
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_sha512_keeps_nothing() {
    let world = World::new().await;
    let repository = world.repository("loose/things");
    for bytes in [b"small".to_vec(), vec![7u8; 300_000]] {
        let session = repository.begin_upload().unwrap();
        let mut upload = repository.upload(session).unwrap();
        upload.write(Bytes::from(bytes.clone())).await.unwrap();
        let wrong = upload.finish(&ContentDigest::of(Algorithm::Sha512, b"something else")).await;
        assert!(matches!(wrong, Err(Error::DigestMismatch { .. })), "{wrong:?}");
        assert!(matches!(repository.upload(session), Err(Error::UnknownUpload { .. })));
        let kept = world.registry.snapshot().content(&Digest::of(&bytes)).await;
        assert!(matches!(kept, Err(Error::UnknownContent { .. })));
    }
    let left = walk(&world.dir.path().join("objects"));
    assert!(left.iter().all(|path| path.contains("/log/")), "{left:?}");
    world.end_sound().await;
}

/// The files below a folder.
fn walk(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(walk(&entry.path())),
            false => found.push(entry.path().display().to_string()),
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_may_be_pushed_by_its_sha512_and_name_its_parts_so() {
    let world = World::new().await;
    let repository = world.repository("loose/things");
    let layer = push_blob_as(&repository, Algorithm::Sha512, b"layer").await;
    let config = push_blob_as(&repository, Algorithm::Sha512, b"{}").await;
    let (layer, config) = (part("text/plain", layer, 5), part("application/vnd.x", config, 2));
    let manifest =
        format!(r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{config},"layers":[{layer}]}}"#);
    let manifest = manifest.into_bytes();
    let sha512 = ContentDigest::of(Algorithm::Sha512, &manifest);
    let tagged = put_as(&repository, sha512, &manifest, &["tag"], None);
    assert_eq!(tagged.await.unwrap().digest, sha512, "it is told by the digest that was asked for");
    for reference in [sha512.to_string(), Digest::of(&manifest).to_string(), "tag".to_owned()] {
        let found = repository.manifest(&reference.parse().unwrap()).await.unwrap();
        assert_eq!((found.digest, &found.bytes[..]), (Digest::of(&manifest), &manifest[..]));
    }
    let wrong = ContentDigest::of(Algorithm::Sha512, b"another").to_string();
    let refused = put(&repository, &wrong, &manifest).await;
    assert!(matches!(refused, Err(Error::DigestMismatch { .. })), "{refused:?}");
    // A tag is pushed by SHA-256.
    assert_eq!(put(&repository, "tag", &manifest).await.unwrap().digest, Digest::of(&manifest).into());
    // An index may name it by either.
    for (digest, index) in [(sha512, "a"), (Digest::of(&manifest).into(), "b")] {
        let child = part(MANIFEST, digest, manifest.len());
        let body = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{child}]}}"#
        );
        put(&repository, index, body.as_bytes()).await.unwrap();
    }
    repository.delete_manifest(&Reference::Digest(sha512)).await.unwrap();
    assert!(repository.manifest(&Digest::of(&manifest).to_string().parse().unwrap()).await.is_err());
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_referrer_is_listed_by_the_digest_that_its_author_gave_it() {
    let world = World::new().await;
    let repository = world.repository("loose/things");
    let subject = ContentDigest::of(Algorithm::Sha512, b"subject");
    let manifest = plain(&repository, &format!(r#","subject":{}"#, part(MANIFEST, subject, 7))).await;
    let sha512 = ContentDigest::of(Algorithm::Sha512, &manifest);
    put(&repository, &sha512.to_string(), &manifest).await.unwrap();
    let (list, next) = repository.referrers(&subject, None, None).await.unwrap();
    let listed: Vec<ContentDigest> = list.manifests().iter().map(|entry| entry.digest).collect();
    assert_eq!((listed, next), (vec![sha512], None));
    let (list, _) = repository.referrers(&Digest::of(b"subject").into(), None, None).await.unwrap();
    assert!(list.manifests().is_empty(), "another digest is another subject");
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_may_be_pushed_by_its_sha512_but_its_layer_may_not() {
    let world = World::new().await;
    let wasm = module(b"one");
    let manifest = push_wasm_parts(&world.hello, &wasm, "").await;
    let sha512 = ContentDigest::of(Algorithm::Sha512, &manifest);
    let pushed = put_as(&world.hello, sha512, &manifest, &["1.0.0"], None).await.unwrap();
    assert!(matches!(pushed.release, Some(Released::Now { .. })));
    assert_eq!(pushed.digest, sha512);
    let layer = push_blob_as(&world.hello, Algorithm::Sha512, &wasm).await;
    let text = String::from_utf8(manifest).unwrap();
    let by_sha512 = text.replace(&Digest::of(&wasm).to_string(), &layer.to_string());
    assert_ne!(by_sha512, text);
    let refused = put(&world.hello, "2.0.0", by_sha512.as_bytes()).await;
    assert!(matches!(&refused, Err(Error::Invalid { reason }) if reason.contains("sha256")), "{refused:?}");
    world.end_sound().await;
}
