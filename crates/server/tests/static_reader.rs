//! A reader with nothing but GETs below `/log/` verifies everything: log, records, rules, names and map.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test ends where something fails, and waits for real"
)]

#[path = "../../registry/tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use support::{Author, TestClock, module, open};
use tower::ServiceExt as _;
use wargate_core::checkpoint::{Checkpoint, open_note, peek_note};
use wargate_core::digest::Digest;
use wargate_core::envelope::Envelope;
use wargate_core::id::{LogId, RecordId, leaf_hash, parse_entry};
use wargate_core::log::tile::{
    BundleKind, BundlePath, Edge, TILE_WIDTH, TileId, TilePath, decode_entries, decode_names, decode_records,
    tiles_of,
};
use wargate_core::map::page::{Pages, update};
use wargate_core::name::{LogName, PackageName};
use wargate_core::verify::{
    GivenRecord, MapWalk, PackageLog, begin_map, judge_layers, judge_operator, step_map,
};
use wargate_server::{Options, log_door};

struct Reader(Router);

impl Reader {
    async fn get(&self, path: &str) -> Bytes {
        let request = Request::get(format!("/log/{path}")).body(Body::empty()).unwrap();
        let response = self.0.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap()
    }

    async fn checkpoint(&self) -> (String, Checkpoint) {
        let note = String::from_utf8(self.get("checkpoint").await.to_vec()).unwrap();
        let (_, checkpoint) = peek_note(&note).unwrap();
        (note, checkpoint)
    }

    async fn bundle(&self, kind: BundleKind, index: u64, width: u16) -> Bytes {
        self.get(&BundlePath { kind, index, width }.to_string()).await
    }
}

/// Everything that the log holds, as the files tell it.
#[derive(Default)]
struct Read {
    edge: Option<Edge>,
    leaves: Vec<Digest>,
    logs: BTreeMap<LogId, (LogName, Vec<GivenRecord>)>,
}

async fn read_all(reader: &Reader, size: u64) -> Read {
    let mut read = Read::default();
    let width_of = |index: u64| u16::try_from((size - index * 256).min(256)).unwrap();
    for index in 0..size.div_ceil(256) {
        let width = width_of(index);
        let tile = reader.get(&TilePath { id: TileId { level: 0, index }, width }.to_string()).await;
        let hashes: Vec<Digest> = tile.chunks(32).map(|hash| Digest::from_slice(hash).unwrap()).collect();
        let entries = reader.bundle(BundleKind::Entries, index, width).await;
        let records = reader.bundle(BundleKind::Records, index, width).await;
        let names = reader.bundle(BundleKind::Names, index, width).await;
        let entries = decode_entries(&entries, width).unwrap();
        let records = decode_records(&records, width).unwrap();
        let names = decode_names(&names, width).unwrap();
        for (at, ((entry, record), name)) in entries.iter().zip(records).zip(names).enumerate() {
            assert_eq!(leaf_hash(entry), hashes[at], "entry {at} of bundle {index}");
            let (log, id): (LogId, RecordId) = parse_entry(entry).unwrap();
            let envelope = Envelope::decode(&Bytes::copy_from_slice(record)).unwrap();
            let known = read.logs.entry(log).or_insert_with(|| {
                // The name stands where the log begins, and must hash to its id.
                let name: LogName = name.parse().unwrap();
                assert_eq!(name.log_id(), log);
                (name, Vec::new())
            });
            assert_eq!(envelope.record_id(known.0.layer()), id);
            known.1.push(GivenRecord { index: index * 256 + at as u64, envelope, checked: false });
        }
        read.leaves.extend(hashes);
    }
    let mut edge = Edge::empty();
    edge.append(&read.leaves);
    read.edge = Some(edge);
    read
}

async fn wait_issued(reader: &Reader, size: u64) -> (String, Checkpoint) {
    for _ in 0..1000 {
        let (note, checkpoint) = reader.checkpoint().await;
        if checkpoint.size == size {
            return (note, checkpoint);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the checkpoint of size {size} was never issued");
}

/// How many releases a v1 log has, judged from the operator's first record on.
fn releases(name: &PackageName, operator: &[GivenRecord], records: &[GivenRecord]) -> usize {
    match judge_layers(name, operator, &[], records).unwrap().package {
        Some(PackageLog::V1(state)) => state.releases.len(),
        other => panic!("{name} is no v1 log: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_with_nothing_but_gets_verifies_everything() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let registry = open(dir.path(), &clock).await;
    let root = registry.snapshot().ids(0, 1).await.unwrap()[0].1;
    for package in 0..20u8 {
        let name = format!("acme:p{}", char::from(b'a' + package));
        let mut author = Author::new(10 + package, &name, &clock);
        for release in 0..15 {
            let content = module(format!("{name} {release}").as_bytes());
            author.release(&registry, &format!("1.{release}.0"), &content).await;
        }
    }
    let reader = Reader(log_door(registry.clone(), Options::default()));
    let (note, checkpoint) = wait_issued(&reader, 301).await;
    let read = read_all(&reader, checkpoint.size).await;

    // Log and tiles.
    let edge = read.edge.as_ref().unwrap();
    assert_eq!(edge.root(), checkpoint.root);
    for path in tiles_of(checkpoint.size) {
        let tile = reader.get(&path.to_string()).await;
        let expected: Vec<u8> =
            edge.partial_tile(path.id).unwrap().iter().flat_map(|hash| *hash.as_bytes()).collect();
        assert_eq!(tile, expected, "{path}");
    }
    let full = TilePath { id: TileId { level: 0, index: 0 }, width: TILE_WIDTH };
    assert_eq!(reader.get(&full.to_string()).await.len(), 8192);

    // The operator log from the pinned root, and with it the checkpoint's key.
    let (_, operator) = &read.logs[&LogId::operator()];
    assert_eq!(operator[0].envelope.record_id(LogName::Operator.layer()), root);
    let authority = judge_operator(operator).unwrap();
    let keys: Vec<_> = authority.commit_keys(authority.head_time().unwrap()).cloned().collect();
    let (opened, _) = open_note(&note, support::ORIGIN, &keys).unwrap();
    assert_eq!(opened, checkpoint);

    // Every package by its rules, and the map as the fold of the log.
    let mut changes = Vec::new();
    for (log, (name, records)) in &read.logs {
        if let LogName::Package(name) = name {
            assert_eq!(releases(name, operator, records), 15);
        }
        changes.push((log.map_key(), records.last().unwrap().envelope.record_id(name.layer())));
    }
    let fold = update(None, &Pages::default(), &changes, 0).unwrap();
    assert_eq!(fold.root.hash, checkpoint.map_root);
    let nobody = LogId::namespace(&"acme".parse().unwrap());
    for log in read.logs.keys().chain([&nobody]) {
        let mut walk = begin_map(&checkpoint);
        let found = loop {
            match walk {
                MapWalk::Found(found) => break found,
                MapWalk::Page { page, depth } => {
                    let path = format!("map/{}/{}", page.segment, page.hash.to_hex());
                    walk = step_map(page, depth, &reader.get(&path).await, log).unwrap();
                }
            }
        };
        let last = read
            .logs
            .get(log)
            .map(|(name, records)| records.last().unwrap().envelope.record_id(name.layer()));
        assert_eq!(found, last);
    }
}
