//! What is published, put into a bucket: everything first, the checkpoint last and only if nobody is ahead.
//!
//! The same bytes are put by each node of a ledger, and each may stop at any moment. So nothing here relies on being alone:
//! - What never changes is created. If it is there with the same bytes, another was first; with others, somebody publishes
//!   another history, and this node stops.
//! - What follows withdrawals is read from the database after the version in the bucket was, and replaces that version
//!   alone: a node that lags cannot bring back what another has taken away.
//! - The checkpoint replaces the one that was read and found to be of our history. One that is ahead stays; ours is then in
//!   the directory only. One of another history, or ahead of the database, stops the node before anything is signed.
//!
//! A put that returned is durable, so the bucket's own checkpoint is its mark: all before it is there. Nothing is deleted
//! but what is withdrawn and partial tiles an hour after their tile was full. Not here: the requests (`bucket`), and the
//! directory (`files`).

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use gongkai_log::{
    Checkpoint, Digest,
    fsck::Tiles,
    merkle::{self, ProveError, TileSource},
};
use tokio::task::JoinSet;

use crate::{
    attachments,
    bucket::{Bucket, BucketFetch, CHECKPOINT, Outcome, Put, There, Version, contended},
    error::StoreError,
    files::Change,
    log_fetch::DirectoryFetch,
    publisher::{PublishError, Publisher},
    reader::chain,
    tables,
};

/// Objects that are put at once.
const AT_ONCE: usize = 16;
/// How often something is tried that others write at the same time.
const ATTEMPTS: usize = 8;
/// Versions that are remembered: openings of the newest bundles.
const VERSIONS_MAX: usize = 1_024;

/// The bucket and what is known of it.
pub(crate) struct Outlet {
    pub bucket: Bucket,
    // Of what was put and can change.
    versions: HashMap<String, Version>,
    // The checkpoint that was last found to be of our history.
    agreed: Option<Version>,
}

impl Outlet {
    /// Nothing is known yet.
    pub(crate) fn new(bucket: Bucket) -> Self {
        Self { bucket, versions: HashMap::new(), agreed: None }
    }
}

fn wrong(error: StoreError) -> PublishError {
    match error {
        StoreError::Foreign { .. } => PublishError::Wrong(chain(&error)),
        error => error.into(),
    }
}

impl Publisher {
    fn bucket(&self) -> Option<Bucket> {
        self.outlet.as_ref().map(|outlet| outlet.bucket.clone())
    }

    /// Its name in the bucket, which is its path in the ledger's directory.
    fn name(&self, path: &Path) -> Result<String, StoreError> {
        let name = path.strip_prefix(self.layout.root()).ok().and_then(Path::to_str);
        name.map(str::to_owned).ok_or_else(|| StoreError::file("naming", path, std::io::ErrorKind::InvalidInput.into()))
    }

    /// Puts everything that changed, but the checkpoint. When it fails, what is left is put the next time.
    pub(crate) fn put_out(&mut self) -> Result<(), PublishError> {
        let Some(bucket) = self.bucket() else { return Ok(()) };
        let (fixed, others): (Vec<_>, Vec<_>) =
            self.files.changed().into_iter().partition(|(_, change)| *change == Change::Fixed);
        for paths in fixed.chunks(AT_ONCE) {
            self.put_at_once(&bucket, paths)?;
        }
        for (path, change) in others {
            let name = self.name(&path)?;
            match change {
                Change::Openings(bundle) => self.put_openings(&bucket, &name, bundle)?,
                Change::Lines(index) => self.put_lines(&bucket, &name, index)?,
                Change::Fixed | Change::Attachment => self.put_attachment(&bucket, &path, &name)?,
                Change::Said => self.runtime.block_on(bucket.put_said(&name, read(&path)?))?,
                Change::Gone => self.runtime.block_on(bucket.remove(&name))?,
            }
            self.files.settle(&path);
        }
        Ok(())
    }

