//! Warg's "prefix encoding": what its hashes and signatures are taken over (`spec/warg.md`, "Hash inputs").
//!
//! A raw ASCII tag, then fields: an unsigned number as LEB128, a string as its LEB128 length and its bytes.

/// Builds the bytes of one prefix-encoded value.
#[derive(Debug, Clone)]
pub struct PrefixEncoder(Vec<u8>);

impl PrefixEncoder {
    /// Begins with a raw tag.
    #[must_use]
    pub fn new(tag: &str) -> Self {
        Self(tag.as_bytes().to_vec())
    }

    /// Appends raw bytes.
    #[must_use]
    pub fn raw(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.extend_from_slice(bytes.as_ref());
        self
    }

    /// Appends an unsigned number as LEB128.
    #[must_use]
    pub fn unsigned(mut self, number: u64) -> Self {
        prost::encoding::encode_varint(number, &mut self.0);
        self
    }

    /// Appends a string with its length before it.
    #[must_use]
    pub fn string(self, text: &str) -> Self {
        self.unsigned(text.len() as u64).raw(text)
    }

    /// The bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}
