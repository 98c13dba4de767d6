//! Commands, and the exact bytes that an author signs for one.
//!
//! `prepare` splits a command's fields by the kind's table into body, slots and lines, salts and
//! commits what is not body, and builds the statement. It judges nothing beyond that: a prepared
//! statement may still be refused. Randomness is handed in.

use std::fmt;

use chrono::{DateTime, FixedOffset};
use gongkai_log::{
    Digest, Opening, Proxy, Signer, Statement, StreamId, Tier,
    list::{self, Cell},
    slot,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    field::{ListShape, Place},
    kind::{self, Kind},
    refusal::Refusal,
    schedule,
    submission::{Filled, Line, Submission},
};

/// What somebody wants to say, before it has bytes (design 9).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Wire name of the kind.
    pub kind: String,
    /// The stream that it continues; a kind that opens one may name it or leave it to be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamId>,
    /// Code of the organization in whose name it is said.
    pub org: String,
    /// The author's time; the caller's clock if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared_at: Option<DateTime<FixedOffset>>,
    /// When somebody enters what another person said or wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
    /// Fields of body and slots by name, and `lines`.
    pub fields: Map<String, Value>,
}

impl Command {
    /// Reads a command from JSON.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] naming what is wrong.
    pub fn from_value(value: Value) -> Result<Self, Refusal> {
        serde_json::from_value(value).map_err(|e| Refusal::Malformed { place: "command".into(), reason: e.to_string() })
    }

    /// The kind's row in the list.
    ///
    /// # Errors
    /// [`Refusal::UnknownKind`].
    pub fn kind(&self) -> Result<&'static Kind, Refusal> {
        kind::find(&self.kind).ok_or_else(|| Refusal::UnknownKind(self.kind.clone()))
    }
}

/// The latest statement of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its revision.
    pub revision: u64,
    /// Its hash.
    pub hash: Digest,
}

/// What surrounds a command when it gets its bytes.
#[derive(Clone, Debug)]
pub struct Setting<'a> {
    /// Origin of the ledger.
    pub origin: &'a str,
    /// The stream: the command's, or a new one.
    pub stream: StreamId,
    /// The stream's latest statement.
    pub head: Option<Head>,
    /// Who signs, author first.
    pub signers: Vec<Signer>,
    /// The author's time.
    pub declared_at: DateTime<FixedOffset>,
}

/// Fills a buffer with randomness.
pub type Entropy<'a> = &'a mut dyn FnMut(&mut [u8]);

/// The bytes to sign, and what must be handed in with the signature.
#[derive(Clone, PartialEq)]
pub struct Prepared {
    /// The statement.
    pub statement: Statement,
    /// Its three text lines: exactly these are signed.
    pub text: String,
    /// All 16 slots.
    pub openings: Vec<Filled>,
    /// The lines of the list.
    pub lines: Vec<Line>,
}

impl Prepared {
    /// What is handed in, once its text is signed.
    pub fn into_submission(self, note: String) -> Submission {
        Submission { note, openings: self.openings, lines: self.lines, envelope: None }
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prepared({}, {} lines)", self.statement.id(), self.lines.len())
    }
}

/// Gives a command its bytes.
///
/// # Errors
/// [`Refusal::UnknownKind`]; [`Refusal::Field`] for a field that the kind does not have;
/// [`Refusal::Malformed`] where a value has no canonical form.
pub fn prepare(command: &Command, setting: &Setting<'_>, entropy: Entropy<'_>) -> Result<Prepared, Refusal> {
    let kind = command.kind()?;
    let (mut body, slots, rows) = split(kind, &command.fields)?;
    let revision = setting.head.map_or(0, |head| head.revision + 1);
    let id = (&setting.stream, revision);

    let mut lines = Vec::with_capacity(rows.len());
    let mut commitments = Vec::with_capacity(rows.len());
    for (number, mut row) in (0_u64..).zip(rows) {
        let salt = random(entropy);
        let cells =
            seal_cells(kind.list.shape(&body).map(|(shape, _)| shape), setting, (id.1, number), &mut row, entropy)?;
        let commitment =
            list::commit_line(setting.origin, id.0, id.1, number, &row, &salt).map_err(|e| malformed("lines", &e))?;
        commitments.push(commitment);
        lines.push(Line { line: number, salt, row, cells });
    }
    if !lines.is_empty() {
        body.insert("count".into(), json!(lines.len()));
        body.insert("lines".into(), json!(list::root(&commitments)));
    }

    let openings = fill(kind, slots, entropy)?;
    let mut slot_commitments = [Digest::ZERO; slot::SLOTS];
    for filled in &openings {
        slot_commitments[usize::from(filled.slot())] =
            filled.commit(setting.origin, id.0, id.1).map_err(|e| malformed("openings", &e))?;
    }
    let statement = Statement {
        origin: setting.origin.to_owned(),
        kind: command.kind.clone(),
        stream: setting.stream.clone(),
        revision,
        parent: setting.head.map(|head| head.hash),
        org: command.org.clone(),
        declared_at: setting.declared_at,
        signers: setting.signers.clone(),
        proxy: command.proxy.clone(),
        body,
        slots: slot::root(&slot_commitments),
    };
    let text = statement.text().map_err(|e| malformed("statement", &e))?;
    Ok(Prepared { statement, text, openings, lines })
}

