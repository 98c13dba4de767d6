//! The working store's database. Every statement of it is here.
//!
//! `marked`, with `secure_delete`; after something was removed the WAL is copied back and emptied, so that
//! it is in no file. A crash before that is made up for when the database is opened again.

use std::path::Path;

use gongkai_domain::vault::{NONCE_BYTES, Sealed};
use sqlx::{Connection as _, Row as _, SqliteConnection, error::DatabaseError, sqlite::SqliteRow};

use super::DraftFault;
use crate::{
    error::{StoreError, sql},
    marked::Marked,
    vault::Tag,
};

const FILE: Marked = Marked {
    application_id: 0x476F_6E64, // "Gond"
    version: 1,
    schema: include_str!("../../../../migrations/drafts/sqlite/0001_drafts.sql"),
    doing: "opening the working store",
};

const ONE: &str = "SELECT d.id, d.owner, d.revision, d.changed_at, d.expires_at, d.nonce, d.sealed FROM drafts d \
                   WHERE d.id = ? AND d.expires_at > ?";
const OF_PERSON: &str = "SELECT d.id, d.owner, d.revision, d.changed_at, d.expires_at, d.nonce, d.sealed \
                         FROM people p JOIN drafts d ON d.id = p.draft WHERE p.person = ? AND d.expires_at > ? \
                         ORDER BY d.changed_at DESC, d.id LIMIT ?";
const MAY_SEE: &str = "SELECT COUNT(*) FROM people WHERE draft = ? AND person = ?";
const OWNED: &str = "SELECT COUNT(*) FROM drafts WHERE owner = ? AND id <> ?";
const SIZE: &str = "SELECT COUNT(*), COALESCE(SUM(length(sealed)), 0) FROM drafts WHERE id <> ?";
const WRITE: &str = "INSERT INTO drafts (id, owner, revision, changed_at, expires_at, nonce, sealed) \
                     VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, \
                     changed_at = excluded.changed_at, expires_at = excluded.expires_at, nonce = excluded.nonce, \
                     sealed = excluded.sealed";
const NOBODY: &str = "DELETE FROM people WHERE draft = ?";
const SOMEBODY: &str = "INSERT OR IGNORE INTO people (draft, person) VALUES (?, ?)";
const REMOVE: &str = "DELETE FROM drafts WHERE id = ?";
const EXPIRE: &str = "DELETE FROM drafts WHERE expires_at <= ?";
const EMPTY_WAL: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// A row as it lies on the disk.
pub(super) struct Row {
    pub id: [u8; 16],
    pub owner: Tag,
    pub revision: u64,
    pub changed_at: i64,
    pub expires_at: i64,
    pub sealed: Sealed,
}

/// One connection.
pub(super) struct Table(SqliteConnection);

impl Table {
    /// Opens the store; makes it where there is none, and anew where it cannot be read: what it held was unsigned work, and
    /// nobody else's work waits for it. The old file is set aside.
    pub(super) async fn open(path: &Path) -> Result<Self, DraftFault> {
        match Self::connect(path).await {
            Err(DraftFault::Store(StoreError::Device { source, .. })) if is_unreadable(&source) => {
                set_aside(path)?;
                Self::connect(path).await
            }
            other => other,
        }
    }

    async fn connect(path: &Path) -> Result<Self, DraftFault> {
        let connection = FILE.open(path, |options| options.foreign_keys(true).pragma("secure_delete", "ON")).await?;
        let connection = connection.ok_or_else(|| DraftFault::Foreign(path.to_owned()))?;
        let mut table = Self(connection);
        // What somebody removed just before a crash is still in the WAL.
        table.empty_wal().await?;
        Ok(table)
    }

    pub(super) async fn one(&mut self, id: [u8; 16], now: i64) -> Result<Option<Row>, StoreError> {
        let query = sqlx::query(ONE).bind(id.to_vec()).bind(now);
        let found = query.fetch_optional(&mut self.0).await.map_err(sql("reading a draft"))?;
        found.as_ref().map(row).transpose()
    }

    pub(super) async fn of_person(&mut self, person: Tag, now: i64, limit: i64) -> Result<Vec<Row>, StoreError> {
        let query = sqlx::query(OF_PERSON).bind(person.0.to_vec()).bind(now).bind(limit);
        query.fetch_all(&mut self.0).await.map_err(sql("reading drafts"))?.iter().map(row).collect()
    }

    pub(super) async fn may_see(&mut self, id: [u8; 16], person: Tag) -> Result<bool, StoreError> {
        let query = sqlx::query_scalar::<_, i64>(MAY_SEE).bind(id.to_vec()).bind(person.0.to_vec());
        Ok(query.fetch_one(&mut self.0).await.map_err(sql("reading a draft"))? > 0)
    }

