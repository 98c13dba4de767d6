//! The whole history of a stream: every event with its values, who signed, how late it was recorded,
//! and what it changed against the version before.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, FixedOffset, NaiveDate, Utc};
use gongkai_domain::{
    field::{self, Field, Place, Shape},
    kind::{self, Kind, slot::WithdrawalBasis},
    schedule,
};
use gongkai_log::Proxy;
use gongkai_store::database::Row;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{CHUNK, Columns, ReadError, Reader, Shown, Tombstone, display, int, label_or, text};
use crate::{
    diff::{Segment, diff},
    status::Status,
};

macro_rules! event {
    ($tail:literal) => {
        concat!(
            "SELECT e.entry_index, e.stream, e.revision, e.family, e.kind, e.org, e.recorded_at, e.declared_at, e.late_days, \
             e.back_filled, e.entry_hash, e.statement_hash, e.parent, e.signers, e.proxy, e.body, e.fields, e.lines_count, e.target_index, \
             (SELECT COUNT(*) FROM withdrawals w WHERE w.target_index = e.entry_index) AS withdrawn \
             FROM events e ",
            $tail
        )
    };
}

const HISTORY: &str = event!("WHERE e.stream = $1 ORDER BY e.revision");
const ENTRY: &str = event!("WHERE e.entry_index = $1");
const WITHDRAWN: &str = "SELECT w.target_index, w.place, w.number, w.entry_index, w.org, w.basis, e.recorded_at, e.signers, e.fields \
     FROM withdrawals w JOIN events e ON e.entry_index = w.entry_index WHERE w.target_index IN ($1, $2, $3, $4, $5, $6, $7, $8, \
     $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32) \
     ORDER BY w.entry_index, w.place, w.number";
pub(super) const STATEMENTS: &[(&str, &str)] =
    &[("history.stream", HISTORY), ("history.entry", ENTRY), ("history.withdrawn", WITHDRAWN)];

/// Who signed, in which role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignerName {
    /// Role, wire value.
    pub role: String,
    /// Role, Chinese.
    pub role_label: String,
    /// Name of the key.
    pub key: String,
    /// Opaque id of the person; absent for the ledger's own keys.
    pub person: Option<String>,
    /// Name of the person, if it is open.
    pub name: Option<String>,
}

/// A labelled value of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownField {
    /// Wire name; empty where a withdrawn slot's field is not known.
    pub name: String,
    /// Chinese label.
    pub label: String,
    /// The value as people read it, or the trace of its withdrawal.
    pub value: Shown,
}

/// The difference of one field against the version before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldDiff {
    /// Wire name.
    pub name: String,
    /// Chinese label.
    pub label: String,
    /// The text in order.
    pub segments: Vec<Segment>,
}

/// A file that an event names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attachment {
    /// What the event calls it, in Chinese.
    pub label: String,
    /// BLAKE3, lower-case hex.
    pub hash: String,
    /// Size in bytes.
    pub size: u64,
    /// Media type.
    pub media_type: String,
}

impl Attachment {
    /// A file as people are shown it, under the name of what names it.
    pub fn new(label: &str, file: field::Attachment) -> Self {
        Self { label: label.to_owned(), hash: file.hash.to_hex(), size: file.size, media_type: file.media_type }
    }
}

/// One event of a history.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HistoryEvent {
    /// Place in the log.
    pub index: u64,
    /// Stream.
    pub stream: String,
    /// Place in the stream.
    pub revision: u64,
    /// Wire name of the kind.
    pub kind: String,
    /// Chinese name of the kind; the wire name when this version does not know it.
    pub label: String,
    /// Code of the organization.
    pub org: String,
    /// Its name today.
    pub org_name: String,
    /// The author's time.
    pub declared_at: DateTime<FixedOffset>,
    /// The log's time.
    pub recorded_at: DateTime<Utc>,
    /// Days from the declared to the recorded day.
    pub late_days: u64,
    /// Whether the rule calls that 补报.
    pub back_filled: bool,
    /// BLAKE3 of the entry, base64.
    pub entry_hash: String,
    /// BLAKE3 of the statement, base64.
    pub statement_hash: String,
    /// Who signed, author first.
    pub signers: Vec<SignerName>,
    /// Entered for somebody else (代录).
    pub proxy: Option<Proxy>,
    /// The signed body.
    pub body: Map<String, Value>,
    /// Open slots by name.
    pub open: Map<String, Value>,
    /// Labelled values: slots, then body.
    pub fields: Vec<ShownField>,
    /// What it changed.
    pub diffs: Vec<FieldDiff>,
    /// Its files.
    pub attachments: Vec<Attachment>,
    /// Lines of its list.
    pub lines_count: u64,
    /// How many slots or lines of it were withdrawn.
    pub withdrawn_count: u64,
    /// Entry that it is about.
    pub target: Option<u64>,
}

