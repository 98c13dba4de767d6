//! What must hold, whatever happens: checked after each step against nothing but the rows, the answers and the checkpoints.
//!
//! Each check gives its own sentence, which begins with the name of what is broken. Chain and tree are recomputed here from
//! the bytes; nothing that a sequencer says of itself is believed. For a further invariant add a method and call it in
//! `world`.

use std::collections::{BTreeMap, BTreeSet};

use gongkai_log::{
    Digest, Edge, TreeHash,
    merkle::{leaf_hash, root_of},
};

use super::{publishing::Signed, rows::Rows};
use crate::{Receipt, read_back::ChainEnd};

/// Lines of an entry before its note.
const HEAD_LINES: usize = 4;

/// What was seen so far.
pub(super) struct Checks {
    end: ChainEnd,
    edge: Edge,
    leaves: Vec<TreeHash>,
    notes: BTreeSet<Digest>,
    // By idempotency key.
    receipts: BTreeMap<String, Receipt>,
    // The largest checkpoint that was put in place, which all others are beginnings of.
    signed: Option<Signed>,
    /// Whether a standby that lacked commits has taken over.
    pub lost_some: bool,
}

impl Checks {
    /// As of the beginning.
    pub(super) fn new(rows: &Rows) -> Result<Self, String> {
        let mut checks = Self {
            end: ChainEnd::start(),
            edge: Edge::new(),
            leaves: Vec::new(),
            notes: BTreeSet::new(),
            receipts: BTreeMap::new(),
            signed: None,
            lost_some: false,
        };
        checks.log(rows)?;
        Ok(checks)
    }

    pub(super) fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// Chain, tree and time of what was committed since the last time.
    pub(super) fn log(&mut self, rows: &Rows) -> Result<(), String> {
        let seen = self.leaves.len();
        if rows.entries.len() < seen {
            return Err(format!("an entry is gone: there were {seen}, now {}", rows.entries.len()));
        }
        if rows.entries.len() == seen && rows.head.size == self.edge.size() && rows.head.edge == self.edge {
            return Ok(());
        }
        for (index, row) in (0..).zip(&rows.entries).skip(seen) {
            self.end.follow(index, &row.bytes).map_err(|reason| format!("the chain is broken: {reason}"))?;
            let leaf = leaf_hash(&row.bytes);
            self.edge.append(leaf).map_err(|error| format!("the tree is broken: {error}"))?;
            self.leaves.push(leaf);
            let note = row.bytes.splitn(HEAD_LINES + 1, |byte| *byte == b'\n').nth(HEAD_LINES).unwrap_or_default();
            if !self.notes.insert(Digest::of(note)) {
                return Err(format!("an event is there twice: the second time as entry {index}"));
            }
        }
        if rows.head.size != self.size() || rows.head.entry_hash != self.end.hash || rows.head.edge != self.edge {
            return Err(format!("the head is wrong: it is not where its {} entries lead", self.size()));
        }
        Ok(())
    }

    /// A receipt is true when it is given, and the same for the same key wherever it is given.
    pub(super) fn receipt(&mut self, rows: &Rows, key: &str, request: &Digest, given: &Receipt) -> Result<(), String> {
        if rows.requests.get(key) != Some(&(*request, given.index)) {
            return Err(format!("a receipt for what is not committed: {key} as entry {}", given.index));
        }
        holds(rows, key, given)?;
        let first = self.receipts.entry(key.to_owned()).or_insert_with(|| given.clone());
        if first == given {
            Ok(())
        } else {
            Err(format!("another receipt for the same key: {key}, {first:?}, {given:?}"))
        }
    }

