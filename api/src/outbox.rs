//! The durable outbox: what was signed is on disk before it is sent.
//!
//! One journal a file of commands, JSON lines, the last word on an id holds. A signed submission is
//! written and fsynced under its idempotency key before it leaves; a receipt is noted after it came. If
//! we stop in between, a re-run finds the submission and sends the same bytes again, and the ledger
//! answers with the same receipt: never two. A refused submission is forgotten, so that a re-run may
//! prepare it anew (the head may have moved).
//!
//! Not here: sending. A torn last line is what a crash leaves, and is ignored.

use std::collections::HashMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use gongkai_domain::Submission;
use gongkai_log::Digest;
use serde::{Deserialize, Serialize};

/// Most bytes of a journal: half a million ordinary statements.
const JOURNAL_BYTES_MAX: u64 = 4 << 30;

/// Why the outbox cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The disk.
    #[error("待发箱 {path} 读写不了")]
    Io {
        /// The journal.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line that is no record, and not the last one.
    #[error("待发箱 {path} 第 {line} 行不是记录")]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    id: String,
    /// Absent once it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    submission: Option<Submission>,
}

/// The journal of one file of commands.
pub struct Outbox {
    path: PathBuf,
    file: File,
    signed: HashMap<String, Submission>,
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outbox({}, {} signed)", self.path.display(), self.signed.len())
    }
}

impl Outbox {
    /// Opens or makes the journal of the commands with this digest, for the ledger of this origin.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub fn open(dir: &Path, origin: &str, commands: &Digest) -> Result<Self, OutboxError> {
        let name = Digest::of(format!("{origin}\n{commands}\n").as_bytes()).to_hex();
        let path = dir.join(format!("{name}.jsonl"));
        let failed = |source| OutboxError::Io { path: path.clone(), source };
        std::fs::create_dir_all(dir).map_err(failed)?;
        let file = private(&path).map_err(failed)?;
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)?;
        let mut text = String::new();
        (&file).take(JOURNAL_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        // What follows the last line feed was never acknowledged; new lines must not grow onto it.
        file.set_len(whole as u64).map_err(failed)?;
        let signed = replay(&path, &text[..whole])?;
        Ok(Self { path, file, signed })
    }

    /// What an earlier run signed under an id and did not see refused.
    pub fn signed(&self, id: &str) -> Option<&Submission> {
        self.signed.get(id)
    }

    /// Writes signed submissions and waits until they are on the disk. They are not kept in memory: only
    /// the next run looks for them.
    ///
    /// # Errors
    /// [`OutboxError::Io`]; nothing may be sent then.
    pub fn keep<'a>(&mut self, signed: impl IntoIterator<Item = (&'a str, &'a Submission)>) -> Result<(), OutboxError> {
        let mut text = String::new();
        for (id, submission) in signed {
            text.push_str(&line(&Record { id: id.to_owned(), submission: Some(submission.clone()) }));
        }
        if text.is_empty() {
            return Ok(());
        }
        self.write(&text)?;
        self.file.sync_data().map_err(|source| OutboxError::Io { path: self.path.clone(), source })
    }

    /// Forgets what was refused. Not fsynced: after a crash it is sent once more and refused once more.
    ///
    /// # Errors
    /// [`OutboxError::Io`].
    pub fn forget(&mut self, id: &str) -> Result<(), OutboxError> {
        self.signed.remove(id);
        self.write(&line(&Record { id: id.to_owned(), submission: None }))
    }

    fn write(&mut self, text: &str) -> Result<(), OutboxError> {
        self.file.write_all(text.as_bytes()).map_err(|source| OutboxError::Io { path: self.path.clone(), source })
    }
}

fn line(record: &Record) -> String {
    let mut text = serde_json::to_string(record).expect("a submission is plain JSON, its keys are strings");
    text.push('\n');
    text
}

fn replay(path: &Path, text: &str) -> Result<HashMap<String, Submission>, OutboxError> {
    let mut signed = HashMap::new();
    for (number, line) in text.lines().enumerate() {
        let record: Record =
            serde_json::from_str(line).map_err(|_| OutboxError::Damaged { path: path.to_owned(), line: number + 1 })?;
        match record.submission {
            Some(submission) => drop(signed.insert(record.id, submission)),
            None => drop(signed.remove(&record.id)),
        }
    }
    Ok(signed)
}

/// Signed statements are not public before they are accepted.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submission(note: &str) -> Submission {
        Submission { note: note.to_owned(), openings: Vec::new(), lines: Vec::new(), envelope: None }
    }

    fn open(dir: &Path) -> Outbox {
        Outbox::open(dir, "ledger.example", &Digest::of(b"commands")).unwrap()
    }

    #[test]
    fn what_was_kept_is_there_after_a_crash_and_what_was_refused_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let mut outbox = open(dir.path());
        outbox.keep([("a-1", &submission("one")), ("a-2", &submission("two"))]).unwrap();
        outbox.forget("a-2").unwrap();
        drop(outbox);
        let outbox = open(dir.path());
        assert_eq!(outbox.signed("a-1").map(|s| s.note.as_str()), Some("one"));
        assert!(outbox.signed("a-2").is_none());
    }

    #[test]
    fn a_torn_last_line_is_as_if_it_had_never_been_written() {
        let dir = tempfile::tempdir().unwrap();
        let mut outbox = open(dir.path());
        outbox.keep([("a-1", &submission("one"))]).unwrap();
        outbox.write("{\"id\":\"a-2\",\"submi").unwrap();
        let mut outbox = open(dir.path());
        outbox.keep([("a-3", &submission("three"))]).unwrap();
        let outbox = open(dir.path());
        assert!(outbox.signed("a-1").is_some() && outbox.signed("a-2").is_none() && outbox.signed("a-3").is_some());
    }

    #[test]
    fn other_commands_and_other_ledgers_have_other_journals() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path()).keep([("a-1", &submission("one"))]).unwrap();
        let other = |origin: &str, commands: &[u8]| Outbox::open(dir.path(), origin, &Digest::of(commands)).unwrap();
        assert!(other("ledger.example", b"others").signed("a-1").is_none());
        assert!(other("other.example", b"commands").signed("a-1").is_none());
    }
}
