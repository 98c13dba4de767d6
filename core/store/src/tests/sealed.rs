//! Sealed values and sealed events: promised at once, bound by the period, opened by the vault alone.

use gongkai_log::{Content, Digest, Entry, Promise, StreamId, note, sealed};
use serde_json::{Value, json};
use sqlx::Connection as _;

use super::helpers::{operator, verifies};
use crate::{
    Vault, VaultFault,
    testing::{COUNTY, Fixture, ORIGIN, ledger_keys, master, pledge, refusal, vault_entropy},
};

/// Somebody reads something: a sealed event that everybody with a role may author.
fn access(read: &str, reason: &str) -> Value {
    json!({"kind": "access.recorded.v1", "org": COUNTY, "fields": {
        "read": read, "revision": 0, "purpose": "inspection", "reason": reason}})
}

const LETTER: &str = "letter/0196ac8e-0000-4000-8000-000000000001";

async fn town() -> Fixture {
    let mut fixture = Fixture::with_vault().await;
    fixture.publisher("丙", COUNTY).await;
    fixture
}

fn pledge_with_contact(contact: &str) -> Value {
    let mut command = pledge(COUNTY, 1);
    command["fields"]["contact"] = json!(contact);
    command
}

#[tokio::test]
async fn a_sealed_slot_is_in_no_public_line_and_opens_from_the_vault() {
    let mut fixture = town().await;
    let receipt = fixture.submit(&pledge_with_contact("电话13800138000(虚构)"), &[("publisher", "丙")]).await.unwrap();
    let stored = fixture.ledger.entry(receipt.index).await.unwrap().unwrap();
    let openings = stored.openings.unwrap();
    assert!(openings.open.iter().all(|opening| opening.name != "contact"));
    let opened = fixture.ledger.sealed_reader().unwrap().values_of(receipt.index).await.unwrap().unwrap();
    let [(slot, _, contact)] = opened.slots.as_slice() else { panic!("{opened:?}") };
    assert_eq!((contact.name.as_str(), &contact.value), ("contact", &json!("电话13800138000(虚构)")));
    assert!(openings.open.iter().all(|opening| opening.slot != *slot));
    verifies(&fixture).await;
}

#[tokio::test]
async fn without_a_vault_what_needs_one_is_refused_and_nothing_is_recorded() {
    let mut fixture = Fixture::new().await;
    fixture.publisher("丙", COUNTY).await;
    let before = fixture.ledger.health().committed;
    let answer = fixture.submit(&pledge_with_contact("电话"), &[("publisher", "丙")]).await;
    assert_eq!(refusal(answer).code(), "tier_needs_vault");
    let submission = fixture.opening(&access(LETTER, "看"), &[("publisher", "丙")]);
    assert_eq!(refusal(fixture.ledger.hand_in(None, submission).await).code(), "tier_needs_vault");
    assert_eq!(fixture.ledger.health().committed, before);
}

#[tokio::test]
async fn a_key_that_is_in_use_stays_however_many_others_are_loaded() {
    let mut fixture = town().await;
    let mut others = (0..80).map(|number| access(LETTER, &format!("看{number}")));
    let mut hand_in = async |fixture: &mut Fixture, count| {
        for other in others.by_ref().take(count) {
            let submission = fixture.opening(&other, &[("publisher", "丙")]);
            fixture.ledger.hand_in(None, submission).await.unwrap();
        }
    };
    hand_in(&mut fixture, 1).await;
    let vault = fixture.ledger.vault().unwrap().clone();
    let row = fixture.ledger.sealed_reader().unwrap().event(0).await.unwrap().unwrap().row;
    let held = vault.load(&[crate::vault::Tag(row.tag)]).await.unwrap();
    hand_in(&mut fixture, 30).await;
    assert!(vault.open_event(&row).unwrap().is_some());
    drop(held);
    hand_in(&mut fixture, 30).await;
    assert!(vault.open_event(&row).unwrap().is_none(), "nothing throws keys out here: the test shows nothing");
}

