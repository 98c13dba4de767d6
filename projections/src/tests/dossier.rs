//! What a village's dossier says, and how its promises stood on days that are past. Made up (虚构).

use chrono::Datelike as _;
use serde_json::json;

use super::fixture::{COUNTY, Log, TOWN, VILLAGE, day, stream, views};
use super::{TODAY, report};
use crate::{
    Status,
    read::{Filter, FulfilmentRate, NoFigures},
};

fn rate(fulfilled: u64, not_fulfilled: u64, overdue: u64) -> FulfilmentRate {
    let due = fulfilled + not_fulfilled + overdue;
    let permille = (fulfilled * 1000).checked_div(due);
    FulfilmentRate { fulfilled, partly_fulfilled: 0, not_fulfilled, overdue, due, permille }
}

#[tokio::test]
async fn an_old_month_shows_the_rate_as_it_stood_then_and_not_as_it_became() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    log.pledge(1, "2026-01-20", "修路");
    log.pledge(2, "2026-02-10", "装灯");
    log.pledge(3, "2026-02-20", "挖渠");
    // Recorded weeks after it was declared: until then nobody could know.
    log.say_late("2026-01-18", "2026-02-15", report(1, "fulfilled", json!({"report": "完成"})));
    log.say("2026-03-02", report(3, "amended", json!({"due": "2026-12-31", "reason": "顺延"})));
    log.say("2026-03-05", report(2, "not_fulfilled", json!({"report": "没有完成"})));
    let (views, _engine) = views(&log, dir.path()).await;
    let mut reader = views.read(day(TODAY), None).await.unwrap();
    let points = reader.fulfilment_over_time(Some(TOWN)).await.unwrap().unwrap();
    let on = |text: &str| points.iter().find(|point| point.on == day(text)).unwrap().rate;
    assert_eq!(points.len(), 13);
    assert_eq!(on("2025-12-31"), rate(0, 0, 0));
    assert_eq!(on("2025-12-31").permille, None, "nothing was due: no rate, and not 0");
    assert_eq!(on("2026-01-31"), rate(0, 0, 1));
    assert_eq!(on("2026-02-28"), rate(1, 0, 2), "the extension of March does not help February");
    assert_eq!(on(TODAY), rate(1, 1, 0));
}

#[tokio::test]
async fn the_last_point_of_the_rate_is_the_rate_that_the_page_shows_now() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    log.organization(4, "341599101202", "village", Some(TOWN), "双河村(虚构)");
    let mut random = 11_u64;
    let mut draw = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    for number in 0..40 {
        log.pledge(number, &format!("2026-{:02}-15", 1 + draw(6)), "修路");
    }
    let mut ended = std::collections::HashSet::new();
    for step in 0..120_u32 {
        let number = draw(40);
        let (verb, fields) = match draw(9) {
            0 => ("withdrawn", json!({"reason": "重复"})),
            1 => ("superseded", json!({"reason": "调任"})),
            2 | 3 => ("fulfilled", json!({"report": "完成"})),
            4 => ("not_fulfilled", json!({"report": "没有完成"})),
            5 => ("partly_fulfilled", json!({"report": "一半", "percent": 50})),
            6 => ("progressed", json!({"percent": 0, "report": "未动"})),
            7 => ("progressed", json!({"percent": 40, "report": "过半"})),
            _ => ("amended", json!({"due": format!("2026-{:02}-20", 3 + draw(9)), "reason": "顺延"})),
        };
        if !ended.contains(&number) {
            let on = day("2026-01-06") + chrono::Days::new(u64::from(step));
            log.say(&on.to_string(), report(number, verb, fields));
        }
        if matches!(verb, "withdrawn" | "superseded") {
            ended.insert(number);
        }
    }
    let (views, _engine) = views(&log, dir.path()).await;
    for today in ["2026-01-01", "2026-03-31", "2026-05-06", "2027-02-01"] {
        let mut reader = views.read(day(today), None).await.unwrap();
        for org in [None, Some(COUNTY), Some(TOWN), Some(VILLAGE), Some("341599101202")] {
            let filter = Filter { org: org.map(str::to_owned), ..Filter::default() };
            let now = reader.fulfilment_rate(&filter).await.unwrap();
            let last = *reader.fulfilment_over_time(org).await.unwrap().unwrap().last().unwrap();
            assert_eq!((last.on, last.rate), (day(today), now), "{org:?}");
            assert_eq!(org == Some("341599101202"), now.due == 0, "the test is not about nothing");
        }
    }
    // A past day is the same, whoever asks later: every month's end of 2026 that had passed by May.
    let mut later = views.read(day("2026-12-01"), None).await.unwrap();
    let seen_later = later.fulfilment_over_time(Some(COUNTY)).await.unwrap().unwrap();
    let mut then = views.read(day("2026-06-10"), None).await.unwrap();
    let seen_then = then.fulfilment_over_time(Some(COUNTY)).await.unwrap().unwrap();
    let shared: Vec<_> = seen_then.iter().filter(|point| point.on.year() == 2026 && point.on.month() < 6).collect();
    assert_eq!(shared.len(), 5);
    assert!(shared.into_iter().all(|point| seen_later.contains(point)));
}

