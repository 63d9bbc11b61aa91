//! How v1 reads a record's bytes: unknown fields are skipped whatever they hold, and a time is brought into its
//! normal form (`spec/warg.md`, "Differences that matter"; the reference's decoder).
//!
//! The shapes in `proto` know the fields 16 and 17 of delegated logs; v1's own, here, do not.

use bytes::Bytes;
use prost::Message;

use super::RecordError;
use crate::proto::{self, Timestamp};
use crate::time::NANOS_PER_SECOND;

#[derive(Clone, PartialEq, Message)]
struct PackageRecord {
    #[prost(string, optional, tag = "1")]
    prev: Option<String>,
    #[prost(uint32, tag = "2")]
    version: u32,
    #[prost(message, optional, tag = "3")]
    time: Option<Timestamp>,
    #[prost(message, repeated, tag = "4")]
    entries: Vec<proto::PackageEntry>,
}

#[derive(Clone, PartialEq, Message)]
struct OperatorRecord {
    #[prost(string, optional, tag = "1")]
    prev: Option<String>,
    #[prost(uint32, tag = "2")]
    version: u32,
    #[prost(message, optional, tag = "3")]
    time: Option<Timestamp>,
    #[prost(message, repeated, tag = "4")]
    entries: Vec<proto::OperatorEntry>,
}

fn decode<M: Message + Default>(contents: &[u8]) -> Result<M, RecordError> {
    M::decode(contents).map_err(|error| RecordError::Decode { reason: error.to_string() })
}

/// Nanoseconds beyond one second, or below none, are carried over. A time that this would take out of range stays
/// as it is and is refused by whoever reads it.
fn normal(time: Timestamp) -> Timestamp {
    let second = NANOS_PER_SECOND as i32;
    match time.seconds.checked_add(i64::from(time.nanos.div_euclid(second))) {
        Some(seconds) => Timestamp { seconds, nanos: time.nanos.rem_euclid(second) },
        None => time,
    }
}

pub(super) fn package(contents: &[u8]) -> Result<proto::PackageRecord, RecordError> {
    let PackageRecord { prev, version, time, entries } = decode(contents)?;
    let time = time.map(normal);
    Ok(proto::PackageRecord { prev, version, time, entries, act: Bytes::new(), endorsements: Vec::new() })
}

pub(super) fn operator(contents: &[u8]) -> Result<proto::OperatorRecord, RecordError> {
    let OperatorRecord { prev, version, time, entries } = decode(contents)?;
    let time = time.map(normal);
    Ok(proto::OperatorRecord { prev, version, time, entries, act: Bytes::new(), endorsements: Vec::new() })
}
