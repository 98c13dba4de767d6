//! Nominations: the notice with its period, and each person's conclusion. Nothing about objections.

use gongkai_domain::{
    World,
    kind::{Described, nomination},
};

use super::{matter, read};
use crate::{
    event::PublicEvent,
    projection::{Change, Projection, ProjectionError, Table, Type::Int, Type::Text},
};

/// People of a nomination; who they are is in the lines of the announcement.
pub const PEOPLE: Table = Table {
    name: "people",
    keys: 2,
    columns: &[
        ("stream", Text),
        ("line", Int),
        ("announced", Int),
        ("outcome", Text),
        ("outcome_index", Int),
        ("outcome_on", Text),
        ("office", Text),
        ("office_index", Int),
        ("office_on", Text),
        ("probation_ends_on", Text),
    ],
};

/// The projection.
pub struct Nominations;

impl Projection for Nominations {
    fn name(&self) -> &'static str {
        "nominations"
    }

    fn version(&self) -> u32 {
        1
    }

    fn families(&self) -> &'static [&'static str] {
        &["nomination"]
    }

    fn apply(&self, event: &PublicEvent, world: &World) -> Result<Vec<Change>, ProjectionError> {
        let row = matter(event, world);
        let (row, people) = match event.statement.kind.as_str() {
            nomination::Previewed::KIND => {
                let previewed = read!(event, nomination::Previewed);
                let row = row
                    .text("state", "previewed")
                    .text("category", "previewed")
                    .maybe_day("starts_on", Some(previewed.starts_on))
                    .maybe_day("ends_on", Some(previewed.ends_on));
                (listed(row, event), announced(event))
            }
            nomination::Announced::KIND => {
                let notice = read!(event, nomination::Announced);
                let row = row
                    .text("state", "open")
                    .text("category", "announced")
                    .maybe_day("starts_on", Some(notice.starts_on))
                    .maybe_int("days", notice.days)
                    .maybe_day("ends_on", notice.ends_on);
                (listed(row, event), announced(event))
            }
            nomination::Extended::KIND => {
                let ends_on = read!(event, nomination::Extended).ends_on;
                (row.maybe_day("ends_on", Some(ends_on)).flag("extended", true), Vec::new())
            }
            nomination::Closed::KIND => (row.text("state", "closed"), Vec::new()),
            _ => (row, outcomes(event)?),
        };
        Ok(std::iter::once(row).chain(people).collect())
    }
}

fn person(event: &PublicEvent, line: u64) -> Change {
    Change::new(&PEOPLE).text("stream", event.stream()).int("line", line)
}

fn announced(event: &PublicEvent) -> Vec<Change> {
    event.lines().iter().map(|line| person(event, line.line).flag("announced", true)).collect()
}

/// The names that are open, for lists and search.
fn listed(row: Change, event: &PublicEvent) -> Change {
    let names: Vec<&str> =
        event.lines().iter().filter_map(|line| line.content.as_ref()?.get("name")?.as_str()).collect();
    row.text("names", names.join("\n"))
}

/// What became of each person.
fn outcomes(event: &PublicEvent) -> Result<Vec<Change>, ProjectionError> {
    let office =
        |people: Vec<u64>, office: &'static str, on: chrono::NaiveDate, probation: Option<chrono::NaiveDate>| {
            let row = |line| {
                person(event, line)
                    .text("office", office)
                    .int("office_index", event.index)
                    .maybe_day("office_on", Some(on))
                    .maybe_day("probation_ends_on", probation)
            };
            people.into_iter().map(row).collect()
        };
    Ok(match event.statement.kind.as_str() {
        nomination::Concluded::KIND => {
            let concluded = read!(event, nomination::Concluded);
            let row = |outcome: nomination::PersonOutcome| {
                person(event, outcome.person)
                    .text("outcome", outcome.outcome.wire())
                    .int("outcome_index", event.index)
                    .maybe_day("outcome_on", Some(concluded.concluded_on))
            };
            concluded.outcomes.iter().copied().map(row).collect()
        }
        nomination::Appointed::KIND => {
            let appointed = read!(event, nomination::Appointed);
            office(appointed.people, "appointed", appointed.appointed_on, appointed.probation_ends_on)
        }
        nomination::Elected::KIND => {
            let elected = read!(event, nomination::Elected);
            office(elected.people, "elected", elected.elected_on, None)
        }
        nomination::NotElected::KIND => {
            let elected = read!(event, nomination::NotElected);
            office(elected.people, "not_elected", elected.elected_on, None)
        }
        nomination::ProbationEnded::KIND => {
            let ended = read!(event, nomination::ProbationEnded);
            if ended.passed { Vec::new() } else { office(ended.people, "ended", ended.ended_on, None) }
        }
        _ => Vec::new(),
    })
}
