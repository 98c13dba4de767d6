//! Reading a bundle, and what needs nothing but it: form, leaf, signers, openings, lists.

use std::collections::BTreeMap;

use super::{Fetch, Finding, FsckError, Outcome, Shared, Tiles, chain, finding, signature_of};
use crate::{
    checkpoint::Checkpoint,
    entry::Entry,
    hash::TreeHash,
    list::List,
    merkle,
    slot::{self, Line, Openings, SlotError},
    statement::Statement,
    tile::{TILE_WIDTH, TilePath, decode_bundle, level_tiles, lines_path, openings_path},
};

/// A bundle that was read: the entries up to the first fault that shows within it.
pub(super) struct Bundle<E: std::error::Error + Send + Sync + 'static> {
    pub(super) entries: Vec<Entry>,
    pub(super) leaves: Vec<TreeHash>,
    pub(super) subtree: TreeHash,
    // Which entries have a line in the openings file, and the lines where somebody reads them.
    pub(super) opened: Vec<bool>,
    pub(super) openings: BTreeMap<u64, Openings>,
    pub(super) lists: u64,
    pub(super) lists_missing: u64,
    pub(super) fault: Option<FsckError<E>>,
}

impl<F: Fetch> Shared<'_, F> {
    fn path(&self, number: u64) -> (TilePath, TilePath) {
        let width = level_tiles(self.checkpoint.size, 0).width(number);
        let path =
            TilePath::entries(number, width).expect("only bundles below the size are read, so the width is 1 to 256");
        let hashes = TilePath::hashes(0, number, width).expect("as above");
        (path, hashes)
    }

    pub(super) fn read_bundle(&self, number: u64) -> Bundle<F::Error> {
        let mut bundle = Bundle {
            entries: Vec::new(),
            leaves: Vec::with_capacity(256),
            subtree: merkle::empty_root(),
            opened: Vec::with_capacity(256),
            openings: BTreeMap::new(),
            lists: 0,
            lists_missing: 0,
            fault: None,
        };
        bundle.fault = self.fill(number, &mut bundle).err();
        bundle.subtree = merkle::root_of(&bundle.leaves);
        bundle
    }

    fn fill(&self, number: u64, bundle: &mut Bundle<F::Error>) -> Outcome<(), F> {
        let (path, hashes_path) = self.path(number);
        let bytes = self.tile(path)?;
        let refuse = |reason| finding(None, path.to_string(), reason);
        let entries = decode_bundle(&bytes).map_err(|error| refuse(error.to_string()))?;
        if entries.len() as u64 != path.width() {
            return Err(refuse(format!("has {} entries", entries.len())).into());
        }
        let hashes = self.hashes(hashes_path)?;
        // A malformed line of the openings file is no entry's fault: named after the entries.
        let mut malformed = None;
        let openings = self.openings(number).unwrap_or_else(|fault| {
            malformed = Some(fault);
            Vec::new()
        });
        let lines = self.lines(number, &openings).unwrap_or_else(|fault| {
            malformed = Some(fault.into());
            Vec::new()
        });
        let (mut parsed, unreadable) = Entry::parse_all(&entries);
        let unreadable = unreadable.map(|error| {
            let index = number * TILE_WIDTH + parsed.len() as u64;
            finding(index, error.field(), chain(&error)).into()
        });
        let checked = check_lines(number, &parsed, &lines);
        let found = parsed.iter().zip(&hashes).zip(checked).try_for_each(|((entry, stated), line)| {
            let line = line.map(|(line, checked)| (&lines[line], checked));
            self.entry((number, hashes_path), entry, stated, line, bundle)
        });
        // Only what stands is taken further.
        parsed.truncate(bundle.leaves.len());
        bundle.entries = parsed;
        found?;
        unreadable.or(malformed).map_or(Ok(()), Err)
    }

    /// What needs the next entry of a bundle only.
    fn entry(
        &self,
        (number, hashes_path): (u64, TilePath),
        entry: &Entry,
        stated: &TreeHash,
        line: Option<(&Line<'_>, Result<(), SlotError>)>,
        bundle: &mut Bundle<F::Error>,
    ) -> Outcome<(), F> {
        let index = number * TILE_WIDTH + bundle.leaves.len() as u64;
        let leaf = entry.leaf_hash();
        if leaf != *stated {
            return Err(self.blame(index, hashes_path, &leaf, stated)?.into());
        }
        let is_opened = line.is_some();
        if let Some(signed) = entry.content.statement() {
            signed.signatures().map(drop).map_err(|error| finding(index, signature_of(error.key()), chain(&error)))?;
            if let Some((line, checked)) = line {
                let refuse = |error| finding(index, openings_path(number), chain(&error));
                checked.map_err(refuse)?;
                if self.reads_openings {
                    bundle.openings.insert(index, line.openings().map_err(refuse)?);
                }
            }
            if index >= self.known {
                self.check_list(index, &signed.statement, bundle)?;
            }
        } else if is_opened {
            let reason = "a sealed period has no openings";
            return Err(finding(index, openings_path(number), reason).into());
        }
        bundle.leaves.push(leaf);
        bundle.opened.push(is_opened);
        Ok(())
    }

    /// Says whether entry or tile is at fault when they differ: the one that the checkpoint binds is
    /// not.
    fn blame(&self, index: u64, path: TilePath, leaf: &TreeHash, stated: &TreeHash) -> Outcome<Finding, F> {
        let Checkpoint { size, root, .. } = self.checkpoint;
        let proof = match merkle::prove_inclusion(index, *size, &Tiles(self.fetch)) {
            Ok(proof) => proof,
            Err(merkle::ProveError::Read { path, source }) => {
                let path = path.to_string();
                return Err(FsckError::Read { path, source });
            }
            Err(_) => Vec::new(),
        };
        let bound = |leaf| merkle::verify_inclusion(index, *size, leaf, &proof, root).is_ok();
        Ok(if bound(leaf) {
            let item = index % TILE_WIDTH;
            let reason = format!("item {item} is {stated}, entry {index} hashes to {leaf}");
            finding(index, path.to_string(), reason)
        } else {
            let by = if bound(stated) { "checkpoint" } else { "tile" };
            let reason = format!("the entry hashes to {leaf}, the {by} says {stated}");
            finding(index, "leaf", reason)
        })
    }

    /// The openings file of a bundle; empty where there is none.
    fn openings(&self, number: u64) -> Outcome<Vec<u8>, F> {
        let bytes = if self.check_openings { self.extra(&openings_path(number))? } else { None };
        Ok(bytes.unwrap_or_default())
    }

    /// Its lines, but for those beyond the checkpoint.
    fn lines<'t>(&self, number: u64, bytes: &'t [u8]) -> Result<Vec<Line<'t>>, Finding> {
        let refuse = |error| finding(None, openings_path(number), chain(&error));
        let mut lines = slot::parse_lines(bytes, number).map_err(refuse)?;
        lines.truncate(lines.partition_point(|line| line.index < self.checkpoint.size));
        Ok(lines)
    }

    fn check_list(&self, index: u64, statement: &Statement, bundle: &mut Bundle<F::Error>) -> Outcome<(), F> {
        if !self.check_openings {
            return Ok(());
        }
        let (Some(lines), Some(count)) = (statement.lines_root(), statement.lines_count()) else {
            return Ok(());
        };
        let path = lines_path(&lines);
        let Some(bytes) = self.extra(&path)? else {
            bundle.lists_missing += 1;
            return Ok(());
        };
        let refuse = |reason: String| finding(index, path.as_str(), reason);
        let text = str::from_utf8(&bytes).map_err(|_| refuse("not UTF-8".to_owned()))?;
        let list = List::parse(text).map_err(|error| refuse(chain(&error)))?;
        let Statement { origin, stream, revision, .. } = statement;
        list.check(origin, stream, *revision, &lines, count).map_err(|error| refuse(chain(&error)))?;
        bundle.lists += 1;
        Ok(())
    }
}

