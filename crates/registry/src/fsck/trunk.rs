//! What is the whole log's: its tree, its map, its checkpoints and its files, commit by commit.
//!
//! Records are gathered until the next checkpoint, which says whether they are the right ones; only then is anything
//! held against them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use wargate_core::digest::Digest;
use wargate_core::id::RecordId;
use wargate_core::log::tile::{Edge, TILE_WIDTH};
use wargate_core::time::Time;

use super::files::{Settled, Window, name_in_bundle};
use super::log::{Judged, Walk};
use super::map::{Fold, Folded};
use super::resolve::{Heard, Said};
use super::tree::{CheckpointRow, Checkpoints, Roots};
use super::{Check, Damage, Remedy};
use crate::db::{Statement, Value};
use crate::error::Error;
use crate::objects;
use crate::tables::{Columns, bytes, int, records};

/// Records that are gathered at most; a sound ledger has a checkpoint every 256.
const OPEN_RECORDS_MAX: usize = 4_096;

/// The log as far as it was walked.
pub(super) struct Trunk {
    /// `None` once a record is nowhere to be found.
    edge: Option<Edge>,
    /// Since the last checkpoint.
    open: Vec<Heard>,
    /// The files of the windows that `bundle` and `open` lie in.
    windows: BTreeMap<u64, Window>,
    /// The records of the bundle that is not full yet.
    bundle: Vec<Settled>,
    bundle_index: u64,
    /// `None` if the map is not folded.
    fold: Option<Fold>,
    checkpoints: Checkpoints,
    /// By tree size, of the window that is being walked.
    rows: BTreeMap<u64, Vec<CheckpointRow>>,
    /// Tree sizes of staged rows that were met.
    staged: BTreeSet<u64>,
}

/// The changes of a commit.
type Changes = Vec<(Digest, RecordId)>;

impl Trunk {
    pub(super) fn new(folds: bool) -> Self {
        Self {
            edge: Some(Edge::empty()),
            open: Vec::new(),
            windows: BTreeMap::new(),
            bundle: Vec::new(),
            bundle_index: 0,
            fold: folds.then(Fold::default),
            checkpoints: Checkpoints::default(),
            rows: BTreeMap::new(),
            staged: BTreeSet::new(),
        }
    }

    /// Takes in what lies beside the records of a window.
    pub(super) async fn enter(&mut self, check: &mut Check<'_>, window: Window, from: u64, to: u64) {
        self.windows.insert(from / u64::from(TILE_WIDTH), window);
        self.rows.clear();
        for row in check.checkpoint_rows(from, to).await {
            self.rows.entry(row.size).or_default().push(row);
        }
    }

    /// Takes in the next record; at the end of a commit all since the last one are settled.
    pub(super) async fn hear(
        &mut self,
        check: &mut Check<'_>,
        walk: &mut Walk<'_>,
        index: u64,
        row: Result<Said, String>,
    ) -> Result<(), Error> {
        let window = self.windows.entry(index / u64::from(TILE_WIDTH)).or_default();
        self.open.push(Heard::new(index, row, window));
        let size = index + 1;
        let rows = self.rows.remove(&size).unwrap_or_default();
        let mut is_commit = !rows.is_empty();
        if !is_commit && self.is_lost_commit(check, walk, size).await {
            let damage = Damage::row("checkpoints", size, "it is missing", Remedy::Restore);
            check.found(damage);
            is_commit = true;
        }
        let is_edge = walk.laid.edges.contains(&size) || size == walk.pin.size();
        if is_commit || is_edge || self.open.len() >= OPEN_RECORDS_MAX {
            self.settle(check, walk, size, &rows, is_commit).await?;
        }
        Ok(())
    }

