//! What can be done with a submission before its turn: reading, checking, verifying, encoding.
//!
//! This is the expensive part and needs no order, so it runs on as many threads as there are. What it
//! finds out about signatures holds for the keys that the world knew then; the sequencer compares them
//! with the keys at the entry's turn and verifies again where they differ.

use gongkai_domain::{
    Checked, Refusal, Submission,
    field::{Attachment, Shape},
    submission,
};
use gongkai_log::{
    Digest, SignedStatement, StatementError, Tier, UnplacedLine, VerifierKey, canonical::CanonicalError,
    slot::SlotError,
};

/// What verification found, and under which keys.
#[derive(Clone, Debug)]
pub(crate) enum Verified {
    /// All signatures are good under these keys, in the order of the signers.
    Good(Vec<VerifierKey>),
    /// They are not, under these keys.
    Bad(Vec<VerifierKey>, Refusal),
    /// A key was not known yet.
    Unknown,
}

/// A submission that waits for its turn.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// The note, verbatim.
    pub note: String,
    /// Its parts.
    pub checked: Checked,
    /// Its signatures.
    pub verified: Verified,
    /// BLAKE3 of the note. The note commits to all slots and lines, so it stands for the submission.
    pub request: Digest,
    /// The line of the openings file, still without index.
    pub openings: UnplacedLine,
    /// The lines file.
    pub list: Option<String>,
    /// Attachments that the body names.
    pub attachments: Vec<Digest>,
}

/// Checks a submission as far as it stands alone. `key` looks a key up by name.
pub(crate) fn admit(
    origin: &str,
    submission: Submission,
    key: impl Fn(&str) -> Option<VerifierKey>,
) -> Result<Admitted, Refusal> {
    let note = submission.note.clone();
    let checked = submission::check(origin, submission)?;
    without_vault(&checked)?;
    let keys: Option<Vec<VerifierKey>> =
        checked.signed.statement.signers.iter().map(|signer| key(&signer.key)).collect();
    let verified = match keys {
        None => Verified::Unknown,
        Some(keys) => match verify(&checked.signed, &keys) {
            Ok(()) => Verified::Good(keys),
            Err(refusal) => Verified::Bad(keys, refusal),
        },
    };
    let list = checked.list.as_ref().map(gongkai_log::List::to_text).transpose().map_err(|e| malformed("lines", &e))?;
    Ok(Admitted {
        request: Digest::of(note.as_bytes()),
        openings: openings_line(&checked)?,
        attachments: attachments(&checked)?,
        note,
        checked,
        verified,
        list,
    })
}

/// What is not for everybody is not stored in the clear, but in a vault or not at all.
fn without_vault(checked: &Checked) -> Result<(), Refusal> {
    if !checked.needs_vault() {
        return Ok(());
    }
    let (name, tier) = match (checked.sealed.first(), checked.cells.first()) {
        (Some(opening), _) => (opening.name.clone(), opening.tier),
        (None, Some((_, cell))) => (cell.name.clone(), cell.tier),
        (None, None) => (checked.kind.name.to_owned(), Tier::Named),
    };
    let label = checked.kind.field(&name).map_or(checked.kind.label, |field| field.label).to_owned();
    Err(Refusal::Tier { name, label, tier })
}

/// Strict verification: exactly the signers signed, in their order, under these keys.
pub(crate) fn verify(signed: &SignedStatement, keys: &[VerifierKey]) -> Result<(), Refusal> {
    signed.verify(|name| keys.iter().find(|key| key.name() == name)).map_err(|error| {
        Refusal::Signature(match &error {
            StatementError::SignatureMissing { key, .. } => format!("缺少「{key}」的签名"),
            StatementError::SignatureExtra { key } => format!("「{key}」不在签名人之列，或签了两次"),
            StatementError::SignatureOrder { key } => format!("「{key}」的签名次序与签名人次序不同"),
            StatementError::KeyUnknown { key } => format!("签名行的钥匙编号与登记的「{key}」不同"),
            StatementError::SignatureBad { key } => format!("「{key}」的签名验证不通过"),
            other => other.to_string(),
        })
    })
}

/// The line of the openings file. Encoded here and not at the entry's turn: it costs much more than
/// putting the index in.
fn openings_line(checked: &Checked) -> Result<UnplacedLine, Refusal> {
    checked.openings.to_unplaced_line().map_err(|error| match error {
        SlotError::Json(CanonicalError::TooLong { bytes, bytes_max }) => Refusal::TooLarge { bytes, bytes_max },
        other => malformed("openings", &other),
    })
}

fn attachments(checked: &Checked) -> Result<Vec<Digest>, Refusal> {
    let mut hashes = Vec::new();
    for field in checked.kind.body_fields().filter(|field| field.shape == Shape::Attachments) {
        let Some(value) = checked.signed.statement.body.get(field.name) else { continue };
        let named: Vec<Attachment> = serde_json::from_value(value.clone()).map_err(|e| malformed(field.name, &e))?;
        hashes.extend(named.into_iter().map(|attachment| attachment.hash));
    }
    hashes.sort_unstable();
    hashes.dedup();
    Ok(hashes)
}

fn malformed(place: &str, reason: &dyn std::fmt::Display) -> Refusal {
    Refusal::Malformed { place: place.into(), reason: reason.to_string() }
}
