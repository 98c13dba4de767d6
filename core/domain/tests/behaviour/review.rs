//! The four steps: submitted, passed gate by gate, approved, published; and everything that must not be.

use gongkai_domain::{
    Prepared, Refusal,
    audit::{Auditor, Category, Evidence, Finding},
    draft::Draft,
    procedure::{self, REFERENCE},
};
use gongkai_log::{Authority as _, Digest, Entry, List, Openings, Signer};
use serde_json::{Value, json};

use super::ledger::{COUNTY, Ledger, ORIGIN, TOWNSHIP, VILLAGE, refused, sample};

const COUNTY_GATES: [(&str, &str); 5] =
    [("political", "r1"), ("policy", "r2"), ("facts", "r3"), ("wording", "r4"), ("secrecy", "r5")];
const COUNTY_SIGNERS: [(&str, &str); 2] = [("publisher", "officer"), ("approver", "chief")];
const VILLAGE_SIGNERS: [(&str, &str); 4] =
    [("publisher", "clerk"), ("supervisor", "super1"), ("supervisor", "super2"), ("approver", "head")];

/// A ledger in which pledges pass gates from 1 March on, with everybody who is needed.
fn ledger() -> Ledger {
    let mut ledger = unruled();
    turn_on(&mut ledger, 1, "2026-03-01").unwrap();
    ledger
}

fn unruled() -> Ledger {
    let mut ledger = Ledger::new();
    for (seed, name) in (30..).zip(["r1", "r2", "r3", "r4", "r5", "head", "town"]) {
        ledger.person(name, seed);
    }
    for (_, name) in COUNTY_GATES {
        ledger.role(name, "reviewer", COUNTY).unwrap();
    }
    ledger.role("head", "approver", VILLAGE).unwrap();
    ledger.role("town", "reviewer", TOWNSHIP).unwrap();
    ledger
}

fn turn_on(ledger: &mut Ledger, scheme: u64, from: &str) -> Result<String, Refusal> {
    let command = json!({"kind": "rule.published.v1", "org": COUNTY, "fields": {
        "rule": "pledge_review", "value": scheme, "unit": "scheme", "from": from, "basis": "青禾县审核办法(虚构)"}});
    ledger.say(&command, &[("registrar", "reg1"), ("registrar", "reg2")])
}

/// The refusal is this one, and not another with the same code.
fn refuses<T: std::fmt::Debug>(result: Result<T, Refusal>, sentence: &str) {
    let refusal = result.unwrap_err().to_string();
    assert!(refusal.contains(sentence), "{refusal}");
}

fn review(number: u8) -> String {
    format!("review/5ea1ed00-0000-4000-8000-0000000000{number:02}")
}

fn pledge(org: &str, review: &str) -> Value {
    let mut command = sample("pledge.made.v1", org, None);
    command["fields"][REFERENCE] = json!(review);
    command
}

/// A draft and the command that submits it.
fn submission(ledger: &mut Ledger, command: &Value, signers: &[(&str, &str)], review: &str) -> (Prepared, Value) {
    let drafted = ledger.drafted(command, signers).unwrap();
    let draft = Draft::of(&drafted).unwrap();
    let withheld: Vec<_> = draft
        .openings
        .iter()
        .filter(|filled| matches!(filled, gongkai_domain::submission::Filled::Hidden { .. }))
        .map(gongkai_domain::submission::Filled::slot)
        .collect();
    let org = command["org"].as_str().unwrap();
    let mut submit = json!({"kind": "review.submitted.v1", "stream": review, "org": org, "fields": {
        "kind": drafted.statement.kind, "digest": procedure::digest(&drafted.statement).unwrap(),
        "target": drafted.statement.stream, "procedure": if org == VILLAGE { "village" } else { "county" },
        "author": ledger.person_of(signers[0].1), "draft": draft.to_text().unwrap()}});
    if !withheld.is_empty() {
        submit["fields"]["withheld"] = json!(withheld);
    }
    (drafted, submit)
}

