//! What is kept for a time only: uploads that broke off, sessions, records whose content does not come, refusals.

use futures::TryStreamExt as _;
use object_store::{ObjectMeta, ObjectStore as _};

use super::{Garbage, Round, millis};
use crate::db::{DbError, Statement};
use crate::error::Error;
use crate::limits::{GARBAGE_ROWS_PER_STEP, REFUSALS_KEPT, SOURCING_LIFE, UPLOAD_SESSION_LIFE};
use crate::objects;
use crate::tables::{garbage, proposals, records};

/// Removes what outlived its time.
pub(super) async fn collect(round: &mut Round<'_>) -> Result<(), Error> {
    sessions(round);
    uploads(round).await?;
    sourcing(round).await?;
    refusals(round).await?;
    proposals(round).await
}

fn sessions(round: &mut Round<'_>) {
    let (now_ms, dry_run) = (round.now_ms, round.dry_run);
    let expired = round.ground.running.as_ref();
    let expired = expired.map_or(0, |running| running.sessions.forget_old(now_ms, dry_run));
    round.count(Garbage::Sessions, expired, 0);
}

/// Objects of uploads that no process goes on with: a crash came between their last byte and their place.
async fn uploads(round: &mut Round<'_>) -> Result<(), Error> {
    let old_ms = round.now_ms.saturating_sub(millis(UPLOAD_SESSION_LIFE));
    let prefix = objects::uploads_prefix();
    let listed: Vec<ObjectMeta> = round
        .ground
        .objects
        .list(Some(&prefix))
        .try_collect()
        .await
        .map_err(|error| Error::internal("list broken-off uploads", error))?;
    for object in listed {
        let written_ms = u64::try_from(object.last_modified.timestamp_millis()).unwrap_or(0);
        let is_open = round.ground.running.as_ref().is_some_and(|one| one.uploads.holds(&object.location));
        if written_ms > old_ms || is_open {
            continue;
        }
        if let Some(bytes) = round.remove(&object.location, "its upload broke off").await? {
            round.count(Garbage::Uploads, 1, bytes);
        }
    }
    Ok(())
}

/// Refuses the records whose content did not come.
async fn sourcing(round: &mut Round<'_>) -> Result<(), Error> {
    let before_ms = round.now_ms.saturating_sub(millis(SOURCING_LIFE));
    let days = SOURCING_LIFE.as_secs() / (24 * 60 * 60);
    let reason = format!("its content did not come within {days} days: publish it again");
    let mut place = garbage::first_place();
    while round.goes_on() {
        let statement = garbage::select_old_sourcing(before_ms, &place, GARBAGE_ROWS_PER_STEP);
        let rows = garbage::expired(round.ask(statement).await?)?;
        let Some(last) = rows.last() else { return Ok(()) };
        place = last.place();
        for row in rows {
            if !round.dry_run {
                let refusal = records::insert_refusal(&row.log, &row.record, &reason, round.now_ms);
                let batch = vec![garbage::delete_sourcing(&row.log, &row.record), refusal];
                match round.ground.db.write(batch).await {
                    Ok(()) => tracing::info!(record = %row.record, reason, "refused a record"),
                    // Its content came at this moment.
                    Err(DbError::Conflict { .. }) => continue,
                    Err(error) => return Err(error.into()),
                }
            }
            round.count(Garbage::Pending, 1, row.bytes);
        }
    }
    Ok(())
}

/// Forgets refusals that nobody asks for any more. What was refused does not pass afterwards: a v1 record is too old
/// after minutes, and says so.
async fn refusals(round: &mut Round<'_>) -> Result<(), Error> {
    let before_ms = round.now_ms.saturating_sub(millis(REFUSALS_KEPT));
    let mut place = garbage::first_place();
    while round.goes_on() {
        let statement = garbage::select_old_refusals(before_ms, &place, GARBAGE_ROWS_PER_STEP);
        let rows = garbage::expired(round.ask(statement).await?)?;
        let Some(last) = rows.last() else { return Ok(()) };
        place = last.place();
        if !round.dry_run {
            let batch: Vec<Statement> =
                rows.iter().map(|row| garbage::delete_refusal(&row.log, &row.record, before_ms)).collect();
            round.ground.db.write(batch).await?;
            tracing::debug!(rows = rows.len(), reason = "they were told for long enough", "forgot refusals");
        }
        round.count(Garbage::Refusals, rows.len() as u64, rows.iter().map(|row| row.bytes).sum());
    }
    Ok(())
}

/// Forgets acts that can be done no more: their windows ended.
async fn proposals(round: &mut Round<'_>) -> Result<(), Error> {
    let before_ms = round.now_ms;
    while round.goes_on() {
        let rows = round.ask(proposals::select_ended(before_ms, GARBAGE_ROWS_PER_STEP)).await?;
        let rows = proposals::rows(rows)?;
        if rows.is_empty() {
            return Ok(());
        }
        round.count(Garbage::Proposals, rows.len() as u64, rows.iter().map(|row| row.act.len() as u64).sum());
        if round.dry_run {
            return Ok(());
        }
        round.ground.db.write(rows.iter().flat_map(|row| proposals::delete(&row.id)).collect()).await?;
        for row in &rows {
            tracing::info!(id = %row.id, log = %row.log, reason = "its time is over", "forgot a proposal");
        }
    }
    Ok(())
}
