//! What was sealed is opened as it was sealed or not at all; what is erased is in no file.

use std::{fs, path::Path};

use gongkai_domain::{kind::opening::Proof, vault::Opened};
use gongkai_log::{Digest, Entry, StreamId, slot};
use serde_json::{Value, json};
use sqlx::Connection as _;

use super::helpers::{operator, verifies};
use crate::{
    Receipt,
    testing::{COUNTY, Fixture, pledge, refusal},
};

const CANARY: &str = "金丝雀一三八零零一三八零零零";

async fn town() -> Fixture {
    let mut fixture = Fixture::with_vault().await;
    fixture.publisher("丙", COUNTY).await;
    fixture.officer("丁", COUNTY, "approver").await;
    fixture
}

async fn sealed_pledge(fixture: &mut Fixture, contact: &str) -> Receipt {
    let mut command = pledge(COUNTY, 1);
    command["fields"]["contact"] = json!(contact);
    fixture.submit(&command, &[("publisher", "丙")]).await.unwrap()
}

/// Number and opening of the one sealed slot of an entry.
async fn sealed_slot(fixture: &Fixture, index: u64) -> (u8, Opened) {
    let values = fixture.ledger.sealed_reader().unwrap().values_of(index).await.unwrap().unwrap();
    let [(number, _, opened)] = values.slots.as_slice() else { panic!("{values:?}") };
    (*number, opened.clone())
}

async fn proof(fixture: &Fixture, index: u64) -> (u8, Proof) {
    let (number, opened) = sealed_slot(fixture, index).await;
    let stored = fixture.ledger.entry(index).await.unwrap().unwrap();
    let path = slot::path(&stored.openings.unwrap().commitments, number);
    let Opened { salt, name, value } = opened;
    let salt = Digest::from_bytes(salt);
    (number, Proof { salt, name, tier: gongkai_log::Tier::Named, value, path, event: None })
}

fn opening(index: u64, number: u8, proof: &Proof) -> Value {
    json!({"kind": "slot.opened.v1", "org": COUNTY, "fields": {
        "entry": index, "slot_number": number, "opened": proof, "reason": "当事人同意公开(虚构)"}})
}

const BOTH: &[(&str, &str)] = &[("approver", "丁"), ("publisher", "丙")];

#[tokio::test]
async fn a_sealed_slot_is_opened_as_what_was_recorded_that_day_and_not_as_anything_else() {
    let mut fixture = town().await;
    let first = sealed_pledge(&mut fixture, "村委会值班电话(虚构)").await;
    let second = sealed_pledge(&mut fixture, "镇政府值班电话(虚构)").await;
    let (number, right) = proof(&fixture, first.index).await;
    let (other_number, other) = proof(&fixture, second.index).await;
    let wrong = [
        Proof { value: json!("别的电话"), ..right.clone() },
        Proof { salt: Digest::ZERO, ..right.clone() },
        Proof { name: "post".into(), ..right.clone() },
        Proof { tier: gongkai_log::Tier::Unit, ..right.clone() },
        Proof { path: Vec::new(), ..right.clone() },
        other.clone(),
    ];
    for wrong in wrong {
        let answer = fixture.submit(&opening(first.index, number, &wrong), BOTH).await;
        assert_eq!(refusal(answer).code(), "field", "{wrong:?}");
    }
    // The openings of two entries, swapped.
    let swapped = fixture.submit(&opening(second.index, other_number, &right), BOTH).await;
    assert_eq!(refusal(swapped).code(), "field");
    let alone = fixture.submit(&opening(first.index, number, &right), &BOTH[..1]).await;
    assert_eq!(refusal(alone).code(), "cosigners_missing");
    let opened = fixture.submit(&opening(first.index, number, &right), BOTH).await.unwrap();
    let stored = fixture.ledger.entry(opened.index).await.unwrap().unwrap();
    let shown = gongkai_domain::kind::opening::proof(&stored.openings.unwrap().open).unwrap();
    assert_eq!(shown.value, json!("村委会值班电话(虚构)"));
    verifies(&fixture).await;
}

#[tokio::test]
async fn a_telephone_is_not_opened_to_everybody() {
    let mut fixture = town().await;
    let receipt = sealed_pledge(&mut fixture, "电话13800138000").await;
    let (number, right) = proof(&fixture, receipt.index).await;
    let answer = fixture.submit(&opening(receipt.index, number, &right), BOTH).await;
    assert_eq!(refusal(answer).code(), "personal_data");
}

