//! The master key of a vault: from it come the private tier keys, so that one secret has to be kept and
//! carried, in a passphrase-protected file or behind a command.
//!
//! A rotation makes another master key with the next epoch; the data keys are wrapped again, and neither
//! entries nor sealed values are touched. Not here: files, commands, the wraps.

use std::fmt;

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use gongkai_log::canonical;
use serde_json::json;
use zeroize::Zeroizing;

use crate::vault::{NONCE_BYTES, Scope, TierSecret, VaultError};

const TIER_CONTEXT: &str = "gongkai 2026 tier key v1";
const BLIND_CONTEXT: &str = "gongkai 2026 blind key v1";

/// A master key in one epoch.
#[derive(Clone)]
pub struct Master {
    epoch: u64,
    secret: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Master({}, hidden)", self.epoch)
    }
}

impl Master {
    /// Takes 32 random bytes.
    pub fn from_bytes(epoch: u64, secret: [u8; 32]) -> Self {
        Self { epoch, secret: Zeroizing::new(secret) }
    }

    /// Counts the rotations, from 0.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    fn derive(&self, context: &str, material: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut hasher = blake3::Hasher::new_derive_key(context);
        hasher.update(&*self.secret).update(material);
        Zeroizing::new(*hasher.finalize().as_bytes())
    }

    /// The private key of a tier of an organization; its epoch must be this one's.
    ///
    /// # Errors
    /// [`VaultError::TierKey`].
    pub fn tier_secret(&self, scope: &Scope) -> Result<TierSecret, VaultError> {
        if scope.epoch != self.epoch {
            return Err(VaultError::TierKey);
        }
        let material = json!([scope.tier.as_str(), scope.org, scope.epoch]);
        let material = canonical::to_string(&material).map_err(|_| VaultError::TierKey)?;
        TierSecret::from_bytes(&self.derive(TIER_CONTEXT, material.as_bytes()))
    }

    fn blind_cipher(&self, origin: &str) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.derive(BLIND_CONTEXT, origin.as_bytes())).into())
    }

    /// Encrypts the key of a vault's blind indexes, bound to whose vault it is: the ledger's origin, and the first entry
    /// that was recorded with it.
    ///
    /// # Errors
    /// [`VaultError::Sealed`].
    pub fn seal_blind(
        &self,
        whose: (&str, u64),
        blind: &[u8; 32],
        nonce: [u8; NONCE_BYTES],
    ) -> Result<Vec<u8>, VaultError> {
        let aad = bound(whose);
        let payload = Payload { msg: blind, aad: &aad };
        self.blind_cipher(whose.0).encrypt(&XNonce::from(nonce), payload).map_err(|_| VaultError::Sealed)
    }

    /// Decrypts it; the first thing that a wrong master key fails at.
    ///
    /// # Errors
    /// [`VaultError::Sealed`].
    pub fn open_blind(
        &self,
        whose: (&str, u64),
        sealed: &[u8],
        nonce: [u8; NONCE_BYTES],
    ) -> Result<Zeroizing<[u8; 32]>, VaultError> {
        let aad = bound(whose);
        let payload = Payload { msg: sealed, aad: &aad };
        let blind = self.blind_cipher(whose.0).decrypt(&XNonce::from(nonce), payload);
        let blind = Zeroizing::new(blind.map_err(|_| VaultError::Sealed)?);
        <[u8; 32]>::try_from(blind.as_slice()).map(Zeroizing::new).map_err(|_| VaultError::Sealed)
    }
}

fn bound((origin, since): (&str, u64)) -> Vec<u8> {
    [origin.as_bytes(), &since.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use gongkai_log::Tier;

    use super::*;

    #[test]
    fn each_tier_of_each_organization_has_a_key_of_its_own_in_each_epoch() {
        let scope = |tier, org: &str, epoch| Scope { tier, org: org.into(), epoch };
        let (old, new) = (Master::from_bytes(0, [1; 32]), Master::from_bytes(1, [2; 32]));
        let key = |master: &Master, scope: &Scope| master.tier_secret(scope).unwrap().key();
        let first = key(&old, &scope(Tier::Named, "341599", 0));
        assert_eq!(first, key(&old, &scope(Tier::Named, "341599", 0)));
        assert_ne!(first, key(&old, &scope(Tier::Unit, "341599", 0)));
        assert_ne!(first, key(&old, &scope(Tier::Named, "341598", 0)));
        assert_ne!(first, key(&new, &scope(Tier::Named, "341599", 1)));
        assert!(old.tier_secret(&scope(Tier::Named, "341599", 1)).is_err());
    }

    #[test]
    fn a_wrong_master_key_or_another_ledger_opens_nothing() {
        let master = Master::from_bytes(0, [1; 32]);
        let whose = ("ledger.example", 7);
        let sealed = master.seal_blind(whose, &[9; 32], [3; NONCE_BYTES]).unwrap();
        assert_eq!(*master.open_blind(whose, &sealed, [3; NONCE_BYTES]).unwrap(), [9; 32]);
        assert!(Master::from_bytes(0, [2; 32]).open_blind(whose, &sealed, [3; NONCE_BYTES]).is_err());
        for other in [("other.example", 7), ("ledger.example", 8)] {
            assert!(master.open_blind(other, &sealed, [3; NONCE_BYTES]).is_err());
        }
    }
}
