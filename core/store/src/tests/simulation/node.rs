//! One node: a real sequencer over a connection to the database in memory, with its clock, its directory and its publisher.
//!
//! The sequencer is a future that only [`Up::poll`] lets go on; a crash drops it wherever it waits. What survives is the
//! directory, which is the checkpoint in it. A start does what `recover` does before it writes: chain and tree from the
//! first entry on, and what was signed is a beginning of them.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, mpsc as std_mpsc},
    task::{Context, Waker},
};

use chrono::{DateTime, Utc};
use gongkai_domain::World;
use gongkai_log::{Checkpoint, Edge, TreeHash, merkle::leaf_hash};
use tokio::sync::{mpsc, oneshot};

use super::{
    material::material,
    memory::{Asks, Database, Gate, MemoryStore, lock},
    publishing::Publishing,
    rows::Rows,
};
use crate::{
    ManualClock,
    bucket::There,
    ledger::{Settings, Shared},
    publisher::Signal,
    read_back::ChainEnd,
    reader::{parse_entry, teaches, with_recorded},
    sequencer::{Message, Sequencer},
    testing::ORIGIN,
};

/// Most messages that wait.
const QUEUE_MAX: usize = 32;

/// A node that runs.
pub(super) struct Up {
    life: Pin<Box<dyn Future<Output = ()>>>,
    pub gate: Arc<Gate>,
    pub shared: Arc<Shared>,
    pub queue: mpsc::Sender<Message>,
    pub publishing: Publishing,
    signals: std_mpsc::Receiver<Signal>,
    // It has not been polled since its start.
    fresh: bool,
    /// It has come to the end of its life in good order.
    pub ended: bool,
}

/// How far a node is.
pub(super) enum Life {
    Down,
    /// The store is open, and what was published is known; the rows are not read yet.
    Starting(Box<(MemoryStore, Arc<Gate>, Option<There>)>),
    Up(Box<Up>),
}

/// See the module.
pub(super) struct Node {
    pub number: usize,
    pub clock: Arc<ManualClock>,
    pub life: Life,
    /// The checkpoint in its directory.
    pub directory: Option<Checkpoint>,
    /// Something befell it for which it may stop.
    pub excused: bool,
    /// It knows commits that the database lacks, and must not make one there.
    pub knows_more: bool,
    /// Why it had stopped when somebody looked last.
    pub stopped: Option<String>,
    /// It does not start any more: the database lacks what was signed, or other tiles are in the bucket.
    pub refused: bool,
    /// How often its publisher has stopped it.
    pub stops: u32,
}

impl Node {
    pub(super) fn new(number: usize, now: DateTime<Utc>) -> Self {
        Self {
            number,
            clock: Arc::new(ManualClock::new(now)),
            life: Life::Down,
            directory: None,
            excused: false,
            knows_more: false,
            stopped: None,
            refused: false,
            stops: 0,
        }
    }

    /// As the database knows it.
    pub(super) fn number(&self) -> i64 {
        i64::try_from(self.number).unwrap_or(i64::MAX)
    }

    pub(super) fn up(&self) -> Option<&Up> {
        match &self.life {
            Life::Up(up) => Some(up),
            _ => None,
        }
    }

    pub(super) fn up_mut(&mut self) -> Option<&mut Up> {
        match &mut self.life {
            Life::Up(up) => Some(up),
            _ => None,
        }
    }

    /// Why it takes nothing, if it runs.
    pub(super) fn halted(&self) -> Option<String> {
        self.up()?.shared.halted()
    }

    /// The first half of a start: the store is opened, and then looked what was published.
    pub(super) fn open(&mut self, database: &Arc<Mutex<Database>>, published: impl FnOnce() -> Option<There>) {
        let gate = Arc::new(Gate::new());
        let store = MemoryStore::open(database, Some(Arc::clone(&gate)), self.number());
        self.life = Life::Starting(Box::new((store, gate, published())));
    }

