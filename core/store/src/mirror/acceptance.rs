//! What follows when a longer log was verified: withdrawals are followed, and the files are put in their places.
//!
//! First everything is made ready in the staging folder, so that nothing has changed when something fails. Then, and in
//! this order: attachments, lists, openings, bundles, hash tiles, whole folders at once where they are new; folders are
//! forced to the disk; withdrawn attachments are taken away; the withdrawals are recorded; and last the checkpoint is
//! replaced. After a crash in between, the old checkpoint stands over its files, of which none has lost anything but what
//! was withdrawn, and the next attempt does the rest again.
//!
//! What was open before and was not withdrawn is kept, also where the source no longer gives it. What was withdrawn goes,
//! also where the source still gives it: the commitment stays, and the file is what the ledger itself would publish.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use gongkai_domain::{Kind, kind};
use gongkai_log::{
    Content, Digest, Fetch as _, Finding, List, Row, Statement, TilePath, slot,
    tile::{self, TILE_WIDTH, TileKind, level_tiles},
};

use super::{
    MirrorFault, Refused,
    records::{Record, SourceShows},
    source::{Source, attachment_path},
    staging::{Attached, StagedError, Staging, flush},
    watching::{Found, Withdrawn},
};
use crate::{
    error::StoreError,
    layout::Layout,
    log_fetch::ANOTHER_HASH,
    reader::{chain, parse_entry, parse_list},
    withdrawal::Withdrawable,
};

/// See the module.
pub(super) struct Acceptance<'a, S: Source> {
    staging: &'a Staging<'a, S>,
    layout: &'a Layout,
    // Lines of openings files that are not simply those of the source, by bundle and index.
    bundles: BTreeMap<u64, BTreeMap<u64, String>>,
    // Lists from which something was withdrawn.
    lists: BTreeMap<Digest, String>,
    // Files that withdrawn lines named.
    gone: BTreeSet<Digest>,
    /// The withdrawals, as they were followed.
    pub records: Vec<Record>,
}

type Done<T, S> = Result<T, MirrorFault<<S as gongkai_log::Fetch>::Error>>;

impl<'a, S: Source> Acceptance<'a, S> {
    pub fn new(staging: &'a Staging<'a, S>, layout: &'a Layout) -> Self {
        Self {
            staging,
            layout,
            bundles: BTreeMap::new(),
            lists: BTreeMap::new(),
            gone: BTreeSet::new(),
            records: Vec::new(),
        }
    }

    /// Makes everything ready. `may_lack` says that files may be missing because some line was withdrawn before.
    pub fn prepare(&mut self, found: &Found, may_lack: bool) -> Done<(), S> {
        for withdrawn in &found.withdrawals {
            self.withdraw(withdrawn)?;
        }
        self.keep_what_is_still_named()?;
        self.attachments(found, may_lack)?;
        self.ready()
    }

    /// Takes openings out of our copy, wherever they are.
    fn withdraw(&mut self, withdrawn: &Withdrawn) -> Done<(), S> {
        let Withdrawn { index, target, slots, lines, .. } = withdrawn;
        // What the ledger cannot have recorded asks nothing of us.
        if target >= index {
            return Ok(());
        }
        let bytes = self.entry(*target)?;
        let Content::Statement(signed) = parse_entry(*target, bytes.clone())?.content else { return Ok(()) };
        let Some(line) = self.lines_of(*target / TILE_WIDTH)?.get(target).cloned() else { return Ok(()) };
        let root = signed.statement.lines_root();
        let list = root.map(|root| self.list(&root)).transpose()?.flatten();
        let Some(mut entry) = Withdrawable::parse(*target, bytes, Some(line.clone()), list.clone())? else {
            return Ok(());
        };
        let changed = entry.withdraw(slots, lines)?;
        let openings = changed.openings.unwrap_or_default();
        let source = if *target < self.staging.from {
            self.shown_by_source(withdrawn, root)
        } else if openings == line && changed.list == list {
            SourceShows::Removed
        } else {
            SourceShows::StillShown
        };
        let files = named_before_and_not_after(&signed.statement, *target, list.as_deref(), changed.list.as_deref())?;
        self.records.push(Record::new(withdrawn, source, &files));
        self.gone.extend(files);
        self.lines_of(*target / TILE_WIDTH)?.insert(*target, openings);
        if let Some((root, list)) = root.zip(changed.list) {
            self.lists.insert(root, list);
        }
        Ok(())
    }

