//! The ledger in SQLite: WAL, `synchronous=FULL`, one write connection.
//!
//! [`SqliteStore`] is the writer's connection; the functions on a plain connection are shared with
//! readers. Every statement is here. To change the schema, add a file to `migrations/ledger/sqlite`
//! and a line to `MIGRATIONS`; never edit one that was released.

use std::{collections::BTreeSet, path::Path, time::Duration};

use chrono::DateTime;
use gongkai_log::{Digest, Edge};
use sqlx::{
    Arguments as _, AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _, SqliteConnection,
    sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous},
};

use crate::{
    error::{OpenError, StoreError, code, extended_code},
    event_store::{
        At, Batch, Changed, Erased, EventStore, Halt, Known, KnownRequest, LogHead, NewEntry, Publication, RawEntry,
        RawSealed, SealedValue, StreamEntry, Waiting,
    },
    sqlite_sealed,
    vault::Tag,
};

/// `PRAGMA application_id` of a ledger: "Gong".
const APPLICATION_ID: i64 = 0x476F_6E67;

/// Steps that make the schema; `PRAGMA user_version` counts them.
const MIGRATIONS: [&str; 6] = [
    include_str!("../../../migrations/ledger/sqlite/0001_entries_and_heads.sql"),
    include_str!("../../../migrations/ledger/sqlite/0002_openings_lists_attachments.sql"),
    include_str!("../../../migrations/ledger/sqlite/0003_requests.sql"),
    include_str!("../../../migrations/ledger/sqlite/0004_publication_and_halts.sql"),
    include_str!("../../../migrations/ledger/sqlite/0005_sealed_events.sql"),
    include_str!("../../../migrations/ledger/sqlite/0006_inventories.sql"),
];

/// The schema's version.
pub(crate) const VERSION: i64 = 6;
const _: () = assert!(MIGRATIONS.len() == 6, "VERSION counts the migrations");

/// Cache of the write connection, negative for KiB: a batch of 4,096 entries is not written to the WAL
/// before its commit. It is filled by large batches only.
const CACHE_KIB: &str = "-32768";

/// Bytes in a page of a new database. An opening takes some 1.6 KB, an entry 0.7: in pages of 4 KiB a sixth stays empty.
const PAGE_BYTES: u32 = 8_192;

/// Pages in the WAL before it is copied back, 16 MiB: a batch of 4,096 entries fits. It is done when receipts have left.
const WAL_PAGES: i64 = 2_000;

/// Pages in the WAL at which a commit copies it back itself, should the other way not have come to it.
const WAL_PAGES_MAX: &str = "16000";

/// Entries after which the length of the WAL is looked at.
const LOOK_AFTER: usize = 64;

/// Bytes to which the WAL file is cut after it was copied back.
const WAL_BYTES_KEPT: &str = "67108864";

/// Most rows of one INSERT.
const ROWS_MAX: usize = 256;

/// Extended result codes (sqlite.org/rescode.html) of a head that this writer may not advance.
const NOT_NULL: i64 = 1_299;
const TRIGGER: i64 = 1_811;

const LOAD_HEAD: &str = "SELECT size, entry_hash, edge, recorded_at, epoch FROM head WHERE id = 1";
const SIZE: &str = "SELECT size FROM head WHERE id = 1";
const TAKE_OVER: &str = "UPDATE head SET epoch = epoch + 1 WHERE id = 1 RETURNING epoch";
// The epoch is NOT NULL: a writer that was overtaken fails here, whatever comes after.
const ADVANCE: &str = "UPDATE head SET size = ?, entry_hash = ?, edge = ?, recorded_at = ?, \
                       epoch = CASE WHEN size = ? AND epoch = ? THEN epoch END WHERE id = 1";
const LOAD_RANGE: &str = "SELECT e.idx, e.bytes, o.line, l.text FROM entries e \
                          LEFT JOIN openings o ON o.idx = e.idx LEFT JOIN lists l ON l.idx = e.idx \
                          WHERE e.idx >= ? AND e.idx < ? ORDER BY e.idx";
