//! Evidence that a log signed two histories: a file that anyone can judge with nothing but the log's key.
//!
//! ```text
//! gongkai.fork/v1
//! <a checkpoint note, as it was signed: the one that was held>
//! --
//! <another checkpoint note of the same log: the one that was shown>
//! --
//! <hashes, base64, one a line>
//! ```
//!
//! What proves what:
//!
//! - Two notes **of one size with different roots** prove a fork by themselves. The third part is absent.
//! - Of notes of **different sizes** the hashes are those of [`merkle::prove_beginning`], made from the tree of the larger
//!   one. They lead to the larger one's signed root, which binds them; on the way they give the root that its tree has at
//!   the smaller size. If that is not the root of the smaller note, no tree has both as its history: a fork. If it is, the
//!   two agree, and the file only says that an older checkpoint was shown.
//! - Notes of different sizes without hashes, or with hashes that do not lead to the larger root, prove nothing. What
//!   was shown may still be a fork; whoever can read the tiles of the larger tree can add the hashes.
//!
//! A signature that does not verify under the given key proves nothing either, whoever wrote the file. Not here: finding
//! forks (mirrors and browsers do), and the name and place of the file.

use std::fmt;

use crate::checkpoint::{self, Checkpoint, CheckpointError};
use crate::hash::{HashError, TreeHash};
use crate::key::VerifierKey;
use crate::log_keys::LogKeys;
use crate::merkle::{self, MerkleError, PROOF_HASHES_MAX};
use crate::note::NOTE_BYTES_MAX;

/// First line of the file.
pub const FORK_FORM: &str = "gongkai.fork/v1\n";

/// Most bytes of the file: two notes and the hashes.
pub const FORK_BYTES_MAX: usize = 2 * NOTE_BYTES_MAX + 8_192;

/// The line between the parts. No line of a note's signatures is like it, and the first two lines of a part belong to
/// the note whatever they are.
const DIVIDER: &str = "\n--\n";

/// Why bytes are no evidence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForkError {
    /// Too long, another first line, or not two notes with a line `--` between them.
    #[error("not two checkpoints with a line -- between them")]
    Form,
    /// A line of the third part is no hash, or there are too many.
    #[error("hash {line}")]
    Hash {
        /// Line of the third part, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: HashError,
    },
    /// More hashes than any tree needs.
    #[error("more than {} hashes", PROOF_HASHES_MAX + 1)]
    TooMany,
}

/// Two checkpoints of one log, and what shows how they stand to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The note that was held, verbatim.
    pub held: String,
    /// The note that was shown, verbatim.
    pub shown: String,
    /// [`merkle::prove_beginning`] in the larger tree; empty for notes of one size, or where its tiles were not to be had.
    pub hashes: Vec<TreeHash>,
}

/// What a file proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The log signed two histories.
    Forked {
        /// The checkpoint that was held.
        held: Checkpoint,
        /// The one that was shown.
        shown: Checkpoint,
    },
    /// The larger tree begins with the smaller: both are of one history.
    Consistent {
        /// The checkpoint that was held.
        held: Checkpoint,
        /// The one that was shown.
        shown: Checkpoint,
    },
    /// The sizes differ, and no hashes lead to the root of the larger.
    Nothing {
        /// The checkpoint that was held.
        held: Checkpoint,
        /// The one that was shown.
        shown: Checkpoint,
        /// What is wrong with the hashes; [`MerkleError::Length`] of 0 when there are none.
        reason: MerkleError,
    },
}

impl Fork {
    /// Reads the file; what it proves is [`Fork::judge`]'s.
    ///
    /// # Errors
    /// [`ForkError`].
    pub fn parse(text: &str) -> Result<Self, ForkError> {
        let rest = text.strip_prefix(FORK_FORM).filter(|_| text.len() <= FORK_BYTES_MAX).ok_or(ForkError::Form)?;
        let (held, rest) = split(rest).ok_or(ForkError::Form)?;
        let (shown, rest) = split(rest.ok_or(ForkError::Form)?).ok_or(ForkError::Form)?;
        let mut hashes = Vec::new();
        for (line, text) in (1..).zip(rest.unwrap_or_default().split_terminator('\n')) {
            if hashes.len() > PROOF_HASHES_MAX {
                return Err(ForkError::TooMany);
            }
            hashes.push(TreeHash::parse(text).map_err(|source| ForkError::Hash { line, source })?);
        }
        let fork = Self { held: held.to_owned(), shown: shown.to_owned(), hashes };
        // A third part that is empty or ends within a line would be a second spelling.
        if fork.to_string() == text { Ok(fork) } else { Err(ForkError::Form) }
    }

    /// What it proves to somebody who knows the log's key.
    ///
    /// # Errors
    /// [`CheckpointError`]: one of the notes is no checkpoint that this key signed, so nothing is proven.
    pub fn judge(&self, log: &VerifierKey) -> Result<Judgement, CheckpointError> {
        Ok(self.proves(checkpoint::open(&self.held, log)?.0, checkpoint::open(&self.shown, log)?.0))
    }

    /// What it proves to somebody who knows the log's keys over time: each note counts under the key of its size.
    ///
    /// # Errors
    /// As [`Fork::judge`].
    pub fn judge_under(&self, keys: &LogKeys) -> Result<Judgement, CheckpointError> {
        Ok(self.proves(keys.open(&self.held)?.0, keys.open(&self.shown)?.0))
    }

