//! What depends on the order of the entries, and how far it came: chain, streams, authority, map, tree.

use std::fmt;

use chrono::{DateTime, Utc};

use super::{
    Authority, Beginning, Bundle, Check, Fetch, Finding, FsckError, Options, Outcome, Report, Shared, Tiles, finding,
    signature_of,
};
use crate::checkpoint::Checkpoint;
use crate::entry::Entry;
use crate::hash::{Digest, TreeHash};
use crate::key::{KeyKind, VerifierKey};
use crate::map::GrowingMap;
use crate::merkle::{self, Edge, ProveError};
use crate::note::Note;
use crate::slot::Openings;
use crate::tile::{TILE_WIDTH, TilePath};

/// Where a check ended, and what the entries after it have to continue. Authority is not in it: go on with the one that
/// observed the entries so far.
pub struct Reached {
    head: Digest,
    recorded_at: Option<DateTime<Utc>>,
    map: GrowingMap,
    // Whole bundles.
    edge: Edge,
    // Hashes of each level above 0 that do not fill a tile yet.
    levels: Vec<Vec<TreeHash>>,
    // Leaves of the unfinished bundle.
    rest: Vec<TreeHash>,
}

impl Default for Reached {
    /// Before the first entry.
    fn default() -> Self {
        Self {
            head: Digest::ZERO,
            recorded_at: None,
            map: GrowingMap::default(),
            edge: Edge::new(),
            levels: Vec::new(),
            rest: Vec::new(),
        }
    }
}

impl fmt::Debug for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reached({} entries)", self.size())
    }
}

impl Reached {
    /// Entries that were checked.
    pub fn size(&self) -> u64 {
        self.edge.size() + self.rest.len() as u64
    }

    /// Root of the tree over them.
    pub fn root(&self) -> TreeHash {
        let mut edge = self.edge.clone();
        // Fewer than 2^64 entries were read.
        self.rest.iter().try_for_each(|leaf| edge.append(*leaf)).map_or_else(|_| merkle::empty_root(), |()| edge.root())
    }
}

/// What depends on the order of the entries.
pub(super) struct Sequence<'s, 'a, F: Fetch, A> {
    shared: &'s Shared<'s, F>,
    authority: &'a mut A,
    old: Option<&'s Checkpoint>,
    /// The next one.
    pub(super) bundle: u64,
    reached: Reached,
    report: Report,
    // Trees that entries name as beginnings of this log.
    beginnings: Vec<(u64, Beginning)>,
}

impl<'s, 'a, F: Fetch, A: Authority> Sequence<'s, 'a, F, A> {
    pub(super) fn new(
        shared: &'s Shared<'s, F>,
        authority: &'a mut A,
        reached: Reached,
        options: &'s Options<'_>,
    ) -> Self {
        let note = Note { text: String::new(), signatures: Vec::new() };
        Self {
            shared,
            authority,
            old: options.old_checkpoint.as_ref(),
            bundle: reached.edge.size() / TILE_WIDTH,
            reached,
            report: Report::begun(shared.checkpoint.clone(), note),
            beginnings: Vec::new(),
        }
    }

    /// Takes the next bundle: gives the entries that stand, the signatures to verify, and the fault
    /// that ends the log.
    pub(super) fn take(&mut self, bundle: Bundle<F::Error>) -> (Vec<Entry>, Vec<Check>, Option<FsckError<F::Error>>) {
        let Bundle { mut entries, leaves, subtree, opened, openings, lists, lists_missing, fault } = bundle;
        let mut checks = Vec::with_capacity(entries.len() * 2);
        // Of the bundle in which an earlier check ended.
        let known = std::mem::take(&mut self.reached.rest);
        if let Some(place) = known.iter().zip(&leaves).position(|(known, leaf)| known != leaf) {
            let finding =
                finding(self.bundle * TILE_WIDTH + place as u64, "leaf", "is not the entry that was checked before");
            return (Vec::new(), checks, Some(finding.into()));
        }
        for place in known.len()..entries.len() {
            let entry = &entries[place];
            if let Err(finding) = self.entry(place, entry, openings.get(&entry.index), &mut checks) {
                checks.retain(|check| check.entry < place);
                entries.truncate(place);
                return (entries, checks, Some(finding.into()));
            }
            if entry.content.statement().is_some() {
                self.count_openings(entry.index, opened[place]);
            }
        }
        let fault = fault.or_else(|| self.grow(&leaves, subtree).err());
        self.bundle += 1;
        self.report.lists += lists;
        self.report.lists_missing += lists_missing;
        self.report.signatures += checks.len() as u64;
        (entries, checks, fault)
    }

