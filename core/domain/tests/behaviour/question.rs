//! Questions about a disclosure, from citizens.

use serde_json::{Value, json};

use super::ledger::{COUNTY, Ledger, VILLAGE, refused, sample};

fn sheet(ledger: &mut Ledger) -> String {
    ledger.county(&sample("disclosure.published.v1", COUNTY, None)).unwrap()
}

fn asked(sheet: &str, fields: &Value) -> Value {
    let mut command = json!({"kind": "disclosure.questioned.v1", "stream": sheet, "org": COUNTY,
        "fields": {"line": 0, "topic": "amount", "asked_on": "2026-03-10"}});
    for (name, value) in fields.as_object().unwrap() {
        command["fields"][name] = value.clone();
    }
    command
}

fn said(kind: &str, sheet: &str, fields: &Value) -> Value {
    json!({"kind": kind, "stream": sheet, "org": COUNTY, "fields": fields})
}

#[test]
fn a_citizen_asks_and_the_clock_runs_at_once() {
    let mut ledger = Ledger::new();
    let sheet = sheet(&mut ledger);
    let question = asked(&sheet, &json!({"text": "为什么有两笔电费？", "asker": "周柏舟(虚构)"}));
    ledger.citizen(&question).unwrap();
    assert_eq!(ledger.due(&sheet), Some(("答复询问", "2026-03-17".into())));
    assert_eq!(ledger.dues(&sheet)[0].part, Some(1));
    let answer = json!({"question": 1, "answered_on": "2026-03-10", "text": "一笔是一月的。"});
    ledger.county(&said("disclosure.answered.v1", &sheet, &answer)).unwrap();
    assert_eq!(ledger.due(&sheet), None);
}

#[test]
fn a_citizens_text_becomes_public_only_through_a_publisher() {
    let mut ledger = Ledger::new();
    let sheet = sheet(&mut ledger);
    let unmasked = asked(&sheet, &json!({"text_masked": "周某的补贴为什么有两笔？"}));
    assert_eq!(refused(ledger.citizen(&unmasked)), "field");
    ledger.citizen(&asked(&sheet, &json!({"text": "周柏舟(虚构)的补贴为什么有两笔？"}))).unwrap();
    let published =
        said("disclosure.question_published.v1", &sheet, &json!({"question": 1, "text": "周**的补贴为什么有两笔？"}));
    assert_eq!(refused(ledger.citizen(&published)), "wrong_author");
    ledger.county(&published).unwrap();
    assert_eq!(refused(ledger.county(&published)), "state");
    let withheld = json!({"question": 1, "ground": "privacy", "reason": "无法遮蔽"});
    assert_eq!(refused(ledger.county(&said("disclosure.question_withheld.v1", &sheet, &withheld))), "state");
}

#[test]
fn a_refusal_to_publish_has_its_ground_and_reason_and_the_question_still_waits_for_its_answer() {
    let mut ledger = Ledger::new();
    let sheet = sheet(&mut ledger);
    ledger.citizen(&asked(&sheet, &json!({"text": "某户的病情为什么写在表上？"}))).unwrap();
    let withheld = |fields: Value| said("disclosure.question_withheld.v1", &sheet, &fields);
    assert_eq!(refused(ledger.county(&withheld(json!({"question": 1, "ground": "privacy"})))), "field");
    assert_eq!(refused(ledger.county(&withheld(json!({"question": 0, "ground": "privacy", "reason": "无"})))), "field");
    ledger.county(&withheld(json!({"question": 1, "ground": "privacy", "reason": "无法遮蔽"}))).unwrap();
    assert!(ledger.due(&sheet).is_some());
}

#[test]
fn not_now_demands_its_explanation_and_every_point_its_text() {
    let mut ledger = Ledger::new();
    let sheet = sheet(&mut ledger);
    ledger.citizen(&asked(&sheet, &json!({"text": "两件事"}))).unwrap();
    let answer = |points: Value, explanation: Option<&str>| {
        let mut fields = json!({"question": 1, "answered_on": "2026-03-10", "text": "答复如下",
            "results": [{"result": "done"}, {"result": "not_now"}], "points": points});
        if let Some(explanation) = explanation {
            fields["explanation"] = json!(explanation);
        }
        said("disclosure.answered.v1", &sheet, &fields)
    };
    let both = json!(["已办", "今年不办"]);
    assert_eq!(refused(ledger.county(&answer(both.clone(), None))), "field");
    assert_eq!(refused(ledger.county(&answer(json!(["已办"]), Some("没有经费")))), "field");
    ledger.county(&answer(both, Some("没有经费"))).unwrap();
}

#[test]
fn a_question_goes_to_the_organization_that_disclosed() {
    let mut ledger = Ledger::new();
    let sheet = sheet(&mut ledger);
    let mut elsewhere = asked(&sheet, &json!({"text": "为什么？"}));
    elsewhere["org"] = json!(VILLAGE);
    assert_eq!(refused(ledger.citizen(&elsewhere)), "field");
}

#[test]
fn a_calendar_that_is_published_later_moves_the_limit() {
    let mut ledger = Ledger::new();
    let sheet = sheet(&mut ledger);
    ledger.citizen(&asked(&sheet, &json!({"text": "为什么？"}))).unwrap();
    assert!(ledger.dues(&sheet)[0].computed.as_ref().unwrap().provisional);
    let calendar = json!({"kind": "calendar.published.v1", "org": COUNTY,
        "fields": {"year": 2026, "off_days": ["2026-03-16"], "work_days": []}});
    ledger.say(&calendar, &[("registrar", "reg1")]).unwrap();
    assert_eq!(ledger.due(&sheet), Some(("答复询问", "2026-03-18".into())));
}
