//! What a database must do for a ledger.
//!
//! One writer at a time appends batches, each at one commit point, and is fenced as soon as another
//! takes over. The store judges nothing and computes no hash: bytes come in and go out verbatim.
//! A further database implements [`EventStore`] and passes `conformance` (feature `testing`).

use std::future::Future;

use chrono::{DateTime, Utc};
use gongkai_domain::vault::NONCE_BYTES;
use gongkai_log::{Digest, Edge, SLOTS, Tier};

use crate::error::StoreError;

/// The log as of its last entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogHead {
    /// Entries.
    pub size: u64,
    /// BLAKE3 of the last entry; zero while there is none.
    pub entry_hash: Digest,
    /// Right edge of the tree.
    pub edge: Edge,
    /// When the last entry was recorded; 1970 while there is none.
    pub recorded_at: DateTime<Utc>,
}

impl LogHead {
    /// The head of a log without entries.
    pub fn empty() -> Self {
        Self { size: 0, entry_hash: Digest::ZERO, edge: Edge::new(), recorded_at: DateTime::UNIX_EPOCH }
    }
}

/// An entry to append, with everything that is committed beside it.
#[derive(Clone, Debug, Default)]
pub struct NewEntry {
    /// The entry's bytes.
    pub bytes: Vec<u8>,
    /// Stream and revision; `None` for a sealed period.
    pub stream: Option<(String, u64)>,
    /// Line of the openings file.
    pub openings: Option<String>,
    /// Text of the lines file.
    pub list: Option<String>,
    /// Attachments that it names.
    pub attachments: Vec<Digest>,
    /// Idempotency key and digest of the request.
    pub request: Option<(String, Digest)>,
    /// What is not public of it.
    pub sealed: Vec<SealedValue>,
    /// Which slots those are, where there is a vault.
    pub inventory: Option<Inventory>,
    /// The sealed events that it records, if it is a period.
    pub period: Option<Period>,
}

/// A value that only its data key opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedValue {
    /// Slot number; from 16 on a cell of the list.
    pub ordinal: u64,
    /// Line of the cell.
    pub line: Option<u64>,
    /// To whom it is disclosed.
    pub tier: Tier,
    /// Commitment of the slot or cell.
    pub commitment: Digest,
    /// Random.
    pub nonce: [u8; NONCE_BYTES],
    /// Ciphertext.
    pub bytes: Vec<u8>,
}

/// Which slots of a statement are sealed, as the vault wrote it down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// The slots, a bit each, slot 0 the lowest.
    pub slots: u16,
    /// Binds them to the statement under a key of the vault.
    pub mac: [u8; 16],
}

/// A wholly sealed event, promised to be in a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSealed {
    /// Order of receipt.
    pub seq: u64,
    /// Commitment to salt and note.
    pub commitment: Digest,
    /// Blind index of its stream.
    pub tag: [u8; 16],
    /// Which of the subject's data keys sealed the note.
    pub tier: Tier,
    /// Entries before it.
    pub as_of: u64,
    /// When it was received.
    pub received_at: DateTime<Utc>,
    /// Until when a period must hold it.
    pub deadline: DateTime<Utc>,
    /// Random.
    pub nonce: [u8; NONCE_BYTES],
    /// Salt and note, encrypted.
    pub note: Vec<u8>,
    /// The envelope to a body's receivers, encrypted once more.
    pub envelope: Option<Vec<u8>>,
    /// The commitments of its slots.
    pub commitments: [Digest; SLOTS],
    /// BLAKE3 of the status code.
    pub status: Option<Digest>,
    /// Its slots.
    pub values: Vec<SealedValue>,
    /// Which slots those are.
    pub inventory: Inventory,
    /// Idempotency key and digest of the request.
    pub request: Option<(String, Digest)>,
}

/// What a period's entry records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// What gives the salts of its decoys.
    pub nonce: [u8; 32],
    /// The events in it.
    pub leaves: Vec<PeriodLeaf>,
}

/// The place of a sealed event in a period's tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeriodLeaf {
    /// The event.
    pub seq: u64,
    /// The leaf.
    pub leaf: u64,
    /// The 16 hashes from the leaf to the root.
    pub path: Vec<Digest>,
}

