//! The map of a ledger, of a copy, after crashes, and in the hands of somebody who may write everywhere.

use std::{fs, path::Path, sync::Arc};

use gongkai_log::{
    Entry, MapKey, MapRoot, StreamId, TreeHash,
    map::{Head, keys_of},
};
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};
use uuid::Uuid;

use super::helpers::{finding, fsck_files, verifies};
use crate::{
    Map, MapFault, PublishedLog, Settings,
    testing::{COUNTY, Fixture, ledger_keys},
};

async fn with_pledges(count: usize) -> Fixture {
    let mut fixture = Fixture::new().await;
    fixture.publisher("丙", COUNTY).await;
    more(&mut fixture, count).await;
    fixture
}

async fn more(fixture: &mut Fixture, count: usize) {
    let many = fixture.pledges(count, "丙", COUNTY).into_iter().map(|s| (None, s)).collect();
    assert!(fixture.ledger.submit_many(many).await.iter().all(Result::is_ok));
}

/// What every key holds, by folding the entries.
async fn folded(fixture: &Fixture, size: u64) -> Vec<(MapKey, Head)> {
    let mut heads: Vec<(MapKey, Head)> = Vec::new();
    for stored in fixture.ledger.entries(0, size).await.unwrap() {
        let entry = Entry::parse(stored.bytes).unwrap();
        let Some(signed) = entry.content.statement() else { continue };
        for key in keys_of(&signed.statement) {
            match heads.iter_mut().find(|(known, _)| *known == key) {
                Some((_, head)) => *head = head.after(&key, &signed.hash),
                None => heads.push((key.clone(), Head::NONE.after(&key, &signed.hash))),
            }
        }
    }
    heads
}

/// The root that an entry says.
async fn said(fixture: &Fixture, index: u64) -> MapRoot {
    let stored = fixture.ledger.entry(index).await.unwrap().unwrap();
    let entry = Entry::parse(stored.bytes).unwrap();
    gongkai_domain::kind::map::rooted(&entry.content.statement().unwrap().statement).unwrap()
}

/// The map proves every key, under the root that its last entry says.
async fn proves_everything(fixture: &Fixture, map: &Map, index: u64) {
    let root = said(fixture, index).await;
    for (key, head) in folded(fixture, root.size).await {
        let proven = map.prove(&key).await.unwrap().unwrap();
        assert_eq!((proven.size, proven.entry), (root.size, index));
        assert_eq!(proven.proof.verify(&key, &root.root), Ok(Some(head)), "{key}");
    }
    let nowhere = MapKey::stream(&StreamId::new("pledge", Uuid::from_u128(404)).unwrap());
    let proven = map.prove(&nowhere).await.unwrap().unwrap();
    assert_eq!(proven.proof.verify(&nowhere, &root.root), Ok(None));
}

async fn reaches(map: &Map, entry: u64) {
    map.reached().wait_for(|reached| reached.entry == Some(entry)).await.unwrap();
}

