//! Checks a whole log from what it publishes: bytes, not meaning.
//!
//! Everything is recomputed: each entry parses strictly, follows the one before it (`index`, `prev`,
//! `recorded_at`), continues its stream, is allowed by the [`Authority`], says no other root of the map
//! ([`crate::map`]) than the statements have, and carries exactly the signatures it must; every hash tile at every level, the root, openings and lists agree. The first
//! fault in the order of the log is named.
//!
//! Work flows through a window of bundles: workers read, parse and hash; the caller's thread takes the
//! bundles in order for what depends on order; workers then verify signatures. Memory holds the window
//! and one leaf of the map a stream. Keys are taken at the entry's index, so a key revoked later still verifies
//! what it signed before.
//!
//! A log that grew need not be read again: [`fsck_from`] goes on where an earlier check ended ([`Reached`]).
//!
//! Not here: files and HTTP ([`Fetch`] is handed in), and what statements mean (`Authority`, audit). A
//! further check belongs into `reading` if it needs one bundle only, else into `sequence`.

mod reading;
mod sequence;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};

pub use self::sequence::Reached;
use self::{reading::Bundle, sequence::Sequence};
use crate::causes::chain;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::entry::{Content, Entry};
use crate::hash::{Digest, TreeHash};
use crate::key::VerifierKey;
use crate::log_keys::LogKeys;
use crate::merkle::{self, TileSource};
use crate::note::Note;
use crate::policy::Policy;
use crate::slot::Openings;
use crate::tile::{TILE_WIDTH, TilePath, decode_hashes};

/// Where a published log is read from: a directory, an address, an archive. Called from many threads.
pub trait Fetch: Sync {
    /// Why something could not be read.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The current checkpoint note.
    fn checkpoint(&self) -> Result<Vec<u8>, Self::Error>;

    /// A tile or bundle; one that should exist and does not is an error.
    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, Self::Error>;

    /// `openings/…` or `lines/…`; `None` when there is no such file.
    fn extra(&self, path: &str) -> Result<Option<Vec<u8>>, Self::Error>;
}

/// Who may sign what, learned from the log itself.
pub trait Authority {
    /// Whether [`Authority::observe`] is to get openings. Where it is not, they are checked all the same, but no values are
    /// made of them.
    const READS_OPENINGS: bool = true;

    /// The key of this name, as of the entries observed so far.
    fn key(&self, name: &str) -> Option<&VerifierKey>;

    /// Judges an entry and learns from it. Called in index order, before the entry's signatures are
    /// verified; keys are looked up before this call, and after it where they were not yet known
    /// (a genesis introduces the keys that sign it). Whether an entry may introduce its own signer is
    /// this function's to refuse. Its error is the reason in the [`Finding`].
    fn observe(&mut self, entry: &Entry, openings: Option<&Openings>) -> Result<(), String>;

    /// The log's keys over time, as the entries tell; `None` where they tell nothing, and one key has signed all.
    fn log_keys(&self) -> Option<&LogKeys> {
        None
    }

    /// The tree that an entry names as a beginning of this log, if it names one; it is compared with the log.
    fn beginning(&self, _: &Entry) -> Option<Beginning> {
        None
    }

    /// What an entry says the map's root to be, if it says one. Called before the entry is observed.
    fn map_root(&self, _: &Entry) -> Option<MapRoot> {
        None
    }
}

/// The tree over the first `size` entries of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// Entries.
    pub size: u64,
    /// Root.
    pub root: TreeHash,
}

/// The root of the map over the first `size` entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapRoot {
    /// Entries.
    pub size: u64,
    /// Root.
    pub root: TreeHash,
}

/// The simplest authority: a fixed set of keys that may sign anything.
#[derive(Clone, Debug, Default)]
pub struct KeyRing {
    keys: HashMap<String, VerifierKey>,
    intake: Option<String>,
}

impl KeyRing {
    /// A ring of these keys.
    pub fn new(keys: impl IntoIterator<Item = VerifierKey>) -> Self {
        let keys = keys.into_iter().map(|key| (key.name().to_owned(), key));
        Self { keys: keys.collect(), intake: None }
    }

    /// Only the key of this name may sign sealed periods.
    #[must_use]
    pub fn with_intake(mut self, name: &str) -> Self {
        self.intake = Some(name.to_owned());
        self
    }
}

impl Authority for KeyRing {
    const READS_OPENINGS: bool = false;

    fn key(&self, name: &str) -> Option<&VerifierKey> {
        self.keys.get(name)
    }