#[tokio::test]
async fn a_slot_of_a_sealed_event_is_opened_with_its_note_and_its_place_in_the_period() {
    let mut fixture = town().await;
    let access = json!({"kind": "access.recorded.v1", "org": COUNTY, "fields": {
        "read": "letter/0196ac8e-0000-4000-8000-000000000001", "revision": 0, "purpose": "inspection",
        "reason": "年度督查(虚构)"}});
    let promised = fixture.seal(&access, &[("publisher", "丙")]).await.unwrap();
    fixture.ledger.end_period().await.unwrap();
    let event = fixture.ledger.sealed_reader().unwrap().by_commitment(&promised.commitment).await.unwrap().unwrap();
    let (place, content) = (event.proof().unwrap(), event.opened.unwrap());
    let (number, tier, reason) = content.slots.iter().find(|(_, _, opened)| opened.name == "reason").unwrap();
    let right = json!({
        "salt": Digest::from_bytes(reason.salt), "name": "reason", "tier": tier, "value": reason.value,
        "path": slot::path(&event.row.commitments, *number),
        "event": {"note": content.signed.note.to_string(), "salt": Digest::from_bytes(content.salt),
            "leaf": place.leaf, "path": place.path}});
    let command = |opened: &Value| {
        json!({"kind": "slot.opened.v1", "org": COUNTY, "fields": {
            "entry": place.index, "slot_number": number, "opened": opened, "reason": "公开查阅理由(虚构)"}})
    };
    let mut elsewhere = right.clone();
    elsewhere["event"]["leaf"] = json!((place.leaf + 1) % 65_536);
    assert_eq!(refusal(fixture.submit(&command(&elsewhere), BOTH).await).code(), "field");
    fixture.submit(&command(&right), BOTH).await.unwrap();
    verifies(&fixture).await;
}

fn erasure(index: u64) -> Value {
    json!({"kind": "erasure.ordered.v1", "org": COUNTY, "fields": {"entry": index, "basis": "personal_data",
        "reason": "当事人要求删除(虚构)", "appeal": "可向青禾县公开办提出(虚构)"}})
}

const ERASERS: &[(&str, &str)] = &[("approver", "丁"), ("registrar", "甲")];

/// Whether some bytes are in any file below a folder.
fn is_anywhere(folder: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_anywhere(&path, bytes);
        }
        fs::read(path).unwrap().windows(bytes.len()).any(|window| window == bytes)
    })
}

#[tokio::test]
async fn what_is_erased_is_opened_by_nobody_and_its_ciphertext_and_keys_are_in_no_file() {
    let mut fixture = town().await;
    let receipt = sealed_pledge(&mut fixture, CANARY).await;
    let kept = sealed_pledge(&mut fixture, "别的联系方式(虚构)").await;
    let mut connection = operator(&fixture.layout()).await;
    let query = sqlx::query_scalar("SELECT bytes FROM sealed_values WHERE event = ?");
    let sealed: Vec<u8> = query.bind(receipt.index.cast_signed()).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let root = fixture.layout().root().to_owned();
    assert!(is_anywhere(&root, &sealed) && !is_anywhere(&root, CANARY.as_bytes()));

    let order = fixture.submit(&erasure(receipt.index), ERASERS).await.unwrap();
    let values = fixture.ledger.sealed_reader().unwrap().values_of(receipt.index).await.unwrap().unwrap();
    assert!(values.slots.is_empty());
    assert!(!sealed_slot(&fixture, kept.index).await.1.value.is_null());
    assert_eq!(refusal(fixture.submit(&erasure(receipt.index), ERASERS).await).code(), "state");
    fixture.reopen().await.unwrap();
    assert!(!is_anywhere(&root, &sealed));
    let values = fixture.ledger.sealed_reader().unwrap().values_of(receipt.index).await.unwrap().unwrap();
    assert!(values.slots.is_empty());
    verifies(&fixture).await;
    assert!(order.index > receipt.index);
}

#[tokio::test]
async fn an_erasure_that_a_crash_cut_short_is_ended_on_the_next_start() {
    let mut fixture = town().await;
    let receipt = sealed_pledge(&mut fixture, CANARY).await;
    let entry = Entry::parse(fixture.ledger.entry(receipt.index).await.unwrap().unwrap().bytes).unwrap();
    let stream: StreamId = entry.content.statement().unwrap().statement.stream.clone();
    let tag = fixture.ledger.vault().unwrap().tag(&stream);
    fixture.ledger.shutdown().await;
    // As if the process had stopped between the commit of the order and the destruction of the keys.
    let mut connection = operator(&fixture.layout()).await;
    let query = sqlx::query("INSERT INTO erasures (tag, destroyed) VALUES (unhex(?), 0)");
    query.bind(tag.to_hex()).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    fixture.open().await.unwrap();
    let values = fixture.ledger.sealed_reader().unwrap().values_of(receipt.index).await.unwrap().unwrap();
    assert!(values.erased && values.slots.is_empty());
}

