//! What people may expect of the views. All people, places and sums are made up (虚构).

mod board;
mod dossier;
mod fixture;
mod following;
mod past;
mod plans;
mod reading;
mod remembered;
mod withdrawals;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use gongkai_log::{Opening, Openings, Tier};
use gongkai_store::database::Pool;
use serde_json::json;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, Row as _, sqlite::SqliteConnectOptions,
};

use crate::{
    Engine, ReadError, Status,
    event::PublicEvent,
    follower::Follower,
    generation::{INDEX_PAUSE, PAGE_INDEXES_POSTGRES, PAGE_INDEXES_SQLITE, Pace, SCHEMA_POSTGRES, SCHEMA_SQLITE, Step},
    projection::{TABLES, Type},
    read::{Filter, SearchFilter, Shown},
    source::Source as _,
    statements,
    views::Views,
};
use fixture::{COUNTY, Log, TOWN, VILLAGE, day, stream, views};

const TODAY: &str = "2026-03-20";

async fn titles(views: &Views, org: &str) -> Vec<String> {
    let mut reader = views.read(day(TODAY), None).await.unwrap();
    let filter = Filter { org: Some(org.into()), ..Filter::default() };
    let page = reader.pledges(&filter).await.unwrap();
    assert_eq!(page.total, page.items.len() as u64);
    page.items.into_iter().filter_map(|matter| matter.title).collect()
}

async fn status_on(views: &Views, number: u64, on: &str) -> Status {
    let mut reader = views.read(day(on), None).await.unwrap();
    reader.matter(&stream("pledge", number)).await.unwrap().unwrap().status
}

async fn found(views: &Views, text: &str) -> Vec<String> {
    let mut reader = views.read(day(TODAY), None).await.unwrap();
    let page = reader.search(&SearchFilter { text: text.into(), ..SearchFilter::default() }).await.unwrap();
    page.hits.into_iter().map(|hit| hit.stream).collect()
}

fn rows_file(dir: &Path, views: &Views) -> std::path::PathBuf {
    dir.join("views").join(format!("{}.db", views.status().generation))
}

/// Every file under a directory that holds these bytes.
fn files_with(dir: &Path, needle: &[u8]) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, needle));
            continue;
        }
        let bytes = match std::fs::read(&path) {
            // The search index removes merged files by itself.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            read => read.unwrap(),
        };
        if bytes.windows(needle.len()).any(|window| window == needle) {
            found.push(path);
        }
    }
    found
}

#[expect(clippy::needless_pass_by_value, reason = "a test writes the value in place")]
fn report(number: u64, verb: &str, fields: serde_json::Value) -> serde_json::Value {
    json!({"kind": format!("pledge.{verb}.v1"), "stream": stream("pledge", number), "org": VILLAGE, "fields": fields})
}

#[tokio::test]
async fn silence_no_progress_and_overdue_are_three_statuses_and_the_day_decides() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    for number in 1..=4 {
        log.pledge(number, "2026-03-10", "完成五里桥路灯改造");
    }
    log.say("2026-02-01", report(2, "progressed", json!({"stage": "stalled", "report": "受阻"})));
    log.say("2026-02-01", report(3, "progressed", json!({"percent": 60, "report": "过半"})));
    log.say("2026-02-01", report(4, "fulfilled", json!({"report": "全部亮灯"})));
    let (views, _engine) = views(&log, dir.path()).await;
    let mut on_time = Vec::new();
    let mut late = Vec::new();
    for number in 1..=4 {
        on_time.push(status_on(&views, number, "2026-03-10").await);
        late.push(status_on(&views, number, "2026-03-11").await);
    }
    assert_eq!(on_time, [Status::NotReported, Status::NoProgress, Status::InProgress, Status::Fulfilled]);
    assert_eq!(late, [Status::OverdueUnreported, Status::Overdue, Status::Overdue, Status::Fulfilled]);

    let mut reader = views.read(day("2026-03-11"), None).await.unwrap();
    let overdue = Filter { statuses: vec![Status::OverdueUnreported], ..Filter::default() };
    let page = reader.pledges(&overdue).await.unwrap();
    assert_eq!((page.total, page.items[0].days_left), (1, Some(-1)));
    let pledge = reader.pledge(&stream("pledge", 1)).await.unwrap().unwrap();
    assert_eq!(pledge.failed_to_report.as_deref(), Some(VILLAGE));
    let rate = reader.fulfilment_rate(&Filter::default()).await.unwrap();
    assert_eq!((rate.fulfilled, rate.overdue, rate.permille), (1, 3, Some(250)));
}