const LOAD_STREAM: &str = "SELECT e.idx, e.bytes, o.line, l.text FROM entries e \
                           LEFT JOIN openings o ON o.idx = e.idx LEFT JOIN lists l ON l.idx = e.idx \
                           WHERE e.stream = ? ORDER BY e.revision";
const LOAD_STREAM_END: &str = "SELECT idx, bytes FROM entries WHERE stream = ? ORDER BY revision DESC LIMIT 1";
// Three statements and one way to the connection's thread and back, which costs as much as all of them.
const LOOK_UP: &str = "SELECT 1, key, idx, request FROM requests WHERE key IN (SELECT value FROM json_each(?)); \
                       SELECT 3, key, seq, request FROM sealed_requests \
                       WHERE key IN (SELECT value FROM json_each(?)); \
                       SELECT 2, stream, idx, bytes FROM entries WHERE stream IN (SELECT value FROM json_each(?)) \
                       ORDER BY stream, revision";
const LOAD_FAMILY: &str = "SELECT idx FROM entries WHERE stream >= ? AND stream < ?";
const LOAD_SOME: &str = "SELECT idx, bytes FROM entries WHERE idx IN (SELECT value FROM json_each(?)) ORDER BY idx";
const LOAD_OPENINGS: &str = "SELECT idx, line FROM openings WHERE idx >= ? AND idx < ? ORDER BY idx";
const LOAD_BYTES: &str = "SELECT idx, bytes FROM entries WHERE idx >= ? AND idx < ? ORDER BY idx";
const LOAD_LIST_INDEXES: &str = "SELECT idx FROM lists WHERE idx >= ? AND idx < ? ORDER BY idx";
const LOAD_LIST: &str = "SELECT text FROM lists WHERE idx = ?";
const LOAD_ATTACHMENTS: &str = "SELECT idx, hash FROM attachments WHERE idx >= ? AND idx < ? ORDER BY idx, hash";
// Without an index: asked only when a line is withdrawn.
const LOAD_ATTACHING: &str = "SELECT idx FROM attachments WHERE hash = ? ORDER BY idx";
const LAST_INDEX: &str = "SELECT max(idx) FROM entries";
const CHANGE_OPENINGS: &str = "UPDATE openings SET line = ? WHERE idx = ?";
const CHANGE_LIST: &str = "UPDATE lists SET text = ? WHERE idx = ?";
const SAVE_PUBLICATION: &str = "INSERT INTO publication (id, durable_size, checkpoint) VALUES (1, ?, ?) \
                                ON CONFLICT (id) DO UPDATE SET durable_size = excluded.durable_size, \
                                checkpoint = excluded.checkpoint";
const LOAD_PUBLICATION: &str = "SELECT durable_size, checkpoint FROM publication WHERE id = 1";
const SAVE_HALT: &str = "INSERT INTO halt (id, cause, observed_at) VALUES (1, ?, ?) ON CONFLICT (id) DO NOTHING";
const LOAD_HALT: &str = "SELECT cause, observed_at FROM halt WHERE id = 1";
const CLEAR_HALT: &str = "DELETE FROM halt";

/// Entries up to which a transaction is handed to the connection's thread in one piece: then the way
/// there and back costs more than the statements, and their few different texts stay prepared.
const ONE_PIECE_MAX: usize = 8;

/// The statements of one transaction, with what they bind.
pub(crate) struct Script {
    pieces: Vec<(String, SqliteArguments)>,
    one_piece: bool,
}

impl Script {
    fn new(one_piece: bool) -> Self {
        Self { pieces: Vec::new(), one_piece }
    }

    /// Adds a statement; bind its values to what it gives.
    pub(crate) fn then(&mut self, statement: &str) -> &mut SqliteArguments {
        match self.pieces.last_mut() {
            Some((text, _)) if self.one_piece => {
                text.push_str("; ");
                text.push_str(statement);
            }
            _ => self.pieces.push((statement.to_owned(), SqliteArguments::default())),
        }
        &mut self.pieces.last_mut().expect("one was just pushed, or there").1
    }

