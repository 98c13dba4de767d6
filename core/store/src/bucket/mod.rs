//! A folder of a bucket (S3 and what speaks like it): where the published files are put for everybody to fetch.
//!
//! Below the folder it looks as in a ledger's directory: `log/` is public and holds the bytes that lie below `log/` there;
//! `attachments/` is for the ledger's own nodes, and nobody else may read it. A put that returned is durable. What never
//! changes is created and not replaced; what does is replaced only in the version that was read ([`Put`]). A store that does
//! not keep to these conditions is found by [`Bucket::examine`] and not used.
//!
//! Not here: what is put when (`outlet`), and with which media type and caching ([`form`]). For another kind of store, give
//! [`Bucket`] another `ObjectStore`: it has to create and replace under conditions, and to list below a prefix.

mod address;
mod fetching;
pub mod form;

use std::{fmt, sync::Arc, time::Duration};

use gongkai_log::{Checkpoint, Digest, LogKeys};
use object_store::{
    MultipartUpload as _, ObjectStore, ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    RetryConfig, UpdateVersion,
    aws::{AmazonS3Builder, S3ConditionalPut},
    client::{ClientOptions, HttpClient, HttpConnector},
    path::Path,
};
use reqwest::redirect;
use tokio::io::AsyncReadExt as _;

pub use self::address::{Address, BucketOptions, Endpoint, NotABucket};
pub(crate) use self::fetching::BucketFetch;
pub use self::fetching::BucketSource;
use crate::{error::StoreError, ledger::ATTACHMENT_BYTES_MAX, reader::chain};

/// How long a connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long a request may take with its answer: twenty megabytes over a slow line.
const REQUEST_MAX: Duration = Duration::from_secs(30);
/// Attempts after the first within one request; the publisher begins anew each second anyway.
const RETRIES_MAX: usize = 2;
/// How long they may take together.
const RETRYING_MAX: Duration = Duration::from_secs(10);
/// Most bytes of an object that is read: no published file is longer than the longest attachment, but a bundle may be.
const OBJECT_BYTES_MAX: u64 = 4 * ATTACHMENT_BYTES_MAX as u64;
/// Bytes of a part of a long file: the least that S3 takes but for the last.
const PART_BYTES: usize = 5 << 20;

/// Name of the checkpoint.
pub(crate) const CHECKPOINT: &str = "log/checkpoint";
/// Name of the verifier key, which is there from the first start on.
const VKEY: &str = "log/vkey";

/// A folder of a bucket. Cheap to clone.
#[derive(Clone)]
pub struct Bucket(Arc<Inner>);

struct Inner {
    store: Arc<dyn ObjectStore>,
    folder: Path,
    // As people write it.
    name: String,
}

impl fmt::Debug for Bucket {
    // The store knows the secret key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({})", self.0.name)
    }
}

/// What a put demands of what is there.
#[derive(Clone, Debug)]
pub(crate) enum Put {
    /// Nothing is there.
    New,
    /// What was read, in this version.
    Over(Version),
}

/// A version of an object: its entity tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version(String);

/// What became of a put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is there, durably.
    Done(Version),
    /// Something else is there; nothing was changed.
    Refused,
}

/// An object that was read.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub bytes: Vec<u8>,
    pub version: Version,
}

/// The checkpoint that is in a bucket.
#[derive(Clone, Debug)]
pub struct There {
    /// What it says.
    pub checkpoint: Checkpoint,
    pub(crate) version: Version,
}

impl There {
    /// Refuses a head of fewer entries than were published here, or another at the same size: a standby that was behind, an
    /// old backup. The head must have been read after this.
    ///
    /// # Errors
    /// [`StoreError::Row`].
    pub fn refuse_behind(&self, head: &Checkpoint) -> Result<(), StoreError> {
        let there = &self.checkpoint;
        if there.size > head.size {
            let reason = format!("there are {} entries, and {} were published", head.size, there.size);
            return Err(StoreError::row(head.size, "head", reason));
        }
        if there.size == head.size && there.root != head.root {
            return Err(StoreError::row(head.size, "head", "another tree of this size was published"));
        }
        Ok(())
    }
}

/// Makes connections to the one address that was settled: no proxy from the environment, no redirection elsewhere.
#[derive(Debug)]
struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        // The one provider that is compiled in; somebody may have said so before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_MAX)
            .timeout(REQUEST_MAX)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build();
        let failed = |source| object_store::Error::Generic { store: "S3", source: Box::new(source) };
        Ok(HttpClient::new(client.map_err(failed)?))
    }
}

