//! Where entries come from: the ledger, seen through the two calls that a follower needs.
//!
//! It is a seam, not an abstraction of storage: openings and lists are those that are public now, so a
//! value that was withdrawn is not in what it gives.

use std::{future::Future, pin::Pin, sync::Arc};

use gongkai_log::{List, Openings};
use tokio::sync::watch;

/// An entry with what of it is public now.
#[derive(Clone, Debug)]
pub struct Sourced {
    /// Place in the log.
    pub index: u64,
    /// The entry's exact bytes.
    pub bytes: Vec<u8>,
    /// Openings of its slots.
    pub openings: Option<Openings>,
    /// Its list.
    pub list: Option<List>,
}

/// The ledger could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the ledger could not be read")]
pub struct SourceError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// What a read gives, later.
pub type Entries<'a> = Pin<Box<dyn Future<Output = Result<Vec<Sourced>, SourceError>> + Send + 'a>>;

/// A log to follow.
pub trait Source: Send + Sync {
    /// Committed entries from an index on, in order, without gaps, at most `limit`.
    fn entries(&self, from: u64, limit: usize) -> Entries<'_>;

    /// How many entries are committed.
    fn committed(&self) -> watch::Receiver<u64>;
}

impl Source for gongkai_store::Ledger {
    fn entries(&self, from: u64, limit: usize) -> Entries<'_> {
        Box::pin(async move { stored(Self::entries(self, from, limit as u64).await) })
    }

    fn committed(&self) -> watch::Receiver<u64> {
        Self::committed(self)
    }
}

/// A database of entries that somebody else writes, or nobody: it is as long as it was when it was opened.
pub struct Standing {
    store: gongkai_store::ReadStore,
    size: watch::Sender<u64>,
}

impl Standing {
    /// Takes the length that the log has now.
    ///
    /// # Errors
    /// [`SourceError`] when the head cannot be read.
    pub async fn new(store: gongkai_store::ReadStore) -> Result<Self, SourceError> {
        let head = store.head().await.map_err(|e| SourceError(e.into()))?;
        Ok(Self { store, size: watch::Sender::new(head.size) })
    }
}

impl Source for Standing {
    fn entries(&self, from: u64, limit: usize) -> Entries<'_> {
        Box::pin(async move { stored(self.store.entries(from, limit as u64).await) })
    }

    fn committed(&self) -> watch::Receiver<u64> {
        self.size.subscribe()
    }
}

impl Source for Arc<gongkai_store::PublishedLog> {
    fn entries(&self, from: u64, limit: usize) -> Entries<'_> {
        let log = Self::clone(self);
        Box::pin(async move {
            let read =
                tokio::task::spawn_blocking(move || gongkai_store::PublishedLog::entries(&log, from, limit as u64))
                    .await;
            let entries = read.map_err(|e| SourceError(e.into()))?.map_err(|e| SourceError(e.into()))?;
            Ok(entries.into_iter().map(sourced).collect())
        })
    }

    fn committed(&self) -> watch::Receiver<u64> {
        self.size()
    }
}

fn stored(
    entries: Result<Vec<gongkai_store::StoredEntry>, gongkai_store::StoreError>,
) -> Result<Vec<Sourced>, SourceError> {
    Ok(entries.map_err(|e| SourceError(e.into()))?.into_iter().map(sourced).collect())
}

fn sourced(entry: gongkai_store::StoredEntry) -> Sourced {
    Sourced { index: entry.index, bytes: entry.bytes, openings: entry.openings, list: entry.list }
}