    /// Whether a commit ended here whose checkpoint is gone: its segment is there and is just what it would be.
    async fn is_lost_commit(&self, check: &Check<'_>, walk: &Walk<'_>, size: u64) -> bool {
        let Some(fold) = &self.fold else { return false };
        let staged = walk.pin.staged.iter().any(|(_, staged)| *staged == size);
        let lies = match check.look(&objects::segment_path(size)).await {
            Ok(Some(lies)) => lies,
            _ if staged => return true,
            _ => return false,
        };
        let leaves: Option<Vec<Digest>> = self.open.iter().map(Heard::leaf).collect();
        let changes = leaves.and_then(|leaves| changes(&self.open, &leaves));
        let Some(changes) = changes else { return false };
        fold.fold(check, &changes, size).await.is_ok_and(|folded| folded.segment == lies)
    }

    /// The leaves of the gathered records, and whether the checkpoint holds them.
    fn leaves(&self, rows: &[CheckpointRow]) -> Option<(Vec<Digest>, bool)> {
        let edge = self.edge.as_ref()?;
        let all = |leaf: &dyn Fn(&Heard) -> Option<Digest>| -> Option<Vec<Digest>> {
            self.open.iter().map(|heard| leaf(heard).or_else(|| heard.leaf())).collect()
        };
        let most = all(&Heard::leaf)?;
        let ways = [
            Some(most.clone()),
            all(&|heard| heard.row.as_ref().ok().map(Said::leaf)),
            all(&|heard| heard.bundles.as_ref().map(Said::leaf)),
            all(&|heard| heard.tile),
        ];
        let roots: Vec<Digest> = rows
            .iter()
            .filter_map(|row| row.signed.as_ref().ok())
            .map(|signed| signed.checkpoint.root)
            .collect();
        let holds = |leaves: &Vec<Digest>| {
            let mut next = edge.clone();
            next.append(leaves);
            roots.contains(&next.root())
        };
        match ways.into_iter().flatten().find(holds) {
            Some(leaves) => Some((leaves, true)),
            None => Some((most, false)),
        }
    }

    async fn settle(
        &mut self,
        check: &mut Check<'_>,
        walk: &mut Walk<'_>,
        size: u64,
        rows: &[CheckpointRow],
        is_commit: bool,
    ) -> Result<(), Error> {
        let leaves = self.leaves(rows);
        let heard = std::mem::take(&mut self.open);
        let (leaves, verified) = match leaves {
            Some((leaves, verified)) => (leaves.into_iter().map(Some).collect(), verified),
            None => (vec![None; heard.len()], false),
        };
        if self.edge.is_some() && leaves.contains(&None) {
            self.edge = None;
            self.fold = None;
            check.note(format!(
                "below tree size {size} a record is lost: no tree and no map can be checked from there"
            ));
        }
        if let (Some(edge), Some(leaves)) =
            (&mut self.edge, leaves.iter().copied().collect::<Option<Vec<_>>>())
        {
            let tiles = edge.append(&leaves);
            check.check_tiles(&tiles, walk.laid.to, verified).await?;
        }
        for (heard, leaf) in heard.iter().zip(&leaves) {
            self.settle_one(check, walk, heard, leaf.as_ref(), verified).await?;
        }
        if is_commit {
            let known: Option<Vec<Digest>> = leaves.into_iter().collect();
            self.commit(check, walk, size, known.and_then(|leaves| changes(&heard, &leaves)), verified)
                .await?;
        }
        if let Some(edge) = &self.edge {
            if walk.laid.edges.contains(&size) {
                check.check_edge(edge, walk.laid.to, verified).await?;
            }
            let map = self.fold.as_ref().and_then(|fold| fold.root().copied());
            let roots = Roots { root: edge.root(), map };
            for row in rows {
                self.checkpoints.check(check, row, &roots, walk.replay.operator(), walk.laid);
            }
        }
        Ok(())
    }

