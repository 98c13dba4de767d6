//! The work of the views: follows the log, builds generations, swaps them; where nodes share them, one does it.
//!
//! A generation is named after the schema, the projections and their versions, the kinds that this program knows, and a
//! serial number. A program with another name for it builds its own beside the old one; readers keep the old one, as far as
//! its schema is the same, until the new one has caught up. Then they are swapped and the old one goes. Where there is no
//! old one they wait: half of the views would deny what was published. Everything here can be deleted at any time; it is
//! rebuilt from the log.
//!
//! On a server the node that holds the lease (`lease`) writes and swaps, and every other one looks how far the rows are
//! and fills its own search index from them. Programs that would write other rows have a lease of their own, so that an
//! old version serves while the new one builds. After any failure a node begins again from what is committed.
//! Not here: the rows of a batch (`follower`), where generations lie (`home`).

use std::{fmt::Write as _, path::Path, sync::Arc, time::Duration};

use gongkai_domain::KINDS;
use gongkai_log::{Digest, chain};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgPool, sqlite::SqliteConnectOptions};
use tokio::{sync::watch, time::Instant};

use crate::{
    follower::{BATCH_ENTRIES, FollowError, Follower},
    generation::{
        Builder, DOCUMENTS, PAGE_INDEXES_POSTGRES, PAGE_INDEXES_SQLITE, Pace, SCHEMA_POSTGRES, SCHEMA_SQLITE, Step,
        Writer,
    },
    home::{Home, rows_file, schema_of},
    lease::{Fence, Lease},
    projection::{PROJECTIONS, TABLES},
    read::Cursor,
    source::Source,
    views::Views,
    watcher::halt,
};

/// Pause after a failure before the follower tries again.
const RETRY: Duration = Duration::from_secs(1);
/// How often a node looks at rows that another one writes.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often rows are written while the log grows without a pause: a transaction costs as much as dozens of entries.
const WRITE_EVERY: Duration = Duration::from_millis(20);
/// How often the writing node looks for generations that nobody needs any more.
const TIDY_EVERY: Duration = Duration::from_secs(30);

/// First part of a generation's name: the schema. Second: what fills it.
fn names(home: &Home) -> (String, String) {
    let short = |text: &str| Digest::of(text.as_bytes()).to_hex()[..8].to_owned();
    let mut filling = format!("documents {DOCUMENTS}\n");
    for projection in PROJECTIONS {
        let _ = writeln!(filling, "{} {}", projection.name(), projection.version());
    }
    for kind in KINDS {
        filling.push_str(kind.name);
        filling.push('\n');
    }
    let tables = match home.control() {
        Some(_) => [SCHEMA_POSTGRES, PAGE_INDEXES_POSTGRES],
        None => [SCHEMA_SQLITE, PAGE_INDEXES_SQLITE],
    };
    (short(&tables.concat()), short(&filling))
}

/// Which projections stopped, as this program's views have it: name, entry, reason. It only reads; without such views
/// there is nothing to say.
///
/// # Errors
/// [`FollowError::Database`].
pub async fn halted(home: impl Into<Home>) -> Result<Vec<(String, u64, String)>, FollowError> {
    const HALTED: &str =
        "SELECT projection, next_index, halted FROM cursors WHERE halted IS NOT NULL ORDER BY projection";
    let home = home.into();
    let said = |(name, next_index, halted): (String, i64, Option<String>)| {
        halt(&name, &Cursor { next_index: next_index.unsigned_abs(), halted })
    };
    let rows = if let Some(control) = home.control() {
        let Some(name) = served(&home).await? else { return Ok(Vec::new()) };
        let halted = HALTED.replace("FROM cursors", &format!("FROM {}.cursors", schema_of(&name)));
        sqlx::query_as(AssertSqlSafe(halted)).fetch_all(control).await?
    } else {
        let (mine, found) = (Names::of(&home), home.found().await?.0);
        let Some(name) = found.into_iter().rfind(|name| mine.has(name)) else { return Ok(Vec::new()) };
        let options = SqliteConnectOptions::new().filename(rows_file(home.dir(), &name)).read_only(true);
        let mut connection = options.disable_statement_logging().connect().await?;
        let rows = sqlx::query_as(HALTED).fetch_all(&mut connection).await?;
        connection.close().await?;
        rows
    };
    Ok(rows.into_iter().filter_map(said).collect())
}

/// The generation on a server that nodes with this program answer from.
pub(crate) async fn served(home: &Home) -> Result<Option<String>, FollowError> {
    let mine = Names::of(home);
    if home.is_prepared().await? { home.served(&mine.schema, &mine.filling).await } else { Ok(None) }
}

