//! Log, map, proofs and checkpoints: every value that the reference computed.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test ends where something fails")]
#![expect(clippy::unwrap_used, reason = "a vector that cannot be read has failed")]

mod vectors;

use std::collections::HashMap;
use std::sync::Arc;

use vectors::{bytes, digest, list, load, number, text};
use wargate_core::checkpoint::{Checkpoint, SignedCheckpoint, open_note};
use wargate_core::digest::Digest;
use wargate_core::id::{LogId, RecordId, entry, leaf_hash, parse_entry};
use wargate_core::key::PublicKey;
use wargate_core::log::proof::LogProofBundle;
use wargate_core::log::tile::{
    Edge, decode_entries, decode_names, encode_entries, encode_names, encode_records, node_in_tile,
};
use wargate_core::log::tree::NodeId;
use wargate_core::map::page::{self, PageRef, Pages};
use wargate_core::map::proof::{MapProofBundle, prove};
use wargate_core::note::{Note, Verifier};

/// The registry of the vectors, grown step by step.
struct Registry {
    edge: Edge,
    leaves: Vec<Digest>,
    logs: Vec<LogId>,
    latest: HashMap<LogId, RecordId>,
    map: Option<PageRef>,
    pages: Pages,
}

impl Registry {
    fn empty() -> Self {
        Self {
            edge: Edge::empty(),
            leaves: Vec::new(),
            logs: Vec::new(),
            latest: HashMap::new(),
            map: None,
            pages: Pages::default(),
        }
    }

    fn add(&mut self, log: LogId, record: RecordId) {
        let leaf = leaf_hash(&entry(&log, &record));
        self.edge.append(&[leaf]);
        self.leaves.push(leaf);
        self.logs.push(log);
        self.latest.insert(log, record);
        let update =
            page::update(self.map, &self.pages, &[(log.map_key(), record)], self.edge.size()).unwrap();
        for (page_ref, page) in update.pages {
            self.pages.insert(page_ref, Arc::new(page));
        }
        self.map = Some(update.root);
    }

    fn hash(&self, node: NodeId) -> Option<Digest> {
        let (id, _) = node.tile();
        assert_eq!(id.level, 0, "the vectors fit in one tile");
        node_in_tile(node, &self.leaves)
    }
}

fn steps(vectors: &serde_json::Value) -> Vec<(LogId, RecordId)> {
    list(&vectors["registry"]["steps"])
        .iter()
        .map(|step| (text(&step["logId"]).parse().unwrap(), text(&step["recordId"]).parse().unwrap()))
        .collect()
}

fn grown(vectors: &serde_json::Value) -> Registry {
    let mut registry = Registry::empty();
    for (log, record) in steps(vectors) {
        registry.add(log, record);
    }
    registry
}

#[test]
fn roots_of_every_step() {
    let vectors = load("warg");
    assert_eq!(page::empty_root(), digest(&vectors["registry"]["emptyMapRoot"]));
    let mut registry = Registry::empty();
    for step in list(&vectors["registry"]["steps"]) {
        registry.add(text(&step["logId"]).parse().unwrap(), text(&step["recordId"]).parse().unwrap());
        assert_eq!(*registry.leaves.last().unwrap(), digest(&step["leafHash"]));
        assert_eq!(registry.edge.root(), digest(&step["logRoot"]));
        assert_eq!(registry.map.unwrap().hash, digest(&step["mapRoot"]));
        assert_eq!(registry.edge.size(), number(&step["length"]));
    }
}

#[test]
fn log_bundles_are_byte_for_byte_the_same_and_verify() {
    let vectors = load("warg");
    let registry = grown(&vectors);
    let roots: Vec<Digest> =
        list(&vectors["registry"]["steps"]).iter().map(|step| digest(&step["logRoot"])).collect();
    let root = |size: u64| roots[size as usize - 1];
    let mut inclusions: Vec<(Vec<u64>, u64, Vec<u8>)> = list(&vectors["registry"]["logInclusion"])
        .iter()
        .map(|case| (vec![number(&case["leaf"])], number(&case["length"]), bytes(&case["bundle"])))
        .collect();
    let many = &vectors["registry"]["logInclusionMany"];
    inclusions.push((
        list(&many["leaves"]).iter().map(number).collect(),
        number(&many["length"]),
        bytes(&many["bundle"]),
    ));
    for (leaves, size, expected) in inclusions {
        let bundle = LogProofBundle::build(size, vec![], leaves.clone(), |node| registry.hash(node)).unwrap();
        assert_eq!(bundle.encode().unwrap(), expected, "{leaves:?} in {size}");
        let bundle = LogProofBundle::decode(&expected).unwrap();
        for leaf in leaves {
            bundle.verify_inclusion(leaf, &registry.leaves[leaf as usize], &root(size)).unwrap();
            assert!(bundle.verify_inclusion(leaf, &Digest::of(b"other"), &root(size)).is_err());
        }
    }
    for case in list(&vectors["registry"]["logConsistency"]) {
        let (from, to) = (number(&case["from"]), number(&case["to"]));
        let bundle = LogProofBundle::build(to, vec![from], vec![], |node| registry.hash(node)).unwrap();
        assert_eq!(bundle.encode().unwrap(), bytes(&case["bundle"]), "{from} to {to}");
        bundle.verify_consistency(from, &root(from), &root(to)).unwrap();
        assert!(bundle.verify_consistency(from, &Digest::of(b"other"), &root(to)).is_err());
    }
}

