//! What a public projection may see of an entry: its statement, and the openings of the tier `public`.
//!
//! The type cannot hold anything else: values of other tiers are dropped while it is built, so no
//! projection can leak one. It is not an audit; the ledger has checked what it serves.
//! To show more of an entry, add a field here and fill it in [`PublicEvent::from_parts`].

use chrono::{DateTime, NaiveDate, Utc};
use gongkai_domain::{
    Kind,
    event::Recorded,
    field::ListShape,
    kind::{self, Described},
    submission::Line,
};
use gongkai_log::{Content, Digest, Entry, List, Opening, Openings, Row, Statement, Tier, entry::EntryError};
use serde_json::{Map, Value};

/// An entry that cannot be read; the log is damaged or newer than this program.
#[derive(Debug, thiserror::Error)]
#[error("entry {index} cannot be read")]
pub struct EventError {
    /// Place in the log.
    pub index: u64,
    /// What is wrong with its bytes.
    #[source]
    pub source: EntryError,
}

/// An open public slot.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Slot number, 0–15.
    pub slot: u8,
    /// Wire name.
    pub name: String,
    /// Value.
    pub value: Value,
}

/// A line of the event's list; without content when it was withdrawn.
#[derive(Clone, Debug, PartialEq)]
pub struct PublicLine {
    /// Line number, from 0.
    pub line: u64,
    /// The public cells.
    pub content: Option<Map<String, Value>>,
}

/// A statement in the log with what of it is open to everyone now.
#[derive(Clone, Debug)]
pub struct PublicEvent {
    /// Place in the log.
    pub index: u64,
    /// The log's time.
    pub recorded_at: DateTime<Utc>,
    /// BLAKE3 of the entry.
    pub entry_hash: Digest,
    /// BLAKE3 of the statement.
    pub statement_hash: Digest,
    /// What was signed.
    pub statement: Statement,
    /// Its kind, unless this version does not know it.
    pub kind: Option<&'static Kind>,
    fields: Vec<Field>,
    lines: Vec<PublicLine>,
}

impl PublicEvent {
    /// Reads an entry; `None` for a period of sealed events, of which the public learns nothing.
    ///
    /// # Errors
    /// [`EventError`] when the bytes are no entry.
    pub fn from_parts(
        index: u64,
        bytes: Vec<u8>,
        openings: Option<Openings>,
        list: Option<List>,
    ) -> Result<Option<Self>, EventError> {
        let entry = Entry::parse(bytes).map_err(|source| EventError { index, source })?;
        let Content::Statement(signed) = entry.content else { return Ok(None) };
        let kind = kind::find(&signed.statement.kind);
        let shape = kind.and_then(|kind| kind.list.shape(&signed.statement.body)).map(|(shape, _)| shape);
        let lines = list.into_iter().flat_map(|list| list.rows).map(|row| public_line(row, shape));
        Ok(Some(Self {
            index: entry.index,
            recorded_at: entry.recorded_at,
            entry_hash: entry.hash,
            statement_hash: signed.hash,
            kind,
            fields: fields(openings.map(|openings| openings.open).unwrap_or_default()),
            lines: lines.collect(),
            statement: signed.statement,
        }))
    }

    /// What a statement shows once it is recorded at this place and time; `open` and `lines` are what it commits to.
    /// Nothing of it is recorded or proven yet, and it has no hash of an entry.
    pub fn foreseen(
        (index, recorded_at): (u64, DateTime<Utc>),
        statement: Statement,
        open: Vec<Opening>,
        lines: Vec<Line>,
    ) -> Self {
        let kind = kind::find(&statement.kind);
        let shape = kind.and_then(|kind| kind.list.shape(&statement.body)).map(|(shape, _)| shape);
        let row = |line: Line| Row::Open { line: line.line, salt: line.salt, row: line.row };
        Self {
            index,
            recorded_at,
            entry_hash: Digest::of(&[]),
            statement_hash: Digest::of(&[]),
            kind,
            fields: fields(open),
            lines: lines.into_iter().map(|line| public_line(row(line), shape)).collect(),
            statement,
        }
    }

    /// An event back from its row.
    pub(crate) fn recalled(
        (index, recorded_at): (u64, DateTime<Utc>),
        (entry_hash, statement_hash): (Digest, Digest),
        statement: Statement,
        fields: Vec<Field>,
        lines: Vec<PublicLine>,
    ) -> Self {
        let kind = kind::find(&statement.kind);
        Self { index, recorded_at, entry_hash, statement_hash, statement, kind, fields, lines }
    }

    /// The open slots, in the order of their numbers.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The lines, in order.
    pub fn lines(&self) -> &[PublicLine] {
        &self.lines
    }

    /// An open text by name.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|field| field.name == name)?.value.as_str()
    }

    /// The typed body.
    pub fn body<T: Described>(&self) -> Option<T> {
        kind::body::<T>(&self.statement.kind, &self.statement.body)
    }

    /// The stream as text.
    pub fn stream(&self) -> String {
        self.statement.stream.to_string()
    }

    /// The author's date, in the author's zone.
    pub fn declared_on(&self) -> NaiveDate {
        self.statement.declared_at.date_naive()
    }

    /// The day on which it was recorded, in the author's zone.
    pub fn recorded_on(&self) -> NaiveDate {
        self.recorded_at.with_timezone(self.statement.declared_at.offset()).date_naive()
    }

    /// Days from the declared to the recorded day; 0 when the author's clock was ahead.
    pub fn late_days(&self) -> i64 {
        (self.recorded_on() - self.declared_on()).num_days().max(0)
    }

    /// What the domain folds.
    pub fn recorded(&self) -> Recorded<'_> {
        Recorded {
            index: self.index,
            recorded_at: self.recorded_at,
            statement: &self.statement,
            hash: self.statement_hash,
            values: None,
        }
    }

    /// Entry that it is about, other than its own stream.
    pub fn target(&self) -> Option<u64> {
        self.kind?.target(&self.statement.body)
    }

    /// Drops values that a later event withdrew, whether or not the source still served them.
    pub(crate) fn close(&mut self, slots: &[u64], lines: &[u64]) {
        self.fields.retain(|field| !slots.contains(&u64::from(field.slot)));
        for line in self.lines.iter_mut().filter(|line| lines.contains(&line.line)) {
            line.content = None;
        }
    }
}

/// The values of the tier `public`.
fn fields(open: Vec<Opening>) -> Vec<Field> {
    let public = open.into_iter().filter(|opening| opening.tier == Tier::Public);
    public.map(|o| Field { slot: o.slot, name: o.name, value: o.value }).collect()
}

/// The public cells of a row. Of a list whose shape is unknown nothing is shown.
fn public_line(row: Row, shape: Option<&'static ListShape>) -> PublicLine {
    match (row, shape) {
        (Row::Open { line, mut row, .. }, Some(shape)) => {
            row.retain(|name, _| {
                shape.columns.iter().any(|column| column.name == name.as_str() && column.tier == Tier::Public)
            });
            PublicLine { line, content: Some(row) }
        }
        (row, _) => PublicLine { line: row.line(), content: None },
    }
}
