//! A ledger database in memory, and connections to it that fail when they are told to.
//!
//! [`Database`] is what a server or a file holds, with the lock on its head; [`MemoryStore`] is one connection and passes
//! `conformance`. Before each operation it asks its [`Gate`] what is to befall it and waits for the answer, so that whoever
//! polls decides who goes on and what fails. Without a gate nothing fails. There is no vault: sealed events do not exist
//! here. A further misfortune is a [`Fate`], and what it does is in [`MemoryStore::act`].

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use chrono::{DateTime, Utc};
use gongkai_log::Digest;

use super::rows::Rows;
use crate::{
    error::StoreError,
    event_store::{
        Batch, Erased, EventStore, Halt, Known, LogHead, Publication, RawEntry, RawSealed, SealedValue, Turn, Waiting,
    },
};

/// What a store is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    LoadHead,
    LoadRange,
    LookUp,
    CountSealed,
    TakeTurn,
    Append,
    Pass,
    Reconnect,
    LoadHalt,
    SaveHalt,
    Other,
}

/// What befalls an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing.
    Done,
    /// It waits for something in vain: nothing is done.
    Busy,
    /// The connection is lost before it arrives.
    Cut,
    /// It is done, and the connection is lost before the answer.
    Lost,
    /// The connection is lost while a commit is on its way, which arrives later or never.
    Late,
    /// The device fails, and nothing is done.
    Device,
    /// The device fails, and it is done all the same.
    Flush,
}

/// What whoever polls a node sees of its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    Nothing,
    Fate(Op),
    /// It waits for the lock on the head.
    Turn,
}

/// Where a store waits for its fate.
pub(super) struct Gate(Mutex<(Asks, Option<Fate>)>);

impl Gate {
    pub(super) fn new() -> Self {
        Self(Mutex::new((Asks::Nothing, None)))
    }

    pub(super) fn asks(&self) -> Asks {
        lock(&self.0).0
    }

    pub(super) fn answer(&self, fate: Fate) {
        lock(&self.0).1 = Some(fate);
    }

    fn ask(&self, asks: Asks) -> Poll<Fate> {
        let mut state = lock(&self.0);
        let fate = state.1.take();
        state.0 = if fate.is_some() { Asks::Nothing } else { asks };
        fate.map_or(Poll::Pending, Poll::Ready)
    }

