//! The log's Merkle tree: RFC 6962 with SHA-256.
//!
//! Leaf SHA-256(0x00 ‖ entry), node SHA-256(0x01 ‖ left ‖ right). [`Edge`] holds the right edge of a
//! growing tree; proofs are checked without a tree, and made from tiles.
//!
//! Not here: the BLAKE3 trees of commitments (`slot`, `list`, `sealed`), where tiles are kept.

use std::collections::HashMap;

use crate::hash::{HASH_BYTES, TreeHash};
use crate::tile::{TILE_WIDTH, TilePath, decode_hashes, level_tiles};
use crate::tree::{self, Node as _};

/// Most hashes of an inclusion or consistency proof.
pub const PROOF_HASHES_MAX: usize = 64;

/// Why a proof proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MerkleError {
    /// The leaf is beyond the tree.
    #[error("a tree of {size} leaves has no leaf {index}")]
    Index {
        /// Leaf.
        index: u64,
        /// Leaves of the tree.
        size: u64,
    },
    /// Sizes between which nothing can be proven: the first is larger, or only the first is 0.
    #[error("no proof leads from {size1} to {size2} leaves")]
    Sizes {
        /// Size of the earlier tree.
        size1: u64,
        /// Size of the later tree.
        size2: u64,
    },
    /// Too many or too few hashes.
    #[error("the proof has {0} hashes, which does not fit the sizes")]
    Length(usize),
    /// The proof leads to another root.
    #[error("the proof leads to another root")]
    Root,
    /// Bytes that are no tree edge.
    #[error("{0} bytes are no tree edge")]
    Edge(usize),
    /// A tree cannot hold more than 2^64 − 1 leaves.
    #[error("the tree is full")]
    Full,
}

/// Hash of a leaf.
pub fn leaf_hash(entry: &[u8]) -> TreeHash {
    TreeHash::of_parts(&[&[0], entry])
}

/// Hash of an inner node.
pub fn node_hash(left: &TreeHash, right: &TreeHash) -> TreeHash {
    TreeHash::join(left, right)
}

/// Root of the tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> TreeHash {
    TreeHash::empty()
}

/// Root over all leaf hashes.
pub fn root_of(leaves: &[TreeHash]) -> TreeHash {
    tree::root(leaves)
}

/// The right edge of a tree: the roots of its largest full subtrees. Enough to append leaves and to
/// know the root; at most 64 hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    // One hash for each bit that is set in `size`, largest subtree first.
    roots: Vec<TreeHash>,
}

impl Edge {
    /// The edge of the tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves of the tree.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf hash.
    pub fn append(&mut self, leaf: TreeHash) -> Result<(), MerkleError> {
        self.append_subtree(0, leaf)
    }

    /// Appends a full subtree of 2^`height` leaves; the size must be a multiple of that.
    pub(crate) fn append_subtree(&mut self, height: u32, root: TreeHash) -> Result<(), MerkleError> {
        let leaves = 1u64 << height;
        debug_assert!(self.size.is_multiple_of(leaves));
        let size = self.size.checked_add(leaves).ok_or(MerkleError::Full)?;
        let mut hash = root;
        for _ in 0..(self.size >> height).trailing_ones() {
            if let Some(left) = self.roots.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.roots.push(hash);
        self.size = size;
        Ok(())
    }

    /// Root of the tree.
    pub fn root(&self) -> TreeHash {
        let joined = self.roots.iter().rev().copied();
        joined.reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(empty_root)
    }

    /// Bytes for a database: size, 8 bytes big-endian, then the hashes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.size.to_be_bytes().to_vec();
        bytes.extend(self.roots.iter().flat_map(|root| *root.as_bytes()));
        bytes
    }

    /// Reads what [`Edge::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MerkleError> {
        let refuse = MerkleError::Edge(bytes.len());
        let (size, rest) = bytes.split_first_chunk::<8>().ok_or(refuse.clone())?;
        let size = u64::from_be_bytes(*size);
        let (roots, odd) = rest.as_chunks::<HASH_BYTES>();
        if !odd.is_empty() || roots.len() != size.count_ones() as usize {
            return Err(refuse);
        }
        Ok(Self { size, roots: roots.iter().copied().map(TreeHash::from_bytes).collect() })
    }
}

/// Verifies that `leaf` is leaf `index` of the tree of `size` leaves with this root (RFC 9162
/// §2.1.3.2).
pub fn verify_inclusion(
    index: u64,
    size: u64,
    leaf: &TreeHash,
    proof: &[TreeHash],
    root: &TreeHash,
) -> Result<(), MerkleError> {
    if index >= size {
        return Err(MerkleError::Index { index, size });
    }
    let length = MerkleError::Length(proof.len());
    if proof.len() > PROOF_HASHES_MAX {
        return Err(length);
    }
    let found = tree::root_from_path(index, size, leaf, proof).ok_or(length)?;
    if found == *root { Ok(()) } else { Err(MerkleError::Root) }
}

