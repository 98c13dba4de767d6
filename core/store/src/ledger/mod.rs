//! The ledger as everything else sees it: submit, read, follow.
//!
//! [`Ledger`] is a handle; clone it freely. Behind it run two threads, the sequencer and the publisher.
//! Writing takes an exclusive lock on the directory; reading does not ([`ReadStore`]).
//! Call [`Ledger::shutdown`] to end in good order; without it nothing is lost either, but what was
//! committed last is published on the next start.

use std::{
    collections::VecDeque,
    fs::{self, File, TryLockError},
    io::Write as _,
    num::NonZero,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, mpsc as std_mpsc},
    thread,
    time::Duration,
};

use chrono::{DateTime, SubsecRound as _, Utc};
use gongkai_domain::{
    Checked, Command, Prepared, Recorded, Refusal, Setting, Submission, World, kind, prepare, submission::Filled,
    world::Role,
};
use gongkai_log::{
    Digest, Entry, RefusalReceipt, SignedStatement, Signer, SigningKey, Statement, StreamId, Tier, VerifierKey, note,
};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot, watch},
    task,
};

use crate::{
    admission::{self, Admitted, Sealing},
    clock::Clock,
    error::{OpenError, StoreError, SubmitError},
    event_store::{EventStore, LogHead, Publication},
    layout::Layout,
    publisher::Publisher,
    reader::{ReadStore, StoredEntry, teaches},
    recover::{Recover, Recovery},
    sealed_reader::{self, SealedProof, SealedReader},
    sequencer::{Answer, Item, Message, Sequencer, china_time},
    sqlite::SqliteStore,
    streams::Streams,
    vault::{Vault, VaultFault},
};

/// Longest idempotency key: a UUID, a hash, a file name with a line number.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 200;

/// Most bytes of an attachment unless a ledger's settings say otherwise: a scan of some twenty pages.
pub const ATTACHMENT_BYTES_MAX: usize = 20 << 20;

/// Bytes of note and lines from which a submission is checked on a thread for long work.
const LONG_CHECK_BYTES: usize = 64 << 10;

/// Submissions that one thread checks at a time when many are handed in together.
const CHUNK: usize = 128;

/// The ledger's own keys.
#[derive(Debug)]
pub struct LedgerKeys {
    /// Signs checkpoints and the genesis; its name is the origin.
    pub log: SigningKey,
    /// Signs what the ledger itself says.
    pub intake: SigningKey,
}

/// What a new ledger begins with.
pub struct CreateOptions {
    /// The keys that the genesis names.
    pub keys: LedgerKeys,
    /// `ledger.created.v1`, signed by the log key.
    pub genesis: Submission,
    /// How it runs.
    pub settings: Settings,
}

/// Limits and times of a running ledger.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Most submissions in one transaction.
    pub batch_max: usize,
    /// Most submissions that wait; one more is answered [`SubmitError::Busy`].
    pub queue_max: usize,
    /// Least time between two checkpoints under load. The first after a quiet time comes at once.
    pub publish_interval: Duration,
    /// How far the wall clock may run ahead of the monotonic one between two batches.
    pub clock_jump_max: Duration,
    /// How long a lock on the database is waited for.
    pub busy_timeout: Duration,
    /// Most streams whose state is kept in memory.
    pub streams_cached_max: usize,
    /// Largest attachment.
    pub attachment_bytes_max: u64,
    /// Most connections that read.
    pub readers_max: u32,
    /// Check and publish everything on start, not only the tail.
    pub republish_all: bool,
    /// The unlocked vault; without it public statements are all that is taken.
    pub vault: Option<Vault>,
    /// How often a period of sealed events is recorded, with or without events.
    pub period: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            batch_max: 4_096,
            queue_max: 8_192,
            publish_interval: Duration::from_millis(50),
            clock_jump_max: Duration::from_hours(1),
            busy_timeout: Duration::from_secs(5),
            streams_cached_max: 65_536,
            attachment_bytes_max: ATTACHMENT_BYTES_MAX as u64,
            readers_max: 4,
            republish_all: false,
            vault: None,
            period: Duration::from_mins(10),
        }
    }
}

/// That a statement was recorded, durably (design 9).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Receipt {
    /// Place in the log.
    pub index: u64,
    /// BLAKE3 of the entry's bytes.
    pub entry_hash: Digest,
    /// BLAKE3 of the statement's text.
    pub statement_hash: Digest,
    /// When it was recorded; whole microseconds.
    pub recorded_at: DateTime<Utc>,
}

