//! Proofs about the log: Warg's bundles, and the list proofs of RFC 6962 that C2SP tools exchange.
//!
//! Which nodes a proof visits: `spec/warg.md`, "Transparency". A bundle is of one root; its hashes are all the
//! nodes that its proofs need, each once, ascending by Warg's number.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;

use super::tree::{NodeId, balanced_roots, combine, empty_root, node_hash, root_from};
use crate::digest::Digest;
use crate::proto;

/// Largest encoded bundle that is decoded, in bytes: 1000 leaves of a log of 2^32 need less than 2 MiB.
pub const LOG_PROOF_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A proof that cannot be made, is not one, or does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The leaf or tree size lies outside the tree that the proof is of.
    #[error("{what} {found} is not within the tree of size {size}")]
    OutOfRange {
        /// What lies outside.
        what: &'static str,
        /// Its value.
        found: u64,
        /// The tree's size.
        size: u64,
    },
    /// The proof is of a tree of another size than the checkpoint's.
    #[error("the proof is of the tree of size {found}, expected {expected}")]
    Size {
        /// The size that the checkpoint names.
        expected: u64,
        /// The size that the proof is of.
        found: u64,
    },
    /// Warg's proof encoding has 32-bit numbers.
    #[error("the log is too large for Warg's proof encoding: use the tiles")]
    TooLarge,
    /// Not the bytes of a bundle.
    #[error("the proof cannot be decoded: {reason}")]
    Decode {
        /// What is wrong with it.
        reason: String,
    },
    /// The proof lacks a hash.
    #[error("the proof lacks the hash of node {node:?}")]
    Missing {
        /// The node.
        node: NodeId,
    },
    /// The proof leads to another root.
    #[error("the proof leads to root {found}, expected {expected}")]
    Root {
        /// The root that the checkpoint names.
        expected: Digest,
        /// The root that the proof leads to.
        found: Digest,
    },
    /// The proof is not of what was asked.
    #[error("the proof does not cover {what} {number}")]
    NotCovered {
        /// What was asked for.
        what: &'static str,
        /// Its index or tree size.
        number: u64,
    },
}

/// The siblings from `node` up to the balanced root above it, and that root.
fn climb(node: NodeId, size: u64) -> (Vec<NodeId>, NodeId) {
    let roots = balanced_roots(size);
    let mut siblings = Vec::new();
    let mut at = node;
    while !roots.contains(&at) && at.height < 64 {
        siblings.push(at.sibling());
        at = at.parent();
    }
    (siblings, at)
}

/// The nodes that prove `node` in a tree of `size` leaves.
fn nodes_of(node: NodeId, size: u64) -> impl Iterator<Item = NodeId> {
    let (siblings, top) = climb(node, size);
    siblings.into_iter().chain(balanced_roots(size).into_iter().filter(move |root| *root != top))
}

/// The root that a tree of `size` leaves has if `node` has this hash and the others are known.
fn root_with(
    node: NodeId,
    hash: Digest,
    size: u64,
    known: impl Fn(NodeId) -> Option<Digest>,
) -> Result<Digest, ProofError> {
    let known = |node| known(node).ok_or(ProofError::Missing { node });
    let (siblings, top) = climb(node, size);
    let mut hash = hash;
    let mut at = node;
    for sibling in siblings {
        let other = known(sibling)?;
        hash = if at.index & 1 == 0 { node_hash(&hash, &other) } else { node_hash(&other, &hash) };
        at = at.parent();
    }
    let roots: Result<Vec<Digest>, ProofError> = balanced_roots(size)
        .into_iter()
        .map(|root| if root == top { Ok(hash) } else { known(root) })
        .collect();
    Ok(combine(&roots?))
}

/// Warg's proof bundle about the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProofBundle {
    /// The tree size that the proofs are of.
    pub size: u64,
    /// Earlier tree sizes that it proves consistent.
    pub consistent: Vec<u64>,
    /// Indexes of the leaves that it proves included.
    pub included: Vec<u64>,
    /// The hashes of the nodes that the proofs need.
    pub hashes: BTreeMap<NodeId, Digest>,
}