    /// How many others the owner has, how many others there are, and their bytes.
    pub(super) async fn sizes(&mut self, owner: Tag, but: [u8; 16]) -> Result<(u64, u64, u64), StoreError> {
        let doing = "counting drafts";
        let own = sqlx::query_scalar::<_, i64>(OWNED).bind(owner.0.to_vec()).bind(but.to_vec());
        let own = own.fetch_one(&mut self.0).await.map_err(sql(doing))?;
        let all = sqlx::query(SIZE).bind(but.to_vec()).fetch_one(&mut self.0).await.map_err(sql(doing))?;
        let [count, bytes] = [0, 1].map(|column| all.get::<i64, _>(column).cast_unsigned());
        Ok((own.cast_unsigned(), count, bytes))
    }

    /// Writes a draft with everybody who may see it, in one transaction.
    pub(super) async fn write(&mut self, row: &Row, people: &[Tag]) -> Result<(), StoreError> {
        let doing = "writing a draft";
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await.map_err(sql(doing))?;
        let query = sqlx::query(WRITE).bind(row.id.to_vec()).bind(row.owner.0.to_vec());
        let query = query.bind(row.revision.cast_signed()).bind(row.changed_at).bind(row.expires_at);
        let query = query.bind(row.sealed.nonce.to_vec()).bind(row.sealed.bytes.as_slice());
        query.execute(&mut *transaction).await.map_err(sql(doing))?;
        sqlx::query(NOBODY).bind(row.id.to_vec()).execute(&mut *transaction).await.map_err(sql(doing))?;
        for person in people {
            let query = sqlx::query(SOMEBODY).bind(row.id.to_vec()).bind(person.0.to_vec());
            query.execute(&mut *transaction).await.map_err(sql(doing))?;
        }
        transaction.commit().await.map_err(sql(doing))
    }

    /// Writes a draft that is there; who may see it stays.
    pub(super) async fn rewrite(&mut self, row: &Row) -> Result<(), StoreError> {
        let query = sqlx::query(WRITE).bind(row.id.to_vec()).bind(row.owner.0.to_vec());
        let query = query.bind(row.revision.cast_signed()).bind(row.changed_at).bind(row.expires_at);
        let query = query.bind(row.sealed.nonce.to_vec()).bind(row.sealed.bytes.as_slice());
        query.execute(&mut self.0).await.map(drop).map_err(sql("writing a draft"))
    }

    /// Removes a draft from every file.
    pub(super) async fn remove(&mut self, id: [u8; 16]) -> Result<(), StoreError> {
        sqlx::query(REMOVE).bind(id.to_vec()).execute(&mut self.0).await.map_err(sql("removing a draft"))?;
        self.empty_wal().await
    }

    /// Removes what is over.
    pub(super) async fn expire(&mut self, now: i64) -> Result<(), StoreError> {
        let done = sqlx::query(EXPIRE).bind(now).execute(&mut self.0).await.map_err(sql("removing old drafts"))?;
        if done.rows_affected() == 0 { Ok(()) } else { self.empty_wal().await }
    }

    async fn empty_wal(&mut self) -> Result<(), StoreError> {
        sqlx::query(EMPTY_WAL).execute(&mut self.0).await.map(drop).map_err(sql("emptying the working store's WAL"))
    }
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
    std::fs::rename(path, &aside).map_err(|error| StoreError::file("setting aside", path, error))?;
    for beside in ["db-wal", "db-shm"] {
        let beside = path.with_extension(beside);
        if beside.exists() {
            std::fs::remove_file(&beside).map_err(|error| StoreError::file("removing", &beside, error))?;
        }
    }
    Ok(())
}

fn row(row: &SqliteRow) -> Result<Row, StoreError> {
    let bad = |what: &str| StoreError::row(0, "drafts", what);
    let id = <[u8; 16]>::try_from(row.get::<&[u8], _>(0)).map_err(|_| bad("an id is not 16 bytes"))?;
    let owner = <[u8; 16]>::try_from(row.get::<&[u8], _>(1)).map_err(|_| bad("an owner is not 16 bytes"))?;
    let nonce = <[u8; NONCE_BYTES]>::try_from(row.get::<&[u8], _>(5)).map_err(|_| bad("a nonce is not 24 bytes"))?;
    Ok(Row {
        id,
        owner: Tag(owner),
        revision: row.get::<i64, _>(2).cast_unsigned(),
        changed_at: row.get(3),
        expires_at: row.get(4),
        sealed: Sealed { nonce, bytes: row.get(6) },
    })
}
