//! One generation of views: its rows, its search index, and the work that fills both.
//!
//! The follower writes rows; documents of what it touched go to the search index in larger portions, which
//! are indexed while the next rows are written. A crash between the two is made up for: the index says how
//! far it is, and the rows say what was touched since.
//!
//! Where another node writes the rows, only the index is filled. Not here: where the rows lie (`home`), which generation is
//! served and when they are swapped (`engine`).

use std::{path::Path, sync::Arc, time::Duration};

use chrono::NaiveDate;
use gongkai_store::database::{Driver, Pool, Purpose, Reach as _, query};
use sqlx::{AssertSqlSafe, Executor as _, Row as _};
use tokio::{task::JoinHandle, time::Instant};

use crate::{
    documents,
    follower::{FollowError, Follower, Touched, touched_between},
    home::Home,
    lease::Fence,
    projection::TABLES,
    read::{Reader, Remembered},
    search::{Opened, SearchIndex, SearchWriter, quietly},
    source::Source,
    watcher::{Feed, Watcher},
};

/// The tables with the indexes that writing asks, as SQLite makes them.
pub const SCHEMA_SQLITE: &str = include_str!("../../migrations/views/sqlite/0001_boards.sql");
/// The indexes that only pages ask.
pub const PAGE_INDEXES_SQLITE: &str = include_str!("../../migrations/views/sqlite/0002_page_indexes.sql");
/// The same tables for PostgreSQL.
pub const SCHEMA_POSTGRES: &str = include_str!("../../migrations/views/postgres/0001_boards.sql");
/// The same indexes for PostgreSQL.
pub const PAGE_INDEXES_POSTGRES: &str = include_str!("../../migrations/views/postgres/0002_page_indexes.sql");
/// Memory of indexing while the views are behind; given back when they have caught up.
const HEAP_BYTES: usize = 64 << 20;
/// Memory of indexing a portion of a log that grows, which is work for one thread: each thread leaves a file to be merged.
const PORTION_HEAP_BYTES: usize = 16 << 20;
/// Streams whose documents wait before the index is committed.
const DOCUMENTS_WAITING_MAX: usize = 10_000;
/// How long the index waits for more documents when one follows the other: a commit costs tens of
/// milliseconds, and every commit leaves files to be merged.
pub(crate) const INDEX_PAUSE: Duration = Duration::from_secs(1);
/// How often as long as a portion took the index rests, up to [`INDEX_PAUSE_MAX`]: where there is much to index it is not what
/// the machine is busy with.
const RESTS: u32 = 3;
/// The longest pause.
const INDEX_PAUSE_MAX: Duration = Duration::from_secs(5);
/// How often it is looked whether the index is done while nothing else is to do.
pub(crate) const INDEX_LOOK: Duration = Duration::from_millis(20);
/// Version of the documents; raise it when `documents` makes others.
pub(crate) const DOCUMENTS: u32 = 1;
/// The rows and one index.
pub(crate) struct Generation {
    pub name: String,
    pub home: Home,
    pub write: Pool,
    pub read: Pool,
    pub search: SearchIndex,
    /// What readers asked of these rows.
    pub remembered: Remembered,
}

/// How soon the search index follows the rows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// At once.
    Hurry,
    /// At most once in [`INDEX_PAUSE`], and for a part of the time.
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

/// Who writes the rows of a generation.
#[derive(Clone, Debug)]
pub(crate) enum Writer {
    /// This process; with the right to, where the rows are shared.
    We(Option<Fence>),
    /// Another node, or nobody any more.
    Others,
}

/// A generation with what follows the log, or those who do.
pub(crate) struct Builder {
    pub generation: Arc<Generation>,
    pub feed: Feed,
    fence: Option<Fence>,
    /// Whether the rows have the indexes that pages ask: whether they have caught up with the log once.
    is_indexed: bool,
    writer: Option<SearchWriter>,
    /// What the rows have and the search index is not told yet.
    waiting: Touched,
    indexing: Option<Indexing>,
    /// When the index got its last portion, and how long it rests from then on.
    indexed_at: Option<(Instant, Duration)>,
    /// Whether withdrawn values may still be where deleted rows were.
    scrub: bool,
}

