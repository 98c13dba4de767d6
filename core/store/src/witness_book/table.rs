//! The witness's database. Every statement of it is here.
//!
//! What `write` returned from is on the disk (`marked`). A database of another program or a later version is refused and not
//! touched.

use std::{collections::HashMap, path::Path};

use sqlx::{Connection as _, Row as _, SqliteConnection};

use super::{BookError, Cosigned};
use crate::{
    error::{StoreError, sql},
    marked::Marked,
};

const FILE: Marked = Marked {
    application_id: 0x476F_6E77, // "Gonw"
    version: 1,
    schema: include_str!("../../../../migrations/witness/sqlite/0001_cosigned.sql"),
    doing: "opening the witness's state",
};

const ALL: &str = "SELECT origin, note FROM cosigned";
const WRITE: &str = "INSERT INTO cosigned (origin, note) VALUES (?, ?) \
                     ON CONFLICT (origin) DO UPDATE SET note = excluded.note";

/// One connection.
pub(super) struct Table(SqliteConnection);

impl Table {
    pub(super) async fn open(path: &Path) -> Result<Self, BookError> {
        let connection = FILE.open(path, |options| options).await?;
        connection.map(Self).ok_or_else(|| BookError::Foreign(path.to_owned()))
    }

    /// Every row: origin and note.
    pub(super) async fn all(&mut self) -> Result<Vec<(String, String)>, StoreError> {
        let rows = sqlx::query(ALL).fetch_all(&mut self.0).await.map_err(sql("reading the witness's state"))?;
        let text = |row: &sqlx::sqlite::SqliteRow, column| {
            row.try_get::<String, _>(column).map_err(sql("reading the witness's state"))
        };
        rows.iter().map(|row| Ok((text(row, 0)?, text(row, 1)?))).collect()
    }

    /// All of them or none, and durably.
    pub(super) async fn write(&mut self, changed: &HashMap<String, Cosigned>) -> Result<(), StoreError> {
        let doing = "recording what is cosigned";
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await.map_err(sql(doing))?;
        for (origin, cosigned) in changed {
            let query = sqlx::query(WRITE).bind(origin).bind(&cosigned.note);
            query.execute(&mut *transaction).await.map_err(sql(doing))?;
        }
        transaction.commit().await.map_err(sql(doing))
    }

    pub(super) async fn close(self) -> Result<(), StoreError> {
        self.0.close().await.map_err(sql("closing the witness's state"))
    }
}