/// Submits a draft of the county's officer.
fn county(ledger: &mut Ledger, number: u8) -> Prepared {
    let command = pledge(COUNTY, &review(number));
    let (drafted, submit) = submission(ledger, &command, &COUNTY_SIGNERS, &review(number));
    ledger.county(&submit).unwrap();
    drafted
}

/// Submits a draft of the village's clerk.
fn village(ledger: &mut Ledger, number: u8) -> Prepared {
    let command = pledge(VILLAGE, &review(number));
    let (drafted, submit) = submission(ledger, &command, &VILLAGE_SIGNERS, &review(number));
    ledger.village(&submit).unwrap();
    drafted
}

fn org_of(role: &str, name: &str) -> &'static str {
    let of_village = ["supervisor"].contains(&role) || ["head", "town"].contains(&name);
    if of_village { VILLAGE } else { COUNTY }
}

fn pass(ledger: &mut Ledger, number: u8, gate: &str, role: &str, name: &str) -> Result<String, Refusal> {
    let command = json!({"kind": "review.gate_passed.v1", "stream": review(number), "org": org_of(role, name),
        "fields": {"gate": gate, "person": ledger.person_of(name), "opinion": "同意(虚构)"}});
    ledger.say(&command, &[(role, name)])
}

fn approve(ledger: &mut Ledger, number: u8, name: &str) -> Result<String, Refusal> {
    let command = json!({"kind": "review.approved.v1", "stream": review(number), "org": org_of("approver", name),
        "fields": {"person": ledger.person_of(name)}});
    ledger.say(&command, &[("approver", name)])
}

fn county_gates(ledger: &mut Ledger, number: u8) {
    for (gate, name) in COUNTY_GATES {
        pass(ledger, number, gate, "reviewer", name).unwrap();
    }
}

fn publish(ledger: &mut Ledger, drafted: Prepared) -> Result<String, Refusal> {
    let submission = ledger.sign(drafted);
    ledger.submit(submission)
}

/// The whole village procedure but for the steps that are left out.
fn village_steps(ledger: &mut Ledger, number: u8, upto: usize) {
    for step in 0..upto {
        match step {
            0 => pass(ledger, number, "supervision", "supervisor", "super1"),
            1 => pass(ledger, number, "supervision", "supervisor", "super2"),
            2 => approve(ledger, number, "head"),
            _ => pass(ledger, number, "filing", "reviewer", "town"),
        }
        .unwrap();
    }
}

#[test]
fn a_county_publishes_after_five_gates_and_the_secretary() {
    let mut ledger = ledger();
    let drafted = county(&mut ledger, 1);
    county_gates(&mut ledger, 1);
    approve(&mut ledger, 1, "chief").unwrap();
    publish(&mut ledger, drafted).unwrap();
}

#[test]
fn a_village_publishes_after_two_supervisors_the_secretary_and_the_township() {
    let mut ledger = ledger();
    let drafted = village(&mut ledger, 1);
    village_steps(&mut ledger, 1, 4);
    publish(&mut ledger, drafted).unwrap();
}

#[test]
fn a_county_cannot_publish_while_any_gate_is_missing() {
    for gates in 0..=COUNTY_GATES.len() {
        let mut ledger = ledger();
        let drafted = county(&mut ledger, 1);
        for (gate, name) in &COUNTY_GATES[..gates] {
            pass(&mut ledger, 1, gate, "reviewer", name).unwrap();
        }
        refuses(publish(&mut ledger, drafted), ["政治关", "政策关", "实事关", "文字关", "保密关", "书记审批"][gates]);
    }
}

#[test]
fn a_village_cannot_publish_while_any_step_is_missing() {
    for steps in 0..4 {
        let mut ledger = ledger();
        let drafted = village(&mut ledger, 1);
        village_steps(&mut ledger, 1, steps);
        refuses(publish(&mut ledger, drafted), ["村监会审核", "村监会审核", "书记审批", "乡镇备案"][steps]);
    }
}

