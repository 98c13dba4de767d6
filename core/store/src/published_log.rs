//! A log read and followed from its published files alone: no database, no key, nothing to steal.
//!
//! The public side of a ledger runs on it where ledger and vault are on another machine. It trusts the
//! signed checkpoint and nothing else: each bundle is proven to be under the checkpoint, each opening and
//! line to be what its statement commits to, and a new checkpoint to continue the last one that was seen.
//! A checkpoint that does not is refused and what was seen goes on being served.
//!
//! Not here: signatures of statements and who may sign them (`fsck`), and how the files got there.

use std::{
    fmt, io,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use gongkai_domain::{
    key_history,
    kind::{self, rotation},
};
use gongkai_log::{
    Checkpoint, Content, Entry, Fetch as _, List, LogKeys, Openings, Statement, TilePath, TreeHash, VerifierKey,
    checkpoint::CheckpointError,
    fsck::Tiles,
    log_keys::HISTORY_PATH,
    merkle::{self, MerkleError, ProveError},
    slot,
    tile::{self, TILE_WIDTH},
};
use tokio::sync::watch;

use crate::{
    error::StoreError,
    log_fetch::DirectoryFetch,
    reader::{StoredEntry, chain},
};

/// Why published files are not followed any further.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] StoreError),
    /// The checkpoint is not signed by the log's key, or is no checkpoint.
    #[error("the checkpoint")]
    Checkpoint(#[from] CheckpointError),
    /// The log was longer before.
    #[error("the log had {seen} entries, its checkpoint now says {found}: an older copy, or a rollback")]
    Shorter {
        /// Entries of the last checkpoint that was accepted.
        seen: u64,
        /// Entries now.
        found: u64,
    },
    /// The checkpoint does not continue the last one.
    #[error("the checkpoint of {found} entries does not continue the one of {seen}: a fork")]
    Forked {
        /// Entries of the last checkpoint that was accepted.
        seen: u64,
        /// Entries now.
        found: u64,
    },
    /// A file does not hold what the checkpoint says.
    #[error("{path}: {reason}")]
    Damaged {
        /// Which file.
        path: String,
        /// In which way.
        reason: String,
    },
}

fn damaged(path: &dyn fmt::Display, reason: &dyn fmt::Display) -> FollowError {
    FollowError::Damaged { path: path.to_string(), reason: reason.to_string() }
}

/// A checkpoint that was accepted, and the keys under which it was.
#[derive(Clone, Debug)]
struct Seen {
    checkpoint: Checkpoint,
    keys: LogKeys,
}

/// See the module.
#[derive(Debug)]
pub struct PublishedLog {
    fetch: DirectoryFetch,
    vkey: VerifierKey,
    seen: Mutex<Seen>,
    size: watch::Sender<u64>,
}

fn proven(error: ProveError<StoreError>) -> FollowError {
    match error {
        ProveError::Read { source, .. } => source.into(),
        other => damaged(&"tile", &other),
    }
}

impl PublishedLog {
    /// Opens the files below `log` (`checkpoint`, `tile/`, `openings/`, `lines/`).
    ///
    /// # Errors
    /// [`FollowError`] when there is no checkpoint that this key signed.
    pub fn open(log: impl Into<PathBuf>, vkey: VerifierKey) -> Result<Self, FollowError> {
        let fetch = DirectoryFetch::new(log);
        let seen = read_checkpoint(&fetch, &vkey)?;
        let size = watch::Sender::new(seen.checkpoint.size);
        let log = Self { fetch, vkey, seen: Mutex::new(seen.clone()), size };
        log.check_keys(&seen)?;
        Ok(log)
    }

    /// The log's keys, as of the last checkpoint that was accepted.
    pub fn keys(&self) -> LogKeys {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).keys.clone()
    }

    /// The history of the keys proves who signs; at which entry a key came is what the entries say.
    fn check_keys(&self, seen: &Seen) -> Result<(), FollowError> {
        for (index, key) in seen.keys.rotations().iter().filter(|(index, _)| *index < seen.checkpoint.size) {
            let bundle = self.bundle(index / TILE_WIDTH, &seen.checkpoint)?;
            let place = usize::try_from(index % TILE_WIDTH).unwrap_or(usize::MAX);
            let entry = bundle.into_iter().nth(place).and_then(|stored| Entry::parse(stored.bytes).ok());
            let statement = entry.as_ref().and_then(|entry| entry.content.statement()).map(|signed| &signed.statement);
            let said = statement.and_then(|said| kind::body::<rotation::KeyRotated>(&said.kind, &said.body));
            if said.is_none_or(|said| said.new_key.0 != key.to_string()) {
                return Err(damaged(&HISTORY_PATH, &format!("entry {index} brought no such key")));
            }
        }
        Ok(())
    }

    /// Entries of the last checkpoint that was accepted; changes with [`PublishedLog::refresh`].
    pub fn size(&self) -> watch::Receiver<u64> {
        self.size.subscribe()
    }

    /// Reads the checkpoint again, and accepts it if it continues the last one. Reads files: not for an
    /// asynchronous thread.
    ///
    /// # Errors
    /// [`FollowError`]; the last checkpoint stays.
    pub fn refresh(&self) -> Result<(), FollowError> {
        let next = read_checkpoint(&self.fetch, &self.vkey)?;
        let seen = self.seen();
        let (from, to) = (seen.size, next.checkpoint.size);
        if to < from {
            return Err(FollowError::Shorter { seen: from, found: to });
        }
        let proof = merkle::prove_consistency(from, to, &Tiles(&self.fetch)).map_err(proven)?;
        let continues = match from {
            0 => Ok(()),
            _ => merkle::verify_consistency(from, to, &seen.root, &next.checkpoint.root, &proof),
        };
        continues.map_err(|_: MerkleError| FollowError::Forked { seen: from, found: to })?;
        if next.keys != self.keys() {
            self.check_keys(&next)?;
        }
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = next;
        self.size.send_replace(to);
        Ok(())
    }

    fn seen(&self) -> Checkpoint {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).checkpoint.clone()
    }

    /// Entries from an index on, in order, at least one bundle's rest if there is one and at most `limit`
    /// and a bundle. Reads files: not for an asynchronous thread.
    ///
    /// # Errors
    /// [`FollowError`].
    pub fn entries(&self, from: u64, limit: u64) -> Result<Vec<StoredEntry>, FollowError> {
        let seen = self.seen();
        let end = from.saturating_add(limit).min(seen.size);
        let mut entries = Vec::new();
        let mut next = from;
        while next < end {
            let number = next / TILE_WIDTH;
            let bundle = self.bundle(number, &seen)?;
            let skip = usize::try_from(next % TILE_WIDTH).unwrap_or(usize::MAX);
            entries.extend(bundle.into_iter().skip(skip));
            next = (number + 1) * TILE_WIDTH;
        }
        entries.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(entries)
    }

    /// A bundle whose last entry, and with it every other, is proven to be under the checkpoint.
    fn bundle(&self, number: u64, seen: &Checkpoint) -> Result<Vec<StoredEntry>, FollowError> {
        let width = tile::level_tiles(seen.size, 0).width(number);
        let path = TilePath::entries(number, width).map_err(|error| damaged(&"checkpoint", &error))?;
        let hashes = TilePath::hashes(0, number, width).map_err(|error| damaged(&"checkpoint", &error))?;
        let bytes = self.fetch.tile(&path)?;
        let bundle = tile::decode_bundle(&bytes).map_err(|error| damaged(&path, &error))?;
        let stated = tile::decode_hashes(&self.fetch.tile(&hashes)?).map_err(|error| damaged(&hashes, &error))?;
        let leaves: Vec<TreeHash> = bundle.iter().map(|bytes| merkle::leaf_hash(bytes)).collect();
        // The proof of the last entry is made of the tile's hashes: when these are the entries' own, it
        // proves all of them.
        if leaves.len() as u64 != width || leaves != stated {
            return Err(damaged(&path, &"the entries are not those of the hash tile"));
        }
        let last = number * TILE_WIDTH + width - 1;
        let proof = merkle::prove_inclusion(last, seen.size, &Tiles(&self.fetch)).map_err(proven)?;
        let under = leaves.last().map(|leaf| merkle::verify_inclusion(last, seen.size, leaf, &proof, &seen.root));
        if !matches!(under, Some(Ok(()))) {
            return Err(damaged(&path, &"the entries are not under the checkpoint"));
        }
        let mut openings = self.openings(number)?.into_iter().peekable();
        let mut entries = Vec::with_capacity(bundle.len());
        for (index, bytes) in (number * TILE_WIDTH..).zip(bundle) {
            let entry = Entry::parse(bytes.to_vec()).map_err(|error| damaged(&path, &error))?;
            entries.push(self.entry(entry, openings.next_if(|line| line.index == index))?);
        }
        Ok(entries)
    }

    fn openings(&self, number: u64) -> Result<Vec<Openings>, FollowError> {
        let path = tile::openings_path(number);
        let Some(bytes) = self.fetch.extra(&path)? else { return Ok(Vec::new()) };
        slot::parse_openings(&bytes, number).map_err(|error| damaged(&path, &chain(&error)))
    }

    /// An entry with what opens it, each checked against the statement.
    fn entry(&self, entry: Entry, openings: Option<Openings>) -> Result<StoredEntry, FollowError> {
        let Content::Statement(signed) = &entry.content else {
            return Ok(StoredEntry { index: entry.index, bytes: entry.bytes, openings: None, list: None });
        };
        if let Some(openings) = &openings {
            let path = tile::openings_path(entry.index / TILE_WIDTH);
            openings.check(&signed.statement).map_err(|error| damaged(&path, &error))?;
        }
        let list = self.list(&signed.statement)?;
        Ok(StoredEntry { index: entry.index, bytes: entry.bytes, openings, list })
    }

    fn list(&self, statement: &Statement) -> Result<Option<List>, FollowError> {
        let (Some(root), Some(count)) = (statement.lines_root(), statement.lines_count()) else { return Ok(None) };
        let path = tile::lines_path(&root);
        let Some(bytes) = self.fetch.extra(&path)? else { return Ok(None) };
        let text = String::from_utf8(bytes).map_err(|error| damaged(&path, &error))?;
        let list = List::parse(&text).map_err(|error| damaged(&path, &error))?;
        let Statement { origin, stream, revision, .. } = statement;
        list.check(origin, stream, *revision, &root, count).map_err(|error| damaged(&path, &error))?;
        Ok(Some(list))
    }
}

/// The checkpoint as it is now, and the keys. The history is read after it: it is in place before a checkpoint that needs it.
fn read_checkpoint(fetch: &DirectoryFetch, vkey: &VerifierKey) -> Result<Seen, FollowError> {
    let text = String::from_utf8(fetch.checkpoint()?)
        .map_err(|_| StoreError::file("reading", "checkpoint", io::ErrorKind::InvalidData.into()))?;
    let keys = match fetch.extra(HISTORY_PATH)? {
        Some(bytes) => key_history::read(&bytes, vkey).map_err(|error| damaged(&HISTORY_PATH, &error))?,
        None => vkey.into(),
    };
    let checkpoint = keys.open(&text)?.0;
    Ok(Seen { checkpoint, keys })
}