/// A withdrawn slot or line of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Withdrawn {
    /// Slot number; absent for a line.
    pub slot: Option<u64>,
    /// Line number; absent for a slot.
    pub line: Option<u64>,
    /// The trace.
    pub tombstone: Tombstone,
}

/// The history of a matter as it stood at the end of a day.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PastHistory {
    /// The day.
    pub on: NaiveDate,
    /// What was recorded by then, oldest first. What was withdrawn since is withdrawn here too, and names are
    /// those of today.
    pub events: Vec<HistoryEvent>,
    /// Events that came later.
    pub later: u64,
    /// Status on that day, as its list showed it; absent for a family without a list.
    pub status: Option<Status>,
}

impl HistoryEvent {
    /// Day on which it was recorded, where its author is.
    pub fn recorded_on(&self) -> NaiveDate {
        self.recorded_at.with_timezone(self.declared_at.offset()).date_naive()
    }

    /// An open slot's text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.open.get(name)?.as_str()
    }

    /// A slot of this event for a page: its value, or its withdrawal.
    pub fn shown(&self, name: &str) -> Option<Shown> {
        self.fields.iter().find(|field| field.name == name).map(|field| field.value.clone())
    }
}

/// The latest version of a text over a history in order; what was withdrawn stays withdrawn until a
/// later version replaces it.
pub fn latest(history: &[HistoryEvent], name: &str) -> Option<Shown> {
    history.iter().rev().find_map(|event| event.shown(name))
}

impl Reader {
    /// Every event of a stream, oldest first; empty for one that is not in the log.
    pub async fn history(&mut self, stream: &str) -> Result<Vec<HistoryEvent>, ReadError> {
        let rows = self.rows(HISTORY, vec![text(stream)]).await?;
        let mut events = self.events(rows).await?;
        differences(&mut events);
        Ok(events)
    }

    /// A stream as it stood at the end of a past day; without events if nothing of it was recorded by then.
    pub async fn history_on(&mut self, stream: &str, on: NaiveDate) -> Result<PastHistory, ReadError> {
        let mut events = self.history(stream).await?;
        let known = events.iter().take_while(|event| event.recorded_on() <= on).count();
        let later = events.split_off(known).len() as u64;
        let status =
            if events.is_empty() { None } else { self.matter_on(stream, on).await?.map(|matter| matter.status) };
        Ok(PastHistory { on, events, later, status })
    }

    /// The event of one entry; `None` for a sealed period or an index beyond the log.
    pub async fn entry(&mut self, index: u64) -> Result<Option<HistoryEvent>, ReadError> {
        let rows = self.rows(ENTRY, vec![int(index)]).await?;
        Ok(self.events(rows).await?.pop())
    }

    /// What of an entry was withdrawn.
    pub async fn withdrawn(&mut self, index: u64) -> Result<Vec<Withdrawn>, ReadError> {
        Ok(self.withdrawn_of(&[index]).await?.remove(&index).unwrap_or_default())
    }

    /// What of these entries was withdrawn, by entry.
    async fn withdrawn_of(&mut self, indexes: &[u64]) -> Result<HashMap<u64, Vec<Withdrawn>>, ReadError> {
        let mut withdrawn: HashMap<u64, Vec<Withdrawn>> = HashMap::new();
        for chunk in indexes.chunks(CHUNK) {
            let last = chunk.last().copied().unwrap_or_default();
            let args = (0..CHUNK).map(|place| int(chunk.get(place).copied().unwrap_or(last)));
            let rows = self.rows(WITHDRAWN, args.collect()).await?;
            let orgs: Vec<String> = rows.iter().map(|row| row.text("org")).collect::<Result<_, _>>()?;
            let names = self.org_names(orgs.iter().map(String::as_str)).await?;
            let signers: Vec<String> = rows.iter().map(|row| row.text("signers")).collect::<Result<_, _>>()?;
            let signers = self.signers_of(&signers).await?;
            for (row, signers) in rows.iter().zip(signers) {
                let trace = tombstone(row, &names, signers)?;
                withdrawn.entry(row.count("target_index")?).or_default().push(trace);
            }
        }
        Ok(withdrawn)
    }