    /// Whether the source has followed its own withdrawal.
    fn shown_by_source(&self, withdrawn: &Withdrawn, root: Option<Digest>) -> SourceShows {
        let bundle = withdrawn.target / TILE_WIDTH;
        let is_open = || -> Option<bool> {
            if !withdrawn.slots.is_empty() {
                let bytes = self.staging.ask(&tile::openings_path(bundle)).ok()??;
                let all = slot::parse_openings(&bytes, bundle).ok()?;
                let line = all.iter().find(|line| line.index == withdrawn.target)?;
                if line.open.iter().any(|open| withdrawn.slots.contains(&open.slot.into())) {
                    return Some(true);
                }
            }
            if withdrawn.lines.is_empty() {
                return Some(false);
            }
            let bytes = self.staging.ask(&tile::lines_path(&root?)).ok()??;
            let list = List::parse(std::str::from_utf8(&bytes).ok()?).ok()?;
            Some(open_rows(&list).any(|(line, _)| withdrawn.lines.contains(&line)))
        };
        match is_open() {
            Some(false) => SourceShows::Removed,
            Some(true) => SourceShows::StillShown,
            None => SourceShows::Unknown,
        }
    }

    /// The exact bytes of an entry that was verified, now or before.
    fn entry(&self, index: u64) -> Done<Vec<u8>, S> {
        let bundle = self.bundle(index / TILE_WIDTH)?;
        let entries = tile::decode_bundle(&bundle).map_err(|e| StoreError::row(index, "bytes", chain(&e)))?;
        let place = usize::try_from(index % TILE_WIDTH).unwrap_or(usize::MAX);
        let bytes = entries.get(place).ok_or_else(|| StoreError::row(index, "bytes", "missing"))?;
        Ok(bytes.to_vec())
    }

    fn bundle(&self, number: u64) -> Done<Vec<u8>, S> {
        let width = level_tiles(self.staging.size, 0).width(number);
        let path = TilePath::entries(number, width)
            .map_err(|e| StoreError::row(number * TILE_WIDTH, "bytes", e.to_string()))?;
        self.staging.tile(&path).map_err(|error| unreadable(path.to_string(), error))
    }

    /// The lines of an openings file as we publish them: of what was accepted before our own, of the rest the source's.
    fn lines_of(&mut self, bundle: u64) -> Done<&mut BTreeMap<u64, String>, S> {
        if !self.bundles.contains_key(&bundle) {
            let (start, from, size) = (bundle * TILE_WIDTH, self.staging.from, self.staging.size);
            let mut lines = BTreeMap::new();
            if start < from {
                let own = self.staging.accepted(&tile::openings_path(bundle))?.unwrap_or_default();
                lines.extend(indexed(&own, bundle)?.into_iter().filter(|(index, _)| *index < from));
            }
            if start + TILE_WIDTH > from {
                let given = self.staging.staged(&self.staging.openings_name(bundle))?.unwrap_or_default();
                let new = indexed(&given, bundle)?.into_iter();
                lines.extend(new.filter(|(index, _)| (from..size).contains(index)));
            }
            self.bundles.insert(bundle, lines);
        }
        Ok(self.bundles.entry(bundle).or_default())
    }

    /// A list as we publish it.
    fn list(&self, root: &Digest) -> Result<Option<String>, StoreError> {
        if let Some(text) = self.lists.get(root) {
            return Ok(Some(text.clone()));
        }
        let path = tile::lines_path(root);
        let bytes = match self.staging.staged(&path)? {
            Some(bytes) => Some(bytes),
            None => self.staging.accepted(&path)?,
        };
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Files that withdrawn lines named stay while something else names them. Withdrawn files are rare, so everything
    /// is read for it rather than an index kept.
    fn keep_what_is_still_named(&mut self) -> Done<(), S> {
        if self.gone.is_empty() {
            return Ok(());
        }
        let mut wanted: BTreeMap<Digest, String> = self.gone.iter().map(|hash| (*hash, hash.to_string())).collect();
        let mut look = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            wanted.retain(|_, hash| !text.contains(hash.as_str()));
        };
        for number in 0..self.staging.size.div_ceil(TILE_WIDTH) {
            look(&self.bundle(number)?);
        }
        let folder = self.layout.log().join("lines");
        let there = if folder.is_dir() { list_of(&folder)? } else { Vec::new() };
        let staged = self.staging.names().into_iter().filter(|name| name.starts_with("lines/"));
        let names: BTreeSet<String> = there.into_iter().map(|name| format!("lines/{name}")).chain(staged).collect();
        for name in names {
            let root = name.strip_prefix("lines/").and_then(|hex| Digest::from_hex(hex).ok());
            let Some(root) = root else { continue };
            look(self.list(&root)?.unwrap_or_default().as_bytes());
        }
        self.gone = wanted.into_keys().collect();
        Ok(())
    }

