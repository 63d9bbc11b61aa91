//! What an embedder decides about its registry.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use wargate_core::key::SecretKey;
use wargate_core::name::Namespace;

use crate::admission::Admission;
use crate::inspector::{InProcess, Inspector};
use crate::limits::CONTENT_BYTES_MAX;

/// The registry's choices and its online keys.
#[derive(Clone)]
pub struct Config {
    /// The log's origin, `HOST/log`: the first line of every checkpoint. It is the registry's name for ever.
    pub origin: String,
    /// The key that signs checkpoints and the envelopes of what the registry carries.
    pub commit_key: Arc<SecretKey>,
    /// The key that endorses what users push who have none; without it nothing is endorsed.
    pub publishing_key: Option<Arc<SecretKey>>,
    /// Whether namespaces and packages come into being on first use, by whoever comes first.
    pub names_on_first_use: bool,
    /// Namespaces that belong to another registry, with its domain.
    pub imports: BTreeMap<Namespace, String>,
    /// Hosts that publishers may link content at instead of uploading it; none by default.
    pub link_hosts: Vec<String>,
    /// Says what bytes of Wasm are, somewhere that hostile ones cannot harm.
    pub inspector: Arc<dyn Inspector>,
    /// The embedder's say about each release, beside the registry's own rules.
    pub admission: Option<Arc<dyn Admission>>,
    /// Largest content, in bytes.
    pub content_bytes_max: u64,
}

impl Config {
    /// The defaults: no publishing key, names on first use, no imports, no links, content up to
    /// [`CONTENT_BYTES_MAX`].
    #[must_use]
    pub fn new(origin: impl Into<String>, commit_key: SecretKey) -> Self {
        Self {
            origin: origin.into(),
            commit_key: Arc::new(commit_key),
            publishing_key: None,
            names_on_first_use: true,
            imports: BTreeMap::new(),
            link_hosts: Vec::new(),
            inspector: Arc::new(InProcess::new()),
            admission: None,
            content_bytes_max: CONTENT_BYTES_MAX,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("origin", &self.origin).finish_non_exhaustive()
    }
}