#[tokio::test]
async fn the_history_shows_what_an_amendment_changed() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    log.pledge(1, "2026-12-31", "完成五里桥路灯改造");
    log.say(
        "2026-02-01",
        report(1, "amended", json!({"due": "2027-03-31", "target": "路灯 36 盏", "reason": "灯位冲突"})),
    );
    let (views, _engine) = views(&log, dir.path()).await;
    let mut reader = views.read(day(TODAY), None).await.unwrap();
    let pledge = reader.pledge(&stream("pledge", 1)).await.unwrap().unwrap();
    assert_eq!(pledge.target, Some(Shown::Given("路灯 36 盏".into())));
    assert_eq!(pledge.due, Some(day("2027-03-31")));
    let changed: Vec<_> = pledge.history[1].diffs.iter().map(|diff| diff.name.as_str()).collect();
    assert_eq!(changed, ["target", "due"]);
    assert_eq!(pledge.history[0].text("target"), Some("路灯 40 盏"));
}

fn notice(number: u64, start: &str) -> serde_json::Value {
    json!({"kind": "notice.published.v1", "stream": stream("notice", number), "org": VILLAGE, "fields": {
        "category": "membership", "starts_on": start, "days": 5, "title": "拟接收预备党员公示(虚构)", "text": "现予公示。"}})
}

#[tokio::test]
async fn a_calendar_that_is_published_later_moves_a_running_period() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    log.say("2026-02-10", notice(1, "2026-02-12"));
    let (views, mut engine) = views(&log, dir.path()).await;
    let status = async |on| {
        let mut reader = views.read(day(on), None).await.unwrap();
        let notice = reader.notice(&stream("notice", 1)).await.unwrap().unwrap();
        let deadline = notice.deadline.unwrap();
        (notice.matter.status, deadline.end, deadline.provisional)
    };
    let moved = async || {
        let mut reader = views.read(day("2026-02-19"), None).await.unwrap();
        let notice = reader.notice(&stream("notice", 1)).await.unwrap().unwrap();
        let moved = notice.deadline.unwrap().moved;
        moved.into_iter().map(|step| (step.from, step.to, step.year)).collect::<Vec<_>>()
    };
    assert_eq!(moved().await, []);
    assert_eq!(status("2026-02-11").await, (Status::Upcoming, day("2026-02-18"), true));
    assert_eq!(status("2026-02-19").await, (Status::NoOutcome, day("2026-02-18"), true));
    let off: Vec<String> = (15..=23).map(|d| format!("2026-02-{d}")).collect();
    log.say(
        "2026-02-11",
        json!({"kind": "calendar.published.v1", "stream": stream("calendar", 1), "org": COUNTY, "fields": {
        "year": 2026, "off_days": off.clone(), "work_days": ["2026-02-14", "2026-02-28"]}}),
    );
    engine.catch_up().await.unwrap();
    assert_eq!(status("2026-02-19").await, (Status::PeriodRunning, day("2026-02-25"), false));
    assert_eq!(status("2026-02-26").await, (Status::NoOutcome, day("2026-02-25"), false));
    assert_eq!(moved().await, [(day("2026-02-18"), day("2026-02-25"), 2026)]);
    // A calendar that names the same days, and one of another year, move nothing.
    for (number, year, off) in [(2, 2026, off), (3, 2027, vec!["2027-01-01".to_owned()])] {
        log.say(
            "2026-02-12",
            json!({"kind": "calendar.published.v1", "stream": stream("calendar", number), "org": COUNTY, "fields": {
            "year": year, "off_days": off, "work_days": if year == 2026 { json!(["2026-02-14", "2026-02-28"]) } else { json!([]) }}}),
        );
    }
    engine.catch_up().await.unwrap();
    assert_eq!(moved().await.len(), 1);
    let mut reader = views.read(day("2026-02-26"), None).await.unwrap();
    let without = Filter { statuses: vec![Status::NoOutcome], ..Filter::default() };
    assert_eq!(reader.notices(&without).await.unwrap().total, 1);
    assert_eq!(reader.compliance(Some(TOWN), 5).await.unwrap().without_outcome.total, 1);
}