    /// Adds INSERTs of all rows, in as few statements as the sizes allow: 256 rows, then halves of it, so
    /// that few texts are prepared and stay in the statement cache.
    pub(crate) fn insert<T>(
        &mut self,
        into: &str,
        columns: usize,
        rows: Vec<T>,
        bind: impl Fn(&mut SqliteArguments, T),
    ) {
        let row = format!("({})", vec!["?"; columns].join(", "));
        let mut left = rows.len();
        let mut rows = rows.into_iter();
        while left > 0 {
            let count = 1 << left.min(ROWS_MAX).ilog2();
            let arguments = self.then(&format!("INSERT INTO {into} VALUES {}", vec![row.as_str(); count].join(", ")));
            for row in rows.by_ref().take(count) {
                bind(arguments, row);
            }
            left -= count;
        }
    }

    /// Runs it; at the first error everything is rolled back.
    async fn run(self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        for (text, arguments) in self.pieces {
            // The texts are put together from constants of ours.
            let query = sqlx::query_with(AssertSqlSafe(text), arguments);
            if let Err(error) = query.execute(&mut *connection).await {
                // When the transaction never began or SQLite has ended it, there is nothing to roll back.
                let _ = sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await;
                return Err(error);
            }
        }
        Ok(())
    }
}

pub(crate) fn bind<T>(arguments: &mut SqliteArguments, value: T)
where
    T: sqlx::Encode<'static, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    arguments.add(value).expect("numbers, texts and bytes can be bound");
}

pub(crate) fn sql(doing: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |source| StoreError::sql(doing, source)
}

fn digest(bytes: &[u8], index: u64, field: &'static str) -> Result<Digest, StoreError> {
    let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| StoreError::row(index, field, "not 32 bytes"))?;
    Ok(Digest::from_bytes(bytes))
}

/// Options of every connection.
fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(false)
        .pragma("cell_size_check", "ON")
        .row_buffer_size(512)
        .disable_statement_logging()
}

/// Options of readers, who can be many and never write.
pub(crate) fn reader_options(path: &Path, busy_timeout: Duration) -> SqliteConnectOptions {
    options(path).read_only(true).busy_timeout(busy_timeout)
}

/// Refuses a file that is no ledger or of a later version, without writing a byte.
///
/// Returns the version.
pub(crate) async fn examine(path: &Path) -> Result<i64, OpenError> {
    let refuse = |reason: String| OpenError::NotALedger { path: path.to_owned(), reason };
    if !path.is_file() {
        return Err(refuse("there is no database".into()));
    }
    let read = |e: sqlx::Error| match code(&e) {
        Some(26) => refuse("the file is no SQLite database".into()),
        _ => StoreError::sql("reading the version", e).into(),
    };
    let mut connection = reader_options(path, Duration::from_secs(5)).connect().await.map_err(read)?;
    let application: i64 =
        sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut connection).await.map_err(read)?;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut connection).await.map_err(read)?;
    connection.close().await.map_err(read)?;
    if application != APPLICATION_ID || version < 1 {
        return Err(refuse("the database is of another program".into()));
    }
    if version > VERSION {
        return Err(OpenError::Newer { found: version, known: VERSION });
    }
    Ok(version)
}

/// The head and the writer's epoch.
pub(crate) async fn load_head(connection: &mut SqliteConnection) -> Result<(LogHead, u64), StoreError> {
    let row = sqlx::query(LOAD_HEAD).fetch_one(connection).await.map_err(sql("reading the head"))?;
    let size = row.get::<i64, _>(0).cast_unsigned();
    let edge = Edge::from_bytes(row.get(2)).map_err(|e| StoreError::row(size, "head", e.to_string()))?;
    if edge.size() != size {
        return Err(StoreError::row(size, "head", format!("the tree edge is of {} entries", edge.size())));
    }
    let head = LogHead {
        size,
        entry_hash: digest(row.get(1), size, "head")?,
        edge,
        recorded_at: DateTime::from_timestamp_micros(row.get(3))
            .ok_or_else(|| StoreError::row(size, "head", "recorded_at is out of range"))?,
    };
    Ok((head, row.get::<i64, _>(4).cast_unsigned()))
}

