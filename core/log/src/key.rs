//! Keys: the verifier key text of c2sp.org/signed-note, and the signer that belongs to it.
//!
//! A key has a name, a kind and 32 public bytes; its id is the first four bytes of
//! SHA-256(name ‖ LF ‖ kind ‖ public key). Verification is strict Ed25519 everywhere; keys of small
//! order, under which strict verification could never succeed, are refused when they are read.
//!
//! Not here: where private keys are kept, who may sign what. A further kind is a further variant of
//! [`KeyKind`] with its byte from the signed-note registry.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer as _;
use zeroize::Zeroizing;

use crate::hash::{TreeHash, hex};

/// Most bytes of a key name, and so of an origin (c2sp.org/tlog-checkpoint advises 255).
pub const KEY_NAME_BYTES_MAX: usize = 255;

/// Why a key is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Empty, too long, or with a space, a control character or `+`.
    #[error("key name {0:?} is empty, longer than 255 bytes, or has a space or '+'")]
    Name(String),
    /// Not `name+hhhhhhhh+base64`.
    #[error("not a verifier key of the form name+hhhhhhhh+base64")]
    Form,
    /// The id does not belong to name and public key.
    #[error("key id {stated:08x} does not belong to name and key, {computed:08x} does")]
    Id {
        /// Id in the text.
        stated: u32,
        /// Id computed from name, kind and public key.
        computed: u32,
    },
    /// A kind other than 0x01 and 0x04.
    #[error("key kind {0:#04x} is not supported")]
    Kind(u8),
    /// The 32 bytes are no point of the curve, or one of small order.
    #[error("the public key is no usable Ed25519 point")]
    Point,
}

/// What a key signs (signature types of c2sp.org/signed-note).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// 0x01: Ed25519 over the text of a note.
    Ed25519 = 1,
    /// 0x04: Ed25519 cosignature over time and checkpoint (c2sp.org/tlog-cosignature).
    CosignatureV1 = 4,
}

impl KeyKind {
    fn from_byte(byte: u8) -> Result<Self, KeyError> {
        match byte {
            1 => Ok(Self::Ed25519),
            4 => Ok(Self::CosignatureV1),
            other => Err(KeyError::Kind(other)),
        }
    }
}

/// Whether a text can name a key: non-empty, at most 255 bytes, no Unicode space, no control
/// character, no `+`.
pub fn valid_key_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= KEY_NAME_BYTES_MAX
        && !name.chars().any(|char| char == '+' || char.is_whitespace() || char.is_control())
}

fn key_id(name: &str, kind: KeyKind, public: &[u8; 32]) -> u32 {
    let hash = TreeHash::of_parts(&[name.as_bytes(), b"\n", &[kind as u8], public]);
    let [a, b, c, d, ..] = *hash.as_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// A public key with its name. Cheap to clone.
#[derive(Clone)]
pub struct VerifierKey(Arc<Inner>);

struct Inner {
    name: String,
    id: u32,
    kind: KeyKind,
    // Decompressed once here: a third of the cost of a verification.
    point: ed25519_dalek::VerifyingKey,
}

impl VerifierKey {
    /// Makes a key from its parts; computes the id.
    pub fn new(name: &str, kind: KeyKind, public: &[u8; 32]) -> Result<Self, KeyError> {
        if !valid_key_name(name) {
            return Err(KeyError::Name(name.to_owned()));
        }
        let point = ed25519_dalek::VerifyingKey::from_bytes(public).map_err(|_| KeyError::Point)?;
        if point.is_weak() {
            return Err(KeyError::Point);
        }
        Ok(Self(Arc::new(Inner { name: name.to_owned(), id: key_id(name, kind, public), kind, point })))
    }

    /// Reads `name+hhhhhhhh+base64(kind ‖ public key)` and checks the id.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        // The base64 may hold '+' too, the name may not.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::Form);
        };
        if id.len() != 8 || !id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(KeyError::Form);
        }
        let stated = u32::from_str_radix(id, 16).map_err(|_| KeyError::Form)?;
        if key.len() > 64 {
            return Err(KeyError::Form);
        }
        let bytes = STANDARD.decode(key).map_err(|_| KeyError::Form)?;
        let (kind, public) = bytes.split_first().ok_or(KeyError::Form)?;
        let kind = KeyKind::from_byte(*kind)?;
        let public: &[u8; 32] = public.try_into().map_err(|_| KeyError::Form)?;
        let key = Self::new(name, kind, public)?;
        if key.0.id != stated {
            return Err(KeyError::Id { stated, computed: key.0.id });
        }
        Ok(key)
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The key's id, as in note signatures.
    pub fn id(&self) -> u32 {
        self.0.id
    }

    /// What the key signs.
    pub fn kind(&self) -> KeyKind {
        self.0.kind
    }

    /// The 32 public bytes.
    pub fn public(&self) -> &[u8; 32] {
        self.0.point.as_bytes()
    }

    /// Strict Ed25519 verification of `signature` over `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        self.0.point.verify_strict(message, &signature).is_ok()
    }

    /// The point, for batches.
    pub(crate) fn point(&self) -> &ed25519_dalek::VerifyingKey {
        &self.0.point
    }
}

