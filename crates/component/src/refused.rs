//! Why a file is refused, in words for the person who sent it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::limits::SEAL_BYTES_MAX;

/// Why a file cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Refused {
    /// The header is not one of WebAssembly's.
    #[error("not a WebAssembly file: {fault}")]
    NotWasm {
        /// What is wrong with the header.
        fault: HeaderFault,
    },
    /// One of our limits is passed (`spec/components.md`, "Hostile input").
    #[error("too many or too large: {what} {found}, at most {max} allowed")]
    Limit {
        /// What was counted, with its unit.
        what: Cow<'static, str>,
        /// How much of it there is, as far as it was counted.
        found: u64,
        /// The limit.
        max: u64,
    },
    /// Checking it would take too much time or memory.
    #[error("too costly to check: its types and instances make {work} steps of work, at most {max} allowed")]
    TooCostly {
        /// The work found before we stopped counting.
        work: u64,
        /// The limit.
        max: u64,
    },
    /// It is not valid WebAssembly.
    #[error("not valid WebAssembly: {message} (at offset {offset:#x})")]
    Invalid {
        /// The validator's words.
        message: String,
        /// Where in the file, in bytes.
        offset: u64,
    },
    /// It imports by the names that the component model dropped (`spec/components.md`, "The removed grammar").
    #[error(
        "it uses the import name `{name}` of a grammar that WebAssembly dropped; `wargate convert` rewrites it"
    )]
    LegacyNames {
        /// The first such name.
        name: String,
    },
    /// It carries a seal, and what is published is the file without it.
    #[error("the file is sealed: `wargate unseal` it first, a release is the file without its seal")]
    Sealed,
    /// It carries something that looks like a seal and is none.
    #[error("bad seal: {fault}")]
    BadSeal {
        /// What is wrong with it.
        fault: SealFault,
    },
    /// A metadata section cannot be believed.
    #[error("metadata section `{section}` {fault}")]
    Metadata {
        /// The section's name.
        section: Cow<'static, str>,
        /// What is wrong with it.
        fault: MetadataFault,
    },
    /// It has a WIT package's shape, but cannot be read as one.
    #[error("not a readable WIT package: {message}")]
    Wit {
        /// The decoder's words.
        message: String,
    },
}

/// What is wrong with a file's first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "fault", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HeaderFault {
    /// Less than eight bytes.
    #[error("it is shorter than a header")]
    TooShort,
    /// Does not begin with `\0asm`.
    #[error("it does not begin with the WebAssembly magic")]
    NoMagic,
    /// Neither a core module nor a component.
    #[error("its layer {layer} is unknown")]
    UnknownLayer {
        /// The layer.
        layer: u16,
    },
    /// A version that nobody has defined, or that is out of use.
    #[error("its version {version} is unknown")]
    UnknownVersion {
        /// The version.
        version: u16,
    },
}

/// What is wrong with a seal (`spec/components.md`, "The seal").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SealFault {
    /// There are several.
    #[error("there is more than one")]
    Twice,
    /// Something comes after it.
    #[error("it is not the last section; seal the file again")]
    NotLast,
    /// Its size or its name's length is not minimally encoded.
    #[error("its size is not minimally encoded")]
    NotMinimal,
    /// It is larger than a seal may be.
    #[error("it is larger than {SEAL_BYTES_MAX} bytes")]
    TooLarge,
}

/// What is wrong with a metadata section (`spec/components.md`, "Metadata and sections").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MetadataFault {
    /// It is not text.
    #[error("is not UTF-8")]
    NotUtf8,
    /// It is there twice, with different content.
    #[error("is given twice and the two differ")]
    GivenTwice,
}

impl Refused {
    pub(crate) fn limit(what: &'static str, found: u64, max: u64) -> Self {
        Self::Limit { what: Cow::Borrowed(what), found, max }
    }

    pub(crate) fn invalid(message: impl Into<String>, offset: usize) -> Self {
        Self::Invalid { message: message.into(), offset: offset as u64 }
    }
}

/// Refuses what is over a limit.
pub(crate) fn check_limit(what: &'static str, found: u64, max: u64) -> Result<(), Refused> {
    if found > max { Err(Refused::limit(what, found, max)) } else { Ok(()) }
}

/// What the parser or validator said.
#[expect(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
pub(crate) fn refused(error: wasmparser::Error) -> Refused {
    Refused::Invalid { message: error.message().to_owned(), offset: error.offset() }
}