/// A portion on its way into the search index.
struct Indexing {
    portion: Arc<Touched>,
    work: JoinHandle<Result<(SearchWriter, Duration), FollowError>>,
}

/// How long the index rests after a portion that took so long.
pub(crate) fn rest_after(took: Duration) -> Duration {
    (took * RESTS).clamp(INDEX_PAUSE, INDEX_PAUSE_MAX)
}

impl Builder {
    pub(crate) async fn open(
        home: &Home,
        name: &str,
        source: Arc<dyn Source>,
        writer: Writer,
    ) -> Result<Self, FollowError> {
        let (fence, is_ours) = match writer {
            Writer::We(fence) => (fence, true),
            Writer::Others => (None, false),
        };
        let generation = Arc::new(Generation::open(home, name, fence.as_ref()).await?);
        let is_indexed = generation.has_page_indexes().await?;
        // An index that a crash left behind its rows makes up for it.
        let reached = generation.search.reached().map_or(0, |reached| reached + 1);
        let (feed, mut waiting) = (generation.read.clone(), Touched::default());
        let feed = if is_ours {
            let follower = Follower::open(generation.write.clone(), source, fence.clone()).await?;
            if reached < follower.size() {
                let mut rows = generation.read.acquire().await?;
                waiting = touched_between(&mut rows, reached, u64::MAX).await?;
            }
            Feed::Writing(follower)
        } else {
            Feed::Watching(Watcher::open(feed, reached).await?)
        };
        // Whether the last process got that far is not known.
        let (writer, indexing, indexed_at) = (None, None, None);
        Ok(Self { generation, feed, fence, is_indexed, writer, waiting, indexing, indexed_at, scrub: is_ours })
    }

    /// Whether people may read it: views that never caught up would say of most things that they do not exist.
    pub(crate) const fn is_whole(&self) -> bool {
        self.is_indexed
    }

    /// One batch of entries before `end`, or what is left to do when there is none.
    pub(crate) async fn step(&mut self, end: u64, pace: Pace) -> Result<Step, FollowError> {
        let touched = self.feed.step(end).await?;
        let moved = touched.is_some();
        // Before anything can fail: the rows have it, and nobody tells it again.
        self.waiting.extend(touched.unwrap_or_default());
        let end = self.feed.end(end);
        if !self.is_indexed && self.feed.told() >= end && self.feed.is_ours() {
            self.generation.make_page_indexes(self.fence.as_ref()).await?;
            self.is_indexed = true;
        }
        if !self.is_indexing() {
            // Its rest begins when it is done, and not when the next portion is due.
            self.settle().await?;
        }
        let rest = match (pace, self.indexed_at) {
            (Pace::Steady, Some((at, rest))) => rest.saturating_sub(at.elapsed()),
            _ => Duration::ZERO,
        };
        if !moved {
            return self.rest(pace, rest).await;
        }
        let (caught_up, withdrawn) = (rest.is_zero() && self.feed.told() >= end, self.waiting.withdrawn);
        let due = caught_up && !(pace == Pace::Steady && self.is_indexing());
        if due || withdrawn || self.waiting.streams.len() >= DOCUMENTS_WAITING_MAX {
            self.index(pace).await?;
        }
        // Rows wait for the index only where somebody waits for both, or something has to go from both.
        if withdrawn || (caught_up && pace == Pace::Hurry) {
            self.settle().await?;
        }
        Ok(Step::Moved)
    }

    /// What is left to do while there is no new row.
    async fn rest(&mut self, pace: Pace, rest: Duration) -> Result<Step, FollowError> {
        if !rest.is_zero() && !self.waiting.streams.is_empty() {
            return Ok(Step::Later(rest));
        }
        let goes_on = |builder: &Self| pace == Pace::Steady && builder.is_indexing();
        if !goes_on(self) {
            self.index(pace).await?;
        }
        if goes_on(self) {
            return Ok(Step::Later(INDEX_LOOK));
        }
        self.settle().await?;
        self.writer = None;
        self.scrub().await?;
        Ok(if self.scrub { Step::Later(SCRUB_PAUSE) } else { Step::Done })
    }

