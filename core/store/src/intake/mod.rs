//! An intake's book: what was handed in on the internet side of a network gap, durably, and its small log.
//!
//! A packet is kept before its promise leaves; the same packet again gets the same promise. Once a period, with or without
//! packets, one entry takes in all that wait, at places among decoys (`gongkai_domain::gap`). That transaction is the commit
//! point. What is published (tiles, and the checkpoint last) is made from it, now or on the next start, by the same code. A
//! book that is older than the checkpoint beside it is refused: going on would fork the log.
//!
//! Capsules come from the ledger, signed, and replace each other. Packets whose period is answered are forgotten; commitment
//! and path stay, for whoever holds the promise. With each period the intake publishes which packets are overdue.
//!
//! Not here: HTTP, limits on who hands in, where keys come from. When a commit fails, nobody knows what is on the disk until
//! the next start, so nothing more is promised.

mod table;
#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use gongkai_domain::gap::{self, Batches, Capsules, GapError, Late, Packet};
use gongkai_log::{
    Checkpoint, Digest, Entry, Promise, SealedPeriod, SigningKey, VerifierKey, checkpoint, note,
    sealed::{PERIOD_LEAVES, commit_event},
};
use tokio::sync::Mutex;

use self::table::{NewBatch, NewPacket, Table};
use crate::{
    clock::Clock,
    error::StoreError,
    growing::Growing,
    layout::Layout,
    mirror::records::put,
    reader::{chain, parse_entry},
    sealed_reader::SealedProof,
    vault::Entropy,
};

/// A promise counts the period that runs and the one after it, then the ledger's time.
const PROMISE_PERIODS: i32 = 2;
/// Most bytes of packets in one file of batches; a period's packets are never divided.
const CARRIED_BYTES_MAX: u64 = 128 << 20;

/// Name of the list of what is late, beside the log.
pub const LATE_FILE: &str = "late";

/// Why an intake does not start, or does not take something.
#[derive(Debug, thiserror::Error)]
pub enum IntakeFault {
    /// The file is another program's or a later version's; it was not touched.
    #[error("{} is no intake's book that this program knows", .0.display())]
    Foreign(PathBuf),
    /// What is kept is not what was published: an older copy, or damaged.
    #[error("batch {index}: {reason}")]
    Damaged {
        /// Which batch.
        index: u64,
        /// What is wrong.
        reason: String,
    },
    /// What came is not believed.
    #[error(transparent)]
    Refused(#[from] GapError),
    /// As many packets as a period takes wait already.
    #[error("the period is full")]
    Full,
    /// An earlier commit failed, or the clock is unusable.
    #[error("the intake stands still until it is started again")]
    Halted,
    /// The database or the disk failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What whoever hands in gets.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HandedIn {
    /// A note signed by the intake's key.
    pub promise: String,
    /// Commitment to the packet.
    pub commitment: Digest,
    /// Its salt: with the packet it proves what was promised.
    pub salt: Digest,
    /// When it was received; whole microseconds.
    pub received_at: DateTime<Utc>,
    /// By when the ledger has answered; whole microseconds.
    pub deadline: DateTime<Utc>,
}

/// How an intake runs.
#[derive(Clone, Copy, Debug)]
pub struct IntakeSettings {
    /// How often a period is recorded.
    pub period: Duration,
    /// How many hours the ledger has for an answer.
    pub answer_hours: u32,
}

/// How an intake stands, for whoever runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntakeStands {
    /// Whether packets are taken: none are after a commit that failed.
    pub is_taking: bool,
    /// Packets that wait for the running period to end.
    pub waiting: u64,
    /// Packets that one takes.
    pub waiting_max: u64,
    /// Periods in its log.
    pub periods: u64,
    /// Periods that the ledger has answered, as far as is known here.
    pub answered: u64,
    /// Packets that the ledger should have answered by now.
    pub overdue: u64,
}

struct Inner {
    layout: Layout,
    key: SigningKey,
    ledger: VerifierKey,
    settings: IntakeSettings,
    clock: Arc<dyn Clock>,
    entropy: Entropy,
    halted: AtomicBool,
    state: Mutex<State>,
}

/// What one writer at a time changes.
struct State {
    table: Table,
    growing: Growing,
    end: (Digest, DateTime<Utc>),
}

/// See the module. Clones share one book.
#[derive(Clone)]
pub struct IntakeBook(Arc<Inner>);

