//! Warg v1 over HTTP.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wargate_core::checkpoint::Checkpoint;
use wargate_core::digest::Digest;
use wargate_core::envelope::Envelope;
use wargate_core::id::{LogId, RecordId};
use wargate_core::key::{KeyId, Signature};
use wargate_core::name::PackageName;

use crate::text::{Base64, Text};

mod error;

pub use error::{EntityType, WargError};

/// The header by which a client names the registry it means.
pub const REGISTRY_HEADER: &str = "warg-registry";

/// The header that tells a client where an imported namespace lives: `NAMESPACE=DOMAIN`.
pub const REGISTRY_HINT_HEADER: &str = "warg-registry-hint";

/// The media type of the ledger download.
pub const LEDGER_CONTENT_TYPE: &str = "application/vnd.warg.ledger.packed";

/// Bytes of one record in the ledger download: log id, record id.
pub const LEDGER_RECORD_BYTES: u64 = 64;

/// A signed record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvelopeBody {
    /// The record's protobuf bytes.
    pub content_bytes: Base64,
    /// The signer.
    pub key_id: Text<KeyId>,
    /// Its signature.
    pub signature: Text<Signature>,
}

impl From<EnvelopeBody> for Envelope {
    fn from(body: EnvelopeBody) -> Self {
        Self { contents: body.content_bytes.0.into(), key_id: body.key_id.0, signature: body.signature.0 }
    }
}

impl From<&Envelope> for EnvelopeBody {
    fn from(envelope: &Envelope) -> Self {
        Self {
            content_bytes: Base64(envelope.contents.to_vec()),
            key_id: Text(envelope.key_id),
            signature: Text(envelope.signature.clone()),
        }
    }
}

/// A record as `fetch/logs` gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishedRecord {
    /// The signed record.
    #[serde(flatten)]
    pub envelope: EnvelopeBody,
    /// Its index in the log.
    pub registry_index: u64,
    /// Where the next fetch goes on.
    pub fetch_token: Text<RecordId>,
}

/// What a checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointContents {
    /// The log's root.
    pub log_root: Text<Digest>,
    /// The tree size.
    pub log_length: u64,
    /// The map's root.
    pub map_root: Text<Digest>,
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
}

impl From<&Checkpoint> for CheckpointContents {
    fn from(checkpoint: &Checkpoint) -> Self {
        Self {
            log_root: Text(checkpoint.root),
            log_length: checkpoint.size,
            map_root: Text(checkpoint.map_root),
            timestamp: checkpoint.time,
        }
    }
}

impl From<&CheckpointContents> for Checkpoint {
    fn from(contents: &CheckpointContents) -> Self {
        Self {
            size: contents.log_length,
            root: contents.log_root.0,
            map_root: contents.map_root.0,
            time: contents.timestamp,
        }
    }
}

/// `GET /v1/fetch/checkpoint`, and the request of `/v1/verify/checkpoint`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointBody {
    /// What is signed.
    pub contents: CheckpointContents,
    /// The signer.
    pub key_id: Text<KeyId>,
    /// Its signature.
    pub signature: Text<Signature>,
}

/// `POST /v1/fetch/logs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FetchLogsRequest {
    /// The tree size as of which to fetch.
    pub log_length: u64,
    /// Most records of each log; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// Where to go on in the operator log; absent from its begin. A token is the server's own text: another one
    /// is not malformed but unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// Package logs, and where to go on in each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub packages: BTreeMap<Text<LogId>, Option<String>>,
}

/// Its reply.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FetchLogsResponse {
    /// Whether any of the logs goes on.
    #[serde(default)]
    pub more: bool,
    /// Records of the operator log.
    #[serde(default)]
    pub operator: Vec<PublishedRecord>,
    /// Records of the package logs.
    #[serde(default)]
    pub packages: BTreeMap<Text<LogId>, Vec<PublishedRecord>>,
    /// Messages for the user.
    #[serde(default)]
    pub warnings: Vec<FetchWarning>,
}

