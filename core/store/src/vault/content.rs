//! What is sealed with a vault's data keys, and opened with them: the values of a statement, the note of a sealed event, its
//! envelope.
//!
//! Sealing makes the data keys that it needs; opening needs them loaded. What was erased has none, and is told apart from what
//! was changed. Not here: the keys themselves (`keys`) and the bytes of the scheme (`gongkai_domain::vault`).

use std::{collections::BTreeMap, sync::Arc};

use gongkai_domain::{
    envelope::Envelope,
    vault::{self as sealing, NONCE_BYTES, Opened, Place, Sealed, Spot, VaultError},
};
use gongkai_log::{Digest, SignedStatement, Statement, Tier, sealed, slot};
use serde_json::{Map, Value};

use super::{KeyEntry, Tag, Vault, VaultFault, sealed_fault};
use crate::event_store::{RawSealed, SealedValue};

/// The values of one statement that could be opened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenedValues {
    /// Slots: number, tier, opening.
    pub slots: Vec<(u8, Tier, Opened)>,
    /// Cells: line, tier, opening.
    pub cells: Vec<(u64, Tier, Opened)>,
    /// Whether data keys were missing: erased, or never here.
    pub erased: bool,
}

/// A sealed event whose content could be opened.
#[derive(Clone, Debug)]
pub struct OpenedEvent {
    /// Its note, verbatim, and what is in it.
    pub signed: SignedStatement,
    /// The salt of its commitment.
    pub salt: [u8; 32],
    /// Its slots, as far as the ledger can open them.
    pub slots: Vec<(u8, Tier, Opened)>,
    /// What only the body's receivers can open.
    pub envelope: Option<Envelope>,
}

impl OpenedEvent {
    /// The slots by name; `None` when they are in an envelope.
    pub fn values(&self) -> Option<Map<String, Value>> {
        let values = || self.slots.iter().map(|(_, _, opened)| (opened.name.clone(), opened.value.clone())).collect();
        self.envelope.is_none().then(values)
    }
}

/// The note of a sealed event, before it has its place.
#[derive(Clone, Debug)]
pub(crate) struct SealedNote {
    pub commitment: Digest,
    pub tag: Tag,
    pub tier: Tier,
    pub nonce: [u8; NONCE_BYTES],
    pub note: Vec<u8>,
    pub envelope: Option<Vec<u8>>,
    pub status: Digest,
}

impl Vault {
    /// Seals a statement's values. Data keys that it needs and that do not exist are made.
    pub(crate) fn seal(
        &self,
        statement: &Statement,
        values: Vec<(u64, Option<u64>, Tier, Digest, Opened)>,
    ) -> Result<(Vec<SealedValue>, Vec<Arc<KeyEntry>>), VaultFault> {
        let tag = self.tag(&statement.stream);
        let mut keys: BTreeMap<Tier, Arc<KeyEntry>> = BTreeMap::new();
        let mut sealed = Vec::with_capacity(values.len());
        for (ordinal, line, tier, commitment, opened) in values {
            let key = if let Some(key) = keys.get(&tier) {
                Arc::clone(key)
            } else {
                let key = self.0.keys.obtain(tag, tier, &statement.org)?;
                keys.insert(tier, Arc::clone(&key));
                key
            };
            let nonce = self.nonce();
            let spot = line.map_or_else(|| Spot::Slot(u8::try_from(ordinal).unwrap_or(u8::MAX)), Spot::Cell);
            let place = self.place(statement, spot, tier, commitment);
            let Sealed { bytes, .. } =
                sealing::seal(key.key(), &place, &opened.salt, (&opened.name, &opened.value), nonce)
                    .map_err(|source| sealed_fault("value", source))?;
            sealed.push(SealedValue { ordinal, line, tier, commitment, nonce, bytes });
        }
        Ok((sealed, keys.into_values().collect()))
    }

    /// Seals the note of a sealed event, and its envelope.
    pub(crate) fn seal_event(
        &self,
        signed: &SignedStatement,
        tier: Tier,
        envelope: Option<&Envelope>,
    ) -> Result<(SealedNote, Arc<KeyEntry>), VaultFault> {
        let origin = &self.0.origin;
        let tag = self.tag(&signed.statement.stream);
        let key = self.0.keys.obtain(tag, tier, &signed.statement.org)?;
        let mut salt = [0; 32];
        (self.0.entropy)(&mut salt);
        let nonce = self.nonce();
        let note = signed.note.to_string();
        let commitment = sealed::commit_event(&salt, &note);
        let fault = |source| sealed_fault("note", source);
        let sealed_note = sealing::seal_event(key.key(), origin, &salt, &note, nonce).map_err(fault)?;
        let envelope = envelope.map(|envelope| {
            let nonce = self.nonce();
            let text = serde_json::to_string(envelope).map_err(|_| VaultError::Value)?;
            let sealed = sealing::seal_envelope(key.key(), origin, &commitment, &text, nonce)?;
            Ok([&sealed.nonce[..], &sealed.bytes].concat())
        });
        let event = SealedNote {
            commitment,
            tag,
            tier,
            nonce,
            note: sealed_note.bytes,
            envelope: envelope.transpose().map_err(fault)?,
            status: Digest::of(self.status_code(&commitment).as_bytes()),
        };
        Ok((event, key))
    }

