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

pub(crate) use self::place::{file, file_reader, remove_file};
pub use self::{
    place::{Place, ServerUrl},
    query::{Query, Row, Sql, Value, query},
};
use crate::error::StoreError;

/// A connection to either database.
pub struct Connection(Reached);

enum Reached {
    File(SqliteConnection),
    PooledFile(PoolConnection<Sqlite>),
    Server(PgConnection),
    PooledServer(PoolConnection<Postgres>),
}

/// The driver's connection.
pub enum Driver<'c> {
    /// Of SQLite.
    Sqlite(&'c mut SqliteConnection),
    /// Of PostgreSQL.
    Postgres(&'c mut PgConnection),
}

/// What a question can be asked on.
pub trait Reach: Send {
    /// The driver's connection.
    fn driver(&mut self) -> Driver<'_>;
}

/// A transaction on either database; dropping it rolls it back.
pub enum Transaction {
    /// Of SQLite.
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    /// Of PostgreSQL.
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Reach for Transaction {
    fn driver(&mut self) -> Driver<'_> {
        match self {
            Self::Sqlite(transaction) => Driver::Sqlite(transaction),
            Self::Postgres(transaction) => Driver::Postgres(transaction),
        }
    }
}

impl Transaction {
    /// Makes what it did so.
    ///
    /// # Errors
    /// What the driver says. Whether it was committed is not known where the connection was lost.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await,
            Self::Postgres(transaction) => transaction.commit().await,
        }
    }

    /// Forgets what it did, at once.
    ///
    /// # Errors
    /// What the driver says.
    pub async fn rollback(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(transaction) => transaction.rollback().await,
            Self::Postgres(transaction) => transaction.rollback().await,
        }
    }
}

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// One state of the database, while others write.
    Reading,
    /// One state of the database and what is tried on it.
    Trying,
    /// Writing.
    Writing,
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

impl Reach for Connection {
    fn driver(&mut self) -> Driver<'_> {
        self.driver()
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
    ///
    /// # Errors
    /// What the driver says.
    pub async fn close(self) -> Result<(), sqlx::Error> {
        match self.0 {
            Reached::File(connection) => connection.close().await,
            Reached::Server(connection) => connection.close().await,
            Reached::PooledFile(_) | Reached::PooledServer(_) => Ok(()),
        }
    }
}

/// Connections of one kind, made when they are needed.
#[derive(Clone, Debug)]
pub enum Pool {
    /// To a file.
    File(SqlitePool),
    /// To a server.
    Server(PgPool),
}

/// How long a connection to a server may have lain idle and be taken for alive: it was tried when it was laid down, and
/// asking it at every turn is a journey for each page.
const UNTRIED_MAX: Duration = Duration::from_secs(1);

/// A pool of at most `connections_max` connections to a server.
pub fn connections(connections_max: u32) -> PgPoolOptions {
    let options = PgPoolOptions::new().max_connections(connections_max).test_before_acquire(false);
    options.before_acquire(|connection, idle| {
        Box::pin(async move {
            if idle.idle_for >= UNTRIED_MAX {
                connection.ping().await?;
            }
            Ok(true)
        })
    })
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
                let options = connections(readers_max.max(1)).acquire_timeout(busy_timeout);
                Self::Server(options.connect_lazy_with(url.reader(busy_timeout)))
            }
        }
    }

    pub(crate) async fn connection(&self) -> Result<Connection, StoreError> {
        self.acquire().await.map_err(|e| StoreError::sql("connecting", e))
    }

    /// A connection of the pool.
    ///
    /// # Errors
    /// What the driver says.
    pub async fn acquire(&self) -> Result<Connection, sqlx::Error> {
        let connection = match self {
            Self::File(pool) => pool.acquire().await.map(Reached::PooledFile),
            Self::Server(pool) => pool.acquire().await.map(Reached::PooledServer),
        };
        connection.map(Connection)
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// What the driver says.
    pub async fn begin(&self, purpose: Purpose) -> Result<Transaction, sqlx::Error> {
        match self {
            // A file has one state a transaction anyway; who may write is said by its connection.
            Self::File(pool) => pool.begin().await.map(Transaction::Sqlite),
            Self::Server(pool) => {
                let begin = match purpose {
                    Purpose::Reading => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                    Purpose::Trying => "BEGIN ISOLATION LEVEL REPEATABLE READ",
                    Purpose::Writing => "BEGIN",
                };
                // One that died since it was laid down leaves the pool by failing here, where nothing is lost yet.
                for _ in 0..pool.size() {
                    match pool.begin_with(begin).await {
                        Err(sqlx::Error::Io(error)) => tracing::info!(%error, "a connection of the pool was lost"),
                        done => return done.map(Transaction::Postgres),
                    }
                }
                pool.begin_with(begin).await.map(Transaction::Postgres)
            }
        }
    }

    /// Ends them all.
    pub async fn close(&self) {
        match self {
            Self::File(pool) => pool.close().await,
            Self::Server(pool) => pool.close().await,
        }
    }
}
