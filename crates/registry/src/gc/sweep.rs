//! What no repository and no release needs: manifests, links and content (`spec/oci.md`, "Deletion and garbage
//! collection").
//!
//! Roots are tags, releases, and what came in or was asked for lately; what they name is needed, and what refers to it.
//! A round looks at all three kinds on what the former round left, so that a dry run tells the same: what a manifest
//! held back goes a round later. The ledger removes a row only if nothing needs it at that moment; an object goes when
//! everybody who read its row had the time to open it.

use std::collections::BTreeSet;

use futures::future::join_all;
use wargate_core::digest::Digest;
use wargate_wire::oci::reference::ContentDigest;

use super::{Garbage, Round, millis};
use crate::db::{Batch, DbError, Statement};
use crate::error::Error;
use crate::limits::{
    GARBAGE_ROWS_PER_STEP, REPLACED_PARTIAL_STAYS, SWEEP_ROWS_PER_ROUND, SWEEP_ROWS_PER_STEP,
};
use crate::objects;
use crate::repository::parts;
use crate::tables::sweep::{self, Place, WalkedRow};
use crate::tables::{content, pending, repositories};

/// Where the walk of each kind goes on.
#[derive(Debug, Default)]
pub(super) struct Walks {
    contents: Place,
    links: Place,
    manifests: Place,
}

/// One kind of what is swept.
struct Kind {
    garbage: Garbage,
    select: fn(&Place, u64, usize) -> Statement,
    /// What is younger, in ms, is needed.
    before_ms: u64,
    reason: &'static str,
}

/// Removes what nothing needs.
pub(super) async fn collect(round: &mut Round<'_>, walks: &mut Walks) -> Result<(), Error> {
    let retention = round.ground.retention;
    let leased_ms = round.now_ms.saturating_sub(millis(retention.lease));
    let kinds = [
        Kind {
            garbage: Garbage::Contents,
            select: sweep::select_contents,
            before_ms: leased_ms,
            reason: "no repository links it, no release names it, and its lease ended",
        },
        Kind {
            garbage: Garbage::Links,
            select: sweep::select_links,
            before_ms: leased_ms,
            reason: "no manifest needs it, and its lease ended",
        },
        Kind {
            garbage: Garbage::Manifests,
            select: sweep::select_manifests,
            before_ms: round.now_ms.saturating_sub(millis(retention.untagged())),
            reason: "no tag, index or release names it, nothing here is its subject, and nobody asked for it",
        },
    ];
    let Walks { contents, links, manifests } = walks;
    for (kind, place) in kinds.iter().zip([contents, links, manifests]) {
        walk(round, kind, place).await?;
    }
    objects(round).await
}

/// Walks on from a place, to the end or as far as a round goes.
async fn walk(round: &mut Round<'_>, kind: &Kind, place: &mut Place) -> Result<(), Error> {
    let rows_max = if round.ground.running.is_some() { SWEEP_ROWS_PER_ROUND } else { usize::MAX };
    let (mut at, mut walked) = (place.clone(), 0);
    while walked < rows_max && round.goes_on() {
        let statement = (kind.select)(&at, kind.before_ms, SWEEP_ROWS_PER_STEP);
        let rows = sweep::walked(round.ask(statement).await?)?;
        walked += rows.len();
        let is_last = rows.len() < SWEEP_ROWS_PER_STEP;
        at = rows.last().filter(|_| !is_last).map(WalkedRow::place).unwrap_or_default();
        remove(round, kind, rows.into_iter().filter(|row| !row.is_needed).collect()).await?;
        if is_last {
            break;
        }
    }
    if !round.dry_run {
        *place = at;
    }
    Ok(())
}

/// Removes those rows that nothing needs after all.
async fn remove(round: &mut Round<'_>, kind: &Kind, rows: Vec<WalkedRow>) -> Result<(), Error> {
    let mut going = Vec::new();
    for row in rows {
        if let Some(removal) = removal(round, kind, &row).await? {
            going.push((row, removal));
        }
    }
    if kind.garbage == Garbage::Contents && !going.is_empty() {
        // Asked last: who waits for content since then has leased it.
        let waited_for = waited_for(round).await?;
        going.retain(|(row, _)| !waited_for.contains(&row.digest));
    }
    for step in going.chunks(GARBAGE_ROWS_PER_STEP) {
        let writes = step.iter().map(|(_, removal)| async {
            if round.dry_run { Ok(()) } else { round.ground.db.write(removal.batch.clone()).await }
        });
        // Handed in together, so that they share a sync.
        for ((row, removal), written) in step.iter().zip(join_all(writes).await) {
            match written {
                Ok(()) => {}
                // Somebody needs it since.
                Err(DbError::Conflict { .. }) => continue,
                Err(error) => return Err(error.into()),
            }
            if !round.dry_run {
                let (kind, reason) = (kind.garbage, kind.reason);
                tracing::info!(%kind, repository = row.repository, digest = %row.digest, reason, "removed");
            }
            round.count(kind.garbage, 1, removal.bytes);
        }
    }
    Ok(())
}

