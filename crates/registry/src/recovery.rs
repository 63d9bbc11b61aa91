//! Loading what is committed: at start, and after every commit whose outcome was not a clear success.
//!
//! It reads the last checkpoint, the right edge below it, and what is still staged; nothing that grows with
//! the log. Never fork: a checkpoint from the ledger must extend what was issued and what was last seen
//! (`spec/transparency.md`, "Ours").

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use futures::StreamExt as _;
use object_store::ObjectStore;
use wargate_core::authority;
use wargate_core::checkpoint::{Checkpoint, SignedCheckpoint, peek_note};
use wargate_core::digest::Digest;
use wargate_core::id::{LogId, entry, leaf_hash};
use wargate_core::log::tile::{Edge, TILE_WIDTH, TilePath, tiles_of};
use wargate_core::log::tree::{balanced_roots, root_from};
use wargate_core::map::page::PageRef;
use wargate_core::map::segment;
use wargate_core::name::LogName;
use wargate_core::plan::{Submission, Tree};
use wargate_core::time::Time;
use wargate_core::v1::package::SignatureCheck;

use crate::db::Db;
use crate::error::Error;
use crate::hashes::{Hashes, read_tile};
use crate::limits::PENDING_RECORDS_MAX;
use crate::objects;
use crate::sequencer::Queued;
use crate::state::{Committed, Staged, StagedRecord, State};
use crate::tables::{checkpoints, facts, logs, pending, records};

/// What the ledger and the objects say is committed; `None` if the registry never began.
pub(crate) async fn load(
    db: &dyn Db,
    objects: &Arc<dyn ObjectStore>,
    origin: &str,
) -> Result<Option<State>, Error> {
    let statements = vec![
        checkpoints::select_current(),
        checkpoints::select_staged(),
        records::select_ids(0, 1),
        checkpoints::select_delegated_time(),
        logs::select_private(),
        facts::select_takedowns(),
    ];
    let mut answers = db.read(statements).await?.into_iter();
    let mut next = || answers.next().unwrap_or_default();
    let Some(signed) = checkpoints::one(next())? else { return Ok(None) };
    let staged_rows = checkpoints::staged(next())?;
    let root = records::ids(next())?.first().map(|(_, record)| *record);
    let delegated_time = checkpoints::delegated_time(next())?;
    let private = logs::private(next())?;
    let takedowns = facts::takedowns(next())?;
    let operator = operator(db).await?;

    let base = staged_rows.first().map_or(signed.checkpoint.size, |(base, _, _)| *base);
    let mut edge = load_edge(objects, base).await?;
    let mut staged = Vec::with_capacity(staged_rows.len());
    for (from, to, segment) in staged_rows {
        if from != edge.size() {
            return Err(Error::internal("load what is staged", format!("records {from}.. do not follow")));
        }
        staged.push(Arc::new(load_staged(db, &mut edge, from, to, segment).await?));
    }
    check_root(&edge, &signed.checkpoint)?;
    let tree = Tree {
        map_root: Some(PageRef { hash: signed.checkpoint.map_root, segment: signed.checkpoint.size }),
        time: signed.checkpoint.time,
        root,
        delegated_time: delegated_time.unwrap_or(Time::from_seconds(0)),
        edge,
        private: Arc::new(private),
        imports: operator.imports().clone(),
        takedowns: Arc::new(takedowns),
    };
    let committed = committed(&signed, origin, &operator)?;
    Ok(Some(State::new(committed, tree, staged, base)))
}

fn check_root(edge: &Edge, checkpoint: &Checkpoint) -> Result<(), Error> {
    if edge.size() == checkpoint.size && edge.root() == checkpoint.root {
        return Ok(());
    }
    Err(Error::internal(
        "load the log",
        format!(
            "ledger and objects disagree: the checkpoint has size {} and root {}, the tiles give {} and {}",
            checkpoint.size,
            checkpoint.root,
            edge.size(),
            edge.root()
        ),
    ))
}

fn committed(
    signed: &SignedCheckpoint,
    origin: &str,
    operator: &authority::State,
) -> Result<Committed, Error> {
    let key = operator.key(&signed.key_id).ok_or_else(|| {
        Error::internal("load the checkpoint", format!("key {} is not in the operator log", signed.key_id))
    })?;
    Committed::new(signed.clone(), origin, key)
}

/// The right edge of a tree from its partial tiles, or from the full ones that took their place.
async fn load_edge(objects: &Arc<dyn ObjectStore>, size: u64) -> Result<Edge, Error> {
    let mut partials = Vec::new();
    for path in tiles_of(size) {
        let full = TilePath { width: TILE_WIDTH, ..path };
        let tile = match read_tile(objects, &path).await? {
            Some(tile) => tile,
            None => read_tile(objects, &full)
                .await?
                .ok_or_else(|| Error::internal("load the log's edge", format!("`{path}` is missing")))?,
        };
        partials.push((path.id, tile.into_iter().take(usize::from(path.width)).collect()));
    }
    Edge::from_partial_tiles(size, partials)
        .ok_or_else(|| Error::internal("load the log's edge", format!("the tiles of size {size} do not fit")))
}

/// One staged commit, rebuilt from the ledger's records.
async fn load_staged(
    db: &dyn Db,
    edge: &mut Edge,
    base: u64,
    size: u64,
    segment: bytes::Bytes,
) -> Result<Staged, Error> {
    let records = load_records(db, base, size).await?;
    let leaves: Vec<Digest> = records.iter().map(|record| leaf_hash(&record.entry)).collect();
    let tiles = edge.append(&leaves).into_iter().map(|(id, tile)| (id, tile.into())).collect();
    let pages = segment::decode(&segment, size)
        .map_err(|error| Error::internal("load a staged map segment", error))?
        .into_iter()
        .map(|(page_ref, page)| (page_ref, Arc::new(page)))
        .collect::<HashMap<_, _>>();
    Ok(Staged { size, records, tiles, pages, segment })
}

