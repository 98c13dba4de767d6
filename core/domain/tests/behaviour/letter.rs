//! Letters: routes, clocks, reviews, publication.

use gongkai_domain::kind::letter::{self, Class, State, Step};
use serde_json::{Value, json};

use super::ledger::{COUNTY, Ledger, TOWNSHIP, VILLAGE, by_proxy, refused, sample, with};

const INTAKE: [(&str, &str); 1] = [("intake", "intake")];
const CHIEF: [(&str, &str); 1] = [("approver", "chief")];

fn letter(class: &str) -> Value {
    with(sample("letter.received.v1", VILLAGE, None), &json!({"class": class}))
}

fn step(name: &str, org: &str, stream: &str, fields: &Value) -> Value {
    with(sample(&format!("letter.{name}.v1"), org, Some(stream)), fields)
}

fn received(ledger: &mut Ledger, class: &str) -> String {
    ledger.citizen(&letter(class)).unwrap()
}

fn registered(ledger: &mut Ledger, class: &str) -> String {
    let stream = received(ledger, class);
    ledger.at("2026-03-12");
    ledger.village(&step("registered", VILLAGE, &stream, &json!({"class": class}))).unwrap();
    stream
}

fn answered(ledger: &mut Ledger) -> String {
    let stream = registered(ledger, "appeal");
    ledger.at("2026-04-02");
    ledger.village(&step("answered", VILLAGE, &stream, &json!({}))).unwrap();
    stream
}

fn escalated(stream: &str, to: &str, on: &str) -> Value {
    step("escalated", VILLAGE, stream, &json!({"to": to, "escalated_on": on}))
}

#[test]
fn an_accusation_in_the_clear_is_refused_and_told_why() {
    let mut ledger = Ledger::new();
    ledger.receiver("chief", VILLAGE, 51);
    let refusal = ledger.citizen(&letter("accusation")).unwrap_err();
    assert!(refusal.to_string().contains("加密"), "{refusal}");
    let stream = ledger.encrypted(&letter("accusation"), &INTAKE).unwrap();
    let state = ledger.state(&stream).get::<State>().unwrap();
    assert_eq!((state.class, state.org.as_str()), (None, VILLAGE), "the ledger does not know what it is");
}

#[test]
fn an_officer_enters_a_letter_only_from_an_original_and_a_real_name_is_given() {
    let mut ledger = Ledger::new();
    assert_eq!(refused(ledger.village(&letter("opinion"))), "field");
    ledger.village(&by_proxy(letter("opinion"))).unwrap();
    let mut nameless = letter("opinion");
    nameless["fields"].as_object_mut().unwrap().remove("name");
    assert_eq!(refused(ledger.citizen(&nameless)), "field");
}

#[test]
fn an_appeal_is_routed_in_fifteen_days_and_closed_in_sixty_and_thirty_more() {
    let mut ledger = Ledger::new();
    let stream = received(&mut ledger, "appeal");
    assert_eq!(ledger.due(&stream), Some(("登记并告知来信人", "2026-03-25".into())));
    ledger.at("2026-03-12");
    ledger.village(&step("registered", VILLAGE, &stream, &json!({}))).unwrap();
    assert_eq!(ledger.due(&stream), Some(("办结并答复", "2026-05-11".into())));
    ledger.at("2026-05-06");
    let extended = step("extended", VILLAGE, &stream, &json!({}));
    assert_eq!(refused(ledger.village(&extended)), "wrong_author");
    ledger.say(&extended, &CHIEF).unwrap();
    assert_eq!(ledger.due(&stream), Some(("办结并答复", "2026-06-10".into())));
    assert_eq!(refused(ledger.say(&extended, &CHIEF)), "state");
}

#[test]
fn a_hotline_matter_is_closed_in_five_working_days() {
    let mut ledger = Ledger::new();
    let stream = received(&mut ledger, "opinion");
    ledger.at("2026-03-12");
    let fields = json!({"class": "opinion", "channel": "hotline"});
    ledger.village(&step("registered", VILLAGE, &stream, &fields)).unwrap();
    assert_eq!(ledger.due(&stream), Some(("办结并答复", "2026-03-19".into())));
}

