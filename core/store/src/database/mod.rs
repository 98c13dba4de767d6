//! The database that holds a ledger's rows: a file of SQLite, or a PostgreSQL server.
//!
//! [`Place`] says where the rows lie, [`Connection`] and [`Pool`] reach them, [`query()`] asks either database the same
//! question. Both drivers stay in sight: a connection is one of the two and gives it to whoever writes natively
//! (`row_store`). sqlx's own `Any` driver would hide the options that durability hangs on (pragmas, page size, error codes)
//! and copies every value. Not here: what the tables mean (`tables`, `sealed_tables`) and how they are written. For a third
//! database add a variant to each enum and let the compiler name the places.

mod place;
mod query;

use std::time::Duration;

use sqlx::{
    Connection as _, PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, pool::PoolConnection,
    postgres::PgPoolOptions, sqlite::SqlitePoolOptions,
};

pub use self::place::{Place, ServerUrl};
pub(crate) use self::{
    place::{file, file_reader},
    query::{Query, Row, Sql, Value, query},
};
use crate::error::StoreError;

/// A connection to either database.
pub(crate) struct Connection(Reached);

enum Reached {
    File(SqliteConnection),
    PooledFile(PoolConnection<Sqlite>),
    Server(PgConnection),
    PooledServer(PoolConnection<Postgres>),
}

/// The driver's connection.
pub(crate) enum Driver<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

impl From<SqliteConnection> for Connection {
    fn from(connection: SqliteConnection) -> Self {
        Self(Reached::File(connection))
    }
}

impl From<PgConnection> for Connection {
    fn from(connection: PgConnection) -> Self {
        Self(Reached::Server(connection))
    }
}

impl Connection {
    pub(crate) fn driver(&mut self) -> Driver<'_> {
        match &mut self.0 {
            Reached::File(connection) => Driver::Sqlite(connection),
            Reached::PooledFile(connection) => Driver::Sqlite(connection),
            Reached::Server(connection) => Driver::Postgres(connection),
            Reached::PooledServer(connection) => Driver::Postgres(connection),
        }
    }

    /// Begins to read one state of the database, also while others write.
    pub(crate) async fn begin_reading(&mut self) -> Result<(), StoreError> {
        let begin = Sql::Each { sqlite: "BEGIN", postgres: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" };
        query(begin).execute(self).await.map_err(|e| StoreError::sql("beginning to read", e))
    }

    /// Ends what [`Self::begin_reading`] began.
    pub(crate) async fn end_reading(&mut self) -> Result<(), StoreError> {
        query(Sql::Both("ROLLBACK")).execute(self).await.map_err(|e| StoreError::sql("ending to read", e))
    }

    /// Ends it in good order; one of a pool goes back there.
    pub(crate) async fn close(self) -> Result<(), sqlx::Error> {
        match self.0 {
            Reached::File(connection) => connection.close().await,
            Reached::Server(connection) => connection.close().await,
            Reached::PooledFile(_) | Reached::PooledServer(_) => Ok(()),
        }
    }
}

/// Connections that read, made when they are needed.
#[derive(Clone, Debug)]
pub(crate) enum Pool {
    File(SqlitePool),
    Server(PgPool),
}

impl Pool {
    /// A pool of at most `readers_max` connections.
    pub(crate) fn new(place: &Place, readers_max: u32, busy_timeout: Duration) -> Self {
        match place {
            Place::File(path) => {
                let options = SqlitePoolOptions::new().max_connections(readers_max.max(1)).test_before_acquire(false);
                Self::File(options.connect_lazy_with(file_reader(path, busy_timeout)))
            }
            Place::Server(url) => {
                let options = PgPoolOptions::new().max_connections(readers_max.max(1)).acquire_timeout(busy_timeout);
                Self::Server(options.connect_lazy_with(url.reader(busy_timeout)))
            }
        }
    }

    pub(crate) async fn connection(&self) -> Result<Connection, StoreError> {
        let connection = match self {
            Self::File(pool) => pool.acquire().await.map(Reached::PooledFile),
            Self::Server(pool) => pool.acquire().await.map(Reached::PooledServer),
        };
        connection.map(Connection).map_err(|e| StoreError::sql("connecting", e))
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::File(pool) => pool.close().await,
            Self::Server(pool) => pool.close().await,
        }
    }
}
