//! Trees of fixed depth among decoys: a period of packets, and the answers to many of them.
//!
//! An answer is a leaf that only its salt opens: which packet, accepted or refused, and the hash of the note that says it
//! (the ledger's promise or receipt, or the receipt of its refusal). The root over all answers is public and tells neither
//! how many there are nor what they say.

use std::collections::BTreeSet;

use gongkai_log::{
    Digest,
    sealed::{self, PERIOD_LEAVES, PeriodTree},
};
use serde::{Deserialize, Serialize};

use super::GapError;

const FORM: &str = "gongkai.answer/v1";

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Recorded.
    Accepted,
    /// Lawfully refused, or not readable.
    Refused,
}

impl Outcome {
    fn wire(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
        }
    }
}

/// The answer to one packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// Origin of the intake's log.
    pub intake: &'a str,
    /// Commitment of the packet there.
    pub commitment: Digest,
    /// What became of it.
    pub outcome: Outcome,
    /// What the ledger says of it.
    pub note: &'a str,
}

impl Answer<'_> {
    /// Its leaf, under 32 random bytes.
    pub fn leaf(&self, salt: &Digest) -> Digest {
        let Self { intake, commitment, outcome, note } = self;
        let text = format!("{FORM}\n{intake}\n{commitment}\n{}\n{}\n", outcome.wire(), Digest::of(note.as_bytes()));
        sealed::commit_event(salt.as_bytes(), &text)
    }
}

/// A tree with its leaves at places that only its nonce tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planted {
    /// The root.
    pub root: Digest,
    /// Of each leaf, in the order in which they were given, its place and its path.
    pub leaves: Vec<(u64, Vec<Digest>)>,
}

/// The salt of the decoy at a place.
pub fn decoy_salt(nonce: &Digest, place: u64) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_keyed(nonce.as_bytes());
    hasher.update(b"decoy").update(&place.to_be_bytes());
    *hasher.finalize().as_bytes()
}

/// All places as decoys.
pub(super) fn decoys(nonce: &Digest) -> Vec<Digest> {
    (0..PERIOD_LEAVES as u64).map(|place| sealed::decoy(&decoy_salt(nonce, place))).collect()
}

/// Puts leaves at places that the nonce decides, and decoys everywhere else.
///
/// # Errors
/// [`GapError::Limit`] for more leaves than there are places.
pub fn plant(leaves: &[Digest], nonce: &Digest) -> Result<Planted, GapError> {
    if leaves.len() > PERIOD_LEAVES {
        return Err(GapError::Limit("tree"));
    }
    let mut all = decoys(nonce);
    let (mut taken, mut places) = (BTreeSet::new(), Vec::with_capacity(leaves.len()));
    // Hashes of a counter under the nonce, in ranges of two bytes; a place that is taken is passed over.
    let mut stream = blake3::Hasher::new_keyed(nonce.as_bytes()).update(b"places").finalize_xof();
    while places.len() < leaves.len() {
        let mut bytes = [0; 2];
        stream.fill(&mut bytes);
        let place = u16::from_be_bytes(bytes);
        if taken.insert(place) {
            places.push(usize::from(place));
        }
    }
    for (leaf, place) in leaves.iter().zip(&places) {
        all[*place] = *leaf;
    }
    let tree = PeriodTree::new(&all).map_err(|_| GapError::Limit("tree"))?;
    let leaves = places.into_iter().map(|place| (place as u64, tree.path(place))).collect();
    Ok(Planted { root: tree.root(), leaves })
}
