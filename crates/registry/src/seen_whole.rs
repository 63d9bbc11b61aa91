//! Which objects were read whole and had their digest, so that large content is not hashed for each reader.
//!
//! What is remembered is a file, by the store's own tag of it (for files: which one it is, its size and when it was
//! written), so another one under the name is hashed again. What decays beneath a file is the scrub's to find, and its
//! readers', who know the digest.

use quick_cache::sync::Cache;
use wargate_core::digest::Digest;

use crate::limits::OBJECTS_SEEN_WHOLE_MAX;

/// Objects by digest, each with its tag.
#[derive(Debug)]
pub(crate) struct SeenWhole(Cache<Digest, Box<str>>);

impl SeenWhole {
    pub(crate) fn new() -> Self {
        Self(Cache::new(OBJECTS_SEEN_WHOLE_MAX))
    }

    /// Whether the object with this tag was; what has no tag never was.
    pub(crate) fn has(&self, digest: &Digest, tag: Option<&str>) -> bool {
        tag.is_some_and(|tag| self.0.get(digest).is_some_and(|seen| *seen == *tag))
    }

    /// It was.
    pub(crate) fn note(&self, digest: Digest, tag: Option<String>) {
        if let Some(tag) = tag {
            self.0.insert(digest, tag.into());
        }
    }
}