    /// Opens a sealed event; its data keys must have been loaded. `None` when it was erased.
    ///
    /// # Errors
    /// [`VaultFault::Sealed`] for bytes that are not what was sealed.
    pub(crate) fn open_event(&self, row: &RawSealed) -> Result<Option<OpenedEvent>, VaultFault> {
        let (tag, commitment) = (Tag(row.tag), &row.commitment);
        let fault = |source| sealed_fault(&format!("sealed event {}", row.seq), source);
        let Some((salt, signed)) = self.open_note(row)? else { return Ok(None) };
        let envelope = match &row.envelope {
            Some(bytes) => self.open_envelope(tag, row.tier, commitment, bytes)?,
            None => None,
        };
        if slot::root(&row.commitments) != signed.statement.slots || self.tag(&signed.statement.stream) != tag {
            return Err(fault(VaultError::Commitment));
        }
        let OpenedValues { slots, .. } = self.open_values(&signed.statement, &row.values)?;
        for (number, _, _) in &slots {
            let value = row.values.iter().find(|value| value.ordinal == u64::from(*number));
            if value.map(|value| value.commitment) != row.commitments.get(usize::from(*number)).copied() {
                return Err(fault(VaultError::Commitment));
            }
        }
        Ok(Some(OpenedEvent { signed, salt, slots, envelope }))
    }

    /// Opens the note of a sealed event, and proves that it is what was promised; `None` when its data key or its
    /// ciphertext is gone.
    pub(crate) fn open_note(&self, row: &RawSealed) -> Result<Option<([u8; 32], SignedStatement)>, VaultFault> {
        let (Some(key), Some((nonce, bytes))) = (self.0.keys.get(Tag(row.tag), row.tier), row.note.clone()) else {
            return Ok(None);
        };
        let fault = |source| sealed_fault(&format!("sealed event {}", row.seq), source);
        let note = sealing::open_event(key.key(), &self.0.origin, &row.commitment, &Sealed { nonce, bytes });
        let (salt, note) = note.map_err(fault)?;
        let signed = SignedStatement::parse(&note).map_err(|_| fault(VaultError::Commitment))?;
        Ok(Some((salt, signed)))
    }

    /// Opens the outer seal of an envelope. `None` when its data key is gone.
    ///
    /// # Errors
    /// [`VaultFault::Sealed`].
    pub(crate) fn open_envelope(
        &self,
        tag: Tag,
        tier: Tier,
        commitment: &Digest,
        bytes: &[u8],
    ) -> Result<Option<Envelope>, VaultFault> {
        let Some(key) = self.0.keys.get(tag, tier) else { return Ok(None) };
        let fault = |source| sealed_fault(&format!("envelope of {commitment}"), source);
        let (nonce, bytes) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or_else(|| fault(VaultError::Sealed))?;
        let sealed = Sealed { nonce: *nonce, bytes: bytes.to_vec() };
        let text = sealing::open_envelope(key.key(), &self.0.origin, commitment, &sealed).map_err(fault)?;
        serde_json::from_str(&text).map(Some).map_err(|_| fault(VaultError::Value))
    }

    /// Opens a statement's sealed values, as far as their data keys are there.
    ///
    /// # Errors
    /// [`VaultFault::Sealed`] naming a value that is not what was sealed: changed, moved, or of another key.
    pub(crate) fn open_values(
        &self,
        statement: &Statement,
        values: &[SealedValue],
    ) -> Result<OpenedValues, VaultFault> {
        let tag = self.tag(&statement.stream);
        let mut opened = OpenedValues::default();
        for value in values {
            match (self.open_value(statement, tag, value)?, value.line) {
                (None, _) => opened.erased = true,
                (Some(found), Some(line)) => opened.cells.push((line, value.tier, found)),
                (Some(found), None) => {
                    opened.slots.push((u8::try_from(value.ordinal).unwrap_or(u8::MAX), value.tier, found));
                }
            }
        }
        Ok(opened)
    }

    /// Opens one sealed value; `None` when its data key is gone.
    pub(crate) fn open_value(
        &self,
        statement: &Statement,
        tag: Tag,
        value: &SealedValue,
    ) -> Result<Option<Opened>, VaultFault> {
        let SealedValue { ordinal, line, tier, commitment, nonce, bytes } = value;
        let Some(key) = self.0.keys.get(tag, *tier) else { return Ok(None) };
        let slot = u8::try_from(*ordinal).unwrap_or(u8::MAX);
        let place = self.place(statement, line.map_or(Spot::Slot(slot), Spot::Cell), *tier, *commitment);
        let found = sealing::open(key.key(), &place, &Sealed { nonce: *nonce, bytes: bytes.clone() });
        found.map(Some).map_err(|source| sealed_fault(&format!("{} {}", statement.id(), place.spot), source))
    }

    fn place<'s>(&'s self, statement: &'s Statement, spot: Spot, tier: Tier, commitment: Digest) -> Place<'s> {
        Place {
            origin: &self.0.origin,
            stream: &statement.stream,
            revision: statement.revision,
            spot,
            tier,
            commitment,
        }
    }
}