    fn is_through(&self) {
        *lock(&self.0) = (Asks::Nothing, None);
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection as the server knows it.
struct Session {
    number: u64,
    node: i64,
    // A statement of its transaction has failed: nothing more can be done in it.
    aborted: bool,
}

/// What all connections see.
pub(super) struct Database {
    pub rows: Rows,
    /// One writer at a time that fences the one before, as in a file; else many in turns.
    pub alone: bool,
    pub epoch: u64,
    /// The server's clock.
    pub now: DateTime<Utc>,
    /// Who made the last commit, until somebody looks.
    pub committed_by: Option<i64>,
    // Connections that are alive.
    sessions: Vec<Session>,
    next_session: u64,
    // Whose the lock on the head is; perhaps of a connection that is no more.
    turn: Option<u64>,
    waiting: Vec<Waker>,
    // The commit of a connection that is no more.
    late: Option<(i64, u64, Batch)>,
}

impl Database {
    pub(super) fn new(rows: Rows, alone: bool, now: DateTime<Utc>) -> Self {
        let (sessions, waiting) = (Vec::new(), Vec::new());
        let (epoch, next_session) = (1, 1);
        Self { rows, alone, epoch, now, committed_by: None, sessions, next_session, turn: None, waiting, late: None }
    }

    fn connect(&mut self, node: i64) -> u64 {
        let number = self.next_session;
        self.next_session += 1;
        self.sessions.push(Session { number, node, aborted: false });
        number
    }

    fn is_alive(&self, session: u64) -> bool {
        self.sessions.iter().any(|known| known.number == session)
    }

    /// The connection is no more; the server has not noticed and keeps its lock.
    pub(super) fn cut(&mut self, session: u64) {
        self.sessions.retain(|known| known.number != session);
        self.wake();
    }

    /// The same for all connections of a node.
    pub(super) fn forget(&mut self, node: i64) {
        self.sessions.retain(|known| known.node != node);
        self.wake();
    }

    fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }

    /// The server ends the connection whose turn it is, for idling.
    pub(super) fn end_turn(&mut self) -> bool {
        let Some(session) = self.turn.filter(|session| self.is_alive(*session)) else { return false };
        self.cut(session);
        self.release(session);
        true
    }

    /// Whether a lock is held over a connection that is no more.
    pub(super) fn is_held_by_the_dead(&self) -> bool {
        self.turn.is_some_and(|session| !self.is_alive(session))
    }

    /// The server notices that a connection is no more; a commit that was on its way has arrived before, or never does.
    pub(super) fn notice(&mut self, arrives: bool) {
        let Some(session) = self.turn.filter(|session| !self.is_alive(*session)) else { return };
        if let Some((node, epoch, batch)) = self.late.take()
            && arrives
        {
            // Nobody hears the answer.
            let _ = self.commit(batch, epoch, node);
        }
        self.release(session);
    }

    fn release(&mut self, session: u64) {
        if self.turn == Some(session) {
            self.turn = None;
        }
        self.wake();
    }

    /// A standby takes the database's place: all connections are lost, and what it does not have.
    pub(super) fn replace(&mut self, standby: Rows) {
        self.rows = standby;
        self.sessions.clear();
        (self.turn, self.late) = (None, None);
        self.wake();
    }

    /// The commit point.
    fn commit(&mut self, batch: Batch, epoch: u64, node: i64) -> Result<(), StoreError> {
        if batch.from != self.rows.head.size || epoch != self.epoch {
            return Err(StoreError::Fenced { size: batch.from, epoch });
        }
        self.rows.append(batch, node)?;
        self.committed_by = Some(node);
        Ok(())
    }

    /// Whether a connection can do something: it is there, and its transaction not aborted.
    fn meet(&self, session: u64) -> Result<(), StoreError> {
        match self.sessions.iter().find(|known| known.number == session) {
            None => Err(gone()),
            Some(known) if known.aborted => Err(device("going on in an aborted transaction")),
            Some(_) => Ok(()),
        }
    }

    fn abort(&mut self, session: u64, aborted: bool) {
        for known in self.sessions.iter_mut().filter(|known| known.number == session) {
            known.aborted = aborted;
        }
    }
}

pub(super) fn gone() -> StoreError {
    StoreError::Gone { doing: "simulating", source: sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into()) }
}

fn busy() -> StoreError {
    StoreError::Locked { doing: "simulating", source: sqlx::Error::PoolTimedOut }
}

pub(super) fn device(doing: &'static str) -> StoreError {
    StoreError::Device { doing, source: sqlx::Error::Protocol("the device failed".to_owned()) }
}

/// One connection.
pub(super) struct MemoryStore {
    database: Arc<Mutex<Database>>,
    gate: Option<Arc<Gate>>,
    node: i64,
    epoch: u64,
    session: u64,
    in_turn: bool,
}

impl MemoryStore {
    /// Opens the database for writing; alone it takes over from whoever wrote before.
    pub(super) fn open(database: &Arc<Mutex<Database>>, gate: Option<Arc<Gate>>, node: i64) -> Self {
        let mut known = lock(database);
        if known.alone {
            known.epoch += 1;
        }
        let (epoch, session) = (known.epoch, known.connect(node));
        Self { database: Arc::clone(database), gate, node, epoch, session, in_turn: false }
    }

    async fn fate(&self, op: Op) -> Fate {
        match &self.gate {
            None => Fate::Done,
            Some(gate) => poll_fn(|_| gate.ask(Asks::Fate(op))).await,
        }
    }

