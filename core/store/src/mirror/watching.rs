//! The authority of a mirror: replay of the registry, and beside it what the mirror has to do for an entry.
//!
//! It decides nothing of its own. What it notes is bounded by what an acceptance adds: withdrawals, attachments, lists
//! that name files.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use gongkai_domain::{
    Kind, Replay,
    kind::{self, slot},
};
use gongkai_log::{Authority, Beginning, Digest, Entry, LogKeys, MapRoot, Openings, Statement, VerifierKey};
use serde_json::{Map, Value};

/// A withdrawal that is to be followed.
#[derive(Clone, Debug)]
pub(super) struct Withdrawn {
    /// Entry that records it.
    pub index: u64,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// Entry whose openings go.
    pub target: u64,
    /// Slots of it.
    pub slots: Vec<u64>,
    /// Lines of its list.
    pub lines: Vec<u64>,
}

/// A list some of whose lines may name files.
pub(super) struct Naming {
    pub kind: &'static Kind,
    pub body: Map<String, Value>,
    pub root: Digest,
}

/// What the entries ask of a mirror.
#[derive(Default)]
pub(super) struct Found {
    pub withdrawals: Vec<Withdrawn>,
    /// Files that bodies name.
    pub attached: Vec<Digest>,
    pub naming: Vec<Naming>,
}

impl Found {
    /// Withdrawals of lines: they may take files with them.
    pub fn lines_withdrawn(&self) -> u64 {
        self.withdrawals.iter().filter(|withdrawn| !withdrawn.lines.is_empty()).count() as u64
    }
}

/// Lists that name files, as whoever reads them has seen.
pub(super) type NamingLists = Mutex<HashSet<Digest>>;

/// See the module.
pub(super) struct Watching<'a> {
    pub replay: &'a mut Replay,
    pub naming: &'a NamingLists,
    pub found: Found,
}

impl<'a> Watching<'a> {
    pub fn new(replay: &'a mut Replay, naming: &'a NamingLists) -> Self {
        Self { replay, naming, found: Found::default() }
    }

    fn note(&mut self, entry: &Entry, statement: &Statement) {
        let Some(kind) = kind::find(&statement.kind) else { return };
        if let Some(withdrawn) = kind::body::<slot::Withdrawn>(&statement.kind, &statement.body) {
            self.found.withdrawals.push(Withdrawn {
                index: entry.index,
                recorded_at: entry.recorded_at,
                target: withdrawn.entry,
                slots: withdrawn.slots().to_vec(),
                lines: withdrawn.lines().to_vec(),
            });
        }
        self.found.attached.extend(kind.attachments(&statement.body).map(|(_, file)| file.hash));
        let Some(root) = statement.lines_root() else { return };
        if self.naming.lock().unwrap_or_else(PoisonError::into_inner).remove(&root) {
            self.found.naming.push(Naming { kind, body: statement.body.clone(), root });
        }
    }
}

impl Authority for Watching<'_> {
    const READS_OPENINGS: bool = false;

    fn key(&self, name: &str) -> Option<&VerifierKey> {
        self.replay.key(name)
    }

    fn observe(&mut self, entry: &Entry, openings: Option<&Openings>) -> Result<(), String> {
        self.replay.observe(entry, openings)?;
        if let Some(signed) = entry.content.statement() {
            self.note(entry, &signed.statement);
        }
        Ok(())
    }

    fn log_keys(&self) -> Option<&LogKeys> {
        self.replay.log_keys()
    }

    fn beginning(&self, entry: &Entry) -> Option<Beginning> {
        self.replay.beginning(entry)
    }

    fn map_root(&self, entry: &Entry) -> Option<MapRoot> {
        self.replay.map_root(entry)
    }
}