    fn proves(&self, held: Checkpoint, shown: Checkpoint) -> Judgement {
        let (small, large) = if held.size <= shown.size { (&held, &shown) } else { (&shown, &held) };
        let beginning = if small.size == large.size {
            Ok(large.root)
        } else if small.size == 0 {
            Ok(merkle::empty_root())
        } else {
            let roots = merkle::beginning(small.size, large.size, &self.hashes);
            roots.and_then(|(first, all)| if all == large.root { Ok(first) } else { Err(MerkleError::Root) })
        };
        match beginning {
            Err(reason) => Judgement::Nothing { held, shown, reason },
            Ok(root) if root == small.root => Judgement::Consistent { held, shown },
            Ok(_) => Judgement::Forked { held, shown },
        }
    }
}

/// A note, and what comes after the divider behind it.
fn split(text: &str) -> Option<(&str, Option<&str>)> {
    let signatures = text.find("\n\n")? + 1;
    match text[signatures..].find(DIVIDER) {
        Some(at) => {
            let at = signatures + at + 1;
            Some((&text[..at], Some(&text[at + DIVIDER.len() - 1..])))
        }
        None => Some((text, None)),
    }
}

impl fmt::Display for Fork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FORK_FORM}{}--\n{}", self.held, self.shown)?;
        if self.hashes.is_empty() {
            return Ok(());
        }
        f.write_str("--\n")?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{hash}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{KeyKind, SigningKey};
    use crate::merkle::{TileSource, leaf_hash, prove_beginning, root_of};
    use crate::tile::{TilePath, encode_hashes};

    fn log() -> SigningKey {
        SigningKey::from_seed("ledger.example", KeyKind::Ed25519, [1; 32]).unwrap()
    }

    /// A history: the first `common` leaves are those of every other.
    fn history(size: u64, common: u64, name: &str) -> Vec<TreeHash> {
        let leaf = |index: u64| if index < common { format!("{index}") } else { format!("{name} {index}") };
        (0..size).map(|index| leaf_hash(leaf(index).as_bytes())).collect()
    }

    fn note(leaves: &[TreeHash]) -> String {
        let root = root_of(leaves);
        let checkpoint = Checkpoint { origin: "ledger.example".to_owned(), size: leaves.len() as u64, root };
        checkpoint::sign(&checkpoint, &[&log()]).unwrap()
    }

    /// Small trees have tiles of level 0 alone.
    struct Leaves<'l>(&'l [TreeHash]);

    #[derive(Debug, thiserror::Error)]
    #[error("nothing is missing")]
    struct Never;

    impl TileSource for Leaves<'_> {
        type Error = Never;
        fn tile(&self, _: &TilePath) -> Result<Vec<u8>, Never> {
            Ok(encode_hashes(self.0))
        }
    }

    fn evidence(held: &[TreeHash], shown: &[TreeHash]) -> Fork {
        let (small, large) = if held.len() < shown.len() { (held, shown) } else { (shown, held) };
        let hashes = prove_beginning(small.len() as u64, large.len() as u64, &Leaves(large)).unwrap_or_default();
        Fork { held: note(held), shown: note(shown), hashes }
    }

    #[test]
    fn two_histories_are_proven_whichever_is_longer() {
        for (held, shown, common) in [(7, 7, 6), (4, 9, 3), (5, 9, 0), (9, 4, 3), (200, 256, 199), (1, 2, 0)] {
            let found = evidence(&history(held, common, "a"), &history(shown, common, "b"));
            let read = Fork::parse(&found.to_string()).unwrap();
            assert_eq!(read, found);
            assert!(matches!(read.judge(&log().verifier()), Ok(Judgement::Forked { .. })), "{held} {shown}");
        }
    }

    #[test]
    fn one_history_is_no_fork_and_missing_hashes_prove_nothing() {
        for (held, shown) in [(7, 7), (4, 9), (9, 5), (0, 3)] {
            let found = evidence(&history(held, 9, "a"), &history(shown, 9, "b"));
            assert!(matches!(found.judge(&log().verifier()), Ok(Judgement::Consistent { .. })), "{held} {shown}");
        }
        let mut found = evidence(&history(5, 0, "a"), &history(9, 0, "b"));
        found.hashes[1] = leaf_hash(b"made up");
        let judged = found.judge(&log().verifier());
        assert!(matches!(judged, Ok(Judgement::Nothing { reason: MerkleError::Root, .. })), "{judged:?}");
        found.hashes.clear();
        let read = Fork::parse(&found.to_string()).unwrap();
        assert!(matches!(read.judge(&log().verifier()), Ok(Judgement::Nothing { reason: MerkleError::Length(0), .. })));
    }

    #[test]
    fn what_another_key_signed_accuses_nobody() {
        let found = evidence(&history(7, 6, "a"), &history(7, 6, "b"));
        let stranger = SigningKey::from_seed("ledger.example", KeyKind::Ed25519, [2; 32]).unwrap();
        assert!(found.judge(&stranger.verifier()).is_err());
        let mut text = found.to_string();
        text = text.replacen("\n7\n", "\n8\n", 1);
        assert!(Fork::parse(&text).unwrap().judge(&log().verifier()).is_err());
    }

    #[test]
    fn what_is_no_evidence_is_refused() {
        let text = evidence(&history(5, 0, "a"), &history(9, 0, "b")).to_string();
        let hash = leaf_hash(b"").to_string();
        for bad in [
            text.trim_end().to_owned(),
            format!("{}--\n", text.rsplit_once("--\n").unwrap().0),
            text.replacen("v1", "v2", 1),
            text.replacen("--\n", "", 2),
            text[..text.find("--\n").unwrap()].to_owned(),
            format!("{text}not a hash\n"),
            format!("{text}\n"),
            format!("{text}{}", format!("{hash}\n").repeat(70)),
            String::new(),
            FORK_FORM.to_owned(),
        ] {
            assert!(Fork::parse(&bad).is_err(), "{bad:.200}");
        }
    }
}
