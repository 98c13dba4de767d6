//! Sealing: how the opening of a slot is kept so that only the readers of its tier get it back
//! (confidentiality.md §2).
//!
//! Two layers. A [`DataKey`] of one subject (the person or matter that an erasure would be about) and tier
//! encrypts the openings: XChaCha20-Poly1305 over salt, value and padding, under a key of its own for each
//! slot. HPKE with X-Wing wraps the data key to each [`TierKey`] whose holders may read: a tier of an
//! organization, in one epoch. A new epoch wraps again and touches neither value nor entry; an erasure
//! destroys the wraps, and the salt with them, so that the commitment is 32 bytes that no guess can test.
//!
//! An AEAD does not commit to its key, so [`open`] checks the slot's commitment again after decrypting.
//!
//! Not here: where rows and wraps lie, who may read, where private keys come from. Randomness is handed in.

use std::{convert::Infallible, fmt};

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use gongkai_log::{
    Digest, Opening, StreamId, Tier, canonical,
    list::{self, Cell},
    sealed, slot,
    statement::statement_id,
};
use hpke::{
    Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _,
    aead::ChaCha20Poly1305,
    kdf::HkdfSha256,
    kem::XWing,
    rand_core::{TryCryptoRng, TryRng},
    single_shot_open, single_shot_seal_with_rng,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// Bytes of a salt, a data key and a private tier key.
const KEY_BYTES: usize = 32;
/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 24;
/// Bytes of a public tier key (X-Wing).
pub const TIER_KEY_BYTES: usize = 1_216;
/// Bytes of an encapsulated key (X-Wing).
const ENCAPSULATED_BYTES: usize = 1_120;
/// Bytes of a wrap: encapsulated key, key and tag.
pub const WRAP_BYTES: usize = ENCAPSULATED_BYTES + KEY_BYTES + 16;
/// Smallest bucket: a yes and a short sentence look alike.
const BUCKET_BYTES_MIN: usize = 128;

const FIELD_CONTEXT: &str = "gongkai 2026 vault field v1";
const EVENT_CONTEXT: &str = "gongkai 2026 vault event v1";
const ENVELOPE_CONTEXT: &str = "gongkai 2026 vault envelope v1";
const WRAP_FORM: &str = "gongkai.wrap/v1";

/// Most bytes of one sealed value: a draft with its list.
pub const VALUE_BYTES_MAX: usize = 16 << 20;

/// Why something was not sealed or opened. It never says what is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The value has no canonical form.
    #[error("the value has no canonical form")]
    Value,
    /// Another key, another place, or changed bytes.
    #[error("the sealed value cannot be opened with this key at this place")]
    Sealed,
    /// Decrypted, and not what the slot committed to.
    #[error("what was sealed is not what the slot commits to")]
    Commitment,
    /// Another tier key, another scope or subject, or changed bytes.
    #[error("the data key cannot be unwrapped with this tier key")]
    Wrap,
    /// No public key of a tier.
    #[error("not a tier key")]
    TierKey,
}

/// The key of one subject and tier.
pub struct DataKey(Zeroizing<[u8; KEY_BYTES]>);

impl DataKey {
    /// Takes 32 random bytes.
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The key of one slot or cell.
    fn field(&self, place: &Place<'_>) -> Zeroizing<[u8; KEY_BYTES]> {
        let spot = format!("{}\n{}\n{}", place.statement(), place.spot, place.commitment);
        self.derive(FIELD_CONTEXT, spot.as_bytes())
    }

    fn derive(&self, context: &str, material: &[u8]) -> Zeroizing<[u8; KEY_BYTES]> {
        let mut hasher = blake3::Hasher::new_derive_key(context);
        hasher.update(&*self.0).update(material);
        Zeroizing::new(*hasher.finalize().as_bytes())
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(hidden)")
    }
}

/// Which value of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Spot {
    /// The slot with this number.
    Slot(u8),
    /// A cell of the line with this number.
    Cell(u64),
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slot(slot) => write!(f, "slot {slot}"),
            Self::Cell(line) => write!(f, "cell {line}"),
        }
    }
}

