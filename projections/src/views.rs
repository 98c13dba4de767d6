//! Generations of views: which one is served, which one is being built, and the swap.
//!
//! One generation is one SQLite file under `views/` and one search index under `search/`, named after the
//! schema, the projections and their versions, the kinds that this program knows, and a serial number. A
//! program with another name for it builds its own beside the old one; readers keep the old one, as far
//! as its schema is the same, until the new one has caught up. Then they are swapped and the old files
//! removed. Everything here can be deleted at any time; it is rebuilt from the log.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use chrono::NaiveDate;
use gongkai_domain::KINDS;
use gongkai_log::Digest;
use serde::Serialize;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::{Notify, watch};

use crate::{
    documents,
    follower::{FollowError, Follower, Registry, Touched, touched_since},
    projection::{PROJECTIONS, TABLES},
    read::{Cursor, ReadError, Reader},
    search::{Opened, SearchIndex, SearchWriter},
    source::Source,
};

/// The tables, as SQLite makes them.
pub const SCHEMA_SQLITE: &str = include_str!("../../migrations/views/sqlite/0001_boards.sql");
/// The same tables for PostgreSQL.
pub const SCHEMA_POSTGRES: &str = include_str!("../../migrations/views/postgres/0001_boards.sql");

/// How long a reader waits for an entry that it has seen elsewhere.
pub const WAIT_MAX: Duration = Duration::from_secs(3);
/// Pause after a failure before the follower tries again.
const RETRY: Duration = Duration::from_secs(1);
/// Readers of one generation at a time.
const READERS_MAX: u32 = 16;
/// Memory of indexing while the views are behind; given back when they have caught up.
const HEAP_BYTES: usize = 64 << 20;
/// Streams whose documents wait before the index is committed; a commit costs tens of milliseconds.
const DOCUMENTS_WAITING_MAX: usize = 20_000;
/// Version of the documents; raise it when `documents` makes others.
const DOCUMENTS: u32 = 1;

/// How the views are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Entries that the served views reflect.
    pub size: u64,
    /// Entries that the views being built reflect, while there are such.
    pub building: Option<u64>,
    /// Projections that stopped: name, entry, reason.
    pub halted: Vec<(String, u64, String)>,
    /// Why the follower does not go on at present.
    pub error: Option<String>,
    /// What the last check found different from the log.
    pub alarm: Vec<String>,
    /// Name of the served generation.
    pub generation: String,
}

/// One file of rows and one index.
struct Generation {
    name: String,
    files: Files,
    write: SqlitePool,
    read: SqlitePool,
    search: SearchIndex,
}

struct Files {
    rows: PathBuf,
    search: PathBuf,
}

impl Files {
    fn new(dir: &Path, name: &str) -> Self {
        Self { rows: dir.join("views").join(format!("{name}.db")), search: dir.join("search").join(name) }
    }

    /// Readers in flight keep what they have open.
    fn remove(&self) {
        for suffix in ["", "-wal", "-shm"] {
            let mut path = self.rows.clone().into_os_string();
            path.push(suffix);
            let _ = std::fs::remove_file(path);
        }
        let _ = std::fs::remove_dir_all(&self.search);
    }
}

struct Serving {
    generation: Arc<Generation>,
    registry: Registry,
}

struct Shared {
    serving: RwLock<Option<Arc<Serving>>>,
    size: watch::Sender<u64>,
    status: watch::Sender<Status>,
    rebuild: Notify,
}

/// The views, for readers; cheap to clone.
#[derive(Clone)]
pub struct Views(Arc<Shared>);

impl Views {
    /// Opens the views under a directory, or begins to build them. The [`Engine`] does the work.
    ///
    /// # Errors
    /// [`FollowError`] when the directory cannot be used.
    pub async fn open(dir: &Path, source: Arc<dyn Source>) -> Result<(Self, Engine), FollowError> {
        let shared = Arc::new(Shared {
            serving: RwLock::new(None),
            size: watch::Sender::new(0),
            status: watch::Sender::new(Status::default()),
            rebuild: Notify::new(),
        });
        let views = Self(shared);
        let engine = Engine::open(dir, source, views.clone()).await?;
        Ok((views, engine))
    }