    fn observe(&mut self, entry: &Entry, _: Option<&Openings>) -> Result<(), String> {
        let (Content::Sealed(period), Some(intake)) = (&entry.content, &self.intake) else {
            return Ok(());
        };
        if period.note.signatures.iter().all(|line| line.name == *intake) {
            Ok(())
        } else {
            Err(format!("a sealed period is signed by {intake} only"))
        }
    }
}

/// How signatures are verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// `verify_strict` for each: what decides.
    #[default]
    Strict,
    /// In batches, more than twice as fast; accepts some malleable signatures that strict refuses.
    Fast,
}

/// What to check, and with how many threads.
#[derive(Clone, Default)]
pub struct Options<'o> {
    /// How signatures are verified.
    pub mode: Mode,
    /// Worker threads; 0 counts as 1.
    pub threads: usize,
    /// A checkpoint seen before, which the log must still contain.
    pub old_checkpoint: Option<Checkpoint>,
    /// Witnesses that must have cosigned.
    pub policy: Option<&'o Policy>,
    /// Whether openings and lists are read and checked.
    pub check_openings: bool,
    /// The log's keys, where it has changed its key; without them the one key has signed all.
    pub keys: Option<&'o LogKeys>,
    /// Told after each bundle: entries done, entries in all.
    pub progress: Option<&'o (dyn Fn(u64, u64) + Sync)>,
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("mode", &self.mode)
            .field("threads", &self.threads)
            .field("old_checkpoint", &self.old_checkpoint)
            .field("check_openings", &self.check_openings)
            .finish_non_exhaustive()
    }
}

/// What is wrong with a log, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{field}: {reason}", match index { Some(index) => format!("entry {index}: "), None => String::new() })]
pub struct Finding {
    /// Entry, when one is at fault.
    pub index: Option<u64>,
    /// What is at fault: `prev`, `leaf`, `signature of alice.example/1`, `tile/0/003`, `checkpoint`.
    pub field: String,
    /// In which way.
    pub reason: String,
}

/// Why a check did not end well: the log is at fault, or could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FsckError<E: std::error::Error + Send + Sync + 'static> {
    /// The log is at fault.
    #[error(transparent)]
    Finding(#[from] Finding),
    /// The log could not be read, which says nothing about it.
    #[error("reading {path}")]
    Read {
        /// Path below the log's prefix.
        path: String,
        /// Why.
        #[source]
        source: E,
    },
}

/// What a log was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Entries, all checked.
    pub size: u64,
    /// Root of the tree, recomputed.
    pub root: TreeHash,
    /// BLAKE3 of the last entry; zero for an empty log.
    pub head: Digest,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Its note, with cosignatures.
    pub note: Note,
    /// Witnesses of the policy that cosigned.
    pub witnesses: Vec<String>,
    /// Entries that are statements.
    pub statements: u64,
    /// Entries that are sealed periods.
    pub sealed: u64,
    /// Streams.
    pub streams: u64,
    /// Roots of the map that were compared with the map.
    pub map_roots: u64,
    /// Signatures verified.
    pub signatures: u64,
    /// Statements whose openings line was checked.
    pub openings: u64,
    /// Statements without a line in an openings file: nothing is open, or it is withheld.
    pub openings_missing: u64,
    /// The first of them.
    pub first_without_openings: Option<u64>,
    /// Lists whose lines were checked.
    pub lists: u64,
    /// Lists without a file.
    pub lists_missing: u64,
}

impl Report {
    /// The report of a check of this checkpoint in which nothing was counted yet; its root is that of the empty log.
    pub fn begun(checkpoint: Checkpoint, note: Note) -> Self {
        Self {
            size: checkpoint.size,
            root: merkle::empty_root(),
            head: Digest::ZERO,
            checkpoint,
            note,
            witnesses: Vec::new(),
            statements: 0,
            sealed: 0,
            streams: 0,
            map_roots: 0,
            signatures: 0,
            openings: 0,
            openings_missing: 0,
            first_without_openings: None,
            lists: 0,
            lists_missing: 0,
        }
    }
}

type Outcome<T, F> = Result<T, FsckError<<F as Fetch>::Error>>;

fn finding(index: impl Into<Option<u64>>, field: impl Into<String>, reason: impl Into<String>) -> Finding {
    Finding { index: index.into(), field: field.into(), reason: reason.into() }
}