impl Bucket {
    /// A folder of a bucket; nothing is asked yet.
    ///
    /// # Errors
    /// [`StoreError::Bucket`] when no client can be made of it.
    pub fn new(options: &BucketOptions) -> Result<Self, StoreError> {
        let BucketOptions { address, endpoint, region, access_key, secret_key, token } = options;
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(address.bucket())
            .with_region(region)
            .with_access_key_id(access_key)
            .with_secret_access_key(secret_key.as_str())
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            // One by one is what every compatible store understands.
            .with_disable_bulk_delete(true)
            .with_retry(RetryConfig { max_retries: RETRIES_MAX, retry_timeout: RETRYING_MAX, ..RetryConfig::default() })
            .with_http_connector(Connector);
        if let Some(endpoint) = endpoint {
            builder = builder
                .with_endpoint(endpoint.as_str())
                .with_allow_http(endpoint.is_plain())
                .with_virtual_hosted_style_request(endpoint.names(address.bucket()));
        }
        if let Some(token) = token {
            builder = builder.with_token(token.as_str());
        }
        let name = address.to_string();
        let store = builder.build().map_err(|source| failed("opening", &name, source))?;
        Ok(Self(Arc::new(Inner { store: Arc::new(store), folder: Path::from(address.folder()), name })))
    }

    /// A bucket of this process, as long as somebody holds it.
    #[cfg(test)]
    pub(crate) fn in_memory() -> Self {
        let store = Arc::new(object_store::memory::InMemory::new());
        Self(Arc::new(Inner { store, folder: Path::from("ledger"), name: "memory".to_owned() }))
    }

    /// As people write it.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    // Names are of the layout: digits, letters, a few signs, and slashes between parts.
    fn place(&self, name: &str) -> Path {
        name.split('/').fold(self.0.folder.clone(), Path::join)
    }

