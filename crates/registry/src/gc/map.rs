//! Map pages that no kept checkpoint reaches.
//!
//! A commit copies the pages on the way to what it changes; the ones that they replace are in every tree before it and
//! in none after. So commits are gone through in order, each once: once every checkpoint before a commit is older than
//! the retention, the pages that it replaced are dead. The mark `map` tells the commit up to which that is done: its
//! tree and all later ones are whole, those before may lack pages. A segment whose pages are all dead is removed; one
//! that is half dead, and large enough that a disk block is won, is written anew without them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use futures::future::try_join_all;
use wargate_core::digest::Digest;
use wargate_core::map::page::{Page, PageRef, replaced_below};
use wargate_core::map::segment;

use super::{Garbage, Round, millis};
use crate::db::Batch;
use crate::error::Error;
use crate::hashes;
use crate::limits::{GARBAGE_COMMITS_PER_STEP, GARBAGE_ROWS_PER_STEP};
use crate::objects;
use crate::tables::checkpoints;
use crate::tables::garbage::{self, CommitRow, SegmentRow};

/// Pages that are kept in memory between two commits of a round, at most: the next commit replaces most of them.
const PAGES_HELD_MAX: usize = 8192;

/// What going through one commit found.
struct Replaced {
    segment: SegmentRow,
    /// Pages that are dead from here on.
    dead: Vec<PageRef>,
}

/// What a round that removes nothing would have written to the ledger.
#[derive(Default)]
struct Overlay {
    segments: BTreeMap<u64, SegmentRow>,
    dead: HashMap<u64, Vec<Digest>>,
}

/// Counts the pages that died, then removes or rewrites the segments that this leaves.
pub(super) async fn collect(round: &mut Round<'_>) -> Result<(), Error> {
    let mut overlay = Overlay::default();
    count(round, &mut overlay).await?;
    compact(round, &overlay).await
}

/// Goes through the commits whose forerunners are all too old to be kept.
async fn count(round: &mut Round<'_>, overlay: &mut Overlay) -> Result<(), Error> {
    let kept_ms = round.now_ms.saturating_sub(millis(round.ground.retention.map));
    let mut mark = garbage::number(round.ask(garbage::select_swept(garbage::MAP)).await?)?;
    let mut held = HashMap::new();
    while round.goes_on() {
        let Some(_leave) = round.leave()? else { return Ok(()) };
        let rows = round.ask(garbage::select_commits(mark, GARBAGE_COMMITS_PER_STEP)).await?;
        let commits = due(garbage::commits(rows)?, mark, round.settled, kept_ms)?;
        let Some((_, last)) = commits.last() else { return Ok(()) };
        let mut to = last.segment;
        let mut found = Vec::new();
        let mut rows = 0;
        for (before, root) in commits {
            let replaced = replaced_by(round, before, root, &mut held).await?;
            rows += 1 + replaced.dead.len();
            found.push(replaced);
            if rows >= GARBAGE_ROWS_PER_STEP {
                to = root.segment;
                break;
            }
        }
        if round.dry_run {
            overlay.take(round, found).await?;
        } else {
            round.ground.db.write(written(&found, mark, to)).await?;
        }
        mark = to;
    }
    Ok(())
}

/// The commits that can be gone through, each with the root of the tree before it.
fn due(
    rows: Vec<CommitRow>,
    mark: u64,
    settled: u64,
    kept_ms: u64,
) -> Result<Vec<(Option<PageRef>, PageRef)>, Error> {
    let mut due = Vec::new();
    let mut before: Option<CommitRow> = None;
    for row in rows {
        if before.is_none() && mark > 0 {
            // The mark stands on a commit: the one that was gone through last.
            if row.root.segment != mark {
                let reason =
                    format!("no checkpoint of tree size {mark} is in the ledger: run `wargate fsck`");
                return Err(Error::internal("find old map pages", reason));
            }
            before = Some(row);
            continue;
        }
        // Times never go back, so if this one's forerunner is too old, all before it are.
        let is_old = before.is_none_or(|before| before.seconds.saturating_mul(1000) < kept_ms);
        if row.root.segment > settled || !is_old {
            break;
        }
        due.push((before.map(|before| before.root), row.root));
        before = Some(row);
    }
    Ok(due)
}

