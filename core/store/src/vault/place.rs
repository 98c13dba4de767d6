//! Where the vault's database is, and what is particular to each kind: a file beside the ledger, or a schema of its own on a
//! PostgreSQL server, which several nodes share.
//!
//! Where the rows are on a server and that has a schema `vault`, the file `vault/wraps.db` is what a move left.
//! The file: WAL with `synchronous=FULL` and `secure_delete`; after a deletion the WAL is copied back and emptied, so that a
//! destroyed wrap is in no file. The server: `VACUUM`, and what its write-ahead log keeps is its administrator's. What is asked
//! of either is in `wraps`.

use std::{fs, io, path::Path, time::Duration};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use super::VaultFault;
use crate::{
    backup::flush_folder,
    database::{Connection, Driver, Place, query, remove_file},
    error::{StoreError, sql},
    layout::Layout,
    row_store,
};

/// Steps that make the schema of a file; `PRAGMA user_version` counts them.
const OF_FILE: [&str; 2] = [
    include_str!("../../../../migrations/vault/sqlite/0001_wraps.sql"),
    include_str!("../../../../migrations/vault/sqlite/0002_wraps_in_order.sql"),
];
/// Steps that make the schema of a server; its table `version` counts them.
const OF_SERVER: [&str; 1] = [include_str!("../../../../migrations/vault/postgres/0001_wraps.sql")];

/// `PRAGMA application_id` of a vault: "Gonv".
const APPLICATION_ID: i64 = 0x476F_6E76;
/// The version of a file's schema.
const VERSION: i64 = 2;
const _: () = assert!(OF_FILE.len() == 2, "VERSION counts the migrations");
/// The version of a server's schema.
const SERVER_VERSION: i64 = 1;
const _: () = assert!(OF_SERVER.len() == 1, "SERVER_VERSION counts the migrations");

/// How long somebody else who reads or writes is waited for; an erasure keeps the sequencer as long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Cache of a file's connection, negative for KiB: the index over 200,000 wraps.
const CACHE_KIB: &str = "-16384";

