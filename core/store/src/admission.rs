//! What can be done with a submission before its turn: reading, checking, verifying, encoding.
//!
//! This is the expensive part and needs no order, so it runs on as many threads as there are. What it
//! finds out about signatures holds for the keys that the world knew then; the sequencer compares them
//! with the keys at the entry's turn and verifies again where they differ.

use std::fmt::Write as _;

use gongkai_domain::{
    Checked, Refusal, Submission,
    field::{Attachment, Shape},
    submission,
};
use gongkai_log::{
    Digest, Opening, SignedStatement, StatementError, VerifierKey, canonical, slot::OPENINGS_LINE_BYTES_MAX,
};

/// Digits of the largest index, 2^53 − 1.
const INDEX_BYTES_MAX: usize = 16;

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
    /// The openings line before and after the index, which is not known yet.
    pub openings: (String, String),
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
        openings: split_line(&checked)?,
        attachments: attachments(&checked)?,
        note,
        checked,
        verified,
        list,
    })
}

/// Strict verification: exactly the signers signed, in their order, under these keys.
pub(crate) fn verify(signed: &SignedStatement, keys: &[VerifierKey]) -> Result<(), Refusal> {
    signed.verify(|name| keys.iter().find(|key| key.name() == name)).map_err(|error| {
        Refusal::Signature(match &error {
            StatementError::SignatureMissing { key, .. } => format!("缺少「{key}」的签名"),
            StatementError::SignatureExtra { key } => format!("「{key}」不在签名人之列,或签了两次"),
            StatementError::SignatureOrder { key } => format!("「{key}」的签名次序与签名人次序不同"),
            StatementError::KeyUnknown { key } => format!("签名行的钥匙编号与登记的「{key}」不同"),
            StatementError::SignatureBad { key } => format!("「{key}」的签名验证不通过"),
            other => other.to_string(),
        })
    })
}

/// The openings line (`Openings::to_line`) around its index, which is not known yet. Written piece by
/// piece: this runs for every submission, and building a JSON tree first costs as much as half a
/// signature.
fn split_line(checked: &Checked) -> Result<(String, String), Refusal> {
    let unusable = |e: &dyn std::fmt::Display| malformed("openings", e);
    let mut before = String::with_capacity(800);
    for commitment in &checked.openings.commitments {
        before.push_str(if before.is_empty() { "{\"commitments\":[\"" } else { "\",\"" });
        write!(before, "{commitment}").map_err(|e| unusable(&e))?;
    }
    before.push_str("\"],\"index\":");
    let mut open: Vec<&Opening> = checked.openings.open.iter().collect();
    open.sort_by_key(|opening| opening.slot);
    let mut after = String::from(",\"open\":[");
    for (place, Opening { slot, salt, tier, name, value }) in open.into_iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        let name = canonical::to_string(&name.as_str().into()).map_err(|e| unusable(&e))?;
        let value = canonical::to_string(value).map_err(|e| unusable(&e))?;
        let salt = Digest::from_bytes(*salt);
        write!(
            after,
            "{comma}{{\"name\":{name},\"salt\":\"{salt}\",\"slot\":{slot},\"tier\":\"{tier}\",\"value\":{value}}}"
        )
        .map_err(|e| unusable(&e))?;
    }
    after.push_str("]}");
    let bytes = before.len() + INDEX_BYTES_MAX + after.len();
    if bytes > OPENINGS_LINE_BYTES_MAX {
        return Err(Refusal::TooLarge { bytes, bytes_max: OPENINGS_LINE_BYTES_MAX });
    }
    Ok((before, after))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{COUNTY, Fixture, ORIGIN, pledge};

    #[tokio::test]
    async fn the_openings_line_is_the_canonical_one() {
        let mut fixture = Fixture::new().await;
        let mut hard = pledge(COUNTY, 1);
        hard["fields"]["title"] = "引号\"斜线\\换行\n分隔\u{2028}表情😀(虚构)".into();
        let plain = serde_json::json!({"kind": "key.revoked.v1", "org": COUNTY, "fields": {"reason": "lost"},
            "stream": "key/00000000-0000-7000-8000-000000000001"});
        for (command, role) in [(pledge(COUNTY, 2), "publisher"), (hard, "publisher"), (plain, "registrar")] {
            let submission = fixture.opening(&command, &[(role, "甲")]);
            let mut openings = submission::check(ORIGIN, submission.clone()).unwrap().openings;
            openings.index = 1_234_567;
            let (before, after) = admit(ORIGIN, submission, |_| None).unwrap().openings;
            assert_eq!(format!("{before}1234567{after}"), openings.to_line().unwrap());
        }
    }
}
