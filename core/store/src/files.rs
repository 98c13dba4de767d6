//! The published files of a directory: written whole or not at all, flushed together, and mended on start.
//!
//! Who has a bucket too asks here what that does not have yet ([`Change`]). Not here: what is written (`publisher`), and
//! putting it there (`outlet`).

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use gongkai_log::TilePath;

use crate::{error::StoreError, layout::Layout};

/// How long partial tiles stay after their tile is full (c2sp.org/tlog-tiles: an hour or more is kind
/// to readers of older checkpoints).
pub(crate) const PARTIALS_KEPT: Duration = Duration::from_hours(1);

/// What happened to a file, for whoever has to do the same elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A tile: it never changes.
    Fixed,
    /// An attachment: it never changes, and can be taken away.
    Attachment,
    /// The openings of a bundle, which follow what is withdrawn.
    Openings(u64),
    /// The lines of an entry, which do too.
    Lines(u64),
    /// What the ledger says of itself: key and policy.
    Said,
    /// It was taken away.
    Gone,
}

/// Writes published files: whole or not at all, as readers see it.
#[derive(Debug)]
pub(crate) struct Files {
    draft: PathBuf,
    // Written since the durable mark; partial tiles are not, they are cut again on start.
    unflushed: BTreeSet<PathBuf>,
    // Directories that exist.
    folders: BTreeSet<PathBuf>,
    // Partial tiles of the last publication, which need not be written again.
    partial: BTreeSet<PathBuf>,
    // Folders of partial tiles whose tile is full, and since when.
    superseded: VecDeque<(Instant, PathBuf)>,
    // How long those stay.
    partials_kept: Duration,
    // Set on start: compare before writing, and tell what was not there.
    repairing: Option<Vec<PathBuf>>,
    // What a bucket does not have yet as it is here; `None` without one.
    changed: Option<BTreeMap<PathBuf, Change>>,
}

impl Files {
    /// Nothing is touched yet.
    pub(crate) fn new(layout: &Layout, bucket: bool) -> Self {
        Self {
            draft: layout.log().join(".draft"),
            unflushed: BTreeSet::new(),
            folders: BTreeSet::new(),
            partial: BTreeSet::new(),
            superseded: VecDeque::new(),
            partials_kept: PARTIALS_KEPT,
            repairing: Some(Vec::new()),
            changed: bucket.then(BTreeMap::new),
        }
    }

    /// Keeps superseded partial tiles for another time than usual.
    pub(crate) fn keep_partials(&mut self, kept: Duration) {
        self.partials_kept = kept;
    }

    /// Ends the repair; gives the files that were missing or torn.
    pub(crate) fn repaired(&mut self) -> Vec<PathBuf> {
        self.repairing.take().unwrap_or_default()
    }

    /// Puts a file in place. Readers see the old bytes or the new ones; after a crash it may be torn,
    /// and is then repaired on start.
    pub(crate) fn write(&mut self, path: &Path, bytes: &[u8], change: Change) -> Result<(), StoreError> {
        self.note(path, change);
        self.replace(path, bytes)
    }

    /// The same for the one file that makes the others count: it is put into a bucket by itself.
    pub(crate) fn replace(&mut self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        self.unflushed.insert(path.to_owned());
        if let Some(repaired) = &mut self.repairing {
            if fs::read(path).is_ok_and(|there| there == bytes) {
                return Ok(());
            }
            repaired.push(path.to_owned());
        }
        self.folder_of(path)?;
        let put = fs::write(&self.draft, bytes).and_then(|()| fs::rename(&self.draft, path));
        put.map_err(|e| StoreError::file("writing", path, e))
    }

    pub(crate) fn write_partial(&mut self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        if self.repairing.is_none() && self.partial.contains(path) {
            return Ok(());
        }
        self.write(path, bytes, Change::Fixed)?;
        self.unflushed.remove(path);
        // A wider partial tile of the same place replaces the narrower one in the set.
        self.partial.retain(|other| other.parent() != path.parent());
        self.partial.insert(path.to_owned());
        Ok(())
    }

