//! What a sheet's page says of days and of who published it: how the day of an answer was found, by whom a village that
//! did not publish was replaced.

use gongkai_store::testing::COUNTY;
use serde_json::json;

use super::Town;

const TOWNSHIP: &str = "341599101";
const VILLAGE: &str = "341599101201";

#[tokio::test(flavor = "multi_thread")]
async fn what_an_extension_adds_is_told_apart_from_the_days_that_the_rule_counts() {
    let mut town = Town::empty().await;
    let notice = town.say("notice.published.v1", |fields| {
        fields["category"] = json!("membership");
        fields["starts_on"] = json!("2026-03-02");
        fields["days"] = json!(7);
        fields.as_object_mut().unwrap().remove("ends_on");
    });
    let notice = notice.await.index;
    town.catch_up().await;
    let stream = town.stream_of(notice).await;
    let path = format!("/{}", stream.replace("notice/", "notices/"));
    let before = town.get(&path).await;
    assert!(before.text().contains("共 7 天计入") && !before.text().contains("延长"), "{}", before.text());
    let last = before.text().matches(" on\"").count();
    let longer = json!({"kind": "notice.extended.v1", "stream": stream, "org": COUNTY, "fields": {
        "ends_on": "2026-03-31", "reason": "要再听意见(虚构)"}});
    let longer = town.fixture.submit(&longer, &[("publisher", "文书")]).await.unwrap().index;
    town.catch_up().await;
    let page = town.get(&path).await;
    let said = page.text();
    assert!(said.contains("共 7 天计入") && said.contains("浅红格是后来延长的天"), "{said}");
    assert!(said.contains(&format!("延长至 <b>2026年3月31日</b> <a href=\"/entries/{longer}/view\">")), "{said}");
    assert_eq!((said.matches(" on\"").count(), said.contains(" ext\"")), (last, true), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_says_how_the_day_of_an_answer_was_found_and_a_later_calendar_moves_it() {
    let mut town = Town::empty().await;
    let sheet = town.say("disclosure.published.v1", |_| {}).await;
    town.catch_up().await;
    let stream = town.stream_of(sheet.index).await;
    let asked = json!({"kind": "disclosure.questioned.v1", "stream": stream, "org": COUNTY, "fields": {
        "line": 0, "topic": "amount", "asked_on": "2026-03-02", "text_masked": "为什么有两笔电费？(虚构)"},
        "proxy": {"channel": "来访", "original": "kuGcG+81Z6SYS/HtGzOcyZ/O1/R14sXIPO2l9YFHdsw="}});
    town.fixture.submit(&asked, &[("publisher", "文书")]).await.unwrap();
    town.catch_up().await;
    let path = format!("/{}", stream.replace("disclosure/", "disclosures/"));
    let page = town.get(&path).await;
    for part in [
        "答复期限怎么算的",
        "询问答复期限：5 个工作日，提出当天不算",
        "跳过3月7日至3月8日（周末）",
        "3月9日届满",
        "（暂定）",
    ] {
        assert!(page.text().contains(part), "{part}: {}", page.text());
    }
    let calendar = json!({"kind": "calendar.published.v1", "org": COUNTY, "fields": {
        "year": 2026, "off_days": ["2026-03-05"], "work_days": []}});
    town.fixture.submit(&calendar, &[("registrar", "甲")]).await.unwrap();
    town.catch_up().await;
    let page = town.get(&path).await;
    for part in ["跳过3月5日（放假）", "3月10日届满"] {
        assert!(page.text().contains(part), "{part}: {}", page.text());
    }
    assert!(!page.text().contains("（暂定）"), "{}", page.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_says_that_a_village_did_not_publish_and_who_did_it_in_its_place() {
    let mut town = Town::empty().await;
    town.fixture.org(TOWNSHIP, "township", Some(COUNTY)).await;
    town.fixture.org(VILLAGE, "village", Some(TOWNSHIP)).await;
    town.fixture.officers(&[("镇办", TOWNSHIP, "publisher"), ("镇书记", TOWNSHIP, "approver")]).await;
    let sheet = |by: &str| {
        json!({"kind": "disclosure.published.v1", "org": VILLAGE, "fields": {
            "class": "village", "content": "text", "period": "2026-01", "published_by": by,
            "title": "一月村务公开(虚构)", "text": "宅基地审批结果(虚构)"}})
    };
    let signers = [("publisher", "镇办"), ("approver", "镇书记")];
    let mut pages = Vec::new();
    for by in ["substitute", "agency"] {
        let receipt = town.fixture.submit(&sheet(by), &signers).await.unwrap();
        town.catch_up().await;
        let stream = town.stream_of(receipt.index).await;
        pages.push(town.get(&format!("/{}", stream.replace("disclosure/", "disclosures/"))).await);
    }
    let sentence =
        format!("{VILLAGE}号机构(虚构)到期没有公开，由{TOWNSHIP}号机构(虚构)代为公开并会签。没有监督人会签。");
    assert!(pages[0].text().contains(&sentence) && pages[0].text().contains("乡镇代为公开"), "{}", pages[0].text());
    assert!(!pages[1].text().contains("代为公开"), "keeping the books for a village is routine");
}