impl PartialEq for VerifierKey {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name() && self.kind() == other.kind() && self.public() == other.public()
    }
}

impl Eq for VerifierKey {}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0u8; 33];
        bytes[0] = self.0.kind as u8;
        bytes[1..].copy_from_slice(self.public());
        let key = STANDARD.encode(bytes);
        write!(f, "{}+{:08x}+{key}", self.0.name, self.0.id)
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl std::str::FromStr for VerifierKey {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::parse(text)
    }
}

/// A private key with its name. Zeroized when dropped; it has no `Display` and no `Serialize`, and
/// its `Debug` shows the name only.
pub struct SigningKey {
    secret: ed25519_dalek::SigningKey,
    verifier: VerifierKey,
}

impl SigningKey {
    /// Makes a key from 32 secret random bytes.
    pub fn from_seed(name: &str, kind: KeyKind, seed: [u8; 32]) -> Result<Self, KeyError> {
        let seed = Zeroizing::new(seed);
        let secret = ed25519_dalek::SigningKey::from_bytes(&seed);
        let verifier = VerifierKey::new(name, kind, secret.verifying_key().as_bytes())?;
        Ok(Self { secret, verifier })
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        self.verifier.name()
    }

    /// The public half.
    pub fn verifier(&self) -> VerifierKey {
        self.verifier.clone()
    }

    /// The secret bytes, for a key file; the copy wipes itself.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret.to_bytes())
    }

    /// Ed25519 signature over `message` (RFC 8032, deterministic).
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.secret.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = hex(&self.verifier.id().to_be_bytes());
        write!(f, "SigningKey({}+{id}, secret hidden)", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOO: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

    #[test]
    fn the_key_of_the_specification_is_read_and_written() {
        let key = VerifierKey::parse(FOO).unwrap();
        assert_eq!(key.name(), "example.com/foo");
        assert_eq!(key.id(), 0x530d_903a);
        assert_eq!(key.kind(), KeyKind::Ed25519);
        assert_eq!(key.to_string(), FOO);
    }

    #[test]
    fn a_key_with_a_wrong_id_name_kind_or_point_is_refused() {
        let wrong_id = FOO.replace("530d903a", "530d903b");
        assert!(matches!(VerifierKey::parse(&wrong_id), Err(KeyError::Id { .. })));
        let other_name = FOO.replace("foo", "bar");
        assert!(matches!(VerifierKey::parse(&other_name), Err(KeyError::Id { .. })));
        for bad in ["", "a", "a+b", "a+0000000g+AA==", "a+530D903A+AA==", "a+530d903a+AA"] {
            assert_eq!(VerifierKey::parse(bad), Err(KeyError::Form), "{bad}");
        }
        let ml_dsa = format!("a+00000000+{}", STANDARD.encode([6u8; 33]));
        assert_eq!(VerifierKey::parse(&ml_dsa), Err(KeyError::Kind(6)));
        let mut identity = [0u8; 32];
        identity[0] = 1;
        assert_eq!(VerifierKey::new("weak", KeyKind::Ed25519, &identity), Err(KeyError::Point));
    }

    #[test]
    fn names_have_no_space_and_no_plus() {
        assert!(valid_key_name("alice.example/1"));
        assert!(valid_key_name("方某某.示例/1"));
        let long = "a".repeat(256);
        for bad in ["", "a b", "a+b", "a\u{3000}b", "a\nb", "a\u{0}b", "a\u{a0}b", &long] {
            assert!(!valid_key_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_signature_verifies_and_debug_hides_the_secret() {
        let key = SigningKey::from_seed("alice", KeyKind::Ed25519, [7; 32]).unwrap();
        let mut signature = key.sign(b"text");
        assert!(key.verifier().verify(b"text", &signature));
        assert!(!key.verifier().verify(b"Text", &signature));
        signature[3] ^= 1;
        assert!(!key.verifier().verify(b"text", &signature));
        assert_eq!(*key.seed(), [7; 32]);
        let shown = format!("{key:?}");
        assert!(shown.contains("alice"), "{shown}");
        assert!(!shown.contains("0707") && !shown.contains("7, 7"), "{shown}");
    }
}
