//! Wholly sealed events (design 3.2): the period's entry, the promise, and the commitments between.
//!
//! A sealed event is a statement note kept in the vault. What the log shows of it is one leaf in a
//! tree of 65,536 commitments, written once a period whether or not there were events, padded with
//! decoys that only an opening tells apart. The submitter holds a promise, then the leaf's path.
//!
//! Not here: the vault, who chooses leaves and salts, when a period ends.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};

use crate::hash::{Digest, HashError};
use crate::key::{VerifierKey, valid_key_name};
use crate::note::{Note, NoteError};
use crate::time::{TimeError, format_recorded, parse_recorded};
use crate::tree;

/// First line of a period's text.
pub const SEALED_FORM: &str = "gongkai.sealed/v1";

/// First line of a promise's text.
pub const PROMISE_FORM: &str = "gongkai.promise/v1";

/// Depth of a period's tree.
pub const PERIOD_DEPTH: u32 = 16;

/// Leaves of a period's tree, always all of them.
pub const PERIOD_LEAVES: usize = 1 << PERIOD_DEPTH;

const CONTEXT: &str = "gongkai 2026 sealed event v1";

// The key of the context, computed once: it costs as much as a commitment.
static HASHER: LazyLock<blake3::Hasher> = LazyLock::new(|| blake3::Hasher::new_derive_key(CONTEXT));

/// Why a text is no period or promise, or a period has no root.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealedError {
    /// Another first line, or another number of lines.
    #[error("not the lines of {0}")]
    Form(&'static str),
    /// The second line is no origin.
    #[error("{0:?} is no origin")]
    Origin(String),
    /// The root or commitment is no hash.
    #[error("the root or commitment")]
    Hash(#[from] HashError),
    /// A time is malformed.
    #[error("received_at or deadline")]
    Time(#[from] TimeError),
    /// The deadline is before the receipt.
    #[error("the deadline is before received_at")]
    Deadline,
    /// The code of a refusal is no word of small letters.
    #[error("{0:?} is no code of a refusal")]
    Code(String),
    /// The note is malformed, or not signed by the intake key.
    #[error("the note")]
    Note(#[from] NoteError),
    /// Not exactly [`PERIOD_LEAVES`] commitments, or no such leaf.
    #[error("a period has 65,536 leaves, this is {0}")]
    Leaves(usize),
}

/// The note that the log records once a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedPeriod {
    /// Origin of the ledger.
    pub origin: String,
    /// Root of the period's tree.
    pub root: Digest,
    /// The note, verbatim, signed by the intake key. Parsing does not verify it.
    pub note: Note,
}

impl SealedPeriod {
    /// The text to sign.
    pub fn text(origin: &str, root: &Digest) -> Result<String, SealedError> {
        check_origin(origin)?;
        Ok(format!("{SEALED_FORM}\n{origin}\n{root}\n"))
    }

    /// Reads a parsed note.
    pub fn from_note(note: Note) -> Result<Self, SealedError> {
        let [origin, root] = lines(&note.text, SEALED_FORM)?;
        check_origin(origin)?;
        Ok(Self { origin: origin.to_owned(), root: Digest::parse(root)?, note })
    }
}

/// What whoever submits a sealed event gets at once: a durable promise to record it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// Origin of the ledger.
    pub origin: String,
    /// The event's commitment.
    pub commitment: Digest,
    /// When it was received; whole microseconds.
    pub received_at: DateTime<Utc>,
    /// Until when it will be in a period; whole microseconds.
    pub deadline: DateTime<Utc>,
}

impl Promise {
    /// The text that the intake key signs.
    pub fn text(&self) -> Result<String, SealedError> {
        check_origin(&self.origin)?;
        if self.deadline < self.received_at {
            return Err(SealedError::Deadline);
        }
        let received_at = format_recorded(&self.received_at)?;
        let deadline = format_recorded(&self.deadline)?;
        Ok(format!("{PROMISE_FORM}\n{}\n{}\n{received_at}\n{deadline}\n", self.origin, self.commitment))
    }

    /// Verifies a promise under the intake key, and reads it.
    ///
    /// # Errors
    /// [`SealedError::Note`] when the key did not sign it, otherwise what is wrong with its text.
    pub fn open(note: &str, intake: &VerifierKey) -> Result<Self, SealedError> {
        Self::parse(&opened(note, intake)?)
    }

    /// Reads the text of a promise; open the note with the intake key before trusting it.
    pub fn parse(text: &str) -> Result<Self, SealedError> {
        let [origin, commitment, received_at, deadline] = lines(text, PROMISE_FORM)?;
        check_origin(origin)?;
        let promise = Self {
            origin: origin.to_owned(),
            commitment: Digest::parse(commitment)?,
            received_at: parse_recorded(received_at)?,
            deadline: parse_recorded(deadline)?,
        };
        if promise.deadline < promise.received_at {
            return Err(SealedError::Deadline);
        }
        Ok(promise)
    }
}

/// The text of a note that the intake key signed.
pub(crate) fn opened(note: &str, intake: &VerifierKey) -> Result<String, NoteError> {
    let note = Note::parse(note)?;
    note.open(std::slice::from_ref(intake))?;
    Ok(note.text)
}

pub(crate) fn check_origin(origin: &str) -> Result<(), SealedError> {
    if valid_key_name(origin) { Ok(()) } else { Err(SealedError::Origin(origin.to_owned())) }
}

/// The `N` lines after the form's line, when there are exactly so many.
pub(crate) fn lines<'t, const N: usize>(text: &'t str, form: &'static str) -> Result<[&'t str; N], SealedError> {
    let refuse = SealedError::Form(form);
    let body = text.strip_prefix(form).and_then(|rest| rest.strip_prefix('\n'));
    let Some(body) = body.and_then(|rest| rest.strip_suffix('\n')) else {
        return Err(refuse);
    };
    let found: Vec<&str> = body.splitn(N + 1, '\n').collect();
    found.try_into().map_err(|_| refuse)
}

