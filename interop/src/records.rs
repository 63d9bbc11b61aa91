//! Random records of package and operator logs: mostly what a person might sign, often invalid in one way.
//!
//! They are made of the protobuf shapes directly, so that also what no honest program writes can be written.

use bytes::Bytes;
use prost::Message as _;
use wargate_core::envelope::Envelope;
use wargate_core::id::{Layer, RecordId};
use wargate_core::key::{Algorithm, SecretKey};
use wargate_core::proto;

use crate::chance::Chance;

const VERSIONS: &[&str] = &["0.1.0", "0.1.1", "0.2.0", "1.0.0-rc.1", "1.0.0", "1.0.0+build.5", "2.0.0"];
const BAD_VERSIONS: &[&str] = &["1.0", "v1.0.0", "", "01.0.0"];
const NAMESPACES: &[&str] = &["acme", "wasi", "my-org", "Not-One", "x_y", ""];

/// Names that a namespace may and may not have.
pub fn namespaces() -> &'static [&'static str] {
    NAMESPACES
}

/// Versions that records release and yank.
pub fn versions() -> &'static [&'static str] {
    VERSIONS
}

/// Different keys, known by the seed.
pub fn keys(chance: &mut Chance, count: usize) -> Vec<SecretKey> {
    (0..count)
        .map(|_| SecretKey::from_bytes(Algorithm::EcdsaP256, chance.bytes32()).expect("a scalar"))
        .collect()
}

/// Writes the records of one log.
#[derive(Debug)]
pub struct Author<'a> {
    layer: Layer,
    keys: &'a [SecretKey],
    head: Option<RecordId>,
    seconds: i64,
}

impl<'a> Author<'a> {
    /// For an empty log; the first of the keys writes the first record, mostly.
    pub fn new(layer: Layer, keys: &'a [SecretKey]) -> Self {
        Self { layer, keys, head: None, seconds: 1_700_000_000 }
    }

    /// Tells that the log took this record.
    pub fn took(&mut self, envelope: &Envelope) {
        self.head = Some(envelope.record_id(self.layer));
    }

    /// The next attempt.
    pub fn write(&mut self, chance: &mut Chance) -> Envelope {
        let prev = self.prev(chance);
        let version = u32::from(chance.one_in(40));
        let time = self.time(chance);
        let signer = match self.head {
            None if !chance.one_in(10) => &self.keys[0],
            _ => chance.pick(self.keys),
        };
        let count = if chance.one_in(20) { 0 } else { 1 + chance.below(3) };
        let begins = self.head.is_none() && !chance.one_in(10);
        let contents = if self.layer == Layer::Operator {
            let mut entries: Vec<_> = (0..count).map(|_| self.operator_entry(chance)).collect();
            if begins {
                entries.insert(0, operator_init(signer));
            }
            proto::OperatorRecord { prev, version, time, entries, ..Default::default() }.encode_to_vec()
        } else {
            let mut entries: Vec<_> = (0..count).map(|_| self.package_entry(chance)).collect();
            if begins {
                entries.insert(0, package_init(signer));
            }
            proto::PackageRecord { prev, version, time, entries, ..Default::default() }.encode_to_vec()
        };
        self.sign(chance, contents, signer)
    }

    fn sign(&self, chance: &mut Chance, mut contents: Vec<u8>, signer: &SecretKey) -> Envelope {
        match chance.below(60) {
            // Field 20 with two bytes: unknown to v1, so skipped, but signed.
            0..4 => contents.extend_from_slice(&[0xa2, 0x01, 0x02, 0xff, 0x00]),
            // Not protobuf any more.
            4 => contents.push(0x0f),
            _ => {}
        }
        let mut envelope = Envelope::sign(self.layer, contents.into(), signer).expect("the key signs");
        match chance.below(60) {
            0 => envelope.key_id = chance.pick(self.keys).public().id(),
            1 => envelope.signature = signer.sign(b"something else").expect("the key signs"),
            // The other layer's signature.
            2 => {
                let other = if self.layer == Layer::Operator { Layer::Package } else { Layer::Operator };
                envelope = Envelope::sign(other, envelope.contents, signer).expect("the key signs");
            }
            _ => {}
        }
        envelope
    }

    fn prev(&self, chance: &mut Chance) -> Option<String> {
        match chance.below(40) {
            0 => None,
            1 => Some(self.layer.record_id(b"another record").to_string()),
            2 => Some("sha256:ABCD".to_owned()),
            _ => self.head.map(|head| head.to_string()),
        }
    }

    fn time(&mut self, chance: &mut Chance) -> Option<proto::Timestamp> {
        let nanos = chance.below(3) as i32;
        match chance.below(40) {
            0 => None,
            1 => Some(proto::Timestamp { seconds: self.seconds - 10, nanos }),
            _ => {
                self.seconds += chance.below(2) as i64;
                Some(proto::Timestamp { seconds: self.seconds, nanos })
            }
        }
    }

    fn key(&self, chance: &mut Chance) -> String {
        match chance.below(50) {
            0 => "ecdsa-p256:AAAA".to_owned(),
            _ => chance.pick(self.keys).public().to_string(),
        }
    }

    fn grant(&self, chance: &mut Chance) -> proto::GrantFlat {
        proto::GrantFlat { key: self.key(chance), permissions: self.permissions(chance) }
    }

