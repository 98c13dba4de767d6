//! A growing tree with the tiles that are not full yet.
//!
//! The publisher feeds it entries in order; it gives back each tile that became full, and on demand the
//! partial ones. It can start at any multiple of 256 from the full tiles below. Nothing here
//! reads or writes files.

use gongkai_log::{
    Edge, TilePath, TreeHash,
    merkle::{self, MerkleError},
    tile::{self, TileError},
};

const WIDTH: usize = 256;

/// A tile or bundle with its bytes.
pub(crate) type Tile = (TilePath, Vec<u8>);

/// The right edge of the log, with everything in its unfinished tiles.
#[derive(Clone, Debug, Default)]
pub(crate) struct Growing {
    edge: Edge,
    // Entries of the unfinished bundle.
    bundle: Vec<Vec<u8>>,
    // Hashes of the unfinished tile of each level.
    levels: Vec<Vec<TreeHash>>,
}

impl Growing {
    /// A tree of `size` entries, a multiple of 256, whose full tiles `read` gives.
    pub(crate) fn resume<E: From<TileError> + From<MerkleError>>(
        size: u64,
        read: impl Fn(&TilePath) -> Result<Vec<u8>, E>,
    ) -> Result<Self, E> {
        let mut levels = vec![Vec::new()];
        for (level, below) in (1_u8..).zip(0_u8..) {
            // Items of this level, and full tiles of the level below.
            let count = size.checked_shr(8 * u32::from(level)).unwrap_or(0);
            if count == 0 {
                break;
            }
            let mut hashes = Vec::new();
            for number in count - count % 256..count {
                let bytes = read(&TilePath::hashes(below, number, 256)?)?;
                hashes.push(merkle::root_of(&tile::decode_hashes(&bytes)?));
            }
            levels.push(hashes);
        }
        let mut bytes = size.to_be_bytes().to_vec();
        for hashes in levels.iter().rev() {
            let mut rest = hashes.as_slice();
            while !rest.is_empty() {
                let (full, tail) = rest.split_at(1 << rest.len().ilog2());
                bytes.extend(merkle::root_of(full).as_bytes());
                rest = tail;
            }
        }
        Ok(Self { edge: Edge::from_bytes(&bytes)?, bundle: Vec::new(), levels })
    }

    pub(crate) fn edge(&self) -> &Edge {
        &self.edge
    }

    pub(crate) fn size(&self) -> u64 {
        self.edge.size()
    }

    /// Appends an entry; gives the tiles and the bundle that it filled, the bundle first.
    pub(crate) fn append(&mut self, entry: Vec<u8>) -> Result<Vec<Tile>, GrowingError> {
        let leaf = merkle::leaf_hash(&entry);
        self.edge.append(leaf)?;
        self.bundle.push(entry);
        let mut full = Vec::new();
        let number = (self.size() - 1) / 256;
        if self.bundle.len() == WIDTH {
            let bundle = std::mem::take(&mut self.bundle);
            full.push((TilePath::entries(number, 256)?, tile::encode_bundle(&bundle)?));
        }
        let mut hash = leaf;
        for level in 0_u8..=tile::LEVEL_MAX {
            let place = usize::from(level);
            if self.levels.len() == place {
                self.levels.push(Vec::new());
            }
            self.levels[place].push(hash);
            if self.levels[place].len() < WIDTH {
                break;
            }
            let hashes = std::mem::take(&mut self.levels[place]);
            let number = (self.size() - 1) >> (8 * (u32::from(level) + 1));
            full.push((TilePath::hashes(level, number, 256)?, tile::encode_hashes(&hashes)));
            hash = merkle::root_of(&hashes);
        }
        Ok(full)
    }

    /// The unfinished bundle and tiles, the bundle first.
    pub(crate) fn partial(&self) -> Result<Vec<Tile>, GrowingError> {
        let mut partial = Vec::new();
        if !self.bundle.is_empty() {
            let path = TilePath::entries(self.size() / 256, self.bundle.len() as u64)?;
            partial.push((path, tile::encode_bundle(&self.bundle)?));
        }
        for (level, hashes) in (0_u8..).zip(&self.levels) {
            if !hashes.is_empty() {
                let number = self.size() >> (8 * (u32::from(level) + 1));
                let path = TilePath::hashes(level, number, hashes.len() as u64)?;
                partial.push((path, tile::encode_hashes(hashes)));
            }
        }
        Ok(partial)
    }
}

/// Why an entry does not fit the tree; true of no entry that was committed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GrowingError {
    #[error("the tile")]
    Tile(#[from] TileError),
    #[error("the tree")]
    Tree(#[from] MerkleError),
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_resumed_tree_grows_like_one_that_never_stopped() {
        let mut tiles = BTreeMap::new();
        let mut whole = Growing::default();
        let mut resumed: Option<Growing> = None;
        for index in 0..70_000_u64 {
            let entry = index.to_string().into_bytes();
            let full = whole.append(entry.clone()).unwrap();
            if let Some(resumed) = &mut resumed {
                assert_eq!(resumed.append(entry).unwrap(), full);
            }
            tiles.extend(full);
            if matches!(whole.size(), 256 | 65_280 | 65_536 | 69_888) {
                let read = |path: &TilePath| Ok::<_, GrowingError>(tiles[path].clone());
                let again = Growing::resume(whole.size(), read).unwrap();
                assert_eq!(again.edge(), whole.edge());
                resumed = Some(again);
            }
        }
        let resumed = resumed.unwrap();
        assert_eq!(resumed.partial().unwrap(), whole.partial().unwrap());
        tiles.extend(whole.partial().unwrap());
        let paths: Vec<TilePath> = tiles.into_keys().collect();
        let mut expected = tile::new_tiles(0, 70_000);
        expected.sort_unstable();
        assert_eq!(paths, expected);
    }
}
