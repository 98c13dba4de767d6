//! The two hashes of a ledger, as two types that cannot be mixed.
//!
//! [`Digest`] is BLAKE3 and makes the chain, statement hashes, commitments and attachment names.
//! [`TreeHash`] is SHA-256 and makes the Merkle tree that witnesses, monitors and browsers know.
//! Both are 32 bytes; in text they are standard padded base64, in addresses lower-case hex.
//!
//! Not here: how tree nodes are hashed (`merkle`), how commitments are made (`slot`, `list`).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;

/// Bytes of either hash.
pub const HASH_BYTES: usize = 32;

/// Characters of either hash in padded base64.
pub const HASH_TEXT_BYTES: usize = 44;

/// Why a text is not a hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Not standard padded base64 in canonical form, or not of 32 bytes.
    #[error("not the padded base64 of 32 bytes")]
    Base64,
    /// Not 64 lower-case hexadecimal digits.
    #[error("not 64 lower-case hexadecimal digits")]
    Hex,
}

/// Decodes 32 bytes from standard padded base64; every other spelling of them is refused.
pub(crate) fn decode32(text: &str) -> Result<[u8; 32], HashError> {
    if text.len() != HASH_TEXT_BYTES {
        return Err(HashError::Base64);
    }
    // The decoder estimates 33 bytes for 44 characters before it has seen the padding.
    let mut bytes = [0u8; 33];
    match STANDARD.decode_slice(text, &mut bytes) {
        Ok(32) => {
            let mut hash = [0u8; 32];
            hash.copy_from_slice(&bytes[..32]);
            Ok(hash)
        }
        _ => Err(HashError::Base64),
    }
}

/// Appends the padded base64 of 32 bytes.
pub(crate) fn push32(bytes: &[u8; 32], out: &mut String) {
    STANDARD.encode_string(bytes, out);
}

fn decode_hex(text: &str) -> Result<[u8; 32], HashError> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return Err(HashError::Hex);
    }
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(HashError::Hex),
    };
    let mut bytes = [0u8; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Ok(bytes)
}

/// Lower-case hexadecimal digits of any bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Takes 32 bytes as they are.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// Reads standard padded base64, the form of hashes in text.
            pub fn parse(text: &str) -> Result<Self, HashError> {
                decode32(text).map(Self)
            }

            /// 64 lower-case hexadecimal digits, the form of hashes in addresses.
            pub fn to_hex(&self) -> String {
                hex(&self.0)
            }

            /// Reads 64 lower-case hexadecimal digits.
            pub fn from_hex(text: &str) -> Result<Self, HashError> {
                decode_hex(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0u8; HASH_TEXT_BYTES];
                STANDARD
                    .encode_slice(self.0, &mut text)
                    .map_err(|_| fmt::Error)?;
                f.pad(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl std::str::FromStr for $name {
            type Err = HashError;
            fn from_str(text: &str) -> Result<Self, HashError> {
                Self::parse(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(D::Error::custom)
            }
        }
    };
}

hash_type! {
    /// A BLAKE3 hash: chain, statement, commitment, attachment.
    Digest
}

hash_type! {
    /// A SHA-256 hash: leaf, node or root of the Merkle tree (RFC 6962).
    TreeHash
}

impl Digest {
    /// 32 zero bytes: `prev` of the entry at index 0.
    pub const ZERO: Self = Self([0; 32]);

    /// BLAKE3 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl TreeHash {
    /// SHA-256 of the parts, one after the other, without separators.
    pub(crate) fn of_parts(parts: &[&[u8]]) -> Self {
        let mut hasher = sha2::Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_survives_text_hex_and_serde() {
        let digest = Digest::of(b"gongkai");
        assert_eq!(Digest::parse(&digest.to_string()), Ok(digest));
        assert_eq!(Digest::from_hex(&digest.to_hex()), Ok(digest));
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(json, format!("\"{digest}\""));
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
    }

    #[test]
    fn known_hashes_come_out() {
        assert_eq!(Digest::of(b"").to_hex(), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
        assert_eq!(TreeHash::of_parts(&[]).to_string(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }

    #[test]
    fn a_second_spelling_of_the_same_bytes_is_refused() {
        let good = Digest::ZERO.to_string();
        assert!(Digest::parse(&good).is_ok());
        for bad in [
            good.trim_end_matches('=').to_owned(),
            good.replacen("A=", "B=", 1),
            format!("{good}="),
            format!(" {}", &good[1..]),
            good.replace('A', "_"),
            String::new(),
        ] {
            assert_eq!(Digest::parse(&bad), Err(HashError::Base64), "{bad}");
        }
        assert_eq!(Digest::from_hex(&"AF".repeat(32)), Err(HashError::Hex), "upper case");
        assert_eq!(Digest::from_hex("00"), Err(HashError::Hex));
    }
}
