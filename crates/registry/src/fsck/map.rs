//! The map, folded anew from the records, commit by commit: each segment must be the one that its commit made
//! (`spec/transparency.md`, "Ours"; `spec/warg.md`, "Transparency").
//!
//! Hashes do not cover a page's segment numbers, so segments are held against the fold byte for byte. Pages are kept in
//! memory up to a bound; a page that was let go is read from its segment again, and its hash checked.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use wargate_core::digest::Digest;
use wargate_core::id::RecordId;
use wargate_core::map::page::{MapError, PAGE_DEPTH_MAX, Page, PageRef, Pages, Slot, Update, update};
use wargate_core::map::segment::{self, SegmentIndex};

use super::{Check, Damage, Remedy};
use crate::error::Error;
use crate::objects;
use crate::tables::checkpoints;

/// Pages held in memory: about 1.7 KB each.
const HELD_PAGES_MAX: usize = 16_384;

/// The map as the records so far make it.
#[derive(Default)]
pub(super) struct Fold {
    root: Option<PageRef>,
    /// The tree size of the last commit.
    pub(super) size: u64,
    held: HashMap<PageRef, Arc<Page>>,
    /// Segments that are missing, with how many of their pages the map still needs.
    missing: BTreeMap<u64, Missing>,
    /// Segments whose pages are kept in memory, since they do not lie as they should.
    lost: BTreeSet<u64>,
}

struct Missing {
    /// Pages that do not lie there and that the map still needs.
    needed: BTreeSet<Digest>,
    /// Whether the whole object is missing, or just these pages.
    whole: bool,
    repaired: bool,
}

/// What one commit makes of the map.
pub(super) struct Folded {
    update: Update,
    /// Pages that it replaces.
    replaced: Vec<PageRef>,
    pub(super) size: u64,
    pub(super) segment: Bytes,
}

/// The slot of a page at this depth that a key falls in.
fn slot_of(key: &Digest, depth: usize) -> usize {
    let byte = key.as_bytes().get(depth / 2).copied().unwrap_or(0);
    usize::from(if depth.is_multiple_of(2) { byte >> 4 } else { byte & 15 })
}

/// A page from its segment object, whole and in its place; why not, otherwise.
pub(super) async fn read_page(
    check: &Check<'_>,
    page_ref: &PageRef,
    depth: usize,
    key: &Digest,
) -> Result<Page, String> {
    let path = objects::segment_path(page_ref.segment);
    let bytes = check.look(&path).await?.ok_or_else(|| format!("`{path}` is missing"))?;
    let failed = |error: MapError| format!("`{path}`: {error}");
    let index = SegmentIndex::decode(&bytes).map_err(failed)?;
    let range =
        index.find(&page_ref.hash).ok_or_else(|| format!("`{path}` has no page {}", page_ref.hash))?;
    let range = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
    let body = range.and_then(|(start, end)| bytes.get(start..end));
    let page = Page::decode(body.ok_or_else(|| format!("`{path}` is too short"))?).map_err(failed)?;
    page.verify(depth, key, &page_ref.hash).map_err(failed)?;
    Ok(page)
}

impl Fold {
    /// The root page's hash; `None` before the first commit.
    pub(super) fn root(&self) -> Option<&Digest> {
        self.root.as_ref().map(|root| &root.hash)
    }

    /// What a commit that sets these keys makes; nothing is changed.
    pub(super) async fn fold(
        &self,
        check: &Check<'_>,
        changes: &[(Digest, RecordId)],
        size: u64,
    ) -> Result<Folded, String> {
        let mut pages = Pages::default();
        let mut replaced = Vec::new();
        for (key, _) in changes {
            let (mut next, mut depth) = (self.root, 0);
            while let Some(page_ref) = next.filter(|_| depth < PAGE_DEPTH_MAX) {
                let page = match (pages.get(&page_ref), self.held.get(&page_ref)) {
                    (Some(page), _) | (None, Some(page)) => page.clone(),
                    (None, None) => Arc::new(read_page(check, &page_ref, depth, key).await?),
                };
                if pages.get(&page_ref).is_none() {
                    pages.insert(page_ref, page.clone());
                    replaced.push(page_ref);
                }
                next = match page.slots.get(slot_of(key, depth)) {
                    Some(Slot::Page(below)) => Some(*below),
                    _ => None,
                };
                depth += 1;
            }
        }
        let update = update(self.root, &pages, changes, size).map_err(|error| error.to_string())?;
        let segment = segment::encode(&update.pages).into();
        Ok(Folded { update, replaced, size, segment })
    }

    /// Goes on from a commit.
    pub(super) fn take(&mut self, folded: Folded) {
        for page in folded.replaced {
            self.held.remove(&page);
            if let Some(missing) = self.missing.get_mut(&page.segment) {
                missing.needed.remove(&page.hash);
            }
        }
        self.root = Some(folded.update.root);
        self.size = folded.size;
        if self.held.len() > HELD_PAGES_MAX {
            let lost = &self.lost;
            self.held.retain(|page, _| lost.contains(&page.segment));
        }
        let pages = folded.update.pages.into_iter();
        self.held.extend(pages.map(|(page_ref, page)| (page_ref, Arc::new(page))));
    }

