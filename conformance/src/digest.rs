//! Digests, as registries name content.

use std::fmt;

use aws_lc_rs::digest::{SHA256, SHA512, digest};

/// `sha256:…` or `sha512:…` of bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Digest(String);

impl Digest {
    /// The SHA-256 digest.
    pub(crate) fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(format!("sha256:{}", hex::encode(digest(&SHA256, bytes.as_ref()))))
    }

    /// The SHA-512 digest.
    pub(crate) fn sha512(bytes: impl AsRef<[u8]>) -> Self {
        Self(format!("sha512:{}", hex::encode(digest(&SHA512, bytes.as_ref()))))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The part after the colon.
    pub(crate) fn encoded(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, encoded)| encoded)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_nothing_are_the_known_ones() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of("").as_str(), empty);
        assert!(Digest::sha512("").as_str().starts_with("sha512:cf83e1357eefb8bd"));
        assert_eq!(Digest::sha512("").encoded().len(), 128);
    }
}