    /// A checkpoint that was put in place: of it and all before, one is a beginning of the other.
    pub(super) fn signed(&mut self, new: Signed) -> Result<(), String> {
        if root_of(&new.leaves) != new.checkpoint.root || new.leaves.len() as u64 != new.checkpoint.size {
            return Err("a checkpoint is wrong: its root is not that of its leaves".to_owned());
        }
        let Some(old) = &self.signed else {
            self.signed = Some(new);
            return Ok(());
        };
        let (small, large) = if old.leaves.len() <= new.leaves.len() { (old, &new) } else { (&new, old) };
        if root_of(&large.leaves[..small.leaves.len()]) != small.checkpoint.root {
            let (one, other) = (old.checkpoint.size, new.checkpoint.size);
            return Err(format!("two histories are signed: checkpoints of {one} and {other} entries do not combine"));
        }
        if old.leaves.len() <= new.leaves.len() {
            self.signed = Some(new);
        }
        Ok(())
    }

    /// How many entries are signed.
    pub(super) fn signed_size(&self) -> u64 {
        self.signed.as_ref().map_or(0, |signed| signed.checkpoint.size)
    }

    /// Whether what was signed is a beginning of the log.
    pub(super) fn is_signed_of_the_log(&self) -> bool {
        self.signed.as_ref().is_none_or(|signed| {
            self.leaves.get(..signed.leaves.len()).is_some_and(|leaves| root_of(leaves) == signed.checkpoint.root)
        })
    }

    /// A standby has taken over: what it lacks is lost by the operator, and its receipts with it. What is signed stays.
    pub(super) fn forget_beyond(&mut self, rows: &Rows) -> Result<(), String> {
        if rows.head.size == self.size() {
            return Ok(());
        }
        let mut again = Self::new(rows)?;
        again.signed = self.signed.take();
        again.receipts = std::mem::take(&mut self.receipts);
        again.receipts.retain(|_, receipt| receipt.index < rows.head.size);
        again.lost_some = true;
        *self = again;
        Ok(())
    }

    /// At the end: every receipt that was ever given.
    pub(super) fn receipts(&self, rows: &Rows) -> Result<(), String> {
        self.receipts.iter().try_for_each(|(key, receipt)| holds(rows, key, receipt))
    }
}

/// Whether an entry is what its receipt says.
fn holds(rows: &Rows, key: &str, receipt: &Receipt) -> Result<(), String> {
    let row = usize::try_from(receipt.index).ok().and_then(|index| rows.entries.get(index));
    match row {
        Some(row) if Digest::of(&row.bytes) == receipt.entry_hash => Ok(()),
        _ => Err(format!("a receipt is lost: {key}, entry {}", receipt.index)),
    }
}

/// A projection with its cursor: a fold over all entries, both saved in one transaction.
pub(super) struct Fold {
    cursor: u64,
    sum: Digest,
    // Read and not saved yet: a crash forgets it.
    pending: Option<(u64, Digest)>,
}

impl Fold {
    pub(super) fn new() -> Self {
        Self { cursor: 0, sum: Digest::ZERO, pending: None }
    }

    /// Reads on, at most so many entries, or saves what it has read.
    pub(super) fn step(&mut self, rows: &Rows, entries_max: u64) {
        if let Some((cursor, sum)) = self.pending.take() {
            (self.cursor, self.sum) = (cursor, sum);
            return;
        }
        let range = rows.range(self.cursor, self.cursor + entries_max);
        let end = range.last().map_or(self.cursor, |row| row.index + 1);
        let sum = range.iter().fold(self.sum, |sum, row| add(&sum, &row.bytes));
        self.pending = Some((end, sum));
    }

    /// It stops before it has saved, and begins again where it had.
    pub(super) fn crash(&mut self) {
        self.pending = None;
    }

    pub(super) fn is_behind(&self, rows: &Rows) -> bool {
        self.cursor < rows.head.size
    }

    /// What it has is what a fold from scratch has.
    pub(super) fn check(&self, rows: &Rows) -> Result<(), String> {
        let whole = rows.entries.iter().fold(Digest::ZERO, |sum, row| add(&sum, &row.bytes));
        if self.cursor == rows.head.size && self.sum == whole {
            return Ok(());
        }
        Err(format!("a follower is wrong: its fold of {} entries is not that from scratch", self.cursor))
    }
}

fn add(sum: &Digest, bytes: &[u8]) -> Digest {
    Digest::of(&[sum.as_bytes().as_slice(), bytes].concat())
}