    /// Asks for the fate of an operation and does it accordingly.
    async fn act<T>(
        &mut self,
        op: Op,
        effect: impl FnOnce(&mut Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let fate = self.fate(op).await;
        let mut database = lock(&self.database);
        database.meet(self.session)?;
        match fate {
            Fate::Done => effect(&mut database),
            Fate::Busy => {
                database.abort(self.session, self.in_turn);
                Err(busy())
            }
            Fate::Cut | Fate::Late => {
                database.cut(self.session);
                Err(gone())
            }
            Fate::Lost => {
                drop(effect(&mut database));
                database.cut(self.session);
                Err(gone())
            }
            Fate::Device => Err(device("simulating")),
            Fate::Flush => effect(&mut database).and_then(|_| Err(device("simulating"))),
        }
    }

    /// Waits for the lock on the head.
    async fn wait(&self) -> Result<(), StoreError> {
        poll_fn(|context| {
            let mut database = lock(&self.database);
            let claimed = if let Err(error) = database.meet(self.session) {
                Err(error)
            } else if database.turn.is_none_or(|session| session == self.session) {
                database.turn = Some(self.session);
                Ok(())
            } else if self.gate.as_ref().is_some_and(|gate| gate.ask(Asks::Turn).is_ready()) {
                database.abort(self.session, self.in_turn);
                Err(busy())
            } else {
                database.waiting.push(context.waker().clone());
                return Poll::Pending;
            };
            if let Some(gate) = &self.gate {
                gate.is_through();
            }
            Poll::Ready(claimed)
        })
        .await
    }
}

impl EventStore for MemoryStore {
    async fn load_head(&mut self) -> Result<LogHead, StoreError> {
        self.act(Op::LoadHead, |database| Ok(database.rows.head.clone())).await
    }

    async fn load_range(&mut self, from: u64, to: u64) -> Result<Vec<RawEntry>, StoreError> {
        self.act(Op::LoadRange, |database| Ok(database.rows.range(from, to))).await
    }

    async fn look_up(&mut self, keys: Vec<String>, streams: Vec<String>) -> Result<Known, StoreError> {
        self.act(Op::LookUp, |database| Ok(database.rows.look_up(&keys, streams))).await
    }

    async fn load_last_period(&mut self) -> Result<Option<u64>, StoreError> {
        self.act(Op::Other, |_| Ok(None)).await
    }

    async fn count_sealed(&mut self) -> Result<u64, StoreError> {
        self.act(Op::CountSealed, |_| Ok(0)).await
    }

    async fn load_waiting(&mut self) -> Result<Vec<Waiting>, StoreError> {
        self.act(Op::Other, |_| Ok(Vec::new())).await
    }

    async fn load_sealed(&mut self, _: Vec<[u8; 16]>) -> Result<Vec<RawSealed>, StoreError> {
        self.act(Op::Other, |_| Ok(Vec::new())).await
    }

    async fn load_sealed_event(&mut self, _: u64) -> Result<Option<RawSealed>, StoreError> {
        self.act(Op::Other, |_| Ok(None)).await
    }

    async fn find_sealed(&mut self, _: Digest) -> Result<Option<RawSealed>, StoreError> {
        self.act(Op::Other, |_| Ok(None)).await
    }

    async fn load_erasures(&mut self) -> Result<Vec<Erased>, StoreError> {
        self.act(Op::Other, |_| Ok(Vec::new())).await
    }

    async fn finish_erasure(&mut self, _: [u8; 16]) -> Result<(), StoreError> {
        self.act(Op::Other, |_| Ok(())).await
    }

    async fn load_sealed_values(&mut self, _: u64) -> Result<Vec<SealedValue>, StoreError> {
        self.act(Op::Other, |_| Ok(Vec::new())).await
    }

