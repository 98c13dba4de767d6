//! The writer's side of a ledger in a database of rows: one connection, one epoch. A file has one writer, and the last one
//! to open it fences the others; on a server many write in turns, and a turn is a transaction that holds the head's row.
//!
//! What is asked is the same in both databases (`tables`, `sealed_tables`); how a batch is appended is native to each
//! (`sqlite`, `postgres`). [`RowStore`] joins them. A further database of rows adds a file here; one of another nature
//! implements [`EventStore`] itself and passes `conformance`.

mod making;
mod postgres;
mod sqlite;
mod sqlite_sealed;

use std::time::Duration;

use gongkai_log::Digest;

pub(crate) use self::{
    making::{draft, examine, forget_server, joined, put_in_place, refuse_taken, size_of, writer},
    postgres::{connect as durable, drop_ledger, version as version_on, version_at},
};
use crate::{
    database::{Connection, Driver, Place, query},
    error::{OpenError, StoreError, sql},
    event_store::{
        Batch, Erased, EventStore, Halt, Known, LogHead, Publication, RawEntry, RawSealed, SealedValue, Turn, Waiting,
    },
    node::ALONE,
    sealed_tables, tables,
    vault::Tag,
};

/// The write connection.
pub struct RowStore {
    connection: Connection,
    epoch: u64,
    wal: sqlite::Wal,
    place: Place,
    busy_timeout: Duration,
    // As which node it remembers how far files are durable.
    node: i64,
    // Whether the transaction of a turn is open.
    in_turn: bool,
}

impl RowStore {
    /// Makes an empty log at a place, in place of an unfinished one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create(place: &Place) -> Result<(), StoreError> {
        match place {
            Place::File(path) => sqlite::create(path).await,
            Place::Server(url) => postgres::create(url).await,
        }
    }

    /// Opens a log for writing: a file alone, taking over from whoever wrote before; on a server in turns with others.
    ///
    /// # Errors
    /// [`OpenError::NotALedger`], [`OpenError::Newer`], [`OpenError::Store`].
    pub async fn open(place: &Place, busy_timeout: Duration) -> Result<Self, OpenError> {
        let (connection, epoch) = joined(place, busy_timeout).await?;
        // A withdrawal may have been committed just before a crash.
        let wal = sqlite::Wal { to_empty: true, appended: 0 };
        let (place, node, in_turn) = (place.clone(), ALONE, false);
        let mut store = Self { connection, epoch, wal, place, busy_timeout, node, in_turn };
        store.forget_withdrawn().await;
        Ok(store)
    }

    /// As one node of several.
    #[must_use]
    pub(crate) fn numbered(self, node: i64) -> Self {
        Self { node, ..self }
    }

    /// Sees to it that withdrawn text is in no file of the database.
    async fn forget_withdrawn(&mut self) {
        match self.connection.driver() {
            Driver::Sqlite(connection) => self.wal.empty(connection).await,
            Driver::Postgres(connection) => self.wal.to_empty = !postgres::vacuum(connection).await,
        }
    }

    /// Limits the database file, so that a test can fill it.
    #[cfg(test)]
    pub(crate) async fn limit_pages(&mut self, pages: u32) {
        let Driver::Sqlite(connection) = self.connection.driver() else { return };
        let query = sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}")));
        query.execute(connection).await.expect("the pragma exists");
    }
}

impl EventStore for RowStore {
    async fn load_head(&mut self) -> Result<LogHead, StoreError> {
        Ok(tables::load_head(&mut self.connection).await?.0)
    }

    async fn load_range(&mut self, from: u64, to: u64) -> Result<Vec<RawEntry>, StoreError> {
        tables::load_range(&mut self.connection, from, to).await
    }

    async fn look_up(&mut self, keys: Vec<String>, streams: Vec<String>) -> Result<Known, StoreError> {
        tables::look_up(&mut self.connection, keys, streams).await
    }

    async fn load_last_period(&mut self) -> Result<Option<u64>, StoreError> {
        sealed_tables::last_period(&mut self.connection).await
    }

    async fn count_sealed(&mut self) -> Result<u64, StoreError> {
        sealed_tables::count_events(&mut self.connection).await
    }

    async fn load_waiting(&mut self) -> Result<Vec<Waiting>, StoreError> {
        sealed_tables::load_waiting(&mut self.connection).await
    }

