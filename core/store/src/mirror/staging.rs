//! The staging folder: what was fetched and not yet believed.
//!
//! [`Staging`] is the log as the checker sees it during an acceptance. A file comes from the first of these that has it:
//! what was accepted before (below `log/`), what an earlier attempt fetched, the source; what the source gave is written
//! to the staging folder and forced to the disk in the background, so that in the end it has only to be renamed. After a
//! kill the next attempt finds the files and fetches only the rest. They are checked like everything else, and where that
//! fails, once more without them ([`Staging::reused`]): what a crash tore is no fault of the source.
//!
//! From a source that is far away, bundles are fetched ahead in their order, over a bounded number of connections. The
//! openings of an unfinished bundle grow and are never taken from an earlier attempt.

use std::{
    collections::{BTreeSet, HashSet},
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use gongkai_log::{
    Digest, Fetch, TilePath,
    tile::{self, TILE_WIDTH, TileKind, level_tiles, parse_openings_path},
};

use super::{
    flushing::{self, OnDrop, Queue},
    source::{Source, attachment_path},
    watching::NamingLists,
};
use crate::{error::StoreError, layout::Layout, log_fetch::DirectoryFetch};

/// In the line of every file that a row names (`{"hash": …, "media_type": …, "size": …}`).
const NAMES_A_FILE: &str = "{\"hash\":\"";

/// Why a file is not there for the checker.
#[derive(Debug, thiserror::Error)]
pub(super) enum StagedError<E: std::error::Error + Send + Sync + 'static> {
    /// The source did not give it.
    #[error(transparent)]
    Source(E),
    /// Our own disk.
    #[error(transparent)]
    Own(StoreError),
}

/// What is staged.
#[derive(Default)]
struct Taken {
    /// Names below the folder of everything that this attempt read, but for what was accepted before.
    names: BTreeSet<String>,
    /// Paths below the log's prefix that the source does not have.
    missing: BTreeSet<String>,
    folders: HashSet<PathBuf>,
}

/// Bundles that are fetched before they are asked for.
struct Ahead {
    next: AtomicU64,
    end: u64,
    // Whether somebody fetches ahead at all, and has not given up.
    running: AtomicBool,
    done: Mutex<BTreeSet<u64>>,
    told: Condvar,
}

/// See the module.
pub(super) struct Staging<'s, S: Source> {
    source: &'s S,
    note: &'s str,
    /// Entries of the checkpoint that is being accepted.
    pub size: u64,
    /// Entries that were accepted before.
    pub from: u64,
    fresh: bool,
    own: DirectoryFetch,
    folder: PathBuf,
    taken: Mutex<Taken>,
    reused: AtomicBool,
    /// Lists that name files.
    pub naming: NamingLists,
    ahead: Ahead,
    connections: Permits,
    drafts: AtomicU64,
    // Closed when everything is flushed at once.
    flushing: Queue,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// So many at a time.
struct Permits {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Permits {
    fn with<T>(&self, work: impl FnOnce() -> T) -> T {
        let mut free = lock(&self.free);
        while *free == 0 {
            free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        drop(free);
        let done = work();
        *lock(&self.free) += 1;
        self.freed.notify_one();
        done
    }
}

type Staged<T, S> = Result<T, StagedError<<S as Fetch>::Error>>;

impl<'s, S: Source> Staging<'s, S> {
    /// A view of the log of this checkpoint. `fresh` leaves what earlier attempts fetched aside.
    pub fn new(source: &'s S, layout: &Layout, folder: &Path, note: &'s str, sizes: (u64, u64), fresh: bool) -> Self {
        let (from, size) = sizes;
        let free = source.connections();
        let ahead = Ahead {
            next: AtomicU64::new(from / TILE_WIDTH),
            end: size.div_ceil(TILE_WIDTH),
            running: AtomicBool::new(free > 0),
            done: Mutex::default(),
            told: Condvar::new(),
        };
        Self {
            source,
            note,
            size,
            from,
            fresh,
            own: DirectoryFetch::new(layout.log()),
            folder: folder.to_owned(),
            taken: Mutex::default(),
            reused: AtomicBool::new(false),
            naming: Mutex::default(),
            ahead,
            connections: Permits { free: Mutex::new(free.max(1)), freed: Condvar::new() },
            drafts: AtomicU64::new(0),
            flushing: Queue::closed(),
        }
    }