#[test]
fn an_opinion_that_was_taken_up_is_awaited_until_it_is_answered_by_the_day_that_the_rule_says() {
    let mut ledger = Ledger::new();
    let first = registered(&mut ledger, "opinion");
    assert_eq!(ledger.due(&first), Some(("办结并答复", "2026-05-11".into())));
    let due = ledger.dues(&first).remove(0);
    assert!(due.rule.as_ref().unwrap().basis.contains("信访工作条例第二十九条"));
    assert_eq!((due.days_over("2026-05-11".parse().unwrap()), due.days_over("2026-05-12".parse().unwrap())), (0, 1));
    ledger.at("2026-04-02");
    ledger.village(&step("answered", VILLAGE, &first, &json!({}))).unwrap();
    assert_eq!(ledger.due(&first), None);

    let second = received(&mut ledger, "opinion");
    let rule = json!({"kind": "rule.published.v1", "org": COUNTY, "fields": {"rule": "opinion_days_max", "value": 5,
        "unit": "working_days", "from": "2026-04-02", "basis": "青禾县办理意见建议的规定(虚构)"}});
    ledger.say(&rule, &[("registrar", "reg1"), ("registrar", "reg2")]).unwrap();
    let fields = json!({"class": "opinion", "registered_on": "2026-04-02"});
    ledger.village(&step("registered", VILLAGE, &second, &fields)).unwrap();
    assert_eq!(ledger.due(&second), Some(("办结并答复", "2026-04-09".into())), "a county may be quicker");
}

#[test]
fn whoever_accuses_by_name_is_told_of_acceptance_and_of_the_result() {
    let mut ledger = Ledger::new();
    ledger.receiver("chief", VILLAGE, 51);
    let stream = ledger.encrypted(&letter("accusation"), &INTAKE).unwrap();
    ledger.at("2026-03-12");
    let mut registered = step("registered", VILLAGE, &stream, &json!({"class": "accusation"}));
    registered["fields"].as_object_mut().unwrap().remove("told_on");
    ledger.say(&registered, &CHIEF).unwrap();
    assert_eq!(ledger.state(&stream).get::<State>().unwrap().class, Some(Class::Accusation));
    // Fifteen working days from 2026-03-10; the days of an appeal do not run.
    let told = |what: &str, on: &str| step("notified", VILLAGE, &stream, &json!({"what": what, "told_on": on}));
    assert_eq!(ledger.due(&stream), Some(("告知是否受理", "2026-03-31".into())));
    ledger.say(&told("acceptance", "2026-03-12"), &CHIEF).unwrap();
    assert_eq!(ledger.due(&stream), None);
    assert_eq!(refused(ledger.say(&told("result", "2026-03-12"), &CHIEF)), "state");
    ledger.at("2026-04-02");
    let mut answer = step("answered", VILLAGE, &stream, &json!({}));
    answer["fields"].as_object_mut().unwrap().remove("told_on");
    ledger.encrypted(&answer, &CHIEF).unwrap();
    assert_eq!(ledger.due(&stream), Some(("反馈办理结果", "2026-04-23".into())));
    ledger.say(&told("result", "2026-04-02"), &CHIEF).unwrap();
    assert_eq!(ledger.due(&stream), None);
}

#[test]
fn a_letter_is_forwarded_returned_and_each_time_the_clock_begins_anew() {
    let mut ledger = Ledger::new();
    let stream = received(&mut ledger, "appeal");
    ledger.at("2026-03-12");
    ledger.village(&step("forwarded", VILLAGE, &stream, &json!({}))).unwrap();
    assert_eq!(ledger.dues(&stream)[0].org, TOWNSHIP);
    assert_eq!(ledger.due(&stream), Some(("登记并告知来信人", "2026-03-27".into())));
    ledger.at("2026-03-14");
    assert_eq!(refused(ledger.village(&step("registered", VILLAGE, &stream, &json!({})))), "field");
    ledger.say(&step("returned", TOWNSHIP, &stream, &json!({})), &CHIEF).unwrap();
    assert_eq!(ledger.dues(&stream)[0].org, VILLAGE);
    assert_eq!(refused(ledger.village(&step("returned", VILLAGE, &stream, &json!({})))), "state");
}

#[test]
fn a_letter_that_is_not_accepted_says_why_and_awaits_nothing() {
    let mut ledger = Ledger::new();
    let stream = received(&mut ledger, "appeal");
    ledger.at("2026-03-12");
    let mut silent = step("not_accepted", VILLAGE, &stream, &json!({}));
    silent["fields"].as_object_mut().unwrap().remove("reason");
    assert_eq!(refused(ledger.village(&silent)), "field");
    ledger.village(&step("not_accepted", VILLAGE, &stream, &json!({}))).unwrap();
    assert_eq!(ledger.due(&stream), None);
    assert_eq!(refused(ledger.village(&step("registered", VILLAGE, &stream, &json!({})))), "state");
}

