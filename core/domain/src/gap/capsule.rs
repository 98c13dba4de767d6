//! Capsules: what a ledger sends out, each for whoever has the code of one packet.
//!
//! All are of one size, and there is always a power of two of them, most of them random: who carries or keeps them learns
//! neither whose matter went on nor how many there are. A code has 24 letters of five bits; from it come a label, under which
//! a capsule is found, and the key that opens it. Of codes of 120 bits nobody tries out enough, with all labels before them.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use chrono::{DateTime, Utc};
use gongkai_log::{
    Digest, StreamId, VerifierKey,
    note::Note,
    sealed::verify_period_path,
    time::{format_recorded, parse_recorded},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Answer, GapError, Outcome, Waiting};
use crate::vault::NONCE_BYTES;

const FORM: &str = "gongkai.capsules/v1";
const CODE_CONTEXT: &str = "gongkai 2026 gap code v1";
const LABEL_CONTEXT: &str = "gongkai 2026 gap label v1";
const KEY_CONTEXT: &str = "gongkai 2026 gap capsule v1";
const PIECE_CONTEXT: &str = "gongkai 2026 gap piece v1";

/// Letters of a code, of five bits each.
pub const CODE_CHARS: usize = 24;
/// Bytes of a label.
pub const LABEL_BYTES: usize = 16;
/// Bytes of a status, padded.
pub(super) const STATUS_BYTES: usize = 8 << 10;
/// Bytes of a capsule: label, nonce, ciphertext, tag.
pub const CAPSULE_BYTES: usize = LABEL_BYTES + NONCE_BYTES + STATUS_BYTES + 16;
/// Fewest capsules in a file.
const CAPSULES_MIN: usize = 64;
/// Most capsules in a file.
const CAPSULES_MAX: usize = 1 << 17;

const WRONG: GapError = GapError::Form("file of capsules");

/// How many capsules a file has for so many that say something.
pub fn capsules_count(said: usize) -> usize {
    said.max(CAPSULES_MIN).next_power_of_two()
}

/// What a code stands for: 32 bytes that its holder and the ledger share.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

// It travels inside a packet, and lies encrypted in the vault's folder.
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(*self.0))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let bytes = Zeroizing::new(BASE64_STANDARD.decode(text.as_bytes()).map_err(D::Error::custom)?);
        let bytes = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| D::Error::custom("not 32 bytes"))?;
        Ok(Self(Zeroizing::new(bytes)))
    }
}

impl Secret {
    /// Of a code in capital letters and digits, without dashes.
    pub fn of_code(letters: &str) -> Self {
        Self(Zeroizing::new(blake3::derive_key(CODE_CONTEXT, letters.as_bytes())))
    }

    /// Under which capsules for it are found.
    pub fn label(&self) -> [u8; LABEL_BYTES] {
        let mut label = [0; LABEL_BYTES];
        blake3::Hasher::new_derive_key(LABEL_CONTEXT).update(&*self.0).finalize_xof().fill(&mut label);
        label
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        let key = Zeroizing::new(blake3::derive_key(KEY_CONTEXT, &*self.0));
        XChaCha20Poly1305::new((&*key).into())
    }

    /// Of a piece that follows a status under this code, counted from 0.
    #[must_use]
    pub fn piece(&self, number: u32) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(PIECE_CONTEXT);
        hasher.update(&*self.0).update(&number.to_be_bytes());
        Self(Zeroizing::new(*hasher.finalize().as_bytes()))
    }

    /// Puts a status into a capsule of an intake, under 24 random bytes.
    ///
    /// # Errors
    /// [`GapError::Limit`] for a status that is too long.
    pub fn seal(&self, intake: &str, status: &Status, nonce: [u8; NONCE_BYTES]) -> Result<Vec<u8>, GapError> {
        let text = Zeroizing::new(serde_json::to_vec(status).map_err(|_| GapError::Form("status"))?);
        self.seal_text(intake, &text, nonce)
    }

    /// Puts a text into a capsule, padded with spaces: its own ending must not be one.
    ///
    /// # Errors
    /// [`GapError::Limit`] for a text that is too long.
    pub fn seal_text(&self, intake: &str, text: &[u8], nonce: [u8; NONCE_BYTES]) -> Result<Vec<u8>, GapError> {
        if text.len() > STATUS_BYTES {
            return Err(GapError::Limit("status"));
        }
        let mut plain = Zeroizing::new(vec![b' '; STATUS_BYTES]);
        plain[..text.len()].copy_from_slice(text);
        let payload = Payload { msg: &plain, aad: intake.as_bytes() };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload).map_err(|_| GapError::Sealed)?;
        Ok([&self.label()[..], &nonce, &sealed].concat())
    }

    /// Opens a capsule.
    ///
    /// # Errors
    /// [`GapError::Sealed`] for another code or intake, or changed bytes.
    pub fn open(&self, intake: &str, capsule: &[u8]) -> Result<Status, GapError> {
        serde_json::from_slice(&self.open_text(intake, capsule)?).map_err(|_| GapError::Form("status"))
    }

    /// Opens a capsule with any text; its padding stays.
    ///
    /// # Errors
    /// [`GapError::Sealed`].
    pub fn open_text(&self, intake: &str, capsule: &[u8]) -> Result<Zeroizing<Vec<u8>>, GapError> {
        if capsule.len() != CAPSULE_BYTES || capsule[..LABEL_BYTES] != self.label() {
            return Err(GapError::Sealed);
        }
        let (nonce, sealed) = capsule[LABEL_BYTES..].split_first_chunk::<NONCE_BYTES>().ok_or(GapError::Sealed)?;
        let payload = Payload { msg: sealed, aad: intake.as_bytes() };
        let plain = self.cipher().decrypt(&XNonce::from(*nonce), payload).map_err(|_| GapError::Sealed)?;
        Ok(Zeroizing::new(plain))
    }
}

