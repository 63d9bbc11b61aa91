//! Looks over all that is stored, slowly, so that damage is known before somebody asks for what is damaged.
//!
//! One object at a time with a rest after each; content as `fsck` checks it, static files as they are checked on the
//! way out. It ends with the registry and begins anew with the next. Not here: repair (`fsck`).

use std::sync::Arc;
use std::time::Duration;

use wargate_core::log::tile::{BundleKind, BundlePath, TILE_WIDTH, TileId, TilePath};

use crate::db::{Statement, Value};
use crate::error::Error;
use crate::files::{self, StaticPath};
use crate::fsck::content::Stored;
use crate::limits::{SCRUB_PAUSE, SCRUB_ROUND_MIN};
use crate::objects;
use crate::shared::Shared;
use crate::tables::{Columns, int};

/// Where a round stands.
enum Place {
    /// After this digest.
    Content(Option<Vec<u8>>),
    /// At the files of this window of records.
    Window { index: u64, step: usize },
    /// After the map segment of this tree size.
    Map(u64),
}

/// Goes round and round until it is aborted.
pub(crate) async fn run(shared: Arc<Shared>) {
    loop {
        let started_ms = shared.clock.now_ms();
        let mut place = Some(Place::Content(None));
        while let Some(now) = place {
            shared.clock.sleep(SCRUB_PAUSE).await;
            place = step(&shared, now).await;
        }
        let took = Duration::from_millis(shared.clock.now_ms().saturating_sub(started_ms));
        // Never zero: a clock that jumps must not make a loop of it.
        shared.clock.sleep(SCRUB_ROUND_MIN.saturating_sub(took).max(SCRUB_PAUSE)).await;
    }
}

/// Looks at one object; the next place, or `None` at the end of the round.
async fn step(shared: &Shared, place: Place) -> Option<Place> {
    metrics::counter!("wargate_scrubbed_total").increment(1);
    match place {
        Place::Content(after) => match content(shared, after.as_deref()).await {
            Ok(Some(last)) => Some(Place::Content(Some(last))),
            Ok(None) => Some(Place::Window { index: 0, step: 0 }),
            Err(error) => {
                tracing::warn!(%error, "the scrub couldn't read the ledger; it goes on with the files");
                Some(Place::Window { index: 0, step: 0 })
            }
        },
        Place::Window { index, step } => {
            let laid_down = shared.state.load().laid_down;
            let Some(paths) = window(index, laid_down) else { return Some(Place::Map(0)) };
            match paths.get(step) {
                Some(path) => {
                    // What is damaged was told and counted.
                    let _ = files::scrub(shared, path).await;
                    Some(Place::Window { index, step: step + 1 })
                }
                None => Some(Place::Window { index: index + 1, step: 0 }),
            }
        }
        Place::Map(after) => segment(shared, after).await.ok()?.map(Place::Map),
    }
}

/// Looks at the next content; its digest, or `None` after the last.
async fn content(shared: &Shared, after: Option<&[u8]>) -> Result<Option<Vec<u8>>, Error> {
    let rows = shared.db.read(vec![Stored::select(after, 1)]).await?.pop().unwrap_or_default();
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let Some(Value::Bytes(key)) = row.first().cloned() else { return Ok(None) };
    match Stored::of(row) {
        Ok(stored) => {
            if let Some(wrong) = stored.wrong(&shared.objects).await {
                objects::damaged(&format!("content {}", stored.digest), wrong);
            }
        }
        Err(error) => drop(objects::damaged(&"a row of `content`", error)),
    }
    Ok(Some(key.to_vec()))
}

/// The full files that end with a window of records; `None` behind what is laid down. The files of the right edge
/// change all the time and are checked at every start.
fn window(index: u64, laid_down: u64) -> Option<Vec<StaticPath>> {
    let width = u64::from(TILE_WIDTH);
    if (index + 1).checked_mul(width)? > laid_down {
        return None;
    }
    let bundle = |kind| StaticPath::Bundle(BundlePath { kind, index, width: TILE_WIDTH });
    let mut paths: Vec<_> = [BundleKind::Entries, BundleKind::Records, BundleKind::Names].map(bundle).into();
    let (mut level, mut above) = (0, index);
    loop {
        paths.push(StaticPath::Tile(TilePath { id: TileId { level, index: above }, width: TILE_WIDTH }));
        if (above + 1) % width != 0 {
            return Some(paths);
        }
        (level, above) = (level + 1, above / width);
    }
}

/// Looks at the next map segment; its tree size, or `None` after the last.
async fn segment(shared: &Shared, after: u64) -> Result<Option<u64>, Error> {
    let statement = Statement::new(
        "select size from checkpoints where size > $1 and size <= $2 order by size limit 1",
        vec![int(after), int(shared.state.load().laid_down)],
    );
    let rows = shared.db.read(vec![statement]).await?.pop().unwrap_or_default();
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let size = Columns::of(row).unsigned("tree size")?;
    // One that is missing may be needed by nobody: that is for `fsck` to tell.
    let _ = files::read(shared, &StaticPath::MapSegment { size }).await;
    Ok(Some(size))
}