#[test]
fn gates_are_passed_in_their_order_and_secrecy_is_last() {
    let mut ledger = ledger();
    county(&mut ledger, 1);
    refuses(pass(&mut ledger, 1, "secrecy", "reviewer", "r5"), "现在应过「政治关」");
    refuses(approve(&mut ledger, 1, "chief"), "现在应过「政治关」");
    for (gate, name) in &COUNTY_GATES[..4] {
        refuses(approve(&mut ledger, 1, "chief"), "还不能过「书记审批」");
        pass(&mut ledger, 1, gate, "reviewer", name).unwrap();
    }
    refuses(pass(&mut ledger, 1, "political", "reviewer", "r5"), "现在应过「保密关」");
    pass(&mut ledger, 1, "secrecy", "reviewer", "r5").unwrap();
    approve(&mut ledger, 1, "chief").unwrap();
    refuses(approve(&mut ledger, 1, "chief"), "已经走完");
}

#[test]
fn approval_is_no_gate_that_a_reviewer_passes() {
    let mut ledger = ledger();
    county(&mut ledger, 1);
    county_gates(&mut ledger, 1);
    ledger.role("chief", "reviewer", COUNTY).unwrap();
    refuses(pass(&mut ledger, 1, "approval", "reviewer", "chief"), "审批另行签署");
}

#[test]
fn an_author_passes_no_gate_of_the_own_draft() {
    let mut ledger = ledger();
    county(&mut ledger, 1);
    ledger.role("officer", "reviewer", COUNTY).unwrap();
    refuses(pass(&mut ledger, 1, "political", "reviewer", "officer"), "自己的稿件");
}

#[test]
fn an_author_does_not_approve_the_own_draft() {
    let mut ledger = ledger();
    county(&mut ledger, 1);
    county_gates(&mut ledger, 1);
    ledger.role("officer", "approver", COUNTY).unwrap();
    refuses(approve(&mut ledger, 1, "officer"), "自己的稿件");
}

#[test]
fn nobody_passes_two_gates() {
    let mut ledger = ledger();
    county(&mut ledger, 1);
    pass(&mut ledger, 1, "political", "reviewer", "r1").unwrap();
    refuses(pass(&mut ledger, 1, "policy", "reviewer", "r1"), "只能办理一关");
    for (gate, name) in &COUNTY_GATES[1..] {
        pass(&mut ledger, 1, gate, "reviewer", name).unwrap();
    }
    ledger.role("r1", "approver", COUNTY).unwrap();
    refuses(approve(&mut ledger, 1, "r1"), "只能办理一关");
}

#[test]
fn one_supervisor_is_not_two() {
    let mut ledger = ledger();
    village(&mut ledger, 1);
    village_steps(&mut ledger, 1, 1);
    refuses(pass(&mut ledger, 1, "supervision", "supervisor", "super1"), "只能办理一关");
    refuses(approve(&mut ledger, 1, "head"), "现在应过「村监会审核」");
}

#[test]
fn a_village_is_filed_by_the_township_and_not_by_its_own_reviewer() {
    let mut ledger = ledger();
    village(&mut ledger, 1);
    village_steps(&mut ledger, 1, 3);
    ledger.person("own", 50);
    ledger.role("own", "reviewer", VILLAGE).unwrap();
    let command = json!({"kind": "review.gate_passed.v1", "stream": review(1), "org": VILLAGE,
        "fields": {"gate": "filing", "person": ledger.person_of("own")}});
    refuses(ledger.say(&command, &[("reviewer", "own")]), "应由上级机构的审核人办理");
    pass(&mut ledger, 1, "filing", "reviewer", "town").unwrap();
}

