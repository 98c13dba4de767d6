//! Posts, persons, keys and roles: who signs, for whom, since when. Calendars, rules and the ledger's
//! own events need no rows: readers fold them from the timeline into a `World`.

use gongkai_domain::{
    World,
    kind::{Described, ledger, registry, rotation},
};

use super::read;
use crate::{
    event::PublicEvent,
    projection::{Change, Projection, ProjectionError, Table, Type::Int, Type::Text},
};

/// Posts at organizations.
pub const POSTS: Table = Table {
    name: "posts",
    keys: 1,
    columns: &[("stream", Text), ("org", Text), ("title", Text), ("seats", Int), ("entry_index", Int)],
};

/// Persons by opaque id.
pub const PERSONS: Table = Table {
    name: "persons",
    keys: 1,
    columns: &[("stream", Text), ("org", Text), ("name", Text), ("post", Text), ("entry_index", Int)],
};

/// Keys that persons were authorized to use.
pub const KEYS: Table = Table {
    name: "keys",
    keys: 1,
    columns: &[
        ("stream", Text),
        ("name", Text),
        ("verifier", Text),
        ("person", Text),
        ("authorized_index", Int),
        ("revoked_index", Int),
        ("revoked_reason", Text),
    ],
};

/// Roles over time.
pub const ROLES: Table = Table {
    name: "roles",
    keys: 1,
    columns: &[
        ("stream", Text),
        ("person", Text),
        ("role", Text),
        ("org", Text),
        ("granted_index", Int),
        ("withdrawn_index", Int),
    ],
};

/// The projection.
pub struct Registry;

impl Projection for Registry {
    fn name(&self) -> &'static str {
        "registry"
    }

    fn version(&self) -> u32 {
        1
    }

    fn families(&self) -> &'static [&'static str] {
        &["post", "person", "key", "role", "calendar", "rule", "ledger"]
    }

    fn apply(&self, event: &PublicEvent, _: &World) -> Result<Vec<Change>, ProjectionError> {
        let org = event.statement.org.as_str();
        let row = |table| Change::new(table).text("stream", event.stream());
        Ok(match event.statement.kind.as_str() {
            registry::PostCreated::KIND => vec![
                row(&POSTS)
                    .text("org", org)
                    .maybe_text("title", event.text("title"))
                    .maybe_int("seats", read!(event, registry::PostCreated).seats)
                    .int("entry_index", event.index),
            ],
            registry::PersonRegistered::KIND => {
                let post = read!(event, registry::PersonRegistered).post;
                vec![
                    row(&PERSONS)
                        .text("org", org)
                        .maybe_text("name", event.text("name"))
                        .maybe_text("post", post.map(|post| post.0.to_string()))
                        .int("entry_index", event.index),
                ]
            }
            registry::KeyAuthorized::KIND => {
                let key = read!(event, registry::KeyAuthorized);
                vec![
                    row(&KEYS)
                        .text("name", key.key.0.split('+').next().unwrap_or_default())
                        .text("verifier", key.key.0.as_str())
                        .text("person", key.person.0.to_string())
                        .int("authorized_index", event.index),
                ]
            }
            registry::KeyRevoked::KIND => {
                let reason = read!(event, registry::KeyRevoked).reason;
                vec![row(&KEYS).int("revoked_index", event.index).text("revoked_reason", reason.wire())]
            }
            registry::RoleGranted::KIND => {
                let granted = read!(event, registry::RoleGranted);
                vec![
                    row(&ROLES)
                        .text("person", granted.person.0.to_string())
                        .text("role", granted.role.wire())
                        .text("org", org)
                        .int("granted_index", event.index),
                ]
            }
            registry::RoleWithdrawn::KIND => vec![row(&ROLES).int("withdrawn_index", event.index)],
            ledger::Created::KIND => first_keys(event, &read!(event, ledger::Created)),
            // Under the one name there is one key at a time.
            rotation::KeyRotated::KIND => vec![
                Change::new(&KEYS)
                    .text("stream", format!("{}#{LOG_KEY_PLACE}", event.statement.stream))
                    .text("verifier", read!(event, rotation::KeyRotated).new_key.0)
                    .int("authorized_index", event.index),
            ],
            _ => Vec::new(),
        })
    }
}

/// Place of the log key among those that the genesis brings.
const LOG_KEY_PLACE: usize = 0;

/// The keys that the genesis brings have no stream of their own; their place in it stands for one.
fn first_keys(event: &PublicEvent, created: &ledger::Created) -> Vec<Change> {
    let own = [&created.log_key, &created.intake_key, &created.recovery_key].map(|key| (key, None));
    let registrars = created.registrars.iter().map(|first| (&first.key, Some(first.person.0.to_string())));
    own.into_iter()
        .chain(registrars)
        .enumerate()
        .map(|(place, (key, person))| {
            Change::new(&KEYS)
                .text("stream", format!("{}#{place}", event.statement.stream))
                .text("name", key.0.split('+').next().unwrap_or_default())
                .text("verifier", key.0.as_str())
                .maybe_text("person", person)
                .int("authorized_index", event.index)
        })
        .collect()
}