    /// Takes a file away, for good: what stands in the folder is flushed with the rest.
    pub(crate) fn remove(&mut self, path: &Path) -> Result<(), StoreError> {
        self.note(path, Change::Gone);
        self.unflushed.remove(path);
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::file("removing", path, error)),
            Err(_) => Ok(()),
            Ok(()) => {
                self.unflushed.extend(path.parent().map(Path::to_owned));
                Ok(())
            }
        }
    }

    /// Publishes an attachment under its hash, without copying it where the file system can.
    pub(crate) fn link(&mut self, from: &Path, to: &Path) -> Result<(), StoreError> {
        self.note(to, Change::Attachment);
        self.unflushed.insert(to.to_owned());
        if to.exists() {
            return Ok(());
        }
        if let Some(repaired) = &mut self.repairing {
            repaired.push(to.to_owned());
        }
        self.folder_of(to)?;
        let put = fs::hard_link(from, &self.draft)
            .or_else(|_| fs::copy(from, &self.draft).map(drop))
            .and_then(|()| fs::rename(&self.draft, to));
        put.map_err(|e| StoreError::file("publishing attachment", from, e))
    }

    fn note(&mut self, path: &Path, change: Change) {
        if let Some(changed) = &mut self.changed {
            changed.insert(path.to_owned(), change);
        }
    }

    /// What a bucket does not have yet.
    pub(crate) fn changed(&self) -> Vec<(PathBuf, Change)> {
        self.changed.iter().flatten().map(|(path, change)| (path.clone(), *change)).collect()
    }

    /// It has this now.
    pub(crate) fn settle(&mut self, path: &Path) {
        if let Some(changed) = &mut self.changed {
            changed.remove(path);
        }
    }

    fn folder_of(&mut self, path: &Path) -> Result<(), StoreError> {
        let folder = path.parent().unwrap_or(path);
        if !self.folders.contains(folder) {
            fs::create_dir_all(folder).map_err(|e| StoreError::file("making folder", folder, e))?;
            self.folders.insert(folder.to_owned());
        }
        Ok(())
    }

    /// Remembers that the partial tiles of a full one can go, later.
    pub(crate) fn supersede(&mut self, layout: &Layout, path: &TilePath) {
        let mut folder = layout.tile(path).into_os_string();
        folder.push(".p");
        let folder = PathBuf::from(folder);
        self.partial.retain(|partial| !partial.starts_with(&folder));
        self.superseded.push_back((Instant::now(), folder));
    }

    /// Removes partial tiles that nobody needs any more, and gives their folders. What cannot be removed only takes space.
    pub(crate) fn remove_superseded(&mut self) -> Vec<PathBuf> {
        let mut removed = Vec::new();
        while self.superseded.front().is_some_and(|(since, _)| since.elapsed() >= self.partials_kept) {
            let Some((_, folder)) = self.superseded.pop_front() else { break };
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(folder = %folder.display(), %error, "partial tiles were not removed");
                }
                _ => drop(self.folders.remove(&folder)),
            }
            removed.push(folder);
        }
        removed
    }

    /// Forces everything since the last time to the disk, folders included.
    pub(crate) fn flush(&mut self) -> Result<(), StoreError> {
        let folders: BTreeSet<PathBuf> =
            self.unflushed.iter().flat_map(|path| path.ancestors().skip(1).take(5)).map(Path::to_owned).collect();
        let root = self.draft.parent().unwrap_or(&self.draft);
        for path in self.unflushed.iter().chain(folders.iter().filter(|folder| folder.starts_with(root))) {
            let flushed = fs::File::open(path).and_then(|file| file.sync_all());
            flushed.map_err(|e| StoreError::file("flushing", path, e))?;
        }
        self.unflushed.clear();
        Ok(())
    }
}

/// Folders of partial tiles beside full ones, wherever they are: what earlier runs had no time to remove.
pub(crate) fn superseded_before(layout: &Layout, files: &mut Files) {
    let mut folders = vec![layout.log().join("tile")];
    while let Some(folder) = folders.pop() {
        // One that is not there has nothing to remove.
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            let found = entry.path();
            if found.extension().is_none_or(|extension| extension != "p") {
                folders.push(found);
            } else if found.with_extension("").is_file() {
                files.superseded.push_back((Instant::now(), found));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_tiles_that_an_earlier_run_left_beside_full_ones_are_found_in_every_folder_and_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        let tiles = layout.log().join("tile");
        let make = |path: &str| {
            fs::create_dir_all(tiles.join(path).parent().unwrap()).unwrap();
            fs::write(tiles.join(path), b"a tile").unwrap();
        };
        let left = ["0/x000/005.p", "0/x001/001.p", "1/000.p", "entries/x000/x012/034.p"];
        for partial in left {
            make(partial.trim_end_matches(".p"));
            make(&format!("{partial}/17"));
        }
        make("0/x001/002.p/17");
        make("0/x001/000");
        let mut files = Files::new(&layout, false);
        superseded_before(&layout, &mut files);
        let found: BTreeSet<PathBuf> = files.superseded.iter().map(|(_, path)| path.clone()).collect();
        assert_eq!(found, left.iter().map(|path| tiles.join(path)).collect());
    }
}
