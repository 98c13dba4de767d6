//! The map over all statements ([`gongkai_log::map`]) where it is kept: what proves that nothing is missing.
//!
//! [`Map`] is the side that reads: it proves a key under the last root that the log says. Behind it runs one task. Of a
//! ledger it also has a new root said at an interval ([`Map::of_ledger`]); of a log that is followed from its files it only
//! follows ([`Map::of_published`]), and both compare every root with the statements. A root that is another one than the
//! statements have ends it: from then on nothing is proven, and `/status` and `doctor` tell.
//!
//! The database can be thrown away: it is rebuilt from the log. Not here: what a proof looks like (`gongkai-log`), and that
//! the entry which says a root is in the log (tiles).

mod keeper;
mod table;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use gongkai_log::{
    Entry, MapKey, MapProof, TreeHash,
    map::{self, Node},
};
use sqlx::{Connection as _, SqlitePool, sqlite::SqlitePoolOptions};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use self::keeper::Keeper;
pub(crate) use self::keeper::Spoken;
use crate::{
    clock::Clock,
    database::file_reader,
    error::{StoreError, SubmitError},
    published_log::{FollowError, PublishedLog},
    reader::{ReadStore, chain, parse_entry},
    sequencer::Message,
};

const READERS_MAX: u32 = 2;
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Entries that are read at a time.
const PAGE: u64 = 1_024;

/// How often a root that came too late for the log is tried again at once.
const TRIES: usize = 8;

/// Why the map is not kept.
#[derive(Debug, thiserror::Error)]
pub enum MapFault {
    /// Database or file.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The published log could not be read.
    #[error(transparent)]
    Log(#[from] FollowError),
    /// The file is something else, or of a later version.
    #[error("{} is no map of this version; remove it, and it is made again", .0.display())]
    Foreign(PathBuf),
    /// The log says another root than its statements have.
    #[error("entry {index} says the map's root to be {said} for {size} entries, the statements have {found}")]
    Differs {
        /// The entry.
        index: u64,
        /// Entries that the root is of.
        size: u64,
        /// What it says.
        said: TreeHash,
        /// What is so.
        found: TreeHash,
    },
    /// Leaves and nodes do not go together: a bit flipped, or somebody wrote there. It is made again.
    #[error("the map is damaged")]
    Damaged,
    /// A root whose size is out of reach: beyond its own entry, or too far before it.
    #[error("entry {index} says the map's root for {size} entries, which cannot be known there")]
    Late {
        /// The entry.
        index: u64,
        /// Entries that the root is of.
        size: u64,
    },
}

/// How far the map is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Entries that are in it.
    pub size: u64,
    /// The entry that says its root; `None` while nothing is proven.
    pub entry: Option<u64>,
}

/// A key's proof, under the root that an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The way in the map.
    pub proof: MapProof,
    /// Entries that it is of.
    pub size: u64,
    /// The entry that says the root.
    pub entry: u64,
}

/// Has the ledger say a root now.
type Order = oneshot::Sender<Result<Option<u64>, SubmitError>>;

/// See the module.
#[derive(Clone, Debug)]
pub struct Map {
    pool: SqlitePool,
    reached: watch::Receiver<Reached>,
    pub(crate) fault: watch::Receiver<Option<Arc<MapFault>>>,
    orders: mpsc::Sender<Order>,
    // The sender ends with the task.
    ended: watch::Receiver<()>,
}

/// What the task needs besides the keeper.
struct Task {
    keeper: Keeper,
    fault: watch::Sender<Option<Arc<MapFault>>>,
    _ended: watch::Sender<()>,
}

impl Map {
    /// The map of a ledger that is open for writing; every `interval` a root is said, if there is something new. Ends with
    /// the sequencer.
    pub(crate) async fn of_ledger(path: &Path, log: LedgerLog, interval: Duration) -> Result<Self, MapFault> {
        let (map, task, orders) = Self::open(path).await?;
        tokio::spawn(task.speak(log, interval, orders));
        Ok(map)
    }

    /// The map of a log that is followed from its published files. Ends when nobody follows it any more.
    ///
    /// # Errors
    /// [`MapFault`] when the database cannot be opened.
    pub async fn of_published(path: &Path, log: &Arc<PublishedLog>) -> Result<Self, MapFault> {
        let (map, task, _) = Self::open(path).await?;
        tokio::spawn(task.follow(Arc::downgrade(log), log.size()));
        Ok(map)
    }

    async fn open(path: &Path) -> Result<(Self, Task, mpsc::Receiver<Order>), MapFault> {
        let (tell, reached) = watch::channel(Reached::default());
        let (fault, faults) = watch::channel(None);
        let (orders, received) = mpsc::channel(1);
        let (end, ended) = watch::channel(());
        let keeper = Keeper::open(path, tell).await?;
        let options = SqlitePoolOptions::new().max_connections(READERS_MAX).test_before_acquire(false);
        let pool = options.connect_lazy_with(file_reader(path, BUSY_TIMEOUT));
        Ok((Self { pool, reached, fault: faults, orders, ended }, Task { keeper, fault, _ended: end }, received))
    }

