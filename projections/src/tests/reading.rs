//! What a reader compares and follows: a sheet beside the one before it, and what is said of one person. All people,
//! places and sums are made up (虚构).

use serde_json::{Value, json};

use super::fixture::{Log, VILLAGE, day, stream, views};
use crate::read::{Comparison, Filter};
use crate::views::Views;

/// A finance sheet of the village's book with these lines: category, summary, expense in fen.
fn sheet(number: u64, period: &str, lines: &[(Option<&str>, &str, i64)]) -> Value {
    let date = if period.len() == 7 { format!("{period}-03") } else { format!("{}-03-03", &period[..4]) };
    let line = |(category, summary, expense): &(Option<&str>, &str, i64)| {
        let mut line = json!({"date": date, "voucher": "记-1", "summary": summary, "expense": expense});
        if let Some(category) = category {
            line["category"] = (*category).into();
        }
        line
    };
    let spent: i64 = lines.iter().map(|(_, _, fen)| fen).sum();
    json!({"kind": "disclosure.published.v1", "stream": stream("disclosure", number), "org": VILLAGE, "fields": {
        "class": "finance", "content": "finance", "period": period, "book": "committee", "income": 0, "expense": spent,
        "title": "收支公开表(虚构)", "lines": lines.iter().map(line).collect::<Vec<_>>()}})
}

async fn comparison(views: &Views, number: u64) -> Option<Comparison> {
    let mut reader = views.read(day("2026-03-20"), None).await.unwrap();
    reader.disclosure(&stream("disclosure", number)).await.unwrap().unwrap().comparison
}

/// Item and verdict of every item.
fn verdicts(comparison: &Comparison) -> Vec<(&str, String)> {
    comparison.items.iter().map(|item| (item.item.as_str(), comparison.verdict(item))).collect()
}

#[tokio::test]
async fn each_item_says_more_less_equal_or_new_against_the_month_before() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    let (bill, other) = (Some("水电费"), Some("会议费"));
    log.say(
        "2026-02-05",
        sheet(1, "2026-01", &[(bill, "公厕电费", 33_030), (other, "茶水", 5_000), (None, "修路灯", 100)]),
    );
    let lines = [
        (bill, "公厕电费", 33_030),
        (bill, "公厕电费", 3_700),
        (other, "茶水", 4_999),
        (None, "修路灯", 100),
        (Some("电话费"), "办公电话", 1),
    ];
    log.say("2026-03-05", sheet(2, "2026-02", &lines));
    let (views, _engine) = views(&log, dir.path()).await;
    let found = comparison(&views, 2).await.unwrap();
    assert_eq!((found.called.as_str(), found.period.as_str(), found.incomplete), ("上月", "2026年1月", false));
    let expected = [
        ("会议费", "比上月少0.01元"),
        ("修路灯", "与上月持平"),
        ("水电费", "比上月多37元"),
        ("电话费", "上月没有这一项"),
    ];
    assert_eq!(verdicts(&found), expected.map(|(item, verdict)| (item, verdict.to_owned())));
    let bills = found.items.iter().find(|item| item.item == "水电费").unwrap();
    assert_eq!((bills.now.fen, bills.now.lines, bills.before.unwrap().lines), (36_730, 2, 1));
    assert_eq!(comparison(&views, 1).await, None, "nothing comes before the first sheet");
}

#[tokio::test]
async fn a_gap_is_named_and_a_year_is_never_held_against_a_month() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    let item = Some("水电费");
    log.say("2025-11-05", sheet(1, "2025-10", &[(item, "电费", 100)]));
    log.say("2026-02-05", sheet(2, "2026", &[(item, "电费", 9_000)]));
    log.say("2026-03-05", sheet(3, "2026-02", &[(item, "电费", 250)]));
    let (views, _engine) = views(&log, dir.path()).await;
    let found = comparison(&views, 3).await.unwrap();
    assert_eq!(verdicts(&found), [("水电费", "比2025年10月多1.50元".to_owned())]);
    assert_eq!(comparison(&views, 2).await, None);
}

#[tokio::test]
async fn a_correction_of_the_month_before_counts_and_a_withdrawn_line_stops_the_comparison() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    let item = Some("水电费");
    let first = log.say("2026-02-05", sheet(1, "2026-01", &[(item, "电费", 33_030), (item, "水费", 1_000)]));
    log.say("2026-03-05", sheet(2, "2026-02", &[(item, "电费", 33_030)]));
    log.say(
        "2026-03-06",
        json!({"kind": "disclosure.corrected.v1", "stream": stream("disclosure", 1), "org": VILLAGE, "fields": {
            "content": "finance", "corrects": [1], "income": 0, "expense": 33_030, "reason": "重复",
            "lines": [{"date": "2026-01-03", "voucher": "记-1", "summary": "水费", "category": "水电费", "expense": 0}]}}),
    );
    let (views, mut engine) = views(&log, dir.path()).await;
    assert_eq!(verdicts(&comparison(&views, 2).await.unwrap()), [("水电费", "与上月持平".to_owned())]);
    log.withdraw_line(9, first, 0);
    engine.catch_up().await.unwrap();
    let found = comparison(&views, 2).await.unwrap();
    assert_eq!(verdicts(&found), [("水电费", "有明细已撤下，没法同上月比".to_owned())]);
    assert!(found.items.iter().all(|item| item.before.is_none()));
}

#[tokio::test]
async fn what_is_said_of_a_person_is_the_matters_that_name_them_and_all_that_followed() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    for (number, name) in [(1, "方禾生(虚构)"), (2, "方禾生(虚构)")] {
        log.say(
            "2026-01-02",
            json!({"kind": "person.registered.v1", "stream": stream("person", number), "org": VILLAGE, "fields": {"name": name}}),
        );
    }
    let pledge = |number: u64, person: Option<u64>| {
        let mut fields = json!({"year": 2026, "pledger_kind": "official", "category": "practical", "due": "2026-12-31",
            "pledger": "方禾生(虚构)", "title": "修路灯(虚构)"});
        if let Some(person) = person {
            fields["person"] = stream("person", person).into();
        }
        json!({"kind": "pledge.made.v1", "stream": stream("pledge", number), "org": VILLAGE, "fields": fields})
    };
    log.say("2026-01-05", pledge(1, Some(1)));
    log.say("2026-01-06", pledge(2, Some(2)));
    log.say("2026-01-07", pledge(3, None));
    let report = json!({"kind": "pledge.fulfilled.v1", "stream": stream("pledge", 1), "org": VILLAGE, "fields": {"report": "亮了"}});
    log.say("2026-02-01", report);
    let (views, _engine) = views(&log, dir.path()).await;
    let mut reader = views.read(day("2026-03-20"), None).await.unwrap();
    let page = reader.about_person(&stream("person", 1), &Filter::default()).await.unwrap();
    let kinds: Vec<&str> = page.items.iter().map(|item| item.kind.as_str()).collect();
    assert_eq!(kinds, ["pledge.fulfilled.v1", "pledge.made.v1", "person.registered.v1"]);
    assert!(
        page.items[..2].iter().all(|item| item.stream == stream("pledge", 1)),
        "an equal name is not the same person"
    );
    assert_eq!(page.total, 3);
}
