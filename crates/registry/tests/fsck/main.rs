//! What `fsck` finds, names and repairs.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test ends where something fails, and waits for real"
)]

mod objects;
mod serving;
#[path = "../support/mod.rs"]
mod support;
mod tables;
mod world;

use world::{check, copy, lines, options};

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_registry_is_clean_in_every_way_of_looking() {
    let dir = copy().await;
    let report = check(dir.path(), &options()).await;
    assert_eq!(lines(&report), Vec::<String>::new());
    assert!(report.size > 270, "it crosses a tile");
    assert_eq!(report.notes, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_beside_a_busy_registry_finds_nothing() {
    let dir = copy().await;
    let clock = support::TestClock::new();
    let registry = support::open(dir.path(), &clock).await;
    let writes = async {
        for number in 0..40u8 {
            let name = format!("busy:pkg{number}");
            let mut author = support::Author::new(100 + number, &name, &clock);
            author.release(&registry, "1.0.0", &world::small(number)).await;
            author.release(&registry, "1.1.0", &world::large(number)).await;
            let yank = wargate_core::record::PackageEntry::Yank { version: "1.0.0".parse().unwrap() };
            author.publish(&registry, vec![yank]).await;
        }
    };
    let checks = async {
        let mut sizes = Vec::new();
        for _ in 0..6 {
            let report = check(dir.path(), &options()).await;
            assert_eq!(lines(&report), Vec::<String>::new());
            sizes.push(report.size);
        }
        sizes
    };
    let ((), sizes) = tokio::join!(writes, checks);
    assert!(sizes.is_sorted() && sizes.first() < sizes.last(), "{sizes:?}");
    registry.close().await;
    assert_eq!(lines(&check(dir.path(), &options()).await), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_is_clean_where_all_is_and_finds_what_it_takes_in() {
    let dir = copy().await;
    let sampled = |percent, seed| {
        let sample = Some(wargate_registry::fsck::Sample { percent, seed });
        wargate_registry::fsck::FsckOptions { sample, ..options() }
    };
    for seed in 0..4 {
        let report = check(dir.path(), &sampled(20, seed)).await;
        assert_eq!(lines(&report), Vec::<String>::new());
        assert!(report.checked["content"] < 40, "{:?}", report.checked);
    }
    let tile = dir.path().join("objects/log/tile/0/000");
    std::fs::write(&tile, b"nothing").unwrap();
    assert!(!check(dir.path(), &sampled(100, 0)).await.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_latest_time_counts_though_its_log_is_not_looked_at() {
    let dir = copy().await;
    let clock = support::TestClock::new();
    let registry = support::open(dir.path(), &clock).await;
    for (name, seed) in [("late-a", 210), ("late-b", 211), ("late-c", 212)] {
        clock.jump(10);
        let repository = registry.repository(format!("acme/{name}").parse().unwrap());
        support::oci::push_wasm(&repository, "1.0.0", &world::small(seed), "").await.unwrap();
    }
    registry.close().await;
    let sampled = |seed| {
        let sample = Some(wargate_registry::fsck::Sample { percent: 20, seed });
        wargate_registry::fsck::FsckOptions { sample, ..options() }
    };
    let frugal = wargate_registry::fsck::FsckOptions { facts_max: Some(20), ..options() };
    for options in (0..6).map(sampled).chain([frugal]) {
        assert_eq!(lines(&check(dir.path(), &options).await), Vec::<String>::new(), "{:?}", options.sample);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_never_began_is_clean() {
    let dir = tempfile::tempdir().unwrap();
    let report = check(dir.path(), &options()).await;
    assert!(report.is_clean() && report.size == 0);
}
