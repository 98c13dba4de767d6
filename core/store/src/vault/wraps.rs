//! The vault's database: wrapped data keys, and nothing that they open.
//!
//! WAL with `synchronous=FULL` and `secure_delete`; after a deletion the WAL is copied back and emptied, so
//! that a destroyed wrap is in no file. Every statement is here.

use std::{fmt, path::Path, time::Duration};

use gongkai_domain::vault::NONCE_BYTES;
use gongkai_log::Tier;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use super::VaultFault;
use crate::error::{StoreError, sql};

/// Steps that make the schema; `PRAGMA user_version` counts them.
const MIGRATIONS: [&str; 2] = [
    include_str!("../../../../migrations/vault/sqlite/0001_wraps.sql"),
    include_str!("../../../../migrations/vault/sqlite/0002_wraps_in_order.sql"),
];

/// `PRAGMA application_id` of a vault: "Gonv".
const APPLICATION_ID: i64 = 0x476F_6E76;
/// The schema's version.
const VERSION: i64 = 2;
const _: () = assert!(MIGRATIONS.len() == 2, "VERSION counts the migrations");

/// How long somebody else who reads or writes is waited for; an erasure keeps the sequencer as long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Cache of the connection, negative for KiB: the index over 200,000 wraps.
const CACHE_KIB: &str = "-16384";

const HEADER: &str = "SELECT origin, epoch, nonce, blind, since FROM vault WHERE id = 1";
const CREATE: &str = "INSERT INTO vault (id, origin, since, epoch, nonce, blind) VALUES (1, ?, ?, ?, ?, ?)";
const RENEW: &str = "UPDATE vault SET epoch = ?, nonce = ?, blind = ? WHERE id = 1";
const LOAD: &str = "SELECT subject, tier, org, epoch, wrap FROM wraps WHERE subject IN \
                    (SELECT unhex(value) FROM json_each(?))";
const ALL: &str = "SELECT subject, tier, org, epoch, wrap FROM wraps";
const INSERT: &str = "INSERT INTO wraps (subject, tier, org, epoch, wrap) VALUES ";
const INSERTED: &str = "(?, ?, ?, ?, ?)";
/// Most rows of one INSERT: a statement costs more than a row.
const ROWS_MAX: usize = 64;
const REPLACE: &str = "UPDATE wraps SET epoch = ?, wrap = ? WHERE subject = ? AND tier = ? AND org = ?";
const SUBJECTS: &str = "SELECT DISTINCT subject FROM wraps WHERE subject > ? ORDER BY subject LIMIT ?";
const DESTROY: &str = "DELETE FROM wraps WHERE subject = ?";
const EMPTY_WAL: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// Blind index of a subject.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub(crate) [u8; 16]);

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl Tag {
    /// Lower-case hex.
    pub fn to_hex(self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }
}

/// A data key, wrapped to one tier key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WrapRow {
    pub subject: Tag,
    pub tier: Tier,
    pub org: String,
    pub epoch: u64,
    pub wrap: Vec<u8>,
}

/// What the vault says of itself.
pub(super) struct Header {
    pub origin: String,
    pub since: u64,
    pub epoch: u64,
    pub nonce: [u8; NONCE_BYTES],
    pub blind: Vec<u8>,
}

/// A tier as it is stored.
pub(crate) fn tier_number(tier: Tier) -> i64 {
    match tier {
        Tier::Public => 0,
        Tier::Members => 1,
        Tier::Unit => 2,
        Tier::Named => 3,
    }
}