    /// One moment of the views, with statuses for `today`. With `at_least`, an entry that the caller has
    /// seen, it waits until that entry is in, at most [`WAIT_MAX`].
    ///
    /// # Errors
    /// [`ReadError::Behind`], [`ReadError::NotReady`], [`ReadError::Database`].
    pub async fn read(&self, today: NaiveDate, at_least: Option<u64>) -> Result<Reader, ReadError> {
        if let Some(wanted) = at_least {
            let mut size = self.0.size.subscribe();
            let arrived = tokio::time::timeout(WAIT_MAX, size.wait_for(|size| *size > wanted)).await;
            if !matches!(arrived, Ok(Ok(_))) {
                return Err(ReadError::Behind { size: *self.0.size.borrow(), wanted });
            }
        }
        let serving = self.0.serving.read().unwrap_or_else(PoisonError::into_inner).clone();
        let serving = serving.ok_or(ReadError::NotReady)?;
        let (pool, search) = (&serving.generation.read, serving.generation.search.clone());
        Reader::new(pool, &serving.registry, search, today).await
    }

    /// How the views are.
    pub fn status(&self) -> Status {
        self.0.status.borrow().clone()
    }

    /// Entries that the served views reflect; changes after each commit.
    pub fn size(&self) -> watch::Receiver<u64> {
        self.0.size.subscribe()
    }

    /// Asks the running engine to build the views anew beside the served ones.
    pub fn request_rebuild(&self) {
        self.0.rebuild.notify_one();
    }

    /// Lets readers have this generation.
    fn serve(&self, generation: Arc<Generation>, follower: &Follower) {
        let serving = Serving { generation, registry: Arc::clone(follower.registry()) };
        *self.0.serving.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(serving));
        self.reached(follower.size());
    }

    /// Tells readers how far the served generation is.
    fn reached(&self, size: u64) {
        self.0.size.send_replace(size);
    }

    fn note(&self, change: impl FnOnce(&mut Status)) {
        self.0.status.send_modify(change);
    }
}

/// A generation with its follower.
struct Builder {
    generation: Arc<Generation>,
    follower: Follower,
    writer: Option<SearchWriter>,
    waiting: Touched,
    /// Whether withdrawn values may still be in the write-ahead log.
    scrub: bool,
}

impl Builder {
    async fn open(dir: &Path, name: &str, source: Arc<dyn Source>) -> Result<Self, FollowError> {
        let generation = Arc::new(Generation::open(dir, name).await?);
        let follower = Follower::open(generation.write.clone(), source).await?;
        // An index that a crash left behind its rows makes up for it.
        let reached = generation.search.reached().map_or(0, |reached| reached + 1);
        let waiting = if reached < follower.size() {
            touched_since(&generation.write, reached).await?
        } else {
            Touched::default()
        };
        // Whether the last process got that far is not known.
        Ok(Self { generation, follower, writer: None, waiting, scrub: true })
    }

    /// One batch of entries before `end`; false when there is none.
    async fn step(&mut self, end: u64) -> Result<bool, FollowError> {
        let Some(touched) = self.follower.step(end).await? else {
            self.index().await?;
            self.writer = None;
            self.scrub().await?;
            return Ok(false);
        };
        self.waiting.streams.extend(touched.streams);
        self.waiting.orgs.extend(touched.orgs);
        self.waiting.withdrawn |= touched.withdrawn;
        if self.waiting.streams.len() >= DOCUMENTS_WAITING_MAX || self.follower.size() >= end {
            self.index().await?;
        }
        Ok(true)
    }

