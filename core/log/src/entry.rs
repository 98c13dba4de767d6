//! Entries: what the log records (design 3.2). A head of four lines, a blank line, and the note.
//!
//! `prev` is BLAKE3 of the bytes of the entry before, so the entries are a chain; SHA-256 of the
//! same bytes is the leaf of the tree. Bytes are kept verbatim and never written again.
//!
//! Not here: whether an entry follows the one before it (`fsck`, the store), what its statement
//! means. A new content is a further variant of [`Content`] with a form of its own.

use std::io::Write as _;

use chrono::{DateTime, Utc};

use crate::hash::{Digest, HASH_TEXT_BYTES, HashError, TreeHash};
use crate::merkle;
use crate::note::{Note, NoteError};
use crate::sealed::{SEALED_FORM, SealedError, SealedPeriod};
use crate::statement::{SignedStatement, StatementError};
use crate::time::{TimeError, format_recorded, parse_recorded};
use crate::tree;

/// First line of an entry.
pub const ENTRY_FORM: &str = "gongkai.entry/v1";

/// Most bytes of an entry (c2sp.org/tlog-tiles: a bundle's length prefix has 16 bits).
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// Why bytes are no entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// More than [`ENTRY_BYTES_MAX`] bytes.
    #[error("an entry of {0} bytes, at most 65,535 fit a tile")]
    TooLong(usize),
    /// Not UTF-8.
    #[error("not UTF-8")]
    Utf8,
    /// Another form, or a line too few.
    #[error("not the lines of {ENTRY_FORM}")]
    Form,
    /// The index is no decimal number without leading zeros.
    #[error("the index is no decimal number")]
    Index,
    /// The third line is malformed.
    #[error("recorded_at")]
    RecordedAt(#[from] TimeError),
    /// The fourth line is malformed.
    #[error("prev")]
    Prev(#[from] HashError),
    /// What follows the blank line is no signed note.
    #[error("the note")]
    Note(#[from] NoteError),
    /// The note is no statement.
    #[error("the statement")]
    Statement(#[from] StatementError),
    /// The note is no sealed period.
    #[error("the sealed period")]
    Sealed(#[from] SealedError),
}

impl EntryError {
    /// The part of the entry that is at fault.
    pub fn field(&self) -> &'static str {
        match self {
            Self::TooLong(_) => "length",
            Self::Utf8 | Self::Form => "entry",
            Self::Index => "index",
            Self::RecordedAt(_) => "recorded_at",
            Self::Prev(_) => "prev",
            Self::Note(_) => "note",
            Self::Statement(_) => "statement",
            Self::Sealed(_) => "sealed period",
        }
    }
}

/// What an entry records.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all entries are statements: a box would cost each of them an allocation"
)]
pub enum Content {
    /// A public statement.
    Statement(SignedStatement),
    /// A period of wholly sealed events.
    Sealed(SealedPeriod),
}

impl Content {
    /// Reads a note as one or the other, by its first line. The hash of a statement is the caller's to compute.
    fn read(note: &str) -> Result<Self, EntryError> {
        let note = Note::parse(note)?;
        if note.text.split('\n').next() == Some(SEALED_FORM) {
            Ok(Self::Sealed(SealedPeriod::from_note(note)?))
        } else {
            Ok(Self::Statement(SignedStatement::read(note)?))
        }
    }

    /// The note.
    pub fn note(&self) -> &Note {
        match self {
            Self::Statement(signed) => &signed.note,
            Self::Sealed(period) => &period.note,
        }
    }

    /// The origin that the note names.
    pub fn origin(&self) -> &str {
        match self {
            Self::Statement(signed) => &signed.statement.origin,
            Self::Sealed(period) => &period.origin,
        }
    }

    /// The statement, unless the entry is a sealed period.
    pub fn statement(&self) -> Option<&SignedStatement> {
        match self {
            Self::Statement(signed) => Some(signed),
            Self::Sealed(_) => None,
        }
    }
}

/// An entry, parsed from the bytes that it keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Place in the log, from 0.
    pub index: u64,
    /// The log's time, whole microseconds.
    pub recorded_at: DateTime<Utc>,
    /// BLAKE3 of the bytes of the entry before; zero at index 0.
    pub prev: Digest,
    /// What is recorded.
    pub content: Content,
    /// The exact bytes.
    pub bytes: Vec<u8>,
    /// BLAKE3 of `bytes`, the `prev` of the next entry.
    pub hash: Digest,
}

/// Reads a decimal number without sign and leading zeros.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let zero_led = text.len() > 1 && text.starts_with('0');
    if !digits || zero_led {
        return None;
    }
    text.parse().ok()
}

/// The statements among some entries.
fn all_statements(entries: &mut [Entry]) -> impl Iterator<Item = &mut SignedStatement> {
    entries.iter_mut().filter_map(|entry| match &mut entry.content {
        Content::Statement(signed) => Some(signed),
        Content::Sealed(_) => None,
    })
}

