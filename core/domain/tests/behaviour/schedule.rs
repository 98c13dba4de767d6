//! Schedules of openings: what is refused, and that they stay.

use serde_json::{Value, json};

use super::ledger::{Ledger, VILLAGE, refused, sample, with};

/// A pledge that promises to open something.
fn promising(schedule: &Value) -> Value {
    with(sample("pledge.made.v1", VILLAGE, None), &json!({"contact": "值班室(虚构)", "scheduled_openings": schedule}))
}

fn one(field: &str, on: &str) -> Value {
    json!([{"field": field, "on": on}])
}

#[test]
fn a_sealed_field_can_be_promised_to_be_opened_on_a_later_day() {
    let mut ledger = Ledger::new();
    let entry = ledger.size();
    ledger.village(&promising(&one("contact", "2026-03-11"))).unwrap();
    let (_, checked) = ledger.recorded().last().unwrap();
    let scheduled = gongkai_domain::schedule::of(&checked.openings.open);
    assert_eq!(scheduled.len(), 1);
    assert_eq!(scheduled[0].slot, checked.sealed.iter().find(|opening| opening.name == "contact").unwrap().slot);
    assert!(checked.openings.open.iter().all(|opening| opening.name != "contact"));
    assert!(ledger.slot_of(entry, "scheduled_openings") < 16);
}

#[test]
fn a_schedule_that_promises_nothing_or_the_impossible_is_refused() {
    let mut ledger = Ledger::new();
    let twice = json!([{"field": "contact", "on": "2027-01-01"}, {"field": "contact", "on": "2028-01-01"}]);
    for (schedule, reason) in [
        (json!([]), "至少安排一项"),
        (one("title", "2027-01-01"), "不是这种事项里封存的字段"),
        (one("weather", "2027-01-01"), "不是这种事项里封存的字段"),
        (one("scheduled_openings", "2027-01-01"), "不是这种事项里封存的字段"),
        (one("reviewed_in", "2027-01-01"), "没有填写「审核编号」"),
        (one("contact", "2026-03-10"), "应晚于申报日期"),
        (one("contact", "2056-03-11"), "最多 30 年"),
        (twice, "安排了两次"),
    ] {
        let refusal = ledger.village(&promising(&schedule)).unwrap_err();
        assert!(refusal.to_string().contains(reason), "{schedule}: {refusal}");
    }
    ledger.village(&promising(&one("contact", "2056-03-10"))).unwrap();
}

#[test]
fn what_is_not_written_cannot_be_promised_and_neither_can_another_slot() {
    let mut ledger = Ledger::new();
    let mut command = promising(&one("contact", "2027-01-01"));
    command["fields"].as_object_mut().unwrap().remove("contact");
    assert_eq!(refused(ledger.village(&command)), "field");
    // Whatever slot the author writes, the bytes name the one in which the field lies.
    let elsewhere = json!([{"field": "contact", "on": "2027-01-01", "slot": 99}]);
    ledger.village(&promising(&elsewhere)).unwrap();
}

#[test]
fn a_schedule_cannot_be_withdrawn() {
    let mut ledger = Ledger::new();
    let entry = ledger.size();
    ledger.village(&promising(&one("contact", "2027-01-01"))).unwrap();
    let withdrawal = |slot: u8| {
        json!({"kind": "slot.withdrawn.v1", "org": VILLAGE, "fields": {"entry": entry, "slot_numbers": [slot],
            "basis": "expired", "reason": "不想启封了(虚构)", "appeal": "向县公开办提出(虚构)"}})
    };
    let two = [("publisher", "clerk"), ("supervisor", "super1")];
    let refusal = ledger.say(&withdrawal(ledger.slot_of(entry, "scheduled_openings")), &two).unwrap_err();
    assert!(refusal.to_string().contains("启封安排不能撤下"), "{refusal}");
    ledger.say(&withdrawal(ledger.slot_of(entry, "phone")), &two).unwrap();
}

#[test]
fn a_letter_an_objection_and_a_ballot_know_no_schedule() {
    let mut ledger = Ledger::new();
    for kind in ["letter.received.v1", "vacancy.recommended.v1", "tally.cast.v1", "notice.objected.v1"] {
        let command = with(sample(kind, VILLAGE, None), &json!({"scheduled_openings": one("text", "2027-01-01")}));
        let refusal = ledger.citizen(&command).unwrap_err();
        assert!(refusal.to_string().contains("没有这一项"), "{kind}: {refusal}");
    }
}