    /// Runs `check` while files are fetched ahead and flushed; gives what it gave when all that was staged is on the disk.
    pub fn while_fetching<T>(&self, check: impl FnOnce() -> T) -> Result<T, StoreError> {
        flushing::beside(&self.flushing, flush_and_let_go, || {
            std::thread::scope(|scope| {
                for _ in 0..self.source.connections() {
                    scope.spawn(|| self.fetch_ahead());
                }
                // Also when the check panics: the threads of the scope are waited for.
                let _end = OnDrop(|| self.ahead.stop());
                check()
            })
        })
    }

    /// How many may ask the source at a time.
    pub fn connections_max(&self) -> usize {
        self.source.connections().max(1)
    }

    /// Whether something that an earlier attempt fetched was read.
    pub fn reused(&self) -> bool {
        self.reused.load(Ordering::Relaxed)
    }

    /// Names below the folder of everything that was read and is not in its place yet.
    pub fn names(&self) -> BTreeSet<String> {
        lock(&self.taken).names.clone()
    }

    /// What the source does not have.
    pub fn missing(&self) -> Vec<String> {
        lock(&self.taken).missing.iter().cloned().collect()
    }

    /// Where a staged file lies.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Name of the openings of a bundle in the folder: those of an unfinished one have its width.
    pub fn openings_name(&self, bundle: u64) -> String {
        let path = tile::openings_path(bundle);
        match level_tiles(self.size, 0).width(bundle) {
            TILE_WIDTH => path,
            width => format!("{path}.p/{width}"),
        }
    }

    /// A published file as it was accepted before.
    pub fn accepted(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.own.extra(path)
    }

    /// A staged file of this attempt.
    pub fn staged(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        if lock(&self.taken).names.contains(name) { self.read(name) } else { Ok(None) }
    }

    /// A file as the source has it now.
    pub fn ask(&self, path: &str) -> Result<Option<Vec<u8>>, S::Error> {
        self.connections.with(|| self.source.extra(path))
    }

    /// An attachment with this hash, staged; whether there is one. Bytes of another hash are an answer too.
    pub fn attachment(&self, hash: &Digest) -> Staged<Attached, S> {
        let name = attachment_path(hash);
        let kept =
            self.read(&name).map_err(StagedError::Own)?.filter(|bytes| !self.fresh && Digest::of(bytes) == *hash);
        if kept.is_some() {
            flush(&self.path(&name)).map_err(StagedError::Own)?;
            self.take(&name);
            return Ok(Attached::Staged);
        }
        match self.connections.with(|| self.source.attachment(hash)).map_err(StagedError::Source)? {
            None => Ok(Attached::Missing),
            Some(bytes) if Digest::of(&bytes) == *hash => {
                self.put(&name, &bytes).map_err(StagedError::Own)?;
                Ok(Attached::Staged)
            }
            Some(_) => Ok(Attached::Another),
        }
    }

    /// Puts a file into the folder, whole or not at all.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(name);
        let folder = path.parent().unwrap_or(&self.folder).to_owned();
        self.make_folder(folder)?;
        let draft = self.folder.join(format!(".draft-{}", self.drafts.fetch_add(1, Ordering::Relaxed)));
        let put = fs::write(&draft, bytes).and_then(|()| fs::rename(&draft, &path));
        put.map_err(|e| StoreError::file("staging", &path, e))?;
        self.take(name);
        // What cannot be flushed is told when all that was put there has been tried.
        if self.flushing.put(&path) { Ok(()) } else { flush(&path) }
    }

    /// Other threads write into it only once it is there.
    fn make_folder(&self, folder: PathBuf) -> Result<(), StoreError> {
        let mut taken = lock(&self.taken);
        if !taken.folders.contains(&folder) {
            fs::create_dir_all(&folder).map_err(|e| StoreError::file("making folder", &folder, e))?;
            taken.folders.insert(folder);
        }
        Ok(())
    }

    fn take(&self, name: &str) {
        lock(&self.taken).names.insert(name.to_owned());
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        DirectoryFetch::new(&self.folder).extra(name)
    }

    /// A file of this attempt or, if it never changes, of an earlier one.
    fn kept(&self, name: &str, constant: bool) -> Result<Option<Vec<u8>>, StoreError> {
        let mine = lock(&self.taken).names.contains(name);
        if !mine && (self.fresh || !constant) {
            return Ok(None);
        }
        let found = self.read(name)?;
        if !mine && found.is_some() {
            self.reused.store(true, Ordering::Relaxed);
            self.take(name);
            // As in `put`.
            let _ = self.flushing.put(&self.path(name));
        }
        Ok(found)
    }

    /// Whether all of a tile is below what was accepted before.
    fn is_covered(&self, path: &TilePath) -> bool {
        let level = match path.kind() {
            TileKind::Hashes(level) => level,
            TileKind::Entries => 0,
        };
        path.number() < level_tiles(self.from, level).full
    }

