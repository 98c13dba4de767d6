//! Cases 6, 7 and 19: bit flips, and an operator with SQL. Each is found, and said where.

use std::fs;

use gongkai_log::FsckError;
use sqlx::Connection as _;

use super::helpers::{finding, fsck_database, fsck_files, operator, restore, tamper, verifies};
use crate::{
    OpenError, StoreError,
    testing::{COUNTY, Fixture, pledge},
};

/// Three bundles, so that there is something outside the tail that each start checks.
async fn long_ledger() -> Fixture {
    let mut fixture = Fixture::new().await;
    fixture.publisher("丙", COUNTY).await;
    let many = fixture.pledges(800, "丙", COUNTY).into_iter().map(|s| (None, s)).collect();
    assert!(fixture.ledger.submit_many(many).await.iter().all(Result::is_ok));
    verifies(&fixture).await;
    fixture
}

#[tokio::test]
async fn what_an_operator_does_to_entries_is_found_and_named() {
    let fixture = long_ledger().await;
    fixture.ledger.shutdown().await;
    let pristine = fs::read(fixture.layout().database()).unwrap();
    let cases: [(&str, &str, u64); 6] = [
        (
            "an edit",
            "UPDATE entries SET bytes = CAST(replace(CAST(bytes AS TEXT), '2026-11-30', '2026-12-31') AS BLOB) WHERE idx = 10",
            10,
        ),
        ("a deletion", "DELETE FROM entries WHERE idx = 10", 10),
        (
            "a deletion with renumbering",
            "DELETE FROM entries WHERE idx = 10; UPDATE entries SET idx = -idx WHERE idx > 10",
            10,
        ),
        (
            "an insertion",
            "INSERT OR REPLACE INTO entries SELECT 10, stream, revision, bytes FROM (SELECT NULL stream, NULL revision, bytes FROM entries WHERE idx = 12)",
            10,
        ),
        (
            "a swap",
            "UPDATE entries SET bytes = CASE idx WHEN 10 THEN (SELECT bytes FROM entries WHERE idx = 11) ELSE (SELECT bytes FROM entries WHERE idx = 10) END WHERE idx IN (10, 11)",
            10,
        ),
        (
            "a back-dating",
            "UPDATE entries SET bytes = CAST(replace(CAST(bytes AS TEXT), 'T01:00:00.000000Z', 'T00:00:00.000000Z') AS BLOB) WHERE idx = 10",
            10,
        ),
    ];
    for (what, sql, index) in cases {
        // A CHECK refuses negative indexes; where a statement cannot be run at all there is nothing to find.
        if what == "a deletion with renumbering" {
            let mut connection = operator(&fixture.layout()).await;
            let drop =
                "DROP TRIGGER IF EXISTS entries_are_never_changed; DROP TRIGGER IF EXISTS entries_are_never_deleted;";
            sqlx::raw_sql(drop).execute(&mut connection).await.unwrap();
            assert!(sqlx::raw_sql(sql).execute(&mut connection).await.is_err());
            connection.close().await.unwrap();
            continue;
        }
        restore(&fixture.layout(), &pristine);
        tamper(&fixture.layout(), sql).await;
        match fsck_database(&fixture.layout()).await {
            Err(FsckError::Finding(found)) => {
                assert!(found.index.is_some_and(|at| (index..=index + 1).contains(&at)), "{what}: {found}");
            }
            // A missing row cannot be read; the error names it.
            Err(FsckError::Read { source: StoreError::Row { index: at, .. }, .. }) => assert_eq!(at, index, "{what}"),
            other => panic!("{what} was not found: {other:?}"),
        }
        // What was published before is untouched and still verifies.
        fsck_files(&fixture.layout()).await.unwrap();
    }
}

#[tokio::test]
async fn tampering_with_the_tail_keeps_the_ledger_from_starting() {
    let mut fixture = long_ledger().await;
    fixture.ledger.shutdown().await;
    let pristine = fs::read(fixture.layout().database()).unwrap();
    for (sql, names) in [
        (
            "UPDATE entries SET bytes = CAST(replace(CAST(bytes AS TEXT), '2026-11-30', '2026-12-31') AS BLOB) WHERE idx = 700",
            "entry 701",
        ),
        ("DELETE FROM entries WHERE idx = 700", "entry 700"),
        ("UPDATE head SET entry_hash = zeroblob(32)", "hash"),
        ("UPDATE head SET edge = zeroblob(8)", "edge"),
        ("UPDATE head SET recorded_at = recorded_at + 1", "time"),
    ] {
        restore(&fixture.layout(), &pristine);
        tamper(&fixture.layout(), sql).await;
        let refused = fixture.open().await;
        let Err(OpenError::Damaged(error)) = refused else { panic!("{sql}: {refused:?}") };
        assert!(error.to_string().contains(names), "{sql}: {error}");
    }
    // The last entry has no successor whose `prev` would tell; the published root does.
    restore(&fixture.layout(), &pristine);
    let last = "UPDATE entries SET bytes = CAST(replace(CAST(bytes AS TEXT), '2026-11-30', '2026-12-31') AS BLOB) WHERE idx = 804";
    tamper(&fixture.layout(), last).await;
    let refused = fixture.open().await;
    assert!(matches!(refused, Err(OpenError::Disagrees { published: 805 })), "{refused:?}");
    restore(&fixture.layout(), &pristine);
    fixture.open().await.unwrap();
    verifies(&fixture).await;
}