impl Receipt {
    pub(crate) fn of(entry: &Entry) -> Self {
        Self {
            index: entry.index,
            entry_hash: entry.hash,
            statement_hash: entry.content.statement().map_or(Digest::ZERO, |signed| signed.hash),
            recorded_at: entry.recorded_at,
        }
    }
}

/// That a sealed event was received, durably: a promise to record it in a period.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Promised {
    /// The promise, a note signed by the intake key (design 3.2).
    pub promise: String,
    /// Commitment to the event.
    pub commitment: Digest,
    /// When it was received; whole microseconds.
    pub received_at: DateTime<Utc>,
    /// Until when a period must hold it; whole microseconds.
    pub deadline: DateTime<Utc>,
    /// Under which the submitter follows it without signing in.
    pub status_code: String,
}

/// What a submission became.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum Accepted {
    /// An entry of the log.
    Entry(Receipt),
    /// A sealed event that a period is going to record.
    Promise(Promised),
}

impl Accepted {
    /// The receipt of an entry.
    pub fn entry(self) -> Option<Receipt> {
        match self {
            Self::Entry(receipt) => Some(receipt),
            Self::Promise(_) => None,
        }
    }

    /// The promise for a sealed event.
    pub fn promise(self) -> Option<Promised> {
        match self {
            Self::Promise(promised) => Some(promised),
            Self::Entry(_) => None,
        }
    }
}

/// Whether the ledger accepts submissions, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Why it does not accept anything; `None` when it does.
    pub halted: Option<String>,
    /// Entries that are committed.
    pub committed: u64,
    /// Entries that are published.
    pub published: u64,
}

/// What all threads of a ledger see.
pub(crate) struct Shared {
    pub origin: String,
    world: RwLock<World>,
    halted: Mutex<Option<String>>,
    publication: Mutex<Option<Publication>>,
    checkpoint: Mutex<String>,
    pub committed: watch::Sender<u64>,
    pub published: watch::Sender<u64>,
    /// Sealed events and erasures.
    pub sealed: watch::Sender<(u64, u64)>,
}

// A panic in one of the short critical sections below leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn new(origin: String, world: World, size: u64) -> Self {
        Self {
            origin,
            world: RwLock::new(world),
            halted: Mutex::new(None),
            publication: Mutex::new(None),
            checkpoint: Mutex::new(String::new()),
            committed: watch::channel(size).0,
            published: watch::channel(0).0,
            sealed: watch::channel((0, 0)).0,
        }
    }

    pub(crate) fn with_world<T>(&self, f: impl FnOnce(&World) -> T) -> T {
        f(&self.world.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn key(&self, name: &str) -> Option<VerifierKey> {
        self.with_world(|world| world.key(name).map(|key| key.verifier.clone()))
    }

    /// Shows readers what was committed.
    pub(crate) fn learn<'s>(
        &self,
        from: u64,
        recorded_at: DateTime<Utc>,
        statements: impl Iterator<Item = &'s SignedStatement>,
    ) {
        let mut world = None;
        for (index, signed) in (from..).zip(statements) {
            if teaches(&signed.statement) {
                let world = world.get_or_insert_with(|| self.world.write().unwrap_or_else(PoisonError::into_inner));
                world.evolve(&Recorded {
                    index,
                    recorded_at,
                    statement: &signed.statement,
                    hash: signed.hash,
                    values: None,
                });
            }
        }
    }

    pub(crate) fn halted(&self) -> Option<String> {
        lock(&self.halted).clone()
    }

    pub(crate) fn halt(&self, reason: String) {
        *lock(&self.halted) = Some(reason);
    }

    pub(crate) fn go_on(&self) {
        *lock(&self.halted) = None;
    }

    pub(crate) fn take_publication(&self) -> Option<Publication> {
        lock(&self.publication).take()
    }

    pub(crate) fn put_publication(&self, publication: Publication) {
        *lock(&self.publication) = Some(publication);
    }

    pub(crate) fn checkpoint(&self) -> String {
        lock(&self.checkpoint).clone()
    }

    pub(crate) fn set_checkpoint(&self, note: String) {
        *lock(&self.checkpoint) = note;
    }
}

struct Inner {
    layout: Layout,
    keys: Arc<LedgerKeys>,
    runtime: Handle,
    settings: Settings,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
    reader: ReadStore,
    queue: mpsc::Sender<Message>,
    // The sender ends with the sequencer's thread.
    done: watch::Receiver<()>,
    recovery: Recovery,
}

/// A ledger that is open for writing.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ledger({} in {})", self.0.shared.origin, self.0.layout.root().display())
    }
}

