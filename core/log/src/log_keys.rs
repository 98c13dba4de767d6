//! The keys of a log over time: which of them signs a checkpoint of which size.
//!
//! A log has one key at each size. The entry that brings a new one is the last of the old key's and the first of the new
//! one's: checkpoints that do not have it yet are the old key's, all larger ones the new key's. So heads of the past verify
//! for ever, and a stolen key signs nothing more that counts, however its signature looks.
//!
//! The origin never changes, so all keys have one name and differ by their ids. During an overlap the old key signs
//! beside the new one; that line is for readers who have not heard of the new key yet and decides nothing here.
//!
//! Not here: who may bring a new key (the domain's authority), and where private keys are kept.

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::key::VerifierKey;
use crate::note::{Note, NoteError};

/// Path below a log's prefix of what brought its keys: the genesis and each entry that changed the key, verbatim, in the
/// form of an entry bundle. A log that kept its first key has no such file.
pub const HISTORY_PATH: &str = "key-history";

/// Most bytes of that file.
pub const HISTORY_BYTES_MAX: usize = 1 << 22;

/// The keys of one log, in the order in which they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogKeys {
    first: VerifierKey,
    // Entry that brought it, and the key.
    later: Vec<(u64, VerifierKey)>,
}

impl LogKeys {
    /// A log with one key, as far as is known.
    pub fn new(first: VerifierKey) -> Self {
        Self { first, later: Vec::new() }
    }

    /// Takes in the key that an entry brings. What is no key of this log, or comes out of order, changes nothing.
    pub fn rotate(&mut self, entry: u64, key: VerifierKey) {
        let in_order = self.later.last().is_none_or(|(before, _)| *before < entry);
        if in_order && key.name() == self.first.name() {
            self.later.push((entry, key));
        }
    }

    /// The key of the genesis.
    pub fn first(&self) -> &VerifierKey {
        &self.first
    }

    /// The key that signs now.
    pub fn current(&self) -> &VerifierKey {
        self.later.last().map_or(&self.first, |(_, key)| key)
    }

    /// The key that signs checkpoints of this size.
    pub fn at(&self, size: u64) -> &VerifierKey {
        let later = self.later.iter().rev().find(|(entry, _)| size > *entry);
        later.map_or(&self.first, |(_, key)| key)
    }

    /// Whether a key is one of them, now or before.
    pub fn knows(&self, key: &VerifierKey) -> bool {
        self.all().any(|own| own == key)
    }

    /// Whether a key has the public bytes of one of them.
    pub fn uses(&self, public: &[u8; 32]) -> bool {
        self.all().any(|own| own.public() == public)
    }

    /// All of them, the first one first.
    pub fn all(&self) -> impl Iterator<Item = &VerifierKey> {
        std::iter::once(&self.first).chain(self.later.iter().map(|(_, key)| key))
    }

    /// The entries that brought a new key, in order, each with it.
    pub fn rotations(&self) -> &[(u64, VerifierKey)] {
        &self.later
    }

    /// Opens a checkpoint note with the key of its size; gives the checkpoint and the note with all its lines.
    ///
    /// # Errors
    /// [`CheckpointError::Superseded`] where a key signed that was replaced before that size, otherwise as
    /// [`crate::checkpoint::open`].
    pub fn open(&self, note: &str) -> Result<(Checkpoint, Note), CheckpointError> {
        let note = Note::parse(note)?;
        let checkpoint = self.check(&note)?;
        Ok((checkpoint, note))
    }

    /// The same for a note that is parsed already.
    ///
    /// # Errors
    /// As [`LogKeys::open`].
    pub fn check(&self, note: &Note) -> Result<Checkpoint, CheckpointError> {
        let checkpoint = Checkpoint::parse(&note.text)?;
        if checkpoint.origin != self.first.name() {
            let wanted = self.first.name().to_owned();
            return Err(CheckpointError::OtherLog { found: checkpoint.origin, wanted });
        }
        let key = self.at(checkpoint.size);
        match note.open(std::slice::from_ref(key)) {
            Ok(_) => Ok(checkpoint),
            Err(NoteError::Unsigned) => Err(self.unsigned(note, checkpoint.size)),
            Err(error) => Err(error.into()),
        }
    }

