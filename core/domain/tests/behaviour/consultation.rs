//! Consultations.

use serde_json::{Value, json};

use super::ledger::{Ledger, TOWNSHIP, VILLAGE, by_proxy, refused, sample, with};

fn opened(ledger: &mut Ledger) -> String {
    ledger.role("clerk", "publisher", TOWNSHIP).unwrap();
    ledger.village(&sample("consultation.opened.v1", TOWNSHIP, None)).unwrap()
}

fn opinion(consultation: &str) -> Value {
    with(sample("consultation.submitted.v1", TOWNSHIP, None), &json!({"consultation": consultation}))
}

fn step(name: &str, stream: &str, fields: &Value) -> Value {
    with(sample(&format!("consultation.{name}.v1"), TOWNSHIP, Some(stream)), fields)
}

#[test]
fn an_opinion_is_taken_within_the_window_and_refused_with_its_last_day_after() {
    let mut ledger = Ledger::new();
    let stream = opened(&mut ledger);
    ledger.citizen(&opinion(&stream)).unwrap();
    assert_eq!(refused(ledger.village(&opinion(&stream))), "field");
    ledger.village(&by_proxy(opinion(&stream))).unwrap();
    ledger.at("2026-03-21");
    let refusal = ledger.citizen(&opinion(&stream)).unwrap_err();
    assert!(refusal.to_string().contains("2026-03-20"), "{refusal}");
    let mut elsewhere = opinion(&stream);
    elsewhere["org"] = json!(VILLAGE);
    assert_eq!(refused(ledger.citizen(&elsewhere)), "field");
}

#[test]
fn shares_are_published_after_the_window_and_never_of_fewer_than_five() {
    let mut ledger = Ledger::new();
    let stream = opened(&mut ledger);
    assert_eq!(refused(ledger.village(&step("themed", &stream, &json!({})))), "state");
    ledger.at("2026-03-22");
    let few = json!({"lines": [{"theme": "站点", "submissions": 4}]});
    assert_eq!(refused(ledger.village(&step("themed", &stream, &few))), "field");
    let many = json!({"lines": [{"theme": "站点", "submissions": 59}]});
    assert_eq!(refused(ledger.village(&step("themed", &stream, &many))), "field");
    ledger.village(&step("themed", &stream, &json!({}))).unwrap();
    assert_eq!(refused(ledger.village(&step("themed", &stream, &json!({})))), "state");
}

#[test]
fn every_theme_is_resolved_or_explained_before_the_report() {
    let mut ledger = Ledger::new();
    let stream = opened(&mut ledger);
    ledger.at("2026-03-22");
    ledger.village(&step("themed", &stream, &json!({}))).unwrap();
    assert_eq!(refused(ledger.village(&step("assigned", &stream, &json!({"theme": 2})))), "field");
    ledger.village(&step("assigned", &stream, &json!({}))).unwrap();
    assert_eq!(ledger.due(&stream), Some(("办理征集意见", "2026-04-10".into())));
    assert_eq!(ledger.dues(&stream)[0].org, VILLAGE);
    ledger.at("2026-04-20");
    // The organization that has the theme may say what came of it in its own name.
    let mut resolved = step("resolved", &stream, &json!({}));
    resolved["org"] = json!(VILLAGE);
    ledger.village(&resolved).unwrap();
    assert_eq!(refused(ledger.village(&resolved)), "state");
    let reported = step("reported", &stream, &json!({}));
    let refusal = ledger.village(&reported).unwrap_err();
    assert!(refusal.to_string().contains("第2个主题"), "{refusal}");
    ledger.village(&step("explained", &stream, &json!({}))).unwrap();
    assert_eq!(ledger.due(&stream), Some(("公布征集结果", "2026-04-30".into())));
    ledger.village(&reported).unwrap();
    assert_eq!(ledger.due(&stream), None);
}
