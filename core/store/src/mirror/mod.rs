//! A mirror: a copy of somebody else's published log that believes nothing that it has not verified.
//!
//! # Its directory
//!
//! `log/` is laid out as the ledger publishes it, so that the public side is served from it (`PublishedLog`) without a
//! database, a key or a vault. Beside it lie `mirror/checkpoint` (the last checkpoint that was accepted, which outlives
//! `log/`), `mirror/staging/` (what was fetched and is not believed yet), `evidence/` and `withdrawals.jsonl` ([`records`]).
//!
//! # How it follows
//!
//! [`Mirror::follow`] looks at a [`Source`] once:
//!
//! 1. The checkpoint must be signed by the key that the operator gave or one that replaced it (`key-history` proves it, and
//!    the entries must say the same), have no lines beyond its three, and be cosigned by
//!    a quorum of the operator's policy, if there is one ([`Mirror::demanding`]).
//! 2. It is held against the last one that was accepted. The same: nothing to do. Longer: hashes of the source's own tiles
//!    show whether its tree begins with ours. If they lead to its signed root and not to ours, or the size is the same and
//!    the root is not, the log has two histories: a fork. Shorter: our own tiles show whether it is an older copy (a
//!    rollback) or a fork. Both are refused and kept as evidence.
//! 3. What is new is fetched into the staging folder and checked by `gongkai_log::fsck_from`: strict signatures, chain,
//!    streams, tree at every level, authority by replay of the registry, openings and lines against their commitments. It
//!    goes on where the last check ended; nothing is read twice. Every statement must come with its line of openings and
//!    every list with its file: what a carried disk lacks is named, and nothing of it accepted.
//! 4. Withdrawals are followed and attachments fetched and hashed; everything is put in its place, and the checkpoint last
//!    (`acceptance` has the order).
//! 5. `policy` becomes the operator's own or, without one, what the source says: nobody signs it, so readers who judge by it
//!    must have it from somewhere else.
//!
//! # What holds
//!
//! - **Nothing lands below `log/` before it was verified** under a checkpoint that continues all that was seen.
//! - A kill at any point leaves a mirror that goes on: the old checkpoint over its files, or the new one.
//! - What was refused changes nothing: what was accepted goes on being served.
//! - On start, everything on the own disk is verified again; that is also how the state for going on is made. Where it is
//!   damaged, the mirror says so and follows nothing: remove `log/` and run it again, and it fetches all of it, and accepts
//!   it only if it continues `mirror/checkpoint`.
//!
//! # What it is not
//!
//! Not a witness: it signs nothing. Not an audit: whether a statement was allowed by the rules of its matter is
//! `gongkai audit`'s. It cannot know that a source withholds the opening of a slot that was never opened to it. A missing
//! attachment is told from an incomplete copy only while no line was withdrawn: withdrawn lines take files with them, and
//! do not say which. No HTTP and no clock of its own: another place to follow is another [`Source`].

mod acceptance;
mod flushing;
pub mod records;
pub mod source;
mod staging;
mod watching;
mod witnessing;

