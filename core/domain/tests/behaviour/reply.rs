//! Replies by the person concerned, and clarifications.

use serde_json::{Value, json};

use super::ledger::{COUNTY, Ledger, VILLAGE, by_proxy, refused, sample, with};

fn pledge(ledger: &mut Ledger) -> (u64, String) {
    let stream = ledger.village(&sample("pledge.made.v1", VILLAGE, None)).unwrap();
    (ledger.size() - 1, stream)
}

fn reply(entry: u64, about: &str, fields: &Value) -> Value {
    let mut command = json!({"kind": "statement.replied.v1", "org": VILLAGE, "fields": {
        "entry": entry, "about": about, "revision": 0, "replied_on": "2026-03-10", "name": "方禾生(虚构)",
        "text": "情况说明如下(虚构)"}});
    for (name, value) in fields.as_object().unwrap() {
        command["fields"][name] = value.clone();
    }
    command
}

#[test]
fn a_reply_is_signed_by_the_person_or_entered_from_an_original() {
    let mut ledger = Ledger::new();
    let (entry, stream) = pledge(&mut ledger);
    let own = reply(entry, &stream, &json!({"person": ledger.person_of("super1")}));
    assert_eq!(refused(ledger.village(&own)), "field", "not the clerk's to say");
    ledger.say(&own, &[("supervisor", "super1")]).unwrap();
    ledger.village(&by_proxy(reply(entry, &stream, &json!({})))).unwrap();
}

#[test]
fn a_reply_names_the_statement_that_it_answers() {
    let mut ledger = Ledger::new();
    let (entry, stream) = pledge(&mut ledger);
    let said = |fields: Value| by_proxy(reply(entry, &stream, &fields));
    assert_eq!(refused(ledger.village(&said(json!({"entry": 999})))), "field");
    assert_eq!(refused(ledger.village(&said(json!({"entry": entry - 1})))), "field");
    assert_eq!(refused(ledger.village(&said(json!({"revision": 1})))), "field");
    ledger.village(&said(json!({}))).unwrap();
}

#[test]
fn a_clarification_needs_consent_and_nobody_clears_themselves() {
    let mut ledger = Ledger::new();
    let officer = ledger.person_of("officer");
    let clarified = |fields: Value| {
        let fields = with(json!({"fields": fields}), &json!({"clarified_on": "2026-03-10"}));
        with(sample("matter.clarified.v1", COUNTY, None), &fields["fields"])
    };
    let of = |person: &str| json!({"person": person});
    assert_eq!(refused(ledger.county(&clarified(json!({"person": officer, "consent": false})))), "field");
    assert_eq!(refused(ledger.county(&clarified(of(&officer)))), "state");
    let clerk = ledger.person_of("clerk");
    let sealed = json!({"person": clerk, "about": "letter/5ea1ed00-0000-4000-8000-000000000001"});
    assert_eq!(refused(ledger.county(&clarified(sealed))), "field");
    ledger.county(&clarified(of(&clerk))).unwrap();
}