impl LogProofBundle {
    /// The nodes whose hashes these proofs need.
    ///
    /// # Errors
    /// [`ProofError::OutOfRange`].
    pub fn nodes_needed(
        size: u64,
        consistent: &[u64],
        included: &[u64],
    ) -> Result<BTreeSet<NodeId>, ProofError> {
        let mut nodes = BTreeSet::new();
        for from in consistent {
            if *from == 0 || *from > size {
                return Err(ProofError::OutOfRange { what: "tree size", found: *from, size });
            }
            for root in balanced_roots(*from) {
                nodes.insert(root);
                nodes.extend(nodes_of(root, size));
            }
        }
        for index in included {
            if *index >= size {
                return Err(ProofError::OutOfRange { what: "index", found: *index, size });
            }
            nodes.extend(nodes_of(NodeId::leaf(*index), size));
        }
        Ok(nodes)
    }

    /// Makes the bundle from the tree's hashes.
    ///
    /// # Errors
    /// [`ProofError::OutOfRange`], or [`ProofError::Missing`] if `hash` does not know a node.
    pub fn build(
        size: u64,
        consistent: Vec<u64>,
        included: Vec<u64>,
        hash: impl Fn(NodeId) -> Option<Digest>,
    ) -> Result<Self, ProofError> {
        let hashes = Self::nodes_needed(size, &consistent, &included)?
            .into_iter()
            .map(|node| hash(node).map(|hash| (node, hash)).ok_or(ProofError::Missing { node }))
            .collect::<Result<_, _>>()?;
        Ok(Self { size, consistent, included, hashes })
    }

    /// The protobuf bytes.
    ///
    /// # Errors
    /// [`ProofError::TooLarge`] where the log outgrows Warg's 32-bit numbers.
    pub fn encode(&self) -> Result<Vec<u8>, ProofError> {
        let small = |number: u64| u32::try_from(number).map_err(|_| ProofError::TooLarge);
        let number = |node: NodeId| u32::try_from(node.in_order()).map_err(|_| ProofError::TooLarge);
        let message = proto::LogProofBundle {
            log_length: small(self.size)?,
            consistent_lengths: self.consistent.iter().map(|size| small(*size)).collect::<Result<_, _>>()?,
            included_indices: self
                .included
                .iter()
                .map(|index| number(NodeId::leaf(*index)))
                .collect::<Result<_, _>>()?,
            hashes: self
                .hashes
                .iter()
                .map(|(node, hash)| {
                    Ok(proto::HashEntry { index: number(*node)?, hash: hash.as_bytes().to_vec() })
                })
                .collect::<Result<_, ProofError>>()?,
        };
        Ok(message.encode_to_vec())
    }