/// Where an opening belongs; everything here is bound by the encryption.
#[derive(Clone, Copy, Debug)]
pub struct Place<'s> {
    /// Origin of the ledger.
    pub origin: &'s str,
    /// Stream of the statement.
    pub stream: &'s StreamId,
    /// Revision of the statement.
    pub revision: u64,
    /// Slot or cell.
    pub spot: Spot,
    /// To whom the field is disclosed.
    pub tier: Tier,
    /// The commitment of the slot or cell.
    pub commitment: Digest,
}

impl Place<'_> {
    fn statement(&self) -> String {
        statement_id(self.stream, self.revision)
    }

    fn associated(&self) -> Result<String, VaultError> {
        let Self { origin, spot, tier, commitment, .. } = self;
        let associated = json!([origin, self.statement(), spot.to_string(), tier.as_str(), commitment.to_string()]);
        canonical::to_string(&associated).map_err(|_| VaultError::Value)
    }
}

/// An opening that only holders of its data key can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Random.
    pub nonce: [u8; NONCE_BYTES],
    /// Ciphertext with its tag; its length says only the bucket.
    pub bytes: Vec<u8>,
}

/// Seals the salt, name and value of a slot or cell under 24 random bytes. The name goes inside: which
/// fields there are is nobody's business either.
///
/// # Errors
/// [`VaultError::Value`].
pub fn seal(
    key: &DataKey,
    place: &Place<'_>,
    salt: &[u8; KEY_BYTES],
    (name, value): (&str, &Value),
    nonce: [u8; NONCE_BYTES],
) -> Result<Sealed, VaultError> {
    let text = Zeroizing::new(canonical::to_string(&json!([name, value])).map_err(|_| VaultError::Value)?);
    encrypt(&key.field(place), &place.associated()?, salt, &text, nonce)
}

/// Opens a sealed slot or cell, and proves that it is what the statement committed to.
///
/// # Errors
/// [`VaultError::Sealed`], [`VaultError::Commitment`].
pub fn open(key: &DataKey, place: &Place<'_>, sealed: &Sealed) -> Result<Opened, VaultError> {
    let (salt, text) = decrypt(&key.field(place), &place.associated()?, sealed)?;
    let (name, value): (String, Value) = match canonical::parse_with_limit(&text, VALUE_BYTES_MAX) {
        Ok(Value::Array(pair)) => serde_json::from_value(Value::Array(pair)).map_err(|_| VaultError::Commitment)?,
        _ => return Err(VaultError::Commitment),
    };
    let opened = Opened { salt, name, value };
    if opened.commit(place) == Some(place.commitment) { Ok(opened) } else { Err(VaultError::Commitment) }
}

/// What was sealed of a slot or cell.
#[derive(Clone, PartialEq)]
pub struct Opened {
    /// 32 random bytes.
    pub salt: [u8; KEY_BYTES],
    /// Field name, or column.
    pub name: String,
    /// The value.
    pub value: Value,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opened(hidden)")
    }
}

impl Opened {
    fn commit(&self, place: &Place<'_>) -> Option<Digest> {
        let Place { origin, stream, revision, spot, tier, .. } = *place;
        let Self { salt, name, value } = self.clone();
        match spot {
            Spot::Slot(slot) => slot::commit(origin, stream, revision, &Opening { slot, salt, tier, name, value }).ok(),
            Spot::Cell(line) => {
                list::commit_cell(origin, stream, revision, line, &Cell { name, salt, tier, value }).ok()
            }
        }
    }
}

/// Seals the note of a sealed event with the salt of its commitment.
///
/// # Errors
/// [`VaultError::Sealed`].
pub fn seal_event(
    key: &DataKey,
    origin: &str,
    salt: &[u8; KEY_BYTES],
    note: &str,
    nonce: [u8; NONCE_BYTES],
) -> Result<Sealed, VaultError> {
    let commitment = sealed::commit_event(salt, note);
    encrypt(&key.derive(EVENT_CONTEXT, commitment.as_bytes()), &event_place(origin, &commitment)?, salt, note, nonce)
}