    /// Holds the segment object of a commit against what it should be. One that is missing may be of no use to the
    /// present map any more; that is known at the end.
    pub(super) async fn check_segment(
        &mut self,
        check: &mut Check<'_>,
        folded: &Folded,
        right: bool,
    ) -> Result<(), Error> {
        check.count("map segments", 1);
        let path = objects::segment_path(folded.size);
        match check.look(&path).await {
            Ok(Some(found)) if found == folded.segment => {
                return check_digest(check, folded.size, found).await;
            }
            Ok(None) => {
                let repaired = right && check.options.repair;
                if repaired {
                    objects::put(check.objects, &path, folded.segment.clone()).await?;
                    tell_digest(check, folded).await?;
                }
                let needed = folded.update.pages.iter().map(|(page_ref, _)| page_ref.hash).collect();
                self.missing.insert(folded.size, Missing { needed, whole: true, repaired });
            }
            Ok(Some(found)) if let Some(taken) = taken_out(&found, folded) => {
                check_digest(check, folded.size, found).await?;
                self.missing.insert(folded.size, Missing { needed: taken, whole: false, repaired: false });
            }
            _ => {
                check.hold_object(&path, &folded.segment, right).await?;
                if right && check.options.repair {
                    tell_digest(check, folded).await?;
                }
            }
        }
        if !check.options.repair || !right {
            self.lost.insert(folded.size);
        }
        Ok(())
    }

    /// The commit is not laid down yet: its pages are nowhere but in the ledger.
    pub(super) fn keep(&mut self, size: u64) {
        self.lost.insert(size);
    }

    /// Tells of the missing segments, when all commits were folded.
    pub(super) fn finish(&mut self, check: &mut Check<'_>) {
        for (size, missing) in std::mem::take(&mut self.missing) {
            let path = objects::segment_path(size);
            if let Some(page) = missing.needed.first() {
                let wrong = match missing.whole {
                    true => "it is missing and the present map needs it".to_owned(),
                    false => format!("its page {page} is missing and the present map needs it"),
                };
                let damage = Damage::object(&path, wrong, Remedy::Repair);
                check.found(if missing.repaired { damage.mended() } else { damage });
            } else if missing.whole {
                check.note(format!("{path} is missing, which only proofs of older checkpoints need"));
            }
        }
    }
}

/// The segment was made anew.
async fn tell_digest(check: &Check<'_>, folded: &Folded) -> Result<(), Error> {
    let digest = Digest::of(&folded.segment);
    Ok(check.db.write(vec![checkpoints::set_segment(folded.size, Some(&digest))]).await?)
}

/// Holds what the ledger says of a segment against the segment, which is sound.
async fn check_digest(check: &mut Check<'_>, size: u64, mut found: Bytes) -> Result<(), Error> {
    let said = async || {
        let rows = check.db.read(vec![checkpoints::select_segment(size)]).await?.pop();
        checkpoints::segment(rows.unwrap_or_default())
    };
    let is_said = |said: &Option<Digest>, found: &Bytes| said.is_none_or(|said| said == Digest::of(found));
    if is_said(&said().await?, &found) {
        return Ok(());
    }
    // It may have been written anew since it was read; the ledger says so afterwards.
    if let Ok(Some(again)) = check.look(&objects::segment_path(size)).await {
        found = again;
    }
    if is_said(&said().await?, &found) {
        return Ok(());
    }
    let repair = vec![checkpoints::set_segment(size, Some(&Digest::of(&found)))];
    let wrong = "its segment's digest is another one";
    check.found_row(Damage::row("checkpoints", size, wrong, Remedy::Repair), Some(repair)).await
}

/// The pages that a segment lacks, if that is all that is the matter with it: the removal of garbage writes segments
/// anew without the pages that no kept tree reaches.
fn taken_out(found: &[u8], folded: &Folded) -> Option<BTreeSet<Digest>> {
    let mut whole: BTreeMap<Digest, &Page> =
        folded.update.pages.iter().map(|(page_ref, page)| (page_ref.hash, page)).collect();
    let left = segment::decode(found, folded.size).ok()?;
    for (page_ref, page) in &left {
        if whole.remove(&page_ref.hash) != Some(page) {
            return None;
        }
    }
    (segment::encode(&left) == found).then(|| whole.into_keys().collect())
}

impl Check<'_> {
    /// Walks from the present map root to one log and holds what stands there against its latest record.
    pub(super) async fn check_in_map(&mut self, root: PageRef, key: &Digest, head: &RecordId) {
        self.count("map walks", 1);
        let (mut page_ref, mut depth) = (root, 0);
        loop {
            let path = objects::segment_path(page_ref.segment);
            let page = match read_page(self, &page_ref, depth, key).await {
                Ok(page) => page,
                Err(wrong) => return self.found(Damage::object(&path, wrong, Remedy::Repair)),
            };
            match page.slots.get(slot_of(key, depth)) {
                Some(Slot::Page(below)) if depth < PAGE_DEPTH_MAX => {
                    page_ref = *below;
                    depth += 1;
                }
                Some(Slot::Leaf { key: held, record, .. }) if held == key && record == head => return,
                _ => {
                    let wrong = format!("its page has another latest record than {head} for {key}");
                    return self.found(Damage::object(&path, wrong, Remedy::Look));
                }
            }
        }
    }
}