#[test]
fn a_gate_is_passed_only_in_its_role_and_in_the_own_name() {
    let mut ledger = ledger();
    county(&mut ledger, 1);
    ledger.person("super3", 51);
    ledger.role("super3", "supervisor", COUNTY).unwrap();
    let as_supervisor = json!({"kind": "review.gate_passed.v1", "stream": review(1), "org": COUNTY,
        "fields": {"gate": "political", "person": ledger.person_of("super3")}});
    refuses(ledger.say(&as_supervisor, &[("supervisor", "super3")]), "应由审核人签署");
    let for_another = json!({"kind": "review.gate_passed.v1", "stream": review(1), "org": COUNTY,
        "fields": {"gate": "political", "person": ledger.person_of("r2")}});
    refuses(ledger.say(&for_another, &[("reviewer", "r1")]), "应是签名人本人");
    assert_eq!(refused(pass(&mut ledger, 1, "political", "reviewer", "chief")), "no_role");
}

#[test]
fn a_body_that_was_changed_after_approval_is_not_published() {
    let mut ledger = ledger();
    let mut drafted = county(&mut ledger, 1);
    county_gates(&mut ledger, 1);
    approve(&mut ledger, 1, "chief").unwrap();
    drafted.statement.body.insert("due".into(), json!("2026-12-30"));
    refuses(publish(&mut ledger, drafted), "与审核通过的不一致");
}

#[test]
fn a_text_that_was_changed_after_approval_is_not_published() {
    let mut ledger = ledger();
    county(&mut ledger, 1);
    county_gates(&mut ledger, 1);
    approve(&mut ledger, 1, "chief").unwrap();
    let other = ledger.drafted(&pledge(COUNTY, &review(1)), &COUNTY_SIGNERS).unwrap();
    refuses(publish(&mut ledger, other), "与审核通过的不一致");
}

#[test]
fn who_signs_and_when_is_no_part_of_what_is_approved() {
    let mut ledger = ledger();
    let command = pledge(COUNTY, &review(1));
    let (mut drafted, submit) = submission(&mut ledger, &command, &[("publisher", "officer")], &review(1));
    ledger.county(&submit).unwrap();
    county_gates(&mut ledger, 1);
    approve(&mut ledger, 1, "chief").unwrap();
    ledger.at("2026-03-12");
    assert_eq!(refused(publish(&mut ledger, drafted.clone())), "cosigners_missing");
    drafted.statement.signers.push(Signer { role: "approver".into(), key: "chief".into() });
    drafted.statement.declared_at += chrono::TimeDelta::days(1);
    publish(&mut ledger, drafted).unwrap();
}

#[test]
fn a_statement_needs_a_review_of_its_own() {
    let mut ledger = ledger();
    county(&mut ledger, 1);
    county_gates(&mut ledger, 1);
    approve(&mut ledger, 1, "chief").unwrap();
    let mut command = pledge(COUNTY, &review(1));
    command["fields"]["title"] = json!("别的事项(虚构)");
    refuses(ledger.say(&command, &COUNTY_SIGNERS), "与审核通过的不一致");
    refuses(ledger.say(&pledge(COUNTY, &review(9)), &COUNTY_SIGNERS), "没有这项审核");
    refuses(ledger.say(&sample("pledge.made.v1", COUNTY, None), &COUNTY_SIGNERS), "须先经审核");
}

#[test]
fn one_review_publishes_one_statement_once() {
    let mut ledger = unruled();
    let made = ledger.county(&sample("pledge.made.v1", COUNTY, None)).unwrap();
    turn_on(&mut ledger, 1, "2026-03-01").unwrap();
    let command = json!({"kind": "pledge.progressed.v1", "stream": made, "org": COUNTY,
        "fields": {"percent": 10, "report": "完成一成(虚构)", REFERENCE: review(1)}});
    let (drafted, submit) = submission(&mut ledger, &command, &COUNTY_SIGNERS, &review(1));
    ledger.county(&submit).unwrap();
    county_gates(&mut ledger, 1);
    approve(&mut ledger, 1, "chief").unwrap();
    publish(&mut ledger, drafted.clone()).unwrap();
    assert_eq!(refused(publish(&mut ledger, drafted.clone())), "stale_parent");
    // At the next revision the same slots open nothing: their commitments are bound to the old one.
    let mut again = drafted;
    again.statement.revision = 2;
    again.statement.parent = Some(ledger.head(&made).hash);
    assert_eq!(refused(publish(&mut ledger, again)), "malformed");
}