/// Opens the note of a sealed event, and proves that it is what was promised.
///
/// # Errors
/// [`VaultError::Sealed`], [`VaultError::Commitment`].
pub fn open_event(
    key: &DataKey,
    origin: &str,
    commitment: &Digest,
    sealed: &Sealed,
) -> Result<([u8; KEY_BYTES], String), VaultError> {
    let place = event_place(origin, commitment)?;
    let (salt, note) = decrypt(&key.derive(EVENT_CONTEXT, commitment.as_bytes()), &place, sealed)?;
    if sealed::commit_event(&salt, &note) == *commitment {
        Ok((salt, note.to_string()))
    } else {
        Err(VaultError::Commitment)
    }
}

/// Seals the envelope of a sealed event once more, so that an erasure here reaches it.
///
/// # Errors
/// [`VaultError::Sealed`].
pub fn seal_envelope(
    key: &DataKey,
    origin: &str,
    commitment: &Digest,
    envelope: &str,
    nonce: [u8; NONCE_BYTES],
) -> Result<Sealed, VaultError> {
    let key = key.derive(ENVELOPE_CONTEXT, commitment.as_bytes());
    encrypt(&key, &event_place(origin, commitment)?, &[0; KEY_BYTES], envelope, nonce)
}

/// Opens the outer seal of an envelope.
///
/// # Errors
/// [`VaultError::Sealed`], [`VaultError::Commitment`].
pub fn open_envelope(key: &DataKey, origin: &str, commitment: &Digest, sealed: &Sealed) -> Result<String, VaultError> {
    let key = key.derive(ENVELOPE_CONTEXT, commitment.as_bytes());
    decrypt(&key, &event_place(origin, commitment)?, sealed).map(|(_, text)| text.to_string())
}

/// Seals a text of the working store: unsigned work, under a key that is derived for it alone. `place` is bound.
///
/// # Errors
/// [`VaultError::Sealed`].
pub fn seal_draft(key: &[u8; 32], place: &str, text: &str, nonce: [u8; NONCE_BYTES]) -> Result<Sealed, VaultError> {
    encrypt(key, place, &[0; KEY_BYTES], text, nonce)
}

/// Opens a text of the working store.
///
/// # Errors
/// [`VaultError::Sealed`] for another key, another place, or changed bytes.
pub fn open_draft(key: &[u8; 32], place: &str, sealed: &Sealed) -> Result<Zeroizing<String>, VaultError> {
    decrypt(key, place, sealed).map(|(_, text)| text)
}

fn event_place(origin: &str, commitment: &Digest) -> Result<String, VaultError> {
    canonical::to_string(&json!([origin, "event", commitment.to_string()])).map_err(|_| VaultError::Value)
}

fn encrypt(
    key: &[u8; KEY_BYTES],
    associated: &str,
    salt: &[u8; KEY_BYTES],
    text: &str,
    nonce: [u8; NONCE_BYTES],
) -> Result<Sealed, VaultError> {
    let mut plain = Zeroizing::new(vec![0; bucket(KEY_BYTES + text.len())]);
    plain[..KEY_BYTES].copy_from_slice(salt);
    plain[KEY_BYTES..KEY_BYTES + text.len()].copy_from_slice(text.as_bytes());
    let payload = Payload { msg: &plain, aad: associated.as_bytes() };
    let bytes = XChaCha20Poly1305::new(key.into()).encrypt(&XNonce::from(nonce), payload);
    Ok(Sealed { nonce, bytes: bytes.map_err(|_| VaultError::Sealed)? })
}