#[tokio::test]
async fn a_bit_flip_between_commit_and_publication_stops_the_signing() {
    let mut fixture = Fixture::new().await;
    fixture.publisher("丙", COUNTY).await;
    fixture.published().await;
    let checkpoint = fs::read(fixture.layout().checkpoint()).unwrap();
    // The head says something else than the entries: exactly what a flip in either would look like.
    fixture.ledger.shutdown().await;
    super::faults::commit_with_a_flip(&fixture).await;
    let refused = fixture.open().await;
    assert!(matches!(refused, Err(OpenError::Damaged(_))), "{refused:?}");
    assert_eq!(fs::read(fixture.layout().checkpoint()).unwrap(), checkpoint, "nothing was signed");
}

#[tokio::test]
async fn a_flip_in_openings_spoils_that_entry_and_no_other() {
    let mut fixture = long_ledger().await;
    fixture.ledger.shutdown().await;
    tamper(&fixture.layout(), "UPDATE openings SET line = replace(line, '路灯 12 盏', '路灯 13 盏') WHERE idx = 700")
        .await;
    let found = finding(fsck_database(&fixture.layout()).await);
    assert_eq!(found.index, Some(700), "{found}");
    assert!(found.field.contains("openings"), "{found}");
    fixture.open().await.unwrap();
    let alarms = &fixture.ledger.recovery().alarms;
    assert!(alarms.len() == 1 && alarms[0].contains("entry 700"), "{alarms:?}");
    fixture.submit(&pledge(COUNTY, 900), &[("publisher", "丙")]).await.unwrap();
    tamper(&fixture.layout(), "UPDATE openings SET line = substr(line, 2) WHERE idx = 701").await;
    assert!(matches!(fixture.ledger.entry(701).await, Err(StoreError::Row { index: 701, field: "openings", .. })));
    assert!(fixture.ledger.entry(702).await.is_ok(), "the rest live");
}

#[tokio::test]
async fn openings_of_another_entry_are_found() {
    let fixture = long_ledger().await;
    fixture.ledger.shutdown().await;
    tamper(&fixture.layout(), "UPDATE openings SET line = (SELECT line FROM openings WHERE idx = 11) WHERE idx = 10")
        .await;
    let found = finding(fsck_database(&fixture.layout()).await);
    assert!(found.index.is_none_or(|at| (10..=11).contains(&at)), "{found}");
    assert!(found.field.contains("openings"), "{found}");
}

#[tokio::test]
async fn a_flip_in_a_checkpoint_is_mended_with_an_alarm() {
    let mut fixture = long_ledger().await;
    fixture.ledger.shutdown().await;
    let good = fs::read(fixture.layout().checkpoint()).unwrap();
    tamper(&fixture.layout(), "UPDATE publication SET checkpoint = replace(checkpoint, 'ledger', 'lodger')").await;
    for place in [3, good.len() / 2, good.len() - 5] {
        let mut flipped = good.clone();
        flipped[place] ^= 1;
        fs::write(fixture.layout().checkpoint(), flipped).unwrap();
        fixture.open().await.unwrap();
        assert_eq!(fs::read(fixture.layout().checkpoint()).unwrap(), good);
        let alarms = &fixture.ledger.recovery().alarms;
        assert!(alarms.iter().any(|alarm| alarm.contains("checkpoint file does not verify")), "{alarms:?}");
        verifies(&fixture).await;
        fixture.ledger.shutdown().await;
    }
}

#[tokio::test]
async fn every_flip_in_a_published_file_is_found_by_whoever_checks() {
    let fixture = long_ledger().await;
    fixture.ledger.shutdown().await;
    for name in ["checkpoint", "tile/0/000", "tile/0/003.p/37", "tile/1/000.p/3", "tile/entries/001", "openings/002"] {
        let path = fixture.layout().log().join(name);
        let good = fs::read(&path).unwrap();
        for place in [0, good.len() / 3, good.len() - 1] {
            let mut flipped = good.clone();
            flipped[place] ^= 0x10;
            fs::write(&path, flipped).unwrap();
            let found = finding(fsck_files(&fixture.layout()).await);
            assert!(found.index.is_some() || !found.field.is_empty(), "{name}: {found}");
        }
        fs::write(&path, good).unwrap();
    }
    fsck_files(&fixture.layout()).await.unwrap();
}
