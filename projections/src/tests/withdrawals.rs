//! What is taken back or was to be opened: it is in no row and no file, or it is listed until it is done.

use super::*;
use crate::generation::{Pace, Step};

#[tokio::test]
async fn a_withdrawn_value_is_in_no_row_and_no_file_and_its_trace_stays() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    let made = log.pledge(1, "2026-12-31", "替槐荫巷修缮旧屋");
    let notice = log.say("2026-03-01", announced(1));
    let (views, mut engine) = views(&log, dir.path()).await;
    assert!(!files_with(dir.path(), "槐荫巷".as_bytes()).is_empty());
    log.withdraw_slot(1, made, "title");
    log.withdraw_line(2, notice, 1);
    engine.catch_up().await.unwrap();
    assert!(found(&views, "槐荫").await.is_empty() && found(&views, "马万里").await.is_empty());
    let mut reader = views.read(day(TODAY), None).await.unwrap();
    let pledge = reader.pledge(&stream("pledge", 1)).await.unwrap().unwrap();
    assert_eq!(pledge.matter.title, None);
    let Some(Shown::Withdrawn(trace)) = pledge.title else { panic!("no trace") };
    assert_eq!((trace.index, trace.reason.as_str()), (5, "当事人要求隐去(虚构)"));
    let nomination = reader.nomination(&stream("nomination", 1)).await.unwrap().unwrap();
    assert_eq!(nomination.matter.names, ["叶青田(虚构)"]);
    assert!(nomination.people[1].row.is_none() && nomination.people[1].withdrawn.is_some());
    assert_eq!(reader.compliance(None, 5).await.unwrap().withdrawn.total, 2);
    drop(reader);
    assert_eq!(engine.check().await.unwrap(), Vec::<String>::new(), "live and rebuilt rows differ");
    drop((views, engine));
    for gone in ["槐荫巷", "马万里"] {
        assert_eq!(files_with(dir.path(), gone.as_bytes()), Vec::<std::path::PathBuf>::new(), "{gone}");
    }
}

#[tokio::test]
async fn a_reader_in_the_way_only_puts_off_that_a_withdrawn_value_leaves_every_file() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    let made = log.pledge(1, "2026-12-31", "替槐荫巷修缮旧屋");
    let (views, mut engine) = views(&log, dir.path()).await;
    let mut reader = views.read(day(TODAY), None).await.unwrap();
    assert!(reader.pledge(&stream("pledge", 1)).await.unwrap().is_some());
    log.withdraw_slot(1, made, "title");
    let mut idle = async || loop {
        let step = engine.turn(Pace::Hurry).await.unwrap();
        if step != Step::Moved {
            return step;
        }
    };
    assert!(matches!(idle().await, Step::Later(_)), "nothing new comes, and yet it is not done");
    drop(reader);
    assert_eq!(idle().await, Step::Done);
    assert_eq!(files_with(dir.path(), "槐荫巷".as_bytes()), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn withdrawals_are_told_entry_by_entry_to_those_who_copy_the_log() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    let made = log.pledge(1, "2026-12-31", "替槐荫巷修缮旧屋");
    let notice = log.say("2026-03-01", announced(1));
    let withdrawn = [
        log.withdraw_slot(1, made, "title"),
        log.withdraw_line(2, notice, 1),
        log.withdraw_line(3, notice, 0),
        log.withdraw_slot(4, notice, "title"),
    ];
    let (views, _engine) = views(&log, dir.path()).await;
    let mut reader = views.read(day(TODAY), None).await.unwrap();
    let all = reader.withdrawn_from(0, 10).await.unwrap();
    assert_eq!(
        all.iter().map(|row| (row.index, row.target)).collect::<Vec<_>>(),
        [(withdrawn[0], made), (withdrawn[1], notice), (withdrawn[2], notice), (withdrawn[3], notice)]
    );
    let taken: Vec<_> = all.iter().map(|row| (row.slots.len(), row.lines.clone())).collect();
    assert_eq!(taken, [(1, vec![]), (0, vec![1]), (0, vec![0]), (1, vec![])]);
    assert!(all[0].lines_root.is_none(), "a pledge has no list");
    assert!(all[1].lines_root.is_some() && all[1].lines_root == all[2].lines_root);
    assert_eq!(reader.withdrawn_from(withdrawn[1], 2).await.unwrap(), all[1..3]);
    assert_eq!(reader.withdrawn_from(withdrawn[3] + 1, 2).await.unwrap(), []);
}

