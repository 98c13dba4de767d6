//! A submission as it arrives: strictly read, bounded, and checked as far as it stands alone.
//!
//! Form, openings against the statement's roots, fields against the kind's table, tiers and personal
//! data are checked here, in parallel with others. What depends on the ledger (authority, the
//! stream, the rules) is judged in [`crate::judge`], in the order of the log.

use std::fmt;

use gongkai_log::{Digest, ENTRY_BYTES_MAX, List, Opening, Openings, Row, SignedStatement, StreamId, Tier, list, slot};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    event::Proposal,
    field::{self, Shape},
    kind::{self, Kind},
    personal,
    refusal::Refusal,
};

/// Most lines of one list.
pub const LINES_MAX: usize = 50_000;

/// What fills one slot: a value, or nothing that outsiders could tell from one.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Filled {
    /// A value.
    Open(Opening),
    /// 32 random bytes in place of a value.
    Empty {
        /// Slot number, 0–15.
        slot: u8,
        /// 32 random bytes.
        #[serde(with = "bytes32")]
        salt: [u8; 32],
        /// 32 random bytes.
        #[serde(with = "bytes32")]
        filler: [u8; 32],
    },
}

impl fmt::Debug for Filled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(opening) => opening.fmt(f),
            Self::Empty { slot, .. } => write!(f, "Empty({slot})"),
        }
    }
}

impl Filled {
    /// Slot number.
    pub fn slot(&self) -> u8 {
        match self {
            Self::Open(opening) => opening.slot,
            Self::Empty { slot, .. } => *slot,
        }
    }

    /// The slot's commitment.
    ///
    /// # Errors
    /// When the value has no canonical form or the slot number is out of range.
    pub fn commit(&self, origin: &str, stream: &StreamId, revision: u64) -> Result<Digest, slot::SlotError> {
        match self {
            Self::Open(opening) => slot::commit(origin, stream, revision, opening),
            Self::Empty { slot, .. } if usize::from(*slot) >= slot::SLOTS => Err(slot::SlotError::Range(*slot)),
            Self::Empty { salt, filler, .. } => Ok(slot::empty(salt, filler)),
        }
    }
}

/// One line of the list.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Line number, from 0.
    pub line: u64,
    /// 32 random bytes.
    #[serde(with = "bytes32")]
    pub salt: [u8; 32],
    /// The row.
    pub row: Map<String, Value>,
}

/// A signed statement with what it commits to (design 9).
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// The signed note.
    pub note: String,
    /// All 16 slots: values and empties.
    pub openings: Vec<Filled>,
    /// The lines of the list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Line>,
}

impl Submission {
    /// Reads a submission from JSON.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] with the place in the JSON.
    pub fn parse(json: &[u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(json)
            .map_err(|e| Refusal::Malformed { place: "submission".into(), reason: e.to_string() })
    }
}

/// A submission that is well formed in itself.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Its kind.
    pub kind: &'static Kind,
    /// The signed statement.
    pub signed: SignedStatement,
    /// Commitments of all slots and the openings; the index is set when it is recorded.
    pub openings: Openings,
    /// The list.
    pub list: Option<List>,
    /// The list's rows.
    pub rows: Vec<Map<String, Value>>,
}

impl Checked {
    /// What `decide` gets.
    pub fn proposal(&self) -> Proposal<'_> {
        Proposal {
            kind: self.kind,
            statement: &self.signed.statement,
            openings: &self.openings.open,
            lines: &self.rows,
        }
    }
}

/// Checks a submission as far as it stands alone; signatures are not verified here.
///
/// # Errors
/// The [`Refusal`] that the submitter gets.
pub fn check(origin: &str, submission: Submission) -> Result<Checked, Refusal> {
    let bytes = submission.note.len();
    if bytes > ENTRY_BYTES_MAX {
        return Err(Refusal::TooLarge { bytes, bytes_max: ENTRY_BYTES_MAX });
    }
    let signed = SignedStatement::parse(&submission.note).map_err(|e| malformed("note", &chain(&e)))?;
    let statement = &signed.statement;
    if statement.origin != origin {
        return Err(Refusal::WrongOrigin { expected: origin.into(), got: statement.origin.clone() });
    }
    let kind = kind::find(&statement.kind).ok_or_else(|| Refusal::UnknownKind(statement.kind.clone()))?;
    if statement.stream.family != kind.family() {
        let reason = format!("「{}」的事项编号应以 {}/ 开头", kind.label, kind.family());
        return Err(Refusal::field("stream", "事项编号", reason));
    }
    let openings = openings(&signed, submission.openings)?;
    let (list, rows) = lines(&signed, kind, submission.lines)?;
    check_body(kind, &statement.body, list.is_some())?;
    check_slots(kind, &openings.open)?;
    Ok(Checked { kind, signed, openings, list, rows })
}

