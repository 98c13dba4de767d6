//! What is promised to be opened, and who is told: on the internal side of a sealed event, on the public side of a pledge.

use std::time::Duration;

use axum::http::StatusCode;
use gongkai_log::{Digest, SigningKey, slot};
use gongkai_store::Promised;
use gongkai_store::testing::COUNTY;
use serde_json::{Value, json};

use super::tests::{as_bearer, sign_in};
use crate::http::tests::Town;

const OTHER: &str = "341599102";
const VACANCY: &str = "vacancy/018f0000-0000-7000-8000-0000000000aa";
const SECRET: &str = "部务会研究(虚构)";

/// A shortlist whose ground is to be opened on 1 April, and a pledge whose contact is to be opened that day too.
async fn scene() -> (Town, Promised, u64) {
    let mut town = Town::with_vault().await;
    town.fixture.org(OTHER, "township", Some(COUNTY)).await;
    town.fixture
        .officers(&[("邻镇办", OTHER, "publisher"), ("县督查", COUNTY, "inspector"), ("邻镇督查", OTHER, "inspector")])
        .await;
    let publisher = &[("publisher", "文书")];
    let announced = json!({"kind": "vacancy.announced.v1", "stream": VACANCY, "org": COUNTY, "fields": {
        "scope": "everyone", "opens_on": "2026-03-02", "closes_on": "2026-03-13", "title": "空缺职位(虚构)",
        "lines": [{"post": "副镇长", "unit": "柳溪镇", "seats": 1}]}});
    town.fixture.submit(&announced, publisher).await.unwrap();
    let withdrawn =
        json!({"kind": "vacancy.withdrawn.v1", "stream": VACANCY, "org": COUNTY, "fields": {"reason": "调整(虚构)"}});
    town.fixture.submit(&withdrawn, publisher).await.unwrap();
    let shortlist = json!({"kind": "vacancy.shortlisted.v1", "org": COUNTY, "fields": {
        "vacancy": VACANCY, "post": 0, "decided_on": "2026-03-02", "basis": SECRET,
        "people": [{"name": "叶青田(虚构)"}], "scheduled_openings": [{"field": "basis", "on": "2026-04-01"}]}});
    let promised = town.fixture.seal(&shortlist, publisher).await.unwrap();
    town.fixture.ledger.end_period().await.unwrap();
    let pledge = town
        .say("pledge.made.v1", |fields| {
            fields["contact"] = json!("值班室(虚构)");
            fields["scheduled_openings"] = json!([{"field": "contact", "on": "2026-04-01"}]);
        })
        .await;
    town.catch_up().await;
    (town, promised, pledge.index)
}

async fn list(town: &Town, name: &str, query: &str) -> (StatusCode, Value) {
    let key = &town.fixture.people[name].key;
    let key = SigningKey::from_seed(key.name(), key.verifier().kind(), *key.seed()).unwrap();
    let token = sign_in(&town.internal, &key).await;
    let answer = as_bearer(&town.internal, &format!("/internal/api/v1/schedules{query}"), &token).await;
    assert!(!answer.text().contains("部务会"), "a list shows no content");
    (answer.status, if answer.status == StatusCode::OK { answer.json()["schedules"].clone() } else { Value::Null })
}

