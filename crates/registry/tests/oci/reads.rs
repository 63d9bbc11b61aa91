//! Reading what is kept in memory: pages of tags, and that nothing is ever read that was.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt as _;
use wargate_core::digest::Digest;
use wargate_registry::{Error, Repository};
use wargate_wire::oci::reference::Tag;

use crate::support::module;
use crate::support::oci::{plain, push_blob, push_wasm, put, tags};
use crate::world::World;

/// The tags of a repository, by pages of so many.
async fn paged(repository: &Repository, limit: usize) -> Vec<Tag> {
    let mut found: Vec<Tag> = Vec::new();
    loop {
        let page = repository.tag_page(found.last().map_or("", Tag::as_str), limit).await.unwrap();
        assert!(page.tags.len() <= limit && (page.tags.len() == limit || !page.more), "{page:?}");
        found.extend_from_slice(&page.tags);
        if !page.more {
            return found;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_give_every_tag_once_in_byte_order_whether_pushed_or_released() {
    let world = World::new().await;
    for version in ["1.0.0", "1.2.0", "1.10.0", "10.0.0", "2.0.0-rc.1"] {
        push_wasm(&world.hello, version, &module(version.as_bytes()), "").await.unwrap();
    }
    let loose = world.repository("loose/things");
    for repository in [&world.hello, &loose] {
        let manifest = plain(repository, "").await;
        for tag in ["0-first", "1.1", "1.10", "Z", "edge", "v1.0.0"] {
            put(repository, tag, &manifest).await.unwrap();
        }
    }
    let all =
        ["0-first", "1.0.0", "1.1", "1.10", "1.10.0", "1.2.0", "10.0.0", "2.0.0-rc.1", "Z", "edge", "v1.0.0"];
    for limit in [1, 2, 3, 5, 11, 12, 100] {
        assert_eq!(tags(&paged(&world.hello, limit).await), all, "{limit}");
        assert_eq!(paged(&loose, limit).await, loose.tags().await.unwrap(), "{limit}");
    }
    let after = world.hello.tag_page("1.10.0-no-such", 2).await.unwrap();
    assert_eq!((tags(&after.tags), after.more), (vec!["1.2.0", "10.0.0"], true));
    let none = world.hello.tag_page("", 0).await.unwrap();
    assert_eq!((none.tags.len(), none.more), (0, true));
    assert!(world.hello.tag_page("zzz", 5).await.unwrap().tags.is_empty());
    let nowhere = world.repository("loose/nothing").tag_page("", 5).await;
    assert!(matches!(nowhere, Err(Error::UnknownRepository { .. })), "{nowhere:?}");
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_is_what_the_next_reader_sees_however_often_it_was_read_before() {
    const ROUNDS: usize = 40;
    let world = World::new().await;
    let repository = world.repository("loose/things");
    let mut manifests = Vec::new();
    for note in ["a", "b"] {
        manifests.push(plain(&repository, &format!(r#","annotations":{{"n":"{note}"}}"#)).await);
    }
    let tag = "tag".parse().unwrap();
    // Somebody reads all the time, so that whatever can be kept is kept.
    let done = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (repository, done, blob) = (repository.clone(), done.clone(), Digest::of(b"blob"));
        async move {
            while !done.load(Ordering::Relaxed) {
                let _ = repository.manifest(&"tag".parse().unwrap()).await;
                let _ = repository.blob(&blob.into()).await;
                let _ = repository.tags().await;
                tokio::task::yield_now().await;
            }
        }
    });
    for round in 0..ROUNDS {
        let manifest = &manifests[round % 2];
        put(&repository, "tag", manifest).await.unwrap();
        assert_eq!(repository.manifest(&tag).await.unwrap().bytes, manifest, "{round}");
        let blob = push_blob(&repository, b"blob").await;
        assert!(repository.blob(&blob.into()).await.is_ok(), "{round}");
        assert_eq!(tags(&repository.tags().await.unwrap()), ["tag"], "{round}");
        repository.delete_manifest(&tag).await.unwrap();
        let gone = repository.manifest(&tag).await;
        assert!(matches!(gone, Err(Error::UnknownManifest { .. })), "{round} {gone:?}");
        assert!(repository.tags().await.unwrap().is_empty(), "{round}");
        repository.delete_blob(&blob.into()).await.unwrap();
        let gone = repository.blob(&blob.into()).await;
        assert!(matches!(gone, Err(Error::UnknownBlob { .. })), "{round} {gone:?}");
    }
    done.store(true, Ordering::Relaxed);
    reader.await.unwrap();
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_blob_that_was_served_whole_is_hashed_again_once_its_file_is_another() {
    let world = World::new().await;
    let repository = world.repository("loose/things");
    let bytes: Vec<u8> = (0..1_000_000u32).map(|at| (at % 251) as u8).collect();
    let digest = push_blob(&repository, &bytes).await;
    let read = async || {
        let blob = repository.blob(&digest.into()).await.unwrap();
        let pieces: Vec<_> = blob.open(0..blob.size).await.unwrap().collect().await;
        pieces.into_iter().collect::<Result<Vec<_>, _>>().map(|pieces| pieces.concat())
    };
    for _ in 0..3 {
        assert!(read().await.unwrap() == bytes);
    }
    let hex = digest.to_hex();
    let file = world.dir.path().join("objects/blobs/sha256").join(&hex[..2]).join(&hex);
    let mut damaged = bytes.clone();
    damaged[500_000] ^= 1;
    std::fs::write(&file, &damaged).unwrap();
    for _ in 0..2 {
        assert!(matches!(read().await, Err(Error::Internal { .. })));
    }
    std::fs::write(&file, &bytes).unwrap();
    assert!(read().await.unwrap() == bytes);
    world.end_sound().await;
}
