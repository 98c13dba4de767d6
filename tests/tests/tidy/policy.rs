//! Who sees which field and who may call which endpoint, as golden lists: made by asking the policy, not by repeating it.
//!
//! One person a role asks, registered in another county, so that nothing but the role speaks for them; and the people
//! who have no role. A new kind, field, role or endpoint is found by itself; a new way of being related to a matter is
//! a line in [`askers`].

use std::collections::BTreeMap;
use std::fmt::Write as _;

use gongkai_api::http::{api, internal};
use gongkai_domain::confidentiality::{Callers, Matter, Reader, clear};
use gongkai_domain::event::Recorded;
use gongkai_domain::field::Place;
use gongkai_domain::kind::access::Purpose;
use gongkai_domain::{KINDS, Kind, Role, World};
use gongkai_log::{Digest, Signer, Statement, StreamId, Tier};
use gongkai_tests::ledger::{COUNTY, ORIGIN, key, stream};
use serde_json::{Value, json};

use crate::golden;

/// The organization that the matters are of.
const HERE: &str = COUNTY;
/// One that has nothing to do with it.
const ELSEWHERE: &str = "999999";

fn id(family: &str, number: u32) -> StreamId {
    stream(family, number).parse().unwrap()
}

/// Folds an event of the registry into a world.
fn say(world: &mut World, kind: &str, stream: StreamId, org: &str, body: Value) {
    let Value::Object(body) = body else { panic!("a body is an object") };
    let statement = Statement {
        origin: ORIGIN.into(),
        kind: kind.into(),
        stream,
        revision: 0,
        parent: None,
        org: org.into(),
        declared_at: "2026-03-10T09:12:00+08:00".parse().unwrap(),
        signers: vec![Signer { role: "registrar".into(), key: "registrar.example/1".into() }],
        proxy: None,
        body,
        slots: Digest::ZERO,
    };
    let recorded_at = statement.declared_at.to_utc();
    world.evolve(&Recorded { index: 0, recorded_at, statement: &statement, hash: Digest::ZERO, values: None });
}

/// Registers a person with a key, and a role here if one is given.
fn register(world: &mut World, number: u32, at: &str, role: Option<Role>) -> Reader {
    let (person, name) = (id("person", number), format!("person{number}.example/1"));
    say(world, "person.registered.v1", person.clone(), at, json!({}));
    let vkey = key(&name).verifier().to_string();
    say(world, "key.authorized.v1", id("key", number), at, json!({"person": person, "key": vkey}));
    if let Some(role) = role {
        let grant = json!({"person": person, "role": role.wire(), "avoidance_declared": true});
        say(world, "role.granted.v1", id("role", number), HERE, grant);
    }
    Reader::of_key(&name, world).unwrap()
}

