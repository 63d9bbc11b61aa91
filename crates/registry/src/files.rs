//! The log door's static files: what a reader with nothing but GETs verifies everything by.
//!
//! Layout: `spec/transparency.md`, "Tiles" and "Ours". A map page is addressed by the segment that holds it and
//! by its hash.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use wargate_core::digest::Digest;
use wargate_core::envelope::Envelope;
use wargate_core::id::{Layer, LogId, RecordId, leaf_hash, parse_entry};
use wargate_core::log::tile::{
    BundleError, BundleKind, BundlePath, TILE_WIDTH, TileId, TilePath, decode_entries, decode_names,
    decode_records,
};
use wargate_core::map::page::{PAGE_DEPTH_MAX, Page, PageRef};
use wargate_core::map::segment;
use wargate_core::name::LogName;

use crate::apply;
use crate::error::Error;
use crate::hashes::check_page;
use crate::objects;
use crate::recovery;
use crate::shared::Shared;

/// A file below `/log/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StaticPath {
    /// `checkpoint`: the issued checkpoint.
    Checkpoint,
    /// `tile/L/N[.p/W]`.
    Tile(TilePath),
    /// `tile/entries/N[.p/W]`, `records/N[.p/W]`, `names/N[.p/W]`.
    Bundle(BundlePath),
    /// `map/SIZE`: all map pages that the commit of this tree size made.
    MapSegment {
        /// The tree size.
        size: u64,
    },
    /// `map/SIZE/HASH`: one of them.
    MapPage(PageRef),
}

/// A path that names no file of the log door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the log has no such file")]
pub struct NoSuchPath;

impl FromStr for StaticPath {
    type Err = NoSuchPath;

    fn from_str(path: &str) -> Result<Self, NoSuchPath> {
        if path == "checkpoint" {
            return Ok(Self::Checkpoint);
        }
        if let Some(rest) = path.strip_prefix("map/") {
            return parse_map(rest).ok_or(NoSuchPath);
        }
        path.parse().map(Self::Bundle).or_else(|_| path.parse().map(Self::Tile)).map_err(|_| NoSuchPath)
    }
}

fn parse_map(rest: &str) -> Option<StaticPath> {
    let (size_text, hash) = rest.split_once('/').map_or((rest, None), |(size, hash)| (size, Some(hash)));
    let size: u64 = size_text.parse().ok()?;
    if size.to_string() != size_text {
        return None;
    }
    match hash {
        None => Some(StaticPath::MapSegment { size }),
        Some(hex) => {
            let hash: Digest = format!("sha256:{hex}").parse().ok()?;
            Some(StaticPath::MapPage(PageRef { hash, segment: size }))
        }
    }
}

impl fmt::Display for StaticPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkpoint => f.write_str("checkpoint"),
            Self::Tile(tile) => tile.fmt(f),
            Self::Bundle(bundle) => bundle.fmt(f),
            Self::MapSegment { size } => write!(f, "map/{size}"),
            Self::MapPage(page) => write!(f, "map/{}/{}", page.segment, page.hash.to_hex()),
        }
    }
}

/// A file's bytes and how they may be kept.
#[derive(Debug, Clone)]
pub struct StaticFile {
    /// The bytes.
    pub bytes: Bytes,
    /// Whether they are the same for ever.
    pub immutable: bool,
    /// The media type.
    pub content_type: &'static str,
}

/// Looks at a file that must be there; damage is told and counted. A full bundle is held against the ledger, byte for
/// byte: no hash covers an envelope's signature.
pub(crate) async fn scrub(shared: &Shared, path: &StaticPath) -> Result<(), Error> {
    if let StaticPath::Bundle(bundle) = path {
        let from = bundle.index * u64::from(TILE_WIDTH);
        let to = from + u64::from(bundle.width);
        let records = recovery::load_records(&*shared.db, from, to).await?;
        let object = objects::bundle_path(bundle);
        let lies = objects::get(&shared.objects, &object).await?;
        let bundles = apply::bundles_of(bundle.index, &records)?;
        return match bundles.into_iter().find(|(path, _)| *path == object) {
            Some((_, bytes)) if Some(&bytes) == lies.as_ref() => Ok(()),
            _ => Err(objects::damaged(path, "it is missing, or not what the ledger's records give")),
        };
    }
    match read(shared, path).await {
        Err(Error::NoSuchFile { .. }) => Err(objects::damaged(path, "it is missing")),
        other => other.map(drop),
    }
}

pub(crate) async fn read(shared: &Shared, path: &StaticPath) -> Result<StaticFile, Error> {
    let object = match path {
        StaticPath::Checkpoint => objects::checkpoint_path(),
        StaticPath::Tile(tile) => objects::tile_path(tile),
        StaticPath::Bundle(bundle) => objects::bundle_path(bundle),
        StaticPath::MapSegment { size } => objects::segment_path(*size),
        StaticPath::MapPage(page) => {
            let bytes = shared.hashes.page_bytes(page).await?;
            if let Some(bytes) = &bytes {
                let checked = Page::decode(bytes)
                    .and_then(|decoded| check_page(&decoded, &page.hash, 0..PAGE_DEPTH_MAX));
                checked.map_err(|error| objects::damaged(path, error))?;
            }
            return found(path, bytes);
        }
    };
    let bytes = objects::get(&shared.objects, &object).await?;
    if let Some(bytes) = &bytes {
        check(shared, path, bytes).await.map_err(|wrong| objects::damaged(path, wrong))?;
    }
    found(path, bytes)
}

