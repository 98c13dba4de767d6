//! SQLite without a ledger: the same rows in the same schema under the same pragmas, through sqlx.
//!
//! The schema is copied from the ledger's database, so that it has its triggers and indexes; nothing is
//! parsed, verified, hashed or judged.

use std::{
    fmt::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _, SqliteConnection, TypeInfo as _, ValueRef as _,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous},
};

use crate::Outcome;

/// The tables that an event has rows in, and their columns; the first, or for requests the last, is
/// the index of the entry.
const TABLES: [(&str, &[&str]); 5] = [
    ("entries", &["idx", "stream", "revision", "bytes"]),
    ("openings", &["idx", "line"]),
    ("lists", &["idx", "text"]),
    ("attachments", &["idx", "hash"]),
    ("requests", &["key", "request", "idx"]),
];

/// Rows of one INSERT, as the ledger's store has them.
const ROWS_MAX: usize = 256;

/// A value as SQLite has it.
enum Cell {
    Null,
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

type Query = sqlx::query::Query<'static, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

impl Cell {
    fn of(row: &SqliteRow, column: usize) -> Outcome<Self> {
        let value = row.try_get_raw(column)?;
        if value.is_null() {
            return Ok(Self::Null);
        }
        let kind = value.type_info().name().to_owned();
        Ok(match kind.as_str() {
            "INTEGER" => Self::Int(row.try_get(column)?),
            "TEXT" => Self::Text(row.try_get(column)?),
            "BLOB" => Self::Blob(row.try_get(column)?),
            other => return Err(format!("a value of type {other} in column {column}").into()),
        })
    }

    fn bind(self, query: Query) -> Query {
        match self {
            Self::Null => query.bind(None::<i64>),
            Self::Int(value) => query.bind(value),
            Self::Text(value) => query.bind(value),
            Self::Blob(value) => query.bind(value),
        }
    }
}

/// The rows of some events, table by table, each with the index of its entry.
pub(crate) struct Rows {
    tables: Vec<Vec<(i64, Vec<Cell>)>>,
    from: u64,
    to: u64,
}

impl Rows {
    /// Reads the rows of the entries `from..to` out of a ledger's database. `keys` are the idempotency
    /// keys under which they were handed in, as that table has no index by entry; without them it is
    /// read as a whole.
    pub(crate) async fn of_ledger(ledger: &Path, from: u64, to: u64, keys: Option<&[String]>) -> Outcome<Self> {
        let mut connection = SqliteConnectOptions::new().filename(ledger).read_only(true).connect().await?;
        let mut tables = Vec::new();
        for (table, columns) in TABLES {
            let names = columns.join(", ");
            let rows = if let Some(keys) = keys.filter(|_| table == "requests") {
                let text = format!("SELECT {names} FROM {table} WHERE key IN (SELECT value FROM json_each(?))");
                let query = sqlx::query(AssertSqlSafe(text)).bind(serde_json::to_string(keys)?);
                query.fetch_all(&mut connection).await?
            } else {
                let text = format!("SELECT {names} FROM {table} WHERE idx >= ? AND idx < ?");
                let query = sqlx::query(AssertSqlSafe(text)).bind(from.cast_signed()).bind(to.cast_signed());
                query.fetch_all(&mut connection).await?
            };
            let index = columns.iter().position(|column| *column == "idx").ok_or("every table has the index")?;
            let mut cells = Vec::with_capacity(rows.len());
            for row in &rows {
                let values: Outcome<Vec<_>> = (0..columns.len()).map(|column| Cell::of(row, column)).collect();
                cells.push((row.try_get(index)?, values?));
            }
            cells.sort_by_key(|(index, _)| *index);
            tables.push(cells);
        }
        connection.close().await?;
        Ok(Self { tables, from, to })
    }

