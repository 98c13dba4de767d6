//! Who is named: the registered persons that a statement's body links to, such as the pledger of a pledge or the holder
//! of a role. It owns no family: a kind of tomorrow with a link to a person is listed by its field.
//!
//! Not here: names that are only text (a nominee, a pledger whom nobody registered), because equal names are not one
//! person; and whoever signed, because a signature speaks for the organization, whose own list has it.

use gongkai_domain::{World, field::Shape, kind};
use serde_json::Value;

use crate::{
    event::PublicEvent,
    projection::{Change, Projection, ProjectionError, Table, Type::Int, Type::Text},
};

/// Family of the streams that are persons.
const FAMILY: &str = "person";

/// Persons by the statements that name them.
pub const NAMED_PERSONS: Table =
    Table { name: "named_persons", keys: 2, columns: &[("person", Text), ("entry_index", Int), ("stream", Text)] };

/// The projection.
pub struct NamedPersons;

impl Projection for NamedPersons {
    fn name(&self) -> &'static str {
        "named_persons"
    }

    fn version(&self) -> u32 {
        1
    }

    fn families(&self) -> &'static [&'static str] {
        &[]
    }

    fn apply(&self, event: &PublicEvent, _: &World) -> Result<Vec<Change>, ProjectionError> {
        let row = |person: String| {
            Change::new(&NAMED_PERSONS)
                .text("person", person)
                .int("entry_index", event.index)
                .text("stream", event.stream())
        };
        Ok(persons(event).into_iter().map(row).collect())
    }
}

/// The persons whom a statement names, each once; the statements of a person's own stream are about that person.
fn persons(event: &PublicEvent) -> Vec<String> {
    let statement = &event.statement;
    let fields = kind::find(&statement.kind).into_iter().flat_map(kind::Kind::body_fields);
    let links = fields.filter(|field| matches!(field.shape, Shape::Link(FAMILY)));
    let named = links.filter_map(|field| statement.body.get(field.name).and_then(Value::as_str).map(str::to_owned));
    let own = (statement.stream.family == FAMILY).then(|| event.stream().clone());
    let mut persons: Vec<String> = named.chain(own).collect();
    persons.sort_unstable();
    persons.dedup();
    persons
}
