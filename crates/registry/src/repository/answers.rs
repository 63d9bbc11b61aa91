//! What the ledger says of repositories, as far as it is kept in memory.

use std::sync::Arc;

use wargate_core::digest::Digest;
use wargate_wire::oci::reference::{Reference, RepositoryName};

use super::tags::TagPage;
use crate::answers::Answers;
use crate::tables::repositories::{LinkedRow, ManifestRow};

/// Which part of a repository's tags: after a text, at most so many.
pub(crate) type TagQuestion = (RepositoryName, String, usize);

/// Answers by what was asked.
pub(crate) struct RepositoryAnswers {
    /// The manifest of a tag or a digest, and whether it is of a yanked release.
    pub(super) manifests: Answers<(RepositoryName, Reference), (ManifestRow, bool)>,
    /// Blobs that are linked.
    pub(super) blobs: Answers<(RepositoryName, Digest), LinkedRow>,
    pub(super) tags: Answers<TagQuestion, Arc<TagPage>>,
}

impl RepositoryAnswers {
    pub(crate) fn new() -> Self {
        Self {
            manifests: Answers::new(|(name, _), (row, _)| name.as_str().len() + row.media_type.len()),
            blobs: Answers::new(|(name, _), _| name.as_str().len()),
            tags: Answers::new(|(name, after, _), page| {
                let tags: usize = page.tags.iter().map(|tag| size_of_val(tag) + tag.as_str().len()).sum();
                name.as_str().len() + after.len() + tags
            }),
        }
    }

    /// Bytes that they hold, by their own reckoning.
    pub(crate) fn bytes(&self) -> u64 {
        self.manifests.bytes() + self.blobs.bytes() + self.tags.bytes()
    }
}
