//! Reading a published log from its bucket, for the proof that another node's checkpoint continues ours.

use gongkai_log::{Fetch, TilePath};
use tokio::runtime::Handle;

use super::{Bucket, CHECKPOINT};
use crate::{error::StoreError, log_fetch::cut_from};

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
        let missing = || StoreError::Foreign { name: name.to_owned(), reason: "it is missing".to_owned() };
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
        let short = || StoreError::Foreign { name, reason: "it is missing, and so is what it is cut from".to_owned() };
        cut_from(&full, path).ok_or_else(short)
    }

    fn extra(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(&format!("log/{path}"))
    }
}