/// Entries in the table, by its last index.
pub(crate) async fn count(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let last: Option<i64> =
        sqlx::query_scalar(LAST_INDEX).fetch_one(connection).await.map_err(sql("reading the last index"))?;
    Ok(last.map_or(0, |last| last.cast_unsigned() + 1))
}

fn raw_entry(row: &SqliteRow) -> RawEntry {
    RawEntry { index: row.get::<i64, _>(0).cast_unsigned(), bytes: row.get(1), openings: row.get(2), list: row.get(3) }
}

/// Entries from `from` to `to`, exclusive.
pub(crate) async fn load_range(
    connection: &mut SqliteConnection,
    from: u64,
    to: u64,
) -> Result<Vec<RawEntry>, StoreError> {
    let query = sqlx::query(LOAD_RANGE).bind(from.cast_signed()).bind(to.cast_signed());
    let rows = query.fetch_all(connection).await.map_err(sql("reading entries"))?;
    Ok(rows.iter().map(raw_entry).collect())
}

/// One stream, in order.
pub(crate) async fn load_stream(
    connection: &mut SqliteConnection,
    stream: String,
) -> Result<Vec<RawEntry>, StoreError> {
    let rows = sqlx::query(LOAD_STREAM).bind(stream).fetch_all(connection).await.map_err(sql("reading a stream"))?;
    Ok(rows.iter().map(raw_entry).collect())
}

/// Index and bytes of a stream's last entry.
pub(crate) async fn load_stream_end(
    connection: &mut SqliteConnection,
    stream: String,
) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
    let query = sqlx::query(LOAD_STREAM_END).bind(stream);
    let row = query.fetch_optional(connection).await.map_err(sql("reading a stream's head"))?;
    Ok(row.map(|row| (row.get::<i64, _>(0).cast_unsigned(), row.get(1))))
}

/// Indexes of the entries whose streams are of these families, in order.
pub(crate) async fn load_indexes_of(
    connection: &mut SqliteConnection,
    families: &BTreeSet<&'static str>,
) -> Result<Vec<u64>, StoreError> {
    let mut indexes = Vec::new();
    for family in families {
        // A range of the index; '0' follows '/'.
        let query = sqlx::query_scalar::<_, i64>(LOAD_FAMILY).bind(format!("{family}/")).bind(format!("{family}0"));
        let found = query.fetch_all(&mut *connection).await.map_err(sql("finding registry entries"))?;
        indexes.extend(found.into_iter().map(i64::cast_unsigned));
    }
    indexes.sort_unstable();
    Ok(indexes)
}

/// Index and bytes of these entries, in order.
pub(crate) async fn load_some(
    connection: &mut SqliteConnection,
    indexes: &[u64],
) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
    let query = sqlx::query(LOAD_SOME).bind(json_text(indexes));
    let rows = query.fetch_all(connection).await.map_err(sql("reading entries"))?;
    Ok(rows.iter().map(|row| (row.get::<i64, _>(0).cast_unsigned(), row.get(1))).collect())
}

/// Index and bytes of the entries from `from` to `to`, exclusive, in order.
pub(crate) async fn load_bytes(
    connection: &mut SqliteConnection,
    from: u64,
    to: u64,
) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
    let query = sqlx::query(LOAD_BYTES).bind(from.cast_signed()).bind(to.cast_signed());
    let rows = query.fetch_all(connection).await.map_err(sql("reading entries"))?;
    Ok(rows.iter().map(|row| (row.get::<i64, _>(0).cast_unsigned(), row.get(1))).collect())
}

/// Openings lines from `from` to `to`, exclusive.
pub(crate) async fn load_openings(
    connection: &mut SqliteConnection,
    from: u64,
    to: u64,
) -> Result<Vec<(u64, String)>, StoreError> {
    let query = sqlx::query(LOAD_OPENINGS).bind(from.cast_signed()).bind(to.cast_signed());
    let rows = query.fetch_all(connection).await.map_err(sql("reading openings"))?;
    Ok(rows.iter().map(|row| (row.get::<i64, _>(0).cast_unsigned(), row.get(1))).collect())
}

