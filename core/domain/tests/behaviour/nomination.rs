//! Nominations and their periods.

use serde_json::{Value, json};

use super::ledger::{COUNTY, Ledger, refused, sample};

/// The days around National Day 2025, as the State Council published them.
fn calendar_2025() -> Value {
    let off: Vec<_> = (1..=8).map(|day| format!("2025-10-{day:02}")).collect();
    json!({"kind": "calendar.published.v1", "org": COUNTY,
        "fields": {"year": 2025, "off_days": off, "work_days": ["2025-09-28", "2025-10-11"]}})
}

fn announced(starts_on: &str, days: u64) -> Value {
    let mut command = sample("nomination.announced.v1", COUNTY, None);
    command["fields"]["decided_on"] = json!("2025-09-01");
    command["fields"]["starts_on"] = json!(starts_on);
    command["fields"]["days"] = json!(days);
    command
}

#[test]
fn a_notice_from_26_september_2025_ends_on_9_october() {
    let mut ledger = Ledger::new();
    ledger.say(&calendar_2025(), &[("registrar", "reg1")]).unwrap();
    let mut command = announced("2025-09-26", 5);
    command["fields"]["ends_on"] = json!("2025-10-09");
    ledger.county(&command).unwrap();
    command["fields"]["ends_on"] = json!("2025-10-08");
    let refusal = ledger.county(&command).unwrap_err();
    assert_eq!(refusal.code(), "period_too_short");
    assert!(refusal.to_string().contains("任前公示期"), "{refusal}");
}

#[test]
fn a_period_of_four_working_days_is_refused_with_the_rules_name() {
    let mut ledger = Ledger::new();
    let refusal = ledger.county(&announced("2025-09-01", 4)).unwrap_err();
    assert_eq!(refusal.code(), "period_too_short");
    let sentence = refusal.to_string();
    assert!(sentence.contains("任前公示期") && sentence.contains("干部选拔任用工作条例"), "{sentence}");
}

#[test]
fn a_county_can_demand_more_than_the_base_profile_and_needs_two_registrars_for_it() {
    let mut ledger = Ledger::new();
    let mut rule = sample("rule.published.v1", COUNTY, None);
    rule["fields"]["from"] = json!("2025-01-01");
    assert_eq!(refused(ledger.say(&rule, &[("registrar", "reg1")])), "cosigners_missing");
    ledger.say(&rule, &[("registrar", "reg1"), ("registrar", "reg2")]).unwrap();
    assert_eq!(refused(ledger.county(&announced("2025-09-01", 5))), "period_too_short");
    ledger.county(&announced("2025-09-01", 7)).unwrap();
}

#[test]
fn an_exceptional_promotion_states_its_reasons() {
    let mut ledger = Ledger::new();
    let mut command = announced("2025-09-01", 5);
    command["fields"]["lines"][0]["exceptional"] = json!(true);
    assert_eq!(refused(ledger.county(&command)), "field");
    command["fields"]["lines"][0]["exceptional_reason"] = json!("援藏期间表现突出(虚构)");
    ledger.county(&command).unwrap();
}

#[test]
fn nobody_is_appointed_before_the_period_is_over() {
    let mut ledger = Ledger::new();
    let nomination = ledger.county(&announced("2026-03-09", 5)).unwrap();
    let concluded = |on: &str, outcome: &str| {
        json!({"kind": "nomination.concluded.v1", "stream": nomination, "org": COUNTY,
            "fields": {"concluded_on": on, "outcomes": [{"person": 0, "outcome": outcome}]}})
    };
    assert_eq!(refused(ledger.county(&concluded("2026-03-10", "appoint"))), "state");
    ledger.at("2026-03-20");
    let appointed = json!({"kind": "nomination.appointed.v1", "stream": nomination, "org": COUNTY,
        "fields": {"people": [0], "appointed_on": "2026-03-20", "probation_ends_on": "2027-03-20"}});
    assert_eq!(refused(ledger.county(&appointed)), "state");
    ledger.county(&concluded("2026-03-16", "appoint")).unwrap();
    ledger.county(&appointed).unwrap();
    assert_eq!(refused(ledger.county(&appointed)), "state");
}

#[test]
fn a_deferred_person_is_concluded_on_again_and_a_rejected_one_is_not() {
    let mut ledger = Ledger::new();
    let nomination = ledger.county(&announced("2026-01-05", 5)).unwrap();
    let concluded = |outcome: &str| {
        json!({"kind": "nomination.concluded.v1", "stream": nomination, "org": COUNTY,
            "fields": {"concluded_on": "2026-03-10", "outcomes": [{"person": 0, "outcome": outcome}]}})
    };
    ledger.county(&concluded("defer")).unwrap();
    ledger.county(&concluded("reject")).unwrap();
    assert_eq!(refused(ledger.county(&concluded("appoint"))), "state");
}

#[test]
fn an_election_needs_the_recommendation_and_excludes_an_appointment() {
    let mut ledger = Ledger::new();
    let nomination = ledger.county(&announced("2026-01-05", 5)).unwrap();
    let concluded = json!({"kind": "nomination.concluded.v1", "stream": nomination, "org": COUNTY,
        "fields": {"concluded_on": "2026-03-10", "outcomes": [{"person": 0, "outcome": "recommend"}]}});
    ledger.county(&concluded).unwrap();
    let result = |kind: &str| {
        json!({"kind": kind, "stream": nomination, "org": COUNTY,
            "fields": {"people": [0], "elected_on": "2026-03-10"}})
    };
    ledger.county(&result("nomination.not_elected.v1")).unwrap();
    assert_eq!(refused(ledger.county(&result("nomination.elected.v1"))), "state");
}

#[test]
fn an_extension_is_later_than_the_computed_end() {
    let mut ledger = Ledger::new();
    let nomination = ledger.county(&announced("2026-03-09", 5)).unwrap();
    let extended = |to: &str| {
        json!({"kind": "nomination.extended.v1", "stream": nomination, "org": COUNTY,
            "fields": {"ends_on": to, "reason": "补充材料"}})
    };
    assert_eq!(refused(ledger.county(&extended("2026-03-13"))), "field");
    ledger.county(&extended("2026-03-20")).unwrap();
    ledger.at("2026-03-18");
    let close = json!({"kind": "nomination.closed.v1", "stream": nomination, "org": COUNTY,
        "fields": {"closed_on": "2026-03-18"}});
    assert_eq!(refused(ledger.county(&close)), "state");
}

#[test]
fn an_identity_document_has_no_column() {
    let mut ledger = Ledger::new();
    let mut command = announced("2025-09-01", 5);
    command["fields"]["lines"][0]["identity"] = json!("证件");
    assert_eq!(refused(ledger.county(&command)), "field");
}