#[tokio::test]
async fn a_subtree_keeps_its_matters_through_merger_split_and_rename() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    log.organization(4, "341599102", "township", Some(COUNTY), "石门乡(虚构)");
    log.organization(5, "341599102201", "village", Some("341599102"), "石门村(虚构)");
    log.organization(6, "341599102202", "village", Some("341599102"), "双河村(虚构)");
    log.pledge(1, "2026-12-31", "修路");
    let (views, mut engine) = views(&log, dir.path()).await;
    assert_eq!(titles(&views, TOWN).await, ["修路"]);
    assert!(titles(&views, "341599102").await.is_empty());
    log.say(
        "2026-02-01",
        json!({"kind": "organization.renamed.v1", "stream": stream("organization", 3), "org": VILLAGE,
        "fields": {"effective_on": "2026-02-01", "name": "五里桥社区(虚构)"}}),
    );
    log.say(
        "2026-02-02",
        json!({"kind": "organization.merged.v1", "stream": stream("organization", 3), "org": VILLAGE,
        "fields": {"into": "341599102201", "effective_on": "2026-02-02"}}),
    );
    log.say(
        "2026-02-03",
        json!({"kind": "organization.split.v1", "stream": stream("organization", 5), "org": "341599102201",
        "fields": {"into": ["341599102202", "341599102"], "effective_on": "2026-02-03"}}),
    );
    engine.catch_up().await.unwrap();
    for org in [COUNTY, TOWN, VILLAGE, "341599102", "341599102201"] {
        assert_eq!(titles(&views, org).await, ["修路"], "{org}");
    }
    assert!(titles(&views, "341599102202").await.is_empty(), "a part of a split does not inherit");
    let mut reader = views.read(day(TODAY), None).await.unwrap();
    let search = SearchFilter { text: "修路".into(), org: Some("341599102".into()), ..SearchFilter::default() };
    assert_eq!(reader.search(&search).await.unwrap().total, 1);
    let village = reader.organization(VILLAGE, 5).await.unwrap().unwrap();
    assert_eq!(village.name, "五里桥社区(虚构)");
    assert_eq!((village.status, village.relations[0].how), (Status::Ended, "merged_into"));
    assert_eq!(village.names[0].to, Some(day("2026-01-31")));
}

#[tokio::test]
async fn the_tree_of_a_past_day_has_the_organizations_and_names_of_that_day() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    log.organization(4, "341599101202", "village", Some(TOWN), "双河村(虚构)");
    log.say(
        "2025-03-01",
        json!({"kind": "organization.registered.v1", "stream": stream("organization", 5), "org": TOWN, "fields": {
        "code": "341599101203", "level": "village", "parent": TOWN, "name": "新村(虚构)", "since": "2025-03-01"}}),
    );
    log.say(
        "2025-06-01",
        json!({"kind": "organization.renamed.v1", "stream": stream("organization", 4), "org": "341599101202",
        "fields": {"effective_on": "2025-06-01", "name": "双河社区(虚构)"}}),
    );
    log.say(
        "2026-02-02",
        json!({"kind": "organization.merged.v1", "stream": stream("organization", 3), "org": VILLAGE,
        "fields": {"into": "341599101202", "effective_on": "2026-02-02"}}),
    );
    let (views, _engine) = views(&log, dir.path()).await;
    let mut reader = views.read(day(TODAY), None).await.unwrap();
    let mut names = async |on: Option<&str>| {
        let page = reader.children(Some(TOWN), on.map(day), &Filter::default()).await.unwrap();
        assert_eq!(page.total, page.items.len() as u64);
        let town = &reader.children(Some(COUNTY), on.map(day), &Filter::default()).await.unwrap().items[0];
        // Below the county the town, and below the town what the page shows.
        assert_eq!(town.below, page.total);
        page.items.into_iter().map(|item| item.name).collect::<Vec<_>>()
    };
    assert_eq!(names(Some("2025-01-01")).await, ["五里桥村(虚构)", "双河村(虚构)"]);
    assert_eq!(names(Some("2026-02-01")).await, ["五里桥村(虚构)", "双河社区(虚构)", "新村(虚构)"]);
    assert_eq!(names(Some("2026-02-02")).await, ["双河社区(虚构)", "新村(虚构)"]);
    assert_eq!(names(None).await, ["五里桥村(虚构)", "双河社区(虚构)", "新村(虚构)"], "all, with the ended one");
    assert_eq!(reader.years_of_change(30).await.unwrap(), [2026, 2025]);
    assert_eq!(reader.children(None, Some(day("2025-01-01")), &Filter::default()).await.unwrap().items[0].code, COUNTY);
}

