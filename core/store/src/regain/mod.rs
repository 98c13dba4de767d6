//! Giving a database back the entries that it has lost: it is an old backup, and others have more of the log.
//!
//! Going on from an old database would write a second history; taking the missing entries from somebody who has them
//! does not. They come from a copy that a [`Mirror`](crate::Mirror) has verified on its own (signatures, chain, tree,
//! authority, openings, attachments). [`regain`] then finds out whether that copy is this database's future:
//!
//! 1. Every checkpoint that anybody holds under the log's keys (our own, witnesses, mirrors, bucket) is one of the copy's
//!    history. One that is not is a fork, kept as evidence ([`gongkai_log::fork`]).
//! 2. The copy reaches as far as the longest of them. Where nobody has the rest, nothing is done.
//! 3. The copy begins with the tree of the database.
//!
//! Then entries, streams, openings and lists, what withdrawals and erasures have changed since, and
//! `ledger.recovered.v1` as the first new entry are committed in **one transaction** ([`writing`]). Before it the database
//! is what it was, after it the ledger goes on: there is no half, and running it again does what is left to do.
//!
//! What only the old vault held of the regained entries is lost and counted on record. Idempotency keys are lost too;
//! whoever hands in a regained statement once more gets its receipt all the same (`Sequencer::regained`).
//!
//! Not here: where the copy comes from, and asking others what they have seen. Views, search and map are derived from the
//! log and may know entries that nobody has any more: those in the directory are removed, to be built again.

mod pending;
mod writing;

use std::{
    fs::{self, File},
    io,
    path::PathBuf,
    sync::{Arc, mpsc as std_mpsc},
};

use gongkai_domain::{Refusal, kind::recovery::RecoverySource, world::Role};
use gongkai_log::{
    Checkpoint, Fork, LogKeys, TreeHash, VerifierKey, checkpoint::CheckpointError, fork::Judgement, fsck::Tiles, merkle,
};
use tokio::task;

pub use self::pending::{Pending, pending};
use crate::{
    clock::Clock,
    database::{Place, remove_file},
    error::{OpenError, StoreError, SubmitError},
    event_store::{EventStore, LogHead},
    layout::Layout,
    ledger::{LedgerKeys, Settings, Shared},
    log_fetch::DirectoryFetch,
    mirror::records,
    node,
    published_log::{FollowError, PublishedLog},
    reader::ReadStore,
    row_store::{self, RowStore},
    sequencer::Sequencer,
    tables,
};

/// Most entries that are regained at once: they are in memory until the one commit, some four kilobytes each.
pub const ENTRIES_MAX: u64 = 1 << 21;

/// A copy, and what others have seen.
#[derive(Clone, Debug)]
pub struct Regaining {
    /// Directory of a mirror of this log, verified.
    pub copy: Layout,
    /// A key of the log.
    pub vkey: VerifierKey,
    /// Where the copy was made from.
    pub source: RecoverySource,
    /// Checkpoint notes that others hold. What no key of the log signed proves nothing and is passed over.
    pub seen: Vec<String>,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Regained {
    /// Nobody has more than the database.
    Nothing {
        /// Its entries.
        size: u64,
    },
    /// Entries were brought back.
    Entries(Brought),
}

/// Entries that were brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brought {
    /// Entries of the database before.
    pub from: u64,
    /// To how many it was brought; the index of the entry that says so.
    pub size: u64,
    /// Root of the tree of so many.
    pub root: TreeHash,
    /// Values of other tiers than public that are known to be lost.
    pub openings_lost: u64,
    /// Fields of other tiers of which nobody can tell whether they were filled.
    pub openings_undecided: u64,
    /// Periods whose sealed events are lost.
    pub periods_lost: u64,
}

/// Why nothing was brought back; the database is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RegainError {
    /// The ledger cannot be opened, or is another one's.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The copy cannot be read.
    #[error("the copy")]
    Copy(#[from] FollowError),
    /// Others have seen more than the copy has.
    #[error("the copy has {size} entries, others have seen {seen}")]
    Short {
        /// Entries of the copy.
        size: u64,
        /// Entries that others have seen.
        seen: u64,
    },
    /// The log signed two histories.
    #[error("the checkpoint of {shown} entries does not continue the one of {held}: a fork")]
    Forked {
        /// Entries of the checkpoint that somebody holds.
        held: u64,
        /// Entries of the copy's.
        shown: u64,
        /// Both of them.
        evidence: PathBuf,
    },
    /// The database is not the beginning of the copy.
    #[error("the database is not what the copy begins with: entry {index} is another")]
    Diverged {
        /// The first entry that differs.
        index: u64,
    },
    /// An order of erasure is among what is missing, and without the vault it cannot be followed.
    #[error("entry {index} orders an erasure, and the vault is not unlocked")]
    Locked {
        /// The order.
        index: u64,
    },
    /// More than is held in memory at once.
    #[error("{missing} entries are missing, more than can be brought back at once")]
    TooMany {
        /// How many.
        missing: u64,
    },
    /// The clock is behind the last entry.
    #[error("{0}")]
    Clock(String),
    /// What the ledger says of it was refused by its own rules.
    #[error("the record of it was refused")]
    Refused(#[source] Refusal),
}

impl From<StoreError> for RegainError {
    fn from(error: StoreError) -> Self {
        Self::Open(error.into())
    }
}

impl From<SubmitError> for RegainError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Refused(refusal) => Self::Refused(refusal),
            other => StoreError::file("recording", "ledger.recovered.v1", io::Error::other(other)).into(),
        }
    }
}

