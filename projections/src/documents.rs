//! From the rows of the views to documents of the search index: one a stream, with every text of it that
//! is still open, old versions too. Built after the rows are committed; the index records how far it is,
//! so a crash in between is made up for on start.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::Datelike;
use gongkai_domain::{KINDS, field::Shape, kind::family_label};
use serde_json::{Map, Value};

use crate::{
    follower::{Touched, orgs_above},
    read::{CHUNK, Columns, ReadError, Reader, category_label, in_chunk, text},
    search::{Change, Document},
};

/// Families that can be found.
const SEARCHED: &[&str] = &["disclosure", "nomination", "notice", "organization", "pledge", "vacancy"];
/// Slots that name people or places.
const NAMES: &[&str] = &["name", "person", "pledger"];
/// Lines of one list that are searched; the board of a sheet has the rest.
const LINES_MAX: i64 = 2_000;

macro_rules! in_32 {
    () => {
        "IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, \
         $27, $28, $29, $30, $31, $32)"
    };
}

const EVENTS: &str = concat!(
    "SELECT stream, entry_index, revision, family, org, recorded_at, fields FROM events WHERE stream ",
    in_32!(),
    " ORDER BY entry_index"
);
const LINES: &str = concat!(
    "SELECT stream, content FROM lines WHERE content IS NOT NULL AND line < $33 AND stream ",
    in_32!(),
    " ORDER BY entry_index, line"
);
const MATTERS: &str =
    concat!("SELECT stream, family, org, category, year, title, state FROM matters WHERE stream ", in_32!());
const ORGANIZATIONS: &str = concat!(
    "SELECT o.stream, o.code, n.name FROM organizations o LEFT JOIN organization_names n ON n.code = o.code WHERE o.stream ",
    in_32!(),
    " ORDER BY n.entry_index"
);
const BELOW: &str =
    "SELECT m.stream FROM organization_ancestors a JOIN matters m ON m.org = a.code WHERE a.ancestor = $1";
const ORGS_BELOW: &str =
    "SELECT o.stream FROM organization_ancestors a JOIN organizations o ON o.code = a.code WHERE a.ancestor = $1";

pub(crate) const STATEMENTS: &[(&str, &str)] = &[
    ("documents.events", EVENTS),
    ("documents.lines", LINES),
    ("documents.matters", MATTERS),
    ("documents.organizations", ORGANIZATIONS),
    ("documents.below", BELOW),
    ("documents.orgs_below", ORGS_BELOW),
];

/// The changes that bring the index up to the rows.
pub(crate) async fn changes(reader: &mut Reader, touched: &Touched) -> Result<Vec<Change>, ReadError> {
    let mut streams: BTreeSet<String> = touched.streams.iter().cloned().collect();
    for org in &touched.orgs {
        for sql in [BELOW, ORGS_BELOW] {
            for row in reader.rows(sql, vec![text(org.as_str())]).await? {
                streams.insert(row.text("stream")?);
            }
        }
    }
    let searched = |stream: &String| stream.split('/').next().is_some_and(|family| SEARCHED.contains(&family));
    let streams: Vec<String> = streams.into_iter().filter(searched).collect();
    let mut changes = Vec::with_capacity(streams.len());
    for chunk in streams.chunks(CHUNK) {
        let chunk: Vec<&str> = chunk.iter().map(String::as_str).collect();
        let documents = documents(reader, &chunk).await?;
        changes.extend(documents.into_values().map(|document| Change::Put(Box::new(document))));
    }
    Ok(changes)
}