/// Which entries from `from` to `to`, exclusive, have lists.
pub(crate) async fn load_list_indexes(
    connection: &mut SqliteConnection,
    from: u64,
    to: u64,
) -> Result<Vec<u64>, StoreError> {
    let query = sqlx::query_scalar::<_, i64>(LOAD_LIST_INDEXES).bind(from.cast_signed()).bind(to.cast_signed());
    let rows = query.fetch_all(connection).await.map_err(sql("finding lists"))?;
    Ok(rows.into_iter().map(i64::cast_unsigned).collect())
}

/// The list of an entry.
pub(crate) async fn load_list(connection: &mut SqliteConnection, index: u64) -> Result<Option<String>, StoreError> {
    let query = sqlx::query_scalar(LOAD_LIST).bind(index.cast_signed());
    query.fetch_optional(connection).await.map_err(sql("reading a list"))
}

/// Attachments that the entries from `from` to `to`, exclusive, named when they were recorded.
pub(crate) async fn load_attachments(
    connection: &mut SqliteConnection,
    from: u64,
    to: u64,
) -> Result<Vec<(u64, Digest)>, StoreError> {
    let query = sqlx::query(LOAD_ATTACHMENTS).bind(from.cast_signed()).bind(to.cast_signed());
    let rows = query.fetch_all(connection).await.map_err(sql("reading attachments"))?;
    let named = |row: &SqliteRow| {
        let index = row.get::<i64, _>(0).cast_unsigned();
        Ok((index, digest(row.get(1), index, "attachments")?))
    };
    rows.iter().map(named).collect()
}

/// Entries that named an attachment when they were recorded.
pub(crate) async fn load_attaching(connection: &mut SqliteConnection, hash: &Digest) -> Result<Vec<u64>, StoreError> {
    let query = sqlx::query_scalar::<_, i64>(LOAD_ATTACHING).bind(hash.as_bytes().as_slice());
    let indexes = query.fetch_all(connection).await.map_err(sql("reading who names an attachment"))?;
    Ok(indexes.into_iter().map(i64::cast_unsigned).collect())
}

/// How far files are durable.
pub(crate) async fn load_publication(connection: &mut SqliteConnection) -> Result<Option<Publication>, StoreError> {
    let query = sqlx::query(LOAD_PUBLICATION).fetch_optional(connection);
    let row = query.await.map_err(sql("reading the publication"))?;
    Ok(row.map(|row| Publication { durable_size: row.get::<i64, _>(0).cast_unsigned(), checkpoint: row.get(1) }))
}

pub(crate) fn json_text<T: serde::Serialize>(values: &[T]) -> String {
    serde_json::to_string(values).expect("numbers and strings have JSON")
}

/// The write connection.
pub struct SqliteStore {
    connection: SqliteConnection,
    epoch: u64,
    // A withdrawal was committed and old text may still lie in the WAL.
    wal_to_empty: bool,
    // Entries and sealed events since the length of the WAL was looked at.
    appended: usize,
}

