//! Drawn figures over real views: what a village's page, the board and a comparison show. Made up (虚构).

use std::time::Duration;

use axum::http::StatusCode;
use gongkai_store::testing::COUNTY;
use serde_json::{Value, json};

use super::Town;

const EAST: &str = "341599101201";
const WEST: &str = "341599101202";
const SOUTH: &str = "341599101203";

/// Two villages with accounts of which one lacks a month, a third without any, and three promises, of which two
/// came to an end two weeks later.
async fn villages() -> Town {
    let mut town = Town::empty().await;
    for village in [EAST, WEST, SOUTH] {
        town.fixture.org(village, "village", Some(COUNTY)).await;
    }
    for (village, period, account, opening) in [
        (EAST, "2025-12", "管理费用", 300_000),
        (EAST, "2026-02", "公益支出", 232_664),
        (WEST, "2025-12", "管理费用", 300_000),
        (WEST, "2026-01", "管理费用", 232_664),
        (WEST, "2026-02", "管理费用", 165_328),
    ] {
        let mut command = (gongkai_domain::kind::find("disclosure.published.v1").unwrap().sample)();
        command["org"] = json!(village);
        command["fields"]["period"] = json!(period);
        command["fields"]["book"] = json!("committee");
        command["fields"]["opening"] = json!(opening);
        command["fields"]["closing"] = json!(opening - 67_336);
        for line in command["fields"]["lines"].as_array_mut().unwrap() {
            line["date"] = json!(format!("{period}-03"));
            line["account"] = json!(account);
        }
        submit(&mut town, &command).await;
    }
    let mut ended = Vec::new();
    for (title, end) in
        [("修路", Some("pledge.fulfilled.v1")), ("装灯", Some("pledge.not_fulfilled.v1")), ("挖渠", None)]
    {
        let mut command = (gongkai_domain::kind::find("pledge.made.v1").unwrap().sample)();
        command["org"] = json!(EAST);
        command["fields"]["title"] = json!(title);
        let index = submit(&mut town, &command).await;
        let Some(end) = end else { continue };
        ended.push((end, index));
    }
    town.fixture.clock.advance(Duration::from_hours(24 * 15));
    for (end, index) in ended {
        town.catch_up().await;
        let mut command = (gongkai_domain::kind::find(end).unwrap().sample)();
        command["org"] = json!(EAST);
        command["fields"]["on"] = json!("2026-03-10");
        command["stream"] = json!(town.stream_of(index).await);
        submit(&mut town, &command).await;
    }
    town.catch_up().await;
    town
}

/// Gives the entry's index.
async fn submit(town: &mut Town, command: &Value) -> u64 {
    let kind = command["kind"].as_str().unwrap();
    let signers: &[(&str, &str)] = match kind {
        "disclosure.published.v1" => &[("publisher", "文书"), ("supervisor", "监督一"), ("supervisor", "监督二")],
        _ => &[("publisher", "文书")],
    };
    town.fixture.submit(command, signers).await.unwrap_or_else(|error| panic!("{kind}: {error:?}")).index
}

