//! The ledger as everything else sees it: submit, read, follow.
//!
//! [`Ledger`] is a handle; clone it freely. Behind it run two threads, the sequencer and the publisher.
//! Writing takes an exclusive lock on the directory; reading does not ([`ReadStore`]).
//! Call [`Ledger::shutdown`] to end in good order; without it nothing is lost either, but what was
//! committed last is published on the next start.

mod answering;
mod files;
mod opening;
mod places;
mod shared;
mod submitting;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, SubsecRound as _, Utc};
use gongkai_domain::World;
use gongkai_log::{Digest, Entry, LogKeys, RefusalReceipt, SigningKey, StreamId, VerifierKey, note};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot, watch},
};

use self::places::Places;
pub(crate) use self::shared::Shared;
pub use self::{
    opening::{CreateOptions, take_lock},
    submitting::{ATTACHMENT_BYTES_MAX, IDEMPOTENCY_KEY_BYTES_MAX},
};
use crate::{
    bucket::Bucket,
    clock::Clock,
    cosigners::Cosigners,
    drafts::Drafts,
    error::{StoreError, SubmitError},
    files::PARTIALS_KEPT,
    layout::Layout,
    map::Map,
    observer::Observer,
    reader::{ReadStore, StoredEntry},
    recover::Recovery,
    sealed_reader::{self, SealedProof, SealedReader},
    sequencer::Message,
    taken::TakenBook,
    vault::Vault,
};

/// The ledger's own keys.
#[derive(Debug)]
pub struct LedgerKeys {
    /// Signs checkpoints and the genesis; its name is the origin.
    pub log: SigningKey,
    /// Signs what the ledger itself says.
    pub intake: SigningKey,
    /// Further log keys of this machine: one that was replaced and signs on for a time, one that is to come.
    pub beside: Vec<SigningKey>,
}

impl LedgerKeys {
    /// The private half of a log key, if it is here.
    pub(crate) fn log_key(&self, key: &VerifierKey) -> Option<&SigningKey> {
        std::iter::once(&self.log).chain(&self.beside).find(|own| own.verifier() == *key)
    }
}

/// Limits and times of a running ledger.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Most submissions in one transaction.
    pub batch_max: usize,
    /// Most submissions that wait; one more is answered [`SubmitError::Busy`].
    pub queue_max: usize,
    /// Least time between two checkpoints under load. The first after a quiet time comes at once.
    pub publish_interval: Duration,
    /// How far the wall clock may run ahead of the monotonic one between two batches.
    pub clock_jump_max: Duration,
    /// How far the clock may be from that of the database's server, where the rows lie on one: beyond, this node stops
    /// before the others have to follow it. `None` does not compare them.
    pub clocks_apart_max: Option<Duration>,
    /// How long a lock on the database is waited for.
    pub busy_timeout: Duration,
    /// Most streams whose state is kept in memory.
    pub streams_cached_max: usize,
    /// Largest attachment.
    pub attachment_bytes_max: u64,
    /// Most connections that read.
    pub readers_max: u32,
    /// Check and publish everything on start, not only the tail.
    pub republish_all: bool,
    /// The unlocked vault; without it public statements are all that is taken.
    pub vault: Option<Vault>,
    /// How often a period of sealed events is recorded, with or without events.
    pub period: Duration,
    /// How often the root of the map is logged, if there is something new.
    pub map_interval: Duration,
    /// Who cosigns checkpoints; `None` publishes them as the ledger signed them.
    pub cosigners: Option<Arc<dyn Cosigners>>,
    /// After how long without anything new the checkpoint is cosigned and published again: readers see that the ledger
    /// is alive, and a cosignature that came late is not lost.
    pub freshness: Duration,
    /// How long partial tiles stay after their tile is full, in the directory and in the bucket.
    pub partials_kept: Duration,
    /// Open although no key of the log is here, because it is about to be replaced. Nothing is published before that.
    pub awaits_key: bool,
    /// Where everything public is put besides the directory; `None` leaves it there alone.
    pub bucket: Option<Bucket>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            batch_max: 4_096,
            queue_max: 8_192,
            publish_interval: Duration::from_millis(50),
            clock_jump_max: Duration::from_hours(1),
            clocks_apart_max: None,
            busy_timeout: Duration::from_secs(5),
            streams_cached_max: 65_536,
            attachment_bytes_max: ATTACHMENT_BYTES_MAX as u64,
            readers_max: 4,
            republish_all: false,
            vault: None,
            period: Duration::from_mins(10),
            map_interval: Duration::from_mins(10),
            cosigners: None,
            freshness: Duration::from_mins(5),
            partials_kept: PARTIALS_KEPT,
            awaits_key: false,
            bucket: None,
        }
    }
}

/// That a statement was recorded, durably (design 9).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Receipt {
    /// Place in the log.
    pub index: u64,
    /// BLAKE3 of the entry's bytes.
    pub entry_hash: Digest,
    /// BLAKE3 of the statement's text.
    pub statement_hash: Digest,
    /// When it was recorded; whole microseconds.
    pub recorded_at: DateTime<Utc>,
}

