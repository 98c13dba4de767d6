//! Generations of views: which one is served, which one is being built, and the swap.
//!
//! One generation is one SQLite file under `views/` and one search index under `search/`, named after the
//! schema, the projections and their versions, the kinds that this program knows, and a serial number. A
//! program with another name for it builds its own beside the old one; readers keep the old one, as far
//! as its schema is the same, until the new one has caught up. Then they are swapped and the old files
//! removed. Where there is no old one they wait: half of the views would deny what was published.
//! Everything here can be deleted at any time; it is rebuilt from the log.

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
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _, sqlite::SqliteConnectOptions};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use crate::{
    event::PublicEvent,
    follower::{CURSORS, FollowError, Follower, Registry},
    generation::{Builder, DOCUMENTS, Files, Generation, PAGE_INDEXES_SQLITE, Pace, SCHEMA_SQLITE, Step},
    projection::{PROJECTIONS, TABLES},
    read::{Columns as _, Cursor, ReadError, Reader},
    source::Source,
};

/// How long a reader waits for an entry that it has seen elsewhere.
pub const WAIT_MAX: Duration = Duration::from_secs(3);
/// Pause after a failure before the follower tries again.
const RETRY: Duration = Duration::from_secs(1);

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

    /// The views as they would be once `event` is recorded. Writing waits until the reader is dropped, so it is for one
    /// page at a time, which must end soon.
    ///
    /// # Errors
    /// [`ReadError::NotReady`], [`ReadError::Foreseen`].
    pub async fn foresee(&self, today: NaiveDate, event: &PublicEvent) -> Result<Reader, ReadError> {
        let serving = self.0.serving.read().unwrap_or_else(PoisonError::into_inner).clone();
        let serving = serving.ok_or(ReadError::NotReady)?;
        let generation = &serving.generation;
        Reader::foreseeing(&generation.write, &serving.registry, generation.search.clone(), today, event).await
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
    (short(&[SCHEMA_SQLITE, PAGE_INDEXES_SQLITE].concat()), short(&filling))
}

/// Names of the generations in a directory, oldest first.
fn found(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir.join("views")) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".db")?.to_owned())).collect();
    names.sort();
    names
}

/// Which projections stopped, as this program's views in a directory have it: name, entry, reason. It only
/// reads; without such views there is nothing to say.
///
/// # Errors
/// [`FollowError::Database`].
pub async fn halted(dir: &Path) -> Result<Vec<(String, u64, String)>, FollowError> {
    let (schema, filling) = names();
    let Some(name) = found(dir).into_iter().rfind(|name| name.starts_with(&format!("{schema}-{filling}-"))) else {
        return Ok(Vec::new());
    };
    let options = SqliteConnectOptions::new().filename(Files::new(dir, &name).rows).read_only(true);
    let mut connection = options.disable_statement_logging().connect().await?;
    let rows = sqlx::query(CURSORS).fetch_all(&mut connection).await?;
    connection.close().await?;
    let mut halted = Vec::new();
    for row in rows {
        if let Some(reason) = row.maybe("halted")? {
            halted.push((row.text("projection")?, row.count("next_index")?, reason));
        }
    }
    Ok(halted)
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
        let found = found(dir);
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
        if engine.frozen.is_none() && builder.is_whole() {
            engine.views.serve(Arc::clone(&builder.generation), &builder.follower);
            engine.current = Some(builder);
        } else {
            engine.next = Some(builder);
        }
        engine.report(None);
        Ok(engine)
    }

    /// Serves the views of another version of the program, as they are, until ours have caught up.
    async fn freeze(&mut self, name: &str) {
        let opened = Builder::open(&self.dir, name, Arc::clone(&self.source)).await;
        match opened {
            Ok(builder) if !builder.is_whole() => builder.generation.files.remove(),
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

    fn new_name(&self) -> String {
        let (schema, filling) = names();
        let serial = found(&self.dir).iter().filter_map(|name| name.rsplit('-').next()?.parse::<u32>().ok()).max();
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
            let wait = match self.turn(Pace::Steady).await {
                Ok(Step::Moved) => continue,
                Ok(Step::Later(rest)) => rest,
                Ok(Step::Done) => Duration::MAX,
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

    /// Follows the log up to what is committed, or until `limit` has passed: whoever starts to serve then tells of the
    /// last days from the first answer on, and yet is not kept from serving by much.
    ///
    /// # Errors
    /// [`FollowError`], as [`Self::catch_up`].
    pub async fn catch_up_within(&mut self, limit: Duration) -> Result<(), FollowError> {
        let until = Instant::now() + limit;
        while Instant::now() < until && self.advance().await? {}
        Ok(())
    }

    /// One batch of every generation at work; false when nothing is left to do.
    ///
    /// # Errors
    /// [`FollowError`].
    pub async fn advance(&mut self) -> Result<bool, FollowError> {
        Ok(self.turn(Pace::Hurry).await? == Step::Moved)
    }

    /// One batch of every generation at work, or what is left to do.
    pub(crate) async fn turn(&mut self, pace: Pace) -> Result<Step, FollowError> {
        let end = *self.source.committed().borrow_and_update();
        let mut turn = Step::Done;
        if let Some(current) = &mut self.current {
            turn = current.step(end, pace).await?;
            self.views.reached(current.follower.size());
        }
        if let Some(next) = &mut self.next {
            // Nobody reads it yet: its index is in no hurry but for the swap.
            if next.step(end, Pace::Hurry).await? == Step::Moved {
                turn = Step::Moved;
            }
            let served = *self.views.0.size.borrow();
            if next.is_whole() && next.follower.size() >= end.max(served) {
                self.swap();
            }
        }
        self.report(None);
        Ok(turn)
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
            unfinished.discard().await;
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
