//! The protobuf messages of Warg and of Wargate's acts, as shapes only.
//!
//! Source: `spec/warg.md` "Protobuf" and `spec/delegation.md` "Acts and records". What the fields mean and
//! which values are allowed is decided where they are parsed: `record`, `act`, `log::proof`, `map::proof`.

#![expect(missing_docs, reason = "field by field these are the specifications' own words")]

/// `google.protobuf.Timestamp`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Timestamp {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Envelope {
    #[prost(bytes = "bytes", tag = "1")]
    pub contents: bytes::Bytes,
    #[prost(string, tag = "2")]
    pub key_id: String,
    #[prost(string, tag = "3")]
    pub signature: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OperatorRecord {
    #[prost(string, optional, tag = "1")]
    pub prev: Option<String>,
    #[prost(uint32, tag = "2")]
    pub version: u32,
    #[prost(message, optional, tag = "3")]
    pub time: Option<Timestamp>,
    #[prost(message, repeated, tag = "4")]
    pub entries: Vec<OperatorEntry>,
    #[prost(bytes = "bytes", tag = "16")]
    pub act: bytes::Bytes,
    #[prost(message, repeated, tag = "17")]
    pub endorsements: Vec<Endorsement>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OperatorEntry {
    #[prost(oneof = "operator_entry::Contents", tags = "1, 2, 3, 4, 5")]
    pub contents: Option<operator_entry::Contents>,
}

pub mod operator_entry {
    #[derive(Clone, PartialEq, Eq, prost::Oneof)]
    pub enum Contents {
        #[prost(message, tag = "1")]
        Init(super::OperatorInit),
        #[prost(message, tag = "2")]
        GrantFlat(super::GrantFlat),
        #[prost(message, tag = "3")]
        RevokeFlat(super::RevokeFlat),
        #[prost(message, tag = "4")]
        DefineNamespace(super::OperatorDefineNamespace),
        #[prost(message, tag = "5")]
        ImportNamespace(super::ImportNamespace),
    }
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OperatorInit {
    #[prost(string, tag = "1")]
    pub hash_algorithm: String,
    #[prost(string, tag = "2")]
    pub key: String,
}

/// `OperatorGrantFlat` and `PackageGrantFlat`: one shape, the permissions' meaning differs.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct GrantFlat {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(int32, repeated, tag = "2")]
    pub permissions: Vec<i32>,
}

/// `OperatorRevokeFlat` and `PackageRevokeFlat`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RevokeFlat {
    #[prost(string, tag = "1")]
    pub key_id: String,
    #[prost(int32, repeated, tag = "2")]
    pub permissions: Vec<i32>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OperatorDefineNamespace {
    #[prost(string, tag = "1")]
    pub namespace: String,
}

/// `OperatorImportNamespace`, and the step `Import` of an act.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ImportNamespace {
    #[prost(string, tag = "1")]
    pub namespace: String,
    #[prost(string, tag = "2")]
    pub registry: String,
}

/// `PackageRecord`; a namespace's record has the same shape.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PackageRecord {
    #[prost(string, optional, tag = "1")]
    pub prev: Option<String>,
    #[prost(uint32, tag = "2")]
    pub version: u32,
    #[prost(message, optional, tag = "3")]
    pub time: Option<Timestamp>,
    #[prost(message, repeated, tag = "4")]
    pub entries: Vec<PackageEntry>,
    #[prost(bytes = "bytes", tag = "16")]
    pub act: bytes::Bytes,
    #[prost(message, repeated, tag = "17")]
    pub endorsements: Vec<Endorsement>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PackageEntry {
    #[prost(oneof = "package_entry::Contents", tags = "1, 2, 3, 4, 5")]
    pub contents: Option<package_entry::Contents>,
}

pub mod package_entry {
    #[derive(Clone, PartialEq, Eq, prost::Oneof)]
    pub enum Contents {
        #[prost(message, tag = "1")]
        Init(super::PackageInit),
        #[prost(message, tag = "2")]
        GrantFlat(super::GrantFlat),
        #[prost(message, tag = "3")]
        RevokeFlat(super::RevokeFlat),
        #[prost(message, tag = "4")]
        Release(super::PackageRelease),
        #[prost(message, tag = "5")]
        Yank(super::PackageYank),
    }
}

