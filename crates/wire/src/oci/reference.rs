//! Names of repositories, tags and digests (`spec/oci.md`, "Grammar and routing").
//!
//! Each type holds what its grammar allows and nothing else, so that a stranger's text is either one of these or
//! an error at the edge. Not here: which package a repository is.

use std::fmt;
use std::str::FromStr;

use semver::Version;
use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha512};
use wargate_core::digest::Digest;
use wargate_core::name::{Namespace, PackageName};

use crate::text::shorten;

/// Longest repository name in bytes. With a host and a slash before it, it must still fit, but only the server
/// knows its host.
pub const REPOSITORY_NAME_BYTES_MAX: usize = 255;

/// Longest tag in bytes.
pub const TAG_BYTES_MAX: usize = 128;

/// Bytes in a SHA-512 digest.
pub const SHA512_BYTES: usize = 64;

/// The tag that means the newest release.
pub const LATEST: &str = "latest";

/// A repository's name, such as `p/acme/hello`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName(String);

/// A text that is no repository name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Longer than [`REPOSITORY_NAME_BYTES_MAX`].
    #[error("the repository name has {bytes} bytes, at most {REPOSITORY_NAME_BYTES_MAX} are allowed")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// A component breaks the grammar.
    #[error(
        "`{component}` is not a component of a repository name: expected runs of a-z and 0-9, joined by `.`, `_`, \
         `__` or hyphens"
    )]
    Component {
        /// The refused component, shortened.
        component: String,
    },
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_joint = |joint: &str| matches!(joint, "." | "_" | "__") || joint.bytes().all(|b| b == b'-');
    // The joints are what lies between the words: none before the first, none after the last.
    text.starts_with(is_word) && text.ends_with(is_word) && text.split(is_word).all(is_joint)
}

impl RepositoryName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name from its components, each of which must be one: a slash inside a component does not split it.
    ///
    /// # Errors
    /// If a component breaks the grammar, there is none, or the name is too long.
    pub fn from_components<T: AsRef<str>>(components: &[T]) -> Result<Self, NameError> {
        let bytes = components.iter().map(|part| part.as_ref().len() + 1).sum::<usize>().saturating_sub(1);
        if bytes > REPOSITORY_NAME_BYTES_MAX {
            return Err(NameError::TooLong { bytes });
        }
        if components.is_empty() {
            return Err(NameError::Component { component: String::new() });
        }
        for component in components.iter().map(AsRef::as_ref) {
            if !is_component(component) {
                return Err(NameError::Component { component: shorten(component) });
            }
        }
        let components: Vec<&str> = components.iter().map(AsRef::as_ref).collect();
        Ok(Self(components.join("/")))
    }
}

/// What stands for a namespace itself, where rights are asked for.
impl From<&Namespace> for RepositoryName {
    fn from(namespace: &Namespace) -> Self {
        Self(namespace.as_str().to_owned())
    }
}

/// `ns:name` is the repository `ns/name`: the words of a package's name are those of a repository's.
impl From<&PackageName> for RepositoryName {
    fn from(name: &PackageName) -> Self {
        Self(name.as_str().replacen(':', "/", 1))
    }
}

impl FromStr for RepositoryName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.len() > REPOSITORY_NAME_BYTES_MAX {
            return Err(NameError::TooLong { bytes: text.len() });
        }
        Self::from_components(&text.split('/').collect::<Vec<_>>())
    }
}

/// A tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

/// A text that is no tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a tag: expected 1 to {TAG_BYTES_MAX} characters of a-z, A-Z, 0-9, `_`, `.`, `-`, not beginning \
     with `.` or `-`"
)]
pub struct TagError {
    /// The refused text, shortened.
    pub text: String,
}

impl Tag {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The version, if the tag is a semantic version. It has no build metadata, for a tag has no `+`.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        Version::parse(&self.0).ok()
    }

    /// Whether this is `latest`.
    #[must_use]
    pub fn is_latest(&self) -> bool {
        self.0 == LATEST
    }
}

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_tag = text.len() <= TAG_BYTES_MAX
            && text.starts_with(is_word)
            && text.chars().all(|c| is_word(c) || c == '.' || c == '-');
        if is_tag { Ok(Self(text.to_owned())) } else { Err(TagError { text: shorten(text) }) }
    }
}

/// A hash function that a digest may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// The name before the colon.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }
}

impl FromStr for Algorithm {
    type Err = ContentDigestError;

    fn from_str(text: &str) -> Result<Self, ContentDigestError> {
        match text {
            "sha256" => Ok(Self::Sha256),
            "sha512" => Ok(Self::Sha512),
            _ => Err(ContentDigestError::Algorithm { algorithm: shorten(text) }),
        }
    }
}

