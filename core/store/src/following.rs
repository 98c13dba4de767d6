//! The sequencer among others: taking its turn, and taking in what it did not commit itself.
//!
//! Where several nodes write to one database each waits for its turn, which is a lock on the head, takes in what the others
//! have committed since its last one, and judges and commits as of that. Between turns it follows them when it is told. A
//! node that lost its connection does the same: whether its last batch was committed is in the database and nowhere else;
//! submitters who got no answer ask again with their keys and get their receipts.
//!
//! A head that is not beyond the one that this node knew, or does not continue it, is that of a standby that was behind: then
//! it stops, for what was acknowledged is not there. Where there is a bucket, so is one that has less than was published
//! there. Not here: the directory (`recover` on start, `publisher` before it signs).

use std::io;

use gongkai_domain::{
    Recorded,
    kind::{self, erasure},
};
use gongkai_log::{Checkpoint, Content};

use crate::{
    bucket::There,
    error::{MOVED, StoreError},
    event_store::{EventStore, LogHead, Turn},
    publisher::Signal,
    reader::{READ_ENTRIES_MAX, chain, parse_entry, teaches},
    sequencer::Sequencer,
    timekeeping::ServerTime,
};

impl<S: EventStore> Sequencer<S> {
    /// Waits for this node's turn, and takes in what was committed before it. Alone it is always this node's.
    pub(crate) async fn begin_turn(&mut self) -> Result<(), StoreError> {
        let begun = self.catch_up_in_turn().await;
        // Whoever asked may only say so; the next message connects again.
        self.lost |= matches!(begun, Err(StoreError::Gone { .. }));
        begun
    }

    async fn catch_up_in_turn(&mut self) -> Result<(), StoreError> {
        if self.lost {
            // There may be a connection, to a database that nobody has compared with what this node knows.
            let source = sqlx::Error::Io(io::ErrorKind::NotConnected.into());
            return Err(StoreError::Gone { doing: "waiting for a turn", source });
        }
        let Some(turn) = self.take_turn().await? else { return Ok(()) };
        self.follow(&turn.head, turn.entries).await?;
        self.hear_sealed().await?;
        if self.doubts_the_time() {
            // The same turn again: now the answer comes at once.
            self.take_turn().await?;
        }
        Ok(())
    }

    /// Waits for the turn, or asks again in it, and notes what time it is there.
    async fn take_turn(&mut self) -> Result<Option<Turn>, StoreError> {
        let asked = self.clock.monotonic();
        let Some(turn) = self.store.take_turn(self.head.size).await? else { return Ok(None) };
        self.server = Some(ServerTime { clock: turn.clock, asked, answered: self.clock.monotonic() });
        Ok(Some(turn))
    }

    /// Takes in what others have committed, between turns.
    pub(crate) async fn hear(&mut self) {
        if self.lost || self.shared.halted().is_some() {
            return;
        }
        if let Err(error) = self.hear_head().await {
            self.lost = true;
            self.lament(&error);
        }
    }

    async fn hear_head(&mut self) -> Result<(), StoreError> {
        let head = self.store.load_head().await?;
        self.follow(&head, Vec::new()).await
    }

    /// Connects again if the database was lost. While it is not there each message tries once, and there are no turns. A
    /// node that has stopped does not ask, until it is told to resume.
    pub(crate) async fn find_again(&mut self, resumes: bool) {
        if !self.lost || (self.shared.halted().is_some() && !resumes) {
            return;
        }
        match self.connect_again().await {
            Ok(()) => {
                self.lost = false;
                tracing::info!(size = self.head.size, "the database is there again");
            }
            Err(error) => self.lament(&error),
        }
    }

    async fn connect_again(&mut self) -> Result<(), StoreError> {
        self.store.reconnect().await?;
        // Before the head is read: other nodes go on. After there is a connection: what was published through the one that
        // was lost is there by now.
        let published = self.published_there().await?;
        let head = self.store.load_head().await?;
        self.follow(&head, Vec::new()).await?;
        let there = Checkpoint { origin: self.shared.origin.clone(), size: head.size, root: head.edge.root() };
        published.map_or(Ok(()), |published| published.refuse_behind(&there))?;
        self.begin_sealed().await
    }

    /// The checkpoint in the bucket, where there is one: others may have published what this database has not got.
    async fn published_there(&self) -> Result<Option<There>, StoreError> {
        let (Some(bucket), Some(keys)) = (&self.settings.bucket, self.world.log_keys()) else { return Ok(None) };
        bucket.checkpoint(keys).await
    }

    /// Says why what others committed was not taken in, and stops where it is no longer the ledger that it was.
    fn lament(&self, error: &StoreError) {
        match error {
            StoreError::Bucket { .. } => tracing::warn!(error = chain(error), "nobody says what was published"),
            StoreError::Gone { .. } => tracing::warn!(error = chain(error), "the database is gone"),
            StoreError::Moved { .. } => {
                tracing::error!(error = chain(error), "the ledger was moved elsewhere");
                self.shared.halt_for_good(MOVED.to_owned());
            }
            error if error.is_passing() => tracing::warn!(error = chain(error), "the database is busy"),
            error => {
                tracing::error!(error = chain(error), "the database is not the one that was left");
                self.shared.halt_for_good(format!("数据库与本进程先前所见不符（{}），请检查后重新启动", chain(error)));
            }
        }
    }

    /// Takes in the entries up to a head, which must be where they lead; `first` are those that are here already.
    async fn follow(&mut self, head: &LogHead, first: Vec<(u64, Vec<u8>)>) -> Result<(), StoreError> {
        let before = self.head.size;
        for (index, bytes) in first {
            self.learn(index, bytes)?;
        }
        while self.head.size < head.size {
            let to = head.size.min(self.head.size + READ_ENTRIES_MAX);
            let rows = self.store.load_range(self.head.size, to).await?;
            if rows.is_empty() {
                return Err(StoreError::row(self.head.size, "index", "the row is missing"));
            }
            for row in rows {
                self.learn(row.index, row.bytes)?;
            }
        }
        if self.head != *head {
            let reason = format!("there were {} entries, now {} or another tree", self.head.size, head.size);
            return Err(StoreError::row(head.size, "head", reason));
        }
        if self.head.size > before {
            self.shared.committed.send_replace(self.head.size);
            // The publisher ends only when it cannot go on; a signal that waits already will find these entries too.
            let _ = self.publisher.try_send(Signal::Committed);
        }
        Ok(())
    }

    /// Takes one entry in.
    fn learn(&mut self, index: u64, bytes: Vec<u8>) -> Result<(), StoreError> {
        let entry = parse_entry(index, bytes)?;
        if index != self.head.size || entry.prev != self.head.entry_hash {
            return Err(StoreError::row(index, "prev", "it does not continue what was left"));
        }
        let mut edge = self.head.edge.clone();
        edge.append(entry.leaf_hash()).map_err(|error| StoreError::row(index, "head", error.to_string()))?;
        if let Content::Statement(signed) = &entry.content {
            self.streams.forget(&signed.statement.stream.to_string());
            self.erasure_heard |=
                kind::body::<erasure::Ordered>(&signed.statement.kind, &signed.statement.body).is_some();
            self.shared.learn(index, entry.recorded_at, std::iter::once(signed));
            if teaches(&signed.statement) {
                self.world.evolve(&Recorded {
                    index,
                    recorded_at: entry.recorded_at,
                    statement: &signed.statement,
                    hash: signed.hash,
                    values: None,
                });
            }
        }
        self.head = LogHead { size: index + 1, entry_hash: entry.hash, edge, recorded_at: entry.recorded_at };
        Ok(())
    }
}