    fn revoke(&self, chance: &mut Chance) -> proto::RevokeFlat {
        let key_id = chance.pick(self.keys).public().id().to_string();
        proto::RevokeFlat { key_id, permissions: self.permissions(chance) }
    }

    fn permissions(&self, chance: &mut Chance) -> Vec<i32> {
        let highest = if self.layer == Layer::Operator { 3 } else { 2 };
        // 0 is "unspecified", one above the highest is unknown.
        let one = |chance: &mut Chance| match chance.below(40) {
            0 => 0,
            1 => highest + 1,
            _ => 1 + chance.below(highest as usize) as i32,
        };
        (0..chance.below(4)).map(|_| one(chance)).collect()
    }

    fn package_entry(&self, chance: &mut Chance) -> proto::PackageEntry {
        use proto::package_entry::Contents;
        let version = |chance: &mut Chance| {
            let versions = if chance.one_in(40) { BAD_VERSIONS } else { VERSIONS };
            (*chance.pick(versions)).to_owned()
        };
        let contents = match chance.below(60) {
            0 => return proto::PackageEntry { contents: None },
            1 => return package_init(chance.pick(self.keys)),
            2..12 => Contents::GrantFlat(self.grant(chance)),
            12..18 => Contents::RevokeFlat(self.revoke(chance)),
            18..30 => Contents::Yank(proto::PackageYank { version: version(chance) }),
            _ => {
                let digest = wargate_core::digest::Digest::of(&chance.bytes32()).to_string();
                let content_hash = if chance.one_in(40) { digest.to_uppercase() } else { digest };
                Contents::Release(proto::PackageRelease { version: version(chance), content_hash })
            }
        };
        proto::PackageEntry { contents: Some(contents) }
    }

    fn operator_entry(&self, chance: &mut Chance) -> proto::OperatorEntry {
        use proto::operator_entry::Contents;
        let namespace = (*chance.pick(NAMESPACES)).to_owned();
        let contents = match chance.below(60) {
            0 => return proto::OperatorEntry { contents: None },
            1 => return operator_init(chance.pick(self.keys)),
            2..22 => Contents::GrantFlat(self.grant(chance)),
            22..34 => Contents::RevokeFlat(self.revoke(chance)),
            34..48 => Contents::DefineNamespace(proto::OperatorDefineNamespace { namespace }),
            _ => {
                let registry = "other.example".to_owned();
                Contents::ImportNamespace(proto::ImportNamespace { namespace, registry })
            }
        };
        proto::OperatorEntry { contents: Some(contents) }
    }
}

fn package_init(key: &SecretKey) -> proto::PackageEntry {
    let init = proto::PackageInit { key: key.public().to_string(), hash_algorithm: "sha256".to_owned() };
    proto::PackageEntry { contents: Some(proto::package_entry::Contents::Init(init)) }
}

fn operator_init(key: &SecretKey) -> proto::OperatorEntry {
    let init = proto::OperatorInit { key: key.public().to_string(), hash_algorithm: "sha256".to_owned() };
    proto::OperatorEntry { contents: Some(proto::operator_entry::Contents::Init(init)) }
}

/// The envelope's one encoding, as bytes.
pub fn encoded(envelope: &Envelope) -> Bytes {
    envelope.encode().into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::reference::{OperatorLog, PackageLog};

    /// How often the published crate took a record or refused it, by the word that its reason begins with.
    fn verdicts(layer: Layer) -> BTreeMap<String, usize> {
        let mut chance = Chance::new(5);
        let mut verdicts = BTreeMap::new();
        for _ in 0..100 {
            let keys = keys(&mut chance, 4);
            let mut author = Author::new(layer, &keys);
            let (mut package, mut operator) = (PackageLog::default(), OperatorLog::default());
            for _ in 0..40 {
                let envelope = author.write(&mut chance);
                let verdict = match layer {
                    Layer::Operator => operator.take(&encoded(&envelope)),
                    _ => package.take(&encoded(&envelope)),
                };
                let word = match verdict {
                    Ok(()) => {
                        author.took(&envelope);
                        "taken".to_owned()
                    }
                    Err(reason) => reason.split([' ', '(']).next().unwrap().to_owned(),
                };
                *verdicts.entry(word).or_default() += 1;
            }
        }
        verdicts
    }

    #[test]
    fn random_records_meet_every_rule() {
        let both = [
            "taken",
            "Contents",
            "InitialEntryAfterBeginning",
            "InitialRecordDoesNotInit",
            "KeyIDNotRecognized",
            "NoPreviousHashAfterInit",
            "PermissionNotFoundToRevoke",
            "PreviousHashOnFirstRecord",
            "ProtocolVersionNotAllowed",
            "RecordHashDoesNotMatch",
            "SignatureError",
            "TimestampLowerThanPrevious",
            "UnauthorizedAction",
        ];
        // In an operator log the first entry that is not "init" fails for want of a permission already.
        let package =
            ["FirstEntryIsNotInit", "ReleaseOfReleased", "YankOfUnreleased", "YankOfYanked"].as_slice();
        let operator = ["InvalidNamespace", "NamespaceAlreadyDefined"].as_slice();
        for (layer, own) in [(Layer::Package, package), (Layer::Operator, operator)] {
            let verdicts = verdicts(layer);
            for word in both.iter().chain(own) {
                assert!(verdicts.contains_key(*word), "{layer:?}: no record was `{word}`: {verdicts:#?}");
            }
            assert!(verdicts["taken"] > 100, "{layer:?}: {verdicts:#?}");
        }
    }
}