/// The proof that an answer is under the root of a public statement of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerProof {
    /// Entry of the ledger in which the root stands.
    pub index: u64,
    /// The packet's commitment.
    pub commitment: Digest,
    /// What became of it.
    pub outcome: Outcome,
    /// What the ledger says of it: its promise or receipt, or the receipt of its refusal.
    pub note: String,
    /// 32 random bytes.
    pub salt: Digest,
    /// Place in the tree.
    pub leaf: u64,
    /// The 16 hashes from there to the root.
    pub path: Vec<Digest>,
}

impl AnswerProof {
    /// Whether it leads to this root.
    pub fn is_under(&self, root: &Digest, intake: &str) -> bool {
        let answer = Answer { intake, commitment: self.commitment, outcome: self.outcome, note: &self.note };
        let Ok(leaf) = usize::try_from(self.leaf) else { return false };
        verify_period_path(root, leaf, &answer.leaf(&self.salt), &self.path)
    }
}

/// What a statement that continues a matter follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Continued {
    /// The matter.
    pub stream: StreamId,
    /// Revision of its last statement.
    pub revision: u64,
    /// Hash of that.
    pub hash: Digest,
}

/// How far a matter is, as its submitter is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matter {
    /// The code that shows it inside, and continues it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What comes next follows this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<Continued>,
    /// What the ledger's own site shows under that code.
    pub shown: Value,
    /// What had to be left out for want of room.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_cut: bool,
}

/// What a capsule says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// As of when.
    pub as_of: DateTime<Utc>,
    /// The answer.
    pub answer: AnswerProof,
    /// The matter, when it was accepted and can be followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matter: Option<Matter>,
    /// What waits for the signature of the key that asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
}

/// A file of capsules, signed by the ledger: the state of everything that came through one intake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capsules {
    /// As of when.
    pub as_of: DateTime<Utc>,
    /// Up to which number batches are answered.
    pub answered: u64,
    /// The capsules.
    pub capsules: Vec<Vec<u8>>,
}

impl Capsules {
    /// The lines after the note.
    fn body(&self) -> String {
        let mut body = String::with_capacity(self.capsules.len() * CAPSULE_BYTES / 3 * 4 + 64);
        for capsule in &self.capsules {
            body.push_str(&BASE64_STANDARD.encode(capsule));
            body.push('\n');
        }
        body
    }

    /// What the ledger signs.
    ///
    /// # Errors
    /// [`GapError::Form`] for a time that has no text.
    pub fn text(&self, intake: &str) -> Result<String, GapError> {
        let as_of = format_recorded(&self.as_of).map_err(|_| GapError::Form("file of capsules"))?;
        let body = Digest::of(self.body().as_bytes());
        Ok(format!("{FORM}\n{intake}\n{as_of}\n{}\n{body}\n", self.answered))
    }

    /// The file, with the signed note.
    ///
    /// # Panics
    /// Never: a string has a JSON form.
    pub fn to_file(&self, note: &str) -> String {
        let note = serde_json::to_string(note).expect("a string has a JSON form");
        format!("{note}\n{}", self.body())
    }

    /// The note of a file; nothing of it is believed yet.
    ///
    /// # Errors
    /// [`GapError::Form`].
    pub fn note_of(file: &str) -> Result<String, GapError> {
        let first = file.split('\n').next().unwrap_or_default();
        serde_json::from_str(first).map_err(|_| WRONG)
    }

    /// Reads the note of a file that the ledger signed for this intake: as of when it is, up to which batch it answers, and
    /// the hash of what follows.
    ///
    /// # Errors
    /// [`GapError::Signature`], [`GapError::Form`].
    pub fn read_note(note: &str, intake: &str, ledger: &VerifierKey) -> Result<(DateTime<Utc>, u64, Digest), GapError> {
        let note = Note::parse(note).map_err(|_| WRONG)?;
        note.open(std::slice::from_ref(ledger)).map_err(|_| GapError::Signature)?;
        let lines: Vec<&str> = note.text.strip_suffix('\n').ok_or(WRONG)?.split('\n').collect();
        let [form, to, as_of, answered, hash]: [&str; 5] = lines.try_into().map_err(|_| WRONG)?;
        if form != FORM || to != intake {
            return Err(WRONG);
        }
        let as_of = parse_recorded(as_of).map_err(|_| WRONG)?;
        let answered = answered.parse().map_err(|_| WRONG)?;
        Ok((as_of, answered, Digest::parse(hash).map_err(|_| WRONG)?))
    }

    /// Reads a file that the ledger signed for this intake.
    ///
    /// # Errors
    /// [`GapError::Signature`], [`GapError::Form`], [`GapError::Limit`].
    pub fn open(file: &str, intake: &str, ledger: &VerifierKey) -> Result<Self, GapError> {
        let (_, body) = file.split_once('\n').ok_or(WRONG)?;
        let (as_of, answered, hash) = Self::read_note(&Self::note_of(file)?, intake, ledger)?;
        if hash != Digest::of(body.as_bytes()) {
            return Err(WRONG);
        }
        let mut capsules = Vec::new();
        for line in body.lines() {
            if capsules.len() == CAPSULES_MAX {
                return Err(GapError::Limit("file of capsules"));
            }
            let capsule = BASE64_STANDARD.decode(line).ok().filter(|capsule| capsule.len() == CAPSULE_BYTES);
            capsules.push(capsule.ok_or(WRONG)?);
        }
        Ok(Self { as_of, answered, capsules })
    }
}
