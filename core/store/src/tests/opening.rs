//! Cases 21 and 30, and what else must not be opened: other files, later versions, ledgers in use.

use std::{collections::BTreeMap, fs, sync::Arc, time::Duration};

use gongkai_domain::Refusal;
use serde_json::json;
use sqlx::Connection as _;

use super::helpers::{copy, operator, tamper, verifies};
use crate::{
    CreateOptions, Layout, Ledger, ManualClock, OpenError, ReadStore, Settings, SubmitError,
    ledger::LedgerKeys,
    testing::{COUNTY, Fixture, Person, genesis, key, ledger_keys, pledge, start_time},
};

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(start_time()))
}

async fn open(layout: &Layout) -> Result<Ledger, OpenError> {
    Ledger::open(layout, ledger_keys(), clock(), Settings::default()).await
}

#[tokio::test]
async fn an_existing_ledger_is_not_created_again() {
    let fixture = Fixture::new().await;
    fixture.ledger.shutdown().await;
    let before = fs::read(fixture.layout().database()).unwrap();
    let options = CreateOptions {
        keys: ledger_keys(),
        genesis: genesis(&fixture.people),
        settings: Settings::default(),
        server: None,
    };
    let again = Ledger::create(&fixture.layout(), options, clock()).await;
    assert!(matches!(again, Err(OpenError::Exists(_))), "{again:?}");
    assert_eq!(fs::read(fixture.layout().database()).unwrap(), before);
}

#[tokio::test]
async fn a_creation_that_was_interrupted_can_be_repeated() {
    let fixture = Fixture::new().await;
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path());
    fs::write(layout.root().join("ledger.db.draft"), b"half a database").unwrap();
    fs::write(layout.root().join("ledger.db.draft-wal"), b"half a journal").unwrap();
    assert!(matches!(open(&layout).await, Err(OpenError::NotALedger { .. })), "a draft is no ledger");
    let options = CreateOptions {
        keys: ledger_keys(),
        genesis: genesis(&fixture.people),
        settings: Settings::default(),
        server: None,
    };
    let ledger = Ledger::create(&layout, options, clock()).await.unwrap();
    assert_eq!(ledger.health().committed, 1);
    assert!(!layout.root().join("ledger.db.draft").exists());
}

fn registrars(count: u8, name_bytes: usize) -> BTreeMap<String, Person> {
    let mut people = BTreeMap::new();
    for name in ["甲", "乙"] {
        let stream = gongkai_log::StreamId::new("person", uuid::Uuid::from_u128(u128::from(count))).unwrap();
        people.insert(name.to_owned(), Person { stream, key: key(&name.repeat(name_bytes / 3), count) });
    }
    people
}

#[tokio::test]
async fn a_genesis_that_is_refused_leaves_no_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path());
    let mut bad = genesis(&registrars(5, 30));
    bad.note = bad.note.replace("341599", "341598");
    let options = CreateOptions { keys: ledger_keys(), genesis: bad, settings: Settings::default(), server: None };
    let refused = Ledger::create(&layout, options, clock()).await;
    assert!(matches!(refused, Err(OpenError::Genesis(Refusal::Signature(_)))), "{refused:?}");
    assert!(!layout.database().exists());
    assert!(matches!(open(&layout).await, Err(OpenError::NotALedger { .. })));
}