    /// Brings the search index up to the rows.
    async fn index(&mut self) -> Result<(), FollowError> {
        let size = self.follower.size();
        let reached = self.generation.search.reached().map_or(0, |reached| reached + 1);
        if size == 0 || (reached == size && self.waiting.streams.is_empty()) {
            return Ok(());
        }
        // Names that hold from a later day are names too.
        let search = self.generation.search.clone();
        let mut reader = Reader::new(&self.generation.read, self.follower.registry(), search, NaiveDate::MAX).await?;
        let changes = documents::changes(&mut reader, &self.waiting).await?;
        reader.close().await?;
        let withdrawn = self.waiting.withdrawn;
        self.scrub |= withdrawn;
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.generation.search.writer(HEAP_BYTES)?,
        };
        let writer = tokio::task::spawn_blocking(move || {
            writer.apply(changes, size - 1)?;
            if withdrawn && !writer.purge()?.complete {
                tracing::error!(
                    "a withdrawn text may still be in a file of the search index; it is removed with the next purge"
                );
            }
            Ok::<_, FollowError>(writer)
        });
        self.writer = Some(writer.await??);
        self.waiting = Touched::default();
        Ok(())
    }

    /// Takes withdrawn values out of the write-ahead log: empties it into the file, in which deleted
    /// content is overwritten. A reader in flight puts it off to the next step.
    async fn scrub(&mut self) -> Result<(), FollowError> {
        if self.scrub {
            let busy: i64 = sqlx::query(CHECKPOINT).fetch_one(&self.generation.write).await?.try_get(0)?;
            self.scrub = busy != 0;
        }
        Ok(())
    }
}

const CHECKPOINT: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

impl Generation {
    async fn open(dir: &Path, name: &str) -> Result<Self, FollowError> {
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
            .disable_statement_logging();
        let write = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        if sqlx::query(MADE).fetch_optional(&write).await?.is_none() {
            let mut transaction = write.begin().await?;
            sqlx::raw_sql(SCHEMA_SQLITE).execute(&mut *transaction).await?;
            transaction.commit().await?;
        }
        let read = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .connect_with(options.pragma("query_only", "ON"))
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
}

const MADE: &str = "SELECT name FROM sqlite_schema WHERE name = 'cursors'";

/// First part of a generation's name: the schema. Second: what fills it.
fn names() -> (String, String) {
    let short = |text: &str| Digest::of(text.as_bytes()).to_hex()[..8].to_owned();
    let mut filling = format!("documents {DOCUMENTS}\n");
    for projection in PROJECTIONS {
        let _ = writeln!(filling, "{} {}", projection.name(), projection.version());
    }
    for kind in KINDS {
        filling.push_str(kind.name);
        filling.push('\n');
    }
    (short(SCHEMA_SQLITE), short(&filling))
}

/// Does the work of the views: follows the log, builds generations, swaps them.
pub struct Engine {
    dir: PathBuf,
    source: Arc<dyn Source>,
    views: Views,
    current: Option<Builder>,
    next: Option<Builder>,
    frozen: Option<Arc<Generation>>,
}

impl Engine {
    async fn open(dir: &Path, source: Arc<dyn Source>, views: Views) -> Result<Self, FollowError> {
        let mut engine = Self { dir: dir.to_owned(), source, views, current: None, next: None, frozen: None };
        let (schema, filling) = names();
        let mine = format!("{schema}-{filling}-");
        let found = engine.found();
        let mut best: Option<Builder> = None;
        for name in found.iter().filter(|name| name.starts_with(&mine)) {
            // Of two that a crash left in the middle of a rebuild, the one that is further goes on.
            match Builder::open(dir, name, Arc::clone(&engine.source)).await {
                Ok(builder) if best.as_ref().is_none_or(|best| best.follower.size() < builder.follower.size()) => {
                    if let Some(other) = best.replace(builder) {
                        other.generation.files.remove();
                    }
                }
                Ok(other) => other.generation.files.remove(),
                Err(error) => {
                    tracing::error!(%error, name, "views that cannot be read are built anew");
                    Files::new(dir, name).remove();
                }
            }
        }
        for name in found.iter().filter(|name| !name.starts_with(&mine)) {
            if name.starts_with(&format!("{schema}-")) && best.is_none() && engine.frozen.is_none() {
                engine.freeze(name).await;
            } else {
                Files::new(dir, name).remove();
            }
        }
        let builder = match best {
            Some(builder) => builder,
            None => Builder::open(dir, &engine.new_name(), Arc::clone(&engine.source)).await?,
        };
        if engine.frozen.is_some() {
            engine.next = Some(builder);
        } else {
            engine.views.serve(Arc::clone(&builder.generation), &builder.follower);
            engine.current = Some(builder);
        }
        engine.report(None);
        Ok(engine)
    }

