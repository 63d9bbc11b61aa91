//! What must hold of everything that is durable, whenever a process ends and however. It reads rows and objects itself
//! and computes tree and map from the records alone.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::ObjectStore as _;
use object_store::path::Path;
use wargate_core::checkpoint::{Checkpoint, peek_note};
use wargate_core::digest::Digest;
use wargate_core::id::{LogId, RecordId, entry, leaf_hash, map_leaf_hash};
use wargate_core::log::tile::{Edge, TILE_WIDTH, decode_entries, decode_names, decode_records};
use wargate_core::log::tree::{combine, node_hash};
use wargate_core::map::page::{PageRef, Pages, get, missing};
use wargate_core::map::segment;

use crate::book::Book;
use crate::objects::CHECKPOINT;
use crate::world::World;

/// A committed record as its row tells it.
struct Row {
    log: LogId,
    record: RecordId,
    envelope: Vec<u8>,
    /// The log's name, if this record begins it.
    name: String,
}

/// All that the checker found out by itself.
struct Truth {
    rows: Vec<Row>,
    leaves: Vec<Digest>,
    /// Roots of the trees of all sizes.
    roots: Vec<Digest>,
    /// Every checkpoint row: size, seconds, root, map root.
    checkpoints: Vec<Checkpoint>,
}

/// Holds what is durable against itself and against the book. `quiet`: all that was committed must be laid down and
/// issued.
pub fn check(world: &World, book: &Book, quiet: bool) {
    let truth = truth(world);
    let violated = |what: String| world.faults.violated(what);
    for pair in truth.checkpoints.windows(2) {
        if pair[1].time < pair[0].time {
            violated(format!("checkpoint {} is older than the one before it", pair[1].size));
        }
    }
    for checkpoint in &truth.checkpoints {
        if truth.roots.get(checkpoint.size as usize) != Some(&checkpoint.root) {
            violated(format!("checkpoint {} has another root than its records", checkpoint.size));
        }
    }
    let Some(last) = truth.checkpoints.last() else { return };
    if last.size != truth.rows.len() as u64 {
        violated(format!(
            "the last checkpoint has size {}, there are {} records",
            last.size,
            truth.rows.len()
        ));
    }
    let fold = map_root(&truth.rows);
    if fold != last.map_root {
        violated(format!("the map of size {} is not the fold of its log", last.size));
    }
    for seen in &book.checkpoints {
        if !truth.checkpoints.contains(seen) {
            violated(format!("somebody saw a checkpoint of size {} that is not in the ledger", seen.size));
        }
    }
    for ((log, record), index) in &book.published {
        let row = truth.rows.get(*index as usize);
        if !row.is_some_and(|row| row.log == *log && row.record == *record) {
            violated(format!("record {record} was published at {index} and is not there"));
        }
    }
    block(check_contents(world, book));
    block(check_objects(world, &truth, quiet));
}

/// What was released stays, given out or not.
async fn check_contents(world: &World, book: &Book) {
    for digest in
        book.contents.iter().filter(|(_, until_ms)| **until_ms == u64::MAX).map(|(digest, _)| digest)
    {
        let row: Result<Option<Vec<u8>>, _> = {
            let ledger = world.ledger.lock().unwrap_or_else(PoisonError::into_inner);
            let select = "select bytes from content where digest = ?1";
            ledger.query_row(select, [digest.as_bytes()], |row| row.get(0))
        };
        let bytes = match row {
            Ok(Some(inline)) => Some(inline.into()),
            Ok(None) => world.objects.bytes(&blob_path(digest)).await,
            Err(_) => None,
        };
        if bytes.is_none_or(|bytes: Bytes| Digest::of(&bytes) != *digest) {
            world.faults.violated(format!("content {digest} was released and is not stored"));
        }
    }
}

fn blob_path(digest: &Digest) -> Path {
    let hex = digest.to_hex();
    Path::from(format!("blobs/sha256/{}/{hex}", &hex[..2]))
}

/// What is in memory never waits: one look at the future is all that it needs.
fn block<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(done) => done,
        std::task::Poll::Pending => panic!("objects in memory answered later"),
    }
}