    async fn append(&mut self, batch: Batch) -> Result<(), StoreError> {
        let (node, epoch, session) = (self.node, self.epoch, self.session);
        if !self.in_turn && !lock(&self.database).alone {
            // Its own transaction, which waits for the row of the head like any other.
            self.wait().await?;
        }
        let fate = self.fate(Op::Append).await;
        self.in_turn = false;
        let mut database = lock(&self.database);
        database.meet(session)?;
        if fate == Fate::Late {
            database.late = Some((node, epoch, batch));
            database.cut(session);
            return Err(gone());
        }
        let before = matches!(fate, Fate::Busy | Fate::Cut | Fate::Device);
        let committed = if before { Ok(()) } else { database.commit(batch, epoch, node) };
        match fate {
            // The server has not noticed: it keeps the lock.
            Fate::Cut => database.cut(session),
            _ => database.release(session),
        }
        match fate {
            Fate::Busy => Err(busy()),
            Fate::Device | Fate::Flush => Err(device("committing")),
            Fate::Cut | Fate::Late => Err(gone()),
            Fate::Lost => {
                database.cut(session);
                Err(gone())
            }
            Fate::Done => committed,
        }
    }

    async fn take_turn(&mut self, from: u64) -> Result<Option<Turn>, StoreError> {
        if lock(&self.database).alone {
            return Ok(None);
        }
        self.in_turn = true;
        let fate = self.fate(Op::TakeTurn).await;
        if matches!(fate, Fate::Done | Fate::Lost) {
            self.wait().await?;
        }
        let mut database = lock(&self.database);
        database.meet(self.session)?;
        match fate {
            Fate::Busy => {
                database.abort(self.session, true);
                return Err(busy());
            }
            Fate::Cut | Fate::Lost | Fate::Late => {
                database.cut(self.session);
                return Err(gone());
            }
            Fate::Device | Fate::Flush => return Err(device("waiting for a turn")),
            Fate::Done => {}
        }
        if database.epoch != self.epoch {
            return Err(StoreError::Fenced { size: database.rows.head.size, epoch: self.epoch });
        }
        let (head, clock) = (database.rows.head.clone(), database.now);
        let entries = database.rows.range(from, head.size).into_iter().map(|row| (row.index, row.bytes)).collect();
        Ok(Some(Turn { head, clock, entries }))
    }

    async fn pass(&mut self) {
        if !std::mem::take(&mut self.in_turn) {
            return;
        }
        let fate = self.fate(Op::Pass).await;
        let mut database = lock(&self.database);
        if fate != Fate::Cut && database.is_alive(self.session) {
            database.abort(self.session, false);
            database.release(self.session);
        }
        if matches!(fate, Fate::Cut | Fate::Lost) {
            database.cut(self.session);
        }
    }

    async fn reconnect(&mut self) -> Result<(), StoreError> {
        if lock(&self.database).alone {
            return Ok(());
        }
        let fate = self.fate(Op::Reconnect).await;
        let mut database = lock(&self.database);
        if fate != Fate::Done {
            return Err(gone());
        }
        database.cut(self.session);
        self.session = database.connect(self.node);
        self.in_turn = false;
        let fenced = StoreError::Fenced { size: database.rows.head.size, epoch: self.epoch };
        if database.epoch == self.epoch { Ok(()) } else { Err(fenced) }
    }

    async fn load_publication(&mut self) -> Result<Option<Publication>, StoreError> {
        let node = self.node;
        self.act(Op::Other, |database| Ok(database.rows.publications.get(&node).cloned())).await
    }

    async fn save_publication(&mut self, publication: Publication) -> Result<(), StoreError> {
        let node = self.node;
        self.act(Op::Other, |database| {
            database.rows.publications.insert(node, publication);
            Ok(())
        })
        .await
    }

    async fn load_halt(&mut self) -> Result<Option<Halt>, StoreError> {
        self.act(Op::LoadHalt, |database| Ok(database.rows.halt.clone())).await
    }

    async fn save_halt(&mut self, halt: Halt) -> Result<(), StoreError> {
        self.act(Op::SaveHalt, |database| {
            database.rows.halt.get_or_insert(halt);
            Ok(())
        })
        .await
    }

    async fn close(self) -> Result<(), StoreError> {
        let mut database = lock(&self.database);
        database.cut(self.session);
        database.release(self.session);
        Ok(())
    }
}
