//! Lists as they stood on a past day: the same as those of views that know the log of that day and nothing else. Made up
//! (虚构).

use chrono::Days;
use gongkai_domain::{KINDS, Kind};
use serde_json::{Value, json};

use super::fixture::{COUNTY, Log, TOWN, VILLAGE, day, stream, views};
use super::{TODAY, notice, report};
use crate::{
    Reader, Status,
    read::{Filter, Matter, PastPage},
    status::statuses_of,
};

const FAMILIES: [&str; 5] = ["pledge", "vacancy", "nomination", "notice", "disclosure"];
const LAST: &str = "2026-06-30";

/// Numbers that look like chance and are the same on every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

/// A command of a kind from its sample, at one of three places, about a stream, with days near the present one.
fn command(kind: &Kind, about: &str, number: usize, on: chrono::NaiveDate, chance: &mut Chance) -> Value {
    let mut command = (kind.sample)();
    command["stream"] = about.into();
    command["org"] = [COUNTY, TOWN, VILLAGE][number % 3].into();
    let near = |chance: &mut Chance| on.checked_add_days(Days::new(chance.below(30) as u64)).unwrap().to_string();
    for name in ["due", "starts_on", "opens_on"] {
        if !command["fields"][name].is_null() {
            command["fields"][name] = near(chance).into();
        }
    }
    for (name, start) in [("closes_on", "opens_on"), ("ends_on", "starts_on")] {
        let from = command["fields"][start].as_str().map_or(on, day);
        if !command["fields"][name].is_null() {
            command["fields"][name] =
                from.checked_add_days(Days::new(3 + chance.below(9) as u64)).unwrap().to_string().into();
        }
    }
    if kind.fields.iter().any(|field| field.name == "title") {
        command["fields"]["title"] = format!("{}之{number}(虚构)", ["修路", "装灯", "清淤"][chance.below(3)]).into();
    }
    command
}

fn kinds(family: &str, opens: bool) -> Vec<&'static Kind> {
    let of = |kind: &&Kind| kind.name.starts_with(&format!("{family}.")) && kind.opens == opens && !kind.sealed;
    KINDS.iter().filter(of).collect()
}

/// Five months in which matters of every family begin, change and end, a calendar and a rule are published late, and a title
/// and a person are withdrawn.
fn five_months() -> std::sync::Arc<Log> {
    let (log, mut chance, mut on) = (Log::new(), Chance(7), day("2026-02-01"));
    let mut open: Vec<(&str, String, usize)> = Vec::new();
    let (mut titled, mut peopled) = (None, None);
    while on <= day(LAST) {
        let family = FAMILIES[chance.below(FAMILIES.len())];
        let number = open.len() + 1;
        let openers = kinds(family, true);
        let (kind, about) = (openers[chance.below(openers.len())], stream(family, number as u64));
        let index = log.say(&on.to_string(), command(kind, &about, number, on, &mut chance));
        match family {
            "pledge" => titled = titled.or(Some(index)),
            "nomination" => peopled = peopled.or(Some(index)),
            _ => {}
        }
        open.push((family, about, number));
        for _ in 0..chance.below(4) {
            let (family, about, number) = open[chance.below(open.len())].clone();
            let later = kinds(family, false);
            let kind = later[chance.below(later.len())];
            log.say(&on.to_string(), command(kind, &about, number, on, &mut chance));
        }
        match on.to_string().as_str() {
            "2026-03-15" => {
                let off: Vec<String> = (1..=12).map(|d| format!("2026-04-{d:02}")).collect();
                let fields = json!({"year": 2026, "off_days": off, "work_days": ["2026-03-28"]});
                log.say("2026-03-15", json!({"kind": "calendar.published.v1", "stream": stream("calendar", 1), "org": COUNTY, "fields": fields}));
            }
            "2026-03-20" => {
                log.withdraw_slot(1, titled.unwrap(), "title");
                log.withdraw_line(2, peopled.unwrap(), 0);
            }
            "2026-05-10" => {
                let fields = json!({"rule": "nomination_days_min", "value": 9, "unit": "working_days", "from": "2026-01-01", "basis": "试行办法(虚构)"});
                log.say(
                    "2026-05-10",
                    json!({"kind": "rule.published.v1", "stream": stream("rule", 1), "org": COUNTY, "fields": fields}),
                );
            }
            _ => {}
        }
        on = on.succ_opt().unwrap();
    }
    log
}