impl Ledger {
    /// Makes a ledger with its genesis and opens it.
    ///
    /// A crash before the genesis is committed leaves no ledger; `create` can then be called again.
    ///
    /// # Errors
    /// [`OpenError::Exists`], [`OpenError::Genesis`], [`OpenError::Key`], [`OpenError::InUse`],
    /// [`OpenError::Store`].
    pub async fn create(layout: &Layout, options: CreateOptions, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let CreateOptions { keys, genesis, settings } = options;
        if layout.database().exists() {
            return Err(OpenError::Exists(layout.root().to_owned()));
        }
        fs::create_dir_all(layout.root()).map_err(|e| StoreError::file("making folder", layout.root(), e))?;
        let guard = take_lock(layout)?;
        let draft = layout.database_draft();
        for leftover in [draft.clone(), with_suffix(&draft, "-wal"), with_suffix(&draft, "-shm")] {
            if leftover.exists() {
                fs::remove_file(&leftover).map_err(|e| StoreError::file("removing", leftover, e))?;
            }
        }
        SqliteStore::create(&draft).await?;
        let store = SqliteStore::open(&draft, settings.busy_timeout).await?;
        let origin = keys.log.name().to_owned();
        let public_only = |checked: &Checked| Err(admission::without_vault(checked).into());
        let admitted = admission::admit(&origin, genesis, |_| None, public_only).map_err(|error| match error {
            SubmitError::Refused(refusal) => OpenError::Genesis(refusal),
            other => StoreError::file("checking", "genesis", std::io::Error::other(other)).into(),
        })?;
        commit_genesis(store, &origin, admitted, clock.clone(), settings.clone()).await?;
        // From here on it is a ledger.
        fs::rename(&draft, layout.database()).map_err(|e| StoreError::file("naming", layout.database(), e))?;
        File::open(layout.root())
            .and_then(|folder| folder.sync_all())
            .map_err(|e| StoreError::file("flushing", layout.root(), e))?;
        Self::start(layout, keys, clock, settings, guard).await
    }

