//! What is promised to be opened is opened, erased, or named as overdue: by anyone for public statements, with the vault for
//! sealed events.

use chrono::NaiveDate;
use gongkai_domain::{
    audit::{self, Auditor, Evidence},
    audit_sealed,
    kind::opening::Proof,
};
use gongkai_log::{Digest, Entry, List, Options, fsck, slot};
use serde_json::{Value, json};

use super::helpers::verifies;
use crate::{
    DirectoryFetch, Promised, Receipt, sealed_audit,
    testing::{COUNTY, Fixture, ledger_keys, pledge},
};

const BOTH: &[(&str, &str)] = &[("approver", "丁"), ("publisher", "丙")];
const ERASERS: &[(&str, &str)] = &[("approver", "丁"), ("registrar", "甲")];
const VACANCY: &str = "vacancy/018f0000-0000-7000-8000-0000000000aa";

async fn town() -> Fixture {
    let mut fixture = Fixture::with_vault().await;
    fixture.publisher("丙", COUNTY).await;
    fixture.officer("丁", COUNTY, "approver").await;
    fixture
}

/// A public statement that promises to open what of it is sealed.
async fn promising_pledge(fixture: &mut Fixture, number: usize, on: &str) -> Receipt {
    let mut command = pledge(COUNTY, number);
    command["fields"]["contact"] = json!("村委会值班室(虚构)");
    command["fields"]["scheduled_openings"] = json!([{"field": "contact", "on": on}]);
    fixture.submit(&command, &[("publisher", "丙")]).await.unwrap()
}

/// A sealed shortlist that promises to open its ground.
async fn promising_shortlist(fixture: &mut Fixture, on: &str) -> Promised {
    let announced = json!({"kind": "vacancy.announced.v1", "stream": VACANCY, "org": COUNTY, "fields": {
        "scope": "everyone", "opens_on": "2026-03-02", "closes_on": "2026-03-13", "title": "空缺职位(虚构)",
        "lines": [{"post": "副镇长", "unit": "柳溪镇", "seats": 1}]}});
    fixture.submit(&announced, &[("publisher", "丙")]).await.unwrap();
    let withdrawn =
        json!({"kind": "vacancy.withdrawn.v1", "stream": VACANCY, "org": COUNTY, "fields": {"reason": "调整(虚构)"}});
    fixture.submit(&withdrawn, &[("publisher", "丙")]).await.unwrap();
    let shortlist = json!({"kind": "vacancy.shortlisted.v1", "org": COUNTY, "fields": {
        "vacancy": VACANCY, "post": 0, "decided_on": "2026-03-02", "basis": "部务会研究(虚构)",
        "people": [{"name": "叶青田(虚构)"}], "scheduled_openings": [{"field": "basis", "on": on}]}});
    let promised = fixture.seal(&shortlist, &[("publisher", "丙")]).await.unwrap();
    fixture.ledger.end_period().await.unwrap();
    promised
}

fn opened(entry: u64, slot: u8, opened: &Value) -> Value {
    json!({"kind": "slot.opened.v1", "org": COUNTY, "fields": {
        "entry": entry, "slot_number": slot, "opened": opened, "reason": "按启封安排启封(虚构)"}})
}

/// The opening of the one sealed slot of a public entry.
async fn opening_of(fixture: &Fixture, entry: u64) -> Value {
    let values = fixture.ledger.sealed_reader().unwrap().values_of(entry).await.unwrap().unwrap();
    let [(number, tier, found)] = values.slots.as_slice() else { panic!("{values:?}") };
    let stored = fixture.ledger.entry(entry).await.unwrap().unwrap();
    let path = slot::path(&stored.openings.unwrap().commitments, *number);
    let (salt, name, value) = (Digest::from_bytes(found.salt), found.name.clone(), found.value.clone());
    opened(entry, *number, &json!(Proof { salt, name, tier: *tier, value, path, event: None }))
}

/// The opening of a field of a sealed event.
async fn opening_of_event(fixture: &Fixture, promised: &Promised, field: &str) -> Value {
    let event = fixture.ledger.sealed_reader().unwrap().by_commitment(&promised.commitment).await.unwrap().unwrap();
    let (place, content) = (event.proof().unwrap(), event.opened.unwrap());
    let (number, tier, found) = content.slots.iter().find(|(_, _, found)| found.name == field).unwrap();
    let proof = json!({
        "salt": Digest::from_bytes(found.salt), "name": field, "tier": tier, "value": found.value,
        "path": slot::path(&event.row.commitments, *number),
        "event": {"note": content.signed.note.to_string(), "salt": Digest::from_bytes(content.salt),
            "leaf": place.leaf, "path": place.path}});
    opened(place.index, *number, &proof)
}

fn erasure(what: &Value) -> Value {
    let mut fields =
        json!({"basis": "personal_data", "reason": "当事人要求(虚构)", "appeal": "可向县公开办提出(虚构)"});
    fields.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
    json!({"kind": "erasure.ordered.v1", "org": COUNTY, "fields": fields})
}

/// What an auditor reads besides the log.
struct Entries(Vec<Entry>);

impl Evidence for Entries {
    fn list(&self, _: &Digest) -> Option<List> {
        None
    }

    fn entry(&self, index: u64) -> Option<Entry> {
        self.0.get(usize::try_from(index).ok()?).cloned()
    }
}