/// A sheet of one book with lines by account.
fn sheet(number: u64, period: &str, book: &str, lines: &[(&str, i64)]) -> serde_json::Value {
    let spent: i64 = lines.iter().map(|(_, fen)| fen).sum();
    let month = if period.contains('Q') { "2025-12" } else { period };
    let rows: Vec<_> = lines
        .iter()
        .map(|(account, fen)| json!({"date": format!("{month}-03"), "voucher": "记-1", "summary": "支出", "account": account, "expense": fen}))
        .collect();
    json!({"kind": "disclosure.published.v1", "stream": stream("disclosure", number), "org": VILLAGE, "fields": {
        "class": "finance", "content": "finance", "period": period, "book": book, "opening": spent, "income": 0,
        "expense": spent, "closing": 0, "title": "收支公开表(虚构)", "lines": rows}})
}

#[tokio::test]
async fn a_month_without_a_sheet_has_no_figures_and_says_why() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    log.say("2025-11-05", sheet(1, "2025-10", "committee", &[("水电", 33_000)]));
    log.say("2025-12-05", sheet(2, "2025-11", "committee", &[("水电", 20_000), ("办公", 50_000), ("水电", 1_000)]));
    log.say("2025-12-06", sheet(3, "2025-11", "cooperative", &[("肥料", 5_000)]));
    log.say("2026-02-20", sheet(4, "2026-01", "committee", &[("办公", 9_000)]));
    log.say(
        "2026-03-05",
        json!({"kind": "disclosure.published.v1", "stream": stream("disclosure", 5), "org": VILLAGE, "fields": {
            "class": "finance", "content": "finance", "period": "2026-02", "book": "committee", "opening": 0, "income": 0,
            "expense": 0, "closing": 0, "no_movement": true, "title": "本月无收支(虚构)"}}),
    );
    let (views, _engine) = views(&log, dir.path()).await;
    let mut reader = views.read(day(TODAY), None).await.unwrap();
    let dossier = reader.dossier(VILLAGE).await.unwrap().unwrap();
    let of = |period: &str| {
        let month = dossier.money.iter().find(|month| month.period == period).unwrap();
        (month.income, month.expense, month.without, month.partial)
    };
    assert_eq!(of("2025-10"), (Some(0), Some(33_000), None, true), "the other book is absent");
    assert_eq!(of("2025-11"), (Some(0), Some(76_000), None, false));
    assert_eq!(of("2025-12"), (None, None, Some(NoFigures::NotDisclosed), false), "missing is not 0");
    assert_eq!(of("2026-02"), (Some(0), Some(0), None, true), "nothing moved is 0");
    assert_eq!(dossier.money.len(), dossier.months.len());
    assert_eq!(dossier.late(), 1);
    assert_eq!(dossier.on_time() + dossier.late() + dossier.missing(), dossier.months.len() as u64);
    assert_eq!(dossier.latest.as_ref().unwrap().period, "2026-02");
    let year = reader.accounts_of(&dossier).await.unwrap();
    let spent: Vec<_> = year.expense.iter().map(|(account, fen)| (account.as_str(), *fen)).collect();
    assert_eq!(spent, [("办公", 59_000), ("水电", 54_000), ("肥料", 5_000)]);
    assert!(!year.withdrawn_lines);
    assert_eq!(reader.dossier("999999").await.unwrap(), None);
}

