//! What shows that a key has a head in the map, or none: alone, and as a file that needs no network.
//!
//! The file holds key, leaf and hashes, the entry that says the map's root, and the proof file of that entry. What the entry
//! says is the domain's to read; here it is bytes.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{BUCKET_DEPTH, Head, Leaf, MapKey, Node, bit, join, number, split};
use crate::{
    entry::{ENTRY_BYTES_MAX, decimal},
    hash::{Digest, TreeHash},
    proof::{PROOF_BYTES_MAX, ProofError, TlogProof},
};

/// First line of a file.
const FORM: &str = "gongkai.map-proof/v1";

/// Most hashes of a proof: one a bit of a path.
const HASHES_MAX: usize = 256;

/// Most bytes of a file.
pub const MAP_PROOF_BYTES_MAX: usize = PROOF_BYTES_MAX + ENTRY_BYTES_MAX * 2 + HASHES_MAX * 64;

/// Why a proof of the map proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// More hashes than a path has bits.
    #[error("the proof has {0} hashes")]
    Length(usize),
    /// The leaf at the end is not on the way of the key.
    #[error("the leaf at the end is of another place")]
    Place,
    /// The proof leads to another root.
    #[error("the proof leads to another root")]
    Root,
    /// A line is malformed or missing; lines count from 1.
    #[error("line {0} of the map's proof is malformed")]
    Line(usize),
    /// More than [`MAP_PROOF_BYTES_MAX`] bytes.
    #[error("a map's proof of {0} bytes is too long")]
    TooLong(usize),
    /// The proof file of the entry.
    #[error("the proof of the entry")]
    Proof(#[from] ProofError),
}

/// The way of a key from the root to where it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapProof {
    /// The other subtrees on the way, from the root down.
    pub siblings: Vec<TreeHash>,
    /// The leaf at the end, which may be another key's; `None` where there is nothing.
    pub end: Option<Leaf>,
}

impl MapProof {
    /// What the map with this root holds under a key; `None` when it is proven to hold nothing.
    pub fn verify(&self, key: &MapKey, root: &TreeHash) -> Result<Option<Head>, MapError> {
        let depth = self.siblings.len();
        if depth > HASHES_MAX {
            return Err(MapError::Length(depth));
        }
        let path = key.path();
        let bits = || 0..u32::try_from(depth).unwrap_or(u32::MAX);
        if self.end.is_some_and(|leaf| bits().any(|depth| bit(&leaf.path, depth) != bit(&path, depth))) {
            return Err(MapError::Place);
        }
        let end = self.end.map_or(Node::EMPTY.hash, |leaf| leaf.hash());
        let found = bits().zip(&self.siblings).rev().fold(end, |below, (depth, other)| {
            if bit(&path, depth) { join(other, &below) } else { join(&below, other) }
        });
        if found != *root {
            return Err(MapError::Root);
        }
        Ok(self.end.filter(|leaf| leaf.path == path).map(|leaf| leaf.head))
    }
}

/// The proof for a path: `node` gives the nodes above the buckets by number; `leaves` are those below the node at which the
/// way ends or reaches the buckets ([`ending`]), in the order of their paths.
pub fn prove(path: &TreeHash, node: impl Fn(u32) -> Node, leaves: &[Leaf]) -> MapProof {
    let end = ending(path, &node).ilog2();
    let mut siblings: Vec<_> = (1..=end).map(|depth| node(number(path, depth) ^ 1).hash).collect();
    let mut below = leaves;
    let mut depth = end;
    while below.len() > 1 {
        let (left, right) = split(below, depth);
        let (own, other) = if bit(path, depth) { (right, left) } else { (left, right) };
        depth += 1;
        siblings.push(Node::of(other, depth).hash);
        below = own;
    }
    MapProof { siblings, end: below.first().copied() }
}

/// The node at which the way of a path ends above the buckets: one with at most one leaf, or the bucket.
pub fn ending(path: &TreeHash, node: impl Fn(u32) -> Node) -> u32 {
    let mut numbers = (0..=BUCKET_DEPTH).map(|depth| number(path, depth));
    let bucket = number(path, BUCKET_DEPTH);
    numbers.find(|number| node(*number).leaves <= 1).unwrap_or(bucket)
}

/// A proof as a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapFile {
    /// What it is about.
    pub key: MapKey,
    /// The way in the map.
    pub proof: MapProof,
    /// The exact bytes of the entry that says the root.
    pub entry: Vec<u8>,
    /// That this entry is in the log.
    pub inclusion: TlogProof,
}

impl MapFile {
    /// Whether a text begins like such a file.
    pub fn is_one(text: &str) -> bool {
        text.strip_prefix(FORM).is_some_and(|rest| rest.starts_with('\n'))
    }

    /// Reads a file.
    pub fn parse(text: &str) -> Result<Self, MapError> {
        if text.len() > MAP_PROOF_BYTES_MAX {
            return Err(MapError::TooLong(text.len()));
        }
        let mut lines = Lines { rest: text, number: 0 };
        lines.exact(FORM)?;
        let key = MapKey::parse(lines.after("key ")?).ok_or(MapError::Line(2))?;
        let end = match lines.after("leaf ")? {
            "none" => None,
            text => Some(leaf(text).ok_or(MapError::Line(3))?),
        };
        let mut siblings = Vec::new();
        loop {
            let line = lines.next()?;
            if line.is_empty() {
                break;
            }
            if siblings.len() == HASHES_MAX {
                return Err(MapError::Length(siblings.len() + 1));
            }
            siblings.push(TreeHash::parse(line).map_err(|_| MapError::Line(lines.number))?);
        }
        let entry = lines.after("entry ")?;
        let fits = entry.len() <= ENTRY_BYTES_MAX.div_ceil(3) * 4;
        let entry = fits.then(|| STANDARD.decode(entry).ok()).flatten().ok_or(MapError::Line(lines.number))?;
        lines.exact("")?;
        let inclusion = TlogProof::parse(lines.rest)?;
        Ok(Self { key, proof: MapProof { siblings, end }, entry, inclusion })
    }
}

impl fmt::Display for MapFile {
    /// The whole file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FORM}\nkey {}", self.key)?;
        match &self.proof.end {
            Some(Leaf { path, head }) => writeln!(f, "leaf {path} {} {}", head.count, head.hash)?,
            None => writeln!(f, "leaf none")?,
        }
        for hash in &self.proof.siblings {
            writeln!(f, "{hash}")?;
        }
        write!(f, "\nentry {}\n\n{}", STANDARD.encode(&self.entry), self.inclusion)
    }
}

/// Path, count and hash.
fn leaf(text: &str) -> Option<Leaf> {
    let mut words = text.split(' ');
    let path = TreeHash::parse(words.next()?).ok()?;
    let count = words.next().and_then(decimal)?;
    let hash = Digest::parse(words.next()?).ok()?;
    words.next().is_none().then_some(Leaf { path, head: Head { count, hash } })
}

struct Lines<'t> {
    rest: &'t str,
    number: usize,
}

impl<'t> Lines<'t> {
    fn next(&mut self) -> Result<&'t str, MapError> {
        self.number += 1;
        let (line, rest) = self.rest.split_once('\n').ok_or(MapError::Line(self.number))?;
        self.rest = rest;
        Ok(line)
    }

    fn exact(&mut self, text: &str) -> Result<(), MapError> {
        if self.next()? == text { Ok(()) } else { Err(MapError::Line(self.number)) }
    }

    fn after(&mut self, prefix: &str) -> Result<&'t str, MapError> {
        self.next()?.strip_prefix(prefix).ok_or(MapError::Line(self.number))
    }
}