/// The entries that anyone finds overdue on a day, from what is published.
async fn overdue(fixture: &Fixture, today: &str) -> Vec<u64> {
    let size = verifies(fixture).await.size;
    let mut entries = Vec::new();
    for index in 0..size {
        entries.push(Entry::parse(fixture.ledger.entry(index).await.unwrap().unwrap().bytes).unwrap());
    }
    let (fetch, log) = (DirectoryFetch::new(fixture.layout().log()), ledger_keys().log.verifier());
    let today: NaiveDate = today.parse().unwrap();
    let findings = tokio::task::spawn_blocking(move || {
        let mut auditor = Auditor::new(&log, Entries(entries));
        let options = Options { threads: 1, check_openings: true, ..Options::default() };
        fsck(&fetch, &mut auditor, &log, &options).unwrap();
        auditor.finish(today)
    });
    let findings = findings.await.unwrap();
    let overdue = findings.iter().filter(|finding| finding.category == audit::Category::OverdueOpening);
    overdue
        .inspect(|finding| {
            assert!(!finding.category.is_breach() && !finding.sentence.contains("值班室"), "{finding:?}");
        })
        .map(|finding| finding.index)
        .collect()
}

/// What the audit with the vault finds overdue at a time.
async fn overdue_sealed(fixture: &Fixture, now: &str) -> Vec<audit_sealed::Finding> {
    let (store, vault) = (fixture.ledger.reader(), fixture.ledger.vault().unwrap());
    let report = sealed_audit::run(store, vault, now.parse().unwrap(), &|_, _| ()).await.unwrap();
    assert!(report.findings.iter().all(|finding| !finding.category.is_breach()), "{:?}", report.findings);
    assert!(!format!("{:?}", report.findings).contains("部务会"));
    report.findings.into_iter().filter(|finding| finding.category == audit_sealed::Category::Opening).collect()
}

#[tokio::test]
async fn an_opening_that_was_promised_in_public_is_overdue_for_anyone_unless_it_was_made_or_erased() {
    let mut fixture = town().await;
    let mut promised = Vec::new();
    for (number, on) in [(1, "2026-04-01"), (2, "2026-04-01"), (3, "2026-04-01"), (4, "2026-05-01")] {
        promised.push(promising_pledge(&mut fixture, number, on).await.index);
    }
    let opening = opening_of(&fixture, promised[1]).await;
    let made = fixture.submit(&opening, BOTH).await.unwrap();
    fixture.submit(&erasure(&json!({"entry": promised[2]})), ERASERS).await.unwrap();
    assert_eq!(overdue(&fixture, "2026-04-01").await, [] as [u64; 0]);
    assert_eq!(overdue(&fixture, "2026-04-02").await, [promised[0]]);
    assert_eq!(overdue(&fixture, "2026-05-02").await, [promised[0], promised[3]]);
    // What was opened stays opened when the opening is lawfully taken down.
    let stored = fixture.ledger.entry(made.index).await.unwrap().unwrap();
    let slot = stored.openings.unwrap().open.iter().find(|open| open.name == "opened").unwrap().slot;
    let withdrawal = json!({"kind": "slot.withdrawn.v1", "org": COUNTY, "fields": {"entry": made.index,
        "slot_numbers": [slot], "basis": "personal_data", "reason": "当事人要求(虚构)", "appeal": "无(虚构)"}});
    fixture.submit(&withdrawal, &[("publisher", "丙"), ("registrar", "甲")]).await.unwrap();
    assert_eq!(overdue(&fixture, "2026-04-02").await, [promised[0]]);
}

#[tokio::test]
async fn an_opening_that_a_sealed_event_promises_is_overdue_for_the_vault_and_for_nobody_else() {
    let mut fixture = town().await;
    let promised = promising_shortlist(&mut fixture, "2026-04-01").await;
    assert_eq!(overdue_sealed(&fixture, "2026-04-01T15:59:59Z").await, []);
    let found = overdue_sealed(&fixture, "2026-04-01T16:00:00Z").await;
    let event = fixture.ledger.sealed_reader().unwrap().by_commitment(&promised.commitment).await.unwrap().unwrap();
    let place = event.proof().unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].sealed_event, Some(event.seq));
    assert!(found[0].sentence.contains(&format!("第 {} 号条目第 {} 号叶子", place.index, place.leaf)), "{found:?}");
    assert_eq!(overdue(&fixture, "2027-01-01").await, [] as [u64; 0], "nothing public tells of it");
    let opening = opening_of_event(&fixture, &promised, "basis").await;
    fixture.submit(&opening, BOTH).await.unwrap();
    assert_eq!(overdue_sealed(&fixture, "2026-04-02T01:00:00Z").await, []);
    verifies(&fixture).await;
}

#[tokio::test]
async fn an_opening_of_another_slot_keeps_no_promise_and_an_erasure_ends_it() {
    let mut fixture = town().await;
    let promised = promising_shortlist(&mut fixture, "2026-04-01").await;
    let other = opening_of_event(&fixture, &promised, "decided_on").await;
    fixture.submit(&other, BOTH).await.unwrap();
    assert_eq!(overdue_sealed(&fixture, "2026-04-02T01:00:00Z").await.len(), 1);
    fixture.submit(&erasure(&json!({"commitment": promised.commitment})), ERASERS).await.unwrap();
    assert_eq!(overdue_sealed(&fixture, "2026-04-02T01:00:00Z").await, []);
}
