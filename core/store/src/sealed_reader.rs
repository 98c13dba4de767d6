//! Reading what is sealed: the events, the values beside public entries, and their proofs.
//!
//! It opens what it is asked for and decides nothing: whoever calls it has a clearance, and the access on
//! record. What was erased is said to be erased; what cannot be opened and was not erased is a fault.

use std::collections::HashMap;

use gongkai_domain::{Head, Recorded};
use gongkai_log::{Content, Digest, StreamId, sealed::PERIOD_LEAVES};

use crate::{
    cores::on_all_cores,
    error::StoreError,
    event_store::RawSealed,
    reader::{ReadStore, parse_entry},
    sealed_tables, tables,
    vault::{OpenedEvent, OpenedValues, Tag, Vault, VaultFault},
};

/// Most sealed events that one read gives.
const READ_EVENTS_MAX: u64 = 1_024;

/// A sealed event as it is stored, and its content unless that was erased.
#[derive(Clone, Debug)]
pub struct SealedEvent {
    /// Order of receipt, from 0.
    pub seq: u64,
    /// The row: commitments, times, period.
    pub row: RawSealed,
    /// Its content; `None` once erased.
    pub opened: Option<OpenedEvent>,
}

impl OpenedEvent {
    /// What a function makes of the event of a row as a recorded one.
    pub fn with_recorded<T>(&self, row: &RawSealed, f: impl FnOnce(&Recorded<'_>) -> T) -> T {
        let values = self.values();
        f(&Recorded {
            index: row.as_of,
            recorded_at: row.received_at,
            statement: &self.signed.statement,
            hash: self.signed.hash,
            values: values.as_ref(),
        })
    }
}

/// Where a sealed event is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedProof {
    /// Entry of the period.
    pub index: u64,
    /// Leaf in the period's tree.
    pub leaf: u64,
    /// The 16 hashes from the leaf to the period's root.
    pub path: Vec<Digest>,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct SealedReader {
    reader: ReadStore,
    vault: Vault,
}

impl SealedReader {
    /// Reads with an unlocked vault.
    pub fn new(reader: ReadStore, vault: Vault) -> Self {
        Self { reader, vault }
    }

    /// The vault.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    async fn open(&self, rows: Vec<RawSealed>) -> Result<Vec<SealedEvent>, VaultFault> {
        let tags: Vec<Tag> = rows.iter().map(|row| Tag(row.tag)).collect();
        let _held = self.vault.load(&tags).await?;
        let opened = on_all_cores(&rows, |row| self.vault.open_event(row))?;
        let event = |(row, opened): (RawSealed, _)| SealedEvent { seq: row.seq, opened, row };
        Ok(rows.into_iter().zip(opened).map(event).collect())
    }

    /// All events of these subjects; their rows are read while most of their keys are loaded.
    async fn open_subjects(&self, tags: &[Tag]) -> Result<Vec<SealedEvent>, VaultFault> {
        let rows = async {
            let mut connection = self.reader.connection().await?;
            sealed_tables::load_by_tag(&mut connection, tags).await
        };
        let (rows, held) = tokio::join!(rows, self.vault.load(tags));
        let _held = held?;
        self.open(rows?).await
    }

    /// Sealed events from number `from`, in the order of receipt; empty only at the end.
    ///
    /// # Errors
    /// [`VaultFault`].
    pub async fn events(&self, from: u64, limit: u64) -> Result<Vec<SealedEvent>, VaultFault> {
        let to = from.saturating_add(limit.min(READ_EVENTS_MAX)).min(i64::MAX.cast_unsigned());
        let mut connection = self.reader.connection().await?;
        let rows = sealed_tables::load_events(&mut connection, from, to).await?;
        drop(connection);
        self.open(rows).await
    }

    /// One sealed event; `None` beyond the last.
    ///
    /// # Errors
    /// [`VaultFault`].
    pub async fn event(&self, seq: u64) -> Result<Option<SealedEvent>, VaultFault> {
        Ok(self.events(seq, 1).await?.pop())
    }

    /// A sealed stream's events, in order; empty when there is none, and when it was erased.
    ///
    /// # Errors
    /// [`VaultFault`].
    pub async fn stream(&self, stream: &StreamId) -> Result<Vec<SealedEvent>, VaultFault> {
        self.open_subjects(&[self.vault.tag(stream)]).await
    }

    /// The events of several different sealed streams, each in order, as [`Self::stream`] gives them one by one.
    ///
    /// # Errors
    /// [`VaultFault`].
    pub async fn streams(&self, streams: &[&StreamId]) -> Result<Vec<Vec<SealedEvent>>, VaultFault> {
        let tags: Vec<Tag> = streams.iter().map(|stream| self.vault.tag(stream)).collect();
        let mut events: HashMap<[u8; 16], Vec<SealedEvent>> = HashMap::new();
        for event in self.open_subjects(&tags).await? {
            events.entry(event.row.tag).or_default().push(event);
        }
        Ok(tags.iter().map(|tag| events.remove(&tag.0).unwrap_or_default()).collect())
    }

