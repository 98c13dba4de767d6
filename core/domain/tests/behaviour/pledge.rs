//! Pledges.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::ledger::{Ledger, VILLAGE, refused, sample};

fn made(ledger: &mut Ledger) -> String {
    ledger.village(&sample("pledge.made.v1", VILLAGE, None)).unwrap()
}

fn follow(ledger: &mut Ledger, kind: &str, stream: &str) -> Result<String, gongkai_domain::Refusal> {
    ledger.at("2027-01-05");
    ledger.village(&sample(kind, VILLAGE, Some(stream)))
}

#[test]
fn a_pledge_cannot_be_fulfilled_tomorrow() {
    let mut ledger = Ledger::new();
    let pledge = made(&mut ledger);
    let command = json!({"kind": "pledge.fulfilled.v1", "stream": pledge, "org": VILLAGE,
        "fields": {"on": "2026-03-11", "report": "已完成"}});
    assert_eq!(refused(ledger.village(&command)), "field");
}

#[test]
fn a_pledge_cannot_be_due_before_it_is_made() {
    let mut ledger = Ledger::new();
    let mut command = sample("pledge.made.v1", VILLAGE, None);
    command["fields"]["due"] = json!("2026-03-09");
    assert_eq!(refused(ledger.village(&command)), "field");
}

#[test]
fn a_pledge_without_baseline_is_accepted() {
    let mut ledger = Ledger::new();
    let mut command = sample("pledge.made.v1", VILLAGE, None);
    command["fields"].as_object_mut().unwrap().remove("baseline");
    ledger.village(&command).unwrap();
}

#[test]
fn a_withdrawn_pledge_cannot_be_reported_on() {
    let mut ledger = Ledger::new();
    let pledge = made(&mut ledger);
    follow(&mut ledger, "pledge.withdrawn.v1", &pledge).unwrap();
    for kind in ["pledge.progressed.v1", "pledge.fulfilled.v1", "pledge.amended.v1", "pledge.withdrawn.v1"] {
        assert_eq!(refused(follow(&mut ledger, kind, &pledge)), "state", "{kind}");
    }
}

#[test]
fn a_claim_may_be_revised_by_a_later_claim() {
    let mut ledger = Ledger::new();
    let pledge = made(&mut ledger);
    for kind in ["pledge.not_fulfilled.v1", "pledge.fulfilled.v1", "pledge.progressed.v1"] {
        follow(&mut ledger, kind, &pledge).unwrap();
    }
}

#[test]
fn a_report_on_a_pledge_that_was_never_made_is_refused() {
    let mut ledger = Ledger::new();
    let nowhere = "pledge/018f0000-0000-7000-8000-00000000ffff";
    assert_eq!(refused(follow(&mut ledger, "pledge.progressed.v1", nowhere)), "stream_missing");
}

fn public_vote(pledge: &str, eligible: u64, present: u64, good: u64) -> Value {
    json!({"kind": "pledge.evaluated.v1", "stream": pledge, "org": VILLAGE, "fields": {
        "by": "public", "held_on": "2026-12-20", "eligible": eligible, "present": present,
        "excellent": 0, "good": good, "fair": 0, "poor": 0}})
}

#[test]
fn a_public_evaluation_needs_a_quorum_and_the_teller() {
    let mut ledger = Ledger::new();
    let pledge = made(&mut ledger);
    ledger.at("2027-01-05");
    let teller = [("publisher", "clerk"), ("supervisor", "super1")];
    assert_eq!(refused(ledger.say(&public_vote(&pledge, 40, 20, 20), &teller)), "state");
    assert_eq!(refused(ledger.say(&public_vote(&pledge, 40, 30, 31), &teller)), "field");
    assert_eq!(refused(ledger.village(&public_vote(&pledge, 40, 30, 30))), "cosigners_missing");
    ledger.say(&public_vote(&pledge, 40, 30, 30), &teller).unwrap();
}

#[test]
fn feedback_from_the_web_is_told_from_five_on_unless_another_site_counted_it() {
    let mut ledger = Ledger::new();
    let pledge = made(&mut ledger);
    ledger.at("2027-01-05");
    let feedback = |good: u64| {
        json!({"kind": "pledge.evaluated.v1", "stream": pledge, "org": VILLAGE, "fields": {
            "by": "online", "held_on": "2026-12-31", "excellent": 1, "good": good, "fair": 0, "poor": 1}})
    };
    assert_eq!(refused(ledger.village(&feedback(2))), "field");
    ledger.village(&feedback(3)).unwrap();
    let mut elsewhere = feedback(1);
    elsewhere["proxy"] = json!({"channel": "网", "original": gongkai_log::Digest::of(b"table")});
    ledger.village(&elsewhere).unwrap();
}

#[test]
fn an_amendment_names_what_it_changes() {
    let mut ledger = Ledger::new();
    let pledge = made(&mut ledger);
    let nothing = json!({"kind": "pledge.amended.v1", "stream": pledge, "org": VILLAGE, "fields": {"reason": "无"}});
    assert_eq!(refused(ledger.village(&nothing)), "state");
}

/// Model: which follow-ups an open or ended pledge takes.
fn model_accepts(ended: Option<&str>, kind: &str) -> bool {
    match ended {
        None => true,
        Some("pledge.withdrawn.v1") => false,
        Some(_) => kind == "pledge.evaluated.v1",
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_history_of_a_pledge_is_accepted_as_the_model_says(steps in prop::collection::vec(0..9_usize, 1..8)) {
        let kinds = ["pledge.progressed.v1", "pledge.amended.v1", "pledge.fulfilled.v1", "pledge.partly_fulfilled.v1",
            "pledge.not_fulfilled.v1", "pledge.evaluated.v1", "pledge.carried_over.v1", "pledge.superseded.v1",
            "pledge.withdrawn.v1"];
        let mut ledger = Ledger::new();
        let pledge = made(&mut ledger);
        let (mut ended, mut revision) = (None, 0);
        for step in steps {
            let kind = kinds[step];
            let accepted = follow(&mut ledger, kind, &pledge).is_ok();
            prop_assert_eq!(accepted, model_accepts(ended, kind), "{} after {:?}", kind, ended);
            if accepted {
                revision += 1;
                if step >= 6 { ended = Some(kind); }
            }
            prop_assert_eq!(ledger.head(&pledge).revision, revision);
        }
    }
}
