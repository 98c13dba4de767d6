//! What every run begins with: a ledger with its registry, and signed statements to submit.
//!
//! It is made once, by a real ledger, because signing costs more than all else in a run; what a run does with it is its own.
//! Statements are cut so that their order matters: some continue others, some are of two authors at one revision, and two
//! register the same organization. For another conflict add a piece here.

use std::sync::{Arc, OnceLock};

use gongkai_domain::{Head, Submission, World};
use gongkai_log::SignedStatement;
use serde_json::json;

use super::rows::Rows;
use crate::{
    admission::{self, Admitted},
    event_store::{Batch, NewEntry},
    ledger::LedgerKeys,
    reader::parse_entry,
    testing::{COUNTY, Fixture, ORIGIN, ledger_keys, pledge},
};

/// Pledges that nothing else continues.
const PLEDGES: usize = 10;
/// Streams with several statements.
const STREAMS: usize = 3;
const BY: &[(&str, &str)] = &[("publisher", "丙")];
const BY_ANOTHER: &[(&str, &str)] = &[("publisher", "丁")];

/// The beginning of every run.
pub(super) struct Material {
    pub rows: Rows,
    pub world: World,
    pub keys: Arc<LedgerKeys>,
    /// What can be submitted.
    pub pieces: Vec<Admitted>,
}

/// See the module.
pub(super) fn material() -> &'static Material {
    static MATERIAL: OnceLock<Material> = OnceLock::new();
    MATERIAL.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        runtime.expect("a runtime").block_on(make())
    })
}

async fn make() -> Material {
    let mut fixture = Fixture::new().await;
    fixture.officers(&[("丙", COUNTY, "publisher"), ("丁", COUNTY, "publisher")]).await;
    let submissions = submissions(&mut fixture);
    let world = fixture.ledger.with_world(World::clone);
    let key = |name: &str| world.key(name).map(|key| key.verifier.clone());
    let pieces = submissions.into_iter().map(|submission| admission::admit(ORIGIN, submission, key).unwrap()).collect();
    let head = fixture.ledger.reader().head().await.unwrap();
    let entries = fixture.ledger.entries(0, head.size).await.unwrap().into_iter().map(|stored| {
        let entry = parse_entry(stored.index, stored.bytes.clone()).unwrap();
        let statement = &entry.content.statement().unwrap().statement;
        let stream = Some((statement.stream.to_string(), statement.revision));
        NewEntry { bytes: stored.bytes, stream, ..NewEntry::default() }
    });
    let mut rows = Rows::new();
    rows.append(Batch::of(0, entries.collect(), head), 0).unwrap();
    fixture.ledger.shutdown().await;
    Material { rows, world, keys: Arc::new(ledger_keys()), pieces }
}

fn submissions(fixture: &mut Fixture) -> Vec<Submission> {
    let mut pieces: Vec<_> = (0..PLEDGES).map(|number| fixture.opening(&pledge(COUNTY, number), BY)).collect();
    for number in 0..STREAMS {
        let made = fixture.opening(&pledge(COUNTY, PLEDGES + number), BY);
        let (stream, first) = place(&made);
        let progress = |percent: u64| {
            json!({"kind": "pledge.progressed.v1", "stream": stream, "org": COUNTY,
                "fields": {"percent": percent, "report": "已完成一部分(虚构)"}})
        };
        let one = fixture.following(&progress(30), first, BY);
        let other = fixture.following(&progress(40), first, BY_ANOTHER);
        let next = fixture.following(&progress(50), place(&one).1, BY_ANOTHER);
        pieces.extend([made, one, other, next]);
    }
    let town = json!({"kind": "organization.registered.v1", "org": COUNTY, "fields":
        {"code": format!("{COUNTY}101"), "level": "township", "name": "青禾镇(虚构)", "parent": COUNTY}});
    pieces.extend((0..2).map(|_| fixture.opening(&town, &[("registrar", "甲")])));
    pieces
}

/// The stream of a statement, and its place in it.
fn place(submission: &Submission) -> (String, Head) {
    let signed = SignedStatement::parse(&submission.note).unwrap();
    let head = Head { revision: signed.statement.revision, hash: signed.hash };
    (signed.statement.stream.to_string(), head)
}