/// Checks a whole log; the first fault in the order of the log is the error.
pub fn fsck<F: Fetch, A: Authority>(
    fetch: &F,
    authority: &mut A,
    log: &VerifierKey,
    options: &Options<'_>,
) -> Outcome<Report, F> {
    fsck_from(Reached::default(), fetch, authority, log, options).map(|(report, _)| report)
}

/// Checks what a log has beyond an earlier check, and that it continues it. `authority` has observed the entries so far and
/// no others; after an error it may have observed more, and is of no use any more. The numbers of the report, but for size
/// and streams, are of the new entries; of the lists of old ones nothing is read again.
pub fn fsck_from<F: Fetch, A: Authority>(
    reached: Reached,
    fetch: &F,
    authority: &mut A,
    log: &VerifierKey,
    options: &Options<'_>,
) -> Outcome<(Report, Reached), F> {
    let keys = options.keys.map_or_else(|| Cow::Owned(log.into()), Cow::Borrowed);
    let (checkpoint, note) = open_checkpoint(fetch, &keys)?;
    let witnesses = check_policy(&note, options)?;
    check_old(&checkpoint, options)?;
    if checkpoint.size < reached.size() {
        let reason = format!("has {} entries, {} were checked before", checkpoint.size, reached.size());
        return Err(finding(None, "checkpoint", reason).into());
    }
    let job = Shared {
        fetch,
        checkpoint: &checkpoint,
        mode: options.mode,
        check_openings: options.check_openings,
        reads_openings: A::READS_OPENINGS,
        known: reached.size(),
        stop: AtomicBool::new(false),
    };
    let mut sequence = Sequence::new(&job, authority, reached, options);
    run(&job, &mut sequence, options)?;
    let (mut report, reached) = sequence.finish()?;
    check_keys(&keys, authority.log_keys(), &note)?;
    report.note = note;
    report.witnesses = witnesses;
    Ok((report, reached))
}

fn open_checkpoint<F: Fetch>(fetch: &F, keys: &LogKeys) -> Outcome<(Checkpoint, Note), F> {
    let refuse = |reason: String| finding(None, "checkpoint", reason);
    let bytes = fetch.checkpoint().map_err(|source| FsckError::Read { path: "checkpoint".to_owned(), source })?;
    let text = String::from_utf8(bytes).map_err(|_| refuse("not UTF-8".to_owned()))?;
    let (checkpoint, note) = keys.open(&text).map_err(|error| unopened(&error))?;
    if checkpoint.text() != note.text {
        return Err(refuse("has lines beyond origin, size and root".to_owned()).into());
    }
    Ok((checkpoint, note))
}

/// A thief's checkpoint has a field of its own.
fn unopened(error: &CheckpointError) -> Finding {
    let field = if matches!(error, CheckpointError::Superseded { .. }) { "checkpoint key" } else { "checkpoint" };
    finding(None, field, chain(error))
}

/// Whether the log says the same of its keys as whoever checks was told, and so who signs a checkpoint of this size. A
/// key that the log never had signs what is no publication of it: a database that is read as if it were.
fn check_keys(told: &LogKeys, found: Option<&LogKeys>, note: &Note) -> Result<(), Finding> {
    let Some(found) = found.filter(|found| found.knows(told.first())) else { return Ok(()) };
    let checkpoint = found.check(note).map_err(|error| unopened(&error))?;
    let known = told.rotations().iter().filter(|(entry, _)| *entry < checkpoint.size);
    match known.zip(found.rotations()).find(|(told, found)| told != found) {
        Some(((entry, _), _)) => Err(finding(*entry, "key history", "is not what the log's entries say")),
        None => Ok(()),
    }
}

fn check_policy(note: &Note, options: &Options<'_>) -> Result<Vec<String>, Finding> {
    let Some(policy) = options.policy else {
        return Ok(Vec::new());
    };
    let (_, witnesses) = policy.check(note).map_err(|error| finding(None, "policy", chain(&error)))?;
    Ok(witnesses.iter().map(|w| w.name.clone()).collect())
}

fn check_old(checkpoint: &Checkpoint, options: &Options<'_>) -> Result<(), Finding> {
    let Some(old) = &options.old_checkpoint else {
        return Ok(());
    };
    let refuse = |reason: String| Err(finding(None, "old checkpoint", reason));
    if old.origin != checkpoint.origin {
        return refuse(format!("is of {}", old.origin));
    }
    if old.size > checkpoint.size {
        return refuse(format!("had {} entries, now there are {}", old.size, checkpoint.size));
    }
    if old.size == 0 && old.root != merkle::empty_root() {
        return refuse("has another root than the empty tree".to_owned());
    }
    Ok(())
}