fn truth(world: &World) -> Truth {
    let ledger = world.ledger.lock().unwrap_or_else(PoisonError::into_inner);
    let mut records = ledger
        .prepare(
            "select r.idx, l.log_id, r.record_id, r.envelope, case when l.first_idx = r.idx then l.name else '' end \
             from records r join logs l on r.log = l.first_idx order by r.idx",
        )
        .unwrap();
    let rows = records.query_map([], |row| {
        Ok((
            row.get::<_, i64>(0)?,
            Row {
                log: LogId::from_slice(&row.get::<_, Vec<u8>>(1)?).unwrap(),
                record: RecordId::from_slice(&row.get::<_, Vec<u8>>(2)?).unwrap(),
                envelope: row.get(3)?,
                name: row.get(4)?,
            },
        ))
    });
    let rows: Vec<(i64, Row)> = rows.unwrap().map(Result::unwrap).collect();
    for (at, (index, _)) in rows.iter().enumerate() {
        if at as i64 != *index {
            world.faults.violated(format!("record {at} is missing, {index} follows"));
            break;
        }
    }
    let rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
    let leaves: Vec<Digest> = rows.iter().map(|row| leaf_hash(&entry(&row.log, &row.record))).collect();
    let mut edge = Edge::empty();
    let mut roots = vec![edge.root()];
    for leaf in &leaves {
        edge.append(&[*leaf]);
        roots.push(edge.root());
    }
    let mut checkpoints = ledger
        .prepare("select size, seconds, root, map_root from checkpoints order by size, seconds")
        .unwrap();
    let digest = |bytes: Vec<u8>| Digest::from_slice(&bytes).unwrap();
    let checkpoints = checkpoints.query_map([], |row| {
        Ok(Checkpoint {
            size: row.get::<_, i64>(0)? as u64,
            time: row.get::<_, i64>(1)? as u64,
            root: digest(row.get(2)?),
            map_root: digest(row.get(3)?),
        })
    });
    Truth { checkpoints: checkpoints.unwrap().map(Result::unwrap).collect(), rows, leaves, roots }
}

/// The latest record of each log, as of these rows.
fn heads(rows: &[Row]) -> BTreeMap<Digest, RecordId> {
    rows.iter().map(|row| (row.log.map_key(), row.record)).collect()
}

/// The map's root by its definition, all 256 levels.
fn map_root(rows: &[Row]) -> Digest {
    let mut empty = vec![Digest::of(&[0])];
    for height in 0..256 {
        empty.push(node_hash(&empty[height], &empty[height]));
    }
    fold(&heads(rows).into_iter().collect::<Vec<_>>(), 0, &empty)
}

fn fold(keys: &[(Digest, RecordId)], depth: usize, empty: &[Digest]) -> Digest {
    let is_right = |key: &Digest| key.as_bytes()[depth / 8] >> (7 - depth % 8) & 1 == 1;
    match keys {
        [] => empty[256 - depth],
        [(_, record), ..] if depth == 256 => map_leaf_hash(record),
        _ => {
            let (left, right) = keys.split_at(keys.partition_point(|(key, _)| !is_right(key)));
            node_hash(&fold(left, depth + 1, empty), &fold(right, depth + 1, empty))
        }
    }
}

/// Whoever reads nothing but the static files must find everything below the issued checkpoint.
async fn check_objects(world: &World, truth: &Truth, quiet: bool) {
    let violated = |what: String| world.faults.violated(what);
    let last = truth.checkpoints.last().map_or(0, |last| last.size);
    let Some(note) = world.objects.bytes(&Path::from(CHECKPOINT)).await else {
        if quiet {
            violated("nothing was issued".to_owned());
        }
        return;
    };
    let note = String::from_utf8(note.to_vec()).unwrap();
    let issued = peek_note(&note).unwrap().1;
    if !truth.checkpoints.contains(&issued) {
        return violated(format!("the issued checkpoint of size {} is not in the ledger", issued.size));
    }
    if quiet && truth.checkpoints.last() != Some(&issued) {
        violated(format!("size {last} is committed, {} is issued, and nothing is on its way", issued.size));
    }
    check_tiles(world, truth, issued.size as usize).await;
    check_bundles(world, truth, issued.size as usize).await;
    check_map(world, truth, &issued).await;
}