    /// Opens a ledger for writing: checks and repairs what is published, and puts a halt on record.
    ///
    /// When the clock is behind the last entry it opens all the same, for reading; see
    /// [`Ledger::health`].
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong and how to mend it.
    pub async fn open(
        layout: &Layout,
        keys: LedgerKeys,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Result<Self, OpenError> {
        crate::sqlite::examine(&layout.database()).await?;
        let guard = take_lock(layout)?;
        Self::start(layout, keys, clock, settings, guard).await
    }

    async fn start(
        layout: &Layout,
        keys: LedgerKeys,
        clock: Arc<dyn Clock>,
        settings: Settings,
        guard: File,
    ) -> Result<Self, OpenError> {
        let store = SqliteStore::open(&layout.database(), settings.busy_timeout).await?;
        Self::start_with(store, layout, keys, clock, settings, guard).await
    }

    /// Starts the threads over a store that has taken over.
    pub(crate) async fn start_with<S: EventStore>(
        mut store: S,
        layout: &Layout,
        keys: LedgerKeys,
        clock: Arc<dyn Clock>,
        settings: Settings,
        guard: File,
    ) -> Result<Self, OpenError> {
        let reader = ReadStore::connect(layout, settings.readers_max, settings.busy_timeout);
        let keys = Arc::new(keys);
        let ready = match get_ready(&mut store, &reader, layout, &keys, &settings).await {
            Ok(ready) => ready,
            Err(error) => {
                // Leave nothing open: the operator is going to put another file there. That closing
                // fails too would tell nothing new.
                reader.close().await;
                let _ = store.close().await;
                return Err(error);
            }
        };
        let Ready { head, world, shared, publisher, recovery } = ready;
        let signals = spawn_publisher(publisher);
        let (queue, messages) = mpsc::channel(settings.queue_max.max(1));
        let (done_sender, done) = watch::channel(());
        let sequencer = Sequencer {
            store,
            runtime: Handle::current(),
            shared: shared.clone(),
            keys: Some(Arc::clone(&keys)),
            reading: (clock.now().trunc_subsecs(6), clock.monotonic()),
            clock: clock.clone(),
            settings: settings.clone(),
            head,
            world,
            streams: Streams::new(settings.streams_cached_max),
            sealed_streams: Streams::new(settings.streams_cached_max),
            sealed_count: 0,
            publisher: signals,
            reader: Some(reader.clone()),
        };
        let (ready_sender, ready) = oneshot::channel();
        let spawned = thread::Builder::new().name("sequencer".into()).spawn(move || {
            sequencer.run(messages, ready_sender);
            // Only now may another process write here.
            drop(guard);
            drop(done_sender);
        });
        spawned.map_err(|e| StoreError::file("starting a thread for", layout.root(), e))?;
        // An error here means that the thread has ended, which every later call reports.
        let _ = ready.await;
        if settings.vault.is_some() {
            tokio::spawn(keep_periods(queue.downgrade(), settings.period));
        }
        let (layout, settings, runtime) = (layout.clone(), settings, Handle::current());
        Ok(Self(Arc::new(Inner { layout, keys, runtime, settings, clock, shared, reader, queue, done, recovery })))
    }

    /// The ledger's name: what statements are bound to.
    pub fn origin(&self) -> &str {
        &self.0.shared.origin
    }

    /// Where it lies.
    pub fn layout(&self) -> &Layout {
        &self.0.layout
    }

    /// The clock that it was given.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// What the start found and mended.
    pub fn recovery(&self) -> &Recovery {
        &self.0.recovery
    }

    /// Whether it accepts submissions, and how far it is.
    pub fn health(&self) -> Health {
        let shared = &self.0.shared;
        Health { halted: shared.halted(), committed: *shared.committed.borrow(), published: *shared.published.borrow() }
    }

    /// The log's verifier key, which the genesis names.
    ///
    /// # Panics
    /// Never: a ledger does not open with another log key.
    pub fn vkey(&self) -> VerifierKey {
        let key = self.with_world(|world| world.key(self.origin()).map(|key| key.verifier.clone()));
        key.expect("a ledger does not open with another log key than its genesis names")
    }

    /// Registry, calendar, rules and books as of the last commit. Keep it short: the sequencer waits.
    pub fn with_world<T>(&self, f: impl FnOnce(&World) -> T) -> T {
        self.0.shared.with_world(f)
    }

    /// Entries committed; changes after each commit.
    pub fn committed(&self) -> watch::Receiver<u64> {
        self.0.shared.committed.subscribe()
    }

    /// Sealed events committed, and erasures since the start; changes after each of them.
    pub fn sealed(&self) -> watch::Receiver<(u64, u64)> {
        self.0.shared.sealed.subscribe()
    }

    /// Entries published; changes after each checkpoint.
    pub fn published(&self) -> watch::Receiver<u64> {
        self.0.shared.published.subscribe()
    }

    /// Records a public statement, and answers after it is durable.
    ///
    /// # Errors
    /// [`SubmitError`]; a sealed event is refused, it is handed in with [`Ledger::hand_in`].
    pub async fn submit(
        &self,
        idempotency_key: Option<String>,
        submission: Submission,
    ) -> Result<Receipt, SubmitError> {
        let admitted = self.check(idempotency_key.as_deref(), submission).await?;
        let sealed = || Refusal::Malformed { place: "kind".into(), reason: "封存事项没有条目回执".into() };
        if admitted.checked.kind.sealed {
            return Err(sealed().into());
        }
        self.sequence(idempotency_key, admitted).await?.entry().ok_or_else(|| sealed().into())
    }

    /// Records a statement, or promises to: answers after it is durable.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn hand_in(&self, idempotency_key: Option<String>, submission: Submission) -> Answer {
        let admitted = self.check(idempotency_key.as_deref(), submission).await?;
        self.sequence(idempotency_key, admitted).await
    }

    async fn check(&self, idempotency_key: Option<&str>, submission: Submission) -> Result<Admitted, SubmitError> {
        check_idempotency_key(idempotency_key)?;
        if let Some(reason) = self.0.shared.halted() {
            return Err(SubmitError::Halted(reason));
        }
        if submission_bytes(&submission) > LONG_CHECK_BYTES || may_need_vault(&submission) {
            let ledger = self.clone();
            join(task::spawn_blocking(move || ledger.admit(submission)).await)?
        } else {
            self.admit(submission)
        }
    }

    async fn sequence(&self, idempotency_key: Option<String>, admitted: Admitted) -> Answer {
        let (answer, receipt) = oneshot::channel();
        let item = Item { key: idempotency_key, admitted: Box::new(admitted), answer };
        match self.0.queue.try_send(Message::Submit(item)) {
            Ok(()) => receipt.await.unwrap_or_else(|_| Err(closed())),
            Err(mpsc::error::TrySendError::Full(_)) => Err(SubmitError::Busy),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(closed()),
        }
    }

