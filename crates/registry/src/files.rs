//! The log door's static files: what a reader with nothing but GETs verifies everything by.
//!
//! Layout: `spec/transparency.md`, "Tiles" and "Ours". A map page is addressed by the segment that holds it and
//! by its hash.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use wargate_core::digest::Digest;
use wargate_core::log::tile::{BundlePath, TilePath};
use wargate_core::map::page::PageRef;

use crate::error::Error;
use crate::objects;
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

pub(crate) async fn read(shared: &Shared, path: &StaticPath) -> Result<StaticFile, Error> {
    let object = match path {
        StaticPath::Checkpoint => objects::checkpoint_path(),
        StaticPath::Tile(tile) => objects::tile_path(tile),
        StaticPath::Bundle(bundle) => objects::bundle_path(bundle),
        StaticPath::MapSegment { size } => objects::segment_path(*size),
        StaticPath::MapPage(page) => {
            let bytes = shared.hashes.page_bytes(page).await?;
            return found(path, bytes);
        }
    };
    found(path, objects::get(&shared.objects, &object).await?)
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
