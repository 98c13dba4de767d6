//! The witness's verdict (c2sp.org/tlog-witness): may this checkpoint be cosigned?
//!
//! A pure function from a request, the known log keys and the recorded state to a verdict with its
//! status code. The caller records the new state durably, and only then cosigns: a cosignature whose
//! state was lost could be followed by one for a fork.
//!
//! Not here: HTTP, storage, the clock, the cosigning itself (`cosignature`).

use std::fmt;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::entry::decimal;
use crate::hash::{TreeHash, hex};
use crate::key::{KeyKind, VerifierKey};
use crate::merkle;
use crate::note::{NOTE_BYTES_MAX, Note};

/// Most hashes in a request (c2sp.org/tlog-witness).
pub const REQUEST_HASHES_MAX: usize = 63;

/// Most bytes of a request: a note, 63 hashes and the first line.
pub const REQUEST_BYTES_MAX: usize = NOTE_BYTES_MAX + 4_096;

/// The body of `POST <prefix>/add-checkpoint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size that the log believes the witness to have recorded.
    pub old: u64,
    /// Consistency proof from there.
    pub proof: Vec<TreeHash>,
    /// The new checkpoint.
    pub checkpoint: Note,
}

/// Why a checkpoint is not cosigned. Each has its status code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    /// 400: the request or its checkpoint is malformed.
    #[error("the request is malformed")]
    Malformed,
    /// 400: the old size is beyond the new one.
    #[error("old size {old} is beyond the checkpoint's {size}")]
    OldBeyondSize {
        /// Old size in the request.
        old: u64,
        /// Size of the checkpoint.
        size: u64,
    },
    /// 403: no signature of a trusted key of that log, or one that does not verify.
    #[error("not signed by a trusted key of the log")]
    Untrusted,
    /// 404: a log that this witness does not know.
    #[error("the log is not known here")]
    UnknownLog,
    /// 409: the recorded size is another one; it is the body of the answer.
    #[error("size {recorded} is recorded")]
    Conflict {
        /// Size on record.
        recorded: u64,
    },
    /// 422: the proof fails, or the same size has another root.
    #[error("the checkpoint is not consistent with the recorded one")]
    Inconsistent,
}

impl WitnessError {
    /// HTTP status code that the specification gives.
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed | Self::OldBeyondSize { .. } => 400,
            Self::Untrusted => 403,
            Self::UnknownLog => 404,
            Self::Conflict { .. } => 409,
            Self::Inconsistent => 422,
        }
    }
}

impl AddCheckpoint {
    /// Reads a request body: `old <N>`, hashes, blank line, checkpoint.
    pub fn parse(body: &str) -> Result<Self, WitnessError> {
        if body.len() > REQUEST_BYTES_MAX {
            return Err(WitnessError::Malformed);
        }
        Self::read(body).ok_or(WitnessError::Malformed)
    }

    fn read(body: &str) -> Option<Self> {
        let (head, note) = body.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let old = decimal(lines.next()?.strip_prefix("old ")?)?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == REQUEST_HASHES_MAX {
                return None;
            }
            proof.push(TreeHash::parse(line).ok()?);
        }
        let checkpoint = Note::parse(note).ok()?;
        Some(Self { old, proof, checkpoint })
    }

    /// The checkpoint in the request, not yet trusted: its origin says whose state to load.
    pub fn unverified(&self) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::parse(&self.checkpoint.text)
    }

    /// Judges the request. `logs` are the trusted keys, `recorded` is the state on record for the
    /// checkpoint's origin (`None` before the first). The answer is what to record and then cosign.
    pub fn judge(&self, logs: &[VerifierKey], recorded: Option<&Checkpoint>) -> Result<Checkpoint, WitnessError> {
        let new = self.unverified().map_err(|_| WitnessError::Malformed)?;
        let own = logs.iter().filter(|key| key.kind() == KeyKind::Ed25519 && key.name() == new.origin);
        let own: Vec<VerifierKey> = own.cloned().collect();
        if own.is_empty() {
            return Err(WitnessError::UnknownLog);
        }
        self.checkpoint.open(&own).map_err(|_| WitnessError::Untrusted)?;
        let (old, size) = (self.old, new.size);
        if old > size {
            return Err(WitnessError::OldBeyondSize { old, size });
        }
        let recorded_size = recorded.map_or(0, |state| state.size);
        if old != recorded_size {
            return Err(WitnessError::Conflict { recorded: recorded_size });
        }
        let empty = merkle::empty_root();
        let root = recorded.map_or(empty, |state| state.root);
        let consistent = if old == 0 {
            // Everything follows from nothing, and a proof of that has no hashes.
            self.proof.is_empty() && (size > 0 || new.root == empty)
        } else {
            merkle::verify_consistency(old, size, &root, &new.root, &self.proof).is_ok()
        };
        if consistent { Ok(new) } else { Err(WitnessError::Inconsistent) }
    }
}