fn days(town: &Town, days: u64) {
    town.fixture.clock.advance(Duration::from_secs(days * 86_400));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_promise_is_listed_for_those_who_may_read_the_event_and_for_nobody_else() {
    let (town, promised, _) = scene().await;
    let early = list(&town, "文书", "").await;
    assert_eq!(early, (StatusCode::OK, json!([])), "its day is to come");
    let ahead = list(&town, "文书", "?until=2026-04-01").await.1;
    assert_eq!((&ahead[0]["standing"], &ahead[0]["field"]), (&json!("ahead"), &json!("basis")), "{ahead}");
    days(&town, 31);
    for (name, query, told) in [
        ("文书", "", 1),
        ("审批", "", 1),
        ("县督查", "?purpose=inspection", 1),
        ("县督查", "", 0),
        ("邻镇督查", "?purpose=inspection", 0),
        ("邻镇办", "", 0),
        ("监督一", "", 0),
    ] {
        let (status, found) = list(&town, name, query).await;
        assert_eq!((status, found.as_array().map(Vec::len)), (StatusCode::OK, Some(told)), "{name}{query}: {found}");
    }
    let found = list(&town, "文书", "").await.1;
    assert_eq!(found[0]["sentence"], json!("依据应于2026年4月1日启封，已逾期1天，仍未启封"));
    assert_eq!(found[0]["standing"], json!({"overdue": 1}));
    let event =
        town.fixture.ledger.sealed_reader().unwrap().by_commitment(&promised.commitment).await.unwrap().unwrap();
    assert_eq!(found[0]["leaf"], json!(event.proof().unwrap().leaf));
    let own = town.fixture.ledger.sealed_reader().unwrap().events(event.seq + 1, 10).await.unwrap();
    assert!(own.is_empty(), "looking at the list is no access");
    for path in ["/compliance", "/api/v1/compliance", &format!("/streams/{VACANCY}")] {
        assert!(!town.get(path).await.text().contains("依据"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_promise_that_was_kept_or_erased_is_not_listed() {
    let (mut town, promised, _) = scene().await;
    days(&town, 40);
    assert_eq!(list(&town, "文书", "").await.1.as_array().unwrap().len(), 1);
    let event =
        town.fixture.ledger.sealed_reader().unwrap().by_commitment(&promised.commitment).await.unwrap().unwrap();
    let (place, content) = (event.proof().unwrap(), event.opened.unwrap());
    let (number, tier, found) = content.slots.iter().find(|(_, _, found)| found.name == "basis").unwrap();
    let opened = json!({"kind": "slot.opened.v1", "org": COUNTY, "fields": {
        "entry": place.index, "slot_number": number, "reason": "按启封安排启封(虚构)", "opened": {
            "salt": Digest::from_bytes(found.salt), "name": "basis", "tier": tier, "value": found.value,
            "path": slot::path(&event.row.commitments, *number),
            "event": {"note": content.signed.note.to_string(), "salt": Digest::from_bytes(content.salt),
                "leaf": place.leaf, "path": place.path}}}});
    town.fixture.submit(&opened, &[("approver", "审批"), ("publisher", "文书")]).await.unwrap();
    town.catch_up().await;
    assert_eq!(list(&town, "文书", "").await.1, json!([]));
    let (mut town, promised, _) = scene().await;
    days(&town, 40);
    let order = json!({"kind": "erasure.ordered.v1", "org": COUNTY, "fields": {"commitment": promised.commitment,
        "basis": "retention", "reason": "期满(虚构)", "appeal": "可向县公开办提出(虚构)"}});
    town.fixture.submit(&order, &[("approver", "审批"), ("registrar", "甲")]).await.unwrap();
    town.catch_up().await;
    assert_eq!(list(&town, "文书", "").await.1, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_promise_is_on_its_page_and_when_it_is_overdue_on_the_board() {
    let (town, _, index) = scene().await;
    let stream = town.stream_of(index).await;
    let page = format!("/pledges/{}", stream.split('/').nth(1).unwrap());
    let ahead = "承诺人联系方式将于2026年4月1日启封";
    for path in [&page, &format!("/streams/{stream}"), &format!("/entries/{index}/view")] {
        assert!(town.get(path).await.text().contains(ahead), "{path}");
    }
    assert!(!town.get("/compliance").await.text().contains(ahead));
    days(&town, 42);
    let late = "承诺人联系方式应于2026年4月1日启封，已逾期12天，仍未启封";
    for path in [page.as_str(), &format!("/entries/{index}/view"), "/compliance", "/compliance?list=unopened"] {
        let answer = town.get(path).await;
        assert!(answer.text().contains(late), "{path}: {}", answer.text());
        assert!(!answer.text().contains("值班室"), "{path}");
    }
    let board = town.get("/api/v1/compliance").await.json();
    let unopened = &board["board"]["unopened"];
    assert_eq!((&unopened["total"], &unopened["items"][0]["index"]), (&json!(1), &json!(index)), "{unopened}");
    assert_eq!(unopened["items"][0]["standing"], json!({"overdue": 12}));
}
