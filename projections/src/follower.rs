//! Reads the log in order and writes what the projections say, with every cursor in the transaction of
//! its rows. A crash at any statement leaves the last commit, and the same entries are read again.
//!
//! A projection that cannot go on is halted at its entry with the reason in its cursor; the others go
//! on. A failure of the database or the log stops the follower and names its cause; nothing is skipped.
//! What a later event withdrew is removed by folding the concerned stream again without it.
//! Not here: which generation of views is served (`views`), what a row holds (`boards`).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use gongkai_domain::World;
use sqlx::{AssertSqlSafe, Row as _, Sqlite, SqlitePool, Transaction};
use tokio::sync::RwLock;

use crate::{
    boards,
    event::{EventError, PublicEvent},
    projection::{Arg, Marks, Merged, PROJECTIONS, ProjectionError, TABLES},
    read::{Columns, Cursor, text},
    recalled::{RecallError, teach},
    source::{Source, SourceError, Sourced},
};

/// Entries of one transaction: large enough that its cost is spread, small enough that readers and
/// memory do not feel it.
pub const BATCH_ENTRIES: usize = 4_000;

/// Families whose events a [`World`] learns from, as far as views need it (not the books of account).
const TEACHING: &[&str] =
    &["calendar", "intake", "key", "ledger", "organization", "person", "post", "receiver", "role", "rule"];

/// Rows of one multi-row upsert, largest first: few texts, so that each is prepared once.
const ROWS: [usize; 3] = [128, 16, 1];

pub(crate) const CURSORS: &str = "SELECT projection, version, next_index, halted FROM cursors ORDER BY projection";
const SET_CURSOR: &str = "INSERT INTO cursors (projection, version, next_index, halted) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (projection) DO UPDATE SET version = excluded.version, next_index = excluded.next_index, halted = excluded.halted";
const TAUGHT: &str = "SELECT entry_index, stream, revision, kind, org, recorded_at, declared_at, statement_hash, parent, slots, signers, body \
     FROM events WHERE family IN ('calendar', 'intake', 'key', 'ledger', 'organization', 'person', 'post', 'receiver', 'role', 'rule') ORDER BY entry_index";
const STREAM_OF: &str = "SELECT stream FROM events WHERE entry_index = $1";
const ENTRIES_OF: &str = "SELECT entry_index FROM events WHERE stream = $1 ORDER BY revision";
const CLOSED_OF: &str = "SELECT place, number FROM withdrawals WHERE target_index = $1";

pub(crate) const STATEMENTS: &[(&str, &str)] = &[
    ("follower.cursors", CURSORS),
    ("follower.set_cursor", SET_CURSOR),
    ("follower.taught", TAUGHT),
    ("follower.stream_of", STREAM_OF),
    ("follower.entries_of", ENTRIES_OF),
    ("follower.closed_of", CLOSED_OF),
];