    /// Records many submissions in their order; checks them on all cores while earlier ones are
    /// committed. The answers are in the same order. It waits where [`Ledger::submit`] is busy.
    pub async fn submit_many(&self, submissions: Vec<(Option<String>, Submission)>) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(submissions.len());
        let ahead_max = 2 * thread::available_parallelism().map_or(1, NonZero::get);
        let mut ahead = VecDeque::new();
        let mut submissions = submissions.into_iter();
        loop {
            while ahead.len() < ahead_max {
                let chunk: Vec<_> = submissions.by_ref().take(CHUNK).collect();
                if chunk.is_empty() {
                    break;
                }
                let ledger = self.clone();
                let size = chunk.len();
                ahead.push_back((size, task::spawn_blocking(move || ledger.admit_chunk(chunk))));
            }
            let Some((size, checked)) = ahead.pop_front() else { break };
            match join(checked.await) {
                Ok(chunk) => self.enqueue(chunk, &mut answers).await,
                Err(error) => answers.extend((0..size).map(|_| Pending::Known(Err(error.clone())))),
            }
        }
        let mut done = Vec::with_capacity(answers.len());
        for answer in answers {
            done.push(match answer {
                Pending::Known(answer) => answer,
                Pending::Awaited(receipt) => receipt.await.unwrap_or_else(|_| Err(closed())),
            });
        }
        done
    }

    fn admit(&self, submission: Submission) -> Result<Admitted, SubmitError> {
        let shared = &self.0.shared;
        let submission = self.countersign(submission)?;
        let admitted =
            admission::admit(&shared.origin, submission, |name| shared.key(name), |checked| self.seal(checked))?;
        for hash in &admitted.attachments {
            if !self.0.layout.attachment(hash).is_file() {
                return Err(Refusal::MissingAttachment(hash.to_string()).into());
            }
        }
        Ok(admitted)
    }

    /// Encrypts what is for the vault. Blocks: call it on a thread for long work.
    fn seal(&self, checked: &Checked) -> Result<Sealing, SubmitError> {
        let Some(vault) = &self.0.settings.vault else { return Err(admission::without_vault(checked).into()) };
        let tag = vault.tag(&checked.signed.statement.stream);
        loop {
            self.0.runtime.block_on(vault.load(&[tag]))?;
            match admission::seal(vault, checked) {
                // The keys were thrown out of the cache in between.
                Err(VaultFault::NotLoaded) => {}
                other => return Ok(other?),
            }
        }
    }

    /// Signs with the intake key what somebody without a key hands in: a text without signatures, whose only
    /// signer is intake, of a kind that the intake key may sign (design 3.4).
    fn countersign(&self, submission: Submission) -> Result<Submission, SubmitError> {
        let Some(note) = countersigned(&submission.note, &self.0.keys.intake) else { return Ok(submission) };
        Ok(Submission { note: note?, ..submission })
    }

    fn admit_chunk(
        &self,
        chunk: Vec<(Option<String>, Submission)>,
    ) -> Vec<(Option<String>, Result<Admitted, SubmitError>)> {
        let admit = |(key, submission): (Option<String>, Submission)| {
            let admitted = check_idempotency_key(key.as_deref()).and_then(|()| self.admit(submission));
            (key, admitted)
        };
        chunk.into_iter().map(admit).collect()
    }

    async fn enqueue(&self, chunk: Vec<(Option<String>, Result<Admitted, SubmitError>)>, answers: &mut Vec<Pending>) {
        for (key, admitted) in chunk {
            answers.push(match admitted {
                Err(error) => Pending::Known(Err(error)),
                Ok(admitted) => {
                    let (answer, receipt) = oneshot::channel();
                    let item = Item { key, admitted: Box::new(admitted), answer };
                    match self.0.queue.send(Message::Submit(item)).await {
                        Ok(()) => Pending::Awaited(receipt),
                        Err(_) => Pending::Known(Err(closed())),
                    }
                }
            });
        }
    }

    /// Gives a command the bytes to sign, at the head of its stream.
    ///
    /// A command that opens a stream and names none gets a new one (UUID version 7); one without
    /// `declared_at` gets the clock's reading.
    ///
    /// # Errors
    /// [`SubmitError::Refused`] for a command that has no bytes, [`SubmitError::Storage`].
    pub async fn prepare(
        &self,
        command: Command,
        signers: Vec<Signer>,
        entropy: &mut (dyn FnMut(&mut [u8]) + Send),
    ) -> Result<Prepared, SubmitError> {
        let kind = command.kind()?;
        let stream = match &command.stream {
            Some(stream) => stream.clone(),
            None if kind.opens => kind.new_stream(self.0.clock.now(), entropy),
            None => return Err(Refusal::StreamMissing(format!("{}/", kind.family())).into()),
        };
        let head = match &self.0.settings.vault {
            // What opens a sealed stream begins it: whether there is one of that name is not told here.
            _ if kind.sealed && kind.opens => None,
            Some(vault) if kind.sealed => self.sealed_with(vault).stream_head(&stream).await?,
            _ if kind.sealed => None,
            _ => self.0.reader.stream_head(&stream).await?,
        };
        let declared_at = command.declared_at.unwrap_or_else(|| china_time(self.0.clock.now()));
        let setting = Setting { origin: self.origin(), stream, head, signers, declared_at };
        Ok(prepare(&command, &setting, &mut |buffer| entropy(buffer))?)
    }

    /// Keeps a file that a statement is going to name, durably; gives its hash.
    ///
    /// # Errors
    /// [`StoreError::AttachmentTooLarge`], [`StoreError::File`].
    pub async fn put_attachment(&self, bytes: Vec<u8>) -> Result<Digest, StoreError> {
        let bytes_max = self.0.settings.attachment_bytes_max;
        if bytes.len() as u64 > bytes_max {
            return Err(StoreError::AttachmentTooLarge { bytes: bytes.len() as u64, bytes_max });
        }
        let layout = self.0.layout.clone();
        let put = task::spawn_blocking(move || put_file(&layout, &bytes)).await;
        put.map_err(|e| StoreError::file("keeping", self.0.layout.attachments(), std::io::Error::other(e)))?
    }

    /// At most `limit` entries (and at most 4,096) from index `from`, in order; empty only at the end.
    ///
    /// # Errors
    /// [`StoreError::Row`] for a damaged row.
    pub async fn entries(&self, from: u64, limit: u64) -> Result<Vec<StoredEntry>, StoreError> {
        self.0.reader.entries(from, limit).await
    }

    /// One entry; `None` beyond the end.
    ///
    /// # Errors
    /// [`StoreError::Row`] for a damaged row.
    pub async fn entry(&self, index: u64) -> Result<Option<StoredEntry>, StoreError> {
        self.0.reader.entry(index).await
    }

    /// A stream's entries in the order of their revisions.
    ///
    /// # Errors
    /// [`StoreError::Row`] for a damaged row.
    pub async fn stream(&self, stream: &StreamId) -> Result<Vec<StoredEntry>, StoreError> {
        self.0.reader.stream(stream).await
    }

    /// Reading without writing.
    pub fn reader(&self) -> &ReadStore {
        &self.0.reader
    }

    /// Submissions that wait for their turn.
    pub fn waiting(&self) -> usize {
        self.0.queue.max_capacity() - self.0.queue.capacity()
    }

    /// Goes on after the clock stopped the ledger, if the clock is right now; halt and resumption are
    /// put on record.
    ///
    /// # Errors
    /// [`SubmitError::Halted`] when it is not, or when something else stopped the ledger.
    pub async fn resume(&self) -> Result<(), SubmitError> {
        let (answer, resumed) = oneshot::channel();
        self.0.queue.send(Message::Resume(answer)).await.map_err(|_| closed())?;
        resumed.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Records the period of the sealed events that were received since the last, without waiting for its time.
    ///
    /// Answers with the period's entry.
    ///
    /// # Errors
    /// [`SubmitError`]; a ledger without a vault has no periods.
    pub async fn end_period(&self) -> Result<u64, SubmitError> {
        let (answer, ended) = oneshot::channel();
        self.0.queue.send(Message::Period(Some(answer))).await.map_err(|_| closed())?;
        ended.await.unwrap_or_else(|_| Err(closed()))
    }

    fn sealed_with(&self, vault: &Vault) -> SealedReader {
        SealedReader::new(self.0.reader.clone(), vault.clone())
    }

    /// Reading what is sealed; `None` without a vault.
    pub fn sealed_reader(&self) -> Option<SealedReader> {
        self.0.settings.vault.as_ref().map(|vault| self.sealed_with(vault))
    }

    /// The unlocked vault.
    pub fn vault(&self) -> Option<&Vault> {
        self.0.settings.vault.as_ref()
    }

    /// Where a promise was kept: the place of a sealed event in the log; `None` when there is no such event, and until
    /// its period is recorded. It needs no vault.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn kept_promise(&self, commitment: &Digest) -> Result<Option<SealedProof>, StoreError> {
        sealed_reader::place_of(&self.0.reader, commitment).await
    }

    /// The key that signs for people who have none: promises, receipts, and what they hand in.
    pub fn intake_key(&self) -> VerifierKey {
        self.0.keys.intake.verifier()
    }

    /// A receipt that a submission was refused now, signed by the intake key.
    ///
    /// # Errors
    /// [`StoreError::Row`] when there is no such code.
    pub fn receipt_of_refusal(&self, submission: Digest, code: &str) -> Result<String, StoreError> {
        let refused_at = self.0.clock.now().trunc_subsecs(6);
        let receipt =
            RefusalReceipt { origin: self.origin().to_owned(), submission, refused_at, code: code.to_owned() };
        let wrong = |e: &dyn std::error::Error| StoreError::row(0, "refusal", crate::reader::chain(e));
        let text = receipt.text().map_err(|e| wrong(&e))?;
        note::sign(&text, &[&self.0.keys.intake]).map_err(|e| wrong(&e))
    }

    /// Ends in good order: everything accepted is answered, committed, published and flushed, the
    /// database is closed and the lock released. Reading through this handle ends too.
    pub async fn shutdown(&self) {
        // An error means that the sequencer is closing or gone already.
        let _ = self.0.queue.send(Message::Close).await;
        let mut done = self.0.done.clone();
        // The sender never sends: this ends, with an error, when the thread does.
        while done.changed().await.is_ok() {}
    }
}