    /// Fetches every file that the new entries and lines name and that was not withdrawn.
    fn attachments(&self, found: &Found, may_lack: bool) -> Done<(), S> {
        let mut wanted: BTreeSet<Digest> = found.attached.iter().copied().collect();
        for naming in &found.naming {
            let text = self.list(&naming.root)?;
            wanted.extend(files(naming.kind, &naming.body, 0, text.as_deref())?);
        }
        let is_new = |hash: &Digest| !self.gone.contains(hash) && !self.layout.published_attachment(hash).is_file();
        let wanted: Vec<Digest> = wanted.into_iter().filter(is_new).collect();
        let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
        let work = || {
            while let Some(hash) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                let fault = match self.staging.attachment(hash) {
                    Ok(Attached::Staged) => continue,
                    Ok(Attached::Missing) if may_lack => continue,
                    Ok(Attached::Missing) => Refused::Incomplete(vec![attachment_path(hash)]).into(),
                    Ok(Attached::Another) => Refused::Finding(Finding {
                        index: None,
                        field: attachment_path(hash),
                        reason: ANOTHER_HASH.to_owned(),
                    })
                    .into(),
                    Err(error) => unreadable(attachment_path(hash), error),
                };
                next.store(wanted.len(), Ordering::Relaxed);
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
                return;
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.staging.connections_max() {
                scope.spawn(work);
            }
            work();
        });
        failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// Writes the files that are neither the source's nor ours as they are.
    fn ready(&mut self) -> Done<(), S> {
        let (from, size) = (self.staging.from, self.staging.size);
        // The bundle in which the last acceptance ended, and the one in which this one does.
        for (bundle, is_cut) in
            [(from / TILE_WIDTH, from % TILE_WIDTH != 0), (size / TILE_WIDTH, size % TILE_WIDTH != 0)]
        {
            if is_cut {
                self.lines_of(bundle)?;
            }
        }
        for (bundle, lines) in &self.bundles {
            let text: String = lines.values().flat_map(|line| [line.as_str(), "\n"]).collect();
            self.staging.put(&ready(&tile::openings_path(*bundle)), text.as_bytes())?;
        }
        for (root, text) in &self.lists {
            self.staging.put(&ready(&tile::lines_path(root)), text.as_bytes())?;
        }
        Ok(())
    }

    /// Puts everything in its place, but for the checkpoint.
    pub fn put_in_place(&self) -> Result<(), StoreError> {
        let log = self.layout.log();
        let mut folders = BTreeSet::new();
        let moves = self.moves();
        for of_folder in moves.chunk_by(|(_, one), (_, next)| Path::new(one).parent() == Path::new(next).parent()) {
            let Some(folder) = of_folder.first().and_then(|(_, target)| log.join(target).parent().map(Path::to_owned))
            else {
                continue;
            };
            if !self.move_whole(of_folder, &folder)? {
                make_folder(&folder)?;
                for (name, target) in of_folder {
                    rename(&self.staging.path(name), &log.join(target))?;
                }
            }
            folders.insert(folder);
        }
        for hash in &self.gone {
            let path = self.layout.published_attachment(hash);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StoreError::file("removing", path, error));
                }
                Err(_) => {}
                Ok(()) => folders.extend(path.parent().map(Path::to_owned)),
            }
        }
        let above: BTreeSet<PathBuf> =
            folders.iter().flat_map(|folder| folder.ancestors()).map(Path::to_owned).collect();
        above.iter().rev().filter(|folder| folder.starts_with(&log)).try_for_each(|folder| flush(folder))
    }

    /// Moves a staged folder as it is, if it is to become this one, which is not there yet, and holds nothing else: a log
    /// that is copied as a whole has a thousand files in each. Whether it was.
    fn move_whole(&self, moves: &[(String, String)], folder: &Path) -> Result<bool, StoreError> {
        let as_it_is = moves.iter().all(|(name, target)| name == target);
        let Some((name, _)) = moves.first().filter(|_| as_it_is && !folder.exists()) else { return Ok(false) };
        let Some(staged) = self.staging.path(name).parent().map(Path::to_owned) else { return Ok(false) };
        let file_name = |name: &String| Path::new(name).file_name().map(|name| name.to_string_lossy().into_owned());
        let named: BTreeSet<String> = moves.iter().filter_map(|(name, _)| file_name(name)).collect();
        // What an earlier attempt left and this one did not read is not verified.
        if list_of(&staged)?.into_iter().collect::<BTreeSet<_>>() != named {
            return Ok(false);
        }
        if let Some(above) = folder.parent() {
            make_folder(above)?;
        }
        rename(&staged, folder)?;
        Ok(true)
    }

    /// Staged names with the paths below `log/` where they belong, in the order in which they are moved.
    fn moves(&self) -> Vec<(String, String)> {
        let names = self.staging.names();
        let mut moves = Vec::with_capacity(names.len());
        for name in &names {
            let target = if let Some(path) = name.strip_prefix(READY) {
                path.to_owned()
            } else if let Some(bundle) = tile::parse_openings_path(name) {
                // One that was made ready goes in its stead.
                if self.bundles.contains_key(&bundle) {
                    continue;
                }
                name.clone()
            } else if name.starts_with("openings/") || names.contains(&ready(name)) {
                continue;
            } else if let Some(hash) = name.strip_prefix("attachment/").and_then(|hex| Digest::from_hex(hex).ok()) {
                if self.gone.contains(&hash) {
                    continue;
                }
                name.clone()
            } else {
                name.clone()
            };
            moves.push((name.clone(), target));
        }
        moves.sort_by_cached_key(|(_, target)| (turn(target), target.clone()));
        moves
    }
}

