//! The Wargate registry without HTTP: the library people embed.
//!
//! One write path (`publish`, `sequencer`, `apply`) and one read path ([`Snapshot`]) over two seams: the ledger
//! ([`db::Db`]) and the objects (any [`object_store::ObjectStore`]). The order of writes is the design: a
//! record is durable, then committed in one transaction, then laid down as static files, then issued
//! (`STYLE.md` §3, "The single write path"). What is allowed is decided in `wargate-core`, nowhere here.

pub mod access;
mod admission;
mod answers;
mod apply;
pub mod backup;
pub mod clock;
mod commit;
mod commit_key;
mod config;
mod content;
mod content_cache;
mod custody;
pub mod db;
mod error;
mod facts;
mod files;
pub mod fsck;
pub mod gc;
mod hashes;
mod in_flight;
pub mod inspector;
mod keys;
pub mod limits;
mod log_cache;
mod objects;
mod packages;
mod proposals;
mod publish;
pub mod random;
mod recovery;
mod registry;
mod remarks;
mod repository;
mod room;
mod scrub;
mod seen_whole;
mod sequencer;
mod shared;
mod snapshot;
mod state;
mod state_cache;
mod status;
mod submit;
mod tables;
mod takedowns;

pub use access::{Access, Caller};
pub use admission::{Admission, Candidate};
pub use config::{Config, Genesis};
pub use content::uploads::Upload;
pub use content::{Content, ContentSource, HostedContent};
pub use custody::{CustodialRelease, NOBODY, Released};
pub use error::Error;
pub use files::{StaticFile, StaticPath};
pub use inspector::{InspectError, Inspector, Inspectors};
pub use keys::{DeadRole, KeyChange, KeysView, RecordedAt, RoleView, Roles, Standing};
pub use objects::Body;
pub use packages::{Beginning, Ground, PackagePage, PackageView, ReleaseView, YankView};
pub use proposals::Proposal;
pub use publish::{RecordStatus, SignedRecord};
pub use registry::Registry;
pub use remarks::{Extent, Remark};
pub use repository::{
    BlobUpload, ManifestPush, Pushed, Pusher, Repository, StoredManifest, TagCondition, TagPage,
};
pub use room::{Readiness, Room};
pub use snapshot::{LogPage, PublishedRecord, Snapshot};
pub use state::Committed;
pub use submit::{ActContent, HandedIn, SignedAct, Submitted, SubmittedRelease};
