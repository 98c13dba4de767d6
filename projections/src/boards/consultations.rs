//! Days of consultations (征集): when the window closes, by when each theme is to be settled and the result published.
//! Which of them are near or over depends on today and is computed when read; what people handed in is sealed and not
//! here.

use gongkai_domain::{
    World,
    kind::{Described, consultation},
};

use super::read;
use crate::{
    event::PublicEvent,
    projection::{Change, Projection, ProjectionError, Table, Type::Int, Type::Text},
};

/// The part that is the window itself.
pub const WINDOW: &str = "window";
/// The part that is the promised report.
pub const REPORT: &str = "report";

/// Days of consultations.
pub const CONSULTATION_DAYS: Table = Table {
    name: "consultation_days",
    keys: 2,
    columns: &[
        ("stream", Text),
        ("part", Text),
        ("org", Text),
        ("title", Text),
        ("since", Text),
        ("due_on", Text),
        ("entry_index", Int),
        ("done", Int),
    ],
};

/// The projection.
pub struct Consultations;

impl Projection for Consultations {
    fn name(&self) -> &'static str {
        "consultations"
    }

    fn version(&self) -> u32 {
        1
    }

    fn families(&self) -> &'static [&'static str] {
        &["consultation"]
    }

    fn apply(&self, event: &PublicEvent, _: &World) -> Result<Vec<Change>, ProjectionError> {
        let part = |part: &str| Change::new(&CONSULTATION_DAYS).text("stream", event.stream()).text("part", part);
        let theme = |line: u64| part(&format!("theme {line}"));
        Ok(match event.statement.kind.as_str() {
            consultation::Opened::KIND => {
                let opened = read!(event, consultation::Opened);
                let row = |name, since, due| {
                    part(name)
                        .text("org", event.statement.org.as_str())
                        .maybe_day("since", Some(since))
                        .maybe_day("due_on", due)
                        .int("entry_index", event.index)
                };
                vec![
                    row(WINDOW, opened.opens_on, Some(opened.closes_on)).maybe_text("title", event.text("title")),
                    row(REPORT, opened.closes_on, opened.report_on),
                ]
            }
            consultation::Assigned::KIND => {
                let assigned = read!(event, consultation::Assigned);
                // Assigned again without a day, a theme has none: an absent value would leave the old one.
                let due = assigned.due_on.map(|day| day.to_string()).unwrap_or_default();
                vec![
                    theme(assigned.theme)
                        .text("org", assigned.to.0)
                        .maybe_day("since", Some(event.declared_on()))
                        .text("due_on", due)
                        .int("entry_index", event.index),
                ]
            }
            consultation::Resolved::KIND => vec![theme(read!(event, consultation::Resolved).theme).flag("done", true)],
            consultation::Explained::KIND => {
                vec![theme(read!(event, consultation::Explained).theme).flag("done", true)]
            }
            consultation::Reported::KIND => vec![part(WINDOW).flag("done", true), part(REPORT).flag("done", true)],
            _ => Vec::new(),
        })
    }
}