/// The rows that tell of commits that were gone through.
fn written(found: &[Replaced], from: u64, to: u64) -> Batch {
    let mut batch = vec![garbage::move_swept(garbage::MAP, from, to)];
    for replaced in found {
        batch.push(garbage::insert_segment(&replaced.segment));
        let mut by_segment: BTreeMap<u64, u64> = BTreeMap::new();
        for page in &replaced.dead {
            *by_segment.entry(page.segment).or_default() += 1;
            batch.push(garbage::insert_dead_page(page));
        }
        batch.extend(by_segment.into_iter().map(|(size, count)| garbage::add_dead(size, count)));
    }
    batch
}

/// The pages that the commit with this root replaced.
async fn replaced_by(
    round: &Round<'_>,
    before: Option<PageRef>,
    root: PageRef,
    held: &mut HashMap<PageRef, Arc<Page>>,
) -> Result<Replaced, Error> {
    let size = root.segment;
    let bytes = read_segment(round, size).await?;
    let pages: HashMap<PageRef, Arc<Page>> = segment::decode(&bytes, size)
        .map_err(|error| damaged(size, error))?
        .into_iter()
        .map(|(page_ref, page)| (page_ref, Arc::new(page)))
        .collect();
    let mut dead = Vec::new();
    let mut level: Vec<(PageRef, PageRef)> = before.map(|before| (before, root)).into_iter().collect();
    while !level.is_empty() {
        dead.extend(level.iter().map(|(old, _)| *old));
        // Only those new pages that lead to other new ones tell of more.
        let new = |page: &PageRef| pages.get(page).ok_or_else(|| damaged(size, "a page is missing"));
        let mut deeper = Vec::new();
        for (old, page) in level {
            let page = new(&page)?;
            if page.leads_to(size) {
                deeper.push((old, page.clone()));
            }
        }
        let loaded = try_join_all(deeper.iter().map(|(old, _)| old_page(round, old, held))).await?;
        level = Vec::new();
        for ((_, new), old) in deeper.iter().zip(loaded) {
            level.extend(replaced_below(&old, new).map_err(|error| damaged(size, error))?);
        }
    }
    if held.len() + pages.len() > PAGES_HELD_MAX {
        held.clear();
    }
    for page in &dead {
        held.remove(page);
    }
    let segment = SegmentRow { size, pages: pages.len() as u64, dead: 0, bytes: bytes.len() as u64 };
    held.extend(pages);
    Ok(Replaced { segment, dead })
}

async fn read_segment(round: &Round<'_>, size: u64) -> Result<Bytes, Error> {
    objects::get(round.ground.objects, &objects::segment_path(size))
        .await?
        .ok_or_else(|| damaged(size, "it is missing"))
}

async fn old_page(
    round: &Round<'_>,
    page_ref: &PageRef,
    held: &HashMap<PageRef, Arc<Page>>,
) -> Result<Arc<Page>, Error> {
    if let Some(page) = held.get(page_ref) {
        return Ok(page.clone());
    }
    let bytes = hashes::read_page(round.ground.objects, page_ref).await?;
    let bytes =
        bytes.ok_or_else(|| damaged(page_ref.segment, format!("page {} is missing", page_ref.hash)))?;
    Page::decode(&bytes).map(Arc::new).map_err(|error| damaged(page_ref.segment, error))
}

fn damaged(size: u64, cause: impl std::fmt::Display) -> Error {
    Error::internal(&format!("read map segment {size}"), format!("{cause}: run `wargate fsck`"))
}