const LOAD_VERSION: &str = "SELECT version FROM version WHERE id = 1";
const SAVE_VERSION: &str = "INSERT INTO version (id, version) VALUES (1, $1)";
const EMPTY_WAL: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// Where the vault of a ledger is; `None` where there is none.
pub(super) async fn of(layout: &Layout) -> Result<Option<Place>, StoreError> {
    for place in [beside(layout)?, Place::File(layout.wraps())] {
        if is_there(&place).await? {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

/// Whether there is a vault at a place.
pub(super) async fn is_there(place: &Place) -> Result<bool, StoreError> {
    match place {
        Place::File(path) => Ok(path.is_file()),
        Place::Server(url) => Ok(row_store::version_at(url).await?.is_some()),
    }
}

/// Where a new vault goes: beside the rows of its ledger.
pub(super) fn beside(layout: &Layout) -> Result<Place, StoreError> {
    Ok(match Place::of(layout)? {
        Place::Server(url) => Place::Server(url.vault()),
        Place::File(_) => Place::File(layout.wraps()),
    })
}

/// The name of a file while it is made.
fn draft(path: &Path) -> std::path::PathBuf {
    path.with_extension("draft")
}

/// Makes an empty vault, a file under its name of a draft; an unfinished one is made again.
pub(super) async fn make(place: &Place) -> Result<Connection, StoreError> {
    let doing = "creating the vault";
    match place {
        Place::File(path) => {
            let draft = draft(path);
            remove_file(&draft)?;
            let mut connection = options(&draft).create_if_missing(true).connect().await.map_err(sql(doing))?;
            migrate(&mut connection, 0).await?;
            Ok(connection.into())
        }
        Place::Server(url) => {
            let mut connection = row_store::durable(url, BUSY_TIMEOUT).await?;
            // One transaction, ended by whoever fills it: a crash leaves nothing.
            let begin = AssertSqlSafe(format!("BEGIN; CREATE SCHEMA {}", url.schema()));
            connection.execute(sqlx::raw_sql(begin)).await.map_err(sql(doing))?;
            for text in OF_SERVER {
                connection.execute(sqlx::raw_sql(text)).await.map_err(sql(doing))?;
            }
            sqlx::query(SAVE_VERSION).bind(SERVER_VERSION).execute(&mut connection).await.map_err(sql(doing))?;
            Ok(connection.into())
        }
    }
}

/// Ends what [`make`] began and whoever called it filled: from here on it is a vault.
pub(super) async fn made(mut connection: Connection, place: &Place) -> Result<(), StoreError> {
    let doing = "creating the vault";
    if let Place::Server(_) = place {
        query("COMMIT").execute(&mut connection).await.map_err(sql(doing))?;
    }
    connection.close().await.map_err(sql(doing))?;
    let Place::File(path) = place else { return Ok(()) };
    fs::rename(draft(path), path).map_err(|e| StoreError::file("naming", path, e))?;
    flush_folder(path.parent().unwrap_or(Path::new(".")))
}

/// For reading and writing; a file of an earlier version is brought up to date.
pub(super) async fn open(place: &Place) -> Result<Connection, VaultFault> {
    match place {
        Place::File(path) => {
            let mut connection = options(path).connect().await.map_err(sql("opening the vault"))?;
            let version = version(&mut connection).await?;
            if version < VERSION {
                migrate(&mut connection, version).await?;
                // What the step rewrote is not left behind in the WAL.
                empty_wal(&mut connection, "migrating the vault").await?;
            }
            Ok(connection.into())
        }
        Place::Server(url) => {
            let mut connection = row_store::durable(url, BUSY_TIMEOUT).await?;
            known(&mut connection).await?;
            Ok(connection.into())
        }
    }
}

/// For reading alone, also beside a running server; an earlier version is read as it is.
pub(super) async fn open_read_only(place: &Place) -> Result<Connection, VaultFault> {
    match place {
        Place::File(path) => {
            let options = SqliteConnectOptions::new().filename(path).read_only(true).disable_statement_logging();
            let mut connection = options.connect().await.map_err(sql("opening the vault"))?;
            version(&mut connection).await?;
            Ok(connection.into())
        }
        Place::Server(url) => {
            let mut connection = url.reader(BUSY_TIMEOUT).connect().await.map_err(sql("opening the vault"))?;
            known(&mut connection).await?;
            Ok(connection.into())
        }
    }
}

/// Sees to it that what was deleted is in no file, as far as it is ours to see to.
///
/// # Errors
/// Somebody goes on reading the file for longer than the connection waits: then it is still there.
pub(super) async fn wipe(connection: &mut Connection, doing: &'static str) -> Result<(), StoreError> {
    match connection.driver() {
        Driver::Sqlite(connection) => empty_wal(connection, doing).await,
        Driver::Postgres(connection) => {
            if let Err(error) = connection.execute("VACUUM wraps").await {
                tracing::warn!(%error, "destroyed keys could not be vacuumed yet");
            }
            Ok(())
        }
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("secure_delete", "ON")
        .pragma("cache_size", CACHE_KIB)
        .disable_statement_logging()
}

async fn empty_wal(connection: &mut SqliteConnection, doing: &'static str) -> Result<(), StoreError> {
    let busy: i64 = sqlx::query_scalar(EMPTY_WAL).fetch_one(connection).await.map_err(sql(doing))?;
    if busy == 0 {
        return Ok(());
    }
    let busy = io::Error::new(io::ErrorKind::ResourceBusy, "somebody goes on reading the vault");
    Err(sql(doing)(sqlx::Error::Io(busy)))
}

/// The version of a file, when it is a vault that this program knows.
async fn version(connection: &mut SqliteConnection) -> Result<i64, VaultFault> {
    let doing = "reading the vault's version";
    let application: i64 =
        sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await.map_err(sql(doing))?;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(connection).await.map_err(sql(doing))?;
    match (application, version) {
        (APPLICATION_ID, 1..=VERSION) => Ok(version),
        (APPLICATION_ID, _) if version > VERSION => Err(VaultFault::Newer { found: version, known: VERSION }),
        _ => Err(VaultFault::NotAVault),
    }
}

/// Refuses a schema of a later version.
async fn known(connection: &mut PgConnection) -> Result<(), VaultFault> {
    let version = sqlx::query_scalar(LOAD_VERSION).fetch_one(connection).await;
    let version: i64 = version.map_err(sql("reading the vault's version"))?;
    if version > SERVER_VERSION {
        return Err(VaultFault::Newer { found: version, known: SERVER_VERSION });
    }
    Ok(())
}

/// A crash leaves the version before or the one after.
async fn migrate(connection: &mut SqliteConnection, version: i64) -> Result<(), StoreError> {
    let doing = "migrating the vault";
    for (step, text) in OF_FILE.iter().enumerate().skip(usize::try_from(version).unwrap_or(0)) {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(sql(doing))?;
        sqlx::raw_sql(*text).execute(&mut *transaction).await.map_err(sql(doing))?;
        let mark = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}", step + 1);
        sqlx::raw_sql(AssertSqlSafe(mark)).execute(&mut *transaction).await.map_err(sql(doing))?;
        transaction.commit().await.map_err(sql(doing))?;
    }
    Ok(())
}
