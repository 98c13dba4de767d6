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
    /// Leaves that no single node stands over, or beyond the tree.
    #[error("leaves {start} to {end} are no subtree of {size} leaves")]
    Subtree {
        /// First leaf.
        start: u64,
        /// Behind the last leaf.
        end: u64,
        /// Leaves of the tree.
        size: u64,
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
    let first = Subtree { start: 0, end: size1 };
    let (old, new) = first.roots(size2, Some(*root1), proof).ok_or(length)?;
    if old == *root1 && new == *root2 { Ok(()) } else { Err(MerkleError::Root) }
}

/// Leaves that one node of a log's tree stands over, or would if they were the last: the first is a multiple of the
/// least power of two that has room for them (draft-ietf-plants-merkle-tree-certs, "Subtrees"). The first leaves of a
/// tree are always one, so that a consistency proof is a subtree's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subtree {
    start: u64,
    end: u64,
}

impl Subtree {
    /// Leaves `start` to `end`, `end` not among them; `None` when they are no subtree.
    pub fn new(start: u64, end: u64) -> Option<Self> {
        let room = end.checked_sub(start)?.checked_next_power_of_two()?;
        start.is_multiple_of(room).then_some(Self { start, end })
    }

    /// The entries of one bundle up to an entry, `end` not among them.
    pub(crate) fn of_bundle(number: u64, end: u64) -> Self {
        debug_assert!((1..=TILE_WIDTH).contains(&(end - number * TILE_WIDTH)));
        Self { start: number * TILE_WIDTH, end }
    }

    /// Verifies that these leaves, whose root is `subtree`, lie there in the tree of `size` leaves with this root.
    ///
    /// # Errors
    /// [`MerkleError::Subtree`], [`MerkleError::Length`], [`MerkleError::Root`].
    pub fn verify(self, size: u64, subtree: &TreeHash, root: &TreeHash, proof: &[TreeHash]) -> Result<(), MerkleError> {
        let Self { start, end } = self;
        if end > size {
            return Err(MerkleError::Subtree { start, end, size });
        }
        let length = MerkleError::Length(proof.len());
        if start == end {
            // No leaves are part of every tree, and say nothing about its root.
            return match (proof.is_empty(), *subtree == empty_root()) {
                (true, true) => Ok(()),
                (true, false) => Err(MerkleError::Root),
                (false, _) => Err(length),
            };
        }
        if proof.len() > PROOF_HASHES_MAX {
            return Err(length);
        }
        let (part, all) = self.roots(size, Some(*subtree), proof).ok_or(length)?;
        if part == *subtree && all == *root { Ok(()) } else { Err(MerkleError::Root) }
    }

    /// Verifies that `leaf` is leaf `index` of the log, by the root of this subtree.
    ///
    /// # Errors
    /// [`MerkleError::Index`] for a leaf outside, otherwise as [`verify_inclusion`].
    pub fn verify_inclusion(
        self,
        index: u64,
        leaf: &TreeHash,
        proof: &[TreeHash],
        subtree: &TreeHash,
    ) -> Result<(), MerkleError> {
        let Self { start, end } = self;
        let inside = index.checked_sub(start).ok_or(MerkleError::Index { index, size: end })?;
        verify_inclusion(inside, end - start, leaf, proof, subtree)
    }

    /// The roots of these leaves and of all `size` that hashes, leaf to root, lead to; `None` when their number is
    /// wrong. `known` is the root of these leaves where whoever checks has it: it is not among the hashes unless the
    /// leaves lie below several nodes. At most 64 deep.
    fn roots(self, size: u64, known: Option<TreeHash>, hashes: &[TreeHash]) -> Option<(TreeHash, TreeHash)> {
        let Self { start, end } = self;
        if start == 0 && end == size {
            let root = match (known, hashes) {
                (Some(root), []) => root,
                (None, [root]) => *root,
                _ => return None,
            };
            return Some((root, root));
        }
        let (beside, rest) = hashes.split_last()?;
        let left = tree::left_size(size);
        if end <= left {
            let (part, all) = self.roots(left, known, rest)?;
            return Some((part, node_hash(&all, beside)));
        }
        let inside = Self { start: start.saturating_sub(left), end: end - left };
        if start >= left {
            let (part, all) = inside.roots(size - left, known, rest)?;
            return Some((part, node_hash(beside, &all)));
        }
        let (part, all) = inside.roots(size - left, None, rest)?;
        Some((node_hash(beside, &part), node_hash(beside, &all)))
    }

    /// The hashes that [`Subtree::roots`] reads; not for an empty subtree.
    fn hashes<S: TileSource>(
        self,
        size: u64,
        mut is_known: bool,
        source: &S,
    ) -> Result<Vec<TreeHash>, ProveError<S::Error>> {
        let Self { mut start, end } = self;
        let mut reader = Reader::new(source, size);
        let mut hashes = Vec::new();
        let (mut base, mut leaves) = (0, size);
        while start > base || end < base + leaves {
            let left = tree::left_size(leaves);
            if end <= base + left {
                hashes.push(reader.range(base + left, leaves - left)?);
                leaves = left;
                continue;
            }
            hashes.push(reader.range(base, left)?);
            if start < base + left {
                // They reach over the middle: what is left of it is given, and the rest is another part.
                start = base + left;
                is_known = false;
            }
            base += left;
            leaves -= left;
        }
        if !is_known {
            hashes.push(reader.range(base, leaves)?);
        }
        hashes.reverse();
        Ok(hashes)
    }

    /// Makes the proof that these leaves lie there in the tree of `size` leaves; leaf to root.
    ///
    /// # Errors
    /// [`ProveError`].
    pub fn prove<S: TileSource>(self, size: u64, source: &S) -> Result<Vec<TreeHash>, ProveError<S::Error>> {
        let Self { start, end } = self;
        if end > size {
            return Err(ProveError::Range(MerkleError::Subtree { start, end, size }));
        }
        if start == end { Ok(Vec::new()) } else { self.hashes(size, true, source) }
    }
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
    Subtree { start: 0, end: size1 }.roots(size2, None, hashes).ok_or(length)
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
    Subtree { start: 0, end: size1 }.prove(size2, source)
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
    Subtree { start: 0, end: size1 }.hashes(size2, false, source)
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
