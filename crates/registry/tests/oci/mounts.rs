//! Blobs of other repositories, linked here without their bytes being sent again.

use wargate_core::digest::Digest;
use wargate_registry::Error;
use wargate_wire::oci::reference::{Algorithm, ContentDigest};

use crate::support::oci::{push_blob, push_blob_as};
use crate::support::{Author, module};
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_mounted_from_the_repository_that_links_it_or_from_any() {
    let world = World::new().await;
    let (from, other) = (world.repository("loose/from"), world.repository("loose/other"));
    let digest: ContentDigest = push_blob(&from, b"shared").await.into();
    push_blob(&other, b"something else").await;
    let unknown =
        |done: Result<(), Error>| assert!(matches!(done, Err(Error::UnknownBlob { .. })), "{done:?}");
    let into = world.repository("loose/into");
    unknown(into.mount(&digest, Some(other.name())).await);
    unknown(into.mount(&digest, Some(&"loose/nothing".parse().unwrap())).await);
    unknown(into.mount(&Digest::of(b"absent").into(), None).await);
    unknown(into.mount(&ContentDigest::of(Algorithm::Sha512, b"shared"), None).await);
    assert!(matches!(into.tags().await, Err(Error::UnknownRepository { .. })), "nothing began");
    into.mount(&digest, Some(from.name())).await.unwrap();
    assert_eq!(into.blob(&digest).await.unwrap().bytes().await.unwrap(), &b"shared"[..]);
    world.repository("loose/more").mount(&digest, None).await.unwrap();
    // The link here is its own: that it goes there changes nothing.
    from.delete_blob(&digest).await.unwrap();
    assert!(into.blob(&digest).await.is_ok());
    // And content that no repository links is nobody's to mount.
    into.delete_blob(&digest).await.unwrap();
    world.repository("loose/more").delete_blob(&digest).await.unwrap();
    unknown(into.mount(&digest, None).await);
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_only_warg_knows_is_not_mounted_before_its_repository_links_it() {
    let world = World::new().await;
    let mut alice = Author::new(10, "acme:mine", &world.clock);
    let wasm = module(b"hers");
    alice.release(&world.registry, "1.0.0", &wasm).await;
    let digest: ContentDigest = Digest::of(&wasm).into();
    let into = world.repository("loose/into");
    let mount = into.mount(&digest, None).await;
    assert!(matches!(mount, Err(Error::UnknownBlob { .. })), "{mount:?}");
    let mine = world.repository("acme/mine");
    mine.manifest(&"1.0.0".parse().unwrap()).await.unwrap();
    into.mount(&digest, Some(mine.name())).await.unwrap();
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_mounted_by_its_sha512() {
    let world = World::new().await;
    let from = world.repository("loose/from");
    let digest = push_blob_as(&from, Algorithm::Sha512, b"shared").await;
    let into = world.repository("loose/into");
    into.mount(&digest, Some(from.name())).await.unwrap();
    assert_eq!(into.blob(&digest).await.unwrap().bytes().await.unwrap(), &b"shared"[..]);
    assert!(into.blob(&Digest::of(b"shared").into()).await.is_ok());
    world.end_sound().await;
}