/// Brings back what is missing; see the module. `_guard` is the directory's lock, held since before the copy was made.
///
/// # Errors
/// [`RegainError`]; nothing was written into the ledger.
pub async fn regain(
    layout: &Layout,
    keys: LedgerKeys,
    clock: Arc<dyn Clock>,
    settings: Settings,
    wanted: Regaining,
    _guard: &File,
) -> Result<Regained, RegainError> {
    let place = Place::of(layout)?;
    row_store::examine(layout, &place, true).await?;
    let store = RowStore::open(&place, settings.busy_timeout).await?.numbered(node::number(layout, &place)?);
    let done = Box::pin(regain_in(store, layout, keys, clock, settings, wanted)).await?;
    // If we stop before this, the next run finds that nothing is missing and does it.
    pending::end(layout)?;
    Ok(done)
}

/// As [`regain`], over a store that has taken over.
pub(crate) async fn regain_in<S: EventStore>(
    store: S,
    layout: &Layout,
    keys: LedgerKeys,
    clock: Arc<dyn Clock>,
    settings: Settings,
    wanted: Regaining,
) -> Result<Regained, RegainError> {
    let reader = ReadStore::connect(&Place::of(layout)?, settings.readers_max, settings.busy_timeout);
    let prepared = prepare(&reader, layout, &settings, &wanted).await;
    let read = async { Ok::<_, RegainError>((prepared?, reader.head_and_world().await?)) }.await;
    reader.close().await;
    let (found, (head, world)) = match read {
        Ok(((Some(found), _), known)) => (found, known),
        Ok(((None, size), _)) => {
            store.close().await?;
            return Ok(Regained::Nothing { size });
        }
        Err(error) => {
            // Leave nothing open; that closing fails too would tell nothing new.
            let _ = store.close().await;
            return Err(error);
        }
    };
    let intake = world.ledger_key(Role::Intake).and_then(|name| world.key(name)).map(|key| key.verifier.clone());
    if intake != Some(keys.intake.verifier()) {
        let _ = store.close().await;
        let expected = intake.map_or_else(|| "unknown".to_owned(), |key| key.to_string());
        return Err(OpenError::Key { role: "intake", given: keys.intake.verifier().to_string(), expected }.into());
    }
    let origin = keys.log.name().to_owned();
    // Nobody publishes here: the next start does.
    let (publisher, _) = std_mpsc::sync_channel(1);
    let shared = Arc::new(Shared::new(origin, world.clone(), head.size));
    let over = Sequencer::over(store, shared, (head, world), clock, settings, publisher);
    let sequencer = Sequencer { keys: Some(Arc::new(keys)), ..over };
    sequencer.bring_back(layout, found, wanted.source).await.map(Regained::Entries)
}

/// A copy that is this database's future.
pub(crate) struct Future {
    pub log: Arc<PublishedLog>,
    /// Its `log/`.
    pub files: Layout,
    pub checkpoint: Checkpoint,
    /// The note that says so.
    pub note: String,
}

/// Compares the copy with everything that is known of the log; `None` where nothing is missing, and the database's size.
async fn prepare(
    reader: &ReadStore,
    layout: &Layout,
    settings: &Settings,
    wanted: &Regaining,
) -> Result<(Option<Future>, u64), RegainError> {
    let head = reader.head().await?;
    let (copy, vkey) = (wanted.copy.clone(), wanted.vkey.clone());
    let opened = blocking(move || {
        let log = PublishedLog::open(copy.log(), vkey)?;
        let note = fs::read_to_string(copy.checkpoint());
        let note = note.map_err(|e| StoreError::file("reading", copy.checkpoint(), e))?;
        let keys = log.keys();
        let (checkpoint, _) = keys.open(&note).map_err(FollowError::from)?;
        Ok::<_, RegainError>((Future { log: Arc::new(log), files: copy, checkpoint, note }, keys))
    });
    let (future, keys) = opened.await?;
    let mut notes = wanted.seen.clone();
    notes.extend(known_here(reader, layout, settings).await?);
    if let Some(bucket) = &settings.bucket
        && let Some((_, note)) = bucket.checkpoint_note(&keys).await?
    {
        notes.push(note);
    }
    let promised = pending(layout)?.map_or(0, |pending| pending.seen);
    let (layout, edge) = (layout.clone(), head.clone());
    let (future, seen) = blocking(move || {
        let seen = seen_at_most(&layout, &notes, &keys, &future)?.max(promised);
        Ok::<_, RegainError>((future, seen))
    })
    .await?;
    let size = future.checkpoint.size;
    if seen > size.max(head.size) {
        return Err(RegainError::Short { size, seen });
    }
    if size <= head.size {
        return Ok((None, head.size));
    }
    if size - head.size > ENTRIES_MAX {
        return Err(RegainError::TooMany { missing: size - head.size });
    }
    if begins_with(&future, &edge)? {
        return Ok((Some(future), head.size));
    }
    Err(RegainError::Diverged { index: first_difference(reader, &future, head.size).await? })
}