/// Verifies that the tree of `size1` leaves is the beginning of the tree of `size2` leaves (RFC 9162
/// §2.1.4.2). From size 0 nothing can be proven, except that two empty trees are the same.
pub fn verify_consistency(
    size1: u64,
    size2: u64,
    root1: &TreeHash,
    root2: &TreeHash,
    proof: &[TreeHash],
) -> Result<(), MerkleError> {
    if size1 > size2 || (size1 == 0 && size2 > 0) {
        return Err(MerkleError::Sizes { size1, size2 });
    }
    let length = MerkleError::Length(proof.len());
    if size1 == size2 {
        let known = size1 > 0 || *root1 == empty_root();
        return match (proof.is_empty(), root1 == root2 && known) {
            (true, true) => Ok(()),
            (true, false) => Err(MerkleError::Root),
            (false, _) => Err(length),
        };
    }
    if proof.len() > PROOF_HASHES_MAX {
        return Err(length);
    }
    let (old, new) = consistency_roots(size1, size2, root1, proof).ok_or(length)?;
    if old == *root1 && new == *root2 { Ok(()) } else { Err(MerkleError::Root) }
}

/// The two roots that a proof for 0 < `size1` < `size2` leads to; `None` when its length is wrong.
fn consistency_roots(size1: u64, size2: u64, root1: &TreeHash, proof: &[TreeHash]) -> Option<(TreeHash, TreeHash)> {
    // When the old tree is one full subtree, its root is the start and is not in the proof.
    if size1.is_power_of_two() {
        return roots_from(size1, size2, root1, proof);
    }
    let (first, rest) = proof.split_first()?;
    roots_from(size1, size2, first, rest)
}

/// The two roots that the subtree with which the old tree ends leads to, with the hashes beside its way up.
fn roots_from(size1: u64, size2: u64, start: &TreeHash, rest: &[TreeHash]) -> Option<(TreeHash, TreeHash)> {
    let (mut place, mut last) = (size1 - 1, size2 - 1);
    while place & 1 == 1 {
        place >>= 1;
        last >>= 1;
    }
    let (mut old, mut new) = (*start, *start);
    for hash in rest {
        if last == 0 {
            return None;
        }
        if place & 1 == 1 || place == last {
            old = node_hash(hash, &old);
            new = node_hash(hash, &new);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, hash);
        }
        place >>= 1;
        last >>= 1;
    }
    (last == 0).then_some((old, new))
}

/// The roots of the first `size1` leaves and of all `size2` that [`prove_beginning`]'s hashes lead to.
///
/// Where the second is the root that a log signed, the first is the one that its tree has at `size1`, because the
/// place of every hash follows from the sizes. Unlike a consistency proof this needs no root of the first leaves to
/// begin with, so it also shows that a tree does **not** begin with a given one.
///
/// # Errors
/// [`MerkleError::Sizes`] unless 0 < `size1` < `size2`, [`MerkleError::Length`].
pub fn beginning(size1: u64, size2: u64, hashes: &[TreeHash]) -> Result<(TreeHash, TreeHash), MerkleError> {
    if size1 == 0 || size1 >= size2 {
        return Err(MerkleError::Sizes { size1, size2 });
    }
    let length = MerkleError::Length(hashes.len());
    if hashes.len() > PROOF_HASHES_MAX + 1 {
        return Err(length);
    }
    let (first, rest) = hashes.split_first().ok_or(length.clone())?;
    roots_from(size1, size2, first, rest).ok_or(length)
}

/// Where the tiles of a log come from.
pub trait TileSource {
    /// Why a tile could not be read.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Bytes of a tile of hashes: `path.width()` hashes, or more of the same tile.
    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, Self::Error>;
}

/// Why no proof was made.
#[derive(Debug, thiserror::Error)]
pub enum ProveError<E: std::error::Error + Send + Sync + 'static> {
    /// The leaf or the sizes are out of range.
    #[error("nothing to prove")]
    Range(#[source] MerkleError),
    /// A tile could not be read.
    #[error("reading {path}")]
    Read {
        /// The tile.
        path: TilePath,
        /// Why.
        #[source]
        source: E,
    },
    /// A tile has too few bytes.
    #[error("{path} is too short or no whole number of hashes")]
    Tile {
        /// The tile.
        path: TilePath,
    },
}

/// Reads subtree hashes from tiles, each tile once.
struct Reader<'s, S: TileSource> {
    source: &'s S,
    size: u64,
    tiles: HashMap<TilePath, Vec<TreeHash>>,
}

