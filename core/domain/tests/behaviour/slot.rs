//! Withdrawals of what was opened.

use serde_json::{Value, json};

use super::ledger::{COUNTY, Ledger, VILLAGE, refused, sample};

fn withdrawal(entry: u64, slot: u8) -> Value {
    json!({"kind": "slot.withdrawn.v1", "org": VILLAGE, "fields": {
        "entry": entry, "slot_numbers": [slot], "basis": "personal_data", "reason": "当事人要求", "appeal": "向县公开办提出"}})
}

#[test]
fn a_withdrawal_needs_two_people_and_an_open_slot_of_the_own_subtree() {
    let mut ledger = Ledger::new();
    ledger.village(&sample("pledge.made.v1", VILLAGE, None)).unwrap();
    let entry = ledger.size() - 1;
    let slot = ledger.slot_of(entry, "phone");
    let two = [("publisher", "clerk"), ("supervisor", "super1")];
    assert_eq!(refused(ledger.village(&withdrawal(entry, slot))), "cosigners_missing");
    let closed = (0..16).find(|n| !(0..16).any(|s| s == *n && ledger_slot_is_open(&ledger, entry, s))).unwrap();
    assert_eq!(refused(ledger.say(&withdrawal(entry, closed), &two)), "field");
    assert_eq!(refused(ledger.say(&withdrawal(entry + 1, slot), &two)), "field");
    ledger.say(&withdrawal(entry, slot), &two).unwrap();
}

fn ledger_slot_is_open(ledger: &Ledger, entry: u64, slot: u8) -> bool {
    ["pledger", "post", "title", "baseline", "target", "measures", "phone"]
        .iter()
        .any(|name| ledger.slot_of(entry, name) == slot)
}

#[test]
fn a_village_cannot_withdraw_what_the_county_said() {
    let mut ledger = Ledger::new();
    ledger.county(&sample("pledge.made.v1", COUNTY, None)).unwrap();
    let entry = ledger.size() - 1;
    let slot = ledger.slot_of(entry, "phone");
    let result = ledger.say(&withdrawal(entry, slot), &[("publisher", "clerk"), ("supervisor", "super1")]);
    assert_eq!(refused(result), "field");
}

#[test]
fn the_reason_of_a_withdrawal_cannot_be_withdrawn() {
    let mut ledger = Ledger::new();
    ledger.village(&sample("pledge.made.v1", VILLAGE, None)).unwrap();
    let entry = ledger.size() - 1;
    let two = [("publisher", "clerk"), ("supervisor", "super1")];
    let slot = ledger.slot_of(entry, "phone");
    ledger.say(&withdrawal(entry, slot), &two).unwrap();
    let slot = ledger.slot_of(entry + 1, "reason");
    assert_eq!(refused(ledger.say(&withdrawal(entry + 1, slot), &two)), "field");
}

#[test]
fn the_ledgers_own_keys_are_nobodys_second_person() {
    let mut ledger = Ledger::new();
    ledger.village(&sample("pledge.made.v1", VILLAGE, None)).unwrap();
    let entry = ledger.size() - 1;
    let slot = ledger.slot_of(entry, "phone");
    let result = ledger.say(&withdrawal(entry, slot), &[("publisher", "clerk"), ("intake", "intake")]);
    assert_eq!(refused(result), "wrong_author");
}