/// The genesis is the one statement whose body can be made long enough by its author alone.
#[tokio::test]
async fn an_entry_beyond_the_limit_of_a_tile_is_refused_before_the_commit() {
    let keys = ledger_keys();
    let person = |n: u128| gongkai_log::StreamId::new("person", uuid::Uuid::from_u128(n)).unwrap();
    let made = |name_bytes: usize| {
        let registrar = |n: u32| {
            let width = if n == 0 { name_bytes } else { 200 };
            let key = key(&format!("{}{n:03}", "a".repeat(width - 3)), 9);
            json!({"person": person(u128::from(n)), "key": key.verifier().to_string()})
        };
        let registrars: Vec<_> = (0..203).map(registrar).collect();
        let command = json!({"kind": "ledger.created.v1", "org": COUNTY,
            "stream": gongkai_log::StreamId::new("ledger", uuid::Uuid::from_u128(1)).unwrap(),
            "fields": {"name": "长名账本(虚构)", "log_key": keys.log.verifier().to_string(),
                "intake_key": keys.intake.verifier().to_string(), "recovery_key": key("recovery", 3).verifier().to_string(),
                "registrars": registrars}});
        let command = gongkai_domain::Command::from_value(command).unwrap();
        let setting = gongkai_domain::Setting {
            origin: keys.log.name(),
            stream: command.stream.clone().unwrap(),
            head: None,
            signers: vec![gongkai_log::Signer { role: "log".into(), key: keys.log.name().into() }],
            declared_at: crate::sequencer::china_time(start_time()),
        };
        gongkai_domain::prepare(&command, &setting, &mut |buffer| buffer.fill(7))
    };
    // The longest statement that still is one: its entry has a few lines more.
    let prepared = (3..=255).rev().find_map(|bytes| made(bytes).ok()).unwrap();
    assert!(prepared.text.len() > 65_400, "{} bytes", prepared.text.len());
    let genesis = crate::testing::sign(prepared, &[&keys.log]);
    let folder = tempfile::tempdir().unwrap();
    let options = CreateOptions { keys: ledger_keys(), genesis, settings: Settings::default(), server: None };
    let refused = Ledger::create(&Layout::new(folder.path()), options, clock()).await;
    assert!(
        matches!(refused, Err(OpenError::Genesis(Refusal::TooLarge { bytes: 65_536.., bytes_max: 65_535 }))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn two_servers_on_one_directory_are_refused() {
    let fixture = Fixture::new().await;
    let second = open(&fixture.layout()).await;
    assert!(matches!(second, Err(OpenError::InUse(_))), "{second:?}");
    let message = second.unwrap_err().to_string();
    assert!(message.contains("another process is using the ledger"), "{message}");
    fixture.ledger.shutdown().await;
    open(&fixture.layout()).await.unwrap().shutdown().await;
}

#[tokio::test]
async fn others_can_read_while_a_server_writes() {
    let mut fixture = Fixture::new().await;
    let reader = ReadStore::open(&fixture.layout()).await.unwrap();
    assert_eq!(reader.head().await.unwrap().size, 2);
    fixture.publisher("丙", COUNTY).await;
    assert_eq!(reader.head().await.unwrap().size, 5);
    assert_eq!(reader.entries(0, 3).await.unwrap().len(), 3);
    assert_eq!(reader.entries(5, 3).await.unwrap().len(), 0);
}

#[tokio::test]
async fn what_is_no_ledger_is_not_opened_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path());
    let refused = |result: Result<Ledger, OpenError>| match result {
        Err(OpenError::NotALedger { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    assert!(refused(open(&layout).await).contains("no database"));
    assert!(!layout.lock().exists(), "nothing is left behind");
    fs::write(layout.database(), "not a database, but long enough to be one ".repeat(100)).unwrap();
    assert!(refused(open(&layout).await).contains("no SQLite database"));
    fs::remove_file(layout.database()).unwrap();
    let other = sqlx::sqlite::SqliteConnectOptions::new().filename(layout.database()).create_if_missing(true);
    let mut other = sqlx::SqliteConnection::connect_with(&other).await.unwrap();
    sqlx::raw_sql("CREATE TABLE head (id INTEGER)").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    let before = fs::read(layout.database()).unwrap();
    assert!(refused(open(&layout).await).contains("another program"));
    assert_eq!(fs::read(layout.database()).unwrap(), before);
    assert!(ReadStore::open(&layout).await.is_err());
}

#[tokio::test]
async fn a_database_of_a_later_version_is_refused_and_not_touched() {
    let mut fixture = Fixture::new().await;
    fixture.ledger.shutdown().await;
    let mut connection = operator(&fixture.layout()).await;
    sqlx::raw_sql("PRAGMA user_version = 7").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let before = fs::read(fixture.layout().database()).unwrap();
    let refused = fixture.open().await;
    assert!(matches!(refused, Err(OpenError::Newer { found: 7, known: 6 })), "{refused:?}");
    assert_eq!(fs::read(fixture.layout().database()).unwrap(), before);
    assert!(matches!(ReadStore::open(&fixture.layout()).await, Err(OpenError::Newer { .. })));
}

#[tokio::test]
async fn a_database_of_an_earlier_version_is_migrated() {
    let mut fixture = Fixture::new().await;
    fixture.ledger.shutdown().await;
    let earlier = "DROP TABLE publication; DROP TABLE halt; DROP TABLE sealed_events; DROP TABLE sealed_values; \
                   DROP TABLE sealed_requests; DROP TABLE periods; DROP TABLE erasures; DROP TABLE inventories; DELETE FROM requests; PRAGMA user_version = 3;";
    let mut connection = operator(&fixture.layout()).await;
    sqlx::raw_sql(earlier).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let reader = ReadStore::open(&fixture.layout()).await;
    assert!(matches!(&reader, Err(OpenError::NotALedger { reason, .. }) if reason.contains("migrated")), "{reader:?}");
    fixture.open().await.unwrap();
    fixture.publisher("丙", COUNTY).await;
    verifies(&fixture).await;
    ReadStore::open(&fixture.layout()).await.unwrap();
}

#[tokio::test]
async fn other_keys_than_those_of_the_genesis_are_refused() {
    let fixture = Fixture::new().await;
    fixture.ledger.shutdown().await;
    let other = LedgerKeys { intake: key("intake.ledger.example/qinghe", 77), ..ledger_keys() };
    let refused = Ledger::open(&fixture.layout(), other, clock(), Settings::default()).await;
    assert!(matches!(refused, Err(OpenError::Key { role: "intake", .. })), "{refused:?}");
    let other = LedgerKeys { log: key(crate::testing::ORIGIN, 77), ..ledger_keys() };
    let refused = Ledger::open(&fixture.layout(), other, clock(), Settings::default()).await;
    assert!(matches!(refused, Err(OpenError::Key { role: "log", .. })), "{refused:?}");
}

#[tokio::test]
async fn an_old_backup_below_the_published_checkpoint_is_refused() {
    let mut fixture = Fixture::new().await;
    let backup = tempfile::tempdir().unwrap();
    fixture.reopen().await.unwrap();
    fixture.ledger.shutdown().await;
    copy(fixture.layout().root(), backup.path());
    fixture.open().await.unwrap();
    fixture.publisher("丙", COUNTY).await;
    fixture.ledger.shutdown().await;
    fs::copy(backup.path().join("ledger.db"), fixture.layout().database()).unwrap();
    let refused = fixture.open().await;
    assert!(matches!(refused, Err(OpenError::Behind { size: 2, published: 5 })), "{refused:?}");
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("2 entries, but 5 were published"), "{message}");
}

#[tokio::test]
async fn a_rewritten_tail_does_not_lead_to_the_published_root() {
    let mut fixture = Fixture::new().await;
    fixture.publisher("丙", COUNTY).await;
    fixture.ledger.shutdown().await;
    let other = tempfile::tempdir().unwrap();
    copy(fixture.layout().root(), other.path());
    // Two histories of the same length, each perfectly signed.
    fixture.open().await.unwrap();
    fixture.submit(&pledge(COUNTY, 1), &[("publisher", "丙")]).await.unwrap();
    fixture.ledger.shutdown().await;
    let published = fs::read(fixture.layout().checkpoint()).unwrap();
    fs::copy(other.path().join("ledger.db"), fixture.layout().database()).unwrap();
    fs::copy(other.path().join("log/checkpoint"), fixture.layout().checkpoint()).unwrap();
    fixture.open().await.unwrap();
    fixture.submit(&pledge(COUNTY, 2), &[("publisher", "丙")]).await.unwrap();
    fixture.ledger.shutdown().await;
    fs::write(fixture.layout().checkpoint(), published).unwrap();
    let refused = fixture.open().await;
    assert!(matches!(refused, Err(OpenError::Disagrees { published: 6 })), "{refused:?}");
}

#[tokio::test]
async fn a_locked_database_is_said_to_be_and_served_again_when_it_is_free() {
    let settings = Settings { busy_timeout: Duration::from_millis(20), ..Settings::default() };
    let mut fixture = Fixture::with(settings).await;
    fixture.publisher("丙", COUNTY).await;
    let submission = fixture.opening(&pledge(COUNTY, 1), &[("publisher", "丙")]);
    let mut other = operator(&fixture.layout()).await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let answer = fixture.ledger.submit(None, submission.clone()).await;
    let Err(SubmitError::Storage(error)) = answer else { panic!("{answer:?}") };
    assert!(error.to_string().contains("locked by another process"), "{error}");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(fixture.ledger.submit(None, submission).await.unwrap().index, 5);
    verifies(&fixture).await;
}

#[tokio::test]
async fn an_entry_of_a_wrong_length_does_not_fit_the_table() {
    let fixture = Fixture::new().await;
    let mut connection = operator(&fixture.layout()).await;
    for wrong in ["zeroblob(65536)", "zeroblob(0)", "'text'"] {
        let sql = format!("INSERT INTO entries (idx, bytes) VALUES (99, {wrong})");
        let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await;
        assert!(done.is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn entries_cannot_be_updated_or_deleted() {
    let fixture = Fixture::new().await;
    let mut connection = operator(&fixture.layout()).await;
    for sql in [
        "UPDATE entries SET bytes = x'00' WHERE idx = 0",
        "UPDATE entries SET idx = 7 WHERE idx = 0",
        "DELETE FROM entries WHERE idx = 0",
        "DELETE FROM entries",
        "DELETE FROM head",
        "UPDATE head SET size = size - 1",
        "UPDATE head SET recorded_at = 0",
        "UPDATE head SET epoch = 0",
    ] {
        let done = sqlx::raw_sql(sql).execute(&mut connection).await;
        let message = done.expect_err(sql).to_string();
        assert!(message.contains("append-only") || message.contains("never"), "{sql}: {message}");
    }
    verifies(&fixture).await;
}

#[tokio::test]
async fn a_head_that_counts_other_entries_than_there_are_is_refused() {
    let mut fixture = Fixture::new().await;
    fixture.publisher("丙", COUNTY).await;
    fixture.ledger.shutdown().await;
    tamper(&fixture.layout(), "DELETE FROM entries WHERE idx = 4").await;
    let refused = fixture.open().await;
    assert!(matches!(refused, Err(OpenError::Damaged(_))), "{refused:?}");
}
