//! Vacancies.

use gongkai_domain::kind::vacancy::{Recommendation, valid_until};
use serde_json::{Value, json};

use super::ledger::{COUNTY, Ledger, VILLAGE, by_proxy, refused, sample, with};

#[test]
fn totals_are_published_only_after_the_window_is_closed() {
    let mut ledger = Ledger::new();
    let batch = ledger.county(&sample("vacancy.announced.v1", COUNTY, None)).unwrap();
    ledger.at("2026-03-12");
    assert_eq!(refused(ledger.county(&sample("vacancy.tallied.v1", COUNTY, Some(&batch)))), "state");
    assert_eq!(refused(ledger.county(&sample("vacancy.closed.v1", COUNTY, Some(&batch)))), "field");
    ledger.at("2026-03-16");
    ledger.county(&sample("vacancy.closed.v1", COUNTY, Some(&batch))).unwrap();
    ledger.county(&sample("vacancy.tallied.v1", COUNTY, Some(&batch))).unwrap();
}

#[test]
fn more_valid_than_received_or_a_post_that_is_not_there_is_refused() {
    let mut ledger = Ledger::new();
    let batch = ledger.county(&sample("vacancy.announced.v1", COUNTY, None)).unwrap();
    ledger.at("2026-03-16");
    ledger.county(&sample("vacancy.closed.v1", COUNTY, Some(&batch))).unwrap();
    let totals = |post: u64, received: u64, valid: u64| {
        json!({"kind": "vacancy.tallied.v1", "stream": batch, "org": COUNTY,
            "fields": {"totals": [{"post": post, "received": received, "valid": valid, "recommended": 1}]}})
    };
    assert_eq!(refused(ledger.county(&totals(0, 3, 4))), "field");
    assert_eq!(refused(ledger.county(&totals(1, 4, 3))), "field");
    ledger.county(&totals(0, 4, 3)).unwrap();
}

#[test]
fn a_batch_without_posts_is_refused() {
    let mut ledger = Ledger::new();
    let mut command = sample("vacancy.announced.v1", COUNTY, None);
    command["fields"].as_object_mut().unwrap().remove("lines");
    assert_eq!(refused(ledger.county(&command)), "field");
}

#[test]
fn a_post_is_filled_once_and_never_in_a_withdrawn_batch() {
    let mut ledger = Ledger::new();
    let batch = ledger.county(&sample("vacancy.announced.v1", COUNTY, None)).unwrap();
    ledger.at("2026-06-01");
    let filled = sample("vacancy.filled.v1", COUNTY, Some(&batch));
    assert_eq!(refused(ledger.county(&filled)), "state");
    ledger.county(&sample("vacancy.closed.v1", COUNTY, Some(&batch))).unwrap();
    ledger.county(&filled).unwrap();
    assert_eq!(refused(ledger.county(&filled)), "state");
    ledger.county(&sample("vacancy.withdrawn.v1", COUNTY, Some(&batch))).unwrap();
    assert_eq!(refused(ledger.county(&sample("vacancy.withdrawn.v1", COUNTY, Some(&batch)))), "state");
}

fn recommendation(batch: &str) -> Value {
    with(sample("vacancy.recommended.v1", COUNTY, None), &json!({"vacancy": batch}))
}

fn announced(ledger: &mut Ledger, scope: &str) -> String {
    let command = with(sample("vacancy.announced.v1", COUNTY, None), &json!({"scope": scope}));
    ledger.county(&command).unwrap()
}

#[test]
fn a_recommendation_outside_the_window_is_refused_with_the_last_day() {
    let mut ledger = Ledger::new();
    let batch = announced(&mut ledger, "everyone");
    ledger.at("2026-03-01");
    assert_eq!(refused(ledger.citizen(&recommendation(&batch))), "state");
    ledger.at("2026-03-13");
    ledger.citizen(&recommendation(&batch)).unwrap();
    ledger.at("2026-03-14");
    let refusal = ledger.citizen(&recommendation(&batch)).unwrap_err();
    assert!(refusal.to_string().contains("2026-03-13"), "{refusal}");
    // A paper of the last day may still be entered by an officer, until the batch is closed.
    let mut paper = by_proxy(recommendation(&batch));
    paper["declared_at"] = json!("2026-03-13T17:00:00+08:00");
    ledger.county(&paper).unwrap();
    ledger.county(&sample("vacancy.closed.v1", COUNTY, Some(&batch))).unwrap();
    assert_eq!(refused(ledger.county(&paper)), "state");
}