#[test]
fn who_decided_is_who_signs_what_is_published() {
    let mut ledger = ledger();
    ledger.person("deputy", 52);
    ledger.role("deputy", "approver", COUNTY).unwrap();
    let mut drafted = county(&mut ledger, 1);
    county_gates(&mut ledger, 1);
    approve(&mut ledger, 1, "chief").unwrap();
    drafted.statement.signers[1].key = "deputy".into();
    assert_eq!(refused(publish(&mut ledger, drafted.clone())), "cosigners_missing");
    ledger.person("officer2", 53);
    ledger.role("officer2", "publisher", COUNTY).unwrap();
    drafted.statement.signers[1].key = "chief".into();
    drafted.statement.signers[0].key = "officer2".into();
    refuses(publish(&mut ledger, drafted), "应由送审人签名");
}

#[test]
fn an_author_who_is_also_approver_cannot_sign_twice() {
    let mut ledger = ledger();
    ledger.role("officer", "approver", COUNTY).unwrap();
    let person = ledger.person_of("officer");
    ledger.add_key("officer-b", 60);
    let vkey = ledger.verifier("officer-b");
    let command = json!({"kind": "key.authorized.v1", "org": COUNTY, "fields": {"person": person, "key": vkey}});
    ledger.say(&command, &[("registrar", "reg1")]).unwrap();
    let both = [("publisher", "officer"), ("approver", "officer-b")];
    assert_eq!(refused(ledger.say(&pledge(COUNTY, &review(1)), &both)), "same_person");
}

#[test]
fn a_returned_review_takes_nothing_more_and_is_submitted_anew() {
    let mut ledger = ledger();
    let drafted = county(&mut ledger, 1);
    pass(&mut ledger, 1, "political", "reviewer", "r1").unwrap();
    let back = |gate: &str, person: String| {
        json!({"kind": "review.returned.v1", "stream": review(1), "org": COUNTY,
            "fields": {"gate": gate, "person": person, "reason": "目标值不明(虚构)"}})
    };
    let early = back("facts", ledger.person_of("r2"));
    refuses(ledger.say(&early, &[("reviewer", "r2")]), "现在应过「政策关」");

    // The same matter can be submitted beside, but not as a successor of what was not returned.
    let mut command = pledge(COUNTY, &review(2));
    command["stream"] = json!(drafted.statement.stream);
    command["fields"]["target"] = json!("十二户(虚构)");
    let (mended, mut submit) = submission(&mut ledger, &command, &COUNTY_SIGNERS, &review(2));
    submit["fields"]["previous"] = json!(review(1));
    refuses(ledger.county(&submit), "没有退回");

    let returned = back("policy", ledger.person_of("r2"));
    ledger.say(&returned, &[("reviewer", "r2")]).unwrap();
    refuses(pass(&mut ledger, 1, "policy", "reviewer", "r3"), "已经退回");
    refuses(ledger.say(&returned, &[("reviewer", "r2")]), "已经退回");
    refuses(publish(&mut ledger, drafted), "已经退回");

    ledger.county(&submit).unwrap();
    county_gates(&mut ledger, 2);
    approve(&mut ledger, 2, "chief").unwrap();
    publish(&mut ledger, mended).unwrap();
}

#[test]
fn a_new_review_succeeds_only_a_review_of_the_same_matter() {
    let mut ledger = ledger();
    county(&mut ledger, 1);
    let back = json!({"kind": "review.returned.v1", "stream": review(1), "org": COUNTY,
        "fields": {"gate": "political", "person": ledger.person_of("r1"), "reason": "目标值不明(虚构)"}});
    ledger.say(&back, &[("reviewer", "r1")]).unwrap();
    let command = pledge(COUNTY, &review(2));
    let (_, mut submit) = submission(&mut ledger, &command, &COUNTY_SIGNERS, &review(2));
    submit["fields"]["previous"] = json!(review(1));
    refuses(ledger.county(&submit), "另一件事项");
    submit["fields"]["previous"] = json!(review(8));
    refuses(ledger.county(&submit), "「退回的审核」（previous）：没有这件事项");
}

