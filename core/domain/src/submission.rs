//! A submission as it arrives: strictly read, bounded, and checked as far as it stands alone.
//!
//! Form, openings against the statement's roots, fields against the kind's table, tiers and personal
//! data are checked here, in parallel with others. What depends on the ledger (authority, the
//! stream, the rules) is judged in [`crate::judge`], in the order of the log.

use std::fmt;

pub(crate) use gongkai_log::chain;
use gongkai_log::{
    Digest, ENTRY_BYTES_MAX, List, Opening, Openings, Row, SignedStatement, Statement, StreamId, Tier,
    list::{self, Cell},
    slot,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    envelope::Envelope,
    event::Proposal,
    field::{self, LINES_ATTACHMENTS_MAX, Shape},
    kind::{self, Kind, Secrecy},
    personal,
    refusal::Refusal,
    schedule,
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
    /// What only the body's receivers can open, with the submission's envelope.
    Hidden {
        /// Slot number, 0–15.
        slot: u8,
        /// The slot's commitment.
        commitment: Digest,
    },
}

impl fmt::Debug for Filled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(opening) => opening.fmt(f),
            Self::Empty { slot, .. } => write!(f, "Empty({slot})"),
            Self::Hidden { slot, .. } => write!(f, "Hidden({slot})"),
        }
    }
}

impl Filled {
    /// Slot number.
    pub fn slot(&self) -> u8 {
        match self {
            Self::Open(opening) => opening.slot,
            Self::Empty { slot, .. } | Self::Hidden { slot, .. } => *slot,
        }
    }