    /// Why nothing of the right key is under a note: perhaps a key that was replaced signed it.
    fn unsigned(&self, note: &Note, size: u64) -> CheckpointError {
        let replaced = self.all().zip(&self.later).find_map(|(before, (entry, _))| {
            let signed = *entry < size && note.open(std::slice::from_ref(before)).is_ok();
            signed.then_some(*entry)
        });
        replaced.map_or(NoteError::Unsigned.into(), |entry| CheckpointError::Superseded { size, entry })
    }
}

impl From<&VerifierKey> for LogKeys {
    fn from(key: &VerifierKey) -> Self {
        Self::new(key.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint;
    use crate::hash::TreeHash;
    use crate::key::{KeyKind, SigningKey};

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed("ledger.example", KeyKind::Ed25519, [seed; 32]).unwrap()
    }

    fn signed(size: u64, keys: &[&SigningKey]) -> String {
        let root = TreeHash::of_parts(&[b"root"]);
        checkpoint::sign(&Checkpoint { origin: "ledger.example".to_owned(), size, root }, keys).unwrap()
    }

    /// Entry 4 brought the second key, entry 9 the third.
    fn rotated() -> LogKeys {
        let mut keys = LogKeys::new(key(1).verifier());
        keys.rotate(4, key(2).verifier());
        keys.rotate(9, key(3).verifier());
        keys
    }

    #[test]
    fn old_heads_are_the_old_keys_for_ever_and_new_ones_the_new_keys() {
        let keys = rotated();
        for (size, seed) in [(0, 1), (4, 1), (5, 2), (9, 2), (10, 3), (4_000, 3)] {
            assert!(keys.open(&signed(size, &[&key(seed)])).is_ok(), "{size}");
            let other = keys.open(&signed(size, &[&key(7)]));
            assert_eq!(other, Err(CheckpointError::Note(NoteError::Unsigned)));
        }
        assert_eq!(keys.current(), &key(3).verifier());
        assert!(keys.knows(&key(2).verifier()) && !keys.knows(&key(7).verifier()));
    }

    #[test]
    fn a_larger_head_that_only_a_replaced_key_signed_is_refused_as_such() {
        let keys = rotated();
        let superseded = |size, entry| Err(CheckpointError::Superseded { size, entry });
        assert_eq!(keys.open(&signed(5, &[&key(1)])), superseded(5, 4));
        assert_eq!(keys.open(&signed(12, &[&key(1)])), superseded(12, 4));
        assert_eq!(keys.open(&signed(12, &[&key(2)])), superseded(12, 9));
        // The new key does not speak for the time before it.
        assert_eq!(keys.open(&signed(4, &[&key(2)])), Err(CheckpointError::Note(NoteError::Unsigned)));
    }

    #[test]
    fn in_an_overlap_both_sign_and_the_new_key_decides() {
        let (keys, both) = (rotated(), signed(5, &[&key(2), &key(1)]));
        assert!(keys.open(&both).is_ok());
        // Who knows the old key only reads on.
        assert!(checkpoint::open(&both, &key(1).verifier()).is_ok());
        let mut forged = Note::parse(&both).unwrap();
        forged.signatures[0].signature[3] ^= 1;
        assert!(matches!(keys.check(&forged), Err(CheckpointError::Note(NoteError::BadSignature(_)))));
    }

    #[test]
    fn what_is_no_key_of_this_log_changes_nothing() {
        let mut keys = rotated();
        let strange = SigningKey::from_seed("other.example", KeyKind::Ed25519, [5; 32]).unwrap();
        keys.rotate(20, strange.verifier());
        keys.rotate(9, key(5).verifier());
        assert_eq!(keys, rotated());
    }
}
