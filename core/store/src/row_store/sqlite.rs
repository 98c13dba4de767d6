//! Appending in SQLite: WAL, `synchronous=FULL`, one write connection.
//!
//! To change the schema, add a file to `migrations/ledger/sqlite` and a line to `MIGRATIONS`; never edit one that was
//! released.

use std::{path::Path, time::Duration};

use sqlx::{
    Arguments as _, AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection,
    sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use super::sqlite_sealed;
use crate::{
    database::{file, file_reader},
    error::{OpenError, StoreError, code, extended_code, sql},
    event_store::{Batch, Changed, NewEntry},
};

/// `PRAGMA application_id` of a ledger: "Gong".
const APPLICATION_ID: i64 = 0x476F_6E67;

/// Steps that make the schema; `PRAGMA user_version` counts them.
const MIGRATIONS: [&str; 6] = [
    include_str!("../../../../migrations/ledger/sqlite/0001_entries_and_heads.sql"),
    include_str!("../../../../migrations/ledger/sqlite/0002_openings_lists_attachments.sql"),
    include_str!("../../../../migrations/ledger/sqlite/0003_requests.sql"),
    include_str!("../../../../migrations/ledger/sqlite/0004_publication_and_halts.sql"),
    include_str!("../../../../migrations/ledger/sqlite/0005_sealed_events.sql"),
    include_str!("../../../../migrations/ledger/sqlite/0006_inventories.sql"),
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

const SIZE: &str = "SELECT size FROM head WHERE id = 1";
const TAKE_OVER: &str = "UPDATE head SET epoch = epoch + 1 WHERE id = 1 RETURNING epoch";
// The epoch is NOT NULL: a writer that was overtaken fails here, whatever comes after.
const ADVANCE: &str = "UPDATE head SET size = ?, entry_hash = ?, edge = ?, recorded_at = ?, \
                       epoch = CASE WHEN size = ? AND epoch = ? THEN epoch END WHERE id = 1";
const SAVE_PUBLICATION: &str = "INSERT INTO publication (id, durable_size, checkpoint) VALUES (1, ?, ?) \
                                ON CONFLICT (id) DO UPDATE SET durable_size = excluded.durable_size, \
                                checkpoint = excluded.checkpoint";
const CHANGE_OPENINGS: &str = "UPDATE openings SET line = ? WHERE idx = ?";
const CHANGE_LIST: &str = "UPDATE lists SET text = ? WHERE idx = ?";
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
    let mut connection = file_reader(path, Duration::from_secs(5)).connect().await.map_err(read)?;
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

/// Makes a new database with an empty log.
pub(crate) async fn create(path: &Path) -> Result<(), StoreError> {
    let options = file(path).create_if_missing(true).page_size(PAGE_BYTES).journal_mode(SqliteJournalMode::Wal);
    let mut connection = options.connect().await.map_err(sql("creating the database"))?;
    migrate(&mut connection, 0).await?;
    connection.close().await.map_err(sql("creating the database"))
}

/// Opens the database for writing and takes over from whoever wrote before; the connection and the writer's epoch.
pub(crate) async fn open(path: &Path, busy_timeout: Duration) -> Result<(SqliteConnection, u64), OpenError> {
    let version = examine(path).await?;
    let options = file(path)
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
    Ok((connection, epoch.cast_unsigned()))
}

/// Appends a batch in one transaction.
pub(crate) async fn append(connection: &mut SqliteConnection, batch: Batch, epoch: u64) -> Result<(), StoreError> {
    let size = batch.from;
    transaction(batch, epoch).run(connection).await.map_err(|error| match extended_code(&error) {
        Some(NOT_NULL | TRIGGER) => StoreError::Fenced { size, epoch },
        _ => StoreError::sql("committing", error),
    })
}

/// What is known of the write-ahead log.
pub(crate) struct Wal {
    /// A withdrawal was committed and old text may still lie in it.
    pub to_empty: bool,
    /// Entries and sealed events since its length was looked at.
    pub appended: usize,
}

impl Wal {
    /// Copies the WAL back and empties it, so that withdrawn text is in no file. Readers can be in the
    /// way; then the next append tries again.
    pub(crate) async fn empty(&mut self, connection: &mut SqliteConnection) {
        if !self.to_empty {
            return;
        }
        let query = sqlx::query_scalar::<_, i64>("PRAGMA wal_checkpoint(TRUNCATE)");
        self.to_empty = query.fetch_one(connection).await.map_or(true, |busy| busy != 0);
    }

    /// Copies a long WAL back, where no receipt waits for it: thousands of pages go all over the file.
    pub(crate) async fn shorten(&mut self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        if self.appended < LOOK_AFTER {
            return Ok(());
        }
        self.appended = 0;
        let length = sqlx::query_as("PRAGMA wal_checkpoint(NOOP)").fetch_one(&mut *connection);
        let (_, pages, copied): (i64, i64, i64) = length.await.map_err(sql("looking at the WAL"))?;
        if pages - copied >= WAL_PAGES {
            let copy = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(connection);
            copy.await.map_err(sql("copying the WAL back"))?;
        }
        Ok(())
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
