//! Lists, downloads and a village's page as of a past day. Made up (虚构).

use std::time::Duration;

use axum::http::StatusCode;
use gongkai_store::testing::COUNTY;
use serde_json::{Value, json};

use super::english::{recorded, untranslated};
use super::{Answer, Town};

/// What was promised on the first day.
const FIRST: &str = "路灯 40 盏(虚构)";
/// What it was called a month later.
const LATER: &str = "路灯 36 盏(虚构)";

async fn submit(town: &mut Town, kind: &str, about: Option<&str>, fields: Value) -> u64 {
    let mut command = (gongkai_domain::kind::find(kind).unwrap().sample)();
    command["org"] = json!(COUNTY);
    if let Some(stream) = about {
        command["stream"] = json!(stream);
    }
    for (name, value) in fields.as_object().unwrap() {
        command["fields"][name] = value.clone();
    }
    let signers: &[(&str, &str)] = if kind.starts_with("slot") {
        &[("publisher", "文书"), ("registrar", "甲")]
    } else {
        &[("publisher", "文书")]
    };
    let index = town.fixture.submit(&command, signers).await.unwrap_or_else(|error| panic!("{kind}: {error:?}")).index;
    town.catch_up().await;
    index
}

/// The first day, on which one pledge was made, and the town a month after a report, an extension and two more pledges.
async fn a_month_later() -> (Town, String, String) {
    let mut town = Town::empty().await;
    let first = submit(&mut town, "pledge.made.v1", None, json!({"title": FIRST, "due": "2026-03-20"})).await;
    let day = town.app.today().to_string();
    let stream = town.stream_of(first).await;
    town.fixture.clock.advance(Duration::from_hours(24 * 30));
    submit(&mut town, "pledge.amended.v1", Some(&stream), json!({"title": LATER, "due": "2026-12-31"})).await;
    for number in 1..=2 {
        submit(&mut town, "pledge.made.v1", None, json!({"title": format!("清淤之{number}(虚构)")})).await;
    }
    (town, stream, day)
}