    fn put_at_once(&mut self, bucket: &Bucket, paths: &[(PathBuf, Change)]) -> Result<(), PublishError> {
        let mut puts = JoinSet::new();
        for (path, _) in paths {
            let (bucket, name, path) = (bucket.clone(), self.name(path)?, path.clone());
            let bytes = read(&path)?;
            let put = async move { bucket.put_fixed(&name, bytes).await.map(|()| path) };
            puts.spawn_on(put, &self.runtime);
        }
        // All of them end before anything is tried again: none may come late.
        let mut failure = None;
        while let Some(put) = self.runtime.block_on(puts.join_next()) {
            match put {
                Ok(Ok(path)) => self.files.settle(&path),
                Ok(Err(error @ StoreError::Foreign { .. })) => failure = Some(wrong(error)),
                Ok(Err(error)) => drop(failure.get_or_insert(error.into())),
                Err(error) => {
                    let error = StoreError::file("putting", bucket.name(), std::io::Error::other(error));
                    failure.get_or_insert(error.into());
                }
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Openings of everything that is committed: another node may have put those of entries that we come to later.
    fn put_openings(&mut self, bucket: &Bucket, name: &str, bundle: u64) -> Result<(), PublishError> {
        self.put_current(bucket, name, |publisher| Ok(Some(publisher.openings(bundle, u64::MAX)?)))
    }

    fn put_lines(&mut self, bucket: &Bucket, name: &str, index: u64) -> Result<(), PublishError> {
        self.put_current(bucket, name, |publisher| Ok(publisher.lines(index)?.map(|(_, text)| text)))
    }

    /// Puts what can change, as the database has it after the version that it replaces was known.
    fn put_current(
        &mut self,
        bucket: &Bucket,
        name: &str,
        mut load: impl FnMut(&mut Self) -> Result<Option<String>, PublishError>,
    ) -> Result<(), PublishError> {
        for _ in 0..ATTEMPTS {
            let known = self.outlet.as_mut().and_then(|outlet| outlet.versions.remove(name));
            let version = match known {
                Some(version) => Some(version),
                None => self.runtime.block_on(bucket.version(name))?,
            };
            let Some(text) = load(self)? else { return Ok(()) };
            let put = version.map_or(Put::New, Put::Over);
            if let Outcome::Done(version) = self.runtime.block_on(bucket.put(name, text.into_bytes(), &put))? {
                self.remember(name, version);
                return Ok(());
            }
        }
        Err(contended(name).into())
    }

    fn remember(&mut self, name: &str, version: Version) {
        let Some(outlet) = &mut self.outlet else { return };
        if outlet.versions.len() >= VERSIONS_MAX {
            // They are asked for again.
            outlet.versions.clear();
        }
        outlet.versions.insert(name.to_owned(), version);
    }

    /// An attachment that was withdrawn while it was on its way is taken away again.
    fn put_attachment(&mut self, bucket: &Bucket, path: &Path, name: &str) -> Result<(), PublishError> {
        self.runtime.block_on(bucket.put_fixed(name, read(path)?)).map_err(wrong)?;
        let hash = path.file_name().and_then(|name| name.to_str()).and_then(|name| Digest::from_hex(name).ok());
        let Some(hash) = hash else { return Ok(()) };
        if !self.shows(&hash, true)? {
            self.runtime.block_on(bucket.remove(name))?;
        }
        Ok(())
    }

    /// Gets a file that was handed in to another node. Whether it is here now.
    pub(crate) fn bring(&mut self, hash: &Digest) -> Result<bool, StoreError> {
        let Some(bucket) = self.bucket() else { return Ok(false) };
        self.runtime.block_on(attachments::bring(&bucket, &self.layout, hash))
    }

    /// Compares our checkpoint with the one that is there, before anything is signed.
    pub(crate) fn agree(&mut self, ours: &Checkpoint) -> Result<Option<There>, PublishError> {
        let Some(bucket) = self.bucket() else { return Ok(None) };
        let there = self.runtime.block_on(bucket.checkpoint(&self.signing.keys)).map_err(wrong)?;
        let Some(there) = there else { return Ok(None) };
        let known = self.outlet.as_ref().is_some_and(|outlet| outlet.agreed.as_ref() == Some(&there.version));
        if there.checkpoint.size > ours.size {
            let fetch = BucketFetch { bucket: &bucket, runtime: &self.runtime };
            continues(ours, &there.checkpoint, &Tiles(&fetch))?;
            self.not_ahead_of_database(there.checkpoint.size)?;
        } else if !known {
            continues(&there.checkpoint, ours, &Tiles(&DirectoryFetch::new(self.layout.log())))?;
        }
        if let Some(outlet) = &mut self.outlet {
            outlet.agreed = Some(there.version.clone());
        }
        Ok(Some(there))
    }

    /// Another node publishes what is committed: a database that has less is not the one that it read.
    fn not_ahead_of_database(&mut self, size: u64) -> Result<(), PublishError> {
        let (head, _) = self.runtime.block_on(tables::load_head(&mut self.connection))?;
        if head.size < size {
            let reason = format!("{size} entries were published in the bucket, the database has {}", head.size);
            return Err(PublishError::Wrong(reason));
        }
        Ok(())
    }

    /// Puts the checkpoint over the one that was compared with it; leaves one that is ahead.
    pub(crate) fn put_checkpoint(
        &mut self,
        ours: &Checkpoint,
        note: &str,
        mut there: Option<There>,
    ) -> Result<(), PublishError> {
        let Some(bucket) = self.bucket() else { return Ok(()) };
        for _ in 0..ATTEMPTS {
            if there.as_ref().is_some_and(|there| there.checkpoint.size > ours.size) {
                return Ok(());
            }
            let put = there.map_or(Put::New, |there| Put::Over(there.version));
            match self.runtime.block_on(bucket.put(CHECKPOINT, note.as_bytes().to_vec(), &put))? {
                Outcome::Done(version) => {
                    if let Some(outlet) = &mut self.outlet {
                        outlet.agreed = Some(version);
                    }
                    return Ok(());
                }
                Outcome::Refused => there = self.agree(ours)?,
            }
        }
        Err(contended(CHECKPOINT).into())
    }

    /// Takes partial tiles away that were taken away here. What stays only takes space.
    pub(crate) fn remove_out(&self, folders: &[PathBuf]) {
        let Some(bucket) = self.bucket() else { return };
        for folder in folders {
            let removed = self.name(folder).and_then(|name| self.runtime.block_on(bucket.remove_below(&name)));
            if let Err(error) = removed {
                tracing::warn!(folder = %folder.display(), error = chain(&error), "partial tiles were not removed");
            }
        }
    }
}

/// Whether a checkpoint continues a smaller one, or is the same.
fn continues<S: TileSource<Error = StoreError>>(
    small: &Checkpoint,
    large: &Checkpoint,
    tiles: &S,
) -> Result<(), PublishError> {
    let fork = |reason: String| {
        PublishError::Wrong(format!(
            "the bucket and this node have checkpoints of {} and {} entries that are of two histories: {reason}",
            small.size, large.size
        ))
    };
    if small.size == 0 {
        return Ok(());
    }
    let proof = match merkle::prove_consistency(small.size, large.size, tiles) {
        Ok(proof) => proof,
        Err(ProveError::Read { source, .. }) => return Err(wrong(source)),
        Err(error) => return Err(fork(chain(&error))),
    };
    merkle::verify_consistency(small.size, large.size, &small.root, &large.root, &proof)
        .map_err(|error| fork(chain(&error)))
}

fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
    fs::read(path).map_err(|error| StoreError::file("reading", path, error))
}
