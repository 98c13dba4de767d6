//! A verifiable map over the log: how many statements there are about each thing, and where they end.
//!
//! A list of entries that are each proven may still be a prefix, or have holes. The map closes that: under the key of a
//! stream, an organization or a family it holds a [`Head`], the number of statements and a hash that only all of them in
//! their order lead to. Its root is logged at an interval, so that a [`MapProof`] shows what a page must hold to be whole as
//! of that size, or that there is nothing.
//!
//! It is a binary prefix tree over SHA-256 of the keys: a subtree with one leaf is that leaf, one without leaves is
//! [`Node::EMPTY`], so its depth is logarithmic and each key ends at one place. Leaf SHA-256(0x02 ‖ path ‖ count ‖ hash), with
//! the count as 8 bytes big-endian; inner node SHA-256(0x03 ‖ left ‖ right). The prefixes are not those of the log's own tree,
//! whose hashes can therefore never stand for these.
//!
//! Not here: where a map is kept (a database, or [`GrowingMap`] in memory while a log is checked), and which statement says
//! the root. A further key space is one more constructor of [`MapKey`] and one more line of [`keys_of`].

mod growing;
mod proof;
#[cfg(test)]
mod tests;

use std::fmt;

pub use self::{
    growing::{BEHIND_MAX, GrowingMap},
    proof::{MAP_PROOF_BYTES_MAX, MapError, MapFile, MapProof, ending, prove},
};
use crate::{
    hash::{Digest, TreeHash},
    statement::Statement,
    stream::StreamId,
};

const PATH_CONTEXT: &[u8] = b"gongkai.map/v1\n";

/// Depth of the buckets in which leaves are kept; the nodes above have numbers ([`parent`]).
pub const BUCKET_DEPTH: u32 = 16;

/// Number of buckets.
pub const BUCKETS: usize = 1 << BUCKET_DEPTH;

/// Most bytes of a key's text.
pub const KEY_BYTES_MAX: usize = 128;

/// What a head is of.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MapKey(String);

impl MapKey {
    /// All statements of a stream.
    pub fn stream(stream: &StreamId) -> Self {
        Self(format!("stream {stream}"))
    }

    /// All statements in the name of an organization, those below it not included.
    pub fn organization(code: &str) -> Self {
        Self(format!("org {code}"))
    }

    /// All statements of a family of streams.
    pub fn family(family: &str) -> Self {
        Self(format!("family {family}"))
    }

    /// Reads `stream <family>/<uuid>`, `org <code>` or `family <name>`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (space, name) = text.split_once(' ')?;
        let plain =
            |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c.is_ascii_uppercase() || b"_-.".contains(&c);
        let named = match space {
            "stream" => StreamId::parse(name).is_ok(),
            "org" | "family" => !name.is_empty() && name.bytes().all(plain),
            _ => false,
        };
        (named && text.len() <= KEY_BYTES_MAX).then(|| Self(text.to_owned()))
    }

    /// Whether the key is of a stream, whose head is its last statement's own hash.
    pub fn is_stream(&self) -> bool {
        self.0.starts_with("stream ")
    }

    /// Where it is in the tree.
    pub fn path(&self) -> TreeHash {
        TreeHash::of_parts(&[PATH_CONTEXT, self.0.as_bytes()])
    }
}

impl fmt::Display for MapKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MapKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MapKey({})", self.0)
    }
}

/// The keys under which a statement counts, that of its stream first.
pub fn keys_of(statement: &Statement) -> [MapKey; 3] {
    [MapKey::stream(&statement.stream), MapKey::organization(&statement.org), MapKey::family(&statement.stream.family)]
}

/// How many statements, and where they end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Statements.
    pub count: u64,
    /// Of a stream the hash of its last statement, which names the one before as its parent. Else the running hash:
    /// BLAKE3(hash so far ‖ statement hash), from 32 zero bytes.
    pub hash: Digest,
}

impl Head {
    /// Before the first statement.
    pub const NONE: Self = Self { count: 0, hash: Digest::ZERO };

    /// After one more statement under a key.
    #[must_use]
    pub fn after(self, key: &MapKey, statement: &Digest) -> Self {
        if key.is_stream() { self.in_stream(statement) } else { self.running(statement) }
    }

