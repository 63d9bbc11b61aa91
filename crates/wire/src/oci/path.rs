//! What a path below `/v2/` means (`spec/oci.md`, "Grammar and routing").
//!
//! A repository's name may have `blobs`, `manifests`, `tags`, `uploads` among its components, so the right end of
//! the path decides. Each segment is decoded once, after the path was split: an encoded slash stays inside its
//! segment, where no grammar allows it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::oci::percent;
use crate::oci::reference::{
    ContentDigest, ContentDigestError, NameError, Reference, ReferenceError, RepositoryName, lowercase_hex,
};
use crate::text::shorten;

/// Bytes of an upload session's id.
pub const SESSION_ID_BYTES: usize = 16;

/// The id of an upload session: 128 bits as 32 lowercase hex digits. Whoever knows it may go on with the upload,
/// so it must be random.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; SESSION_ID_BYTES]);

/// A text that is no session id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not the id of an upload session")]
pub struct SessionIdError {
    /// The refused text, shortened.
    pub text: String,
}

impl SessionId {
    /// An id from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; SESSION_ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; SESSION_ID_BYTES] {
        &self.0
    }
}

impl FromStr for SessionId {
    type Err = SessionIdError;

    fn from_str(text: &str) -> Result<Self, SessionIdError> {
        lowercase_hex(text).map(Self).ok_or_else(|| SessionIdError { text: shorten(text) })
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a path means. Displayed, it is that path again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `/v2/`
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/NAME/blobs/DIGEST`
    Blob {
        /// The repository.
        name: RepositoryName,
        /// The blob.
        digest: ContentDigest,
    },
    /// `/v2/NAME/manifests/REFERENCE`
    Manifest {
        /// The repository.
        name: RepositoryName,
        /// The manifest.
        reference: Reference,
    },
    /// `/v2/NAME/blobs/uploads/`
    Uploads {
        /// The repository.
        name: RepositoryName,
    },
    /// `/v2/NAME/blobs/uploads/SESSION`
    Upload {
        /// The repository.
        name: RepositoryName,
        /// The session.
        session: SessionId,
    },
    /// `/v2/NAME/tags/list`
    Tags {
        /// The repository.
        name: RepositoryName,
    },
    /// `/v2/NAME/referrers/DIGEST`
    Referrers {
        /// The repository.
        name: RepositoryName,
        /// What is referred to; it need not exist.
        digest: ContentDigest,
    },
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base => f.write_str("/v2/"),
            Self::Catalog => f.write_str("/v2/_catalog"),
            Self::Blob { name, digest } => write!(f, "/v2/{name}/blobs/{digest}"),
            Self::Manifest { name, reference } => write!(f, "/v2/{name}/manifests/{reference}"),
            Self::Uploads { name } => write!(f, "/v2/{name}/blobs/uploads/"),
            Self::Upload { name, session } => write!(f, "/v2/{name}/blobs/uploads/{session}"),
            Self::Tags { name } => write!(f, "/v2/{name}/tags/list"),
            Self::Referrers { name, digest } => write!(f, "/v2/{name}/referrers/{digest}"),
        }
    }
}

/// A path that means nothing here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// No endpoint has such a path.
    #[error("there is no endpoint `{path}`")]
    NoEndpoint {
        /// The path, shortened.
        path: String,
    },
    /// A segment is not percent-encoded UTF-8.
    #[error("`{segment}` is not percent-encoded UTF-8")]
    Encoding {
        /// The segment as it came, shortened.
        segment: String,
    },
    /// The repository's name breaks the grammar.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The digest breaks the grammar.
    #[error(transparent)]
    Digest(#[from] ContentDigestError),
    /// The reference breaks the grammar.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// No session can have this id.
    #[error(transparent)]
    Session(#[from] SessionIdError),
}

/// What `path`, without its query, means. The name is judged first, then what stands at the right end.
///
/// # Errors
/// If no endpoint has such a path, or a part of it breaks its grammar.
pub fn parse(path: &str) -> Result<Route, PathError> {
    let no_endpoint = || PathError::NoEndpoint { path: shorten(path) };
    let below = match path.strip_prefix("/v2").ok_or_else(no_endpoint)? {
        "" | "/" => return Ok(Route::Base),
        "/_catalog" => return Ok(Route::Catalog),
        below => below.strip_prefix('/').ok_or_else(no_endpoint)?,
    };
    let segments: Vec<Cow<'_, str>> = below.split('/').map(decode_segment).collect::<Result<_, _>>()?;
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    let name = |components: &[&str]| RepositoryName::from_components(components);
    // `blobs/uploads` comes before `blobs/DIGEST`; no other two of these ends can meet.
    match segments.as_slice() {
        [rest @ .., "blobs", "uploads", ""] | [rest @ .., "blobs", "uploads"] => {
            Ok(Route::Uploads { name: name(rest)? })
        }
        [rest @ .., "tags", "list"] => Ok(Route::Tags { name: name(rest)? }),
        [rest @ .., "blobs", digest] => Ok(Route::Blob { name: name(rest)?, digest: digest.parse()? }),
        [rest @ .., "manifests", reference] => {
            Ok(Route::Manifest { name: name(rest)?, reference: reference.parse()? })
        }
        [rest @ .., "referrers", digest] => {
            Ok(Route::Referrers { name: name(rest)?, digest: digest.parse()? })
        }
        [rest @ .., "blobs", "uploads", session] => {
            Ok(Route::Upload { name: name(rest)?, session: session.parse()? })
        }
        // A hostile segment is 400 wherever it stands, even where there is no endpoint.
        all => Err(name(all).err().map_or_else(no_endpoint, PathError::Name)),
    }
}

fn decode_segment(segment: &str) -> Result<Cow<'_, str>, PathError> {
    percent::decode(segment).ok_or_else(|| PathError::Encoding { segment: shorten(segment) })
}

#[cfg(test)]
mod tests;
