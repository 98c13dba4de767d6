//! Batches: periods of an intake's log on their way inwards, each with its packets.
//!
//! One line of JSON for the head, one for each period. A period is checked by itself: the entry is the one that follows the
//! last that was taken, signed by the intake, and its tree is exactly these packets and the decoys of this nonce. So a
//! packet that was promised cannot be left out of its batch, and none can be slipped in.

use chrono::{DateTime, Utc};
use gongkai_log::{
    Content, Digest, Entry, VerifierKey,
    note::Note,
    sealed::{PERIOD_LEAVES, commit_event, period_root},
    time::{format_recorded, parse_recorded},
};
use serde::{Deserialize, Serialize};

use super::{GapError, answer::decoys};

const FORM: &str = "gongkai.batches/v1";
const PULL_FORM: &str = "gongkai.take-in/v1";

/// Most bytes of a file of batches.
pub const BATCHES_BYTES_MAX: u64 = 512 << 20;

/// A packet with what binds it to its period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Place in the period's tree.
    pub leaf: u64,
    /// Salt of its commitment.
    pub salt: Digest,
    /// The packet, verbatim.
    pub packet: String,
}

impl Item {
    /// Its commitment.
    pub fn commitment(&self) -> Digest {
        commit_event(self.salt.as_bytes(), &self.packet)
    }
}

/// One period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// The entry of the intake's log, verbatim.
    pub entry: String,
    /// From which the decoys come.
    pub nonce: Digest,
    /// What was handed in during the period.
    pub packets: Vec<Item>,
}

/// The head of a file of batches.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    form: String,
    intake: String,
    from: u64,
    to: u64,
}

/// Periods that follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batches {
    /// Verifier key of the intake, as the file says; who reads it knows which is meant.
    pub intake: String,
    /// Number of the first.
    pub from: u64,
    /// The periods.
    pub batches: Vec<Batch>,
}

impl Batches {
    /// Number after the last.
    pub fn to(&self) -> u64 {
        self.from + self.batches.len() as u64
    }

    /// The file.
    ///
    /// # Panics
    /// Never: numbers, strings and hashes have a JSON form.
    pub fn to_text(&self) -> String {
        let head = Head { form: FORM.to_owned(), intake: self.intake.clone(), from: self.from, to: self.to() };
        let mut text = serde_json::to_string(&head).expect("a head has a JSON form");
        for batch in &self.batches {
            text.push('\n');
            text.push_str(&serde_json::to_string(batch).expect("a batch has a JSON form"));
        }
        text.push('\n');
        text
    }

    /// Reads a file; nothing of it is believed yet ([`check`]).
    ///
    /// # Errors
    /// [`GapError::Form`], [`GapError::Limit`].
    pub fn parse(text: &str) -> Result<Self, GapError> {
        let wrong = || GapError::Form("file of batches");
        if text.len() as u64 > BATCHES_BYTES_MAX {
            return Err(GapError::Limit("file of batches"));
        }
        let mut lines = text.strip_suffix('\n').ok_or_else(wrong)?.split('\n');
        let head: Head = serde_json::from_str(lines.next().ok_or_else(wrong)?).map_err(|_| wrong())?;
        let batches: Vec<Batch> = lines.map(serde_json::from_str).collect::<Result<_, _>>().map_err(|_| wrong())?;
        let Head { form, intake, from, to } = head;
        let batches = Self { intake, from, batches };
        // A file that was cut off after a line is told from a whole one by its head.
        if form == FORM && batches.to() == to { Ok(batches) } else { Err(wrong()) }
    }
}

/// A period that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// BLAKE3 of its entry.
    pub entry_hash: Digest,
    /// When the intake recorded it.
    pub recorded_at: DateTime<Utc>,
}

/// Checks that a period is number `index` of the intake's log, follows the entry with the hash `prev`, and that its tree
/// holds exactly its packets.
///
/// # Errors
/// [`GapError::Batch`].
pub fn check(batch: &Batch, index: u64, prev: &Digest, intake: &VerifierKey) -> Result<Checked, GapError> {
    let wrong = |reason| GapError::Batch { index, reason };
    let entry = Entry::parse(batch.entry.clone().into_bytes()).map_err(|_| wrong("the entry"))?;
    if entry.index != index {
        return Err(wrong("another number"));
    }
    if entry.prev != *prev {
        return Err(wrong("it does not follow the batch before"));
    }
    let Content::Sealed(period) = &entry.content else { return Err(wrong("no period")) };
    if period.origin != intake.name() {
        return Err(wrong("of another intake"));
    }
    let signed = period.note.open(std::slice::from_ref(intake));
    if signed.is_err() || period.note.signatures.len() != 1 {
        return Err(wrong("the signature"));
    }
    let mut leaves = decoys(&batch.nonce);
    let mut before = None;
    for item in &batch.packets {
        let place = usize::try_from(item.leaf).ok().filter(|place| *place < PERIOD_LEAVES);
        let place = place.ok_or_else(|| wrong("a leaf beyond the tree"))?;
        if before.is_some_and(|before| before >= item.leaf) {
            return Err(wrong("leaves out of order"));
        }
        before = Some(item.leaf);
        leaves[place] = item.commitment();
    }
    match period_root(&leaves) {
        Ok(root) if root == period.root => Ok(Checked { entry_hash: entry.hash, recorded_at: entry.recorded_at }),
        _ => Err(wrong("packets are missing, or not those that were promised")),
    }
}

/// What a ledger signs to be given the batches from a number on.
///
/// # Errors
/// [`GapError::Form`] for a time that has no text.
pub fn pull_text(intake: &str, from: u64, at: DateTime<Utc>) -> Result<String, GapError> {
    let at = format_recorded(&at).map_err(|_| GapError::Form("request"))?;
    Ok(format!("{PULL_FORM}\n{intake}\n{from}\n{at}\n"))
}

/// Reads such a request: from which number on, and when it was signed.
///
/// # Errors
/// [`GapError::Signature`] when the ledger's key did not sign it, [`GapError::Form`] when it is for another intake or none.
pub fn read_pull(note: &str, intake: &str, ledger: &VerifierKey) -> Result<(u64, DateTime<Utc>), GapError> {
    let note = Note::parse(note).map_err(|_| GapError::Form("request"))?;
    note.open(std::slice::from_ref(ledger)).map_err(|_| GapError::Signature)?;
    let wrong = || GapError::Form("request");
    let mut lines = note.text.strip_suffix('\n').ok_or_else(wrong)?.split('\n');
    let mut line = || lines.next().ok_or_else(wrong);
    let (form, to, from, at) = (line()?, line()?, line()?, line()?);
    let number: u64 = from.parse().map_err(|_| wrong())?;
    let at = parse_recorded(at).map_err(|_| wrong())?;
    if form != PULL_FORM || to != intake || number.to_string() != from || lines.next().is_some() {
        return Err(wrong());
    }
    Ok((number, at))
}