/// How the generations of this program are called.
struct Names {
    schema: String,
    /// With the schema.
    filling: String,
}

impl Names {
    fn of(home: &Home) -> Self {
        let (schema, filling) = names(home);
        Self { filling: format!("{schema}-{filling}"), schema }
    }

    /// Whether a generation is one that this program fills.
    fn has(&self, name: &str) -> bool {
        name.rsplit_once('-').is_some_and(|(filling, _)| filling == self.filling)
    }
}

/// See the module.
pub struct Engine {
    home: Home,
    names: Names,
    source: Arc<dyn Source>,
    views: Views,
    /// Where nodes share the views: who writes.
    lease: Option<Lease>,
    current: Option<Box<Builder>>,
    next: Option<Box<Builder>>,
    /// Views of another version of the program, served until ours have caught up.
    frozen: Option<Box<Builder>>,
    tidied: Option<Instant>,
    /// [`WRITE_EVERY`]; a test sets another time, beside which that of its own writes does not count.
    pub(crate) write_every: Duration,
}

impl Engine {
    pub(crate) async fn open(home: Home, source: Arc<dyn Source>, views: Views) -> Result<Self, FollowError> {
        home.prepare().await?;
        let names = Names::of(&home);
        let lease = home.lease(&names.filling)?;
        let (current, next, frozen, tidied) = (None, None, None, None);
        let write_every = WRITE_EVERY;
        let mut engine = Self { home, names, source, views, lease, current, next, frozen, tidied, write_every };
        if engine.lease.is_some() {
            engine.home.tidy_indexes(&engine.home.found().await?.1);
            Box::pin(engine.begin()).await?;
        } else {
            Box::pin(engine.lead()).await?;
        }
        engine.report(None);
        Ok(engine)
    }

    /// Takes the lead where nobody has it, or watches who does; whether this node leads from now on.
    async fn begin(&mut self) -> Result<(), FollowError> {
        let Some(lease) = &mut self.lease else { return Ok(()) };
        if lease.take().await? {
            let keeping = self.keeping();
            return Box::pin(kept(keeping, self.lead())).await;
        }
        self.watch().await
    }

    /// Goes on with the generations that there are, as the one that writes them.
    async fn lead(&mut self) -> Result<(), FollowError> {
        self.put_down().await;
        let (found, _) = self.home.found().await?;
        let (mine, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|name| self.names.has(name));
        let mut best: Option<Box<Builder>> = None;
        for name in mine {
            // Of two that a crash left in the middle of a rebuild, the one that is further goes on.
            match self.builder(&name).await {
                Ok(builder) if best.as_ref().is_none_or(|best| best.feed.size() < builder.feed.size()) => {
                    if let Some(other) = best.replace(builder) {
                        self.home.remove(&other.generation.name).await?;
                    }
                }
                Ok(_) => self.home.remove(&name).await?,
                // That a server does not answer says nothing of its rows.
                Err(error) if self.lease.is_some() && !matches!(error, FollowError::Row(_)) => return Err(error),
                Err(error) => {
                    tracing::error!(%error, name, "views that cannot be read are built anew");
                    self.home.remove(&name).await?;
                }
            }
        }
        self.take_over(others, best.as_deref()).await?;
        let builder = match best {
            Some(builder) => builder,
            None => self.builder(&self.new_name().await?).await?,
        };
        if self.frozen.is_none() && builder.is_whole() {
            self.serve(&builder).await?;
            self.current = Some(builder);
        } else {
            self.next = Some(builder);
        }
        Ok(())
    }

    /// What becomes of the generations of other programs.
    async fn take_over(&mut self, others: Vec<String>, best: Option<&Builder>) -> Result<(), FollowError> {
        if self.lease.is_some() {
            // Their own nodes may still write and read them; those of nobody are removed once ours are served.
            let served = self.home.served(&self.names.schema, &self.names.filling).await?;
            if let Some(name) = served.filter(|name| !self.names.has(name) && !best.is_some_and(Builder::is_whole)) {
                self.freeze(&name).await?;
            }
            return Ok(());
        }
        for name in others {
            if name.starts_with(&format!("{}-", self.names.schema)) && best.is_none() && self.frozen.is_none() {
                self.freeze(&name).await?;
            } else {
                self.home.remove(&name).await?;
            }
        }
        Ok(())
    }

