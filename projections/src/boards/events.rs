//! The timeline: every statement with its open values, and the lines of its list. It owns no family:
//! a kind that it does not know is shown by its wire name.

use gongkai_domain::World;
use serde_json::{Value, json};

use super::{is_back_filled, recorded_text};
use crate::{
    event::PublicEvent,
    projection::{Change, Projection, ProjectionError, Table, Type::Int, Type::Text},
};

/// Every statement.
pub const EVENTS: Table = Table {
    name: "events",
    keys: 1,
    columns: &[
        ("entry_index", Int),
        ("stream", Text),
        ("revision", Int),
        ("family", Text),
        ("kind", Text),
        ("org", Text),
        ("recorded_at", Text),
        ("declared_at", Text),
        ("late_days", Int),
        ("back_filled", Int),
        ("entry_hash", Text),
        ("statement_hash", Text),
        ("parent", Text),
        ("slots", Text),
        ("signers", Text),
        ("proxy", Text),
        ("body", Text),
        ("fields", Text),
        ("lines_count", Int),
        ("target_index", Int),
    ],
};

/// Every line of every list, old ones too.
pub const LINES: Table = Table {
    name: "lines",
    keys: 2,
    columns: &[
        ("entry_index", Int),
        ("line", Int),
        ("stream", Text),
        ("content", Text),
        ("income", Int),
        ("expense", Int),
        ("corrects", Int),
    ],
};

/// The projection.
pub struct Events;

impl Projection for Events {
    fn name(&self) -> &'static str {
        "events"
    }

    fn version(&self) -> u32 {
        1
    }

    fn families(&self) -> &'static [&'static str] {
        &[]
    }

    fn apply(&self, event: &PublicEvent, world: &World) -> Result<Vec<Change>, ProjectionError> {
        let statement = &event.statement;
        let fields: Vec<Value> =
            event.fields().iter().map(|f| json!({"name": f.name, "slot": f.slot, "value": f.value})).collect();
        let row = Change::new(&EVENTS)
            .int("entry_index", event.index)
            .text("stream", event.stream())
            .int("revision", statement.revision)
            .text("family", statement.stream.family.as_str())
            .text("kind", statement.kind.as_str())
            .text("org", statement.org.as_str())
            .text("recorded_at", recorded_text(event))
            .text("declared_at", statement.declared_at.to_rfc3339())
            .int("late_days", event.late_days())
            .flag("back_filled", is_back_filled(event, world))
            .text("entry_hash", event.entry_hash.to_string())
            .text("statement_hash", event.statement_hash.to_string())
            .maybe_text("parent", statement.parent.map(|parent| parent.to_string()))
            .text("slots", statement.slots.to_string())
            .text("signers", json!(statement.signers).to_string())
            .maybe_text("proxy", statement.proxy.as_ref().map(|proxy| json!(proxy).to_string()))
            .text("body", serde_json::to_string(&statement.body).unwrap_or_default())
            .text("fields", Value::Array(fields).to_string())
            .int("lines_count", event.lines().len())
            .maybe_int("target_index", event.target());
        Ok(std::iter::once(row).chain(lines(event)).collect())
    }
}

/// The lines. A list of equal lines keeps each: the key is the place, never the content.
fn lines(event: &PublicEvent) -> impl Iterator<Item = Change> + '_ {
    let corrects: Vec<Option<u64>> = match event.statement.body.get("corrects") {
        Some(Value::Array(lines)) => lines.iter().map(Value::as_u64).collect(),
        _ => Vec::new(),
    };
    event.lines().iter().enumerate().map(move |(place, line)| {
        let fen = |name| line.content.as_ref().and_then(|row| row.get(name)).and_then(Value::as_i64);
        Change::new(&LINES)
            .int("entry_index", event.index)
            .int("line", line.line)
            .text("stream", event.stream())
            .maybe_text("content", line.content.as_ref().map(|row| json!(row).to_string()))
            .maybe_int("income", fen("income"))
            .maybe_int("expense", fen("expense"))
            .maybe_int("corrects", corrects.get(place).copied().flatten())
    })
}