    /// Whether a portion is on its way into the search index.
    fn is_indexing(&self) -> bool {
        self.indexing.as_ref().is_some_and(|indexing| !indexing.work.is_finished())
    }

    /// Begins to bring the search index up to the rows; they may grow meanwhile.
    async fn index(&mut self, pace: Pace) -> Result<(), FollowError> {
        self.settle().await?;
        let size = self.feed.told();
        let reached = self.generation.search.reached().map_or(0, |reached| reached + 1);
        if size == 0 || (reached == size && self.waiting.streams.is_empty()) {
            return Ok(());
        }
        // Names that hold from a later day are names too.
        let search = self.generation.search.clone();
        let rows = (&self.generation.read, None);
        let mut reader = Reader::new(rows, self.feed.registry(), search.clone(), NaiveDate::MAX).await?;
        let is_large = pace == Pace::Hurry || self.waiting.streams.len() >= DOCUMENTS_WAITING_MAX;
        let heap_bytes = if is_large { HEAP_BYTES } else { PORTION_HEAP_BYTES };
        let kept = self.writer.take();
        let portion = Arc::new(std::mem::take(&mut self.waiting));
        let withdrawn = portion.withdrawn;
        // Whoever writes the rows takes the values out of them.
        self.scrub |= withdrawn && self.feed.is_ours();
        let touched = Arc::clone(&portion);
        let work = tokio::spawn(async move {
            let begun = Instant::now();
            let changes = documents::changes(&mut reader, &touched).await?;
            drop(touched);
            reader.close().await?;
            let apply = move || {
                let mut writer = match kept.filter(|writer| writer.heap_bytes() == heap_bytes) {
                    Some(writer) => writer,
                    None => search.writer(heap_bytes)?,
                };
                writer.apply(changes, size - 1)?;
                if withdrawn && !writer.purge()?.complete {
                    tracing::error!(
                        "a withdrawn text may still be in a file of the search index; it is removed with the next purge"
                    );
                }
                Ok::<_, FollowError>((writer, begun.elapsed()))
            };
            tokio::task::spawn_blocking(|| quietly(apply)).await?
        });
        self.indexing = Some(Indexing { portion, work });
        Ok(())
    }

    /// Waits until the search index has what it was given. What it could not take waits again.
    async fn settle(&mut self) -> Result<(), FollowError> {
        let Some(Indexing { portion, work }) = self.indexing.take() else { return Ok(()) };
        match work.await.map_err(FollowError::from).flatten() {
            Ok((writer, took)) => {
                self.writer = Some(writer);
                self.indexed_at = Some((Instant::now(), rest_after(took)));
                Ok(())
            }
            Err(error) => {
                self.waiting.extend(Arc::unwrap_or_clone(portion));
                Err(error)
            }
        }
    }

    /// Ends the work: what is on its way into the index gets there.
    pub(crate) async fn stop(mut self) {
        if let Err(error) = self.settle().await {
            tracing::error!(%error, name = self.generation.name, "a portion did not get into the search index");
        }
    }

    /// Gives up what was begun, index and all.
    pub(crate) async fn discard(self) -> Result<(), FollowError> {
        let generation = Arc::clone(&self.generation);
        self.stop().await;
        generation.home.remove(&generation.name).await
    }

    /// Takes withdrawn values out of where deleted rows were. A reader in flight puts it off to the next step, which
    /// comes also where nothing new does.
    async fn scrub(&mut self) -> Result<(), FollowError> {
        if self.scrub {
            self.scrub = !self.generation.scrub().await?;
        }
        Ok(())
    }
}

/// SQLite empties its write-ahead log into the file, in which deleted content is overwritten.
const CHECKPOINT: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// After how long it is tried again to take out withdrawn values when a reader was in the way.
const SCRUB_PAUSE: Duration = Duration::from_millis(200);

