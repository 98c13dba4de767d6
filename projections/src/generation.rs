//! One generation of views: its file of rows, its search index, and the work that fills both.
//!
//! The follower writes rows; documents of what it touched go to the search index in larger portions, which
//! are indexed while the next rows are written. A crash between the two is made up for: the index says how
//! far it is, and the rows say what was touched since.
//!
//! Not here: which generation is served and when they are swapped (`views`).

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use chrono::NaiveDate;
use sqlx::{
    ConnectOptions as _, Row as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::{task::JoinHandle, time::Instant};

use crate::{
    documents,
    follower::{FollowError, Follower, Touched, touched_since},
    read::Reader,
    search::{Opened, SearchIndex, SearchWriter},
    source::Source,
};

/// The tables with the indexes that writing asks, as SQLite makes them.
pub const SCHEMA_SQLITE: &str = include_str!("../../migrations/views/sqlite/0001_boards.sql");
/// The indexes that only pages ask.
pub const PAGE_INDEXES_SQLITE: &str = include_str!("../../migrations/views/sqlite/0002_page_indexes.sql");
/// The same tables for PostgreSQL.
pub const SCHEMA_POSTGRES: &str = include_str!("../../migrations/views/postgres/0001_boards.sql");
/// The same indexes for PostgreSQL.
pub const PAGE_INDEXES_POSTGRES: &str = include_str!("../../migrations/views/postgres/0002_page_indexes.sql");
/// Readers of one generation at a time.
const READERS_MAX: u32 = 16;
/// Memory of indexing while the views are behind; given back when they have caught up.
const HEAP_BYTES: usize = 64 << 20;
/// Streams whose documents wait before the index is committed.
const DOCUMENTS_WAITING_MAX: usize = 10_000;
/// How long the index waits for more documents when one follows the other: a commit costs tens of
/// milliseconds, and every commit leaves files to be merged.
pub(crate) const INDEX_PAUSE: Duration = Duration::from_secs(1);
/// Version of the documents; raise it when `documents` makes others.
pub(crate) const DOCUMENTS: u32 = 1;
/// Cache of the writing connection, negative for KiB: a batch is not written twice.
const CACHE_KIB: &str = "-32768";
/// Cache of each reading connection.
const READER_CACHE_KIB: &str = "-2048";
/// Pages in the write-ahead log before it is copied back, 32 MiB: index pages that one batch after the
/// other touches are copied once.
const WAL_PAGES: &str = "8000";

/// One file of rows and one index.
pub(crate) struct Generation {
    pub name: String,
    pub files: Files,
    pub write: SqlitePool,
    pub read: SqlitePool,
    pub search: SearchIndex,
}

/// Where they are.
pub(crate) struct Files {
    pub rows: PathBuf,
    pub search: PathBuf,
}

impl Files {
    pub(crate) fn new(dir: &Path, name: &str) -> Self {
        Self { rows: dir.join("views").join(format!("{name}.db")), search: dir.join("search").join(name) }
    }

    /// Readers in flight keep what they have open.
    pub(crate) fn remove(&self) {
        for suffix in ["", "-wal", "-shm"] {
            let mut path = self.rows.clone().into_os_string();
            path.push(suffix);
            let _ = std::fs::remove_file(path);
        }
        let _ = std::fs::remove_dir_all(&self.search);
    }
}

/// How soon the search index follows the rows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// At once.
    Hurry,
    /// At most once in [`INDEX_PAUSE`].
    Steady,
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There was a batch; there may be another.
    Moved,
    /// Rows are done; the search index waits so much longer for more, or a reader is in the way of what has to go.
    Later(Duration),
    /// Nothing is left to do.
    Done,
}

/// A generation with its follower.
pub(crate) struct Builder {
    pub generation: Arc<Generation>,
    pub follower: Follower,
    /// Whether the rows have the indexes that pages ask: whether they have caught up with the log once.
    is_indexed: bool,
    writer: Option<SearchWriter>,
    /// What the rows have and the search index is not told yet.
    waiting: Touched,
    indexing: Option<Indexing>,
    indexed_at: Option<Instant>,
    /// Whether withdrawn values may still be in the write-ahead log.
    scrub: bool,
}