/// What removes a row.
struct Removal {
    batch: Batch,
    /// Bytes of content that it frees.
    bytes: u64,
}

impl From<Batch> for Removal {
    fn from(batch: Batch) -> Self {
        Self { batch, bytes: 0 }
    }
}

/// What removes a row; `None` if it is needed after all.
async fn removal(round: &Round<'_>, kind: &Kind, row: &WalkedRow) -> Result<Option<Removal>, Error> {
    let before_ms = kind.before_ms;
    match kind.garbage {
        Garbage::Contents => {
            let found = round.ask(sweep::select_unneeded(&row.digest, before_ms)).await?;
            let removal = sweep::unneeded(found)?.map(|found| Removal {
                batch: sweep::delete_content(&row.digest, found.is_object, before_ms, round.now_ms),
                bytes: found.size,
            });
            Ok(removal)
        }
        Garbage::Links => Ok(Some(sweep::delete_link(&row.repository()?, &row.digest, before_ms).into())),
        _ => manifest(round, row, before_ms).await,
    }
}

/// A manifest goes unless it refers to one that is here.
async fn manifest(round: &Round<'_>, row: &WalkedRow, before_ms: u64) -> Result<Option<Removal>, Error> {
    let repository = row.repository()?;
    let subject = match row.subject.as_deref().map(str::parse::<ContentDigest>) {
        Some(Ok(subject)) => parts::known_as(round.ground.db, &subject).await?,
        _ => None,
    };
    if let Some(subject) = &subject {
        let here = round.ask(repositories::select_manifest_size(&repository, subject)).await?;
        if repositories::size(&here)?.is_some() {
            return Ok(None);
        }
    }
    Ok(Some(sweep::delete_manifest(&repository, &row.digest, subject.as_ref(), before_ms).into()))
}

/// What records name that wait for their content or for their verdict.
async fn waited_for(round: &Round<'_>) -> Result<BTreeSet<Digest>, Error> {
    let (mut found, mut last) = (BTreeSet::new(), None);
    loop {
        let statement = pending::select_after(last.as_ref(), GARBAGE_ROWS_PER_STEP);
        let rows = pending::rows(round.ask(statement).await?)?;
        for row in &rows {
            found.extend(row.record()?.contents());
        }
        last = rows.into_iter().next_back();
        if last.is_none() {
            return Ok(found);
        }
    }
}

/// Removes the objects of swept content.
async fn objects(round: &mut Round<'_>) -> Result<(), Error> {
    // Nobody reads from a registry that does not run.
    let stays = round.ground.running.as_ref().map_or(0, |_| millis(REPLACED_PARTIAL_STAYS));
    let before_ms = round.now_ms.saturating_sub(stays);
    while !round.dry_run && round.goes_on() {
        let statement = sweep::select_swept(before_ms, GARBAGE_ROWS_PER_STEP);
        let swept = sweep::swept(round.ask(statement).await?)?;
        if swept.is_empty() {
            return Ok(());
        }
        // Backups copy what the ledger named when they began.
        let Some(_leave) = round.leave()? else { return Ok(()) };
        let mut done = Batch::new();
        for digest in &swept {
            if object(round, digest).await? {
                done.push(sweep::delete_swept(digest));
            }
        }
        let all = done.len() == swept.len();
        if !done.is_empty() {
            round.ground.db.write(done).await?;
        }
        if !all || swept.len() < GARBAGE_ROWS_PER_STEP {
            return Ok(());
        }
    }
    Ok(())
}

/// Removes one object, unless it is content again; whether that is settled.
async fn object(round: &Round<'_>, digest: &Digest) -> Result<bool, Error> {
    let held = match &round.ground.running {
        Some(running) => match running.places.remove(*digest) {
            Some(held) => Some(held),
            None => return Ok(false),
        },
        None => None,
    };
    let stored = content::one(round.ask(content::select(digest)).await?)?;
    if stored.is_none() {
        round.remove(&objects::blob_path(digest), "its content was swept").await?;
    }
    drop(held);
    Ok(true)
}