    /// After one more statement of a stream.
    #[must_use]
    pub fn in_stream(self, statement: &Digest) -> Self {
        Self { count: self.count + 1, hash: *statement }
    }

    /// After one more statement of an organization or a family.
    #[must_use]
    pub fn running(self, statement: &Digest) -> Self {
        let mut both = [0; 64];
        both[..32].copy_from_slice(self.hash.as_bytes());
        both[32..].copy_from_slice(statement.as_bytes());
        Self { count: self.count + 1, hash: Digest::of(&both) }
    }
}

/// A head at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The key's path.
    pub path: TreeHash,
    /// What it holds.
    pub head: Head,
}

impl Leaf {
    /// Its hash.
    pub fn hash(&self) -> TreeHash {
        let count = self.head.count.to_be_bytes();
        TreeHash::of_parts(&[&[2], self.path.as_bytes(), &count, self.head.hash.as_bytes()])
    }
}

/// A subtree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its hash.
    pub hash: TreeHash,
    /// Its leaves.
    pub leaves: u64,
}

impl Node {
    /// The subtree without leaves.
    pub const EMPTY: Self = Self { hash: TreeHash::from_bytes([0; 32]), leaves: 0 };

    /// The subtree at `depth` of leaves in the order of their paths, which agree in the first `depth` bits.
    pub fn of(leaves: &[Leaf], depth: u32) -> Self {
        match leaves {
            [] => Self::EMPTY,
            [leaf] => Self { hash: leaf.hash(), leaves: 1 },
            // Two leaves never have one path, so they part before bit 256.
            _ => {
                let (left, right) = split(leaves, depth);
                Self::join(&Self::of(left, depth + 1), &Self::of(right, depth + 1))
            }
        }
    }

    /// The subtree over these two.
    #[must_use]
    pub fn join(left: &Self, right: &Self) -> Self {
        match (left.leaves, right.leaves) {
            (0, 0 | 1) => *right,
            (1, 0) => *left,
            _ => Self { hash: join(&left.hash, &right.hash), leaves: left.leaves + right.leaves },
        }
    }
}

fn join(left: &TreeHash, right: &TreeHash) -> TreeHash {
    TreeHash::of_parts(&[&[3], left.as_bytes(), right.as_bytes()])
}

/// The leaves of both halves of a subtree at `depth`.
fn split(leaves: &[Leaf], depth: u32) -> (&[Leaf], &[Leaf]) {
    leaves.split_at(leaves.partition_point(|leaf| !bit(&leaf.path, depth)))
}

/// Whether a path turns right at `depth`.
fn bit(path: &TreeHash, depth: u32) -> bool {
    let byte = path.as_bytes()[(depth / 8) as usize];
    byte >> (7 - depth % 8) & 1 == 1
}

/// Number of the node above the buckets at which a path stands at `depth`, 0 to [`BUCKET_DEPTH`]: 1 is the root, the children
/// of n are 2n and 2n + 1, and the buckets are [`BUCKETS`] and up.
pub fn number(path: &TreeHash, depth: u32) -> u32 {
    let [a, b, ..] = *path.as_bytes();
    (1 << depth) | (u32::from(u16::from_be_bytes([a, b])) >> (BUCKET_DEPTH - depth))
}

/// The node above a node.
pub fn parent(number: u32) -> u32 {
    number / 2
}

/// The bucket of a path, from 0.
pub fn bucket(path: &TreeHash) -> u16 {
    let [a, b, ..] = *path.as_bytes();
    u16::from_be_bytes([a, b])
}

/// First and last path below a node of this number.
///
/// # Panics
/// For what is no node's number: 0, or one of more than 17 bits.
pub fn paths_below(number: u32) -> (TreeHash, TreeHash) {
    let depth = number.ilog2();
    let shift = BUCKET_DEPTH - depth;
    let first = (number - (1 << depth)) << shift;
    let edge = |fill: u8, low: u32| {
        let mut bytes = [fill; 32];
        let prefix = u16::try_from(first | low).expect("a node's number has at most 17 bits, the first of them 1");
        bytes[..2].copy_from_slice(&prefix.to_be_bytes());
        TreeHash::from_bytes(bytes)
    };
    (edge(0, 0), edge(0xFF, (1 << shift) - 1))
}