    /// Takes the rows of the entries below `to`, in the order in which they go in fastest.
    fn take_below(&mut self, to: i64) -> Vec<Vec<Vec<Cell>>> {
        let tables = self.tables.iter_mut().zip(TABLES).map(|(rows, (table, _))| {
            let rest = rows.split_off(rows.partition_point(|(index, _)| *index < to));
            let mut taken: Vec<_> = std::mem::replace(rows, rest).into_iter().map(|(_, cells)| cells).collect();
            if table == "requests" {
                taken.sort_by(|a, b| key(a).cmp(key(b)));
            }
            taken
        });
        tables.collect()
    }
}

fn key(row: &[Cell]) -> &str {
    match row.first() {
        Some(Cell::Text(key)) => key,
        _ => "",
    }
}

/// A database with a ledger's schema and nothing else.
pub(crate) struct Bare {
    connection: SqliteConnection,
}

impl Bare {
    /// Makes an empty database with the schema of `ledger`.
    pub(crate) async fn like(ledger: &Path, at: &Path) -> Outcome<Self> {
        let mut model = SqliteConnectOptions::new().filename(ledger).read_only(true).connect().await?;
        let schema: Vec<String> = sqlx::query_scalar(
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type = 'trigger', type = 'index', rowid",
        )
        .fetch_all(&mut model)
        .await?;
        model.close().await?;
        let mut bare = Self { connection: connect(at).await? };
        for statement in schema {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut bare.connection).await?;
        }
        Ok(bare)
    }

    /// Inserts the rows, so many events a transaction, and says how long that took. Reading them and
    /// putting them in order is not part of it.
    pub(crate) async fn insert(&mut self, mut rows: Rows, events_per_commit: u64) -> Outcome<Duration> {
        let mut batches = Vec::new();
        let mut to = rows.from;
        while to < rows.to {
            to = (to + events_per_commit).min(rows.to);
            batches.push(rows.take_below(to.cast_signed()));
        }
        let start = Instant::now();
        for batch in batches {
            let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
            for ((table, columns), rows) in TABLES.into_iter().zip(batch) {
                insert(&mut transaction, table, columns, rows).await?;
            }
            transaction.commit().await?;
        }
        Ok(start.elapsed())
    }

    pub(crate) async fn close(self) -> Outcome<()> {
        Ok(self.connection.close().await?)
    }
}

async fn insert(connection: &mut SqliteConnection, table: &str, columns: &[&str], rows: Vec<Vec<Cell>>) -> Outcome<()> {
    let mut left = rows.len();
    let mut rows = rows.into_iter();
    while left > 0 {
        // Sizes that are powers of two stay prepared.
        let size = 1 << left.min(ROWS_MAX).ilog2();
        let mut query = sqlx::query(AssertSqlSafe(insert_text(table, columns, size)));
        for cell in rows.by_ref().take(size).flatten() {
            query = cell.bind(query);
        }
        query.execute(&mut *connection).await?;
        left -= size;
    }
    Ok(())
}

fn insert_text(table: &str, columns: &[&str], rows: usize) -> String {
    let mut text = format!("INSERT INTO {table} ({}) VALUES ", columns.join(", "));
    let row = vec!["?"; columns.len()].join(", ");
    for place in 0..rows {
        let comma = if place == 0 { "" } else { ", " };
        let _ = write!(text, "{comma}({row})");
    }
    text
}

/// A connection with the pragmas of the ledger's writer.
async fn connect(at: &Path) -> Outcome<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(at)
        .create_if_missing(true)
        .foreign_keys(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("cell_size_check", "ON")
        .pragma("secure_delete", "ON")
        .pragma("cache_size", "-32768")
        .pragma("wal_autocheckpoint", "4000")
        .pragma("journal_size_limit", "67108864")
        .disable_statement_logging();
    Ok(options.connect().await?)
}

/// Rows of 300 bytes into a plain table, so many a transaction: rows a second.
pub(crate) async fn plain_rate(dir: &Path, rows: usize, rows_per_commit: usize) -> Outcome<f64> {
    let path = dir.join(format!("plain-{rows_per_commit}.db"));
    let mut connection = connect(&path).await?;
    sqlx::raw_sql("CREATE TABLE plain (idx INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT")
        .execute(&mut connection)
        .await?;
    let mut batches = Vec::new();
    for from in (0..rows).step_by(rows_per_commit) {
        let batch = (from..rows.min(from + rows_per_commit))
            .map(|index| vec![Cell::Int(i64::try_from(index).unwrap_or(i64::MAX)), Cell::Blob(vec![7; 300])]);
        batches.push(batch.collect::<Vec<_>>());
    }
    let start = Instant::now();
    for batch in batches {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        insert(&mut transaction, "plain", &["idx", "bytes"], batch).await?;
        transaction.commit().await?;
    }
    let elapsed = start.elapsed();
    connection.close().await?;
    Ok(crate::table::as_f64(rows as u64) / elapsed.as_secs_f64())
}
