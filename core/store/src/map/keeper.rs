//! Keeping the map: statements are gathered as they come, and taken in up to the size whose root is said.
//!
//! [`Keeper::take`] does it for whoever follows a log: at each entry that says a root the map is brought to that size, and
//! its root must be the one that was said. [`Keeper::say`] does it for the ledger itself, which logs the root between the
//! change and its commit: after a crash in between, the map is as it was and follows the log like everybody's.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    future::Future,
    path::Path,
};

use chrono::{DateTime, Utc};
use gongkai_domain::kind;
use gongkai_log::{
    Digest, Entry, MapRoot, TreeHash,
    map::{self, BEHIND_MAX, BUCKET_DEPTH, Head, Leaf, Node},
};
use sqlx::SqliteConnection;
use tokio::sync::watch;

use super::{MapFault, Reached, table};
use crate::error::StoreError;

/// Statements that wait in memory for a root; beyond, those of which no root can be said any more are taken in without one.
const WAITING_MAX: usize = 65_536;

/// A statement that is not in the map yet.
struct Said {
    index: u64,
    // Of its keys, that of the stream first.
    paths: [TreeHash; 3],
    statement: Digest,
    recorded_at: DateTime<Utc>,
    // Whether it says a root of the map.
    is_root: bool,
}

/// A head that goes on by one statement.
struct Step {
    path: TreeHash,
    statement: Digest,
    in_stream: bool,
}

/// A bucket's leaves after these steps; those that changed are noted.
fn advance(leaves: Vec<Leaf>, steps: &[Step], changed: &mut Vec<Leaf>) -> Vec<Leaf> {
    let mut heads: BTreeMap<_, _> = leaves.into_iter().map(|leaf| (leaf.path, leaf.head)).collect();
    for step in steps {
        let head = heads.entry(step.path).or_insert(Head::NONE);
        *head = if step.in_stream { head.in_stream(&step.statement) } else { head.running(&step.statement) };
    }
    let paths: BTreeSet<_> = steps.iter().map(|step| step.path).collect();
    changed.extend(paths.iter().filter_map(|path| Some(Leaf { path: *path, head: *heads.get(path)? })));
    heads.into_iter().map(|(path, head)| Leaf { path, head }).collect()
}

/// What became of a root that the ledger wanted to say.
pub(crate) enum Spoken {
    /// It is this entry.
    Entry(u64),
    /// The log has grown too far beyond the size meanwhile.
    TooLate,
    /// Another node has said a root since.
    Overtaken,
    /// The organization in whose name the ledger speaks is not registered yet.
    TooEarly,
}

/// See the module.
pub(crate) struct Keeper {
    connection: SqliteConnection,
    reached: Reached,
    nodes: HashMap<u32, Node>,
    waiting: VecDeque<Said>,
    // The entry to read next.
    next: u64,
    tell: watch::Sender<Reached>,
}

impl Keeper {
    /// Opens or makes the map at `path`, and tells how far it is as it goes.
    pub(super) async fn open(path: &Path, tell: watch::Sender<Reached>) -> Result<Self, MapFault> {
        let mut connection = table::open(path).await?.ok_or_else(|| MapFault::Foreign(path.to_owned()))?;
        let reached = table::reached(&mut connection).await?;
        let nodes = table::all_nodes(&mut connection).await?;
        let whole = nodes.iter().all(|(number, node)| {
            let below = |side| nodes.get(&(number * 2 + side)).copied().unwrap_or(Node::EMPTY);
            number.ilog2() == BUCKET_DEPTH || *node == Node::join(&below(0), &below(1))
        });
        tell.send_replace(reached);
        let mut keeper = Self { connection, reached, nodes, waiting: VecDeque::new(), next: reached.size, tell };
        // What no entry vouches for is not trusted: a root would be said over it.
        if !whole || (reached.size > 0 && reached.entry.is_none()) {
            keeper.begin_again().await?;
        }
        Ok(keeper)
    }

    /// The entry that says the root as of which the map was opened, if it was.
    pub(crate) fn stands_on(&self) -> Option<u64> {
        self.reached.entry
    }

    /// Whether that entry says this map's root: not so where the map is another log's, or a bit was changed.
    pub(crate) fn is_said_by(&self, entry: &Entry) -> bool {
        let said = entry.content.statement().and_then(|signed| kind::map::rooted(&signed.statement));
        said == Some(MapRoot { size: self.reached.size, root: self.node(1).hash })
    }

    /// Forgets everything: the log is read from its first entry again.
    pub(crate) async fn begin_again(&mut self) -> Result<(), MapFault> {
        tracing::warn!(size = self.reached.size, "the map is not that of the log, and is made again");
        table::begin(&mut self.connection).await?;
        table::clear(&mut self.connection).await?;
        self.nodes.clear();
        self.waiting.clear();
        self.next = 0;
        self.settle(Reached::default()).await
    }

    /// The entry to read next.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Since when something has waited for a root: a statement that is no root itself is under none yet.
    pub(crate) fn waits_since(&self) -> Option<DateTime<Utc>> {
        if self.reached.size > 0 && self.reached.entry.is_none() {
            return Some(DateTime::UNIX_EPOCH);
        }
        self.waiting.iter().find(|said| !said.is_root).map(|said| said.recorded_at)
    }