/// Puts commitments in place of the cells that are not public, and gives what opens them.
fn seal_cells(
    shape: Option<&ListShape>,
    setting: &Setting<'_>,
    (revision, line): (u64, u64),
    row: &mut Map<String, Value>,
    entropy: Entropy<'_>,
) -> Result<Vec<Cell>, Refusal> {
    let mut cells = Vec::new();
    let columns = shape.map_or(&[][..], |shape| shape.columns);
    for column in columns.iter().filter(|column| column.tier != Tier::Public) {
        let Some(value) = row.get_mut(column.name) else { continue };
        let (name, salt) = (column.name.to_owned(), random(entropy));
        let cell = Cell { name, salt, tier: column.tier, value: value.take() };
        let commitment = list::commit_cell(setting.origin, &setting.stream, revision, line, &cell);
        *value = json!(commitment.map_err(|e| malformed("lines", &e))?);
        cells.push(cell);
    }
    Ok(cells)
}

type Parts = (Map<String, Value>, Vec<(&'static str, Tier, Value)>, Vec<Map<String, Value>>);

/// Splits the fields by the kind's table.
fn split(kind: &Kind, fields: &Map<String, Value>) -> Result<Parts, Refusal> {
    let mut body = Map::new();
    let mut slots = Vec::new();
    let mut rows = Vec::new();
    for (name, value) in fields {
        if name == "lines" {
            rows = lines(value)?;
            continue;
        }
        let Some(field) = kind.field(name) else {
            return Err(Refusal::field(name, name, format!("「{}」没有这一项", kind.label)));
        };
        match field.place {
            Place::Body => {
                body.insert(name.clone(), value.clone());
            }
            Place::Slot(tier) => slots.push((field.name, tier, value.clone())),
        }
    }
    Ok((body, slots, rows))
}

fn lines(value: &Value) -> Result<Vec<Map<String, Value>>, Refusal> {
    let rows = value.as_array().ok_or_else(|| Refusal::field("lines", "明细", "应是一组记录"))?;
    rows.iter()
        .enumerate()
        .map(|(i, row)| {
            row.as_object().cloned().ok_or_else(|| Refusal::field("lines", "明细", format!("第{}行应是记录", i + 1)))
        })
        .collect()
}

/// Puts the values into random slots and fills the rest, so that outsiders learn neither how many
/// there are nor which.
fn fill(kind: &Kind, values: Vec<(&'static str, Tier, Value)>, entropy: Entropy<'_>) -> Result<Vec<Filled>, Refusal> {
    if values.len() > slot::SLOTS {
        return Err(Refusal::field("fields", kind.label, format!("文字项多于 {} 个", slot::SLOTS)));
    }
    let mut order: [u8; slot::SLOTS] = std::array::from_fn(|i| u8::try_from(i).unwrap_or(0));
    for last in (1..order.len()).rev() {
        order.swap(last, below(last + 1, entropy));
    }
    let mut values = values.into_iter();
    let mut openings: Vec<Filled> = order
        .into_iter()
        .map(|slot| {
            let salt = random(entropy);
            match values.next() {
                Some((name, tier, value)) => Filled::Open(Opening { slot, salt, tier, name: name.into(), value }),
                None => Filled::Empty { slot, salt, filler: random(entropy) },
            }
        })
        .collect();
    openings.sort_by_key(Filled::slot);
    number_schedule(&mut openings);
    Ok(openings)
}

/// A schedule names the slots of its fields, which only now are known.
fn number_schedule(openings: &mut [Filled]) {
    let open = |filled: &Filled| match filled {
        Filled::Open(opening) => Some((opening.name.clone(), opening.slot)),
        _ => None,
    };
    let slots: Vec<_> = openings.iter().filter_map(open).collect();
    for filled in openings {
        if let Filled::Open(opening) = filled
            && opening.name == schedule::FIELD
        {
            schedule::number(&mut opening.value, |field| {
                slots.iter().find(|(name, _)| name == field).map(|(_, slot)| *slot)
            });
        }
    }
}

/// A uniform number below `n` (at most 256): bytes beyond the last whole multiple are thrown away.
fn below(n: usize, entropy: Entropy<'_>) -> usize {
    let whole = 256 - 256 % n;
    loop {
        let mut byte = [0];
        entropy(&mut byte);
        if usize::from(byte[0]) < whole {
            return usize::from(byte[0]) % n;
        }
    }
}

fn random(entropy: Entropy<'_>) -> [u8; 32] {
    let mut bytes = [0; 32];
    entropy(&mut bytes);
    bytes
}

fn malformed(place: &str, error: &dyn fmt::Display) -> Refusal {
    Refusal::Malformed { place: place.into(), reason: error.to_string() }
}
