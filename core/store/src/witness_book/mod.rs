//! What a witness has cosigned, durably: one row a log.
//!
//! A request is judged (`gongkai_log::witness`) against the row of its log, the row is replaced in the same turn, and only
//! when that is on the disk does the cosignature leave: two requests of sizes N and N+K cannot pass each other, and a
//! cosignature that somebody holds is never followed by one for less. Requests that wait together share one commit. When a
//! commit fails, nobody knows what is on the disk until the next start, so nothing more is cosigned.
//!
//! A restored older copy of the file is not noticed here: a witness's state must not be restored from a backup.
//!
//! Not here: HTTP, which logs are witnessed (both the shell's), and the verdict itself.

mod table;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use gongkai_log::{
    AddCheckpoint, Checkpoint, Note, NoteSignature, SigningKey, VerifierKey,
    cosignature::{self, CosignatureError},
    witness::{self, WitnessError},
};
use tokio::sync::{mpsc, oneshot};

use self::table::Table;
use crate::{clock::Clock, error::StoreError, reader::chain};

/// Most requests that share one commit.
const BATCH_MAX: usize = 256;
/// Most requests that wait; one more is answered [`AddError::Busy`].
const QUEUE_MAX: usize = 1_024;

/// Why a witness does not start.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// The file is another program's or a later version's; it was not touched.
    #[error("{} is no witness's state that this program knows", .0.display())]
    Foreign(PathBuf),
    /// A row is not what was written: cosigning on could contradict what was cosigned.
    #[error("the recorded checkpoint of {origin}: {reason}")]
    Damaged {
        /// Whose row.
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// The key signs, and does not cosign.
    #[error(transparent)]
    Key(#[from] CosignatureError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why there is no cosignature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// The verdict, with its status code.
    #[error(transparent)]
    Refused(#[from] WitnessError),
    /// Too many wait.
    #[error("too many requests are waiting")]
    Busy,
    /// The state could not be recorded, or the clock is unusable; nothing is cosigned any more.
    #[error("the state cannot be recorded")]
    Halted,
}

/// The last checkpoint of a log that was cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The note with the log's signatures and the cosignature.
    pub note: String,
}

type Book = Arc<RwLock<HashMap<String, Cosigned>>>;
type Logs = Arc<HashMap<String, Vec<VerifierKey>>>;

/// A request that passed against the state of a moment ago.
struct Ask {
    request: AddCheckpoint,
    answer: oneshot::Sender<Result<String, AddError>>,
}

/// See the module. Clones share one book; it is closed when the last is gone.
#[derive(Clone)]
pub struct WitnessBook {
    asks: mpsc::Sender<Ask>,
    book: Book,
    logs: Logs,
}

impl WitnessBook {
    /// Opens the state at `path`, or begins it, for the logs with these keys.
    ///
    /// # Errors
    /// [`BookError`].
    pub async fn open(
        path: &Path,
        key: SigningKey,
        logs: impl IntoIterator<Item = VerifierKey>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BookError> {
        // Fails now, not at the first request, when the key is of the wrong kind.
        cosignature::cosign("", &key, 1)?;
        let mut table = Table::open(path).await?;
        let mut recorded = HashMap::new();
        for (origin, note) in table.all().await? {
            let cosigned = read(&origin, note, &key.verifier())?;
            recorded.insert(origin, cosigned);
        }
        let mut known: HashMap<String, Vec<VerifierKey>> = HashMap::new();
        for key in logs {
            known.entry(key.name().to_owned()).or_default().push(key);
        }
        let (book, logs) = (Arc::new(RwLock::new(recorded)), Arc::new(known));
        let (asks, waiting) = mpsc::channel(QUEUE_MAX);
        let keeper = Keeper { table, key, clock, book: Arc::clone(&book), logs: Arc::clone(&logs) };
        tokio::spawn(keeper.run(waiting));
        Ok(Self { asks, book, logs })
    }

    /// Judges a request and, when it passes, records the checkpoint and gives the cosignature's line without its newline.
    ///
    /// # Errors
    /// [`AddError`].
    pub async fn add(&self, request: AddCheckpoint) -> Result<String, AddError> {
        // What is refused as things stand now waits for nobody.
        let origin = request.unverified().map_err(|_| WitnessError::Malformed)?.origin;
        request.judge(self.keys(&origin), self.recorded(&origin).map(|cosigned| cosigned.checkpoint).as_ref())?;
        let (answer, answered) = oneshot::channel();
        self.asks.try_send(Ask { request, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AddError::Busy,
            mpsc::error::TrySendError::Closed(_) => AddError::Halted,
        })?;
        answered.await.unwrap_or(Err(AddError::Halted))
    }

    /// The last checkpoint of a log that was cosigned.
    pub fn recorded(&self, origin: &str) -> Option<Cosigned> {
        self.book.read().unwrap_or_else(PoisonError::into_inner).get(origin).cloned()
    }

    /// The same by the path below the witness's address (`<hash of the origin>/checkpoint`).
    pub fn recorded_at(&self, path: &str) -> Option<Cosigned> {
        let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
        book.iter().find(|(origin, _)| witness::monitoring_path(origin) == path).map(|(_, cosigned)| cosigned.clone())
    }

    /// The keys of the logs that are witnessed, in the order of their origins.
    pub fn logs(&self) -> Vec<&VerifierKey> {
        let mut keys: Vec<_> = self.logs.values().flatten().collect();
        keys.sort_by(|a, b| a.name().cmp(b.name()));
        keys
    }

    /// Whether anything is cosigned still: nothing is after a commit that failed.
    pub fn is_cosigning(&self) -> bool {
        !self.asks.is_closed()
    }

    /// Requests that wait for their turn.
    pub fn waiting(&self) -> usize {
        self.asks.max_capacity() - self.asks.capacity()
    }

    /// Requests that may wait.
    pub fn waiting_max(&self) -> usize {
        self.asks.max_capacity()
    }

    fn keys(&self, origin: &str) -> &[VerifierKey] {
        self.logs.get(origin).map_or(&[], Vec::as_slice)
    }
}

/// A row, which must be what this key cosigned.
fn read(origin: &str, note: String, own: &VerifierKey) -> Result<Cosigned, BookError> {
    let damaged = |reason: String| BookError::Damaged { origin: origin.to_owned(), reason };
    let parsed = Note::parse(&note).map_err(|error| damaged(chain(&error)))?;
    parsed.open(std::slice::from_ref(own)).map_err(|error| damaged(chain(&error)))?;
    let checkpoint = Checkpoint::parse(&parsed.text).map_err(|error| damaged(chain(&error)))?;
    if checkpoint.origin != origin {
        return Err(damaged(format!("it is of {}", checkpoint.origin)));
    }
    Ok(Cosigned { checkpoint, note })
}

/// The one task that replaces rows.
struct Keeper {
    table: Table,
    key: SigningKey,
    clock: Arc<dyn Clock>,
    book: Book,
    logs: Logs,
}

impl Keeper {
    async fn run(mut self, mut asks: mpsc::Receiver<Ask>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while asks.recv_many(&mut batch, BATCH_MAX).await > 0 {
            let mut changed = HashMap::new();
            let answers: Vec<_> =
                batch.drain(..).map(|ask| (self.judge(&ask.request, &mut changed), ask.answer)).collect();
            if !changed.is_empty()
                && let Err(error) = self.table.write(&changed).await
            {
                // Never tried again: the kernel says once that pages were lost.
                tracing::error!(error = chain(&error), "what is cosigned could not be recorded; restart the witness");
                return;
            }
            self.book.write().unwrap_or_else(PoisonError::into_inner).extend(changed);
            for (line, answer) in answers {
                // Who asked may have gone; what is recorded is recorded.
                let _ = answer.send(line);
            }
        }
        if let Err(error) = self.table.close().await {
            tracing::warn!(error = chain(&error), "closing the witness's state");
        }
    }

    /// Judges against what is recorded, and what those before in the batch are about to.
    fn judge(&self, request: &AddCheckpoint, changed: &mut HashMap<String, Cosigned>) -> Result<String, AddError> {
        let origin = request.unverified().map_err(|_| WitnessError::Malformed)?.origin;
        let keys = self.logs.get(&origin).map_or(&[][..], Vec::as_slice);
        let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
        let recorded = changed.get(&origin).or_else(|| book.get(&origin)).map(|cosigned| &cosigned.checkpoint);
        let checkpoint = request.judge(keys, recorded)?;
        drop(book);
        let seconds = u64::try_from(self.clock.now().timestamp()).ok().filter(|seconds| *seconds > 0);
        let text = &request.checkpoint.text;
        let line = seconds.and_then(|seconds| cosignature::cosign(text, &self.key, seconds).ok());
        let line = line.ok_or(AddError::Halted)?;
        let answer = line.to_string();
        let note = with_cosignature(&request.checkpoint, keys, line).to_string();
        changed.insert(origin, Cosigned { checkpoint, note });
        Ok(answer)
    }
}

/// The checkpoint with the log's own signatures and this one; what others added is left out.
fn with_cosignature(submitted: &Note, log: &[VerifierKey], line: NoteSignature) -> Note {
    let by_log = submitted.signatures.iter().filter(|signature| log.iter().any(|key| signature.is_by(key)));
    Note { text: submitted.text.clone(), signatures: by_log.cloned().chain([line]).collect() }
}