/// A message for the client's user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchWarning {
    /// The message.
    pub message: String,
}

/// `POST /v1/fetch/names`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchNamesRequest {
    /// The logs.
    pub packages: Vec<Text<LogId>>,
}

/// Its reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchNamesResponse {
    /// Their names, where they are known.
    pub packages: BTreeMap<Text<LogId>, Option<Text<PackageName>>>,
}

/// A place to download content from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum ContentSource {
    /// By an HTTP GET.
    #[serde(rename_all = "camelCase")]
    HttpGet {
        /// The absolute URL.
        url: String,
        /// Whether it takes ranges.
        #[serde(default, skip_serializing_if = "is_false")]
        accept_ranges: bool,
        /// The size in bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// `POST /v1/package/LOGID/record`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishRequest {
    /// The package.
    pub package_name: Text<PackageName>,
    /// The signed record.
    pub record: EnvelopeBody,
    /// Places that have the content.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub content_sources: BTreeMap<Text<Digest>, Vec<ContentSource>>,
}

/// Where to upload missing content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum UploadEndpoint {
    /// By HTTP.
    Http {
        /// `POST` or `PUT`.
        method: String,
        /// The URL, which may be relative to the registry's.
        url: String,
        /// Headers to send.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
    },
}

/// How missing content can be brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingContent {
    /// By uploading it to one of these.
    pub upload: Vec<UploadEndpoint>,
}

/// Where a record stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordBody {
    /// The record.
    pub record_id: Text<RecordId>,
    /// Its state.
    #[serde(flatten)]
    pub state: RecordState,
}

/// The state of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase")]
pub enum RecordState {
    /// Content is missing.
    #[serde(rename_all = "camelCase")]
    Sourcing {
        /// What, and how to bring it.
        missing_content: BTreeMap<Text<Digest>, MissingContent>,
    },
    /// It waits for its verdict.
    Processing,
    /// The rules forbid it.
    Rejected {
        /// Which rule.
        reason: String,
    },
    /// It is in the log.
    #[serde(rename_all = "camelCase")]
    Published {
        /// Its index.
        registry_index: u64,
    },
}

/// `GET /v1/content/DIGEST`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContentSourcesResponse {
    /// Every place that has it.
    pub content_sources: BTreeMap<Text<Digest>, Vec<ContentSource>>,
}

/// `POST /v1/proof/consistency`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyRequest {
    /// The earlier tree size.
    pub from: u64,
    /// The later one.
    pub to: u64,
}

/// Its reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsistencyResponse {
    /// A log proof bundle.
    pub proof: Base64,
}

/// `POST /v1/proof/inclusion`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InclusionRequest {
    /// The tree size.
    pub log_length: u64,
    /// Indexes of records.
    pub leafs: Vec<u64>,
}

/// Its reply, in the request's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InclusionResponse {
    /// A log proof bundle.
    pub log: Base64,
    /// A map proof bundle.
    pub map: Base64,
}

/// What a registry says of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verification {
    /// It holds.
    Verified,
    /// It cannot tell.
    Unverified,
    /// It does not hold.
    Invalid,
}

/// The reply of `POST /v1/verify/checkpoint`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyCheckpointResponse {
    /// Whether it was ever given out.
    pub checkpoint: Verification,
    /// Whether its signature holds.
    pub signature: Verification,
    /// Seconds to wait before asking again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

/// The reply of `GET /v1/ledger`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerSourcesResponse {
    /// `sha256`.
    pub hash_algorithm: String,
    /// Where the records' ids are to be had.
    pub sources: Vec<LedgerSource>,
}

/// A part of the ledger download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerSource {
    /// The first record's index.
    pub first_registry_index: u64,
    /// The last record's index.
    pub last_registry_index: u64,
    /// The URL.
    pub url: String,
    /// [`LEDGER_CONTENT_TYPE`].
    pub content_type: String,
    /// Whether it takes ranges.
    #[serde(default, skip_serializing_if = "is_false")]
    pub accept_ranges: bool,
}
