//! The secretary's board: what is counted on which day, and that each number is the length of its list.
//! All people, places and sums are made up (虚构).

use std::collections::BTreeMap;

use gongkai_domain::confidentiality;
use gongkai_log::{KeyKind, SigningKey};
use serde_json::{Value, json};

use super::fixture::{COUNTY, Log, TOWN, VILLAGE, day, stream, views};
use crate::{
    board::{self, Asking, List, Row},
    read::Filter,
    views::Views,
};

const OTHER: &str = "341599102";
const SECRETARY: &str = "secretary.example/1";

/// A county with two towns; the secretary's key is registered, and nothing is sealed.
fn county() -> std::sync::Arc<Log> {
    let log = Log::new();
    log.organization(4, OTHER, "township", Some(COUNTY), "邻溪镇(虚构)");
    let person = stream("person", 1);
    log.say(
        "2025-01-03",
        json!({"kind": "person.registered.v1", "stream": person, "org": COUNTY, "fields": {"name": "林书记(虚构)"}}),
    );
    let key = SigningKey::from_seed(SECRETARY, KeyKind::Ed25519, [9; 32]).unwrap().verifier().to_string();
    log.say(
        "2025-01-03",
        json!({"kind": "key.authorized.v1", "stream": stream("key", 1), "org": COUNTY, "fields": {"person": person, "key": key}}),
    );
    log
}

/// Asks as of a day: every list by its number, which is the length of the list, and the rows.
async fn asked(views: &Views, roots: &[&str], on: &str) -> BTreeMap<&'static str, Vec<Row>> {
    let mut public = views.read(day(on), None).await.unwrap();
    let reader = confidentiality::Reader::of_key(SECRETARY, public.world()).unwrap();
    let roots: Vec<String> = roots.iter().map(|org| (*org).to_owned()).collect();
    let asking = Asking { reader: &reader, roots: &roots, inside: None };
    let board = board::board(&asking, &mut public).await.unwrap();
    let mut all = BTreeMap::new();
    for count in &board.counts {
        let (mut rows, mut after) = (Vec::new(), Some(0));
        // Pages of two: a row is on one of them and no other.
        while let Some(from) = after {
            let page = board::page(&asking, count.list, from, 2, &mut public).await.unwrap();
            assert_eq!(page.total, count.total, "{:?}", count.list);
            rows.extend(page.rows);
            after = page.next;
        }
        assert_eq!(rows.len() as u64, count.total, "{:?}", count.list);
        assert_eq!(count.buckets.iter().map(|bucket| bucket.total).sum::<u64>(), count.total, "{:?}", count.list);
        all.insert(count.list.wire(), rows);
    }
    all
}

async fn days(views: &Views, list: List, on: &str) -> Vec<i64> {
    asked(views, &[TOWN], on).await[list.wire()].iter().map(|row| row.days).collect()
}

fn notice(number: u64, starts_on: &str) -> Value {
    json!({"kind": "notice.published.v1", "stream": stream("notice", number), "org": VILLAGE, "fields": {
        "category": "membership", "starts_on": starts_on, "days": 5, "title": "拟接收预备党员公示(虚构)",
        "text": "现予公示。", "report_to": "柳溪镇党委组织办(虚构)"}})
}

fn calendar(number: u64, off_days: &[&str]) -> Value {
    json!({"kind": "calendar.published.v1", "stream": stream("calendar", number), "org": COUNTY, "fields": {
        "year": 2026, "off_days": off_days, "work_days": []}})
}

fn sheet(number: u64, period: &str) -> Value {
    json!({"kind": "disclosure.published.v1", "stream": stream("disclosure", number), "org": VILLAGE, "fields": {
        "class": "finance", "content": "finance", "period": period, "book": "committee", "opening": 100_000, "income": 0,
        "expense": 33_030, "closing": 66_970, "title": format!("{period} 收支公开表(虚构)"), "lines": [
            {"date": format!("{period}-03"), "voucher": "记-12", "summary": "公厕电费", "expense": 33_030}]}})
}