impl IntakeBook {
    /// Opens the book in a directory, or begins it. `key` signs everything, its name is the log's origin; `ledger` is the key
    /// that signs what comes from the ledger. Whoever opens it for serving holds the lock of the directory.
    ///
    /// # Errors
    /// [`IntakeFault`].
    pub async fn open(
        layout: Layout,
        key: SigningKey,
        ledger: VerifierKey,
        settings: IntakeSettings,
        clock: Arc<dyn Clock>,
        entropy: Entropy,
    ) -> Result<Self, IntakeFault> {
        let book = Self::beside(layout, key, ledger, settings, clock, entropy).await?;
        put(&book.0.layout.vkey(), format!("{}\n", book.0.key.verifier()).as_bytes())?;
        book.republish().await?;
        Ok(book)
    }

    /// Waits until the database is closed.
    #[cfg(test)]
    pub(crate) async fn close(self) {
        let inner = Arc::try_unwrap(self.0).unwrap_or_else(|_| panic!("nobody else has the book"));
        inner.state.into_inner().table.close().await;
    }

    /// The same beside an intake that is serving, for what is carried: it neither publishes nor promises.
    ///
    /// # Errors
    /// [`IntakeFault`].
    pub async fn beside(
        layout: Layout,
        key: SigningKey,
        ledger: VerifierKey,
        settings: IntakeSettings,
        clock: Arc<dyn Clock>,
        entropy: Entropy,
    ) -> Result<Self, IntakeFault> {
        std::fs::create_dir_all(layout.log()).map_err(|e| StoreError::file("making folder", layout.log(), e))?;
        let mut table = Table::open(&layout.intake()).await?;
        let (growing, end) = replay(&mut table, &layout, &key.verifier()).await?;
        let state = Mutex::new(State { table, growing, end });
        let halted = AtomicBool::new(false);
        Ok(Self(Arc::new(Inner { layout, key, ledger, settings, clock, entropy, halted, state })))
    }

    /// The key of its log.
    pub fn vkey(&self) -> VerifierKey {
        self.0.key.verifier()
    }

    /// The key of the ledger behind the gap.
    pub fn ledger(&self) -> &VerifierKey {
        &self.0.ledger
    }

    /// Its directory.
    pub fn layout(&self) -> &Layout {
        &self.0.layout
    }

    /// How often a period is recorded.
    pub fn period(&self) -> Duration {
        self.0.settings.period
    }

    fn random(&self) -> Digest {
        let mut bytes = [0; 32];
        (self.0.entropy)(&mut bytes);
        Digest::from_bytes(bytes)
    }

    fn running(&self) -> Result<(), IntakeFault> {
        if self.0.halted.load(Ordering::SeqCst) { Err(IntakeFault::Halted) } else { Ok(()) }
    }

    /// A commit that failed leaves the disk unknown: nothing more is promised until the next start.
    fn committed<T>(&self, done: Result<T, StoreError>) -> Result<T, IntakeFault> {
        done.map_err(|error| {
            if !error.is_passing() {
                tracing::error!(error = chain(&error), "the intake stands still");
                self.0.halted.store(true, Ordering::SeqCst);
            }
            error.into()
        })
    }

    /// Keeps a packet, and promises that it will be answered. Durable when it returns.
    ///
    /// # Errors
    /// [`IntakeFault`]: no packet, too many, the disk.
    pub async fn hand_in(&self, text: &str) -> Result<HandedIn, IntakeFault> {
        self.running()?;
        Packet::parse(text)?;
        let hash = Digest::of(text.as_bytes());
        let mut state = self.0.state.lock().await;
        if let Some(known) = state.table.promised(&hash).await? {
            return self.promise(known);
        }
        if state.table.waiting_count().await? >= PERIOD_LEAVES as u64 {
            return Err(IntakeFault::Full);
        }
        let salt = self.random();
        let received_at = self.0.clock.now().trunc_subsecs(6).max(state.end.1);
        let period = TimeDelta::from_std(self.0.settings.period).unwrap_or(TimeDelta::MAX);
        let deadline = received_at + period * PROMISE_PERIODS + TimeDelta::hours(self.0.settings.answer_hours.into());
        let commitment = commit_event(salt.as_bytes(), text);
        let packet = NewPacket { hash, commitment, salt, received_at, deadline };
        let kept = state.table.keep(&packet, text).await;
        self.committed(kept)?;
        self.promise(packet)
    }

    fn promise(&self, packet: NewPacket) -> Result<HandedIn, IntakeFault> {
        let NewPacket { commitment, salt, received_at, deadline, .. } = packet;
        let wrong = |error: &dyn std::error::Error| StoreError::row(0, "promise", chain(error));
        let promise = Promise { origin: self.0.key.name().to_owned(), commitment, received_at, deadline };
        let text = promise.text().map_err(|error| wrong(&error))?;
        let promise = note::sign(&text, &[&self.0.key]).map_err(|error| wrong(&error))?;
        Ok(HandedIn { promise, commitment, salt, received_at, deadline })
    }

