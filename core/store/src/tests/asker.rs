//! Nothing is recorded in public that names whoever asked, however the officer's page behaves.

use gongkai_log::StreamId;
use serde_json::{Value, json};

use crate::testing::{COUNTY, Fixture, refusal};

const BY: &[(&str, &str)] = &[("publisher", "丙")];
const SHEET: &str = "disclosure/018f0000-0000-7000-8000-0000000000d1";

/// A sheet with a question of 周柏舟 as revision 1.
async fn asked() -> Fixture {
    let mut fixture = Fixture::with_vault().await;
    fixture.publisher("丙", COUNTY).await;
    let sheet = json!({"kind": "disclosure.published.v1", "stream": SHEET, "org": COUNTY, "fields": {
        "class": "government", "content": "text", "period": "2026-02", "title": "二月情况(虚构)", "text": "电费两笔(虚构)"}});
    fixture.submit(&sheet, BY).await.unwrap();
    fixture.submit(&question("周柏舟（虚构）", "0564-1234567"), BY).await.unwrap();
    fixture
}

fn question(asker: &str, contact: &str) -> Value {
    json!({"kind": "disclosure.questioned.v1", "stream": SHEET, "org": COUNTY, "fields": {
        "topic": "amount", "asked_on": "2026-03-02", "text": "我是周柏舟，电费为什么两笔？", "asker": asker, "contact": contact}})
}

fn said(kind: &str, fields: &Value) -> Value {
    json!({"kind": kind, "stream": SHEET, "org": COUNTY, "fields": fields})
}

fn answered(question: u64, text: &str) -> Value {
    said("disclosure.answered.v1", &json!({"question": question, "answered_on": "2026-03-02", "text": text}))
}

#[tokio::test]
async fn an_answer_that_names_the_asker_is_refused_and_recorded_without_the_name() {
    let mut fixture = asked().await;
    let before = fixture.ledger.health().committed;
    let points = said(
        "disclosure.answered.v1",
        &json!({"question": 1, "answered_on": "2026-03-02", "text": "已查清",
        "results": [{"result": "done"}], "points": ["周 柏 舟说的电表已换"]}),
    );
    let published = |text: &str| said("disclosure.question_published.v1", &json!({"question": 1, "text": text}));
    let withheld = said(
        "disclosure.question_withheld.v1",
        &json!({"question": 1, "ground": "privacy", "reason": "涉及周柏舟一家"}),
    );
    let corrected = said(
        "disclosure.corrected.v1",
        &json!({"content": "text", "reason": "周柏舟询问后查实", "text": "电费一笔(虚构)"}),
    );
    for command in [
        answered(1, "周柏舟同志：电表已换"),
        answered(1, "可拨 05641234567 核实"),
        points,
        published("周柏舟问：电费为什么两笔？"),
        withheld,
        corrected,
    ] {
        let signed = fixture.signed(&command, BY).await.unwrap();
        let (text, _) = signed.note.split_once("\n\n").unwrap();
        let unsigned = gongkai_domain::Submission { note: format!("{text}\n"), ..signed.clone() };
        let rehearsed = refusal(fixture.ledger.rehearse(unsigned).await);
        let recorded = refusal(fixture.ledger.submit(None, signed).await);
        assert_eq!((rehearsed.code(), recorded.code()), ("personal_data", "personal_data"), "{command}");
        assert_eq!(rehearsed, recorded);
        assert!(!recorded.to_string().contains("周柏舟"), "a refusal does not say the name: {recorded}");
    }
    assert_eq!(fixture.ledger.health().committed, before);
    fixture.submit(&published("周**问：电费为什么两笔？"), BY).await.unwrap();
    fixture.submit(&answered(1, "电表已换"), BY).await.unwrap();
}

#[tokio::test]
async fn another_askers_name_is_no_reason_and_a_restart_forgets_nothing() {
    let mut fixture = asked().await;
    fixture.submit(&question("叶青田（虚构）", "无"), BY).await.unwrap();
    fixture.reopen().await.unwrap();
    assert_eq!(refusal(fixture.submit(&answered(2, "叶青田同志"), BY).await).code(), "personal_data");
    // Somebody of the same name may be an official in the matter.
    fixture.submit(&answered(2, "经办人周柏舟"), BY).await.unwrap();
}

#[tokio::test]
async fn question_and_answer_of_one_batch_are_compared_too() {
    let mut fixture = asked().await;
    // The answer is prepared behind the question, as an import of both does it.
    let first = fixture.signed(&question("叶青田（虚构）", "无"), BY).await.unwrap();
    let checked = gongkai_domain::submission::check(fixture.ledger.origin(), first.clone()).unwrap();
    let head = gongkai_domain::Head { revision: checked.signed.statement.revision, hash: checked.signed.hash };
    let second = fixture.following(&answered(2, "叶青田同志"), head, BY);
    let answers = fixture.ledger.submit_many(vec![(None, first), (None, second)]).await;
    let mut answers = answers.into_iter();
    assert!(answers.next().unwrap().is_ok());
    assert_eq!(refusal(answers.next().unwrap()).code(), "personal_data");
}

#[tokio::test]
async fn a_letter_is_published_without_its_senders_name() {
    let mut fixture = Fixture::with_vault().await;
    fixture.publisher("丙", COUNTY).await;
    fixture.officer("丁", COUNTY, "reviewer").await;
    let letter = json!({"kind": "letter.received.v1", "org": COUNTY, "fields": {
        "class": "opinion", "channel": "web", "real_name": true, "consent_to_publish": true,
        "title": "水渠(虚构)", "text": "水渠塌了(虚构)", "name": "周柏舟(虚构)"}});
    let (stream, _) = fixture.citizen(&letter).await.unwrap();
    let step = |kind: &str, fields: Value| json!({"kind": kind, "stream": stream, "org": COUNTY, "fields": fields});
    let registered = step(
        "letter.registered.v1",
        json!({"class": "opinion", "channel": "web", "real_name": true,
        "consent_to_publish": true, "registered_on": "2026-03-02", "told_on": "2026-03-02"}),
    );
    fixture.seal(&registered, &[("reviewer", "丁")]).await.unwrap();
    let reply = step(
        "letter.answered.v1",
        json!({"answered_on": "2026-03-02", "text": "周柏舟同志：已修(虚构)",
        "points": [{"point": "水渠", "result": "done", "reply": "已修"}]}),
    );
    fixture.seal(&reply, &[("reviewer", "丁")]).await.unwrap();
    assert_eq!(refusal(fixture.submit(&open_letter(&stream, "周柏舟同志：已修"), BY).await).code(), "personal_data");
    fixture.submit(&open_letter(&stream, "已修(虚构)"), BY).await.unwrap();
}

fn open_letter(stream: &StreamId, answer: &str) -> Value {
    json!({"kind": "letter.published.v1", "org": COUNTY, "fields": {"class": "opinion", "received_on": "2026-03-02",
        "answered_on": "2026-03-02", "consent": true, "title": "水渠(虚构)", "question": "水渠塌了(虚构)",
        "answer": answer, "letter": stream}})
}