fn titles(answer: &Answer) -> Vec<String> {
    let items = answer.json()["items"].as_array().unwrap().clone();
    items.iter().map(|item| item["title"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_a_past_day_says_which_day_it_is_and_leads_to_today_and_to_each_matter_of_that_day() {
    let (town, stream, day) = a_month_later().await;
    let page = town.get(&format!("/pledges?org={COUNTY}&on={day}")).await;
    let html = page.text();
    let (year, rest) = day.split_once('-').unwrap();
    let (month, date) = rest.split_once('-').unwrap();
    let number = |text: &str| text.trim_start_matches('0').to_owned();
    let written = format!("截至{year}年{}月{}日的情况。", number(month), number(date));
    assert!(html.contains(&written), "{html}");
    assert!(html.contains(FIRST) && html.contains("尚未报告") && html.contains("共 <b>1</b> 项"), "{html}");
    assert!(!html.contains(LATER) && !html.contains("清淤"), "{html}");
    assert!(html.contains(&format!("href=\"/pledges?org={COUNTY}\">看今天的情况")), "{html}");
    assert!(html.contains(&format!("href=\"/streams/{stream}?on={day}\"")), "{html}");
    assert!(html.contains(&format!("value=\"{day}\"")) && html.contains("name=\"on\""), "{html}");
    let matter = town.get(&format!("/streams/{stream}?on={day}")).await;
    assert!(matter.text().contains(FIRST) && matter.text().contains("尚未报告"), "{}", matter.text());
    let today = town.get("/pledges").await;
    assert!(today.text().contains(LATER) && !today.text().contains("截至20"), "{}", today.text());
    let same = town.get(&format!("/pledges?on={}", town.app.today())).await;
    assert!(same.text().contains(LATER) && !same.text().contains("看今天的情况"), "today is the present");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_of_a_past_day_says_the_day_in_each_row_and_the_dictionary_explains_the_column() {
    let (town, stream, day) = a_month_later().await;
    let table = town.get(&format!("/api/v1/pledges?on={day}&format=csv")).await;
    let mut lines = table.text().trim_start_matches('\u{feff}').lines();
    let (head, row) = (lines.next().unwrap(), lines.next().unwrap());
    assert!(head.ends_with(",revisions,as_of"), "{head}");
    assert!(row.starts_with(&stream) && row.ends_with(&format!(",1,{day}")) && row.contains(FIRST), "{row}");
    assert!(row.contains(",not_reported,") && row.contains(",2026-03-20,"), "{row}");
    assert_eq!(lines.next(), None);
    assert!(table.header("content-disposition").contains(&format!("pledge-{day}.csv")));
    let lines = town.get(&format!("/api/v1/pledges?on={day}&format=jsonl")).await;
    let line: Value = serde_json::from_str(lines.text().trim()).unwrap();
    assert_eq!((&line["as_of"], &line["title"], &line["ends_on"]), (&json!(day), &json!(FIRST), &json!("2026-03-20")));
    let now = town.get("/api/v1/pledges?format=csv").await;
    assert!(now.text().lines().next().unwrap().ends_with(",revisions") && now.text().lines().count() == 4);
    assert!(town.get("/dictionary").await.text().contains("<code>as_of</code>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_past_list_is_filtered_by_what_held_on_that_day_and_is_walked_without_a_gap() {
    let (town, _, day) = a_month_later().await;
    let list = async |town: &Town, query: String| town.get(&format!("/api/v1/pledges?{query}")).await;
    assert_eq!(titles(&list(&town, format!("on={day}&status=not_reported")).await), [FIRST]);
    assert_eq!(titles(&list(&town, format!("on={day}&q=40")).await), [FIRST]);
    assert!(titles(&list(&town, format!("on={day}&q=36")).await).is_empty(), "that was written later");
    town.fixture.clock.advance(Duration::from_hours(24));
    let yesterday = town.app.today().pred_opt().unwrap();
    let (mut seen, mut query) = (Vec::new(), format!("on={yesterday}&limit=1"));
    loop {
        let page = list(&town, query).await;
        assert_eq!((page.json()["total"].clone(), page.json()["on"].clone()), (json!(3), json!(yesterday)));
        seen.extend(titles(&page));
        let Some(next) = page.json()["next"].as_u64() else { break };
        query = format!("on={yesterday}&limit=1&before={next}");
    }
    assert_eq!(seen, ["清淤之2(虚构)", "清淤之1(虚构)", LATER]);
    let first = town.get(&format!("/pledges?on={yesterday}&limit=1")).await;
    let further = first.text().split('"').find(|text| text.contains("&#38;before=") || text.contains("&amp;before="));
    let further = further.unwrap_or_else(|| panic!("{}", first.text())).replace("&#38;", "&").replace("&amp;", "&");
    assert!(first.text().contains("还有更多"), "{}", first.text());
    let second = town.get(&further).await;
    assert!(second.text().contains("清淤之1(虚构)") && second.text().contains("回到开头"), "{}", second.text());
    let paths = [format!("/pledges?on={yesterday}&limit=1"), further];
    let missing = untranslated(&town, &paths, &recorded(&town).await).await;
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_has_not_come_or_lies_before_the_first_record_is_answered_honestly() {
    let (town, _, day) = a_month_later().await;
    let early = town.get("/pledges?on=2020-01-01").await;
    assert_eq!(early.status, StatusCode::OK);
    assert!(
        early.text().contains("账本的第一条记录是") && early.text().contains("在那以前什么都没有"),
        "{}",
        early.text()
    );
    let empty = town.get(&format!("/notices?on={day}")).await;
    assert!(empty.text().contains("到这一天结束，账本里还没有公示公告。"), "{}", empty.text());
    for query in [
        "on=2999-01-01",
        "on=2026-02-30",
        "on=30.6.2026",
        "on=2020-01-01&page=2",
        "before=3",
        "on=2020-01-01&before=-1",
    ] {
        for path in ["/pledges", "/api/v1/pledges", "/disclosures"] {
            let answer = town.get(&format!("{path}?{query}")).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}?{query}");
        }
    }
    let future = town.get("/pledges?on=2999-01-01").await;
    assert!(future.text().contains("这一天还没有到"), "{}", future.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_page_of_a_past_day_loses_what_is_withdrawn_at_once() {
    let (mut town, stream, day) = a_month_later().await;
    let path = format!("/pledges?on={day}");
    let before = town.get(&path).await;
    assert!(before.text().contains(FIRST));
    assert_eq!(town.get(&path).await.header("etag"), before.header("etag"), "it is kept");
    let history = town.get(&format!("/api/v1/streams/{stream}")).await.json();
    let entry = history["history"][0]["index"].as_u64().unwrap();
    let openings = town.fixture.ledger.entry(entry).await.unwrap().unwrap().openings.unwrap();
    let slot = openings.open.iter().find(|open| open.name == "title").unwrap().slot;
    let fields = json!({"entry": entry, "slot_numbers": [slot], "basis": "personal_data",
        "reason": "当事人要求隐去(虚构)", "appeal": "可在 15 日内申诉(虚构)"});
    let mut command = json!({"kind": "slot.withdrawn.v1", "org": COUNTY});
    command["fields"] = fields;
    town.fixture.submit(&command, &[("publisher", "文书"), ("registrar", "甲")]).await.unwrap();
    town.catch_up().await;
    for path in [path, format!("/api/v1/pledges?on={day}&format=csv"), format!("/organizations/{COUNTY}?on={day}")] {
        let after = town.get(&path).await;
        assert!(!after.text().contains("40 盏(虚构)"), "{path}: {}", after.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_and_all_records_on_a_past_day_have_what_was_said_by_then_and_name_what_is_left_out() {
    let (town, _, day) = a_month_later().await;
    let page = town.get(&format!("/organizations/{COUNTY}?on={day}")).await;
    let html = page.text();
    assert!(html.contains("的情况。") && html.contains("没有照当天重算，这里不列"), "{html}");
    assert!(html.contains(FIRST) && !html.contains(LATER) && !html.contains("清淤"), "{html}");
    assert!(
        html.contains(&format!("/pledges?org={COUNTY}&#38;on={day}"))
            || html.contains(&format!("/pledges?org={COUNTY}&amp;on={day}")),
        "{html}"
    );
    let today = town.get(&format!("/organizations/{COUNTY}")).await;
    assert!(today.text().contains("看过去某一天的样子") && today.text().contains(LATER), "{}", today.text());
    for (query, status) in [("on=2020-01-01", StatusCode::NOT_FOUND), ("on=2999-01-01", StatusCode::BAD_REQUEST)] {
        assert_eq!(town.get(&format!("/organizations/{COUNTY}?{query}")).await.status, status, "{query}");
    }
    let records = town.get(&format!("/timeline?on={day}")).await;
    assert!(records.text().contains("的情况。") && records.text().contains(FIRST), "{}", records.text());
    assert!(!records.text().contains(LATER) && !records.text().contains("清淤"), "{}", records.text());
    let mut paths = vec![format!("/timeline?on={day}")];
    paths.extend([
        format!("/organizations/{COUNTY}?on={day}"),
        format!("/pledges?on={day}&q=x"),
        format!("/notices?on={day}"),
    ]);
    let missing = untranslated(&town, &paths, &recorded(&town).await).await;
    assert!(missing.is_empty(), "{missing:?}");
}