#[expect(clippy::needless_pass_by_value, reason = "a test writes the value in place")]
fn about(sheet: u64, verb: &str, fields: Value) -> Value {
    json!({"kind": format!("disclosure.{verb}.v1"), "stream": stream("disclosure", sheet), "org": VILLAGE, "fields": fields})
}

fn supervision(number: u64, of: &str) -> Value {
    json!({"kind": "supervision.issued.v1", "stream": stream("supervision", number), "org": TOWN, "fields": {
        "to": VILLAGE, "about": of, "issued_on": "2026-03-20", "due_on": "2026-03-31", "title": "限期兑现(虚构)",
        "text": "请于月底前办结并说明原因。"}})
}

#[tokio::test]
async fn a_pledge_is_due_soon_on_its_last_day_and_overdue_the_day_after() {
    let (log, dir) = (county(), tempfile::tempdir().unwrap());
    for (number, due) in [(1, "2026-03-19"), (2, "2026-03-20"), (3, "2026-03-23"), (4, "2026-03-24"), (5, "2026-03-18")]
    {
        log.pledge(number, due, "完成五里桥路灯改造");
    }
    log.say(
        "2026-03-01",
        json!({"kind": "pledge.fulfilled.v1", "stream": stream("pledge", 5), "org": VILLAGE, "fields": {"report": "全部亮灯"}}),
    );
    let (views, _engine) = views(&log, dir.path()).await;
    assert_eq!(days(&views, List::OverduePledges, "2026-03-20").await, [1]);
    assert_eq!(days(&views, List::DueSoon, "2026-03-20").await, [0, 3], "today and in three days, not in four");
    assert_eq!(days(&views, List::OverduePledges, "2026-03-21").await, [2, 1], "the longest first");
    assert_eq!(days(&views, List::DueSoon, "2026-03-21").await, [2, 3]);
    for on in ["2026-03-19", "2026-03-20", "2026-03-21", "2026-04-30"] {
        let mut public = views.read(day(on), None).await.unwrap();
        let filter = Filter { org: Some(TOWN.into()), ..Filter::default() };
        let listed = public.overdue(&filter).await.unwrap().total;
        assert_eq!(
            days(&views, List::OverduePledges, on).await.len() as u64,
            listed,
            "as the public page has it on {on}"
        );
    }
    let row = &asked(&views, &[TOWN], "2026-03-20").await["overdue_pledges"][0];
    assert_eq!((row.org_name.as_str(), row.title.as_deref()), ("五里桥村(虚构)", Some("完成五里桥路灯改造")));
    assert_eq!((row.due_on, row.rule.as_str()), (Some(day("2026-03-19")), "承诺时写明的期限"));
}

#[tokio::test]
async fn a_calendar_that_is_published_later_moves_what_ends_this_week_and_says_which_days_it_skipped() {
    let (log, dir) = (county(), tempfile::tempdir().unwrap());
    log.say("2026-03-15", notice(1, "2026-03-16"));
    let (views, mut engine) = views(&log, dir.path()).await;
    // Monday to Friday, the first day counted.
    assert_eq!(days(&views, List::EndingThisWeek, "2026-03-16").await, [4]);
    assert_eq!(days(&views, List::EndingThisWeek, "2026-03-20").await, [0], "its last day is still a day of it");
    assert_eq!(days(&views, List::WithoutOutcome, "2026-03-20").await, [0_i64; 0]);
    assert_eq!(days(&views, List::EndingThisWeek, "2026-03-21").await, [0_i64; 0]);
    assert_eq!(days(&views, List::WithoutOutcome, "2026-03-21").await, [1]);

    // A holiday on the Thursday: the Monday after is the fifth day.
    log.say("2026-03-18", calendar(1, &["2026-03-19"]));
    engine.catch_up().await.unwrap();
    assert_eq!(days(&views, List::EndingThisWeek, "2026-03-16").await, [0_i64; 0], "it ends next week now");
    assert_eq!(days(&views, List::WithoutOutcome, "2026-03-21").await, [0_i64; 0]);
    assert_eq!(days(&views, List::EndingThisWeek, "2026-03-23").await, [0]);
    let row = asked(&views, &[TOWN], "2026-03-24").await["without_outcome"][0].clone();
    assert_eq!((row.days, row.due_on), (1, Some(day("2026-03-23"))));
    assert!(row.computed.iter().any(|line| line.contains("3月19日（放假）")), "{:?}", row.computed);
    assert!(row.rule.starts_with("发展党员公示期：5个工作日"), "{}", row.rule);

    log.say(
        "2026-03-24",
        json!({"kind": "notice.closed.v1", "stream": stream("notice", 1), "org": VILLAGE,
            "fields": {"closed_on": "2026-03-24", "outcome": "按程序办理"}}),
    );
    engine.catch_up().await.unwrap();
    assert_eq!(days(&views, List::WithoutOutcome, "2026-03-25").await, [0_i64; 0]);
}