    /// Records the period of all that wait, and publishes it; gives its number.
    ///
    /// # Errors
    /// [`IntakeFault`].
    pub async fn end_period(&self) -> Result<u64, IntakeFault> {
        self.running()?;
        let mut state = self.0.state.lock().await;
        let waiting = state.table.waiting().await?;
        let nonce = self.random();
        let commitments: Vec<Digest> = waiting.iter().map(|(_, commitment)| *commitment).collect();
        let planted = gap::plant(&commitments, &nonce)?;
        let (index, prev) = (state.growing.size(), state.end.0);
        let now = self.0.clock.now().trunc_subsecs(6).max(state.end.1);
        let wrong = |error: &dyn std::error::Error| StoreError::row(index, "period", chain(error));
        let text = SealedPeriod::text(self.0.key.name(), &planted.root).map_err(|error| wrong(&error))?;
        let note = note::sign(&text, &[&self.0.key]).map_err(|error| wrong(&error))?;
        let entry = Entry::seal(index, now, prev, &note).map_err(|error| wrong(&error))?;
        let places = waiting.iter().map(|(seq, _)| *seq).zip(planted.leaves).collect();
        let batch = NewBatch { number: index, entry: entry.clone(), nonce, places };
        let recorded = state.table.record(&batch).await;
        self.committed(recorded)?;
        // From here on the period is recorded: if we stop now, the next start publishes it.
        state.end = (Digest::of(&entry), now);
        let full = state.growing.append(entry).map_err(|error| wrong(&error))?;
        for (path, bytes) in full {
            place_file(&self.0.layout.tile(&path), &bytes)?;
        }
        self.publish(&state.growing)?;
        self.tell_late(&mut state, now).await?;
        Ok(index)
    }

    /// Publishes which packets the ledger should have answered by now. What it answered since this was written, whoever reads
    /// it sees from the ledger's own log.
    async fn tell_late(&self, state: &mut State, as_of: DateTime<Utc>) -> Result<(), IntakeFault> {
        let count = state.table.overdue(as_of).await?;
        let late = Late { as_of, count, packets: state.table.late(as_of).await? };
        let wrong = |error: &dyn std::error::Error| StoreError::row(state.growing.size(), "late", chain(error));
        let signed = note::sign(&late.text(self.0.key.name())?, &[&self.0.key]).map_err(|error| wrong(&error))?;
        put(&self.0.layout.log().join(LATE_FILE), signed.as_bytes())?;
        Ok(())
    }

    /// Puts the unfinished tiles in place, and the checkpoint last.
    fn publish(&self, growing: &Growing) -> Result<(), IntakeFault> {
        let wrong = |error: &dyn std::error::Error| StoreError::row(growing.size(), "tree", chain(error));
        for (path, bytes) in growing.partial().map_err(|error| wrong(&error))? {
            place_file(&self.0.layout.tile(&path), &bytes)?;
        }
        let origin = self.0.key.name().to_owned();
        let head = Checkpoint { origin, size: growing.size(), root: growing.edge().root() };
        let signed = checkpoint::sign(&head, &[&self.0.key]).map_err(|error| wrong(&error))?;
        put(&self.0.layout.checkpoint(), signed.as_bytes())?;
        Ok(())
    }

    /// Publishes what was recorded before the start, should the last process have stopped in between.
    async fn republish(&self) -> Result<(), IntakeFault> {
        let state = self.0.state.lock().await;
        let missing =
            published(&self.0.layout, &self.0.key.verifier())?.is_none_or(|head| head.size < state.growing.size());
        if missing { self.publish(&state.growing) } else { Ok(()) }
    }

    /// Where a packet is in the published log; `None` until its period is recorded, and when there is none.
    ///
    /// # Errors
    /// [`IntakeFault::Store`].
    pub async fn place(&self, commitment: &Digest) -> Result<Option<SealedProof>, IntakeFault> {
        Ok(self.0.state.lock().await.table.place(commitment).await?)
    }

    /// The periods from a number on, with their packets, as many as one file carries; none when there is nothing new.
    ///
    /// # Errors
    /// [`IntakeFault::Store`]; a period whose packets are forgotten already is [`IntakeFault::Damaged`].
    pub async fn batches(&self, from: u64) -> Result<Batches, IntakeFault> {
        let mut state = self.0.state.lock().await;
        let (mut batches, mut bytes, mut number) = (Vec::new(), 0, from);
        while bytes < CARRIED_BYTES_MAX {
            let Some(batch) = state.table.batch(number).await? else { break };
            bytes += batch.packets.iter().map(|item| item.packet.len() as u64).sum::<u64>() + batch.entry.len() as u64;
            batches.push(batch);
            number += 1;
        }
        Ok(Batches { intake: self.0.key.verifier().to_string(), from, batches })
    }