    pub(crate) async fn events(&mut self, rows: Vec<Row>) -> Result<Vec<HistoryEvent>, ReadError> {
        let mut events = Vec::with_capacity(rows.len());
        let mut lacking = Vec::new();
        let (mut codes, mut persons) = (BTreeSet::new(), BTreeSet::new());
        for row in &rows {
            let event = event(row)?;
            codes.insert(event.org.clone());
            mentioned(&event, &mut codes, &mut persons);
            lacking.extend((row.count("withdrawn")? > 0).then_some(event.index));
            events.push((event, row.text("signers")?));
        }
        let orgs = self.org_names(codes.iter().map(String::as_str)).await?;
        let persons = self.person_names(&persons.into_iter().collect::<Vec<_>>()).await?;
        let (mut events, signers): (Vec<HistoryEvent>, Vec<String>) = events.into_iter().unzip();
        let signers = self.signers_of(&signers).await?;
        let mut withdrawn = self.withdrawn_of(&lacking).await?;
        for (event, signers) in events.iter_mut().zip(signers) {
            event.signers = signers;
            event.org_name = orgs.get(&event.org).unwrap_or(&event.org).clone();
            let withdrawn = withdrawn.remove(&event.index).unwrap_or_default();
            event.withdrawn_count = withdrawn.len() as u64;
            event.fields = shown_fields(event, &withdrawn, &orgs, &persons);
            self.show_schedule(event).await?;
        }
        Ok(events)
    }

    /// In place of a schedule's days, where each promise stands today.
    async fn show_schedule(&mut self, event: &mut HistoryEvent) -> Result<(), ReadError> {
        let index = event.index;
        let Some(field) = event.fields.iter_mut().find(|field| field.name == schedule::FIELD) else { return Ok(()) };
        let scheduled = self.scheduled(index).await?;
        let sentences: Vec<String> = scheduled.into_iter().map(|scheduled| scheduled.sentence).collect();
        field.value = Shown::Given(sentences.join("；"));
        Ok(())
    }
}

/// What a row says of a withdrawal.
fn tombstone(row: &Row, names: &HashMap<String, String>, signers: Vec<SignerName>) -> Result<Withdrawn, ReadError> {
    let org = row.text("org")?;
    let open = open_slots(&row.text("fields")?)?;
    let said = |name: &str| open.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let basis = row.text("basis")?;
    let number = row.count("number")?;
    let slot = row.text("place")? == "slot";
    Ok(Withdrawn {
        slot: slot.then_some(number),
        line: (!slot).then_some(number),
        tombstone: Tombstone {
            index: row.count("entry_index")?,
            org_name: names.get(&org).unwrap_or(&org).clone(),
            org,
            signers,
            basis: label_or(WithdrawalBasis::from_wire(&basis).map(WithdrawalBasis::label), &basis).to_owned(),
            reason: said("reason"),
            appeal: said("appeal"),
            at: row.recorded("recorded_at")?,
        },
    })
}

fn open_slots(json: &str) -> Result<Map<String, Value>, ReadError> {
    let fields: Vec<Map<String, Value>> = serde_json::from_str(json)?;
    let open = fields.into_iter().filter_map(|mut field| {
        let name = field.get("name")?.as_str()?.to_owned();
        Some((name, field.remove("value")?))
    });
    Ok(open.collect())
}

fn event(row: &Row) -> Result<HistoryEvent, ReadError> {
    let kind_name = row.text("kind")?;
    let body: Map<String, Value> = serde_json::from_str(&row.text("body")?)?;
    let proxy = row.maybe::<String>("proxy")?.map(|json| serde_json::from_str(&json)).transpose()?;
    Ok(HistoryEvent {
        index: row.count("entry_index")?,
        stream: row.text("stream")?,
        revision: row.count("revision")?,
        label: label_or(kind::find(&kind_name).map(|kind| kind.label), &kind_name).to_owned(),
        org: row.text("org")?,
        org_name: String::new(),
        declared_at: row.declared("declared_at")?,
        recorded_at: row.recorded("recorded_at")?,
        late_days: row.count("late_days")?,
        back_filled: row.flag("back_filled")?,
        entry_hash: row.text("entry_hash")?,
        statement_hash: row.text("statement_hash")?,
        signers: Vec::new(),
        proxy,
        open: open_slots(&row.text("fields")?)?,
        fields: Vec::new(),
        diffs: Vec::new(),
        attachments: attachments(&kind_name, &body),
        kind: kind_name,
        body,
        lines_count: row.count("lines_count")?,
        withdrawn_count: 0,
        target: row.maybe::<i64>("target_index")?.map(i64::unsigned_abs),
    })
}

