//! Partial tiles and bundles that fuller ones replaced.
//!
//! Laying down ends at tree sizes that were committed, so their right edges name every partial that can exist. A
//! partial tile, and a partial bundle of entries or names, stays until the full one is laid down: it must exist for
//! every tree size that had a checkpoint (`spec/transparency.md`, "Tiles"). Of records only the newest stays ("Ours").

use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use wargate_core::log::tile::{
    BundleKind, BundlePath, TILE_HEIGHT, TILE_LEVEL_MAX, TILE_WIDTH, TileId, TilePath,
};

use super::{Garbage, Round};
use crate::error::Error;
use crate::objects;
use crate::tables::garbage;

/// Objects removed at the same time.
const REMOVALS_AT_ONCE: usize = 8;

/// A kind of partial that is swept on its own.
#[derive(Debug, Clone, Copy)]
enum Sweep {
    Records,
    EntriesAndNames,
    Tiles { level: u8 },
}

impl Sweep {
    /// Its name in the ledger.
    fn name(self) -> String {
        match self {
            Self::Records => "records".to_owned(),
            Self::EntriesAndNames => "entries".to_owned(),
            Self::Tiles { level } => format!("tile/{level}"),
        }
    }

    /// Records below one hash or item of it.
    fn span(self) -> u64 {
        match self {
            Self::Records | Self::EntriesAndNames => 1,
            Self::Tiles { level } => 1 << (u32::from(TILE_HEIGHT) * u32::from(level)),
        }
    }

    /// Records below a full one; `None` if there are never so many.
    fn full(self) -> Option<u64> {
        self.span().checked_mul(u64::from(TILE_WIDTH))
    }

    /// The partials of smaller tree sizes than this are replaced.
    fn end(self, settled: u64) -> u64 {
        match (self, self.full()) {
            (Self::Records, _) => settled,
            (_, Some(full)) => settled - settled % full,
            (_, None) => 0,
        }
    }

    /// The files whose right edge is `hashes` hashes or items of this kind.
    fn files(self, hashes: u64) -> Vec<(Garbage, Path)> {
        let (index, width) = (hashes / u64::from(TILE_WIDTH), (hashes % u64::from(TILE_WIDTH)) as u16);
        if width == 0 {
            return Vec::new();
        }
        let bundle = |kind| objects::bundle_path(&BundlePath { kind, index, width });
        match self {
            Self::Records => vec![(Garbage::Records, bundle(BundleKind::Records))],
            Self::EntriesAndNames => vec![
                (Garbage::Entries, bundle(BundleKind::Entries)),
                (Garbage::Names, bundle(BundleKind::Names)),
            ],
            Self::Tiles { level } => {
                let path = TilePath { id: TileId { level, index }, width };
                vec![(Garbage::Tiles, objects::tile_path(&path))]
            }
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Records => "a larger bundle of records replaced it",
            Self::EntriesAndNames => "the full bundle is laid down",
            Self::Tiles { .. } => "the full tile is laid down",
        }
    }
}

/// Removes the partials that were replaced.
pub(super) async fn sweep(round: &mut Round<'_>) -> Result<(), Error> {
    let tiles = (0..=TILE_LEVEL_MAX).map(|level| Sweep::Tiles { level });
    for kind in [Sweep::Records, Sweep::EntriesAndNames].into_iter().chain(tiles) {
        let end = kind.end(round.settled);
        let name = kind.name();
        let mut from = garbage::number(round.ask(garbage::select_swept(&name)).await?)?;
        while from < end && round.goes_on() {
            // One step is one full tile or bundle, or what there is of it.
            let full = kind.full().unwrap_or(u64::MAX);
            let to = (from - from % full).saturating_add(full).min(end);
            step(round, kind, from, to).await?;
            if !round.dry_run {
                round.ground.db.write(vec![garbage::move_swept(&name, from, to)]).await?;
            }
            from = to;
        }
    }
    Ok(())
}

/// Removes what the trees of the sizes `from <= size < to` left.
async fn step(round: &mut Round<'_>, kind: Sweep, from: u64, to: u64) -> Result<(), Error> {
    let edges = garbage::numbers(round.ask(garbage::select_spans(from, to, kind.span())).await?)?;
    let files: Vec<_> = edges.into_iter().flat_map(|hashes| kind.files(hashes)).collect();
    let this = &*round;
    let removed: Vec<(Garbage, u64)> = futures::stream::iter(files)
        .map(|(garbage, path)| async move {
            Ok::<_, Error>(this.remove(&path, kind.reason()).await?.map(|bytes| (garbage, bytes)))
        })
        .buffer_unordered(REMOVALS_AT_ONCE)
        .try_filter_map(|removed| async move { Ok(removed) })
        .try_collect()
        .await?;
    for (garbage, bytes) in removed {
        round.count(garbage, 1, bytes);
    }
    Ok(())
}
