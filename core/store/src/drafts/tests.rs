//! The working store: who sees what, what the disk tells, and what is left after a crash.

use std::{fs, path::Path};

use super::*;
use crate::testing::Fixture;

const TEXT: &str = r#"{"title":"硬化村北机耕路","text":"金丝雀四四一七"}"#;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn person(number: u128) -> StreamId {
    StreamId::new("person", id(number)).unwrap()
}

fn at(day: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_000_000, 0).unwrap() + TimeDelta::days(day)
}

fn new<'a>(number: u128, owner: &'a StreamId, text: &'a str) -> Writing<'a> {
    Writing { id: id(number), owner, others: &[], known: None, text }
}

async fn texts(drafts: &Drafts, whose: &StreamId, day: i64) -> Vec<String> {
    drafts.list(whose, at(day)).await.unwrap().iter().map(|draft| draft.text.to_string()).collect()
}

/// Every byte of the folder.
fn bytes(folder: &Path) -> Vec<u8> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.flat_map(|path| fs::read(path).unwrap()).collect()
}

fn holds(folder: &Path, wanted: &str) -> bool {
    bytes(folder).windows(wanted.len()).any(|some| some == wanted.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_exists_for_its_owner_and_those_whom_it_names_and_for_nobody_else() {
    let fixture = Fixture::with_vault().await;
    let drafts = fixture.ledger.drafts().unwrap();
    let (author, signer, stranger) = (person(1), person(2), person(3));
    let others = [signer.clone()];
    drafts.put(Writing { others: &others, ..new(1, &author, TEXT) }, at(0)).await.unwrap();
    for (who, own) in [(&author, true), (&signer, false)] {
        let draft = drafts.get(id(1), who, at(0)).await.unwrap().unwrap();
        assert_eq!((draft.text.as_str(), draft.is_own), (TEXT, own));
    }
    assert!(drafts.get(id(1), &stranger, at(0)).await.unwrap().is_none());
    assert!(texts(&drafts, &stranger, 0).await.is_empty());
    assert!(!drafts.remove(id(1), &stranger, at(0)).await.unwrap());
    assert!(drafts.change(id(1), &stranger, at(0), |_| Some("x".into())).await.unwrap().is_none());
    let taken = drafts.put(new(1, &stranger, "x"), at(0)).await;
    assert!(matches!(taken, Err(DraftFault::NotOwn)), "{taken:?}");
    assert_eq!(texts(&drafts, &author, 0).await, [TEXT]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_changes_an_older_state_is_told_and_nothing_is_lost() {
    let fixture = Fixture::with_vault().await;
    let (drafts, author) = (fixture.ledger.drafts().unwrap(), person(1));
    assert_eq!(drafts.put(new(1, &author, "一"), at(0)).await.unwrap(), 1);
    let known = Some(1);
    assert_eq!(drafts.put(Writing { known, ..new(1, &author, "二") }, at(0)).await.unwrap(), 2);
    for known in [None, Some(1), Some(7)] {
        let late = drafts.put(Writing { known, ..new(1, &author, "三") }, at(0)).await;
        assert!(matches!(late, Err(DraftFault::Changed { revision: 2 })), "{late:?}");
    }
    assert_eq!(texts(&drafts, &author, 0).await, ["二"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_add_at_once_both_stay() {
    let fixture = Fixture::with_vault().await;
    let (drafts, author, signer) = (fixture.ledger.drafts().unwrap(), person(1), person(2));
    let others = [signer.clone()];
    drafts.put(Writing { others: &others, ..new(1, &author, "") }, at(0)).await.unwrap();
    let add = |who: StreamId, what: &'static str| {
        let drafts = drafts.clone();
        tokio::spawn(async move { drafts.change(id(1), &who, at(0), |text| Some(format!("{text}{what}"))).await })
    };
    let (one, two) = (add(author.clone(), "甲"), add(signer.clone(), "乙"));
    one.await.unwrap().unwrap().unwrap();
    two.await.unwrap().unwrap().unwrap();
    let [text] = texts(&drafts, &signer, 0).await.try_into().unwrap();
    assert!(text.contains('甲') && text.contains('乙'), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_tells_neither_what_is_written_nor_by_whom() {
    let fixture = Fixture::with_vault().await;
    let (drafts, author) = (fixture.ledger.drafts().unwrap(), person(0xabcd_ef12));
    drafts.put(new(1, &author, TEXT), at(0)).await.unwrap();
    let vault = fixture.layout().vault();
    assert!(fixture.layout().drafts().is_file());
    assert!(!holds(&vault, "金丝雀四四一七") && !holds(&vault, &author.to_string()));
    let raw = author.id.as_bytes();
    assert!(!bytes(&vault).windows(raw.len()).any(|some| some == raw));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_removed_is_in_no_file() {
    let fixture = Fixture::with_vault().await;
    let (drafts, author) = (fixture.ledger.drafts().unwrap(), person(1));
    drafts.put(new(1, &author, TEXT), at(0)).await.unwrap();
    let row = drafts.opened(at(0)).await.unwrap().table().unwrap().one(*id(1).as_bytes(), 0).await.unwrap().unwrap();
    let vault = fixture.layout().vault();
    let lies = |bytes: &[u8]| super::tests::bytes(&vault).windows(bytes.len()).any(|some| some == bytes);
    assert!(lies(&row.sealed.bytes));
    assert!(drafts.remove(id(1), &author, at(0)).await.unwrap());
    assert!(!lies(&row.sealed.bytes) && !lies(&row.sealed.nonce));
    assert!(!drafts.remove(id(1), &author, at(0)).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_touched_for_its_time_is_gone_and_what_somebody_did_is_not() {
    let fixture = Fixture::with_vault().await;
    let (drafts, author) = (fixture.ledger.drafts().unwrap(), person(1));
    drafts.put(new(1, &author, "旧"), at(0)).await.unwrap();
    drafts.put(new(2, &author, "新"), at(1)).await.unwrap();
    assert_eq!(texts(&drafts, &author, KEPT_DAYS - 1).await.len(), 2);
    assert_eq!(texts(&drafts, &author, KEPT_DAYS).await, ["新"]);
    assert!(drafts.get(id(1), &author, at(0)).await.unwrap().is_none(), "it is removed, not hidden");
    // Somebody who left the page open goes on with it.
    let known = Some(1);
    assert_eq!(drafts.put(Writing { known, ..new(1, &author, "旧，接着写") }, at(KEPT_DAYS)).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_bounded_in_length_and_number() {
    let fixture = Fixture::with_vault().await;
    let (drafts, author) = (fixture.ledger.drafts().unwrap(), person(1));
    let long = "x".repeat(DRAFT_BYTES_MAX + 1);
    let refused = drafts.put(new(1, &author, &long), at(0)).await;
    assert!(matches!(refused, Err(DraftFault::TooLong { .. })));
    for number in 1..=u128::from(DRAFTS_OF_ONE_MAX) {
        drafts.put(new(number, &author, TEXT), at(0)).await.unwrap();
    }
    let refused = drafts.put(new(1_000, &author, TEXT), at(0)).await;
    assert!(matches!(refused, Err(DraftFault::TooMany)));
    // What is there may still be changed, and others have their own room.
    let known = Some(1);
    drafts.put(Writing { known, ..new(1, &author, "改") }, at(0)).await.unwrap();
    drafts.put(new(1_000, &person(2), TEXT), at(0)).await.unwrap();
    assert!(matches!(room((0, DRAFTS_MAX, 0), 1), Err(DraftFault::Full)));
    assert!(matches!(room((0, 0, BYTES_MAX), 1), Err(DraftFault::Full)));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_what_was_kept_is_there() {
    let fixture = Fixture::with_vault().await;
    let author = person(1);
    let drafts = fixture.ledger.drafts().unwrap();
    drafts.put(new(1, &author, TEXT), at(0)).await.unwrap();
    // The process ends here: another one finds file and WAL as they lie.
    let again = fixture.ledger.drafts().unwrap();
    assert_eq!(texts(&again, &author, 0).await, [TEXT]);
    drop(drafts);
    assert_eq!(texts(&again, &author, 0).await, [TEXT]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_store_costs_the_drafts_and_nothing_else() {
    let fixture = Fixture::with_vault().await;
    let (author, path) = (person(1), fixture.layout().drafts());
    fs::write(&path, b"no database at all, and longer than a header of one hundred bytes".repeat(4)).unwrap();
    let drafts = fixture.ledger.drafts().unwrap();
    assert!(texts(&drafts, &author, 0).await.is_empty());
    drafts.put(new(1, &author, TEXT), at(0)).await.unwrap();
    assert_eq!(texts(&drafts, &author, 0).await, [TEXT]);
    assert!(path.with_extension("unreadable").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_another_place_or_revision_says_nothing() {
    let fixture = Fixture::with_vault().await;
    let (drafts, author) = (fixture.ledger.drafts().unwrap(), person(1));
    drafts.put(new(1, &author, TEXT), at(0)).await.unwrap();
    let mut opened = drafts.opened(at(0)).await.unwrap();
    let table = opened.table().unwrap();
    let row = table.one(*id(1).as_bytes(), 0).await.unwrap().unwrap();
    table.rewrite(&Row { revision: 9, ..row }).await.unwrap();
    drop(opened);
    assert!(texts(&drafts, &author, 0).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_vault_there_is_no_working_store() {
    let fixture = Fixture::new().await;
    assert!(fixture.ledger.drafts().is_none());
}
