//! What people on the web think of a pledge: counted month by month, told to few, published, and counted again.

use std::time::Duration;

use axum::http::StatusCode;
use gongkai_log::SigningKey;
use gongkai_store::testing::COUNTY;
use serde_json::{Value, json};

use super::tests::{as_bearer, sign_in};
use crate::http::tests::Town;

const OTHER: &str = "341599102";
const PLEDGE: &str = "pledge/018f0000-0000-7000-8000-0000000000bb";

async fn scene() -> Town {
    let mut town = Town::with_vault().await;
    town.fixture.org(OTHER, "township", Some(COUNTY)).await;
    town.fixture
        .officers(&[("邻镇办", OTHER, "publisher"), ("县督查", COUNTY, "inspector"), ("县监督", COUNTY, "supervisor")])
        .await;
    let made = json!({"kind": "pledge.made.v1", "stream": PLEDGE, "org": COUNTY, "fields": {
        "year": 2026, "pledger_kind": "organization", "category": "practical", "pledger": "县农业农村局(虚构)",
        "title": "修好村北机耕路(虚构)"}});
    town.fixture.submit(&made, &[("publisher", "文书")]).await.unwrap();
    town
}

async fn rate(town: &mut Town, org: &str, grade: &str) {
    let rated = json!({"kind": "pledge.rated.v1", "org": org, "fields": {"pledge": PLEDGE, "grade": grade}});
    town.fixture.citizen(&rated).await.unwrap();
}

fn days(town: &Town, days: u64) {
    town.fixture.clock.advance(Duration::from_secs(days * 86_400));
}

async fn get(town: &Town, name: &str, path: &str) -> (StatusCode, String) {
    let key = &town.fixture.people[name].key;
    let key = SigningKey::from_seed(key.name(), key.verifier().kind(), *key.seed()).unwrap();
    let token = sign_in(&town.internal, &key).await;
    let answer = as_bearer(&town.internal, path, &token).await;
    (answer.status, answer.text().to_owned())
}

async fn counts(town: &Town, name: &str) -> (StatusCode, Value) {
    let id = PLEDGE.split('/').next_back().unwrap();
    let (status, text) = get(town, name, &format!("/internal/api/v1/pledges/{id}/ratings")).await;
    let body: Value = serde_json::from_str(&text).unwrap();
    (status, if status == StatusCode::OK { body } else { Value::Null })
}

#[tokio::test(flavor = "multi_thread")]
async fn ratings_are_told_as_counts_of_five_or_more_through_the_month_before_and_only_to_who_may() {
    let mut town = scene().await;
    for grade in ["good", "good", "excellent", "poor"] {
        rate(&mut town, COUNTY, grade).await;
    }
    rate(&mut town, OTHER, "poor").await;
    town.catch_up().await;
    let (_, this_month) = counts(&town, "文书").await;
    assert_eq!(this_month["counts"], Value::Null, "what came this month is not told yet");
    days(&town, 31);
    let (_, four) = counts(&town, "文书").await;
    assert_eq!(four["counts"], Value::Null, "four are too few, and one that went elsewhere does not count");
    // That of today counts from the next month on.
    rate(&mut town, COUNTY, "fair").await;
    town.catch_up().await;
    assert_eq!(counts(&town, "文书").await.1["counts"], Value::Null);
    days(&town, 31);
    let expected = json!({"excellent": 1, "good": 2, "fair": 1, "poor": 1});
    for name in ["文书", "县督查", "县监督"] {
        let (status, told) = counts(&town, name).await;
        assert_eq!((status, &told["counts"]), (StatusCode::OK, &expected), "{name}: {told}");
    }
    assert_eq!(counts(&town, "邻镇办").await.0, StatusCode::NOT_FOUND);
    assert_eq!(counts(&town, "审批").await.0, StatusCode::NOT_FOUND);
    let (_, page) = get(&town, "文书", &format!("/internal/continue?about={PLEDGE}")).await;
    assert!(page.contains("优秀 1 人，良好 2 人，一般 1 人，较差 1 人"), "{page}");
    assert!(page.contains("by=online") && page.contains("good=2"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_single_rating_is_listed_to_anybody_who_handles_pledges() {
    let mut town = scene().await;
    rate(&mut town, COUNTY, "poor").await;
    town.catch_up().await;
    for name in ["文书", "审批", "县监督"] {
        let (status, list) = get(&town, name, "/internal/api/v1/matters?family=pledge").await;
        let list: Value = serde_json::from_str(&list).unwrap();
        assert_eq!((status, &list["matters"]), (StatusCode::OK, &json!([])), "{name}: {list}");
    }
    let public = town.get(&format!("/api/v1/streams/{PLEDGE}")).await;
    let public = public.text();
    assert!(!public.contains("pledge.rated"), "{public}");
}