/// A portion on its way into the search index.
struct Indexing {
    portion: Arc<Touched>,
    work: JoinHandle<Result<SearchWriter, FollowError>>,
}

impl Builder {
    pub(crate) async fn open(dir: &Path, name: &str, source: Arc<dyn Source>) -> Result<Self, FollowError> {
        let generation = Arc::new(Generation::open(dir, name).await?);
        let follower = Follower::open(generation.write.clone(), source).await?;
        let is_indexed = generation.has_page_indexes().await?;
        // An index that a crash left behind its rows makes up for it.
        let reached = generation.search.reached().map_or(0, |reached| reached + 1);
        let waiting = if reached < follower.size() {
            touched_since(&generation.write, reached).await?
        } else {
            Touched::default()
        };
        // Whether the last process got that far is not known.
        Ok(Self {
            generation,
            follower,
            is_indexed,
            writer: None,
            waiting,
            indexing: None,
            indexed_at: None,
            scrub: true,
        })
    }

    /// Whether people may read it: views that never caught up would say of most things that they do not exist.
    pub(crate) const fn is_whole(&self) -> bool {
        self.is_indexed
    }

    /// One batch of entries before `end`, or what is left to do when there is none.
    pub(crate) async fn step(&mut self, end: u64, pace: Pace) -> Result<Step, FollowError> {
        let moved = self.follower.step(end).await?;
        if !self.is_indexed && self.follower.size() >= end {
            self.generation.make_page_indexes().await?;
            self.is_indexed = true;
        }
        let rest = match (pace, self.indexed_at) {
            (Pace::Steady, Some(at)) => INDEX_PAUSE.saturating_sub(at.elapsed()),
            _ => Duration::ZERO,
        };
        let Some(touched) = moved else {
            if !rest.is_zero() && !self.waiting.streams.is_empty() {
                return Ok(Step::Later(rest));
            }
            self.index().await?;
            self.settle().await?;
            self.writer = None;
            self.scrub().await?;
            return Ok(if self.scrub { Step::Later(SCRUB_PAUSE) } else { Step::Done });
        };
        self.waiting.extend(touched);
        let (caught_up, withdrawn) = (rest.is_zero() && self.follower.size() >= end, self.waiting.withdrawn);
        if caught_up || withdrawn || self.waiting.streams.len() >= DOCUMENTS_WAITING_MAX {
            self.index().await?;
        }
        if caught_up || withdrawn {
            self.settle().await?;
        }
        Ok(Step::Moved)
    }

    /// Begins to bring the search index up to the rows; they may grow meanwhile.
    async fn index(&mut self) -> Result<(), FollowError> {
        self.settle().await?;
        let size = self.follower.size();
        let reached = self.generation.search.reached().map_or(0, |reached| reached + 1);
        if size == 0 || (reached == size && self.waiting.streams.is_empty()) {
            return Ok(());
        }
        // Names that hold from a later day are names too.
        let search = self.generation.search.clone();
        let mut reader = Reader::new(&self.generation.read, self.follower.registry(), search, NaiveDate::MAX).await?;
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.generation.search.writer(HEAP_BYTES)?,
        };
        let portion = Arc::new(std::mem::take(&mut self.waiting));
        let withdrawn = portion.withdrawn;
        self.scrub |= withdrawn;
        let touched = Arc::clone(&portion);
        let work = tokio::spawn(async move {
            let changes = documents::changes(&mut reader, &touched).await?;
            drop(touched);
            reader.close().await?;
            let apply = move || {
                writer.apply(changes, size - 1)?;
                if withdrawn && !writer.purge()?.complete {
                    tracing::error!(
                        "a withdrawn text may still be in a file of the search index; it is removed with the next purge"
                    );
                }
                Ok::<_, FollowError>(writer)
            };
            tokio::task::spawn_blocking(apply).await?
        });
        self.indexing = Some(Indexing { portion, work });
        Ok(())
    }

    /// Waits until the search index has what it was given. What it could not take waits again.
    async fn settle(&mut self) -> Result<(), FollowError> {
        let Some(Indexing { portion, work }) = self.indexing.take() else { return Ok(()) };
        match work.await.map_err(FollowError::from).flatten() {
            Ok(writer) => {
                self.writer = Some(writer);
                self.indexed_at = Some(Instant::now());
                Ok(())
            }
            Err(error) => {
                self.waiting.extend(Arc::unwrap_or_clone(portion));
                Err(error)
            }
        }
    }

    /// Gives up what was begun, files and all.
    pub(crate) async fn discard(mut self) {
        if let Err(error) = self.settle().await {
            tracing::error!(%error, name = self.generation.name, "views that are not wanted any more");
        }
        self.generation.files.remove();
    }

    /// Takes withdrawn values out of the write-ahead log: empties it into the file, in which deleted
    /// content is overwritten. A reader in flight puts it off to the next step, which comes also where nothing new does.
    async fn scrub(&mut self) -> Result<(), FollowError> {
        if self.scrub {
            let busy: i64 = sqlx::query(CHECKPOINT).fetch_one(&self.generation.write).await?.try_get(0)?;
            self.scrub = busy != 0;
        }
        Ok(())
    }
}

