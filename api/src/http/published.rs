//! The published log as it lies on disk: checkpoint, tiles, openings, lines, attachments.
//!
//! Everything that the public can check is read from here and from nowhere else: neither the ledger's
//! database nor a key is needed (design 6). Files that carry their hash or their place in their name
//! never change; the checkpoint is replaced as a whole. Entries that were read are kept in a small
//! memory, which is right for ever because an entry never changes; tiles, the checkpoint and the policy until their file
//! is another (`memory`). The checkpoint's signatures are checked once for all pages.
//!
//! Not here: HTTP (`log`), and who writes these files (the store).

mod memory;

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use chrono::{DateTime, Utc};
use gongkai_log::merkle::{self, ProveError};
use gongkai_log::tile::{self, TILE_WIDTH, TileKind, TilePath};
use gongkai_log::{
    Checkpoint, Digest, Entry, List, LogKeys, Note, Openings, Policy, TileSource, TlogProof, TreeHash, VerifierKey,
};

use self::memory::{Latest, Recent, Stamp};

/// The one file that makes the others count.
const CHECKPOINT: &str = "checkpoint";

/// Bytes of entries that are kept in memory.
const ENTRY_BYTES_MAX: usize = 8 << 20;
/// Bytes of tiles that are kept in memory: all tiles of hashes of half a million entries.
const TILE_BYTES_MAX: usize = 16 << 20;
/// Bytes of bundles that are kept in memory: those at the end of the log, which every mirror asks for.
const BUNDLE_BYTES_MAX: usize = 32 << 20;
/// The longest tile that is kept; one of hashes is always shorter.
const KEPT_TILE_BYTES_MAX: usize = 1 << 20;

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
    entries: Arc<Recent<u64, Arc<Entry>>>,
    tiles: Arc<Recent<String, (Stamp, Bytes)>>,
    // Apart, so that whoever reads all bundles does not put the tiles of hashes out.
    bundles: Arc<Recent<String, (Stamp, Bytes)>>,
    checkpoint: Arc<Latest<Signed>>,
    policy: Arc<Latest<Policy>>,
    judged: Arc<Mutex<Judged>>,
}

/// A checkpoint, and hashes that lead from an entry to its root.
type Way = (Arc<Signed>, Vec<TreeHash>);

/// What was found of the signatures of a checkpoint; they say the same for ever.
#[derive(Debug, Default)]
struct Judged {
    /// Whether it is signed by the log under this key.
    signed: Option<(Arc<Signed>, VerifierKey, bool)>,
    /// How many witnesses of a policy cosigned it.
    cosigned: Option<(Arc<Signed>, Arc<Policy>, u64)>,
}

