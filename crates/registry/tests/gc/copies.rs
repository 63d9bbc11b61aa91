//! Garbage is removed beside a backup, and the backup is whole.

use std::sync::atomic::Ordering;
use std::time::Duration;

use wargate_registry::backup::{self, BackedUp, BackupError, CopyCounts};
use wargate_registry::fsck::{self, FsckOptions};
use wargate_registry::gc::Garbage;
use wargate_store::open_files;
use wargate_store::sqlite::{ReadOnlyLedger, copy_ledger};

use super::support::{ORIGIN, engines};
use super::world::{SETTLE, World};

const RETENTION: Duration = Duration::from_secs(60 * 60);

/// Takes a copy of the ledger, has a round of garbage go by, and copies the objects; where they lie.
async fn backed_up(world: &mut World, removes: bool) -> Result<(tempfile::TempDir, BackedUp), BackupError> {
    let backup = tempfile::tempdir().unwrap();
    for part in 0..4 {
        world.publish(|author| author % 4 == part).await;
        world.wait_issued().await;
    }
    world.clock.advance(2 * RETENTION);
    let (ledger, objects) = (backup.path().join("ledger.sqlite"), backup.path().join("objects"));
    std::fs::create_dir_all(&objects).unwrap();
    let (_, from) = engines(world.dir.path());
    let issued = backup::issued(&from).await.unwrap();
    copy_ledger(&world.dir.path().join("ledger.sqlite"), &ledger, |_, _| {}).unwrap();
    world.wait_issued().await;
    world.registry.collect_garbage(false).await.unwrap();
    world.clock.advance(SETTLE);
    let removed = world.registry.collect_garbage(false).await.unwrap();
    assert_eq!(removed.of(Garbage::MapSegments).count > 0, removes);
    let source_ledger = ReadOnlyLedger::open(&ledger).unwrap();
    let source = backup::Source { ledger: &source_ledger, objects: &from, origin: ORIGIN, issued };
    let to = open_files(&objects).unwrap();
    let done = backup::back_up(&source, &to, None, &CopyCounts::default()).await?;
    Ok((backup, done))
}

#[tokio::test(flavor = "multi_thread")]
async fn map_pages_stay_while_a_backup_copies_them() {
    let mut world = World::with(40, RETENTION).await;
    let error = backed_up(&mut world, true).await.unwrap_err();
    assert!(matches!(error, BackupError::Missing { .. }), "without a word to the registry: {error}");
    world.copied.0.store(true, Ordering::SeqCst);
    let (backup, done) = backed_up(&mut world, false).await.unwrap();
    world.copied.0.store(false, Ordering::SeqCst);
    let removed = world.registry.collect_garbage(false).await.unwrap();
    assert!(removed.of(Garbage::MapSegments).count > 0, "they go when it is done");
    world.check().await;
    let restored = tempfile::tempdir().unwrap();
    std::fs::copy(backup.path().join("ledger.sqlite"), restored.path().join("ledger.sqlite")).unwrap();
    let (ledger, to) = engines(restored.path());
    let from = open_files(&backup.path().join("objects")).unwrap();
    backup::restore(&*ledger, &from, &to, ORIGIN, &done, &CopyCounts::default()).await.unwrap();
    let report = fsck::check(&*ledger, &to, &FsckOptions::default()).await.unwrap();
    assert!(report.is_clean(), "{:?}", report.damage);
}
