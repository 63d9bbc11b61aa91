//! The RFC 6962 tree: its nodes, their numbering, and roots (`spec/transparency.md`, "Merkle tree").

use sha2::block_api::compress256;

use crate::digest::Digest;

/// SHA-256's initial state (FIPS 180-4, 5.3.3).
const SHA256_START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The hash of an inner node: of a byte 1 and the two hashes below.
///
/// A record folds some three hundred of them into the map. 65 bytes are always two blocks, so they are laid out at once
/// instead of being fed to a hasher that does not know what is coming.
#[must_use]
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    const BITS: u64 = 65 * 8;
    let mut blocks = [[0; 64]; 2];
    let (head, tail) = right.as_bytes().split_at(31);
    blocks[0][0] = 1;
    blocks[0][1..33].copy_from_slice(left.as_bytes());
    blocks[0][33..].copy_from_slice(head);
    blocks[1][..1].copy_from_slice(tail);
    blocks[1][1] = 0x80;
    blocks[1][56..].copy_from_slice(&BITS.to_be_bytes());
    let mut state = SHA256_START;
    compress256(&mut state, &blocks);
    let mut hash = [0; 32];
    for (bytes, word) in hash.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    Digest::from_bytes(hash)
}

/// The root of a tree without leaves.
#[must_use]
pub fn empty_root() -> Digest {
    Digest::of(b"")
}

/// A perfect subtree: the leaves `index << height .. (index + 1) << height`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeId {
    /// 0 for a leaf.
    pub height: u8,
    /// Its place among the nodes of its height.
    pub index: u64,
}

impl NodeId {
    /// A leaf.
    #[must_use]
    pub const fn leaf(index: u64) -> Self {
        Self { height: 0, index }
    }

    /// Warg's number of the node: leaf i is 2i, and a node's height is its number of trailing one bits.
    #[must_use]
    pub const fn in_order(self) -> u128 {
        ((self.index as u128) << (self.height + 1)) + (1 << self.height) - 1
    }

    /// The node with this number, if the log can have it.
    #[must_use]
    pub fn from_in_order(number: u64) -> Self {
        let height = number.trailing_ones();
        // The highest possible height is 64, of a number whose bits are all ones: its index is 0.
        let index = number.checked_shr(height + 1).unwrap_or(0);
        Self { height: height as u8, index }
    }

    /// The node beside this one under their parent.
    #[must_use]
    pub const fn sibling(self) -> Self {
        Self { height: self.height, index: self.index ^ 1 }
    }

    /// The node above.
    #[must_use]
    pub const fn parent(self) -> Self {
        Self { height: self.height + 1, index: self.index >> 1 }
    }
}

impl Ord for NodeId {
    /// The order of Warg's numbers.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.in_order().cmp(&other.in_order())
    }
}

impl PartialOrd for NodeId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The perfect subtrees that a tree of `size` leaves is made of, tallest (leftmost) first.
#[must_use]
pub fn balanced_roots(size: u64) -> Vec<NodeId> {
    (0..64u8)
        .rev()
        .filter(|height| size >> height & 1 == 1)
        .map(|height| NodeId { height, index: (size >> height) - 1 })
        .collect()
}

/// Combines the hashes of [`balanced_roots`], tallest first; the empty root for none.
#[must_use]
pub fn combine(roots: &[Digest]) -> Digest {
    let joined = roots.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
    joined.unwrap_or_else(empty_root)
}

/// The root of a tree of `size` leaves; `None` if a hash is missing.
pub fn root_from(size: u64, hash: impl Fn(NodeId) -> Option<Digest>) -> Option<Digest> {
    let roots: Option<Vec<Digest>> = balanced_roots(size).into_iter().map(hash).collect();
    roots.map(|roots| combine(&roots))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nodes_hash_is_that_of_a_byte_1_and_the_two_hashes() {
        for number in 0..1_000u32 {
            let (left, right) = (Digest::of(&number.to_be_bytes()), Digest::of(&number.to_le_bytes()));
            let preimage = [&[1][..], left.as_bytes(), right.as_bytes()].concat();
            assert_eq!(node_hash(&left, &right), Digest::of(&preimage));
        }
    }
}
