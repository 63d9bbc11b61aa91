//! What an embedder decides about its registry, and how that begins.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use wargate_core::act::Endorsement;
use wargate_core::key::SecretKey;
use wargate_core::name::Namespace;

use crate::access::Access;
use crate::admission::Admission;
use crate::gc::{Leave, Retention};
use crate::inspector::{InProcess, Inspector};
use crate::limits::{BUCKET_PART_BYTES, CONTENT_BYTES_MAX, FREE_BYTES_FLOOR};
use crate::random::{Random, SystemRandom};
use crate::room::Room;

/// The registry's choices and its online keys.
#[derive(Clone)]
pub struct Config {
    /// The log's origin, `HOST/log`: the first line of every checkpoint. It is the registry's name for ever.
    pub origin: String,
    /// The key that signs checkpoints and the envelopes of what the registry carries.
    pub commit_key: Arc<SecretKey>,
    /// Takes the commit key's place at the first start at which the operator log gives it `commit`.
    pub next_commit_key: Option<Arc<SecretKey>>,
    /// Commit keys of before: with one that v1 clients of a log know, the log is told of the present one.
    pub former_commit_keys: Vec<Arc<SecretKey>>,
    /// The key that endorses what users push who have none; without it nothing is endorsed.
    pub publishing_key: Option<Arc<SecretKey>>,
    /// Whether namespaces and packages come into being on first use, by whoever comes first.
    pub names_on_first_use: bool,
    /// Who may do what without a word of who it is; tokens let others do more.
    pub access: Access,
    /// Namespaces that belong to another registry, with its domain.
    pub imports: BTreeMap<Namespace, String>,
    /// Hosts that publishers may link content at instead of uploading it; none by default.
    pub link_hosts: Vec<String>,
    /// Says what bytes of Wasm are, somewhere that hostile ones cannot harm.
    pub inspector: Arc<dyn Inspector>,
    /// The embedder's say about each release, beside the registry's own rules.
    pub admission: Option<Arc<dyn Admission>>,
    /// Where random numbers come from.
    pub random: Arc<dyn Random>,
    /// Largest content, in bytes.
    pub content_bytes_max: u64,
    /// Whether all that is stored is looked over slowly while the registry runs.
    pub scrub: bool,
    /// How long is kept what nothing needs any more.
    pub retention: Retention,
    /// Withheld while somebody copies what is stored; without it nobody does.
    pub leave: Option<Arc<dyn Leave>>,
    /// Tells how much room is left; without it nobody looks.
    pub room: Option<Arc<dyn Room>>,
    /// Free bytes below which nothing more is taken in.
    pub free_bytes_floor: u64,
    /// Bytes in a part of an object that is being uploaded. Each upload holds a few in memory; buckets take none that is
    /// smaller than [`BUCKET_PART_BYTES`], files take [`crate::limits::FILE_PART_BYTES`].
    pub upload_part_bytes: usize,
}

impl Config {
    /// The defaults: open to everybody, no publishing key, names on first use, no imports, no links, content up to
    /// [`CONTENT_BYTES_MAX`], a scrub.
    #[must_use]
    pub fn new(origin: impl Into<String>, commit_key: SecretKey) -> Self {
        Self {
            origin: origin.into(),
            commit_key: Arc::new(commit_key),
            next_commit_key: None,
            former_commit_keys: Vec::new(),
            publishing_key: None,
            names_on_first_use: true,
            access: Access::OPEN,
            imports: BTreeMap::new(),
            link_hosts: Vec::new(),
            inspector: Arc::new(InProcess::new()),
            admission: None,
            random: Arc::new(SystemRandom),
            content_bytes_max: CONTENT_BYTES_MAX,
            scrub: true,
            retention: Retention::default(),
            leave: None,
            room: None,
            free_bytes_floor: FREE_BYTES_FLOOR,
            upload_part_bytes: BUCKET_PART_BYTES,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// The first act of a new registry (`spec/delegation.md`): owners, commit keys, publishing key.
#[derive(Debug, Clone)]
pub struct Genesis {
    /// The act's exact bytes.
    pub act: bytes::Bytes,
    /// The owners' endorsements.
    pub endorsements: Vec<Endorsement>,
}
