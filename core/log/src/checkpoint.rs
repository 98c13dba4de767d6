//! Checkpoints (c2sp.org/tlog-checkpoint): what a log signs about its tree.
//!
//! Three lines: origin, size in decimal, root in base64. The key's name is the origin. A log never
//! signs two inconsistent checkpoints; that promise is the caller's, this module only writes and reads.
//!
//! Not here: cosignatures (`cosignature`) and how many suffice (`policy`).

use crate::entry::decimal;
use crate::hash::{HashError, TreeHash};
use crate::key::{SigningKey, VerifierKey, valid_key_name};
use crate::note::{self, Note, NoteError};

/// Why a note is no checkpoint of a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Fewer than three lines, or an empty extension line.
    #[error("not the lines of a checkpoint")]
    Form,
    /// The first line is no origin.
    #[error("{0:?} is no origin")]
    Origin(String),
    /// The second line is no decimal number without leading zeros.
    #[error("the size is no decimal number")]
    Size,
    /// The third line is no hash.
    #[error("the root")]
    Root(#[from] HashError),
    /// Another log's checkpoint.
    #[error("a checkpoint of {found}, not of {wanted}")]
    OtherLog {
        /// Origin in the checkpoint.
        found: String,
        /// Name of the log's key.
        wanted: String,
    },
    /// Signed by a key of the log that was replaced before that size ([`crate::LogKeys`]): a thief would sign so.
    #[error("{size} entries, signed only by a log key that entry {entry} replaced")]
    Superseded {
        /// Size of the checkpoint.
        size: u64,
        /// Entry that brought the next key.
        entry: u64,
    },
    /// Not a note, or not signed by the log.
    #[error("the note")]
    Note(#[from] NoteError),
}

/// What a log says about its tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's origin, the name of its key.
    pub origin: String,
    /// Entries in the log.
    pub size: u64,
    /// Root of the tree over them.
    pub root: TreeHash,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// Reads a checkpoint's text. Extension lines, which the specification allows and we never write,
    /// are accepted when they are not empty, and not kept: sign and cosign the note's text.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let body = text.strip_suffix('\n').ok_or(CheckpointError::Form)?;
        let mut lines = body.split('\n');
        let mut line = || lines.next().ok_or(CheckpointError::Form);
        let (origin, size, root) = (line()?, line()?, line()?);
        if !valid_key_name(origin) {
            return Err(CheckpointError::Origin(origin.to_owned()));
        }
        let checkpoint = Self {
            origin: origin.to_owned(),
            size: decimal(size).ok_or(CheckpointError::Size)?,
            root: TreeHash::parse(root)?,
        };
        if lines.any(str::is_empty) {
            return Err(CheckpointError::Form);
        }
        Ok(checkpoint)
    }
}

/// Signs a checkpoint with the log's key (and others of plain Ed25519, if any); gives the note.
pub fn sign(checkpoint: &Checkpoint, keys: &[&SigningKey]) -> Result<String, CheckpointError> {
    let text = checkpoint.text();
    Checkpoint::parse(&text)?;
    Ok(note::sign(&text, keys)?)
}

/// Opens a checkpoint note with the log's key; gives the checkpoint and the note with all its lines.
pub fn open(note: &str, log: &VerifierKey) -> Result<(Checkpoint, Note), CheckpointError> {
    let note = Note::parse(note)?;
    note.open(std::slice::from_ref(log))?;
    let checkpoint = Checkpoint::parse(&note.text)?;
    if checkpoint.origin != log.name() {
        return Err(CheckpointError::OtherLog { found: checkpoint.origin, wanted: log.name().to_owned() });
    }
    Ok((checkpoint, note))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyKind;
    use crate::merkle::empty_root;

    fn log() -> SigningKey {
        SigningKey::from_seed("ledger.example", KeyKind::Ed25519, [1; 32]).unwrap()
    }

    fn empty() -> Checkpoint {
        Checkpoint { origin: "ledger.example".to_owned(), size: 0, root: empty_root() }
    }

    #[test]
    fn a_checkpoint_survives_its_note() {
        let note = sign(&empty(), &[&log()]).unwrap();
        let (opened, parsed) = open(&note, &log().verifier()).unwrap();
        assert_eq!(opened, empty());
        assert_eq!(parsed.to_string(), note);
        assert!(note.starts_with("ledger.example\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n"));
    }

    #[test]
    fn another_logs_checkpoint_is_refused_even_under_our_key() {
        let mut other = empty();
        other.origin = "other.example".to_owned();
        let note = sign(&other, &[&log()]).unwrap();
        assert!(matches!(open(&note, &log().verifier()), Err(CheckpointError::OtherLog { .. })));
        let stranger = SigningKey::from_seed("ledger.example", KeyKind::Ed25519, [2; 32]).unwrap();
        let note = sign(&empty(), &[&stranger]).unwrap();
        assert_eq!(open(&note, &log().verifier()), Err(CheckpointError::Note(NoteError::Unsigned)));
    }

    #[test]
    fn malformed_checkpoints_are_refused() {
        let text = empty().text();
        for bad in [
            text.replace("\n0\n", "\n00\n"),
            text.replace("\n0\n", "\n-0\n"),
            text.replace("\n0\n", "\n\n"),
            text.replace("\n0\n", "\n18446744073709551616\n"),
            text.replace("ledger.example", "ledger example"),
            text.replace("FU=\n", "FV=\n"),
            text.trim_end().to_owned(),
            format!("{text}\n"),
            format!("{text}extension\n\nmore\n"),
            "ledger.example\n0\n".to_owned(),
            String::new(),
        ] {
            assert!(Checkpoint::parse(&bad).is_err(), "{bad:?}");
        }
        let extended = format!("{text}extension\n");
        assert_eq!(Checkpoint::parse(&extended), Ok(empty()));
    }
}