/// The whole list of a past day, in pages of a few.
async fn whole(reader: &mut Reader, family: &str, filter: &Filter, on: chrono::NaiveDate) -> Vec<Matter> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let page = reader.matters_on(family, filter, on, before).await.unwrap();
        assert!(page.items.len() as u64 <= page.limit && page.items.iter().all(|matter| matter.as_of == Some(on)));
        all.extend(page.items);
        let Some(next) = page.next else { break };
        assert!(before.is_none_or(|before| next < before), "the list goes on");
        before = Some(next);
    }
    all
}

fn filters(family: &str) -> Vec<Filter> {
    let mut filters = vec![
        Filter::default(),
        Filter { org: Some(TOWN.into()), ..Filter::default() },
        Filter { year: Some(2026), text: Some("灯".into()), ..Filter::default() },
        Filter { category: Some("announced".into()), ..Filter::default() },
        Filter { category: Some("practical".into()), org: Some(VILLAGE.into()), ..Filter::default() },
        Filter { year: Some(2025), ..Filter::default() },
    ];
    filters.extend(statuses_of(family).iter().map(|status| Filter { statuses: vec![*status], ..Filter::default() }));
    filters
}

#[tokio::test]
async fn a_list_of_a_past_day_is_the_one_that_views_of_that_day_alone_would_show() {
    let (log, dir) = (five_months(), tempfile::tempdir().unwrap());
    let (full, _engine) = views(&log, dir.path()).await;
    let mut compared = 0;
    let mut seen: std::collections::BTreeSet<Status> = std::collections::BTreeSet::new();
    for on in [
        "2025-01-01",
        "2025-01-02",
        "2026-02-01",
        "2026-03-14",
        "2026-03-15",
        "2026-04-09",
        "2026-05-09",
        "2026-05-10",
        "2026-06-29",
    ] {
        let (replayed, folder) = (log.until(day(on)), tempfile::tempdir().unwrap());
        let (then, _engine) = views(&replayed, folder.path()).await;
        let mut then = then.read(day(on), None).await.unwrap();
        let mut reader = full.read(day("2026-12-01"), None).await.unwrap();
        for family in FAMILIES {
            for filter in filters(family) {
                let mut model = then.matters(family, &Filter { limit: 100, ..filter.clone() }).await.unwrap().items;
                model.sort_by_key(|matter| std::cmp::Reverse(matter.first_index));
                seen.extend(model.iter().map(|matter| matter.status));
                for matter in &mut model {
                    matter.as_of = Some(day(on));
                }
                let filter = Filter { limit: 3, ..filter };
                let answer = whole(&mut reader, family, &filter, day(on)).await;
                assert_eq!(answer, model, "{family} on {on} with {filter:?}");
                if let Some(one) = model.first() {
                    let found = reader.matter_on(&one.stream, day(on)).await.unwrap();
                    assert_eq!(found.as_ref(), Some(one), "one of them");
                }
                compared += model.len();
                let total = reader.matters_on(family, &filter, day(on), None).await.unwrap().total;
                assert!(total.is_none_or(|total| total == model.len() as u64), "{family} on {on}: {total:?}");
            }
        }
    }
    assert!(compared > 500 && seen.len() > 18, "{compared} matters, {seen:?}");
}