fn attachments(kind: &str, body: &Map<String, Value>) -> Vec<Attachment> {
    let files = kind::find(kind).into_iter().flat_map(|kind| kind.attachments(body));
    files.map(|(field, file)| Attachment::new(field.label, file)).collect()
}

/// Codes and persons that a body names, so that their names are looked up once.
fn mentioned(event: &HistoryEvent, codes: &mut BTreeSet<String>, persons: &mut BTreeSet<String>) {
    let Some(kind) = kind::find(&event.kind) else { return };
    for field in kind.body_fields() {
        let value = event.body.get(field.name);
        let texts = match value {
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(text)) => vec![text.as_str()],
            _ => Vec::new(),
        };
        match field.shape {
            Shape::Org | Shape::Orgs => codes.extend(texts.into_iter().map(str::to_owned)),
            Shape::Link("person") => persons.extend(texts.into_iter().map(str::to_owned)),
            _ => {}
        }
    }
}

/// Slots, then body. A required slot that is not open was withdrawn; so were as many more as the
/// withdrawals say, of which nothing tells the field any more.
fn shown_fields(
    event: &HistoryEvent,
    withdrawn: &[Withdrawn],
    orgs: &HashMap<String, String>,
    persons: &HashMap<String, String>,
) -> Vec<ShownField> {
    let Some(kind) = kind::find(&event.kind) else { return unknown_fields(event) };
    let mut traces = withdrawn.iter().filter(|w| w.slot.is_some()).map(|w| w.tombstone.clone());
    let mut shown = Vec::new();
    for (field, _) in kind.slot_fields() {
        let value = match event.open.get(field.name) {
            Some(value) => Some(Shown::Given(display(Some(&field.shape), value, orgs, persons))),
            None if field.required => traces.next().map(Shown::Withdrawn),
            None => None,
        };
        shown.extend(value.map(|value| labelled(field, value)));
    }
    shown.extend(traces.map(|trace| ShownField {
        name: String::new(),
        label: "已撤下的内容".into(),
        value: Shown::Withdrawn(trace),
    }));
    shown.extend(kind.body_fields().filter(|field| !matches!(field.shape, Shape::Attachments(_))).filter_map(
        |field| {
            let value = event.body.get(field.name)?;
            let text = match (field.name, value.as_u64()) {
                // People count lines and posts from 1; slots have numbers, not places.
                ("line" | "post", Some(place)) => (place + 1).to_string(),
                ("slot_numbers" | "line_numbers", _) => format!("{} 处", value.as_array().map_or(0, Vec::len)),
                _ => display(Some(&field.shape), value, orgs, persons),
            };
            Some(labelled(field, Shown::Given(text)))
        },
    ));
    shown
}

fn labelled(field: &Field, value: Shown) -> ShownField {
    ShownField { name: field.name.into(), label: field.label.into(), value }
}

fn unknown_fields(event: &HistoryEvent) -> Vec<ShownField> {
    let none = HashMap::new();
    let values = event.open.iter().chain(&event.body);
    values
        .map(|(name, value)| ShownField {
            name: name.clone(),
            label: name.clone(),
            value: Shown::Given(display(None, value, &none, &none)),
        })
        .collect()
}

/// Whether an event of this kind gives new versions of fields that earlier events gave.
fn revises(kind: &Kind) -> bool {
    let verb = kind.name.split('.').nth(1);
    matches!(verb, Some("amended" | "corrected" | "extended" | "renamed"))
}

/// Compares what a revising event says with the version before it.
fn differences(events: &mut [HistoryEvent]) {
    let mut current: HashMap<String, String> = HashMap::new();
    for event in events {
        let Some(kind) = kind::find(&event.kind) else { continue };
        let revises = revises(kind);
        if event.revision > 0 && !revises {
            continue;
        }
        let mut diffs = Vec::new();
        for field in &event.fields {
            let versioned = kind.field(&field.name).is_some_and(|f| {
                matches!(f.shape, Shape::Text(_) | Shape::Date | Shape::Fen) || f.place != Place::Body
            });
            let Some(text) = field.value.given().filter(|_| versioned && field.name != "reason") else { continue };
            let old = current.insert(field.name.clone(), text.to_owned());
            if let Some(old) = old.filter(|old| revises && old != text) {
                let label = field.label.trim_start_matches("新的").trim_start_matches("更正后的").to_owned();
                diffs.push(FieldDiff { name: field.name.clone(), label, segments: diff(&old, text) });
            }
        }
        event.diffs = diffs;
    }
}
