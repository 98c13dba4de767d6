//! Lawful takedown: the value is gone from every file, and everything still verifies.

use std::time::Duration;

use gongkai_domain::Refusal;
use gongkai_log::{Digest, Row};
use serde_json::{Value, json};

use super::helpers::{holding, operator, verifies};
use crate::testing::{COUNTY, Fixture, pledge, refusal};

const CANARY: &str = "金丝雀七七四十九";

async fn with_publishers() -> Fixture {
    let mut fixture = Fixture::new().await;
    fixture.publisher("丙", COUNTY).await;
    fixture.publisher("丁", COUNTY).await;
    fixture
}

fn withdrawal(entry: u64, slots: &[u64], lines: &[u64]) -> Value {
    json!({"kind": "slot.withdrawn.v1", "org": COUNTY, "fields": {
        "entry": entry, "slot_numbers": slots, "line_numbers": lines, "basis": "personal_data",
        "reason": "当事人要求隐去(虚构)", "appeal": "可在 15 日内申诉(虚构)"}})
}

const TWO: [(&str, &str); 2] = [("publisher", "丙"), ("publisher", "丁")];

async fn slot_of(fixture: &Fixture, entry: u64, name: &str) -> u64 {
    let openings = fixture.ledger.entry(entry).await.unwrap().unwrap().openings.unwrap();
    openings.open.iter().find(|opening| opening.name == name).unwrap().slot.into()
}

#[tokio::test]
async fn a_withdrawn_slot_is_in_no_file_and_everything_still_verifies() {
    let mut fixture = with_publishers().await;
    let mut command = pledge(COUNTY, 1);
    command["fields"]["pledger"] = CANARY.into();
    let entry = fixture.submit(&command, &[("publisher", "丙")]).await.unwrap().index;
    fixture.published().await;
    let root = fixture.layout().root().to_owned();
    assert!(holding(&root, CANARY.as_bytes()).len() >= 2, "before: database or WAL, and openings file");
    let slot = slot_of(&fixture, entry, "pledger").await;
    let before = fixture.ledger.entry(entry).await.unwrap().unwrap();
    fixture.submit(&withdrawal(entry, &[slot], &[]), &TWO).await.unwrap();
    let report = verifies(&fixture).await;
    assert_eq!(holding(&root, CANARY.as_bytes()), Vec::<std::path::PathBuf>::new());
    assert_eq!(report.size, entry + 2);
    let after = fixture.ledger.entry(entry).await.unwrap().unwrap();
    assert_eq!(after.bytes, before.bytes, "the log has not changed");
    let (after, before) = (after.openings.unwrap(), before.openings.unwrap());
    assert_eq!(after.commitments, before.commitments);
    assert_eq!(after.open.len(), before.open.len() - 1);
    let again = fixture.submit(&withdrawal(entry, &[slot], &[]), &TWO).await;
    assert!(matches!(refusal(again), Refusal::Field { .. }), "nothing is open there any more");
    fixture.reopen().await.unwrap();
    assert_eq!(holding(&root, CANARY.as_bytes()), Vec::<std::path::PathBuf>::new());
    verifies(&fixture).await;
}

#[tokio::test]
async fn a_withdrawn_line_leaves_its_commitment_and_the_others() {
    let mut fixture = with_publishers().await;
    let sheet = json!({"kind": "disclosure.published.v1", "org": COUNTY, "fields": {
        "class": "finance", "content": "finance", "period": "2026-02", "published_by": "self",
        "income": 0, "expense": 67_336, "title": "2026 年 2 月收支公开表(虚构)", "item": "月度收支", "lines": [
            {"date": "2026-02-03", "voucher": "记-12", "summary": CANARY, "account": "管理费用", "expense": 33_030},
            {"date": "2026-02-21", "voucher": "记-19", "summary": "公厕电费", "account": "管理费用", "expense": 34_306}]}});
    let entry = fixture.submit(&sheet, &[("publisher", "丙")]).await.unwrap().index;
    fixture.published().await;
    let root = fixture.layout().root().to_owned();
    assert!(!holding(&fixture.layout().log(), CANARY.as_bytes()).is_empty());
    fixture.submit(&withdrawal(entry, &[], &[0]), &TWO).await.unwrap();
    assert_eq!(verifies(&fixture).await.lists, 1);
    assert_eq!(holding(&root, CANARY.as_bytes()), Vec::<std::path::PathBuf>::new());
    let rows = fixture.ledger.entry(entry).await.unwrap().unwrap().list.unwrap().rows;
    assert!(matches!(rows[0], Row::Withdrawn { line: 0, .. }));
    assert!(matches!(rows[1], Row::Open { line: 1, .. }));
}

