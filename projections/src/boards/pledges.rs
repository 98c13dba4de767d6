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
        let reported = |row: Change| row.text("reported_on", event.declared_on().to_string());
        let kind = event.statement.kind.as_str();
        let mut still = false;
        let row = match kind {
            pledge::Made::KIND => {
                let made = read!(event, pledge::Made);
                row.text("category", made.category.wire())
                    .int("year", made.year.0)
                    .maybe_text("names", event.text("pledger"))
                    .maybe_day("starts_on", made.shown_on)
                    .maybe_day("due_on", made.due)
            }
            pledge::Progressed::KIND => {
                let report = read!(event, pledge::Progressed);
                let percent = report.percent.map(|percent| percent.0);
                still = is_still(report.stage, percent.map(u64::from));
                reported(row).maybe_int("percent", percent)
            }
            pledge::Amended::KIND => row.maybe_day("due_on", read!(event, pledge::Amended).due),
            pledge::Fulfilled::KIND | pledge::NotFulfilled::KIND => reported(row),
            pledge::PartlyFulfilled::KIND => {
                let percent = read!(event, pledge::PartlyFulfilled).percent.map(|percent| percent.0);
                reported(row).maybe_int("percent", percent)
            }
            _ => row,
        };
        let row = match state_said(kind, still) {
            Some(state) => row.text("state", state),
            None => row,
        };
        Ok(vec![row])
    }
}

/// Whether a report says that nothing has moved.
pub(crate) fn is_still(stage: Option<Stage>, percent: Option<u64>) -> bool {
    matches!(stage, Some(Stage::NotStarted | Stage::Stalled)) || (stage.is_none() && percent == Some(0))
}

/// The state that an event of this kind says; `None` when it leaves the state as it is. `still` tells a
/// report without progress from one with it.
pub(crate) fn state_said(kind: &str, still: bool) -> Option<&'static str> {
    Some(match kind {
        pledge::Made::KIND => "made",
        pledge::Progressed::KIND if still => "no_progress",
        pledge::Progressed::KIND => "in_progress",
        pledge::Fulfilled::KIND => "fulfilled",
        pledge::PartlyFulfilled::KIND => "partly_fulfilled",
        pledge::NotFulfilled::KIND => "not_fulfilled",
        pledge::CarriedOver::KIND => "carried_over",
        pledge::Superseded::KIND => "superseded",
        pledge::Withdrawn::KIND => "withdrawn",
        _ => return None,
    })
}
