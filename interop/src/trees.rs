//! The log and the map as `warg-transparency` keeps them, with ids of ours going in and plain bytes coming out.

use warg_crypto::hash::{AnyHash, Sha256};
use warg_protocol::registry::{LogId as TheirLogId, LogLeaf, MapLeaf, RecordId as TheirRecordId};
use warg_transparency::log::{LogBuilder as _, LogData as _, LogProofBundle, Node, VecLog};
use warg_transparency::map::{Map, MapProofBundle};
use wargate_core::id::{LogId, RecordId};

/// The log, with the leaves pushed so far.
#[derive(Debug, Default)]
pub struct TheirLog {
    log: VecLog<Sha256, LogLeaf>,
    leaves: Vec<LogLeaf>,
    roots: Vec<[u8; 32]>,
}

impl TheirLog {
    /// Appends the entry of a record.
    pub fn push(&mut self, log_id: &LogId, record_id: &RecordId) {
        let leaf = LogLeaf { log_id: their_log_id(log_id), record_id: their_record_id(record_id) };
        self.log.push(&leaf);
        self.leaves.push(leaf);
        self.roots.push(bytes32(self.log.checkpoint().root().bytes()));
    }

    /// The root at a tree size from 1.
    pub fn root(&self, size: usize) -> [u8; 32] {
        self.roots[size - 1]
    }

    /// The encoded bundle that proves the entries at these indices under the tree of `size`.
    pub fn prove_inclusion(&self, size: usize, indices: &[usize]) -> Vec<u8> {
        let proofs = indices.iter().map(|index| self.log.prove_inclusion(Node(2 * index), size)).collect();
        LogProofBundle::bundle(vec![], proofs, &self.log).expect("a proof of what is there").encode()
    }

    /// The encoded bundle that proves that the tree of size `to` extends that of size `from`.
    pub fn prove_consistency(&self, from: usize, to: usize) -> Vec<u8> {
        let proof = self.log.prove_consistency(from, to);
        LogProofBundle::bundle(vec![proof], vec![], &self.log).expect("a proof of what is there").encode()
    }

    /// Whether the bundle proves, to the published crate, exactly these entries under the root at `size`.
    pub fn accepts_inclusion(&self, bundle: &[u8], size: usize, indices: &[usize]) -> bool {
        let Ok(bundle) = LogProofBundle::<Sha256, LogLeaf>::decode(bundle) else { return false };
        let (hashes, consistency, inclusion) = bundle.unbundle();
        let proves = |(proof, index): (&warg_transparency::log::InclusionProof<_, _>, &usize)| {
            let root = proof.evaluate_value(&hashes, &self.leaves[*index]);
            proof.leaf().index() == 2 * index
                && proof.log_length() == size
                && root.is_ok_and(|root| root.bytes() == self.root(size))
        };
        consistency.is_empty()
            && inclusion.len() == indices.len()
            && inclusion.iter().zip(indices).all(proves)
    }

    /// Whether the bundle proves, to the published crate, that the tree of size `to` extends that of size `from`.
    pub fn accepts_consistency(&self, bundle: &[u8], from: usize, to: usize) -> bool {
        let Ok(bundle) = LogProofBundle::<Sha256, LogLeaf>::decode(bundle) else { return false };
        let (hashes, consistency, inclusion) = bundle.unbundle();
        let [proof] = consistency.as_slice() else { return false };
        let sizes = (proof.old_length, proof.new_length) == (from, to);
        let roots = proof.evaluate(&hashes);
        let roots =
            roots.is_ok_and(|(old, new)| old.bytes() == self.root(from) && new.bytes() == self.root(to));
        inclusion.is_empty() && sizes && roots
    }
}

/// The map from log ids to their latest records.
#[derive(Debug, Default)]
pub struct TheirMap(Map<Sha256, TheirLogId, MapLeaf>);

impl TheirMap {
    /// Sets a log's latest record.
    pub fn insert(&mut self, log_id: &LogId, record_id: &RecordId) {
        self.0 = self.0.insert(their_log_id(log_id), MapLeaf { record_id: their_record_id(record_id) });
    }

    /// The root.
    pub fn root(&self) -> [u8; 32] {
        bytes32(self.0.root().bytes())
    }

    /// The encoded bundle that proves these logs' latest records; all of them must be there.
    pub fn prove(&self, log_ids: &[LogId]) -> Vec<u8> {
        let proofs =
            log_ids.iter().map(|id| self.0.prove(their_log_id(id)).expect("a proof of what is there"));
        MapProofBundle::bundle(proofs.collect()).encode()
    }

    /// Whether the bundle proves, to the published crate, exactly these latest records under the map's root.
    pub fn accepts(&self, bundle: &[u8], heads: &[(LogId, RecordId)]) -> bool {
        let Ok(bundle) = MapProofBundle::<Sha256, TheirLogId, MapLeaf>::decode(bundle) else { return false };
        let proofs = bundle.unbundle();
        proofs.len() == heads.len()
            && proofs.iter().zip(heads).all(|(proof, (log_id, record_id))| {
                let leaf = MapLeaf { record_id: their_record_id(record_id) };
                proof.evaluate(&their_log_id(log_id), &leaf).bytes() == self.root()
            })
    }
}

fn their_log_id(id: &LogId) -> TheirLogId {
    their_hash(&id.to_string()).into()
}

fn their_record_id(id: &RecordId) -> TheirRecordId {
    their_hash(&id.to_string()).into()
}

fn their_hash(text: &str) -> AnyHash {
    text.parse().expect("the text form of a hash")
}

fn bytes32(bytes: &[u8]) -> [u8; 32] {
    bytes.try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;

    fn ids(chance: &mut Chance) -> (LogId, RecordId) {
        (LogId::from_slice(&chance.bytes32()).unwrap(), RecordId::from_slice(&chance.bytes32()).unwrap())
    }

    #[test]
    fn proofs_are_accepted_for_what_they_prove_and_for_nothing_else() {
        let mut chance = Chance::new(6);
        let (mut log, mut map) = (TheirLog::default(), TheirMap::default());
        let heads: Vec<_> = (0..20).map(|_| ids(&mut chance)).collect();
        for (log_id, record_id) in &heads {
            log.push(log_id, record_id);
            map.insert(log_id, record_id);
        }
        let bundle = log.prove_inclusion(19, &[3, 17]);
        assert!(log.accepts_inclusion(&bundle, 19, &[3, 17]));
        for (size, indices) in [(20, [3, 17]), (19, [17, 3]), (19, [3, 16])] {
            assert!(!log.accepts_inclusion(&bundle, size, &indices), "{size} {indices:?}");
        }
        let bundle = log.prove_consistency(7, 20);
        assert!(log.accepts_consistency(&bundle, 7, 20));
        assert!(!log.accepts_consistency(&bundle, 6, 20) && !log.accepts_consistency(&bundle, 7, 19));

        let bundle = map.prove(&[heads[4].0, heads[9].0]);
        assert!(map.accepts(&bundle, &[heads[4], heads[9]]));
        assert!(!map.accepts(&bundle, &[heads[9], heads[4]]) && !map.accepts(&bundle, &[heads[4]]));
        map.insert(&heads[0].0, &heads[1].1);
        assert!(!map.accepts(&bundle, &[heads[4], heads[9]]));
    }
}
