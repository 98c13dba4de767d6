//! What the site says of completeness: of an organization, and of the roots themselves. Made up (虚构).

use std::time::Duration;

use axum::http::StatusCode;
use gongkai_log::{MapFile, MapKey};
use gongkai_store::testing::COUNTY;

use super::Town;
use super::english::{recorded, untranslated};

/// Both pages that tell of the map, with no Chinese left in their English but what was published.
async fn pages(town: &Town) -> [String; 2] {
    let paths = [format!("/organizations/{COUNTY}"), "/status".to_owned()];
    assert_eq!(untranslated(town, &paths, &recorded(town).await).await, Vec::<String>::new());
    let [village, status] = paths.each_ref().map(|path| town.get(path));
    [village.await.text().to_owned(), status.await.text().to_owned()]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_an_organization_says_how_many_records_are_in_its_name_and_links_the_proof() {
    let mut town = Town::with_matters().await;
    let [village, status] = pages(&town).await;
    assert!(!village.contains("记录全不全"), "nothing is claimed before there is a root");
    assert!(status.contains("最近的记录里没有登记总目。") && status.contains("等下一次总目"), "{status}");
    town.fixture.ledger.root_map().await.unwrap().unwrap();
    town.catch_up().await;
    let proof = town.get(&format!("/api/v1/organizations/{COUNTY}/proof")).await;
    assert_eq!(proof.status, StatusCode::OK);
    let file = MapFile::parse(proof.text()).unwrap();
    let count = file.proof.end.filter(|leaf| leaf.path == MapKey::organization(COUNTY).path()).unwrap().head.count;
    let [village, status] = pages(&town).await;
    assert!(
        village.contains(&format!("<b>{count}</b> 条记录，本站一条也没有少。此后新增 1 条")),
        "the root itself: {village}"
    );
    assert!(village.contains(&format!("href=\"/api/v1/organizations/{COUNTY}/proof\" download")), "{village}");
    assert!(status.contains("最近的总目登记于") && !status.contains("等下一次总目"), "a root waits for none: {status}");
    let past = town.get(&format!("/organizations/{COUNTY}?on=2020-01-01")).await;
    assert!(!past.text().contains("记录全不全"), "the map is of now");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_page_tells_of_roots_that_stopped_while_records_went_on_and_of_the_next() {
    let mut town = Town::empty().await;
    town.fixture.ledger.root_map().await.unwrap().unwrap();
    town.fixture.clock.advance(Duration::from_mins(55));
    town.catch_up().await;
    let [_, status] = pages(&town).await;
    assert!(!status.contains("总目停了"), "nothing was said since: {status}");
    let first = town.say("pledge.made.v1", |_| {}).await.index;
    town.fixture.clock.advance(Duration::from_mins(20));
    town.say("notice.published.v1", |_| {}).await;
    town.catch_up().await;
    let [_, status] = pages(&town).await;
    assert!(!status.contains("总目停了") && status.contains("等下一次总目"), "{status}");
    town.fixture.clock.advance(Duration::from_mins(1));
    let [_, status] = pages(&town).await;
    assert!(status.contains("<b>总目停了！</b>"), "{status}");
    assert!(status.contains(&format!("<a href=\"/entries/{first}/view\">没有算进去的第一条</a>")), "{status}");
    town.fixture.ledger.root_map().await.unwrap().unwrap();
    town.catch_up().await;
    let [_, status] = pages(&town).await;
    assert!(!status.contains("总目停了"), "{status}");
}
