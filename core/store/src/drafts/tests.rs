//! The working store in a file: what it must show anywhere, what the disk tells, and what is left after a crash.

use std::{fs, path::Path};

use super::*;
use crate::{conformance, testing::Fixture};

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

async fn row_of(drafts: &Drafts) -> Row {
    let mut table = drafts.table(at(0), Turn::Among).await.unwrap();
    let row = table.one(*id(1).as_bytes(), 0).await.unwrap();
    table.end(Ok(row)).await.unwrap().unwrap()
}

/// Writes a row over the one of its draft, as it is.
async fn rewrite(drafts: &Drafts, row: &Row) {
    let mut table = drafts.table(at(0), Turn::Alone).await.unwrap();
    let written = table.rewrite(row).await.map_err(DraftFault::from);
    table.end(written).await.unwrap();
}

/// Another handle on the same file, as another process would have it.
fn again(fixture: &Fixture) -> Drafts {
    Drafts::new(&fixture.layout(), fixture.settings.vault.clone().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_does_what_a_working_store_must_do() {
    let fixture = Fixture::with_vault().await;
    conformance::drafts::run(&fixture.ledger.drafts().unwrap(), &again(&fixture)).await;
}

#[test]
fn the_whole_store_has_a_number_and_a_size() {
    assert!(matches!(room((0, DRAFTS_MAX, 0), 1), Err(DraftFault::Full)));
    assert!(matches!(room((0, 0, BYTES_MAX), 1), Err(DraftFault::Full)));
    room((0, DRAFTS_MAX - 1, BYTES_MAX - 1), 1).unwrap();
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
    let row = row_of(&drafts).await;
    let vault = fixture.layout().vault();
    let lies = |bytes: &[u8]| super::tests::bytes(&vault).windows(bytes.len()).any(|some| some == bytes);
    assert!(lies(&row.sealed.bytes));
    assert!(drafts.remove(id(1), &author, at(0)).await.unwrap());
    assert!(!lies(&row.sealed.bytes) && !lies(&row.sealed.nonce));
    assert!(!drafts.remove(id(1), &author, at(0)).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_what_was_kept_is_there() {
    let fixture = Fixture::with_vault().await;
    let author = person(1);
    let drafts = fixture.ledger.drafts().unwrap();
    drafts.put(new(1, &author, TEXT), at(0)).await.unwrap();
    // The process ends here: another one finds file and WAL as they lie.
    let again = again(&fixture);
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
    let row = Row { revision: 9, ..row_of(&drafts).await };
    rewrite(&drafts, &row).await;
    assert!(texts(&drafts, &author, 0).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_vault_there_is_no_working_store() {
    let fixture = Fixture::new().await;
    assert!(fixture.ledger.drafts().is_none());
}