#[test]
fn an_answer_follows_the_registration_and_explains_what_is_not_done_now() {
    let mut ledger = Ledger::new();
    let stream = received(&mut ledger, "appeal");
    ledger.at("2026-04-02");
    assert_eq!(refused(ledger.village(&step("answered", VILLAGE, &stream, &json!({})))), "state");
    ledger.village(&step("registered", VILLAGE, &stream, &json!({}))).unwrap();
    let silent = json!({"points": [{"point": "硬化渠底", "result": "not_now", "reply": "不办"}]});
    let refusal = ledger.village(&step("answered", VILLAGE, &stream, &silent)).unwrap_err();
    assert!(refusal.to_string().contains("暂不办理"), "{refusal}");
    ledger.village(&step("answered", VILLAGE, &stream, &json!({}))).unwrap();
    assert_eq!(refused(ledger.village(&step("answered", VILLAGE, &stream, &json!({})))), "state");
}

#[test]
fn a_sender_rates_an_answer_once() {
    let mut ledger = Ledger::new();
    let stream = registered(&mut ledger, "opinion");
    ledger.at("2026-04-05");
    let rated = step("rated", VILLAGE, &stream, &json!({}));
    assert_eq!(refused(ledger.citizen(&rated)), "state");
    ledger.village(&step("answered", VILLAGE, &stream, &json!({}))).unwrap();
    ledger.citizen(&rated).unwrap();
    assert_eq!(refused(ledger.citizen(&rated)), "state");
}

#[test]
fn two_reviews_by_two_levels_are_the_end() {
    let mut ledger = Ledger::new();
    let stream = answered(&mut ledger);
    ledger.at("2026-04-10");
    assert_eq!(refused(ledger.citizen(&escalated(&stream, VILLAGE, "2026-04-10"))), "field");
    ledger.citizen(&escalated(&stream, TOWNSHIP, "2026-04-10")).unwrap();
    assert_eq!(ledger.due(&stream), Some(("作出复查意见", "2026-05-10".into())));
    assert_eq!(refused(ledger.citizen(&escalated(&stream, COUNTY, "2026-04-10"))), "state");
    ledger.at("2026-05-06");
    assert_eq!(refused(ledger.say(&step("reviewed", VILLAGE, &stream, &json!({})), &CHIEF)), "field");
    assert_eq!(
        refused(ledger.say(
            &step(
                "re_reviewed",
                COUNTY,
                &stream,
                &json!({"reviewed_on": "2026-05-06",
        "told_on": "2026-05-06"})
            ),
            &CHIEF
        )),
        "state"
    );
    ledger.say(&step("reviewed", TOWNSHIP, &stream, &json!({})), &CHIEF).unwrap();
    ledger.at("2026-05-20");
    assert_eq!(refused(ledger.citizen(&escalated(&stream, TOWNSHIP, "2026-05-20"))), "field");
    ledger.citizen(&escalated(&stream, COUNTY, "2026-05-20")).unwrap();
    assert_eq!(ledger.due(&stream), Some(("作出复核意见", "2026-06-19".into())));
    ledger.at("2026-06-10");
    ledger.say(&step("re_reviewed", COUNTY, &stream, &json!({})), &CHIEF).unwrap();
    assert_eq!(ledger.due(&stream), None);
    assert_eq!(refused(ledger.citizen(&escalated(&stream, COUNTY, "2026-06-10"))), "state");
}

#[test]
fn a_review_is_asked_for_in_time_or_when_the_answer_is_overdue() {
    let mut ledger = Ledger::new();
    let stream = answered(&mut ledger);
    ledger.at("2026-05-03");
    let refusal = ledger.citizen(&escalated(&stream, TOWNSHIP, "2026-05-03")).unwrap_err();
    assert!(refusal.to_string().contains("2026-05-02"), "{refusal}");
    ledger.at("2026-03-10");
    let waiting = registered(&mut ledger, "appeal");
    ledger.at("2026-05-11");
    assert_eq!(refused(ledger.citizen(&escalated(&waiting, TOWNSHIP, "2026-05-11"))), "state");
    ledger.at("2026-05-12");
    ledger.citizen(&escalated(&waiting, TOWNSHIP, "2026-05-12")).unwrap();
}

#[test]
fn a_review_may_open_the_matter_again() {
    let mut ledger = Ledger::new();
    let stream = answered(&mut ledger);
    ledger.at("2026-05-06");
    ledger.citizen(&escalated(&stream, TOWNSHIP, "2026-04-10")).unwrap();
    ledger.say(&step("reviewed", TOWNSHIP, &stream, &json!({"result": "remade"})), &CHIEF).unwrap();
    assert_eq!(ledger.due(&stream), Some(("办结并答复", "2026-07-05".into())));
    let again = json!({"answered_on": "2026-05-06", "told_on": "2026-05-06"});
    ledger.village(&step("answered", VILLAGE, &stream, &again)).unwrap();
}

