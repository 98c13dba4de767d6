//! Tiles (c2sp.org/tlog-tiles): where the hashes and entries of a log are found, and in what bytes.
//!
//! A full tile holds 256 hashes of one level; item i of tile n at level l is the root over the leaves
//! from (n·256+i)·256^l. The last tile of a level is partial and has its width in its path. Entries lie
//! in bundles, cut the same way, each entry behind its length.
//!
//! Not here: files and addresses; only the paths below the log's prefix.

use std::fmt;

use crate::hash::{Digest, HASH_BYTES, TreeHash};

/// Hashes in a full tile, entries in a full bundle.
pub const TILE_WIDTH: u64 = 256;

/// Highest level of a tile (c2sp.org/tlog-tiles).
pub const LEVEL_MAX: u8 = 63;

/// Most bytes of a bundle: 256 entries of 65,535 bytes, each behind its length.
pub const BUNDLE_BYTES_MAX: usize = 256 * (2 + 65_535);

/// Why a path or the bytes of a tile are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// No tile can have this path.
    #[error("{0:?} is no path of a tile")]
    Path(String),
    /// Level beyond 63, or width not from 1 to 256.
    #[error("no tile has level {level} and width {width}")]
    Shape {
        /// Level.
        level: u8,
        /// Width.
        width: u64,
    },
    /// Bytes that are not whole hashes.
    #[error("{0} bytes are no whole number of hashes up to 256")]
    Hashes(usize),
    /// A bundle that ends within an entry, or holds more than 256.
    #[error("the bundle ends within entry {0}, or holds more than 256")]
    Bundle(usize),
    /// An entry that does not fit its length prefix.
    #[error("an entry of {0} bytes does not fit a bundle")]
    Entry(usize),
}

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes of a level, 0–63.
    Hashes(u8),
    /// Entries.
    Entries,
}

/// The place of a tile: `tile/<L>/<N>[.p/<W>]` or `tile/entries/<N>[.p/<W>]`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    kind: TileKind,
    number: u64,
    width: u16,
}

impl TilePath {
    /// A tile of hashes; `width` 256 is a full tile.
    pub fn hashes(level: u8, number: u64, width: u64) -> Result<Self, TileError> {
        Self::new(TileKind::Hashes(level), number, width)
    }

    /// A bundle of entries; `width` 256 is a full bundle.
    pub fn entries(number: u64, width: u64) -> Result<Self, TileError> {
        Self::new(TileKind::Entries, number, width)
    }

    /// A tile or bundle.
    pub fn new(kind: TileKind, number: u64, width: u64) -> Result<Self, TileError> {
        let level = match kind {
            TileKind::Hashes(level) => level,
            TileKind::Entries => 0,
        };
        if level > LEVEL_MAX || width == 0 || width > TILE_WIDTH {
            return Err(TileError::Shape { level, width });
        }
        Ok(Self { kind, number, width: u16::try_from(width).map_err(|_| TileError::Shape { level, width })? })
    }

    /// What the tile holds.
    pub fn kind(&self) -> TileKind {
        self.kind
    }

    /// Number of the tile in its level.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Items, 1–256.
    pub fn width(&self) -> u64 {
        u64::from(self.width)
    }

    /// Whether the tile is full.
    pub fn is_full(&self) -> bool {
        self.width() == TILE_WIDTH
    }

    /// The full tile at the same place.
    #[must_use]
    pub fn full(&self) -> Self {
        Self { width: 256, ..*self }
    }

    /// Reads a path in its only spelling.
    pub fn parse(text: &str) -> Result<Self, TileError> {
        Self::read(text).ok_or_else(|| TileError::Path(text.to_owned()))
    }

    fn read(text: &str) -> Option<Self> {
        let (kind, rest) = text.strip_prefix("tile/")?.split_once('/')?;
        let kind = match kind {
            "entries" => TileKind::Entries,
            level => TileKind::Hashes(u8::try_from(crate::entry::decimal(level)?).ok()?),
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, crate::entry::decimal(width)?),
            None => (rest, TILE_WIDTH),
        };
        let path = Self::new(kind, parse_number(number)?, width).ok()?;
        // `.p/256` would be a second spelling of the full tile, and level "" a second one of 0.
        (path.to_string() == text).then_some(path)
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(f, "tile/{level}/")?,
            TileKind::Entries => f.write_str("tile/entries/")?,
        }
        f.write_str(&number_path(self.number))?;
        if !self.is_full() {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

impl fmt::Debug for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TilePath({self})")
    }
}

impl std::str::FromStr for TilePath {
    type Err = TileError;
    fn from_str(text: &str) -> Result<Self, TileError> {
        Self::parse(text)
    }
}