#[tokio::test]
async fn a_month_is_due_soon_on_its_day_and_not_disclosed_the_day_after_as_the_grid_has_it() {
    let (log, dir) = (county(), tempfile::tempdir().unwrap());
    log.say("2026-02-05", sheet(1, "2026-01"));
    let (views, mut engine) = views(&log, dir.path()).await;
    let due_soon = asked(&views, &[COUNTY], "2026-03-10").await["due_soon"].clone();
    assert_eq!((due_soon[0].period.as_deref(), due_soon[0].days), (Some("2026-02"), 0));
    let late = asked(&views, &[COUNTY], "2026-03-11").await["undisclosed"].clone();
    let latest = late.last().unwrap();
    assert_eq!((latest.period.as_deref(), latest.days, latest.due_on), (Some("2026-02"), 1, Some(day("2026-03-10"))));
    assert_eq!(latest.rule, "月度财务公开截止日：次月 10 日（月度财务公开通行做法）");
    for on in ["2026-03-10", "2026-03-11", "2026-04-30", "2026-01-31"] {
        let months = asked(&views, &[COUNTY], on).await["undisclosed"].clone();
        let mut months: Vec<_> = months.into_iter().map(|row| (row.org, row.period.unwrap(), row.days)).collect();
        let mut public = views.read(day(on), None).await.unwrap();
        let grid = public.months(Some(COUNTY)).await.unwrap();
        let mut missing: Vec<_> = grid
            .into_iter()
            .flat_map(|(org, months)| months.into_iter().map(move |month| (org.clone(), month)))
            .filter(|(_, month)| month.status == crate::Status::Missing)
            .map(|(org, month)| (org, month.period, i64::try_from(month.days_late.unwrap()).unwrap()))
            .collect();
        months.sort();
        missing.sort();
        assert_eq!(months, missing, "on {on}");
    }
    let before = late.len();
    log.say("2026-03-11", sheet(2, "2026-02"));
    engine.catch_up().await.unwrap();
    assert_eq!(asked(&views, &[COUNTY], "2026-03-11").await["undisclosed"].len(), before - 1);
}

