//! The log's files as its ledger gives them: tiles and bundles made from its records, and the sizes of map segments.

use bytes::Bytes;
use futures::{Stream, TryStreamExt as _};
use object_store::path::Path;
use wargate_core::digest::Digest;
use wargate_core::id::leaf_hash;
use wargate_core::log::tile::{BundleKind, BundlePath, Edge, TILE_WIDTH, TilePath, tiles_of};
use wargate_core::map::page::PAGE_DEPTH_MAX;
use wargate_core::map::segment;

use super::BackupError;
use crate::apply::{bundles_of, tile_file};
use crate::db::Db;
use crate::error::Error;
use crate::hashes::check_page;
use crate::limits::COPY_ROWS;
use crate::objects;
use crate::recovery;
use crate::tables::{checkpoints, garbage};

/// One tile or bundle.
pub(super) struct LogFile {
    /// The tree size that its content is known from.
    pub(super) to: u64,
    pub(super) path: Path,
    pub(super) bytes: Bytes,
}

/// All tiles and bundles of the tree of this size, in the order of the records.
pub(super) fn below(ledger: &dyn Db, size: u64) -> impl Stream<Item = Result<LogFile, BackupError>> {
    let windows = futures::stream::try_unfold(Edge::empty(), move |edge| async move {
        if edge.size() == size {
            return Ok(None);
        }
        window(ledger, edge, size).await.map(Some)
    });
    windows.map_ok(|files| futures::stream::iter(files.into_iter().map(Ok))).try_flatten()
}

/// The files that the next 256 records complete; of the last records, the partial ones too.
async fn window(ledger: &dyn Db, mut edge: Edge, size: u64) -> Result<(Vec<LogFile>, Edge), BackupError> {
    let from = edge.size();
    let to = size.min(from + u64::from(TILE_WIDTH));
    let records = recovery::load_records(ledger, from, to).await?;
    let leaves: Vec<_> = records.iter().map(|record| leaf_hash(&record.entry)).collect();
    let tiles = edge.append(&leaves);
    let full = tiles.iter().filter(|(_, tile)| tile.len() == usize::from(TILE_WIDTH));
    let mut files: Vec<_> = full.map(|(id, tile)| tile_file(*id, tile)).collect();
    if to == size {
        let partial = |path: TilePath| Some(tile_file(path.id, edge.partial_tile(path.id)?));
        files.extend(tiles_of(size).into_iter().filter_map(partial));
    }
    files.extend(bundles_of(from / u64::from(TILE_WIDTH), &records)?);
    Ok((files.into_iter().map(|(path, bytes)| LogFile { to, path, bytes }).collect(), edge))
}

/// A map segment that is laid down and not garbage.
pub(super) struct Segment {
    /// The tree size of its commit.
    pub(super) size: u64,
    /// Of its bytes, if the ledger says so.
    digest: Option<Digest>,
}

/// All map segments that are laid down and not garbage.
pub(super) fn segments(ledger: &dyn Db, laid_down: u64) -> impl Stream<Item = Result<Segment, BackupError>> {
    let windows = futures::stream::try_unfold(0, move |after| async move {
        let statement = garbage::select_kept_segments(after, laid_down, COPY_ROWS);
        let rows = ledger.read(vec![statement]).await.map_err(Error::from)?;
        let found = checkpoints::segments(rows.into_iter().next().unwrap_or_default())?;
        Ok::<_, BackupError>(found.last().map(|(last, _)| *last).map(|last| (found, last)))
    });
    let segment = |(size, digest)| Ok(Segment { size, digest });
    windows.map_ok(move |found| futures::stream::iter(found.into_iter().map(segment))).try_flatten()
}

/// The partial files of the tree of this size.
pub(super) fn partials(size: u64) -> Vec<Path> {
    let mut paths: Vec<Path> = tiles_of(size).iter().map(objects::tile_path).collect();
    let (index, width) = (size / u64::from(TILE_WIDTH), (size % u64::from(TILE_WIDTH)) as u16);
    if width > 0 {
        let kinds = [BundleKind::Entries, BundleKind::Records, BundleKind::Names];
        paths.extend(kinds.map(|kind| objects::bundle_path(&BundlePath { kind, index, width })));
    }
    paths
}

impl Segment {
    /// Where it lies.
    pub(super) fn path(&self) -> Path {
        objects::segment_path(self.size)
    }

    /// Bytes must be those that the ledger knows. Where it knows none, every page must be the one that the index names; a
    /// page's hash depends on its depth, which the segment does not tell.
    pub(super) fn check(&self, bytes: &[u8]) -> Result<(), BackupError> {
        let path = self.path();
        if let Some(digest) = &self.digest {
            if Digest::of(bytes) == *digest {
                return Ok(());
            }
            return Err(BackupError::damaged(&path, "its bytes have another digest than the ledger says"));
        }
        let pages = segment::decode(bytes, self.size).map_err(|error| BackupError::damaged(&path, error))?;
        for (page_ref, page) in pages {
            check_page(&page, &page_ref.hash, 0..PAGE_DEPTH_MAX).map_err(|_| {
                BackupError::damaged(&path, format!("its page {} is another one", page_ref.hash))
            })?;
        }
        Ok(())
    }
}