#[tokio::test]
async fn a_quarterly_sheet_is_not_cut_into_months_and_a_withdrawn_line_is_told() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    log.say("2026-01-05", sheet(1, "2025-Q4", "committee", &[("水电", 30_000)]));
    let entry = log.say("2026-02-05", sheet(2, "2026-01", "committee", &[("水电", 8_000), ("慰问", 2_000)]));
    log.withdraw_line(1, entry, 1);
    let (views, _engine) = views(&log, dir.path()).await;
    let mut reader = views.read(day(TODAY), None).await.unwrap();
    let dossier = reader.dossier(VILLAGE).await.unwrap().unwrap();
    let quarter: Vec<_> =
        dossier.money.iter().filter(|month| month.period.as_str() < "2026").map(|m| m.without).collect();
    assert!(quarter.ends_with(&[Some(NoFigures::LongerPeriod); 3]), "{quarter:?}");
    let latest = dossier.latest.unwrap();
    assert_eq!((latest.period.as_str(), latest.accounts.withdrawn_lines), ("2026-01", true));
    assert_eq!(latest.accounts.expense, [("水电".to_owned(), 8_000)], "the sum is without the withdrawn line");
    assert_eq!(dossier.money.iter().find(|m| m.period == "2026-01").unwrap().expense, Some(10_000), "the stated total");
}

#[tokio::test]
async fn a_matter_on_a_past_day_is_what_was_recorded_by_then() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    log.pledge(1, "2026-01-20", "修路");
    log.say("2026-01-10", report(1, "progressed", json!({"percent": 0, "report": "未动"})));
    log.say("2026-01-15", report(1, "progressed", json!({"percent": 40, "report": "过半"})));
    log.say_late("2026-01-31", "2026-02-10", report(1, "amended", json!({"due": "2026-12-31", "reason": "顺延"})));
    let notice = json!({"kind": "notice.published.v1", "stream": stream("notice", 1), "org": VILLAGE, "fields": {
        "category": "membership", "starts_on": "2026-02-12", "days": 5, "title": "公示(虚构)", "text": "现予公示。"}});
    log.say("2026-02-11", notice);
    log.say("2026-03-05", report(1, "fulfilled", json!({"report": "完成"})));
    let (views, _engine) = views(&log, dir.path()).await;
    let mut reader = views.read(day(TODAY), None).await.unwrap();
    let mut on = async |text: &str| {
        let past = reader.history_on(&stream("pledge", 1), day(text)).await.unwrap();
        (past.events.len(), past.later, past.status.map(Status::wire))
    };
    assert_eq!(on("2026-01-04").await, (0, 5, None), "nobody had said anything");
    assert_eq!(on("2026-01-05").await, (1, 4, Some("not_reported")));
    assert_eq!(on("2026-01-10").await, (2, 3, Some("no_progress")));
    assert_eq!(on("2026-01-20").await, (3, 2, Some("in_progress")));
    assert_eq!(on("2026-02-09").await, (3, 2, Some("overdue")), "declared in January, recorded in February");
    assert_eq!(on("2026-02-10").await, (4, 1, Some("in_progress")));
    assert_eq!(on(TODAY).await, (5, 0, Some("fulfilled")));
    let past = reader.history_on(&stream("notice", 1), day("2026-03-01")).await.unwrap();
    assert_eq!((past.events.len(), past.status), (1, Some(Status::NoOutcome)), "by the calendar of that day");
}

#[tokio::test]
async fn a_course_that_ends_on_a_past_day_is_the_one_that_was_shown_on_that_day() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    log.pledge(1, "2026-01-20", "修路");
    log.pledge(2, "2026-02-10", "装灯");
    log.say("2026-02-01", report(1, "fulfilled", json!({"report": "完成"})));
    let (then, mut engine) = views(&log, dir.path()).await;
    let mut reader = then.read(day("2026-02-15"), None).await.unwrap();
    let shown = reader.fulfilment_over_time(Some(VILLAGE)).await.unwrap().unwrap();
    drop(reader);
    log.say("2026-03-05", report(2, "fulfilled", json!({"report": "完成"})));
    engine.catch_up().await.unwrap();
    let mut reader = then.read(day("2026-03-10"), None).await.unwrap();
    let again = reader.fulfilment_until(Some(VILLAGE), day("2026-02-15")).await.unwrap().unwrap();
    assert_eq!(shown.last().unwrap().rate, rate(1, 0, 1));
    assert_eq!(again, shown);
    let now = reader.fulfilment_over_time(Some(VILLAGE)).await.unwrap().unwrap();
    assert_eq!(now.last().unwrap().rate, rate(2, 0, 0), "what came later is not in the past");
}