/// The tier of a number.
pub(crate) fn tier_of(number: i64) -> Option<Tier> {
    Tier::ALL.into_iter().find(|tier| tier_number(*tier) == number && *tier != Tier::Public)
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

/// One connection.
pub(super) struct Wraps(Option<SqliteConnection>);

impl Wraps {
    pub(super) async fn create(path: &Path, header: &Header) -> Result<(), StoreError> {
        let draft = path.with_extension("draft");
        for leftover in [draft.clone(), draft.with_extension("draft-wal"), draft.with_extension("draft-shm")] {
            if leftover.exists() {
                std::fs::remove_file(&leftover).map_err(|e| StoreError::file("removing", leftover, e))?;
            }
        }
        let doing = "creating the vault";
        let mut connection = options(&draft).create_if_missing(true).connect().await.map_err(sql(doing))?;
        migrate(&mut connection, 0).await?;
        let query = sqlx::query(CREATE).bind(header.origin.as_str()).bind(header.since.cast_signed());
        let query = query.bind(header.epoch.cast_signed()).bind(header.nonce.to_vec());
        query.bind(header.blind.as_slice()).execute(&mut connection).await.map_err(sql(doing))?;
        connection.close().await.map_err(sql(doing))?;
        // From here on it is a vault.
        std::fs::rename(&draft, path).map_err(|e| StoreError::file("naming", path, e))
    }

    /// For reading and writing; a vault of an earlier version is brought up to date.
    pub(super) async fn open(path: &Path) -> Result<Self, VaultFault> {
        let mut connection = options(path).connect().await.map_err(sql("opening the vault"))?;
        let version = version(&mut connection).await?;
        if version < VERSION {
            migrate(&mut connection, version).await?;
            // What the step rewrote is not left behind in the WAL.
            empty_wal(&mut connection, "migrating the vault").await?;
        }
        Ok(Self(Some(connection)))
    }

    /// For reading alone, also beside a running server; an earlier version is read as it is.
    pub(super) async fn open_read_only(path: &Path) -> Result<Self, VaultFault> {
        let options = SqliteConnectOptions::new().filename(path).read_only(true).disable_statement_logging();
        let mut connection = options.connect().await.map_err(sql("opening the vault"))?;
        version(&mut connection).await?;
        Ok(Self(Some(connection)))
    }

    fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        let gone = || StoreError::sql("using the vault", sqlx::Error::PoolClosed);
        self.0.as_mut().ok_or_else(gone)
    }

    pub(super) async fn header(&mut self) -> Result<Header, VaultFault> {
        let row = sqlx::query(HEADER).fetch_one(self.connection()?).await.map_err(sql("reading the vault"))?;
        let nonce = <[u8; NONCE_BYTES]>::try_from(row.get::<&[u8], _>(2));
        let nonce = nonce.map_err(|_| StoreError::row(0, "vault", "the nonce is not 24 bytes"))?;
        let [epoch, since] = [1, 4].map(|column| row.get::<i64, _>(column).cast_unsigned());
        Ok(Header { origin: row.get(0), since, epoch, nonce, blind: row.get(3) })
    }

    pub(super) async fn load(&mut self, tags: &[Tag]) -> Result<Vec<WrapRow>, StoreError> {
        let tags: Vec<String> = tags.iter().map(|tag| tag.to_hex()).collect();
        let tags = serde_json::to_string(&tags).expect("texts have JSON");
        let rows = sqlx::query(LOAD).bind(tags).fetch_all(self.connection()?).await;
        rows.map_err(sql("reading data keys"))?.iter().map(row).collect()
    }

    pub(super) async fn all(&mut self) -> Result<Vec<WrapRow>, StoreError> {
        let rows = sqlx::query(ALL).fetch_all(self.connection()?).await;
        rows.map_err(sql("reading data keys"))?.iter().map(row).collect()
    }

    /// Subjects that have keys, in order, after one of them.
    pub(super) async fn subjects(&mut self, after: Option<Tag>, limit: u64) -> Result<Vec<Tag>, StoreError> {
        let after = after.map_or_else(Vec::new, |tag| tag.0.to_vec());
        let rows = sqlx::query(SUBJECTS).bind(after).bind(limit.cast_signed()).fetch_all(self.connection()?).await;
        rows.map_err(sql("reading data keys"))?.iter().map(|row| tag(row, 0)).collect()
    }

    pub(super) async fn insert(&mut self, rows: &[WrapRow]) -> Result<(), StoreError> {
        let doing = "writing data keys";
        let mut transaction = self.connection()?.begin().await.map_err(sql(doing))?;
        for some in rows.chunks(ROWS_MAX) {
            let statement = format!("{INSERT}{}", vec![INSERTED; some.len()].join(", "));
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for row in some {
                query = query.bind(row.subject.0.to_vec()).bind(tier_number(row.tier)).bind(row.org.as_str());
                query = query.bind(row.epoch.cast_signed()).bind(row.wrap.as_slice());
            }
            query.execute(&mut *transaction).await.map_err(sql(doing))?;
        }
        transaction.commit().await.map_err(sql(doing))
    }

    pub(super) async fn replace(
        &mut self,
        rows: &[WrapRow],
        epoch: u64,
        nonce: [u8; NONCE_BYTES],
        blind: &[u8],
    ) -> Result<(), StoreError> {
        let doing = "rotating data keys";
        let connection = self.connection()?;
        let mut transaction = connection.begin().await.map_err(sql(doing))?;
        for row in rows {
            let query = sqlx::query(REPLACE).bind(row.epoch.cast_signed()).bind(row.wrap.as_slice());
            let query = query.bind(row.subject.0.to_vec()).bind(tier_number(row.tier)).bind(row.org.as_str());
            query.execute(&mut *transaction).await.map_err(sql(doing))?;
        }
        let query = sqlx::query(RENEW).bind(epoch.cast_signed()).bind(nonce.to_vec()).bind(blind.to_vec());
        query.execute(&mut *transaction).await.map_err(sql(doing))?;
        transaction.commit().await.map_err(sql(doing))?;
        empty_wal(connection, doing).await
    }

    pub(super) async fn destroy(&mut self, tag: Tag) -> Result<u64, StoreError> {
        let doing = "destroying data keys";
        let connection = self.connection()?;
        let done = sqlx::query(DESTROY).bind(tag.0.to_vec()).execute(&mut *connection).await.map_err(sql(doing))?;
        empty_wal(connection, doing).await?;
        Ok(done.rows_affected())
    }

    /// A consistent copy in a file that must not exist.
    pub(super) async fn copy_to(&mut self, path: &str) -> Result<(), StoreError> {
        let query = sqlx::query("VACUUM INTO ?").bind(path.to_owned());
        query.execute(self.connection()?).await.map(drop).map_err(sql("copying the vault"))
    }

    pub(super) async fn close(&mut self) -> Result<(), StoreError> {
        match self.0.take() {
            Some(connection) => connection.close().await.map_err(sql("closing the vault")),
            None => Ok(()),
        }
    }
}

