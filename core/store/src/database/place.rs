//! Where a ledger's rows lie, and how a reader gets there.
//!
//! A directory with `ledger.db` holds them itself; one with `ledger.url` names a PostgreSQL server. Whoever reads never
//! writes: the file is opened read-only, the server is told so.

use std::{
    fs, io,
    path::{Path, PathBuf},
    str::FromStr as _,
    time::Duration,
};

use sqlx::{ConnectOptions as _, postgres::PgConnectOptions, sqlite::SqliteConnectOptions};

use super::Connection;
use crate::{
    error::{OpenError, StoreError},
    layout::{Layout, with_suffix},
};

/// The schema that holds a ledger.
const SCHEMA: &str = "ledger";

/// Its name while the genesis is not committed.
const SCHEMA_DRAFT: &str = "ledger_draft";

/// The schema that holds its vault.
const SCHEMA_VAULT: &str = "vault";

/// Where the rows lie.
#[derive(Clone, Debug)]
pub enum Place {
    /// A file of SQLite.
    File(PathBuf),
    /// A PostgreSQL database.
    Server(ServerUrl),
}

impl Place {
    /// The place of the ledger in a directory; a directory without one is taken for one with a file.
    ///
    /// # Errors
    /// [`StoreError`] when `ledger.url` cannot be read or is no address.
    pub fn of(layout: &Layout) -> Result<Self, StoreError> {
        match fs::read_to_string(layout.server()) {
            Ok(url) => Ok(Self::Server(ServerUrl::parse(url.trim())?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::File(layout.database())),
            Err(error) => Err(StoreError::file("reading", layout.server(), error)),
        }
    }

    /// Whether this is the same place.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(one), Self::File(other)) => one == other,
            (Self::Server(one), Self::Server(other)) => one == other,
            (Self::File(_), Self::Server(_)) | (Self::Server(_), Self::File(_)) => false,
        }
    }

    /// A connection that reads.
    pub(crate) async fn read(&self, busy_timeout: Duration) -> Result<Connection, StoreError> {
        let connection = match self {
            Self::File(path) => file_reader(path, busy_timeout).connect().await.map(Connection::from),
            Self::Server(url) => url.reader(busy_timeout).connect().await.map(Connection::from),
        };
        connection.map_err(|e| StoreError::sql("connecting", e))
    }

    /// That no ledger is here.
    pub(crate) fn refuse(&self, layout: &Layout, reason: impl Into<String>) -> OpenError {
        let path = match self {
            Self::File(path) => path.clone(),
            Self::Server(_) => layout.server(),
        };
        OpenError::NotALedger { path, reason: reason.into() }
    }
}

/// The address of a PostgreSQL database. A password does not belong in it: `PGPASSWORD`, `PGPASSFILE` and `~/.pgpass` are
/// read.
#[derive(Clone)]
pub struct ServerUrl {
    text: String,
    options: Box<PgConnectOptions>,
    schema: &'static str,
}

impl std::fmt::Debug for ServerUrl {
    // Somebody may have put a password there all the same.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "postgres://{}:{}", self.options.get_host(), self.options.get_port())
    }
}

impl PartialEq for ServerUrl {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl ServerUrl {
    /// Reads an address, `postgres://user@host:port/database`.
    ///
    /// # Errors
    /// [`StoreError`] when it is none.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let known = text.starts_with("postgres://") || text.starts_with("postgresql://");
        let options = PgConnectOptions::from_str(text).ok().filter(|_| known);
        let options = options.ok_or_else(|| StoreError::row(0, "ledger.url", "no address of a PostgreSQL database"))?;
        let options = options.application_name("gongkai").disable_statement_logging();
        Ok(Self { text: text.to_owned(), options: Box::new(options), schema: SCHEMA })
    }

    /// How to connect, to no schema yet.
    pub fn options(&self) -> PgConnectOptions {
        (*self.options).clone()
    }

    /// As it was given.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The same database while the genesis is not committed.
    pub(crate) fn draft(&self) -> Self {
        Self { schema: SCHEMA_DRAFT, ..self.clone() }
    }

    /// The same database's vault.
    pub(crate) fn vault(&self) -> Self {
        Self { schema: SCHEMA_VAULT, ..self.clone() }
    }

    /// The same database's store of that name beside the ledger.
    pub(crate) fn beside(&self, schema: &'static str) -> Self {
        Self { schema, ..self.clone() }
    }

    /// Whether it is the draft.
    pub(crate) fn is_draft(&self) -> bool {
        self.schema == SCHEMA_DRAFT
    }

    /// The schema that holds the tables.
    pub(crate) fn schema(&self) -> &'static str {
        self.schema
    }

    /// A connection that writes.
    pub(crate) fn writer(&self, busy_timeout: Duration) -> PgConnectOptions {
        let lock_timeout = busy_timeout.as_millis().to_string();
        self.options().options([("search_path", self.schema), ("lock_timeout", &lock_timeout)])
    }

    /// A connection that reads.
    pub(crate) fn reader(&self, busy_timeout: Duration) -> PgConnectOptions {
        self.writer(busy_timeout).options([("default_transaction_read_only", "on")])
    }
}

/// Removes a database's file with what SQLite keeps beside it; it may be gone.
pub(crate) fn remove_file(path: &Path) -> Result<(), StoreError> {
    for suffix in ["", "-wal", "-shm"] {
        let path = with_suffix(path, suffix);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::file("removing", path, error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Options of every connection to a ledger's file.
pub(crate) fn file(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(false)
        .pragma("cell_size_check", "ON")
        .row_buffer_size(512)
        .disable_statement_logging()
}

/// Options of readers of a file, who can be many and never write.
pub(crate) fn file_reader(path: &Path, busy_timeout: Duration) -> SqliteConnectOptions {
    file(path).read_only(true).busy_timeout(busy_timeout)
}
