//! Where `gongkai_log::fsck` reads a ledger from: a directory of published files, or the database.
//!
//! The directory is what others see; the database is what they will see. Both give bytes and judge
//! nothing. For another place (HTTP, an archive) implement [`Fetch`] there.

use std::{
    collections::HashMap,
    fs, io,
    path::{Component, Path, PathBuf},
    sync::{Mutex, OnceLock},
    time::Duration,
};

use gongkai_log::{
    Checkpoint, Digest, Fetch, SigningKey, TilePath, checkpoint, merkle,
    tile::{self, TileKind},
};
use tokio::runtime::Handle;

use crate::{
    cores,
    database::{Connection, Place},
    error::{OpenError, StoreError},
    layout::Layout,
    reader::parse_entry,
    row_store, tables,
};

/// How long a lock on the database is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What is wrong with such an attachment.
pub const ANOTHER_HASH: &str = "has another BLAKE3 hash than its name";

/// Reads published files below a log's prefix.
#[derive(Clone, Debug)]
pub struct DirectoryFetch {
    log: PathBuf,
}

impl DirectoryFetch {
    /// `log` holds `checkpoint`, `tile/`, `openings/` and `lines/`.
    pub fn new(log: impl Into<PathBuf>) -> Self {
        Self { log: log.into() }
    }

    /// A path that stays below the prefix.
    fn path(&self, path: &str) -> Result<PathBuf, StoreError> {
        let relative = Path::new(path);
        if relative.components().all(|part| matches!(part, Component::Normal(_))) {
            return Ok(self.log.join(relative));
        }
        Err(StoreError::file("reading", path, io::ErrorKind::InvalidInput.into()))
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, StoreError> {
        let path = self.path(path)?;
        fs::read(&path).map_err(|e| StoreError::file("reading", path, e))
    }

    /// Path of an attachment that does not have the hash that is its name, if there is one. No proof reads attachments:
    /// their hashes stand in entries and lines.
    ///
    /// # Errors
    /// The disk.
    pub fn damaged_attachment(&self) -> Result<Option<String>, StoreError> {
        let folder = self.log.join("attachment");
        let failed = |e| StoreError::file("listing", &folder, e);
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            entries => entries.map_err(failed)?,
        };
        let paths =
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let wrong = cores::on_all_cores(&paths, |path| {
            let bytes = fs::read(path).map_err(|e| StoreError::file("reading", path, e))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok::<_, StoreError>((Digest::of(&bytes).to_hex() != name).then_some(name))
        })?;
        Ok(wrong.into_iter().flatten().next().map(|name| format!("attachment/{name}")))
    }
}

impl Fetch for DirectoryFetch {
    type Error = StoreError;

    fn checkpoint(&self) -> Result<Vec<u8>, StoreError> {
        self.read("checkpoint")
    }

    /// A partial tile whose file is gone is cut from the full one (c2sp.org/tlog-tiles).
    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, StoreError> {
        let missing = match self.read(&path.to_string()) {
            Err(error) if !path.is_full() && is_missing(&error) => error,
            found => return found,
        };
        let Ok(full) = self.read(&path.full().to_string()) else { return Err(missing) };
        cut_from(&full, path).ok_or(missing)
    }

