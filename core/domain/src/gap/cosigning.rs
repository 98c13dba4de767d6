//! Signing beside an author from outside: who asks, what waits, what is signed.
//!
//! Whoever holds a registered key asks with it ([`Asking`]), in a packet like any other; of a key the last asking counts. The
//! capsule under its code then says what waits for that key's signature ([`Waiting`]), and the texts follow in pieces, each
//! a capsule of the same size under a label that the code gives ([`super::Secret::piece`]). Signatures come in with the next
//! asking: a statement's own signature lines, so that nobody between can make or change one.
//!
//! What goes out is what the public will see; values of other tiers stay commitments. Not here: which drafts wait and how a
//! signature is taken (the shell's), randomness (handed in).

use chrono::{DateTime, Utc};
use gongkai_log::{
    Digest, VerifierKey,
    note::Note,
    time::{format_recorded, parse_recorded},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{GapError, capsule::STATUS_BYTES};
use crate::draft::Draft;

const FORM: &str = "gongkai.cosigning/v1";
const WRONG: GapError = GapError::Form("asking for signatures");

/// Most signatures in one asking.
pub const SIGNATURES_MAX: usize = 64;
/// Most pieces: with them and their status an intake answers one address at once.
pub const PIECES_MAX: usize = 48;

/// A signature for a draft that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The draft.
    pub draft: Uuid,
    /// The base64 part of the statement's signature line, which is under the key that asks.
    pub signature: String,
}

/// What somebody with a registered key asks from outside, with the signatures that they give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asking {
    /// When, as the asking device has it; of a key the last one counts.
    pub asked_at: DateTime<Utc>,
    /// Signatures.
    pub given: Vec<Given>,
}

impl Asking {
    /// What is signed: for one ledger, through one intake.
    ///
    /// # Errors
    /// [`GapError::Form`] for a time that has no text, [`GapError::Limit`] for too many signatures.
    pub fn text(&self, (ledger, intake): (&str, &str)) -> Result<String, GapError> {
        if self.given.len() > SIGNATURES_MAX {
            return Err(GapError::Limit("asking for signatures"));
        }
        let asked_at = format_recorded(&self.asked_at).map_err(|_| WRONG)?;
        let mut text = format!("{FORM}\n{ledger}\n{intake}\n{asked_at}\n");
        for Given { draft, signature } in &self.given {
            text.push_str(&draft.hyphenated().to_string());
            text.push(' ');
            text.push_str(signature);
            text.push('\n');
        }
        Ok(text)
    }

    /// The name of the key by which a note claims to be signed; nothing is believed yet.
    pub fn key_of(note: &str) -> Option<String> {
        let note = Note::parse(note).ok()?;
        let [signature] = note.signatures.as_slice() else { return None };
        Some(signature.name.clone())
    }

    /// Reads what a key signed for this ledger and this intake, in its only spelling.
    ///
    /// # Errors
    /// [`GapError::Signature`], [`GapError::Limit`], [`GapError::Form`].
    pub fn open(note: &str, place: (&str, &str), key: &VerifierKey) -> Result<Self, GapError> {
        let note = Note::parse(note).map_err(|_| WRONG)?;
        note.open(std::slice::from_ref(key)).map_err(|_| GapError::Signature)?;
        let mut lines = note.text.strip_suffix('\n').ok_or(WRONG)?.split('\n').skip(3);
        let asked_at = parse_recorded(lines.next().ok_or(WRONG)?).map_err(|_| WRONG)?;
        let given = |line: &str| {
            let (draft, signature) = line.split_once(' ')?;
            Some(Given { draft: draft.parse().ok()?, signature: signature.to_owned() })
        };
        let given = lines.map(|line| given(line).ok_or(WRONG)).collect::<Result<_, _>>()?;
        let asking = Self { asked_at, given };
        if asking.text(place)? == note.text { Ok(asking) } else { Err(WRONG) }
    }
}

/// A draft that waits for a signature.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Its id.
    pub draft: Uuid,
    /// What its author calls it.
    pub label: String,
    /// The statement, with what the public will see of it.
    pub content: Draft,
    /// Names of the keys that have yet to sign.
    pub left: Vec<String>,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Request({}, hidden)", self.draft)
    }
}

/// How what waits is found: so many pieces, which together have this hash.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiting {
    /// Pieces, counted from 0.
    pub pieces: u32,
    /// BLAKE3 of the text in them; pieces of two states of the drafts do not go together.
    pub hash: Option<Digest>,
    /// Drafts that wait besides and have no room here.
    pub left_out: u32,
}

impl Waiting {
    /// Puts requests into pieces; what has no room is counted.
    ///
    /// # Panics
    /// Never: requests have a JSON form.
    pub fn pack(requests: Vec<Request>) -> (Self, Vec<Vec<u8>>) {
        let room = PIECES_MAX * STATUS_BYTES;
        let (mut text, mut left_out) = (Vec::new(), 0);
        for request in requests {
            let request = serde_json::to_vec(&request).expect("a request has a JSON form");
            // With a bracket or comma before it, and the bracket at the end.
            if text.len() + request.len() + 2 > room {
                left_out += 1;
                continue;
            }
            text.push(if text.is_empty() { b'[' } else { b',' });
            text.extend(request);
        }
        if text.is_empty() {
            return (Self { left_out, ..Self::default() }, Vec::new());
        }
        text.push(b']');
        let pieces: Vec<Vec<u8>> = text.chunks(STATUS_BYTES).map(<[u8]>::to_vec).collect();
        let count = u32::try_from(pieces.len()).expect("a few dozen");
        (Self { pieces: count, hash: Some(Digest::of(&text)), left_out }, pieces)
    }

    /// Reads requests from their pieces, in order, padded or not.
    ///
    /// # Errors
    /// [`GapError::Form`] for pieces that are not these.
    pub fn unpack(&self, pieces: &[Vec<u8>]) -> Result<Vec<Request>, GapError> {
        let wrong = GapError::Form("pieces of what waits");
        let Some(hash) = &self.hash else { return if pieces.is_empty() { Ok(Vec::new()) } else { Err(wrong) } };
        let padded = pieces.concat();
        let text = padded.trim_ascii_end();
        if pieces.len() != self.pieces as usize || Digest::of(text) != *hash {
            return Err(wrong);
        }
        serde_json::from_slice(text).map_err(|_| wrong)
    }
}