/// The fields stand in the reverse order of [`OperatorInit`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PackageInit {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub hash_algorithm: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PackageRelease {
    #[prost(string, tag = "1")]
    pub version: String,
    #[prost(string, tag = "2")]
    pub content_hash: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PackageYank {
    #[prost(string, tag = "1")]
    pub version: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Endorsement {
    #[prost(string, tag = "1")]
    pub key_id: String,
    #[prost(string, tag = "2")]
    pub signature: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Act {
    #[prost(string, tag = "1")]
    pub root: String,
    #[prost(string, tag = "2")]
    pub log_id: String,
    #[prost(message, repeated, tag = "3")]
    pub steps: Vec<Step>,
    #[prost(message, optional, tag = "4")]
    pub not_before: Option<Timestamp>,
    #[prost(message, optional, tag = "5")]
    pub not_after: Option<Timestamp>,
    #[prost(bytes = "vec", tag = "6")]
    pub nonce: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Step {
    #[prost(oneof = "step::Step", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10")]
    pub step: Option<step::Step>,
}

pub mod step {
    #[derive(Clone, PartialEq, Eq, prost::Oneof)]
    pub enum Step {
        #[prost(message, tag = "1")]
        Init(super::Init),
        #[prost(message, tag = "2")]
        Grant(super::Grant),
        #[prost(message, tag = "3")]
        Revoke(super::Revoke),
        #[prost(message, tag = "4")]
        Release(super::Release),
        #[prost(message, tag = "5")]
        Yank(super::Yank),
        #[prost(message, tag = "6")]
        Annotate(super::Annotate),
        #[prost(message, tag = "7")]
        Admit(super::Admit),
        #[prost(message, tag = "8")]
        Recover(super::Recover),
        #[prost(message, tag = "9")]
        Import(super::ImportNamespace),
        #[prost(message, tag = "10")]
        Takedown(super::Takedown),
    }
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Init {
    #[prost(string, repeated, tag = "1")]
    pub keys: Vec<String>,
    #[prost(uint32, tag = "2")]
    pub threshold: u32,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Grant {
    #[prost(string, tag = "1")]
    pub role: String,
    #[prost(string, repeated, tag = "2")]
    pub keys: Vec<String>,
    #[prost(uint32, tag = "3")]
    pub threshold: u32,
    #[prost(string, repeated, tag = "4")]
    pub powers: Vec<String>,
    #[prost(string, repeated, tag = "5")]
    pub scope: Vec<String>,
    #[prost(message, optional, tag = "6")]
    pub not_after: Option<Timestamp>,
    #[prost(uint32, tag = "7")]
    pub depth: u32,
    #[prost(string, tag = "8")]
    pub parent: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Revoke {
    #[prost(string, tag = "1")]
    pub role: String,
    #[prost(string, repeated, tag = "2")]
    pub key_ids: Vec<String>,
    #[prost(string, tag = "3")]
    pub since: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Release {
    #[prost(string, tag = "1")]
    pub version: String,
    #[prost(string, tag = "2")]
    pub content_hash: String,
    #[prost(string, tag = "3")]
    pub manifest: String,
    #[prost(message, repeated, tag = "4")]
    pub variants: Vec<Variant>,
    #[prost(message, repeated, tag = "5")]
    pub dependencies: Vec<Dependency>,
    #[prost(string, tag = "6")]
    pub on_behalf_of: String,
    #[prost(bool, tag = "7")]
    pub breaking: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Variant {
    #[prost(string, tag = "1")]
    pub kind: String,
    #[prost(string, tag = "2")]
    pub content_hash: String,
    #[prost(string, tag = "3")]
    pub manifest: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Dependency {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub requirement: String,
    #[prost(string, tag = "3")]
    pub version: String,
    #[prost(string, tag = "4")]
    pub content_hash: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Yank {
    #[prost(string, tag = "1")]
    pub version: String,
    #[prost(string, tag = "2")]
    pub reason: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Annotate {
    #[prost(string, tag = "1")]
    pub kind: String,
    #[prost(string, tag = "2")]
    pub subject: String,
    #[prost(string, tag = "3")]
    pub value: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Admit {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub key: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Recover {
    #[prost(string, repeated, tag = "1")]
    pub keys: Vec<String>,
    #[prost(uint32, tag = "2")]
    pub threshold: u32,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Takedown {
    #[prost(string, tag = "1")]
    pub subject: String,
    #[prost(string, tag = "2")]
    pub reason: String,
    #[prost(bool, tag = "3")]
    pub lifted: bool,
    #[prost(message, optional, tag = "4")]
    pub not_after: Option<Timestamp>,
}

/// `warg.transparency.LogProofBundle`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LogProofBundle {
    #[prost(uint32, tag = "1")]
    pub log_length: u32,
    #[prost(uint32, repeated, tag = "2")]
    pub consistent_lengths: Vec<u32>,
    #[prost(uint32, repeated, tag = "3")]
    pub included_indices: Vec<u32>,
    #[prost(message, repeated, tag = "4")]
    pub hashes: Vec<HashEntry>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HashEntry {
    #[prost(uint32, tag = "1")]
    pub index: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub hash: Vec<u8>,
}

/// `warg.transparency.MapProofBundle`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct MapProofBundle {
    #[prost(message, repeated, tag = "1")]
    pub proofs: Vec<MapInclusionProof>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct MapInclusionProof {
    #[prost(message, repeated, tag = "1")]
    pub hashes: Vec<OptionalHash>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OptionalHash {
    #[prost(bytes = "vec", optional, tag = "1")]
    pub hash: Option<Vec<u8>>,
}
