//! Tiles and bundles: how the log lies in static files (`spec/transparency.md`, "Tiles" and "Ours").

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::tree::{NodeId, combine, node_hash};
use crate::digest::Digest;
use crate::id::ENTRY_BYTES;

/// Hashes in a full tile, and entries in a full bundle.
pub const TILE_WIDTH: u16 = 256;

/// Tree levels in a tile.
pub const TILE_HEIGHT: u8 = 8;

/// The highest tile level that a log of 2^63 entries can have.
pub const TILE_LEVEL_MAX: u8 = 7;

/// A tile's place: tile `index` of `level` holds the roots of 256 subtrees of height 8·level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// 0 for the leaves' hashes.
    pub level: u8,
    /// Its place among the tiles of its level.
    pub index: u64,
}

impl NodeId {
    /// The tile that the node's hash is computed from, and the range of that tile's hashes below the node.
    #[must_use]
    pub fn tile(self) -> (TileId, Range<usize>) {
        let (level, within) = (self.height / TILE_HEIGHT, self.height % TILE_HEIGHT);
        let first = u128::from(self.index) << within;
        let start = (first % u128::from(TILE_WIDTH)) as usize;
        let index = (first / u128::from(TILE_WIDTH)) as u64;
        (TileId { level, index }, start..start + (1 << within))
    }
}

/// The hash of a node from its tile; `None` if the tile is too short.
#[must_use]
pub fn node_in_tile(node: NodeId, hashes: &[Digest]) -> Option<Digest> {
    let (_, range) = node.tile();
    let mut row = hashes.get(range)?.to_vec();
    while row.len() > 1 {
        row = row.chunks(2).filter_map(|pair| Some(node_hash(pair.first()?, pair.get(1)?))).collect();
    }
    row.pop()
}

/// A tile's file: which tile, and how many of its hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    /// Which tile.
    pub id: TileId,
    /// 1 to 256; below 256 it is a partial tile.
    pub width: u16,
}

/// What a bundle holds of its 256 records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BundleKind {
    /// The log entries.
    Entries,
    /// The envelopes.
    Records,
    /// The names of the logs that begin with them.
    Names,
}

/// A bundle's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundlePath {
    /// What it holds.
    pub kind: BundleKind,
    /// Bundle `index` is of the records `256·index ..`.
    pub index: u64,
    /// 1 to 256; below 256 it is a partial bundle.
    pub width: u16,
}

/// A path that names no tile or bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the path of a tile or bundle")]
pub struct PathError;

/// Writes `N[.p/W]`: N in groups of three digits, all but the last with an `x`.
fn write_index(f: &mut fmt::Formatter<'_>, index: u64, width: u16) -> fmt::Result {
    let mut groups = vec![index % 1000];
    let mut rest = index / 1000;
    while rest > 0 {
        groups.push(rest % 1000);
        rest /= 1000;
    }
    for group in groups.iter().skip(1).rev() {
        write!(f, "x{group:03}/")?;
    }
    write!(f, "{:03}", groups.first().copied().unwrap_or(0))?;
    if width == TILE_WIDTH { Ok(()) } else { write!(f, ".p/{width}") }
}

/// Reads what [`write_index`] wrote; that nothing else is accepted is checked by writing it again.
fn parse_index(text: &str) -> Result<(u64, u16), PathError> {
    let (digits, width) = match text.split_once(".p/") {
        Some((digits, width)) => (digits, width.parse().map_err(|_| PathError)?),
        None => (text, TILE_WIDTH),
    };
    let mut index = 0u64;
    for group in digits.split('/') {
        let group: u64 = group.strip_prefix('x').unwrap_or(group).parse().map_err(|_| PathError)?;
        index = index.checked_mul(1000).and_then(|i| i.checked_add(group)).ok_or(PathError)?;
    }
    Ok((index, width))
}

fn strict<T: fmt::Display>(value: T, width: u16, text: &str) -> Result<T, PathError> {
    if (1..=TILE_WIDTH).contains(&width) && value.to_string() == text { Ok(value) } else { Err(PathError) }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/", self.id.level)?;
        write_index(f, self.id.index, self.width)
    }
}

impl FromStr for TilePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let (level, rest) =
            text.strip_prefix("tile/").and_then(|rest| rest.split_once('/')).ok_or(PathError)?;
        let level = level.parse().map_err(|_| PathError)?;
        let (index, width) = parse_index(rest)?;
        if level > 63 {
            return Err(PathError);
        }
        strict(Self { id: TileId { level, index }, width }, width, text)
    }
}

impl BundleKind {
    fn folder(self) -> &'static str {
        match self {
            Self::Entries => "tile/entries/",
            Self::Records => "records/",
            Self::Names => "names/",
        }
    }
}