impl SqliteStore {
    /// Makes a new database with an empty log.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn create(path: &Path) -> Result<(), StoreError> {
        let options = options(path).create_if_missing(true).page_size(PAGE_BYTES).journal_mode(SqliteJournalMode::Wal);
        let mut connection = options.connect().await.map_err(sql("creating the database"))?;
        migrate(&mut connection, 0).await?;
        connection.close().await.map_err(sql("creating the database"))
    }

    /// Opens the database for writing and takes over from whoever wrote before.
    ///
    /// # Errors
    /// [`OpenError::NotALedger`], [`OpenError::Newer`], [`OpenError::Store`].
    pub async fn open(path: &Path, busy_timeout: Duration) -> Result<Self, OpenError> {
        let version = examine(path).await?;
        let options = options(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(busy_timeout)
            .pragma("secure_delete", "ON")
            .pragma("cache_size", CACHE_KIB)
            .pragma("wal_autocheckpoint", WAL_PAGES_MAX)
            .pragma("journal_size_limit", WAL_BYTES_KEPT);
        let mut connection = options.connect().await.map_err(sql("opening the database"))?;
        if version < VERSION {
            migrate(&mut connection, version).await?;
        }
        let epoch: i64 =
            sqlx::query_scalar(TAKE_OVER).fetch_one(&mut connection).await.map_err(sql("taking over the head"))?;
        // A withdrawal may have been committed just before a crash.
        let mut store = Self { connection, epoch: epoch.cast_unsigned(), wal_to_empty: true, appended: 0 };
        store.empty_wal().await;
        Ok(store)
    }

    /// Copies the WAL back and empties it, so that withdrawn text is in no file. Readers can be in the
    /// way; then the next append tries again.
    async fn empty_wal(&mut self) {
        if !self.wal_to_empty {
            return;
        }
        let query = sqlx::query_scalar::<_, i64>("PRAGMA wal_checkpoint(TRUNCATE)");
        self.wal_to_empty = query.fetch_one(&mut self.connection).await.map_or(true, |busy| busy != 0);
    }

    /// Copies a long WAL back, where no receipt waits for it: thousands of pages go all over the file.
    async fn shorten_wal(&mut self) -> Result<(), sqlx::Error> {
        let (_, pages, copied): (i64, i64, i64) =
            sqlx::query_as("PRAGMA wal_checkpoint(NOOP)").fetch_one(&mut self.connection).await?;
        if pages - copied >= WAL_PAGES {
            sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut self.connection).await?;
        }
        Ok(())
    }

    async fn write(&mut self, batch: Batch) -> Result<(), StoreError> {
        let (size, epoch) = (batch.from, self.epoch);
        transaction(batch, epoch).run(&mut self.connection).await.map_err(|error| match extended_code(&error) {
            Some(NOT_NULL | TRIGGER) => StoreError::Fenced { size, epoch },
            _ => StoreError::sql("committing", error),
        })
    }

    /// Limits the database file, so that a test can fill it.
    #[cfg(test)]
    pub(crate) async fn limit_pages(&mut self, pages: u32) {
        let query = sqlx::query(AssertSqlSafe(format!("PRAGMA max_page_count = {pages}")));
        query.execute(&mut self.connection).await.expect("the pragma exists");
    }
}

async fn migrate(connection: &mut SqliteConnection, version: i64) -> Result<(), StoreError> {
    let done = usize::try_from(version).unwrap_or(0);
    for (step, text) in MIGRATIONS.iter().enumerate().skip(done) {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(sql("migrating"))?;
        sqlx::raw_sql(*text).execute(&mut *transaction).await.map_err(sql("migrating"))?;
        let mark = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}", step + 1);
        sqlx::raw_sql(AssertSqlSafe(mark)).execute(&mut *transaction).await.map_err(sql("migrating"))?;
        transaction.commit().await.map_err(sql("migrating"))?;
    }
    Ok(())
}

/// Everything that one append writes.
fn transaction(batch: Batch, epoch: u64) -> Script {
    let Batch { from, mut entries, sealed, erased, changed, head, publication, clears_halt } = batch;
    let mut script = Script::new(entries.len() <= ONE_PIECE_MAX);
    script.then("BEGIN IMMEDIATE");
    // First of all: a stale writer must not even collide with rows of the one who took over.
    let arguments = script.then(ADVANCE);
    bind(arguments, head.size.cast_signed());
    bind(arguments, head.entry_hash.as_bytes().to_vec());
    bind(arguments, head.edge.to_bytes());
    bind(arguments, head.recorded_at.timestamp_micros());
    bind(arguments, from.cast_signed());
    bind(arguments, epoch.cast_signed());
    let periods: Vec<_> = (from..)
        .zip(&mut entries)
        .filter_map(|(index, entry)| entry.period.take().map(|period| (index, period)))
        .collect();
    insert(&mut script, from, entries);
    sqlite_sealed::insert_events(&mut script, sealed);
    for (index, period) in periods {
        sqlite_sealed::insert_period(&mut script, index, period);
    }
    for erased in &erased {
        sqlite_sealed::erase(&mut script, erased);
    }
    for Changed { index, openings, list } in changed {
        for (statement, text) in [(CHANGE_OPENINGS, openings), (CHANGE_LIST, list)] {
            let Some(text) = text else { continue };
            let arguments = script.then(statement);
            bind(arguments, text);
            bind(arguments, index.cast_signed());
        }
    }
    if let Some(publication) = publication {
        let arguments = script.then(SAVE_PUBLICATION);
        bind(arguments, publication.durable_size.cast_signed());
        bind(arguments, publication.checkpoint);
    }
    if clears_halt {
        script.then(CLEAR_HALT);
    }
    // The commit point. Before it nothing happened; after it everything can be redone from here.
    script.then("COMMIT");
    script
}