/// What the threads start from.
struct Ready {
    head: LogHead,
    world: World,
    shared: Arc<Shared>,
    publisher: Publisher,
    recovery: Recovery,
}

/// Loads, checks and repairs.
async fn get_ready<S: EventStore>(
    store: &mut S,
    reader: &ReadStore,
    layout: &Layout,
    keys: &Arc<LedgerKeys>,
    settings: &Settings,
) -> Result<Ready, OpenError> {
    let head = store.load_head().await.map_err(OpenError::Damaged)?;
    let world = reader.world().await.map_err(|error| match error {
        error @ StoreError::Row { .. } => OpenError::Damaged(error),
        error => OpenError::Store(error),
    })?;
    check_keys(&world, keys)?;
    let shared = Arc::new(Shared::new(keys.log.name().to_owned(), world.clone(), head.size));
    let recover = Recover {
        runtime: Handle::current(),
        layout: layout.clone(),
        keys: keys.clone(),
        shared: shared.clone(),
        settings: settings.clone(),
    };
    let recovered = task::spawn_blocking(move || recover.run()).await;
    let (publisher, recovery) =
        recovered.map_err(|e| StoreError::file("checking", layout.root(), std::io::Error::other(e)))??;
    Ok(Ready { head, world, shared, publisher, recovery })
}

