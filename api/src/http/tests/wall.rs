//! A sheet on the wall beside the published one, and what an entry says of its signers' keys. Made up (虚构).

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Town;

/// A town with one sheet of two lines in two items; gives its page's address and its entry.
async fn with_sheet() -> (Town, String, u64) {
    let mut town = Town::empty().await;
    let recorded =
        town.say("disclosure.published.v1", |fields| fields["lines"][1]["account"] = json!("公益支出")).await;
    let index = recorded.index;
    town.catch_up().await;
    let stream = town.stream_of(index).await;
    (town, format!("/disclosures/{}", stream.split('/').nth(1).unwrap()), index)
}

async fn wall(town: &Town, sheet: &str, typed: &str) -> String {
    let page = town.get(&format!("{sheet}/wall?{typed}")).await;
    assert_eq!(page.status, StatusCode::OK, "{typed}: {}", page.text());
    page.text().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_that_agree_ask_for_nothing_more() {
    let (town, sheet, _) = with_sheet().await;
    assert!(town.get(&sheet).await.text().contains(&format!("href=\"{sheet}/wall\"")));
    let empty = wall(&town, &sheet, "").await;
    assert!(
        empty.contains("墙上的支出合计") && !empty.contains("673.36"),
        "the ledger's figure comes after the wall's"
    );
    let same = wall(&town, &sheet, "in=0&out=%C2%A5673.36").await;
    assert!(same.contains("填的数和账本里的都一样") && !same.contains("二、支出小计"), "{same}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_total_that_differs_leads_to_items_and_an_item_that_differs_to_its_lines() {
    let (town, sheet, _) = with_sheet().await;
    let totals = wall(&town, &sheet, "out=663.36").await;
    assert!(totals.contains("墙上少") && totals.contains("10.00") && totals.contains("二、支出小计"), "{totals}");
    assert!(totals.contains("#L1\"") && totals.contains("#L2\""), "all lines while no item is known");
    let items = wall(&town, &sheet, "out=663.36&i0=343.06&i1=320.30").await;
    assert!(items.contains("#L1\"") && !items.contains("#L2\""), "the item that agrees is left out: {items}");
    let unreadable = wall(&town, &sheet, "out=about").await;
    assert!(unreadable.contains("看不懂这个数"), "{unreadable}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_account_has_no_wall() {
    let mut town = Town::empty().await;
    let index = town.say("pledge.made.v1", |_: &mut Value| ()).await.index;
    town.catch_up().await;
    let stream = town.stream_of(index).await;
    let missing = town.get(&format!("/disclosures/{}/wall", stream.split('/').nth(1).unwrap())).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_says_where_each_key_was_registered_and_that_entry_names_the_key() {
    let (town, _, index) = with_sheet().await;
    let entry = town.get(&format!("/api/v1/entries/{index}")).await.json();
    let signatures = entry["signatures"].as_array().unwrap();
    assert_eq!(signatures.len(), 3);
    for signature in signatures {
        let at = signature["registered_index"].as_u64().unwrap();
        assert!(at < index);
        let registered = town.get(&format!("/entries/{at}")).await;
        let registered = registered.text();
        assert!(registered.contains(&format!("\"{}+", signature["key"].as_str().unwrap())), "{registered}");
    }
}