    async fn load_sealed(&mut self, tags: Vec<[u8; 16]>) -> Result<Vec<RawSealed>, StoreError> {
        let tags: Vec<Tag> = tags.into_iter().map(Tag).collect();
        sealed_tables::load_by_tag(&mut self.connection, &tags).await
    }

    async fn load_sealed_event(&mut self, seq: u64) -> Result<Option<RawSealed>, StoreError> {
        Ok(sealed_tables::load_events(&mut self.connection, seq, seq + 1).await?.pop())
    }

    async fn find_sealed(&mut self, commitment: Digest) -> Result<Option<RawSealed>, StoreError> {
        match sealed_tables::find_by_commitment(&mut self.connection, &commitment).await? {
            Some(seq) => self.load_sealed_event(seq).await,
            None => Ok(None),
        }
    }

    async fn load_erasures(&mut self) -> Result<Vec<Erased>, StoreError> {
        sealed_tables::load_unfinished_erasures(&mut self.connection).await
    }

    async fn finish_erasure(&mut self, tag: [u8; 16]) -> Result<(), StoreError> {
        sealed_tables::finish_erasure(&mut self.connection, tag).await
    }

    async fn load_sealed_values(&mut self, index: u64) -> Result<Vec<SealedValue>, StoreError> {
        sealed_tables::load_values_of(&mut self.connection, index).await
    }

    async fn append(&mut self, batch: Batch) -> Result<(), StoreError> {
        let withdraws = !batch.changed.is_empty() || !batch.erased.is_empty();
        self.wal.appended += batch.entries.len() + batch.sealed.len();
        match self.connection.driver() {
            Driver::Sqlite(connection) => sqlite::append(connection, batch, self.epoch).await?,
            Driver::Postgres(connection) if self.in_turn => {
                self.in_turn = false;
                postgres::append_in_turn(connection, batch, (self.epoch, self.node)).await?;
            }
            Driver::Postgres(connection) => postgres::append(connection, batch, (self.epoch, self.node)).await?,
        }
        self.wal.to_empty |= withdraws;
        if self.wal.to_empty {
            self.forget_withdrawn().await;
        }
        Ok(())
    }

    async fn take_turn(&mut self, from: u64) -> Result<Option<Turn>, StoreError> {
        let Driver::Postgres(connection) = self.connection.driver() else { return Ok(None) };
        let begins = !std::mem::replace(&mut self.in_turn, true);
        let (turn, epoch) = postgres::take_turn(connection, begins, from).await?;
        let fenced = StoreError::Fenced { size: turn.head.size, epoch: self.epoch };
        if epoch == self.epoch { Ok(Some(turn)) } else { Err(fenced) }
    }

    async fn pass(&mut self) {
        if !std::mem::take(&mut self.in_turn) {
            return;
        }
        // What a turn without a batch has written is that an erasure is finished. Where the commit fails the connection is gone,
        // and with it the turn.
        if let Err(error) = query("COMMIT").execute(&mut self.connection).await {
            tracing::debug!(%error, "a turn ended with its connection");
        }
    }

    async fn rest(&mut self) {
        let Driver::Sqlite(connection) = self.connection.driver() else { return };
        if let Err(error) = self.wal.shorten(connection).await {
            tracing::warn!(%error, "the WAL could not be copied back yet");
        }
    }

    async fn reconnect(&mut self) -> Result<(), StoreError> {
        let Place::Server(url) = &self.place else { return Ok(()) };
        self.connection = postgres::connect(url, self.busy_timeout).await?.into();
        self.in_turn = false;
        let (head, epoch) = tables::load_head(&mut self.connection).await?;
        if epoch == self.epoch { Ok(()) } else { Err(StoreError::Fenced { size: head.size, epoch: self.epoch }) }
    }

    async fn load_publication(&mut self) -> Result<Option<Publication>, StoreError> {
        tables::load_publication(&mut self.connection, self.node).await
    }

    async fn save_publication(&mut self, publication: Publication) -> Result<(), StoreError> {
        tables::save_publication(&mut self.connection, self.node, publication).await
    }

    async fn load_halt(&mut self) -> Result<Option<Halt>, StoreError> {
        tables::load_halt(&mut self.connection).await
    }

    async fn save_halt(&mut self, halt: Halt) -> Result<(), StoreError> {
        tables::save_halt(&mut self.connection, halt).await
    }

    async fn close(self) -> Result<(), StoreError> {
        self.connection.close().await.map_err(sql("closing the database"))
    }
}
