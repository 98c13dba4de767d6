//! Objections to nominations and notices.

use gongkai_domain::{kind::objection::State, rules::RuleCode};
use serde_json::{Value, json};

use super::ledger::{COUNTY, Ledger, VILLAGE, by_proxy, refused, sample, with};

const INTAKE: [(&str, &str); 1] = [("intake", "intake")];
const CHIEF: [(&str, &str); 1] = [("approver", "chief")];

fn nomination(ledger: &mut Ledger) -> String {
    ledger.at("2026-04-21");
    ledger.county(&sample("nomination.announced.v1", COUNTY, None)).unwrap()
}

fn objection(nomination: &str) -> Value {
    let fields = json!({"nomination": nomination});
    let mut command = with(sample("nomination.objected.v1", COUNTY, None), &fields);
    command["fields"].as_object_mut().unwrap().remove("concerns");
    command
}

fn resolution(kind: &str, org: &str, stream: &str, fields: &Value) -> Value {
    with(sample(kind, org, Some(stream)), fields)
}

fn voters(ledger: &mut Ledger) -> String {
    let mut command = sample("notice.published.v1", VILLAGE, None);
    command["fields"].as_object_mut().unwrap().remove("days");
    ledger.at("2026-03-02");
    ledger.village(&with(command, &json!({"category": "voters", "starts_on": "2026-03-02"}))).unwrap()
}

fn notice_objection(ledger: &mut Ledger, notice: &str) -> String {
    let command = with(sample("notice.objected.v1", VILLAGE, None), &json!({"notice": notice}));
    ledger.encrypted(&command, &INTAKE).unwrap()
}

#[test]
fn an_objection_is_encrypted_to_a_body_that_has_a_receiver() {
    let mut ledger = Ledger::new();
    let nomination = nomination(&mut ledger);
    let command = objection(&nomination);
    assert_eq!(refused(ledger.citizen(&command)), "malformed", "never in the clear");
    assert_eq!(refused(ledger.encrypted(&command, &INTAKE)), "state", "nobody could open it");
    ledger.receiver("chief", COUNTY, 51);
    ledger.encrypted(&command, &INTAKE).unwrap();
    assert_eq!(refused(ledger.encrypted(&command, &[("publisher", "officer")])), "field");
    ledger.encrypted(&by_proxy(command), &[("publisher", "officer")]).unwrap();
}

#[test]
fn an_encrypted_objection_has_a_clock_and_a_resolution_stops_it() {
    let mut ledger = Ledger::new();
    ledger.receiver("chief", COUNTY, 51);
    let nomination = nomination(&mut ledger);
    let stream = ledger.encrypted(&objection(&nomination), &INTAKE).unwrap();
    let due = ledger.dues(&stream);
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].rule.as_ref().unwrap().code, RuleCode::ObjectionDaysMax);
    assert_eq!(due[0].due_on.to_string(), "2026-05-12");
    ledger.at("2026-05-06");
    let resolved = |fields: Value| resolution("nomination.objection_resolved.v1", COUNTY, &stream, &fields);
    assert_eq!(refused(ledger.county(&resolved(json!({"nomination": nomination})))), "wrong_author");
    ledger.say(&resolved(json!({"nomination": nomination})), &CHIEF).unwrap();
    assert!(ledger.dues(&stream).is_empty());
    assert_eq!(refused(ledger.say(&resolved(json!({"nomination": nomination})), &CHIEF)), "state");
}

#[test]
fn a_resolution_may_be_encrypted_too_and_stops_the_clock_unseen() {
    let mut ledger = Ledger::new();
    ledger.receiver("chief", COUNTY, 51);
    let nomination = nomination(&mut ledger);
    let stream = ledger.encrypted(&objection(&nomination), &INTAKE).unwrap();
    ledger.at("2026-05-06");
    let resolved = resolution("nomination.objection_resolved.v1", COUNTY, &stream, &json!({"nomination": nomination}));
    ledger.encrypted(&resolved, &CHIEF).unwrap();
    assert!(ledger.state(&stream).get::<State>().unwrap().resolved);
}

