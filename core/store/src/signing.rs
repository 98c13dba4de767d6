//! Which keys sign a checkpoint, and what readers are told of them.
//!
//! The log's entries decide: [`Signing`] starts from the world and sees every entry that is published after, so that no
//! checkpoint is signed by a key that the entry below it has replaced, however threads and nodes are timed. Where the key of
//! a size is not on this machine nothing is signed, and the publisher asks again.
//!
//! `vkey` is the key of the published size; `key-history` is what brought the keys, there once the first was replaced. Both
//! are in place before the checkpoint that needs them: a crash between leaves a history that is longer than the log, which
//! changes nothing for the sizes that are there.
//!
//! Not here: who may replace a key (the domain), and where private keys are kept.

use std::{fs, path::Path};

use chrono::{DateTime, Utc};
use gongkai_domain::{World, key_history, kind};
use gongkai_log::{
    Checkpoint, Fetch, LogKeys, VerifierKey, checkpoint,
    tile::{self, TILE_WIDTH, TilePath},
};

use crate::{
    database::Connection,
    error::StoreError,
    layout::Layout,
    ledger::LedgerKeys,
    publisher::PublishError,
    reader::{chain, parse_entry},
    tables,
};

/// In the bytes of every entry that replaces a log key, and hardly anywhere else.
const ROTATES: &str = "\"kind\":\"ledger.key_rotated.v1\"";

/// A key that signs beside the current one, and until when.
pub(crate) type Beside = (VerifierKey, DateTime<Utc>);

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Signing {
    pub keys: LogKeys,
    beside: Option<Beside>,
}

impl Signing {
    /// As the world has it; `first` where there is no genesis yet.
    pub(crate) fn of(world: &World, first: &VerifierKey) -> Self {
        let keys = world.log_keys().cloned().unwrap_or_else(|| first.into());
        Self { keys, beside: world.log_key_beside() }
    }

    /// Sees an entry that is about to be published.
    pub(crate) fn see(&mut self, index: u64, bytes: &[u8]) -> Result<(), PublishError> {
        let text = std::str::from_utf8(bytes).map_err(|_| PublishError::Wrong(format!("entry {index}: not UTF-8")))?;
        if !text.contains(ROTATES) {
            return Ok(());
        }
        let entry = parse_entry(index, bytes.to_vec()).map_err(|e| PublishError::Wrong(chain(&e)))?;
        let Some(signed) = entry.content.statement() else { return Ok(()) };
        let said = kind::body::<kind::rotation::KeyRotated>(&signed.statement.kind, &signed.statement.body);
        let Some((rotated, key)) = said.and_then(|said| Some((VerifierKey::parse(&said.new_key.0).ok()?, said))) else {
            return Ok(());
        };
        let before = self.keys.current().clone();
        if before != rotated {
            self.keys.rotate(index, rotated);
            self.beside = key.overlap_until.map(|until| (before, until.0.to_utc()));
        }
        Ok(())
    }

    /// The note of a checkpoint, signed by the key of its size, and by the one before it while that signs on.
    pub(crate) fn sign(
        &self,
        checkpoint: &Checkpoint,
        own: &LedgerKeys,
        now: DateTime<Utc>,
    ) -> Result<String, PublishError> {
        let key = self.keys.at(checkpoint.size);
        let mut signers =
            vec![own.log_key(key).ok_or_else(|| PublishError::NoKey { size: checkpoint.size, key: key.to_string() })?];
        if key == self.keys.current()
            && let Some((beside, until)) = &self.beside
            && now < *until
        {
            signers.extend(own.log_key(beside));
        }
        checkpoint::sign(checkpoint, &signers).map_err(|e| PublishError::Wrong(chain(&e)))
    }
}

/// The entries that brought a log's keys, up to a size, as they are published; `None` while there is one key.
pub(crate) async fn history(
    connection: &mut Connection,
    keys: &LogKeys,
    size: u64,
) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(indexes) = bringing(keys, size) else { return Ok(None) };
    let entries = tables::load_some(connection, &indexes).await?;
    let entries: Vec<Vec<u8>> = entries.into_iter().map(|(_, bytes)| bytes).collect();
    encoded(&entries).map(Some)
}

/// The same from published tiles.
pub(crate) fn history_of_tiles<F: Fetch<Error = StoreError>>(
    fetch: &F,
    keys: &LogKeys,
    size: u64,
) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(indexes) = bringing(keys, size) else { return Ok(None) };
    let entry = |index: u64| {
        let damaged = |reason: String| StoreError::row(index, "bytes", reason);
        let number = index / TILE_WIDTH;
        let width = tile::level_tiles(size, 0).width(number);
        let path = TilePath::entries(number, width).map_err(|error| damaged(error.to_string()))?;
        let bytes = fetch.tile(&path)?;
        let bundle = tile::decode_bundle(&bytes).map_err(|error| damaged(error.to_string()))?;
        let place = usize::try_from(index % TILE_WIDTH).ok();
        let entry = place.and_then(|place| bundle.get(place)).map(|bytes| bytes.to_vec());
        entry.ok_or_else(|| damaged("is missing".into()))
    };
    encoded(&indexes.into_iter().map(entry).collect::<Result<Vec<_>, _>>()?).map(Some)
}

/// Whether readers are told already which key signs at this size, and what brought it.
pub(crate) fn is_said(layout: &Layout, keys: &LogKeys, size: u64) -> bool {
    let vkey = format!("{}\n", keys.at(size));
    let is_told = fs::read_to_string(layout.vkey()).is_ok_and(|there| there == vkey);
    is_told && (bringing(keys, size).is_none() || layout.key_history().is_file())
}

/// The entries that brought the keys; `None` while there is one key.
fn bringing(keys: &LogKeys, size: u64) -> Option<Vec<u64>> {
    let rotations = keys.rotations().iter().map(|(entry, _)| *entry).filter(|entry| *entry < size);
    let all: Vec<u64> = std::iter::once(0).chain(rotations).collect();
    (all.len() > 1).then_some(all)
}

fn encoded(entries: &[Vec<u8>]) -> Result<Vec<u8>, StoreError> {
    tile::encode_bundle(entries).map_err(|error| StoreError::row(0, "bytes", error.to_string()))
}

/// The keys of the log that lies published in a directory, of which `known` is one, now or before.
///
/// # Errors
/// The history of the keys cannot be read, or is none of this log's.
pub fn published_keys(layout: &Layout, known: &VerifierKey) -> Result<LogKeys, StoreError> {
    keys_in(&layout.key_history(), known)
}

/// The same from a file; where there is none, the log has the one key.
pub(crate) fn keys_in(path: &Path, known: &VerifierKey) -> Result<LogKeys, StoreError> {
    match fs::read(path) {
        Ok(bytes) => key_history::read(&bytes, known)
            .map_err(|error| StoreError::file("reading", path, std::io::Error::other(error))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(known.into()),
        Err(error) => Err(StoreError::file("reading", path, error)),
    }
}