impl Generation {
    /// Opens it, or makes it.
    pub(crate) async fn open(home: &Home, name: &str, fence: Option<&Fence>) -> Result<Self, FollowError> {
        let (write, read) = home.pools(name, fence).await?;
        let search = index(&home.index(name))?;
        Ok(Self { name: name.to_owned(), home: home.clone(), write, read, search, remembered: Remembered::default() })
    }

    async fn has_page_indexes(&self) -> Result<bool, FollowError> {
        match self.home.control() {
            Some(control) => Ok(sqlx::query(IS_WHOLE).bind(&self.name).fetch_optional(control).await?.is_some()),
            None => Ok(query(INDEXED).fetch_optional(&mut self.write.acquire().await?).await?.is_some()),
        }
    }

    /// All of them or none: after a crash the next start finds none, and makes them.
    async fn make_page_indexes(&self, fence: Option<&Fence>) -> Result<(), FollowError> {
        let mut transaction = self.write.begin(Purpose::Writing).await?;
        match transaction.driver() {
            Driver::Sqlite(connection) => {
                sqlx::raw_sql(PAGE_INDEXES_SQLITE).execute(connection).await?;
            }
            Driver::Postgres(connection) => {
                sqlx::raw_sql(PAGE_INDEXES_POSTGRES).execute(&mut *connection).await?;
                sqlx::query(SET_WHOLE).bind(&self.name).execute(connection).await?;
            }
        }
        if let Some(fence) = fence {
            fence.renew(&mut transaction).await?;
        }
        transaction.commit().await?;
        self.analyze().await;
        Ok(())
    }

    /// PostgreSQL plans by what it counted, and has counted nothing of tables that were just filled. Without it pages
    /// are only slower.
    async fn analyze(&self) {
        let Ok(mut connection) = self.write.acquire().await else { return };
        if let Driver::Postgres(connection) = connection.driver()
            && let Err(error) = connection.execute("ANALYZE").await
        {
            tracing::warn!(%error, "new views could not be analyzed");
        }
    }

    /// Whether withdrawn values are out of what is kept.
    async fn scrub(&self) -> Result<bool, FollowError> {
        let mut connection = self.write.acquire().await?;
        match connection.driver() {
            Driver::Sqlite(connection) => {
                let busy: i64 = sqlx::query(CHECKPOINT).fetch_one(connection).await?.try_get(0)?;
                Ok(busy == 0)
            }
            Driver::Postgres(connection) => {
                let tables: Vec<_> = TABLES.iter().map(|table| table.name).collect();
                // Engines that keep no replaced rows have no VACUUM.
                if let Err(error) = connection.execute(AssertSqlSafe(format!("VACUUM {}", tables.join(", ")))).await {
                    tracing::warn!(%error, "replaced rows of the views could not be vacuumed");
                }
                Ok(true)
            }
        }
    }
}

/// Opens a search index, or makes it anew where it cannot be read.
fn index(path: &Path) -> Result<SearchIndex, FollowError> {
    let directory = |source| FollowError::Directory { path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(directory)?;
    }
    if let Opened::Ready(search) = opened(path)? {
        return Ok(*search);
    }
    std::fs::remove_dir_all(path).map_err(directory)?;
    match opened(path)? {
        Opened::Ready(search) => Ok(*search),
        Opened::Rebuild(reason) => Err(directory(std::io::Error::other(format!("{reason:?}")))),
    }
}

fn opened(path: &Path) -> Result<Opened, FollowError> {
    let opened = SearchIndex::open(path, DOCUMENTS)?;
    if let Opened::Rebuild(reason) = &opened {
        tracing::error!(?reason, "the search index is made anew");
    }
    Ok(opened)
}

const INDEXED: &str = "SELECT name FROM sqlite_schema WHERE name = 'matters_by_family'";
const IS_WHOLE: &str = "SELECT name FROM views.generations WHERE name = $1 AND is_whole = 1";
const SET_WHOLE: &str = "UPDATE views.generations SET is_whole = 1 WHERE name = $1";
