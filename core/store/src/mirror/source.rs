//! Where a mirror follows a ledger from: what can be fetched of it, and how hard it may be asked.
//!
//! Whoever gives bytes judges nothing; the mirror believes none of them. Here is the directory: a ledger's own, or a disk
//! that was carried over. For another place implement [`Source`] there, bounded in bytes and time.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use gongkai_log::{
    Digest, Fetch, TilePath,
    list::LIST_BYTES_MAX,
    log_keys::{HISTORY_BYTES_MAX, HISTORY_PATH},
    note::NOTE_BYTES_MAX,
    policy::POLICY_BYTES_MAX,
    tile::BUNDLE_BYTES_MAX,
};

use crate::{error::StoreError, ledger::ATTACHMENT_BYTES_MAX, log_fetch::DirectoryFetch};

/// Most bytes of an openings file: 256 lines, each far below what a line may have.
pub const OPENINGS_BYTES_MAX: usize = 64 << 20;

/// Most bytes of a file that is neither tile nor attachment, by its path below the log's prefix.
pub fn extra_bytes_max(path: &str) -> usize {
    match path {
        "policy" => POLICY_BYTES_MAX,
        HISTORY_PATH => HISTORY_BYTES_MAX,
        path if path.starts_with("lines/") => LIST_BYTES_MAX,
        _ => OPENINGS_BYTES_MAX,
    }
}

/// A published log that can be followed.
pub trait Source: Fetch {
    /// A published attachment; `None` when there is no such file.
    ///
    /// # Errors
    /// It could not be read, or is larger than an attachment may be.
    fn attachment(&self, hash: &Digest) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Whether an error says that a file is not there, and not that it could not be read.
    fn is_missing(error: &Self::Error) -> bool;

    /// How many requests at a time make it faster without being a burden; 0 where reading is as near as our own disk, so
    /// that nothing is fetched ahead.
    fn connections(&self) -> usize {
        0
    }

    /// Whether it can be told without reading that this file is not there.
    fn lacks(&self, path: &str) -> bool {
        let _ = path;
        false
    }
}

/// A directory of published files, perhaps with some missing.
#[derive(Clone, Debug)]
pub struct DirectorySource {
    log: PathBuf,
    fetch: DirectoryFetch,
}

impl DirectorySource {
    /// `dir` is a ledger's directory, or the `log/` of one.
    pub fn new(dir: &Path) -> Self {
        let below = dir.join("log");
        let log = if below.is_dir() { below } else { dir.to_owned() };
        Self { fetch: DirectoryFetch::new(&log), log }
    }

    /// Refuses what is no file, or larger than it may be, before it is read: a carried disk may hold anything.
    fn bounded(&self, path: &str, bytes_max: usize) -> Result<(), StoreError> {
        match fs::metadata(self.log.join(path)) {
            Ok(file) if file.len() > bytes_max as u64 => {
                Err(StoreError::file("reading", path, io::ErrorKind::FileTooLarge.into()))
            }
            Ok(file) if !file.is_file() => Err(StoreError::file("reading", path, io::ErrorKind::InvalidInput.into())),
            _ => Ok(()),
        }
    }
}

impl Fetch for DirectorySource {
    type Error = StoreError;

    fn checkpoint(&self) -> Result<Vec<u8>, StoreError> {
        self.bounded("checkpoint", NOTE_BYTES_MAX)?;
        self.fetch.checkpoint()
    }

    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, StoreError> {
        self.bounded(&path.to_string(), BUNDLE_BYTES_MAX)?;
        self.bounded(&path.full().to_string(), BUNDLE_BYTES_MAX)?;
        self.fetch.tile(path)
    }

    fn extra(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.bounded(path, extra_bytes_max(path))?;
        self.fetch.extra(path)
    }
}

impl Source for DirectorySource {
    fn attachment(&self, hash: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let path = attachment_path(hash);
        self.bounded(&path, ATTACHMENT_BYTES_MAX)?;
        self.fetch.extra(&path)
    }

    fn is_missing(error: &StoreError) -> bool {
        matches!(error, StoreError::File { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    fn lacks(&self, path: &str) -> bool {
        let there = |path: &str| self.log.join(path).is_file();
        // A partial tile is cut from the full one where that is there.
        !there(path) && !TilePath::parse(path).is_ok_and(|path| there(&path.full().to_string()))
    }
}

/// Path of a published attachment below the log's prefix.
pub fn attachment_path(hash: &Digest) -> String {
    format!("attachment/{}", hash.to_hex())
}