    /// Waits until the task has ended, because what it follows has, and closes the database.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
        // An error is what is waited for.
        let _ = self.ended.clone().changed().await;
    }

    /// How far it is; changes with each root.
    pub fn reached(&self) -> watch::Receiver<Reached> {
        self.reached.clone()
    }

    /// Why it is not kept any more, if so.
    pub fn fault(&self) -> Option<Arc<MapFault>> {
        self.fault.borrow().clone()
    }

    /// Has the ledger say a root now, if there is something new; gives the entry.
    ///
    /// # Errors
    /// [`SubmitError`]; a log that is only followed says nothing.
    pub(crate) async fn say(&self) -> Result<Option<u64>, SubmitError> {
        let (answer, said) = oneshot::channel();
        self.orders.send(answer).await.map_err(|_| SubmitError::Busy)?;
        said.await.unwrap_or(Err(SubmitError::Busy))
    }

    /// What the map holds under a key, as of the last root; `None` while nothing is proven.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn prove(&self, key: &MapKey) -> Result<Option<Proven>, StoreError> {
        if self.fault.borrow().is_some() {
            return Ok(None);
        }
        let doing = "reading the map";
        let mut connection = self.pool.acquire().await.map_err(|e| StoreError::sql(doing, e))?;
        // Everything from one snapshot; it changes nothing, so dropping it ends it.
        let mut snapshot = connection.begin().await.map_err(|e| StoreError::sql(doing, e))?;
        let path = key.path();
        let bucket = map::number(&path, map::BUCKET_DEPTH);
        let Some((Reached { size, entry: Some(entry) }, nodes)) = table::on_the_way(&mut snapshot, bucket).await?
        else {
            return Ok(None);
        };
        let node = |number| nodes.get(&number).copied().unwrap_or(Node::EMPTY);
        let leaves = table::leaves(&mut snapshot, map::ending(&path, node)).await?;
        let proof = map::prove(&path, node, &leaves);
        // Rather none than one that proves nothing.
        proof.verify(key, &node(1).hash).map_err(|error| StoreError::row(entry, "map", error.to_string()))?;
        Ok(Some(Proven { proof, size, entry }))
    }
}

/// A ledger as the map sees it.
pub(crate) struct LedgerLog {
    pub reader: ReadStore,
    pub committed: watch::Receiver<u64>,
    pub queue: mpsc::WeakSender<Message>,
    pub clock: Arc<dyn Clock>,
    /// Ends with the sequencer.
    pub done: watch::Receiver<()>,
}

impl LedgerLog {
    fn is_closed(&self) -> bool {
        !matches!(self.done.has_changed(), Ok(false))
    }
}

impl Task {
    fn fail(&self, fault: MapFault) {
        tracing::error!(error = chain(&fault), "the map is not kept any more: nothing is proven by it");
        self.fault.send_replace(Some(Arc::new(fault)));
    }

    /// Follows a published log as long as somebody else does.
    async fn follow(mut self, log: std::sync::Weak<PublishedLog>, mut size: watch::Receiver<u64>) {
        if let Some(index) = self.keeper.stands_on() {
            let Some(log) = log.upgrade() else { return self.close().await };
            match read(log, index, 1).await {
                Ok(entries) if entries.first().is_some_and(|entry| self.keeper.is_said_by(entry)) => {}
                Ok(_) => {
                    if let Err(fault) = self.keeper.begin_again().await {
                        return self.fail(fault);
                    }
                }
                Err(fault) => return self.fail(fault),
            }
        }
        loop {
            let until = *size.borrow_and_update();
            while self.keeper.next() < until {
                let Some(log) = log.upgrade() else { return self.close().await };
                if let Err(fault) = self.page(log).await
                    && let Err(fault) = self.mend(fault).await
                {
                    return self.fail(fault);
                }
            }
            if size.changed().await.is_err() {
                return self.close().await;
            }
        }
    }

    /// Begins again where the map is at fault and not the log.
    async fn mend(&mut self, fault: MapFault) -> Result<(), MapFault> {
        match fault {
            MapFault::Damaged => self.keeper.begin_again().await,
            // The database's server will be there again; what was read so far stays.
            MapFault::Store(StoreError::Gone { .. }) => Ok(()),
            fault => Err(fault),
        }
    }

    async fn page(&mut self, log: Arc<PublishedLog>) -> Result<(), MapFault> {
        let entries = read(log, self.keeper.next(), PAGE).await?;
        self.keeper.take(entries).await
    }

