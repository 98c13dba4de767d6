//! Reads the log in order and writes what the projections say, with every cursor in the transaction of
//! its rows. A crash at any statement leaves the last commit, and the same entries are read again.
//!
//! A projection that cannot go on is halted at its entry with the reason in its cursor; the others go
//! on. A failure of the database or the log stops the follower and names its cause; nothing is skipped.
//! What a later event withdrew is removed by folding the concerned stream again without it.
//! Not here: which generation of views is served (`views`), what a row holds (`boards`).

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use gongkai_domain::World;
use gongkai_store::database::{Pool, Purpose, Reach, Transaction, query};
use tokio::sync::RwLock;

use crate::{
    boards,
    event::{EventError, PublicEvent},
    learned::{self, Learned, Registry, TEACHING, world_of},
    lease::Fence,
    projection::{Arg, PROJECTIONS, ProjectionError, TABLES},
    read::{self, Columns, Cursor, text},
    recalled::RecallError,
    rows::{Cursors, Rows},
    source::{Source, SourceError, Sourced},
};

/// Entries of one transaction: large enough that its cost is spread, small enough that readers and
/// memory do not feel it.
pub const BATCH_ENTRIES: usize = 4_000;

const STREAM_OF: &str = "SELECT stream FROM events WHERE entry_index = $1";
const ENTRIES_OF: &str = "SELECT entry_index FROM events WHERE stream = $1 ORDER BY revision";
const CLOSED_OF: &str = "SELECT place, number FROM withdrawals WHERE target_index = $1";

pub(crate) const STATEMENTS: &[(&str, &str)] = &[
    ("follower.taught", learned::TAUGHT),
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
    /// Another node writes the rows; what was asked is for that one.
    #[error("another node writes the views")]
    Elsewhere,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random(#[from] getrandom::Error),
    /// A read worker was lost.
    #[error("an entry could not be read because its worker was lost")]
    Worker(#[from] tokio::task::JoinError),
    /// Another node took over, or the rows are not where this one left them.
    #[error("another node keeps the views")]
    Overtaken,
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

/// Writes the rows of one generation of views.
pub(crate) struct Follower {
    pool: Pool,
    /// Said by whoever shares the rows with other nodes.
    fence: Option<Fence>,
    source: Arc<dyn Source>,
    world: Arc<World>,
    registry: Registry,
    cursors: Cursors,
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
    pub(crate) async fn open(pool: Pool, source: Arc<dyn Source>, fence: Option<Fence>) -> Result<Self, FollowError> {
        let mut transaction = pool.begin(Purpose::Reading).await?;
        let mut stored = read::cursors(&mut transaction).await?;
        let size = read::entries(&stored);
        let fresh = Cursor { next_index: 0, halted: None };
        let cursors: Cursors = PROJECTIONS
            .iter()
            .map(|projection| (projection.name(), stored.remove(projection.name()).unwrap_or_else(|| fresh.clone())))
            .collect();
        let next = cursors.values().map(|cursor| cursor.next_index).max().unwrap_or(0);
        // Also what is behind a halted timeline's end was taught, by rows that are there.
        let world = world_of(&mut transaction, u64::MAX, &Learned::default()).await?;
        transaction.rollback().await?;
        Ok(Self {
            pool,
            fence,
            source,
            registry: Arc::new(RwLock::new(Learned { world: Arc::clone(&world), size })),
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

    pub(crate) fn cursors(&self) -> &Cursors {
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
            rows: Rows::new(self.pool.begin(Purpose::Writing).await?),
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
        rows.finish((&self.cursors, &cursors), self.fence.as_ref()).await?;
        let mut registry = self.registry.write().await;
        // The commit point: before it nothing of this batch exists, after it rows and cursors do.
        rows.commit().await?;
        let reached = cursors.get("events").map_or(0, |cursor| cursor.next_index);
        *registry = Learned { world: Arc::clone(&world), size: reached };
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
    cursors: Cursors,
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
    pool: &Pool,
    registry: &Registry,
    event: &PublicEvent,
) -> Result<(Transaction, Arc<World>, BTreeMap<String, Cursor>), FollowError> {
    let mut rows = Rows::new(pool.begin(Purpose::Trying).await?);
    let cursors = read::cursors(&mut rows.transaction).await?;
    // After the connection, which the follower holds while it waits for this lock.
    let learned = registry.read().await;
    let world = world_of(&mut rows.transaction, read::entries(&cursors), &learned).await?;
    drop(learned);
    for projection in PROJECTIONS {
        let families = projection.families();
        if families.is_empty() || families.contains(&event.statement.stream.family.as_str()) {
            projection.apply(event, &world)?.into_iter().for_each(|change| rows.waiting.merge(change));
        }
    }
    rows.flush().await?;
    Ok((rows.transaction, world, cursors))
}

/// Streams and organizations that entries from an index on, before another, touched: for an index that is behind.
pub(crate) async fn touched_between(on: &mut impl Reach, from: u64, to: u64) -> Result<Touched, FollowError> {
    let bound = |index: u64| i64::try_from(index).unwrap_or(i64::MAX);
    let asked = |sql: &'static str| query(sql).bind(bound(from)).bind(bound(to));
    let mut touched = Touched::default();
    for row in asked(TOUCHED).fetch_all(on).await? {
        touched.streams.insert(row.text("stream")?);
    }
    for row in asked(WITHDRAWN).fetch_all(on).await? {
        touched.streams.insert(row.text("stream")?);
        touched.withdrawn = true;
    }
    for row in asked(ORGS).fetch_all(on).await? {
        touched.orgs.insert(row.text("org")?);
    }
    Ok(touched)
}

const TOUCHED: &str = "SELECT DISTINCT stream FROM events WHERE entry_index >= $1 AND entry_index < $2";
const WITHDRAWN: &str = "SELECT DISTINCT e.stream FROM withdrawals w JOIN events e ON e.entry_index = w.target_index \
     WHERE w.entry_index >= $1 AND w.entry_index < $2";
const ORGS: &str = "SELECT DISTINCT org FROM events WHERE entry_index >= $1 AND entry_index < $2 AND family = 'organization' \
     AND (kind LIKE 'organization.merged.%' OR kind LIKE 'organization.renamed.%')";

pub(crate) const TOUCHED_STATEMENTS: &[(&str, &str)] =
    &[("follower.touched", TOUCHED), ("follower.withdrawn", WITHDRAWN), ("follower.orgs", ORGS)];

/// Codes of an organization and all above it, for the search index.
pub(crate) fn orgs_above(code: &str, world: &World) -> Vec<String> {
    boards::organizations::ancestor_codes(code, world).into_keys().map(str::to_owned).collect()
}