#[tokio::test]
async fn the_files_of_a_withdrawn_line_are_gone_unless_another_line_shows_them() {
    let mut fixture = with_publishers().await;
    let (own, shared) = (format!("own {CANARY}").into_bytes(), format!("shared {CANARY}").into_bytes());
    for file in [&own, &shared] {
        fixture.ledger.put_attachment(file.clone()).await.unwrap();
    }
    let named = |files: &[&Vec<u8>]| -> Value {
        files
            .iter()
            .map(|file| json!({"hash": Digest::of(file), "size": file.len(), "media_type": "image/jpeg"}))
            .collect()
    };
    let line = |files: Value| json!({"date": "2026-02-03", "voucher": "记-12", "summary": "电费", "account": "管理费用", "expense": 1, "files": files});
    let sheet = |period: &str, lines: Value| {
        json!({"kind": "disclosure.published.v1", "org": COUNTY, "fields": {
        "class": "finance", "content": "finance", "period": period, "published_by": "self", "income": 0,
        "expense": lines.as_array().unwrap().len(), "title": "2026 年 2 月收支公开表(虚构)", "item": "月度收支", "lines": lines}})
    };
    let lines = json!([line(named(&[&own, &shared])), line(named(&[&shared])), line(json!([]))]);
    let entry = fixture.submit(&sheet("2026-02", lines), &[("publisher", "丙")]).await.unwrap().index;
    fixture.published().await;
    let [own_at, shared_at] = [&own, &shared].map(|file| fixture.layout().published_attachment(&Digest::of(file)));
    assert!(own_at.exists() && shared_at.exists());

    fixture.submit(&withdrawal(entry, &[], &[0]), &TWO).await.unwrap();
    verifies(&fixture).await;
    let root = fixture.layout().root().to_owned();
    assert_eq!(holding(&root, &own), Vec::<std::path::PathBuf>::new(), "also where it was handed in");
    assert_eq!(std::fs::read(&shared_at).unwrap(), shared, "another line still shows it");
    fixture.reopen().await.unwrap();
    assert!(!own_at.exists() && shared_at.exists(), "a restart brings nothing back");

    fixture.submit(&withdrawal(entry, &[], &[1]), &TWO).await.unwrap();
    verifies(&fixture).await;
    assert_eq!(holding(&root, CANARY.as_bytes()), Vec::<std::path::PathBuf>::new());
    fixture.reopen().await.unwrap();
    verifies(&fixture).await;
    assert!(!own_at.exists() && !shared_at.exists());
}

#[tokio::test]
async fn every_withdrawal_is_listed_with_the_statement_that_its_files_are_checked_with() {
    let mut fixture = with_publishers().await;
    let first = fixture.submit(&pledge(COUNTY, 1), &[("publisher", "丙")]).await.unwrap().index;
    let second = fixture.submit(&pledge(COUNTY, 2), &[("publisher", "丙")]).await.unwrap().index;
    assert_eq!(fixture.ledger.reader().withdrawals().await.unwrap(), []);
    let mut expected = Vec::new();
    for (entry, name) in [(second, "title"), (first, "pledger"), (second, "pledger")] {
        let slot = slot_of(&fixture, entry, name).await;
        let index = fixture.submit(&withdrawal(entry, &[slot], &[]), &TWO).await.unwrap().index;
        expected.push((index, entry, vec![slot], Vec::new()));
    }
    let found = fixture.ledger.reader().withdrawals().await.unwrap();
    let short = |found: &crate::Withdrawal| (found.index, found.target, found.slots.clone(), found.lines.clone());
    assert_eq!(found.iter().map(short).collect::<Vec<_>>(), expected);
    for found in found {
        let openings = fixture.ledger.entry(found.target).await.unwrap().unwrap().openings.unwrap();
        assert_eq!(openings.check(&found.statement), Ok(()));
        assert!(openings.open.iter().all(|open| !found.slots.contains(&open.slot.into())));
    }
}