    /// Takes the next entries, in order.
    pub(crate) async fn take(&mut self, entries: impl IntoIterator<Item = Entry>) -> Result<(), MapFault> {
        for entry in entries {
            let Some(signed) = entry.content.statement() else {
                self.next = entry.index + 1;
                continue;
            };
            let root = kind::map::rooted(&signed.statement);
            if let Some(root) = root
                && self.reached.entry != Some(entry.index)
            {
                self.compare(entry.index, root).await?;
            }
            let paths = map::keys_of(&signed.statement).map(|key| key.path());
            let (statement, recorded_at, is_root) = (signed.hash, entry.recorded_at, root.is_some());
            self.waiting.push_back(Said { index: entry.index, paths, statement, recorded_at, is_root });
            self.next = entry.index + 1;
        }
        if self.waiting.len() > WAITING_MAX {
            self.take_in(self.next.saturating_sub(BEHIND_MAX)).await?;
        }
        Ok(())
    }

    /// Brings the map to the size that an entry names, whose root must be the one that it says.
    async fn compare(&mut self, index: u64, said: MapRoot) -> Result<(), MapFault> {
        if said.size < self.reached.size || said.size > index {
            return Err(MapFault::Late { index, size: said.size });
        }
        table::begin(&mut self.connection).await?;
        let root = self.applied(said.size).await?;
        if root != said.root {
            self.undo().await?;
            return Err(MapFault::Differs { index, size: said.size, said: said.root, found: root });
        }
        self.settle(Reached { size: said.size, entry: Some(index) }).await
    }

    /// Takes in what no root can be said of any more; until the next root nothing is proven.
    async fn take_in(&mut self, size: u64) -> Result<(), MapFault> {
        table::begin(&mut self.connection).await?;
        self.applied(size).await?;
        self.settle(Reached { size, entry: None }).await
    }

    /// Brings the map to all that was taken, has its root said, and records both. After an error nothing has changed.
    pub(crate) async fn say<F, E>(&mut self, speak: impl FnOnce(MapRoot) -> F) -> Result<Spoken, E>
    where
        F: Future<Output = Result<Spoken, E>>,
        E: From<MapFault>,
    {
        let size = self.next;
        table::begin(&mut self.connection).await.map_err(MapFault::from)?;
        let root = self.applied(size).await?;
        let spoken = match speak(MapRoot { size, root }).await {
            Ok(spoken) => spoken,
            Err(error) => {
                self.undo().await.map_err(MapFault::from)?;
                return Err(error);
            }
        };
        let entry = match spoken {
            Spoken::Entry(index) => Some(index),
            // What was taken in need not be taken in again.
            Spoken::TooLate | Spoken::TooEarly => None,
            // The other's root is of another size: it is followed from where this map was.
            Spoken::Overtaken => {
                self.undo().await.map_err(MapFault::from)?;
                return Ok(Spoken::Overtaken);
            }
        };
        self.settle(Reached { size, entry }).await?;
        Ok(spoken)
    }

    /// [`Keeper::apply`], taken back where it fails.
    async fn applied(&mut self, size: u64) -> Result<TreeHash, MapFault> {
        match self.apply(size).await {
            Ok(root) => Ok(root),
            Err(fault) => {
                self.undo().await?;
                Err(fault)
            }
        }
    }

    /// Takes all statements below `size` into the tables, in the transaction that is open; gives the root. They keep
    /// waiting until the transaction is settled. A bucket is changed only if it is still what its node says: no root is said
    /// over a bit that flipped on the disk.
    async fn apply(&mut self, size: u64) -> Result<TreeHash, MapFault> {
        let mut buckets: BTreeMap<u32, Vec<Step>> = BTreeMap::new();
        for said in self.waiting.iter().take_while(|said| said.index < size) {
            for (place, path) in said.paths.into_iter().enumerate() {
                let step = Step { path, statement: said.statement, in_stream: place == 0 };
                buckets.entry(map::number(&path, BUCKET_DEPTH)).or_default().push(step);
            }
        }
        let mut above = BTreeSet::new();
        let mut written = Vec::new();
        let mut changed = Vec::new();
        for (bucket, steps) in buckets {
            let before = table::leaves(&mut self.connection, bucket).await?;
            if Node::of(&before, BUCKET_DEPTH) != self.node(bucket) {
                return Err(MapFault::Damaged);
            }
            let leaves = advance(before, &steps, &mut changed);
            let node = Node::of(&leaves, BUCKET_DEPTH);
            self.nodes.insert(bucket, node);
            written.push((bucket, node));
            above.insert(map::parent(bucket));
            if changed.len() >= table::ROWS_MAX {
                table::write_leaves(&mut self.connection, &std::mem::take(&mut changed)).await?;
            }
        }
        table::write_leaves(&mut self.connection, &changed).await?;
        while let Some(number) = above.pop_last() {
            let node = Node::join(&self.node(number * 2), &self.node(number * 2 + 1));
            self.nodes.insert(number, node);
            written.push((number, node));
            if number > 1 {
                above.insert(map::parent(number));
            }
        }
        table::write_nodes(&mut self.connection, &written).await?;
        Ok(self.node(1).hash)
    }

    fn node(&self, number: u32) -> Node {
        self.nodes.get(&number).copied().unwrap_or(Node::EMPTY)
    }

    async fn settle(&mut self, reached: Reached) -> Result<(), MapFault> {
        table::reach(&mut self.connection, reached).await?;
        table::commit(&mut self.connection).await?;
        self.reached = reached;
        self.waiting.drain(..self.waiting.partition_point(|said| said.index < reached.size));
        self.tell.send_replace(reached);
        Ok(())
    }

    /// Takes the open transaction back, in memory too.
    async fn undo(&mut self) -> Result<(), StoreError> {
        table::roll_back(&mut self.connection).await?;
        self.nodes = table::all_nodes(&mut self.connection).await?;
        Ok(())
    }

    pub(crate) async fn close(self) -> Result<(), StoreError> {
        table::close(self.connection).await
    }
}