/// Runs SQL on the map while nobody has it open.
async fn tamper(path: &Path, sql: &'static str) {
    let mut connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_root_is_logged_when_there_is_something_new_and_proves_what_there_is_and_what_is_not() {
    let mut fixture = with_pledges(40).await;
    let map = fixture.ledger.map().clone();
    let first = fixture.ledger.root_map().await.unwrap().unwrap();
    proves_everything(&fixture, &map, first).await;
    assert_eq!(fixture.ledger.root_map().await.unwrap(), None, "a root alone is nothing new");
    more(&mut fixture, 3).await;
    let second = fixture.ledger.root_map().await.unwrap().unwrap();
    proves_everything(&fixture, &map, second).await;
    assert_eq!(verifies(&fixture).await.map_roots, 2);
}

#[tokio::test]
async fn what_waited_for_a_root_as_long_as_the_interval_gets_one_however_often_the_ledger_is_started() {
    let mut fixture = with_pledges(3).await;
    let interval = Settings::default().map_interval;
    for part in [interval / 2, interval / 4] {
        fixture.clock.advance(part);
        fixture.reopen().await.unwrap();
        assert_eq!(fixture.ledger.map().reached().borrow().entry, None, "the interval is not over");
    }
    let size = fixture.ledger.health().committed;
    fixture.clock.advance(interval / 4);
    fixture.reopen().await.unwrap();
    reaches(fixture.ledger.map(), size).await;
    proves_everything(&fixture, fixture.ledger.map(), size).await;
}

#[tokio::test]
async fn a_ledger_whose_organization_is_not_registered_yet_has_no_root_to_say_and_says_one_afterwards() {
    let mut fixture = Fixture::unregistered().await;
    assert_eq!(fixture.ledger.root_map().await.unwrap(), None);
    fixture.reopen().await.unwrap();
    fixture.org(COUNTY, "county", None).await;
    let index = fixture.ledger.root_map().await.unwrap().unwrap();
    proves_everything(&fixture, fixture.ledger.map(), index).await;
}

#[tokio::test]
async fn nothing_is_proven_before_the_first_root() {
    let fixture = with_pledges(1).await;
    let key = MapKey::organization(COUNTY);
    assert_eq!(fixture.ledger.map().prove(&key).await.unwrap(), None);
}

#[tokio::test]
async fn a_root_that_is_not_so_is_found_by_whoever_reads_the_log() {
    let fixture = with_pledges(5).await;
    let size = fixture.ledger.health().committed;
    fixture.ledger.say_root(MapRoot { size, root: TreeHash::from_bytes([7; 32]) }).await;
    fixture.published().await;
    let found = finding(fsck_files(&fixture.layout()).await);
    assert_eq!((found.index, found.field.as_str()), (Some(size), "map root"));
    let log = PublishedLog::open(fixture.layout().log(), ledger_keys().log.verifier()).unwrap();
    let copy = tempfile::tempdir().unwrap();
    let log = Arc::new(log);
    let map = Map::of_published(&copy.path().join("map.db"), &log).await.unwrap();
    map.fault.clone().wait_for(Option::is_some).await.unwrap();
    let fault = map.fault().unwrap();
    assert!(matches!(*fault, MapFault::Differs { index, .. } if index == size), "{fault}");
    assert_eq!(map.prove(&MapKey::organization(COUNTY)).await.unwrap(), None, "nothing is proven by it");
}

#[tokio::test]
async fn a_copy_of_the_published_files_keeps_the_same_map_and_follows() {
    let mut fixture = with_pledges(300).await;
    let first = fixture.ledger.root_map().await.unwrap().unwrap();
    fixture.published().await;
    let log = Arc::new(PublishedLog::open(fixture.layout().log(), ledger_keys().log.verifier()).unwrap());
    let copy = tempfile::tempdir().unwrap();
    let map = Map::of_published(&copy.path().join("map.db"), &log).await.unwrap();
    reaches(&map, first).await;
    proves_everything(&fixture, &map, first).await;
    more(&mut fixture, 30).await;
    let second = fixture.ledger.root_map().await.unwrap().unwrap();
    fixture.published().await;
    log.refresh().unwrap();
    reaches(&map, second).await;
    proves_everything(&fixture, &map, second).await;
}

#[tokio::test]
async fn a_crash_between_root_and_map_a_lost_map_and_a_changed_one_end_in_the_same_map() {
    let mut fixture = with_pledges(20).await;
    fixture.ledger.root_map().await.unwrap().unwrap();
    fixture.ledger.shutdown().await;
    let path = fixture.layout().map();
    let old = fs::read(&path).unwrap();
    fixture.open().await.unwrap();
    more(&mut fixture, 10).await;
    let last = fixture.ledger.root_map().await.unwrap().unwrap();
    for spoil in [
        None,
        Some("DELETE FROM leaf"),
        Some("UPDATE leaf SET count = count + 1"),
        Some("UPDATE node SET hash = zeroblob(32) WHERE number = 1"),
        Some("DELETE FROM leaf; DELETE FROM node; UPDATE reached SET entry = NULL"),
        Some("UPDATE reached SET entry = 0"),
    ] {
        fixture.ledger.shutdown().await;
        match spoil {
            Some(sql) => tamper(&path, sql).await,
            None => fs::write(&path, &old).unwrap(),
        }
        fixture.open().await.unwrap();
        more(&mut fixture, 1).await;
        let root = fixture.ledger.root_map().await;
        // What is damaged is made again first.
        let root = match root {
            Ok(root) => root,
            Err(_) => fixture.ledger.root_map().await.unwrap(),
        };
        let root = root.unwrap();
        assert!(root > last);
        proves_everything(&fixture, &fixture.ledger.map().clone(), root).await;
    }
    assert_eq!(verifies(&fixture).await.map_roots, 8);
}

#[tokio::test]
async fn a_map_that_is_changed_while_it_is_open_says_no_root_and_is_made_again() {
    let mut fixture = with_pledges(20).await;
    fixture.ledger.root_map().await.unwrap().unwrap();
    tamper(&fixture.layout().map(), "UPDATE leaf SET hash = zeroblob(32)").await;
    let org = MapKey::organization(COUNTY);
    assert!(fixture.ledger.map().prove(&org).await.is_err(), "no proof leaves that proves nothing");
    more(&mut fixture, 1).await;
    assert!(fixture.ledger.root_map().await.is_err());
    let root = fixture.ledger.root_map().await.unwrap().unwrap();
    proves_everything(&fixture, &fixture.ledger.map().clone(), root).await;
    assert_eq!(verifies(&fixture).await.map_roots, 2);
}

#[tokio::test]
async fn a_file_of_another_program_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("map.db");
    tamper_new(&path).await;
    let before = fs::read(&path).unwrap();
    let fixture = with_pledges(1).await;
    fixture.published().await;
    let log = Arc::new(PublishedLog::open(fixture.layout().log(), ledger_keys().log.verifier()).unwrap());
    assert!(matches!(Map::of_published(&path, &log).await, Err(MapFault::Foreign(_))));
    assert_eq!(fs::read(&path).unwrap(), before);
}

async fn tamper_new(path: &Path) {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    let other = "PRAGMA journal_mode = WAL; PRAGMA application_id = 7; CREATE TABLE leaf (x)";
    sqlx::raw_sql(other).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
