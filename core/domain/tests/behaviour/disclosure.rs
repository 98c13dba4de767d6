//! Disclosures: the books from month to month, questions, corrections.

use serde_json::{Value, json};

use super::ledger::{COUNTY, Ledger, TOWNSHIP, VILLAGE, refused, sample};

const SIGNERS: [(&str, &str); 3] = [("publisher", "clerk"), ("supervisor", "super1"), ("supervisor", "super2")];

fn month(period: &str, opening: i64, lines: &Value) -> Value {
    let sum = |column: &str| lines.as_array().unwrap().iter().filter_map(|line| line[column].as_i64()).sum::<i64>();
    let (income, expense) = (sum("income"), sum("expense"));
    json!({"kind": "disclosure.published.v1", "org": VILLAGE, "fields": {
        "class": "finance", "content": "finance", "book": "committee", "period": period, "published_by": "agency",
        "opening": opening, "income": income, "expense": expense, "closing": opening + income - expense,
        "title": format!("{period} 收支公开表(虚构)"), "lines": lines}})
}

fn toilet(period: &str) -> Value {
    json!([
        {"date": format!("{period}-03"), "voucher": "记-12", "summary": "公厕电费", "expense": 33_030},
        {"date": format!("{period}-21"), "voucher": "记-19", "summary": "公厕电费", "expense": 34_306},
    ])
}

#[test]
fn the_months_of_a_book_follow_one_another() {
    let mut ledger = Ledger::new();
    ledger.say(&month("2026-01", 18_642_035, &toilet("2026-01")), &SIGNERS).unwrap();
    let wrong = ledger.say(&month("2026-02", 18_642_035, &toilet("2026-02")), &SIGNERS);
    assert_eq!(refused(wrong), "books");
    ledger.say(&month("2026-02", 18_574_699, &toilet("2026-02")), &SIGNERS).unwrap();
    let again = ledger.say(&month("2026-02", 18_574_699, &toilet("2026-02")), &SIGNERS);
    assert_eq!(refused(again), "state");
}

#[test]
fn a_back_filled_month_must_fit_between_its_neighbours() {
    let mut ledger = Ledger::new();
    ledger.say(&month("2025-12", 1_000_000, &toilet("2025-12")), &SIGNERS).unwrap();
    ledger.say(&month("2026-02", 800_000, &toilet("2026-02")), &SIGNERS).unwrap();
    let misfit = ledger.say(&month("2026-01", 932_664, &toilet("2026-01")), &SIGNERS);
    assert_eq!(refused(misfit), "books");
    let fits = json!([{"date": "2026-01-20", "voucher": "记-30", "summary": "修渠人工", "expense": 132_664}]);
    ledger.say(&month("2026-01", 932_664, &fits), &SIGNERS).unwrap();
}

#[test]
fn a_villages_books_need_two_supervisors() {
    let mut ledger = Ledger::new();
    let sheet = month("2026-02", 100, &json!([{"date": "2026-02-03", "summary": "利息", "income": 5}]));
    let refusal = ledger.say(&sheet, &SIGNERS[..2]).unwrap_err();
    assert_eq!(refusal.code(), "cosigners_missing");
    assert!(refusal.to_string().contains("监督人"), "{refusal}");
    ledger.say(&sheet, &SIGNERS).unwrap();
}

#[test]
fn books_that_do_not_balance_are_refused_with_every_reason() {
    let mut ledger = Ledger::new();
    let mut sheet = month("2026-02", 100_000, &toilet("2026-02"));
    sheet["fields"]["closing"] = json!(1);
    sheet["fields"]["expense"] = json!(2);
    let refusal = ledger.say(&sheet, &SIGNERS).unwrap_err();
    assert_eq!(refusal.code(), "books");
}

#[test]
fn a_line_without_voucher_is_accepted_and_equal_lines_are_kept() {
    let mut ledger = Ledger::new();
    let line = json!({"date": "2026-02-03", "summary": "误工补贴", "expense": 12_000});
    let sheet = month("2026-02", 1_000_000, &json!([line, line, line]));
    assert_eq!(sheet["fields"]["expense"], 36_000);
    ledger.say(&sheet, &SIGNERS).unwrap();
}

#[test]
fn a_month_without_movement_says_so_and_lists_nothing() {
    let mut ledger = Ledger::new();
    let mut sheet = month("2026-02", 5_000, &json!([]));
    sheet["fields"].as_object_mut().unwrap().remove("lines");
    assert_eq!(refused(ledger.say(&sheet, &SIGNERS)), "field");
    sheet["fields"]["no_movement"] = json!(true);
    ledger.say(&sheet, &SIGNERS).unwrap();
    let mut both = month("2026-03", 5_000, &toilet("2026-03"));
    both["fields"]["no_movement"] = json!(true);
    assert_eq!(refused(ledger.say(&both, &SIGNERS)), "field");
}

