//! Heads and states of the streams that were written lately.
//!
//! A bounded cache in front of the database: what is not in it is loaded for a whole batch in one
//! query. It holds what is committed and what the current batch adds; when the batch is not
//! committed, the whole cache is thrown away.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use gongkai_domain::{Head, Proposal, State, judge};

use crate::{
    error::StoreError,
    event_store::StreamEntry,
    reader::{parse_entry, with_recorded},
};

/// A stream as of its latest statement.
pub(crate) type Stream = (Option<Head>, State);

/// Streams by name, in two generations: what is used moves to the young one, and when that is full
/// the old one is dropped.
pub(crate) struct Streams {
    young: HashMap<String, Stream>,
    old: HashMap<String, Stream>,
    // Streams that could not be loaded for this batch.
    damaged: HashMap<String, Arc<StoreError>>,
    generation_max: usize,
}

impl Streams {
    pub(crate) fn new(cached_max: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            damaged: HashMap::new(),
            generation_max: (cached_max / 2).max(1),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
        self.damaged.clear();
    }

    /// Another has continued it: what is known of it is no longer so.
    pub(crate) fn forget(&mut self, stream: &str) {
        self.young.remove(stream);
        self.old.remove(stream);
    }

    /// Begins a batch: which of its streams have to be looked up.
    pub(crate) fn missing(&mut self, wanted: impl Iterator<Item = String>) -> Vec<String> {
        self.damaged.clear();
        if self.young.len() >= self.generation_max {
            self.old = std::mem::take(&mut self.young);
        }
        let mut missing = HashSet::new();
        for stream in wanted {
            if self.young.contains_key(&stream) {
                continue;
            }
            match self.old.remove(&stream) {
                Some(known) => drop(self.young.insert(stream, known)),
                None => drop(missing.insert(stream)),
            }
        }
        missing.into_iter().collect()
    }

    /// Makes the missing streams present for the length of the batch, from what was found of them.
    pub(crate) fn learn(&mut self, missing: Vec<String>, found: Vec<StreamEntry>) {
        self.young.extend(missing.into_iter().map(|stream| (stream, Stream::default())));
        for row in found {
            self.fold(row);
        }
    }

    /// A damaged row spoils its stream and no other.
    fn fold(&mut self, row: StreamEntry) {
        let StreamEntry { stream, index, bytes } = row;
        let entry = parse_entry(index, bytes).and_then(|entry| {
            let named = entry.content.statement().is_some_and(|s| s.statement.stream.to_string() == stream);
            if named { Ok(entry) } else { Err(StoreError::row(index, "stream", "the bytes are of another stream")) }
        });
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return self.spoil(&stream, error),
        };
        let Some(known) = self.young.get_mut(&stream) else { return };
        with_recorded(&entry, |recorded| {
            let state = judge::evolve(std::mem::take(&mut known.1), recorded);
            *known = (Some(Head { revision: recorded.statement.revision, hash: recorded.hash }), state);
        });
    }

    /// A stream that cannot be read: who continues or names it in this batch is told, and nobody else.
    pub(crate) fn spoil(&mut self, stream: &str, error: StoreError) {
        self.young.remove(stream);
        self.damaged.entry(stream.to_owned()).or_insert_with(|| error.into());
    }

    /// The state of the sealed matter that a proposal names, if it was loaded and there is one.
    pub(crate) fn named(&self, proposal: &Proposal<'_>) -> Result<Option<State>, Arc<StoreError>> {
        let Some(name) = proposal.named().map(|stream| stream.to_string()) else { return Ok(None) };
        match self.damaged.get(&name) {
            Some(error) => Err(Arc::clone(error)),
            None => Ok(self.young.get(&name).filter(|stream| stream.0.is_some()).map(|stream| stream.1.clone())),
        }
    }

    /// A stream that was loaded.
    pub(crate) fn get_mut(&mut self, stream: &str) -> Result<&mut Stream, Arc<StoreError>> {
        match self.damaged.get(stream) {
            Some(error) => Err(error.clone()),
            None => Ok(self.young.entry(stream.to_owned()).or_default()),
        }
    }
}