impl fmt::Display for BundlePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.folder())?;
        write_index(f, self.index, self.width)
    }
}

impl FromStr for BundlePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let (kind, rest) = [BundleKind::Entries, BundleKind::Records, BundleKind::Names]
            .into_iter()
            .find_map(|kind| Some((kind, text.strip_prefix(kind.folder())?)))
            .ok_or(PathError)?;
        let (index, width) = parse_index(rest)?;
        strict(Self { kind, index, width }, width, text)
    }
}

/// The partial tiles at the right edge of a tree, from the lowest level up.
#[must_use]
pub fn tiles_of(size: u64) -> Vec<TilePath> {
    (0..=TILE_LEVEL_MAX)
        .filter_map(|level| {
            let hashes = size >> (u32::from(TILE_HEIGHT) * u32::from(level));
            let width = (hashes % u64::from(TILE_WIDTH)) as u16;
            let id = TileId { level, index: hashes / u64::from(TILE_WIDTH) };
            (width > 0).then_some(TilePath { id, width })
        })
        .collect()
}

/// The right edge of a tree: its size and its partial tiles. All that is needed to append, in O(log n) memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    levels: Vec<Level>,
}

/// The partial tile of one level.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Level {
    hashes: Vec<Digest>,
    /// The hashes of the perfect subtrees that `hashes` is made of, tallest first.
    roots: Vec<Digest>,
}

impl Level {
    /// Adds a hash; the tile's root if that made it full.
    fn push(&mut self, hash: Digest) -> Option<Digest> {
        self.hashes.push(hash);
        self.roots.push(hash);
        for _ in 0..self.hashes.len().trailing_zeros() {
            if let (Some(right), Some(left)) = (self.roots.pop(), self.roots.pop()) {
                self.roots.push(node_hash(&left, &right));
            }
        }
        if self.hashes.len() == usize::from(TILE_WIDTH) { self.roots.first().copied() } else { None }
    }
}

impl Edge {
    /// The edge of a tree without leaves.
    #[must_use]
    pub fn empty() -> Self {
        Self { size: 0, levels: Vec::new() }
    }

    /// The edge of a tree from its partial tiles, those of [`tiles_of`]; `None` if they are others.
    #[must_use]
    pub fn from_partial_tiles(size: u64, tiles: Vec<(TileId, Vec<Digest>)>) -> Option<Self> {
        let paths = tiles_of(size);
        if paths.len() != tiles.len() {
            return None;
        }
        let mut levels = Vec::new();
        for (path, (id, hashes)) in paths.iter().zip(tiles) {
            if path.id != id || hashes.len() != usize::from(path.width) {
                return None;
            }
            levels.resize(usize::from(id.level) + 1, Level::default());
            let level = levels.last_mut()?;
            for hash in hashes {
                level.push(hash);
            }
        }
        Some(Self { size, levels })
    }

    /// The number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The tree's root.
    #[must_use]
    pub fn root(&self) -> Digest {
        let roots: Vec<Digest> =
            self.levels.iter().rev().flat_map(|level| level.roots.iter().copied()).collect();
        combine(&roots)
    }

    /// The hashes of a tile, if it is a partial one of this edge.
    #[must_use]
    pub fn partial_tile(&self, id: TileId) -> Option<&[Digest]> {
        let hashes = &self.levels.get(usize::from(id.level))?.hashes;
        (!hashes.is_empty() && self.index_of(id.level) == id.index).then_some(hashes.as_slice())
    }

    /// The index of the tile that a level is filling.
    fn index_of(&self, level: u8) -> u64 {
        // Level 7 is one tile for any size: all 64 bits are shifted out.
        self.size.checked_shr(u32::from(TILE_HEIGHT) * (u32::from(level) + 1)).unwrap_or(0)
    }

    /// Appends leaves; every tile that changed, with its whole content, by level and index.
    pub fn append(&mut self, leaves: &[Digest]) -> Vec<(TileId, Vec<Digest>)> {
        let mut full = Vec::new();
        let mut touched = Vec::new();
        for leaf in leaves {
            self.push(*leaf, &mut full, &mut touched);
        }
        for (level, state) in (0u8..).zip(&self.levels) {
            if touched.get(usize::from(level)) == Some(&true) && !state.hashes.is_empty() {
                full.push((TileId { level, index: self.index_of(level) }, state.hashes.clone()));
            }
        }
        full.sort_by_key(|(id, _)| *id);
        full
    }