    /// The second half: the rows are read and checked, and the sequencer begins. Whether it does.
    pub(super) fn begin(&mut self, rows: &Rows, settings: Settings) -> bool {
        let Life::Starting(start) = std::mem::replace(&mut self.life, Life::Down) else { return false };
        let (store, gate, there) = *start;
        let there = there.map(|there| there.checkpoint);
        let (signed, in_place) = match (&self.directory, &there) {
            (Some(directory), Some(there)) if there.size > directory.size => (Some(there), directory.size),
            (Some(directory), _) => (Some(directory), directory.size),
            (None, there) => (there.as_ref(), 0),
        };
        let Some(world) = replay(rows, signed) else {
            self.refused = true;
            return false;
        };
        self.knows_more = false;
        let shared = Arc::new(Shared::new(ORIGIN.to_owned(), world.clone(), rows.head.size));
        shared.published.send_replace(in_place);
        let (queue, messages) = mpsc::channel(QUEUE_MAX);
        let (publisher, signals) = std_mpsc::sync_channel(1);
        let at = (rows.head.clone(), world);
        let over = Sequencer::over(store, Arc::clone(&shared), at, self.clock.clone(), settings, publisher);
        let mut sequencer = Sequencer { keys: Some(Arc::clone(&material().keys)), ..over };
        let (ready, _) = oneshot::channel();
        let life = Box::pin(async move {
            sequencer.serve(messages, ready).await;
            let closed = crate::EventStore::close(sequencer.store).await;
            closed.expect("what is in memory can be closed");
        });
        let publishing = Publishing::new(in_place);
        let up = Up { life, gate, shared, queue, publishing, signals, fresh: true, ended: false };
        self.life = Life::Up(Box::new(up));
        true
    }
}

/// Whether a checkpoint is a beginning of these rows, which are sound: then the world as of them.
fn replay(rows: &Rows, signed: Option<&Checkpoint>) -> Option<World> {
    let (mut edge, mut end) = (Edge::new(), ChainEnd::start());
    let mut world = material().world.clone();
    let known = material().rows.entries.len();
    let mut agrees = signed.is_none_or(|signed| signed.size == 0);
    for (index, row) in (0..).zip(&rows.entries) {
        end.follow(index, &row.bytes).ok()?;
        let leaf: TreeHash = leaf_hash(&row.bytes);
        edge.append(leaf).ok()?;
        agrees |= signed.is_some_and(|signed| signed.size == edge.size() && signed.root == edge.root());
        // The families that can teach are those of the registry; here one is enough.
        if usize::try_from(index).is_ok_and(|index| index >= known)
            && row.stream.as_ref().is_some_and(|stream| !stream.starts_with("pledge/"))
        {
            let entry = parse_entry(index, row.bytes.clone()).ok()?;
            if entry.content.statement().is_some_and(|signed| teaches(&signed.statement)) {
                with_recorded(&entry, |recorded| world.evolve(recorded));
            }
        }
    }
    (agrees && edge == rows.head.edge && end.hash == rows.head.entry_hash).then_some(world)
}

impl Up {
    /// Whether it has something to do that needs no fate: messages, or its first steps.
    pub(super) fn is_called(&self) -> bool {
        let waiting = self.queue.max_capacity() - self.queue.capacity();
        self.gate.asks() == Asks::Nothing && !self.ended && (self.fresh || waiting > 0)
    }

    /// Lets the sequencer go on to the next thing that it waits for.
    pub(super) fn poll(&mut self) {
        if self.ended {
            return;
        }
        self.fresh = false;
        self.ended = self.life.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
    }

    /// Whether there is something for the publisher: it was told, or is at work.
    pub(super) fn is_to_publish(&self) -> bool {
        !self.publishing.stopped
            && (!self.publishing.is_idle() || *self.shared.committed.borrow() > self.publishing.published)
    }

    /// The publisher has looked: what it was told is done with.
    pub(super) fn heard(&self) {
        while self.signals.try_recv().is_ok() {}
    }
}

/// What a crash leaves behind: nothing of the process, and a connection that the server takes for alive.
pub(super) fn crash(node: &mut Node, database: &Arc<Mutex<Database>>) {
    node.life = Life::Down;
    lock(database).forget(node.number());
}