#[test]
fn an_objection_in_time_is_not_put_off_as_late_and_a_late_one_becomes_a_letter() {
    let mut ledger = Ledger::new();
    ledger.receiver("chief", COUNTY, 51);
    let nomination = nomination(&mut ledger);
    let letter = "letter/5ea1ed00-0000-4000-8000-000000000001";
    let put_off = json!({"nomination": nomination, "result": "to_letter", "letter": letter,
        "resolved_on": "2026-05-11", "told_on": "2026-05-11"});
    let early = ledger.encrypted(&objection(&nomination), &INTAKE).unwrap();
    ledger.at("2026-05-11");
    let late = ledger.encrypted(&objection(&nomination), &INTAKE).unwrap();
    let kind = "nomination.objection_resolved.v1";
    let refusal = ledger.say(&resolution(kind, COUNTY, &early, &put_off), &CHIEF).unwrap_err();
    assert!(refusal.to_string().contains("没有逾期"), "{refusal}");
    let mut without = resolution(kind, COUNTY, &late, &put_off);
    without["fields"].as_object_mut().unwrap().remove("letter");
    assert_eq!(refused(ledger.say(&without, &CHIEF)), "field");
    // What was posted in time is in time, whenever it arrives.
    let posted = with(resolution(kind, COUNTY, &late, &put_off), &json!({"postmark_on": "2026-04-25"}));
    assert_eq!(refused(ledger.say(&posted, &CHIEF)), "field");
    ledger.say(&resolution(kind, COUNTY, &late, &put_off), &CHIEF).unwrap();
}

#[test]
fn an_objection_to_a_list_of_voters_is_decided_in_three_days_and_a_late_one_is_not_accepted() {
    let mut ledger = Ledger::new();
    ledger.role("chief", "reviewer", VILLAGE).unwrap();
    ledger.receiver("chief", VILLAGE, 51);
    let notice = voters(&mut ledger);
    ledger.at("2026-03-07");
    let timely = notice_objection(&mut ledger, &notice);
    let accepted = |stream: &str, on: &str| {
        let fields = json!({"notice": notice, "accepted_on": on});
        resolution("notice.objection_accepted.v1", VILLAGE, stream, &fields)
    };
    ledger.say(&accepted(&timely, "2026-03-07"), &[("reviewer", "chief")]).unwrap();
    assert_eq!(ledger.due(&timely), Some(("办结异议", "2026-03-10".into())));
    ledger.at("2026-03-08");
    let late = notice_objection(&mut ledger, &notice);
    let refusal = ledger.say(&accepted(&late, "2026-03-08"), &[("reviewer", "chief")]).unwrap_err();
    assert!(refusal.to_string().contains("2026-03-07"), "{refusal}");
    let fields = json!({"notice": notice, "result": "late", "resolved_on": "2026-03-08", "told_on": "2026-03-08"});
    let resolved = |stream: &str| resolution("notice.objection_resolved.v1", VILLAGE, stream, &fields);
    assert_eq!(refused(ledger.say(&resolved(&timely), &[("reviewer", "chief")])), "field");
    ledger.say(&resolved(&late), &[("reviewer", "chief")]).unwrap();
}

#[test]
fn elsewhere_the_notice_period_decides_and_an_extension_counts() {
    let mut ledger = Ledger::new();
    ledger.receiver("chief", VILLAGE, 51);
    ledger.at("2026-06-01");
    let notice = ledger.village(&sample("notice.published.v1", VILLAGE, None)).unwrap();
    let extended = json!({"kind": "notice.extended.v1", "stream": notice, "org": VILLAGE,
        "fields": {"ends_on": "2026-06-12", "reason": "补充材料(虚构)"}});
    ledger.village(&extended).unwrap();
    ledger.at("2026-06-10");
    let stream = notice_objection(&mut ledger, &notice);
    let fields = json!({"notice": notice, "result": "late", "resolved_on": "2026-06-10", "told_on": "2026-06-10"});
    let resolved = resolution("notice.objection_resolved.v1", VILLAGE, &stream, &fields);
    assert_eq!(refused(ledger.say(&resolved, &CHIEF)), "field");
    ledger.say(&with(resolved, &json!({"result": "dismissed"})), &CHIEF).unwrap();
}

#[test]
fn whom_an_objection_is_about_does_not_resolve_it_nor_does_another_body() {
    let mut ledger = Ledger::new();
    ledger.receiver("chief", COUNTY, 51);
    let nomination = nomination(&mut ledger);
    let stream = ledger.encrypted(&objection(&nomination), &INTAKE).unwrap();
    ledger.at("2026-05-06");
    let against = json!({"nomination": nomination, "concerns": [{"person": ledger.person_of("chief")}]});
    let kind = "nomination.objection_resolved.v1";
    assert_eq!(refused(ledger.say(&resolution(kind, COUNTY, &stream, &against), &CHIEF)), "state");
    let elsewhere = resolution(kind, VILLAGE, &stream, &json!({"nomination": nomination}));
    assert_eq!(refused(ledger.say(&elsewhere, &CHIEF)), "field");
}