#[test]
fn a_sheet_of_a_month_that_has_not_begun_is_refused() {
    let mut ledger = Ledger::new();
    assert_eq!(refused(ledger.say(&month("2026-04", 5_000, &toilet("2026-04")), &SIGNERS)), "field");
}

#[test]
fn question_answer_correction_is_the_core_loop() {
    let mut ledger = Ledger::new();
    let sheet = ledger.say(&month("2026-02", 18_642_035, &toilet("2026-02")), &SIGNERS).unwrap();
    ledger.at("2026-03-20");
    let asked = |line: u64| {
        json!({"kind": "disclosure.questioned.v1", "stream": sheet, "org": VILLAGE,
            "proxy": {"channel": "来访", "original": "kuGcG+81Z6SYS/HtGzOcyZ/O1/R14sXIPO2l9YFHdsw="},
            "fields": {"line": line, "topic": "amount", "asked_on": "2026-03-12"}})
    };
    assert_eq!(refused(ledger.village(&asked(2))), "field");
    ledger.village(&asked(1)).unwrap();
    let answer = |question: u64| {
        json!({"kind": "disclosure.answered.v1", "stream": sheet, "org": VILLAGE,
            "fields": {"question": question, "answered_on": "2026-03-16", "text": "有人私接电源，已拆除"}})
    };
    assert_eq!(refused(ledger.village(&answer(0))), "field");
    ledger.village(&answer(1)).unwrap();
    // The repaid 6,440.38 yuan becomes a line of its own; the totals follow.
    let corrected = |closing: i64| {
        json!({"kind": "disclosure.corrected.v1", "stream": sheet, "org": VILLAGE, "fields": {
            "content": "finance", "corrects": [2], "opening": 18_642_035, "income": 644_038, "expense": 67_336,
            "closing": closing, "reason": "追缴私接电费入账",
            "lines": [{"date": "2026-02-28", "voucher": "记-31", "summary": "追缴公厕私接电费", "income": 644_038}]}})
    };
    assert_eq!(refused(ledger.village(&corrected(1))), "books");
    ledger.village(&corrected(19_218_737)).unwrap();
    // The next month starts from the corrected closing.
    assert_eq!(refused(ledger.say(&month("2026-03", 18_574_699, &toilet("2026-03")), &SIGNERS)), "books");
    ledger.say(&month("2026-03", 19_218_737, &toilet("2026-03")), &SIGNERS).unwrap();
}

#[test]
fn an_interpellation_needs_five_representatives_or_a_supervisor() {
    let mut ledger = Ledger::new();
    let sheet = ledger.say(&month("2026-02", 18_642_035, &toilet("2026-02")), &SIGNERS).unwrap();
    let asked = |people: u64| {
        json!({"kind": "disclosure.interpellated.v1", "stream": sheet, "org": VILLAGE,
            "fields": {"topic": "decision", "asked_on": "2026-03-10", "people": people, "text": "请说明用电情况"}})
    };
    assert_eq!(refused(ledger.village(&asked(4))), "field");
    ledger.village(&asked(5)).unwrap();
    ledger.say(&asked(1), &[("supervisor", "super1")]).unwrap();
}

#[test]
fn a_withdrawn_sheet_makes_room_for_the_right_one() {
    let mut ledger = Ledger::new();
    let sheet = ledger.say(&month("2026-02", 100_000, &toilet("2026-02")), &SIGNERS).unwrap();
    let withdrawn = json!({"kind": "disclosure.withdrawn.v1", "stream": sheet, "org": VILLAGE,
        "fields": {"reason": "误传"}});
    ledger.village(&withdrawn).unwrap();
    ledger.say(&month("2026-02", 200_000, &toilet("2026-02")), &SIGNERS).unwrap();
}

