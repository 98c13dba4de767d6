//! A database without a ledger: the same rows in the same schema under the same settings.
//!
//! It has the ledger's triggers and indexes: in SQLite the schema is copied from the ledger's database, in PostgreSQL it is
//! made by the same migrations. Nothing is parsed, verified, hashed or judged.

use std::{
    fmt::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use gongkai_store::{
    Layout, ServerUrl,
    database::{Connection, Place, Row, Sql, Value, query},
};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use crate::Outcome;

/// The ledger's schema in PostgreSQL.
const MIGRATIONS: [&str; 2] = [
    include_str!("../../../migrations/ledger/postgres/0001_ledger.sql"),
    include_str!("../../../migrations/ledger/postgres/0002_nodes.sql"),
];

/// What a column holds.
#[derive(Clone, Copy)]
enum Type {
    Integer,
    Text,
    Bytes,
}

/// The tables that an event has rows in, and their columns.
const TABLES: [(&str, &[(&str, Type)]); 5] = [
    ("entries", &[("idx", Type::Integer), ("stream", Type::Text), ("revision", Type::Integer), ("bytes", Type::Bytes)]),
    ("openings", &[("idx", Type::Integer), ("line", Type::Text)]),
    ("lists", &[("idx", Type::Integer), ("text", Type::Text)]),
    ("attachments", &[("idx", Type::Integer), ("hash", Type::Bytes)]),
    ("requests", &[("key", Type::Text), ("request", Type::Bytes), ("idx", Type::Integer)]),
];

/// The rows of some submissions.
const KEYED: Sql = Sql::Each {
    sqlite: "SELECT key, request, idx FROM requests WHERE key IN (SELECT value FROM json_each($1))",
    postgres: "SELECT key, request, idx FROM requests WHERE key = ANY ($1)",
};

/// Rows of one INSERT, as the ledger's store has them.
const ROWS_MAX: usize = 256;

/// A row in words of the database's own.
type Cells = Vec<Value>;

fn cell(row: &Row, column: usize, holds: Type) -> Outcome<Value> {
    Ok(match holds {
        Type::Integer => Value::Integer(row.at(column)?),
        Type::Text => Value::Text(row.at(column)?),
        Type::Bytes => Value::Bytes(row.at(column)?),
    })
}

fn names(columns: &[(&str, Type)]) -> String {
    columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// A connection to the database of a ledger.
async fn reader(ledger: &Layout) -> Outcome<Connection> {
    Ok(match Place::of(ledger)? {
        Place::File(path) => SqliteConnectOptions::new().filename(path).read_only(true).connect().await?.into(),
        Place::Server(url) => url.options().options([("search_path", "ledger")]).connect().await?.into(),
    })
}

/// The rows of some events, table by table, each with the index of its entry.
pub(crate) struct Rows {
    tables: Vec<Vec<(i64, Cells)>>,
    from: u64,
    to: u64,
}

impl Rows {
    /// Reads the rows of the entries `from..to` out of a ledger's database. `keys` are the idempotency
    /// keys under which they were handed in, as that table has no index by entry; without them it is
    /// read as a whole.
    pub(crate) async fn of_ledger(ledger: &Layout, from: u64, to: u64, keys: Option<&[String]>) -> Outcome<Self> {
        let mut connection = reader(ledger).await?;
        let mut tables = Vec::new();
        for (table, columns) in TABLES {
            let select = format!("SELECT {} FROM {table}", names(columns));
            let rows = if let Some(keys) = keys.filter(|_| table == "requests") {
                query(KEYED).bind(keys.to_vec()).fetch_all(&mut connection).await?
            } else {
                let range = query(format!("{select} WHERE idx >= $1 AND idx < $2"));
                range.bind(from.cast_signed()).bind(to.cast_signed()).fetch_all(&mut connection).await?
            };
            let index = columns.iter().position(|(name, _)| *name == "idx").ok_or("every table has the index")?;
            let mut cells = Vec::with_capacity(rows.len());
            for row in &rows {
                let values = columns.iter().enumerate().map(|(place, (_, holds))| cell(row, place, *holds));
                cells.push((row.at(index)?, values.collect::<Outcome<Cells>>()?));
            }
            cells.sort_by_key(|(index, _)| *index);
            tables.push(cells);
        }
        connection.close().await?;
        Ok(Self { tables, from, to })
    }

    /// Takes the rows of the entries below `to`, in the order in which they go in fastest.
    fn take_below(&mut self, to: i64) -> Vec<Vec<Cells>> {
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

fn key(row: &[Value]) -> &str {
    match row.first() {
        Some(Value::Text(Some(key))) => key,
        _ => "",
    }
}

/// A database with a ledger's schema and nothing else.
pub(crate) struct Bare {
    connection: Connection,
    begin: &'static str,
}

impl Bare {
    /// Makes an empty database like that of a ledger: this file, or a schema on the same server.
    pub(crate) async fn like(ledger: &Layout, at: &Path) -> Outcome<Self> {
        match Place::of(ledger)? {
            Place::File(path) => Self::in_file(&path, at).await,
            Place::Server(url) => Self::on_server(&url).await,
        }
    }

    async fn in_file(ledger: &Path, at: &Path) -> Outcome<Self> {
        let mut model = SqliteConnectOptions::new().filename(ledger).read_only(true).connect().await?;
        let schema: Vec<String> = sqlx::query_scalar(
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type = 'trigger', type = 'index', rowid",
        )
        .fetch_all(&mut model)
        .await?;
        model.close().await?;
        let mut connection = connect(at).await?;
        for statement in schema {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
        }
        Ok(Self { connection: connection.into(), begin: "BEGIN IMMEDIATE" })
    }

    async fn on_server(url: &ServerUrl) -> Outcome<Self> {
        let mut connection = url.options().options([("search_path", "bare")]).connect().await?;
        connection.execute("CREATE SCHEMA bare").await?;
        for text in MIGRATIONS {
            connection.execute(sqlx::raw_sql(text)).await?;
        }
        Ok(Self { connection: connection.into(), begin: "BEGIN" })
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
            query(self.begin).change(&mut self.connection).await?;
            for ((table, columns), rows) in TABLES.into_iter().zip(batch) {
                insert(&mut self.connection, table, &names(columns), rows).await?;
            }
            query("COMMIT").change(&mut self.connection).await?;
        }
        Ok(start.elapsed())
    }

    pub(crate) async fn close(self) -> Outcome<()> {
        Ok(self.connection.close().await?)
    }
}

async fn insert(connection: &mut Connection, table: &str, columns: &str, rows: Vec<Cells>) -> Outcome<()> {
    let mut left = rows.len();
    let mut rows = rows.into_iter();
    while left > 0 {
        // Sizes that are powers of two stay prepared.
        let size = 1 << left.min(ROWS_MAX).ilog2();
        let mut insert = query(Sql::from(insert_text(table, columns, size)));
        for cell in rows.by_ref().take(size).flatten() {
            insert = insert.bind(cell);
        }
        insert.change(connection).await?;
        left -= size;
    }
    Ok(())
}

fn insert_text(table: &str, columns: &str, rows: usize) -> String {
    let width = columns.split(',').count();
    let mut text = format!("INSERT INTO {table} ({columns}) VALUES ");
    for place in 0..rows {
        let row: Vec<_> = (1..=width).map(|column| format!("${}", place * width + column)).collect();
        let comma = if place == 0 { "" } else { ", " };
        let _ = write!(text, "{comma}({})", row.join(", "));
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
            .map(|index| vec![i64::try_from(index).unwrap_or(i64::MAX).into(), vec![7_u8; 300].into()]);
        batches.push(batch.collect::<Vec<_>>());
    }
    let mut connection = Connection::from(connection);
    let start = Instant::now();
    for batch in batches {
        query("BEGIN IMMEDIATE").change(&mut connection).await?;
        insert(&mut connection, "plain", "idx, bytes", batch).await?;
        query("COMMIT").change(&mut connection).await?;
    }
    let elapsed = start.elapsed();
    connection.close().await?;
    Ok(crate::table::as_f64(rows as u64) / elapsed.as_secs_f64())
}
