//! What a submitter encrypts to the people of a body, so that the ledger stores what it cannot read
//! (confidentiality.md §2): objections, and letters that accuse somebody.
//!
//! A content key encrypts all 16 slots; HPKE wraps it to each receiver of the body. A receiver who is
//! accused is left out without showing it: a wrap to a key that nobody has stands in the place, of the
//! same length and as random. Who opens an envelope proves its content against the statement's root.
//!
//! Not here: which body is competent ([`crate::world::World::competent_body`]), who may fetch an
//! envelope, the vault's own encryption. Randomness is handed in.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use gongkai_log::{Digest, Statement, StreamId, canonical, slot};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::{
    command::Entropy,
    kind::{Kind, Secrecy, letter},
    submission::Filled,
    vault::{self, NONCE_BYTES, TierKey, TierSecret, VaultError},
};

const FORM: &str = "gongkai.envelope/v1";

/// Most receivers of one envelope.
pub const RECEIVERS_MAX: usize = 32;

/// Most bytes of an envelope's content: 16 slots of the longest texts.
pub const CONTENT_BYTES_MAX: usize = 256 << 10;

/// Bytes, as padded base64 in JSON. `Debug` says only how many.
#[derive(Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64_STANDARD.decode(text).map(Self).map_err(D::Error::custom)
    }
}

/// The content key for one receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipient {
    /// The receiver: stream of the key that the registry announced.
    pub receiver: StreamId,
    /// Encapsulated key and ciphertext.
    pub wrap: Bytes,
}

/// All 16 slots of a statement, for the receivers of one body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// Every receiver of the body, those that cannot open it included.
    pub to: Vec<Recipient>,
    /// Random.
    pub nonce: Bytes,
    /// Ciphertext with its tag; its length says only the bucket.
    pub sealed: Bytes,
}

/// A receiver as the submitter sees it.
#[derive(Clone, Copy, Debug)]
pub struct To<'a> {
    /// Stream of the receiver's key.
    pub receiver: &'a StreamId,
    /// The key.
    pub key: &'a TierKey,
    /// False for somebody whom the matter is about.
    pub may_open: bool,
}

/// Whether content must be encrypted by its submitter: of objections always, of letters when they accuse.
pub fn is_demanded(kind: &Kind, fields: &Map<String, Value>) -> bool {
    match kind.secrecy {
        Secrecy::Body => true,
        Secrecy::Either => fields.get("class").and_then(Value::as_str) == Some(letter::Class::Accusation.wire()),
        Secrecy::Ledger => false,
    }
}

/// The binding of an envelope: origin, statement, root of the slots.
fn binding(statement: &Statement) -> Value {
    json!([FORM, statement.origin, statement.id(), statement.slots.to_string()])
}

fn text(value: &Value) -> Result<String, VaultError> {
    canonical::to_string(value).map_err(|_| VaultError::Value)
}

fn info(statement: &Statement, receiver: &StreamId) -> Result<String, VaultError> {
    text(&json!([binding(statement), receiver.to_string()]))
}