/// An answer that is known, or will be.
enum Pending {
    Known(Answer),
    Awaited(oneshot::Receiver<Answer>),
}

fn closed() -> SubmitError {
    SubmitError::Halted("账本正在关闭".into())
}

fn join<T>(joined: Result<T, task::JoinError>) -> Result<T, SubmitError> {
    joined.map_err(|error| SubmitError::Halted(format!("检查提交时程序出错（{error}）")))
}

/// Whether something of it looks as if it were for the vault; [`Checked::needs_vault`] decides.
fn may_need_vault(submission: &Submission) -> bool {
    submission.envelope.is_some()
        || submission.lines.iter().any(|line| !line.cells.is_empty())
        || submission.openings.iter().any(|filled| match filled {
            Filled::Open(opening) => opening.tier != Tier::Public,
            Filled::Empty { .. } => false,
            Filled::Hidden { .. } => true,
        })
        || !submission.openings.iter().any(|filled| matches!(filled, Filled::Open(_)))
}

/// The signed note for a text that has no signatures and is for the intake key alone to sign; `None` for
/// any other note, which is judged as it is.
fn countersigned(note: &str, intake: &SigningKey) -> Option<Result<String, SubmitError>> {
    if note.contains("\n\n") {
        return None;
    }
    let statement = Statement::parse(note).ok()?;
    let alone = matches!(statement.signers.as_slice(), [signer]
        if signer.role == Role::Intake.wire() && signer.key == intake.name());
    let kind = kind::find(&statement.kind)?;
    if !alone || !kind.authors.contains(&Role::Intake) || kind.family() == "ledger" {
        return None;
    }
    let signed = SignedStatement::sign(&statement, &[intake]);
    Some(signed.map(|signed| signed.note.to_string()).map_err(|e| Refusal::Signature(e.to_string()).into()))
}