fn decrypt(
    key: &[u8; KEY_BYTES],
    associated: &str,
    sealed: &Sealed,
) -> Result<([u8; KEY_BYTES], Zeroizing<String>), VaultError> {
    let payload = Payload { msg: &sealed.bytes, aad: associated.as_bytes() };
    let plain = XChaCha20Poly1305::new(key.into()).decrypt(&XNonce::from(sealed.nonce), payload);
    let plain = Zeroizing::new(plain.map_err(|_| VaultError::Sealed)?);
    let (salt, text) = plain.split_first_chunk::<KEY_BYTES>().ok_or(VaultError::Commitment)?;
    // Neither canonical JSON nor a note has a zero byte, so the padding is whatever zeros follow.
    let end = text.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let text = std::str::from_utf8(&text[..end]).map_err(|_| VaultError::Commitment)?;
    Ok((*salt, Zeroizing::new(text.to_owned())))
}

/// The next size that a length is padded to (Padmé: at most an eighth more, and few sizes in all).
pub(crate) fn bucket(bytes: usize) -> usize {
    let bytes = bytes.max(BUCKET_BYTES_MIN);
    let exponent = bytes.ilog2();
    let mask = (1_usize << (exponent - exponent.ilog2() - 1)) - 1;
    (bytes + mask) & !mask
}

/// Whose key it is: a tier of an organization, in one epoch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The tier.
    pub tier: Tier,
    /// Code of the organization.
    pub org: String,
    /// Counts the rotations, from 0.
    pub epoch: u64,
}

/// What is wrapped to it can be read by the holders of [`TierSecret`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierKey(<XWing as hpke::Kem>::PublicKey);

impl TierKey {
    /// Reads its 1,216 bytes.
    ///
    /// # Errors
    /// [`VaultError::TierKey`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, VaultError> {
        <XWing as hpke::Kem>::PublicKey::from_bytes(bytes).map(Self).map_err(|_| VaultError::TierKey)
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes().to_vec()
    }
}

/// The private half of a tier key.
pub struct TierSecret(<XWing as hpke::Kem>::PrivateKey);

impl TierSecret {
    /// Takes 32 random bytes.
    ///
    /// # Errors
    /// [`VaultError::TierKey`].
    pub fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Result<Self, VaultError> {
        <XWing as hpke::Kem>::PrivateKey::from_bytes(bytes).map(Self).map_err(|_| VaultError::TierKey)
    }

    /// The public half.
    pub fn key(&self) -> TierKey {
        TierKey(XWing::sk_to_pk(&self.0))
    }
}

impl fmt::Debug for TierSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TierSecret(hidden)")
    }
}

/// A data key, wrapped to one tier key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrap(Vec<u8>);

impl Wrap {
    /// Takes bytes as they were stored.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Encapsulated key and ciphertext.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Bytes as they are handed in; the traits want a generator.
struct Handed<'e>(&'e mut dyn FnMut(&mut [u8]));

