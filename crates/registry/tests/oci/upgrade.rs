//! A ledger from before parts were kept: they are read at the next start.

use wargate_core::digest::Digest;
use wargate_registry::Error;
use wargate_registry::db::{Row, Statement};

use crate::support::oci::push_wasm;
use crate::support::{engines, module, open};
use crate::world::World;

const PARTS: &str = "select repository, manifest, part from manifest_parts order by 1, 2, 3";

async fn rows(world: &std::path::Path, sql: &'static str) -> Vec<Row> {
    engines(world).0.read(vec![Statement::new(sql, vec![])]).await.unwrap().pop().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_older_manifests_are_read_at_the_start_and_keep_what_a_release_needs() {
    let world = World::new().await;
    let wasm = module(b"one");
    push_wasm(&world.hello, "1.0.0", &wasm, "").await.unwrap();
    push_wasm(&world.hello, "edge", &module(b"edge"), &"long".repeat(40_000)).await.unwrap();
    world.registry.close().await;
    let World { dir, clock, registry, hello } = world;
    drop((registry, hello));
    let before = rows(dir.path(), PARTS).await;
    assert_eq!(before.len(), 4);
    // As the migration leaves it, and one row of a manifest that is gone.
    let (db, _) = engines(dir.path());
    let batch = [
        "delete from manifest_parts",
        "insert into unread_manifests (repository, digest) select repository, digest from manifests",
        "insert into unread_manifests (repository, digest) values ('gone/away', zeroblob(32))",
    ];
    db.write(batch.into_iter().map(|sql| Statement::new(sql, vec![])).collect()).await.unwrap();
    drop(db);
    let registry = open(dir.path(), &clock).await;
    assert_eq!(rows(dir.path(), PARTS).await, before);
    assert_eq!(rows(dir.path(), "select * from unread_manifests").await, Vec::<Row>::new());
    let hello = registry.repository("acme/hello".parse().unwrap());
    let kept = hello.delete_blob(&Digest::of(&wasm).into()).await;
    assert!(matches!(kept, Err(Error::Released { .. })), "{kept:?}");
}