fn derive(salt: &[u8; 32], content: &[u8]) -> Digest {
    let mut hasher = HASHER.clone();
    hasher.update(salt).update(content);
    Digest::from_bytes(*hasher.finalize().as_bytes())
}

/// Commitment of a sealed event: `derive_key(context, salt ‖ note)`.
pub fn commit_event(salt: &[u8; 32], note: &str) -> Digest {
    derive(salt, note.as_bytes())
}

/// Commitment of a padding leaf, which can be opened to show that it hides no event.
pub fn decoy(salt: &[u8; 32]) -> Digest {
    derive(salt, b"decoy")
}

fn leaf_hashes(commitments: &[Digest]) -> Result<Vec<Digest>, SealedError> {
    if commitments.len() != PERIOD_LEAVES {
        return Err(SealedError::Leaves(commitments.len()));
    }
    Ok(commitments.iter().map(tree::commitment_leaf).collect())
}

/// A period's tree, every level kept: many paths for the price of one root.
#[derive(Debug)]
pub struct PeriodTree {
    levels: Vec<Vec<Digest>>,
}

impl PeriodTree {
    /// Builds it over all commitments, in the order of their leaves.
    pub fn new(commitments: &[Digest]) -> Result<Self, SealedError> {
        let mut levels = vec![leaf_hashes(commitments)?];
        for depth in 0..PERIOD_DEPTH as usize {
            let pairs = levels[depth].as_chunks::<2>().0;
            levels.push(pairs.iter().map(|[left, right]| tree::join(left, right)).collect());
        }
        Ok(Self { levels })
    }

    /// Its root.
    pub fn root(&self) -> Digest {
        self.levels[PERIOD_DEPTH as usize][0]
    }

    /// The 16 hashes that lead from a leaf to the root.
    pub fn path(&self, leaf: usize) -> Vec<Digest> {
        let below = self.levels.iter().take(PERIOD_DEPTH as usize);
        below.enumerate().map(|(depth, level)| level[(leaf >> depth) ^ 1]).collect()
    }
}

/// Root of a period's tree over all its commitments.
pub fn period_root(commitments: &[Digest]) -> Result<Digest, SealedError> {
    Ok(tree::root(&leaf_hashes(commitments)?))
}

/// The 16 hashes that lead from one leaf to the root.
pub fn period_path(commitments: &[Digest], leaf: usize) -> Result<Vec<Digest>, SealedError> {
    if leaf >= PERIOD_LEAVES {
        return Err(SealedError::Leaves(leaf));
    }
    Ok(tree::path(&leaf_hashes(commitments)?, leaf))
}

/// Whether a commitment is leaf `leaf` of the period with this root.
pub fn verify_period_path(root: &Digest, leaf: usize, commitment: &Digest, path: &[Digest]) -> bool {
    let hash = tree::commitment_leaf(commitment);
    let found = tree::root_from_path(leaf as u64, PERIOD_LEAVES as u64, &hash, path);
    found == Some(*root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_and_a_decoy_differ_only_by_their_opening() {
        let (salt, other) = ([1; 32], [2; 32]);
        assert_ne!(commit_event(&salt, "note"), commit_event(&other, "note"));
        assert_ne!(commit_event(&salt, "note"), decoy(&salt));
        assert_eq!(commit_event(&salt, "decoy"), decoy(&salt));
    }

    #[test]
    fn a_leaf_leads_to_the_root_of_its_period_only_at_its_place() {
        let mut commitments: Vec<Digest> =
            (0..PERIOD_LEAVES as u64).map(|leaf| Digest::of(&leaf.to_be_bytes())).collect();
        let root = period_root(&commitments).unwrap();
        let path = period_path(&commitments, 40_000).unwrap();
        assert_eq!(path.len(), 16);
        assert!(verify_period_path(&root, 40_000, &commitments[40_000], &path));
        let kept = PeriodTree::new(&commitments).unwrap();
        assert_eq!((kept.root(), kept.path(40_000)), (root, path.clone()));
        assert!(!verify_period_path(&root, 40_001, &commitments[40_000], &path));
        assert!(!verify_period_path(&root, 40_000, &commitments[1], &path));
        assert!(!verify_period_path(&root, 40_000, &commitments[40_000], &path[1..]));
        assert!(!verify_period_path(&root, PERIOD_LEAVES, &commitments[0], &path));
        commitments.pop();
        assert_eq!(period_root(&commitments), Err(SealedError::Leaves(65_535)));
    }

    #[test]
    fn a_promise_survives_its_text() {
        let promise = Promise {
            origin: "ledger.example".to_owned(),
            commitment: Digest::of(b"event"),
            received_at: parse_recorded("2026-03-11T02:00:00.000000Z").unwrap(),
            deadline: parse_recorded("2026-03-11T02:20:00.000000Z").unwrap(),
        };
        let text = promise.text().unwrap();
        assert_eq!(Promise::parse(&text).unwrap(), promise);
        assert!(Promise::parse(&format!("{text}\n")).is_err());
        assert!(Promise::parse(&text.replace("promise", "sealed")).is_err());
        assert!(Promise::parse(text.trim_end()).is_err());
        let mut backwards = promise;
        std::mem::swap(&mut backwards.received_at, &mut backwards.deadline);
        assert_eq!(backwards.text(), Err(SealedError::Deadline));
    }
}
