//! What the registry answers when it does not do what was asked. Each door maps this one enum in one file.

use std::time::Duration;

use semver::Version;
use wargate_core::digest::Digest;
use wargate_core::id::{LogId, RecordId};
use wargate_core::name::{Namespace, PackageName};

use wargate_wire::oci::reference::{ContentDigest, RepositoryName};

use crate::db::DbError;

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
    /// Content is kept under another kind of digest.
    #[error("content is not known by digests like `{digest}` here: use `sha256`")]
    UnsupportedDigest {
        /// The digest.
        digest: String,
    },
    /// No package of this name was ever begun.
    #[error("there is no package `{name}`")]
    UnknownPackage {
        /// Its name.
        name: PackageName,
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
        expected: Digest,
        /// The digest of what came.
        found: Digest,
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
        Self::Internal { reason: error.to_string() }
    }
}