#[test]
fn whom_a_letter_is_about_neither_handles_it_nor_heads_the_body_that_gets_it() {
    let mut ledger = Ledger::new();
    let secretary = ledger.head_of("secretary", 61, VILLAGE);
    let against = |person: &str| with(letter("appeal"), &json!({"concerns": [{"person": person}]}));
    let refusal = ledger.citizen(&against(&secretary)).unwrap_err();
    assert!(refusal.to_string().contains(TOWNSHIP), "{refusal}");
    let stream = ledger.citizen(&against(&ledger.person_of("clerk"))).unwrap();
    ledger.at("2026-03-12");
    let registered = step("registered", VILLAGE, &stream, &json!({}));
    assert_eq!(refused(ledger.village(&registered)), "state");
    ledger.say(&registered, &CHIEF).unwrap();
}

#[test]
fn a_letter_is_published_masked_with_consent_and_never_an_accusation() {
    let mut ledger = Ledger::new();
    let stream = answered(&mut ledger);
    let published_of = |stream: &str, org: &str, fields: Value| {
        let command = with(sample("letter.published.v1", org, None), &fields);
        with(command, &json!({"letter": stream}))
    };
    let published = |fields: Value| published_of(&stream, VILLAGE, fields);
    assert_eq!(refused(ledger.village(&published(json!({"consent": false})))), "field");
    assert_eq!(refused(ledger.village(&published(json!({"class": "accusation"})))), "field");
    assert_eq!(refused(ledger.citizen(&published(json!({})))), "wrong_author");
    let shown = ledger.village(&published(json!({}))).unwrap();
    assert_ne!(shown, stream, "the public stream is another one");
}

#[test]
fn what_is_published_is_measured_by_the_letter_that_it_names() {
    let mut ledger = Ledger::new();
    let published = |letter: &str, fields: Value| {
        let command = with(sample("letter.published.v1", VILLAGE, None), &fields);
        with(command, &json!({"letter": letter}))
    };
    let reason = |answer: Result<String, gongkai_domain::Refusal>| answer.unwrap_err().to_string();
    let waiting = received(&mut ledger, "appeal");
    ledger.at("2026-04-02");
    assert!(reason(ledger.village(&published(&waiting, json!({})))).contains("还没有答复"));
    let unwilling = {
        ledger.at("2026-03-10");
        let stream = ledger.citizen(&with(letter("appeal"), &json!({"consent_to_publish": false}))).unwrap();
        ledger.at("2026-03-12");
        ledger
            .village(&step("registered", VILLAGE, &stream, &json!({"class": "appeal", "consent_to_publish": false})))
            .unwrap();
        ledger.at("2026-04-02");
        ledger.village(&step("answered", VILLAGE, &stream, &json!({}))).unwrap();
        stream
    };
    assert!(reason(ledger.village(&published(&unwilling, json!({})))).contains("没有同意"));
    let nobodys = "letter/5ea1ed00-0000-4000-8000-00000000ffff";
    assert!(reason(ledger.village(&published(nobodys, json!({})))).contains("没有这件事项"));
    ledger.at("2026-03-10");
    let willing = answered(&mut ledger);
    let elsewhere = with(sample("letter.published.v1", TOWNSHIP, None), &json!({"letter": willing}));
    assert!(
        reason(ledger.say(&elsewhere, &[("publisher", "officer")])).contains("没有这件事项"),
        "another body's letter"
    );
    assert!(reason(ledger.village(&published(&willing, json!({"class": "opinion"})))).contains("类别"));
    assert!(reason(ledger.village(&published(&willing, json!({"received_on": "2026-03-01"})))).contains("日期"));
    ledger.village(&published(&willing, json!({}))).unwrap();
}

/// The steps that pages offer; every other one is refused because of the letter's state.
fn offered(ledger: &mut Ledger, stream: &str) -> Vec<Step> {
    let state = ledger.state(stream).get::<State>().unwrap().clone();
    let offered: Vec<Step> = state.next().collect();
    // Telling the sender again is lawful, there is only nothing that awaits it.
    for other in Step::ALL.into_iter().filter(|step| !offered.contains(step) && *step != Step::Notified) {
        let org = if other == Step::ReReviewed { COUNTY } else { VILLAGE };
        let command = sample(other.kind(), org, Some(stream));
        assert_eq!(refused(ledger.say(&command, &CHIEF)), "state", "{other:?}");
    }
    offered
}

