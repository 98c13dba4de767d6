//! Notices and their periods.

use serde_json::{Value, json};

use super::ledger::{Ledger, VILLAGE, refused, sample};

fn notice(category: &str, days: Option<u64>) -> Value {
    let mut command = sample("notice.published.v1", VILLAGE, None);
    command["fields"]["category"] = json!(category);
    command["fields"]["starts_on"] = json!("2026-03-02");
    match days {
        Some(days) => command["fields"]["days"] = json!(days),
        None => {
            command["fields"].as_object_mut().unwrap().remove("days");
        }
    }
    command
}

#[test]
fn each_type_has_the_minimum_period_of_its_rule() {
    let mut ledger = Ledger::new();
    for (category, days_min) in [("membership", 5), ("award", 5), ("land", 10), ("compensation", 30)] {
        assert_eq!(refused(ledger.village(&notice(category, Some(days_min - 1)))), "period_too_short", "{category}");
        ledger.village(&notice(category, Some(days_min))).unwrap();
        ledger.village(&notice(category, None)).unwrap();
    }
    ledger.village(&notice("general", None)).unwrap();
    ledger.village(&notice("general", Some(1))).unwrap();
}

#[test]
fn an_outcome_before_the_period_is_over_is_refused() {
    let mut ledger = Ledger::new();
    let stream = ledger.village(&notice("membership", Some(5))).unwrap();
    let closed = |on: &str| {
        json!({"kind": "notice.closed.v1", "stream": stream, "org": VILLAGE,
            "fields": {"closed_on": on, "outcome": "按程序办理"}})
    };
    assert_eq!(refused(ledger.village(&closed("2026-03-05"))), "state");
    ledger.village(&closed("2026-03-06")).unwrap();
    assert_eq!(refused(ledger.village(&closed("2026-03-07"))), "state");
}

#[test]
fn a_correction_says_what_it_corrects_and_a_withdrawn_notice_takes_none() {
    let mut ledger = Ledger::new();
    let stream = ledger.village(&notice("general", None)).unwrap();
    let empty = json!({"kind": "notice.corrected.v1", "stream": stream, "org": VILLAGE, "fields": {"reason": "错字"}});
    assert_eq!(refused(ledger.village(&empty)), "state");
    ledger.village(&sample("notice.corrected.v1", VILLAGE, Some(&stream))).unwrap();
    ledger.village(&sample("notice.withdrawn.v1", VILLAGE, Some(&stream))).unwrap();
    assert_eq!(refused(ledger.village(&sample("notice.corrected.v1", VILLAGE, Some(&stream)))), "state");
}