/// A tile's number in groups of three digits, all but the last with `x`: 1234067 → `x001/x234/067`.
pub fn number_path(number: u64) -> String {
    let mut path = format!("{:03}", number % 1_000);
    let mut rest = number / 1_000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1_000);
        rest /= 1_000;
    }
    path
}

fn parse_number(text: &str) -> Option<u64> {
    let mut number = 0u64;
    let mut groups = text.split('/').peekable();
    while let Some(group) = groups.next() {
        let digits = match (group.strip_prefix('x'), groups.peek()) {
            (Some(digits), Some(_)) => digits,
            (None, None) => group,
            _ => return None,
        };
        if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let group: u64 = digits.parse().ok()?;
        number = number.checked_mul(1_000)?.checked_add(group)?;
    }
    Some(number)
}

/// Path of the openings of the entries of bundle `number`: `openings/<N>`, never partial.
pub fn openings_path(number: u64) -> String {
    format!("openings/{}", number_path(number))
}

/// Number of the bundle whose openings have this path.
pub fn parse_openings_path(text: &str) -> Option<u64> {
    let number = parse_number(text.strip_prefix("openings/")?)?;
    (openings_path(number) == text).then_some(number)
}

/// Path of the lines of a list: `lines/<lower-case hex of the root>`.
pub fn lines_path(root: &Digest) -> String {
    format!("lines/{}", root.to_hex())
}

/// The tiles of one level at some size of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelTiles {
    /// Level.
    pub level: u8,
    /// Full tiles, numbered from 0.
    pub full: u64,
    /// Width of the partial tile after them; 0 when there is none.
    pub partial: u64,
}

impl LevelTiles {
    /// Width that tile `number` of the level has: 256, the partial width, or 0 when it does not exist.
    pub fn width(&self, number: u64) -> u64 {
        match number.cmp(&self.full) {
            std::cmp::Ordering::Less => TILE_WIDTH,
            std::cmp::Ordering::Equal => self.partial,
            std::cmp::Ordering::Greater => 0,
        }
    }
}

/// Hashes of level `level` in a log of `size` entries.
pub(crate) fn level_count(size: u64, level: u8) -> u64 {
    size.checked_shr(8 * u32::from(level)).unwrap_or(0)
}

/// The tiles of one level in a log of `size` entries.
pub fn level_tiles(size: u64, level: u8) -> LevelTiles {
    let count = level_count(size, level);
    LevelTiles { level, full: count / TILE_WIDTH, partial: count % TILE_WIDTH }
}

/// The levels that have tiles in a log of `size` entries, lowest first. Level 0 is also the shape of
/// the bundles.
pub fn tiles_for(size: u64) -> Vec<LevelTiles> {
    (0..=LEVEL_MAX)
        .map(|level| level_tiles(size, level))
        .take_while(|tiles| tiles.full > 0 || tiles.partial > 0)
        .collect()
}

/// The tiles and bundles that a publisher must write when a log grows from `old_size` to `new_size`:
/// bundles first, then hashes from the lowest level up. Empty when it does not grow.
pub fn new_tiles(old_size: u64, new_size: u64) -> Vec<TilePath> {
    let mut paths = Vec::new();
    if new_size <= old_size {
        return paths;
    }
    let kinds =
        std::iter::once((TileKind::Entries, 0)).chain((0..=LEVEL_MAX).map(|level| (TileKind::Hashes(level), level)));
    for (kind, level) in kinds {
        let old = level_count(old_size, level);
        let new = level_tiles(new_size, level);
        if level_count(new_size, level) == old {
            continue;
        }
        let full = (old / TILE_WIDTH..new.full).map(|number| (number, TILE_WIDTH));
        let partial = (new.partial > 0).then_some((new.full, new.partial));
        let there = full.chain(partial);
        // The level is at most 63 and the width from 1 to 256, so that no path is refused.
        paths.extend(there.filter_map(|(number, width)| TilePath::new(kind, number, width).ok()));
    }
    paths
}

