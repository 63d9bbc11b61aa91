//! Somebody who writes packages over HTTP, for tests that need many of them quickly.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a failure here is the test's failure")]

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use wargate_core::digest::Digest;
use wargate_core::envelope::Envelope;
use wargate_core::id::{Layer, LogId, RecordId};
use wargate_core::key::{Algorithm, SecretKey};
use wargate_core::name::PackageName;
use wargate_core::record::{PackageEntry, PackageRecord};
use wargate_core::time::Time;

/// One package and its author.
pub(crate) struct Author {
    pub(crate) name: PackageName,
    key: SecretKey,
    pub(crate) head: Option<RecordId>,
}

/// A core module that is nothing but a custom section with this payload.
pub(crate) fn module(payload: &[u8]) -> Vec<u8> {
    let mut module = b"\0asm\x01\0\0\0\0".to_vec();
    let mut length = payload.len() + 2;
    while length > 0x7f {
        module.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    module.push(length as u8);
    module.extend_from_slice(b"\x01x");
    module.extend_from_slice(payload);
    module
}

/// A record that was signed and can be sent again.
#[derive(Clone)]
pub(crate) struct Signed {
    pub(crate) log: LogId,
    pub(crate) id: RecordId,
    pub(crate) body: Value,
}

impl Author {
    pub(crate) fn new(name: &str) -> Self {
        let key = SecretKey::from_bytes(Algorithm::EcdsaP256, [9; 32]).unwrap();
        Self { name: name.parse().unwrap(), key, head: None }
    }

    /// Signs the next record: a release of `content`, with `init` before it in the first one.
    pub(crate) fn release(&self, version: &str, content: &[u8]) -> Signed {
        self.releases(&[(version, content)])
    }

    /// The same with several releases in one record.
    pub(crate) fn releases(&self, releases: &[(&str, &[u8])]) -> Signed {
        let entry = |(version, content): &(&str, &[u8])| PackageEntry::Release {
            version: version.parse().unwrap(),
            content: Digest::of(content),
        };
        let mut entries: Vec<_> = releases.iter().map(entry).collect();
        if self.head.is_none() {
            entries.insert(0, PackageEntry::Init { key: self.key.public().clone() });
        }
        self.sign(entries)
    }

    pub(crate) fn yank(&self, version: &str) -> Signed {
        self.sign(vec![PackageEntry::Yank { version: version.parse().unwrap() }])
    }

    fn sign(&self, entries: Vec<PackageEntry>) -> Signed {
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let time = Time::from_millis(millis as u64);
        let record = PackageRecord { prev: self.head, version: 0, time, entries };
        let envelope = Envelope::sign(Layer::Package, record.encode().into(), &self.key).unwrap();
        let body = json!({
            "packageName": self.name.as_str(),
            "record": {
                "contentBytes": BASE64.encode(&envelope.contents),
                "keyId": envelope.key_id.to_string(),
                "signature": envelope.signature.to_string(),
            },
        });
        Signed { log: LogId::package(&self.name), id: envelope.record_id(Layer::Package), body }
    }
}

/// Hands a record in, uploads what is missing, and waits; whether it is published. `Err` when the server is gone.
pub(crate) async fn publish(
    http: &reqwest::Client,
    url: &str,
    signed: &Signed,
    content: &[u8],
) -> Result<bool, reqwest::Error> {
    let at = format!("{url}/v1/package/{}/record", signed.log);
    let answer: Value = http.post(&at).json(&signed.body).send().await?.json().await?;
    let digest = Digest::of(content);
    if answer["state"] == "sourcing" {
        let to = format!("{at}/{}/content/{digest}", signed.id);
        http.post(to).body(content.to_vec()).send().await?;
    }
    for _ in 0..2_000 {
        let answer: Value = http.get(format!("{at}/{}", signed.id)).send().await?.json().await?;
        match answer["state"].as_str() {
            Some("published") => return Ok(true),
            Some("processing" | "sourcing") => tokio::time::sleep(std::time::Duration::from_millis(2)).await,
            _ => return Ok(false),
        }
    }
    Ok(false)
}

/// The longest wait of [`try_publish`] for a verdict, in polls.
const POLLS_MAX: usize = 200;

/// Hands a record in, uploads what is missing, and waits a second or so. `Ok(None)` once it is published, `Ok(Some)`
/// with the first answer that refuses, or 202 if the verdict is still to come; `Err` when the server is gone.
pub(crate) async fn try_publish(
    http: &reqwest::Client,
    url: &str,
    signed: &Signed,
    content: &[u8],
) -> Result<Option<(u16, String)>, reqwest::Error> {
    let at = format!("{url}/v1/package/{}/record", signed.log);
    let mut answer = http.post(&at).json(&signed.body).send().await?;
    for _ in 0..POLLS_MAX {
        let status = answer.status();
        if !status.is_success() {
            return Ok(Some((status.as_u16(), answer.text().await?)));
        }
        let state: Value = answer.json().await?;
        match state["state"].as_str() {
            Some("published") => return Ok(None),
            Some("sourcing") => {
                let to = format!("{at}/{}/content/{}", signed.id, Digest::of(content));
                let uploaded = http.post(to).body(content.to_vec()).send().await?;
                if !uploaded.status().is_success() {
                    return Ok(Some((uploaded.status().as_u16(), uploaded.text().await?)));
                }
            }
            Some("processing") => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            _ => return Ok(Some((status.as_u16(), state.to_string()))),
        }
        answer = http.get(format!("{at}/{}", signed.id)).send().await?;
    }
    Ok(Some((202, "no verdict yet".to_owned())))
}