    fn push(&mut self, leaf: Digest, full: &mut Vec<(TileId, Vec<Digest>)>, touched: &mut Vec<bool>) {
        let mut carry = Some(leaf);
        let mut level = 0u8;
        while let Some(hash) = carry {
            let index = self.index_of(level);
            let at = usize::from(level);
            if self.levels.len() <= at {
                self.levels.push(Level::default());
            }
            if touched.len() <= at {
                touched.push(false);
            }
            touched[at] = true;
            carry = self.levels[at].push(hash);
            if carry.is_some() {
                let done = std::mem::take(&mut self.levels[at]);
                full.push((TileId { level, index }, done.hashes));
            }
            level += 1;
        }
        self.size += 1;
    }
}

/// A bundle that cannot be encoded or is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// An item does not fit behind its length.
    #[error("an item of {bytes} bytes is too long for this bundle")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// Not as many items as the bundle is wide.
    #[error("the bundle ends within an item or holds other than {expected} items")]
    Malformed {
        /// The number of items expected.
        expected: usize,
    },
}

/// Writes items, each with its length before it as `length` writes it.
fn encode_items<'a>(
    items: impl Iterator<Item = &'a [u8]>,
    length: impl Fn(usize) -> Option<Vec<u8>>,
) -> Result<Vec<u8>, BundleError> {
    let mut bundle = Vec::new();
    for item in items {
        bundle.extend(length(item.len()).ok_or(BundleError::TooLong { bytes: item.len() })?);
        bundle.extend_from_slice(item);
    }
    Ok(bundle)
}

/// Splits a bundle of exactly `count` items whose lengths are big-endian numbers of `length_bytes`.
fn decode_items(bundle: &[u8], count: usize, length_bytes: usize) -> Result<Vec<&[u8]>, BundleError> {
    let malformed = BundleError::Malformed { expected: count };
    let mut rest = bundle;
    let mut items = Vec::with_capacity(count.min(usize::from(TILE_WIDTH)));
    for _ in 0..count {
        let (length, tail) = rest.split_at_checked(length_bytes).ok_or(malformed.clone())?;
        let length = length.iter().fold(0usize, |length, byte| length << 8 | usize::from(*byte));
        let (item, tail) = tail.split_at_checked(length).ok_or(malformed.clone())?;
        items.push(item);
        rest = tail;
    }
    if rest.is_empty() { Ok(items) } else { Err(malformed) }
}

/// The bundle of log entries: each with a big-endian u16 length before it.
///
/// # Errors
/// [`BundleError::TooLong`].
pub fn encode_entries<'a>(entries: impl Iterator<Item = &'a [u8]>) -> Result<Vec<u8>, BundleError> {
    encode_items(entries, |length| Some(u16::try_from(length).ok()?.to_be_bytes().to_vec()))
}

/// The bundle of envelopes: each with a big-endian u32 length before it.
///
/// # Errors
/// [`BundleError::TooLong`].
pub fn encode_records<'a>(records: impl Iterator<Item = &'a [u8]>) -> Result<Vec<u8>, BundleError> {
    encode_items(records, |length| Some(u32::try_from(length).ok()?.to_be_bytes().to_vec()))
}

/// The bundle of names: each with a u8 length before it; empty where no log begins.
///
/// # Errors
/// [`BundleError::TooLong`].
pub fn encode_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<Vec<u8>, BundleError> {
    encode_items(names.map(str::as_bytes), |length| Some(vec![u8::try_from(length).ok()?]))
}

/// The entries of a bundle of `width`, each [`ENTRY_BYTES`] long.
///
/// # Errors
/// [`BundleError::Malformed`].
pub fn decode_entries(bundle: &[u8], width: u16) -> Result<Vec<&[u8]>, BundleError> {
    let items = decode_items(bundle, usize::from(width), 2)?;
    if items.iter().all(|item| item.len() == ENTRY_BYTES) {
        Ok(items)
    } else {
        Err(BundleError::Malformed { expected: usize::from(width) })
    }
}

/// The encoded envelopes of a bundle of `width`; empty where a record is withheld.
///
/// # Errors
/// [`BundleError::Malformed`].
pub fn decode_records(bundle: &[u8], width: u16) -> Result<Vec<&[u8]>, BundleError> {
    decode_items(bundle, usize::from(width), 4)
}

/// The names of a bundle of `width`.
///
/// # Errors
/// [`BundleError::Malformed`].
pub fn decode_names(bundle: &[u8], width: u16) -> Result<Vec<&str>, BundleError> {
    decode_items(bundle, usize::from(width), 1)?
        .into_iter()
        .map(|name| {
            std::str::from_utf8(name).map_err(|_| BundleError::Malformed { expected: usize::from(width) })
        })
        .collect()
}