fn sheet(number: u64, period: &str) -> serde_json::Value {
    json!({"kind": "disclosure.published.v1", "stream": stream("disclosure", number), "org": VILLAGE, "fields": {
        "class": "finance", "content": "finance", "period": period, "book": "committee", "opening": 100_000, "income": 0,
        "expense": 66_060, "closing": 33_940, "title": "收支公开表(虚构)", "lines": [
            {"date": format!("{period}-03"), "voucher": "记-12", "summary": "公厕电费", "expense": 33_030},
            {"date": format!("{period}-03"), "voucher": "记-12", "summary": "公厕电费", "expense": 33_030}]}})
}

#[tokio::test]
async fn equal_finance_lines_are_two_payments_and_a_correction_keeps_the_old_line() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    let id = stream("disclosure", 1);
    let about = |verb: &str, fields| json!({"kind": format!("disclosure.{verb}.v1"), "stream": id, "org": VILLAGE, "fields": fields});
    log.say("2026-03-05", sheet(1, "2026-02"));
    log.say(
        "2026-03-06",
        about(
            "questioned",
            json!({"line": 1, "topic": "amount", "asked_on": "2026-03-06", "text_masked": "为什么有两笔?"}),
        ),
    );
    let (views, mut engine) = views(&log, dir.path()).await;
    let mut reader = views.read(day("2026-03-14"), None).await.unwrap();
    let shown = reader.disclosure(&id).await.unwrap().unwrap();
    assert_eq!(shown.lines.lines.len(), 2);
    assert_eq!(shown.lines.lines[0].row, shown.lines.lines[1].row);
    assert_eq!(shown.checks[2].holds, Some(true));
    assert_eq!(shown.questions[0].status, Status::AnswerOverdue);
    drop(reader);
    log.say("2026-03-15", about("answered", json!({"question": 1, "answered_on": "2026-03-15", "text": "已查明"})));
    log.say("2026-03-16", about("corrected", json!({"content": "finance", "corrects": [1], "opening": 100_000, "income": 0,
        "expense": 67_336, "closing": 32_664, "reason": "补写", "lines": [{"date": "2026-02-03", "voucher": "记-19", "summary": "公厕电费(村北)", "expense": 34_306}]})));
    engine.catch_up().await.unwrap();
    let mut reader = views.read(day("2026-03-16"), None).await.unwrap();
    let shown = reader.disclosure(&id).await.unwrap().unwrap();
    assert_eq!(shown.matter.status, Status::Corrected);
    assert_eq!(shown.totals[1..], [Some(0), Some(67_336), Some(32_664)]);
    assert_eq!(shown.lines.lines[1].row.as_ref().unwrap()["expense"], 34_306);
    assert!(!shown.lines.lines[0].corrected && shown.lines.lines[1].corrected);
    assert_eq!(shown.checks[2].holds, Some(true));
    let amount = shown.corrections.iter().find(|correction| correction.field == "支出").unwrap();
    assert_eq!((amount.old.as_deref(), amount.new.as_deref()), (Some("330.30元"), Some("343.06元")));
    assert_eq!(
        (shown.questions[0].status, &shown.questions[0].answer),
        (Status::Answered, &Some(Shown::Given("已查明".into())))
    );
    let old = reader.lines_of_entry(shown.matter.first_index).await.unwrap();
    assert_eq!(old[1].row.as_ref().unwrap()["expense"], 33_030);
}

