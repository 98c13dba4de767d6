//! Rows that another node writes: how far they are, and what is new in them for this node's search index.
//!
//! Nobody tells; it looks. What it says was touched comes in portions, also where the index begins far behind.
//! Not here: writing (`follower`), and how often is looked (`engine`).

use std::{collections::BTreeMap, sync::Arc};

use gongkai_store::database::{Pool, Purpose};
use tokio::sync::RwLock;

use crate::{
    follower::{BATCH_ENTRIES, FollowError, Follower, Touched, touched_between},
    learned::{Learned, Registry, world_of},
    read::{self, Cursor},
};

/// See the module.
pub(crate) struct Watcher {
    pool: Pool,
    registry: Registry,
    cursors: BTreeMap<String, Cursor>,
    /// Entries that the rows reflect.
    size: u64,
    /// Entries whose streams it has told of.
    told: u64,
}

impl Watcher {
    /// Watches rows of which the search index has `told` entries.
    pub(crate) async fn open(pool: Pool, told: u64) -> Result<Self, FollowError> {
        let mut transaction = pool.begin(Purpose::Reading).await?;
        let cursors = read::cursors(&mut transaction).await?;
        let size = read::entries(&cursors);
        let world = world_of(&mut transaction, size, &Learned::default()).await?;
        transaction.rollback().await?;
        let registry = Arc::new(RwLock::new(Learned { world, size }));
        Ok(Self { pool, registry, cursors, size, told: told.min(size) })
    }

    /// What entries touched that the rows have and nobody was told of, a portion of them.
    async fn step(&mut self) -> Result<Option<Touched>, FollowError> {
        let mut transaction = self.pool.begin(Purpose::Reading).await?;
        self.cursors = read::cursors(&mut transaction).await?;
        self.size = read::entries(&self.cursors);
        // A server that lost its last commits gets the same entries again.
        self.told = self.told.min(self.size);
        if self.told == self.size {
            transaction.rollback().await?;
            return Ok(None);
        }
        let end = self.size.min(self.told + BATCH_ENTRIES as u64);
        let touched = touched_between(&mut transaction, self.told, end).await?;
        transaction.rollback().await?;
        self.told = end;
        Ok(Some(touched))
    }
}

/// Where rows come from.
pub(crate) enum Feed {
    /// This process writes them.
    Writing(Follower),
    /// Others do.
    Watching(Watcher),
}

impl Feed {
    /// One batch of entries before `end`: what it touched.
    pub(crate) async fn step(&mut self, end: u64) -> Result<Option<Touched>, FollowError> {
        match self {
            Self::Writing(follower) => follower.step(end).await,
            Self::Watching(watcher) => watcher.step().await,
        }
    }

    pub(crate) fn is_ours(&self) -> bool {
        matches!(self, Self::Writing(_))
    }

    /// How many entries the rows reflect.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Writing(follower) => follower.size(),
            Self::Watching(watcher) => watcher.size,
        }
    }

    /// Up to which entry it was said what they touched.
    pub(crate) fn told(&self) -> u64 {
        match self {
            Self::Writing(follower) => follower.size(),
            Self::Watching(watcher) => watcher.told,
        }
    }

    /// Where it stops for now, of a log of `end` entries.
    pub(crate) fn end(&self, end: u64) -> u64 {
        if self.is_ours() { end } else { self.size() }
    }

    pub(crate) fn registry(&self) -> &Registry {
        match self {
            Self::Writing(follower) => follower.registry(),
            Self::Watching(watcher) => &watcher.registry,
        }
    }

    /// Projections that stopped: name, entry, reason.
    pub(crate) fn halted(&self) -> Vec<(String, u64, String)> {
        match self {
            Self::Writing(follower) => {
                let cursors = follower.cursors().iter();
                cursors.filter_map(|(name, cursor)| halt(name, cursor)).collect()
            }
            Self::Watching(watcher) => watcher.cursors.iter().filter_map(|(name, cursor)| halt(name, cursor)).collect(),
        }
    }
}

/// What is said of a projection that stopped.
pub(crate) fn halt(name: &str, Cursor { next_index, halted }: &Cursor) -> Option<(String, u64, String)> {
    Some((name.to_owned(), *next_index, halted.clone()?))
}