    /// The latest statement of a sealed stream.
    ///
    /// # Errors
    /// [`VaultFault`].
    pub async fn stream_head(&self, stream: &StreamId) -> Result<Option<Head>, VaultFault> {
        let last = self.stream(stream).await?.into_iter().filter_map(|event| event.opened).next_back();
        Ok(last.map(|opened| Head { revision: opened.signed.statement.revision, hash: opened.signed.hash }))
    }

    /// The event that a status code follows.
    ///
    /// # Errors
    /// [`VaultFault`].
    pub async fn by_status_code(&self, code: &str) -> Result<Option<SealedEvent>, VaultFault> {
        let mut connection = self.reader.connection().await?;
        let seq = sealed_tables::find_by_status(&mut connection, &Digest::of(code.as_bytes())).await?;
        drop(connection);
        match seq {
            Some(seq) => self.event(seq).await,
            None => Ok(None),
        }
    }

    /// The event with a commitment.
    ///
    /// # Errors
    /// [`VaultFault`].
    pub async fn by_commitment(&self, commitment: &Digest) -> Result<Option<SealedEvent>, VaultFault> {
        let mut connection = self.reader.connection().await?;
        let seq = sealed_tables::find_by_commitment(&mut connection, commitment).await?;
        drop(connection);
        match seq {
            Some(seq) => self.event(seq).await,
            None => Ok(None),
        }
    }

    /// What is sealed of a public entry.
    ///
    /// # Errors
    /// [`VaultFault`].
    pub async fn values_of(&self, index: u64) -> Result<Option<OpenedValues>, VaultFault> {
        let mut connection = self.reader.connection().await?;
        let rows = tables::load_range(&mut connection, index, index + 1).await?;
        let values = sealed_tables::load_values_of(&mut connection, index).await?;
        drop(connection);
        let Some(row) = rows.into_iter().next() else { return Ok(None) };
        let Content::Statement(signed) = parse_entry(row.index, row.bytes)?.content else { return Ok(None) };
        let _held = self.vault.load(&[self.vault.tag(&signed.statement.stream)]).await?;
        Ok(Some(self.vault.open_values(&signed.statement, &values)?))
    }

    /// Entries from `from` to `to`, exclusive, of which something is sealed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn entries_with_values(&self, from: u64, to: u64) -> Result<Vec<u64>, StoreError> {
        let mut connection = self.reader.connection().await?;
        sealed_tables::load_valued_entries(&mut connection, from, to).await
    }

    /// Entries of periods from `from` to `to`, exclusive, with what gives the salts of their decoys.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn periods(&self, from: u64, to: u64) -> Result<Vec<(u64, [u8; 32])>, StoreError> {
        let mut connection = self.reader.connection().await?;
        sealed_tables::load_periods(&mut connection, from, to).await
    }

    /// All subjects whose erasure is on record.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn erased(&self) -> Result<Vec<Tag>, StoreError> {
        let mut connection = self.reader.connection().await?;
        Ok(sealed_tables::load_erased(&mut connection).await?.into_iter().map(Tag).collect())
    }

    /// Whether an erasure of this stream is on record.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_erased(&self, stream: &StreamId) -> Result<bool, StoreError> {
        self.is_erased_tag(self.vault.tag(stream)).await
    }

    /// Whether an erasure of a subject is on record.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_erased_tag(&self, tag: Tag) -> Result<bool, StoreError> {
        let mut connection = self.reader.connection().await?;
        sealed_tables::is_erased(&mut connection, tag.0).await
    }

    /// The salts of all decoys of a period, by leaf: what shows an inspector that none hides an event.
    pub fn decoy_salts(&self, nonce: &[u8; 32]) -> Vec<[u8; 32]> {
        let salts = self.vault.decoy_salts(nonce);
        (0..PERIOD_LEAVES).map(salts).collect()
    }
}

/// The place of the event with a commitment, from its row alone.
pub(crate) async fn place_of(reader: &ReadStore, commitment: &Digest) -> Result<Option<SealedProof>, StoreError> {
    let mut connection = reader.connection().await?;
    let Some(seq) = sealed_tables::find_by_commitment(&mut connection, commitment).await? else { return Ok(None) };
    let rows = sealed_tables::load_events(&mut connection, seq, seq + 1).await?;
    let period = rows.into_iter().next().and_then(|row| row.period);
    Ok(period.map(|(index, leaf, path)| SealedProof { index, leaf, path }))
}

impl SealedEvent {
    /// Its place in the log; `None` until its period is recorded.
    pub fn proof(&self) -> Option<SealedProof> {
        let (index, leaf, path) = self.row.period.clone()?;
        Some(SealedProof { index, leaf, path })
    }
}
