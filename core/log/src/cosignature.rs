//! Cosignatures (c2sp.org/tlog-cosignature, type 0x04): a witness says when it saw a checkpoint.
//!
//! The signed message is `cosignature/v1`, `time <Unix seconds>` and the whole checkpoint text; the
//! signature line carries the time as 8 big-endian bytes before the 64 of Ed25519.
//!
//! Not here: whether a witness should cosign (`witness`), which witnesses suffice (`policy`).

use crate::key::{KeyKind, SigningKey, VerifierKey};
use crate::note::NoteSignature;

/// Bytes of a cosignature after the key id: time and Ed25519 signature.
pub const COSIGNATURE_BYTES: usize = 8 + 64;

/// Why a cosignature is refused or cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CosignatureError {
    /// The key is not of kind 0x04.
    #[error("{0} is not a cosigner's key")]
    KeyKind(String),
    /// Another name or key id.
    #[error("the line is not by {0}")]
    Key(String),
    /// Not 72 bytes.
    #[error("a cosignature of {0} bytes, not 72")]
    Length(usize),
    /// Strict Ed25519 verification failed.
    #[error("the cosignature of {0} does not verify")]
    Signature(String),
}

fn message(unix_seconds: u64, checkpoint_text: &str) -> String {
    format!("cosignature/v1\ntime {unix_seconds}\n{checkpoint_text}")
}

/// Cosigns a checkpoint's text (with its last newline, without signatures) at a time in Unix seconds.
pub fn cosign(checkpoint_text: &str, key: &SigningKey, unix_seconds: u64) -> Result<NoteSignature, CosignatureError> {
    let verifier = key.verifier();
    if verifier.kind() != KeyKind::CosignatureV1 {
        return Err(CosignatureError::KeyKind(key.name().to_owned()));
    }
    let mut signature = Vec::with_capacity(COSIGNATURE_BYTES);
    signature.extend_from_slice(&unix_seconds.to_be_bytes());
    signature.extend_from_slice(&key.sign(message(unix_seconds, checkpoint_text).as_bytes()));
    Ok(NoteSignature { name: key.name().to_owned(), id: verifier.id(), signature })
}

/// Verifies a cosignature line; gives its time in Unix seconds.
pub fn verify(checkpoint_text: &str, line: &NoteSignature, key: &VerifierKey) -> Result<u64, CosignatureError> {
    let name = || key.name().to_owned();
    if key.kind() != KeyKind::CosignatureV1 {
        return Err(CosignatureError::KeyKind(name()));
    }
    if !line.is_by(key) {
        return Err(CosignatureError::Key(name()));
    }
    let length = CosignatureError::Length(line.signature.len());
    let (time, signature) = line.signature.split_first_chunk::<8>().ok_or(length.clone())?;
    let signature: &[u8; 64] = signature.try_into().map_err(|_| length)?;
    let unix_seconds = u64::from_be_bytes(*time);
    if !key.verify(message(unix_seconds, checkpoint_text).as_bytes(), signature) {
        return Err(CosignatureError::Signature(name()));
    }
    Ok(unix_seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "ledger.example\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";

    #[test]
    fn a_cosignature_binds_time_and_text() {
        let key = SigningKey::from_seed("w", KeyKind::CosignatureV1, [5; 32]).unwrap();
        let line = cosign(TEXT, &key, 1_770_000_000).unwrap();
        let verifier = key.verifier();
        assert_eq!(verify(TEXT, &line, &verifier), Ok(1_770_000_000));
        assert_eq!(verify(&TEXT.replace('0', "1"), &line, &verifier), Err(CosignatureError::Signature("w".to_owned())));
        let mut later = line.clone();
        later.signature[7] ^= 1;
        assert!(verify(TEXT, &later, &verifier).is_err());
        let mut short = line;
        short.signature.pop();
        assert_eq!(verify(TEXT, &short, &verifier), Err(CosignatureError::Length(71)));
    }

    #[test]
    fn a_plain_key_neither_cosigns_nor_verifies_cosignatures() {
        let plain = SigningKey::from_seed("w", KeyKind::Ed25519, [5; 32]).unwrap();
        let witness = SigningKey::from_seed("w", KeyKind::CosignatureV1, [5; 32]).unwrap();
        assert!(cosign(TEXT, &plain, 1).is_err());
        let line = cosign(TEXT, &witness, 1).unwrap();
        assert_eq!(verify(TEXT, &line, &plain.verifier()), Err(CosignatureError::KeyKind("w".to_owned())));
    }
}