#[test]
fn every_other_shape_of_list_is_accepted_without_the_books_rules() {
    let mut ledger = Ledger::new();
    let lists = [
        ("assets", json!({"name": "村部办公楼", "original": 85_000_000})),
        ("resources", json!({"name": "北坡山林", "rent": 1_200_000})),
        ("debts", json!({"kind": "debt", "counterparty": "某建筑队(虚构)", "amount": 300_000})),
        ("projects", json!({"name": "路灯改造", "milestone": "started"})),
        ("roster", json!({"masked_name": "方**", "item": "低保", "amount": 60_000})),
        ("services", json!({"item": "办理建房审批", "days": 20})),
    ];
    for (content, row) in lists {
        let command = json!({"kind": "disclosure.published.v1", "org": VILLAGE, "fields": {
            "class": "village", "content": content, "period": "2026-02", "title": "公开(虚构)", "lines": [row]}});
        ledger.village(&command).unwrap();
    }
    let names = json!({"kind": "disclosure.published.v1", "org": VILLAGE, "fields": {
        "class": "village", "content": "roster", "period": "2026-02", "title": "公开(虚构)",
        "lines": [{"masked_name": "方**", "item": "低保", "full_name": "方禾生(虚构)"}]}});
    ledger.village(&names).unwrap();
}

#[test]
fn a_county_may_publish_payments_without_balances() {
    let mut ledger = Ledger::new();
    ledger.county(&sample("disclosure.published.v1", COUNTY, None)).unwrap();
}

/// A township that keeps an eye on its villages: a publisher, a secretary and a second publisher of the village.
fn township(ledger: &mut Ledger) {
    for (name, seed, role, org) in [
        ("town", 31, "publisher", TOWNSHIP),
        ("secretary", 32, "approver", TOWNSHIP),
        ("head", 33, "approver", VILLAGE),
    ] {
        ledger.person(name, seed);
        ledger.role(name, role, org).unwrap();
    }
}

fn in_place(period: &str) -> Value {
    let mut sheet = month(period, 18_642_035, &toilet(period));
    sheet["fields"]["published_by"] = json!("substitute");
    sheet
}

#[test]
fn a_township_publishes_in_place_of_a_village_once_the_villages_own_time_is_over() {
    let mut ledger = Ledger::new();
    township(&mut ledger);
    let signers = [("publisher", "town"), ("approver", "secretary")];
    ledger.at("2026-03-10");
    let early = ledger.say(&in_place("2026-02"), &signers).unwrap_err();
    assert!(early.to_string().contains("2026-03-10"), "the due day is still the village's: {early}");
    ledger.at("2026-03-11");
    let sheet = ledger.say(&in_place("2026-02"), &signers).unwrap();
    // The village goes on with its book where the township left it, and answers what is asked about the sheet.
    assert_eq!(refused(ledger.say(&month("2026-02", 18_642_035, &toilet("2026-02")), &SIGNERS)), "state");
    let asked = json!({"kind": "disclosure.questioned.v1", "stream": sheet, "org": VILLAGE,
        "proxy": {"channel": "来访", "original": "kuGcG+81Z6SYS/HtGzOcyZ/O1/R14sXIPO2l9YFHdsw="},
        "fields": {"line": 1, "topic": "amount", "asked_on": "2026-03-11"}});
    ledger.village(&asked).unwrap();
    assert_eq!(ledger.due(&sheet), Some(("答复询问", "2026-03-18".into())));
}

#[test]
fn a_publication_in_place_of_another_takes_two_of_the_organization_above_and_nobody_of_its_own() {
    let mut ledger = Ledger::new();
    township(&mut ledger);
    ledger.at("2026-03-20");
    let said = |ledger: &mut Ledger, signers: &[(&str, &str)]| refused(ledger.say(&in_place("2026-02"), signers));
    assert_eq!(said(&mut ledger, &[("publisher", "town")]), "cosigners_missing");
    assert_eq!(said(&mut ledger, &[("publisher", "clerk"), ("approver", "secretary")]), "field");
    assert_eq!(said(&mut ledger, &[("publisher", "town"), ("approver", "head")]), "field");
    assert_eq!(said(&mut ledger, &[SIGNERS[0], SIGNERS[1], SIGNERS[2], ("approver", "head")]), "field");
    let supervised = [("publisher", "town"), ("approver", "secretary"), SIGNERS[1], SIGNERS[2]];
    ledger.say(&in_place("2026-02"), &supervised).unwrap();
}

#[test]
fn what_is_no_book_may_be_published_in_place_of_a_village_after_its_period() {
    let mut ledger = Ledger::new();
    township(&mut ledger);
    let text = json!({"kind": "disclosure.published.v1", "org": VILLAGE, "fields": {
        "class": "village", "content": "text", "period": "2026-Q1", "published_by": "substitute",
        "title": "一季度村务公开(虚构)", "text": "低保评议、宅基地审批结果见附件(虚构)"}});
    let signers = [("publisher", "officer"), ("approver", "chief")];
    ledger.at("2026-03-31");
    assert_eq!(refused(ledger.say(&text, &signers)), "field");
    ledger.at("2026-04-01");
    ledger.say(&text, &signers).unwrap();
}