/// A world, and who asks in it: one a role, then people without one.
fn askers() -> (World, Vec<(&'static str, Reader)>) {
    let mut world = World::default();
    for (number, code) in (1..).zip([HERE, ELSEWHERE]) {
        let body = json!({"code": code, "level": "county"});
        say(&mut world, "organization.registered.v1", id("organization", number), code, body);
    }
    let roles = Role::ALL.iter().copied().filter(|role| !role.is_ledger());
    let mut asking: Vec<_> = (1..)
        .zip(roles)
        .map(|(number, role)| (role.wire(), register(&mut world, number, ELSEWHERE, Some(role))))
        .collect();
    for (number, (word, at)) in (100..).zip([("(of-unit)", HERE), ("(elsewhere)", ELSEWHERE), ("(author)", ELSEWHERE)])
    {
        asking.push((word, register(&mut world, number, at, None)));
    }
    (world, asking)
}

/// Who sees a tier of a kind; nobody whom it concerns ever does.
fn seen_by(world: &World, asking: &[(&'static str, Reader)], kind: &'static Kind, tier: Tier) -> String {
    let stream = id(kind.family(), 1);
    let (_, author) = asking.last().unwrap();
    let sees = |reader: &Reader, purpose: Purpose, concerns: &[StreamId]| {
        let author = Some(author.person());
        let matter = Matter { stream: &stream, revision: 0, kind, org: HERE, tier, concerns, author };
        clear(reader, purpose, &matter, world).is_some()
    };
    let mut words = Vec::new();
    for (word, reader) in asking {
        let concerned = Purpose::ALL.iter().any(|purpose| sees(reader, *purpose, &[reader.person().clone()]));
        assert!(!concerned, "{} {tier}: {word} reads what concerns them", kind.name);
        let purposes: Vec<&str> =
            Purpose::ALL.iter().filter(|purpose| sees(reader, **purpose, &[])).map(|purpose| purpose.wire()).collect();
        match purposes.len() {
            0 => {}
            all if all == Purpose::ALL.len() => words.push((*word).to_owned()),
            _ => words.push(format!("{word}:{}", purposes.join("+"))),
        }
    }
    if words.len() == asking.len() { "every registered person".into() } else { words.join(" ") }
}

fn readers() -> String {
    let mut out = String::from(
        "# kind\tfield\ttier\twho sees it. A role counts at the organization or above it; role:purpose sees it for that\n\
         # purpose only. Fields that are not listed are public; nobody sees what concerns them.\n",
    );
    let (world, asking) = askers();
    for kind in KINDS {
        let columns = kind.list.shapes().into_iter().flat_map(|list| {
            list.columns.iter().map(|column| (format!("{}[].{}", list.name, column.name), column.tier))
        });
        let slots = kind.fields.iter().filter_map(|field| match field.place {
            Place::Slot(tier) => Some((field.name.to_owned(), tier)),
            Place::Body => None,
        });
        for (name, tier) in slots.chain(columns).filter(|(_, tier)| *tier != Tier::Public) {
            writeln!(out, "{}\t{name}\t{tier}\t{}", kind.name, seen_by(&world, &asking, kind, tier)).unwrap();
        }
    }
    out
}

fn endpoints() -> String {
    let mut out = String::from(
        "# endpoint of the internal listener\twho may call it\twhat it is for others. Everything else of that listener is public.\n",
    );
    let (world, asking) = askers();
    let writing = api::endpoints().into_iter().filter(|endpoint| endpoint.writes);
    let writing = writing.map(|endpoint| (endpoint, Callers::Anyone, "-".to_owned()));
    let doors = internal::doors().into_iter().map(|door| (door.endpoint, door.callers, format!("{:?}", door.unseen)));
    for (endpoint, callers, unseen) in writing.chain(doors) {
        let may: Vec<&str> =
            asking.iter().filter(|(_, reader)| callers.admit(Some(reader), &world)).map(|(word, _)| *word).collect();
        let may = match may.len() {
            _ if callers.admit(None, &world) => "anyone".to_owned(),
            all if all == asking.len() => "everybody signed in".to_owned(),
            _ => may.join(" "),
        };
        let unseen = if may == "anyone" { "-".to_owned() } else { unseen.to_lowercase() };
        writeln!(out, "{} {}\t{may}\t{unseen}", endpoint.method.to_uppercase(), endpoint.path).unwrap();
    }
    out
}

#[test]
fn who_reads_what_is_not_public_changes_only_before_everybodys_eyes() {
    golden("readers.txt", &readers());
}

#[test]
fn who_may_call_which_endpoint_changes_only_before_everybodys_eyes() {
    golden("endpoints.txt", &endpoints());
}

#[test]
fn no_kind_gives_its_contents_to_those_who_keep_the_registry_or_the_machines() {
    let blind = [Role::Registrar, Role::Operator, Role::Log, Role::Intake, Role::Recovery];
    let found: BTreeMap<&str, _> = KINDS
        .iter()
        .filter(|kind| kind.named_readers.iter().any(|role| blind.contains(role)))
        .map(|kind| (kind.name, kind.named_readers))
        .collect();
    assert!(found.is_empty(), "the policy would not let them read anyway, and the kind says otherwise: {found:?}");
}
