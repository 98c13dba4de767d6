//! Supervisions (督办): who set whom a day, about what, and whether an answer stopped the clock. How many days are left
//! or over depends on today and is computed when read.

use gongkai_domain::{
    World,
    kind::{
        Described,
        supervision::{self, Progress},
    },
};

use super::read;
use crate::{
    event::PublicEvent,
    projection::{Change, Projection, ProjectionError, Table, Type::Int, Type::Text},
};

/// Supervisions.
pub const SUPERVISIONS: Table = Table {
    name: "supervisions",
    keys: 1,
    columns: &[
        ("stream", Text),
        ("org", Text),
        ("to_org", Text),
        ("about", Text),
        ("title", Text),
        ("issued_on", Text),
        ("due_on", Text),
        ("entry_index", Int),
        ("result", Text),
        ("answered_on", Text),
        ("done", Int),
    ],
};

/// The projection.
pub struct Supervisions;

impl Projection for Supervisions {
    fn name(&self) -> &'static str {
        "supervisions"
    }

    fn version(&self) -> u32 {
        1
    }

    fn families(&self) -> &'static [&'static str] {
        &["supervision"]
    }

    fn apply(&self, event: &PublicEvent, _: &World) -> Result<Vec<Change>, ProjectionError> {
        let row = Change::new(&SUPERVISIONS).text("stream", event.stream());
        Ok(match event.statement.kind.as_str() {
            supervision::Issued::KIND => {
                let issued = read!(event, supervision::Issued);
                vec![
                    row.text("org", event.statement.org.as_str())
                        .text("to_org", issued.to.0)
                        .maybe_text("about", issued.about.map(|about| about.to_string()))
                        .maybe_text("title", event.text("title"))
                        .maybe_day("issued_on", Some(issued.issued_on))
                        .maybe_day("due_on", Some(issued.due_on))
                        .int("entry_index", event.index),
                ]
            }
            supervision::Answered::KIND => {
                let answered = read!(event, supervision::Answered);
                let row =
                    row.text("result", answered.result.wire()).maybe_day("answered_on", Some(answered.answered_on));
                // An answer that says "partly" lets the clock run on, as in the kind's own state.
                vec![if answered.result == Progress::Partly { row } else { row.flag("done", true) }]
            }
            _ => Vec::new(),
        })
    }
}