#[tokio::test]
async fn keys_that_somebody_goes_on_reading_count_as_destroyed_only_when_they_are_in_no_file() {
    let mut fixture = town().await;
    let receipt = sealed_pledge(&mut fixture, CANARY).await;
    let root = fixture.layout().root().to_owned();
    let mut beside = sqlx::SqliteConnection::connect(&fixture.layout().wraps().display().to_string()).await.unwrap();
    let mut reading = beside.begin().await.unwrap();
    let (wrap,): (Vec<u8>,) = sqlx::query_as("SELECT wrap FROM wraps").fetch_one(&mut *reading).await.unwrap();
    fixture.submit(&erasure(receipt.index), ERASERS).await.unwrap();
    fixture.ledger.shutdown().await;
    let unfinished = async || {
        let store = crate::ReadStore::open(&fixture.layout()).await.unwrap();
        let count = crate::sealed_audit::unfinished_erasures(&store).await.unwrap();
        store.close().await;
        count
    };
    assert_eq!(unfinished().await, 1);
    assert!(is_anywhere(&root, &wrap), "the reader's snapshot holds it");
    reading.rollback().await.unwrap();
    beside.close().await.unwrap();
    fixture.open().await.unwrap();
    let unfinished = crate::sealed_audit::unfinished_erasures(fixture.ledger.reader()).await.unwrap();
    assert_eq!(unfinished, 0);
    assert!(!is_anywhere(&root, &wrap));
}

#[tokio::test]
async fn a_sealed_matter_is_erased_by_one_of_its_events_and_its_period_stays_proven() {
    let mut fixture = town().await;
    let access = json!({"kind": "access.recorded.v1", "org": COUNTY, "fields": {
        "read": "letter/0196ac8e-0000-4000-8000-000000000001", "revision": 0, "purpose": "inspection",
        "reason": CANARY}});
    let promised = fixture.seal(&access, &[("publisher", "丙")]).await.unwrap();
    let order = json!({"kind": "erasure.ordered.v1", "org": COUNTY, "fields": {"commitment": promised.commitment,
        "basis": "retention", "reason": "保存期满(虚构)", "appeal": "无(虚构)"}});
    fixture.submit(&order, ERASERS).await.unwrap();
    // It was promised, so the period records it all the same.
    fixture.ledger.end_period().await.unwrap();
    let event = fixture.ledger.sealed_reader().unwrap().by_commitment(&promised.commitment).await.unwrap().unwrap();
    assert!(event.opened.is_none() && event.proof().is_some());
    let unknown = json!({"kind": "erasure.ordered.v1", "org": COUNTY, "fields": {"commitment": Digest::ZERO,
        "basis": "retention", "reason": "保存期满(虚构)", "appeal": "无(虚构)"}});
    assert_eq!(refusal(fixture.submit(&unknown, ERASERS).await).code(), "state");
    verifies(&fixture).await;
}

#[tokio::test]
async fn an_old_backup_of_the_ledger_opens_nothing_that_was_erased_and_one_of_the_vault_only_until_it_is_rotated_out() {
    let mut fixture = town().await;
    let receipt = sealed_pledge(&mut fixture, CANARY).await;
    fixture.ledger.shutdown().await;
    let (layout, old) = (fixture.layout(), tempfile::tempdir().unwrap());
    let before = crate::Layout::new(old.path());
    fs::copy(layout.database(), before.database()).unwrap();
    let backup = old.path().join("backups/vault-20260302T010000Z.db");
    crate::Vault::back_up(&layout, &backup).await.unwrap();
    fixture.open().await.unwrap();
    fixture.submit(&erasure(receipt.index), ERASERS).await.unwrap();
    // The old ledger with the vault of today.
    let vault = fixture.ledger.vault().unwrap().clone();
    let reader = crate::SealedReader::new(crate::ReadStore::open(&before).await.unwrap(), vault);
    let values = reader.values_of(receipt.index).await.unwrap().unwrap();
    assert!(values.erased && values.slots.is_empty());
    // The old vault still opens the old ledger: that is why its backups are rotated out within days.
    fs::create_dir_all(before.vault()).unwrap();
    fs::copy(&backup, before.wraps()).unwrap();
    let masters = vec![crate::testing::master()];
    let vault =
        crate::Vault::open(&before, crate::testing::ORIGIN, masters, crate::testing::vault_entropy(9)).await.unwrap();
    let reader = crate::SealedReader::new(crate::ReadStore::open(&before).await.unwrap(), vault);
    assert_eq!(reader.values_of(receipt.index).await.unwrap().unwrap().slots.len(), 1);
}