#[test]
fn what_the_reviewers_read_is_what_the_digest_binds() {
    let mut ledger = ledger();
    let command = pledge(COUNTY, &review(1));
    let (_, submit) = submission(&mut ledger, &command, &COUNTY_SIGNERS, &review(1));
    let (_, other) = submission(&mut ledger, &command, &COUNTY_SIGNERS, &review(1));
    let mut swapped = |field: &str, value: &Value| {
        let mut changed = submit.clone();
        changed["fields"][field] = value.clone();
        ledger.county(&changed).unwrap_err().to_string()
    };
    for (field, value) in [
        ("digest", &other["fields"]["digest"]),
        ("target", &other["fields"]["target"]),
        ("kind", &json!("pledge.amended.v1")),
        ("procedure", &json!("village")),
        ("withheld", &json!([3])),
    ] {
        assert!(swapped(field, value).contains(&format!("（{field}）")), "{field}");
    }
    assert!(swapped("draft", &other["fields"]["draft"]).contains("与送审稿不一致"));
    assert!(swapped("draft", &json!("{}")).starts_with("格式不正确：draft"));
    let text = submit["fields"]["draft"].as_str().unwrap().replace("(虚构)", "(真实)");
    assert!(swapped("draft", &json!(text)).contains("启封值"));
    let author = ledger.person_of("r1");
    let mut changed = submit.clone();
    changed["fields"]["author"] = json!(author);
    refuses(ledger.county(&changed), "应是签名人本人");
    // The draft names the review in which it is read.
    let mut elsewhere = submit.clone();
    elsewhere["stream"] = json!(review(2));
    refuses(ledger.county(&elsewhere), "应是本审核");
    ledger.county(&submit).unwrap();
}

#[test]
fn a_contact_stays_unread_in_review_and_nothing_else_may() {
    let mut ledger = ledger();
    let mut command = pledge(COUNTY, &review(1));
    command["fields"]["contact"] = json!("电话13800138000");
    let (drafted, submit) = submission(&mut ledger, &command, &COUNTY_SIGNERS, &review(1));
    assert!(!submit["fields"]["draft"].as_str().unwrap().contains("13800138000"));
    assert_eq!(submit["fields"]["withheld"].as_array().unwrap().len(), 1);
    ledger.county(&submit).unwrap();
    county_gates(&mut ledger, 1);
    approve(&mut ledger, 1, "chief").unwrap();
    publish(&mut ledger, drafted).unwrap();

    let (drafted, mut submit) = submission(&mut ledger, &pledge(COUNTY, &review(2)), &COUNTY_SIGNERS, &review(2));
    hide(&mut submit, &drafted, "measures");
    ledger.county(&submit).unwrap();
    county_gates(&mut ledger, 2);
    approve(&mut ledger, 2, "chief").unwrap();
    refuses(publish(&mut ledger, drafted), "没有出示「落实措施」");
}

/// Puts a commitment in place of a field in a draft.
fn hide(submit: &mut Value, drafted: &Prepared, name: &str) {
    let mut draft: Value = serde_json::from_str(submit["fields"]["draft"].as_str().unwrap()).unwrap();
    let statement = &drafted.statement;
    let slots = draft["openings"].as_array_mut().unwrap();
    let slot = slots.iter_mut().find(|slot| slot["name"] == name).unwrap();
    let number = slot["slot"].clone();
    let filled = drafted.openings.iter().find(|filled| json!(filled.slot()) == number).unwrap();
    let commitment = filled.commit(&statement.origin, &statement.stream, statement.revision).unwrap();
    *slot = json!({"commitment": commitment, "slot": number});
    let draft: Draft = serde_json::from_value(draft).unwrap();
    submit["fields"]["draft"] = json!(draft.to_text().unwrap());
    submit["fields"]["withheld"] = json!([number]);
}