use std::{
    collections::BTreeSet,
    fs, io, mem,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use gongkai_domain::{Replay, key_history};
use gongkai_log::{
    Authority as _, Checkpoint, Fetch, Finding, Fork, FsckError, LogKeys, Options, Policy, Reached, TilePath,
    VerifierKey,
    checkpoint::CheckpointError,
    fork::Judgement,
    fsck::Tiles,
    fsck_from,
    log_keys::HISTORY_PATH,
    merkle,
    note::NoteError,
    policy::PolicyError,
    tile::{self, new_tiles},
};

use self::{
    acceptance::{Acceptance, remove_superseded},
    records::Status,
    staging::{StagedError, Staging},
    watching::{Found, NamingLists, Watching},
};
pub use self::{records::SourceShows, source::Source};
use crate::{
    clock::Clock,
    error::StoreError,
    layout::Layout,
    log_fetch::{ANOTHER_HASH, DirectoryFetch},
    reader::chain,
    signing::{history_of_tiles, is_said, keys_in},
};

/// Most missing files that are named one by one.
const MISSING_NAMED_MAX: usize = 20;

/// Told how far a check is: entries done, entries in all.
pub type Progress<'p> = &'p (dyn Fn(u64, u64) + Sync);

/// Why what a source shows was not accepted; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No checkpoint that the log's key signed, or one with more than its three lines.
    #[error("the checkpoint")]
    Checkpoint(#[source] CheckpointError),
    /// Too few of the witnesses that the operator demands, or a false cosignature.
    #[error("the witnesses")]
    Quorum(#[source] PolicyError),
    /// A file is not what it should be.
    #[error(transparent)]
    Finding(#[from] Finding),
    /// Files are missing; the first of them.
    #[error("missing: {}", .0.join(", "))]
    Incomplete(Vec<String>),
    /// The log signed two histories.
    #[error("the checkpoint of {shown} entries does not continue the one of {held}: a fork")]
    Forked {
        /// Entries of the checkpoint that is held.
        held: u64,
        /// Entries of the one that was shown.
        shown: u64,
        /// Both of them, and what proves it.
        evidence: PathBuf,
    },
    /// An older checkpoint than the one that is held.
    #[error("the log had {held} entries, the source shows {shown}: an older copy, or a rollback")]
    RolledBack {
        /// Entries of the checkpoint that is held.
        held: u64,
        /// Entries of the one that was shown.
        shown: u64,
        /// Both of them; `None` when too many were kept before.
        evidence: Option<PathBuf>,
    },
}

/// Why a look at a source did not end well.
#[derive(Debug, thiserror::Error)]
pub enum MirrorFault<E: std::error::Error + Send + Sync + 'static> {
    /// What it shows is not accepted.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It could not be read, which says nothing about it.
    #[error("reading {path} of the source")]
    Unreadable {
        /// Path below the log's prefix.
        path: String,
        /// Why.
        #[source]
        source: E,
    },
    /// The mirror's own files are not what was verified.
    #[error("the mirror's own files are damaged: {0}")]
    Damaged(Finding),
    /// The mirror's own disk.
    #[error(transparent)]
    Own(#[from] StoreError),
}

/// How a look ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// There is nothing new.
    Nothing,
    /// The log is longer now.
    Accepted {
        /// Entries before.
        from: u64,
        /// Entries now.
        size: u64,
        /// Withdrawals that were followed.
        withdrawals: usize,
    },
}

/// A checkpoint with the note that says it.
#[derive(Clone, Debug)]
struct Signed {
    checkpoint: Checkpoint,
    note: String,
}

/// What the entries so far have taught.
struct Known {
    reached: Reached,
    replay: Replay,
    // Withdrawals of lines.
    lines_withdrawn: u64,
}

impl Known {
    /// Nothing yet.
    fn new(keys: &LogKeys) -> Self {
        Self { reached: Reached::default(), replay: Replay::new(keys.first()), lines_withdrawn: 0 }
    }
}

/// See the module.
pub struct Mirror {
    layout: Layout,
    vkey: VerifierKey,
    // The log's keys, as what was accepted tells.
    keys: LogKeys,
    // What the operator demands of witnesses, with its text.
    policy: Option<(Policy, String)>,
    clock: Arc<dyn Clock>,
    // The longest checkpoint that was ever accepted.
    held: Option<Signed>,
    // Of the files below `log/`; gone after a failed check, and then made again.
    known: Option<Known>,
}

impl std::fmt::Debug for Mirror {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mirror({}, {} entries)", self.vkey.name(), self.size())
    }
}

type Done<T, S> = Result<T, MirrorFault<<S as Fetch>::Error>>;

impl Mirror {
    /// Opens the directory of a mirror, or begins one; `vkey` is the key of the log that it follows. Nothing of the log is
    /// read yet. Whoever opens it holds the lock of the directory.
    ///
    /// # Errors
    /// [`MirrorFault::Damaged`] when an accepted checkpoint is not signed by this key, [`MirrorFault::Own`].
    pub fn open(layout: Layout, vkey: VerifierKey, clock: Arc<dyn Clock>) -> Result<Self, MirrorFault<StoreError>> {
        for folder in [layout.log(), layout.mirror()] {
            fs::create_dir_all(&folder).map_err(|e| StoreError::file("making folder", &folder, e))?;
        }
        let keys = keys_in(&kept_history(&layout), &vkey)
            .map_err(|error| MirrorFault::Damaged(finding(HISTORY_PATH, &chain(&error))))?;
        let mut mirror = Self { layout, vkey, keys, policy: None, clock, held: None, known: None };
        let kept = mirror.kept_checkpoint();
        mirror.held = mirror.own_checkpoint(&kept, "mirror/checkpoint")?;
        let published = mirror.own_checkpoint(&mirror.layout.checkpoint(), "checkpoint")?;
        match (&mirror.held, published) {
            (Some(held), Some(published)) if held.checkpoint.size >= published.checkpoint.size => {
                if held.checkpoint.size == published.checkpoint.size && held.checkpoint != published.checkpoint {
                    return Err(MirrorFault::Damaged(finding("checkpoint", "is not the one that was accepted last")));
                }
            }
            (_, None) => {}
            (_, Some(published)) => mirror.held = Some(published),
        }
        mirror.say_key()?;
        Ok(mirror)
    }

    /// Tells readers the key that signs what is here.
    fn say_key(&self) -> Result<(), StoreError> {
        let vkey = format!("{}\n", self.keys.at(self.size()));
        if fs::read_to_string(self.layout.vkey()).is_ok_and(|there| there == vkey) {
            return Ok(());
        }
        records::put(&self.layout.vkey(), vkey.as_bytes())
    }

    /// Its directory.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// A key of the log that it follows: the one that the operator gave.
    pub fn vkey(&self) -> &VerifierKey {
        &self.vkey
    }

    /// All keys of that log, as far as was followed.
    pub fn keys(&self) -> &LogKeys {
        &self.keys
    }

    /// Entries of the last checkpoint that was accepted.
    pub fn size(&self) -> u64 {
        self.held.as_ref().map_or(0, |held| held.checkpoint.size)
    }

    /// Whether anything was accepted yet, so that it can be served.
    pub fn is_begun(&self) -> bool {
        self.layout.checkpoint().is_file()
    }

    /// Looks at a source once; see the module.
    ///
    /// # Errors
    /// [`MirrorFault`]; what was accepted before stays as it was.
    pub fn follow<S: Source>(&mut self, source: &S, progress: Option<Progress<'_>>) -> Done<Followed, S> {
        let ended = self.look(source, progress);
        let (refused, failed) = match &ended {
            Ok(_) => (None, None),
            Err(MirrorFault::Refused(refused)) => (Some(chain(refused)), None),
            Err(fault) => (None, Some(chain(fault))),
        };
        let status = Status { looked_at: self.clock.now(), size: self.size(), refused, failed };
        records::write_status(&self.layout, &status)?;
        ended
    }

    fn look<S: Source>(&mut self, source: &S, progress: Option<Progress<'_>>) -> Done<Followed, S> {
        self.load(progress)?;
        let bytes = source.checkpoint();
        let bytes = bytes.map_err(|source| MirrorFault::Unreadable { path: "checkpoint".to_owned(), source })?;
        let (shown, keys) = self.shown(source, bytes)?;
        self.check_quorum(&shown)?;
        let followed = self.accept_longer(source, (shown, &keys), progress)?;
        self.copy_policy(source)?;
        Ok(followed)
    }

    fn accept_longer<S: Source>(
        &mut self,
        source: &S,
        (shown, keys): (Signed, &LogKeys),
        progress: Option<Progress<'_>>,
    ) -> Done<Followed, S> {
        if !self.is_longer(source, &shown, keys)? {
            self.renew(shown)?;
            return Ok(Followed::Nothing);
        }
        let told = (&shown, keys);
        // What an earlier attempt left may be torn; then once more without it.
        match self.attempt(source, told, false, progress) {
            Err(Attempt { fault: MirrorFault::Refused(_), reused: true }) => {
                self.clear_staging()?;
                self.load(progress)?;
                self.attempt(source, told, true, progress).map_err(|attempt| attempt.fault)
            }
            ended => ended.map_err(|attempt| attempt.fault),
        }
        .inspect_err(|fault| {
            if let MirrorFault::Refused(_) = fault {
                // Nothing of it is of use; that it cannot be removed is met again when it is written.
                let _ = self.clear_staging();
            }
        })
    }

    /// What a source shows, under the keys that we know or, where the log has a new one, that its history proves. Whether
    /// the log's own entries say the same is found out before anything is accepted.
    fn shown<S: Source>(&self, source: &S, bytes: Vec<u8>) -> Done<(Signed, LogKeys), S> {
        let under_known = signed(bytes.clone(), &self.keys);
        let is_new = matches!(under_known, Err(CheckpointError::Note(NoteError::Unsigned)));
        // At the beginning the key that the operator gave may be a later one than that of the genesis.
        if !is_new && self.held.is_some() {
            return Ok((under_known.map_err(Refused::Checkpoint)?, self.keys.clone()));
        }
        let history = source.extra(HISTORY_PATH);
        let history = history.map_err(|source| MirrorFault::Unreadable { path: HISTORY_PATH.to_owned(), source })?;
        let keys = history.and_then(|bytes| key_history::read(&bytes, &self.vkey).ok());
        let continues = |keys: &LogKeys| {
            self.held.is_none()
                || keys.first() == self.keys.first() && keys.rotations().starts_with(self.keys.rotations())
        };
        match keys.filter(continues) {
            Some(keys) => Ok((signed(bytes, &keys).map_err(Refused::Checkpoint)?, keys)),
            None => Ok((under_known.map_err(Refused::Checkpoint)?, self.keys.clone())),
        }
    }
    fn own_checkpoint(&self, path: &PathBuf, name: &str) -> Result<Option<Signed>, MirrorFault<StoreError>> {
        match fs::read(path) {
            Ok(bytes) => {
                let signed = signed(bytes, &self.keys);
                signed.map(Some).map_err(|error| MirrorFault::Damaged(finding(name, &chain(&error))))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::file("reading", path, error).into()),
        }
    }

    fn kept_checkpoint(&self) -> PathBuf {
        self.layout.mirror().join("checkpoint")
    }

    fn staging_folder(&self) -> PathBuf {
        self.layout.mirror().join("staging")
    }

    fn clear_staging(&self) -> Result<(), StoreError> {
        let folder = self.staging_folder();
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::file("removing", folder, error)),
            _ => Ok(()),
        }
    }

    /// Verifies everything below `log/`, unless that is known.
    fn load<E: std::error::Error + Send + Sync + 'static>(
        &mut self,
        progress: Option<Progress<'_>>,
    ) -> Result<(), MirrorFault<E>> {
        if self.known.is_some() {
            return Ok(());
        }
        let mut known = Known::new(&self.keys);
        if !self.layout.checkpoint().is_file() {
            self.known = Some(known);
            return Ok(());
        }
        let own = Own { fetch: DirectoryFetch::new(self.layout.log()), missing: Mutex::default() };
        let naming = NamingLists::default();
        let mut watching = Watching::new(&mut known.replay, &naming);
        let options = Options { progress, keys: Some(&self.keys), ..options() };
        let checked = fsck_from(Reached::default(), &own, &mut watching, &self.vkey, &options);
        let (report, reached) = checked.map_err(|error| match error {
            FsckError::Finding(finding) => MirrorFault::Damaged(finding),
            FsckError::Read { path, source } if is_missing(&source) => {
                MirrorFault::Damaged(finding(&path, "is missing"))
            }
            FsckError::Read { source, .. } => source.into(),
        })?;
        let found = watching.found;
        let missing = own.missing.into_inner().unwrap_or_else(PoisonError::into_inner);
        let bare = report.first_without_openings.map(|index| tile::openings_path(index / tile::TILE_WIDTH));
        if let Some(path) = bare.as_ref().or_else(|| missing.first()) {
            return Err(MirrorFault::Damaged(finding(path, "is missing, or lacks a line")));
        }
        if let Some(path) = own.fetch.damaged_attachment()? {
            return Err(MirrorFault::Damaged(finding(&path, ANOTHER_HASH)));
        }
        (known.reached, known.lines_withdrawn) = (reached, found.lines_withdrawn());
        self.known = Some(known);
        Ok(())
    }

    /// Whether a checkpoint goes beyond what we have and, as far as its tiles tell, continues it.
    fn is_longer<S: Source>(&self, source: &S, shown: &Signed, keys: &LogKeys) -> Done<bool, S> {
        let Some(held) = &self.held else { return Ok(true) };
        let (ours, theirs) = (held.checkpoint.size, shown.checkpoint.size);
        if held.checkpoint == shown.checkpoint {
            // Unless `log/` was removed.
            return Ok(self.known.as_ref().is_none_or(|known| known.reached.size() < ours));
        }
        let hashes = if theirs > ours {
            // What cannot be read now is asked for again, and named, when it is checked.
            merkle::prove_beginning(ours, theirs, &Tiles(source)).unwrap_or_default()
        } else {
            let own = DirectoryFetch::new(self.layout.log());
            merkle::prove_beginning(theirs, ours, &Tiles(&own)).unwrap_or_default()
        };
        let fork = Fork { held: held.note.clone(), shown: shown.note.clone(), hashes };
        let judged = fork.judge_under(keys).map_err(Refused::Checkpoint)?;
        let now = self.clock.now();
        let (held, shown) = (ours, theirs);
        if matches!(judged, Judgement::Forked { .. }) {
            let kept = records::keep(&self.layout, &fork, shown, true, now)?;
            let evidence = kept.unwrap_or_else(|| self.layout.evidence());
            return Err(Refused::Forked { held, shown, evidence }.into());
        }
        if shown < held {
            let evidence = records::keep(&self.layout, &fork, shown, false, now)?;
            return Err(Refused::RolledBack { held, shown, evidence }.into());
        }
        Ok(true)
    }

    /// Verifies and accepts a checkpoint that may continue ours.
    fn attempt<S: Source>(
        &mut self,
        source: &S,
        (shown, keys): (&Signed, &LogKeys),
        fresh: bool,
        progress: Option<Progress<'_>>,
    ) -> Result<Followed, Attempt<S::Error>> {
        // Not put back where something fails: it may have learned from what is refused. It was loaded just before.
        let mut known = self.known.take().filter(|known| known.reached.size() > 0).unwrap_or_else(|| Known::new(keys));
        let (from, size) = (known.reached.size(), shown.checkpoint.size);
        let folder = self.staging_folder();
        let layout = self.layout.clone();
        let staging = Staging::new(source, &layout, &folder, &shown.note, (from, size), fresh);
        let accepted = self.verify(&staging, (source, keys), &mut known, progress);
        let withdrawals = accepted.and_then(|found| self.accept(&staging, shown, &found, &mut known));
        let reused = staging.reused();
        let withdrawals = withdrawals.map_err(|fault| Attempt { fault, reused })?;
        self.held = Some(shown.clone());
        if let Some(keys) = known.replay.log_keys() {
            self.keys = keys.clone();
        }
        self.known = Some(known);
        remove_superseded(&self.layout, from, size);
        // It is found again, and used or removed, by the next attempt.
        if let Err(error) = self.clear_staging() {
            tracing::warn!(error = chain(&error), "the staging folder was not removed");
        }
        Ok(Followed::Accepted { from, size, withdrawals })
    }

    /// Fetches and checks what is new; what it asks of us.
    fn verify<S: Source>(
        &self,
        staging: &Staging<'_, S>,
        (source, keys): (&S, &LogKeys),
        known: &mut Known,
        progress: Option<Progress<'_>>,
    ) -> Done<Found, S> {
        let missing = lacking(source, staging.from, staging.size);
        if !missing.is_empty() {
            return Err(Refused::Incomplete(missing).into());
        }
        fs::create_dir_all(self.staging_folder())
            .map_err(|e| StoreError::file("making folder", self.staging_folder(), e))?;
        let mut watching = Watching::new(&mut known.replay, &staging.naming);
        let held = self.held.as_ref().map(|held| held.checkpoint.clone());
        let options = Options { progress, old_checkpoint: held, keys: Some(keys), ..options() };
        let reached = mem::take(&mut known.reached);
        let checked = staging.while_fetching(|| fsck_from(reached, staging, &mut watching, &self.vkey, &options))?;
        let found = watching.found;
        let (report, reached) = checked.map_err(|error| match error {
            FsckError::Finding(finding) => Refused::Finding(finding).into(),
            FsckError::Read { path, source: StagedError::Source(error) } if S::is_missing(&error) => {
                Refused::Incomplete(vec![path]).into()
            }
            FsckError::Read { path, source: StagedError::Source(source) } => MirrorFault::Unreadable { path, source },
            FsckError::Read { source: StagedError::Own(error), .. } => error.into(),
        })?;
        let mut missing: BTreeSet<String> = staging.missing().into_iter().collect();
        missing.extend(report.first_without_openings.map(|index| tile::openings_path(index / tile::TILE_WIDTH)));
        if !missing.is_empty() {
            return Err(Refused::Incomplete(missing.into_iter().take(MISSING_NAMED_MAX).collect()).into());
        }
        known.reached = reached;
        Ok(found)
    }

    /// Follows withdrawals, puts everything in its place, and the checkpoint last; how many withdrawals.
    fn accept<S: Source>(
        &self,
        staging: &Staging<'_, S>,
        shown: &Signed,
        found: &Found,
        known: &mut Known,
    ) -> Done<usize, S> {
        known.lines_withdrawn += found.lines_withdrawn();
        let mut acceptance = Acceptance::new(staging, &self.layout);
        acceptance.prepare(found, known.lines_withdrawn > 0)?;
        acceptance.put_in_place()?;
        records::append(&self.layout, &acceptance.records, self.clock.now())?;
        self.say_keys(known, shown.checkpoint.size)?;
        records::put(&self.layout.checkpoint(), shown.note.as_bytes())?;
        records::put(&self.kept_checkpoint(), shown.note.as_bytes())?;
        Ok(found.withdrawals.len())
    }

    /// What brought the log's keys, from the entries that were verified, and the key of this size. If we stop before the
    /// checkpoint, the history is longer than it, which changes nothing.
    fn say_keys(&self, known: &Known, size: u64) -> Result<(), StoreError> {
        let Some(keys) = known.replay.log_keys().filter(|keys| !is_said(&self.layout, keys, size)) else {
            return Ok(());
        };
        if let Some(history) = history_of_tiles(&DirectoryFetch::new(self.layout.log()), keys, size)? {
            records::put(&self.layout.key_history(), &history)?;
            records::put(&kept_history(&self.layout), &history)?;
        }
        records::put(&self.layout.vkey(), format!("{}\n", keys.at(size)).as_bytes())
    }
}

