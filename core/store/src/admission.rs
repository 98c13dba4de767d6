//! What can be done with a submission before its turn: reading, checking, verifying, encoding.
//!
//! This is the expensive part and needs no order, so it runs on as many threads as there are. What it
//! finds out about signatures holds for the keys that the world knew then; the sequencer compares them
//! with the keys at the entry's turn and verifies again where they differ.

use std::sync::Arc;

use gongkai_domain::{Checked, Refusal, Submission, submission, vault::Opened};
use gongkai_log::{
    Digest, Opening, SLOTS, SignedStatement, StatementError, Tier, UnplacedLine, VerifierKey,
    canonical::CanonicalError, list::Cell, slot::SlotError,
};

use crate::{
    event_store::SealedValue,
    vault::{KeyEntry, SealedNote, Vault, VaultFault},
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
#[derive(Clone, Debug)]
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
    /// Attachments that the body and the lines name.
    pub attachments: Vec<Digest>,
    /// What is for the vault, encrypted; `None` until it is, and where nothing is.
    pub sealing: Option<Sealing>,
}

/// What of a submission is not public, ready to be stored.
#[derive(Clone, Debug)]
pub(crate) struct Sealing {
    /// The slots and cells.
    pub values: Vec<SealedValue>,
    /// The note, of a wholly sealed event.
    pub event: Option<SealedNote>,
    /// The data keys, which must be durable before anything under them is committed.
    pub keys: Vec<Arc<KeyEntry>>,
}

/// Checks a submission as far as it stands alone. `key` looks a key up by name. What is for the vault is encrypted
/// after that ([`seal`]).
pub(crate) fn admit(
    origin: &str,
    submission: Submission,
    key: impl Fn(&str) -> Option<VerifierKey>,
) -> Result<Admitted, Refusal> {
    let note = submission.note.clone();
    let checked = submission::check(origin, submission)?;
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
        attachments: checked.kind.files(&checked.signed.statement.body, &checked.rows).into_iter().collect(),
        note,
        checked,
        verified,
        list,
        sealing: None,
    })
}

/// As [`admit`], for what must not need a vault.
pub(crate) fn admit_public(
    origin: &str,
    submission: Submission,
    key: impl Fn(&str) -> Option<VerifierKey>,
) -> Result<Admitted, Refusal> {
    let admitted = admit(origin, submission, key)?;
    if admitted.checked.needs_vault() { Err(without_vault(&admitted.checked)) } else { Ok(admitted) }
}

/// What is not for everybody is stored in a vault or not at all.
pub(crate) fn without_vault(checked: &Checked) -> Refusal {
    let (name, tier) = match (checked.sealed.first(), checked.cells.first()) {
        (Some(opening), _) => (opening.name.clone(), opening.tier),
        (None, Some((_, cell))) => (cell.name.clone(), cell.tier),
        (None, None) => (checked.kind.name.to_owned(), Tier::Named),
    };
    let label = checked.kind.field(&name).map_or(checked.kind.label, |field| field.label).to_owned();
    Refusal::Tier { name, label, tier }
}

/// Encrypts what is not public. The subject's data keys must have been loaded.
pub(crate) fn seal(vault: &Vault, checked: &Checked) -> Result<Sealing, VaultFault> {
    let signed = &checked.signed;
    let slots = checked.sealed.iter().map(|opening| {
        let Opening { slot, salt, tier, name, value } = opening.clone();
        let commitment = checked.openings.commitments[usize::from(slot)];
        (u64::from(slot), None, tier, commitment, Opened { salt, name, value })
    });
    let cells = (SLOTS as u64..).zip(&checked.cells).map(|(ordinal, (line, cell))| {
        let Cell { name, salt, tier, value } = cell.clone();
        let bound = usize::try_from(*line).ok().and_then(|line| checked.rows.get(line)?.get(&name)?.as_str());
        let commitment = bound.and_then(|text| Digest::parse(text).ok()).unwrap_or(Digest::ZERO);
        (ordinal, Some(*line), tier, commitment, Opened { salt, name, value })
    });
    let (values, mut keys) = vault.seal(&signed.statement, slots.chain(cells).collect())?;
    let event = if checked.kind.sealed {
        let tier = checked.kind.narrowest_tier();
        let (event, key) = vault.seal_event(signed, tier, checked.envelope.as_ref())?;
        keys.push(key);
        Some(event)
    } else {
        None
    };
    Ok(Sealing { values, event, keys })
}

impl Admitted {
    /// Whether the signers signed with these keys.
    pub(crate) fn signed_by(&self, keys: &[VerifierKey]) -> Result<(), Refusal> {
        match &self.verified {
            Verified::Good(under) if under == keys => Ok(()),
            Verified::Bad(under, refusal) if under == keys => Err(refusal.clone()),
            // The world has changed since admission: these keys were not known then, or are others.
            _ => verify(&self.checked.signed, keys),
        }
    }
}

/// Strict verification: exactly the signers signed, in their order, under these keys.
fn verify(signed: &SignedStatement, keys: &[VerifierKey]) -> Result<(), Refusal> {
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

fn malformed(place: &str, reason: &dyn std::fmt::Display) -> Refusal {
    Refusal::Malformed { place: place.into(), reason: reason.to_string() }
}
