//! What a mirror writes down beside the log: evidence, followed withdrawals, and how the last look ended.
//!
//! - `evidence/<time>-<size>.fork`: two signed checkpoints that cannot both be (`gongkai_log::fork` says what proves
//!   what). Never removed by us, and each kept once.
//! - `evidence/<time>-<size>.rollback`: the same form; the smaller checkpoint agrees with the larger, so it only shows that
//!   an older copy was served.
//! - `withdrawals.jsonl`: a line for each withdrawal, with when it was followed and whether the source had.
//! - `mirror/status.json`: how the last look ended, for the operator and the pages. It can be thrown away.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use gongkai_log::{Digest, Fork};
use serde::{Deserialize, Serialize};

use super::{staging::flush, watching::Withdrawn};
use crate::{error::StoreError, layout::Layout};

/// Most rollbacks that are kept: an old copy that is shown again and again is no news.
const ROLLBACKS_MAX: usize = 256;

/// Most bytes of `mirror/status.json`: two reasons with the names of some files.
pub const STATUS_BYTES_MAX: usize = 1 << 16;

/// Whether the source had followed a withdrawal when we did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceShows {
    /// It no longer gave what was withdrawn.
    Removed,
    /// It still gave it; we took it out ourselves.
    StillShown,
    /// It could not be told.
    Unknown,
}

/// One withdrawal that was followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Entry that records the withdrawal.
    pub index: u64,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// Entry whose openings were withdrawn.
    pub target: u64,
    /// Slots of it.
    pub slots: Vec<u64>,
    /// Lines of its list.
    pub lines: Vec<u64>,
    /// Files that went with the lines, lower-case hex.
    pub files: Vec<String>,
    /// Whether the source still gave it.
    pub source: SourceShows,
    /// When it was taken out of this mirror.
    pub followed_at: DateTime<Utc>,
}

impl Record {
    pub(super) fn new(withdrawn: &Withdrawn, source: SourceShows, files: &BTreeSet<Digest>) -> Self {
        let Withdrawn { index, recorded_at, target, slots, lines } = withdrawn.clone();
        let files = files.iter().map(Digest::to_hex).collect();
        Self { index, recorded_at, target, slots, lines, files, source, followed_at: DateTime::UNIX_EPOCH }
    }
}

/// How the last look at the source ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// When it was.
    pub looked_at: DateTime<Utc>,
    /// Entries of the last checkpoint that was accepted.
    pub size: u64,
    /// Why what the source showed was not accepted, if so.
    pub refused: Option<String>,
    /// Why nothing could be told about it, if so.
    pub failed: Option<String>,
}

/// Evidence on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Where it lies.
    pub path: PathBuf,
    /// Two histories; otherwise an older copy.
    pub is_fork: bool,
}

