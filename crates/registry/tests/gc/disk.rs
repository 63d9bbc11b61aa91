//! What a record costs on disk, by kind, before and after the removal of garbage.
//!
//! To read it: `WARGATE_DISK_RECORDS=10000 cargo test -p wargate-registry --test gc -- --nocapture disk`

#![allow(clippy::disallowed_macros, clippy::print_stdout, reason = "it is run to read what it prints")]

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use futures::future::join_all;
use wargate_core::digest::Digest;
use wargate_registry::limits::MAP_RETENTION;

use super::support::{Author, TestClock, module, open};
use super::world::{SETTLE, collect_at, name};

/// Records, unless the environment says how many.
const RECORDS: usize = 600;

/// What a small record may cost in files once garbage is removed, in bytes; of many it costs less.
const BYTES_PER_RECORD_MAX: u64 = 4_000;

/// Bytes of files, files, and bytes that the disk gives them and their folders, by kind.
type Disk = BTreeMap<&'static str, (u64, u64, u64)>;

fn kind(path: &str) -> &'static str {
    let partial = path.contains(".p/") || path.ends_with(".p");
    match path {
        path if path.contains("ledger.sqlite") => "ledger",
        path if path.contains("log/map") => "map segments",
        path if path.contains("log/tile/entries") => {
            if partial {
                "entries, partial"
            } else {
                "entries, full"
            }
        }
        path if path.contains("log/tile") => {
            if partial {
                "tiles, partial"
            } else {
                "tiles, full"
            }
        }
        path if path.contains("log/records") => {
            if partial {
                "records, partial"
            } else {
                "records, full"
            }
        }
        path if path.contains("log/names") => {
            if partial {
                "names, partial"
            } else {
                "names, full"
            }
        }
        path if path.contains("blobs") => "blobs",
        _ => "other",
    }
}

fn measure(folder: &Path, disk: &mut Disk) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let meta = std::fs::metadata(&path).unwrap();
        let (bytes, files, blocks) = disk.entry(kind(path.to_str().unwrap())).or_default();
        *blocks += meta.blocks() * 512;
        if path.is_dir() {
            measure(&path, disk);
        } else {
            *bytes += meta.len();
            *files += 1;
        }
    }
}

fn tell(title: &str, folder: &Path, records: usize) -> u64 {
    let mut disk = Disk::new();
    measure(folder, &mut disk);
    println!("\n{title}: per record of {records}");
    let mut sum = (0, 0, 0);
    for (kind, (bytes, files, blocks)) in disk {
        let each = |number: u64| number as f64 / records as f64;
        println!("  {kind:18} {:8.0} B in files, {:8.0} B on disk, {files} files", each(bytes), each(blocks));
        sum = (sum.0 + bytes, sum.1 + files, sum.2 + blocks);
    }
    let each = |number: u64| number as f64 / records as f64;
    println!("  {:18} {:8.0} B in files, {:8.0} B on disk, {} files", "all", each(sum.0), each(sum.2), sum.1);
    sum.0 / records as u64
}

/// Publishes releases of small content, so many at the same time, and measures.
async fn publish_and_tell(records: usize, at_once: usize) {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let registry = open(dir.path(), &clock).await;
    let mut authors: Vec<_> = (0..records / 10).map(|n| Author::new(9, &name(n), &clock)).collect();
    for patch in 0..10 {
        for some in authors.chunks_mut(at_once) {
            let releases = some.iter_mut().enumerate().map(|(at, author)| {
                let content = module(format!("{patch} {at} {}", author.name).as_bytes());
                let registry = &registry;
                async move {
                    assert_ne!(Digest::of(&content), Digest::of(b""));
                    author.release(registry, &format!("1.0.{patch}"), &content).await
                }
            });
            join_all(releases).await;
        }
    }
    registry.close().await;
    drop(registry);
    clock.advance(MAP_RETENTION + SETTLE);
    // A running registry signs anew every hour, and so forgets what is staged.
    let registry = open(dir.path(), &clock).await;
    authors[0].publish(&registry, vec![]).await;
    registry.close().await;
    drop(registry);
    // What that record itself takes is no garbage: few commits leave less of it than that.
    let before = tell(&format!("{at_once} at a time, before"), dir.path(), records);
    clock.advance(SETTLE);
    let (db, objects) = super::support::engines(dir.path());
    println!("{:?}", collect_at(&db, &objects, &clock, false).await.unwrap());
    drop((db, objects));
    let after = tell(&format!("{at_once} at a time, after"), dir.path(), records);
    assert!(after < before);
    assert!(after < BYTES_PER_RECORD_MAX, "{after} bytes a record");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_costs_little_disk_once_garbage_is_removed() {
    let records = std::env::var("WARGATE_DISK_RECORDS").map_or(RECORDS, |records| records.parse().unwrap());
    publish_and_tell(records, 1).await;
    publish_and_tell(records, 64).await;
}