/// Entries of a ledger's database of whichever version.
pub(crate) async fn size_of(path: &Path) -> Result<u64, StoreError> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true).disable_statement_logging();
    let mut connection = options.connect().await.map_err(sql("opening the ledger"))?;
    let size: i64 = sqlx::query_scalar(SIZE).fetch_one(&mut connection).await.map_err(sql("reading the head"))?;
    connection.close().await.map_err(sql("closing the ledger"))?;
    Ok(size.cast_unsigned())
}

fn insert(script: &mut Script, from: u64, entries: Vec<NewEntry>) {
    let mut rows = Vec::with_capacity(entries.len());
    let (mut openings, mut lists, mut attachments, mut requests) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut values, mut inventories) = (Vec::new(), Vec::new());
    for (index, entry) in (from.cast_signed()..).zip(entries) {
        let (stream, revision) = entry.stream.map(|(s, r)| (s, r.cast_signed())).unzip();
        rows.push((index, stream, revision, entry.bytes));
        openings.extend(entry.openings.map(|line| (index, line)));
        lists.extend(entry.list.map(|text| (index, text)));
        attachments.extend(entry.attachments.into_iter().map(|hash| (index, hash)));
        requests.extend(entry.request.map(|(key, request)| (key, request, index)));
        values.extend(entry.sealed.into_iter().map(|value| (index, value)));
        inventories.extend(entry.inventory.map(|inventory| (index, inventory)));
    }
    // Rows of a table that is sorted by random keys go in faster sorted.
    requests.sort_unstable();
    script.insert("entries (idx, stream, revision, bytes)", 4, rows, |arguments, (index, stream, revision, bytes)| {
        bind(arguments, index);
        bind(arguments, stream);
        bind(arguments, revision);
        bind(arguments, bytes);
    });
    let texts = |arguments: &mut SqliteArguments, (index, text): (i64, String)| {
        bind(arguments, index);
        bind(arguments, text);
    };
    script.insert("openings (idx, line)", 2, openings, texts);
    script.insert("lists (idx, text)", 2, lists, texts);
    script.insert("attachments (idx, hash)", 2, attachments, |arguments, (index, hash)| {
        bind(arguments, index);
        bind(arguments, hash.as_bytes().to_vec());
    });
    script.insert("requests (key, request, idx)", 3, requests, |arguments, (key, request, index)| {
        bind(arguments, key);
        bind(arguments, request.as_bytes().to_vec());
        bind(arguments, index);
    });
    sqlite_sealed::insert_values(script, values);
    sqlite_sealed::insert_inventories(script, inventories);
}

async fn save_publication(connection: &mut SqliteConnection, publication: Publication) -> Result<(), StoreError> {
    let query = sqlx::query(SAVE_PUBLICATION).bind(publication.durable_size.cast_signed()).bind(publication.checkpoint);
    query.execute(connection).await.map(drop).map_err(sql("saving the publication"))
}

impl EventStore for SqliteStore {
    async fn load_head(&mut self) -> Result<LogHead, StoreError> {
        Ok(load_head(&mut self.connection).await?.0)
    }

    async fn load_range(&mut self, from: u64, to: u64) -> Result<Vec<RawEntry>, StoreError> {
        load_range(&mut self.connection, from, to).await
    }