/// Copies the WAL back and empties it, so that what was deleted is in no file.
///
/// # Errors
/// Somebody goes on reading for longer than the connection waits: then it is still there.
async fn empty_wal(connection: &mut SqliteConnection, doing: &'static str) -> Result<(), StoreError> {
    let busy: i64 = sqlx::query_scalar(EMPTY_WAL).fetch_one(connection).await.map_err(sql(doing))?;
    if busy == 0 {
        return Ok(());
    }
    let busy = std::io::Error::new(std::io::ErrorKind::ResourceBusy, "somebody goes on reading the vault");
    Err(sql(doing)(sqlx::Error::Io(busy)))
}

/// The schema's version, when it is a vault that this program knows.
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

/// A crash leaves the version before or the one after.
async fn migrate(connection: &mut SqliteConnection, version: i64) -> Result<(), StoreError> {
    let doing = "migrating the vault";
    for (step, text) in MIGRATIONS.iter().enumerate().skip(usize::try_from(version).unwrap_or(0)) {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(sql(doing))?;
        sqlx::raw_sql(*text).execute(&mut *transaction).await.map_err(sql(doing))?;
        let mark = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}", step + 1);
        sqlx::raw_sql(AssertSqlSafe(mark)).execute(&mut *transaction).await.map_err(sql(doing))?;
        transaction.commit().await.map_err(sql(doing))?;
    }
    Ok(())
}

fn tag(row: &sqlx::sqlite::SqliteRow, column: usize) -> Result<Tag, StoreError> {
    let tag = <[u8; 16]>::try_from(row.get::<&[u8], _>(column));
    tag.map(Tag).map_err(|_| StoreError::row(0, "wraps", "a subject is not 16 bytes"))
}

fn row(row: &sqlx::sqlite::SqliteRow) -> Result<WrapRow, StoreError> {
    let bad = |what: &str| StoreError::row(0, "wraps", what);
    Ok(WrapRow {
        subject: tag(row, 0)?,
        tier: tier_of(row.get(1)).ok_or_else(|| bad("there is no such tier"))?,
        org: row.get(2),
        epoch: row.get::<i64, _>(3).cast_unsigned(),
        wrap: row.get(4),
    })
}