/// Puts a statement's slots into an envelope, and gives what stands for them in the submission.
///
/// # Errors
/// [`VaultError::Value`] when there are too many receivers, none who may open it, or too much content.
pub fn seal(
    statement: &Statement,
    filled: &[Filled],
    to: &[To<'_>],
    entropy: Entropy<'_>,
) -> Result<(Envelope, Vec<Filled>), VaultError> {
    if to.len() > RECEIVERS_MAX || !to.iter().any(|to| to.may_open) {
        return Err(VaultError::Value);
    }
    let mut content_key = Zeroizing::new([0; 32]);
    entropy(&mut *content_key);
    let mut recipients = Vec::with_capacity(to.len());
    for To { receiver, key, may_open } in to {
        let info = info(statement, receiver)?;
        let wrap = if *may_open {
            vault::encapsulate(key, &info, &content_key, entropy)?
        } else {
            // Of the same length and as random as the others, to a key that is forgotten here.
            let mut nobody = Zeroizing::new([0; 32]);
            entropy(&mut *nobody);
            let nothing = Zeroizing::new([0; 32]);
            vault::encapsulate(&TierSecret::from_bytes(&nobody)?.key(), &info, &nothing, entropy)?
        };
        recipients.push(Recipient { receiver: (*receiver).clone(), wrap: Bytes(wrap) });
    }
    let content = Zeroizing::new(serde_json::to_vec(filled).map_err(|_| VaultError::Value)?);
    if content.len() > CONTENT_BYTES_MAX {
        return Err(VaultError::Value);
    }
    let mut plain = Zeroizing::new(vec![b' '; vault::bucket(content.len())]);
    plain[..content.len()].copy_from_slice(&content);
    let mut nonce = [0; NONCE_BYTES];
    entropy(&mut nonce);
    let aad = text(&binding(statement))?;
    let payload = Payload { msg: &plain, aad: aad.as_bytes() };
    let cipher = XChaCha20Poly1305::new((&*content_key).into());
    let sealed = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| VaultError::Sealed)?;
    let mut hidden = Vec::with_capacity(filled.len());
    for filled in filled {
        let commitment =
            filled.commit(&statement.origin, &statement.stream, statement.revision).map_err(|_| VaultError::Value)?;
        hidden.push(Filled::Hidden { slot: filled.slot(), commitment });
    }
    Ok((Envelope { to: recipients, nonce: Bytes(nonce.to_vec()), sealed: Bytes(sealed) }, hidden))
}

impl Envelope {
    /// Opens it for one receiver, and proves that it holds what the statement commits to.
    ///
    /// # Errors
    /// [`VaultError::Wrap`] when it is not for this receiver, [`VaultError::Sealed`] when it was changed or
    /// belongs to another statement, [`VaultError::Commitment`] when its submitter put in something else.
    pub fn open(
        &self,
        statement: &Statement,
        receiver: &StreamId,
        secret: &TierSecret,
    ) -> Result<Vec<Filled>, VaultError> {
        let recipient = self.to.iter().find(|to| to.receiver == *receiver).ok_or(VaultError::Wrap)?;
        let content_key = vault::decapsulate(secret, &info(statement, receiver)?, &recipient.wrap.0)?;
        let nonce = <[u8; NONCE_BYTES]>::try_from(self.nonce.0.as_slice()).map_err(|_| VaultError::Sealed)?;
        let aad = text(&binding(statement))?;
        let payload = Payload { msg: &self.sealed.0, aad: aad.as_bytes() };
        let cipher = XChaCha20Poly1305::new((&*content_key).into());
        let plain = cipher.decrypt(&XNonce::from(nonce), payload).map_err(|_| VaultError::Sealed)?;
        let plain = Zeroizing::new(plain);
        let filled: Vec<Filled> = serde_json::from_slice(&plain).map_err(|_| VaultError::Commitment)?;
        let mut commitments = [Digest::ZERO; slot::SLOTS];
        for filled in &filled {
            let commitment = filled
                .commit(&statement.origin, &statement.stream, statement.revision)
                .map_err(|_| VaultError::Commitment)?;
            commitments[usize::from(filled.slot())] = commitment;
        }
        let visible = !filled.iter().any(|filled| matches!(filled, Filled::Hidden { .. }));
        if visible && filled.len() == slot::SLOTS && slot::root(&commitments) == statement.slots {
            Ok(filled)
        } else {
            Err(VaultError::Commitment)
        }
    }