    async fn look_up(&mut self, keys: Vec<String>, streams: Vec<String>) -> Result<Known, StoreError> {
        let keys = json_text(&keys);
        let query = sqlx::query(LOOK_UP).bind(keys.clone()).bind(keys).bind(json_text(&streams));
        let mut known = Known::default();
        for row in query.fetch_all(&mut self.connection).await.map_err(sql("reading requests and streams"))? {
            let (name, index) = (row.get(1), row.get::<i64, _>(2).cast_unsigned());
            let what = row.get::<i64, _>(0);
            if what == 2 {
                known.streams.push(StreamEntry { stream: name, index, bytes: row.get(3) });
            } else {
                let request = digest(row.get(3), index, "request")?;
                let at = if what == 1 { At::Entry(index) } else { At::Sealed(index) };
                known.requests.push(KnownRequest { key: name, request, at });
            }
        }
        Ok(known)
    }

    async fn load_waiting(&mut self) -> Result<(u64, Vec<Waiting>), StoreError> {
        sqlite_sealed::load_waiting(&mut self.connection).await
    }

    async fn load_sealed(&mut self, tags: Vec<[u8; 16]>) -> Result<Vec<RawSealed>, StoreError> {
        let tags: Vec<Tag> = tags.into_iter().map(Tag).collect();
        sqlite_sealed::load_by_tag(&mut self.connection, &tags).await
    }

    async fn load_sealed_event(&mut self, seq: u64) -> Result<Option<RawSealed>, StoreError> {
        Ok(sqlite_sealed::load_events(&mut self.connection, seq, seq + 1).await?.pop())
    }

    async fn find_sealed(&mut self, commitment: Digest) -> Result<Option<RawSealed>, StoreError> {
        match sqlite_sealed::find_by_commitment(&mut self.connection, &commitment).await? {
            Some(seq) => self.load_sealed_event(seq).await,
            None => Ok(None),
        }
    }

    async fn load_erasures(&mut self) -> Result<Vec<Erased>, StoreError> {
        sqlite_sealed::load_unfinished_erasures(&mut self.connection).await
    }

    async fn finish_erasure(&mut self, tag: [u8; 16]) -> Result<(), StoreError> {
        sqlite_sealed::finish_erasure(&mut self.connection, tag).await
    }

    async fn load_sealed_values(&mut self, index: u64) -> Result<Vec<SealedValue>, StoreError> {
        sqlite_sealed::load_values_of(&mut self.connection, index).await
    }

    async fn append(&mut self, batch: Batch) -> Result<(), StoreError> {
        let withdraws = !batch.changed.is_empty() || !batch.erased.is_empty();
        self.appended += batch.entries.len() + batch.sealed.len();
        self.write(batch).await?;
        self.wal_to_empty |= withdraws;
        self.empty_wal().await;
        Ok(())
    }

    async fn rest(&mut self) {
        if self.appended < LOOK_AFTER {
            return;
        }
        self.appended = 0;
        if let Err(error) = self.shorten_wal().await {
            tracing::warn!(%error, "the WAL could not be copied back yet");
        }
    }

    async fn load_publication(&mut self) -> Result<Option<Publication>, StoreError> {
        load_publication(&mut self.connection).await
    }

    async fn save_publication(&mut self, publication: Publication) -> Result<(), StoreError> {
        save_publication(&mut self.connection, publication).await
    }

    async fn load_halt(&mut self) -> Result<Option<Halt>, StoreError> {
        let query = sqlx::query(LOAD_HALT).fetch_optional(&mut self.connection);
        let Some(row) = query.await.map_err(sql("reading the halt"))? else { return Ok(None) };
        let observed_at = DateTime::from_timestamp_micros(row.get(1))
            .ok_or_else(|| StoreError::row(0, "halt", "observed_at is out of range"))?;
        Ok(Some(Halt { cause: row.get(0), observed_at }))
    }

    async fn save_halt(&mut self, halt: Halt) -> Result<(), StoreError> {
        let query = sqlx::query(SAVE_HALT).bind(halt.cause).bind(halt.observed_at.timestamp_micros());
        query.execute(&mut self.connection).await.map(drop).map_err(sql("saving the halt"))
    }

    async fn close(self) -> Result<(), StoreError> {
        self.connection.close().await.map_err(sql("closing the database"))
    }
}