    fn entry(
        &mut self,
        place: usize,
        entry: &Entry,
        openings: Option<&Openings>,
        checks: &mut Vec<Check>,
    ) -> Result<(), Finding> {
        let index = self.bundle * TILE_WIDTH + place as u64;
        let refuse = |field: &str, reason: String| Err(finding(index, field, reason));
        if entry.index != index {
            return refuse("index", format!("the entry says {}", entry.index));
        }
        if entry.prev != self.reached.head {
            let reason = format!("the entry says {}, the entry before hashes to {}", entry.prev, self.reached.head);
            return refuse("prev", reason);
        }
        if self.reached.recorded_at.is_some_and(|before| entry.recorded_at < before) {
            return refuse("recorded_at", "is before that of the entry before".to_owned());
        }
        if entry.content.origin() != self.shared.checkpoint.origin {
            let reason = format!("is for {}", entry.content.origin());
            return refuse("origin", reason);
        }
        self.map_root(index, entry)?;
        self.beginning(index, entry)?;
        self.continue_stream(index, entry)?;
        self.signatures(place, index, entry, openings, checks)?;
        self.reached.head = entry.hash;
        self.reached.recorded_at = Some(entry.recorded_at);
        Ok(())
    }

    /// Remembers what an entry names as a beginning of this log, to be compared when the tree is complete.
    fn beginning(&mut self, index: u64, entry: &Entry) -> Result<(), Finding> {
        let Some(named) = self.authority.beginning(entry) else { return Ok(()) };
        if named.size > index {
            return Err(finding(index, "beginning", format!("names {} entries, there were {index}", named.size)));
        }
        self.beginnings.push((index, named));
        Ok(())
    }

    fn compare_beginnings(&self) -> Outcome<(), F> {
        let Checkpoint { size, root, .. } = self.shared.checkpoint;
        for (index, named) in &self.beginnings {
            let refuse = |reason: String| finding(*index, "beginning", reason);
            let proof = merkle::prove_consistency(named.size, *size, &Tiles(self.shared.fetch));
            let proof = proof.map_err(|error| match error {
                ProveError::Read { path, source } => FsckError::Read { path: path.to_string(), source },
                other => refuse(other.to_string()).into(),
            })?;
            if merkle::verify_consistency(named.size, *size, &named.root, root, &proof).is_err() {
                return Err(
                    refuse(format!("the tree of {} entries that it names is not this log's", named.size)).into()
                );
            }
        }
        Ok(())
    }

    /// Compares the map's root with what an entry says it to be.
    fn map_root(&mut self, index: u64, entry: &Entry) -> Result<(), Finding> {
        let Some(stated) = self.authority.map_root(entry) else { return Ok(()) };
        let root = self.reached.map.root_at(stated.size, index);
        if root != Some(stated.root) {
            let found = root.map_or_else(|| "cannot be known so late".to_owned(), |root| format!("is {root}"));
            let reason = format!("says {} for {} entries, the map's root {found}", stated.root, stated.size);
            return Err(finding(index, "map root", reason));
        }
        self.report.map_roots += 1;
        Ok(())
    }

    fn continue_stream(&mut self, index: u64, entry: &Entry) -> Result<(), Finding> {
        let Some(signed) = entry.content.statement() else {
            self.report.sealed += 1;
            return Ok(());
        };
        self.report.statements += 1;
        let statement = &signed.statement;
        let (stream, revision) = (&statement.stream, statement.revision);
        let before = self.reached.map.advance(index, statement, &signed.hash);
        let next = before.count;
        if revision != next {
            let reason = format!("{stream} is at revision {next}, the statement says {revision}");
            return Err(finding(index, "revision", reason));
        }
        if statement.parent != (next > 0).then_some(before.hash) {
            let reason = "is not the statement before it in the stream";
            return Err(finding(index, "parent", reason));
        }
        Ok(())
    }