#[tokio::test]
async fn a_line_has_the_files_that_it_names_now_and_a_correction_tells_one_from_another() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    let [dark, sharp] = ["dark", "sharp"].map(|photo| gongkai_log::Digest::of(photo.as_bytes()));
    let file = |hash: gongkai_log::Digest| json!([{"hash": hash, "size": 4, "media_type": "image/jpeg"}]);
    let mut first = sheet(1, "2026-02");
    first["fields"]["lines"][0]["files"] = file(dark);
    let mut line = first["fields"]["lines"][0].clone();
    log.say("2026-03-05", first);
    line["files"] = file(sharp);
    log.say(
        "2026-03-06",
        json!({"kind": "disclosure.corrected.v1", "stream": stream("disclosure", 1), "org": VILLAGE, "fields": {
        "content": "finance", "corrects": [0], "reason": "照片看不清", "lines": [line]}}),
    );
    let (views, _engine) = views(&log, dir.path()).await;
    let mut reader = views.read(day("2026-03-14"), None).await.unwrap();
    let shown = reader.disclosure(&stream("disclosure", 1)).await.unwrap().unwrap();
    let files = shown.lines.lines[0].attachments();
    let [file] = files.as_slice() else { panic!("{files:?}") };
    assert_eq!((file.label.as_str(), &file.hash, file.size), ("凭证文件", &sharp.to_hex(), 4));
    assert!(shown.lines.lines[1].attachments().is_empty());
    let [correction] = shown.corrections.as_slice() else { panic!("{:?}", shown.corrections) };
    let told = |hash: gongkai_log::Digest| Some(format!("1 个文件（{}）", &hash.to_hex()[..8]));
    assert_eq!((&correction.old, &correction.new), (&told(dark), &told(sharp)));
}

#[tokio::test]
async fn a_month_is_missing_only_after_its_due_day_and_a_late_one_is_back_filled() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    log.say("2026-02-05", sheet(1, "2026-01"));
    log.say_late("2025-03-01", "2025-03-20", sheet(2, "2025-02"));
    let (views, _engine) = views(&log, dir.path()).await;
    let month = async |on: &str, period: &str| {
        let mut reader = views.read(day(on), None).await.unwrap();
        let grid = reader.months(Some(VILLAGE)).await.unwrap().remove(VILLAGE).unwrap();
        grid.into_iter().find(|month| month.period == period).map(|month| (month.status, month.days_late))
    };
    assert_eq!(month("2026-03-10", "2026-02").await, Some((Status::NotYetDue, None)));
    assert_eq!(month("2026-03-12", "2026-02").await, Some((Status::Missing, Some(2))));
    assert_eq!(month("2026-03-12", "2026-01").await, Some((Status::Disclosed, None)));
    assert_eq!(month("2026-02-12", "2025-02").await, Some((Status::BackFilled, Some(10))));
    let mut reader = views.read(day("2026-03-12"), None).await.unwrap();
    assert_eq!(reader.back_filled(&Filter::default()).await.unwrap().total, 1);
    assert_eq!(reader.month_owed(Some(COUNTY), "2026-02").await.unwrap(), (1, 1));
}

fn announced(number: u64) -> serde_json::Value {
    json!({"kind": "nomination.announced.v1", "stream": stream("nomination", number), "org": COUNTY, "fields": {
        "starts_on": "2026-03-02", "days": 5, "title": "拟任干部公示(虚构)", "lines": [
            {"name": "叶青田(虚构)", "intended_post": "副镇长"}, {"name": "马万里(虚构)", "intended_post": "副局长"}]}})
}

