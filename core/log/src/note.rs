//! Signed notes (c2sp.org/signed-note): a text, a blank line, signature lines.
//!
//! Parsing is strict, so writing a parsed note gives the same bytes. Opening follows the
//! specification: signatures of unknown keys are ignored, one of a known key that does not verify
//! condemns the note, and a note under which nothing verifies is refused.
//!
//! Not here: what the text says (`statement`, `checkpoint`, `sealed`).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cosignature;
use crate::key::{KeyKind, SigningKey, VerifierKey, valid_key_name};

/// Most bytes of a note.
pub const NOTE_BYTES_MAX: usize = 1 << 20;

/// Most signature lines of a note; the specification demands that 16 are accepted.
pub const NOTE_SIGNATURES_MAX: usize = 64;

/// Most bytes of one signature after its key id. A cosignature has 72; the registered post-quantum
/// types, which we do not verify but must ignore without harm, have up to some thousands.
pub const SIGNATURE_BYTES_MAX: usize = 8_192;

const DASH: &str = "\u{2014} ";

/// Why a note is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// More than [`NOTE_BYTES_MAX`] bytes.
    #[error("a note of {0} bytes is too long")]
    TooLong(usize),
    /// A control character other than LF.
    #[error("a control character in the note")]
    Control,
    /// No blank line before the signatures, no last newline, or an empty text.
    #[error("not a text, a blank line and signature lines")]
    Form,
    /// A signature line is malformed; lines count from 0.
    #[error("signature line {0} is malformed")]
    SignatureLine(usize),
    /// More than [`NOTE_SIGNATURES_MAX`] signatures.
    #[error("more than {NOTE_SIGNATURES_MAX} signatures")]
    TooManySignatures,
    /// A signature under a known key does not verify.
    #[error("the signature of {0} does not verify")]
    BadSignature(String),
    /// Two of the given keys have the same name and id.
    #[error("two known keys are both {0}")]
    AmbiguousKey(String),
    /// Nothing verifies under the given keys.
    #[error("no signature of a known key")]
    Unsigned,
    /// A cosigning key was asked to sign a plain note.
    #[error("the key {0} cosigns checkpoints and signs no notes")]
    KeyKind(String),
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    /// Key name.
    pub name: String,
    /// Key id.
    pub id: u32,
    /// What follows the key id: 64 bytes for Ed25519, 8 + 64 for a cosignature.
    pub signature: Vec<u8>,
}

impl NoteSignature {
    /// Reads one line without its newline: `— name base64`.
    pub fn parse(line: &str) -> Option<Self> {
        let (name, text) = line.strip_prefix(DASH)?.split_once(' ')?;
        if !valid_key_name(name) || text.len() > SIGNATURE_BYTES_MAX / 3 * 4 + 12 {
            return None;
        }
        let mut signature = STANDARD.decode(text).ok()?;
        let id = *signature.first_chunk::<4>()?;
        if signature.len() < 5 {
            return None;
        }
        signature.drain(..4);
        Some(Self { name: name.to_owned(), id: u32::from_be_bytes(id), signature })
    }

    /// Whether the line claims to be by `key`.
    pub fn is_by(&self, key: &VerifierKey) -> bool {
        self.id == key.id() && self.name == key.name()
    }

    /// The 64 bytes of a plain Ed25519 signature, if the length is right.
    pub fn ed25519(&self) -> Option<&[u8; 64]> {
        self.signature.as_slice().try_into().ok()
    }
}

impl fmt::Display for NoteSignature {
    /// The line without its newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(4 + self.signature.len());
        bytes.extend_from_slice(&self.id.to_be_bytes());
        bytes.extend_from_slice(&self.signature);
        write!(f, "{DASH}{} {}", self.name, STANDARD.encode(bytes))
    }
}

/// A note: its text, with the last newline, and its signatures in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What is signed, ending in LF.
    pub text: String,
    /// The signature lines; at least one.
    pub signatures: Vec<NoteSignature>,
}

impl Note {
    /// Reads a note; `to_string` gives the same bytes again.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong(note.len()));
        }
        // Counted by pieces: without an early end several bytes are compared at once.
        let has_control = |piece: &[u8]| piece.iter().filter(|byte| **byte < 0x20 && **byte != b'\n').count() > 0;
        if note.as_bytes().chunks(128).any(has_control) {
            return Err(NoteError::Control);
        }
        // The text may have blank lines of its own, so the last one divides.
        let split = note.as_bytes().windows(2).rposition(|pair| pair == b"\n\n").ok_or(NoteError::Form)?;
        let lines = note[split + 2..].strip_suffix('\n').ok_or(NoteError::Form)?;
        let mut signatures = Vec::with_capacity(2);
        for (place, line) in lines.split('\n').enumerate() {
            if place == NOTE_SIGNATURES_MAX {
                return Err(NoteError::TooManySignatures);
            }
            let signature = NoteSignature::parse(line).ok_or(NoteError::SignatureLine(place))?;
            signatures.push(signature);
        }
        Ok(Self { text: note[..=split].to_owned(), signatures })
    }

    /// Verifies under the given keys; gives the places of the signatures that verified.
    pub fn open(&self, keys: &[VerifierKey]) -> Result<Vec<usize>, NoteError> {
        let mut verified = Vec::new();
        for (place, signature) in self.signatures.iter().enumerate() {
            let mut known = keys.iter().filter(|key| signature.is_by(key));
            let Some(key) = known.next() else { continue };
            if known.any(|other| other != key) {
                return Err(NoteError::AmbiguousKey(key.name().to_owned()));
            }
            if !verifies(&self.text, signature, key) {
                return Err(NoteError::BadSignature(key.name().to_owned()));
            }
            verified.push(place);
        }
        if verified.is_empty() {
            return Err(NoteError::Unsigned);
        }
        Ok(verified)
    }
}