impl TryRng for Handed<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        (self.0)(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        (self.0)(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        (self.0)(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Handed<'_> {}

/// What a wrap is bound to.
fn info(origin: &str, subject: &str, scope: &Scope) -> Result<String, VaultError> {
    let Scope { tier, org, epoch } = scope;
    let info = json!([WRAP_FORM, origin, subject, tier.as_str(), org, epoch]);
    canonical::to_string(&info).map_err(|_| VaultError::Wrap)
}

/// Encrypts 32 bytes to a public key: HPKE (RFC 9180) with X-Wing, HKDF-SHA256 and ChaCha20-Poly1305.
/// `entropy` fills a buffer with random bytes.
pub(crate) fn encapsulate(
    to: &TierKey,
    info: &str,
    key: &[u8; KEY_BYTES],
    entropy: &mut dyn FnMut(&mut [u8]),
) -> Result<Vec<u8>, VaultError> {
    let (encapsulated, sealed) = single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeS::Base,
        &to.0,
        info.as_bytes(),
        key,
        &[],
        &mut Handed(entropy),
    )
    .map_err(|_| VaultError::Wrap)?;
    Ok([encapsulated.to_bytes().as_slice(), &sealed].concat())
}

/// Decrypts what [`encapsulate`] made.
pub(crate) fn decapsulate(
    with: &TierSecret,
    info: &str,
    wrap: &[u8],
) -> Result<Zeroizing<[u8; KEY_BYTES]>, VaultError> {
    let (encapsulated, sealed) = wrap.split_at_checked(ENCAPSULATED_BYTES).ok_or(VaultError::Wrap)?;
    let encapsulated = <XWing as hpke::Kem>::EncappedKey::from_bytes(encapsulated).map_err(|_| VaultError::Wrap)?;
    let key = single_shot_open::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeR::Base,
        &with.0,
        &encapsulated,
        info.as_bytes(),
        sealed,
        &[],
    );
    let key = Zeroizing::new(key.map_err(|_| VaultError::Wrap)?);
    <[u8; KEY_BYTES]>::try_from(key.as_slice()).map(Zeroizing::new).map_err(|_| VaultError::Wrap)
}

/// Wraps a subject's data key to a tier key. `entropy` fills a buffer with random bytes.
///
/// # Errors
/// [`VaultError::Wrap`].
pub fn wrap(
    to: &TierKey,
    origin: &str,
    subject: &str,
    scope: &Scope,
    key: &DataKey,
    entropy: &mut dyn FnMut(&mut [u8]),
) -> Result<Wrap, VaultError> {
    encapsulate(to, &info(origin, subject, scope)?, &key.0, entropy).map(Wrap)
}

/// Unwraps a subject's data key.
///
/// # Errors
/// [`VaultError::Wrap`].
pub fn unwrap(
    with: &TierSecret,
    origin: &str,
    subject: &str,
    scope: &Scope,
    wrap: &Wrap,
) -> Result<DataKey, VaultError> {
    decapsulate(with, &info(origin, subject, scope)?, &wrap.0).map(DataKey)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const ORIGIN: &str = "ledger.example";
    const SALT: [u8; 32] = [5; 32];
    const NONCE: [u8; NONCE_BYTES] = [6; NONCE_BYTES];

    fn stream() -> StreamId {
        StreamId::new("letter", Uuid::from_u128(9)).unwrap()
    }

    fn place<'s>(stream: &'s StreamId, value: &Value) -> Place<'s> {
        let opening = Opening { slot: 3, salt: SALT, tier: Tier::Named, name: "text".to_owned(), value: value.clone() };
        let commitment = slot::commit(ORIGIN, stream, 1, &opening).unwrap();
        Place { origin: ORIGIN, stream, revision: 1, spot: Spot::Slot(3), tier: Tier::Named, commitment }
    }

    fn key(byte: u8) -> DataKey {
        DataKey::from_bytes([byte; 32])
    }

    fn scope(tier: Tier, org: &str, epoch: u64) -> Scope {
        Scope { tier, org: org.to_owned(), epoch }
    }

    fn wrapped(secret: &TierSecret, subject: &str, scope: &Scope, key: &DataKey) -> Wrap {
        let mut next = 0_u8;
        let mut entropy = |bytes: &mut [u8]| {
            bytes.fill_with(|| {
                next = next.wrapping_add(1);
                next
            });
        };
        wrap(&secret.key(), ORIGIN, subject, scope, key, &mut entropy).unwrap()
    }

    proptest! {
        #[test]
        fn what_was_sealed_is_opened_with_its_key_at_its_place(text in ".{0,400}", number in -9_000_i64..9_000) {
            let stream = stream();
            let value = json!([text, {"n": number}]);
            let place = place(&stream, &value);
            let sealed = seal(&key(1), &place, &SALT, ("text", &value), NONCE).unwrap();
            let opening = open(&key(1), &place, &sealed).unwrap();
            prop_assert_eq!((opening.salt, &opening.value), (SALT, &value));
        }
    }

    #[test]
    fn another_key_another_place_or_a_changed_byte_opens_nothing() {
        let (stream, value) = (stream(), json!("举报某某（虚构）"));
        let good = place(&stream, &value);
        let sealed = seal(&key(1), &good, &SALT, ("text", &value), NONCE).unwrap();
        assert_eq!(open(&key(2), &good, &sealed), Err(VaultError::Sealed));
        let other = StreamId::new("letter", Uuid::from_u128(10)).unwrap();
        for moved in [
            Place { origin: "other.example", ..good },
            Place { stream: &other, ..good },
            Place { revision: 2, ..good },
            Place { spot: Spot::Slot(4), ..good },
            Place { spot: Spot::Cell(3), ..good },
            Place { tier: Tier::Unit, ..good },
            Place { commitment: Digest::ZERO, ..good },
        ] {
            assert_eq!(open(&key(1), &moved, &sealed), Err(VaultError::Sealed), "{moved:?}");
        }
        for at in [0, 40, sealed.bytes.len() - 1] {
            let mut changed = sealed.clone();
            changed.bytes[at] ^= 1;
            assert_eq!(open(&key(1), &good, &changed), Err(VaultError::Sealed));
        }
        let mut changed = sealed.clone();
        changed.nonce[0] ^= 1;
        assert_eq!(open(&key(1), &good, &changed), Err(VaultError::Sealed));
        changed.bytes.clear();
        assert_eq!(open(&key(1), &good, &changed), Err(VaultError::Sealed));
    }

    #[test]
    fn a_value_or_salt_that_the_slot_did_not_commit_to_is_found_after_decrypting() {
        let (stream, value) = (stream(), json!("同意"));
        let good = place(&stream, &value);
        let false_value = seal(&key(1), &good, &SALT, ("text", &json!("不同意")), NONCE).unwrap();
        let false_salt = seal(&key(1), &good, &[7; 32], ("text", &value), NONCE).unwrap();
        for sealed in [false_value, false_salt] {
            assert_eq!(open(&key(1), &good, &sealed), Err(VaultError::Commitment));
        }
    }

    #[test]
    fn the_note_of_a_sealed_event_opens_only_as_what_was_promised() {
        let (note, origin) = ("gongkai.statement/v1\n…\n", ORIGIN);
        let commitment = sealed::commit_event(&SALT, note);
        let sealed_note = seal_event(&key(1), origin, &SALT, note, NONCE).unwrap();
        assert_eq!(open_event(&key(1), origin, &commitment, &sealed_note), Ok((SALT, note.to_owned())));
        assert!(open_event(&key(2), origin, &commitment, &sealed_note).is_err());
        assert!(open_event(&key(1), "other.example", &commitment, &sealed_note).is_err());
        assert!(open_event(&key(1), origin, &sealed::decoy(&SALT), &sealed_note).is_err());
    }

    #[test]
    fn a_cell_opens_only_in_its_line_and_column() {
        let (stream, value) = (stream(), json!("方禾生(虚构)"));
        let cell = Cell { name: "full_name".into(), salt: SALT, tier: Tier::Unit, value: value.clone() };
        let commitment = list::commit_cell(ORIGIN, &stream, 1, 7, &cell).unwrap();
        let (spot, tier) = (Spot::Cell(7), Tier::Unit);
        let place = Place { origin: ORIGIN, stream: &stream, revision: 1, spot, tier, commitment };
        let sealed = seal(&key(1), &place, &SALT, ("full_name", &value), NONCE).unwrap();
        assert_eq!(open(&key(1), &place, &sealed).unwrap().value, value);
        assert!(open(&key(1), &Place { spot: Spot::Cell(8), ..place }, &sealed).is_err());
        let another = seal(&key(1), &place, &SALT, ("masked_name", &value), NONCE).unwrap();
        assert_eq!(open(&key(1), &place, &another), Err(VaultError::Commitment));
    }

    #[test]
    fn lengths_tell_the_bucket_and_no_more() {
        let stream = stream();
        let length = |chars: usize| {
            let value = json!("x".repeat(chars));
            seal(&key(1), &place(&stream, &value), &SALT, ("text", &value), NONCE).unwrap().bytes.len()
        };
        assert!((0..=85).all(|chars| length(chars) == length(0)), "a yes and a short sentence look alike");
        let lengths: std::collections::BTreeSet<usize> = (0..4_000).map(length).collect();
        assert!(lengths.len() < 80, "4,000 lengths in {} buckets", lengths.len());
        for bytes in BUCKET_BYTES_MIN..20_000 {
            assert!(bucket(bytes) >= bytes && bucket(bytes) - bytes <= bytes / 8, "{bytes}");
        }
    }

    #[test]
    fn a_data_key_is_unwrapped_by_its_readers_for_its_subject_only() {
        let readers = TierSecret::from_bytes(&[1; 32]).unwrap();
        let others = TierSecret::from_bytes(&[2; 32]).unwrap();
        let here = scope(Tier::Named, "341599", 0);
        let wrap = wrapped(&readers, "letter/a", &here, &key(9));
        let (stream, value) = (stream(), json!("正文"));
        let place = place(&stream, &value);
        let sealed = seal(&key(9), &place, &SALT, ("text", &value), NONCE).unwrap();
        let unwrapped = unwrap(&readers, ORIGIN, "letter/a", &here, &wrap).unwrap();
        assert_eq!(open(&unwrapped, &place, &sealed).unwrap().value, value);
        let refused = |secret, origin, subject, scope: &Scope, wrap: &Wrap| {
            assert_eq!(unwrap(secret, origin, subject, scope, wrap).err(), Some(VaultError::Wrap), "{scope:?}");
        };
        refused(&others, ORIGIN, "letter/a", &here, &wrap);
        refused(&readers, "other.example", "letter/a", &here, &wrap);
        refused(&readers, ORIGIN, "letter/b", &here, &wrap);
        refused(&readers, ORIGIN, "letter/a", &scope(Tier::Unit, "341599", 0), &wrap);
        refused(&readers, ORIGIN, "letter/a", &scope(Tier::Named, "341598", 0), &wrap);
        refused(&readers, ORIGIN, "letter/a", &scope(Tier::Named, "341599", 1), &wrap);
        for cut in [0, ENCAPSULATED_BYTES - 1, ENCAPSULATED_BYTES, wrap.as_bytes().len() - 1] {
            refused(&readers, ORIGIN, "letter/a", &here, &Wrap::from_bytes(wrap.as_bytes()[..cut].to_vec()));
        }
    }

    #[test]
    fn a_new_epoch_wraps_again_and_touches_no_sealed_value() {
        let (old, new) = (TierSecret::from_bytes(&[1; 32]).unwrap(), TierSecret::from_bytes(&[3; 32]).unwrap());
        let (first, second) = (scope(Tier::Unit, "341599", 0), scope(Tier::Unit, "341599", 1));
        let (stream, value) = (stream(), json!("草稿"));
        let place = place(&stream, &value);
        let sealed = seal(&key(9), &place, &SALT, ("text", &value), NONCE).unwrap();
        let before = wrapped(&old, "matter/a", &first, &key(9));
        let carried = unwrap(&old, ORIGIN, "matter/a", &first, &before).unwrap();
        let after = wrapped(&new, "matter/a", &second, &carried);
        let reader = unwrap(&new, ORIGIN, "matter/a", &second, &after).unwrap();
        assert_eq!(open(&reader, &place, &sealed).unwrap().value, value);
        assert!(unwrap(&old, ORIGIN, "matter/a", &second, &after).is_err());
    }

    #[test]
    fn tier_keys_survive_their_bytes_and_nothing_shows_a_secret() {
        let secret = TierSecret::from_bytes(&[1; 32]).unwrap();
        let bytes = secret.key().to_bytes();
        assert_eq!(bytes.len(), TIER_KEY_BYTES);
        assert_eq!(TierKey::from_bytes(&bytes), Ok(secret.key()));
        assert_eq!(TierKey::from_bytes(&bytes[1..]), Err(VaultError::TierKey));
        assert_eq!(format!("{secret:?} {:?}", key(1)), "TierSecret(hidden) DataKey(hidden)");
    }
}