#[tokio::test]
async fn a_nomination_stays_without_outcome_until_the_last_person_has_one() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    let about = |verb: &str, fields| json!({"kind": format!("nomination.{verb}.v1"), "stream": stream("nomination", 1), "org": COUNTY, "fields": fields});
    log.say("2026-03-01", announced(1));
    log.say(
        "2026-03-12",
        about("concluded", json!({"concluded_on": "2026-03-12", "outcomes": [{"person": 0, "outcome": "appoint"}]})),
    );
    let (views, mut engine) = views(&log, dir.path()).await;
    let mut reader = views.read(day(TODAY), None).await.unwrap();
    let shown = reader.nomination(&stream("nomination", 1)).await.unwrap().unwrap();
    assert_eq!((shown.matter.status, shown.days_without_outcome), (Status::NoOutcome, Some(14)));
    let people: Vec<_> = shown.people.iter().map(|person| person.status).collect();
    assert_eq!(people, [Status::ToBeAppointed, Status::NoOutcome]);
    drop(reader);
    log.say(
        "2026-03-19",
        about("concluded", json!({"concluded_on": "2026-03-19", "outcomes": [{"person": 1, "outcome": "defer"}]})),
    );
    engine.catch_up().await.unwrap();
    let mut reader = views.read(day(TODAY), None).await.unwrap();
    assert_eq!(reader.nomination(&stream("nomination", 1)).await.unwrap().unwrap().matter.status, Status::Concluded);
}

#[tokio::test]
async fn two_characters_traditional_ones_and_pinyin_find_the_same_pledge() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    log.pledge(1, "2026-03-10", "完成老街电网改造");
    let (views, _engine) = views(&log, dir.path()).await;
    let wanted = [stream("pledge", 1)];
    for query in ["电网", "電網", "方禾生", "fanghesheng", "fhs", "wuliqiao 电网"] {
        assert_eq!(found(&views, query).await, wanted, "{query}");
    }
    let mut reader = views.read(day(TODAY), None).await.unwrap();
    let overdue =
        SearchFilter { text: "电网".into(), statuses: vec![Status::OverdueUnreported], ..SearchFilter::default() };
    assert_eq!(reader.search(&overdue).await.unwrap().total, 1);
    let running = SearchFilter { statuses: vec![Status::NotReported], ..overdue };
    assert_eq!(reader.search(&running).await.unwrap().total, 0);
}

/// What a pledge's row should say, folded without any table.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    state: &'static str,
    due: Option<String>,
    revisions: u64,
}