    /// The slot's commitment.
    ///
    /// # Errors
    /// When the value has no canonical form or the slot number is out of range.
    pub fn commit(&self, origin: &str, stream: &StreamId, revision: u64) -> Result<Digest, slot::SlotError> {
        match self {
            Self::Open(opening) => slot::commit(origin, stream, revision, opening),
            Self::Empty { slot, .. } | Self::Hidden { slot, .. } if usize::from(*slot) >= slot::SLOTS => {
                Err(slot::SlotError::Range(*slot))
            }
            Self::Hidden { commitment, .. } => Ok(*commitment),
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
    /// The row; a cell of another tier than public is its commitment.
    pub row: Map<String, Value>,
    /// What opens the cells of other tiers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<Cell>,
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
    /// The openings, encrypted to the receivers of the competent body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope: Option<Envelope>,
}

impl Submission {
    /// Reads a submission from JSON.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] with the place in the JSON, or when it has more values than any submission.
    pub fn parse(json: &[u8]) -> Result<Self, Refusal> {
        if !crate::json::is_bounded(json) {
            return Err(malformed("submission", &"值太多，超过一份提交的上限"));
        }
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
    /// Commitments of all slots and the public openings; the index is set when it is recorded.
    pub openings: Openings,
    /// The openings of other tiers.
    pub sealed: Vec<Opening>,
    /// The cells of other tiers, by line.
    pub cells: Vec<(u64, Cell)>,
    /// What the ledger stores and cannot read.
    pub envelope: Option<Envelope>,
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
            sealed: &self.sealed,
            lines: &self.rows,
            envelope: self.envelope.as_ref(),
        }
    }

    /// Whether something of it is for the vault.
    pub fn needs_vault(&self) -> bool {
        self.kind.sealed || !self.sealed.is_empty() || !self.cells.is_empty()
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
    let kind = check_kind(origin, statement)?;
    let (mut openings, hidden) = openings(statement, submission.openings)?;
    let Lines { list, rows, cells } = lines(statement, kind, submission.lines)?;
    check_body(kind, &statement.body, list.is_some())?;
    let envelope = submission.envelope;
    check_secrecy(kind, hidden, envelope.as_ref())?;
    if hidden == 0 {
        check_slots(kind, statement, &openings.open, &[])?;
    }
    let sealed = openings.open.extract_if(.., |opening| opening.tier != Tier::Public).collect();
    Ok(Checked { kind, signed, openings, sealed, cells, envelope, list, rows })
}

/// Checks what a statement commits to before anybody signed it, and returns what is open of it. Hidden slots are
/// the draft's; what they are is checked when the statement is submitted. A submitter asks it before encrypting, because
/// afterwards nobody can tell what is wrong.
///
/// # Errors
/// The [`Refusal`] that the author gets.
pub fn check_draft(
    origin: &str,
    statement: &Statement,
    filled: Vec<Filled>,
    rows: Vec<Line>,
) -> Result<Vec<Opening>, Refusal> {
    let kind = check_kind(origin, statement)?;
    let hidden = filled.iter().filter(|filled| matches!(filled, Filled::Hidden { .. }));
    let hidden: Vec<u8> = hidden.map(Filled::slot).collect();
    let (openings, _) = openings(statement, filled)?;
    let Lines { list, .. } = lines(statement, kind, rows)?;
    check_body(kind, &statement.body, list.is_some())?;
    check_slots(kind, statement, &openings.open, &hidden)?;
    Ok(openings.open)
}

/// Checks that values are what a statement commits to, as far as they are shown, and returns the open ones. Whether the
/// ledger would take them is not asked.
///
/// # Errors
/// The [`Refusal`] that the author gets.
pub(crate) fn check_shown(
    origin: &str,
    statement: &Statement,
    filled: Vec<Filled>,
    rows: &[Line],
) -> Result<Vec<Opening>, Refusal> {
    let _ = check_kind(origin, statement)?;
    let (openings, _) = openings(statement, filled)?;
    let (root, count) = (statement.body.get("lines"), statement.body.get("count"));
    if rows.is_empty() && root.is_none() && count.is_none() {
        return Ok(openings.open);
    }
    let root = root.and_then(Value::as_str).and_then(|root| Digest::parse(root).ok());
    let (Some(root), Some(count)) = (root, count.and_then(Value::as_u64)) else {
        return Err(malformed("lines", &"声明没有写明 count 和 lines"));
    };
    let open = |Line { line, salt, row, .. }: &Line| Row::Open { line: *line, row: row.clone(), salt: *salt };
    let list = List { rows: rows.iter().map(open).collect() };
    let checked = list.check(&statement.origin, &statement.stream, statement.revision, &root, count);
    checked.map_err(|e: list::ListError| malformed("lines", &chain(&e)))?;
    Ok(openings.open)
}

/// A statement of this ledger, of a known kind, on a stream of its family.
pub(crate) fn check_kind(origin: &str, statement: &Statement) -> Result<&'static Kind, Refusal> {
    if statement.origin != origin {
        return Err(Refusal::WrongOrigin { expected: origin.into(), got: statement.origin.clone() });
    }
    let kind = kind::find(&statement.kind).ok_or_else(|| Refusal::UnknownKind(statement.kind.clone()))?;
    if statement.stream.family != kind.family() {
        let reason = format!("「{}」的事项编号应以 {}/ 开头", kind.label, kind.family());
        return Err(Refusal::field("stream", "事项编号", reason));
    }
    check_stream(kind, &statement.stream)?;
    Ok(kind)
}

/// A sealed matter has a random id, so that its name tells nothing, not even when it began.
fn check_stream(kind: &Kind, stream: &StreamId) -> Result<(), Refusal> {
    if !kind.sealed || stream.id.get_version_num() == 4 {
        return Ok(());
    }
    Err(Refusal::field("stream", "事项编号", "封存事项的编号应是随机的（UUID 第 4 版）"))
}

/// All slots are hidden or none, as the kind allows; a hidden one is nothing without its envelope.
pub(crate) fn check_secrecy(kind: &Kind, hidden: usize, envelope: Option<&Envelope>) -> Result<(), Refusal> {
    if envelope.is_some_and(|envelope| !envelope.is_well_formed()) {
        return Err(malformed("envelope", &"信封的长度不对，或收件人太多"));
    }
    let allowed = match (hidden, kind.sealed, kind.secrecy) {
        (0, true, Secrecy::Body) => {
            return Err(malformed("openings", &"这种事项应由提交人加密给受理机关，不能以明文提交"));
        }
        (0, _, _) => envelope.is_none(),
        (slot::SLOTS, true, Secrecy::Body | Secrecy::Either) => envelope.is_some(),
        _ => false,
    };
    if allowed {
        Ok(())
    } else {
        Err(malformed("envelope", &"加密提交应把全部字段槽放进信封，并附上信封"))
    }
}

/// All 16 slots, each once, leading to the statement's root; and how many of them are hidden.
fn openings(statement: &Statement, filled: Vec<Filled>) -> Result<(Openings, usize), Refusal> {
    if filled.len() != slot::SLOTS {
        let reason =
            format!("应给出全部 {} 个字段槽（空槽给出 salt 和 filler），现有 {} 个", slot::SLOTS, filled.len());
        return Err(malformed("openings", &reason));
    }
    let mut commitments = [None; slot::SLOTS];
    let mut open = Vec::new();
    let hidden = filled.iter().filter(|filled| matches!(filled, Filled::Hidden { .. })).count();
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
    Ok((Openings { index: 0, commitments, open }, hidden))
}

/// A list with what is sealed of it.
#[derive(Default)]
struct Lines {
    list: Option<List>,
    rows: Vec<Map<String, Value>>,
    cells: Vec<(u64, Cell)>,
}

/// The lines, leading to the body's `lines` and `count`, each usable for the list's shape.
fn lines(statement: &Statement, kind: &Kind, lines: Vec<Line>) -> Result<Lines, Refusal> {
    let declared = (statement.body.get("lines"), statement.body.get("count"));
    let shape = kind.list.shape(&statement.body);
    if lines.is_empty() {
        return match (declared, shape) {
            ((None, None), Some((shape, true))) => Err(Refusal::field("lines", shape.label, "至少一行")),
            ((None, None), _) => Ok(Lines::default()),
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
    let (mut rows, mut cells, mut list) = (Vec::new(), Vec::new(), List::default());
    for (number, Line { line, salt, row, cells: opened }) in lines.into_iter().enumerate() {
        check_row(shape, statement, number, &row, &opened)?;
        cells.extend(opened.into_iter().map(|cell| (line, cell)));
        rows.push(row.clone());
        list.rows.push(Row::Open { line, row, salt });
    }
    let files: usize = rows.iter().map(|row| shape.attachments(row).count()).sum();
    if files > LINES_ATTACHMENTS_MAX {
        let reason = format!("各行合起来有 {files} 个文件，上限 {LINES_ATTACHMENTS_MAX} 个");
        return Err(Refusal::field("lines", shape.label, reason));
    }
    list.check(&statement.origin, &statement.stream, statement.revision, &root, count)
        .map_err(|e: list::ListError| malformed("lines", &chain(&e)))?;
    Ok(Lines { list: Some(list), rows, cells })
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

/// Slots: known, each once, of the tier that the kind declares, usable, free of personal data; what is scheduled is there.
fn check_slots(kind: &Kind, statement: &Statement, open: &[Opening], hidden: &[u8]) -> Result<(), Refusal> {
    let mut values = Map::new();
    for opening in open {
        let Some((field, tier)) = kind.slot_fields().find(|(field, _)| field.name == opening.name) else {
            return Err(Refusal::field(&opening.name, &opening.name, "没有这一项"));
        };
        if opening.tier != tier {
            return Err(Refusal::field(field.name, field.label, format!("公开范围应是 {tier}")));
        }
        scan(field.label, "", tier, &opening.value)?;
        if values.insert(opening.name.clone(), opening.value.clone()).is_some() {
            return Err(Refusal::field(field.name, field.label, "写了两次"));
        }
    }
    field::check_fields(kind.slot_fields().map(|(field, _)| field), &values)?;
    schedule::check(kind, statement, open)?;
    schedule::check_present(kind, open, hidden)
}

/// A line's cells: usable, texts free of personal data, those of other tiers opened and bound.
fn check_row(
    shape: &field::ListShape,
    statement: &Statement,
    number: usize,
    row: &Map<String, Value>,
    cells: &[Cell],
) -> Result<(), Refusal> {
    let place = format!("第{}行", number + 1);
    let mut values = row.clone();
    for cell in cells {
        let Some(column) = shape.columns.iter().find(|column| column.name == cell.name) else {
            return Err(Refusal::field(&cell.name, &cell.name, format!("{place}没有这一栏")));
        };
        let commitment =
            list::commit_cell(&statement.origin, &statement.stream, statement.revision, number as u64, cell)
                .map_err(|e| malformed("lines", &chain(&e)))?;
        let bound = row.get(column.name).and_then(Value::as_str) == Some(commitment.to_string().as_str());
        if column.tier != cell.tier || column.tier == Tier::Public || !bound {
            return Err(Refusal::field(column.name, column.label, format!("{place}与它的封存值不符")));
        }
        values.insert(cell.name.clone(), cell.value.clone());
    }
    field::check_row(shape, number, &values)?;
    for column in shape.columns {
        let Some(value) = values.get(column.name) else { continue };
        if column.tier != Tier::Public && !cells.iter().any(|cell| cell.name == column.name) {
            return Err(Refusal::field(column.name, column.label, format!("{place}应是封存值，并附启封值")));
        }
        if matches!(column.shape, Shape::Text(_)) {
            scan(column.label, &place, column.tier, value)?;
        }
    }
    Ok(())
}

/// No ID number enters the log in any tier; a telephone or an account may be told to those who need it.
fn scan(label: &str, place: &str, tier: Tier, value: &Value) -> Result<(), Refusal> {
    let barred = |hit: &personal::Hit| tier == Tier::Public || hit.kind == personal::HitKind::IdNumber;
    match texts(value).into_iter().find_map(|text| personal::scan(text).into_iter().find(barred)) {
        Some(hit) => Err(Refusal::PersonalData { label: label.into(), place: place.into(), what: hit.message() }),
        None => Ok(()),
    }
}

/// Every text in a value: of a list, of the members of records.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
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