    /// Decodes a bundle; whether it proves anything is another question.
    ///
    /// # Errors
    /// [`ProofError::Decode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ProofError> {
        let refuse = |reason: &str| ProofError::Decode { reason: reason.to_owned() };
        if bytes.len() > LOG_PROOF_BYTES_MAX {
            return Err(refuse("it is too large"));
        }
        let message = proto::LogProofBundle::decode(bytes).map_err(|error| refuse(&error.to_string()))?;
        let leaf = |number: u32| {
            let node = NodeId::from_in_order(u64::from(number));
            (node.height == 0).then_some(node.index).ok_or_else(|| refuse("an included node is no leaf"))
        };
        let mut hashes = BTreeMap::new();
        for entry in message.hashes {
            let hash =
                Digest::from_slice(&entry.hash).ok_or_else(|| refuse("a hash has other than 32 bytes"))?;
            if hashes.insert(NodeId::from_in_order(u64::from(entry.index)), hash).is_some() {
                return Err(refuse("a node stands in it twice"));
            }
        }
        Ok(Self {
            size: u64::from(message.log_length),
            consistent: message.consistent_lengths.into_iter().map(u64::from).collect(),
            included: message.included_indices.into_iter().map(leaf).collect::<Result<_, _>>()?,
            hashes,
        })
    }

    fn known(&self, node: NodeId) -> Option<Digest> {
        self.hashes.get(&node).copied()
    }

    /// This bundle, if it is of the tree of `size`. A verifier asks this before anything else: the size is not
    /// part of a root, so a bundle of another size could prove a leaf at an index where it doesn't stand.
    ///
    /// # Errors
    /// [`ProofError::Size`].
    pub fn of_size(&self, size: u64) -> Result<&Self, ProofError> {
        if self.size == size { Ok(self) } else { Err(ProofError::Size { expected: size, found: self.size }) }
    }

    /// Checks that the leaf at `index` with this hash is in the tree with this root. The caller has checked
    /// the bundle's size, see [`LogProofBundle::of_size`].
    ///
    /// # Errors
    /// [`ProofError`], telling how the proof fails.
    pub fn verify_inclusion(&self, index: u64, leaf: &Digest, root: &Digest) -> Result<(), ProofError> {
        if !self.included.contains(&index) || index >= self.size {
            return Err(ProofError::NotCovered { what: "index", number: index });
        }
        let found = root_with(NodeId::leaf(index), *leaf, self.size, |node| self.known(node))?;
        same_root(root, found)
    }

    /// Checks that the tree with this root begins with the tree of size `from` and root `from_root`. The caller
    /// has checked the bundle's size, see [`LogProofBundle::of_size`].
    ///
    /// # Errors
    /// [`ProofError`], telling how the proof fails.
    pub fn verify_consistency(&self, from: u64, from_root: &Digest, root: &Digest) -> Result<(), ProofError> {
        if !self.consistent.contains(&from) || from == 0 || from > self.size {
            return Err(ProofError::NotCovered { what: "tree size", number: from });
        }
        for node in balanced_roots(from) {
            let hash = self.known(node).ok_or(ProofError::Missing { node })?;
            same_root(root, root_with(node, hash, self.size, |node| self.known(node))?)?;
        }
        let missing = ProofError::NotCovered { what: "tree size", number: from };
        same_root(from_root, root_from(from, |node| self.known(node)).ok_or(missing)?)
    }
}

fn same_root(expected: &Digest, found: Digest) -> Result<(), ProofError> {
    if *expected == found { Ok(()) } else { Err(ProofError::Root { expected: *expected, found }) }
}

/// The nodes of the RFC 6962 inclusion path, from the leaf's sibling to the root's child. A node that is not
/// perfect in a tree of this size stands for the combination of the balanced roots below it.
///
/// # Errors
/// [`ProofError::OutOfRange`].
pub fn inclusion_path(
    index: u64,
    size: u64,
    hash: impl Fn(NodeId) -> Option<Digest>,
) -> Result<Vec<Digest>, ProofError> {
    if index >= size {
        return Err(ProofError::OutOfRange { what: "index", found: index, size });
    }
    let known = |node| hash(node).ok_or(ProofError::Missing { node });
    let (siblings, top) = climb(NodeId::leaf(index), size);
    let mut path = siblings.into_iter().map(known).collect::<Result<Vec<_>, _>>()?;
    let roots = balanced_roots(size);
    let at = roots.iter().position(|root| *root == top).unwrap_or(0);
    let right = roots.iter().skip(at + 1).map(|root| known(*root)).collect::<Result<Vec<_>, _>>()?;
    if !right.is_empty() {
        path.push(combine(&right));
    }
    for root in roots.iter().take(at).rev() {
        path.push(known(*root)?);
    }
    Ok(path)
}