#[tokio::test]
async fn every_pledge_row_is_the_fold_of_its_events() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    let mut models: BTreeMap<u64, Model> = BTreeMap::new();
    let mut random = 7_u64;
    let mut draw = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    for step in 0..400 {
        let number = draw(60);
        let Some(model) = models.get_mut(&number) else {
            log.pledge(number, "2026-06-30", "修路");
            models.insert(number, Model { state: "made", due: Some("2026-06-30".into()), revisions: 1 });
            continue;
        };
        if matches!(model.state, "withdrawn" | "superseded" | "carried_over") {
            continue;
        }
        let due = format!("2026-{:02}-15", 7 + draw(6));
        let (verb, state, fields) = match draw(9) {
            0 => ("withdrawn", "withdrawn", json!({"reason": "重复"})),
            1 => ("superseded", "superseded", json!({"reason": "调任"})),
            2 => ("fulfilled", "fulfilled", json!({"report": "完成"})),
            3 => ("not_fulfilled", "not_fulfilled", json!({"report": "没有完成"})),
            4 => ("progressed", "no_progress", json!({"percent": 0, "report": "未动"})),
            5 | 6 => ("progressed", "in_progress", json!({"percent": 40, "report": "过半"})),
            _ => ("amended", model.state, json!({"due": due, "reason": "顺延"})),
        };
        log.say("2026-02-01", report(number, verb, fields));
        let new_due = (verb == "amended").then_some(due).or(model.due.take());
        *model = Model { state, due: new_due, revisions: model.revisions + 1 };
        if step % 37 == 0 {
            // Batches of every size must come to the same.
            drop(views(&log, dir.path()).await);
        }
    }
    let (views, mut engine) = views(&log, dir.path()).await;
    let mut reader = views.read(day("2026-02-01"), None).await.unwrap();
    for (number, model) in &models {
        let matter = reader.matter(&stream("pledge", *number)).await.unwrap().unwrap();
        let expected = match model.state {
            "made" => Status::NotReported,
            other => Status::from_wire(other).unwrap(),
        };
        assert_eq!((matter.status, matter.revisions), (expected, model.revisions), "{number}");
        assert_eq!(matter.ends_on.map(|due| due.to_string()), model.due, "{number}");
    }
    drop(reader);
    assert_eq!(engine.check().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_public_event_cannot_hold_what_is_not_public() {
    let log = Log::new();
    log.pledge(1, "2026-12-31", "修路");
    let entry = log.entries(3, 1).await.unwrap().pop().unwrap();
    let mut openings: Openings = entry.openings.unwrap();
    for tier in [Tier::Members, Tier::Unit, Tier::Named] {
        openings.open.push(Opening {
            slot: 0,
            salt: [1; 32],
            tier,
            name: "contact".into(),
            value: "某处(虚构)".into(),
        });
    }
    let event = PublicEvent::from_parts(3, entry.bytes, Some(openings), None).unwrap().unwrap();
    assert!(event.fields().iter().all(|field| field.name != "contact"));
    assert_eq!(event.text("title"), Some("修路"));
}

#[tokio::test]
async fn every_statement_can_be_prepared_on_the_embedded_database() {
    let mut connection = SqliteConnectOptions::new().in_memory(true).connect().await.unwrap();
    sqlx::raw_sql(SCHEMA_SQLITE).execute(&mut connection).await.unwrap();
    sqlx::raw_sql(PAGE_INDEXES_SQLITE).execute(&mut connection).await.unwrap();
    let all = statements();
    assert!(all.len() > 60);
    for (name, sql) in all {
        let prepared = connection.prepare(sqlx::SqlSafeStr::into_sql_str(AssertSqlSafe(sql))).await;
        assert!(prepared.is_ok(), "{name}: {:?}", prepared.err());
    }
}

/// Tables of a migration: name, then column and type.
fn columns(schema: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let mut tables = BTreeMap::new();
    for part in schema.split("CREATE TABLE ").skip(1) {
        let (name, rest) = part.split_once(" (\n").unwrap();
        let lines = rest.lines().take_while(|line| !line.starts_with(')'));
        let columns = lines.filter(|line| !line.trim_start().starts_with("PRIMARY KEY (")).map(|line| {
            assert!(line.contains("-- "), "{name}: a column without a comment: {line}");
            let mut words = line.split_whitespace();
            let (column, kind) = (words.next().unwrap(), words.next().unwrap());
            (column.to_owned(), kind.trim_end_matches(',').replace("INTEGER", "BIGINT"))
        });
        tables.insert(name.to_owned(), columns.collect());
    }
    tables
}

#[test]
fn both_migrations_have_the_columns_that_the_projections_write_each_with_a_comment() {
    let (sqlite, postgres) = (columns(SCHEMA_SQLITE), columns(SCHEMA_POSTGRES));
    assert_eq!(sqlite, postgres);
    for table in TABLES {
        let named = table
            .columns
            .iter()
            .map(|(name, kind)| ((*name).to_owned(), if *kind == Type::Text { "TEXT" } else { "BIGINT" }.to_owned()));
        let named: Vec<_> = named.collect();
        let (mut wanted, mut written) = (sqlite[table.name].clone(), named);
        wanted.sort();
        written.sort();
        assert_eq!(wanted, written, "{}", table.name);
        assert!(table.columns.iter().any(|(name, _)| *name == "stream"), "{}: cannot be folded again", table.name);
    }
    assert_eq!(sqlite.len(), TABLES.len() + 2, "cursors is the follower's own, matter_counts the database's");
}

#[test]
fn both_databases_have_the_same_page_indexes_over_the_same_columns() {
    let made = |text: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix("CREATE INDEX ")?.split(" WHERE ").next());
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(made(PAGE_INDEXES_SQLITE), made(PAGE_INDEXES_POSTGRES));
    assert!(!made(SCHEMA_SQLITE).iter().any(|index| index.contains(" ON matters ")), "what pages ask is made last");
}

#[test]
fn no_engine_is_shared_between_threads_by_accident() {
    fn movable<T: Send + 'static>() {}
    movable::<Engine>();
    movable::<Views>();
}