/// A sealed event as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawSealed {
    /// Order of receipt.
    pub seq: u64,
    /// Commitment to salt and note.
    pub commitment: Digest,
    /// Blind index of its stream.
    pub tag: [u8; 16],
    /// Which of the subject's data keys sealed the note.
    pub tier: Tier,
    /// Entries before it.
    pub as_of: u64,
    /// When it was received.
    pub received_at: DateTime<Utc>,
    /// Until when a period must hold it.
    pub deadline: DateTime<Utc>,
    /// Nonce, salt and note, encrypted; `None` once erased.
    pub note: Option<([u8; NONCE_BYTES], Vec<u8>)>,
    /// The envelope to a body's receivers.
    pub envelope: Option<Vec<u8>>,
    /// The commitments of its slots.
    pub commitments: [Digest; SLOTS],
    /// Entry of its period, leaf and path; `None` until then.
    pub period: Option<(u64, u64, Vec<Digest>)>,
    /// Its slots.
    pub values: Vec<SealedValue>,
}

/// A sealed event that no period holds yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Order of receipt.
    pub seq: u64,
    /// Commitment to salt and note.
    pub commitment: Digest,
}

/// What a withdrawal leaves of an earlier entry's openings.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The earlier entry.
    pub index: u64,
    /// Its new openings line.
    pub openings: Option<String>,
    /// Its new list.
    pub list: Option<String>,
}

/// One transaction: everything or nothing.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The size from which it goes on.
    pub from: u64,
    /// Entries, the first at index `from`.
    pub entries: Vec<NewEntry>,
    /// Sealed events, in the order of receipt.
    pub sealed: Vec<NewSealed>,
    /// Streams whose sealed content is erased, by blind index.
    pub erased: Vec<Erased>,
    /// Withdrawn openings of earlier entries. Their old text must be gone from every file of the
    /// database soon after the commit.
    pub changed: Vec<Changed>,
    /// The head after it.
    pub head: LogHead,
    /// How far files are durable, if that is news.
    pub publication: Option<Publication>,
    /// Whether the pending halt is on record with this batch.
    pub clears_halt: bool,
}

impl Batch {
    /// Entries and nothing else.
    pub fn of(from: u64, entries: Vec<NewEntry>, head: LogHead) -> Self {
        Self {
            from,
            entries,
            sealed: Vec::new(),
            erased: Vec::new(),
            changed: Vec::new(),
            head,
            publication: None,
            clears_halt: false,
        }
    }
}

/// A subject whose sealed content goes: its keys are destroyed before the commit, the ciphertext with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// Blind index of the stream.
    pub tag: [u8; 16],
    /// Its public entries, if it is a public matter.
    pub entries: Vec<u64>,
}

/// How far the published files are known to be on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Entries, a multiple of 256.
    pub durable_size: u64,
    /// The checkpoint note at that time.
    pub checkpoint: String,
}

/// The turn of one of several writers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The log as of the last commit, whoever made it.
    pub head: LogHead,
    /// The time by the database's clock, at some moment while the turn was waited for.
    pub clock: DateTime<Utc>,
    /// Index and bytes of the entries from the one that was asked for on, in order: of very many the first.
    pub entries: Vec<(u64, Vec<u8>)>,
}

/// A halt that is not in the log yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halt {
    /// `clock_back` or `clock_ahead`.
    pub cause: String,
    /// The clock's reading.
    pub observed_at: DateTime<Utc>,
}

/// An entry as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawEntry {
    /// Place in the log.
    pub index: u64,
    /// The entry's bytes.
    pub bytes: Vec<u8>,
    /// Line of the openings file.
    pub openings: Option<String>,
    /// Text of the lines file.
    pub list: Option<String>,
}

/// A statement of a stream as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEntry {
    /// The stream.
    pub stream: String,
    /// Place in the log.
    pub index: u64,
    /// The entry's bytes.
    pub bytes: Vec<u8>,
}

/// A request that was recorded before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownRequest {
    /// Idempotency key.
    pub key: String,
    /// Digest of the request.
    pub request: Digest,
    /// Where its statement is.
    pub at: At,
}

/// Where a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum At {
    /// The entry at this index.
    Entry(u64),
    /// The sealed event with this number.
    Sealed(u64),
}