    fn signatures(
        &mut self,
        place: usize,
        index: u64,
        entry: &Entry,
        openings: Option<&Openings>,
        checks: &mut Vec<Check>,
    ) -> Result<(), Finding> {
        let lines = &entry.content.note().signatures;
        if entry.content.statement().is_none() && lines.len() != 1 {
            let reason = "a sealed period has exactly one";
            return Err(finding(index, "signatures", reason));
        }
        let known = |authority: &A| -> Vec<Option<VerifierKey>> {
            let key = |name: &str| authority.key(name).cloned();
            lines.iter().map(|line| key(&line.name)).collect()
        };
        let before = known(self.authority);
        self.authority.observe(entry, openings).map_err(|reason| finding(index, "authority", reason))?;
        for (line, (signature, key)) in lines.iter().zip(before).enumerate() {
            // A log's new key has the name of the one before: the entry that brings it is signed by the new one.
            let key = key.filter(|key| signature.is_by(key));
            let key = key.or_else(|| self.authority.key(&signature.name).cloned());
            let key = key.filter(|key| signature.is_by(key) && key.kind() == KeyKind::Ed25519);
            let key = key.ok_or_else(|| {
                let field = signature_of(Some(&signature.name));
                finding(index, field, "the key is not known at this index")
            })?;
            checks.push(Check { entry: place, line, key });
        }
        Ok(())
    }

    fn count_openings(&mut self, index: u64, is_there: bool) {
        if is_there {
            self.report.openings += 1;
        } else {
            self.report.openings_missing += 1;
            self.report.first_without_openings.get_or_insert(index);
        }
    }

    /// Appends a bundle's leaves to the tree, compares the tiles above that became full, and the root
    /// of the old checkpoint when its size is passed.
    fn grow(&mut self, leaves: &[TreeHash], subtree: TreeHash) -> Outcome<(), F> {
        let size = self.reached.edge.size();
        let end = size + leaves.len() as u64;
        if let Some(old) = self.old.filter(|old| old.size > size && old.size <= end) {
            let mut edge = self.reached.edge.clone();
            let until = usize::try_from(old.size - size).unwrap_or(leaves.len());
            append(&mut edge, &leaves[..until])?;
            if edge.root() != old.root {
                let reason = format!(
                    "at {} entries the root is {}, it was {}: history was rewritten",
                    old.size,
                    edge.root(),
                    old.root
                );
                return Err(finding(None, "old checkpoint", reason).into());
            }
        }
        if leaves.len() as u64 != TILE_WIDTH {
            self.reached.rest = leaves.to_vec();
            return Ok(());
        }
        self.reached.edge.append_subtree(8, subtree).map_err(|error| full(&error))?;
        let mut hash = subtree;
        for level in 1u8.. {
            let place = usize::from(level) - 1;
            if self.reached.levels.len() == place {
                self.reached.levels.push(Vec::with_capacity(256));
            }
            self.reached.levels[place].push(hash);
            if (self.reached.levels[place].len() as u64) < TILE_WIDTH {
                break;
            }
            let tile = std::mem::take(&mut self.reached.levels[place]);
            let number = (self.reached.edge.size() >> (8 * u32::from(level))) / TILE_WIDTH - 1;
            self.compare(level, number, &tile)?;
            hash = merkle::root_of(&tile);
        }
        Ok(())
    }

    fn compare(&self, level: u8, number: u64, tile: &[TreeHash]) -> Outcome<(), F> {
        let path = TilePath::hashes(level, number, tile.len() as u64)
            .map_err(|error| finding(None, "tile", error.to_string()))?;
        let stated = self.shared.hashes(path)?;
        match stated.iter().zip(tile).position(|(stated, hash)| stated != hash) {
            Some(item) => {
                let reason = format!("item {item} is {}, the tiles below hash to {}", stated[item], tile[item]);
                Err(finding(None, path.to_string(), reason).into())
            }
            None => Ok(()),
        }
    }

    /// After the last bundle: the partial tiles above level 0, and the root.
    pub(super) fn finish(mut self) -> Outcome<(Report, Reached), F> {
        for (level, tile) in (1u8..).zip(&self.reached.levels) {
            if !tile.is_empty() {
                let count = self.reached.edge.size() >> (8 * u32::from(level));
                self.compare(level, count / TILE_WIDTH, tile)?;
            }
        }
        let root = self.reached.root();
        let stated = self.shared.checkpoint.root;
        if root != stated {
            let reason = format!("says root {stated}, the entries have {root}");
            return Err(finding(None, "checkpoint", reason).into());
        }
        self.compare_beginnings()?;
        self.report.root = root;
        self.report.head = self.reached.head;
        self.report.streams = self.reached.map.streams();
        Ok((self.report, self.reached))
    }
}

fn full(error: &merkle::MerkleError) -> Finding {
    finding(None, "checkpoint", error.to_string())
}

fn append(edge: &mut Edge, leaves: &[TreeHash]) -> Result<(), Finding> {
    leaves.iter().try_for_each(|leaf| edge.append(*leaf)).map_err(|error| full(&error))
}
