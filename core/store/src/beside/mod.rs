//! Stores beside the ledger, which are no part of it: drafts, and what was taken in across a network gap.
//!
//! Where the ledger's rows are in its directory such a store is a file in the vault's folder. Where they are on a server it
//! is a schema of its own there, which all nodes share. [`Beside`] reaches either and does everything in transactions: that of
//! a file has it alone, that of a server holds the row of the version where limits or revisions are compared ([`Turn`]). A
//! connection that was lost is made again when the next transaction begins, which nothing was done in yet. A file beside a
//! ledger on a server is one that an earlier version left: its rows are brought to the server when the store is opened, and
//! the file is removed; a crash in between brings again what nobody has removed there meanwhile. Everything that says
//! something is encrypted by whoever keeps it.
//!
//! Not here: what is asked of a store (`drafts`, `taken`: the same text for both databases), and moving it (`moving`). To add a
//! store, make its migrations for both, say what it is in a [`Kind`], and name that in [`KINDS`].

mod moving;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, error::DatabaseError};

pub(crate) use self::moving::{back_up, go_to_server, leave_server, settle};
use crate::{
    copying::{Table, copy_missing},
    database::{Connection, Driver, Place, Sql, query, remove_file},
    drafts,
    error::{StoreError, sql},
    layout::Layout,
    marked::Marked,
    row_store::{self, version_on},
    taken,
};

/// What there is beside a ledger.
const KINDS: [&Kind; 2] = [&drafts::STORE, &taken::STORE];

/// The schemas of [`KINDS`].
pub(crate) const SCHEMAS: [&str; 2] = [drafts::STORE.schema, taken::STORE.schema];

const BEGIN: Sql = Sql::Each { sqlite: "BEGIN IMMEDIATE", postgres: "BEGIN" };
/// A file has one writer as it is.
const HOLD: &str = "SELECT version FROM version WHERE id = 1 FOR UPDATE";
// Every ledger on a server has this row, and nobody else holds it but whoever changes its schema.
const HOLD_LEDGER: &str = "SELECT version FROM ledger.version WHERE id = 1 FOR UPDATE";
const SAVE_VERSION: &str = "INSERT INTO version (id, version) VALUES (1, $1) \
                            ON CONFLICT (id) DO UPDATE SET version = excluded.version";
const EMPTY_WAL: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// Why a store beside the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BesideFault {
    /// It is another program's or a later version's; it was not touched.
    #[error("{0} is not what this program keeps there, or a later version's")]
    Foreign(String),
    /// The database failed.
    #[error("a store beside the ledger")]
    Store(#[from] StoreError),
}

/// What a store is.
pub(crate) struct Kind {
    /// Its schema on a server.
    pub schema: &'static str,
    /// Its file in a directory.
    pub path: fn(&Layout) -> PathBuf,
    /// How that is made and known.
    pub file: Marked,
    /// Steps that make the schema; its table `version` counts them.
    pub server: &'static [&'static str],
    /// All its tables, those that others refer to first.
    pub tables: &'static [Table],
    /// How long a server's lock is waited for; a node that stops within a transaction has three fifths of it.
    pub patience: Duration,
    /// Whether a file that cannot be read is set aside for a new one.
    pub is_expendable: bool,
}

/// Whom a transaction keeps waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Everybody who would begin one like this: what it reads is so until it ends.
    Alone,
    /// Whoever would change the same rows; of a file, everybody.
    Among,
}

/// A store that is opened.
pub(crate) struct Beside {
    kind: &'static Kind,
    place: Place,
    connection: Option<Connection>,
    // Also after whoever began it was dropped.
    begun: bool,
}

impl Beside {
    /// Opens the store of a ledger; makes it where there is none.
    pub(crate) async fn open(kind: &'static Kind, layout: &Layout) -> Result<Self, BesideFault> {
        let place = match Place::of(layout)? {
            Place::File(_) => Place::File((kind.path)(layout)),
            Place::Server(url) => Place::Server(url.beside(kind.schema)),
        };
        let mut store = Self { kind, place, connection: None, begun: false };
        store.connect().await?;
        if store.is_shared() {
            store.bring(&(kind.path)(layout)).await?;
        }
        Ok(store)
    }

    /// Whether other nodes use it too.
    fn is_shared(&self) -> bool {
        matches!(self.place, Place::Server(_))
    }

    async fn connect(&mut self) -> Result<(), BesideFault> {
        self.connection = Some(match &self.place {
            Place::File(path) => self.kind.open_file(path).await?,
            Place::Server(url) => {
                let mut connection = row_store::durable(url, self.kind.patience).await?;
                make_schema(&mut connection, self.kind).await?;
                connection.into()
            }
        });
        Ok(())
    }

    /// Takes the rows in that an earlier version kept in a file of this node.
    async fn bring(&mut self, path: &Path) -> Result<(), BesideFault> {
        if !path.is_file() {
            return Ok(());
        }
        let mut from = self.kind.open_file(path).await?;
        self.begin(Turn::Alone).await?;
        let brought = copy_missing(self.kind.tables, &mut from, self.connection()?).await;
        self.end(brought.map_err(BesideFault::from)).await?;
        from.close().await.map_err(sql(self.kind.file.doing))?;
        // They are on the server. If we stop here, they are brought again, but for what is there.
        Ok(remove_file(path)?)
    }