    /// Serves the views of another version of the program until ours have caught up.
    async fn freeze(&mut self, name: &str) -> Result<(), FollowError> {
        match self.opened(name, Writer::Others).await {
            Ok(builder) if builder.is_whole() => {
                self.views.serve(&builder);
                self.frozen = Some(builder);
                return Ok(());
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, name, "old views cannot be served"),
        }
        if self.lease.is_none() {
            self.home.remove(name).await?;
        }
        Ok(())
    }

    /// Lets readers have what another node serves.
    async fn watch(&mut self) -> Result<(), FollowError> {
        let served = self.home.served(&self.names.schema, &self.names.filling).await?;
        let is_current = |name: &String| self.current.as_ref().is_some_and(|builder| builder.generation.name == *name);
        let Some(name) = served.filter(|name| !is_current(name)) else { return Ok(()) };
        let builder = self.opened(&name, Writer::Others).await?;
        self.views.serve(&builder);
        if let Some(old) = self.current.replace(builder) {
            let _ = std::fs::remove_dir_all(self.home.index(&old.generation.name));
        }
        Ok(())
    }

    async fn builder(&self, name: &str) -> Result<Box<Builder>, FollowError> {
        let fence = self.lease.as_ref().and_then(Lease::held).cloned();
        self.opened(name, Writer::We(fence)).await
    }

    async fn opened(&self, name: &str, writer: Writer) -> Result<Box<Builder>, FollowError> {
        Box::pin(Builder::open(&self.home, name, Arc::clone(&self.source), writer)).await.map(Box::new)
    }

    async fn new_name(&self) -> Result<String, FollowError> {
        let (_, all) = self.home.found().await?;
        let serial = all.iter().filter_map(|name| name.rsplit('-').next()?.parse::<u32>().ok()).max();
        Ok(format!("{}-{:06}", self.names.filling, serial.map_or(0, |serial| serial + 1)))
    }

    async fn serve(&mut self, builder: &Builder) -> Result<(), FollowError> {
        self.home.serve(&builder.generation.name).await?;
        self.views.serve(builder);
        self.tidied = None;
        Ok(())
    }