/// Has a period recorded again and again, until the ledger is closed.
async fn keep_periods(queue: mpsc::WeakSender<Message>, period: Duration) {
    let mut every = tokio::time::interval(period);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The first tick comes at once; the first period has its time like any other.
    every.tick().await;
    loop {
        every.tick().await;
        let Some(queue) = queue.upgrade() else { return };
        if queue.send(Message::Period(None)).await.is_err() {
            return;
        }
    }
}

fn submission_bytes(submission: &Submission) -> usize {
    // A line is rarely shorter than this.
    submission.note.len() + submission.lines.len() * 256
}

fn check_idempotency_key(key: Option<&str>) -> Result<(), SubmitError> {
    match key {
        Some(key) if key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX || key.chars().any(char::is_control) => {
            let reason = format!("应有 1–{IDEMPOTENCY_KEY_BYTES_MAX} 字节，不含控制字符");
            Err(Refusal::Malformed { place: "Idempotency-Key".into(), reason }.into())
        }
        _ => Ok(()),
    }
}

/// The keys handed in must be those that the genesis names.
fn check_keys(world: &World, keys: &LedgerKeys) -> Result<(), OpenError> {
    for (role, wire, key) in [(Role::Log, "log", &keys.log), (Role::Intake, "intake", &keys.intake)] {
        let known = world.ledger_key(role).and_then(|name| world.key(name)).map(|known| &known.verifier);
        if known != Some(&key.verifier()) {
            let expected = known.map_or_else(|| "unknown".to_owned(), ToString::to_string);
            return Err(OpenError::Key { role: wire, given: key.verifier().to_string(), expected });
        }
    }
    Ok(())
}

fn with_suffix(path: &std::path::Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The lock of the directory, held as long as the file is open, by this process only.
///
/// # Errors
/// [`OpenError::InUse`] when another process holds it.
pub fn take_lock(layout: &Layout) -> Result<File, OpenError> {
    let file = |e| StoreError::file("locking", layout.lock(), e);
    let lock = File::options().create(true).truncate(false).write(true).open(layout.lock()).map_err(file)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(layout.root().to_owned())),
        Err(TryLockError::Error(error)) => Err(file(error).into()),
    }
}

fn put_file(layout: &Layout, bytes: &[u8]) -> Result<Digest, StoreError> {
    let hash = Digest::of(bytes);
    let path = layout.attachment(&hash);
    if path.is_file() {
        return Ok(hash);
    }
    let folder = layout.attachments();
    let draft = with_suffix(&path, &format!(".{:?}", thread::current().id()));
    let put = fs::create_dir_all(&folder)
        .and_then(|()| File::create(&draft))
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&draft, &path))
        .and_then(|()| File::open(&folder)?.sync_all());
    put.map(|()| hash).map_err(|e| StoreError::file("keeping", path, e))
}

fn spawn_publisher(publisher: Publisher) -> std_mpsc::Sender<crate::publisher::Signal> {
    let (sender, receiver) = std_mpsc::channel();
    let shared = publisher.shared.clone();
    let spawned = thread::Builder::new().name("publisher".into()).spawn(move || publisher.run(&receiver));
    if let Err(error) = spawned {
        shared.halt(format!("发布线程没有启动（{error}）"));
    }
    sender
}

/// The first entry of a new database, by the way that all entries take.
async fn commit_genesis(
    mut store: SqliteStore,
    origin: &str,
    admitted: Admitted,
    clock: Arc<dyn Clock>,
    settings: Settings,
) -> Result<(), OpenError> {
    let head = store.load_head().await?;
    let shared = Arc::new(Shared::new(origin.to_owned(), World::default(), 0));
    let (publisher, _) = std_mpsc::channel();
    let (answer, receipt) = oneshot::channel();
    let item = Item { key: None, admitted: Box::new(admitted), answer };
    let first = Sequencer {
        store,
        runtime: Handle::current(),
        shared,
        keys: None,
        reading: (clock.now().trunc_subsecs(6), clock.monotonic()),
        clock,
        settings,
        head,
        world: World::default(),
        streams: Streams::new(2),
        sealed_streams: Streams::new(2),
        sealed_count: 0,
        publisher,
        reader: None,
    };
    let ended = task::spawn_blocking(move || first.run_once(item)).await;
    let closed = ended.map_err(|e| StoreError::file("writing", "genesis", std::io::Error::other(e)))?;
    closed?;
    match receipt.await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(SubmitError::Refused(refusal))) => Err(OpenError::Genesis(refusal)),
        Ok(Err(other)) => Err(StoreError::file("writing", "genesis", std::io::Error::other(other)).into()),
        Err(error) => Err(StoreError::file("writing", "genesis", std::io::Error::other(error)).into()),
    }
}
