//! The published log as it lies on disk: checkpoint, tiles, openings, lines, attachments.
//!
//! Everything that the public can check is read from here and from nowhere else: neither the ledger's
//! database nor a key is needed (design 6). Files that carry their hash or their place in their name
//! never change; the checkpoint is replaced as a whole. Entries that were read are kept in a small
//! cache, which is right for ever because an entry never changes.
//!
//! Not here: HTTP (`log`), and who writes these files (the store).

use std::collections::{HashMap, VecDeque};
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use gongkai_log::merkle::{self, ProveError};
use gongkai_log::tile::{self, TILE_WIDTH, TileKind, TilePath};
use gongkai_log::{Checkpoint, Digest, Entry, List, Note, Openings, Policy, TileSource, TlogProof};

/// Bytes of entries that are kept in memory.
const CACHE_BYTES_MAX: usize = 8 << 20;

/// Why something that is published could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PublishedError {
    /// The disk.
    #[error("reading {path} of the published log")]
    Read {
        /// Path below the log's directory.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file does not hold what it should; `doctor` and `verify` say more.
    #[error("{path} of the published log is damaged: {reason}")]
    Damaged {
        /// Path below the log's directory.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// The reading task was cancelled on shutdown.
    #[error("the reading task ended")]
    Ended(#[from] tokio::task::JoinError),
}

/// A signed checkpoint with when it was written.
#[derive(Debug, Clone)]
pub struct Signed {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The note with all its signatures.
    pub note: Note,
    /// When the file was written.
    pub written_at: DateTime<Utc>,
}

/// The directory `log/`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Published {
    dir: Arc<Path>,
    cache: Arc<Mutex<Cache>>,
}

#[derive(Debug, Default)]
struct Cache {
    entries: HashMap<u64, Arc<Entry>>,
    order: VecDeque<u64>,
    bytes: usize,
}

impl Cache {
    fn keep(&mut self, entry: &Arc<Entry>) {
        if self.entries.insert(entry.index, Arc::clone(entry)).is_some() {
            return;
        }
        self.bytes += entry.bytes.len();
        self.order.push_back(entry.index);
        while self.bytes > CACHE_BYTES_MAX {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some(gone) = self.entries.remove(&oldest) {
                self.bytes -= gone.bytes.len();
            }
        }
    }
}

impl Published {
    /// Reads from this directory.
    pub fn new(dir: &Path) -> Self {
        Self { dir: Arc::from(dir), cache: Arc::default() }
    }

    /// Path of a file below the directory. `path` must come from a strict parser, never from a request as it is.
    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.join(path)
    }

    /// The bytes of a file; `None` when there is no such file.
    pub async fn file(&self, path: String) -> Result<Option<Vec<u8>>, PublishedError> {
        self.blocking(move |log| log.read(&path)).await
    }

    /// The bytes of a tile. A partial tile whose file is gone is cut from the full tile.
    pub async fn tile(&self, path: TilePath) -> Result<Option<Vec<u8>>, PublishedError> {
        self.blocking(move |log| log.read_tile(&path)).await
    }

    /// The current checkpoint; `None` before the first one.
    pub async fn checkpoint(&self) -> Result<Option<Signed>, PublishedError> {
        self.blocking(Self::read_checkpoint).await
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.dir
    }

    /// The policy with which the log is published; `None` when no witnesses are asked.
    pub async fn policy(&self) -> Result<Option<Policy>, PublishedError> {
        const PATH: &str = "policy";
        let Some(bytes) = self.file(PATH.into()).await? else { return Ok(None) };
        let text = String::from_utf8(bytes).map_err(|error| damaged(PATH, error))?;
        Policy::parse(&text).map(Some).map_err(|error| damaged(PATH, error))
    }

    /// An entry that a checkpoint covers.
    pub async fn entry(&self, index: u64) -> Result<Option<Arc<Entry>>, PublishedError> {
        if let Some(entry) = self.cached(index) {
            return Ok(Some(entry));
        }
        self.blocking(move |log| log.read_entry(index)).await
    }

    /// The entries of a bundle that a checkpoint covers; none beyond it. They are read once and not kept.
    pub async fn bundle(&self, number: u64) -> Result<Vec<Entry>, PublishedError> {
        self.blocking(move |log| {
            let size = log.read_checkpoint()?.map_or(0, |signed| signed.checkpoint.size);
            if number >= size.div_ceil(TILE_WIDTH) {
                return Ok(Vec::new());
            }
            let (name, bundle) = log.read_bundle(number, size)?;
            let entries = tile::decode_bundle(&bundle).map_err(|error| damaged(&name, error))?;
            let parsed = entries.into_iter().map(|bytes| Entry::parse(bytes.to_vec()));
            parsed.collect::<Result<_, _>>().map_err(|error| damaged(&name, error))
        })
        .await
    }

    /// What is open of an entry; `None` for one without slots.
    pub async fn openings(&self, index: u64) -> Result<Option<Openings>, PublishedError> {
        self.blocking(move |log| log.read_openings(index)).await
    }

    /// The lines of a list.
    pub async fn lines(&self, root: Digest) -> Result<Option<List>, PublishedError> {
        self.blocking(move |log| {
            let path = tile::lines_path(&root);
            let Some(bytes) = log.read(&path)? else { return Ok(None) };
            let text = String::from_utf8(bytes).map_err(|error| damaged(&path, error))?;
            List::parse(&text).map(Some).map_err(|error| damaged(&path, error))
        })
        .await
    }

    /// The proof that an entry is in the tree of the current checkpoint.
    pub async fn proof(&self, index: u64) -> Result<Option<TlogProof>, PublishedError> {
        self.blocking(move |log| log.prove(index)).await
    }

    async fn blocking<T, F>(&self, read: F) -> Result<T, PublishedError>
    where
        T: Send + 'static,
        F: FnOnce(&Self) -> Result<T, PublishedError> + Send + 'static,
    {
        let log = self.clone();
        tokio::task::spawn_blocking(move || read(&log)).await?
    }

    fn cached(&self, index: u64) -> Option<Arc<Entry>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).entries.get(&index).cloned()
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, PublishedError> {
        match std::fs::read(self.dir.join(path)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(source) => Err(PublishedError::Read { path: path.to_owned(), source }),
        }
    }

    fn read_tile(&self, path: &TilePath) -> Result<Option<Vec<u8>>, PublishedError> {
        let name = path.to_string();
        if let Some(bytes) = self.read(&name)? {
            return Ok(Some(bytes));
        }
        if path.is_full() {
            return Ok(None);
        }
        let Some(full) = self.read(&path.full().to_string())? else { return Ok(None) };
        cut(path, full).map(Some)
    }

    fn read_checkpoint(&self) -> Result<Option<Signed>, PublishedError> {
        const PATH: &str = "checkpoint";
        let Some(bytes) = self.read(PATH)? else { return Ok(None) };
        let modified = std::fs::metadata(self.dir.join(PATH)).and_then(|meta| meta.modified());
        let written_at = modified.map_err(|source| PublishedError::Read { path: PATH.into(), source })?.into();
        let text = String::from_utf8(bytes).map_err(|error| damaged(PATH, error))?;
        let note = Note::parse(&text).map_err(|error| damaged(PATH, error))?;
        let checkpoint = Checkpoint::parse(&note.text).map_err(|error| damaged(PATH, error))?;
        Ok(Some(Signed { checkpoint, note, written_at }))
    }

    fn read_entry(&self, index: u64) -> Result<Option<Arc<Entry>>, PublishedError> {
        let Some(signed) = self.read_checkpoint()? else { return Ok(None) };
        if index >= signed.checkpoint.size {
            return Ok(None);
        }
        let (name, bundle) = self.read_bundle(index / TILE_WIDTH, signed.checkpoint.size)?;
        let entries = tile::decode_bundle(&bundle).map_err(|error| damaged(&name, error))?;
        let place = usize::try_from(index % TILE_WIDTH).map_err(|error| damaged(&name, error))?;
        let bytes = entries.get(place).ok_or_else(|| damaged(&name, "is too short"))?;
        let entry = Entry::parse(bytes.to_vec()).map_err(|error| damaged(&name, error))?;
        if entry.index != index {
            return Err(damaged(&name, "holds another entry at this place"));
        }
        let entry = Arc::new(entry);
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).keep(&entry);
        Ok(Some(entry))
    }

    /// A bundle of a log of this size, with its name.
    fn read_bundle(&self, number: u64, size: u64) -> Result<(String, Vec<u8>), PublishedError> {
        let width = tile::level_tiles(size, 0).width(number);
        let path = TilePath::entries(number, width).map_err(|error| damaged("tile/entries", error))?;
        let name = path.to_string();
        let bundle = self.read_tile(&path)?.ok_or_else(|| damaged(&name, "is missing"))?;
        Ok((name, bundle))
    }

    fn read_openings(&self, index: u64) -> Result<Option<Openings>, PublishedError> {
        let path = tile::openings_path(index / TILE_WIDTH);
        let Some(bytes) = self.read(&path)? else { return Ok(None) };
        let text = String::from_utf8(bytes).map_err(|error| damaged(&path, error))?;
        // Members are sorted, so the index stands between the commitments and what is open. A value that
        // happens to contain the same text is sorted out by the parse.
        let wanted = format!("],\"index\":{index},\"open\":");
        for line in text.lines().filter(|line| line.contains(&wanted)) {
            let openings = Openings::parse_line(line).map_err(|error| damaged(&path, error))?;
            if openings.index == index {
                return Ok(Some(openings));
            }
        }
        Ok(None)
    }

    fn prove(&self, index: u64) -> Result<Option<TlogProof>, PublishedError> {
        let Some(signed) = self.read_checkpoint()? else { return Ok(None) };
        if index >= signed.checkpoint.size {
            return Ok(None);
        }
        match merkle::prove_inclusion(index, signed.checkpoint.size, &Tiles(self)) {
            Ok(hashes) => Ok(Some(TlogProof { extra: None, index, hashes, checkpoint: signed.note })),
            Err(ProveError::Read { source, .. }) => Err(source),
            Err(error) => Err(damaged("tile", error)),
        }
    }
}

/// The tiles for making a proof: one that should be there and is not is damage.
struct Tiles<'a>(&'a Published);

impl TileSource for Tiles<'_> {
    type Error = PublishedError;

    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, PublishedError> {
        self.0.read_tile(path)?.ok_or_else(|| damaged(&path.to_string(), "is missing"))
    }
}

/// The beginning of a full tile.
fn cut(path: &TilePath, mut full: Vec<u8>) -> Result<Vec<u8>, PublishedError> {
    let name = path.full().to_string();
    let width = usize::try_from(path.width()).map_err(|error| damaged(&name, error))?;
    match path.kind() {
        TileKind::Hashes(_) => full.truncate(width * gongkai_log::hash::HASH_BYTES),
        TileKind::Entries => {
            let entries = tile::decode_bundle(&full).map_err(|error| damaged(&name, error))?;
            let wanted = entries.get(..width).ok_or_else(|| damaged(&name, "is too short"))?;
            return tile::encode_bundle(wanted).map_err(|error| damaged(&name, error));
        }
    }
    Ok(full)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory)
}

fn damaged(path: &str, reason: impl Display) -> PublishedError {
    PublishedError::Damaged { path: path.to_owned(), reason: reason.to_string() }
}