#[test]
fn what_needs_no_review_has_none() {
    let mut ledger = ledger();
    let command = sample("slot.withdrawn.v1", COUNTY, None);
    let drafted = ledger.drafted(&command, &COUNTY_SIGNERS).unwrap();
    let draft = Draft::of(&drafted).unwrap();
    let submit = json!({"kind": "review.submitted.v1", "stream": review(1), "org": COUNTY, "fields": {
        "kind": drafted.statement.kind, "digest": procedure::digest(&drafted.statement).unwrap(),
        "target": drafted.statement.stream, "procedure": "county", "author": ledger.person_of("officer"),
        "draft": draft.to_text().unwrap()}});
    refuses(ledger.county(&submit), "不须审核");
}

#[test]
fn where_no_procedure_is_demanded_nothing_is() {
    let mut ledger = unruled();
    ledger.county(&sample("pledge.made.v1", COUNTY, None)).unwrap();
    turn_on(&mut ledger, 1, "2026-04-01").unwrap();
    ledger.county(&sample("pledge.made.v1", COUNTY, None)).unwrap();
    ledger.at("2026-04-01");
    assert_eq!(refused(ledger.county(&sample("pledge.made.v1", COUNTY, None))), "cosigners_missing");
    // Another family has a rule of its own.
    ledger.village(&sample("notice.published.v1", VILLAGE, None)).unwrap();
    turn_on(&mut ledger, 0, "2026-05-01").unwrap();
    ledger.at("2026-05-01");
    ledger.county(&sample("pledge.made.v1", COUNTY, None)).unwrap();
}

#[test]
fn a_scheme_says_which_levels_are_bound() {
    let mut ledger = unruled();
    turn_on(&mut ledger, 3, "2026-03-01").unwrap();
    ledger.county(&sample("pledge.made.v1", COUNTY, None)).unwrap();
    assert_eq!(refused(ledger.village(&sample("pledge.made.v1", VILLAGE, None))), "cosigners_missing");
    turn_on(&mut ledger, 2, "2026-03-02").unwrap();
    assert_eq!(refused(ledger.county(&sample("pledge.made.v1", COUNTY, None))), "cosigners_missing");
    ledger.village(&sample("pledge.made.v1", VILLAGE, None)).unwrap();
    refuses(turn_on(&mut ledger, 99, "2026-03-02"), "没有这一号审核方案");
}

#[test]
fn a_back_dated_statement_does_not_slip_past_the_rule() {
    let mut ledger = ledger();
    let mut command = sample("pledge.made.v1", COUNTY, None);
    command["declared_at"] = json!("2026-02-01T09:00:00+08:00");
    assert_eq!(refused(ledger.county(&command)), "cosigners_missing");
}

#[test]
fn a_review_that_is_named_without_need_holds_all_the_same() {
    let mut ledger = unruled();
    let drafted = county(&mut ledger, 1);
    refuses(publish(&mut ledger, drafted.clone()), "还缺「政治关」");
    county_gates(&mut ledger, 1);
    approve(&mut ledger, 1, "chief").unwrap();
    publish(&mut ledger, drafted).unwrap();
}

#[test]
fn a_village_statement_shows_its_supervisors_and_its_secretary_to_everybody() {
    let mut ledger = ledger();
    let drafted = village(&mut ledger, 1);
    village_steps(&mut ledger, 1, 4);
    for missing in 1..4 {
        let mut fewer = drafted.clone();
        fewer.statement.signers.remove(missing);
        assert_eq!(refused(publish(&mut ledger, fewer)), "cosigners_missing", "without signer {missing}");
    }
    publish(&mut ledger, drafted).unwrap();
}

/// What an auditor without a vault has.
struct Published;

impl Evidence for Published {
    fn list(&self, _: &Digest) -> Option<List> {
        None
    }
    fn entry(&self, _: u64) -> Option<Entry> {
        None
    }
}