/// What all threads see.
struct Shared<'s, F: Fetch> {
    fetch: &'s F,
    checkpoint: &'s Checkpoint,
    mode: Mode,
    check_openings: bool,
    reads_openings: bool,
    // Entries that an earlier check has seen.
    known: u64,
    // Set when a fault is known: reads that were asked for ahead are not worth doing.
    stop: AtomicBool,
}

/// Bundles whose signatures are verified as one batch in fast mode: a larger batch costs less a
/// signature and delays the answer.
const BATCH_BUNDLES: usize = 4;

enum Job {
    Read(u64),
    Verify(Vec<Sequenced>),
}

/// A bundle in its place, with the signatures that are still to be verified.
struct Sequenced {
    entries: Vec<Entry>,
    checks: Vec<Check>,
}

enum Done<E: std::error::Error + Send + Sync + 'static> {
    Read(u64, Box<Bundle<E>>),
    Verified { bundles: u64, entries: u64, fault: Option<Finding> },
    // A worker panicked, in `Fetch` for example; the scope passes the panic on.
    Lost,
}

/// One signature to verify: which line of which entry of the bundle, under which key.
struct Check {
    entry: usize,
    line: usize,
    key: VerifierKey,
}

impl Check {
    fn text<'e>(&self, entries: &'e [Entry]) -> &'e [u8] {
        entries[self.entry].content.note().text.as_bytes()
    }

    fn signature<'e>(&self, entries: &'e [Entry]) -> Option<&'e [u8; 64]> {
        entries[self.entry].content.note().signatures[self.line].ed25519()
    }
}

/// Sends `Lost` when its thread panics, so that nobody waits for an answer that never comes.
struct Guard<E: std::error::Error + Send + Sync + 'static>(Sender<Done<E>>);

impl<E: std::error::Error + Send + Sync + 'static> Drop for Guard<E> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The receiver is gone only when the check is over.
            let _ = self.0.send(Done::Lost);
        }
    }
}

fn work<F: Fetch>(shared: &Shared<'_, F>, jobs: &Mutex<Receiver<Job>>, done: &Guard<F::Error>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let answer = match job {
            Ok(Job::Read(_)) if shared.stop.load(Ordering::Relaxed) => continue,
            Ok(Job::Read(number)) => Done::Read(number, Box::new(shared.read_bundle(number))),
            Ok(Job::Verify(bundles)) => {
                let entries = bundles.iter().map(|bundle| bundle.entries.len() as u64).sum();
                Done::Verified { bundles: bundles.len() as u64, entries, fault: verify(shared.mode, &bundles) }
            }
            Err(_) => return,
        };
        if done.0.send(answer).is_err() {
            return;
        }
    }
}

/// Reads ahead, sequences in order, verifies behind; ends when all is done or the earliest fault is
/// known.
fn run<F: Fetch, A: Authority>(
    shared: &Shared<'_, F>,
    sequence: &mut Sequence<'_, '_, F, A>,
    options: &Options<'_>,
) -> Outcome<(), F> {
    let threads = options.threads.max(1);
    let batch_bundles = if shared.mode == Mode::Fast { BATCH_BUNDLES } else { 1 };
    // For each thread something to do and something that waits.
    let window = (threads as u64 + 1) * batch_bundles.max(2) as u64;
    let size = shared.checkpoint.size;
    let bundles = size.div_ceil(TILE_WIDTH);
    let (jobs, queue) = mpsc::channel();
    let (answers, done) = mpsc::channel();
    let queue = Mutex::new(queue);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let guard = Guard(answers.clone());
            let queue = &queue;
            scope.spawn(move || work(shared, queue, &guard));
        }
        drop(answers);
        let mut ready = BTreeMap::new();
        let mut batch = Vec::new();
        let first = sequence.bundle;
        let (mut asked, mut verifying, mut verified, mut entries) = (first, 0, first, first * TILE_WIDTH);
        let mut fault: Option<FsckError<F::Error>> = None;
        while verifying > 0 || (fault.is_none() && verified < bundles) {
            while fault.is_none() && asked < bundles && asked - verified < window {
                send(&jobs, Job::Read(asked));
                asked += 1;
            }
            match done.recv() {
                Ok(Done::Read(number, bundle)) => drop(ready.insert(number, bundle)),
                Ok(Done::Verified { bundles, entries: count, fault: found }) => {
                    verifying -= bundles;
                    verified += bundles;
                    entries += count;
                    if let Some(found) = found {
                        fault = Some(earlier(fault.take(), found.into()));
                    }
                    options.progress.inspect(|tell| tell(entries, size));
                }
                Ok(Done::Lost) | Err(_) => break,
            }
            while fault.is_none()
                && let Some(bundle) = ready.remove(&sequence.bundle)
            {
                let (entries, checks, found) = sequence.take(*bundle);
                fault = found;
                verifying += 1;
                batch.push(Sequenced { entries, checks });
                // What was taken is verified even after a fault: an earlier one may hide in it.
                if batch.len() >= batch_bundles || fault.is_some() || sequence.bundle == bundles {
                    send(&jobs, Job::Verify(std::mem::take(&mut batch)));
                }
            }
            shared.stop.store(fault.is_some(), Ordering::Relaxed);
        }
        shared.stop.store(true, Ordering::Relaxed);
        drop(jobs);
        fault.map_or(Ok(()), Err)
    })
}