/// The checkpoints in this directory and database, and those of our witnesses.
async fn known_here(reader: &ReadStore, layout: &Layout, settings: &Settings) -> Result<Vec<String>, RegainError> {
    let rows = tables::load_publications(&mut reader.connection().await?).await?;
    let mut notes: Vec<String> = rows.into_iter().map(|publication| publication.checkpoint).collect();
    match fs::read_to_string(layout.checkpoint()) {
        Ok(note) => notes.push(note),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(StoreError::file("reading", layout.checkpoint(), error).into()),
    }
    if let Some(cosigners) = settings.cosigners.clone() {
        let witnessed = blocking(move || Ok::<_, RegainError>(cosigners.witnessed())).await?;
        notes.extend(witnessed.iter().map(ToString::to_string));
    }
    Ok(notes)
}

/// The largest size that somebody has seen. A checkpoint that the copy does not continue is a fork.
fn seen_at_most(layout: &Layout, notes: &[String], keys: &LogKeys, future: &Future) -> Result<u64, RegainError> {
    let (mut most, shown) = (0, future.checkpoint.size);
    let tiles = DirectoryFetch::new(future.files.log());
    for note in notes {
        let Ok((held, _)) = keys.open(note) else { continue };
        most = most.max(held.size);
        if held.size > shown || held == future.checkpoint {
            continue;
        }
        let hashes = merkle::prove_beginning(held.size, shown, &Tiles(&tiles)).unwrap_or_default();
        let fork = Fork { held: note.clone(), shown: future.note.clone(), hashes };
        let judged = fork.judge_under(keys).map_err(|error: CheckpointError| FollowError::from(error))?;
        if matches!(judged, Judgement::Forked { .. }) {
            let kept = records::keep(layout, &fork, shown, true, future.seen_at())?;
            let evidence = kept.unwrap_or_else(|| layout.evidence());
            return Err(RegainError::Forked { held: held.size, shown, evidence });
        }
    }
    Ok(most)
}

impl Future {
    /// The time in the name of evidence: of the last entry that the copy has, so that the same is named the same.
    fn seen_at(&self) -> chrono::DateTime<chrono::Utc> {
        let last = self.checkpoint.size.checked_sub(1).and_then(|last| self.log.entries(last, 1).ok()?.pop());
        let entry = last.and_then(|last| gongkai_log::Entry::parse(last.bytes).ok());
        entry.map(|entry| entry.recorded_at).unwrap_or_default()
    }
}

/// Whether the copy's tree begins with that of the database.
fn begins_with(future: &Future, head: &LogHead) -> Result<bool, RegainError> {
    if head.size == 0 {
        return Ok(true);
    }
    let tiles = DirectoryFetch::new(future.files.log());
    let wrong = |reason: String| FollowError::Damaged { path: "tile".to_owned(), reason };
    let hashes = merkle::prove_beginning(head.size, future.checkpoint.size, &Tiles(&tiles));
    let hashes = hashes.map_err(|error| wrong(error.to_string()))?;
    let roots = merkle::beginning(head.size, future.checkpoint.size, &hashes);
    let (first, all) = roots.map_err(|error| wrong(error.to_string()))?;
    if all != future.checkpoint.root {
        return Err(wrong("the tiles do not lead to the checkpoint".to_owned()).into());
    }
    Ok(first == head.edge.root())
}

/// The first entry that is another one in the copy: each names the one before, so that below an equal one all are.
async fn first_difference(reader: &ReadStore, future: &Future, size: u64) -> Result<u64, RegainError> {
    let (mut same, mut differs) = (0, size);
    while same < differs {
        let middle = same + (differs - same) / 2;
        let ours = tables::load_bytes(&mut reader.connection().await?, middle, middle + 1).await?.pop();
        let log = Arc::clone(&future.log);
        let theirs = blocking(move || log.entries(middle, 1).map_err(RegainError::from)).await?.pop();
        if ours.map(|(_, bytes)| bytes) == theirs.map(|stored| stored.bytes) {
            same = middle + 1;
        } else {
            differs = middle;
        }
    }
    Ok(same)
}

/// Reads files on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RegainError> + Send + 'static,
) -> Result<T, RegainError> {
    let ended = task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| Err(StoreError::file("reading", "the copy", io::Error::other(error)).into()))
}

/// Removes what is derived from the log and lies in the directory: it may have been made from entries that nobody has any
/// more, and is built again on the next start.
fn forget_derived(layout: &Layout) -> Result<(), StoreError> {
    for folder in [layout.views(), layout.search()] {
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::file("removing", folder, error));
            }
            _ => {}
        }
    }
    for database in [layout.map(), layout.vault().join("internal.db")] {
        remove_file(&database)?;
    }
    Ok(())
}