impl<'s, S: TileSource> Reader<'s, S> {
    fn new(source: &'s S, size: u64) -> Self {
        Self { source, size, tiles: HashMap::new() }
    }

    /// Root over the leaves from `start`, which is a multiple of the next power of two.
    fn range(&mut self, start: u64, leaves: u64) -> Result<TreeHash, ProveError<S::Error>> {
        if leaves.is_power_of_two() {
            return self.full(start, leaves.trailing_zeros());
        }
        let left = tree::left_size(leaves);
        let (left, right) = (self.range(start, left)?, self.range(start + left, leaves - left)?);
        Ok(node_hash(&left, &right))
    }

    /// Root of the full subtree of 2^`height` leaves from `start`: part of one tile.
    fn full(&mut self, start: u64, height: u32) -> Result<TreeHash, ProveError<S::Error>> {
        let level = u8::try_from(height / 8).unwrap_or(u8::MAX);
        let items = 1u64 << (height % 8);
        let first = start >> (height - height % 8);
        let number = first / TILE_WIDTH;
        let width = level_tiles(self.size, level).width(number);
        let path = TilePath::hashes(level, number, width)
            .map_err(|_| ProveError::Range(MerkleError::Index { index: start, size: self.size }))?;
        let hashes = self.tile(path)?;
        let from = usize::try_from(first % TILE_WIDTH).unwrap_or(usize::MAX);
        let to = from.saturating_add(usize::try_from(items).unwrap_or(usize::MAX));
        let part = hashes.get(from..to).ok_or(ProveError::Tile { path })?;
        Ok(tree::root(part))
    }

    fn tile(&mut self, path: TilePath) -> Result<&[TreeHash], ProveError<S::Error>> {
        use std::collections::hash_map::Entry;
        let vacant = match self.tiles.entry(path) {
            Entry::Occupied(tile) => return Ok(tile.into_mut()),
            Entry::Vacant(vacant) => vacant,
        };
        let bytes = self.source.tile(&path).map_err(|source| ProveError::Read { path, source })?;
        let hashes = decode_hashes(&bytes).map_err(|_| ProveError::Tile { path })?;
        if (hashes.len() as u64) < path.width() {
            return Err(ProveError::Tile { path });
        }
        Ok(vacant.insert(hashes))
    }
}