/// All 16 slots, each once, leading to the statement's root.
fn openings(signed: &SignedStatement, filled: Vec<Filled>) -> Result<Openings, Refusal> {
    let statement = &signed.statement;
    if filled.len() != slot::SLOTS {
        let reason =
            format!("应给出全部 {} 个字段槽（空槽给出 salt 和 filler），现有 {} 个", slot::SLOTS, filled.len());
        return Err(malformed("openings", &reason));
    }
    let mut commitments = [None; slot::SLOTS];
    let mut open = Vec::new();
    for filled in filled {
        let commitment = filled
            .commit(&statement.origin, &statement.stream, statement.revision)
            .map_err(|e| malformed("openings", &chain(&e)))?;
        if commitments[usize::from(filled.slot())].replace(commitment).is_some() {
            return Err(malformed("openings", &format!("字段槽 {} 出现两次", filled.slot())));
        }
        if let Filled::Open(opening) = filled {
            open.push(opening);
        }
    }
    let commitments = commitments.map(|commitment| commitment.unwrap_or(Digest::ZERO));
    if slot::root(&commitments) != statement.slots {
        return Err(malformed("openings", &"启封值与声明中的 slots 不符"));
    }
    Ok(Openings { index: 0, commitments, open })
}

type Lines = (Option<List>, Vec<Map<String, Value>>);

/// The lines, leading to the body's `lines` and `count`, each usable for the list's shape.
fn lines(signed: &SignedStatement, kind: &Kind, lines: Vec<Line>) -> Result<Lines, Refusal> {
    let statement = &signed.statement;
    let declared = (statement.body.get("lines"), statement.body.get("count"));
    let shape = kind.list.shape(&statement.body);
    if lines.is_empty() {
        return match (declared, shape) {
            ((None, None), Some((shape, true))) => Err(Refusal::field("lines", shape.label, "至少一行")),
            ((None, None), _) => Ok((None, Vec::new())),
            _ => Err(malformed("lines", &"声明有明细，提交里没有")),
        };
    }
    let Some((shape, _)) = shape else { return Err(Refusal::field("lines", "明细", "这种事项没有明细")) };
    if lines.len() > LINES_MAX {
        return Err(malformed("lines", &format!("{} 行，上限 {LINES_MAX} 行", lines.len())));
    }
    let (Some(root), Some(count)) = (declared.0.and_then(Value::as_str), declared.1.and_then(Value::as_u64)) else {
        return Err(malformed("lines", &"声明没有写明 count 和 lines"));
    };
    let root = Digest::parse(root).map_err(|e| malformed("lines", &e))?;
    for (number, line) in lines.iter().enumerate() {
        field::check_row(shape, number, &line.row)?;
        check_row(shape, number, &line.row)?;
    }
    let rows: Vec<_> = lines.iter().map(|line| line.row.clone()).collect();
    let list = List { rows: lines.into_iter().map(|Line { line, salt, row }| Row::Open { line, row, salt }).collect() };
    list.check(&statement.origin, &statement.stream, statement.revision, &root, count)
        .map_err(|e: list::ListError| malformed("lines", &chain(&e)))?;
    Ok((Some(list), rows))
}

fn check_body(kind: &Kind, body: &Map<String, Value>, has_list: bool) -> Result<(), Refusal> {
    if !has_list {
        return field::check_fields(kind.body_fields(), body);
    }
    let mut rest = body.clone();
    rest.remove("count");
    rest.remove("lines");
    field::check_fields(kind.body_fields(), &rest)
}

/// Slots: known, each once, of the tier that the kind declares, public, usable, free of personal data.
fn check_slots(kind: &Kind, open: &[Opening]) -> Result<(), Refusal> {
    let mut values = Map::new();
    for opening in open {
        let Some((field, tier)) = kind.slot_fields().find(|(field, _)| field.name == opening.name) else {
            return Err(Refusal::field(&opening.name, &opening.name, "没有这一项"));
        };
        if opening.tier != tier {
            return Err(Refusal::field(field.name, field.label, format!("公开范围应是 {tier}")));
        }
        if tier != Tier::Public {
            return Err(Refusal::Tier { name: field.name.into(), label: field.label.into(), tier });
        }
        scan(field.label, "", &opening.value)?;
        if values.insert(opening.name.clone(), opening.value.clone()).is_some() {
            return Err(Refusal::field(field.name, field.label, "写了两次"));
        }
    }
    field::check_fields(kind.slot_fields().map(|(field, _)| field), &values)
}

/// A line's cells: public ones only, texts free of personal data.
fn check_row(shape: &field::ListShape, number: usize, row: &Map<String, Value>) -> Result<(), Refusal> {
    for column in shape.columns {
        let Some(value) = row.get(column.name) else { continue };
        if column.tier != Tier::Public {
            return Err(Refusal::Tier { name: column.name.into(), label: column.label.into(), tier: column.tier });
        }
        if matches!(column.shape, Shape::Text(_)) {
            scan(column.label, &format!("第{}行", number + 1), value)?;
        }
    }
    Ok(())
}

fn scan(label: &str, place: &str, value: &Value) -> Result<(), Refusal> {
    let texts: &[Value] = match value {
        Value::Array(items) => items,
        other => std::slice::from_ref(other),
    };
    match texts.iter().filter_map(Value::as_str).find_map(|text| personal::scan(text).into_iter().next()) {
        Some(hit) => Err(Refusal::PersonalData { label: label.into(), place: place.into(), what: hit.message() }),
        None => Ok(()),
    }
}

/// An error with its causes, for people who read logs and answers.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn malformed(place: &str, reason: &dyn fmt::Display) -> Refusal {
    Refusal::Malformed { place: place.into(), reason: reason.to_string() }
}

/// 32 bytes as padded base64.
mod bytes32 {
    use gongkai_log::Digest;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        Digest::from_bytes(*bytes).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        Digest::deserialize(deserializer).map(|digest| *digest.as_bytes())
    }
}
