//! Supervision and its public clock.

use serde_json::{Value, json};

use super::ledger::{COUNTY, Ledger, TOWNSHIP, VILLAGE, refused, sample, with};

fn answer(stream: &str, fields: &Value) -> Value {
    with(sample("supervision.answered.v1", VILLAGE, Some(stream)), fields)
}

#[test]
fn an_organization_supervises_those_below_it_only() {
    let mut ledger = Ledger::new();
    ledger.at("2026-03-20");
    let issued = sample("supervision.issued.v1", COUNTY, None);
    assert_eq!(refused(ledger.county(&with(issued.clone(), &json!({"to": COUNTY})))), "field");
    let mut upward = with(issued.clone(), &json!({"to": TOWNSHIP}));
    upward["org"] = json!(VILLAGE);
    assert_eq!(refused(ledger.village(&upward)), "field");
    assert_eq!(refused(ledger.county(&with(issued.clone(), &json!({"due_on": "2026-03-19"})))), "field");
    ledger.county(&issued).unwrap();
}

#[test]
fn the_clock_runs_until_it_is_done_or_explained() {
    let mut ledger = Ledger::new();
    ledger.at("2026-03-20");
    let stream = ledger.county(&sample("supervision.issued.v1", COUNTY, None)).unwrap();
    assert_eq!(ledger.due(&stream), Some(("回复督办", "2026-03-31".into())));
    assert_eq!(ledger.dues(&stream)[0].days_over("2026-04-02".parse().unwrap()), 2);
    ledger.at("2026-03-28");
    ledger.village(&answer(&stream, &json!({"result": "partly"}))).unwrap();
    assert!(ledger.due(&stream).is_some());
    assert_eq!(refused(ledger.village(&answer(&stream, &json!({"result": "not_now"})))), "field");
    let explained = json!({"result": "not_now", "explanation": "账目正在核对，四月中旬补报"});
    ledger.village(&answer(&stream, &explained)).unwrap();
    assert_eq!(ledger.due(&stream), None);
    assert_eq!(refused(ledger.village(&answer(&stream, &json!({})))), "state");
}

#[test]
fn a_secretary_sets_a_day_about_an_overdue_matter_and_only_the_overseen_stop_the_clock() {
    let mut ledger = Ledger::new();
    ledger.organization("341599102", "township", Some(COUNTY)).unwrap();
    ledger.person("neighbour", 41);
    ledger.role("neighbour", "publisher", "341599102").unwrap();
    let mut pledge = sample("pledge.made.v1", VILLAGE, None);
    pledge["fields"]["due"] = json!("2026-03-15");
    let pledge = ledger.village(&pledge).unwrap();
    ledger.at("2026-03-20");
    let issued = with(sample("supervision.issued.v1", COUNTY, None), &json!({"about": pledge}));
    assert_eq!(refused(ledger.say(&issued, &[("supervisor", "super1")])), "wrong_author");
    let stream = ledger.say(&issued, &[("approver", "chief")]).unwrap();
    ledger.at("2026-03-28");
    let elsewhere = sample("supervision.answered.v1", "341599102", Some(&stream));
    assert_eq!(refused(ledger.say(&elsewhere, &[("publisher", "neighbour")])), "field");
    assert!(ledger.due(&stream).is_some());
    ledger.village(&answer(&stream, &json!({}))).unwrap();
    assert_eq!(ledger.due(&stream), None);
}
