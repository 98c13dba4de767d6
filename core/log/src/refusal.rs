//! The receipt of a lawful no: what somebody without a key handed in was refused, when, and for which reason.
//!
//! Whoever comes late can so show that they came. It names the submission by its hash and says nothing of its
//! content. Not here: why something is refused, and who may hand in what.

use chrono::{DateTime, Utc};

use crate::hash::Digest;
use crate::key::VerifierKey;
use crate::sealed::{SealedError, check_origin, lines, opened};
use crate::time::{format_recorded, parse_recorded};

/// First line of a refusal's text.
pub const REFUSAL_FORM: &str = "gongkai.refusal/v1";

/// Longest code: the domain's have some twenty letters.
pub const CODE_BYTES_MAX: usize = 40;

/// What a submitter gets whose submission is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusalReceipt {
    /// Origin of the ledger.
    pub origin: String,
    /// BLAKE3 of the submission, exactly as it was sent.
    pub submission: Digest,
    /// When it was refused; whole microseconds.
    pub refused_at: DateTime<Utc>,
    /// Code of the reason.
    pub code: String,
}

impl RefusalReceipt {
    /// The text that the intake key signs.
    ///
    /// # Errors
    /// [`SealedError`]: no origin, no code, or a time out of range.
    pub fn text(&self) -> Result<String, SealedError> {
        check_origin(&self.origin)?;
        check_code(&self.code)?;
        let refused_at = format_recorded(&self.refused_at)?;
        Ok(format!("{REFUSAL_FORM}\n{}\n{}\n{refused_at}\n{}\n", self.origin, self.submission, self.code))
    }

    /// Reads the text of a refusal; [`RefusalReceipt::open`] verifies it too.
    ///
    /// # Errors
    /// [`SealedError`] for any other bytes than [`RefusalReceipt::text`] gives.
    pub fn parse(text: &str) -> Result<Self, SealedError> {
        let [origin, submission, refused_at, code] = lines(text, REFUSAL_FORM)?;
        check_origin(origin)?;
        check_code(code)?;
        Ok(Self {
            origin: origin.to_owned(),
            submission: Digest::parse(submission)?,
            refused_at: parse_recorded(refused_at)?,
            code: code.to_owned(),
        })
    }

    /// Verifies a receipt under the intake key, and reads it.
    ///
    /// # Errors
    /// [`SealedError::Note`] when the key did not sign it, otherwise what is wrong with its text.
    pub fn open(note: &str, intake: &VerifierKey) -> Result<Self, SealedError> {
        Self::parse(&opened(note, intake)?)
    }
}

fn check_code(code: &str) -> Result<(), SealedError> {
    let is_word = (1..=CODE_BYTES_MAX).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_word { Ok(()) } else { Err(SealedError::Code(code.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{KeyKind, SigningKey};
    use crate::note;
    use crate::sealed::Promise;

    fn receipt() -> RefusalReceipt {
        RefusalReceipt {
            origin: "ledger.example".to_owned(),
            submission: Digest::of(b"a late recommendation"),
            refused_at: parse_recorded("2026-03-14T02:00:00.000000Z").unwrap(),
            code: "state".to_owned(),
        }
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed("intake.ledger.example", KeyKind::Ed25519, [seed; 32]).unwrap()
    }

    #[test]
    fn a_refusal_survives_its_text_and_only_its_text() {
        let text = receipt().text().unwrap();
        assert_eq!(RefusalReceipt::parse(&text).unwrap(), receipt());
        for wrong in [
            format!("{text}\n"),
            text.replace("refusal", "promise"),
            text.trim_end().to_owned(),
            text.replace("\nstate\n", "\nState\n"),
            text.replace("\nstate\n", "\n\n"),
            text.replace("2026-03-14T02", "2026-03-14t02"),
        ] {
            assert!(RefusalReceipt::parse(&wrong).is_err(), "{wrong}");
        }
        for code in ["", "two words", "STATE", &"a".repeat(41)] {
            assert!(RefusalReceipt { code: code.to_owned(), ..receipt() }.text().is_err(), "{code}");
        }
    }

    #[test]
    fn a_receipt_is_good_under_the_intake_key_alone() {
        let note = note::sign(&receipt().text().unwrap(), &[&key(1)]).unwrap();
        assert_eq!(RefusalReceipt::open(&note, &key(1).verifier()).unwrap(), receipt());
        assert!(RefusalReceipt::open(&note, &key(2).verifier()).is_err());
        assert!(RefusalReceipt::open(&note.replace("\nstate\n", "\nfield\n"), &key(1).verifier()).is_err());
        assert!(Promise::open(&note, &key(1).verifier()).is_err(), "a refusal is no promise");
    }
}