impl Entry {
    /// Reads an entry; every byte is checked, no signature is verified.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, EntryError> {
        let mut entry = Self::read(bytes)?;
        entry.hash = Digest::of(&entry.bytes);
        if let Content::Statement(signed) = &mut entry.content {
            signed.hash = Digest::of(signed.note.text.as_bytes());
        }
        Ok(entry)
    }

    /// Reads entries up to the first that is malformed, as [`Entry::parse`] does each.
    pub(crate) fn parse_all(all: &[&[u8]]) -> (Vec<Self>, Option<EntryError>) {
        let mut entries = Vec::with_capacity(all.len());
        let mut fault = None;
        for bytes in all {
            match Self::read(bytes.to_vec()) {
                Ok(entry) => entries.push(entry),
                Err(error) => {
                    fault = Some(error);
                    break;
                }
            }
        }
        let hashes = tree::PLAIN.each(&all[..entries.len()]);
        let texts: Vec<&[u8]> = all_statements(&mut entries).map(|signed| signed.note.text.as_bytes()).collect();
        let of_texts = tree::PLAIN.each(&texts);
        for (signed, hash) in all_statements(&mut entries).zip(of_texts) {
            signed.hash = hash;
        }
        for (entry, hash) in entries.iter_mut().zip(hashes) {
            entry.hash = hash;
        }
        (entries, fault)
    }

    /// Reads an entry, but for its hashes.
    fn read(bytes: Vec<u8>) -> Result<Self, EntryError> {
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(EntryError::TooLong(bytes.len()));
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| EntryError::Utf8)?;
        let mut lines = text.splitn(6, '\n');
        let mut line = || lines.next().ok_or(EntryError::Form);
        if line()? != ENTRY_FORM {
            return Err(EntryError::Form);
        }
        let index = decimal(line()?).ok_or(EntryError::Index)?;
        let recorded_at = parse_recorded(line()?)?;
        let prev = Digest::parse(line()?)?;
        if !line()?.is_empty() {
            return Err(EntryError::Form);
        }
        let content = Content::read(line()?)?;
        Ok(Self { index, recorded_at, prev, content, hash: Digest::ZERO, bytes })
    }

    /// Writes the bytes of an entry around a note, verbatim. `recorded_at` is cut to microseconds.
    /// The note is not parsed: parse it before it is sealed.
    pub fn seal(index: u64, recorded_at: DateTime<Utc>, prev: Digest, note: &str) -> Result<Vec<u8>, EntryError> {
        let recorded_at = format_recorded(&recorded_at)?;
        let head = ENTRY_FORM.len() + 1 + 20 + 1 + recorded_at.len() + 1 + HASH_TEXT_BYTES + 2;
        let mut bytes = Vec::with_capacity(head + note.len());
        write!(bytes, "{ENTRY_FORM}\n{index}\n{recorded_at}\n{prev}\n\n{note}").expect("writing to a Vec cannot fail");
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(EntryError::TooLong(bytes.len()));
        }
        Ok(bytes)
    }

    /// SHA-256 leaf of the log's tree.
    pub fn leaf_hash(&self) -> TreeHash {
        merkle::leaf_hash(&self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{KeyKind, SigningKey};
    use crate::note;

    fn note() -> String {
        let key = SigningKey::from_seed("intake", KeyKind::Ed25519, [2; 32]).unwrap();
        let text = SealedPeriod::text("ledger.example", &Digest::ZERO).unwrap();
        note::sign(&text, &[&key]).unwrap()
    }

    #[test]
    fn an_entry_keeps_the_bytes_it_was_read_from() {
        let time = parse_recorded("2026-03-10T01:12:07.000001Z").unwrap();
        let bytes = Entry::seal(17, time, Digest::of(b"before"), &note()).unwrap();
        let entry = Entry::parse(bytes.clone()).unwrap();
        assert_eq!(entry.index, 17);
        assert_eq!(entry.recorded_at, time);
        assert_eq!(entry.prev, Digest::of(b"before"));
        assert_eq!(entry.content.origin(), "ledger.example");
        assert_eq!(entry.hash, Digest::of(&bytes));
        assert_eq!(entry.bytes, bytes);
        let again = Entry::seal(entry.index, entry.recorded_at, entry.prev, &entry.content.note().to_string());
        assert_eq!(again.unwrap(), bytes);
    }

    #[test]
    fn a_fault_names_its_field() {
        let time = parse_recorded("2026-03-10T01:12:07.000001Z").unwrap();
        let bytes = Entry::seal(17, time, Digest::ZERO, &note()).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let field = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            let changed = text.replacen(from, to, 1).into_bytes();
            Entry::parse(changed).unwrap_err().field()
        };
        assert_eq!(field("entry/v1", "entry/v2"), "entry");
        assert_eq!(field("\n17\n", "\n017\n"), "index");
        assert_eq!(field("\n17\n", "\n+17\n"), "index");
        assert_eq!(field("\n17\n", "\n\n"), "index");
        assert_eq!(field("\n17\n", "\n18446744073709551616\n"), "index");
        assert_eq!(field(".000001Z", "Z"), "recorded_at");
        assert_eq!(field("AAA=\n\n", "AAB=\n\n"), "prev");
        assert_eq!(field("=\n\n", "=\n \n"), "entry");
        assert_eq!(field("\u{2014}", "-"), "note");
        assert_eq!(field("sealed/v1", "stated/v1"), "statement");
        assert_eq!(field("ledger.example", "ledger example"), "sealed period");
        assert_eq!(Entry::parse(vec![0xff]).unwrap_err(), EntryError::Utf8);
    }

    #[test]
    fn what_does_not_fit_a_tile_is_refused() {
        let time = parse_recorded("2026-03-10T01:12:07.000001Z").unwrap();
        let long = "x".repeat(ENTRY_BYTES_MAX);
        assert!(matches!(Entry::seal(0, time, Digest::ZERO, &long), Err(EntryError::TooLong(_))));
        let head = Entry::seal(0, time, Digest::ZERO, "").unwrap().len();
        let fits = "x".repeat(ENTRY_BYTES_MAX - head);
        assert_eq!(Entry::seal(0, time, Digest::ZERO, &fits).unwrap().len(), ENTRY_BYTES_MAX);
        assert!(matches!(Entry::parse(vec![b'x'; ENTRY_BYTES_MAX + 1]), Err(EntryError::TooLong(_))));
    }
}