#[test]
fn an_officer_enters_a_recommendation_only_from_an_original() {
    let mut ledger = Ledger::new();
    let batch = announced(&mut ledger, "everyone");
    assert_eq!(refused(ledger.county(&recommendation(&batch))), "field");
    ledger.county(&by_proxy(recommendation(&batch))).unwrap();
}

#[test]
fn a_batch_takes_recommendations_from_its_scope_only() {
    let mut ledger = Ledger::new();
    let members = announced(&mut ledger, "members");
    let citizen = with(recommendation(&members), &json!({"standing": "citizen"}));
    assert_eq!(refused(ledger.citizen(&citizen)), "field");
    ledger.citizen(&recommendation(&members)).unwrap();
    let unit = announced(&mut ledger, "unit");
    assert_eq!(refused(ledger.citizen(&recommendation(&unit))), "field");
    ledger.citizen(&with(recommendation(&unit), &json!({"unit": VILLAGE}))).unwrap();
}

#[test]
fn a_recommendation_names_a_post_that_is_there_and_says_when_it_is_for_oneself() {
    let mut ledger = Ledger::new();
    let batch = announced(&mut ledger, "everyone");
    let changed = |fields: Value| with(recommendation(&batch), &fields);
    assert_eq!(refused(ledger.citizen(&changed(json!({"post": 1})))), "field");
    assert_eq!(refused(ledger.citizen(&changed(json!({"channel": "oneself"})))), "field");
    assert_eq!(refused(ledger.citizen(&changed(json!({"candidate": "周柏舟(虚构)"})))), "field");
    assert_eq!(refused(ledger.citizen(&changed(json!({"channel": "organization"})))), "field");
    let unknown = "vacancy/018f0000-0000-7000-8000-00000000ffff";
    assert_eq!(refused(ledger.citizen(&changed(json!({"vacancy": unknown})))), "field");
    ledger.citizen(&changed(json!({"channel": "oneself", "candidate": "周柏舟(虚构)"}))).unwrap();
}

#[test]
fn a_verified_recommendation_is_valid_for_a_year_and_an_invalid_one_says_why() {
    let mut ledger = Ledger::new();
    let batch = announced(&mut ledger, "everyone");
    let (first, second) =
        (ledger.citizen(&recommendation(&batch)).unwrap(), ledger.citizen(&recommendation(&batch)).unwrap());
    ledger.at("2026-03-14");
    let verified = |stream: &str| sample("vacancy.recommendation_verified.v1", COUNTY, Some(stream));
    ledger.county(&verified(&first)).unwrap();
    assert_eq!(refused(ledger.county(&verified(&first))), "state");
    let mut invalid = with(verified(&second), &json!({"valid": false}));
    invalid["fields"].as_object_mut().unwrap().remove("reason");
    assert_eq!(refused(ledger.county(&invalid)), "field");
    ledger.county(&with(invalid, &json!({"reason": "推荐人不是本人(虚构)"}))).unwrap();
    let valid_until = |stream: &str| ledger.state(stream).get::<Recommendation>().unwrap().valid_until();
    assert_eq!(valid_until(&first).unwrap().to_string(), "2027-03-10");
    assert_eq!(valid_until(&second), None);
    assert_eq!(self::valid_until("2024-02-29".parse().unwrap()).to_string(), "2025-02-28");
}

#[test]
fn a_shortlist_follows_the_close_and_nothing_public_continues_a_sealed_stream() {
    let mut ledger = Ledger::new();
    let batch = announced(&mut ledger, "everyone");
    let recommended = ledger.citizen(&recommendation(&batch)).unwrap();
    ledger.at("2026-04-08");
    let shortlist = with(sample("vacancy.shortlisted.v1", COUNTY, None), &json!({"vacancy": batch}));
    assert_eq!(refused(ledger.county(&shortlist)), "state");
    ledger.county(&sample("vacancy.closed.v1", COUNTY, Some(&batch))).unwrap();
    ledger.county(&shortlist).unwrap();
    assert_eq!(refused(ledger.county(&sample("vacancy.closed.v1", COUNTY, Some(&recommended)))), "field");
}

#[test]
fn a_sender_cannot_gain_a_day_by_the_offset_of_their_clock() {
    let mut ledger = Ledger::new();
    let batch = announced(&mut ledger, "everyone");
    ledger.at("2026-03-14");
    let mut command = recommendation(&batch);
    // The same moment, which is still the last day there.
    command["declared_at"] = json!("2026-03-13T13:00:00-12:00");
    assert_eq!(refused(ledger.citizen(&command)), "state");
}