fn send(jobs: &Sender<Job>, job: Job) {
    // Fails only when every worker panicked, and then `Lost` is on its way.
    let _ = jobs.send(job);
}

/// The fault that comes first in the log; one without an entry comes after those of entries.
fn earlier<E: std::error::Error + Send + Sync + 'static>(
    known: Option<FsckError<E>>,
    found: FsckError<E>,
) -> FsckError<E> {
    let place = |fault: &FsckError<E>| match fault {
        FsckError::Finding(finding) => finding.index.unwrap_or(u64::MAX),
        FsckError::Read { .. } => u64::MAX,
    };
    match known {
        Some(known) if place(&known) <= place(&found) => known,
        _ => found,
    }
}

/// The hash tiles of a published log, for proofs.
#[derive(Clone, Copy, Debug)]
pub struct Tiles<'f, F>(pub &'f F);

impl<F: Fetch> TileSource for Tiles<'_, F> {
    type Error = F::Error;
    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, F::Error> {
        self.0.tile(path)
    }
}

impl<F: Fetch> Shared<'_, F> {
    fn tile(&self, path: TilePath) -> Outcome<Vec<u8>, F> {
        self.fetch.tile(&path).map_err(|source| FsckError::Read { path: path.to_string(), source })
    }

    fn extra(&self, path: &str) -> Outcome<Option<Vec<u8>>, F> {
        self.fetch.extra(path).map_err(|source| FsckError::Read { path: path.to_owned(), source })
    }

    fn hashes(&self, path: TilePath) -> Outcome<Vec<TreeHash>, F> {
        let refuse = |reason| finding(None, path.to_string(), reason);
        let bytes = self.tile(path)?;
        let hashes = decode_hashes(&bytes).map_err(|error| refuse(error.to_string()))?;
        if hashes.len() as u64 != path.width() {
            return Err(refuse(format!("has {} hashes", hashes.len())).into());
        }
        Ok(hashes)
    }
}

fn signature_of(key: Option<&str>) -> String {
    match key {
        Some(key) => format!("signature of {key}"),
        None => "signatures".to_owned(),
    }
}

/// Verifies the signatures of some bundles; names the first that is false.
fn verify(mode: Mode, bundles: &[Sequenced]) -> Option<Finding> {
    if mode == Mode::Fast && verify_batch(bundles) {
        return None;
    }
    // Strict mode, or a batch with a false signature somewhere.
    bundles.iter().find_map(|bundle| {
        let bad = bundle.checks.iter().find(|check| {
            let signature = check.signature(&bundle.entries);
            !signature.is_some_and(|bytes| check.key.verify(check.text(&bundle.entries), bytes))
        })?;
        let field = signature_of(Some(bad.key.name()));
        Some(finding(bundle.entries[bad.entry].index, field, "does not verify"))
    })
}

/// Whether all signatures pass together; a batch accepts some that strict verification refuses.
fn verify_batch(bundles: &[Sequenced]) -> bool {
    let checks = || bundles.iter().flat_map(|bundle| bundle.checks.iter().map(|check| (check, &bundle.entries)));
    let signatures: Option<Vec<_>> =
        checks().map(|(check, entries)| check.signature(entries).map(ed25519_dalek::Signature::from_bytes)).collect();
    let Some(signatures) = signatures else { return false };
    let texts: Vec<_> = checks().map(|(check, entries)| check.text(entries)).collect();
    let keys: Vec<_> = checks().map(|(check, _)| *check.key.point()).collect();
    ed25519_dalek::verify_batch(&texts, &signatures, &keys).is_ok()
}