/// What an auditor without a vault finds to be against the rules, from the entries alone.
fn breaches(ledger: &Ledger) -> Vec<Finding> {
    let log = ledger.verifier(ORIGIN).parse().unwrap();
    let mut auditor = Auditor::new(&log, Published);
    let public = ledger.recorded().filter(|(_, checked)| !checked.kind.sealed);
    for (index, (time, checked)) in (0..).zip(public) {
        let bytes = Entry::seal(index, time, Digest::ZERO, &checked.signed.note.to_string()).unwrap();
        let openings = Openings { index, ..checked.openings.clone() };
        auditor.observe(&Entry::parse(bytes).unwrap(), Some(&openings)).unwrap();
    }
    let today = "2026-06-01".parse().unwrap();
    auditor.finish(today).into_iter().filter(|finding| finding.category == Category::Breach).collect()
}

#[test]
fn an_audit_without_a_vault_finds_the_old_statements_and_the_reviewed_ones_good() {
    let mut ledger = unruled();
    ledger.county(&sample("pledge.made.v1", COUNTY, None)).unwrap();
    turn_on(&mut ledger, 1, "2026-03-01").unwrap();
    let drafted = county(&mut ledger, 1);
    county_gates(&mut ledger, 1);
    approve(&mut ledger, 1, "chief").unwrap();
    publish(&mut ledger, drafted).unwrap();
    assert_eq!(breaches(&ledger), []);
}

#[test]
fn an_audit_without_a_vault_finds_a_statement_that_the_secretary_did_not_sign() {
    let mut ledger = ledger();
    let unsigned = ledger.drafted(&sample("pledge.made.v1", COUNTY, None), &[("publisher", "officer")]).unwrap();
    let unsigned = ledger.sign(unsigned);
    ledger.force(unsigned);
    let found = breaches(&ledger);
    assert_eq!(found.len(), 1);
    assert!(found[0].sentence.contains("审批人"), "{}", found[0].sentence);
}

#[test]
fn what_is_published_in_place_of_a_village_passes_the_gates_of_those_who_do_it() {
    let mut ledger = unruled();
    let rule = json!({"kind": "rule.published.v1", "org": COUNTY, "fields": {
        "rule": "disclosure_review", "value": 3, "unit": "scheme", "from": "2026-03-01", "basis": "青禾县审核办法(虚构)"}});
    ledger.say(&rule, &[("registrar", "reg1"), ("registrar", "reg2")]).unwrap();
    ledger.at("2026-03-20");
    let sheet = json!({"kind": "disclosure.published.v1", "org": VILLAGE, "fields": {
        "class": "village", "content": "text", "period": "2026-02", "published_by": "substitute", REFERENCE: review(1),
        "title": "二月村务公开(虚构)", "text": "宅基地审批结果见附件(虚构)"}});
    let (drafted, mut submit) = submission(&mut ledger, &sheet, &COUNTY_SIGNERS, &review(1));
    refuses(ledger.county(&submit), "代为公开走县级程序");
    submit["fields"]["procedure"] = json!("county");
    ledger.county(&submit).unwrap();
    let step = |ledger: &mut Ledger, verb: &str, gate: Option<&str>, (role, name): (&str, &str)| {
        let mut fields = json!({"person": ledger.person_of(name)});
        if let Some(gate) = gate {
            fields["gate"] = json!(gate);
        }
        let kind = format!("review.{verb}.v1");
        ledger.say(&json!({"kind": kind, "stream": review(1), "org": VILLAGE, "fields": fields}), &[(role, name)])
    };
    let supervised = step(&mut ledger, "gate_passed", Some("supervision"), ("supervisor", "super1"));
    refuses(supervised, "现在应过「政治关」");
    ledger.person("own", 97);
    ledger.role("own", "reviewer", VILLAGE).unwrap();
    let own = step(&mut ledger, "gate_passed", Some("political"), ("reviewer", "own"));
    refuses(own, "应由上级机构的审核人办理");
    for (gate, name) in COUNTY_GATES {
        step(&mut ledger, "gate_passed", Some(gate), ("reviewer", name)).unwrap();
    }
    step(&mut ledger, "approved", None, ("approver", "chief")).unwrap();
    publish(&mut ledger, drafted).unwrap();
}
