//! Handing entries to a mirror (c2sp.org/tlog-mirror): the body of `add-entries`, and what a mirror answers.
//!
//! A body is a header and packages. A package has the entries of one bundle, or the part of it that is uploaded, and
//! the proof that the bundle, up to the package's last entry, is a subtree of the tree that the upload ends with; so a
//! mirror keeps what it has checked, package by package, and a broken upload goes on where it stopped.
//!
//! Not here: HTTP, where entries come from, `add-checkpoint` (`witness`: it is the same).

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::entry::decimal;
use crate::hash::TreeHash;
use crate::merkle::{PROOF_HASHES_MAX, Subtree};
use crate::tile::{TILE_WIDTH, TileError, encode_bundle};

/// Most packages of one request (the specification's "at most 32").
pub const PACKAGES_MAX: usize = 32;

/// Most bytes of a mirror's answer: two numbers and a ticket of 65,535 bytes in base64.
pub const STATE_BYTES_MAX: usize = 2 * 21 + 4 * 65_535_usize.div_ceil(3) + 1;

/// The entries of a log that one upload covers: `start` to `end`, `end` not among them, in the tree of `end` leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upload {
    start: u64,
    end: u64,
}

/// The entries of one package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Package {
    /// First entry.
    pub start: u64,
    /// Behind the last.
    pub end: u64,
}

impl Upload {
    /// `None` when it ends before it starts.
    pub fn new(start: u64, end: u64) -> Option<Self> {
        (start <= end).then_some(Self { start, end })
    }

    /// Behind its last entry, which is the size of its tree.
    pub fn end(self) -> u64 {
        self.end
    }

    /// Its packages, in the order in which they have to come.
    pub fn packages(self) -> impl Iterator<Item = Package> {
        let Self { start, end } = self;
        let first = start / TILE_WIDTH;
        (first..end.div_ceil(TILE_WIDTH)).filter(move |_| start < end).map(move |number| Package {
            start: start.max(number * TILE_WIDTH),
            end: end.min((number + 1).saturating_mul(TILE_WIDTH)),
        })
    }

    /// The header of a request; `ticket` is what the mirror gave last, empty at first. `None` when origin or ticket are
    /// longer than a length of two bytes tells.
    pub fn header(self, origin: &str, ticket: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = u16::try_from(origin.len()).ok()?.to_be_bytes().to_vec();
        bytes.extend_from_slice(origin.as_bytes());
        bytes.extend(self.start.to_be_bytes());
        bytes.extend(self.end.to_be_bytes());
        bytes.extend(u16::try_from(ticket.len()).ok()?.to_be_bytes());
        bytes.extend_from_slice(ticket);
        Some(bytes)
    }
}

impl Package {
    /// The bundle up to the package's last entry, of which the proof is.
    pub fn subtree(self) -> Subtree {
        Subtree::of_bundle(self.start / TILE_WIDTH, self.end)
    }

    /// Bytes of the package; `entries` are its entries and nothing else.
    ///
    /// # Errors
    /// [`TileError`] for an entry that is too long.
    pub fn encode<E: AsRef<[u8]>>(self, entries: &[E], proof: &[TreeHash]) -> Result<Vec<u8>, TileError> {
        debug_assert!(proof.len() < PROOF_HASHES_MAX);
        let mut bytes = encode_bundle(entries)?;
        bytes.push(u8::try_from(proof.len()).unwrap_or(u8::MAX));
        bytes.extend(proof.iter().flat_map(|hash| *hash.as_bytes()));
        Ok(bytes)
    }
}

/// What a mirror has, and wants next: the body of its 202 and 409, `text/x.tlog.mirror-info`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MirrorState {
    /// Entries of a checkpoint that it was given and uploads may end with.
    pub pending: u64,
    /// First entry that it does not have.
    pub next: u64,
    /// To be sent back with the next request; means nothing to us.
    pub ticket: Vec<u8>,
}