/// The widest file of those that stand at a place, with its width.
async fn widest(world: &World, place: &str, needed: usize) -> Option<(Bytes, u16)> {
    if let Some(bytes) = world.objects.bytes(&Path::from(place)).await {
        return Some((bytes, TILE_WIDTH));
    }
    let partials: Vec<_> =
        world.objects.inner.list(Some(&Path::from(format!("{place}.p")))).try_collect().await.unwrap();
    let widths = partials.iter().filter_map(|found| found.location.filename()?.parse::<u16>().ok());
    let width = widths.filter(|width| usize::from(*width) >= needed).min()?;
    world.objects.bytes(&Path::from(format!("{place}.p/{width}"))).await.map(|bytes| (bytes, width))
}

async fn check_tiles(world: &World, truth: &Truth, size: usize) {
    let (mut level, mut hashes) = (0, truth.leaves[..size].to_vec());
    while !hashes.is_empty() {
        for (index, tile) in hashes.chunks(usize::from(TILE_WIDTH)).enumerate() {
            let place = format!("log/tile/{level}/{index:03}");
            let expected: Vec<u8> = tile.iter().flat_map(|hash| *hash.as_bytes()).collect();
            let found = widest(world, &place, tile.len()).await;
            if !found.is_some_and(|(bytes, _)| bytes.starts_with(&expected)) {
                world.faults.violated(format!("tile `{place}` of size {size} is missing or wrong"));
            }
        }
        let full = hashes.chunks_exact(usize::from(TILE_WIDTH));
        hashes = full.map(root_of).collect();
        level += 1;
    }
}

/// The root of a full tile.
fn root_of(hashes: &[Digest]) -> Digest {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row.chunks(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
    }
    combine(&row)
}

async fn check_bundles(world: &World, truth: &Truth, size: usize) {
    for (index, rows) in truth.rows[..size].chunks(usize::from(TILE_WIDTH)).enumerate() {
        for kind in ["tile/entries", "records", "names"] {
            let place = format!("log/{kind}/{index:03}");
            let Some((bytes, width)) = widest(world, &place, rows.len()).await else {
                world.faults.violated(format!("bundle `{place}` of size {size} is missing"));
                continue;
            };
            let holds = match kind {
                "tile/entries" => decode_entries(&bytes, width).is_ok_and(|entries| {
                    rows.iter().zip(entries).all(|(row, found)| entry(&row.log, &row.record) == found)
                }),
                "records" => decode_records(&bytes, width)
                    .is_ok_and(|records| rows.iter().zip(records).all(|(row, found)| row.envelope == found)),
                _ => decode_names(&bytes, width)
                    .is_ok_and(|names| rows.iter().zip(names).all(|(row, found)| row.name == found)),
            };
            if !holds {
                world.faults.violated(format!("bundle `{place}` of size {size} does not hold its records"));
            }
        }
    }
}

async fn check_map(world: &World, truth: &Truth, issued: &Checkpoint) {
    let heads = heads(&truth.rows[..issued.size as usize]);
    let keys: Vec<Digest> = heads.keys().copied().collect();
    let root = Some(PageRef { hash: issued.map_root, segment: issued.size });
    let mut pages = Pages::default();
    loop {
        let wanted = missing(root, &pages, &keys);
        let Some(first) = wanted.first() else { break };
        let place = Path::from(format!("log/map/{}", first.segment));
        let bytes = world.objects.bytes(&place).await.unwrap_or_default();
        let decoded = segment::decode(&bytes, first.segment).unwrap_or_default();
        if !decoded.iter().any(|(page_ref, _)| page_ref == first) {
            return world
                .faults
                .violated(format!("a map page of `{place}` of size {} is missing", issued.size));
        }
        for (page_ref, page) in decoded {
            pages.insert(page_ref, page.into());
        }
    }
    for (key, record) in &heads {
        if get(root, &pages, key) != Ok(Some(*record)) {
            world.faults.violated(format!("the issued map of size {} holds another record", issued.size));
        }
    }
}
