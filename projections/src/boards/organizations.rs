//! Organizations over time: names, the one above, and what became of those that ended.
//!
//! The ancestors of each organization are stored, so that a subtree filter is an index lookup. An
//! organization that went up in another one counts below that one too: its matters are the
//! successor's history. A split organization stays where it was, because its past belongs to no one
//! of its successors.

use std::collections::{BTreeMap, VecDeque};

use gongkai_domain::{
    World,
    kind::{Described, registry},
};

use super::read;
use crate::{
    event::PublicEvent,
    projection::{Change, Projection, ProjectionError, Table, Type::Int, Type::Text},
};

/// Most ancestors of one organization; the deepest real chain has about ten.
const ANCESTORS_MAX: usize = 64;

/// Organizations by code.
pub const ORGANIZATIONS: Table = Table {
    name: "organizations",
    keys: 1,
    columns: &[
        ("code", Text),
        ("stream", Text),
        ("level", Text),
        ("parent", Text),
        ("since", Text),
        ("registered_index", Int),
        ("registered_on", Text),
        ("ended", Text),
        ("ended_on", Text),
        ("ended_index", Int),
    ],
};

/// Names over time.
pub const NAMES: Table = Table {
    name: "organization_names",
    keys: 2,
    columns: &[("code", Text), ("entry_index", Int), ("stream", Text), ("name", Text), ("from_on", Text)],
};

/// Successors.
pub const RELATIONS: Table = Table {
    name: "organization_relations",
    keys: 2,
    columns: &[
        ("code", Text),
        ("other", Text),
        ("stream", Text),
        ("how", Text),
        ("effective_on", Text),
        ("entry_index", Int),
    ],
};

/// Every organization with itself and all above it.
pub const ANCESTORS: Table = Table {
    name: "organization_ancestors",
    keys: 2,
    columns: &[("ancestor", Text), ("code", Text), ("stream", Text), ("depth", Int)],
};

/// The projection.
pub struct Organizations;

impl Projection for Organizations {
    fn name(&self) -> &'static str {
        "organizations"
    }

    fn version(&self) -> u32 {
        1
    }

    fn families(&self) -> &'static [&'static str] {
        &["organization"]
    }

    fn apply(&self, event: &PublicEvent, world: &World) -> Result<Vec<Change>, ProjectionError> {
        let org = event.statement.org.as_str();
        Ok(match event.statement.kind.as_str() {
            registry::OrganizationRegistered::KIND => registered(event, world)?,
            registry::OrganizationRenamed::KIND => {
                let renamed = read!(event, registry::OrganizationRenamed);
                vec![named(event, org).maybe_day("from_on", Some(renamed.effective_on))]
            }
            registry::OrganizationMerged::KIND => {
                let merged = read!(event, registry::OrganizationMerged);
                let mut rows = ended(event, "merged", merged.effective_on, &[merged.into]);
                // Its own subtree now lies below the successor, too.
                let below: Vec<&str> =
                    world.organizations().map(|(code, _)| code).filter(|code| world.is_within(code, org)).collect();
                rows.extend(below.into_iter().flat_map(|code| ancestors(code, world)));
                rows
            }
            registry::OrganizationSplit::KIND => {
                let split = read!(event, registry::OrganizationSplit);
                ended(event, "split", split.effective_on, &split.into)
            }
            registry::OrganizationDissolved::KIND => {
                let dissolved = read!(event, registry::OrganizationDissolved);
                ended(event, "dissolved", dissolved.effective_on, &[])
            }
            _ => Vec::new(),
        })
    }
}

fn registered(event: &PublicEvent, world: &World) -> Result<Vec<Change>, ProjectionError> {
    let registered = read!(event, registry::OrganizationRegistered);
    let code = registered.code.0.as_str();
    let row = Change::new(&ORGANIZATIONS)
        .text("code", code)
        .text("stream", event.stream())
        .text("level", registered.level.wire())
        .maybe_text("parent", registered.parent.as_ref().map(|parent| parent.0.as_str()))
        .maybe_day("since", registered.since)
        .int("registered_index", event.index)
        .text("registered_on", event.declared_on().to_string());
    let mut rows = vec![row, named(event, code)];
    rows.extend(ancestors(code, world));
    Ok(rows)
}

fn named(event: &PublicEvent, code: &str) -> Change {
    Change::new(&NAMES)
        .text("code", code)
        .int("entry_index", event.index)
        .text("stream", event.stream())
        .maybe_text("name", event.text("name"))
}

fn ended(
    event: &PublicEvent,
    how: &str,
    on: chrono::NaiveDate,
    into: &[gongkai_domain::field::OrgCode],
) -> Vec<Change> {
    let code = event.statement.org.as_str();
    let row = Change::new(&ORGANIZATIONS)
        .text("code", code)
        .text("stream", event.stream())
        .text("ended", how)
        .text("ended_on", on.to_string())
        .int("ended_index", event.index);
    let relation = |other: &gongkai_domain::field::OrgCode| {
        Change::new(&RELATIONS)
            .text("code", code)
            .text("other", other.0.as_str())
            .text("stream", event.stream())
            .text("how", how)
            .text("effective_on", on.to_string())
            .int("entry_index", event.index)
    };
    std::iter::once(row).chain(into.iter().map(relation)).collect()
}

/// The code itself, all above it, and those that it or one above it went up in.
fn ancestors(code: &str, world: &World) -> Vec<Change> {
    let Some(organization) = world.organization(code) else { return Vec::new() };
    let stream = organization.stream.to_string();
    let row = |(ancestor, depth): (&str, i64)| {
        Change::new(&ANCESTORS)
            .text("ancestor", ancestor)
            .text("code", code)
            .text("stream", stream.as_str())
            .int("depth", depth)
    };
    ancestor_codes(code, world).into_iter().map(row).collect()
}

/// Nearest first by breadth, so each depth is the least one; bounded, so a loop cannot hang us.
pub(crate) fn ancestor_codes<'w>(code: &'w str, world: &'w World) -> BTreeMap<&'w str, i64> {
    let mut found = BTreeMap::from([(code, 0)]);
    let mut queue = VecDeque::from([(code, 0_i64)]);
    while let Some((code, depth)) = queue.pop_front() {
        let Some(organization) = world.organization(code) else { continue };
        let merged = organization.ended.as_ref().filter(|ended| ended.successors.len() == 1);
        let above = organization.parent.iter().chain(merged.iter().flat_map(|ended| &ended.successors));
        for next in above {
            if found.len() < ANCESTORS_MAX && !found.contains_key(next.as_str()) {
                found.insert(next.as_str(), depth + 1);
                queue.push_back((next.as_str(), depth + 1));
            }
        }
    }
    found
}