impl Receipt {
    pub(crate) fn of(entry: &Entry) -> Self {
        Self {
            index: entry.index,
            entry_hash: entry.hash,
            statement_hash: entry.content.statement().map_or(Digest::ZERO, |signed| signed.hash),
            recorded_at: entry.recorded_at,
        }
    }
}

/// That a sealed event was received, durably: a promise to record it in a period.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Promised {
    /// The promise, a note signed by the intake key (design 3.2).
    pub promise: String,
    /// Commitment to the event.
    pub commitment: Digest,
    /// When it was received; whole microseconds.
    pub received_at: DateTime<Utc>,
    /// Until when a period must hold it; whole microseconds.
    pub deadline: DateTime<Utc>,
    /// Under which the submitter follows it without signing in.
    pub status_code: String,
}

/// What a submission became.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum Accepted {
    /// An entry of the log.
    Entry(Receipt),
    /// A sealed event that a period is going to record.
    Promise(Promised),
}

impl Accepted {
    /// The receipt of an entry.
    pub fn entry(self) -> Option<Receipt> {
        match self {
            Self::Entry(receipt) => Some(receipt),
            Self::Promise(_) => None,
        }
    }

    /// The promise for a sealed event.
    pub fn promise(self) -> Option<Promised> {
        match self {
            Self::Promise(promised) => Some(promised),
            Self::Entry(_) => None,
        }
    }
}

/// Whether the ledger accepts submissions, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Why it does not accept anything; `None` when it does.
    pub halted: Option<String>,
    /// Entries that are committed.
    pub committed: u64,
    /// Entries that are published.
    pub published: u64,
}

struct Inner {
    layout: Layout,
    keys: Arc<LedgerKeys>,
    runtime: Handle,
    settings: Settings,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
    reader: ReadStore,
    drafts: Option<Drafts>,
    taken: Option<TakenBook>,
    queue: mpsc::Sender<Message>,
    places: Places,
    // The sender ends with the sequencer's thread.
    done: watch::Receiver<()>,
    recovery: Recovery,
    map: Map,
}

/// A ledger that is open for writing.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ledger({} in {})", self.0.shared.origin, self.0.layout.root().display())
    }
}

impl Ledger {
    /// The ledger's name: what statements are bound to.
    pub fn origin(&self) -> &str {
        &self.0.shared.origin
    }

    /// Where it lies.
    pub fn layout(&self) -> &Layout {
        &self.0.layout
    }

    /// The clock that it was given.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// What the start found and mended.
    pub fn recovery(&self) -> &Recovery {
        &self.0.recovery
    }

    /// The working store beside the ledger; `None` without a vault. One handle serves everybody: clone it.
    pub fn drafts(&self) -> Option<Drafts> {
        self.0.drafts.clone()
    }

    /// Whether it accepts submissions, and how far it is.
    pub fn health(&self) -> Health {
        let shared = &self.0.shared;
        Health { halted: shared.halted(), committed: *shared.committed.borrow(), published: *shared.published.borrow() }
    }

    /// The log's verifier key of now: the genesis names it, or the rotation since.
    ///
    /// # Panics
    /// Never: a ledger does not open with another log key.
    pub fn vkey(&self) -> VerifierKey {
        let key = self.with_world(|world| world.key(self.origin()).map(|key| key.verifier.clone()));
        key.expect("a ledger does not open with another log key than its genesis names")
    }

    /// The log key of now, where it is on this machine.
    fn log_key(&self) -> &SigningKey {
        self.0.keys.log_key(&self.vkey()).unwrap_or(&self.0.keys.log)
    }

    /// The log's keys over time.
    pub fn log_keys(&self) -> LogKeys {
        self.with_world(|world| world.log_keys().cloned()).unwrap_or_else(|| (&self.vkey()).into())
    }

    /// Registry, calendar, rules and books as of the last commit. Keep it short: the sequencer waits.
    pub fn with_world<T>(&self, f: impl FnOnce(&World) -> T) -> T {
        self.0.shared.with_world(f)
    }

    /// Entries committed; changes after each commit.
    pub fn committed(&self) -> watch::Receiver<u64> {
        self.0.shared.committed.subscribe()
    }

    /// Sealed events committed, and erasures since the start; changes after each of them.
    pub fn sealed(&self) -> watch::Receiver<(u64, u64)> {
        self.0.shared.sealed.subscribe()
    }

    /// Entries published; changes after each checkpoint.
    pub fn published(&self) -> watch::Receiver<u64> {
        self.0.shared.published.subscribe()
    }

    /// At most `limit` entries (and at most 4,096) from index `from`, in order; empty only at the end.
    ///
    /// # Errors
    /// [`StoreError::Row`] for a damaged row.
    pub async fn entries(&self, from: u64, limit: u64) -> Result<Vec<StoredEntry>, StoreError> {
        self.0.reader.entries(from, limit).await
    }