impl Overlay {
    /// Takes in what would have been written.
    async fn take(&mut self, round: &Round<'_>, found: Vec<Replaced>) -> Result<(), Error> {
        for replaced in found {
            self.segments.insert(replaced.segment.size, replaced.segment);
            for page in replaced.dead {
                self.dead.entry(page.segment).or_default().push(page.hash);
                let row = match self.segments.entry(page.segment) {
                    Entry::Occupied(row) => row.into_mut(),
                    Entry::Vacant(place) => {
                        let rows = round.ask(garbage::select_segment(page.segment)).await?;
                        let known = garbage::segments(rows)?.into_iter().next();
                        let unknown = || damaged(page.segment, "the ledger does not know it");
                        place.insert(known.ok_or_else(unknown)?)
                    }
                };
                row.dead += 1;
            }
        }
        Ok(())
    }

    /// The segments above `after` that are due, of this overlay or, where it has none, as the ledger found them.
    fn due(&self, ledger: Vec<SegmentRow>, after: u64, to: u64) -> Vec<u64> {
        let ours = self.segments.range(after.saturating_add(1)..=to).map(|(_, row)| *row);
        let due: BTreeSet<u64> =
            ledger.into_iter().chain(ours).filter(SegmentRow::is_due).map(|row| row.size).collect();
        due.into_iter().collect()
    }
}

/// Removes or rewrites the segments that are worth it.
async fn compact(round: &mut Round<'_>, overlay: &Overlay) -> Result<(), Error> {
    let mut after = 0;
    while round.goes_on() {
        let Some(_leave) = round.leave()? else { return Ok(()) };
        let rows = garbage::segments(round.ask(garbage::select_due(after, GARBAGE_COMMITS_PER_STEP)).await?)?;
        let is_last = rows.len() < GARBAGE_COMMITS_PER_STEP;
        let to = if is_last { u64::MAX } else { rows.last().map_or(u64::MAX, |row| row.size) };
        let due = overlay.due(rows, after, to);
        if !due.is_empty() && !round.dry_run {
            let unknown = due.iter().map(|size| checkpoints::set_segment(*size, None)).collect();
            round.ground.db.write(unknown).await?;
        }
        let mut batch = Batch::new();
        for size in due {
            batch.extend(shrink(round, overlay, size).await?);
        }
        if !batch.is_empty() && !round.dry_run {
            round.ground.db.write(batch).await?;
        }
        if is_last {
            break;
        }
        after = to;
    }
    Ok(())
}

/// Takes the dead pages out of one segment; the rows that tell so. What is left is decided by the object itself and
/// the pages that are known to be dead, so a count that is wrong removes nothing that lives.
async fn shrink(round: &mut Round<'_>, overlay: &Overlay, size: u64) -> Result<Batch, Error> {
    let path = objects::segment_path(size);
    let mut dead: BTreeSet<Digest> =
        garbage::hashes(round.ask(garbage::select_dead_pages(size)).await?)?.into_iter().collect();
    dead.extend(overlay.dead.get(&size).into_iter().flatten());
    let gone = vec![garbage::delete_dead_pages(size), garbage::delete_segment(size)];
    // Removed already, and a crash came before the rows went.
    let Some(bytes) = objects::get(round.ground.objects, &path).await? else { return Ok(gone) };
    let (left, pages) =
        segment::without(&bytes, |hash| dead.contains(hash)).map_err(|error| damaged(size, error))?;
    if pages == 0 {
        if let Some(bytes) = round.remove(&path, "no kept checkpoint reaches one of its pages").await? {
            round.count(Garbage::MapSegments, 1, bytes);
        }
        return Ok(gone);
    }
    if left.len() < bytes.len() {
        let won = (bytes.len() - left.len()) as u64;
        if !round.dry_run {
            objects::put(round.ground.objects, &path, left.clone().into()).await?;
            tracing::debug!(%path, won, reason = "half of its pages are dead", "wrote a map segment anew");
        }
        round.count(Garbage::MapPages, dead.len() as u64, won);
    }
    Ok(vec![
        garbage::delete_dead_pages(size),
        garbage::rewrite_segment(size, pages, left.len() as u64),
        checkpoints::set_segment(size, Some(&Digest::of(&left))),
    ])
}
