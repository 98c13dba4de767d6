//! Sessions with the people.

use serde_json::json;

use super::ledger::{Ledger, TOWNSHIP, refused, sample, with};

#[test]
fn a_motion_that_is_not_done_now_has_its_explanation() {
    let mut ledger = Ledger::new();
    ledger.role("clerk", "publisher", TOWNSHIP).unwrap();
    let held = sample("session.held.v1", TOWNSHIP, None);
    let silent = with(held.clone(), &json!({"lines": [{"motion": "公交加班", "result": "not_now"}]}));
    assert_eq!(refused(ledger.village(&silent)), "field");
    ledger.village(&held).unwrap();
    assert_eq!(refused(ledger.village(&with(held, &json!({"held_on": "2026-03-11"})))), "field");
}
