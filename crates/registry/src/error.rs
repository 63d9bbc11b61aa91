//! What the registry answers when it does not do what was asked. Each door maps this one enum in one file.

use std::time::Duration;

use semver::Version;
use wargate_core::authority::Takedown;
use wargate_core::digest::Digest;
use wargate_core::id::{LogId, RecordId};
use wargate_core::name::{Namespace, PackageName};

use wargate_wire::oci::reference::{ContentDigest, RepositoryName};

use crate::access::Action;
use crate::db::DbError;
use crate::limits::{NO_ROOM_RETRY_AFTER, UNWRITABLE_RETRY_AFTER};

/// Why the registry did not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The record breaks a rule, or isn't one.
    #[error("{reason}")]
    Invalid {
        /// Which rule, in words for the one who sent it.
        reason: String,
    },
    /// The record is not signed by the key that it names.
    #[error("{reason}")]
    Unauthorized {
        /// What does not verify.
        reason: String,
    },
    /// Nobody knows who asks, or they hold too little for now: they may say who they are, or ask for more.
    #[error("to {action} `{name}` here takes a token that may: log in with one")]
    Unauthenticated {
        /// What was to be done.
        action: Action,
        /// With which repository, or package by its repository's name.
        name: RepositoryName,
        /// Whether a token came that is for less.
        too_narrow: bool,
    },
    /// Whoever asks may not, or the registry may not for them.
    #[error("{reason}")]
    Denied {
        /// Who may, and what to do instead.
        reason: String,
    },
    /// The version was released with another content.
    #[error(
        "version {version} of `{name}` is released already, with content `{content}`: a version is released once"
    )]
    AlreadyReleased {
        /// The package.
        name: PackageName,
        /// The version.
        version: Version,
        /// What was released.
        content: Digest,
    },
    /// The bytes are nothing that may be released, or do not agree with the release.
    #[error("{reason}")]
    ContentRefused {
        /// What is wrong with them.
        reason: String,
    },
    /// No package of this name was ever begun.
    #[error("there is no package `{name}`")]
    UnknownPackage {
        /// Its name.
        name: PackageName,
    },
    /// The namespace has no log: nobody owns it, whatever v1 logs there are in it.
    #[error("there is no namespace `{namespace}` with a log of its own")]
    UnknownNamespace {
        /// Its name.
        namespace: Namespace,
    },
    /// The package never released this version.
    #[error("`{name}` has no version {version}")]
    UnknownRelease {
        /// The package.
        name: PackageName,
        /// The version.
        version: Version,
    },
    /// Nothing was ever pushed under this name.
    #[error("repository `{repository}` is not known here")]
    UnknownRepository {
        /// The repository.
        repository: RepositoryName,
    },
    /// The repository has no such manifest.
    #[error("`{repository}` has no manifest `{reference}`")]
    UnknownManifest {
        /// The repository.
        repository: RepositoryName,
        /// Tag or digest.
        reference: String,
    },
    /// No such upload session is open in this repository.
    #[error("upload session `{session}` is not open here: start the upload again")]
    UnknownUpload {
        /// The session.
        session: String,
    },
    /// Another request writes to the session.
    #[error("another request is writing to this upload session")]
    UploadInUse,
    /// The manifest names what is not in its repository.
    #[error("the manifest names {} blobs or manifests that are not in its repository", .digests.len())]
    MissingParts {
        /// What.
        digests: Vec<ContentDigest>,
    },
    /// The tag is not where a conditional push says that it is.
    #[error("tag `{tag}` of `{repository}` {found}: look again, then push")]
    TagMoved {
        /// The repository.
        repository: RepositoryName,
        /// The tag.
        tag: String,
        /// Where it is, as the end of a sentence.
        found: &'static str,
    },
    /// The repository has no such blob.
    #[error("`{repository}` has no blob `{digest}`")]
    UnknownBlob {
        /// The repository.
        repository: RepositoryName,
        /// The blob.
        digest: ContentDigest,
    },
    /// What was released is kept.
    #[error("`{what}` belongs to a release of `{name}`: releases are kept; yank the version instead")]
    Released {
        /// The package.
        name: PackageName,
        /// What was to be deleted.
        what: String,
    },
    /// What waits for more to agree is kept.
    #[error("`{what}` belongs to a release of `{name}` that waits for approval: reject that first")]
    Proposed {
        /// The package.
        name: PackageName,
        /// What was to be deleted.
        what: String,
    },
    /// `latest` of a logged package follows from its log.
    #[error("`latest` of `{name}` is its highest version: push a version")]
    LatestFollows {
        /// The package.
        name: PackageName,
    },
    /// No record of this log is committed or pending.
    #[error("log `{log}` is not known here")]
    UnknownLog {
        /// The log.
        log: LogId,
    },
    /// No such act waits for more to agree.
    #[error("no proposal `{id}` waits here: it was done, or its time is over")]
    UnknownProposal {
        /// The act's digest.
        id: Digest,
    },
    /// The log holds no such record.
    #[error("record `{record}` is not known here")]
    UnknownRecord {
        /// The record.
        record: RecordId,
    },
    /// The record to continue after is not in that log.
    #[error("fetch token `{record}` is no record of that log")]
    UnknownFetchToken {
        /// The record that the token names.
        record: RecordId,
    },
    /// There never was a checkpoint of this size.
    #[error("there is no checkpoint of tree size {size}")]
    UnknownSize {
        /// The tree size.
        size: u64,
    },
    /// The map of a checkpoint this old lacks pages by now.
    #[error(
        "the map of the checkpoint of tree size {size} is no longer kept: ask for a proof from a newer checkpoint"
    )]
    NoLongerKept {
        /// The tree size.
        size: u64,
    },
    /// The index is not below the tree size.
    #[error("there is no record at index {index}")]
    UnknownLeaf {
        /// The index.
        index: u64,
    },
    /// Nobody is known to have this content.
    #[error("content `{digest}` is not known here")]
    UnknownContent {
        /// Its digest.
        digest: Digest,
    },
    /// The log door has no such file.
    #[error("there is no file `{path}`")]
    NoSuchFile {
        /// What was asked for.
        path: String,
    },
    /// The namespace is another registry's.
    #[error("namespace `{namespace}` is imported from the registry `{registry}`: publish there")]
    NamespaceImported {
        /// The namespace.
        namespace: Namespace,
        /// That registry's domain.
        registry: String,
    },
    /// The operator keeps its content back.
    #[error("{takedown}")]
    TakenDown {
        /// What was said of it.
        takedown: Box<Takedown>,
    },
    /// Another record of this log waits for its verdict, and this one does not follow it.
    #[error("record `{record}` of the same log is pending: wait for its verdict, then publish again")]
    Conflict {
        /// The pending record.
        record: RecordId,
    },
    /// The record waits for no content, or not for this.
    #[error("record `{record}` does not wait for this content")]
    NotSourcing {
        /// The record.
        record: RecordId,
    },
    /// More bytes than are allowed.
    #[error("the content is too large: at most {bytes_max} bytes are allowed")]
    TooLarge {
        /// The limit.
        bytes_max: u64,
    },
    /// The bytes are not the ones that were announced.
    #[error("the content has digest `{found}`, expected `{expected}`: nothing was stored")]
    DigestMismatch {
        /// The announced digest.
        expected: Box<ContentDigest>,
        /// The digest of what came.
        found: Box<ContentDigest>,
    },
    /// The registry does not do this.
    #[error("{reason}")]
    Unsupported {
        /// What, and what to do instead.
        reason: String,
    },
    /// Too much waits already.
    #[error("the registry is busy: try again in {} s", .retry_after.as_secs())]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// What would be stored has no room, or the rest of the disk must stay free.
    #[error(
        "the registry has no room for more: nothing was stored, reading goes on; its operator must make room on its \
         disk, then send the same again"
    )]
    NoRoom {
        /// When to try again.
        retry_after: Duration,
    },
    /// The ledger or the objects take no writes now.
    #[error(
        "the registry's disk takes no writes now; reading goes on, its operator can see why: send the same again in \
         {} s", .retry_after.as_secs()
    )]
    Unwritable {
        /// When to try again.
        retry_after: Duration,
    },
    /// The ledger or the objects failed. The reason is for the operator's log, not for the user.
    #[error("the registry failed: {reason}")]
    Internal {
        /// What failed.
        reason: String,
    },
}

impl Error {
    /// Wraps a failure below with what was being done.
    pub(crate) fn internal(doing: &str, cause: impl std::fmt::Display) -> Self {
        Self::Internal { reason: format!("couldn't {doing}: {cause}") }
    }
}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        match error {
            DbError::NoRoom { .. } => Self::NoRoom { retry_after: NO_ROOM_RETRY_AFTER },
            DbError::Unwritable { .. } | DbError::Unknown { .. } => {
                Self::Unwritable { retry_after: UNWRITABLE_RETRY_AFTER }
            }
            DbError::Conflict { .. } | DbError::Failed { .. } => Self::Internal { reason: error.to_string() },
        }
    }
}
