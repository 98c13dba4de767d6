//! One file per projection. What they share is the row of a matter: one pledge, batch of vacancies,
//! nomination, notice or sheet, as the lists, filters and search need it.
//!
//! A row holds what the events say and nothing that depends on today: statuses are computed when read.

pub mod consultations;
pub mod disclosures;
pub mod events;
pub mod named;
pub mod nominations;
pub mod notices;
pub mod organizations;
pub mod pledges;
pub mod registry;
pub mod schedules;
pub mod supervisions;
pub mod vacancies;
pub mod withdrawals;

use chrono::Datelike;
use gongkai_domain::{World, rules::RuleCode};
use gongkai_log::time::format_recorded;

use crate::{
    event::PublicEvent,
    projection::{Change, ProjectionError, Table, Type::Int, Type::Text},
};

/// Matters of the five families with a board.
pub const MATTERS: Table = Table {
    name: "matters",
    keys: 1,
    columns: &[
        ("stream", Text),
        ("family", Text),
        ("org", Text),
        ("category", Text),
        ("year", Int),
        ("title", Text),
        ("names", Text),
        ("state", Text),
        ("starts_on", Text),
        ("days", Int),
        ("ends_on", Text),
        ("due_on", Text),
        ("extended", Int),
        ("percent", Int),
        ("reported_on", Text),
        ("class", Text),
        ("content", Text),
        ("book", Text),
        ("period", Text),
        ("period_start", Text),
        ("period_end", Text),
        ("opening", Int),
        ("income", Int),
        ("expense", Int),
        ("closing", Int),
        ("no_movement", Int),
        ("first_index", Int),
        ("declared_at", Text),
        ("recorded_at", Text),
        ("late_days", Int),
        ("back_filled", Int),
        ("last_index", Int),
        ("last_recorded_at", Text),
        ("revisions", Int),
    ],
};

/// The matter's row with what every event of it changes.
fn matter(event: &PublicEvent, world: &World) -> Change {
    let statement = &event.statement;
    let row = Change::new(&MATTERS)
        .text("stream", event.stream())
        .text("family", statement.stream.family.as_str())
        .maybe_text("title", event.text("title"))
        .int("last_index", event.index)
        .text("last_recorded_at", recorded_text(event))
        .int("revisions", statement.revision + 1);
    if statement.revision > 0 {
        return row;
    }
    row.text("org", statement.org.as_str())
        .int("year", event.declared_on().year())
        .int("first_index", event.index)
        .text("declared_at", statement.declared_at.to_rfc3339())
        .text("recorded_at", recorded_text(event))
        .int("late_days", event.late_days())
        .flag("back_filled", is_back_filled(event, world))
}

/// The log's time as the entry writes it.
fn recorded_text(event: &PublicEvent) -> String {
    // An entry's time has been parsed from this form, so it has one.
    format_recorded(&event.recorded_at).unwrap_or_default()
}

/// Whether it was recorded so long after it was declared that the rule calls it 补报.
fn is_back_filled(event: &PublicEvent, world: &World) -> bool {
    let rule = world.rule(RuleCode::LateDaysMin, &event.statement.org, event.declared_on());
    event.late_days().unsigned_abs() >= rule.value.max(1)
}

fn unreadable(event: &PublicEvent) -> ProjectionError {
    ProjectionError::Body(event.statement.kind.clone())
}

/// Reads the typed body of the kind that the event has.
macro_rules! read {
    ($event:expr, $kind:ty) => {
        $event.body::<$kind>().ok_or_else(|| super::unreadable($event))?
    };
}
pub(crate) use read;
