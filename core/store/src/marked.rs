//! A small database beside the ledger, of one schema, marked as what it is: the working store, a witness's state.
//!
//! WAL with `synchronous=FULL`. A file of another program or a later version is not touched. Not here: the ledger's database
//! and the vault's, which have schemas of several versions and are made under another name first.

use std::{path::Path, time::Duration};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use crate::error::StoreError;

const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
const MARK: &str = "SELECT application_id, user_version FROM pragma_application_id, pragma_user_version";

/// What the file is.
pub(crate) struct Marked {
    /// `PRAGMA application_id`.
    pub application_id: i32,
    /// `PRAGMA user_version`.
    pub version: i32,
    /// The statements that make it.
    pub schema: &'static str,
    /// What is being done, for errors.
    pub doing: &'static str,
}

impl Marked {
    /// Opens the file at `path`, or makes it; `None` when it is something else.
    pub(crate) async fn open(
        &self,
        path: &Path,
        adapt: impl FnOnce(SqliteConnectOptions) -> SqliteConnectOptions,
    ) -> Result<Option<SqliteConnection>, StoreError> {
        let failed = |source| StoreError::sql(self.doing, source);
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        let mut connection = adapt(options).connect().await.map_err(failed)?;
        let row = sqlx::query(MARK).fetch_one(&mut connection).await.map_err(failed)?;
        match (row.get::<i64, _>(0), row.get::<i64, _>(1)) {
            (0, 0) => self.make(&mut connection).await.map_err(failed)?,
            found if found == (self.application_id.into(), self.version.into()) => {}
            _ => return Ok(None),
        }
        Ok(Some(connection))
    }

    async fn make(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let mark = format!("PRAGMA application_id = {}; PRAGMA user_version = {}", self.application_id, self.version);
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql(self.schema).execute(&mut *transaction).await?;
        sqlx::raw_sql(AssertSqlSafe(mark)).execute(&mut *transaction).await?;
        transaction.commit().await
    }
}