    /// Up to which period the ledger has answered, as far as is known here.
    ///
    /// # Errors
    /// [`IntakeFault::Store`].
    pub async fn answered(&self) -> Result<u64, IntakeFault> {
        Ok(self.0.state.lock().await.table.answered().await?.map_or(0, |(_, upto)| upto))
    }

    /// Puts a file of capsules in place of the last, and forgets the packets of periods that are answered. An older file
    /// than the last is left alone; whether it was put in place.
    ///
    /// # Errors
    /// [`IntakeFault::Refused`] for a file that the ledger did not sign for this intake.
    pub async fn put_capsules(&self, file: &str) -> Result<bool, IntakeFault> {
        self.running()?;
        let capsules = Capsules::open(file, self.0.key.name(), &self.0.ledger)?;
        let mut state = self.0.state.lock().await;
        if state.table.answered().await?.is_some_and(|(as_of, _)| as_of >= capsules.as_of) {
            return Ok(false);
        }
        let replaced = state.table.replace(&capsules).await;
        self.committed(replaced)?;
        Ok(true)
    }

    /// The capsule under a label.
    ///
    /// # Errors
    /// [`IntakeFault::Store`].
    pub async fn capsule(&self, label: &[u8]) -> Result<Option<Vec<u8>>, IntakeFault> {
        Ok(self.0.state.lock().await.table.capsule(label).await?)
    }

    /// How many packets should have been answered by now and are not, as far as is known here.
    ///
    /// # Errors
    /// [`IntakeFault::Store`].
    pub async fn overdue(&self) -> Result<u64, IntakeFault> {
        let now = self.0.clock.now();
        Ok(self.0.state.lock().await.table.overdue(now).await?)
    }

    /// How it stands.
    ///
    /// # Errors
    /// [`IntakeFault::Store`].
    pub async fn stands(&self) -> Result<IntakeStands, IntakeFault> {
        let now = self.0.clock.now();
        let mut state = self.0.state.lock().await;
        Ok(IntakeStands {
            is_taking: self.running().is_ok(),
            waiting: state.table.waiting_count().await?,
            waiting_max: PERIOD_LEAVES as u64,
            periods: state.growing.size(),
            answered: state.table.answered().await?.map_or(0, |(_, upto)| upto),
            overdue: state.table.overdue(now).await?,
        })
    }
}

/// Puts a file in place, with the folders above it.
fn place_file(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).map_err(|e| StoreError::file("making folder", folder, e))?;
    put(path, bytes)
}

/// The published checkpoint, signed by this key.
fn published(layout: &Layout, key: &VerifierKey) -> Result<Option<Checkpoint>, IntakeFault> {
    let path = layout.checkpoint();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::file("reading", path, error).into()),
    };
    match checkpoint::open(&text, key) {
        Ok((checkpoint, _)) => Ok(Some(checkpoint)),
        Err(error) => Err(IntakeFault::Damaged { index: 0, reason: chain(&error) }),
    }
}

/// Folds the recorded periods, writes full tiles that are missing, and holds the tree against the published checkpoint.
async fn replay(
    table: &mut Table,
    layout: &Layout,
    key: &VerifierKey,
) -> Result<(Growing, (Digest, DateTime<Utc>)), IntakeFault> {
    let published = published(layout, key)?;
    let mut growing = Growing::default();
    let mut end = (Digest::ZERO, DateTime::UNIX_EPOCH);
    let mut seen = published.as_ref().is_none_or(|head| head.size == 0);
    for (number, bytes) in table.entries().await? {
        let index = growing.size();
        let damaged = |reason: &str| IntakeFault::Damaged { index, reason: reason.to_owned() };
        let entry = parse_entry(index, bytes.clone())?;
        if number != index || entry.index != index || entry.prev != end.0 {
            return Err(damaged("does not follow the one before"));
        }
        end = (entry.hash, entry.recorded_at);
        let full = growing.append(bytes).map_err(|error| damaged(&chain(&error)))?;
        for (path, bytes) in full {
            if !layout.tile(&path).is_file() {
                place_file(&layout.tile(&path), &bytes)?;
            }
        }
        if let Some(head) = published.as_ref().filter(|head| head.size == growing.size()) {
            if head.root != growing.edge().root() {
                return Err(damaged("the book is not that of the published checkpoint"));
            }
            seen = true;
        }
    }
    if !seen {
        let reason = "the book ends before the published checkpoint: an older copy".to_owned();
        return Err(IntakeFault::Damaged { index: growing.size(), reason });
    }
    Ok((growing, end))
}