    /// The bytes of an object and their version; `None` when there is none.
    pub(crate) async fn get(&self, name: &str) -> Result<Option<Found>, StoreError> {
        let failed = |source| failed("reading", name, source);
        let found = match self.0.store.get(&self.place(name)).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            found => found.map_err(failed)?,
        };
        let version = version(name, found.meta.e_tag.clone())?;
        if found.meta.size > OBJECT_BYTES_MAX {
            return Err(StoreError::Foreign { name: name.to_owned(), reason: "it is too large".to_owned() });
        }
        let bytes = found.bytes().await.map_err(failed)?;
        Ok(Some(Found { bytes: bytes.into(), version }))
    }

    /// The version of an object; `None` when there is none.
    pub(crate) async fn version(&self, name: &str) -> Result<Option<Version>, StoreError> {
        match self.0.store.head(&self.place(name)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            found => version(name, found.map_err(|source| failed("reading", name, source))?.e_tag).map(Some),
        }
    }

    /// Puts an object under a condition.
    pub(crate) async fn put(&self, name: &str, bytes: Vec<u8>, put: &Put) -> Result<Outcome, StoreError> {
        let mode = match put {
            Put::New => PutMode::Create,
            Put::Over(Version(tag)) => PutMode::Update(UpdateVersion { e_tag: Some(tag.clone()), version: None }),
        };
        let options = PutOptions { mode, attributes: form::attributes(name), ..PutOptions::default() };
        match self.0.store.put_opts(&self.place(name), PutPayload::from(bytes), options).await {
            Ok(done) => version(name, done.e_tag).map(Outcome::Done),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                Ok(Outcome::Refused)
            }
            Err(source) => Err(failed("writing", name, source)),
        }
    }

    /// Puts what never changes. It may be there already: from an earlier attempt, from another node.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] when other bytes are there under this name.
    pub(crate) async fn put_fixed(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        let digest = Digest::of(&bytes);
        if let Outcome::Done(_) = self.put(name, bytes, &Put::New).await? {
            return Ok(());
        }
        match self.get(name).await? {
            Some(found) if Digest::of(&found.bytes) == digest => Ok(()),
            Some(_) => Err(StoreError::Foreign { name: name.to_owned(), reason: "it has other bytes".to_owned() }),
            // Taken away between the two: tried again with everything.
            None => Err(contended(name)),
        }
    }

    /// Puts a file whose name is its hash, a part at a time: the same bytes over the same change nothing.
    pub(crate) async fn put_file(&self, name: &str, path: &std::path::Path) -> Result<(), StoreError> {
        if self.version(name).await?.is_some() {
            return Ok(());
        }
        let file = |error| StoreError::file("reading", path, error);
        let mut reader = tokio::fs::File::open(path).await.map_err(file)?;
        let mut part = next_part(&mut reader).await.map_err(file)?;
        if part.len() < PART_BYTES {
            return self.put_fixed(name, part).await;
        }
        let failed = |source| failed("writing", name, source);
        let options = PutMultipartOptions { attributes: form::attributes(name), ..PutMultipartOptions::default() };
        let mut upload = self.0.store.put_multipart_opts(&self.place(name), options).await.map_err(failed)?;
        while !part.is_empty() {
            let put = upload.put_part(PutPayload::from(part)).await;
            if let Err(error) = put {
                // What is left of it is the store's to clear, should this fail too.
                let _ = upload.abort().await;
                return Err(failed(error));
            }
            part = next_part(&mut reader).await.map_err(file)?;
        }
        upload.complete().await.map(drop).map_err(failed)
    }

    /// Puts what this node says in its own name over whatever it said before.
    pub(crate) async fn put_said(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        let put = match self.get(name).await? {
            Some(found) if found.bytes == bytes => return Ok(()),
            Some(found) => Put::Over(found.version),
            None => Put::New,
        };
        match self.put(name, bytes, &put).await? {
            Outcome::Done(_) => Ok(()),
            Outcome::Refused => Err(contended(name)),
        }
    }

    /// Takes an object away; one that is not there is gone already.
    pub(crate) async fn remove(&self, name: &str) -> Result<(), StoreError> {
        match self.0.store.delete(&self.place(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(failed("removing", name, source)),
        }
    }

    /// Takes everything away below a name.
    pub(crate) async fn remove_below(&self, name: &str) -> Result<(), StoreError> {
        let listed = self.0.store.list_with_delimiter(Some(&self.place(name))).await;
        for object in listed.map_err(|source| failed("listing", name, source))?.objects {
            let removed = self.0.store.delete(&object.location).await;
            removed.map_err(|source| failed("removing", name, source))?;
        }
        Ok(())
    }

    /// The checkpoint that is there; `None` before the first.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] when it is not one that the log's keys signed: another log is published there.
    pub async fn checkpoint(&self, keys: &LogKeys) -> Result<Option<There>, StoreError> {
        Ok(self.checkpoint_note(keys).await?.map(|(there, _)| there))
    }

    /// The same, with the note that says so.
    pub(crate) async fn checkpoint_note(&self, keys: &LogKeys) -> Result<Option<(There, String)>, StoreError> {
        let Some(Found { bytes, version }) = self.get(CHECKPOINT).await? else { return Ok(None) };
        let foreign = |reason| StoreError::Foreign { name: CHECKPOINT.to_owned(), reason };
        let note = String::from_utf8(bytes).map_err(|error| foreign(error.to_string()))?;
        let (checkpoint, _) = keys.open(&note).map_err(|error| foreign(chain(&error)))?;
        Ok(Some((There { checkpoint, version }, note)))
    }

    /// Whether this store refuses what it must: creating what is there, and replacing another version. `name` is put in place
    /// with `bytes`; where the store does not keep to a condition, the same bytes are written once more.
    ///
    /// # Errors
    /// [`StoreError::Unconditional`] when it does not.
    pub(crate) async fn examine(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.put_said(name, bytes.to_vec()).await?;
        if self.refuses(name, bytes).await? {
            return Ok(());
        }
        Err(StoreError::Unconditional { name: self.0.name.clone() })
    }

    /// The same of a bucket that is in use, tried on the verifier key that is there. `true` also where there is none yet.
    ///
    /// # Errors
    /// [`StoreError::Bucket`] when it cannot be reached, or lets nobody write with this key.
    pub async fn keeps_conditions(&self) -> Result<bool, StoreError> {
        let Some(found) = self.get(VKEY).await? else { return Ok(true) };
        self.refuses(VKEY, &found.bytes).await
    }

    /// Whether an object that is there with these bytes is neither created again nor replaced in another version.
    async fn refuses(&self, name: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        let other = Version("\"00000000000000000000000000000000\"".to_owned());
        for put in [Put::New, Put::Over(other)] {
            if let Outcome::Done(_) = self.put(name, bytes.to_vec(), &put).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

async fn next_part(reader: &mut tokio::fs::File) -> std::io::Result<Vec<u8>> {
    let mut part = Vec::with_capacity(PART_BYTES);
    reader.take(PART_BYTES as u64).read_to_end(&mut part).await?;
    Ok(part)
}

/// The name under which the nodes of a ledger keep a file that was handed in.
pub(crate) fn handed_in(hash: &Digest) -> String {
    format!("attachments/{}", hash.to_hex())
}

fn version(name: &str, tag: Option<String>) -> Result<Version, StoreError> {
    let missing = || StoreError::Foreign { name: name.to_owned(), reason: "the store gave no entity tag".to_owned() };
    tag.map(Version).ok_or_else(missing)
}

fn failed(doing: &'static str, name: &str, source: object_store::Error) -> StoreError {
    StoreError::Bucket { doing, name: name.to_owned(), source: Box::new(source) }
}

/// Others write the same object all the time.
pub(crate) fn contended(name: &str) -> StoreError {
    let source = "others wrote it each time in between".into();
    failed("writing", name, object_store::Error::Precondition { path: name.to_owned(), source })
}