    /// Serves the views of another version of the program, as they are, until ours have caught up.
    async fn freeze(&mut self, name: &str) {
        let opened = Builder::open(&self.dir, name, Arc::clone(&self.source)).await;
        match opened {
            Ok(builder) => {
                self.views.serve(Arc::clone(&builder.generation), &builder.follower);
                self.frozen = Some(builder.generation);
            }
            Err(error) => {
                tracing::error!(%error, name, "old views cannot be served");
                Files::new(&self.dir, name).remove();
            }
        }
    }

    fn found(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.dir.join("views")) else { return Vec::new() };
        let mut names: Vec<String> = entries
            .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".db")?.to_owned()))
            .collect();
        names.sort();
        names
    }

    fn new_name(&self) -> String {
        let (schema, filling) = names();
        let serial = self.found().iter().filter_map(|name| name.rsplit('-').next()?.parse::<u32>().ok()).max();
        format!("{schema}-{filling}-{:06}", serial.map_or(0, |serial| serial + 1))
    }

    /// Follows the log until `stop` is true. A failure is reported, and tried again after a pause.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut committed = self.source.committed();
        let shared = Arc::clone(&self.views.0);
        loop {
            if *stop.borrow() {
                return;
            }
            let wait = match self.advance().await {
                Ok(true) => continue,
                Ok(false) => Duration::MAX,
                Err(error) => {
                    let error = chain(&error);
                    tracing::error!(error, "the views do not go on");
                    self.report(Some(error));
                    RETRY
                }
            };
            tokio::select! {
                changed = committed.changed() => if changed.is_err() { return },
                () = shared.rebuild.notified() => {
                    if let Err(error) = self.rebuild().await {
                        self.report(Some(chain(&error)));
                    }
                }
                _ = stop.changed() => {}
                () = pause(wait) => {}
            }
        }
    }

    /// Follows the log up to what is committed when it is called, and swaps when it can.
    ///
    /// # Errors
    /// [`FollowError`]; what was committed stays, and the next call goes on from there.
    pub async fn catch_up(&mut self) -> Result<(), FollowError> {
        while self.advance().await? {}
        Ok(())
    }

    /// One batch of every generation at work; false when nothing is left to do.
    ///
    /// # Errors
    /// [`FollowError`].
    pub async fn advance(&mut self) -> Result<bool, FollowError> {
        let end = *self.source.committed().borrow_and_update();
        let mut moved = false;
        if let Some(current) = &mut self.current {
            moved |= current.step(end).await?;
            self.views.reached(current.follower.size());
        }
        if let Some(next) = &mut self.next {
            moved |= next.step(end).await?;
            let served = *self.views.0.size.borrow();
            if next.follower.size() >= end && next.follower.size() >= served {
                self.swap();
            }
        }
        self.report(None);
        Ok(moved)
    }

    fn swap(&mut self) {
        let Some(next) = self.next.take() else { return };
        self.views.serve(Arc::clone(&next.generation), &next.follower);
        let old = self.current.replace(next).map(|builder| builder.generation).or(self.frozen.take());
        if let Some(old) = old {
            tracing::info!(name = old.name, "the views were swapped");
            old.files.remove();
        }
    }

    /// Begins to build the views anew beside the served ones; `advance` fills and swaps them.
    ///
    /// # Errors
    /// [`FollowError`] when the new files cannot be made.
    pub async fn rebuild(&mut self) -> Result<(), FollowError> {
        if let Some(unfinished) = self.next.take() {
            unfinished.generation.files.remove();
        }
        let name = self.new_name();
        self.next = Some(Builder::open(&self.dir, &name, Arc::clone(&self.source)).await?);
        Ok(())
    }

    /// Compares the served rows with rows made afresh from the log, and the files of the search index with
    /// their checksums. What differs is an alarm, returned and kept in the status; `rebuild` mends it.
    ///
    /// # Errors
    /// [`FollowError`] when the comparison could not be made.
    pub async fn check(&mut self) -> Result<Vec<String>, FollowError> {
        let Some(current) = &self.current else { return Ok(Vec::new()) };
        let end = current.follower.size();
        let scratch = self.dir.join("views").join("check");
        let remove = || std::fs::remove_dir_all(&scratch);
        let _ = remove();
        let fresh = Generation::open(&scratch, "fresh").await?;
        let mut follower = Follower::open(fresh.write.clone(), Arc::clone(&self.source)).await?;
        while follower.step(end).await?.is_some() {}
        fresh.write.close().await;
        fresh.read.close().await;
        let mut found = differences(&current.generation.files.rows, &fresh.files.rows).await?;
        drop(fresh);
        let damaged = current.generation.search.damaged_files()?;
        found.extend(damaged.iter().map(|file| format!("search: {} is damaged", file.display())));
        remove().map_err(|source| FollowError::Directory { path: scratch.clone(), source })?;
        for difference in &found {
            tracing::error!(difference, "the views differ from the log");
        }
        self.views.note(|status| status.alarm.clone_from(&found));
        Ok(found)
    }

    fn report(&self, error: Option<String>) {
        let builder = self.current.as_ref();
        let halted = builder.or(self.next.as_ref()).map(|builder| {
            let halted = builder.follower.cursors().iter();
            let halted = halted.filter_map(|(name, Cursor { next_index, halted })| {
                Some(((*name).to_owned(), *next_index, halted.clone()?))
            });
            halted.collect()
        });
        let generation = builder.map(|builder| builder.generation.name.clone());
        let building = self.next.as_ref().map(|next| next.follower.size());
        let size = *self.views.0.size.borrow();
        self.views.note(|status| {
            status.size = size;
            status.building = building;
            status.halted = halted.unwrap_or_default();
            status.error = error;
            status.generation = generation.unwrap_or_default();
        });
    }
}

