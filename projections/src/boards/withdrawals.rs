//! Withdrawals (撤回留痕): which slot or line of which entry, by whom, on which basis. The reason and
//! the way to appeal are in the timeline's row. The value itself is removed by the follower, which
//! folds the target's stream again without it.

use gongkai_domain::{
    World,
    kind::{Described, slot},
};

use super::read;
use crate::{
    event::PublicEvent,
    projection::{Change, Projection, ProjectionError, Table, Type::Int, Type::Text},
};

/// Withdrawn slots and lines.
pub const WITHDRAWALS: Table = Table {
    name: "withdrawals",
    keys: 3,
    columns: &[
        ("entry_index", Int),
        ("place", Text),
        ("number", Int),
        ("stream", Text),
        ("target_index", Int),
        ("org", Text),
        ("basis", Text),
    ],
};

/// The projection.
pub struct Withdrawals;

impl Projection for Withdrawals {
    fn name(&self) -> &'static str {
        "withdrawals"
    }

    fn version(&self) -> u32 {
        1
    }

    fn families(&self) -> &'static [&'static str] {
        &["slot"]
    }

    fn apply(&self, event: &PublicEvent, _: &World) -> Result<Vec<Change>, ProjectionError> {
        if event.statement.kind != slot::Withdrawn::KIND {
            return Ok(Vec::new());
        }
        let withdrawn = read!(event, slot::Withdrawn);
        let row = |place: &str, number: u64| {
            Change::new(&WITHDRAWALS)
                .int("entry_index", event.index)
                .text("place", place)
                .int("number", number)
                .text("stream", event.stream())
                .int("target_index", withdrawn.entry)
                .text("org", event.statement.org.as_str())
                .text("basis", withdrawn.basis.wire())
        };
        let slots = withdrawn.slots().iter().map(|number| row("slot", *number));
        Ok(slots.chain(withdrawn.lines().iter().map(|number| row("line", *number))).collect())
    }
}
