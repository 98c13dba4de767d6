//! 总目: the root of the map over all statements, said by the ledger itself at an interval.
//!
//! What the map is and how something is proven by it: [`gongkai_log::map`]. Each root is a stream of its own, so that no
//! ledger grows old by the length of one stream; roots count in the map like every statement. That a root is the right one
//! is found out by whoever replays the log ([`gongkai_log::Authority::map_root`]), not judged here.

use gongkai_log::{MapRoot, Statement, TreeHash};
use serde_json::{Value, json};

use super::{Payload, body, payload, sample_stream};
use crate::{
    event::{Context, Proposal, Recorded},
    field::ListRule,
    refusal::Refusal,
    world::Role,
};

payload! {
    /// The map as of a size.
    Rooted = "map.rooted.v1" "总目登记";
    body {
        size: u64 = "算到第几条之前",
        root: TreeHash = "总目的根",
    }
    slots {}
    list ListRule::None;
    authors &[Role::Intake];
}

/// State of a root's stream: it is said once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Map;

impl Payload for Rooted {
    type State = Map;
    const OPENS: bool = true;

    fn decide(&self, _: &Map, _: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn evolve(self, state: Map, _: &Recorded<'_>) -> Map {
        state
    }

    fn sample() -> Value {
        json!({"kind": "map.rooted.v1", "stream": sample_stream("map", 1), "org": "341599", "fields": {
            "size": 1_204, "root": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}})
    }
}

/// The root that a statement says, if it says one.
pub fn rooted(statement: &Statement) -> Option<MapRoot> {
    let said = body::<Rooted>(&statement.kind, &statement.body)?;
    Some(MapRoot { size: said.size, root: said.root })
}
