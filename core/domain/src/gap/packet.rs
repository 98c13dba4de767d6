//! A packet: a submission on its way to a ledger, which the intake keeps and cannot read.
//!
//! JSON in one spelling: what it parses to, written again, is the same text. Its content is padded to one of three sizes, so
//! that neither kind nor length show. It is bound to the ledger and the intake: carried elsewhere, it does not open.

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use gongkai_log::{Digest, canonical};
use serde::{Deserialize, Serialize};
use serde_json::json;
use zeroize::Zeroizing;

use super::{GapError, Secret};
use crate::{
    command::Entropy,
    envelope::Bytes,
    submission::Submission,
    vault::{self, NONCE_BYTES, TierKey, TierSecret, WRAP_BYTES},
};

const FORM: &str = "gongkai.packet/v1";

/// The sizes that a content is padded to: a letter, one with an envelope, one with the longest texts for many receivers.
const CONTENT_BYTES: [usize; 3] = [16 << 10, 64 << 10, 288 << 10];

/// Most bytes of a packet: the largest content in base64, a wrap, and its names.
pub const PACKET_BYTES_MAX: usize = (288 << 10) / 3 * 4 + (4 << 10);

/// Longest status code that travels along.
const CODE_BYTES_MAX: usize = 64;

/// What the ledger finds in a packet.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Spelled", into = "Spelled")]
pub struct Content {
    /// Under which the answer is sent out.
    pub follow: Secret,
    /// What somebody says.
    pub said: Said,
}

/// What somebody says through an intake.
#[derive(Clone)]
pub enum Said {
    /// Something is handed in.
    Submission {
        /// Status code of the matter that is continued.
        code: Option<String>,
        /// What is handed in.
        submission: Box<Submission>,
    },
    /// Somebody with a key asks what waits for their signature, and signs: the note of an [`super::Asking`].
    Asking(String),
}

/// A content as it is written.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spelled {
    follow: Secret,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    submission: Option<Box<Submission>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asking: Option<String>,
}

impl From<Content> for Spelled {
    fn from(Content { follow, said }: Content) -> Self {
        match said {
            Said::Submission { code, submission } => Self { follow, code, submission: Some(submission), asking: None },
            Said::Asking(note) => Self { follow, code: None, submission: None, asking: Some(note) },
        }
    }
}

impl TryFrom<Spelled> for Content {
    type Error = GapError;

    fn try_from(Spelled { follow, code, submission, asking }: Spelled) -> Result<Self, GapError> {
        let said = match (submission, asking, code) {
            (Some(submission), None, code) => Said::Submission { code, submission },
            (None, Some(note), None) => Said::Asking(note),
            _ => return Err(GapError::Form("content")),
        };
        Ok(Self { follow, said })
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Content(hidden)")
    }
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packet {
    form: String,
    key: Digest,
    wrap: Bytes,
    nonce: Bytes,
    sealed: Bytes,
}

/// Which key of the ledger.
fn key_id(key: &TierKey) -> Digest {
    Digest::of(&key.to_bytes())
}

/// What the encryption binds: form, ledger, intake, key.
fn binding(ledger: &str, intake: &str, key: &Digest) -> Result<String, GapError> {
    canonical::to_string(&json!([FORM, ledger, intake, key.to_string()])).map_err(|_| GapError::Form("packet"))
}

impl Packet {
    /// Encrypts a content to the key of a ledger, for an intake.
    ///
    /// # Errors
    /// [`GapError::Limit`] for more than the largest size takes.
    pub fn seal(
        content: &Content,
        (ledger, intake): (&str, &str),
        key: &TierKey,
        entropy: Entropy<'_>,
    ) -> Result<Self, GapError> {
        let text = Zeroizing::new(serde_json::to_vec(content).map_err(|_| GapError::Form("packet"))?);
        let size = CONTENT_BYTES.into_iter().find(|size| text.len() <= *size);
        let mut plain = Zeroizing::new(vec![b' '; size.ok_or(GapError::Limit("packet"))?]);
        plain[..text.len()].copy_from_slice(&text);
        let id = key_id(key);
        let binding = binding(ledger, intake, &id)?;
        let mut content_key = Zeroizing::new([0; 32]);
        entropy(&mut *content_key);
        let wrap = vault::encapsulate(key, &binding, &content_key, entropy).map_err(|_| GapError::Sealed)?;
        let mut nonce = [0; NONCE_BYTES];
        entropy(&mut nonce);
        let payload = Payload { msg: &plain, aad: binding.as_bytes() };
        let cipher = XChaCha20Poly1305::new((&*content_key).into());
        let sealed = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| GapError::Sealed)?;
        Ok(Self {
            form: FORM.to_owned(),
            key: id,
            wrap: Bytes(wrap),
            nonce: Bytes(nonce.to_vec()),
            sealed: Bytes(sealed),
        })
    }

    /// Reads a packet in its only spelling; what is inside stays unknown.
    ///
    /// # Errors
    /// [`GapError::Form`], [`GapError::Limit`].
    pub fn parse(text: &str) -> Result<Self, GapError> {
        if text.len() > PACKET_BYTES_MAX {
            return Err(GapError::Limit("packet"));
        }
        let packet: Self = serde_json::from_str(text).map_err(|_| GapError::Form("packet"))?;
        let tag = 16;
        let sized = packet.wrap.0.len() == WRAP_BYTES
            && packet.nonce.0.len() == NONCE_BYTES
            && CONTENT_BYTES.iter().any(|size| packet.sealed.0.len() == size + tag);
        if packet.form == FORM && sized && packet.to_text() == text {
            Ok(packet)
        } else {
            Err(GapError::Form("packet"))
        }
    }

    /// Its text.
    ///
    /// # Panics
    /// Never: strings and bytes have a JSON form.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("strings and bytes have a JSON form")
    }

    /// Opens it with the ledger's key.
    ///
    /// # Errors
    /// [`GapError::Sealed`] for another key, ledger or intake; [`GapError::Form`] for what is no content.
    pub fn open(&self, (ledger, intake): (&str, &str), secret: &TierSecret) -> Result<Content, GapError> {
        let key = key_id(&secret.key());
        if key != self.key {
            return Err(GapError::Sealed);
        }
        let binding = binding(ledger, intake, &key)?;
        let content_key = vault::decapsulate(secret, &binding, &self.wrap.0).map_err(|_| GapError::Sealed)?;
        let nonce = <[u8; NONCE_BYTES]>::try_from(self.nonce.0.as_slice()).map_err(|_| GapError::Sealed)?;
        let payload = Payload { msg: &self.sealed.0, aad: binding.as_bytes() };
        let cipher = XChaCha20Poly1305::new((&*content_key).into());
        let plain = Zeroizing::new(cipher.decrypt(&XNonce::from(nonce), payload).map_err(|_| GapError::Sealed)?);
        let content: Content = serde_json::from_slice(&plain).map_err(|_| GapError::Form("content"))?;
        match &content.said {
            Said::Submission { code: Some(code), .. } if code.len() > CODE_BYTES_MAX => Err(GapError::Limit("content")),
            Said::Submission { .. } | Said::Asking(_) => Ok(content),
        }
    }
}