fn verifies(text: &str, signature: &NoteSignature, key: &VerifierKey) -> bool {
    match key.kind() {
        KeyKind::Ed25519 => signature.ed25519().is_some_and(|bytes| key.verify(text.as_bytes(), bytes)),
        KeyKind::CosignatureV1 => cosignature::verify(text, signature, key).is_ok(),
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

/// Signs a text, which must end in LF, with each key in order, and gives the whole note.
pub fn sign(text: &str, keys: &[&SigningKey]) -> Result<String, NoteError> {
    let mut note = Note { text: text.to_owned(), signatures: Vec::with_capacity(keys.len()) };
    for key in keys {
        let verifier = key.verifier();
        if verifier.kind() != KeyKind::Ed25519 {
            return Err(NoteError::KeyKind(key.name().to_owned()));
        }
        note.signatures.push(NoteSignature {
            name: key.name().to_owned(),
            id: verifier.id(),
            signature: key.sign(text.as_bytes()).to_vec(),
        });
    }
    let written = note.to_string();
    // What we write must be what we would read: this refuses texts without a last newline, with
    // control characters, and notes without a signature.
    if Note::parse(&written)? != note {
        return Err(NoteError::Form);
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOO: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

    fn key(name: &str, seed: u8) -> SigningKey {
        SigningKey::from_seed(name, KeyKind::Ed25519, [seed; 32]).unwrap()
    }

    #[test]
    fn a_note_with_blank_lines_splits_at_the_last() {
        let alice = key("alice", 1);
        let written = sign("one\n\ntwo\n", &[&alice]).unwrap();
        let note = Note::parse(&written).unwrap();
        assert_eq!(note.text, "one\n\ntwo\n");
        assert_eq!(note.to_string(), written);
        assert_eq!(note.open(&[alice.verifier()]), Ok(vec![0]));
    }

    #[test]
    fn unknown_signatures_are_ignored_and_false_ones_condemn() {
        let (alice, bob) = (key("alice", 1), key("bob", 2));
        let written = sign("text\n", &[&alice, &bob]).unwrap();
        let note = Note::parse(&written).unwrap();
        assert_eq!(note.open(&[bob.verifier()]), Ok(vec![1]));
        assert_eq!(note.open(&[VerifierKey::parse(FOO).unwrap()]), Err(NoteError::Unsigned));
        let mut forged = note.clone();
        forged.signatures[0].signature[5] ^= 1;
        assert_eq!(forged.open(&[bob.verifier()]), Ok(vec![1]));
        assert_eq!(forged.open(&[bob.verifier(), alice.verifier()]), Err(NoteError::BadSignature("alice".to_owned())));
        let mut short = note;
        short.signatures[0].signature.pop();
        assert_eq!(short.open(&[alice.verifier()]), Err(NoteError::BadSignature("alice".to_owned())));
    }

    #[test]
    fn malformed_notes_are_refused() {
        let good = sign("text\n", &[&key("alice", 1)]).unwrap();
        let line = good.lines().last().unwrap().to_owned();
        for bad in [
            String::new(),
            "text\n".to_owned(),
            "text\n\n".to_owned(),
            good.trim_end().to_owned(),
            good.replace("text\n\n", "text\n"),
            format!("{good}\n"),
            good.replace("\u{2014} ", "- "),
            good.replace("\u{2014} alice ", "\u{2014} alice  "),
            good.replace("\u{2014} alice ", "\u{2014} ali+ce "),
            good.replace("text", "te\txt"),
            good.replace("text", "te\rxt"),
            good.replace('=', ""),
            "text\n\n\u{2014} alice AAAAAA==\n".to_owned(),
            format!("{}{}", good, format!("{line}\n").repeat(NOTE_SIGNATURES_MAX)),
            "a".repeat(NOTE_BYTES_MAX + 1),
        ] {
            assert!(Note::parse(&bad).is_err(), "{bad:?}");
        }
        let many = format!("{}{}", good, format!("{line}\n").repeat(NOTE_SIGNATURES_MAX - 1));
        assert_eq!(Note::parse(&many).unwrap().signatures.len(), NOTE_SIGNATURES_MAX);
    }

    #[test]
    fn only_a_text_that_can_be_read_again_is_signed() {
        let alice = key("alice", 1);
        assert!(sign("no newline", &[&alice]).is_err());
        assert!(sign("tab\t\n", &[&alice]).is_err());
        assert!(sign("", &[&alice]).is_err());
        assert!(sign("text\n", &[]).is_err());
        let witness = SigningKey::from_seed("w", KeyKind::CosignatureV1, [3; 32]).unwrap();
        assert_eq!(sign("text\n", &[&witness]), Err(NoteError::KeyKind("w".to_owned())));
    }

    #[test]
    fn the_note_of_the_specification_verifies() {
        let note = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
        let note = Note::parse(note).unwrap();
        assert_eq!(note.open(&[VerifierKey::parse(FOO).unwrap()]), Ok(vec![0]));
    }
}