#[tokio::test]
async fn a_sealed_event_is_promised_at_once_and_proven_after_its_period() {
    let mut fixture = town().await;
    let promised = fixture.seal(&access(LETTER, "督查(虚构)"), &[("publisher", "丙")]).await.unwrap();
    let before = fixture.ledger.health().committed;
    let opened = note::Note::parse(&promised.promise).unwrap();
    assert_eq!(opened.open(&[ledger_keys().intake.verifier()]).unwrap(), [0]);
    let promise = Promise::parse(&opened.text).unwrap();
    assert_eq!((promise.commitment, promise.deadline), (promised.commitment, promised.deadline));
    assert!(promise.deadline > promise.received_at);

    let reader = fixture.ledger.sealed_reader().unwrap();
    let waiting = reader.by_commitment(&promised.commitment).await.unwrap().unwrap();
    assert_eq!(waiting.proof(), None);
    let index = fixture.ledger.end_period().await.unwrap();
    assert_eq!(index, before);
    let event = reader.by_commitment(&promised.commitment).await.unwrap().unwrap();
    let proof = event.proof().unwrap();
    let entry = Entry::parse(fixture.ledger.entry(proof.index).await.unwrap().unwrap().bytes).unwrap();
    let Content::Sealed(period) = &entry.content else { panic!("a period is no statement") };
    let leaf = usize::try_from(proof.leaf).unwrap();
    assert!(sealed::verify_period_path(&period.root, leaf, &promised.commitment, &proof.path));
    let opened = event.opened.unwrap();
    assert_eq!(sealed::commit_event(&opened.salt, &opened.signed.note.to_string()), promised.commitment);
    assert_eq!(opened.values().unwrap()["reason"], json!("督查(虚构)"));
    let report = verifies(&fixture).await;
    assert_eq!(report.size, index + 1);
}

#[tokio::test]
async fn a_period_is_one_entry_of_one_size_with_or_without_events_and_its_decoys_hide_nothing() {
    let mut fixture = town().await;
    let empty = fixture.ledger.end_period().await.unwrap();
    for number in 0..3 {
        fixture.seal(&access(LETTER, &format!("第 {number} 次")), &[("publisher", "丙")]).await.unwrap();
    }
    let full = fixture.ledger.end_period().await.unwrap();
    let bytes = |stored: Option<crate::StoredEntry>| stored.unwrap().bytes.len();
    let sizes = (bytes(fixture.ledger.entry(empty).await.unwrap()), bytes(fixture.ledger.entry(full).await.unwrap()));
    assert_eq!(sizes.0, sizes.1);

    // An inspector with the salts of the decoys rebuilds the whole tree.
    let reader = fixture.ledger.sealed_reader().unwrap();
    let periods = reader.periods(0, u64::MAX >> 1).await.unwrap();
    let (_, nonce) = periods.iter().find(|(index, _)| *index == full).unwrap();
    let mut leaves: Vec<Digest> = reader.decoy_salts(nonce).iter().map(sealed::decoy).collect();
    for event in reader.events(0, 10).await.unwrap() {
        let proof = event.proof().unwrap();
        leaves[usize::try_from(proof.leaf).unwrap()] = event.row.commitment;
    }
    let entry = Entry::parse(fixture.ledger.entry(full).await.unwrap().unwrap().bytes).unwrap();
    let Content::Sealed(period) = &entry.content else { panic!("a period is no statement") };
    assert_eq!(sealed::period_root(&leaves).unwrap(), period.root);
}

