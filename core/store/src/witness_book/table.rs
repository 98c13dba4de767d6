//! The witness's database. Every statement of it is here.
//!
//! WAL with `synchronous=FULL`: what `write` returned from is on the disk. A database of another program or a later
//! version is refused and not touched.

use std::{collections::HashMap, path::Path, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, Row as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use super::{BookError, Cosigned};
use crate::error::StoreError;

const SCHEMA: &str = include_str!("../../../../migrations/witness/sqlite/0001_cosigned.sql");
/// `PRAGMA application_id` of a witness: "Gonw".
const APPLICATION_ID: i64 = 0x476F_6E77;
/// The schema's version.
const VERSION: i64 = 1;
const MARK: &str = "PRAGMA application_id = 1198485111; PRAGMA user_version = 1";

const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

const ALL: &str = "SELECT origin, note FROM cosigned";
const WRITE: &str = "INSERT INTO cosigned (origin, note) VALUES (?, ?) \
                     ON CONFLICT (origin) DO UPDATE SET note = excluded.note";

fn sql(doing: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |source| StoreError::sql(doing, source)
}

/// One connection.
pub(super) struct Table(SqliteConnection);

impl Table {
    pub(super) async fn open(path: &Path) -> Result<Self, BookError> {
        let doing = "opening the witness's state";
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        let mut connection = options.connect().await.map_err(sql(doing))?;
        let mark = "SELECT application_id, user_version FROM pragma_application_id, pragma_user_version";
        let row = sqlx::query(mark).fetch_one(&mut connection).await.map_err(sql(doing))?;
        match (row.get::<i64, _>(0), row.get::<i64, _>(1)) {
            (APPLICATION_ID, VERSION) => {}
            (0, 0) => {
                let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(sql(doing))?;
                sqlx::raw_sql(SCHEMA).execute(&mut *transaction).await.map_err(sql(doing))?;
                sqlx::raw_sql(MARK).execute(&mut *transaction).await.map_err(sql(doing))?;
                transaction.commit().await.map_err(sql(doing))?;
            }
            _ => return Err(BookError::Foreign(path.to_owned())),
        }
        Ok(Self(connection))
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
