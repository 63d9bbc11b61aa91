//! Text forms, ids, signatures and envelopes: the same bytes as the published crates make, and both accept them.

use interop::chance::Chance;
use interop::records::{Author, keys};
use interop::trees::TheirMap;
use warg_crypto::Signable as _;
use warg_crypto::hash::{AnyHash, Sha256};
use warg_crypto::signing::{PrivateKey, PublicKey as TheirPublicKey, Signature as TheirSignature};
use warg_protocol::ProtoEnvelope;
use warg_protocol::package::PackageRecord;
use warg_protocol::registry::{
    LogId as TheirLogId, LogLeaf, PackageName as TheirPackageName, RecordId as TheirRecordId,
};
use warg_transparency::log::{LogBuilder as _, VecLog};
use wargate_core::digest::Digest;
use wargate_core::id::{self, Layer, LogId, RecordId};
use wargate_core::key::{PublicKey, Signature};
use wargate_core::name::PackageName;

#[test]
fn names_have_the_same_verdict_and_log_id() {
    let mut chance = Chance::new(1);
    let pieces = ["a", "b0", "wasi", "http", "x-y", "-", "Z", "0", "_", ":", "é", "."];
    let word =
        |chance: &mut Chance| -> String { (0..chance.below(4)).map(|_| *chance.pick(&pieces)).collect() };
    let mut valid = 0;
    for _ in 0..20_000 {
        let name = format!("{}:{}", word(&mut chance), word(&mut chance));
        let (ours, theirs) = (name.parse::<PackageName>(), TheirPackageName::new(name.as_str()));
        assert_eq!(ours.is_ok(), theirs.is_ok(), "{name:?}: {ours:?}, {theirs:?}");
        if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
            valid += 1;
            assert_eq!(ours.namespace().as_str(), theirs.namespace());
            assert_eq!(ours.name(), theirs.name());
            assert_eq!(
                LogId::package(&ours).to_string(),
                TheirLogId::package_log::<Sha256>(&theirs).to_string()
            );
        }
    }
    assert!(valid > 200, "only {valid} names were valid: the test says little");
    assert_eq!(LogId::operator().to_string(), TheirLogId::operator_log::<Sha256>().to_string());
}

#[test]
fn keys_and_signatures_are_the_same_text_and_verify_both_ways() {
    let mut chance = Chance::new(2);
    for ours in keys(&mut chance, 20) {
        let theirs = PrivateKey::decode(ours.to_secret_text()).unwrap();
        assert_eq!(ours.public().to_string(), theirs.public_key().to_string());
        assert_eq!(ours.public().id().to_string(), theirs.public_key().fingerprint().to_string());

        let message = chance.bytes32();
        let signature = ours.sign(&message).unwrap().to_string();
        let public: TheirPublicKey = ours.public().to_string().parse().unwrap();
        public.verify(&message, &signature.parse::<TheirSignature>().unwrap()).unwrap();

        let signature = theirs.sign(&message).unwrap().to_string();
        let public: PublicKey = theirs.public_key().to_string().parse().unwrap();
        let signature: Signature = signature.parse().unwrap();
        public.verify(&message, &signature).unwrap();
        public.verify(b"another message", &signature).unwrap_err();
    }
}

#[test]
fn envelopes_are_the_same_bytes_with_the_same_record_id() {
    let mut chance = Chance::new(3);
    let keys = keys(&mut chance, 3);
    let mut author = Author::new(Layer::Package, &keys);
    let mut decoded = 0;
    for _ in 0..300 {
        let ours = author.write(&mut chance);
        author.took(&ours);
        let bytes = ours.encode();
        // Contents that no decoder takes are another test's matter.
        let Ok(theirs) = ProtoEnvelope::<PackageRecord>::from_protobuf(&bytes) else { continue };
        decoded += 1;
        assert_eq!(theirs.to_protobuf(), bytes);
        let record_id = TheirRecordId::package_record::<Sha256>(&theirs);
        assert_eq!(record_id.to_string(), ours.record_id(Layer::Package).to_string());
        let signer = keys.iter().find(|key| key.public().id() == ours.key_id).unwrap().public();
        let their_signer: TheirPublicKey = signer.to_string().parse().unwrap();
        let verdict = PackageRecord::verify(&their_signer, theirs.content_bytes(), theirs.signature());
        assert_eq!(ours.verify(Layer::Package, signer).is_ok(), verdict.is_ok());
    }
    assert!(decoded > 100, "only {decoded} records could be decoded: the test says little");
}

#[test]
fn a_log_of_one_entry_has_its_leaf_hash_as_root() {
    let mut chance = Chance::new(4);
    for _ in 0..100 {
        let log_id = LogId::from_slice(&chance.bytes32()).unwrap();
        let record_id = RecordId::from_slice(&chance.bytes32()).unwrap();
        let their_hash = |text: String| text.parse::<AnyHash>().unwrap();
        let leaf = LogLeaf {
            log_id: their_hash(log_id.to_string()).into(),
            record_id: their_hash(record_id.to_string()).into(),
        };
        let mut log = VecLog::<Sha256, LogLeaf>::default();
        log.push(&leaf);
        let ours = id::leaf_hash(&id::entry(&log_id, &record_id));
        assert_eq!(log.checkpoint().root().bytes(), ours.as_bytes());
    }
}

#[test]
fn a_map_of_one_log_is_its_leaf_hash_carried_up_along_its_key() {
    let node =
        |left: &Digest, right: &Digest| Digest::of(&[&[1], &left.as_bytes()[..], right.as_bytes()].concat());
    let mut chance = Chance::new(7);
    for _ in 0..20 {
        let log_id = LogId::from_slice(&chance.bytes32()).unwrap();
        let record_id = RecordId::from_slice(&chance.bytes32()).unwrap();
        let mut theirs = TheirMap::default();
        theirs.insert(&log_id, &record_id);

        let (mut root, mut empty) = (id::map_leaf_hash(&record_id), Digest::of(&[0]));
        let key = log_id.map_key();
        for height in 0..256 {
            let depth = 255 - height;
            let right = key.as_bytes()[depth / 8] >> (7 - depth % 8) & 1 == 1;
            root = if right { node(&empty, &root) } else { node(&root, &empty) };
            empty = node(&empty, &empty);
        }
        assert_eq!(theirs.root(), *root.as_bytes());
        assert_eq!(TheirMap::default().root(), *empty.as_bytes());
    }
}