#[tokio::test]
async fn the_same_sealed_submission_again_gets_the_same_promise_and_code() {
    let mut fixture = town().await;
    let submission = fixture.opening(&access(LETTER, "看"), &[("publisher", "丙")]);
    let key = || Some("key-1".to_owned());
    let first = fixture.ledger.hand_in(key(), submission.clone()).await.unwrap();
    fixture.reopen().await.unwrap();
    let again = fixture.ledger.hand_in(key(), submission).await.unwrap();
    assert_eq!(first, again);
    let other = fixture.opening(&access(LETTER, "再看"), &[("publisher", "丙")]);
    assert_eq!(refusal(fixture.ledger.hand_in(key(), other).await).code(), "idempotency_conflict");
    let promised = first.promise().unwrap();
    assert_eq!(promised.status_code.len(), 19);
    let reader = fixture.ledger.sealed_reader().unwrap();
    let found = reader.by_status_code(&promised.status_code).await.unwrap().unwrap();
    assert_eq!(found.row.commitment, promised.commitment);
    assert!(reader.by_status_code("0000-0000-0000-0000").await.unwrap().is_none());
    assert_eq!(reader.events(0, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_promise_survives_a_crash_before_its_period() {
    let mut fixture = town().await;
    let promised = fixture.seal(&access(LETTER, "看"), &[("publisher", "丙")]).await.unwrap();
    fixture.reopen().await.unwrap();
    fixture.ledger.end_period().await.unwrap();
    let reader = fixture.ledger.sealed_reader().unwrap();
    assert!(reader.by_commitment(&promised.commitment).await.unwrap().unwrap().proof().is_some());
}

#[tokio::test]
async fn a_wrong_master_key_or_another_ledgers_vault_does_not_open() {
    let fixture = town().await;
    fixture.ledger.shutdown().await;
    let wrong = gongkai_domain::Master::from_bytes(0, [9; 32]);
    let layout = fixture.layout();
    let opened = Vault::open(&layout, ORIGIN, vec![wrong], vault_entropy(1)).await;
    assert!(matches!(opened, Err(VaultFault::Master { epoch: 0 })), "{opened:?}");
    let opened = Vault::open(&layout, "other.example", vec![master()], vault_entropy(1)).await;
    assert!(matches!(opened, Err(VaultFault::Origin(_))), "{opened:?}");
    let made = Vault::create(&layout, ORIGIN, master(), vault_entropy(1)).await;
    assert!(matches!(made, Err(VaultFault::Exists(_))), "{made:?}");
}

/// Changes the vault's database as it is on disk.
async fn rewrite_wraps(layout: &crate::Layout, sql: &str) {
    let mut wraps = sqlx::SqliteConnection::connect(&layout.wraps().display().to_string()).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut wraps).await.unwrap();
    wraps.close().await.unwrap();
}

#[tokio::test]
async fn a_vault_of_an_earlier_version_is_read_as_it_is_and_migrated_when_it_is_written() {
    let mut fixture = town().await;
    let receipt = fixture.submit(&pledge_with_contact("电话"), &[("publisher", "丙")]).await.unwrap();
    fixture.ledger.shutdown().await;
    let layout = fixture.layout();
    let first = include_str!("../../../../migrations/vault/sqlite/0001_wraps.sql");
    let (table, _) = first.split_once("CREATE TABLE vault").unwrap();
    let earlier = format!(
        "ALTER TABLE wraps RENAME TO later; {table} INSERT INTO wraps SELECT * FROM later; DROP TABLE later; \
         PRAGMA user_version = 1;"
    );
    rewrite_wraps(&layout, &earlier).await;
    let before = std::fs::read(layout.wraps()).unwrap();
    let vault = Vault::open_read_only(&layout, ORIGIN, vec![master()], vault_entropy(5)).await.unwrap();
    let reader = crate::SealedReader::new(crate::ReadStore::open(&layout).await.unwrap(), vault);
    assert_eq!(reader.values_of(receipt.index).await.unwrap().unwrap().slots.len(), 1);
    assert_eq!(std::fs::read(layout.wraps()).unwrap(), before);
    fixture.open().await.unwrap();
    fixture.submit(&pledge_with_contact("电话二"), &[("publisher", "丙")]).await.unwrap();
    let reader = fixture.ledger.sealed_reader().unwrap();
    assert_eq!(reader.values_of(receipt.index).await.unwrap().unwrap().slots.len(), 1);
    assert_ne!(std::fs::read(layout.wraps()).unwrap(), before);
}

#[tokio::test]
async fn a_vault_of_a_later_version_or_of_another_program_is_refused_and_not_touched() {
    let fixture = town().await;
    fixture.ledger.shutdown().await;
    let layout = fixture.layout();
    for (change, refusal) in [
        ("PRAGMA user_version = 3", "the vault has version 3, this program knows 2"),
        ("PRAGMA user_version = 2; PRAGMA application_id = 7", "the vault's database is of another program"),
    ] {
        rewrite_wraps(&layout, change).await;
        let before = std::fs::read(layout.wraps()).unwrap();
        let opened = Vault::open(&layout, ORIGIN, vec![master()], vault_entropy(1)).await;
        let read = Vault::open_read_only(&layout, ORIGIN, vec![master()], vault_entropy(1)).await;
        for fault in [opened.unwrap_err(), read.unwrap_err()] {
            assert_eq!(fault.to_string(), refusal);
        }
        assert_eq!(std::fs::read(layout.wraps()).unwrap(), before);
    }
}

#[tokio::test]
async fn a_rotated_vault_opens_everything_with_the_new_key_and_nothing_with_the_old() {
    let mut fixture = town().await;
    let receipt = fixture.submit(&pledge_with_contact("电话"), &[("publisher", "丙")]).await.unwrap();
    let promised = fixture.seal(&access(LETTER, "看"), &[("publisher", "丙")]).await.unwrap();
    fixture.ledger.shutdown().await;
    let layout = fixture.layout();
    let next = gongkai_domain::Master::from_bytes(1, [43; 32]);
    let vault = Vault::open(&layout, ORIGIN, vec![master()], vault_entropy(5)).await.unwrap();
    assert!(vault.rotate(&next).await.unwrap() >= 2);
    vault.close().await.unwrap();
    let old = Vault::open(&layout, ORIGIN, vec![master()], vault_entropy(5)).await;
    assert!(matches!(old, Err(VaultFault::Master { epoch: 1 })), "{old:?}");
    let vault = Vault::open(&layout, ORIGIN, vec![next], vault_entropy(5)).await.unwrap();
    let settings = crate::Settings { vault: Some(vault), ..crate::Settings::default() };
    let ledger = crate::Ledger::open(&layout, ledger_keys(), fixture.clock.clone(), settings).await.unwrap();
    let reader = ledger.sealed_reader().unwrap();
    assert_eq!(reader.values_of(receipt.index).await.unwrap().unwrap().slots.len(), 1);
    assert!(reader.by_commitment(&promised.commitment).await.unwrap().unwrap().opened.is_some());
    assert_eq!(reader.vault().status_code(&promised.commitment), promised.status_code);
}

#[tokio::test]
async fn ciphertext_moved_to_another_row_fails() {
    let mut fixture = town().await;
    let first = fixture.submit(&pledge_with_contact("电话一"), &[("publisher", "丙")]).await.unwrap();
    let second = fixture.submit(&pledge_with_contact("电话二"), &[("publisher", "丙")]).await.unwrap();
    let mut connection = operator(&fixture.layout()).await;
    let query = sqlx::query(
        "UPDATE sealed_values SET (nonce, bytes) = (SELECT nonce, bytes FROM sealed_values WHERE event = ?) \
         WHERE event = ?",
    );
    query.bind(first.index.cast_signed()).bind(second.index.cast_signed()).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let reader = fixture.ledger.sealed_reader().unwrap();
    assert!(reader.values_of(first.index).await.is_ok());
    let moved = reader.values_of(second.index).await;
    assert!(matches!(moved, Err(VaultFault::Sealed { .. })), "{moved:?}");
}

#[tokio::test]
async fn deleting_the_whole_vault_leaves_every_public_proof_valid() {
    let mut fixture = town().await;
    fixture.submit(&pledge_with_contact("电话"), &[("publisher", "丙")]).await.unwrap();
    fixture.seal(&access(LETTER, "看"), &[("publisher", "丙")]).await.unwrap();
    fixture.ledger.end_period().await.unwrap();
    fixture.ledger.shutdown().await;
    std::fs::remove_dir_all(fixture.layout().vault()).unwrap();
    let gone = Vault::open(&fixture.layout(), ORIGIN, vec![master()], vault_entropy(1)).await;
    assert!(matches!(gone, Err(VaultFault::Missing(_))), "{gone:?}");
    fixture.settings.vault = None;
    fixture.open().await.unwrap();
    verifies(&fixture).await;
    let more = fixture.submit(&pledge(COUNTY, 2), &[("publisher", "丙")]).await;
    assert!(more.is_ok(), "public statements go on: {more:?}");
}

#[tokio::test]
async fn destroyed_keys_open_nothing_and_leave_no_wrap_in_any_file() {
    let mut fixture = town().await;
    let receipt = fixture.submit(&pledge_with_contact("电话"), &[("publisher", "丙")]).await.unwrap();
    let entry = Entry::parse(fixture.ledger.entry(receipt.index).await.unwrap().unwrap().bytes).unwrap();
    let stream: StreamId = entry.content.statement().unwrap().statement.stream.clone();
    let vault = fixture.ledger.vault().unwrap();
    assert_eq!(vault.destroy(vault.tag(&stream)).await.unwrap(), 1);
    let opened = fixture.ledger.sealed_reader().unwrap().values_of(receipt.index).await.unwrap().unwrap();
    assert!(opened.erased && opened.slots.is_empty());
    fixture.reopen().await.unwrap();
    let opened = fixture.ledger.sealed_reader().unwrap().values_of(receipt.index).await.unwrap().unwrap();
    assert!(opened.erased && opened.slots.is_empty());
    verifies(&fixture).await;
}

#[tokio::test]
async fn a_sealed_statement_that_is_replayed_is_recorded_once() {
    let mut fixture = town().await;
    let submission = fixture.opening(&access(LETTER, "看"), &[("publisher", "丙")]);
    fixture.ledger.hand_in(Some("one".into()), submission.clone()).await.unwrap();
    for key in [Some("another".to_owned()), None] {
        let replayed = fixture.ledger.hand_in(key, submission.clone()).await;
        assert_eq!(refusal(replayed).code(), "stream_exists");
    }
    assert_eq!(fixture.ledger.sealed_reader().unwrap().events(0, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn many_sealed_submissions_at_once_are_all_promised_and_all_in_the_period() {
    let mut fixture = town().await;
    let submissions: Vec<_> = (0..200)
        .map(|number| fixture.opening(&access(LETTER, &format!("第 {number} 次")), &[("publisher", "丙")]))
        .collect();
    let ledger = fixture.ledger.clone();
    let answers = crate::testing::all(submissions.into_iter().map(|submission| {
        let ledger = ledger.clone();
        async move { ledger.hand_in(None, submission).await.unwrap().promise().unwrap() }
    }))
    .await;
    fixture.ledger.end_period().await.unwrap();
    let reader = fixture.ledger.sealed_reader().unwrap();
    let mut leaves = std::collections::BTreeSet::new();
    for promised in answers {
        let event = reader.by_commitment(&promised.commitment).await.unwrap().unwrap();
        assert!(leaves.insert(event.proof().unwrap().leaf), "no two events share a leaf");
    }
    assert_eq!(leaves.len(), 200);
    verifies(&fixture).await;
}