    /// One record that is known: its row, its log's rules, its place in the bundles.
    async fn settle_one(
        &mut self,
        check: &mut Check<'_>,
        walk: &mut Walk<'_>,
        heard: &Heard,
        leaf: Option<&Digest>,
        verified: bool,
    ) -> Result<(), Error> {
        let index = heard.index;
        let leaf = leaf.copied().or_else(|| heard.leaf());
        let mut said = walk.said(heard, leaf.as_ref());
        let name = said.as_ref().and_then(|said| said.name.as_ref());
        let private = name.is_some_and(|name| walk.replay.is_private(name));
        if let Some(said) = &mut said {
            said.private = Some(private);
        }
        let wrong = match &heard.row {
            Err(wrong) => Some(wrong.clone()),
            Ok(row) if Some(row.leaf()) != leaf => {
                Some("the log has another record at this index".to_owned())
            }
            Ok(row)
                if let Some(other) = said.as_ref().and_then(|said| said.number)
                    && row.number.is_some_and(|number| number != other) =>
            {
                Some(format!("its log is {other}, and it says another number"))
            }
            Ok(row) if row.private.is_some_and(|says| says != private) => {
                Some(format!("it says that it is {}private", if private { "not " } else { "" }))
            }
            Ok(_) => None,
        };
        let other = heard.bundles.as_ref().filter(|bundles| Some(bundles.leaf()) == leaf);
        let other = other.and_then(|bundles| bundles.envelope.as_ref());
        let mut judged = false;
        let mut envelope = said.as_ref().and_then(|said| said.envelope.clone());
        match &said {
            None => walk.break_off(heard),
            Some(said) => match walk.judge(check, index, said, other) {
                Judged::Holds => judged = true,
                Judged::OtherHolds(reason) => {
                    judged = true;
                    envelope = other.cloned();
                    let right = Said { envelope: envelope.clone(), ..said.clone() };
                    check.found_record(index, reason, Some(&right)).await?;
                }
                Judged::Not => {}
            },
        }
        if let Some(wrong) = wrong {
            check.found_record(index, wrong, said.as_ref().filter(|_| verified)).await?;
        }
        let entry = leaf.and_then(|leaf| heard.entry_of(&leaf)).map(Said::entry);
        let mut name = said.as_ref().and_then(|said| name_in_bundle(index, said));
        let mut envelope = envelope.map(|envelope| Bytes::from(envelope.encode()));
        if private {
            (name, envelope) = (Some(String::new()), Some(Bytes::new()));
        }
        self.bundle.push(Settled { entry, envelope, name, verified, judged });
        self.check_bundles(check, walk, index + 1).await
    }

    /// Holds the bundle against its files once it is full, or as long as the laid-down log's last one.
    async fn check_bundles(
        &mut self,
        check: &mut Check<'_>,
        walk: &Walk<'_>,
        size: u64,
    ) -> Result<(), Error> {
        let is_full = self.bundle.len() == usize::from(TILE_WIDTH);
        if size <= walk.laid.to && (is_full || size == walk.laid.to) {
            let window = self.windows.entry(self.bundle_index).or_default();
            check.check_bundles(self.bundle_index, &self.bundle, window, walk.laid).await?;
        }
        if is_full {
            self.windows.remove(&self.bundle_index);
            self.bundle.clear();
            self.bundle_index += 1;
        }
        Ok(())
    }

    /// The map of a commit, and where it lies.
    async fn commit(
        &mut self,
        check: &mut Check<'_>,
        walk: &Walk<'_>,
        size: u64,
        changes: Option<Changes>,
        verified: bool,
    ) -> Result<(), Error> {
        let Some(fold) = &mut self.fold else { return Ok(()) };
        let folded = match changes {
            Some(changes) => fold.fold(check, &changes, size).await,
            None => Err("a record is lost".to_owned()),
        };
        let folded = match folded {
            Ok(folded) => folded,
            Err(reason) => {
                self.fold = None;
                check.note(format!("from tree size {size} on the map can't be made again: {reason}"));
                return Ok(());
            }
        };
        if size > walk.pin.base() {
            self.staged.insert(size);
            check_staged(check, walk, fold.size, &folded, verified).await?;
        }
        if size <= walk.laid.to {
            fold.check_segment(check, &folded, verified).await?;
        } else {
            fold.keep(size);
        }
        fold.take(folded);
        Ok(())
    }

