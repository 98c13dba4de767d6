//! Vacancies.

use serde_json::json;

use super::ledger::{COUNTY, Ledger, refused, sample};

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