/// Makes the proof that leaf `index` is in the tree of `size` leaves; leaf to root.
pub fn prove_inclusion<S: TileSource>(
    index: u64,
    size: u64,
    source: &S,
) -> Result<Vec<TreeHash>, ProveError<S::Error>> {
    if index >= size {
        return Err(ProveError::Range(MerkleError::Index { index, size }));
    }
    let mut reader = Reader::new(source, size);
    let mut proof = Vec::new();
    let (mut start, mut leaves) = (0, size);
    while leaves > 1 {
        let left = tree::left_size(leaves);
        if index < start + left {
            proof.push(reader.range(start + left, leaves - left)?);
            leaves = left;
        } else {
            proof.push(reader.range(start, left)?);
            start += left;
            leaves -= left;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// Makes the proof that the tree of `size1` leaves is the beginning of the tree of `size2`. Empty
/// from size 0 (nothing to prove) and for equal sizes.
pub fn prove_consistency<S: TileSource>(
    size1: u64,
    size2: u64,
    source: &S,
) -> Result<Vec<TreeHash>, ProveError<S::Error>> {
    if size1 > size2 {
        return Err(ProveError::Range(MerkleError::Sizes { size1, size2 }));
    }
    if size1 == 0 || size1 == size2 {
        return Ok(Vec::new());
    }
    let mut hashes = prove_beginning(size1, size2, source)?;
    if size1.is_power_of_two() {
        // One full subtree, whose root the verifier knows.
        hashes.remove(0);
    }
    Ok(hashes)
}

/// Makes the hashes from which [`beginning`] computes the root of the first `size1` leaves of the tree of `size2`: the
/// subtree with which the first leaves end, then what a consistency proof has. 0 < `size1` < `size2`.
///
/// # Errors
/// [`ProveError`].
pub fn prove_beginning<S: TileSource>(
    size1: u64,
    size2: u64,
    source: &S,
) -> Result<Vec<TreeHash>, ProveError<S::Error>> {
    if size1 == 0 || size1 >= size2 {
        return Err(ProveError::Range(MerkleError::Sizes { size1, size2 }));
    }
    let mut reader = Reader::new(source, size2);
    let mut proof = Vec::new();
    let (mut start, mut leaves) = (0, size2);
    // Descend to the subtree that the old tree ends with (RFC 6962 §2.1.2, SUBPROOF).
    while size1 < start + leaves {
        let left = tree::left_size(leaves);
        if size1 <= start + left {
            proof.push(reader.range(start + left, leaves - left)?);
            leaves = left;
        } else {
            proof.push(reader.range(start, left)?);
            start += left;
            leaves -= left;
        }
    }
    proof.push(reader.range(start, leaves)?);
    proof.reverse();
    Ok(proof)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(size: u64) -> Vec<TreeHash> {
        (0..size).map(|leaf| leaf_hash(&leaf.to_be_bytes())).collect()
    }

    /// The definition of RFC 6962 §2.1, word for word.
    fn defined(leaves: &[TreeHash]) -> TreeHash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let left = usize::try_from(tree::left_size(leaves.len() as u64)).unwrap();
                node_hash(&defined(&leaves[..left]), &defined(&leaves[left..]))
            }
        }
    }

    #[test]
    fn an_edge_has_the_root_that_the_definition_gives() {
        let leaves = leaves(300);
        let mut edge = Edge::new();
        for (size, leaf) in leaves.iter().enumerate() {
            assert_eq!(edge.root(), defined(&leaves[..size]), "{size}");
            assert_eq!(root_of(&leaves[..size]), defined(&leaves[..size]), "{size}");
            assert_eq!(Edge::from_bytes(&edge.to_bytes()).unwrap(), edge);
            edge.append(*leaf).unwrap();
        }
        assert_eq!(edge.size(), 300);
    }

    #[test]
    fn an_edge_takes_whole_subtrees() {
        let leaves = leaves(1_024 + 3);
        let mut edge = Edge::new();
        for part in leaves[..1_024].chunks(256) {
            edge.append_subtree(8, root_of(part)).unwrap();
        }
        for leaf in &leaves[1_024..] {
            edge.append(*leaf).unwrap();
        }
        assert_eq!(edge.root(), root_of(&leaves));
    }

    /// All tiles of a tree.
    struct Tree(Vec<TreeHash>);

    #[derive(Debug, thiserror::Error)]
    #[error("nothing here is missing")]
    struct Never;

    impl TileSource for Tree {
        type Error = Never;

        fn tile(&self, path: &TilePath) -> Result<Vec<u8>, Never> {
            let crate::tile::TileKind::Hashes(level) = path.kind() else { return Err(Never) };
            let span = 256_usize.pow(u32::from(level));
            let from = usize::try_from(path.number() * TILE_WIDTH).unwrap();
            let hashes: Vec<_> = (from..from + usize::try_from(path.width()).unwrap())
                .map(|item| root_of(&self.0[item * span..(item + 1) * span]))
                .collect();
            Ok(crate::tile::encode_hashes(&hashes))
        }
    }

    #[test]
    fn the_beginning_of_a_tree_has_one_root_whoever_claims_what() {
        let tree = Tree(leaves(600));
        for (size1, size2) in
            [(1, 2), (2, 3), (3, 7), (128, 600), (255, 256), (256, 257), (256, 512), (300, 600), (599, 600)]
        {
            let hashes = prove_beginning(size1, size2, &tree).unwrap();
            let root = |size: u64| root_of(&tree.0[..usize::try_from(size).unwrap()]);
            assert_eq!(beginning(size1, size2, &hashes), Ok((root(size1), root(size2))), "{size1} {size2}");
            let proof = prove_consistency(size1, size2, &tree).unwrap();
            assert_eq!(verify_consistency(size1, size2, &root(size1), &root(size2), &proof), Ok(()));
            for place in 0..hashes.len() {
                let mut wrong = hashes.clone();
                wrong[place] = leaf_hash(b"another");
                assert_ne!(beginning(size1, size2, &wrong).unwrap().1, root(size2), "{size1} {size2} {place}");
            }
            assert!(beginning(size1, size2, &hashes[1..]).is_err());
            assert!(beginning(size1, size2, &[hashes.clone(), vec![root(1)]].concat()).is_err());
        }
        assert!(beginning(0, 5, &leaves(1)).is_err() && beginning(5, 5, &leaves(1)).is_err());
    }

    #[test]
    fn bytes_that_are_no_edge_are_refused() {
        let mut edge = Edge::new();
        edge.append(leaf_hash(b"")).unwrap();
        let bytes = edge.to_bytes();
        assert!(Edge::from_bytes(&bytes[..bytes.len() - 1]).is_err());
        assert!(Edge::from_bytes(&bytes[..8]).is_err());
        assert!(Edge::from_bytes(&bytes[..7]).is_err());
        assert!(Edge::from_bytes(&[bytes, vec![0; 32]].concat()).is_err());
        assert_eq!(Edge::from_bytes(&[0; 8]).unwrap(), Edge::new());
        let mut full = Edge { size: u64::MAX, roots: leaves(64) };
        assert_eq!(full.append(leaf_hash(b"")), Err(MerkleError::Full));
    }
}