async fn pause(wait: Duration) {
    if wait == Duration::MAX {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(wait).await;
}

/// Tables whose rows are not the same in two files, with a key of the first few.
async fn differences(served: &Path, fresh: &Path) -> Result<Vec<String>, FollowError> {
    let options = SqliteConnectOptions::new().filename(served).disable_statement_logging();
    let mut connection = options.connect().await?;
    sqlx::query("ATTACH DATABASE $1 AS fresh")
        .bind(fresh.to_string_lossy().into_owned())
        .execute(&mut connection)
        .await?;
    let mut found = Vec::new();
    for table in TABLES {
        let columns: Vec<_> = table.columns.iter().map(|(name, _)| *name).collect();
        let (columns, key) = (columns.join(", "), table.columns[0].0);
        for (one, other, what) in [("main", "fresh", "is not in the log"), ("fresh", "main", "is missing")] {
            let name = table.name;
            let sql = format!(
                "SELECT CAST({key} AS TEXT) FROM (SELECT {columns} FROM {one}.{name} EXCEPT SELECT {columns} FROM {other}.{name}) LIMIT 3"
            );
            for row in sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut connection).await? {
                found.push(format!("{name}: the row {} {what}", row.try_get::<String, _>(0)?));
            }
        }
    }
    connection.close().await?;
    Ok(found)
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