/// Lines are checked so many at a time, so that what is hashed stays near the processor.
const LINES_AT_ONCE: usize = 32;

/// The place of the line of each of these first entries of a bundle, with what was found of it; the lines are in the order
/// of their indexes.
fn check_lines(number: u64, entries: &[Entry], lines: &[Line<'_>]) -> Vec<Option<(usize, Result<(), SlotError>)>> {
    let mut of_lines = lines.iter().enumerate().peekable();
    let pairs = (number * TILE_WIDTH..).zip(entries).map(|(index, entry)| {
        let (place, line) = of_lines.next_if(|(_, line)| line.index == index)?;
        Some((place, line, entry.content.statement().map(|signed| &signed.statement)))
    });
    let pairs: Vec<_> = pairs.collect();
    let of_statements: Vec<_> = pairs.iter().flatten().filter_map(|(_, line, of)| of.map(|of| (*line, of))).collect();
    let mut checked = of_statements.chunks(LINES_AT_ONCE).flat_map(slot::check_all);
    // The line of what is no statement is a fault of its own.
    let found = pairs.iter().map(|pair| {
        let (place, _, of) = pair.as_ref()?;
        Some((*place, if of.is_some() { checked.next().unwrap_or(Err(SlotError::Root)) } else { Ok(()) }))
    });
    found.collect()
}
