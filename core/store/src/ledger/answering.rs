//! The ledger's side of a network gap: the key that packets are encrypted to, and what the ledger signs for an intake.
//!
//! The key to encrypt to is derived from the vault's own, so that nothing further has to be kept. To an intake, which knows
//! nothing of the ledger but the log's key, the log's key speaks: it signs requests for batches, and files of capsules. What
//! the ledger answers in public is its own statement, signed by the intake key like all that the ledger says.

use gongkai_domain::{
    Command,
    gap::{Capsules, Content, GapError, Packet, pull_text},
    vault::{TierKey, TierSecret},
    world::Role,
};
use gongkai_log::{SignedStatement, Signer, StreamId, note};
use serde_json::Value;

use super::{Ledger, Receipt};
use crate::{
    error::{StoreError, SubmitError},
    reader::chain,
    taken::TakenBook,
    vault::Vault,
};

const SEALING_CONTEXT: &str = "gongkai 2026 gap sealing key v1";

impl Vault {
    /// The private half of the key to which packets are encrypted.
    fn gap_secret(&self) -> Result<TierSecret, GapError> {
        let bytes = *self.keyed(SEALING_CONTEXT, b"").finalize().as_bytes();
        TierSecret::from_bytes(&bytes).map_err(|_| GapError::Sealed)
    }
}

impl Ledger {
    /// The key to which packets for this ledger are encrypted; `None` without a vault.
    pub fn gap_key(&self) -> Option<TierKey> {
        self.vault()?.gap_secret().ok().map(|secret| secret.key())
    }

    /// Opens a packet that came through an intake.
    ///
    /// # Errors
    /// [`GapError`]; without a vault nothing opens.
    pub fn open_packet(&self, intake: &str, packet: &Packet) -> Result<Content, GapError> {
        let secret = self.vault().ok_or(GapError::Sealed)?.gap_secret()?;
        packet.open((self.origin(), intake), &secret)
    }

    /// What was taken in; `None` without a vault. One handle serves everybody: clone it.
    pub fn taken(&self) -> Option<TakenBook> {
        self.0.taken.clone()
    }

    /// Says in public that everything of an intake's periods is answered.
    ///
    /// # Errors
    /// [`SubmitError`], as any statement.
    pub async fn answer_intake(&self, intake: &StreamId, org: &str, fields: Value) -> Result<Receipt, SubmitError> {
        let command = serde_json::json!({"kind": "intake.answered.v1", "stream": intake, "org": org, "fields": fields});
        let key = &self.0.keys.intake;
        let signers = vec![Signer { role: Role::Intake.wire().into(), key: key.name().into() }];
        let vault = self.vault().cloned();
        let mut entropy = move |buffer: &mut [u8]| {
            for part in buffer.chunks_mut(32) {
                let random = vault.as_ref().map_or([0; 32], Vault::random);
                part.copy_from_slice(&random[..part.len()]);
            }
        };
        let prepared = self.prepare(Command::from_value(command)?, signers, &mut entropy).await?;
        let wrong = |error: &dyn std::error::Error| SubmitError::from(StoreError::row(0, "answer", chain(error)));
        let signed = SignedStatement::sign(&prepared.statement, &[key]).map_err(|error| wrong(&error))?;
        self.submit(None, prepared.into_submission(signed.note.to_string())).await
    }

    /// A request to an intake for its periods from a number on.
    ///
    /// # Errors
    /// [`StoreError::Row`] when the clock's reading has no text.
    pub fn sign_pull(&self, intake: &str, from: u64) -> Result<String, StoreError> {
        let wrong = |error: &dyn std::error::Error| StoreError::row(from, "request", chain(error));
        let text = pull_text(intake, from, self.clock().now()).map_err(|error| wrong(&error))?;
        note::sign(&text, &[self.log_key()]).map_err(|error| wrong(&error))
    }

    /// A file of capsules for an intake.
    ///
    /// # Errors
    /// [`StoreError::Row`] when the clock's reading has no text.
    pub fn sign_capsules(&self, intake: &str, capsules: &Capsules) -> Result<String, StoreError> {
        let wrong = |error: &dyn std::error::Error| StoreError::row(capsules.answered, "capsules", chain(error));
        let text = capsules.text(intake).map_err(|error| wrong(&error))?;
        let note = note::sign(&text, &[self.log_key()]).map_err(|error| wrong(&error))?;
        Ok(capsules.to_file(&note))
    }
}