    /// One entry; `None` beyond the end.
    ///
    /// # Errors
    /// [`StoreError::Row`] for a damaged row.
    pub async fn entry(&self, index: u64) -> Result<Option<StoredEntry>, StoreError> {
        self.0.reader.entry(index).await
    }

    /// A stream's entries in the order of their revisions.
    ///
    /// # Errors
    /// [`StoreError::Row`] for a damaged row.
    pub async fn stream(&self, stream: &StreamId) -> Result<Vec<StoredEntry>, StoreError> {
        self.0.reader.stream(stream).await
    }

    /// Reading without writing.
    pub fn reader(&self) -> &ReadStore {
        &self.0.reader
    }

    /// Submissions that wait for their turn.
    pub fn waiting(&self) -> usize {
        self.0.queue.max_capacity() - self.0.queue.capacity()
    }

    /// How many may wait; one more is answered [`SubmitError::Busy`].
    pub fn waiting_max(&self) -> usize {
        self.0.queue.max_capacity()
    }

    /// Has somebody count from now on; the first observer stays.
    pub fn observe(&self, observer: Arc<dyn Observer>) {
        self.0.shared.observe(observer);
    }

    /// Goes on after the clock stopped the ledger, if the clock is right now; halt and resumption are
    /// put on record.
    ///
    /// # Errors
    /// [`SubmitError::Halted`] when it is not, or when something else stopped the ledger.
    pub async fn resume(&self) -> Result<(), SubmitError> {
        let (answer, resumed) = oneshot::channel();
        self.0.queue.send(Message::Resume(answer)).await.map_err(|_| closed())?;
        resumed.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Records the period of the sealed events that were received since the last, without waiting for its time.
    ///
    /// Answers with the period's entry.
    ///
    /// # Errors
    /// [`SubmitError`]; a ledger without a vault has no periods.
    pub async fn end_period(&self) -> Result<u64, SubmitError> {
        let (answer, ended) = oneshot::channel();
        self.0.queue.send(Message::Period(Some(answer))).await.map_err(|_| closed())?;
        ended.await.unwrap_or_else(|_| Err(closed()))
    }

    /// What proves that nothing is missing.
    pub fn map(&self) -> &Map {
        &self.0.map
    }

    /// Logs the root of the map now, without waiting for its time; gives the entry, or `None` when there is nothing new.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn root_map(&self) -> Result<Option<u64>, SubmitError> {
        self.0.map.say().await
    }

    /// Has the ledger say any root, true or not.
    #[cfg(test)]
    pub(crate) async fn say_root(&self, root: gongkai_log::MapRoot) {
        let (answer, said) = oneshot::channel();
        self.0.queue.send(Message::Root(root, answer)).await.expect("the sequencer runs");
        said.await.expect("the sequencer answers").expect("the root is recorded");
    }

    fn sealed_with(&self, vault: &Vault) -> SealedReader {
        SealedReader::new(self.0.reader.clone(), vault.clone())
    }

    /// Reading what is sealed; `None` without a vault.
    pub fn sealed_reader(&self) -> Option<SealedReader> {
        self.0.settings.vault.as_ref().map(|vault| self.sealed_with(vault))
    }

    /// The unlocked vault.
    pub fn vault(&self) -> Option<&Vault> {
        self.0.settings.vault.as_ref()
    }

    /// Where a promise was kept: the place of a sealed event in the log; `None` when there is no such event, and until
    /// its period is recorded. It needs no vault.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn kept_promise(&self, commitment: &Digest) -> Result<Option<SealedProof>, StoreError> {
        sealed_reader::place_of(&self.0.reader, commitment).await
    }

    /// The key that signs for people who have none: promises, receipts, and what they hand in.
    pub fn intake_key(&self) -> VerifierKey {
        self.0.keys.intake.verifier()
    }

    /// A receipt that a submission was refused now, signed by the intake key.
    ///
    /// # Errors
    /// [`StoreError::Row`] when there is no such code.
    pub fn receipt_of_refusal(&self, submission: Digest, code: &str) -> Result<String, StoreError> {
        let refused_at = self.0.clock.now().trunc_subsecs(6);
        let receipt =
            RefusalReceipt { origin: self.origin().to_owned(), submission, refused_at, code: code.to_owned() };
        let wrong = |e: &dyn std::error::Error| StoreError::row(0, "refusal", crate::reader::chain(e));
        let text = receipt.text().map_err(|e| wrong(&e))?;
        note::sign(&text, &[&self.0.keys.intake]).map_err(|e| wrong(&e))
    }

    /// Ends in good order: everything accepted is answered, committed, published and flushed, the
    /// database is closed and the lock released. Reading through this handle ends too.
    pub async fn shutdown(&self) {
        // An error means that the sequencer is closing or gone already.
        let _ = self.0.queue.send(Message::Close).await;
        let mut done = self.0.done.clone();
        // The sender never sends: this ends, with an error, when the thread does.
        while done.changed().await.is_ok() {}
        self.0.map.close().await;
    }
}

fn closed() -> SubmitError {
    SubmitError::Halted("账本正在关闭".into())
}