/// Committed records as the bundles hold them.
pub(crate) async fn load_records(db: &dyn Db, from: u64, to: u64) -> Result<Vec<Arc<StagedRecord>>, Error> {
    if from == to {
        return Ok(Vec::new());
    }
    let mut answers =
        db.read(vec![records::select_range(from, to), logs::select_names(from, to)]).await?.into_iter();
    let rows = records::rows(answers.next().unwrap_or_default())?;
    let mut names = logs::names(answers.next().unwrap_or_default())?;
    if rows.len() as u64 != to - from {
        return Err(Error::internal("load records", format!("some of {from}..{to} are missing")));
    }
    Ok(rows
        .into_iter()
        .map(|row| {
            let name = names.remove(&row.index);
            let entry = entry(&row.log, &row.record);
            Arc::new(StagedRecord::new(entry, name, row.envelope.encode().into(), row.private))
        })
        .collect())
}

/// The records of the last bundle that is not full in a tree of this size.
pub(crate) async fn load_partial(db: &dyn Db, size: u64) -> Result<Vec<Arc<StagedRecord>>, Error> {
    load_records(db, size - size % u64::from(TILE_WIDTH), size).await
}

/// Refuses to begin a log where one was laid down: an empty ledger is then a lost one.
pub(crate) async fn check_unbegun(objects: &Arc<dyn ObjectStore>) -> Result<(), Error> {
    let log = object_store::path::Path::from("log");
    let first = objects.list(Some(&log)).next().await.transpose();
    match first.map_err(|error| Error::internal("look for objects of a log", error))? {
        None => Ok(()),
        Some(found) => Err(Error::internal(
            "begin a log",
            format!(
                "the ledger is empty, but the objects hold a log (`{}`): the ledger was lost or replaced, and a new \
                 log would fork the old one; put the ledger back, or restore a backup",
                found.location
            ),
        )),
    }
}

/// The state of the operator log; of one that has not begun, if the registry never began.
pub(crate) async fn operator(db: &dyn Db) -> Result<authority::State, Error> {
    let rows = db.read(vec![logs::select_state(&LogId::operator())]).await?.pop().unwrap_or_default();
    Ok(logs::state(rows)?.unwrap_or_else(|| authority::State::empty(LogName::Operator)))
}

/// The pending records that wait for their verdict, as the sequencer takes them.
pub(crate) async fn backlog(db: &dyn Db) -> Result<Vec<Queued>, Error> {
    let statement = pending::select_ready(PENDING_RECORDS_MAX);
    let rows = pending::rows(db.read(vec![statement]).await?.pop().unwrap_or_default())?;
    rows.into_iter().map(|row| queued(&row)).collect()
}

/// A pending row as the sequencer takes it; its signature is verified again.
pub(crate) fn queued(row: &pending::PendingRow) -> Result<Queued, Error> {
    let (envelope, record) = row.decode()?;
    Ok(Queued {
        seq: row.seq,
        log: row.log,
        record: row.record,
        submission: Submission::V1 {
            name: row.name.clone(),
            envelope,
            record,
            signature: SignatureCheck::Needed,
        },
        ticket: None,
        waits: None,
    })
}

/// Refuses a state that does not extend a checkpoint that was seen before.
pub(crate) async fn check_extends(hashes: &Hashes, state: &State, seen: &Checkpoint) -> Result<(), Error> {
    let size = state.committed.size();
    if seen.size > size {
        return Err(Error::internal(
            "go on with this ledger",
            format!(
                "a checkpoint of tree size {} was given out, the ledger ends at {size}: an old backup was \
                 restored, or commits were lost; signing on would fork the log",
                seen.size
            ),
        ));
    }
    let nodes: BTreeSet<_> = balanced_roots(seen.size).into_iter().collect();
    let known = hashes.nodes(state, &nodes).await?;
    if root_from(seen.size, |node| known.get(&node).copied()) == Some(seen.root) {
        return Ok(());
    }
    Err(Error::internal(
        "go on with this ledger",
        format!(
            "it holds another log than the one whose checkpoint of tree size {} was given out",
            seen.size
        ),
    ))
}

/// The checkpoint that was issued last, as far as its text goes.
pub(crate) async fn issued(objects: &Arc<dyn ObjectStore>) -> Result<Option<(Arc<str>, Checkpoint)>, Error> {
    let Some(bytes) = objects::get(objects, &objects::checkpoint_path()).await? else { return Ok(None) };
    let failed = |cause: String| Error::internal("read the issued checkpoint", cause);
    let note: Arc<str> = std::str::from_utf8(&bytes).map_err(|error| failed(error.to_string()))?.into();
    let (_, checkpoint) = peek_note(&note).map_err(|error| failed(error.to_string()))?;
    Ok(Some((note, checkpoint)))
}

/// The log ids of the records at these indexes.
pub(crate) async fn logs_at(db: &dyn Db, indices: &[u64]) -> Result<Vec<Option<LogId>>, Error> {
    let statements = indices.iter().map(|index| records::select_ids(*index, *index + 1)).collect();
    db.read(statements)
        .await?
        .into_iter()
        .map(|rows| Ok(records::ids(rows)?.first().map(|(log, _)| *log)))
        .collect()
}