    /// The connection of the transaction that was begun.
    pub(crate) fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        let none = || StoreError::sql(self.kind.file.doing, sqlx::Error::PoolClosed);
        self.connection.as_mut().ok_or_else(none)
    }

    /// Begins a transaction; [`Self::end`] ends it.
    pub(crate) async fn begin(&mut self, turn: Turn) -> Result<(), BesideFault> {
        if self.begun {
            self.roll_back().await;
        }
        match self.try_begin(turn).await {
            Err(BesideFault::Store(StoreError::Gone { .. })) if self.is_shared() => {
                self.connection = None;
                self.try_begin(turn).await
            }
            begun => begun,
        }
    }

    async fn try_begin(&mut self, turn: Turn) -> Result<(), BesideFault> {
        if self.connection.is_none() {
            self.connect().await?;
        }
        let (doing, holds) = (self.kind.file.doing, turn == Turn::Alone && self.is_shared());
        self.begun = true;
        let connection = self.connection()?;
        let begun = async {
            query(BEGIN).execute(connection).await?;
            if holds { query(HOLD).execute(connection).await } else { Ok(()) }
        };
        let begun = begun.await.map_err(sql(doing));
        if begun.is_err() {
            self.roll_back().await;
        }
        Ok(begun?)
    }

    /// Makes so what was done since [`Self::begin`], or takes it back where it failed.
    pub(crate) async fn end<T, E: From<StoreError>>(&mut self, done: Result<T, E>) -> Result<T, E> {
        if done.is_err() {
            self.roll_back().await;
            return done;
        }
        let doing = self.kind.file.doing;
        // The commit point. Whether it was reached is not known where the connection is lost here.
        query("COMMIT").execute(self.connection()?).await.map_err(sql(doing))?;
        self.begun = false;
        done
    }

    async fn roll_back(&mut self) {
        self.begun = false;
        let Some(connection) = self.connection.as_mut() else { return };
        // A file says so too where there was nothing to take back.
        if query("ROLLBACK").execute(connection).await.is_err() && self.is_shared() {
            self.connection = None;
        }
    }

    /// Sees to it that what was deleted is in no file, as far as it is ours to see to.
    pub(crate) async fn wipe(&mut self) -> Result<(), StoreError> {
        let kind = self.kind;
        match self.connection()?.driver() {
            Driver::Sqlite(connection) => {
                sqlx::query(EMPTY_WAL).execute(connection).await.map(drop).map_err(sql(kind.file.doing))
            }
            Driver::Postgres(connection) => {
                let tables: Vec<&str> = kind.tables.iter().map(|table| table.name).collect();
                let vacuum = AssertSqlSafe(format!("VACUUM {}", tables.join(", ")));
                if let Err(error) = connection.execute(sqlx::raw_sql(vacuum)).await {
                    tracing::warn!(%error, store = kind.schema, "removed rows could not be vacuumed yet");
                }
                Ok(())
            }
        }
    }
}

impl Kind {
    /// Opens a file of this kind, or makes it; one that cannot be read is set aside where it may be.
    async fn open_file(&self, path: &Path) -> Result<Connection, BesideFault> {
        match self.try_file(path).await {
            Err(BesideFault::Store(StoreError::Device { source, .. }))
                if self.is_expendable && is_unreadable(&source) =>
            {
                set_aside(path)?;
                self.try_file(path).await
            }
            opened => opened,
        }
    }

    async fn try_file(&self, path: &Path) -> Result<Connection, BesideFault> {
        let opened = self.file.open(path, |options| options.foreign_keys(true).pragma("secure_delete", "ON")).await?;
        let mut connection = opened.ok_or_else(|| BesideFault::Foreign(path.display().to_string()))?;
        // What was removed just before a crash is still in the WAL.
        sqlx::query(EMPTY_WAL).execute(&mut connection).await.map_err(sql(self.file.doing))?;
        Ok(connection.into())
    }

    fn foreign_schema(&self) -> BesideFault {
        BesideFault::Foreign(format!("the schema `{}`", self.schema))
    }
}

/// Makes the schema, or brings it up to date: one node at a time, each step and its number by one commit.
async fn make_schema(connection: &mut PgConnection, kind: &Kind) -> Result<(), BesideFault> {
    let doing = kind.file.doing;
    let known = kind.server.len();
    let steps = |version: Option<i64>| usize::try_from(version.unwrap_or(0)).unwrap_or(usize::MAX);
    match steps(version_on(connection, kind.schema).await?) {
        done if done == known => return Ok(()),
        done if done > known => return Err(kind.foreign_schema()),
        _ => {}
    }
    let mut transaction = connection.begin().await.map_err(sql(doing))?;
    sqlx::query(HOLD_LEDGER).fetch_one(&mut *transaction).await.map_err(sql(doing))?;
    // Another node may have made it while this one waited.
    let version = version_on(&mut transaction, kind.schema).await?;
    if version.is_none() {
        let create = AssertSqlSafe(format!("CREATE SCHEMA {}", kind.schema));
        transaction.execute(sqlx::raw_sql(create)).await.map_err(sql(doing))?;
    }
    for (step, text) in (1_i64..).zip(kind.server).skip(steps(version)) {
        transaction.execute(sqlx::raw_sql(*text)).await.map_err(sql(doing))?;
        sqlx::query(SAVE_VERSION).bind(step).execute(&mut *transaction).await.map_err(sql(doing))?;
    }
    Ok(transaction.commit().await.map_err(sql(doing))?)
}

/// Not a database, or a damaged one (`SQLITE_NOTADB`, `SQLITE_CORRUPT`).
fn is_unreadable(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    let code = code.and_then(|code| code.parse::<u32>().ok());
    // The primary code is the low byte.
    code.is_some_and(|code| [11, 26].contains(&(code & 0xff)))
}

fn set_aside(path: &Path) -> Result<(), StoreError> {
    let aside = path.with_extension("unreadable");
    fs::rename(path, &aside).map_err(|error| StoreError::file("setting aside", path, error))?;
    // Of the write-ahead log of what was set aside nothing is left for the new file.
    remove_file(path)
}