/// The digest of a blob or a manifest: `sha256:` and 64 lowercase hex digits, or `sha512:` and 128.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContentDigest {
    /// A SHA-256 digest.
    Sha256(Digest),
    /// The bytes of a SHA-512 digest.
    Sha512([u8; SHA512_BYTES]),
}

/// A text that is no digest, or one of a kind that is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContentDigestError {
    /// There is no colon after the algorithm.
    #[error("`{text}` is not a digest: expected `ALGORITHM:HEX`")]
    NoColon {
        /// The refused text, shortened.
        text: String,
    },
    /// The algorithm is not one of [`Algorithm`].
    #[error("`{algorithm}` digests are not taken here, only `sha256` and `sha512`")]
    Algorithm {
        /// The algorithm, shortened.
        algorithm: String,
    },
    /// What follows the colon has the wrong length or other characters than lowercase hex digits.
    #[error("`{text}` is not a digest: expected {digits} lowercase hex digits after the colon")]
    Digits {
        /// The refused text, shortened.
        text: String,
        /// How many digits there must be.
        digits: usize,
    },
}

/// Bytes from exactly as many lowercase hex digits as they need.
pub(crate) fn lowercase_hex<const BYTES: usize>(digits: &str) -> Option<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    let lowercase = !digits.bytes().any(|byte| byte.is_ascii_uppercase());
    (lowercase && hex::decode_to_slice(digits, &mut bytes).is_ok()).then_some(bytes)
}

impl ContentDigest {
    /// Its hash function.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Sha256(_) => Algorithm::Sha256,
            Self::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// The digest of `bytes` by a hash function.
    #[must_use]
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Digest::of(bytes)),
            Algorithm::Sha512 => {
                let mut hasher = Sha512Hasher::default();
                hasher.update(bytes);
                hasher.finish()
            }
        }
    }

    /// A SHA-512 digest from its bytes; `None` if there are more or fewer of them.
    #[must_use]
    pub fn from_sha512(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::Sha512)
    }

    /// The digest as the log knows digests, if it is SHA-256.
    #[must_use]
    pub const fn sha256(&self) -> Option<Digest> {
        match self {
            Self::Sha256(digest) => Some(*digest),
            Self::Sha512(_) => None,
        }
    }

    /// The bytes of the hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Sha256(digest) => digest.as_bytes(),
            Self::Sha512(bytes) => bytes,
        }
    }
}

/// Hashes bytes that come in pieces by SHA-512, for who names content so; the log knows SHA-256 only.
#[derive(Clone, Default)]
pub struct Sha512Hasher(Sha512);

impl Sha512Hasher {
    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all of them.
    #[must_use]
    pub fn finish(self) -> ContentDigest {
        ContentDigest::Sha512(self.0.finalize().into())
    }
}

impl From<Digest> for ContentDigest {
    fn from(digest: Digest) -> Self {
        Self::Sha256(digest)
    }
}

impl FromStr for ContentDigest {
    type Err = ContentDigestError;

    fn from_str(text: &str) -> Result<Self, ContentDigestError> {
        let (algorithm, digits) =
            text.split_once(':').ok_or_else(|| ContentDigestError::NoColon { text: shorten(text) })?;
        let refuse = |bytes: usize| ContentDigestError::Digits { text: shorten(text), digits: 2 * bytes };
        match algorithm.parse()? {
            Algorithm::Sha256 => {
                let bytes =
                    lowercase_hex(digits).ok_or_else(|| refuse(wargate_core::digest::DIGEST_BYTES))?;
                Ok(Self::Sha256(Digest::from_bytes(bytes)))
            }
            Algorithm::Sha512 => lowercase_hex(digits).map(Self::Sha512).ok_or_else(|| refuse(SHA512_BYTES)),
        }
    }
}

/// What follows `manifests/` in a path. A text with a colon is a digest, never a tag.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// A tag.
    Tag(Tag),
    /// A digest.
    Digest(ContentDigest),
}

/// A text that is neither tag nor digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// It has no colon and is no tag.
    #[error(transparent)]
    Tag(#[from] TagError),
    /// It has a colon and is no digest.
    #[error(transparent)]
    Digest(#[from] ContentDigestError),
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.contains(':') { Ok(Self::Digest(text.parse()?)) } else { Ok(Self::Tag(text.parse()?)) }
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => digest.fmt(f),
            Self::Sha512(bytes) => f.pad(&format!("sha512:{}", hex::encode(bytes))),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// Shown and written as their text.
macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}

as_text!(RepositoryName, Tag, ContentDigest, Reference);

#[cfg(test)]
mod tests;
