//! The database of what was taken in. Every statement of it is here.

use std::path::Path;

use sqlx::{Connection as _, Row as _, SqliteConnection, sqlite::SqliteRow};

use super::TakenFault;
use crate::{
    error::{StoreError, sql},
    marked::Marked,
    vault::Tag,
};

const FILE: Marked = Marked {
    application_id: 0x476F_6E74, // "Gont"
    version: 1,
    schema: include_str!("../../../../migrations/taken/sqlite/0001_taken.sql"),
    doing: "opening what was taken in",
};

const KNOWS: &str = "SELECT COUNT(*) FROM taken WHERE tag = ?";
const WRITE: &str = "INSERT INTO taken (tag, intake, batch, place, taken_at, sealed) VALUES (?, ?, ?, ?, ?, ?) \
                     ON CONFLICT (tag) DO UPDATE SET sealed = excluded.sealed";
const OF_BATCHES: &str = "SELECT tag, intake, batch, place, taken_at, sealed FROM taken \
                          WHERE intake = ? AND batch >= ? AND batch < ? ORDER BY batch, place";
const EXPIRE: &str = "DELETE FROM taken WHERE taken_at < ?";

/// A row as it lies on the disk.
pub(super) struct Row {
    pub tag: Tag,
    pub intake: Tag,
    pub batch: u64,
    pub place: u64,
    pub taken_at: i64,
    pub sealed: Vec<u8>,
}

/// One connection.
pub(super) struct Table(SqliteConnection);

impl Table {
    pub(super) async fn open(path: &Path) -> Result<Self, TakenFault> {
        let connection = FILE.open(path, |options| options.pragma("secure_delete", "ON")).await?;
        connection.map(Self).ok_or_else(|| TakenFault::Foreign(path.to_owned()))
    }

    pub(super) async fn knows(&mut self, tag: Tag) -> Result<bool, StoreError> {
        let query = sqlx::query_scalar::<_, i64>(KNOWS).bind(tag.0.to_vec());
        Ok(query.fetch_one(&mut self.0).await.map_err(sql("reading what was taken in"))? > 0)
    }

    /// All of them or none, and durably.
    pub(super) async fn write(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        let doing = "keeping what was taken in";
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await.map_err(sql(doing))?;
        for row in rows {
            let query = sqlx::query(WRITE).bind(row.tag.0.to_vec()).bind(row.intake.0.to_vec());
            let query = query.bind(row.batch.cast_signed()).bind(row.place.cast_signed());
            let query = query.bind(row.taken_at).bind(row.sealed.as_slice());
            query.execute(&mut *transaction).await.map_err(sql(doing))?;
        }
        transaction.commit().await.map_err(sql(doing))
    }

    pub(super) async fn of_batches(&mut self, intake: Tag, from: u64, to: u64) -> Result<Vec<Row>, StoreError> {
        let query = sqlx::query(OF_BATCHES).bind(intake.0.to_vec()).bind(from.cast_signed()).bind(to.cast_signed());
        query.fetch_all(&mut self.0).await.map_err(sql("reading what was taken in"))?.iter().map(row).collect()
    }

    pub(super) async fn expire(&mut self, before: i64) -> Result<(), StoreError> {
        let query = sqlx::query(EXPIRE).bind(before);
        query.execute(&mut self.0).await.map(drop).map_err(sql("removing what was taken in long ago"))
    }
}

fn row(row: &SqliteRow) -> Result<Row, StoreError> {
    let tag = |column| {
        let bytes = <[u8; 16]>::try_from(row.get::<&[u8], _>(column));
        bytes.map(Tag).map_err(|_| StoreError::row(0, "taken", "a tag is not 16 bytes"))
    };
    let [batch, place] = [2, 3].map(|column| row.get::<i64, _>(column).cast_unsigned());
    Ok(Row { tag: tag(0)?, intake: tag(1)?, batch, place, taken_at: row.get(4), sealed: row.get(5) })
}