/// Checks an RFC 6962 inclusion path.
///
/// # Errors
/// [`ProofError`], telling how the proof fails.
pub fn verify_inclusion_path(
    index: u64,
    size: u64,
    leaf: &Digest,
    path: &[Digest],
    root: &Digest,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::OutOfRange { what: "index", found: index, size });
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in path {
        if last == 0 {
            return Err(ProofError::Decode { reason: "the path is too long".to_owned() });
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Decode { reason: "the path is too short".to_owned() });
    }
    same_root(root, hash)
}

/// The hash of the subtree over the leaves `start .. end`, where `start` is a multiple of a power of two that is
/// not smaller than the range.
fn range_hash(start: u64, end: u64, hash: &impl Fn(NodeId) -> Option<Digest>) -> Result<Digest, ProofError> {
    let roots = balanced_roots(end - start).into_iter().map(|root| {
        let node = NodeId { height: root.height, index: root.index + (start >> root.height) };
        hash(node).ok_or(ProofError::Missing { node })
    });
    Ok(combine(&roots.collect::<Result<Vec<_>, _>>()?))
}

/// The RFC 6962 consistency proof (section 2.1.2) from one tree size to a later one, as witnesses take it; empty
/// from 0 or from the same size.
///
/// # Errors
/// [`ProofError::OutOfRange`], or [`ProofError::Missing`] if `hash` does not know a node.
pub fn consistency_path(
    from: u64,
    to: u64,
    hash: impl Fn(NodeId) -> Option<Digest>,
) -> Result<Vec<Digest>, ProofError> {
    if from > to {
        return Err(ProofError::OutOfRange { what: "tree size", found: from, size: to });
    }
    if from == 0 || from == to {
        return Ok(Vec::new());
    }
    // SUBPROOF's recursion down to where the old tree ends with a subtree; its output is in the reverse order.
    let (mut start, mut end, mut path) = (0, to, Vec::new());
    while end != from {
        let split = start + (1 << (end - start - 1).ilog2());
        if from <= split {
            path.push(range_hash(split, end, &hash)?);
            end = split;
        } else {
            path.push(range_hash(start, split, &hash)?);
            start = split;
        }
    }
    // A subtree that is the whole old tree is what the verifier knows.
    if start > 0 {
        path.push(range_hash(start, end, &hash)?);
    }
    path.reverse();
    Ok(path)
}

/// Checks an RFC 6962 consistency proof; the steps are those of RFC 9162, section 2.1.4.2.
///
/// # Errors
/// [`ProofError`], telling how the proof fails.
pub fn verify_consistency_path(
    from: u64,
    to: u64,
    from_root: &Digest,
    to_root: &Digest,
    path: &[Digest],
) -> Result<(), ProofError> {
    let refuse = |reason: &str| Err(ProofError::Decode { reason: reason.to_owned() });
    if from > to {
        return Err(ProofError::OutOfRange { what: "tree size", found: from, size: to });
    }
    if from == 0 || from == to {
        if !path.is_empty() {
            return refuse("the path is too long");
        }
        // A tree is consistent with the empty one whatever its root; with itself by the same root.
        return if from == 0 { same_root(from_root, empty_root()) } else { same_root(to_root, *from_root) };
    }
    // Step 2: a perfect old tree is itself the first node.
    let (first, path) = match path.split_first() {
        None => return refuse("the path is too short"),
        Some(_) if from.is_power_of_two() => (*from_root, path),
        Some((first, rest)) => (*first, rest),
    };
    // Steps 3 to 5. All shifted-out bits of `at` are ones, so `last` loses the same subtree.
    let shift = (from - 1).trailing_ones();
    let (mut at, mut last) =
        ((from - 1).checked_shr(shift).unwrap_or(0), (to - 1).checked_shr(shift).unwrap_or(0));
    let (mut old, mut new) = (first, first);
    for node in path {
        if last == 0 {
            return refuse("the path is too long");
        }
        if at & 1 == 1 || at == last {
            old = node_hash(node, &old);
            new = node_hash(node, &new);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, node);
        }
        at >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return refuse("the path is too short");
    }
    same_root(from_root, old)?;
    same_root(to_root, new)
}