const CHECKPOINT: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// After how long it is tried again to empty the write-ahead log when a reader was in the way.
const SCRUB_PAUSE: Duration = Duration::from_millis(200);

impl Generation {
    /// Opens the files, or makes them.
    pub(crate) async fn open(dir: &Path, name: &str) -> Result<Self, FollowError> {
        let files = Files::new(dir, name);
        for path in [files.rows.parent(), files.search.parent()].into_iter().flatten() {
            std::fs::create_dir_all(path).map_err(|source| FollowError::Directory { path: path.to_owned(), source })?;
        }
        let options = SqliteConnectOptions::new()
            .filename(&files.rows)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A power cut may take the last commits, cursors with them; they are read from the log again.
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(10))
            .pragma("secure_delete", "ON")
            .pragma("cache_size", CACHE_KIB)
            .pragma("wal_autocheckpoint", WAL_PAGES)
            .disable_statement_logging();
        let write = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        if sqlx::query(MADE).fetch_optional(&write).await?.is_none() {
            let mut transaction = write.begin().await?;
            sqlx::raw_sql(SCHEMA_SQLITE).execute(&mut *transaction).await?;
            transaction.commit().await?;
        }
        let read = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .connect_with(options.pragma("query_only", "ON").pragma("cache_size", READER_CACHE_KIB))
            .await?;
        let search = match SearchIndex::open(&files.search, DOCUMENTS)? {
            Opened::Ready(search) => *search,
            Opened::Rebuild(reason) => {
                tracing::error!(?reason, "the search index is made anew");
                std::fs::remove_dir_all(&files.search)
                    .map_err(|source| FollowError::Directory { path: files.search.clone(), source })?;
                match SearchIndex::open(&files.search, DOCUMENTS)? {
                    Opened::Ready(search) => *search,
                    Opened::Rebuild(reason) => {
                        let source = std::io::Error::other(format!("{reason:?}"));
                        return Err(FollowError::Directory { path: files.search, source });
                    }
                }
            }
        };
        Ok(Self { name: name.to_owned(), files, write, read, search })
    }

    async fn has_page_indexes(&self) -> Result<bool, FollowError> {
        Ok(sqlx::query(INDEXED).fetch_optional(&self.write).await?.is_some())
    }

    /// All of them or none: after a crash the next start finds none, and makes them.
    async fn make_page_indexes(&self) -> Result<(), FollowError> {
        let mut transaction = self.write.begin().await?;
        sqlx::raw_sql(PAGE_INDEXES_SQLITE).execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }
}

const MADE: &str = "SELECT name FROM sqlite_schema WHERE name = 'cursors'";
const INDEXED: &str = "SELECT name FROM sqlite_schema WHERE name = 'matters_by_family'";