    /// When the log was walked whole.
    pub(super) async fn finish(
        &mut self,
        check: &mut Check<'_>,
        walk: &Walk<'_>,
        delegated: Time,
    ) -> Result<(), Error> {
        if let Some(fold) = &mut self.fold {
            fold.finish(check);
            for (_, size) in walk.pin.staged.iter().filter(|(_, size)| !self.staged.contains(size)) {
                if *size > walk.pin.base() {
                    let damage = Damage::row("staged", size, "no commit has this size", Remedy::Repair);
                    let repair = Statement::new("delete from staged where size = $1", vec![int(*size)]);
                    check.found_row(damage, Some(vec![repair])).await?;
                }
            }
        }
        self.checkpoints.finish(check, walk.pin, walk.laid, walk.replay.operator(), delegated).await
    }

    /// The last checkpoint that holds.
    pub(super) fn last(&self) -> Option<&wargate_core::checkpoint::Checkpoint> {
        self.checkpoints.last.as_ref().map(|last| &last.checkpoint)
    }
}

/// The map's changes by a commit of these records.
fn changes(heard: &[Heard], leaves: &[Digest]) -> Option<Changes> {
    let mut latest = BTreeMap::new();
    for (heard, leaf) in heard.iter().zip(leaves) {
        let said = heard.entry_of(leaf)?;
        latest.insert(said.log.map_key(), said.record);
    }
    Some(latest.into_iter().collect())
}

/// Holds the staged row of a commit against what it should be.
async fn check_staged(
    check: &mut Check<'_>,
    walk: &Walk<'_>,
    base: u64,
    folded: &Folded,
    right: bool,
) -> Result<(), Error> {
    check.count("staged commits", 1);
    let select = Statement::new("select base, body from staged where size = $1", vec![int(folded.size)]);
    let wrong = match check.read(select).await?.into_iter().next() {
        Some(row) => {
            let mut columns = Columns::of(row);
            let is_right = columns.unsigned("base").ok() == Some(base)
                && columns.bytes("segment").ok().as_ref() == Some(&folded.segment);
            if is_right {
                return Ok(());
            }
            "it is not what the commit made"
        }
        None => {
            // A registry that runs beside has laid it down since.
            let statement = Statement::new("select coalesce(min(base), 0) from staged", vec![]);
            let now = check.read(statement).await?.into_iter().next();
            let now = now.map(|row| Columns::of(row).unsigned("base")).transpose()?.unwrap_or_default();
            if !walk.pin.staged.iter().any(|(_, size)| *size == folded.size) || now < folded.size {
                "it is missing"
            } else {
                return Ok(());
            }
        }
    };
    let repair = vec![
        Statement::new("delete from staged where size = $1", vec![int(folded.size)]),
        Statement::new(
            "insert into staged (size, base, body) values ($1, $2, $3)",
            vec![int(folded.size), int(base), Value::Bytes(folded.segment.clone())],
        ),
    ];
    let remedy = if right { Remedy::Repair } else { Remedy::Look };
    check.found_row(Damage::row("staged", folded.size, wrong, remedy), right.then_some(repair)).await
}

impl Check<'_> {
    /// A damaged row of `records`, and the record that belongs there, if it is known.
    async fn found_record(&mut self, index: u64, wrong: String, right: Option<&Said>) -> Result<(), Error> {
        let repair = right.and_then(|said| {
            let (number, envelope) = (said.number?, said.envelope.as_ref()?);
            let private = said.private.unwrap_or_default();
            let insert = records::insert(index, number, &said.record, envelope.encode().into(), private);
            let delete = Statement::new("delete from records where idx = $1", vec![int(index)]);
            // A record that stands at two indexes would keep the right one out.
            let twin = Statement::new(
                "delete from records where log = $1 and record_id = $2",
                vec![int(number), bytes(said.record.as_bytes())],
            );
            Some(vec![delete, twin, insert])
        });
        let remedy = if repair.is_some() { Remedy::Repair } else { Remedy::Restore };
        self.found_row(Damage::row("records", index, wrong, remedy), repair).await
    }
}