/// What brought the log's keys, where it outlives `log/`.
fn kept_history(layout: &Layout) -> PathBuf {
    layout.mirror().join(HISTORY_PATH)
}

/// A note that the log signed.
fn signed(bytes: Vec<u8>, keys: &LogKeys) -> Result<Signed, CheckpointError> {
    let note = String::from_utf8(bytes).map_err(|_| CheckpointError::Form)?;
    let (checkpoint, parsed) = keys.open(&note)?;
    if checkpoint.text() != parsed.text {
        return Err(CheckpointError::Form);
    }
    Ok(Signed { checkpoint, note })
}

/// Why an attempt failed, and whether it read what an earlier one had left.
struct Attempt<E: std::error::Error + Send + Sync + 'static> {
    fault: MirrorFault<E>,
    reused: bool,
}

fn options() -> Options<'static> {
    // One more than there are cores: while a file is read or written, its thread waits.
    let threads = std::thread::available_parallelism().map_or(1, usize::from) + 1;
    Options { threads, check_openings: true, ..Options::default() }
}

fn finding(field: &str, reason: &str) -> Finding {
    Finding { index: None, field: field.to_owned(), reason: reason.to_owned() }
}

fn is_missing(error: &StoreError) -> bool {
    matches!(error, StoreError::File { source, .. } if source.kind() == io::ErrorKind::NotFound)
}

/// The first files that a source lacks for going on to this size, as far as it can be told without reading.
fn lacking<S: Source>(source: &S, from: u64, size: u64) -> Vec<String> {
    let tiles = new_tiles(from, size);
    let bundles = tiles.iter().filter(|path| path.kind() == tile::TileKind::Entries).map(TilePath::number);
    let openings: Vec<String> = bundles.map(tile::openings_path).collect();
    let wanted = tiles.iter().map(ToString::to_string).chain(openings);
    wanted.filter(|path| source.lacks(path)).take(MISSING_NAMED_MAX).collect()
}

/// The mirror's own files; notes which are missing.
struct Own {
    fetch: DirectoryFetch,
    missing: Mutex<Vec<String>>,
}

impl Fetch for Own {
    type Error = StoreError;

    fn checkpoint(&self) -> Result<Vec<u8>, StoreError> {
        self.fetch.checkpoint()
    }

    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, StoreError> {
        self.fetch.tile(path)
    }

    fn extra(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.fetch.extra(path)?;
        if found.is_none() {
            self.missing.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
        }
        Ok(found)
    }
}
