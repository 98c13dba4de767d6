//! What those who copy the log are told of withdrawals, and what is said of them.

use axum::http::StatusCode;
use gongkai_store::testing::COUNTY;
use serde_json::{Value, json};

use super::{HOSTILE, Town};

/// Takes the title of a pledge out; pledge, slot, and the entry that says so.
async fn withdrawn(town: &mut Town) -> (u64, u64, u64) {
    let pledged = town.say("pledge.made.v1", |fields| fields["title"] = json!(HOSTILE)).await.index;
    let openings = town.fixture.ledger.entry(pledged).await.unwrap().unwrap().openings.unwrap();
    let slot: u64 = openings.open.iter().find(|open| open.name == "title").unwrap().slot.into();
    let command = json!({"kind": "slot.withdrawn.v1", "org": COUNTY, "fields": {
        "entry": pledged, "slot_numbers": [slot], "basis": "personal_data",
        "reason": "当事人要求隐去(虚构)", "appeal": "可在 15 日内申诉(虚构)"}});
    let two = [("publisher", "文书"), ("registrar", "甲")];
    let index = town.fixture.submit(&command, &two).await.unwrap().index;
    town.catch_up().await;
    (pledged, slot, index)
}

#[tokio::test]
async fn the_list_of_withdrawals_says_where_and_not_what_and_goes_on_where_a_reader_stopped() {
    let mut town = Town::empty().await;
    let (pledged, slot, first) = withdrawn(&mut town).await;
    let (_, _, second) = withdrawn(&mut town).await;
    let all = town.get("/api/v1/withdrawals").await;
    assert!(!all.text().contains("alert"), "{}", all.text());
    let all = all.json();
    let indexes = |list: &Value| {
        list["withdrawals"].as_array().unwrap().iter().map(|row| row["index"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((indexes(&all), &all["next"]), (vec![first, second], &Value::Null));
    assert_eq!(all["size"], json!(second + 1));
    let row = &all["withdrawals"][0];
    assert_eq!((&row["target"], &row["slots"], &row["lines"]), (&json!(pledged), &json!([slot]), &json!([])));
    assert_eq!((&row["openings"], &row["list"]), (&json!("/log/openings/000"), &Value::Null));
    let one = town.get("/api/v1/withdrawals?limit=1").await.json();
    assert_eq!((indexes(&one), &one["next"]), (vec![first], &json!(first + 1)));
    let rest = town.get(&format!("/api/v1/withdrawals?from={}", first + 1)).await.json();
    assert_eq!((indexes(&rest), &rest["next"]), (vec![second], &Value::Null));
    for wrong in ["from=-1", "from=x", "limit=0", "limit=100000", "until=3"] {
        assert_eq!(town.get(&format!("/api/v1/withdrawals?{wrong}")).await.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn without_mirrors_nothing_is_said_of_any() {
    let town = Town::empty().await;
    assert_eq!(town.get("/api/v1/mirrors").await.json(), json!({"checked_at": null, "mirrors": []}));
    assert!(!town.get("/status").await.text().contains("镜像是否已跟随撤下"));
}
