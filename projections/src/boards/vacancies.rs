//! Vacancies: a batch, its window, and its posts with totals. Never votes per name.

use gongkai_domain::{
    World,
    kind::{Described, vacancy},
};

use super::{matter, read};
use crate::{
    event::PublicEvent,
    projection::{Change, Projection, ProjectionError, Table, Type::Int, Type::Text},
};

/// Posts of a batch; what they are is in the lines of the announcement.
pub const VACANT_POSTS: Table = Table {
    name: "vacant_posts",
    keys: 2,
    columns: &[
        ("stream", Text),
        ("line", Int),
        ("announced", Int),
        ("received", Int),
        ("valid", Int),
        ("recommended", Int),
        ("filled_on", Text),
        ("filled_index", Int),
    ],
};

/// The projection.
pub struct Vacancies;

impl Projection for Vacancies {
    fn name(&self) -> &'static str {
        "vacancies"
    }

    fn version(&self) -> u32 {
        1
    }

    fn families(&self) -> &'static [&'static str] {
        &["vacancy"]
    }

    fn apply(&self, event: &PublicEvent, world: &World) -> Result<Vec<Change>, ProjectionError> {
        let row = matter(event, world);
        let post = |line: u64| Change::new(&VACANT_POSTS).text("stream", event.stream()).int("line", line);
        let (row, posts) = match event.statement.kind.as_str() {
            vacancy::Announced::KIND => {
                let announced = read!(event, vacancy::Announced);
                let row = row
                    .text("state", "open")
                    .text("category", announced.scope.wire())
                    .maybe_day("starts_on", Some(announced.opens_on))
                    .maybe_day("ends_on", Some(announced.closes_on));
                (row, event.lines().iter().map(|line| post(line.line).flag("announced", true)).collect())
            }
            vacancy::Closed::KIND => (row.text("state", "closed"), Vec::new()),
            vacancy::Tallied::KIND => {
                let totals = read!(event, vacancy::Tallied).totals;
                let posts = totals.into_iter().map(|total| {
                    post(total.post)
                        .int("received", total.received)
                        .int("valid", total.valid)
                        .int("recommended", total.recommended)
                });
                (row.text("state", "tallied"), posts.collect())
            }
            vacancy::Filled::KIND => {
                let filled = read!(event, vacancy::Filled);
                let post =
                    post(filled.post).maybe_day("filled_on", Some(filled.filled_on)).int("filled_index", event.index);
                (row.maybe_text("names", event.text("person")), vec![post])
            }
            vacancy::Withdrawn::KIND => (row.text("state", "withdrawn"), Vec::new()),
            _ => (row, Vec::new()),
        };
        Ok(std::iter::once(row).chain(posts).collect())
    }
}