    /// Follows the log until `stop` is true. A failure is reported, and tried again after a pause.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut committed = self.source.committed();
        let views = self.views.clone();
        loop {
            if *stop.borrow() {
                return self.close().await;
            }
            let begun = Instant::now();
            let wait = match self.turn(Pace::Steady).await {
                Ok(Step::Moved) if self.is_far_behind() => continue,
                // What is committed meanwhile is written together. A stop waits as long, too.
                Ok(Step::Moved) => {
                    pause(self.write_every.saturating_sub(begun.elapsed())).await;
                    continue;
                }
                Ok(Step::Later(rest)) => rest.min(self.look_again()),
                Ok(Step::Done) => self.look_again(),
                Err(error) => {
                    let error = chain(&error);
                    tracing::error!(error, "the views do not go on");
                    self.report(Some(error));
                    RETRY
                }
            };
            tokio::select! {
                changed = committed.changed() => if changed.is_err() { return self.close().await },
                () = views.rebuild_requested() => {
                    if let Err(error) = self.rebuild().await {
                        self.report(Some(chain(&error)));
                    }
                }
                _ = stop.changed() => {}
                () = pause(wait) => {}
            }
        }
    }

    /// Whether some generation lacks a whole batch.
    fn is_far_behind(&self) -> bool {
        let committed = *self.source.committed().borrow();
        let generations = [&self.current, &self.frozen, &self.next].into_iter().flatten();
        generations.map(|builder| builder.feed.size()).any(|size| committed >= size + BATCH_ENTRIES as u64)
    }

    /// After how long there may be something to do that nobody tells.
    fn look_again(&self) -> Duration {
        match &self.lease {
            None => Duration::MAX,
            Some(lease) if lease.held().is_some() => lease.due(),
            Some(_) => LOOK_EVERY,
        }
    }

    /// Ends; where nodes share the views, the next one need not wait.
    pub async fn close(mut self) {
        self.put_down().await;
        if let Some(lease) = &mut self.lease
            && let Err(error) = lease.release().await
        {
            tracing::warn!(error = chain(&error), "the lease of the views ends by itself");
        }
    }

    /// Waits until this node writes the views: at once for those in files, for as long as another's lease runs otherwise.
    ///
    /// # Errors
    /// [`FollowError::Elsewhere`] when another node goes on writing them.
    pub async fn lead_within(&mut self, limit: Duration) -> Result<(), FollowError> {
        let until = Instant::now() + limit;
        while self.lease.as_ref().is_some_and(|lease| lease.held().is_none()) {
            if Instant::now() >= until {
                return Err(FollowError::Elsewhere);
            }
            self.turn(Pace::Hurry).await?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Follows the log up to what is committed when it is called, and swaps when it can; where another node writes, up to
    /// where its rows are.
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

    /// One batch of every generation at work; whether there may be more to do.
    ///
    /// # Errors
    /// [`FollowError`].
    pub async fn advance(&mut self) -> Result<bool, FollowError> {
        Ok(self.turn(Pace::Hurry).await? == Step::Moved)
    }

    /// One batch of every generation at work, or what is left to do.
    pub(crate) async fn turn(&mut self, pace: Pace) -> Result<Step, FollowError> {
        if self.lease.is_none() {
            return Box::pin(self.work(pace)).await;
        }
        let done = Box::pin(self.shared_turn(pace)).await;
        if done.is_err() {
            // What was committed is not known where a connection was lost, and somebody else may go on.
            self.put_down().await;
            if let Some(lease) = &mut self.lease {
                lease.step_back();
            }
        }
        done
    }

    async fn shared_turn(&mut self, pace: Pace) -> Result<Step, FollowError> {
        match &mut self.lease {
            Some(lease) if lease.held().is_some() => lease.renew().await?,
            _ => self.begin().await?,
        }
        let keeping = self.keeping();
        kept(keeping, async {
            let step = self.work(pace).await?;
            self.tidy().await;
            Ok(step)
        })
        .await
    }

    async fn work(&mut self, pace: Pace) -> Result<Step, FollowError> {
        let end = *self.source.committed().borrow_and_update();
        let mut turn = Step::Done;
        if let Some(current) = &mut self.current {
            turn = current.step(end, pace).await?;
            self.views.reached(current.feed.size());
        }
        if let Some(frozen) = &mut self.frozen {
            // On a server its own nodes may go on with it.
            turn = frozen.step(end, pace).await?;
            self.views.reached(frozen.feed.size());
        }
        if let Some(next) = &mut self.next {
            // Nobody reads it yet: its index is in no hurry but for the swap.
            if next.step(end, Pace::Hurry).await? == Step::Moved {
                turn = Step::Moved;
            }
            let served = *self.views.size().borrow();
            if next.is_whole() && next.feed.size() >= end.max(served) {
                self.swap().await?;
            }
        }
        self.report(None);
        Ok(turn)
    }

    async fn swap(&mut self) -> Result<(), FollowError> {
        let Some(next) = self.next.take() else { return Ok(()) };
        self.serve(&next).await?;
        let old = self.current.replace(next).or(self.frozen.take());
        if let Some(old) = old {
            let name = &old.generation.name;
            tracing::info!(name, "the views were swapped");
            if self.lease.is_none() || self.names.has(name) {
                self.home.remove(name).await?;
            } else {
                let _ = std::fs::remove_dir_all(self.home.index(name));
            }
        }
        Ok(())
    }

    /// Begins to build the views anew beside the served ones; `advance` fills and swaps them.
    ///
    /// # Errors
    /// [`FollowError`] when the new ones cannot be made, or another node writes them.
    pub async fn rebuild(&mut self) -> Result<(), FollowError> {
        self.writes()?;
        if let Some(unfinished) = self.next.take() {
            unfinished.discard().await?;
        }
        self.next = Some(self.builder(&self.new_name().await?).await?);
        Ok(())
    }

    /// Compares the served rows with rows made afresh from the log, and the files of the search index with
    /// their checksums. What differs is an alarm, returned and kept in the status; `rebuild` mends it.
    ///
    /// # Errors
    /// [`FollowError`] when the comparison could not be made, or another node writes the rows.
    pub async fn check(&mut self) -> Result<Vec<String>, FollowError> {
        self.writes()?;
        let keeping = self.keeping();
        Box::pin(kept(keeping, self.compare())).await
    }

    async fn compare(&self) -> Result<Vec<String>, FollowError> {
        let Some(current) = &self.current else { return Ok(Vec::new()) };
        let end = current.feed.size();
        let fresh = self.home.scratch().await?;
        let mut follower = Follower::open(fresh.clone(), Arc::clone(&self.source), None).await?;
        while follower.step(end).await?.is_some() {}
        fresh.close().await;
        let mut found = self.differences(&current.generation.name).await?;
        let damaged = current.generation.search.damaged_files()?;
        found.extend(damaged.iter().map(|file| format!("search: {} is damaged", file.display())));
        self.home.drop_scratch().await?;
        for difference in &found {
            tracing::error!(difference, "the views differ from the log");
        }
        self.views.note(|status| status.alarm.clone_from(&found));
        Ok(found)
    }

    /// Tables of a generation whose rows are not those of the scratch generation, with a key of the first few.
    async fn differences(&self, name: &str) -> Result<Vec<String>, FollowError> {
        let fresh = self.home.scratch_schema();
        let mut found = Vec::new();
        if let Some(control) = self.home.control() {
            for (what, sql) in comparisons(&schema_of(name), &fresh) {
                found.extend(told(&what, sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(control).await?));
            }
        } else if let Some(file) = self.home.scratch_file() {
            let mut connection = attached(&rows_file(self.home.dir(), name), &file, &fresh).await?;
            for (what, sql) in comparisons("main", &fresh) {
                found.extend(told(&what, sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut connection).await?));
            }
            connection.close().await?;
        }
        Ok(found)
    }

    /// Refuses what only the node can do that writes.
    fn writes(&self) -> Result<(), FollowError> {
        match &self.lease {
            Some(lease) if lease.held().is_none() => Err(FollowError::Elsewhere),
            _ => Ok(()),
        }
    }

    fn keeping(&self) -> Option<(Fence, PgPool)> {
        let lease = self.lease.as_ref()?;
        Some((lease.held()?.clone(), lease.control().clone()))
    }

    /// Lets go of every generation; readers keep what they have.
    async fn put_down(&mut self) {
        for builder in [self.current.take(), self.next.take(), self.frozen.take()].into_iter().flatten() {
            builder.stop().await;
        }
    }

    /// Now and then, removes what nobody needs any more. That it cannot be done now is no reason to stop.
    async fn tidy(&mut self) {
        let is_due = self.tidied.is_none_or(|tidied| tidied.elapsed() >= TIDY_EVERY);
        if !is_due || self.current.is_none() || self.writes().is_err() {
            return;
        }
        self.tidied = Some(Instant::now());
        if let Err(error) = self.home.tidy(&self.names.filling).await {
            tracing::warn!(error = chain(&error), "old views are not removed yet");
        }
    }

    fn report(&self, error: Option<String>) {
        let builder = self.current.as_ref();
        let halted = builder.or(self.next.as_ref()).map(|builder| builder.feed.halted());
        let building = self.next.as_ref().map(|next| next.feed.size());
        let size = *self.views.size().borrow();
        let generation = builder.and_then(|_| self.views.served());
        self.views.note(|status| {
            status.size = size;
            status.building = building;
            status.halted = halted.unwrap_or_default();
            status.error = error;
            status.generation = generation.unwrap_or_default();
        });
    }
}