/// Why the follower stopped.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The ledger.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// An entry.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The views' database.
    #[error("the views could not be written")]
    Database(#[from] sqlx::Error),
    /// A row from which the registry is read again.
    #[error("row {0} of the views cannot be read; rebuild them")]
    Row(u64),
    /// The search index.
    #[error("the search index could not be written")]
    Search(#[from] crate::search::SearchError),
    /// Reading back for the search index.
    #[error("the views could not be read for the search index")]
    Read(#[from] crate::read::ReadError),
    /// A directory.
    #[error("the directory of the views {path} cannot be used")]
    Directory {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A statement that no projection can show.
    #[error("what is not recorded cannot be shown")]
    Foreseen(#[from] ProjectionError),
    /// A read worker was lost.
    #[error("an entry could not be read because its worker was lost")]
    Worker(#[from] tokio::task::JoinError),
    /// The log ends before an entry that the views hold.
    #[error("the log has no entry {0}, which the views reflect")]
    Shorter(u64),
}

impl From<RecallError> for FollowError {
    fn from(error: RecallError) -> Self {
        match error {
            RecallError::Database(error) => Self::Database(error),
            RecallError::Damaged(index) => Self::Row(index),
        }
    }
}

/// What a committed batch touched, for the search index.
#[derive(Clone, Debug, Default)]
pub(crate) struct Touched {
    /// Streams whose document is out of date.
    pub streams: HashSet<String>,
    /// Organizations whose subtree's documents are out of date.
    pub orgs: HashSet<String>,
    /// Whether something was withdrawn, so that old files must go too.
    pub withdrawn: bool,
}

impl Touched {
    /// Takes in what another batch touched.
    pub(crate) fn extend(&mut self, other: Self) {
        self.streams.extend(other.streams);
        self.orgs.extend(other.orgs);
        self.withdrawn |= other.withdrawn;
    }
}

/// The registry that belongs to the rows. The follower exchanges it under the lock under which it commits
/// the rows, and a reader begins under the same lock: it sees both of before a batch, or both of after it.
pub(crate) type Registry = Arc<RwLock<Arc<World>>>;

/// Writes the rows of one generation of views.
pub(crate) struct Follower {
    pool: SqlitePool,
    source: Arc<dyn Source>,
    world: Arc<World>,
    registry: Registry,
    cursors: BTreeMap<&'static str, Cursor>,
    next: u64,
    ahead: Option<Ahead>,
    #[cfg(test)]
    pub(crate) statements_left: Option<usize>,
}

/// The next batch, read while the last one is written.
struct Ahead {
    from: u64,
    batch: tokio::task::JoinHandle<Result<Vec<Option<PublicEvent>>, FollowError>>,
}

impl Follower {
    /// Goes on where the views stand.
    pub(crate) async fn open(pool: SqlitePool, source: Arc<dyn Source>) -> Result<Self, FollowError> {
        let mut stored: HashMap<String, Cursor> = HashMap::new();
        for row in sqlx::query(CURSORS).fetch_all(&pool).await? {
            let cursor = Cursor { next_index: row.count("next_index")?, halted: row.maybe("halted")? };
            stored.insert(row.text("projection")?, cursor);
        }
        let fresh = Cursor { next_index: 0, halted: None };
        let cursors: BTreeMap<_, _> = PROJECTIONS
            .iter()
            .map(|projection| (projection.name(), stored.remove(projection.name()).unwrap_or_else(|| fresh.clone())))
            .collect();
        let next = cursors.values().map(|cursor| cursor.next_index).max().unwrap_or(0);
        let world = Arc::new(world(&pool).await?);
        Ok(Self {
            pool,
            source,
            registry: Arc::new(RwLock::new(Arc::clone(&world))),
            world,
            cursors,
            next,
            ahead: None,
            #[cfg(test)]
            statements_left: None,
        })
    }

    /// How many entries the rows reflect.
    pub(crate) fn size(&self) -> u64 {
        self.next
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn cursors(&self) -> &BTreeMap<&'static str, Cursor> {
        &self.cursors
    }

    /// Writes one batch, of entries before `end` only; `None` when there is none.
    pub(crate) async fn step(&mut self, end: u64) -> Result<Option<Touched>, FollowError> {
        let committed = *self.source.committed().borrow();
        if committed < self.next {
            return Err(FollowError::Shorter(self.next - 1));
        }
        let room = usize::try_from(end.saturating_sub(self.next)).unwrap_or(usize::MAX).min(BATCH_ENTRIES);
        if room == 0 {
            return Ok(None);
        }
        let mut events = self.batch().await?;
        events.truncate(room);
        if events.is_empty() {
            return Ok(None);
        }
        let size = self.next + events.len() as u64;
        if committed > size {
            self.ahead = Some(Ahead { from: size, batch: tokio::spawn(load(Arc::clone(&self.source), size)) });
        }
        let mut batch = Batch {
            rows: Rows::new(self.pool.begin().await?),
            world: Arc::clone(&self.world),
            cursors: self.cursors.clone(),
            touched: Touched::default(),
        };
        #[cfg(test)]
        {
            batch.rows.statements_left = self.statements_left;
        }
        for event in events.iter().flatten() {
            batch.event(event, &self.source).await?;
        }
        let Batch { mut rows, world, mut cursors, touched } = batch;
        cursors.values_mut().filter(|cursor| cursor.halted.is_none()).for_each(|cursor| cursor.next_index = size);
        rows.finish(&cursors).await?;
        let mut registry = self.registry.write().await;
        // The commit point: before it nothing of this batch exists, after it rows and cursors do.
        rows.commit().await?;
        registry.clone_from(&world);
        drop(registry);
        (self.world, self.cursors, self.next) = (world, cursors, size);
        Ok(Some(touched))
    }

    async fn batch(&mut self) -> Result<Vec<Option<PublicEvent>>, FollowError> {
        match self.ahead.take().filter(|ahead| ahead.from == self.next) {
            Some(ahead) => ahead.batch.await?,
            None => load(Arc::clone(&self.source), self.next).await,
        }
    }
}

/// Reads and parses a batch; parsing is work for a thread of its own.
async fn load(source: Arc<dyn Source>, from: u64) -> Result<Vec<Option<PublicEvent>>, FollowError> {
    let entries = source.entries(from, BATCH_ENTRIES).await?;
    let parse = |entries: Vec<Sourced>| entries.into_iter().map(public).collect::<Result<Vec<_>, _>>();
    Ok(tokio::task::spawn_blocking(move || parse(entries)).await??)
}

fn public(entry: Sourced) -> Result<Option<PublicEvent>, EventError> {
    PublicEvent::from_parts(entry.index, entry.bytes, entry.openings, entry.list)
}

/// One transaction in the making.
struct Batch {
    rows: Rows,
    world: Arc<World>,
    cursors: BTreeMap<&'static str, Cursor>,
    touched: Touched,
}

impl Batch {
    async fn event(&mut self, event: &PublicEvent, source: &Arc<dyn Source>) -> Result<(), FollowError> {
        if TEACHING.contains(&event.statement.stream.family.as_str()) {
            Arc::make_mut(&mut self.world).evolve(&event.recorded());
        }
        self.apply(event, None);
        self.touched.streams.insert(event.stream());
        let kind = event.statement.kind.as_str();
        if kind.starts_with("organization.merged.") || kind.starts_with("organization.renamed.") {
            self.touched.orgs.insert(event.statement.org.clone());
        }
        match event.target() {
            Some(target) if target < event.index => self.fold_again(target, event.index, source).await,
            _ => Ok(()),
        }
    }

    /// Lets every projection that stands before the event say its rows; `until` is set while a stream is
    /// folded again, for which a halted projection still says what it had said.
    fn apply(&mut self, event: &PublicEvent, until: Option<u64>) {
        for projection in PROJECTIONS {
            let Some(cursor) = self.cursors.get_mut(projection.name()) else { continue };
            if cursor.halted.is_some() && (until.is_none() || event.index >= cursor.next_index) {
                continue;
            }
            let families = projection.families();
            let owns = families.contains(&event.statement.stream.family.as_str());
            if !owns && !families.is_empty() {
                continue;
            }
            let changes = if owns && event.kind.is_none() {
                Err(ProjectionError::UnknownKind(event.statement.kind.clone()))
            } else {
                projection.apply(event, &self.world)
            };
            match changes {
                Ok(changes) => changes.into_iter().for_each(|change| self.rows.waiting.merge(change)),
                Err(reason) => {
                    tracing::error!(projection = projection.name(), index = event.index, %reason, "projection halted");
                    *cursor = Cursor { next_index: event.index, halted: Some(reason.to_string()) };
                }
            }
        }
    }

    /// Removes every row that a stream's events filled, and fills them again from what is open now.
    async fn fold_again(&mut self, target: u64, now: u64, source: &Arc<dyn Source>) -> Result<(), FollowError> {
        self.rows.flush().await?;
        let Some(stream) = self.rows.fetch(STREAM_OF, Arg::Int(i64::try_from(target).ok())).await?.pop() else {
            return Ok(());
        };
        let stream = stream.text("stream")?;
        let entries = self.rows.fetch(ENTRIES_OF, text(stream.as_str())).await?;
        for table in TABLES {
            self.rows.execute(table.delete_stream(), vec![text(stream.as_str())]).await?;
        }
        for entry in entries {
            let index = entry.count("entry_index")?;
            let found = source.entries(index, 1).await?.pop().filter(|entry| entry.index == index);
            let Some(mut event) = public(found.ok_or(FollowError::Shorter(index))?)? else { continue };
            let (mut slots, mut lines) = (Vec::new(), Vec::new());
            for closed in self.rows.fetch(CLOSED_OF, Arg::Int(i64::try_from(index).ok())).await? {
                let list = if closed.text("place")? == "slot" { &mut slots } else { &mut lines };
                list.push(closed.count("number")?);
            }
            event.close(&slots, &lines);
            self.apply(&event, Some(now));
        }
        self.touched.streams.insert(stream);
        self.touched.withdrawn = true;
        Ok(())
    }
}

/// A transaction that has the rows of an event which is not recorded, and that nobody commits; with it the registry and
/// the cursors as of now. It holds the connection that writes: the follower waits until it is dropped.
pub(crate) async fn foreseen(
    pool: &SqlitePool,
    registry: &Registry,
    event: &PublicEvent,
) -> Result<(Transaction<'static, Sqlite>, Arc<World>, BTreeMap<String, Cursor>), FollowError> {
    let mut rows = Rows::new(pool.begin().await?);
    let world = Arc::clone(&*registry.read().await);
    let mut cursors = BTreeMap::new();
    for row in sqlx::query(CURSORS).fetch_all(&mut *rows.transaction).await? {
        let cursor = Cursor { next_index: row.count("next_index")?, halted: row.maybe("halted")? };
        cursors.insert(row.text("projection")?, cursor);
    }
    for projection in PROJECTIONS {
        let families = projection.families();
        if families.is_empty() || families.contains(&event.statement.stream.family.as_str()) {
            projection.apply(event, &world)?.into_iter().for_each(|change| rows.waiting.merge(change));
        }
    }
    rows.flush().await?;
    Ok((rows.transaction, world, cursors))
}

/// Rows that wait to be written, merged by key, and the transaction that writes them.
struct Rows {
    transaction: Transaction<'static, Sqlite>,
    waiting: Merged,
    #[cfg(test)]
    statements_left: Option<usize>,
}

impl Rows {
    fn new(transaction: Transaction<'static, Sqlite>) -> Self {
        Self {
            transaction,
            waiting: Merged::default(),
            #[cfg(test)]
            statements_left: None,
        }
    }

    async fn flush(&mut self) -> Result<(), FollowError> {
        for (table, rows) in std::mem::take(&mut self.waiting).into_tables() {
            let mut rows = rows.into_iter();
            while rows.len() > 0 {
                let many = ROWS.into_iter().find(|many| *many <= rows.len()).unwrap_or(1);
                let args = rows.by_ref().take(many).flat_map(|row| row.values).collect();
                self.execute(table.upsert(many, Marks::Plain), args).await?;
            }
        }
        Ok(())
    }

    async fn execute(&mut self, sql: String, args: Vec<Arg>) -> Result<(), FollowError> {
        #[cfg(test)]
        self.maybe_fail()?;
        // The text is built from constants of this crate only.
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for arg in args {
            query = match arg {
                Arg::Text(value) => query.bind(value),
                Arg::Int(value) => query.bind(value),
            };
        }
        query.execute(&mut *self.transaction).await?;
        Ok(())
    }

    async fn fetch(&mut self, sql: &'static str, arg: Arg) -> Result<Vec<sqlx::sqlite::SqliteRow>, FollowError> {
        let query = match arg {
            Arg::Text(value) => sqlx::query(sql).bind(value),
            Arg::Int(value) => sqlx::query(sql).bind(value),
        };
        Ok(query.fetch_all(&mut *self.transaction).await?)
    }

    /// Writes what waits, and how far each projection is.
    async fn finish(&mut self, cursors: &BTreeMap<&'static str, Cursor>) -> Result<(), FollowError> {
        self.flush().await?;
        for projection in PROJECTIONS {
            let Some(cursor) = cursors.get(projection.name()) else { continue };
            let args = vec![
                text(projection.name()),
                Arg::Int(Some(i64::from(projection.version()))),
                Arg::Int(i64::try_from(cursor.next_index).ok()),
                Arg::Text(cursor.halted.clone()),
            ];
            self.execute(SET_CURSOR.to_owned(), args).await?;
        }
        #[cfg(test)]
        self.maybe_fail()?;
        Ok(())
    }

    async fn commit(self) -> Result<(), FollowError> {
        Ok(self.transaction.commit().await?)
    }

    /// A test's crash: the transaction is dropped before the statement that it names.
    #[cfg(test)]
    fn maybe_fail(&mut self) -> Result<(), FollowError> {
        match &mut self.statements_left {
            Some(0) => Err(FollowError::Database(sqlx::Error::WorkerCrashed)),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// Folds the registry, the calendar and the rules from the timeline, without reading the log again.
async fn world(pool: &SqlitePool) -> Result<World, FollowError> {
    let mut world = World::default();
    for row in sqlx::query(TAUGHT).fetch_all(pool).await? {
        teach(&mut world, &row)?;
    }
    Ok(world)
}

/// Streams and organizations that entries from an index on touched, for an index that is behind.
pub(crate) async fn touched_since(pool: &SqlitePool, from: u64) -> Result<Touched, FollowError> {
    let from = i64::try_from(from).unwrap_or(i64::MAX);
    let mut touched = Touched::default();
    for row in sqlx::query(TOUCHED).bind(from).fetch_all(pool).await? {
        touched.streams.insert(row.try_get("stream")?);
    }
    for row in sqlx::query(WITHDRAWN).bind(from).fetch_all(pool).await? {
        touched.streams.insert(row.try_get("stream")?);
        touched.withdrawn = true;
    }
    let orgs: BTreeSet<String> = sqlx::query(ORGS)
        .bind(from)
        .fetch_all(pool)
        .await?
        .iter()
        .map(|row| row.text("org"))
        .collect::<Result<_, _>>()?;
    touched.orgs.extend(orgs);
    Ok(touched)
}

const TOUCHED: &str = "SELECT DISTINCT stream FROM events WHERE entry_index >= $1";
const WITHDRAWN: &str = "SELECT DISTINCT e.stream FROM withdrawals w JOIN events e ON e.entry_index = w.target_index WHERE w.entry_index >= $1";
const ORGS: &str = "SELECT DISTINCT org FROM events WHERE entry_index >= $1 AND family = 'organization' \
     AND (kind LIKE 'organization.merged.%' OR kind LIKE 'organization.renamed.%')";

pub(crate) const TOUCHED_STATEMENTS: &[(&str, &str)] =
    &[("follower.touched", TOUCHED), ("follower.withdrawn", WITHDRAWN), ("follower.orgs", ORGS)];

/// Codes of an organization and all above it, for the search index.
pub(crate) fn orgs_above(code: &str, world: &World) -> Vec<String> {
    boards::organizations::ancestor_codes(code, world).into_keys().map(str::to_owned).collect()
}
