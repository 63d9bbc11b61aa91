//! A walk over section headers, the ground under everything else that reads a file.
//!
//! It trusts nothing and allocates nothing; what it yields lies within the slice.

use wasmparser::BinaryReader;

use crate::kind::HEADER_BYTES;
use crate::refused::Refused;

/// Section id of a custom section, in modules and components.
pub(super) const CUSTOM: u8 = 0;

/// One section of a component or module.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section<'a> {
    /// Its id.
    pub(super) id: u8,
    /// Its content.
    pub(super) body: &'a [u8],
    /// Where the content begins in the file.
    pub(super) offset: usize,
    /// Whether its size is minimally encoded.
    pub(super) minimal: bool,
}

/// A custom section's name and content.
#[derive(Debug, Clone, Copy)]
pub(super) struct Custom<'a> {
    pub(super) name: &'a str,
    pub(super) payload: &'a [u8],
    /// Where the payload begins in the file.
    pub(super) offset: usize,
    /// Whether the section's size and the name's length are both minimally encoded.
    pub(super) minimal: bool,
}

impl<'a> Section<'a> {
    /// A reader of its content that knows where it stands in the file.
    pub(super) fn reader(&self) -> BinaryReader<'a> {
        BinaryReader::new(self.body, self.offset as u64)
    }

    /// Splits a custom section.
    pub(super) fn custom(&self) -> Result<Custom<'a>, Refused> {
        let mut cursor = Cursor { bytes: self.body, at: 0, base: self.offset };
        let (size, minimal) = cursor.u32()?;
        let name = cursor.take(size)?;
        let name = std::str::from_utf8(name)
            .map_err(|_| Refused::invalid("malformed UTF-8 in a custom section's name", self.offset))?;
        Ok(Custom {
            name,
            payload: &self.body[cursor.at..],
            offset: self.offset + cursor.at,
            minimal: minimal && self.minimal,
        })
    }
}

/// Iterates over the sections of one component or module.
pub(super) struct Sections<'a> {
    cursor: Cursor<'a>,
    broken: bool,
}

impl<'a> Sections<'a> {
    /// The sections after the header of `bytes`, which begin at `base` in the file.
    pub(super) fn new(bytes: &'a [u8], base: usize) -> Self {
        Self { cursor: Cursor { bytes, at: HEADER_BYTES.min(bytes.len()), base }, broken: false }
    }

    fn read(&mut self) -> Result<Section<'a>, Refused> {
        let id = self.cursor.take(1)?[0];
        let (size, minimal) = self.cursor.u32()?;
        let offset = self.cursor.base + self.cursor.at;
        let body = self.cursor.take(size)?;
        Ok(Section { id, body, offset, minimal })
    }

    /// Whether nothing is left.
    pub(super) fn at_end(&self) -> bool {
        self.cursor.at == self.cursor.bytes.len()
    }
}

impl<'a> Iterator for Sections<'a> {
    type Item = Result<Section<'a>, Refused>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken || self.at_end() {
            return None;
        }
        let section = self.read();
        self.broken = section.is_err();
        Some(section)
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    base: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, size: u32) -> Result<&'a [u8], Refused> {
        let end = usize::try_from(size).ok().and_then(|size| self.at.checked_add(size));
        let taken = end.and_then(|end| self.bytes.get(self.at..end)).ok_or_else(|| {
            Refused::invalid("truncated: a section or name ends after its surroundings", self.base + self.at)
        })?;
        self.at += taken.len();
        Ok(taken)
    }

    /// An unsigned LEB128 of 32 bits, and whether it was written in as few bytes as possible.
    fn u32(&mut self) -> Result<(u32, bool), Refused> {
        const BYTES_MAX: u32 = 5;
        let start = self.base + self.at;
        let mut value = 0;
        for i in 0..BYTES_MAX {
            let byte = self.take(1)?[0];
            let bits = u32::from(byte & 0x7f);
            if i == BYTES_MAX - 1 && byte > 0x0f {
                break;
            }
            value |= bits << (7 * i);
            if byte & 0x80 == 0 {
                return Ok((value, i == 0 || bits != 0));
            }
        }
        Err(Refused::invalid("malformed integer: a LEB128 number is too long", start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(bytes: &[u8]) -> Option<(u32, bool)> {
        Cursor { bytes, at: 0, base: 0 }.u32().ok()
    }

    #[test]
    fn integers_are_read_whole_and_only_minimal_ones_are_called_so() {
        for (bytes, expected) in [
            (&[0][..], Some((0, true))),
            (&[0x80, 0], Some((0, false))),
            (&[0xe5, 0x8e, 0x26], Some((624_485, true))),
            (&[0xff, 0xff, 0xff, 0xff, 0x0f], Some((u32::MAX, true))),
            (&[0xff, 0xff, 0xff, 0xff, 0x1f], None),
            (&[0x80, 0x80, 0x80, 0x80, 0x80, 0], None),
            (&[0x80], None),
            (&[], None),
        ] {
            assert_eq!(number(bytes), expected, "{bytes:x?}");
        }
    }

    #[test]
    fn a_walk_stops_at_the_first_fault() {
        let bytes = b"\0asm\x0d\0\x01\0\0\x02\x01a\0\x05";
        let sections: Vec<_> = Sections::new(bytes, 0).collect();
        assert_eq!(sections.len(), 2);
        assert_eq!(sections[0].as_ref().unwrap().custom().unwrap().name, "a");
        assert!(sections[1].is_err());
    }
}
