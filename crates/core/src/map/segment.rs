//! Segments: all map pages that one commit made, as one object.
//!
//! Layout, numbers big-endian: u32 count; for each page, in order of the pages: its hash, u32 offset from the
//! segment's begin, u32 length; then the pages, the root first. A page can be read by its range alone.

use std::ops::Range;

use super::page::{MapError, Page, PageRef, Reader};
use crate::digest::Digest;

/// Bytes of the count.
const COUNT_BYTES: u64 = 4;

/// Bytes of one line of the index.
const LINE_BYTES: u64 = 40;

/// Most pages in one segment: 256 records of 64 pages each.
pub const SEGMENT_PAGES_MAX: u32 = 16_384;

/// Writes the pages of one commit.
#[must_use]
pub fn encode(pages: &[(PageRef, Page)]) -> Vec<u8> {
    let pages: Vec<(Digest, Vec<u8>)> =
        pages.iter().map(|(page_ref, page)| (page_ref.hash, page.encode())).collect();
    write(&pages)
}

fn write<B: AsRef<[u8]>>(pages: &[(Digest, B)]) -> Vec<u8> {
    let mut segment = (pages.len() as u32).to_be_bytes().to_vec();
    let mut offset = (COUNT_BYTES + LINE_BYTES * pages.len() as u64) as u32;
    for (hash, body) in pages {
        let length = body.as_ref().len() as u32;
        segment.extend_from_slice(hash.as_bytes());
        segment.extend_from_slice(&offset.to_be_bytes());
        segment.extend_from_slice(&length.to_be_bytes());
        offset += length;
    }
    for (_, body) in pages {
        segment.extend_from_slice(body.as_ref());
    }
    segment
}

/// Where each page of a segment lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentIndex(Vec<(Digest, Range<u64>)>);

impl SegmentIndex {
    /// How many bytes of the segment its index takes; `head` are at least its first four.
    ///
    /// # Errors
    /// [`MapError::Malformed`].
    pub fn bytes_needed(head: &[u8]) -> Result<u64, MapError> {
        let count = u32::from_be_bytes(Reader(head).take()?);
        if count > SEGMENT_PAGES_MAX {
            return Err(MapError::Malformed { reason: "the segment has too many pages" });
        }
        Ok(COUNT_BYTES + LINE_BYTES * u64::from(count))
    }

    /// Reads the index; `head` may go on behind it.
    ///
    /// # Errors
    /// [`MapError::Malformed`].
    pub fn decode(head: &[u8]) -> Result<Self, MapError> {
        let mut end = Self::bytes_needed(head)?;
        let mut reader = Reader(head);
        let count = u32::from_be_bytes(reader.take()?);
        let mut lines = Vec::new();
        for _ in 0..count {
            let hash = reader.digest()?;
            let offset = u64::from(u32::from_be_bytes(reader.take()?));
            let length = u64::from(u32::from_be_bytes(reader.take()?));
            if offset != end {
                return Err(MapError::Malformed { reason: "the segment's pages do not follow each other" });
            }
            end = offset + length;
            lines.push((hash, offset..end));
        }
        Ok(Self(lines))
    }

    /// Where the page with this hash lies.
    #[must_use]
    pub fn find(&self, hash: &Digest) -> Option<Range<u64>> {
        self.0.iter().find(|(found, _)| found == hash).map(|(_, range)| range.clone())
    }
}

/// The segment without the pages that are dead, and how many pages are left in it.
///
/// # Errors
/// [`MapError::Malformed`].
pub fn without(bytes: &[u8], is_dead: impl Fn(&Digest) -> bool) -> Result<(Vec<u8>, u64), MapError> {
    let short = MapError::Malformed { reason: "it is too short" };
    let mut kept = Vec::new();
    for (hash, range) in SegmentIndex::decode(bytes)?.0 {
        let range = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
        let body = range.and_then(|(start, end)| bytes.get(start..end)).ok_or(short.clone())?;
        if !is_dead(&hash) {
            kept.push((hash, body));
        }
    }
    Ok((write(&kept), kept.len() as u64))
}

/// All pages of the segment that the commit of tree size `segment` made, the root first.
///
/// # Errors
/// [`MapError::Malformed`].
pub fn decode(bytes: &[u8], segment: u64) -> Result<Vec<(PageRef, Page)>, MapError> {
    let index = SegmentIndex::decode(bytes)?;
    let whole = index.0.last().map_or(COUNT_BYTES, |(_, range)| range.end);
    if whole != bytes.len() as u64 {
        return Err(MapError::Malformed { reason: "the segment has another length than its index says" });
    }
    index
        .0
        .into_iter()
        .map(|(hash, range)| {
            let body = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
            let body = body.and_then(|(start, end)| bytes.get(start..end));
            let page = Page::decode(body.ok_or(MapError::Malformed { reason: "it is too short" })?)?;
            Ok((PageRef { hash, segment }, page))
        })
        .collect()
}
