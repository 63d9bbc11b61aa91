//! The load itself: signed records, the same for every server.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;
use wargate_core::digest::Digest;
use wargate_core::envelope::Envelope;
use wargate_core::id::{Layer, LogId, RecordId};
use wargate_core::key::{Algorithm, SecretKey};
use wargate_core::name::PackageName;
use wargate_core::record::{PackageEntry, PackageRecord};
use wargate_core::time::Time;

use crate::http::post;

/// The namespace that the load publishes into.
pub const NAMESPACE: &str = "load";

/// The namespace of those that owners of their own release into. It is another: where one has owners, each v1 log that
/// begins there must be let in, which is not what the load is about.
pub const OWNED_NAMESPACE: &str = "owned";

/// What every package releases: a core module without anything in it.
pub const CONTENT: &[u8] = b"\0asm\x01\0\0\0";

/// A record ready to be sent.
pub struct Prepared {
    pub log: LogId,
    pub record: RecordId,
    pub request: Vec<u8>,
}

/// The author of all records.
pub fn author() -> Result<SecretKey> {
    Ok(SecretKey::from_bytes(Algorithm::EcdsaP256, [42; 32])?)
}

/// The name of the load's package `number`; `run` sets several loads of one server apart.
pub fn name(run: &str, number: usize) -> Result<PackageName> {
    name_in(NAMESPACE, run, number)
}

/// The same in another namespace.
pub fn name_in(namespace: &str, run: &str, number: usize) -> Result<PackageName> {
    let letters: String = format!("{number}").bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
    format!("{namespace}:{run}-{letters}").parse().context("a load's name")
}

/// The present to the nanosecond: a record's id tells its contents only, and the reference on PostgreSQL takes no id
/// twice, whatever the log.
pub fn now() -> Result<Time> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let (seconds, nanos) = (i64::try_from(now.as_secs())?, i32::try_from(now.subsec_nanos())?);
    Time::new(seconds, nanos).context("the clock's time")
}

/// The first record of a package: Init, and a release of [`CONTENT`].
pub fn first(host: &str, key: &SecretKey, name: &PackageName) -> Result<Prepared> {
    let record = PackageRecord {
        prev: None,
        version: 0,
        time: now()?,
        entries: vec![
            PackageEntry::Init { key: key.public().clone() },
            PackageEntry::Release { version: "1.0.0".parse()?, content: Digest::of(CONTENT) },
        ],
    };
    let envelope = Envelope::sign(Layer::Package, record.encode().into(), key)?;
    let request = record_request(host, name, &envelope)?;
    Ok(Prepared { log: LogId::package(name), record: envelope.record_id(Layer::Package), request })
}

/// The request that hands a record in.
pub fn record_request(host: &str, name: &PackageName, envelope: &Envelope) -> Result<Vec<u8>> {
    let body = json!({
        "packageName": name.as_str(),
        "record": {
            "contentBytes": BASE64.encode(&envelope.contents),
            "keyId": envelope.key_id.to_string(),
            "signature": envelope.signature.to_string(),
        },
    });
    let path = format!("/v1/package/{}/record", LogId::package(name));
    Ok(post(host, &path, "application/json", &serde_json::to_vec(&body)?))
}