/// Bytes of a tile of hashes.
pub fn encode_hashes(hashes: &[TreeHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// Hashes of a tile, 1–256.
pub fn decode_hashes(bytes: &[u8]) -> Result<Vec<TreeHash>, TileError> {
    let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
    if !rest.is_empty() || hashes.is_empty() || hashes.len() as u64 > TILE_WIDTH {
        return Err(TileError::Hashes(bytes.len()));
    }
    Ok(hashes.iter().copied().map(TreeHash::from_bytes).collect())
}

/// Bytes of a bundle: each entry behind its length, 16 bits big-endian.
pub fn encode_bundle<E: AsRef<[u8]>>(entries: &[E]) -> Result<Vec<u8>, TileError> {
    if entries.len() as u64 > TILE_WIDTH {
        return Err(TileError::Bundle(entries.len()));
    }
    let mut bytes = Vec::with_capacity(entries.iter().map(|e| e.as_ref().len() + 2).sum());
    for entry in entries {
        let entry = entry.as_ref();
        let length = u16::try_from(entry.len()).map_err(|_| TileError::Entry(entry.len()))?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// Entries of a bundle, at most 256, without copying them.
pub fn decode_bundle(bytes: &[u8]) -> Result<Vec<&[u8]>, TileError> {
    let mut entries = Vec::with_capacity(256);
    let mut rest = bytes;
    while !rest.is_empty() {
        let refuse = TileError::Bundle(entries.len());
        if entries.len() as u64 == TILE_WIDTH {
            return Err(refuse);
        }
        let (length, tail) = rest.split_first_chunk::<2>().ok_or(refuse.clone())?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, tail) = tail.split_at_checked(length).ok_or(refuse)?;
        entries.push(entry);
        rest = tail;
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_spelling() {
        for (path, text) in [
            (TilePath::hashes(0, 0, 256), "tile/0/000"),
            (TilePath::hashes(63, 1_234_067, 256), "tile/63/x001/x234/067"),
            (TilePath::hashes(1, 1_000, 17), "tile/1/x001/000.p/17"),
            (TilePath::entries(273, 112), "tile/entries/273.p/112"),
        ] {
            let path = path.unwrap();
            assert_eq!(path.to_string(), text);
            assert_eq!(TilePath::parse(text), Ok(path));
        }
        for bad in [
            "tile/0/0",
            "tile/64/000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/00/000",
            "tile//000",
            "tile/0/x000/000",
            "tile/0/001/000",
            "tile/0/x001",
            "tile/0/x001/0000",
            "tile/0/",
            "tile/0/000/",
            "/tile/0/000",
            "tile/x/000",
            "tile/entries/+01",
            "tile/0/x18446744073709551616/000",
            "",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
            "tile/0/000.p/",
            "tile/0/000.p/1/2",
        ] {
            assert!(TilePath::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(openings_path(1_234_067), "openings/x001/x234/067");
        assert_eq!(parse_openings_path("openings/x001/x234/067"), Some(1_234_067));
        assert_eq!(parse_openings_path("openings/x000/067"), None);
    }

    #[test]
    fn seventy_thousand_entries_have_the_tiles_of_the_specification() {
        let level = |level, full, partial| LevelTiles { level, full, partial };
        assert_eq!(tiles_for(70_000), [level(0, 273, 112), level(1, 1, 17), level(2, 0, 1)]);
        assert_eq!(tiles_for(0), []);
        assert_eq!(tiles_for(256), [level(0, 1, 0), level(1, 0, 1)]);
        assert_eq!(tiles_for(u64::MAX).len(), 8);
    }

    #[test]
    fn growth_writes_each_tile_that_is_not_there_yet() {
        let all = |size: u64| -> std::collections::BTreeSet<TilePath> { new_tiles(0, size).into_iter().collect() };
        for old in [0, 1, 255, 256, 257, 511, 512, 65_535, 65_536] {
            for new in [1, 255, 256, 257, 600, 65_535, 65_536, 65_537, 70_000] {
                if new <= old {
                    assert_eq!(new_tiles(old, new), []);
                    continue;
                }
                let mut there = all(old);
                there.extend(new_tiles(old, new));
                let missing: Vec<_> = all(new).difference(&there).copied().collect();
                assert_eq!(missing, [], "{old} -> {new}");
                let again: Vec<_> = new_tiles(old, new).into_iter().filter(|path| all(old).contains(path)).collect();
                assert_eq!(again, [], "{old} -> {new}");
            }
        }
    }

    #[test]
    fn bundles_and_tiles_survive_their_bytes() {
        let entries = [b"one".to_vec(), vec![], vec![7; 65_535]];
        let bytes = encode_bundle(&entries).unwrap();
        assert_eq!(decode_bundle(&bytes).unwrap(), entries);
        assert_eq!(decode_bundle(&bytes[..bytes.len() - 1]), Err(TileError::Bundle(2)));
        assert_eq!(decode_bundle(&[0]), Err(TileError::Bundle(0)));
        assert_eq!(decode_bundle(&[0; 2 * 257]), Err(TileError::Bundle(256)));
        assert_eq!(encode_bundle(&[vec![0; 65_536]]), Err(TileError::Entry(65_536)));
        assert!(encode_bundle(&vec![b"x"; 257]).is_err());
        let hashes = [TreeHash::from_bytes([1; 32]), TreeHash::from_bytes([2; 32])];
        assert_eq!(decode_hashes(&encode_hashes(&hashes)).unwrap(), hashes);
        assert!(decode_hashes(&[]).is_err());
        assert!(decode_hashes(&[0; 33]).is_err());
        assert!(decode_hashes(&[0; 257 * 32]).is_err());
    }
}
