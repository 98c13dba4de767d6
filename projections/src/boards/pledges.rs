//! Pledges: what was pledged, until when, and what the pledger last said about it.
//!
//! The three silences (no report yet, reported without progress, overdue) are not stored: `state` says
//! what was reported, and today decides the rest when the row is read.

use gongkai_domain::{
    World,
    kind::Described,
    kind::pledge::{self, Stage},
};

use super::{matter, read};
use crate::{
    event::PublicEvent,
    projection::{Change, Projection, ProjectionError},
};

/// The projection.
pub struct Pledges;

impl Projection for Pledges {
    fn name(&self) -> &'static str {
        "pledges"
    }

    fn version(&self) -> u32 {
        1
    }

    fn families(&self) -> &'static [&'static str] {
        &["pledge"]
    }

    fn apply(&self, event: &PublicEvent, world: &World) -> Result<Vec<Change>, ProjectionError> {
        let row = matter(event, world);
        let reported =
            |row: Change, state: &str| row.text("state", state).text("reported_on", event.declared_on().to_string());
        let row = match event.statement.kind.as_str() {
            pledge::Made::KIND => {
                let made = read!(event, pledge::Made);
                row.text("state", "made")
                    .text("category", made.category.wire())
                    .int("year", made.year.0)
                    .maybe_text("names", event.text("pledger"))
                    .maybe_day("starts_on", made.shown_on)
                    .maybe_day("due_on", made.due)
            }
            pledge::Progressed::KIND => {
                let report = read!(event, pledge::Progressed);
                let percent = report.percent.map(|percent| percent.0);
                let still = matches!(report.stage, Some(Stage::NotStarted | Stage::Stalled))
                    || (report.stage.is_none() && percent == Some(0));
                reported(row, if still { "no_progress" } else { "in_progress" }).maybe_int("percent", percent)
            }
            pledge::Amended::KIND => row.maybe_day("due_on", read!(event, pledge::Amended).due),
            pledge::Fulfilled::KIND => reported(row, "fulfilled"),
            pledge::PartlyFulfilled::KIND => {
                let percent = read!(event, pledge::PartlyFulfilled).percent.map(|percent| percent.0);
                reported(row, "partly_fulfilled").maybe_int("percent", percent)
            }
            pledge::NotFulfilled::KIND => reported(row, "not_fulfilled"),
            pledge::CarriedOver::KIND => row.text("state", "carried_over"),
            pledge::Superseded::KIND => row.text("state", "superseded"),
            pledge::Withdrawn::KIND => row.text("state", "withdrawn"),
            _ => row,
        };
        Ok(vec![row])
    }
}