/// What was recorded before a batch, as far as it concerns the batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Requests with one of its idempotency keys.
    pub requests: Vec<KnownRequest>,
    /// Statements of its streams.
    pub streams: Vec<StreamEntry>,
}

/// The writer's side of a ledger database.
pub trait EventStore: Send + 'static {
    /// The head.
    fn load_head(&mut self) -> impl Future<Output = Result<LogHead, StoreError>> + Send;

    /// Entries from index `from` to `to`, exclusive, in order.
    fn load_range(&mut self, from: u64, to: u64) -> impl Future<Output = Result<Vec<RawEntry>, StoreError>> + Send;

    /// What a batch needs to know: which of these idempotency keys are known, and all statements of these
    /// streams, by stream and revision. One way to the database and back, however many.
    fn look_up(
        &mut self,
        keys: Vec<String>,
        streams: Vec<String>,
    ) -> impl Future<Output = Result<Known, StoreError>> + Send;

    /// The entry of the last period of sealed events; `None` before the first.
    fn load_last_period(&mut self) -> impl Future<Output = Result<Option<u64>, StoreError>> + Send;

    /// How many sealed events there are.
    fn count_sealed(&mut self) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// The sealed events that no period holds yet.
    fn load_waiting(&mut self) -> impl Future<Output = Result<Vec<Waiting>, StoreError>> + Send;

    /// The sealed events of these streams, by blind index and in the order of receipt.
    fn load_sealed(&mut self, tags: Vec<[u8; 16]>) -> impl Future<Output = Result<Vec<RawSealed>, StoreError>> + Send;

    /// One sealed event; `None` beyond the last.
    fn load_sealed_event(&mut self, seq: u64) -> impl Future<Output = Result<Option<RawSealed>, StoreError>> + Send;

    /// The sealed event with a commitment.
    fn find_sealed(&mut self, commitment: Digest)
    -> impl Future<Output = Result<Option<RawSealed>, StoreError>> + Send;

    /// Erasures that are on record and whose keys are not known to be destroyed.
    fn load_erasures(&mut self) -> impl Future<Output = Result<Vec<Erased>, StoreError>> + Send;

    /// Remembers that the keys of an erased subject are destroyed.
    fn finish_erasure(&mut self, tag: [u8; 16]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// What is sealed of an entry.
    fn load_sealed_values(&mut self, index: u64) -> impl Future<Output = Result<Vec<SealedValue>, StoreError>> + Send;

    /// Appends at one commit point. An error for which [`StoreError::is_passing`] means that nothing was
    /// written; after any other the writer must stop.
    fn append(&mut self, batch: Batch) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Waits for this writer's turn among all that write here, until [`Self::append`] or [`Self::pass`] ends it: nobody else
    /// commits meanwhile. In a turn it is the same turn again. `None` where only one writes, which is always its turn. With it
    /// comes what was committed from index `_from` on: one way to the database and back, for all others wait meanwhile.
    ///
    /// [`StoreError::Fenced`] when another has taken over for itself.
    fn take_turn(&mut self, _from: u64) -> impl Future<Output = Result<Option<Turn>, StoreError>> + Send {
        std::future::ready(Ok(None))
    }

    /// Ends a turn in which nothing is committed. An error shows at the next turn.
    fn pass(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// What nobody waits for, done when the receipts of a batch have left. Errors show at the next append.
    fn rest(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Connects again after [`StoreError::Gone`], still as the same writer.
    ///
    /// [`StoreError::Fenced`] when another has taken over meanwhile. A database of this machine is never gone.
    fn reconnect(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send {
        std::future::ready(Ok(()))
    }

    /// How far files are durable; `None` before the first time.
    fn load_publication(&mut self) -> impl Future<Output = Result<Option<Publication>, StoreError>> + Send;

    /// Remembers how far files are durable.
    fn save_publication(&mut self, publication: Publication) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The halt that is not in the log yet.
    fn load_halt(&mut self) -> impl Future<Output = Result<Option<Halt>, StoreError>> + Send;

    /// Remembers a halt until it is in the log.
    fn save_halt(&mut self, halt: Halt) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Ends the connection in good order.
    fn close(self) -> impl Future<Output = Result<(), StoreError>> + Send;
}
