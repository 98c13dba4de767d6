//! The tree shape of RFC 6962 §2.1 over any node hash; the public faces are [`crate::merkle`] (SHA-256,
//! the log), [`crate::slot`], [`crate::list`] and [`crate::sealed`] (BLAKE3, commitments).

use std::sync::LazyLock;

use crate::{
    hash::{Digest, TreeHash},
    lanes::{Function, LANES},
};

pub(crate) static PLAIN: LazyLock<Function> = LazyLock::new(Function::plain);

/// A hash that can be the node of a tree.
pub(crate) trait Node: Copy + PartialEq {
    /// Hash of an inner node: 0x01 ‖ left ‖ right.
    fn join(left: &Self, right: &Self) -> Self;
    /// Hash of the tree without leaves.
    fn empty() -> Self;
    /// Puts the nodes over the first `pairs` pairs of a level to its begin.
    fn join_pairs(level: &mut [Self], pairs: usize) {
        for place in 0..pairs {
            level[place] = Self::join(&level[2 * place], &level[2 * place + 1]);
        }
    }
}

impl Node for TreeHash {
    fn join(left: &Self, right: &Self) -> Self {
        // One buffer, because three small updates cost more than the copy.
        let mut bytes = [0u8; 65];
        bytes[0] = 1;
        bytes[1..33].copy_from_slice(left.as_bytes());
        bytes[33..].copy_from_slice(right.as_bytes());
        Self::of_parts(&[&bytes])
    }

    fn empty() -> Self {
        Self::of_parts(&[])
    }
}

impl Node for Digest {
    fn join(left: &Self, right: &Self) -> Self {
        Self::of(&pair(left, right))
    }

    fn join_pairs(level: &mut [Self], pairs: usize) {
        let mut place = 0;
        // A single pair is faster alone.
        while place + 1 < pairs {
            let both = |lane: usize| level.get(2 * (place + lane)..).and_then(<[Self]>::first_chunk::<2>);
            let bytes: [_; LANES] = std::array::from_fn(|lane| both(lane).map_or([0; 65], |[l, r]| pair(l, r)));
            let joined = PLAIN.group(bytes.each_ref().map(<[u8; 65]>::as_slice));
            let count = LANES.min(pairs - place);
            level[place..place + count].copy_from_slice(&joined[..count]);
            place += count;
        }
        if place < pairs {
            level[place] = Self::join(&level[2 * place], &level[2 * place + 1]);
        }
    }

    fn empty() -> Self {
        Self::of(&[])
    }
}

fn pair(left: &Digest, right: &Digest) -> [u8; 65] {
    let mut bytes = [0; 65];
    bytes[0] = 1;
    bytes[1..33].copy_from_slice(left.as_bytes());
    bytes[33..].copy_from_slice(right.as_bytes());
    bytes
}

/// Hash of an inner node of the BLAKE3 trees.
pub(crate) fn join(left: &Digest, right: &Digest) -> Digest {
    <Digest as Node>::join(left, right)
}

/// Leaf hash of a commitment in the BLAKE3 trees: 0x00 ‖ commitment.
pub(crate) fn commitment_leaf(commitment: &Digest) -> Digest {
    Digest::of(&leaf(commitment))
}

fn leaf(commitment: &Digest) -> [u8; 33] {
    let mut bytes = [0; 33];
    bytes[1..].copy_from_slice(commitment.as_bytes());
    bytes
}

/// Leaf hashes of commitments.
pub(crate) fn commitment_leaves(commitments: &[Digest]) -> Vec<Digest> {
    let (groups, rest) = commitments.as_chunks::<LANES>();
    let mut leaves = Vec::with_capacity(commitments.len());
    for group in groups {
        let bytes = group.map(|commitment| leaf(&commitment));
        leaves.extend(PLAIN.group(bytes.each_ref().map(<[u8; 33]>::as_slice)));
    }
    leaves.extend(rest.iter().map(commitment_leaf));
    leaves
}

/// Roots of trees that have `2^depth` leaves each, which stand one tree after the other.
pub(crate) fn roots<H: Node>(mut leaves: Vec<H>, depth: u32) -> Vec<H> {
    for _ in 0..depth {
        let pairs = leaves.len() / 2;
        H::join_pairs(&mut leaves, pairs);
        leaves.truncate(pairs);
    }
    leaves
}

/// Leaves of the left subtree of a tree of `size` > 1: the largest power of two below `size`.
pub(crate) fn left_size(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// Root over leaf hashes.
pub(crate) fn root<H: Node>(leaves: &[H]) -> H {
    // Level by level: an odd last node moves up unchanged, which is the shape of RFC 6962.
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        let pairs = level.len() / 2;
        H::join_pairs(&mut level, pairs);
        let half = level.len() / 2;
        if level.len() % 2 == 1 {
            level[half] = level[level.len() - 1];
        }
        level.truncate(level.len().div_ceil(2));
    }
    level.first().copied().unwrap_or_else(H::empty)
}

/// Audit path of leaf `index`, leaf to root; empty when there is no such leaf.
pub(crate) fn path<H: Node>(leaves: &[H], index: usize) -> Vec<H> {
    let mut path = Vec::new();
    let (mut level, mut index) = (leaves.to_vec(), index);
    if index >= level.len() {
        return path;
    }
    while level.len() > 1 {
        if let Some(sibling) = level.get(index ^ 1) {
            path.push(*sibling);
        }
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => H::join(left, right),
                [last, ..] => *last,
                [] => H::empty(),
            })
            .collect();
        index /= 2;
    }
    path
}

/// Root that a leaf and its audit path lead to (RFC 9162 §2.1.3.2); `None` when the path has not
/// exactly the length that `index` and `size` demand.
pub(crate) fn root_from_path<H: Node>(index: u64, size: u64, leaf: &H, path: &[H]) -> Option<H> {
    if index >= size {
        return None;
    }
    let (mut place, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in path {
        if last == 0 {
            return None;
        }
        if place & 1 == 1 || place == last {
            hash = H::join(sibling, &hash);
            // A last node without a sibling moved up unchanged: skip those levels.
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            hash = H::join(&hash, sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(hash)
}