#[test]
fn map_bundles_are_byte_for_byte_the_same_and_verify() {
    let vectors = load("warg");
    let registry = grown(&vectors);
    for case in list(&vectors["registry"]["mapInclusion"]) {
        let log = registry.logs[number(&case["leaf"]) as usize];
        let proof = prove(registry.map, &registry.pages, &log.map_key()).unwrap();
        assert_eq!(proof.peers.len() as u64, number(&case["peers"]));
        let bundle = MapProofBundle { proofs: vec![proof] };
        assert_eq!(bundle.encode(), bytes(&case["bundle"]));
        let bundle = MapProofBundle::decode(&bytes(&case["bundle"])).unwrap();
        let root = registry.map.unwrap().hash;
        bundle.proofs[0].verify(&root, &log, Some(&registry.latest[&log])).unwrap();
        assert!(bundle.proofs[0].verify(&root, &log, None).is_err());
    }
}

fn warg_checkpoint(json: &serde_json::Value, note_signature: &str) -> SignedCheckpoint {
    let contents = &json["contents"];
    SignedCheckpoint {
        checkpoint: Checkpoint {
            size: number(&contents["logLength"]),
            root: digest(&contents["logRoot"]),
            map_root: digest(&contents["mapRoot"]),
            time: number(&contents["timestamp"]),
        },
        key_id: text(&json["keyId"]).parse().unwrap(),
        warg_signature: text(&json["signature"]).parse().unwrap(),
        note_signature: note_signature.parse().unwrap(),
    }
}

#[test]
fn the_reference_checkpoint_verifies() {
    let vectors = load("warg");
    let json = &vectors["checkpoint"]["json"];
    let signed = warg_checkpoint(json, text(&json["signature"]));
    let message = hex::encode(signed.checkpoint.warg_signed_bytes());
    assert!(message.ends_with(text(&vectors["checkpoint"]["signedMessage"])), "{message}");
    let key: PublicKey = text(&vectors["keys"][0]["public"]).parse().unwrap();
    signed.verify_warg(&key).unwrap();
    let other = SignedCheckpoint {
        checkpoint: Checkpoint { time: signed.checkpoint.time + 1, ..signed.checkpoint.clone() },
        ..signed
    };
    other.verify_warg(&key).unwrap_err();
}

#[test]
fn the_independent_log_agrees() {
    let vectors = load("delegated");
    let mut registry = Registry::empty();
    let (mut entries, mut envelopes, mut names) = (Vec::new(), Vec::new(), Vec::new());
    let mut seen = std::collections::HashSet::new();
    for record in list(&vectors["records"]) {
        let (log, id): (LogId, RecordId) =
            (text(&record["logId"]).parse().unwrap(), text(&record["recordId"]).parse().unwrap());
        registry.add(log, id);
        let bytes_of_entry = bytes(&record["entry"]);
        assert_eq!(entry(&log, &id), bytes_of_entry);
        assert_eq!(parse_entry(&bytes_of_entry), Some((log, id)));
        entries.push(bytes_of_entry);
        envelopes.push(bytes(&record["envelope"]));
        let name = text(&record["log"]);
        names.push(if seen.insert(log) && name != "operator" { name } else { "" });
    }
    let operator: Vec<PublicKey> = ["commit1", "commit2", "commit3"]
        .iter()
        .map(|name| text(&vectors["keys"][name]["public"]).parse().unwrap())
        .collect();
    let origin = text(&vectors["origin"]);
    let (checkpoint, by) = open_note(text(&vectors["checkpoint"]), origin, &operator).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (registry.edge.size(), registry.edge.root()));
    assert_eq!(checkpoint.map_root, registry.map.unwrap().hash);
    assert_eq!(by.to_string(), text(&vectors["wargCheckpoint"]["keyId"]));
    let json = &vectors["wargCheckpoint"];
    let signed = warg_checkpoint(json, text(&json["signature"]));
    assert_eq!(signed.checkpoint, checkpoint);
    signed.verify_warg(operator.iter().find(|key| key.id() == by).unwrap()).unwrap();
    // The announced Ed25519 line verifies too.
    let verifier = Verifier::from_vkey(text(&vectors["vkey"])).unwrap();
    assert_eq!(verifier.vkey().unwrap(), text(&vectors["vkey"]));
    Note::parse(text(&vectors["checkpoint"])).unwrap().verify(&[verifier]).unwrap();

    let tile: Vec<u8> = registry.leaves.iter().flat_map(|hash| *hash.as_bytes()).collect();
    assert_eq!(tile, bytes(&vectors["tile0"]["bytes"]));
    let bundle = bytes(&vectors["entries"]["bytes"]);
    assert_eq!(encode_entries(entries.iter().map(Vec::as_slice)).unwrap(), bundle);
    assert_eq!(decode_entries(&bundle, 34).unwrap(), entries);
    let records = encode_records(envelopes.iter().map(Vec::as_slice)).unwrap();
    assert_eq!(Digest::of(&records).to_hex(), text(&vectors["recordsSha256"]));
    let bundle = bytes(&vectors["names"]["bytes"]);
    assert_eq!(encode_names(names.iter().copied()).unwrap(), bundle);
    assert_eq!(decode_names(&bundle, 34).unwrap(), names);
}

#[test]
fn the_note_of_the_specification_verifies() {
    let vkey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    let note = "This is an example message.\n\n\u{2014} example.com/foo \
                Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    let known = [Verifier::from_vkey(vkey).unwrap()];
    Note::parse(note).unwrap().verify(&known).unwrap();
    assert!(Note::parse(&note.replace("example message", "other message")).unwrap().verify(&known).is_err());
    assert!(Note::parse(note).unwrap().verify(&[]).is_err());
    for bad in ["", "x\n", "x\n\n", "x\n\n— a b", &note.replace('\n', "\r\n"), note.trim_end()] {
        assert!(Note::parse(bad).is_err(), "{bad:?}");
    }
}