/// What is wrong with a file's bytes, as far as the hashes at hand tell: tiles and entries by the log's tree, records
/// and names by their entries, map pages by themselves. A checkpoint is its reader's to check.
async fn check(shared: &Shared, path: &StaticPath, bytes: &Bytes) -> Result<(), String> {
    match path {
        StaticPath::Checkpoint | StaticPath::MapPage(_) => Ok(()),
        StaticPath::Tile(tile) => {
            let known = known_hashes(shared, tile.id, tile.width).await?;
            let same = known.iter().flat_map(Digest::as_bytes).eq(bytes.iter());
            if same { Ok(()) } else { Err("its hashes are not those of the log's tree".to_owned()) }
        }
        StaticPath::Bundle(bundle) => check_bundle(shared, bundle, bytes).await,
        StaticPath::MapSegment { size } => {
            let pages = segment::decode(bytes, *size).map_err(|error| error.to_string())?;
            let check = |(at, (page_ref, page)): (usize, &(PageRef, Page))| {
                // The root comes first, and nothing else has its depth.
                let depths = if at == 0 { 0..1 } else { 1..PAGE_DEPTH_MAX };
                check_page(page, &page_ref.hash, depths).map_err(|error| error.to_string())
            };
            pages.iter().enumerate().try_for_each(check)
        }
    }
}

/// The first hashes of a tile, as the committed tree has them.
async fn known_hashes(shared: &Shared, id: TileId, width: u16) -> Result<Vec<Digest>, String> {
    let state = shared.state.load_full();
    let tile = shared.hashes.tile(&state, id).await.map_err(|error| error.to_string())?;
    let known = tile.hashes().get(..usize::from(width));
    known.map(<[Digest]>::to_vec).ok_or_else(|| "it is longer than the log".to_owned())
}

async fn check_bundle(shared: &Shared, bundle: &BundlePath, bytes: &Bytes) -> Result<(), String> {
    let width = bundle.width;
    let malformed = |error: BundleError| error.to_string();
    if bundle.kind == BundleKind::Entries {
        let entries = decode_entries(bytes, width).map_err(malformed)?;
        let known = known_hashes(shared, TileId { level: 0, index: bundle.index }, width).await?;
        let same = entries.into_iter().map(leaf_hash).eq(known);
        return if same { Ok(()) } else { Err("its entries are not the log's".to_owned()) };
    }
    let path = objects::bundle_path(&BundlePath { kind: BundleKind::Entries, ..*bundle });
    let entries = objects::get(&shared.objects, &path).await.map_err(|error| error.to_string())?;
    // Without its entries a bundle is served as it lies: its reader checks it.
    let Some(entries) = entries else { return Ok(()) };
    let entries = decode_entries(&entries, width).map_err(malformed)?;
    let ids: Option<Vec<_>> = entries.into_iter().map(parse_entry).collect();
    let ids = ids.ok_or_else(|| format!("`{path}` holds other things than entries"))?;
    if bundle.kind == BundleKind::Records {
        let envelopes = decode_records(bytes, width).map_err(malformed)?;
        let is_record = |(bytes, (_, record)): (&[u8], &(LogId, RecordId))| {
            // A record that is withheld is empty (`spec/transparency.md`, "Ours").
            if bytes.is_empty() {
                return true;
            }
            let Ok(envelope) = Envelope::decode(&Bytes::copy_from_slice(bytes)) else { return false };
            let layers = [Layer::Package, Layer::Namespace, Layer::Operator];
            layers.iter().any(|layer| envelope.record_id(*layer) == *record)
        };
        let same = envelopes.into_iter().zip(&ids).all(is_record);
        return if same { Ok(()) } else { Err("its records are not the log's".to_owned()) };
    }
    let names = decode_names(bytes, width).map_err(malformed)?;
    let is_name = |(name, (log, _)): (&str, &(LogId, RecordId))| {
        name.is_empty() || name.parse::<LogName>().is_ok_and(|name| name.log_id() == *log)
    };
    let same = names.into_iter().zip(&ids).all(is_name);
    if same { Ok(()) } else { Err("its names are not the logs'".to_owned()) }
}

fn found(path: &StaticPath, bytes: Option<Bytes>) -> Result<StaticFile, Error> {
    let bytes = bytes.ok_or_else(|| Error::NoSuchFile { path: path.to_string() })?;
    Ok(match path {
        StaticPath::Checkpoint => {
            StaticFile { bytes, immutable: false, content_type: "text/plain; charset=utf-8" }
        }
        _ => StaticFile { bytes, immutable: true, content_type: "application/octet-stream" },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_spelling() {
        let hash = "ab".repeat(32);
        for good in
            ["checkpoint", "tile/0/x001/234", "tile/entries/000.p/7", "records/000", "names/000", "map/7"]
        {
            assert_eq!(good.parse::<StaticPath>().unwrap().to_string(), good);
        }
        assert!(format!("map/7/{hash}").parse::<StaticPath>().is_ok());
        for bad in
            ["", "/", "checkpoint/", "map/", "map/07", "map/+7", "map/7/", "map/7/AB", "tile/0/../1", "keys"]
        {
            assert!(bad.parse::<StaticPath>().is_err(), "{bad}");
        }
    }
}
