//! Scheduled openings (启封安排) of public statements, and what was opened. Whether something is overdue depends on today
//! and is computed when read; of what is going to be opened nothing is known here but the field's name.

use gongkai_domain::{
    World,
    kind::{Described, opening},
    schedule,
};

use super::read;
use crate::{
    event::PublicEvent,
    projection::{Change, Projection, ProjectionError, Table, Type::Int, Type::Text},
};

/// What is promised to be opened.
pub const SCHEDULES: Table = Table {
    name: "schedules",
    keys: 2,
    columns: &[
        ("entry_index", Int),
        ("slot", Int),
        ("stream", Text),
        ("org", Text),
        ("kind", Text),
        ("field", Text),
        ("opens_on", Text),
    ],
};

/// What was opened.
pub const OPENED_SLOTS: Table = Table {
    name: "opened_slots",
    keys: 1,
    columns: &[("entry_index", Int), ("stream", Text), ("target_index", Int), ("slot", Int), ("leaf", Int)],
};

/// The projection.
pub struct Schedules;

impl Projection for Schedules {
    fn name(&self) -> &'static str {
        "schedules"
    }

    fn version(&self) -> u32 {
        1
    }

    fn families(&self) -> &'static [&'static str] {
        &[]
    }

    fn apply(&self, event: &PublicEvent, _: &World) -> Result<Vec<Change>, ProjectionError> {
        if event.statement.kind == opening::Opened::KIND {
            return Ok(vec![opened(event)?]);
        }
        let Some(field) = event.fields().iter().find(|field| field.name == schedule::FIELD) else {
            return Ok(Vec::new());
        };
        let row = |scheduled: schedule::Scheduled| {
            Change::new(&SCHEDULES)
                .int("entry_index", event.index)
                .int("slot", scheduled.slot)
                .text("stream", event.stream())
                .text("org", event.statement.org.as_str())
                .text("kind", event.statement.kind.as_str())
                .text("field", scheduled.field)
                .maybe_day("opens_on", Some(scheduled.on))
        };
        Ok(schedule::parse(&field.value).into_iter().map(row).collect())
    }
}

fn opened(event: &PublicEvent) -> Result<Change, ProjectionError> {
    let opened = read!(event, opening::Opened);
    let proof = event.fields().iter().find(|field| field.name == "opened");
    let proof: Option<opening::Proof> = proof.and_then(|field| serde_json::from_value(field.value.clone()).ok());
    let leaf = proof.and_then(|proof| proof.event).map(|event| event.leaf);
    Ok(Change::new(&OPENED_SLOTS)
        .int("entry_index", event.index)
        .text("stream", event.stream())
        .int("target_index", opened.entry)
        .int("slot", opened.slot_number)
        .maybe_int("leaf", leaf))
}
