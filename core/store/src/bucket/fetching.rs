//! Reading a published log from its bucket: for the proof that another node's checkpoint continues ours, and for a mirror
//! that brings back what a database has lost.

use std::io;

use gongkai_log::{Digest, Fetch, TilePath};
use tokio::runtime::Handle;

use super::{Bucket, CHECKPOINT};
use crate::{
    error::StoreError,
    log_fetch::cut_from,
    mirror::{Source, source::attachment_path},
};

/// How a file is described that is not there.
const MISSING: &str = "it is missing";

/// Reads the published files of a bucket. Blocks: not for an asynchronous thread.
pub(crate) struct BucketFetch<'b> {
    pub bucket: &'b Bucket,
    pub runtime: &'b Handle,
}

impl BucketFetch<'_> {
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.runtime.block_on(self.bucket.get(name))?.map(|found| found.bytes))
    }

    fn must(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        let missing = || StoreError::Foreign { name: name.to_owned(), reason: MISSING.to_owned() };
        self.read(name)?.ok_or_else(missing)
    }
}

impl Fetch for BucketFetch<'_> {
    type Error = StoreError;

    fn checkpoint(&self) -> Result<Vec<u8>, StoreError> {
        self.must(CHECKPOINT)
    }

    /// A partial tile that was taken away is cut from the full one.
    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, StoreError> {
        let name = format!("log/{path}");
        if path.is_full() {
            return self.must(&name);
        }
        if let Some(bytes) = self.read(&name)? {
            return Ok(bytes);
        }
        let full = self.must(&format!("log/{}", path.full()))?;
        let short = || StoreError::Foreign { name, reason: format!("{MISSING}, and so is what it is cut from") };
        cut_from(&full, path).ok_or_else(short)
    }

    fn extra(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(&format!("log/{path}"))
    }
}

/// A bucket that a mirror follows. Blocks: not for an asynchronous thread.
#[derive(Clone, Debug)]
pub struct BucketSource {
    bucket: Bucket,
    runtime: Handle,
}

impl BucketSource {
    /// Most requests at a time.
    const CONNECTIONS: usize = 8;

    /// Nothing is read yet.
    pub fn new(bucket: Bucket, runtime: Handle) -> Self {
        Self { bucket, runtime }
    }

    fn fetch(&self) -> BucketFetch<'_> {
        BucketFetch { bucket: &self.bucket, runtime: &self.runtime }
    }
}

/// A mirror tells a file that is not there from one that cannot be read.
fn or_missing(name: String, found: Result<Vec<u8>, StoreError>) -> Result<Vec<u8>, StoreError> {
    found.map_err(|error| match error {
        StoreError::Foreign { reason, .. } if reason.starts_with(MISSING) => {
            StoreError::file("reading", name, io::ErrorKind::NotFound.into())
        }
        error => error,
    })
}

impl Fetch for BucketSource {
    type Error = StoreError;

    fn checkpoint(&self) -> Result<Vec<u8>, StoreError> {
        or_missing(CHECKPOINT.to_owned(), self.fetch().checkpoint())
    }

    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, StoreError> {
        or_missing(path.to_string(), self.fetch().tile(path))
    }

    fn extra(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.fetch().extra(path)
    }
}

impl Source for BucketSource {
    fn attachment(&self, hash: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.fetch().extra(&attachment_path(hash))
    }

    fn is_missing(error: &StoreError) -> bool {
        matches!(error, StoreError::File { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    fn connections(&self) -> usize {
        Self::CONNECTIONS
    }
}