/// A pledge whose contact is sealed until a day.
fn promising(log: &Log, number: u64, on: &str) -> u64 {
    log.say(
        "2026-01-05",
        json!({"kind": "pledge.made.v1", "stream": stream("pledge", number), "org": VILLAGE, "fields": {
            "year": 2026, "pledger_kind": "official", "category": "practical", "due": "2026-12-31",
            "pledger": "方禾生(虚构)", "title": "修好机耕路", "target": "三里", "contact": "值班室(虚构)",
            "scheduled_openings": [{"field": "contact", "on": on}]}}),
    )
}

#[tokio::test]
async fn a_promise_to_open_something_is_listed_from_the_day_after_its_day_until_it_is_kept() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    let (first, second, erased) =
        (promising(&log, 1, "2026-03-10"), promising(&log, 2, "2026-03-12"), promising(&log, 3, "2026-03-11"));
    let (views, mut engine) = views(&log, dir.path()).await;
    let unopened = async |on: &str| {
        let mut reader = views.read(day(on), None).await.unwrap();
        let page = reader.unopened(&Filter { org: Some(COUNTY.into()), ..Filter::default() }).await.unwrap();
        assert_eq!(page.total, page.items.len() as u64);
        assert_eq!(reader.compliance(Some(TOWN), 5).await.unwrap().unopened.total, page.total);
        page.items.into_iter().map(|opening| (opening.index, opening.sentence)).collect::<Vec<_>>()
    };
    assert!(unopened("2026-03-10").await.is_empty());
    let says = "承诺人联系方式应于2026年3月10日启封，已逾期1天，仍未启封";
    assert_eq!(unopened("2026-03-11").await, [(first, says.to_owned())]);
    assert_eq!(
        unopened("2026-03-20").await.iter().map(|(index, _)| *index).collect::<Vec<_>>(),
        [first, erased, second]
    );
    let slot = views.read(day(TODAY), None).await.unwrap().scheduled(first).await.unwrap()[0].slot;
    let zero = gongkai_log::Digest::ZERO;
    let opening = log.say(
        "2026-03-15",
        json!({"kind": "slot.opened.v1", "stream": stream("slot", 1), "org": VILLAGE,
        "fields": {"entry": first, "slot_number": slot, "reason": "按期启封(虚构)", "opened": {"salt": zero,
            "name": "contact", "tier": "named", "value": "值班室(虚构)", "path": [zero, zero, zero, zero]}}}),
    );
    log.say(
        "2026-03-16",
        json!({"kind": "erasure.ordered.v1", "stream": stream("erasure", 1), "org": VILLAGE,
        "fields": {"entry": erased, "basis": "retention", "reason": "期满(虚构)", "appeal": "无(虚构)"}}),
    );
    engine.catch_up().await.unwrap();
    assert_eq!(unopened("2026-03-20").await.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [second]);
    let mut reader = views.read(day(TODAY), None).await.unwrap();
    let history = reader.history(&stream("pledge", 1)).await.unwrap();
    let shown = history[0].shown("scheduled_openings").unwrap();
    assert_eq!(shown.given(), Some("承诺人联系方式已启封（原定2026年3月10日）"));
    assert_eq!(reader.scheduled(first).await.unwrap()[0].opened_index, Some(opening));
    drop(reader);
    // The opening is withdrawn: it was made all the same.
    log.withdraw_slot(2, opening, "opened");
    engine.catch_up().await.unwrap();
    assert_eq!(unopened("2026-03-20").await.len(), 1);
    assert_eq!(engine.check().await.unwrap(), Vec::<String>::new(), "live and rebuilt rows differ");
}