impl MirrorState {
    /// Reads the body of an answer.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > STATE_BYTES_MAX {
            return None;
        }
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let (pending, next) = (decimal(lines.next()?)?, decimal(lines.next()?)?);
        let ticket = BASE64_STANDARD.decode(lines.next()?).ok()?;
        (lines.next().is_none() && u16::try_from(ticket.len()).is_ok()).then_some(Self { pending, next, ticket })
    }
}

impl fmt::Display for MirrorState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.pending, self.next, BASE64_STANDARD.encode(&self.ticket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(start: u64, end: u64) -> Vec<(u64, u64)> {
        Upload::new(start, end).unwrap().packages().map(|package| (package.start, package.end)).collect()
    }

    #[test]
    fn packages_are_cut_where_bundles_are() {
        assert_eq!(packages(0, 0), []);
        assert_eq!(packages(300, 300), []);
        assert_eq!(packages(0, 1), [(0, 1)]);
        assert_eq!(packages(0, 256), [(0, 256)]);
        assert_eq!(packages(255, 257), [(255, 256), (256, 257)]);
        assert_eq!(packages(300, 1_000), [(300, 512), (512, 768), (768, 1_000)]);
        assert_eq!(Upload::new(2, 1), None);
        let last = Upload::new(u64::MAX - 1, u64::MAX).unwrap().packages().collect::<Vec<_>>();
        assert_eq!(last, [Package { start: u64::MAX - 1, end: u64::MAX }]);
    }

    #[test]
    fn a_packages_subtree_begins_with_its_bundle() {
        for (start, end, of) in [(0, 1, (0, 1)), (300, 512, (256, 512)), (300, 301, (256, 301)), (512, 700, (512, 700))]
        {
            assert_eq!(Some(Package { start, end }.subtree()), Subtree::new(of.0, of.1));
        }
    }

    #[test]
    fn a_request_has_the_bytes_of_the_specification() {
        let upload = Upload::new(1, 258).unwrap();
        let header = upload.header("ab", &[9]).unwrap();
        let expected = [&[0, 2][..], b"ab", &[0, 0, 0, 0, 0, 0, 0, 1], &[0, 0, 0, 0, 0, 0, 1, 2], &[0, 1, 9]];
        assert_eq!(header, expected.concat());
        assert_eq!(upload.header(&"a".repeat(65_536), &[]), None);
        assert_eq!(upload.header("a", &vec![0; 65_536]), None);
        let hash = TreeHash::from_bytes([7; 32]);
        let package = Package { start: 256, end: 258 }.encode(&[&b"x"[..], b"yz"], &[hash]).unwrap();
        assert_eq!(package, [&[0, 1][..], b"x", &[0, 2], b"yz", &[1], &[7; 32]].concat());
    }

    #[test]
    fn an_answer_is_three_lines_and_nothing_else() {
        let state = MirrorState { pending: 70_000, next: 256, ticket: b"ticket".to_vec() };
        assert_eq!(state.to_string(), "70000\n256\ndGlja2V0\n");
        assert_eq!(MirrorState::parse(&state.to_string()), Some(state));
        assert_eq!(MirrorState::parse("0\n0\n\n"), Some(MirrorState::default()));
        let largest = MirrorState { pending: u64::MAX, next: u64::MAX, ticket: vec![1; 65_535] };
        assert!(largest.to_string().len() <= STATE_BYTES_MAX);
        assert_eq!(MirrorState::parse(&largest.to_string()), Some(largest));
        let long = MirrorState { pending: 0, next: 0, ticket: vec![1; 65_536] };
        for wrong in [
            "",
            "1\n2\n",
            "1\n2\n\n\n",
            "01\n2\n\n",
            "1\n2\n\n3",
            "1\n2\n!\n",
            "1 \n2\n\n",
            "-1\n2\n\n",
            &long.to_string(),
        ] {
            assert_eq!(MirrorState::parse(wrong), None, "{wrong:?}");
        }
    }
}