async fn documents(reader: &mut Reader, streams: &[&str]) -> Result<BTreeMap<String, Document>, ReadError> {
    let mut documents: BTreeMap<String, Document> = BTreeMap::new();
    for row in reader.rows(EVENTS, in_chunk(streams)).await? {
        let stream = row.text("stream")?;
        let document = documents.entry(stream.clone()).or_insert_with(|| Document { stream, ..Document::default() });
        let recorded = row.recorded("recorded_at")?.date_naive();
        document.index = row.count("entry_index")?;
        document.family = row.text("family")?;
        document.date = i64::from(recorded.num_days_from_ce());
        let fields: Vec<Map<String, Value>> = serde_json::from_str(&row.text("fields")?)?;
        for field in &fields {
            let (Some(name), Some(value)) = (field.get("name").and_then(Value::as_str), field.get("value")) else {
                continue;
            };
            take(document, name, value);
        }
    }
    lines(reader, streams, &mut documents).await?;
    matters(reader, streams, &mut documents).await?;
    organizations(reader, streams, &mut documents).await?;
    for document in documents.values_mut() {
        // Latest first: the snippet shows the present text.
        document.texts.reverse();
        document.names.sort_unstable();
        document.names.dedup();
    }
    Ok(documents)
}

fn take(document: &mut Document, name: &str, value: &Value) {
    let texts: Vec<&str> = match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().into_iter().collect(),
    };
    let list = if NAMES.contains(&name) { &mut document.names } else { &mut document.texts };
    list.extend(texts.into_iter().map(str::to_owned));
}

async fn lines(
    reader: &mut Reader,
    streams: &[&str],
    documents: &mut BTreeMap<String, Document>,
) -> Result<(), ReadError> {
    let args = [in_chunk(streams), vec![crate::projection::Arg::Int(Some(LINES_MAX))]].concat();
    let shapes = KINDS.iter().flat_map(|kind| kind.list.shapes());
    let words: BTreeSet<&str> = shapes
        .flat_map(|shape| shape.columns)
        .filter(|column| matches!(column.shape, Shape::Text(_)))
        .map(|column| column.name)
        .collect();
    for row in reader.rows(LINES, args).await? {
        let Some(document) = documents.get_mut(&row.text("stream")?) else { continue };
        let cells: Map<String, Value> = serde_json::from_str(&row.text("content")?)?;
        // Dates, numbers and choices are not words that anyone searches.
        for (name, value) in cells.iter().filter(|(name, _)| words.contains(name.as_str())) {
            take(document, name, value);
        }
    }
    Ok(())
}

async fn matters(
    reader: &mut Reader,
    streams: &[&str],
    documents: &mut BTreeMap<String, Document>,
) -> Result<(), ReadError> {
    let rows = reader.rows(MATTERS, in_chunk(streams)).await?;
    let codes: Vec<String> = rows.iter().map(|row| row.text("org")).collect::<Result<_, _>>()?;
    let names: HashMap<String, String> = reader.org_names(codes.iter().map(String::as_str)).await?;
    let world = reader.world_handle();
    for (row, code) in rows.iter().zip(codes) {
        let Some(document) = documents.get_mut(&row.text("stream")?) else { continue };
        let category = row.maybe::<String>("category")?.unwrap_or_default();
        document.kind = format!("{} {}", family_label(&document.family), category_label(&document.family, &category));
        document.status = row.maybe("state")?.unwrap_or_default();
        document.title = row.maybe("title")?.unwrap_or_default();
        document.years = row.maybe::<i64>("year")?.into_iter().collect();
        document.orgs = orgs_above(&code, &world);
        document.names.extend(names.get(&code).cloned());
    }
    Ok(())
}

async fn organizations(
    reader: &mut Reader,
    streams: &[&str],
    documents: &mut BTreeMap<String, Document>,
) -> Result<(), ReadError> {
    let world = reader.world_handle();
    for row in reader.rows(ORGANIZATIONS, in_chunk(streams)).await? {
        let Some(document) = documents.get_mut(&row.text("stream")?) else { continue };
        family_label("organization").clone_into(&mut document.kind);
        document.orgs = orgs_above(&row.text("code")?, &world);
        if let Some(name) = row.maybe::<String>("name")? {
            document.title = name;
        }
    }
    Ok(())
}
