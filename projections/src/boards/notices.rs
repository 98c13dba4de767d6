//! Notices: type, period as stated, and whether an outcome was published.

use gongkai_domain::{
    World,
    kind::{Described, notice},
};

use super::{matter, read};
use crate::{
    event::PublicEvent,
    projection::{Change, Projection, ProjectionError},
};

/// The projection.
pub struct Notices;

impl Projection for Notices {
    fn name(&self) -> &'static str {
        "notices"
    }

    fn version(&self) -> u32 {
        1
    }

    fn families(&self) -> &'static [&'static str] {
        &["notice"]
    }

    fn apply(&self, event: &PublicEvent, world: &World) -> Result<Vec<Change>, ProjectionError> {
        let row = matter(event, world);
        let row = match event.statement.kind.as_str() {
            notice::Published::KIND => {
                let notice = read!(event, notice::Published);
                row.text("state", "open")
                    .text("category", notice.category.wire())
                    .maybe_day("starts_on", Some(notice.starts_on))
                    .maybe_int("days", notice.days)
                    .maybe_day("ends_on", notice.ends_on)
            }
            notice::Extended::KIND => {
                let ends_on = read!(event, notice::Extended).ends_on;
                row.maybe_day("ends_on", Some(ends_on)).flag("extended", true)
            }
            notice::Closed::KIND => row.text("state", "concluded"),
            notice::Withdrawn::KIND => row.text("state", "withdrawn"),
            _ => row,
        };
        Ok(vec![row])
    }
}