    fn extra(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self.read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A partial tile from the bytes of the full one; `None` when these are too short.
pub(crate) fn cut_from(full: &[u8], path: &TilePath) -> Option<Vec<u8>> {
    let width = usize::try_from(path.width()).unwrap_or(usize::MAX);
    match path.kind() {
        TileKind::Hashes(_) => full.get(..width.checked_mul(32)?).map(<[u8]>::to_vec),
        TileKind::Entries => {
            tile::decode_bundle(full).ok().and_then(|entries| tile::encode_bundle(entries.get(..width)?).ok())
        }
    }
}

fn is_missing(error: &StoreError) -> bool {
    matches!(error, StoreError::File { source, .. } if source.kind() == io::ErrorKind::NotFound)
}

/// Reads the ledger database as if it were published, at its head.
///
/// Call it from threads outside the runtime (`spawn_blocking`): each read waits for the database. The
/// checkpoint is made here, over the head's tree, and signed with a key of the caller's choice.
pub struct DatabaseFetch {
    runtime: Handle,
    connection: Mutex<Connection>,
    checkpoint: String,
    size: u64,
    // Made when the first list is asked for.
    lists: OnceLock<HashMap<Digest, u64>>,
}

impl DatabaseFetch {
    /// Opens the database of a ledger for reading; `key` signs the checkpoint that is checked, and its
    /// name must be the ledger's origin.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(layout: &Layout, key: &SigningKey) -> Result<Self, OpenError> {
        let place = Place::of(layout)?;
        row_store::examine(layout, &place, true).await?;
        let mut connection = place.read(BUSY_TIMEOUT).await?;
        let (head, _) = tables::load_head(&mut connection).await.map_err(OpenError::Damaged)?;
        let checkpoint = Checkpoint { origin: key.name().to_owned(), size: head.size, root: head.edge.root() };
        let checkpoint = checkpoint::sign(&checkpoint, &[key])
            .map_err(|e| OpenError::Damaged(StoreError::row(head.size, "head", e.to_string())))?;
        Ok(Self {
            runtime: Handle::current(),
            connection: Mutex::new(connection),
            checkpoint,
            size: head.size,
            lists: OnceLock::new(),
        })
    }

    fn entries(&self, from: u64, to: u64) -> Result<Vec<Vec<u8>>, StoreError> {
        let to = to.min(self.size);
        let rows = {
            let mut connection = self.connection.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            self.runtime.block_on(tables::load_bytes(&mut connection, from, to))?
        };
        for (place, (index, _)) in (from..to).zip(&rows) {
            if place != *index {
                return Err(StoreError::row(place, "index", "the row is missing"));
            }
        }
        if rows.len() as u64 != to.saturating_sub(from) {
            return Err(StoreError::row(from + rows.len() as u64, "index", "the row is missing"));
        }
        Ok(rows.into_iter().map(|(_, bytes)| bytes).collect())
    }

    /// Hashes of a level, computed from the entries below.
    fn hashes(&self, level: u8, from: u64, count: u64) -> Result<Vec<gongkai_log::TreeHash>, StoreError> {
        if level == 0 {
            let entries = self.entries(from, from + count)?;
            return Ok(entries.iter().map(|entry| merkle::leaf_hash(entry)).collect());
        }
        (from..from + count).map(|item| Ok(merkle::root_of(&self.hashes(level - 1, item * 256, 256)?))).collect()
    }

    fn openings(&self, bundle: u64) -> Result<Vec<u8>, StoreError> {
        let mut connection = self.connection.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let to = ((bundle + 1) * 256).min(self.size);
        let lines = self.runtime.block_on(tables::load_openings(&mut connection, bundle * 256, to))?;
        Ok(lines.into_iter().flat_map(|(_, line)| line.into_bytes().into_iter().chain([b'\n'])).collect())
    }

    fn lines(&self, root: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let mut connection = self.connection.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let connection = &mut *connection;
        if self.lists.get().is_none() {
            let lists = self.runtime.block_on(lists(connection, self.size))?;
            self.lists.get_or_init(|| lists);
        }
        let index = self.lists.get().and_then(|lists| lists.get(root)).copied();
        let Some(index) = index else { return Ok(None) };
        Ok(self.runtime.block_on(tables::load_list(connection, index))?.map(String::into_bytes))
    }
}

/// Which entry has the list of which root. The table of lists does not say: the statement decides.
async fn lists(connection: &mut Connection, size: u64) -> Result<HashMap<Digest, u64>, StoreError> {
    let mut lists = HashMap::new();
    for index in tables::load_list_indexes(connection, 0, size).await? {
        let rows = tables::load_bytes(connection, index, index + 1).await?;
        let Some((_, bytes)) = rows.into_iter().next() else { continue };
        let entry = parse_entry(index, bytes)?;
        if let Some(root) = entry.content.statement().and_then(|signed| signed.statement.lines_root()) {
            lists.insert(root, index);
        }
    }
    Ok(lists)
}

impl Fetch for DatabaseFetch {
    type Error = StoreError;

    fn checkpoint(&self) -> Result<Vec<u8>, StoreError> {
        Ok(self.checkpoint.clone().into_bytes())
    }

    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, StoreError> {
        let from = path.number() * 256;
        match path.kind() {
            TileKind::Hashes(level) => Ok(tile::encode_hashes(&self.hashes(level, from, path.width())?)),
            TileKind::Entries => tile::encode_bundle(&self.entries(from, from + path.width())?)
                .map_err(|e| StoreError::row(from, "bytes", e.to_string())),
        }
    }

    fn extra(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(bundle) = tile::parse_openings_path(path) {
            return self.openings(bundle).map(Some);
        }
        match path.strip_prefix("lines/").and_then(|hex| Digest::from_hex(hex).ok()) {
            Some(root) => self.lines(&root),
            None => Ok(None),
        }
    }
}