    /// Follows a ledger, and has a root said at every interval and at every order.
    async fn speak(mut self, mut log: LedgerLog, interval: Duration, mut orders: mpsc::Receiver<Order>) {
        if let Err(fault) = self.start(&log).await {
            return self.broken(&log, fault).await;
        }
        // What waits since before the start waits no longer for it, however often the ledger is started.
        let waits = self.keeper.waits_since().and_then(|since| (log.clock.now() - since).to_std().ok());
        let waited = waits.unwrap_or_default();
        let mut every = tokio::time::interval_at(Instant::now() + interval.saturating_sub(waited), interval);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let order = tokio::select! {
                _ = every.tick() => None,
                Some(order) = orders.recv() => Some(order),
                _ = log.done.changed() => return self.close().await,
            };
            let said = self.root(&log).await;
            let broken = match &said {
                Ok(_) => None,
                Err(Unsaid::Map(fault)) => Some(chain(fault)),
                Err(Unsaid::Ledger(error)) => {
                    tracing::warn!(error = chain(error), "the map's root was not said; it is tried again");
                    None
                }
            };
            if let Some(order) = order {
                let answer = match (&said, &broken) {
                    (Ok(entry), _) => Ok(*entry),
                    (Err(Unsaid::Ledger(error)), _) => Err(error.clone()),
                    (_, reason) => Err(SubmitError::Halted(reason.clone().unwrap_or_default())),
                };
                // Whoever asked may have gone away.
                let _ = order.send(answer);
            }
            if let Err(Unsaid::Map(fault)) = said
                && let Err(fault) = self.mend(fault).await
            {
                return self.broken(&log, fault).await;
            }
        }
    }

    /// Ends by a fault; or in good order, where the ledger was closed while it was read.
    async fn broken(self, log: &LedgerLog, fault: MapFault) {
        if log.is_closed() { self.close().await } else { self.fail(fault) }
    }

    /// Sees that the map is this log's, and follows what was said before.
    async fn start(&mut self, log: &LedgerLog) -> Result<(), MapFault> {
        if let Some(index) = self.keeper.stands_on() {
            let entry = log.reader.entry(index).await?;
            let entry = entry.map(|entry| parse_entry(index, entry.bytes)).transpose()?;
            if !entry.is_some_and(|entry| self.keeper.is_said_by(&entry)) {
                self.keeper.begin_again().await?;
            }
        }
        match self.catch_up(log).await {
            Err(fault) => self.mend(fault).await,
            done => done,
        }
    }

    async fn catch_up(&mut self, log: &LedgerLog) -> Result<(), MapFault> {
        let until = *log.committed.borrow();
        while self.keeper.next() < until {
            let entries = log.reader.entries(self.keeper.next(), PAGE.min(until - self.keeper.next())).await?;
            let parsed = entries.into_iter().map(|entry| parse_entry(entry.index, entry.bytes));
            self.keeper.take(parsed.collect::<Result<Vec<_>, _>>()?).await?;
        }
        Ok(())
    }

    /// Says a root, if there is something new.
    async fn root(&mut self, log: &LedgerLog) -> Result<Option<u64>, Unsaid> {
        for _ in 0..TRIES {
            self.catch_up(log).await?;
            if self.keeper.waits_since().is_none() {
                return Ok(None);
            }
            let speak = async |root| {
                let queue = log.queue.upgrade().ok_or(SubmitError::Busy)?;
                let (answer, said) = oneshot::channel();
                queue.send(Message::Root(root, answer)).await.map_err(|_| SubmitError::Busy)?;
                Ok::<_, Unsaid>(said.await.map_err(|_| SubmitError::Busy)??)
            };
            match self.keeper.say(speak).await? {
                Spoken::Entry(entry) => return Ok(Some(entry)),
                Spoken::TooEarly => return Ok(None),
                Spoken::TooLate | Spoken::Overtaken => {}
            }
        }
        Err(SubmitError::Busy.into())
    }

    async fn close(self) {
        if let Err(error) = self.keeper.close().await {
            tracing::warn!(error = chain(&error), "the map was not closed in good order");
        }
    }
}

/// Entries of a published log, in order.
async fn read(log: Arc<PublishedLog>, from: u64, limit: u64) -> Result<Vec<Entry>, MapFault> {
    let read = tokio::task::spawn_blocking(move || {
        let entries = log.entries(from, limit)?;
        let parsed = entries.into_iter().map(|entry| parse_entry(entry.index, entry.bytes));
        Ok(parsed.collect::<Result<_, _>>()?)
    });
    read.await.map_err(|e| StoreError::file("reading", "log", std::io::Error::other(e)))?
}

/// Why no root was said.
enum Unsaid {
    Map(MapFault),
    Ledger(SubmitError),
}

impl From<MapFault> for Unsaid {
    fn from(fault: MapFault) -> Self {
        Self::Map(fault)
    }
}

impl From<StoreError> for Unsaid {
    fn from(error: StoreError) -> Self {
        Self::Map(error.into())
    }
}

impl From<SubmitError> for Unsaid {
    fn from(error: SubmitError) -> Self {
        Self::Ledger(error)
    }
}