    /// Whether its sizes are usable; its content is for the receivers to judge.
    pub fn is_well_formed(&self) -> bool {
        (1..=RECEIVERS_MAX).contains(&self.to.len())
            && self.to.iter().all(|to| to.wrap.0.len() == vault::WRAP_BYTES)
            && self.nonce.0.len() == NONCE_BYTES
            && self.sealed.0.len() <= CONTENT_BYTES_MAX + CONTENT_BYTES_MAX / 8
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use gongkai_log::{Opening, Signer, Tier};
    use uuid::Uuid;

    use super::*;

    fn entropy() -> impl FnMut(&mut [u8]) {
        let mut seed = blake3::Hasher::new().update(b"envelope").finalize_xof();
        move |buffer: &mut [u8]| seed.fill(buffer)
    }

    fn filled(text: &str) -> Vec<Filled> {
        (0..16)
            .map(|slot| match slot {
                3 => Filled::Open(Opening {
                    slot,
                    salt: [slot; 32],
                    tier: Tier::Named,
                    name: "text".into(),
                    value: json!(text),
                }),
                _ => Filled::Empty { slot, salt: [slot; 32], filler: [9; 32] },
            })
            .collect()
    }

    fn statement(filled: &[Filled]) -> Statement {
        let stream = StreamId::new("letter", Uuid::from_u128(7)).unwrap();
        let mut commitments = [Digest::ZERO; 16];
        for filled in filled {
            commitments[usize::from(filled.slot())] = filled.commit("ledger.example", &stream, 0).unwrap();
        }
        Statement {
            origin: "ledger.example".into(),
            kind: "letter.received.v1".into(),
            stream,
            revision: 0,
            parent: None,
            org: "341599".into(),
            declared_at: DateTime::parse_from_rfc3339("2026-03-10T09:00:00+08:00").unwrap(),
            signers: vec![Signer { role: "intake".into(), key: "intake".into() }],
            proxy: None,
            body: serde_json::Map::new(),
            slots: slot::root(&commitments),
        }
    }

    fn receiver(number: u8) -> (StreamId, TierSecret) {
        let secret = TierSecret::from_bytes(&[number; 32]).unwrap();
        (StreamId::new("key", Uuid::from_u128(number.into())).unwrap(), secret)
    }

    #[test]
    fn receivers_open_what_was_written_and_the_accused_among_them_does_not() {
        let filled = filled("某某挪用公款(虚构)");
        let statement = statement(&filled);
        let (officer, accused) = (receiver(1), receiver(2));
        let keys = [officer.1.key(), accused.1.key()];
        let to = [
            To { receiver: &officer.0, key: &keys[0], may_open: true },
            To { receiver: &accused.0, key: &keys[1], may_open: false },
        ];
        let (envelope, hidden) = seal(&statement, &filled, &to, &mut entropy()).unwrap();
        assert!(envelope.is_well_formed());
        assert_eq!(envelope.to[0].wrap.0.len(), envelope.to[1].wrap.0.len(), "nobody sees who is left out");
        assert!(hidden.iter().all(|filled| matches!(filled, Filled::Hidden { .. })));
        assert_eq!(envelope.open(&statement, &officer.0, &officer.1).unwrap(), filled);
        assert!(envelope.open(&statement, &accused.0, &accused.1).is_err());
        assert!(envelope.open(&statement, &accused.0, &officer.1).is_err());
        let parsed: Envelope = serde_json::from_value(json!(envelope)).unwrap();
        assert_eq!(parsed, envelope);
        let only_accused = [to[1]];
        assert_eq!(seal(&statement, &filled, &only_accused, &mut entropy()).err(), Some(VaultError::Value));
    }

    #[test]
    fn an_envelope_of_another_statement_or_with_other_content_is_found() {
        let written = filled("原文");
        let statement_of_it = statement(&written);
        let (id, secret) = receiver(1);
        let key = secret.key();
        let to = [To { receiver: &id, key: &key, may_open: true }];
        let (envelope, _) = seal(&statement_of_it, &written, &to, &mut entropy()).unwrap();
        let other = statement(&filled("另一件"));
        assert!(envelope.open(&other, &id, &secret).is_err());
        // A submitter who puts in something else than was committed.
        let (lying, _) = seal(&statement_of_it, &filled("另一件"), &to, &mut entropy()).unwrap();
        assert_eq!(lying.open(&statement_of_it, &id, &secret), Err(VaultError::Commitment));
    }
}
