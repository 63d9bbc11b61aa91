//! The static files of the log below its map: tiles and bundles, against what the records give
//! (`spec/transparency.md`, "Tiles" and "Ours").

use bytes::Bytes;
use object_store::path::Path;
use wargate_core::digest::Digest;
use wargate_core::id::{LogId, RecordId, parse_entry};
use wargate_core::log::tile::{
    BundleError, BundleKind, BundlePath, Edge, TILE_WIDTH, TileId, TilePath, decode_entries, decode_names,
    decode_records, encode_entries, encode_names, encode_records, tiles_of,
};
use wargate_core::name::LogName;

use super::pin::Laid;
use super::resolve::{Said, said_in_bundles};
use super::{Check, Remedy};
use crate::error::Error;
use crate::objects;

/// The files of one window of records, as they lie.
#[derive(Debug, Default)]
pub(super) struct Window {
    leaves: Vec<Digest>,
    ids: Vec<(LogId, RecordId)>,
    envelopes: Vec<Bytes>,
    names: Vec<String>,
}

impl Window {
    /// What they say of the record at `index`, the `at`-th of the window.
    pub(super) fn said(&self, index: u64, at: usize) -> (Option<Said>, Option<Digest>) {
        let name = self.names.get(at).map(String::as_str);
        let said = said_in_bundles(index, self.ids.get(at).copied(), self.envelopes.get(at), name);
        (said, self.leaves.get(at).copied())
    }

    /// The ids of the entry at a place.
    pub(super) fn ids(&self, at: usize) -> Option<(LogId, RecordId)> {
        self.ids.get(at).copied()
    }

    /// The envelope at a place, as it lies.
    pub(super) fn envelope(&self, at: usize) -> Option<&Bytes> {
        self.envelopes.get(at)
    }
}

/// The record of a bundle, as it should lie.
#[derive(Debug, Clone)]
pub(super) struct Settled {
    /// `None` if it is not known.
    pub(super) entry: Option<Vec<u8>>,
    pub(super) envelope: Option<Bytes>,
    /// Empty where no log begins; `None` if that is not known.
    pub(super) name: Option<String>,
    /// Whether a signed checkpoint holds it.
    pub(super) verified: bool,
    /// Whether its signature was checked.
    pub(super) judged: bool,
}

/// The width of the last file of a kind that a tree of `size` has of bundle `index`, up to 256; 0 if none.
fn width(index: u64, size: u64) -> u16 {
    let first = index * u64::from(TILE_WIDTH);
    u16::try_from(size.saturating_sub(first).min(u64::from(TILE_WIDTH))).unwrap_or(TILE_WIDTH)
}

pub(super) fn tile_bytes(hashes: &[Digest]) -> Bytes {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect::<Vec<u8>>().into()
}

