//! The demo on the disk, made by the functions behind `init`, `keygen` and `submit`.

use chrono::NaiveDate;
use gongkai_store::{Layout, ReadStore};

use super::{INPUT_FOLDER, KEYS_FOLDER, build};

fn today() -> NaiveDate {
    "2026-11-20".parse().unwrap()
}

#[tokio::test]
async fn the_demo_is_a_ledger_with_keys_and_tables_to_try() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("demo");
    let report = build(&dir, today()).await.unwrap();
    let reader = ReadStore::open(&Layout::new(&dir)).await.unwrap();
    let head = reader.head().await.unwrap();
    assert_eq!(head.size, report.entries);
    assert!(head.recorded_at.date_naive() <= today());
    for key in &report.keys {
        assert!(key.file.starts_with(dir.join(KEYS_FOLDER)) && key.file.is_file(), "{}", key.file.display());
    }
    assert!(dir.join(INPUT_FOLDER).join("2026-02.csv").is_file());
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "no draft is left");
    reader.close().await;
}

#[tokio::test]
async fn what_is_there_already_is_not_touched() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("letter.txt"), "mine").unwrap();
    let fault = build(place.path(), today()).await.unwrap_err();
    assert!(fault.to_string().contains("没有改动"), "{fault}");
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
}