#[test]
fn the_steps_that_are_offered_are_those_that_are_not_refused() {
    let mut ledger = Ledger::new();
    let stream = received(&mut ledger, "appeal");
    ledger.at("2026-06-10");
    assert_eq!(offered(&mut ledger, &stream), [Step::Registered, Step::Forwarded, Step::NotAccepted, Step::Urged]);
    let mut registered = step("registered", VILLAGE, &stream, &json!({}));
    registered["fields"].as_object_mut().unwrap().remove("told_on");
    ledger.village(&registered).unwrap();
    let underway = [Step::Answered, Step::Notified, Step::Extended, Step::Forwarded, Step::NotAccepted, Step::Urged];
    assert_eq!(offered(&mut ledger, &stream), underway);
    ledger.village(&step("answered", VILLAGE, &stream, &json!({}))).unwrap();
    assert_eq!(offered(&mut ledger, &stream), []);
    ledger.citizen(&escalated(&stream, TOWNSHIP, "2026-04-10")).unwrap();
    assert_eq!(offered(&mut ledger, &stream), [Step::Reviewed]);
    let state = ledger.state(&stream).get::<State>().unwrap();
    assert_eq!((state.taken_by(Step::Reviewed), state.taken_by(Step::Answered)), (TOWNSHIP, VILLAGE));
    assert!(ledger.dues(&stream).iter().all(|due| Step::Reviewed.meets(&due.what)));
}

#[test]
fn a_letter_is_urged_by_a_body_above_and_stays_where_it_is_handled() {
    let mut ledger = Ledger::new();
    let stream = received(&mut ledger, "appeal");
    ledger.at("2026-03-30");
    let urged = |org: &str, fields: Value| step("urged", org, &stream, &fields);
    assert_eq!(refused(ledger.village(&urged(VILLAGE, json!({})))), "field", "the village cannot urge itself");
    assert_eq!(refused(ledger.say(&urged(VILLAGE, json!({"by": VILLAGE})), &CHIEF)), "field");
    assert_eq!(refused(ledger.say(&urged(COUNTY, json!({})), &CHIEF)), "field", "it would take the letter away");
    assert_eq!(refused(ledger.say(&urged(VILLAGE, json!({"due_on": "2026-03-29"})), &CHIEF)), "field");
    ledger.say(&urged(VILLAGE, json!({})), &CHIEF).unwrap();
    let dues: Vec<_> = ledger.dues(&stream).into_iter().map(|due| (due.what.to_string(), due.org)).collect();
    let of_village = |what: &str| (what.to_owned(), VILLAGE.to_owned());
    assert_eq!(dues, [of_village("登记并告知来信人"), of_village("按督办时限办结并答复")]);
    ledger.village(&step("registered", VILLAGE, &stream, &json!({}))).unwrap();
    ledger.at("2026-04-02");
    assert_eq!(ledger.due(&stream), Some(("按督办时限办结并答复", "2026-04-07".into())));
    ledger.village(&step("answered", VILLAGE, &stream, &json!({}))).unwrap();
    assert_eq!(ledger.due(&stream), None);
    assert_eq!(refused(ledger.say(&urged(VILLAGE, json!({})), &CHIEF)), "state");
}

#[test]
fn an_unexplained_point_is_named_by_its_place() {
    let mut ledger = Ledger::new();
    let stream = registered(&mut ledger, "appeal");
    ledger.at("2026-04-02");
    let points = json!({"points": [{"point": "修复塌方", "result": "done", "reply": "已修"},
        {"point": "硬化渠底", "result": "not_now", "reply": "不办"}]});
    match ledger.village(&step("answered", VILLAGE, &stream, &points)).unwrap_err() {
        gongkai_domain::Refusal::Field { name, reason, .. } => {
            assert_eq!(name, "points");
            assert!(reason.starts_with("第2项「暂不办理的说明」"), "{reason}");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn an_answer_is_one_text_point_by_point() {
    let answer = sample("letter.answered.v1", VILLAGE, None);
    let said = letter::plain(answer["fields"].as_object().unwrap()).unwrap();
    assert_eq!(
        said,
        "水渠已列入春灌抢修(虚构)\n1. 修复塌方　已办结　3月28日修复通水\n\
         2. 硬化渠底　暂不办理　今年不办　暂不办理的说明：资金已用于抢修，列入明年计划"
    );
    let letter = sample("letter.received.v1", VILLAGE, None);
    let said = letter::plain(letter["fields"].as_object().unwrap()).unwrap();
    assert!(said.ends_with("\n诉求：今年春灌前修好"), "{said}");
}