#[tokio::test]
async fn what_was_withdrawn_since_does_not_come_back_on_a_past_day() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    let made = log.pledge(1, "2026-06-30", "修路到老张家(虚构)");
    log.say("2026-01-20", report(1, "progressed", json!({"percent": 40, "report": "过半"})));
    log.withdraw_slot(1, made, "title");
    log.say("2026-04-01", report(1, "amended", json!({"due": "2026-12-31", "reason": "顺延"})));
    let (views, _engine) = views(&log, dir.path()).await;
    let mut reader = views.read(day("2026-05-01"), None).await.unwrap();
    for on in ["2026-01-05", "2026-02-01", "2026-03-20", "2026-04-02"] {
        let page = reader.matters_on("pledge", &Filter::default(), day(on), None).await.unwrap();
        assert_eq!((page.items.len(), page.items[0].title.as_deref()), (1, None), "{on}");
        let searched = Filter { text: Some("老张".into()), ..Filter::default() };
        assert_eq!(reader.matters_on("pledge", &searched, day(on), None).await.unwrap().items, [], "{on}");
    }
}

#[tokio::test]
async fn a_day_ends_at_midnight_in_china_and_a_day_without_records_says_when_they_began() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    log.say("2026-02-11", notice(1, "2026-02-12"));
    let (views, _engine) = views(&log, dir.path()).await;
    let mut reader = views.read(day(TODAY), None).await.unwrap();
    let mut on = async |text: &str| reader.matters_on("notice", &Filter::default(), day(text), None).await.unwrap();
    let empty = |page: PastPage| (page.items.is_empty(), page.total, page.next, page.since);
    assert_eq!(empty(on("2025-01-01").await), (true, Some(0), None, Some(day("2025-01-02"))));
    assert_eq!(empty(on("2026-02-10").await), (true, Some(0), None, Some(day("2025-01-02"))));
    let first = on("2026-02-11").await;
    assert_eq!((first.items[0].status, first.items[0].days_left), (Status::Upcoming, Some(7)));
    assert_eq!(on("2026-02-18").await.items[0].status, Status::PeriodRunning);
    assert_eq!(on("2026-02-19").await.items[0].status, Status::NoOutcome);
}

#[tokio::test]
async fn a_page_that_would_fold_too_much_is_cut_and_goes_on_without_a_gap() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    for number in 1..=130 {
        log.pledge(number, "2026-06-30", "修路");
    }
    for round in 0..40 {
        for number in 1..=130 {
            log.say("2026-02-01", report(number, "progressed", json!({"percent": round, "report": "修了一段"})));
        }
    }
    log.say("2026-02-02", report(1, "fulfilled", json!({"report": "完成"})));
    let (views, _engine) = views(&log, dir.path()).await;
    let mut reader = views.read(day(TODAY), None).await.unwrap();
    let none = Filter { statuses: vec![Status::Fulfilled], limit: 100, ..Filter::default() };
    let page = reader.matters_on("pledge", &none, day("2026-01-31"), None).await.unwrap();
    assert!(page.items.is_empty() && page.next.is_some(), "nothing is found yet, and it says that it goes on");
    assert_eq!(whole(&mut reader, "pledge", &none, day("2026-01-31")).await, []);
    let all = Filter { limit: 100, ..Filter::default() };
    assert_eq!(whole(&mut reader, "pledge", &all, day("2026-01-31")).await.len(), 130);
}

#[tokio::test]
async fn the_records_until_a_past_day_have_the_titles_of_that_day() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    log.pledge(1, "2026-06-30", "装灯");
    log.say("2026-01-20", report(1, "progressed", json!({"percent": 40, "report": "过半"})));
    log.say("2026-02-20", report(1, "amended", json!({"title": "装灯和修路", "reason": "并为一件"})));
    log.say("2026-03-01", report(1, "fulfilled", json!({"report": "完成"})));
    let (views, _engine) = views(&log, dir.path()).await;
    let mut reader = views.read(day(TODAY), None).await.unwrap();
    let page = reader.timeline_on(day("2026-01-31"), &Filter::default()).await.unwrap();
    let titles: Vec<_> = page.items.iter().take(2).map(|item| item.title.as_deref()).collect();
    assert_eq!((page.total, titles), (5, vec![Some("装灯"), Some("装灯")]), "three organizations and two records");
    let now = reader.timeline(None, &Filter::default()).await.unwrap();
    assert_eq!((now.total, now.items[2].title.as_deref()), (7, Some("装灯和修路")), "the report has today's title");
    assert_eq!(reader.timeline_on(day("2024-12-31"), &Filter::default()).await.unwrap().items, []);
}