impl Published {
    /// Reads from this directory.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: Arc::from(dir),
            entries: Arc::new(Recent::new(ENTRY_BYTES_MAX)),
            tiles: Arc::new(Recent::new(TILE_BYTES_MAX)),
            bundles: Arc::new(Recent::new(BUNDLE_BYTES_MAX)),
            checkpoint: Arc::default(),
            policy: Arc::default(),
            judged: Arc::default(),
        }
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
    pub async fn tile(&self, path: TilePath) -> Result<Option<Bytes>, PublishedError> {
        let name = path.to_string();
        let stamp = self.stamp(&name)?;
        let kept = if path.kind() == TileKind::Entries { &self.bundles } else { &self.tiles };
        let known = kept.get(&name);
        if let (Some(stamp), Some((of, bytes))) = (stamp, known)
            && stamp == of
        {
            return Ok(Some(bytes));
        }
        let Some(bytes) = self.blocking(move |log| log.read_tile(&path)).await? else { return Ok(None) };
        let bytes = Bytes::from(bytes);
        if let Some(stamp) = stamp.filter(|stamp| stamp.is_settled() && bytes.len() <= KEPT_TILE_BYTES_MAX) {
            kept.keep(name, (stamp, bytes.clone()), bytes.len());
        }
        Ok(Some(bytes))
    }

    /// The current checkpoint; `None` before the first one.
    pub async fn checkpoint(&self) -> Result<Option<Arc<Signed>>, PublishedError> {
        // To look at a file's times takes less than to have another thread do it.
        match self.stamp(CHECKPOINT)?.map(|stamp| self.checkpoint.of(stamp)) {
            None => Ok(None),
            Some(Some(known)) => Ok(Some(known)),
            Some(None) => self.blocking(Self::read_checkpoint).await,
        }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.dir
    }

    /// The policy with which the log is published; `None` when no witnesses are asked.
    pub async fn policy(&self) -> Result<Option<Arc<Policy>>, PublishedError> {
        const PATH: &str = "policy";
        let Some(stamp) = self.stamp(PATH)? else { return Ok(None) };
        if let Some(known) = self.policy.of(stamp) {
            return Ok(Some(known));
        }
        let Some(bytes) = self.file(PATH.into()).await? else { return Ok(None) };
        let text = String::from_utf8(bytes).map_err(|error| damaged(PATH, error))?;
        let policy = Policy::parse(&text).map_err(|error| damaged(PATH, error))?;
        Ok(Some(self.policy.keep(stamp, policy)))
    }

    /// How many witnesses of the policy cosigned a checkpoint.
    pub async fn cosigned(&self, signed: &Arc<Signed>) -> Result<u64, PublishedError> {
        let Some(policy) = self.policy().await? else { return Ok(0) };
        let mut judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        match &judged.cosigned {
            Some((of, by, count)) if Arc::ptr_eq(of, signed) && Arc::ptr_eq(by, &policy) => Ok(*count),
            _ => {
                let cosigned = policy.cosigned(&signed.note).unwrap_or_default();
                let count = cosigned.iter().flatten().count() as u64;
                judged.cosigned = Some((Arc::clone(signed), policy, count));
                Ok(count)
            }
        }
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

    /// An entry that a checkpoint covers, and whether it is in the tree of the current one, which the log signed: as found
    /// just now in the tiles.
    pub async fn proven(&self, index: u64, keys: LogKeys) -> Result<Option<(Arc<Entry>, bool)>, PublishedError> {
        self.blocking(move |log| {
            let entry = match log.cached(index) {
                Some(entry) => entry,
                None => match log.read_entry(index)? {
                    Some(entry) => entry,
                    None => return Ok(None),
                },
            };
            let Some((signed, hashes)) = log.path_of(index)? else { return Ok(None) };
            let Checkpoint { size, root, .. } = &signed.checkpoint;
            let leaf = merkle::leaf_hash(&entry.bytes);
            let is_in = merkle::verify_inclusion(index, *size, &leaf, &hashes, root).is_ok();
            Ok(Some((entry, is_in && log.is_signed(&signed, &keys))))
        })
        .await
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
        self.entries.get(&index)
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

    /// `None` when there is no such file.
    fn stamp(&self, path: &str) -> Result<Option<Stamp>, PublishedError> {
        match Stamp::of(&self.dir.join(path)) {
            Ok(stamp) => Ok(Some(stamp)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(source) => Err(PublishedError::Read { path: path.to_owned(), source }),
        }
    }

    fn read_checkpoint(&self) -> Result<Option<Arc<Signed>>, PublishedError> {
        // Looked at before it is read: one that is replaced in between is read again the next time.
        let Some(stamp) = self.stamp(CHECKPOINT)? else { return Ok(None) };
        if let Some(known) = self.checkpoint.of(stamp) {
            return Ok(Some(known));
        }
        let Some(bytes) = self.read(CHECKPOINT)? else { return Ok(None) };
        let text = String::from_utf8(bytes).map_err(|error| damaged(CHECKPOINT, error))?;
        let note = Note::parse(&text).map_err(|error| damaged(CHECKPOINT, error))?;
        let checkpoint = Checkpoint::parse(&note.text).map_err(|error| damaged(CHECKPOINT, error))?;
        Ok(Some(self.checkpoint.keep(stamp, Signed { checkpoint, note, written_at: stamp.modified.into() })))
    }

    fn is_signed(&self, signed: &Arc<Signed>, keys: &LogKeys) -> bool {
        let key = keys.at(signed.checkpoint.size);
        let mut judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        match &judged.signed {
            Some((of, by, is_signed)) if Arc::ptr_eq(of, signed) && by == key => *is_signed,
            _ => {
                let is_signed = keys.check(&signed.note).is_ok();
                judged.signed = Some((Arc::clone(signed), key.clone(), is_signed));
                is_signed
            }
        }
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
        self.entries.keep(index, Arc::clone(&entry), entry.bytes.len());
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
        let path = self.path_of(index)?;
        Ok(path.map(|(signed, hashes)| TlogProof { extra: None, index, hashes, checkpoint: signed.note.clone() }))
    }

    /// The hashes that lead from an entry to the root of the current checkpoint.
    fn path_of(&self, index: u64) -> Result<Option<Way>, PublishedError> {
        let Some(signed) = self.read_checkpoint()? else { return Ok(None) };
        if index >= signed.checkpoint.size {
            return Ok(None);
        }
        match merkle::prove_inclusion(index, signed.checkpoint.size, &Tiles(self)) {
            Ok(hashes) => Ok(Some((signed, hashes))),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_tile_and_a_checkpoint_that_are_replaced_on_the_disk_are_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let log = Published::new(dir.path());
        let tiles = ["tile/0/000", "tile/entries/000"].map(|path| TilePath::parse(path).unwrap());
        let replace = |name: &str, bytes: &[u8]| {
            let (file, new) = (dir.path().join(name), dir.path().join("new"));
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&new, bytes).unwrap();
            std::fs::rename(&new, &file).unwrap();
        };
        assert!(log.checkpoint().await.unwrap().is_none());
        for path in tiles {
            assert!(log.tile(path).await.unwrap().is_none());
            for fill in [1_u8, 2] {
                replace(&path.to_string(), &[fill; 8_192]);
                for _ in 0..2 {
                    assert_eq!(log.tile(path).await.unwrap().unwrap()[..], [fill; 8_192]);
                }
            }
        }
        let key =
            gongkai_log::SigningKey::from_seed("ledger.example/t", gongkai_log::KeyKind::Ed25519, [1; 32]).unwrap();
        for size in [1, 2] {
            let checkpoint = Checkpoint { origin: "ledger.example/t".into(), size, root: merkle::leaf_hash(b"") };
            replace("checkpoint", gongkai_log::checkpoint::sign(&checkpoint, &[&key]).unwrap().as_bytes());
            for _ in 0..2 {
                assert_eq!(log.checkpoint().await.unwrap().unwrap().checkpoint.size, size);
            }
        }
        std::fs::remove_file(dir.path().join("checkpoint")).unwrap();
        assert!(log.checkpoint().await.unwrap().is_none());
    }
}