/// Does something while the lease is kept; when it is lost, what was begun is dropped and rolled back.
async fn kept<T>(
    keeping: Option<(Fence, PgPool)>,
    work: impl Future<Output = Result<T, FollowError>>,
) -> Result<T, FollowError> {
    let Some((fence, control)) = keeping else { return work.await };
    // Side by side: a batch that holds the lease's row must go on for the renewal to end.
    tokio::select! {
        done = work => done,
        error = fence.keep(&control) => Err(error),
    }
}

async fn pause(wait: Duration) {
    if wait == Duration::MAX {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(wait).await;
}

/// What is asked of each table, in both directions: the table, and the keys of rows that only one side has.
fn comparisons(served: &str, fresh: &str) -> Vec<([String; 2], String)> {
    let mut asked = Vec::new();
    for table in TABLES {
        let columns: Vec<_> = table.columns.iter().map(|(name, _)| *name).collect();
        let (columns, key, name) = (columns.join(", "), table.columns[0].0, table.name);
        for (one, other, what) in [(served, fresh, "is not in the log"), (fresh, served, "is missing")] {
            let sql = format!(
                "SELECT CAST({key} AS TEXT) FROM (SELECT {columns} FROM {one}.{name} EXCEPT SELECT {columns} FROM {other}.{name}) AS d LIMIT 3"
            );
            asked.push(([name.to_owned(), what.to_owned()], sql));
        }
    }
    asked
}

fn told([table, what]: &[String; 2], keys: Vec<String>) -> impl Iterator<Item = String> {
    keys.into_iter().map(move |key| format!("{table}: the row {key} {what}"))
}

/// A connection to a file of rows that has another one under a name.
async fn attached(rows: &Path, other: &Path, name: &str) -> Result<sqlx::SqliteConnection, FollowError> {
    let options = SqliteConnectOptions::new().filename(rows).disable_statement_logging();
    let mut connection = options.connect().await?;
    let attach = AssertSqlSafe(format!("ATTACH DATABASE $1 AS {name}"));
    sqlx::query(attach).bind(other.to_string_lossy().into_owned()).execute(&mut connection).await?;
    Ok(connection)
}