#[tokio::test]
async fn what_is_withdrawn_in_the_batch_that_published_it_is_never_written() {
    let mut fixture = with_publishers().await;
    let first = fixture.ledger.health().committed;
    let mut command = pledge(COUNTY, 1);
    command["fields"]["pledger"] = CANARY.into();
    let made = fixture.opening(&command, &[("publisher", "丙")]);
    let slot = made.openings.iter().find_map(|filled| match filled {
        gongkai_domain::submission::Filled::Open(opening) if opening.name == "pledger" => Some(u64::from(opening.slot)),
        _ => None,
    });
    let title = made.openings.iter().find_map(|filled| match filled {
        gongkai_domain::submission::Filled::Open(opening) if opening.name == "title" => Some(u64::from(opening.slot)),
        _ => None,
    });
    let one = fixture.opening(&withdrawal(first + 1, &[slot.unwrap()], &[]), &TWO);
    let two = fixture.opening(&withdrawal(first + 1, &[title.unwrap()], &[]), &TWO);
    let twice = fixture.opening(&withdrawal(first + 1, &[slot.unwrap()], &[]), &TWO);
    let before = fixture.opening(&pledge(COUNTY, 2), &[("publisher", "丙")]);
    // While the database is locked the first one waits, and the others gather behind it in one batch.
    let mut other = operator(&fixture.layout()).await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let ledger = fixture.ledger.clone();
    let many = tokio::spawn(async move {
        let many = [before, made, one, two, twice].map(|submission| (None, submission)).to_vec();
        ledger.submit_many(many).await
    });
    // A sequencer that was slow to wake takes more than the first at once; what holds then is the same.
    let gathered = async {
        while fixture.ledger.waiting() < 4 {
            tokio::task::yield_now().await;
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(2), gathered).await;
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    let answers = many.await.unwrap();
    assert!(answers[..4].iter().all(Result::is_ok), "{answers:?}");
    assert!(matches!(refusal(answers[4].clone()), Refusal::Field { .. }));
    fixture.published().await;
    assert_eq!(holding(fixture.layout().root(), CANARY.as_bytes()), Vec::<std::path::PathBuf>::new());
    let open = fixture.ledger.entry(first + 1).await.unwrap().unwrap().openings.unwrap().open;
    assert!(open.iter().all(|opening| opening.name != "pledger" && opening.name != "title"));
    verifies(&fixture).await;
}

#[tokio::test]
async fn two_withdrawals_of_one_old_entry_in_a_batch_both_count() {
    let mut fixture = with_publishers().await;
    let entry = fixture.submit(&pledge(COUNTY, 1), &[("publisher", "丙")]).await.unwrap().index;
    let mut both = Vec::new();
    for name in ["pledger", "post"] {
        let slot = slot_of(&fixture, entry, name).await;
        both.push((None, fixture.opening(&withdrawal(entry, &[slot], &[]), &TWO)));
    }
    let answers = fixture.ledger.submit_many(both).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let open = fixture.ledger.entry(entry).await.unwrap().unwrap().openings.unwrap().open;
    assert!(open.iter().all(|opening| opening.name != "pledger" && opening.name != "post"));
    verifies(&fixture).await;
}

#[tokio::test]
async fn a_withdrawal_of_what_is_not_there_is_refused() {
    let mut fixture = with_publishers().await;
    let entry = fixture.submit(&pledge(COUNTY, 1), &[("publisher", "丙")]).await.unwrap().index;
    for command in [withdrawal(99, &[0], &[]), withdrawal(entry, &[16], &[]), withdrawal(entry, &[], &[0])] {
        let answer = fixture.submit(&command, &TWO).await;
        assert!(matches!(refusal(answer), Refusal::Field { .. }), "{command}");
    }
}

#[tokio::test]
async fn openings_of_an_old_bundle_are_published_again_after_a_crash_between_commit_and_files() {
    let mut fixture = with_publishers().await;
    let mut command = pledge(COUNTY, 1);
    command["fields"]["pledger"] = CANARY.into();
    let entry = fixture.submit(&command, &[("publisher", "丙")]).await.unwrap().index;
    let slot = slot_of(&fixture, entry, "pledger").await;
    let many = fixture.pledges(300, "丙", COUNTY).into_iter().map(|s| (None, s)).collect();
    fixture.ledger.submit_many(many).await;
    fixture.published().await;
    let old = std::fs::read(fixture.layout().openings(0)).unwrap();
    fixture.submit(&withdrawal(entry, &[slot], &[]), &TWO).await.unwrap();
    fixture.reopen().await.unwrap();
    // As if the machine had stopped after the commit: the old file is still there.
    let new = std::fs::read(fixture.layout().openings(0)).unwrap();
    assert_ne!(old, new);
    fixture.ledger.shutdown().await;
    std::fs::write(fixture.layout().openings(0), &old).unwrap();
    fixture.open().await.unwrap();
    assert_eq!(std::fs::read(fixture.layout().openings(0)).unwrap(), new);
    assert!(fixture.ledger.recovery().repaired.contains(&"openings/000".to_owned()));
    assert_eq!(holding(fixture.layout().root(), CANARY.as_bytes()), Vec::<std::path::PathBuf>::new());
}