/// Below this folder lies what was made ready.
const READY: &str = "ready/";

fn ready(path: &str) -> String {
    format!("{READY}{path}")
}

/// When a file is moved: what others lead to before what leads to it.
fn turn(path: &str) -> u8 {
    match TilePath::parse(path).map(|path| path.kind()) {
        Ok(TileKind::Entries) => 3,
        Ok(TileKind::Hashes(level)) => 4 + level,
        Err(_) if path.starts_with("attachment/") => 0,
        Err(_) if path.starts_with("lines/") => 1,
        Err(_) => 2,
    }
}

/// Removes the partial tiles of those that became full: readers of an older checkpoint get them cut from the full one.
pub(super) fn remove_superseded(layout: &Layout, from: u64, size: u64) {
    for path in tile::new_tiles(from, size).iter().filter(|path| path.is_full()) {
        let mut folder = layout.tile(path).into_os_string();
        folder.push(".p");
        // It only takes space.
        if let Err(error) = fs::remove_dir_all(&folder)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(?folder, %error, "partial tiles were not removed");
        }
    }
}

fn unreadable<E: std::error::Error + Send + Sync + 'static>(path: String, error: StagedError<E>) -> MirrorFault<E> {
    match error {
        StagedError::Source(source) => MirrorFault::Unreadable { path, source },
        StagedError::Own(error) => error.into(),
    }
}

/// The lines of an openings file that was checked, with their indexes.
fn indexed(bytes: &[u8], bundle: u64) -> Result<Vec<(u64, String)>, StoreError> {
    let wrong = |reason: String| StoreError::row(bundle * TILE_WIDTH, "openings", reason);
    let parsed = slot::parse_openings(bytes, bundle).map_err(|e| wrong(chain(&e)))?;
    let text = std::str::from_utf8(bytes).map_err(|e| wrong(e.to_string()))?;
    Ok(parsed.iter().map(|line| line.index).zip(text.lines().map(str::to_owned)).collect())
}

fn open_rows(list: &List) -> impl Iterator<Item = (u64, &serde_json::Map<String, serde_json::Value>)> {
    list.rows.iter().filter_map(|row| if let Row::Open { line, row, .. } = row { Some((*line, row)) } else { None })
}

/// The files that a statement of this kind names, with its list as it stands.
fn files(
    kind: &Kind,
    body: &serde_json::Map<String, serde_json::Value>,
    index: u64,
    list: Option<&str>,
) -> Result<BTreeSet<Digest>, StoreError> {
    let list = list.map(|text| parse_list(index, text)).transpose()?;
    Ok(kind.files(body, list.iter().flat_map(open_rows).map(|(_, row)| row)))
}

fn named_before_and_not_after(
    statement: &Statement,
    index: u64,
    before: Option<&str>,
    after: Option<&str>,
) -> Result<BTreeSet<Digest>, StoreError> {
    let Some(kind) = kind::find(&statement.kind) else { return Ok(BTreeSet::new()) };
    let (before, after) = (files(kind, &statement.body, index, before)?, files(kind, &statement.body, index, after)?);
    Ok(before.difference(&after).copied().collect())
}

fn make_folder(folder: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(folder).map_err(|e| StoreError::file("making folder", folder, e))
}

fn rename(staged: &Path, target: &Path) -> Result<(), StoreError> {
    fs::rename(staged, target).map_err(|e| StoreError::file("putting in place", target, e))
}

fn list_of(folder: &Path) -> Result<Vec<String>, StoreError> {
    let failed = |e| StoreError::file("listing", folder, e);
    let names = fs::read_dir(folder).map_err(failed)?.map(|entry| Ok(entry.map_err(failed)?.file_name()));
    names.map(|name| name.map(|name| name.to_string_lossy().into_owned())).collect()
}