impl Check<'_> {
    /// Reads an object; a failure is told as damage would be.
    pub(super) async fn look(&self, path: &Path) -> Result<Option<Bytes>, String> {
        objects::get(self.objects, path).await.map_err(|error| error.to_string())
    }

    /// The files of bundle `index` of a tree that is laid down up to `to`, as far as they can be read.
    pub(super) async fn window(&self, index: u64, to: u64) -> Window {
        let width = width(index, to);
        if width == 0 {
            return Window::default();
        }
        let read = async |path: Path| self.look(&path).await.ok().flatten().unwrap_or_default();
        let bundle = |kind| objects::bundle_path(&BundlePath { kind, index, width });
        let id = TileId { level: 0, index };
        let tile = read(objects::tile_path(&TilePath { id, width })).await;
        let entries = read(bundle(BundleKind::Entries)).await;
        let records = read(bundle(BundleKind::Records)).await;
        let names = read(bundle(BundleKind::Names)).await;
        let ids = decode_entries(&entries, width).unwrap_or_default();
        let envelopes = decode_records(&records, width).unwrap_or_default();
        Window {
            leaves: tile.chunks(32).filter_map(Digest::from_slice).collect(),
            ids: ids.into_iter().map(parse_entry).collect::<Option<Vec<_>>>().unwrap_or_default(),
            envelopes: envelopes.into_iter().map(|bytes| records.slice_ref(bytes)).collect(),
            names: decode_names(&names, width).unwrap_or_default().into_iter().map(str::to_owned).collect(),
        }
    }

    /// Holds an object against its bytes. `right`: they are certain, so that it may be made anew.
    pub(super) async fn hold_object(
        &mut self,
        path: &Path,
        expected: &Bytes,
        right: bool,
    ) -> Result<(), Error> {
        let wrong = match self.look(path).await {
            Ok(Some(found)) if found == *expected => return Ok(()),
            Ok(Some(found)) if found.len() != expected.len() => {
                format!("it has {} bytes and should have {}", found.len(), expected.len())
            }
            Ok(Some(found)) => {
                let at = found.iter().zip(expected).position(|(a, b)| a != b).unwrap_or_default();
                format!("it is another one from byte {at} on")
            }
            Ok(None) => "it is missing".to_owned(),
            Err(error) => error,
        };
        self.found_object(path, wrong, right.then(|| expected.clone())).await
    }

    /// Holds the bundles of these records, the first of which begins bundle `index`, against what they should be.
    pub(super) async fn check_bundles(
        &mut self,
        index: u64,
        settled: &[Settled],
        there: &Window,
        laid: &Laid,
    ) -> Result<(), Error> {
        let width = u16::try_from(settled.len()).unwrap_or(TILE_WIDTH);
        let differs = |(at, one): (usize, &Settled)| {
            !one.judged && there.envelope(at).is_some_and(|lies| one.envelope.as_ref() != Some(lies))
        };
        let right = settled.iter().all(|one| one.verified) && !settled.iter().enumerate().any(differs);
        for kind in [BundleKind::Entries, BundleKind::Records, BundleKind::Names] {
            let path = objects::bundle_path(&BundlePath { kind, index, width });
            if !self.picks("bundle", path.as_ref().as_bytes()) {
                continue;
            }
            self.count("bundles", 1);
            match encoded(kind, settled) {
                Ok(Some(expected)) => {
                    if width == TILE_WIDTH || !self.is_replaced(&path, laid).await {
                        self.hold_object(&path, &expected, right).await?;
                    }
                }
                Ok(None) => {
                    let wrong = "what it should hold is not known any more";
                    self.found(super::Damage::object(&path, wrong, Remedy::Look));
                }
                Err(error) => return Err(Error::internal("encode a bundle", error)),
            }
        }
        Ok(())
    }

    /// Whether a partial file that is missing was needed when the check began and is not any more.
    async fn is_replaced(&self, path: &Path, laid: &Laid) -> bool {
        if !matches!(self.look(path).await, Ok(None)) {
            return false;
        }
        let issued = self.look(&objects::checkpoint_path()).await.ok().flatten();
        let before = laid.issued.as_ref().map(|issued| issued.note.as_bytes());
        issued.as_deref() != before
    }

    /// Holds the full tiles that an append made against what they should be.
    pub(super) async fn check_tiles(
        &mut self,
        tiles: &[(TileId, Vec<Digest>)],
        to: u64,
        right: bool,
    ) -> Result<(), Error> {
        for (id, hashes) in tiles.iter().filter(|(_, hashes)| hashes.len() == usize::from(TILE_WIDTH)) {
            let leaves = 1u128 << (8 * (u32::from(id.level) + 1));
            let path = objects::tile_path(&TilePath { id: *id, width: TILE_WIDTH });
            if (u128::from(id.index) + 1) * leaves <= u128::from(to)
                && self.picks("tile", path.as_ref().as_bytes())
            {
                self.count("tiles", 1);
                self.hold_object(&path, &tile_bytes(hashes), right).await?;
            }
        }
        Ok(())
    }

    /// Holds the partial tiles of a tree against what they should be.
    pub(super) async fn check_edge(&mut self, edge: &Edge, to: u64, right: bool) -> Result<(), Error> {
        for path in tiles_of(edge.size()) {
            let Some(hashes) = edge.partial_tile(path.id) else { continue };
            let object = objects::tile_path(&path);
            let leaves = 1u128 << (8 * (u32::from(path.id.level) + 1));
            let is_full_by_now = (u128::from(path.id.index) + 1) * leaves <= u128::from(to);
            if is_full_by_now && matches!(self.look(&object).await, Ok(None)) {
                continue;
            }
            self.count("tiles", 1);
            self.hold_object(&object, &tile_bytes(hashes), right).await?;
        }
        Ok(())
    }
}

/// A bundle's bytes; `None` if they are not all known.
fn encoded(kind: BundleKind, settled: &[Settled]) -> Result<Option<Bytes>, BundleError> {
    let bytes = match kind {
        BundleKind::Entries => {
            let all: Option<Vec<&[u8]>> = settled.iter().map(|one| one.entry.as_deref()).collect();
            let Some(all) = all else { return Ok(None) };
            encode_entries(all.into_iter())?
        }
        BundleKind::Records => {
            let all: Option<Vec<&[u8]>> = settled.iter().map(|one| one.envelope.as_deref()).collect();
            let Some(all) = all else { return Ok(None) };
            encode_records(all.into_iter())?
        }
        BundleKind::Names => {
            let all: Option<Vec<&str>> = settled.iter().map(|one| one.name.as_deref()).collect();
            let Some(all) = all else { return Ok(None) };
            encode_names(all.into_iter())?
        }
    };
    Ok(Some(bytes.into()))
}

/// The name that stands in a bundle for a record.
pub(super) fn name_in_bundle(index: u64, said: &Said) -> Option<String> {
    match said.number {
        Some(number) if number == index => said.name.as_ref().map(|name: &LogName| name.as_str().to_owned()),
        Some(_) => Some(String::new()),
        None => None,
    }
}
