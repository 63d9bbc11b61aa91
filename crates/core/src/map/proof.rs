//! Proofs that the map holds a log's latest record, or that it doesn't hold the log at all.
//!
//! Encoding: `spec/warg.md`, "Transparency": peers from the bottom up, the missing ones at the bottom are empty
//! subtrees; a peer without a hash is the empty subtree of its height.

use prost::Message as _;

use super::page::{
    MAP_HEIGHT, MapError, PAGE_LEVELS, PageRef, Pages, Slot, bit, empty_hash, lone_leaf_hash, slot_of, way,
};
use crate::digest::Digest;
use crate::id::{LogId, RecordId};
use crate::log::tree::node_hash;
use crate::proto;

/// Largest encoded bundle that is decoded, in bytes: 1000 proofs of 256 hashes.
pub const MAP_PROOF_BYTES_MAX: usize = 10 * 1024 * 1024;

/// A map proof that does not hold or is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MapProofError {
    /// Not the bytes of a bundle.
    #[error("the map proof cannot be decoded: {reason}")]
    Decode {
        /// What is wrong with it.
        reason: String,
    },
    /// The proof leads to another root.
    #[error("the map proof leads to root {found}, expected {expected}")]
    Root {
        /// The root that the checkpoint names.
        expected: Digest,
        /// The root that the proof leads to.
        found: Digest,
    },
}

/// The peers of one key's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapProof {
    /// From the bottom up, ending at the root's child; `None` is an empty subtree. At most 256.
    pub peers: Vec<Option<Digest>>,
}

/// Proves what the map holds under a key: its record, or nothing.
///
/// A key's absence is proven by the peers down to where its subtree is empty; if another key is alone there,
/// down to where the two part.
///
/// # Errors
/// [`MapError::MissingPage`] if a page on the way is not at hand.
pub fn prove(root: Option<PageRef>, pages: &Pages, key: &Digest) -> Result<MapProof, MapError> {
    // By depth, from the root's child down; reversed at the end.
    let mut peers: Vec<Option<Digest>> = Vec::new();
    let way = way(root, pages, key)?;
    for (depth, page) in way.iter().enumerate() {
        let levels = page.levels(depth);
        let slot = slot_of(key, depth);
        for step in (0..PAGE_LEVELS).rev() {
            let peer = (slot >> step) ^ 1;
            peers.push(levels.get(step).and_then(|level| level.get(peer)).copied());
        }
    }
    if let Some(page) = way.last()
        && let Some(Slot::Leaf { key: held, record, .. }) = page.slots.get(slot_of(key, way.len() - 1))
        && held != key
    {
        let from = PAGE_LEVELS * way.len();
        let parted = (from..MAP_HEIGHT).find(|depth| bit(key, *depth) != bit(held, *depth)).unwrap_or(from);
        peers.resize(parted, None);
        peers.push(Some(lone_leaf_hash(held, record, MAP_HEIGHT - 1 - parted)));
    }
    // The reference spells out empty subtrees between others, and leaves out only those at the bottom; the
    // root's children it always spells out.
    while peers.len() > 1
        && peers
            .last()
            .is_some_and(|peer| peer.is_none_or(|hash| hash == *empty_hash(MAP_HEIGHT - peers.len())))
    {
        peers.pop();
    }
    peers.reverse();
    Ok(MapProof { peers })
}

impl MapProof {
    /// Checks that the map with this root holds `record` as the log's latest, or with `None`, that it holds
    /// nothing under the log's key.
    ///
    /// # Errors
    /// [`MapProofError`].
    pub fn verify(&self, root: &Digest, log: &LogId, record: Option<&RecordId>) -> Result<(), MapProofError> {
        let found = self.root(&log.map_key(), record)?;
        if found == *root { Ok(()) } else { Err(MapProofError::Root { expected: *root, found }) }
    }

    /// The root that this proof leads to, if the map holds `record` under `key`, or with `None`, nothing.
    ///
    /// # Errors
    /// [`MapProofError::Decode`] if it has more peers than the tree is high.
    pub fn root(&self, key: &Digest, record: Option<&RecordId>) -> Result<Digest, MapProofError> {
        let height = MAP_HEIGHT
            .checked_sub(self.peers.len())
            .ok_or_else(|| MapProofError::Decode { reason: "it has more than 256 peers".to_owned() })?;
        let mut hash = match record {
            Some(record) => lone_leaf_hash(key, record, height),
            None => *empty_hash(height),
        };
        for (below, peer) in (height..).zip(&self.peers) {
            let peer = peer.as_ref().unwrap_or_else(|| empty_hash(below));
            let right = bit(key, MAP_HEIGHT - 1 - below) == 1;
            hash = if right { node_hash(peer, &hash) } else { node_hash(&hash, peer) };
        }
        Ok(hash)
    }
}

/// Warg's bundle of map proofs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapProofBundle {
    /// In the order of the request.
    pub proofs: Vec<MapProof>,
}

impl MapProofBundle {
    /// The protobuf bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let hash =
            |peer: &Option<Digest>| proto::OptionalHash { hash: peer.map(|hash| hash.as_bytes().to_vec()) };
        let proof =
            |proof: &MapProof| proto::MapInclusionProof { hashes: proof.peers.iter().map(hash).collect() };
        proto::MapProofBundle { proofs: self.proofs.iter().map(proof).collect() }.encode_to_vec()
    }

    /// Decodes a bundle; whether it proves anything is another question.
    ///
    /// # Errors
    /// [`MapProofError::Decode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, MapProofError> {
        let refuse = |reason: &str| MapProofError::Decode { reason: reason.to_owned() };
        if bytes.len() > MAP_PROOF_BYTES_MAX {
            return Err(refuse("it is too large"));
        }
        let message = proto::MapProofBundle::decode(bytes).map_err(|error| refuse(&error.to_string()))?;
        let peer = |peer: proto::OptionalHash| {
            peer.hash
                .map(|hash| Digest::from_slice(&hash).ok_or_else(|| refuse("a hash has other than 32 bytes")))
                .transpose()
        };
        let proof = |proof: proto::MapInclusionProof| {
            if proof.hashes.len() > MAP_HEIGHT {
                return Err(refuse("it has more than 256 peers"));
            }
            Ok(MapProof { peers: proof.hashes.into_iter().map(peer).collect::<Result<_, _>>()? })
        };
        Ok(Self { proofs: message.proofs.into_iter().map(proof).collect::<Result<_, _>>()? })
    }
}
