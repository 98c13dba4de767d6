//! Proof files (c2sp.org/tlog-proof): that an entry is in a log, in one file that needs no network.
//!
//! The file has the entry's index, its inclusion proof, and the checkpoint that it leads to with
//! its cosignatures. The entry's bytes travel beside it.
//!
//! Not here: making the inclusion proof (`merkle`), fetching tiles.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::entry::decimal;
use crate::hash::TreeHash;
use crate::key::VerifierKey;
use crate::log_keys::LogKeys;
use crate::merkle::{self, MerkleError, PROOF_HASHES_MAX};
use crate::note::{NOTE_BYTES_MAX, Note, NoteError};
use crate::policy::{Policy, PolicyError};

/// First line of a proof file.
pub const PROOF_FORM: &str = "c2sp.org/tlog-proof@v1";

/// Most bytes of a proof file: a checkpoint note, and room for 64 hashes and the extra data.
pub const PROOF_BYTES_MAX: usize = NOTE_BYTES_MAX + (1 << 17);

/// Most bytes of the extra data in base64.
pub const EXTRA_TEXT_BYTES_MAX: usize = 1 << 16;

/// Why a file proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// A line is malformed or missing; lines count from 1.
    #[error("line {0} of the proof file is malformed")]
    Line(usize),
    /// More than [`PROOF_BYTES_MAX`] bytes.
    #[error("a proof file of {0} bytes is too long")]
    TooLong(usize),
    /// The checkpoint is no note.
    #[error("the checkpoint's note")]
    Note(#[from] NoteError),
    /// The checkpoint is not the log's.
    #[error("the checkpoint")]
    Checkpoint(#[from] CheckpointError),
    /// Too few witnesses, or a false cosignature.
    #[error("the policy")]
    Policy(#[from] PolicyError),
    /// The entry is not at this index of the checkpoint's tree.
    #[error("the inclusion proof")]
    Inclusion(#[from] MerkleError),
}

/// A proof file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// Data that belongs to the proof in the eyes of the application, if any.
    pub extra: Option<Vec<u8>>,
    /// Index of the entry.
    pub index: u64,
    /// Inclusion proof, leaf to root.
    pub hashes: Vec<TreeHash>,
    /// The checkpoint, with its cosignatures.
    pub checkpoint: Note,
}

impl TlogProof {
    /// Reads a proof file.
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        if text.len() > PROOF_BYTES_MAX {
            return Err(ProofError::TooLong(text.len()));
        }
        let mut at = 1;
        let mut rest = text;
        let mut line = || {
            let (line, tail) = rest.split_once('\n').ok_or(ProofError::Line(at))?;
            rest = tail;
            at += 1;
            Ok::<_, ProofError>((line, at - 1))
        };
        if line()?.0 != PROOF_FORM {
            return Err(ProofError::Line(1));
        }
        let (mut current, mut number) = line()?;
        let mut extra = None;
        if let Some(text) = current.strip_prefix("extra ") {
            let decoded = (text.len() <= EXTRA_TEXT_BYTES_MAX).then(|| STANDARD.decode(text).ok());
            extra = Some(decoded.flatten().ok_or(ProofError::Line(number))?);
            (current, number) = line()?;
        }
        let index = current.strip_prefix("index ").and_then(decimal);
        let index = index.ok_or(ProofError::Line(number))?;
        let mut hashes = Vec::new();
        loop {
            let (text, number) = line()?;
            if text.is_empty() {
                break;
            }
            if hashes.len() == PROOF_HASHES_MAX {
                return Err(ProofError::Line(number));
            }
            hashes.push(TreeHash::parse(text).map_err(|_| ProofError::Line(number))?);
        }
        let checkpoint = Note::parse(rest)?;
        Checkpoint::parse(&checkpoint.text)?;
        Ok(Self { extra, index, hashes, checkpoint })
    }

    /// Verifies that these bytes are the entry at `index` of the log, under a checkpoint that the
    /// log signed and, when a policy is given, a quorum of its witnesses cosigned.
    pub fn verify(&self, entry: &[u8], log: &VerifierKey, policy: Option<&Policy>) -> Result<Checkpoint, ProofError> {
        self.verify_under(entry, &log.into(), policy)
    }

    /// The same with the log's keys over time: the checkpoint counts under the key of its size.
    pub fn verify_under(
        &self,
        entry: &[u8],
        keys: &LogKeys,
        policy: Option<&Policy>,
    ) -> Result<Checkpoint, ProofError> {
        let checkpoint = keys.check(&self.checkpoint)?;
        let note = &self.checkpoint;
        if let Some(policy) = policy {
            policy.check(note)?;
        }
        let leaf = merkle::leaf_hash(entry);
        merkle::verify_inclusion(self.index, checkpoint.size, &leaf, &self.hashes, &checkpoint.root)?;
        Ok(checkpoint)
    }
}

impl fmt::Display for TlogProof {
    /// The whole file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{PROOF_FORM}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{hash}")?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint;
    use crate::key::{KeyKind, SigningKey};

    fn sample() -> (TlogProof, SigningKey) {
        let key = SigningKey::from_seed("ledger.example", KeyKind::Ed25519, [1; 32]).unwrap();
        let leaves = [merkle::leaf_hash(b"zero"), merkle::leaf_hash(b"one")];
        let checkpoint = Checkpoint { origin: "ledger.example".to_owned(), size: 2, root: merkle::root_of(&leaves) };
        let note = checkpoint::sign(&checkpoint, &[&key]).unwrap();
        let proof = TlogProof {
            extra: Some(b"entry 1".to_vec()),
            index: 1,
            hashes: vec![leaves[0]],
            checkpoint: Note::parse(&note).unwrap(),
        };
        (proof, key)
    }

    #[test]
    fn a_proof_survives_its_file_and_proves_its_entry_only() {
        let (proof, key) = sample();
        let parsed = TlogProof::parse(&proof.to_string()).unwrap();
        assert_eq!(parsed, proof);
        let log = key.verifier();
        assert_eq!(parsed.verify(b"one", &log, None).unwrap().size, 2);
        assert_eq!(parsed.verify(b"two", &log, None), Err(ProofError::Inclusion(MerkleError::Root)));
        let mut elsewhere = parsed.clone();
        elsewhere.index = 0;
        assert!(elsewhere.verify(b"one", &log, None).is_err());
        let mut longer = parsed;
        longer.hashes.push(merkle::leaf_hash(b"zero"));
        assert_eq!(longer.verify(b"one", &log, None), Err(ProofError::Inclusion(MerkleError::Length(2))));
    }

    #[test]
    fn malformed_files_are_refused() {
        let text = sample().0.to_string();
        for (from, to) in [
            ("@v1", "@v2"),
            ("index 1", "index 01"),
            ("index 1\n", ""),
            ("extra ZW50cnkgMQ==", "extra ZW50cnkgMQ"),
            ("extra", "Extra"),
            ("index 1\n", "index 1\n\n"),
            ("index 1\n", "index 1\nAAAA\n"),
            ("ledger.example\n2", "ledger.example\r\n2"),
        ] {
            assert!(text.contains(from), "{from}");
            assert!(TlogProof::parse(&text.replacen(from, to, 1)).is_err(), "{to:?}");
        }
        assert!(TlogProof::parse("").is_err());
        assert!(TlogProof::parse(text.trim_end()).is_err());
    }
}