impl fmt::Display for AddCheckpoint {
    /// The request's body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

/// Path below a witness's prefix where its recorded checkpoint of a log is shown: lower-case hex of
/// SHA-256 of the origin.
pub fn monitoring_path(origin: &str) -> String {
    let hash = TreeHash::of_parts(&[origin.as_bytes()]);
    format!("{}/checkpoint", hex(hash.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint;
    use crate::key::SigningKey;
    use crate::merkle::{leaf_hash, root_of};

    fn log(seed: u8) -> SigningKey {
        SigningKey::from_seed("ledger.example", KeyKind::Ed25519, [seed; 32]).unwrap()
    }

    fn leaves() -> Vec<TreeHash> {
        (0..4u8).map(|leaf| leaf_hash(&[leaf])).collect()
    }

    fn head(size: usize) -> Checkpoint {
        Checkpoint { origin: "ledger.example".to_owned(), size: size as u64, root: root_of(&leaves()[..size]) }
    }

    fn request(old: u64, proof: &[TreeHash], new: &Checkpoint) -> AddCheckpoint {
        let note = Note::parse(&checkpoint::sign(new, &[&log(1)]).unwrap()).unwrap();
        let request = AddCheckpoint { old, proof: proof.to_vec(), checkpoint: note };
        assert_eq!(AddCheckpoint::parse(&request.to_string()).as_ref(), Ok(&request));
        request
    }

    fn judge(request: &AddCheckpoint, recorded: Option<&Checkpoint>) -> Result<u64, u16> {
        let verdict = request.judge(&[log(1).verifier()], recorded);
        verdict.map(|new| new.size).map_err(|error| error.status())
    }

    #[test]
    fn a_log_that_grows_is_cosigned() {
        assert_eq!(judge(&request(0, &[], &head(0)), None), Ok(0));
        assert_eq!(judge(&request(0, &[], &head(2)), None), Ok(2));
        let right = root_of(&leaves()[2..]);
        let grown = request(2, &[right], &head(4));
        assert_eq!(judge(&grown, Some(&head(2))), Ok(4));
        assert_eq!(judge(&request(4, &[], &head(4)), Some(&head(4))), Ok(4));
    }

    #[test]
    fn each_refusal_has_its_status() {
        let right = root_of(&leaves()[2..]);
        let grown = request(2, &[right], &head(4));
        assert_eq!(judge(&grown, Some(&head(3))), Err(409));
        assert_eq!(judge(&grown, None), Err(409));
        assert_eq!(judge(&request(4, &[], &head(2)), Some(&head(4))), Err(400));
        assert_eq!(judge(&request(2, &[], &head(4)), Some(&head(2))), Err(422));
        assert_eq!(judge(&request(0, &[right], &head(4)), None), Err(422));
        let mut fork = head(4);
        fork.root = right;
        assert_eq!(judge(&request(4, &[], &fork), Some(&head(4))), Err(422));
        let mut nothing = head(0);
        nothing.root = right;
        assert_eq!(judge(&request(0, &[], &nothing), None), Err(422));
        let stranger = grown.judge(&[log(2).verifier()], Some(&head(2)));
        assert_eq!(stranger, Err(WitnessError::Untrusted));
        let unknown = grown.judge(&[], Some(&head(2)));
        assert_eq!(unknown, Err(WitnessError::UnknownLog));
        let mut forged = grown;
        forged.checkpoint.signatures[0].signature[9] ^= 1;
        assert_eq!(judge(&forged, Some(&head(2))), Err(403));
    }

    #[test]
    fn a_witness_that_was_told_the_new_key_goes_on_over_a_rotation_under_the_same_origin() {
        let grown = head(4);
        let note = Note::parse(&checkpoint::sign(&grown, &[&log(2)]).unwrap()).unwrap();
        let request = AddCheckpoint { old: 2, proof: vec![root_of(&leaves()[2..])], checkpoint: note };
        let (old, new) = (log(1).verifier(), log(2).verifier());
        assert_eq!(request.judge(std::slice::from_ref(&old), Some(&head(2))), Err(WitnessError::Untrusted));
        assert_eq!(request.judge(&[old.clone(), new.clone()], Some(&head(2))), Ok(grown.clone()));
        // After a theft the old one is taken out, and signs nothing more here.
        let stolen = Note::parse(&checkpoint::sign(&grown, &[&log(1)]).unwrap()).unwrap();
        let stolen = AddCheckpoint { checkpoint: stolen, ..request };
        assert_eq!(stolen.judge(&[new], Some(&head(2))), Err(WitnessError::Untrusted));
    }

    #[test]
    fn malformed_requests_are_refused() {
        let note = checkpoint::sign(&head(4), &[&log(1)]).unwrap();
        let hash = leaf_hash(b"").to_string();
        let many = format!("{hash}\n").repeat(64);
        for bad in [
            String::new(),
            note.clone(),
            format!("old 01\n\n{note}"),
            format!("old 1\n{hash}\n{note}"),
            format!("old 1\nAAAA\n\n{note}"),
            format!("new 1\n\n{note}"),
            format!("old 1\n{many}\n{note}"),
            format!("old 1\n\n{}", note.trim_end()),
        ] {
            assert_eq!(AddCheckpoint::parse(&bad), Err(WitnessError::Malformed), "{bad}");
        }
        let most = many.replacen(&format!("{hash}\n"), "", 1);
        assert!(AddCheckpoint::parse(&format!("old 1\n{most}\n{note}")).is_ok());
    }

    #[test]
    fn the_monitoring_path_is_the_hash_of_the_origin() {
        let path = monitoring_path("");
        assert_eq!(path, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855/checkpoint");
    }
}