/// The evidence of a mirror's directory, oldest first.
///
/// # Errors
/// The disk.
pub fn evidence(layout: &Layout) -> Result<Vec<Evidence>, StoreError> {
    let folder = layout.evidence();
    let failed = |e| StoreError::file("listing", &folder, e);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let is_fork = path.extension().is_some_and(|extension| extension == "fork");
        if is_fork || path.extension().is_some_and(|extension| extension == "rollback") {
            found.push(Evidence { path, is_fork });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Keeps evidence, unless the same was kept before; gives where it lies.
pub(crate) fn keep(
    layout: &Layout,
    fork: &Fork,
    size: u64,
    is_fork: bool,
    now: DateTime<Utc>,
) -> Result<Option<PathBuf>, StoreError> {
    let there = evidence(layout)?;
    let same = there.iter().find(|there| {
        let text = fs::read_to_string(&there.path).unwrap_or_default();
        there.is_fork == is_fork && Fork::parse(&text).is_ok_and(|kept| kept.shown == fork.shown)
    });
    if let Some(same) = same {
        return Ok(Some(same.path.clone()));
    }
    if !is_fork && there.iter().filter(|there| !there.is_fork).count() >= ROLLBACKS_MAX {
        return Ok(None);
    }
    let folder = layout.evidence();
    fs::create_dir_all(&folder).map_err(|e| StoreError::file("making folder", &folder, e))?;
    let extension = if is_fork { "fork" } else { "rollback" };
    let stem = format!("{}-{size}", now.format("%Y%m%dT%H%M%SZ"));
    // Two that are seen in one second are both kept.
    let names = (0_u32..).map(|turn| if turn == 0 { stem.clone() } else { format!("{stem}-{turn}") });
    let mut paths = names.map(|name| folder.join(format!("{name}.{extension}")));
    let path = paths.find(|path| !path.exists()).unwrap_or_else(|| folder.join(extension));
    put(&path, fork.to_string().as_bytes())?;
    Ok(Some(path))
}

/// Appends what is not recorded yet, and forces it to the disk.
pub(super) fn append(layout: &Layout, records: &[Record], now: DateTime<Utc>) -> Result<(), StoreError> {
    let path = layout.withdrawals();
    let failed = |e| StoreError::file("writing", &path, e);
    let known: BTreeSet<u64> = withdrawals(layout)?.iter().map(|record| record.index).collect();
    let mut text = String::new();
    for record in records.iter().filter(|record| !known.contains(&record.index)) {
        let record = Record { followed_at: whole_seconds(now), ..record.clone() };
        let line = serde_json::to_string(&record).map_err(|e| failed(e.into()))?;
        text.push_str(&line);
        text.push('\n');
    }
    if text.is_empty() {
        return Ok(());
    }
    // A crash may have cut the last line; what begins on a new one is read all the same.
    let is_cut = fs::read(&path).is_ok_and(|bytes| bytes.last().is_some_and(|last| *last != b'\n'));
    let mut file = File::options().create(true).append(true).open(&path).map_err(failed)?;
    let text = if is_cut { format!("\n{text}") } else { text };
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    flush(layout.root())
}

/// The withdrawals that a mirror has followed, in the order in which it did. A line that a crash cut is left out: what it
/// recorded is followed, and recorded, again.
///
/// # Errors
/// The disk.
pub fn withdrawals(layout: &Layout) -> Result<Vec<Record>, StoreError> {
    let path = layout.withdrawals();
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(StoreError::file("reading", path, error)),
    }
}

/// Writes how a look ended. It need not survive a crash.
///
/// # Errors
/// The disk.
pub fn write_status(layout: &Layout, status: &Status) -> Result<(), StoreError> {
    let path = layout.mirror().join("status.json");
    let draft = layout.mirror().join(".status");
    let written = serde_json::to_vec(&Status { looked_at: whole_seconds(status.looked_at), ..status.clone() });
    let written = written.map_err(io::Error::from).and_then(|bytes| fs::write(&draft, bytes));
    written.and_then(|()| fs::rename(&draft, &path)).map_err(|e| StoreError::file("writing", path, e))
}

/// How the last look ended; `None` before the first, or where it cannot be read.
pub fn status(layout: &Layout) -> Option<Status> {
    let mut bytes = Vec::new();
    let file = File::open(layout.mirror().join("status.json")).ok()?;
    file.take(STATUS_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).ok()?;
    parse_status(&bytes)
}

/// Reads `mirror/status.json`; `None` when it is anything else, or too long.
pub fn parse_status(bytes: &[u8]) -> Option<Status> {
    if bytes.len() > STATUS_BYTES_MAX { None } else { serde_json::from_slice(bytes).ok() }
}

/// Puts a small file in place so that it survives a crash: the old one or the new one.
pub(crate) fn put(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(path);
    let mut draft = path.as_os_str().to_owned();
    draft.push(".draft");
    let draft = PathBuf::from(draft);
    let written = fs::write(&draft, bytes).and_then(|()| File::open(&draft)?.sync_all());
    written.and_then(|()| fs::rename(&draft, path)).map_err(|e| StoreError::file("writing", path, e))?;
    flush(folder)
}

fn whole_seconds(time: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp(time.timestamp(), 0).unwrap_or(time)
}
