//! Lists: tags, repositories, referrers, and their pages (`spec/oci.md`, "Lists").

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::oci::manifest::{MANIFEST_BYTES_MAX, Manifest, ManifestType, SCHEMA_VERSION};
use crate::oci::path::Route;
use crate::oci::percent;
use crate::oci::query::{Query, QueryError};
use crate::oci::reference::{ContentDigest, RepositoryName, Tag};
use crate::text::shorten;

/// Most entries of a page that a client asks for by number.
pub const PAGE_ENTRIES_MAX: usize = 1000;

/// Most bytes of a page of referrers: clients read no more.
pub const REFERRERS_PAGE_BYTES_MAX: usize = MANIFEST_BYTES_MAX;

/// The tags of a repository, in byte order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TagList<'a> {
    /// The repository.
    pub name: &'a RepositoryName,
    /// Its tags.
    pub tags: &'a [Tag],
}

/// The repositories that the caller may pull, in byte order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Catalog {
    /// Their names.
    pub repositories: Vec<RepositoryName>,
}

/// Which part of a list a client asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// At most so many entries, never above [`PAGE_ENTRIES_MAX`]; without it, all.
    pub n: Option<usize>,
    /// Only entries after this one, which need not exist any more.
    pub last: Option<String>,
}

/// A page that cannot be asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// `n` is no number.
    #[error("`n` must be a number, not `{n}`")]
    NotANumber {
        /// The refused text, shortened.
        n: String,
    },
    /// A value cannot be decoded.
    #[error(transparent)]
    Query(#[from] QueryError),
}

impl Page {
    /// The page that a query asks for. An empty value is as good as none.
    ///
    /// # Errors
    /// If `n` is no number, or a value cannot be decoded.
    pub fn of(query: &Query<'_>) -> Result<Self, PageError> {
        let given = |key| query.first(key).map(|value| value.filter(|value| !value.is_empty()));
        let last = given("last")?.map(Cow::into_owned);
        let Some(n) = given("n")? else { return Ok(Self { n: None, last }) };
        if !n.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(PageError::NotANumber { n: shorten(&n) });
        }
        // Digits that are no usize are a number above the cap.
        let n = n.parse().unwrap_or(PAGE_ENTRIES_MAX).min(PAGE_ENTRIES_MAX);
        Ok(Self { n: Some(n), last })
    }
}

/// The `Link` header that leads to the next page of `route`.
#[must_use]
pub fn link_next(route: &Route, query: &[(&str, &str)]) -> String {
    let pairs: Vec<String> =
        query.iter().map(|(key, value)| format!("{key}={}", percent::encode(value))).collect();
    format!("<{route}?{}>; rel=\"next\"", pairs.join("&"))
}

/// One manifest that refers to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Referrer {
    /// Its type.
    pub media_type: ManifestType,
    /// Its size in bytes.
    pub size: u64,
    /// Itself.
    pub digest: ContentDigest,
    /// Its own artifact type, else its config's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// All annotations of the manifest.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Referrer {
    /// The entry of a manifest that is kept as `size` bytes under `digest`.
    #[must_use]
    pub fn of(manifest: &Manifest, digest: ContentDigest, size: u64) -> Self {
        Self {
            media_type: manifest.media_type,
            size,
            digest,
            artifact_type: manifest.listed_artifact_type().map(str::to_owned),
            annotations: manifest.annotations.clone(),
        }
    }

    /// Its bytes in a list, the comma included.
    fn listed_bytes(&self) -> usize {
        serde_json::to_vec(self).map_or(usize::MAX, |json| json.len() + 1)
    }
}

/// The answer to a question for referrers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReferrersIndex {
    schema_version: u64,
    media_type: ManifestType,
    manifests: Vec<Referrer>,
}

impl Default for ReferrersIndex {
    fn default() -> Self {
        Self { schema_version: SCHEMA_VERSION, media_type: ManifestType::OciIndex, manifests: Vec::new() }
    }
}

impl ReferrersIndex {
    /// As many of `entries` as fit into a page of [`REFERRERS_PAGE_BYTES_MAX`], and whether any are left. There is
    /// at least one if there are any: an entry too large for every page loses its annotations, and then
    /// its artifact type, so that nobody can hide all other referrers behind it. Readers find both in the manifest.
    #[must_use]
    pub fn page(entries: impl IntoIterator<Item = Referrer>) -> (Self, bool) {
        let mut index = Self::default();
        let empty_bytes = serde_json::to_vec(&index).map_or(REFERRERS_PAGE_BYTES_MAX, |json| json.len());
        let room = REFERRERS_PAGE_BYTES_MAX - empty_bytes;
        let mut taken = 0;
        for mut entry in entries {
            let mut bytes = entry.listed_bytes();
            if bytes > room {
                entry.annotations.clear();
                bytes = entry.listed_bytes();
            }
            if bytes > room {
                entry.artifact_type = None;
                bytes = entry.listed_bytes();
            }
            if !index.manifests.is_empty() && bytes > room - taken {
                return (index, true);
            }
            taken = room.min(taken.saturating_add(bytes));
            index.manifests.push(entry);
        }
        (index, false)
    }

    /// The entries.
    #[must_use]
    pub fn manifests(&self) -> &[Referrer] {
        &self.manifests
    }
}

#[cfg(test)]
mod tests;
