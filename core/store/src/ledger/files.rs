//! Files that are handed in before a statement names them: taken in, kept once, found by every node.

use gongkai_domain::Refusal;
use gongkai_log::Digest;
use tokio::task;
use uuid::Uuid;

use super::Ledger;
use crate::{
    admission::Admitted,
    attachments,
    bucket::handed_in,
    error::{StoreError, SubmitError},
    uploads::Upload,
};

impl Ledger {
    /// Keeps a file that a statement is going to name, durably; gives its hash.
    ///
    /// # Errors
    /// [`StoreError::AttachmentTooLarge`], [`StoreError::File`], [`StoreError::Bucket`].
    pub async fn put_attachment(&self, bytes: Vec<u8>) -> Result<Digest, StoreError> {
        let bytes_max = self.0.settings.attachment_bytes_max;
        if bytes.len() as u64 > bytes_max {
            return Err(StoreError::AttachmentTooLarge { bytes: bytes.len() as u64, bytes_max });
        }
        let layout = self.0.layout.clone();
        let hash = self.working(move || attachments::keep(&layout, &bytes)).await?;
        self.share(hash).await
    }

    /// Begins to take a file in that comes in parts. `id` is its name, and must be one that nobody can guess.
    ///
    /// # Errors
    /// [`StoreError::Uploads`] when there are too many, [`StoreError::File`].
    pub async fn begin_upload(&self, id: Uuid) -> Result<Upload, StoreError> {
        let (layout, now) = (self.0.layout.clone(), self.0.clock.now().into());
        let bytes_max = self.0.settings.attachment_bytes_max;
        self.working(move || Upload::begin(&layout, id, now, bytes_max)).await
    }

    /// Goes on with one; `None` when there is none of this name.
    ///
    /// # Errors
    /// [`StoreError::Uploads`] while another request goes on with it, [`StoreError::File`].
    pub async fn resume_upload(&self, id: Uuid) -> Result<Option<Upload>, StoreError> {
        let (layout, bytes_max) = (self.0.layout.clone(), self.0.settings.attachment_bytes_max);
        self.working(move || Upload::resume(&layout, id, bytes_max)).await
    }

    /// Keeps what has come, as [`Ledger::put_attachment`] does.
    ///
    /// # Errors
    /// As there.
    pub async fn finish_upload(&self, upload: Upload) -> Result<Digest, StoreError> {
        let hash = self.working(move || upload.finish()).await?;
        self.share(hash).await
    }

    /// Puts a file where the other nodes find it, whichever of them publishes the statement that is going to name it.
    async fn share(&self, hash: Digest) -> Result<Digest, StoreError> {
        if let Some(bucket) = &self.0.settings.bucket {
            bucket.put_file(&handed_in(&hash), &self.0.layout.attachment(&hash)).await?;
        }
        Ok(hash)
    }

    /// Runs what reads and writes files where that holds nobody up.
    async fn working<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let ended = task::spawn_blocking(work).await;
        ended.map_err(|e| StoreError::file("keeping", self.0.layout.attachments(), std::io::Error::other(e)))?
    }

    /// Whether the files that a submission names were handed in, here or to another node.
    pub(super) async fn have_files(&self, admitted: &Admitted) -> Result<(), SubmitError> {
        for hash in &admitted.attachments {
            if self.0.layout.attachment(hash).is_file() {
                continue;
            }
            let brought = match &self.0.settings.bucket {
                // Rare, and large: whoever submits carries no more of it than a pointer.
                Some(bucket) => Box::pin(attachments::bring(bucket, &self.0.layout, hash)).await?,
                None => false,
            };
            if !brought {
                return Err(Refusal::MissingAttachment(hash.to_string()).into());
            }
        }
        Ok(())
    }
}