#[tokio::test(flavor = "multi_thread")]
async fn a_villages_page_draws_its_months_and_names_the_one_that_is_missing() {
    let town = villages().await;
    let page = town.get(&format!("/organizations/{EAST}")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    let html = page.text();
    assert!(html.len() < 100_000, "{} bytes", html.len());
    assert_eq!(html.matches("<svg").count(), 3, "money, spending, promises");
    assert!(html.contains("2026年1月</th><td class=\"r\">没有公开</td><td class=\"r\">没有公开</td>"), "{html}");
    assert!(html.contains("2026年2月钱花在哪里") && html.contains("公益支出"), "{html}");
    assert!(html.contains("673.36"), "{html}");
    assert!(html.contains(&format!("/compare?org={EAST}")));
    let quiet = town.get(&format!("/organizations/{SOUTH}")).await;
    assert!(quiet.text().contains("算不出比例") && !quiet.text().contains("<svg"), "{}", quiet.text());
    // Who published nothing was not in time.
    let in_time = |class: &str| format!("<li class=\"{class}\"><b>及时公开，不补报</b>");
    assert!(quiet.text().contains(&in_time("unk")) && quiet.text().contains("近一年没有公开"), "{}", quiet.text());
    assert!(html.contains(&in_time("yes")) || html.contains(&in_time("no-")), "{html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_course_on_the_board_ends_at_the_rate_that_the_board_shows() {
    let town = villages().await;
    for query in [String::new(), format!("?org={COUNTY}"), format!("?org={EAST}"), format!("?org={WEST}")] {
        let api = town.get(&format!("/api/v1/compliance{query}")).await.json();
        let course = api["fulfilment_over_time"].as_array().unwrap();
        assert_eq!(course.len(), 13);
        let last = course.last().unwrap();
        assert_eq!((&last["rate"], &last["on"]), (&api["fulfilment"], &api["board"]["today"]), "{query}");
        let page = town.get(&format!("/compliance{query}")).await;
        let due = api["fulfilment"]["due"].as_u64().unwrap();
        assert!(page.text().contains(&format!("到期 <b>{due}</b> 项")), "{query}: {}", page.text());
        assert_eq!(page.text().contains("<svg"), due > 0, "{query}");
    }
    let one_list = town.get("/compliance?list=missing").await;
    assert!(!one_list.text().contains("承诺兑现率"), "an opened list is about nothing else");
}

#[tokio::test(flavor = "multi_thread")]
async fn villages_stand_side_by_side_with_what_makes_them_not_comparable() {
    let town = villages().await;
    let page = town.get(&format!("/compare?org={EAST}&org={WEST}&org={SOUTH}")).await;
    let html = page.text();
    assert_eq!(page.status, StatusCode::OK, "{html}");
    assert_eq!(html.matches("<th scope=\"col\"><a href=\"/organizations/").count(), 3);
    assert!(html.contains("有 1 个月没有数，合计只含有数的 2 个月"), "{html}");
    assert!(html.contains("没有人口") && html.contains("眼下没有应当公开的月份"), "{html}");
    assert!(html.contains("1,346.72") && html.contains("2,020.08"), "two months and three: {html}");
    assert!(html.contains("少 1 个月"), "{html}");
    let api = town.get(&format!("/api/v1/organizations/{WEST}/dossier")).await.json();
    assert_eq!(api["accounts"]["expense"], json!([["管理费用", 202_008]]));
    assert_eq!(api["dossier"]["money"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_choice_that_cannot_be_compared_is_answered_with_the_form_and_a_reason() {
    let town = villages().await;
    let get = async |query: String| town.get(&format!("/compare{query}")).await;
    let choose = get(format!("?under={COUNTY}")).await;
    assert_eq!(choose.text().matches("type=\"checkbox\"").count(), 3, "{}", choose.text());
    let one = get(format!("?org={EAST}&org={EAST}")).await;
    assert!(one.text().contains("再选一个村") && one.text().contains(" checked"), "{}", one.text());
    let five = ["1", "2", "3", "4", "5"].map(|n| format!("org=34159910130{n}")).join("&");
    let five = get(format!("?under={COUNTY}&{five}")).await;
    assert!(five.text().contains("选了 5 个，最多比 4 个") && !five.text().contains("<table"), "{}", five.text());
    assert!(get(String::new()).await.text().contains("去找乡镇"));
    for bad in [
        format!("?org={EAST}&org=999999"),
        "?org=%3Cscript%3E".into(),
        format!("?orgs={EAST}"),
        "?under=a&under=b".into(),
    ] {
        assert_eq!(get(bad.clone()).await.status, StatusCode::BAD_REQUEST, "{bad}");
    }
    let county = town.get(&format!("/organizations/{COUNTY}")).await;
    assert!(county.text().contains(&format!("/compare?under={COUNTY}")), "{}", county.text());
}

/// The stream of the promise that was kept.
async fn kept(town: &Town) -> String {
    let list = town.get("/api/v1/pledges?status=fulfilled").await.json();
    list["items"][0]["stream"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_matter_asked_for_on_a_past_day_shows_what_was_recorded_by_then_and_says_so() {
    let town = villages().await;
    let stream = kept(&town).await;
    let id = stream.trim_start_matches("pledge/");
    let elsewhere = town.get(&format!("/pledges/{id}?on=2026-03-03")).await;
    let past = format!("/streams/{stream}?on=2026-03-03");
    assert_eq!((elsewhere.status, elsewhere.header("location")), (StatusCode::SEE_OTHER, past.as_str()));
    let page = town.get(&past).await;
    let html = page.text();
    assert!(html.contains("这是过去的样子") && html.contains("到 2026年3月3日 结束时为止"), "{html}");
    assert!(html.contains("入账 1 条；之后又有 1 条") && html.contains("尚未报告"), "{html}");
    assert!(!html.contains("已兑现"), "{html}");
    let api = town.get(&format!("/api/v1{past}")).await.json();
    assert_eq!((&api["later"], &api["status"]), (&json!(1), &json!("not_reported")));
    let now = town.get(&format!("/streams/{stream}")).await;
    assert!(now.text().contains("已兑现") && !now.text().contains("这是过去的样子"));
    for (path, status) in [
        (format!("/streams/{stream}?on=2026-03-01"), StatusCode::NOT_FOUND),
        (format!("/streams/{stream}?on=2999-01-01"), StatusCode::BAD_REQUEST),
        (format!("/pledges/{id}?on="), StatusCode::OK),
    ] {
        assert_eq!(town.get(&path).await.status, status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_board_on_a_past_day_shows_only_what_can_be_told_of_that_day() {
    let town = villages().await;
    let page = town.get(&format!("/compliance?org={EAST}&on=2026-03-16")).await;
    let html = page.text();
    assert!(html.contains("这是过去的样子") && html.contains("所以这里不列"), "{html}");
    assert!(!html.contains("三务缺报") && html.contains("算不出比例"), "{html}");
    let today = town.get(&format!("/compliance?org={EAST}")).await;
    assert!(today.text().contains("兑现率 <b>50%</b>") && today.text().contains("三务缺报"), "{}", today.text());
    let api = town.get(&format!("/api/v1/compliance?org={EAST}&on=2026-03-16")).await.json();
    assert_eq!((&api["fulfilment"]["due"], &api["on"]), (&json!(0), &json!("2026-03-16")));
    for query in ["on=2999-01-01", "on=2026-03-16&list=missing", "on=yesterday"] {
        assert_eq!(town.get(&format!("/compliance?{query}")).await.status, StatusCode::BAD_REQUEST, "{query}");
    }
}