    fn get_tile(&self, path: &TilePath) -> Staged<Vec<u8>, S> {
        let name = path.to_string();
        if (self.is_covered(path) || !self.fresh)
            && let Some(bytes) = self.accepted(&name).map_err(StagedError::Own)?
        {
            if !self.is_covered(path) {
                self.reused.store(true, Ordering::Relaxed);
            }
            return Ok(bytes);
        }
        if let Some(bytes) = self.kept(&name, true).map_err(StagedError::Own)? {
            return Ok(bytes);
        }
        let bytes = self.connections.with(|| self.source.tile(path)).map_err(StagedError::Source)?;
        self.put(&name, &bytes).map_err(StagedError::Own)?;
        Ok(bytes)
    }

    fn get_extra(&self, path: &str) -> Staged<Option<Vec<u8>>, S> {
        let (name, constant) = match parse_openings_path(path) {
            Some(bundle) => (self.openings_name(bundle), level_tiles(self.size, 0).width(bundle) == TILE_WIDTH),
            None => (path.to_owned(), true),
        };
        let kept = self.kept(&name, constant).map_err(StagedError::Own)?;
        if kept.is_some() {
            return Ok(kept);
        }
        let bytes = match self.ask(path).map_err(StagedError::Source)? {
            Some(bytes) => bytes,
            // A bundle without statements needs none; a statement without its line is met where it is checked.
            None if path.starts_with("openings/") => Vec::new(),
            None => {
                lock(&self.taken).missing.insert(path.to_owned());
                return Ok(None);
            }
        };
        self.put(&name, &bytes).map_err(StagedError::Own)?;
        Ok(Some(bytes))
    }

    fn fetch_ahead(&self) {
        while self.ahead.running.load(Ordering::Acquire) {
            let number = self.ahead.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.ahead.end {
                return;
            }
            if self.fetch_bundle(number).is_none() {
                // Whoever checks asks for it again, and tells.
                return self.ahead.stop();
            }
            lock(&self.ahead.done).insert(number);
            self.ahead.told.notify_all();
        }
    }

    fn fetch_bundle(&self, number: u64) -> Option<()> {
        let width = level_tiles(self.size, 0).width(number);
        self.get_tile(&TilePath::entries(number, width).ok()?).ok()?;
        self.get_tile(&TilePath::hashes(0, number, width).ok()?).ok()?;
        self.get_extra(&tile::openings_path(number)).ok()?;
        Some(())
    }
}

/// How an attachment was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attached {
    Staged,
    Missing,
    /// The source gives bytes of another hash.
    Another,
}

impl Ahead {
    fn stop(&self) {
        let _done = lock(&self.done);
        self.running.store(false, Ordering::Release);
        self.told.notify_all();
    }

    /// Waits until a bundle was fetched, or nobody will.
    fn wait(&self, number: u64) {
        let mut done = lock(&self.done);
        while self.running.load(Ordering::Acquire) && number < self.end && !done.contains(&number) {
            done = self.told.wait(done).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<S: Source> Fetch for Staging<'_, S> {
    type Error = StagedError<S::Error>;

    fn checkpoint(&self) -> Result<Vec<u8>, Self::Error> {
        Ok(self.note.as_bytes().to_vec())
    }

    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, Self::Error> {
        if matches!(path.kind(), TileKind::Entries | TileKind::Hashes(0)) && !self.is_covered(path) {
            self.ahead.wait(path.number());
        }
        self.get_tile(path)
    }

    fn extra(&self, path: &str) -> Result<Option<Vec<u8>>, Self::Error> {
        if let Some(bundle) = parse_openings_path(path) {
            self.ahead.wait(bundle);
        }
        let found = self.get_extra(path)?;
        if let Some(root) = path.strip_prefix("lines/").and_then(|hex| Digest::from_hex(hex).ok())
            && let Some(bytes) = &found
            && String::from_utf8_lossy(bytes).contains(NAMES_A_FILE)
        {
            lock(&self.naming).insert(root);
        }
        Ok(found)
    }
}

/// Forces a file or folder to the disk.
pub(super) fn flush(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|e| StoreError::file("flushing", path, e))
}

/// The same, and gives the memory that holds its bytes to what is written next: more is copied than is read again soon,
/// and it is to displace neither that nor what others use.
fn flush_and_let_go(path: &Path) -> Result<(), StoreError> {
    let file = File::open(path).and_then(|file| file.sync_all().map(|()| file));
    let file = file.map_err(|e| StoreError::file("flushing", path, e))?;
    // Elsewhere the system finds out by itself, as it does here when it does not take the advice.
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
    drop(file);
    Ok(())
}