#[tokio::test]
async fn questions_are_counted_by_age_until_their_answer_and_their_day_skips_what_is_not_worked() {
    let (log, dir) = (county(), tempfile::tempdir().unwrap());
    log.say("2026-03-05", sheet(1, "2026-02"));
    let asking = |on: &str| json!({"line": 0, "topic": "amount", "asked_on": on, "text_masked": "为什么有两笔电费？"});
    log.say("2026-03-13", about(1, "questioned", asking("2026-03-13")));
    log.say(
        "2026-03-16",
        about(
            1,
            "interpellated",
            json!({"line": 0, "topic": "decision", "asked_on": "2026-03-16", "people": 6, "text": "请说明"}),
        ),
    );
    let (views, mut engine) = views(&log, dir.path()).await;
    assert_eq!(days(&views, List::Unanswered, "2026-03-20").await, [7, 4], "the oldest first");
    let rows = asked(&views, &[TOWN], "2026-03-20").await["unanswered"].clone();
    assert_eq!(rows.iter().map(|row| row.label.as_str()).collect::<Vec<_>>(), ["询问", "质询"]);
    assert_eq!(rows[0].title.as_deref(), Some("2026-02 收支公开表(虚构)"));
    // Five working days after Friday the 13th.
    assert_eq!(rows[0].due_on, Some(day("2026-03-20")));
    assert!(rows[0].computed.iter().any(|line| line.contains("3月14日至3月15日（周末）")), "{:?}", rows[0].computed);
    assert_eq!(asked(&views, &[TOWN], "2026-03-20").await["due_soon"][0].awaits, "答复询问");

    log.say("2026-03-18", calendar(1, &["2026-03-19"]));
    engine.catch_up().await.unwrap();
    assert_eq!(asked(&views, &[TOWN], "2026-03-20").await["unanswered"][0].due_on, Some(day("2026-03-23")));
    log.say("2026-03-19", about(1, "answered", json!({"question": 1, "answered_on": "2026-03-19", "text": "已拆除"})));
    engine.catch_up().await.unwrap();
    assert_eq!(days(&views, List::Unanswered, "2026-03-20").await, [4]);
}

#[tokio::test]
async fn a_supervision_runs_on_the_board_until_an_answer_stops_it_and_marks_its_matter() {
    let (log, dir) = (county(), tempfile::tempdir().unwrap());
    log.pledge(1, "2026-03-10", "完成五里桥路灯改造");
    log.say("2026-03-20", supervision(1, &stream("pledge", 1)));
    let (views, mut engine) = views(&log, dir.path()).await;
    assert_eq!(days(&views, List::Supervisions, "2026-03-28").await, [-3]);
    assert_eq!(days(&views, List::Supervisions, "2026-04-02").await, [2]);
    let board = asked(&views, &[TOWN], "2026-03-28").await;
    assert_eq!(board["overdue_pledges"][0].supervision, Some(stream("supervision", 1)));
    let row = &board["supervisions"][0];
    assert_eq!((row.about.clone(), row.by_name.as_deref()), (Some(stream("pledge", 1)), Some("柳溪镇(虚构)")));
    assert_eq!(board["due_soon"].iter().map(|row| (row.label.as_str(), row.days)).collect::<Vec<_>>(), [("督办", 3)]);

    let answer = |result: &str| {
        json!({"kind": "supervision.answered.v1", "stream": stream("supervision", 1), "org": VILLAGE,
            "fields": {"result": result, "answered_on": "2026-03-28", "text": "正在办理(虚构)"}})
    };
    log.say("2026-03-28", answer("partly"));
    engine.catch_up().await.unwrap();
    assert_eq!(days(&views, List::Supervisions, "2026-03-28").await, [-3], "the clock runs on");
    log.say("2026-03-29", answer("done"));
    engine.catch_up().await.unwrap();
    assert_eq!(days(&views, List::Supervisions, "2026-04-02").await, [0_i64; 0]);
    assert_eq!(asked(&views, &[TOWN], "2026-04-02").await["overdue_pledges"][0].supervision, None);
    assert_eq!(engine.check().await.unwrap(), Vec::<String>::new(), "live and rebuilt rows differ");
}

