//! The rows of the database in memory: what a commit puts there, all of it or nothing.
//!
//! It holds the invariants that the real schemas hold: indexes without gaps, one statement at a revision, one entry for a
//! key. Nothing here fails by itself; who may write and what befalls a commit is in `memory`.

use std::{collections::BTreeMap, sync::Arc};

use gongkai_log::Digest;

use super::memory::device;
use crate::{
    error::StoreError,
    event_store::{At, Batch, Halt, Known, KnownRequest, LogHead, NewEntry, Publication, RawEntry, StreamEntry},
};

/// An entry.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub bytes: Vec<u8>,
    pub stream: Option<String>,
    openings: Option<String>,
    list: Option<String>,
}

/// All tables.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    pub entries: Vec<Arc<Row>>,
    pub head: LogHead,
    /// Digest of the request and index of the entry, by idempotency key.
    pub requests: BTreeMap<Arc<str>, (Digest, u64)>,
    /// Indexes by revision.
    streams: BTreeMap<Arc<str>, Vec<u64>>,
    pub publications: BTreeMap<i64, Publication>,
    pub halt: Option<Halt>,
}

impl Rows {
    pub(super) fn new() -> Self {
        Self {
            entries: Vec::new(),
            head: LogHead::empty(),
            requests: BTreeMap::new(),
            streams: BTreeMap::new(),
            publications: BTreeMap::new(),
            halt: None,
        }
    }

    /// All of a batch or nothing.
    pub(super) fn append(&mut self, batch: Batch, node: i64) -> Result<(), StoreError> {
        let Batch { entries, changed, head, publication, clears_halt, sealed, erased, .. } = batch;
        assert!(sealed.is_empty() && erased.is_empty(), "there is no vault here");
        let mut next = self.clone();
        for entry in entries {
            next.insert(entry)?;
        }
        for changed in changed {
            let row = usize::try_from(changed.index).ok().and_then(|index| next.entries.get_mut(index));
            let row = Arc::make_mut(row.ok_or_else(|| device("changing an entry that is not there"))?);
            row.openings = changed.openings.or(row.openings.take());
            row.list = changed.list.or(row.list.take());
        }
        if next.entries.len() as u64 != head.size {
            return Err(device("committing a head of another size"));
        }
        next.head = head;
        if let Some(publication) = publication {
            next.publications.insert(node, publication);
        }
        if clears_halt {
            next.halt = None;
        }
        *self = next;
        Ok(())
    }

    fn insert(&mut self, entry: NewEntry) -> Result<(), StoreError> {
        let index = self.entries.len() as u64;
        let NewEntry { bytes, stream, openings, list, request, .. } = entry;
        if let Some((stream, revision)) = &stream {
            let revisions = self.streams.entry(stream.as_str().into()).or_default();
            if *revision != revisions.len() as u64 {
                return Err(device("inserting a second statement at a revision"));
            }
            revisions.push(index);
        }
        if let Some((key, request)) = request
            && self.requests.insert(key.into(), (request, index)).is_some()
        {
            return Err(device("inserting a second entry for a key"));
        }
        let stream = stream.map(|(stream, _)| stream);
        self.entries.push(Arc::new(Row { bytes, stream, openings, list }));
        Ok(())
    }

    /// As [`crate::EventStore::load_range`].
    pub(super) fn range(&self, from: u64, to: u64) -> Vec<RawEntry> {
        let rows = (0..).zip(&self.entries).filter(|(index, _)| (from..to).contains(index));
        rows.map(|(index, row)| RawEntry {
            index,
            bytes: row.bytes.clone(),
            openings: row.openings.clone(),
            list: row.list.clone(),
        })
        .collect()
    }

    /// As [`crate::EventStore::look_up`].
    pub(super) fn look_up(&self, keys: &[String], mut streams: Vec<String>) -> Known {
        let requests = keys.iter().filter_map(|key| {
            let (request, index) = *self.requests.get(key.as_str())?;
            Some(KnownRequest { key: key.clone(), request, at: At::Entry(index) })
        });
        let requests = requests.collect();
        streams.sort_unstable();
        let mut known = Known { requests, streams: Vec::new() };
        for stream in streams {
            for index in self.streams.get(stream.as_str()).into_iter().flatten() {
                let Some(row) = usize::try_from(*index).ok().and_then(|index| self.entries.get(index)) else {
                    continue;
                };
                known.streams.push(StreamEntry { stream: stream.clone(), index: *index, bytes: row.bytes.clone() });
            }
        }
        known
    }
}