#[tokio::test]
async fn a_board_is_about_its_organizations_and_what_is_below_them_each_once() {
    let (log, dir) = (county(), tempfile::tempdir().unwrap());
    log.pledge(1, "2026-03-10", "完成五里桥路灯改造");
    let mut neighbours = json!({"kind": "pledge.made.v1", "stream": stream("pledge", 2), "org": OTHER, "fields": {
        "year": 2026, "pledger_kind": "official", "category": "practical", "due": "2026-03-10",
        "pledger": "沈禾(虚构)", "title": "修好机耕路", "target": "三里", "contact": "值班室(虚构)"}});
    neighbours["fields"]["scheduled_openings"] = json!([{"field": "contact", "on": "2026-03-12"}]);
    log.say("2026-01-05", neighbours);
    let (views, _engine) = views(&log, dir.path()).await;
    let titles = async |roots: &[&str]| {
        let rows = asked(&views, roots, "2026-03-20").await["overdue_pledges"].clone();
        rows.into_iter().filter_map(|row| row.title).collect::<Vec<_>>()
    };
    assert_eq!(titles(&[VILLAGE]).await, ["完成五里桥路灯改造"]);
    assert_eq!(titles(&[OTHER]).await, ["修好机耕路"]);
    assert_eq!(titles(&[COUNTY]).await, ["完成五里桥路灯改造", "修好机耕路"]);
    assert_eq!(titles(&[TOWN, OTHER]).await, ["完成五里桥路灯改造", "修好机耕路"]);
    assert!(asked(&views, &[TOWN], "2026-03-20").await["unopened"].is_empty());
    let unopened = asked(&views, &[TOWN, OTHER], "2026-03-20").await["unopened"].clone();
    assert_eq!((unopened.len(), unopened[0].days, unopened[0].awaits.as_str()), (1, 8, "启封承诺人联系方式"));
}

#[tokio::test]
async fn a_consultation_is_due_soon_until_its_window_closes_and_late_until_its_report() {
    let (log, dir) = (county(), tempfile::tempdir().unwrap());
    let say = |kind: &str, fields: Value| json!({"kind": format!("consultation.{kind}.v1"), "stream": stream("consultation", 1), "org": TOWN, "fields": fields});
    log.say(
        "2026-03-01",
        say(
            "opened",
            json!({"opens_on": "2026-03-01", "closes_on": "2026-03-20", "report_on": "2026-04-10",
            "title": "公交线路征集(虚构)", "text": "请提出意见。(虚构)"}),
        ),
    );
    let (views, mut engine) = views(&log, dir.path()).await;
    let soon = async |on: &str| {
        let rows = asked(&views, &[COUNTY], on).await["due_soon"].clone();
        let rows = rows.into_iter().filter(|row| row.label == "征集");
        rows.map(|row| (row.awaits, row.days, row.org)).collect::<Vec<_>>()
    };
    assert_eq!(soon("2026-03-16").await, []);
    assert_eq!(soon("2026-03-17").await, [("截止征集".to_owned(), 3, TOWN.to_owned())]);
    assert_eq!(days(&views, List::Consultations, "2026-03-21").await, [0_i64; 0], "a window ends by itself");
    let themes = json!([{"theme": "早班车", "submissions": 34}, {"theme": "站点", "submissions": 19}]);
    log.say("2026-03-25", say("themed", json!({"received": 61, "valid": 58, "lines": themes})));
    log.say("2026-03-26", say("assigned", json!({"theme": 0, "to": VILLAGE, "due_on": "2026-04-01"})));
    engine.catch_up().await.unwrap();
    let village = ("办理第 1 个主题的意见".to_owned(), 2, VILLAGE.to_owned());
    assert_eq!(soon("2026-03-30").await, [village]);
    assert_eq!(days(&views, List::Consultations, "2026-04-03").await, [2]);
    assert_eq!(days(&views, List::Consultations, "2026-04-11").await, [10, 1], "the theme, and the report");
    log.say("2026-04-11", say("resolved", json!({"theme": 0, "resolved_on": "2026-04-11", "text": "已提早(虚构)"})));
    engine.catch_up().await.unwrap();
    assert_eq!(days(&views, List::Consultations, "2026-04-11").await, [1]);
    log.say(
        "2026-04-12",
        say("explained", json!({"theme": 1, "explained_on": "2026-04-12", "text": "路面不够宽(虚构)"})),
    );
    log.say("2026-04-12", say("reported", json!({"reported_on": "2026-04-12", "text": "结果(虚构)"})));
    engine.catch_up().await.unwrap();
    assert_eq!(days(&views, List::Consultations, "2026-04-13").await, [0_i64; 0]);
    assert_eq!(engine.check().await.unwrap(), Vec::<String>::new(), "live and rebuilt rows differ");
}
